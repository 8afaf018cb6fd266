"""Declarations of languages without a grammar here, by their first words at the beginning of a line: Lean, TLA+, SMT-LIB, R …

In comes the text of a file, out come chunks as the grammars give them: a declaration with the comment that stands directly
above it. A declaration ends before a blank line that a line at the margin follows, or where the next one begins. What has
no name is left out. Search cuts such files into windows; the pairs show the encoder what stands in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wayfind.corpus.comments import clean_comment
from wayfind.types import Chunk

MOST_LINES = 200
"""Longer declarations are not cut."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a language declares (the group `name` in the pattern; what `statement` matches counts where a comment stands above it,
    which tells what it says), and how its comments begin and end."""

    declares: re.Pattern[str]
    line: str = ""
    block: tuple[str, str] = ("", "")


def _style(declares: str, line: str = "", block: tuple[str, str] = ("", "")) -> Style:
    return Style(re.compile(declares), line, block)


_SLASHES = ("/*", "*/")
_STARS = ("(*", "*)")
DECLARED: dict[str, Style] = {
    "lean": _style(
        r"(?:@\[[^\]]*\]\s*)*(?:(?:private|protected|noncomputable|unsafe|partial|scoped|local|nonrec|public|meta)\s+)*"
        r"(?:theorem|lemma|def|abbrev|structure|class|inductive|instance|axiom|opaque)\s+(?:inductive\s+)?(?P<name>[^\s:({\[:=]+)",
        "--", ("/-", "-/"),
    ),
    "tlaplus": _style(
        r"(?:LOCAL\s+|RECURSIVE\s+)?(?:(?:THEOREM|LEMMA|COROLLARY|ASSUME|AXIOM)\s+)?(?P<name>[A-Za-z]\w*)(?:\([^)]*\)|\[[^\]]*\])?\s*==(?!=)",
        r"\*", _STARS,
    ),
    "smtlib": _style(
        r"\((?:(?:define-(?:funs?|funs?-rec|const|sort)|declare-(?:fun|datatypes?|const|sort))\s+\|?(?P<name>[^\s|()]+)|(?P<statement>assert)\b)", ";",
    ),
    "r": _style(r"`?(?P<name>[\w.]+)`?\s*(?:<-|=)\s*function\s*\(", "#"),
    "coq": _style(
        r"(?:(?:Local|Global|Program|#\[[^\]]*\])\s+)*(?:Theorem|Lemma|Corollary|Proposition|Definition|Fixpoint|CoFixpoint|Inductive|Record|Class|Instance|Axiom)"
        r"\s+(?P<name>[^\s:({\[]+)", "", _STARS,
    ),
    "erlang": _style(r"(?P<name>[a-z]\w*)\(.*\)\s*(?:when .*)?->", "%"),
    "fsharp": _style(r"\s*(?:let|member)\s+(?:rec\s+|inline\s+|private\s+|internal\s+)*(?:\w+\.)?(?P<name>[a-z]\w*)\s*[(\w].*=\s*$", "//"),
    "protobuf": _style(r"(?:message|service|enum)\s+(?P<name>\w+)\s*\{", "//", _SLASHES),
    "solidity": _style(r"\s*(?:function|modifier|contract|library|interface)\s+(?P<name>\w+)", "//", _SLASHES),
    "sql": _style(r"(?i:create\s+(?:or\s+replace\s+)?(?:function|procedure|view|table|trigger)\s+(?:if\s+not\s+exists\s+)?(?P<name>[\w.\"]+))", "--", _SLASHES),
    "nix": _style(r"\s*(?P<name>[A-Za-z][\w'-]*)\s*=\s*(?:\w+|\{[^}]*\})\s*:\s*(?:.*)$", "#", _SLASHES),
}  # fmt: skip
"""Language -> its style. A declaration begins a line; where the pattern allows blanks in front, at any depth."""


def declarations(text: str, language: str) -> list[Chunk]:
    """The named declarations of a text, each with the comment above it as its documentation.

    >>> [(c.symbol, c.docstring, c.start_line, c.end_line) for c in declarations("/-- Twice a number. -/\\ndef twice (n : Nat) :=\\n  n + n\\n", "lean")]
    [('twice', 'Twice a number.', 1, 3)]
    """
    style, lines = DECLARED[language], text.split("\n")
    found = [(number, match.groupdict()) for number, line in _code(lines, style) if (match := style.declares.match(line))]
    above = {number: _comment_above(lines, number, style) for number, _ in found}
    starts = [(number, groups["name"] or groups.get("statement", "")) for number, groups in found if groups["name"] or above[number] < number]
    firsts = [above[number] for number, _ in starts] + [len(lines) + 1]
    chunks = []
    for (number, name), following in zip(starts, firsts[1:], strict=True):
        end = _end(lines, number, following - 1)
        if end - number < MOST_LINES:
            words = clean_comment(_marked("\n".join(lines[above[number] - 1 : number - 1]), style)) if above[number] < number else []
            chunks.append(Chunk(above[number], end, "function", name.strip('"'), " ".join(lines[number - 1].split()), "\n".join(words)))
    return chunks


def _code(lines: Sequence[str], style: Style) -> Iterator[tuple[int, str]]:
    """The lines (1-based) that lie in no comment."""
    opening, closing = style.block
    inside = False
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if not inside and opening and stripped.startswith(opening):
            inside = closing not in stripped[len(opening) :]
        elif inside:
            inside = closing not in line
        elif stripped and not (style.line and stripped.startswith(style.line)):
            yield number, line


def _comment_above(lines: Sequence[str], number: int, style: Style) -> int:
    """The first line of the comment that ends directly above a line, or the line itself where there is none."""
    at = number - 1
    while at and re.match(r"\s*(?:@\[|#\[|-spec\b)", lines[at - 1]):
        at -= 1
    opening, closing = style.block
    above = lines[at - 1].strip() if at else ""
    if closing and above.endswith(closing):
        start = next((n for n in range(at, max(0, at - 60), -1) if opening in lines[n - 1]), 0)
        return start if start and lines[start - 1].strip().startswith(opening) else number
    start = at
    while style.line and start and lines[start - 1].strip().startswith(style.line):
        start -= 1
    return start + 1 if start < at else at + 1


def _end(lines: Sequence[str], number: int, last: int) -> int:
    """The last line of a declaration that begins on line `number`, at most `last`."""
    margin = len(lines[number - 1]) - len(lines[number - 1].lstrip())
    for at in range(number + 1, last + 1):
        line = lines[at - 1]
        if line.strip() and not lines[at - 2].strip() and len(line) - len(line.lstrip()) <= margin:
            last = at - 1
            break
    while last > number and not lines[last - 1].strip():
        last -= 1
    return last


def _marked(comment: str, style: Style) -> str:
    """The comment with the markers that `clean_comment` knows in place of the language's own."""
    opening, closing = style.block
    text = comment.strip()
    if closing and text.startswith(opening) and text.endswith(closing):
        return "(*" + text[len(opening) : -len(closing)].strip("-! *\n") + "*)"
    kept = (re.sub(rf"^\s*(?:{re.escape(style.line)})+[':!*]?", "", line) for line in text.split("\n")) if style.line else [text]
    return "(*" + "\n".join(kept) + "*)"
