"""A cross-encoder's scores: written once, bound to their pairs by id, and what of them reaches a student's gradient."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training import changed, configuration, lines, table_of, write_lines  # noqa: E402

from wayfind.errors import UsageError  # noqa: E402
from wayfind.train import checkpoint, scores  # noqa: E402
from wayfind.train.batches import read_material  # noqa: E402
from wayfind.train.config import Contrastive, Distillation, MaxSim, config_of, read_configs  # noqa: E402
from wayfind.train.distill import teacher_of  # noqa: E402
from wayfind.train.loop import _Run, train  # noqa: E402
from wayfind.train.run import write_teacher  # noqa: E402

CANDIDATES = 6


def said(query: int, code: int) -> float:
    """A teacher whose word on row and row can be told: the own code is not always the best."""
    return float(np.sin(7.0 * query + 13.0 * code) * 4)


def score(query, code):
    return np.array([said(*both) for both in zip(query.tolist(), code.tolist())], np.float32)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_lines(tmp_path_factory.mktemp("pairs") / "pairs.jsonl")


@pytest.fixture(scope="module")
def table(pairs):
    return table_of(configuration(pairs))


@pytest.fixture(scope="module")
def candidates(table):
    drawn = np.random.default_rng(0)
    found = np.stack([drawn.permutation(np.delete(np.arange(len(table)), row))[:CANDIDATES] for row in range(len(table))])
    found[3, 2:] = -1
    return found


@pytest.fixture(scope="module")
def folder(table, candidates, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scores")
    assert scores.write_scores(folder, score, table, candidates, {"teacher": "test"}) == (candidates >= 0).sum() + len(table)
    return folder


@pytest.fixture(scope="module")
def config(pairs, folder):
    return configuration(
        pairs, objectives__contrastive=Contrastive(0.0), objectives__maxsim=MaxSim(0.0), heads__tokens=0, objectives__distillation=Distillation(1.0, 0.1, str(folder), 3), data__path_dropout=0.0,
    )


def batch_of(config, table, teacher, rows, step=0):
    return table.batch(rows, config.data, config.negatives, None, config.seed, step, teacher.drawn(rows, config.seed, step))


def test_a_batch_has_the_teacher_s_logits_where_it_judged_and_nowhere_else(config, table, candidates):
    teacher, rows = teacher_of(config.objectives.distillation, table), np.array([3, 8, 40, 41])
    batch = batch_of(config, table, teacher, rows)
    found = teacher.logits(batch).numpy()
    assert found.shape == (4, len(batch.code)) and len(batch.code) == 4 + 2 + 3 * 3
    for place, row in enumerate(rows):
        for at, code in enumerate(batch.code):
            judged = at == place or (at >= 4 and batch.owner[at] == place)
            assert (found[place, at] == pytest.approx(said(row, code), abs=1e-5)) if judged else found[place, at] == -np.inf
            assert not judged or at == place or code in candidates[row]


def test_a_student_finds_its_pairs_by_id_in_any_order_and_with_another_vocabulary(pairs, folder, table, tmp_path):
    backwards = tmp_path / "backwards.jsonl"
    backwards.write_text("".join(json.dumps(line) + "\n" for line in lines()[::-1]))
    other = table_of(configuration(backwards, data__vocabulary_size=200))
    one, two = (teacher_of(Distillation(1.0, 0.1, str(folder), CANDIDATES), each) for each in (table, other))
    rows = np.arange(6)
    logits = []
    for teacher, own, place in ((one, table, rows), (two, other, len(table) - 1 - rows)):
        batch = own.batch(place, configuration(pairs).data, configuration(pairs).negatives, None, 0, 0, teacher.drawn(place, 0, 0))
        logits.append([sorted(value for value in row.tolist() if value > -np.inf) for row in teacher.logits(batch)])
    assert logits[0] == logits[1]


def test_draws_depend_on_the_step_and_on_nothing_else(config, table):
    teacher, rows = teacher_of(config.objectives.distillation, table), np.arange(20)
    first, again, later = (teacher.drawn(rows, 0, step) for step in (5, 5, 6))
    assert np.array_equal(first, again) and not np.array_equal(first, later) and (first[3] >= 0).sum() == 2


def test_missing_and_foreign_scores_are_refused(config, folder, pairs, table, candidates, tmp_path):
    some = tmp_path / "some.jsonl"
    some.write_text("".join(json.dumps(line) + "\n" for line in lines()[:100]))
    with pytest.raises(UsageError, match="scores of .* codes that are not among the pairs.*--scores"):
        teacher_of(config.objectives.distillation, table_of(configuration(some)))
    more = write_lines(tmp_path / "more.jsonl", 150)
    with pytest.raises(UsageError, match="has no scores of 24 of 120 pairs.*--scores"):
        teacher_of(config.objectives.distillation, table_of(configuration(more)))
    with pytest.raises(UsageError, match="candidates must be 1 or more"):
        teacher_of(replace(config.objectives.distillation, candidates=0), table)


def test_a_damaged_shard_or_another_format_is_refused(table, candidates, tmp_path, monkeypatch):
    monkeypatch.setattr(scores, "MOST_BYTES", 4000)
    scores.write_scores(tmp_path, score, table, candidates, {})
    shards = sorted(tmp_path.glob("scores-*.safetensors"))
    assert len(shards) > 1
    whole = teacher_of(Distillation(1.0, 0.1, str(tmp_path)), table)
    assert whole.drawn(np.arange(4), 0, 0).shape == (4, 4)
    shards[1].write_bytes(shards[1].read_bytes()[:-1] + b"x")
    with pytest.raises(UsageError, match="write the scores again"):
        teacher_of(Distillation(1.0, 0.1, str(tmp_path)), table)
    (tmp_path / scores.MANIFEST).write_text('{"format": 9}')
    with pytest.raises(UsageError, match="format 9"):
        teacher_of(Distillation(1.0, 0.1, str(tmp_path)), table)


def gradient(config, tmp_path):
    run = _Run(config, read_material(config), tmp_path, None, lambda: 0.0)
    terms, _, _ = run._step(2)
    return terms, torch.cat([torch.zeros_like(one).ravel() if one.grad is None else one.grad.ravel() for one in run.model.parameters()])


@pytest.mark.parametrize("option", [{"objectives.distillation.weight": 2.0}, {"objectives.distillation.temperature": 0.3}, {"objectives.distillation.candidates": 1}, {"loop.micro_batch": 0, "objectives.contrastive.weight": 1.0}], ids=str)
def test_every_option_reaches_the_gradient(config, option, tmp_path):
    usual = changed(config, {"loop.clip": 0.0})
    before, after = gradient(usual, tmp_path / "a")[1], gradient(changed(usual, option), tmp_path / "b")[1]
    assert not torch.allclose(before, after, rtol=1e-4)


def test_the_scores_themselves_reach_the_gradient_but_not_what_is_added_to_all_of_a_question(config, table, candidates, tmp_path):
    found = []
    for name, other in (("same", score), ("shifted", lambda query, code: score(query, code) + 3 * query), ("turned", lambda query, code: -score(query, code))):
        scores.write_scores(tmp_path / name, other, table, candidates, {})
        found.append(gradient(changed(config, {"objectives.distillation.teacher": str(tmp_path / name), "loop.clip": 0.0}), tmp_path / "out")[1])
    same, shifted, turned = found
    assert torch.allclose(same, shifted, rtol=1e-3, atol=1e-5) and not torch.allclose(same, turned, rtol=1e-2)


def test_what_the_teacher_prefers_to_the_own_code_is_no_negative(config, tmp_path):
    run = _Run(config, read_material(config), tmp_path, None, lambda: 0.0)
    rows = np.arange(8)
    batch = batch_of(config, run.table, run.teacher, rows)
    told = run.teacher.logits(batch)
    answers = run._answers(batch, told)
    for place, at in torch.nonzero(answers).tolist():
        assert at >= 8 and batch.owner[at] == place and told[place, at] >= told[place, place]
    better = [at for at in range(8, len(batch.code)) if said(batch.query[batch.owner[at]], batch.code[at]) >= said(*[batch.query[batch.owner[at]]] * 2)]
    assert better and sorted(torch.nonzero(answers)[:, 1].tolist()) == better


class Killed(Exception):
    pass


def test_interrupted_and_resumed_is_uninterrupted_bit_for_bit_and_other_scores_are_refused(config, table, candidates, tmp_path):
    def kill(line):
        if line["event"] == "step" and line["step"] >= 6:
            raise Killed

    material = read_material(config)
    train(config, material, tmp_path / "whole")
    with pytest.raises(Killed):
        train(config, material, tmp_path / "parts", report=kill)
    other = changed(config, {"objectives.distillation.teacher": str(tmp_path / "other")})
    scores.write_scores(tmp_path / "other", lambda query, code: -score(query, code), table, candidates, {})
    with pytest.raises(UsageError, match="another vocabulary or teacher"):
        train(other, material, tmp_path / "parts", resume=True)
    train(config, material, tmp_path / "parts", resume=True)
    one, two = ((checkpoint.latest(tmp_path / name) / "model.safetensors").read_bytes() for name in ("whole", "parts"))
    assert one == two


def test_a_student_comes_to_say_of_other_codes_what_its_teacher_says(config, table, candidates, tmp_path):
    """The teacher likes codes of the question's own file."""
    files = [line["path"] for line in lines() if line["part"] == "train"]
    scores.write_scores(tmp_path / "likes", lambda query, code: np.array([3.0 * (files[one] == files[other]) for one, other in zip(query, code)], np.float32), table, candidates, {})
    changes = {"loop.steps": 60, "loop.log_every": 1, "loop.evaluate_every": 200, "encoder.hidden": 32, "objectives.distillation": Distillation(1.0, 0.2, str(tmp_path / "likes"), 3)}
    train(changed(config, changes), read_material(config), tmp_path / "run")
    terms = [line["distillation"] for line in map(json.loads, (tmp_path / "run" / "log.jsonl").read_text().splitlines()) if line["event"] == "step"]
    assert np.mean(terms[-10:]) < 0.5 * np.mean(terms[:10])


def test_a_model_a_cross_encoder_over_it_and_a_student_of_both(pairs, tmp_path):
    """As its users run it: the model that mines, the teacher, its scores, the student."""
    from click.testing import CliRunner

    from wayfind.serve.training import train_command

    def wayfind(*arguments):
        done = CliRunner().invoke(train_command, [str(one) for one in arguments], standalone_mode=False)
        assert done.exception is None, done.exception
        return done.output

    first = configuration(pairs)
    train(first, read_material(first), tmp_path / "first")
    (tmp_path / "teacher.yaml").write_text(f"""
name: teacher
data: {{train: [{pairs}], vocabulary_size: 300}}
encoder: {{layers: 1, hidden: 16, heads: 2, code_length: 40, query_length: 16}}
heads: {{vector: -1}}
objectives: {{contrastive: {{weight: 0}}, listwise: {{weight: 1.0, others: 2}}}}
negatives: {{mined: 2, candidates: 5, margin: 0.0, miner: first}}
loop: {{batch: 8, steps: 3, pool: 10, log_every: 1, device: cpu}}
""")
    ask = ("--config", tmp_path / "teacher.yaml", "--output", tmp_path / "teacher")
    assert "among 21" in wayfind(*ask) and not (tmp_path / "teacher" / "bundle").exists()
    assert wayfind(*ask, "--scores") == f"{96 * 6} scores in {tmp_path / 'teacher' / 'scores'}\n"
    about = json.loads((tmp_path / "teacher" / "scores" / scores.MANIFEST).read_text())
    assert (about["teacher"], about["checkpoint"], about["pairs"], about["candidates"]) == ("teacher", "step-00000003", 96, 5)
    (tmp_path / "student.json").write_text(json.dumps(changed(first, {"objectives.distillation": Distillation(1.0, 0.05, "teacher/scores", 2), "loop.steps": 2, "name": "student"}).as_mapping()))
    student = read_configs(tmp_path / "student.json")[0]  # JSON is YAML
    assert train(student, read_material(student), tmp_path / "student").finished
    with pytest.raises(UsageError, match="--scores needs a configuration of a cross-encoder"):
        write_teacher([student], tmp_path / "student")


def test_a_negative_number_of_candidates_is_refused(config):
    with pytest.raises(UsageError, match="candidates must be 0 or more"):
        config_of(asdict(changed(config, {"objectives.distillation.candidates": -1})))
