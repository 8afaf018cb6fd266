"""`wayfind train` as its users run it: a configuration and pairs in, a bundle out; resumed, prepared, on two processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from conftest import command  # noqa: E402
from training import lines, write_lines  # noqa: E402

import wayfind as wayfind_module  # noqa: E402
from wayfind.errors import NotFound, TrainingError, UsageError  # noqa: E402
from wayfind.model import bundle  # noqa: E402
from wayfind.serve import measuring  # noqa: E402
from wayfind.train import checkpoint  # noqa: E402
from wayfind.train.batches import read_material, vocabulary_of  # noqa: E402
from wayfind.train.config import read_configs  # noqa: E402
from wayfind.train.heads import build_model  # noqa: E402
from wayfind.train.loop import train  # noqa: E402
from wayfind.train.run import prepare, train_stages, with_vocabulary  # noqa: E402
from wayfind.train.shards import manifest_of  # noqa: E402

TINY = Path(__file__).parent.parent / "training" / "tiny.yaml"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def wayfind(*arguments: object, start=(sys.executable, "-m", "wayfind"), code: int = 0) -> subprocess.CompletedProcess:
    done = subprocess.run([*start, "train", *map(str, arguments)], capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == code, done.stdout + done.stderr[-3000:]
    return done


@pytest.fixture
def config(tmp_path):
    """The shipped tiny configuration beside pairs, six steps long."""
    write_lines(tmp_path / "pairs.jsonl", 150)
    text = TINY.read_text().replace("[data/tiny]", "[pairs.jsonl]").replace("epochs: 2", "epochs: 2, steps: 6").replace("evaluate_every: 10", "evaluate_every: 3")
    (tmp_path / "tiny.yaml").write_text(text)
    return tmp_path / "tiny.yaml"


def weights(folder: Path) -> bytes:
    return (checkpoint.latest(folder) / "model.safetensors").read_bytes()


def test_a_configuration_and_pairs_become_a_bundle(config, tmp_path):
    done = wayfind("--config", config, "--output", tmp_path / "out", "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["event"] for line in events if line["event"] != "step"] == ["evaluation", "evaluation", "done", "exported", "bundle"]
    made = bundle.load(tmp_path / "out" / "bundle")
    made.check()
    assert made.name == "tiny" and made.parts["encoder"]["dim"] == 32
    again = wayfind("--config", config, "--output", tmp_path / "out", code=2)
    assert "--resume" in again.stderr


def test_the_shipped_tiny_files_go_the_whole_way(tmp_path, home):
    """The pairs that data/tiny.yaml gives were read by no configuration, and none of them was held out."""
    pytest.importorskip("rensa")
    place = tmp_path / "training"
    place.mkdir()
    (place / "tiny.yaml").write_bytes(TINY.read_bytes())
    built = command("data", "build", TINY.parent / "data" / "tiny.yaml", "--output", place / "data" / "tiny", "--processes", "1", home=home)
    assert built.returncode == 0, built.stderr
    assert train_stages(read_configs(place / "tiny.yaml"), tmp_path / "out") == tmp_path / "out" / "bundle"
    judged = json.loads((tmp_path / "out" / "bundle" / bundle.MANIFEST).read_text())["about"]["measured"]
    assert judged["pool"] == 50 and judged["mrr"] > 0.12, "by chance it is 0.09"


def trained(config: Path, folder: Path) -> bytes:
    """The weights that a configuration of one stage gives, without a process and a bundle of its own."""
    stage = with_vocabulary(read_configs(config)[0], folder)
    train(stage, read_material(stage), folder)
    return weights(folder)


def test_what_a_failed_attempt_left_does_not_decide_the_vocabulary(config, tmp_path):
    (one,) = read_configs(config)
    with pytest.raises(UsageError, match="loop.batch"):
        train_stages([replace(one, loop=replace(one.loop, batch=5000))], tmp_path / "out")
    train_stages([replace(one, data=replace(one.data, vocabulary_size=300), loop=replace(one.loop, steps=1))], tmp_path / "out")
    assert len((tmp_path / "out" / "vocab.txt").read_text().splitlines()) <= 300


def test_a_training_that_is_to_go_on_where_nothing_lies_says_that_it_begins_anew(config, tmp_path):
    told: list[dict] = []
    stages = [replace(one, loop=replace(one.loop, steps=4, evaluate_every=2)) for one in read_configs(config)]
    for _ in range(2):
        train_stages(stages, tmp_path / "out", resume=True, report=told.append)
    assert [line["text"] for line in told if line["event"] == "note"] == [f"nothing to go on with in {tmp_path / 'out'}; the training begins anew"]


def test_too_little_memory_is_said_with_what_to_lower(config, tmp_path):
    (one,) = read_configs(config)
    with pytest.raises(TrainingError, match="lower loop.micro_batch"):
        train_stages([replace(one, encoder=replace(one.encoder, hidden=10**9))], tmp_path / "out")


def test_prepared_shards_train_the_same_model_without_the_pairs(config, tmp_path):
    said = json.loads(wayfind("--config", config, "--output", tmp_path / "prepared", "--prepare", "--json").stdout.splitlines()[0])
    assert (said["event"], Path(said["folder"]).parent, said["pairs"] > 0) == ("shards", tmp_path / "prepared" / "tokens" / "pairs.jsonl", True)
    direct = trained(config, tmp_path / "direct")
    assert manifest_of(tmp_path / "prepared" / "tokens" / "pairs.jsonl" / "train")["pairs"] == sum(line["part"] == "train" for line in lines(150))
    (tmp_path / "pairs.jsonl").unlink()
    shards = tmp_path / "shards.yaml"
    shards.write_text(config.read_text().replace("pairs.jsonl", "prepared/tokens/pairs.jsonl"))
    assert trained(shards, tmp_path / "from-shards") == direct


SEVERAL = """
name: several
data: {train: [{path: a.jsonl, weight: 3, limit: 40}, {path: b.jsonl, kinds: [name]}]}
encoder: {code_length: 48, query_length: 24}
stages:
- {}
- {data: {train: [{path: b.jsonl, languages: [go], weight: 2}], valid: [a.jsonl]}}
"""


def test_prepared_shards_are_read_as_the_pairs_are_source_by_source_and_stage_by_stage(tmp_path):
    """All sources lay in one folder, so that weights, limits and kinds of one, and the data of a later stage, were lost."""
    for seed, name in enumerate("ab"):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines(150, seed)))
    (tmp_path / "several.yaml").write_text(SEVERAL)
    stages = read_configs(tmp_path / "several.yaml")
    counts = prepare(stages, tmp_path / "there")
    assert set(counts) == {"a.jsonl/train", "a.jsonl/valid", "b.jsonl/train", "b.jsonl/valid"} and all(counts.values())
    (tmp_path / "there" / "several.yaml").write_text(SEVERAL)
    for here, there in zip(stages, read_configs(tmp_path / "there" / "several.yaml")):
        words = str(tmp_path / "there" / "a.jsonl" / "train")
        one, two = (read_material(replace(config, data=replace(config.data, vocabulary=words))) for config in (here, there))
        assert one.digest == two.digest and (one.valid.code.flat == two.valid.code.flat).all() and len(one.train) < 150
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.jsonl").write_bytes((tmp_path / "a.jsonl").read_bytes())
    (tmp_path / "twice.yaml").write_text("name: twice\ndata: {train: [a.jsonl, more/a.jsonl]}\n")
    with pytest.raises(UsageError, match="give one of them another name"):
        prepare(read_configs(tmp_path / "twice.yaml"), tmp_path / "twice")


def test_two_processes_and_two_stages_learn_what_one_process_learns(config, tmp_path):
    from safetensors.torch import load_file

    config.write_text(config.read_text() + "stages:\n- {}\n- {loop: {rate: 1.0e-4, steps: 3}, data: {train: [{path: pairs.jsonl, languages: [go], weight: 5}]}}\n")
    start = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1", "--nproc-per-node=2", "-m", "wayfind")
    out = tmp_path / "out"
    wayfind("--config", config, "--output", out, start=start)
    bundle.load(out / "bundle").check()
    first, second = (checkpoint.latest(out / f"stage-{number}") for number in (1, 2))
    assert (first.name, second.name) == ("step-00000006", "step-00000003")
    assert Path(checkpoint.read_state(second)["config"]["start"]).parent.name == "stage-1"
    trained(config, tmp_path / "one")
    one, two = (load_file(folder / "model.safetensors") for folder in (checkpoint.latest(tmp_path / "one"), first))
    assert all(torch.allclose(one[name], two[name], atol=2e-3) for name in one)


def test_an_unknown_key_and_missing_pairs_are_said_in_one_line(config, tmp_path):
    (tmp_path / "wrong.yaml").write_text(config.read_text().replace("batch:", "bach:"))
    assert "did you mean `batch`" in wayfind("--config", tmp_path / "wrong.yaml", code=2).stderr
    (tmp_path / "pairs.jsonl").unlink()
    done = wayfind("--config", config, "--output", tmp_path / "out", code=2)
    assert "no such folder or file of pairs" in done.stderr and len(done.stderr.splitlines()) == 1


def test_eval_judges_a_checkpoint_or_the_best_of_an_output_folder(config, tmp_path):
    """As `eval --model-path` does: in the engine, by the bundle that the checkpoint becomes."""
    trained(config, tmp_path / "out")
    before, judged = os.environ.get("WAYFIND_MODEL"), []
    for folder in (tmp_path / "out", checkpoint.best_in(tmp_path / "out")):
        with measuring._model(str(folder)):
            judged.append(bundle.load(Path(os.environ["WAYFIND_MODEL"])).parts["encoder"])
    assert judged[0] == judged[1] and judged[0]["dim"] == 32 and os.environ.get("WAYFIND_MODEL") == before


WORDS = "opens closes merges splits counts rotates".split()
THINGS = "window ledger socket forest wallet garden".split()


def test_eval_judges_the_model_that_it_is_given_and_leaves_the_index_of_the_tree_alone(config, tmp_path, capsys, monkeypatch):
    """The tree itself was encoded into the user's index by the model that was only to be judged. No word of these questions is in the
    code, so the vectors alone make the ranking."""
    for place, thing in enumerate(THINGS):
        functions = (f'def q{place}{number}(v):\n    """{word.title()} every {thing} of the old house before the sun rises."""\n    v = v * {number + 3}\n    return v - {place + 7}\n' for number, word in enumerate(WORDS[:3]))
        (tmp_path / "tree" / f"m{place}.py").parent.mkdir(exist_ok=True)
        (tmp_path / "tree" / f"m{place}.py").write_text("\n\n".join(functions))
    (one,) = read_configs(config)
    words = vocabulary_of(one)
    for seed in (1, 2):
        own = replace(one, seed=seed)
        checkpoint.save(tmp_path / f"seed-{seed}", build_model(own, words.size), None, checkpoint.Progress(), own, words)
    monkeypatch.setenv("WAYFIND_HOME", str(tmp_path / "home"))
    indexed = wayfind_module.open(tmp_path / "tree")
    indexed.refresh()
    indexed.close()
    before = {path: path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file()}
    told = []
    for seed in (1, 2):
        asked = [str(tmp_path / "tree"), "--model-path", str(tmp_path / f"seed-{seed}"), "--kinds", "docstring", "--systems", "wayfind", "--json"]
        assert measuring.eval_command.main(asked, standalone_mode=False) == 0
        told.append(json.loads(capsys.readouterr().out))
    assert told[0]["sets"] == told[1]["sets"] and told[0]["sets"][0]["queries"] >= 10
    assert told[0]["figures"] != told[1]["figures"] and told[0]["worst"] != told[1]["worst"]
    assert {path: path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file()} == before
    with pytest.raises(UsageError, match="leave out --index"):
        measuring.eval_command.main([*asked, "--index", str(tmp_path)], standalone_mode=False)


def test_eval_says_what_a_checkpoint_needs_and_what_is_none(tmp_path, monkeypatch):
    with pytest.raises(NotFound, match="neither a bundle nor a checkpoint"), measuring._model(str(tmp_path)):
        pass
    (tmp_path / "state.json").write_text("{}")
    monkeypatch.setattr(measuring, "find_spec", lambda name: None if name == "torch" else object())
    with pytest.raises(UsageError, match=r"needs torch: pip install 'wayfind\[train\]'"), measuring._model(str(tmp_path)):
        pass
