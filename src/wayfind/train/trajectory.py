"""The latent's path: an Itô equation dz = f(z, t) dt + g(z, t) dW with states at the levels' times.

The user's time runs from 0 to 0.1 and is rescaled to [0, 1] here, so that the drift has unit scale. What serves follows
the drift alone: without increments the path is deterministic. The number of steps is fixed, so it can be exported
unrolled.
"""

from __future__ import annotations

from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

END = 0.1
"""The user's time of the last level; the seeds' trajectory ran from 0 to 0.1."""


class Dynamics(Protocol):
    """The two fields of an Itô equation with diagonal noise, in rescaled time."""

    def drift(self, state: Float[Tensor, "batch latent"], time: float) -> Float[Tensor, "batch latent"]: ...

    def diffusion(self, state: Float[Tensor, "batch latent"], time: float) -> Float[Tensor, "batch latent"]: ...


def network(inputs: int, width: int, outputs: int, layers: int) -> nn.Sequential:
    """A perceptron with SiLU whose last layer is zero: what it parametrises begins at the identity."""
    sizes = [inputs, *[width] * layers]
    parts: list[nn.Module] = []
    for before, after in zip(sizes, sizes[1:]):
        parts += [nn.Linear(before, after), nn.SiLU()]
    last = nn.Linear(width, outputs)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*parts, last)


def with_time(state: Float[Tensor, "batch latent"], time: float) -> Float[Tensor, "batch latent+1"]:
    return nn.functional.pad(state, (0, 1), value=float(time))


class NeuralDynamics(nn.Module):
    """Drift by a network of two hidden layers, diffusion by one of one, bounded: |g| < `bound`. Both begin at zero."""

    def __init__(self, latent: int, width: int, bound: float = 1.0) -> None:
        super().__init__()
        self.bound = bound
        self.drift_net = network(latent + 1, width, latent, layers=2)
        self.diffusion_net = network(latent + 1, width, latent, layers=1)

    def drift(self, state: Float[Tensor, "batch latent"], time: float) -> Float[Tensor, "batch latent"]:
        return self.drift_net(with_time(state, time))

    def diffusion(self, state: Float[Tensor, "batch latent"], time: float) -> Float[Tensor, "batch latent"]:
        return self.bound * torch.tanh(self.diffusion_net(with_time(state, time)))


def step(
    dynamics: Dynamics,
    state: Float[Tensor, "batch latent"],
    time: float,
    length: float,
    increment: Float[Tensor, "batch latent"] | None = None,
) -> Float[Tensor, "batch latent"]:
    """One step of Euler–Maruyama with the drift by the trapezoid rule (Kloeden & Platen, 1992, section 15.5, α = 1/2, η
    = 0).

        ẑ = z + f(z, t) Δ + g(z, t) ΔW
        z' = z + ½ (f(z, t) + f(ẑ, t + Δ)) Δ + g(z, t) ΔW

    Itô, diagonal noise. Strong order 0.5, 1.0 where g does not depend on z; with no noise it is Heun's method, order 2,
    so that the path that serves and the path that trains are one scheme.
    """
    slope = dynamics.drift(state, time)
    noise = 0 if increment is None else dynamics.diffusion(state, time) * increment
    predicted = state + slope * length + noise
    return state + 0.5 * (slope + dynamics.drift(predicted, time + length)) * length + noise


def integrate(
    dynamics: Dynamics,
    start: Float[Tensor, "batch latent"],
    times: tuple[float, ...],
    steps: int,
    increments: Float[Tensor, "time batch latent"] | None = None,
) -> Float[Tensor, "batch level latent"]:
    """States at the rescaled `times`, which lie on the grid of `steps` equal steps from 0 to 1.

    Args:
        times: in [0, 1], rising, each a multiple of 1 / steps.
        increments: of the Wiener process, one for each step; None follows the drift alone.
    """
    wanted = [round(time * steps) for time in times]
    state, states = start, [start]
    for index in range(wanted[-1]):
        state = step(dynamics, state, index / steps, 1 / steps, None if increments is None else increments[index])
        states.append(state)
    return torch.stack([states[index] for index in wanted], dim=1)


def wiener_increments(
    steps: int, batch: int, latent: int, generator: torch.Generator, device: torch.device | str = "cpu"
) -> Float[Tensor, "time batch latent"]:
    """Independent N(0, 1/steps) draws, made on the CPU, so that a seed gives the same path on every device."""
    return (torch.randn(steps, batch, latent, generator=generator) / steps**0.5).to(device)


class Trajectory(nn.Module):
    """The latent at each level's time.

    Args:
        times: the user's times of the levels, from 0 to 0.1, rising, on the grid of steps.
        steps: steps from 0 to 0.1; each evaluates the drift twice.

    Example:
        >>> trajectory = Trajectory(NeuralDynamics(16, 64), times=(0.0, 0.05, 0.1), steps=8)
        >>> trajectory(torch.randn(4, 16)).shape
        torch.Size([4, 3, 16])
    """

    def __init__(self, dynamics: nn.Module, times: tuple[float, ...], steps: int) -> None:
        super().__init__()
        self.dynamics = dynamics
        self.times = tuple(time / END for time in times)
        self.steps = steps

    def forward(
        self, start: Float[Tensor, "batch latent"], increments: Float[Tensor, "time batch latent"] | None = None
    ) -> Float[Tensor, "batch level latent"]:
        return integrate(self.dynamics, start, self.times, self.steps, increments)
