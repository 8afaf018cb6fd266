"""LoRA: an encoder's linear maps in, the same with a small trained update beside each out; and the two made one again.

    W' = W + s · U D,   D: rank × in, U: out × rank, s = 2

W is frozen; U begins at nought, so that training begins at the encoder as it is. E. Hu et al., "LoRA: Low-Rank Adaptation of
Large Language Models", 2021, https://arxiv.org/abs/2106.09685; s is their α / r with α = 2 r. The library peft does this and much
more, for the price of accelerate and a client of a model hub; what is needed of it is this file.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

SCALE = 2.0


class LowRank(nn.Module):
    """A frozen linear map and its update."""

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base
        like = base.weight
        self.down = nn.Parameter(torch.empty(rank, base.in_features, dtype=like.dtype, device=like.device))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank, dtype=like.dtype, device=like.device))
        nn.init.kaiming_uniform_(self.down, a=5**0.5)

    def forward(self, x: Float[Tensor, "... in_features"]) -> Float[Tensor, "... out_features"]:
        return self.base(x) + SCALE * functional.linear(functional.linear(x, self.down), self.up)


def add_updates(encoder: nn.Module, rank: int) -> int:
    """Freeze an encoder and put an update beside each of its linear maps. Returns how many there are."""
    encoder.requires_grad_(False)
    found = [(owner, name, part) for owner in encoder.modules() for name, part in owner.named_children() if isinstance(part, nn.Linear)]
    for owner, name, part in found:
        setattr(owner, name, LowRank(part, rank))
    return len(found)


def merged(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a network without updates that computes the same; weights without updates come back as they are."""
    whole: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        owner, _, last = name.rpartition(".")
        if f"{owner}.up" in tensors and last in ("up", "down"):
            continue
        place, inner = owner.rpartition(".")[::2]
        if inner == "base" and f"{place}.up" in tensors:
            update = SCALE * tensors[f"{place}.up"].double() @ tensors[f"{place}.down"].double() if last == "weight" else 0.0
            whole[f"{place}.{last}"] = (tensor.double() + update).to(tensor.dtype)
        else:
            whole[name] = tensor
    return whole
