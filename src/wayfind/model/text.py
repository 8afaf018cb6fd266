"""The text of a chunk as an encoder reads it: path, symbol and code in, one string out. Training and search call the same.

A training pair keeps path, symbol and code apart (its `code` is the chunk's lines alone); whoever encodes calls this, so that
path and symbol can be dropped or masked in training.
"""

from __future__ import annotations

TEXT_VERSION = "1"
"""Raised whenever a chunk's text changes; a model says which it was trained on, vectors are keyed by it."""
PATH_PARTS = 3
"""The last so many parts of a path are read: those before name where a project lies, not what a file is about."""


def chunk_text(path: str, symbol: str | None, code: str) -> str:
    """What is encoded of a chunk: the end of its path, its symbol, and its lines with documentation and signature in place.

    >>> chunk_text("src/app/http/client.py", "Client.get", "def get(self): ...")
    'app/http/client.py\\nClient.get\\ndef get(self): ...'
    """
    head = ("/".join(path.split("/")[-PATH_PARTS:]), symbol or "")
    return "\n".join([part for part in head if part] + [code])
