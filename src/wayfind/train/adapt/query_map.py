"""A low-rank map of query vectors for one repository: pairs of question and chunk in, two small matrices out; the chunks' vectors stay.

With unit query vectors q, unit chunk vectors c and q' = (q + B A q) / |q + B A q|, A [rank, dim], B [dim, rank]:

    L = - log( sum over the right chunks of exp(q' . c / T) / sum over the repository's chunks of exp(q' . c / T) ) + pull * (|A|^2 + |B|^2)

so the negatives of a question are the whole repository, the hardest by the base vectors first; left out are chunks of the right
file and those as near to a right one as a copy. B begins at 0: nothing is changed before something is learned.
Sources: E. Hu et al., "LoRA", 2021, https://arxiv.org/abs/2106.09685 (the form of the map, there for weights of a network);
A. van den Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018, https://arxiv.org/abs/1807.03748 (InfoNCE).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wayfind.train.adapt.adam import Adam

RANK = 16
TEMPERATURE = 0.05
PULL = 1e-3
RATE = 2e-3
EPOCHS = 15
BATCH = 64
COPY = 0.9
"""Cosine from which a chunk counts as a copy of a right one."""
FEWEST = 40
"""Pairs below which nothing is learned."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Questions about one index. Axis row: vector of a chunk; those of norm 0 are no chunks."""

    queries: np.ndarray  # float64 [question, dim], unit
    chunks: np.ndarray  # float32 [row, dim], unit
    right: np.ndarray  # bool [question, row]
    left_out: np.ndarray  # bool [question, row]: neither right nor wrong


def unit(codes: np.ndarray) -> np.ndarray:
    """Codes as vectors of length 1, float64; 0 where a code is empty."""
    length = np.sqrt(np.square(codes.astype(np.float64)).sum(-1, keepdims=True))
    return np.divide(codes, length, out=np.zeros(codes.shape), where=length > 0)


def pairs(queries: np.ndarray, gold: Sequence[Sequence[int]], codes: np.ndarray, files: np.ndarray) -> Pairs:
    """Questions (int8 [question, dim]) with the rows that answer each, among all rows (int8 [row, dim]) and their files [row]."""
    chunks = unit(codes)
    right = np.zeros((len(queries), len(codes)), bool)
    out = np.zeros_like(right)
    empty = ~chunks.any(1)
    for number, rows in enumerate(gold):
        rows = [row for row in rows if not empty[row]]
        right[number, rows] = True
        if rows:
            out[number] = np.isin(files, files[rows]) | (chunks @ chunks[rows].T > COPY).any(1) | empty
    some = right.any(1)
    return Pairs(unit(queries)[some], chunks.astype(np.float32), right[some], (out & ~right)[some])


def fit(given: Sequence[Pairs], seed: int = 0) -> dict[str, np.ndarray]:
    """The arrays of an adaptation; empty where there is too little to learn from."""
    given = [one for one in given if len(one.queries)]
    if sum(len(one.queries) for one in given) < FEWEST:
        return {}
    rng = np.random.default_rng(seed)
    dim = given[0].queries.shape[1]
    down, up = rng.standard_normal((RANK, dim)) / dim**0.5, np.zeros((dim, RANK))
    of_down, of_up = Adam(down.shape, RATE), Adam(up.shape, RATE)
    for _ in range(EPOCHS):
        for one, rows in _batches(given, rng):
            _, slope_down, slope_up = loss_and_gradient(one, rows, down, up)
            down = down - of_down.step(slope_down + 2 * PULL * down)
            up = up - of_up.step(slope_up + 2 * PULL * up)
    return {"map.down": down.astype(np.float32), "map.up": up.astype(np.float32)}


def loss_and_gradient(given: Pairs, rows: np.ndarray, down: np.ndarray, up: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """The mean loss of some questions, without the pull, and its slopes in A and B.

    With u = q + B A q, q' = u/|u|, p the softmax over the chunks and r that over the right ones alone: dL/dq' = sum (p - r) c / T,
    dL/du = (dL/dq' - (dL/dq' . q') q') / |u|, dL/dB = dL/du (A q)^T, dL/dA = B^T dL/du q^T.
    """
    q = given.queries[rows]
    low = q @ down.T
    moved = q + low @ up.T
    size = np.linalg.norm(moved, axis=1, keepdims=True)
    now = moved / size
    logits = np.where(given.left_out[rows], -np.inf, now.astype(np.float32) @ given.chunks.T / TEMPERATURE).astype(np.float64)
    raised = np.exp(logits - logits.max(1, keepdims=True))
    likely = raised / raised.sum(1, keepdims=True)
    right = np.where(given.right[rows], likely, 0.0)
    whole = np.maximum(right.sum(1, keepdims=True), 1e-30)
    back = ((likely - right / whole).astype(np.float32) @ given.chunks).astype(np.float64) / TEMPERATURE / len(rows)
    back = (back - (back * now).sum(1, keepdims=True) * now) / size
    return float(-np.log(whole).mean()), (back @ up).T @ q, back.T @ low


def _batches(given: Sequence[Pairs], rng: np.random.Generator) -> list[tuple[Pairs, np.ndarray]]:
    batches = []
    for one in given:
        order = rng.permutation(len(one.queries))
        batches += [(one, np.sort(order[first : first + BATCH])) for first in range(0, len(order), BATCH)]
    return [batches[i] for i in rng.permutation(len(batches))]
