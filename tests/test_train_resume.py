"""Checkpoints: interrupted and resumed equals uninterrupted bit for bit; a kill leaves a whole checkpoint; nothing is pickled."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training import changed, configuration, write_lines  # noqa: E402

from wayfind.errors import NotFound, UsageError  # noqa: E402
from wayfind.train import checkpoint  # noqa: E402
from wayfind.train.batches import read_material  # noqa: E402
from wayfind.train.config import Source  # noqa: E402
from wayfind.train.loop import train  # noqa: E402
from wayfind.train.shards import chosen  # noqa: E402


class Killed(Exception):
    pass


def killed_at(step):
    def report(line):
        if line["event"] == "step" and line["step"] >= step:
            raise Killed

    return report


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Everything that has a state: dropout, two epochs, mined and given negatives, an optimiser with moments."""
    path = write_lines(tmp_path_factory.mktemp("pairs") / "pairs.jsonl")
    return configuration(
        path, encoder__dropout=0.2, negatives__mined=1, negatives__given=1, negatives__every=2, loop__steps=0, loop__epochs=2, loop__batch=16, loop__micro_batch=8, loop__log_every=1, loop__evaluate_every=3, loop__bucket=2,
    )


def files(folder):
    return {path.name: path.read_bytes() for path in checkpoint.latest(folder).iterdir() if path.suffix == ".safetensors"}


def test_interrupted_and_resumed_is_uninterrupted_bit_for_bit(config, tmp_path):
    material = read_material(config)
    whole = train(config, material, tmp_path / "whole")
    for stop in (4, 8, 10):
        with pytest.raises(Killed):
            train(config, material, tmp_path / "parts", resume=stop > 4, report=killed_at(stop))
    parts = train(config, read_material(config), tmp_path / "parts", resume=True)
    assert files(tmp_path / "whole") == files(tmp_path / "parts") and set(files(tmp_path / "whole")) == {"model.safetensors", "optimizer.safetensors", "negatives.safetensors"}
    assert whole.progress.history == parts.progress.history and whole.best.name == parts.best.name


def test_a_training_out_of_time_leaves_a_checkpoint_to_go_on_from(config, tmp_path):
    material, ticks = read_material(config), iter(range(10**6))
    stopped = train(changed(config, {"loop.minutes": 0.1}), material, tmp_path / "parts", clock=lambda: float(next(ticks)))
    assert not stopped.finished and 0 < stopped.progress.step < 12
    train(config, material, tmp_path / "parts", resume=True)
    train(config, material, tmp_path / "whole")
    assert files(tmp_path / "whole") == files(tmp_path / "parts")


TOGETHER = """
import json, sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch.distributed as distributed
from training import changed, configuration
from wayfind.train import loop
from wayfind.train.batches import read_material
from wayfind.train.device import leave
from wayfind.train.validate import Figures

distributed.init_process_group("gloo", timeout=timedelta(seconds=120))
folder, rank, said = Path(sys.argv[1]), distributed.get_rank(), []
config = configuration(folder / "pairs.jsonl")
material = read_material(config)


def trained(name, clock=None, resume=False, **changes):
    done = loop.train(changed(config, changes), material, folder / name, resume=resume, **({"clock": clock} if clock else {}))
    said.append([done.finished, done.progress.step, done.progress.best_step])
    distributed.barrier()


ticks, rising = iter(range(0, 10**6, 100 if rank else 5)), iter(range(1, 100))
trained("parts", lambda: float(next(ticks)), loop__minutes=1.0)
trained("parts", resume=True)
trained("whole")
loop.figures = lambda *given: Figures(next(rising) / 100 if rank else 0.5, 0.5, 20, 8.0)
trained("patient", loop__patience=1, loop__evaluate_every=1)
loop.mine = lambda encode, table, *given: np.full((len(table), 1), -1 if rank else 0, np.int32)
trained("mined", negatives__mined=1, negatives__every=1)
(folder / f"{rank}.json").write_text(json.dumps(said))
distributed.destroy_process_group()
leave()
"""


def test_several_processes_go_by_the_clock_the_figures_and_the_hard_negatives_of_the_first(tmp_path):
    """Each went by its own: the one that left first, or had no negative, let the others wait for ever."""
    write_lines(tmp_path / "pairs.jsonl")
    (tmp_path / "together.py").write_text(TOGETHER)
    start = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1", "--nproc-per-node=2")
    done = subprocess.run([*start, tmp_path / "together.py", tmp_path], capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parent)})
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    stopped, resumed, whole, patient, mined = first
    assert not stopped[0] and 1 < stopped[1] < 8 and resumed[:2] == whole[:2] == [True, 8] and patient[1:] == [2, 1] and mined[:2] == [True, 8]
    assert files(tmp_path / "parts") == files(tmp_path / "whole")


def test_a_training_is_not_begun_over_another_nor_resumed_with_other_options(config, tmp_path):
    material = read_material(config)
    short = changed(config, {"loop.steps": 3})
    train(short, material, tmp_path / "run")
    with pytest.raises(UsageError, match="--resume"):
        train(short, material, tmp_path / "run")
    with pytest.raises(UsageError, match="loop.rate = 0.003, now it is 0.5"):
        train(changed(short, {"loop.rate": 0.5}), material, tmp_path / "run", resume=True)
    other = changed(short, {"data.train": [Source(str(write_lines(tmp_path / "other.jsonl", 150)))]})
    with pytest.raises(UsageError, match="trained on other pairs"):
        train(other, read_material(other), tmp_path / "run", resume=True)
    judged = replace(material, valid=chosen(material.valid, np.arange(len(material.valid) - 1)))
    with pytest.raises(UsageError, match="judged by other held-out pairs"):
        train(short, judged, tmp_path / "run", resume=True)
    state = checkpoint.latest(tmp_path / "run") / "state.json"
    state.write_text(json.dumps({key: value for key, value in json.loads(state.read_text()).items() if key != "held_out"}))
    assert train(short, judged, tmp_path / "run", resume=True).finished, "one from before goes on"


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "negatives.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_goes_on(config, tmp_path, name):
    material = read_material(config)
    with pytest.raises(Killed):
        train(config, material, tmp_path / "run", report=killed_at(7))
    newest = checkpoint.latest(tmp_path / "run")
    (newest / name).write_bytes((newest / name).read_bytes()[:60])
    with pytest.raises(UsageError, match=f"{newest.name}/{name}: damaged: .*delete .*{newest.name}, and --resume goes on from step-00000003"):
        train(config, material, tmp_path / "run", resume=True)
    shutil.rmtree(newest)
    assert train(config, material, tmp_path / "run", resume=True).finished


def test_a_training_starts_from_a_checkpoint_or_the_best_of_an_output_folder(config, tmp_path):
    """`start` took a checkpoint alone, and the vocabulary of whatever folder it named."""
    first = train(changed(config, {"loop.steps": 3}), read_material(config), tmp_path / "first")
    for name, start in (("checkpoint", first.best), ("folder", tmp_path / "first")):
        second = changed(config, {"loop.steps": 3, "start": str(start)})
        train(second, read_material(second), tmp_path / name)
    assert files(tmp_path / "checkpoint") == files(tmp_path / "folder")
    gone = changed(config, {"start": str(tmp_path)})
    with pytest.raises(NotFound, match="neither a checkpoint nor a folder with one"):
        read_material(gone)


def test_a_checkpoint_is_there_whole_or_not_at_all(config, tmp_path, monkeypatch):
    material, short = read_material(config), changed(config, {"loop.steps": 3})

    def refuse(*given):
        raise Killed

    monkeypatch.setattr("wayfind.train.checkpoint.os.replace", refuse)
    with pytest.raises(Killed):
        train(short, material, tmp_path / "run")
    assert checkpoint.latest(tmp_path / "run") is None


def test_the_best_and_the_newest_checkpoints_are_kept(config, tmp_path):
    done = train(changed(config, {"loop.evaluate_every": 1, "loop.keep": 2}), read_material(config), tmp_path / "run")
    names = {path.name for path in checkpoint.all_in(tmp_path / "run")}
    assert names == {done.best.name, "step-00000011", "step-00000012"}


def test_a_checkpoint_holds_no_pickle_and_loads_without_its_pairs(config, tmp_path):
    source = write_lines(tmp_path / "own.jsonl")
    own = changed(config, {"data.train": [Source(str(source))], "loop.steps": 3})
    done = train(own, read_material(own), tmp_path / "run")
    source.unlink()
    model, read = checkpoint.load_model(done.best)
    assert read.as_mapping() == own.as_mapping() and not model.training
    assert {path.suffix for path in done.best.iterdir()} == {".safetensors", ".json", ".txt"}


def test_the_log_can_be_followed(config, tmp_path):
    done = train(changed(config, {"loop.steps": 6}), read_material(config), tmp_path / "run")
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    steps = [line for line in log if line["event"] == "step"]
    assert [line["step"] for line in steps] == [1, 2, 3, 4, 5, 6]
    assert {"loss", "contrastive", "maxsim", "rate", "gradient", "pairs_per_second", "tokens_per_second", "seconds_left"} <= set(steps[0])
    assert [line["mrr"] for line in log if line["event"] == "evaluation"] == pytest.approx([mrr for _, mrr in done.progress.history], rel=1e-5)
    assert log[-1]["event"] == "done" and log[-1]["finished"]


def test_a_later_stage_starts_from_the_weights_of_the_one_before(config, tmp_path):
    first = train(changed(config, {"loop.steps": 3}), read_material(config), tmp_path / "one")
    still = changed(config, {"start": str(first.best), "loop.steps": 3, "loop.rate": 0.0})
    second = train(still, read_material(still), tmp_path / "two")
    assert files(tmp_path / "one")["model.safetensors"] == files(tmp_path / "two")["model.safetensors"] and second.progress.best == first.progress.best
