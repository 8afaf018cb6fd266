"""Where the definitions of a tree's files lie, for the commits that touched them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from wayfind.index.store import ContentStore


class Spans(Mapping[str, Sequence[tuple[int, int, str]]]):
    """Path -> (first line, last line, symbol) of its definitions, decoded when they are looked at: a pull touches few files."""

    def __init__(self, store: ContentStore, keys: dict[str, str]):
        self._store, self._keys = store, keys

    def __getitem__(self, path: str) -> FileSpans:
        return FileSpans(self._store, self._keys[path])

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


class FileSpans(Sequence[tuple[int, int, str]]):
    """The definitions of one file, in the order of their first lines."""

    def __init__(self, store: ContentStore, key: str):
        self._store, self._key = store, key

    @cached_property
    def _spans(self) -> list[tuple[int, int, str]]:
        postings = self._store.postings(self._key)
        return [
            (first, last, symbol)
            for (first, last), symbol in zip(postings.table[:, :2].tolist(), postings.symbols)
            if symbol
        ]

    def __getitem__(self, number):
        return self._spans[number]

    def __len__(self) -> int:
        return len(self._spans)
