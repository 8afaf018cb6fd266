"""The parts of learning that need no index: slopes against differences, files of adaptations, the gate's verdicts."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from conftest import command

from wayfind.errors import ModelError, NotFound
from wayfind.evaluate.intervals import Interval
from wayfind.model import adaptation as adaptations
from wayfind.model.pooling import Pooled, pooled
from wayfind.search.rank import DEMOTED, DEMOTIONS, SIGNALS, WEIGHTS
from wayfind.search.learned import REMEMBERED, Learned
from wayfind.train.adapt import manner, query_map, weights
from wayfind.train.adapt.gate import Compared, chance_of_loss, judge


def slope_by_differences(value, at: np.ndarray, step: float = 1e-5) -> np.ndarray:
    found = np.zeros(at.shape)
    for place in np.ndindex(at.shape):
        up, down = at.copy(), at.copy()
        up[place] += step
        down[place] -= step
        found[place] = (value(up) - value(down)) / (2 * step)
    return found


def some_pairs(rng: np.random.Generator, questions: int = 7, rows: int = 11, dim: int = 6) -> query_map.Pairs:
    right = np.zeros((questions, rows), bool)
    right[np.arange(questions), rng.integers(0, rows, questions)] = True
    right[0, :2] = True
    out = ~right & (rng.random((questions, rows)) < 0.2)
    chunks = query_map.unit(rng.standard_normal((rows, dim))).astype(np.float32)
    return query_map.Pairs(query_map.unit(rng.standard_normal((questions, dim))), chunks, right, out)


def test_slopes_of_the_query_map_are_those_of_its_loss():
    rng = np.random.default_rng(0)
    given, rows = some_pairs(rng), np.arange(7)
    down, up = 0.3 * rng.standard_normal((3, 6)), 0.3 * rng.standard_normal((6, 3))
    _, by_down, by_up = query_map.loss_and_gradient(given, rows, down, up)
    loss = lambda a, b: query_map.loss_and_gradient(given, rows, a, b)[0]  # noqa: E731
    np.testing.assert_allclose(by_down, slope_by_differences(lambda a: loss(a, up), down, 1e-3), atol=5e-3)
    np.testing.assert_allclose(by_up, slope_by_differences(lambda b: loss(down, b), up, 1e-3), atol=5e-3)


def test_the_query_map_learns_a_rotation_and_begins_as_the_identity():
    rng = np.random.default_rng(1)
    dim, rows = 24, 60
    codes = rng.integers(-127, 128, (rows, dim)).astype(np.int8)
    turn = np.eye(dim)[:, np.r_[1, 0, 2:dim]]
    asked = np.rint(codes @ turn).astype(np.int8)
    given = query_map.pairs(asked, [[i] for i in range(rows)], codes, np.arange(rows))
    learned = query_map.fit([given])
    before = query_map.loss_and_gradient(given, np.arange(rows), np.zeros((16, dim)), np.zeros((dim, 16)))[0]
    after = query_map.loss_and_gradient(given, np.arange(rows), learned["map.down"].astype(float), learned["map.up"].astype(float))[0]
    assert after < 0.5 * before


def test_copies_and_the_right_file_are_no_negatives():
    codes = np.array([[100, 0, 0], [99, 1, 0], [0, 100, 0], [0, 0, 100]], np.int8)
    given = query_map.pairs(np.array([[100, 0, 0]], np.int8), [[0]], codes, np.array([0, 1, 0, 2]))
    assert given.right.tolist() == [[True, False, False, False]]
    assert given.left_out.tolist() == [[False, True, True, False]]


def some_candidates(rng: np.random.Generator, questions: int = 9, size: int = 12) -> weights.Candidates:
    signals = rng.random((questions * size, len(SIGNALS)))
    demotions = (rng.random((questions * size, len(DEMOTIONS))) < 0.3).astype(float)
    right = np.zeros(questions * size, bool)
    right[rng.integers(0, size, questions) + size * np.arange(questions)] = True
    return weights.Candidates(signals, demotions, right, size * np.arange(questions), np.ones(questions), np.ones(questions))


def test_slopes_of_the_ranker_are_those_of_its_loss():
    rng = np.random.default_rng(2)
    given = replace(some_candidates(rng), strength=rng.random(9))
    added = np.array([name in REMEMBERED for name in SIGNALS])
    base, taken = np.array([WEIGHTS[name] for name in SIGNALS]), np.array([DEMOTED[name] for name in DEMOTIONS])
    values = np.concatenate([np.where(added, 0.3, 0.1), np.full(len(DEMOTIONS), -0.2)])
    found = weights.gradient(given, values, added, base, taken)
    expected = slope_by_differences(lambda v: weights.loss(given, v, added, base, taken), values)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_factors_stay_between_a_half_and_two_and_go_where_the_answers_are():
    rng = np.random.default_rng(3)
    given = some_candidates(rng, questions=40)
    given.signals[:, SIGNALS.index("symbol")] = given.right
    given.signals[:, SIGNALS.index("file")] = ~given.right
    learned = weights.fit(given)
    assert learned["symbol"] > 1.2 and learned["file"] < 0.8
    assert all(0.499 <= learned[name] <= 2.001 for name in (*SIGNALS, *DEMOTIONS) if name not in REMEMBERED)
    assert learned["meaning"] == 1.0
    assert learned == weights.fit(given)


def interval(mean: float, low: float, high: float, n: int = 100) -> Interval:
    return Interval(mean, low, high, n)


def compared(gain: Interval, kind: str = "all") -> Compared:
    return Compared(kind, "MRR@10", gain, gain, gain)


@pytest.mark.parametrize(
    ("gate", "general", "present", "kept", "why"),
    [
        ([compared(interval(0.05, 0.01, 0.09))], [compared(interval(0.0, -0.01, 0.01), "name")], None, True, "gains"),
        ([compared(interval(0.05, 0.0, 0.09))], [], None, False, "no certain gain"),
        ([compared(interval(0.05, 0.01, 0.09, n=12))], [], None, False, "12 questions to judge by"),
        ([], [], None, False, "0 questions"),
        ([compared(interval(0.05, 0.01, 0.09))], [compared(interval(-0.02, -0.05, 0.01), "name")], None, False, "name questions lose"),
        ([compared(interval(0.05, 0.01, 0.09)), compared(interval(-0.04, -0.07, -0.01), "docstring")], [], None, False, "docstring questions lose"),
        ([compared(interval(0.05, 0.01, 0.09))], [], compared(interval(-0.02, -0.05, 0.01)), False, "what is in use is better"),
    ],
)
def test_kept_is_only_what_gains_for_certain_and_loses_nowhere(gate, general, present, kept, why):
    verdict = judge(gate, general, present)
    assert verdict.kept is kept and why in verdict.why


def test_a_loss_of_few_questions_is_chance_and_one_of_many_is_none():
    assert chance_of_loss(np.array([-0.2] * 4)) == 1 / 16
    assert chance_of_loss(np.array([-0.2] * 8 + [0.0] * 30)) == 1 / 256
    assert chance_of_loss(np.array([0.1, -0.1] * 40)) > 0.4 and chance_of_loss(np.array([-0.1] * 60 + [0.1] * 20)) < 0.001


def test_a_kind_of_which_few_questions_lose_refuses_no_certain_gain():
    gain, loss = compared(interval(0.05, 0.01, 0.09)), compared(interval(-0.2, -0.3, -0.1, n=4), "docstring")
    assert judge([gain, replace(loss, chance=1 / 16)], []).kept and not judge([gain, replace(loss, chance=0.01)], []).kept


def test_general_questions_refuse_by_a_small_certain_loss_and_by_a_large_one():
    gain = compared(interval(0.05, 0.01, 0.09))
    certain, likely = (compared(interval(-0.006, -0.01, high), "name") for high in (-0.002, 0.001))
    assert not judge([gain], [certain]).kept and judge([gain], [likely]).kept


def test_a_certain_loss_of_recall_refuses_too():
    gain = compared(interval(0.05, 0.01, 0.09))
    lost = replace(compared(interval(-0.1, -0.2, -0.03), "docstring"), figure="recall@10", chance=0.01)
    verdict = judge([gain, lost], [])
    assert not verdict.kept and "recall@10" in verdict.why


def test_where_questions_are_told_apart_the_loss_is_least():
    rng = np.random.default_rng(5)
    inputs, labels, weight = rng.standard_normal((30, 4)), (rng.random(30) < 0.4).astype(float), rng.random(30) + 0.5
    found = manner.newton(inputs, labels, weight)
    loss = lambda w: float((weight * (np.log1p(np.exp(inputs @ w)) - labels * (inputs @ w))).sum() + w @ w / 2)  # noqa: E731
    np.testing.assert_allclose(slope_by_differences(loss, found), 0, atol=1e-6)


def test_a_question_of_no_strength_is_ranked_as_before():
    learned = Learned(adaptations.made("m", {"manner.weight": np.array([9.0, 0.0, 0.0], np.float32)}, {"weights": {"file": 2.0, "often": 0.5}}), None)
    like, unlike = np.array([90, 10], np.int8), np.array([-90, 10], np.int8)
    assert (learned.strength(like), learned.strength(unlike)) == (1.0, 0.0)
    base = {"file": 0.7, "often": 0.0}
    assert learned.weights(base, base, 1.0).tolist() == [1.4, 0.5] and learned.weights(base, base, 0.0).tolist() == [0.7, 0.0]


def some_adaptation(seed: int = 0) -> adaptations.Adaptation:
    rng = np.random.default_rng(seed)
    return adaptations.made("model", {"map.down": rng.random((2, 3)).astype(np.float32), "map.up": np.zeros((3, 2), np.float32)}, {"seed": seed})


def test_an_adaptation_is_read_as_it_was_written_and_its_id_is_its_content(tmp_path):
    one = some_adaptation()
    adaptations.store(tmp_path, one)
    again = adaptations.load(tmp_path, one.id)
    assert again.id == one.id == some_adaptation().id != some_adaptation(1).id
    assert np.array_equal(again.arrays["map.down"], one.arrays["map.down"]) and again.about == {"seed": 0}
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.iterdir())


@pytest.mark.parametrize("place", [0, 30, 120, -40, -1])
def test_an_adaptation_with_one_changed_byte_is_refused(tmp_path, place):
    data = bytearray(adaptations.packed(some_adaptation()))
    data[place] ^= 1
    with pytest.raises(ModelError):
        adaptations.unpacked(bytes(data), "file")
    path = tmp_path / f"{some_adaptation().id}.adaptation"
    path.write_bytes(bytes(data))
    with pytest.raises(ModelError):
        adaptations.load(tmp_path, some_adaptation().id)


def test_going_back_goes_to_the_one_before_and_then_to_nothing(tmp_path):
    first, second = some_adaptation(1), some_adaptation(2)
    for one in (first, second):
        adaptations.store(tmp_path, one)
        adaptations.use(tmp_path, one.id)
    assert adaptations.current(tmp_path) == second.id
    assert adaptations.roll_back(tmp_path) == first.id == adaptations.current(tmp_path)
    assert adaptations.roll_back(tmp_path) == "" == adaptations.current(tmp_path)
    with pytest.raises(NotFound):
        adaptations.roll_back(tmp_path)


def test_no_more_are_kept_than_can_be_gone_back_to(tmp_path):
    for seed in range(adaptations.MOST_KEPT + 3):
        adaptations.store(tmp_path, some_adaptation(seed))
        adaptations.use(tmp_path, some_adaptation(seed).id)
    assert len(list(tmp_path.glob("*.adaptation"))) == adaptations.MOST_KEPT == len(adaptations.line(tmp_path))


WRITER = """
import sys
from pathlib import Path
import numpy as np
from wayfind.model import adaptation as adaptations
from wayfind.model.pooling import Pooled, pooled
folder, seed = Path(sys.argv[1]), 0
while True:
    seed += 1
    one = adaptations.made("m", {"often.place": np.full(50_000, seed, np.int64), "often.value": np.ones(50_000, np.float32)}, {"seed": seed})
    adaptations.store(folder, one)
    adaptations.use(folder, one.id)
    if seed == 1:
        print("ready", flush=True)
"""


def test_a_writer_killed_anywhere_leaves_a_whole_adaptation_in_use(tmp_path):
    for wait in (0.0, 0.013, 0.031, 0.047):
        with subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE) as writer:
            assert writer.stdout.readline().strip() == b"ready"
            time.sleep(wait)
            writer.send_signal(signal.SIGKILL)
        found = adaptations.load(tmp_path, adaptations.current(tmp_path))
        assert (found.arrays["often.place"] == found.about["seed"]).all()


def test_a_pointer_that_cannot_be_read_counts_as_nothing_learned(tmp_path):
    for content in ("", "{", "[]", json.dumps({"line": 3})):
        (tmp_path / adaptations.CURRENT).write_text(content)
        assert adaptations.current(tmp_path) == ""
    assert adaptations.current(tmp_path / "nowhere") == "" and os.path.isdir(tmp_path)


def whole_adaptation() -> tuple[dict[str, np.ndarray], dict]:
    """Arrays and the rest of an adaptation that has every component."""
    floats = lambda *shape: np.full(shape, 0.5, np.float32)  # noqa: E731
    numbers = lambda *values: np.array(values, np.int64)  # noqa: E731
    arrays = {
        "map.down": floats(2, 3), "map.up": floats(3, 2), "manner.weight": floats(4), "terms.digest": numbers(7), "terms.factor": floats(1),
        "memory.codes": np.ones((2, 3), np.int8), "memory.weight": floats(2), "memory.question": np.array([0, 1, 1], np.int32), "memory.place": numbers(4, 5, 6),
        "often.place": numbers(4, 5), "often.value": floats(2),
    }  # fmt: skip
    meaning = {"term": "backoff", "written": "backoff", "strength": 0.5, "seen": {}}
    figure = {"before": [0.1, 0.0, 0.2, 9], "after": [0.2, 0.1, 0.3, 9], "gain": [0.1, 0.0, 0.2, 9]}
    return arrays, {
        "weights": {"lexical": 1.5}, "words": {"format": 1, "words": {"resend": {"written": "resend", "means": [meaning]}}}, "components": ["memory"],
        "figures": {"gate": {"commit MRR@10": figure}, "why": "a gain"}, "boundary": None, "used": {"train": ["a"], "gate": []},
    }  # fmt: skip


def test_an_adaptation_of_all_components_is_taken():
    found = adaptations.made("m", *whole_adaptation())
    assert found.dim == 3 and set(found.arrays) == set(whole_adaptation()[0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"often.value": np.ones(1, np.float32)}, {"terms.factor": None}, {"memory.weight": None}, {"map.up": np.ones((4, 2), np.float32)}, {"a": np.ones(2)},
        {"memory.question": np.array([0, 1, 2], np.int32)}, {"memory.question": np.array([0, 1, -1], np.int32)}, {"memory.weight": np.ones(2)},
        {"manner.weight": np.array([1, 1, 1, np.nan], np.float32)}, {"often.value": np.array([1, -2], np.float32)}, {"memory.codes": np.ones(6, np.int8)},
    ],
)  # fmt: skip
def test_arrays_that_no_search_could_use_are_refused(wrong):
    arrays, about = whole_adaptation()
    with pytest.raises(ModelError):
        adaptations.made("m", {name: values for name, values in {**arrays, **wrong}.items() if values is not None}, about)


@pytest.mark.parametrize(
    "wrong",
    [
        {"weights": {"lexical": float("nan")}}, {"weights": {"lexical": -1}}, {"weights": {"lexical": "much"}}, {"weights": [1]}, {"weights": {"lexical": 1e300}},
        {"figures": {"gate": {"commit MRR@10": {"before": [0, 0, 0, 1], "gain": [0, 0, 0, 1]}}}}, {"figures": {"gate": 3}}, {"components": [1]}, {"boundary": 3},
        {"words": {"format": 1, "words": {"a": {"written": "a", "means": [{}]}}}}, {"words": {}, "used": {"train": [3]}}, {"figures": {"gate": {"a": {"before": ["a", 0, 0]}}}},
        {"words": {"format": 2, "words": {}}},
    ],
)  # fmt: skip
def test_figures_weights_and_words_that_nothing_could_read_are_refused(wrong):
    arrays, about = whole_adaptation()
    with pytest.raises(ModelError):
        adaptations.made("m", arrays, {**about, **wrong})


@pytest.mark.parametrize("payload", [b"", b"PK", b"\x93NUMPY\x01\x00"])
def test_a_payload_that_is_no_archive_is_refused(payload):
    head = json.loads(adaptations.packed(some_adaptation()).split(b"\n")[1])
    head["sha256"] = hashlib.sha256(payload).hexdigest()
    with pytest.raises(ModelError):
        adaptations.unpacked(adaptations.MAGIC + json.dumps(head).encode() + b"\n" + payload, "file")


def written_otherwise(model: str, arrays: dict, about: dict) -> bytes:
    """The file of an adaptation as another library may write it: the archive deflated, the header with other blanks."""
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    said = json.loads(adaptations.packed(adaptations.made(model, arrays, about)).split(b"\n")[1])
    said["sha256"] = hashlib.sha256(out.getvalue()).hexdigest()
    return adaptations.MAGIC + json.dumps(said, separators=(",", ":")).encode() + b"\n" + out.getvalue()


def test_a_file_that_was_written_otherwise_is_used_and_handed_on_as_it_is(library, tmp_path):
    arrays, about = whole_adaptation()
    arrays = {name: values for name, values in arrays.items() if name.partition(".")[0] in ("often", "terms")}
    file, again, home = tmp_path / "one", tmp_path / "two", tmp_path / "home"
    file.write_bytes(written_otherwise("", arrays, about))
    done = command("learn", library, "--import", file, "--force", home=home)
    assert done.returncode == 0, done.stderr
    told = json.loads(command("learn", library, "--status", "--json", home=home).stdout)
    assert f"in use: {told['in_use']}".encode() in done.stdout and not told["problem"]
    found = json.loads(command("search", "what does a late reader pay", library, "--json", home=home).stdout)
    assert found["index"]["adaptation"] == told["in_use"] and found["results"]
    assert command("learn", library, "--export", again, home=home).returncode == 0
    assert again.read_bytes() == file.read_bytes()


def test_a_file_that_no_search_could_use_is_not_imported(library, tmp_path):
    arrays, about = whole_adaptation()
    file, home = tmp_path / "one", tmp_path / "home"
    data = adaptations.packed(adaptations.Adaptation("", "", {"terms.digest": arrays["terms.digest"]}, about))
    file.write_bytes(data)
    refused = command("learn", library, "--import", file, "--force", home=home)
    assert refused.returncode == 2 and b"no terms.factor" in refused.stderr and b"Traceback" not in refused.stderr
    assert json.loads(command("search", "what does a late reader pay", library, "--json", home=home).stdout)["results"]


def test_codes_of_clusters_are_pooled_once():
    codes = np.random.default_rng(4).integers(-127, 128, (9, 8)).astype(np.int8)
    once = pooled(codes)
    assert len(once) < len(codes)
    assert np.array_equal(pooled(once.view(Pooled)), once)
