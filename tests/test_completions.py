"""Completion, asked for by real shells where they are installed."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import command, plant

from wayfind.corpus.languages import parser_for
from wayfind.serve.completing import SHELLS

NEEDS = {name: pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed") for name in SHELLS}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """A folder with something to complete, and a `wayfind` on the PATH."""
    folder = tmp_path_factory.mktemp("shells")
    plant(folder / "work", {"source/a.py": "", "some.json": "{}"})
    script = folder / "bin" / "wayfind"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -W error -m wayfind "$@"\n')
    script.chmod(0o755)
    path = f"{script.parent}{os.pathsep}{os.environ['PATH']}"
    return {"cwd": folder / "work", "env": {**os.environ, "PATH": path, "HOME": str(folder), "ZDOTDIR": str(folder)}}


def in_bash(words: list[str], place: dict) -> list[str]:
    """What bash offers after these words, the last of which is being written."""
    line = " ".join(words)
    script = f'eval "$(wayfind completion bash)"; COMP_WORDS=({" ".join(map(shlex.quote, words))}); COMP_CWORD={len(words) - 1}; COMP_LINE={shlex.quote(line)}; _wayfind_completion wayfind 2>/dev/null; printf "%s\\n" "${{COMPREPLY[@]}}"'
    ran = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, check=True, **place)
    return ran.stdout.split("\n")[:-1]


def in_fish(words: list[str], place: dict) -> list[str]:
    script = f"wayfind completion fish | source; complete -C {shlex.quote(' '.join(words))}"
    ran = subprocess.run(["fish", "--no-config", "-c", script], capture_output=True, text=True, check=True, **place)
    return [line.partition("\t")[0] for line in ran.stdout.splitlines()]


def in_zsh(words: list[str], place: dict) -> list[str]:
    """zsh completes in its line editor alone, so what its script hands to it is caught."""
    catch = "_describe() { print -l -- ${(P)3} }; compadd() { print -l -- ${(P)${@[-1]}} }; _path_files() { print -l -- PLACES \"$@\" }; compdef() { : }"
    script = f'{catch}; eval "$(wayfind completion zsh)"; words=({" ".join(map(shlex.quote, words))}); CURRENT={len(words)}; _wayfind_completion'
    ran = subprocess.run(["zsh", "-f", "-c", script], capture_output=True, text=True, check=False, **place)
    return [line.partition(":")[0] for line in ran.stdout.splitlines()]


ASK = {"bash": in_bash, "fish": in_fish, "zsh": in_zsh}
SHELL = [pytest.param(name, marks=NEEDS[name]) for name in ASK]


@pytest.mark.parametrize("shell", SHELL)
def test_a_shell_offers_commands(shell: str, place: dict) -> None:
    offered = ASK[shell](["wayfind", "st"], place)
    assert "status" in offered and "search" not in offered


@pytest.mark.parametrize("shell", SHELL)
def test_a_shell_offers_options_also_after_a_query_without_a_command(shell: str, place: dict) -> None:
    assert "--coverage" in ASK[shell](["wayfind", "status", "--cov"], place)
    assert "--lang" in ASK[shell](["wayfind", "retry", "--la"], place)


@pytest.mark.parametrize("shell", SHELL)
def test_a_shell_offers_choices(shell: str, place: dict) -> None:
    assert {"claude", "codex", "cursor"} <= set(ASK[shell](["wayfind", "install", "c"], place))
    assert "kotlin" in ASK[shell](["wayfind", "retry", "--lang", "ko"], place)
    assert {"section", "function"} <= {*ASK[shell](["wayfind", "search", "x", "--kind", "s"], place), *ASK[shell](["wayfind", "search", "x", "--kind", "f"], place)}
    assert "background-vectors" in ASK[shell](["wayfind", "config", "get", "b"], place)


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_offers_folders(place: dict) -> None:
    assert in_fish(["wayfind", "status", "so"], place) == ["source/"]


@NEEDS["bash"]
def test_bash_is_told_to_offer_folders_for_a_repository_and_files_for_a_place(place: dict) -> None:
    def asked(words: str, number: int) -> str:
        env = {**place["env"], "COMP_WORDS": words, "COMP_CWORD": str(number), "_WAYFIND_COMPLETE": "bash_complete"}
        return subprocess.run(["wayfind"], capture_output=True, text=True, check=True, cwd=place["cwd"], env=env).stdout

    assert asked("wayfind status so", 2) == "dir,so\n"
    assert asked("wayfind retry so", 2) == "dir,so\n"
    assert asked("wayfind explain so", 2) == "file,so\n"
    assert asked("wayfind search x --path so", 4) != "dir,so\n"  # a glob, not a folder


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_printed_without_asking_the_shell(shell: str, tmp_path: Path) -> None:
    ran = command("completion", shell, home=tmp_path, env={"PATH": ""})
    assert ran.returncode == 0 and b"_WAYFIND_COMPLETE" in ran.stdout and not ran.stderr


def test_the_script_for_powershell_is_powershell(tmp_path: Path) -> None:
    root = parser_for("powershell").parse(command("completion", "powershell", home=tmp_path).stdout).root_node
    assert not root.has_error and b"Register-ArgumentCompleter -Native -CommandName wayfind" in root.text


def test_what_powershell_asks_for_is_answered_in_three_lines_each(tmp_path: Path) -> None:
    env = {"COMP_WORDS": "wayfind config s", "COMP_CWORD": "2", "_WAYFIND_COMPLETE": "powershell_complete"}
    assert command(home=tmp_path, env=env).stdout.decode().splitlines() == ["plain", "set", "_"]
