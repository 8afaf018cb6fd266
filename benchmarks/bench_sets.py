#!/usr/bin/env python3
"""Run Wayfind over a public development set and let the referee score it.

    bench_sets.py --bench DIR --corpora DIR --set files|issues|cosqa --out RESULTS.jsonl [--only a,b] [--limit n] [--home DIR]
                  [--versus NAME=OTHER.jsonl ...]

--bench holds `data/` and `score.py`; --corpora is laid out by the `prepare.py` beside them. A whole set writes
`benchmarks/results/<set>.txt`; a part of one (--only, --limit) is scored on the terminal alone, over what was asked.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import wayfind
from wayfind.evaluate.baselines import Pool, hits, words
from wayfind.evaluate.queries import Hit
from wayfind.evaluate.referee import write_results

HERE = Path(__file__).resolve().parent
DEPTH = {"files": 10, "issues": 50, "cosqa": 10}
"""Results a query, as the referee looks at them."""
FILE_OF = {"files": "files.queries.jsonl", "issues": "issues.jsonl", "cosqa": "cosqa.queries.jsonl"}


def main() -> int:
    """Search every query of the set, corpus by corpus, then score."""
    options = arguments()
    corpora = queries_by_corpus(options)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="wayfind-bench-") as scratch:
        home = options.home or Path(scratch)
        written = write_results(options.out, answers(options, corpora, home))
    print(f"{written} queries in {time.monotonic() - began:.0f} s", file=sys.stderr)
    whole = not options.only and not options.limit
    table = scored(options) if whole else scored_in_part(options)
    for versus in options.versus if whole else ():
        name, _, other = versus.partition("=")
        table += f"\n{name}\n{referee(options.bench, options.set, other)}\nwayfind, and its paired difference to {name}\n"
        table += referee(options.bench, options.set, options.out, "--versus", other)
    print(table, end="")
    if whole:
        write_table(options, table)
    return 0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=Path, required=True)
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--set", choices=sorted(DEPTH), required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default="", help="corpora (files) or instances (issues), with commas")
    parser.add_argument("--limit", type=int, default=0, help="first n queries of the set")
    parser.add_argument("--home", type=Path, help="index folder to keep; default: a temporary one")
    parser.add_argument("--versus", action="append", default=[], metavar="NAME=FILE", help="results of another system to compare with, query by query")
    parser.add_argument("--system", choices=["wayfind", "words", "bm25"], default="wayfind", help="words: without the model; bm25: the plain baseline; neither is written to results/")
    parser.add_argument("--encode", action="store_true", help="make all vectors first; without it, each query encodes its best candidates")
    return parser.parse_args()


def queries_by_corpus(options: argparse.Namespace) -> dict[str, list[dict]]:
    """Corpus name -> its queries, in the order of the set."""
    rows = [json.loads(line) for line in open(options.bench / "data" / FILE_OF[options.set], encoding="utf-8")]
    only = set(filter(None, options.only.split(",")))
    corpora: defaultdict[str, list[dict]] = defaultdict(list)
    for row in rows[: options.limit or None]:
        name = {"files": row.get("corpus"), "issues": row["id"], "cosqa": "cosqa"}[options.set]
        if not only or name in only:
            corpora[name].append(row)
    if only - corpora.keys():
        sys.exit(f"not in the set: {', '.join(sorted(only - corpora.keys()))}")
    missing = [name for name in corpora if not folder_of(options, name).is_dir()]
    if missing:
        sys.exit(f"not in {options.corpora}: {', '.join(missing)}; lay them out with {options.bench / 'prepare.py'} --set {options.set}")
    return corpora


def folder_of(options: argparse.Namespace, corpus: str) -> Path:
    """Where prepare.py put a corpus."""
    return options.corpora / "cosqa" if options.set == "cosqa" else options.corpora / options.set / corpus


def answers(options: argparse.Namespace, corpora: dict[str, list[dict]], home: Path) -> Iterator[tuple[str, list[Hit]]]:
    """(query id, hits) of every query. One home for all: content shared between corpora is extracted once."""
    depth = DEPTH[options.set]
    for number, (name, rows) in enumerate(corpora.items(), 1):
        began = time.monotonic()
        repo = wayfind.open(folder_of(options, name), home=home)
        repo.refresh()
        if options.encode:
            repo.encode()
        search = words(Pool(repo, repo.root, ())) if options.system == "words" else None
        indexed = time.monotonic()
        for row in rows:
            if options.system == "bm25":
                yield row["id"], hits(repo.bm25(row["query"], k=depth))
            elif search:
                yield row["id"], search(row["query"], depth)
            else:
                yield row["id"], hits(repo.search(row["query"], k=depth, refresh=False).results)
        repo.close()
        searched = time.monotonic() - indexed
        print(f"[{number}/{len(corpora)}] {name}: index {indexed - began:.1f} s, {len(rows)} queries {searched:.1f} s", file=sys.stderr)


def scored(options: argparse.Namespace) -> str:
    """The referee's table for the whole set."""
    return referee(options.bench, options.set, options.out)


def referee(bench: Path, name: str, *arguments: str | Path) -> str:
    """What score.py prints."""
    return subprocess.run([sys.executable, bench / "score.py", name, *arguments], capture_output=True, text=True, check=True).stdout


def scored_in_part(options: argparse.Namespace) -> str:
    """The referee's table for the queries asked alone: it would count the others 0, so it gets a copy of its data without them."""
    asked = {json.loads(line)["id"] for line in open(options.out, encoding="utf-8")}
    if not asked:
        return "nothing was asked\n"
    with tempfile.TemporaryDirectory() as folder:
        bench = Path(folder)
        (bench / "data").mkdir()
        (bench / "score.py").write_bytes((options.bench / "score.py").read_bytes())
        name = FILE_OF[options.set]
        kept = [line for line in open(options.bench / "data" / name, encoding="utf-8") if json.loads(line)["id"] in asked]
        (bench / "data" / name).write_text("".join(kept), encoding="utf-8")
        return scored(argparse.Namespace(**{**vars(options), "bench": bench}))


def write_table(options: argparse.Namespace, table: str) -> None:
    """Keep the table with what is needed to make it again, without any path of this machine."""
    if options.system != "wayfind":
        return
    command = f"benchmarks/bench_sets.py --bench BENCH --corpora CORPORA --set {options.set} --out RESULTS.jsonl{' --encode' if options.encode else ''}"
    command += "".join(f" --versus {versus.partition('=')[0]}=OTHER.jsonl" for versus in options.versus)
    head = [
        f"set      {options.set}, development half, k={DEPTH[options.set]}",
        f"commit   {commit()}",
        f"machine  {len(os.sched_getaffinity(0))} cores, {processor()}",
        f"date     {datetime.date.today().isoformat()}",
        f"command  {command}",
    ]
    file = HERE / "results" / f"{options.set}.txt"
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join(head) + "\n\n" + table, encoding="utf-8")
    print(f"written: benchmarks/results/{file.name}", file=sys.stderr)


def commit() -> str:
    """The commit measured, and whether the code differed from it."""
    head = subprocess.run(["git", "-C", HERE, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    changed = subprocess.run(["git", "-C", HERE, "status", "--porcelain", "--", "../src"], capture_output=True, text=True, check=False).stdout
    return f"{head or 'unknown'}{' with changes' if changed else ''}"


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    sys.exit(main())
