"""What chunks mean, as vectors: a query in, how near each chunk is out. Chunks whose vector is not there yet are encoded when
they are candidates, so that the first search in a repository is semantic already.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from copy import copy

import numpy as np

from wayfind.index.nearest import nearest
from wayfind.index.snapshot import Snapshot
from wayfind.index.vectors import documented
from wayfind.model.codes import cosines, lengths_of, quantise
from wayfind.model.encoder import Encoder
from wayfind.model.pooling import pooled
from wayfind.search.asked import Asked, asked

ENCODED_NOW = 24
"""Candidates without a vector that one query encodes, the best by their words first: some 0.2 s on two cores."""
QUERIES_KEPT = 256
NEAREST_ELSEWHERE = 5
FROM_GRAPH = 200
"""Rows that are asked of a graph of nearest neighbours: twice the candidates that are taken."""
PART_COST = 0.02
"""Cosine by which a further part of a long chunk must be nearer than its beginning: who has more parts has more chances. Chosen on
repositories of the ranker part, see benchmarks/results/parts.txt."""


class Meanings:
    """The vectors of a snapshot by one model."""

    def __init__(self, snapshot: Snapshot, encoder: Encoder, moved: Callable[[np.ndarray], np.ndarray] | None = None):
        """`moved`: what was learned to do with a query's code."""
        self._snapshot, self._encoder, self._moved = snapshot, encoder, moved or (lambda code: code)
        self._vectors = snapshot.vectors(encoder.id, encoder.dim)
        self._whole = np.array_equal(self._vectors.row, np.arange(len(self._vectors.codes)))
        self._queries: OrderedDict[str, np.ndarray] = OrderedDict()
        self._made: dict[int, np.ndarray] = {}
        self._made_tokens: dict[int, np.ndarray] = {}
        self._made_parts: dict[int, np.ndarray] = {}
        self._lock = threading.Lock()

    def moved_by(self, moved: Callable[[np.ndarray], np.ndarray] | None) -> Meanings:
        """The same vectors, and what was encoded already, with queries moved otherwise."""
        other = copy(self)
        other._moved = moved or (lambda code: code)
        return other

    @property
    def coverage(self) -> float:
        """Share of the chunks whose vectors are stored."""
        return self._vectors.coverage

    def nearness(self, text: str, also: np.ndarray | None = None) -> np.ndarray:
        """Cosine of every chunk with a query, float64 [chunks], at least 0; nan where the chunk is not encoded yet.

        With `also`, chunks [n], it is enough to know it of these and of the nearest: in a very large tree with a graph of nearest
        neighbours the others are 0.
        """
        wanted = self._moved(self.query(text))
        if also is not None and self._vectors.graph is not None and not len(self._vectors.parts):
            value = self._around(wanted, also)
        else:
            value = np.maximum(cosines(self._vectors.codes, wanted, self._vectors.norms), 0.0)
        if len(self._vectors.parts):
            np.maximum.at(value, self._vectors.part_of, cosines(self._vectors.parts, wanted, self._vectors.part_norms) - PART_COST)
        if not self._whole:
            value = np.append(value, np.nan)[self._vectors.row]
        return value

    def _around(self, wanted: np.ndarray, also: np.ndarray) -> np.ndarray:
        """Cosines of the rows of some chunks, and of those that the graph finds near; 0 for the others."""
        rows = self._vectors.row[also]
        rows = np.union1d(rows[rows >= 0], nearest(self._vectors.graph, wanted, FROM_GRAPH))
        value = np.zeros(len(self._vectors.codes))
        value[rows] = np.maximum(cosines(self._vectors.codes[rows], wanted, self._vectors.norms[rows]), 0.0)
        return value

    def elsewhere(self, text: str) -> float | None:
        """Mean cosine of a query with the nearest five chunks of other repositories; None where the bundle brings none."""
        if (codes := self._encoder.background) is None:
            return None
        value = cosines(codes, self._moved(self.query(text)), lengths_of(codes))
        return float(np.sort(value)[-NEAREST_ELSEWHERE:].mean())

    def like(self, chunk: int) -> np.ndarray:
        """Cosine of every chunk with one of them, by its own vector; nan where a chunk is not encoded yet."""
        row = int(self._vectors.row[chunk])
        if row < 0:
            self._encode([one for one in [chunk] if one not in self._made])
        wanted = self._vectors.codes[row] if row >= 0 else self._made[chunk]
        value = np.maximum(cosines(self._vectors.codes, wanted, self._vectors.norms), 0.0)
        return value if self._whole else np.append(value, np.nan)[self._vectors.row]

    def completed(self, near: np.ndarray, text: str, chosen: np.ndarray, merit: np.ndarray) -> np.ndarray:
        """The same without nan: of the chosen chunks the most deserving are encoded now, the rest gets the middle value. What
        other queries had encoded saves time and changes nothing: the same generation gives the same answer."""
        now = self.encoded_now(near, chosen, merit)
        if len(now):
            self._encode([chunk for chunk in now.tolist() if chunk not in self._made])
            near = near.copy()
            near[now] = self._cosines(now, self._moved(self.query(text)))
        present = near[chosen][~np.isnan(near[chosen])]
        return np.nan_to_num(near, nan=float(np.median(present)) if len(present) else 0.0)

    def encoded_now(self, near: np.ndarray, chosen: np.ndarray, merit: np.ndarray) -> np.ndarray:
        """Those of the chosen chunks without a vector that `completed` encodes for this query, ascending."""
        absent = np.isnan(near[chosen])
        return np.sort(chosen[absent][np.argsort(-merit[absent], kind="stable")[:ENCODED_NOW]])

    def tokens_made(self, chunks: np.ndarray) -> dict[int, np.ndarray]:
        """The token codes of chunks that `completed` encoded."""
        return {chunk: self._made_tokens[chunk] for chunk in chunks.tolist()}

    def query(self, text: str) -> np.ndarray:
        """The code of a query as the model makes it: of a long text the mean of its sentences' unit vectors."""
        with self._lock:
            if (code := self._queries.get(text)) is None:
                code = self._queries[text] = self._read(asked(text))
                while len(self._queries) > QUERIES_KEPT:
                    self._queries.popitem(last=False)
        return code

    def _read(self, query: Asked) -> np.ndarray:
        if query.code:
            return self._encoder.chunks([("", None, query.texts[0])])[0]
        codes = np.stack([self._encoder.query(text) for text in query.texts])
        if len(codes) == 1:
            return codes[0]
        lengths = np.maximum(lengths_of(codes), 1.0)[:, None]
        return quantise((codes / lengths).mean(0))

    def _encode(self, chunks: list[int]) -> None:
        texts = []
        for number in chunks:
            chunk, text = self._snapshot.chunk(number)
            texts.append((self._snapshot.paths[self._snapshot.file[number]], chunk.symbol, documented(self._snapshot.said(number), text)))
        codes, tokens = self._encoder.chunks_with_tokens(texts)
        self._made_tokens.update(zip(chunks, map(pooled, tokens)))
        self._made.update(zip(chunks, codes))
        if self._encoder.parts > 1:
            self._made_parts.update(zip(chunks, self._encoder.further_parts(texts)))

    def _cosines(self, chunks: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        codes = np.stack([self._made[chunk] for chunk in chunks.tolist()])
        value = np.maximum(cosines(codes, wanted, lengths_of(codes)), 0.0)
        for place, chunk in enumerate(chunks.tolist()):
            if len(parts := self._made_parts.get(chunk, ())):
                value[place] = max(value[place], float(cosines(parts, wanted, lengths_of(parts)).max()) - PART_COST)
        return value
