"""Chunks that hold the query word for word: an error message, a log line, a heading, pasted code. There a literal search is
the better tool."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from wayfind.index.snapshot import Snapshot
from wayfind.search.lexical import Lexical
from wayfind.search.query import Query
from wayfind.search.searcher import Searcher

FEWEST_WORDS = 3
"""Shorter queries stand word for word in many places by chance."""
MOST_READ = 32
"""Chunks whose text is read: the best of those that hold every term. A message of common words (`error sending request`) stands among many
that hold them all."""

SOLE = 4.0
"""`literal` of the only chunk that holds the query word for word: enough to come first."""


def literal(snapshot: Snapshot, query: Query, lexical: Lexical, allowed: np.ndarray | None, fewest: int = FEWEST_WORDS) -> dict[int, int]:
    """Chunk -> line of the first place that holds the whole query, of so many words or more, letter case and white space aside."""
    wanted = " ".join(query.text.lower().split())
    if len(wanted.split()) < fewest or lexical.missing:
        return {}
    holding = lexical.covered > 1 - 1e-9
    if allowed is not None:
        holding &= allowed
    chunks = np.flatnonzero(holding)
    best = chunks[np.argsort(-lexical.chunk[chunks], kind="stable")[:MOST_READ]]
    found = {}
    for chunk in best.tolist():
        at = _line(snapshot.chunk(chunk)[1], wanted)
        if at is not None:
            found[chunk] = int(snapshot.start[chunk]) + at
    return found


def sole(searcher: Searcher, exact: Mapping[int, int]) -> list[int]:
    """The one chunk of code outside tests that holds the query word for word, if no other chunk does."""
    files = searcher.snapshot.file[list(exact)] if len(exact) == 1 else np.zeros(0, np.int64)
    aside = searcher.is_test[files] | searcher.is_prose[files] | searcher.is_example[files]
    return [] if aside.any() else [*exact] if len(files) else []


def _line(text: str, wanted: str) -> int | None:
    """Offset of the line on which `wanted` begins, white space folded."""
    if wanted not in " ".join(text.lower().split()):
        return None
    lines = [" ".join(line.lower().split()) for line in text.split("\n")]
    whole = " ".join(line for line in lines if line)
    at = whole.find(wanted)
    if at < 0:
        return None
    for number, line in enumerate(lines):
        if line:
            if at < len(line):
                return number
            at -= len(line) + 1
    return None
