"""Export: the bundle says what the network says, in int8, whatever else is in the batch."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

from training import configuration, lines, random_texts, table_of, write_lines  # noqa: E402

from wayfind import __version__  # noqa: E402
from wayfind.model import bundle  # noqa: E402
from wayfind.model.text import TEXT_VERSION, chunk_text, plain  # noqa: E402
from wayfind.train.batches import read_material  # noqa: E402
from wayfind.train.checkpoint import load_model  # noqa: E402
from wayfind.train.config import DataConfig, EncoderConfig, HeadsConfig, TrainConfig  # noqa: E402
from wayfind.train.export import export, onnx_encoder, to_onnx  # noqa: E402
from wayfind.train.heads import Texts, build_model  # noqa: E402
from wayfind.train.loop import train  # noqa: E402
from wayfind.train.quantise import quantised  # noqa: E402
from wayfind.train.validate import encoder_of  # noqa: E402

VOCABULARY = 1500


@pytest.fixture(scope="module")
def network():
    """Untrained but not small: 3 layers, with weights large enough that nothing is rounded to nought."""
    model = build_model(TrainConfig("t", DataConfig([]), encoder=EncoderConfig(layers=3, hidden=64, heads=4, code_length=128), heads=HeadsConfig(vector=48, tokens=16)), VOCABULARY).eval()
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            if parameter.ndim == 2:
                parameter.mul_(4)
    return model


@pytest.fixture(scope="module")
def graph(network):
    return to_onnx(network, 128)


@pytest.fixture(scope="module")
def served(graph, network):
    return onnx_encoder(quantised(graph).SerializeToString(), network, threads=1)


def cosine(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (one * other).sum(axis=-1) / np.linalg.norm(one, axis=-1) / np.linalg.norm(other, axis=-1)


def test_the_float_graph_is_the_network_at_any_batch_and_length(graph, network):
    run, own = onnx_encoder(graph.SerializeToString(), network, threads=1), encoder_of(network)
    for batch, length in ((1, 2), (1, 128), (5, 37)):
        texts = random_texts(batch, length, VOCABULARY, 0)
        (vector, tokens), (expected, expected_tokens) = run(texts), own(texts)
        seen = texts.mask.numpy()
        assert np.abs(vector - expected).max() < 2e-6 and np.abs(tokens[seen] - expected_tokens[seen]).max() < 2e-6


@pytest.mark.parametrize("longest", [8, 15, 16])
@pytest.mark.parametrize("positions", ["rotary", "learned"])
def test_a_network_of_short_texts_is_exported(longest, positions):
    """Below 16 tokens a training ended in an error of the exporter."""
    encoder = EncoderConfig(layers=1, hidden=16, heads=2, positions=positions, code_length=longest, query_length=4)
    network = build_model(TrainConfig("t", DataConfig([]), encoder=encoder, heads=HeadsConfig(vector=8, tokens=4)), 60).eval()
    run, own = onnx_encoder(to_onnx(network, longest).SerializeToString(), network, threads=1), encoder_of(network)
    for batch, length in ((1, 2), (5, longest)):
        texts = random_texts(batch, length, 60, 0)
        assert np.abs(run(texts)[0] - own(texts)[0]).max() < 2e-6


def test_the_int8_graph_is_near_the_network_and_a_quarter_of_its_size(graph, served, network):
    texts = random_texts(16, 100, VOCABULARY, 1)
    (vector, tokens), (expected, expected_tokens) = served(texts), encoder_of(network)(texts)
    seen = texts.mask.numpy()
    assert cosine(vector, expected).min() > 0.995 and cosine(tokens[seen], expected_tokens[seen]).mean() > 0.99
    assert len(quantised(graph).SerializeToString()) < 0.33 * len(graph.SerializeToString())


def test_a_code_alone_and_in_any_batch_with_any_padding_differs_by_at_most_one_step(served):
    """The law that dynamic quantisation over the batch breaks: batch mates with large activations move its scales."""
    drawn = torch.Generator().manual_seed(0)
    for seed in range(6):
        texts = random_texts(7, 60, VOCABULARY, seed)
        padding = int(torch.randint(0, 60, (1,), generator=drawn))
        grown = Texts(*(torch.nn.functional.pad(one, (0, padding)) for one in texts))
        together, together_tokens = served(grown)
        for row in range(7):
            length = int(texts.mask[row].sum())
            alone, alone_tokens = served(Texts(texts.ids[row : row + 1, :length], texts.mask[row : row + 1, :length]))
            assert np.abs(np.rint(alone[0] * 127) - np.rint(together[row] * 127)).max() <= 1
            assert np.abs(np.rint(alone_tokens[0] * 127) - np.rint(together_tokens[row, :length] * 127)).max() <= 1


def test_no_path_of_the_machine_that_exported_it_is_in_the_graph(graph):
    data = graph.SerializeToString()
    assert b"site-packages" not in data and b".py" not in data


def test_weights_have_seven_bits_and_tables_eight(graph):
    tensors = {one.name: onnx.numpy_helper.to_array(one) for one in quantised(graph).graph.initializer}
    codes = {name: tensor for name, tensor in tensors.items() if tensor.dtype == np.int8}
    assert len(codes) >= 3 * 4 + 1
    assert max(np.abs(tensor).max() for tensor in codes.values() if len(tensor) != VOCABULARY) == 63
    assert next(np.abs(tensor).max() for tensor in codes.values() if len(tensor) == VOCABULARY) == 127


def test_a_bundle_says_what_its_checkpoint_says_and_carries_its_card(tmp_path):
    config = configuration(write_lines(tmp_path / "pairs.jsonl", 200), loop__steps=12, loop__rate=1e-2, licences="Apache-2.0")
    material = read_material(config)
    best = train(config, material, tmp_path / "run").best
    measured = export(best, tmp_path / "bundle", material.valid)
    made = bundle.load(tmp_path / "bundle")
    made.check()
    assert abs(measured["mrr"] - measured["network_mrr"]) < 0.1 and measured["worst_cosine"] > 0.98
    about = json.loads((tmp_path / "bundle" / bundle.MANIFEST).read_text())["about"]
    assert (about["wayfind"], about["pairs"], about["licences"]) == (__version__, material.digest, "Apache-2.0")
    assert about["training"]["data"]["train"][0]["path"] == "pairs.jsonl" and str(tmp_path) not in json.dumps(about), "places of this machine"
    part = made.parts["encoder"]
    assert made.parts["late"] == {"dim": 8}
    assert (part["dim"], part["token_dim"], part["code_length"], part["form"], part["text"]) == (16, 8, 40, "int8", TEXT_VERSION)
    served, network = onnx_encoder(str(made.checked("model.onnx")), load_model(best)[0]), encoder_of(load_model(best)[0])
    texts = random_texts(4, 30, 200, 0)
    assert cosine(served(texts)[0], network(texts)[0]).min() > 0.98


def test_what_serves_reads_and_says_what_the_trainer_held_out(tmp_path):
    """Origin defect 15: training and serving saw different text, and validation judged another path than the one that serves."""
    pytest.importorskip("onnxruntime")
    from wayfind.model.codes import quantise
    from wayfind.model.encoder import Encoder
    from wayfind.train.pairs import from_values
    from wayfind.train.shards import parts_of

    config = configuration(write_lines(tmp_path / "pairs.jsonl"), loop__steps=4)
    material = read_material(config)
    best = train(config, material, tmp_path / "run").best
    export(best, tmp_path / "bundle", material.valid)
    made = bundle.load(tmp_path / "bundle")
    encoder, table = Encoder(made, threads=1), table_of(config, material)
    run = onnx_encoder(str(made.checked("model.onnx")), load_model(best)[0], threads=1)
    train_pairs = [pair for line in lines() if (pair := from_values(line, "test")).part == "train"]
    for row, pair in enumerate(train_pairs[:12]):
        for side, served in (("query", encoder.query(pair.query)), ("code", encoder.chunks([(pair.path, pair.symbol, parts_of(pair)[2])])[0])):
            held_out = quantise(run(table.texts(side, np.array([row])))[0])[0]
            assert np.abs(served.astype(int) - held_out).max() <= 1, (side, row)


def test_the_encoder_of_a_bundle_makes_the_tokens_that_the_network_makes_without_signs(tmp_path):
    pytest.importorskip("onnxruntime")
    from wayfind.model.encoder import Encoder

    config = configuration(write_lines(tmp_path / "pairs.jsonl"), loop__steps=4)
    material = read_material(config)
    best = train(config, material, tmp_path / "run").best
    export(best, tmp_path / "bundle")
    encoder, (model, _) = Encoder(bundle.load(tmp_path / "bundle"), threads=1), load_model(best)
    chunk = ("src/page.py", "open_page", "def open_page(page):\n    return page [ 0 ]")
    code, (tokens,) = encoder.chunks_with_tokens([chunk])[0][0], encoder.chunks_with_tokens([chunk])[1]
    ids = torch.tensor([encoder._reader._vocabulary.framed(plain(chunk_text(*chunk)), 40)])
    made = model(ids, torch.ones_like(ids, dtype=torch.bool)).tokens[0].detach().numpy()
    words = np.array(material.vocabulary.content.decode().split("\n"))[ids[0]]
    kept = [any(map(str.isalnum, word)) for word in words]
    assert kept[0] and kept[-1] and sum(kept) < len(kept) and len(tokens) == sum(kept)
    assert cosine(tokens.astype(float), made[kept]).min() > 0.97
    assert np.array_equal(code, encoder.chunks([chunk])[0]) and encoder.query_tokens("open the page").shape[1] == encoder.late_dim == 8


def test_a_bundle_without_token_vectors_serves_as_before(tmp_path):
    pytest.importorskip("onnxruntime")
    from wayfind.model.encoder import Encoder

    config = configuration(write_lines(tmp_path / "pairs.jsonl"), loop__steps=2, heads__tokens=0, objectives__maxsim__weight=0.0)
    export(train(config, read_material(config), tmp_path / "run").best, tmp_path / "bundle")
    encoder = Encoder(bundle.load(tmp_path / "bundle"), threads=1)
    codes, tokens = encoder.chunks_with_tokens([("a.py", None, "x = 1"), ("b.py", None, "y")])
    assert encoder.late_dim == 0 and codes.shape == (2, 16) and [one.shape for one in tokens] == [(0, 0)] * 2
