"""What a command asks and what it prints, as data: the same whether this process answers or a resident one.

All that depends on the caller's folder, terminal and environment is settled before: roots are absolute, files are relative to
their root. Nothing heavy is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Shape:
    """How an answer is to be printed."""

    form: Literal["text", "json", "jsonl", "paths"] = "text"
    prefix: str = ""
    """What to put before a path to reach it from the caller's folder."""
    color: bool = False
    terminal: bool = False
    """Whether paths are for a terminal, which must not obey them, or byte for byte for a program."""
    signals: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One command that answers."""

    do: Literal["search", "explain", "related", "status"]
    roots: tuple[str, ...]
    text: str = ""
    """The query; FILE:LINE as it was written."""
    file: str = ""
    line: int = 1
    k: int = 10
    languages: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    regex: str = ""
    explain: str = "auto"
    max_tokens: int | None = None
    level: str = ""
    graph: bool = False
    groups: tuple[str, ...] = ()
    """What `related` is asked for; everything where it is empty."""
    refresh: bool = True
    coverage: bool = False
    shape: Shape = Shape()

    def as_fields(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_fields(cls, given: Mapping[str, Any]) -> Request:
        """The request that `as_fields` made. Raises TypeError for fields that it does not have."""
        known = {field.name for field in fields(cls)} - {"shape"}
        plain = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items() if name in known}
        return cls(**plain, shape=Shape(**given["shape"]))


@dataclass(frozen=True, slots=True)
class Printed:
    """What a command prints, and its exit code."""

    rows: tuple[str, ...]
    code: int
    notes: tuple[str, ...] = ()
    """Lines for standard error."""
    raw: bool = False
    """Rows are paths, to be written byte for byte."""
