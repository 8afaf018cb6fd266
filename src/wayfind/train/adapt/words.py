"""What words have come to mean here: lessons of an index in, a sparse table word -> identifiers out.

A question's words and the names in the code that answers it: symbol, signature, what it calls, path. A pair of word and name is
kept where they meet more often than chance allows (log-likelihood ratio); how much of the word the name accounts for is learned by
IBM Model 1, in which each word of a question was said because of one name in the code, or of none. So a name that stands beside the
word itself gets no credit for it, and what is left are names that stand in for the word.

Sources: P. F. Brown et al., "The Mathematics of Statistical Machine Translation", 1993, https://aclanthology.org/J93-2003 (Model 1);
A. Berger, J. Lafferty, "Information Retrieval as Statistical Translation", 1999, https://doi.org/10.1145/312624.312681 (for search);
T. Dunning, "Accurate Methods for the Statistics of Surprise and Coincidence", 1993, https://aclanthology.org/J93-1003.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from wayfind.index.snapshot import Snapshot
from wayfind.index.tokens import STOP_WORDS, WORD, count, parts, stem, terms_of, words
from wayfind.search.vocabulary import Meaning, Vocabulary, Word
from wayfind.train.adapt.lessons import Lesson
from wayfind.types import Chunk

ORIGINS = ("docstring", "feedback")
"""What people say of a whole definition. Comments, sections and tests as well gave less on held-out questions, subjects of commits,
which speak of a change, took something away (docs/LOG.md, "Learned vocabulary")."""
MOST_LESSONS = 10_000
"""Some 2 million links, a second."""
FEWEST_LESSONS = 20
SIGNIFICANT = 10.83
"""Log-likelihood ratio from which a pair is no chance: chi-squared of one degree of freedom, p = 0.001."""
FEWEST_TOGETHER = 3
COMMON = 0.2
"""A name in more than this share of the lessons' code tells nothing."""
MOST_MEANINGS = 8
WEAKEST = 0.05
ROUNDS = 8
DOUBT = 3.0
"""Lessons added to those that hold a word, which none of its meanings accounts for: few lessons are believed less."""


@dataclass(frozen=True, slots=True)
class Example:
    """One lesson as words and names: the stems of a question's words, and the index terms of the code's names."""

    words: tuple[str, ...]
    names: tuple[str, ...]
    origin: str


@dataclass(frozen=True, slots=True)
class Links:
    """Each word of each example with each name of its code, as numbers. Axis link; axis cell: distinct pairs of word and name."""

    words: list[str]
    names: list[str]
    word: np.ndarray  # int64 [cell]
    name: np.ndarray  # int64 [cell]
    cell: np.ndarray  # int64 [link]
    said: np.ndarray  # int64 [link]: the occurrence of the word in its question
    of_said: np.ndarray  # int64 [said]: its word
    together: np.ndarray  # float64 [cell]: examples that have both
    with_word: np.ndarray  # float64 [word]: examples that have the word
    with_name: np.ndarray  # float64 [name]
    examples: int


def fit(lessons: Sequence[Lesson], snapshot: Snapshot) -> Vocabulary:
    """The vocabulary that the lessons teach; empty where they are too few. The same lessons and index give the same."""
    chosen = sorted((one for one in lessons if one.origin in ORIGINS), key=lambda one: one.digest)[:MOST_LESSONS]
    written: defaultdict[str, Counter[str]] = defaultdict(Counter)
    examples = _informative(list(_examples(chosen, snapshot, written)))
    if len(examples) < FEWEST_LESSONS:
        return {}
    links = linked(examples)
    strength = accounted(links)
    surprise = log_likelihood_ratio(links.together, links.with_word[links.word], links.with_name[links.name], links.examples)
    kept = (surprise >= SIGNIFICANT) & (links.together >= FEWEST_TOGETHER) & (strength >= WEAKEST)
    table: defaultdict[str, list[tuple[float, str]]] = defaultdict(list)
    for cell in np.flatnonzero(kept).tolist():
        word, name = links.words[links.word[cell]], links.names[links.name[cell]]
        if word != name:
            table[word].append((round(float(strength[cell]), 4), name))
    best = {word: sorted(found, key=lambda one: (-one[0], one[1]))[:MOST_MEANINGS] for word, found in table.items()}
    seen = _seen(examples, {(word, name) for word, found in best.items() for _, name in found})
    return {
        word: Word(_shown(written[word], word), tuple(Meaning(name, _shown(written[name], name), value, seen[word, name]) for value, name in found))
        for word, found in sorted(best.items())
    }


def linked(examples: Sequence[Example]) -> Links:
    """The links of examples; at least one example has a word and a name."""
    word_number: dict[str, int] = {}
    name_number: dict[str, int] = {}
    word, name, said, of_said = [], [], [], []
    for example in examples:
        own = np.array([word_number.setdefault(one, len(word_number)) for one in example.words], np.int64)
        code = np.array([name_number.setdefault(one, len(name_number)) for one in example.names], np.int64)
        word.append(np.repeat(own, len(code)))
        name.append(np.tile(code, len(own)))
        said.append(np.repeat(np.arange(len(own)) + len(of_said), len(code)))
        of_said += own.tolist()
    pairs = np.concatenate(word) * len(name_number) + np.concatenate(name)
    cells, cell, together = np.unique(pairs, return_inverse=True, return_counts=True)
    with_name = Counter(one for example in examples for one in example.names)
    return Links(
        list(word_number),
        list(name_number),
        cells // len(name_number),
        cells % len(name_number),
        cell,
        np.concatenate(said),
        np.array(of_said, np.int64),
        together.astype(float),
        np.bincount(of_said, minlength=len(word_number)).astype(float),
        np.array([with_name[one] for one in name_number], float),
        len(examples),
    )


def accounted(links: Links) -> np.ndarray:
    """How much of a word a name accounts for, [cell], 0 to 1: the root of the share of the word's uses, of which some are doubted,
    that were said because of the name.

    t(q|e) is the probability that a name e makes somebody say the word q; by expectation and maximisation,
    c(q,e) = sum over the questions that say q of t(q|e) / (t(q|none) + sum of t(q|e') over the names e' of their code), and
    t(q|e) = c(q,e) / sum of c(q',e) over the words q'. t(q|none) is the share of q among all that is said.
    """
    likely = links.together / links.with_name[links.name]
    likely /= np.bincount(links.name, likely)[links.name]
    by_chance = (links.with_word / links.with_word.sum())[links.of_said]
    expected = likely
    for _ in range(ROUNDS):
        each = likely[links.cell]
        reasons = np.bincount(links.said, each, len(links.of_said)) + by_chance
        expected = np.bincount(links.cell, each / reasons[links.said], len(likely))
        likely = expected / np.bincount(links.name, expected)[links.name]
    return np.sqrt(expected / (links.with_word[links.word] + DOUBT))


def log_likelihood_ratio(both: np.ndarray, first: np.ndarray, second: np.ndarray, total: int) -> np.ndarray:
    """Dunning's -2 log lambda that two things are independent which stand together `both` times, each alone `first` and `second`
    times, in `total` examples; 0 where they stand together less often than by chance."""
    cells = both, first - both, second - both, total - first - second + both
    ratio = 2 * (_entropic(*cells) - _entropic(first, total - first) - _entropic(second, total - second) + _entropic(np.full_like(both, float(total))))
    return np.where(both * total > first * second, np.maximum(ratio, 0.0), 0.0)


def _entropic(*counts: np.ndarray) -> np.ndarray:
    """Sum of n log n, 0 for n = 0."""
    return sum(np.where(n > 0, n * np.log(np.maximum(n, 1.0)), 0.0) for n in counts)


def names_of(chunk: Chunk, path: str) -> str:
    """The names in a chunk: its symbol, its signature, what it calls, and the path of its file."""
    return "\n".join((chunk.symbol or "", chunk.signature, " ".join(chunk.calls), path.rpartition(".")[0] or path))


def _examples(lessons: Iterable[Lesson], snapshot: Snapshot, written: defaultdict[str, Counter[str]]) -> Iterator[Example]:
    """Lessons as words and names; `written` gets how each is written."""
    places = {(snapshot.paths[snapshot.file[n]], symbol): n for n, symbol in enumerate(snapshot.symbols) if symbol}
    for lesson in lessons:
        texts = [
            names_of(snapshot.chunk(places[target.path, target.symbol])[0], target.path)
            for target in lesson.targets
            if target.symbol and (target.path, target.symbol) in places
        ]
        said = _said(lesson.query, written)
        names = list(dict.fromkeys(term for text in texts for term in count(text)))
        for word in dict.fromkeys(word for text in texts for word in words(text)):
            for term, shown in zip(terms_of(word), (word, *(part for part in parts(word))) if len(terms_of(word)) > 1 else (word.lower(),)):
                written[term][shown] += 1
        if said and names:
            yield Example(said, tuple(names), lesson.origin)


def _said(query: str, written: defaultdict[str, Counter[str]]) -> tuple[str, ...]:
    """Stems of a question's words, each once."""
    found: dict[str, None] = {}
    for word in WORD.findall(query):
        if word.lower() not in STOP_WORDS:
            for part in parts(word):
                if len(part) > 1 and not part.isdigit():
                    found[stem(part)] = None
                    written[stem(part)][part] += 1
    return tuple(found)


def _informative(examples: Sequence[Example]) -> list[Example]:
    """The examples without names that are everywhere, occur once, or say nothing."""
    times = Counter(name for example in examples for name in example.names)
    most = COMMON * len(examples)
    kept = {name for name, n in times.items() if FEWEST_TOGETHER <= n <= most and len(name) > 1 and not name.isdigit()}
    found = (Example(one.words, tuple(name for name in one.names if name in kept), one.origin) for one in examples)
    return [one for one in found if one.names]


def _seen(examples: Sequence[Example], pairs: Collection[tuple[str, str]]) -> defaultdict[tuple[str, str], dict[str, int]]:
    """(word, name) -> origin -> examples that have both, of the pairs asked for."""
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    for word, name in pairs:
        wanted[word].add(name)
    found: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for example in examples:
        for word in example.words:
            for name in wanted.get(word, set()).intersection(example.names):
                of = found[word, name]
                of[example.origin] = of.get(example.origin, 0) + 1
    return found


def _shown(written: Counter[str], key: str) -> str:
    """The commonest way in which a term is written; of several the shortest, then the first."""
    return min(written, key=lambda one: (-written[one], len(one), one), default=key)
