"""A segment: the postings and chunk table of some files, in one immutable, checksummed, memory-mapped file.

In: per file its chunks and term counts. Out: arrays. A segment never changes after it is written; which of its files
are still alive is said by the catalogue. Layout in `docs/index-format.md`.
"""

from __future__ import annotations

import json
import mmap
import os
import zlib
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from wayfind.errors import IndexDamaged, IndexVersion, StorageError
from wayfind.index.tokens import count, terms, terms_of, words
from wayfind.types import KINDS, PROVENANCES, REFERENCES, FileRecord

MAGIC = b"WAYFIND SEGMENT 1\n"
FIELDS = ("symbol", "signature", "docs", "body", "history")
"""Chunk fields. `body` is the whole text of the chunk with its documentation, wherever that was written, so that a term's chunk
frequency is that of `body`, commit subjects aside."""
FILE_FIELDS = ("name", "folder")
"""File fields: the words of the file name, and of the folders above it."""

SYMBOL, SIGNATURE, DOCS, BODY, HISTORY = range(len(FIELDS))


@dataclass(frozen=True, slots=True)
class FilePostings:
    """What a segment needs of one file, made from its content alone. Row i of the four columns says that term
    `terms[term[i]]` occurs `count[i]` times in `field[i]` of chunk `chunk[i]`."""

    language: str
    lines: int
    symbols: list[str]
    table: np.ndarray  # uint32 [chunks, 4]: first line, last line, number of the kind, number of the provenance
    lengths: np.ndarray  # uint32 [chunks, fields]: number of terms
    terms: list[str]
    chunk: np.ndarray  # uint32
    term: np.ndarray  # uint32
    field: np.ndarray  # uint8
    count: np.ndarray  # uint8, capped at 255
    names: list[str]
    references: np.ndarray  # uint32 [references, 4]: line, number of the kind, numbers of name and owner in `names`


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """One file as it enters a segment. `docs` and `history` are texts that this repository adds to chunk i (manual
    explanations; subjects of commits)."""

    path: str
    key: str
    postings: FilePostings
    docs: dict[int, str]
    history: dict[int, str]


class _TermNumbers(dict[str, tuple[int, ...]]):
    """Word -> numbers of its terms, each word split once a file. `terms` grows as words come."""

    def __init__(self) -> None:
        super().__init__()
        self.terms: dict[str, int] = {}

    def __missing__(self, word: str) -> tuple[int, ...]:
        terms = self.terms
        numbers = self[word] = tuple([terms.setdefault(term, len(terms)) for term in terms_of(word)])
        return numbers

    def count(self, text: str) -> Counter[int]:
        return Counter(chain.from_iterable(map(self.__getitem__, words(text))))


def file_postings(record: FileRecord) -> FilePostings:
    """Counts of every chunk's terms in the fields that depend on the file's content alone."""
    numbers = _TermNumbers()
    lengths = np.zeros((len(record.chunks), len(FIELDS)), np.uint32)
    term: list[int] = []
    times: list[int] = []
    runs: list[tuple[int, int, int]] = []
    lines = record.text.split("\n")
    for number, chunk in enumerate(record.chunks):
        body = "\n".join(lines[chunk.start_line - 1 : chunk.end_line])
        for field, text in enumerate((chunk.symbol or "", chunk.signature, chunk.docstring, body)):
            if text:
                counts = numbers.count(text)
                lengths[number, field] = counts.total()
                term += counts.keys()
                times += counts.values()
                runs.append((number, field, len(counts)))
    run = np.array(runs, np.uint32).reshape(-1, 3)
    table = np.array(
        [
            (c.start_line, c.end_line, KINDS.index(c.kind), PROVENANCES.index(c.target.provenance))
            for c in record.chunks
        ],
        np.uint32,
    ).reshape(-1, 4)
    return FilePostings(
        record.language,
        len(lines),
        [chunk.symbol or "" for chunk in record.chunks],
        table,
        lengths,
        list(numbers.terms),
        np.repeat(run[:, 0], run[:, 2]),
        np.fromiter(term, np.uint32, len(term)),
        np.repeat(run[:, 1], run[:, 2]).astype(np.uint8),
        np.minimum(np.fromiter(times, np.uint32, len(times)), 255).astype(np.uint8),
        *_references(record),
    )


def _references(record: FileRecord) -> tuple[list[str], np.ndarray]:
    """The names in a file's references, and the references as numbers."""
    names: dict[str, int] = {}
    rows = [
        (one.line, REFERENCES.index(one.kind), names.setdefault(one.name, len(names)), names.setdefault(one.owner, len(names)))
        for one in record.references
    ]
    return list(names), np.array(rows, np.uint32).reshape(-1, 4)


def file_words(path: str) -> tuple[list[str], list[str]]:
    """Terms of a path: those of the file name without extension, and those of its folders."""
    folder, _, name = path.encode("utf-8", "replace").decode().rpartition("/")
    stem, dot, _ = name.rpartition(".")
    return terms(stem if dot and stem else name), terms(folder.replace("/", " "))


def write_segment(target: Path, files: Sequence[SegmentFile]) -> int:
    """Write the files' segment to `target` (temporary file, fsync, rename). Returns its size in bytes.

    Raises StorageError when the disk refuses; nothing is left behind then.
    """
    return write_arrays(target, MAGIC, build_arrays(files))


def write_arrays(target: Path, magic: bytes, arrays: Mapping[str, np.ndarray | Iterable[np.ndarray]]) -> int:
    """Write arrays with their checksums to `target` (temporary file, fsync, rename). Returns the size in bytes.

    An array may come in pieces, at least one, along its first axis, so that it need not be held whole; the arrays after it are
    looked up when it is written. Raises StorageError when the disk refuses; nothing is left behind then.
    """
    temporary = target.with_suffix(f".{os.getpid()}.tmp")
    try:
        with open(temporary, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
            out.write(magic)
            entries = {}
            for name in arrays:
                out.write(b"\0" * (-out.tell() % 8))
                entries[name] = _write_pieces(out, arrays[name])
            header = json.dumps(entries).encode()
            out.write(header)
            out.write(len(header).to_bytes(8, "little") + zlib.crc32(header).to_bytes(4, "little"))
            size = out.tell()
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StorageError(
            f"cannot write the index to {target.parent}: {error.strerror}. Free space or set WAYFIND_HOME to another folder."
        ) from error
    return size


def _write_pieces(out: BinaryIO, array: np.ndarray | Iterable[np.ndarray]) -> list[Any]:
    """Write an array; its entry in the table of contents."""
    offset, checksum, length = out.tell(), 0, 0
    for piece in [array] if isinstance(array, np.ndarray) else array:
        data = memoryview(np.ascontiguousarray(piece)).cast("B") if piece.size else b""
        out.write(data)
        checksum, length = zlib.crc32(data, checksum), length + len(piece)
    return [piece.dtype.str, [length, *piece.shape[1:]], offset, checksum]


def read_arrays(path: Path, magic: bytes, unverified: Container[str] = ()) -> dict[str, np.ndarray]:
    """The arrays that `write_arrays` wrote, memory-mapped, every checksum verified but those of the `unverified`, which whoever
    reads them checks part by part. Raises IndexDamaged, IndexVersion."""
    with open(path, "rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if os.fstat(file.fileno()).st_size else b""
    if data[: len(magic)] != magic:
        if data[: len(magic) - 3] == magic[:-3]:
            raise IndexVersion(f"{path} was written by another version of wayfind; run `wayfind index --rebuild`")
        raise _damaged(path, "it does not begin as it should")
    size = int.from_bytes(data[-12:-4], "little")
    header = data[-12 - size : -12] if size <= len(data) - 12 else b""
    if not header or zlib.crc32(header) != int.from_bytes(data[-4:], "little"):
        raise _damaged(path, "its table of contents is wrong")
    arrays, view = {}, memoryview(data)
    for name, (dtype, shape, offset, checksum) in json.loads(header).items():
        length = int(np.dtype(dtype).itemsize * np.prod(shape, dtype=np.int64))
        part = view[offset : offset + length]
        if name not in unverified and zlib.crc32(part) != checksum:
            raise _damaged(path, f"checksum of {name}")
        arrays[name] = np.frombuffer(part, dtype).reshape(shape)
    return arrays


def _damaged(path: Path, what: str) -> IndexDamaged:
    return IndexDamaged(f"the index file {path} is damaged ({what}); run `wayfind doctor --repair`, which builds it again")


def build_arrays(files: Sequence[SegmentFile]) -> dict[str, np.ndarray]:
    """All arrays of a segment, by name."""
    vocabulary: dict[str, int] = {}
    blocks: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
    file_rows: list[tuple[int, int, int]] = []
    lengths: list[np.ndarray] = []
    first = 0
    for file_number, file in enumerate(files):
        local = file.postings
        numbers = np.fromiter(
            (vocabulary.setdefault(t, len(vocabulary)) for t in local.terms), np.int64, len(local.terms)
        )
        file_lengths = local.lengths.copy()
        if len(local.term):
            blocks.append((numbers[local.term], local.chunk.astype(np.int64) + first, local.field, local.count))
        for field, texts in ((DOCS, file.docs), (BODY, file.docs), (HISTORY, file.history)):
            extra = [
                (vocabulary.setdefault(t, len(vocabulary)), first + chunk, min(n, 255))
                for chunk, text in texts.items()
                for t, n in count(text).items()
            ]
            for chunk, text in texts.items():
                file_lengths[chunk, field] += len(terms(text))
            if extra:
                table = np.array(extra, np.int64)
                blocks.append(
                    (table[:, 0], table[:, 1], np.full(len(table), field, np.uint8), table[:, 2].astype(np.uint8))
                )
        for field, found in enumerate(file_words(file.path)):
            file_rows += [
                (field, vocabulary.setdefault(word, len(vocabulary)), file_number) for word in dict.fromkeys(found)
            ]
        lengths.append(file_lengths)
        first += len(local.symbols)
    ordered = sorted(vocabulary)
    rank = np.empty(len(ordered), np.int64)
    rank[[vocabulary[term] for term in ordered]] = np.arange(len(ordered))
    arrays = _strings("vocabulary", ordered)
    term, chunk, field, times = (
        np.concatenate(column) if blocks else np.zeros(0, np.int64) for column in (zip(*blocks) if blocks else [()] * 4)
    )
    for number, name in enumerate(FIELDS):
        chosen = field == number
        arrays |= _postings(name, rank[term[chosen]], chunk[chosen], times[chosen], len(ordered))
    table = np.array(file_rows, np.int64).reshape(-1, 3)
    for number, name in enumerate(FILE_FIELDS):
        chosen = table[:, 0] == number
        arrays |= _postings(
            name, rank[table[chosen, 1]], table[chosen, 2], np.ones(chosen.sum(), np.uint8), len(ordered)
        )
    arrays["lengths"] = np.concatenate(lengths).astype(np.uint32) if lengths else np.zeros((0, len(FIELDS)), np.uint32)
    return arrays | _tables(files)


def _tables(files: Sequence[SegmentFile]) -> dict[str, np.ndarray]:
    table = np.concatenate([np.zeros((0, 4), np.uint32), *(file.postings.table for file in files)])
    provenance = table[:, 3].astype(np.uint8)
    first = 0
    for file in files:
        provenance[[first + chunk for chunk in file.docs]] = PROVENANCES.index("manual")
        first += len(file.postings.symbols)
    return {
        "chunk_file": np.repeat(np.arange(len(files), dtype=np.uint32), [len(file.postings.symbols) for file in files]),
        "chunk_start": table[:, 0].copy(),
        "chunk_end": table[:, 1].copy(),
        "chunk_kind": table[:, 2].astype(np.uint8),
        "chunk_provenance": provenance,
        **_strings("symbol", [symbol for file in files for symbol in file.postings.symbols]),
        **_strings("path", [file.path for file in files]),
        **_strings("key", [file.key for file in files]),
        **_strings("language", [file.postings.language for file in files]),
        **_reference_tables(files),
        "file_lines": np.array([file.postings.lines for file in files], np.uint32),
    }


def _reference_tables(files: Sequence[SegmentFile]) -> dict[str, np.ndarray]:
    """References of all files one after another, their names by the numbers of the segment."""
    names: dict[str, int] = {}
    tables = [np.zeros((0, 4), np.uint32)]
    for file in files:
        numbers = np.array([names.setdefault(name, len(names)) for name in file.postings.names], np.uint32)
        table = file.postings.references.copy()
        if len(table):
            table[:, 2:] = numbers[table[:, 2:]]
        tables.append(table)
    return {
        "reference": np.concatenate(tables),
        "reference_first": np.cumsum([0, *(len(file.postings.references) for file in files)], dtype=np.uint64),
        **_strings("name_of_reference", list(names)),
    }


def _strings(name: str, values: Sequence[str]) -> dict[str, np.ndarray]:
    encoded = [_encoded(value) for value in values]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.uint64)
    return {f"{name}.bytes": np.frombuffer(b"".join(encoded), np.uint8), f"{name}.ends": ends}


def _encoded(value: str) -> bytes:
    """A text as it is kept: names of files byte by byte; halves of characters, which UTF-8 does not have, as `?`."""
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace")


def _postings(name: str, term: np.ndarray, item: np.ndarray, times: np.ndarray, size: int) -> dict[str, np.ndarray]:
    order = np.lexsort((item, term))
    term, item, times = term[order], item[order], times[order]
    same = np.flatnonzero((term[1:] == term[:-1]) & (item[1:] == item[:-1])) + 1
    if len(same):  # the repository added words to a field that had them
        starts = np.setdiff1d(np.arange(len(term)), same)
        times = np.minimum(np.add.reduceat(times.astype(np.int64), starts), 255)
        term, item = term[starts], item[starts]
    return {
        f"{name}.starts": np.searchsorted(term, np.arange(size + 1)).astype(np.uint32),
        f"{name}.items": item.astype(np.uint32),
        f"{name}.counts": times.astype(np.uint8),
    }


class Strings:
    """A read-only sequence of strings over two arrays: bytes and ends."""

    def __init__(self, data: np.ndarray, ends: np.ndarray):
        self._data, self._ends = data, ends

    def __len__(self) -> int:
        return len(self._ends) - 1

    def raw(self, number: int) -> bytes:
        return self._data[int(self._ends[number]) : int(self._ends[number + 1])].tobytes()

    def __getitem__(self, number: int) -> str:
        return self.raw(number).decode("utf-8", "surrogateescape")

    def all(self) -> list[str]:
        """Every string, decoded."""
        whole, ends = self._data.tobytes(), self._ends.tolist()
        return [whole[a:b].decode("utf-8", "surrogateescape") for a, b in zip(ends, ends[1:])]

    def position(self, value: bytes) -> int:
        """First position whose string is not less than `value`; the strings must be sorted by their UTF-8 bytes."""
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self.raw(middle) < value:
                low = middle + 1
            else:
                high = middle
        return low


class Segment:
    """A segment file opened for reading. Every array's checksum is verified when it is opened.

    Raises IndexDamaged or IndexVersion, with the command that mends it.
    """

    def __init__(self, path: Path):
        self.path = path
        self.arrays = read_arrays(path, MAGIC)
        self.vocabulary = Strings(self.arrays["vocabulary.bytes"], self.arrays["vocabulary.ends"])
        self.chunks = len(self.arrays["chunk_file"])
        self.files = len(self.arrays["file_lines"])

    def strings(self, name: str) -> Strings:
        return Strings(self.arrays[f"{name}.bytes"], self.arrays[f"{name}.ends"])

    def term_number(self, term: str) -> int | None:
        """Number of a term in the vocabulary, None when absent."""
        wanted = term.encode("utf-8", "surrogateescape")
        number = self.vocabulary.position(wanted)
        return number if number < len(self.vocabulary) and self.vocabulary.raw(number) == wanted else None

    def postings(self, field: str, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Items (chunks, or files for file fields) that hold the term, ascending, and how often, as arrays of one length."""
        starts = self.arrays[f"{field}.starts"]
        here = slice(int(starts[number]), int(starts[number + 1]))
        return self.arrays[f"{field}.items"][here], self.arrays[f"{field}.counts"][here]
