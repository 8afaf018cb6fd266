"""Held-out queries `docstring`: the first sentence of a function's documentation asks for the function, in a copy of the tree
in which that documentation is blank (its lines stay, so that line numbers and history agree).

Left out, and counted: documentation of fewer than 4 words or shared by several functions, functions without a body to find,
and every function whose documentation cannot be removed without changing the definitions around it.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from wayfind.corpus.definitions import definitions
from wayfind.evaluate.queries import Gold, Part, Query, QuerySet, part, plain, query
from wayfind.evaluate.scratch import tree_of
from wayfind.types import Chunk

FEWEST_WORDS = 4
MOST_PER_FILE = 3
FEWEST_BODY_LINES = 2
"""Lines of code below the signature; shorter ones are accessors whose documentation says what the name says."""
HEAD = 8
"""Words of a documentation that must be found in order to take a place in the text for it."""
MOST_BETWEEN = 3
TOKEN = re.compile(r"\w+")
MARKUP = (
    (re.compile(r"<[^<>]{1,60}>"), " "),
    (re.compile(r"\{@link\w*\s+[^\s{}|]+[\s|]+([^{}]+)\}"), r"\1"),  # {@link Foo the label}
    (re.compile(r"\{@\w+\s+([^{}]*)\}"), r"\1"),
    (re.compile(r":[\w:+.-]+:`~?([^`<]*?)(?:\s*<[^`]*)?`"), r"\1"),
    (re.compile(r"\[([^\[\]]*)\]\([^()]*\)"), r"\1"),
    (re.compile(r"[`*]+|\\(?=\W)"), ""),
)
SENTENCE_END = re.compile(r"(?<!\be\.g)(?<!\bi\.e)(?<!\betc)[.!?:;](?=\s|$)")
TAG = re.compile(r"^\s*(@\w+|:\w+|\\\w+|#+|[-=~]{3,})")
ONE_LINE = re.compile(r"^(\s*)(?:///|//!|//|--|#|%+|;+)")
QUOTES = ('"""', "'''")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A function, the question made of its documentation, and its place."""

    path: str
    symbol: str
    language: str
    text: str


def docstring_queries(
    root: Path, chunks: Iterable, scratch: Path, *, limit: int = 200, seed: int = 0, parts: Sequence[Part] | None = None
) -> QuerySet:
    """At most `limit` queries, spread over the files, and the copy of the tree (made at `scratch`) to search for them.

    `chunks` are the chunks of the index of `root`; at most 3 functions of a file are asked for.
    """
    dropped: Counter[str] = Counter()
    chunks = list(chunks)
    paths = sorted({chunk.path for chunk in chunks})
    pool = _candidates(chunks, dropped)
    if parts is not None:
        pool = [c for c in pool if part(c.path) in parts]
    if not pool:
        return QuerySet("docstring", root, (), dropped, note=f"no function with documentation of {FEWEST_WORDS} words or more")
    folder = tree_of(root, paths, scratch)
    queries = _blank_and_ask(folder, _spread(pool, seed), limit, dropped)
    return QuerySet("docstring", folder, queries, dropped, note="searched with the documentation of the asked functions removed")


def first_sentence(docstring: str, symbol: str = "") -> str:
    """The first sentence of a documentation in plain words, without markup, tags or the function's own name in front.

    >>> first_sentence("parse reads ``text`` into :class:`Tree`.  Raises nothing.", "parse")
    'reads text into Tree'
    """
    lines: list[str] = []
    for line in docstring.strip().split("\n"):
        if not line.strip() or TAG.match(line):
            if lines:
                break
            continue
        lines.append(line.strip())
    text = " ".join(lines)
    for pattern, plain in MARKUP:
        text = pattern.sub(plain, text)
    text = " ".join(SENTENCE_END.split(text, maxsplit=1)[0].split())
    name = re.split(r"\W+", symbol)[-1]
    return text[len(name) :].strip() if name and re.match(rf"{re.escape(name)}\s+[a-z]", text) else text


def without_docstring(text: str, language: str, symbol: str) -> str | None:
    """The text with the documentation of one definition blank, or None where that cannot be done cleanly.

    Clean means: extracted again, the definition has no documentation, and every other definition is there as before.
    """
    before = now = definitions(text, language)[0]
    blank = text
    for _ in range(3):  # a second comment may stand above the one removed
        chunk = _only(now, symbol)
        if chunk is None or not chunk.docstring:
            break
        span = documentation_lines(blank.split("\n"), chunk)
        if span is None:
            return None
        blank = _blanked(blank, span, chunk, language)
        now = definitions(blank, language)[0]
    chunk = _only(now, symbol)
    clean = chunk is not None and not chunk.docstring and _others(before, symbol) == _others(now, symbol)
    return blank if clean else None


def _candidates(chunks: Sequence, dropped: Counter[str]) -> list[Candidate]:
    """Functions that can be asked for, in the order of path and line."""
    functions = [c for c in chunks if c.kind in ("function", "method") and c.symbol and not c.is_test]
    times = Counter((c.path, c.symbol) for c in functions)
    found: list[Candidate] = []
    for chunk in functions:
        documentation = chunk.docstring()
        if not documentation:
            continue
        text = plain(first_sentence(documentation, chunk.symbol))
        if len(TOKEN.findall(text)) < FEWEST_WORDS:
            dropped["fewer than 4 words"] += 1
        elif times[chunk.path, chunk.symbol] > 1:
            dropped["name used twice in its file"] += 1
        elif _body_lines(chunk.text(), documentation) < FEWEST_BODY_LINES:
            dropped["no body to find"] += 1
        else:
            found.append(Candidate(chunk.path, chunk.symbol, chunk.language, text))
    asked = Counter(c.text.lower() for c in found)
    dropped["same sentence on several functions"] += sum(asked[c.text.lower()] > 1 for c in found)
    return sorted((c for c in found if asked[c.text.lower()] == 1), key=lambda c: (c.path, c.symbol))


def _body_lines(text: str, documentation: str) -> int:
    """Lines with a word in them, beyond the signature's first and the documentation's."""
    spoken = Counter(" ".join(TOKEN.findall(line)) for line in documentation.split("\n"))
    code = [line for line in (" ".join(TOKEN.findall(line)) for line in text.split("\n")) if line]
    return sum((Counter(code) - spoken).values()) - 1


def _spread(pool: Sequence[Candidate], seed: int) -> list[Candidate]:
    """The candidates in a drawn order that visits every file once before any file twice."""
    rng = random.Random(seed)
    files: defaultdict[str, list[Candidate]] = defaultdict(list)
    for candidate in pool:
        files[candidate.path].append(candidate)
    drawn = []
    for path in rng.sample(sorted(files), len(files)):
        chosen = rng.sample(files[path], min(MOST_PER_FILE, len(files[path])))
        drawn.extend(enumerate(chosen))
    return [candidate for _, candidate in sorted(drawn, key=lambda pair: pair[0])]


def _blank_and_ask(folder: Path, drawn: Sequence[Candidate], limit: int, dropped: Counter[str]) -> tuple[Query, ...]:
    """Blank the documentation of the drawn functions in the copy, one after another, until there are enough queries."""
    queries: list[Query] = []
    for candidate in drawn:
        if len(queries) == limit:
            break
        file = folder / candidate.path
        try:
            text = file.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            dropped["not UTF-8"] += 1
            continue
        blank = without_docstring(text.replace("\r\n", "\n"), candidate.language, candidate.symbol)
        if blank is None:
            dropped["documentation not removable"] += 1
            continue
        file.write_text(blank, encoding="utf-8", newline="\n")
        queries.append(query("docstring", candidate.text, [Gold(candidate.path, candidate.symbol)]))
    return tuple(sorted(queries, key=lambda q: q.id))


def _only(chunks: Sequence[Chunk], symbol: str) -> Chunk | None:
    """The function of a symbol that only one has."""
    found = [c for c in chunks if c.symbol == symbol and c.kind in ("function", "method")]
    return found[0] if len(found) == 1 else None


def _others(chunks: Sequence[Chunk], symbol: str) -> Counter[tuple[str | None, str]]:
    """Symbol and documentation of every definition but one."""
    return Counter((c.symbol, c.docstring) for c in chunks if c.symbol and c.symbol != symbol)


def documentation_lines(lines: Sequence[str], chunk: Chunk) -> tuple[int, int] | None:
    """First and last line (1-based) of a chunk's documentation with its markers, or None where it is not found as such."""
    wanted = TOKEN.findall(chunk.docstring)
    first = max(1, chunk.start_line - len(chunk.docstring.split("\n")) - 3)
    tokens = [(token, number) for number in range(first, chunk.end_line + 1) for token in TOKEN.findall(lines[number - 1])]
    head = min(len(wanted), HEAD)
    for at, (token, number) in enumerate(tokens):
        if wanted and token == wanted[0]:
            read, end = _aligned(tokens, at, wanted)
            if read >= head:
                return _with_markers(lines, number, end, chunk)
    return None


def _aligned(tokens: Sequence[tuple[str, int]], at: int, wanted: Sequence[str]) -> tuple[int, int]:
    """How many words of the documentation follow in the text from `at`, and the line of the last.

    Up to `MOST_BETWEEN` words of the text may stand between two of them: markup that cleaning has removed (`{@code x}`).
    """
    read = 0
    for word in wanted:
        found = next((n for n in range(at, min(at + MOST_BETWEEN + 1, len(tokens))) if tokens[n][0] == word), None)
        if found is None:
            break
        read, last, at = read + 1, tokens[found][1], found + 1
    return read, last


def _with_markers(lines: Sequence[str], start: int, end: int, chunk: Chunk) -> tuple[int, int] | None:
    """Widen lines start..end to the whole comment or string that holds them."""
    line = lines[start - 1].strip()
    marker = ONE_LINE.match(lines[start - 1])
    if marker:
        sign = marker.group().strip()
        while start > 1 and lines[start - 2].strip().startswith(sign) and not lines[start - 2].startswith("#!"):
            start -= 1
        while end < len(lines) and lines[end].strip().startswith(sign):
            end += 1
        return start, end
    quote = next((q for q in QUOTES if q in line or (start > 1 and lines[start - 2].rstrip().endswith(q))), None)
    if quote:
        start = start if quote in line else start - 1
        opened = lines[start - 1].index(quote) + 3
        closing = next((n for n in range(start, chunk.end_line + 1) if quote in (lines[n - 1][opened:] if n == start else lines[n - 1])), None)
        return None if closing is None else (start, closing)
    opening = next((n for n in range(start, max(0, start - 400), -1) if re.search(r"/\*|\{-|\(\*|=begin|<#", lines[n - 1])), None)
    if opening is not None:
        closing = next((n for n in range(end, min(len(lines), end + 400) + 1) if re.search(r"\*/|-\}|\*\)|=end|#>", lines[n - 1])), None)
        return None if closing is None else (opening, closing)
    return (start, end) if re.match(r"""(@\w+\s+)?[rRuUbB]?["']""", line) else None


def _blanked(text: str, span: tuple[int, int], chunk: Chunk, language: str) -> str:
    """The text with lines span made empty; a Python body that was nothing else keeps `...`."""
    lines = text.split("\n")
    start, end = span
    indent = re.match(r"\s*", lines[start - 1]).group()
    for number in range(start, end + 1):
        lines[number - 1] = ""
    if language == "python" and chunk.start_line <= start and end >= chunk.end_line:
        lines[start - 1] = indent + "..."
    return "\n".join(lines)
