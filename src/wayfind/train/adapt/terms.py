"""How much a word of a question tells in one repository: a factor on the weight of its term, out of how often the right code holds it.

Inverse document frequency stands for log((p (1 - q)) / (q (1 - p))) with q the share of all chunks that hold a term and the same p,
the share of the right ones, for every term. Here p is counted where lessons ask with the term, and drawn to the mean of all terms:

    p = (held + DOUBT * p0) / (asked + DOUBT),   factor = log-odds with p over log-odds with p0, between LEAST and MOST

Source: S. E. Robertson, K. Spärck Jones, "Relevance weighting of search terms", 1976, https://doi.org/10.1002/asi.4630270302.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from wayfind.index.snapshot import Snapshot
from wayfind.search.learned import number_of
from wayfind.search.query import parse

DOUBT = 6.0
"""Questions of the mean kind that are added to those that asked with a term."""
LEAST, MOST = 0.4, 1.8
FEWEST_ASKED = 3


def counts(questions: Iterable[tuple[str, list[int]]], snapshot: Snapshot) -> tuple[Counter[str], Counter[str]]:
    """How often each term was asked with, and how often a right chunk of the snapshot holds it."""
    asked: Counter[str] = Counter()
    held: Counter[str] = Counter()
    for text, chunks in questions:
        for term in parse(text).terms:
            asked[term.text] += 1
            held[term.text] += bool(np.isin(snapshot.holding(term.text), chunks).any())
    return asked, held


def fit(asked: Counter[str], held: Counter[str], snapshot: Snapshot) -> dict[str, np.ndarray]:
    """The arrays of an adaptation; empty where no term was asked with often enough."""
    known = {term: len(snapshot.holding(term)) / max(snapshot.chunks, 1) for term in asked}
    usual = min(max(sum(held[t] for t in known) / max(sum(asked[t] for t in known), 1), 0.05), 0.95)
    factors = {}
    for term, times in asked.items():
        if times >= FEWEST_ASKED:
            common = min(max(known[term], 0.5 / max(snapshot.chunks, 1)), 0.5)
            own = (held[term] + DOUBT * usual) / (times + DOUBT)
            factor = max(_odds(own) - _odds(common), 0.0) / max(_odds(usual) - _odds(common), 0.1)
            factors[number_of(term)] = min(max(factor, LEAST), MOST)
    if not factors:
        return {}
    order = sorted(factors)
    return {"terms.digest": np.array(order, np.int64), "terms.factor": np.array([round(factors[key], 4) for key in order], np.float32)}


def _odds(share: float) -> float:
    share = min(max(share, 1e-6), 1 - 1e-6)
    return float(np.log(share / (1 - share)))
