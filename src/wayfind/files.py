"""Files that are there whole or not at all: Wayfind's own, which only their owner may read, and the user's."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from wayfind.errors import StorageError


def replace_file(path: Path, data: bytes) -> None:
    """Write a file with mode 0600, and its folder with 0700 where that is missing; whoever reads it meanwhile sees the old
    one or the new one. Raises StorageError; then nothing was changed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _replace(path, data, 0o600)
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror}; nothing was changed. Free space or set WAYFIND_HOME to another folder."
        ) from error


def rewrite_file(path: Path, data: bytes) -> None:
    """Write a file of the user's, who may have linked it to another: that one is written, and its mode stays. Whoever reads it
    meanwhile sees the old one or the new one. Raises OSError; then nothing was changed."""
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path, data, stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o666 & ~_umask())


def _replace(path: Path, data: bytes, mode: int) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")  # of mode 0600; a refresh sweeps what ends in .tmp
    try:
        with open(handle, "wb") as written:
            written.write(data)
            written.flush()
            os.fsync(written.fileno())
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


@contextlib.contextmanager
def private() -> Iterator[None]:
    """What is made inside only its owner may use, also what libraries write by themselves. It holds for the whole process."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)
