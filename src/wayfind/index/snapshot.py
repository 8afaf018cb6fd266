"""A snapshot: one generation of a tree's index, opened for reading. Immutable; writers never disturb it.

Chunks and files are numbered through all segments, in the order of path and line, so that a result does not depend on
how the index grew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from wayfind.errors import IndexDamaged
from wayfind.index.catalogue import Manifest
from wayfind.index.home import mark_used
from wayfind.index.late import TokenVectors, late_names, read_late
from wayfind.index.segment import BODY, FIELDS, Segment
from wayfind.index.store import ContentStore
from wayfind.index.tree import Tree, require
from wayfind.types import KINDS, PROVENANCES, Chunk, FileRecord, Target

KEPT = 512
"""Records that a snapshot keeps decoded. They are its own: what held them for all would keep every store open that was ever read."""
_ATTEMPTS = 5


def open_snapshot(tree: Tree) -> Snapshot:
    """The present generation of the tree. Raises IndexDamaged when there is none or something in it is wrong, IndexVersion
    when its terms were made by another version."""
    for attempt in range(_ATTEMPTS):
        tree.store.follow()
        with tree.catalogue.reading():
            manifest = require(tree.catalogue.manifest())
            manual = tree.catalogue.manual() if manifest.meta.get("manual") else {}
        try:
            segments = [Segment(tree.folder / name) for name in manifest.segments]
        except FileNotFoundError as error:  # a merge has replaced it between the two reads, twice
            if attempt + 1 == _ATTEMPTS:
                raise IndexDamaged(f"the index file {error.filename} is gone; run `wayfind doctor --repair`") from error
            continue
        mark_used(tree.folder, tree.root)
        return Snapshot(manifest, segments, tree.store, manual, tree.folder)
    raise AssertionError


@dataclass(frozen=True, slots=True)
class Vectors:
    """Codes of a snapshot's chunks: chunk c has row `row[c]`, or none where that is -1."""

    codes: np.ndarray  # int8 [rows, dim]
    norms: np.ndarray  # float64 [rows]: 0 where a chunk gets no vector
    row: np.ndarray  # int64 [chunks]
    parts: np.ndarray  # int8 [parts, dim]: codes of what the chunk's own code did not read
    part_norms: np.ndarray  # float64 [parts]
    part_of: np.ndarray  # int64 [parts]: the row, ascending
    graph: Any = None
    """The graph of nearest neighbours of a very large tree (`index.nearest`), if it has one."""

    @property
    def coverage(self) -> float:
        """Share of the chunks whose file was encoded."""
        return float((self.row >= 0).mean()) if len(self.row) else 1.0


class Snapshot:
    """Arrays over all live chunks (axis chunk) and files (axis file) of one generation."""

    def __init__(
        self,
        manifest: Manifest,
        segments: Sequence[Segment],
        store: ContentStore,
        manual: Mapping[tuple[str, int], str],
        folder: Path,
    ):
        """`folder`: where the tree's index lies, and beside it what was learned and said of the tree."""
        self.manifest, self.segments, self.store, self.manual, self.folder = manifest, segments, store, manual, folder
        self._record = record = lru_cache(maxsize=KEPT)(store.record)
        self._lines = lru_cache(maxsize=KEPT)(lambda key: record(key).text.split("\n"))
        self._vectors: dict[str, Vectors] = {}
        self._tokens: dict[str, TokenVectors] = {}
        number_of = {name: i for i, name in enumerate(manifest.segments)}
        rows = [row for row in manifest.rows.values() if row.segment]  # in the order of paths
        where = np.array([(number_of[row.segment], row.number) for row in rows], np.int64).reshape(-1, 2)
        self.paths = [row.path for row in rows]
        self.keys = [row.key for row in rows]
        self._file_map = [np.full(segment.files, -1, np.int64) for segment in segments]
        for i, files in enumerate(self._file_map):
            mine = np.flatnonzero(where[:, 0] == i)
            verify_rows(segments[i], [(rows[n].number, rows[n].path, rows[n].key) for n in mine.tolist()])
            files[where[mine, 1]] = mine
        # All chunks of all segments, then only the live ones, by file; a file's chunks lie together in the order of lines.
        file = np.concatenate(
            [np.zeros(0, np.int64), *(m[s.arrays["chunk_file"]] for m, s in zip(self._file_map, segments))]
        )
        order = np.argsort(file, kind="stable")
        order = order[np.searchsorted(file[order], 0) :]
        self._order = order
        self.file = file[order]
        self.start, self.end = (self._gather(name)[order].astype(np.int64) for name in ("chunk_start", "chunk_end"))
        self.kind, self.provenance = self._gather("chunk_kind")[order], self._gather("chunk_provenance")[order]
        self.lengths = np.concatenate(
            [np.zeros((0, len(FIELDS)), np.uint32), *(s.arrays["lengths"] for s in segments)]
        )[order]
        self.chunks, self.files = len(order), len(rows)
        self._as_written = len(segments) == 1 and np.array_equal(order, np.arange(len(file)))
        self._chunk_map, first = [], 0
        inverse = np.full(len(file), -1, np.int64)
        inverse[order] = np.arange(len(order))
        for segment in segments:
            self._chunk_map.append(inverse[first : first + segment.chunks])
            first += segment.chunks

    def _gather(self, name: str) -> np.ndarray:
        return np.concatenate([np.zeros(0, np.uint32), *(segment.arrays[name] for segment in self.segments)])

    @cached_property
    def file_of(self) -> dict[str, int]:
        """Path -> number of the file."""
        return {path: file for file, path in enumerate(self.paths)}

    @cached_property
    def symbols(self) -> list[str]:
        """Symbol of each chunk, "" where it has none."""
        symbols = [symbol for segment in self.segments for symbol in segment.strings("symbol").all()]
        return [symbols[i] for i in self._order.tolist()]

    def vectors(self, model: str, dim: int) -> Vectors:
        """The codes that a model made of the chunks, as far as they are there. Raises IndexDamaged, IndexVersion."""
        if model not in self._vectors:
            self._vectors[model] = self._read_vectors(model, dim)
        return self._vectors[model]

    def _read_vectors(self, model: str, dim: int) -> Vectors:
        from wayfind.index import nearest
        from wayfind.index.vectors import matrix_name, read_matrix, rows_of

        name = matrix_name(self.manifest, model)
        if name is None:
            none = np.zeros((0, dim), np.int8)
            return Vectors(none, np.zeros(0), np.full(self.chunks, -1, np.int64), none, np.zeros(0), np.zeros(0, np.int64))
        matrix = read_matrix(self.folder, name)
        row = rows_of(matrix.keys, matrix.starts, self.vector_keys(model), np.diff(self.chunk_file_first))
        graph = nearest.opened(self.folder, name, matrix.codes)
        return Vectors(matrix.codes, matrix.norms, row, matrix.parts, matrix.part_norms, matrix.part_of, graph)

    def token_vectors(self, model: str, dim: int) -> TokenVectors:
        """The codes that a model made of the chunks' tokens, as far as they are there. Raises IndexDamaged, IndexVersion."""
        if model not in self._tokens:
            self._tokens[model] = self._read_token_vectors(model, dim)
        return self._tokens[model]

    def _read_token_vectors(self, model: str, dim: int) -> TokenVectors:
        from wayfind.index.vectors import rows_of

        files = [read_late(self.folder, name) for name in late_names(self.manifest, model)]
        keys = self.vector_keys(model) if files else []
        part, row = np.full(self.chunks, -1, np.int16), np.full(self.chunks, -1, np.int64)
        for number, file in enumerate(files):
            own = rows_of(file.keys, file.starts, keys, np.diff(self.chunk_file_first))
            part, row = np.where(own >= 0, number, part), np.where(own >= 0, own, row)
        return TokenVectors(files, dim, part, row)

    @cached_property
    def languages(self) -> list[str]:
        """Language of each file."""
        named = [segment.strings("language").all() for segment in self.segments]
        result = [""] * self.files
        for files, names in zip(self._file_map, named):
            for number, name in zip(files.tolist(), names):
                if number >= 0:
                    result[number] = name
        return result

    @cached_property
    def mean_lengths(self) -> np.ndarray:
        """Mean number of terms of each field over the chunks that have any, [fields]; at least 1."""
        filled = np.maximum((self.lengths > 0).sum(0), 1)
        return np.maximum(self.lengths.sum(0) / filled, 1.0)

    @cached_property
    def chunk_file_first(self) -> np.ndarray:
        """First chunk of each file, and the number of chunks at the end, [files + 1]."""
        return np.searchsorted(self.file, np.arange(self.files + 1))

    def postings(self, field: str, term: str) -> tuple[np.ndarray, np.ndarray]:
        """Live chunks (for file fields: files) that hold the term, ascending, and how often."""
        return self._merge(field, self._find(term))

    def frequencies(self, term: str) -> list[tuple[np.ndarray, np.ndarray]]:
        """The postings of a term in each of FIELDS; the term is looked up once."""
        found = self._find(term)
        return [self._merge(field, found) for field in FIELDS]

    def _find(self, term: str) -> list[tuple[int, int]]:
        """Segments that know the term, and its number there."""
        return [
            (i, number) for i, segment in enumerate(self.segments) if (number := segment.term_number(term)) is not None
        ]

    def _merge(self, field: str, found: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
        maps = self._chunk_map if field in FIELDS else self._file_map
        if self._as_written and maps is self._chunk_map and found:
            item, times = self.segments[0].postings(field, found[0][1])
            return item.astype(np.int64), times
        items, counts = [], []
        for i, number in found:
            item, times = self.segments[i].postings(field, number)
            item = maps[i][item]
            live = item >= 0
            items.append(item[live])
            counts.append(times[live])
        if not items:
            return np.zeros(0, np.int64), np.zeros(0, np.uint8)
        item, times = (items[0], counts[0]) if len(items) == 1 else (np.concatenate(items), np.concatenate(counts))
        if (item[1:] > item[:-1]).all():
            return item, times
        order = np.argsort(item, kind="stable")
        return item[order], times[order]

    def file_words(self, field: str) -> dict[str, np.ndarray]:
        """Every word of a file field with the live files that have it, ascending."""
        found: dict[str, list[np.ndarray]] = defaultdict(list)
        for segment, files in zip(self.segments, self._file_map):
            starts = segment.arrays[f"{field}.starts"]
            items = files[segment.arrays[f"{field}.items"]]
            for number in np.flatnonzero(np.diff(starts)).tolist():
                here = items[starts[number] : starts[number + 1]]
                found[segment.vocabulary[number]].append(here[here >= 0])
        return {
            word: np.sort(np.concatenate(parts)) if len(parts) > 1 else np.sort(parts[0])
            for word, parts in found.items()
        }

    def references(self) -> Iterator[tuple[int, np.ndarray, list[str]]]:
        """Of every live file with any: its number, its references (uint32 [n, 4]: line, kind, name, owner), and the names
        that the last two are numbers of."""
        for segment, files in zip(self.segments, self._file_map):
            names, table = segment.strings("name_of_reference").all(), segment.arrays["reference"]
            first = segment.arrays["reference_first"].astype(np.int64)
            for own, file in enumerate(files.tolist()):
                if file >= 0 and first[own] < first[own + 1]:
                    yield file, table[first[own] : first[own + 1]], names

    def holding(self, term: str) -> np.ndarray:
        """Live chunks whose text holds the term, ascending."""
        return self.postings(FIELDS[BODY], term)[0]

    def kind_of(self, chunk: int) -> str:
        return KINDS[self.kind[chunk]]

    def provenance_of(self, chunk: int) -> str:
        return PROVENANCES[self.provenance[chunk]]

    def place_of(self, chunk: int) -> str:
        """`path:line` of the chunk's first line."""
        return f"{self.paths[self.file[chunk]]}:{self.start[chunk]}"

    def number_in_file(self, chunk: int) -> int:
        """Which chunk of its record it is, from 0."""
        return chunk - int(self.chunk_file_first[self.file[chunk]])

    def record(self, file: int) -> FileRecord:
        """The stored record of a file."""
        return self._record(self.keys[file])

    def chunk(self, number: int) -> tuple[Chunk, str]:
        """The chunk and its text; a manual explanation takes the place of its own target."""
        file = int(self.file[number])
        record, lines = self.record(file), self._lines(self.keys[file])
        chunk = record.chunks[self.number_in_file(number)]
        if said := self.said(number):
            chunk = replace(chunk, target=Target(said.partition("\n")[0], "manual"))
        return chunk, "\n".join(lines[chunk.start_line - 1 : chunk.end_line])

    def said(self, number: int) -> str:
        """What a manual explanation says of a chunk, its keywords in a second line; empty where there is none."""
        return self.manual.get((self.paths[self.file[number]], self.number_in_file(number)), "").strip()

    def vector_keys(self, model: str) -> list[str]:
        """Of each file the key of the codes that a model makes of its chunks."""
        from wayfind.index.vectors import said_of, vector_key

        said = said_of(self.manual)
        return [vector_key(key, path, model, said.get(path, "")) for key, path in zip(self.keys, self.paths)]

    def texts(self) -> Iterator[tuple[int, str]]:
        """(file, text) of every file, in order."""
        return ((number, self.store.record(key).text) for number, key in enumerate(self.keys))


def verify_rows(segment: Segment, rows: Sequence[tuple[int, str, str]]) -> None:
    """Raise IndexDamaged unless the segment holds each path and content at the number where the catalogue has it."""
    paths, keys = segment.strings("path").all(), segment.strings("key").all()
    if not all(0 <= number < len(paths) and (paths[number], keys[number]) == (path, key) for number, path, key in rows):
        raise IndexDamaged(
            f"{segment.path} and its catalogue disagree; run `wayfind doctor --repair`, which builds the index again"
        )
