"""Learning on public repositories: report-part figures before and after, kept or not, and what the gate makes of shuffled answers.

    python benchmarks/learning.py run FOLDER_OR_MIRROR … --results FILE [--shuffled N] [--full] [--home FOLDER] [--clones FOLDER]

Each repository is cloned from where it lies (nothing is fetched), indexed and learned from as `wayfind learn` does. One line of JSON a
run is appended to FILE; `python benchmarks/learning.py table FILE` prints the table. With --shuffled N every repository is learned from
N times with the answers exchanged between the questions, seeds 1 to N, which the gate must refuse. --full also tunes the encoder
(`learn --full`, extra [train]) and says what either brings a second.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import wayfind
from wayfind.train.adapt.gate import summary
from wayfind.train.adapt.run import Learnt, learnings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    actions = parser.add_subparsers(dest="action", required=True)
    run = actions.add_parser("run")
    run.add_argument("repositories", nargs="+", type=Path)
    run.add_argument("--results", type=Path, required=True)
    run.add_argument("--shuffled", type=int, default=0)
    run.add_argument("--full", action="store_true")
    run.add_argument("--home", type=Path)
    run.add_argument("--clones", type=Path, help="where the clones stay, so that a second run finds them indexed in --home")
    table = actions.add_parser("table")
    table.add_argument("results", type=Path)
    given = parser.parse_args()
    if given.action == "table":
        print(table_of([json.loads(line) for line in given.results.read_text().splitlines()]))
    else:
        with tempfile.TemporaryDirectory(prefix="learning-") as scratch:
            for place in given.repositories:
                for line in runs(place, given.clones or Path(scratch), given.home or Path(scratch) / "home", given.shuffled, given.full):
                    with open(given.results, "a", encoding="utf-8") as out:
                        out.write(json.dumps(line) + "\n")


def runs(place: Path, clones: Path, home: Path, shuffled: int, full: bool):
    """One line for the repository as it is, then one for every run with shuffled answers, then one for the tuned encoder."""
    name = name_of(place)
    root = clone(place, clones / name.replace("/", "+"))
    with closing(wayfind.open(root, home=home)) as repository:
        repository.refresh()
        repository.encode()
        used = time.process_time()
        for seed, learnt in enumerate(learnings(repository, [None, *range(1, shuffled + 1)])):
            yield line_of(name, repository.snapshot().chunks, learnt, seed, learnt.seconds, time.process_time() - used)
            used = time.process_time()
        if full:
            from wayfind.model.bundle import TUNED
            from wayfind.train.finetune import Plan, tune

            tuned = tune(repository, Plan(), lambda line: None, lambda *stage: None)
            shutil.rmtree(repository.tree.folder / TUNED)
            learnt = Learnt(None, tuned.verdict, {"lessons": tuned.lessons}, gate=tuned.gate, report=tuned.report, general=tuned.general)
            yield line_of(name, repository.snapshot().chunks, learnt, 0, sum(tuned.seconds.values()), time.process_time() - used) | {"full": tuned.seconds, "epochs": tuned.mrr}


def clone(place: Path, target: Path) -> Path:
    """A clone of a repository or of a bare mirror on this machine, its objects shared."""
    if not target.exists():
        subprocess.run(["git", "clone", "-q", "--shared", os.fspath(place), os.fspath(target)], check=True)
    return target


def name_of(place: Path) -> str:
    """`owner/name` of a mirror `owner+name/repo`, else the folder's name."""
    return (place.parent if place.name == "repo" else place).name.replace("+", "/")


def line_of(name: str, chunks: int, learnt: Learnt, shuffled: int, seconds: float, processor: float) -> dict:
    return {
        "repository": name, "chunks": chunks, "shuffled": shuffled, "kept": learnt.verdict.kept, "why": learnt.verdict.why,
        "lessons": learnt.counts, "tried": learnt.tried, "components": learnt.adaptation.about["components"] if learnt.adaptation else [],
        "weights": learnt.adaptation.about.get("weights") if learnt.adaptation else None,
        "gate": summary(learnt.gate), "report": summary(learnt.report), "general": summary(learnt.general),
        "seconds": round(seconds, 1), "processor_seconds": round(processor, 1),
    }  # fmt: skip


def table_of(lines: list[dict]) -> str:
    """The runs as text, report part, and how many of the shuffled ones were kept."""
    rows = []
    for line in (one for one in lines if not one["shuffled"]):
        done = "encoder tuned" if "full" in line else ", ".join(line["components"]) or "nothing"
        rows.append(f"{line['repository']}: {line['chunks']:,} chunks, {'kept' if line['kept'] else 'not kept'} ({line['why']}); {done}")
        gain = line["report"].get("all MRR@10", {"gain": [0.0]})["gain"][0]
        rows.append(f"  {sum(line['lessons'].values()):,} lessons, {line['processor_seconds']:.0f} s of processor time, {1e4 * gain / line['processor_seconds']:+.2f} ten-thousandths of MRR@10 a second")
        for name, of in line["report"].items():
            before, after, gain = (of[key] for key in ("before", "after", "gain"))
            mark = "*" if gain[1] > 0 else "-" if gain[2] < 0 else " "
            rows.append(f"  {name:<22} {before[0]:.3f} -> {after[0]:.3f}  {gain[0]:+.3f} [{gain[1]:+.3f}, {gain[2]:+.3f}] {mark} {gain[3]} questions")
    shuffled = [one for one in lines if one["shuffled"] and one["tried"]]
    if shuffled:
        judged = sum(bool(one["gate"]) for one in shuffled)
        rows.append(f"shuffled answers: {sum(one['kept'] for one in shuffled)} of {len(shuffled)} runs kept; {judged} came as far as the gate, the others were refused before")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
