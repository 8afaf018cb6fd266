"""What changed below a folder since last asked: in comes a root, out come the paths that a refresh would look at.

On Linux by inotify, read at the moment of asking. The kernel queues an event before the system call that caused it
returns, so a change that happened before the question is in the answer, without waiting. Not reported are writes through
a memory map and those of other machines on a network file system; `serve.entry` therefore also walks now and then.
Elsewhere nothing is watched, and each search walks.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wayfind.corpus.git import ask
from wayfind.corpus.reach import DECISIVE, Reach
from wayfind.errors import WayfindError

if TYPE_CHECKING:
    from inotify_simple import Event

EVERYTHING = "."
"""Stands among the changed paths for any path: events were lost, or what is ignored has changed."""


class Unwatched(Exception):
    """The folder is not watched; the text says why."""


class Watch:
    """The changes below one folder, from its making on. Safe to use from several threads."""

    def __init__(self, root: Path):
        """Raises Unwatched, with the reason."""
        self._root, self._lock = root, threading.Lock()
        self._changed: set[str] = {EVERYTHING}
        self._folders: dict[int, str] = {}
        self._outside = _outside(root)
        self._before = self._standing()
        self._system: Any = _inotify()
        try:
            self._reach = Reach(root)
            self._add("")
        except (OSError, WayfindError) as error:
            self.close()
            raise Unwatched(_why(error)) from error

    @property
    def folders(self) -> int:
        """Number of folders watched."""
        return len(self._folders)

    def changed(self) -> frozenset[str]:
        """The paths, relative to the root, that changed since `take`; also what a commit or a checkout changes. At first,
        EVERYTHING. Raises Unwatched once the watch has ended."""
        with self._lock:
            self._read()
            return frozenset(self._changed)

    def take(self) -> None:
        """Forget what changed until now: the caller begins to look at the files. Raises Unwatched."""
        with self._lock:
            self._read()
            self._changed.clear()

    def give_back(self) -> None:
        """What was taken was not looked at after all."""
        with self._lock:
            self._changed.add(EVERYTHING)

    def close(self) -> None:
        """End the watch."""
        if self._system is not None:
            self._system.close()
            self._system = None

    def _read(self) -> None:
        if self._system is None:
            raise Unwatched("the watch has ended")
        try:
            events = self._system.read(timeout=0)
            decisive = False
            for event in events:
                decisive |= self._note(event)
            if decisive:  # what is ignored is another now; watching a folder again changes nothing
                self._changed.add(EVERYTHING)
                self._reach, self._outside = Reach(self._root), _outside(self._root)
                self._before = self._standing()
                self._add("")
        except (OSError, ValueError, WayfindError, Unwatched) as error:
            self.close()
            raise Unwatched(_why(error)) from error
        if (now := self._standing()) != self._before:
            self._before = now
            self._changed.add(EVERYTHING)

    def _note(self, event: Event) -> bool:
        """Take note of one event. Returns whether it decides what else is looked at."""
        from inotify_simple import flags

        if event.mask & flags.Q_OVERFLOW:
            return True
        folder = self._folders.get(event.wd)
        if folder is None:
            return False
        if event.mask & flags.IGNORED:
            del self._folders[event.wd]
            return False
        if not event.name:
            if folder == "" and event.mask & (flags.DELETE_SELF | flags.MOVE_SELF | flags.UNMOUNT):
                raise Unwatched("the folder is gone")
            return False
        path = folder + event.name
        if event.mask & flags.ISDIR:
            return self._note_folder(f"{path}/", event.mask)
        if self._reach.sees(path, modified=bool(event.mask & flags.MODIFY)):
            self._changed.add(path)
        return event.name in DECISIVE

    def _note_folder(self, folder: str, mask: int) -> bool:
        from inotify_simple import flags

        if not self._reach.enters(folder):
            return folder[:-1] in DECISIVE
        self._changed.add(folder)
        if mask & flags.MOVED_FROM:
            self._drop(folder)
        elif mask & (flags.CREATE | flags.MOVED_TO):
            self._add(folder)
        return False

    def _add(self, below: str) -> None:
        """Watch a folder and those in it; each before it is read, so that nothing is made in between unseen."""
        from inotify_simple import flags

        what = (
            flags.MODIFY | flags.ATTRIB | flags.MOVED_FROM | flags.MOVED_TO | flags.CREATE | flags.DELETE | flags.DELETE_SELF | flags.MOVE_SELF
            | flags.ONLYDIR | flags.DONT_FOLLOW | flags.EXCL_UNLINK
        )  # fmt: skip
        for folder in self._reach.folders(below):
            try:
                self._folders[self._system.add_watch(self._root / folder, what)] = folder
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
                    raise

    def _drop(self, folder: str) -> None:
        """A folder was moved away; where it is now concerns nobody."""
        for number in [number for number, name in self._folders.items() if name.startswith(folder)]:
            del self._folders[number]
            with contextlib.suppress(OSError):  # it was deleted there, and its watch with it
                self._system.rm_watch(number)

    def _standing(self) -> tuple[object, ...]:
        """How the files outside of the watched folders are: which commit is checked out, what is ignored from above."""
        return tuple(map(_state, self._outside))


def _inotify() -> Any:
    if not sys.platform.startswith("linux"):
        raise Unwatched(f"there is no watcher for {sys.platform}")
    try:
        from inotify_simple import INotify
    except ImportError as error:
        raise Unwatched("inotify-simple is not installed; pip install 'wayfind[serve]'") from error
    try:
        return INotify()
    except OSError as error:
        raise Unwatched(_why(error)) from error


def _why(error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number == errno.ENOSPC:
        return "there are more folders than the system watches for a user (fs.inotify.max_user_watches)"
    if number == errno.EMFILE:
        return "the system has no more watches for this user (fs.inotify.max_user_instances)"
    return getattr(error, "strerror", None) or str(error)


def _outside(root: Path) -> list[Path]:
    """Files that a refresh depends on and that no watched folder holds."""
    found = [folder / name for folder in root.parents for name in (".gitignore", ".wayfindignore")]
    folders = (ask(root, "rev-parse", "--absolute-git-dir", "--git-common-dir") or "").splitlines()
    for folder in {os.path.normpath(root / name) for name in folders}:
        found += [Path(folder, name) for name in ("HEAD", "logs/HEAD", "packed-refs", "info/exclude")]
    return sorted(found)


def _state(file: Path) -> tuple[int, int, int, str] | None:
    """What tells a file from what it was; of `HEAD` also the state of the branch that it names."""
    try:
        state = file.stat()
        branch = ""
        if file.name == "HEAD" and file.parent.name != "logs":
            branch = file.read_text("utf-8", "replace").removeprefix("ref:").strip()
            with_branch = file.parent / branch
            branch += with_branch.read_text("utf-8", "replace") if with_branch.is_file() else ""
    except OSError:
        return None
    return state.st_ino, state.st_mtime_ns, state.st_size, branch
