"""Search by one level of meaning alone (`--level`): chunks in the order of their vectors on it, filters first.

Neither words nor the ranker take part. The cosines of each repository's own model are not calibrated: the confidence is the cosine
of the best result, times the largest share of the query's words (by rarity) that one of the first three holds.
"""

from __future__ import annotations

import numpy as np

from wayfind.search.copies import first
from wayfind.search.engine import MOST_RESULTS, Ask, results_of, state
from wayfind.search.filters import allowed
from wayfind.search.latents import read_record
from wayfind.search.lexical import score
from wayfind.search.query import Query
from wayfind.search.rank import Ranked
from wayfind.search.searcher import Searcher
from wayfind.types import Answer

LOOKED_AT = 3


def by_level(searcher: Searcher, query: Query, ask: Ask, stale_files: int = 0) -> Answer:
    """Answer a request by its level. Raises UsageError where no latent model was learned, or it has no such level."""
    snapshot, level = searcher.snapshot, ask.level
    near = np.round(searcher.levels.nearness(query.text, level), 9)
    mask = allowed(snapshot, query.filters)
    k = min(ask.k, MOST_RESULTS)
    found = np.flatnonzero((near > 0) if mask is None else (near > 0) & mask)
    best = found[np.argsort(-near[found], kind="stable")]

    def hits(many: int) -> list[Ranked]:
        return [Ranked(int(chunk), float(near[chunk]), {level: round(float(near[chunk]), 6)}) for chunk in best[:many]]

    ranked, kept, copies = first(snapshot, hits, k, bool(query.filters.regex or query.filters.phrases))
    lexical = score(snapshot, searcher.scales, query)
    results = results_of(searcher, query, lexical, kept, copies, ask)
    held = max((float(lexical.covered[hit.chunk]) for hit in ranked[:LOOKED_AT]), default=0.0)
    sure = round(ranked[0].score * held, 3) if ranked else 0.0
    return Answer(ask.text, state(snapshot, stale_files, searcher.adaptation), sure, not kept, _reason(searcher, level, bool(kept)), results)


def _reason(searcher: Searcher, level: str, found: bool) -> str:
    """Why nothing was found, or that another level does better at this one's own task."""
    if not found:
        return f"no chunk is near to this on the level {level}"
    record = read_record(searcher.snapshot.folder)
    best = record.best.get(level, level) if record else level
    return f"on this repository the level {best} was better at the task of {level}" if best and best != level else ""
