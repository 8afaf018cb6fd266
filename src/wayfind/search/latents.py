"""Search by one level of the latent model that was learned on a repository; and what that model adds to the default ranking.

The chunks' codes are kept by content beside the others (`vectors.sqlite`); what changed since is encoded when it is asked for,
so the same generation gives the same answer.
"""

from __future__ import annotations

import contextlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from wayfind.errors import ModelError, UsageError
from wayfind.index.snapshot import Snapshot
from wayfind.index.vectors import VectorStore, encodable
from wayfind.model.bundle import TUNED
from wayfind.model.codes import cosines, lengths_of
from wayfind.model.latent import LEVELS, LatentEncoder, Passage, latent_encoder
from wayfind.types import Chunk

FOLDER, RECORD = "latent", "learned.json"
QUERIES_KEPT = 256
FILES_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Record:
    """What was learned for a tree, and what its gate found. Lies in the tree's index folder."""

    bundle: str
    """Folder of the bundle below the record's."""
    identity: str
    weight: float = 0.0
    """Of the latent signal in the default ranking; 0: it did not pass the gate, and only --level uses it."""
    beside: str = ""
    """The model (its id, empty for words alone) beside which the gate judged; with another, the signal is not used."""
    best: dict[str, str] = field(default_factory=dict)
    """Task -> the level that is best on it, of the gate's part."""
    used: dict[str, list[str]] = field(default_factory=dict)
    """Digests of the questions that were learned from (`train`) and decided by (`gate`): `eval` asks none of them."""
    figures: dict[str, Any] = field(default_factory=dict)


def folder_of(tree: Path) -> Path:
    """Where the latent model of a tree lies, given the folder of its index."""
    return tree / FOLDER


def read_record(tree: Path) -> Record | None:
    """What was learned, None where nothing was. Raises ModelError where it cannot be read."""
    file = folder_of(tree) / RECORD
    try:
        return Record(**json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as problem:
        raise ModelError(f"{file} cannot be read ({problem}); learn again with: wayfind learn --from random") from problem


def lend_models(tree: Path, other: Path) -> None:
    """Let the index in another folder use the models that were made for a tree: its tuned encoder and its latent model."""
    for name in (TUNED, FOLDER):
        if (tree / name).is_dir() and not (other / name).exists():
            (other / name).symlink_to((tree / name).resolve(), target_is_directory=True)


def stamp(tree: Path) -> tuple[int, int] | None:
    """What tells a record from the one before it; None where there is none."""
    try:
        state = (folder_of(tree) / RECORD).stat()
    except OSError:
        return None
    return state.st_ino, state.st_mtime_ns


def as_json(record: Record) -> str:
    return json.dumps(asdict(record), indent=1, sort_keys=True) + "\n"


def encoder_of(tree: Path) -> LatentEncoder:
    """The latent encoder of a tree. Raises UsageError where none was learned, ModelError where it is damaged."""
    record = read_record(tree)
    if record is None:
        raise UsageError("--level searches by a latent model, and none was learned here; learn one with: wayfind learn --from random")
    return latent_encoder(folder_of(tree) / record.bundle, record.identity)


def passage_of(path: str, chunk: Chunk, text: str, said: str = "") -> Passage:
    """A chunk in its parts, as the latent model reads it; `said`: what a manual explanation says of it."""
    return Passage(path, chunk.symbol or "", "\n".join(filter(None, (said, chunk.docstring))), chunk.comments, text, chunk.kind == "section")


class Levels:
    """The codes of a snapshot's chunks by a latent model."""

    def __init__(self, snapshot: Snapshot, encoder: LatentEncoder):
        self._encoder, self.levels = encoder, encoder.levels
        self._queries: OrderedDict[str, np.ndarray] = OrderedDict()
        codes = self._codes(snapshot)
        self._by_level = [np.ascontiguousarray(codes[:, level]) for level in range(len(self.levels))]
        self._norms = [lengths_of(own) for own in self._by_level]

    def nearness(self, text: str, level: str) -> np.ndarray:
        """Cosine of every chunk with a query on a level, float64 [chunks], at least 0. Raises UsageError for an unknown level."""
        if level not in self.levels:
            raise UsageError(f"no level is called {level!r}; the model that was learned here has {', '.join(self.levels)}")
        number = self.levels.index(level)
        return np.maximum(cosines(self._by_level[number], self._query(text)[number], self._norms[number]), 0.0)

    def _query(self, text: str) -> np.ndarray:
        code = self._queries.get(text)
        if code is None:
            code = self._queries[text] = self._encoder.query(text)
            while len(self._queries) > QUERIES_KEPT:
                with contextlib.suppress(KeyError):
                    self._queries.popitem(last=False)
        return code

    def _codes(self, snapshot: Snapshot) -> np.ndarray:
        """int8 [chunk, level, dim], zero for chunks that get no vector; what is not stored yet is encoded and stored."""
        size, shape = len(self.levels) * self._encoder.dim, (-1, len(self.levels), self._encoder.dim)
        keys = snapshot.vector_keys(self._encoder.id)
        counts = np.diff(snapshot.chunk_file_first)
        with contextlib.closing(VectorStore(snapshot.store.path.parent)) as store:
            found = {key: codes for key, codes in store.read(keys, size).items()}
            missing = [file for file, key in enumerate(keys) if key not in found or len(found[key]) != counts[file]]
            for first in range(0, len(missing), FILES_AT_ONCE):
                some = missing[first : first + FILES_AT_ONCE]
                made = self._encoded(snapshot, some)
                found |= {keys[file]: own for file, own in zip(some, made)}
                store.put([(keys[file], snapshot.keys[file], own.tobytes()) for file, own in zip(some, made)])
        return np.concatenate([np.zeros((0, size), np.int8), *(found[key] for key in keys)]).reshape(shape)

    def _encoded(self, snapshot: Snapshot, files: Sequence[int]) -> list[np.ndarray]:
        """Codes of the files' chunks, each int8 [chunk, level · dim]."""
        passages: list[Passage] = []
        chosen = []
        for file in files:
            record = snapshot.record(file)
            numbers = encodable(record)
            chosen.append((len(record.chunks), numbers))
            for number in numbers:
                chunk = record.chunks[number]
                passages.append(passage_of(snapshot.paths[file], chunk, record.lines(chunk.start_line, chunk.end_line), snapshot.said(int(snapshot.chunk_file_first[file]) + number)))
        codes = self._encoder.passages(passages).reshape(len(passages), -1)
        made, first = [], 0
        for count, numbers in chosen:
            own = np.zeros((count, codes.shape[1]), np.int8)
            own[numbers] = codes[first : first + len(numbers)]
            first += len(numbers)
            made.append(own)
        return made


@dataclass(frozen=True, slots=True)
class Fused:
    """What a latent model adds to the default ranking: the nearness on one level, times a weight."""

    levels: Levels
    level: str
    weight: float

    def scores(self, text: str) -> np.ndarray:
        """Of every chunk, float64 [chunks], at least 0."""
        return self.weight * self.levels.nearness(text, self.level)


def fused(snapshot: Snapshot, model: str) -> Fused | None:
    """What was learned for a snapshot's tree and passed its gate beside this model (its id, empty for words alone), if anything. A
    record that cannot be read adds nothing: --level says what is wrong with it."""
    try:
        record = read_record(snapshot.folder)
        if record is None or not record.weight or record.beside != model:
            return None
        return Fused(levels_of(snapshot), record.best.get("semantics") or LEVELS[-1], record.weight)
    except (ModelError, UsageError):
        return None


def levels_of(snapshot: Snapshot) -> Levels:
    """The levels of a snapshot's tree. Raises UsageError where none was learned."""
    return Levels(snapshot, encoder_of(snapshot.folder))
