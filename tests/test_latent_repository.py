"""A latent model learned on a small repository by the command, as a user does; origin-defects 1, 3 to 5, 7, 8 and 11 at the user's surface."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("zuko")
pytest.importorskip("onnxscript")
import numpy as np  # noqa: E402
import torch  # noqa: E402
from conftest import plant  # noqa: E402

import wayfind  # noqa: E402
from wayfind.errors import Collapsed, NotFound, UsageError  # noqa: E402
from wayfind.evaluate.queries import Query, QuerySet, digest  # noqa: E402
from wayfind.evaluate.run import _seen, _unseen  # noqa: E402
from wayfind.index.doctor import doctor  # noqa: E402
from wayfind.model.wordpiece import WordPiece  # noqa: E402
from wayfind.search.latents import Levels, encoder_of, read_record  # noqa: E402
from wayfind.serve.learning_latent import _Words, curves, draw  # noqa: E402
from wayfind.train.decoder import characters  # noqa: E402
from wayfind.train.latent import DecoderConfig, LossWeights  # noqa: E402
from wayfind.train.latent_loop import LatentTraining, Schedule  # noqa: E402
from wayfind.train.latent_network import NetworkConfig  # noqa: E402
from wayfind.train.latent_pairs import SEMANTICS, SYNTAX, Material, material_of, read_material  # noqa: E402
from wayfind.train.latent_tokens import Tokens, learn_words  # noqa: E402

THINGS = {
    "invoice": "ledger entry", "parcel": "shipment box", "ticket": "support request", "garden": "flower bed", "engine": "motor block",
    "recipe": "cooking plan", "sensor": "probe reading", "ballot": "vote paper", "tunnel": "underground passage", "violin": "string instrument",
    "harbor": "boat shelter", "mirror": "looking glass", "candle": "wax light", "saddle": "horse seat", "pillow": "sleeping cushion", "ladder": "climbing frame",
    "cabbage": "green vegetable", "trumpet": "brass horn", "compass": "north needle", "blanket": "woollen cover", "kettle": "water boiler", "wallet": "money purse",
    "hammer": "nail driver", "basket": "woven container",
}  # fmt: skip
DEEDS = {
    "archive": ("moves the {} into cold storage", "store.freeze({0})\n    return store.receipt({0})"),
    "weigh": ("tells how heavy the {} is", "scale.tare()\n    return scale.load({0})"),
    "paint": ("gives the {} a new colour", "brush.dip(bucket)\n    return brush.stroke({0})"),
    "lend": ("hands the {} to a borrower for a while", "desk.sign({0})\n    return desk.due({0})"),
    "mend": ("repairs what is broken in the {}", "tool.open({0})\n    return tool.close({0})"),
    "count": ("says how many of the {} are left", "shelf.scan({0})\n    return shelf.total({0})"),
}


def made_up() -> dict[str, str]:
    """A file for each thing and half of the deeds: 48 files, 144 functions that are documented in other words, which call each other."""
    files = {}
    for thing, other in THINGS.items():
        for half in (0, 1):
            deeds = list(DEEDS)[3 * half : 3 * half + 3]
            text = "".join(_function(deed, thing, other, deeds[number - 1] if number else "") for number, deed in enumerate(deeds))
            files[f"src/{thing}_{'ab'[half]}.py"] = text
    return files


def _function(deed: str, thing: str, other: str, before: str) -> str:
    said, body = DEEDS[deed]
    call = f"    {before}_{thing}(store, {thing})\n" if before else ""
    return f'def {deed}_{thing}(store, {thing}):\n    """{said.format(other).capitalize()}, whatever the season may be."""\n{call}    {body.format(thing)}\n\n\n'


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    return plant(tmp_path_factory.mktemp("made-up") / "tree", made_up())


@pytest.fixture(scope="module")
def material(tree: Path, tmp_path_factory) -> Material:
    with wayfind.open(tree, home=tmp_path_factory.mktemp("home"), commits=0) as repository:
        repository.refresh()
        return material_of(repository)


SMALL = {"latent": 16, "hidden": 32}
ASKED = ("--latent-dim", "16", "--hidden-dim", "32", "--batch-size", "32", "--epochs", "3", "--seed", "1")


def run(*arguments: str | Path, home: Path, blocked: bool = False) -> subprocess.CompletedProcess:
    """The command in a process of its own; `blocked`: one in which torch cannot be imported."""
    block = "import sys\nclass No:\n    def find_spec(self, name, *rest):\n        if name.partition('.')[0] in ('torch', 'zuko', 'safetensors'):\n            raise ImportError(name)\nsys.meta_path.insert(0, No())\n"
    code = (block if blocked else "import sys\n") + "from wayfind.serve.cli import main\nsys.exit(main(sys.argv[1:]))"
    settings = {**os.environ, "WAYFIND_HOME": str(home), "WAYFIND_MODEL": "none", "WAYFIND_RESIDENT": "0", "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, env=settings)


@pytest.fixture(scope="module")
def learned(tree: Path, tmp_path_factory) -> tuple[Path, list[dict]]:
    """A home in which a model was learned by the command, and what the command said."""
    home = tmp_path_factory.mktemp("learned")
    done = run("learn", tree, "--from", "random", *ASKED, "--json", home=home)
    assert done.returncode == 0, done.stderr
    return home, [json.loads(line) for line in done.stdout.splitlines()]


def test_what_was_learned_is_its_owners_alone(learned) -> None:
    assert not [finding for finding in doctor(learned[0]) if finding.what == "permissions"]


def test_the_command_learns_and_every_epoch_stands_in_the_log(learned) -> None:
    home, said = learned
    (log,) = home.glob("trees/*/latent/run/log.jsonl")
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    epochs = [row for row in rows if row["event"] == "epoch"]
    assert [row["epoch"] for row in epochs] == [1, 2, 3]
    assert all(row.keys() >= {"loss", "contrastive", "epps_pulley", "mrr", "active", "dimensions", "effective_rank", "texts_per_second", "seconds_left"} for row in epochs)
    assert epochs[-1]["loss"] < epochs[0]["loss"]
    assert said[-1]["event"] == "learned" and said[-1]["figures"]["report"]["semantics"]["pool"] == len(THINGS) * len(DEEDS)


def test_a_search_by_level_needs_no_torch_and_two_processes_agree_to_the_last_digit(learned, tree: Path) -> None:
    home, _ = learned
    for level in ("syntax", "structure", "semantics"):
        one, other = (run("search", "how heavy is the shipment box", tree, "--level", level, "--json", home=home, blocked=True) for _ in range(2))
        assert one.returncode == 0, one.stderr
        assert one.stdout == other.stdout
        answer = json.loads(one.stdout)
        assert answer["results"] and all(set(result["signals"]) == {level} for result in answer["results"])


def test_queries_differ_and_the_latent_is_alive(learned, tree: Path) -> None:  # origin-defect 1
    home, said = learned
    assert said[-1]["figures"]["active"] >= 0.8 * said[-1]["figures"]["dimensions"]
    answers = [json.loads(run("search", query, tree, "--level", "semantics", "--json", home=home).stdout)["results"] for query in ("moves it into cold storage", "gives it a new colour")]
    assert [result["symbol"] for result in answers[0]] != [result["symbol"] for result in answers[1]]


def test_learning_needs_torch_and_says_how_to_get_it(tree: Path, tmp_path: Path) -> None:
    done = run("learn", tree, "--from", "random", home=tmp_path, blocked=True)
    assert done.returncode == 2 and "pip install 'wayfind[train]'" in done.stderr


def test_a_level_without_a_model_says_what_to_run(tree: Path, tmp_path: Path) -> None:
    done = run("search", "anything", tree, "--level", "syntax", home=tmp_path)
    assert done.returncode == 2 and "wayfind learn --from random" in done.stderr
    done = run("search", "anything", tree, "--level", "syntax", "--graph", home=tmp_path)
    assert done.returncode == 2 and "give one of --level" in done.stderr


def test_too_small_a_repository_is_told_so(tmp_path: Path) -> None:
    small = plant(tmp_path / "tree", {"a.py": 'def one():\n    """Gives the first of all numbers."""\n    x = 1\n    return x\n'})
    done = run("learn", small, "--from", "random", home=tmp_path / "home")
    assert done.returncode == 2 and "too small" in done.stderr and "40 questions" in done.stderr


def test_what_changed_is_learned_by_going_on_and_found_at_once(learned, tree: Path, tmp_path: Path) -> None:
    import shutil

    home, copy = tmp_path / "home", tmp_path / "tree"
    shutil.copytree(tree, copy)
    assert run("index", copy, "--learn", *ASKED, home=home).returncode == 0
    plant(copy, {"src/zeppelin.py": 'def inflate_zeppelin(gas):\n    """Fills the airship until it floats."""\n    hull.open(gas)\n    return hull.lift(gas)\n'})
    answer = json.loads(run("search", "inflate zeppelin hull gas", copy, "--level", "semantics", "-k", "200", "--json", home=home).stdout)
    assert "inflate_zeppelin" in [result["symbol"] for result in answer["results"]]
    said = json.loads(run("learn", copy, "--from", "random", *ASKED, "--json", home=home).stdout.splitlines()[-1])
    assert said["continued"]
    assert run("learn", copy, "--drop", home=home, blocked=True).returncode == 0
    assert "wayfind learn --from random" in run("search", "anything", copy, "--level", "syntax", home=home).stderr


# The laws behind the command


def tokens(material: Material, **arms) -> tuple[Tokens, str]:
    words = learn_words(material, 400)
    return Tokens(material, WordPiece(words), NetworkConfig.sized(**SMALL, vocabulary=words.count("\n"), **arms)), words


def training(material: Material, folder: Path, **changes) -> LatentTraining:
    made, words = tokens(material, **changes.pop("arms", {}))
    return LatentTraining(made, replace(Schedule(epochs=4, batch=32, minutes=0, patience=99), **changes), folder, words=words)


def test_a_training_resumed_computes_what_it_would_have(material: Material, tmp_path: Path) -> None:
    whole = training(material, tmp_path / "whole")
    whole.run()

    class Interrupted(Exception):
        pass

    def interrupt(line: dict) -> None:
        if line["event"] == "step" and line["epoch"] == 3:
            raise Interrupted

    broken = training(material, tmp_path / "broken")
    broken.report = interrupt
    with pytest.raises(Interrupted):
        broken.run()
    resumed = training(material, tmp_path / "broken")
    resumed.run(resume=True)
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name
    assert [row["loss"] for row in whole.progress.history] == [row["loss"] for row in resumed.progress.history]


def test_resume_refuses_another_training(material: Material, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no training to resume"):
        training(material, tmp_path).run(resume=True)
    training(material, tmp_path, epochs=1).run()
    with pytest.raises(UsageError, match="rate"):
        training(material, tmp_path, epochs=1, rate=0.5).run(resume=True)


def test_collapse_stops_the_training_and_names_the_term(material: Material, tmp_path: Path) -> None:
    strong = LossWeights(contrastive=0.0, epps_pulley=0.0, kl=5.0)
    with pytest.raises(Collapsed, match="kl"):
        training(material, tmp_path, epochs=20, rate=2e-2, arms={"weights": strong, "free_nats": 0.0}).run()
    assert json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])["event"] == "collapsed"


def test_it_stops_when_the_held_out_part_gets_no_better(material: Material, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("wayfind.train.latent_loop.FEWEST_HELD", 1)
    found = training(material, tmp_path, epochs=30, patience=2, rate=1e-9).run()
    assert found.progress.epoch <= 4


def test_a_text_has_one_code_alone_in_a_batch_and_behind_padding(learned, tree: Path) -> None:  # origin-defect 3
    home, _ = learned
    with wayfind.open(tree, home=home) as repository:
        encoder = encoder_of(repository.snapshot().folder)
        texts = [chunk.text() for chunk in repository.chunks()][:40] + ["short", "a question of some more words than that"]
    together = encoder.queries(texts)
    alone = np.concatenate([encoder.queries([text]) for text in texts])
    assert np.abs(together.astype(int) - alone.astype(int)).max() <= 1


def test_order_and_every_word_count(learned, tree: Path) -> None:  # origin-defect 3
    home, _ = learned
    with wayfind.open(tree, home=home) as repository:
        encoder = encoder_of(repository.snapshot().folder)
    one, turned, less = encoder.queries(["the box before the season", "the season before the box", "the box before the"])
    assert not np.array_equal(one, turned) and not np.array_equal(one, less)


def test_no_answer_holds_its_question_and_no_question_is_its_answer(material: Material) -> None:  # origin-defects 5 and 7
    assert material.pairs
    for pair in material.pairs:
        assert pair.query != pair.code
        if pair.kind == "docstring":
            assert pair.query.lower()[:30] not in " ".join(pair.code[:5]).lower() and not pair.code.documentation
        if pair.kind == "name":
            assert pair.key[1] not in " ".join(pair.code[:5])


def test_nothing_held_out_reaches_the_passages(material: Material) -> None:
    held = {pair.key for pair in material.of("gate", "report") if pair.level != 1}
    trained = {pair.key[0] for pair in material.of("train", "valid") if pair.kind == "docstring"}
    assert held and not {path for path, _, _ in held} & trained
    for passage, key in zip(material.passages, material.keys):
        if key in held:
            assert not passage.documentation and key[1] not in passage.code and "season" not in passage.code


def test_every_level_has_its_own_questions(material: Material) -> None:
    assert {(pair.level, pair.kind) for pair in material.pairs} >= {(SYNTAX, "name"), (1, "call"), (1, "sibling"), (SEMANTICS, "docstring")}


def test_a_repository_without_documentation_is_refused_with_what_there_is(tmp_path: Path) -> None:
    bare = {path: "\n".join(line for line in text.split("\n") if '"""' not in line) for path, text in made_up().items()}
    with wayfind.open(plant(tmp_path / "tree", bare), home=tmp_path / "home", commits=0) as repository:
        repository.refresh()
        with pytest.raises(UsageError, match="found none"):
            read_material(repository)


def test_what_is_served_is_the_text_that_is_stored(learned, tree: Path) -> None:  # origin-defect 8
    home, _ = learned
    with wayfind.open(tree, home=home) as repository:
        snapshot = repository.snapshot()
        levels = Levels(snapshot, encoder_of(snapshot.folder))
        again = Levels(snapshot, encoder_of(snapshot.folder))
        assert all(np.array_equal(one, other) for one, other in zip(levels._by_level, again._by_level))
        assert len(levels._by_level[0]) == snapshot.chunks


def test_hard_negatives_come_from_the_model_as_it_is_now_and_hold_no_answer(material: Material, tmp_path: Path) -> None:  # origin-defect 11
    made = training(material, tmp_path, epochs=2)
    asked = made.tokens.asked["train"]
    before = made._mine()
    made.run()
    after = made._mine()
    assert not np.array_equal(before, after)
    for mined in (before, after):
        assert not (mined == asked.key[:, None]).any()


def test_what_is_as_near_as_the_answer_is_no_hard_negative(material: Material, tmp_path: Path) -> None:
    made = training(material, tmp_path, margin=0.1)
    asked, mined = made.tokens.asked["train"], made._mine()
    passages, query, code = (made.vectors(side) for side in (made.tokens.passages, asked.query, asked.code))
    for row in range(0, len(asked), 7):
        level, found = asked.level[row], mined[row][mined[row] >= 0]
        right = float(query[row, level] @ code[row, level])
        assert all(float(query[row, level] @ passages[one, level]) <= right - 0.1 + 1e-5 for one in found)
    assert (mined >= 0).any()


def test_a_model_of_one_level_learns_from_all_pairs_and_mines_for_them(material: Material, tmp_path: Path) -> None:
    made = training(material, tmp_path, epochs=2, arms={"times": (0.1,)})
    assert made.run().progress.epoch == 2
    assert (made._mine() >= 0).any(axis=1).mean() > 0.9


def test_every_term_of_the_loss_is_learned_and_logged(material: Material, tmp_path: Path) -> None:
    """Row A17: each with its weight, each shown."""
    weights = LossWeights(kl=0.001, density=0.1, reconstruction=0.1, explanation=0.1)
    made = training(material, tmp_path, epochs=1, arms={"weights": weights, "decoder": DecoderConfig("gru", hidden=16, length=40)})
    (line,) = made.run().progress.history
    assert {"contrastive", "epps_pulley", "kl", "density", "reconstruction", "explanation"} <= line.keys()
    assert all(np.isfinite(line[term]) for term in line)


def test_weights_that_find_less_than_the_beginning_are_not_kept(material: Material, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("wayfind.train.latent_loop.FEWEST_HELD", 1)
    made = training(material, tmp_path, epochs=2, rate=0.02)
    began = made.held_out_mrr()
    found = made.run()
    assert found.progress.best >= began
    assert made.held_out_mrr() == pytest.approx(found.progress.best)


def test_a_decoder_learns_the_words_of_the_questions_as_they_were_written(material: Material, tmp_path: Path) -> None:
    weights, decoder = replace(LossWeights(), explanation=0.1), DecoderConfig("gru", hidden=16, length=60)
    made = training(material, tmp_path, epochs=2, arms={"weights": weights, "decoder": decoder})
    asked = made.tokens.asked["train"]
    rows = np.flatnonzero(asked.level == SEMANTICS)[:3]
    assert [characters(ids.tolist()) for ids in made._explanations(rows)] == [asked.text[row][:59] for row in rows]
    found = made.run()
    assert found.progress.history[1]["explanation"] < found.progress.history[0]["explanation"]


def test_eval_asks_nothing_that_a_model_in_use_learned_from(learned) -> None:
    home, _ = learned
    (folder,) = (path.parent for path in home.glob("trees/*/latent"))
    record = read_record(folder)
    assert record.used["train"] and record.used["gate"] and not set(record.used["train"]) & set(record.used["gate"])
    assert _seen(None, record) is None and _seen(None, None) is None  # it takes no part in searches, so nothing is withheld
    asked = [Query(str(number), text, "docstring", ()) for number, text in enumerate(("a question that nobody learned", "Moves the flower bed into cold storage"))]
    seen = frozenset({digest(asked[1].text)})
    assert _seen(None, replace(record, weight=0.5, used={"train": list(seen)})) == seen
    assert [one.text for one in _unseen(QuerySet("docstring", Path(), tuple(asked)), seen).queries] == [asked[0].text]


def test_a_device_that_is_not_there_is_refused(tree: Path, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("it is there")
    done = run("learn", tree, "--from", "random", "--device", "cuda", *ASKED, home=tmp_path)
    assert done.returncode == 2 and "cuda" in done.stderr and "cpu" in done.stderr


def test_the_log_is_drawn(learned, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    home, _ = learned
    (log,) = home.glob("trees/*/latent/run/log.jsonl")
    found = curves(log)
    assert found["epoch"] == [1, 2, 3] and all(len(values) == 3 for values in found.values())
    draw(log, tmp_path / "curves.svg")
    assert "held-out MRR" in (tmp_path / "curves.svg").read_text() or (tmp_path / "curves.svg").stat().st_size > 5000
    with pytest.raises(NotFound):
        curves(tmp_path / "none.jsonl")


def test_the_bar_says_rate_and_time_left(monkeypatch) -> None:
    written = io.StringIO()
    written.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stderr", written)
    teller = _Words(Path("log.jsonl"))
    teller({"event": "step", "epoch": 2, "epochs": 8, "step": 5, "steps": 10, "texts_per_second": 123.4, "seconds_left": 75.0})
    assert "epoch 2/8 [############............] 123 texts/s, 1:15 left" in written.getvalue()


def test_an_untrained_or_unjudged_model_takes_no_part_in_default_searches(learned, tree: Path) -> None:  # origin-defect 11
    home, _ = learned
    (folder,) = (path.parent for path in home.glob("trees/*/latent"))
    assert read_record(folder).weight == 0.0
    plain = json.loads(run("search", "how heavy is the box", tree, "--json", home=home).stdout)
    assert all("latent" not in result["signals"] for result in plain["results"])
