"""Chunks that hold the query word for word: an error message, a log line, a heading, pasted code. There a literal search is
the better tool."""

from __future__ import annotations

import numpy as np

from wayfind.index.snapshot import Snapshot
from wayfind.search.lexical import Lexical
from wayfind.search.query import Query

FEWEST_WORDS = 3
"""Shorter queries stand word for word in many places by chance."""
MOST_READ = 12
"""Chunks whose text is read: the best of those that hold every term. Reading one takes up to a millisecond."""


def literal(snapshot: Snapshot, query: Query, lexical: Lexical, allowed: np.ndarray | None) -> dict[int, int]:
    """Chunk -> line of the first place that holds the whole query, letter case and white space aside."""
    wanted = " ".join(query.text.lower().split())
    if len(wanted.split()) < FEWEST_WORDS or lexical.missing:
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
