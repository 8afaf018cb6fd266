"""Filters to a mask over chunks: what a result must be, decided before the best are taken."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable

import numpy as np
from pathspec import GitIgnoreSpec, Pattern

from wayfind.corpus.languages import canonical
from wayfind.errors import UsageError
from wayfind.index.snapshot import Snapshot
from wayfind.index.tokens import LONGEST, WORD, parts, terms_of, words
from wayfind.search.query import Filters
from wayfind.types import KINDS


def allowed(snapshot: Snapshot, filters: Filters) -> np.ndarray | None:
    """Mask over chunks that pass every filter; None when there is none."""
    if not filters:
        return None
    mask = np.ones(snapshot.chunks, bool)
    for names, wanted in ((filters.languages, True), (filters.not_languages, False)):
        if names:
            mask &= _languages(snapshot, names)[snapshot.file] == wanted
    for patterns, wanted in ((filters.paths, True), (filters.not_paths, False)):
        if patterns:
            mask &= _paths(snapshot, patterns)[snapshot.file] == wanted
    for kinds, wanted in ((filters.kinds, True), (filters.not_kinds, False)):
        if kinds:
            mask &= np.isin(snapshot.kind, [KINDS.index(kind) for kind in kinds]) == wanted
    for symbols, wanted in ((filters.symbols, True), (filters.not_symbols, False)):
        if symbols:
            mask &= _symbols(snapshot, symbols) == wanted
    for excluded in filters.excluded:
        mask &= ~(_word(snapshot, excluded, mask) if WORD.fullmatch(excluded) else _phrase(snapshot, excluded, mask))
    for phrase in filters.phrases:
        found = _phrase(snapshot, phrase, mask)
        mask &= found if found.any() else _phrase(snapshot, phrase, mask, cut=True)
    if filters.regex:
        mask &= _regex(snapshot, filters.regex, mask)
    return mask


def _languages(snapshot: Snapshot, names: tuple[str, ...]) -> np.ndarray:
    """Files in one of the languages."""
    wanted = {canonical(name) for name in names}
    if "typescript" in wanted:  # a component's file is parsed by a grammar of its own
        wanted.add("tsx")
    return np.array([language in wanted for language in snapshot.languages], bool)


def _paths(snapshot: Snapshot, patterns: tuple[str, ...]) -> np.ndarray:
    """Files whose path matches a pattern."""
    passes = path_matcher(patterns)
    return np.array([passes(path) for path in snapshot.paths], bool)


def path_matcher(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether a path matches a pattern as a glob or holds it as text (`[id]` may be both), letter case aside."""
    rooted = [pattern.removeprefix(".") if pattern.startswith("./") else "/" if pattern == "." else pattern for pattern in patterns]
    globs = GitIgnoreSpec([one for pattern in rooted if re.search(r"[*?\[]", pattern) for one in _glob(pattern.lower())])
    begins = tuple(text.lower() for text, given in zip(rooted, patterns) if text != given)
    holds = [text.lower() for text, given in zip(rooted, patterns) if text == given]

    def passes(path: str) -> bool:
        whole = f"/{path.lower()}"
        return whole.startswith(begins) or any(text in whole for text in holds) or globs.match_file(whole[1:])

    return passes


def _glob(pattern: str) -> Iterable[Pattern]:
    """A pattern as a glob; nothing where it is none, as `[user-id]`, the name of a folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of `[[...slug]]`, what a later Python will take for a set
        try:
            return GitIgnoreSpec.from_lines([pattern]).patterns
        except re.error:
            return ()
        except ValueError as error:
            raise UsageError(f"cannot read a pattern for paths: {error}") from error


def _symbols(snapshot: Snapshot, names: tuple[str, ...]) -> np.ndarray:
    """Chunks whose symbol, or its last parts, is one of the names, letter case aside; `*` stands for any text."""
    plain = (name.replace("::", ".").replace("#", ".").removesuffix("()") for name in names)
    either = "|".join(".*".join(map(re.escape, name.split("*"))) for name in plain)
    wanted = re.compile(rf"(?:.*(?:\.| > ))?(?:{either})", re.IGNORECASE | re.DOTALL)
    return np.array([bool(symbol and wanted.fullmatch(symbol)) for symbol in snapshot.symbols], bool)


def _word(snapshot: Snapshot, word: str, mask: np.ndarray) -> np.ndarray:
    """Of the chunks of the mask those whose text holds the word, alone or as a part of a name, letter case and underscores aside; one
    that only shares its stem is another word."""
    wanted = word.lower().replace("_", "")
    found = np.zeros(snapshot.chunks, bool)
    for number in np.flatnonzero(mask & _holding(snapshot, word)).tolist():
        text = snapshot.chunk(number)[1]
        if wanted in text.lower().replace("_", ""):
            found[number] = any(wanted == one.lower().replace("_", "") or wanted in parts(one) for one in set(words(text)))
    return found


def _holding(snapshot: Snapshot, word: str) -> np.ndarray:
    """Chunks that hold a word or another of its stem, however it is spelt there: `HttpServer` is another term than `httpserver`."""
    word = word[:LONGEST]
    found = np.zeros(snapshot.chunks, bool)
    for term in {terms_of(word)[0], terms_of(word.lower())[0], word.lower().replace("_", "")}:
        found[snapshot.holding(term)] = True
    return found


def _phrase(snapshot: Snapshot, phrase: str, mask: np.ndarray, cut: bool = False) -> np.ndarray:
    """Of the chunks of the mask those whose text holds the phrase, white space and letter case aside. Where it is `cut`, it may begin and
    end inside a word."""
    holding = mask.copy()
    within = WORD.findall(phrase)
    for word in set(within[1:-1] if cut else within):
        holding &= _holding(snapshot, word)
    wanted = " ".join(phrase.lower().split())
    found = np.zeros(snapshot.chunks, bool)
    for number in np.flatnonzero(holding).tolist():
        found[number] = wanted in " ".join(snapshot.chunk(number)[1].lower().split())
    return found


def regex_lines(snapshot: Snapshot, pattern: str, chunk: int, most: int) -> list[int]:
    """The first lines of a chunk on which a match begins, or its own first where one only reaches into it."""
    first, last = int(snapshot.start[chunk]), int(snapshot.end[chunk])
    text = snapshot.record(int(snapshot.file[chunk])).text
    lines: list[int] = []
    number = place = 0
    for match in re.finditer(pattern, text, re.MULTILINE):
        number, place = number + text.count("\n", place, match.start()), match.start()
        end = number + 1 + match[0].rstrip("\n").count("\n")
        if end >= first and number + 1 <= last and (line := max(number + 1, first)) not in lines:
            lines.append(line)
        if len(lines) == most or number >= last:
            break
    return lines


def _regex(snapshot: Snapshot, pattern: str, mask: np.ndarray) -> np.ndarray:
    """Chunks with a line that a match touches, in the files that the mask leaves."""
    expression = re.compile(pattern, re.MULTILINE)
    found = np.zeros(snapshot.chunks, bool)
    firsts = snapshot.chunk_file_first
    for file in np.unique(snapshot.file[mask]).tolist():
        text = snapshot.record(file).text
        spans = [(match.start(), max(match.start(), match.end() - 1)) for match in expression.finditer(text)]
        if spans:
            ends = np.fromiter((match.start() for match in re.finditer("\n", text)), np.int64)
            first, last = np.searchsorted(ends, spans).T + 1
            here = slice(int(firsts[file]), int(firsts[file + 1]))
            begun = np.searchsorted(first, snapshot.end[here], side="right")
            over = np.searchsorted(last, snapshot.start[here], side="left")
            found[here] = begun > over
    return found
