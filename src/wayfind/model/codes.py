"""Int8 codes of vectors, and their cosines. A product of two codes is a sum of integers below 2^24, held in float32: exact,
whatever the order, the threads and the library."""

from __future__ import annotations

import numpy as np

LARGEST = 127
MOST_DIMENSIONS = (1 << 24) // LARGEST**2
"""Components of a vector up to which its products are exact."""
_BLOCK = 4096
"""Codes that are multiplied at a time: their float32 copy stays in the cache."""


def quantise(vectors: np.ndarray) -> np.ndarray:
    """Codes of vectors of any length, float [..., dim] to int8: each one's largest component becomes 127 or -127."""
    largest = np.abs(vectors).max(-1, keepdims=True, initial=0.0).astype(np.float64)
    scale = np.divide(LARGEST, largest, out=np.zeros_like(largest), where=largest > 0)
    return np.rint(vectors.astype(np.float64) * scale).astype(np.int8)


def unit_codes(vectors: np.ndarray) -> np.ndarray:
    """Codes of unit vectors, float [..., dim] to int8: one step for all, 1/127, so that a product of two codes is their cosine
    times 127² and no length has to be kept. Within 0.003 of the cosine at 64 dimensions (docs/late-interaction.md)."""
    return np.rint(np.clip(vectors, -1.0, 1.0).astype(np.float64) * LARGEST).astype(np.int8)


def lengths_of(codes: np.ndarray) -> np.ndarray:
    """Euclidean length of each code, float64 [items]."""
    squares = np.empty(len(codes), np.float64)
    for first in range(0, len(codes), _BLOCK):
        block = codes[first : first + _BLOCK].astype(np.float32)
        squares[first : first + _BLOCK] = np.einsum("id,id->i", block, block)
    return np.sqrt(squares)


def cosines(codes: np.ndarray, query: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """Cosine of each code, int8 [items, dim], with a query's code, int8 [dim]: float64 [items], 0 where one is empty.

    `norms` are the codes' lengths (`lengths_of`), computed once.
    """
    wanted = query.astype(np.float32)
    own = float(np.sqrt(np.square(query.astype(np.float64)).sum()))
    dots = np.empty(len(codes), np.float64)
    for first in range(0, len(codes), _BLOCK):
        dots[first : first + _BLOCK] = codes[first : first + _BLOCK].astype(np.float32) @ wanted
    whole = norms * own
    return np.divide(dots, whole, out=np.zeros(len(codes)), where=whole > 0)
