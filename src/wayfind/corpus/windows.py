"""A text without structure in, overlapping windows of 512 tokens with stride 256 out, cut at line ends.

A window is given by its lines alone, so the text that is shown, trained on and searched is the same (origin defect 8).
It refuses nothing: a line longer than a window is a window by itself.
"""

from __future__ import annotations

import re

from wayfind.types import Chunk

WINDOW = 512
"""Tokens in a window (settled in the original's documents)."""

STRIDE = 256
"""Tokens from the start of one window to the start of the next."""

_TOKEN = re.compile(r"[^\W\d]\w*|\d+|[^\w\s]")
_ASCII_TOKEN = re.compile(_TOKEN.pattern, re.ASCII)
"""Finds the same in an ASCII line, in two thirds of the time."""


def token_count(line: str) -> int:
    """Number of tokens in a line: identifiers or words, runs of digits, and single signs of punctuation.

    >>> token_count("total = price * 1.19")
    7
    """
    return len((_ASCII_TOKEN if line.isascii() else _TOKEN).findall(line))


def windows(text: str, size: int = WINDOW, first_line: int = 1) -> list[Chunk]:
    """Windows of at most `size` tokens that together hold every non-blank line of `text`, each a half after the last.

    `first_line` is the number of the text's first line in its file. A window begins and ends on a non-blank line.

    >>> [(w.start_line, w.end_line) for w in windows("a b\\nc d\\ne f\\n", size=4)]
    [(1, 2), (2, 3)]
    """
    lines = text.split("\n")
    filled = [number for number, line in enumerate(lines) if line.strip()]
    counts = [token_count(lines[number]) for number in filled]
    spans = _spans(counts, size, size * STRIDE // WINDOW)
    return [Chunk(filled[start] + first_line, filled[end] + first_line, "window") for start, end in spans]


def at_most(text: str, limit: int, first_line: int = 1) -> list[Chunk]:
    """At most `limit` windows that hold every non-blank line of `text`: larger ones where 512 tokens would be too many."""
    size = WINDOW
    while len(cut := windows(text, size, first_line)) > limit:
        size *= 2
    return cut


def _spans(counts: list[int], size: int, stride: int) -> list[tuple[int, int]]:
    """Inclusive ranges over the lines whose token counts are given."""
    spans: list[tuple[int, int]] = []
    start = 0
    while start < len(counts):
        end, total = start, counts[start]
        while end + 1 < len(counts) and total + counts[end + 1] <= size:
            end += 1
            total += counts[end]
        spans.append((start, end))
        if end + 1 == len(counts):
            break
        passed, following = 0, start
        while following <= end and passed < stride:
            passed += counts[following]
            following += 1
        start = following
    return spans
