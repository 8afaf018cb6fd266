"""The static model: exact sums, codes that depend on the text alone; bundles that are refused when they are not whole."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import save

from wayfind.errors import ModelError
from wayfind.index.segment import SegmentFile, build_arrays, file_postings
from wayfind.model import bundle
from wayfind.model.static import LARGEST, StaticModel, cosines, lengths_of, quantise, term_weight

TERMS = sorted("open close door key lock file read write pars http request session token user".split())


@pytest.fixture
def model(tmp_path) -> StaticModel:
    rng = np.random.default_rng(3)
    tensors = {
        "codes": rng.integers(-127, 128, (len(TERMS), 16), dtype=np.int8),
        "query_weight": rng.uniform(0.1, 1, len(TERMS)).astype(np.float32),
        "document_weight": rng.uniform(0.1, 1, len(TERMS)).astype(np.float32),
        "field_weight": np.array([1.0, 2.0, 0.5], np.float32),
    }
    parts = {"static": {"weights": "static.safetensors", "vocabulary": "vocabulary.txt"}}
    files = {"static.safetensors": save(tensors), "vocabulary.txt": "\n".join(TERMS).encode()}
    return StaticModel(bundle.write(tmp_path / "bundle", "test", parts, files, {}))


def slow_code(model: StaticModel, rows: list[int], weights: list[float]) -> np.ndarray:
    """The definition, in whole numbers of any size."""
    scaled = [np.float32(w) * model.document_weight[r] for r, w in zip(rows, weights)]
    total = sum(float(s) for s in scaled)
    sums = [0] * model.dim
    for row, s in zip(rows, scaled):
        whole = int(float(s) * (((1 << 17) - 1) / total))
        for axis in range(model.dim):
            sums[axis] += whole * int(model.codes[row, axis])
    largest = max(map(abs, sums))
    return np.array([round(value * (LARGEST / largest)) for value in sums], np.int8)


def test_the_code_of_a_document_is_the_exact_sum_of_its_terms(model):
    rng = np.random.default_rng(0)
    for _ in range(50):
        size = int(rng.integers(1, 400))
        rows = rng.integers(0, len(TERMS), size)
        weights = term_weight(rng.integers(1, 200, size).astype(np.uint8))
        fast = model.documents(rows, weights, np.array([0, size]))[0]
        assert np.abs(fast.astype(int) - slow_code(model, rows.tolist(), weights.tolist())).max() <= 1


def test_a_document_has_the_same_code_alone_in_company_and_in_any_order_of_its_terms(model):
    rng = np.random.default_rng(1)
    texts = [rng.permutation(len(TERMS))[: rng.integers(0, 12)] for _ in range(30)]
    weights = [rng.uniform(0.5, 4, len(rows)).astype(np.float32) for rows in texts]
    starts = np.cumsum([0, *map(len, texts)])
    together = model.documents(np.concatenate(texts), np.concatenate(weights), starts)
    for rows, weight, code in zip(texts, weights, together):
        alone = model.documents(rows, weight, np.array([0, len(rows)]))[0]
        mixed = rng.permutation(len(rows))
        again = model.documents(rows[mixed], weight[mixed], np.array([0, len(rows)]))[0]
        assert (alone == code).all()
        assert np.abs(again.astype(int) - code).max() <= 1


def test_unknown_terms_have_no_part_in_a_query(model):
    assert (model.query({"open": 1.0, "unheardof": 9.0}) == model.query({"open": 1.0})).all()
    assert not model.query({"unheardof": 1.0}).any()


def test_cosines_are_those_of_the_definition(model):
    rng = np.random.default_rng(2)
    codes = rng.integers(-127, 128, (9000, 16), dtype=np.int8)
    codes[7] = 0
    query = rng.integers(-127, 128, 16, dtype=np.int8)
    slow = [float(c @ query.astype(float) / np.linalg.norm(c) / np.linalg.norm(query.astype(float))) if c.any() else 0.0 for c in codes.astype(float)]
    assert np.allclose(cosines(codes, query, lengths_of(codes)), slow, atol=1e-12)


def test_quantising_nothing_gives_nothing_and_the_largest_becomes_127():
    assert not quantise(np.zeros(4)).any()
    assert quantise(np.array([0.5, -2.0, 1.0])).tolist() == [32, -127, 64]


def test_a_segments_vectors_are_sums_over_body_symbol_and_path(model):
    from wayfind.corpus.extract import extract

    record = extract(b"def open_door(key):\n    return key.lock\n\n\ndef read_file():\n    return 1\n", "http/session.py")
    postings = file_postings(record)
    arrays = build_arrays([SegmentFile("http/session.py", "k", postings, {}, {})], model)
    first = [symbol for symbol in postings.symbols].index("open_door")
    expected = {"open": (1, 1), "door": (1, 1), "key": (2, 0), "lock": (1, 0), "http": (0, 0), "session": (0, 0)}
    rows, weights = [], []
    for term, (body, symbol) in expected.items():
        in_path = term in ("http", "session")
        rows.append(TERMS.index(term))
        weights.append(body**0.5 * 1.0 + symbol**0.5 * 2.0 + in_path * 0.5)
    assert np.abs(arrays["vectors"][first].astype(int) - slow_code(model, rows, weights)).max() <= 1
    assert "vectors" not in build_arrays([SegmentFile("http/session.py", "k", postings, {}, {})])


def test_a_bundle_with_a_changed_file_is_refused(model, tmp_path):
    folder = tmp_path / "bundle"
    (folder / "vocabulary.txt").write_text("other")
    with pytest.raises(ModelError, match="not the file"):
        StaticModel(bundle.load(folder))
    with pytest.raises(ModelError, match="not the file"):
        bundle.load(folder).check()


def test_a_bundle_of_another_format_or_without_manifest_is_refused(tmp_path):
    with pytest.raises(ModelError, match="no model bundle"):
        bundle.load(tmp_path)
    (tmp_path / "bundle.json").write_text('{"format": 999, "name": "x", "files": {}, "parts": {}}')
    with pytest.raises(ModelError, match="format 999"):
        bundle.load(tmp_path)
    (tmp_path / "bundle.json").write_text("[]")
    with pytest.raises(ModelError, match="does not describe"):
        bundle.load(tmp_path)


def test_the_id_of_a_bundle_is_that_of_its_contents(tmp_path):
    one = bundle.write(tmp_path / "a", "a", {"static": {}}, {"x": b"1"}, {"made": 1})
    same = bundle.write(tmp_path / "b", "b", {"static": {}}, {"x": b"1"}, {"made": 2})
    other = bundle.write(tmp_path / "c", "c", {"static": {}}, {"x": b"2"}, {})
    assert one.id == same.id != other.id
