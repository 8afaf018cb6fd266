"""Edges of what outlives an index, of the resident process and of settings: one test for each defect that was there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from conftest import LIBRARY, command, plant

from wayfind.index.maintain import gc
from wayfind.model import adaptation as adaptations


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
