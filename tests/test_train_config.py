"""Configurations: unknown keys, stages, and that each option of the loop changes the training."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from conftest import plant  # noqa: E402
from training import changed, configuration, lines, table_of, write_lines  # noqa: E402

from wayfind.errors import Collapsed, NotFound, UsageError  # noqa: E402
from wayfind.train import checkpoint, cross, explaining  # noqa: E402
from wayfind.train.batches import read_material  # noqa: E402
from wayfind.train.build import build  # noqa: E402
from wayfind.train.config import MPS_BATCH, XTR, Loop, Source, config_of, read_configs  # noqa: E402
from wayfind.train.device import Limits, device_of, limits_of  # noqa: E402
from wayfind.train.loop import _check_alive, _Run, rate_at, train  # noqa: E402
from wayfind.train.negatives import mine  # noqa: E402
from wayfind.train.recipe import read_recipe  # noqa: E402
from wayfind.train.run import train_stages  # noqa: E402
from wayfind.train.validate import Figures, figures  # noqa: E402
from wayfind.train.vocabulary import learn_vocabulary  # noqa: E402

SHIPPED = [Path(__file__).parent.parent / "training" / f"{name}.yaml" for name in ("tiny", "codesearchnet", "priority", "two-stage", "base", "two-cores", "teacher")]
EXPLAINER = SHIPPED[0].parent / "explainer.yaml"


def test_every_shipped_configuration_is_tested_and_described():
    files = {path.name for path in EXPLAINER.parent.glob("*.yaml")} - {"repositories.yaml", "packages.yaml"}
    assert files == {path.name for path in (*SHIPPED, EXPLAINER)}
    described = (EXPLAINER.parent / "README.md").read_text()
    assert all(f"| `{name}` |" in described for name in files)


@pytest.mark.parametrize("place, nearest", [
    (["loop"], "batch"), (["data"], "weights"), (["objectives", "xtr"], "temperature"), (["negatives"], "margin"), (["encoder"], "hidden"), (["heads"], "tokens"), ([], "seed"),
])
def test_an_unknown_key_names_the_nearest(tmp_path, place, nearest):
    values: dict = {"name": "t", "data": {"train": ["x"]}}
    inner = values
    for key in place:
        inner = inner.setdefault(key, {})
    inner[nearest + "s"] = 1
    with pytest.raises(UsageError, match=f"unknown key `{nearest}s`; did you mean `{nearest}`"):
        config_of(values)


@pytest.mark.parametrize("values, said", [
    ({"loop": {"precision": "float16"}}, "precision must be one of"), ({"loop": {"batch": 1}}, "batch must be 2 or more"), ({"objectives": {"xtr": {"weight": 1.0}}}, "set heads.tokens"),
    ({"objectives": {"contrastive": {"weight": 0.0}}}, "nothing would be learned"), ({"loop": {"rate": "fast"}}, "must be float"), ({"objectives": {"contrastive": {"dimensions": [300]}}}, "between 0 and heads.vector"),
    ({"objectives": {"distillation": {"weight": 1.0}}}, "no teacher"), ({"encoder": {"hidden": 30}}, "multiple"), ({"data": {"train": [{"path": "x", "wieght": 2}]}}, "did you mean `weight`"),
    ({"data": {"train": []}}, "nothing to learn from"), ({"data": {"train": [{"path": "x", "weight": 0}]}}, "weight must be above 0"), ({"data": {"train": ["x"], "valid": [{"path": "x", "weight": -1}]}}, "weight must be above 0"),
    ({"data": {"train": ["x"], "vocabulary_size": 3}}, "vocabulary_size must be 64 or more"), ({"encoder": {"code_length": 1}}, "code_length must be 8 or more"), ({"encoder": {"query_length": 0}}, "query_length must be 4"),
    ({"encoder": {"dropout": 2}}, "dropout is a share"), ({"data": {"train": ["x"], "path_dropout": 7}}, "path_dropout is a share"), ({"loop": {"warmup": 3}}, "warmup is a share"), ({"seed": -1}, "seed must be 0 or more"), ({"seed": 2**63}, r"below 2\*\*63"),
    ({"encoder": {"lora": 9999}}, "less than encoder.hidden"), ({"objectives": {"contrastive": {"temperature": 0}}}, "contrastive.temperature must be above 0"),
    ({"objectives": {"contrastive": {"weight": 0}, "maxsim": {"weight": 1}}, "heads": {"vector": -1, "tokens": 8}, "negatives": {"mined": 2}}, "negatives.mined needs a text vector"),
    ({"objectives": {"contrastive": {"dimensions": ["a"]}}}, r"dimensions\[0\] must be int"), ({"encoder": {"heads": 0}}, "heads must be 1 or more"), ({"heads": {"tokens": -1}}, "heads.tokens must be 0 or more"),
    ({"heads": {"vector": -2}}, "heads.vector must be -1 or more"), ({"objectives": {"contrastive": {"weight": -1}}}, "contrastive.weight must be 0 or more"),
    ({"objectives": {"contrastive": {"weight": math.nan}}}, "contrastive.weight must be 0 or more"), ({"objectives": {"maxsim": {"weight": math.inf}}, "heads": {"tokens": 8}}, "maxsim.weight must be 0 or more"),
    ({"objectives": {"contrastive": {"temperature": math.nan}}}, "contrastive.temperature must be"), ({"objectives": {"maxsim": {"temperature": math.inf}}}, "maxsim.temperature must be"),
    ({"objectives": {"contrastive": {"dimensions": [0]}}}, "between 0 and heads.vector"), ({"objectives": {"contrastive": {"dimensions": [-8]}}, "encoder": {"folder": "x"}, "heads": {"vector": 0}}, "between 0 and the size of the encoder's states"),
    ({"objectives": {"contrastive": {"dimensions": [256]}}, "heads": {"vector": 0}}, r"between 0 and encoder.hidden \(256\)"),
])
def test_values_that_cannot_be_meant_are_refused(values, said):
    with pytest.raises(UsageError, match=said):
        config_of({"name": "t", "data": {"train": ["x"]}, **values})


MAXSIM_ALONE = {"contrastive": {"weight": 0.0}, "maxsim": {"weight": 1.0}}


@pytest.mark.parametrize("values, said", [
    ({"heads": {"tokens": 64}}, "heads.tokens is 64, but no objective trains token vectors: set heads.tokens to 0, or give maxsim or xtr a weight"),
    ({"heads": {"tokens": 64}, "objectives": MAXSIM_ALONE}, "heads.vector is 256, but no objective trains a text vector: set heads.vector to -1"),
])
def test_a_head_that_nothing_trains_is_refused(values, said):
    """It was exported and served as it was drawn, and a random vector decided when a training of token vectors stopped."""
    with pytest.raises(UsageError, match=said):
        config_of({"name": "t", "data": {"train": ["x"]}, **values})


@pytest.mark.parametrize("values", [
    {"heads": {"tokens": 64}, "start": "checkpoint"}, {"heads": {"tokens": 64}, "encoder": {"folder": "acme/xtr"}}, {"heads": {"vector": 0, "tokens": 64}, "objectives": MAXSIM_ALONE},
    {"heads": {"vector": -1, "tokens": 64}, "objectives": MAXSIM_ALONE}, {"objectives": {"contrastive": {"weight": 0.0}, "distillation": {"weight": 1.0, "teacher": "x"}}},
], ids=["of a checkpoint", "of a folder", "the mean of the states", "none", "distilled"])
def test_a_head_without_weights_or_with_those_of_another_needs_no_objective(values):
    assert config_of({"name": "t", "data": {"train": ["x"]}, **values})


def test_a_later_stage_needs_no_objective_for_what_the_one_before_trained(tmp_path):
    text = "name: two\ndata: {train: [a]}\nheads: {tokens: 8}\nobjectives: {maxsim: {weight: 1.0}}\nstages:\n- {}\n- objectives: {maxsim: {weight: 0}}\n"
    (tmp_path / "two.yaml").write_text(text)
    assert read_configs(tmp_path / "two.yaml")[1].objectives.maxsim.weight == 0
    (tmp_path / "two.yaml").write_text(text.replace("- {}\n", ""))
    with pytest.raises(UsageError, match="no objective trains token vectors"):
        read_configs(tmp_path / "two.yaml")


@pytest.mark.parametrize("more, said", [
    ("loop: {rate: 0}", "loop.rate is 0"), ("objectives: {distillation: {teacher: x}}", "has a teacher and the weight 0"), ("negatives: {mined: 3, candidates: 2}", "of 2 negatives.candidates no more"),
    ("stages: [{}, {start: x}]", r"stages\[1\]: start would act on nothing"), ("stages: [{start: x}, {}, {start: x}]", r"stages\[2\]: start would act on nothing"),
    ("stages: [{}, {data: {vocabulary: vocab.txt}}]", "data.vocabulary would act on nothing"), ("stages: [{}, {data: {vocabulary_size: 300}}]", "data.vocabulary_size would act on nothing"),
    ("stages: [{start: x, data: {vocabulary_size: 300}}, {data: {vocabulary_size: 300}}]", None), ("objectives: {distillation: {teacher: x, weight: 1}}", None),
])
def test_an_option_of_a_file_that_acts_on_nothing_is_refused(tmp_path, more, said):
    (tmp_path / "one.yaml").write_text(f"name: one\ndata: {{train: [a]}}\n{more}\n")
    if said is None:
        assert read_configs(tmp_path / "one.yaml")
    else:
        with pytest.raises(UsageError, match=said):
            read_configs(tmp_path / "one.yaml")


@pytest.mark.parametrize("encoder, layers", [({}, 3), ({"layers": 2}, 2), ({"folder": "acme/bert"}, 0), ({"folder": "acme/bert", "layers": 2}, 2)], ids=str)
def test_all_layers_of_a_folder_are_kept_where_none_are_asked_for(encoder, layers):
    """Three were, the default of an own encoder."""
    assert config_of({"name": "t", "data": {"train": ["x"]}, "encoder": encoder}).encoder.layers == layers


def test_a_number_with_an_exponent_needs_no_point(tmp_path):
    """YAML 1.1 takes 1e-3 for a text."""
    (tmp_path / "one.yaml").write_text("name: one\ndata: {train: [a]}\nloop: {rate: 1e-3, warmup: 1E-1}\n")
    (config,) = read_configs(tmp_path / "one.yaml")
    assert (config.loop.rate, config.loop.warmup) == (1e-3, 0.1)


@pytest.mark.parametrize("text, twice", [
    ("name: one\ndata: {train: [a]}\nloop: {rate: 1.0}\nloop: {batch: 8}\n", "loop"), ("name: one\ndata: {train: [a], together: 2, \"together\": 4}\n", "together"),
    ("name: one\ndata: {train: [a]}\nloop: &a {rate: 1.0}\nstages: [{}, {loop: {<<: *a, rate: 2.0}}]\n", None),
])
def test_a_key_that_is_there_twice_is_refused(tmp_path, text, twice):
    """The last one won in silence."""
    (tmp_path / "one.yaml").write_text(text)
    if twice is None:
        assert read_configs(tmp_path / "one.yaml")[1].loop.rate == 2.0
    else:
        with pytest.raises(UsageError, match=f"one.yaml: .*the key `{twice}` is there twice.*line"):
            read_configs(tmp_path / "one.yaml")
        with pytest.raises(UsageError, match=f"the key `{twice}` is there twice"):
            read_recipe(tmp_path / "one.yaml")


def test_a_name_on_the_hub_that_cannot_be_had_is_named(monkeypatch):
    hub = pytest.importorskip("huggingface_hub")

    def refuse(*_: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(hub, "hf_hub_download", refuse)
    with pytest.raises(NotFound, match="encoder.folder acme/none: no such folder.*no network"):
        read_material(configuration(Path("none"), encoder__folder="acme/none"))


LOCK = r"""---- MODULE Lock ----
\* A process may enter the critical section only if nobody else holds the lock.
Enter(p) ==
  /\ lock = FALSE
  /\ lock' = TRUE
  /\ pc' = [pc EXCEPT ![p] = "cs"]
  /\ UNCHANGED owner
====
"""
SUM = """/-- The balance after a deposit is the old balance and the amount that was paid in. -/
theorem balance_after_deposit (b a : Nat) : deposit b a = b + a := by
  unfold deposit
  simp [Nat.add_comm]
  done
"""
LARGEST = '''def largest_of(numbers, least):
    """Find the largest of several numbers that are given, but at least the smallest allowed."""
    found = least
    for number in numbers:
        if number > found:
            found = number
    return found
'''
CLONES = {
    "tlaplus+Examples": {"Lock.tla": LOCK},
    "tlaplus+CommunityModules": {"Bag.tla": LOCK.replace("lock", "bag").replace("Enter", "Fill").replace("TRUE", "Cardinality(bag)").replace("pc", "contents")},
    "leanprover-community+batteries": {"Sum.lean": SUM},
    "usi-verification-and-security+opensmt": {"src/largest.py": LARGEST},
    "own": {"pay.py": LARGEST.replace("largest", "open bill").replace("open bill_of", "pay").replace("found = number", "found = number * rate\n            print(least)")},
}


def test_the_priority_pairs_are_weighted_once_and_some_are_held_out(tmp_path):
    """Pairs and configurations weighed formal methods five times each, so 25 times, and no project fell into the part that is held out."""
    pytest.importorskip("rensa")
    for name, files in CLONES.items():
        plant(tmp_path / "clones" / name, files)
    path = Path(__file__).parent.parent / "training" / "data" / "priority.yaml"
    recipe = read_recipe(path)
    own, others = recipe.sources
    sources = [replace(own, repositories=[str(tmp_path / "clones" / "own")]), replace(others, folders=str(tmp_path / "clones"))]
    build(replace(recipe, sources=sources), path, tmp_path / "priority")
    for name in ("priority", "two-stage"):
        last = read_configs(path.parent.parent / f"{name}.yaml")[-1]
        train, valid = ([replace(one, path=str(tmp_path / "priority")) for one in part if Path(one.path).name == "priority"] for part in (last.data.train, last.data.valid))
        material = read_material(replace(last, data=replace(last.data, train=train, valid=valid, vocabulary_size=300)))
        assert set(material.train.weight.tolist()) == {1.0, 3.0, 5.0}
        assert len(material.valid) and set(material.valid.languages) == {"tlaplus"}


def test_a_stage_is_what_differs_and_starts_where_the_one_before_ended(tmp_path):
    (tmp_path / "two.yaml").write_text("name: two\ndata: {train: [a]}\nloop: {rate: 0.1, batch: 8}\nstages:\n- {}\n- loop: {rate: 0.01}\n  data: {train: [{path: b, weight: 5}]}\n")
    first, second = read_configs(tmp_path / "two.yaml")
    assert (first.loop.rate, second.loop.rate, second.loop.batch) == (0.1, 0.01, 8)
    assert [source.weight for source in second.data.train] == [5.0] and first.data.train[0].path == "a"


@pytest.mark.parametrize("path", [*SHIPPED, EXPLAINER], ids=lambda path: path.stem)
def test_shipped_configurations_read_the_pairs_that_shipped_files_give(path):
    given = [explaining.read_config(path).data.pairs] if path == EXPLAINER else [one.path for config in read_configs(path) for one in (*config.data.train, *config.data.valid)]
    for name in (Path(one).name for one in given):
        recipe = path.parent / "data" / f"{name}.yaml"
        assert read_recipe(recipe).sources
        line = next(line for line in recipe.read_text().splitlines() if "wayfind data build" in line)
        assert f"build training/data/{name}.yaml" in line and line.endswith(f"--output training/data/{name}")


def small_encoder(folder: Path) -> str:
    """The folder of a general encoder, tiny."""
    transformers = pytest.importorskip("transformers")
    words = learn_vocabulary(["open close file socket the number"] * 3, 300)
    words.write(folder)
    sizes = dict(vocab_size=words.size, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, max_position_embeddings=64)
    transformers.BertModel(transformers.BertConfig(**sizes)).save_pretrained(folder)
    return str(folder)


def shrunk(config, pairs: Path, miner: Path):
    """Two steps of a configuration on pairs of a test: its sources, sizes and steps become small, all else stays."""
    own = {"encoder.hidden": 16, "encoder.heads": 2, "data.vocabulary_size": 300} if not config.encoder.folder else {"encoder.folder": small_encoder(pairs.parent / "encoder")}
    train, valid = ([replace(one, path=str(pairs), kinds=[]) for one in part if not one.kinds or one == part[0]] for part in (config.data.train, config.data.valid))
    sizes = {
        "encoder.layers": 1, "encoder.code_length": 40, "encoder.query_length": 16, "data.together": min(config.data.together, 4), "loop.batch": 8, "loop.micro_batch": 4,
        "loop.steps": 2, "loop.evaluate_every": 1, "loop.pool": 20, "loop.log_every": 1, "loop.device": "cpu", "negatives.every": 1, "negatives.candidates": 4,
        "heads.vector": min(config.heads.vector, 16), "heads.tokens": min(config.heads.tokens, 8), "objectives.contrastive.dimensions": [8] if config.objectives.contrastive.dimensions else [],
        "negatives.miner": str(miner) if config.negatives.miner else "",
    }
    return changed(config, {"data.train": train, "data.valid": valid, **sizes, **own})


def test_shipped_configurations_train(tmp_path, monkeypatch):
    """They were only read. The tiny one goes the whole way in test_train_command.py."""
    monkeypatch.setattr("wayfind.train.run.find_spec", lambda name: None)  # no bundle of each
    pairs = write_lines(tmp_path / "pairs.jsonl", 150)
    for path in SHIPPED[1:]:
        stages = read_configs(path)
        train_stages([shrunk(stage, pairs, tmp_path / "base") for stage in stages], tmp_path / path.stem)
        logs = sorted((tmp_path / path.stem).rglob("log.jsonl"))
        events = [[json.loads(line) for line in log.read_text().splitlines()] for log in logs]
        assert len(events) == len(stages) and all(told[-1]["finished"] and told[-1]["step"] == 2 for told in events), path.stem
        if path.stem == "teacher":
            assert any(line["event"] == "mined" for line in events[0])


def test_the_rate_rises_and_falls_along_half_a_cosine():
    loop = Loop(rate=1.0, warmup=0.1, final_rate=0.2)
    rates = [rate_at(step, 100, loop) for step in range(101)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == pytest.approx(1.0) and rates[55] == pytest.approx(0.6) and rates[100] == pytest.approx(0.2)


def test_an_apple_gpu_gets_small_batches_and_is_waited_for():
    assert limits_of("mps") == Limits(MPS_BATCH, True) and limits_of("cuda") == limits_of("cpu") == Limits()
    assert [limits_of("mps").at_most(texts) for texts in (0, 16, 500)] == [48, 16, 48]
    assert [limits_of("cuda").at_most(texts) for texts in (0, 16, 500)] == [0, 16, 500]


@pytest.mark.parametrize("limits, most", [(Limits(), 64), (Limits(7, True), 7)], ids=["any device", "a small one"])
def test_held_out_texts_hard_negatives_and_lists_are_encoded_as_many_at_a_time_as_the_device_takes(pairs, monkeypatch, limits, most):
    """An Apple GPU got 64 where it takes 48."""
    config, sizes = configuration(pairs), []
    table = table_of(config)

    def encode(texts):
        sizes.append(len(texts.ids))
        return np.eye(len(texts.ids), 8, dtype=np.float32), np.zeros((*texts.ids.shape, 0), np.float32)

    def score(ids, mask):
        sizes.append(len(ids))
        return ids[:, 1].float()

    for module in ("validate", "cross"):
        monkeypatch.setattr(f"wayfind.train.{module}.limits_of", lambda device: limits)
    figures(encode, table)
    mine(encode, table, config.negatives, 0, 0)
    network = torch.nn.Module()
    network.forward = score
    cross.score_of(network, table)(np.arange(70), np.arange(70))
    assert max(sizes) == most


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_lines(tmp_path_factory.mktemp("pairs") / "pairs.jsonl")


def weights_after(config, folder: Path) -> np.ndarray:
    from safetensors.numpy import load_file

    train(config, read_material(config), folder)
    found = load_file(checkpoint.latest(folder) / "model.safetensors")
    return np.concatenate([found[name].ravel() for name in sorted(found)])


@pytest.fixture(scope="module")
def usual(pairs, tmp_path_factory):
    config = configuration(pairs, loop__steps=4)
    return config, weights_after(config, tmp_path_factory.mktemp("usual") / "run")


@pytest.mark.parametrize("option", [
    {"seed": 1}, {"loop.batch": 16}, {"loop.rate": 1e-3}, {"loop.warmup": 0.9}, {"loop.final_rate": 0.9}, {"loop.weight_decay": 0.5}, {"loop.clip": 0.01}, {"loop.precision": "bfloat16"}, {"loop.bucket": 4},
    {"loop.steps": 3}, {"data.weights": "loss"}, {"data.path_dropout": 0.0}, {"data.symbol_dropout": 1.0}, {"negatives.given": 1}, {"encoder.dropout": 0.2}, {"encoder.positions": "learned"},
    {"encoder.code_length": 20}, {"encoder.query_length": 5}, {"encoder.inner": 20}, {"encoder.layers": 2}, {"encoder.hidden": 24}, {"encoder.heads": 4}, {"heads.vector": 8}, {"heads.vector": 0},
    {"heads.tokens": 16}, {"data.together": 2}, {"data.vocabulary_size": 200}, {"negatives.mined": 1, "negatives.every": 2, "negatives.margin": 0.0},
], ids=lambda option: "+".join(f"{key}={value}" for key, value in option.items()))
def test_every_option_changes_what_is_learned(usual, option, tmp_path):
    config, before = usual
    after = weights_after(changed(config, option), tmp_path / "run")
    assert before.shape != after.shape or not np.array_equal(before, after)


@pytest.fixture(scope="module")
def mined(usual, tmp_path_factory):
    config = changed(usual[0], {"negatives.mined": 1, "negatives.every": 2, "negatives.margin": 0.0})
    return config, weights_after(config, tmp_path_factory.mktemp("mined") / "run")


@pytest.mark.parametrize("option", [{"negatives.every": 3}, {"negatives.candidates": 2}, {"negatives.margin": 0.5}], ids=str)
def test_every_option_of_mining_changes_what_is_learned(mined, option, tmp_path):
    config, before = mined
    assert not np.array_equal(before, weights_after(changed(config, option), tmp_path / "run"))


def test_a_table_that_the_encoder_starts_from_changes_what_is_learned(usual, tmp_path):
    from safetensors.numpy import save_file

    config, before = usual
    size = read_material(config).vocabulary.size
    save_file({"embedding": np.random.default_rng(0).normal(size=(size, config.encoder.hidden)).astype(np.float32)}, tmp_path / "table.safetensors")
    assert not np.array_equal(before, weights_after(changed(config, {"encoder.table": str(tmp_path / "table.safetensors")}), tmp_path / "run"))


@pytest.mark.parametrize("content", [None, b"no safetensors"], ids=["none", "damaged"])
def test_a_table_that_cannot_be_read_is_named(usual, tmp_path, content):
    if content:
        (tmp_path / "table.safetensors").write_bytes(content)
    with pytest.raises(UsageError, match=r"encoder\.table .*table\.safetensors: no file of safetensors that can be read"):
        train(changed(usual[0], {"encoder.table": str(tmp_path / "table.safetensors")}), read_material(usual[0]), tmp_path / "run")


@pytest.mark.parametrize("option, said", [
    ({"negatives.mined": 1}, "found from step 1000 .*there are 4 steps"), ({"negatives.mined": 1, "negatives.every": 4}, "found from step 4"), ({"negatives.given": 1, "data.train": ["without"]}, "no pair came with negatives"),
    ({"objectives.xtr": XTR(0.5)}, "begins at step 100"), ({"objectives.xtr": XTR(0.5, warmup=4)}, "begins at step 4"), ({"loop.patience": 1}, "counts evaluations"),
], ids=str)
def test_an_option_that_so_few_steps_or_such_pairs_never_reach_is_refused(usual, option, said, tmp_path):
    """The model was, byte for byte, the one without it."""
    config = changed(usual[0], option)
    if "data.train" in option:
        (tmp_path / "pairs.jsonl").write_text("".join(json.dumps({**line, "negatives": []}) + "\n" for line in lines()))
        config = changed(config, {"data.train": [Source(str(tmp_path / "pairs.jsonl"))]})
    with pytest.raises(UsageError, match=said):
        train(config, read_material(config), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("option", [{"loop.log_every": 1}, {"loop.evaluate_every": 1}, {"loop.keep": 1}, {"loop.pool": 5}])
def test_watching_a_training_changes_nothing(usual, option, tmp_path):
    config, before = usual
    assert np.array_equal(before, weights_after(changed(config, option), tmp_path / "run"))


def test_what_was_compiled_is_what_encodes(pairs, tmp_path, monkeypatch):
    asked: list[int] = []

    def compiled(model, dynamic):
        def encode(*texts):
            asked.append(len(texts[0]))
            return model(*texts)

        return encode

    monkeypatch.setattr(torch, "compile", compiled)
    config = configuration(pairs)
    for compile, texts in ((False, []), (True, [8, 8])):
        own = changed(config, {"loop.compile": compile})
        _Run(own, read_material(own), tmp_path / str(compile), None, lambda: 0.0)._step(0)
        assert asked == texts


def test_the_device_that_is_named_is_taken_and_the_best_where_none_is(monkeypatch):
    there = {"cuda": False, "mps": False}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there["cuda"])
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: there["mps"])
    assert device_of("cpu").type == device_of("auto").type == "cpu"
    with pytest.raises(UsageError, match="loop.device is mps, which is not there; there is cpu"):
        device_of("mps")
    there["mps"] = True
    assert device_of("auto").type == "mps" and device_of("cpu").type == "cpu"
    there["cuda"] = True
    assert device_of("auto").type == "cuda"


def test_two_epochs_are_twice_the_steps_and_patience_ends_them(pairs, tmp_path):
    config = configuration(pairs, loop__steps=0, loop__epochs=2, loop__evaluate_every=3)
    assert train(config, read_material(config), tmp_path / "a").progress.step == 2 * (96 // 8)
    stale = changed(config, {"loop.rate": 0.0, "loop.patience": 2})
    assert train(stale, read_material(stale), tmp_path / "b").progress.step == 9


def test_a_collapse_is_an_error(pairs, tmp_path, monkeypatch):
    monkeypatch.setattr("wayfind.train.loop.LEAST_DIRECTIONS", 1000.0)
    config = configuration(pairs)
    with pytest.raises(Collapsed, match="effective rank"):
        train(config, read_material(config), tmp_path / "a")


def test_a_few_held_out_codes_are_no_collapse():
    """Two of them span one direction, so that every training with two held-out pairs ended at its first evaluation."""
    _check_alive(Figures(0.9, 1.0, 9, 1.0))
    with pytest.raises(Collapsed, match="effective rank 1.00"):
        _check_alive(Figures(0.9, 1.0, 10, 1.0))
