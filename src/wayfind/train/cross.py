"""A cross-encoder in training: a batch in, the gradient of its listwise loss out; held-out MRR by re-ranking; scores of given pairs.

Each question is read together with each code of its own short list: its own code, the pair's hard negatives, and codes of other
pairs in the batch. The loss is the nats of its own code under the softmax over the list's scores (H. Zhuang et al., "RankT5:
Fine-Tuning T5 for Text Ranking with Ranking Losses", 2022, https://arxiv.org/abs/2210.10634, the softmax loss; the reading of
both texts as one is that of R. Nogueira & K. Cho, "Passage Re-ranking with BERT", 2019, https://arxiv.org/abs/1901.04085).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.distributed as distributed
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from wayfind.train.batches import ROUND, Batch, Table, generator
from wayfind.train.device import limits_of
from wayfind.train.gradient import Precision, mixed, processes, rank, sum_over_processes
from wayfind.train.heads import CrossEncoder, Texts
from wayfind.train.scores import Score
from wayfind.train.validate import AT_A_TIME, Figures

RERANKED = 20
"""Codes beside its own that each held-out question is judged among."""

Encode = Callable[[Int[Tensor, "batch token"], Bool[Tensor, "batch token"]], Float[Tensor, "batch"]]


def lists_of(batch: Batch, excluded: Bool[np.ndarray, "batch code"], others: int, seed: int, step: int) -> Int[np.ndarray, "batch listed"]:
    """For each question the places, in the batch, of the codes that it is read with: its own first, then its hard negatives, then
    `others` drawn from the other pairs'; -1 where there are fewer. None is excluded but its own."""
    count = len(batch.query)
    allowed, place = ~excluded, np.arange(len(batch.code))
    hard = (batch.owner[None] == np.arange(count)[:, None]) & allowed & (place >= count)
    width = int(hard.sum(axis=1).max(initial=0))
    first = _first(hard, np.broadcast_to(place, hard.shape), width)
    drawn = _first(allowed[:, :count], generator(seed, 6, step).random((count, count)), others)
    return np.concatenate([np.arange(count)[:, None], first, drawn], axis=1)


def _first(kept: Bool[np.ndarray, "row place"], order: np.ndarray, count: int) -> Int[np.ndarray, "row count"]:
    """The places that are kept, in their order, `count` of each row; -1 where there are fewer."""
    places = np.where(kept, order, np.inf).argsort(axis=1, kind="stable")[:, :count]
    return np.where(np.take_along_axis(kept, places, axis=1), places, -1)


def together(table: Table, query: np.ndarray, code: np.ndarray, skip: np.ndarray | int = 0) -> Texts:
    """Questions and codes as one text each: special tokens, question, special tokens, code, special tokens."""
    before, _, pad = table.frame
    asked, answer = table.texts("query", query), table.texts("code", code, skip)
    split = asked.mask.sum(dim=1, keepdim=True)
    total = split + answer.mask.sum(dim=1, keepdim=True) - len(before)
    longest = min(-(-int(total.max()) // ROUND) * ROUND, table.limit["query"] + table.limit["code"])
    column = torch.arange(longest, device=table.device)[None].expand(len(query), -1)
    of_query = asked.ids.gather(1, column.clamp(max=asked.ids.shape[1] - 1))
    of_code = answer.ids.gather(1, (column - split + len(before)).clamp(0, answer.ids.shape[1] - 1))
    mask = column < total
    return Texts(torch.where(mask, torch.where(column < split, of_query, of_code), pad), mask)


def listwise(scores: Float[Tensor, "batch listed"]) -> Float[Tensor, "batch"]:
    """Nats of the first of each list under the softmax over its scores; -inf where there is none."""
    return functional.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long, device=scores.device), reduction="none")


def backward(
    model: CrossEncoder, table: Table, batch: Batch, lists: Int[np.ndarray, "batch listed"], weight: float, *, step: int, seed: int,
    micro_batch: int = 0, precision: Precision = Precision(), encode: Encode | None = None,
) -> tuple[dict[str, float], int]:
    """Add the gradient of the batch's loss to the parameters of `model`. Returns the terms of the loss and the tokens encoded here.

    Every process takes its share of the questions; lists are never divided, so a micro-batch is one list at least. The gradient is
    that of the whole batch on one process.
    """
    encode = encode or model
    each = len(lists) // processes()
    own = np.arange(rank() * each, (rank() + 1) * each)
    at_a_time = max(1, micro_batch // lists.shape[1]) if micro_batch else len(own)
    share = torch.from_numpy(batch.weight * weight / batch.weight.sum()).to(table.device)
    loss, tokens = torch.zeros((), device=table.device), 0
    for number, first in enumerate(range(0, len(own), at_a_time)):
        rows = own[first : first + at_a_time]
        place, column = np.nonzero(lists[rows] >= 0)
        codes = lists[rows][place, column]
        texts = together(table, batch.query[rows[place]], batch.code[codes], batch.skip[codes])
        torch.manual_seed(mixed(seed, step, rank(), number))
        with precision.autocast():
            found = encode(*texts)
        at = tuple(torch.from_numpy(index).to(table.device) for index in (place, column))
        scores = found.new_full(lists[rows].shape, -torch.inf).index_put(at, found)
        part = (listwise(scores) * share[rows]).sum()
        part.backward()
        loss, tokens = loss + part.detach(), tokens + int(texts.mask.sum())
    sum_over_processes(model)
    if processes() > 1:
        distributed.all_reduce(loss)
    return {"listwise": float(loss)}, tokens


def score_of(model: CrossEncoder, table: Table, precision: Precision = Precision(), at_a_time: int = AT_A_TIME) -> Score:
    """A network as what scores rows of a table, codes read whole; it is put into evaluation, without dropout."""
    at_a_time = limits_of(table.device.type).at_most(at_a_time)

    @torch.no_grad()
    def score(query: np.ndarray, code: np.ndarray) -> np.ndarray:
        model.eval()
        order = np.argsort(table.sizes("query", query) + table.sizes("code", code), kind="stable")
        found = np.empty(len(query), np.float32)
        for first in range(0, len(query), at_a_time):
            rows = order[first : first + at_a_time]
            with precision.autocast():
                found[rows] = model(*together(table, query[rows], code[rows])).float().cpu().numpy()
        return found

    return score


def candidates_of(table: Table, seed: int) -> Int[np.ndarray, "pair candidate"]:
    """For each pair RERANKED codes of the others, drawn; equal codes and those of equal questions are left out."""
    query, code = (table.key[side][: len(table)] for side in ("query", "code"))
    allowed = (query[:, None] != query[None]) & (code[:, None] != code[None])
    return _first(allowed, generator(seed, 8).random(allowed.shape), RERANKED)


def figures(score: Score, candidates: Int[np.ndarray, "pair candidate"]) -> Figures:
    """MRR and recall@10 of each question's own code among its candidates; of equal scores the right one comes last."""
    rows = np.arange(len(candidates))
    place, column = np.nonzero(candidates >= 0)
    found = np.full(candidates.shape, -np.inf)
    found[place, column] = score(place, candidates[place, column])
    ranks = 1 + (found >= score(rows, rows)[:, None]).sum(axis=1)
    return Figures(float((1 / ranks).mean()), float((ranks <= 10).mean()), len(rows), 0.0, 1 + candidates.shape[1])
