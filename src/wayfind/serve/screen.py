"""Text as a terminal may show it: control characters escaped, so that no file name and no source can command it; colour."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass

import click

# C0 but tab, DEL, C1; line and paragraph separators; the marks that reorder text (CVE-2021-42574); lone surrogates.
_UNSAFE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_UNDECODED = re.compile("[\udc80-\udcff]")

STYLES = {
    "path": {"fg": "cyan", "bold": True},
    "symbol": {"fg": "yellow"},
    "match": {"fg": "red", "bold": True},
    "dim": {"dim": True},
    "note": {"fg": "magenta"},
}


def shown(text: str) -> str:
    """One line of text, safe to print: `\\x1b`, `\\n`, `\\u202e` in the place of what a terminal would obey."""
    return _UNSAFE.sub(_escape, text).expandtabs(4)


def shown_text(text: str) -> str:
    """Text of several lines, safe to print."""
    return "\n".join(shown(line) for line in text.split("\n"))


def counted(number: int, thing: str) -> str:
    """`1 file`, `1,200 files`."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def decoded(text: str) -> str:
    """Text without lone surrogates: a byte that is no UTF-8 is written `\\xff`, any other surrogate `\\ud800`."""
    return re.sub("[\ud800-\udfff]", _escape, text)


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    if _UNDECODED.match(character):
        return f"\\x{ord(character) - 0xDC00:02x}"
    return {"\n": "\\n", "\r": "\\r"}.get(character) or (f"\\x{ord(character):02x}" if ord(character) < 256 else f"\\u{ord(character):04x}")


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours text, or leaves it as it is."""

    on: bool = False

    def __call__(self, style: str, text: str) -> str:
        return click.style(text, **STYLES[style]) if self.on and text else text


def paint(when: str) -> Paint:
    """`auto`: when standard output is a terminal that can, and NO_COLOR (https://no-color.org) is not set."""
    able = sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")
    return Paint(when == "always" or (when == "auto" and able))
