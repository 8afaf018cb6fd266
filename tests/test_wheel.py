"""The wheel as it is installed: built, unpacked, and asked to index and search where neither the network nor torch can be had."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import command, plant

ROOT = Path(__file__).parent.parent
GUARD = """
import sys


def refuse(event, told):
    if event == "import" and told[0].partition(".")[0] == "torch":
        raise ModuleNotFoundError("torch is not here")
    if event in ("socket.getaddrinfo", "socket.gethostbyname") or (event == "socket.connect" and not isinstance(told[1], (str, bytes))):
        raise AssertionError("network used")


sys.addaudithook(refuse)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Surroundings in which Python finds the unpacked wheel first, and a guard that runs before anything else."""
    pytest.importorskip("hatchling", reason="the wheel is built by hatchling, of the extra [test]")
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "dist"], cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (wheel,) = (folder / "dist").glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    plant(folder / "guard", {"sitecustomize.py": GUARD})
    return {"PYTHONPATH": os.pathsep.join(map(str, (folder / "guard", folder / "site"))), "WAYFIND_MODEL": "base"}


def run(code: str, env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], env={**os.environ, **env}, cwd=cwd, capture_output=True, text=True)


def test_the_wheel_indexes_and_searches_without_network_and_torch(installed, tmp_path):
    repository = plant(tmp_path / "repo", {"door.py": "def open_door(key):\n    return key.turn()\n", "lamp.py": "def light_lamp(match):\n    return match.strike()\n"})
    assert run("import wayfind; print(wayfind.__file__)", installed, tmp_path).stdout.startswith(installed["PYTHONPATH"].split(os.pathsep)[1])
    assert "network used" in run("import socket; socket.create_connection(('127.0.0.1', 9))", installed, tmp_path).stderr
    assert "torch is not here" in run("import torch", installed, tmp_path).stderr
    indexed = command("index", repository, home=tmp_path / "home", env=installed)
    assert indexed.returncode == 0, indexed.stderr
    found = command("search", "unlock the entrance door", "--json", home=tmp_path / "home", cwd=repository, env=installed)
    assert found.returncode == 0 and json.loads(found.stdout)["results"][0]["symbol"] == "open_door", found.stderr
