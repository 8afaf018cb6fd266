"""The lock of a home folder: refreshes share it, `gc` and repairs hold it alone, readers need none.

So content that a writer has stored, or has found stored, cannot be taken away before the generation that names it is
committed. The lock is the system's (flock): it ends with the process that holds it, however that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from wayfind.errors import IndexBusy, StorageError

WAIT = 60.0
"""Seconds that whoever needs a home alone waits for running refreshes."""
_STEP = 0.02
"""Seconds between two tries."""
_LOOK = 0.5
"""Seconds between two looks whether a parent is still there."""


@contextlib.contextmanager
def held(home: Path, *, alone: bool, wait: float) -> Iterator[None]:
    """Hold the lock of a home folder, alone or with others. Raises IndexBusy after `wait` seconds, StorageError."""
    try:
        handle = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageError(
            f"cannot use {home}: {error.strerror}. Permit writing there, or set WAYFIND_HOME to another folder."
        ) from error
    try:
        _take(handle, home, fcntl.LOCK_EX if alone else fcntl.LOCK_SH, time.monotonic() + wait)
        yield
    finally:
        fcntl.flock(handle, fcntl.LOCK_UN)  # for forked workers too, which share the open file
        os.close(handle)


def _take(handle: int, home: Path, how: int, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(handle, how | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                other = "is updating an index" if how == fcntl.LOCK_EX else "is cleaning or repairing the indexes"
                raise IndexBusy(f"another process {other} in {home}; try again when it is done") from error
            time.sleep(_STEP)
        except OSError as error:
            raise StorageError(
                f"cannot lock {home}: {error.strerror}. Set WAYFIND_HOME to a folder on a local disk."
            ) from error


def end_with(parent: int) -> None:
    """End this process when the one that started it, of this id, has ended: an orphan would hold its locks for ever."""
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os._exit(1)
