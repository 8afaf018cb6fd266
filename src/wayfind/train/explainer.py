"""The network that writes explanations: a reader of pieces of code, and a decoder that attends to it, or the seeds' GRU.

The reader is small and its own, so that a decoder goes on working when the encoder of searches is replaced.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from wayfind.model.reading import CODE, LONGEST
from wayfind.train.decoder import PAD, GRUDecoder, Source, TransformerDecoder, TransformerSizes, character_ids, split_heads

KINDS = ("transformer", "gru")


class Readings(NamedTuple):
    """Pieces of code, the part each stands in (0: padding)."""

    ids: Int[Tensor, "batch token"]
    parts: Int[Tensor, "batch token"]


class ReaderBlock(nn.Module):
    """An encoder layer, normalised before each part: attention to all pieces, a perceptron."""

    def __init__(self, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(2))
        self.seen = nn.Linear(hidden, 3 * hidden, bias=False)
        self.out = nn.Linear(hidden, hidden, bias=False)
        self.perceptron = nn.Sequential(nn.Linear(hidden, 4 * hidden), nn.GELU(), nn.Linear(4 * hidden, hidden))
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Float[Tensor, "batch token hidden"], mask: Bool[Tensor, "batch token"]) -> Float[Tensor, "batch token hidden"]:
        query, key, value = (split_heads(part, self.heads) for part in self.seen(self.norms[0](states)).chunk(3, dim=-1))
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None])
        states = states + self.dropout(self.out(seen.transpose(1, 2).flatten(2)))
        return states + self.dropout(self.perceptron(self.norms[1](states)))


class Reader(nn.Module):
    """States of the pieces of a reading, from their vectors, their parts and their order."""

    def __init__(self, width: int, hidden: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.widen = nn.Linear(width, hidden)
        self.parts = nn.Embedding(CODE + 1, hidden)
        self.positions = nn.Embedding(LONGEST, hidden)
        for table in (self.parts, self.positions):
            nn.init.normal_(table.weight, std=0.02)
        self.blocks = nn.ModuleList(ReaderBlock(hidden, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(hidden)

    def forward(self, vectors: Float[Tensor, "batch token width"], parts: Int[Tensor, "batch token"]) -> Float[Tensor, "batch token hidden"]:
        states = self.widen(vectors) + self.parts(parts) + self.positions.weight[: parts.shape[1]]
        for block in self.blocks:
            states = block(states, parts > 0)
        return self.norm(states)


class Explainer(nn.Module):
    """The reader and the decoder over one table of pieces.

    Args:
        vocabulary, generated: pieces in the table; the first so many can be generated, the others only copied.
        kind: `transformer` (attends, copies) or `gru` (bytes, from the mean of the states).
    """

    def __init__(
        self, vocabulary: int, generated: int, kind: str = "transformer", width: int = 128, hidden: int = 128, heads: int = 4, reader: int = 2,
        layers: int = 2, length: int = 40, dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.kind = kind
        self.reader = Reader(width, hidden, reader, heads, dropout)
        if kind == "gru":
            self.embedding = nn.Embedding(vocabulary, width)
            nn.init.normal_(self.embedding.weight, std=0.02)
            self.decoder: nn.Module = GRUDecoder(hidden)
        else:
            sizes = TransformerSizes(hidden, hidden, vocabulary, generated, hidden, layers, heads, length, width, dropout)
            self.decoder = TransformerDecoder(sizes)

    @property
    def table(self) -> nn.Embedding:
        return self.embedding if self.kind == "gru" else self.decoder.embedding

    def read(self, readings: Readings) -> tuple[Float[Tensor, "batch hidden"], Source]:
        """The latent, which is the mean of the states, and what can be copied."""
        return conditions(self.reader(self.table(readings.ids), readings.parts), readings)

    def nll(self, readings: Readings, target: Int[Tensor, "batch time"], weight: Float[Tensor, "batch"] | None = None) -> Float[Tensor, ""]:
        """Nats a symbol, each text's weighted."""
        latent, source = self.read(readings)
        return self.decoder.nll(latent, None if self.kind == "gru" else source, target, weight)


def conditions(states: Float[Tensor, "batch token hidden"], readings: Readings) -> tuple[Float[Tensor, "batch hidden"], Source]:
    """Mean of the states of real pieces, and the states as a source to copy from."""
    mask = readings.parts > 0
    mean = (states * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp_min(1)
    return mean, Source(states, mask, readings.ids)


def padded(rows: list[list[int]]) -> Int[Tensor, "batch time"]:
    """Rows of ids as one tensor, padded behind."""
    return nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=PAD)


__all__ = ["KINDS", "Explainer", "Reader", "Readings", "character_ids", "conditions", "padded"]
