"""A static model: one vector a term, a text's vector is their weighted sum. Term counts in, int8 codes out.

Source: K. Reimers, "model2vec", and J. Wieting et al., "Towards Universal Paraphrastic Sentence Embeddings", ICLR 2016,
https://arxiv.org/abs/1511.08198. We differ in the units: the terms are those of the lexical index, so that a chunk's
vector costs no second pass over its text.

Every sum is one of integers below 2^24, held in float32: exact whatever the order, the threads and the library.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache, cached_property

import numpy as np

from wayfind.model.bundle import Bundle, base

WEIGHT_SUM = 1 << 17
"""Weights of one text are integers that sum to at most this; times 127 stays below 2^24."""
LARGEST = 127
FIELDS = ("body", "symbol", "path")


class StaticModel:
    """The static part of a bundle."""

    def __init__(self, bundle: Bundle):
        from safetensors.numpy import load_file

        settings = bundle.parts["static"]
        tensors = load_file(bundle.checked(settings["weights"]))
        self._vocabulary_file = bundle.checked(settings["vocabulary"])
        self.codes = tensors["codes"]
        """Direction of each term, int8 [vocab, dim]."""
        self.document_weight, self.query_weight = tensors["document_weight"], tensors["query_weight"]
        """Length of each term's vector in a document and in a query, float32 [vocab]."""
        self.field_weight = dict(zip(FIELDS, tensors["field_weight"].tolist()))
        self.dim = self.codes.shape[1]

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Term -> row of the table."""
        return {term: row for row, term in enumerate(self._vocabulary_file.read_text(encoding="utf-8").split("\n"))}

    def rows(self, terms: Iterable[str]) -> np.ndarray:
        """Rows of the terms, -1 where the model does not know one."""
        return np.array([self.row_of.get(term, -1) for term in terms], np.int64)

    def query(self, weights: Mapping[str, float]) -> np.ndarray:
        """The code of a query's weighted terms, int8 [dim]; zeros where no term is known."""
        rows = self.rows(weights)
        known = rows >= 0
        weight = np.array(list(weights.values()), np.float32)[known] * self.query_weight[rows[known]]
        return self._codes(rows[known], weight, np.array([0, known.sum()]))[0]

    def documents(self, row: np.ndarray, weight: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Codes of documents, int8 [documents, dim]. Document i is the sum of the rows `row[starts[i]:starts[i + 1]]`,
        all known, times those weights (field weight times `term_weight`)."""
        return self._codes(row, weight * self.document_weight[row], starts)

    def _codes(self, row: np.ndarray, weight: np.ndarray, starts: np.ndarray) -> np.ndarray:
        whole = _whole_weights(weight, starts)
        used, local = np.unique(row, return_inverse=True)
        table = self.codes[used].astype(np.float32)
        codes = np.zeros((len(starts) - 1, self.dim), np.int8)
        ends = starts.tolist()
        for number, (begin, end) in enumerate(zip(ends, ends[1:])):
            if begin < end:
                codes[number] = quantise(whole[begin:end] @ table[local[begin:end]])
        return codes


def _whole_weights(weight: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Weights as integers, float32, that sum to at most WEIGHT_SUM in each document."""
    summed = np.concatenate([[0.0], np.cumsum(weight, dtype=np.float64)])
    total = summed[starts[1:]] - summed[starts[:-1]]
    factor = np.divide(WEIGHT_SUM - 1, total, out=np.zeros(len(total)), where=total > 0)
    return np.trunc(weight * np.repeat(factor, np.diff(starts))).astype(np.float32)


@cache
def base_model() -> StaticModel | None:
    """The static model of the bundle that comes with Wayfind, if it has one. Raises ModelError."""
    bundle = base()
    return StaticModel(bundle) if bundle and "static" in bundle.parts else None


def term_weight(counts: np.ndarray) -> np.ndarray:
    """What a term's count in a field says of its weight: its square root."""
    return np.sqrt(counts, dtype=np.float32)


def quantise(vector: np.ndarray) -> np.ndarray:
    """The int8 code of a vector of any length: its largest component becomes 127 or -127."""
    largest = float(np.abs(vector).max(initial=0.0))
    if not largest:
        return np.zeros(vector.shape, np.int8)
    return np.rint(vector.astype(np.float64) * (LARGEST / largest)).astype(np.int8)


def cosines(codes: np.ndarray, query: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """Cosine of each code, int8 [items, dim], with a query's code, int8 [dim]: float64 [items], 0 where one is empty.

    `norms` are the codes' lengths (`lengths_of`), computed once.
    """
    own = float(np.sqrt(np.square(query.astype(np.float64)).sum()))
    dots = np.empty(len(codes), np.float64)
    wanted = query.astype(np.float32)
    for first in range(0, len(codes), _BLOCK):
        block = slice(first, first + _BLOCK)
        dots[block] = codes[block].astype(np.float32) @ wanted
    return np.divide(dots, norms * own, out=np.zeros(len(codes)), where=(norms * own) > 0)


def lengths_of(codes: np.ndarray) -> np.ndarray:
    """Euclidean length of each code, float64 [items]."""
    return np.sqrt(np.einsum("id,id->i", codes, codes, dtype=np.int64).astype(np.float64))


_BLOCK = 8192
"""Codes that are multiplied at a time: their float32 copy stays in the cache."""
