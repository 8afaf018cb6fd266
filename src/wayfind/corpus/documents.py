"""A document in, chunks of kind `section` that tile it out: Markdown, reStructuredText, text in that manner, notebooks.

A section reaches from its heading to the next heading of any level; its symbol is the path of headings
(`Install > From source`), its signature the heading's line, its docstring the first paragraph of prose. A text without
any heading is no document: the result is empty and the caller takes windows. Configuration files go to `entries`.
"""

from __future__ import annotations

import json
import re
import string
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from wayfind.corpus.entries import READERS, Malformed, entries, json_keys
from wayfind.types import Chunk

PART = 120
"""Lines in a section from which it is split, at blank lines, into parts that keep its symbol."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place where a section starts. Level 0 is a piece without heading of its own; it keeps the path above it."""

    line: int
    level: int
    title: str = ""
    signature: str = ""
    body: int = 0
    """First line below the heading."""
    prose: str | None = None
    """What the section says, where the lines themselves do not show it."""
    closes: int = 0
    """A piece of level 0 ends the sections from this level on; 0 ends none."""


def sections(text: str, language: str) -> list[Chunk]:
    """Chunks of a document or configuration text; each non-blank line lies in exactly one, or there are none at all.

    Languages: markdown, rst, text, json (notebooks too), yaml, toml, ini, dotenv; for others, and for text without a
    heading, the result is empty. Raises `Malformed` where the text is not of the language.

    >>> [(s.symbol, s.start_line, s.end_line) for s in sections("# Install\\n\\nRun.\\n\\n## Source\\nMake.", "markdown")]
    [('Install', 1, 3), ('Install > Source', 5, 6)]
    """
    is_notebook = language == "json" and '"nbformat"' in text and '"cells"' in text
    if language in READERS and not is_notebook:
        return entries(text, language)
    marks = notebook_marks if is_notebook else MARKS.get(language)
    if marks is None:
        return []
    lines = text.split("\n")
    found = marks(lines)
    return _sections(lines, found) if found else []


def _sections(lines: Sequence[str], marks: Sequence[Mark]) -> list[Chunk]:
    """Cut the lines at the marks and name each piece by the headings above it."""
    if marks[0].line > 1:
        marks = [Mark(1, 0, body=1), *marks]
    chunks: list[Chunk] = []
    above: list[Mark] = []
    ends = [mark.line - 1 for mark in marks[1:]] + [len(lines)]
    for mark, end in zip(marks, ends, strict=True):
        if level := mark.level or mark.closes:
            above = [one for one in above if one.level < level] + [mark] * bool(mark.level)
        symbol = _symbol(above)
        signature = mark.signature or (above[-1].signature if above else "")
        prose = first_paragraph(lines[max(mark.body, mark.line) - 1 : end]) if mark.prose is None else mark.prose
        whole = Chunk(mark.line, end, "section", symbol, signature, prose)
        chunks += _split(whole, lines)
    return chunks


def _symbol(above: Sequence[Mark]) -> str | None:
    """The path of headings, or the dotted name of the object described."""
    names = [mark.title for mark in above if mark.level >= OBJECT_LEVEL]
    if not names:
        return " > ".join(mark.title for mark in above if mark.title) or None
    dotted = names[0]
    for name in names[1:]:
        dotted = name if name.startswith(f"{dotted}.") else f"{dotted}.{name}"
    return dotted


def _split(chunk: Chunk, lines: Sequence[str]) -> Iterator[Chunk]:
    """The chunk without blank ends, in parts of at most `PART` lines; a later part has its own first paragraph."""
    start, end = _without_blank_ends(lines, chunk.start_line, chunk.end_line)
    while end - start >= PART:
        cut = _blank_line(lines, start, end)
        yield replace(chunk, start_line=start, end_line=_without_blank_ends(lines, start, cut)[1])
        chunk = replace(chunk, docstring=first_paragraph(lines[cut:end]))
        start, end = _without_blank_ends(lines, cut + 1, end)
    if start <= end:
        yield replace(chunk, start_line=start, end_line=end)


def _without_blank_ends(lines: Sequence[str], start: int, end: int) -> tuple[int, int]:
    while start <= end and not lines[start - 1].strip():
        start += 1
    while end >= start and not lines[end - 1].strip():
        end -= 1
    return start, end


def _blank_line(lines: Sequence[str], start: int, end: int) -> int:
    """The last blank line in the second half of the part that begins at `start`, outside fences if there is one."""
    blank, fenced_blank, fence = 0, 0, ""
    for number in range(start, min(start + PART, end) + 1):
        line = lines[number - 1]
        fence = _fence_after(line, fence)
        if number > start + PART // 2 and not line.strip():
            if fence:
                fenced_blank = number
            else:
                blank = number
    return blank or fenced_blank or start + PART - 1


# Markdown --------------------------------------------------------------------------------------------------------------

_ATX = re.compile(r" {0,3}(#{1,6})(?=[ \t]|$)")
_SETEXT = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_FENCE = re.compile(r"[ \t>*+-]*(`{3,}|~{3,})([^`]*)$")
_NOT_TITLE = re.compile(r"\s*(?:[-*+>|]|\d+[.)]\s|```|~~~|<|$)| {4}|\t")


def markdown_marks(lines: Sequence[str]) -> list[Mark]:
    """ATX and setext headings outside fenced code and comments, and the front matter."""
    marks = _front_matter(lines)
    first = marks[-1].line if len(marks) > 1 else 1
    fence, comment = "", False
    for number in range(first, len(lines) + 1):
        line = lines[number - 1]
        fence_before, fence = fence, _fence_after(line, fence)
        if fence_before or fence:
            continue
        comment_before, comment = comment, _comment_after(line, comment)
        if comment_before:
            continue
        if heading := _ATX.match(line):
            marks.append(Mark(number, len(heading.group(1)), _title(line, heading), line.strip(), number + 1))
        elif number < len(lines) and (under := _SETEXT.match(lines[number])) and not _NOT_TITLE.match(line):
            before = lines[number - 2] if number > first else ""
            if not before.strip() or _ATX.match(before):
                level = 1 if under.group(1)[0] == "=" else 2
                marks.append(Mark(number, level, plain(line), line.strip(), number + 2))
    return [] if len(marks) == 1 and marks[0].level == 0 else marks


def _title(line: str, heading: re.Match[str]) -> str:
    """The title of an ATX heading, without the `#` that may close it."""
    title = line[heading.end() :].strip(" \t")
    open_ = title.rstrip("#")
    return plain(open_.rstrip(" \t") if open_.endswith((" ", "\t")) else title)


def _front_matter(lines: Sequence[str]) -> list[Mark]:
    """The marks of a `---` or `+++` block at the top and of what follows it."""
    if lines[0].rstrip() not in ("---", "+++"):
        return []
    for number in range(1, len(lines)):
        if lines[number].rstrip() == lines[0].rstrip():
            fields = dict(re.findall(r"(?m)^(\w+)\s*[:=]\s*[\"']?(.*)$", "\n".join(lines[1:number])))
            title, description = (re.sub(r"[\"']$", "", fields.get(name, "").rstrip()) for name in ("title", "description"))
            title = plain(title)
            head = Mark(
                1,
                1 if title else 0,
                title,
                f"title: {title}" if title else "front matter",
                2,
                description,
            )
            return (
                [replace(head, level=1), Mark(number + 2, 0, body=number + 2)]
                if title
                else [head, Mark(number + 2, 0, body=number + 2)]
            )
    return []


def _fence_after(line: str, fence: str) -> str:
    """The fence that is open after `line`, given the one open before it; empty when none is."""
    found = _FENCE.match(line)
    if found is None:
        return fence
    run, info = found.group(1), found.group(2).strip()
    if not fence:
        return run
    closes = run[0] == fence[0] and len(run) >= len(fence) and not info
    return "" if closes else fence


def _comment_after(line: str, open_before: bool) -> bool:
    """Whether an HTML comment is open after `line`."""
    start = line.rfind("<!--")
    end = line.rfind("-->")
    return end < 0 if start < 0 and open_before else start > end


# reStructuredText ------------------------------------------------------------------------------------------------------

_RULE = re.compile(r"([!-/:-@\[-`{-~])\1+\s*$")
_RULED = frozenset(string.punctuation)
_OBJECT = re.compile(
    r"(\s*)\.\. (?:[\w-]+:)?(?:auto)?(function|class|method|attribute|data|exception|classmethod|staticmethod|property|decorator|"
    r"decoratormethod|type|macro|struct|enum|envvar|confval|describe|module|option|signal|fixture|hook|django-admin|"
    r"templatetag|templatefilter|fieldlookup|setting|directive|role|program|object|macro|var|member|cmdoption)::\s*(\S.*)$"
)
_MARKERS = frozenset({"module", "setting", "templatetag", "templatefilter", "fieldlookup", "program", "django-admin"})
"""Directives that without a body are labels of the heading near them."""

_LABEL = re.compile(
    rf"\.\. (?:_[^:]+:|(?:[\w-]+:)?(?:{'|'.join(sorted(_MARKERS))}|index|currentmodule|highlight)::.*)\s*$|\.\.\s*$"
)


def rst_marks(lines: Sequence[str]) -> list[Mark]:
    """Underlined and overlined headings, and the directives that describe one object (`.. function:: name`)."""
    marks: list[Mark] = []
    styles: list[str] = []
    is_rule = [line[:1] in _RULED and _RULE.match(line) is not None for line in lines] + [False]
    number = 1
    while number <= len(lines):
        heading = _rst_heading(lines, number) if is_rule[number - 1] or is_rule[number] else None
        if heading is None:
            if ".. " in lines[number - 1]:
                marks += _rst_object(lines, number, marks)
            number += 1
            continue
        style, title, below = heading
        if style not in styles:
            styles.append(style)
        marks.append(Mark(_labels_above(lines, number, marks), styles.index(style) + 1, plain(title), title, below))
        number = below
    return list(_settle(marks)) if styles else []


def text_marks(lines: Sequence[str]) -> list[Mark]:
    """Marks of a plain text that is written like reStructuredText (two underlined headings or one at the top)."""
    marks = rst_marks(lines)
    headings = [mark for mark in marks if 0 < mark.level < OBJECT_LEVEL]
    return marks if len(headings) > 1 or headings and headings[0].line <= 5 else []


def _rst_heading(lines: Sequence[str], number: int) -> tuple[str, str, int] | None:
    """Style, title and first line below of a heading that begins on line `number`."""
    line = lines[number - 1].rstrip()
    following = [lines[at].rstrip() if at < len(lines) else "" for at in (number, number + 1)]
    if _RULE.match(line):
        title, under = following
        is_heading = title.strip() and under == line and len(line) >= len(title) and not _RULE.match(title)
        return (line[0] * 2, title.strip(), number + 3) if is_heading else None
    under = following[0]
    if not line or line[0].isspace() or not _RULE.match(under) or len(under) < max(2, len(line) - 2):
        return None
    if number > 1 and lines[number - 2].strip() and not _LABEL.match(lines[number - 2]):
        return None
    return under[0], line, number + 2


OBJECT_LEVEL = 100
"""Levels of directives lie below those of every heading; nested ones are deeper by their indentation."""


def _rst_object(lines: Sequence[str], number: int, marks: list[Mark]) -> list[Mark]:
    """The marks for a directive that describes an object, and for what follows its body."""
    found = _OBJECT.match(lines[number - 1])
    if found is None:
        return []
    indent, role, signature = len(found.group(1)), found.group(2), found.group(3).strip()
    following = next(
        (at for at in range(number + 1, len(lines) + 1) if _indent(lines[at - 1]) <= indent), len(lines) + 1
    )
    body = any(lines[at - 1].strip() and not lines[at - 2].strip() for at in range(number + 2, following))
    if not body and role in _MARKERS:
        return []
    name = object_name(signature)
    first = _heading_of(name, lines, number, marks)
    mark = Mark(first, OBJECT_LEVEL + indent, name, lines[number - 1].strip(), number + 1)
    after = Mark(following, 0, body=following, closes=OBJECT_LEVEL + indent)
    return [mark, after] if body and following <= len(lines) else [mark]


def _indent(line: str) -> float:
    return len(line) - len(line.lstrip()) if line.strip() else float("inf")


def _heading_of(name: str, lines: Sequence[str], number: int, marks: Sequence[Mark]) -> int:
    """The line of the heading right above that only repeats the object's name, else the directive's own line."""
    last = marks[-1] if marks else None
    if last is None or not 0 < last.level < OBJECT_LEVEL or name.rpartition(".")[2] not in last.title:
        return number
    between = lines[last.body - 1 : number - 1]
    return number if any(line.strip() and not _LABEL.match(line) for line in between) else last.line


def object_name(signature: str) -> str:
    """The dotted name in a directive's argument.

    >>> object_name("QuerySet.filter(*args, **kwargs)")
    'QuerySet.filter'
    >>> object_name("async with open_url(url)")
    'open_url'
    """
    head = re.split(r"[(\[{=]|\s->|\s:", signature, maxsplit=1)[0].strip()
    words = head.split()
    return plain(words[-1]) if words and not head.startswith("-") else head or signature


def _settle(marks: Sequence[Mark]) -> Iterator[Mark]:
    """The marks in order of lines, without the pieces after a body that would start where or after another section does."""
    started = 0
    taken = {mark.line for mark in marks if mark.level}
    for mark in sorted(marks, key=lambda mark: mark.line):
        if mark.level or mark.line not in taken and mark.line > started:
            started = mark.line
            yield mark


def _labels_above(lines: Sequence[str], number: int, marks: Sequence[Mark]) -> int:
    """The first line of the labels and index entries that stand directly above a heading."""
    first, at = number, number - 1
    floor = marks[-1].body if marks and marks[-1].level else 1
    while at >= floor and (not lines[at - 1].strip() or _LABEL.match(lines[at - 1])):
        if lines[at - 1].strip():
            first = at
        at -= 1
    return first


# Notebooks -------------------------------------------------------------------------------------------------------------


def notebook_marks(lines: Sequence[str]) -> list[Mark]:
    """One mark a cell of a Jupyter notebook, none where several cells share a line."""
    text = "\n".join(lines)
    try:
        cells = json.loads(text)["cells"]
        starts = next(key for key in json_keys(text) if key.name == "cells").children
    except (ValueError, KeyError, TypeError, StopIteration, RecursionError) as problem:
        raise Malformed(f"not a notebook: {problem}") from problem
    numbers = [cell.start for cell in starts]
    if len(set(numbers)) < len(cells) or len(numbers) != len(cells):
        return []
    return [_cell_mark(cell, number) for cell, number in zip(cells, numbers, strict=True)]


def _cell_mark(cell: dict[str, object], number: int) -> Mark:
    source = cell.get("source", "")
    joined = "".join(source) if isinstance(source, list) else str(source)
    source_lines = joined.encode("utf-8", "replace").decode().split("\n")  # JSON may name half of a character: "\\ud83d"
    if cell.get("cell_type") != "markdown":
        return Mark(number, 0, body=number, prose="")
    heading = next((found for line in source_lines if (found := _ATX.match(line))), None)
    prose = first_paragraph([line for line in source_lines if not _ATX.match(line)])
    if heading is None:
        return Mark(number, 0, body=number, prose=prose)
    return Mark(number, len(heading.group(1)), _title(heading.string, heading), heading.string.strip(), number, prose)


# Prose -----------------------------------------------------------------------------------------------------------------

_TAG = re.compile(
    r"</?(?:a|abbr|b|blockquote|br|c|center|code|dd|details|div|dl|dt|em|example|font|h[1-6]|hr|i|img|inheritdoc|kbd|li|ol|p|para|picture|pre|q|small|"
    r"remarks|returns|samp|source|span|strong|sub|summary|sup|table|tbody|td|th|thead|tr|tt|u|ul|value|var)\b[^<>]{0,500}>",
    re.IGNORECASE,
)
_INLINE = (
    ("`\\", re.compile(r"(?<=`)\\(?=\w)"), ""),
    ("![", re.compile(r"!\[[^\]]*\]\([^)]*\)|\[!\[[^\]]*\]\([^)]*\)\]\([^)]*\)"), ""),
    ("<", _TAG, ""),
    ("[", re.compile(r"\[([^\]]+)\](?:\([^)]*\)|\[[^\]]*\])"), r"\1"),
    (":`", re.compile(r":[\w:+-]+:`[~!.]*([^`<]+?)\s*(?:<[^`>]*>)?`"), r"\1"),
    (">`_", re.compile(r"`([^`<]+?)\s+<[^`>]+>`__?"), r"\1"),
    ("`", re.compile(r"``([^`]+)``|`([^`]+)`_{0,2}"), lambda found: found.group(1) or found.group(2)),
    ("", re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    ("*", re.compile(r"(?<![\w*])\*(?=\S)([^*]+?)(?<=\S)\*(?![\w*])"), r"\1"),
    ("|", re.compile(r"\|(\w+)\|"), r"\1"),
    ("", re.compile(r"\{#[\w-]+\}|\\(?=[`*_#<>])|\\ "), ""),
)
"""Marks and what is kept of them, each with what stands in a text wherever the pattern finds something."""
_MARKED = re.compile(r"[\\\[<`*|{]|__")
"""So does this for them all."""
_LONGEST = 2_000
"""Characters of a text that are read: what some of the patterns take grows with the square of a row of marks that nothing closes."""
_NOT_PROSE = re.compile(
    r"\s*(?:#|\.\. |\.\.$|:[\w -]+:(?:\s|$)|[|+=]|\[!\[|!\[|::: |!!! |@\w+$|\$ |>>> |\[[^\]]+\]:|<!--|-->|\{%|[-=~^*_#\"'.:+]{3,}\s*$)"
)
_ENDS_PROSE = re.compile(r"\s*(?:\.\. |\.\.$|[|+][-=|+ ]|[-=~^*_#\"'.:+]{3,}\s*$|#{1,6} |!!! |::: )")
_ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)])\s+")


def plain(text: str) -> str:
    """Text without the marks of Markdown and reStructuredText; of a very long one, the beginning.

    >>> plain("See [the **docs**](x.md) for :func:`~a.run`.")
    'See the docs for a.run.'
    """
    text = text[:_LONGEST]
    if _MARKED.search(text):
        for sign, pattern, kept in _INLINE:
            if sign in text:
                text = pattern.sub(kept, text)
    return " ".join(text.split())


def first_paragraph(lines: Sequence[str]) -> str:
    """The first paragraph of prose, with the next where it is a few words without a full stop (a date, a default value).

    No heading, table, directive, code or badge; a list's first item where there is no other prose. Empty without any.
    """
    items: list[str] = []
    found: list[str] = []
    for paragraph in _paragraphs(textwrap.dedent("\n".join(lines[: 2 * PART])).split("\n")):
        if _ITEM.match(paragraph):
            items.append(paragraph)
        elif words := plain(paragraph):
            found.append(words)
            if len(words.split()) > 8 or words[-1] in ".!?:" or len(found) == 2:
                break
    if not found:
        return plain(_ITEM.sub("", items[0], count=1)) if items else ""
    return ". ".join(part.rstrip(".") for part in found[:-1]) + (". " if len(found) > 1 else "") + found[-1]


def _paragraphs(lines: Sequence[str]) -> Iterator[str]:
    """Paragraphs and list items of unindented text, each on one line; what is no prose is left out."""
    kept: list[str] = []
    fence = ""
    for line in lines:
        fence_before, fence = fence, _fence_after(line, fence)
        stripped = line.strip()
        skipped = bool(fence or fence_before or not stripped)
        starts = not kept and (_NOT_PROSE.match(line) or line[:1].isspace())
        if kept and (skipped or _ENDS_PROSE.match(line) or _ITEM.match(line)) or sum(map(len, kept)) > 1_000:
            yield " ".join(kept)
            kept = []
            starts = _NOT_PROSE.match(line) or line[:1].isspace()
        if not skipped and not starts:
            kept.append(stripped.lstrip("> "))
    if kept:
        yield " ".join(kept)


MARKS: dict[str, Callable[[Sequence[str]], list[Mark]]] = {
    "markdown": markdown_marks,
    "rst": rst_marks,
    "text": text_marks,
}
