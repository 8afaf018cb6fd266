"""Gradients: cached equals whole, two processes equal one, dropout is repeated, and every option reaches them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from training import configuration, random_texts, write_lines  # noqa: E402

from wayfind.train import gradient  # noqa: E402
from wayfind.train.config import Contrastive, Distillation, EncoderConfig, HeadsConfig, MaxSim, Objectives, TrainConfig, XTR, DataConfig  # noqa: E402
from wayfind.train.gradient import Contrasted, backward  # noqa: E402
from wayfind.train.heads import build_model  # noqa: E402

EVERY = Objectives(contrastive=Contrastive(1.0, dimensions=[4]), maxsim=MaxSim(0.5), xtr=XTR(0.5, k=20, warmup=0), distillation=Distillation(0.3, teacher="x"))


def model(dropout: float = 0.0, heads: HeadsConfig = HeadsConfig(vector=8, tokens=8)):
    return build_model(TrainConfig("t", DataConfig([]), encoder=EncoderConfig(layers=2, hidden=16, heads=2, code_length=24, dropout=dropout), heads=heads), 90).double()


def given(batch: int, codes: int, seed: int = 3) -> Contrasted:
    drawn = torch.Generator().manual_seed(seed)
    excluded = torch.rand(batch, codes, generator=drawn) < 0.1
    return Contrasted(excluded, torch.rand(batch, generator=drawn).double() + 0.5, torch.rand(batch, codes, generator=drawn).double())


def gradients(wanted: Objectives = EVERY, micro_batch: int = 0, dropout: float = 0.0, batch: int = 10, extra: int = 7, seed: int = 0, step: int = 5, contrasted: Contrasted | None = None) -> torch.Tensor:
    net = model(dropout).train()
    query, code = random_texts(batch, 9, 90, 1), random_texts(batch + extra, 20, 90, 2)
    backward(net, query, code, contrasted or given(batch, batch + extra), wanted, step=step, seed=seed, micro_batch=micro_batch)
    return torch.cat([(torch.zeros_like(one) if one.grad is None else one.grad).ravel() for one in net.parameters()])


@pytest.mark.parametrize("piece", [1, 40, 100])
def test_gradients_of_pieces_equal_those_of_the_whole_batch(piece, monkeypatch):
    monkeypatch.setattr(gradient, "PIECE", 10**9)
    whole = gradients()
    monkeypatch.setattr(gradient, "PIECE", piece)
    assert torch.allclose(gradients(), whole, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("piece", "sizes"), [(1, [1] * 17), (100, None), (10**9, [17])])
def test_pieces_hold_every_text_once_and_no_more_tokens_than_they_may(piece, sizes, monkeypatch):
    monkeypatch.setattr(gradient, "PIECE", piece)
    texts = random_texts(17, 20, 90, 2)
    pieces, place = gradient._pieces(texts, 0)
    assert sizes is None or [len(one.ids) for one in pieces] == sizes
    assert all(one.ids.numel() <= piece or len(one.ids) == 1 for one in pieces)
    assert [one.mask.shape[1] for one in pieces] == sorted(int(one.mask.sum(1).max()) for one in pieces)
    rows = [row[seen].tolist() for one in pieces for row, seen in zip(one.ids, one.mask)]
    assert [rows[at] for at in torch.arange(17)[place].tolist()] == [row[seen].tolist() for row, seen in zip(texts.ids, texts.mask)]


@pytest.mark.parametrize("micro_batch", [1, 3, 8, 17])
def test_cached_gradients_equal_those_of_the_whole_batch(micro_batch):
    assert torch.allclose(gradients(micro_batch=micro_batch), gradients(), rtol=1e-9, atol=1e-12)


def test_dropout_is_drawn_once_for_both_encodings_and_anew_for_each_step():
    once = gradients(micro_batch=3, dropout=0.3)
    assert torch.equal(once, gradients(micro_batch=3, dropout=0.3))
    assert not torch.allclose(once, gradients(micro_batch=3, dropout=0.3, step=6))
    assert not torch.allclose(once, gradients(micro_batch=3))


def test_the_gradient_is_that_of_autograd_through_the_whole_model():
    net = model().train()
    query, code, told = random_texts(10, 9, 90, 1), random_texts(17, 20, 90, 2), given(10, 17)
    from wayfind.train.gradient import loss_terms

    sum(term for _, term in loss_terms(net(*query), net(*code), told, EVERY, 5)).backward()
    direct = torch.cat([one.grad.ravel() for one in net.parameters()])
    assert torch.allclose(gradients(), direct, rtol=1e-9, atol=1e-12)


def test_taking_queries_some_at_a_time_changes_no_gradient(monkeypatch):
    whole = gradients()
    monkeypatch.setattr("wayfind.train.gradient.ROWS", 3)
    assert torch.allclose(gradients(), whole, rtol=1e-9, atol=1e-12)


OPTIONS = {
    "contrastive.weight": Objectives(Contrastive(2.0, dimensions=[4]), MaxSim(0.5)),
    "contrastive.temperature": Objectives(Contrastive(1.0, 0.1, dimensions=[4]), MaxSim(0.5)),
    "contrastive.symmetric": Objectives(Contrastive(1.0, symmetric=False, dimensions=[4]), MaxSim(0.5)),
    "contrastive.dimensions": Objectives(Contrastive(1.0), MaxSim(0.5)),
    "maxsim.weight": Objectives(Contrastive(1.0, dimensions=[4]), MaxSim(0.0)),
    "maxsim.temperature": Objectives(Contrastive(1.0, dimensions=[4]), MaxSim(0.5, 0.1)),
    "xtr.weight": Objectives(Contrastive(1.0, dimensions=[4]), MaxSim(0.5), XTR(0.5, k=20)),
    "distillation.weight": Objectives(Contrastive(1.0, dimensions=[4]), MaxSim(0.5), distillation=Distillation(0.5)),
}


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_of_the_objectives_changes_the_gradient(option):
    before = gradients(Objectives(Contrastive(1.0, dimensions=[4]), MaxSim(0.5)))
    assert not torch.allclose(before, gradients(OPTIONS[option]), rtol=1e-4)


@pytest.mark.parametrize("one, other", [
    (XTR(0.5, k=20, warmup=0), XTR(0.5, k=4, warmup=0)), (XTR(0.5, k=20, warmup=0), XTR(0.5, 0.1, k=20, warmup=0)), (XTR(0.5, k=20, warmup=0), XTR(0.5, k=20, warmup=9)),
], ids=["k", "temperature", "warmup"])
def test_every_option_of_xtr_changes_the_gradient(one, other):
    assert not torch.allclose(gradients(Objectives(xtr=one)), gradients(Objectives(xtr=other)), rtol=1e-4)


def test_the_temperature_of_distillation_changes_the_gradient():
    one, other = (Objectives(Contrastive(0.0), distillation=Distillation(0.5, temperature)) for temperature in (0.05, 0.2))
    assert not torch.allclose(gradients(one), gradients(other), rtol=1e-4)


def test_xtr_warms_up_as_maxsim():
    assert torch.allclose(gradients(Objectives(xtr=XTR(0.5, k=4, warmup=6))), gradients(Objectives(maxsim=MaxSim(0.5))), rtol=1e-9, atol=1e-12)


def test_weights_and_false_negatives_change_the_gradient():
    told = given(10, 17)
    for other in (Contrasted(told.excluded, torch.ones(10).double(), told.teacher), Contrasted(torch.zeros_like(told.excluded), told.weight, told.teacher)):
        assert not torch.allclose(gradients(contrasted=told), gradients(contrasted=other), rtol=1e-4)


TWO = """
import json, sys
import torch, torch.distributed as distributed
torch.set_num_threads(1)
from wayfind.train.batches import read_material
from wayfind.train.config import config_of
from wayfind.train.device import leave
from wayfind.train.loop import _Run
from pathlib import Path
config = config_of(json.load(open(sys.argv[1])))
import os
if "RANK" in os.environ:
    distributed.init_process_group("gloo")
run = _Run(config, read_material(config), Path(sys.argv[2]), None, lambda: 0.0)
terms, norm, _ = run._step(3)
if run.rank == 0:
    gradient = {name: one.grad.double().flatten().tolist() for name, one in run.model.named_parameters()}
    json.dump({"terms": terms, "norm": norm, "gradient": gradient}, open(sys.argv[3], "w"))
if distributed.is_initialized():
    distributed.destroy_process_group()
leave()
"""


def test_two_processes_have_the_gradients_of_one(tmp_path):
    """Gathered negatives, weights, given hard negatives: torchrun with two processes on the CPU."""
    config = configuration(
        write_lines(tmp_path / "pairs.jsonl"), objectives=Objectives(Contrastive(1.0), MaxSim(0.5), XTR(0.5, k=40, warmup=0)), negatives__given=1, data__weights="loss", loop__micro_batch=3, loop__clip=0.0,
    )
    (tmp_path / "two.py").write_text(TWO)
    (tmp_path / "config.json").write_text(json.dumps(config.as_mapping()))
    found = []
    for processes in (1, 2):
        out = tmp_path / f"{processes}.json"
        start = [sys.executable] if processes == 1 else [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1", "--nproc-per-node=2"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run([*start, str(tmp_path / "two.py"), tmp_path / "config.json", tmp_path / "out", out], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr[-3000:]
        found.append(json.loads(Path(out).read_text()))
    one, two = found
    assert one["terms"] == pytest.approx(two["terms"], rel=1e-5)
    for name, gradient in one["gradient"].items():
        assert torch.allclose(torch.tensor(gradient), torch.tensor(two["gradient"][name]), rtol=1e-3, atol=1e-6), name
