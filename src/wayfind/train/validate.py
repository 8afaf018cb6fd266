"""Held-out figures by the path that serves: vectors as int8 codes, ranked by their cosine; or MaxSim where there are only token vectors.

The same function judges the network while it trains and the exported model afterwards: it is given whatever encodes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from wayfind.model.codes import cosines, lengths_of, quantise
from wayfind.train.batches import Table, generator
from wayfind.train.collapse import effective_rank
from wayfind.train.config import TrainConfig
from wayfind.train.device import limits_of
from wayfind.train.gradient import Precision
from wayfind.train.heads import RetrievalModel, Texts
from wayfind.train.shards import Tokens, chosen

TOKEN_POOL = 200
"""Pairs ranked by MaxSim at most: every token meets every other."""
AT_A_TIME = 64

Encoder = Callable[[Texts], tuple[np.ndarray, np.ndarray]]
"""Texts to their vectors, float32 [batch, dim], and token vectors, float32 [batch, token, dim]."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of `pool` questions, each asked of all their codes, or of `among`."""

    mrr: float
    recall_at_10: float
    pool: int
    effective_rank: float
    """Directions that the codes' vectors spread over (`train.collapse`); 0 for token vectors and scores."""
    among: int = 0
    """Codes that each question was asked of, its own and those given; 0: all of the pool."""


def judged(valid: Tokens, config: TrainConfig) -> Tokens:
    """The held-out pairs that are ranked among each other: all, or `loop.pool` of them (TOKEN_POOL of a model with token vectors alone),
    drawn by the seed over all sources and kinds."""
    most = min(config.loop.pool, TOKEN_POOL) if config.heads.vector < 0 < config.heads.tokens else config.loop.pool
    return valid if len(valid) <= most else chosen(valid, generator(config.seed, 9).permutation(len(valid))[:most])


def figures(encode: Encoder, table: Table) -> Figures:
    """MRR and recall@10 over the pairs of a table, whose codes are read whole, path and symbol included.

    A code that equals the right one, or belongs to an equal question, is neither right nor wrong: it is left out.
    """
    scores, rank = scores_of(encode, table, np.arange(len(table)))
    query, code = (table.key[side][: len(scores)] for side in ("query", "code"))
    ranks = ranks_of(scores, (query[:, None] == query[None]) | (code[:, None] == code[None]))
    return Figures(float((1 / ranks).mean()), float((ranks <= 10).mean()), len(scores), rank)


def scores_of(encode: Encoder, table: Table, rows: np.ndarray) -> tuple[np.ndarray, float]:
    """Score of every code for every question, float64 [question, code], and the effective rank of the codes' vectors."""
    query, terms = encoded(encode, table, "query", rows)
    code, tokens = encoded(encode, table, "code", rows)
    if code.shape[1]:
        codes = np.stack([quantise(vector) for vector in code])
        norms = lengths_of(codes)
        return np.stack([cosines(codes, quantise(vector), norms) for vector in query]), effective_rank(torch.from_numpy(code))
    return np.array([[_maxsim(term, token) for token in tokens[:TOKEN_POOL]] for term in terms[:TOKEN_POOL]]), 0.0


def _maxsim(term: np.ndarray, token: np.ndarray) -> float:
    """Mean over the terms of the best cosine, both sides as int8 codes of unit vectors."""
    whole = (np.rint(side * 127).astype(np.float32) for side in (term, token))
    query, code = whole
    return float((query @ code.T).max(axis=1).mean())


def ranks_of(scores: np.ndarray, left_out: np.ndarray | None = None) -> np.ndarray:
    """Rank of code i for question i, 1 is first; of equal scores the right one comes last."""
    right = np.diagonal(scores)[:, None]
    ahead = scores >= right
    np.fill_diagonal(ahead, False)
    if left_out is not None:
        ahead &= ~left_out
    return 1 + ahead.sum(axis=1)


def encoded(encode: Encoder, table: Table, side: str, rows: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Vectors of some texts, and their token vectors without padding; encoded in the order of their length, as many at a time as the device takes."""
    order, at_a_time = np.argsort(table.sizes(side, rows), kind="stable"), limits_of(table.device.type).at_most(AT_A_TIME)
    vectors: list[np.ndarray] = []
    tokens: list[np.ndarray] = []
    for first in range(0, len(rows), at_a_time):
        texts = table.texts(side, rows[order[first : first + at_a_time]])
        vector, token = encode(texts)
        vectors.append(vector)
        if token.shape[2]:
            tokens += [one[seen] for one, seen in zip(token, texts.mask.cpu().numpy())]
    back = np.argsort(order)
    return np.concatenate(vectors)[back], [tokens[i] for i in back] if tokens else []


def encoder_of(model: RetrievalModel, precision: Precision = Precision()) -> Encoder:
    """A network as an encoder of batches; it is put into evaluation, without dropout."""

    @torch.no_grad()
    def encode(texts: Texts) -> tuple[np.ndarray, np.ndarray]:
        model.eval()
        with precision.autocast():
            found = model(*texts)
        return found.vector.float().cpu().numpy(), found.tokens.float().cpu().numpy()

    return encode
