"""WordPiece: plain words in, token ids out, the longest known piece first.

Source: Y. Wu et al., "Google's Neural Machine Translation System", 2016, https://arxiv.org/abs/1609.08144, and BERT's
`vocab.txt`. `tokenizers` does the same and more, but brings a client of a model hub with 14 packages; since the texts come
from `model.text.plain`, splitting at spaces is all that is left to do. A test holds both against each other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PAD, UNKNOWN, FIRST, LAST = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
MOST_WORDS_KEPT = 200_000
"""Words whose pieces are remembered."""


class WordPiece:
    """A vocabulary: the lines of BERT's `vocab.txt`."""

    def __init__(self, content: str):
        self._number = {piece: i for i, piece in enumerate(content.removesuffix("\n").split("\n"))}
        self._known: dict[str, tuple[int, ...]] = {}
        self.size = len(self._number)
        self.pad, self.first, self.last = (self._number[mark] for mark in (PAD, FIRST, LAST))
        self.before, self.after = [self.first], [self.last]
        self.wordless = np.zeros(len(self._number), bool)
        """Of each piece, whether it is a sign without a letter or digit."""
        self.wordless[[i for piece, i in self._number.items() if not any(map(str.isalnum, piece))]] = True

    def ids(self, text: str, most: int) -> list[int]:
        """Ids of the first `most` pieces of a plain text, without special tokens."""
        found: list[int] = []
        for word in text.split():
            found += self._pieces(word)
            if len(found) >= most:
                break
        return found[:most]

    def framed(self, text: str, longest: int) -> list[int]:
        """Ids of a plain text with the special tokens before and after it, at most `longest` in all."""
        return [self.first, *self.ids(text, longest - 2), self.last]

    def _pieces(self, word: str) -> tuple[int, ...]:
        pieces = self._known.get(word)
        if pieces is None:
            pieces = tuple(self._cut(word))
            if len(self._known) < MOST_WORDS_KEPT:
                self._known[word] = pieces
        return pieces

    def _cut(self, word: str) -> Sequence[int]:
        pieces, start = [], 0
        while start < len(word):
            end = len(word)
            while end > start and (number := self._number.get(("##" if start else "") + word[start:end])) is None:
                end -= 1
            if end == start:
                return [self._number[UNKNOWN]]
            pieces.append(number)
            start = end
        return pieces
