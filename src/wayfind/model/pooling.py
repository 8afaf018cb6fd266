"""Pooling of token vectors: a chunk's codes in, fewer out, each the direction of a cluster of like tokens.

Source: B. Clavié, A. Chaffin & G. Adams, "Reducing the Footprint of Multi-Vector Retrieval with Minimal Performance Impact via Token
Pooling", 2024, https://arxiv.org/abs/2409.14683: clusters by cosine, their mean in their place. They cluster by Ward's method; here
the two clusters whose sums are nearest by cosine are joined, until ceil(n / factor) are left.
"""

from __future__ import annotations

import numpy as np

from wayfind.model.codes import unit_codes

POOLING = 1
"""Tokens a code stands for, on average; 1 keeps them all."""


def pooled(codes: np.ndarray, factor: int = POOLING) -> np.ndarray:
    """Codes of clusters, int8 [ceil(tokens / factor), dim], in the order of each one's first token.

    Sums of codes are integers, so that the same codes are pooled the same everywhere.
    """
    wanted = -(-len(codes) // factor)
    if wanted == len(codes):
        return codes
    sums = codes.astype(np.float64)
    near = _cosines(sums, sums)
    np.fill_diagonal(near, -2.0)
    left = np.ones(len(codes), bool)
    for _ in range(len(codes) - wanted):
        one, other = sorted(divmod(int(near.argmax()), len(codes)))
        sums[one] += sums[other]
        left[other] = False
        near[other], near[:, other] = -2.0, -2.0
        own = np.where(left, _cosines(sums[one : one + 1], sums)[0], -2.0)
        own[one] = -2.0
        near[one], near[:, one] = own, own
    kept = sums[left]
    return unit_codes(kept / np.maximum(np.linalg.norm(kept, axis=1, keepdims=True), 1.0))


def _cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    lengths = np.sqrt((one * one).sum(1))[:, None] * np.sqrt((other * other).sum(1))[None]
    return np.divide(one @ other.T, lengths, out=np.zeros((len(one), len(other))), where=lengths > 0)
