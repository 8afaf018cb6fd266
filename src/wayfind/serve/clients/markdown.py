"""Markdown, edited as text: a marked block is put at the end or taken out; every other byte stays as it is."""

from __future__ import annotations

import re

BEGIN = "<!-- wayfind: begin (written by `wayfind install`; `wayfind uninstall` takes it out) -->"
END = "<!-- wayfind: end -->"
_BLOCK = re.compile(r"(?:\r?\n)?(?:^|(?<=\A\ufeff))<!-- wayfind: begin\b[^\n]*\n.*?^<!-- wayfind: end -->[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)


def with_block(text: str, content: str) -> str:
    """The text with the content in a marked block at its end; a block that stands there already is replaced in its place."""
    newline = "\r\n" if "\r\n" in text else "\n"
    block = newline.join([BEGIN, *content.strip("\n").split("\n"), END, ""])
    found = _BLOCK.search(text)
    if found:
        lead = re.match(r"(?:\r?\n)?", found.group()).group()  # type: ignore[union-attr]  # it matches the empty string
        return text[: found.start()] + lead + block + text[found.end() :]
    gap = newline * (0 if text in ("", "\ufeff") else 1 if text.endswith("\n") else 2)
    return text + gap + block


def without_block(text: str) -> str:
    """The text without the marked block and the empty line before it, or as it is where there is none."""
    return _BLOCK.sub("", text)


def block_put_back(text: str, before: str) -> str:
    """The text with the marked block as it is in `before`; without one where `before` has none."""
    own = _BLOCK.search(before)
    return _BLOCK.sub(lambda found: own.group(), text, count=1) if own else without_block(text)
