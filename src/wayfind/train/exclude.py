"""Projects that no pair may come from: a list of `owner/name` or bare names, held against origins and vendored folders.

A name counts whoever owns it: forks and mirrors of an excluded project are excluded too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from wayfind.errors import NotFound, UsageError
from wayfind.train.split import project


SCRIPT = re.compile(r"(?:[.-]v?\d[\d.]*)?(?:[.-](?:min|umd|esm|cjs|module|global|common|bundle))*\.[cm]?js$")
"""What follows the project's name where a script of it was copied: `.v7.min.js`."""


@dataclass(frozen=True, slots=True)
class Excluded:
    """The projects' own names, in small letters."""

    names: frozenset[str] = frozenset()

    def holds_origin(self, origin: str) -> bool:
        """Whether an origin is one of the projects, under any owner.

        >>> Excluded(frozenset({"flask"})).holds_origin("fork/Flask")
        True
        """
        return project(origin) in self.names

    def holds_path(self, path: str) -> bool:
        """Whether a folder on the path, or a script of JavaScript, is called like one of the projects, so that it may be a copy of it.

        >>> Excluded(frozenset({"d3"})).holds_path("static/d3.v7.js")
        True
        """
        *folders, file = path.lower().split("/")
        script = SCRIPT.sub("", file)
        return any(_folder(part) in self.names for part in folders) or (script != file and not self.names.isdisjoint((script, f"{script}.js")))


def _folder(name: str) -> str:
    """The project that a folder's name speaks of: `requests-2.31.0` of requests."""
    head, dash, version = name.lower().rpartition("-")
    return head if dash and version[:1].isdigit() else name.lower()


def read_excluded(path: Path | None) -> Excluded:
    """The list of a file, one project a line, `#` before comments. Raises NotFound, UsageError where it is no text."""
    if path is None:
        return Excluded()
    if not path.is_file():
        raise NotFound(f"{path}: no such list of excluded projects")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        raise UsageError(f"{path}: no list of projects in UTF-8: {problem}; save it as such") from None
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return Excluded(frozenset(project(line) for line in lines if line))
