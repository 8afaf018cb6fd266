"""The latent model: an encoder's states in, one unit vector for each level of meaning out; and its losses.

states ─> posterior ─> z0 ─trajectory─> z(t) ─flow─> one unit vector per level ─> decoder ─> explanation. What serves
(`forward`) takes the posterior's mean and the drift alone: no randomness, so the same text has the same vectors in
every process. Noise belongs to training, in the terms that ask for it. The encoder is not part of this: any will do
that gives states and a mask.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from wayfind.errors import UsageError
from wayfind.train.decoder import PAD, GRUDecoder, Source, TransformerDecoder, TransformerSizes
from wayfind.train.flow import UNIVARIATE, Flow, negative_log_density
from wayfind.train.flow_matching import Velocity, flow_matching_loss
from wayfind.train.objectives import info_nce
from wayfind.train.posterior import Posterior, PosteriorNet, joined
from wayfind.train.regularizers import kl_to_standard_normal, random_directions, sliced_epps_pulley
from wayfind.train.trajectory import END, NeuralDynamics, Trajectory, wiener_increments

LEVELS = ("syntax", "structure", "semantics")
"""Levels of meaning at t = 0, 0.05 and 0.1. Their positives: names and signatures; callers, callees and siblings;
docstrings and questions."""


@dataclass(frozen=True, slots=True)
class LossWeights:
    """What each term counts; 0 leaves the term out, and with it what only that term needs.

    epps_pulley: 0.5 and 1 were the best of 0, 0.05, 0.2, 0.5, 1 on the made-up language of the tests (docs/LOG.md).
    velocity counts with flow matching only.
    """

    contrastive: float = 1.0
    epps_pulley: float = 0.5
    kl: float = 0.0
    density: float = 0.0
    reconstruction: float = 0.0
    explanation: float = 0.0
    velocity: float = 1.0


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """The explanation decoder: "none", "gru" (bytes) or "transformer" (word pieces, attention to the code, copying)."""

    kind: str = "none"
    vocabulary: int = 256
    generated: int = 256
    hidden: int = 64
    layers: int = 2
    heads: int = 4
    length: int = 128


@dataclass(frozen=True, slots=True)
class LatentConfig:
    """Sizes and kinds of a latent model; every arm of the ablation is a value here.

    hidden: size of the encoder's states. latent: size of z and of the vectors. width: of the posterior's and the
    trajectory's networks. times: the user's time of each level. trajectory: "sde", "flow_matching" or "none". steps:
    from t = 0 to 0.1. couplings: 0 is no flow. coupling: "affine" or "spline". vocabulary: ids of the code's tokens,
    for reconstruction. slices: random directions of Epps–Pulley. free_nats: of the KL, per dimension. skip: see `PosteriorNet`.
    """

    hidden: int = 256
    latent: int = 128
    width: int = 256
    times: tuple[float, ...] = (0.0, 0.05, 0.1)
    trajectory: str = "sde"
    steps: int = 4
    couplings: int = 4
    coupling: str = "affine"
    coupling_width: int = 256
    vocabulary: int = 0
    slices: int = 64
    free_nats: float = 0.05
    temperature: float = 0.05
    skip: bool = False
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    weights: LossWeights = field(default_factory=LossWeights)

    def __post_init__(self) -> None:
        one_of("trajectory", self.trajectory, ("sde", "flow_matching", "none"))
        one_of("coupling", self.coupling, tuple(UNIVARIATE))
        one_of("decoder.kind", self.decoder.kind, ("none", "gru", "transformer"))
        grid = [time / END * self.steps for time in self.times]
        on_grid = all(abs(x - round(x)) < 1e-6 and 0 <= x <= self.steps for x in grid)
        if not on_grid or list(self.times) != sorted(set(self.times)):
            asked = f"times must rise from 0 to {END} on a grid of {self.steps} steps"
            raise UsageError(f"{asked}, found {self.times}: change times or steps")
        if self.weights.explanation and self.decoder.kind == "none":
            raise UsageError("weights.explanation is not 0, but decoder.kind is none: choose gru or transformer")
        if self.weights.reconstruction and not self.vocabulary:
            raise UsageError(
                "weights.reconstruction is not 0, but vocabulary is: say how many ids the code's tokens have"
            )


def one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"{name} must be one of {', '.join(known)}, found {value}")


@dataclass(frozen=True, slots=True)
class Encoded:
    """Texts as an encoder left them. `tokens` are ids, needed only to reconstruct or to copy them."""

    states: Float[Tensor, "batch token hidden"]
    mask: Bool[Tensor, "batch token"]
    tokens: Int[Tensor, "batch token"] | None = None

    def rows(self, count: int) -> Source:
        tokens = torch.zeros_like(self.mask, dtype=torch.long) if self.tokens is None else self.tokens
        return Source(self.states[:count], self.mask[:count], tokens[:count])


@dataclass(frozen=True, slots=True)
class LatentBatch:
    """Pairs to learn from: query i belongs to code i.

    code may have more rows than query: the rest are hard negatives. level: index of the level that the pair teaches.
    excluded: which codes are no negatives of a query, being the same chunk or another right answer. weight: of each
    pair. explanation: ids of the target for code i, padded with 0; explanation_weight: of each target, by its
    provenance.
    """

    query: Encoded
    code: Encoded
    level: Int[Tensor, "batch"]
    excluded: Bool[Tensor, "batch code"]
    weight: Float[Tensor, "batch"]
    explanation: Int[Tensor, "batch time"] | None = None
    explanation_weight: Float[Tensor, "batch"] | None = None


Contrast = Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor]
"""(queries, codes, excluded, weight, temperature) to a loss in nats, as `objectives.info_nce`."""


@dataclass(frozen=True, slots=True)
class LatentLosses:
    """The terms of one batch, each apart and before its weight, and the codes' and queries' posterior means."""

    terms: dict[str, Float[Tensor, ""]]
    weights: LossWeights
    means: Float[Tensor, "texts latent"]

    @property
    def weighted(self) -> dict[str, Float[Tensor, ""]]:
        return {name: getattr(self.weights, name) * term for name, term in self.terms.items()}

    @property
    def total(self) -> Float[Tensor, ""]:
        return sum(self.weighted.values())

    @property
    def values(self) -> dict[str, float]:
        """The unweighted terms as numbers, for a log."""
        return {name: term.item() for name, term in self.terms.items()}


class LatentModel(nn.Module):
    """Posterior, trajectory, flow and decoder of one configuration.

    Args:
        config: sizes, kinds, weights.
        embedding: for the GRU decoder, to share with an encoder of the same symbols.

    Example:
        >>> model = LatentModel(LatentConfig(hidden=64, latent=16, width=64, coupling_width=32))
        >>> model(torch.randn(2, 9, 64), torch.ones(2, 9, dtype=torch.bool)).shape
        torch.Size([2, 3, 16])
    """

    def __init__(self, config: LatentConfig, embedding: nn.Embedding | None = None) -> None:
        super().__init__()
        self.config = config
        self.posterior = PosteriorNet(config.hidden, config.latent, config.width, config.skip)
        self.trajectory = self._trajectory()
        self.flow = Flow(config.latent, config.coupling_width, config.couplings, config.coupling)
        self.decoder = self._decoder(embedding)
        self.reconstruction = nn.Linear(config.latent, config.vocabulary) if config.weights.reconstruction else None
        self.register_buffer("times", torch.tensor(config.times) / END, persistent=False)

    def _trajectory(self) -> Trajectory | None:
        config = self.config
        if config.trajectory == "none":
            return None
        dynamics = NeuralDynamics if config.trajectory == "sde" else Velocity
        return Trajectory(dynamics(config.latent, config.width), config.times, config.steps)

    def _decoder(self, embedding: nn.Embedding | None) -> nn.Module | None:
        sizes = self.config.decoder
        if sizes.kind == "none":
            return None
        if sizes.kind == "gru":
            return GRUDecoder(self.config.latent, sizes.vocabulary, sizes.hidden, sizes.layers, embedding)
        shape = {f.name: getattr(sizes, f.name) for f in fields(sizes) if f.name != "kind"}
        return TransformerDecoder(TransformerSizes(latent=self.config.latent, source=self.config.hidden, **shape))

    def path(
        self, start: Float[Tensor, "batch latent"], increments: Float[Tensor, "time batch latent"] | None = None
    ) -> Float[Tensor, "batch level latent"]:
        """z(t) at each level; with increments of the Wiener process, a sample of it."""
        if self.trajectory is None:
            return start[:, None].expand(-1, len(self.config.times), -1)
        return self.trajectory(start, increments)

    def coordinates(
        self, start: Float[Tensor, "batch latent"], increments: Float[Tensor, "time batch latent"] | None = None
    ) -> tuple[Float[Tensor, "batch level latent"], Float[Tensor, "batch level"]]:
        """The flow's image of the path, before normalisation, and the logarithm of its Jacobian's determinant."""
        return self.flow(self.path(start, increments), self.times.expand(start.shape[0], -1))

    def forward(
        self, states: Float[Tensor, "batch token hidden"], mask: Bool[Tensor, "batch token"]
    ) -> Float[Tensor, "batch level latent"]:
        """One unit vector a level; deterministic. This is what is served."""
        transformed, _ = self.coordinates(self.posterior(states, mask).mean)
        return functional.normalize(transformed, dim=-1)

    def explained(
        self, states: Float[Tensor, "batch token hidden"], mask: Bool[Tensor, "batch token"]
    ) -> Float[Tensor, "batch latent"]:
        """What the decoder is given when it serves: the last level's coordinates, without noise."""
        return self.coordinates(self.posterior(states, mask).mean)[0][:, -1]

    def losses(self, batch: LatentBatch, generator: torch.Generator, contrast: Contrast = info_nce) -> LatentLosses:
        """Every term that has a weight.

        Contrastive and Epps–Pulley act on the deterministic path that serves, KL on the posterior, density,
        reconstruction and explanation on a sample of the noisy path.
        """
        weights = self.config.weights
        texts = joined(*(self.posterior(side.states, side.mask) for side in (batch.query, batch.code)))
        means, code = texts.mean, texts.after(len(batch.level))
        terms = {}
        if weights.contrastive or weights.epps_pulley:
            transformed, _ = self.coordinates(means)
        if weights.contrastive:
            terms["contrastive"] = self._contrastive(functional.normalize(transformed, dim=-1), batch, contrast)
        if weights.epps_pulley:
            directions = random_directions(self.config.latent, self.config.slices, generator, means.device)
            levels = [sliced_epps_pulley(transformed[:, level], directions) for level in range(transformed.shape[1])]
            terms["epps_pulley"] = torch.stack(levels).mean()
        if weights.kl:
            terms["kl"] = kl_to_standard_normal(texts, self.config.free_nats)
        if weights.velocity and isinstance(getattr(self.trajectory, "dynamics", None), Velocity):
            terms["velocity"] = self._velocity(means, batch.level, generator)
        terms |= self._noisy(code, batch, generator)
        return LatentLosses(terms, weights, means)

    def _contrastive(
        self, vectors: Float[Tensor, "texts level latent"], batch: LatentBatch, contrast: Contrast
    ) -> Float[Tensor, ""]:
        """Each level's loss over the pairs that teach it, by their share of the weight. One level is taught by all."""
        count, last = len(batch.level), len(self.config.times) - 1
        extra = torch.arange(count, batch.excluded.shape[1], device=vectors.device)
        total = vectors.new_zeros(())
        for level in range(last + 1):
            rows = torch.nonzero((batch.level.clamp_max(last) == level) & (batch.weight > 0))[:, 0]
            if len(rows):
                columns = torch.cat([rows, extra])
                query, code, weight = vectors[rows, level], vectors[count + columns, level], batch.weight[rows]
                loss = contrast(query, code, batch.excluded[rows][:, columns], weight, self.config.temperature)
                total = total + loss * weight.sum() / batch.weight.sum()
        return total

    def _velocity(
        self, means: Float[Tensor, "texts latent"], level: Int[Tensor, "batch"], generator: torch.Generator
    ) -> Float[Tensor, ""]:
        """Flow matching from the code to its question, on the pairs of the last level."""
        rows = torch.nonzero(level >= len(self.config.times) - 1)[:, 0]
        if not len(rows):
            return means.new_zeros(())
        time = torch.rand(len(rows), 1, generator=generator).to(means)
        return flow_matching_loss(self.trajectory.dynamics, means[len(level) + rows], means[rows], time)

    def _noisy(self, code: Posterior, batch: LatentBatch, generator: torch.Generator) -> dict[str, Tensor]:
        """The terms that are expectations over z ~ q(z | x) and the Wiener process, by one draw."""
        weights, terms = self.config.weights, {}
        if not (weights.density or weights.reconstruction or weights.explanation):
            return terms
        drawn = torch.randn(code.mean.shape, generator=generator).to(code.mean)
        start = code.sample(drawn)
        increments = wiener_increments(self.config.steps, *start.shape, generator, start.device)
        path = self.path(start, increments)
        if weights.density:
            terms["density"] = self._density(path)
        if weights.reconstruction:
            terms["reconstruction"] = self._reconstruction(start, batch.code)
        if weights.explanation and batch.explanation is not None:
            count = len(batch.level)
            latents, _ = self.flow(path[:count, -1], self.times[-1])
            given = latents, batch.code.rows(count), batch.explanation, batch.explanation_weight
            terms["explanation"] = self.decoder.nll(*given)
        return terms

    def _density(self, path: Float[Tensor, "code level latent"]) -> Float[Tensor, ""]:
        """Nats a dimension that the path costs under the flow, which alone learns from it.

        The path is held fixed: an encoder or a drift that follows this gradient shrinks its latents for ever, since
        nothing counts the volume that they lose. With weight 1 it left 0 of 16 dimensions active in 150 steps.
        """
        transformed, log_determinant = self.flow(path.detach(), self.times.expand(path.shape[0], -1))
        return negative_log_density(transformed, log_determinant).mean() / self.config.latent

    def _reconstruction(self, latents: Float[Tensor, "code latent"], code: Encoded) -> Float[Tensor, ""]:
        """Nats a token of the code under a bag of tokens given z: log softmax(W z + b), as the neural variational
        document model (Miao, Yu, Blunsom, 2016, 1511.06038)."""
        if code.tokens is None:
            asked = "reconstruction needs the ids of the code's tokens"
            raise UsageError(f"{asked}: give Encoded.tokens or set weights.reconstruction to 0")
        table = torch.log_softmax(self.reconstruction(latents), dim=-1)
        said = table.gather(-1, code.tokens.masked_fill(~code.mask, PAD))
        return -(said * code.mask).sum() / code.mask.sum().clamp_min(1)
