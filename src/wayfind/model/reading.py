"""What the decoder reads of a chunk: its language, its symbol, and its lines without the documentation.

Training and search make the same text with the same function. Documentation is hidden from it always, so that what is
generated is what the code says.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from wayfind.model.text import plain
from wayfind.model.wordpiece import WordPiece
from wayfind.types import Chunk

READING_VERSION = "1"
"""Raised whenever the text of a chunk changes; a decoder says which it was trained on."""
READ = 3_000
"""Characters of a chunk that are read."""
LANGUAGE, SYMBOL, COMMENT, CODE = range(1, 5)
"""The part of a chunk that a piece stands in; 0 is padding."""
MOST = {LANGUAGE: 2, SYMBOL: 14, COMMENT: 20, CODE: 48}
"""Pieces that are read of each part."""
LONGEST = sum(MOST.values())
REPEATED = 2
"""Times that one word of the code is read: what comes a third time says nothing new and takes the place of what does."""

_WORDS = re.compile(r"[^\W_]+")
_COMMENT_SIGN = re.compile(r"\s*(?:///?|/?\*+|#+(?![!\[])(?!\s*(?:include|define|if|el|end|pragma|undef)\b)|--|;|%|\{-|\(\*|[rRuUbB]?(?:\"{3}|'{3}|\"|'))")
_QUOTES = ('"""', "'''")
_IN_DOCUMENTATION = 0.7
"""Share of a line's words that stand in the documentation, from which a line of comment or string is a line of it."""


class Places(NamedTuple):
    """Pieces of a reading in order, and the part that each stands in."""

    ids: list[int]
    parts: list[int]


def reading(chunk: Chunk, text: str, language: str) -> str:
    """The reading of a chunk whose lines are `text`.

    >>> reading(Chunk(1, 2, "method", "Router.add", "def add(self, path)"), "def add(self, path): ...", "python")
    'python\\nRouter.add\\ndef add(self, path): ...'
    """
    return read_text(language, chunk.symbol or "", undocumented(chunk, text))


def read_text(language: str, symbol: str, bare: str) -> str:
    """The reading of lines that hold no documentation: a line each of language and symbol, then the lines."""
    return "\n".join([language, symbol, bare[:READ]])


def undocumented(chunk: Chunk, text: str) -> str:
    """The lines of a chunk without those of its documentation."""
    known = set(_WORDS.findall(chunk.docstring))
    if not known:
        return text
    kept, quote = [], ""
    for line in text.split("\n"):
        opens = next((mark for mark in _QUOTES if mark in line), "")
        inside = bool(quote or opens)
        if opens and line.count(opens) % 2:
            quote = "" if quote else opens
        words = _WORDS.findall(line)
        told = sum(word in known for word in words)
        if not (words and (inside or _COMMENT_SIGN.match(line)) and told >= _IN_DOCUMENTATION * len(words)):
            kept.append(line)
    return "\n".join(kept)


def places(read: str, vocabulary: WordPiece) -> Places:
    """The pieces of a reading: words alone, signs are not read."""
    language, symbol, *lines = read.split("\n")
    comments = [line for line in lines if _COMMENT_SIGN.match(line)]
    code = [line for line in lines if not _COMMENT_SIGN.match(line)]
    ids: list[int] = []
    parts: list[int] = []
    for part, words in (
        (LANGUAGE, _spoken(language)), (SYMBOL, _spoken(" ".join(re.split(r"[.:#]+", symbol)[-2:]))),
        (COMMENT, _spoken(" ".join(comments))), (CODE, _fresh(_spoken(" ".join(code)))),
    ):
        found = vocabulary.ids(" ".join(words), MOST[part])
        ids += found
        parts += [part] * len(found)
    return Places(ids, parts)


def _spoken(text: str) -> Iterator[str]:
    return (word for word in plain(text).split() if word[0].isalnum())


def _fresh(words: Iterator[str]) -> Iterator[str]:
    times: Counter[str] = Counter()
    for word in words:
        times[word] += 1
        if times[word] <= REPEATED:
            yield word
