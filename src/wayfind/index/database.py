"""SQLite databases that only their owner may read: opened in write-ahead mode, made when absent, and opened again where another
file took the place of the one that is held.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from abc import ABC
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from wayfind.errors import IndexBusy, IndexDamaged, IndexVersion, StorageError

_IN_ONE_QUERY = 500
_REFUSED = ("disk is full", "unable to open", "readonly", "read-only", "disk I/O error", "out of memory", "permission", "not authorized", "large file")
"""What SQLite says where the disk or the system refused. All else that it says of our statements means a file that does not hold what
was written: there are too many kinds of damage to name them (tests/test_damage.py tries some hundreds)."""
_WRITE_VERSION = 18
"""Byte of the header that says how a file is to be written; SQLite only reads one of a higher version than `_LAST_WRITE_VERSION`."""
_LAST_WRITE_VERSION = 2


class Database(ABC):
    """A database file of one version, in one connection that threads may share."""

    version: int
    schema: str
    """Statements that make an empty one."""
    mend: str
    """The command that mends one of another version."""

    def __init__(self, path: Path):
        """Raises StorageError, IndexDamaged, IndexVersion."""
        self.path = path
        self._open()

    def _open(self) -> None:
        self._db = connect(self.path)
        self._inode = inode(self.path)
        try:
            with self._errors():
                version = self._db.execute("PRAGMA user_version").fetchone()[0]
                if version not in (0, self.version):
                    raise IndexVersion(f"{self.path} has format {version}, this wayfind reads {self.version}; run `{self.mend}`")
                if version == 0:
                    self._db.executescript(f"BEGIN IMMEDIATE;\n{self.schema}PRAGMA user_version={self.version};\nCOMMIT")
                self._begin()
        except BaseException:
            self._db.close()
            raise

    def _begin(self) -> None:
        """What is read as soon as the file is open."""

    def follow(self) -> None:
        """Open the file again where another took its place (`forget`, a repair) while this process held the old one."""
        if not self._db.in_transaction and inode(self.path) != self._inode:
            self._db.close()
            self._open()

    def close(self) -> None:
        self._db.close()

    def __del__(self) -> None:
        """`wayfind.open(path).search("…")` leaves nothing to close by hand."""
        if hasattr(self, "_db"):
            self._db.close()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise storage_error(error, self.path) from error


def connect(path: Path) -> sqlite3.Connection:
    """A connection in write-ahead mode to a private (0600) database, made when absent. Where it may only be read, a
    connection that reads.

    Raises StorageError where the folder cannot be written, IndexDamaged where the file is no database.
    """
    try:
        private_folder(path.parent)
        if not path.exists():
            path.touch(mode=0o600)
        try:
            return _write_ahead(_opened(path, "rw"))
        except sqlite3.OperationalError as error:
            if "readonly" in str(error) or "unable to open" in str(error):
                return _reading(path)
            raise
    except (OSError, sqlite3.Error) as error:
        raise storage_error(error, path) from error


def check_header(path: Path) -> None:
    """Raises IndexDamaged where SQLite would take a damaged header for a file that must not be written. Only where this process does not
    have the file open: that it is closed here would end the locks that SQLite holds on it (https://sqlite.org/howtocorrupt.html, 2.2)."""
    if _is_never_written(path):
        raise _damaged(path, "its header is not one of SQLite")


def _is_never_written(path: Path) -> bool:
    with contextlib.suppress(OSError), path.open("rb") as file:
        return any(version > _LAST_WRITE_VERSION for version in file.read(_WRITE_VERSION + 1)[_WRITE_VERSION:])
    return False


def remove_database(path: Path) -> None:
    """Delete a database with the files that SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def private_folder(path: Path) -> None:
    """Make a folder that only its owner enters (0700), and the missing folders above it, as XDG asks."""
    if not path.is_dir():
        private_folder(path.parent)
        path.mkdir(exist_ok=True, mode=0o700)


def _opened(path: Path, mode: str) -> sqlite3.Connection:
    name = f"file:{quote(os.fsencode(path))}?{'mode=' if len(mode) == 2 else ''}{mode}"
    return sqlite3.connect(name, timeout=60.0, isolation_level=None, check_same_thread=False, uri=True)


def _write_ahead(connection: sqlite3.Connection) -> sqlite3.Connection:
    deadline = time.monotonic() + 60.0
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            return connection
        except sqlite3.OperationalError as error:  # two processes open a new file at once: SQLite does not wait here
            if "locked" not in str(error) or time.monotonic() > deadline:
                connection.close()
                raise
            time.sleep(0.01)
        except sqlite3.Error:
            connection.close()
            raise


def _reading(path: Path) -> sqlite3.Connection:
    """A connection to a database in a folder that cannot be written. SQLite reads there either beside a process that
    writes, or, when no journal is left, from a file that is taken not to change."""
    connection = _opened(path, "ro")
    try:
        connection.execute("SELECT count(*) FROM sqlite_master")
        return connection
    except sqlite3.OperationalError:
        connection.close()
        journal = path.with_name(f"{path.name}-wal")
        if journal.exists() and journal.stat().st_size:
            raise
        return _opened(path, "immutable=1")


def inode(path: Path) -> tuple[int, int] | None:
    """What tells a file from another that took its place; None when there is none."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino


def storage_error(error: Exception, path: Path) -> Exception:
    """The Wayfind error that says what SQLite or the system refused."""
    text = str(error)
    if "locked" in text:
        return IndexBusy(f"another process holds {path} for longer than a minute; try again when it is done")
    if "readonly" in text and os.access(path, os.W_OK) and _is_never_written(path):  # its locks are of no use any more
        return _damaged(path, text)
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.ProgrammingError) and not any(sign in text for sign in _REFUSED):
        return _damaged(path, text)
    return StorageError(
        f"cannot use {path}: {text}. Free space or permit writing there, or set WAYFIND_HOME to another folder."
    )


def _damaged(path: Path, why: str) -> IndexDamaged:
    return IndexDamaged(f"{path} is damaged ({why}); run `wayfind doctor --repair`, which builds it again")


def slices(values: list[str]) -> Iterator[list[str]]:
    """The values in parts that one query takes."""
    return (values[i : i + _IN_ONE_QUERY] for i in range(0, len(values), _IN_ONE_QUERY))


def marks(values: list[str]) -> str:
    """The question marks that stand for the values in a query."""
    return ",".join("?" * len(values))
