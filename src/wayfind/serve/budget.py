"""What a text costs a language model, in tokens: an estimate on the high side, made without any model's vocabulary.

Vocabularies cut text into words, parts of words and runs of marks; so does this. Calibrated on 1,094 pieces of source and
documentation in 19 languages against the vocabularies cl100k, o200k, Claude 2 and DeepSeek: at least the largest of the
four for 99.6 % of the pieces, 1.25 times it at the median (1.4 times o200k). A quotient of characters needs 1.87 times for the same.
"""

from __future__ import annotations

import math
import re

_PIECE = re.compile(
    r"(?P<word>[A-Z]?[a-z]+)|(?P<capitals>[A-Z]+(?![a-z]))|(?P<blank> )|(?P<space>\s+)|(?P<digit>[0-9])"
    r"|(?P<foreign>[^\x00-\x7f]+)|(?P<marks>[!-/:-@\[-^`{-~]+|_+)|(?P<control>.)",
    re.DOTALL,
)


def estimate(text: str) -> int:
    """Tokens that a text takes at most, but for rare kinds of text (keys in base 64)."""
    return math.ceil(sum(_cost(match.lastgroup, match.end() - match.start(), match) for match in _PIECE.finditer(text)))


def _cost(kind: str | None, length: int, piece: re.Match[str]) -> float:
    if kind == "word":
        return 1.05 + 0.6 * ((length - 1) // 4)
    if kind == "blank":
        return 0.0  # goes with the word after it
    if kind == "capitals":
        return 1.05 + 0.6 * ((length - 1) // 2)
    if kind == "marks":
        return 1.0 + 0.7 * (length - 1)
    if kind == "foreign":
        return 0.75 * len(piece.group().encode("utf-8", "replace"))
    return 1.0
