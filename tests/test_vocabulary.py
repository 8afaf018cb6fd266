"""What words mean: the table that is learned, what a search makes of it, and what the user says of it."""

from __future__ import annotations

import json
import math
import os
import stat
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import command, plant

import wayfind
from wayfind.errors import UsageError
from wayfind.evaluate.queries import Gold
from wayfind.index.tokens import terms
from wayfind.model.adaptation import made
from wayfind.search import engine
from wayfind.search.engine import Ask
from wayfind.search.expansion import LEARNED, PINNED, counted, widened
from wayfind.search.lexical import score
from wayfind.search.query import parse
from wayfind.search.searcher import Searcher
from wayfind.search.vocabulary import EDITS, Edits, Meaning, Word, as_data, edited, key_of, of_data, read_edits, write_edits
from wayfind.train.adapt import words
from wayfind.train.adapt.lessons import Lesson

NOUNS = ["page", "row", "user", "cell", "node"]
SAID = {"fetch": ("backoff", "try a {} again"), "save": ("atomic_write", "keep a {} whole"), "draw": ("canvas", "paint one {}"),
        "check": ("validate", "is this {} right"), "send": ("smtp", "post some {}"), "order": ("heap", "sort every {}")}  # fmt: skip
"""Verb of a function -> what it calls, and what its documentation says."""
SHOP = {f"{verb}.py": "".join(f"def {verb}_{noun}(one):\n    return {calls}(one)\n\n\n" for noun in NOUNS) for verb, (calls, _) in SAID.items()}
SHOP["retry.py"] = "def retry(call):\n    return call()\n"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WAYFIND_MODEL", "none")
    with wayfind.open(plant(tmp_path / "shop", SHOP), home=tmp_path / "home") as repository:
        repository.refresh()
        yield repository


def taught() -> list[Lesson]:
    """Lessons in which `again` is said of what calls `backoff`, and of nothing else."""
    return [
        Lesson(said.format(noun), (Gold(f"{verb}.py", f"{verb}_{noun}"),), "docstring", 1.0, "train") for verb, (_, said) in SAID.items() for noun in NOUNS
    ]


def vocabulary(**meant: tuple[str, float]) -> dict[str, Word]:
    return {key_of(word): Word(word, (Meaning(key_of(name), name, strength),)) for word, (name, strength) in meant.items()}


# The table


def test_a_word_learns_the_names_that_stand_for_it(shop) -> None:
    found = words.fit(taught(), shop.snapshot())
    again = {one.written: one for one in found["again"].meanings}
    assert "backoff" in again and not {"atomic_write", "canvas", "page"} & set(again)
    assert all(one.seen == {"docstring": 5} and 0 < one.strength <= 1 for one in again.values())


def test_a_word_does_not_learn_itself_nor_what_stands_everywhere(shop) -> None:
    found = words.fit([*taught(), *(Lesson(f"order a {noun}", (Gold("order.py", f"order_{noun}"),), "feedback", 1.0, "train") for noun in NOUNS)], shop.snapshot())
    assert found and all(one.term != key for key, word in found.items() for one in word.meanings)
    assert not any(one.term == "one" for word in found.values() for one in word.meanings)


def test_the_same_lessons_in_any_order_give_the_same_table(shop) -> None:
    lessons = taught()
    assert as_data(words.fit(lessons, shop.snapshot())) == as_data(words.fit(lessons[::-1], shop.snapshot()))


def test_lessons_without_a_pattern_teach_nothing(shop) -> None:
    """Each question goes to the code of another verb, every verb to every other as often as the next."""
    lessons = taught()
    golds = [lessons[(5 * (number % 5) + number // 5) % 30].targets for number in range(30)]
    shuffled = [Lesson(one.query, gold, "docstring", 1.0, "train") for one, gold in zip(lessons, golds)]
    learned = {(word.written, one.written) for word in words.fit(shuffled, shop.snapshot()).values() for one in word.meanings}
    assert not learned & {("again", "backoff"), ("whole", "atomic_write"), ("paint", "canvas")}


def test_few_lessons_and_commits_alone_teach_nothing(shop) -> None:
    assert words.fit(taught()[: words.FEWEST_LESSONS - 1], shop.snapshot()) == {}
    assert words.fit([Lesson(one.query, one.targets, "commit", 1.0, "train") for one in taught()], shop.snapshot()) == {}


def test_model_one_is_as_the_slow_loop_computes_it() -> None:
    examples = [
        words.Example(("retri", "page"), ("backoff", "sleep"), "docstring"), words.Example(("retri",), ("backoff", "page"), "docstring"),
        words.Example(("page", "save"), ("page", "write"), "comment"), words.Example(("save",), ("write", "sleep"), "test"),
    ]  # fmt: skip
    links = words.linked(examples)
    said = [word for one in examples for word in one.words]
    chance = {word: said.count(word) / len(said) for word in said}
    both = {(w, n) for one in examples for w in one.words for n in one.names}
    likely = {(w, n): sum(w in one.words and n in one.names for one in examples) / sum(n in one.names for one in examples) for w, n in both}
    likely = {pair: value / sum(v for other, v in likely.items() if other[1] == pair[1]) for pair, value in likely.items()}
    for _ in range(words.ROUNDS):
        expected = dict.fromkeys(both, 0.0)
        for one in examples:
            for w in one.words:
                reasons = chance[w] + sum(likely[w, n] for n in one.names)
                for n in one.names:
                    expected[w, n] += likely[w, n] / reasons
        likely = {pair: value / sum(v for other, v in expected.items() if other[1] == pair[1]) for pair, value in expected.items()}
    strength = words.accounted(links)
    for cell in range(len(links.word)):
        w, n = links.words[links.word[cell]], links.names[links.name[cell]]
        uses = sum(w in one.words for one in examples)
        assert strength[cell] == pytest.approx(math.sqrt(expected[w, n] / (uses + words.DOUBT)))


def test_the_log_likelihood_ratio_is_dunnings() -> None:
    """Table of "the swiss": 110, 2442, 111, 29114 gives 270.72 (Dunning 1993, table 1)."""
    both, first, second, total = 110.0, 110.0 + 2442, 110.0 + 111, 110 + 2442 + 111 + 29114
    (found,) = words.log_likelihood_ratio(np.array([both]), np.array([first]), np.array([second]), total)
    assert found == pytest.approx(270.72, abs=0.01)


def test_what_meets_by_chance_or_less_has_no_ratio() -> None:
    found = words.log_likelihood_ratio(np.array([1.0, 0.0]), np.array([10.0, 10.0]), np.array([10.0, 10.0]), 100)
    assert found.tolist() == [0.0, 0.0]


# What a search makes of it


def scores(repository, text: str, known) -> tuple:
    searcher = repository.searcher()
    query = parse(text)
    plain = score(searcher.snapshot, searcher.scales, query)
    return plain, widened(searcher.snapshot, searcher.scales, query, plain, known)


@pytest.mark.parametrize("text", ["retry", "retry a page", "save the row atomically", "unheard of"])
@pytest.mark.parametrize("strength", [0.1, 1.0])
def test_no_score_falls_and_the_word_counts_for_more_than_what_stands_for_it(shop, text: str, strength: float) -> None:
    plain, wide = scores(shop, text, vocabulary(retry=("backoff", strength), save=("atomic_write", strength), unheard=("session", strength)))
    for before, after in ((plain.chunk, wide.chunk), (plain.covered, wide.covered), (plain.file, wide.file)):
        assert (after >= before).all() and after.max() <= 1 + 1e-9
    assert 0 < counted(Meaning("a", "a", strength)) <= LEARNED < counted(Meaning("a", "a", 1.0, pinned=True)) == PINNED < 1


def test_a_stronger_meaning_gives_no_less(shop) -> None:
    _, weak = scores(shop, "retry a page", vocabulary(retry=("backoff", 0.2)))
    _, strong = scores(shop, "retry a page", vocabulary(retry=("backoff", 0.9)))
    assert (strong.chunk >= weak.chunk).all() and (strong.chunk > weak.chunk).any()


def test_the_exact_word_beats_what_stands_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two functions that differ in that one word alone, in either order of their paths."""
    monkeypatch.setenv("WAYFIND_MODEL", "none")
    for first, second in (("retry", "backoff"), ("backoff", "retry")):
        code = {f"{name}.py": f"def run(job):\n    return {word}(job)\n" for name, word in (("a", first), ("b", second))}
        with wayfind.open(plant(tmp_path / first, code), home=tmp_path / "home") as repository:
            repository.refresh()
            write_edits(repository.snapshot().folder, Edits().pin("retry", "backoff"))
            best = repository.search("retry the job").results[0]
            assert "retry" in best.snippet


def test_without_a_vocabulary_nothing_changes(shop) -> None:
    plain, wide = scores(shop, "retry a page", {})
    assert wide is plain
    plain, wide = scores(shop, "retry a page", vocabulary(retry=("nowhere", 1.0)))
    assert wide is plain


def test_long_texts_use_what_is_pinned_alone(shop) -> None:
    issue = "It fails\n\nretry does not work\nwhen the page is gone\nand nobody knows why"
    plain, wide = scores(shop, issue, vocabulary(retry=("backoff", 1.0)))
    assert wide is plain
    _, pinned = scores(shop, issue, edited({}, Edits().pin("retry", "backoff")))
    assert (pinned.chunk > plain.chunk).any()


def test_an_adaptation_brings_its_words_and_says_so(shop) -> None:
    learned = made("", {}, {"words": as_data(vocabulary(resend=("backoff", 1.0)))})
    searcher = Searcher(shop.snapshot(), adaptation=learned)
    found = engine.search(searcher, Ask("resend a page"))
    best = found.results[0]
    assert best.symbol == "fetch_page" and best.signals["learned"] > 0
    assert "resend~backoff" in {word for why in best.why for word in why.matched}
    assert "“resend” (here: backoff)" in found.reason or not found.abstained


def test_a_name_that_stands_in_is_a_reason_with_its_share(shop) -> None:
    write_edits(shop.snapshot().folder, Edits().pin("resend", "backoff"))
    best, *others = shop.search("resend a page", reasons=True).results
    shares = {reason.word: reason for reason in best.reasons}
    assert best.symbol == "fetch_page" and shares["resend"].met == ("backoff",) and shares["resend"].share > 0.1
    assert sum(reason.share for reason in best.reasons) <= 1.001
    assert all(other.symbol.startswith("fetch") or "resend" not in {reason.word for reason in other.reasons} for other in others)


# What is written


def test_a_vocabulary_survives_json() -> None:
    known = {"retri": Word("retry", (Meaning("backoff", "backoff", 0.4321, {"docstring": 3, "test": 1}), Meaning("sleep", "sleep", 0.1, {})))}
    assert of_data(json.loads(json.dumps(as_data(known)))) == known


@pytest.mark.parametrize("wrong", [{}, {"format": 2, "words": {}}, {"format": 1}, {"format": 1, "words": {"a": {"written": "a", "means": [{"term": "b", "written": "b", "strength": 7, "seen": {}}]}}}])
def test_a_vocabulary_that_is_none_is_refused(wrong: dict) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        of_data(wrong)


def test_edits_hold_over_what_is_learned_before_and_after() -> None:
    learned = vocabulary(retry=("backoff", 0.5), page=("sheet", 0.5))
    edits = Edits().pin("retry", "tenacity").forget("page")
    now = edited(learned, edits)
    assert [one.written for one in now["retri"].meanings] == ["tenacity", "backoff"] and "page" not in now
    later = edited(vocabulary(retry=("sleep", 0.5), page=("leaf", 0.9)), edits)
    assert [one.written for one in later["retri"].meanings] == ["tenacity", "sleep"] and "page" not in later
    assert edited(learned, edits.undo("retry", "tenacity").undo("page")) == learned


def test_pin_forget_and_undo_are_about_a_word_in_any_form() -> None:
    assert Edits().pin("retries", "Backoff").forget("retry", "backoff") == Edits((), (("retry", "backoff"),))
    assert Edits().forget("retry").forget("Retry") == Edits((), (("Retry", ""),))
    assert Edits().forget("retry", "backoff").pin("retry", "backoff") == Edits((("retry", "backoff"),), ())


@pytest.mark.parametrize(("word", "name"), [("two words", "x"), ("the", "x"), ("x", "a.b"), ("retry", "retries"), ("", "x")])
def test_what_is_not_a_word_is_refused(word: str, name: str) -> None:
    with pytest.raises(UsageError):
        Edits().pin(word, name)


def test_a_compound_name_is_pinned_as_a_whole(shop) -> None:
    assert key_of("RetryPolicy") == terms("RetryPolicy")[0] == "retrypolicy"


def test_edits_that_cannot_be_read_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / EDITS).write_text("{broken")
    with pytest.raises(UsageError, match="delete it"):
        read_edits(tmp_path)


# The command


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def run(library: Path, own: Path):
    def ask(*arguments: object, code: int = 0) -> subprocess.CompletedProcess:
        ran = command(*map(os.fspath, arguments), home=own, cwd=library, env={"WAYFIND_MODEL": "none", "WAYFIND_RESIDENT": "0"})
        assert ran.returncode == code, (ran.stdout, ran.stderr)
        return ran

    return ask


def test_a_pinned_word_counts_at_once_and_a_forgotten_one_no_more(run, own: Path) -> None:
    assert b"no file holds" in run("penalty", code=1).stdout
    run("vocabulary", "--pin", "penalty=fine")
    found = json.loads(run("penalty", "--json").stdout)
    assert found["results"][0]["symbol"] == "fine" and not found["abstained"]
    assert b"learned: penalty ~ fine" in run("penalty").stdout
    (file,) = own.glob(f"trees/*/{EDITS}")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"1 pinned; wayfind vocabulary --edits" in run("status").stdout
    run("vocabulary", "--forget", "penalty=fine")
    run("penalty", code=1)
    run("vocabulary", "--undo", "penalty")
    assert run("vocabulary", "--edits", code=1).stdout == b"nothing was pinned or forgotten\n"


def test_what_was_said_outlives_a_rebuild_and_goes_with_forget(run, own: Path) -> None:
    run("vocabulary", "--pin", "penalty=fine")
    run("index", "--rebuild")
    assert b"penalty  fine (pinned)" in run("vocabulary").stdout
    run("gc", "--limit", "1kB")
    assert [file.name for file in own.glob("trees/*/*")] and b"penalty  fine (pinned)" in run("vocabulary").stdout
    run("forget", ".")
    assert not [*own.glob(f"trees/*/{EDITS}")]


def test_a_resident_process_takes_what_is_said_at_once(run, library: Path, own: Path) -> None:
    env = {"WAYFIND_MODEL": "none", "XDG_RUNTIME_DIR": str(own.parent)}
    started = command("serve", "--background", home=own, cwd=library, env=env)
    assert started.returncode == 0, started.stderr
    try:
        assert command("penalty", home=own, cwd=library, env=env).returncode == 1
        run("vocabulary", "--pin", "penalty=fine")
        assert command("penalty", home=own, cwd=library, env=env).returncode == 0
        run("vocabulary", "--forget", "penalty")
        assert command("penalty", home=own, cwd=library, env=env).returncode == 1
    finally:
        command("serve", "--stop", home=own, cwd=library, env=env)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--pin", "penalty"), b"write --pin WORD=NAME"), (("--pin", "=fine"), b"write --pin WORD=NAME"), (("--pin", "late fee=fine"), b"is not one word"),
        (("--pin", "the=fine"), b"leaves out"), (("--forget", "penalty="), b"write --forget WORD=NAME, or --forget WORD"), (("--undo", "penalty"), b"nothing was pinned"),
        (("a.b",), b"is not one word"), (("fine", "nowhere"), b"nowhere"), (("fine", "--edits"), b"without a word"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_and_changes_nothing(run, own: Path, arguments: tuple[str, ...], said: bytes) -> None:
    assert said in run("vocabulary", *arguments, code=2).stderr
    assert not [*own.glob(f"trees/*/{EDITS}")]


def test_json_holds_what_the_page_promises(run) -> None:
    run("vocabulary", "--pin", "penalty=fine", "--forget", "desk")
    found = json.loads(run("vocabulary", "--json").stdout)
    assert list(found) == ["schema_version", "root", "words", "pinned", "forgotten"]
    (word,) = found["words"]
    assert word["word"] == "penalty" and list(word["meanings"][0]) == ["name", "strength", "weight", "pinned", "seen", "chunks"]
    assert word["meanings"][0]["chunks"] == 3 and word["meanings"][0]["weight"] == PINNED
    assert found["pinned"] == [{"word": "penalty", "name": "fine"}] and found["forgotten"] == [{"word": "desk", "name": None}]


def test_a_path_alone_is_a_path(run, library: Path) -> None:
    run("vocabulary", "--pin", "penalty=fine")
    assert b"penalty" in run("vocabulary", ".").stdout and b"penalty" in run("vocabulary", library).stdout
    assert run("vocabulary", "desk", code=1).stdout.startswith(b"desk: nothing more than itself")
