"""References of all files in, edges between definitions out: what a called, imported or inherited name means here."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from wayfind.index.calls import Calls
from wayfind.index.classes import Classes
from wayfind.index.edges import CALLS, IMPORTS, INHERITS, TESTS, Edges
from wayfind.index.imports import Imports
from wayfind.index.names import BASE, CALL, IMPORT, Names
from wayfind.index.snapshot import Snapshot
from wayfind.types import KINDS


def edges_of(snapshot: Snapshot, is_test: np.ndarray) -> Edges:
    """The edges of a snapshot. `is_test`: which files are tests, bool [files]."""
    names = Names(snapshot)
    imports = Imports(names)
    classes = Classes(names, imports)
    calls = Calls(names, imports, classes)
    best: dict[tuple[int, int, int], tuple[float, int]] = {}

    def note(source: int, kind: int, line: int, found: Iterable[tuple[int, float]]) -> None:
        for target, strength in found:
            if target != source:
                known = best.get((source, kind, target))
                if known is None or strength > known[0]:
                    best[source, kind, target] = (strength, line)

    test_kind = KINDS.index("test")
    for file, chunks, rows, words in names.references:
        for chunk, (line, kind, name, owner) in zip(chunks, rows):
            if kind == CALL:
                testing = is_test[file] or names.kind[chunk] == test_kind
                for target, strength in calls.called(file, chunk, words[owner], words[name]):
                    other = is_test[names.file[target]] or names.kind[target] == test_kind
                    note(chunk, TESTS if testing and not other else CALLS, line, ((target, strength),))
            elif kind == IMPORT:
                note(chunk, IMPORTS, line, imports.imported(file, words[name], words[owner]))
            elif kind == BASE:
                note(chunk, INHERITS, line, classes.derived(file, words[owner], words[name]))
    return _table(best)


def _table(best: dict[tuple[int, int, int], tuple[float, int]]) -> Edges:
    """(source, kind, target) -> (strength, line) as columns."""
    ordered = sorted(best)
    keys = np.array(ordered, np.int32).reshape(-1, 3)
    values = np.array([best[key] for key in ordered], np.float64).reshape(-1, 2)
    return Edges(keys[:, 0].copy(), keys[:, 2].copy(), keys[:, 1].astype(np.uint8), values[:, 0].astype(np.float32), values[:, 1].astype(np.int32))
