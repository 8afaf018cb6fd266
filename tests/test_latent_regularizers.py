"""Laws of KL and Epps–Pulley: closed forms against sums and quadrature, and what their gradients do."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
import torch  # noqa: E402
from torch.distributions import Normal, kl_divergence  # noqa: E402

from wayfind.train.posterior import Posterior  # noqa: E402
from wayfind.train.regularizers import (  # noqa: E402
    GAUSSIAN,
    epps_pulley,
    epps_pulley_exact,
    kl_to_standard_normal,
    random_directions,
    sliced_epps_pulley,
)

torch.set_num_threads(1)  # tensors are tiny: threads only wait for each other


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_kl_equals_that_of_torch_distributions():
    posterior = Posterior(torch.randn(5, 4, generator=seeded()), torch.randn(5, 4, generator=seeded(1)))
    known = kl_divergence(Normal(posterior.mean, (0.5 * posterior.log_variance).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(kl_to_standard_normal(posterior), known.sum(dim=1).mean())


def test_kl_of_the_standard_normal_is_zero():
    assert kl_to_standard_normal(Posterior(torch.zeros(2, 3), torch.zeros(2, 3))) == 0


def test_free_bits_leave_a_dimension_below_them_without_gradient():
    mean = torch.tensor([[0.1, 2.0]], requires_grad=True)
    nats = kl_to_standard_normal(Posterior(mean, torch.zeros(1, 2)), free=0.5)
    nats.backward()
    assert nats.item() == pytest.approx(0.5 + 2.0)  # the floor for the first dimension, 2²/2 for the second
    assert mean.grad[0, 0] == 0 and mean.grad[0, 1] == pytest.approx(2.0)


@pytest.mark.parametrize(
    "samples", [torch.randn(64, 3, generator=seeded()), torch.rand(40, 2, generator=seeded()) * 4, torch.zeros(8, 1)]
)
def test_quadrature_equals_the_closed_form(samples):
    samples = samples.double()
    torch.testing.assert_close(epps_pulley(samples, knots=17), epps_pulley_exact(samples), rtol=2e-3, atol=2e-3)
    torch.testing.assert_close(
        epps_pulley(samples, knots=129, bound=8.0), epps_pulley_exact(samples), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("count", [16, 64, 512])
def test_normal_samples_have_the_expected_statistic_whatever_their_number(count):
    drawn = torch.randn(count, 4000, generator=seeded())
    assert epps_pulley(drawn).mean().item() == pytest.approx(GAUSSIAN, rel=0.05)


@pytest.mark.parametrize(
    "samples",
    [
        torch.zeros(256, 1),
        torch.full((256, 1), 2.0),
        3 * torch.randn(256, 1, generator=seeded()),
        torch.randn(256, 1, generator=seeded()) + 1,
        torch.randn(256, 1, generator=seeded()).sign(),
        torch.empty(256, 1).exponential_(generator=seeded()),
    ],
    ids=["collapsed at zero", "collapsed elsewhere", "too wide", "shifted", "two points", "skewed"],
)
def test_other_distributions_have_a_large_statistic(samples):
    assert epps_pulley(samples).item() > 5 * GAUSSIAN


def test_slices_are_unit_vectors_and_the_same_for_the_same_seed():
    directions = random_directions(16, 32, seeded(3))
    torch.testing.assert_close(directions.norm(dim=0), torch.ones(32))
    assert torch.equal(directions, random_directions(16, 32, seeded(3)))


def test_slices_see_a_dependence_that_no_coordinate_shows():
    plain = torch.randn(2000, generator=seeded())
    pair = torch.stack([plain, plain], dim=1)  # each coordinate is standard normal, the pair is a line
    independent = torch.randn(2000, 2, generator=seeded(1))
    directions = random_directions(2, 64, seeded(2))
    assert sliced_epps_pulley(pair, directions) > 20 * abs(sliced_epps_pulley(independent, directions))


def test_the_gradient_moves_a_collapsed_set_apart():
    latents = (0.01 * torch.randn(128, 8, generator=seeded())).requires_grad_()
    optimizer = torch.optim.Adam([latents], lr=0.05)
    generator = seeded(1)
    for _ in range(150):
        optimizer.zero_grad()
        sliced_epps_pulley(latents, random_directions(8, 32, generator)).backward()
        optimizer.step()
    deviations = latents.detach().std(dim=0)
    assert (deviations > 0.7).all() and (deviations < 1.3).all()
