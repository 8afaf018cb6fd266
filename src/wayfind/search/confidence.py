"""How far an answer can be trusted: a probability that the first results answer the query, and what to say when not."""

from __future__ import annotations

import math

import numpy as np

from wayfind.search.lexical import Lexical
from wayfind.search.query import Query
from wayfind.search.rank import Ranked

BIAS, COVERED, LEXICAL, NAMED = -3.0, 4.0, 3.0, 2.0
ABSTAIN_BELOW = 0.25


def confidence(query: Query, lexical: Lexical, ranked: list[Ranked]) -> float:
    """Probability, 0 to 1, rounded to 3 digits, from the best three results: the share of the query's weight they
    hold, how densely, and whether names agree."""
    if not ranked:
        return 0.0
    best = ranked[:3]
    if best[0].signals.get("definition"):
        return 0.99
    chunks = [hit.chunk for hit in best]
    covered = float(np.max(lexical.covered[chunks]))
    dense = float(np.max(lexical.chunk[chunks]))
    named = max(hit.signals.get("name", 0.0) + hit.signals.get("symbol", 0.0) for hit in best)
    return round(1 / (1 + math.exp(-(BIAS + COVERED * covered + LEXICAL * dense + NAMED * min(named, 1.0)))), 3)
