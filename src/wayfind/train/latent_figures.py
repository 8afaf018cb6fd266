"""What a learned latent model can do, by the path that serves: MRR of every level on every task, and how far the levels differ.

| task | asks | pool |
|---|---|---|
| syntax | the words of a name, a signature | every function without name and documentation |
| structure | a function | every function without documentation and path: which does it call, which is its sibling |
| semantics | documentation, a comment, a test's name, a commit's subject | every function without documentation |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import torch

from wayfind.model.codes import cosines, lengths_of, quantise
from wayfind.model.latent import LEVELS, LatentEncoder, Passage, passage_ids, query_ids
from wayfind.model.wordpiece import WordPiece
from wayfind.train.latent_network import LatentNetwork
from wayfind.train.latent_pairs import SEMANTICS, STRUCTURE, SYNTAX, Material, Pair, Part


@dataclass(frozen=True, slots=True)
class TaskFigures:
    """Of one task: how many questions were asked of how many functions, and the reciprocal ranks of each level."""

    task: str
    pool: int
    reciprocal: dict[str, np.ndarray]

    @property
    def questions(self) -> int:
        return len(next(iter(self.reciprocal.values()), ()))

    @property
    def mrr(self) -> dict[str, float]:
        return {level: round(float(ranks.mean()), 4) for level, ranks in self.reciprocal.items() if len(ranks)}

    @property
    def best(self) -> str:
        """The level with the highest MRR; of equal ones the later."""
        return max(self.mrr, key=lambda level: (self.mrr[level], LEVELS.index(level)), default="")


class AsEncoder:
    """A network as it is, with the codes that its bundle would give but for the int8 of its weights."""

    def __init__(self, network: LatentNetwork, words: WordPiece) -> None:
        self._network, self._words = network.eval(), words
        times = len(network.config.latent.times)
        self.levels, self.dim = LEVELS[-times:], network.config.latent.latent

    def queries(self, texts: Sequence[str]) -> np.ndarray:
        return self._codes([query_ids(text, self._words, self._network.config.query_length) for text in texts])

    def passages(self, passages: Sequence[Passage]) -> np.ndarray:
        return self._codes([passage_ids(one, self._words, self._network.config.code_length) for one in passages])

    @torch.no_grad()
    def _codes(self, texts: Sequence[Sequence[int]]) -> np.ndarray:
        order, made = sorted(range(len(texts)), key=lambda i: len(texts[i])), []
        for first in range(0, len(order), 64):
            rows = [torch.tensor(texts[i]) for i in order[first : first + 64]]
            ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=self._words.pad)
            mask = torch.arange(ids.shape[1])[None] < torch.tensor([len(row) for row in rows])[:, None]
            made.append(self._network(ids, mask).numpy())
        return quantise(np.concatenate(made)[np.argsort(order)])


def by_task(encoder: LatentEncoder | AsEncoder, material: Material, part: Part) -> list[TaskFigures]:
    """The figures of each task on the questions of a part."""
    pools = {SYNTAX: material.nameless, STRUCTURE: tuple(one._replace(path="") for one in material.bodies), SEMANTICS: material.bodies}
    return [_task(encoder, material, pools[level], [pair for pair in material.of(part, level=level)], LEVELS[level]) for level in pools]


def _task(encoder: LatentEncoder | AsEncoder, material: Material, pool: Sequence[Passage], pairs: Sequence[Pair], task: str) -> TaskFigures:
    place = {material.keys[row]: number for number, row in enumerate(material.functions)}
    asked = [pair for pair in pairs if pair.key in place]
    if not asked:
        return TaskFigures(task, len(pool), {level: np.zeros(0) for level in encoder.levels})
    codes = encoder.passages(pool)
    query = encode_questions(encoder, asked)
    own = np.array([place[pair.key] for pair in asked])
    others = _other_answers(asked, place)
    return TaskFigures(task, len(pool), {level: 1 / ranks(codes[:, number], query[:, number], own, others) for number, level in enumerate(encoder.levels)})


def encode_questions(encoder: LatentEncoder | AsEncoder, pairs: Sequence[Pair]) -> np.ndarray:
    """Codes of the questions, int8 [question, level, dim]; a function that asks is encoded as one."""
    codes = np.zeros((len(pairs), len(encoder.levels), encoder.dim), np.int8)
    said = [row for row, pair in enumerate(pairs) if isinstance(pair.query, str)]
    if said:
        codes[said] = encoder.queries([pairs[row].query for row in said])
    rest = np.setdiff1d(np.arange(len(pairs)), said)
    if len(rest):
        codes[rest] = encoder.passages([pairs[row].query for row in rest])
    return codes


def _other_answers(pairs: Sequence[Pair], place: dict) -> list[list[int]]:
    """Functions that answer the same question too: neither right nor wrong for a pair."""
    right: dict = {}
    for pair in pairs:
        right.setdefault(pair.query, set()).add(place[pair.key])
    return [sorted(right[pair.query] - {place[pair.key]}) for pair in pairs]


def ranks(codes: np.ndarray, query: np.ndarray, own: np.ndarray, others: Sequence[Sequence[int]] = ()) -> np.ndarray:
    """Rank of each question's answer by the cosine of codes, 1 is first; of equal scores the right one comes last."""
    norms, found = lengths_of(codes), np.zeros(len(query))
    for row, asked in enumerate(query):
        scores = cosines(codes, asked, norms)
        right = scores[own[row]]
        if others:
            scores[list(others[row])] = -2
        found[row] = (scores >= right).sum()
    return found


def between_levels(encoder: LatentEncoder | AsEncoder, passages: Sequence[Passage]) -> dict[str, float]:
    """Mean cosine of the vectors of one text on two levels: 1 where the levels are the same."""
    codes = encoder.passages(passages).astype(np.float64)
    unit = codes / np.maximum(np.linalg.norm(codes, axis=-1, keepdims=True), 1e-9)
    pairs = [(one, other) for one in range(len(encoder.levels)) for other in range(one)]
    return {f"{encoder.levels[other]}~{encoder.levels[one]}": round(float((unit[:, one] * unit[:, other]).sum(-1).mean()), 4) for one, other in pairs}
