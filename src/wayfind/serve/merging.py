"""Answers of several repositories as one: in come the answers with their roots, out comes one answer whose paths count from the
folder that holds all of the roots.

Scores of two repositories are comparable as far as the score is absolute: its lexical part is divided by the largest that
the query could have there, its other parts are bounded. A word that is rare in one repository and common in another weighs
differently in the two. Ties keep the order of the repositories, and each repository keeps its own order.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

from wayfind.types import Answer, IndexState, Result


@dataclass(frozen=True, slots=True)
class Placed:
    """A result, its path relative to `root`."""

    root: Path
    result: Result


def merged(answers: Sequence[tuple[Path, Answer]], k: int) -> tuple[Placed, ...]:
    """The best `k` results of all."""
    order = {root: number for number, (root, _) in reversed(list(enumerate(answers)))}
    placed = [(value, Placed(root, result)) for root, answer in answers for value, result in zip(_values(answer.results), answer.results)]
    if len(answers) > 1:
        placed.sort(key=lambda item: (-item[0], order[item[1].root]))
    return tuple(item for _, item in placed[:k])


def _values(results: Sequence[Result]) -> list[float]:
    """What each result is placed by: the best score of it and those after it, so that what follows the graph and not the scores keeps its
    order."""
    return list(accumulate((result.score for result in reversed(results)), max))[::-1]


def united(answers: Sequence[tuple[Path, Answer]], results: Sequence[Placed]) -> Answer:
    """One answer over all. Its index counts the files of all; its confidence is the largest; it abstains where all do."""
    if len(answers) == 1:
        return replace(answers[0][1], results=tuple(item.result for item in results))
    common = Path(os.path.commonpath([root for root, _ in answers]))
    heads = [answer for _, answer in answers]
    given = all(answer.abstained for answer in heads)
    speaking = [(root, answer) for root, answer in answers if answer.reason and (given or not answer.abstained)]
    reason = "; ".join(f"{os.path.relpath(root, common)}: {answer.reason}" for root, answer in speaking)
    index = _index(common, [answer.index for answer in heads])
    return Answer(heads[0].query, index, max(answer.confidence for answer in heads), given, reason, tuple(_moved(item, common) for item in results))


def _moved(item: Placed, common: Path) -> Result:
    """The result with its paths counted from the folder that holds all roots."""
    way = os.path.relpath(item.root, common)
    prefix = "" if way == "." else f"{way}/".replace(os.sep, "/")
    relations = tuple(replace(one, path=prefix + one.path) for one in item.result.relations)
    return replace(item.result, path=prefix + item.result.path, also=tuple(prefix + place for place in item.result.also), relations=relations)


def _index(root: Path, states: Sequence[IndexState]) -> IndexState:
    skipped = sum((Counter(state.skipped) for state in states), Counter())
    return IndexState(
        os.fspath(root),
        sum(state.generation for state in states),
        sum(state.files for state in states),
        sum(state.chunks for state in states),
        _share([(state.coverage, state.chunks) for state in states], 1.0),
        sum(state.stale_files for state in states),
        dict(sorted(skipped.items())),
        " ".join(dict.fromkeys(state.model for state in states)),
        _share([(state.encoded, state.chunks) for state in states], 0.0),
    )


def _share(parts: Sequence[tuple[float, int]], of_none: float) -> float:
    """The share in the whole, from the shares in parts of these sizes; `of_none` where there is nothing."""
    size = sum(chunks for _, chunks in parts)
    return round(sum(share * chunks for share, chunks in parts) / size, 4) if size else of_none
