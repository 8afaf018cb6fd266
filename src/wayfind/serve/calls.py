"""A tool's call in, what to tell the model out. Runs in threads; the engine is imported here.

A search never waits long for a first index: it answers in part and says so. The other tools need the whole one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wayfind.config import value_of
from wayfind.errors import IndexBusy, StorageError, UsageError
from wayfind.index.refresh import Options
from wayfind.search.engine import Ask, chunk_at, result_at, state
from wayfind.search.query import Filters, check
from wayfind.search.relations import related
from wayfind.search.searcher import Searcher
from wayfind.serve.agent import MAX_TOKENS, Findings, as_object, as_text, clean, fitting, joined, price, results_for
from wayfind.serve.entry import Entry, Part
from wayfind.serve.output import ORIGINS, freshness
from wayfind.serve.place import split_place
from wayfind.serve.progress import STAGES as SPOKEN
from wayfind.serve.roots import Roots
from wayfind.serve.screen import counted
from wayfind.serve.workspace import Found, Workspace
from wayfind.types import Result, Target

PATIENCE = 0.75
"""Seconds that a search waits for an index before it answers in part, or from an older one; small repositories take less."""
LONG_PATIENCE = 45.0
"""Seconds that the tools that need the whole index wait for it; clients give up on a call after 60."""
STAGES = ("walk", "read", "extract", "history", "write")
_COMMITS, _SUBJECT = 5, 120
_ROOTS = 20
_REASONS = 6
_FRAME = 60
"""Tokens that are kept for the head of an answer and the names of an object's fields."""
_MORE = price("…") + 1
_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Told:
    """What a call returns: text for models, and the same as fields for clients that read those."""

    text: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _At:
    """A place in an index."""

    entry: Entry
    root: Path
    path: str
    line: int
    searcher: Searcher
    stale: int


class Calls:
    """Answers calls over the indexes of a workspace."""

    def __init__(self) -> None:
        self._workspace = Workspace(options=Options(workers=os.cpu_count() or 1))

    def begin(self, roots: Roots) -> None:
        """Begin the first index of every root, in the background."""
        for folder in roots.folders:
            self._workspace.open(folder)

    def progress(self, roots: Roots) -> tuple[float, float, str]:
        """How far the first indexes are: done, of all, what is being done. All is 0 when none is being made."""
        making = [entry for entry in self._workspace.entries if entry.root in roots.folders and entry.state == "indexing"]
        far = [_far(entry) for entry in making]
        return sum(far), len(STAGES) * len(far), "; ".join(map(_doing, making))

    def call(self, name: str, roots: Roots, arguments: Mapping[str, Any]) -> Told:
        """Answer a call whose arguments are checked. Raises WayfindError."""
        return {"search": self._search, "related": self._related, "explain": self._explain, "status": self._status}[name](roots, **arguments)

    def _search(
        self, roots: Roots, query: str, path: str = "", lang: str = "", kind: str = "", max_results: int = 0, max_tokens: int = MAX_TOKENS, graph: int = 0
    ) -> Told:
        folders, paths = _below(roots, path)
        filters = Filters(_several(lang), paths, _several(kind))
        check(filters)
        if not query.strip():
            raise UsageError("the query is empty: give some words, a question, a name or a snippet to search for")
        ask = Ask(query, max_results or results_for(max_tokens), filters, value_of("explain", folders[0]), graph=bool(graph))
        found = self._workspace.search(folders, ask, wait=PATIENCE)
        return _told(_findings(roots, found, max_tokens), max_tokens)

    def _related(self, roots: Roots, place: str, max_results: int = 0, max_tokens: int = MAX_TOKENS) -> Told:
        with self._at(roots, place) as at:
            answer = related(at.searcher, at.path, at.line, max_results or results_for(max_tokens), value_of("explain", at.root), stale_files=at.stale)
        results = tuple(_named(roots, at.root, result) for result in answer.results)
        note = fitting(joined((_stale(at.stale), _sentence(answer.reason))), _share(len(results), max_tokens))
        head = joined((": callers, callees, tests, siblings, then what is similar.", note))
        return _told(Findings(head, results, {"note": note, "partial": False}, numbered=True), max_tokens)

    def _explain(self, roots: Roots, place: str, max_tokens: int = MAX_TOKENS) -> Told:
        with self._at(roots, place) as at:
            result = result_at(at.searcher, at.path, at.line, value_of("explain", at.root))
            text = at.searcher.snapshot.chunk(chunk_at(at.searcher.snapshot, at.path, at.line))[1]
            touches = [touch for touch in at.entry.touches() if (touch.path, touch.symbol) == (result.path, result.symbol)]
        shown = _named(roots, at.root, replace(result, snippet=text.rstrip(), explanation=replace(result.explanation, text="")))
        commits = [clean(f"{touch.commit[:10]} {touch.subject}"[:_SUBJECT]) for touch in touches[:_COMMITS]]
        return _told(_explained(shown, result.explanation, commits, _stale(at.stale), max_tokens), max_tokens)

    def _status(self, roots: Roots) -> Told:
        rows = [_standing(self._workspace.open(folder)) for folder in roots.folders[:_ROOTS]]
        lines = [f"{row['root']}: {row['state']}; {row['detail']}" for row in rows]
        return Told("\n".join(lines), {"roots": rows})

    @contextmanager
    def _at(self, roots: Roots, place: str) -> Iterator[_At]:
        """What a place names. Waits for a first index. Raises UsageError, IndexBusy."""
        file, line = split_place(place.strip())
        folder, path = roots.only(file)
        entry = self._workspace.open(folder)
        try:
            with entry.searching(PATIENCE if entry.state == "ready" else LONG_PATIENCE) as (searcher, stale):
                yield _At(entry, folder, path, line, searcher, stale)
        except IndexBusy as error:
            raise IndexBusy(f"{error} ({_doing(entry)}); search answers in part meanwhile") from error

    def close(self) -> None:
        """End what runs in the background."""
        self._workspace.close()


def _below(roots: Roots, path: str) -> tuple[list[Path], tuple[str, ...]]:
    """The roots to search and the filter for their paths: below a folder or a file of any root, a glob, or text that paths hold."""
    if not path.strip():
        return list(roots.folders), ()
    if _GLOB.search(path) and not os.path.isabs(path):
        if ".." in path.split("/"):
            raise UsageError(f"a glob cannot lead out of the folders this server may read: {path}")
        return list(roots.folders), (path,)
    folder = next((root for root in roots.folders if _GLOB.search(path) and path.startswith(f"{root}/")), None)
    if folder:
        return [folder], ("./" + path[len(str(folder)) + 1 :],)
    found = [(root, below) for root, below in roots.every(path) if (root / below).exists()]
    if not found:
        return list(roots.folders), (path,)
    filters = [f"./{below}/" if (root / below).is_dir() else f"./{below}" for root, below in found]
    return [root for root, _ in found], () if any(below == "." for _, below in found) else tuple(dict.fromkeys(filters))


def _several(values: str) -> tuple[str, ...]:
    return tuple(value.strip() for value in values.split(",") if value.strip())


def _told(found: Findings, max_tokens: int) -> Told:
    return Told(as_text(found, max_tokens), as_object(found, max_tokens))


def _named(roots: Roots, root: Path, result: Result) -> Result:
    """The result under paths that the tools take back: relative to a single root, else absolute."""
    if len(roots.folders) == 1:
        return result
    relations = tuple(replace(one, path=f"{root}/{one.path}") for one in result.relations)
    return replace(result, path=f"{root}/{result.path}", also=tuple(f"{root}/{place}" for place in result.also), relations=relations)


def _explained(result: Result, explanation: Target, commits: list[str], note: str, max_tokens: int) -> Findings:
    """One definition at length. Of the tokens its explanation takes a quarter at most and its commits a fifth."""
    said = _beginning(explanation.text if explanation.provenance != "code" else "", max_tokens // 4)
    origin = f"(from {ORIGINS[explanation.provenance]})" if said or explanation.provenance == "code" else ""  # `none` was asked for
    newest = _newest(commits, max_tokens // 5)
    head = "\n".join(filter(None, (note, said, origin, *newest)))
    facts = {"note": note, "partial": False, "explanation": said, "source": explanation.provenance, "commits": newest}
    return Findings(head, (result,), facts, whole=True)


def _newest(commits: Sequence[str], tokens: int) -> list[str]:
    """The first commits that fit into so many tokens; where none does, the first one cut."""
    kept: list[str] = []
    for commit in commits:
        if (taken := price(commit) + 1) > tokens:
            break
        kept.append(commit)
        tokens -= taken
    return kept or [cut for cut in (fitting(commit, tokens) for commit in commits[:1]) if cut]


def _beginning(text: str, tokens: int) -> str:
    """The first lines of a text that fit into so many tokens; where none does, the first one cut."""
    kept: list[str] = []
    for line in clean(text).strip().split("\n"):
        if (taken := price(line) + 1) > tokens - _MORE:
            return "\n".join([*kept, "…"]) if kept else fitting(line, tokens)
        kept.append(line)
        tokens -= taken
    return "\n".join(kept).strip()


def _findings(roots: Roots, found: Found, max_tokens: int) -> Findings:
    """What a search found, and of each root that has something to say, what. Raises StorageError where none could be searched."""
    if not found.answers:
        raise StorageError("; ".join(dict.fromkeys(part.error for part in found.parts)))
    results = tuple(_named(roots, placed.root, placed.result) for placed in found.results)
    note = _noted(found, len(roots.folders) > 1, _share(len(results), max_tokens))
    sure = max((answer.confidence for _, answer in found.answers), default=0.0)
    head = joined((_title(len(results), None if found.partial else sure), note))
    return Findings(head, results, {"note": note, "partial": found.partial, "confidence": round(sure, 3)}, numbered=bool(results))


def _share(results: int, max_tokens: int) -> int:
    """Tokens that a note may take: what results leave it."""
    return max_tokens // 3 if results else max_tokens - _FRAME


def _noted(found: Found, named: bool, tokens: int) -> str:
    """What is to be known of the roots, as far as the tokens reach: those with results first, of the rest how many they are."""
    holding = {placed.root for placed in found.results}
    spoken = sorted(((part, _said_of(part)) for part in found.parts), key=lambda one: one[0].root not in holding)
    spoken = [(part, f"{clean(str(part.root))}: {said}" if named else said) for part, said in spoken if said]
    kept: list[str] = []
    for number, (_, said) in enumerate(spoken, 1):
        if price(joined((*kept, said, _more([part for part, _ in spoken[number:]])))) > tokens:
            break
        kept.append(said)
    left = [part for part, _ in spoken[len(kept) :]]
    if left and not kept:
        cut = fitting(spoken[0][1], tokens - price(_more(left[1:])))
        return joined((cut, _more(left[1:] if cut else left)))
    return joined((*kept, _more(left)))


def _more(parts: Sequence[Part]) -> str:
    """How many more roots have something to say, in a sentence."""
    if not parts:
        return ""
    nothing = all(part.answer is not None and not part.answer.results and not part.partial for part in parts)
    return f"And {counted(len(parts), 'more root')}: {'nothing found' if nothing else 'see status'}."


def _title(results: int, sure: float | None) -> str:
    """What follows the number of results, or stands for it. `sure` is None in a partial answer, whose confidence speaks of a few files."""
    if not results:
        return "Nothing found yet." if sure is None else "Nothing found."
    return ", partial." if sure is None else f", confidence {sure:.2f}."


def _said_of(part: Part) -> str:
    """What is to be known of a root's part in an answer."""
    if part.answer is None:
        return _sentence(f"cannot be searched: {part.error}")
    nearest = "; these are the nearest" if part.answer.abstained and part.answer.results else ""
    return joined((_stale(0 if part.partial else part.answer.index.stale_files), _sentence(part.answer.reason + nearest if part.answer.reason else "")))


def _standing(entry: Entry) -> dict[str, str]:
    """How one index stands, in a line."""
    row = {"root": clean(os.fspath(entry.root)), "state": entry.state}
    if row["state"] != "ready":
        return {**row, "detail": {"indexing": _doing(entry), "failed": clean(str(entry.failure))[:300]}.get(entry.state, "indexed with the first search")}
    with entry.searching(refresh=False) as (searcher, stale):
        index = state(searcher.snapshot, stale, searcher.adaptation)
    left = sorted(index.skipped.items(), key=lambda item: -item[1])[:_REASONS]
    skipped = f"; left out: {', '.join(f'{count:,} {reason}' for reason, count in left)}" if left else ""
    return {**row, "detail": freshness(index) + skipped}


def _stale(files: int) -> str:
    return f"{counted(files, 'file')} changed since the index was made." if files else ""


def _sentence(text: str) -> str:
    return f"{clean(text[:1].upper() + text[1:])[:300]}." if text else ""


def _far(entry: Entry) -> float:
    """Stages done and the share of the present one; grows only."""
    at = entry.progress
    return STAGES.index(at.stage) + (min(at.done / at.total, 1.0) if at.total else 0.0) if at.stage in STAGES else 0.0


def _doing(entry: Entry) -> str:
    at = entry.progress
    return SPOKEN.get(at.stage, "beginning") + (f" {at.done:,} of {at.total:,}" if at.total else "")

