"""How a question is put: like what was asked of this history, or like the documentation and the names that stand in the code.

What is learned of the history holds for questions of its kind. With unit query vectors q and labels y, 1 for subjects of commits and
for what users asked, 0 for documentation, names and sections, both kinds weighing alike:

    L = - sum of weight (y log p + (1 - y) log(1 - p)) + |w|^2 / 2,    p = 1 / (1 + exp(-(w.q + b)))

by Newton's method. A search weighs what was learned by `search.learned.Learned.strength`, which is made of p.
Source: T. Hastie, R. Tibshirani, J. Friedman, "The Elements of Statistical Learning", 2009, section 4.4 (penalised logistic regression).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wayfind.train.adapt.lessons import Lesson
from wayfind.train.adapt.memory import REMEMBERED, Codes
from wayfind.train.adapt.query_map import unit

WRITTEN = frozenset({"docstring", "name", "section"})
"""What stands in the code and its documents, and is found there without a history."""
FEWEST = 20
"""Questions of either kind below which nothing is told apart."""
BIAS = 0.3
"""Value that stands for b's input: the smaller, the more b is drawn to 0."""
STEPS = 12


def fit(taught: Sequence[Lesson], own: Sequence[Lesson], codes: Codes | None) -> dict[str, np.ndarray]:
    """The arrays of an adaptation, from lessons of the history and those of the text; empty where one of the kinds is too few."""
    asked = sorted({one.query for one in taught if one.origin in REMEMBERED})
    written = sorted({one.query for one in own if one.origin in WRITTEN})
    if codes is None or min(len(asked), len(written)) < FEWEST:
        return {}
    inputs = unit(codes.of([*asked, *written]))
    inputs = np.concatenate([inputs, np.full((len(inputs), 1), BIAS)], axis=1)
    labels = np.repeat([1.0, 0.0], [len(asked), len(written)])
    weight = len(inputs) / 2 / np.repeat([len(asked), len(written)], [len(asked), len(written)])
    return {"manner.weight": (newton(inputs, labels, weight) * np.append(np.ones(inputs.shape[1] - 1), BIAS)).astype(np.float32)}


def newton(inputs: np.ndarray, labels: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The numbers that make L least, [input]."""
    found = np.zeros(inputs.shape[1])
    for _ in range(STEPS):
        likely = 1 / (1 + np.exp(-inputs @ found))
        slope = inputs.T @ (weight * (likely - labels)) + found
        bend = (inputs * (weight * likely * (1 - likely))[:, None]).T @ inputs + np.eye(len(found))
        found -= np.linalg.solve(bend, slope)
    return found
