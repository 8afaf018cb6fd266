"""Repositories kept open in memory by one process: folders and a question in, what was found in all of them out. Safe for
threads. At most so many are open; the one used longest ago makes room.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wayfind.config import default_home
from wayfind.errors import NotFound, UsageError
from wayfind.index.refresh import Options
from wayfind.search import engine
from wayfind.search.engine import Ask
from wayfind.serve.entry import Entry, Part
from wayfind.serve.merging import Placed, merged
from wayfind.types import Answer

MOST_OPEN = 8
"""Repositories in memory at most; the one used longest ago makes room. Its index stays on disk."""
_LOOK = 0.25
"""Seconds between two looks at what is watched, when nobody searches."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search over several repositories found."""

    parts: tuple[Part, ...]
    results: tuple[Placed, ...]
    """The best of all, each with its repository's root; the order is that of `serve.merging`."""

    @property
    def partial(self) -> bool:
        """Whether a first index was not there yet."""
        return any(part.partial for part in self.parts)

    @property
    def answers(self) -> tuple[tuple[Path, Answer], ...]:
        """The answers of those that did not fail, with their roots."""
        return tuple((part.root, part.answer) for part in self.parts if part.answer is not None)


class Workspace:
    """Several repositories, opened when they are first named."""

    def __init__(
        self,
        home: str | os.PathLike[str] | None = None,
        options: Options = Options(),
        clock: Callable[[], float] = time.monotonic,
        *,
        most: int = MOST_OPEN,
        watching: bool = True,
    ):
        """home: where the indexes lie (default: the user's). options: how refreshes are made; `workers` above 1 lets a first
        index use so many processes. clock: monotonic seconds. most: repositories in memory. watching: False to look at the
        files at each search."""
        self.home = Path(home) if home else default_home()
        self._options, self._clock, self._most, self._watching = options, clock, most, watching
        self._entries: OrderedDict[Path, Entry] = OrderedDict()
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._looker: threading.Thread | None = None

    def open(self, path: str | os.PathLike[str], begin: bool = True) -> Entry:
        """The entry of the repository at this folder; returns at once. Unless `begin` is false, a first index that is
        missing begins to be made in the background. Raises NotFound, UsageError, StorageError."""
        root = Path(path).expanduser()
        if not root.is_dir():
            if root.exists():
                raise UsageError(f"{root} is a file; give the folder of a repository")
            raise NotFound(f"no such folder: {root}")
        root = root.resolve()
        with self._lock:
            if self._end.is_set():
                raise UsageError("the workspace is closed")
            entry = self._entries.get(root)
            if entry is None or entry.closed:
                entry = self._entries[root] = Entry(root, self.home, self._options, self._clock, self._watching)
                self._make_room()
            self._entries.move_to_end(root)
            if self._watching and self._looker is None:
                self._looker = threading.Thread(target=self._look, name="wayfind-look", daemon=True)
                self._looker.start()
        if begin and entry.state == "absent":
            entry.begin()
        return entry

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The repositories in memory, the one used last at the end."""
        with self._lock:
            return tuple(self._entries.values())

    def search(self, paths: Sequence[str | os.PathLike[str]], ask: Ask, wait: float | None = None, *, refresh: bool = True) -> Found:
        """Search one repository or several. Waits `wait` seconds in all for refreshes (None: until they are done), then
        answers from what there is: the present generation, or in part. A repository that failed says why in its part.

        Raises UsageError for an empty query or an impossible filter, NotFound where there is no such folder.
        """
        deadline = None if wait is None else time.monotonic() + wait
        engine.check_number(ask.k)
        whole = ask if len(paths) == 1 else replace(ask, max_tokens=None)
        entries = list({entry.root: entry for entry in map(self.open, paths)}.values())
        if refresh:
            for entry in entries[1:]:
                entry.begin()  # they are brought up to date side by side
        parts = []
        for entry in entries:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            ready = self.open(entry.root) if entry.closed else entry  # there are more of them than stay in memory
            parts.append(ready.answer(whole, left, refresh))
        results = merged([(part.root, part.answer) for part in parts if part.answer is not None], ask.k)
        if whole is not ask and ask.max_tokens is not None:
            results = _fitted(results, ask.max_tokens)
        return Found(tuple(parts), results)

    def close(self) -> None:
        """End all threads and child processes, and close all files."""
        with self._lock:
            self._end.set()
            entries, self._entries = list(self._entries.values()), OrderedDict()
        for entry in entries:
            entry.close()
        if self._looker is not None:
            self._looker.join(10)

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _make_room(self) -> None:
        """Close those used longest ago, as far as nobody uses them."""
        for root, entry in list(self._entries.items())[:-1]:
            if len(self._entries) > self._most and entry.close(patient=True):
                del self._entries[root]

    def _look(self) -> None:
        while not self._end.wait(_LOOK):
            for entry in self.entries:
                entry.look()


def _fitted(results: Sequence[Placed], max_tokens: int) -> tuple[Placed, ...]:
    """The results that fit, their snippets cut to what is left."""
    kept = engine.fitted((item.result for item in results), max_tokens)
    return tuple(Placed(item.root, result) for item, result in zip(results, kept))
