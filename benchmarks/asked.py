#!/usr/bin/env python3
"""Written questions (asked.yaml) as a set for calibration.py: answerable, put to other repositories, and after the answer is deleted.

    asked.py --clones DIR --sets DIR [--home DIR]
    calibration.py signals --sets DIR --home DIR --out FILE.npz

--clones   NAME or OWNER+NAME folders of the repositories of asked.yaml, at the commits named there
--sets     is made: a folder of trees and `questions.jsonl`

The documentation of what is asked for stays, as it is in a user's repository. `deleted`: every second question, asked again in a copy
without its functions, their documentation, and the tests that name them.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import yaml
from calibration_sets import removed, row, unanswered

import wayfind
from wayfind.evaluate.queries import Gold, is_unnamed
from wayfind.evaluate.scratch import git

HERE = Path(__file__).parent
DOMAINS = {
    "web server": ("koajs/koa", "slimphp/Slim", "puma/puma", "pallets/werkzeug"),
    "streams and clients": ("square/okio", "apache/commons-io", "square/retrofit"),
    "finding": ("BurntSushi/ripgrep", "junegunn/fzf"),
    "other": ("pallets/jinja",),
}
FOREIGN = NEAR = 30
"""Questions of others that are put to a repository."""


def main() -> int:
    """Lay the trees out and write the questions."""
    options = arguments()
    asked = yaml.safe_load((HERE / "asked.yaml").read_text(encoding="utf-8"))
    rows: list[dict] = []
    options.sets.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="wayfind-asked-") as scratch:
        for name, part in asked.items():
            own = list(questions(name, part, options.clones, options.sets, options.home or Path(scratch)))
            rows += own
            print(name, len(own), flush=True)
    pool = [one for one in rows if one["kind"] == "asked"]
    rows += unanswered(pool, {name: f"{name.replace('/', '+')}/whole" for name in asked}, DOMAINS, {"near": NEAR, "foreign": FOREIGN})
    (options.sets / "questions.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return 0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clones", type=Path, required=True)
    parser.add_argument("--sets", type=Path, required=True)
    parser.add_argument("--home", type=Path)
    return parser.parse_args()


def questions(name: str, part: dict, clones: Path, sets: Path, home: Path) -> Iterator[dict]:
    """The questions of one repository; its trees are laid out."""
    clone = next((one for one in (clones / name.replace("/", "+"), clones / name.split("/")[1]) if one.is_dir()), None)
    if clone is None:
        sys.exit(f"{name} is not in {clones}")
    whole = sets / name.replace("/", "+") / "whole"
    lay_out(clone, part["commit"], whole)
    drawn = random.Random(name).sample(part["questions"], len(part["questions"]) // 2)
    with closing(wayfind.open(whole, home=home, commits=0)) as repo:
        repo.refresh()
        chunks = sorted(repo.chunks(), key=lambda chunk: (chunk.path, chunk.start_line, chunk.end_line))
        there = {(chunk.path, chunk.symbol) for chunk in chunks}
        for question in part["questions"]:
            gold = [tuple(place.split(":", 1)) for place in question["relevant"]]
            if lost := [place for place in gold if place not in there]:
                print(f"  not a definition: {lost[0][0]}:{lost[0][1]}", file=sys.stderr)
                continue
            unnamed = is_unnamed(question["ask"], [Gold(*place) for place in gold])
            yield row(name, f"{whole.parent.name}/whole", "asked", question["ask"], [list(place) for place in gold], unnamed, without_tests=True)
            if question in drawn:
                yield row(name, f"{whole.parent.name}/gone", "gone", question["ask"], [])
        golds = {tuple(place.split(":", 1)) for question in drawn for place in question["relevant"]}
        removed(golds, chunks, whole, whole.parent / "gone")


def lay_out(clone: Path, commit: str, folder: Path) -> None:
    """The files of a commit, without history."""
    if git(clone, "rev-parse", "HEAD").strip() != commit:
        sys.exit(f"{clone} is not at {commit}")
    folder.mkdir(parents=True)
    git(clone, "checkout-index", "--all", f"--prefix={folder.resolve()}/")


if __name__ == "__main__":
    sys.exit(main())
