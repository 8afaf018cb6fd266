"""The decoder of a bundle, run by ONNX Runtime: the reading of a chunk in, one sentence out, or none where none is sure to be true.

A name, a number or a word that is neither common nor in the chunk is never written: such a sentence is dropped for the next best.
Each chunk is written alone, so a sentence depends on its chunk and the model only.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wayfind.errors import ModelError
from wayfind.model.bundle import Bundle, current, load
from wayfind.model.reading import READING_VERSION, places
from wayfind.model.wording import NAME, SIGNS, Known, joined, names_in, repeats, written
from wayfind.model.wordpiece import WordPiece

BEAMS = 4
CONSIDERED = 40
"""Continuations of all beams that are looked at before a step has none left."""
FEWEST_WORDS = 3
PAD, UNKNOWN, START, END = 0, 1, 2, 3
_LEAST_PROBABILITY = 1e-9


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence, how sure the decoder is of it, and what in it the chunk lacks."""

    text: str
    score: float
    """Mean log-probability a symbol, in nats."""
    invented: tuple[str, ...]


class _Beam(NamedTuple):
    score: float
    symbols: tuple[int, ...]

    @property
    def mean(self) -> float:
        return self.score / max(len(self.symbols), 1)


class Explainer:
    """The `decoder` part of a bundle. Raises ModelError where the bundle is not whole or reads chunks otherwise than this version."""

    def __init__(self, bundle: Bundle, threads: int = 1):
        settings = bundle.parts["decoder"]
        if settings["reading"] != READING_VERSION:
            raise ModelError(f"{bundle.folder} reads chunks by version {settings['reading']}, this wayfind by {READING_VERSION}; install its bundle")
        content = bundle.checked(settings["pieces"]).read_text(encoding="utf-8")
        self._vocabulary, self._pieces = WordPiece(content), content.split("\n")[:-1]
        words = bundle.checked(settings["words"]).read_text(encoding="utf-8").split("\n")[:-1]
        self._cases = {word.lower(): word for word in words}
        with np.load(bundle.checked(settings["table"]), allow_pickle=False) as arrays:
            table = arrays["codes"].astype(np.float32) * arrays["scales"][:, None]
            bias = arrays["bias"]
        begin, step = (_session(bundle.checked(settings[name]), threads) for name in ("begin", "step"))
        writer = _Bytes if settings["kind"] == "gru" else _Pieces
        self._writer = writer(begin, step, table, bias, self._pieces, settings)
        self._one = threading.Lock()
        self.least: float = settings["least"]
        self._free = frozenset(list(self._cases)[: settings["free"]])
        """Words that may be said of any chunk, the most frequent ones; all others must stand in it."""
        self.better_than: frozenset[str] = frozenset(settings["better_than"])
        """Provenances whose sentences it was measured to be better than."""
        self.id = bundle.id

    def write(self, reading: str) -> str:
        """A sentence on what a chunk does, "" where none is sure to say only what stands there."""
        return self.best(self.candidates(reading))

    def best(self, candidates: Iterable[Said]) -> str:
        """The first candidate that is likely enough and invents nothing, "" without one."""
        return next((said.text for said in candidates if said.score >= self.least and not said.invented), "")

    def candidates(self, reading: str) -> Iterator[Said]:
        """The sentences of the beams, the likeliest first; what repeats itself or is hardly a sentence is left out."""
        ids, parts = places(reading, self._vocabulary)
        if not ids:
            return
        known = Known(reading, self._free, reading.split("\n")[1])
        with self._one:
            beams = self._writer.beams(np.array([ids], np.int64), np.array([parts], np.int64), known)
        names = names_in(reading)
        for beam in beams:
            words = self._writer.words(beam.symbols, self._pieces)
            text = words if isinstance(words, str) else written(words, names, self._cases)
            if len(text.split()) >= FEWEST_WORDS and not repeats(text.lower().rstrip(".").split(), 2) and known.begins(text) and known.tells(text):
                yield Said(text, beam.mean, tuple(known.lacks(text)))


class _Pieces:
    """Beam search over pieces that are generated or copied."""

    def __init__(self, begin: Any, step: Any, table: np.ndarray, bias: np.ndarray, pieces: list[str], settings: dict[str, Any]):
        self._begin, self._step, self._table, self._bias = begin, step, table, bias
        self._generated, self._length = settings["generated"], settings["length"]
        self._list = pieces
        self._goes_on = np.array([piece.startswith("##") for piece in pieces])
        self._no_word = {number for number, piece in enumerate(pieces) if piece in (NAME, *SIGNS) or number <= END}

    def words(self, symbols: tuple[int, ...], pieces: list[str]) -> list[str]:
        return joined(pieces[symbol] for symbol in symbols if symbol != END)

    def beams(self, ids: np.ndarray, parts: np.ndarray, known: Known) -> list[_Beam]:
        """The best finished beams, the likeliest a symbol first. A beam ends where it has made a word that is not known."""
        keys, values, memory = self._begin.run(["keys", "values", "memory"], {"vectors": self._table[ids], "parts": parts})
        layers, _, heads, _, size = keys.shape
        said = np.zeros((layers, 1, heads, self._length, size), np.float32)
        said_keys, said_values = said, said.copy()
        alive, ended = [_Beam(0.0, ())], []
        last = np.array([START])
        for position in range(self._length):
            count = len(alive)
            asked, gate, pointer, said_keys, said_values = self._step.run(None, {
                "vector": self._table[last][:, None], "position": np.array(position), "said_keys": said_keys, "said_values": said_values,
                "keys": np.repeat(keys, count, 1), "values": np.repeat(values, count, 1), "memory": np.repeat(memory, count, 0), "mask": np.repeat(parts > 0, count, 0),
            })
            scores = self._log_probabilities(asked[:, 0], gate[:, 0], pointer[:, 0], ids[0])
            scores[np.arange(count), last] = -np.inf  # no symbol twice in a row
            for row in range(count):
                if last[row] in self._no_word:
                    scores[row, self._goes_on] = -np.inf
            total = scores + np.array([[beam.score] for beam in alive])
            order = np.argsort(-total, axis=None, kind="stable")[:CONSIDERED]
            grown: list[tuple[int, _Beam]] = []
            seen = 0
            for place in order:
                row, symbol = divmod(int(place), total.shape[1])
                if not np.isfinite(total[row, symbol]):
                    continue
                if not self._goes_on[symbol] and not self._is_whole(alive[row].symbols, known):
                    continue
                beam = _Beam(float(total[row, symbol]), (*alive[row].symbols, symbol))
                if symbol == END:
                    ended.append(beam)
                else:
                    grown.append((row, beam))
                seen += 1
                if seen == 2 * BEAMS or len(grown) == BEAMS:
                    break
            if len(ended) >= BEAMS or not grown:
                break
            rows = [row for row, _ in grown]
            alive = [beam for _, beam in grown]
            said_keys, said_values = said_keys[:, rows], said_values[:, rows]
            last = np.array([beam.symbols[-1] for beam in alive])
        return sorted(ended, key=lambda beam: (-beam.mean, beam.symbols))

    def _is_whole(self, symbols: tuple[int, ...], known: Known) -> bool:
        """Whether the last word of a beam, which the next symbol ends, is one that may be written."""
        start = len(symbols)
        while start and self._goes_on[symbols[start - 1]]:
            start -= 1
        word = joined(self._list[symbol] for symbol in symbols[max(start - 1, 0) :])
        if not word or symbols[-1] in self._no_word:
            return True
        return known.word(word[0]) and (start > 1 or known.begins(word[0]))

    def _log_probabilities(self, asked: np.ndarray, gate: np.ndarray, pointer: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """Generated and copied probability of each piece added up, as logarithms, float64 [beams, pieces]."""
        head = (asked @ self._table[: self._generated].T + self._bias).astype(np.float64)
        head = np.exp(head - head.max(-1, keepdims=True))
        total = np.zeros((len(asked), len(self._table)))
        total[:, : self._generated] = gate * head / head.sum(-1, keepdims=True)
        copied = (1.0 - gate) * pointer.astype(np.float64)
        for row in range(len(total)):
            np.add.at(total[row], ids, copied[row])
        total[:, [PAD, UNKNOWN, START]] = 0.0
        return np.log(np.maximum(total, _LEAST_PROBABILITY))


class _Bytes:
    """The seeds' GRU: the likeliest byte after another."""

    def __init__(self, begin: Any, step: Any, table: np.ndarray, bias: np.ndarray, pieces: list[str], settings: dict[str, Any]):
        self._begin, self._step, self._table, self._length = begin, step, table, 128

    def words(self, symbols: tuple[int, ...], pieces: list[str]) -> str:
        return bytes(symbol for symbol in symbols if symbol >= 32).decode(errors="ignore").strip()

    def beams(self, ids: np.ndarray, parts: np.ndarray, known: Known) -> list[_Beam]:
        (hidden,) = self._begin.run(["hidden"], {"vectors": self._table[ids], "parts": parts})
        score, symbols, last = 0.0, [], START
        for _ in range(self._length):
            said, hidden = self._step.run(None, {"symbol": np.array([last]), "hidden": hidden})
            said[:, [PAD, START]] = -np.inf
            last = int(said[0].argmax())
            score += float(said[0, last])
            symbols.append(last)
            if last == END:
                break
        return [_Beam(score, tuple(symbols))]


def _session(path: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def current_explainer() -> Explainer | None:
    """The decoder of the bundle that is in use, if it has one. Raises ModelError."""
    bundle = current()
    return _loaded(bundle.folder, bundle.id) if bundle and "decoder" in bundle.parts else None


@cache
def _loaded(folder: Path, identity: str) -> Explainer:
    return Explainer(load(folder))
