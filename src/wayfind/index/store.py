"""The content store: what was extracted from the bytes of a file, kept once per user and shared by every branch,
worktree and clone. Key in, record and postings out; every row carries a checksum.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from wayfind.errors import IndexDamaged, IndexVersion, StorageError
from wayfind.index.segment import FIELDS, FilePostings
from wayfind.index.tokens import TOKENS_VERSION
from wayfind.types import Chunk, FileRecord, Target

STORE_VERSION = 1
CORPUS_VERSION = "1"
"""Raised whenever extraction makes other records from the same bytes."""
_IN_ONE_QUERY = 500


def content_key(digest: str, language: str) -> str:
    """Key of what extraction makes of the bytes with this SHA-256, read as this language by this version of Wayfind."""
    return hashlib.sha256(f"{digest} {language} {CORPUS_VERSION} {TOKENS_VERSION}".encode()).hexdigest()[:40]


def connect(path: Path) -> sqlite3.Connection:
    """A connection in write-ahead mode to a private (0600) database, made when absent.

    Raises StorageError where the folder cannot be written, IndexDamaged where the file is no database.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            path.touch(mode=0o600)
        connection = sqlite3.connect(path, timeout=60.0, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
    except (OSError, sqlite3.Error) as error:
        raise storage_error(error, path) from error
    return connection


def storage_error(error: Exception, path: Path) -> Exception:
    """The Wayfind error that says what SQLite or the system refused."""
    text = str(error)
    if "malformed" in text or "not a database" in text or "corrupt" in text:
        return IndexDamaged(f"{path} is damaged ({text}); run `wayfind doctor --repair`, which builds it again")
    return StorageError(f"cannot use {path}: {text}. Free space or permit writing there, or set WAYFIND_HOME to another folder.")


class ContentStore:
    """The content store of one home folder. Safe for several processes; a write is one short transaction."""

    def __init__(self, path: Path):
        self.path = path
        self._db = connect(path)
        try:
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, STORE_VERSION):
                raise IndexVersion(f"{path} has format {version}, this wayfind reads {STORE_VERSION}; run `wayfind doctor --repair`")
            if version == 0:
                self._db.executescript(
                    "BEGIN IMMEDIATE;"
                    "CREATE TABLE IF NOT EXISTS content(key TEXT PRIMARY KEY, reason TEXT, record BLOB, postings BLOB, checksum INTEGER, used INTEGER)"
                    f" WITHOUT ROWID; PRAGMA user_version={STORE_VERSION}; COMMIT"
                )
        except sqlite3.Error as error:
            raise storage_error(error, path) from error

    def close(self) -> None:
        self._db.close()

    def known(self, keys: Iterable[str]) -> dict[str, str | None]:
        """For those of the keys that are stored: the reason why nothing was extracted, or None where a record lies."""
        found: dict[str, str | None] = {}
        for some in _slices(list(dict.fromkeys(keys))):
            with self._errors():
                found.update(self._db.execute(f"SELECT key, reason FROM content WHERE key IN ({_marks(some)})", some))
        return found

    def put(self, rows: Iterable[tuple[str, str | None, bytes, bytes]]) -> None:
        """Store (key, reason, record, postings) rows in one transaction; a key that is there already stays."""
        today = int(time.time() // 86400)
        with self._errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(
                    "INSERT OR IGNORE INTO content VALUES (?, ?, ?, ?, ?, ?)",
                    [(key, reason, record, counts, _checksum(key, reason, record, counts), today) for key, reason, record, counts in rows],
                )
                self._db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise

    def record(self, key: str) -> FileRecord:
        """The record under a key. Raises IndexDamaged when it is absent or its checksum is wrong."""
        return decode_record(self._blobs(key)[0])

    def postings(self, key: str) -> FilePostings:
        """The postings under a key. Raises like `record`."""
        return decode_postings(self._blobs(key)[1])

    def _blobs(self, key: str) -> tuple[bytes, bytes]:
        with self._errors():
            row = self._db.execute("SELECT reason, record, postings, checksum FROM content WHERE key = ?", (key,)).fetchone()
        if row is None or row[0] is not None:
            raise IndexDamaged(f"{self.path} lacks the content {key[:12]}; run `wayfind doctor --repair`, which builds it again")
        if _checksum(key, *row[:3]) != row[3]:
            raise IndexDamaged(f"{self.path}: the content {key[:12]} is damaged (checksum); run `wayfind doctor --repair`, which builds it again")
        return row[1], row[2]

    def check(self) -> list[str]:
        """Keys of damaged rows; reads everything."""
        with self._errors():
            return [key for key, reason, record, counts, checksum in self._db.execute("SELECT key, reason, record, postings, checksum FROM content") if _checksum(key, reason, record, counts) != checksum]

    def keys(self) -> set[str]:
        with self._errors():
            return {key for (key,) in self._db.execute("SELECT key FROM content")}

    def delete(self, keys: Iterable[str]) -> None:
        """Remove rows; the room is used again, and given back by `vacuum`."""
        with self._errors():
            for some in _slices(list(keys)):
                self._db.execute(f"DELETE FROM content WHERE key IN ({_marks(some)})", some)

    def vacuum(self) -> None:
        with self._errors():
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise storage_error(error, self.path) from error


def encode_record(record: FileRecord) -> bytes:
    """Compressed JSON of a record; a chunk is the list of its fields, in order, its target's two fields last."""
    chunks = [
        (c.start_line, c.end_line, c.kind, c.symbol, c.signature, c.docstring, c.comments, c.calls, c.imports, c.target.text, c.target.provenance)
        for c in record.chunks
    ]
    return zlib.compress(json.dumps((record.language, record.text, chunks, record.problems, record.secrets)).encode(), 1)


def decode_record(data: bytes) -> FileRecord:
    """The record that `encode_record` wrote."""
    language, text, chunks, problems, secrets = json.loads(zlib.decompress(data))
    made = tuple(Chunk(*c[:7], tuple(c[7]), tuple(c[8]), Target(c[9], c[10])) for c in chunks)
    return FileRecord(language, text, made, tuple(problems), secrets)


def encode_postings(postings: FilePostings) -> bytes:
    """Compressed postings of a file: a length-prefixed JSON head, then the arrays."""
    head = json.dumps([postings.language, postings.lines, len(postings.term), postings.symbols, postings.terms]).encode()
    arrays = (getattr(postings, name).astype(dtype, copy=False) for name, dtype in _COLUMNS)
    return zlib.compress(b"".join([len(head).to_bytes(4, "little"), head, *(array.tobytes() for array in arrays)]), 1)


def decode_postings(data: bytes) -> FilePostings:
    """The postings that `encode_postings` wrote."""
    raw = zlib.decompress(data)
    place = 4 + int.from_bytes(raw[:4], "little")
    language, lines, rows, symbols, terms = json.loads(raw[4:place])
    sizes = {"table": len(symbols) * 4, "lengths": len(symbols) * len(FIELDS)}
    arrays = {}
    for name, dtype in _COLUMNS:
        arrays[name] = np.frombuffer(raw, dtype, sizes.get(name, rows), place)
        place += arrays[name].nbytes
    arrays["table"] = arrays["table"].reshape(-1, 4)
    arrays["lengths"] = arrays["lengths"].reshape(-1, len(FIELDS))
    return FilePostings(language, lines, symbols, terms=terms, **arrays)


_COLUMNS = (("table", np.uint32), ("lengths", np.uint32), ("chunk", np.uint32), ("term", np.uint32), ("field", np.uint8), ("count", np.uint8))


def default_home() -> Path:
    """The folder of all indexes: $WAYFIND_HOME, else wayfind below the user's cache folder (XDG)."""
    if home := os.environ.get("WAYFIND_HOME"):
        return Path(home).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "wayfind"


def _checksum(key: str, reason: str | None, record: bytes, counts: bytes) -> int:
    return zlib.crc32(counts, zlib.crc32(record, zlib.crc32(f"{key} {reason or ''}".encode())))


def _slices(values: list[str]) -> Iterator[list[str]]:
    return (values[i : i + _IN_ONE_QUERY] for i in range(0, len(values), _IN_ONE_QUERY))


def _marks(values: list[str]) -> str:
    return ",".join("?" * len(values))
