"""Two versions of a file in, the definitions that only changed their names out, so that their past can follow them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

from wayfind.types import Chunk, FileRecord

_STEP = re.compile(r"\W+")


def renamed(before: FileRecord, after: FileRecord) -> dict[str, str]:
    """Symbol before -> symbol after, of definitions that are gone and whose text stands there again under a new symbol.

    The names themselves do not count. Of several with one text those are told apart whose last name stayed (the methods
    of a renamed class); the others are left out.

    >>> old, new = (FileRecord("python", f"def {name}(): run()", (Chunk(1, 1, "function", name),)) for name in "ab")
    >>> renamed(old, new)
    {'a': 'b'}
    """
    then, now = _definitions(before), _definitions(after)
    found: dict[str, str] = {}
    for named in (True, False):
        gone = _by_body(before, {symbol: then[symbol] for symbol in then.keys() - now.keys() - found.keys()}, named)
        new = _by_body(after, {symbol: now[symbol] for symbol in now.keys() - then.keys() - set(found.values())}, named)
        found |= {gone[body][0]: new[body][0] for body in gone.keys() & new.keys() if len(gone[body]) == len(new[body]) == 1}
    return found


def _definitions(record: FileRecord) -> dict[str, list[Chunk]]:
    chunks: dict[str, list[Chunk]] = defaultdict(list)
    for chunk in record.chunks:
        if chunk.symbol:
            chunks[chunk.symbol].append(chunk)
    return chunks


def _by_body(record: FileRecord, definitions: Mapping[str, list[Chunk]], named: bool) -> dict[str, list[str]]:
    """The symbols by their texts without the names of the symbol, or by these and the last name."""
    bodies: dict[str, list[str]] = defaultdict(list)
    for symbol, chunks in definitions.items():
        names = [name for name in _STEP.split(symbol) if name]
        own = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, names))})(?!\w)") if names else None
        text = "\n".join(record.lines(chunk.start_line, chunk.end_line) for chunk in chunks)
        body = own.sub("\0", text) if own else text
        bodies[f"{names[-1] if named and names else ''}\0{body}"].append(symbol)
    return bodies
