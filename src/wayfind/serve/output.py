"""An answer for people: lines of text. `path:line` can be clicked; whatever comes from the repository is escaped first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from wayfind.index.tokens import WORD, terms_of
from wayfind.serve.screen import Paint, counted, shown
from wayfind.types import Answer, IndexState, Reason, Relation, Result, Touch, Why

HUMAN = frozenset({"manual", "docstring", "comment", "header"})
"""Provenances of explanations that somebody wrote; the others are marked."""
_WHOLE = 8
"""A snippet of at most this many lines is shown whole; of a longer one the first `_HEAD` and the lines that matched."""
_HEAD = 3
_SENTENCES = 300
"""Characters of an explanation in a list of results."""
_TOUCHES = 5
_NEAREST = 3
"""Results of an abstained answer that are shown; the others are further still from an answer."""
_CUT = "…"
SURE, LIKELY = 0.75, 0.5
"""Strengths of an edge from which it is stated as it is, and as likely."""


@dataclass(frozen=True, slots=True)
class View:
    """How to show an answer: colours, what to put before each path, whether to break scores down."""

    paint: Paint = field(default=Paint())
    prefix: str = ""
    signals: bool = False


def for_people(answer: Answer, view: View) -> Iterator[str]:
    """The answer: a head that says how far to trust it, then the results, best first."""
    paint = view.paint
    yield paint("dim", f"confidence {answer.confidence:.2f} · {freshness(answer.index)}")
    if answer.reason:
        yield paint("note", shown(answer.reason))
    if not answer.results:
        return
    results = answer.results[:_NEAREST] if answer.abstained else answer.results
    if answer.abstained:
        left_out = len(answer.results) > len(results)
        yield paint("dim", f"the nearest {len(results)} of {len(answer.results)}:" if left_out else "the nearest:")
    for result in results:
        yield ""
        yield from _result(result, view)


def freshness(index: IndexState) -> str:
    """How complete and how fresh the index is, in a few words."""
    count = f"{counted(index.files, 'file')}, {counted(index.chunks, 'chunk')}"
    explained = f", {index.coverage:.0%} explained" if index.chunks else ""  # of nothing there is no share
    skipped = sum(index.skipped.values())
    encoded = [f"vectors {index.encoded:.0%}"] if index.model != "lexical" and index.encoded < 1 and index.chunks else []
    stale = f"{counted(index.stale_files, 'file')} changed since" if index.stale_files else "fresh"
    return " · ".join([count + explained, *([f"{skipped:,} skipped"] if skipped else []), *encoded, stale])


def explanation(answer: Answer, touches: Sequence[Touch], view: View) -> Iterator[str]:
    """One definition at length: what it does, from where that is known, who changed it, its text."""
    result, paint = answer.results[0], view.paint
    yield _title(result, view)
    if result.explanation.text:
        yield ""
        yield from (f"  {shown(line)}" for line in result.explanation.text.split("\n"))
        yield paint("dim", f"  (from {ORIGINS[result.explanation.provenance]})")
    if touches:
        yield ""
        yield from (f"  {shown(touch.commit[:10])} {shown(touch.subject)}" for touch in touches[:_TOUCHES])
        if len(touches) > _TOUCHES:
            yield paint("dim", f"  and {counted(len(touches) - _TOUCHES, 'commit')} before")
    yield ""
    yield from _numbered(result.start_line, result.snippet.split("\n"), paint)
    yield ""
    yield paint("dim", freshness(answer.index))


ORIGINS = {
    "manual": "the repository's manual explanations",
    "docstring": "its docstring",
    "comment": "a comment",
    "header": "its heading",
    "synthetic": "a template, made of its name and signature",
    "code": "its code alone",
    "generated": "a model; nobody wrote this",
}


def _result(result: Result, view: View) -> Iterator[str]:
    paint = view.paint
    yield f"{_title(result, view)}  {paint('dim', f'{result.score:.3f}')}"
    for relation in result.relations:
        yield paint("dim", f"  {related(relation, view.prefix)}")
    if result.explanation.text and result.explanation.provenance != "code":
        mark = "" if result.explanation.provenance in HUMAN else paint("dim", f" ({result.explanation.provenance})")
        yield f"  {shown(_brief(result.explanation.text))}{mark}"
    yield from _lines(result, paint)
    if stands := sorted({word for why in result.why for word in why.matched if "~" in word}):
        yield paint("dim", f"  learned: {', '.join(shown(word.replace('~', ' ~ ')) for word in stands)}")
    if result.also:
        yield paint("dim", f"  also in {', '.join(shown(view.prefix + place) for place in result.also)}")
    if view.signals and result.signals:  # what a call relates has none
        yield paint("dim", "  " + "  ".join(f"{name} {value:+.3f}" for name, value in sorted(result.signals.items(), key=lambda s: -abs(s[1]))))
        if result.reasons:
            yield paint("dim", "  " + "  ".join(shown(_reason(reason)) for reason in result.reasons))


def related(relation: Relation, prefix: str = "") -> str:
    """`called by Desk.lend (loans.py:14, line 20)`; one that rests on a guess is called likely, one among several possible. `prefix`: what
    leads to its path."""
    sure = "" if relation.strength >= SURE or relation.kind in ("similar", "sibling") else "likely " if relation.strength >= LIKELY else "perhaps "
    line = f", line {relation.line}" if relation.line and relation.kind not in ("in", "contains") else ""
    to = " to" if relation.kind == "similar" else " of" if relation.kind == "sibling" else ""
    return shown(f"{sure}{relation.kind}{to} {relation.symbol or 'code'} ({prefix}{relation.path}:{relation.start_line}{line})")


def _reason(reason: Reason) -> str:
    """`refund ← refunds, Refund 34%`: a word of the question, what it met, what it brings."""
    met = f" ← {', '.join(reason.met)}" if reason.met else ""
    return f"{reason.word}{met} {reason.share:.0%}"


def _title(result: Result, view: View) -> str:
    paint = view.paint
    place = paint("path", shown(f"{view.prefix}{result.path}") + f":{result.start_line}")
    symbol = f"  {paint('symbol', shown(result.symbol))}" if result.symbol else ""
    return f"{place}{symbol}  {paint('dim', result.kind)}"


def _brief(text: str) -> str:
    """The first paragraph on one line, cut at a word."""
    line = " ".join(text.strip().split("\n\n")[0].split())
    return line if len(line) <= _SENTENCES else line[:_SENTENCES].rsplit(" ", 1)[0] + " " + _CUT


def _lines(result: Result, paint: Paint) -> Iterator[str]:
    """Numbered lines of the result: all of a short one; else the first, and those that say why it matched."""
    lines = result.snippet.split("\n")
    matched = {why.line: why for why in result.why}
    if len(lines) <= _WHOLE and _CUT not in lines:
        yield from _numbered(result.start_line, lines, paint, matched)
        return
    head = lines[:_HEAD]
    yield from _numbered(result.start_line, head, paint, matched)
    last = result.start_line + len(head) - 1
    for line, why in sorted(matched.items()):
        if line > last:
            if line > last + 1:
                yield paint("dim", "      ⋮")
            yield from _numbered(line, [why.text], paint, matched)
            last = line
    if last < result.end_line:
        yield paint("dim", "      ⋮")


def _numbered(first: int, lines: Sequence[str], paint: Paint, matched: dict[int, Why] | None = None) -> Iterator[str]:
    """Lines with their numbers; a snippet's `…` stands for lines left out, after which numbers are not known."""
    number: int | None = first
    for line in lines:
        if line == _CUT:
            number = None
            yield paint("dim", "      ⋮")
            continue
        why = (matched or {}).get(number) if number else None
        mark = str(number) if number else ""
        yield f"{paint('dim', f'{mark:>6}')} {_highlighted(line, why, paint) if why else shown(line)}".rstrip()
        number = number + 1 if number else None


def _highlighted(line: str, why: Why, paint: Paint) -> str:
    """The line, escaped, with the words that matched in colour."""
    wanted = {term for word in why.matched for term in terms_of(word.rpartition("~")[2])}
    pieces, last = [], 0
    for match in WORD.finditer(line):
        pieces.append(shown(line[last : match.start()]))
        word = shown(match.group())
        pieces.append(paint("match", word) if wanted.intersection(terms_of(match.group())) else word)
        last = match.end()
    return "".join([*pieces, shown(line[last:])])
