"""Laws of the solver: orders of convergence, moments of the noise, the drift-only path, and torchsde on the same
Brownian path.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

pytest.importorskip("torch")
import torch  # noqa: E402

from wayfind.train.trajectory import NeuralDynamics, Trajectory, integrate, wiener_increments  # noqa: E402

torch.set_num_threads(1)  # tensors are tiny: threads only wait for each other

PATHS = 4000


@dataclass(frozen=True)
class Geometric:
    """dz = a z dt + b z dW; z(1) = z0 exp((a − b²/2) + b W(1))."""

    a: float = 0.7
    b: float = 0.6

    def drift(self, state, time):
        return self.a * state

    def diffusion(self, state, time):
        return self.b * state


@dataclass(frozen=True)
class OrnsteinUhlenbeck:
    """dz = −a z dt + b dW; z(1) ~ N(z0 e^{−a}, b² (1 − e^{−2a}) / 2a)."""

    a: float = 1.0
    b: float = 0.5

    def drift(self, state, time):
        return -self.a * state

    def diffusion(self, state, time):
        return torch.full_like(state, self.b)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def fine_increments(steps: int = 1024) -> torch.Tensor:
    return wiener_increments(steps, PATHS, 1, seeded()).double()


def summed(increments: torch.Tensor, steps: int) -> torch.Tensor:
    """The same Brownian path on a coarser grid."""
    return increments.unflatten(0, (steps, -1)).sum(dim=1)


def end_point(dynamics, increments, steps):
    return integrate(dynamics, torch.ones(PATHS, 1, dtype=torch.float64), (1.0,), steps, increments)[:, -1]


def order(errors: dict[int, float]) -> float:
    """Slope of log error against log step length, by least squares."""
    xs = [-math.log(steps) for steps in errors]
    ys = [math.log(error) for error in errors.values()]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys)) / sum((x - mean_x) ** 2 for x in xs)


def test_strong_order_is_one_half_on_the_linear_equation_with_known_solution():
    dynamics, increments = Geometric(), fine_increments()
    known = torch.exp(dynamics.a - dynamics.b**2 / 2 + dynamics.b * increments.sum(dim=0))
    errors = {
        n: (end_point(dynamics, summed(increments, n), n) - known).abs().mean().item()
        for n in (8, 16, 32, 64, 128, 256)
    }
    assert order(errors) == pytest.approx(0.5, abs=0.08)


def test_strong_order_is_one_where_the_noise_is_additive():
    dynamics, increments = OrnsteinUhlenbeck(), fine_increments()
    known = end_point(dynamics, increments, 1024)
    errors = {n: (end_point(dynamics, summed(increments, n), n) - known).abs().mean().item() for n in (8, 16, 32, 64)}
    assert order(errors) == pytest.approx(1.0, abs=0.1)


def test_without_noise_the_order_is_two():
    dynamics = Geometric()
    errors = {n: abs(end_point(dynamics, None, n)[0, 0].item() - math.exp(dynamics.a)) for n in (4, 8, 16, 32)}
    assert order(errors) == pytest.approx(2.0, abs=0.1)


def test_the_interpretation_is_ito_the_mean_of_the_martingale_does_not_drift():
    dynamics = Geometric(a=0.0, b=0.8)  # Stratonovich would have mean exp(b² / 2) = 1.38
    assert end_point(dynamics, summed(fine_increments(), 64), 64).mean().item() == pytest.approx(1.0, abs=0.05)


def test_moments_of_the_ornstein_uhlenbeck_process():
    dynamics = OrnsteinUhlenbeck()
    ends = end_point(dynamics, summed(fine_increments(), 128), 128)
    assert ends.mean().item() == pytest.approx(math.exp(-1), abs=0.02)
    assert ends.var().item() == pytest.approx(dynamics.b**2 * (1 - math.exp(-2)) / 2, rel=0.06)


def test_increments_are_independent_with_the_variance_of_their_step():
    drawn = wiener_increments(8, 20_000, 2, seeded())
    assert drawn.mean().abs() < 0.005
    torch.testing.assert_close(drawn.var(dim=1), torch.full((8, 2), 1 / 8), rtol=0.05, atol=0)
    flat = drawn.transpose(0, 1).flatten(1)
    correlation = torch.corrcoef(flat.T) - torch.eye(16)
    assert correlation.abs().max() < 0.03


def test_the_path_begins_at_the_identity_with_and_without_noise():
    trajectory = Trajectory(NeuralDynamics(5, 16), (0.0, 0.05, 0.1), 4)
    start = torch.randn(3, 5)
    for increments in (None, wiener_increments(4, 3, 5, seeded())):
        torch.testing.assert_close(trajectory(start, increments), start[:, None].expand(3, 3, 5))


def moved_dynamics() -> NeuralDynamics:
    torch.manual_seed(0)
    dynamics = NeuralDynamics(5, 16)
    for layer in (dynamics.drift_net[-1], dynamics.diffusion_net[-1]):
        torch.nn.init.normal_(layer.weight, std=0.5)
    return dynamics


def test_states_at_the_levels_are_those_of_shorter_integrations():
    dynamics, start = moved_dynamics(), torch.randn(3, 5)
    path = Trajectory(dynamics, (0.0, 0.05, 0.1), 4)(start)
    torch.testing.assert_close(path[:, 0], start)
    torch.testing.assert_close(path[:, 1], integrate(dynamics, start, (0.5,), 4)[:, 0])
    assert (path[:, 2] - path[:, 1]).abs().max() > 1e-2


def test_the_drift_only_path_is_the_noisy_one_with_zero_increments_and_never_differs():
    trajectory, start = Trajectory(moved_dynamics(), (0.0, 0.05, 0.1), 4), torch.randn(3, 5)
    assert torch.equal(trajectory(start), trajectory(start))
    torch.testing.assert_close(trajectory(start), trajectory(start, torch.zeros(4, 3, 5)))


def test_noise_reaches_drift_and_diffusion_with_a_gradient():
    dynamics = moved_dynamics()
    path = integrate(dynamics, torch.randn(3, 5), (1.0,), 4, wiener_increments(4, 3, 5, seeded()))
    path.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in dynamics.parameters())


def test_the_solution_is_that_of_torchsde_on_the_same_brownian_path():
    torchsde = pytest.importorskip("torchsde")
    dynamics = moved_dynamics().double()

    class Equation(torch.nn.Module):
        noise_type, sde_type = "diagonal", "ito"

        def f(self, t, y):
            return dynamics.drift(y, float(t))

        def g(self, t, y):
            return dynamics.diffusion(y, float(t))

    start = torch.randn(64, 5, dtype=torch.float64, generator=seeded())
    steps = 256
    brownian = torchsde.BrownianInterval(0.0, 1.0, size=(64, 5), dtype=torch.float64, entropy=7)
    increments = torch.stack([brownian(i / steps, (i + 1) / steps) for i in range(steps)])
    with torch.no_grad():
        known = torchsde.sdeint(
            Equation(), start, torch.tensor([0.0, 1.0], dtype=torch.float64), bm=brownian, dt=1 / steps, method="euler"
        )
        ours = integrate(dynamics, start, (1.0,), steps, increments)[:, -1]
    spread = (known[-1] - start).abs().mean()
    assert (ours - known[-1]).abs().mean() < 0.02 * spread
