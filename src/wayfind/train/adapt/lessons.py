"""What a repository teaches about itself: questions out of its index and history, each with the code that answers it.

Documentation, names, comments, sections and tests ask for what they speak of; the subject of a commit asks for the functions that
it changed. Everything is split before anything is made of it, once and by content: whole files go to `train`, `gate` or `report`
by a hash of their path, and of the newest 2,000 commits the newest 15 % go to `report`, the 15 % before to `gate`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from wayfind.api import Repository
from wayfind.corpus import history
from wayfind.evaluate.from_commits import MOST_FUNCTIONS, clean_subject, cut
from wayfind.evaluate.queries import Gold, Part, digest, part
from wayfind.evaluate.scratch import GitError, git
from wayfind.search import feedback
from wayfind.search.searcher import EXAMPLE_PATH
from wayfind.train.quality import problem
from wayfind.train.sources.kinds import FUNCTIONS, TEXT_KINDS, Draft, sectioned
from wayfind.train.sources.tree import Definition, of_record
from wayfind.types import Touch

Origin = Literal["docstring", "name", "comment", "section", "test", "commit", "feedback"]
ORIGINS: tuple[Origin, ...] = ("docstring", "name", "comment", "section", "test", "commit", "feedback")
WEIGHTS: dict[Origin, float] = {"docstring": 1.0, "name": 0.3, "comment": 0.5, "section": 0.7, "test": 0.7, "commit": 1.0, "feedback": 2.0}
"""What a lesson counts beside others: names and comments are many, and less like what people ask."""
OPENED = 0.25
"""What a result that was opened counts beside one that was marked good: who opens a result does not know yet whether it is one."""
NEWEST_COMMITS = 2000
"""Commits of the main line that are looked at; as many as an index reads by default."""
HELD_OUT = 0.3
"""Share of them, the newest, that decides and reports: of ten commits about one makes a question, and an interval needs some fifty."""
MOST_COMMITS = 10_000
"""Commits, merges and those of branches among them, from which a lesson is drawn."""
HISTORY_SECONDS = 300.0
"""Enough to read them however busy the machine is: what is learned must not depend on that."""
MOST_EQUAL = 3
"""A question that comes back more often with other code comes from a template."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A question and the code that answers it."""

    query: str
    targets: tuple[Gold, ...]
    origin: Origin
    weight: float
    part: Part
    code: str = ""
    """The text to encode for the target, without what would give the answer away; empty where the target is to be read as it is."""
    time: int = 0
    """Of a commit: seconds since 1970."""

    @property
    def digest(self) -> str:
        """Stands for the question, whatever answers it."""
        return digest(self.query)


@dataclass(frozen=True, slots=True)
class Split:
    """Where the history is cut: `train` ends with the commit `cutoff`, `gate` with `boundary`. Both empty without enough history."""

    cutoff: str = ""
    boundary: str = ""
    why: str = ""
    """Why there is no cut."""


@dataclass(frozen=True, slots=True)
class Lessons:
    """The lessons of one generation of an index, the same for the same index."""

    lessons: tuple[Lesson, ...]
    split: Split
    dropped: Counter[str] = field(default_factory=Counter)

    def of(self, wanted: Part, *origins: Origin) -> list[Lesson]:
        """The lessons of a part, of the named origins or of all."""
        return [one for one in self.lessons if one.part == wanted and (not origins or one.origin in origins)]

    def counts(self, wanted: Part = "train") -> dict[str, int]:
        """Origin -> lessons of a part."""
        found = Counter(one.origin for one in self.lessons if one.part == wanted)
        return {origin: found[origin] for origin in ORIGINS if found[origin]}


def lessons(repository: Repository) -> Lessons:
    """The lessons of the present generation of an open index. No question stands in two parts: the later part keeps it."""
    split = split_history(repository.root)
    dropped: Counter[str] = Counter()
    found = [*_of_text(repository, dropped), *_of_history(repository, split, dropped), *_of_feedback(repository, dropped)]
    return Lessons(tuple(_once(found, dropped)), split, dropped)


def split_history(root: Path) -> Split:
    """Where the history of a folder is cut into train, gate and report."""
    try:
        history = cut(root)
        if isinstance(history, str):
            return Split(why=history)
        line = first_parents(root)
    except GitError as refused:
        return Split(why=str(refused))
    return Split(line[max(2, int(len(line) * HELD_OUT))], line[max(1, int(len(line) * HELD_OUT / 2))])


def first_parents(root: Path) -> list[str]:
    """The newest commits of the main line that learning looks at, newest first."""
    return git(root, "log", "--first-parent", f"-n{NEWEST_COMMITS}", "--format=%H").split()


def part_of_commits(root: Path, split: Split) -> dict[str, Part]:
    """Commit -> part, of the commits that are held out; every other one that the index knows teaches."""
    if not split.cutoff:
        return {}
    gate = git(root, "rev-list", f"{split.cutoff}..{split.boundary}").split()
    report = git(root, "rev-list", f"{split.boundary}..HEAD").split()
    return {**dict.fromkeys(report, "report"), **dict.fromkeys(gate, "gate")}


def _of_text(repository: Repository, dropped: Counter[str]) -> Iterator[Lesson]:
    definitions, sections = _definitions(repository)
    asked: Counter[str] = Counter()
    for origin, drafts in _drafts(definitions, sections):
        for draft in drafts:
            asked[draft.query.lower()] += 1
            reason = problem(draft.query, draft.code, origin) or ("comes back" if asked[draft.query.lower()] > MOST_EQUAL else None)
            if reason:
                dropped[f"{origin}: {reason}"] += 1
            else:
                one = draft.definition
                target = Gold(one.path, one.symbol, one.chunk.start_line, one.chunk.end_line)
                yield Lesson(draft.query, (target,), origin, WEIGHTS[origin], part(one.path), draft.code)


def _drafts(definitions: list[Definition], sections: list[Definition]) -> Iterator[tuple[Origin, Iterable[Draft]]]:
    yield from ((origin, draw(definitions)) for origin, draw in TEXT_KINDS.items())
    yield "section", sectioned(sections, definitions)


def _definitions(repository: Repository) -> tuple[list[Definition], list[Definition]]:
    """What is defined in the index, and the sections of its documents; in the order of path and line."""
    snapshot = repository.snapshot()
    found: list[Definition] = []
    for file, path in enumerate(snapshot.paths):
        found += of_record(snapshot.record(file), path)
    sections = [one for one in found if one.kind == "section" and not EXAMPLE_PATH.search(one.path)]
    return [one for one in found if one.kind != "section"], sections


def _of_history(repository: Repository, split: Split, dropped: Counter[str]) -> Iterator[Lesson]:
    """One lesson a commit; none where the history is too short to be cut."""
    if split.cutoff:
        yield from lessons_of_commits(repository, part_of_commits(repository.root, split), dropped)


def lessons_of_commits(repository: Repository, later: Mapping[str, Part], dropped: Counter[str] | None = None) -> Iterator[Lesson]:
    """One lesson a commit that changed few functions which are still there; of part `train` unless `later` says otherwise."""
    dropped = Counter() if dropped is None else dropped
    chunks = list(repository.chunks())
    places = {(c.path, c.symbol): c for c in chunks if c.kind in FUNCTIONS and c.symbol and not c.is_test}
    commits: defaultdict[str, list[Touch]] = defaultdict(list)
    for touch in _touches(repository.root, chunks):
        commits[touch.commit].append(touch)
    for commit, touches in commits.items():
        text = clean_subject(touches[0].subject)
        found = sorted({(t.path, t.symbol) for t in touches} & places.keys())
        if text is None:
            dropped["commit: subject says nothing"] += 1
        elif not 1 <= len(found) <= MOST_FUNCTIONS:
            dropped["commit: no function or too many"] += 1
        else:
            targets = tuple(Gold(*place, places[place].start_line, places[place].end_line) for place in found)
            yield Lesson(text, targets, "commit", WEIGHTS["commit"], later.get(commit, "train"), time=touches[0].time)


def _touches(root: Path, chunks: Iterable[Any]) -> list[Touch]:
    """Which commits changed which definition, further back than an index reads: what is learned once may take some seconds."""
    spans: defaultdict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for one in chunks:
        if one.symbol:
            spans[one.path].append((one.start_line, one.end_line, one.symbol))
    return history.touches(root, spans, limit=MOST_COMMITS, seconds=HISTORY_SECONDS).touches


def _of_feedback(repository: Repository, dropped: Counter[str]) -> Iterator[Lesson]:
    """One lesson a question of which the user marked or opened a result; no exam asks them. A result
    that was marked bad answers nothing, whatever else was noted of it."""
    snapshot = repository.snapshot()
    for question in feedback.judged(snapshot, feedback.read(snapshot.folder)):
        if not question.answers:
            dropped["feedback: only bad results"] += 1
            continue
        targets = tuple(
            Gold(snapshot.paths[snapshot.file[chunk]], snapshot.symbols[chunk] or None, int(snapshot.start[chunk]), int(snapshot.end[chunk]))
            for chunk in question.answers
        )
        weight = WEIGHTS["feedback"] * (1.0 if question.said else OPENED)
        yield Lesson(question.query, targets, "feedback", weight, "train")


def _once(found: list[Lesson], dropped: Counter[str]) -> Iterator[Lesson]:
    """The lessons without those whose question a later part asks too."""
    order = ("report", "gate", "train")
    first: dict[str, str] = {}
    for wanted in order:
        for one in found:
            if one.part == wanted:
                first.setdefault(one.digest, wanted)
    for one in found:
        if first[one.digest] == one.part:
            yield one
        else:
            dropped["asked in a later part too"] += 1
