"""The figures of an evaluation: laws, numbers worked by hand, agreement with trec_eval."""

from __future__ import annotations

import random
from math import log2

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from wayfind.evaluate.intervals import bootstrap, paired
from wayfind.evaluate.metrics import figures, ndcg, precision, precision_ceiling, recall, reciprocal_rank

rankings = st.lists(st.integers(0, 30), unique=True, max_size=30)
golds = st.sets(st.integers(0, 30), min_size=1, max_size=8)


def test_figures_worked_by_hand():
    ranking, gold = ["a", "x", "b", "y"], {"x", "y", "z"}
    assert reciprocal_rank(ranking, gold) == 1 / 2
    assert recall(ranking, gold) == 2 / 3
    assert precision(ranking, gold, 3) == 1 / 3
    ideal = 1 / log2(2) + 1 / log2(3) + 1 / log2(4)
    assert ndcg(ranking, gold) == pytest.approx((1 / log2(3) + 1 / log2(5)) / ideal)


def test_graded_ndcg_worked_by_hand():
    assert ndcg(["b", "a"], {"a": 3, "b": 1}) == pytest.approx((1 / log2(2) + 3 / log2(3)) / (3 / log2(2) + 1 / log2(3)))
    assert ndcg(["a", "b"], {"a": 3, "b": 1}) == 1.0


def test_precision_divides_by_k_and_not_by_the_number_of_hits():
    """Origin defect 12: one hit returned, and right, was counted as P@3 = 1."""
    assert precision(["x"], {"x"}, 3) == pytest.approx(1 / 3)
    assert precision([], {"x"}, 3) == 0
    assert precision_ceiling({"x"}, 3) == pytest.approx(1 / 3)
    assert precision_ceiling({"x", "y", "z", "w"}, 3) == 1


def test_a_repeated_item_uses_up_its_rank_and_earns_once():
    assert recall(["x", "x", "y"], {"x", "y"}, 2) == 1 / 2
    assert precision(["x", "x", "x"], {"x"}, 3) == pytest.approx(1 / 3)
    assert ndcg(["x", "x"], {"x"}) == 1


def test_nothing_beyond_k_counts():
    ranking = ["a", "b", "x"]
    assert figures(ranking, {"x"}, 2) == {"MRR@2": 0, "nDCG@2": 0, "recall@2": 0, "P@3": pytest.approx(1 / 3)}


@pytest.mark.parametrize("gold", [set(), {}, {"x": 0.0}, {"x": -1.0}])
def test_gold_that_cannot_be_met_is_refused(gold):
    with pytest.raises(ValueError, match="gold"):
        recall(["x"], gold)


def test_k_below_one_is_refused():
    with pytest.raises(ValueError, match="k must be"):
        precision(["x"], {"x"}, 0)


@given(rankings, golds, st.integers(1, 15))
def test_every_figure_lies_between_zero_and_one(ranking, gold, k):
    assert all(0 <= value <= 1 for value in figures(ranking, gold, k).values())


@given(golds, st.integers(1, 15))
def test_a_perfect_ranking_gets_everything_that_k_allows(gold, k):
    ranking = sorted(gold) + [99]
    assert ndcg(ranking, gold, k) == pytest.approx(1)
    assert reciprocal_rank(ranking, gold, k) == 1
    assert recall(ranking, gold, k) == min(k, len(gold)) / len(gold)
    assert precision(ranking, gold, k) == precision_ceiling(gold, k)


@given(rankings.filter(lambda r: len(r) > 1), golds, st.data())
def test_moving_a_relevant_item_up_never_lowers_a_figure(ranking, gold, data):
    place = data.draw(st.integers(1, len(ranking) - 1))
    if ranking[place] not in gold:
        return
    better = ranking[: place - 1] + [ranking[place], ranking[place - 1]] + ranking[place + 1 :]
    before, after = figures(ranking, gold), figures(better, gold)
    assert all(after[name] >= before[name] - 1e-12 for name in before)


@settings(max_examples=40)
@given(st.lists(st.tuples(rankings, golds), min_size=1, max_size=5), st.sampled_from([1, 3, 10]))
def test_figures_agree_with_trec_eval(queries, k):
    qrel = {str(i): {str(item): 1 for item in gold} for i, (_, gold) in enumerate(queries)}
    run = {str(i): {str(item): -float(place) for place, item in enumerate(r[:k])} for i, (r, _) in enumerate(queries)}
    theirs = pytrec_eval.RelevanceEvaluator(qrel, {f"ndcg_cut.{k}", f"recall.{k}", f"P.{k}", "recip_rank"}).evaluate(run)
    for i, (ranking, gold) in enumerate(queries):
        # trec_eval leaves out a query for which nothing came back; for us it counts 0.
        figure = theirs.get(str(i), dict.fromkeys([f"ndcg_cut_{k}", f"recall_{k}", f"P_{k}", "recip_rank"], 0.0))
        assert ndcg(ranking, gold, k) == pytest.approx(figure[f"ndcg_cut_{k}"])
        assert recall(ranking, gold, k) == pytest.approx(figure[f"recall_{k}"])
        assert precision(ranking, gold, k) == pytest.approx(figure[f"P_{k}"])
        assert reciprocal_rank(ranking, gold, k) == pytest.approx(figure["recip_rank"])


def test_graded_ndcg_agrees_with_trec_eval():
    rng = random.Random(0)
    for _ in range(30):
        gains = {str(i): rng.randint(1, 4) for i in rng.sample(range(20), 5)}
        ranking = [str(i) for i in rng.sample(range(20), 12)]
        run = {"q": {item: -float(place) for place, item in enumerate(ranking)}}
        theirs = pytrec_eval.RelevanceEvaluator({"q": gains}, {"ndcg_cut.10"}).evaluate(run)
        assert ndcg(ranking, gains) == pytest.approx(theirs["q"]["ndcg_cut_10"])


def test_a_random_system_gets_what_chance_gives():
    """MRR of a random order of n items with one relevant is H(n) / n."""
    rng, n = random.Random(0), 20
    orders = [rng.sample(range(n), n) for _ in range(4000)]
    expected = sum(1 / rank for rank in range(1, n + 1)) / n
    got = bootstrap([reciprocal_rank(order, {0}, n) for order in orders])
    assert got.low < expected < got.high
    assert got.high - got.low < 0.02


def test_an_interval_is_that_of_the_slow_obvious_loop():
    values = [0.0, 0.5, 1.0, 1.0, 0.2]
    drawn = np.random.default_rng(7).integers(0, 5, size=(1000, 5))
    means = sorted(sum(values[i] for i in row) / 5 for row in drawn)
    got = bootstrap(values, seed=7)
    assert got.mean == pytest.approx(0.54) and got.n == 5
    assert got.low == pytest.approx(np.percentile(means, 2.5)) and got.high == pytest.approx(np.percentile(means, 97.5))


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(300):
        got = bootstrap(rng.random(60) < 0.4, seed=seed, resamples=300)
        covered += got.low <= 0.4 <= got.high
    assert 0.90 <= covered / 300 <= 0.99


def test_same_seed_same_interval_and_another_seed_another_one():
    values = np.random.default_rng(0).random(50)
    assert bootstrap(values, seed=1) == bootstrap(values, seed=1)
    assert bootstrap(values, seed=1) != bootstrap(values, seed=2)


def test_a_paired_difference_sees_what_unpaired_intervals_hide():
    theirs = np.random.default_rng(0).random(100)
    got = paired(theirs + 0.01, theirs)
    assert got.excludes_zero() and got.mean == pytest.approx(0.01)
    assert bootstrap(theirs + 0.01).low < bootstrap(theirs).high
    assert not paired(theirs, theirs).excludes_zero()


def test_intervals_refuse_nothing_and_unequal_lengths():
    with pytest.raises(ValueError, match="at least one query"):
        bootstrap([])
    with pytest.raises(ValueError, match="same queries"):
        paired([1.0], [1.0, 0.0])
