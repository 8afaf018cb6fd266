"""Edges between chunks, their kinds, and how sure one is.

What syntax settles is CERTAIN; what rests on a guess has less; a name with several possible meanings makes an edge to
each with a share of UNIQUE, and one with many makes none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EDGES = ("calls", "imports", "inherits", "tests")
CALLS, IMPORTS, INHERITS, TESTS = range(len(EDGES))
CERTAIN, TYPED, NAMED, UNIQUE = 1.0, 0.8, 0.6, 0.5
"""Strength of an edge: settled by syntax; by a declared type; the variable is called as the class; the only one of the name."""
MOST_MEANINGS = 4
"""Definitions of one name that an unsettled call may mean; one with more is left alone."""


@dataclass(frozen=True, slots=True)
class Edges:
    """Edges between chunks: one for each pair and kind, in the order of source, kind and target."""

    source: np.ndarray  # int32 [edges]
    target: np.ndarray  # int32 [edges]
    kind: np.ndarray  # uint8 [edges]: number in EDGES
    strength: np.ndarray  # float32 [edges], 0 to 1
    line: np.ndarray  # int32 [edges]: the first line of the source that refers to the target, as surely as any
