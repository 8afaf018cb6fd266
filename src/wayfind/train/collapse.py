"""Is the latent alive? Active dimensions and effective rank of the posterior's means, and what pulled where it is not.

The original model lost all 16 of its dimensions while its loss fell from 5.9 to 0.76, and nobody was told. Here
training stops with an error that names the term.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wayfind.errors import Collapsed
from wayfind.train.latent import LatentLosses

ACTIVE = 0.01
"""A dimension is active if the variance over chunks of E[z | x] exceeds this (Burda, Grosse, Salakhutdinov, "Importance
Weighted Autoencoders", 2015, 1509.00519, section 5.2)."""
LEAST_RANK = 0.5
"""Share of the dimensions that the effective rank must reach."""


@dataclass(frozen=True, slots=True)
class Health:
    """Of `dimensions`, how many are active and how many directions the means spread over."""

    dimensions: int
    active: int
    effective_rank: float

    @property
    def active_share(self) -> float:
        return self.active / self.dimensions

    @property
    def rank_share(self) -> float:
        return self.effective_rank / self.dimensions


def active_dimensions(means: Float[Tensor, "chunk latent"]) -> int:
    """Dimensions whose variance over chunks exceeds 0.01."""
    return int((means.var(dim=0, unbiased=False) > ACTIVE).sum())


def effective_rank(vectors: Float[Tensor, "chunk latent"]) -> float:
    """exp(H(p)), p the singular values of the centred vectors over their sum; 0 where all vectors are one point.

    Roy & Vetterli, "The effective rank: a measure of effective dimensionality", EUSIPCO 2007.
    """
    singular = torch.linalg.svdvals((vectors - vectors.mean(dim=0)).double())
    if singular.sum() <= 1e-9 * max(1.0, vectors.abs().max().item()):
        return 0.0
    return torch.exp(torch.special.entr(singular / singular.sum()).sum()).item()


def health(means: Float[Tensor, "chunk latent"]) -> Health:
    """Active dimensions and effective rank of E[z | x] over many chunks, more than there are dimensions."""
    return Health(means.shape[1], active_dimensions(means), effective_rank(means))


@dataclass(frozen=True, slots=True)
class Pull:
    """What one weighted term does to the means: the norm of its gradient, and how fast a step along it shrinks their
    spread.

    contraction: ⟨∂L/∂z, (z − mean z) / ‖z − mean z‖⟩; positive pulls the latents together, negative apart.
    """

    term: str
    gradient: float
    contraction: float


def pulls(losses: LatentLosses) -> tuple[Pull, ...]:
    """Each term's pull on the latents, the strongest contraction first. Keeps the graph: call it before `backward`."""
    centred = losses.means.detach() - losses.means.detach().mean(dim=0)
    direction = centred / centred.norm().clamp_min(1e-12)
    found = []
    for name, term in losses.weighted.items():
        if not term.requires_grad:
            continue
        (gradient,) = torch.autograd.grad(term, losses.means, retain_graph=True, allow_unused=True)
        if gradient is not None:
            found.append(Pull(name, gradient.norm().item(), (gradient * direction).sum().item()))
    return tuple(sorted(found, key=lambda pull: (-pull.contraction, pull.term)))


def strongest(pull_log: tuple[tuple[Pull, ...], ...]) -> tuple[Pull, ...]:
    """The mean pull of each term over a training's log, the strongest contraction first.

    Over the log, since at the point of collapse itself nothing is left to pull.
    """
    by_term: dict[str, list[Pull]] = {}
    for measured in pull_log:
        for pull in measured:
            by_term.setdefault(pull.term, []).append(pull)
    means = [
        Pull(term, sum(p.gradient for p in seen) / len(seen), sum(p.contraction for p in seen) / len(seen))
        for term, seen in by_term.items()
    ]
    return tuple(sorted(means, key=lambda pull: (-pull.contraction, pull.term)))


def check_alive(found: Health, pull_log: tuple[tuple[Pull, ...], ...], least_active: float = 0.5) -> None:
    """Raise where fewer than `least_active` of the dimensions are active or the effective rank is below half.

    Raises:
        Collapsed: says how many are left and which term pulled the latents together.
    """
    if found.active_share >= least_active and found.rank_share >= LEAST_RANK:
        return
    measured = strongest(pull_log)
    listed = [f"{pull.term} {pull.contraction:+.3g} (gradient {pull.gradient:.3g})" for pull in measured]
    blamed = measured[0].term if measured and measured[0].contraction > 0 else None
    advice = f"lower the weight of {blamed}" if blamed else "raise the weight of contrastive or epps_pulley"
    raise Collapsed(
        f"the latent collapsed: {found.active} of {found.dimensions} dimensions active, effective rank "
        f"{found.effective_rank:.1f}, expected at least {least_active:.0%} active and rank "
        f"{LEAST_RANK * found.dimensions:.0f}. Pull of each term on the latents, positive is together: "
        f"{', '.join(listed) or 'none was measured'}. To mend it, {advice} and learn again."
    )
