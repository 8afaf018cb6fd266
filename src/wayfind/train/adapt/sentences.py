"""Whether a repository's own documentation makes what its decoder writes better: an indexed repository in, figures of held-out
documentation before and after out.

The sentence of a held-out function is hidden from its reading and from what is learned. Nothing is trained: the sentences of like
functions are mixed into what the decoder would say (`model.habits`).
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from wayfind.api import Repository
from wayfind.errors import UsageError
from wayfind.evaluate.intervals import Interval, bootstrap, paired
from wayfind.files import replace_file
from wayfind.model.explainer import Explainer, current_explainer
from wayfind.model.habits import Habits
from wayfind.model.wording import parts, stem
from wayfind.search.explain import LEARNED, documented_functions

ASKED = 40
"""Functions that decide, and as many that give the figure."""
FEWEST = 60
"""Documented functions below which nothing is tried."""


@dataclass(frozen=True, slots=True)
class Compared:
    """ROUGE-L of held-out sentences before and after, 0 to 1, and the paired difference."""

    before: float
    after: float
    gain: Interval


@dataclass(frozen=True, slots=True)
class Learnt:
    """What was found. `kept`: the gate's interval lies above zero."""

    kept: bool
    documented: int
    gate: Compared | None = None
    report: Compared | None = None


def learn_sentences(repository: Repository, seed: int = 0) -> Learnt:
    """Compare, and note beside the index whether the decoder is to write in the repository's manner from now on. Raises UsageError where
    the model in use has no decoder."""
    explainer = current_explainer()
    if explainer is None:
        raise UsageError("the model in use has no decoder, so there is none to adapt; use the one that comes with Wayfind: WAYFIND_MODEL=base")
    known = documented_functions(repository.snapshot())
    if len(known) < FEWEST:
        return Learnt(False, len(known))
    drawn = random.Random(seed).sample(known, min(2 * ASKED, len(known) // 2))
    half = len(drawn) // 2
    habits = explainer.habits([(read, said) for _, read, said in known])
    gate, report = (_compared(explainer, habits, some) for some in (drawn[:half], drawn[half:]))
    found = Learnt(gate.gain.low > 0, len(known), gate, report)
    path = repository.learned_folder.parent / LEARNED
    replace_file(path, (json.dumps({"model": explainer.id, **asdict(found)}) + "\n").encode())
    return found


def _compared(explainer: Explainer, habits: Habits, some: Sequence[tuple[int, str, str]]) -> Compared:
    before = [overlap(explainer.write(read), said) for _, read, said in some]
    after = [overlap(explainer.write(read, habits, said), said) for _, read, said in some]
    return Compared(bootstrap(before).mean, bootstrap(after).mean, paired(after, before))


def overlap(said: str, reference: str) -> float:
    """ROUGE-L (C.-Y. Lin, "ROUGE", 2004): F1 of the longest common subsequence of stems, 0 to 1.

    >>> overlap("Loads the pages.", "Load all pages"), overlap("", "Load all pages")
    (0.6666666666666666, 0.0)
    """
    ours, theirs = ([stem(word) for word in parts(text)] for text in (said, reference))
    row = [0] * (len(theirs) + 1)
    for word in ours:
        row = _next(row, word, theirs)
    return 2 * row[-1] / (len(ours) + len(theirs)) if ours and theirs else 0.0


def _next(row: Sequence[int], word: str, theirs: Sequence[str]) -> list[int]:
    grown = [0]
    for place, other in enumerate(theirs):
        grown.append(row[place] + 1 if word == other else max(grown[-1], row[place + 1]))
    return grown
