"""One run of learning: lessons and exams of a repository in, out an adaptation, its figures before and after, and whether it is kept.

Each component is fitted three times on two thirds of the train questions and tried by the search itself on the third that is left; what
does not help there is dropped. What is left is fitted on all of them and judged once, on questions that nothing before has seen. The same
index, history and seed give the same adaptation.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from wayfind import __version__
from wayfind.api import Repository, open_repository
from wayfind.errors import ModelError, NotFound, StorageError, UsageError
from wayfind.evaluate.queries import Query
from wayfind.evaluate.scratch import GitError, git, repository_of, tree_at
from wayfind.model import adaptation as adaptations
from wayfind.model.adaptation import Adaptation
from wayfind.model.encoder import current_encoder
from wayfind.search.vocabulary import as_data
from wayfind.train.adapt import manner, query_map, terms, weights, words
from wayfind.train.adapt.exams import WHOLE_HISTORY, Exam, Sheet, Known, answered, borrow, exams, gold_of, questions_of, take
from wayfind.train.adapt.gate import ALL, FIGURE, Compared, Verdict, compare, general_questions, judge, summary, together
from wayfind.train.adapt.lessons import Lesson, Lessons, lessons
from wayfind.train.adapt.memory import Codes, remember
from wayfind.types import Progress

FEWEST_LESSONS = 50
"""Lessons of the train part below which nothing is tried."""
FEWEST_QUESTIONS = 30
"""Train questions below which nothing is tried."""
HELPS = 0.002
"""Gain in the mean of FIGURE over the questions, each asked without being fitted on, from which a component stays."""
HARMS = 0.01
"""What a component may take off any kind of question there."""
SURE = 0.5
"""Standard errors that this gain must have: of three components that do nothing, one passes, and is left to the gate."""
FOLDS = 3
"""Times that a component is fitted, each time without the questions that it is then asked."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a run gave."""

    adaptation: Adaptation | None
    """None where there was too little to learn from, or no component helped."""
    verdict: Verdict
    counts: dict[str, int]
    """Origin -> lessons that were learned from."""
    tried: dict[str, float] = field(default_factory=dict)
    """Component -> its gain on train questions that it was not fitted on."""
    gate: tuple[Compared, ...] = ()
    report: tuple[Compared, ...] = ()
    general: tuple[Compared, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Drawn:
    """Some questions of one exam."""

    exam: Exam
    questions: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Material:
    """What a component may learn from, and for: train questions, the lessons of the repository, and the model in use."""

    drawn: tuple[Drawn, ...]
    lessons: tuple[Lesson, ...]
    """Of part train."""
    repository: Repository
    codes: Codes | None
    """None without a model."""
    seed: int


@dataclass(frozen=True, slots=True)
class Parts:
    """What was learned so far, by component; what is remembered is made anew for each index that it is asked of."""

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    remembers: bool = False

    def __bool__(self) -> bool:
        return bool(self.arrays or self.about or self.remembers)

    def adaptation(self, taught: Sequence[Lesson], codes: Codes | None, about: dict[str, Any] | None = None) -> Adaptation:
        """The adaptation that remembers these lessons."""
        arrays = {**self.arrays, **(remember(taught, codes) if self.remembers else {})}
        return adaptations.made(codes.encoder.id if codes else "", arrays, {**self.about, **(about or {})})


Fit = Callable[[Material, Parts], Parts]


def learn(
    repository: Repository,
    *,
    seed: int = 0,
    say: Progress | None = None,
    components: dict[str, Fit] | None = None,
    shuffled: int | None = None,
) -> Learnt:
    """Learn from an open, indexed repository. Nothing is stored, nothing of the repository or its index is changed.

    `shuffled`: a seed by which answers are exchanged between the questions that are learned from, to see that the gate refuses what
    cannot have taught anything. Raises StorageError where the scratch copies find no room.
    """
    return next(learnings(repository, [shuffled], seed=seed, say=say, components=components))


def learnings(
    repository: Repository,
    shuffles: Sequence[int | None],
    *,
    seed: int = 0,
    say: Progress | None = None,
    components: dict[str, Fit] | None = None,
) -> Iterator[Learnt]:
    """The same for several seeds of exchanged answers, None for the answers as they are; what is asked is made once for all."""
    began, say = time.monotonic(), say or (lambda stage, done, total: None)
    known = lessons(repository)
    counts = known.counts()
    if sum(counts.values()) < FEWEST_LESSONS:
        little = Verdict(False, f"too little to learn from: {sum(counts.values())} lessons, {FEWEST_LESSONS} are needed")
        yield from (Learnt(None, little, counts) for _ in shuffles)
        return
    try:
        with tempfile.TemporaryDirectory(prefix="wayfind-learn-", ignore_cleanup_errors=True) as scratch:
            with exams(repository, known.split, Path(scratch), seed=seed, say=say) as made:
                for shuffled in shuffles:
                    own, asked = (known, made) if shuffled is None else _shuffled(known, made, shuffled)
                    learnt = _learnt(repository, own, asked, seed, say, COMPONENTS if components is None else components)
                    yield replace(learnt, counts=learnt.counts or counts, seconds=time.monotonic() - began)
                    began = time.monotonic()
    except GitError as refused:
        raise UsageError(f"git refused what learning needs: {refused}") from refused
    except OSError as refused:
        raise StorageError(f"learning needs room for copies of the tree in {tempfile.gettempdir()}: {refused}") from refused


def _learnt(repository: Repository, known: Lessons, made: Sequence[Exam], seed: int, say: Progress, components: dict[str, Fit]) -> Learnt:
    train = [exam for exam in made if exam.part == "train"]
    questions = sum(len(exam.questions) for exam in train)
    if questions < FEWEST_QUESTIONS:
        return Learnt(None, Verdict(False, f"too little to learn from: {questions} questions to train with, {FEWEST_QUESTIONS} are needed"), {})
    train.append(_of_names(train[-1]))
    encoder = current_encoder(repository.tree.folder)
    codes = Codes(encoder) if encoder else None
    own = tuple(known.of("train"))
    material = Material(_drawn(train, lambda place: True), own, repository, codes, seed)
    folds = [_fold(train, material, number) for number in range(FOLDS)]
    chosen, tried = _chosen(folds, components, say)
    if not chosen:
        return Learnt(None, Verdict(False, "no component helped on questions that it had not seen"), {}, tried)
    parts = _unlearned(material)
    for name in chosen:
        say(f"learn {name}", 0, 0)
        parts = components[name](material, parts)
    return _judged(repository, known, made, parts, codes, tried, chosen, seed, say)


@dataclass(frozen=True, slots=True)
class Fold:
    """One way to divide the train questions: what is fitted on, and what is asked then."""

    material: Material
    valid: tuple[Drawn, ...]


def _fold(train: Sequence[Exam], whole: Material, number: int) -> Fold:
    valid = _drawn(train, lambda place: place % FOLDS == number)
    return Fold(replace(whole, drawn=_drawn(train, lambda place: place % FOLDS != number), lessons=_unasked(whole.lessons, valid)), valid)


def _chosen(folds: Sequence[Fold], components: dict[str, Fit], say: Progress) -> tuple[list[str], dict[str, float]]:
    """The components that help on questions that they were not fitted on, each on top of those before, and what each brought."""
    chosen: list[str] = []
    tried: dict[str, float] = {}
    parts = [_unlearned(fold.material) for fold in folds]
    best = [_asked(fold.valid, own, fold.material.codes) for fold, own in zip(folds, parts)]
    for number, (name, fit) in enumerate(components.items()):
        say(f"try {name}", number, len(components))
        candidates = [fit(fold.material, own) for fold, own in zip(folds, parts)]
        if all(new is own for new, own in zip(candidates, parts)):
            continue
        now = [_asked(fold.valid, new, fold.material.codes) for fold, new in zip(folds, candidates)]
        gains = _gains(best, now)
        wanted = [of for kind, of in gains.items() if kind != "name"]
        mean = sum(float(of.mean()) for of in wanted) / len(wanted)
        error = sum(float(of.var()) / len(of) for of in wanted) ** 0.5 / len(wanted)
        tried[name] = round(mean, 4)
        if mean >= max(HELPS, SURE * error) and not any(_harmed(of) for of in gains.values()):
            chosen.append(name)
            parts, best = candidates, now
    return chosen, tried


def _unlearned(material: Material) -> Parts:
    """Nothing learned yet but for which questions it is to hold."""
    return Parts(manner.fit(material.drawn[0].exam.taught, material.lessons, material.codes))


def _harmed(gains: np.ndarray) -> bool:
    """Whether questions of a kind lose by more than chance; for the few names and documentations of some folds, the gate has the last word."""
    return float(gains.mean()) < -HARMS - float(gains.std()) / len(gains) ** 0.5


def _gains(before: Sequence[Sheet], after: Sequence[Sheet]) -> dict[str, np.ndarray]:
    """Kind -> the differences of FIGURE of its questions."""
    found: dict[str, list[float]] = {}
    for old, new in zip(before, after):
        for key, figures in old.figures.items():
            found.setdefault(key.rpartition("-")[0], []).append(new.figures[key][FIGURE] - figures[FIGURE])
    return {kind: np.array(of) for kind, of in sorted(found.items())}


def _of_names(exam: Exam) -> Exam:
    """Names of definitions asked over an exam's index: what is fitted to other questions must still find them."""
    return replace(exam, kind="name", questions=tuple(general_questions(exam.snapshot, ("train",))))


def _asked(valid: Sequence[Drawn], parts: Parts, codes: Codes | None) -> Sheet:
    """The figures of each question, by the search with these parts."""
    sheets = [take(one.exam, parts.adaptation(one.exam.taught, codes) if parts else None, one.questions) for one in valid]
    return together(sheets)


def _judged(
    repository: Repository, known: Lessons, made: Sequence[Exam], parts: Parts, codes: Codes | None, tried: dict[str, float], chosen: list[str], seed: int, say: Progress
) -> Learnt:
    """The adaptation, judged on questions that nothing before has seen."""
    taught = next((exam.taught for exam in made if exam.part != "train" and exam.taught), ())
    marked = tuple(one for one in known.of("train") if one.origin == "feedback")
    counts = {**known.counts(), "commit": len(taught)} if taught else known.counts()
    about = {
        "wayfind": __version__, "components": chosen, "tried": tried, "seed": seed, "lessons": counts,
        "cutoff": known.split.cutoff, "boundary": known.split.boundary,
        "used": {"train": sorted({one.digest for one in (*known.of("train"), *taught)} | set(questions_of(made, "train"))), "gate": questions_of(made, "gate")},
    }  # fmt: skip
    draft = parts.adaptation((*taught, *marked), codes, about)
    gate, report = (_compared(made, part, draft, seed, say) for part in ("gate", "report"))
    asked = general_questions(repository.snapshot(), ("gate", "report"))
    searcher = repository.searcher()
    general = compare("name", *(answered(searcher.with_adaptation(one), asked) for one in (None, draft)), seed)
    verdict = judge(gate, general, _against_present(repository, made, draft, seed))
    figures = {"gate": summary(gate), "report": summary(report), "general": summary(general), "why": verdict.why}
    final = parts.adaptation((*taught, *marked), codes, {**about, "figures": figures})
    return Learnt(final, verdict, counts, tried, tuple(gate), tuple(report), tuple(general))


def _against_present(repository: Repository, made: Sequence[Exam], draft: Adaptation, seed: int) -> Compared | None:
    """The gate's questions asked of what is in use, then of what was learned now: a later run goes on from where the last one got.
    None where nothing is in use, or it was made for another model."""
    try:
        present = adaptations.load(repository.learned_folder, adaptations.current(repository.learned_folder))
    except (ModelError, NotFound):
        return None
    exams_of_gate = [exam for exam in made if exam.part == "gate"]
    if present.model != draft.model or not exams_of_gate:
        return None
    before, after = (together([take(exam, one) for exam in exams_of_gate]) for one in (present, draft))
    return next(one for one in compare(ALL, before, after, seed) if one.figure == FIGURE)


def _compared(made: Sequence[Exam], part: str, adaptation: Adaptation, seed: int, say: Progress) -> list[Compared]:
    """Figures of a part before and after, each kind alone and, first, all together."""
    before, after = {}, {}
    for number, exam in enumerate(one for one in made if one.part == part):
        say(f"judge by {part}", number, 0)
        before[exam.kind], after[exam.kind] = take(exam, None), take(exam, adaptation)
    found = compare(ALL, together(list(before.values())), together(list(after.values())), seed) if before else []
    return found + [one for kind in before for one in compare(kind, before[kind], after[kind], seed)]


def _drawn(train: Sequence[Exam], wanted: Callable[[int], bool]) -> tuple[Drawn, ...]:
    """Questions by their place among those of their exam in the order of their ids, which is drawn by content."""
    found = [Drawn(exam, tuple(q for place, q in enumerate(sorted(exam.questions, key=lambda q: q.id)) if wanted(place))) for exam in train]
    return tuple(one for one in found if one.questions)


def _unasked(taught: Sequence[Lesson], asked: Sequence[Drawn]) -> tuple[Lesson, ...]:
    """The lessons about other code than what these questions ask for: its documentation is the question."""
    gold = {(place.path, place.symbol) for one in asked for question in one.questions for place in question.gold}
    return tuple(one for one in taught if not any((place.path, place.symbol) in gold for place in one.targets))


def _shuffled(known: Lessons, made: Sequence[Exam], seed: int) -> tuple[Lessons, list[Exam]]:
    """Lessons and exams of which the train part has its answers exchanged."""
    return replace(known, lessons=_exchanged(known.lessons, seed)), [_shuffled_exam(exam, seed) for exam in made]


def _shuffled_exam(exam: Exam, seed: int) -> Exam:
    """The exam of the train part with answers exchanged between its questions and between its lessons; others as they are."""
    questions = list(exam.questions)
    if exam.part == "train":
        order = np.random.default_rng(seed).permutation(len(questions))
        questions = [replace(one, gold=questions[i].gold) for one, i in zip(questions, order)]
    return replace(exam, taught=_exchanged(exam.taught, seed), questions=tuple(questions))


def _exchanged(taught: Sequence[Lesson], seed: int) -> tuple[Lesson, ...]:
    """The lessons with the answers exchanged between them."""
    order = np.random.default_rng(seed).permutation(len(taught))
    return tuple(replace(one, targets=taught[i].targets) for one, i in zip(taught, order))


@contextmanager
def as_of(repository: Repository, commit: str) -> Iterator[Repository]:
    """The repository as it was at a commit, history and all, in a scratch copy with an index of its own. Raises UsageError."""
    own = repository_of(repository.root)
    try:
        if own is None:
            raise UsageError(f"{repository.root} is not in a git repository, so it has no commit {commit}")
        found = git(repository.root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}").strip()
    except GitError as refused:
        raise UsageError(f"no commit {commit!r} in {repository.root}; `git log --oneline` lists them") from refused
    with tempfile.TemporaryDirectory(prefix="wayfind-until-", ignore_cleanup_errors=True) as scratch:
        tree_at(own.top, Path(scratch) / "tree", found)
        folder = Path(scratch) / "tree" / own.prefix
        if not folder.is_dir():
            raise UsageError(f"{repository.root} was not there at commit {commit}")
        known = Known(repository)
        known.add(repository.snapshot())
        with open_repository(folder, Path(scratch) / "home", adapted=False) as copy:
            borrow(copy, repository)
            copy.refresh(options=WHOLE_HISTORY)
            known.encode(copy, lambda stage, done, total: None)
            yield copy


# Components, in the order in which they are tried


def remembered(material: Material, parts: Parts) -> Parts:
    """What was asked before, and the weights of the ranker with it."""
    return weighed(material, replace(parts, remembers=True))


def weighed(material: Material, parts: Parts) -> Parts:
    """The weights of the ranker."""
    given = [
        weights.candidates(one.exam, parts.adaptation(one.exam.taught, material.codes) if parts else None, one.questions) for one in material.drawn
    ]
    whole = weights.joined(given)
    if len(whole.first) < FEWEST_QUESTIONS // 2:
        return parts
    return replace(parts, about={**parts.about, "weights": weights.fit(whole)})


def moved(material: Material, parts: Parts) -> Parts:
    """The low-rank map of query vectors."""
    if material.codes is None:
        return parts
    found = []
    for one in material.drawn:
        snapshot = one.exam.snapshot
        vectors = snapshot.vectors(material.codes.encoder.id, material.codes.encoder.dim)
        codes = np.where((vectors.row >= 0)[:, None], vectors.codes[np.maximum(vectors.row, 0)], 0) if len(vectors.codes) else np.zeros((snapshot.chunks, 1), np.int8)
        asked = [(q.text, gold_of(one.exam, q)) for q in one.questions]
        found.append(query_map.pairs(material.codes.of([text for text, _ in asked]), [gold for _, gold in asked], codes, snapshot.file))
    learned = query_map.fit(found, material.seed)
    return replace(parts, arrays={**parts.arrays, **learned}) if learned else parts


def told(material: Material, parts: Parts) -> Parts:
    """The weights of terms."""
    asked: Counter[str] = Counter()
    held: Counter[str] = Counter()
    for one in material.drawn:
        more = terms.counts([(q.text, gold_of(one.exam, q)) for q in one.questions], one.exam.snapshot)
        asked += more[0]
        held += more[1]
    learned = terms.fit(asked, held, material.drawn[0].exam.snapshot)
    return replace(parts, arrays={**parts.arrays, **learned}) if learned else parts


def meant(material: Material, parts: Parts) -> Parts:
    """What words mean here."""
    vocabulary = words.fit(material.lessons, material.repository.snapshot())
    return replace(parts, about={**parts.about, "words": as_data(vocabulary)}) if vocabulary else parts


COMPONENTS: dict[str, Fit] = {"memory": remembered, "words": meant, "terms": told, "map": moved, "weights": weighed}
