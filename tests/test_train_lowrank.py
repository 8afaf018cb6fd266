"""LoRA: it begins as the encoder is, only updates and heads learn, and merged weights compute the same without them."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from training import changed, configuration, random_texts, write_lines  # noqa: E402

from wayfind.errors import UsageError  # noqa: E402
from wayfind.train import checkpoint  # noqa: E402
from wayfind.train.batches import read_material  # noqa: E402
from wayfind.train.heads import build_model  # noqa: E402
from wayfind.train.loop import train  # noqa: E402
from wayfind.train.lowrank import LowRank, add_updates, merged  # noqa: E402

RANK = 3


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return configuration(write_lines(tmp_path_factory.mktemp("pairs") / "pairs.jsonl"), encoder__layers=2, encoder__lora=RANK, loop__steps=6)


def model_of(config, updates: bool = True):
    model = build_model(config, 300).double().eval()
    if updates:
        assert add_updates(model.encoder, RANK) == 8
    return model


def test_it_begins_as_the_encoder_is(config):
    texts = random_texts(5, 20, 300, 0)
    torch.testing.assert_close(model_of(config)(*texts).vector, model_of(config, False)(*texts).vector, rtol=0, atol=0)


def test_merged_weights_compute_the_same_without_updates(config):
    model, plain, texts = model_of(config), model_of(config, False), random_texts(6, 30, 300, 1)
    for part in model.modules():
        if isinstance(part, LowRank):
            torch.nn.init.normal_(part.up)
    whole = merged(model.state_dict())
    assert whole.keys() == plain.state_dict().keys() and merged(whole).keys() == whole.keys()
    before = plain(*texts).vector
    plain.load_state_dict(whole)
    torch.testing.assert_close(plain(*texts).vector, model(*texts).vector, rtol=1e-10, atol=1e-12)
    assert not torch.allclose(before, plain(*texts).vector, atol=1e-2)


def test_only_updates_and_heads_learn(config, tmp_path):
    done = train(config, read_material(config), tmp_path / "run")
    from safetensors.torch import load_file

    torch.manual_seed(config.seed)
    begun = build_model(config, read_material(config).vocabulary.size)
    add_updates(begun.encoder, RANK)
    was, now = begun.state_dict(), load_file(done.best / "model.safetensors")
    moved = {name for name in now if not torch.equal(was[name], now[name])}
    assert moved == {name for name in now if name.endswith((".up", ".down")) or not name.startswith("encoder.")}
    kept = load_file(done.best / "optimizer.safetensors")
    assert {name.rpartition("/")[0] for name in kept} == moved


def test_a_checkpoint_is_read_merged_and_a_later_stage_begins_with_it(config, tmp_path):
    done = train(config, read_material(config), tmp_path / "run")
    model, _ = checkpoint.load_model(done.best)
    assert not any(isinstance(part, LowRank) for part in model.modules())
    further = changed(config, {"start": str(done.best), "encoder.lora": 0, "loop.rate": 0.0, "loop.steps": 2})
    still, _ = checkpoint.load_model(train(further, read_material(config), tmp_path / "further").best)
    texts = random_texts(5, 20, read_material(config).vocabulary.size, 2)
    torch.testing.assert_close(model(*texts).vector, still(*texts).vector, rtol=0, atol=0)


def test_a_training_of_updates_goes_on_bit_for_bit(config, tmp_path):
    material = read_material(config)
    train(config, material, tmp_path / "whole")
    ticks = iter(range(10**6))
    train(changed(config, {"loop.minutes": 0.05}), material, tmp_path / "parts", clock=lambda: float(next(ticks)))
    train(config, material, tmp_path / "parts", resume=True)
    one, other = (checkpoint.latest(tmp_path / name) / "model.safetensors" for name in ("whole", "parts"))
    assert one.read_bytes() == other.read_bytes()


def test_weights_of_another_shape_are_refused(config, tmp_path):
    done = train(config, read_material(config), tmp_path / "run")
    with pytest.raises(UsageError, match="do not fit"):
        train(changed(config, {"start": str(done.best), "encoder.hidden": 32}), read_material(config), tmp_path / "other")
