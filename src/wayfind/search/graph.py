"""The graph of a snapshot: which definition calls, imports, derives from or tests which. Made when it is first asked for and
kept beside the index in one immutable, checksummed file, named by the contents that it was made of.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from wayfind.errors import IndexError_, StorageError
from wayfind.index.edges import CALLS, EDGES, INHERITS, Edges
from wayfind.index.resolution import edges_of
from wayfind.index.segment import read_arrays, write_arrays
from wayfind.search.searcher import Searcher

MAGIC = b"WAYFIND GRAPH 1\n"
RESOLUTION_VERSION = 2
"""Raised whenever resolution makes other edges from the same references."""
DAMPING = 0.85
"""Of PageRank: Page and others, The PageRank Citation Ranking (1999)."""
_ROUNDS = 30


@dataclass(frozen=True, slots=True)
class Edge:
    """One edge, seen from one of its ends."""

    chunk: int
    """The other end."""
    kind: str
    strength: float
    line: int
    """Line of the source that refers to the target."""


class Graph:
    """Edges between the chunks of a snapshot, looked up from both ends."""

    def __init__(self, edges: Edges, chunks: int):
        self.edges, self.chunks = edges, chunks
        self._out = np.searchsorted(edges.source, np.arange(chunks + 1))
        self._in_order = np.argsort(edges.target, kind="stable")
        self._in = np.searchsorted(edges.target[self._in_order], np.arange(chunks + 1))

    def outgoing(self, chunk: int) -> list[Edge]:
        """What a chunk refers to, in the order of its lines."""
        here = np.arange(self._out[chunk], self._out[chunk + 1])
        return sorted((self._edge(n, self.edges.target) for n in here.tolist()), key=lambda edge: (edge.line, edge.chunk))

    def incoming(self, chunk: int) -> list[Edge]:
        """What refers to a chunk, strongest first, then in the order of path and line."""
        here = self._in_order[self._in[chunk] : self._in[chunk + 1]]
        return sorted((self._edge(n, self.edges.source) for n in here.tolist()), key=lambda edge: (-edge.strength, edge.chunk))

    def _edge(self, number: int, end: np.ndarray) -> Edge:
        edges = self.edges
        return Edge(int(end[number]), EDGES[edges.kind[number]], round(float(edges.strength[number]), 3), int(edges.line[number]))

    @cached_property
    def centrality(self) -> np.ndarray:
        """PageRank of each chunk over calls and inheritance, [chunks], divided by the largest: how much of the code that is
        no test leads to it."""
        edges = self.edges
        kept = np.isin(edges.kind, (CALLS, INHERITS))
        source, target, weight = edges.source[kept], edges.target[kept], edges.strength[kept].astype(np.float64)
        given = np.bincount(source, weight, self.chunks)
        share = weight / np.maximum(given[source], 1e-12)
        rank = np.full(self.chunks, 1 / max(self.chunks, 1))
        for _ in range(_ROUNDS):
            lost = rank[given == 0].sum()
            rank = (1 - DAMPING + DAMPING * lost) / max(self.chunks, 1) + DAMPING * np.bincount(target, rank[source] * share, self.chunks)
        return rank / rank.max() if self.chunks else rank


def graph_of(searcher: Searcher) -> Graph:
    """The graph of a searcher's snapshot. What is kept of it and damaged is made again; where nothing can be kept it is made
    for this process."""
    made = searcher.__dict__.get("_graph")
    if made is None:
        made = searcher.__dict__["_graph"] = Graph(_edges(searcher), searcher.snapshot.chunks)
    return made


def _edges(searcher: Searcher) -> Edges:
    snapshot = searcher.snapshot
    path = snapshot.folder / f"{_content(searcher)}.graph"
    if path.exists():
        with contextlib.suppress(IndexError_, OSError):
            arrays = read_arrays(path, MAGIC)
            return Edges(*(arrays[name] for name in Edges.__dataclass_fields__))
    edges = edges_of(snapshot, searcher.is_test)
    _keep(path, edges)
    return edges


def _keep(path: Path, edges: Edges) -> None:
    """Write the edges; the file before the last one goes, the last one stays for those who read it now."""
    with contextlib.suppress(StorageError, OSError):
        others = sorted((other for other in path.parent.glob("*.graph") if other != path), key=lambda other: (other.stat().st_mtime_ns, other.name))
        write_arrays(path, MAGIC, {name: getattr(edges, name) for name in Edges.__dataclass_fields__})
        for old in others[:-1]:
            old.unlink()


def _content(searcher: Searcher) -> str:
    """What a graph depends on: every path with its content, whether that is a test, and the version of the resolution."""
    digest = hashlib.sha256(str(RESOLUTION_VERSION).encode())
    for path, key, test in zip(searcher.snapshot.paths, searcher.snapshot.keys, searcher.is_test.tolist()):
        digest.update(os.fsencode(path) + b"\0" + key.encode() + b"\0" * test)
    return digest.hexdigest()[:32]


GRAPH_SIGNALS = ("central", "called_by_candidates", "calls_candidates")


def graph_signals(searcher: Searcher, chosen: np.ndarray, merit: np.ndarray | None = None) -> np.ndarray:
    """What the graph says of candidates: float64 [n, 3], each 0 to 1.

    central: fourth root of PageRank over calls and inheritance, as a share of the largest of the repository.
    called_by_candidates: the most meritorious candidate that calls it, times the edge's strength.
    calls_candidates: the same for candidates that it calls.
    `merit` [n], 0 to 1, is how well each candidate matches by the other signals; without it each candidate counts alike.
    """
    graph = graph_of(searcher)
    chosen = np.asarray(chosen, np.int64)
    value = np.ones(len(chosen)) if merit is None else np.asarray(merit, np.float64)
    place = np.full(graph.chunks, -1)
    place[chosen] = np.arange(len(chosen))
    edges = graph.edges
    kept = (edges.kind == CALLS) & (place[edges.source] >= 0) & (place[edges.target] >= 0)
    source, target, strength = place[edges.source[kept]], place[edges.target[kept]], edges.strength[kept]
    called, calls = np.zeros(len(chosen)), np.zeros(len(chosen))
    np.maximum.at(called, target, value[source] * strength)
    np.maximum.at(calls, source, value[target] * strength)
    return np.column_stack([graph.centrality[chosen] ** 0.25, called, calls]).reshape(len(chosen), len(GRAPH_SIGNALS))
