"""Hard negatives: the codes that the current model takes for a question's answer and that are none, found among all pairs.

What is likely another right answer is left out: the same code, the code of an equal question, and what lies nearer than the
right code less a margin (Moreira et al., "NV-Retriever", 2024, https://arxiv.org/abs/2407.15831).
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from wayfind.errors import UsageError
from wayfind.train.batches import Material, Table, generator, read_material
from wayfind.train.checkpoint import best_in, load_model
from wayfind.train.config import Negatives, TrainConfig
from wayfind.train.gradient import Precision
from wayfind.train.validate import Encoder, encoded, encoder_of, judged
from wayfind.train.vocabulary import read_vocabulary

POOL = 32_768
"""Codes that are searched for one question: time grows with the pairs, not with their square."""


class Miner:
    """Another model with vectors that finds hard negatives; `train`, the pairs to learn from, and `pool`, the held-out ones that are
    judged, as that model reads them.

    Its vocabulary may differ from that of the training if the pairs are there as text. Raises NotFound, UsageError.
    """

    def __init__(self, config: TrainConfig, material: Material, device: torch.device | str = "cpu", precision: Precision = Precision()) -> None:
        folder = best_in(Path(config.negatives.miner))
        model, trained = load_model(folder)
        if trained.heads.vector < 0:
            raise UsageError(f"{folder}: what finds hard negatives needs a text vector")
        words = read_vocabulary(folder)
        if words.digest != material.vocabulary.digest:
            data = replace(config.data, vocabulary=str(folder / words.name))
            material = read_material(replace(config, data=data, encoder=trained.encoder))
        frame, lengths = (words.before, words.after, words.pad), (trained.encoder.query_length, trained.encoder.code_length)
        self.train, self.pool = (Table(tokens, frame, lengths, device) for tokens in (material.train, judged(material.valid, config)))
        self._encode, self._config, self._seed = encoder_of(model.to(device), precision), config.negatives, config.seed

    def mine(self) -> Int[np.ndarray, "pair negative"]:
        """For each pair to learn from the rows of its hard negatives."""
        return mine(self._encode, self.train, self._config, self._seed, 0)

    def nearest(self, table: Table, count: int) -> Int[np.ndarray, "pair candidate"]:
        """For each pair of one of the two tables the rows of the nearest codes, nearest first, however near they are; its own code,
        equal ones and those of equal questions are left out. -1 where there are no more."""
        every = replace(self._config, mined=count, candidates=2 * count + 1, margin=-math.inf)
        return mine(self._encode, table, every, self._seed, 0)


def mine(encode: Encoder, table: Table, config: Negatives, seed: int, step: int) -> Int[np.ndarray, "pair negative"]:
    """For each pair the rows of its hard negatives, hardest first, -1 where there are no more. Pools are drawn by seed and step."""
    order = generator(seed, 5, step).permutation(len(table))
    mined = np.full((len(table), config.mined), -1, np.int32)
    for first in range(0, len(order), POOL):
        rows = order[first : first + POOL]
        query, code = (torch.from_numpy(encoded(encode, table, side, rows)[0]).to(table.device) for side in ("query", "code"))
        mined[rows] = _hardest(query, code, rows, table, config)
    return mined


def _hardest(query: Float[Tensor, "pair dim"], code: Float[Tensor, "pair dim"], rows: np.ndarray, table: Table, config: Negatives) -> np.ndarray:
    keys = [torch.from_numpy(table.key[side][rows]).to(query.device) for side in ("query", "code")]
    right, found = (query * code).sum(dim=1), []
    for first in range(0, len(rows), 1024):
        part = slice(first, first + 1024)
        scores = query[part] @ code.T
        wrong = (keys[0][part, None] != keys[0][None]) & (keys[1][part, None] != keys[1][None]) & (scores <= right[part, None] - config.margin)
        nearest = scores.topk(min(config.candidates, len(rows)), dim=1).indices
        found.append(_first(nearest, wrong.gather(1, nearest), config.mined))
    places = np.concatenate(found)
    return np.where(places >= 0, rows[places], -1)


def _first(nearest: Int[Tensor, "row candidate"], kept: Tensor, count: int) -> np.ndarray:
    """The first `count` kept ones of each row, -1 where there are fewer."""
    order = torch.argsort((~kept).to(torch.int8), dim=1, stable=True)[:, :count]
    places = torch.where(kept.gather(1, order), nearest.gather(1, order), -1)
    short = count - places.shape[1]
    return torch.nn.functional.pad(places, (0, max(short, 0)), value=-1).cpu().numpy()
