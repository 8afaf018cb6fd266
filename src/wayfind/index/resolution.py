"""References of all files in, edges between definitions out: what a called, imported or inherited name means here.

A name is looked for where the language would: the class around and its bases, the file, what the file imports (through files
that pass names on), the folder where that is a package, the type that a declaration or constructor gives a variable. What
syntax settles is CERTAIN; what rests on a guess has less; a name with several possible meanings makes an edge to each with
a share of UNIQUE, and one with many makes none. A receiver or name that comes from outside of the repository makes none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wayfind.index.modules import Modules
from wayfind.index.snapshot import Snapshot
from wayfind.types import KINDS, REFERENCES

CERTAIN, TYPED, NAMED, UNIQUE = 1.0, 0.8, 0.6, 0.5
"""Strength of an edge: settled by syntax; by a declared type; the variable is called as the class; the only one of the name."""
MOST_MEANINGS = 4
"""Definitions of one name that an unsettled call may mean; one with more is left alone."""
EDGES = ("calls", "imports", "inherits", "tests")
_DEEPEST = 6
"""Steps through bases, or through files that pass an imported name on."""

FAMILIES = {
    "python": "python", "javascript": "js", "typescript": "js", "tsx": "js", "go": "go", "java": "jvm", "kotlin": "jvm", "scala": "jvm",
    "groovy": "jvm", "rust": "rust", "c": "c", "cpp": "c", "objc": "c", "csharp": "csharp", "php": "php", "ruby": "ruby",
}  # fmt: skip
"""Languages that call each other's definitions; any other is a family of its own."""
_THIS_IS_SILENT = frozenset(("jvm", "csharp", "c", "ruby", "swift", "dart"))
_FOLDER_IS_PACKAGE = frozenset(("go", "jvm", "csharp", "php", "swift", "dart"))
_NAMES_ARE_GLOBAL = frozenset(("c", "ruby", "php", "swift", "lua", "bash", "perl", "elixir", "julia", "powershell", "haskell", "ocaml", "zig", "dart"))
_CONSTRUCTORS = ("__init__", "constructor", "initialize", "__construct", "init")
_MAKERS = frozenset(("new", "default", "create", "instance", "getInstance", "shared", "build"))
_EVERYWHERE = frozenset(
    """
    get set add append push pop remove delete clear update copy close open read write join split strip format keys values items len size
    length map filter reduce find forEach each sort reverse index count contains has includes equals hashCode toString to_string to_s
    string String print println log debug info warn error call apply bind then catch run start stop next done clone unwrap expect
    iter into from as_ref as_str is_empty isEmpty is_some is_none collect insert extend replace trim lower upper startswith endswith
    encode decode emit on off once send wait lock unlock reset flush put exists group search match test exec name id value type key
    first last min max sum all any zip range load save create build parse render Error Close Write Read String Len Add Get Set Done
    Lock Unlock empty include nil closed invoke execute accept apply compareTo current end begin data push_back emplace_back c_str str resolve reject
    toBe toEqual assert_equal
    """.split()
)
"""Names that so many libraries use that a call on something unknown says nothing."""
_TYPE_KINDS = frozenset(KINDS.index(kind) for kind in ("class", "interface", "enum", "type"))
_DEFINING = _TYPE_KINDS | {KINDS.index(kind) for kind in ("function", "method", "test", "constant")}
_CALL, _IMPORT, _BASE, _TYPE, _RESULT = range(len(REFERENCES))

Type = tuple[str, int]
"""A class by its last name and the file that it is known from."""


@dataclass(frozen=True, slots=True)
class Edges:
    """Edges between chunks: one for each pair and kind, in the order of source, kind and target."""

    source: np.ndarray  # int32 [edges]
    target: np.ndarray  # int32 [edges]
    kind: np.ndarray  # uint8 [edges]: number in EDGES
    strength: np.ndarray  # float32 [edges], 0 to 1
    line: np.ndarray  # int32 [edges]: the first line of the source that refers to the target


def edges_of(snapshot: Snapshot, is_test: np.ndarray) -> Edges:
    """The edges of a snapshot. `is_test`: which files are tests, bool [files]."""
    meaning = Meaning(snapshot)
    best: dict[tuple[int, int, int], tuple[float, int]] = {}

    def note(source: int, kind: int, line: int, found: Iterable[tuple[int, float]]) -> None:
        for target, strength in found:
            if target != source:
                known = best.get((source, kind, target))
                if known is None or strength > known[0]:
                    best[source, kind, target] = (strength, min(line, known[1]) if known else line)

    test_kind = KINDS.index("test")
    for file, chunks, rows, names in meaning.files:
        for chunk, (line, kind, name, owner) in zip(chunks, rows):
            if kind == _CALL:
                found = meaning.called(file, chunk, names[owner], names[name])
                testing = is_test[file] or snapshot.kind[chunk] == test_kind
                for target, strength in found:
                    other = is_test[snapshot.file[target]] or snapshot.kind[target] == test_kind
                    note(chunk, 3 if testing and not other else 0, line, ((target, strength),))
            elif kind == _IMPORT:
                note(chunk, 1, line, meaning.imported(file, names[name], names[owner]))
            elif kind == _BASE:
                note(chunk, 2, line, meaning.derived(file, names[owner], names[name]))
    ordered = sorted(best)
    table = np.array(ordered, np.int32).reshape(-1, 3)
    values = np.array([best[key] for key in ordered], np.float64).reshape(-1, 2)
    return Edges(table[:, 0].copy(), table[:, 2].copy(), table[:, 1].astype(np.uint8), values[:, 0].astype(np.float32), values[:, 1].astype(np.int32))


def _surety(written: str) -> int:
    """What is believed first of several types that a variable is given: that it is made so, its declaration, a call's."""
    return 0 if written.startswith("new ") else 2 if written.endswith("()") else 3 if written.startswith("=") else 1


class Meaning:
    """What names mean in the files of a snapshot."""

    def __init__(self, snapshot: Snapshot):
        self._snapshot = snapshot
        self._file = snapshot.file.tolist()
        self._kind = snapshot.kind.tolist()
        self._symbols = snapshot.symbols
        self._family = [FAMILIES.get(language, language) for language in snapshot.languages]
        self._folder = [path.rpartition("/")[0] for path in snapshot.paths]
        self._modules = Modules(snapshot.paths, self._family)
        self._define()
        self._bind()
        self._calls: dict[tuple, tuple[tuple[int, float], ...]] = {}
        self._seen: dict[tuple[int, str], Type | None] = {}
        self._targets: dict[tuple[int, str], list[int]] = {}

    def _define(self) -> None:
        """Tables of the definitions, by file and symbol, by family and last name, and of members by class and name."""
        self._in_file: dict[tuple[int, str], list[int]] = defaultdict(list)
        self._last_in_file: dict[tuple[int, str], list[int]] = defaultdict(list)
        self._named: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._members: dict[tuple[str, str, str], list[int]] = defaultdict(list)
        self._methods: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._owner: list[str] = [""] * len(self._file)
        for chunk, (file, kind, symbol) in enumerate(zip(self._file, self._kind, self._symbols)):
            if not symbol:
                continue
            family = self._family[file]
            head, _, last = symbol.rpartition(".")
            self._owner[chunk] = head if kind in _DEFINING and kind not in _TYPE_KINDS else symbol
            if kind in _DEFINING:
                self._in_file[file, symbol].append(chunk)
                self._last_in_file[file, last].append(chunk)
                if head and kind not in _TYPE_KINDS:
                    self._members[family, head.rpartition(".")[2], last].append(chunk)
                    self._methods[family, last].append(chunk)
                if not head or kind in _TYPE_KINDS:
                    self._named[family, last].append(chunk)

    def _bind(self) -> None:
        """Read the references: what imports bind, bases, types of variables and results; the calls are kept for later."""
        snapshot = self._snapshot
        self._bound: dict[int, dict[str, str]] = defaultdict(dict)
        self._stars: dict[int, list[str]] = defaultdict(list)
        self._bases: dict[Type, list[tuple[str, str]]] = defaultdict(list)
        self._local: dict[int, dict[str, tuple[int, str]]] = defaultdict(dict)
        self._fields: dict[Type, dict[str, tuple[int, str]]] = defaultdict(dict)
        self._results: dict[int, tuple[str, str]] = {}
        self._derived: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.files: list[tuple[int, list[int], list[list[int]], list[str]]] = []
        first = snapshot.chunk_file_first
        for file, table, names in snapshot.references():
            starts = snapshot.start[first[file] : first[file + 1]]
            chunks = (first[file] + np.maximum(np.searchsorted(starts, table[:, 0], side="right") - 1, 0)).tolist()
            rows = table.tolist()
            self.files.append((file, chunks, rows, names))
            for chunk, (_, kind, name, owner) in zip(chunks, rows):
                if kind == _IMPORT:
                    if names[name] == "*":
                        self._stars[file].append(names[owner])
                    else:
                        self._bound[file].setdefault(names[name], names[owner])
                elif kind == _BASE:
                    if symbol := self._symbols[chunk]:
                        own = symbol.rpartition(".")[2]
                        self._bases[own, file].append((names[owner], names[name]))
                        self._derived[self._family[file], names[name]].add(own)
                elif kind == _TYPE:
                    self._note_type(file, chunk, names[name], names[owner])
                elif kind == _RESULT:
                    self._results.setdefault(chunk, (names[owner], names[name]))
        self.files.sort(key=lambda one: one[0])

    def _note_type(self, file: int, chunk: int, variable: str, type_: str) -> None:
        kind, owner = self._kind[chunk], self._owner[chunk].rpartition(".")[2]
        if variable.startswith("self."):
            known, variable = self._fields[owner, file], variable[5:]
        elif kind in _DEFINING and kind not in _TYPE_KINDS:
            known = self._local[chunk]
        else:
            known = self._fields[owner if self._symbols[chunk] else "", file]
        if variable not in known or _surety(type_) < _surety(known[variable][1]):
            known[variable] = (chunk, type_)

    # Calls.

    def called(self, file: int, chunk: int, owner: str, name: str) -> tuple[tuple[int, float], ...]:
        """The definitions that a call `owner.name(…)` in a chunk may mean, with strengths."""
        first = owner.partition(".")[0].removesuffix("()")
        local = self._local.get(chunk, {}).get(first, (0, ""))[1] if first else ""
        key = (file, self._owner[chunk], owner, name, local, chunk if "()" in owner or "()" in local else 0)
        if key not in self._calls:
            found, strength = self._meant(file, chunk, owner, name)
            self._calls[key] = self._shared(file, found, strength)
        return self._calls[key]

    def _shared(self, file: int, found: list[int], strength: float) -> tuple[tuple[int, float], ...]:
        """The meanings with their share of the strength: several definitions, overloads among them, share UNIQUE. A class
        and its constructor are one meaning."""
        if len(found) > MOST_MEANINGS and len({(self._file[chunk], self._symbols[chunk]) for chunk in found}) == 1:
            found = found[:1]  # one of many overloads: the first stands for them
            strength = min(strength, UNIQUE)
        if len(found) > MOST_MEANINGS:
            return ()
        if len(found) > 1:
            strength = min(strength, UNIQUE) / len(found)
        made = [chunk for chunk in found if self._kind[chunk] in _TYPE_KINDS]
        for chunk in made:
            symbol = self._symbols[chunk]
            for name in (*_CONSTRUCTORS, symbol.rpartition(".")[2]):
                found = [*found, *self._in_file.get((self._file[chunk], f"{symbol}.{name}"), ())[:MOST_MEANINGS]]
        return tuple((chunk, strength) for chunk in dict.fromkeys(found))

    def _meant(self, file: int, chunk: int, owner: str, name: str, depth: int = 0) -> tuple[list[int], float]:
        if depth > _DEEPEST:
            return [], 0.0
        if not owner:
            return self._bare(file, chunk, name)
        if owner in ("self", "super"):
            if own := self._around(file, chunk):
                found = self._member(own, name, file, include=owner == "self")
                if found:
                    return found, CERTAIN
                if owner == "self" and name.rstrip("?!") not in _EVERYWHERE and not self._has_unknown_base(own):
                    return self._unknown(file, name)
            return ([], 0.0) if owner == "super" or self._family[file] != "rust" else self._bare(file, chunk, name)
        known, type_, strength = self._receiver(file, chunk, owner, depth)
        if isinstance(type_, tuple):
            if found := self._member(type_, name, file):
                return found, strength
            if name == "new" and self._family[file] == "ruby":
                return self._heads(type_), strength
            if found := self._overridden(type_, name):
                return found, UNIQUE
            return ([], 0.0) if self._family[file] != "go" or not self._heads(type_) else self._unknown(file, name)
        if isinstance(type_, list):
            return self._in_modules(type_, name), strength
        if known:
            return [], 0.0
        last = owner.rpartition(".")[2].removesuffix("()").replace("_", "").lower()
        alike = [one for one in self._methods.get((self._family[file], name), ()) if self._class_of(one).lower() == last and last]
        if alike:
            return self._near(alike, file), NAMED
        return self._unknown(file, name)

    def _bare(self, file: int, chunk: int, name: str) -> tuple[list[int], float]:
        """A call without a receiver."""
        family = self._family[file]
        if family in _THIS_IS_SILENT and (own := self._around(file, chunk)):
            if found := self._member(own, name, file):
                return found, CERTAIN
        if name in self._local.get(chunk, {}) and family in ("python", "js"):  # a variable that holds a function
            return [], 0.0
        if found := self._in_file.get((file, name)):
            return found, CERTAIN
        if (target := self._bound.get(file, {}).get(name)) is not None:
            resolved = self._target(file, target)
            return (resolved if resolved and not self._is_module(resolved) else self._default_of(resolved)), CERTAIN
        nested = [one for one in self._last_in_file.get((file, name), ()) if self._kind[one] in _TYPE_KINDS]
        if nested:
            return nested, CERTAIN
        for star in self._stars.get(file, ()):
            if found := self._in_modules(self._modules.files(file, star), name):
                return self._bodies(found, name, file), CERTAIN
        candidates = [one for one in self._named.get((family, name), ()) if self._kind[one] != KINDS.index("test")]
        if family in _FOLDER_IS_PACKAGE:
            here = [one for one in candidates if self._modules.package(self._file[one]) == self._modules.package(file)]
            if here:
                return here, CERTAIN
        if family in _NAMES_ARE_GLOBAL or (family in ("csharp", "rust") and self._stars.get(file)):
            near = self._near(candidates, file)
            return near, (TYPED if len({self._symbols[one] for one in candidates}) == 1 and len(candidates) == 1 else UNIQUE)
        return [], 0.0

    def _bodies(self, found: list[int], name: str, file: int) -> list[int]:
        """Of a function that a C header declares, the definition: the longest of its name in the files of the same name."""
        if self._family[file] != "c":
            return found
        stems = {self._stem(self._file[one]) for one in found}
        beside = [one for one in self._named.get(("c", name), ()) if self._stem(self._file[one]) in stems]
        length = self._snapshot.end - self._snapshot.start
        best = max(int(length[one]) for one in beside or found)
        return [one for one in (beside or found) if int(length[one]) == best]

    def _stem(self, file: int) -> str:
        return self._snapshot.paths[file].rpartition("/")[2].partition(".")[0]

    def _unknown(self, file: int, name: str) -> tuple[list[int], float]:
        """A call on something of which nothing is known: the methods of that name, where they are few."""
        if name.rstrip("?!") in _EVERYWHERE:
            return [], 0.0
        return self._methods.get((self._family[file], name), []), UNIQUE

    # Receivers.

    def _receiver(self, file: int, chunk: int, owner: str, depth: int) -> tuple[bool, Type | list[int] | None, float]:
        """What a receiver is: whether its name is known here at all, a class or the files of a module, and how sure that is."""
        steps = owner.split(".")
        if steps[0] == "?":
            return False, None, 0.0
        if steps[0] in ("self", "super"):
            own = self._around(file, chunk)
            return self._follow(file, chunk, own, steps[1:], TYPED, depth) if own else (False, None, 0.0)
        first = steps[0]
        if first.endswith("()"):
            type_ = self._returned(file, chunk, "", first[:-2], depth)
            return self._follow(file, chunk, type_, steps[1:], TYPED, depth) if type_ else (False, None, 0.0)
        if (written := self._local.get(chunk, {}).get(first)) is not None:
            return self._follow(file, chunk, self._typed(file, *written, depth), steps[1:], TYPED, depth, known=True)
        own = self._around(file, chunk)
        if own and self._family[file] in _THIS_IS_SILENT and (written := self._field(own, first)):
            return self._follow(file, chunk, self._typed(*written, depth), steps[1:], TYPED, depth, known=True)
        bound = self._bound.get(file, {})
        for length in range(len(steps), 0, -1):
            if (target := bound.get(".".join(steps[:length]))) is not None:
                return self._follow(file, chunk, self._entity(file, target), steps[length:], CERTAIN, depth, known=True)
        if heads := self._class_named(file, steps[-1] if self._family[file] in ("rust", "c", "csharp", "php", "ruby") else first):
            rest = [] if self._family[file] in ("rust", "c", "csharp", "php", "ruby") else steps[1:]
            return self._follow(file, chunk, heads, rest, CERTAIN, depth, known=True)
        if self._family[file] == "rust" and (files := self._modules.files(file, owner)):
            return True, files, CERTAIN
        if (written := self._fields.get(("", file), {}).get(first)) is not None:
            return self._follow(file, chunk, self._typed(file, *written, depth), steps[1:], TYPED, depth, known=True)
        return False, None, 0.0

    def _follow(
        self, file: int, chunk: int, entity: Type | list[int] | None, steps: Sequence[str], strength: float, depth: int, known: bool = False
    ) -> tuple[bool, Type | list[int] | None, float]:
        """Go on from a class or module by names of fields, methods (ending in `()`) and submodules."""
        for step in steps:
            if depth > _DEEPEST or entity is None:
                return known, None, 0.0
            if isinstance(entity, tuple):
                if step.endswith("()"):
                    found = self._member(entity, step[:-2], file)
                    maker = step == "new()" and self._family[file] == "ruby"
                    entity = entity if maker else self._inner(entity, step[:-2]) or self._result_of(found, depth + 1)
                elif inner := self._inner(entity, step):
                    entity = inner
                else:
                    written = self._field(entity, step)
                    entity = self._typed(*written, depth + 1) if written else None
                    known = known or bool(written)
                strength = min(strength, TYPED)
            elif step.endswith("()"):
                entity = self._result_of(self._in_modules(entity, step[:-2]), depth + 1)
            else:
                found = self._in_modules(entity, step)
                entity = self._as_type(found) if found else self._modules.below(entity, step)
        return known or entity is not None, entity, strength

    def _entity(self, file: int, target: str) -> Type | list[int] | None:
        """What an import binds: a class, the files of a module, or nothing here."""
        resolved = self._target(file, target)
        if not resolved:
            return None
        if self._is_module(resolved):
            made = self._default_of(resolved)
            return self._as_type(made) if made and self._family[file] == "js" and self._kind[made[0]] in _TYPE_KINDS else [~one for one in resolved]
        return self._as_type(resolved)

    def _as_type(self, found: list[int]) -> Type | None:
        return next(((self._symbols[one].rpartition(".")[2], self._file[one]) for one in found if self._kind[one] in _TYPE_KINDS), None)

    def _typed(self, file: int, chunk: int, written: str, depth: int) -> Type | None:
        """The class that a type's name, or a call that makes one, means in a file."""
        if depth > _DEEPEST:
            return None
        if written.startswith("="):
            passed = self._local.get(chunk, {}).get(written[1:])
            return self._typed(file, *passed, depth + 1) if passed else None
        written = written.removeprefix("new ")
        owner, _, name = written.rpartition(".")
        if written.endswith("()"):
            owner, _, name = written[:-2].rpartition(".")
            return self._returned(file, chunk, owner, name, depth + 1)
        return self._as_type(self._types(file, owner, name))

    def _types(self, file: int, owner: str, name: str) -> list[int]:
        """The heads of the classes that a name may mean in a file; empty where it comes from elsewhere."""
        if owner:
            target = self._bound.get(file, {}).get(owner)
            entity = self._entity(file, target) if target is not None else self._class_named(file, owner.rpartition(".")[2])
            if isinstance(entity, tuple):
                inner = self._inner(entity, name)
                return self._heads(inner) if inner else []
            if isinstance(entity, list):
                return [one for one in self._in_modules(entity, name) if self._kind[one] in _TYPE_KINDS]
            if target is not None:
                return []
        if (type_ := self._class_named(file, name)) is not None:
            return self._heads(type_)
        return []

    def _class_named(self, file: int, name: str) -> Type | None:
        """The class of a name that a file can see."""
        if (file, name) not in self._seen:
            self._seen[file, name] = self._class_seen(file, name)
        return self._seen[file, name]

    def _class_seen(self, file: int, name: str) -> Type | None:
        found = [one for one in self._last_in_file.get((file, name), ()) if self._kind[one] in _TYPE_KINDS]
        if not found and (target := self._bound.get(file, {}).get(name)) is not None:
            resolved = self._target(file, target)
            return self._as_type(resolved) if resolved and not self._is_module(resolved) else self._as_type(self._default_of(resolved))
        for star in () if found else self._stars.get(file, ()):
            found = [one for one in self._in_modules(self._modules.files(file, star), name) if self._kind[one] in _TYPE_KINDS]
            if found:
                break
        if not found:
            family = self._family[file]
            heads = [one for one in self._named.get((family, name), ()) if self._kind[one] in _TYPE_KINDS]
            if family in _FOLDER_IS_PACKAGE:
                found = [one for one in heads if self._modules.package(self._file[one]) == self._modules.package(file)]
            if not found and family not in ("python", "js", "go", "jvm"):
                found = self._near(heads, file)
        return self._as_type(found)

    def _returned(self, file: int, chunk: int, owner: str, name: str, depth: int) -> Type | None:
        """The class of what a call gives."""
        if depth > _DEEPEST:
            return None
        found, _ = self._meant(file, chunk, owner, name, depth + 1)
        if found and self._kind[found[0]] in _TYPE_KINDS:
            return self._as_type(found)
        if not found and name == "new" and owner:
            known, type_, _ = self._receiver(file, chunk, owner, depth + 1)
            return type_ if isinstance(type_, tuple) else None
        return self._result_of(found, depth)

    def _result_of(self, found: list[int], depth: int) -> Type | None:
        """The class that the functions return, where it is declared."""
        if len({self._symbols[one] for one in found}) != 1:
            return None
        for one in found:
            owner, name = self._results.get(one, ("", ""))
            own = (self._class_of(one), self._file[one])
            if name == "self" or (not name and own[0] and self._symbols[one].rpartition(".")[2] in _MAKERS):
                return own
            if name:
                return self._typed(self._file[one], one, f"{owner}.{name}" if owner else name, depth + 1)
        return None

    # Classes.

    def _class_of(self, chunk: int) -> str:
        return self._owner[chunk].rpartition(".")[2]

    def _inner(self, type_: Type, name: str) -> Type | None:
        """The class of a name inside of another."""
        for head in self._heads(type_)[:1]:
            if any(self._kind[one] in _TYPE_KINDS for one in self._in_file.get((self._file[head], f"{self._symbols[head]}.{name}"), ())):
                return name, self._file[head]
        return None

    def _around(self, file: int, chunk: int) -> Type | None:
        owner = self._class_of(chunk)
        return (owner, file) if owner else None

    def _heads(self, type_: Type) -> list[int]:
        """The heads of a class."""
        name, file = type_
        here = [one for one in self._last_in_file.get((file, name), ()) if self._kind[one] in _TYPE_KINDS]
        return here or self._near([one for one in self._named.get((self._family[file], name), ()) if self._kind[one] in _TYPE_KINDS], file)

    def _member(self, type_: Type, name: str, file: int, include: bool = True, depth: int = 0) -> list[int]:
        """The method of a class, or else of its bases, nearest first."""
        if depth > _DEEPEST:
            return []
        own, home = type_
        if include and (found := self._members.get((self._family[home], own, name))):
            return self._of_class(found, home)
        for owner, base in self._bases_of(type_):
            for head in self._types(home, owner, base)[:1]:
                if (base, self._file[head]) != type_ and (found := self._member((base, self._file[head]), name, file, True, depth + 1)):
                    return found
        return []

    def _of_class(self, found: list[int], home: int) -> list[int]:
        """Of methods of classes of one name those of the class that is known from a file: in it, in its folder, or nearest."""
        here = [one for one in found if self._file[one] == home]
        return here or self._near(found, home)

    def _bases_of(self, type_: Type) -> list[tuple[str, str]]:
        if type_ in self._bases:
            return self._bases[type_]
        return [base for head in self._heads(type_)[:1] for base in self._bases.get((type_[0], self._file[head]), ())]

    def _overridden(self, type_: Type, name: str) -> list[int]:
        """The methods of that name in the classes that derive from one that only declares it."""
        family, names, waiting = self._family[type_[1]], {type_[0]}, [type_[0]]
        while waiting:
            further = self._derived.get((family, waiting.pop()), set()) - names
            names |= further
            waiting += sorted(further)
        return [one for one in self._methods.get((family, name), ()) if self._class_of(one) in names]

    def _has_unknown_base(self, type_: Type) -> bool:
        """Whether a class derives from one that is not in the repository: a method that is not found may be that one's."""
        return any(not self._types(type_[1], owner, base) for owner, base in self._bases_of(type_))

    def _field(self, type_: Type, name: str) -> tuple[int, int, str] | None:
        """(file, chunk, type) as a class or a base of it declares a field."""
        for _ in range(_DEEPEST):
            own, home = type_
            for file in dict.fromkeys([home, *(self._file[head] for head in self._heads(type_))]):
                if (written := self._fields.get((own, file), {}).get(name)) is not None:
                    return file, *written
            bases = [(base, self._file[head]) for owner, base in self._bases_of(type_) for head in self._types(home, owner, base)[:1]]
            if not bases or bases[0] == type_:
                return None
            type_ = bases[0]
        return None

    def _any_chunk(self, file: int) -> int:
        return int(self._snapshot.chunk_file_first[file])

    def _near(self, found: list[int], file: int) -> list[int]:
        """Those in the folder that has most of its path in common with the file's."""
        if len(found) < 2:
            return list(found)
        own = self._folder[file].split("/")
        common = []
        for one in found:
            other = self._folder[self._file[one]].split("/")
            common.append(next((n for n, (a, b) in enumerate(zip(own, other)) if a != b), min(len(own), len(other))))
        return [one for one, value in zip(found, common) if value == max(common)]

    # Imports and bases.

    def _target(self, file: int, target: str, depth: int = 0) -> list[int]:
        """What `module:name` or `module` means: definitions, or the files of a module as ~file. Empty where it is elsewhere."""
        if depth:
            return self._led_to(file, target, depth) if depth <= _DEEPEST else []
        if (file, target) not in self._targets:
            self._targets[file, target] = self._led_to(file, target, 0)
        return self._targets[file, target]

    def _led_to(self, file: int, target: str, depth: int) -> list[int]:
        module, _, name = target.partition(":")
        files = self._modules.files(file, module)
        if not name:
            return [~one for one in files]
        if name == "default":
            return self._default_of([~one for one in files])
        for one in files:
            if found := self._in_file.get((one, name)) or self._only(one, name):
                return self._bodies(found, name, file)
        for one in files:
            if (passed := self._bound.get(one, {}).get(name)) is not None and (found := self._target(one, passed, depth + 1)):
                return found
        for one in files:
            for star in self._stars.get(one, ()) if self._family[one] != "c" else ():
                if found := self._target(one, f"{star}:{name}", depth + 1):
                    return found
        if inner := self._modules.files(file, f"{module}{'/' if '/' in module else '' if module.endswith('.') else '.'}{name}"):
            return [~one for one in inner]
        if self._family[file] in ("rust", "php", "csharp", "jvm"):
            return self._modules.best(self._named.get((self._family[file], name), []), self._file, file, module)
        return []

    def _only(self, file: int, name: str) -> list[int]:
        """A nested definition that is the only one of its name in a file."""
        found = self._last_in_file.get((file, name), [])
        return found if len({self._symbols[one] for one in found}) == 1 else []

    @staticmethod
    def _is_module(resolved: list[int]) -> bool:
        return bool(resolved) and resolved[0] < 0

    def _default_of(self, resolved: list[int]) -> list[int]:
        """What a JavaScript module exports as its default: what is called so, as its file is, or all there is."""
        for one in resolved:
            file = ~one
            if one >= 0 or self._family[file] != "js":
                continue
            for name in ("default", "module.exports", self._stem(file)):
                if found := self._in_file.get((file, name)):
                    return found
            stem = self._modules.stem(file).replace("-", "").replace("_", "").lower()
            top = [c for (f, s), chunks in self._tops(file) for c in chunks]
            alike = [c for c in top if self._symbols[c].replace("_", "").lower() == stem]
            if alike or len(top) == 1:
                return alike or top
        return []

    def _tops(self, file: int) -> list[tuple[tuple[int, str], list[int]]]:
        """The definitions at the top level of a file."""
        first, last = self._snapshot.chunk_file_first[file : file + 2]
        symbols = dict.fromkeys(s for s in self._symbols[first:last] if s and "." not in s)
        return [((file, s), self._in_file[file, s]) for s in symbols if (file, s) in self._in_file]

    def _in_modules(self, files: list[int], name: str) -> list[int]:
        """The definitions of a name in the files of a module, or what they pass on under it."""
        found = [one for file in files for one in self._in_file.get((file, name), ())]
        if found:
            return found
        for file in files:
            if (passed := self._bound.get(file, {}).get(name)) is not None:
                resolved = self._target(file, passed, 1)
                if resolved and not self._is_module(resolved):
                    return resolved
        exported = [one for file in files if self._family[file] == "js" for owner in ("module.exports", "exports") for one in self._in_file.get((file, f"{owner}.{name}"), ())]
        return exported

    def imported(self, file: int, name: str, target: str) -> list[tuple[int, float]]:
        """What an import brings in: definitions, or the first chunk of each of a module's files."""
        if name == "*":
            resolved = [~one for one in self._modules.files(file, target)]
        else:
            resolved = self._target(file, target)
        chunks = [self._any_chunk(~one) if one < 0 else one for one in resolved]
        return [(one, CERTAIN) for one in chunks[:MOST_MEANINGS]]

    def derived(self, file: int, owner: str, base: str) -> list[tuple[int, float]]:
        """The class that another derives from."""
        found = self._types(file, owner, base)
        return [(one, CERTAIN if len(found) == 1 else UNIQUE / len(found)) for one in found[:MOST_MEANINGS]]

    @cached_property
    def sites(self) -> dict[tuple[int, int], list[tuple[str, str]]]:
        """(file, line) -> the calls there, (owner, name)."""
        made: dict[tuple[int, int], list[tuple[str, str]]] = defaultdict(list)
        for file, _, rows, names in self.files:
            for line, kind, name, owner in rows:
                if kind == _CALL:
                    made[file, line].append((names[owner], names[name]))
        return made
