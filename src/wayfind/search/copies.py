"""Ranked chunks in, the first of them out, with near-identical ones of the same name folded into the one that comes first."""

from __future__ import annotations

from wayfind.index.segment import BODY
from wayfind.index.snapshot import Snapshot
from wayfind.index.tokens import count
from wayfind.search.rank import Ranked

COPY = 0.9
"""Two chunks of one name in different files whose term counts overlap by this share (of the larger) are copies."""


def folded(snapshot: Snapshot, ranked: list[Ranked], k: int) -> tuple[list[Ranked], dict[int, list[str]]]:
    """The first `k` of the chunks in their order, copies of an earlier one left out; and chunk -> `path:line` of its copies."""
    kept, copies = [], {}
    by_name: dict[str, list[int]] = {}
    for hit in ranked:
        symbol = snapshot.symbols[hit.chunk]
        name = symbol.split(".")[-1]
        original = (
            next((o for o in by_name.get(name, ()) if _same_text(snapshot, o, hit.chunk)), None) if name else None
        )
        if original is not None:
            copies.setdefault(original, []).append(snapshot.place_of(hit.chunk))
            continue
        if len(kept) == k:
            break
        kept.append(hit)
        if name:
            by_name.setdefault(name, []).append(hit.chunk)
    return kept, copies


def _same_text(snapshot: Snapshot, a: int, b: int) -> bool:
    lengths = sorted(int(snapshot.lengths[chunk, BODY]) for chunk in (a, b))
    if snapshot.file[a] == snapshot.file[b] or lengths[0] < COPY * lengths[1]:
        return False
    one, two = (count(snapshot.chunk(chunk)[1]) for chunk in (a, b))
    return (one & two).total() >= COPY * max(one.total(), two.total())
