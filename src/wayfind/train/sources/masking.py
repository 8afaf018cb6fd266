"""What would give an answer away, taken out of a definition: its documentation, its name, one comment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from wayfind.evaluate.from_docstrings import documentation_lines
from wayfind.evaluate.from_tests import own_name
from wayfind.train.quality import words
from wayfind.train.sources.tree import Definition

MASK = "_"
"""Stands for a name that was taken out."""
SHORTEST = 6
"""A name of several words and at least so many letters is also masked inside longer identifiers (`parse_header` in `parse_header_line`)."""
IDENTIFIER = re.compile(r"[^\W\d][\w$]*")
ONE_LINE_COMMENT = re.compile(r"\s*(?://|#(?!\[)|--|;|%|\(\*.*\*\)\s*$|/\*.*\*/\s*$|/--.*-/\s*$|\\\*)")


def without_documentation(definition: Definition) -> list[str] | None:
    """The lines of a definition without its documentation, None where that cannot be found as such.

    Lines that hold nothing else are gone; a definition without documentation is returned as it is.
    """
    lines = list(definition.lines)
    if not definition.docstring():
        return lines
    span = documentation_lines(lines, replace(definition.chunk, start_line=1, end_line=len(lines)))
    if span is None:
        span = _plain_span(lines, definition)
    if span is None:
        return None
    start, end = span
    return lines[: start - 1] + lines[end:]


def _plain_span(lines: Sequence[str], definition: Definition) -> tuple[int, int] | None:
    """The comment lines at the top of a definition; documentation that is written so needs no search for its words."""
    end = 0
    while end < len(lines) and ONE_LINE_COMMENT.match(lines[end]):
        end += 1
    return (1, end) if 0 < end < len(lines) else None


def masked(text: str, symbol: str) -> str:
    """The text with every occurrence of the symbol's own name masked, whatever its case and its underscores.

    >>> masked("app/parse_header.py\\nparse_header\\ndef parse_header(t): return parseHeader(t)", "parse_header")
    'app/_.py\\n_\\ndef _(t): return _(t)'
    """
    name_itself = own_name(symbol)
    key = _key(name_itself)
    within = len(key) >= SHORTEST and len(words(name_itself)) > 1

    def instead(found: re.Match[str]) -> str:
        name = _key(found[0])
        return MASK if name == key or (within and key in name) else found[0]

    return IDENTIFIER.sub(instead, text) if key else text


def _key(name: str) -> str:
    return re.sub(r"[_\W]+", "", name).lower()
