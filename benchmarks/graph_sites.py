#!/usr/bin/env python3
"""How right the edges of the graph are: call sites with the definition that each calls, found by reading the code.

    graph_sites.py CLONES [SITES.tsv]      CLONES holds the repositories of the list by name
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import wayfind
from wayfind.index.resolution import NAMED, TYPED, Meaning
from wayfind.search.engine import chunk_at

HERE = Path(__file__).resolve().parent


def main() -> int:
    clones = Path(sys.argv[1])
    sites = defaultdict(list)
    listed = Path(sys.argv[2]) if len(sys.argv) > 2 else HERE / "graph_sites.tsv"
    for row in listed.read_text().splitlines():
        if row and not row.startswith("#"):
            name, *rest = row.split("\t")
            sites[name].append(rest)
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="wayfind-graph-") as home:
        for name, rows in sites.items():
            with wayfind.open(clones / name, home=os.environ.get("WAYFIND_GRAPH_HOME", home), commits=0) as repository:
                repository.refresh()
                outcomes += [(name, *judged(repository.snapshot(), meaning, *row)) for meaning in [Meaning(repository.snapshot())] for row in rows]
    for name in [*sites, ""]:
        table(name or "all", [one[1:] for one in outcomes if one[0] == name or not name])
    for name, site, called, expected, found, _ in outcomes:
        if found and expected not in [place for place, _ in found] or (not found and expected):
            print(f"  {name} {site} {called}: {found or 'nothing'} instead of {expected or 'nothing'}")
    return 0


def judged(snapshot, meaning: Meaning, site: str, called: str, definition: str):
    """(site, name, right (path, symbol) or None, found [((path, symbol), strength)], strength of the best)."""
    path, _, line = site.rpartition(":")
    chunk = chunk_at(snapshot, path, int(line))
    file = int(snapshot.file[chunk])
    expected = None
    if definition != "-":
        where, _, at = definition.rpartition(":")
        expected = (where, snapshot.symbols[chunk_at(snapshot, where, int(at))])
    found: dict[tuple[str, str], float] = {}
    for owner, name in meaning.sites.get((file, int(line)), ()):
        if name == called:
            for target, strength in meaning.called(file, chunk, owner, name):
                place = (snapshot.paths[snapshot.file[target]], snapshot.symbols[target])
                found[place] = max(found.get(place, 0.0), strength)
    ranked = sorted(found.items(), key=lambda item: -item[1])
    return site, called, expected, ranked, ranked[0][1] if ranked else 0.0


def table(name: str, rows) -> None:
    inside = [row for row in rows if row[2]]
    right = [row for row in inside if row[3] and row[2] == row[3][0][0]]
    any_ = [row for row in inside if row[2] in [place for place, _ in row[3]]]
    print(f"{name}: {len(rows)} sites, {len(inside)} call a definition of the repository")
    print(f"  recall: first {len(right)}/{len(inside)}, among the candidates {len(any_)}/{len(inside)}")
    for label, least, below in (("certain", 0.99, 2), ("typed", TYPED, 0.99), ("weaker", 0.0, TYPED)):
        shown = [row for row in rows if row[3] and least <= row[4] < below]
        good = [row for row in shown if row[2] and row[2] in [place for place, _ in row[3]]]
        print(f"  precision, {label}: {len(good)}/{len(shown)}")


if __name__ == "__main__":
    sys.exit(main())
