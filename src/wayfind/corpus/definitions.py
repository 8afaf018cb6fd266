"""From the text of a code file to its chunks: functions, heads of classes, tests, constants, and what lies between.

Chunks tile the file: every line with a character other than white space lies in exactly one. What is taken for code comes
from syntax nodes alone, so a string that looks like code or a comment is neither. A file with syntax errors is chunked as
far as its tree goes, and said so. Text of a language without a grammar becomes blocks.
"""

from __future__ import annotations

import logging
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from wayfind.corpus.comments import clean_comment, is_empty, is_licence, paragraphs
from wayfind.corpus.marks import Mark, Source, read_marks
from wayfind.corpus.nesting import LEAVES, Definition, find_definitions
from wayfind.corpus.parsing import parse
from wayfind.corpus.references import references
from wayfind.corpus.syntax import Syntax
from wayfind.corpus.syntaxes import SYNTAXES
from wayfind.corpus.tiling import Piece, tile
from wayfind.types import Chunk, Reference

log = logging.getLogger(__name__)

SIGNATURE_CHARACTERS = 300
MOST_CALLS = 60
MOST_IMPORTS = 100

_Item = TypeVar("_Item")
_KINDS = {"impl": "block", "module": "class", "object": "block", "declaration": "function"}


@dataclass(frozen=True, slots=True)
class Cut:
    """A code file, cut: chunks in line order, problems (`syntax-errors`, `too-deep`, `timeout`, `no-grammar`), and what the
    chunks refer to."""

    chunks: list[Chunk]
    problems: list[str]
    references: tuple[Reference, ...] = ()


def definitions(text: str, language: str) -> tuple[list[Chunk], list[str]]:
    """The chunks of a file in line order, and its problems.

        >>> chunks, problems = definitions("import os\\n\\ndef cwd():\\n    return os.getcwd()\\n", "python")
        >>> [(chunk.kind, chunk.symbol, chunk.start_line, chunk.end_line) for chunk in chunks]
        [('module', None, 1, 1), ('function', 'cwd', 3, 4)]
    """
    made = cut(text, language)
    return made.chunks, made.problems


def cut(text: str, language: str) -> Cut:
    """Cut a code file."""
    if not text.strip():
        return Cut([], [])
    code = text.encode("utf-8", "replace")
    rows = code.split(b"\n")
    root, language, problems = parse(code, language)
    source = Source(code, rows, SYNTAXES[language] if root is not None else Syntax("", ""))
    found: list[Definition] = []
    if root is not None:
        read_marks(root, language, source)
        found = find_definitions(root, language, source)
    return Cut(_chunks(source, found, tile(source, found)), problems, _references(source, found, language) if root is not None else ())


def _references(source: Source, found: list[Definition], language: str) -> tuple[Reference, ...]:
    """What the chunks refer to; an odd text that breaks their reading costs its references alone."""
    try:
        return references(source, found, language)
    except Exception:  # noqa: BLE001  one bad file must not stop an index
        log.warning("reading the references of a %s text failed", language, exc_info=True)
        return ()


def _chunks(source: Source, found: list[Definition], pieces: list[Piece]) -> list[Chunk]:
    comments = _spread(source.comments, lambda mark: mark.first, pieces)
    calls = _spread(source.calls, lambda call: call[0], pieces)
    names = _spread(source.imported, lambda name: name[0], pieces)
    docs = _spread(source.docs, lambda doc: doc[0], pieces)
    chunks = []
    for number, piece in enumerate(pieces):
        one = found[piece.owner] if piece.owner >= 0 else None
        docstring, inside = _words(source, piece, one, comments[number], [text for _, text in docs[number]])
        head = one is not None and not piece.kind
        leaf = head and one.role in LEAVES
        imports = () if leaf else dict.fromkeys(name for _, name in names[number])
        chunks.append(
            Chunk(
                start_line=piece.first + 1,
                end_line=piece.last + 1,
                kind=_kind(one) if head else piece.kind,
                symbol=(one.symbol or None) if one is not None else None,
                signature=_signature(source, one) if head else "",
                docstring=docstring,
                comments="\n".join(filter(None, inside)),
                calls=_calls(source, one if leaf else None, calls[number]),
                imports=tuple(imports)[:MOST_IMPORTS],
            )
        )
    return chunks


def _spread(items: Iterable[_Item], row_of: Callable[[_Item], int], pieces: list[Piece]) -> list[list[_Item]]:
    """For every piece the items whose row lies in it or after it, before the next."""
    starts = [piece.first for piece in pieces]
    lists: list[list[_Item]] = [[] for _ in pieces]
    for item in items:
        if (place := bisect_right(starts, row_of(item)) - 1) >= 0:
            lists[place].append(item)
    return lists


def _kind(one: Definition) -> str:
    if one.role in ("function", "declaration"):
        return "method" if "." in one.symbol else "function"
    return _KINDS.get(one.role, one.role)


def _calls(source: Source, leaf: Definition | None, calls: list[tuple[int, int, str]]) -> tuple[str, ...]:
    """Names called, without the language's own words and, in a function, without those of its header."""
    start, until = (leaf.start, leaf.until) if leaf is not None else (0, 0)
    skipped = source.syntax.not_calls
    called = dict.fromkeys(name for _, at, name in calls if name and name not in skipped and not start <= at < until)
    return tuple(called)[:MOST_CALLS]


def _signature(source: Source, one: Definition) -> str:
    """The header on one line: from the first keyword to the body, without attributes and comments."""
    cuts = sorted(
        (mark.start, mark.end)
        for marks in (source.leads, source.comments)
        for mark in marks[bisect_right(marks, one.begin - 1, key=lambda mark: mark.start) :][:20]
        if mark.end <= one.until
    )
    parts, at = [], one.begin
    for start, end in cuts:
        parts.append(source.text(at, max(at, start)))
        at = max(at, end)
    parts.append(source.text(at, min(one.until, at + 2000)))
    header = " ".join(" ".join(parts).split())
    return re.sub(r"(?:\s*(?:[:={;,]|=>|->|\bdo|\bwhere))+$", "", header)[:SIGNATURE_CHARACTERS].rstrip()


# Words.


def _words(source: Source, piece: Piece, one: Definition | None, comments: list[Mark], docs: list[str]) -> tuple[str, list[str]]:
    """Documentation and comments of a piece."""
    if piece.kind == "module":
        return _module_words(source, piece, comments, docs)
    if one is None or piece.kind:
        return next(iter(docs), ""), _lines(source, comments)
    above = [mark for mark in comments if mark.last < one.first]
    below = [mark for mark in comments if source.syntax.doc_below and mark.first > one.last]
    lead = _lines(source, above)
    docstring = one.doc or next(iter(docs), "") or "\n".join(lead)
    if not docstring and below:
        docstring, above = "\n".join(_lines(source, below[:1])), [*above, *below]
    extra = lead if docstring != "\n".join(lead) else []
    return docstring, extra + _lines(source, [mark for mark in comments if mark not in above])


def _module_words(source: Source, piece: Piece, comments: list[Mark], docs: list[str]) -> tuple[str, list[str]]:
    """The documentation of a file: its first string, or the first comment before any code that is no licence."""
    if docs:
        return docs[0], _lines(source, comments)
    row = piece.first
    for group in _groups(source, comments):
        between = b"".join(source.rows[row : group[0].first]).strip()
        if between and not between.startswith((b"#!", b"<?", b"{-#", b"package", b"module")):
            break
        row = group[-1].last + 1
        if lines := _lines(source, group):
            return "\n".join(lines), _lines(source, [mark for mark in comments if mark not in group])
    return "", _lines(source, comments)


def _groups(source: Source, comments: list[Mark]) -> list[list[Mark]]:
    """Comments that stand directly under each other, together; without the shebang."""
    groups: list[list[Mark]] = []
    for mark in comments:
        if source.code.startswith(b"#!", mark.start) or not mark.alone:
            continue
        if groups and mark.first == groups[-1][-1].last + 1:
            groups[-1].append(mark)
        else:
            groups.append([mark])
    return groups


def _lines(source: Source, marks: list[Mark]) -> list[str]:
    """The words of comments, one line each, empty ones between paragraphs; licences and the shebang say nothing about the code."""
    lines: list[str] = []
    last, licence = -2, False
    for mark in marks:
        text = source.text(mark.start, mark.end)
        licence = is_licence(text) or (licence and mark.first == last + 1)
        last = mark.last
        if not licence and not text.startswith("#!"):
            lines.extend([""] if is_empty(text) else clean_comment(text, source.syntax.xml_docs))
    return paragraphs(lines)
