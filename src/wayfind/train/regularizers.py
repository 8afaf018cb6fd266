"""Terms that shape the latent's distribution: KL to the standard normal with free bits, and sliced Epps–Pulley.

Both return nats or plain numbers to be minimised; randomness (the slices) is an argument.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from wayfind.train.posterior import Posterior

GAUSSIAN = math.sqrt(2 * math.pi) - math.sqrt(2 * math.pi / 3)
"""The Epps–Pulley statistic that standard normal samples have on average, whatever their number:
∫ (1 − e^{−t²}) e^{−t²/2} dt = 1.06."""


def kl_to_standard_normal(posterior: Posterior, free: float = 0.0) -> Float[Tensor, ""]:
    """KL(q(z|x) ‖ N(0, I)) in nats a text, where a dimension costs nothing below `free` nats on average over the batch.

    ½ (mean² + exp(log_variance) − 1 − log_variance) per dimension (Kingma & Welling, 1312.6114, appendix B); free bits
    as in Kingma et al., "Improved Variational Inference with Inverse Autoregressive Flow", 2016, 1606.04934, eq. 15,
    each dimension a group of its own.
    """
    mean, log_variance = posterior.mean, posterior.log_variance
    nats = 0.5 * (mean**2 + torch.exp(log_variance) - 1 - log_variance)
    return nats.mean(dim=0).clamp_min(free).sum()


def epps_pulley(samples: Float[Tensor, "batch slice"], knots: int = 17, bound: float = 5.0) -> Float[Tensor, "slice"]:
    """Distance of each column's characteristic function from the standard normal's; 1.06 for a normal column.

    T = N ∫ |φ_N(t) − e^{−t²/2}|² e^{−t²/2} dt, φ_N(t) = (1/N) Σ_j e^{i t x_j} (Epps & Pulley, "A test for normality
    based on the empirical characteristic function", 1983, with the Gaussian window of Balestriero & LeCun, "LeJEPA",
    2025, 2511.08544), by the trapezoid rule on `knots` points of [−bound, bound]; the integrand is even, so half of
    them are computed.

    Example:
        >>> epps_pulley(torch.randn(256, 8)).shape
        torch.Size([8])
    """
    time = torch.linspace(0, bound, knots // 2 + 1, dtype=samples.dtype, device=samples.device)
    angle = time[:, None, None] * samples
    normal = torch.exp(-0.5 * time**2)[:, None]
    distance = (angle.cos().mean(dim=1) - normal) ** 2 + angle.sin().mean(dim=1) ** 2
    return 2 * len(samples) * torch.trapezoid(distance * normal, time, dim=0)


def epps_pulley_exact(samples: Float[Tensor, "batch slice"]) -> Float[Tensor, "slice"]:
    """The same integral over the whole line in closed form, for tests and small batches: quadratic in the batch.

    T / N = (√(2π) / N²) Σ_jk e^{−(x_j − x_k)²/2} − (2 √π / N) Σ_j e^{−x_j²/4} + √(2π/3).
    """
    pairs = torch.exp(-0.5 * (samples[:, None] - samples[None]) ** 2).mean(dim=(0, 1))
    singles = torch.exp(-0.25 * samples**2).mean(dim=0)
    normal = math.sqrt(2 * math.pi / 3)
    return len(samples) * (math.sqrt(2 * math.pi) * pairs - 2 * math.sqrt(math.pi) * singles + normal)


def random_directions(
    latent: int, slices: int, generator: torch.Generator, device: torch.device | str = "cpu"
) -> Float[Tensor, "latent slice"]:
    """Unit vectors as columns, uniform on the sphere; drawn on the CPU, so that a seed is the same on every device."""
    drawn = torch.randn(latent, slices, generator=generator)
    return (drawn / drawn.norm(dim=0, keepdim=True)).to(device)


def sliced_epps_pulley(
    latents: Float[Tensor, "batch latent"], directions: Float[Tensor, "latent slice"]
) -> Float[Tensor, ""]:
    """Mean Epps–Pulley statistic over one-dimensional projections, less its value under normality, per sample.

    By Cramér–Wold the latents are N(0, I) if every projection is N(0, 1). Divided by the batch size, unlike the paper's
    statistic, so that its gradient per text has the scale of a loss that is a mean over the batch.
    """
    return (epps_pulley(latents @ directions).mean() - GAUSSIAN) / len(latents)
