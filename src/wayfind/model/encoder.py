"""The encoder of a bundle, run by ONNX Runtime: chunks and queries in, int8 codes out.

A text's code depends on the text and the model alone, not on its batch mates (the graph has one scale a token); so codes
are kept by content, and texts may be encoded in any company.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wayfind.config import value_of
from wayfind.errors import ModelError
from wayfind.model.bundle import Bundle, current, folder_bundle
from wayfind.model.codes import MOST_DIMENSIONS, quantise, unit_codes
from wayfind.model.text import TEXT_VERSION, TEXTS_READ, chunk_text, plain
from wayfind.model.wordpiece import WordPiece

if TYPE_CHECKING:
    from wayfind.model.foreign import ForeignReader, LibraryPieces

BATCH = 8
"""Texts of like length that are encoded together: 32 took a tenth longer on two cores, and 263 instead of 157 MB."""
QUERIES_KEPT = 256
"""Queries whose codes are remembered: the vector and the token vectors come of one pass."""


class Encoder:
    """The `encoder` part of a bundle. Loading it takes some 0.2 s; raises ModelError where the bundle is not whole or asks for
    texts that this version does not make. Without `late` it makes no token vectors."""

    def __init__(self, bundle: Bundle, threads: int = 0, late: bool = True):
        settings = bundle.parts["encoder"]
        if not settings["dim"]:
            raise ModelError(f"{bundle.folder} makes no vector, by which candidates are found; export its checkpoint again")
        tokens = bundle.parts["late"]["dim"] if late and "late" in bundle.parts else 0
        if max(settings["dim"], tokens) > MOST_DIMENSIONS:
            raise ModelError(f"{bundle.folder} makes vectors of {max(settings['dim'], tokens):,} components; {MOST_DIMENSIONS:,} are exact")
        self._reader = _reader(bundle, partial(_session, threads=threads or _cores()))
        self._one = threading.Lock()
        self._asked: OrderedDict[str, tuple[np.ndarray, np.ndarray]] = OrderedDict()
        self.dim: int = settings["dim"]
        self.late_dim: int = tokens
        """Size of the token vectors of late interaction, 0 where there are none."""
        self.id = bundle.encoder_id
        self.query_length: int = settings["query_length"]
        self.code_length: int = settings["code_length"]
        self.parts: int = settings.get("parts", 1)
        """Parts of a long chunk that are encoded at most; 1: its beginning alone."""
        self.background = _background(bundle)
        """Codes of code from other repositories, int8 [n, dim]; None where the bundle brings none. What is nearer to them than to anything
        here is probably not here."""

    def query(self, text: str) -> np.ndarray:
        """The code of a query, int8 [dim]."""
        return self._query(text)[0]

    def query_tokens(self, text: str) -> np.ndarray:
        """The codes of a query's tokens, int8 [tokens, late_dim]; signs are left out."""
        return self._query(text)[1]

    def chunks(self, chunks: Sequence[tuple[str, str | None, str]]) -> np.ndarray:
        """Codes of chunks given as (path, symbol, lines), int8 [chunks, dim]. Of a longer chunk than the context the beginning
        is read."""
        return self.chunks_with_tokens(chunks)[0]

    def chunks_with_tokens(self, chunks: Sequence[tuple[str, str | None, str]]) -> tuple[np.ndarray, list[np.ndarray]]:
        """Codes of chunks, and of each one's tokens, int8 [tokens, late_dim], in the order of the text; signs without a letter or
        digit are left out, the tokens of the frame are not. One pass makes both."""
        return self._codes([self._reader.chunk(*chunk) for chunk in chunks])

    def further_parts(self, chunks: Sequence[tuple[str, str | None, str]]) -> list[np.ndarray]:
        """Codes of what `chunks` did not read of each chunk, int8 [parts - 1 at most, dim]: parts of the context's length, each with
        path and symbol before it. Most chunks have none."""
        framed = [self._reader.further(*chunk, self.parts - 1) if self.parts > 1 else [] for chunk in chunks]
        codes, _ = self._codes([ids for some in framed for ids in some])
        ends = np.cumsum([0, *map(len, framed)])
        return [codes[first:end] for first, end in zip(ends, ends[1:])]

    def _query(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        if (made := self._asked.get(text)) is None:
            codes, tokens = self._codes([self._reader.query(text)])
            made = self._asked[text] = codes[0], tokens[0]
            while len(self._asked) > QUERIES_KEPT:
                with contextlib.suppress(KeyError):  # another thread was faster
                    self._asked.popitem(last=False)
        return made

    def _codes(self, framed: Sequence[Sequence[int]]) -> tuple[np.ndarray, list[np.ndarray]]:
        codes = np.zeros((len(framed), self.dim), np.int8)
        tokens = [np.zeros((0, self.late_dim), np.int8)] * len(framed)
        order = sorted(range(len(framed)), key=lambda i: len(framed[i]))
        for first in range(0, len(order), BATCH):
            some = order[first : first + BATCH]
            codes[some], found = self._batch([framed[i] for i in some])
            for place, own in zip(some, found):
                tokens[place] = own
        return codes, tokens

    def _batch(self, framed: Sequence[Sequence[int]]) -> tuple[np.ndarray, list[np.ndarray]]:
        ids = np.full((len(framed), max(map(len, framed))), self._reader.pad, np.int64)
        mask = np.zeros_like(ids)
        for row, own in enumerate(framed):
            ids[row, : len(own)], mask[row, : len(own)] = own, 1
        with self._one:  # a batch uses every processor; batches beside each other only wait, and take room
            vectors, tokens = self._reader.run(ids, mask, self.late_dim > 0)
        if tokens is None:
            return quantise(vectors), [np.zeros((0, 0), np.int8)] * len(framed)
        told = self._reader.told(ids) & (mask > 0)
        return quantise(vectors), [unit_codes(states[kept]) for states, kept in zip(tokens, told)]


class OwnReader:
    """Cuts texts and runs the graph of a bundle that `wayfind train` made."""

    def __init__(self, bundle: Bundle, session: Callable[[Path], Any]):
        self._settings = bundle.parts["encoder"]
        if self._settings["text"] not in TEXTS_READ:
            raise ModelError(f"{bundle.folder} reads texts of version {self._settings['text']}, this wayfind makes {TEXT_VERSION}; install its bundle")
        self._vocabulary = _pieces(bundle.checked(self._settings["vocabulary"]), self._settings)
        self._session = session(bundle.checked(self._settings["weights"]))
        self.pad = self._vocabulary.pad

    def query(self, text: str) -> list[int]:
        """Ids of a query with the tokens of its frame."""
        return self._vocabulary.framed(plain(text), self._settings["query_length"])

    def chunk(self, path: str, symbol: str | None, lines: str) -> list[int]:
        """Ids of a chunk with the tokens of its frame."""
        return self._vocabulary.framed(plain(chunk_text(path, symbol, lines)), self._settings["code_length"])

    def further(self, path: str, symbol: str | None, lines: str, most: int) -> list[list[int]]:
        """Ids of the parts behind the one that `chunk` gives, at most so many, each with the frame, path and symbol."""
        words = self._vocabulary
        room = self._settings["code_length"] - len(words.before) - len(words.after)
        head = words.ids(plain(chunk_text(path, symbol, "")), room // 2)
        body = words.ids(plain(lines), (most + 1) * room)
        first, each = room - len(words.ids(plain(chunk_text(path, symbol, "")), room)), room - len(head)
        starts = range(max(first, 0), len(body), each)
        return [[*words.before, *head, *body[at : at + each], *words.after] for at in starts[:most]]

    def told(self, ids: np.ndarray) -> np.ndarray:
        """Which tokens are kept: all but signs. Without those of the frame, which were trained like the others, MaxSim alone finds
        a tenth less; with signs as well, no more, at twice the bytes (docs/late-interaction.md)."""
        return ~self._vocabulary.wordless[ids]

    def run(self, ids: np.ndarray, mask: np.ndarray, tokens: bool) -> tuple[np.ndarray, np.ndarray | None]:
        """Vectors [batch, dim], and unit vectors of tokens [batch, token, late dim] where they are asked for."""
        vectors, *others = self._session.run(["vector", *(["tokens"] if tokens else [])], {"ids": ids, "mask": mask})
        return vectors, others[0] if others else None


def _pieces(vocabulary: Path, settings: Mapping[str, Any]) -> WordPiece | LibraryPieces:
    """How a bundle of `wayfind train` cuts plain texts: by its `vocab.txt`, or the `tokenizer.json` of the encoder that it began with."""
    if vocabulary.suffix != ".json":
        return WordPiece(vocabulary.read_text(encoding="utf-8"))
    from wayfind.model.foreign import pieces_of

    return pieces_of(vocabulary, settings["before"], settings["after"], settings["pad"])


def _reader(bundle: Bundle, session: Callable[[Path], Any]) -> OwnReader | ForeignReader:
    if bundle.parts["encoder"].get("make") == "onnx":
        from wayfind.model.foreign import ForeignReader

        return ForeignReader(bundle, session)
    return OwnReader(bundle, session)


def _session(weights: Path, threads: int) -> Any:
    """A graph, ready to run. Raises ModelError."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library's own errors have no common class
        raise ModelError(f"{weights} cannot be run: {str(error).splitlines()[0]}") from error


def current_encoder(tree: Path | None = None) -> Encoder | None:
    """The encoder of the bundle that is in use (for the tree whose index lies in a folder), if it has one. Raises ModelError."""
    bundle = current(tree)
    return _loaded(bundle.folder, bundle.id, late_dim(bundle)) if bundle and "encoder" in bundle.parts else None


def late_dim(bundle: Bundle) -> int:
    """Size of the token vectors that a bundle makes, 0 where it makes none or the setting `late-interaction` is off."""
    return bundle.parts.get("late", {}).get("dim", 0) if value_of("late-interaction") == "on" else 0


def _background(bundle: Bundle) -> np.ndarray | None:
    """The part `background` of a bundle."""
    if (part := bundle.parts.get("background")) is None:
        return None
    return np.load(bundle.checked(part["codes"]), allow_pickle=False)


@cache
def _loaded(folder: Path, identity: str, late: int) -> Encoder:
    return Encoder(folder_bundle(folder), late=late > 0)


def _cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
