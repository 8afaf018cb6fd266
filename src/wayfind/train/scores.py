"""A cross-encoder's scores of every training pair's own code and of its nearest ones: shards to distil from, and what reads them.

A folder holds `scores.json` and shards of safetensors, each below 60 MB. Pairs are named by the hashes of their texts
(`train.shards.key_of`), so that a student with another vocabulary, order or encoder finds its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from wayfind.errors import NotFound, UsageError
from wayfind.model.bundle import digest_of
from wayfind.train.batches import Batch, Table, generator
from wayfind.train.shards import MOST_BYTES

FORMAT = 1
MANIFEST = "scores.json"

Score = Callable[[Int[np.ndarray, "text"], Int[np.ndarray, "text"]], Float[np.ndarray, "text"]]
"""Rows of questions and rows of codes of a table to the logits that the one answers the other."""


def write_scores(folder: Path, score: Score, table: Table, candidates: Int[np.ndarray, "pair candidate"], about: dict[str, Any]) -> int:
    """Write the scores of each pair's own code and of its candidates; the manifest comes last, so that a folder with one is whole.

    candidates: rows of the table, -1 for none; their scores are -inf. about: goes into the manifest. Returns the number of scores.
    """
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    codes = np.concatenate([np.arange(len(table))[:, None], candidates], axis=1)
    each, shards, count = max(1, MOST_BYTES // (12 * codes.shape[1] + 8)), [], 0
    for number, first in enumerate(range(0, len(codes), each)):
        some = codes[first : first + each]
        place, column = np.nonzero(some >= 0)
        scores = np.full(some.shape, -np.inf, np.float32)
        scores[place, column] = score(first + place, some[place, column])
        name = f"scores-{number:05d}.safetensors"
        save_file({"query": table.tokens.query_key[first : first + each], "code": table.tokens.code_key[some], "score": scores}, folder / name)
        shards.append({"file": name, "pairs": len(some), "sha256": digest_of(folder / name)})
        count += len(place)
    head = {"format": FORMAT, **about, "pairs": len(codes), "scores": count, "shards": shards}
    (folder / MANIFEST).write_text(json.dumps(head, indent=1) + "\n", encoding="utf-8")
    return count


class Scores:
    """A cross-encoder's logits for the pairs of a table, and the codes that it scored for them.

    Args:
        folder: written by `write_scores`.
        table: the student's pairs.
        candidates: codes that a pair brings into its batch.

    Raises NotFound, UsageError where a pair has no scores, or where a code that was scored is not among the table's.
    """

    def __init__(self, folder: Path, table: Table, candidates: int) -> None:
        self.digest, self._candidates, self._table = digest_of(folder / MANIFEST), candidates, table
        if not candidates:
            raise UsageError("objectives.distillation.candidates must be 1 or more: without another code there is nothing to distil")
        known, tokens = _read(folder), table.tokens
        own = tokens.code_key[: len(tokens)]
        place = places_of(_pair_key(tokens.query_key, own), _pair_key(known["query"], known["code"][:, 0]))
        if missing := int((place < 0).sum()):
            raise UsageError(f"{folder} has no scores of {missing} of {len(place)} pairs; write them for these pairs: wayfind train --config FILE --scores")
        code, self._score = known["code"][place], known["score"][place]
        self._row = np.where(np.isfinite(self._score), places_of(code.ravel(), own).reshape(code.shape), -1)
        if foreign := int((np.isfinite(self._score) & (self._row < 0)).sum()):
            raise UsageError(f"{folder} has scores of {foreign} codes that are not among the pairs; write them for these pairs: wayfind train --config FILE --scores")

    def drawn(self, rows: np.ndarray, seed: int, step: int) -> Int[np.ndarray, "batch candidate"]:
        """Rows of codes that were scored for some pairs, drawn by seed and step, -1 where there are no more."""
        found = self._row[rows, 1:]
        order = np.where(found >= 0, generator(seed, 7, step).random(found.shape), np.inf).argsort(axis=1)
        return np.take_along_axis(found, order[:, : self._candidates], axis=1)

    def logits(self, batch: Batch) -> Float[Tensor, "batch code"]:
        """Of each query with its own code and with those that are in the batch for it and were scored; -inf elsewhere."""
        key, rows = self._table.key["code"], batch.query[batch.owner]
        same = (key[self._row[rows]] == key[batch.code][:, None]) & (self._row[rows] >= 0)
        there, column = same.any(axis=1), same.argmax(axis=1)
        found = np.full((len(batch.query), len(batch.code)), -np.inf, np.float32)
        found[batch.owner[there], np.flatnonzero(there)] = self._score[rows[there], column[there]]
        return torch.from_numpy(found).to(self._table.device)


def places_of(wanted: np.ndarray, known: np.ndarray) -> Int[np.ndarray, "wanted"]:
    """Where each key stands among the known ones, the first of equal ones; -1 where it does not.

    >>> places_of(np.array([3, 9]), np.array([5, 3, 3])).tolist()
    [1, -1]
    """
    if not len(known):
        return np.full(len(wanted), -1, np.int64)
    order = np.argsort(known, kind="stable")
    found = order[np.minimum(np.searchsorted(known[order], wanted), len(known) - 1)]
    return np.where(known[found] == wanted, found, -1)


def _pair_key(query: np.ndarray, code: np.ndarray) -> np.ndarray:
    """One key of two, uint64: the question's times an odd number, so that the two do not cancel."""
    return query * np.uint64(0x9E3779B97F4A7C15) ^ code


def _read(folder: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    path = folder / MANIFEST
    if not path.is_file():
        raise NotFound(f"{folder}: no {MANIFEST} in it; write it with: wayfind train --config FILE --scores")
    head = json.loads(path.read_text(encoding="utf-8"))
    if head.get("format") != FORMAT:
        raise UsageError(f"{folder}: scores of format {head.get('format')}; expected {FORMAT}: write them again")
    parts = []
    for shard in head["shards"]:
        if digest_of(folder / shard["file"]) != shard["sha256"]:
            raise UsageError(f"{folder / shard['file']} is missing or not the file that {MANIFEST} names; write the scores again")
        parts.append(load_file(folder / shard["file"]))
    return {name: np.concatenate([part[name] for part in parts]) for name in ("query", "code", "score")}
