"""Questions that were asked before, remembered by their vectors, and the definitions that answered them; and how often each was asked for.

No text is kept: a question is its code by the base model, a definition a number made of its path and symbol. `search.learned` has the
other half: what a new question that is like old ones brings to the definitions that answered those.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from wayfind.model.encoder import Encoder
from wayfind.search.learned import place_of
from wayfind.train.adapt.lessons import Lesson

REMEMBERED = frozenset({"commit", "feedback"})
"""What people asked of this code. Documentation and names stand in the code itself, where search finds them."""
MOST = 4000
"""Questions remembered, the newest first."""
HALF_LIFE = 400
"""Commits after which a change counts half for how often a definition changes."""


class Codes:
    """Codes of questions by an encoder, each made once."""

    def __init__(self, encoder: Encoder):
        self.encoder = encoder
        self._made: dict[str, np.ndarray] = {}

    def of(self, texts: Sequence[str]) -> np.ndarray:
        """int8 [texts, dim]."""
        for text in texts:
            if text not in self._made:
                self._made[text] = self.encoder.query(text)
        return np.stack([self._made[text] for text in texts]) if texts else np.zeros((0, self.encoder.dim), np.int8)


def remember(lessons: Sequence[Lesson], codes: Codes | None) -> dict[str, np.ndarray]:
    """The arrays of an adaptation that remember these lessons, of more than MOST what the user marked and the newest; without a model, only how often each definition was asked for."""
    kept = sorted((one for one in lessons if one.origin in REMEMBERED), key=lambda one: (one.origin != "feedback", -one.time, one.digest))[:MOST]
    return {**_often(kept), **(_questions(kept, codes) if codes is not None and kept else {})}


def _questions(kept: Sequence[Lesson], codes: Codes) -> dict[str, np.ndarray]:
    question, place = [], []
    for number, one in enumerate(kept):
        places = sorted({place_of(target.path, target.symbol) for target in one.targets if target.symbol})
        question += [number] * len(places)
        place += places
    weight = np.array([one.weight / max(len(one.targets), 1) ** 0.5 for one in kept])
    return {
        "memory.codes": codes.of([one.query for one in kept]),
        "memory.weight": np.minimum(weight, 1.0).astype(np.float32),
        "memory.question": np.array(question, np.int32),
        "memory.place": np.array(place, np.int64),
    }


def _often(kept: Sequence[Lesson]) -> dict[str, np.ndarray]:
    times: defaultdict[int, float] = defaultdict(float)
    for age, one in enumerate(kept):
        for target in one.targets:
            if target.symbol:
                times[place_of(target.path, target.symbol)] += 0.5 ** (age / HALF_LIFE)
    return {"often.place": np.array(sorted(times), np.int64), "often.value": np.array([times[key] for key in sorted(times)], np.float32)}
