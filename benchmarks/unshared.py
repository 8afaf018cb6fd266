#!/usr/bin/env python3
"""Questions whose words do not occur in the answer's code (unshared.yaml): Wayfind beside BM25 and other encoders.

    unshared.py --clones DIR [--system MiniLM=ONNX_FOLDER] [--cache DIR] [--home DIR] [--write]
    unshared.py --clones DIR --check

--clones   NAME or OWNER+NAME folders of the repositories of unshared.yaml, at the commits named there
--system   other encoders whose vectors alone are judged: a Wayfind bundle, or a folder with `model.onnx` and `vocab.txt` (see dense.py)
--home     keeps the index and its vectors; --cache: the vectors of the others; a second run makes only what is new
--check    only say which questions share a word with their answer

All systems are judged by the functions and methods outside of tests that they return.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import yaml
from dense import Dense, opened
from encoders import kept
from measure import checked, heading, write_result

import wayfind
from wayfind.api import Repository
from wayfind.evaluate.baselines import Pool, hits, words
from wayfind.evaluate.intervals import bootstrap, paired
from wayfind.evaluate.metrics import ndcg, recall
from wayfind.evaluate.queries import Gold, Hit, judge
from wayfind.index import tokens

HERE = Path(__file__).parent
K = 10
DEPTH = 400
"""Results that are looked at for the first `K` that are functions."""
FIGURES = {"recall@10": recall, "nDCG@10": ndcg}


def main() -> int:
    options = arguments()
    asked = yaml.safe_load((HERE / "unshared.yaml").read_text(encoding="utf-8"))
    systems = [opened(name, Path(folder)) for name, _, folder in (one.partition("=") for one in options.system)]
    found: dict[str, list[dict[str, float]]] = {}
    shared = 0
    with tempfile.TemporaryDirectory(prefix="wayfind-unshared-") as scratch:
        for name, part in asked.items():
            folder = checked(options.clones, name, part["commit"])
            with wayfind.open(folder, home=options.home or Path(scratch)) as repo:
                repo.refresh()
                shared += sum(map(bool, map(len, (common(repo, question) for question in part["questions"]))))
                if options.check:
                    continue
                repo.encode()
                for system, question, ranking in answers(repo, part["questions"], systems, options.cache):
                    gold = [Gold(*place.split(":", 1)) for place in question["relevant"]]
                    items = judge(ranking, gold)
                    found.setdefault(system, []).append({figure: of(items, gold, K) for figure, of in FIGURES.items()})
    if shared:
        print(f"{shared} questions share a word with their answer", file=sys.stderr)
    if options.check:
        return int(shared > 0)
    text = heading("Sixty questions in words that do not occur in the answer's code, 95 % intervals over questions") + "\n" + table(found)
    print(text) if not options.write else write_result("unshared.txt", text)
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clones", type=Path, required=True)
    parser.add_argument("--system", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--write", action="store_true", help="keep the result in benchmarks/results")
    return parser.parse_args()


def common(repo: Repository, question: dict) -> set[str]:
    """Terms that a question has in common with the code, name and path of its answers; a missing answer stops the run."""
    asked = {term for word in tokens.words(question["ask"]) if word.lower() not in tokens.STOP_WORDS for term in tokens.terms_of(word)}
    said: list[str] = []
    for place in question["relevant"]:
        path, _, symbol = place.partition(":")
        texts = [chunk.text() for chunk in repo.chunks() if (chunk.path, chunk.symbol) == (path, symbol)]
        if not texts:
            sys.exit(f"no such place: {place}")
        said += [place, *texts]
    same = asked & set(tokens.terms("\n".join(said)))
    if same:
        print(f"{question['ask']!r} shares {', '.join(sorted(same))} with {question['relevant'][0]}", file=sys.stderr)
    return same


def answers(repo: Repository, questions: list[dict], systems: list[Dense], kept_in: Path | None) -> Iterator[tuple[str, dict, list[Hit]]]:
    """(system, question, hits) of every system and question."""
    plain, meanings = words(Pool(repo, repo.root, ())), repo.searcher().meanings
    chunks = [chunk for chunk in repo.chunks() if chunk.kind in ("function", "method") and not chunk.is_test]
    wanted = {(chunk.path, chunk.start_line) for chunk in chunks}

    def first(found: list[Hit]) -> list[Hit]:
        return [hit for hit in found if (hit.path, hit.start_line) in wanted][:K]

    for question in questions:
        yield "BM25", question, first(hits(repo.bm25(question["ask"], k=DEPTH)))
        yield "Wayfind by words", question, first(plain(question["ask"], DEPTH))
        yield "Wayfind", question, first(hits(repo.search(question["ask"], k=DEPTH, refresh=False).results))
        if meanings is not None:
            near = meanings.nearness(question["ask"])
            best = sorted(chunks, key=lambda chunk: -near[chunk.number])[:K]
            yield "Wayfind's vector alone", question, [Hit(one.path, one.start_line, one.end_line, one.symbol) for one in best]
    for system in systems:
        documents = kept(kept_in, system, "documents", [(chunk.path, chunk.symbol, chunk.text()) for chunk in chunks], system.documents)
        asked = kept(kept_in, system, "questions", [question["ask"] for question in questions], system.questions)
        for question, scores in zip(questions, asked @ documents.T):
            best = [chunks[i] for i in np.argsort(-scores, kind="stable")[:K]]
            yield f"{system.name}, vector alone", question, [Hit(one.path, one.start_line, one.end_line, one.symbol) for one in best]


def table(found: dict[str, list[dict[str, float]]]) -> str:
    """A line a system and figure; what Wayfind has more than each other system."""
    lines = []
    for figure in FIGURES:
        lines.append(f"{figure}, {len(found['Wayfind'])} questions")
        ours = [row[figure] for row in found["Wayfind"]]
        for name, rows in found.items():
            one, more = bootstrap([row[figure] for row in rows]), paired(ours, [row[figure] for row in rows])
            against = "" if name == "Wayfind" else f"   Wayfind {more.mean:+.3f} [{more.low:+.3f}, {more.high:+.3f}]"
            lines.append(f"  {name:24} {one.mean:.3f} [{one.low:.3f}, {one.high:.3f}]{against}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
