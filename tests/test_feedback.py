"""Marks on results: kept beside the index and nowhere else, found again after edits, and lessons for the next `learn`."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import command

import wayfind
from wayfind.errors import NotFound, UsageError
from wayfind.evaluate.queries import Gold
from wayfind.search import feedback
from wayfind.search.feedback import FILE, Entry, Places, entry_at, judged, keep, read, unsecret
from wayfind.search.learned import place_of
from wayfind.serve import feedback as serving
from wayfind.train.adapt.lessons import Lesson, lessons
from wayfind.train.adapt.memory import HALF_LIFE, MOST, remember

FINE = "what does a late reader pay"


@pytest.fixture
def place(tmp_path: Path, library: Path) -> Path:
    """A copy of the small repository, to be changed."""
    return Path(shutil.copytree(library, tmp_path / "library"))


@pytest.fixture
def run(place: Path, tmp_path: Path):
    def ask(*arguments: object, code: int = 0, **env: str) -> subprocess.CompletedProcess:
        surroundings = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "WAYFIND_RESIDENT": "0", **env}
        ran = command(*map(os.fspath, arguments), home=tmp_path / "home", cwd=place, env=surroundings)
        assert ran.returncode == code, (ran.stdout, ran.stderr)
        return ran

    return ask


@pytest.fixture
def index(place: Path, tmp_path: Path):
    """The open index of the copy, and a way to bring it up to date."""
    with wayfind.open(place, home=tmp_path / "own") as repository:
        repository.refresh()
        yield repository


def marked(repository, query: str, mark: feedback.Mark, path: str, line: int) -> Entry:
    snapshot = repository.snapshot()
    entry, _ = entry_at(snapshot, query, mark, path, line, 1_700_000_000)
    keep(snapshot.folder, entry)
    return entry


# Keeping


def test_a_mark_is_kept_for_its_owner_alone_and_goes_with_the_index(run, tmp_path: Path) -> None:
    run("feedback", FINE, "loans.py:27", "good")
    (file,) = tmp_path.glob(f"home/trees/*/{FILE}")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"1 good; wayfind feedback --list" in run("status").stdout
    assert json.loads(run("status", "--json").stdout)["feedback"] == {"good": 1, "bad": 0, "opened": 0}
    run("gc", "--limit", "1kB")
    assert file.exists()
    run("forget", ".")
    assert not file.exists()


def test_nothing_is_written_into_the_repository(run, place: Path) -> None:
    before = sorted(place.rglob("*"))
    run("feedback", FINE, "loans.py:27", "good")
    assert sorted(place.rglob("*")) == before


def test_a_mark_changes_no_answer_before_it_is_learned(run) -> None:
    before = json.loads(run(FINE, "--json").stdout)["results"]
    run("feedback", FINE, "tests/test_loans.py:5", "good")
    run("feedback", FINE, "loans.py:27", "bad")
    assert json.loads(run(FINE, "--json").stdout)["results"] == before


def test_a_later_mark_takes_the_place_of_an_earlier_one_but_opening_of_none(index) -> None:
    marked(index, FINE, "bad", "loans.py", 26)
    last = marked(index, FINE, "good", "loans.py", 27)
    marked(index, FINE, "opened", "loans.py", 25)
    assert read(index.snapshot().folder) == [last]


def test_what_was_judged_is_said_to_stay_when_it_is_opened(run) -> None:
    """It was said to be opened from then on."""
    run("feedback", FINE, "loans.py:27", "bad")
    assert b"stays bad" in run("feedback", FINE, "loans.py:27", "--opened").stdout
    told = json.loads(run("feedback", FINE, "loans.py:27", "--opened", "--json").stdout)
    assert (told["kept"]["mark"], told["before"]) == ("bad", "bad")


def test_marks_are_listed_and_deleted_one_or_all(run) -> None:
    assert run("feedback", "--list", code=1).stdout.startswith(b"nothing was said yet")
    for line, mark in ((27, "good"), (12, "bad")):
        run("feedback", FINE, f"loans.py:{line}", mark)
    first, second = json.loads(run("feedback", "--list", "--json").stdout)["feedback"]
    assert (first["now"], first["mark"], second["symbol"]) == ("loans.py:25", "good", "Desk.lend")
    assert f"{first['id']}  good".encode() in run("feedback", "--list").stdout
    run("feedback", "--delete", first["id"])
    assert [one["id"] for one in json.loads(run("feedback", "--list", "--json").stdout)["feedback"]] == [second["id"]]
    assert run("feedback", "--delete", "all").stdout == b"1 entry deleted\n"
    assert b"no feedback has the id" in run("feedback", "--delete", first["id"], code=2).stderr


WORD = "h7Kq29" + "vLx3"
SECRET = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


@pytest.mark.parametrize("said", [f"why is {SECRET} refused", f"login with password={WORD}", f'client("https://me:{WORD}@git.corp.io/x")', f'api_key => "{WORD}"'])
def test_secrets_of_a_question_are_never_stored(run, tmp_path: Path, said: str) -> None:
    ran = run("feedback", said, "loans.py:27", "good")
    assert b"1 secret in the question masked" in ran.stderr
    run("config", "set", "record-opened", "on")
    run(said, "-k", "3", code=run_code(run, said))
    run("explain", "loans.py:27")
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("home/trees/*/*.json*"))
    assert kept and SECRET.encode() not in kept and WORD.encode() not in kept and b"*****" in kept


def run_code(run, said: str) -> int:
    """Exit code of a search that may abstain."""
    try:
        run(said, "-k", "3")
    except AssertionError:
        return 1
    return 0


def test_a_question_without_secrets_is_kept_as_it_is() -> None:
    for said in (FINE, "how is the password hashed", "key=value pairs of a config", "parse https://example.com/a?b=c"):
        assert unsecret(said) == (said, 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("q",), b"write: wayfind feedback"), (("q", "loans.py:3"), b"write: wayfind feedback"), (("q", "loans.py:3", "great"), b"write: wayfind feedback"),
        (("q", "loans.py:999", "good"), b"has no line 999"), (("q", "nowhere.py:1", "good"), b"nowhere.py"), (("  ", "loans.py:3", "good"), b"the question is empty"),
        (("q", "loans.py:3", "good", "--opened"), b"write: wayfind feedback"), (("q", "loans.py:0", "good"), b"lines count from 1"),
        (("--list", "--delete", "all"), b"take no question"), (("q", "loans.py:3", "--list"), b"take no question"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_and_keeps_nothing(run, tmp_path: Path, arguments: tuple[str, ...], said: bytes) -> None:
    assert said in run("feedback", *arguments, code=2).stderr
    assert not [*tmp_path.glob(f"home/trees/*/{FILE}")]


def test_a_damaged_file_says_which_line_and_can_be_deleted(index) -> None:
    file = index.snapshot().folder / FILE
    file.write_text('{"query": "q"}\n')
    with pytest.raises(UsageError, match=rf"{FILE}:1 is no feedback.*wayfind feedback --delete all"):
        read(index.snapshot().folder)
    with pytest.raises(UsageError):
        feedback.delete(index.snapshot().folder, "0" * 8)
    assert feedback.delete(index.snapshot().folder, "all") == 1 and not file.exists()


def test_marks_made_at_once_are_all_kept(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: keep(tmp_path, Entry(f"question {n}", "good", "a.py", n, "", "", n)), range(40)))
    assert sorted(entry.line for entry in read(tmp_path)) == list(range(40))


def test_any_path_and_symbol_come_back(tmp_path: Path) -> None:
    """Separators of lines that JSON leaves as they are, and bytes that are no UTF-8."""
    entry = Entry("where is it", "good", "a\u2028b\x85c\udcff.md", 1, "Head\u2029ing", "", 1)
    keep(tmp_path, entry)
    assert read(tmp_path) == [entry]


def test_an_id_that_is_not_there_is_an_error(index) -> None:
    with pytest.raises(NotFound):
        feedback.delete(index.snapshot().folder, "0" * 8)


# Finding again


def found(repository, entry: Entry) -> str | None:
    repository.refresh()
    snapshot = repository.snapshot()
    chunk = Places(snapshot).find(entry)
    return None if chunk is None else f"{snapshot.place_of(chunk)} {snapshot.symbols[chunk]}"


def test_a_definition_is_found_where_edits_have_moved_it(index, place: Path) -> None:
    entry = marked(index, FINE, "good", "loans.py", 27)
    text = (place / "loans.py").read_text()
    (place / "loans.py").write_text(text.replace("DAYS = 14\n", "DAYS = 14\n\n\ndef other():\n    return 1\n\n\ndef more():\n    return 2\n"))
    assert found(index, entry) == "loans.py:33 fine"
    (place / "loans.py").write_text(text.replace("round(max(0, days) * rate, 2)", "round(days * rate, 2)"))
    assert found(index, entry) == "loans.py:25 fine"


def test_a_definition_is_found_in_the_file_it_was_moved_to(index, place: Path) -> None:
    entry = marked(index, FINE, "good", "loans.py", 27)
    (place / "loans.py").rename(place / "lending.py")
    assert found(index, entry) == "lending.py:25 fine"


def test_of_definitions_of_one_name_the_one_with_the_text_is_meant(index, place: Path) -> None:
    """Even where another stands on the line that was marked."""
    entry = marked(index, FINE, "good", "loans.py", 27)
    *before, fine = (place / "loans.py").read_text().partition("def fine")
    other = "def fine(x):\n    return x\n\n\n" + "".join(f"def more_{number}():\n    return {number}\n\n\n" for number in range(9))
    (place / "loans.py").write_text(before[0] + other + "def fine" + fine)
    assert found(index, entry) == "loans.py:65 fine"


def test_a_definition_that_is_gone_is_not_found(index, place: Path) -> None:
    entry = marked(index, FINE, "good", "loans.py", 27)
    (place / "loans.py").write_text("DAYS = 14\n")
    assert found(index, entry) is None
    assert [*judged(index.snapshot(), [entry])] == []


def test_a_chunk_without_a_symbol_is_found_by_its_text(index, place: Path) -> None:
    entry = marked(index, "how long", "good", "loans.py", 5)
    (place / "loans.py").write_text('"""New."""\n\nimport os\n\n\ndef first():\n    return 1\n\n\n' + (place / "loans.py").read_text())
    assert entry.symbol == "" and found(index, entry) is not None


# Opened results


def test_what_is_looked_at_after_a_search_is_noted_only_where_that_is_on(run) -> None:
    run(FINE)
    run("explain", "loans.py:27")
    assert json.loads(run("feedback", "--list", "--json", code=1).stdout)["feedback"] == []
    run("config", "set", "record-opened", "on")
    run(FINE, "-k", "1")
    run("explain", "loans.py:12")  # not among the results
    run("explain", "loans.py:26")
    run("related", "loans.py:27")
    (entry,) = json.loads(run("feedback", "--list", "--json").stdout)["feedback"]
    assert (entry["query"], entry["mark"], entry["symbol"]) == (FINE, "opened", "fine")
    run("feedback", "--delete", "all")
    run("config", "set", "record-opened", "off")
    run("explain", "loans.py:27")
    assert json.loads(run("feedback", "--list", "--json", code=1).stdout)["feedback"] == []


def test_a_look_long_after_the_search_is_no_opening(index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYFIND_RECORD_OPENED", "on")
    snapshot, results = index.snapshot(), index.search(FINE).results
    serving.note_search(snapshot.folder, index.root, FINE, results)
    now = serving.time.time()
    monkeypatch.setattr(serving.time, "time", lambda: now + serving.REMEMBERED + 1)
    serving.note_opened(snapshot.folder, index.root, snapshot, "loans.py", 25)
    assert read(snapshot.folder) == []
    monkeypatch.setattr(serving.time, "time", lambda: now + serving.REMEMBERED - 1)
    serving.note_opened(snapshot.folder, index.root, snapshot, "loans.py", 25)
    assert [entry.mark for entry in read(snapshot.folder)] == ["opened"]


def test_a_search_does_not_fail_where_nothing_can_be_noted(index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYFIND_RECORD_OPENED", "on")
    nowhere = index.root / "loans.py" / "no folder"
    serving.note_search(nowhere, index.root, FINE, index.search(FINE).results)
    (index.snapshot().folder / serving.LAST).write_text("broken")
    serving.note_opened(index.snapshot().folder, index.root, index.snapshot(), "loans.py", 25)


def test_a_repository_cannot_switch_the_record_on(run, place: Path) -> None:
    (place / ".wayfind").mkdir()
    (place / ".wayfind" / "config.toml").write_text('record-opened = "on"\n')
    assert b"a repository may not set 'record-opened'" in run(FINE, code=2).stderr


# Lessons


def test_good_marks_are_lessons_opened_ones_weigh_less_and_bad_ones_answer_nothing(index) -> None:
    marked(index, FINE, "good", "loans.py", 27)
    marked(index, FINE, "bad", "loans.py", 12)
    marked(index, "books that are out", "opened", "loans.py", 22)
    marked(index, "closing time", "bad", "loans.py", 12)
    known = lessons(index)
    found = {one.query: one for one in known.lessons if one.origin == "feedback"}
    assert set(found) == {FINE, "books that are out"}
    assert [place.symbol for place in found[FINE].targets] == ["fine"]
    assert found["books that are out"].weight < found[FINE].weight
    assert known.dropped["feedback: only bad results"] == 1


def test_every_mark_teaches_and_is_remembered_before_older_commits(index) -> None:
    """Two thirds of the marks had been laid aside for exams that no run holds, and a mark counted as older than any commit."""
    for number in range(30):
        marked(index, f"question number {number} about fines", "good", "loans.py", 27)
    known = [one for one in lessons(index).lessons if one.origin == "feedback"]
    assert len(known) == 30 and {one.part for one in known} == {"train"}
    commits = [Lesson(f"change {number}", (Gold("loans.py", "lend"),), "commit", 1.0, "train", time=number + 1) for number in range(MOST)]
    of_commits, of_marks = (place_of("loans.py", name) for name in ("lend", "fine"))
    remembered = remember([*commits, *known], None)
    value = dict(zip(remembered["often.place"].tolist(), remembered["often.value"].tolist()))
    assert value[of_marks] == pytest.approx(sum(0.5 ** (age / HALF_LIFE) for age in range(30)))
    assert value[of_commits] > 0


@pytest.mark.parametrize("value", ["hunter2secret99", "Tr0ub4dor&3", "abc123xyz", "s3cr3t!pass"])
@pytest.mark.parametrize("around", ["login with password {} fails", "the password is {}, why", "passwd={} is refused", 'password: "{}"'])
def test_a_password_that_stands_bare_in_a_question_is_masked(value, around):
    masked, count = feedback.unsecret(around.format(value))
    assert value not in masked and count == 1 and masked.split()[0] == around.split()[0].format("*" * len(value))


@pytest.mark.parametrize(
    "question",
    [
        "where are passwords hashed?", "password pbkdf2 iterations", "how does password sha256 work", "password=self.password2(x)", "password validation in forms",
        "why is the password of the administrator reset", "password re-entry", "token base64 decode",
    ],
)  # fmt: skip
def test_words_behind_password_are_no_secrets(question):
    assert feedback.unsecret(question) == (question, 0)
