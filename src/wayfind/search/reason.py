"""What an answer says of itself: one sentence for the user, from the query, its scores and its filters."""

from __future__ import annotations

from collections.abc import Collection
from functools import reduce

import numpy as np

from wayfind.index.tokens import WORD, terms_of
from wayfind.search.lexical import Lexical
from wayfind.search.literal import literal
from wayfind.search.query import Query
from wayfind.search.rank import Ranked, asked_definitions
from wayfind.search.searcher import Searcher

_LONGEST_SHOWN = 60
"""Characters of a word that a reason repeats."""


def reason_for(
    searcher: Searcher, query: Query, lexical: Lexical, kept: list[Ranked], copies: Collection[str], mask: np.ndarray | None, abstained: bool
) -> str:
    """Why nothing was found, why the answer abstains, that a literal search settles it, or which words no file holds;
    empty where there is nothing to say. `copies`: places that were folded into those that are `kept`; `mask`: the chunks that
    pass the filters, None without filters."""
    snapshot = searcher.snapshot
    if not snapshot.chunks:
        empty = "the folder has no files"
        why = "everything was skipped; `wayfind status` says why" if snapshot.manifest.skipped else empty
        return f"the index holds no text: {why}"
    if mask is not None and not mask.any():
        return f"nothing passes the filters: {query.filters.spoken()}"
    missing = [word for word in lexical.missing if word not in _filtered(query)]  # a part of a name need not be a word
    absent = ", ".join(f"“{_brief(word)}”{_meant(searcher, word)}" for word in missing[:5])
    if not kept:
        return f"no file holds {absent or 'these words'}" + (" within the filters" if mask is not None else "")
    if searcher.places.alone(query.text):
        return ""
    if file := searcher.places.absent(query.text):
        return f"no file here is called {_brief(file)}"
    if abstained:
        apart = ": the words are there, but nowhere together" if lexical.covered.max() < 1 - 1e-9 else ""
        return "probably not in this repository" + (f": no file holds {absent}" if absent else apart)
    if settled := _settled(searcher, query, lexical, kept, copies, mask):
        return f"{settled}; a literal search settles it"
    return f"no file holds {absent}" if absent and query.kind in ("question", "identifier") else ""


def _settled(
    searcher: Searcher, query: Query, lexical: Lexical, kept: list[Ranked], copies: Collection[str], mask: np.ndarray | None
) -> str:
    """The one place that answers the query, however many results were asked for: the only definition of a name, the
    only chunk that holds it, the only one that holds these very words. Empty where there is none, or more."""
    snapshot = searcher.snapshot
    if query.kind == "identifier" and not any("*" in symbol for symbol in query.filters.symbols):
        named = [chunk for chunk, value in asked_definitions(searcher, query).items() if value == 1]
        defined = [chunk for chunk in named if mask is None or mask[chunk]]
        if len(defined) == 1:
            return f"one definition has this name, {snapshot.place_of(defined[0])}"
        holding = reduce(np.intersect1d, (snapshot.holding(term.text) for term in query.terms))
        if len(holding) == 1 and (mask is None or mask[holding[0]]) and query.text.lower() in snapshot.chunk(int(holding[0]))[1].lower():
            return f"the name occurs once, {snapshot.place_of(holding[0])}"
    if any(hit.signals.get("literal") for hit in kept):
        places = [(chunk, line) for chunk, line in literal(snapshot, query, lexical, mask).items() if snapshot.place_of(chunk) not in copies]
        if len(places) == 1:
            ((chunk, line),) = places
            return f"these very words stand in {snapshot.paths[snapshot.file[chunk]]}:{line}"
    return ""


def only_filters(query: Query) -> bool:
    """Whether no word is searched for but those of names and phrases, which are filters."""
    return all(term.word in _filtered(query) for term in query.terms)


def _filtered(query: Query) -> set[str]:
    return set(WORD.findall(" ".join((*query.filters.symbols, *query.filters.phrases))))


def _meant(searcher: Searcher, word: str) -> str:
    """What a word that no file holds was taken for."""
    known = searcher.vocabulary.get(terms_of(word)[0])
    return f" (here: {', '.join(_brief(one.written) for one in known.meanings[:3])})" if known else ""


def _brief(word: str) -> str:
    return word if len(word) <= _LONGEST_SHOWN else word[:_LONGEST_SHOWN] + "…"
