"""What a call means: `owner.name(…)` in a chunk comes in, the definitions that it may call go out, with strengths.

A name is looked for where the language would: the class around and its bases, the file, what the file imports, the
folder where that is a package, the type that a declaration or constructor gives a variable. A receiver or name that
comes from outside of the repository means nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence

from wayfind.index.classes import Classes
from wayfind.index.edges import CERTAIN, MOST_MEANINGS, NAMED, TYPED, UNIQUE
from wayfind.index.imports import Imports, is_module
from wayfind.index.names import DEEPEST, FOLDER_IS_PACKAGE, TYPE_KINDS, Names, Type
from wayfind.types import KINDS

_THIS_IS_SILENT = frozenset(("jvm", "csharp", "c", "ruby", "swift", "dart", "elixir"))
_NAMES_ARE_GLOBAL = frozenset(("c", "ruby", "php", "swift", "lua", "bash", "perl", "julia", "powershell", "haskell", "ocaml", "zig", "dart"))
_LAST_NAMES_THE_CLASS = frozenset(("rust", "c", "csharp", "php", "ruby"))
"""Of a receiver of several names the last is the class; those before it are its modules."""
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


class Calls:
    """The meanings of the calls of a snapshot."""

    def __init__(self, names: Names, imports: Imports, classes: Classes):
        self._names, self._imports, self._classes = names, imports, classes
        self._calls: dict[tuple, tuple[tuple[int, float], ...]] = {}

    def called(self, file: int, chunk: int, owner: str, name: str) -> tuple[tuple[int, float], ...]:
        """The definitions that a call `owner.name(…)` in a chunk may mean, with strengths."""
        first = owner.partition(".")[0].removesuffix("()")
        local = self._names.local.get(chunk, {}).get(first, (0, ""))[1] if first else ""
        key = (file, self._names.owner[chunk], owner, name, local, chunk if "()" in owner or "()" in local else 0)
        if key not in self._calls:
            found, strength = self._meant(file, chunk, owner, name)
            self._calls[key] = self._shared(found, strength)
        return self._calls[key]

    def _shared(self, found: list[int], strength: float) -> tuple[tuple[int, float], ...]:
        """The meanings with their share of the strength: several definitions, overloads among them, share UNIQUE. A class
        and its constructor are one meaning."""
        names = self._names
        if len(found) > MOST_MEANINGS and len({(names.file[chunk], names.symbols[chunk]) for chunk in found}) == 1:
            found = found[:1]  # one of many overloads: the first stands for them
            strength = min(strength, UNIQUE)
        if len(found) > MOST_MEANINGS:
            return ()
        if len(found) > 1:
            strength = min(strength, UNIQUE) / len(found)
        for chunk in names.heads(found):
            symbol = names.symbols[chunk]
            for name in (*_CONSTRUCTORS, symbol.rpartition(".")[2]):
                found = [*found, *names.in_file.get((names.file[chunk], f"{symbol}.{name}"), ())[:MOST_MEANINGS]]
        return tuple((chunk, strength) for chunk in dict.fromkeys(found))

    def _meant(self, file: int, chunk: int, owner: str, name: str, depth: int = 0) -> tuple[list[int], float]:
        names, classes = self._names, self._classes
        if depth > DEEPEST:
            return [], 0.0
        if not owner:
            return self._bare(file, chunk, name)
        if owner in ("self", "super"):
            if own := classes.around(file, chunk):
                found = classes.member(own, name, include=owner == "self")
                if found:
                    return found, CERTAIN
                if owner == "self" and name.rstrip("?!") not in _EVERYWHERE and not classes.has_unknown_base(own):
                    return self._unknown(file, name)
            return ([], 0.0) if owner == "super" or names.family[file] != "rust" else self._bare(file, chunk, name)
        known, type_, strength = self._receiver(file, chunk, owner, depth)
        if isinstance(type_, tuple):
            if found := classes.member(type_, name):
                return found, strength
            if name == "new" and names.family[file] == "ruby":
                return classes.heads(type_), strength
            if found := classes.overridden(type_, name):
                return found, UNIQUE
            return ([], 0.0) if names.family[file] != "go" or not classes.heads(type_) else self._unknown(file, name)
        if isinstance(type_, list):
            return self._imports.in_modules(type_, name), strength
        if known:
            return [], 0.0
        last = owner.rpartition(".")[2].removesuffix("()").replace("_", "").lower()
        alike = [one for one in names.methods.get((names.family[file], name), ()) if names.class_of(one).lower() == last and last]
        if alike:
            return names.near(alike, file), NAMED
        if names.family[file] == "elixir" and owner[0].isupper():  # a module that no file defines
            return [], 0.0
        return self._unknown(file, name)

    def _bare(self, file: int, chunk: int, name: str) -> tuple[list[int], float]:
        """A call without a receiver."""
        names, imports = self._names, self._imports
        family = names.family[file]
        if family == "elixir":
            return self._in_module(file, chunk, name)
        if family in _THIS_IS_SILENT and (own := self._classes.around(file, chunk)):
            if found := self._classes.member(own, name):
                return found, CERTAIN
        if name in names.local.get(chunk, {}) and family in ("python", "js"):  # a variable that holds a function
            return [], 0.0
        if found := names.in_file.get((file, name)):
            return found, CERTAIN
        if (target := names.bound.get(file, {}).get(name)) is not None:
            resolved = imports.target(file, target)
            return (resolved if resolved and not is_module(resolved) else imports.default_of(resolved)), CERTAIN
        nested = names.heads(names.last_in_file.get((file, name), []))
        if nested:
            return nested, CERTAIN
        for star in names.stars.get(file, ()):
            if found := imports.in_modules(imports.modules.files(file, star), name):
                return imports.bodies(found, name, file), CERTAIN
        candidates = [one for one in names.named.get((family, name), ()) if names.kind[one] != KINDS.index("test")]
        if family in FOLDER_IS_PACKAGE:
            here = [one for one in candidates if imports.modules.package(names.file[one]) == imports.modules.package(file)]
            if here:
                return here, CERTAIN
        if family in _NAMES_ARE_GLOBAL or (family in ("csharp", "rust") and names.stars.get(file)):
            return names.near(candidates, file), TYPED if len(candidates) == 1 else UNIQUE
        return [], 0.0

    def _in_module(self, file: int, chunk: int, name: str) -> tuple[list[int], float]:
        """A call without a receiver in Elixir: of the module around; a test has none, and may call the file's only one of the name."""
        names = self._names
        if owner := names.owner[chunk]:
            return names.in_file.get((file, f"{owner}.{name}"), []), CERTAIN
        found = names.last_in_file.get((file, name), [])
        return (found, UNIQUE) if len({names.symbols[one] for one in found}) == 1 else ([], 0.0)

    def _unknown(self, file: int, name: str) -> tuple[list[int], float]:
        """A call on something of which nothing is known: the methods of that name, where they are few."""
        if name.rstrip("?!") in _EVERYWHERE:
            return [], 0.0
        return self._names.methods.get((self._names.family[file], name), []), UNIQUE

    # Receivers.

    def _receiver(self, file: int, chunk: int, owner: str, depth: int) -> tuple[bool, Type | list[int] | None, float]:
        """What a receiver is: whether its name is known here at all, a class or the files of a module, and how sure that is."""
        names, classes, family = self._names, self._classes, self._names.family[file]
        steps = owner.split(".")
        if steps[0] == "?":
            return False, None, 0.0
        if steps[0].startswith(":"):
            return True, None, 0.0
        if steps[0] in ("self", "super"):
            own = classes.around(file, chunk)
            return self._follow(file, own, steps[1:], TYPED, depth) if own else (False, None, 0.0)
        first = steps[0]
        if first.endswith("()"):
            type_ = self._returned(file, chunk, "", first[:-2], depth)
            return self._follow(file, type_, steps[1:], TYPED, depth) if type_ else (False, None, 0.0)
        if (written := names.local.get(chunk, {}).get(first)) is not None:
            return self._follow(file, self._typed(file, *written, depth), steps[1:], TYPED, depth, known=True)
        own = classes.around(file, chunk)
        if own and family in _THIS_IS_SILENT and (written := classes.field(own, first)):
            return self._follow(file, self._typed(*written, depth), steps[1:], TYPED, depth, known=True)
        bound = names.bound.get(file, {})
        for length in range(len(steps), 0, -1):
            if (target := bound.get(".".join(steps[:length]))) is not None:
                return self._follow(file, classes.entity(file, target), steps[length:], CERTAIN, depth, known=True)
        whole = family in _LAST_NAMES_THE_CLASS
        if type_ := classes.named(file, steps[-1] if whole else first):
            return self._follow(file, type_, [] if whole else steps[1:], CERTAIN, depth, known=True)
        if family == "rust" and (files := self._imports.modules.files(file, owner)):
            return True, files, CERTAIN
        if (written := names.fields.get(("", file), {}).get(first)) is not None:
            return self._follow(file, self._typed(file, *written, depth), steps[1:], TYPED, depth, known=True)
        return False, None, 0.0

    def _follow(
        self, file: int, entity: Type | list[int] | None, steps: Sequence[str], strength: float, depth: int, known: bool = False
    ) -> tuple[bool, Type | list[int] | None, float]:
        """Go on from a class or module by names of fields, methods (ending in `()`) and submodules."""
        classes, imports = self._classes, self._imports
        for step in steps:
            if depth > DEEPEST or entity is None:
                return known, None, 0.0
            if isinstance(entity, tuple):
                if step.endswith("()"):
                    found = classes.member(entity, step[:-2])
                    maker = step == "new()" and self._names.family[file] == "ruby"
                    entity = entity if maker else classes.inner(entity, step[:-2]) or self._result_of(found, depth + 1)
                elif inner := classes.inner(entity, step):
                    entity = inner
                else:
                    written = classes.field(entity, step)
                    entity = self._typed(*written, depth + 1) if written else None
                    known = known or bool(written)
                strength = min(strength, TYPED)
            elif step.endswith("()"):
                entity = self._result_of(imports.in_modules(entity, step[:-2]), depth + 1)
                strength = min(strength, TYPED)
            else:
                found = imports.in_modules(entity, step)
                entity = self._names.as_type(found) if found else imports.modules.below(entity, step)
        return known or entity is not None, entity, strength

    # Types of variables and results.

    def _typed(self, file: int, chunk: int, written: str, depth: int) -> Type | None:
        """The class that a type's name, or a call that makes one, means in a file."""
        if depth > DEEPEST:
            return None
        if written.startswith("="):
            passed = self._names.local.get(chunk, {}).get(written[1:])
            return self._typed(file, *passed, depth + 1) if passed else None
        written = written.removeprefix("new ")
        if written.endswith("()"):
            owner, _, name = written[:-2].rpartition(".")
            return self._returned(file, chunk, owner, name, depth + 1)
        owner, _, name = written.rpartition(".")
        return self._names.as_type(self._classes.meant(file, owner, name))

    def _returned(self, file: int, chunk: int, owner: str, name: str, depth: int) -> Type | None:
        """The class of what a call gives."""
        if depth > DEEPEST:
            return None
        found, _ = self._meant(file, chunk, owner, name, depth + 1)
        if not found and name == "new" and owner:
            _, type_, _ = self._receiver(file, chunk, owner, depth + 1)
            return type_ if isinstance(type_, tuple) else None
        return self._result_of(found, depth)

    def _result_of(self, found: list[int], depth: int) -> Type | None:
        """The class that the functions return, where it is declared; a class that is called is its own result."""
        names = self._names
        if found and names.kind[found[0]] in TYPE_KINDS:
            return names.as_type(found)
        if len({names.symbols[one] for one in found}) != 1:
            return None
        for one in found:
            owner, name = names.results.get(one, ("", ""))
            own = (names.class_of(one), names.file[one])
            if name == "self" or (not name and own[0] and names.symbols[one].rpartition(".")[2] in _MAKERS):
                return own
            if name:
                return self._typed(names.file[one], one, f"{owner}.{name}" if owner else name, depth + 1)
        return None
