"""Every arm of the ablation is a value of the configuration and reaches the gradient; what is served carries no noise
and exports.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("zuko")
import latents  # noqa: E402
import torch  # noqa: E402

from wayfind.errors import UsageError  # noqa: E402
from wayfind.train.latent import DecoderConfig, Encoded, LatentConfig, LatentModel, LossWeights  # noqa: E402
from wayfind.train.objectives import info_nce  # noqa: E402

GRU = DecoderConfig("gru", latents.VOCABULARY, hidden=16)
TRANSFORMER = DecoderConfig("transformer", latents.VOCABULARY, latents.VOCABULARY, hidden=16, layers=1, length=16)
NOTHING = LossWeights(*[0.0] * 7)
CONFIG = LatentConfig(
    hidden=48, latent=8, width=24, coupling_width=24, weights=NOTHING, free_nats=0.0, vocabulary=latents.VOCABULARY
)
ARMS = {
    "contrastive": (CONFIG, ["encoder", "posterior", "trajectory", "flow"]),
    "epps_pulley": (CONFIG, ["encoder", "posterior", "trajectory", "flow"]),
    "kl": (CONFIG, ["encoder", "posterior"]),
    "density": (CONFIG, ["flow"]),
    "reconstruction": (CONFIG, ["encoder", "posterior", "reconstruction"]),
    "explanation": (replace(CONFIG, decoder=GRU), ["encoder", "posterior", "trajectory", "flow", "decoder"]),
    "velocity": (replace(CONFIG, trajectory="flow_matching"), ["trajectory"]),
}


def modules(config: LatentConfig, moved: bool = True) -> tuple[latents.SmallEncoder, LatentModel]:
    """Encoder and model; moved away from the identity, where some gradients are zero by design."""
    torch.manual_seed(0)
    encoder, model = latents.SmallEncoder(), LatentModel(config)
    if moved:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    return encoder, model


def losses_of(config: LatentConfig, encoder=None, model=None, explain: bool = True):
    if encoder is None:
        encoder, model = modules(config)
    pairs = latents.made_up_pairs(24, seed=1)
    batch = latents.batch_of(encoder, pairs, pairs.code if explain else None)
    return model.losses(batch, torch.Generator().manual_seed(0))


def reached(encoder, model) -> list[str]:
    parts = {"encoder": encoder, **dict(model.named_children())}
    return [name for name, part in parts.items() if any(p.grad is not None and p.grad.any() for p in part.parameters())]


@pytest.mark.parametrize("term", ARMS)
def test_each_term_alone_reaches_the_gradient_of_the_parts_that_it_teaches(term):
    config, parts = ARMS[term]
    config = replace(config, weights=replace(NOTHING, **{term: 1.0}))
    encoder, model = modules(config)
    losses = losses_of(config, encoder, model)
    losses.total.backward()
    assert list(losses.terms) == [term]
    assert reached(encoder, model) == parts


@pytest.mark.parametrize("term", ARMS)
def test_a_weight_scales_its_term_and_zero_leaves_it_out(term):
    config = replace(ARMS[term][0], weights=replace(NOTHING, **{term: 0.25}))
    losses = losses_of(config)
    assert losses.total.item() == pytest.approx(0.25 * losses.values[term], rel=1e-6)
    others = replace(LossWeights(reconstruction=1.0, kl=1.0, density=1.0), **{term: 0.0})
    assert term not in losses_of(replace(ARMS[term][0], weights=others)).terms


def test_terms_are_returned_apart_and_sum_to_the_total():
    weights = LossWeights(1.0, 0.5, 0.1, 0.2, 0.3, 0.7)
    losses = losses_of(replace(CONFIG, decoder=TRANSFORMER, weights=weights))
    assert list(losses.terms) == ["contrastive", "epps_pulley", "kl", "density", "reconstruction", "explanation"]
    expected = sum(getattr(weights, name) * value for name, value in losses.values.items())
    assert losses.total.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {"trajectory": "none"},
        {"trajectory": "flow_matching"},
        {"couplings": 0},
        {"coupling": "spline"},
        {"times": (0.1,)},
        {"times": (0.0, 0.1)},
        {"decoder": GRU},
        {"decoder": TRANSFORMER},
    ],
    ids=str,
)
def test_each_kind_builds_serves_and_learns(changes):
    weights = LossWeights(kl=0.1, density=0.1, explanation=1.0 if "decoder" in changes else 0.0)
    config = replace(CONFIG, weights=weights, **changes)
    encoder, model = modules(config)
    vectors = latents.served(encoder, model, latents.made_up_pairs(5, 1).code)
    assert vectors.shape == (5, len(config.times), 8)
    losses_of(config, encoder, model).total.backward()
    everything = [*encoder.named_parameters(), *model.named_parameters()]
    used = [name for name, p in everything if p.grad is not None and p.grad.abs().sum() > 0]
    idle = {name for name, _ in everything} - set(used)
    assert not {n for n in idle if not n.startswith(("reconstruction", "trajectory.dynamics.diffusion", "embedding"))}


def test_the_diffusion_is_taught_by_the_noisy_path_and_the_drift_by_what_serves():
    config = replace(CONFIG, decoder=GRU, weights=replace(NOTHING, explanation=1.0))
    encoder, model = modules(config)
    losses_of(config, encoder, model).total.backward()
    assert model.trajectory.dynamics.diffusion_net[0].weight.grad.abs().sum() > 0
    config = replace(CONFIG, weights=replace(NOTHING, contrastive=1.0))
    encoder, model = modules(config)
    losses_of(config, encoder, model).total.backward()
    assert model.trajectory.dynamics.diffusion_net[0].weight.grad is None
    assert model.trajectory.dynamics.drift_net[0].weight.grad.abs().sum() > 0


def test_each_level_is_taught_by_its_own_pairs_only():
    config = replace(CONFIG, trajectory="none", couplings=0, weights=replace(NOTHING, contrastive=1.0))
    encoder, model = modules(config)
    pairs = latents.made_up_pairs(24, seed=1)
    seen = []

    def contrast(query, code, excluded, weight, temperature):
        seen.append(query.shape[0])
        return info_nce(query, code, excluded, weight, temperature)

    model.losses(latents.batch_of(encoder, pairs), torch.Generator(), contrast)
    assert seen == [8, 8, 8]
    one = LatentModel(replace(config, times=(0.1,)))
    one.losses(latents.batch_of(encoder, pairs), torch.Generator(), contrast)
    assert seen[3:] == [24]


def test_hard_negatives_reach_the_loss_and_twins_do_not():
    config = replace(CONFIG, times=(0.1,), weights=replace(NOTHING, contrastive=1.0))
    encoder, model = modules(config)
    pairs = latents.made_up_pairs(12, seed=1)
    batch = latents.batch_of(encoder, pairs.rows(torch.arange(8)))
    extra = encoder(pairs.code[8:])
    longer = Encoded(
        *(
            torch.cat([a, b])
            for a, b in zip(
                (batch.code.states, batch.code.mask, batch.code.tokens), (extra.states, extra.mask, extra.tokens)
            )
        )
    )

    def loss(excluded):
        return model.losses(replace(batch, code=longer, excluded=excluded), torch.Generator()).total.item()

    plain = model.losses(batch, torch.Generator()).total.item()
    nothing, hard = torch.zeros(8, 12, dtype=torch.bool), torch.zeros(8, 12, dtype=torch.bool)
    hard[:, 8:] = True
    assert loss(nothing) > plain + 1e-3
    assert loss(hard) == pytest.approx(plain, rel=1e-5)  # excluded ones are no negatives
    assert loss(torch.ones_like(nothing)) < 1e-6  # all are right answers


def test_a_pair_counts_by_its_weight_on_its_level():
    config = replace(CONFIG, weights=replace(NOTHING, contrastive=1.0))
    encoder, model = modules(config)
    pairs = latents.made_up_pairs(24, seed=1)
    batch = latents.batch_of(encoder, pairs)

    def loss(weight):
        return model.losses(replace(batch, weight=weight), torch.Generator()).total.item()

    alone = [loss((pairs.level == level).float()) for level in range(3)]
    assert loss(torch.ones(24)) == pytest.approx(sum(alone) / 3, rel=1e-5)
    assert loss(pairs.level.float()) == pytest.approx((alone[1] + 2 * alone[2]) / 3, rel=1e-5)


def test_reconstruction_without_ids_is_refused_with_what_to_give():
    config = replace(CONFIG, weights=replace(NOTHING, reconstruction=1.0))
    encoder, model = modules(config)
    batch = latents.batch_of(encoder, latents.made_up_pairs(4, 1))
    with pytest.raises(UsageError, match="Encoded.tokens"):
        model.losses(replace(batch, code=replace(batch.code, tokens=None)), torch.Generator())


def test_losses_are_the_same_for_the_same_seed_and_noise_differs_for_another():
    config = replace(CONFIG, weights=LossWeights(kl=1.0, density=1.0, reconstruction=1.0))
    encoder, model = modules(config)
    batch = latents.batch_of(encoder, latents.made_up_pairs(8, 1))
    first, second, third = (model.losses(batch, torch.Generator().manual_seed(seed)).values for seed in (1, 1, 2))
    assert first == second
    assert {name for name in first if first[name] != third[name]} == {"epps_pulley", "density", "reconstruction"}


def test_a_saved_model_loads_with_the_same_vectors(tmp_path):
    encoder, model = modules(replace(CONFIG, decoder=TRANSFORMER))
    torch.save(model.state_dict(), tmp_path / "model.pt")
    loaded = LatentModel(model.config)
    loaded.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    ids = latents.made_up_pairs(4, 1).code
    assert torch.equal(latents.served(encoder, loaded, ids), latents.served(encoder, model, ids))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("changes", [{}, {"coupling": "spline", "trajectory": "flow_matching"}], ids=str)
def test_what_is_served_exports_to_onnx_with_the_steps_unrolled(changes, tmp_path, caplog):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    caplog.set_level("ERROR")
    encoder, model = modules(replace(CONFIG, steps=2, couplings=2, **changes))
    batch, token = torch.export.Dim("batch", min=2), torch.export.Dim("token", min=2)
    example = (torch.randn(3, 5, 48), torch.ones(3, 5, dtype=torch.bool))
    torch.onnx.export(
        model.eval(),
        example,
        tmp_path / "latent.onnx",
        dynamo=True,
        input_names=["states", "mask"],
        dynamic_shapes=({0: batch, 1: token},) * 2,
    )
    session = onnxruntime.InferenceSession(tmp_path / "latent.onnx")
    with torch.no_grad():
        encoded = encoder(latents.made_up_pairs(7, 1).code)
        expected = model(encoded.states, encoded.mask)
    (found,) = session.run(None, {"states": encoded.states.numpy(), "mask": encoded.mask.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), expected, rtol=0, atol=1e-5)
