"""Weights of the ranker for one repository: candidates of questions with their signals in, a few factors out.

The score of a candidate c is s(c) = sum_j w_j m_j x_cj prod_k (1 - t_k n_k d_ck) with the base's weights w and demotions t. Learned
are the factors m and n, each between a half and two and drawn to 1, and the weights of what only an adaptation brings, between 0 and
MOST_ADDED and drawn to 0, so that the right candidates R of a question stand first:

With a strength g of the question (`train.adapt.manner`) the factors are m^g and n^g, and what is added weighs g times as much.

    L = - log( sum over R of exp(s/T) / sum over all of exp(s/T) ) + pull / questions * (sum of log(m)^2 + log(n)^2 + w_added^2)

by gradient descent (Adam) from the base. Source: Z. Cao et al., "Learning to Rank: From Pairwise Approach to Listwise Approach",
2007, https://doi.org/10.1145/1273496.1273513 (the listwise loss; ours sums over several right ones).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wayfind.evaluate.queries import Query
from wayfind.model.adaptation import Adaptation
from wayfind.search.learned import REMEMBERED
from wayfind.search.lexical import score
from wayfind.search.query import parse
from wayfind.search.rank import DEMOTED, DEMOTIONS, MOST_DEMOTED, PROFILES, SIGNALS, WEIGHTS, features, profile
from wayfind.train.adapt.adam import Adam
from wayfind.train.adapt.exams import Exam, gold_of

SHARPNESS = 0.2
"""T: difference of scores that makes one candidate e times as likely as another; the first ten results of a query span about 1."""
PULL = 8.0
"""Divided by the number of questions: the belief, before any is seen, that factors lie within a quarter of 1. Of 4 to 64 on echo, uvicorn
and liquid: docs/LOG.md, "Learning that fades"."""
STEPS = 150
RATE = 0.03
LARGEST = float(np.log(2))
"""Factors lie between a half and two."""
MOST_ADDED = 1.5
NAMES = 1.0
"""What questions for names count beside each other kind. With 0.3 names lost 0.02 on echo, with 2 commits gained a quarter less."""
FIXED = "meaning"
"""Only ratios of weights order results; this one stays, so that confidence, which reads it, stays calibrated."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Candidates of several questions, one after another. Axis row: candidate."""

    signals: np.ndarray  # float64 [row, SIGNALS], times the base's weights for the question
    demotions: np.ndarray  # float64 [row, DEMOTIONS]
    right: np.ndarray  # bool [row]
    first: np.ndarray  # int64 [question]: its first row
    weight: np.ndarray  # float64 [question]: each exam counts alike, however many questions it has
    strength: np.ndarray  # float64 [question]: how far what is learned holds for it, 0 to 1

    @property
    def sizes(self) -> np.ndarray:
        """Candidates of each question."""
        return np.diff([*self.first, len(self.right)])


def candidates(exam: Exam, adaptation: Adaptation | None, questions: Sequence[Query]) -> Candidates:
    """The candidates that the search ranks for these questions; a question whose answer is no candidate is left out."""
    searcher = exam.searcher(adaptation)
    signals, demotions, right, first, strength, rows = [], [], [], [], [], 0
    for asked in questions:
        query = parse(asked.text)
        query = searcher.learned.reworded(query) if searcher.learned else query
        chosen, own, against = features(searcher, query, score(searcher.snapshot, searcher.scales, query))
        answers = np.isin(chosen, gold_of(exam, asked))
        if answers.any() and not answers.all():
            first.append(rows)
            rows += len(chosen)
            base = WEIGHTS | PROFILES.get(profile(searcher, query), {})
            signals.append(own * [1.0 if name in REMEMBERED else base[name] for name in SIGNALS])
            demotions.append(against)
            right.append(answers)
            strength.append(0.0 if query.kind == "identifier" else searcher.strength(asked.text))
    empty = np.zeros((0, len(SIGNALS))), np.zeros((0, len(DEMOTIONS))), np.zeros(0, bool)
    share = (NAMES if exam.kind == "name" else 1.0) / max(len(first), 1)
    return Candidates(
        np.concatenate([empty[0], *signals]),
        np.concatenate([empty[1], *demotions]),
        np.concatenate([empty[2], *right]),
        np.array(first, np.int64),
        np.full(len(first), share),
        np.array(strength),
    )


def joined(parts: Sequence[Candidates]) -> Candidates:
    """Several as one."""
    starts = np.cumsum([0, *(len(part.right) for part in parts[:-1])])
    return Candidates(
        np.concatenate([part.signals for part in parts]),
        np.concatenate([part.demotions for part in parts]),
        np.concatenate([part.right for part in parts]),
        np.concatenate([part.first + start for part, start in zip(parts, starts)]),
        np.concatenate([part.weight for part in parts]),
        np.concatenate([part.strength for part in parts]),
    )


def fit(given: Candidates) -> dict[str, float]:
    """Factor of each signal and demotion, and weight of what only an adaptation brings. The same candidates give the same."""
    added = np.array([name in REMEMBERED for name in SIGNALS])
    base, taken = np.ones(len(SIGNALS)), np.array([DEMOTED[name] for name in DEMOTIONS])
    seen = (given.signals != 0).any(0)
    free = np.concatenate([seen & (np.array(SIGNALS) != FIXED), (given.demotions != 0).any(0)])
    values = np.concatenate([np.where(added & seen, 0.1, 0.0), np.zeros(len(DEMOTIONS))])
    low = np.concatenate([np.where(added, 0.0, -LARGEST), np.full(len(DEMOTIONS), -LARGEST)])
    high = np.concatenate([np.where(added, MOST_ADDED, LARGEST), np.full(len(DEMOTIONS), LARGEST)])
    adam = Adam(values.shape, RATE)
    for _ in range(STEPS):
        slope = gradient(given, values, added, base, taken) + 2 * PULL / max(len(given.first), 1) * values
        values = np.clip(values - adam.step(slope) * free, low, high)
    return _named(values, added)


def gradient(given: Candidates, values: np.ndarray, added: np.ndarray, base: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Slope of the mean loss in the values: logarithms of factors, and weights of what is added."""
    weights, off = _weights(given, values, added, base, taken)
    gross, factors = _gross(given, weights), 1 - given.demotions * np.repeat(off, given.sizes, axis=0)
    kept = factors.prod(1)
    pull = _pull(given, gross * kept)
    strength = given.strength[:, None]
    by_signal = (_sums(given, pull * kept, given.signals) * strength * np.where(added, 1.0, weights)).sum(0)
    inside = np.where(taken * np.exp(strength * values[len(added) :]) < MOST_DEMOTED, off, 0.0) * strength
    by_demotion = -(_sums(given, pull * gross * kept, given.demotions / factors) * inside).sum(0)
    return np.concatenate([by_signal, by_demotion])


def loss(given: Candidates, values: np.ndarray, added: np.ndarray, base: np.ndarray, taken: np.ndarray) -> float:
    """The mean loss without the pull to the base."""
    weights, off = _weights(given, values, added, base, taken)
    likely = _softmax(given, _gross(given, weights) * (1 - given.demotions * np.repeat(off, given.sizes, axis=0)).prod(1))
    right = np.add.reduceat(np.where(given.right, likely, 0.0), given.first)
    return float(-(np.log(right) * given.weight).sum() / given.weight.sum())


def _weights(given: Candidates, values: np.ndarray, added: np.ndarray, base: np.ndarray, taken: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the signals and demotions for each question."""
    own, strength = values[: len(added)], given.strength[:, None]
    weights = np.where(added, strength * own, base * np.exp(strength * np.where(added, 0.0, own)))
    return weights, np.minimum(taken * np.exp(strength * values[len(added) :]), MOST_DEMOTED)


def _gross(given: Candidates, weights: np.ndarray) -> np.ndarray:
    """Sum of each candidate's signals, each times its question's weight."""
    return np.concatenate([own @ weights[n] for n, own in enumerate(np.split(given.signals, given.first[1:]))])


def _sums(given: Candidates, each: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Sum over each question's candidates of what `each` has times the rows of `of`, [question, column]."""
    return np.stack([part @ own for part, own in zip(np.split(each, given.first[1:]), np.split(of, given.first[1:]))])


def _pull(given: Candidates, scores: np.ndarray) -> np.ndarray:
    """Slope of the mean loss in each candidate's score."""
    likely = _softmax(given, scores)
    size = given.sizes
    right = np.where(given.right, likely, 0.0)
    of_right = right / np.repeat(np.add.reduceat(right, given.first), size)
    return (likely - of_right) * np.repeat(given.weight / given.weight.sum(), size) / SHARPNESS


def _softmax(given: Candidates, scores: np.ndarray) -> np.ndarray:
    size = given.sizes
    raised = np.exp((scores - np.repeat(np.maximum.reduceat(scores, given.first), size)) / SHARPNESS)
    return raised / np.repeat(np.add.reduceat(raised, given.first), size)


def _named(values: np.ndarray, added: np.ndarray) -> dict[str, float]:
    own = np.where(added, values[: len(added)], np.exp(np.where(added, 0.0, values[: len(added)])))
    return dict(zip((*SIGNALS, *DEMOTIONS), np.round(np.concatenate([own, np.exp(values[len(added) :])]), 4).tolist()))
