"""A query in, an answer out: understand, filter, score, rank, fold copies, explain."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wayfind.errors import NotFound, UsageError
from wayfind.index.snapshot import Snapshot
from wayfind.index.tokens import WORD, count, parts, terms_of
from wayfind.index.vectors import documented
from wayfind.model.bundle import current
from wayfind.search import confidence as trust
from wayfind.search.attribution import Attribution
from wayfind.search.copies import first, windows_beside
from wayfind.search.expansion import standing_in
from wayfind.search.explain import Mode, explain
from wayfind.search.filters import allowed, regex_lines
from wayfind.search.lexical import Lexical, idf, plain_bm25, score
from wayfind.search.literal import literal
from wayfind.search.query import Filters, Query, Term, parse
from wayfind.search.rank import NONE, Ranked, features, named_language, ordered, without_language
from wayfind.search.reason import only_filters, reason_for
from wayfind.search.searcher import Searcher
from wayfind.search.why import LINES, Met, line_of, snippet, why
from wayfind.types import PROVENANCES, Answer, IndexState, Result, Target

MOST_RESULTS = 1000
COMMON = 0.2
"""A word that more than this share of the chunks hold (`return`, `self`) tells nothing about what a chunk is related to."""
_TOKEN_CHARACTERS = 3.6
"""Characters a token of a language model stands for in code, for `max_tokens`; measured on the lower side to keep the budget."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request: the query's text and how to answer it."""

    text: str
    k: int = 10
    filters: Filters = Filters()
    explain: Mode = "auto"
    max_tokens: int | None = None
    level: str = ""
    """Search by this level of the latent model that was learned here, and by nothing else."""
    reasons: bool = False
    """Say of each result which words of the question bring how much of its score: an encoding a word."""
    graph: bool = False
    """Return the definitions that calls connect, in the order of the flow."""


def search(searcher: Searcher, ask: Ask, stale_files: int = 0) -> Answer:
    """Answer a request. The same snapshot and request give the same answer, scores included, in every process.

    Raises UsageError when there is nothing to search for, or a filter cannot be.
    """
    check_number(ask.k)
    if ask.max_tokens is not None and ask.max_tokens < 1:
        raise UsageError(f"the answer must be allowed at least 1 token, not {ask.max_tokens}")
    query = parse(ask.text, ask.filters)
    if query.kind == "empty" and not query.filters:
        if ask.text.strip():
            raise UsageError("the query holds no word: write it in double quotes, as '\"<=>\"', or give it to --regex, to find it as it stands")
        raise UsageError("the query is empty: give some words, a name or a snippet to search for")
    if ask.level:
        from wayfind.search.level import by_level  # it stands on what is here

        return by_level(searcher, query, ask, stale_files)
    if ask.graph:
        from wayfind.search.flow import by_graph  # so does this

        return by_graph(searcher, query, ask, stale_files)
    return answer(searcher, query, ask, stale_files)


def answer(searcher: Searcher, query: Query, ask: Ask, stale_files: int = 0) -> Answer:
    """Answer a query that is understood already."""
    snapshot, adaptation = searcher.snapshot, searcher.adaptation
    searcher = searcher.suited(query.text)
    mask = allowed(snapshot, query.filters)
    query = without_language(searcher, query)
    query = searcher.learned.reworded(query) if searcher.learned else query
    lexical = score(snapshot, searcher.scales, query)
    lexical = replace(lexical, missing=tuple(word for word in lexical.missing if word.lower() not in named_language(searcher, query)))
    k = min(ask.k, MOST_RESULTS)
    candidates = features(searcher, query, lexical, mask) if query.terms else NONE

    def hits(many: int) -> list[Ranked]:
        scored = ordered(searcher, query, candidates, many)
        return [*scored, *_unscored(query, mask, scored, many)]

    ranked, kept, copies = first(snapshot, hits, k, bool(query.filters.regex or query.filters.phrases))
    results = results_of(searcher, query, lexical, kept, copies, ask)
    elsewhere = searcher.elsewhere(query)
    sure = trust.confidence(query, lexical, candidates, ranked, elsewhere) if len(candidates[0]) or not only_filters(query) else float(bool(kept))
    abstained = trust.gives_up(query, sure, ranked, bool(kept), elsewhere) and not literal(snapshot, query, lexical, mask, fewest=2)
    also = {place for places in copies.values() for place in places}
    reason = reason_for(searcher, query, lexical, kept, also, mask, abstained)
    if kept and not results:
        reason = f"not even the first of {len(kept)} results fits into {ask.max_tokens} tokens"
    return Answer(ask.text, state(snapshot, stale_files, adaptation), sure, abstained, reason, results)


def check_number(results: int) -> None:
    """Raises UsageError where a number of results makes no sense."""
    if results < 1:
        raise UsageError(f"the number of results must be at least 1, not {results}")


def _unscored(query: Query, mask: np.ndarray | None, scored: list[Ranked], many: int) -> list[Ranked]:
    """What passes the filters without holding a word of the query, where they alone say what is wanted (`sym:par*`
    finds `parse`), or where an expression is matched and no chunk of those holds a word."""
    if mask is None or not (only_filters(query) or (query.filters.regex and not scored)):
        return []
    rest = np.setdiff1d(np.flatnonzero(mask), [hit.chunk for hit in scored])
    return [Ranked(chunk, 0.0, {}) for chunk in rest[: max(many - len(scored), 0)].tolist()]


def state(snapshot: Snapshot, stale_files: int = 0, adaptation: str = "") -> IndexState:
    """Freshness and completeness of the snapshot; `adaptation`: id of what was learned and is in use."""
    manifest = snapshot.manifest
    raw = int((snapshot.provenance == PROVENANCES.index("code")).sum())
    coverage = 1 - raw / snapshot.chunks if snapshot.chunks else 1.0
    return IndexState(
        manifest.meta.get("root", ""),
        manifest.generation,
        snapshot.files,
        snapshot.chunks,
        round(coverage, 4),
        stale_files,
        manifest.skipped,
        *_model(snapshot),
        adaptation=adaptation,
    )


def _model(snapshot: Snapshot) -> tuple[str, float]:
    """Name of the model that is in use, and the share of the chunks that it has encoded."""
    bundle = current(snapshot.folder)
    if bundle is None or "encoder" not in bundle.parts:
        return "lexical", 0.0
    return bundle.name, round(snapshot.vectors(bundle.encoder_id, bundle.parts["encoder"]["dim"]).coverage, 4)


def bm25(searcher: Searcher, text: str, k: int = 10) -> list[tuple[int, float]]:
    """The baseline: chunks by plain BM25, (chunk, score)."""
    scores = plain_bm25(searcher.snapshot, parse(text))
    best = np.argsort(-scores, kind="stable")[:k]
    return [(int(chunk), float(scores[chunk])) for chunk in best if scores[chunk] > 0]


def chunk_at(snapshot: Snapshot, path: str, line: int) -> int:
    """The chunk that holds a line of a file. Raises NotFound when the file is not indexed or shorter."""
    path = path.removeprefix("./")
    file = snapshot.file_of.get(path)
    if file is None:
        near = [p for p in snapshot.paths if p.endswith("/" + path.rsplit("/", 1)[-1])][:3]
        there = Path(snapshot.manifest.meta.get("root", "."), path).exists()
        hint = f"; did you mean {', '.join(near)}?" if near else "; `wayfind status` says what was skipped and why" if there else "; there is no such file"
        raise NotFound(f"{path} is not in the index{hint}")
    here = np.arange(*snapshot.chunk_file_first[file : file + 2])
    holding = here[(snapshot.start[here] <= line) & (snapshot.end[here] >= line)]
    if len(holding):
        return int(holding[-1])
    if line < 1 or (len(here) and line > snapshot.record(file).text.count("\n") + 1) or not len(here):
        raise NotFound(f"{path} has no line {line}")
    return int(here[np.argmin(np.minimum(abs(snapshot.start[here] - line), abs(snapshot.end[here] - line)))])


def result_at(searcher: Searcher, path: str, line: int, mode: Mode = "auto") -> Result:
    """The definition or section that holds a line, explained."""
    chunk = chunk_at(searcher.snapshot, path, line)
    return _result(searcher.snapshot, Met({}), Ranked(chunk, 1.0, {}), (), mode)


def related(searcher: Searcher, path: str, line: int, k: int = 10, mode: Mode = "auto", stale_files: int = 0) -> Answer:
    """Chunks that speak of what the chunk at this place speaks of; itself left out, and windows that share lines with it. Raises
    NotFound, UsageError."""
    check_number(k)
    k = min(k, MOST_RESULTS)
    snapshot = searcher.snapshot
    own = chunk_at(snapshot, path, line)
    chunk, text = snapshot.chunk(own)
    query = _like(snapshot, f"{chunk.symbol or ''} {chunk.signature} {chunk.docstring}\n{documented(snapshot.said(own), text)}")
    mask = np.ones(snapshot.chunks, bool)
    mask[[own, *windows_beside(snapshot, own)]] = False
    lexical = score(snapshot, searcher.scales, query)
    candidates = features(searcher, query, lexical, mask)
    ranked, kept, copies = first(snapshot, lambda many: ordered(searcher, query, candidates, many), k)
    ask = Ask(f"{path}:{line}", k, explain=mode)
    sure = trust.confidence(query, lexical, candidates, ranked)
    return Answer(
        ask.text,
        state(snapshot, stale_files, searcher.adaptation),
        sure,
        not kept,
        "" if kept else "nothing shares its words",
        results_of(searcher, query, lexical, kept, copies, ask),
    )


def _like(snapshot: Snapshot, text: str, most: int = 40) -> Query:
    """A query of the words that tell this text from the rest of the repository (tf-idf)."""
    counts = count(text)
    holding = {term: len(snapshot.holding(term)) for term in counts}
    weight = {
        t: n**0.5 * idf(holding[t], snapshot.chunks)
        for t, n in counts.items()
        if holding[t] <= max(COMMON * snapshot.chunks, 3)
    }
    best = sorted(weight, key=lambda t: (-weight[t], t))[:most]
    shown = {term: word for word in WORD.findall(text) for term in terms_of(word)}
    return Query(
        text, "code", tuple(Term(t, counts[t] ** 0.5, shown.get(t, t)) for t in best), tuple(best), (), Filters(),
        frozenset(part for word in WORD.findall(text) for part in parts(word)),
    )


def results_of(
    searcher: Searcher, query: Query, lexical: Lexical, kept: list[Ranked], copies: dict[int, list[str]], ask: Ask
) -> tuple[Result, ...]:
    """What is kept as results, with what was folded into each, explained and cut as was asked."""
    words = standing_in(searcher.snapshot, query, lexical, searcher.vocabulary)
    words |= {term.text: (term.word, lexical.idf[term.text]) for term in query.terms if term.text in lexical.idf}
    reasons = Attribution(searcher, query, lexical).with_meaning() if ask.reasons else None
    met, regex = Met(words), query.filters.regex
    results = (_result(searcher.snapshot, met, hit, tuple(copies.get(hit.chunk, ())), ask.explain, reasons, regex) for hit in kept)
    return tuple(results) if ask.max_tokens is None else fitted(results, ask.max_tokens)


def fitted(results: Iterable[Result], max_tokens: int) -> tuple[Result, ...]:
    """The first results that fit into so many tokens of a language model, the last one's snippet cut to what is left."""
    kept, room = [], max_tokens * _TOKEN_CHARACTERS
    for result in results:
        cut, room = _fit(result, room)
        if cut is None:
            break
        kept.append(cut)
    return tuple(kept)


def _result(
    snapshot: Snapshot, words: Met, hit: Ranked, also: tuple[str, ...], mode: Mode, reasons: Attribution | None = None, regex: str = ""
) -> Result:
    chunk, text = snapshot.chunk(hit.chunk)
    matched = why(text, chunk.start_line, words)
    if regex:
        said = {one.line for one in matched}
        lines = [line for line in regex_lines(snapshot, regex, hit.chunk, LINES) if line not in said]
        matched = tuple(sorted([*matched, *(line_of(text, chunk.start_line, line) for line in lines)], key=lambda one: one.line))
    file = int(snapshot.file[hit.chunk])
    return Result(
        snapshot.paths[file],
        chunk.start_line,
        chunk.end_line,
        chunk.symbol,
        chunk.kind,
        snapshot.languages[file],
        round(hit.score, 6),
        snippet(text, chunk.start_line, matched),
        explain(chunk, text, snapshot.languages[file], mode, snapshot.store.path.parent, snapshot),
        matched,
        hit.signals,
        also,
        reasons.of(hit, text) if reasons else (),
    )


def _fit(result: Result, room: float) -> tuple[Result | None, float]:
    """The result with its snippet cut to the room that is left, in characters; None when not even its head fits."""
    head = 40 + sum(map(_size, (result.path, result.explanation.text, result.symbol or ""))) + sum(_size(w.text) + 12 for w in result.why)
    if head > room:
        return None, room
    lines, used = [], float(head)
    for line in result.snippet.split("\n"):
        if used + _size(line) + 1 > room:
            break
        lines.append(line)
        used += _size(line) + 1
    return replace(result, snippet="\n".join(lines)), room - used


def _size(text: str) -> float:
    """Characters of a text as far as they fill tokens: one beyond ASCII may be a token by itself."""
    return len(text) if text.isascii() else len(text) + (_TOKEN_CHARACTERS - 1) * sum(not sign.isascii() for sign in text)


def place(snapshot: Snapshot, chunk: int, score: float) -> Result:
    """A chunk as a result without text: where it lies."""
    file = int(snapshot.file[chunk])
    return Result(
        snapshot.paths[file],
        int(snapshot.start[chunk]),
        int(snapshot.end[chunk]),
        snapshot.symbols[chunk] or None,
        snapshot.kind_of(chunk),
        snapshot.languages[file],
        round(score, 6),
        "",
        Target("", "code"),
        (),
        {},
    )
