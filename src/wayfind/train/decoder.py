"""Decoders that write an explanation: the seeds' GRU over characters, and a transformer that reads and copies the code.

Both are autoregressive: they see the start symbol and what came before, never the symbol that they are to say. Training
(`nll`) and generation (`begin`, `step`) compute the same distribution. Symbols are ids; 0 is padding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from wayfind.errors import UsageError

PAD, UNSAID, START, END = 0, 1, 2, 3
"""Padding, a word that is read and not learned, and ASCII's start and end of text, which no source text holds: the GRU's 256 symbols need no more room."""
LEAST = 1e-9
"""Smallest probability whose logarithm is taken: 21 nats, for a symbol that can neither be generated nor copied."""


class Source(NamedTuple):
    """What the encoder said of the code; `tokens` are ids in the decoder's vocabulary, to copy from."""

    states: Float[Tensor, "batch token hidden"]
    mask: Bool[Tensor, "batch token"]
    tokens: Int[Tensor, "batch token"]


class Decoder(Protocol):
    """An autoregressive distribution over symbols given a latent and, for some, the code."""

    def begin(self, latent: Float[Tensor, "batch latent"], source: Source | None = None) -> tuple[Tensor, ...]: ...

    def step(
        self, symbol: Int[Tensor, "batch"], state: tuple[Tensor, ...]
    ) -> tuple[Float[Tensor, "batch vocab"], tuple[Tensor, ...]]: ...


def character_ids(text: str, length: int = 128) -> list[int]:
    """The UTF-8 bytes of a text and the end symbol, at most `length` in all; control characters become spaces."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return [*plain.encode()[: length - 1], END]


def characters(ids: list[int]) -> str:
    """The text of bytes up to the end symbol; bytes that form no character are left out."""
    kept = ids[: ids.index(END)] if END in ids else ids
    return bytes(i for i in kept if i >= 32).decode(errors="ignore")


def shifted(target: Int[Tensor, "batch time"]) -> Int[Tensor, "batch time"]:
    """What a decoder sees while it says `target`: the start symbol, then all but the last."""
    return functional.pad(target[:, :-1], (1, 0), value=START)


def mean_over_symbols(
    nll: Float[Tensor, "batch time"], counted: Bool[Tensor, "batch time"], weight: Float[Tensor, "batch"] | None
) -> Float[Tensor, ""]:
    """Nats a symbol over counted symbols, each text's symbols weighted by `weight` (1 where it is None)."""
    weights = counted.to(nll) if weight is None else counted * weight[:, None]
    return (nll * weights).sum() / weights.sum().clamp_min(LEAST)


class GRUDecoder(nn.Module):
    """The seeds' decoder: the latent sets the first hidden state of every layer, characters follow.

    Args:
        latent: size of the latent.
        vocabulary: symbols; 256 for bytes.
        hidden, layers: of the GRU; 64 and 2 in the seeds.
        embedding: to share with an encoder of the same symbols; its own, as wide as the GRU, where None.
    """

    def __init__(
        self,
        latent: int,
        vocabulary: int = 256,
        hidden: int = 64,
        layers: int = 2,
        embedding: nn.Embedding | None = None,
    ) -> None:
        super().__init__()
        self.layers = layers
        self.embedding = embedding if embedding is not None else nn.Embedding(vocabulary, hidden)
        self.first = nn.Linear(latent, hidden)
        self.gru = nn.GRU(self.embedding.embedding_dim, hidden, layers, batch_first=True)
        self.head = nn.Linear(hidden, vocabulary)

    def begin(self, latent: Float[Tensor, "batch latent"], source: Source | None = None) -> tuple[Tensor, ...]:
        return (self.first(latent).expand(self.layers, -1, -1).contiguous(),)

    def step(
        self, symbol: Int[Tensor, "batch"], state: tuple[Tensor, ...]
    ) -> tuple[Float[Tensor, "batch vocab"], tuple[Tensor, ...]]:
        output, hidden = self.gru(self.embedding(symbol)[:, None], state[0])
        return torch.log_softmax(self.head(output[:, 0]), dim=-1), (hidden,)

    def forward(
        self, latent: Float[Tensor, "batch latent"], source: Source | None, target: Int[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time vocab"]:
        """Log-probabilities of every symbol at every position, given the symbols of `target` before it."""
        output, _ = self.gru(self.embedding(shifted(target)), self.begin(latent)[0])
        return torch.log_softmax(self.head(output), dim=-1)

    def nll(
        self,
        latent: Float[Tensor, "batch latent"],
        source: Source | None,
        target: Int[Tensor, "batch time"],
        weight: Float[Tensor, "batch"] | None = None,
    ) -> Float[Tensor, ""]:
        """Nats a character, padding not counted."""
        said = self(latent, source, target).gather(-1, target[..., None])[..., 0]
        return mean_over_symbols(-said, target != PAD, weight)


@dataclass(frozen=True, slots=True)
class TransformerSizes:
    """Sizes of the transformer decoder.

    vocabulary: ids that may be copied or read; generated: the first so many can be generated too.
    source: size of the encoder's states. length: longest explanation in symbols.
    embedding: width of the table of symbols; smaller than `hidden` it is widened after look-up, and the head is its
    transpose (Lan et al., "ALBERT", 2019, https://arxiv.org/abs/1909.11942; Press & Wolf, "Using the Output Embedding to
    Improve Language Models", 2016, https://arxiv.org/abs/1608.05859). 0: as wide as `hidden`, with a head of its own.
    dropout: of what each part of a layer adds, in training.
    """

    latent: int
    source: int
    vocabulary: int
    generated: int
    hidden: int = 128
    layers: int = 2
    heads: int = 4
    length: int = 64
    embedding: int = 0
    dropout: float = 0.0


def split_heads(states: Float[Tensor, "batch time hidden"], heads: int) -> Float[Tensor, "batch head time size"]:
    return states.unflatten(-1, (heads, -1)).transpose(1, 2)


class Block(nn.Module):
    """A decoder layer, normalised before each part: attention to what was said, attention to the code, a perceptron."""

    def __init__(self, hidden: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = nn.Dropout(dropout)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(3))
        self.said = nn.Linear(hidden, 3 * hidden, bias=False)
        self.said_out = nn.Linear(hidden, hidden, bias=False)
        self.asked = nn.Linear(hidden, hidden, bias=False)
        self.memory = nn.Linear(hidden, 2 * hidden, bias=False)
        self.memory_out = nn.Linear(hidden, hidden, bias=False)
        self.perceptron = nn.Sequential(nn.Linear(hidden, 4 * hidden), nn.GELU(), nn.Linear(4 * hidden, hidden))

    def said_parts(self, states: Float[Tensor, "batch time hidden"]) -> list[Float[Tensor, "batch head time size"]]:
        return [split_heads(part, self.heads) for part in self.said(self.norms[0](states)).chunk(3, dim=-1)]

    def memory_parts(self, memory: Float[Tensor, "batch token hidden"]) -> list[Float[Tensor, "batch head token size"]]:
        return [split_heads(part, self.heads) for part in self.memory(memory).chunk(2, dim=-1)]

    def after_attention(
        self,
        states: Float[Tensor, "batch time hidden"],
        attended: Float[Tensor, "batch head time size"],
        memory: tuple[Tensor, Tensor],
        mask: Bool[Tensor, "batch token"],
    ) -> Float[Tensor, "batch time hidden"]:
        states = states + self.dropout(self.said_out(attended.transpose(1, 2).flatten(2)))
        asked = split_heads(self.asked(self.norms[1](states)), self.heads)
        read = functional.scaled_dot_product_attention(asked, *memory, attn_mask=mask[:, None, None])
        states = states + self.dropout(self.memory_out(read.transpose(1, 2).flatten(2)))
        return states + self.dropout(self.perceptron(self.norms[2](states)))


class TransformerState(NamedTuple):
    """What a step needs of the steps before and of the code; caches have a fixed length, filled up to `position`."""

    position: Int[Tensor, ""]
    said_keys: Float[Tensor, "layer batch head time size"]
    said_values: Float[Tensor, "layer batch head time size"]
    memory_keys: Float[Tensor, "layer batch head token size"]
    memory_values: Float[Tensor, "layer batch head token size"]
    memory: Float[Tensor, "batch token hidden"]
    mask: Bool[Tensor, "batch token"]
    tokens: Int[Tensor, "batch token"]


class TransformerDecoder(nn.Module):
    """Word pieces by attention to the code's states, generated or copied.

    p(w) = g p_head(w) + (1 − g) Σ_{t: source_t = w} a_t, with the pointer's attention a over the code and a gate g in
    (0, 1) (See, Liu, Manning, "Get To The Point: Summarization with Pointer-Generator Networks", 2017, 1704.04368). We
    differ: the pointer has an attention of its own, and the head covers the first `generated` ids only, so that a name
    that is rare can be copied and not made up. The latent is the first token of the memory, hence seen by every layer,
    and never copied.
    """

    def __init__(self, sizes: TransformerSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.embedding = nn.Embedding(sizes.vocabulary, sizes.embedding or sizes.hidden)
        self.widen = nn.Linear(sizes.embedding, sizes.hidden) if sizes.embedding else nn.Identity()
        self.positions = nn.Embedding(sizes.length, sizes.hidden)
        nn.init.normal_(self.embedding.weight, std=0.02)
        nn.init.normal_(self.positions.weight, std=0.02)
        self.from_latent = nn.Linear(sizes.latent, sizes.hidden)
        self.from_source = nn.Linear(sizes.source, sizes.hidden)
        self.blocks = nn.ModuleList(Block(sizes.hidden, sizes.heads, sizes.dropout) for _ in range(sizes.layers))
        self.norm = nn.LayerNorm(sizes.hidden)
        self.head = nn.Linear(sizes.hidden, sizes.embedding or sizes.generated)
        self.bias = nn.Parameter(torch.zeros(sizes.generated)) if sizes.embedding else None
        self.pointer = nn.Linear(sizes.hidden, sizes.hidden, bias=False)
        self.gate = nn.Linear(sizes.hidden, 1)

    def remember(
        self, latent: Float[Tensor, "batch latent"], source: Source
    ) -> tuple[Float[Tensor, "batch token+1 hidden"], Bool[Tensor, "batch token+1"]]:
        """The latent, then the code's states, as what the layers attend to."""
        states = self.from_source(source.states.masked_fill(~source.mask[..., None], 0))
        memory = torch.cat([self.from_latent(latent)[:, None], states], dim=1)
        return memory, functional.pad(source.mask, (1, 0), value=True)

    def distribution(
        self,
        states: Float[Tensor, "batch time hidden"],
        memory: Float[Tensor, "batch token+1 hidden"],
        mask: Bool[Tensor, "batch token"],
    ) -> tuple[Float[Tensor, "batch time generated"], Float[Tensor, "batch time token"]]:
        """g p_head, and (1 − g) a over the source's tokens: together 1. Without a source all is generated."""
        gate, attention = self.pointing(states, memory, mask)
        return gate * torch.softmax(self.scores(states), dim=-1), (1 - gate) * attention

    def pointing(
        self,
        states: Float[Tensor, "batch time hidden"],
        memory: Float[Tensor, "batch token+1 hidden"],
        mask: Bool[Tensor, "batch token"],
    ) -> tuple[Float[Tensor, "batch time 1"], Float[Tensor, "batch time token"]]:
        """The gate g, and the pointer's attention a over the source's tokens."""
        scores = self.pointer(states) @ memory[:, 1:].transpose(1, 2) / states.shape[-1] ** 0.5
        scores = scores.masked_fill(~mask[:, None], torch.finfo(scores.dtype).min)
        attention = torch.softmax(scores, dim=-1) * mask[:, None]
        return torch.where(mask.any(dim=1)[:, None, None], torch.sigmoid(self.gate(states)), 1.0), attention

    def scores(self, states: Float[Tensor, "batch time hidden"]) -> Float[Tensor, "batch time generated"]:
        """What the head gives every symbol that can be generated."""
        if not self.sizes.embedding:
            return self.head(states)
        return self.head(states) @ self.embedding.weight[: self.sizes.generated].T + self.bias

    def teacher_forced(
        self, latent: Float[Tensor, "batch latent"], source: Source, target: Int[Tensor, "batch time"]
    ) -> tuple[Tensor, Tensor]:
        """`distribution` at every position of `target`, each given the symbols before it.

        Raises:
            UsageError: `target` is longer than the positions that the decoder knows.
        """
        if target.shape[1] > self.sizes.length:
            raise UsageError(
                f"the decoder writes up to {self.sizes.length} symbols, found a target of {target.shape[1]}"
            )
        memory, mask = self.remember(latent, source)
        states = self.widen(self.embedding(shifted(target))) + self.positions.weight[: target.shape[1]]
        for block in self.blocks:
            query, key, value = block.said_parts(states)
            attended = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
            states = block.after_attention(states, attended, tuple(block.memory_parts(memory)), mask)
        return self.distribution(self.norm(states), memory, source.mask)

    def log_probabilities(
        self, generated: Tensor, copied: Tensor, tokens: Int[Tensor, "batch token"]
    ) -> Float[Tensor, "batch time vocab"]:
        """Generated and copied probability of each id added up, as logarithms."""
        total = functional.pad(generated, (0, self.sizes.vocabulary - self.sizes.generated))
        total = total.scatter_add(-1, tokens[:, None].expand(copied.shape), copied)
        return total.clamp_min(LEAST).log()

    def forward(
        self, latent: Float[Tensor, "batch latent"], source: Source, target: Int[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time vocab"]:
        """Log-probabilities of every symbol at every position, given the symbols of `target` before it."""
        return self.log_probabilities(*self.teacher_forced(latent, source, target), source.tokens)

    def nll(
        self,
        latent: Float[Tensor, "batch latent"],
        source: Source,
        target: Int[Tensor, "batch time"],
        weight: Float[Tensor, "batch"] | None = None,
    ) -> Float[Tensor, ""]:
        """Nats a symbol, without a table of the whole vocabulary; symbols that can neither be generated nor copied,
        words that are not learned and padding are not counted."""
        generated, copied = self.teacher_forced(latent, source, target)
        inside = target < self.sizes.generated
        by_head = generated.gather(-1, target.clamp_max(self.sizes.generated - 1)[..., None])[..., 0] * inside
        same = (source.tokens[:, None] == target[..., None]) & source.mask[:, None]
        said = (by_head + (copied * same).sum(dim=-1)).clamp_min(LEAST).log()
        return mean_over_symbols(-said, (target != PAD) & (target != UNSAID) & (inside | same.any(dim=-1)), weight)

    def begin(self, latent: Float[Tensor, "batch latent"], source: Source) -> TransformerState:
        memory, mask = self.remember(latent, source)
        keys, values = zip(*(block.memory_parts(memory) for block in self.blocks))
        sizes = self.sizes
        shape = (sizes.layers, latent.shape[0], sizes.heads, sizes.length, sizes.hidden // sizes.heads)
        said = memory.new_zeros(shape), memory.new_zeros(shape)  # two: an exporter would merge one tensor given twice
        position = torch.zeros((), dtype=torch.long, device=memory.device)
        return TransformerState(
            position, *said, torch.stack(keys), torch.stack(values), memory, source.mask, source.tokens
        )

    def step(
        self, symbol: Int[Tensor, "batch"], state: tuple[Tensor, ...]
    ) -> tuple[Float[Tensor, "batch vocab"], TransformerState]:
        states, after = self.advance(self.embedding(symbol)[:, None], TransformerState(*state))
        generated, copied = self.distribution(states, after.memory, after.mask)
        return self.log_probabilities(generated, copied, after.tokens)[:, 0], after

    def advance(
        self, vector: Float[Tensor, "batch 1 width"], state: TransformerState
    ) -> tuple[Float[Tensor, "batch 1 hidden"], TransformerState]:
        """The state of one symbol, given by its row of the table, and the caches with it in them."""
        places = torch.arange(self.sizes.length, device=vector.device)
        here, seen = (places == state.position)[:, None], (places <= state.position)[None]
        mask = functional.pad(state.mask, (1, 0), value=True)
        states = self.widen(vector) + self.positions(state.position)
        keys, values = [], []
        for index, block in enumerate(self.blocks):
            query, key, value = block.said_parts(states)
            keys.append(torch.where(here, key, state.said_keys[index]))
            values.append(torch.where(here, value, state.said_values[index]))
            attended = functional.scaled_dot_product_attention(query, keys[-1], values[-1], attn_mask=seen)
            memory = state.memory_keys[index], state.memory_values[index]
            states = block.after_attention(states, attended, memory, mask)
        said = {"said_keys": torch.stack(keys), "said_values": torch.stack(values)}
        return self.norm(states), state._replace(position=state.position + 1, **said)


class StepGraph(nn.Module):
    """One step with its state as flat tensors in and out: what is exported, for an explanation without torch.

    Outputs the log-probabilities and the tensors of the state that a step changes (`changed`, indexes into the state).
    """

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder
        self.changed = (0, 1, 2) if isinstance(decoder, TransformerDecoder) else (0,)

    def forward(self, symbol: Int[Tensor, "batch"], *state: Tensor) -> tuple[Tensor, ...]:
        said, after = self.decoder.step(symbol, state)
        return (said, *(after[index] for index in self.changed))


def reordered(state: tuple[Tensor, ...], rows: Int[Tensor, "batch"]) -> tuple[Tensor, ...]:
    """The state with its batch rows chosen anew, as a beam needs; hidden states and caches have the batch second."""
    if not isinstance(state, TransformerState):
        return tuple(part[:, rows] for part in state)
    position, *cached = state[:5]
    return TransformerState(position, *(part[:, rows] for part in cached), *(part[rows] for part in state[5:]))


@torch.no_grad()
def generate(
    decoder: Decoder, latent: Float[Tensor, "batch latent"], source: Source | None, length: int, beams: int = 1
) -> list[list[int]]:
    """The likeliest symbols by beam search (greedy with one beam), without the end symbol; deterministic.

    Beams are compared by their mean log-probability a symbol, so that longer texts are not at a disadvantage.
    """
    batch = len(latent)
    rows = torch.arange(batch, device=latent.device).repeat_interleave(beams)
    state = decoder.begin(latent[rows], None if source is None else Source(*(part[rows] for part in source)))
    symbol = torch.full((batch * beams,), START, device=latent.device)
    score = latent.new_full((batch, beams), -torch.inf)
    score[:, 0] = 0.0  # all beams begin alike: only one may spread
    ended = torch.zeros(batch * beams, dtype=torch.bool, device=latent.device)
    said = torch.zeros(batch * beams, 0, dtype=torch.long, device=latent.device)
    sizes = torch.zeros(batch, beams, device=latent.device)
    for _ in range(length):
        following, state = decoder.step(symbol, state)
        following[:, [PAD, START]] = -torch.inf
        following[ended] = -torch.inf
        following[ended, PAD] = 0.0
        candidates = score[..., None] + following.unflatten(0, (batch, beams))
        grown = sizes[..., None] + (~ended).view(batch, beams, 1)
        best = (candidates / grown.clamp_min(1)).flatten(1).topk(beams).indices
        parent, chosen = best // following.shape[-1], best % following.shape[-1]
        score = candidates.flatten(1).gather(1, best)
        sizes = grown[..., 0].gather(1, parent)
        kept = (parent + torch.arange(batch, device=latent.device)[:, None] * beams).flatten()
        state, symbol = reordered(state, kept), chosen.flatten()
        said = torch.cat([said[kept], symbol[:, None]], dim=1)
        ended = ended[kept] | (symbol == END)
        if ended.all():
            break
    best = (score / sizes.clamp_min(1)).argmax(dim=1)
    texts = said.view(batch, beams, -1)[torch.arange(batch), best].tolist()
    return [text[: text.index(END)] if END in text else [i for i in text if i != PAD] for text in texts]
