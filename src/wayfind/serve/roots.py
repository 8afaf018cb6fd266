"""The folders that a client may look into, and nothing outside of them: every path is followed to its real place first.

Given on the command line, else by the client as `file:` addresses, else the current folder. A home folder or the root of
the file system is taken only from the command line, since some clients start their servers there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from wayfind.errors import NotFound, UsageError


_ESCAPED = re.compile(r"\\x([89a-f][0-9a-f])")
"""A byte of a name that is no UTF-8, as answers write it (`serve.screen`)."""


class Outside(UsageError):
    """A path that leads out of the roots. Says no more than what was asked for."""


@dataclass(frozen=True, slots=True)
class Roots:
    """Real paths of folders, none inside another."""

    folders: tuple[Path, ...]

    def __bool__(self) -> bool:
        return bool(self.folders)

    def find(self, path: str) -> tuple[Path, str]:
        """The root that holds a path and the path below it, `/` between; a relative one is looked for in every root.

        Raises Outside, and NotFound when there is nothing inside of the roots to look for it in.
        """
        return self.every(path)[0]

    def only(self, path: str) -> tuple[Path, str]:
        """As `find`; raises UsageError too where several roots have a file of this relative path: each has its README.md."""
        found = [(root, below) for root, below in self.every(path) if os.path.lexists(root / below)]
        if len(found) > 1:
            raise UsageError(f"{path} is in {len(found)} of the folders; name one: {', '.join(os.fspath(root / below) for root, below in found)}")
        return found[0] if found else self.find(path)

    def every(self, path: str) -> list[tuple[Path, str]]:
        """The roots that hold a path, each with the path below it; where none does, those in which it would lie. Raises as `find`."""
        if not path.strip() or "\0" in path:
            raise UsageError("expected a path, for example src/app.py")
        candidates = [(root, _below(root, path)) for root in self.folders]
        inside = [(root, below) for root, below in candidates if below is not None]
        if not inside:
            raise Outside(f"{path} lies outside of the folders this server may read: {self.spoken()}")
        found = [(root, below) for root, below in inside if os.path.lexists(root / below)]
        return found or (self.every(undecoded) if (undecoded := _ESCAPED.sub(_byte, path)) != path else inside)

    def spoken(self) -> str:
        return ", ".join(map(os.fspath, self.folders))


def given_roots(paths: Sequence[str]) -> Roots:
    """The folders named on the command line, `~` for the home: settings of agents pass no shell. Raises NotFound for one that is not there."""
    folders = [path if os.path.isdir(path) else os.path.expanduser(path) for path in paths]
    for path, folder in zip(paths, folders):
        if not os.path.isdir(folder):
            raise NotFound(f"no such folder: {path}")
    return _outermost(folders)


def client_roots(addresses: Iterable[str]) -> Roots:
    """The folders that a client names by `file:` addresses; others, absent ones and too wide ones are left out."""
    folders = map(_folder_of, addresses)
    return _outermost(folder for folder in folders if folder and os.path.isdir(folder) and not _too_wide(folder))


def current_roots() -> Roots:
    """The current folder. Raises UsageError where that is a home or the root of the file system."""
    here = os.getcwd()
    if _too_wide(here):
        raise UsageError(
            f"the server was started in {here}, which is too wide to be indexed unasked; start it in a repository, or name one: wayfind mcp PATH"
        )
    return _outermost([here])


def _outermost(paths: Iterable[str]) -> Roots:
    real = [Path(os.path.realpath(path)) for path in paths]
    distinct = list(dict.fromkeys(real))
    return Roots(tuple(folder for folder in distinct if not any(other in folder.parents for other in distinct)))


def _byte(escaped: re.Match[str]) -> str:
    return bytes.fromhex(escaped[1]).decode("utf-8", "surrogateescape")


def _below(root: Path, path: str) -> str | None:
    """The real place of a path, relative to the root; None when it lies outside."""
    real = Path(os.path.realpath(root / path))
    return real.relative_to(root).as_posix() if real.is_relative_to(root) else None


def _folder_of(address: str) -> str | None:
    parts = urlsplit(address)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        return None
    path = unquote(parts.path)
    return path[1:] if re.match(r"/[A-Za-z]:", path) else path


def _too_wide(folder: str) -> bool:
    real = Path(os.path.realpath(folder))
    home = Path(os.path.realpath(Path.home()))
    return real == real.parent or real == home or real in home.parents
