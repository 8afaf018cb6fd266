"""Files in, what the content store keeps of them out: key, record and postings, made by several processes where there are many."""

from __future__ import annotations

import hashlib
import logging
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wayfind.corpus.languages import language_of
from wayfind.corpus.walk import decode
from wayfind.index.lock import end_with
from wayfind.index.segment import file_postings
from wayfind.index.store import content_key, encode_postings, encode_record
from wayfind.types import FileRecord

log = logging.getLogger(__name__)

UNREADABLE = "unreadable"
"""Such a file is tried again at each refresh: permissions change without a trace in size or time."""
PARALLEL_FROM = 200
"""Below this number of files to extract, starting worker processes costs more than it saves (0.2 s a worker)."""
HEAD = 4096
"""Bytes of a file that its language may depend on."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """What was made of one file."""

    path: str
    key: str
    """Of its content as it was read; empty where it could not be read."""
    reason: str | None
    """Why it is not indexed; then there is neither record nor postings."""
    record: bytes = b""
    postings: bytes = b""


def extracted(root: Path, paths: Sequence[str], workers: int) -> Iterator[Extracted]:
    """What is made of each of these files of a tree, in their order; by as many processes where that pays."""
    if workers < 2 or len(paths) < PARALLEL_FROM:
        yield from (extract_file(str(root), path) for path in paths)
        return
    # A search loads neither of these: it seldom extracts anything, and never much.
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    import wayfind.corpus.extract  # noqa: F401  once, before the workers part from this process

    done = 0
    with ProcessPoolExecutor(workers, initializer=_begin_worker) as pool:
        try:
            for one in pool.map(extract_file, [str(root)] * len(paths), paths, chunksize=16):
                yield one
                done += 1
        except BrokenProcessPool:  # one was killed, for its memory most often: this process alone needs less
            log.warning("a worker was killed; the other %d files are extracted one after another", len(paths) - done)
    yield from (extract_file(str(root), path) for path in paths[done:])


def extract_file(root: str, path: str) -> Extracted:
    """Read and extract one file of a tree."""
    from wayfind.corpus.extract import extract

    try:
        data = Path(root, path).read_bytes()
    except OSError:
        return Extracted(path, "", UNREADABLE)
    made = extract(data, path)
    if isinstance(made, FileRecord):
        return Extracted(path, key_of(data, path), None, encode_record(made), encode_postings(file_postings(made)))
    return Extracted(path, key_of(data, path), made)


def key_of(data: bytes, path: str) -> str:
    """The key under which the content store keeps what is made of a file with these bytes."""
    head = decode(data[:HEAD])[0][:1_000]
    return content_key(hashlib.sha256(data).hexdigest(), language_of(path, head))


def _begin_worker() -> None:
    """Leave interrupts to the parent, and end when it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with(os.getppid())
