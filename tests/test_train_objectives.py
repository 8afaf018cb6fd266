"""Objectives against numbers by hand and slow loops; their gradients; what padding, weights and false negatives do."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from wayfind.train import objectives  # noqa: E402


def unit(*shape: int, seed: int = 0):
    drawn = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(drawn, dim=-1)


def sides(batch: int = 4, codes: int = 6, terms: int = 5, tokens: int = 7, dim: int = 8):
    """Token vectors of queries and codes with their masks; lengths differ."""
    query, code = unit(batch, terms, dim), unit(codes, tokens, dim, seed=1)
    query_mask = torch.arange(terms)[None] < torch.tensor([5, 3, 1, 4])[:batch, None]
    code_mask = torch.arange(tokens)[None] < torch.tensor([7, 2, 5, 1, 6, 3])[:codes, None]
    return query, query_mask, code, code_mask


def slow_maxsim(query, query_mask, code, code_mask):
    rows = []
    for q, qm in zip(query, query_mask):
        row = []
        for d, dm in zip(code, code_mask):
            best = [max(float(q[i] @ d[j]) for j in range(len(d)) if dm[j]) for i in range(len(q)) if qm[i]]
            row.append(sum(best) / len(best))
        rows.append(row)
    return torch.tensor(rows, dtype=torch.float64)


def slow_xtr(query, query_mask, code, code_mask, k):
    """Every query token retrieves its k best tokens of all codes; a code is scored by those of its tokens that were retrieved."""
    rows = []
    for q, qm in zip(query, query_mask):
        best = [dict() for _ in code]
        for i in range(len(q)):
            if not qm[i]:
                continue
            found = sorted(((float((q[i] @ d[j]).detach()), n, j) for n, d in enumerate(code) for j in range(len(d)) if code_mask[n][j]), reverse=True)[:k]
            for _, n, j in found:
                score = q[i] @ code[n][j]
                if i not in best[n] or score > best[n][i]:
                    best[n][i] = score
        rows.append(torch.stack([sum(one.values()) / len(one) if one else torch.zeros((), dtype=torch.float64) for one in best]))
    return torch.stack(rows)


def test_info_nce_is_the_number_worked_by_hand():
    query = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    code = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    found = objectives.info_nce(query, code, torch.zeros(2, 3, dtype=torch.bool), torch.ones(2), 0.5, symmetric=False)
    first = -math.log(math.exp(2) / (math.exp(2) + 1 + math.exp(1.2)))
    second = -math.log(math.exp(2) / (1 + math.exp(2) + math.exp(1.6)))
    assert found.item() == pytest.approx((first + second) / 2, abs=1e-6)


def test_a_false_negative_counts_as_if_it_were_not_there():
    query, code = unit(3, 8), unit(4, 8, seed=1)
    excluded = torch.zeros(3, 4, dtype=torch.bool)
    excluded[:, 3] = True
    excluded |= torch.eye(3, 4, dtype=torch.bool)  # a pair's own code is always the same code
    with_it = objectives.info_nce(query, code, excluded, torch.ones(3), 0.1)
    without = objectives.info_nce(query, code[:3], torch.zeros(3, 3, dtype=torch.bool), torch.ones(3), 0.1)
    assert with_it.item() == pytest.approx(without.item(), abs=1e-12)


def test_a_weight_of_two_is_a_pair_counted_twice():
    query, code = unit(3, 8), unit(3, 8, seed=1)
    weighted = objectives.weighted_mean(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([1.0, 1.0, 2.0]))
    assert weighted.item() == pytest.approx((1 + 2 + 4 + 4) / 4)
    none = torch.zeros(3, 3, dtype=torch.bool)
    only_first = objectives.info_nce(query, code, none, torch.tensor([1.0, 0.0, 0.0]), 0.1)
    query.requires_grad_()
    objectives.info_nce(query, code, none, torch.tensor([1.0, 0.0, 0.0]), 0.1, symmetric=False).backward()
    assert only_first > 0 and query.grad[0].abs().sum() > 0 and query.grad[1:].abs().sum() == 0


def test_maxsim_equals_the_slow_loop():
    assert torch.allclose(objectives.maxsim(*sides()), slow_maxsim(*sides()), atol=1e-12)


@pytest.mark.parametrize("k", [1, 3, 8, 24, 1000])
def test_xtr_equals_the_slow_loop_in_value_and_gradient(k):
    query, query_mask, code, code_mask = sides()
    grads = []
    for score in (objectives.xtr_scores, slow_xtr):
        q, d = query.clone().requires_grad_(), code.clone().requires_grad_()
        scores = score(q, query_mask, d, code_mask, k)
        scores.mul(torch.arange(24, dtype=torch.float64).view(4, 6)).sum().backward()
        grads.append((scores.detach(), q.grad, d.grad))
    for fast, slow in zip(*grads):
        assert torch.allclose(fast, slow, atol=1e-12)


def test_xtr_with_every_token_retrieved_is_maxsim():
    assert torch.allclose(objectives.xtr_scores(*sides(), k=10**6), objectives.maxsim(*sides()), atol=1e-12)


def test_a_code_of_which_nothing_was_retrieved_scores_nought_without_gradient():
    query, query_mask, code, code_mask = sides()
    code = code.requires_grad_()
    scores = objectives.xtr_scores(query, query_mask, code, code_mask, 1)
    scores.sum().backward()
    unseen = (scores == 0).all(dim=0)
    assert unseen.any() and code.grad[unseen].abs().sum() == 0 and code.grad[~unseen].abs().sum() > 0


@pytest.mark.parametrize("score", [objectives.maxsim, lambda *given: objectives.xtr_scores(*given, k=5)])
def test_padding_changes_no_score(score):
    query, query_mask, code, code_mask = sides()
    grown = [torch.nn.functional.pad(one, (0, 0, 0, 3), value=9.0) if one.ndim == 3 else torch.nn.functional.pad(one, (0, 3)) for one in (query, query_mask, code, code_mask)]
    assert torch.allclose(score(*grown), score(query, query_mask, code, code_mask), atol=1e-12)


def test_matryoshka_is_the_mean_over_prefixes_of_unit_norm():
    query, code = unit(3, 8), unit(3, 8, seed=1)
    given = torch.zeros(3, 3, dtype=torch.bool), torch.ones(3, dtype=torch.float64)
    short = [torch.nn.functional.normalize(side[:, :4], dim=-1) for side in (query, code)]
    parts = [objectives.info_nce(query, code, *given, 0.1), objectives.info_nce(*short, *given, 0.1)]
    assert objectives.matryoshka(query, code, *given, 0.1, True, [4]).item() == pytest.approx(sum(part.item() for part in parts) / 2)


def test_distillation_is_nought_where_the_student_says_what_the_teacher_says_and_positive_elsewhere():
    query, code = unit(3, 8), unit(5, 8, seed=1)
    ones, shift = torch.ones(3, dtype=torch.float64), torch.tensor([[3.0], [-7.0], [0.5]])
    for teacher in (query @ code.T / 0.1, query @ code.T / 0.1 + shift):  # a softmax does not see what is added to a whole row
        assert abs(objectives.distillation(query, code, teacher, ones, 0.1).item()) < 1e-12
    assert objectives.distillation(query, code, unit(3, 8, seed=2) @ code.T / 0.1, ones, 0.1).item() > 1e-3


def test_distillation_is_the_number_worked_by_hand():
    query, code = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    found = objectives.distillation(query, code, torch.tensor([[0.0, 1.0]]), torch.ones(1), 0.5)
    wanted, said = [1 / (1 + math.e), math.e / (1 + math.e)], [math.e**2 / (1 + math.e**2), 1 / (1 + math.e**2)]
    assert found.item() == pytest.approx(sum(p * math.log(p / q) for p, q in zip(wanted, said)), abs=1e-6)


def test_a_code_that_the_teacher_did_not_judge_counts_as_if_it_were_not_there():
    query, code = unit(3, 8).requires_grad_(), unit(5, 8, seed=1).requires_grad_()
    teacher = torch.randn(3, 5, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    teacher[:, 3:] = -torch.inf
    teacher[1, 1:] = -torch.inf  # of this query only its own code was judged: nothing to learn
    ones = torch.ones(3, dtype=torch.float64)
    objectives.distillation(query, code, teacher, ones, 0.1).backward()
    assert code.grad.isfinite().all() and code.grad[3:].abs().sum() == 0 and code.grad[:3].abs().sum() > 0
    assert query.grad[1].abs().sum() == 0 and query.grad[[0, 2]].abs().sum() > 0
    whole, part = (objectives.distillation(query[::2], kept, told, ones[:2], 0.1) for kept, told in ((code, teacher[::2]), (code[:3], teacher[::2, :3])))
    assert whole.item() == pytest.approx(part.item(), abs=1e-12)
