"""Why a chunk matched: the lines that hold the query's words, and the part of the text worth showing."""

from __future__ import annotations

from wayfind.index.tokens import WORD, terms_of
from wayfind.types import Why

LINES = 3
SNIPPET_LINES = 30
_HEAD_LINES = 6
_CUT = "…"
WIDEST = 240
"""Characters of a line that are shown."""


class Met(dict[str, tuple[tuple[str, float], ...]]):
    """Word of a text -> the query's words that it meets, with their weights in nats; each word is looked at once."""

    def __init__(self, words: dict[str, tuple[str, float]]):
        """`words`: term -> (the query's word, weight)."""
        super().__init__()
        self._words = words

    def __missing__(self, word: str) -> tuple[tuple[str, float], ...]:
        met = self[word] = tuple(self._words[term] for term in terms_of(word) if term in self._words)
        return met


def why(text: str, start_line: int, words: Met, most: int = LINES) -> tuple[Why, ...]:
    """The lines that hold most of the query's weight, in order of lines, with their indentation. Words that earlier lines
    showed count a tenth."""
    lines = []
    for offset, line in enumerate(text.split("\n")):
        met: dict[str, float] = {}
        for pairs in map(words.__getitem__, WORD.findall(line[:2000])):
            for word, weight in pairs:
                met[word] = max(met.get(word, 0.0), weight)
        if met:
            lines.append((offset, line, met))
    chosen, shown = [], set()
    while lines and len(chosen) < most:
        best = max(
            lines, key=lambda line: (sum(w if word not in shown else w / 10 for word, w in line[2].items()), -line[0])
        )
        if chosen and set(best[2]) <= shown:
            break
        lines.remove(best)
        chosen.append(best)
        shown |= set(best[2])
    return tuple(
        Why(start_line + offset, line.rstrip()[:WIDEST], tuple(sorted(met, key=lambda w: (-met[w], w))))
        for offset, line, met in sorted(chosen)
    )


def line_of(text: str, start_line: int, line: int) -> Why:
    """A line of a text that something else than the query's words matched."""
    return Why(line, text.split("\n")[line - start_line].rstrip()[:WIDEST], ())


def snippet(text: str, start_line: int, matched: tuple[Why, ...], most: int = SNIPPET_LINES) -> str:
    """The chunk's text when it is short; else its first lines and those around the best match, a line of `…` between."""
    lines = [line if len(line) <= WIDEST else line[:WIDEST] + _CUT for line in text.rstrip().split("\n")]
    if len(lines) <= most:
        return "\n".join(lines)
    best = max((w for w in matched), key=lambda w: len(w.matched), default=None)
    at = best.line - start_line if best else 0
    if at < most - 3:
        return "\n".join([*lines[:most], _CUT])
    room = most - _HEAD_LINES
    begin = min(max(at - room // 3, _HEAD_LINES), len(lines) - room)
    tail = [_CUT] if begin + room < len(lines) else []
    return "\n".join([*lines[:_HEAD_LINES], _CUT, *lines[begin : begin + room], *tail])
