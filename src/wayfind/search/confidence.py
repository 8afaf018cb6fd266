"""How far an answer can be trusted: a probability that the repository holds what the query asks for.

A logistic regression on the score of the best result, the largest share of the query's weight that one of the first three results
holds, and, where a model took part, the nearness of the nearest of those three. Fitted on held-out questions of repositories
outside every benchmark, against questions asked in a repository that they do not belong to, both sides weighted alike; the
figures are in docs/LOG.md, "Confidence". It is calibrated for questions; a name that is defined is certain, and long texts
(issues, traces, pasted code) are never given up on unless nothing at all is found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wayfind.search.lexical import Lexical
from wayfind.search.query import Query
from wayfind.search.rank import WEIGHTS, Ranked

CERTAIN = 0.99
_GIVEN_UP = ("question", "identifier")
_LOOKED_AT = 3


@dataclass(frozen=True, slots=True)
class Fit:
    """Coefficients of one regression, and the probability below which the query is given up on: 5 % of the answerable
    questions lie below it."""

    bias: float
    score: float
    covered: float
    near: float
    give_up_below: float


BY_WORDS = Fit(-4.64, 3.48, 1.88, 0.0, 0.2)
BY_MEANING = Fit(-6.995, 0.827, 2.81, 9.299, 0.167)


def confidence(query: Query, lexical: Lexical, ranked: Sequence[Ranked]) -> float:
    """Probability, 0 to 1, rounded to 3 digits."""
    if not ranked:
        return 0.0
    if query.kind == "identifier" and ranked[0].signals.get("definition"):
        return CERTAIN
    fit, near = _fit(ranked), _nearest(ranked)
    covered = float(np.max(lexical.covered[[hit.chunk for hit in ranked[:_LOOKED_AT]]]))
    logit = fit.bias + fit.score * ranked[0].score + fit.covered * covered + fit.near * near
    return round(1 / (1 + math.exp(-logit)), 3)


def gives_up(query: Query, sure: float, ranked: Sequence[Ranked], found: bool) -> bool:
    """Whether to say that the repository probably does not hold this."""
    return not found or (sure < _fit(ranked).give_up_below and query.kind in _GIVEN_UP and not query.filters)


def _fit(ranked: Sequence[Ranked]) -> Fit:
    return BY_MEANING if _nearest(ranked) else BY_WORDS


def _nearest(ranked: Sequence[Ranked]) -> float:
    """Cosine of the nearest of the first results; 0 where no model took part."""
    return max((hit.signals.get("meaning", 0.0) / WEIGHTS["meaning"] for hit in ranked[:_LOOKED_AT]), default=0.0)
