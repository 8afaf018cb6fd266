"""Lexical scores of every chunk and file for a query: BM25F over weighted fields, and plain BM25 as the baseline.

Source: S. Robertson, H. Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009,
https://doi.org/10.1561/1500000019, section 3.6 (BM25F). Scores are divided by the query's largest possible score, so
that 1 means "every word of the query, saturated", for any query.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wayfind.index.segment import BODY, FIELDS, SYMBOL
from wayfind.index.snapshot import Snapshot
from wayfind.search.query import Query

K1 = 1.2
FIELD_WEIGHT = {"symbol": 3.0, "signature": 1.0, "docs": 1.5, "body": 1.0, "history": 0.5}
FIELD_B = {"symbol": 0.3, "signature": 0.3, "docs": 0.4, "body": 0.6, "history": 0.6}
FILE_K1 = 1.5
FILE_B = 0.5


@dataclass(frozen=True, slots=True)
class Lexical:
    """Scores of one query. Arrays over chunks or files, 0 to 1."""

    chunk: np.ndarray
    """BM25F of each chunk."""
    file: np.ndarray
    """BM25F of each file, its chunks taken together."""
    covered: np.ndarray
    """Share of the query's weight whose terms the chunk holds at all."""
    symbol: np.ndarray
    """Chunks whose symbol holds a term of the query."""
    idf: dict[str, float]
    """Weight of each term found: how rare it is, in nats."""
    missing: tuple[str, ...]
    """Words of the query that no chunk holds."""


def idf(holding: int, chunks: int) -> float:
    """Inverse document frequency of BM25, nats, above 0."""
    return float(np.log1p((chunks - holding + 0.5) / (holding + 0.5)))


@dataclass(frozen=True, slots=True)
class Scales:
    """What length does to frequencies; the same for every query on a snapshot."""

    chunk: np.ndarray
    """Factor on a term's frequency in a field of a chunk: weight over length normalisation, [chunks, fields]."""
    file: np.ndarray
    """Length normalisation of each file, [files]."""


def scales(snapshot: Snapshot) -> Scales:
    """Compute the scales of a snapshot."""
    b = np.array([FIELD_B[field] for field in FIELDS])
    weight = np.array([FIELD_WEIGHT[field] for field in FIELDS])
    length = np.bincount(snapshot.file, snapshot.lengths[:, BODY], snapshot.files)
    mean = max(float(length.mean()), 1.0) if snapshot.files else 1.0
    return Scales(weight / (1 - b + b * snapshot.lengths / snapshot.mean_lengths), 1 - FILE_B + FILE_B * length / mean)


def score(snapshot: Snapshot, scale: Scales, query: Query) -> Lexical:
    """Score every chunk and file of the snapshot. Deterministic: terms are added in the order of the query's terms."""
    chunk, covered, file = np.zeros(snapshot.chunks), np.zeros(snapshot.chunks), np.zeros(snapshot.files)
    symbol = np.zeros(snapshot.chunks, bool)
    total, rarity, missing = 0.0, {}, []
    for term in query.terms:
        frequency, held = np.zeros(snapshot.chunks), np.zeros(snapshot.chunks, bool)
        for number, (items, counts) in enumerate(snapshot.frequencies(term.text)):
            frequency[items] += counts * scale.chunk[items, number]
            held[items] = True
            if number == SYMBOL:
                symbol[items] = True
            if number == BODY:
                in_file = np.bincount(snapshot.file[items], counts, snapshot.files) / scale.file
        holding = np.flatnonzero(held)
        weight = term.weight * idf(len(holding), snapshot.chunks)
        total += weight
        if not len(holding):
            missing.append(term.word)
            continue
        rarity[term.text] = weight
        here = frequency[holding]
        chunk[holding] += weight * here / (K1 + here)
        covered[holding] += weight
        file += weight * in_file / (FILE_K1 + in_file)
    total = total or 1.0
    return Lexical(chunk / total, file / total, covered / total, symbol, rarity, tuple(dict.fromkeys(missing)))


def plain_bm25(snapshot: Snapshot, query: Query, k1: float = 1.2, b: float = 0.75) -> np.ndarray:
    """BM25 of every chunk over its whole text, no fields, no ranker: the baseline that Wayfind is compared with."""
    scores = np.zeros(snapshot.chunks)
    length = snapshot.lengths[:, BODY]
    norm = k1 * (1 - b + b * length / max(float(length.mean()) if snapshot.chunks else 1.0, 1.0))
    for term in query.terms:
        items, counts = snapshot.postings(FIELDS[BODY], term.text)
        times = counts.astype(float)
        scores[items] += term.weight * idf(len(items), snapshot.chunks) * times * (k1 + 1) / (times + norm[items])
    return scores
