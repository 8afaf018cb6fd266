"""Filters to a mask over chunks: what a result must be, decided before the best are taken."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import numpy as np
from pathspec import GitIgnoreSpec

from wayfind.corpus.languages import canonical
from wayfind.index.snapshot import Snapshot
from wayfind.index.tokens import terms
from wayfind.search.query import Filters
from wayfind.types import KINDS


def allowed(snapshot: Snapshot, filters: Filters) -> np.ndarray | None:
    """Mask over chunks that pass every filter; None when there is none."""
    if not filters:
        return None
    mask = np.ones(snapshot.chunks, bool)
    if filters.languages:
        wanted = {canonical(name) for name in filters.languages}
        mask &= np.array([language in wanted for language in snapshot.languages], bool)[snapshot.file]
    if filters.paths:
        mask &= _paths(snapshot, filters.paths)[snapshot.file]
    if filters.kinds:
        mask &= np.isin(snapshot.kind, [KINDS.index(kind) for kind in filters.kinds])
    for term in filters.excluded:
        mask[snapshot.holding(term)] = False
    for symbol in filters.symbols:
        mask &= _symbols(snapshot, symbol)
    for phrase in filters.phrases:
        mask &= _phrase(snapshot, phrase, mask)
    if filters.regex:
        mask &= _regex(snapshot, filters.regex, mask)
    return mask


def _paths(snapshot: Snapshot, patterns: tuple[str, ...]) -> np.ndarray:
    globs = GitIgnoreSpec.from_lines([p.removeprefix("./") for p in patterns if re.search(r"[*?\[]", p)])
    plain = [p.removeprefix("./").lower() for p in patterns if not re.search(r"[*?\[]", p)]
    return np.array([any(p in path.lower() for p in plain) or globs.match_file(path) for path in snapshot.paths], bool)


def _symbols(snapshot: Snapshot, wanted: str) -> np.ndarray:
    pattern = wanted.replace("::", ".").replace("#", ".").removesuffix("()").lower()
    return np.array(
        [bool(s) and (fnmatchcase(s.lower(), pattern) or fnmatchcase(s.lower().rsplit(".", 1)[-1], pattern) or s.lower().endswith("." + pattern)) for s in snapshot.symbols],
        bool,
    )


def _phrase(snapshot: Snapshot, phrase: str, mask: np.ndarray) -> np.ndarray:
    """Chunks that hold every term of the phrase, then those whose text holds the phrase, white space and case aside."""
    holding = mask.copy()
    for term in set(terms(phrase)):
        has = np.zeros(snapshot.chunks, bool)
        has[snapshot.holding(term)] = True
        holding &= has
    wanted = " ".join(phrase.lower().split())
    found = np.zeros(snapshot.chunks, bool)
    for number in np.flatnonzero(holding).tolist():
        record = snapshot.record(int(snapshot.file[number]))
        text = record.lines(int(snapshot.start[number]), int(snapshot.end[number]))
        found[number] = wanted in " ".join(text.lower().split())
    return found


def _regex(snapshot: Snapshot, pattern: str, mask: np.ndarray) -> np.ndarray:
    expression = re.compile(pattern, re.MULTILINE)
    found = np.zeros(snapshot.chunks, bool)
    firsts = snapshot.chunk_file_first
    for file in np.unique(snapshot.file[mask]).tolist():
        text = snapshot.record(file).text
        here = slice(int(firsts[file]), int(firsts[file + 1]))
        for match in expression.finditer(text):
            first = text.count("\n", 0, match.start()) + 1
            last = first + match.group().count("\n")
            found[here] |= (snapshot.start[here] <= last) & (snapshot.end[here] >= first)
    return found
