#!/usr/bin/env python3
"""Exact search of vectors beside an index of the library usearch: milliseconds, recall, time to build, bytes.

    nearest.py --home DIR … [--size 300000] [--out benchmarks/results/nearest.txt]

--home  folders of indexes whose vectors are taken (`vectors.sqlite`, one model; several homes are put together)

Real vectors of chunks come first; what is missing to the size are points between two of them, drawn with seed 0, and the result says
how many. Queries are real vectors moved by noise of half their length. Needs usearch, which Wayfind does not: docs/late-interaction.md
says why. One thread; milliseconds and seconds are processor time.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import measure
import numpy as np

from wayfind.model.codes import cosines, lengths_of, quantise

QUERIES, DEPTH = 300, 100
EFFORTS = (64, 256, 1024)
"""Nodes of the graph that a search keeps in view."""


def stored(homes: list[Path], dim: int) -> np.ndarray:
    """The distinct codes in some homes, int8 [chunks, dim]."""
    rows = []
    for home in homes:
        store = sqlite3.connect(f"file:{home / 'vectors.sqlite'}?mode=ro", uri=True)
        rows += [np.frombuffer(codes, np.int8).reshape(-1, dim) for (codes,) in store.execute("SELECT codes FROM vector ORDER BY key") if len(codes) % dim == 0]
    found = np.unique(np.concatenate(rows), axis=0)
    return found[(found != 0).any(1)]


def between(real: np.ndarray, size: int) -> np.ndarray:
    """The codes, and points between two of them up to a size."""
    drawn, parts = np.random.default_rng(0), [real[:size]]
    while (left := size - sum(map(len, parts))) > 0:
        one, other = (unit(real[drawn.integers(0, len(real), min(left, 50_000))]) for _ in range(2))
        share = drawn.uniform(0.2, 0.8, (len(one), 1)).astype(np.float32)
        parts.append(quantise(one * share + other * (1 - share)))
    return np.concatenate(parts)


def unit(codes: np.ndarray) -> np.ndarray:
    whole = codes.astype(np.float32)
    return whole / np.linalg.norm(whole, axis=1, keepdims=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, nargs="+", required=True)
    parser.add_argument("--size", type=int, default=300_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    real = stored(options.home, options.dim)
    codes = between(real, options.size)
    drawn = np.random.default_rng(1)
    chosen = unit(real[drawn.permutation(len(real))[:QUERIES]])
    queries = quantise(chosen + 0.5 * unit(drawn.standard_normal(chosen.shape)))
    norms = lengths_of(codes)
    began = time.process_time()
    exact = [np.argpartition(-cosines(codes, query, norms), DEPTH)[:DEPTH] for query in queries]
    spent = 1e3 * (time.process_time() - began) / len(queries)
    lines = [
        measure.heading("Exact search of vectors beside an approximate index"),
        f"{len(codes):,} vectors of {options.dim} dimensions, {min(len(real), len(codes)):,} of them real and distinct, the others between two real ones; {len(queries)} queries, the nearest {DEPTH}",
        f"exact:          {spent:6.2f} ms a query, recall 1, {codes.nbytes / 1e6:,.0f} MB of codes",
        *index_lines(codes, queries, exact),
    ]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    return 0


def index_lines(codes: np.ndarray, queries: np.ndarray, exact: list[np.ndarray]) -> list[str]:
    """The figures of usearch's graph (HNSW, int8, cosine)."""
    from usearch import __version__
    from usearch.index import Index

    index, began = Index(ndim=codes.shape[1], metric="cos", dtype="i8", connectivity=16, expansion_add=96), time.process_time()
    index.add(np.arange(len(codes)), codes, threads=1)
    built, size = time.process_time() - began, len(index.save())
    lines = []
    for effort in EFFORTS:
        index.expansion_search = effort
        began = time.process_time()
        found = [index.search(query, DEPTH, threads=1).keys.tolist() for query in queries]
        spent = 1e3 * (time.process_time() - began) / len(queries)
        recall = np.mean([len(set(one) & set(right.tolist())) / DEPTH for one, right in zip(found, exact)])
        lines.append(f"usearch {__version__}, effort {effort:>4}: {spent:6.2f} ms a query, recall {recall:.4f}, built in {built:,.0f} s, {size / 1e6:,.0f} MB beside the codes")
    return lines


if __name__ == "__main__":
    sys.exit(main())
