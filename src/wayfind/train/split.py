"""Which side a repository is on. A whole project is on one side, whoever's copy of it a pair comes from (origin defect 17)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from wayfind.train.pairs import PARTS, Part


OWNED = re.compile(r"[A-Za-z0-9][\w.-]*\+[A-Za-z][\w.-]*")
"""`OWNER+NAME`, as a clone's folder is called. `gtk+3.0` and `libstdc++` are names."""


def project(origin: str) -> str:
    """The project's own name in an origin, without owner, in small letters: forks, mirrors and clones named `OWNER+NAME` are the same
    project, whatever the folder within such a clone is called.

    >>> project("felixxm/Django"), project("mirrors/django+Django.git"), project("codesearchnet")
    ('django', 'django', 'codesearchnet')
    """
    *_, last = parts = origin.strip().rstrip("/").split("/")
    owned = next((part for part in reversed(parts) if OWNED.fullmatch(part)), "")
    return (owned.partition("+")[2] or last).removesuffix(".git").lower()


def with_owner(folder: str) -> str:
    """The name of a repository whose clone's folder is called `OWNER+NAME`, or as the repository is.

    >>> with_owner("django+django"), with_owner("libsigc++")
    ('django/django', 'libsigc++')
    """
    return folder.replace("+", "/", 1) if OWNED.fullmatch(folder) else folder


def part_of(origin: str, valid: float, test: float, seed: int = 0) -> Part:
    """The part of a repository by a hash of its project's name; `valid` and `test` are shares of all projects.

    >>> part_of("a/x", 0.5, 0.5) == part_of("b/x", 0.5, 0.5)
    True
    """
    digest = hashlib.sha256(f"{seed}:{project(origin)}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    return "test" if place < test else "valid" if place < test + valid else "train"


def settled(found: Iterable[tuple[str, Part]]) -> dict[str, Part]:
    """Project -> the one part of all its pairs: the most held out of those that its origins were given."""
    parts: dict[str, Part] = {}
    for origin, part in found:
        name = project(origin)
        parts[name] = max(parts.get(name, part), part, key=PARTS.index)
    return parts
