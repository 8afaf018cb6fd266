#!/usr/bin/env python3
"""What a latent model from random weights brings on the public development set of files, learned on each corpus by itself.

    latent_sets.py --bench DIR --corpora DIR --only aiohttp,axios,… --work FOLDER [--epochs N] [--set files|cosqa] [--table]

Four systems, by words alone and without the base model: lexical; the latent alone (`--level semantics`); both fused as the gate says, which
may be not at all; both fused with the signal's weight at 0.5 whatever the gate says. Each corpus is learned on as `wayfind learn --from random`
does. What is there already in --work is not made again; the table goes to benchmarks/results/latent_sets.txt.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

os.environ["WAYFIND_MODEL"] = "none"

import bench_sets  # noqa: E402

import wayfind  # noqa: E402
from wayfind.api import Repository  # noqa: E402
from wayfind.errors import UsageError  # noqa: E402
from wayfind.evaluate.baselines import hits  # noqa: E402
from wayfind.evaluate.referee import line  # noqa: E402
from wayfind.search.engine import Ask, search  # noqa: E402
from wayfind.search.latents import RECORD, as_json, folder_of, read_record  # noqa: E402

SYSTEMS = ("lexical", "latent alone", "fused by the gate", "fused at 0.5")
FIXED = 0.5
HERE = Path(__file__).resolve().parent


def main() -> int:
    """Learn, ask, and write the table."""
    options = arguments()
    for corpus, rows in bench_sets.queries_by_corpus(options).items():
        target = options.work / "answers" / options.set / f"{corpus}.json"
        if not options.table and not target.exists():
            began = time.process_time()
            made = one_corpus(bench_sets.folder_of(options, corpus), rows, options)
            made["cpu_seconds"] = round(time.process_time() - began, 1)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(json.dumps(made))
            print(f"{corpus}: {made['cpu_seconds']} s of processor time, {made['note']}", file=sys.stderr, flush=True)
    write_table(options)
    return 0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=Path, required=True)
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--set", choices=["files", "cosqa"], default="files")
    parser.add_argument("--only", default="")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--table", action="store_true")
    parser.set_defaults(limit=0)
    return parser.parse_args()


def one_corpus(folder: Path, rows: list[dict], options: argparse.Namespace) -> dict:
    """The answers of every system, and what learning said."""
    import torch

    from wayfind.train.latent_loop import Schedule
    from wayfind.train.latent_run import Wish, learn

    torch.set_num_threads(1)
    home, depth = options.work / "home", bench_sets.DEPTH[options.set]
    answers = {}
    with wayfind.open(folder, home=home, commits=0) as repository:
        repository.refresh()
        tree = repository.snapshot().folder
        answers["lexical"] = asked(repository, rows, depth)
        try:
            outcome = learn(repository, Wish(Schedule(epochs=options.epochs), anew=True), lambda line: None)
        except UsageError as refused:
            return {"answers": {name: answers["lexical"] for name in SYSTEMS}, "note": f"nothing learned: {str(refused).split('; it can')[0].rpartition('found ')[2]}", "weight": 0.0}
        answers["latent alone"] = asked(repository, rows, depth, level="semantics")
    record = outcome.record
    for name, weight in (("fused by the gate", record.weight), ("fused at 0.5", FIXED)):
        answers[name] = answers["lexical"] if not weight else fused(folder, home, tree, replace(record, weight=weight, beside=""), rows, depth)
    kept = read_record(tree)
    note = f"{outcome.learned.progress.best_epoch} epochs kept, gate weight {record.weight:g}"
    return {"answers": answers, "note": note, "weight": record.weight, "fusion": kept.figures.get("fusion", {}) if kept else {}, "figures": record.figures.get("report", {})}


def fused(folder: Path, home: Path, tree: Path, record, rows: list[dict], depth: int) -> list:
    """The answers with another record in use."""
    before = (folder_of(tree) / RECORD).read_bytes()
    (folder_of(tree) / RECORD).write_text(as_json(record))
    try:
        with wayfind.open(folder, home=home, commits=0) as repository:
            return asked(repository, rows, depth)
    finally:
        (folder_of(tree) / RECORD).write_bytes(before)


def asked(repository: Repository, rows: list[dict], depth: int, level: str = "") -> list:
    """(id, hits) of every query, as data."""
    searcher = repository.searcher()
    found = {row["id"]: hits(search(searcher, Ask(row["query"], depth, level=level)).results) for row in rows}
    return [(number, json.loads(line(number, own))["hits"]) for number, own in found.items()]


def write_table(options: argparse.Namespace) -> None:
    """The referee's figures of every system over the corpora that are there, and paired differences to the lexical one."""
    folder = options.work / "answers" / options.set
    made = {file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))}
    lines = [f"the latent model learned on each corpus, development set {options.set}, by words and latent alone (no base model)", f"commit   {bench_sets.commit()}", "machine  2 cores, no accelerator"]
    lines += [f"command  benchmarks/latent_sets.py --bench BENCH --corpora CORPORA --set {options.set} --only {','.join(made)} --work FOLDER --epochs {options.epochs}", ""]
    lines += [f"{name}: {one['note']}; {one.get('cpu_seconds', 0)} s of processor time" for name, one in made.items()]
    files = {}
    for system in SYSTEMS:
        files[system] = options.work / f"{options.set}-{system.replace(' ', '-')}.jsonl"
        with open(files[system], "w", encoding="utf-8") as out:
            for one in made.values():
                out.writelines(json.dumps({"id": number, "hits": found}) + "\n" for number, found in one["answers"][system])
    for system in SYSTEMS:
        lines += ["", system + ("" if system == "lexical" else ", and its paired difference to lexical"), *scored(options, files[system], files["lexical"] if system != "lexical" else None)]
    target = HERE / "results" / f"latent_{options.set}.txt"
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def scored(options: argparse.Namespace, answers: Path, versus: Path | None) -> Iterator[str]:
    """The referee's lines over the queries that were asked."""
    kept = {json.loads(line)["id"] for line in open(answers, encoding="utf-8")}
    bench = options.work / "bench"
    (bench / "data").mkdir(parents=True, exist_ok=True)
    (bench / "score.py").write_bytes((options.bench / "score.py").read_bytes())
    name = bench_sets.FILE_OF[options.set]
    lines = [line for line in open(options.bench / "data" / name, encoding="utf-8") if json.loads(line)["id"] in kept]
    (bench / "data" / name).write_text("".join(lines), encoding="utf-8")
    return bench_sets.referee(bench, options.set, answers, *(("--versus", versus) if versus else ())).splitlines()


if __name__ == "__main__":
    sys.exit(main())
