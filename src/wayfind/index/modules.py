"""From the name of a module, as an import writes it, to the files that hold it. Each family of languages has its own way;
where none applies nothing is found, and never a file of a like name elsewhere.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Sequence

_SCRIPTS = ("js", "jsx", "ts", "tsx", "mjs", "cjs", "mts", "cts", "vue")
_SOURCES = frozenset(("src", "lib", "app", "main", "java", "kotlin", "scala", "test", "tests", "python"))
_WORKSPACES = frozenset(("packages", "libs", "modules", "crates", "apps", "plugins", "extensions"))


class Modules:
    """The files of a tree under the names that imports give them."""

    def __init__(self, paths: Sequence[str], families: Sequence[str]):
        self._paths, self._families = paths, families
        self._by_path = {path: number for number, path in enumerate(paths)}
        self._parts = [tuple(path.rpartition(".")[0].split("/")) if "." in path.rpartition("/")[2] else tuple(path.split("/")) for path in paths]
        self._python: dict[str, list[int]] = defaultdict(list)
        self._by_last: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._by_folder: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._folders: dict[tuple[str, str], set[str]] = defaultdict(set)
        for number, (path, family) in enumerate(zip(paths, families)):
            folder, _, name = path.rpartition("/")
            parts = self._named_parts(number)
            if parts:
                self._by_last[family, name if family == "c" else parts[-1]].append(number)
            self._by_folder[family, folder].append(number)
            self._folders[family, folder.rpartition("/")[2]].add(folder)
            if family == "python":
                for dotted in self._dotted(parts):
                    self._python[dotted].append(number)
        self._found: dict[tuple[str, str, str], list[int]] = {}

    def stem(self, file: int) -> str:
        """The last name of a file's module: that of the folder for `index`, `mod`, `__init__`."""
        parts = self._named_parts(file)
        return parts[-1] if parts else ""

    def package(self, file: int) -> str:
        """What two files have in common whose language lets them see each other without an import."""
        folder = self._paths[file].rpartition("/")[0]
        if self._families[file] == "jvm":
            for root in ("java/", "kotlin/", "scala/", "groovy/"):
                if root in folder + "/":
                    return (folder + "/").rpartition(root)[2].rstrip("/")
        return folder

    def files(self, file: int, module: str) -> list[int]:
        """The files of a module that a file imports; empty where it lies outside of the tree."""
        family = self._families[file]
        folder = self._paths[file].rpartition("/")[0]
        key = (family, folder, module)
        if key not in self._found:
            way = getattr(self, f"_{family}_files", None)
            self._found[key] = way(folder, module) if way and module else []
        return self._found[key]

    def below(self, files: Sequence[int], name: str) -> list[int]:
        """The files of the module `name` inside of another."""
        found = []
        for file in files:
            folder, _, own = self._paths[file].rpartition("/")
            parts = (*folder.split("/"), name) if folder else (name,)
            if own.partition(".")[0] in ("__init__", "index", "mod", "lib", "main"):
                found += [one for one in self._by_last.get((self._families[file], name), ()) if self._named_parts(one) == parts]
        return found

    def best(self, candidates: Sequence[int], file_of: Sequence[int], file: int, module: str) -> list[int]:
        """Of definitions of one name those whose files agree best with a module's name, if any does at all."""
        steps = [step for step in module.split(".") if step not in ("crate", "self", "super", "")]
        own = self._paths[file].split("/")
        inside = module.split(".")[0] in ("crate", "self", "super")
        if not steps and not inside:
            return []
        scored = []
        for one in candidates:
            parts = [part.replace("-", "_") for part in self._named_parts(file_of[one])]
            met = sum(step in parts or any(part and step.endswith("_" + part) for part in parts) for step in steps)
            nearness = next((n for n, (a, b) in enumerate(zip(own, self._paths[file_of[one]].split("/"))) if a != b), len(own))
            scored.append((met, nearness if inside else 0))
        if not scored or (max(scored)[0] == 0 and not inside) or (steps and max(scored)[0] < len(steps) / 2):
            return []
        return [one for one, score in zip(candidates, scored) if score == max(scored)]

    def _named_parts(self, file: int) -> tuple[str, ...]:
        parts = self._parts[file]
        silent = {"python": ("__init__",), "js": ("index",), "rust": ("mod", "lib", "main"), "lua": ("init",)}.get(self._families[file], ())
        return parts[:-1] if parts and parts[-1] in silent else parts

    def _exactly(self, family: str, parts: Sequence[str]) -> list[int]:
        wanted = tuple(parts)
        return [one for one in self._by_last.get((family, wanted[-1]), ()) if self._named_parts(one) == wanted] if wanted else []

    def _ending(self, family: str, parts: Sequence[str], folder: str) -> list[int]:
        """Files whose path ends with the parts, the nearest to a folder."""
        wanted = tuple(parts)
        found = [one for one in self._by_last.get((family, wanted[-1]), ()) if self._named_parts(one)[-len(wanted) :] == wanted] if wanted else []
        return self._nearest(found, folder)

    def _nearest(self, found: list[int], folder: str) -> list[int]:
        if len(found) < 2:
            return found
        near = {one: len(posixpath.commonprefix([self._paths[one].split("/"), folder.split("/")])) for one in found}
        return [one for one in found if near[one] == max(near.values())]

    # Python: by the dotted name that the packages around a file give it.

    def _dotted(self, parts: tuple[str, ...]) -> list[str]:
        """The names under which a file may be imported: from its outermost package, and from a folder of sources."""
        start = len(parts) - 1
        while start > 0 and "/".join((*parts[:start], "__init__.py")) in self._by_path:
            start -= 1
        names = {".".join(parts[start:])}
        for number, part in enumerate(parts[:-1]):
            if part in _SOURCES:
                names.add(".".join(parts[number + 1 :]))
        names.add(".".join(parts))
        return sorted(name for name in names if name)

    def _python_files(self, folder: str, module: str) -> list[int]:
        if module.startswith("."):
            dots = len(module) - len(module.lstrip("."))
            base = folder.split("/") if folder else []
            base = base[: len(base) - dots + 1]
            return self._exactly("python", [*base, *filter(None, module[dots:].split("."))]) or (
                [self._by_path[init]] if not module.strip(".") and (init := "/".join((*base, "__init__.py"))) in self._by_path else []
            )
        beside = self._exactly("python", [*(folder.split("/") if folder else []), *module.split(".")])
        found = self._nearest(self._python.get(module, []), folder)
        return found or (beside if "/".join(filter(None, (folder, "__init__.py"))) not in self._by_path else [])

    # JavaScript and TypeScript: by relative path; by the name of a package of the workspace.

    def _js_files(self, folder: str, module: str) -> list[int]:
        if module.startswith("."):
            return self._script(posixpath.normpath(posixpath.join(folder, module)))
        if module[:2] in ("@/", "~/") or module.startswith(("src/", "app/")):
            return self._ending("js", module.split("/")[(module[:2] in ("@/", "~/")) :], folder)
        name, _, rest = module.removeprefix("@").partition("/") if not module.startswith("@") else module.partition("/")[2].partition("/")
        homes = [home for home in self._folders.get(("js", name), set()) | self._folders.get(("js", "src"), set()) if _WORKSPACES & set(home.split("/"))]
        for home in sorted(home.removesuffix("/src") for home in homes if home.removesuffix("/src").rpartition("/")[2] == name):
            for inside in (rest, f"src/{rest}" if rest else "src", f"src/{rest or 'index'}"):
                if inside and (found := self._script(f"{home}/{inside}")):
                    return found
        return []

    def _script(self, path: str) -> list[int]:
        path = "" if path == "." else path
        stem, dot, ending = path.rpartition(".")
        names = [path, *(f"{path}.{one}" for one in _SCRIPTS), *(f"{path}.d.{one}" for one in ("ts",))]
        if dot and ending in ("js", "mjs", "cjs", "jsx"):
            names += [f"{stem}.{one}" for one in ("ts", "tsx", "mts", "cts")]
        names += [f"{path}/index.{one}".lstrip("/") for one in _SCRIPTS] + [f"{path}/lib/index.{one}".lstrip("/") for one in _SCRIPTS]
        names += [f"{path}/lib/application.js".lstrip("/"), f"{path}/src/index.ts".lstrip("/")]
        return next(([self._by_path[name]] for name in names if name in self._by_path), [])

    # Go: by the folder that the import path ends with.

    def _go_files(self, folder: str, module: str) -> list[int]:
        steps = module.split("/")
        for length in range(len(steps), 0, -1):
            home = "/".join(steps[-length:])
            if ("go", home) in self._by_folder and "." in module.split("/")[0]:
                return [one for one in self._by_folder["go", home] if not self._paths[one].endswith("_test.go")]
        steps = steps[:-1] if steps[-1][:1] == "v" and steps[-1][1:].isdigit() else steps
        if len(steps) == 3 and "." in steps[0] and self._is_own(module):
            return [one for one in self._by_folder.get(("go", ""), ()) if not self._paths[one].endswith("_test.go")]
        return []

    def _is_own(self, module: str) -> bool:
        """Whether a repository's address is that of this tree: its packages are named after it."""
        name = next((step for step in reversed(module.split("/")) if not (step[:1] == "v" and step[1:].isdigit())), "")
        return any(self._paths[one].rpartition("/")[2] == f"{name}.go" for one in self._by_folder.get(("go", ""), ()))

    # Java, Kotlin, Scala, PHP, Ruby, C, Lua: by the end of the path.

    def _jvm_files(self, folder: str, module: str) -> list[int]:
        steps = module.split(".")
        for length in (len(steps), len(steps) - 1):
            if length < 2:
                break
            if found := self._ending("jvm", steps[:length], folder):
                return found
        homes = [home for home in self._folders.get(("jvm", steps[-1]), ()) if home.endswith("/".join(steps)) and len(steps) > 1]
        if not homes and len(steps) > 2 and steps[-1][:1].islower() | steps[-1][:1].isupper():
            homes = [home for home in self._folders.get(("jvm", steps[-2]), ()) if home.endswith("/".join(steps[:-1]))]
        return [one for home in sorted(homes) for one in self._by_folder["jvm", home]]

    def _php_files(self, folder: str, module: str) -> list[int]:
        steps = module.split(".")
        for skipped in range(len(steps) - 1):
            if len(steps) - skipped < 2 and skipped:
                break
            if found := self._ending("php", steps[skipped:], folder):
                return found
        only = self._by_last.get(("php", steps[-1]), []) if len(steps) == 2 else []
        return only if len(only) == 1 else []

    def _ruby_files(self, folder: str, module: str) -> list[int]:
        steps = posixpath.normpath(posixpath.join(folder, module)).split("/") if module.startswith(".") else module.split("/")
        return self._exactly("ruby", [*(folder.split("/") if folder else []), *steps]) or self._ending("ruby", steps, folder)

    def _c_files(self, folder: str, module: str) -> list[int]:
        beside = posixpath.normpath(posixpath.join(folder, module))
        if beside in self._by_path:
            return [self._by_path[beside]]
        tail = module.lstrip("./")
        found = [one for one in self._by_last.get(("c", tail.rpartition("/")[2]), ()) if f"/{self._paths[one]}".endswith(f"/{tail}")]
        return self._nearest(found, folder)

    def _lua_files(self, folder: str, module: str) -> list[int]:
        return self._ending("lua", module.replace("/", ".").split("."), folder)

    # C# and Rust: by namespaces and module paths that folders follow.

    def _csharp_files(self, folder: str, module: str) -> list[int]:
        steps = module.split(".")
        for length in range(len(steps), 0, -1):
            tail = "/".join(steps[-length:])
            homes = [home for home in self._folders.get(("csharp", steps[-1]), ()) if f"/{home}".endswith(f"/{tail}")]
            if homes:
                return [one for home in sorted(homes) for one in self._by_folder["csharp", home]]
        return [one for home in sorted(self._folders.get(("csharp", module), ())) for one in self._by_folder["csharp", home]]

    def _rust_files(self, folder: str, module: str) -> list[int]:
        steps = module.split(".")
        root = folder.split("/") if folder else []
        if steps[0] == "crate":
            while root and root[-1] != "src":
                root = root[:-1]
            steps = steps[1:]
        elif steps[0] in ("self", "super"):
            return self._exactly("rust", [*root, *(step for step in steps if step not in ("self", "super"))]) if len(steps) > 1 else []
        else:
            beside = self._exactly("rust", [*root, *steps])
            if beside:
                return beside
            crate = [home for home in self._folders.get(("rust", "src"), ()) if home.split("/")[-2:-1] and self._is_crate(home.split("/")[-2], steps[0])]
            if len(crate) != 1:
                return []
            root, steps = crate[0].split("/"), steps[1:]
        if not steps:
            return [one for one in self._by_folder.get(("rust", "/".join(root)), ()) if self._paths[one].rpartition("/")[2] in ("lib.rs", "main.rs")]
        return self._exactly("rust", [*root, *steps])

    @staticmethod
    def _is_crate(folder: str, name: str) -> bool:
        folder = folder.replace("-", "_")
        return name == folder or name.endswith("_" + folder)
