"""One evaluation: make the query sets of a repository, ask every system, and hand back what each answered and got.

The repository is never written to. Sets that need a changed tree are searched in scratch copies below a temporary folder, which
is gone when the evaluation ends; their indexes lie there too.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import wayfind
from wayfind.errors import NotFound, StorageError, UsageError
from wayfind.evaluate.baselines import Pool, System, check_system, default_systems, system
from wayfind.evaluate.from_commits import commit_queries, commit_tree, cut
from wayfind.evaluate.from_docstrings import docstring_queries
from wayfind.evaluate.from_tests import test_queries
from wayfind.evaluate.metrics import figures, precision_ceiling
from wayfind.evaluate.queries import PARTS, Gold, Hit, Part, Query, QuerySet, digest, is_test, judge
from wayfind.evaluate.scratch import GitError
from wayfind.evaluate.spec import corpus_of, read_spec, spec_queries
from wayfind.index.vectors import lend
from wayfind.model.adaptation import Adaptation
from wayfind.model.bundle import current, tuned_of
from wayfind.search.latents import Record, lend_models, read_record
from wayfind.types import Progress

KINDS = ("docstring", "commit", "test")
MOST_COMMITS = 150
DEEPEST = 16
"""How many times k is asked for, at most, when test code is taken out of a ranking."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What one system returned for one query, and its figures by name."""

    query: Query
    system: str
    hits: tuple[Hit, ...]
    figures: dict[str, float]


@dataclass(frozen=True, slots=True)
class SetReport:
    """One query set: what was asked and answered, over how many chunks, and what was left out."""

    kind: str
    queries: tuple[Query, ...]
    answered: tuple[Answered, ...]
    pool: int
    dropped: dict[str, int]
    note: str
    ceiling: float
    """P@3 of a perfect ranking: with one right place a query it is 1/3."""


@dataclass(frozen=True, slots=True)
class Report:
    """An evaluation. The same repository, arguments and seed give the same report."""

    root: Path
    systems: tuple[str, ...]
    sets: tuple[SetReport, ...]
    k: int
    seed: int
    parts: tuple[Part, ...]

    def queries(self) -> int:
        """How many queries were asked in all; 0 means that the repository gave none, and each set's note says why."""
        return sum(len(s.queries) for s in self.sets)


def evaluate(
    repo_path: str | Path | None = None,
    *,
    kinds: Sequence[str] = KINDS,
    spec: str | Path | None = None,
    systems: Sequence[str] = (),
    k: int = 10,
    seed: int = 0,
    limit: int = 200,
    parts: Sequence[Part] = PARTS,
    home: str | Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Measure search on a repository, with queries held out from it, or with those of a spec file alone when one is given.

    Without a path, the spec's corpus is searched, or the folder its places lie in (`spec.corpus_of`). Without systems, SYSTEMS are compared, and `words` where a model is in use. `limit` is per kind. `parts` restricts held-out queries to thirds of the
    functions (`queries.part`): where a model learned from this repository, only `("report",)` is honest.
    Raises UsageError, NotFound, StorageError.
    """
    kinds, systems = tuple(dict.fromkeys(kinds)), tuple(dict.fromkeys(systems))
    _check(kinds, parts, k, limit)
    if seed < 0:
        raise UsageError(f"the seed must be at least 0; found {seed}")
    for name in systems:
        check_system(name)
    asked = read_spec(Path(spec)) if spec is not None else None
    root = repo_path if repo_path is not None else corpus_of(asked) if asked else None
    if root is None:
        raise UsageError("nothing to evaluate: give a folder, or a spec file that names its corpus")
    if not Path(root).is_dir():
        raise NotFound(f"no such folder: {root}")
    root = Path(root).resolve()
    say = progress or (lambda what, done, total: None)
    try:
        with tempfile.TemporaryDirectory(prefix="wayfind-eval-", ignore_cleanup_errors=True) as folder:
            run = _Run(Path(folder), (), k, seed, limit, tuple(parts), say)
            with _index(root, home, say) as pool:
                pool = replace(pool, seed=seed)
                learned, tree = pool.repo.adaptation(), pool.repo.tree.folder
                run = replace(run, learned=learned, seen=_seen(learned, read_record(tree), _is_tuned(tree)), systems=tuple(systems) or default_systems(learned is not None))
                lend(pool.repo.tree, run.folder / "home")
                if asked is not None:
                    sets = [_ask(spec_queries(asked, root, pool.chunks), pool, run)]
                else:
                    sets = [_MAKERS[kind](pool, run) for kind in kinds]
    except OSError as refused:
        raise StorageError(f"the evaluation needs room for a copy of the tree in {tempfile.gettempdir()}: {refused}") from refused
    return Report(root, run.systems, tuple(sets), k, seed, tuple(parts))


@dataclass(frozen=True, slots=True)
class _Run:
    """What the sets of one evaluation share."""

    folder: Path
    systems: tuple[str, ...]
    k: int
    seed: int
    limit: int
    parts: tuple[Part, ...]
    say: Progress
    learned: Adaptation | None = None
    """What was learned of the repository and is in use."""
    seen: frozenset[str] | None = None
    """Digests of the questions that what is in use was fitted to or decided by, which are not asked; None where nothing is in use."""

    @property
    def by_file(self) -> tuple[Part, ...]:
        """The parts of questions whose part is that of their file."""
        return ("report",) if self.seen is not None and self.parts == PARTS else self.parts


def _docstring(pool: Pool, run: _Run) -> SetReport:
    run.say("docstring: copying the tree and removing documentation", 0, 0)
    try:
        made = docstring_queries(pool.root, pool.chunks, run.folder / "docstring", limit=run.limit, seed=run.seed, parts=run.by_file)
    except GitError as refused:
        return _nothing("docstring", f"git: {refused}")
    return _ask_in_copy(made, pool, run)


def _commit(pool: Pool, run: _Run) -> SetReport:
    try:
        history = cut(pool.root)
        if isinstance(history, str):
            return _nothing("commit", history)
        run.say(f"commit: copying the tree as of {history.cutoff[:12]}", 0, 0)
        folder = commit_tree(history, run.folder / "commit")
        if folder is None:
            return _nothing("commit", f"the folder did not exist at the cut-off {history.cutoff[:12]}")
        with _index(folder, run.folder / "home", run.say, pool.repo.tree.folder) as then:
            then = replace(then, seed=run.seed)
            limit = min(run.limit, MOST_COMMITS)
            made = commit_queries(pool.root, folder, history, then.chunks, limit=limit, seed=run.seed, parts=run.parts)
            return _ask(made, then, run)
    except GitError as refused:
        return _nothing("commit", f"git: {refused}")


def _test(pool: Pool, run: _Run) -> SetReport:
    return _ask(test_queries(pool.root, pool.chunks, limit=run.limit, seed=run.seed, parts=run.by_file), pool, run)


_MAKERS = {"docstring": _docstring, "commit": _commit, "test": _test}


@contextmanager
def _index(root: Path, home: str | Path | None, say: Progress, like: Path | None = None) -> Iterator[Pool]:
    """The pool of a folder, its index brought up to date first, with the models that were made for the tree whose index lies in `like`."""
    with closing(wayfind.open(root, home=home)) as repo:
        if like is not None:
            lend_models(like, repo.tree.folder)
        repo.refresh(say)
        repo.encode(say)
        chunks = tuple(sorted(repo.chunks(), key=lambda c: (c.path, c.start_line, c.end_line)))
        yield Pool(repo, root, chunks)


def located(queries: Iterable[Query], chunks: Iterable[Any]) -> Iterator[Query]:
    """The queries whose gold says its lines too, where one definition has the symbol: for systems that return lines and no symbols."""
    places: defaultdict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for chunk in chunks:
        places[chunk.path, chunk.symbol].append((chunk.start_line, chunk.end_line))

    def lines(gold: Gold) -> Gold:
        own = places.get((gold.path, gold.symbol), []) if gold.symbol and gold.start_line is None else []
        return replace(gold, start_line=own[0][0], end_line=own[0][1]) if len(own) == 1 else gold

    for asked in queries:
        yield replace(asked, gold=tuple(map(lines, asked.gold)))


def _ask_in_copy(made: QuerySet, pool: Pool, run: _Run) -> SetReport:
    if not made.queries:
        return _nothing(made.kind, made.note, made)
    with _index(made.root, run.folder / "home", run.say, pool.repo.tree.folder) as copy:
        return _ask(made, replace(copy, seed=run.seed), run)


def _ask(made: QuerySet, pool: Pool, run: _Run) -> SetReport:
    """Ask every system every query of a set that was not learned from."""
    pool.repo.adopt(run.learned)
    made = _unseen(made, run.seen)
    if not made.queries:
        return _nothing(made.kind, made.note, made)
    answered: list[Answered] = []
    made = replace(made, queries=tuple(located(made.queries, pool.chunks)))
    for name in run.systems:
        search = system(name, pool)
        search = _without(search, _in_tests(pool)) if made.without_tests else search
        search = _without(search, lambda hit: hit.path in made.hidden) if made.hidden else search
        for number, asked in enumerate(made.queries, 1):
            found = tuple(search(asked.text, max(run.k, 3)))  # P@3 looks at three, however few are asked for
            answered.append(Answered(asked, name, found[: run.k], figures(judge(found, asked.gold), asked.gold, run.k)))
            run.say(f"{made.kind}: {name}", number, len(made.queries))
    size = sum(not is_test(c) for c in pool.chunks) if made.without_tests else len(pool.chunks)
    ceiling = sum(precision_ceiling(q.gold) for q in made.queries) / len(made.queries)
    return SetReport(made.kind, made.queries, tuple(answered), size, dict(made.dropped), made.note, ceiling)


def _seen(learned: Adaptation | None, latent: Record | None, tuned: bool = False) -> frozenset[str] | None:
    """Digests of what was learned from, by all that takes part in searches; a tuned encoder notes none, and keeps to files of its part."""
    used: list[dict[str, list[str]]] = [{}] if tuned else []
    used += [learned.about.get("used", {})] if learned else []
    used += [latent.used] if latent and latent.weight else []
    return frozenset().union(*(digests for one in used for digests in one.values())) if used else None


def _is_tuned(tree: Path) -> bool:
    """Whether searches of a tree use an encoder that was tuned on it."""
    base = current()
    return base is not None and tuned_of(tree, base) is not None


def _unseen(made: QuerySet, seen: frozenset[str] | None) -> QuerySet:
    """The set without the questions that learning was fitted to or decided by."""
    if seen is None:
        return made
    kept = tuple(asked for asked in made.queries if digest(asked.text) not in seen)
    note = f"{made.note}; search has learned from this repository, so only questions are asked that learning did not see"
    return replace(made, queries=kept, note=note)


def _nothing(kind: str, why: str, made: QuerySet | None = None) -> SetReport:
    """A set without queries, and why."""
    return SetReport(kind, (), (), 0, dict(made.dropped) if made else {}, f"no queries: {why}", 0.0)


def _in_tests(pool: Pool) -> Callable[[Hit], bool]:
    """Tells whether a hit is test code."""
    spans: dict[str, list[tuple[int, int]]] = {}
    for chunk in pool.chunks:
        if is_test(chunk):
            spans.setdefault(chunk.path, []).append((chunk.start_line, chunk.end_line))
    code = {chunk.path for chunk in pool.chunks if not is_test(chunk)}

    def in_tests(hit: Hit) -> bool:
        if hit.start_line is None:
            return hit.path in spans and hit.path not in code
        return any(start <= hit.start_line <= end for start, end in spans.get(hit.path, ()))

    return in_tests


def _without(search: System, unwanted: Callable[[Hit], bool]) -> System:
    """The system without the unwanted hits: it is asked for more until k places are left or there are no more."""

    def without(text: str, k: int) -> list[Hit]:
        wanted = 2 * k
        while True:
            found = search(text, wanted)
            kept = [hit for hit in found if not unwanted(hit)][:k]
            if len(kept) == k or len(found) < wanted or wanted >= DEEPEST * k:
                return kept
            wanted *= 2

    return without


def _check(kinds: Sequence[str], parts: Sequence[str], k: int, limit: int) -> None:
    for name, given, known in (("kind of query", kinds, KINDS), ("part", parts, PARTS)):
        for word in given:
            if word not in known:
                raise UsageError(f"no such {name}: {word!r}; known are {', '.join(known)}")
    if k < 1 or limit < 1:
        raise UsageError(f"k and limit must be at least 1; found {k} and {limit}")
