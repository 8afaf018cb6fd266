"""Whether what was learned is kept: figures of the same questions before and after, and a verdict.

Kept only if the gate's questions gain, by an interval of the paired difference that lies above zero, no kind of them loses more of a figure than
chance explains, what was in use before is not better, and the general questions lose nothing. The report's questions decide nothing; they say what the gain is.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from wayfind.evaluate.intervals import Interval, bootstrap, paired
from wayfind.evaluate.queries import Gold, Part, Query, part, query
from wayfind.index.snapshot import Snapshot
from wayfind.index.tokens import parts
from wayfind.train.adapt.exams import Sheet

FIGURE = "MRR@10"
FIGURES = ("MRR@10", "recall@10")
FEWEST = 20
"""Gate questions below which nothing is kept: no interval of so few lies above zero but by luck."""
ALL = "all"
"""The kind of all questions of a part taken together."""
LOSS = 0.01
"""What may be lost in the mean of FIGURE: of a hundred general questions, that two have their answer second instead of first."""
GENERAL = 100
BY_CHANCE = 0.025
"""Probability below which a loss of one kind of question is none of chance: the lower end of an interval of 95 %."""
EXACT, RESAMPLES = 12, 4000
"""Differences up to which every way to sign them is tried, and the number of draws beyond."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure of some questions, before and after, and the paired difference."""

    kind: str
    figure: str
    before: Interval
    after: Interval
    gain: Interval
    chance: float = 0.0
    """Probability of so large a loss if nothing had changed."""

    def as_fields(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether what was learned is kept, and why or why not."""

    kept: bool
    why: str


def compare(kind: str, before: Sheet, after: Sheet, seed: int = 0) -> list[Compared]:
    """The figures of one set of questions; none where there is no question."""
    if not before.figures:
        return []
    columns = [(name, before.column(name), after.column(name)) for name in FIGURES]
    return [
        Compared(kind, name, bootstrap(old, seed=seed), bootstrap(new, seed=seed), paired(new, old, seed=seed), chance_of_loss(np.subtract(new, old), seed))
        for name, old, new in columns
    ]


def chance_of_loss(differences: np.ndarray, seed: int = 0) -> float:
    """Probability that the mean would be as low or lower if each difference had either sign alike: a bootstrap of four questions that all
    lost a little excludes 0, though one in sixteen such draws is that by chance. R. A. Fisher, "The Design of Experiments", 1935, section 21.

    >>> chance_of_loss(np.array([-0.1, -0.2, -0.1, 0.0]))
    0.125
    """
    moved = np.asarray(differences, float)[np.asarray(differences) != 0]
    if len(moved) <= EXACT:
        signs = 1 - 2 * ((np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved))) & 1)
    else:
        signs = np.random.default_rng(seed).choice((-1, 1), (RESAMPLES, len(moved)))
    return float((signs @ np.abs(moved) <= moved.sum() + 1e-12).mean())


def together(sheets: Sequence[Sheet]) -> Sheet:
    """Several sheets as one."""
    return Sheet({key: value for sheet in sheets for key, value in sheet.figures.items()})


def judge(gate: Sequence[Compared], general: Sequence[Compared], present: Compared | None = None) -> Verdict:
    """The verdict on all questions of the gate taken together (kind `all`), on each kind, and on the general ones. `present`: the
    gate's questions asked of what is in use, then of what was learned now."""
    gain = next((one.gain for one in gate if one.figure == FIGURE and one.kind == ALL), None)
    if gain is None or gain.n < FEWEST:
        return Verdict(False, f"{gain.n if gain else 0} questions to judge by; {FEWEST} are needed")
    said = f"{FIGURE} {gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] on {gain.n} questions held out for the decision"
    if gain.low <= 0:
        return Verdict(False, f"no certain gain: {said}")
    worse = next((one for one in gate if _is_certain(one)), None)
    if worse is not None:
        return Verdict(False, f"{said}, but {worse.kind} questions lose {worse.gain.mean:+.3f} [{worse.gain.low:+.3f}, {worse.gain.high:+.3f}] {worse.figure}")
    if present is not None and present.gain.mean < -LOSS:
        return Verdict(False, f"what is in use is better: {FIGURE} {present.gain.mean:+.3f} [{present.gain.low:+.3f}, {present.gain.high:+.3f}] against it")
    lost = next((one for one in general if one.figure == FIGURE and (one.gain.mean < -LOSS or _is_certain(one))), None)
    if lost is not None:
        return Verdict(False, f"{said}, but {lost.kind} questions lose {lost.gain.mean:+.3f}")
    return Verdict(True, f"gains: {said}; general questions lose nothing")


def _is_certain(one: Compared) -> bool:
    """Whether a loss is more than chance explains."""
    return one.gain.high < 0 and one.chance < BY_CHANCE


def general_questions(snapshot: Snapshot, parts_of: Collection[Part], most: int = GENERAL, seed: int = 0) -> list[Query]:
    """Questions that must work whatever is learned: names of definitions in files of these parts, half as they are written or in words,
    half in words with those of the class or file around; drawn by content."""
    times: dict[str, list[int]] = {}
    for chunk, symbol in enumerate(snapshot.symbols):
        if symbol and snapshot.kind_of(chunk) in ("function", "method", "class"):
            times.setdefault(symbol.split(".")[-1], []).append(chunk)
    alone = sorted(name for name, chunks in times.items() if len(chunks) == 1 and len(name) > 4 and part(snapshot.paths[snapshot.file[chunks[0]]]) in parts_of)
    drawn = random.Random(seed).sample(alone, min(most, len(alone)))
    places = {name: times[name][0] for name in drawn}
    asked = []
    for number, (name, chunk) in enumerate(sorted(places.items())):
        path, symbol = snapshot.paths[snapshot.file[chunk]], snapshot.symbols[chunk]
        around = symbol.rpartition(".")[0].rpartition(".")[2] or PurePosixPath(path).stem
        said = (name, " ".join([*parts(around), *parts(name)]), " ".join(parts(name)), " ".join([*parts(name), *parts(around)]))[number % 4]
        asked.append(query("name", said, [Gold(path, symbol)]))
    return asked


def summary(compared: Sequence[Compared]) -> Mapping[str, Any]:
    """The figures as they are stored with an adaptation."""
    return {f"{one.kind} {one.figure}": {name: [round(v, 4) for v in (i.mean, i.low, i.high)] + [i.n] for name, i in (("before", one.before), ("after", one.after), ("gain", one.gain))} for one in compared}
