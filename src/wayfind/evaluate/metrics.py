"""Figures for one ranking against its gold: reciprocal rank, nDCG, recall, precision.

A ranking is a sequence of items, best first; gold is a set of items (each worth 1) or a mapping item -> gain > 0. An item that
comes again uses up its rank and earns nothing. All figures lie in 0..1; an empty gold is refused, since nothing could be right.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from math import log2

Gold = Collection[Hashable] | Mapping[Hashable, float]


def reciprocal_rank(ranking: Sequence[Hashable], gold: Gold, k: int = 10) -> float:
    """1 / rank of the first relevant item among the first k, else 0; its mean over queries is MRR@k."""
    gains = _gains(gold, k)
    return next((1 / rank for rank, item in enumerate(ranking[:k], 1) if item in gains), 0.0)


def ndcg(ranking: Sequence[Hashable], gold: Gold, k: int = 10) -> float:
    """nDCG@k with linear gain: sum of gain / log2(rank + 1) over that of the best order of the gold.

    Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques" (2002), in the form that trec_eval computes.
    """
    gains = _gains(gold, k)
    ideal = sum(gain / log2(rank + 1) for rank, gain in enumerate(sorted(gains.values(), reverse=True)[:k], 1))
    return sum(gains[item] / log2(rank + 1) for rank, item in _first_hits(ranking[:k], gains)) / ideal


def recall(ranking: Sequence[Hashable], gold: Gold, k: int = 10) -> float:
    """Share of the gold found among the first k."""
    gains = _gains(gold, k)
    return len(_first_hits(ranking[:k], gains)) / len(gains)


def precision(ranking: Sequence[Hashable], gold: Gold, k: int = 3) -> float:
    """Relevant items among the first k, divided by k even when fewer came back: a system cannot gain by returning less.

    With g < k relevant items it cannot exceed g / k; see `precision_ceiling`.
    """
    return len(_first_hits(ranking[:k], _gains(gold, k))) / k


def precision_ceiling(gold: Gold, k: int = 3) -> float:
    """What a perfect ranking gets for precision at k."""
    return min(len(_gains(gold, k)), k) / k


def figures(ranking: Sequence[Hashable], gold: Gold, k: int = 10) -> dict[str, float]:
    """The four figures of a report for one query, by name: `MRR@k`, `nDCG@k`, `recall@k`, `P@3`."""
    return {
        f"MRR@{k}": reciprocal_rank(ranking, gold, k),
        f"nDCG@{k}": ndcg(ranking, gold, k),
        f"recall@{k}": recall(ranking, gold, k),
        "P@3": precision(ranking, gold, 3),
    }


def _gains(gold: Gold, k: int) -> dict[Hashable, float]:
    gains = dict(gold) if isinstance(gold, Mapping) else dict.fromkeys(gold, 1.0)
    if not gains or min(gains.values()) <= 0:
        raise ValueError(f"gold must hold at least one item, each with a gain above 0; found {gold!r}")
    if k < 1:
        raise ValueError(f"k must be at least 1; found {k}")
    return gains


def _first_hits(ranking: Sequence[Hashable], gains: Mapping[Hashable, float]) -> list[tuple[int, Hashable]]:
    """(rank, item) of every relevant item at its first place."""
    first: dict[Hashable, int] = {}
    for rank, item in enumerate(ranking, 1):
        if item in gains:
            first.setdefault(item, rank)
    return [(rank, item) for item, rank in first.items()]
