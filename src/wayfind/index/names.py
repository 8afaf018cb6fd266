"""The names of a snapshot: which definitions bear them, and what each file says that they stand for.

Chunks and files are numbers of the snapshot; a definition is its first chunk. Nothing is looked up here: what a name
means in a place is for `imports`, `classes` and `calls`.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from wayfind.index.snapshot import Snapshot
from wayfind.types import KINDS, REFERENCES

FAMILIES = {
    "python": "python", "javascript": "js", "typescript": "js", "tsx": "js", "go": "go", "java": "jvm", "kotlin": "jvm", "scala": "jvm",
    "groovy": "jvm", "rust": "rust", "c": "c", "cpp": "c", "objc": "c", "csharp": "csharp", "php": "php", "ruby": "ruby",
}  # fmt: skip
"""Languages that call each other's definitions; any other is a family of its own."""
FOLDER_IS_PACKAGE = frozenset(("go", "jvm", "csharp", "php", "swift", "dart"))
TYPE_KINDS = frozenset(KINDS.index(kind) for kind in ("class", "interface", "enum", "type"))
DEEPEST = 6
"""Steps through bases, or through files that pass an imported name on."""
CALL, IMPORT, BASE, _TYPE, _RESULT = range(len(REFERENCES))
_DEFINING = TYPE_KINDS | {KINDS.index(kind) for kind in ("function", "method", "test", "constant")}

Type = tuple[str, int]
"""A class by its last name and the file that it is known from."""


class Names:
    """Tables of the names in a snapshot."""

    def __init__(self, snapshot: Snapshot):
        self.snapshot = snapshot
        self.file: list[int] = snapshot.file.tolist()
        self.kind: list[int] = snapshot.kind.tolist()
        self.symbols = snapshot.symbols
        self.family = [FAMILIES.get(language, language) for language in snapshot.languages]
        self._folder = [path.rpartition("/")[0] for path in snapshot.paths]
        self._define()
        self._bind()

    def _define(self) -> None:
        """Tables of the definitions, by file and symbol, by family and last name, and of members by class and name."""
        self.in_file: dict[tuple[int, str], list[int]] = defaultdict(list)
        self.last_in_file: dict[tuple[int, str], list[int]] = defaultdict(list)
        self.named: dict[tuple[str, str], list[int]] = defaultdict(list)
        self.members: dict[tuple[str, str, str], list[int]] = defaultdict(list)
        self.methods: dict[tuple[str, str], list[int]] = defaultdict(list)
        self.owner: list[str] = [""] * len(self.file)
        for chunk, (file, kind, symbol) in enumerate(zip(self.file, self.kind, self.symbols)):
            if not symbol:
                continue
            family = self.family[file]
            head, _, last = symbol.rpartition(".")
            self.owner[chunk] = head if kind in _DEFINING and kind not in TYPE_KINDS else symbol
            if kind in _DEFINING:
                self.in_file[file, symbol].append(chunk)
                self.last_in_file[file, last].append(chunk)
                if head and kind not in TYPE_KINDS:
                    self.members[family, head.rpartition(".")[2], last].append(chunk)
                    self.methods[family, last].append(chunk)
                if not head or kind in TYPE_KINDS:
                    self.named[family, last].append(chunk)

    def _bind(self) -> None:
        """Read the references: what imports bind, bases, types of variables and results; the calls are kept for later."""
        snapshot = self.snapshot
        self.bound: dict[int, dict[str, str]] = defaultdict(dict)
        self.stars: dict[int, list[str]] = defaultdict(list)
        self.bases: dict[Type, list[tuple[str, str]]] = defaultdict(list)
        self.local: dict[int, dict[str, tuple[int, str]]] = defaultdict(dict)
        self.fields: dict[Type, dict[str, tuple[int, str]]] = defaultdict(dict)
        self.results: dict[int, tuple[str, str]] = {}
        self.derived: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.references: list[tuple[int, list[int], list[list[int]], list[str]]] = []
        first = snapshot.chunk_file_first
        for file, table, names in snapshot.references():
            starts = snapshot.start[first[file] : first[file + 1]]
            chunks = (first[file] + np.maximum(np.searchsorted(starts, table[:, 0], side="right") - 1, 0)).tolist()
            rows = table.tolist()
            self.references.append((file, chunks, rows, names))
            for chunk, (_, kind, name, owner) in zip(chunks, rows):
                if kind == IMPORT:
                    if names[name] == "*":
                        self.stars[file].append(names[owner])
                    else:
                        self.bound[file].setdefault(names[name], names[owner])
                elif kind == BASE:
                    if symbol := self.symbols[chunk]:
                        own = symbol.rpartition(".")[2]
                        self.bases[own, file].append((names[owner], names[name]))
                        self.derived[self.family[file], names[name]].add(own)
                elif kind == _TYPE:
                    self._note_type(file, chunk, names[name], names[owner])
                elif kind == _RESULT:
                    self.results.setdefault(chunk, (names[owner], names[name]))
        self.references.sort(key=lambda one: one[0])

    def _note_type(self, file: int, chunk: int, variable: str, type_: str) -> None:
        kind, owner = self.kind[chunk], self.class_of(chunk)
        if variable.startswith("self."):
            known, variable = self.fields[owner, file], variable[5:]
        elif kind in _DEFINING and kind not in TYPE_KINDS:
            known = self.local[chunk]
        else:
            known = self.fields[owner if self.symbols[chunk] else "", file]
        if variable not in known or _surety(type_) < _surety(known[variable][1]):
            known[variable] = (chunk, type_)

    def class_of(self, chunk: int) -> str:
        """The last name of the class around a chunk, "" where there is none."""
        return self.owner[chunk].rpartition(".")[2]

    def heads(self, found: list[int]) -> list[int]:
        """Those of the definitions that are classes."""
        return [one for one in found if self.kind[one] in TYPE_KINDS]

    def as_type(self, found: list[int]) -> Type | None:
        """The first of the definitions that is a class."""
        return next(((self.symbols[one].rpartition(".")[2], self.file[one]) for one in found if self.kind[one] in TYPE_KINDS), None)

    def near(self, found: list[int], file: int) -> list[int]:
        """Those in the folder that has most of its path in common with the file's."""
        if len(found) < 2:
            return list(found)
        own = self._folder[file].split("/")
        common = []
        for one in found:
            other = self._folder[self.file[one]].split("/")
            common.append(next((n for n, (a, b) in enumerate(zip(own, other)) if a != b), min(len(own), len(other))))
        return [one for one, value in zip(found, common) if value == max(common)]


def _surety(written: str) -> int:
    """What is believed first of several types that a variable is given: that it is made so, its declaration, a call's."""
    return 0 if written.startswith("new ") else 2 if written.endswith("()") else 3 if written.startswith("=") else 1
