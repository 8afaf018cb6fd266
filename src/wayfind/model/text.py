"""The text of a chunk or a query as an encoder reads it: words and signs, lower case. Training and search call the same.

A training pair's `code` is what `chunk_text` makes; `plain` is applied where it is cut into tokens, so that path and symbol can be
left out before.
"""

from __future__ import annotations

import re
import unicodedata

TEXT_VERSION = "2"
"""Raised whenever a chunk's text changes; a model says which it was trained on, vectors are keyed by it."""
TEXTS_READ = ("1", TEXT_VERSION)
"""Versions of which models and token shards are still good: 1 had the parts of a path that are a number, too."""
PATH_PARTS = 3
"""The last so many parts of a path are read: those before name where a project lies, not what a file is about."""
LONGEST_WORD = 40

_PIECE = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_A-Za-z]+|[^\w\s]")
_NUMBERED = re.compile(r"\d{4,}(?:\.\w+)*")
_IDEOGRAPH = re.compile("([\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])")


def chunk_text(path: str, symbol: str | None, code: str) -> str:
    """What is encoded of a chunk: the end of its path, its symbol, and its lines with documentation and signature in place.

    >>> chunk_text("src/app/http/client.py", "Client.get", "def get(self): ...")
    'app/http/client.py\\nClient.get\\ndef get(self): ...'
    """
    head = (path_tail(path), symbol or "")
    return "\n".join([part for part in head if part] + [code])


def path_tail(path: str) -> str:
    """The end of a path without parts that are a long number, which say nothing of what a file is about.

    >>> path_tail("shop/src/db/migrations/00017.sql"), path_tail("errors/404.html"), path_tail("2019/000042.txt")
    ('db/migrations', 'errors/404.html', '')
    """
    return "/".join(part for part in path.split("/")[-PATH_PARTS:] if not _NUMBERED.fullmatch(part))


def plain(text: str) -> str:
    """A text as words and signs with spaces between: identifiers in their parts, lower case, without accents.

    >>> plain("def parseHTTPResponse(x, max_size=10):")
    'def parse http response ( x , max size = 10 ) :'
    """
    if not text.isascii():
        text = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
        text = _IDEOGRAPH.sub(r" \1 ", text)
    return " ".join(piece.lower() for piece in _PIECE.findall(text) if len(piece) <= LONGEST_WORD)
