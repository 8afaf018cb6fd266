"""The one place from which the sentences come that say what a result does."""

from __future__ import annotations

from typing import Literal

from wayfind.errors import UsageError
from wayfind.types import Chunk, Target

Mode = Literal["source", "generated", "auto", "none"]
MODES: tuple[str, ...] = ("source", "generated", "auto", "none")


def explain(chunk: Chunk, mode: Mode = "auto") -> Target:
    """What the chunk does, with provenance. `source` and `auto` give the best of the ladder manual > docstring >
    comment or header > synthetic > code; `none` gives an empty text.

    Raises UsageError for `generated`: that needs a decoder, and this installation has none.
    """
    if mode == "none":
        return Target("", chunk.target.provenance)
    if mode == "generated":
        raise UsageError("no decoder is installed, so nothing can be generated; use --explain source or auto")
    return chunk.target
