"""Pooling of token vectors: a chunk's codes in, fewer out, each the direction of a cluster of like tokens.

Source: B. Clavié, A. Chaffin & G. Adams, "Reducing the Footprint of Multi-Vector Retrieval with Minimal Performance Impact via Token
Pooling", 2024, https://arxiv.org/abs/2409.14683: clusters by cosine, their mean in their place. They cluster by Ward's method; here
the two clusters whose sums are nearest by cosine are joined, until ceil(n / factor) are left.
"""

from __future__ import annotations

import numpy as np

from wayfind.model.codes import unit_codes

GONE = -2.0
"""Below every cosine."""
POOLING = 2
"""Tokens a code stands for, on average; 1 keeps them all. Two halve the bytes, and the ranker finds as much with them
(benchmarks/results/late.txt); three and four find less."""


class Pooled(np.ndarray):
    """Codes of clusters as they are kept: to pool them changes nothing."""


def pooled(codes: np.ndarray, factor: int | None = None) -> np.ndarray:
    """Codes of clusters, int8 [ceil(tokens / factor), dim], in the order of each one's first token; without a factor as they are kept.

    Sums and products of codes are integers, exact in any order, so that the same codes are pooled the same everywhere.
    """
    wanted = -(-len(codes) // (factor or POOLING))
    if wanted == len(codes) or isinstance(codes, Pooled):
        return codes
    sums = codes.astype(np.float64)
    near = sums @ sums.T
    squares = np.maximum(near.diagonal().copy(), 1.0)
    near /= np.sqrt(squares[:, None] * squares)
    np.fill_diagonal(near, GONE)
    left = np.ones(len(codes), bool)
    for _ in range(len(codes) - wanted):
        one, other = sorted(divmod(int(near.argmax()), len(codes)))
        sums[one] += sums[other]
        left[other] = False
        squares[one] = max(float(sums[one] @ sums[one]), 1.0)
        own = np.where(left, sums @ sums[one] / np.sqrt(squares * squares[one]), GONE)
        own[one] = GONE
        near[other], near[:, other] = GONE, GONE
        near[one], near[:, one] = own, own
    return unit_codes(sums[left] / np.sqrt(squares[left])[:, None])
