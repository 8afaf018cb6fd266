"""Whether a learned latent model takes part in default searches: the weight of its signal, and the gate's verdict.

The questions and copies of the tree are those of every learning here (`train.adapt.exams`). A third of the gate's questions choose
the weight; the others decide: kept only where the interval of the paired difference to the search as it is lies above zero. The
report's questions say what the gain is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wayfind.api import Repository
from wayfind.evaluate.queries import Query
from wayfind.evaluate.scratch import GitError
from wayfind.model.encoder import current_encoder
from wayfind.model.latent import LatentEncoder
from wayfind.search.latents import Fused, Levels
from wayfind.search.searcher import Searcher
from wayfind.train.adapt.exams import Exam, Sheet, answered, exams
from wayfind.train.adapt.gate import ALL, FIGURE, Compared, compare, judge, summary, together
from wayfind.train.adapt.lessons import split_history
from wayfind.types import Progress

GRID = (0.25, 0.5, 1.0, 2.0)
"""Weights that are tried."""
SLICE = 3
"""One of so many of the gate's questions chooses the weight."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The weight, 0 where the model takes no part, and why."""

    weight: float
    beside: str
    why: str
    figures: dict[str, Any] = field(default_factory=dict)


def judged(repository: Repository, encoder: LatentEncoder, level: str, say: Progress, seed: int = 0) -> Judged:
    """Try a latent model in the search of the repository's exams. Nothing of the repository or its index is changed."""
    model = current_encoder()
    beside = model.id if model else ""
    try:
        with tempfile.TemporaryDirectory(prefix="wayfind-latent-", ignore_cleanup_errors=True) as scratch:
            with exams(repository, split_history(repository.root), Path(scratch), seed=seed, say=say) as made:
                return _decided([exam for exam in made if exam.part != "train"], encoder, level, beside, say, seed)
    except GitError as refused:
        return Judged(0.0, beside, f"git refused what judging needs: {refused}")


def _decided(made: Sequence[Exam], encoder: LatentEncoder, level: str, beside: str, say: Progress, seed: int) -> Judged:
    gate = [exam for exam in made if exam.part == "gate"]
    tried = {weight: _mean(_sheets(gate, encoder, level, weight, choosing=True)) for weight in (0.0, *GRID)}
    weight = max(tried, key=lambda one: (tried[one], -one))
    if not weight:
        return Judged(0.0, beside, "takes no part in searches without --level: no weight helped on the questions that choose it", {"tried": tried})
    say("judge", 0, 0)
    decided = _compared(gate, encoder, level, weight, seed)
    report = _compared([exam for exam in made if exam.part == "report"], encoder, level, weight, seed, choosing=None)
    verdict = judge(decided, [])
    figures = {"tried": tried, "gate": dict(summary(decided)), "report": dict(summary(report)), "why": verdict.why}
    return Judged(weight if verdict.kept else 0.0, beside, verdict.why if verdict.kept else f"takes no part in searches without --level: {verdict.why}", figures)


def _compared(made: Sequence[Exam], encoder: LatentEncoder, level: str, weight: float, seed: int, choosing: bool | None = False) -> list[Compared]:
    before, after = (_sheets(made, encoder, level, one, choosing) for one in (0.0, weight))
    found = compare(ALL, together([sheet for _, sheet in before]), together([sheet for _, sheet in after]), seed)
    for (kind, old), (_, new) in zip(before, after):
        found += compare(kind, old, new, seed)
    return found


def _sheets(made: Sequence[Exam], encoder: LatentEncoder, level: str, weight: float, choosing: bool | None) -> list[tuple[str, Sheet]]:
    return [(exam.kind, answered(_searcher(exam, encoder, level, weight), _some(exam.questions, choosing))) for exam in made]


def _searcher(exam: Exam, encoder: LatentEncoder, level: str, weight: float) -> Searcher:
    searcher = Searcher(exam.snapshot)
    if weight:
        searcher.latent = Fused(Levels(exam.snapshot, encoder), level, weight)
    return searcher


def _some(questions: Sequence[Query], choosing: bool | None) -> list[Query]:
    """The questions that choose, those that decide, or (None) all."""
    return [asked for asked in questions if choosing is None or (int(asked.id.rpartition("-")[2], 16) % SLICE == 0) == choosing]


def _mean(sheets: Sequence[tuple[str, Sheet]]) -> float:
    column = together([sheet for _, sheet in sheets]).column(FIGURE)
    return round(sum(column) / len(column), 4) if column else 0.0
