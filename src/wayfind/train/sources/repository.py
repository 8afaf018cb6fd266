"""One repository in, its pairs out: every kind up to its cap, judged, with origin and licence."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from wayfind.errors import WayfindError
from wayfind.train.pairs import Pair
from wayfind.train.quality import problem
from wayfind.train.sources.commits import committed
from wayfind.train.sources.kinds import TEXT_KINDS, Draft, sectioned
from wayfind.train.sources.tree import Definition, Tree, read_tree

_Row = TypeVar("_Row")
MOST_EQUAL = 3
"""A question that comes back more often than this with other code comes from a template."""

MOST_BROKEN = 3
"""Broken files of a source that are named."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is taken of one repository."""

    total: int = 4000
    docstring: int = 2500
    name: int = 1000
    comment: int = 1000
    section: int = 500
    test: int = 800
    commit: int = 1200
    commits: int = 4000
    """Commits read, newest first."""
    functions: int = 3
    """A commit that changed more functions gives no pair."""
    megabytes: float = 8.0
    """Code read at most, files drawn by a hash of their path."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository to be read: the folder where it lies and what is recorded with its pairs."""

    name: str
    folder: Path
    licence: str = ""
    language: str = ""
    weight: float = 1.0
    commit: str = ""
    address: str = ""
    leave_out: tuple[str, ...] = ()
    """Folders and files, relative to it, that no pair may come from."""


@dataclass(slots=True)
class Yield:
    """The pairs of a source, and how many were left out for which reason."""

    pairs: list[Pair] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    files: int = 0
    broken: list[str] = field(default_factory=list)
    """What is wrong with files, or streams, that were not read to their end; what they gave until then is kept."""

    @property
    def problem(self) -> str:
        """What is broken, for the manifest; empty where nothing is."""
        told = f"{len(self.broken)} not read to the end: " if len(self.broken) > 1 else "not read to its end: "
        return told + "; ".join(self.broken[:MOST_BROKEN]) if self.broken else ""


def read_on(files: Iterable[Iterable[_Row]], found: Yield) -> Iterator[_Row]:
    """The rows of several files, or streams; one that breaks is noted, and the next is read."""
    for rows in files:
        try:
            yield from rows
        except (WayfindError, OSError) as problem:
            found.broken.append(str(problem))


def repository_pairs(repository: Repository, kinds: Sequence[str], limits: Limits, seed: int = 0) -> Yield:
    """At most `limits.total` pairs of a repository, the same for the same tree, history, limits and seed."""
    tree = read_tree(repository.folder, int(limits.megabytes * 1_000_000), repository.leave_out)
    found = Yield(files=tree.files)
    for kind in kinds:
        drafts = _drafts(kind, tree, limits, seed)
        found.pairs += _judged(kind, drafts, getattr(limits, kind), repository, found.dropped)
    found.pairs = first(found.pairs, limits.total, seed)
    return found


def first(pairs: Iterable[Pair], most: int, seed: int) -> list[Pair]:
    """At most so many of the pairs, each once, in an order that a hash of their content gives."""
    unique = {pair.id: pair for pair in pairs}
    return [unique[key] for key in sorted(unique, key=lambda key: rank(key, seed))[:most]]


def rank(key: str, seed: int) -> bytes:
    """A place in an order drawn once for a seed."""
    return hashlib.blake2b(f"{seed}:{key}".encode("utf-8", "surrogateescape"), digest_size=8).digest()


def _drafts(kind: str, tree: Tree, limits: Limits, seed: int) -> Iterator[Draft]:
    if kind == "commit":
        return committed(tree, limits.commits, limits.functions)
    definitions = _drawn(tree.definitions, seed)
    return sectioned(_drawn(tree.sections, seed), definitions) if kind == "section" else TEXT_KINDS[kind](definitions)


def _drawn(definitions: Iterable[Definition], seed: int) -> list[Definition]:
    return sorted(definitions, key=lambda one: rank(str(one.key), seed))


def _judged(kind: str, drafts: Iterable[Draft], most: int, repository: Repository, dropped: Counter[str]) -> list[Pair]:
    """The first `most` drafts that make a pair; no question with more than `MOST_EQUAL` codes unless it is a commit's."""
    taken: list[Pair] = []
    asked: Counter[str] = Counter()
    for draft in drafts:
        if len(taken) == most:
            break
        asked[draft.query.lower()] += 1
        reason = problem(draft.query, draft.code, kind) or ("question comes back" if kind != "commit" and asked[draft.query.lower()] > MOST_EQUAL else None)
        if reason:
            dropped[f"{kind}: {reason}"] += 1
            continue
        one = draft.definition
        taken.append(
            Pair(draft.query, draft.code, one.language, kind, repository.name, repository.licence, one.path, one.symbol, repository.weight)
        )
    return taken
