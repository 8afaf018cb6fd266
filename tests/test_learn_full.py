"""`learn --full`: the last layers of the shipped encoder, read out of its graph, tuned, written back, and used for one tree alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
import torch  # noqa: E402
from conftest import plant  # noqa: E402
from lessons import teaching_repository  # noqa: E402

import wayfind  # noqa: E402
from wayfind.errors import NotFound, TrainingError, UsageError  # noqa: E402
from wayfind.model import bundle as bundles  # noqa: E402
from wayfind.model.encoder import Encoder, current_encoder  # noqa: E402
from wayfind.train.adapt.gate import Verdict  # noqa: E402
from wayfind.train.finetune import Plan, Taught, Tuned, _judged, _Training, _written, tune  # noqa: E402
from wayfind.train.upper_layers import LowerLayers, UpperLayers  # noqa: E402

BASE = bundles.load(bundles.BASE) if (bundles.BASE / bundles.MANIFEST).is_file() else None
pytestmark = pytest.mark.skipif(BASE is None, reason="no base model in this tree")


@pytest.fixture(scope="module")
def graph():
    return onnx.load(BASE.checked(BASE.parts["encoder"]["weights"]))


@pytest.fixture
def parts(graph) -> tuple[UpperLayers, LowerLayers]:
    upper = UpperLayers(graph, 1)
    return upper, LowerLayers(graph, upper, threads=1)


def texts() -> tuple[np.ndarray, np.ndarray]:
    ids = np.random.default_rng(0).integers(5, 2000, (4, 18))
    mask = np.ones_like(ids)
    mask[1, 7:] = 0
    return ids, mask


def whole(graph, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["vector"], {"ids": ids, "mask": mask})[0]


def test_lower_and_upper_layers_together_are_the_graph(graph, parts) -> None:
    upper, lower = parts
    ids, mask = texts()
    with torch.no_grad():
        made = upper(torch.from_numpy(lower.states(ids, mask)), lower.beside(mask)).numpy()
    assert ((made * whole(graph, ids, mask)).sum(axis=1) > 0.99).all()


def test_what_is_written_serves_what_was_trained_however_small_the_change(graph, parts) -> None:
    """Changes below half a step of int8 were all rounded away once, and a tuned encoder was the one before."""
    upper, lower = parts
    ids, mask = texts()
    before = whole(graph, ids, mask)
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in upper.parameters():
            if value.ndim == 2:
                value += 1e-3 * torch.randn(value.shape, generator=random).clamp(-1, 1)
        trained = upper(torch.from_numpy(lower.states(ids, mask)), lower.beside(mask)).numpy()
    served = whole(upper.written(), ids, mask)
    served /= np.linalg.norm(served, axis=1, keepdims=True)
    np.testing.assert_allclose(served, trained, atol=1e-5)
    assert (1 - (trained * before).sum(axis=1) / np.linalg.norm(before, axis=1) > 1e-4).all()


def test_weights_that_did_not_change_give_nearly_what_the_graph_gave(graph, parts) -> None:
    import onnxruntime

    upper, _ = parts
    ids, mask = texts()
    made, before = (onnxruntime.InferenceSession(one.SerializeToString(), providers=["CPUExecutionProvider"]) for one in (upper.written(), graph))
    assert [one.name for one in made.get_outputs()] == [one.name for one in before.get_outputs()]
    for own, other in zip(made.run(None, {"ids": ids, "mask": mask}), before.run(None, {"ids": ids, "mask": mask})):
        own, other = own[mask[:, : own.shape[1]] > 0] if own.ndim == 3 else own, other[mask[:, : other.shape[1]] > 0] if other.ndim == 3 else other
        assert ((own * other).sum(axis=-1) > 0.98 * np.linalg.norm(own, axis=-1) * np.linalg.norm(other, axis=-1)).all()


def test_padding_says_nothing_to_the_upper_layers(parts) -> None:
    upper, lower = parts
    ids, mask = texts()
    with torch.no_grad():
        made = upper(torch.from_numpy(lower.states(ids, mask)), lower.beside(mask))
        alone = upper(torch.from_numpy(lower.states(ids[1:2, :7], mask[1:2, :7])), lower.beside(mask[1:2, :7]))
    torch.testing.assert_close(made[1:2], alone, rtol=0, atol=2e-2)


def test_too_many_layers_are_refused(graph) -> None:
    with pytest.raises(TrainingError, match="too few"):
        UpperLayers(graph, 40)


def lessons(count: int = 24) -> Taught:
    """Question i and code i share no id; what ties them is the pairing alone."""
    random = np.random.default_rng(1)
    query, code = ([np.array([2, *random.integers(5, 3000, 6), 3]) for _ in range(count)] for _ in range(2))
    return Taught(query, code, [1.0] * count, [row % 8 == 0 for row in range(count)])


def training(parts, folder: Path, **changes) -> _Training:
    upper, lower = parts
    return _Training(upper, lower, lessons(), replace(Plan(epochs=2, batch=8, rate=3e-4, minutes=0), **changes), folder, lambda line: None)


def test_tuning_lowers_the_loss_of_what_it_learns_from(parts, tmp_path: Path) -> None:
    made = training(parts, tmp_path)
    made.states = {side: made._states(getattr(made.taught, side)) for side in ("query", "code")}
    rows = np.flatnonzero(~np.array(made.taught.valid))[:8]
    losses = [made._step(rows) for _ in range(4)]
    assert losses[-1] < losses[0]


def test_a_tuning_resumed_computes_what_it_would_have(graph, tmp_path: Path) -> None:
    def fresh() -> tuple[UpperLayers, LowerLayers]:
        upper = UpperLayers(graph, 1)
        return upper, LowerLayers(graph, upper, threads=1)

    one, two, again = (training(fresh(), tmp_path / name) for name in ("one", "two", "two"))
    one.run()

    class Interrupted(Exception):
        pass

    def interrupt(line: dict) -> None:
        if line["event"] == "step" and line["epoch"] == 2:
            raise Interrupted

    two.report = interrupt
    with pytest.raises(Interrupted):
        two.run()
    again.plan = replace(again.plan, resume=True)
    again.run()
    states = [json.loads((tmp_path / name / "state.json").read_text())["mrr"] for name in ("one", "two")]
    assert states[0] == states[1]
    for name, value in one.upper.state_dict().items():
        assert torch.equal(value, again.upper.state_dict()[name])
    with pytest.raises(NotFound):
        training(fresh(), tmp_path / "none", resume=True).run()


def test_a_tuning_resumed_ends_with_the_best_epoch_though_it_was_before_the_interruption(graph, tmp_path: Path) -> None:
    """The last epoch that was saved was taken for the best."""

    def begun(figures: list[float], **changes) -> _Training:
        upper = UpperLayers(graph, 1)
        made = training((upper, LowerLayers(graph, upper, threads=1)), tmp_path, **changes)
        made._mrr = iter(figures).__next__  # the weights of the first epoch are the best
        return made

    seen: dict[str, torch.Tensor] = {}
    first = begun([0.5, 0.9, 0.1])
    first.report = lambda line: seen.update(first._weights()) if line["event"] == "epoch" and line["epoch"] == 1 else None
    first.run()
    again = begun([0.2], epochs=3, resume=True)
    assert again.run() == [0.5, 0.9, 0.1, 0.2]
    assert all(torch.equal(value, seen[name]) for name, value in again.upper.state_dict().items())


def test_a_tuned_encoder_is_used_for_its_tree_alone_and_has_vectors_of_its_own(parts, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("WAYFIND_MODEL", "base")
    upper, _ = parts
    with torch.no_grad():
        for value in upper.parameters():
            value.mul_(1.01)
    tree, other = tmp_path / "tree", tmp_path / "other"
    made = _written(BASE, upper, tree / bundles.TUNED)
    bundles.use_tuned(tree, made.id, BASE.encoder_id)
    assert bundles.current(tree).id == made.id != bundles.current(other).id == BASE.id
    bundles.use_tuned(tree, made.id, "another base")
    assert bundles.current(tree).id == BASE.id
    assert (Encoder(made).query("open a door") != current_encoder().query("open a door")).any()


def test_a_tuned_encoder_is_judged_by_the_search_on_questions_of_every_part(parts, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("WAYFIND_MODEL", "base")
    upper, _ = parts
    with torch.no_grad():
        for value in upper.parameters():
            value.mul_(0.0)
    made = Encoder(_written(BASE, upper, tmp_path / "tuned"))
    with wayfind.open(teaching_repository(tmp_path / "repo"), home=tmp_path / "home") as repository:
        repository.refresh()
        repository.encode()
        found = _judged(repository, made, 0, lambda *stage: None)
    asked = {part: {one.kind for one in getattr(found, part)} for part in ("gate", "report", "general")}
    assert asked == {"gate": {"all", "commit", "docstring"}, "report": {"all", "commit", "docstring"}, "general": {"name"}}
    assert found.gate[0].gain.mean != 0, "an encoder that tells nothing apart was asked"


def test_what_does_not_gain_is_thrown_away_and_too_little_is_said(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("WAYFIND_MODEL", "base")
    tree = plant(tmp_path / "tree", {"a.py": "".join(f'def step_{n}(door):\n    """Opens the door number {n} of the house slowly."""\n    door.turn({n})\n    return door\n\n\n' for n in range(3))})
    with wayfind.open(tree, home=tmp_path / "home", commits=0) as repository:
        repository.refresh()
        with pytest.raises(UsageError, match="too small"):
            tune(repository, Plan(), lambda line: None, lambda *stage: None)
        monkeypatch.setattr("wayfind.train.finetune._taught", lambda *given: lessons())
        monkeypatch.setattr("wayfind.train.finetune._judged", lambda *given: Tuned("", Verdict(False, "no gain"), 0, {}, []))
        found = tune(repository, Plan(layers=1, epochs=1), lambda line: None, lambda *stage: None)
        assert not found.verdict.kept and bundles.current(repository.tree.folder).id == BASE.id
        assert not [path for path in (repository.tree.folder / bundles.TUNED).iterdir() if path.name != "run"]


def test_of_tuned_encoders_the_one_in_use_stays_alone(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("WAYFIND_MODEL", "base")
    monkeypatch.setattr("wayfind.train.finetune._taught", lambda *given: lessons())
    verdicts = iter([True, True, False, False])
    monkeypatch.setattr("wayfind.train.finetune._judged", lambda *given: Tuned("", Verdict(next(verdicts), ""), 0, {}, []))
    with wayfind.open(plant(tmp_path / "tree", {"a.py": "def shut(door):\n    return door\n"}), home=tmp_path / "home", commits=0) as repository:
        repository.refresh()
        tuned, ids = repository.tree.folder / bundles.TUNED, []
        for seed in (0, 1, 1, 2):  # the third is the same encoder again, and its judge is of another mind
            ids.append(tune(repository, Plan(layers=1, epochs=1, seed=seed), lambda line: None, lambda *stage: None).bundle)
        assert ids[0] != ids[1] == ids[2] and bundles.current(repository.tree.folder).id == ids[1]
        assert [path.name for path in tuned.iterdir() if path.is_dir() and path.name != "run"] == [ids[1]]
