"""Which side a repository is on. A whole project is on one side, whoever's copy of it a pair comes from (origin defect 17)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from wayfind.train.pairs import PARTS, Part


def project(origin: str) -> str:
    """The project's own name in an origin, without owner, in small letters: forks and mirrors are the same project.

    >>> project("felixxm/Django"), project("codesearchnet")
    ('django', 'codesearchnet')
    """
    return origin.strip().rstrip("/").rpartition("/")[2].removesuffix(".git").lower()


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
