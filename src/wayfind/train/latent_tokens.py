"""The material of a repository as ids: padded batches out, and all that is drawn for them, from (seed, epoch, place) alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wayfind.model.latent import MARKS, NUMBER, SPECIAL, Passage, passage_ids, query_ids, said
from wayfind.model.wordpiece import WordPiece
from wayfind.train.batches import generator
from wayfind.train.latent_network import NetworkConfig
from wayfind.train.latent_pairs import Material, Pair, Part, texts
from wayfind.train.vocabulary import learn_pieces

ROUND = 8
MARKED = len(SPECIAL) + len(MARKS)
"""Ids below stand for no word."""
DRAWN = (3, 10)
"""Words that are drawn out of a passage to ask for it, fewest and most."""


def learn_words(material: Material, size: int) -> str:
    """The lines of a vocabulary of at most `size` pieces: special tokens, marks, and pieces merged by frequency in the material."""
    counts: Counter[str] = Counter()
    for text in texts(material):
        counts.update(said(text).split())
    return "\n".join([*SPECIAL, *MARKS, *learn_pieces(counts, size - MARKED)]) + "\n"


@dataclass(frozen=True, slots=True)
class Asked:
    """Pairs as ids. Row i of `query` asks for row i of `code`; equal `key`s are the same definition. `text`: of the questions in words."""

    query: tuple[np.ndarray, ...]
    code: tuple[np.ndarray, ...]
    key: np.ndarray
    level: np.ndarray
    weight: np.ndarray
    text: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.key)


class Tokens:
    """The material as ids of a vocabulary."""

    def __init__(self, material: Material, words: WordPiece, config: NetworkConfig) -> None:
        self.words, self.config = words, config
        self._pieces: dict[int, str] | None = None
        number = {key: place for place, key in enumerate(material.keys)}
        self.passages = tuple(self._passage(one) for one in material.passages)
        self.bodies = tuple(self._passage(one) for one in material.bodies)
        self.rarity = self._rarity()
        """Inverse document frequency of each piece over the passages, 1 on average over their words; marks have 0.1."""
        self.functions = np.array(material.functions, np.int64)
        self.asked: dict[Part, Asked] = {part: self._asked(material.of(part), number) for part in ("train", "valid", "gate", "report")}

    def _passage(self, passage: Passage) -> np.ndarray:
        return np.array(passage_ids(passage, self.words, self.config.code_length), np.int64)

    def _asked(self, pairs: Sequence[Pair], number: dict) -> Asked:
        query = tuple(np.array(query_ids(one.query, self.words, self.config.query_length), np.int64) if isinstance(one.query, str) else self._passage(one.query) for one in pairs)
        key = np.array([number[one.key] for one in pairs], np.int64)
        return Asked(query, tuple(self._passage(one.code) for one in pairs), key, np.array([one.level for one in pairs], np.int64), np.array([one.weight for one in pairs], np.float32), tuple(one.query if isinstance(one.query, str) else "" for one in pairs))

    def _rarity(self) -> np.ndarray:
        holding = np.zeros(self.words.size)
        for ids in self.passages:
            holding[np.unique(ids)] += 1
        value = np.log((1 + len(self.passages)) / (1 + holding))
        value /= np.average(value, weights=np.maximum(holding, 1e-9))
        value[:MARKED] = 0.1
        return value

    def text(self, ids: np.ndarray) -> str:
        """The words that ids stand for, without special tokens and marks."""
        if self._pieces is None:
            self._pieces = {number: piece for piece, number in self.words._number.items()}
        pieces = [self._pieces[number] for number in ids.tolist() if number >= MARKED]
        return " ".join(pieces).replace(" ##", "")

    def padded(self, rows: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """Ids and mask of some texts, padded to the longest of them."""
        longest = math.ceil(max(map(len, rows)) / ROUND) * ROUND
        ids = np.full((len(rows), longest), self.words.pad, np.int64)
        for place, own in enumerate(rows):
            ids[place, : len(own)] = own
        ids = torch.from_numpy(ids)
        sizes = torch.tensor([len(own) for own in rows])
        return ids, torch.arange(longest)[None] < sizes[:, None]

    def drawn(self, passage: int, random: np.random.Generator) -> np.ndarray:
        """Some words of a passage in their order, rare ones rather than common ones, as a question for it (the inverse cloze task, Lee et al., "Latent Retrieval for
        Weakly Supervised Open Domain Question Answering", 2019, https://arxiv.org/abs/1906.00300, of words instead of sentences)."""
        own = self.passages[passage]
        places = np.flatnonzero(own >= MARKED)
        count = min(int(random.integers(DRAWN[0], DRAWN[1] + 1)), len(places))
        if count:
            rare = self.rarity[own[places]] + 1e-3
            places = np.sort(random.choice(places, count, replace=False, p=rare / rare.sum()))
        return np.array([self.words.first, NUMBER["[QUERY]"], *own[places], self.words.last], np.int64)


@dataclass(frozen=True, slots=True)
class Drill:
    """What one step learns: rows of the train pairs of one level, or passages out of which words are drawn."""

    level: int
    rows: np.ndarray
    of_words: bool = False


def epoch_drills(tokens: Tokens, batch: int, seed: int, epoch: int, words: float = 1.0) -> list[Drill]:
    """The steps of an epoch in their order: every pair to learn from once, and `words` of the passages."""
    random, asked, drills = generator(seed, 11, epoch), tokens.asked["train"], []
    for level in np.unique(asked.level):
        rows = random.permutation(np.flatnonzero(asked.level == level))
        drills += [Drill(int(level), some) for some in _cut(rows, batch)]
    passages = random.permutation(len(tokens.passages))[: int(words * len(tokens.passages))]
    drills += [Drill(2, some, of_words=True) for some in _cut(passages, batch)]
    return [drills[place] for place in random.permutation(len(drills))]


def _cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    """The rows in pieces of like size, none above `size` and none alone."""
    return [some for some in np.array_split(rows, max(1, math.ceil(len(rows) / size))) if len(some) > 1]
