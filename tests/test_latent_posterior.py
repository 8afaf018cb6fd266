"""Laws of the posterior: padding changes nothing, order does, samples have the moments that were asked for."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
import torch  # noqa: E402

from wayfind.train.posterior import OrderedPooling, Posterior, PosteriorNet  # noqa: E402

torch.set_num_threads(1)  # tensors are tiny: threads only wait for each other

pytest.importorskip("zuko")


def some_states(batch: int = 3, token: int = 7, hidden: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    mask = torch.ones(batch, token, dtype=torch.bool)
    mask[1:2, 4:] = False
    return torch.randn(batch, token, hidden), mask


def trained_pooling(hidden: int = 8) -> OrderedPooling:
    pooling = OrderedPooling(hidden)
    torch.nn.init.normal_(pooling.query)
    torch.nn.init.normal_(pooling.gate)
    return pooling


def test_padding_changes_nothing_whatever_it_holds():
    states, mask = some_states()
    pooling = trained_pooling()
    longer = torch.cat([states, torch.full((3, 5, 8), torch.nan)], dim=1)
    longer_mask = torch.cat([mask, torch.zeros(3, 5, dtype=torch.bool)], dim=1)
    torch.testing.assert_close(pooling(longer, longer_mask), pooling(states, mask), rtol=0, atol=1e-6)


def test_a_text_alone_has_the_vector_that_it_has_in_a_batch():
    states, mask = some_states()
    net = PosteriorNet(8, 4, 16)
    together, alone = net(states, mask).mean[1], net(states[1:2, :4], mask[1:2, :4]).mean[0]
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-6)


def test_order_changes_the_result_even_without_an_encoder():
    states, mask = some_states(batch=1)
    pooling = OrderedPooling(8)
    assert (pooling(states, mask) - pooling(states.flip(1), mask)).abs().max() > 1e-3


def test_pooling_begins_as_the_masked_mean_of_states_and_their_pairs():
    states, mask = some_states()
    pooling = OrderedPooling(8)
    real = states[1, :4]
    before = torch.cat([torch.zeros(1, 8), real[:-1]]).roll(1, dims=-1)
    expected = (real + pooling.gate * real * before).mean(dim=0)
    torch.testing.assert_close(pooling(states, mask)[1], expected)


def test_a_text_without_tokens_pools_to_zero():
    assert not OrderedPooling(8)(torch.randn(1, 3, 8), torch.zeros(1, 3, dtype=torch.bool)).any()


def test_samples_have_the_mean_and_the_variance_of_the_posterior():
    posterior = Posterior(torch.tensor([[1.0, -2.0]]), torch.tensor([[0.0, -2.0]]))
    noise = torch.randn(200_000, 1, 2, generator=torch.Generator().manual_seed(0))
    samples = torch.stack([posterior.sample(noise)])[0, :, 0]
    torch.testing.assert_close(samples.mean(dim=0), posterior.mean[0], rtol=0, atol=0.01)
    torch.testing.assert_close(samples.var(dim=0), posterior.log_variance[0].exp(), rtol=0.02, atol=0)


def test_a_sample_has_a_gradient_in_mean_and_log_variance():
    mean, log_variance = torch.zeros(1, 3, requires_grad=True), torch.zeros(1, 3, requires_grad=True)
    noise = torch.tensor([[1.0, -1.0, 2.0]])
    Posterior(mean, log_variance).sample(noise).sum().backward()
    torch.testing.assert_close(mean.grad, torch.ones(1, 3))
    torch.testing.assert_close(log_variance.grad, 0.5 * noise)
