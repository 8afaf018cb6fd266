"""How near each chunk's vector is to the query's: a query and a snapshot in, one cosine a chunk out."""

from __future__ import annotations

import numpy as np

from wayfind.model.static import base_model, cosines
from wayfind.search.query import Query
from wayfind.search.searcher import Searcher


def nearness(searcher: Searcher, query: Query) -> np.ndarray | None:
    """Cosine of every chunk with the query, float64 [chunks], at least 0. None where index or query have no vector."""
    model, codes = base_model(), searcher.snapshot.vectors
    if model is None or codes is None or not query.terms:
        return None
    wanted = model.query({term.text: term.weight for term in query.terms})
    return np.maximum(cosines(codes, wanted, searcher.vector_lengths), 0.0) if wanted.any() else None
