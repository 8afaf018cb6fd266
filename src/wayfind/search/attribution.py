"""Which words of the question met which words of a result, and how much of its score each brings.

A word's share is what the score loses when the word is taken out of the code, its name, its path and its history, the question
staying as it is: every share shown is above 0. Of meaning, which no single word of the code brings, it is what the score loses when
the word is left out of the question that the model reads; that takes an encoding a word and is made where it is asked for.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wayfind.index.segment import BODY
from wayfind.index.tokens import STOP_WORDS, WORD, parts, stem, terms_of
from wayfind.search.expansion import meanings, widened
from wayfind.search.lexical import FILE_K1, K1, Lexical, idf
from wayfind.search.query import Query
from wayfind.search.rank import SIGNALS, Ranked, learned, symbol_shares, weights_of, word_weights
from wayfind.search.searcher import PathWords, Searcher
from wayfind.types import Reason

MOST_WORDS = 16
"""Words of a question that are left out one after another to see what they mean; longer texts are attributed by words alone."""
LEAST = 0.005
"""Share of a score below which a reason is not shown."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What all results of one query share."""

    words: tuple[str, ...]
    """The question's words as written, heaviest first."""
    terms: dict[str, list[tuple[str, float]]]
    """Word -> its terms with their weights, nats, those that no chunk holds too."""
    stems: dict[str, set[str]]
    """Word -> the stems of its parts."""
    weighted: list[tuple[str, float]]
    """Stems with their weights, as names and paths are compared with."""
    total: float


class Attribution:
    """The reasons of one query's results."""

    def __init__(self, searcher: Searcher, query: Query, lexical: Lexical):
        self._searcher, self._query, self._lexical = searcher, query, lexical
        self._weights = dict(zip(SIGNALS, weights_of(searcher, query)[0].tolist()))
        self._asked = _asked(searcher, query, lexical)
        self._postings = {t: searcher.snapshot.frequencies(t) for some in self._asked.terms.values() for t, _ in some}
        self._meant: dict[str, np.ndarray] = {}
        self._stand_in = _stand_in(searcher, query, lexical)

    def with_meaning(self) -> Attribution:
        """The same, with what each word brings to the meaning: an encoding a word."""
        meanings, words = self._searcher.meanings, WORD.findall(self._query.text)
        if meanings is not None and self._query.kind != "identifier" and len(words) <= MOST_WORDS:
            for word in dict.fromkeys(w for w in words if w.lower() not in STOP_WORDS):
                rest = " ".join(re.sub(rf"\b{re.escape(word)}\b", " ", self._query.text).split())
                self._meant[word] = meanings.nearness(rest) if rest else np.zeros(self._searcher.snapshot.chunks)
            self._whole = meanings.nearness(self._query.text)
        return self

    def of(self, hit: Ranked, text: str) -> tuple[Reason, ...]:
        """The reasons of one result, the one that brings most first; `text` is the chunk's."""
        gross = sum(value for value in hit.signals.values() if value > 0)
        if gross <= 0:
            return ()
        lost = self._lost_words(hit)
        for word, value in (*self._lost_meaning(hit.chunk).items(), *self._lost_names(hit.chunk).items()):
            lost[word] = lost.get(word, 0.0) + value
        met = self._met(hit.chunk, text)
        found = [Reason(word, met.get(word, ()), round(value / gross, 3)) for word, value in lost.items() if value / gross >= LEAST]
        return tuple(sorted(found, key=lambda reason: (-reason.share, reason.word)))

    def _lost_words(self, hit: Ranked) -> dict[str, float]:
        """Word -> what the sum of signals loses without it, for the words that the result holds."""
        file = int(self._searcher.snapshot.file[hit.chunk])
        names = self._names(hit.chunk, file, frozenset())
        own = {word: self._lexical_parts(hit.chunk, file, word) for word in self._asked.words}
        lost = {}
        for word in self._asked.words:
            chunk, covered, whole_file = own[word]
            without = self._names(hit.chunk, file, self._asked.stems[word])
            value = self._weights["covered"] * covered + self._weights["file"] * whole_file
            before = float(self._lexical.chunk[hit.chunk])
            value += self._weights["lexical"] * (before**0.5 - max(before - chunk, 0.0) ** 0.5)
            value += sum(self._weights[name] * (names[name] - without[name]) for name in names)
            if chunk > 0 or any(names[name] > without[name] for name in names):
                if self._query.kind == "identifier" or word in self._query.identifiers:
                    value += hit.signals.get("definition", 0.0)
                value += hit.signals.get("literal", 0.0)
            if value > 0:
                lost[word] = value
        return lost

    def _lexical_parts(self, chunk: int, file: int, word: str) -> tuple[float, float, float]:
        """What a word's terms bring to the chunk's lexical score, to the share covered, and to the file's score."""
        snapshot, scale = self._searcher.snapshot, self._searcher.scales
        first, last = snapshot.chunk_file_first[file : file + 2]
        score = covered = whole = 0.0
        for term, weight in self._asked.terms[word]:
            frequency, in_file, held = 0.0, 0.0, False
            for number, (items, counts) in enumerate(self._postings[term]):
                at = int(np.searchsorted(items, chunk))
                if at < len(items) and items[at] == chunk:
                    frequency, held = frequency + float(counts[at]) * float(scale.chunk[chunk, number]), True
                if number == BODY:
                    here = slice(*np.searchsorted(items, (first, last)))
                    in_file = float(counts[here].sum(dtype=np.int64)) / float(scale.file[file])
            score += weight * frequency / (K1 + frequency)
            covered += weight * held
            whole += weight * in_file / (FILE_K1 + in_file)
        total = self._asked.total
        return score / total, covered / total, whole / total

    def _names(self, chunk: int, file: int, without: frozenset[str] | set[str]) -> dict[str, float]:
        """The signals of names of one result when the words `without` meet nothing."""
        kept = [(word, weight, word not in without) for word, weight in self._asked.weighted]
        paths = self._searcher.path_words
        name, name_exact = _path_shares(paths["name"], file, kept)
        folder, _ = _path_shares(paths["folder"], file, kept)
        total = sum(weight for _, weight in self._asked.weighted) or 1.0
        met = {word: weight for word, weight, there in kept if there}
        symbol, symbol_exact = symbol_shares(self._searcher.snapshot.symbols[chunk], met, self._query.written, total)
        return {"name": name, "name_exact": name_exact, "folder": folder, "symbol": symbol, "symbol_exact": symbol_exact, "symbol_both": symbol * symbol_exact}

    def _lost_meaning(self, chunk: int) -> dict[str, float]:
        """Word -> what nearness loses without it, times its weight."""
        if not self._meant or np.isnan(self._whole[chunk]):
            return {}
        fall = {word: float(self._whole[chunk] - near[chunk]) for word, near in self._meant.items()}
        return {word: self._weights["meaning"] * value for word, value in fall.items() if value > 0}

    def _lost_names(self, chunk: int) -> dict[str, float]:
        """Word -> what the score loses where no name stands for it any more (`search.expansion`)."""
        file = np.array([self._searcher.snapshot.file[chunk]])
        lost: dict[str, float] = {}
        for word, (holding, whole, without) in self._stand_in.items():
            if chunk not in holding:
                continue
            fall = learned(without, whole, np.array([chunk]), file)[0] * self._weights["learned"]
            fall += (whole.covered[chunk] - without.covered[chunk]) * self._weights["covered"]
            if fall > 0:
                lost[word] = float(fall)
        return lost

    def _met(self, chunk: int, text: str) -> dict[str, tuple[str, ...]]:
        """Word of the question -> words of the chunk's text, symbol and path that meet it, the most frequent first."""
        snapshot = self._searcher.snapshot
        path = snapshot.paths[snapshot.file[chunk]]
        of_term = {term: word for word, some in self._asked.terms.items() for term, _ in some}
        of_term |= {one: word for word, stems in self._asked.stems.items() for one in stems}
        of_term = {one.term: term.word for term, means in meanings(self._query, self._searcher.vocabulary) for one in means} | of_term
        found: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for word in WORD.findall(f"{text}\n{snapshot.symbols[chunk]}\n{path}"):
            for asked in {of_term[term] for term in terms_of(word) if term in of_term}:
                found[asked][word] = found[asked].get(word, 0) + 1
        return {asked: tuple(sorted(words, key=lambda w: (-words[w], w))[:5]) for asked, words in found.items()}


def _stand_in(searcher: Searcher, query: Query, lexical: Lexical) -> dict[str, tuple[set[int], Lexical, Lexical]]:
    """Word that names stand for -> the chunks that hold one of them, the scores with all that stands for words, and without what
    stands for this one."""
    known, found = searcher.vocabulary, {}
    expanded = list(meanings(query, known))
    whole = widened(searcher.snapshot, searcher.scales, query, lexical, known)
    for word in {term.word: None for term, _ in expanded}:
        keys = {term.text for term, _ in expanded if term.word == word}
        names = {meaning.term for term, means in expanded if term.word == word for meaning in means}
        rest = {key: one for key, one in known.items() if key not in keys}
        holding = {chunk for name in names for chunk in searcher.snapshot.holding(name).tolist()}
        found[word] = holding, whole, widened(searcher.snapshot, searcher.scales, query, lexical, rest)
    return found


def _asked(searcher: Searcher, query: Query, lexical: Lexical) -> _Asked:
    terms: defaultdict[str, list[tuple[str, float]]] = defaultdict(list)
    total = 0.0
    for term in query.terms:
        weight = lexical.idf.get(term.text) or term.weight * idf(0, searcher.snapshot.chunks)
        terms[term.word].append((term.text, weight))
        total += weight
    stems = {word: {stem(part) for part in parts(word)} for word in terms}
    return _Asked(tuple(terms), dict(terms), stems, word_weights(searcher, query, lexical), total or 1.0)


def _path_shares(words: PathWords, file: int, asked: Sequence[tuple[str, float, bool]]) -> tuple[float, float]:
    """`PathWords.scores` of one file, when some words meet nothing."""
    recall, total, met = 0.0, 0.0, {}
    for word, weight, there in asked:
        total += weight
        best = 0.0
        for path_word, holders, value in words.match(word) if there else ():
            at = int(np.searchsorted(holders, file))
            if at < len(holders) and holders[at] == file:
                best, met[path_word] = max(best, value), max(met.get(path_word, 0.0), value)
        recall += weight * best
    return recall / (total or 1.0), min(sum(met.values()) / max(float(words.count[file]), 1.0), 1.0)
