"""Help: its examples run, its hints say what to write, and no command colours what may not be coloured."""

from __future__ import annotations

import os
import pty
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import command

from wayfind.config import default_home
from wayfind.serve.cli import COMMANDS
from wayfind.serve.protocol import address

LATER = {"data", "train"}
"""Commands whose examples need more than a small repository: a data set to read, a recipe to train."""
COLOUR = re.compile(rb"\x1b\[[0-9;]*m")


@pytest.fixture
def place(tmp_path: Path, library: Path) -> dict:
    """A copy of the small repository, and a `wayfind`, a home and settings of its own."""
    shutil.copytree(library, tmp_path / "library")
    subprocess.run(["git", "init", "-q", str(tmp_path / "library")], check=True)
    script = tmp_path / "bin" / "wayfind"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -W error -m wayfind "$@"\n')
    script.chmod(0o755)
    path = f"{script.parent}{os.pathsep}{os.environ['PATH']}"
    own = {name: str(tmp_path / name) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "WAYFIND_HOME")}
    return {"cwd": tmp_path / "library", "env": {**os.environ, "PATH": path, **own}}


def examples(name: str, place: dict) -> list[str]:
    """The command lines at the end of a command's help."""
    shown = subprocess.run(["wayfind", name, "--help"], capture_output=True, text=True, check=True, **place).stdout
    _, _, end = shown.partition("\n  Example")
    return [line.strip() for line in end.splitlines()[1:] if line.strip()]


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in LATER])
def test_help_ends_with_examples_that_run(name: str, place: dict) -> None:
    lines = examples(name, place)
    assert lines and all("wayfind" in line for line in lines)
    if name == "uninstall":
        subprocess.run(["wayfind", "install", "codex", "--project", "--yes"], check=True, capture_output=True, **place)
    if name == "forget":
        subprocess.run(["wayfind", "index"], check=True, capture_output=True, **place)
    if name == "status":
        subprocess.run(["wayfind", "index"], check=True, capture_output=True, **place)
    for line in lines:
        ran = subprocess.run(["bash", "-c", line], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, **place)
        nothing_piped = line.endswith("| wayfind -")
        little = line.startswith("wayfind learn") and any(said in ran.stdout for said in ("too little to learn from", "nothing learned is in use"))
        assert ran.returncode == 0 or little or (nothing_piped and "the query is empty" in ran.stderr), f"{line}\n{ran.stdout}{ran.stderr}"


# Hints


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("late", "fee"), 'a query of several words goes in quotes: wayfind "late fee"'),
        (("how", "late", "fees", "work"), 'wayfind "how late fees work"'),
        (("search", "how", "late", "fees", "-k", "3"), 'wayfind "how late fees"'),
        (("-late",), 'a query that starts with a dash comes after two dashes: wayfind -- "-late"'),
        (("search", "-late fee"), 'wayfind -- "-late fee"'),
        (("-path:docs", "late fee"), 'goes in quotes: wayfind "-path:docs late fee"'),
        (("late", "-lang:python"), 'what a query leaves out is a part of it: wayfind "late -lang:python"'),
        (("late", "-reader"), 'what a query leaves out is a part of it: wayfind "late -reader"'),
        (("late", "-json"), "did you mean --json"),
        (("staus", "--coverage"), "'staus' is no command, so it was taken for a query; did you mean: wayfind status\n"),
        (("serach", "late fee"), "did you mean: wayfind search\n"),
    ],
)
def test_a_query_that_was_mistaken_for_something_else_is_hinted_at(arguments: tuple[str, ...], said: str, library: Path, home: Path) -> None:
    ran = command(*arguments, home=home, cwd=library)
    assert ran.returncode == 2 and said in ran.stderr.decode()


@pytest.mark.parametrize("arguments", [("fine", "nowhere-such-folder"), ("--colour", "x"), ("-k", "many", "fine"), ("status", "a", "b")])
def test_other_mistakes_are_not_taken_for_that(arguments: tuple[str, ...], library: Path, home: Path) -> None:
    ran = command(*arguments, home=home, cwd=library)
    assert ran.returncode == 2
    assert "dashes" not in ran.stderr.decode() and ("quotes" in ran.stderr.decode()) == (arguments[0] == "fine")


def test_a_folder_that_is_not_there_is_not_taken_for_a_word(library: Path, home: Path) -> None:
    ran = command("fine", "no/such/place", home=home, cwd=library)
    assert ran.returncode == 2 and b"quotes" not in ran.stderr


@pytest.mark.parametrize("query", ["-late fee", "-path:docs fine", "-lang:python"])
def test_a_query_that_begins_with_what_must_not_be_needs_no_dashes(query: str, library: Path, home: Path) -> None:
    bare = command(query, "-l", home=home, cwd=library)
    assert (bare.returncode, bare.stdout) == ((ran := command("-l", "--", query, home=home, cwd=library)).returncode, ran.stdout)
    assert bare.returncode < 2


def test_a_word_that_is_nearly_a_command_is_searched_for_and_the_command_named_where_nothing_is_found(library: Path, home: Path) -> None:
    ran = command("staus", home=home, cwd=library)
    assert ran.returncode == 1 and b"confidence" in ran.stdout and b"did you mean: wayfind status" in ran.stderr
    for arguments in (("search", "staus"), ("--", "staus"), ("quantum",), ("clean",), ("staus of it",)):
        assert b"did you mean" not in command(*arguments, home=home, cwd=library).stderr


def test_the_hint_for_a_dash_works(library: Path, home: Path) -> None:
    assert command("--", "-fine loans", home=home, cwd=library).returncode == 0


# Colour


def in_terminal(line: list[str], place: dict, **env: str) -> bytes:
    """What a command writes to a terminal."""
    master, slave = pty.openpty()
    surroundings = {**place["env"], "TERM": "xterm-256color", **env}
    with subprocess.Popen(line, stdin=slave, stdout=slave, stderr=slave, cwd=place["cwd"], env=surroundings) as running:
        os.close(slave)
        written = b""
        while True:
            try:
                some = os.read(master, 65_536)
            except OSError:
                break
            if not some:
                break
            written += some
        running.wait()
    os.close(master)
    return written


EVERY = [
    ["late books"], ["explain", "loans.py:14"], ["related", "loans.py:14"], ["index"], ["status", "--coverage"], ["doctor"], ["gc"], ["languages"],
    ["version"], ["config", "--show-origin"], ["completion", "bash"], ["install", "codex", "--dry-run"], ["eval", "--kinds", "docstring", "--systems", "random"],
    ["serve", "--status"], ["no such", "thing"], ["--help"], ["search", "--help"],
]  # fmt: skip


@pytest.mark.parametrize("arguments", EVERY, ids=" ".join)
def test_no_color_is_heeded_by_every_command(arguments: list[str], place: dict) -> None:
    place["env"].pop("NO_COLOR", None)
    written = in_terminal(["wayfind", *arguments], place, NO_COLOR="1")
    assert written and not COLOUR.search(written)


def test_a_terminal_has_colour_else_and_the_flag_beats_no_color(place: dict) -> None:
    place["env"].pop("NO_COLOR", None)
    assert COLOUR.search(in_terminal(["wayfind", "late books"], place))
    assert COLOUR.search(in_terminal(["wayfind", "late books"], place, NO_COLOR=""))
    assert COLOUR.search(in_terminal(["wayfind", "late books", "--color", "always"], place, NO_COLOR="1"))


# status and doctor


def test_status_of_a_folder_that_was_never_indexed_leaves_nothing(place: dict, tmp_path: Path) -> None:
    ran = subprocess.run(["wayfind", "status"], capture_output=True, text=True, check=False, **place)
    assert ran.returncode == 1 and "is not indexed yet" in ran.stdout and not (tmp_path / "WAYFIND_HOME").exists()


def test_doctor_mends_remains_and_modes(place: dict, tmp_path: Path) -> None:
    subprocess.run(["wayfind", "index"], check=True, capture_output=True, **place)
    trees = tmp_path / "WAYFIND_HOME" / "trees"
    for name in ("abandoned", ".deleted.1"):
        (trees / name).mkdir(mode=0o700)
        os.utime(trees / name, (time.time() - 7_200,) * 2)
    (trees / "begun").mkdir(mode=0o700)
    (tmp_path / "WAYFIND_HOME" / "content.sqlite").chmod(0o200)
    found = subprocess.run(["wayfind", "doctor"], capture_output=True, text=True, check=False, **place)
    assert found.returncode == 2 and "begun and never filled" in found.stdout and "left of an index that was deleted" in found.stdout
    assert "cannot be read by its owner (mode 0200)" in found.stdout
    mended = subprocess.run(["wayfind", "doctor", "--repair"], capture_output=True, text=True, check=False, **place)
    assert mended.returncode == 0, mended.stdout
    assert not (trees / "abandoned").exists() and not (trees / ".deleted.1").exists() and (trees / "begun").exists()
    assert subprocess.run(["wayfind", "doctor"], capture_output=True, text=True, check=False, **place).stdout == "no damage found\n"


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no Unix sockets here")
def test_doctor_takes_away_the_socket_of_a_process_that_has_ended(place: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYFIND_HOME", str(tmp_path / "WAYFIND_HOME"))
    file = address(default_home()).socket
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(file))
    assert "left of a resident process" in subprocess.run(["wayfind", "doctor"], capture_output=True, text=True, check=False, **place).stdout
    assert subprocess.run(["wayfind", "doctor", "--repair"], capture_output=True, check=False, **place).returncode == 0
    assert not file.exists()


def test_help_is_a_command_and_the_word_can_be_searched_for(library: Path, tmp_path: Path) -> None:
    def told(*arguments: str) -> bytes:
        ran = command(*arguments, home=tmp_path / "home", cwd=library)
        return ran.stdout

    assert told("help") == told("--help") and told("help", "index") == told("index", "--help") and told("help", "query") == told("query", "--help")
    assert b"confidence" in told("search", "help") and b"confidence" in told("help", ".")
