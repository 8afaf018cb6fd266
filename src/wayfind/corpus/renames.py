"""Two versions of a file in, the definitions that only changed their names out, so that their past can follow them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping

from wayfind.types import Chunk, FileRecord

ALIKE = 0.6
"""Share of two texts' lines that must be the same for one to be the other, renamed and edited."""
FEWEST_LINES = 2
"""Lines that they must have in common."""
MOST_COMPARED = 2_500
"""Pairs of texts of one file that are compared at most; a file of which so much is new was written anew."""

_STEP = re.compile(r"\W+")
_WORD = re.compile(r"\w")


def renamed(before: FileRecord, after: FileRecord) -> dict[str, str]:
    """Symbol before -> symbol after, of definitions that are gone and whose text stands there again under a new symbol.

    The names themselves do not count. Of several with one text those are told apart whose last name stayed (the methods
    of a renamed class); the others are left out. Then those whose text changed too: the two must be each other's nearest
    and have most of their lines in common (`ALIKE`).

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
    gone = {symbol: then[symbol] for symbol in then.keys() - now.keys() - found.keys()}
    new = {symbol: now[symbol] for symbol in now.keys() - then.keys() - set(found.values())}
    return found | _edited(_by_lines(before, gone), _by_lines(after, new))


def _edited(gone: Mapping[str, Counter[str]], new: Mapping[str, Counter[str]]) -> dict[str, str]:
    """Symbol before -> symbol after, of texts that are each other's nearest, and near."""
    if not 0 < len(gone) * len(new) <= MOST_COMPARED:
        return {}
    shared = {(old, now): (gone[old] & new[now]).total() for old in gone for now in new}
    near = {pair: 2 * lines / (gone[pair[0]].total() + new[pair[1]].total()) for pair, lines in shared.items() if lines >= FEWEST_LINES}

    def nearest(side: int, symbol: str) -> tuple[str, str] | None:
        """The one pair of a symbol that is nearer than all its others."""
        own = sorted((pair for pair in near if pair[side] == symbol), key=lambda pair: -near[pair])
        return own[0] if own and (len(own) == 1 or near[own[0]] > near[own[1]]) else None

    return {old: now for (old, now), share in near.items() if share >= ALIKE and nearest(0, old) == nearest(1, now) == (old, now)}


def _by_lines(record: FileRecord, definitions: Mapping[str, list[Chunk]]) -> dict[str, Counter[str]]:
    """The lines of each symbol's text that hold a word, without the names of the symbol, and how often each stands there."""
    lines: dict[str, Counter[str]] = {}
    for symbol, chunks in definitions.items():
        own = _own_name(symbol)
        text = "\n".join(record.lines(chunk.start_line, chunk.end_line) for chunk in chunks)
        written = (" ".join((own.sub("\0", line) if own else line).split()) for line in text.split("\n"))
        lines[symbol] = Counter(line for line in written if _WORD.search(line))
    return lines


def _own_name(symbol: str) -> re.Pattern[str] | None:
    """What finds the names that a symbol is made of."""
    names = [name for name in _STEP.split(symbol) if name]
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, names))})(?!\w)") if names else None


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
        own = _own_name(symbol)
        text = "\n".join(record.lines(chunk.start_line, chunk.end_line) for chunk in chunks)
        body = own.sub("\0", text) if own else text
        bodies[f"{names[-1] if named and names else ''}\0{body}"].append(symbol)
    return bodies
