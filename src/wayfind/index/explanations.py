"""Sentences that a decoder wrote, kept by content and model for all trees of a user: `explanations.sqlite` in the home.

They can be written again at any time, so what cannot be read or kept is no error: it is written again, or not kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from pathlib import Path

from wayfind.errors import IndexBusy, IndexDamaged, StorageError
from wayfind.index.database import connect
from wayfind.index.home import EXPLANATIONS

MOST = 200_000
"""Sentences kept when house is kept; some 30 MB."""


class ExplanationStore:
    """The written sentences of one home. Safe for several processes."""

    def __init__(self, home: Path):
        self.path = home / EXPLANATIONS
        self._db: sqlite3.Connection | None = None
        with _forgiven():
            self._db = connect(self.path)
            self._db.execute("CREATE TABLE IF NOT EXISTS said(number INTEGER PRIMARY KEY, key TEXT UNIQUE, model TEXT, text TEXT)")

    def close(self) -> None:
        if self._db is not None:
            self._db.close()

    def get(self, model: str, reading: str) -> str | None:
        """What a model wrote about a reading, "" where it was sure of nothing; None where it was not asked yet."""
        if self._db is None:
            return None
        with _forgiven():
            row = self._db.execute("SELECT text FROM said WHERE key = ?", (key_of(model, reading),)).fetchone()
            return row[0] if row and isinstance(row[0], str) else None
        return None

    def put(self, model: str, reading: str, text: str) -> None:
        if self._db is not None:
            with _forgiven():
                self._db.execute("INSERT OR REPLACE INTO said(key, model, text) VALUES (?, ?, ?)", (key_of(model, reading), model, text))

    def count(self) -> int:
        """Sentences that are kept."""
        return self._db.execute("SELECT COUNT(*) FROM said").fetchone()[0] if self._db is not None else 0

    def thin(self, most: int = MOST) -> None:
        """Forget all but the newest sentences."""
        if self._db is not None:
            with _forgiven():
                self._db.execute("DELETE FROM said WHERE number <= (SELECT MAX(number) FROM said) - ?", (most,))


def key_of(model: str, reading: str) -> str:
    """The key of a sentence: the model that wrote it and all that it read."""
    return hashlib.sha256(f"{model}\0{reading}".encode("utf-8", "surrogateescape")).hexdigest()[:40]


@contextlib.contextmanager
def _forgiven():
    try:
        yield
    except (sqlite3.Error, IndexBusy, IndexDamaged, StorageError):
        pass
