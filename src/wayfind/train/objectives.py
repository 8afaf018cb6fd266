"""Objectives: representations of queries and codes in, a loss in nats out. Query i belongs to code i; further codes are negatives.

`excluded` says which codes are no negatives of a query: the same code, a code of the same query, another right answer. Every
loss is a mean over queries weighted by `weight`.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional


def weighted_mean(loss: Float[Tensor, "batch"], weight: Float[Tensor, "batch"], total: Tensor | float | None = None) -> Float[Tensor, ""]:
    """Mean by weight; `total` is the sum of all weights where `loss` holds only some of the batch."""
    return (loss * weight).sum() / (weight.sum() if total is None else total)


def cross_entropy(
    scores: Float[Tensor, "batch code"], excluded: Bool[Tensor, "batch code"], first: int = 0
) -> Float[Tensor, "batch"]:
    """Nats of the right code under the softmax over codes; row i belongs to column first + i."""
    target = first + torch.arange(len(scores), device=scores.device)
    own = torch.zeros_like(excluded).scatter_(1, target[:, None], True)
    return functional.cross_entropy(scores.masked_fill(excluded & ~own, -torch.inf), target, reduction="none")


def info_nce(
    query: Float[Tensor, "batch dim"], code: Float[Tensor, "code dim"], excluded: Bool[Tensor, "batch code"], weight: Float[Tensor, "batch"],
    temperature: float, symmetric: bool = True,
) -> Float[Tensor, ""]:
    """InfoNCE of unit vectors (van den Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018,
    https://arxiv.org/abs/1807.03748); symmetric: the mean with that from code to query, over the batch's own codes."""
    scores = query @ code.T / temperature
    loss = cross_entropy(scores, excluded)
    if symmetric:
        count = len(query)
        loss = 0.5 * (loss + cross_entropy(scores[:, :count].T, excluded[:, :count].T))
    return weighted_mean(loss, weight)


def matryoshka(
    query: Float[Tensor, "batch dim"], code: Float[Tensor, "code dim"], excluded: Bool[Tensor, "batch code"], weight: Float[Tensor, "batch"],
    temperature: float, symmetric: bool, dimensions: list[int],
) -> Float[Tensor, ""]:
    """Mean of InfoNCE over the whole vector and its prefixes, each of unit norm (Kusupati et al., "Matryoshka Representation
    Learning", 2022, https://arxiv.org/abs/2205.13147)."""
    losses = [info_nce(query, code, excluded, weight, temperature, symmetric)]
    for size in dimensions:
        short = (functional.normalize(side[:, :size], dim=-1) for side in (query, code))
        losses.append(info_nce(*short, excluded, weight, temperature, symmetric))
    return torch.stack(losses).mean()


def similarities(
    query: Float[Tensor, "batch term dim"], code: Float[Tensor, "code token dim"], code_mask: Bool[Tensor, "code token"]
) -> Float[Tensor, "batch term code token"]:
    """Cosine of every query token with every code token; -inf at padding."""
    found = query.flatten(0, 1) @ code.flatten(0, 1).T
    padding = torch.where(code_mask, 0.0, -torch.inf).to(found.dtype)
    return found.view(*query.shape[:2], *code.shape[:2]).add_(padding)


def maxsim(
    query: Float[Tensor, "batch term dim"], query_mask: Bool[Tensor, "batch term"], code: Float[Tensor, "code token dim"],
    code_mask: Bool[Tensor, "code token"],
) -> Float[Tensor, "batch code"]:
    """Mean over the query's tokens of the best cosine in the code (Khattab & Zaharia, "ColBERT", 2020,
    https://arxiv.org/abs/2004.12832). The paper's sum, divided by the query's length, so that one temperature fits all.

    Padding of queries is left out before the product: half of a batch's query tokens are none.
    """
    row = query_mask.nonzero()[:, 0]
    best = similarities(query[query_mask][:, None], code, code_mask).max(dim=-1).values.squeeze(1)
    total = best.new_zeros(len(query), len(code)).index_add(0, row, best)
    return total / query_mask.sum(dim=1, keepdim=True).clamp_min(1)


def xtr_scores(
    query: Float[Tensor, "batch term dim"], query_mask: Bool[Tensor, "batch term"], code: Float[Tensor, "code token dim"],
    code_mask: Bool[Tensor, "code token"], k: int,
) -> Float[Tensor, "batch code"]:
    """XTR's training score f(Q, D) = (1 / Z) Σ_i max_j A_ij q_i · d_j, where A_ij = 1 if d_j is among the k tokens of all codes in
    the batch that are nearest to q_i, and Z counts the query tokens that retrieved one of D's (J. Lee et al., "Rethinking
    the Role of Token Retrieval in Multi-Vector Retrieval", 2023, https://arxiv.org/abs/2304.01982, eq. 4).

    A code of which nothing was retrieved scores 0 and has no gradient. k is at most the number of tokens there are.
    """
    found = similarities(query, code, code_mask)
    flat = found.detach().flatten(2)
    least = flat.kthvalue(flat.shape[2] - min(k, int(code_mask.sum())) + 1).values
    best = found.max(dim=-1).values
    hit = (best >= least[:, :, None]) & query_mask[:, :, None]
    return torch.where(hit, best, 0.0).sum(dim=1) / hit.sum(dim=1).clamp_min(1)


def distillation(
    query: Float[Tensor, "batch dim"], code: Float[Tensor, "code dim"], teacher: Float[Tensor, "batch code"],
    weight: Float[Tensor, "batch"], temperature: float,
) -> Float[Tensor, ""]:
    """KL(teacher ‖ student) in nats between two softmaxes over the codes that the teacher judged (Hinton et al., "Distilling the
    Knowledge in a Neural Network", 2015, https://arxiv.org/abs/1503.02531). Right answers stay in: the teacher ranks them.

    teacher: logits, at least one a query; -inf where it says nothing: such a code has no part in the softmax of either. What is
    added to all logits of a query changes nothing. The student's are cosines / temperature.

    Margin-MSE (Hofstätter et al., "Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge Distillation", 2020,
    https://arxiv.org/abs/2010.02666) asks for the teacher's very differences, which cosines, at most 2 apart, cannot have.
    """
    judged = torch.isfinite(teacher)
    wanted = torch.log_softmax(teacher, dim=-1)
    said = torch.log_softmax((query @ code.T / temperature).masked_fill(~judged, -torch.inf), dim=-1)
    return weighted_mean((wanted.exp() * (wanted - said).masked_fill(~judged, 0.0)).sum(dim=-1), weight)
