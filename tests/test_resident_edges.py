"""Edges of what outlives an index, of the resident process and of settings: one test for each defect that was there."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from conftest import LIBRARY, command, plant

from wayfind.index.maintain import gc
from wayfind.model import adaptation as adaptations
from wayfind.search.engine import Ask
from wayfind.serve import client, protocol
from wayfind.serve.entry import Entry
from wayfind.serve.protocol import address, hello
from wayfind.serve.request import Request
from wayfind.serve.resident import Resident
from wayfind.serve.workspace import Workspace


unix = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no Unix sockets here")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own."""
    monkeypatch.setenv("WAYFIND_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.delenv("WAYFIND_RESIDENT", raising=False)
    return tmp_path / "home"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return plant(tmp_path / "library", LIBRARY).resolve()


@pytest.fixture
def run(own: Path, repository: Path) -> Callable[..., str]:
    """Run a command in the repository and return what it prints."""

    def ran(*arguments: str | Path, code: int = 0, cwd: Path = repository, **env: str) -> str:
        done = command(*arguments, home=own, cwd=cwd, env=env)
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        return done.stdout.decode()

    return ran


# What outlives an index


def _of_another_version(catalogue: Path) -> None:
    with closing(sqlite3.connect(catalogue)) as database:
        database.execute("PRAGMA user_version = 99")


def _noise(catalogue: Path) -> None:
    for suffix in ("-wal", "-shm"):
        catalogue.with_name(catalogue.name + suffix).unlink(missing_ok=True)
    catalogue.write_bytes(b"noise" * 5000)


def _said_and_learned(run: Callable[..., str], own: Path) -> adaptations.Adaptation:
    run("index", ".")
    run("vocabulary", "--pin", "penalty=fine")
    run("feedback", "what is late", "loans.py:10", "good")
    learned = adaptations.made("", {}, {"seed": 1})
    (tree,) = own.glob("trees/*")
    adaptations.store(tree / adaptations.FOLDER, learned)
    adaptations.use(tree / adaptations.FOLDER, learned.id)
    return learned


def _still_there(run: Callable[..., str], own: Path, learned: adaptations.Adaptation) -> None:
    assert "penalty" in run("vocabulary", "--edits")
    assert "what is late" in run("feedback", "--list")
    (tree,) = own.glob("trees/*")
    assert adaptations.current(tree / adaptations.FOLDER) == learned.id
    assert adaptations.load(tree / adaptations.FOLDER, learned.id).id == learned.id


@pytest.mark.parametrize("harm", [_of_another_version, _noise])
def test_a_rebuild_of_an_unreadable_index_keeps_what_was_said_and_learned(run, own: Path, harm: Callable[[Path], None]) -> None:
    learned = _said_and_learned(run, own)
    harm(next(own.glob("trees/*/catalogue.sqlite")))
    run("late reader", code=2)
    run("index", ".", "--rebuild")
    _still_there(run, own, learned)
    assert "loans.py" in run("late reader", "-l")


def test_a_limit_keeps_what_was_learned(run, own: Path, repository: Path) -> None:
    learned = _said_and_learned(run, own)
    (tree,) = own.glob("trees/*")
    (tree / "feedback.jsonl").unlink()
    (tree / "vocabulary.json").unlink()
    assert gc(own, limit_bytes=0).evicted == (str(repository),)
    assert {path.name for path in tree.iterdir()} == {"learned", "root"}
    assert adaptations.current(tree / adaptations.FOLDER) == learned.id


# Manual explanations outside of the tree


def _stated(file: Path, text: str) -> Path:
    file.write_text(json.dumps([{"id": 1, "file": "loans.py", "component": "fine", "explanation": text}]))
    return file


def _explained(entry: Entry, refresh: bool = True) -> tuple[list[str], int]:
    """What an entry says that loans.py:26 does, and the files that this lacks."""
    part = entry.answer(Ask("late reader pays"), refresh=refresh)
    assert part.answer is not None
    return [result.explanation.text for result in part.answer.results if result.symbol == "fine"], part.answer.index.stale_files


def test_a_manual_file_outside_of_the_tree_is_fresh(run, own: Path, repository: Path, tmp_path: Path) -> None:
    run("index", ".", "--manual", _stated(tmp_path / "one.json", "The price."))
    with Workspace(own) as workspace:
        entry = workspace.open(repository)
        assert _explained(entry) == (["The price."], 0)
        assert _explained(entry) == (["The price."], 0)
        _stated(tmp_path / "one.json", "The toll.")
        assert _explained(entry, refresh=False) == (["The price."], 1)
        assert _explained(entry) == (["The toll."], 0)
        run("index", ".", "--manual", _stated(tmp_path / "two.json", "The duty."))  # given to another process
        _stated(tmp_path / "two.json", "The fee.")
        assert _explained(entry) == (["The fee."], 0)
        (tmp_path / "two.json").unlink()
        assert "The fee." not in _explained(entry)[0]


def test_a_changed_manual_file_counts_as_one_that_changed(run, tmp_path: Path) -> None:
    run("index", ".", "--manual", _stated(tmp_path / "one.json", "The price."))
    _stated(tmp_path / "one.json", "The toll.")
    assert json.loads(run("late reader", "--json", "--no-refresh", "--no-resident"))["index"]["stale_files"] == 1
    assert json.loads(run("late reader", "--json", "--no-resident"))["index"]["stale_files"] == 0


# A resident process that says nothing


@unix
def test_one_that_is_silent_is_not_waited_for(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FIRST", 0.05)
    place = address(own)
    place.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(os.fspath(place.socket))
        silent.listen()
        assert client.asked(lambda: Request("search", ("/",), "book")) is None


def test_the_first_word_is_waited_for_briefly_and_later_ones_long(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float | None] = []

    class Waiting(socket.socket):
        def settimeout(self, seconds: float | None) -> None:
            waits.append(seconds)
            super().settimeout(seconds)

    here, there = socket.socketpair()
    there.sendall(b'{"progress": ["", 0, 0]}\n{"done": 1}\n')
    monkeypatch.setattr(client, "connected", lambda place: (Waiting(fileno=here.detach()), ""))
    with there:
        assert client.exchange(address(own), lambda: {"do": "print"}) == {"done": 1}
    assert waits == [client.FIRST, client.PATIENCE]


def test_a_request_to_print_is_heard_before_it_is_answered(own: Path, repository: Path) -> None:
    resident = Resident(address())
    message = {**hello(address()), "do": "print", "settings": protocol.settings(), "request": Request("search", (str(repository),), "book").as_fields()}
    here, there = socket.socketpair()
    with resident.workspace, here, there, here.makefile("rwb") as asking, there.makefile("rwb") as answering:
        protocol.send(asking, message)
        resident.handle(answering, "")
        assert protocol.receive(asking, 1 << 20) == {"progress": ["", 0, 0]}


# Settings of the repository that is asked


def _results(out: str) -> list[dict]:
    return json.loads(out)["results"]


def test_the_settings_are_those_of_the_repository_around_the_file(run, repository: Path, tmp_path: Path) -> None:
    plant(repository, {".git/HEAD": "ref: refs/heads/main\n", ".wayfind/config.toml": 'explain = "none"\ntop-k = 1\n'})
    run("index", repository)
    place = f"{repository / 'loans.py'}:11"
    (explained,) = _results(run("explain", place, "--json", cwd=tmp_path))
    assert not explained["explanation"]["text"]
    assert len(_results(run("related", place, "--json", cwd=tmp_path))) == 1


def test_the_settings_are_not_those_of_the_current_folder(run, repository: Path, tmp_path: Path) -> None:
    other = plant(tmp_path / "other", {".git/HEAD": "ref: refs/heads/main\n", ".wayfind/config.toml": 'explain = "none"\n'})
    run("index", repository)
    (explained,) = _results(run("explain", f"{repository / 'loans.py'}:11", "--json", cwd=other))
    assert explained["explanation"]["text"]


@pytest.mark.parametrize("how", [("--file", "question.txt"), ("--regex", "def")])
def test_the_settings_are_those_of_a_path_in_the_place_of_the_text(run, repository: Path, tmp_path: Path, how: tuple[str, str]) -> None:
    plant(repository, {".wayfind/config.toml": "top-k = 1\n"})
    plant(tmp_path, {"question.txt": "book reader title"})
    assert len(_results(run("search", *how, repository, "--json", cwd=tmp_path))) == 1


def test_the_settings_are_those_of_the_repository_that_an_index_holds(run, repository: Path, tmp_path: Path) -> None:
    plant(repository, {".wayfind/config.toml": "top-k = 1\n"})
    run("index", repository, "--output", tmp_path / "apart")
    assert len(_results(run("book reader title", "--index", tmp_path / "apart", "--json", cwd=tmp_path))) == 1


# What a resident process is told


@pytest.fixture
def background(run, repository: Path) -> Iterator[None]:
    run("serve", "--background", repository)
    yield
    run("serve", "--stop")


def test_opened_results_are_noted_as_the_caller_sets_it(background, run) -> None:
    run("late reader", ".", WAYFIND_RECORD_OPENED="on")
    run("explain", "loans.py:26", ".", WAYFIND_RECORD_OPENED="on")
    assert "opened" in run("feedback", "--list")


def test_one_that_serves_already_opens_what_is_named(background, run, repository: Path, tmp_path: Path) -> None:
    other = plant(tmp_path / "other", LIBRARY)
    told = run("serve", "--background", other, "--idle-seconds", "5")
    assert "serving already" in told and f"{other.resolve()}: " in told and f"{repository}: " in told


def test_one_that_does_not_open_what_is_named_is_an_error(background, run, repository: Path) -> None:
    run("serve", "--background", repository, code=2, WAYFIND_LATE_INTERACTION="off")


# The settings file


def test_a_limit_that_is_no_size_is_refused_when_it_is_set(run) -> None:
    run("config", "set", "cache-limit", "banana", code=2)
    run("config", "set", "cache-limit", "1.5 GB")
    run("gc")


@pytest.mark.parametrize("content", ["topk = 3\ntop-k = 2\n", "top-k = 2\n[topk]\nsize = 3\n"])
def test_a_name_that_is_no_setting_can_be_taken_out(run, own: Path, tmp_path: Path, content: str) -> None:
    plant(tmp_path / "config" / "wayfind", {"config.toml": content})
    run("late reader", code=2)
    run("config", "unset", "topk")
    assert run("config", "get", "top-k") == "2\n"
    run("config", "unset", "topk", code=2)
