"""Pairs of one's own: a file of lines in, the same pairs out, with an origin, a licence and a weight where they say none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from wayfind.train.pairs import Pair, read_lines
from wayfind.train.sources.repository import Yield


def jsonl_pairs(path: Path, origin: str, licence: str, weight: float) -> Yield:
    """The pairs of a file. Raises UsageError with the line that is none."""
    name = origin or path.name.partition(".")[0]
    found = Yield(files=1)
    for pair in read_lines(path):
        found.pairs.append(_completed(pair, name, licence, weight))
    return found


def _completed(pair: Pair, origin: str, licence: str, weight: float) -> Pair:
    return replace(pair, origin=pair.origin or origin, licence=pair.licence or licence, weight=pair.weight * weight)
