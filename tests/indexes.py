"""Trees, indexes and their images for the tests of the index: two indexes are the same when their images are equal."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator, Mapping
from pathlib import Path

from wayfind.index.doctor import doctor
from wayfind.index.refresh import Options, Refreshed, refresh
from wayfind.index.segment import FIELDS, FILE_FIELDS
from wayfind.index.snapshot import Snapshot, open_snapshot
from wayfind.index.tree import Tree, open_tree

WORDS = "open close read parse write token header cache lock merge split user order invoice rate limit retry queue".split()
PLAIN = Options(commits=0)
"""Without history: nothing here asks git."""


def source(seed: int, definitions: int = 3) -> str:
    """A Python module of small functions, the same for the same seed."""
    dice = random.Random(seed)
    lines = [f'"""Module {seed}: {" ".join(dice.choices(WORDS, k=4))}."""', ""]
    for _ in range(definitions):
        name = "_".join(dice.sample(WORDS, 2))
        lines += [f"def {name}(value):", f'    """{" ".join(dice.choices(WORDS, k=5)).capitalize()}."""', f"    return {dice.choice(WORDS)}(value, {dice.randrange(99)})", "", ""]
    return "\n".join(lines)


def write(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files below a folder and return it."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


def aged(root: Path, seconds: int = 3600) -> None:
    """Make all files older, so that none counts as modified while it was read."""
    for base, _, names in os.walk(root):
        for name in names:
            path = Path(base, name)
            state = path.lstat()
            if not path.is_symlink():
                os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns - seconds * 10**9))


def tree(tmp_path: Path, name: str, *seeds: int) -> Path:
    """A folder with a module for each seed, all made an hour ago."""
    root = write(tmp_path / name, {f"file{seed}.py": source(seed, 20) for seed in seeds})
    aged(root)
    return root


@contextlib.contextmanager
def opened(root: Path, home: Path) -> Iterator[Tree]:
    tree = open_tree(root, home)
    try:
        yield tree
    finally:
        tree.close()


def refreshed(root: Path, home: Path, options: Options = PLAIN) -> Refreshed:
    """Refresh in a connection of its own."""
    with opened(root, home) as tree:
        return refresh(tree, options)


def wrong(home: Path, root: Path | None = None) -> list[str]:
    """What the doctor finds, apart from the machine."""
    return [finding.what for finding in doctor(home, root) if finding.what not in ("disk", "grammar")]


def image(root: Path, home: Path) -> dict:
    """Everything that a search can see of an index, in a form that can be compared."""
    with opened(root, home) as tree:
        return picture(open_snapshot(tree))


def picture(snapshot: Snapshot) -> dict:
    names = [(snapshot.paths[file], int(start), int(end)) for file, start, end in zip(snapshot.file, snapshot.start, snapshot.end)]
    vocabulary = {term for segment in snapshot.segments for term in segment.vocabulary.all()}
    postings = {}
    for field in (*FIELDS, *FILE_FIELDS):
        items = names if field in FIELDS else snapshot.paths
        for term in sorted(vocabulary):
            found, times = snapshot.postings(field, term)
            if len(found):
                postings[field, term] = [(items[i], n) for i, n in zip(found.tolist(), times.tolist())]
    return {
        "chunks": [(*name, snapshot.kind_of(i), snapshot.symbols[i], snapshot.provenance_of(i), snapshot.chunk(i)) for i, name in enumerate(names)],
        "languages": list(zip(snapshot.paths, snapshot.languages)),
        "lengths": snapshot.lengths.tolist(),
        "postings": postings,
        "skipped": snapshot.manifest.skipped,
    }
