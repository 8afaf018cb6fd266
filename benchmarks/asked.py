#!/usr/bin/env python3
"""Written questions (asked.yaml) as a set for calibration.py: answerable, put to other repositories, and after the answer is deleted.

    asked.py --clones DIR --sets DIR [--home DIR]
    calibration.py signals --sets DIR --home DIR --out MODEL.npz          and with WAYFIND_MODEL=none: WORDS.npz
    asked.py --signals MODEL.npz --words WORDS.npz [--write]

--clones   NAME or OWNER+NAME folders of the repositories of asked.yaml, at the commits named there
--sets     is made: a folder of trees and `questions.jsonl`
--signals  prints how well the answerable ones are answered, with the model and by words alone; --write: into results/asked.txt

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

import numpy as np
import yaml
from calibration import read
from calibration_sets import removed, row, unanswered
from measure import heading, write_result


import wayfind
from wayfind.evaluate.intervals import bootstrap, paired
from wayfind.evaluate.queries import Gold, is_unnamed
from wayfind.evaluate.scratch import git
from wayfind.search import rank

HERE = Path(__file__).parent
DOMAINS = {
    "web server": ("koajs/koa", "slimphp/Slim", "puma/puma", "pallets/werkzeug"),
    "streams and clients": ("square/okio", "apache/commons-io", "square/retrofit"),
    "finding": ("BurntSushi/ripgrep", "junegunn/fzf"),
    "other": ("pallets/jinja",),
}
STYLES = {"sentences": range(8), "keywords": range(8, 14), "other words": range(14, 20)}
"""How the questions of a repository are put, by their order: sentences, phrases of three to six words, behaviour in other words than the
code's."""
FOREIGN = NEAR = 30
"""Questions of others that are put to a repository."""


def main() -> int:
    """Lay the trees out and write the questions, or judge the answers."""
    options = arguments()
    if options.signals:
        text = heading("Two hundred written questions, ten repositories of the ranker part; 95 % intervals over questions") + "\n" + table(options.signals, options.words)
        write_result("asked.txt", text) if options.write else print(text)
        return 0
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
    parser.add_argument("--clones", type=Path)
    parser.add_argument("--sets", type=Path)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--signals", type=Path)
    parser.add_argument("--words", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if not (options.signals and options.words or options.clones and options.sets):
        parser.error("give --clones and --sets, or --signals and --words")
    return options


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


def table(model: Path, words: Path) -> str:
    """Function MRR@10, share with a right function and with a right first file, by style, and the paired difference."""
    judged = {name: answered(path) for name, path in (("with the model", model), ("by words alone", words))}
    lines = [f"{'':14s} {'':22s} {'function MRR@10':>24s} {'function among ten':>24s} {'first file right':>24s}"]
    for style, places in {"all": range(20), **STYLES}.items():
        some = {name: found[np.isin(found[:, 0], list(places)), 1:] for name, found in judged.items()}
        for name, found in some.items():
            cells = [bootstrap(column.tolist()) for column in found.T]
            lines.append(f"{style:14s} {name:22s} " + " ".join(f"{cell.mean:8.3f} [{cell.low:.3f}, {cell.high:.3f}]" for cell in cells) + f"   {len(found)} questions")
        cells = [paired(after.tolist(), before.tolist()) for after, before in zip(*(found.T for found in some.values()))]
        lines.append(f"{style:14s} {'difference':22s} " + " ".join(f"{cell.mean:+8.3f} [{cell.low:+.3f}, {cell.high:+.3f}]" for cell in cells))
    return "\n".join(lines) + "\n"


def answered(path: Path) -> np.ndarray:
    """Of every answerable question: its place in its repository, MRR, whether a right function is among ten, whether the first file is right."""
    about, everything = read([path])
    asked = everything.some(everything.kind == "asked")
    weights, demoted = rank.WEIGHTS | rank.PROFILES["question"], np.array([rank.DEMOTED[name] for name in about["demotions"]])
    scores = asked.scores(np.array([weights[name] for name in asked.names]), demoted)
    near = asked.signals[:, asked.names.index("meaning")] * (1 - asked.taken * demoted).prod(1) * ~asked.hidden
    rows, seen = [], dict.fromkeys(asked.repository, 0)
    for number, (a, b) in enumerate(zip(asked.first, asked.first[1:])):
        order, damped = rank.damp(asked.file[a:b], np.round(scores[a:b], 9), rank.SEATS[-1] + 1)
        order = rank.seats(order, damped[order].tolist(), damped, np.round(near[a:b], 9))[0][:10]
        places, files = np.flatnonzero(asked.gold[a:b][order]), asked.file[a:b][order]
        right = len(files) and files[0] in asked.file[a:b][asked.gold[a:b]]
        rows.append((seen[asked.repository[number]], 1 / (places[0] + 1) if len(places) else 0.0, float(len(places) > 0), float(right)))
        seen[asked.repository[number]] += 1
    return np.array(rows)


if __name__ == "__main__":
    sys.exit(main())
