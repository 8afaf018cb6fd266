"""Vectors made behind a search that lacked them: by a process of its own, at the lowest priority, that ends when they are there.

The answer itself never waits. The module's `main` is that process; a folder has one at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from wayfind.config import environment, value_of
from wayfind.serve.processes import python

if TYPE_CHECKING:
    from wayfind.search.searcher import Searcher

LOCK = "filling.lock"
NICENESS = 19


def lacks_vectors(searcher: Searcher) -> bool:
    """Whether a search found chunks without vectors, and they are to be made behind it."""
    return searcher.meanings is not None and searcher.meanings.coverage < 1 and value_of("background-vectors") == "on"


def fill_behind(root: Path, index: Path) -> bool:
    """Start the process for the repository at `root`, whose index lies in `index`, unless one is at work there. Returns whether it did.

    The lock is taken here and inherited: it ends with the process, however that ends.
    """
    try:
        with alone(index) as lock:
            line = python("wayfind.serve.filling", root)
            subprocess.Popen(  # noqa: S603
                line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, cwd=os.path.abspath(os.sep),
                env=environment(), pass_fds=(lock,),
            )  # fmt: skip
    except OSError:  # busy, read only, or no process to be had: the next search tries again
        return False
    return True


@contextlib.contextmanager
def alone(index: Path) -> Iterator[int]:
    """Be the one that makes vectors here; the lock's file descriptor. Raises OSError where another one does."""
    handle = os.open(index / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield handle
    finally:
        os.close(handle)


def main() -> int:
    """Make the vectors of the folder that is named. What goes wrong is for the next `wayfind index` to say."""
    import wayfind
    from wayfind.errors import WayfindError

    os.nice(NICENESS)
    with contextlib.suppress(WayfindError, OSError), wayfind.open(sys.argv[1]) as repository:
        repository.encode()
    return 0
