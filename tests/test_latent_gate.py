"""The gate of a latent model: search with it is never kept where it is worse than search without, on the gate's questions."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
from wayfind.evaluate.queries import Query  # noqa: E402
from wayfind.train import latent_gate  # noqa: E402
from wayfind.train.adapt.exams import Sheet  # noqa: E402

QUESTIONS = [Query(f"docstring-{number:012x}", f"question {number}", "docstring", ()) for number in range(90)]


def decided(monkeypatch, figure) -> latent_gate.Judged:
    """The verdict where a question's figure at a weight is `figure(weight, choosing)`."""

    def sheets(made, encoder, level, weight, choosing):
        asked = latent_gate._some(QUESTIONS, choosing)
        value = figure(weight, choosing)
        return [("docstring", Sheet({one.id: {"MRR@10": value + 0.001 * (number % 7), "recall@10": value} for number, one in enumerate(asked)}))]

    monkeypatch.setattr(latent_gate, "_sheets", sheets)
    return latent_gate._decided([], None, "semantics", "a model", lambda *_: None, 0)  # type: ignore[arg-type]


def test_no_weight_helps_and_none_is_taken(monkeypatch) -> None:
    found = decided(monkeypatch, lambda weight, choosing: 0.5 - weight / 10)
    assert found.weight == 0.0 and "no weight helped" in found.why


def test_a_gain_where_the_weight_is_chosen_that_is_a_loss_where_it_is_decided_is_refused(monkeypatch) -> None:
    found = decided(monkeypatch, lambda weight, choosing: 0.5 + weight / 10 if choosing else 0.5 - weight / 10)
    assert found.weight == 0.0 and "no certain gain" in found.why


def test_a_certain_gain_is_kept_with_the_best_weight(monkeypatch) -> None:
    found = decided(monkeypatch, lambda weight, choosing: 0.5 + 0.1 * (weight == 0.5) + 0.05 * (weight > 0))
    assert found.weight == 0.5 and found.beside == "a model"


def test_the_questions_that_choose_do_not_decide() -> None:
    choosing, deciding = (latent_gate._some(QUESTIONS, one) for one in (True, False))
    assert choosing and deciding and not set(choosing) & set(deciding)
    assert sorted([*choosing, *deciding], key=lambda one: one.id) == QUESTIONS
