#!/usr/bin/env python3
"""How right, how dear and how useful the graph of definitions is.

    graph.py sites CLONES               call sites with the definition that each calls, found by reading (graph_sites.tsv)
    graph.py cost TREE                  processor time of extraction with and without references, of resolution, of loading
    graph.py signals CALIBRATION        the graph's signals added to the ranking, on the questions that calibration_sets.py made
    graph.py flow BENCH CORPORA         questions that ask how something works, answered by the ranking and by the flow
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

import wayfind
from wayfind.evaluate.intervals import bootstrap
from wayfind.index.calls import Calls
from wayfind.index.classes import Classes
from wayfind.index.edges import TYPED
from wayfind.index.imports import Imports
from wayfind.index.names import CALL, Names
from wayfind.index.resolution import edges_of
from wayfind.search import engine, lexical, rank
from wayfind.search.engine import Ask, chunk_at
from wayfind.search.graph import GRAPH_SIGNALS, Graph, graph_of, graph_signals
from wayfind.search.query import parse
from wayfind.search.searcher import Searcher

HERE = Path(__file__).resolve().parent
SEEN = ("werkzeug", "echo", "retrofit")
"""Repositories on whose sites the resolution was mended; the others were drawn after it."""
EVERY = 30
"""One file in so many is extracted to measure the cost."""


def main() -> int:
    what, *places = sys.argv[1:] or [""]
    if what not in COMMANDS:
        raise SystemExit(__doc__)
    with tempfile.TemporaryDirectory(prefix="wayfind-graph-") as home:
        COMMANDS[what](*map(Path, places), home=Path(home))
    return 0


# How right.


def sites(clones: Path, home: Path) -> None:
    rows = [row.split("\t") for row in (HERE / "graph_sites.tsv").read_text().splitlines() if row and not row.startswith("#")]
    by_name = defaultdict(list)
    for name, *rest in rows:
        by_name[name].append(rest)
    judged = []
    for name, own in by_name.items():
        with wayfind.open(clones / name, home=home, commits=0) as repository:
            repository.refresh()
            names = Names(repository.snapshot())
            imports = Imports(names)
            calls, at = Calls(names, imports, Classes(names, imports)), calls_at(names)
            judged += [(name, *judge(repository.snapshot(), calls, at, *row)) for row in own]
    for title, chosen in (("mended on", SEEN), ("drawn after", set(by_name) - set(SEEN)), ("all", set(by_name))):
        table(f"{title} ({', '.join(name for name in by_name if name in chosen)})", [one[1:] for one in judged if one[0] in chosen])
    for name, site, called, expected, found, _ in judged:
        if found and expected not in [place for place, _ in found] or (not found and expected):
            print(f"  {name} {site} {called}: {found or 'nothing'} instead of {expected or 'nothing'}")


def calls_at(names: Names) -> dict[tuple[int, int], list[tuple[str, str]]]:
    """(file, line) -> the calls there, (owner, name)."""
    made: dict[tuple[int, int], list[tuple[str, str]]] = defaultdict(list)
    for file, _, rows, words in names.references:
        for line, kind, name, owner in rows:
            if kind == CALL:
                made[file, line].append((words[owner], words[name]))
    return made


def judge(snapshot, calls: Calls, at: dict[tuple[int, int], list[tuple[str, str]]], site: str, called: str, definition: str):
    """(site, name, right (path, symbol) or None, [(found, strength)], strength of the best)."""
    path, _, line = site.rpartition(":")
    chunk = chunk_at(snapshot, path, int(line))
    file, expected = int(snapshot.file[chunk]), None
    if definition != "-":
        where, _, begins = definition.rpartition(":")
        expected = (where, snapshot.symbols[chunk_at(snapshot, where, int(begins))])
    found: dict[tuple[str, str], float] = {}
    for owner, name in at.get((file, int(line)), ()):
        for target, strength in calls.called(file, chunk, owner, name) if name == called else ():
            place = (snapshot.paths[snapshot.file[target]], snapshot.symbols[target])
            found[place] = max(found.get(place, 0.0), strength)
    ranked = sorted(found.items(), key=lambda item: -item[1])
    return site, called, expected, ranked, ranked[0][1] if ranked else 0.0


def table(name: str, rows) -> None:
    inside = [row for row in rows if row[2]]
    right = [row for row in inside if row[3] and row[2] == row[3][0][0]]
    print(f"{name}: {len(rows)} sites, {len(inside)} call a definition of the repository; found {len(right)}/{len(inside)}")
    for label, least, below in (("settled by syntax (1)", 0.99, 2), ("by a declared type (0.8)", TYPED, 0.99), ("weaker", 0.0, TYPED)):
        shown = [row for row in rows if row[3] and least <= row[4] < below]
        good = [row for row in shown if row[2] and row[2] in [place for place, _ in row[3]]]
        print(f"  edges {label}: {len(good)}/{len(shown)} right")


# How dear.


def cost(tree: Path, home: Path) -> None:
    from wayfind.corpus import definitions
    from wayfind.corpus.walk import walk
    from wayfind.index.extraction import extract_file

    files, real = [file.path for file in walk(tree).files][::EVERY], definitions.references
    spent: dict[str, list[float]] = {"with": [], "without": []}
    for _ in range(4):
        for name, made in (("with", real), ("without", lambda *_: ())):
            definitions.references = made
            began = time.process_time()
            for path in files:
                extract_file(str(tree), path)
            spent[name].append(time.process_time() - began)
    definitions.references = real
    print(f"extraction of {len(files)} files, with references over without: {min(spent['with']) / min(spent['without']):.3f} (least of 4 each)")
    began = time.process_time()
    with wayfind.open(tree, home=home, commits=0) as repository:
        repository.refresh()
        whole = time.process_time() - began
        searcher = repository.searcher()
        searcher.is_test
        began = time.process_time()
        edges = edges_of(searcher.snapshot, searcher.is_test)
        resolved = time.process_time() - began
        began = time.process_time()
        Graph(edges, searcher.snapshot.chunks).centrality
        central = time.process_time() - began
        graph_of(searcher)
        (kept,) = searcher.snapshot.folder.glob("*.graph")
        began = time.process_time()
        graph_of(Searcher(searcher.snapshot))
        loaded = time.process_time() - began
    print(f"{searcher.snapshot.files:,} files, {searcher.snapshot.chunks:,} chunks, {len(edges.source):,} edges, {kept.stat().st_size / 1e6:.1f} MB")
    print(f"resolution over the first index (one process, words alone): {resolved / whole:.3f}; loading what is kept over resolution: {loaded / resolved:.3f}; PageRank over resolution: {central / resolved:.3f}")


# How useful.


def signals(calibration: Path, home: Path) -> None:
    """By words alone: the reciprocal rank of the function asked for, first ten, tests left out where they would tell it."""
    asked = defaultdict(list)
    for row in map(json.loads, open(calibration / "questions.jsonl", encoding="utf-8")):
        if row["kind"] in ("docstring", "test", "head", "commit", "message") and row["gold"] and row["tree"].endswith(("/docs", "/cut")):
            asked[row["tree"]].append(row)
    cases = []
    for tree, rows in sorted(asked.items()):
        with wayfind.open(calibration / tree, home=home, commits=0) as repository:
            repository.refresh()
            searcher = Searcher(repository.snapshot(), model=False)
            cases += [case for row in rows[:60] if (case := of_question(searcher, row)) is not None]
    base, kinds = reciprocal(cases, (0, 0, 0)), np.array([case[0] for case in cases])
    print(f"{len(cases)} questions; MRR@10 of functions {base.mean():.4f}; weight of {', '.join(GRAPH_SIGNALS)}: difference [95 %]")
    for weights in ((0.1, 0, 0), (0.3, 0, 0), (0.6, 0, 0), (0, 0.1, 0), (0, 0.3, 0), (0, 0.6, 0), (0, 0, 0.1), (0, 0, 0.3), (0, 0, 0.6), (0.1, 0.1, 0.1)):
        change = reciprocal(cases, weights) - base
        by_kind = "  ".join(f"{kind} {change[kinds == kind].mean():+.3f}" for kind in sorted(set(kinds)))
        print(f"  {weights}: {spread(change)}  {by_kind}")


def of_question(searcher: Searcher, row: dict):
    query = parse(row["text"])
    found = lexical.score(searcher.snapshot, searcher.scales, query)
    candidates = rank.features(searcher, query, found)
    chosen = candidates[0]
    if not len(chosen):
        return None
    score = {hit.chunk: hit.score for hit in rank.ordered(searcher, query, candidates, len(chosen))}
    base = np.array([score.get(chunk, 0.0) for chunk in chosen.tolist()])
    snapshot, files = searcher.snapshot, searcher.snapshot.file[chosen]
    gold = {(path, symbol) for path, symbol in row["gold"]}
    right = np.array([bool({(snapshot.paths[file], snapshot.symbols[chunk]), (snapshot.paths[file], None)} & gold) for file, chunk in zip(files, chosen)])
    hidden = searcher.is_test[files] if row["without_tests"] else np.zeros(len(chosen), bool)
    return row["kind"], base, graph_signals(searcher, chosen, base / max(base.max(), 1e-9)), right, hidden


def reciprocal(cases, weights) -> np.ndarray:
    ranks = []
    for _, base, values, right, hidden in cases:
        order = np.argsort(-np.where(hidden, -9.0, base + values @ np.array(weights, float)), kind="stable")[:10]
        places = np.flatnonzero(right[order])
        ranks.append(1 / (1 + places[0]) if len(places) else 0.0)
    return np.array(ranks)


def flow(bench: Path, corpora: Path, home: Path) -> None:
    """By words alone: nDCG@10 of files."""
    asked = defaultdict(list)
    for row in map(json.loads, open(bench / "data" / "files.queries.jsonl", encoding="utf-8")):
        if row["kind"] == "architecture":
            asked[row["corpus"]].append(row)
    both, apart = [], 0
    for name, rows in asked.items():
        with wayfind.open(corpora / name, home=home, commits=0) as repository:
            repository.refresh()
            searcher = Searcher(repository.snapshot(), model=False)
            for row in rows:
                gold = [one["path"] for one in row["gold"]]
                answers = [engine.search(searcher, Ask(row["query"], graph=graph)) for graph in (False, True)]
                apart += "no calls connect" in answers[1].reason
                both.append([gain([result.path for result in answer.results], gold) for answer in answers])
    table_ = np.array(both)
    change = table_[:, 1] - table_[:, 0]
    print(f"{len(both)} questions, {apart} with nothing to connect; ranking {table_[:, 0].mean():.3f}, flow {table_[:, 1].mean():.3f}, difference {spread(change)}")


def gain(paths: list[str], gold: list[str]) -> float:
    ideal = sum(1 / np.log2(place + 2) for place in range(len(gold)))
    return sum(1 / np.log2(paths.index(path) + 2) for path in gold if path in paths) / ideal


def spread(change: np.ndarray) -> str:
    found = bootstrap(change)
    return f"{found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"


COMMANDS = {"sites": sites, "cost": cost, "signals": signals, "flow": flow}

if __name__ == "__main__":
    sys.exit(main())
