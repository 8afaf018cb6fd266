"""The cross-encoder: what it reads, whom its loss pulls apart, and that the one loop trains, resumes and judges it."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training import changed, configuration, table_of, write_lines  # noqa: E402

from wayfind.errors import NotFound, UsageError  # noqa: E402
from wayfind.train import checkpoint, cross  # noqa: E402
from wayfind.train.batches import Batch, read_material  # noqa: E402
from wayfind.train.config import HeadsConfig, Listwise, Objectives, Contrastive, config_of  # noqa: E402
from wayfind.train.export import export  # noqa: E402
from wayfind.train.heads import build_model  # noqa: E402
from wayfind.train.loop import _Run, train  # noqa: E402

CROSS = dict(heads=HeadsConfig(vector=-1, tokens=0), objectives=Objectives(Contrastive(0.0), listwise=Listwise(1.0, others=3)))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_lines(tmp_path_factory.mktemp("pairs") / "pairs.jsonl")


@pytest.fixture(scope="module")
def config(pairs):
    return configuration(pairs, **CROSS)


@pytest.fixture(scope="module")
def material(config):
    return read_material(config)


@pytest.fixture(scope="module")
def table(config, material):
    return table_of(config, material)


@pytest.fixture(scope="module")
def miner(pairs, tmp_path_factory):
    """A model with vectors, trained for a moment."""
    folder, own = tmp_path_factory.mktemp("miner") / "run", configuration(pairs)
    train(own, read_material(own), folder)
    return folder


@pytest.fixture(scope="module")
def mined(config, miner):
    return changed(config, {"negatives.mined": 2, "negatives.given": 1, "negatives.miner": str(miner), "negatives.margin": 0.0, "encoder.dropout": 0.1})


def test_question_and_code_are_one_text_with_special_tokens_between(table, material):
    words, rows = material.vocabulary, np.array([0, 3, 11])
    skip = table.tokens.path_length[rows].astype(np.int64)
    found = cross.together(table, rows, rows, skip)
    for place, row in enumerate(rows):
        query, code = table.tokens.query[row][:14], table.tokens.code[row][skip[place] :][:38]
        assert found.ids[place][found.mask[place]].tolist() == [*words.before, *query, *words.after, *code, *words.after]
    assert (found.ids[~found.mask] == words.pad).all()


def test_a_question_with_its_code_has_the_same_score_alone_and_in_any_batch(config, table, material):
    model = build_model(config, material.vocabulary.size).eval()
    score, rows = cross.score_of(model, table, at_a_time=3), np.arange(7)
    together = score(rows, rows[::-1].copy())
    alone = np.concatenate([cross.score_of(model, table)(rows[i : i + 1], rows[6 - i : 7 - i]) for i in range(7)])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert len(set(np.round(together, 6))) == 7


def test_a_list_has_the_own_code_first_then_its_own_negatives_and_then_others(table, config):
    rows = np.array([0, 2, 5, 9])
    batch = Batch(rows, np.array([0, 2, 5, 9, 20, 21, 22]), np.zeros(7, np.int64), np.ones(4, np.float32), np.array([0, 1, 2, 3, 1, 1, 3]))
    excluded = np.zeros((4, 7), bool)
    excluded[np.arange(4), np.arange(4)] = True
    excluded[0, 2] = excluded[3, 6] = True
    lists = cross.lists_of(batch, excluded, 3, 0, 0)
    assert lists[:, 0].tolist() == [0, 1, 2, 3] and lists[:, 1:3].tolist() == [[-1, -1], [4, 5], [-1, -1], [-1, -1]]
    assert [set(row) for row in lists[:, 3:].tolist()] == [{1, 3, -1}, {0, 2, 3}, {0, 1, 3}, {0, 1, 2}]


def test_the_loss_is_the_number_worked_by_hand_and_sees_no_absent_code():
    scores = torch.tensor([[1.0, 0.0, -math.inf], [0.0, 2.0, 1.0]])
    first, second = -math.log(math.e / (math.e + 1)), math.log(1 + math.e**2 + math.e)
    assert cross.listwise(scores).tolist() == pytest.approx([first, second])


def gradient(config, table, size, rows=np.arange(8), micro_batch=0, step=0):
    model = build_model(config, size).double().train()
    batch = table.batch(rows, config.data, config.negatives, None, 0, step)
    lists = cross.lists_of(batch, table.excluded(batch).numpy(), config.objectives.listwise.others, 0, step)
    terms, _ = cross.backward(model, table, batch, lists, config.objectives.listwise.weight, step=step, seed=0, micro_batch=micro_batch)
    return terms["listwise"], torch.cat([one.grad.ravel() for one in model.parameters()])


@pytest.mark.parametrize("micro_batch", [1, 8, 13])
def test_micro_batches_have_the_gradient_of_the_whole(config, table, material, micro_batch):
    own = changed(config, {"negatives.given": 1, "data.weights": "loss"})
    whole, parts = (gradient(own, table, material.vocabulary.size, micro_batch=size) for size in (0, micro_batch))
    assert whole[0] == pytest.approx(parts[0]) and torch.allclose(whole[1], parts[1], rtol=1e-9, atol=1e-12)


def test_the_gradient_is_that_of_the_slow_loop(config, table, material):
    """One question and one code at a time, without a list, a mask or a batch."""
    own = changed(config, {"negatives.given": 1, "objectives.listwise.weight": 0.7})
    _, found = gradient(own, table, material.vocabulary.size)
    model = build_model(own, material.vocabulary.size).double().train()
    batch = table.batch(np.arange(8), own.data, own.negatives, None, 0, 0)
    lists = cross.lists_of(batch, table.excluded(batch).numpy(), 3, 0, 0)
    for place, listed in enumerate(lists):
        scores = [model(*cross.together(table, batch.query[[place]], batch.code[[code]], batch.skip[[code]]))[0] for code in listed if code >= 0]
        (0.7 / 8 * (torch.logsumexp(torch.stack(scores), 0) - scores[0])).backward()
    slow = torch.cat([one.grad.ravel() for one in model.parameters()])
    assert torch.allclose(found, slow, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("option", [
    {"objectives.listwise.weight": 2.0}, {"objectives.listwise.others": 5}, {"negatives.given": 1}, {"data.weights": "loss"}, {"data.path_dropout": 0.0}, {"encoder.code_length": 20}, {"encoder.query_length": 6},
], ids=str)
def test_every_option_changes_the_gradient(config, table, material, option):
    before = gradient(config, table, material.vocabulary.size)[1]
    own = changed(config, option)
    after = gradient(own, table_of(own, material), material.vocabulary.size)[1]
    assert not torch.allclose(before, after, rtol=1e-4)


def test_the_loop_lowers_its_loss_and_judges_it_by_re_ranking(config, material, tmp_path):
    own = changed(config, {"loop.steps": 120, "loop.batch": 16, "loop.evaluate_every": 120, "loop.log_every": 1, "data.path_dropout": 0.0, "encoder.hidden": 32})
    done = train(own, material, tmp_path / "run")
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    terms = [line["listwise"] for line in log if line["event"] == "step"]
    assert terms[0] == pytest.approx(math.log(4), abs=0.02) and np.mean(terms[-10:]) < 0.9 * np.mean(terms[:10])
    evaluation = next(line for line in log if line["event"] == "evaluation")
    assert evaluation["among"] == 1 + cross.RERANKED and evaluation["mrr"] == pytest.approx(done.progress.best, rel=1e-5)


def test_held_out_mrr_is_that_of_the_own_code_among_its_candidates():
    told = {0: [5.0, 1.0, 2.0], 1: [1.0, 2.0, 3.0], 2: [4.0, 4.0, 0.0]}  # own code first
    candidates = np.array([[1, 2], [0, 2], [0, -1]])

    def score(query, code):
        return np.array([told[q][0] if q == c else told[q][1 + candidates[q].tolist().index(c)] for q, c in zip(query, code)])

    found = cross.figures(score, candidates)
    assert found.mrr == pytest.approx((1 + 1 / 3 + 1 / 2) / 3) and (found.pool, found.among) == (3, 3)


class Killed(Exception):
    pass


def weights(folder):
    return {path.name: path.read_bytes() for path in checkpoint.latest(folder).iterdir() if path.suffix == ".safetensors"}


def test_mined_by_another_interrupted_and_resumed_it_is_uninterrupted_bit_for_bit(mined, material, tmp_path):
    def kill(line):
        if line["event"] == "step" and line["step"] >= 6:
            raise Killed

    whole = train(mined, material, tmp_path / "whole")
    with pytest.raises(Killed):
        train(mined, material, tmp_path / "parts", report=kill)
    parts = train(mined, material, tmp_path / "parts", resume=True)
    assert weights(tmp_path / "whole") == weights(tmp_path / "parts") and "negatives.safetensors" in weights(tmp_path / "whole")
    assert whole.progress.history == parts.progress.history


def test_who_mines_reaches_the_gradient(mined, config, material, tmp_path):
    with_miner, without = (weights_after(one, material, tmp_path / name) for name, one in (("a", mined), ("b", changed(mined, {"negatives.mined": 0}))))
    assert not torch.equal(with_miner, without)


def test_a_model_with_vectors_may_have_another_mine_for_it(pairs, miner, tmp_path):
    own = configuration(pairs, negatives__mined=1, negatives__margin=0.0, negatives__every=2)
    other = changed(own, {"negatives.miner": str(miner)})
    assert not torch.equal(*(weights_after(one, read_material(one), tmp_path / name) for name, one in (("a", own), ("b", other))))


def weights_after(config, material, folder):
    from safetensors.torch import load_file

    train(changed(config, {"loop.steps": 3}), material, folder)
    found = load_file(checkpoint.latest(folder) / "model.safetensors")
    return torch.cat([found[name].ravel() for name in sorted(found)])


def test_a_miner_of_another_vocabulary_reads_the_same_pairs(mined, pairs, tmp_path):
    other = configuration(pairs, data__vocabulary_size=200)
    train(other, read_material(other), tmp_path / "miner")
    own = changed(mined, {"negatives.miner": str(tmp_path / "miner"), "loop.steps": 2})
    assert train(own, read_material(own), tmp_path / "run").finished


def test_a_checkpoint_loads_without_its_pairs_and_is_not_exported(mined, material, tmp_path):
    done = train(changed(mined, {"loop.steps": 2}), material, tmp_path / "run")
    model, _ = checkpoint.load_model(done.best)
    assert model.score.weight.shape == (1, 16) and checkpoint.best_in(tmp_path / "run") == done.best
    with pytest.raises(UsageError, match="no vectors to serve.*--scores"):
        export(done.best, tmp_path / "bundle")


@pytest.mark.parametrize("changes, said", [
    ({"objectives.contrastive": Contrastive(1.0)}, "set objectives.contrastive.weight to 0"), ({"heads.vector": 8}, "set heads.vector to -1"), ({"negatives.mined": 1}, "set negatives.miner"),
    ({"objectives.listwise.others": 0}, "others must be 1 or more"), ({"objectives.listwise.others": 8}, "less than loop.batch"),
])
def test_what_a_cross_encoder_cannot_be_is_refused(config, changes, said):
    from dataclasses import asdict

    with pytest.raises(UsageError, match=said):
        config_of(asdict(changed(config, changes)))


def test_a_miner_that_is_none_says_what_to_train(mined, material, tmp_path):
    with pytest.raises(NotFound, match="wayfind train --config FILE --output"):
        train(changed(mined, {"negatives.miner": str(tmp_path)}), material, tmp_path / "run")


def test_any_encoder_of_transformers_reads_pairs(config, pairs, tmp_path):
    transformers = pytest.importorskip("transformers")
    sizes = dict(vocab_size=400, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24)
    torch.manual_seed(0)
    transformers.BertModel(transformers.BertConfig(**sizes, max_position_embeddings=56)).save_pretrained(tmp_path / "bert")
    read_material(config).vocabulary.write(tmp_path / "bert")
    own = changed(config, {"encoder.folder": str(tmp_path / "bert"), "encoder.layers": 1, "loop.steps": 2})
    assert train(own, read_material(own), tmp_path / "run").finished
    with pytest.raises(UsageError, match="positions for 56 tokens, this configuration asks for 57"):
        train(changed(own, {"encoder.code_length": 41}), read_material(own), tmp_path / "other")


TWO = """
import json, sys
import torch, torch.distributed as distributed
torch.set_num_threads(1)
from pathlib import Path
from wayfind.train.batches import read_material
from wayfind.train.config import config_of
from wayfind.train.device import leave
from wayfind.train.loop import _Run
config = config_of(json.load(open(sys.argv[1])))
distributed.init_process_group("gloo")
run = _Run(config, read_material(config), Path(sys.argv[2]), None, lambda: 0.0)
terms, norm, _ = run._step(3)
if run.rank == 0:
    json.dump({"terms": terms, "gradient": torch.cat([one.grad.flatten() for one in run.model.parameters()]).tolist()}, open(sys.argv[2], "w"))
distributed.destroy_process_group()
leave()
"""


def test_two_processes_have_the_gradient_of_one(config, tmp_path):
    own = changed(config, {"negatives.given": 1, "data.weights": "loss", "loop.micro_batch": 9, "loop.clip": 0.0})
    (tmp_path / "two.py").write_text(TWO)
    (tmp_path / "config.json").write_text(json.dumps(own.as_mapping()))
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1", "--nproc-per-node=2"]
    done = subprocess.run([*start, str(tmp_path / "two.py"), tmp_path / "config.json", tmp_path / "two.json"], capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-3000:]
    two = json.loads((tmp_path / "two.json").read_text())
    run = _Run(own, read_material(own), tmp_path / "one", None, lambda: 0.0)
    assert run._step(3)[0] == pytest.approx(two["terms"], rel=1e-5)
    assert torch.allclose(torch.cat([one.grad.flatten() for one in run.model.parameters()]), torch.tensor(two["gradient"]), rtol=1e-3, atol=1e-6)
