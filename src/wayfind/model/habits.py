"""How a repository speaks of its functions: their sentences and what is read of them in, and for a function like some of them the words
that its documentation would likely use next.

Nothing is trained: the sentences of the nearest functions are mixed into what the decoder would say, as a cache of n-grams (Grave, Joulin,
Usunier, "Improving Neural Language Models with a Continuous Cache", 2016, https://arxiv.org/abs/1612.04426). What may be said stays bounded
by the function's own code, but for plain words that several of the nearest share.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log, sqrt

import numpy as np

from wayfind.corpus.english import is_verb, third_person
from wayfind.model.wording import is_name, parts, spelled, tokens
from wayfind.model.wordpiece import WordPiece

NEAREST = 8
LEAST_LIKE = 0.3
"""Cosine below which a function is not like another."""
SHARED = 2
"""Of the nearest functions, how many use a word that may be said though the code does not hold it."""
TRUST = (0.0, 0.35, 0.6)
"""Share of the n-grams in the next symbol, by the number of symbols before it that were seen together."""
START = 2
LONGEST = 40
"""Pieces of a sentence."""


@dataclass(frozen=True, slots=True)
class Habit:
    """What the functions nearest to one say of themselves."""

    after: dict[tuple[int, ...], dict[int, float]] = field(default_factory=dict)
    words: frozenset[str] = frozenset()
    """Plain words that several share."""
    leads: tuple[str, ...] = ()
    """First words that several share."""

    def mixed(self, probabilities: np.ndarray, said: Sequence[int]) -> np.ndarray:
        """The probabilities of the next symbol after what was said."""
        before = (START, *said)
        for length in (2, 1):
            found = self.after.get(tuple(before[-length:])) if len(before) >= length else None
            if found:
                share = TRUST[length]
                probabilities = (1 - share) * probabilities
                total = sum(found.values())
                for symbol, weight in found.items():
                    probabilities[symbol] += share * weight / total
                break
        return probabilities


NO_HABIT = Habit()


def sentence_of(documentation: str) -> str:
    """The first sentence of a documentation with its verb in the third person, "" where it is none of 3 to 25 words.

    >>> sentence_of("Load the pages.  Never fails."), sentence_of("Pages")
    ('Loads the pages', '')
    """
    words = _END.split(" ".join(documentation.split()), maxsplit=1)[0].rstrip(".").split()
    if not 3 <= len(words) <= 25:
        return ""
    first = words[0].lower()
    return " ".join([third_person(first).capitalize() if is_verb(first, alone=False) else words[0], *words[1:]])


_END = re.compile(r"(?<=\w[.!?;:])\s|\s-{1,2}\s")


class Habits:
    """The documented functions of a repository. `known`: of each what is read of it as ids, the first word of its name, and its
    sentence."""

    def __init__(self, known: Sequence[tuple[Sequence[int], str, str]], vocabulary: WordPiece) -> None:
        self._said, self._family = [sentence for *_, sentence in known], [first for _, first, _ in known]
        self._ids = [tuple(vocabulary.ids(spelled(f"{sentence} ."), LONGEST)) for sentence in self._said]
        counts = [Counter(ids) for ids, *_ in known]
        holding = Counter(one for count in counts for one in count)
        self._idf = {one: log(len(known) / times) for one, times in holding.items() if times < 0.3 * len(known)}
        self._postings: defaultdict[int, list[tuple[int, float]]] = defaultdict(list)
        for number, count in enumerate(counts):
            for one, value in self._vector(count).items():
                self._postings[one].append((number, value))

    def _vector(self, count: Counter[int]) -> dict[int, float]:
        vector = {one: (1 + log(times)) * self._idf[one] for one, times in count.items() if one in self._idf}
        length = sqrt(sum(value * value for value in vector.values())) or 1.0
        return {one: value / length for one, value in vector.items()}

    def __len__(self) -> int:
        return len(self._said)

    def near(self, ids: Sequence[int], first: str, without: str = "") -> Habit:
        """The habit of the functions nearest to what is read of one whose name begins with the word `first`: only those that share it say
        what it does, the others only how such a thing is put. `without`: a sentence that is not counted, its own."""
        like: Counter[int] = Counter()
        for one, value in self._vector(Counter(ids)).items():
            for number, other in self._postings.get(one, ()):
                like[number] += value * other
        nearest = [(number, value) for number, value in like.most_common(3 * NEAREST) if value >= LEAST_LIKE and self._said[number] != without][:NEAREST]
        if not nearest:
            return NO_HABIT
        after: defaultdict[tuple[int, ...], dict[int, float]] = defaultdict(dict)
        words: Counter[str] = Counter()
        leads: Counter[str] = Counter()
        for number, value in nearest:
            symbols = (START, *self._ids[number])
            for at in range(1, len(symbols)):
                for length in (1, 2):
                    if at >= length:
                        told = after[symbols[at - length : at]]
                        told[symbols[at]] = told.get(symbols[at], 0.0) + value * value
            if self._family[number] != first:
                continue
            own = {part for token in tokens(self._said[number]) if not is_name(token) for part in parts(token)}
            words.update(own)
            leads[next(iter(parts(self._said[number])), "")] += 1
        return Habit(dict(after), frozenset(word for word, times in words.items() if times >= SHARED), tuple(word for word, times in leads.most_common(3) if times >= SHARED and word))
