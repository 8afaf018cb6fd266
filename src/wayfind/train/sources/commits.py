"""Commits: the subject asks for the functions that the commit changed, as they stand in the present tree."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from wayfind.corpus.history import touches
from wayfind.evaluate.from_commits import clean_subject
from wayfind.search.searcher import EXAMPLE_PATH
from wayfind.train.quality import words
from wayfind.train.sources.kinds import FUNCTIONS, Draft
from wayfind.train.sources.tree import Definition, Tree

NOT_FUNCTION = re.compile(
    r"""(?xi)(?:\b|(?=@))(?:doc(?:s|umentation)?|doc-?strings?|readme|examples?|samples?|demos?|@\w+|update\s+\S+$|java-?docs?|php-?docs?|doc\s+blocks?|comments?|spelling|grammar|renam\w+|type\s?hints?|typing|annotations?|copyright
      |whitespaces?|unused|clean\s?-?ups?|re-?factor\w*|re-?format\w*|re-?organi[sz]\w+|mov(?:e|ed|es|ing)\b.*\b(?:to|into|from)|coverage|warnings?
      |conventions?|deprecat\w+|code\s+style|style\s+fixes|nit\w*|modernization|modernize|migrate|stop\s+using|use\s+new|inspections?|review\w*
      |(?:add|fix|updat|improv|extend|writ|mov|more|mor|missing|failing|unit|regression|new|broken|flaky)\w*\s+(?:\w+\s+){0,2}tests?(?:\s+(?:cases?|suite|for|of|to|on|in|and))?
      |separate\s+file|sonar\w*|static\s+analysis|back-?port\w*|sync\s+with|various|misc|minor|more\s+work|part\s+\d|take\s+\d|first\s+pass)\b"""
)
"""Subjects of commits that change functions for a reason that tells nothing of what these do."""
FIXES = re.compile(r"[\s,;(-]*\b(?:fix(?:es|ed)?|clos(?:es|ed)?|refs?|see)\W*$", re.IGNORECASE)
"""What is left of a reference to an issue at the end."""
SECONDS = 600.0
"""Time that the history of one repository may take: so long that it ends no reading but of a repository that hangs."""


def committed(tree: Tree, most_commits: int, most_functions: int) -> Iterator[Draft]:
    """Drafts from the newest commits, newest first. A commit that touched more than `most_functions` definitions gives none."""
    by_place = {(one.path, one.symbol): one for one in tree.definitions if one.kind in FUNCTIONS}
    for subject, places in subjects(tree.root, by_place, most_commits):
        text = FIXES.sub("", clean_subject(subject) or "")
        functions = [by_place[place] for place in places if not by_place[place].is_test and not EXAMPLE_PATH.search(place[0])]
        if text and not NOT_FUNCTION.search(text) and 1 <= len(functions) and len(places) <= 2 * most_functions and len(functions) <= most_functions:
            for one in functions:
                if is_about(text, code := one.encoded(one.lines)):
                    yield Draft(text, one, code, place=text)


def is_about(subject: str, code: str) -> bool:
    """Whether the beginning of one content word of a subject begins a word of the code too: a change beside a function is no
    change of it, and half of what is laid to a function for nothing but its place shares no word with it."""
    said = {word[:STEM] for word in words(code) if len(word) >= STEM}
    return any(word[:STEM] in said for word in words(subject) if len(word) >= STEM and word not in OF_COMMITS)


STEM = 4
OF_COMMITS = frozenset("make makes made when with that this from into support supports added adds fixed fixes improve improved update updated remove removed".split())


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
