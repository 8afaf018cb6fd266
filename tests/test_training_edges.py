"""Regressions of training as a newcomer uses it: what it made is found where it is named, and what cannot be done says what can."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from training import changed, configuration, lines, write_lines  # noqa: E402

from wayfind.errors import ModelError, NotFound, UsageError  # noqa: E402
from wayfind.model import bundle  # noqa: E402
from wayfind.serve import encoders, training  # noqa: E402
from wayfind.train import checkpoint  # noqa: E402
from wayfind.train.batches import pairs_of, read_material, vocabulary_of  # noqa: E402
from wayfind.train.config import EncoderConfig, HeadsConfig, MaxSim, Source, read_configs  # noqa: E402
from wayfind.train.encoder import build_encoder  # noqa: E402
from wayfind.train.heads import build_model  # noqa: E402
from wayfind.train.loop import train  # noqa: E402
from wayfind.train.run import train_stages  # noqa: E402


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """The output folder of a training, with two checkpoints, a log and a bundle."""
    folder = tmp_path_factory.mktemp("trained")
    train_stages([configuration(write_lines(folder / "pairs.jsonl"), loop__steps=2, loop__evaluate_every=1)], folder / "m2")
    return folder / "m2"


@pytest.fixture
def unused(monkeypatch):
    monkeypatch.setenv("WAYFIND_MODEL", "none")


def test_the_output_folder_of_a_training_is_taken_as_an_encoder(output, unused, monkeypatch):
    """`--encoder` and WAYFIND_MODEL took its `bundle` alone, `eval --model-path` either."""
    encoders.use_encoder(str(output))
    assert os.environ["WAYFIND_MODEL"] == str(output / "bundle")
    monkeypatch.setenv("WAYFIND_MODEL", str(output))
    assert bundle.current() == bundle.load(output / "bundle")


@pytest.mark.parametrize("inside", ["", "stage-2"])
def test_a_checkpoint_is_no_encoder_and_names_the_bundle_beside_it(output, unused, tmp_path, inside):
    """It said that `bundle.json` was expected, and not that one was a folder further up."""
    place = tmp_path / "m2" / inside
    shutil.copytree(output, place)
    shutil.move(place / "bundle", tmp_path / "kept")
    newest = checkpoint.latest(place)
    for folder in (newest, place):
        with pytest.raises(ModelError, match=rf"{folder} (is a checkpoint|holds checkpoints) of `wayfind train`, .* wayfind train --config FILE --output {tmp_path}/m2 --resume, or .* wayfind eval --model-path {folder}$"):
            encoders.use_encoder(str(folder))
    shutil.move(tmp_path / "kept", tmp_path / "m2" / "bundle")
    with pytest.raises(ModelError, match=rf"name the bundle of that training: {tmp_path}/m2/bundle, or"):
        encoders.use_encoder(str(newest))


def test_a_start_that_is_a_bundle_says_so_and_what_to_name(output, tmp_path):
    """It was told to train into the folder of the bundle."""
    own = configuration(output.parent / "pairs.jsonl", start=str(output / "bundle"))
    with pytest.raises(NotFound, match=rf"m2/bundle: a bundle, .* no checkpoint; name the training that it is of: {output}; or, if it began as a BERT, .* wayfind.train.dequantise .* encoder.folder"):
        read_material(own)
    shutil.copytree(output / "bundle", tmp_path / "alone")
    with pytest.raises(NotFound, match="if its checkpoints are kept; or, .* wayfind.train.dequantise"):
        read_material(changed(own, {"start": str(tmp_path / "alone")}))
    with pytest.raises(NotFound, match=f"name the training that it is of: {output}$"):
        checkpoint.best_in(output / "bundle")


def test_weights_of_another_size_are_said_in_one_line(output, tmp_path):
    """Twelve lines of torch's came, and no advice."""
    own = configuration(output.parent / "pairs.jsonl", start=str(output), encoder__hidden=32)
    with pytest.raises(UsageError) as said:
        train(own, read_material(own), tmp_path / "out")
    assert re.search(r"\d+ of \d+ tensors are of another size, first encoder.embedding.weight \(\d+ × 16 there, \d+ × 32 here\); set encoder, heads and vocabulary .*state.json", str(said.value))
    assert "\n" not in str(said.value) and len(str(said.value)) < 600
    deeper = changed(own, {"encoder.hidden": 16, "encoder.layers": 2})
    with pytest.raises(UsageError, match=r"\d+ of \d+ tensors are not there, first encoder.blocks.1"):
        train(deeper, read_material(deeper), tmp_path / "out")


@pytest.mark.parametrize("given", ["data/minilm", "./minilm", "~/minilm", "models/of/mine", "/nope/minilm"])
def test_an_encoder_that_lies_nowhere_is_not_asked_of_the_hub(tmp_path, monkeypatch, given):
    """A misspelt path went to the hub, which was tried again for half a minute."""
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *given: pytest.fail("the hub was asked"))
    (tmp_path / "own.yaml").write_text(f"name: own\ndata: {{train: [data/pairs.jsonl]}}\nencoder: {{folder: {given}}}\n")
    (config,) = read_configs(tmp_path / "own.yaml")
    place = os.path.normpath(tmp_path / os.path.expanduser(given))
    for refused in (lambda: vocabulary_of(config), lambda: build_encoder(config.encoder, 300)):
        with pytest.raises(NotFound, match=f"encoder.folder {re.escape(place)}: no such folder"):
            refused()


def test_a_hub_name_is_asked_of_the_hub(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *given: asked.append(given) or (_ for _ in ()).throw(OSError("offline")))
    for name in ("owner/minilm", "minilm"):
        (tmp_path / "own.yaml").write_text(f"name: own\ndata: {{train: [pairs.jsonl]}}\nencoder: {{folder: {name}}}\n")
        (config,) = read_configs(tmp_path / "own.yaml")
        with pytest.raises(NotFound, match="as a name on the hub it cannot be had"):
            vocabulary_of(config)
    assert [name for name, _ in asked] == ["owner/minilm", "minilm"]


def test_a_conversion_is_said_once(tmp_path, monkeypatch, capsys, unused):
    """It took half a minute without a word."""
    monkeypatch.setenv("WAYFIND_HOME", str(tmp_path / "home"))
    (tmp_path / "m").mkdir()
    for name, content in {"config.json": '{"hidden_size": 4}', "vocab.txt": "[PAD]\n[UNK]\n[CLS]\n[SEP]\n", "model.safetensors": ""}.items():
        (tmp_path / "m" / name).write_text(content)

    def converted(command, **options):
        bundle.write(Path(command[-1]), "m", {}, {}, {})
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(encoders.subprocess, "run", converted)
    for said in (1, 0):
        encoders.use_encoder(str(tmp_path / "m"))
        out, err = capsys.readouterr()
        assert (out, err.count(f"converting {tmp_path / 'm'}")) == ("", said)


def test_dequantising_warns_of_nothing(tmp_path, recwarn):
    """torch warned of arrays that are read-only, once a process."""
    transformers = pytest.importorskip("transformers")
    from wayfind.train.dequantise import dequantise
    from wayfind.train.export import export
    from wayfind.train.vocabulary import learn_vocabulary

    folder = tmp_path / "bert"
    transformers.BertModel(transformers.BertConfig(vocab_size=300, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48, max_position_embeddings=64)).save_pretrained(folder)
    learn_vocabulary(["open close file socket the number"] * 3, 250).write(folder)
    encoder = EncoderConfig(folder=str(folder), layers=1, code_length=40, query_length=16)
    own = configuration(write_lines(tmp_path / "pairs.jsonl"), encoder=encoder, heads=HeadsConfig(vector=0, tokens=8), objectives__maxsim=MaxSim(1.0))
    material = read_material(own)
    best = checkpoint.save(tmp_path / "run", build_model(own, material.vocabulary.size), None, checkpoint.Progress(), own, material.vocabulary)
    export(best, tmp_path / "bundle")
    recwarn.clear()
    torch.set_warn_always(True)
    try:
        dequantise(tmp_path / "bundle", folder, tmp_path / "again")
    finally:
        torch.set_warn_always(False)
    assert not [str(one.message) for one in recwarn]


@pytest.mark.parametrize(("found", "hinted"), [(0.0, True), (0.04, True), (0.05, False), (0.9, False)])
def test_mining_that_finds_next_to_nothing_says_what_to_do(capsys, found, hinted):
    training._words({"event": "mined", "step": 5, "steps": 10, "per_pair": found})
    assert ("raise negatives.candidates, lower negatives.margin, or mine later" in capsys.readouterr().out) == hinted


def test_the_report_of_torchrun_has_the_cause(tmp_path):
    """It ended with the address of a manual, and the cause stood a page above."""
    write_lines(tmp_path / "pairs.jsonl")
    (tmp_path / "own.yaml").write_text("name: own\ndata: {train: [pairs.jsonl], vocabulary_size: 300}\nencoder: {layers: 1, hidden: 16, heads: 2}\nloop: {batch: 5, device: cpu}\n")
    run = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "-m", "wayfind", "train", "--config", tmp_path / "own.yaml", "--output", tmp_path / "out"]
    done = subprocess.run(run, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 1
    assert "loop.batch is 5: it must be a multiple of the 2 processes" in done.stderr.partition("Root Cause")[2], done.stderr[-3000:]


def test_pairs_without_one_to_learn_from_say_what_to_do(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(line | {"part": "valid"}) + "\n" for line in lines(5)))
    with pytest.raises(UsageError, match="no pair of the part `train`; give some of its lines `part`: `train`, or name other pairs in data.train"):
        pairs_of(Source(str(path)), "train")
    path.write_text("")
    with pytest.raises(UsageError, match="it is empty: write pairs into it, or name other pairs in data.train"):
        pairs_of(Source(str(path)), "train")
    (tmp_path / "built").mkdir()
    (tmp_path / "built" / "manifest.json").write_text('{"shards": {}}')
    with pytest.raises(UsageError, match="no pair of the part `train`; build it with smaller shares split.valid and split.test or another seed"):
        pairs_of(Source(str(tmp_path / "built")), "train")
