"""What the learned vocabulary alone gives: questions held out from repositories, searched without it, with what a third of the files
teach, and with what all of them teach. Asked are functions of the other two thirds, by their documentation (withheld) and by the
subjects of the newest commits (the tree and its history end before them).

    WAYFIND_MODEL=none python benchmarks/vocabulary.py CLONE… --output benchmarks/results/vocabulary.txt

CLONE: a folder of a repository with its history. The figures are those of the search itself; intervals are paired, over questions.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wayfind.api import Repository, open_repository
from wayfind.evaluate.from_commits import commit_queries, commit_tree, cut
from wayfind.evaluate.from_docstrings import docstring_queries
from wayfind.evaluate.intervals import bootstrap, paired
from wayfind.evaluate.queries import Query, part
from wayfind.model.adaptation import made
from wayfind.model.bundle import current
from wayfind.search.searcher import Searcher
from wayfind.search.vocabulary import as_data
from wayfind.train.adapt import words
from wayfind.train.adapt.exams import Sheet, answered
from wayfind.train.adapt.lessons import lessons

FIGURES = ("MRR@10", "recall@10")
LEARNED = ("third", "all")


@dataclass(frozen=True, slots=True)
class Asked:
    """The questions of one kind of one repository, and what the search without and with the vocabularies gave."""

    repository: str
    kind: str
    questions: tuple[Query, ...]
    entries: dict[str, int]
    without: Sheet
    learned: dict[str, Sheet]


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    given.add_argument("clones", nargs="+", type=Path)
    given.add_argument("--limit", type=int, default=150, help="questions of a kind of one repository")
    given.add_argument("--output", type=Path)
    options = given.parse_args()
    lines = [f"commit {_commit()}; {' '.join(['python', *sys.argv])}; model {current().name if current() else 'none'}; 2 cores, no accelerator", ""]
    found: list[Asked] = []
    for clone in options.clones:
        for asked in _asked(clone.resolve(), options.limit):
            found.append(asked)
            for line in _rows([asked], f"{asked.repository} {asked.kind}"):
                print(line, flush=True)
    for kind in sorted({one.kind for one in found}):
        some = [one for one in found if one.kind == kind]
        for one in some:
            lines += _rows([one], f"{one.repository} {kind}")
        lines += [*_rows(some, f"together {kind}"), *_rows(some, f"together {kind}, unnamed", unnamed=True), ""]
    text = "\n".join(lines)
    print(text)
    if options.output:
        options.output.write_text(text)


def _asked(clone: Path, limit: int) -> Iterator[Asked]:
    with tempfile.TemporaryDirectory(prefix="wayfind-vocabulary-") as scratch, open_repository(clone, Path(scratch) / "home") as present:
        present.refresh()
        made_of_text = docstring_queries(clone, tuple(present.chunks()), Path(scratch) / "blank", limit=limit)
        if made_of_text.queries:
            with open_repository(made_of_text.root, Path(scratch) / "home") as copy:
                copy.refresh()
                copy.encode()
                yield from _tried(clone.name, "docstring", made_of_text.queries, copy)
        history = cut(clone)
        if not isinstance(history, str) and (folder := commit_tree(history, Path(scratch) / "cut")):
            with open_repository(folder, Path(scratch) / "home") as copy:
                copy.refresh()
                copy.encode()
                asked = commit_queries(clone, folder, history, tuple(copy.chunks()), limit=limit)
                yield from _tried(clone.name, "commit", asked.queries, copy)


def _tried(name: str, kind: str, queries: tuple[Query, ...], repository: Repository) -> Iterator[Asked]:
    questions = tuple(one for one in queries if part(one.gold[0].path) != "train")
    if not questions:
        return
    snapshot, known = repository.snapshot(), lessons(repository)
    tables = {"third": words.fit(known.of("train"), snapshot), "all": words.fit(known.lessons, snapshot)}
    model = current()
    adapted = {label: made(model.id if model else "", {}, {"words": as_data(table)}) for label, table in tables.items()}
    sheets = {label: answered(Searcher(snapshot, adaptation=one), questions) for label, one in adapted.items()}
    entries = {label: sum(len(word.meanings) for word in table.values()) for label, table in tables.items()}
    yield Asked(name, kind, questions, entries, answered(Searcher(snapshot), questions), sheets)


def _rows(some: list[Asked], label: str, unnamed: bool = False) -> list[str]:
    """One line for each vocabulary: questions, figure before, gain with its interval."""
    rows = []
    for learned in LEARNED:
        columns: defaultdict[str, list[list[float]]] = defaultdict(lambda: [[], []])
        for one in some:
            for question in one.questions:
                if question.unnamed or not unnamed:
                    for figure in FIGURES:
                        columns[figure][0].append(one.without.figures[question.id][figure])
                        columns[figure][1].append(one.learned[learned].figures[question.id][figure])
        if columns:
            cells = []
            for figure in FIGURES:
                gain = paired(columns[figure][1], columns[figure][0])
                cells.append(f"{figure} {bootstrap(columns[figure][0]).mean:.3f} {gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]")
            entries = sum(one.entries[learned] for one in some)
            rows.append(f"{label:<34} {learned:<5} {len(columns[FIGURES[0]][0]):>4} questions {entries:>6} entries  {'  '.join(cells)}")
    return rows


def _commit() -> str:
    return subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
