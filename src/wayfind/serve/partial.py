"""An answer before there is an index: the files that hold the query's words are found by a literal scan, indexed alone in a
folder that is deleted again, and searched. What it says of the repository is true of those files only.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import log
from pathlib import Path

from wayfind.corpus.extract import extract
from wayfind.corpus.languages import canonical, language_of
from wayfind.corpus.walk import walk
from wayfind.index.catalogue import FileRow, Manifest
from wayfind.index.home import CONTENT
from wayfind.index.segment import Segment, SegmentFile, file_postings, write_segment
from wayfind.index.snapshot import Snapshot
from wayfind.index.store import ContentStore, encode_postings, encode_record
from wayfind.search import engine
from wayfind.search.engine import Ask
from wayfind.search.filters import path_matcher
from wayfind.search.query import Filters, Query, parse
from wayfind.search.searcher import Searcher
from wayfind.types import Answer, FileRecord

SCAN = 0.7
"""Share of the time that the scan may take; the rest is for extraction."""
MOST_FILES = 24
"""Files that are indexed for a partial answer; extraction takes some 10 ms each."""
IN_PATH = 2.0
"""What a word in the path counts beside one in the text: few files have it there."""
_SHORTEST = 3


@dataclass(frozen=True, slots=True)
class Partial:
    """An answer from a part of the files."""

    answer: Answer
    looked_at: int
    """Files that the scan read."""
    files: int
    """Files that there are."""


def partial_answer(root: Path, ask: Ask, seconds: float) -> Partial:
    """The answer from the files that seem to hold what is asked for, in about `seconds`. Raises UsageError."""
    deadline = time.monotonic() + seconds
    query = parse(ask.text, ask.filters)
    paths = _admitted([stat.path for stat in walk(root).files], query.filters)
    words = [_literal(term.text) for term in query.terms]
    paths.sort(key=lambda path: -sum(word in path.lower() for word in words))
    scan_until = time.monotonic() + (deadline - time.monotonic()) * SCAN
    held = dict(_scan(root, paths, words, scan_until))
    best = _best(held, words, query)[:MOST_FILES]
    answer = _answer(root, best, ask, deadline)
    state = replace(answer.index, root=str(root), stale_files=len(paths) - answer.index.files)
    return Partial(replace(answer, index=state), len(held), len(paths))


def _admitted(paths: list[str], filters: Filters) -> list[str]:
    """The paths that pass those filters which need no index."""
    languages = {canonical(name) for name in filters.languages}
    wanted, unwanted = path_matcher(filters.paths), path_matcher(filters.not_paths)
    return [
        path
        for path in paths
        if (not filters.paths or wanted(path)) and not (filters.not_paths and unwanted(path)) and (not languages or language_of(path, "") in languages)
    ]


def _literal(stem: str) -> str:
    """Text that the forms of a word begin with: `retri` stands for retry and retries."""
    return stem[:-1] if stem.endswith("i") and len(stem) > _SHORTEST else stem


def _scan(root: Path, paths: Sequence[str], words: Sequence[str], deadline: float) -> Iterator[tuple[str, set[str]]]:
    """Path -> the words that the file holds, in its path as `/word`; as many files as the time allows."""
    for path in paths:
        if time.monotonic() > deadline:
            return
        try:
            text = (root / path).read_bytes().lower()
        except OSError:
            continue
        name = path.lower()
        yield path, {word for word in words if word.encode() in text} | {f"/{word}" for word in words if word in name}


def _best(held: dict[str, set[str]], words: Sequence[str], query: Query) -> list[str]:
    """The files by the weight of the words that they hold, the rare ones counting most; those that hold none only where
    filters alone are asked for."""
    holding = Counter(word for found in held.values() for word in found)
    weight = {word: term.weight * log(1 + len(held) / (holding[word] or 1)) for word, term in zip(words, query.terms)}
    weight |= {f"/{word}": IN_PATH * weight[word] for word in words}
    total = {path: sum(weight[word] for word in found) for path, found in held.items()}
    return sorted((path for path in held if total[path] or not words), key=lambda path: (-total[path], path))


def _answer(root: Path, paths: Sequence[str], ask: Ask, deadline: float) -> Answer:
    """Index these files, as many as the time allows but at least one, and search them."""
    with tempfile.TemporaryDirectory(prefix="wayfind-") as folder:
        store = ContentStore(Path(folder, CONTENT))
        try:
            rows, files = {}, []
            for path in paths:
                if files and time.monotonic() > deadline:
                    break
                record = _record(root, path)
                if record is not None:
                    postings, key = file_postings(record), f"{len(files)}"
                    store.put([(key, None, encode_record(record), encode_postings(postings))])
                    rows[path] = FileRow(path, 0, 0, 0, key, None, len(record.chunks), "partial.seg", len(files))
                    files.append(SegmentFile(path, key, postings, {}, {}))
            files.sort(key=lambda file: file.path)
            rows = {file.path: replace(rows[file.path], number=number) for number, file in enumerate(files)}
            write_segment(Path(folder, "partial.seg"), files)
            manifest = Manifest(0, rows, ("partial.seg",) if files else (), {"root": os.fspath(root)})
            snapshot = Snapshot(manifest, [Segment(Path(folder, name)) for name in manifest.segments], store, {}, Path(folder))
            return engine.search(Searcher(snapshot), ask)
        finally:
            store.close()


def _record(root: Path, path: str) -> FileRecord | None:
    try:
        made = extract((root / path).read_bytes(), path)
    except OSError:
        return None
    return made if isinstance(made, FileRecord) else None
