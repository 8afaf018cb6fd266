"""The one way from a file's bytes to its record: decode, name the language, mask secrets, cut into chunks, give targets.

Refuses a file by returning the reason. The record depends on the path only through the language, so equal bytes under
two names share one record. Nothing that one file holds may stop an index: a chunker that fails is replaced by windows
and the record says `failed`.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from dataclasses import replace

from wayfind.corpus import definitions as code
from wayfind.corpus import documents, languages, secrets, walk
from wayfind.corpus.entries import Malformed
from wayfind.corpus.targets import with_target
from wayfind.corpus.windows import at_most
from wayfind.types import Chunk, FileRecord, Reference

log = logging.getLogger(__name__)

MOST_CHUNKS = 5_000
"""Chunks that a file may have; where it has more, the rest lies in windows and the record says `capped`."""

MOST_WINDOWS = 500
"""Of these, the windows kept for the rest of a capped file."""

LONG_LINE = 5_000
"""Characters from which a line is reported: it is one window however long it is."""


def extract(data: bytes, path: str) -> FileRecord | str:
    """The record of a file, or the reason why it is not indexed (`binary`, `minified` …).

    >>> record = extract(b"# Install\\n\\nRun make.\\n", "README.md")
    >>> record.language, record.chunks[0].symbol, record.chunks[0].target.text
    ('markdown', 'Install', 'Install: Run make.')
    """
    reason = walk.content_problem(data, path)
    if reason is not None:
        return reason
    text, encoding = walk.decode(data)
    language = languages.language_of(path, text[:1_000])
    text, masked = secrets.mask(text, _file_name(language))
    lines = text.split("\n")
    chunks, problems, references = _chunks(text, language)
    problems = ([encoding] if encoding else []) + problems
    if len(chunks) > MOST_CHUNKS:
        chunks, problems = _capped(chunks, lines), [*problems, "capped"]
    if max(map(len, lines)) > LONG_LINE:
        problems.append("long-lines")
    chunks, failed = _with_targets(chunks, lines, language)
    problems += failed
    return FileRecord(language, text, tuple(chunks), tuple(dict.fromkeys(problems)), masked, references)


@functools.cache
def _file_name(language: str) -> str:
    """A name for files of the language, in place of the path: texts that share a record are masked alike."""
    known = next((one for one in languages.LANGUAGES if one.name == language), languages.Language("text"))
    names = [*known.names.split(), *(f"file.{extension}" for extension in known.extensions.split()[:1])]
    return names[0 if language == "dockerfile" else -1] if names else "file"


def _chunks(text: str, language: str) -> tuple[list[Chunk], list[str], tuple[Reference, ...]]:
    """The chunks of a text, what could not be done as wished, and what the chunks refer to."""
    chunks: list[Chunk] = []
    problems: list[str] = []
    references: tuple[Reference, ...] = ()
    try:
        if languages.has_grammar(language):
            cut = code.cut(text, language)
            chunks, problems, references = cut.chunks, cut.problems, cut.references
        else:
            chunks = documents.sections(text, language)
    except Malformed as problem:
        log.debug("%s text is malformed: %s", language, problem)
        problems = ["syntax-errors"]
    except Exception:  # noqa: BLE001  one bad file must not stop an index
        log.warning("cutting a %s text failed; it is indexed by windows", language, exc_info=True)
        problems = ["failed"]
    if not chunks:
        chunks = at_most(text, MOST_CHUNKS)
    return sorted(chunks, key=lambda chunk: (chunk.start_line, chunk.end_line)), list(problems), references


def _capped(chunks: Sequence[Chunk], lines: Sequence[str]) -> list[Chunk]:
    """The first chunks as they are, and all lines below them in windows."""
    kept = list(chunks[: MOST_CHUNKS - MOST_WINDOWS])
    last = max(chunk.end_line for chunk in kept)
    return kept + at_most("\n".join(lines[last:]), MOST_WINDOWS, last + 1)


def _with_targets(chunks: Sequence[Chunk], lines: Sequence[str], language: str) -> tuple[list[Chunk], list[str]]:
    """Each chunk with what it does in words; a chunk for which that fails keeps an empty target of provenance `code`."""
    done: list[Chunk] = []
    problems: list[str] = []
    for chunk in chunks:
        text = "\n".join(lines[chunk.start_line - 1 : chunk.end_line])
        try:
            done.append(with_target(chunk, text, language))
        except Exception:  # noqa: BLE001  one odd chunk must not stop an index
            log.warning("no target for %s lines %d-%d", language, chunk.start_line, chunk.end_line, exc_info=True)
            done.append(replace(chunk))
            problems = ["failed"]
    return done, problems
