"""What a latent model learns from a repository: passages (all its definitions and sections), and pairs that each teach one level.

| level | asks | for |
|---|---|---|
| syntax | the words of a name; a signature | the body, in which the name is masked |
| structure | a function | what it calls; its siblings in the same class or file |
| semantics | documentation, a comment, a section, a test's name, a commit's subject | the code, in which what asks is left out |

The questions and their split are those of every learning here (`train.adapt.lessons`). Of files that are held out only code without
documentation and names takes part, as passages out of which words are drawn.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from wayfind.api import Repository
from wayfind.errors import UsageError
from wayfind.evaluate.from_tests import own_name
from wayfind.evaluate.queries import part
from wayfind.model.latent import Passage
from wayfind.search.latents import passage_of
from wayfind.train.adapt.lessons import Lesson, lessons
from wayfind.train.sources.kinds import FUNCTIONS
from wayfind.train.sources.masking import masked, without_documentation
from wayfind.train.sources.tree import Definition, of_record

SYNTAX, STRUCTURE, SEMANTICS = range(3)
Part = Literal["train", "valid", "gate", "report"]
Key = tuple[str, str | None, int]
"""Path, symbol and first line of a definition."""
FEWEST_PAIRS = 40
"""Questions in the part to learn from, below which nothing is learned."""
MOST_CALLEES = 4
MOST_ALIKE = 2
"""A called name that more definitions have says nothing about which one is meant."""
VALID = 8
"""One of so many questions to learn from is held out of it: when to stop is decided there, apart from the gate."""


class Pair(NamedTuple):
    """A question (words, or a passage that calls another) and the passage that answers it."""

    level: int
    kind: str
    query: str | Passage
    code: Passage
    key: Key
    """Which definition answers."""
    part: Part
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Material:
    """Everything that a repository gives to learn from."""

    pairs: tuple[Pair, ...]
    passages: tuple[Passage, ...]
    """Each definition and section, without documentation and name where its file is held out."""
    keys: tuple[Key, ...]
    """Which definition each passage is."""
    functions: tuple[int, ...]
    """Passages that are functions outside of tests: what questions are asked of."""
    bodies: tuple[Passage, ...]
    """The same functions as they are searched in a trial: without their documentation."""
    nameless: tuple[Passage, ...]
    """And without their names."""

    def of(self, *parts: Part, level: int | None = None) -> tuple[Pair, ...]:
        return tuple(pair for pair in self.pairs if pair.part in parts and level in (None, pair.level))


def read_material(repository: Repository) -> Material:
    """The passages and pairs of an open index; the same for the same index.

    Raises UsageError where there is too little to learn from.
    """
    found = material_of(repository)
    counts = Counter(pair.kind for pair in found.of("train", "valid", level=SEMANTICS))
    if counts.total() < FEWEST_PAIRS:
        seen = ", ".join(f"{count} from {kind}" for kind, count in counts.most_common()) or "none"
        raise UsageError(
            f"{repository.root} is too small to learn a model from: {FEWEST_PAIRS} questions (documentation, comments, sections, tests, commits) with their "
            f"code are needed in the third of the files that is learned from, found {seen}; it can be searched without learning"
        )
    return found


def material_of(repository: Repository) -> Material:
    """The same, however little it is."""
    snapshot = repository.snapshot()
    everything = [one for file, path in enumerate(snapshot.paths) for one in of_record(snapshot.record(file), path)]
    by_key = {one.key: one for one in everything}
    asked = [pair for lesson in lessons(repository).lessons for pair in _asked(lesson, by_key)]
    definitions = [one for one in everything if one.kind != "section"]
    pairs = {(pair.level, pair.query, pair.key): pair for pair in (*asked, *_signatures(definitions), *_structure(definitions))}
    functions = tuple(row for row, one in enumerate(everything) if one.kind in FUNCTIONS and not one.is_test and one.symbol)
    passages = tuple(_whole(one) if part(one.path) == "train" else _bare(one) for one in everything)
    chosen = [everything[row] for row in functions]
    bodies, nameless = tuple(map(_undocumented, chosen)), tuple(map(_bare, chosen))
    return Material(tuple(pairs.values()), passages, tuple(one.key for one in everything), functions, bodies, nameless)


def _whole(one: Definition) -> Passage:
    return passage_of(one.path, one.chunk, one.text())


def _undocumented(one: Definition) -> Passage:
    return Passage(one.path, one.symbol or "", "", one.chunk.comments, _code(one))


def _code(one: Definition) -> str:
    return "\n".join(without_documentation(one) or one.lines)


def _bare(one: Definition) -> Passage:
    """Without documentation, and without name where it is code."""
    return _whole(one) if one.kind == "section" else _hidden(one, masked(_code(one), one.symbol or ""))


def _hidden(one: Definition, code: str) -> Passage:
    name = one.symbol or ""
    return Passage(masked(one.path, name), _owner(one), "", masked(one.chunk.comments, name), code)


def _asked(lesson: Lesson, by_key: dict[Key, Definition]) -> Iterator[Pair]:
    """The pairs of a question: one for each of its right answers."""
    for gold in lesson.targets:
        one = by_key.get((gold.path, gold.symbol, gold.start_line or 0))
        if one is not None:
            code = _answer(lesson, one)
            level = SYNTAX if lesson.origin == "name" else SEMANTICS
            yield Pair(level, lesson.origin, lesson.query, code, one.key, _finer(lesson.part, lesson.digest), lesson.weight)


def _answer(lesson: Lesson, one: Definition) -> Passage:
    """The code as a question's own text left it: path and symbol stand on lines of their own above it."""
    if not lesson.code:
        return _undocumented(one) if part(one.path) == "train" else _bare(one)
    path, *rest = lesson.code.split("\n")
    symbol = rest.pop(0) if one.symbol and rest else ""
    return _hidden(one, "\n".join(rest)) if lesson.origin == "name" else Passage(path, symbol, "", "", "\n".join(rest))


def _finer(third: str, digest: str) -> Part:
    drawn = int(digest[:8], 16) % VALID == 0
    return "valid" if third == "train" and drawn else third


def _signatures(definitions: Sequence[Definition]) -> Iterator[Pair]:
    for one in definitions:
        if one.kind in FUNCTIONS and not one.is_test and (body := _below_signature(one)):
            digest = hashlib.sha256(str(one.key).encode("utf-8", "surrogateescape")).hexdigest()
            yield Pair(SYNTAX, "signature", one.chunk.signature, _hidden(one, body), one.key, _finer(part(one.path), digest), 0.3)


def _below_signature(one: Definition) -> str:
    """The code under a signature, name masked; empty where it has fewer than two lines or the signature is a mere name."""
    lines = without_documentation(one) or list(one.lines)
    ends = next((row for row, line in enumerate(lines) if re.search(r"[{:=]\s*$|\bthen$|\bdo$|\)\s*$", line.rstrip())), 0)
    body = [line for line in lines[ends + 1 :] if line.strip()]
    return masked("\n".join(body), one.symbol or "") if len(body) >= 2 and len(one.chunk.signature.split()) >= 3 else ""


def _structure(definitions: Sequence[Definition]) -> Iterator[Pair]:
    functions = [one for one in definitions if one.kind in FUNCTIONS and not one.is_test and one.symbol]
    named: defaultdict[str, list[Definition]] = defaultdict(list)
    for one in functions:
        named[own_name(one.symbol or "")].append(one)
    for one in functions:
        called = [named[name] for name in dict.fromkeys(own_name(call) for call in one.chunk.calls) if name in named]
        callees = [other for others in called if len(others) <= MOST_ALIKE for other in others if other.key != one.key]
        for other in callees[:MOST_CALLEES]:
            yield _related("call", one, other)
    for one, other in zip(functions, functions[1:]):
        if one.path == other.path and _owner(one) == _owner(other):
            yield _related("sibling", one, other)


ORDER: tuple[Part, ...] = ("train", "valid", "gate", "report")


def _related(kind: str, one: Definition, other: Definition) -> Pair:
    """What two functions teach belongs to the later part of the two; they are read without their paths, which siblings share."""
    where = max((part(one.path), part(other.path)), key=ORDER.index)
    digest = hashlib.sha256(f"{one.key}{other.key}".encode("utf-8", "surrogateescape")).hexdigest()
    code = [_undocumented(each)._replace(path="") for each in (one, other)]
    return Pair(STRUCTURE, kind, *code, other.key, _finer(where, digest))


def _owner(one: Definition) -> str:
    return (one.symbol or "").rpartition(".")[0]


def texts(material: Material) -> Iterator[str]:
    """Every text that may be learned from: what a vocabulary is made of."""
    for one in (*(pair.query for pair in material.of("train")), *material.passages):
        yield one if isinstance(one, str) else "\n".join(one[:5])
