"""A question in, the definitions that calls connect out, in the order in which one leads to the next.

Seeds are the best code of the ordinary ranking. Each is joined to what is connected already by its cheapest path in the graph,
of few steps; what the ranking found a little below and the graph sets beside them comes in too. Each result says by which
calls it is connected with those before it.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from wayfind.search.engine import Ask, answer, chunk_at, fitted, result_at
from wayfind.search.filters import allowed
from wayfind.search.graph import Edge, graph_of
from wayfind.search.query import Query
from wayfind.search.searcher import Searcher
from wayfind.types import KINDS, Answer, Relation, Result

SEEDS = 6
"""Results of the ordinary ranking that are to be connected."""
POOL = 60
"""Results of the ordinary ranking that may come in beside those."""
SEED_SHARE = 0.4
"""A seed's score is at least this share of the best one's."""
FARTHEST = 3.5
"""Cost of the longest path between two seeds: a certain edge costs 1, an unsure one up to 2, one through what everything calls
more."""
KEPT = 5
"""First results of the ordinary ranking for which room is kept where nothing connects them, after those that are connected; at
most half of all. Others fill what the connected ones leave free."""
SHARED = 1.5
"""Added where a path goes down to a function and up to another that calls it too: what two callers share does not lead from
one to the other."""
LEAST_STRENGTH = 0.5
"""Edges below this are guesses among several definitions, and connect nothing."""
MOST_RELATIONS = 4
TYPES = frozenset(KINDS.index(kind) for kind in ("class", "interface", "enum", "type"))
LEAVES = frozenset(KINDS.index(kind) for kind in ("function", "method"))
_CODE = frozenset(("function", "method", "class", "interface", "enum", "type", "test"))
_KINDS = ("calls", "inherits", "contains")
_BACK = {"contains": "in", "calls": "called by", "imports": "imported by", "inherits": "inherited by", "tests": "tested by"}


def by_graph(searcher: Searcher, query: Query, ask: Ask, stale_files: int = 0) -> Answer:
    """Answer a query with what the graph connects, then with the best of the rest; as ever, and with a reason, where it connects nothing."""
    plain = answer(searcher, query, replace(ask, graph=False, k=max(POOL, ask.k), max_tokens=None), stale_files)
    hits = {chunk_at(searcher.snapshot, result.path, result.start_line): result for result in plain.results}
    graph = Flows(searcher, allowed(searcher.snapshot, query.filters))
    kept = list(hits)[: min(KEPT, ask.k // 2)]
    seeds = _seeds(searcher, hits)
    chosen = connected(graph, seeds, list(hits), max(2, ask.k - len(kept)))
    if len(chosen) < 2 or len({*chosen, *kept}) > ask.k:
        said = "no calls connect the best results" if plain.results and ask.k > 1 else ""
        return _fitting(replace(plain, reason="; ".join(filter(None, [plain.reason, said])), results=plain.results[: ask.k]), ask)
    room = ask.k - len({*chosen, *kept})
    chosen = [*chosen, *[chunk for chunk in connected(graph, seeds, list(hits), ask.k) if chunk not in chosen and chunk not in kept][:room]]
    order = [*flow_order(graph, chosen), *[chunk for chunk in hits if chunk not in chosen][: ask.k - len(chosen)]]
    results = []
    for number, chunk in enumerate(order):
        result = hits.get(chunk) or replace(result_at(searcher, *_place(searcher, chunk), ask.explain), score=0.0)
        results.append(replace(result, relations=_relations(searcher, graph, chunk, order[:number])))
    return _fitting(replace(plain, results=tuple(results)), ask)


def _fitting(made: Answer, ask: Ask) -> Answer:
    return made if ask.max_tokens is None else replace(made, results=fitted(made.results, ask.max_tokens))


def _place(searcher: Searcher, chunk: int) -> tuple[str, int]:
    return searcher.snapshot.paths[searcher.snapshot.file[chunk]], int(searcher.snapshot.start[chunk])


def _seeds(searcher: Searcher, hits: dict[int, Result]) -> list[int]:
    """The best definitions, no tests where there is anything else."""
    code = [(chunk, result) for chunk, result in hits.items() if result.kind in _CODE]
    plain = [one for one in code if not searcher.is_test[searcher.snapshot.file[one[0]]] and one[1].kind != "test"]
    code = plain or code
    return [chunk for chunk, result in code[:SEEDS] if result.score >= SEED_SHARE * code[0][1].score]


def connected(graph: Flows, seeds: Sequence[int], pool: Sequence[int], most: int) -> list[int]:
    """The chunks that connect the seeds, at most `most`: those that are joined from the seed from which most are, then those
    of the pool that an edge sets beside them, best first, then what the best of them calls and what calls it. `seeds` and
    `pool` are best first."""
    value = {seed: 1 / (1 + place) for place, seed in enumerate(seeds)}
    joined = [_joined(graph, seed, seeds, most) for seed in seeds]
    chosen = max(joined, key=lambda chunks: sum(value.get(chunk, 0.0) for chunk in chunks), default=[])
    while len(chosen) < most and (beside := _beside(graph, chosen, pool)):
        chosen = [*chosen, *beside[: most - len(chosen)]]
    for chunk in [chunk for chunk in seeds if chunk in chosen][:1]:
        chosen = list(dict.fromkeys([*chosen, *_around(graph, chunk)]))[:most]
    return chosen


def _joined(graph: Flows, start: int, seeds: Sequence[int], most: int) -> list[int]:
    """A seed, and others with the chunks of the cheapest path from what is joined already."""
    chosen, waiting = [start], set(seeds) - {start}
    while waiting and len(chosen) < most and (path := _cheapest(graph, chosen, waiting)):
        chosen += [chunk for chunk in path if chunk not in chosen][: most - len(chosen)]
        waiting -= set(path)
    return chosen


def _beside(graph: Flows, chosen: Sequence[int], pool: Sequence[int]) -> list[int]:
    """Those of the pool that an edge connects with a chosen one."""
    near = {edge.chunk for chunk in chosen for edge, _ in graph.edges(chunk)}
    return [chunk for chunk in pool if chunk in near and chunk not in chosen]


def _around(graph: Flows, chunk: int) -> list[int]:
    """What a chunk calls, in the order of its lines, then what calls it, the surest first."""
    edges = sorted(graph.edges(chunk), key=lambda one: not one[1])
    return list(dict.fromkeys(edge.chunk for edge, _ in edges if edge.kind == "calls"))


class Flows:
    """The edges of a graph along which a flow is followed: sure calls and bases, and from a class to its members; none to a chunk
    outside of `mask` [chunks]."""

    def __init__(self, searcher: Searcher, mask: np.ndarray | None = None):
        self._graph, self._snapshot, self._mask = graph_of(searcher), searcher.snapshot, mask

    def edges(self, chunk: int) -> list[tuple[Edge, bool]]:
        """(edge, whether it leads away) of a chunk, those that lead away first, by their lines."""
        away = [(edge, True) for edge in self._graph.outgoing(chunk) if self._leads(edge)]
        back = [(edge, False) for edge in self._graph.incoming(chunk) if self._leads(edge)]
        found = [*away, *self._members(chunk), *back]
        return found if self._mask is None else [one for one in found if self._mask[one[0].chunk]]

    @staticmethod
    def _leads(edge: Edge) -> bool:
        return edge.strength >= LEAST_STRENGTH and edge.kind in _KINDS

    def _members(self, chunk: int) -> list[tuple[Edge, bool]]:
        snapshot = self._snapshot
        symbol, first = snapshot.symbols[chunk], snapshot.chunk_file_first[snapshot.file[chunk]]
        if snapshot.kind[chunk] in TYPES:
            inside, last = f"{symbol}.", snapshot.chunk_file_first[snapshot.file[chunk] + 1]
            found = [one for one in range(first, last) if snapshot.symbols[one].startswith(inside) and snapshot.kind[one] in LEAVES]
            return [(Edge(one, "contains", 1.0, int(snapshot.start[one])), True) for one in found]
        owner = symbol.rpartition(".")[0]
        heads = [one for one in range(chunk - 1, first - 1, -1) if snapshot.symbols[one] == owner and snapshot.kind[one] in TYPES] if owner else []
        return [(Edge(heads[0], "contains", 1.0, int(snapshot.start[chunk])), False)] if heads else []


def _cheapest(graph: Flows, starts: Sequence[int], goals: set[int]) -> list[int] | None:
    """The chunks of the cheapest path from one of the starts to a goal, either way along edges; ties by number."""
    cost = {chunk: 0.0 for chunk in starts}
    before: dict[int, int] = {}
    came: dict[int, bool] = {}
    """Whether the cheapest way to a chunk so far comes to it along a call."""
    queue = [(0.0, chunk) for chunk in sorted(starts)]
    done: set[int] = set()
    while queue:
        spent, chunk = heapq.heappop(queue)
        if chunk in done:
            continue
        done.add(chunk)
        if chunk in goals:
            path = [chunk]
            while path[-1] in before:
                path.append(before[path[-1]])
            return path[::-1]
        edges = graph.edges(chunk)
        crowd = float(np.log2(1 + len(edges) / 16)) if chunk not in starts else 0.0
        for edge, away in edges:
            turned = SHARED if came.get(chunk) and not away else 0.0
            price = round(spent + 1 + 2 * (1 - edge.strength) + crowd + turned, 6)
            if price <= FARTHEST and price < cost.get(edge.chunk, FARTHEST + 1):
                cost[edge.chunk], before[edge.chunk], came[edge.chunk] = price, chunk, away
                heapq.heappush(queue, (price, edge.chunk))
    return None


def flow_order(graph: Flows, chosen: Sequence[int]) -> list[int]:
    """The chunks so that callers come before what they call, and calls in the order of their lines: first from those that
    nothing chosen calls, the best of them first."""
    inside = set(chosen)
    after = {chunk: [edge.chunk for edge, away in graph.edges(chunk) if away and edge.chunk in inside] for chunk in chosen}
    called = {one for targets in after.values() for one in targets}
    order: list[int] = []

    def follow(chunk: int) -> None:
        if chunk not in order:
            order.append(chunk)
            for one in after[chunk]:
                follow(one)

    for chunk in [*(one for one in chosen if one not in called), *chosen]:
        follow(chunk)
    return order


def _relations(searcher: Searcher, graph: Flows, chunk: int, earlier: Sequence[int]) -> tuple[Relation, ...]:
    """How a chunk is connected with those before it."""
    found = [relation(searcher, edge, out) for edge, out in graph.edges(chunk) if edge.chunk in earlier]
    return tuple(sorted(found, key=lambda one: (not one.kind.endswith(" by"), -one.strength, one.path, one.line)))[:MOST_RELATIONS]


def relation(searcher: Searcher, edge: Edge, out: bool) -> Relation:
    """An edge of a chunk as its relation with the chunk at the other end."""
    path, line = _place(searcher, edge.chunk)
    return Relation(edge.kind if out else _BACK[edge.kind], path, line, searcher.snapshot.symbols[edge.chunk] or None, edge.line, edge.strength)
