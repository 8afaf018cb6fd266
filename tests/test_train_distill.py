"""Teachers: their scores are the cosines of the vectors that were written, found by text, whatever the order; and what they refuse."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training import configuration, lines, table_of, write_lines  # noqa: E402

from wayfind.errors import NotFound, UsageError  # noqa: E402
from wayfind.train.batches import read_material  # noqa: E402
from wayfind.train.config import Distillation  # noqa: E402
from wayfind.train.distill import FILE, teacher_of, write_vectors  # noqa: E402
from wayfind.train.pairs import from_values  # noqa: E402


def encode(texts):
    """Vectors of length 3 that depend on the text alone."""
    drawn = np.stack([np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")).normal(size=12) for text in texts])
    return (3 * drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return configuration(write_lines(tmp_path_factory.mktemp("pairs") / "pairs.jsonl"), data__weights="loss")


@pytest.fixture(scope="module")
def pairs():
    return [pair for pair in (from_values(line, "test") for line in lines()) if pair.part == "train"]


@pytest.fixture(scope="module")
def table(config):
    return table_of(config, read_material(config))


def teacher(folder, table):
    return teacher_of(Distillation(1.0, 0.05, str(folder)), table)


def test_scores_are_the_cosines_of_what_was_written_in_any_order(tmp_path, config, pairs, table):
    write_vectors(tmp_path, pairs[::-1], encode, at_a_time=7)
    rows = np.array([5, 0, 17, 3])
    batch = table.batch(rows, config.data, config.negatives, None, 0, 0)
    found = 0.05 * teacher(tmp_path, table).logits(batch)
    query = {pair.query for pair in pairs}
    assert len(query) == len(pairs) and found.shape == (4, len(batch.code))
    asked, codes = (encode([of(pairs[row]) for row in rows]) / 3 for of in (lambda pair: pair.query, lambda pair: pair.code))
    np.testing.assert_allclose(found[:, :4].numpy(), asked @ codes.T, atol=2e-3)


def test_a_negative_that_came_as_text_counts_as_far_away(tmp_path, config, pairs, table):
    write_vectors(tmp_path, pairs, encode)
    rows = np.array([1, 2, 6])
    negative = table.given_negatives(rows, 1, np.random.default_rng(0))
    batch = table.batch(rows, config.data, config.negatives, None, 0, 0)
    code = np.concatenate([rows, negative])
    batch = replace(batch, code=code, skip=np.zeros(len(code), np.int64), owner=np.zeros(len(code), np.int64))
    assert len(negative) and (teacher(tmp_path, table).logits(batch)[:, 3:] == -20).all()


def test_a_teacher_that_lacks_a_pair_is_refused(tmp_path, pairs, table):
    write_vectors(tmp_path, pairs[3:], encode)
    with pytest.raises(UsageError, match=f"does not know 3 of {len(pairs)} query texts"):
        teacher(tmp_path, table)


def test_a_folder_without_vectors_names_what_writes_them(tmp_path, table):
    with pytest.raises(NotFound, match=f"nor {FILE}.*--scores.*write_vectors"):
        teacher(tmp_path, table)
