"""A made-up language: code and questions name the same concepts in different words. And a small encoder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wayfind.train.latent import Encoded, LatentBatch, LatentModel

torch.set_num_threads(1)  # tensors are tiny: threads only wait for each other
CONCEPTS, FIRST, LENGTH = 60, 4, 12
VOCABULARY = FIRST + 2 * CONCEPTS + 10


@dataclass(frozen=True)
class Pairs:
    """Row i of query asks for row i of code. Ids, padded with 0."""

    query: Tensor
    code: Tensor
    level: Tensor

    def rows(self, index: Tensor) -> Pairs:
        return Pairs(self.query[index], self.code[index], self.level[index])


def made_up_pairs(count: int, seed: int) -> Pairs:
    """Each pair draws 4 of 60 concepts: the code says all, among filler; the question 3 of them in other words."""
    generator = torch.Generator().manual_seed(seed)
    query, code = torch.zeros(count, LENGTH, dtype=torch.long), torch.zeros(count, LENGTH, dtype=torch.long)
    for row in range(count):
        concepts = torch.randperm(CONCEPTS, generator=generator)[:4]
        filler = torch.randint(
            FIRST + 2 * CONCEPTS, VOCABULARY, (int(torch.randint(1, 6, (), generator=generator)),), generator=generator
        )
        words = torch.cat([FIRST + concepts, filler])
        words = words[torch.randperm(len(words), generator=generator)]
        code[row, : len(words)] = words
        query[row, :3] = FIRST + CONCEPTS + concepts[torch.randperm(4, generator=generator)[:3]]
    return Pairs(query, code, torch.arange(count) % 3)


class SmallEncoder(nn.Module):
    """Two transformer layers over ids; 0 is padding."""

    def __init__(self, hidden: int = 48) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, hidden)
        self.places = nn.Parameter(torch.randn(LENGTH, hidden) * 0.1)
        layer = nn.TransformerEncoderLayer(hidden, 4, 2 * hidden, dropout=0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, tokens: Tensor) -> Encoded:
        mask = tokens != 0
        states = self.layers(self.embedding(tokens) + self.places[: tokens.shape[1]], src_key_padding_mask=~mask)
        return Encoded(states, mask, tokens)


def batch_of(encoder: nn.Module, pairs: Pairs, explanation: Tensor | None = None) -> LatentBatch:
    count = len(pairs.level)
    nothing, alike = torch.zeros(count, count, dtype=torch.bool), torch.ones(count)
    return LatentBatch(encoder(pairs.query), encoder(pairs.code), pairs.level, nothing, alike, explanation)


def learn(
    encoder: nn.Module, model: LatentModel, pairs: Pairs, steps: int, batch: int = 64, rate: float = 2e-3
) -> None:
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam([*{id(p): p for m in (encoder, model) for p in m.parameters()}.values()], lr=rate)
    for _ in range(steps):
        chosen = pairs.rows(torch.randint(len(pairs.level), (batch,), generator=generator))
        optimizer.zero_grad()
        model.losses(batch_of(encoder, chosen, chosen.query), generator).total.backward()
        optimizer.step()


def reciprocal_rank(query: Tensor, code: Tensor) -> float:
    """Mean reciprocal rank of row i of code among all for row i of query; ties count against."""
    scores = query @ code.T
    rank = (scores >= scores.diagonal()[:, None]).sum(dim=1)
    return (1 / rank).mean().item()


def chance(count: int) -> float:
    """Mean reciprocal rank of a random order."""
    return sum(1 / rank for rank in range(1, count + 1)) / count


@torch.no_grad()
def served(encoder: nn.Module, model: LatentModel, tokens: Tensor) -> Tensor:
    encoded = encoder(tokens)
    return model(encoded.states, encoded.mask)


@torch.no_grad()
def means(encoder: nn.Module, model: LatentModel, tokens: Tensor) -> Tensor:
    encoded = encoder(tokens)
    return model.posterior(encoded.states, encoded.mask).mean
