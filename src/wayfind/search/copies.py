"""Ranked chunks in, the first of them out, with near-identical ones of the same name folded into the one that comes first, and of
windows that share lines only the best."""

from __future__ import annotations

from collections.abc import Callable

from wayfind.index.segment import BODY
from wayfind.index.snapshot import Snapshot
from wayfind.index.tokens import count
from wayfind.search.rank import Ranked
from wayfind.types import KINDS

COPY = 0.9
"""Two chunks of one name in different files whose term counts overlap by this share (of the larger) are copies."""
_WINDOW = KINDS.index("window")


def first(
    snapshot: Snapshot, ranked: Callable[[int], list[Ranked]], k: int, whole: bool = False
) -> tuple[list[Ranked], list[Ranked], dict[int, list[str]]]:
    """What `ranked` gives for a number that leaves `k` when they are `folded`, or all that there is; and those `folded`."""
    many = k + max(min(k, 20), 3)
    while True:
        hits = ranked(many)
        kept, copies = folded(snapshot, hits, k, whole)
        if len(kept) == k or len(hits) < many:
            return hits, kept, copies
        many *= 2


def folded(snapshot: Snapshot, ranked: list[Ranked], k: int, whole: bool = False) -> tuple[list[Ranked], dict[int, list[str]]]:
    """The first `k` of the chunks in their order, copies of an earlier one left out; and chunk -> `path:line` of its copies. A window
    that shares lines with an earlier one is left out too, unless the answer is to be `whole`: to hold every match of a filter."""
    kept, copies = [], {}
    by_name: dict[str, list[int]] = {}
    windows: dict[int, list[int]] = {}
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
        if not whole and snapshot.kind[hit.chunk] == _WINDOW:
            beside = windows.setdefault(int(snapshot.file[hit.chunk]), [])
            if any(_share_lines(snapshot, other, hit.chunk) for other in beside):
                continue
            beside.append(hit.chunk)
        kept.append(hit)
        if name:
            by_name.setdefault(name, []).append(hit.chunk)
    return kept, copies


def windows_beside(snapshot: Snapshot, own: int) -> list[int]:
    """The windows that share lines with this one; none where it is no window."""
    if snapshot.kind[own] != _WINDOW:
        return []
    here = range(*map(int, snapshot.chunk_file_first[snapshot.file[own] :][:2]))
    return [other for other in here if snapshot.kind[other] == _WINDOW and _share_lines(snapshot, own, other)]


def _share_lines(snapshot: Snapshot, a: int, b: int) -> bool:
    return bool(snapshot.start[a] <= snapshot.end[b] and snapshot.start[b] <= snapshot.end[a])


def _same_text(snapshot: Snapshot, a: int, b: int) -> bool:
    lengths = sorted(int(snapshot.lengths[chunk, BODY]) for chunk in (a, b))
    if snapshot.file[a] == snapshot.file[b] or lengths[0] < COPY * lengths[1]:
        return False
    one, two = (count(snapshot.chunk(chunk)[1]) for chunk in (a, b))
    return (one & two).total() >= COPY * max(one.total(), two.total())
