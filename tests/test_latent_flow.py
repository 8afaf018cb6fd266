"""Laws of every flow (shape, identity at the start, inverse, Jacobian by autograd, density, save and load) and of flow
matching.
"""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("zuko")
import torch  # noqa: E402

from wayfind.train.flow import Flow, negative_log_density  # noqa: E402
from wayfind.train.flow_matching import Velocity, flow_matching_loss  # noqa: E402
from wayfind.train.trajectory import Trajectory  # noqa: E402

torch.set_num_threads(1)  # tensors are tiny: threads only wait for each other

KINDS = pytest.mark.parametrize("kind", ["affine", "spline"])


def moved_flow(kind: str, latent: int = 6) -> Flow:
    torch.manual_seed(0)
    flow = Flow(latent, 16, couplings=4, kind=kind).double()
    for coupling in flow.couplings:
        torch.nn.init.normal_(coupling.hyper[-1].weight, std=0.3)
        torch.nn.init.normal_(coupling.hyper[-1].bias, std=0.3)
    return flow


def points(batch: int = 9, latent: int = 6) -> torch.Tensor:
    return torch.randn(batch, latent, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


TIME = torch.tensor(0.5, dtype=torch.float64)


@KINDS
def test_the_flow_begins_at_the_identity(kind):
    latents = points()
    transformed, log_determinant = Flow(6, 16, kind=kind).double()(latents, TIME)
    torch.testing.assert_close(transformed, latents)
    torch.testing.assert_close(log_determinant, torch.zeros(9, dtype=torch.float64))


@KINDS
def test_the_inverse_returns_what_went_in(kind):
    flow, latents = moved_flow(kind), points()
    transformed, _ = flow(latents, TIME)
    assert (transformed - latents).abs().max() > 0.1
    torch.testing.assert_close(flow.inverse(transformed, TIME), latents, rtol=0, atol=1e-8)


@KINDS
def test_the_log_determinant_is_that_of_the_jacobian_by_autograd(kind):
    flow, latents = moved_flow(kind), points(4)
    _, log_determinant = flow(latents, TIME)
    for latent, said in zip(latents, log_determinant):
        jacobian = torch.autograd.functional.jacobian(lambda z: flow(z[None], TIME)[0][0], latent)
        torch.testing.assert_close(torch.linalg.slogdet(jacobian).logabsdet, said, rtol=1e-6, atol=1e-8)


@KINDS
def test_time_changes_the_flow_and_levels_in_one_call_equal_levels_one_by_one(kind):
    flow, latents = moved_flow(kind), points()
    times = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    together, determinants = flow(latents[:, None].expand(-1, 3, -1), times.expand(9, -1))
    for level, time in enumerate(times):
        alone, determinant = flow(latents, time)
        torch.testing.assert_close(together[:, level], alone)
        torch.testing.assert_close(determinants[:, level], determinant)
    assert (together[:, 0] - together[:, 2]).abs().max() > 0.01


@KINDS
def test_every_dimension_is_moved_and_depends_on_others(kind):
    flow, latent = moved_flow(kind), points(1)[0]
    jacobian = torch.autograd.functional.jacobian(lambda z: flow(z[None], TIME)[0][0], latent)
    off_diagonal = jacobian - torch.diag(torch.diag(jacobian))
    assert (off_diagonal.abs().sum(dim=1) > 0).all()


@KINDS
def test_the_density_integrates_to_one(kind):
    flow = moved_flow(kind, latent=2)
    line = torch.linspace(-12, 12, 200, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)
    with torch.no_grad():
        density = torch.exp(-negative_log_density(*flow(grid, TIME)))
    assert (density.sum() * (line[1] - line[0]) ** 2).item() == pytest.approx(1.0, abs=0.01)


@KINDS
def test_a_saved_flow_loads_with_the_same_values(kind, tmp_path):
    flow, latents = moved_flow(kind), points()
    torch.save(flow.state_dict(), tmp_path / "flow.pt")
    loaded = Flow(6, 16, kind=kind).double()
    loaded.load_state_dict(torch.load(tmp_path / "flow.pt", weights_only=True))
    assert torch.equal(loaded(latents, TIME)[0], flow(latents, TIME)[0])


def test_no_couplings_are_the_identity():
    latents = points()
    transformed, log_determinant = Flow(6, 16, couplings=0)(latents, TIME)
    assert transformed is latents and not log_determinant.any()


def test_training_the_density_makes_a_skewed_sample_normal():
    torch.manual_seed(0)
    flow, time = Flow(2, 32, couplings=2, kind="spline"), torch.tensor(0.0)
    sample = torch.randn(256, 2)
    sample = torch.stack([sample[:, 0], 0.5 * sample[:, 1] + 0.5 * sample[:, 0] ** 2 - 1], dim=1)
    optimizer = torch.optim.Adam(flow.parameters(), lr=1e-2)
    before = negative_log_density(*flow(sample, time)).mean().item()
    for _ in range(60):
        optimizer.zero_grad()
        negative_log_density(*flow(sample, time)).mean().backward()
        optimizer.step()
    after = negative_log_density(*flow(sample, time)).mean().item()
    entropy = 2 * 0.5 * (1 + 1.8379) + torch.tensor(0.5).log().item()  # of the sample's law: a shear has determinant 1
    assert before > after + 0.2
    assert after == pytest.approx(entropy, abs=0.25)


def test_flow_matching_learns_a_translation():
    torch.manual_seed(0)
    velocity = Velocity(3, 32)
    shift = torch.tensor([1.0, -2.0, 0.5])
    optimizer = torch.optim.Adam(velocity.parameters(), lr=1e-2)
    for _ in range(150):
        source = torch.randn(256, 3)
        optimizer.zero_grad()
        flow_matching_loss(velocity, source, source + shift, torch.rand(256, 1)).backward()
        optimizer.step()
    path = Trajectory(velocity, (0.0, 0.05, 0.1), 4)(torch.zeros(1, 3))
    torch.testing.assert_close(path[0, 1:], torch.stack([shift / 2, shift]), rtol=0, atol=0.15)


def test_flow_matching_pulls_neither_end():
    velocity, ends = Velocity(3, 8), torch.randn(2, 4, 3, requires_grad=True)
    flow_matching_loss(velocity, ends[0], ends[1], torch.rand(4, 1)).backward()
    assert ends.grad is None
