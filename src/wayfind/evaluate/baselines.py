"""What is compared: Wayfind, plain BM25, ripgrep per keyword, and chance. Foreign systems come through `adapters`.

A system is a function (question, k) -> hits, best first, made for one pool; all systems of a run search the same chunks.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from wayfind.errors import UsageError
from wayfind.evaluate.queries import STOP_WORDS, Hit
from wayfind.model.bundle import current
from wayfind.search.engine import Ask, search
from wayfind.search.searcher import Searcher

System = Callable[[str, int], list[Hit]]
SYSTEMS = ("wayfind", "bm25", "ripgrep", "random")
KEYWORD = re.compile(r"[^\W_](?:\w*[^\W_])?")


@dataclass(frozen=True, slots=True)
class Pool:
    """What is searched: an open index, the folder that it indexes, and its chunks in the order of path and line."""

    repo: Any
    root: Path
    chunks: tuple[Any, ...]
    seed: int = 0


def hits(results: Iterable) -> list[Hit]:
    """Results of any kind with path, lines, symbol and score, as hits."""
    return [Hit(r.path, r.start_line, r.end_line, r.symbol, float(r.score)) for r in results]


def wayfind(pool: Pool) -> System:
    """Wayfind's own search, as a user gets it."""
    return lambda text, k: hits(pool.repo.search(text, k=k, refresh=False).results)


def words(pool: Pool) -> System:
    """Wayfind without its model: what the model brings is the difference to this."""
    searcher = Searcher(pool.repo.snapshot(), model=False)
    return lambda text, k: hits(search(searcher, Ask(text, k)).results)


def unlearned(pool: Pool) -> System:
    """Wayfind without what it learned of the repository: what learning brings is the difference to this."""
    searcher = Searcher(pool.repo.snapshot())
    return lambda text, k: hits(search(searcher, Ask(text, k)).results)


def default_systems(learned: bool = False) -> tuple[str, ...]:
    """What is compared unless something else is asked for."""
    bundle = current()
    own = ("wayfind", "unlearned") if learned else ("wayfind",)
    return (*own, *(("words",) if bundle and "encoder" in bundle.parts else ()), *SYSTEMS[1:])


def bm25(pool: Pool) -> System:
    """Plain BM25 over the text of the chunks: one field, no ranker."""
    return lambda text, k: hits(pool.repo.bm25(text, k=k))


def chance(pool: Pool) -> System:
    """k chunks of the pool, drawn by the question and the seed: what no knowledge at all gets."""

    def search(text: str, k: int) -> list[Hit]:
        drawn = random.Random(f"{pool.seed}:{text}").sample(pool.chunks, min(k, len(pool.chunks)))
        return [Hit(c.path, c.start_line, c.end_line, c.symbol) for c in drawn]

    return search


def ripgrep(pool: Pool) -> System:
    """`rg -i -F` for each keyword of the question; chunks by number of keywords found, then by lines that hold one.

    Ties go by path and line. Without `rg` the lines are scanned here, with the same result (a test compares them).
    """
    files = tuple(sorted({chunk.path for chunk in pool.chunks}))
    lines_with = _by_ripgrep(pool.root, files) if shutil.which("rg") else _by_scan(pool.root, files)
    place = _places(pool.chunks)

    @lru_cache(maxsize=4096)
    def chunks_with(keyword: str) -> Counter[int]:
        found = (place(path, line) for path, line in lines_with(keyword))
        return Counter(number for number in found if number is not None)

    def search(text: str, k: int) -> list[Hit]:
        distinct: Counter[int] = Counter()
        lines: Counter[int] = Counter()
        for keyword in keywords(text):
            found = chunks_with(keyword)
            distinct.update(found.keys())
            lines.update(found)
        best = sorted(distinct, key=lambda n: (-distinct[n], -lines[n], pool.chunks[n].path, pool.chunks[n].start_line))[:k]
        chosen = [(pool.chunks[n], distinct[n]) for n in best]
        return [Hit(c.path, c.start_line, c.end_line, c.symbol, float(score)) for c, score in chosen]

    return search


def keywords(text: str) -> list[str]:
    """The distinct words that a person would grep for: lower case, no stop words, at least two letters."""
    found = (word.lower() for word in KEYWORD.findall(text))
    return list(dict.fromkeys(word for word in found if word not in STOP_WORDS and len(word) > 1))


def system(name: str, pool: Pool) -> System:
    """The system of a name: `wayfind`, `bm25` and so on, `command:CMD` or `sentence-transformers:NAME_OR_FOLDER`. Raises UsageError."""
    from wayfind.evaluate import adapters  # it needs Pool and Hit from here

    check_system(name)
    kind, _, argument = name.partition(":")
    if not argument:
        return _MADE[name](pool)
    return adapters.command(argument, pool) if kind == "command" else adapters.sentence_transformers(argument, pool)


_MADE = {"wayfind": wayfind, "unlearned": unlearned, "words": words, "bm25": bm25, "ripgrep": ripgrep, "random": chance}


def check_system(name: str) -> None:
    """Raises UsageError where no system has this name; nothing is loaded."""
    kind, _, argument = name.partition(":")
    if name not in _MADE and not (kind in ("command", "sentence-transformers") and argument):
        raise UsageError(f"no such system: {name!r}; known are {', '.join(_MADE)}, command:CMD and sentence-transformers:NAME_OR_FOLDER")


def _by_ripgrep(root: Path, files: Sequence[str]) -> Callable[[str], Iterable[tuple[str, int]]]:
    """keyword -> (path, line) of the indexed files, by the program; `-a` since what is indexed is text."""
    wanted = frozenset(files)
    flags = ["--no-config", "--no-ignore", "--hidden", "--no-messages", "-a", "-i", "-F", "-n", "-0", "--no-heading", "--color=never"]
    line = re.compile(rb"^([^\0\n]*)\0(\d+):", re.MULTILINE)

    def search(keyword: str) -> Iterable[tuple[str, int]]:
        ran = subprocess.run(["rg", *flags, "--max-columns=1", "-e", keyword, "--", "."], cwd=root, capture_output=True, check=False)
        if ran.returncode > 1 and not ran.stdout:
            raise UsageError(f"rg failed: {ran.stderr.decode('utf-8', 'replace').strip()}")
        found = ((path.decode("utf-8", "surrogateescape").removeprefix("./"), int(number)) for path, number in line.findall(ran.stdout))
        return [pair for pair in found if pair[0] in wanted]

    return search


def _by_scan(root: Path, files: Sequence[str]) -> Callable[[str], Iterable[tuple[str, int]]]:
    """keyword -> (path, line) of the indexed files, from one lower-case text of them all in memory."""
    texts = [(root / path).read_bytes().decode("utf-8", "replace").lower() for path in files]
    whole = "\n".join(texts)
    ends = np.array([match.start() for match in re.finditer("\n", whole)], dtype=np.int64)
    firsts = np.array([0, *accumulate(text.count("\n") + 1 for text in texts)], dtype=np.int64)

    def search(keyword: str) -> Iterable[tuple[str, int]]:
        found = np.fromiter((match.start() for match in re.finditer(re.escape(keyword), whole)), dtype=np.int64)
        lines = np.unique(np.searchsorted(ends, found))
        holders = np.searchsorted(firsts, lines, side="right") - 1
        return [(files[file], line) for file, line in zip(holders.tolist(), (lines - firsts[holders] + 1).tolist(), strict=True)]

    return search


def _places(chunks: Sequence[Any]) -> Callable[[str, int], int | None]:
    """(path, line) -> number of the smallest chunk that holds the line."""
    last: Counter[str] = Counter()
    for chunk in chunks:
        last[chunk.path] = max(last[chunk.path], chunk.end_line)
    held = {path: [-1] * (lines + 1) for path, lines in last.items()}
    for number in sorted(range(len(chunks)), key=lambda n: chunks[n].start_line - chunks[n].end_line):
        chunk = chunks[number]
        held[chunk.path][chunk.start_line : chunk.end_line + 1] = [number] * (chunk.end_line - chunk.start_line + 1)

    def place(path: str, line: int) -> int | None:
        return held[path][line] if line <= last[path] and held[path][line] >= 0 else None

    return place
