"""Active dimensions, effective rank, and the error that names what pulled."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("zuko")
import torch  # noqa: E402

import latents  # noqa: E402
from wayfind.errors import Collapsed  # noqa: E402
from wayfind.train.collapse import (  # noqa: E402
    Health,
    Pull,
    active_dimensions,
    check_alive,
    effective_rank,
    health,
    pulls,
    strongest,
)
from wayfind.train.latent import LatentConfig, LatentModel, LossWeights  # noqa: E402


def normal(chunks: int, latent: int) -> torch.Tensor:
    return torch.randn(chunks, latent, generator=torch.Generator().manual_seed(0))


def test_a_dimension_is_active_above_a_variance_of_one_hundredth():
    means = normal(4000, 4) * torch.tensor([1.0, 0.11, 0.09, 0.0]) + 5
    assert active_dimensions(means) == 2


def test_effective_rank_counts_equal_directions():
    orthogonal = torch.linalg.qr(normal(64, 8)).Q
    spread = torch.cat([orthogonal, -orthogonal])  # already centred
    assert effective_rank(spread) == pytest.approx(8, abs=1e-3)
    assert effective_rank(spread * torch.tensor([1.0] * 3 + [0.0] * 5)) == pytest.approx(3, abs=1e-3)


def test_one_point_has_no_rank_wherever_it_lies():
    assert effective_rank(torch.full((10, 4), 7.3)) == 0
    assert health(torch.zeros(10, 4)) == Health(4, 0, 0.0)


def test_a_line_through_active_dimensions_is_found_by_its_rank():
    line = normal(500, 1) * torch.ones(1, 16)
    found = health(line)
    assert found.active == 16 and found.effective_rank == pytest.approx(1, abs=1e-3)
    with pytest.raises(Collapsed, match="effective rank 1.0"):
        check_alive(found, ())


def losses_with(**weights: float):
    torch.manual_seed(0)
    encoder = latents.SmallEncoder()
    model = LatentModel(
        LatentConfig(hidden=48, latent=16, width=48, coupling_width=32, free_nats=0.0, weights=LossWeights(**weights))
    )
    return model.losses(latents.batch_of(encoder, latents.made_up_pairs(32, 1)), torch.Generator().manual_seed(0))


def test_the_kl_pulls_together_and_epps_pulley_pushes_narrow_latents_apart():
    measured = {pull.term: pull for pull in pulls(losses_with(kl=1.0))}
    assert measured["kl"].contraction > 0 > measured["epps_pulley"].contraction
    assert set(measured) == {"contrastive", "epps_pulley", "kl"}
    assert all(pull.gradient >= abs(pull.contraction) for pull in measured.values())


def test_pulls_grow_with_the_weight():
    light, heavy = (next(p for p in pulls(losses_with(kl=w)) if p.term == "kl") for w in (0.1, 1.0))
    assert heavy.contraction == pytest.approx(10 * light.contraction, rel=1e-4)


def test_pulls_leave_the_graph_for_the_step():
    losses = losses_with(kl=1.0)
    pulls(losses)
    losses.total.backward()


def test_the_error_names_the_term_that_pulled_and_what_to_do():
    log = (
        pulls(losses_with(kl=5.0)),
        (Pull("kl", 0.0, 0.0), Pull("contrastive", 0.1, -0.1), Pull("epps_pulley", 0.1, -0.1)),
    )
    assert strongest(log)[0].term == "kl"
    with pytest.raises(Collapsed, match="lower the weight of kl and learn again"):
        check_alive(Health(16, 1, 1.2), log)


def test_a_collapse_that_nothing_pulled_asks_for_what_pushes_apart():
    with pytest.raises(Collapsed, match="raise the weight of contrastive or epps_pulley"):
        check_alive(Health(16, 1, 1.2), ((Pull("explanation", 0.1, -0.1),),))


def test_training_on_the_kl_alone_collapses_and_is_blamed():
    torch.manual_seed(0)
    weights = LossWeights(contrastive=0.0, epps_pulley=0.0, kl=1.0)
    encoder, model = (
        latents.SmallEncoder(),
        LatentModel(LatentConfig(48, 16, 48, coupling_width=32, free_nats=0.0, weights=weights)),
    )
    pairs = latents.made_up_pairs(200, 1)
    log = [
        pulls(model.losses(latents.batch_of(encoder, pairs.rows(torch.arange(64))), torch.Generator().manual_seed(0)))
    ]
    latents.learn(encoder, model, pairs, steps=60)
    with pytest.raises(Collapsed, match="lower the weight of kl"):
        check_alive(health(latents.means(encoder, model, pairs.code)), tuple(log))
