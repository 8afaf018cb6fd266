"""Flow matching: a learned velocity instead of drift and diffusion, with the same path through the latent.

The velocity is regressed on straight lines from the latent of a chunk to the latent of what is asked for it, so the
path from t = 0 to t = 0.1 carries code towards its question.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wayfind.train.trajectory import network


class Velocity(nn.Module):
    """v(z, t) by the drift's network, begun at zero; as dynamics its diffusion is zero: dz = v(z, t) dt."""

    def __init__(self, latent: int, width: int) -> None:
        super().__init__()
        self.velocity_net = network(latent + 1, width, latent, layers=2)

    def at(self, state: Float[Tensor, "batch latent"], time: Float[Tensor, "batch 1"]) -> Float[Tensor, "batch latent"]:
        return self.velocity_net(torch.cat([state, time], dim=-1))

    def drift(self, state: Float[Tensor, "batch latent"], time: float) -> Float[Tensor, "batch latent"]:
        return self.at(state, state.new_full((state.shape[0], 1), time))

    def diffusion(self, state: Float[Tensor, "batch latent"], time: float) -> Float[Tensor, "batch latent"]:
        return torch.zeros_like(state)


def flow_matching_loss(
    velocity: Velocity,
    source: Float[Tensor, "batch latent"],
    target: Float[Tensor, "batch latent"],
    time: Float[Tensor, "batch 1"],
) -> Float[Tensor, ""]:
    """E ‖v(z_t, t) − (x₁ − x₀)‖² per dimension, z_t = (1 − t) x₀ + t x₁, t in [0, 1].

    Lipman et al., "Flow Matching for Generative Modeling", 2022, 2210.02747, with paired ends as in Liu et al., "Flow
    Straight and Fast", 2022, 2209.03003, and no noise on the line. The ends are held fixed (no gradient): otherwise the
    term is least where source and target are the same point, which is the collapse that it must not pull to.
    """
    source, target = source.detach(), target.detach()
    state = (1 - time) * source + time * target
    return ((velocity.at(state, time) - (target - source)) ** 2).mean()
