"""Held-out queries `test`: the name of a test asks for the function that it tests; test code is taken out of the rankings.

A test tests a function when it calls it and its name holds the function's name, in front if that is one word (`test_header_keys`
does not test `keys`). The query therefore holds words of the name: these queries say how well functions are found by what is
expected of them, not how well unnamed ones are.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from wayfind.evaluate.queries import WORD, Gold, Part, Query, QuerySet, is_test, part_of, plain, query

FEWEST_WORDS = 3
CALL = re.compile(r"([^\W\d]\w*)[!?]?\s*(?:::<[^<>]*>)?\(")
SAID_BY_EVERY_TEST = frozenset({"test", "tests", "spec", "should", "it", "describe"})


def test_queries(root: Path, chunks: Iterable, *, limit: int = 200, seed: int = 0, parts: Sequence[Part] | None = None) -> QuerySet:
    """At most `limit` queries from the tests of the index whose chunks are given; the tree searched is the tree itself."""
    chunks = list(chunks)
    dropped: Counter[str] = Counter()
    found: dict[str, Query] = {}
    for text, place in tested(chunks, dropped):
        found.setdefault(text, query("test", text, [place]))
    pool = [q for q in found.values() if parts is None or part_of(q) in parts]
    chosen = random.Random(seed).sample(sorted(pool, key=lambda q: q.id), min(limit, len(pool)))
    note = "test code taken out of the rankings" if chosen else "no test calls a function that its name holds, and says more than that name"
    return QuerySet("test", root, tuple(sorted(chosen, key=lambda q: q.id)), dropped, without_tests=True, note=note)


test_queries.__test__ = False  # pytest would take it for a test


def tested(chunks: Sequence, dropped: Counter[str]) -> Iterator[tuple[str, Gold]]:
    """What each test's name says, in words, and the function that it tests; the others are counted with the reason."""
    places = functions(chunks)
    for test in chunks:
        if not (is_test(test) and test.symbol and test.kind in ("test", "function", "method")):
            continue
        asked = name_words(test.symbol)
        name = _tested(asked, test.text(), places)
        if name is None:
            dropped["calls no function that its name holds"] += 1
        elif len(asked) < FEWEST_WORDS or len(asked) <= len(_split(name)):
            dropped["name says no more than the function's"] += 1
        else:
            yield plain(" ".join(asked)), places[name]


def functions(chunks: Sequence) -> dict[str, Gold]:
    """Name -> its place, of the functions whose name only one definition outside the tests has."""
    places: defaultdict[str, list[Gold]] = defaultdict(list)
    for chunk in chunks:
        if chunk.kind in ("function", "method") and chunk.symbol and not chunk.is_test:
            places[own_name(chunk.symbol)].append(Gold(chunk.path, chunk.symbol))
    return {name: gold[0] for name, gold in places.items() if len(gold) == 1 and len(name) > 3}


def _tested(asked: Sequence[str], body: str, places: dict[str, Gold]) -> str | None:
    """The longest function name that stands in the test's name and is called in its body."""
    held = [n for n in {m.group(1) for m in CALL.finditer(body)} if n in places and _holds(asked, _split(n))]
    return max(held, key=lambda name: (len(name), name), default=None)


def _holds(words: Sequence[str], name: Sequence[str]) -> bool:
    if len(name) == 1:
        return list(words[:1]) == list(name)
    return any(list(words[at : at + len(name)]) == list(name) for at in range(len(words) - len(name) + 1))


def name_words(symbol: str) -> list[str]:
    return [word for word in _split(own_name(symbol)) if word not in SAID_BY_EVERY_TEST]


def own_name(symbol: str) -> str:
    """The own name in `Class.method`; a test's description with blanks (`it("parses nothing")`) is a name as a whole."""
    return symbol.rsplit(" > ", 1)[-1] if " " in symbol else re.split(r"[.:#]+", symbol)[-1]


def _split(name: str) -> list[str]:
    return [word.lower() for word in WORD.findall(name)]
