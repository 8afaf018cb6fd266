"""What an import brings into a file: the name of a module or of something in it comes in, definitions or the files of a
module go out; nothing, where it lies outside of the tree. Names that files pass on are followed.
"""

from __future__ import annotations

from wayfind.index.edges import CERTAIN, MOST_MEANINGS
from wayfind.index.modules import Modules
from wayfind.index.names import DEEPEST, Names


class Imports:
    """The targets of the imports of a snapshot."""

    def __init__(self, names: Names):
        self._names = names
        self.modules = Modules(names.snapshot.paths, names.family)
        self._targets: dict[tuple[int, str], list[int]] = {}

    def imported(self, file: int, name: str, target: str) -> list[tuple[int, float]]:
        """What an import brings in, with its strength: definitions, or the first chunk of each of a module's files."""
        if name == "*":
            resolved = [~one for one in self.modules.files(file, target)]
        else:
            resolved = self.target(file, target)
        first = self._names.snapshot.chunk_file_first
        chunks = [int(first[~one]) if one < 0 else one for one in resolved]
        return [(one, CERTAIN) for one in chunks[:MOST_MEANINGS]]

    def target(self, file: int, target: str) -> list[int]:
        """What `module:name` or `module` means: definitions, or the files of a module as ~file. Empty where it is elsewhere."""
        if (file, target) not in self._targets:
            self._targets[file, target] = self._led_to(file, target, 0, {})
        return self._targets[file, target]

    def _led_to(self, file: int, target: str, depth: int, vain: dict[tuple[int, str], int]) -> list[int]:
        """The same, `depth` steps after the import that is asked for. `vain`: file and name -> the least depth from which
        the star imports of the file were followed and did not have the name."""
        if depth > DEEPEST:
            return []
        names, family = self._names, self._names.family
        module, _, name = target.partition(":")
        files = self.modules.files(file, module)
        if not name:
            return [~one for one in files]
        if name == "default":
            return self.default_of([~one for one in files])
        for one in files:
            if found := names.in_file.get((one, name)) or self._only(one, name):
                return self.bodies(found, name, file)
        for one in files:
            if (passed := names.bound.get(one, {}).get(name)) is not None and (found := self._led_to(one, passed, depth + 1, vain)):
                return found
        for one in files:
            if found := self._by_stars(one, name, depth, vain):
                return found
        if inner := self.modules.files(file, f"{module}{'/' if '/' in module else '' if module.endswith('.') else '.'}{name}"):
            return [~one for one in inner]
        if family[file] in ("rust", "php", "csharp", "jvm"):
            return self.modules.best(names.named.get((family[file], name), []), names.file, file, module)
        return []

    def _by_stars(self, file: int, name: str, depth: int, vain: dict[tuple[int, str], int]) -> list[int]:
        """What the star imports of a file bring in under a name. Files may import all of each other: what was in vain from
        here is in vain from further away, where fewer steps are left, and is not looked for again."""
        if self._names.family[file] == "c" or depth >= vain.get((file, name), DEEPEST):
            return []
        for star in self._names.stars.get(file, ()):
            if found := self._led_to(file, f"{star}:{name}", depth + 1, vain):
                return found
        vain[file, name] = depth
        return []

    def _only(self, file: int, name: str) -> list[int]:
        """A nested definition that is the only one of its name in a file."""
        found = self._names.last_in_file.get((file, name), [])
        return found if len({self._names.symbols[one] for one in found}) == 1 else []

    def bodies(self, found: list[int], name: str, file: int) -> list[int]:
        """Of a function that a C header declares, the definition: the longest of its name in the files of the same name."""
        names = self._names
        if names.family[file] != "c":
            return found
        stems = {self._stem(names.file[one]) for one in found}
        beside = [one for one in names.named.get(("c", name), ()) if self._stem(names.file[one]) in stems]
        length = names.snapshot.end - names.snapshot.start
        best = max(int(length[one]) for one in beside or found)
        return [one for one in (beside or found) if int(length[one]) == best]

    def _stem(self, file: int) -> str:
        return self._names.snapshot.paths[file].rpartition("/")[2].partition(".")[0]

    def default_of(self, resolved: list[int]) -> list[int]:
        """What a JavaScript module exports as its default: what is called so, as its file is, or all there is."""
        names = self._names
        for one in resolved:
            file = ~one
            if one >= 0 or names.family[file] != "js":
                continue
            for name in ("default", "module.exports", self._stem(file)):
                if found := names.in_file.get((file, name)):
                    return found
            stem = self.modules.stem(file).replace("-", "").replace("_", "").lower()
            top = self._top(file)
            alike = [one for one in top if names.symbols[one].replace("_", "").lower() == stem]
            if alike or len(top) == 1:
                return alike or top
        return []

    def _top(self, file: int) -> list[int]:
        """The definitions at the top level of a file."""
        first, last = self._names.snapshot.chunk_file_first[file : file + 2]
        symbols = dict.fromkeys(symbol for symbol in self._names.symbols[first:last] if symbol and "." not in symbol)
        return [one for symbol in symbols for one in self._names.in_file.get((file, symbol), ())]

    def in_modules(self, files: list[int], name: str) -> list[int]:
        """The definitions of a name in the files of a module, or what they pass on under it."""
        names = self._names
        found = [one for file in files for one in names.in_file.get((file, name), ())]
        if found:
            return found
        for file in files:
            if (passed := names.bound.get(file, {}).get(name)) is not None:
                resolved = self._led_to(file, passed, 1, {})
                if resolved and not is_module(resolved):
                    return resolved
        scripts = [file for file in files if names.family[file] == "js"]
        return [one for file in scripts for owner in ("module.exports", "exports") for one in names.in_file.get((file, f"{owner}.{name}"), ())]


def is_module(resolved: list[int]) -> bool:
    """Whether a target is the files of a module, and no definitions."""
    return bool(resolved) and resolved[0] < 0
