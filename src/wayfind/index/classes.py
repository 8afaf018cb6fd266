"""Classes of a snapshot: which one a name means in a file, its bases, and the methods and fields that it has by them."""

from __future__ import annotations

from wayfind.index.edges import CERTAIN, MOST_MEANINGS, UNIQUE
from wayfind.index.imports import Imports, is_module
from wayfind.index.names import DEEPEST, FOLDER_IS_PACKAGE, TYPE_KINDS, Names, Type


class Classes:
    """What the names of classes mean, and what classes have. A class is a `Type`, known by its name and a file."""

    def __init__(self, names: Names, imports: Imports):
        self._names, self._imports = names, imports
        self._seen: dict[tuple[int, str], Type | None] = {}

    def derived(self, file: int, owner: str, base: str) -> list[tuple[int, float]]:
        """The class that another derives from, with its strength."""
        found = self.meant(file, owner, base)
        return [(one, CERTAIN if len(found) == 1 else UNIQUE / len(found)) for one in found[:MOST_MEANINGS]]

    # What a name means.

    def entity(self, file: int, target: str) -> Type | list[int] | None:
        """What an import binds: a class, the files of a module, or nothing here."""
        resolved = self._imports.target(file, target)
        if not resolved:
            return None
        if is_module(resolved):
            made = self._imports.default_of(resolved)
            is_class = made and self._names.family[file] == "js" and self._names.kind[made[0]] in TYPE_KINDS
            return self._names.as_type(made) if is_class else [~one for one in resolved]
        return self._names.as_type(resolved)

    def meant(self, file: int, owner: str, name: str) -> list[int]:
        """The heads of the classes that `owner.name` or a name alone may mean in a file; empty where it comes from elsewhere."""
        if owner:
            target = self._names.bound.get(file, {}).get(owner)
            entity = self.entity(file, target) if target is not None else self.named(file, owner.rpartition(".")[2])
            if isinstance(entity, tuple):
                inner = self.inner(entity, name)
                return self.heads(inner) if inner else []
            if isinstance(entity, list):
                return self._names.heads(self._imports.in_modules(entity, name))
            if target is not None:
                return []
        if (type_ := self.named(file, name)) is not None:
            return self.heads(type_)
        return []

    def named(self, file: int, name: str) -> Type | None:
        """The class of a name that a file can see."""
        if (file, name) not in self._seen:
            self._seen[file, name] = self._named(file, name)
        return self._seen[file, name]

    def _named(self, file: int, name: str) -> Type | None:
        names, imports = self._names, self._imports
        found = names.heads(names.last_in_file.get((file, name), []))
        if not found and (target := names.bound.get(file, {}).get(name)) is not None:
            resolved = imports.target(file, target)
            return names.as_type(resolved) if resolved and not is_module(resolved) else names.as_type(imports.default_of(resolved))
        for star in () if found else names.stars.get(file, ()):
            found = names.heads(imports.in_modules(imports.modules.files(file, star), name))
            if found:
                break
        if not found:
            family = names.family[file]
            heads = names.heads(names.named.get((family, name), []))
            if family in FOLDER_IS_PACKAGE:
                found = [one for one in heads if imports.modules.package(names.file[one]) == imports.modules.package(file)]
            if not found and family not in ("python", "js", "go", "jvm"):
                found = names.near(heads, file)
        return names.as_type(found)

    # What a class has.

    def around(self, file: int, chunk: int) -> Type | None:
        """The class around a chunk."""
        owner = self._names.class_of(chunk)
        return (owner, file) if owner else None

    def inner(self, type_: Type, name: str) -> Type | None:
        """The class of a name inside of another."""
        names = self._names
        for head in self.heads(type_)[:1]:
            if names.heads(names.in_file.get((names.file[head], f"{names.symbols[head]}.{name}"), [])):
                return name, names.file[head]
        return None

    def heads(self, type_: Type) -> list[int]:
        """The heads of a class: in its file, else the nearest of its name."""
        names, (name, file) = self._names, type_
        here = names.heads(names.last_in_file.get((file, name), []))
        return here or names.near(names.heads(names.named.get((names.family[file], name), [])), file)

    def member(self, type_: Type, name: str, include: bool = True, depth: int = 0) -> list[int]:
        """The method of a class (unless only bases are asked for), or else of its bases, nearest first."""
        if depth > DEEPEST:
            return []
        names, (own, home) = self._names, type_
        if include and (found := names.members.get((names.family[home], own, name))):
            return self._known_from(found, home)
        for owner, base in self._bases_of(type_):
            for head in self.meant(home, owner, base)[:1]:
                if (base, names.file[head]) != type_ and (found := self.member((base, names.file[head]), name, True, depth + 1)):
                    return found
        return []

    def _known_from(self, found: list[int], home: int) -> list[int]:
        """Of methods of classes of one name those of the class that is known from a file: in it, in its folder, or nearest."""
        here = [one for one in found if self._names.file[one] == home]
        return here or self._names.near(found, home)

    def _bases_of(self, type_: Type) -> list[tuple[str, str]]:
        names = self._names
        if type_ in names.bases:
            return names.bases[type_]
        return [base for head in self.heads(type_)[:1] for base in names.bases.get((type_[0], names.file[head]), ())]

    def overridden(self, type_: Type, name: str) -> list[int]:
        """The methods of that name in the classes that derive from one that only declares it."""
        names = self._names
        family, known, waiting = names.family[type_[1]], {type_[0]}, [type_[0]]
        while waiting:
            further = names.derived.get((family, waiting.pop()), set()) - known
            known |= further
            waiting += sorted(further)
        return [one for one in names.methods.get((family, name), ()) if names.class_of(one) in known]

    def has_unknown_base(self, type_: Type) -> bool:
        """Whether a class derives from one that is not in the repository: a method that is not found may be that one's."""
        return any(not self.meant(type_[1], owner, base) for owner, base in self._bases_of(type_))

    def field(self, type_: Type, name: str) -> tuple[int, int, str] | None:
        """(file, chunk, type) as a class or a base of it declares a field."""
        names = self._names
        for _ in range(DEEPEST):
            own, home = type_
            for file in dict.fromkeys([home, *(names.file[head] for head in self.heads(type_))]):
                if (written := names.fields.get((own, file), {}).get(name)) is not None:
                    return file, *written
            bases = [(base, names.file[head]) for owner, base in self._bases_of(type_) for head in self.meant(home, owner, base)[:1]]
            if not bases or bases[0] == type_:
                return None
            type_ = bases[0]
        return None
