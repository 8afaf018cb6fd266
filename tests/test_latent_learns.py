"""The whole model learns in seconds on one core; the original's recipe on the same data collapses (origin-defects 1, 3,
4, 5).
"""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("zuko")
import torch  # noqa: E402
from torch.nn import functional  # noqa: E402

import latents  # noqa: E402
from wayfind.errors import Collapsed  # noqa: E402
from wayfind.train import original  # noqa: E402
from wayfind.train.collapse import check_alive, health  # noqa: E402
from wayfind.train.latent import LatentConfig, LatentModel  # noqa: E402

HELD = 128


@pytest.fixture(scope="module")
def pairs() -> latents.Pairs:
    return latents.made_up_pairs(1500, seed=1)


@pytest.fixture(scope="module")
def held() -> latents.Pairs:
    return latents.made_up_pairs(HELD, seed=2)


@pytest.fixture(scope="module")
def before_and_after(pairs, held):
    """Held-out reciprocal rank at each level, untrained and trained, and the trained modules."""
    torch.manual_seed(0)
    encoder, model = (
        latents.SmallEncoder(),
        LatentModel(LatentConfig(hidden=48, latent=16, width=48, coupling_width=32)),
    )

    def ranks():
        query, code = latents.served(encoder, model, held.query), latents.served(encoder, model, held.code)
        return [latents.reciprocal_rank(query[:, level], code[:, level]) for level in range(3)]

    before = ranks()
    latents.learn(encoder, model, pairs, steps=120)
    return before, ranks(), encoder, model


def test_held_out_pairs_are_found_on_every_level_and_were_not_before(before_and_after):
    before, after, _, _ = before_and_after
    assert max(before) < 2.5 * latents.chance(HELD)
    assert min(after) > 8 * latents.chance(HELD) and min(after) > 5 * max(before)


def test_at_least_80_percent_of_the_dimensions_are_active(before_and_after, held):
    _, _, encoder, model = before_and_after
    found = health(latents.means(encoder, model, held.code))
    assert found.active_share >= 0.8 and found.rank_share >= 0.5
    check_alive(found, ())


def test_the_same_text_has_the_same_vectors_alone_in_a_batch_and_behind_padding(before_and_after, held):
    _, _, encoder, model = before_and_after
    together = latents.served(encoder, model, held.query)
    assert torch.equal(together, latents.served(encoder, model, held.query))
    alone = torch.cat([latents.served(encoder, model, row[row != 0][None]) for row in held.query])
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-5)
    torch.testing.assert_close(together.norm(dim=-1), torch.ones(HELD, 3))


def padded(ids: torch.Tensor) -> torch.Tensor:
    return functional.pad(ids, (0, original.LENGTH - ids.shape[1]))


def test_the_original_recipe_collapses_to_chance_on_the_same_data_while_its_loss_falls(pairs, held):
    torch.manual_seed(0)
    encoder, model = original.small_model()
    generator = torch.Generator().manual_seed(0)
    everything = {id(p): p for module in (encoder, model) for p in module.parameters()}
    optimizer = torch.optim.AdamW(everything.values(), lr=1e-3)
    losses = []
    for _ in range(120):
        chosen = pairs.rows(torch.randint(len(pairs.level), (16,), generator=generator))
        loss, _ = original.recipe_loss(
            model, original.padding_counted(encoder(padded(chosen.code))), chosen.query, generator
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(everything.values(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-10:]) < 0.85 * sum(losses[:10])

    def vectors(ids):
        return original.noisy_vectors(model, original.padding_counted(encoder(padded(ids))), generator)

    query, code, again = vectors(held.query), vectors(held.code), vectors(held.code)
    assert latents.reciprocal_rank(query, code) < 2 * latents.chance(HELD)
    assert functional.cosine_similarity(code, again).mean() < 0.5  # a chunk is no nearer to itself than to others
    assert abs(functional.cosine_similarity(code, again).mean() - (code @ again.T).mean()) < 0.1
    encoded = original.padding_counted(encoder(padded(held.code)))
    with torch.no_grad():
        found = health(model.posterior(encoded.states, encoded.mask).mean)
    assert found.active == 0
    with pytest.raises(Collapsed, match="0 of 16 dimensions active"):
        check_alive(found, ())
