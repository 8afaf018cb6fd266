"""Vectors made behind a search: the answer does not wait, the next searches have them, and one process does it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import command, plant

import wayfind
from wayfind.serve.filling import alone, fill_behind
from wayfind.serve.processes import python

FILES = {f"shop/part_{n}.py": f"def verb_{n}(thing):\n    return thing.{name}()\n" for n, name in enumerate("wrap ship pay count weigh fold send keep".split())}
ON = {"WAYFIND_MODEL": "base", "WAYFIND_BACKGROUND_VECTORS": "on", "WAYFIND_RESIDENT": "off"}


def coverage(root: Path, home: Path) -> float:
    ran = command("search", "how are parcels packed", root, "--json", "--no-refresh", home=home, env={**ON, "WAYFIND_BACKGROUND_VECTORS": "off"})
    return json.loads(ran.stdout)["index"]["encoded"]


def wait_for(done, seconds: float = 300) -> bool:
    until = time.monotonic() + seconds
    while not done() and time.monotonic() < until:
        time.sleep(0.2)
    return done()


def test_a_search_has_the_vectors_made_behind_it_once(tmp_path: Path) -> None:
    root, home = plant(tmp_path / "shop", FILES), tmp_path / "home"
    first = command("search", "how are parcels packed", root, home=home, env=ON)
    assert b"vectors 0%" in first.stdout and b"in the background" in first.stderr
    assert wait_for(lambda: coverage(root, home) == 1.0)
    later = command("search", "how are parcels packed", root, home=home, env=ON)
    assert b"in the background" not in later.stderr


@pytest.mark.parametrize("env", [{**ON, "WAYFIND_BACKGROUND_VECTORS": "off"}, {**ON, "WAYFIND_MODEL": "none"}])
def test_it_can_be_switched_off_and_needs_a_model(tmp_path: Path, env: dict[str, str]) -> None:
    root, home = plant(tmp_path / "shop", FILES), tmp_path / "home"
    assert b"in the background" not in command("search", "how are parcels packed", root, home=home, env=env).stderr
    assert not list(home.rglob("filling.lock"))


def test_a_home_that_is_named_from_the_current_folder_is_the_same_for_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[dict[str, str]] = []
    monkeypatch.setattr(subprocess, "Popen", lambda line, env, **how: started.append(env))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAYFIND_HOME", "indexes")
    monkeypatch.setenv("WAYFIND_MODEL", "base")
    assert fill_behind(tmp_path, tmp_path)
    assert started[0]["WAYFIND_HOME"] == str(tmp_path / "indexes") and started[0]["WAYFIND_MODEL"] == "base" and started[0]["PATH"] == os.environ["PATH"]


def test_while_one_works_no_other_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(subprocess, "Popen", lambda line, **how: started.append(line))
    with alone(tmp_path):
        assert not fill_behind(tmp_path, tmp_path)
    assert fill_behind(tmp_path, tmp_path) and len(started) == 1


def test_the_process_holds_the_lock_from_its_start_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin, begun = subprocess.Popen, []
    sleeper = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    monkeypatch.setattr(subprocess, "Popen", lambda line, **how: begun.append(begin(sleeper, **{**how, "stdin": subprocess.PIPE})))
    assert fill_behind(tmp_path, tmp_path) and not fill_behind(tmp_path, tmp_path)
    begun[0].communicate()
    assert fill_behind(tmp_path, tmp_path)
    begun[1].communicate()


def test_a_folder_that_cannot_be_written_stops_no_search(tmp_path: Path) -> None:
    assert not fill_behind(tmp_path, tmp_path / "is" / "not" / "there")


def test_the_process_ends_quietly_where_there_is_nothing_to_do(tmp_path: Path) -> None:
    line = python("wayfind.serve.filling", tmp_path / "gone")
    ran = subprocess.run(line, capture_output=True, env={**os.environ, "WAYFIND_HOME": str(tmp_path / "home")}, check=False, timeout=120)
    assert ran.returncode == 0 and not ran.stdout


def test_a_program_that_searches_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ON.items():
        monkeypatch.setenv(name, value)
    with wayfind.open(plant(tmp_path / "shop", FILES), home=tmp_path / "home") as repository:
        assert repository.search("how are parcels packed").index.encoded == 0.0
    assert not list(tmp_path.rglob("filling.lock"))


def test_two_kinds_of_process_that_make_vectors_do_not_work_in_one_folder_at_once(tmp_path: Path) -> None:
    root, home = plant(tmp_path / "shop", FILES), tmp_path / "home"
    command("search", "parcels", root, home=home, env={**ON, "WAYFIND_BACKGROUND_VECTORS": "off"})
    (index,) = (home / "trees").iterdir()
    surroundings = {**os.environ, **ON}
    line = python("wayfind.serve.encoding", root, home, str(os.getpid()))
    with alone(index):
        subprocess.run(line, env=surroundings, check=False, timeout=120)
        assert coverage(root, home) == 0
    subprocess.run(line, env=surroundings, check=True, timeout=120)
    assert coverage(root, home) == 1


MODULES = ("building", "encoding", "filling", "cli")
PLANTED = ("json", "numpy", "click", "wayfind", "subprocess", "tree_sitter", "onnxruntime")


@pytest.mark.parametrize("module", MODULES)
def test_a_process_of_ours_imports_nothing_from_the_folder_it_stands_in(tmp_path: Path, module: str) -> None:
    """A repository may have a `json.py` of its own, or one that is meant to be run."""
    root, home = plant(tmp_path / "shop", FILES | {f"{name}.py": "open('ran', 'w')\nraise SystemExit(9)\n" for name in PLANTED}), tmp_path / "home"
    order = {"root": str(root), "home": str(home), "manual": None, "commits": 0, "workers": 1, "wait": 60.0}
    arguments = {"building": [json.dumps(order)], "encoding": [root, home, str(os.getpid())], "filling": [root], "cli": ["index", root]}[module]
    ran = subprocess.run(python(f"wayfind.serve.{module}", *arguments), cwd=root, env={**os.environ, **ON, "WAYFIND_HOME": str(home)}, capture_output=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stderr
    assert not (root / "ran").exists()
