"""Training of the decoder: it learns a made-up language whole, every option reaches what it names, what is exported writes what the
network writes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxscript")
import numpy as np  # noqa: E402
import torch  # noqa: E402
from explainers import CONFIG, bundle_of, function, laid, made_up  # noqa: E402

from safetensors.torch import load_file  # noqa: E402

from wayfind.errors import UsageError  # noqa: E402
from wayfind.model.explainer import COVERED, Explainer as Served, Rules  # noqa: E402
from wayfind.model.reading import places, reading  # noqa: E402
from wayfind.serve.training import train_command  # noqa: E402
from wayfind.train.decoder import generate  # noqa: E402
from wayfind.train.explainer import Explainer, Readings, padded  # noqa: E402
from wayfind.train.explaining import ExplainerConfig, Material, Training, Words, is_explainer, manual_lessons, network_of, prepared, read_config, target_ids, train_explainer  # noqa: E402
from wayfind.train.explaining_export import FALLBACK, NEVER, add_part  # noqa: E402

torch.set_num_threads(1)


def trained(folder: Path, config: ExplainerConfig, steps: int, **loop: object) -> Training:
    config = replace(config, loop=replace(config.loop, steps=config.loop.steps, **loop))
    (folder / "out").mkdir(exist_ok=True)
    learned, words = prepared(config, folder / "out", False)
    training = Training(config, network_of(config, words), learned, words, folder / "out", lambda line: None)
    for _ in range(steps):
        training._step()
        training.step += 1
    return training


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a whole training on the made-up language."""
    folder = tmp_path_factory.mktemp("made")
    seen: list[dict] = []
    assert train_explainer(read_config(laid(folder)), folder / "out", report=seen.append) == folder / "out" / "part"
    assert [line["event"] for line in seen][-2:] == ["evaluation", "exported"]
    return folder / "out"


def test_the_made_up_language_is_learned_exported_and_written_without_torch(made: Path, tmp_path: Path) -> None:
    served = Served(bundle_of(tmp_path, made / "part"))
    held_out = [one for one in made_up() if one.part == "valid"][:20]
    assert sum(served.write(one.reading).rstrip(".") == one.sentence for one in held_out) >= 18


def test_the_exported_graphs_say_what_the_network_says(made: Path, tmp_path: Path) -> None:
    served = Served(bundle_of(tmp_path, made / "part"))
    words = Words(**json.loads((made / "words.json").read_text()))
    network = network_of(read_config(laid(tmp_path)), words).eval()
    network.load_state_dict(load_file(made / "best.safetensors"))
    alike = 0
    for one in made_up(30):
        ids, parts = places(one.reading, words.vocabulary)
        latent, source = network.read(Readings(padded([ids]), padded([parts])))
        (own,) = generate(network.decoder, latent, source, 15, 1)
        beams = served._writer.beams(np.array([ids]), np.array([parts]), Rules(one.reading, set(words.common)), [tuple(own[:1])])
        alike += list(beams[0].symbols) == own
    assert alike >= 27


def test_how_likely_a_sentence_must_be_is_set_on_held_out_lessons(made: Path) -> None:
    part = json.loads((made / "part" / "part.json").read_text())
    assert NEVER < part["part"]["least"] < COVERED and 0 <= part["measured"]["fallback"] <= FALLBACK
    assert part["part"]["better_than"] == []


def test_teaching_hides_the_target(tmp_path: Path) -> None:
    """Origin defect 6: what is said at a place may not depend on the symbol there, or on those after it."""
    training = trained(tmp_path, read_config(laid(tmp_path)), 0)
    network = training.network.eval()
    read, target, _ = training.material.batch([0, 1])
    latent, source = network.read(read)
    other = target.clone()
    other[:, 4:] = 7
    one, two = network.decoder(latent, source, target), network.decoder(latent, source, other)
    assert torch.allclose(one[:, :5], two[:, :5], atol=1e-6) and not torch.allclose(one[:, 5], two[:, 5], atol=1e-6)


def test_the_reader_does_not_see_padding(tmp_path: Path) -> None:
    training = trained(tmp_path, read_config(laid(tmp_path)), 0)
    network = training.network.eval()
    read, target, _ = training.material.batch([0])
    wide = Readings(*(torch.nn.functional.pad(one, (0, 9)) for one in read))
    assert torch.allclose(network.nll(read, target), network.nll(wide, target), atol=1e-6)


def test_the_decoder_of_the_seeds_is_trained_and_exported_too(tmp_path: Path) -> None:
    config = read_config(laid(tmp_path, CONFIG.replace("{pieces", "{kind: gru, pieces").replace("steps: 180", "steps: 20")))
    part = train_explainer(config, tmp_path / "out")
    assert part is not None and json.loads((part / "part.json").read_text())["part"]["kind"] == "gru"
    said = Served(bundle_of(tmp_path / "bundle", part))
    assert isinstance(said.write(made_up(1)[0].reading), str)


def test_a_manual_explanation_reaches_the_loss_with_its_weight(tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "a.py").write_text(function("load", "file", "user")[1] + "\n")
    (tmp_path / "manual.json").write_text(json.dumps([{"id": 1, "file": "./a.py", "line_range": "1-2", "component": "load_file", "explanation": "Loads the table of the user from homePath"}]))
    (lesson,) = manual_lessons({str(tmp_path / "manual.json"): str(tmp_path / "repo")}, 5.0)
    assert lesson.weight == 5.0 and lesson.sentence.startswith("Loads the table") and "load_file" in lesson.reading
    training = trained(tmp_path, read_config(laid(tmp_path)), 0)
    network, words = training.network.eval(), training.words

    def loss(weight: float) -> float:
        rows = Material([*made_up(3), replace(lesson, weight=weight)], words, "transformer", 16)
        return float(network.nll(*rows.batch(range(4))).detach())

    assert loss(5.0) != loss(1.0) and loss(1e9) == pytest.approx(float(network.nll(*Material([lesson], words, "transformer", 16).batch([0])).detach()), rel=1e-3)


def test_a_manual_explanation_is_matched_as_the_index_does_and_one_that_matches_nothing_is_told(tmp_path: Path) -> None:
    """Lines that reach a little beyond the definition matched nothing, in silence."""
    (tmp_path / "a.py").write_text(function("load", "file", "user")[1] + "\n\n\nX = 1\n")
    entries = [("./a.py", "1-4", "Loads it."), ("gone.py", "1-2", "Gone."), ("a.py", "900-901", "Beyond.")]
    (tmp_path / "manual.json").write_text(json.dumps([{"id": n, "file": file, "line_range": rows, "explanation": said} for n, (file, rows, said) in enumerate(entries)]))
    told: list[str] = []
    (lesson,) = manual_lessons({str(tmp_path / "manual.json"): str(tmp_path)}, 1.0, told.append)
    assert lesson.sentence == "Loads it." and len(told) == 2
    assert "entry 1 matches nothing: no file gone.py" in told[0] and "entry 2 matches nothing: a.py has no code in lines 900-901" in told[1]


def test_stories_teach_the_decoder_before(tmp_path: Path) -> None:
    (tmp_path / "stories.txt").write_text("\n<|endoftext|>\n".join(["loads the file of the user. opens the page"] * 40))
    config = read_config(laid(tmp_path, CONFIG.replace("vocabulary: vocab.txt", "vocabulary: vocab.txt, stories: stories.txt").replace("steps: 180", "steps: 180, story_steps: 60")))
    training = trained(tmp_path, config, 60)
    after = float(training._story_loss().detach())
    fresh = trained(tmp_path, config, 0)
    assert after < 0.5 * float(fresh._story_loss().detach())
    with pytest.raises(UsageError, match="data.stories"):
        trained(tmp_path, replace(config, data=replace(config.data, stories="")), 0)


def test_no_clipping_is_none(tmp_path: Path) -> None:
    """`clip: 0` scaled every gradient to nothing, where it means any norm in the other trainings."""
    config = read_config(laid(tmp_path))
    clipped, whole = (trained(tmp_path, config, 1, clip=clip).network.state_dict() for clip in (0.0, 1e9))
    assert all(torch.equal(clipped[name], whole[name]) for name in whole)


def test_the_last_piece_of_a_list_counts_with_and_without_a_line_end(tmp_path: Path) -> None:
    config, known = read_config(laid(tmp_path)), tmp_path / "vocab.txt"
    pieces = known.read_text().split("\n")[:-1]
    for text in ("\n".join(["zz", *pieces[:4], *pieces[5:], pieces[4]]), "\n".join(["zz", *pieces[:4], *pieces[5:], pieces[4]]) + "\n"):
        known.write_text(text)
        (tmp_path / str(len(text))).mkdir()
        assert pieces[4] in prepared(config, tmp_path / str(len(text)), False)[1].pieces.split("\n")


def test_interrupted_and_resumed_it_computes_what_it_would_have(tmp_path: Path) -> None:
    config = read_config(laid(tmp_path, CONFIG.replace("steps: 180", "steps: 12").replace("evaluate_every: 60", "evaluate_every: 6")))
    for folder in ("whole", "parts"):
        (tmp_path / folder).mkdir()
    whole = Training(config, *_begun(config, tmp_path / "whole"), lambda line: None)
    whole.run(False)
    begun = Training(config, *_begun(config, tmp_path / "parts"), lambda line: None)
    for _ in range(6):
        begun._step()
        begun.step += 1
    begun._evaluate()
    resumed = Training(config, *_begun(config, tmp_path / "parts"), lambda line: None)
    resumed.run(True)
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name


def test_a_training_is_not_begun_over_another_nor_resumed_with_other_options_nor_left_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It wrote over another's checkpoints, went on with whatever was said, and an end while it wrote left a mixture of two states."""
    text = CONFIG.replace("steps: 180", "steps: 2").replace("evaluate_every: 60", "evaluate_every: 1")
    config = read_config(laid(tmp_path, text))
    train_explainer(config, tmp_path / "out")
    with pytest.raises(UsageError, match="--resume"):
        train_explainer(config, tmp_path / "out")
    with pytest.raises(UsageError, match="trained with seed = 0, now it is 3"):
        train_explainer(replace(config, seed=3), tmp_path / "out", resume=True)
    with pytest.raises(UsageError, match="trained with loop.rate"):
        train_explainer(replace(config, loop=replace(config.loop, rate=0.5)), tmp_path / "out", resume=True)
    before = (tmp_path / "out" / "last.safetensors").read_bytes()
    training = Training(config, *_begun(config, tmp_path / "out"), lambda line: None)
    training.step = 9
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        training._save("last")
    assert (tmp_path / "out" / "last.safetensors").read_bytes() == before


def _begun(config: ExplainerConfig, folder: Path) -> tuple[Explainer, list, Words, Path]:
    learned, words = prepared(config, folder, (folder / "words.json").is_file())
    return network_of(config, words), learned, words, folder


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (("kind: transformer", "kind: lstm"), "transformer, gru"),
        (("steps: 180", "stepz: 240"), "did you mean `steps`"),
        (("hidden: 24", "hidden: 25"), "multiple"),
        (("steps: 180", "steps: 0"), "steps must be 1 or more"),
        (("rate: 8.0e-3", "rate: -1.0"), "loop.rate must be above 0"),
        (("steps: 180", "steps: 180, story_steps: 5"), "data.stories names none"),
        (("steps: 180", "steps: 180, story_steps: 180"), "loop.story_steps must be less than loop.steps"),
        (("steps: 180", "steps: 180, clip: -1"), "loop.clip must be 0 or more"),
        (("steps: 180", "steps: 180, warmup: -3"), "loop.warmup must be a share from 0 to 1"),
        (("steps: 180", "steps: 180, final_rate: 2"), "loop.final_rate must be a share from 0 to 1"),
        (("steps: 180", "steps: 180, minutes: -1"), "loop.minutes must be 0 or more"),
        (("steps: 180", "steps: 180, weight_decay: .nan"), "loop.weight_decay must be 0 or more"),
        (("data:", "weights: {docstring: -1}\ndata:"), "weights.docstring must be 0 or more"),
        (("vocabulary: vocab.txt", "vocabulary: ''"), "vocab.txt"),
        (("lessons: lessons.jsonl.gz", "lessons: ''"), "pairs"),
    ],
)
def test_a_wrong_option_is_refused(changed: tuple[str, str], told: str, tmp_path: Path) -> None:
    text = CONFIG.replace("{pieces", "{kind: transformer, pieces").replace(*changed)
    with pytest.raises(UsageError, match=told):
        read_config(laid(tmp_path, text))


def test_a_part_is_put_into_a_bundle_and_replaced_there(tmp_path: Path) -> None:
    from explainers import PART

    base = bundle_of(tmp_path / "base")
    again = add_part(base.folder, PART, tmp_path / "both")
    again.check()
    assert again.parts["decoder"] == json.loads((PART / "part.json").read_text())["part"] and again.digests == base.digests


def test_only_a_configuration_with_an_explainer_trains_one(tmp_path: Path) -> None:
    assert is_explainer(laid(tmp_path)) and is_explainer(Path(__file__).parent.parent / "training" / "explainer.yaml")
    assert not is_explainer(Path(__file__).parent.parent / "training" / "tiny.yaml") and not is_explainer(tmp_path / "none.yaml")


def test_sentences_become_pieces_with_an_end(tmp_path: Path) -> None:
    training = trained(tmp_path, read_config(laid(tmp_path)), 0)
    vocabulary = training.words.vocabulary
    ids = target_ids("Loads the file from homePath", vocabulary, "transformer", 16)
    pieces = training.words.pieces.split("\n")
    assert [pieces[number] for number in ids] == ["load", "##s", "the", "file", "from", "[NAME]", "home", "path", ".", "[SEP]"]
    assert reading(*function("load", "file", "user"), "python")


def test_a_decoder_has_no_scores_to_write(tmp_path: Path) -> None:
    """`train --scores` trained it instead."""
    for more, said in (["--scores"], "trains a decoder"), (["--scores", "--prepare"], "one of --prepare and --scores"):
        with pytest.raises(UsageError, match=said):
            train_command.main(["--config", str(laid(tmp_path)), "--output", str(tmp_path / "out"), *more], standalone_mode=False)
    assert not (tmp_path / "out").exists()
