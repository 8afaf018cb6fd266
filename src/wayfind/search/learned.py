"""What an adaptation changes in a search: a snapshot and what was learned of its repository in; out, for a query, its vector moved,
its terms weighed, and which chunks answered questions like it before.

The map: q' = q + B A q with A [rank, dim], B [dim, rank]; the chunks' vectors stay. Remembered questions are told from one another
by their vectors alone: for a query q, a question m that was answered by a set of places gives each of them

    k(q, m) = min(MOST_STRENGTH, w_m max(0, (cos(q, m) - FLOOR) / (1 - FLOOR))^2),

and a place 1 - prod over its questions of (1 - k); w_m is the lesson's weight over the root of its number of answers, at most 1.

All of it but words and terms counts as far as the query is put like what was asked of the history (`Learned.strength`), and not like
documentation or a name, which the code itself answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from wayfind.index.snapshot import Snapshot
from wayfind.model.adaptation import Adaptation
from wayfind.model.codes import cosines, lengths_of, quantise
from wayfind.search.query import Query
from wayfind.search.vocabulary import Vocabulary, of_data

FLOOR = 0.3
"""Cosine up to which two questions have nothing to do with each other: subjects of unrelated commits lie below."""
MOST_STRENGTH = 0.95
"""What one question alone gives at most, so that a second one still counts."""
UNLIKE, LIKE = 0.25, 0.75
"""Probability that a query is put like questions of the history up to which nothing of it is used, and from which all is."""
REMEMBERED = ("remembered", "remembered_file", "often", "often_file")
"""The signals that only an adaptation brings."""


class Learned:
    """An adaptation, made ready for one snapshot. The same adaptation and generation give the same values in every process."""

    def __init__(self, adaptation: Adaptation, snapshot: Snapshot):
        self.id, self.model, self._arrays, self._snapshot = adaptation.id, adaptation.model, adaptation.arrays, snapshot
        self._weights: Mapping[str, float] = adaptation.about.get("weights", {})
        self._words: Mapping[str, Any] | None = adaptation.about.get("words")

    def code(self, code: np.ndarray) -> np.ndarray:
        """A query's code moved by the learned map, int8 [dim]."""
        down, up = self._arrays.get("map.down"), self._arrays.get("map.up")
        if down is None or up is None:
            return code
        unit = _unit(code)
        moved = unit + self.strength(code) * (up.astype(np.float64) * (down.astype(np.float64) * unit).sum(1)).sum(1)
        return quantise(np.round(moved, 9)[None])[0]

    def reworded(self, query: Query) -> Query:
        """The query with its terms weighed; a name stays as it is."""
        if "terms.digest" not in self._arrays or not query.terms or query.kind == "identifier":
            return query
        factors = self._factors
        terms = tuple(replace(t, weight=t.weight * factors[d]) if (d := number_of(t.text)) in factors else t for t in query.terms)
        return replace(query, terms=terms)

    def weights(self, names: Iterable[str], base: Mapping[str, float], strength: float = 1.0) -> np.ndarray:
        """Weight of each signal or demotion: the base's, times what was learned; of what only an adaptation brings, as learned."""
        learned = self._weights
        return np.array(
            [strength * learned.get(name, 0.0) if name in REMEMBERED else base[name] * learned.get(name, 1.0) ** strength for name in names]
        )

    def strength(self, code: np.ndarray) -> float:
        """How far what was learned holds for a query, by its own code: 0 to 1; 1 where nothing was learned about that."""
        manner = self._arrays.get("manner.weight")
        if manner is None:
            return 1.0
        likely = 1 / (1 + np.exp(-float((manner[:-1].astype(np.float64) * _unit(code)).sum() + manner[-1])))
        return round(min(max((likely - UNLIKE) / (LIKE - UNLIKE), 0.0), 1.0), 6)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """What words have come to mean."""
        return of_data(self._words) if self._words else {}

    @property
    def remembers(self) -> bool:
        return "memory.codes" in self._arrays

    def remembered(self, code: np.ndarray) -> np.ndarray:
        """How strongly questions like this one were answered by each chunk, and by its file: [2, chunks], 0 to 1. `code` is the
        query's own, not moved."""
        chunk, file = np.zeros(self._snapshot.chunks), np.zeros(self._snapshot.files)
        near = cosines(self._arrays["memory.codes"], code, self._norms)
        strength = np.clip((near - FLOOR) / (1 - FLOOR), 0.0, None) ** 2 * self._arrays["memory.weight"]
        missed = np.log1p(-np.minimum(strength, MOST_STRENGTH))
        question, place = self._links
        np.add.at(chunk, place, missed[question])
        question, place = self._file_links
        np.add.at(file, place, missed[question])
        return np.round(np.stack([1 - np.exp(chunk), (1 - np.exp(file))[self._snapshot.file]]), 9)

    @cached_property
    def often(self) -> np.ndarray:
        """How often each chunk, and its file, was what was changed or asked for: [2, chunks], 0 to 1."""
        chunk, file = np.zeros(self._snapshot.chunks), np.zeros(self._snapshot.files)
        if "often.place" in self._arrays:
            found = self._chunks_of(self._arrays["often.place"])
            known = found >= 0
            value = self._arrays["often.value"].astype(np.float64)[known]
            chunk[found[known]] = value
            np.add.at(file, self._snapshot.file[found[known]], value)
        return np.round(np.stack([_share(chunk), _share(file)[self._snapshot.file]]), 9)

    @property
    def known_places(self) -> float | None:
        """Share of the definitions that it speaks of which are there, 0 to 1; None where it speaks of none."""
        places = np.unique(np.concatenate([self._arrays.get(name, np.zeros(0, np.int64)) for name in ("memory.place", "often.place")]))
        return float((self._chunks_of(places) >= 0).mean()) if len(places) else None

    @cached_property
    def _factors(self) -> dict[int, float]:
        return dict(zip(self._arrays["terms.digest"].tolist(), self._arrays["terms.factor"].astype(np.float64).tolist()))

    @cached_property
    def _norms(self) -> np.ndarray:
        return lengths_of(self._arrays["memory.codes"])

    @cached_property
    def _links(self) -> tuple[np.ndarray, np.ndarray]:
        """(question, chunk) of every answer that is still there."""
        chunk = self._chunks_of(self._arrays["memory.place"])
        known = chunk >= 0
        return self._arrays["memory.question"][known].astype(np.int64), chunk[known]

    @cached_property
    def _file_links(self) -> tuple[np.ndarray, np.ndarray]:
        """(question, file), each once."""
        question, chunk = self._links
        pairs = np.unique(np.stack([question, self._snapshot.file[chunk].astype(np.int64)], 1), axis=0) if len(chunk) else np.zeros((0, 2), np.int64)
        return pairs[:, 0], pairs[:, 1]

    def _chunks_of(self, places: np.ndarray) -> np.ndarray:
        """Chunk of each place, -1 where it is gone."""
        number = self._number_of_place
        return np.array([number.get(place, -1) for place in places.tolist()], np.int64)

    @cached_property
    def _number_of_place(self) -> dict[int, int]:
        snapshot, found = self._snapshot, {}
        for chunk in range(snapshot.chunks - 1, -1, -1):
            if symbol := snapshot.symbols[chunk]:
                found[place_of(snapshot.paths[snapshot.file[chunk]], symbol)] = chunk
        return found


def _unit(code: np.ndarray) -> np.ndarray:
    return code / max(float(np.sqrt(np.square(code.astype(np.float64)).sum())), 1.0)


def place_of(path: str, symbol: str) -> int:
    """A number that stands for a definition, wherever its repository lies."""
    return number_of(f"{path}\0{symbol}")


def number_of(text: str) -> int:
    """A number of 63 bits that stands for a text."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "big") >> 1


def _share(value: np.ndarray) -> np.ndarray:
    """Values of any size as 0 to 1, the largest 1, by their logarithm."""
    largest = float(value.max(initial=0.0))
    return np.log1p(value) / np.log1p(largest) if largest > 0 else value
