"""An answer for language models, within a number of tokens: as text, and as an object for clients that pass those on.

Most useful first: what was found where, one line each, then the code of the best as far as the tokens reach, in excerpts.
Measured on the files set (`docs/LOG.md`): within 2,000 tokens places and excerpts name 0.98 of the right files and show code
of 0.97; places and whole snippets 0.98 and 0.95; snippets without places before them 0.94.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from wayfind.serve.budget import estimate
from wayfind.serve.output import related
from wayfind.serve.screen import counted, decoded, shown
from wayfind.types import Result

MAX_TOKENS = 2000
"""Tokens of an answer where none are given."""
FEWEST_TOKENS, MOST_TOKENS = 200, 20_000
"""Under the first not even the head of an answer has room; over the second clients cut answers themselves."""
_SUMMARY = 100
"""Characters of an explanation beside a place. 60 and 200 name as many right files within 500 tokens, give or take 0.007."""
_TOKENS_A_RESULT = 130
_WHOLE, _HEAD = 12, 8
"""Code of at most so many lines is shown whole; of longer code so many from its beginning, and the lines that matched."""
_CUT = "…"
_FEWEST_LINES = 3
"""Code that is cut to fewer lines is left out."""
_SENTENCE = re.compile(r"(.{15,}?[.!?])(?:\s|$)")


@dataclass(frozen=True, slots=True)
class Findings:
    """What is to be told: a head of a line or two, results best first, their code, and what programs want to know."""

    head: str
    results: tuple[Result, ...]
    facts: dict[str, Any]
    """Fields of the object beside `results`."""
    whole: bool = False
    """Whether code is shown as a whole, not in excerpts."""
    numbered: bool = False
    """Whether the head goes on from the number of results, which stands before it; of those that have no room the note says so too."""


def results_for(max_tokens: int) -> int:
    """Results that an answer of so many tokens is worth: places for a third or so, the rest is for code."""
    return min(max(max_tokens // _TOKENS_A_RESULT, 6), 50)


def as_text(found: Findings, max_tokens: int) -> str:
    """The findings in at most `max_tokens` estimated tokens: head, places, code."""
    total = len(found.results)
    lines = [_place_line(result) + "\n" for result in found.results]
    bare = [place(result) + "\n" for result in found.results[:1]]
    places, left = _taken(lines, bare, max_tokens - estimate(_head(found, total)), estimate)
    if len(places) < total and found.numbered:
        places, left = _taken(lines, bare, max_tokens - estimate(_of(total, total) + found.head + "\n"), estimate)
    blocks = []
    for result in found.results[: len(places)]:
        title = f"\n{clean(result.path)}:{result.start_line}\n"
        code, left = _code(result, found.whole, left - estimate(title), estimate)
        if not code:
            break
        blocks.append(f"{title}{code}\n")
    return "".join([_head(found, len(places)), *places, *blocks]).rstrip("\n")


def as_object(found: Findings, max_tokens: int) -> dict[str, Any]:
    """The findings as the tools' output schema says, in at most `max_tokens` estimated tokens when written as JSON."""
    total, facts = len(found.results), found.facts
    rows, left = _rows(found, facts, max_tokens)
    if len(rows) < total and found.numbered:
        rows, left = _rows(found, {**facts, "note": joined((_of(total, total) + ".", facts["note"]))}, max_tokens)
        facts = {**facts, "note": joined((_of(len(rows), total) + ".", facts["note"]))}
    for row, result in zip(rows, found.results):
        code, left = _code(result, found.whole, left - _CODE_KEY, _json_cost)
        if not code:
            break
        row["code"] = code
    return {**facts, "results": rows}


def clean(text: str) -> str:
    """Text without characters that command terminals or hide text from people; tabs stay, since editors need them."""
    return "\n".join("\t".join(map(shown, line.split("\t"))) for line in decoded(text).split("\n"))


def summary(result: Result) -> str:
    """The first sentence of a result's explanation, cut at a word; empty where only its code could explain it."""
    if result.explanation.provenance == "code":
        return ""
    line = " ".join(result.explanation.text.strip().split("\n\n")[0].split())
    sentence = _SENTENCE.match(line)
    line = clean(sentence[1] if sentence else line)
    return line if len(line) <= _SUMMARY else line[:_SUMMARY].rsplit(" ", 1)[0] + "…"


def place(result: Result) -> str:
    """`path:first-last`, which the tools take back as a place."""
    return f"{clean(result.path)}:{result.start_line}-{result.end_line}"


def price(text: str) -> int:
    """Tokens that a piece of an answer takes at most, in the text or in the object."""
    return max(estimate(text), _json_cost(text))


def fitting(text: str, tokens: int) -> str:
    """The text, cut after a word where it would take more than so many tokens; empty where not even a word has room."""
    words = text.split(" ")
    cuts = (" ".join([*words[:kept], _CUT]) for kept in range(len(words) - 1, 0, -1))
    return text if price(text) <= tokens else next((cut for cut in cuts if price(cut) <= tokens), "")


def _head(found: Findings, shown: int) -> str:
    """The head of an answer that shows so many results."""
    total = len(found.results)
    number = (counted(total, "result") if shown == total else _of(shown, total)) if found.numbered else ""
    return f"{number}{found.head}\n"


def _of(shown: int, total: int) -> str:
    return f"{shown} of {counted(total, 'result')}"


def _rows(found: Findings, facts: dict[str, Any], max_tokens: int) -> tuple[list[dict[str, Any]], int]:
    """The rows that have room beside the facts, and the room that is left."""
    rows = [_row(result) for result in found.results]
    bare = [{name: row[name] for name in ("place", "symbol", "kind")} | {"summary": ""} for row in rows[:1]]
    return _taken(rows, bare, max_tokens - _json_cost({**facts, "results": []}), lambda row: _json_cost(row) + 1)


def _place_line(result: Result) -> str:
    said = summary(result)
    linked = f" [{clean(related(result.relations[0]))}]" if result.relations and result.relations[0].kind not in ("similar", "sibling") else ""
    return f"{place(result)} {clean(result.symbol or result.kind)}{linked}{': ' if said else ''}{said}"


def _row(result: Result) -> dict[str, Any]:
    linked = {"relation": clean(related(result.relations[0]))} if result.relations else {}
    return {"place": place(result), "symbol": clean(result.symbol or ""), "kind": result.kind, "summary": summary(result), **linked}


def _taken(parts: Sequence[Any], bare: Sequence[Any], room: int, cost: Callable[[Any], int]) -> tuple[list[Any], int]:
    """The first parts that fit into the room, at least the first one, bare, and the room that is left."""
    taken = []
    for part in parts:
        if (price := cost(part)) > room:
            break
        taken.append(part)
        room -= price
    return (taken, room) if taken or not bare else _taken(bare, (), room, cost)


def _code(result: Result, whole: bool, room: int, cost: Callable[[str], int]) -> tuple[str, int]:
    """The result's code, cut at the end of a line to fit into the room; empty where too little of it would."""
    lines = clean(result.snippet).split("\n") if whole else _excerpt(result)
    kept = _longest(lines, room, cost)
    if kept < min(len(lines), _FEWEST_LINES):
        return "", room
    code = "\n".join(lines[:kept])
    return code, room - cost(code) - 1


def _excerpt(result: Result) -> list[str]:
    """The first lines of the code and those that matched, a line of `…` for what is left out."""
    lines = clean(result.snippet).split("\n")
    if len(lines) <= _WHOLE:
        return lines
    shown = lines[: lines.index(_CUT) if _CUT in lines[:_HEAD] else _HEAD]
    last = result.start_line + len(shown) - 1
    for why in sorted(result.why, key=lambda why: why.line):
        if why.line > last:
            shown += [*([_CUT] if why.line > last + 1 else []), clean(why.text)]
            last = why.line
    return shown + ([_CUT] if last < result.end_line else [])


def _longest(lines: Sequence[str], room: int, cost: Callable[[str], int]) -> int:
    """How many of the lines, from the first, fit into the room."""
    low, high = 0, len(lines)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if cost("\n".join(lines[:middle])) < room else (low, middle - 1)
    return low


def _json_cost(value: Any) -> int:
    return estimate(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


_CODE_KEY = _json_cost({"code": ""})


def joined(parts: Iterable[str]) -> str:
    """Sentences in one line, the empty ones left out."""
    return " ".join(filter(None, parts))
