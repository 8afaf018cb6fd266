"""The normalizing flow: couplings conditioned on time, invertible, with the logarithm of the Jacobian's determinant.

It takes the trajectory's latents to coordinates in which they should be standard normal, and begins at the identity.
The couplings are zuko's; what is here conditions them on time and sets them to the identity.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from zuko.flows.coupling import GeneralCouplingTransform
from zuko.transforms import MonotonicAffineTransform, MonotonicRQSTransform

BINS = 8
"""Bins of a spline, as in most experiments of Durkan et al.; outside of [−5, 5] a spline is the identity."""

UNIVARIATE = {
    "affine": {"univariate": MonotonicAffineTransform, "shapes": ((), ())},
    "spline": {"univariate": MonotonicRQSTransform, "shapes": ((BINS,), (BINS,), (BINS - 1,))},
}
"""Real NVP (Dinh et al., 2016, 1605.08803) and neural spline flows (Durkan et al., 2019, 1906.04032)."""


class TimeFeatures(nn.Module):
    """Sines and cosines of the rescaled time at frequencies from 1 to 1000 radians, spaced as a geometric series."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer(
            "frequencies", torch.exp(torch.linspace(0, math.log(1000.0), features // 2)), persistent=False
        )

    def forward(self, time: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch feature"]:
        angle = time[..., None] * self.frequencies
        return torch.cat([angle.sin(), angle.cos()], dim=-1)


class Flow(nn.Module):
    """Couplings y = T_K ∘ … ∘ T_1 (z; t), each of which moves half of the dimensions by what the other half and t say.

    Args:
        latent: size of z, at least 2.
        width: hidden size of the couplings' networks.
        couplings: how many; 0 is the identity.
        kind: "affine" or "spline".
        features: size of the time's features.

    Example:
        >>> flow = Flow(16, 72)
        >>> y, log_determinant = flow(torch.randn(5, 16), torch.tensor(0.5))
        >>> flow.inverse(y, torch.tensor(0.5)).shape
        torch.Size([5, 16])
    """

    def __init__(self, latent: int, width: int, couplings: int = 4, kind: str = "affine", features: int = 32) -> None:
        super().__init__()
        self.time = TimeFeatures(features)
        masks = [torch.arange(latent) % 2 == index % 2 for index in range(couplings)]
        layers = [
            GeneralCouplingTransform(
                latent, features, mask=mask, hidden_features=(width, width), activation=nn.SiLU, **UNIVARIATE[kind]
            )
            for mask in masks
        ]
        for layer in layers:
            nn.init.zeros_(layer.hyper[-1].weight)
            nn.init.zeros_(layer.hyper[-1].bias)
        self.couplings = nn.ModuleList(layers)

    def forward(
        self, latents: Float[Tensor, "*batch latent"], time: Float[Tensor, "*#batch"]
    ) -> tuple[Float[Tensor, "*batch latent"], Float[Tensor, "*batch"]]:
        """The transformed latents and log |det ∂y/∂z| in nats."""
        context = self.time(time)
        total = latents.new_zeros(latents.shape[:-1])
        for coupling in self.couplings:
            latents, log_determinant = coupling(context).call_and_ladj(latents)
            total = total + log_determinant
        return latents, total

    def inverse(
        self, transformed: Float[Tensor, "*batch latent"], time: Float[Tensor, "*#batch"]
    ) -> Float[Tensor, "*batch latent"]:
        context = self.time(time)
        for coupling in reversed(self.couplings):
            transformed = coupling(context).inv(transformed)
        return transformed


def negative_log_density(
    transformed: Float[Tensor, "*batch latent"], log_determinant: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch"]:
    """−log N(f(z)) − log |det ∂f/∂z| in nats: what z costs under the flow, before any normalisation of the vector."""
    normal = 0.5 * (transformed**2).sum(dim=-1) + 0.5 * transformed.shape[-1] * math.log(2 * math.pi)
    return normal - log_determinant
