"""How far an answer can be trusted: a probability that the repository holds what the query asks for.

A logistic regression on what `inputs` gives, fitted by benchmarks/confidence.py on questions with known answers of repositories outside
every benchmark, against questions asked in a repository that they do not belong to, and in one of the same domain. It is calibrated for
questions, and says little too much of long texts. A name that is defined is certain, and a file that is there; traces and pasted code are never given up on unless
nothing at all is found.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wayfind.search.lexical import Lexical
from wayfind.search.mentions import FRAMES_FIRST
from wayfind.search.query import Query
from wayfind.search.rank import OTHER_CASE, SIGNALS, WEIGHTS, Ranked

CERTAIN = 0.99
_GIVEN_UP = ("question", "identifier", "text")
_LOOKED_AT = 3
_NEAREST = 5
_FIFTH = 4
STANDS_IN = 0.5
"""Addend `learned` of the first result from which an absent word counts as found: pinned words reach it, learned ones seldom."""
_SHORTEST = 4
"""Words of the shortest questions that the confidence was fitted on; shorter ones count as these."""

Candidates = tuple[np.ndarray, np.ndarray, np.ndarray]
"""What `rank.features` gives."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Coefficients of one regression by input, its bias, and the probability below which the query is given up on: 5 % of the
    answerable questions lie below it."""

    bias: float
    of: Mapping[str, float]
    give_up_below: float


_TABLE = json.loads(Path(__file__).with_name("confidence.json").read_text(encoding="utf-8"))
BY_WORDS, BY_MEANING, BY_BACKGROUND = (Fit(**_TABLE[name]) for name in ("words", "meaning", "background"))


def inputs(
    query: Query, lexical: Lexical, candidates: Candidates, ranked: Sequence[Ranked], elsewhere: float | None = None
) -> dict[str, float]:
    """What the confidence looks at: `score` of the first result and how far it is `ahead` of the fifth; of all candidates the largest
    share of the query's weight that one holds (`covered`), the largest cosine (`nearest`) and the mean of five (`near`), the
    largest lexical score (`words`), score of a file (`file`), late interaction (`late`), product of share and cosine (`both`), share of
    the query met by a symbol (`symbol`); the share of its words that no chunk holds (`missing`), and the logarithm of how many
    it has (`length`); how near it lies to code of other repositories (`elsewhere`), where the model brings some: some questions lie near
    to all code."""
    _, signals, _ = candidates
    column = {name: signals[:, number] for number, name in enumerate(SIGNALS)}
    near = np.sort(column["meaning"])[::-1]
    return {
        "score": ranked[0].score,
        "ahead": ranked[0].score - ranked[min(_FIFTH, len(ranked) - 1)].score,
        "covered": float(column["covered"].max()),
        "nearest": float(near[0]),
        "near": float(near[:_NEAREST].mean()),
        "words": float(column["lexical"].max()),
        "file": float(column["file"].max()),
        "late": float(column["late"].max()),
        "both": float((column["covered"] * column["meaning"]).max()),
        "symbol": float(column["symbol"].max()),
        "missing": 0.0 if _stood_in(ranked) else len(lexical.missing) / max(len(query.words), 1),
        "length": math.log(1 + max(len(query.words), _SHORTEST)),
        "elsewhere": elsewhere or 0.0,
    }


def confidence(
    query: Query, lexical: Lexical, candidates: Candidates, ranked: Sequence[Ranked], elsewhere: float | None = None
) -> float:
    """Probability, 0 to 1, rounded to 3 digits. `elsewhere`: how near the query lies to code of other repositories, if that is known."""
    if not ranked or not len(candidates[0]):
        return 0.0
    if query.kind in ("question", "identifier") and ranked[0].signals.get("mentioned", 0.0) >= round(FRAMES_FIRST * WEIGHTS["mentioned"], 6):
        return CERTAIN
    if query.kind == "identifier" and ranked[0].signals.get("definition", 0.0) >= round(OTHER_CASE * WEIGHTS["definition"], 6):
        return CERTAIN
    given, fit = inputs(query, lexical, candidates, ranked, elsewhere), _fit(ranked, elsewhere)
    logit = fit.bias + sum(times * given[name] for name, times in fit.of.items())
    return round(1 / (1 + math.exp(-logit)), 3)


def gives_up(query: Query, sure: float, ranked: Sequence[Ranked], found: bool, elsewhere: float | None = None) -> bool:
    """Whether to say that the repository probably does not hold this."""
    return not found or (sure < _fit(ranked, elsewhere).give_up_below and query.kind in _GIVEN_UP and not query.filters and not _stood_in(ranked))


def _stood_in(ranked: Sequence[Ranked]) -> bool:
    """Whether a name that was said to mean a word of the query carries the first result."""
    return bool(ranked) and ranked[0].signals.get("learned", 0.0) >= STANDS_IN


def _fit(ranked: Sequence[Ranked], elsewhere: float | None) -> Fit:
    if not any(hit.signals.get("meaning") for hit in ranked[:_LOOKED_AT]):
        return BY_WORDS
    return BY_MEANING if elsewhere is None else BY_BACKGROUND
