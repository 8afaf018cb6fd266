"""Teachers: what another model says of every training pair, written once and read by the objective `distillation`: vectors of an
encoder, or a cross-encoder's scores of some codes (`train.scores`).

A teacher may have any vocabulary and size: only its logits of a batch's codes reach the loss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wayfind.errors import NotFound, UsageError
from wayfind.model.bundle import digest_of
from wayfind.train.batches import Batch, Table
from wayfind.train.config import Distillation
from wayfind.train.pairs import Pair
from wayfind.train.scores import MANIFEST, Scores, places_of
from wayfind.train.shards import key_of, parts_of

FILE = "teacher.safetensors"
Encode = Callable[[Sequence[str]], np.ndarray]
"""Texts to vectors, float32 [text, dim]."""


def write_vectors(folder: Path, pairs: Sequence[Pair], encode: Encode, at_a_time: int = 256) -> Path:
    """Write what a teacher says of pairs, as float16 unit vectors, keyed by the texts' hashes."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for side, texts in (("query", [pair.query for pair in pairs]), ("code", [pair.code for pair in pairs])):
        vectors = np.concatenate([encode(texts[i : i + at_a_time]) for i in range(0, len(texts), at_a_time)])
        arrays[side] = (vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)).astype(np.float16)
    arrays["query_key"] = np.array([key_of(pair.query) for pair in pairs], np.uint64)
    arrays["code_key"] = np.array([key_of(parts_of(pair)[2]) for pair in pairs], np.uint64)
    save_file(arrays, folder / FILE)
    return folder / FILE


def teacher_of(config: Distillation, table: Table) -> Vectors | Scores:
    """The teacher that a folder holds, for the pairs of a table. Raises NotFound, UsageError where it does not know a pair."""
    folder = Path(config.teacher)
    if (folder / MANIFEST).is_file():
        return Scores(folder, table, config.candidates)
    if not (folder / FILE).is_file():
        raise NotFound(f"{folder}: neither {MANIFEST} nor {FILE} in it; write scores with `wayfind train --scores`, vectors with wayfind.train.distill.write_vectors")
    return Vectors(folder, table, config.temperature)


class Vectors:
    """The logits of a teacher of vectors: cosines / temperature, for every query and code of a batch. Raises UsageError."""

    def __init__(self, folder: Path, table: Table, temperature: float) -> None:
        from safetensors.numpy import load_file

        self.digest, self._temperature = digest_of(folder / FILE), temperature
        arrays, tokens = load_file(folder / FILE), table.tokens
        self._query = self._side(arrays, "query", tokens.query_key, folder).to(table.device)
        self._code = self._side(arrays, "code", tokens.code_key[: len(tokens)], folder).to(table.device)

    def drawn(self, rows: np.ndarray, seed: int, step: int) -> None:
        """It brings no codes into a batch: it knows those that are there."""

    def logits(self, batch: Batch) -> Float[Tensor, "batch code"]:
        """Of each query with each code; hard negatives that came as text, which it never saw, count as far away."""
        known = batch.code < len(self._code)
        found = self._query[torch.from_numpy(batch.query)].float() @ self._code[torch.from_numpy(np.where(known, batch.code, 0))].float().T
        return torch.where(torch.from_numpy(known).to(found.device), found, -1.0) / self._temperature

    @staticmethod
    def _side(arrays: dict[str, np.ndarray], side: str, keys: np.ndarray, folder: Path) -> Tensor:
        rows = places_of(keys, arrays[f"{side}_key"])
        if missing := int((rows < 0).sum()):
            raise UsageError(f"{folder}: the teacher does not know {missing} of {len(keys)} {side} texts; write its vectors for these pairs")
        return torch.from_numpy(arrays[side][rows])
