"""Train a static model: pairs in, a table with one vector a term out. Minutes on two cores for a million pairs.

The vectors begin as those that a sentence model gives each word, reduced by principal components, or at random; then a
symmetric contrastive loss over large batches (InfoNCE, A. van den Oord et al., "Representation Learning with Contrastive
Predictive Coding", 2018, https://arxiv.org/abs/1807.03748) moves them. Serving computes the very sums that train here:
terms of `index.tokens`, weights as in `model.static`.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from wayfind.index.tokens import PART, STOP_WORDS, count, terms, terms_of, words
from wayfind.model.static import FIELDS

log = logging.getLogger(__name__)
MOST_TERMS = 400
"""Terms of one document that are trained on, the heaviest first."""


@dataclass(frozen=True, slots=True)
class StaticConfig:
    """How a static model is trained."""

    vocabulary: int = 32_000
    dim: int = 256
    epochs: int = 3
    batch: int = 2048
    rate: float = 2e-3
    temperature: float = 0.05
    anchor: float = 0.0
    """Weight of the squared distance to where the vectors began."""
    path_dropout: float = 0.5
    """Share of the documents whose path is left out: many queries come to code without a telling one."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Bags:
    """Texts as weighted terms: text i has the entries starts[i]:starts[i + 1]."""

    row: np.ndarray  # int32 [entries]
    weight: np.ndarray  # float32 [entries, fields]: square root of the count in each field
    starts: np.ndarray  # int64 [texts + 1]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def take(self, texts: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Rows, weights and offsets of some texts, as `nn.functional.embedding_bag` takes them."""
        sizes = self.starts[texts + 1] - self.starts[texts]
        offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        entry = np.repeat(self.starts[texts] - offsets, sizes) + np.arange(sizes.sum())
        return torch.from_numpy(self.row[entry]).long(), torch.from_numpy(self.weight[entry]), torch.from_numpy(offsets)


def query_counts(text: str) -> Counter[str]:
    """Terms of a query; words that tell nothing are left out, as in search."""
    return Counter({term: n for term, n in count(text).items() if term not in STOP_WORDS})


def document_counts(path: str, symbol: str | None, code: str) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Terms of a document by field of `model.static.FIELDS`."""
    place = path.rsplit(".", 1)[0].replace("/", " ")
    return count(code), count(symbol or ""), Counter(dict.fromkeys(terms(place), 1))


def vocabulary_of(counted: Iterable[Counter[str]], size: int, also: Iterable[str] = ()) -> list[str]:
    """The terms that most texts hold, at most `size`; those in `also` count as held by three more. Sorted."""
    holding: Counter[str] = Counter()
    for counts in counted:
        holding.update(counts.keys())
    for term in set(also):
        holding[term] += 3
    chosen = [t for t, n in holding.items() if n >= 3 and len(t) <= 32 and not t.isdigit() and t.isprintable()]
    return sorted(sorted(chosen, key=lambda t: (-holding[t], t))[:size])


def bags(texts: Iterable[Sequence[Counter[str]]], row_of: dict[str, int]) -> Bags:
    """Texts, each counted by field, as weighted rows of the vocabulary."""
    rows: list[int] = []
    weights: list[list[float]] = []
    starts = [0]
    width = 1
    for fields in texts:
        width = len(fields)
        merged: dict[int, list[float]] = {}
        for number, counts in enumerate(fields):
            for term, n in counts.items():
                if (row := row_of.get(term, -1)) >= 0:
                    merged.setdefault(row, [0.0] * width)[number] = math.sqrt(n)
        kept = sorted(merged.items(), key=lambda item: (-sum(item[1]), item[0]))[:MOST_TERMS]
        rows += [row for row, _ in kept]
        weights += [values for _, values in kept]
        starts.append(len(rows))
    return Bags(np.array(rows, np.int32), np.array(weights, np.float32).reshape(-1, width), np.array(starts, np.int64))


class StaticNetwork(nn.Module):
    """Vectors of the vocabulary, with the weight of each term in queries and in documents, and of each field."""

    def __init__(self, vectors: Tensor, weight: Tensor):
        super().__init__()
        self.vectors = nn.Parameter(vectors.clone())
        self.query_log_weight = nn.Parameter(weight.log().clone())
        self.document_log_weight = nn.Parameter(weight.log().clone())
        self.field_log_weight = nn.Parameter(torch.zeros(len(FIELDS)))

    def query(self, row: Tensor, weight: Tensor, offsets: Tensor) -> Tensor:
        """Unit vectors of queries, [texts, dim]."""
        return self._bag(row, weight[:, 0] * self.query_log_weight[row].exp(), offsets)

    def document(self, row: Tensor, weight: Tensor, offsets: Tensor) -> Tensor:
        """Unit vectors of documents, [texts, dim]."""
        return self._bag(row, (weight @ self.field_log_weight.exp()) * self.document_log_weight[row].exp(), offsets)

    def _bag(self, row: Tensor, weight: Tensor, offsets: Tensor) -> Tensor:
        unit = nn.functional.normalize(self.vectors, dim=1)
        summed = nn.functional.embedding_bag(row, unit, offsets, mode="sum", per_sample_weights=weight)
        return nn.functional.normalize(summed, dim=1)

    def tensors(self) -> dict[str, np.ndarray]:
        """What `model.static` reads: int8 directions, and lengths that hold each direction's scale."""
        unit = nn.functional.normalize(self.vectors.detach(), dim=1).numpy().astype(np.float64)
        scale = np.abs(unit).max(1) / 127
        return {
            "codes": np.rint(unit / scale[:, None]).astype(np.int8),
            "query_weight": (self.query_log_weight.detach().exp().numpy() * scale).astype(np.float32),
            "document_weight": (self.document_log_weight.detach().exp().numpy() * scale).astype(np.float32),
            "field_weight": self.field_log_weight.detach().exp().numpy().astype(np.float32),
        }


def contrast(query: Tensor, document: Tensor, same: Tensor, weight: Tensor, temperature: float) -> Tensor:
    """Symmetric InfoNCE over a batch, nats. `same` [batch, batch] marks pairs that are no negatives of each other
    (the diagonal apart); `weight` [batch] is each pair's share in the loss."""
    scores = (query @ document.T / temperature).masked_fill(same, -torch.inf)
    target = torch.arange(len(query))
    each = nn.functional.cross_entropy(scores, target, reduction="none")
    each = each + nn.functional.cross_entropy(scores.T, target, reduction="none")
    return (each * weight).sum() / (2 * weight.sum())


def same_of(queries: np.ndarray, documents: np.ndarray) -> Tensor:
    """Which pairs of a batch share their query or their document: bool [batch, batch], the diagonal False."""
    q, d = torch.from_numpy(queries), torch.from_numpy(documents)
    return ((q[:, None] == q[None]) | (d[:, None] == d[None])).fill_diagonal_(False)


def train(
    network: StaticNetwork,
    queries: Bags,
    documents: Bags,
    keys: tuple[np.ndarray, np.ndarray],
    weights: np.ndarray,
    config: StaticConfig,
    held_out: Callable[[StaticNetwork], float] | None = None,
) -> list[dict[str, float]]:
    """Train in place. `keys`: for each pair a number of its query and of its document, equal where those are.

    Returns a row an epoch: loss (nats), held-out score.
    """
    generator = np.random.default_rng(config.seed)
    gains = [network.query_log_weight, network.document_log_weight, network.field_log_weight]
    optimiser = torch.optim.Adam([{"params": [network.vectors]}, {"params": gains, "lr": config.rate * 5}], config.rate)
    began = network.vectors.detach().clone()
    steps = max(config.epochs * (len(queries) // config.batch), 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1.0, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * min(step / steps, 1)))
    )
    history = []
    for epoch in range(config.epochs):
        order, losses = generator.permutation(len(queries)), []
        for first in range(0, len(order) - config.batch + 1, config.batch):
            chosen = order[first : first + config.batch]
            row, weight, offsets = documents.take(chosen)
            sizes = torch.diff(torch.cat([offsets, torch.tensor([len(row)])]))
            kept = torch.from_numpy((generator.random(len(chosen)) >= config.path_dropout).astype(np.float32))
            weight[:, FIELDS.index("path")] *= kept.repeat_interleave(sizes)
            loss = contrast(
                network.query(*queries.take(chosen)),
                network.document(row, weight, offsets),
                same_of(keys[0][chosen], keys[1][chosen]),
                torch.from_numpy(weights[chosen]),
                config.temperature,
            )
            whole = loss + config.anchor * (network.vectors - began).square().sum(1).mean() if config.anchor else loss
            optimiser.zero_grad()
            whole.backward()
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        score = held_out(network) if held_out else 0.0
        history.append({"epoch": epoch, "loss": float(np.mean(losses)), "held_out": score})
        log.info("epoch %d: loss %.3f nats, held-out %.4f", epoch, history[-1]["loss"], score)
    return history


def surface_forms(texts: Iterable[str]) -> dict[str, str]:
    """The most frequent word that each term stands for, lower case: what a sentence model can read of a stem."""
    seen: dict[str, Counter[str]] = {}
    for text in texts:
        for word, n in Counter(words(text)).items():
            for part in PART.findall(word):
                seen.setdefault(terms_of(part)[0], Counter())[part.lower()] += n
    return {term: max(found.items(), key=lambda item: (item[1], item[0]))[0] for term, found in seen.items()}


def vectors_from(encode: Callable[[list[str]], np.ndarray], named: list[str], dim: int) -> np.ndarray:
    """A sentence model's vectors of single words, centred and reduced to `dim` principal components: [vocab, dim].

    Source: model2vec (https://github.com/MinishLab/model2vec) does the same to a tokenizer's vocabulary.
    """
    whole = encode(named).astype(np.float64)
    whole -= whole.mean(0)
    _, axes = np.linalg.eigh(whole.T @ whole)
    return (whole @ axes[:, ::-1][:, :dim]).astype(np.float32)


def folder_encoder(folder: Path, batch: int = 512) -> Callable[[list[str]], np.ndarray]:
    """Mean-pooled vectors of a `transformers` folder, for `vectors_from`."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()

    def encode(texts: list[str]) -> np.ndarray:
        found = []
        for first in range(0, len(texts), batch):
            given = tokenizer(texts[first : first + batch], padding=True, truncation=True, max_length=16, return_tensors="pt")
            with torch.inference_mode():
                states = model(**given).last_hidden_state
            mask = given["attention_mask"][..., None]
            found.append(((states * mask).sum(1) / mask.sum(1)).numpy())
        return np.concatenate(found)

    return encode
