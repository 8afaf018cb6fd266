"""Vectors of a segment's chunks: its terms and a static model in, int8 codes out. Made while the segment is written."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wayfind.model.static import StaticModel, term_weight


def chunk_codes(
    model: StaticModel,
    vocabulary: Sequence[str],
    fields: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]],
    chunks: int,
) -> np.ndarray:
    """Codes of all chunks, int8 [chunks, dim]. `fields`: field of the model -> (numbers of terms in the vocabulary,
    chunks, counts), three arrays of one length."""
    row_of = model.rows(vocabulary)
    rows, holders, weights = [], [], []
    for field, (term, chunk, times) in fields.items():
        row = row_of[term]
        known = row >= 0
        rows.append(row[known])
        holders.append(chunk[known])
        weights.append(term_weight(times[known]) * np.float32(model.field_weight[field]))
    holder = np.concatenate(holders)
    order = np.argsort(holder, kind="stable")
    starts = np.searchsorted(holder[order], np.arange(chunks + 1))
    return model.documents(np.concatenate(rows)[order], np.concatenate(weights)[order], starts)
