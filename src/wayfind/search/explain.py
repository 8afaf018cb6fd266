"""The one place from which the sentences come that say what a result does.

Manual and source text is shown as such. What nobody described is said by a template, or by the decoder of the bundle where that
was found to be better (the bundle says so); `generated` asks it for all code. What it is not sure of, a template says.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

from wayfind.corpus.templates import sentence
from wayfind.errors import UsageError
from wayfind.index.explanations import ExplanationStore
from wayfind.model.explainer import Explainer, current_explainer
from wayfind.model.reading import reading, undocumented
from wayfind.types import Chunk, Target

Mode = Literal["source", "generated", "auto", "none"]
MODES: tuple[str, ...] = ("source", "generated", "auto", "none")
CODE = frozenset({"function", "method", "class", "interface", "enum", "type", "test"})
"""Kinds of chunks that the decoder has learned to read."""


def explain(chunk: Chunk, text: str, language: str, mode: Mode = "auto", home: Path | None = None) -> Target:
    """What the chunk of these lines does, with provenance. `source` gives the best of the ladder manual > docstring > comment or
    header > synthetic > code; `auto` the decoder's sentence instead of a synthetic one where that is better; `generated` the
    decoder's for all code, and the template's where it is sure of none; `none` an empty text. In `home`, what was written is kept.

    Raises UsageError for `generated` where the model in use has no decoder.
    """
    if mode == "none":
        return Target("", chunk.target.provenance)
    explainer = None if mode == "source" else current_explainer()
    if mode == "generated" and explainer is None:
        raise UsageError("the model in use has no decoder, so nothing can be generated; use --explain source or auto")
    if explainer is None or chunk.kind not in CODE or mode == "auto" and chunk.target.provenance not in explainer.better_than:
        return chunk.target
    if said := _written(explainer, reading(chunk, text, language), home):
        return Target(said, "generated")
    template = sentence(chunk, undocumented(chunk, text), language) if mode == "generated" else ""
    return Target(template, "synthetic") if template else chunk.target


def _written(explainer: Explainer, read: str, home: Path | None) -> str:
    """The decoder's sentence, as it was kept or written now."""
    if home is None:
        return explainer.write(read)
    store = _store(home)
    said = store.get(explainer.id, read)
    if said is None:
        said = explainer.write(read)
        store.put(explainer.id, read, said)
    return said


@lru_cache(maxsize=4)
def _store(home: Path) -> ExplanationStore:
    return ExplanationStore(home)
