"""A newcomer's way from installation to the first useful answer, recorded as it happens.

    python benchmarks/first_use.py REPOSITORY [--query TEXT]… > docs/first-use.md

A fresh virtual environment and a fresh home are made in a temporary folder; the package is installed from the folder of this
file's repository, and each command runs as a person would type it. What is printed is what they would see, with the temporary
folder's name shortened. Needs what `pip install` needs; the rest is offline.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
LONGEST = 40
"""Lines of a command's output that are shown."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("repository", type=Path, help="a clone of a public repository")
    parser.add_argument("--query", action="append", help="what the newcomer asks; several are asked in turn")
    parser.add_argument("--place", help="FILE:LINE that is explained")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        record(Path(folder), given.repository, given.query or ["where are errors handled"], given.place)


def record(folder: Path, repository: Path, queries: list[str], place: str | None) -> None:
    """Print the page."""
    clone = folder / repository.name
    shutil.copytree(repository, clone, symlinks=True)
    venv.create(folder / "venv", with_pip=True)
    system = {name: value for name, value in os.environ.items() if name in ("LANG", "TMPDIR") or name.startswith("PIP_")}
    env = {**system, "HOME": str(folder / "home"), "PATH": f"{folder}/venv/bin{os.pathsep}/usr/bin{os.pathsep}/bin", "TERM": "dumb"}
    (folder / "home").mkdir()
    commit = subprocess.run(["git", "-C", str(HERE), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    print("# First use\n")
    print(f"Recorded by `benchmarks/first_use.py` at commit {commit}: a new virtual environment, a new home, a clone of {repository.name}. Seconds are of one run on a shared, busy machine.\n")
    began = time.monotonic()
    step(f"pip install --quiet {HERE}", clone, env, folder, shown="pip install /path/to/wayfind")
    step("wayfind --help", clone, env, folder)
    for query in queries:
        step(f'wayfind "{query}" -k 3', clone, env, folder)
    print(f"From the start of the installation to the last answer: {time.monotonic() - began:.0f} s.\n")
    if place:
        step(f"wayfind explain {place}", clone, env, folder)
    step("wayfind status", clone, env, folder)
    step("wayfind install claude --dry-run", clone, env, folder)
    step("wayfind how are errors handled", clone, env, folder)


def step(command: str, cwd: Path, env: dict[str, str], folder: Path, shown: str = "") -> None:
    """Run a command and print it, what it printed, and how long it took."""
    began = time.monotonic()
    ran = subprocess.run(["bash", "-c", command], cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    lines = ran.stdout.replace(str(folder), "~").splitlines() if not shown or ran.returncode else []
    cut = [f"… {len(lines) - LONGEST} more lines"] if len(lines) > LONGEST else []
    print("```console", f"$ {shown or command}", *lines[:LONGEST], *cut, "```", sep="\n")
    print(f"\n{time.monotonic() - began:.1f} s, exit code {ran.returncode}\n", flush=True)
    if shown and ran.returncode:
        sys.exit("the installation failed")


if __name__ == "__main__":
    main()
