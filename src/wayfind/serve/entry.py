"""A repository kept open in memory, with its index and what watches its files. Safe for threads.

A search first takes in what changed, as everywhere; where the watcher knows that nothing did, without looking at the
files. While a first index is under way a search answers in part. Refreshes run one at a time, in a thread, large ones in
a process of their own; who cannot wait for one gets the present generation and the number of files it lacks.
"""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from wayfind.api import Repository
from wayfind.config import value_of
from wayfind.errors import IndexBusy, StorageError, UsageError, WayfindError
from wayfind.index.refresh import Options, refresh, restated
from wayfind.index.tree import Tree, open_tree
from wayfind.index.vectors import lacks_vectors
from wayfind.model.bundle import current
from wayfind.model.encoder import late_dim
from wayfind.search import engine
from wayfind.search.engine import Ask
from wayfind.search.searcher import Searcher
from wayfind.serve.building import build
from wayfind.serve.encoding import encode_behind
from wayfind.serve.partial import partial_answer
from wayfind.serve.watching import Unwatched, Watch
from wayfind.types import Answer, Progress

logger = logging.getLogger(__name__)

State = Literal["absent", "indexing", "ready", "failed"]
"""absent: there is no index and none is being made; indexing: the first one is being made; ready; failed: it cannot be made."""
WALK_AGAIN = 60.0
"""Seconds after which a search looks at all files although the watcher saw nothing: it cannot see all (`serve.watching`)."""
QUIET = 0.5
"""Seconds without a change after which changes are taken in though nobody searches."""
MANY = 200
"""From so many changed files on a process of its own reads them."""
PARTIAL = 1.0
"""Seconds that a partial answer takes about."""
_RETRY = 0.1
"""Seconds between two reports to whoever waits for a refresh."""
_PATIENCE = 0.25
"""Seconds that a question how it stands waits for a search."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a refresh does at the moment: `walk`, `read`, `extract`, `history` or `write`; how much is done, of how much."""

    stage: str = ""
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """What one repository gave to an answer."""

    root: Path
    state: State
    answer: Answer | None
    """None when the repository failed."""
    partial: bool = False
    looked_at: int = 0
    """In a partial answer: files that were looked at, and that there are."""
    files: int = 0
    progress: Stage = Stage()
    error: str = ""


class Entry:
    """One repository of a workspace."""

    def __init__(self, root: Path, home: Path, options: Options, clock: Callable[[], float], watching: bool = True):
        """Raises NotFound, UsageError and StorageError as `open_tree` does."""
        self.root = root
        self.progress = Stage()
        self.failure: WayfindError | None = None
        """What the last refresh failed of."""
        self.refreshes = 0
        """How many refreshes have ended."""
        self._home, self._options, self._clock = home, options, clock
        self._reader: Tree = open_tree(root, home)
        self._repository = Repository(self._reader, options)
        self._writer: Tree | None = None
        self._has_index = bool(self._reader.catalogue.generation())
        self._turn = threading.Condition()
        self._wanted = self._begun = self._ended = 0
        self._reading = threading.Lock()
        self._users = 0
        self._closed = False
        self._child: subprocess.Popen[str] | None = None
        self._encoding: subprocess.Popen[bytes] | None = None
        self._watch: Watch | None = None
        self._unwatched = "the watch begins with the first refresh" if watching else "not asked for"
        self._wants_watch = watching
        self._walked = float("-inf")
        self._changed_at = self._clock()
        self._seen: frozenset[str] = frozenset()

    # How it stands

    @property
    def closed(self) -> bool:
        """Whether it can no longer be asked."""
        return self._closed

    @property
    def state(self) -> State:
        if self._has_index:
            return "ready"
        if self.failure is not None:
            return "failed"
        return "indexing" if self._wanted > self._ended else "absent"

    @property
    def watching(self) -> str:
        """`watching` and how many folders, or why each search looks at the files instead."""
        watch = self._watch
        return f"watching {watch.folders:,} folders" if watch else f"looking at the files at each search: {self._unwatched}"

    @property
    def encoding(self) -> bool:
        """Whether vectors are being made behind the searches."""
        return self._encoding is not None and self._encoding.poll() is None

    @property
    def encoded(self) -> float | None:
        """Share of the chunks whose vectors are stored, 0 to 1; None without an index, without a model, or while it is not to be had at once."""
        if not self._has_index or not self._reading.acquire(timeout=_PATIENCE):
            return None
        try:
            found = engine.state(self._repository.snapshot(), 0)
        except WayfindError:
            return None
        finally:
            self._reading.release()
        return None if found.model == "lexical" else found.encoded

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for a first index that is under way. Returns whether there is an index."""
        with self._turn:
            self._turn.wait_for(lambda: self.state != "indexing" or self._closed, seconds)
        return self.state == "ready"

    # Asking

    @contextmanager
    def searching(self, wait: float | None = None, refresh: bool = True, progress: Progress | None = None) -> Iterator[tuple[Searcher, int]]:
        """The searcher after what changed was taken in, and the number of files that it lacks: 0, unless another process
        writes the index, the disk refuses, `wait` seconds were too short, or `refresh` is false.

        Raises IndexBusy while there is no first index after `wait` seconds, and whatever kept it from being made.
        """
        with self._turn:
            if self._closed:
                raise IndexBusy(f"{self.root} was closed; open it again")
            self._users += 1
        try:
            whole = self._up_to_date(wait, progress) if refresh or not self._has_index else self._clean()
            if not self._has_index:
                raise self.failure or IndexBusy(f"the first index of {self.root} is being made; try again in a moment")
            if whole and self._restated():
                whole = refresh and self._up_to_date(wait, progress, changed=True)
            with self._reading:
                stale = 0 if whole else self._repository.count_stale()
                searcher = self._repository.searcher()
            yield searcher, stale
        finally:
            with self._turn:
                self._users -= 1

    def touches(self) -> list:
        """Commits that touched each definition, newest first."""
        with self._reading:
            return self._repository.touches()

    def answer(self, ask: Ask, wait: float | None = None, refresh: bool = True) -> Part:
        """Answer from the whole index, or in part while there is none after `wait` seconds. Raises UsageError, NotFound."""
        try:
            with self.searching(wait, refresh) as (searcher, stale):
                return Part(self.root, "ready", engine.search(searcher, ask, stale))
        except UsageError:
            raise
        except IndexBusy as error:
            if self.state != "indexing":
                return self._failed(error)
        except WayfindError as error:
            return self._failed(error)
        part = partial_answer(self.root, ask, PARTIAL)
        stage = self.progress
        answer = replace(part.answer, reason=_why_partial(stage, part.looked_at, part.files))
        return Part(self.root, "indexing", answer, True, part.looked_at, part.files, stage)

    def _failed(self, error: WayfindError) -> Part:
        return Part(self.root, "failed", None, progress=self.progress, error=str(error))

    # Taking in what changed

    def begin(self) -> None:
        """Begin a refresh, unless one is under way; do not wait for it."""
        with self._turn:
            if self._wanted <= self._ended:
                self._want(self._begun + 1)

    def _clean(self) -> bool:
        """Whether all that changed is in the index."""
        with self._turn:
            return self._ended == self._begun and not self._dirty()

    def _restated(self) -> bool:
        """Whether the manual explanations changed since the present generation. Their file may lie outside of the tree, and may have been
        given to another process meanwhile; so it is read, not watched."""
        with self._reading:
            return restated(self.root, self._repository.snapshot().manifest)

    def _up_to_date(self, wait: float | None, progress: Progress | None = None, changed: bool = False) -> bool:
        """Have taken in what changed until now, within `wait` seconds; with `changed` something did. Returns whether it was."""
        deadline = None if wait is None else time.monotonic() + wait
        with self._turn:
            target = self._begun + 1 if changed or self._dirty() else self._begun
            self._want(target)
            while self._ended < target and not self._closed:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                self._turn.wait(left if progress is None else min(left or _RETRY, _RETRY))
                if progress is not None and self.progress.stage:
                    progress(self.progress.stage, self.progress.done, self.progress.total)
            return self.failure is None

    def _dirty(self) -> bool:
        """Whether something may have changed that no refresh, begun or ended, has seen."""
        if not self._begun or self.failure is not None or self._watch is None or self._clock() - self._walked > WALK_AGAIN:
            return True
        return bool(self._changes())

    def _changes(self) -> frozenset[str]:
        """What the watcher saw; where it has ended, anything."""
        try:
            changed = self._watch.changed() if self._watch else frozenset(".")
        except Unwatched as end:
            self._unwatched, self._watch = str(end), None
            return frozenset(".")
        if changed != self._seen:
            self._seen, self._changed_at = changed, self._clock()
        return changed

    def _want(self, number: int) -> None:
        """Have the refresh of this number made; `_turn` is held."""
        if number > self._wanted and not self._closed:
            idle = self._wanted <= self._ended
            self._wanted = number
            if idle:
                threading.Thread(target=self._work, name=f"wayfind-refresh {self.root.name}", daemon=True).start()

    def _work(self) -> None:
        """Make the refreshes that are wanted, one after another."""
        while True:
            with self._turn:
                if self._begun >= self._wanted or self._closed:
                    self._ended = self._begun = self._wanted
                    self._turn.notify_all()
                    break
                self._begun += 1
                many = len(self._changes()) >= MANY if self._watch else False
                self._take()
                began = self._clock()
            failure = self._refreshed(many)
            with self._turn:
                self.failure, self.progress, self._walked = failure, Stage(), began
                self.refreshes += 1
                self._has_index = self._has_index or failure is None
                if failure is not None and self._watch:
                    self._watch.give_back()
                self._ended = self._begun
                self._turn.notify_all()
        self._begin_watch()
        self._encode_behind()

    def _encode_behind(self) -> None:
        """Have the vectors made that the index lacks, while searches go on. What is wrong with a model or an index is for searches to say."""
        try:
            bundle = current(self._reader.folder)
            if bundle is None or "encoder" not in bundle.parts:
                return
            with self._reading:
                wanted = value_of("background-vectors") == "on"
                lacking = wanted and not self._closed and self._has_index and lacks_vectors(self._reader, bundle.encoder_id, late_dim(bundle) > 0)
        except WayfindError:
            return
        with self._turn:
            idle = self._encoding is None or self._encoding.poll() is not None
            if lacking and idle and not self._closed:
                self._encoding = encode_behind(self.root, self._home)

    def _refreshed(self, many: bool) -> WayfindError | None:
        """Refresh once. Returns what kept it from being done."""
        try:
            options = replace(self._options, wait=0.0) if self._has_index else self._options
            if many or not self._has_index:
                build(self.root, self._home, options, self._tell, self._born)
            else:
                self._writer = self._writer or open_tree(self.root, self._home)
                refresh(self._writer, replace(options, workers=1), self._tell)  # a process that is forked while others hold locks may wait for ever
        except WayfindError as error:
            return error
        except Exception as error:
            logger.exception("the refresh of %s failed", self.root)
            return StorageError(f"the refresh of {self.root} failed, {type(error).__name__}: {error}")
        return None

    def _tell(self, stage: str, done: int, total: int) -> None:
        self.progress = Stage(stage, done, total)

    def _born(self, child: subprocess.Popen[str]) -> None:
        self._child = child
        if self._closed:
            child.terminate()

    def _take(self) -> None:
        if self._watch:
            try:
                self._watch.take()
            except Unwatched as end:
                self._unwatched, self._watch = str(end), None

    # Watching

    def _begin_watch(self) -> None:
        """Watch the files from now on, where that can be. The watch begins with everything to be looked at again."""
        with self._turn:
            if not self._wants_watch or self._closed:
                return
            self._wants_watch = False
        try:
            watch = Watch(self.root)
        except Unwatched as why:
            self._unwatched = str(why)
            return
        with self._turn:
            if self._closed:
                watch.close()
            else:
                self._watch = watch

    def look(self) -> None:
        """Take in what changed when it has been quiet for a while; called now and then."""
        with self._turn:
            if self._watch and self._ended == self._wanted and self._has_index and self.failure is None and not self._closed:
                if self._changes() and self._clock() - self._changed_at >= QUIET:
                    self._want(self._begun + 1)

    # Ending

    def close(self, patient: bool = False) -> bool:
        """Close files and end what runs. With `patient`, only if nothing is under way. Returns whether it is closed."""
        with self._turn:
            if patient and (self._users or self._wanted > self._ended):
                return False
            self._closed = True
            for child in filter(None, (self._child, self._encoding)):
                if child.poll() is None:
                    child.terminate()
            if self._encoding is not None:
                self._encoding.wait()
            self._turn.notify_all()
            self._turn.wait_for(lambda: self._ended >= self._wanted, 10)
            if self._watch:
                self._watch.close()
                self._watch = None
        with self._reading:
            for tree in filter(None, (self._writer, self._reader)):
                tree.close()
        return True


def _why_partial(stage: Stage, looked_at: int, files: int) -> str:
    """What a partial answer says of itself."""
    far = f" ({stage.stage} {stage.done:,} of {stage.total:,})" if stage.total else ""
    return f"the first index is being made{far}; until then this is from the {looked_at:,} of {files:,} files that a literal scan looked at"
