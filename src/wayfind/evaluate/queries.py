"""Questions with known answers: what is asked, which places are right, and how hits are matched against them.

A query set holds the tree that must be searched with it, which is a scratch copy wherever the repository itself would give the
answer away (`from_docstrings`, `from_commits`), and counts what was left out and why.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Part = Literal["train", "gate", "report"]
PARTS: tuple[Part, ...] = ("train", "gate", "report")

WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_a-zA-Z]+")
STOP_WORDS = frozenset(
    "a an and are as at be by do does for from has have how if in is it not of on or the to was what when where which who why with".split()
)


@dataclass(frozen=True, slots=True)
class Gold:
    """One right place: a file, a symbol of a file, or lines of a file (1-based, inclusive).

    With a symbol, the lines only serve systems that return lines and no symbols.
    """

    path: str
    symbol: str | None = None
    start_line: int | None = None
    end_line: int | None = None

    def __str__(self) -> str:
        if self.symbol:
            return f"{self.path}:{self.symbol}"
        return self.path if self.start_line is None else f"{self.path}:{self.start_line}-{self.end_line}"


@dataclass(frozen=True, slots=True)
class Hit:
    """One place that a system returned. A hit without lines speaks of the whole file."""

    path: str
    start_line: int | None = None
    end_line: int | None = None
    symbol: str | None = None
    score: float = 0.0

    def covers(self, gold: Gold) -> bool:
        """Whether this hit is the place asked for: symbols are compared where both have one, else lines, else files."""
        if self.path != gold.path:
            return False
        if gold.symbol and self.symbol:
            return self.symbol == gold.symbol
        if gold.start_line is not None:
            return self.start_line is not None and self.start_line <= (gold.end_line or 0) and (self.end_line or 0) >= gold.start_line
        return not gold.symbol


@dataclass(frozen=True, slots=True)
class Query:
    """A question and the places that answer it."""

    id: str
    text: str
    kind: str
    gold: tuple[Gold, ...]
    unnamed: bool = False
    """True when no word of the question occurs in the name or the path of any gold."""


@dataclass(frozen=True, slots=True)
class QuerySet:
    """Queries of one kind and the tree to search for them."""

    kind: str
    root: Path
    queries: tuple[Query, ...]
    dropped: Counter[str] = field(default_factory=Counter)
    """Reason -> number of possible queries that were left out."""
    without_tests: bool = False
    """True when test code is to be taken out of every ranking."""
    note: str = ""
    """What was searched, or why there is no query."""
    hidden: frozenset[str] = frozenset()
    """Files taken out of every ranking: they hold the queries themselves."""


def query(kind: str, text: str, gold: Sequence[Gold]) -> Query:
    """A query with an id made of its content, and its slice."""
    gold = tuple(sorted(set(gold), key=str))
    digest = hashlib.sha256("\0".join([text, *map(str, gold)]).encode()).hexdigest()[:12]
    return Query(f"{kind}-{digest}", text, kind, gold, is_unnamed(text, gold))


def plain(text: str) -> str:
    """A held-out text without what search would read as syntax (`"phrase"`, `-word`, `path:x`): it is to be words to all systems.

    >>> plain('keep "raw" output with -verbose for path:src')
    'keep raw output with verbose for path: src'
    """
    text = re.sub(r"\b(sym|symbol|path|file|lang|language|kind):(?=\S)", r"\1: ", text.replace('"', " "))
    return " ".join(re.sub(r"(?:(?<=\s)|^)-+(?=\w)", "", text).split())


def is_test(chunk: Any) -> bool:
    """Whether a chunk is test code: by its file, or by its kind (a test block among the code that it tests)."""
    return chunk.is_test or chunk.kind == "test"


def judge(hits: Sequence[Hit], gold: Sequence[Gold]) -> list[Hashable]:
    """The hits as items for `metrics`: the gold that a hit is the first to cover, else an item that is no gold.

    A hit stands for one gold at most, of several the narrowest: a symbol before lines, few lines before many, a file last. A further hit
    on a gold already found earns nothing and uses up its rank.
    """
    items: list[Hashable] = []
    open_gold = list(gold)
    for rank, hit in enumerate(hits):
        covered = min((one for one in open_gold if hit.covers(one)), key=_width, default=None)
        if covered is not None:
            open_gold.remove(covered)
        items.append(rank if covered is None else covered)
    return items


def _width(gold: Gold) -> tuple[bool, bool, int]:
    return not gold.symbol, gold.start_line is None, (gold.end_line or 0) - (gold.start_line or 0)


def part(key: str) -> Part:
    """The third to which a file belongs, by a hash of its path alone: whole files are held out.

    `learn` trains on the first, its gate decides on the second, `eval` of a model that learned reports on the third.
    """
    return PARTS[int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % 3]


def part_of(asked: Query) -> Part:
    """The part of a query: that of the file of its first gold, in the order of their names."""
    return part(asked.gold[0].path)


def digest(text: str) -> str:
    """Sixteen hexadecimal digits that stand for a question, letter case, spacing and the stop at its end aside."""
    return hashlib.sha256(" ".join(text.lower().split()).rstrip(". ").encode("utf-8", "surrogateescape")).hexdigest()[:16]


def words(text: str) -> list[str]:
    """Lower-case words of a text, identifiers split, stop words removed, in order."""
    return [word for word in (found.lower() for found in WORD.findall(text)) if word not in STOP_WORDS]


def is_unnamed(text: str, gold: Sequence[Gold]) -> bool:
    """Whether no word of the text occurs in a gold's symbol or path; one that begins with the other counts as the same word."""
    asked = {word for word in words(text) if len(word) > 2}
    named = {word for g in gold for word in words(f"{g.path} {g.symbol or ''}")}
    return not any(_same(a, n) for a in asked for n in named)


def _same(a: str, b: str) -> bool:
    return a == b or (min(len(a), len(b)) >= 3 and (a.startswith(b) or b.startswith(a)))
