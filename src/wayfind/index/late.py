"""Token vectors of an index, for late interaction: what is encoded is kept by content for every tree of the user, and laid in
immutable, checksummed, memory-mapped files for one.

The table `late` of `vectors.sqlite` holds the codes of the tokens of each file's chunks, under the key of its vectors. `*.late` in a
tree's folder hold them for that tree; the catalogue names them. New files of the tree come into a new one, which takes in those
that are not much larger, so that a change of one file does not write everything again.
"""

from __future__ import annotations

import json
import uuid
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wayfind.errors import IndexDamaged
from wayfind.index.catalogue import Manifest
from wayfind.index.segment import read_arrays, write_arrays
from wayfind.model.pooling import POOLING, pooled

if TYPE_CHECKING:
    from wayfind.index.vectors import VectorStore

MAGIC = b"WAYFIND LATE 1\n"
FORM = f"words and frame, clusters of {POOLING}"
"""How codes are made of a chunk's tokens; codes of another form count as absent."""
LARGER = 2
"""A new file takes in an older one that holds at most so many times its contents: each is written some log2(n) times."""


@dataclass(frozen=True, slots=True)
class TokenCodes:
    """The codes of the tokens of one file's chunks: of chunk c, codes[ends[c] : ends[c + 1]]."""

    ends: np.ndarray  # int64 [chunks + 1]
    codes: np.ndarray  # int8 [tokens, dim]

    @classmethod
    def of(cls, chunks: Sequence[np.ndarray], dim: int) -> TokenCodes:
        """Codes of chunks' tokens in the order of the text, made ready to be kept."""
        kept = [pooled(codes) for codes in chunks]
        ends = np.cumsum([0, *map(len, kept)]).astype(np.int64)
        return cls(ends, np.concatenate([np.zeros((0, dim), np.int8), *kept]))


@dataclass(frozen=True, slots=True)
class LateFile:
    """The token codes of some contents, as they lie in a tree's folder. Chunks of content i: starts[i] to starts[i + 1] - 1; tokens
    of chunk c: ends[c] to ends[c + 1] - 1."""

    path: Path
    keys: np.ndarray  # bytes [contents], ascending
    starts: np.ndarray  # int64 [contents + 1]
    ends: np.ndarray  # int64 [chunks + 1]
    checksums: np.ndarray  # uint32 [contents], of each one's codes
    codes: np.ndarray  # int8 [tokens, dim]

    def verify(self, content: int) -> None:
        """Raises IndexDamaged where the codes of a content are not those that were written."""
        first, last = self.ends[self.starts[content : content + 2]]
        if zlib.crc32(self.codes[first:last]) != self.checksums[content]:
            raise IndexDamaged(f"{self.path} is damaged (token codes); run `wayfind doctor --repair`")

    def verify_all(self) -> None:
        for content in range(len(self.keys)):
            self.verify(content)


class TokenVectors:
    """Codes of the tokens of a snapshot's chunks. Chunk c lies in file `part[c]` as its chunk `row[c]`, or nowhere where that is -1."""

    def __init__(self, files: Sequence[LateFile], dim: int, part: np.ndarray, row: np.ndarray):
        self.dim, self.part, self.row = dim, part, row
        self._files, self._verified = files, [np.zeros(len(file.keys), bool) for file in files]

    @property
    def coverage(self) -> float:
        """Share of the chunks whose file's tokens were encoded."""
        return float((self.row >= 0).mean()) if len(self.row) else 1.0

    def of(self, chunks: np.ndarray) -> list[np.ndarray]:
        """The codes of each chunk's tokens, int8 [tokens, dim]; none where they are not there. Raises IndexDamaged."""
        found = [np.zeros((0, self.dim), np.int8)] * len(chunks)
        for number, file in enumerate(self._files):
            places = np.flatnonzero(self.part[chunks] == number)
            rows = self.row[chunks[places]]
            self._verify(number, np.searchsorted(file.starts, rows, side="right") - 1)
            for place, first, last in zip(places.tolist(), file.ends[rows].tolist(), file.ends[rows + 1].tolist()):
                found[place] = file.codes[first:last]
        return found

    def _verify(self, number: int, contents: np.ndarray) -> None:
        """Check those contents of a file that were not read before."""
        verified = self._verified[number]
        for content in np.unique(contents[~verified[contents]]).tolist():
            self._files[number].verify(content)
            verified[content] = True


def late_names(manifest: Manifest, model: str | None = None) -> list[str]:
    """The files of token codes that the catalogue names, of one model or of all; those of another form are none of a model's."""
    said = json.loads(manifest.meta.get("late", "{}"))
    return sorted(name for other, named in said.items() if model in (None, other) and (model is None or named["form"] == FORM) for name in named["files"])


def read_late(folder: Path, name: str) -> LateFile:
    """A file of token codes; the codes themselves are verified content by content when they are used, the rest now. Raises
    IndexDamaged, IndexVersion."""
    try:
        arrays = read_arrays(folder / name, MAGIC, unverified=("codes",))
    except FileNotFoundError:
        raise IndexDamaged(f"the index file {folder / name} is gone; run `wayfind doctor --repair`") from None
    return LateFile(folder / name, *(arrays[part] for part in ("keys", "starts", "ends", "checksums", "codes")))


def lay(folder: Path, manifest: Manifest, store: VectorStore, model: str, dim: int, keys: Iterable[str]) -> dict[str, str]:
    """Have the files of a tree's folder hold the stored token codes of these keys. Returns what the catalogue's `meta` must say."""
    files = _readable(folder, late_names(manifest, model))
    wanted = set(keys)
    held = {key.decode(): file for file in files for key in file.keys.tolist() if key.decode() in wanted}
    live = {file.path: sum(held[key] is file for key in held) for file in files}
    taken = store.known_late(wanted - held.keys(), FORM)
    kept = []
    for file in sorted(files, key=lambda file: live[file.path]):
        if 2 * live[file.path] < len(file.keys) or len(file.keys) <= LARGER * len(taken):
            taken |= {key for key in held if held[key] is file}
        else:
            kept.append(file.path.name)
    if taken and (name := _written(folder, store, taken, dim)):
        kept.append(name)
    return {"late": json.dumps({model: {"form": FORM, "files": sorted(kept)}})}


def _readable(folder: Path, names: Iterable[str]) -> list[LateFile]:
    """The files that can be read; what a damaged one held is written again from the store."""
    found = []
    for name in names:
        try:
            found.append(read_late(folder, name))
        except IndexDamaged:
            continue
    return found


def _written(folder: Path, store: VectorStore, keys: set[str], dim: int) -> str:
    """Write a file with the stored codes of these keys, one at a time. Returns its name."""
    name, rows = f"{uuid.uuid4().hex}.late", _Rows(store, sorted(keys), dim)
    write_arrays(folder / name, MAGIC, rows)
    return name


class _Rows(Mapping[str, "np.ndarray | Iterator[np.ndarray]"]):
    """The arrays of a file of token codes. The codes come first and one after another; the others say what came."""

    def __init__(self, store: VectorStore, keys: Sequence[str], dim: int):
        self._store, self._wanted, self._dim = store, keys, dim
        self._keys: list[str] = []
        self._counts: list[np.ndarray] = []
        self._checksums: list[int] = []

    def __iter__(self) -> Iterator[str]:
        return iter(("codes", "keys", "starts", "ends", "checksums"))

    def __len__(self) -> int:
        return 5

    def __getitem__(self, name: str) -> np.ndarray | Iterator[np.ndarray]:
        if name == "codes":
            return self._codes()
        if name == "keys":
            return np.array([key.encode() for key in self._keys], "S40")
        if name == "starts":
            return np.cumsum([0, *map(len, self._counts)]).astype(np.int64)
        if name == "ends":
            return np.cumsum(np.concatenate([np.zeros(1, np.int64), *self._counts]))
        return np.array(self._checksums, np.uint32)

    def _codes(self) -> Iterator[np.ndarray]:
        yield np.zeros((0, self._dim), np.int8)
        for key, tokens in self._store.read_late(self._wanted, FORM, self._dim):
            self._keys.append(key)
            self._counts.append(np.diff(tokens.ends))
            self._checksums.append(zlib.crc32(tokens.codes))
            yield tokens.codes
