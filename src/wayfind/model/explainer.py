"""The decoder of a bundle, run by ONNX Runtime: the reading of a chunk in, one sentence out, or none where none is sure to be true.

A name, a number or a word that is neither common nor in the chunk is never written: such a sentence is dropped for the next best.
Each chunk is written alone, so a sentence depends on its chunk and the model only.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wayfind.errors import ModelError
from wayfind.model.bundle import Bundle, current, load
from wayfind.model.grounding import RULES_VERSION, Grounds
from wayfind.model.habits import NO_HABIT, Habit, Habits
from wayfind.model.reading import READING_VERSION, places
from wayfind.model.wording import NAME, SIGNS, Known, joined, names_in, parts, repeats, tokens, written
from wayfind.model.wordpiece import WordPiece

BEAMS = 6
LONGEST_DRAFT = 24
"""Pieces of a sentence that its function's name gives."""
CONSIDERED = 300
"""Continuations of all beams that are looked at before a step has none left."""
ENOUGH = 40
"""Sentences after which no more are looked for."""
FEWEST_WORDS = 3
DOUBT = -2.0
"""Least log-probability, in nats, of a symbol that the name gives: it is not the decoder's to doubt."""
COVERED = 1.0
"""What saying all words of the name is worth, in nats a symbol: of two sentences the one that says more of it is mostly truer."""
PAD, UNKNOWN, START, END = 0, 1, 2, 3
_LEAST_PROBABILITY = 1e-9
_CAPITALS = re.compile(r"(?<![A-Za-z])[A-Z]{2,5}(?![a-z])|(?<=[a-z])[A-Z]{2,5}(?![a-z])")
"""Words in capitals: `SGR` in `setSGR`."""


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence, how sure the decoder is of it, and what in it the chunk lacks."""

    text: str
    score: float
    """Mean log-probability a symbol, in nats, and `COVERED` times the share of the name's words that it says."""
    invented: tuple[str, ...]


class _Beam(NamedTuple):
    score: float
    symbols: tuple[int, ...]
    lead: tuple[int, ...] = ()
    """Symbols that it begins with."""

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
        self.kind: str = settings["kind"]
        self.least: float = settings["least"]
        self.better_than: frozenset[str] = frozenset(settings["better_than"])
        """Provenances whose sentences it was measured to be better than."""
        self.id = f"{bundle.id}.{RULES_VERSION}"

    def write(self, reading: str, habits: Habits | None = None, without: str = "") -> str:
        """A sentence on what a chunk does, "" where none is sure to say only what stands there; with the habits of a repository in its
        manner, learned from all functions but those documented by the sentence `without`."""
        if not habits:
            return self.best(self.candidates(reading))
        return self.best(self.candidates(reading, habits.near(places(reading, self._vocabulary).ids, _first(reading), without)))

    def habits(self, documented: Sequence[tuple[str, str]]) -> Habits:
        """What the readings and sentences of a repository's functions teach."""
        known = [(places(reading, self._vocabulary).ids, _first(reading), sentence) for reading, sentence in documented]
        return Habits(known, self._vocabulary)

    def best(self, candidates: Iterable[Said]) -> str:
        """The first candidate that is likely enough and invents nothing, "" without one."""
        return next((said.text for said in candidates if said.score >= self.least and not said.invented), "")

    def unchecked(self, reading: str) -> str:
        """What the GRU says by itself, with no beginning given and no rule applied."""
        ids, stands = places(reading, self._vocabulary)
        return self._writer.words(self._writer.alone(np.array([ids], np.int64), np.array([stands], np.int64)).symbols, self._pieces)

    def candidates(self, reading: str, habit: Habit = NO_HABIT) -> Iterator[Said]:
        """The sentences of the beams, the likeliest first; what is not grounded (`model.grounding`) or repeats itself is left out."""
        ids, stands = places(reading, self._vocabulary)
        rules = Rules(reading, self._cases, habit)
        if not ids or not rules.grounds.leads:
            return
        leads = [tuple(self._vocabulary.ids(" ".join(draft), LONGEST_DRAFT)) for draft in rules.grounds.drafts]
        with self._one:
            beams = self._writer.beams(np.array([ids], np.int64), np.array([stands], np.int64), rules, leads)
        names, cases = names_in(reading), {**{word.lower(): word for word in _CAPITALS.findall(reading)}, **self._cases}
        found = []
        for beam in beams:
            words = self._writer.words(beam.symbols, self._pieces)
            text = words if isinstance(words, str) else written(words, names, cases)
            if rules.hold(text):
                found.append(Said(text, beam.mean + COVERED * rules.covers(text), tuple(rules.known.lacks(text))))
        yield from sorted({said.text: said for said in found}.values(), key=lambda said: (-said.score, said.text))


def _first(reading: str) -> str:
    """The first word of the name of what is read."""
    return next(iter(Grounds(reading).own), "")


class Rules:
    """What may be written of a reading: words that stand in it or are free, grounded beginnings, whole sentences."""

    def __init__(self, reading: str, inflected: Collection[str], habit: Habit = NO_HABIT) -> None:
        self.grounds, self.habit = Grounds(reading, habit.leads), habit
        self.known = Known(reading, self.grounds.free | habit.words, inflected)

    def go_on(self, words: Sequence[str]) -> bool:
        """Whether a sentence may begin with these words, the last of them whole."""
        said = [word for word in words if word not in _MARKS]
        return not words or words[-1] in _MARKS or self.known.word(words[-1]) and self.grounds.goes_on(said)

    def end(self, words: Sequence[str]) -> bool:
        """Whether a sentence of these words is whole."""
        return self.grounds.holds([word for word in words if word not in _MARKS])

    def covers(self, text: str) -> float:
        """Share of the name's words that a sentence says."""
        return self.grounds.covers([part for word in tokens(text) for part in parts(word)])

    def hold(self, text: str) -> bool:
        """Whether a written sentence is one, and grounded."""
        words = text.lower().rstrip(".").split()
        return len(words) >= FEWEST_WORDS and words[-1][-1] not in SIGNS and not repeats(words, 2) and self.grounds.holds([part for word in tokens(text) for part in parts(word)])


_MARKS = frozenset((NAME, *SIGNS))


class _Pieces:
    """Beam search over pieces that are generated or copied."""

    def __init__(self, begin: Any, step: Any, table: np.ndarray, bias: np.ndarray, pieces: list[str], settings: dict[str, Any]):
        self._begin, self._step, self._table, self._bias = begin, step, table, bias
        self._generated, self._length = settings["generated"], settings["length"]
        self._list, self._stop = pieces, pieces.index(".")
        self._goes_on = np.array([piece.startswith("##") for piece in pieces])
        self._no_word = {number for number, piece in enumerate(pieces) if piece in (NAME, *SIGNS) or number <= END}

    def words(self, symbols: tuple[int, ...], pieces: list[str]) -> list[str]:
        return joined(pieces[symbol] for symbol in symbols if symbol != END)

    def beams(self, ids: np.ndarray, parts: np.ndarray, rules: Rules, leads: Sequence[tuple[int, ...]]) -> list[_Beam]:
        """The best finished beams, the likeliest a symbol first. Each begins with one of the leads, and ends where it has made a word
        that may not be said there."""
        keys, values, memory = self._begin.run(["keys", "values", "memory"], {"vectors": self._table[ids], "parts": parts})
        layers, _, heads, _, size = keys.shape
        alive, ended = [_Beam(0.0, (), lead) for lead in leads], []
        said_keys = np.zeros((layers, len(alive), heads, self._length, size), np.float32)
        said_values = said_keys.copy()
        last = np.full(len(alive), START)
        for position in range(self._length):
            count = len(alive)
            asked, gate, pointer, said_keys, said_values = self._step.run(None, {
                "vector": self._table[last][:, None], "position": np.array(position), "said_keys": said_keys, "said_values": said_values,
                "keys": np.repeat(keys, count, 1), "values": np.repeat(values, count, 1), "memory": np.repeat(memory, count, 0), "mask": np.repeat(parts > 0, count, 0),
            })
            scores = self._log_probabilities(asked[:, 0], gate[:, 0], pointer[:, 0], ids[0], [beam.symbols for beam in alive], rules.habit)
            scores[np.arange(count), last] = -np.inf  # no symbol twice in a row
            for row, beam in enumerate(alive):
                if position >= len(beam.lead) and last[row] in self._no_word:
                    scores[row, self._goes_on] = -np.inf
            total = scores + np.array([[beam.score] for beam in alive])
            for row, beam in enumerate(alive):
                if position >= max(len(beam.lead), 2) and self._may_follow(beam.symbols, self._stop, rules):
                    ended.append(_Beam(float(total[row, self._stop]), (*beam.symbols, self._stop)))
            total[:, [self._stop, END]] = -np.inf
            grown: list[tuple[int, _Beam]] = []
            for row, beam in enumerate(alive):
                if position < len(beam.lead):
                    symbol = beam.lead[position]
                    grown.append((row, _Beam(beam.score + max(float(scores[row, symbol]), DOUBT), (*beam.symbols, symbol), beam.lead)))
                    total[row] = -np.inf
            most = len(grown) + BEAMS
            for place in np.argsort(-total, axis=None, kind="stable")[:CONSIDERED]:
                row, symbol = divmod(int(place), total.shape[1])
                beam = alive[row]
                if np.isfinite(total[row, symbol]) and (self._goes_on[symbol] or self._may_follow(beam.symbols, symbol, rules)):
                    grown.append((row, _Beam(float(total[row, symbol]), (*beam.symbols, symbol), beam.lead)))
                    if len(grown) == most:
                        break
            if len(ended) >= ENOUGH or not grown:
                break
            rows = [row for row, _ in grown]
            alive = [beam for _, beam in grown]
            said_keys, said_values = said_keys[:, rows], said_values[:, rows]
            last = np.array([beam.symbols[-1] for beam in alive])
        return sorted(ended, key=lambda beam: (-beam.mean, beam.symbols))

    def _may_follow(self, symbols: tuple[int, ...], symbol: int, rules: Rules) -> bool:
        """Whether the words so far, which this symbol ends, may stand there."""
        words = joined(self._list[one] for one in symbols)
        return rules.go_on(words) and (symbol != self._stop or rules.end(words))

    def _log_probabilities(self, asked: np.ndarray, gate: np.ndarray, pointer: np.ndarray, ids: np.ndarray, said: Sequence[tuple[int, ...]], habit: Habit) -> np.ndarray:
        """Generated and copied probability of each piece added up, as logarithms, float64 [beams, pieces]."""
        head = (asked @ self._table[: self._generated].T + self._bias).astype(np.float64)
        head = np.exp(head - head.max(-1, keepdims=True))
        total = np.zeros((len(asked), len(self._table)))
        total[:, : self._generated] = gate * head / head.sum(-1, keepdims=True)
        copied = (1.0 - gate) * pointer.astype(np.float64)
        for row in range(len(total)):
            np.add.at(total[row], ids, copied[row])
        for row, symbols in enumerate(said):
            total[row] = habit.mixed(total[row], symbols)
        total[:, [PAD, UNKNOWN, START]] = 0.0
        return np.log(np.maximum(total, _LEAST_PROBABILITY))


class _Bytes:
    """The seeds' GRU: the likeliest byte after another."""

    def __init__(self, begin: Any, step: Any, table: np.ndarray, bias: np.ndarray, pieces: list[str], settings: dict[str, Any]):
        self._begin, self._step, self._table, self._length = begin, step, table, 128

    def words(self, symbols: tuple[int, ...], pieces: list[str]) -> str:
        return bytes(symbol for symbol in symbols if symbol >= 32).decode(errors="ignore").strip()

    def beams(self, ids: np.ndarray, parts: np.ndarray, rules: Rules, leads: Sequence[tuple[int, ...]]) -> list[_Beam]:
        (hidden,) = self._begin.run(["hidden"], {"vectors": self._table[ids], "parts": parts})
        said = (self._said(hidden, " ".join(draft).capitalize().encode()) for draft in rules.grounds.drafts)
        return sorted(said, key=lambda beam: (-beam.mean, beam.symbols))

    def alone(self, ids: np.ndarray, parts: np.ndarray) -> _Beam:
        (hidden,) = self._begin.run(["hidden"], {"vectors": self._table[ids], "parts": parts})
        return self._said(hidden, b"")

    def _said(self, hidden: np.ndarray, begun: bytes) -> _Beam:
        """The likeliest bytes after those that it begins with, which count as `DOUBT` at least."""
        score, symbols, last = 0.0, [], START
        for place in range(self._length):
            scores, hidden = self._step.run(None, {"symbol": np.array([last]), "hidden": hidden})
            scores[:, [PAD, START]] = -np.inf
            forced = place < len(begun)
            last = begun[place] if forced else int(scores[0].argmax())
            score += max(float(scores[0, last]), DOUBT) if forced else float(scores[0, last])
            symbols.append(last)
            if last == END:
                break
        return _Beam(score, tuple(symbols))


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
