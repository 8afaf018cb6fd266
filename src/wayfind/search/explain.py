"""The one place from which the sentences come that say what a result does.

Manual and source text is shown as such. What nobody described is said by a template, or by the decoder of the bundle where that
was found to be better (the bundle says so); `generated` asks it for all code. What it is not sure of, a template says. Where
`wayfind learn --sentences` found that it helps, the decoder writes in the manner of the repository's own documentation.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from weakref import WeakKeyDictionary

from wayfind.corpus.templates import sentence
from wayfind.errors import UsageError
from wayfind.index.explanations import ExplanationStore
from wayfind.model.explainer import Explainer, current_explainer
from wayfind.model.habits import Habits, sentence_of
from wayfind.model.reading import reading, undocumented
from wayfind.types import Chunk, Target

if TYPE_CHECKING:
    from wayfind.index.snapshot import Snapshot

Mode = Literal["source", "generated", "auto", "none"]
MODES: tuple[str, ...] = ("source", "generated", "auto", "none")
CODE = frozenset({"function", "method", "class", "interface", "enum", "type", "test"})
"""Kinds of chunks that the decoder has learned to read."""
LEARNED = "learned/sentences.json"
"""File beside an index in which `wayfind learn --sentences` notes whether the repository's documentation helps its decoder."""
MOST_DOCUMENTED = 3_000
"""Documented functions that are learned from."""


def explain(chunk: Chunk, text: str, language: str, mode: Mode = "auto", home: Path | None = None, snapshot: Snapshot | None = None) -> Target:
    """What the chunk of these lines does, with provenance. `source` gives the best of the ladder manual > docstring > comment or
    header > synthetic > code; `auto` the decoder's sentence instead of a synthetic one where that is better; `generated` the
    decoder's for all code, and the template's where it is sure of none; `none` an empty text. In `home`, what was written is kept; of `snapshot`, whose chunk it
    is, the documentation is learned from where that helps.

    Raises UsageError for `generated` where the model in use has no decoder.
    """
    if mode == "none":
        return Target("", chunk.target.provenance)
    explainer = None if mode == "source" else current_explainer()
    if mode == "generated" and explainer is None:
        raise UsageError("the model in use has no decoder, so nothing can be generated; use --explain source or auto, or the model that comes with Wayfind")
    if explainer is None or chunk.kind not in CODE or mode == "auto" and chunk.target.provenance not in explainer.better_than:
        return chunk.target
    learned = learned_habits(snapshot, explainer) if snapshot else None
    if said := _written(explainer, reading(chunk, text, language), home, learned, sentence_of(chunk.docstring)):
        return Target(said, "generated")
    template = sentence(chunk, undocumented(chunk, text), language) if mode == "generated" else ""
    return Target(template, "synthetic") if template else chunk.target


def _written(explainer: Explainer, read: str, home: Path | None, learned: tuple[str, Habits] | None, own: str) -> str:
    """The decoder's sentence, as it was kept or written now."""
    mark, habits = learned or ("", None)
    if home is None:
        return explainer.write(read, habits, own)
    store = _store(home)
    said = store.get(explainer.id + mark, read)
    if said is None:
        said = explainer.write(read, habits, own)
        store.put(explainer.id + mark, read, said)
    return said


def learned_habits(snapshot: Snapshot, explainer: Explainer) -> tuple[str, Habits] | None:
    """A mark for what was learned of a repository's sentences, and that, where it is in use for this decoder."""
    try:
        noted = json.loads((snapshot.folder / LEARNED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(noted, dict) or not noted.get("kept") or noted.get("model") != explainer.id:
        return None
    if snapshot not in _HABITS:
        _HABITS[snapshot] = explainer.habits([(read, said) for _, read, said in documented_functions(snapshot)])
    return f"+{snapshot.folder.name}.{snapshot.manifest.generation}", _HABITS[snapshot]


_HABITS: WeakKeyDictionary[Snapshot, Habits] = WeakKeyDictionary()


def documented_functions(snapshot: Snapshot) -> list[tuple[int, str, str]]:
    """Number, reading and sentence of the documented functions and types of a repository, at most `MOST_DOCUMENTED`."""
    found = []
    numbers = [number for number in range(snapshot.chunks) if snapshot.kind_of(number) in CODE and snapshot.provenance_of(number) == "docstring"]
    for number in numbers[:: max(1, -(-len(numbers) // MOST_DOCUMENTED))]:
        chunk, text = snapshot.chunk(number)
        if said := sentence_of(chunk.docstring):
            found.append((number, reading(chunk, text, snapshot.languages[int(snapshot.file[number])]), said))
    return found


@lru_cache(maxsize=4)
def _store(home: Path) -> ExplanationStore:
    return ExplanationStore(home)
