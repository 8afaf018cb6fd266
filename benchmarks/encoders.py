#!/usr/bin/env python3
"""What encoders find by vectors alone: Wayfind's beside others and BM25, each task in one run, with paired intervals.

    encoders.py --system base=src/wayfind/model/base --system MiniLM=ONNX_FOLDER --bench DIR --corpora DIR --trees DIR
                [--pairs DIR] [--clones DIR] [--cache DIR] [--tasks cosqa,files,kept,masked,commits,own,asked,unshared] [--pool 1000]

--system    a Wayfind bundle, or a folder with `model.onnx` and `vocab.txt` (see dense.py); the first is compared with the others
--bench     the folder of the development sets, with `data/`; --corpora: what their `prepare.py` laid out
--trees     OWNER+NAME folders of repositories; those of the learning part of training/repositories.yaml are asked
--clones    OWNER+NAME or NAME folders with history, of the same; for `asked` and `unshared` the repositories of those files, at their commits
--pairs     a build of `wayfind data build`, for MRR among its own held-out pairs: what the origin's 0.5774 was
--cache     keeps vectors, so that a second run encodes only what is new

The whole set writes benchmarks/results/encoders.txt.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import yaml
from dense import Dense, Document, opened
from measure import checked, heading, write_result

import wayfind
from wayfind.corpus.extract import extract
from wayfind.corpus.walk import walk
from wayfind.evaluate.from_commits import commit_queries, commit_tree, cut
from wayfind.evaluate.from_docstrings import first_sentence
from wayfind.evaluate.intervals import Interval, bootstrap, paired
from wayfind.evaluate.metrics import ndcg, reciprocal_rank
from wayfind.evaluate.queries import plain
from wayfind.index.tokens import STOP_WORDS, count, terms_of, words
from wayfind.index.vectors import LEFT_OUT
from wayfind.model.text import chunk_text
from wayfind.train.sources.masking import masked, without_documentation
from wayfind.train.sources.tree import Definition, read_tree

HERE = Path(__file__).parent
TASKS = ("cosqa", "files", "kept", "masked", "commits", "own", "asked", "unshared")
SEED = 0
FEWEST = 60
"""Documented functions that a language needs to be asked."""
MOST_CHUNKS = 800
"""Chunks of a corpus of the set `files` at most: larger ones would take hours without telling more."""
MOST_BYTES = 1_000_000
"""Code that is read of a repository."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the numbers of the documents that answer it."""

    text: str
    gold: frozenset[int]


@dataclass(frozen=True, slots=True)
class Pool:
    """Documents that are ranked for each question. `owner` of a document is what counts as found (a file of several chunks)."""

    documents: list[Document]
    questions: list[Question]
    owner: list[int]


@dataclass(frozen=True, slots=True)
class Task:
    """Pools of one kind, judged together: the mean over pools of the mean over questions."""

    name: str
    figure: str
    pools: dict[str, Pool]


def main() -> int:
    options = arguments()
    tasks = [task for name in options.tasks for task in MAKERS[name](options)]
    systems = [opened(name, Path(folder), options.threads, options.longest) for name, _, folder in (one.partition("=") for one in options.system)]
    text = heading("What encoders find by vectors alone, 95 % intervals over questions") + "\n" + report(tasks, systems, options.cache) + "\n" + speed(tasks, systems)
    if set(options.tasks) == set(TASKS) and options.write:
        write_result("encoders.txt", text)
    else:
        print(text)
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--system", action="append", required=True, metavar="NAME=FOLDER")
    for place in ("bench", "corpora", "trees", "clones", "pairs", "cache"):
        parser.add_argument(f"--{place}", type=Path)
    parser.add_argument("--tasks", type=lambda text: text.split(","), default=list(TASKS))
    parser.add_argument("--pool", type=int, default=1000, help="functions of a language that a docstring is asked of")
    parser.add_argument("--asked", type=int, default=150, help="questions a language or repository at most")
    parser.add_argument("--repositories", default="encode/uvicorn,immerjs/immer,rs/zerolog,stretchr/testify,CLIUtils/CLI11", help="whose commits are asked")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--longest", type=int, default=256, help="tokens that a foreign encoder reads")
    parser.add_argument("--write", action="store_true", help="keep the result in benchmarks/results")
    return parser.parse_args()


def report(tasks: Sequence[Task], systems: Sequence[Dense], kept_in: Path | None) -> str:
    """Each task: a line a system, and a line for the first one's difference to each other."""
    lines = []
    for task in tasks:
        figures: dict[str, list[float]] = {"BM25": judged(task, [lexical(pool) for pool in task.pools.values()])}
        for system in systems:
            figures[system.name] = judged(task, [cosines(pool, system, kept_in) for pool in task.pools.values()])
        asked, sizes = sum(len(pool.questions) for pool in task.pools.values()), [len(pool.documents) for pool in task.pools.values()]
        lines.append(f"{task.name}: {task.figure}, {asked} questions, {len(sizes)} pool{'s' * (len(sizes) > 1)} of {min(sizes)}{f' to {max(sizes)}' * (len(set(sizes)) > 1)}")
        first = figures[systems[0].name]
        for name, values in figures.items():
            against = "" if values is first else f"   {systems[0].name} {shown(paired(first, values, seed=SEED), '+.3f')}"
            lines.append(f"  {name:16} {shown(bootstrap(values, seed=SEED), '.3f')}{against}")
        if len(task.pools) > 1:
            lines.append("  " + by_pool(task, figures[systems[0].name]))
    return "\n".join(lines) + "\n"


def shown(interval: Interval, form: str) -> str:
    return f"{interval.mean:{form}} [{interval.low:{form}}, {interval.high:{form}}]"


def by_pool(task: Task, values: Sequence[float]) -> str:
    """The first system's figure for each pool."""
    parts, at = [], 0
    for name, pool in task.pools.items():
        own = values[at : at + len(pool.questions)]
        at += len(own)
        parts.append(f"{name} {np.mean(own) * len(own) * len(task.pools) / len(values):.2f}")
    return ", ".join(parts)


def judged(task: Task, scores: Sequence[np.ndarray]) -> list[float]:
    """One figure a question, weighted so that their mean is the mean over pools."""
    figure = ndcg if task.figure.startswith("nDCG") else reciprocal_rank
    total = sum(len(pool.questions) for pool in task.pools.values())
    values = []
    for pool, table in zip(task.pools.values(), scores):
        for question, row in zip(pool.questions, table):
            ranking = list(dict.fromkeys(pool.owner[i] for i in np.argsort(-row, kind="stable")[:400].tolist()))
            values.append(figure(ranking, question.gold, 10) * total / (len(pool.questions) * len(task.pools)))
    return values


def cosines(pool: Pool, system: Dense, kept_in: Path | None) -> np.ndarray:
    """Score of every document for every question."""
    documents = kept(kept_in, system, "documents", pool.documents, system.documents)
    questions = kept(kept_in, system, "questions", [question.text for question in pool.questions], system.questions)
    return questions @ documents.T


def kept(kept_in: Path | None, system: Dense, what: str, texts: Sequence, make: Callable[[Sequence], np.ndarray]) -> np.ndarray:
    """Vectors from the cache, or made and put there."""
    file = kept_in and kept_in / f"{hashlib.sha256(json.dumps([system.id, what, texts]).encode()).hexdigest()[:24]}.npy"
    if file and file.exists():
        return np.load(file)
    began = time.monotonic()
    made = make(texts)
    print(f"{system.name}: {len(texts)} {what} in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    if file:
        kept_in.mkdir(parents=True, exist_ok=True)
        np.save(file, made)
    return made


def lexical(pool: Pool, k1: float = 1.2, b: float = 0.75) -> np.ndarray:
    """BM25 (Robertson and Zaragoza 2009) over the terms of the same texts that are encoded; Wayfind's words and stop words."""
    counts = [count(chunk_text(*document)) for document in pool.documents]
    lengths = np.array([max(1, sum(one.values())) for one in counts], float)
    holders: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for number, one in enumerate(counts):
        for term, times in one.items():
            holders[term].append((number, times))
    scores = np.zeros((len(pool.questions), len(counts)))
    for row, question in zip(scores, pool.questions):
        for term in {term for word in words(question.text) if word.lower() not in STOP_WORDS for term in terms_of(word)}:
            if found := holders.get(term):
                where, times = np.array(found).T
                rarity = np.log(1 + (len(counts) - len(found) + 0.5) / (len(found) + 0.5))
                row[where] += rarity * times * (k1 + 1) / (times + k1 * (1 - b + b * lengths[where] / lengths.mean()))
    return scores


def speed(tasks: Sequence[Task], systems: Sequence[Dense], texts: int = 64, rounds: int = 3) -> str:
    """How many times faster the first system encodes than each other: the same chunks, the best of several turns taken in turn."""
    found = next(iter(tasks[0].pools.values())).documents
    documents = random.Random(SEED).sample(found, min(texts, len(found)))
    best = {system.name: float("inf") for system in systems}
    for _ in range(rounds):
        for system in systems:
            began = time.perf_counter()
            system.documents(documents)
            best[system.name] = min(best[system.name], time.perf_counter() - began)
    first = best[systems[0].name]
    return "encoding speed, the same cores and chunks, each as long as it reads: " + ", ".join(f"{systems[0].name} {seconds / first:.1f} times {name}" for name, seconds in best.items() if name != systems[0].name)


# Tasks.


def cosqa(options: argparse.Namespace) -> Iterator[Task]:
    """Questions asked of a web search, of functions without their docstrings; development half."""
    asked = [json.loads(line) for line in open(options.bench / "data" / "cosqa.queries.jsonl", encoding="utf-8")]
    files = sorted((options.corpora / "cosqa").glob("*.py"))
    number = {int(file.stem): place for place, file in enumerate(files)}
    documents: list[Document] = []
    for file in files:
        record = extract(file.read_bytes(), file.name)
        symbols = [] if isinstance(record, str) else [chunk.symbol for chunk in record.chunks if chunk.symbol]
        documents.append(("", symbols[0] if symbols else None, file.read_text(encoding="utf-8")))
    questions = [Question(row["query"], frozenset([number[row["gold"]]])) for row in asked]
    yield Task("cosqa, development half", "MRR@10", {"cosqa": Pool(documents, questions, list(range(len(documents))))})


def files(options: argparse.Namespace) -> Iterator[Task]:
    """The set `files`, without a ranker: files by their best chunk. Corpora of at most `MOST_CHUNKS` chunks."""
    asked: defaultdict[str, list[dict]] = defaultdict(list)
    for line in open(options.bench / "data" / "files.queries.jsonl", encoding="utf-8"):
        row = json.loads(line)
        asked[row["corpus"]].append(row)
    pools = {}
    for corpus, rows in sorted(asked.items()):
        documents, owner, paths = chunks_of(options.corpora / "files" / corpus, MOST_CHUNKS)
        if not 0 < len(documents) <= MOST_CHUNKS:
            continue
        number = {path: place for place, path in enumerate(paths)}
        questions = [Question(row["query"], frozenset(number.get(gold["path"], -1 - place) for place, gold in enumerate(row["gold"]))) for row in rows]
        pools[corpus] = Pool(documents, questions, owner)
    yield Task(f"files without ranker, corpora of at most {MOST_CHUNKS} chunks", "nDCG@10", pools)


def chunks_of(root: Path, most: int) -> tuple[list[Document], list[int], list[str]]:
    """The chunks of a folder that get a vector, the number of each one's file, and the files."""
    documents: list[Document] = []
    owner: list[int] = []
    paths = [file.path for file in walk(root).files]
    for number, path in enumerate(paths):
        record = extract((root / path).read_bytes(), path)
        for chunk in () if isinstance(record, str) else record.chunks:
            if chunk.kind not in LEFT_OUT:
                documents.append((path, chunk.symbol, record.lines(chunk.start_line, chunk.end_line)))
                owner.append(number)
        if len(documents) > most:
            break
    return documents, owner, paths


def docstrings(options: argparse.Namespace, hidden: bool) -> Iterator[Task]:
    """The first sentence of a function's documentation asks for it, among functions of its language without documentation."""
    pools = {}
    for language, definitions in sorted(functions(options.trees).items()):
        pool = of_docstrings(definitions, options, hidden)
        if len(pool.questions) >= min(FEWEST, options.asked) and len(pool.documents) >= options.pool // 2:
            pools[language] = pool
    best = sorted(pools, key=lambda language: -len(pools[language].documents) * 1000 - len(pools[language].questions))[:10]
    name = "name masked" if hidden else "name kept"
    yield Task(f"docstring to function, {name}, unseen repositories", "MRR@10", {language: pools[language] for language in sorted(best)})


@cache
def functions(trees: Path) -> dict[str, list[Definition]]:
    """Language -> the functions of the learning part's repositories."""
    found: defaultdict[str, list[Definition]] = defaultdict(list)
    for name in learning():
        if (root := trees / name.replace("/", "+")).is_dir():
            for one in read_tree(root, MOST_BYTES).definitions:
                if one.kind in ("function", "method") and not one.is_test and len(one.lines) > 2:
                    found[one.language].append(one)
    return found


def of_docstrings(definitions: Sequence[Definition], options: argparse.Namespace, hidden: bool) -> Pool:
    drawn = random.Random(SEED).sample(definitions, len(definitions))
    drawn.sort(key=lambda one: not one.docstring())
    documents: list[Document] = []
    questions: dict[str, int] = {}
    seen: set[str] = set()
    for one in drawn:
        lines = without_documentation(one)
        if lines is None or len(documents) >= options.pool or (text := one.encoded(lines)) in seen:
            continue
        seen.add(text)
        asked = plain(first_sentence(one.docstring(), one.symbol or ""))
        if len(asked.split()) >= 4 and len(questions) < options.asked:
            questions.setdefault(asked, len(documents))
        documents.append(("", None, masked(text, one.symbol or "")) if hidden else (one.path, one.symbol, "\n".join(lines)))
    return Pool(documents, [Question(text, frozenset([place])) for text, place in questions.items()], list(range(len(documents))))


def learning() -> list[str]:
    """The repositories of the learning part: no model was trained on them."""
    listed = yaml.safe_load((HERE.parent / "training" / "repositories.yaml").read_text(encoding="utf-8"))
    return [row["name"] for row in listed["repositories"] if row.get("part") == "learning"]


def commits(options: argparse.Namespace) -> Iterator[Task]:
    """A commit's subject asks for the functions that it changes, among all functions of the tree before it."""
    pools = {}
    for name in options.repositories.split(","):
        places = [options.clones / name.replace("/", "+"), options.clones / name.rpartition("/")[2]]
        root = next((place for place in places if place.is_dir()), None)
        if root is None or isinstance(history := cut(root), str):
            print(f"{name}: left out, no history", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as scratch:
            folder = commit_tree(history, Path(scratch, "tree"))
            definitions = [one for one in read_tree(folder, MOST_BYTES).definitions if one.kind in ("function", "method") and one.symbol and not one.is_test]
            asked = commit_queries(root, folder, history, definitions, limit=options.asked)
        place = {(one.path, one.symbol): number for number, one in enumerate(definitions)}
        questions = [Question(query.text, frozenset(place[gold.path, gold.symbol] for gold in query.gold)) for query in asked.queries]
        if questions:
            pools[name] = Pool([(one.path, one.symbol, one.text()) for one in definitions], questions, list(range(len(definitions))))
    yield Task("commit subject to functions, unseen repositories", "MRR@10", pools)


def own(options: argparse.Namespace) -> Iterator[Task]:
    """Held-out pairs of the training data itself: the kind of score that the origin gave as 0.5774."""
    rows = [json.loads(line) for file in sorted((options.pairs / "valid").glob("*.gz")) for line in gzip.open(file, "rt", encoding="utf-8")]
    kinds = Counter(row["kind"] for row in rows)
    for kind in ("docstring", None):
        some = [row for row in rows if kind in (None, row["kind"])]
        some = random.Random(SEED).sample(some, min(options.pool, len(some)))
        pool = Pool([("", None, row["code"]) for row in some], [Question(row["query"], frozenset([i])) for i, row in enumerate(some)], list(range(len(some))))
        what = f"{kind} pairs" if kind else f"pairs of all {len(kinds)} kinds"
        yield Task(f"the training data's own held-out {what}", "MRR@10", {"own": pool})


def written(options: argparse.Namespace, file: str, what: str) -> Iterator[Task]:
    """Questions as people put them, of functions and methods outside tests: the right ones and others, at most `pool`."""
    pools = {}
    for name, part in yaml.safe_load((HERE / file).read_text(encoding="utf-8")).items():
        root = checked(options.clones, name, part["commit"])
        gold = [frozenset(tuple(place.split(":", 1)) for place in question["relevant"]) for question in part["questions"]]
        right = frozenset[tuple[str, str]]().union(*gold)
        with tempfile.TemporaryDirectory() as home, wayfind.open(root, home=home, commits=0) as repo:
            repo.refresh()
            chunks = sorted((one for one in repo.chunks() if one.kind in ("function", "method") and not one.is_test), key=lambda one: (one.path, one.start_line))
            random.Random(SEED).shuffle(chunks)
            chunks.sort(key=lambda one: (one.path, one.symbol) not in right)
            documents = [(one.path, one.symbol, one.text()) for one in chunks[: options.pool]]
        found = [frozenset(number for number, one in enumerate(documents) if one[:2] in places) for places in gold]
        pools[name] = Pool(documents, [Question(question["ask"], places) for question, places in zip(part["questions"], found) if places], list(range(len(documents))))
    yield Task(what, "MRR@10", pools)


MAKERS: dict[str, Callable[[argparse.Namespace], Iterator[Task]]] = {
    "cosqa": cosqa,
    "files": files,
    "kept": lambda options: docstrings(options, False),
    "masked": lambda options: docstrings(options, True),
    "commits": commits,
    "own": own,
    "asked": lambda options: written(options, "asked.yaml", "written questions, unseen repositories"),
    "unshared": lambda options: written(options, "unshared.yaml", "questions without a word of the answer's code, unseen repositories"),
}


if __name__ == "__main__":
    sys.exit(main())
