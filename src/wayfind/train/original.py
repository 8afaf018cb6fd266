"""The seeds' model, for the record: its sizes, its weights, and how it made vectors.

The sizes come out at exactly its 140,736 parameters with the repaired parts. The recipe (no contrastive term, padding
counted, noise left on) is kept only to show, in a test and a benchmark, that it collapses.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from wayfind.train.latent import DecoderConfig, Encoded, LatentConfig, LatentModel
from wayfind.train.posterior import Posterior
from wayfind.train.regularizers import epps_pulley, kl_to_standard_normal, random_directions
from wayfind.train.trajectory import wiener_increments

PARAMETERS = 140_736
"""Of the seeds' first model: 256 characters of 64, two layers of 64, latent 16, four couplings, a GRU of 2 × 64."""
LENGTH = 256
"""A query was padded to so many characters, and the padding counted."""

KL_WEIGHT, EPPS_PULLEY_WEIGHT = 0.1, 0.01
"""The seeds' weights, beside 1 for the explanation."""

SIZES = LatentConfig(
    hidden=64,
    latent=16,
    width=64,
    steps=2,
    coupling_width=72,  # zuko's couplings see half of the dimensions: 72 gives them the original's 37,504 parameters
    decoder=DecoderConfig(kind="gru", vocabulary=256, hidden=64, layers=2, length=128),
)


class CharacterEncoder(nn.Module):
    """A table of embeddings and nothing else: one state a character. Symbol 0 is padding."""

    def __init__(self, hidden: int = 64, vocabulary: int = 256) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, hidden)

    def forward(self, tokens: Int[Tensor, "batch token"]) -> Encoded:
        return Encoded(self.embedding(tokens), tokens != 0, tokens)


def small_model(config: LatentConfig = SIZES) -> tuple[CharacterEncoder, LatentModel]:
    """Encoder and latent model at the seeds' sizes, with the embedding shared by encoder and decoder as theirs was."""
    encoder = CharacterEncoder(config.hidden)
    return encoder, LatentModel(config, encoder.embedding)


def padding_counted(encoded: Encoded) -> Encoded:
    """Every place taken for text, as the seeds did: give it tokens padded to `LENGTH`."""
    return Encoded(encoded.states, torch.ones_like(encoded.mask), encoded.tokens)


def noisy_coordinates(
    model: LatentModel, posterior: Posterior, generator: torch.Generator
) -> Float[Tensor, "batch latent"]:
    """The flow's image of a draw from the posterior and from the noisy path, at the last level."""
    start = posterior.sample(torch.randn(posterior.mean.shape, generator=generator).to(posterior.mean))
    increments = wiener_increments(model.config.steps, *start.shape, generator, start.device)
    return model.coordinates(start, increments)[0][:, -1]


def recipe_loss(
    model: LatentModel, encoded: Encoded, explanation: Int[Tensor, "batch time"], generator: torch.Generator
) -> tuple[Float[Tensor, ""], dict[str, float]]:
    """The seeds' loss and its terms: explanation + 0.1 KL + 0.01 Epps–Pulley on the noisy latents; nothing ties query
    to code.
    """
    posterior = model.posterior(encoded.states, encoded.mask)
    latents = noisy_coordinates(model, posterior, generator)
    directions = random_directions(latents.shape[1], model.config.slices, generator, latents.device)
    terms = {
        "explanation": model.decoder.nll(latents, None, explanation),
        "kl": KL_WEIGHT * kl_to_standard_normal(posterior),
        "epps_pulley": EPPS_PULLEY_WEIGHT * epps_pulley(latents @ directions).mean(),
    }
    return sum(terms.values()), {name: term.item() for name, term in terms.items()}


@torch.no_grad()
def noisy_vectors(model: LatentModel, encoded: Encoded, generator: torch.Generator) -> Float[Tensor, "batch latent"]:
    """Unit vectors as the seeds made them for index and query alike: by drawing."""
    return functional.normalize(
        noisy_coordinates(model, model.posterior(encoded.states, encoded.mask), generator), dim=-1
    )
