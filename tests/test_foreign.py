"""Encoders of other makes: cut, run and pooled as their authors do, through the same index, without torch where there is a graph."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import wayfind
from wayfind.errors import ModelError, NotFound
from wayfind.model import bundle
from wayfind.model.encoder import Encoder
from wayfind.model.foreign import BertWords, converted_place, describe, layout, pieces_of, pooled, tokenizer_of

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] def open door key return window ( ) : . _ , é a b ##a ##b ##open ##door self 读 取 email buyer the send customer notify".split()
HIDDEN = 8
CONFIG = {"model_type": "bert", "hidden_size": HIDDEN, "max_position_embeddings": 64, "vocab_size": len(WORDS)}
TEXTS = ["def open_door(key):", "Open the DOOR", "读取 b é É", "abab zzz ()", "", "key " * 100, "x" * 101, "a\tb\u00a0c\x00d\u200b-e"]


def tokenizer_json(**changes) -> dict:
    return {
        "version": "1.0", "truncation": {"max_length": 4, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
        "padding": {"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
        "added_tokens": [], "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}, "decoder": None,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": {word: i for i, word in enumerate(WORDS)}},
    } | changes  # fmt: skip


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def make_folder(folder: Path, pooling: str = "mean_tokens", graph: bool = True) -> Path:
    """An encoder in the layout of sentence-transformers, whose states are a table of tokens plus one of positions."""
    write_json(folder / "config.json", CONFIG)
    write_json(folder / "tokenizer.json", tokenizer_json())
    write_json(folder / "modules.json", [{"type": f"sentence_transformers.models.{kind}", "path": path} for kind, path in (("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize"))])
    write_json(folder / "1_Pooling" / "config.json", {f"pooling_mode_{mode}": mode == pooling for mode in ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "lasttoken")})
    write_json(folder / "config_sentence_transformers.json", {"prompts": {"query": "a: ", "document": ""}})
    if graph:
        write_graph(folder / "model.onnx")
    return folder


def tables() -> tuple[np.ndarray, np.ndarray]:
    drawn = np.random.default_rng(0)
    return drawn.standard_normal((len(WORDS), HIDDEN)).astype(np.float32), 0.1 * drawn.standard_normal((64, HIDDEN)).astype(np.float32)


def write_graph(path: Path, integers: str = "INT64", further: str = "", words: int = len(WORDS)) -> None:
    onnx = pytest.importorskip("onnx")
    make, kinds = onnx.helper, onnx.TensorProto
    given = [make.make_tensor_value_info(name, getattr(kinds, integers), ["batch", "token"]) for name in ("input_ids", "attention_mask", "position_ids")]
    given += [make.make_tensor_value_info(further, kinds.FLOAT, ["batch"])] if further else []
    nodes = [make.make_node("Gather", ["words", "input_ids"], ["w"]), make.make_node("Gather", ["places", "position_ids"], ["p"]), make.make_node("Add", ["w", "p"], ["last_hidden_state"])]
    arrays = [onnx.numpy_helper.from_array(table, name) for table, name in zip((tables()[0][:words], tables()[1]), ("words", "places"))]
    graph = make.make_graph(nodes, "g", given, [make.make_tensor_value_info("last_hidden_state", kinds.FLOAT, ["batch", "token", HIDDEN])], arrays)
    path.write_bytes(make.make_model(graph, opset_imports=[make.make_opsetid("", 18)], ir_version=9).SerializeToString())


def slow_pooled(states: np.ndarray, pooling: str) -> np.ndarray:
    return {
        "cls_token": lambda s: s[0], "lasttoken": lambda s: s[-1], "max_tokens": lambda s: np.max(s, 0), "mean_tokens": lambda s: np.mean(s, 0),
        "mean_sqrt_len_tokens": lambda s: np.sum(s, 0) / len(s) ** 0.5,
    }[pooling](states)  # fmt: skip


@pytest.mark.parametrize("pooling", ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "lasttoken"])
def test_a_graph_is_run_and_pooled_as_its_folder_says(tmp_path, pooling):
    encoder = Encoder(bundle.folder_bundle(make_folder(tmp_path, pooling)), threads=1)
    words, places = tables()
    reader = encoder._reader
    for text in ("open the door", "key"):
        ids = reader.query(text)
        assert ids[:1] == [2] and ids[-1:] == [3] and WORDS[ids[1]] == "a"  # the prompt
        expected = slow_pooled(words[ids] + places[: len(ids)], pooling)
        code = encoder.query(text)
        assert code @ expected / np.linalg.norm(code.astype(float)) / np.linalg.norm(expected) > 0.999
    chunks = [("door.py", "open", "def open(key): " * 3), ("w.py", None, "return window"), ("", "", "")]
    together = encoder.chunks(chunks)
    assert encoder.late_dim == 0 and (encoder.dim, together.shape) == (HIDDEN, (3, HIDDEN))
    for chunk, code in zip(chunks, together):
        assert np.abs(encoder.chunks([chunk])[0].astype(int) - code).max() <= 1


def test_pooling_takes_no_part_of_the_padding():
    states = np.random.default_rng(1).standard_normal((2, 5, 3)).astype(np.float32)
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    for name, way in (("cls_token", "first"), ("lasttoken", "last"), ("max_tokens", "max"), ("mean_tokens", "mean"), ("mean_sqrt_len_tokens", "mean_sqrt_len")):
        assert np.allclose(pooled(states, mask, way)[0], slow_pooled(states[0, :3], name), atol=1e-6)


def test_words_are_cut_as_by_the_library(tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    write_json(tmp_path / "tokenizer.json", tokenizer_json())
    own, library = tokenizer_of(tmp_path), tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    library.no_padding()
    library.no_truncation()
    assert isinstance(own, BertWords)
    for text in TEXTS:
        assert own.framed(text, 1000) == library.encode(text).ids, text
        assert len(own.framed(text, 16)) <= 16


def template(first: str, last: str) -> dict:
    """The frame of a text, as the library writes it."""
    single = [{"SpecialToken": {"id": first, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": last, "type_id": 0}}]
    marks = {mark: {"id": mark, "ids": [WORDS.index(mark)], "tokens": [mark]} for mark in (first, last)}
    return {"type": "TemplateProcessing", "single": single, "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}], "special_tokens": marks}


@pytest.mark.parametrize("frame", [template("[CLS]", "[SEP]"), template("a", "b"), {"type": "BertProcessing", "sep": ["b", 19], "cls": ["a", 18]}, None], ids=["BERT's", "another", "another of its kind", "none"])
def test_a_frame_is_the_one_that_the_file_names(tmp_path, frame):
    """BERT's pieces in another frame, as all-mpnet-base-v2 has them, were framed as BERT's."""
    tokenizers = pytest.importorskip("tokenizers")
    write_json(tmp_path / "tokenizer.json", tokenizer_json(post_processor=frame, truncation=None, padding=None))
    library, own = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json")), tokenizer_of(tmp_path)
    assert isinstance(own, BertWords) == (frame == template("[CLS]", "[SEP]"))
    framed = library.encode("open door")
    inner = [number for number, special in enumerate(framed.special_tokens_mask) if not special]
    pieces = pieces_of(tmp_path / "tokenizer.json", framed.ids[: inner[0]], framed.ids[inner[-1] + 1 :], 0)
    assert own.framed("open door", 9) == pieces.framed("open door", 9) == framed.ids


def test_other_tokenizers_are_the_librarys_and_their_lack_names_the_extra(tmp_path, monkeypatch):
    write_json(tmp_path / "tokenizer.json", tokenizer_json(pre_tokenizer={"type": "Whitespace"}))
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ModelError, match=r"wayfind\[encoders\]"):
        tokenizer_of(tmp_path)
    monkeypatch.undo()
    pytest.importorskip("tokenizers")
    words = tokenizer_of(tmp_path)
    assert words.framed("open door", 16) == [2, 6, 7, 3] and len(words.framed("open " * 50, 16)) == 16
    assert words.pad == 0


def test_threads_that_read_texts_of_other_lengths_do_not_mix_them(tmp_path):
    pytest.importorskip("tokenizers")
    write_json(tmp_path / "tokenizer.json", tokenizer_json(pre_tokenizer={"type": "Whitespace"}))
    words = tokenizer_of(tmp_path)

    class Slow:
        def enable_truncation(self, longest: int) -> None:
            self.longest = longest
            time.sleep(0.01)

        def encode(self, text: str) -> SimpleNamespace:
            return SimpleNamespace(ids=[0] * self.longest)

    words._own = Slow()
    with ThreadPoolExecutor(8) as pool:
        assert [len(ids) for ids in pool.map(lambda longest: words.framed("x", longest), range(8))] == list(range(8))


def test_a_vocabulary_alone_is_berts_uncased(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    assert tokenizer_of(tmp_path).framed("OPEN é", 9) == [2, 6, 1, 3]  # the accent goes, and "e" is unknown here
    write_json(tmp_path / "tokenizer_config.json", {"do_lower_case": False})
    assert tokenizer_of(tmp_path).framed("OPEN é", 9) == [2, 1, WORDS.index("é"), 3]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: (f / "model.onnx").unlink(), "neither an ONNX graph nor weights"),
        (lambda f: ((f / "model.onnx").unlink(), (f / "model.safetensors").write_bytes(b"x")), "wayfind index --encoder"),
        (lambda f: (f / "model.onnx").rename(f / "a.onnx") and (f / "b.onnx").write_bytes(b""), "2 ONNX graphs"),
        (lambda f: (f / "tokenizer.json").unlink(), "no tokenizer.json"),
        (lambda f: (f / "tokenizer.json").write_text("{"), "not JSON"),
        (lambda f: write_json(f / "config.json", {"model_type": "x"}), "hidden_size"),
        (lambda f: write_json(f / "modules.json", [{"type": "a.LSTM", "path": "1"}]), "LSTM is not known"),
        (lambda f: write_json(f / "1_Pooling" / "config.json", {"pooling_mode_weightedmean_tokens": True}), "expected one of"),
        (lambda f: write_json(f / "2_Dense" / "config.json", {"in_features": 8, "out_features": 4}) or write_json(f / "modules.json", [{"type": "a.Dense", "path": "2_Dense"}]), "Dense layer"),
        (lambda f: (f / "model.onnx").write_bytes(b"no graph"), "cannot be run"),
        (lambda f: write_json(f / "config.json", []), "config.json: expected an object, found list"),
        (lambda f: write_json(f / "modules.json", {}), "modules.json: expected a list, found dict"),
        (lambda f: write_json(f / "modules.json", ["a"]), "modules.json: expected a list of objects"),
        (lambda f: write_json(f / "tokenizer.json", []), "tokenizer.json: expected an object"),
        (lambda f: write_json(f / "tokenizer.json", tokenizer_json(model={"type": "WordPiece", "continuing_subword_prefix": "##"})), "tokenizer.json: no tokenizer"),
        (lambda f: write_graph(f / "model.onnx", further="pixel_values"), "also takes pixel_values; what can be given is input_ids"),
        (lambda f: (write_json(f / "config.json", CONFIG | {"hidden_size": 16}), write_graph(f / "model.onnx")), "gives 8 components and config.json says 16"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_to_do(tmp_path, spoil, said):
    folder = make_folder(tmp_path / "m", graph=False)
    (folder / "model.onnx").write_bytes(b"")
    spoil(folder)
    with pytest.raises(ModelError, match=said):
        Encoder(bundle.folder_bundle(folder))


def test_a_graph_whose_table_is_smaller_than_the_vocabulary_is_refused_where_it_reads(tmp_path):
    folder = make_folder(tmp_path / "m", graph=False)
    write_graph(folder / "model.onnx", words=WORDS.index("b"))
    encoder = Encoder(bundle.folder_bundle(folder))
    assert encoder.query("def open").any()
    with pytest.raises(ModelError, match="its graph cannot read texts as its tokenizer cuts them: .*are they of one model"):
        encoder.query("b")


def test_a_graph_may_take_shorter_integers(tmp_path):
    folders = [make_folder(tmp_path / integers, graph=False) for integers in ("INT64", "INT32")]
    for folder in folders:
        write_graph(folder / "model.onnx", folder.name)
    long, short = (Encoder(bundle.folder_bundle(folder)).query("open door ( key )") for folder in folders)
    assert (long == short).all() and long.any()


@pytest.mark.parametrize(("spoil", "said"), [
    (lambda f: (f / "model.onnx").unlink(), "neither an ONNX graph nor weights"), (lambda f: (f / "tokenizer.json").unlink(), "no tokenizer.json"), (lambda f: (f / "config.json").unlink(), "no encoder in"),
    (lambda f: write_json(f / "config.json", []), "expected an object"),
])
def test_a_folder_that_lacks_a_file_is_refused_before_an_index_is_made(tmp_path, monkeypatch, spoil, said):
    from wayfind.serve.encoders import use_encoder

    monkeypatch.setenv("WAYFIND_MODEL", "none")
    folder = make_folder(tmp_path / "m", graph=False)
    (folder / "model.onnx").write_bytes(b"")
    spoil(folder)
    with pytest.raises(ModelError, match=said):
        use_encoder(str(folder))
    assert os.environ["WAYFIND_MODEL"] == "none"


def test_another_graph_has_another_namespace_and_the_same_one_elsewhere_the_same(tmp_path):
    one, same = (make_folder(tmp_path / name, graph=False) for name in ("one", "same"))
    for folder in (one, same):
        (folder / "model.onnx").write_bytes(bytes(range(256)) * 100_000)
    assert describe(one).id == describe(same).id
    with open(same / "model.onnx", "r+b") as file:
        file.seek(25_000_000)
        file.write(b"changed")
    assert describe(one).id != describe(same).id
    make_folder(same, "cls_token", graph=False)
    assert layout(same)["pooling"] == "first"


def test_a_folder_serves_the_same_index_and_ranker(tmp_path, monkeypatch):
    folder = make_folder(tmp_path / "model")
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "door.py").write_text("def open_door(key):\n    return key\n\n\ndef b():\n    return 1\n")
    monkeypatch.setenv("WAYFIND_MODEL", str(folder))
    with wayfind.open(tmp_path / "repo", home=tmp_path / "home") as repository:
        filled = repository.encode()
        answer = repository.search("how to open the door")
        assert filled.encoded == 2 and answer.index.model == "model" and answer.index.encoded == 1.0
        assert answer.results[0].symbol == "open_door"
    run = [sys.executable, "-m", "wayfind"]
    surroundings = {**os.environ, "WAYFIND_HOME": str(tmp_path / "other"), "WAYFIND_MODEL": "none"}
    done = subprocess.run([*run, "index", "--encoder", folder, tmp_path / "repo"], capture_output=True, text=True, env=surroundings)
    assert "2 vectors made" in done.stdout, done.stderr
    done = subprocess.run([*run, "search", "how to open the door", "--json", "--encoder", folder, tmp_path / "repo"], capture_output=True, text=True, env=surroundings)
    assert json.loads(done.stdout)["index"]["encoded"] == 1.0, done.stderr
    done = subprocess.run([*run, "index", "--encoder", tmp_path / "none", tmp_path / "repo"], capture_output=True, text=True, env=surroundings)
    assert done.returncode == 2 and "is no folder" in done.stderr


def test_a_folder_is_converted_again_once_anything_in_it_changed(tmp_path, monkeypatch):
    """The weights of a Dense layer hid those of the encoder, which are called the same, and what pools was left out."""
    folder = make_folder(tmp_path, graph=False)
    write_json(folder / "2_Dense" / "config.json", {"out_features": 4})
    places = [converted_place(folder)]
    for name in ("model.safetensors", "2_Dense/model.safetensors", "model.safetensors", "1_Pooling/config.json", "2_Dense/config.json", "sentence_bert_config.json", "config_sentence_transformers.json", "vocab.txt"):
        (folder / name).write_text(f"{len(places)}")
        places.append(converted_place(folder))
    assert len(set(places)) == len(places)
    (folder / "README.md").write_text("read me")
    assert converted_place(folder) == places[-1]
    monkeypatch.setattr("wayfind.model.foreign.TEXT_VERSION", "another")
    assert converted_place(folder) not in places, "what is read is another text"


def test_a_folder_that_is_not_there_is_said(tmp_path):
    from wayfind.serve.encoders import use_encoder

    with pytest.raises(NotFound, match="is no folder"):
        use_encoder(str(tmp_path / "none"))


# Folders of transformers, converted


def tiny(make: str, folder: Path) -> None:
    """A random small model of a make, saved as its hub repository is, with a tokenizer that knows a few words."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.manual_seed(0)
    sizes = dict(vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, max_position_embeddings=64)
    if make == "bert":
        transformers.BertModel(transformers.BertConfig(**sizes)).save_pretrained(folder)
        write_json(folder / "tokenizer.json", tokenizer_json())
    elif make == "modernbert":
        config = transformers.ModernBertConfig(**sizes, pad_token_id=0, cls_token_id=2, sep_token_id=3, global_attn_every_n_layers=2, local_attention=8)
        transformers.ModernBertModel(config).save_pretrained(folder)
        write_json(folder / "tokenizer.json", tokenizer_json(pre_tokenizer={"type": "Whitespace"}))
    else:
        config = transformers.T5Config(vocab_size=64, d_model=16, d_kv=8, d_ff=24, num_layers=2, num_heads=2)
        transformers.T5EncoderModel(config).save_pretrained(folder)
        vocabulary = [["<pad>", 0.0], ["</s>", 0.0], ["<unk>", -9.0], *([f"▁{word}", -3.0 - i / 9] for i, word in enumerate(WORDS[5:])), *([c, -8.0] for c in "abcdeklnoprtuwy_():.")]
        write_json(folder / "tokenizer.json", {
            "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
            "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
            "post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}}], "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}},
            "decoder": None, "model": {"type": "Unigram", "unk_id": 2, "vocab": vocabulary, "byte_fallback": False},
        })  # fmt: skip
        from safetensors.torch import save_file

        write_json(folder / "2_Dense" / "config.json", {"in_features": 16, "out_features": 4, "bias": False, "activation_function": "torch.nn.modules.linear.Identity"})
        save_file({"linear.weight": torch.randn(4, 16)}, folder / "2_Dense" / "model.safetensors")


@pytest.mark.parametrize("make", ["bert", "t5", "modernbert"])
def test_a_folder_of_transformers_is_converted_once_and_says_what_the_network_says(make, tmp_path, monkeypatch):
    for needed in ("torch", "transformers", "tokenizers", "onnxscript"):
        pytest.importorskip(needed)
    import torch

    from wayfind.serve.encoders import use_encoder
    from wayfind.train.convert import Foreign

    tiny(make, tmp_path / "m")
    monkeypatch.setenv("WAYFIND_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WAYFIND_MODEL", "none")
    use_encoder(str(tmp_path / "m"))
    place = converted_place(tmp_path / "m")
    made = bundle.load(place)
    made.check()
    assert os.environ["WAYFIND_MODEL"] == str(place) and describe(tmp_path / "m").id == made.id
    encoder, network = Encoder(made, threads=1), Foreign(tmp_path / "m").eval()
    chunk = ("door.py", "open", "def open ( key ) : return door")
    ids = torch.tensor([encoder._reader.chunk(*chunk)])
    with torch.no_grad():
        vector, *tokens = network(ids, torch.ones_like(ids))
    codes, told = encoder.chunks_with_tokens([chunk, ("a", None, "key " * 20)])
    code = codes[0].astype(float)
    assert len(ids[0]) > 8 and code @ vector[0].numpy() / np.linalg.norm(code) > 0.999
    if make == "t5":  # XTR: token vectors by its own projection
        assert encoder.late_dim == 4 and np.abs(told[0] / 127 - tokens[0][0].numpy()).max() < 0.01
        assert encoder.query_tokens("open door").shape == (3, 4)
    else:
        assert encoder.late_dim == 0 and told[0].shape == (0, 0)
