#!/usr/bin/env python3
"""Late interaction beside vectors: what each way of scoring finds, what it keeps and what it takes.

    late.py --sets DIR [--home DIR] [--only TREE,…] [--limit N] [--out benchmarks/results/late.txt]

--sets   trees and questions of calibration_sets.py, on repositories outside every benchmark (the `ranker` part)
--home   keeps the index and its vectors for another run; default: a temporary folder

The model is the one in use ($WAYFIND_MODEL); it must make token vectors. Asked are questions that something answers. Each way ranks
the chunks of the tree by its score alone; the last rows add late interaction to Wayfind's ranker. Quality is MRR in the first ten
over functions (symbol and file), with 95 % intervals of the paired difference to the first row (bootstrap over questions).
Milliseconds are processor time of one thread for the scoring alone, without encoding the query; bytes are those of the codes.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

import wayfind.model.pooling

wayfind.model.pooling.POOLING = 1  # before the index reads it: all tokens are kept here, and pooled as is compared

import wayfind
from bench_sets import commit, processor
from wayfind.index.snapshot import Snapshot
from wayfind.model.codes import cosines, unit_codes
from wayfind.model.encoder import Encoder, current_encoder
from wayfind.model.pooling import pooled
from wayfind.search import lexical, rank
from wayfind.search.late import maxsim, xtr
from wayfind.search.lexical import plain_bm25
from wayfind.search.query import parse
from wayfind.search.searcher import Searcher

ANSWERED = ("docstring", "test", "name", "commit", "message", "flat")
DEPTH = 10
WEIGHTS = (0.25, 0.5, 1.0)
"""Weights of the signal `late` that are tried in the ranker."""
XTR_SHARES = (0.01, 0.05)
"""XTR retrieves this share of all tokens for each token of the query (the paper: 40,000 of some 10^9 and more)."""
POOLED, CUT = (2, 3, 4), (48, 32)
DRAWS = 2000


@dataclass
class Way:
    """What one way of scoring got: reciprocal ranks and milliseconds, a question each, and its bytes in all."""

    name: str
    ranks: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    bytes: int = 0


class Tree:
    """An indexed tree with every chunk's vector and token codes."""

    def __init__(self, snapshot: Snapshot, encoder: Encoder, basis: np.ndarray | None):
        self.snapshot, self.encoder = snapshot, encoder
        self.searcher = Searcher(snapshot)
        self.vectors = snapshot.vectors(encoder.id, encoder.dim)
        stored = snapshot.token_vectors(encoder.id, encoder.late_dim)
        self.tokens = stored.of(np.arange(snapshot.chunks))
        self.forms = {"": Form.of(self.tokens)}
        for factor in POOLED:
            self.forms[f"pooled {factor}"] = Form.of([pooled(one, factor) for one in self.tokens])
        for dim in CUT if basis is not None else ():
            self.forms[f"{dim} dimensions"] = Form.of(self.tokens, basis[:, :dim])
            self.forms[f"pooled 2, {dim} dimensions"] = Form.of([pooled(one, 2) for one in self.tokens], basis[:, :dim])

    def numbers(self, row: dict) -> list[int]:
        """The chunks that answer a question."""
        gold, paths = {tuple(one) for one in row["gold"]}, self.snapshot.paths
        return [c for c, symbol in enumerate(self.snapshot.symbols) if (paths[self.snapshot.file[c]], symbol) in gold]


@dataclass
class Form:
    """Token codes of a tree's chunks, side by side."""

    codes: np.ndarray
    ends: np.ndarray
    basis: np.ndarray | None = None

    @classmethod
    def of(cls, tokens: list[np.ndarray], basis: np.ndarray | None = None) -> Form:
        codes = np.concatenate([*tokens, np.zeros((0, tokens[0].shape[1] if tokens else 0), np.int8)])
        ends = np.concatenate([[0], np.cumsum([len(one) for one in tokens])]).astype(np.int64)
        return cls(codes if basis is None else rotated(codes, basis), ends, basis)

    def query(self, codes: np.ndarray) -> np.ndarray:
        return codes if self.basis is None else rotated(codes, self.basis)

    def of_chunks(self, chunks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        parts = [self.codes[self.ends[c] : self.ends[c + 1]] for c in chunks.tolist()]
        return np.concatenate([*parts, self.codes[:0]]), np.concatenate([[0], np.cumsum([len(one) for one in parts])]).astype(np.int64)


def rotated(codes: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Codes in fewer dimensions: the first principal axes of tokens, each of unit length again."""
    turned = codes.astype(np.float32) @ basis
    return unit_codes(turned / np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-6))


def principal(tokens: list[np.ndarray]) -> np.ndarray:
    """The axes of token codes by decreasing second moment, float32 [dim, dim]."""
    some = np.concatenate(tokens)[:200_000].astype(np.float64)
    return np.linalg.eigh(some.T @ some)[1][:, ::-1].astype(np.float32)


def ways(tree: Tree, text: str) -> Iterator[tuple[str, Callable[[], np.ndarray], int]]:
    """Name of each way, the function that scores every chunk, and its bytes. A chunk that a way does not reach has -inf."""
    snapshot, encoder = tree.snapshot, tree.encoder
    query = parse(text)
    vector, words = encoder.query(text), encoder.query_tokens(text)
    by_vector = lambda: cosines(tree.vectors.codes, vector, tree.vectors.norms)[tree.vectors.row]
    size = tree.vectors.codes.nbytes
    yield "vector", by_vector, size
    yield "BM25", lambda: plain_bm25(snapshot, query), 0
    chosen = rank.features(tree.searcher, query, lexical.score(snapshot, tree.searcher.scales, query))[0]
    whole = tree.forms[""]
    yield "candidates, MaxSim", lambda: spread(snapshot, chosen, maxsim(words, *whole.of_chunks(chosen))), whole.codes.nbytes
    yield "candidates, vector + MaxSim", lambda: by_vector() + spread(snapshot, chosen, maxsim(words, *whole.of_chunks(chosen))), whole.codes.nbytes + size
    yield "all, MaxSim", lambda: maxsim(words, whole.codes, whole.ends), whole.codes.nbytes
    for share in XTR_SHARES:
        k = max(int(share * len(whole.codes)), 1)
        yield f"XTR, {share:.0%} of the tokens", lambda k=k: np.nan_to_num(xtr(words, whole.codes, whole.ends, k), nan=-np.inf), whole.codes.nbytes
    for name, form in tree.forms.items():
        if name:
            yield f"candidates, MaxSim, {name}", lambda form=form: spread(snapshot, chosen, maxsim(form.query(words), *form.of_chunks(chosen))), form.codes.nbytes


def ranked(tree: Tree, text: str) -> Iterator[tuple[str, np.ndarray]]:
    """Scores of Wayfind's ranker with late interaction at several weights, before a file's further results are damped."""
    query = parse(text)
    chosen, signals, demotions = rank.features(tree.searcher, query, lexical.score(tree.snapshot, tree.searcher.scales, query))
    weights, taken = rank.weights_of(tree.searcher, query)
    without = signals @ np.where(np.array(rank.SIGNALS) == "late", 0.0, weights)
    left = (1 - demotions * taken).prod(1)
    yield "ranker", spread(tree.snapshot, chosen, without * left)
    words = tree.encoder.query_tokens(text)
    for name, form in tree.forms.items():
        late = np.maximum(maxsim(form.query(words), *form.of_chunks(chosen)), 0.0)
        for weight in WEIGHTS:
            yield f"ranker + {weight:g} late{', ' * bool(name)}{name}", spread(tree.snapshot, chosen, (without + weight * late) * left)


def spread(snapshot: Snapshot, chosen: np.ndarray, scores: np.ndarray) -> np.ndarray:
    whole = np.full(snapshot.chunks, -np.inf)
    whole[chosen] = scores
    return whole


def reciprocal_rank(scores: np.ndarray, gold: list[int]) -> float:
    """1 / place of the best right chunk, 0 beyond the first ten; ties by path and line."""
    best = np.argsort(-scores, kind="stable")[:DEPTH].tolist()
    return next((1 / (place + 1) for place, chunk in enumerate(best) if chunk in gold and np.isfinite(scores[chunk])), 0.0)


def asked(options: argparse.Namespace) -> dict[str, list[dict]]:
    """Tree -> its questions that something answers, evenly over their kinds where there are too many."""
    only, rows = set(filter(None, options.only.split(","))), defaultdict(list)
    for line in open(options.sets / "questions.jsonl", encoding="utf-8"):
        row = json.loads(line)
        if row["kind"] in ANSWERED and (not only or row["tree"] in only):
            rows[row["tree"]].append(row)
    return {tree: own[:: max(1, len(own) // options.limit)] if options.limit else own for tree, own in sorted(rows.items())}


def main() -> int:
    options = arguments()
    encoder = current_encoder()
    if encoder is None or not encoder.late_dim:
        raise SystemExit("the model in use makes no token vectors; set WAYFIND_MODEL to a bundle that does")
    found: dict[str, Way] = {}
    chunks = questions = tokens = 0
    basis = None
    with tempfile.TemporaryDirectory(prefix="wayfind-late-") as scratch:
        for name, rows in asked(options).items():
            with closing(wayfind.open(options.sets / name, home=options.home or scratch)) as repository:
                repository.refresh()
                repository.encode()
                tree = Tree(repository.snapshot(), encoder, basis)
                if basis is None:  # of the first tree, whose questions it is not used for
                    basis = principal(tree.tokens)
                chunks, tokens = chunks + tree.snapshot.chunks, tokens + len(tree.forms[""].codes)
                questions += judge(tree, rows, found)
            print(name, len(rows), file=sys.stderr, flush=True)
    write(options, encoder, found, chunks, questions, tokens)
    return 0


def judge(tree: Tree, rows: list[dict], found: dict[str, Way]) -> int:
    """Ask a tree its questions and keep what each way got. Returns how many were asked."""
    sizes: dict[str, int] = {}
    done = 0
    for row in rows:
        gold = tree.numbers(row)
        if not gold:
            continue
        done += 1
        for name, scored, size in ways(tree, row["text"]):
            own = found.setdefault(name, Way(name))
            began = time.process_time()
            scores = scored()
            own.seconds.append(time.process_time() - began)
            own.ranks.append(reciprocal_rank(scores, gold))
            sizes[name] = size
        for name, scores in ranked(tree, row["text"]):
            found.setdefault(name, Way(name)).ranks.append(reciprocal_rank(scores, gold))
    for name, size in sizes.items():
        found[name].bytes += size
    return done


def interval(values: np.ndarray) -> tuple[float, float]:
    drawn = np.random.default_rng(0).integers(0, len(values), (DRAWS, len(values)))
    low, high = np.percentile(values[drawn].mean(1), [2.5, 97.5])
    return float(low), float(high)


def write(options: argparse.Namespace, encoder: Encoder, found: dict[str, Way], chunks: int, questions: int, tokens: int) -> None:
    """Print the table and keep it."""
    lines = [
        f"Late interaction: {questions:,} questions over {chunks:,} chunks with {tokens:,} tokens of {encoder.late_dim} dimensions; model {encoder.id}",
        f"{datetime.date.today()}, commit {commit()}, {processor()}, 1 thread; benchmarks/late.py" + (f" --only {options.only}" if options.only else "") + (f" --limit {options.limit}" if options.limit else ""),
        "", f"{'way':<38} {'MRR@10':>7}  {'to the first row, of the same questions':<40} {'ms a question':>13} {'bytes a chunk':>13}",
    ]
    first = {"vector": next(iter(found.values())).ranks, "ranker": found["ranker"].ranks if "ranker" in found else []}
    for way in found.values():
        ranks = np.array(way.ranks)
        base = np.array(first["ranker" if way.name.startswith("ranker") else "vector"])[-len(ranks) :]
        low, high = interval(ranks - base)
        apart = "" if not (ranks - base).any() else f"{(ranks - base).mean():+.4f} [{low:+.4f}, {high:+.4f}]" + (f" of {len(ranks)}" if len(ranks) < questions else "")
        spent = f"{1e3 * np.median(way.seconds):.2f}" if way.seconds else ""
        lines.append(f"{way.name:<38} {ranks.mean():>7.4f}  {apart:<40} {spent:>13} {f'{way.bytes / chunks:,.0f}' if way.bytes else '':>13}")
    lines += ["", "Rows of fewer dimensions leave out the first tree, on which the axes were computed, and divide their bytes by all chunks. Rows of the ranker are compared with `ranker`."]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if options.out:
        options.out.write_text(text, encoding="utf-8")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, required=True)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--only", default="", help="trees, with commas")
    parser.add_argument("--limit", type=int, default=0, help="questions of a tree at most, about")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
