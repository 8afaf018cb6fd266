"""Pairs of one's own: a file of lines in, the same pairs out, with an origin, a licence and a weight where they say none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from wayfind.errors import NotFound
from wayfind.train.duplicates import content_of
from wayfind.train.pairs import Pair, from_values, placed_rows
from wayfind.train.recipe import JsonLines, Split
from wayfind.train.sources.repository import Yield
from wayfind.train.split import part_of


def jsonl_pairs(source: JsonLines, split: Split, seed: int) -> Yield:
    """The pairs of a file. A line of no origin, where the source names none either, is of no project that is held out as a whole: it
    keeps the part that it gives, and where no such line of the file gives one, a hash of its code draws it.

    Raises NotFound, UsageError with the line that is no pair.
    """
    path = Path(source.jsonl)
    if not path.is_file():
        raise NotFound(f"{path}: no such file of pairs")
    found, given = Yield(files=1), False
    for where, values in placed_rows(path):
        pair = _completed(from_values(values, where), source)
        given |= "part" in values and not pair.origin
        found.pairs.append(pair)
    if not given:
        found.pairs = [pair if pair.origin else replace(pair, part=part_of(content_of(pair), split.valid, split.test, seed)) for pair in found.pairs]
    return found


def _completed(pair: Pair, source: JsonLines) -> Pair:
    return replace(pair, origin=pair.origin or source.origin, licence=pair.licence or source.licence, weight=pair.weight * source.weight)
