"""Projects that no pair may come from: a list of `owner/name` or bare names, held against origins and vendored folders.

A name counts whoever owns it, and with a version or a branch behind it: forks, mirrors and archives of an excluded project are
excluded too. A line that names no project is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from wayfind.errors import NotFound, UsageError
from wayfind.train.split import project


SCRIPT = re.compile(r"(?:[.-]v?\d[\d.]*)?(?:[.-](?:min|umd|esm|cjs|module|global|common|bundle))*\.[cm]?js$")
"""What follows the project's name where a script of it was copied: `.v7.min.js`."""
VERSION = re.compile(r"[-_@]+(?:v?\d[\w.+-]*|main|master|trunk|develop|dev|head|latest)$")
"""What follows the project's name where a state of it was copied: `-2.31.0`, `@2.31`, `-main`."""
PACKAGE = re.compile(r"^python3?-")
"""What a distribution puts before the name of a library: `python-requests`. Of other languages it is a client of the project (`node-redis`)."""
LINE = re.compile(r"(?:(?:\w+://|git@)[^/:\s]+(?::\d+)?[/:][\w.+~-]+/[\w.+-]+/?|@?[\w.+-]+(?:/[\w.+-]+)?)")
"""A line of the list: a name, `owner/name`, or the address of a repository, which is no page within it."""


@dataclass(frozen=True, slots=True)
class Excluded:
    """The projects' own names, in small letters."""

    names: frozenset[str] = frozenset()

    def holds_origin(self, origin: str) -> bool:
        """Whether an origin is one of the projects, under any owner and in any version.

        >>> Excluded(frozenset({"flask"})).holds_origin("fork/Flask-3.0")
        True
        """
        return self._holds(project(origin))

    def holds_path(self, path: str) -> bool:
        """Whether a folder on the path, or a script of JavaScript, is called like one of the projects, so that it may be a copy of it.

        >>> Excluded(frozenset({"d3"})).holds_path("static/d3.v7.js")
        True
        """
        *folders, file = path.lower().split("/")
        script = SCRIPT.sub("", file)
        return any(map(self._holds, folders)) or (script != file and not self.names.isdisjoint((script, f"{script}.js")))

    def _holds(self, name: str) -> bool:
        """Whether a folder or an origin speaks of one of the projects by its name: `requests-2.31.0` and `python-requests` of requests."""
        bare = VERSION.sub("", name)
        return not self.names.isdisjoint((name, bare, PACKAGE.sub("", name), PACKAGE.sub("", bare)))


def read_excluded(path: Path | None) -> Excluded:
    """The list of a file, one project a line, `#` before comments. Raises NotFound, UsageError where it is no text or a line names no project."""
    if path is None:
        return Excluded()
    if not path.is_file():
        raise NotFound(f"{path}: no such list of excluded projects")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        raise UsageError(f"{path}: no list of projects in UTF-8: {problem}; save it as such") from None
    lines = {number: said for number, line in enumerate(text.splitlines(), 1) if (said := line.partition("#")[0].strip())}
    for number, line in lines.items():
        if not LINE.fullmatch(line):
            raise UsageError(f"{path}:{number}: expected a name, owner/name or the address of a repository, found {line}")
    return Excluded(frozenset(map(project, lines.values())))
