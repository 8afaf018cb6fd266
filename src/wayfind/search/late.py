"""Late interaction: a query's token vectors and those of chunks in, how well each chunk answers token by token out.

Codes are int8 with one step (`model.codes.unit_codes`); products are multiplied as float32, sums stay below 2^24: exact, whatever
the order, the threads and the library. Mathematics and sources: docs/late-interaction.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from wayfind.index.snapshot import Snapshot
from wayfind.model.codes import LARGEST
from wayfind.model.encoder import Encoder

_BLOCK = 16_384
"""Tokens that are multiplied at a time: their float32 copy stays in the cache."""


def best_matches(query: np.ndarray, codes: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """max_j q_i · d_j of every query token with every chunk, in steps of 1 / 127²: float32 [terms, chunks].

    Args:
        query: int8 [terms, dim].
        codes: int8 [tokens, dim], chunk after chunk.
        ends: int64 [chunks + 1]: chunk c has the tokens ends[c] to ends[c + 1] - 1. One without tokens gets 0.
    """
    best = np.zeros((len(query), len(ends) - 1), np.float32)
    wanted = query.astype(np.float32)
    filled = np.flatnonzero(np.diff(ends) > 0)
    for some in _blocks(filled, ends):
        first, last = ends[some[0]], ends[some[-1] + 1]
        products = wanted @ codes[first:last].astype(np.float32).T
        best[:, some] = np.maximum.reduceat(products, ends[some] - first, axis=1)
    return best


def _blocks(chunks: np.ndarray, ends: np.ndarray) -> Iterable[np.ndarray]:
    """The chunks in runs of some _BLOCK tokens. Those between them have none."""
    place = 0
    while place < len(chunks):
        after = int(np.searchsorted(ends[chunks + 1], ends[chunks[place]] + _BLOCK, side="right"))
        after = max(after, place + 1)
        yield chunks[place:after]
        place = after


def maxsim(query: np.ndarray, codes: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """ColBERT's score as a mean, 1/n Σ_i max_j q_i · d_j over the n query tokens: float64 [chunks], -1 to 1, 0 where either side
    has no tokens. Arguments as `best_matches`.

    O. Khattab & M. Zaharia, "ColBERT", 2020, https://arxiv.org/abs/2004.12832; the paper has the sum.
    """
    return _mean(best_matches(query, codes, ends))


def xtr(query: np.ndarray, codes: np.ndarray, ends: np.ndarray, k: int) -> np.ndarray:
    """XTR's score: each query token retrieves its k nearest of all tokens; 1/n Σ_i of the best that was retrieved of the chunk, or,
    where none was, of m_i, the k-th best of all. float64 [chunks], nan where no token of the chunk was retrieved.

    J. Lee et al., "Rethinking the Role of Token Retrieval in Multi-Vector Retrieval", 2023, https://arxiv.org/abs/2304.01982, eq. 5
    and 6. What was retrieved of a chunk holds its best token and lies at m_i or above, and all else lies at m_i or below: so the
    score is that of MaxSim with each addend raised to m_i at least.
    """
    best = best_matches(query, codes, ends)
    least = np.array([_kth(codes, token, k) for token in query], np.float32)[:, None]
    retrieved = ((best >= least) & (np.diff(ends) > 0)).any(0)
    return np.where(retrieved, _mean(np.maximum(best, least)), np.nan)


def _kth(codes: np.ndarray, token: np.ndarray, k: int) -> float:
    """The k-th largest product of a query token with the tokens of all chunks, the least where there are fewer; 0 of none."""
    if not len(codes):
        return 0.0
    k, wanted = min(k, len(codes)), token.astype(np.float32)
    kept = np.zeros(0, np.float32)
    for first in range(0, len(codes), _BLOCK):
        kept = np.concatenate([kept, codes[first : first + _BLOCK].astype(np.float32) @ wanted])
        if len(kept) > k:
            kept = np.partition(kept, -k)[-k:]
    return float(kept.min())


def _mean(best: np.ndarray) -> np.ndarray:
    """Mean over the query's tokens, as a cosine. The sum is one of integers."""
    return best.sum(0, dtype=np.float64) / (LARGEST**2 * max(len(best), 1))


class Late:
    """The token vectors of a snapshot by one model."""

    def __init__(self, snapshot: Snapshot, encoder: Encoder):
        self._encoder = encoder
        self._tokens = snapshot.token_vectors(encoder.id, encoder.late_dim)

    @property
    def coverage(self) -> float:
        """Share of the chunks whose tokens are stored."""
        return self._tokens.coverage

    def scores(self, text: str, chunks: np.ndarray, made: Mapping[int, np.ndarray] | None = None) -> np.ndarray:
        """How well chunks answer a query token by token, float64 [chunks], 0 to 1.

        `made`: token codes of chunks that were encoded for this query. A chunk that is not encoded gets the middle value of the
        others, one without tokens (`index.vectors.LEFT_OUT`) their least.
        """
        own = {} if made is None else made
        codes = [own.get(chunk, stored) for chunk, stored in zip(chunks.tolist(), self._tokens.of(chunks))]
        counts = np.array([len(one) for one in codes], np.int64)
        if not counts.any():
            return np.zeros(len(chunks))
        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        value = np.maximum(maxsim(self._encoder.query_tokens(text), np.concatenate(codes), ends), 0.0)
        told = value[counts > 0]
        unknown = (self._tokens.row[chunks] < 0) & ~np.isin(chunks, list(own))
        return np.where(counts > 0, value, np.where(unknown, np.median(told), told.min()))
