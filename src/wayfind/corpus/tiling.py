"""From definitions to pieces that tile the file: who owns each line, and how lines of nobody are gathered into blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wayfind.corpus.marks import Mark, Source
from wayfind.corpus.nesting import Definition

BLOCK_LINES = 60
"""Statements between definitions are gathered into blocks of at most this many lines."""

_CLOSERS = re.compile(
    r"(?:[\s\[\](){}<>;,.:=*/#|&+-]|@end\b|\b(?:end|endif|fi|done|esac|private|protected|public)\b)*"
    r"|\s*#\s*(?:if|ifdef|ifndef|else|elif)\b.*"
)


@dataclass(frozen=True, slots=True)
class Piece:
    """The lines of one chunk to be: rows, the definition over them (-1 for none), and what they are when not its head."""

    first: int
    last: int
    owner: int
    kind: str


def tile(source: Source, found: list[Definition]) -> list[Piece]:
    """Pieces in line order: each line goes to the innermost definition over it, lines of nobody to the head of the file and
    to blocks. Trims the ends of definitions where a comment after the body was taken for a part of it."""
    owners = _paint(source, found)
    spans = _absorbed(_spans(owners, source), source)
    last_import = _module_end(spans, source)
    pieces: list[Piece] = []
    seen: set[int] = set()
    for start, end, owner in spans:
        if owner >= 0 and owner not in seen:
            seen.add(owner)
            pieces.append(Piece(start, end, owner, ""))
        elif owner < 0 and not pieces:
            cut = last_import if start <= last_import < end and end - start >= BLOCK_LINES else end
            if end - start >= BLOCK_LINES and last_import < start:
                cut = _cut(source, start, end)
            pieces.append(Piece(start, cut, -1, "module"))
            pieces.extend(_blocks(source, cut + 1, end, owner))
        else:
            pieces.extend(_blocks(source, start, end, owner))
    return pieces


def _paint(source: Source, found: list[Definition]) -> list[int]:
    """For every row the definition that it belongs to, -1 for none. Scopes that are not chunks leave rows as they are."""
    owners = [-1] * len(source.rows)
    standalone = {mark.last: mark.first for mark in source.comments if mark.alone}
    row_of_last: dict[int, int] = {}
    for index, one in enumerate(found):
        if one.role == "package" or (one.role == "module" and one.types and not one.functions):
            continue
        while one.last in standalone and standalone[one.last] > one.first:  # A comment after the body is not of it.
            one.last = standalone[one.last] - 1
        before = row_of_last.get(one.parent, -1)
        start = max(one.lead, before + 1) if one.first > before else max(one.first, min(before + 1, one.last))
        owners[start : one.last + 1] = [index] * (one.last + 1 - start)
        row_of_last[one.parent] = max(one.last, before)
    if source.syntax.doc_below:
        _paint_docs_below(source, owners)
    return owners


def _paint_docs_below(source: Source, owners: list[int]) -> None:
    """OCaml: a documentation comment directly under a definition, with a blank line after it, is the definition's."""
    for mark in source.comments:
        if not (mark.alone and mark.first > 0 and source.code.startswith(b"(**", mark.start) and owners[mark.first] == -1):
            continue
        if (above := owners[mark.first - 1]) >= 0 and (mark.last + 1 == len(source.rows) or not source.rows[mark.last + 1].strip()):
            owners[mark.first : mark.last + 1] = [above] * (mark.last + 1 - mark.first)


def _spans(owners: list[int], source: Source) -> list[tuple[int, int, int]]:
    """Runs of rows with one owner, without blank rows at their ends; runs of blank rows only are left out."""
    spans: list[tuple[int, int, int]] = []
    for row, (owner, line) in enumerate(zip(owners, source.rows)):
        if not line or line.isspace():
            continue
        if spans and spans[-1][2] == owner and owners[spans[-1][1] + 1 : row].count(owner) == row - spans[-1][1] - 1:
            spans[-1] = (spans[-1][0], row, owner)
        else:
            spans.append((row, row, owner))
    return spans


def _absorbed(spans: list[tuple[int, int, int]], source: Source) -> list[tuple[int, int, int]]:
    """Spans without those that would say nothing alone. Rows that only close something (`}`, `end`, `#endif`) and section
    rulers go to the span before them, one row of nobody that opens something (`describe("x", () => {`) to the one after."""
    trailing = {row for mark in source.trails for row in range(mark.first, mark.last + 1)}
    rulers = {mark.first: mark for mark in source.comments if mark.first == mark.last}
    closers = {row: mark for row, mark in rulers.items() if not mark.alone}
    joined: list[tuple[int, int, int]] = []
    opened: set[int] = set()
    for start, end, owner in spans:
        head = owner >= 0 and owner not in opened
        opened.add(owner)
        if joined and not head:
            ruler = end - start < 8 and all(_closes(row, source, rulers, trailing) for row in range(start, end + 1))
            rest = end + 1 if ruler else start
            while rest <= end and _closes(rest, source, closers, trailing):
                rest += 1
            if rest > start:
                last = next(row for row in range(rest - 1, start - 1, -1) if source.rows[row].strip())
                joined[-1] = (joined[-1][0], last, joined[-1][2])
            if rest > end:
                continue
            start = rest
            if joined[-1][2] == owner:
                joined[-1] = (joined[-1][0], end, owner)
                continue
        joined.append((start, end, owner))
    return _opened(joined, source)


def _opened(spans: list[tuple[int, int, int]], source: Source) -> list[tuple[int, int, int]]:
    """Spans, where the last row of nobody that opens a definition's surroundings begins that definition's span."""
    joined: list[tuple[int, int, int]] = []
    for start, end, owner in spans:
        if joined and owner >= 0 > joined[-1][2]:
            first, last, _ = joined[-1]
            if first == last > 0 and source.rows[last].rstrip().endswith((b"{", b"(", b" do")):
                joined.pop()
                start = first
        joined.append((start, end, owner))
    return joined


def _closes(row: int, source: Source, commented: dict[int, Mark], trailing: set[int]) -> bool:
    line = source.rows[row]
    if row in trailing:
        return True
    if row in commented:
        line = line.replace(source.code[commented[row].start : commented[row].end].split(b"\n")[0], b"")
    return len(line) < 200 and bool(_CLOSERS.fullmatch(line.decode("utf-8", "replace")))


def _module_end(spans: list[tuple[int, int, int]], source: Source) -> int:
    """The last row of the imports at the head of the file, -1 without any: gaps of up to 15 rows are bridged."""
    if not spans or spans[0][2] >= 0:
        return -1
    last = -1
    for mark in source.imports:
        if mark.last > spans[0][1] or (last >= 0 and mark.first - last > 15):
            break
        last = max(last, mark.last)
    return last


def _blocks(source: Source, start: int, end: int, owner: int) -> list[Piece]:
    """Rows cut into pieces of at most `BLOCK_LINES`, without blank rows at their ends."""
    pieces = []
    while start <= end:
        if not source.rows[start].strip():
            start += 1
            continue
        cut = _cut(source, start, end)
        last = cut
        while not source.rows[last].strip():
            last -= 1
        pieces.append(Piece(start, last, owner, "block"))
        start = cut + 1
    return pieces


def _cut(source: Source, start: int, end: int) -> int:
    """The best last row of a piece: before the least indented row, after a blank one, as late as possible."""
    if end - start < BLOCK_LINES:
        return end

    def rank(row: int) -> tuple[int, bool, int]:
        line = source.rows[row + 1]
        indent = len(line) - len(line.lstrip()) if line.strip() else 1000
        return (-indent, not source.rows[row].strip(), row)

    return max(range(start + BLOCK_LINES // 3, start + BLOCK_LINES), key=rank)
