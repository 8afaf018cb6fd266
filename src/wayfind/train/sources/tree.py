"""A folder in, its definitions and document sections out: what the kinds of pairs are made of.

The walk and the extraction are those of the index, so a definition has the lines that search encodes. Of a large tree only
so many bytes are read, the files chosen by a hash of their path: a cap on pairs does not need every file.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wayfind.corpus import languages
from wayfind.corpus.extract import extract
from wayfind.corpus.walk import walk
from wayfind.model.text import chunk_text
from wayfind.search.searcher import EXAMPLE_PATH, TEST_PATH
from wayfind.train.sources.declarations import DECLARED, declarations
from wayfind.types import Chunk, FileRecord, FileStat

log = logging.getLogger(__name__)

DOCUMENTS = frozenset({"markdown", "rst"})
DATA = re.compile(r"(?:^|/)(?:testdata|test[-_]data|fixtures?|snapshots?|__snapshots__|_snaps|polyfills?|goldens?|corpus|locales?|i18n|translations?)/", re.IGNORECASE)
"""Folders of what tests read and of texts in many languages: no code that anyone asks for."""


GENERATED = re.compile(
    rb"(?i)made by GNU Bison|generated (?:by|from|file|code)|lexical scanner generated|(?:automatically|machine)[ -]generated|auto-?generated"
    rb"|(?:is|was|are|been) generated|(?:do not|don't) (?:edit|modify)"
)
"""In the first 600 bytes. The index takes only clearer signs, for there a mistake hides a file."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition with its own lines: the chunk of an index, and where it lies."""

    path: str
    language: str
    chunk: Chunk
    lines: tuple[str, ...]
    is_test: bool

    @property
    def symbol(self) -> str | None:
        return self.chunk.symbol

    @property
    def kind(self) -> str:
        return self.chunk.kind

    def text(self) -> str:
        return "\n".join(self.lines)

    def docstring(self) -> str:
        return self.chunk.docstring

    def encoded(self, lines: Iterable[str]) -> str:
        """The text that is encoded for these lines of the definition."""
        return chunk_text(self.path, self.symbol, "\n".join(lines))

    @property
    def key(self) -> tuple[str, str | None, int]:
        """Which definition it is within its tree."""
        return self.path, self.symbol, self.chunk.start_line


@dataclass(frozen=True, slots=True)
class Tree:
    """What was read of a folder."""

    root: Path
    definitions: tuple[Definition, ...]
    """Functions, methods, types and tests, by path and line."""
    sections: tuple[Definition, ...]
    """Sections of its Markdown and reStructuredText documents."""
    files: int
    skipped: Counter[str] = field(default_factory=Counter)


def read_tree(root: Path, most_bytes: int, leave_out: Sequence[str] = ()) -> Tree:
    """The definitions and sections below a folder, from at most so many bytes of code and a fifth as many of documents."""
    found = walk(root)
    skipped = Counter(skip.reason for skip in found.skips)
    files = [file for file in found.files if not DATA.search(file.path) and not _lies_in(file.path, leave_out)]
    code = [file for file in files if is_code(language_of(file.path))]
    documents = [file for file in files if language_of(file.path) in DOCUMENTS]
    chosen = [*some(code, most_bytes), *some(documents, most_bytes // 5)]
    skipped["beyond the cap"] += len(code) + len(documents) - len(chosen)
    definitions: list[Definition] = []
    sections: list[Definition] = []
    for file in sorted(chosen, key=lambda file: file.path):
        for one in _read(root, file.path, skipped):
            (sections if one.kind == "section" else definitions).append(one)
    return Tree(root, tuple(definitions), tuple(sections), len(chosen), skipped)


def _lies_in(path: str, places: Sequence[str]) -> bool:
    return any(path == place or path.startswith(place.rstrip("/") + "/") for place in places)


def some(files: Iterable[FileStat], most_bytes: int) -> list[FileStat]:
    """Files of at most so many bytes together, in an order given by a hash of their paths."""
    taken, total = [], 0
    for file in sorted(files, key=lambda file: hashlib.sha256(file.path.encode("utf-8", "surrogateescape")).digest()):
        if total + file.size <= most_bytes:
            taken.append(file)
            total += file.size
    return taken


def language_of(path: str) -> str:
    return languages.language_of(path)


def is_code(language: str) -> bool:
    """Whether definitions are cut from the language."""
    return languages.has_grammar(language) or language in DECLARED


def of_record(record: FileRecord, path: str) -> Iterator[Definition]:
    """The definitions and sections of one file."""
    lines = record.text.split("\n")
    chunks = declarations(record.text, record.language) if record.language in DECLARED else record.chunks
    test = bool(TEST_PATH.search(path))
    for chunk in chunks:
        if chunk.symbol and chunk.kind in ("function", "method", "class", "interface", "enum", "type", "test", "section"):
            own = tuple(lines[chunk.start_line - 1 : chunk.end_line])
            yield Definition(path, record.language, chunk, own, test or chunk.kind == "test")


def _read(root: Path, path: str, skipped: Counter[str]) -> Iterator[Definition]:
    try:
        data = (root / path).read_bytes()
        record = "generated" if GENERATED.search(data[:600]) else extract(data, path)
    except OSError:
        record = "unreadable"
    if isinstance(record, str):
        skipped[record] += 1
    elif not EXAMPLE_PATH.search(path) or record.language not in DOCUMENTS:
        yield from of_record(record, path)
