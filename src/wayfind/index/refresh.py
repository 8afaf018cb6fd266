"""Bring the index of a working tree up to date: walk, compare, extract what is new, write one segment, commit one generation.

Unchanged work is never done again: a file whose size and time are as before is not read, a file whose content was seen
in any tree is not extracted. A process killed at any point leaves the old generation.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from wayfind.corpus import history, identity, manual
from wayfind.corpus.extract import extract
from wayfind.corpus.languages import language_of
from wayfind.corpus.walk import Walk, walk
from wayfind.errors import IndexDamaged, NotFound, UsageError
from wayfind.index.catalogue import Catalogue, FileRow, Manifest
from wayfind.index.segment import SegmentFile, file_postings, write_segment
from wayfind.index.store import ContentStore, content_key, default_home, encode_postings, encode_record
from wayfind.types import FileRecord, FileStat, Touch

RACY_NS = 2_000_000_000
"""A file modified less than this before it was read may have changed again within the clock's step; it is read again."""
MOST_SEGMENTS = 8
MOST_DEAD = 0.25
"""More segments, or a larger share of dead chunks, and the tree's segments are merged into one."""
PARALLEL_FROM = 200
"""Below this number of files to extract, starting worker processes costs more than it saves (0.2 s a worker)."""
_BATCH = 64
HEAD = 4096
"""Bytes of a file that its language may depend on."""

Progress = Callable[[str, int, int], None]
"""Called as progress(stage, done, total)."""


@dataclass(slots=True)
class Tree:
    """A working tree and the places where its index lies."""

    root: Path
    folder: Path
    store: ContentStore
    catalogue: Catalogue

    def close(self) -> None:
        self.store.close()
        self.catalogue.close()


@dataclass(frozen=True, slots=True)
class Options:
    """What a refresh takes into account beside the tree itself."""

    manual: Path | None = None
    """File of manual explanations; None: `.wayfind/explanations.json` of the tree, when it is there."""
    commits: int = 2000
    """How many commits of the history are read at most; 0: none."""
    commit_seconds: float = 8.0
    workers: int = 1
    wait: float = 60.0
    """Seconds to wait for another writer."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh found and did."""

    generation: int
    changed: int
    """Files whose content was new to this tree."""
    extracted: int
    """Of those, files that no tree had seen before."""
    removed: int
    seconds: float
    unmatched: tuple[str, ...] = field(default=())
    """Manual entries that match nothing, with the reason."""


def open_tree(root: str | os.PathLike[str], home: str | os.PathLike[str] | None = None) -> Tree:
    """The tree below `root`; its index need not exist yet. Raises NotFound where there is no such folder."""
    path = Path(root).expanduser()
    if not path.exists():
        raise NotFound(f"no such folder: {path}")
    if not path.is_dir():
        raise UsageError(f"{path} is a file; give the folder of a repository")
    path = path.resolve()
    base = Path(home) if home else default_home()
    folder = base / "trees" / identity.tree_id(path)
    store = ContentStore(base / "content.sqlite")
    return Tree(path, folder, store, Catalogue(folder / "catalogue.sqlite"))


def refresh(tree: Tree, options: Options = Options(), progress: Progress | None = None) -> Refreshed:
    """Bring the tree's index up to date and return what was done.

    Raises IndexBusy when another process writes it for longer than `options.wait`, StorageError, UsageError (manual file).
    """
    began = time.monotonic()
    say = progress or (lambda stage, done, total: None)
    manifest = tree.catalogue.manifest()
    entries, manual_state = _manual_entries(tree.root, options.manual)
    found = walk(tree.root)
    say("walk", len(found.files), len(found.files))
    head = history.head(tree.root) if options.commits else None
    plan = _compare(found, manifest)
    unchanged = not plan and manual_state == manifest.meta.get("manual", "") and (head or "") == manifest.meta.get("head", "")
    if unchanged and manifest.generation and _skips(found) == manifest.skipped_by_walk:
        return Refreshed(manifest.generation, 0, 0, 0, time.monotonic() - began)
    with tree.catalogue.writing(options.wait):
        manifest = tree.catalogue.manifest()
        work = _Work(tree, options, manifest, found, say)
        return work.run(entries, manual_state, head, began)


def _compare(found: Walk, manifest: Manifest) -> list[FileStat]:
    """Files whose size or time differ from the manifest's, and, as sizes of -1, those that are gone."""
    rows, different, same = manifest.rows, [], 0
    for stat in found.files:
        row = rows.get(stat.path)
        if row is None:
            different.append(stat)
            continue
        same += 1
        if row.size != stat.size or row.mtime_ns != stat.mtime_ns or row.seen_ns - stat.mtime_ns < RACY_NS:
            different.append(stat)
    if same < len(rows):
        here = {stat.path for stat in found.files}
        different += [FileStat(path, -1, 0) for path in rows if path not in here]
    return different


def stale(tree: Tree, manifest: Manifest) -> int:
    """Number of files that differ from the manifest now; nothing is read or written."""
    return sum(_differs(tree.root, stat, manifest.rows.get(stat.path)) for stat in _compare(walk(tree.root), manifest))


def _differs(root: Path, stat: FileStat, row: FileRow | None) -> bool:
    """Whether a file that `_compare` names has another content; only one whose size and time are as before is read."""
    if row is None or (row.size, row.mtime_ns) != (stat.size, stat.mtime_ns):
        return True
    try:
        return _key((root / stat.path).read_bytes(), stat.path) != row.key
    except OSError:
        return bool(row.key)


def _skips(found: Walk) -> dict[str, int]:
    return dict(sorted(Counter(skip.reason for skip in found.skips).items()))


def _manual_entries(root: Path, given: Path | None) -> tuple[list, str]:
    path = given or root / ".wayfind" / "explanations.json"
    if not given and not path.is_file():
        return [], ""
    if not path.is_file():
        raise NotFound(f"no such file of manual explanations: {path}")
    return manual.load(path), hashlib.sha256(path.read_bytes()).hexdigest()


class _Work:
    """One refresh while the right to write is held."""

    def __init__(self, tree: Tree, options: Options, manifest: Manifest, found: Walk, say: Progress):
        self.tree, self.options, self.manifest, self.found, self.say = tree, options, manifest, found, say
        self.rows = dict(manifest.rows)

    def run(self, entries: list, manual_state: str, head: str | None, began: float) -> Refreshed:
        plan = _compare(self.found, self.manifest)
        gone = [stat.path for stat in plan if stat.size < 0]
        for path in gone:
            del self.rows[path]
        changed, extracted = self._read([stat for stat in plan if stat.size >= 0])
        spans = self._history(head, changed)
        unmatched, restated = self._manual(entries, manual_state, changed, gone)
        self._write(changed | restated, gone, spans)
        news = changed or gone or restated or not self.manifest.generation or (head or "") != self.manifest.meta.get("head", "")
        generation = self.manifest.generation + bool(news)
        reasons = Counter(row.reason for row in self.rows.values() if row.reason)
        walked = _skips(self.found)
        self.tree.catalogue.write_meta({
            "generation": str(generation), "root": str(self.tree.root), "manual": manual_state, "head": head or "",
            "walked": json.dumps(walked), "skipped": json.dumps(dict(sorted((reasons + Counter(walked)).items()))),
            "refreshed": str(int(time.time())), "unmatched": json.dumps(unmatched),
        })
        return Refreshed(generation, len(changed), extracted, len(gone), time.monotonic() - began, tuple(unmatched))

    def _read(self, stats: Sequence[FileStat]) -> tuple[set[str], int]:
        """Take in the files' present content. Returns the paths whose content is new to this tree, and how many were extracted."""
        keyed: dict[str, tuple[FileStat, int, str]] = {}
        for number, stat in enumerate(stats):
            if number % 500 == 0:
                self.say("read", number, len(stats))
            seen = time.time_ns()
            try:
                keyed[stat.path] = (stat, seen, _key((self.tree.root / stat.path).read_bytes(), stat.path))
            except OSError:
                keyed[stat.path] = (stat, seen, "")
        stored = self.tree.store.known(key for _, _, key in keyed.values() if key)
        missing = sorted(path for path, (_, _, key) in keyed.items() if key and key not in stored)
        first_with = {keyed[path][2]: path for path in reversed(missing)}
        chosen = sorted(first_with.values())
        for done, batch in enumerate(_batches(self._extract(chosen))):
            self.tree.store.put([(key, reason, record, postings) for _, key, reason, record, postings in batch])
            stored |= {key: reason for _, key, reason, _, _ in batch}
            for path, key, *_ in batch:
                keyed[path] = (*keyed[path][:2], key)
            self.say("extract", min(len(chosen), (done + 1) * _BATCH), len(chosen))
        changed = set()
        for path, (stat, seen, key) in keyed.items():
            before = self.rows.get(path)
            if before and before.key == key:
                self.rows[path] = replace(before, size=stat.size, mtime_ns=stat.mtime_ns, seen_ns=seen)
                continue
            reason = stored.get(key, "unreadable") if key else "unreadable"
            self.rows[path] = FileRow(path, stat.size, stat.mtime_ns, seen, key, reason, 0, None, -1)
            changed.add(path)
        return changed, len(chosen)

    def _extract(self, paths: list[str]) -> Iterator[tuple[str, str, str | None, bytes, bytes]]:
        root = str(self.tree.root)
        if self.options.workers < 2 or len(paths) < PARALLEL_FROM:
            yield from (_extract_one(root, path) for path in paths)
            return
        with ProcessPoolExecutor(self.options.workers, initializer=_leave_interrupts_to_the_parent) as pool:
            yield from pool.map(_extract_one, [root] * len(paths), paths, chunksize=16)

    def _history(self, head: str | None, changed: set[str]) -> dict[str, list[Touch]]:
        """Read the commits since the last refresh. Returns all touches by path."""
        before = self.manifest.meta.get("head", "")
        if head and head != before:
            self.say("history", 0, 0)
            spans = {}
            for path, row in self.rows.items():
                if row.reason is None:
                    postings = self.tree.store.postings(row.key)
                    spans[path] = [(int(a), int(b), s) for (a, b), s in zip(postings.table[:, :2], postings.symbols) if s]
            made = history.touches(self.tree.root, spans, since=before or None, limit=self.options.commits, seconds=self.options.commit_seconds)
            self.tree.catalogue.write_touches(made.touches, replace=not before)
            self.tree.catalogue.write_meta({"commits": str(made.commits), "commits_complete": str(int(made.complete))})
        by_path: dict[str, list[Touch]] = defaultdict(list)
        for touch in self.tree.catalogue.touches():
            by_path[touch.path].append(touch)
        return by_path

    def _manual(self, entries: list, state: str, changed: set[str], gone: list[str]) -> tuple[list[str], set[str]]:
        """Attach the manual explanations again where they or their files changed. Returns what matches nothing, and
        the unchanged files whose explanations changed."""
        if not entries and not state and not self.manifest.meta.get("manual"):
            return [], set()
        named = {manual.normal(entry.file) for entry in entries}
        files = {path: self.tree.store.record(row.key).chunks for path, row in self.rows.items() if row.reason is None and path in named}
        attached, unmatched = manual.attach(entries, files)
        now = {place: entry.explanation for place, entry in attached.items()}
        before = self.tree.catalogue.manual()
        self.tree.catalogue.write_manual(now)
        restated = {path for (path, number) in now.keys() | before.keys() if now.get((path, number)) != before.get((path, number))}
        return [f"entry {entry.id}: {why}" for entry, why in unmatched], {path for path in restated if path in self.rows} - changed

    def _write(self, paths: set[str], gone: list[str], touches: dict[str, list[Touch]]) -> None:
        """Write the changed files' segment, or all files into one when there are too many segments or dead chunks."""
        indexed = sorted(path for path in paths if self.rows[path].reason is None)
        kept = {row.segment for path, row in self.rows.items() if row.segment and path not in paths}
        total = sum(row.chunks for row in self.manifest.rows.values())
        dead = sum(row.chunks for path, row in self.manifest.rows.items() if path in paths or path in gone)
        merge = len(kept) >= MOST_SEGMENTS or (total and self._dead_before() + dead > MOST_DEAD * total)
        if merge:
            indexed, kept = sorted(path for path, row in self.rows.items() if row.reason is None), set()
        new = []
        if indexed:
            name = f"{uuid.uuid4().hex}.seg"
            explained = self.tree.catalogue.manual()
            by_path: dict[str, dict[int, str]] = defaultdict(dict)
            for (path, number), text in explained.items():
                by_path[path][number] = text
            files = []
            for done, path in enumerate(indexed):
                if done % 1000 == 0:
                    self.say("write", done, len(indexed))
                postings = self.tree.store.postings(self.rows[path].key)
                files.append(SegmentFile(path, self.rows[path].key, postings, by_path.get(path, {}), _subjects(postings.symbols, touches.get(path, ()))))
                self.rows[path] = replace(self.rows[path], segment=name, number=done, chunks=len(postings.symbols))
            size = write_segment(self.tree.folder / name, files)
            new = [(name, len(files), sum(len(file.postings.symbols) for file in files), size)]
        old = set(self.manifest.segments)
        self.tree.catalogue.write_segments(new, sorted(old - kept))
        rows = self.manifest.rows
        self.tree.catalogue.write_files([row for path, row in self.rows.items() if rows.get(path) is not row], gone)

    def _dead_before(self) -> int:
        live = sum(row.chunks for row in self.manifest.rows.values())
        return sum(chunks for chunks in self.tree.catalogue.segment_chunks().values()) - live


def _subjects(symbols: Sequence[str], touches: Iterable[Touch]) -> dict[int, str]:
    """Chunk number -> subjects of the commits that touched its symbol, newest first."""
    by_symbol: dict[str, list[str]] = defaultdict(list)
    for touch in touches:
        by_symbol[touch.symbol].append(touch.subject)
    return {number: "\n".join(by_symbol[symbol]) for number, symbol in enumerate(symbols) if symbol in by_symbol}


def _key(data: bytes, path: str) -> str:
    head = data[:HEAD].decode("utf-8", "replace")
    return content_key(hashlib.sha256(data).hexdigest(), language_of(path, head))


def _extract_one(root: str, path: str) -> tuple[str, str, str | None, bytes, bytes]:
    """Read and extract one file: (path, key, reason or None, record, postings)."""
    try:
        data = Path(root, path).read_bytes()
    except OSError:
        return path, "", "unreadable", b"", b""
    made = extract(data, path)
    if isinstance(made, FileRecord):
        return path, _key(data, path), None, encode_record(made), encode_postings(file_postings(made))
    return path, _key(data, path), made, b"", b""


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _batches(rows: Iterator) -> Iterator[list]:
    batch = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def sweep(tree: Tree) -> int:
    """Delete segment files that no generation names any more (left by merges and by killed writers). Returns their number."""
    with tree.catalogue.writing(5.0):
        named = set(tree.catalogue.manifest().segments)
        dead = [path for path in tree.folder.iterdir() if path.suffix in (".seg", ".tmp") and path.name not in named]
        for path in dead:
            path.unlink(missing_ok=True)
    return len(dead)


def require(manifest: Manifest) -> Manifest:
    """The manifest, if it holds a generation. Raises IndexDamaged otherwise."""
    if not manifest.generation:
        raise IndexDamaged("there is no index yet; run `wayfind index`")
    return manifest
