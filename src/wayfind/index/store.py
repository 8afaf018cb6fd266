"""The content store: what was extracted from the bytes of a file, kept once per user and shared by every branch,
worktree and clone. Key in, record and postings out; every row carries a checksum.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import time
import zlib
from collections.abc import Iterable

import numpy as np

from wayfind.errors import IndexDamaged
from wayfind.index.database import Database, marks, slices
from wayfind.index.segment import FIELDS, FilePostings
from wayfind.index.tokens import TOKENS_VERSION
from wayfind.types import Chunk, FileRecord, Target

STORE_VERSION = 1
CORPUS_VERSION = "11"
"""Raised whenever extraction makes other records from the same bytes."""
REVISIONS: dict[str, str] = {}
"""Language -> raised instead where only its records are others: the content of the other languages stays, and their vectors with it."""


def content_key(digest: str, language: str) -> str:
    """Key of what extraction makes of the bytes with this SHA-256, read as this language by this version of Wayfind."""
    revision = f" {REVISIONS[language]}" if language in REVISIONS else ""
    return hashlib.sha256(f"{digest} {language} {CORPUS_VERSION} {TOKENS_VERSION}{revision}".encode()).hexdigest()[:40]


SCHEMA = """
CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS content(key TEXT PRIMARY KEY, reason TEXT, record BLOB, postings BLOB, checksum INTEGER, used INTEGER) WITHOUT ROWID;
INSERT OR IGNORE INTO meta VALUES ('id', lower(hex(randomblob(8))));
"""


class ContentStore(Database):
    """The content store of one home folder. Safe for several processes; a write is one short transaction."""

    version, schema, mend = STORE_VERSION, SCHEMA, "wayfind doctor --repair"

    def _begin(self) -> None:
        (self.id,) = self._db.execute("SELECT value FROM meta WHERE name = 'id'").fetchone() or ("",)
        """Made with the store. A tree whose catalogue names another id was built beside a store that is gone."""

    def known(self, keys: Iterable[str]) -> dict[str, str | None]:
        """For those of the keys that are stored: the reason why nothing was extracted, or None where a record lies."""
        found: dict[str, str | None] = {}
        for some in slices(list(dict.fromkeys(keys))):
            with self._errors():
                rows = self._db.execute(
                    f"SELECT key, reason, CASE WHEN reason IS NULL THEN NULL ELSE checksum END FROM content WHERE key IN ({marks(some)})",
                    some,
                )
                found.update(
                    (key, reason)
                    for key, reason, checksum in rows
                    if reason is None or checksum == _checksum(key, reason, b"", b"")
                )
        return found

    def put(self, rows: Iterable[tuple[str, str | None, bytes, bytes]]) -> None:
        """Store (key, reason, record, postings) rows in one transaction, in place of what is there under their keys."""
        now = int(time.time())
        with self._errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(
                    "INSERT OR REPLACE INTO content VALUES (?, ?, ?, ?, ?, ?)",
                    [
                        (key, reason, record, counts, _checksum(key, reason, record, counts), now)
                        for key, reason, record, counts in rows
                    ],
                )
                self._db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise

    def borrow(self, other: ContentStore, keys: Iterable[str]) -> None:
        """Store what another store has under the keys, so that a copy of a tree extracts only what differs."""
        for some in slices(sorted(set(keys))):
            self.put((key, None, *other._blobs(key)) for key, reason in other.known(some).items() if reason is None)

    def record(self, key: str) -> FileRecord:
        """The record under a key. Raises IndexDamaged when it is absent or its checksum is wrong."""
        return decode_record(self._blobs(key)[0])

    def postings(self, key: str) -> FilePostings:
        """The postings under a key. Raises like `record`."""
        return decode_postings(self._blobs(key)[1])

    def _blobs(self, key: str) -> tuple[bytes, bytes]:
        with self._errors():
            row = self._db.execute(
                "SELECT reason, record, postings, checksum FROM content WHERE key = ?", (key,)
            ).fetchone()
        if row is None or row[0] is not None:
            raise IndexDamaged(
                f"{self.path} lacks the content {key[:12]}; run `wayfind doctor --repair`, which builds it again"
            )
        if _checksum(key, *row[:3]) != row[3]:
            raise IndexDamaged(
                f"{self.path}: the content {key[:12]} is damaged (checksum); run `wayfind doctor --repair`, which builds it again"
            )
        return row[1], row[2]

    def renew(self, keys: Iterable[str], now: float | None = None) -> None:
        """Note that the content was in use until now: `gc` keeps it a while longer."""
        moment = int(time.time() if now is None else now)
        with self._errors():
            for some in slices(list(keys)):
                self._db.execute(f"UPDATE content SET used = ? WHERE key IN ({marks(some)})", (moment, *some))

    def check(self) -> list[str]:
        """Keys of damaged rows; reads everything. Raises IndexDamaged where SQLite itself cannot read the file."""
        with self._errors():
            problems = [text for (text,) in self._db.execute("PRAGMA integrity_check(3)") if text != "ok"]
            if problems:
                raise IndexDamaged(
                    f"{self.path} is damaged ({problems[0]}); run `wayfind doctor --repair`, which builds it again"
                )
            rows = self._db.execute("SELECT key, reason, record, postings, checksum FROM content")
            return [
                key
                for key, reason, record, counts, checksum in rows
                if _checksum(key, reason, record, counts) != checksum
            ]

    def used(self) -> dict[str, int]:
        """Key -> when the content was last stored or let go by a tree, seconds since 1970."""
        with self._errors():
            return dict(self._db.execute("SELECT key, used FROM content"))

    def delete(self, keys: Iterable[str]) -> None:
        """Remove rows; the room is used again, and given back by `vacuum`."""
        with self._errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                for some in slices(list(keys)):
                    self._db.execute(f"DELETE FROM content WHERE key IN ({marks(some)})", some)
                self._db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise

    def live_bytes(self) -> int:
        """Size of the file without the room of deleted rows."""
        with self._errors():
            free, pages, size = (
                self._db.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("freelist_count", "page_count", "page_size")
            )
        return (pages - free) * size

    def vacuum(self, thorough: bool = False) -> None:
        """Give the room of deleted rows back to the system: any, or where it is a tenth of the file or more."""
        with self._errors():
            free, pages = (
                self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_count")
            )
            if free * 10 >= pages or (thorough and free):
                self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def encode_record(record: FileRecord) -> bytes:
    """Compressed JSON of a record; a chunk is the list of its fields, in order, its target's two fields last."""
    chunks = [
        (
            c.start_line,
            c.end_line,
            c.kind,
            c.symbol,
            c.signature,
            c.docstring,
            c.comments,
            c.calls,
            c.imports,
            c.target.text,
            c.target.provenance,
        )
        for c in record.chunks
    ]
    return zlib.compress(
        json.dumps((record.language, record.text, chunks, record.problems, record.secrets)).encode(), 1
    )


def decode_record(data: bytes) -> FileRecord:
    """The record that `encode_record` wrote."""
    language, text, chunks, problems, secrets = json.loads(zlib.decompress(data))
    made = tuple(Chunk(*c[:7], tuple(c[7]), tuple(c[8]), Target(c[9], c[10])) for c in chunks)
    return FileRecord(language, text, made, tuple(problems), secrets)


def encode_postings(postings: FilePostings) -> bytes:
    """Compressed postings of a file: a length-prefixed JSON head, then the arrays."""
    head = json.dumps(
        [postings.language, postings.lines, len(postings.term), postings.symbols, postings.terms, postings.names, len(postings.references)]
    ).encode()
    arrays = (getattr(postings, name).astype(dtype, copy=False) for name, dtype in _COLUMNS)
    return zlib.compress(b"".join([len(head).to_bytes(4, "little"), head, *(array.tobytes() for array in arrays)]), 1)


def decode_postings(data: bytes) -> FilePostings:
    """The postings that `encode_postings` wrote."""
    raw = zlib.decompress(data)
    place = 4 + int.from_bytes(raw[:4], "little")
    language, lines, rows, symbols, terms, names, references = json.loads(raw[4:place])
    sizes = {"table": len(symbols) * 4, "lengths": len(symbols) * len(FIELDS), "references": references * 4}
    arrays = {}
    for name, dtype in _COLUMNS:
        arrays[name] = np.frombuffer(raw, dtype, sizes.get(name, rows), place)
        place += arrays[name].nbytes
    arrays["table"] = arrays["table"].reshape(-1, 4)
    arrays["lengths"] = arrays["lengths"].reshape(-1, len(FIELDS))
    arrays["references"] = arrays["references"].reshape(-1, 4)
    return FilePostings(language, lines, symbols, terms=terms, names=names, **arrays)


_COLUMNS = (
    ("table", np.uint32),
    ("lengths", np.uint32),
    ("references", np.uint32),
    ("chunk", np.uint32),
    ("term", np.uint32),
    ("field", np.uint8),
    ("count", np.uint8),
)


def _checksum(key: str, reason: str | None, record: bytes, counts: bytes) -> int:
    return zlib.crc32(
        _bytes(counts),
        zlib.crc32(
            _bytes(record), zlib.crc32(f"{key} {'' if reason is None else reason!r}".encode("utf-8", "replace"))
        ),
    )


def _bytes(value: object) -> bytes:
    """A column as it should be; where damage made it another type, bytes that no checksum fits."""
    return value if isinstance(value, bytes) else repr(value).encode("utf-8", "replace") + b"\0"
