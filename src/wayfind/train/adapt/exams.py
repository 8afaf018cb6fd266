"""Questions with known answers, each with an index from which what would give the answer away is missing, asked of the search itself.

Three scratch copies of the tree are made below a folder: as it was at the cut-off (`gate` and `report`: what was committed since asks
there), as it was before twice as much of the history (`train`: what was committed from then to the cut-off), and the first
with the documentation of the asked functions blank (the first sentence of it asks; the part is that of the file). What a copy has in
common with the index it came from is not encoded again, chunk for chunk. Nothing is written into the repository.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from wayfind.api import Repository, open_repository
from wayfind.evaluate.baselines import hits
from wayfind.evaluate.from_commits import History, clean_subject, commit_queries, commit_tree
from wayfind.evaluate.from_docstrings import docstring_queries
from wayfind.evaluate.metrics import figures
from wayfind.evaluate.queries import Gold, Part, Query, digest, judge, part_of, query
from wayfind.evaluate.scratch import git, repository_of
from wayfind.index.refresh import Options
from wayfind.index.snapshot import Snapshot
from wayfind.index.vectors import fill
from wayfind.model.adaptation import Adaptation
from wayfind.model.bundle import TUNED
from wayfind.model.encoder import Encoder, current_encoder
from wayfind.model.pooling import Pooled
from wayfind.model.text import chunk_text
from wayfind.search.engine import Ask, search
from wayfind.search.searcher import Searcher
from wayfind.train.adapt.lessons import HELD_OUT, Lesson, Split, first_parents, lessons_of_commits
from wayfind.train.sources.kinds import FUNCTIONS
from wayfind.types import Progress

MOST = {"commit": 150, "docstring": 100}
"""Questions of a kind in a part: enough for an interval of some 0.04 on MRR, and asked in a few seconds."""
FEW = 100
"""Train questions of the history below which its diffs are read one by one for more of them."""
K = 10
Opened = Callable[[Path, str], Repository]
"""Called as opened(folder, what it is for): the repository there, indexed."""
WHOLE_HISTORY = Options(commit_seconds=300.0)
"""A refresh that reads the history to its limit however busy the machine is: what is learned must not depend on that."""


@dataclass(frozen=True, slots=True)
class Exam:
    """Questions of one kind and part, the index that is searched for them, and what may be learned for it."""

    kind: str
    part: Part
    repository: Repository
    questions: tuple[Query, ...]
    taught: tuple[Lesson, ...]
    """Lessons of the history that lies before every question."""

    @property
    def snapshot(self) -> Snapshot:
        return self.repository.snapshot()

    def searcher(self, adaptation: Adaptation | None) -> Searcher:
        """The search of its index with what was learned, or without."""
        return self.repository.searcher().with_adaptation(adaptation)


@dataclass(frozen=True, slots=True)
class Sheet:
    """What an exam gave: the figures of each question, by id."""

    figures: dict[str, dict[str, float]] = field(default_factory=dict)

    def column(self, name: str) -> list[float]:
        """One figure of every question, in the order of their ids."""
        return [self.figures[key][name] for key in sorted(self.figures)]


@contextmanager
def exams(repository: Repository, split: Split, folder: Path, *, most: dict[str, int] = MOST, seed: int = 0, say: Progress) -> Iterator[list[Exam]]:
    """The exams of a repository, those without a question left out. Raises GitError, StorageError."""
    with ExitStack() as open_ones:
        known = Known(repository)
        known.add(repository.snapshot())
        made: list[Exam] = []
        copies: list[Repository] = []

        def opened(root: Path, what: str) -> Repository:
            say(what, 0, 0)
            copy = open_ones.enter_context(open_repository(root, folder / "home", adapted=False))
            borrow(copy, repository, contents=not copies)
            copies.append(copy)
            copy.refresh(say, WHOLE_HISTORY)
            known.encode(copy, say)
            known.add(copy.snapshot())
            return copy

        root = repository.root
        if split.cutoff:
            made += _of_commits(root, folder / "cut", split, opened, most["commit"], seed)
        before = made[0].repository if made else repository
        if made:
            line = first_parents(root)
            earlier = line[min(int(2 * HELD_OUT * len(line)), len(line) - 1)]
            made += _of_earlier(root, folder / "earlier", earlier, split.cutoff, before, opened, most["commit"], seed)
        made += _of_documentation(before, folder / "blank", opened, made[0].taught if made else (), most["docstring"], seed)
        yield [exam for exam in made if exam.questions]


def borrow(copy: Repository, repository: Repository, contents: bool = True) -> None:
    """Let an index that is to be made use the model of a repository that has one of its own, and take what was extracted of the same
    contents."""
    own, there = repository.tree.folder / TUNED, copy.tree.folder / TUNED
    if own.is_dir() and not there.exists():
        there.symlink_to(own.resolve(), target_is_directory=True)
    if contents:
        copy.tree.store.borrow(repository.tree.store, repository.snapshot().keys)


def take(exam: Exam, adaptation: Adaptation | None, questions: Sequence[Query] | None = None, k: int = K) -> Sheet:
    """Ask the search of the exam's index every question, with what was learned or without."""
    return answered(exam.searcher(adaptation), exam.questions if questions is None else questions, k)


def answered(searcher: Searcher, questions: Sequence[Query], k: int = K) -> Sheet:
    """The figures of each question."""
    found = {}
    for asked in questions:
        ranking = judge(hits(search(searcher, Ask(asked.text, k)).results), asked.gold)
        found[asked.id] = figures(ranking, asked.gold, k)
    return Sheet(found)


def gold_of(exam: Exam, asked: Query) -> list[int]:
    """The chunks of an exam's index that answer one of its questions, ascending."""
    snapshot = exam.snapshot
    places = {(gold.path, gold.symbol) for gold in asked.gold}
    files = [snapshot.file_of[path] for path, _ in sorted(places)]
    return sorted(
        {
            chunk
            for file in files
            for chunk in range(*snapshot.chunk_file_first[file : file + 2])
            if (snapshot.paths[file], snapshot.symbols[chunk]) in places
        }
    )


Encoded = tuple[np.ndarray, np.ndarray]
"""Codes of a chunk and of its tokens."""


class Known:
    """The codes of chunks that were encoded before, by the text that the encoder read."""

    def __init__(self, repository: Repository) -> None:
        self.encoder = current_encoder(repository.tree.folder)
        self._codes: dict[bytes, Encoded] = {}

    def add(self, snapshot: Snapshot) -> None:
        """Remember the codes of a snapshot."""
        if self.encoder is None:
            return
        vectors, late = snapshot.vectors(self.encoder.id, self.encoder.dim), self.encoder.late_dim
        known = vectors.row >= 0
        known[known] = vectors.norms[vectors.row[known]] > 0
        if late:
            known &= snapshot.token_vectors(self.encoder.id, late).row >= 0
        chunks = np.flatnonzero(known)
        tokens = snapshot.token_vectors(self.encoder.id, late).of(chunks) if late else [np.zeros((0, 0), np.int8)] * len(chunks)
        for chunk, own_tokens in zip(chunks.tolist(), tokens):
            own, text = snapshot.chunk(chunk)
            key = _key(snapshot.paths[snapshot.file[chunk]], own.symbol, text)
            self._codes.setdefault(key, (np.array(vectors.codes[vectors.row[chunk]]), np.array(own_tokens).view(Pooled)))

    def encode(self, repository: Repository, say: Progress) -> None:
        """Make the vectors of a copy; only what was never read is encoded."""
        if self.encoder is not None:
            fill(repository.tree, _Recalling(self.encoder, self._codes), say)


class _Recalling:
    """An encoder that looks up what it has read before; a code depends on the text alone."""

    def __init__(self, encoder: Encoder, codes: dict[bytes, Encoded]):
        self._encoder, self._codes = encoder, codes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def chunks_with_tokens(self, chunks: Sequence[tuple[str, str | None, str]]) -> tuple[np.ndarray, list[np.ndarray]]:
        keys = [_key(*chunk) for chunk in chunks]
        new = [i for i, key in enumerate(keys) if key not in self._codes]
        if new:
            self._codes |= zip([keys[i] for i in new], zip(*self._encoder.chunks_with_tokens([chunks[i] for i in new])))
        found = [self._codes[key] for key in keys]
        codes = np.stack([own for own, _ in found]) if found else np.zeros((0, self.dim), np.int8)
        return codes, [tokens for _, tokens in found]


def _key(path: str, symbol: str | None, text: str) -> bytes:
    return hashlib.blake2b(chunk_text(path, symbol, text).encode("utf-8", "surrogateescape"), digest_size=16).digest()


def _of_commits(root: Path, scratch: Path, split: Split, opened: Opened, limit: int, seed: int) -> list[Exam]:
    """The exams of what was committed after the cut-off, over the tree as it was there: gate and report."""
    history = History(repository_of(root), split.cutoff, "HEAD")
    folder = commit_tree(history, scratch)
    if folder is None:
        return []
    repository = opened(folder, "history")
    made = commit_queries(root, folder, history, list(repository.chunks()), limit=2 * limit, seed=seed)
    newest = {clean_subject(subject) for subject in git(root, "log", "--format=%s", f"{split.boundary}..HEAD").splitlines()}
    parts: dict[Part, list[Query]] = {"gate": [], "report": []}
    for asked in made.queries:
        parts["report" if asked.text in newest else "gate"].append(asked)
    taught = tuple(lessons_of_commits(repository, {}))
    return [Exam("commit", part, repository, tuple(questions), taught) for part, questions in parts.items()]


def _of_earlier(root: Path, scratch: Path, earlier: str, cutoff: str, later: Repository, opened: Opened, limit: int, seed: int) -> list[Exam]:
    """The exam of what was committed between an earlier commit and the cut-off, over the tree of the earlier one: train. What each
    commit changed is known from the index at the cut-off; what is no longer there is not asked for."""
    history = History(repository_of(root), earlier, cutoff)
    folder = commit_tree(history, scratch)
    if folder is None:
        return []
    repository = opened(folder, "earlier history")
    taught = tuple(lessons_of_commits(repository, {}))
    known = {one.digest for one in taught}
    since = dict.fromkeys(git(root, "rev-list", f"{earlier}..{cutoff}").split(), "gate")
    there = {(c.path, c.symbol) for c in repository.chunks() if c.kind in FUNCTIONS and not c.is_test}
    found: dict[str, Query] = {}
    for one in lessons_of_commits(later, since):
        gold = [Gold(place.path, place.symbol) for place in one.targets if (place.path, place.symbol) in there]
        if one.part == "gate" and gold and one.digest not in known:
            found.setdefault(one.digest, query("commit", one.query, gold))
    if len(found) < FEW:  # files were moved, or most of what was changed then is gone
        made = commit_queries(root, folder, history, list(repository.chunks()), limit=limit, seed=seed).queries
        found |= {one_digest: one for one in made if (one_digest := digest(one.text)) not in found and one_digest not in known}
    pool = sorted(found.values(), key=lambda asked: asked.id)
    return [Exam("commit", "train", repository, tuple(random.Random(seed).sample(pool, min(limit, len(pool)))), taught)]


def _of_documentation(source: Repository, scratch: Path, opened: Opened, taught: tuple[Lesson, ...], limit: int, seed: int) -> list[Exam]:
    """The exams of documentation, over a copy in which what is asked is blank; one a part."""
    made = docstring_queries(source.root, list(source.chunks()), scratch, limit=3 * limit, seed=seed)
    if not made.queries:
        return []
    copy = opened(made.root, "documentation")
    parts: dict[Part, list[Query]] = {}
    for asked in made.queries:
        parts.setdefault(part_of(asked), []).append(asked)
    return [Exam("docstring", part, copy, tuple(questions), taught) for part, questions in sorted(parts.items())]


def questions_of(exams: Sequence[Exam], part: Part) -> list[str]:
    """Digests of the questions of a part."""
    return sorted({digest(asked.text) for exam in exams if exam.part == part for asked in exam.questions})
