"""The documentation against the program: every command and option is described, every example gives what it shows."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from conftest import LIBRARY, plant

from wayfind.serve.cli import COMMANDS
from wayfind.serve.cli import wayfind as group

TEXT = (Path(__file__).parent.parent / "docs" / "commands.md").read_text(encoding="utf-8")
EXAMPLES = [
    (command, shown.rstrip("\n"))
    for block in re.findall(r"```console\n(.*?)```", TEXT, re.S)
    for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.M)
]
SAME = doctest.OutputChecker()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Where the examples run, one after the other: a repository, a home and a `wayfind` of their own."""
    folder = tmp_path_factory.mktemp("docs")
    plant(folder / "library", LIBRARY)
    script = folder / "bin" / "wayfind"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -W error -m wayfind "$@"\n')
    script.chmod(0o755)
    path = f"{script.parent}{os.pathsep}{os.environ['PATH']}"
    return {"cwd": folder / "library", "env": {**os.environ, "PATH": path, "WAYFIND_HOME": str(folder / "home")}}


@pytest.mark.parametrize(("command", "shown"), EXAMPLES, ids=[command for command, _ in EXAMPLES])
def test_an_example_prints_what_it_shows(place: dict, command: str, shown: str) -> None:
    ran = subprocess.run(["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **place)
    printed = ran.stdout.decode()
    how = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert SAME.check_output(shown, printed, how), f"{command}\nshown:\n{shown}\nprinted:\n{printed}"


def test_the_python_example_runs(place: dict) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    ran = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=True, **place)
    assert ran.stdout == "fine Compute what a late reader pays, in euros.\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_described(name: str) -> None:
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S))
    assert name in sections, f"docs/commands.md has no section on {name}"
    shared = sections["search"] if name == "related" else ""
    options = [option for option in group.get_command(None, name).params if isinstance(option, click.Option) and not option.hidden]
    missing = [option.opts[-1] for option in options if not any(written in sections[name] + shared for written in option.opts)]
    assert not missing, f"section {name} of docs/commands.md lacks {missing}"
