"""How far an answer can be trusted: a probability that the repository holds what the query asks for.

A logistic regression on two numbers: the score of the best result, and the largest share of the query's weight that one
of the first three results holds. Fitted on 2,881 held-out questions of 24 repositories outside every benchmark, against
956 questions asked in a repository that they do not belong to, both sides weighted alike. Across halves of the
repositories: AUROC 0.90 and 0.91; at the threshold, 5 % of the answerable are given up and 49 to 55 % of the foreign are
recognised (docs/LOG.md, "Confidence"). It is calibrated for questions; a name that is defined is certain, and long texts
(issues, traces, pasted code) are never given up on unless nothing at all is found.
"""

from __future__ import annotations

import math

import numpy as np

from wayfind.search.lexical import Lexical
from wayfind.search.query import Query
from wayfind.search.rank import Ranked

BIAS, BEST_SCORE, COVERED = -4.64, 3.48, 1.88
ABSTAIN_BELOW = 0.2
CERTAIN = 0.99
_GIVEN_UP = ("question", "identifier")


def confidence(query: Query, lexical: Lexical, ranked: list[Ranked]) -> float:
    """Probability, 0 to 1, rounded to 3 digits."""
    if not ranked:
        return 0.0
    if query.kind == "identifier" and ranked[0].signals.get("definition"):
        return CERTAIN
    covered = float(np.max(lexical.covered[[hit.chunk for hit in ranked[:3]]]))
    return round(1 / (1 + math.exp(-(BIAS + BEST_SCORE * ranked[0].score + COVERED * covered))), 3)


def gives_up(query: Query, sure: float, found: bool) -> bool:
    """Whether to say that the repository probably does not hold this."""
    return not found or (sure < ABSTAIN_BELOW and query.kind in _GIVEN_UP and not query.filters)
