"""A query's words count, at a low weight, as the identifiers that stand for them in this repository.

Source: N. Rekabsaz, M. Lupu, A. Hanbury, G. Zuccon, "Generalizing Translation Models in the Probabilistic Relevance Framework",
CIKM 2016, applied to BM25F: the frequency of a word q in a field of a chunk becomes

    f'(q) = f(q) + sum over the meanings e of q of c(e) f(e),   0 < c(e) < 1

before it is saturated. So the word itself counts for more than what stands for it, and neither more of the one nor of the other
lowers a score. We differ in that a word keeps its own rarity where a chunk holds it, and in that all of it is an addend of its own
(signal `learned`): what search finds without a vocabulary keeps its score.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from wayfind.index.segment import BODY, SYMBOL
from wayfind.index.snapshot import Snapshot
from wayfind.search.lexical import FILE_K1, K1, Lexical, Scales, idf
from wayfind.search.query import Query, Term
from wayfind.search.vocabulary import Meaning, Vocabulary

LEARNED = 0.25
"""Weight of an identifier that accounts for all uses of a word, beside the word's own 1: of 0.1 to 0.5, docs/LOG.md,
"Learned vocabulary"."""
PINNED = 0.8
"""Weight of one that the user pinned."""
_EXPANDED = ("question", "identifier")
"""Queries whose words count as what was learned: longer texts say what they mean in several ways. What is pinned counts in all."""


def counted(meaning: Meaning) -> float:
    """c(e): what one occurrence of an identifier counts beside one of the word."""
    return PINNED if meaning.pinned else LEARNED * meaning.strength


def meanings(query: Query, vocabulary: Vocabulary) -> Iterator[tuple[Term, list[Meaning]]]:
    """The query's terms that mean something here, with what they mean beyond the query's own words."""
    own = {term.text for term in query.terms}
    for term in query.terms if vocabulary else ():
        if word := vocabulary.get(term.text):
            found = [one for one in word.meanings if one.term not in own and (one.pinned or query.kind in _EXPANDED)]
            if found:
                yield term, found


def widened(snapshot: Snapshot, scale: Scales, query: Query, lexical: Lexical, vocabulary: Vocabulary) -> Lexical:
    """The scores of a query when its words count as what they mean too: nowhere less than without. Deterministic.

    Of a word that no chunk holds, what is pinned takes the place: the word is as rare as that. For what is learned it stays as rare
    as a word can be, so that a question is not answered by a guess alone.
    """
    chunk, covered, file, symbol = lexical.chunk, lexical.covered, lexical.file, lexical.symbol
    before = after = sum(lexical.idf.get(term.text) or term.weight * idf(0, snapshot.chunks) for term in query.terms)
    for term, found in meanings(query, vocabulary):
        own, own_in_file = np.zeros(snapshot.chunks), np.zeros(snapshot.files)
        _add(snapshot, scale, term.text, 1.0, own, own_in_file)
        more, more_in_file, held = np.zeros_like(own), np.zeros_like(own_in_file), np.zeros_like(own)
        for meaning in found:
            holding = _add(snapshot, scale, meaning.term, counted(meaning), more, more_in_file)
            held[holding] = np.maximum(held[holding], counted(meaning))
            if meaning.pinned:
                symbol = symbol | _in_symbol(snapshot, meaning.term)
        if not more.any():
            continue
        rarity = term.weight * idf(int(np.count_nonzero(own + more)), snapshot.chunks)
        if term.text not in lexical.idf and any(meaning.pinned for meaning in found):
            after -= term.weight * idf(0, snapshot.chunks) - rarity
        weight = lexical.idf.get(term.text, rarity) / before
        chunk = chunk + weight * (_saturated(own + more, K1) - _saturated(own, K1))
        covered = covered + weight * np.where(own > 0, 0.0, held)
        file = file + weight * (_saturated(own_in_file + more_in_file, FILE_K1) - _saturated(own_in_file, FILE_K1))
    if chunk is lexical.chunk:
        return lexical
    grown = before / after
    return replace(lexical, chunk=chunk * grown, covered=covered * grown, file=file * grown, symbol=symbol)


def standing_in(snapshot: Snapshot, query: Query, lexical: Lexical, vocabulary: Vocabulary) -> dict[str, tuple[str, float]]:
    """Term that stands for a word of the query -> (`word~name`, what it weighs in nats), for the lines that say why."""
    found: dict[str, tuple[str, float]] = {}
    for term, means in meanings(query, vocabulary):
        for meaning in means:
            holding = len(snapshot.holding(meaning.term))
            weight = counted(meaning) * (lexical.idf.get(term.text) or term.weight * idf(holding, snapshot.chunks))
            if holding and weight > found.get(meaning.term, ("", 0.0))[1]:
                found[meaning.term] = f"{term.word}~{meaning.written}", weight
    return found


def _add(snapshot: Snapshot, scale: Scales, term: str, times: float, chunk: np.ndarray, file: np.ndarray) -> np.ndarray:
    """Add a term's frequency in each chunk and file, as `lexical.score` has them, so many times. Returns the chunks that hold it;
    one may come again."""
    fields = snapshot.frequencies(term)
    for number, (items, counts) in enumerate(fields):
        chunk[items] += times * counts * scale.chunk[items, number]
        if number == BODY and len(items):
            file += times * np.bincount(snapshot.file[items], counts, snapshot.files) / scale.file
    return np.concatenate([items for items, _ in fields])


def _in_symbol(snapshot: Snapshot, term: str) -> np.ndarray:
    holding = np.zeros(snapshot.chunks, bool)
    holding[snapshot.frequencies(term)[SYMBOL][0]] = True
    return holding


def _saturated(frequency: np.ndarray, k: float) -> np.ndarray:
    return frequency / (k + frequency)
