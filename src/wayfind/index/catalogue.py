"""The catalogue of one working tree: which files are indexed, from which content, in which segment, and which
generation that makes. SQLite in write-ahead mode: a reader sees one generation whole, a killed writer leaves the old one.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from wayfind.errors import IndexBusy, IndexDamaged
from wayfind.index.database import Database
from wayfind.types import Touch

CATALOGUE_VERSION = 1

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS file(
  path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, seen_ns INTEGER, key TEXT, reason TEXT, chunks INTEGER,
  segment TEXT, number INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS segment(name TEXT PRIMARY KEY, files INTEGER, chunks INTEGER, bytes INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS touch(path BLOB, symbol TEXT, commit_id TEXT, time INTEGER, subject TEXT,
  PRIMARY KEY(path, symbol, commit_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS manual(path BLOB, chunk INTEGER, entry TEXT, PRIMARY KEY(path, chunk)) WITHOUT ROWID;
INSERT OR IGNORE INTO meta VALUES ('id', lower(hex(randomblob(8))));
"""


@dataclass(frozen=True, slots=True)
class FileRow:
    """One file of the tree. Indexed when `reason` is None: then `segment` and `number` say where its postings lie."""

    path: str
    size: int
    mtime_ns: int
    seen_ns: int
    """When the content was read, nanoseconds; a file modified about then is read again."""
    key: str
    reason: str | None
    chunks: int
    segment: str | None
    number: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """One generation: what is live in which segment, and the facts kept beside it."""

    generation: int
    rows: dict[str, FileRow]
    segments: tuple[str, ...]
    meta: dict[str, str]

    @property
    def stamp(self) -> tuple[str, str]:
        """What tells this generation from all others, also from those of a catalogue that was deleted and made again."""
        return self.meta.get("generation", "0"), self.meta.get("id", "")

    @property
    def skipped_by_walk(self) -> dict[str, int]:
        """The part of `skipped` that the walk alone decides."""
        return json.loads(self.meta.get("walked", "{}"))

    @property
    def skipped(self) -> dict[str, int]:
        """Reason -> number of files or folders that were not indexed."""
        return json.loads(self.meta.get("skipped", "{}"))


def path_bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _bound(value: str) -> str | bytes:
    """A value as SQLite takes it: one that names a folder that is not UTF-8 as its bytes."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return path_bytes(value)
    return value


class Catalogue(Database):
    """The catalogue file of one working tree."""

    version, schema, mend = CATALOGUE_VERSION, SCHEMA, "wayfind index --rebuild"

    def generation(self) -> int:
        """Number of the present generation; 0 before the first."""
        self.follow()
        with self._errors():
            row = self._db.execute("SELECT value FROM meta WHERE name = 'generation'").fetchone()
        return int(row[0]) if row else 0

    def stamp(self) -> tuple[str, str]:
        """The stamp of the present generation."""
        self.follow()
        with self._errors():
            meta = dict(self._db.execute("SELECT name, value FROM meta WHERE name IN ('generation', 'id')"))
        return meta.get("generation", "0"), meta.get("id", "")

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """All that is read inside belongs to one generation."""
        if self._db.in_transaction:
            yield
            return
        self.follow()
        with self._errors():
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("COMMIT")

    def manifest(self) -> Manifest:
        """The present generation. Raises IndexDamaged where it does not hold what was written."""
        with self.reading(), self._errors():
            said = self._db.execute("SELECT name, value FROM meta").fetchall()
            found = self._db.execute("SELECT * FROM file ORDER BY path").fetchall()
            segments = tuple(name for (name,) in self._db.execute("SELECT name FROM segment ORDER BY name"))
        try:
            meta = {name: value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value for name, value in said}
            rows = [FileRow(path.decode("utf-8", "surrogateescape"), *rest) for path, *rest in found]
            # TypeError where damage made one a text
            sum(row.size + row.mtime_ns + row.seen_ns + row.chunks + row.number for row in rows)
            whole = len(rows) == int(meta.get("rows", len(rows))) and {row.segment for row in rows} <= {None, *segments}
            manifest = Manifest(int(meta.get("generation", 0)), {row.path: row for row in rows}, segments, meta)
        except (AttributeError, TypeError, ValueError):
            whole = False
        if not whole:
            raise IndexDamaged(
                f"{self.path} is damaged (it does not hold what was written); run `wayfind doctor --repair`, which builds it again"
            )
        return manifest

    @contextlib.contextmanager
    def writing(self, wait: float) -> Iterator[None]:
        """Hold the right to write this tree's index; a killed holder loses it with its process.

        Raises IndexBusy after `wait` seconds. What is written inside becomes visible at the end, all or nothing.
        """
        self.follow()
        with self._errors():
            self._db.execute(f"PRAGMA busy_timeout={int(wait * 1000)}")
            try:
                self._db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                raise IndexBusy(
                    "another process is updating this index; wait for it, or read the present generation with --no-refresh"
                ) from error
            finally:
                self._db.execute("PRAGMA busy_timeout=60000")
            try:
                yield
                self._db.execute("INSERT OR REPLACE INTO meta SELECT 'rows', count(*) FROM file")
                self._db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise

    def clear(self) -> None:
        """Forget all files, segments, commits and manual explanations; the generation stays, to be counted on."""
        for table in ("file", "segment", "touch", "manual"):
            self._db.execute(f"DELETE FROM {table}")

    def drop(self, *, segments: Iterable[str] = (), keys: Iterable[str] = ()) -> int:
        """Take out segments, and files that lie in them or have one of the content keys: the next refresh reads those
        again. Returns the number of files."""
        before = self._db.execute("SELECT count(*) FROM file").fetchone()[0]
        self._db.executemany("DELETE FROM file WHERE segment = ?", [(name,) for name in segments])
        self._db.executemany("DELETE FROM segment WHERE name = ?", [(name,) for name in segments])
        self._db.executemany("DELETE FROM file WHERE key = ?", [(key,) for key in keys])
        return before - self._db.execute("SELECT count(*) FROM file").fetchone()[0]

    def check(self) -> list[str]:
        """What SQLite finds wrong in the file."""
        with self._errors():
            return [text for (text,) in self._db.execute("PRAGMA integrity_check(3)") if text != "ok"]

    def write_files(self, rows: Sequence[FileRow], gone: Sequence[str]) -> None:
        self._db.executemany("DELETE FROM file WHERE path = ?", [(path_bytes(path),) for path in gone])
        self._db.executemany(
            "INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (path_bytes(r.path), r.size, r.mtime_ns, r.seen_ns, r.key, r.reason, r.chunks, r.segment, r.number)
                for r in rows
            ],
        )

    def write_segments(self, rows: Sequence[tuple[str, int, int, int]], gone: Sequence[str]) -> None:
        self._db.executemany("DELETE FROM segment WHERE name = ?", [(name,) for name in gone])
        self._db.executemany("INSERT INTO segment VALUES (?, ?, ?, ?)", rows)

    def segment_chunks(self) -> dict[str, int]:
        """Segment -> number of its chunks, dead ones counted."""
        return dict(self._db.execute("SELECT name, chunks FROM segment"))

    def write_meta(self, values: Mapping[str, str]) -> None:
        self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", [(name, _bound(value)) for name, value in values.items()])

    def write_touches(self, touches: Sequence[Touch], *, replace: bool) -> None:
        if replace:
            self._db.execute("DELETE FROM touch")
        self._db.executemany(
            "INSERT OR REPLACE INTO touch VALUES (?, ?, ?, ?, ?)",
            [(path_bytes(t.path), t.symbol, t.commit, t.time, t.subject) for t in touches],
        )

    def move_touches(self, moved: Mapping[str, str], gone: Iterable[str]) -> None:
        """Let the commits of renamed files (old path -> new) go with them, and drop those of files that are gone."""
        self._db.executemany(
            "UPDATE OR REPLACE touch SET path = ? WHERE path = ?",
            [(path_bytes(new), path_bytes(old)) for old, new in moved.items()],
        )
        self._db.executemany("DELETE FROM touch WHERE path = ?", [(path_bytes(path),) for path in gone])

    def touched(self, path: str) -> set[str]:
        """The symbols of a file of which commits are known."""
        with self._errors():
            rows = self._db.execute("SELECT DISTINCT symbol FROM touch WHERE path = ?", (path_bytes(path),))
            return {symbol for (symbol,) in rows}

    def rename_touched(self, path: str, renamed: Mapping[str, str], gone: Iterable[str] = ()) -> None:
        """Let the commits of renamed definitions of a file (old symbol -> new) go with them, and drop those of definitions
        that are gone."""
        self._db.executemany(
            "UPDATE OR REPLACE touch SET symbol = ? WHERE path = ? AND symbol = ?",
            [(new, path_bytes(path), old) for old, new in renamed.items()],
        )
        self._db.executemany(
            "DELETE FROM touch WHERE path = ? AND symbol = ?", [(path_bytes(path), symbol) for symbol in gone]
        )

    def touches(self) -> list[Touch]:
        """Commits that touched each definition, newest first."""
        with self._errors():
            rows = self._db.execute(
                "SELECT path, symbol, commit_id, time, subject FROM touch ORDER BY time DESC, commit_id, path, symbol"
            )
            return [Touch(p.decode("utf-8", "surrogateescape"), *rest) for p, *rest in rows]

    def write_manual(self, entries: Mapping[tuple[str, int], str]) -> None:
        """Replace the manual explanations: (path, chunk number) -> what counts as documentation (`Manual.documentation`)."""
        self._db.execute("DELETE FROM manual")
        self._db.executemany(
            "INSERT INTO manual VALUES (?, ?, ?)", [(path_bytes(p), n, e) for (p, n), e in entries.items()]
        )

    def manual(self) -> dict[tuple[str, int], str]:
        """The manual explanations as they were written."""
        with self._errors():
            return {
                (p.decode("utf-8", "surrogateescape"), n): e
                for p, n, e in self._db.execute("SELECT path, chunk, entry FROM manual")
            }
