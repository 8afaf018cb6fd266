"""Bring the index of a working tree up to date: walk, compare, extract what is new, write one segment, commit one generation.

Unchanged work is never done again: a file whose size and time are as before is not read, a file whose content was seen
in any tree is not extracted. A process killed at any point leaves the old generation.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from wayfind.config import value_of
from wayfind.corpus import history, manual, renames
from wayfind.corpus.walk import Walk, content_problem, walk
from wayfind.errors import IndexDamaged, NotFound
from wayfind.index.catalogue import FileRow, Manifest
from wayfind.index.extraction import UNREADABLE, Extracted, extracted, key_of
from wayfind.index.home import mark_used
from wayfind.index.lock import held
from wayfind.index.segment import FilePostings, SegmentFile, write_segment
from wayfind.index.spans import Spans
from wayfind.index.store import decode_postings
from wayfind.index.tree import Tree, delete_unnamed, made_here, maker
from wayfind.types import FileStat, Progress, Touch

MANUAL_FILE = Path(".wayfind", "explanations.json")
"""Of a tree; read where no other file of manual explanations was given."""
RACY_NS = 2_000_000_000
"""A file modified less than this before it was read may have changed again within the clock's step; it is read again."""
MOST_SEGMENTS = 8
MOST_DEAD = 0.25
"""More segments, and the smallest are merged; a larger share of dead chunks, and all are merged into one."""
_BATCH = 64
"""Files that are stored in one transaction."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a refresh takes into account beside the tree itself."""

    manual: Path | None = None
    """File of manual explanations; None: the one given last, else `.wayfind/explanations.json` of the tree, when it is there."""
    commits: int | None = None
    """How many commits of the history are read at most; 0: none; None: as the settings say."""
    commit_seconds: float = 8.0
    workers: int = 1
    wait: float = 60.0
    """Seconds to wait for another writer."""
    rebuild: bool = False
    """Read every file again. The present generation stays until the new one is whole."""


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


def refresh(tree: Tree, options: Options = Options(), progress: Progress | None = None) -> Refreshed:
    """Bring the tree's index up to date and return what was done.

    Raises IndexBusy when another process writes it for longer than `options.wait`, StorageError, UsageError (manual file).
    """
    began = time.monotonic()
    if options.commits is None:
        options = replace(options, commits=value_of("commits", tree.root))
    say = progress or (lambda stage, done, total: None)
    tree.store.follow()
    manifest = tree.catalogue.manifest()
    entries, manual_state = _manual_entries(tree.root, options.manual or _manual_before(manifest))
    found = walk(tree.root)
    say("walk", len(found.files), len(found.files))
    head = (history.head(tree.root) or "") if options.commits else manifest.meta.get("head", "")
    before = (manifest.meta.get("manual", ""), manifest.meta.get("head", ""))
    same = made_here(tree, manifest) and (manual_state, head) == before
    if same and not options.rebuild and _skips(found) == manifest.skipped_by_walk and not _compare(found, manifest):
        return Refreshed(manifest.generation, 0, 0, 0, time.monotonic() - began)
    with held(tree.store.path.parent, alone=False, wait=options.wait), tree.catalogue.writing(options.wait):
        present = tree.catalogue.manifest()
        if present.meta.get("writes") != manifest.meta.get("writes"):  # another wrote meanwhile, and saw younger files
            found = walk(tree.root)
        delete_unnamed(tree.folder, present)
        if over := options.rebuild or not made_here(tree, present):
            kept = {name: present.meta[name] for name in ("writes", "manual_file") if name in present.meta}
            present = Manifest(present.generation, {}, (), kept)
            tree.catalogue.clear()
        return _Work(tree, options, present, found, say, over).run(entries, manual_state, head, began)


def _compare(found: Walk, manifest: Manifest) -> list[FileStat]:
    """Files whose size or time differ from the manifest's or that are to be read again, and, as sizes of -1, those that
    are gone."""
    rows, different, same = manifest.rows, [], 0
    for stat in found.files:
        row = rows.get(stat.path)
        if row is None:
            different.append(stat)
            continue
        same += 1
        if (
            row.size != stat.size
            or row.mtime_ns != stat.mtime_ns
            or row.seen_ns - stat.mtime_ns < RACY_NS
            or row.reason == UNREADABLE
        ):
            different.append(stat)
    if same < len(rows):
        here = {stat.path for stat in found.files}
        different += [FileStat(path, -1, 0) for path in rows if path not in here]
    return different


def stale(tree: Tree, manifest: Manifest) -> int:
    """Number of files that differ from the manifest now, that of manual explanations among them; nothing is written, and only files that
    may have changed are read."""
    different = {stat.path for stat in _compare(walk(tree.root), manifest) if _differs(tree.root, stat, manifest.rows.get(stat.path))}
    if restated(tree.root, manifest):
        different.add(os.path.relpath(_manual_file(tree.root, manifest), tree.root).replace(os.sep, "/"))
    return len(different)


def restated(root: Path, manifest: Manifest) -> bool:
    """Whether the file of manual explanations, wherever it lies, is another than the one that the manifest's generation took in."""
    try:
        return _manual_state(_manual_file(root, manifest)) != manifest.meta.get("manual", "")
    except OSError:
        return True


def _differs(root: Path, stat: FileStat, row: FileRow | None) -> bool:
    """Whether a file that `_compare` names has another content; only one whose size is as before is read: its time changes with its mode too."""
    if row is None or row.size != stat.size:
        return True
    try:
        return key_of((root / stat.path).read_bytes(), stat.path) != row.key
    except OSError:
        return bool(row.key)


def _skips(found: Walk) -> dict[str, int]:
    return dict(sorted(Counter(skip.reason for skip in found.skips).items()))


def _manual_before(manifest: Manifest) -> Path | None:
    """The file of manual explanations that an earlier refresh was given, while it is there."""
    path = Path(manifest.meta.get("manual_file", ""))
    return path if path.is_file() else None


def _manual_file(root: Path, manifest: Manifest) -> Path:
    """The file of manual explanations that a refresh would read if it is there."""
    return _manual_before(manifest) or root / MANUAL_FILE


def _manual_state(path: Path) -> str:
    """What tells a file of manual explanations from another, and how it is read; empty where there is none."""
    return f"{manual.VERSION} {hashlib.sha256(path.read_bytes()).hexdigest()}" if path.is_file() else ""


def _manual_entries(root: Path, given: Path | None) -> tuple[list, str]:
    path = given or root / MANUAL_FILE
    if not given and not path.is_file():
        return [], ""
    if not path.is_file():
        raise NotFound(f"no such file of manual explanations: {path}")
    return manual.load(path), _manual_state(path)


class _Work:
    """One refresh while the right to write is held."""

    def __init__(self, tree: Tree, options: Options, manifest: Manifest, found: Walk, say: Progress, over: bool):
        self.tree, self.options, self.manifest = tree, options, manifest
        self.found, self.say, self.over = found, say, over
        self.rows = dict(manifest.rows)
        self.made: dict[str, FilePostings] = {}
        """What this refresh extracted, by key; taken up while workers extract the rest, so that it need not be read back."""

    def run(self, entries: list, manual_state: str, head: str, began: float) -> Refreshed:
        mark_used(self.tree.folder, self.tree.root)
        plan = _compare(self.found, self.manifest)
        gone = [stat.path for stat in plan if stat.size < 0]
        for path in gone:
            del self.rows[path]
        changed, extracted = self._read([stat for stat in plan if stat.size >= 0])
        touches, retouched = self._history(head, changed, gone)
        unmatched, restated = self._manual(entries, manual_state, changed)
        unmatched += self._lost_manual()
        self._write(changed | retouched | restated, gone, touches)
        news = changed or gone or retouched or restated or self.over or head != self.manifest.meta.get("head", "")
        generation = self.manifest.generation + bool(news)
        reasons = Counter(row.reason for row in self.rows.values() if row.reason)
        walked = _skips(self.found)
        given = self.options.manual
        manual_file = str(given.resolve()) if given else self.manifest.meta.get("manual_file", "")
        self.tree.catalogue.write_meta(
            {
                "generation": str(generation),
                "root": str(self.tree.root),
                "manual": manual_state,
                "head": head,
                "manual_file": manual_file,
                "walked": json.dumps(walked),
                "skipped": json.dumps(dict(sorted((reasons + Counter(walked)).items()))),
                "refreshed": str(int(time.time())),
                "unmatched": json.dumps(unmatched),
                "made": maker(self.tree.store),
                "writes": str(int(self.manifest.meta.get("writes", "0")) + 1),
            }
        )
        return Refreshed(generation, len(changed), extracted, len(gone), time.monotonic() - began, tuple(unmatched))

    def _read(self, stats: Sequence[FileStat]) -> tuple[set[str], int]:
        """Take in the files' present content. Returns the paths whose content is new to this tree, and how many were extracted."""
        keyed: dict[str, tuple[FileStat, int, str]] = {}
        refused: dict[str, str] = {}
        for number, stat in enumerate(stats):
            if number % 500 == 0:
                self.say("read", number, len(stats))
            seen, key = time.time_ns(), ""
            try:
                data = (self.tree.root / stat.path).read_bytes()
                key, reason = key_of(data, stat.path), content_problem(data, stat.path)
            except OSError:
                reason = UNREADABLE
            keyed[stat.path] = (stat, seen, key)
            if reason:
                refused[stat.path] = reason
        stored = self.tree.store.known(key for path, (_, _, key) in keyed.items() if path not in refused)
        missing = sorted(path for path, (_, _, key) in keyed.items() if path not in refused and key not in stored)
        first_with = {keyed[path][2]: path for path in reversed(missing)}
        chosen = sorted(first_with.values())
        for done, batch in enumerate(_batches(extracted(self.tree.root, chosen, self.options.workers))):
            read = [one for one in batch if one.key]
            self.tree.store.put([(one.key, one.reason, one.record, one.postings) for one in read])
            stored |= {one.key: one.reason for one in read}
            self.made |= {one.key: decode_postings(one.postings) for one in read if one.reason is None}
            for one in batch:
                keyed[one.path] = (*keyed[one.path][:2], one.key)
            self.say("extract", min(len(chosen), (done + 1) * _BATCH), len(chosen))
        changed = set()
        for path, (stat, seen, key) in keyed.items():
            if key and path not in refused and key not in stored:
                continue  # its twin, whose record it was to share, changed under our hands; the next refresh reads it
            before, reason = self.rows.get(path), refused.get(path) or stored.get(key, UNREADABLE)
            if before and (before.key, before.reason) == (key, reason):
                self.rows[path] = replace(before, size=stat.size, mtime_ns=stat.mtime_ns, seen_ns=seen)
                continue
            self.rows[path] = FileRow(path, stat.size, stat.mtime_ns, seen, key, reason, 0, None, -1)
            changed.add(path)
        return changed, len(chosen)

    def _history(self, head: str, changed: set[str], gone: list[str]) -> tuple[dict[str, list[Touch]], set[str]]:
        """Read the commits since the last refresh. Returns all touches by path, and the unchanged files that got new ones."""
        catalogue, before = self.tree.catalogue, self.manifest.meta.get("head", "")
        new_home = {self.rows[path].key: path for path in sorted(changed) if path not in self.manifest.rows}
        moved = {path: new_home[key] for path in gone if (key := self.manifest.rows[path].key) in new_home}
        catalogue.move_touches(moved, gone)
        retouched: set[str] = set()
        made = None
        if head and head != before:
            self.say("history", 0, 0)
            spans = Spans(self.tree.store, {path: row.key for path, row in self.rows.items() if row.reason is None})
            made = history.touches(
                self.tree.root,
                spans,
                since=before or None,
                limit=self.options.commits,
                seconds=self.options.commit_seconds,
            )
            retouched = {touch.path for touch in made.touches}
            if made.since is None:  # read from the beginning
                retouched |= {touch.path for touch in catalogue.touches()}
            catalogue.write_touches(made.touches, replace=made.since is None)
            known = self.manifest.meta if made.since is not None else {}
            read, whole = made.commits + int(known.get("commits", "0")), made.complete and known.get("commits_complete", "1") == "1"
            catalogue.write_meta({"commits": str(read), "commits_complete": str(int(whole))})
        if made is None or made.since is not None:
            self._follow_names(changed, made.paths if made else ())
        by_path: dict[str, list[Touch]] = defaultdict(list)
        for touch in catalogue.touches():
            by_path[touch.path].append(touch)
        return by_path, {path for path in retouched if path in self.rows and self.rows[path].reason is None} - changed

    def _follow_names(self, changed: set[str], committed: Iterable[str]) -> None:
        """Let the commits of definitions that only changed their names go with them; and drop those of definitions that
        are gone from files that were committed: in the middle of an edit they may come back."""
        catalogue = self.tree.catalogue
        for path in changed & self.manifest.rows.keys():
            catalogue.rename_touched(path, self._renamed(path))
        for path in committed:
            catalogue.rename_touched(path, {}, catalogue.touched(path) - set(self._symbols(self.rows[path])))

    def _renamed(self, path: str) -> dict[str, str]:
        """Definitions of a changed file with known commits that have another name now, old symbol -> new."""
        before, now = self.manifest.rows[path], self.rows[path]
        lost = self.tree.catalogue.touched(path) - set(self._symbols(now))
        if before.reason or now.reason or not lost:
            return {}
        try:
            found = renames.renamed(self.tree.store.record(before.key), self.tree.store.record(now.key))
        except IndexDamaged:  # what was there before is not known any more
            return {}
        return {old: new for old, new in found.items() if old in lost}

    def _symbols(self, row: FileRow) -> Sequence[str]:
        """The symbols of a file; none of one that is not indexed."""
        if row.reason:
            return ()
        return (self.made.get(row.key) or self.tree.store.postings(row.key)).symbols

    def _manual(self, entries: list, state: str, changed: set[str]) -> tuple[list[str], set[str]]:
        """Attach the manual explanations again where they or their files changed. Returns what matches nothing, and
        the unchanged files whose explanations changed."""
        if not entries and not state and not self.manifest.meta.get("manual"):
            return [], set()
        named = {manual.normal(entry.file) for entry in entries}
        files = {
            path: self.tree.store.record(row.key).chunks
            for path, row in self.rows.items()
            if row.reason is None and path in named
        }
        attached, unmatched = manual.attach(entries, files)
        now = {place: entry.documentation for place, entry in attached.items()}
        before = self.tree.catalogue.manual()
        self.tree.catalogue.write_manual(now)
        restated = {
            path
            for (path, number) in now.keys() | before.keys()
            if now.get((path, number)) != before.get((path, number))
        }
        return [f"entry {entry.id}: {why}" for entry, why in unmatched], (restated & self.rows.keys()) - changed

    def _lost_manual(self) -> list[str]:
        """That the file of manual explanations that was given last is gone, if it is."""
        given = "" if self.options.manual else self.manifest.meta.get("manual_file", "")
        return [f"{given}: no such file any more, so what it explained is left out; give another with --manual"] if given and not Path(given).is_file() else []

    def _write(self, paths: set[str], gone: list[str], touches: dict[str, list[Touch]]) -> None:
        """Write one segment with the changed files and those of the segments that are merged with them."""
        before = self.manifest.rows
        used = {row.segment for path, row in self.rows.items() if row.segment and path not in paths}
        merged = self._to_merge(used, paths)
        indexed = sorted(
            path for path, row in self.rows.items() if row.reason is None and (path in paths or row.segment in merged)
        )
        new = []
        if indexed:
            name = f"{uuid.uuid4().hex}.seg"
            files = list(self._segment_files(indexed, touches))
            for number, file in enumerate(files):
                self.rows[file.path] = replace(
                    self.rows[file.path], segment=name, number=number, chunks=len(file.postings.symbols)
                )
            size = write_segment(self.tree.folder / name, files)
            new = [(name, len(files), sum(len(file.postings.symbols) for file in files), size)]
        self.tree.catalogue.write_segments(new, sorted(set(self.manifest.segments) - (used - merged)))
        self.tree.catalogue.write_files([row for path, row in self.rows.items() if before.get(path) is not row], gone)
        left = {row.key for path, row in before.items() if path not in self.rows or self.rows[path].key != row.key}
        self.tree.store.renew(sorted(left - {row.key for row in self.rows.values()}))

    def _segment_files(self, paths: Sequence[str], touches: dict[str, list[Touch]]) -> Iterator[SegmentFile]:
        explained: dict[str, dict[int, str]] = defaultdict(dict)
        for (path, number), text in self.tree.catalogue.manual().items():
            explained[path][number] = text
        for done, path in enumerate(paths):
            if done % 1000 == 0:
                self.say("write", done, len(paths))
            key = self.rows[path].key
            postings = self.made.get(key) or self.tree.store.postings(key)
            yield SegmentFile(
                path, key, postings, explained.get(path, {}), _subjects(postings.symbols, touches.get(path, ()))
            )

    def _to_merge(self, used: set[str], paths: set[str]) -> set[str]:
        """The segments to write anew with the changed files. All, where too many chunks are dead. Else, where there are
        too many segments, the smallest, each at most twice as large as those before together: so that a chunk is written
        a number of times that grows with the logarithm of the tree."""
        sizes = self.tree.catalogue.segment_chunks()
        live: Counter[str] = Counter()
        for path, row in self.rows.items():
            if row.segment and path not in paths:
                live[row.segment] += row.chunks
        total = sum(sizes[name] for name in used)
        if total - live.total() > MOST_DEAD * total:
            return used
        if len(used) < MOST_SEGMENTS:
            return set()
        merged: set[str] = set()
        taken = 0
        for name in sorted(used, key=lambda name: (live[name], name)):
            if len(used) - len(merged) < MOST_SEGMENTS and live[name] > 2 * taken:
                break
            merged.add(name)
            taken += live[name]
        return merged


def _subjects(symbols: Sequence[str], touches: Iterable[Touch]) -> dict[int, str]:
    """Chunk number -> subjects of the commits that touched its symbol, newest first."""
    by_symbol: dict[str, list[str]] = defaultdict(list)
    for touch in touches:
        by_symbol[touch.symbol].append(touch.subject)
    return {number: "\n".join(by_symbol[symbol]) for number, symbol in enumerate(symbols) if symbol in by_symbol}


def _batches(rows: Iterable[Extracted]) -> Iterator[list[Extracted]]:
    batch = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
