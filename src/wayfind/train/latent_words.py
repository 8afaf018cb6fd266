"""Passages as ids in, a table of embeddings out: what the words of a repository have to do with each other, from where they occur together.

It is the first stage of learning. A linear autoencoder of bags of words has its optimum in the leading singular vectors (Baldi & Hornik,
"Neural Networks and Principal Component Analysis", 1989), so they are computed instead of approached by steps: latent semantic analysis
(Deerwester et al., "Indexing by Latent Semantic Analysis", 1990), on bags weighted as in tf-idf with a root for the frequency.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

MOST_PASSAGES = 6000
"""Passages that are read, evenly taken: time and memory grow with them."""
MORE = 32
"""Directions beyond those wanted, and how often the sketch is multiplied: of a randomized decomposition (Halko, Martinsson & Tropp,
"Finding Structure with Randomness", 2011, https://arxiv.org/abs/0909.4061)."""
TIMES = 2


def table(passages: Sequence[np.ndarray], rarity: np.ndarray, hidden: int, latent: int, first: int, seed: int = 0) -> np.ndarray:
    """Rows for every piece of a vocabulary, float32 [piece, hidden]; pieces below `first` stand for no word and get none.

    A mean of a text's rows is its bag of words on the leading directions, as many as the latent has, turned at random so that all
    dimensions carry alike.
    """
    bags = _bags(passages[:: max(1, len(passages) // MOST_PASSAGES)], rarity, first)
    random = torch.Generator().manual_seed(seed)
    wanted = min(hidden, latent, *bags.shape)
    directions = _leading(bags, wanted, random)
    turned = directions @ torch.linalg.qr(torch.randn(wanted, wanted, generator=random)).Q
    rows = torch.zeros(len(rarity), hidden)
    rows[:, :wanted] = torch.from_numpy(rarity.astype(np.float32))[:, None] * turned
    rows[:first] = 0
    spread = float(rows[rarity > 0].square().mean().sqrt())
    return (rows / max(spread, 1e-9)).numpy()


def _bags(passages: Sequence[np.ndarray], rarity: np.ndarray, first: int) -> Tensor:
    """√frequency · rarity of each piece in each passage, rows of unit norm, sparse [passage, piece]."""
    rows, columns, values = [], [], []
    for row, own in enumerate(passages):
        pieces, counts = np.unique(own[own >= first], return_counts=True)
        weight = np.sqrt(counts) * rarity[pieces]
        rows.append(np.full(len(pieces), row))
        columns.append(pieces)
        values.append(weight / max(float(np.linalg.norm(weight)), 1e-9))
    places = torch.from_numpy(np.stack([np.concatenate(rows), np.concatenate(columns)]))
    return torch.sparse_coo_tensor(places, torch.from_numpy(np.concatenate(values).astype(np.float32)), (len(passages), len(rarity)), check_invariants=False).coalesce()


def _leading(bags: Tensor, wanted: int, random: torch.Generator) -> Tensor:
    """The leading right singular vectors, [piece, wanted]."""
    across = bags.transpose(0, 1).coalesce()
    width = min(wanted + MORE, *bags.shape)
    sketch = torch.linalg.qr(across @ torch.randn(bags.shape[0], width, generator=random)).Q
    for _ in range(TIMES):
        sketch = torch.linalg.qr(across @ (bags @ sketch)).Q
    return sketch @ torch.linalg.svd(bags @ sketch, full_matrices=False).Vh[:wanted].T
