"""Which comments are documentation by their form, so that they belong to the definition below them across a blank line too.

`/** */`, `///`, `##`, `---`, `-- |` and `<# #>` say that the next definition is meant; `//` and `#` do not. What describes a
file, heads a section or stands for itself (`@file`, `@defgroup`, `@typedef`, a ruler) is the documentation of no definition.
"""

from __future__ import annotations

import re

from wayfind.corpus.comments import clean_comment, is_licence
from wayfind.corpus.marks import Mark, Source

_FORM = re.compile(rb"/\*[*!](?![*/<])|//[/!](?![/<])|##(?!#)|---(?!-)|(?:--|\{-)\s*\||<#(?!#)")
_OF_ITSELF = re.compile(
    rb"[@\\](?:file|fileoverview|overview|module|classmod|script|packageDocumentation|license|defgroup|addtogroup|name|section|page|"
    rb"mainpage|typedef|callback|external|event|cond|endcond)\b|[@\\][{}]|[-=~#_*]{5,}"
)
_OF_A_FUNCTION = re.compile(rb"[@\\:](?:param|returns?|throws|yields?)\b|<(?:summary|param|returns)\b|\.SYNOPSIS", re.IGNORECASE)
_BEFORE_CODE = re.compile(rb"(?:#!.*|<\?\w*|[\"']use strict[\"'];?)?\s*")


BLANK_LINES = 2
"""Blank lines that may stand between documentation and its definition."""


def documentation_apart(source: Source) -> dict[int, int]:
    """Row of code with documentation above it and blank lines between -> the row after that documentation."""
    apart: dict[int, int] = {}
    if source.syntax.doc_in_body:
        return apart
    for run in _runs(source):
        below = row = run[-1].last + 1
        while row < len(source.rows) and not source.rows[row].strip():
            row += 1
        if below < row <= below + BLANK_LINES and _documents(run, source):
            apart[row] = below
    return apart


def _runs(source: Source) -> list[list[Mark]]:
    """Comments that have their lines to themselves, those that stand directly under each other together."""
    runs: list[list[Mark]] = []
    for mark in source.comments:
        if not mark.alone:
            continue
        if runs and mark.first == runs[-1][-1].last + 1:
            runs[-1].append(mark)
        else:
            runs.append([mark])
    return runs


def _documents(run: list[Mark], source: Source) -> bool:
    text = source.code[run[0].start : run[-1].end]
    if not any(_FORM.match(source.code, mark.start) for mark in (run[0], run[-1])) or is_licence(text.decode("utf-8", "replace")):
        return False
    if _OF_ITSELF.search(text) or _is_title(clean_comment(text.decode("utf-8", "replace"))):
        return False
    return bool(_OF_A_FUNCTION.search(text)) or not _heads_file(run[0], source)


def _is_title(lines: list[str]) -> bool:
    """Whether it is a few words without an end, as over a group of definitions (`/** Map / Set plugin */`)."""
    return not lines or len(lines) == 1 and len(lines[0].split()) <= 4 and lines[0][-1] not in ".!?>" and "@" not in lines[0]


def _heads_file(mark: Mark, source: Source) -> bool:
    """Whether nothing but a shebang, `<?php` or `"use strict"` stands above."""
    return all(_BEFORE_CODE.fullmatch(row) for row in source.rows[: mark.first])
