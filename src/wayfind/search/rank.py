"""Order the chunks that lexical search found by documented signals.

A chunk's score is the sum of its signals, most of them values of 0 to 1 (`mentioned` up to 7, `literal` up to 4), times a weight, less its demotions; a further result
from a file that has one already is damped. Every addend is in the answer (`signals`).

| signal | value |
|---|---|
| lexical | root of the BM25F of the chunk over symbol, signature, docs, body and commit subjects |
| covered | share of the query's weight that the chunk holds at all |
| learned | what `lexical` and `file` gain where words count as what they mean here too (`search.expansion`), as `covered` does |
| file | BM25F of the whole file: other hits in the same file |
| name, name_exact | share of the query met by the file's name; share of the name met by the query |
| folder | share of the query met by the folders |
| symbol, symbol_exact | the same two for the chunk's symbol |
| symbol_both | their product: the name says what is asked, and nothing else |
| definition | the chunk defines the identifier that is the query; 0.3 for one that stands in a longer query |
| mentioned | the query names the file (path, module, frame of a trace); twice that for the line, and for a line that a diff changes; 7 for a file
  that is all it says, which nothing is taken off then |
| meaning | nearness of the chunk's vector to the query's (cosine); 0 without a model |
| meaning_file | the largest of the candidates of its file |
| meaning_alone | `meaning` times the share of the query's weight that no candidate holds: where words fail, meaning counts more |
| late | late interaction: mean over the query's tokens of the best cosine with a token of the chunk; 0 without token vectors |
| latent | nearness by the latent model that was learned here, times the weight that its gate found; 0 without one |
| remembered, remembered_file | questions like this one that the chunk, or its file, answered before; only after `wayfind learn` |
| often, often_file | how often the chunk, or its file, was changed or asked for; only after `wayfind learn` |
| literal | the chunk holds the whole query, of three words or more, word for word; four times that where it is code, no test, and no other does,
  which nothing is taken off then |
| test, example, legacy, prose, data, head | demotions: share of the score that is taken off |
| repeat | what damping takes off |
| seat | what lifts a result that is nearest by meaning to a place that is kept for such |
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wayfind.corpus.languages import EXTENSIONS
from wayfind.index.tokens import STOP_WORDS, WORD, terms_of
from wayfind.search.expansion import widened
from wayfind.search.learned import REMEMBERED
from wayfind.search.lexical import Lexical, idf
from wayfind.search.literal import SOLE, literal, sole
from wayfind.search.meanings import ENCODED_NOW
from wayfind.search.mentions import FRAMES_FIRST
from wayfind.search.query import Query
from wayfind.search.searcher import Searcher, symbol_words
from wayfind.types import KINDS

CANDIDATES = 250
"""Chunks that are ranked by all signals, taken by lexical, file and name scores."""
NEAREST = 100
"""Chunks that are candidates because their vectors are nearest to the query's, whatever their words."""
NEAR = 0.2
"""Cosine from which a chunk that holds no word of the query is a candidate: nine of ten right answers lie above, half of the
others below."""
NAMED = 0.3
"""Share of the query that a file's name must meet for its chunks to be candidates without a word of the query."""

CONSTRUCTOR = 0.7
"""`definition` of `Cleaner.Cleaner` where `Cleaner` is asked for: the class comes first."""
OTHER_CASE = 0.5
"""`definition` where only letter case or underscores differ."""
ELSEWHERE = 0.4
"""`definition` of `Disk.mount` where `Ghost.mount` is asked for: perhaps inherited."""
STEM_VALUE = 0.85
"""What a word of a name counts that shares its stem with a word of the query and is another: `reserve` for "reservations"."""

_TABLE = json.loads(Path(__file__).with_name("ranker.json").read_text(encoding="utf-8"))
WEIGHTS: dict[str, float] = _TABLE["weights"]
WEIGHTS |= dict.fromkeys(REMEMBERED, 0.0)
PROFILES: dict[str, dict[str, float]] = {name: _TABLE[name] for name in ("question", "outside", "long")}
"""What weighs differently in a question; in one that names the language of the repository, whose words are the asker's own and meet the
code's by chance; and in a long text, of whose many words some always are the whole name of something."""
DEMOTED: dict[str, float] = _TABLE["demoted"]
"""All of it was chosen on questions of repositories outside every benchmark by benchmarks/calibration.py, then checked on the
development sets: docs/LOG.md, "Ranker"."""
SIGNALS, DEMOTIONS = tuple(WEIGHTS), tuple(DEMOTED)
NONE = (np.zeros(0, np.int64), np.zeros((0, len(SIGNALS))), np.zeros((0, len(DEMOTIONS))))
"""No candidates."""
MOST_DEMOTED = 0.95
"""Share that a learned demotion takes at most."""
DAMPING: dict[str, float] = _TABLE["damping"]
"""Factor on the n-th result of one file, DAMPING**(n-1), by profile, "" for the others: who pastes an issue or a trace wants all places
to mend, who asks a question wants other files too."""
SEATS = (7, 9)
"""Places, from 0, that a question gives to what is nearest by meaning: what shares no word with it cannot be lifted by any sum that
still trusts words, and is found there. docs/LOG.md, "Seats"."""

_LANGUAGES = frozenset(
    "python javascript typescript java kotlin scala ruby php perl haskell elixir erlang clojure lua ocaml julia rust swift golang".split()
)
"""Names of languages that are no other word."""
_AROUND = "().,:;?!\"'`"
"""What may stand around a word of a question."""
_NOT_WITHIN = r"(?<![\w./\\-])"
"""Before a word that is no later part of a path or of a name."""
_HEADS = [KINDS.index(kind) for kind in ("module", "block")]
_ASKS_FOR = {
    "test": frozenset("test tests spec specs testing fixture mock unittest".split()),
    "example": frozenset("example examples sample demo tutorial benchmark benchmarks".split()),
    "legacy": frozenset("compat compatibility legacy deprecated vendored vendor polyfill shim".split()),
    "prose": frozenset("docs documentation readme changelog guide tutorial license contributing".split()),
    "data": frozenset(
        "config configuration settings yaml json toml dependencies workflow ci package manifest css html".split()
    ),
}


@dataclass(frozen=True, slots=True)
class Ranked:
    """A chunk in its place: its score and the addends that make it."""

    chunk: int
    score: float
    signals: dict[str, float]


def word_weights(searcher: Searcher, query: Query, lexical: Lexical) -> list[tuple[str, float]]:
    """The query's single words with their rarity in the text, nats; a word that no chunk holds is as rare as can be."""
    chunks = searcher.snapshot.chunks
    return [(word, lexical.idf.get(word) or idf(0, chunks)) for word in query.words]


def features(
    searcher: Searcher, query: Query, lexical: Lexical, allowed: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Candidates and what speaks for and against them.

    Returns chunk numbers [n], signals [n, len(SIGNALS)] and demotions [n, len(DEMOTIONS)], values 0 to 1, of `mentioned` up to 7, of `literal` up to 4. `allowed`
    is a mask over chunks: the filters.
    """
    snapshot = searcher.snapshot
    words = word_weights(searcher, query, lexical)
    name, name_exact = searcher.path_words["name"].scores(words, snapshot.files)
    folder, _ = searcher.path_words["folder"].scores(words, snapshot.files)
    asked = asked_definitions(searcher, query)
    mentioned, lines = searcher.places.mentioned(query.text)
    exact = literal(snapshot, query, lexical, allowed)
    only = sole(searcher, exact)
    remembered = _remember(searcher, query)
    favoured = np.array([*asked, *exact, *lines], np.int64)
    wide = widened(snapshot, searcher.scales, query, lexical, searcher.vocabulary)
    chosen = _candidates(
        searcher, wide, 0.5 * lexical.file + 0.5 * name + mentioned, name > NAMED, favoured, allowed
    )
    near, made = _near(searcher, query, chosen if allowed is None else None), {}
    if near is not None:
        found = np.union1d(chosen, _nearest(near, allowed))
        asked_now = np.union1d(found, _unknown(near, allowed, ENCODED_NOW - len(found)))
        merit = np.sqrt(lexical.chunk[asked_now])
        now = searcher.meanings.encoded_now(near, asked_now, merit)
        near = searcher.meanings.completed(near, query.text, asked_now, merit)
        made = searcher.meanings.tokens_made(now)
        chosen = np.union1d(chosen, asked_now[near[asked_now] >= NEAR])
    if remembered is not None:
        chosen = np.union1d(chosen, _nearest(remembered[0], allowed))
    latent = None if query.kind == "identifier" or searcher.latent is None else searcher.latent.scores(query.text)
    if latent is not None:
        chosen = np.union1d(chosen, _nearest(latent, allowed))
    files = snapshot.file[chosen]
    symbol, symbol_exact = _symbol_signals(searcher, query, lexical, chosen, words)
    whole = 1.0 if query.kind == "identifier" else 0.3
    definition = np.array([whole * asked.get(chunk, 0.0) for chunk in chosen.tolist()])
    values = {
        "lexical": np.sqrt(lexical.chunk[chosen]),
        "covered": wide.covered[chosen],
        "file": lexical.file[files],
        "name": name[files],
        "name_exact": name_exact[files],
        "folder": folder[files],
        "symbol": symbol,
        "symbol_exact": symbol_exact,
        "symbol_both": symbol * symbol_exact,
        "definition": definition,
        "mentioned": mentioned[files] + np.array([lines.get(chunk, 0.0) for chunk in chosen.tolist()]),
        "literal": np.where(np.isin(chosen, only), SOLE, np.isin(chosen, list(exact))),
        "learned": learned(lexical, wide, chosen, files),
        **_meanings(near, chosen, files, lexical.covered),
        **_remembered(remembered, searcher, chosen),
    }
    if near is not None and searcher.late is not None:
        values["late"] = searcher.late.scores(query.text, chosen, made)
    if latent is not None:
        values["latent"] = latent[chosen]
    signals = np.zeros((len(chosen), len(SIGNALS)))
    for name_, value in values.items():
        signals[:, SIGNALS.index(name_)] = value
    demotions = _demotions(searcher, query, chosen, files)
    demotions[np.isin(chosen, only)] = 0.0
    if searcher.places.alone(query.text):  # what is asked for is that file, whatever it is
        demotions[[lines.get(chunk, 0.0) >= FRAMES_FIRST for chunk in chosen.tolist()]] = 0.0
    return chosen, signals, demotions


def _demotions(searcher: Searcher, query: Query, chosen: np.ndarray, files: np.ndarray) -> np.ndarray:
    """What speaks against the candidates, 0 or 1 [n, len(DEMOTIONS)]; what the query asks for is no demotion."""
    snapshot = searcher.snapshot
    values = {
        "test": searcher.is_test[files] | (snapshot.kind[chosen] == KINDS.index("test")),
        "example": searcher.is_example[files],
        "legacy": searcher.is_legacy[files],
        "prose": searcher.is_prose[files],
        "data": searcher.is_data[files],
        "head": np.isin(snapshot.kind[chosen], _HEADS),
    }
    said = {word.lower().strip(_AROUND) for word in query.text.split()} if query.kind in ("question", "identifier") else set()
    demotions = np.zeros((len(chosen), len(DEMOTIONS)))
    for number, name in enumerate(DEMOTIONS):
        if not said & _ASKS_FOR.get(name, frozenset()):
            demotions[:, number] = values[name]
    return demotions


def _candidates(
    searcher: Searcher,
    lexical: Lexical,
    of_file: np.ndarray,
    named: np.ndarray,
    favoured: np.ndarray,
    allowed: np.ndarray | None,
) -> np.ndarray:
    """The CANDIDATES best chunks, ascending, among those that hold a word of the query, whose file is `named` by it, or
    that are `favoured`: by lexical score, what speaks for the file, and favour. Those level with the last fill up to
    twice as many."""
    snapshot = searcher.snapshot
    found = lexical.chunk > 0
    if named.any():
        found |= named[snapshot.file]
    found[favoured] = True
    if allowed is not None:
        found &= allowed
    chosen = np.flatnonzero(found)
    if len(chosen) <= CANDIDATES:
        return chosen
    value = lexical.chunk[chosen] + 0.3 * lexical.covered[chosen] + of_file[snapshot.file[chosen]]
    value += np.isin(chosen, favoured)
    least = np.partition(value, -CANDIDATES)[-CANDIDATES]
    above, level = chosen[value > least], chosen[value == least]
    return np.sort(np.concatenate([above, level[: 2 * CANDIDATES - len(above)]]))


def _unknown(near: np.ndarray, allowed: np.ndarray | None, most: int) -> np.ndarray:
    """The first chunks without a vector: where words find little, a query encodes those."""
    unknown = np.isnan(near) if allowed is None else np.isnan(near) & allowed
    return np.flatnonzero(unknown)[: max(most, 0)]


def _meanings(near: np.ndarray | None, chosen: np.ndarray, files: np.ndarray, covered: np.ndarray) -> dict[str, np.ndarray]:
    """The signals of meaning of the candidates."""
    if near is None or not len(chosen):
        return {}
    own, best = near[chosen], np.zeros(int(files.max()) + 1)
    np.maximum.at(best, files, own)
    return {"meaning": own, "meaning_file": best[files], "meaning_alone": own * (1 - covered[chosen].max())}


def _near(searcher: Searcher, query: Query, chosen: np.ndarray | None) -> np.ndarray | None:
    """Nearness of every chunk to the query by their vectors, nan where a chunk has none; with `chosen` it is enough to know it of these and
    the nearest. None without a model, and for an identifier, which asks for its name."""
    if query.kind == "identifier" or searcher.meanings is None:
        return None
    return searcher.meanings.nearness(query.text, chosen)


def _remember(searcher: Searcher, query: Query) -> np.ndarray | None:
    """How strongly questions like this one were answered by each chunk and by its file. None where nothing was learned."""
    if query.kind == "identifier" or searcher.meanings is None or not (searcher.learned and searcher.learned.remembers):
        return None
    return searcher.learned.remembered(searcher.meanings.query(query.text))


def _remembered(remembered: np.ndarray | None, searcher: Searcher, chosen: np.ndarray) -> dict[str, np.ndarray]:
    """The signals REMEMBERED of the candidates."""
    if searcher.learned is None:
        return {}
    answers = np.zeros((2, len(chosen))) if remembered is None else remembered[:, chosen]
    return dict(zip(REMEMBERED, [*answers, *searcher.learned.often[:, chosen]]))


def learned(lexical: Lexical, wide: Lexical, chosen: np.ndarray, files: np.ndarray) -> np.ndarray:
    """What `lexical` and `file` of the candidates gain where words count as what they mean here."""
    chunk, file = np.sqrt(wide.chunk[chosen]) - np.sqrt(lexical.chunk[chosen]), wide.file[files] - lexical.file[files]
    return WEIGHTS["lexical"] * chunk + WEIGHTS["file"] * file


def _nearest(near: np.ndarray, allowed: np.ndarray | None) -> np.ndarray:
    """The NEAREST chunks by their vectors, ascending; of those level with the last the first by path and line."""
    value = np.nan_to_num(near if allowed is None else np.where(allowed, near, 0.0))
    if len(value) <= NEAREST:
        return np.flatnonzero(value > 0)
    least = np.partition(value, -NEAREST)[-NEAREST]
    above, level = np.flatnonzero(value > least), np.flatnonzero(value == least)
    best = np.concatenate([above, level[: NEAREST - len(above)]])
    return np.sort(best[value[best] > 0])


def rank(searcher: Searcher, query: Query, lexical: Lexical, allowed: np.ndarray | None, k: int) -> list[Ranked]:
    """The best `k` chunks with the addends of their scores; ties by path and line."""
    return ordered(searcher, query, features(searcher, query, lexical, allowed), k)


def ordered(searcher: Searcher, query: Query, candidates: tuple[np.ndarray, np.ndarray, np.ndarray], k: int) -> list[Ranked]:
    """The best `k` of the candidates that `features` gave."""
    chosen, signals, demotions = candidates
    weights, taken = weights_of(searcher, query)
    gross = signals @ weights
    factors = 1 - demotions * taken
    net = gross * factors.prod(1)
    kind = profile(searcher, query)
    damping = DAMPING.get(kind, DAMPING[""])
    order, damped = damp(searcher.snapshot.file[chosen], np.round(net, 9), max(k, SEATS[-1] + 1), damping)
    scores = damped[order].tolist()
    seated: dict[int, float] = {}
    if kind in ("question", "outside"):
        order, scores, seated = seats(order, scores, damped, np.round(signals[:, SIGNALS.index("meaning")] * factors.prod(1), 9))
    ranked = []
    for place, score in zip(order[:k], scores):
        parts = {name: float(value) for name, value in zip(SIGNALS, signals[place] * weights) if value}
        left = gross[place]
        for name, factor in zip(DEMOTIONS, factors[place]):
            if factor < 1:
                parts[name] = float(left * (factor - 1))
                left *= factor
        own = seated.get(place, score)
        if own < net[place] - 1e-9:
            parts["repeat"] = float(own - net[place])
        if place in seated:
            parts["seat"] = float(score - own)
        ranked.append(
            Ranked(int(chosen[place]), float(score), {name: round(value, 6) for name, value in parts.items()})
        )
    return ranked


def weights_of(searcher: Searcher, query: Query) -> tuple[np.ndarray, np.ndarray]:
    """Weights of SIGNALS and of DEMOTIONS for this kind of query, as learned where something was learned."""
    base = WEIGHTS | PROFILES.get(profile(searcher, query), {})
    if searcher.learned and query.kind != "identifier":  # a name asks for its definition, whatever questions taught
        strength = searcher.strength(query.text)
        taken = searcher.learned.weights(DEMOTIONS, DEMOTED, strength)
        return searcher.learned.weights(SIGNALS, base, strength), np.minimum(taken, MOST_DEMOTED)
    return np.array([base[name] for name in SIGNALS]), np.array([DEMOTED[name] for name in DEMOTIONS])


def profile(searcher: Searcher, query: Query) -> str:
    """Which of PROFILES a query is weighed by; "" where by WEIGHTS alone."""
    if query.kind in ("text", "trace", "code"):
        return "long"
    if query.kind != "question":
        return ""
    return "outside" if searcher.meanings is not None and named_language(searcher, query) else "question"


def without_language(searcher: Searcher, query: Query) -> Query:
    """What a model reads of a question that names the repository's main language: it without that name, which tells none of its chunks
    from another, if two words and more are left. The words that are looked up stay as they are."""
    if profile(searcher, query) != "outside":
        return query
    name = "|".join(named_language(searcher, query))
    text = " ".join(re.sub(rf"(?i){_NOT_WITHIN}(?:(?:in|with|using|for|on|from|by)\s+)?{_NOT_WITHIN}(?:{name})(?![\w/\\-]|\.\w)", " ", query.text).split())
    return replace(query, text=text) if len({word.lower() for word in WORD.findall(text)} - STOP_WORDS) > 1 else query


def named_language(searcher: Searcher, query: Query) -> list[str]:
    """The words of a query that name the repository's main language: `python`, and neither `src/python` nor `PythonFormatter`."""
    return sorted(word for word in query.alone & _LANGUAGES if ("go" if word == "golang" else word) == searcher.main_language)


def damp(files: np.ndarray, scores: np.ndarray, k: int, damping: float = DAMPING[""]) -> tuple[list[int], np.ndarray]:
    """Places of the best `k` in order, when the n-th taken of a file counts damping**(n-1); and the damped scores of all, [n].

    `scores` are in the order of path and line, which breaks ties.
    """
    order = np.argsort(-scores, kind="stable")
    nth = np.zeros(len(scores), np.int64)
    seen: dict[int, int] = {}
    for place in order.tolist():
        file = int(files[place])
        nth[place] = seen.get(file, 0)
        seen[file] = nth[place] + 1
    damped = scores * damping**nth
    return np.argsort(-damped, kind="stable")[:k].tolist(), damped


def seats(order: list[int], scores: list[float], damped: np.ndarray, near: np.ndarray) -> tuple[list[int], list[float], dict[int, float]]:
    """The order with the places SEATS given to what is nearest by meaning and does not stand above already.

    Returns places, scores that still fall, and of those that were lifted the score they had themselves. `damped` is the score of every
    candidate, `near` its meaning, [n]. The first places do not depend on how many follow.
    """
    own = dict(zip(order, scores))
    by_meaning = iter([place for place in np.argsort(-near, kind="stable").tolist() if near[place] > 0])
    waiting, placed, taken, seated = iter(order), [], set(), {}
    values: list[float] = []
    while len(placed) < len(order):
        after = next((place for place in waiting if place not in taken), None)
        lifted = next((place for place in by_meaning if place not in taken and place != after), None) if len(placed) in SEATS else None
        if lifted is not None:
            below = own[after] if after is not None else 0.0
            values.append((values[-1] + below) / 2)
            seated[lifted] = float(damped[lifted])
            placed.append(lifted)
            taken.add(lifted)
        if after is None:
            break
        if len(placed) < len(order):
            placed.append(after)
            values.append(own[after])
            taken.add(after)
    return placed, values, seated


def asked_definitions(searcher: Searcher, query: Query) -> dict[int, float]:
    """Chunk -> 1 where its whole symbol or last part is an identifier of the query, CONSTRUCTOR where that is a constructor named like its
    class, OTHER_CASE where only that differs, ELSEWHERE where it belongs to another class than the identifier says; `proxy.rs` may be the name of a file."""
    snapshot, found = searcher.snapshot, {}
    for identifier in query.identifiers[:20]:
        names = identifier.replace("()", "").replace("::", ".").replace("->", ".").replace("#", ".").split(".")
        last, before = names[-1], names[-2] if names[1:] else ""
        if last in EXTENSIONS and "/" in identifier:
            continue
        owner = before if before[:1].isupper() or last in EXTENSIONS else ""  # a variable or module may be anything
        if (word := WORD.search(last)) is None:
            continue
        for chunk in snapshot.postings("symbol", terms_of(word[0])[0])[0].tolist():
            symbol = snapshot.symbols[chunk]
            *around, end = symbol.split(".")
            same = end == last or symbol == identifier
            if not same and _alike(end) != _alike(last):
                continue
            if owner and around and _alike(around[-1]) != _alike(owner):
                value = ELSEWHERE
            else:
                value = (CONSTRUCTOR if around[-1:] == [end] else 1.0) if same else OTHER_CASE
            found[chunk] = max(found.get(chunk, 0.0), value)
    return found


def _alike(name: str) -> str:
    """What names that differ in letter case or underscores have in common."""
    return name.lower().replace("_", "")


def _symbol_signals(
    searcher: Searcher, query: Query, lexical: Lexical, chosen: np.ndarray, words: list[tuple[str, float]]
) -> tuple[np.ndarray, np.ndarray]:
    """`symbol_shares` of each candidate's symbol."""
    weight, written = dict(words), query.written
    total = sum(weight.values()) or 1.0
    holding = lexical.symbol.copy()
    for word in weight.keys() - lexical.idf.keys():  # words of a long text beyond the terms that are searched for
        holding[searcher.snapshot.postings("symbol", word)[0]] = True
    recall, precision = np.zeros(len(chosen)), np.zeros(len(chosen))
    for place in np.flatnonzero(holding[chosen]).tolist():
        recall[place], precision[place] = symbol_shares(searcher.snapshot.symbols[chosen[place]], weight, written, total)
    return recall, precision


def symbol_shares(symbol: str, weight: Mapping[str, float], written: frozenset[str], total: float) -> tuple[float, float]:
    """Share of the query's weight met by a symbol, half counted for the names around it; and the share of the symbol's last
    part that the query meets. A word that only shares its stem with one that is `written` counts STEM_VALUE.

    `weight`: stem -> weight, nats; `total`: of all words of the query.
    """
    last, before = symbol_words(symbol)
    met: dict[str, float] = {}
    precision = 0.0
    for stem, word in last:
        if stem in weight:
            value = 1.0 if word in written else STEM_VALUE
            precision += value / len(last)
            met[stem] = max(met.get(stem, 0.0), value)
    recall = 0.0
    for stem, value in met.items():
        recall += value * weight[stem]
    if last:
        for stem in before:
            if stem in weight and stem not in met:
                recall += 0.5 * weight[stem]
    return min(recall / total, 1.0), precision
