"""What the decoder learns from a repository's own documentation: its manner, kept only where held-out sentences gain. The decoder is the
tiny one of `explainers.py`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from explainers import NOUNS, PART, VERBS, bundle_of, function, path_of

import wayfind
from wayfind.errors import UsageError
from wayfind.model import bundle
from wayfind.model.explainer import Explainer
from wayfind.model.habits import NO_HABIT, Habits, sentence_of
from wayfind.model.reading import places, reading
from wayfind.search.explain import LEARNED
from wayfind.train.adapt import sentences
from wayfind.train.adapt.sentences import learn_sentences, overlap
from wayfind.types import Target


def documented(manner: str, count: int = 80) -> str:
    """Functions of the made-up language, documented in a manner."""
    texts = []
    for number in range(count):
        verb, noun, other = VERBS[number % len(VERBS)], NOUNS[number % len(NOUNS)], NOUNS[(number // 5 + 3) % len(NOUNS)]
        head, body = function(verb, noun, other)[1].split("\n")
        said = manner.format(verb=f"{verb.capitalize()}s", noun=noun, other=other, place=path_of(noun))
        texts.append(f'{head}\n    """{said}."""\n{body}')
    return "\n\n\n".join(texts) + "\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    bundle_of(tmp_path / "bundle")
    monkeypatch.setenv("WAYFIND_MODEL", str(tmp_path / "bundle"))
    monkeypatch.setattr(sentences, "ASKED", 12)
    (tmp_path / "repo").mkdir()
    return tmp_path


def test_what_gains_is_kept_and_used_from_then_on(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def write(self: Explainer, read: str, habits: Habits | None = None, without: str = "") -> str:
        seen.append((habits, without))
        return without or "Learned from others." if habits else "Does something."

    monkeypatch.setattr(Explainer, "write", write)
    (place / "repo" / "a.py").write_text(documented("{verb} the {noun} of the {other}"))
    (place / "repo" / "b.py").write_text(function("load", "file", "index")[1] + "\n")
    with wayfind.open(place / "repo", home=place / "home") as repository:
        shown = [repository.search("load file index", explain="generated", path="b.py").results[0].explanation]
        found = learn_sentences(repository)
        assert found.kept and found.report and found.report.after == 1.0 > found.report.before and found.documented == 80
        shown.append(repository.search("load file index", explain="generated", path="b.py").results[0].explanation)
    assert shown == [Target("Does something.", "generated"), Target("Learned from others.", "generated")]
    assert len(seen[-1][0]) == 80 and seen[-1][1] == ""


def test_what_brings_no_certain_gain_is_not_kept(place: Path) -> None:
    (place / "repo" / "a.py").write_text(documented("{verb} the {noun} of the {other} from {place}"))
    with wayfind.open(place / "repo", home=place / "home") as repository:
        repository.refresh()
        found = learn_sentences(repository)
        noted = json.loads((repository.learned_folder.parent / LEARNED).read_text())
    assert not found.kept and noted["kept"] is False


def test_too_little_documentation_changes_nothing(place: Path) -> None:
    (place / "repo" / "a.py").write_text(documented("{verb} the {noun}", 5))
    with wayfind.open(place / "repo", home=place / "home") as repository:
        repository.refresh()
        assert not learn_sentences(repository).kept and not (repository.learned_folder.parent / LEARNED).exists()


def test_without_a_decoder_there_is_none_to_adapt(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle.write(place / "bare", "bare", {}, {}, {})
    monkeypatch.setenv("WAYFIND_MODEL", str(place / "bare"))
    (place / "repo" / "a.py").write_text("x = 1\n")
    with wayfind.open(place / "repo", home=place / "home") as repository, pytest.raises(UsageError, match="no decoder"):
        learn_sentences(repository)


def test_a_sentence_of_ones_own_is_not_learned_from_and_probabilities_stay_such(tmp_path: Path) -> None:
    explainer = Explainer(bundle_of(tmp_path, PART))
    named = [("load", "file", other) for other in NOUNS[1:]] + [("save", "table", other) for other in NOUNS] * 3
    known = [(reading(*function(*names), "python"), "{0}s the {1} of the {2}".format(names[0].capitalize(), *names[1:])) for names in named]
    habits = explainer.habits(known)
    assert habits.near([], "load") == NO_HABIT
    (read, said), size = known[0], len((PART / "decoder-pieces.txt").read_text().splitlines())
    habit = habits.near(places(read, explainer._vocabulary).ids, "load", without=said)
    assert habit.leads == ("loads",) and "the" in habit.words and said not in str(habit)
    spread = np.full(size, 1 / size)
    for said in ((), (7,), (7, 8)):
        assert habit.mixed(spread.copy(), said).sum() == pytest.approx(1.0)


def test_overlap_is_that_of_the_longest_common_subsequence() -> None:
    assert overlap("Loads the big pages", "Loads pages") == pytest.approx(2 * 2 / 6) and overlap("Loads pages", "Loads pages") == 1.0


def test_the_first_sentence_of_a_documentation_is_what_is_learned() -> None:
    assert sentence_of("Load the pages of it. Never fails.") == "Loads the pages of it" and not sentence_of("Pages.")
