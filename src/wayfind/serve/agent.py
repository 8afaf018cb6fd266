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
from wayfind.serve.screen import decoded, shown
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


def results_for(max_tokens: int) -> int:
    """Results that an answer of so many tokens is worth: places for a third or so, the rest is for code."""
    return min(max(max_tokens // _TOKENS_A_RESULT, 6), 50)


def as_text(found: Findings, max_tokens: int) -> str:
    """The findings in at most `max_tokens` estimated tokens: head, places, code."""
    head = found.head + "\n"
    places, left = _taken([_place_line(result) + "\n" for result in found.results], max_tokens - estimate(head), estimate)
    blocks = []
    for result in found.results[: len(places)]:
        title = f"\n{clean(result.path)}:{result.start_line}\n"
        code, left = _code(result, found.whole, left - estimate(title), estimate)
        if not code:
            break
        blocks.append(f"{title}{code}\n")
    return "".join([head, *places, *blocks]).rstrip("\n")


def as_object(found: Findings, max_tokens: int) -> dict[str, Any]:
    """The findings as the tools' output schema says, in at most `max_tokens` estimated tokens when written as JSON."""
    rows = [_row(result) for result in found.results]
    left = max_tokens - _json_cost({**found.facts, "results": []})
    rows, left = _taken(rows, left, lambda row: _json_cost(row) + 1)
    for row, result in zip(rows, found.results):
        code, left = _code(result, found.whole, left - _CODE_KEY, _json_cost)
        if not code:
            break
        row["code"] = code
    return {**found.facts, "results": rows}


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


def _place_line(result: Result) -> str:
    said = summary(result)
    linked = f" [{clean(related(result.relations[0]))}]" if result.relations and result.relations[0].kind not in ("similar", "sibling") else ""
    return f"{place(result)} {clean(result.symbol or result.kind)}{linked}{': ' if said else ''}{said}"


def _row(result: Result) -> dict[str, Any]:
    linked = {"relation": clean(related(result.relations[0]))} if result.relations else {}
    return {"place": place(result), "symbol": clean(result.symbol or ""), "kind": result.kind, "summary": summary(result), **linked}


def _taken(parts: Sequence[Any], room: int, cost: Callable[[Any], int]) -> tuple[list[Any], int]:
    """The first parts that fit into the room, and the room that is left."""
    taken = []
    for part in parts:
        if (price := cost(part)) > room:
            break
        taken.append(part)
        room -= price
    return taken, room


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
