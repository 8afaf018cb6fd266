"""From a comment or docstring as it stands in the source to its words: markers, tags and decoration removed."""

from __future__ import annotations

import html
import inspect
import re
from collections.abc import Sequence
from itertools import pairwise

_OPEN = re.compile(
    r"/\*+!?<?|//+!?<?|\#!(?!\[)|\#+:?'?(?=\W|\w|$)|--+\s*(?:\||\^)|--\[=*\[|--+|\{-+\s*\|?|\(\*+|<\#|;+|%+"
)
_EMPTY = re.compile(r"\s*(?://[/!]?|\#{1,2}|--|;{1,3}|%{1,3})\s*")
_LEADER = re.compile(r"\*+(?!/)\s?|\#(?=\s|$)\s?")
_POD = re.compile(r"^=\w+\s*", re.MULTILINE)
_TAG = re.compile(r"</?\s*[A-Za-z][\w-]*(?:\s+(?:cref|name|href|langword)\s*=\s*\"([^\"]*)\"|\s+\w+\s*=\s*\"[^\"]*\")*\s*/?>")
_PART = re.compile(r"<(param|typeparam|returns|exception|remarks|example|value|seealso)\b(?:[^<>]*?\b(?:name|cref)\s*=\s*\"([^\"]*)\")?[^<>]*>")
_HTML_TAG = re.compile(r"</?(?:p|ul|ol|li|pre|code|b|i|em|strong|a|q|tt|br|h\d|table|tr|td|th|blockquote|dl|dt|dd|span|div)\b[^<>]*>", re.IGNORECASE)
_INLINE = re.compile(r"\{@(\w+)\s+((?:[^{}]|\{[^{}]*\})*)\}")
_VERBATIM = ("code", "literal")
_WORDLESS = re.compile(r"\s*\{@\w+\}")
_LINKED = re.compile(r"#?(?P<name>[^\s#|(]*(?:#\w+)?(?:\([^)]*\))?)[\s|]*(?P<label>.*)", re.DOTALL)
_KEYWORD = re.compile(
    r"\$(?:Id|Author|Date|Header|HeadURL|LastChanged\w+|Locker|Log|Name|RCSfile|Rev|Revision|Source|State|URL|\w*BSD|DragonFly|KAME|"
    r"XConsortium|XFree86|Xorg)(?::[^$\n]*)?\$"
)
_WORD = re.compile(r"\w", re.UNICODE)
_LICENCE = re.compile(
    r"copyright|licen[sc]ed? |SPDX-|permission is hereby|all rights reserved|redistribution and use|GNU (?:Lesser )?General Public",
    re.IGNORECASE,
)
# Words to tools, not to readers.
_DIRECTIVE = re.compile(
    r"^(?:type:\s*(?:ignore|\(.*\)\s*->|[\w.]+(?:\[.*\])?$)|noqa|pylint:|pragma:|mypy:|py(?:right|re(?:-\w+)?)\b\s*[:\[]|fmt:|ruff:|"
    r"isort:|yapf:|flake8:|autopep8:|\#?nosec\b|-\*-|vim?:|eslint(?:-|\s+[@\w/-]+:)|tslint:|oxlint-|js[hl]int\b|globals?\s+[\w$]+[:,]|"
    r"biome-ignore|deno-(?:lint|fmt)-|dprint-|prettier-ignore|stylelint-|@ts-|@refresh\b|istanbul |[cv]8 ignore|nolint|lint:|go:\w+|"
    r"export (?:[A-Z]\w*|\w+_\w*)$|\+build|rubocop:|typed: (?:ignore|false|true|strict|strong)$|frozen[_-]string[_-]literal:|"
    r"encoding:|shellcheck |phpcs:|@phpstan|@psalm|NOLINT|NOSONAR|NOPMD|CPD-O|CHECKSTYLE[:. ]|spotless:|@formatter:|clang-format|"
    r"IWYU pragma|cppcheck-|[LG]COVR?_EXCL|noinspection\b|swiftlint:|swiftformat:|sourcery:|ktlint|detekt|credo:|luacheck:|stylua:|"
    r"selene:|@diagnostic|\#?(?:end)?region\b|<editor-fold|</editor-fold|c?spell-?(?:checker)?:|codespell:|MARK:|"
    r"namespace(?: [\w:]+)?$|end namespace|\.[A-Z]+$)"
)


def clean_comment(comment: str, xml: bool = False) -> list[str]:
    """The lines of one comment without its markers, without rulers and words to tools; empty ones stand between paragraphs. `xml`: C# tags become text, those of
    parameters and results `@param` and `@returns`, each on a line of its own.

        >>> clean_comment("/** Adds {@code one}.\\n  * Twice. */")
        ['Adds one.', 'Twice.']
    """
    if comment.startswith("="):
        return [line for line in map(str.strip, _POD.sub("", comment).split("\n")) if line]
    opened = _OPEN.match(comment)
    block = bool(opened) and opened[0][:2] in ("/*", "(*", "{-", "<#") or comment.startswith("--[")
    body = _unclosed(comment) if block else comment
    lines = []
    for number, line in enumerate(body.split("\n")):
        line = line.strip()
        if number == 0 or not block:
            line = line[found.end() :] if (found := _OPEN.match(line)) else line
        elif found := _LEADER.match(line):
            line = line[found.end() :]
        line = line.strip().lstrip("*").strip() if comment.startswith("--") else line.strip()
        lines.append(line)
    text = without_keywords("\n".join(lines))
    if xml:
        text = _PART.sub(lambda tag: f"\n@{tag[1]} {f'{tag[2]} ' if tag[2] else ''}", text)
        text = html.unescape(_TAG.sub(lambda tag: tag[1] or "", text))
    text = _javadoc(text) if comment.startswith("/**") and not xml else inlined(text)
    return paragraphs([line for line in map(str.strip, text.split("\n")) if not line or _WORD.search(line) and not _DIRECTIVE.match(line)])


def paragraphs(lines: Sequence[str]) -> list[str]:
    """The lines with one empty line between paragraphs and none around them.

        >>> paragraphs(["", "Adds one.", "", "", "Twice.", ""])
        ['Adds one.', '', 'Twice.']
    """
    kept = [line for above, line in pairwise(["", *lines]) if line or above]
    return kept if not kept or kept[-1] else kept[:-1]


def is_empty(comment: str) -> bool:
    """Whether a line comment holds its marker alone, as between paragraphs."""
    return _EMPTY.fullmatch(comment) is not None


def _unclosed(comment: str) -> str:
    """A block comment without the marker that closes it. Read from its end, where a pattern would try each star of a ruler."""
    body = comment.rstrip()
    if body.endswith(("*/", "*)")):
        return body[:-1].rstrip("*").rstrip()
    if body.endswith("-}"):
        return body[:-1].rstrip("-").rstrip()
    if body.endswith("#>"):
        return body[:-2].rstrip()
    bracket = body.removesuffix("--")
    inner = bracket[:-1].rstrip("=")
    if not (bracket.endswith("]") and inner.endswith("]")):
        return comment
    return (inner[:-1] if bracket != body else inner[:-1].removesuffix("--")).rstrip()


def _javadoc(text: str) -> str:
    """The text without the tags of HTML and its entities, which mean themselves between the braces of `{@code &lt;p&gt;}`."""
    pieces, last = [], 0
    for tag in _INLINE.finditer(text):
        pieces += [_without_html(text[last : tag.start()]), _inline(tag) if tag[1] in _VERBATIM else _without_html(_inline(tag))]
        last = tag.end()
    return _WORDLESS.sub("", "".join([*pieces, _without_html(text[last:])]))


def _without_html(text: str) -> str:
    return html.unescape(_HTML_TAG.sub("", text))


def inlined(text: str) -> str:
    """The text of a comment with the words of its inline tags: of a link its label, else the name it leads to.

        >>> inlined("See {@linkplain Door#open(int) opening}, {@link #shut()} and {@code {a}}.")
        'See opening, shut() and {a}.'
    """
    return _INLINE.sub(_inline, _WORDLESS.sub("", text)) if "{@" in text else text


def _inline(tag: re.Match[str]) -> str:
    name, words = tag[1].lower(), tag[2].strip()
    if name in ("link", "linkplain", "see", "value") and (linked := _LINKED.fullmatch(words)):
        return linked["label"] or linked["name"].replace("#", ".")
    return f"Returns {words}" if name == "return" else words


def without_keywords(text: str) -> str:
    """The text without what version control writes into it (`$Id: door.c,v 1.2 2001/02/03 jd Exp $`)."""
    return _KEYWORD.sub("", text) if "$" in text else text


def clean_docstring(literal: str) -> str:
    """The text of a string literal that documents something (Python, Julia, Elixir): prefix, quotes and indent removed."""
    body = re.sub(r"^(?:[rRuU]{1,2}|~[sS]|@doc\s+)?(\"\"\"|'''|\"|'|\[|\(|\{|\|)", "", literal)
    body = re.sub(r"(\"\"\"|'''|\"|'|\]|\)|\}|\|)$", "", body)
    return inspect.cleandoc(body).strip()


def is_licence(comment: str) -> bool:
    """Whether a comment grants rights rather than explains code."""
    return bool(_LICENCE.search(comment))
