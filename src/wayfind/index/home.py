"""A home folder: the names of its files, the indexes in it, and how much room each part takes.

Imports nothing heavy, and nothing is opened here but the small notes `root` and `CACHEDIR.TAG`.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CONTENT, VECTORS, EXPLANATIONS = "content.sqlite", "vectors.sqlite", "explanations.sqlite"
"""Databases of the home, for all trees together."""
CATALOGUE = "catalogue.sqlite"
"""The database in the folder of each tree."""
CHOSEN = "chosen"
"""Note in the folder of a tree that its user had it indexed by itself, whatever repository it lies in."""
USED_STEP = 3600
"""Seconds between two notes that a tree is in use."""


@dataclass(frozen=True, slots=True)
class TreeSize:
    """The index of one working tree."""

    folder: Path
    root: str
    """The working tree's folder; empty where that is not known (any more)."""
    bytes: int
    used: float
    """When it was searched or refreshed last, to the hour, seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes on disk, by part."""

    content: int
    """Of what was extracted from files, shared by all trees."""
    segments: int
    catalogues: int
    vectors: int
    """Of all trees together, with the vectors of tokens, and of each."""
    late: int
    """Token vectors as they lie in each tree."""
    trees: tuple[TreeSize, ...]
    explanations: int = 0
    """Sentences that a decoder wrote, of all trees together."""

    @property
    def total(self) -> int:
        return self.content + self.segments + self.catalogues + self.vectors + self.late + self.explanations


def sizes(home: Path) -> Sizes:
    """What a home folder holds, in bytes. Nothing is opened for writing."""
    return Sizes(
        sum(map(bytes_of, home.glob(f"{CONTENT}*"))),
        sum(map(bytes_of, home.glob("trees/*/*.seg"))),
        sum(map(bytes_of, home.glob(f"trees/*/{CATALOGUE}*"))),
        sum(map(bytes_of, [*home.glob(f"{VECTORS}*"), *home.glob("trees/*/*.vec"), *home.glob("trees/*/*.near*")])),
        sum(map(bytes_of, home.glob("trees/*/*.late"))),
        tuple(trees(home)),
        sum(map(bytes_of, home.glob(f"{EXPLANATIONS}*"))),
    )


def trees(home: Path) -> Iterator[TreeSize]:
    """The indexes of a home, in the order of their folders' names."""
    for folder in sorted(home.glob("trees/*")):
        if folder.is_dir() and not folder.name.startswith("."):
            yield TreeSize(folder, root_of(folder), bytes_below(folder), used(folder))


def root_of(folder: Path) -> str:
    """The working tree whose index lies in a folder; empty where that is not known (any more)."""
    with contextlib.suppress(OSError):
        return os.fsdecode((folder / "root").read_bytes())
    return ""


def used(folder: Path) -> float:
    """When the index in a folder was used last, to the hour, seconds since 1970."""
    for name in ("root", CATALOGUE, ""):
        with contextlib.suppress(OSError):
            return (folder / name).stat().st_mtime
    return 0.0


def mark_cache(home: Path) -> None:
    """Mark the home as a cache (https://bford.info/cachedir/), so that neither walks nor backups enter it: an index that
    lies inside its own tree is never searched. Where that cannot be written the home is not new."""
    tag = home / "CACHEDIR.TAG"
    with contextlib.suppress(OSError):
        if not tag.exists():
            tag.write_text("Signature: 8a477f597d28d172789f06886806bc55\n# Made by wayfind.\n")
            (home / ".gitignore").write_text("*\n")


def mark_used(folder: Path, root: Path) -> None:
    """Note that the tree is in use, in the time of its file `root`, which names its folder even where the catalogue is
    damaged. Where it cannot be noted the tree is only older in the eyes of `gc`."""
    note = folder / "root"
    with contextlib.suppress(OSError):
        if not note.exists():
            handle = os.open(note, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(handle, "wb") as file:
                file.write(os.fsencode(root))
        elif time.time() - note.stat().st_mtime > USED_STEP:
            os.utime(note)


def mark_chosen(folder: Path) -> None:
    """Note that the user asked for this index (`wayfind index`); a search alone makes none that others prefer to the repository's."""
    with contextlib.suppress(OSError):
        (folder / CHOSEN).touch(mode=0o600)


def bytes_of(path: Path) -> int:
    """The size of a file; 0 where it is gone."""
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def bytes_below(folder: Path) -> int:
    """The sizes of all files in a folder and those below it."""
    return sum(bytes_of(Path(base, name)) for base, _, names in os.walk(folder) for name in names)
