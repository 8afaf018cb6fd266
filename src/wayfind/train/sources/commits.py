"""Commits: the subject asks for the functions that the commit changed, as they stand in the present tree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from wayfind.corpus.history import touches
from wayfind.evaluate.from_commits import clean_subject
from wayfind.train.sources.kinds import FUNCTIONS, Draft
from wayfind.train.sources.tree import Definition, Tree

SECONDS = 600.0
"""Time that the history of one repository may take: so long that it ends no reading but of a repository that hangs."""


def committed(tree: Tree, most_commits: int, most_functions: int) -> Iterator[Draft]:
    """Drafts from the newest commits, newest first. A commit that touched more than `most_functions` definitions gives none."""
    by_place = {(one.path, one.symbol): one for one in tree.definitions if one.kind in FUNCTIONS}
    for subject, places in subjects(tree.root, by_place, most_commits):
        text = clean_subject(subject)
        functions = [by_place[place] for place in places if not by_place[place].is_test]
        if text and 1 <= len(functions) and len(places) <= 2 * most_functions and len(functions) <= most_functions:
            for one in functions:
                yield Draft(text, one, one.encoded(one.lines), place=text)


def subjects(root: Path, by_place: dict[tuple[str, str | None], Definition], most_commits: int) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """The subject of each commit, and the definitions that it touched."""
    spans: defaultdict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for path, symbol in by_place:
        chunk = by_place[path, symbol].chunk
        spans[path].append((chunk.start_line, chunk.end_line, symbol or ""))
    found: dict[str, tuple[str, list[tuple[str, str | None]]]] = {}
    for touch in touches(root, spans, limit=most_commits, seconds=SECONDS).touches:
        found.setdefault(touch.commit, (touch.subject, []))[1].append((touch.path, touch.symbol))
    yield from found.values()
