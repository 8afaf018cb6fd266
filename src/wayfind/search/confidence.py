"""How far an answer can be trusted: a probability that the repository holds what the query asks for.

A logistic regression on the score of the best result, the largest share of the query's weight that one of the first three results
holds, and, where a model took part, the nearness of the nearest of those three. Fitted on held-out questions of repositories
outside every benchmark, against questions asked in a repository that they do not belong to, both sides weighted alike; the
figures are in docs/LOG.md, "Confidence". It is calibrated for questions; a name that is defined is certain, and long texts
(issues, traces, pasted code) are never given up on unless nothing at all is found.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wayfind.search.query import Query
from wayfind.search.rank import SIGNALS, Ranked

CERTAIN = 0.99
_GIVEN_UP = ("question", "identifier")
_LOOKED_AT = 3
_NEAREST = 5

Candidates = tuple[np.ndarray, np.ndarray, np.ndarray]
"""What `rank.features` gives."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Coefficients of one regression by input, its bias, and the probability below which the query is given up on: 5 % of the
    answerable questions lie below it."""

    bias: float
    of: Mapping[str, float]
    give_up_below: float


BY_WORDS = Fit(-4.64, {"score": 3.48, "covered": 1.88}, 0.2)
BY_MEANING = Fit(-6.995, {"score": 0.827, "covered": 2.81, "near": 9.299}, 0.167)


def inputs(candidates: Candidates, ranked: Sequence[Ranked]) -> dict[str, float]:
    """What the confidence looks at. Of all candidates: `covered_most`, `nearest` (mean cosine of the five nearest), `words` (the
    largest lexical score), `file` (of the best file), `late` (the best), `both` (the largest product of covered share and cosine).
    Of the first results: `score` of the first, `covered` and `near`, the largest of three, `ahead`, the first before the fifth."""
    chosen, signals, _ = candidates
    column = {name: signals[:, number] for number, name in enumerate(SIGNALS)}
    places = np.flatnonzero(np.isin(chosen, [hit.chunk for hit in ranked[:_LOOKED_AT]]))
    near = np.sort(column["meaning"])[::-1]
    return {
        "score": ranked[0].score,
        "covered": float(column["covered"][places].max(initial=0.0)),
        "near": float(column["meaning"][places].max(initial=0.0)),
        "ahead": ranked[0].score - ranked[min(4, len(ranked) - 1)].score,
        "covered_most": float(column["covered"].max()),
        "nearest": float(near[:_NEAREST].mean()),
        "stands_out": float(near[0] - np.median(near)),
        "words": float(column["lexical"].max()),
        "file": float(column["file"].max()),
        "named": float(column["name"].max()),
        "late": float(column["late"].max()),
        "both": float((column["covered"] * column["meaning"]).max()),
        "candidates": math.log(len(chosen)),
    }


def confidence(query: Query, candidates: Candidates, ranked: Sequence[Ranked]) -> float:
    """Probability, 0 to 1, rounded to 3 digits."""
    if not ranked or not len(candidates[0]):
        return 0.0
    if query.kind == "identifier" and ranked[0].signals.get("definition"):
        return CERTAIN
    given, fit = inputs(candidates, ranked), _fit(ranked)
    logit = fit.bias + sum(times * given[name] for name, times in fit.of.items())
    return round(1 / (1 + math.exp(-logit)), 3)


def gives_up(query: Query, sure: float, ranked: Sequence[Ranked], found: bool) -> bool:
    """Whether to say that the repository probably does not hold this."""
    return not found or (sure < _fit(ranked).give_up_below and query.kind in _GIVEN_UP and not query.filters)


def _fit(ranked: Sequence[Ranked]) -> Fit:
    near = any(hit.signals.get("meaning") for hit in ranked[:_LOOKED_AT])
    return BY_MEANING if near else BY_WORDS
