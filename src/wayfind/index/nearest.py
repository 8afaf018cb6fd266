"""A graph of nearest neighbours over the codes of a very large tree (HNSW, by usearch): codes in, a file beside theirs; a query's code
in, the rows that are probably nearest out.

Below LARGE codes an exact scan is as fast as anybody notices, and finds all. Beyond, the graph finds 97 to 98 of the nearest hundred
(benchmarks/results/nearest.txt), and who reads it computes their exact cosines. It is made where the extra `[nearest]` is installed; a
file that is missing, damaged or of other codes only means an exact scan.
"""

from __future__ import annotations

import contextlib
import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wayfind.files import private

if TYPE_CHECKING:
    from usearch.index import Index

LARGE = 200_000
"""Codes from which a graph is made."""
SUFFIX = ".near"
EFFORT, CONNECTIVITY, EFFORT_TO_ADD = 256, 16, 96
_PIECE = 1 << 24
"""Bytes that are read at a time."""


def build(folder: Path, name: str, codes: np.ndarray) -> bool:
    """Make the graph of the codes in the file `name`, int8 [n, dim], unless it is there. Returns whether it is there now."""
    place, about = _places(folder, name)
    if len(codes) < LARGE or about.exists():
        return about.exists()
    graph = _empty(codes.shape[1])
    if graph is None:
        return False
    graph.add(np.arange(len(codes)), codes, threads=1)  # by several the graph would differ from run to run
    with private():
        graph.save(str(place))
        about.write_text(json.dumps({"codes": len(codes), "checksum": _checksum(place)}), encoding="utf-8")
    return True


def opened(folder: Path, name: str, codes: np.ndarray) -> Index | None:
    """The graph of the codes in the file `name`, mapped into memory; None where there is none that can be trusted."""
    place, about = _places(folder, name)
    if len(codes) < LARGE:
        return None
    with contextlib.suppress(OSError, ValueError, KeyError):
        said = json.loads(about.read_text(encoding="utf-8"))
        if said["codes"] == len(codes) and said["checksum"] == _checksum(place) and (graph := _empty(codes.shape[1])) is not None:
            graph.view(str(place))
            return graph
    return None


def nearest(graph: Index, code: np.ndarray, most: int) -> np.ndarray:
    """Rows of the codes that are probably nearest to one, int64 [most at most], ascending."""
    return np.sort(graph.search(code, most, threads=1).keys.astype(np.int64))


def forget(folder: Path, kept: set[str]) -> None:
    """Delete the graphs of code files that are not among the kept."""
    for old in folder.glob(f"*{SUFFIX}*"):
        if old.name.split(SUFFIX)[0] not in kept:
            with contextlib.suppress(OSError):
                old.unlink()


def _empty(dim: int) -> Index | None:
    try:
        from usearch.index import Index
    except ImportError:
        return None
    return Index(ndim=dim, metric="cos", dtype="i8", connectivity=CONNECTIVITY, expansion_add=EFFORT_TO_ADD, expansion_search=EFFORT)


def _places(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f"{name}{SUFFIX}", folder / f"{name}{SUFFIX}.json"


def _checksum(place: Path) -> int:
    found = 0
    with open(place, "rb") as file:
        while piece := file.read(_PIECE):
            found = zlib.crc32(piece, found)
    return found
