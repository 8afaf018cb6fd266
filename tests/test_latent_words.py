"""The first stage of learning: a table of embeddings out of what occurs together in passages."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("zuko")
import numpy as np  # noqa: E402
import torch  # noqa: E402

from wayfind.train.latent_network import LatentNetwork, NetworkConfig, repeats  # noqa: E402
from wayfind.train.latent_words import _bags, table  # noqa: E402

FIRST, PIECES = 12, 60


def passages(count: int = 80) -> list[np.ndarray]:
    """Pieces 12 to 35 occur with each other, and so do 36 to 59; never one of both."""
    random = np.random.default_rng(0)
    return [np.array([2, *random.integers(FIRST + 24 * (row % 2), FIRST + 24 * (row % 2 + 1), 9), 3]) for row in range(count)]


def rarity() -> np.ndarray:
    return np.where(np.arange(PIECES) < FIRST, 0.1, 1.0)


def test_words_of_the_same_passages_are_near_and_marks_have_no_row() -> None:
    made = table(passages(), rarity(), hidden=8, latent=2, first=FIRST)
    assert made.shape == (PIECES, 8) and made.dtype == np.float32
    assert not made[:FIRST].any()
    unit = made[FIRST:] / np.linalg.norm(made[FIRST:], axis=1, keepdims=True)
    near = unit @ unit.T
    assert near[:24, :24].mean() > 0.8 > 0.2 > abs(near[:24, 24:].mean())


def test_a_mean_of_rows_compares_texts_as_the_exact_decomposition_does() -> None:
    texts, wanted = passages(), 10
    bags = _bags(texts, rarity(), FIRST).to_dense().numpy()
    exact = np.linalg.svd(bags, full_matrices=False)[2][:wanted].T
    made = bags @ table(texts, np.ones(PIECES), hidden=wanted, latent=wanted, first=FIRST)
    reference = bags @ exact

    def cosines(rows: np.ndarray) -> np.ndarray:
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit @ unit.T

    assert np.abs(cosines(made) - cosines(reference)).mean() < 0.02


def test_the_table_is_the_same_for_the_same_seed_and_turned_for_another() -> None:
    one, same, other = (table(passages(), rarity(), 8, 8, FIRST, seed) for seed in (0, 0, 1))
    assert np.array_equal(one, same) and not np.allclose(one, other, atol=0.1)


def test_a_latent_that_is_larger_than_the_passages_leaves_the_rest_empty() -> None:
    made = table(passages(4), rarity(), hidden=16, latent=16, first=FIRST)
    assert np.isfinite(made).all() and not made[:, 4:].any()


def test_a_piece_said_four_times_counts_twice_and_padding_counts_nothing() -> None:
    ids = torch.tensor([[20, 20, 20, 20, 21, 0, 0], [20, 21, 22, 23, 24, 25, 26]])
    mask = ids > 0
    assert repeats(ids, mask)[0, :5].tolist() == [4, 4, 4, 4, 1] and repeats(ids, mask)[1].tolist() == [1] * 7
    drawn, real = torch.randint(12, 20, (5, 30)), torch.rand(5, 30) < 0.7
    compared = ((drawn[:, :, None] == drawn[:, None]) & real[:, None]).sum(-1)
    assert torch.equal(repeats(drawn, real)[real], compared[real].float())
    network = LatentNetwork(NetworkConfig.sized(latent=8, hidden=8, vocabulary=PIECES), None, np.ones((PIECES, 8), np.float32))
    states = network.encoder(ids, mask)[0, :5].sum(dim=0)
    assert torch.allclose(states, torch.full((8,), 2.0 + 1.0))
