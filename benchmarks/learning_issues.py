"""Issues before and after learning on the history before their fix alone.

    python benchmarks/learning_issues.py --issues ISSUES.jsonl --mirrors FOLDER --out FOLDER [--per-repository N] [--only OWNER/NAME,…] [--home FOLDER]

ISSUES.jsonl has one line an issue: id, repo, mirror (`owner+name` below FOLDER, a bare repository in `repo`), commit (the tree in which
the fix is still to be made), query, gold_files, gold_functions (`path:symbol`). At most N issues of a repository are drawn, by a hash of
their id. Each tree is checked out with the history up to its commit and nothing later, learned from as `wayfind learn` does, and
searched with what was kept. Writes before.jsonl and after.jsonl (id, hits), learned.jsonl, and prints file Acc@1 and function Acc@10
with 95 % bootstrap intervals and paired differences.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from collections import Counter
from contextlib import closing
from pathlib import Path

import wayfind
from wayfind.evaluate.intervals import bootstrap, paired
from wayfind.evaluate.scratch import tree_at
from wayfind.search.engine import Ask, search
from wayfind.search.searcher import Searcher
from wayfind.train.adapt.exams import Encoded, Known
from wayfind.train.adapt.run import learn

DEPTH = 50
CODES: dict[bytes, Encoded] = {}
"""Codes of chunks by what was read of them: the trees of a repository have most of them in common, and a code depends on the text alone."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("--issues", "--mirrors", "--out"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--per-repository", type=int, default=12)
    parser.add_argument("--only", default="")
    parser.add_argument("--home", type=Path)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    remember_codes()
    rows = drawn([json.loads(line) for line in given.issues.read_text().splitlines()], given.per_repository, given.only)
    done = {json.loads(line)["id"] for line in _lines(given.out / "learned.jsonl")}
    for row in rows:
        if row["id"] not in done:
            for name, line in zip(("before", "after", "learned"), tried(row, given.mirrors, given.out / "tree", given.home or given.out / "home")):
                with open(given.out / f"{name}.jsonl", "a", encoding="utf-8") as out:
                    out.write(json.dumps(line) + "\n")
    report(rows, given.out)


def remember_codes() -> None:
    """Have every exam of this process take what was encoded for another."""
    made = Known.__init__

    def shared(self: Known, repository: wayfind.Repository) -> None:
        made(self, repository)
        self._codes = CODES

    Known.__init__ = shared


def drawn(rows: list[dict], most: int, only: str) -> list[dict]:
    """At most so many issues of each repository."""
    taken: Counter[str] = Counter()
    chosen = []
    for row in sorted(rows, key=lambda row: hashlib.sha256(row["id"].encode()).hexdigest()):
        if (not only or row["repo"] in only.split(",")) and taken[row["repo"]] < most:
            taken[row["repo"]] += 1
            chosen.append(row)
    return sorted(chosen, key=lambda row: row["id"])


def tried(row: dict, mirrors: Path, tree: Path, home: Path) -> tuple[dict, dict, dict]:
    """What the issue finds before and after, and what was learned."""
    shutil.rmtree(tree, ignore_errors=True)
    tree_at(mirrors / row["mirror"] / "repo", tree, row["commit"])
    with closing(wayfind.open(tree, home=home, adapted=False)) as repository:
        repository.refresh()
        repository.encode()
        learnt = learn(repository)
        kept = learnt.adaptation if learnt.verdict.kept else None
        found = []
        for adaptation in (None, kept):
            answer = search(Searcher(repository.snapshot(), adaptation=adaptation), Ask(row["query"], DEPTH))
            found.append({"id": row["id"], "hits": [{"path": r.path, "start_line": r.start_line, "end_line": r.end_line, "symbol": r.symbol} for r in answer.results]})
        told = {"id": row["id"], "kept": learnt.verdict.kept, "why": learnt.verdict.why, "tried": learnt.tried, "chunks": repository.snapshot().chunks, "seconds": round(learnt.seconds, 1)}
    return found[0], found[1], told


def report(rows: list[dict], out: Path) -> None:
    """Print the figures."""
    answers = {name: {line["id"]: line["hits"] for line in map(json.loads, _lines(out / f"{name}.jsonl"))} for name in ("before", "after")}
    kept = [json.loads(line) for line in _lines(out / "learned.jsonl")]
    print(f"{len(kept)} issues; something was kept for {sum(one['kept'] for one in kept)}")
    for label, figure in (("file Acc@1", file_first), ("function Acc@10", function_in_ten)):
        asked = [row for row in rows if row["id"] in answers["after"] and (label[1] == "i" or row["gold_functions"])]
        before, after = ([figure(row, answers[name][row["id"]]) for row in asked] for name in ("before", "after"))
        if asked:
            cells = [f"{i.mean:.3f} [{i.low:.3f}, {i.high:.3f}]" for i in (bootstrap(before), bootstrap(after))]
            gain = paired(after, before)
            print(f"{label:<16} {cells[0]} -> {cells[1]}  {gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]  {len(asked)} issues")


def file_first(row: dict, hits: list[dict]) -> float:
    """1 where the first file is one that the fix changed."""
    return float(bool(hits) and hits[0]["path"] in row["gold_files"])


def function_in_ten(row: dict, hits: list[dict]) -> float:
    """1 where all definitions that the fix changed are among the first ten."""
    named = list(dict.fromkeys(f"{hit['path']}:{hit['symbol']}" for hit in hits if hit["symbol"]))[:10]
    return float(set(row["gold_functions"]) <= set(named))


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


if __name__ == "__main__":
    main()
