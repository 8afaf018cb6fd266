#!/usr/bin/env python3
"""Choose the ranker's weights and the confidence's coefficients on repositories outside every benchmark, and say how well they generalise.

    calibration.py sets --trees DIR --sets DIR [--home DIR]       once: trees and questions (calibration_sets.py), no model
    calibration.py signals --sets DIR --home DIR --out FILE.npz [--only TREE,…]   once a model: vectors, then the signals of all candidates
    calibration.py fit --signals FILE.npz … [--write]             minutes: leave one repository out, then all; --write keeps the weights

`fit` prints what benchmarks/results/calibration.txt holds. --trees holds clones with history, `owner+name`.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import wayfind
from bench_sets import commit, processor
from wayfind.model.bundle import current
from wayfind.search import confidence, lexical, rank
from wayfind.search.query import parse

HERE = Path(__file__).resolve().parent
UNANSWERED = ("foreign", "near", "gone")
KEPT = 100
"""Candidates of a question whose signals are kept: the best by the present weights, by words and by meaning, and the right ones."""
TEMPERATURE = 10.0
"""Scores differ by tenths where ranks do; the softmax that is trained multiplies them by this."""
FILE_SHARE = 0.5
"""Weight of finding the file beside finding the function."""
PULL = 2e-3
"""How strongly weights are held to the present ones: what the questions do not decide stays as it is."""
STEPS, RATE = 150, 0.03
FOLDS = 6
OF_KIND = {"flat": 0.5}
"""Weight of a kind of question beside the others, 1: every second name is hidden in `flat`, which no repository does."""
FIXED = ("definition", "mentioned", "literal")
"""Signals that too few of the questions show: their weights stay."""


# Signals -----------------------------------------------------------------------------------------------------------------


def write_signals(sets: Path, home: Path, out: Path, only: tuple[str, ...] = ()) -> None:
    """Ask every question and keep the signals of its candidates, and what the confidence looks at."""
    rows = [json.loads(line) for line in open(sets / "questions.jsonl", encoding="utf-8")]
    by_tree: defaultdict[str, list[dict]] = defaultdict(list)
    for row in rows:
        if not only or any(part in row["tree"] for part in only):
            by_tree[row["tree"]].append(row)
    kept: dict[str, list] = defaultdict(list)
    heads: list[dict] = []
    for tree, asked in sorted(by_tree.items()):
        with closing(wayfind.open(sets / tree, home=home, workers=1)) as repo:
            repo.refresh()
            filled = repo.encode()
            for row in asked:
                keep(repo.searcher(), row, kept, heads)
        print(tree, len(asked), "asked,", filled.encoded if filled else 0, "encoded", flush=True)
    arrays = {name: np.concatenate(parts) for name, parts in kept.items()}
    bundle = current()
    about = {"signals": rank.SIGNALS, "demotions": rank.DEMOTIONS, "model": bundle.name if bundle else "none", "questions": heads}
    np.savez_compressed(out, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)


def keep(searcher, row: dict, kept: dict[str, list], heads: list[dict]) -> None:
    """Append one question's candidates."""
    query, snapshot = parse(row["text"]), searcher.snapshot
    found = lexical.score(snapshot, searcher.scales, query)
    chosen, signals, demotions = rank.features(searcher, query, found)
    wanted = {tuple(place) for place in row["gold"]}
    places = [(snapshot.paths[f], snapshot.symbols[c]) for f, c in zip(snapshot.file[chosen].tolist(), chosen.tolist())]
    gold = np.array([place in wanted or (place[0], None) in wanted for place in places], bool)
    weights = np.array([rank.WEIGHTS[name] for name in rank.SIGNALS])
    scores = (signals @ weights) * (1 - demotions * np.array(list(rank.DEMOTED.values()))).prod(1)
    best = set(np.flatnonzero(gold).tolist())
    for value in (scores, signals[:, rank.SIGNALS.index("lexical")], signals[:, rank.SIGNALS.index("meaning")]):
        best |= set(np.argsort(-value, kind="stable")[: KEPT // 2].tolist())
    some = np.array(sorted(best), np.int64)
    ranked = rank.ordered(searcher, query, (chosen, signals, demotions), 10)
    files = {path: number for number, path in enumerate(snapshot.paths)}
    heads.append({
        **{name: row[name] for name in ("repository", "kind", "unnamed")},
        "understood": query.kind, "candidates": len(some), "wanted_files": sum(path in files for path in {place[0] for place in wanted}),
        "sure": confidence.inputs(query, found, (chosen, signals, demotions), ranked, searcher.elsewhere(query)) if ranked else None,
    })  # fmt: skip
    hidden = searcher.is_test[snapshot.file[chosen]] if row["without_tests"] else np.zeros(len(chosen), bool)
    kept["signals"].append(signals[some].astype(np.float32))
    kept["taken"].append(demotions[some].astype(np.float32))
    kept["of_file"].append(snapshot.file[chosen][some].astype(np.int32))
    kept["gold"].append(gold[some])
    kept["hidden"].append(hidden[some])


# The ranker --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Questions:
    """Questions with an answer among their candidates, laid end to end."""

    names: tuple[str, ...]
    signals: np.ndarray  # [rows, signals]
    taken: np.ndarray  # [rows, demotions]
    file: np.ndarray
    gold: np.ndarray
    hidden: np.ndarray
    first: np.ndarray  # [questions + 1]
    repository: np.ndarray
    kind: np.ndarray
    wanted: np.ndarray
    """Files that hold an answer, [questions]."""

    def some(self, chosen: np.ndarray) -> Questions:
        """The questions of a mask."""
        rows = np.repeat(chosen, np.diff(self.first))
        first = np.concatenate([[0], np.cumsum(np.diff(self.first)[chosen])])
        parts = (getattr(self, name)[rows] for name in ("signals", "taken", "file", "gold", "hidden"))
        return Questions(self.names, *parts, first, self.repository[chosen], self.kind[chosen], self.wanted[chosen])

    def scores(self, weights: np.ndarray, demoted: np.ndarray) -> np.ndarray:
        """Score of every row; what is hidden comes last."""
        return np.where(self.hidden, -1.0, (self.signals @ weights) * (1 - self.taken * demoted).prod(1))


def read(paths: Sequence[Path]) -> tuple[dict, Questions]:
    """What `signals` wrote, in one file or in several of different trees."""
    abouts, parts = [], []
    for path in paths:
        with np.load(path, allow_pickle=False) as held:
            abouts.append(json.loads(held["about"].tobytes()))
            parts.append([held[name] for name in ("signals", "taken", "of_file", "gold", "hidden")])
    about = abouts[0] | {"questions": [head for one in abouts for head in one["questions"]]}
    if any(one["signals"] != about["signals"] or one["model"] != about["model"] for one in abouts):
        sys.exit("the files are of different models or versions; make them again with `calibration.py signals`")
    signals, taken, file, gold, hidden = (np.concatenate(arrays) for arrays in zip(*parts))
    heads = about["questions"]
    first = np.concatenate([[0], np.cumsum([head["candidates"] for head in heads])])
    column = {name: np.array([head[name] for head in heads]) for name in ("repository", "kind", "wanted_files")}
    asked = Questions(
        tuple(about["signals"]), signals.astype(np.float64), taken.astype(np.float64), file, gold, hidden, first, column["repository"], column["kind"], column["wanted_files"]
    )
    return about, asked


def train(asked: Questions, present: np.ndarray, demoted: np.ndarray) -> np.ndarray:
    """Weights, none below 0, that make the softmax over the candidates put the most on the right functions and their files.

    Loss: mean over questions of −log P(a right function) − FILE_SHARE · log P(a chunk of a right file) + PULL/2 · |w − present|²,
    every (repository, kind) with the root of its number of questions. Projected Adam; deterministic.
    """
    held = [bool((asked.gold[a:b] & ~asked.hidden[a:b]).any()) for a, b in zip(asked.first, asked.first[1:])]
    asked = asked.some(np.array(held))
    names = [f"{r} {k}" for r, k in zip(asked.repository, asked.kind)]
    of = {name: names.count(name) ** -0.5 for name in set(names)}
    share = np.array([of[name] * OF_KIND.get(kind, 1.0) for name, kind in zip(names, asked.kind)])
    share /= share.sum()
    start, question = asked.first[:-1], np.repeat(np.arange(len(names)), np.diff(asked.first))
    rows = asked.signals * (1 - asked.taken * demoted).prod(1)[:, None]
    in_file = np.concatenate([np.isin(asked.file[a:b], asked.file[a:b][asked.gold[a:b]]) for a, b in zip(asked.first, asked.first[1:])])
    targets = ((asked.gold & ~asked.hidden, 1.0), (in_file & ~asked.hidden, FILE_SHARE))
    free = np.array([name not in FIXED for name in asked.names])
    weights, mean, spread = present.copy(), np.zeros(len(present)), np.zeros(len(present))
    for step in range(1, STEPS + 1):
        scores = TEMPERATURE * (rows @ weights)
        odds = np.exp(scores - np.maximum.reduceat(scores, start)[question]) * ~asked.hidden
        whole = odds / np.add.reduceat(odds, start)[question]
        pull = np.zeros(len(odds))
        for right, times in targets:
            part = odds * right
            pull += times * (whole - part / np.add.reduceat(part, start)[question])
        gradient = (TEMPERATURE * rows.T @ (pull * share[question]) + PULL * (weights - present)) * free
        mean, spread = 0.9 * mean + 0.1 * gradient, 0.99 * spread + 0.01 * gradient**2
        rate = RATE if step < STEPS * 2 // 3 else RATE / 4
        move = (mean / (1 - 0.9**step)) / (np.sqrt(spread / (1 - 0.99**step)) + 1e-9)
        weights = np.maximum(weights - rate * move * free, 0.0)
    return weights


def measured(asked: Questions, scores: np.ndarray, damping: float) -> dict[str, tuple[float, float, int]]:
    """Kind -> MRR@10 over functions, nDCG@10 over files, questions; each the mean over repositories."""
    found: defaultdict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for number, (a, b) in enumerate(zip(asked.first, asked.first[1:])):
        order, _ = rank.damp(asked.file[a:b], np.round(scores[a:b], 9), 10, damping)
        at = np.flatnonzero(asked.gold[a:b][order] & ~asked.hidden[a:b][order])
        right = set(asked.file[a:b][asked.gold[a:b]].tolist())
        files = list(dict.fromkeys(asked.file[a:b][order].tolist()))
        gain = sum(1 / np.log2(place + 2) for place, file in enumerate(files) if file in right)
        most = sum(1 / np.log2(place + 2) for place in range(min(max(int(asked.wanted[number]), 1), 10)))
        found[asked.kind[number], asked.repository[number]].append((1 / (at[0] + 1) if len(at) else 0.0, gain / most))
    kinds = sorted({kind for kind, _ in found})
    means = {kind: np.mean([np.mean(values, 0) for (k, _), values in found.items() if k == kind], 0) for kind in kinds}
    return {kind: (*means[kind], sum(len(v) for (k, _), v in found.items() if k == kind)) for kind in kinds}


def mean(figures: dict[str, tuple[float, float, int]]) -> float:
    """One number: functions and files alike, every kind alike."""
    return float(np.mean([value for row in figures.values() for value in row[:2]]))


def left_out(asked: Questions, present: np.ndarray, demoted: np.ndarray) -> np.ndarray:
    """The score of every row by weights that were trained without its repository (FOLDS groups of repositories)."""
    scores = np.zeros(len(asked.signals))
    repositories = sorted(set(asked.repository))
    for fold in range(min(FOLDS, len(repositories))):
        out = np.isin(asked.repository, repositories[fold::FOLDS])
        weights = train(asked.some(~out), present, demoted)
        rows = np.repeat(out, np.diff(asked.first))
        scores[rows] = asked.some(out).scores(weights, demoted)
    return scores


def fit(paths: Sequence[Path], write: bool) -> str:
    """Weights from the signals, for questions and for long texts, and how well they do on repositories that they have not seen.
    They are kept where that is better than the present ones do."""
    about, everything = read(paths)
    understood = np.array([head["understood"] for head in about["questions"]])
    answered = np.array([kind not in (*UNANSWERED, "name") for kind in everything.kind])
    demoted = np.array([rank.DEMOTED[name] for name in about["demotions"]])
    table, kept = [f"model {about['model']}", f"{'':36s} {'function MRR@10':>24s} {'file nDCG@10':>24s}"], {}
    table.append(f"{'asked':12s} {'':11s} {'n':>5s} {'':6s} {'present':>12s} {'left out':>12s} {'present':>12s} {'left out':>12s}")
    for group, kinds, section in (("question", ("question",), "question"), ("long", ("text", "trace", "code"), "long")):
        asked = everything.some(answered & np.isin(understood, kinds))
        if len(asked.kind) < FOLDS:
            continue
        base = rank.WEIGHTS | rank.PROFILES[section]
        present = np.array([base[name] for name in asked.names])
        damping = rank.DAMPING.get(section, rank.DAMPING[""])
        before, after = (measured(asked, scores, damping) for scores in (asked.scores(present, demoted), left_out(asked, present, demoted)))
        for kind, (function, file, number) in before.items():
            table.append(f"{group:12s} {kind:11s} {number:5d} {'':6s} {function:12.3f} {after[kind][0]:12.3f} {file:12.3f} {after[kind][1]:12.3f}")
        table.append(f"{group:12s} {'mean':11s} {'':5s} {'':6s} {mean(before):12.4f} {mean(after):12.4f}")
        weights = train(asked, present, demoted)
        if mean(after) <= mean(before):
            table.append("  no better on repositories left out: the present weights stay; those trained on all would be")
        else:
            kept[section] = {name: round(float(new), 3) for name, old, new in zip(asked.names, present, weights) if abs(new - old) >= 0.0005}
        table += ["  " + "  ".join(f"{name} {old:.2f} -> {new:.2f}" for name, old, new in zip(asked.names, present, weights) if old or new)]
    if write:
        write_weights(kept)
    return "\n".join(table) + "\n"


def write_weights(sections: dict[str, dict[str, float]]) -> None:
    """Put the sections into search/ranker.json, one weight a line."""
    file = Path(rank.__file__).with_name("ranker.json")
    table = json.loads(file.read_text(encoding="utf-8"))
    for name, weights in sections.items():
        table[name] |= weights
    file.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


# The command -------------------------------------------------------------------------------------------------------------


def main() -> int:
    """One of the three steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["sets", "signals", "fit"])
    parser.add_argument("--trees", type=Path)
    parser.add_argument("--sets", type=Path)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--signals", type=Path, nargs="+")
    parser.add_argument("--only", default="", help="trees whose name holds one of these, with commas")
    parser.add_argument("--write", action="store_true", help="keep the weights in search/ranker.json and the table in results/")
    options = parser.parse_args()
    if options.step == "sets":
        from calibration_sets import build

        build(options.trees, options.sets, options.home)
    elif options.step == "signals":
        write_signals(options.sets, options.home, options.out, tuple(filter(None, options.only.split(","))))
    else:
        table = fit(options.signals, options.write)
        print(table, end="")
        if options.write:
            head = [f"commit   {commit()}", f"machine  {processor()}", f"date     {datetime.date.today().isoformat()}"]
            head.append("command  benchmarks/calibration.py fit --signals SIGNALS.npz --write")
            (HERE / "results" / "calibration.txt").write_text("\n".join(head) + "\n\n" + table, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
