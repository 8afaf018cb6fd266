"""A place in, what has to do with the definition there out: its callers, what it calls, its tests, its siblings, and what is
like it by words and by vector. Each result says how it is related.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from wayfind.errors import UsageError
from wayfind.index.snapshot import Snapshot
from wayfind.search import engine
from wayfind.search.engine import MOST_RESULTS, check_number, chunk_at, result_at
from wayfind.search.explain import Mode
from wayfind.search.flow import TYPES, relation
from wayfind.search.graph import Edge, Graph, graph_of
from wayfind.search.searcher import Searcher
from wayfind.types import Answer, Relation, Result

GROUPS = ("callers", "callees", "tests", "siblings", "similar")
WEAKEST = 0.2
"""Edges below this are one guess among many."""
_LOOKED_AT = 30
"""Chunks that are like it by words, and as many by vector, of which the best are taken."""
_LEAST_LIKE = 0.25
"""Mean of the two likenesses below which nothing is called similar."""


def related(
    searcher: Searcher, path: str, line: int, k: int = 10, mode: Mode = "auto", stale_files: int = 0, groups: Sequence[str] = ()
) -> Answer:
    """What has to do with the definition that holds a line, group by group, at most `k`; of all groups where none is named.

    Where the groups have more than `k`, each gets its share, and what one leaves another takes. Raises NotFound, UsageError.
    """
    check_number(k)
    if unknown := set(groups) - set(GROUPS):
        raise UsageError(f"no group of relations is called {sorted(unknown)[0]!r}; there are {', '.join(GROUPS)}")
    k = min(k, MOST_RESULTS)
    snapshot, own, graph = searcher.snapshot, chunk_at(searcher.snapshot, path, line), graph_of(searcher)
    finders: dict[str, Callable[[], list[tuple[int, Relation]]]] = {
        "callers": lambda: _linked(searcher, graph, own, False, ("calls", "inherits", "imports")),
        "callees": lambda: _linked(searcher, graph, own, True, ("calls", "inherits", "tests")),
        "tests": lambda: _linked(searcher, graph, own, False, ("tests",)),
        "siblings": lambda: _siblings(snapshot, own),
        "similar": lambda: [],
    }
    wanted = [group for group in GROUPS if not groups or group in groups]
    found = {group: finders[group]() for group in wanted if group != "similar"}
    like = _similar(searcher, own, path, line, k, mode) if "similar" in wanted else None
    if like is not None:
        found["similar"] = [(chunk, one) for chunk, one, _ in like]
    known = {chunk: result for chunk, _, result in like or () if result is not None}
    results = []
    for chunk, relations in _shared(found, wanted, k):
        result = known.get(chunk) or replace(result_at(searcher, *_place(snapshot, chunk), mode), score=relations[0].strength)
        results.append(replace(result, relations=relations))
    reason = "" if results else "nothing here is related to it" if not groups else f"it has no {' and no '.join(wanted)} that the graph knows"
    name = f"{path}:{line}"
    return Answer(name, engine.state(snapshot, stale_files, searcher.adaptation), float(bool(results)), not results, reason, tuple(results))


def _place(snapshot: Snapshot, chunk: int) -> tuple[str, int]:
    return snapshot.paths[snapshot.file[chunk]], int(snapshot.start[chunk])


def _shared(found: dict[str, list[tuple[int, Relation]]], wanted: Sequence[str], k: int) -> list[tuple[int, tuple[Relation, ...]]]:
    """Of each group its share of `k`, in the order of the groups; a chunk comes once, with all of its relations."""
    relations: dict[int, list[Relation]] = {}
    home: dict[int, str] = {}
    for group in wanted:
        for chunk, one in found[group]:
            relations.setdefault(chunk, []).append(one)
            home.setdefault(chunk, group)
    members = {group: [chunk for chunk in relations if home[chunk] == group] for group in wanted}
    shares = dict.fromkeys(wanted, 0)
    while sum(shares.values()) < min(k, len(relations)):
        for group in wanted:
            if shares[group] < len(members[group]) and sum(shares.values()) < k:
                shares[group] += 1
    return [(chunk, tuple(relations[chunk])) for group in wanted for chunk in members[group][: shares[group]]]


def _linked(searcher: Searcher, graph: Graph, own: int, out: bool, kinds: Sequence[str]) -> list[tuple[int, Relation]]:
    """The chunks at the other ends of edges, strongest first; of a class also those of its members."""
    snapshot = searcher.snapshot
    chunks = [own, *(_members(snapshot, own) if snapshot.kind[own] in TYPES else ())]
    best: dict[int, tuple[Edge, int]] = {}
    for chunk in chunks:
        for edge in graph.outgoing(chunk) if out else graph.incoming(chunk):
            if edge.kind in kinds and edge.strength >= WEAKEST and edge.chunk not in chunks:
                if edge.chunk not in best or edge.strength > best[edge.chunk][0].strength:
                    best[edge.chunk] = (edge, chunk)
    rank = {kind: number for number, kind in enumerate(kinds)}
    ordered = sorted(best.values(), key=lambda one: (rank[one[0].kind], -one[0].strength, one[0].line if out else 0, one[0].chunk))
    return [(edge.chunk, relation(searcher, replace(edge, chunk=chunk), not out)) for edge, chunk in ordered]


def _members(snapshot: Snapshot, head: int) -> list[int]:
    """The chunks of a class below its head, in its file."""
    first, last = snapshot.chunk_file_first[snapshot.file[head] : snapshot.file[head] + 2]
    inside = f"{snapshot.symbols[head]}."
    return [chunk for chunk in range(first, last) if snapshot.symbols[chunk].startswith(inside) and chunk != head]


def _siblings(snapshot: Snapshot, own: int) -> list[tuple[int, Relation]]:
    """The other methods of its class, nearest first."""
    owner = snapshot.symbols[own].rpartition(".")[0]
    if not owner:
        return []
    first, last = snapshot.chunk_file_first[snapshot.file[own] : snapshot.file[own] + 2]
    others = [chunk for chunk in range(first, last) if chunk != own and snapshot.symbols[chunk].rpartition(".")[0] == owner]
    path, line = _place(snapshot, own)
    made = Relation("sibling", path, line, snapshot.symbols[own], 0, 1.0)
    return [(chunk, made) for chunk in sorted(others, key=lambda chunk: (abs(chunk - own), chunk))]


def _similar(searcher: Searcher, own: int, path: str, line: int, k: int, mode: Mode) -> list[tuple[int, Relation, Result | None]]:
    """What is like it: the mean of how much of the best score by words it has, and of the nearness of the two vectors."""
    snapshot = searcher.snapshot
    answer = engine.related(searcher, path, line, max(_LOOKED_AT, k), mode)
    worded = {chunk_at(snapshot, result.path, result.start_line): result for result in answer.results}
    best = max((result.score for result in worded.values()), default=0.0) or 1.0
    near = searcher.meanings.like(own) if searcher.meanings is not None else None
    if near is None:
        value = {chunk: result.score / best for chunk, result in worded.items()}
    else:
        near = np.nan_to_num(near)
        near[own] = 0.0
        nearest = np.argsort(-near, kind="stable")[:_LOOKED_AT]
        value = {chunk: 0.5 * worded[chunk].score / best if chunk in worded else 0.0 for chunk in {*worded, *nearest.tolist()} - {own}}
        value = {chunk: score + 0.5 * float(near[chunk]) for chunk, score in value.items()}
    here, at = _place(snapshot, own)
    ordered = sorted((chunk for chunk in value if value[chunk] >= _LEAST_LIKE), key=lambda chunk: (-round(value[chunk], 9), chunk))
    made = []
    for chunk in ordered:
        strength = round(value[chunk], 6)
        result = replace(worded[chunk], score=strength) if chunk in worded else None
        made.append((chunk, Relation("similar", here, at, snapshot.symbols[own] or None, 0, strength), result))
    return made
