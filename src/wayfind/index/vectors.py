"""Vectors of an index: what is missing is encoded, kept by content for every tree of the user, and laid side by side for one.

`vectors.sqlite` in the home holds the codes of each file's chunks under the hash of (content, end of the path, model), shared by
branches, worktrees and clones, and those of their tokens where the model makes them (`index.late`). `*.vec` in a tree's folder holds them for that tree in one immutable, checksummed,
memory-mapped file that its catalogue names. Vectors come after the lexical index and are never waited for.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import time
import uuid
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import numpy as np

from wayfind.errors import IndexDamaged
from wayfind.index import nearest
from wayfind.index.catalogue import FileRow, Manifest
from wayfind.index.database import connect, marks, slices, storage_error
from wayfind.index.home import VECTORS
from wayfind.index.late import FORM, TokenCodes, late_names, lay, read_late
from wayfind.index.lock import held
from wayfind.index.segment import read_arrays, write_arrays
from wayfind.index.tree import Tree
from wayfind.model.codes import lengths_of
from wayfind.model.encoder import Encoder
from wayfind.model.text import PATH_PARTS
from wayfind.types import FileRecord, Progress

MAGIC = b"WAYFIND VECTORS 1\n"
LEFT_OUT = frozenset({"window", "entry"})
"""Kinds of chunks that get no vector: text without structure and keys of configuration files, which words find well."""
COMMIT_EVERY = 20.0
"""Seconds after which what is encoded so far becomes searchable, while more is made."""
_AT_ONCE = 256
"""Chunks that are encoded before their files' codes are stored."""
_TEST = ("test", "spec", "mock", "fixture", "example", "vendor", "third_party")


@dataclass(frozen=True, slots=True)
class Filled:
    """What a round of encoding did."""

    encoded: int
    """Chunks that were encoded now."""
    shared: int
    """Files whose codes another tree had."""
    left: int
    """Files that still lack their codes."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Matrix:
    """The codes of a tree's files. Row r of file i: starts[i] <= r < starts[i + 1]."""

    keys: np.ndarray  # bytes [files], ascending
    starts: np.ndarray  # int64 [files + 1]
    codes: np.ndarray  # int8 [rows, dim]
    norms: np.ndarray  # float64 [rows]
    parts: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.int8))  # int8 [parts, dim]: further parts of long chunks
    part_norms: np.ndarray = field(default_factory=lambda: np.zeros(0))  # float64 [parts]
    part_of: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))  # int64 [parts]: row of the chunk, ascending


def vector_key(content: str, path: str, model: str, said: str = "") -> str:
    """The key of a file's codes: what its chunks' texts are made of, and the model that read them. `said`: as `said_of` has it."""
    tail = "/".join(path.split("/")[-PATH_PARTS:]) + (f"\n{said}" if said else "")
    return hashlib.sha256(f"{content} {model} {tail}".encode("utf-8", "surrogateescape")).hexdigest()[:40]


def said_of(manual: Mapping[tuple[str, int], str]) -> dict[str, str]:
    """Path -> all that manual explanations say of the file's chunks, with the chunks' numbers."""
    found: dict[str, str] = {}
    for (path, number), text in sorted(manual.items()):
        found[path] = found.get(path, "") + f"{number} {text}\n"
    return found


def documented(said: str, lines: str) -> str:
    """The lines of a chunk as they are encoded: below what a manual explanation says of it, as below a comment."""
    return f"{said}\n{lines}" if said else lines


def _keys(tree: Tree, model: str) -> tuple[Manifest, dict[tuple[str, int], str], dict[str, str]]:
    """The present generation, its manual explanations, and the key of each file's codes by path."""
    with tree.catalogue.reading():
        manifest, manual = tree.catalogue.manifest(), tree.catalogue.manual()
    said = said_of(manual)
    return manifest, manual, {row.path: vector_key(row.key, row.path, model, said.get(row.path, "")) for row in manifest.rows.values() if row.segment}


def matrix_name(manifest: Manifest, model: str) -> str | None:
    """The file that the catalogue names for a model."""
    return _matrices(manifest).get(model)


def matrix_names(manifest: Manifest) -> list[str]:
    """Every file of vectors that the catalogue names."""
    return sorted(_matrices(manifest).values())


def _matrices(manifest: Manifest) -> dict[str, str]:
    return json.loads(manifest.meta.get("vectors", "{}"))


def read_matrix(folder: Path, name: str) -> Matrix:
    """The codes in a tree's file. Raises IndexDamaged, IndexVersion."""
    try:
        arrays = read_arrays(folder / name, MAGIC)
    except FileNotFoundError:
        raise IndexDamaged(f"the index file {folder / name} is gone; run `wayfind doctor --repair`") from None
    return Matrix(**arrays)


def rows_of(known: np.ndarray, starts: np.ndarray, keys: Sequence[str], chunks: np.ndarray) -> np.ndarray:
    """Row of each chunk where key i of the `known` has the rows starts[i] to starts[i + 1] - 1, and -1 where it has none: int64
    [sum of chunks]. `keys`: of each file's codes; `chunks`: how many each file has."""
    wanted = np.array([key.encode() for key in keys], "S40")
    if not len(known):
        return np.full(int(chunks.sum()), -1, np.int64)
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    there = (known[place] == wanted) & (np.diff(starts)[place] == chunks)
    begin = np.repeat(np.where(there, starts[place], -1), chunks)
    within = np.arange(chunks.sum()) - np.repeat(np.cumsum(chunks) - chunks, chunks)
    return np.where(begin >= 0, begin + within, -1)


def encodable(record: FileRecord) -> list[int]:
    """Numbers of the chunks of a file that get a vector."""
    return [number for number, chunk in enumerate(record.chunks) if chunk.kind not in LEFT_OUT]


def lacks_vectors(tree: Tree, model: str, late: bool = False) -> bool:
    """Whether a file of the present generation has no codes by the model in the tree's files, or with `late` none of its tokens.
    Raises IndexDamaged."""
    manifest, _, keys = _keys(tree, model)
    return _lacks(tree, manifest, model, late, set(keys.values()))


def _lacks(tree: Tree, manifest: Manifest, model: str, late: bool, keys: set[str]) -> bool:
    name, tokens = matrix_name(manifest, model), late_names(manifest, model)
    if not keys or name is None or not all((tree.folder / one).exists() for one in (name, *tokens)):
        return bool(keys)
    wanted = {key.encode() for key in keys}
    if wanted != set(read_matrix(tree.folder, name).keys.tolist()):
        return True
    return late and not wanted <= {key for one in tokens for key in read_late(tree.folder, one).keys.tolist()}


def fill(tree: Tree, encoder: Encoder, progress: Progress | None = None, seconds: float = float("inf"), graph: bool = True) -> Filled:
    """Encode what the present generation lacks, for so long at most, and commit what there is as a new generation. With `graph` a very
    large tree also gets its graph of nearest neighbours, which takes minutes (`index.nearest`).

    Safe beside searches, refreshes and another `fill`; killed anywhere, what was encoded is kept but for the last moment.
    Raises IndexBusy, StorageError, IndexDamaged.
    """
    began, say = time.monotonic(), progress or (lambda stage, done, total: None)
    manifest, manual, key_of = _keys(tree, encoder.id)
    rows = sorted((row for row in manifest.rows.values() if row.segment), key=_priority)
    if not _lacks(tree, manifest, encoder.id, encoder.late_dim > 0, set(key_of.values())):
        if graph:
            connect_nearest(tree, encoder.id)
        return Filled(0, 0, 0, time.monotonic() - began)
    with contextlib.closing(VectorStore(tree.store.path.parent)) as store:
        known = store.known(key_of.values())
        if encoder.late_dim:
            known &= store.known_late(known, FORM)
        missing = [row for row in rows if key_of[row.path] not in known]
        encoded, done, committed = 0, 0, time.monotonic()
        total = sum(row.chunks for row in missing)
        try:
            for some in _in_batches(missing):
                if time.monotonic() - began > seconds:
                    break
                encoded += _encode(tree, store, encoder, some, key_of, manual)
                done += len(some)
                say("encode", encoded, total)
                if time.monotonic() - committed > COMMIT_EVERY:
                    commit(tree, store, encoder)
                    committed = time.monotonic()
        finally:  # an interrupt too leaves what is done to be searched
            commit(tree, store, encoder)
    if done == len(missing) and graph:
        connect_nearest(tree, encoder.id)
    return Filled(encoded, len({key_of[row.path] for row in rows} & known), len(missing) - done, time.monotonic() - began)


def commit(tree: Tree, store: VectorStore, encoder: Encoder, wait: float = 60.0) -> None:
    """Lay the stored codes of the present generation's files side by side, and let the catalogue name the file."""
    with held(tree.store.path.parent, alone=False, wait=wait), tree.catalogue.writing(wait):
        manifest, _, key_of = _keys(tree, encoder.id)
        keys = sorted(set(key_of.values()))
        found = store.read(keys, encoder.dim)
        present = [key for key in keys if key in found]
        codes = np.concatenate([np.zeros((0, encoder.dim), np.int8), *(found[key] for key in present)])
        starts = np.cumsum([0, *(len(found[key]) for key in present)]).astype(np.int64)
        further = store.read_parts(present, encoder.dim)
        parts = np.concatenate([np.zeros((0, encoder.dim), np.int8), *(further[key][1] for key in present if key in further)])
        part_of = np.concatenate([np.zeros(0, np.int64), *(start + further[key][0] for key, start in zip(present, starts.tolist()) if key in further)])
        name = f"{uuid.uuid4().hex}.vec"
        arrays = {"keys": np.array([key.encode() for key in present], "S40"), "starts": starts, "codes": codes, "norms": lengths_of(codes)}
        arrays |= {"parts": parts, "part_norms": lengths_of(parts), "part_of": part_of}
        write_arrays(tree.folder / name, MAGIC, arrays)
        late = lay(tree.folder, manifest, store, encoder.id, encoder.late_dim, keys) if encoder.late_dim else {"late": "{}"}
        tree.catalogue.write_meta({"vectors": json.dumps({encoder.id: name}), **late, "generation": str(manifest.generation + 1)})
        named = {name, *late_names(tree.catalogue.manifest()), *matrix_names(manifest), *late_names(manifest)}
        for old in [*tree.folder.glob("*.vec"), *tree.folder.glob("*.late")]:  # within the lock: another one's are not named before
            if old.name not in named:  # the last ones stay for those who read them now
                with contextlib.suppress(OSError):
                    old.unlink()


def connect_nearest(tree: Tree, model: str) -> None:
    """Make the graph of nearest neighbours of a very large tree, where a library for it is installed (`index.nearest`)."""
    manifest = tree.catalogue.manifest()
    if name := matrix_name(manifest, model):
        with contextlib.suppress(OSError):  # without it, every code is looked at
            nearest.forget(tree.folder, set(matrix_names(manifest)))
            nearest.build(tree.folder, name, read_matrix(tree.folder, name).codes)


def _priority(row: FileRow) -> tuple[bool, str]:
    """Code before its tests, examples and copies; then by path."""
    return any(sign in row.path.lower() for sign in _TEST), row.path


def _in_batches(rows: Sequence[FileRow]) -> Iterable[list[FileRow]]:
    batch: list[FileRow] = []
    for row in rows:
        batch.append(row)
        if sum(one.chunks for one in batch) >= _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _encode(tree: Tree, store: VectorStore, encoder: Encoder, rows: Sequence[FileRow], key_of: Mapping[str, str], manual: Mapping[tuple[str, int], str]) -> int:
    """Encode the chunks of some files and store their codes. Returns the number of chunks."""
    records = [tree.store.record(row.key) for row in rows]
    chosen = [encodable(record) for record in records]
    texts = [
        (row.path, record.chunks[number].symbol, documented(manual.get((row.path, number), "").strip(), record.lines(record.chunks[number].start_line, record.chunks[number].end_line)))
        for row, record, numbers in zip(rows, records, chosen)
        for number in numbers
    ]
    codes, tokens = encoder.chunks_with_tokens(texts)
    further = encoder.further_parts(texts) if encoder.parts > 1 else []
    made, late, parts, first = [], [], [], 0
    for row, record, numbers in zip(rows, records, chosen):
        own = np.zeros((len(record.chunks), encoder.dim), np.int8)
        own[numbers] = codes[first : first + len(numbers)]
        made.append((key_of[row.path], row.key, own.tobytes()))
        if encoder.late_dim:
            told = dict(zip(numbers, tokens[first : first + len(numbers)]))
            nothing = np.zeros((0, encoder.late_dim), np.int8)
            of_file = [told.get(number, nothing) for number in range(len(record.chunks))]
            late.append((key_of[row.path], row.key, TokenCodes.of(of_file, encoder.late_dim)))
        if any(map(len, own_parts := further[first : first + len(numbers)])):
            of = np.repeat(np.array(numbers, np.int64), list(map(len, own_parts)))
            parts.append((key_of[row.path], row.key, of.tobytes(), np.concatenate(own_parts).tobytes()))
        first += len(numbers)
    store.put_late(late)
    store.put(made, parts)
    return len(texts)


class VectorStore:
    """The codes of every file of one home. Safe for several processes; a write is one short transaction."""

    def __init__(self, home: Path):
        self.path = home / VECTORS
        self._db = connect(self.path)
        with self._errors():
            self._db.execute("CREATE TABLE IF NOT EXISTS vector(key TEXT PRIMARY KEY, content TEXT, codes BLOB, checksum INTEGER) WITHOUT ROWID")
            self._db.execute("CREATE TABLE IF NOT EXISTS part(key TEXT PRIMARY KEY, content TEXT, of BLOB, codes BLOB, checksum INTEGER) WITHOUT ROWID")
            self._db.execute("CREATE TABLE IF NOT EXISTS late(key TEXT PRIMARY KEY, content TEXT, form TEXT, ends BLOB, codes BLOB, checksum INTEGER)")

    def close(self) -> None:
        self._db.close()

    def known(self, keys: Iterable[str]) -> set[str]:
        """Those of the keys whose codes are stored."""
        found: set[str] = set()
        with self._errors():
            for some in slices(sorted(set(keys))):
                found |= {key for (key,) in self._db.execute(f"SELECT key FROM vector WHERE key IN ({marks(some)})", some)}
        return found

    def read(self, keys: Iterable[str], dim: int) -> dict[str, np.ndarray]:
        """Codes under the keys, int8 [chunks, dim]; a damaged row counts as absent, and is encoded again."""
        found = {}
        with self._errors():
            for some in slices(sorted(set(keys))):
                for key, codes, checksum in self._db.execute(f"SELECT key, codes, checksum FROM vector WHERE key IN ({marks(some)})", some):
                    if isinstance(codes, bytes) and zlib.crc32(codes) == checksum and len(codes) % dim == 0:
                        found[key] = np.frombuffer(codes, np.int8).reshape(-1, dim)
                    else:
                        self._db.execute("DELETE FROM vector WHERE key = ?", (key,))
        return found

    def read_parts(self, keys: Iterable[str], dim: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Of the files that have any: numbers of chunks, int64 [parts], and codes of their further parts, int8 [parts, dim]. A damaged
        row counts as absent, and so do the codes of its file."""
        found = {}
        with self._errors():
            for some in slices(sorted(set(keys))):
                for key, of, codes, checksum in self._db.execute(f"SELECT key, of, codes, checksum FROM part WHERE key IN ({marks(some)})", some):
                    if isinstance(codes, bytes) and zlib.crc32(codes, zlib.crc32(of)) == checksum and len(codes) * 8 == len(of) * dim:
                        found[key] = np.frombuffer(of, np.int64), np.frombuffer(codes, np.int8).reshape(-1, dim)
                    else:
                        self._db.executemany("DELETE FROM part WHERE key = ?", [(key,)])
                        self._db.executemany("DELETE FROM vector WHERE key = ?", [(key,)])
        return found

    def put(self, rows: Iterable[tuple[str, str, bytes]], parts: Iterable[tuple[str, str, bytes, bytes]] = ()) -> None:
        """Store (key, key of the content, codes) rows, and (key, key of the content, numbers of chunks, codes) of further parts."""
        with self._errors():
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT OR REPLACE INTO part VALUES (?, ?, ?, ?, ?)", [(*row, zlib.crc32(row[3], zlib.crc32(row[2]))) for row in parts])
            self._db.executemany("INSERT OR REPLACE INTO vector VALUES (?, ?, ?, ?)", [(*row, zlib.crc32(row[2])) for row in rows])
            self._db.execute("COMMIT")

    def known_late(self, keys: Iterable[str], form: str) -> set[str]:
        """Those of the keys whose token codes of this form are stored."""
        found: set[str] = set()
        with self._errors():
            for some in slices(sorted(set(keys))):
                rows = self._db.execute(f"SELECT key FROM late WHERE form = ? AND key IN ({marks(some)})", (form, *some))
                found |= {key for (key,) in rows}
        return found

    def read_late(self, keys: Iterable[str], form: str, dim: int) -> Iterator[tuple[str, TokenCodes]]:
        """Token codes under the keys, by key, one file at a time; a damaged row counts as absent, and is encoded again."""
        damaged = []
        with self._errors():
            for key in sorted(set(keys)):
                row = self._db.execute("SELECT ends, codes, checksum FROM late WHERE key = ? AND form = ?", (key, form)).fetchone()
                if row is None:
                    continue
                if not isinstance(row[1], bytes) or zlib.crc32(row[1], zlib.crc32(row[0])) != row[2] or len(row[1]) % dim:
                    damaged.append((key,))
                    continue
                yield key, TokenCodes(np.frombuffer(row[0], np.int64), np.frombuffer(row[1], np.int8).reshape(-1, dim))
            self._db.executemany("DELETE FROM late WHERE key = ?", damaged)

    def put_late(self, rows: Sequence[tuple[str, str, TokenCodes]]) -> None:
        """Store (key, key of the content, token codes) rows."""
        parts = [(key, content, tokens.ends.tobytes(), tokens.codes.tobytes()) for key, content, tokens in rows]
        with self._errors():
            self._db.execute("BEGIN IMMEDIATE")
            for key, content, ends, codes in parts:
                checksum = zlib.crc32(codes, zlib.crc32(ends))
                self._db.execute("INSERT OR REPLACE INTO late VALUES (?, ?, ?, ?, ?, ?)", (key, content, FORM, ends, codes, checksum))
            self._db.execute("COMMIT")

    def check(self) -> None:
        """Raises IndexDamaged where SQLite cannot read the file."""
        with self._errors():
            for (text,) in self._db.execute("PRAGMA integrity_check(3)"):
                if text != "ok":
                    raise IndexDamaged(f"{self.path} is damaged ({text})")

    def keep(self, contents: Iterable[str]) -> int:
        """Delete the codes of all other contents. Returns how many rows went."""
        with self._errors():
            kept = set(contents)
            gone = [key for key, content in self._db.execute("SELECT key, content FROM vector UNION SELECT key, content FROM part UNION SELECT key, content FROM late") if content not in kept]
            self._db.execute("BEGIN IMMEDIATE")
            for table in ("vector", "part", "late"):
                self._db.executemany(f"DELETE FROM {table} WHERE key = ?", [(key,) for key in gone])
            self._db.execute("COMMIT")
            if gone:
                self._db.execute("VACUUM")
        return len(gone)

    def take(self, source: Path, contents: Iterable[str]) -> None:
        """Copy the codes of the named contents from another home's file."""
        with self._errors():
            self._db.execute("CREATE TEMP TABLE wanted(content TEXT PRIMARY KEY)")
            self._db.executemany("INSERT INTO wanted VALUES (?)", [(content,) for content in set(contents)])
            self._db.execute("ATTACH ? AS source", (f"file:{quote(os.fsencode(source))}?mode=rw",))
            there = {name for (name,) in self._db.execute("SELECT name FROM source.sqlite_master")}
            for table in sorted({"vector", "part", "late"} & there):
                self._db.execute(f"INSERT INTO {table} SELECT * FROM source.{table} WHERE content IN (SELECT content FROM wanted)")
            self._db.execute("DETACH source")
            self._db.execute("DROP TABLE wanted")

    @contextlib.contextmanager
    def _errors(self):
        try:
            yield
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
            raise storage_error(error, self.path) from error


def lend(tree: Tree, other: Path) -> None:
    """Copy the stored codes of a tree's files into another home that has none yet, so that a copy of the tree encodes only what
    differs. Raises StorageError, IndexDamaged."""
    if not (source := tree.store.path.parent / VECTORS).exists() or (other / VECTORS).exists():
        return
    contents = {row.key for row in tree.catalogue.manifest().rows.values()}
    with contextlib.closing(VectorStore(other)) as store:
        store.take(source, contents)
