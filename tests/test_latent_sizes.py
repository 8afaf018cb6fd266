"""Sizes of the latent model, from the seeds' 140,736 parameters to tens of millions."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("zuko")
import torch  # noqa: E402

from wayfind.errors import UsageError  # noqa: E402
from wayfind.serve.learning_latent import arms_of  # noqa: E402
from wayfind.train.latent import DecoderConfig, LatentConfig, LatentModel, LossWeights  # noqa: E402
from wayfind.train.latent_network import NetworkConfig  # noqa: E402
from wayfind.train.original import PARAMETERS, SIZES, small_model  # noqa: E402

torch.set_num_threads(1)  # tensors are tiny: threads only wait for each other


def parameters(*modules: torch.nn.Module) -> int:
    return sum(p.numel() for p in {id(p): p for module in modules for p in module.parameters()}.values())


def test_the_seeds_sizes_have_the_seeds_140736_parameters():
    encoder, model = small_model(SIZES)
    assert parameters(encoder, model) == PARAMETERS == 140_736


def test_each_part_of_the_seeds_sizes_has_the_original_parts_parameters():
    encoder, model = small_model(SIZES)
    decoder = parameters(model.decoder) - parameters(encoder)  # the embedding is shared
    found = [
        parameters(encoder),
        parameters(model.posterior),
        parameters(model.trajectory),
        parameters(model.flow),
        decoder,
    ]
    assert found == [16_384, 10_656, 8_544, 37_504, 67_648]


def test_sizes_grow_to_tens_of_millions_by_configuration():
    config = LatentConfig(
        hidden=768,
        latent=384,
        width=1024,
        coupling_width=1024,
        decoder=DecoderConfig(
            "transformer", vocabulary=32_000, generated=8_000, hidden=512, layers=6, heads=8, length=64
        ),
        weights=LossWeights(explanation=1.0),
    )
    assert 40_000_000 < parameters(LatentModel(config)) < 80_000_000


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trajectory": "ode"}, "sde, flow_matching, none"),
        ({"coupling": "additive"}, "affine, spline"),
        ({"times": (0.0, 0.03)}, "grid of 4 steps"),
        ({"times": (0.1, 0.0)}, "must rise"),
        ({"weights": LossWeights(explanation=1.0)}, "gru or transformer"),
        ({"weights": LossWeights(reconstruction=1.0)}, "how many ids"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_with_what_to_change(changes, said):
    with pytest.raises(UsageError, match=said):
        LatentConfig(**changes)


def test_every_arm_can_be_asked_for_at_the_command_line():
    """Flow matching and the weights of the losses could be chosen from Python alone."""
    arms = arms_of(["trajectory=flow_matching", "couplings=0", "weights.kl=0.1", "weights.reconstruction=1", "decoder.kind=gru"])
    made = NetworkConfig.sized(16, 16, 0, 300, **arms).latent
    assert (made.trajectory, made.couplings, made.weights.kl, made.weights.contrastive, made.decoder.kind, made.vocabulary) == ("flow_matching", 0, 0.1, 1.0, "gru", 300)
    assert arms_of([]) == {}
    assert arms_of(["times=[0.1]"]) == {"times": (0.1,)}


@pytest.mark.parametrize(
    ("text", "said"),
    [("trajectry=sde", "did you mean `trajectory`"), ("weights.kll=1", "did you mean `kl`"), ("trajectory=ode", "sde, flow_matching, none"), ("couplings=many", "must be int"), ("times=[many]", "must be float"), ("couplings", "KEY=VALUE"), ("latent=3", "--latent-dim")],
)
def test_an_arm_that_cannot_be_is_refused(text, said):
    with pytest.raises(UsageError, match=said):
        arms_of([text])
