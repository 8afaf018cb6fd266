"""The gradient of one batch: a model and texts in, gradients on its parameters and the terms of the loss out.

Every batch takes the same way, whatever its size and however many processes there are: texts are encoded in pieces of like length,
the loss is taken of all representations of all processes, its gradient by the representations is handed back through each
piece. Where `micro_batch` bounds the pieces, the first encoding keeps no graph and the second repeats it (L. Gao et
al., "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup", 2021, https://arxiv.org/abs/2101.06983).
Gradients equal those of the whole batch at once on one process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as distributed
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from wayfind.train import objectives
from wayfind.train.config import Objectives
from wayfind.train.heads import Represented, RetrievalModel, Texts

PIECE = 2048
"""Tokens that a processor encodes at a time: what it works on then stays in its cache (`docs/LOG.md`, "Training on two cores")."""
ROWS = 16
"""Queries whose token similarities with all codes are held at a time."""

Encode = Callable[[Texts], Represented]


@dataclass(frozen=True, slots=True)
class Contrasted:
    """What the loss needs beside the representations. Queries first, codes in the order: own codes, hard negatives."""

    excluded: Bool[Tensor, "batch code"]
    weight: Float[Tensor, "batch"]
    teacher: Float[Tensor, "batch code"] | None = None
    """Its logits, -inf where it says nothing."""


@dataclass(frozen=True, slots=True)
class Precision:
    """Which numbers the encoder computes with."""

    device: str = "cpu"
    bfloat16: bool = False

    def autocast(self) -> AbstractContextManager:
        return torch.autocast(self.device, torch.bfloat16) if self.bfloat16 else nullcontext()


def loss_terms(query: Represented, code: Represented, given: Contrasted, wanted: Objectives, step: int) -> Iterator[tuple[str, Float[Tensor, ""]]]:
    """The weighted terms of the loss, one at a time, each a part of the sum: their graphs need not be held together.

    step: decides whether XTR is still warming up.
    """
    contrast, maxsim, xtr, teach = wanted.contrastive, wanted.maxsim, wanted.xtr, wanted.distillation
    if contrast.weight:
        yield "contrastive", contrast.weight * objectives.matryoshka(
            query.vector, code.vector, given.excluded, given.weight, contrast.temperature, contrast.symmetric, contrast.dimensions
        )
    if teach.weight and given.teacher is not None:
        yield "distillation", teach.weight * objectives.distillation(query.vector, code.vector, given.teacher, given.weight, teach.temperature)
    total = given.weight.sum()
    for first in range(0, len(given.weight) if maxsim.weight or xtr.weight else 0, ROWS):
        rows = slice(first, first + ROWS)
        sides = query.tokens[rows], query.mask[rows], code.tokens, code.mask
        if maxsim.weight or step < xtr.warmup:
            scores = objectives.maxsim(*sides)
            if maxsim.weight:
                yield "maxsim", maxsim.weight * _rows_loss(scores / maxsim.temperature, given, rows, total)
            if xtr.weight and step < xtr.warmup:
                yield "xtr", xtr.weight * _rows_loss(scores / xtr.temperature, given, rows, total)
        if xtr.weight and step >= xtr.warmup:
            yield "xtr", xtr.weight * _rows_loss(objectives.xtr_scores(*sides, xtr.k) / xtr.temperature, given, rows, total)


def _rows_loss(scores: Tensor, given: Contrasted, rows: slice, total: Tensor) -> Float[Tensor, ""]:
    return objectives.weighted_mean(objectives.cross_entropy(scores, given.excluded[rows], rows.start), given.weight[rows], total)


def backward(
    model: RetrievalModel, query: Texts, code: Texts, given: Contrasted, wanted: Objectives, *, step: int, seed: int, micro_batch: int = 0,
    precision: Precision = Precision(), encode: Encode | None = None,
) -> dict[str, float]:
    """Add the gradient of the batch's loss to the parameters of `model`. Returns the terms of the loss.

    query, code: of this process; `code` holds as many own codes as there are queries, then hard negatives. given: of all
    processes, in the order of their ranks, own codes of all before negatives of all. micro_batch: texts whose graph is held at a
    time; 0: all of them.
    """
    encode = encode or (lambda texts: model(*texts))
    (asked, asked_at), (read, read_at) = (_pieces(texts, micro_batch) for texts in (query, code))
    pieces = [*asked, *read]
    cached = bool(micro_batch) and len(pieces) > 2

    def represent(number: int) -> Represented:
        torch.manual_seed(mixed(seed, step, rank(), number))
        with precision.autocast():
            return encode(pieces[number])

    with torch.set_grad_enabled(not cached):
        found = [represent(number) for number in range(len(pieces))]
    leaves = [_leaf(one) for one in found]
    own = len(query.ids)
    all_query = _gathered([_part(_stacked(leaves[: len(asked)]), asked_at)])
    code_side = _part(_stacked(leaves[len(asked) :]), read_at)
    all_code = _gathered([_part(code_side, slice(0, own)), _part(code_side, slice(own, None))])
    terms = _sum_backward(loss_terms(all_query, all_code, given, wanted, step))
    for number, leaf in enumerate(leaves):
        again = represent(number) if cached else found[number]
        _hand_back(again, leaf)
    sum_over_processes(model)
    return terms


def _sum_backward(terms: Iterator[tuple[str, Tensor]]) -> dict[str, float]:
    sums: dict[str, Tensor] = {}
    for name, term in terms:
        if term.requires_grad:
            term.backward(retain_graph=True)
        sums[name] = sums.get(name, 0) + term.detach()
    return {name: float(term) for name, term in sums.items()}


def _hand_back(found: Represented, leaf: Represented) -> None:
    """Backward through an encoding, from the gradients that the loss left at its representations."""
    pairs = [(made, at.grad) for made, at in ((found.vector, leaf.vector), (found.tokens, leaf.tokens)) if at.grad is not None and made.requires_grad]
    if pairs:
        torch.autograd.backward([made for made, _ in pairs], [gradient for _, gradient in pairs])


def _leaf(found: Represented) -> Represented:
    return Represented(found.vector.detach().requires_grad_(), found.tokens.detach().requires_grad_(), found.mask)


def _pieces(texts: Texts, size: int) -> tuple[list[Texts], Tensor | slice]:
    """The texts in pieces of `size`, or of `PIECE` tokens on a processor, each of like length and cut to its longest; and where each
    text is among them."""
    length = texts.mask.sum(dim=1)
    if not size and (texts.ids.device.type != "cpu" or texts.ids.numel() <= PIECE) or len(texts.ids) <= max(size, 1):
        return [texts], slice(None)
    order = torch.argsort(length, stable=True)
    pieces = []
    for rows in order.split(size) if size else _filled(order, length[order].tolist()):
        longest = _longest(texts.mask[rows])
        pieces.append(Texts(texts.ids[rows, :longest], texts.mask[rows, :longest]))
    return pieces, torch.argsort(order)


def _filled(order: Tensor, lengths: list[int]) -> Iterator[Tensor]:
    """Rows, the shortest first, in pieces of at most `PIECE` tokens with their padding, or of one row."""
    first = 0
    for end, length in enumerate(lengths):
        if end > first and (end + 1 - first) * length > PIECE:
            yield order[first:end]
            first = end
    yield order[first:]


def _longest(mask: Tensor) -> int:
    return int(mask.any(dim=0).sum())


def _stacked(parts: Sequence[Represented]) -> Represented:
    """Some micro-batches as one, padded to the longest."""
    length = max(part.mask.shape[1] for part in parts)
    return Represented(torch.cat([part.vector for part in parts]), *(torch.cat(padded) for padded in zip(*(_padded(part, length) for part in parts))))


def _padded(part: Represented, length: int) -> tuple[Tensor, Tensor]:
    more = length - part.mask.shape[1]
    return functional.pad(part.tokens, (0, 0, 0, more)), functional.pad(part.mask, (0, more))


def _part(found: Represented, rows: slice | Tensor) -> Represented:
    return Represented(found.vector[rows], found.tokens[rows], found.mask[rows])


def mixed(*parts: int) -> int:
    """A seed of its own for each combination of numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)


def rank() -> int:
    return distributed.get_rank() if distributed.is_available() and distributed.is_initialized() else 0


def processes() -> int:
    """Number of processes that train together."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def from_first(values: np.ndarray, device: torch.device) -> np.ndarray:
    """Numbers as the first process has them. What all must take alike goes by its clock, its figures and its hard negatives."""
    if processes() == 1:
        return values
    told = torch.from_numpy(values).to(device)
    distributed.broadcast(told, 0)
    return told.cpu().numpy()


def _gathered(sides: Sequence[Represented]) -> Represented:
    """The representations of all processes: of each side in the order of the ranks, own ones with their graph.

    Every process takes the whole loss but only the gradient by its own representations, so nothing is exchanged on the way back.
    """
    if processes() == 1:
        return _stacked(sides)
    return _stacked([one for side in sides for one in _from_all(side)])


def _from_all(side: Represented) -> list[Represented]:
    shape = torch.tensor(side.mask.shape, device=side.mask.device)
    shapes = [torch.zeros_like(shape) for _ in range(processes())]
    distributed.all_gather(shapes, shape)
    rows, length = (max(int(found[axis]) for found in shapes) for axis in (0, 1))
    if not rows:
        return [side]
    tokens, mask = _padded(side, length)
    grown = [functional.pad(one, [0, 0] * (one.ndim - 1) + [0, rows - len(one)]).contiguous() for one in (side.vector, tokens, mask.to(torch.uint8))]
    columns = []
    for one in grown:
        column = [torch.zeros_like(one) for _ in range(processes())]
        distributed.all_gather(column, one.detach())
        columns.append(column)
    found = [Represented(vector[:n], tokens[:n], mask[:n].bool()) for vector, tokens, mask, n in zip(*columns, (int(shape[0]) for shape in shapes))]
    found[rank()] = Represented(side.vector, tokens, mask)
    return found


def sum_over_processes(model: nn.Module) -> None:
    """Add up the gradients of all processes, each taken of its part of the loss."""
    if processes() > 1:
        for parameter in model.parameters():
            if not parameter.requires_grad:
                continue
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            distributed.all_reduce(parameter.grad)
