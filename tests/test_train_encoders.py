"""Encoders of other makes: tiny random BERT, ModernBERT and T5 saved in their own layouts, and XTR's projection."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from training import changed, configuration, lines, random_texts, write_lines  # noqa: E402

from wayfind.errors import NotFound, UsageError  # noqa: E402
from wayfind.model.text import plain  # noqa: E402
from wayfind.train import checkpoint  # noqa: E402
from wayfind.train.batches import read_material, vocabulary_of  # noqa: E402
from wayfind.train.config import EncoderConfig, HeadsConfig, MaxSim, config_of  # noqa: E402
from wayfind.train.encoder import attention, build_encoder  # noqa: E402
from wayfind.train.heads import build_model, read_projection  # noqa: E402
from wayfind.train.loop import train  # noqa: E402
from wayfind.train.pairs import Pair, from_values  # noqa: E402
from wayfind.train.shards import write_tokens  # noqa: E402
from wayfind.train.trim import trim  # noqa: E402
from wayfind.train.vocabulary import learn_vocabulary, read_vocabulary  # noqa: E402

SIZES = dict(vocab_size=300, hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=48)
MAKES = {
    "bert": lambda: transformers.BertModel(transformers.BertConfig(**SIZES, max_position_embeddings=192)),
    "modernbert": lambda: transformers.ModernBertModel(transformers.ModernBertConfig(**SIZES, max_position_embeddings=192, pad_token_id=0, cls_token_id=2, sep_token_id=3, bos_token_id=2, eos_token_id=3)),
    "t5": lambda: transformers.T5ForConditionalGeneration(transformers.T5Config(vocab_size=300, d_model=32, d_ff=48, d_kv=16, num_layers=3, num_heads=2)),
}
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(params=MAKES)
def folder(request, tmp_path):
    torch.manual_seed(0)
    MAKES[request.param]().save_pretrained(tmp_path / "encoder")
    return tmp_path / "encoder"


def test_an_encoder_of_another_make_is_read_and_cut_to_its_first_layers(folder):
    texts = random_texts(3, 12, 300, 0)
    whole, cut = (build_encoder(EncoderConfig(folder=str(folder), layers=layers), 300).eval() for layers in (0, 2))
    assert whole(*texts).shape == cut(*texts).shape == (3, 12, 32)
    assert sum(one.numel() for one in cut.parameters()) < sum(one.numel() for one in whole.parameters())
    shared = dict(whole.state_dict())
    assert all(torch.equal(value, shared[name]) for name, value in cut.state_dict().items())
    with pytest.raises(UsageError, match="has 3"):
        build_encoder(EncoderConfig(folder=str(folder), layers=4), 300)


def test_a_trimmed_encoder_reads_what_its_pieces_say_as_before(tmp_path):
    torch.manual_seed(0)
    MAKES["bert"]().save_pretrained(tmp_path / "whole")
    learn_vocabulary(["open close file socket the number", "quaternion rotation"] * 3, 250).write(tmp_path / "whole")
    pairs = [Pair("open the file", "def close(socket): number", kind="docstring")] * 2 + [Pair("a quaternion", "rotation")]
    kept = trim(tmp_path / "whole", pairs, tmp_path / "small", positions=40)
    whole, small = (read_vocabulary(tmp_path / name) for name in ("whole", "small"))
    assert small.size == kept < whole.size
    text = "close the file ( number )"
    before, after = (vocabulary.ids([text])[0] for vocabulary in (whole, small))
    states = []
    for name, ids in (("whole", before), ("small", after)):
        encoder = build_encoder(EncoderConfig(folder=str(tmp_path / name), layers=3, code_length=40, query_length=16), read_vocabulary(tmp_path / name).size).eval()
        states.append(encoder(torch.from_numpy(ids[None]).long(), torch.ones(1, len(ids), dtype=torch.bool)))
    assert torch.equal(*states)
    unknown = small.ids(["[UNK]"])[0][0]
    assert len(small.ids(["rotation"])[0]) > len(whole.ids(["rotation"])[0]) and unknown not in small.ids(["rotation quaternion"])[0]


def test_only_a_bert_is_trimmed(tmp_path):
    with pytest.raises(UsageError, match=r"no vocab.txt"):
        trim(tmp_path, [], tmp_path / "small")


def test_padding_changes_no_state(folder):
    encoder = build_encoder(EncoderConfig(folder=str(folder), layers=2), 300).eval()
    ids = torch.randint(5, 300, (1, 7), generator=torch.Generator().manual_seed(0))
    alone = encoder(ids, torch.ones(1, 7, dtype=torch.bool))
    padded = encoder(torch.nn.functional.pad(ids, (0, 9)), torch.arange(16)[None] < 7)
    assert torch.allclose(alone, padded[:, :7], atol=1e-5)


def test_attention_without_the_fused_kernel_gives_the_same_states(folder):
    encoder = build_encoder(EncoderConfig(folder=str(folder), layers=2), 300).eval()
    ids, mask = random_texts(3, 12, 300, 0)
    mask[1, 5:] = False
    fused, said = encoder(ids, mask), encoder.description
    encoder.unfuse()
    assert torch.allclose(encoder(ids, mask)[mask], fused[mask], atol=1e-5)
    assert encoder.description == said


def test_attention_in_bfloat16_is_that_of_the_fused_kernel():
    drawn = torch.Generator().manual_seed(0)
    whole = [torch.randn(2, 3, 8, 16, generator=drawn).requires_grad_() for _ in range(3)]
    short = [one.detach().bfloat16().requires_grad_() for one in whole]
    seen = torch.ones(2, 1, 1, 8, dtype=torch.bool)
    seen[1, ..., 5:] = False
    expected, found = (attention(*sides, seen) for sides in (whole, short))
    assert found.dtype == torch.bfloat16 and torch.allclose(found.float(), expected, atol=0.03)
    for made, sides in ((expected, whole), (found, short)):
        made.float().square().sum().backward()
    assert all(torch.allclose(mine.grad.float(), theirs.grad, atol=0.06) for mine, theirs in zip(short, whole))


def test_dropout_is_what_the_configuration_says(folder):
    texts = random_texts(2, 12, 300, 0)
    still, noisy = (build_encoder(EncoderConfig(folder=str(folder), layers=2, dropout=rate), 300).train() for rate in (0.0, 0.5))
    assert torch.equal(still(*texts), still(*texts)) and not torch.equal(noisy(*texts), noisy(*texts))


def test_it_trains_and_its_checkpoint_loads_without_the_folder(folder, tmp_path):
    learn_vocabulary(["open close file socket the number"] * 3, 250).write(folder)
    config = configuration(write_lines(tmp_path / "pairs.jsonl"), encoder=EncoderConfig(folder=str(folder), layers=2, code_length=40, query_length=16), loop__steps=4)
    done = train(config, read_material(config), tmp_path / "run")
    for path in folder.iterdir():
        path.unlink()
    model, _ = checkpoint.load_model(done.best)
    assert len(model.encoder.network.state_dict()) > 10 and model(*random_texts(2, 9, 200, 0)).vector.shape == (2, 16)


@pytest.mark.parametrize("given", [{"hidden": 64}, {"heads": 8}, {"inner": 64}, {"positions": "learned"}, {"table": "table.safetensors"}], ids=str)
def test_an_option_of_an_own_encoder_beside_a_folder_is_refused(folder, given):
    (name,) = given
    with pytest.raises(UsageError, match=f"leave out encoder.{name}"):
        build_encoder(EncoderConfig(folder=str(folder), layers=1, **given), 300)


def test_options_that_say_what_a_folder_s_encoder_is_like_are_accepted(folder):
    assert build_encoder(EncoderConfig(folder=str(folder), layers=1, hidden=32, heads=2, inner=48), 300).hidden == 32


@pytest.fixture
def shards(tmp_path):
    """Token shards, and beside them an encoder whose folder has the vocabulary they were made with."""
    words, pairs = learn_vocabulary([line["code"] for line in lines()], 280), [from_values(line, "test") for line in lines()]
    for part in ("train", "valid"):
        write_tokens(tmp_path / "tokens" / part, [pair for pair in pairs if pair.part == part], words, 16, 40)
    torch.manual_seed(0)
    MAKES["bert"]().save_pretrained(tmp_path / "encoder")
    words.write(tmp_path / "encoder")
    return configuration(tmp_path / "tokens", encoder=EncoderConfig(folder=str(tmp_path / "encoder"), layers=1, code_length=40, query_length=16)), tmp_path / "encoder", words


def test_token_shards_of_the_encoder_s_own_vocabulary_are_read_in_whatever_form_it_has_it(shards):
    config, folder, words = shards
    assert vocabulary_of(config).digest == words.digest
    (folder / "vocab.txt").unlink()
    words._tokenizer.save(str(folder / "tokenizer.json"))
    assert vocabulary_of(config).digest == words.digest


def test_token_shards_of_another_vocabulary_than_the_encoder_s_are_refused_unless_it_is_named(shards, tmp_path):
    """Every id was another piece to the encoder, and nothing said so."""
    config, folder, words = shards
    (folder / "vocab.txt").write_text("\n".join([*words.content.decode().split("\n")[:5], *words.content.decode().split("\n")[:4:-1]]))
    with pytest.raises(UsageError, match=r"another vocabulary than that of encoder\.folder.*set data\.vocabulary to .*vocab\.txt"):
        read_material(config)
    named = changed(config, {"data.vocabulary": str(tmp_path / "tokens" / "train" / "vocab.txt")})
    assert read_material(named).vocabulary.digest == words.digest
    (folder / "vocab.txt").unlink()
    with pytest.raises(NotFound, match=r"nothing says whether encoder\.folder reads these ids.*set data\.vocabulary"):
        read_material(config)


def test_a_folder_s_tokenizer_decides_where_its_list_of_pieces_has_another_frame(tmp_path):
    """A folder of MPNet has both, and only `tokenizer.json` says that a text stands between <s> and </s>."""
    tokenizers = pytest.importorskip("tokenizers")
    pieces = ["<s>", "<pad>", "</s>", "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "open", "door"]
    (tmp_path / "vocab.txt").write_text("\n".join(pieces) + "\n")
    alone = read_vocabulary(tmp_path)
    assert (alone.name, alone.before) == ("vocab.txt", (5,))
    library = tokenizers.Tokenizer.from_str(alone._tokenizer.to_str())
    library.save(str(tmp_path / "tokenizer.json"))
    assert read_vocabulary(tmp_path).name == "vocab.txt"
    library.post_processor = tokenizers.processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    library.save(str(tmp_path / "tokenizer.json"))
    words = read_vocabulary(tmp_path)
    assert (words.before, words.after) == ((0,), (2,)) and not words.agrees(alone)
    assert [*words.before, *words.ids(["open door"])[0], *words.after] == library.encode("open door").ids


def test_a_folder_of_roberta_as_it_was_published_trains(tmp_path):
    """It has `vocab.json` and `merges.txt` and no `tokenizer.json`, and was refused."""
    transformers = pytest.importorskip("transformers")
    letters = sorted(pytest.importorskip("tokenizers").pre_tokenizers.ByteLevel.alphabet())
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *letters, "op", "ope", "open"]
    torch.manual_seed(0)
    sizes = dict(vocab_size=len(pieces), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24, max_position_embeddings=64, pad_token_id=1, bos_token_id=0, eos_token_id=2)
    transformers.RobertaModel(transformers.RobertaConfig(**sizes)).save_pretrained(tmp_path / "roberta")
    (tmp_path / "roberta" / "vocab.json").write_text(json.dumps({piece: number for number, piece in enumerate(pieces)}))
    config = configuration(write_lines(tmp_path / "pairs.jsonl"), encoder=EncoderConfig(folder=str(tmp_path / "roberta"), layers=1, code_length=40, query_length=16), loop__steps=1)
    (tmp_path / "roberta" / "merges.txt").write_text("#version: 0.2\no p\nop e\nope n\n")
    words = vocabulary_of(config)
    assert (words.name, words.before, words.after, words.pad) == ("tokenizer.json", (0,), (2,), 1)
    assert words.ids(["open"])[0].tolist() == [pieces.index("open")]
    assert train(config, read_material(config), tmp_path / "run").finished
    (tmp_path / "roberta" / "vocab.json").write_text("{")
    with pytest.raises(UsageError, match="roberta: no vocab.txt and no tokenizer.json, which `transformers` makes of other files, but not of these"):
        vocabulary_of(config)


def test_a_vocabulary_with_more_tokens_than_the_encoder_s_table_is_refused(folder):
    with pytest.raises(UsageError, match="vectors of 300 tokens, the vocabulary has 301: set data.vocabulary"):
        build_encoder(EncoderConfig(folder=str(folder), layers=1), 301)


@pytest.mark.parametrize("folder", ["bert", "t5"], indirect=True)
def test_an_exported_encoder_of_another_make_keeps_the_law(folder, tmp_path):
    """ModernBERT keeps it too, but its export takes a minute."""
    pytest.importorskip("onnxscript")
    import numpy as np

    from wayfind.train.export import onnx_encoder, to_onnx
    from wayfind.train.heads import Texts
    from wayfind.train.quantise import quantised
    from wayfind.train.validate import encoder_of

    config = configuration(tmp_path / "none", encoder=EncoderConfig(folder=str(folder), layers=2, code_length=40, query_length=16))
    model = build_model(config, 300).eval()
    graph = to_onnx(model, 40)
    texts = random_texts(5, 30, 300, 0)
    expected = encoder_of(model)(texts)[0]
    assert np.abs(onnx_encoder(graph.SerializeToString(), model)(texts)[0] - expected).max() < 1e-5
    served = onnx_encoder(quantised(graph).SerializeToString(), model)
    together = served(texts)[0]
    assert (together * expected).sum(axis=1).min() > 0.98
    alone = served(Texts(texts.ids[1:2, : (size := int(texts.mask[1].sum()))], texts.mask[1:2, :size]))[0]
    assert np.abs(np.rint(127 * alone[0]) - np.rint(127 * together[1])).max() <= 1


@pytest.mark.parametrize("folder", ["bert"], indirect=True)
def test_a_bundle_keeps_a_share_of_the_weights_that_the_encoder_began_with(folder, tmp_path):
    pytest.importorskip("onnxscript")
    from safetensors.torch import load_file, save_file

    from wayfind.model import bundle
    from wayfind.model.encoder import Encoder
    from wayfind.train.export import export

    learn_vocabulary(["open close file socket the number"] * 3, 250).write(folder)
    encoder = EncoderConfig(folder=str(folder), layers=2, code_length=40, query_length=16, kept=0.25)
    config = configuration(write_lines(tmp_path / "pairs.jsonl"), encoder=encoder, loop__steps=4, loop__rate=1e-2)
    best = train(config, read_material(config), tmp_path / "run").best
    weights, start = load_file(best / "model.safetensors"), build_encoder(encoder, 250).state_dict()
    mean = {name: value if not name.startswith("encoder.") else 0.75 * value + 0.25 * start[name.removeprefix("encoder.")] for name, value in weights.items()}
    assert any(not torch.allclose(mean[name], weights[name], atol=1e-4) for name in weights)
    by_hand = shutil.copytree(best, tmp_path / "by-hand")
    save_file({name: value.contiguous() for name, value in mean.items()}, by_hand / "model.safetensors")
    state = json.loads((by_hand / "state.json").read_text())
    state["config"]["encoder"]["kept"] = 0.0
    (by_hand / "state.json").write_text(json.dumps(state))
    for checkpoint_, to in ((best, "kept"), (by_hand, "mean")):
        export(checkpoint_, tmp_path / to, form="float32")
    one, other = (Encoder(bundle.load(tmp_path / name)).chunks([("a.py", "f", "def f(number):\n    return open(number)\n")]) for name in ("kept", "mean"))
    assert np.abs(one.astype(int) - other.astype(int)).max() <= 1
    with pytest.raises(UsageError, match="encoder.kept"):
        config_of({"name": "t", "data": {"train": ["pairs.jsonl"]}, "encoder": {"kept": 0.5}})


@pytest.mark.parametrize("folder", ["bert", "t5"], indirect=True)
def test_token_vectors_alone_are_exported_at_any_batch(folder, tmp_path):
    """As XTR is read. The mask's batch was held for the constant with which the export was traced, so the bundle could not be made."""
    pytest.importorskip("onnxscript")
    from wayfind.train.export import onnx_encoder, to_onnx
    from wayfind.train.validate import encoder_of

    encoder = EncoderConfig(folder=str(folder), layers=1, code_length=40, query_length=16)
    model = build_model(configuration(tmp_path / "none", encoder=encoder, heads__vector=-1, heads__tokens=8), 300).eval()
    served = onnx_encoder(to_onnx(model, 40).SerializeToString(), model)
    for count in (1, 5):
        texts = random_texts(count, 30, 300, 0)
        made, expected = (torch.from_numpy(encode(texts)[1])[texts.mask] for encode in (served, encoder_of(model)))
        assert torch.allclose(made, expected, atol=1e-5)


def xtr_layout(folder, form: str, key: str = "linear.weight"):
    """The repository of google/xtr-base-en in small: a T5 encoder, and `2_Dense` with a projection of token vectors."""
    torch.manual_seed(0)
    MAKES["t5"]().save_pretrained(folder)
    dense = folder / "2_Dense"
    dense.mkdir()
    weight = torch.randn(8, 32)
    (dense / "config.json").write_text(json.dumps({"in_features": 32, "out_features": 8, "bias": False, "activation_function": "torch.nn.modules.linear.Identity"}))
    if form == "bin":
        torch.save({key: weight}, dense / "pytorch_model.bin")
    else:
        from safetensors.torch import save_file

        save_file({key: weight}, dense / "model.safetensors")
    return weight


@pytest.mark.parametrize("form", ["bin", "safetensors"])
def test_xtr_comes_with_its_own_projection(tmp_path, form):
    weight = xtr_layout(tmp_path / "xtr", form)
    config = configuration(tmp_path / "none", encoder=EncoderConfig(folder=str(tmp_path / "xtr"), layers=0), heads__tokens=8, heads__vector=-1)
    model = build_model(config, 300).eval()
    assert torch.equal(model.tokens.weight, weight)
    texts = random_texts(2, 9, 300, 0)
    reference = transformers.T5EncoderModel.from_pretrained(tmp_path / "xtr").eval()(input_ids=texts.ids, attention_mask=texts.mask.long()).last_hidden_state
    assert torch.allclose(model(*texts).tokens, torch.nn.functional.normalize(reference @ weight.T, dim=-1), atol=1e-5)


def test_token_vectors_that_neither_a_folder_nor_an_objective_makes_are_refused(folder, tmp_path):
    given = dict(encoder=EncoderConfig(folder=str(folder), layers=1, code_length=40), heads__tokens=8, objectives__maxsim__weight=0.0)
    with pytest.raises(UsageError, match="no projection of its own: set heads.tokens to 0"):
        build_model(configuration(tmp_path / "none", **given), 300)
    assert build_model(configuration(tmp_path / "none", start="checkpoint", **given), 300).token_dim == 8
    xtr_layout(tmp_path / "xtr", "bin")
    given["encoder"] = EncoderConfig(folder=str(tmp_path / "xtr"), layers=0)
    assert build_model(configuration(tmp_path / "none", **given), 300).token_dim == 8


def hub(monkeypatch, folder, offline: bool = False, absent: tuple[str, ...] = ()):
    """The hub as it answers with one repository, `folder`: a file of it; that there is none; or, out of reach, what only its cache says,
    where it is noted of some files that they are `absent`."""
    library = pytest.importorskip("huggingface_hub")
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    def download(name: str, file: str) -> str:
        if (folder / file).is_file():
            return str(folder / file)
        raise LocalEntryNotFoundError("outgoing traffic has been disabled") if offline else EntryNotFoundError("404")

    monkeypatch.setattr(library, "hf_hub_download", download)
    monkeypatch.setattr(library, "try_to_load_from_cache", lambda name, file: library._CACHED_NO_EXIST if file in absent else None)


@pytest.mark.parametrize("form", ["bin", "safetensors"])
@pytest.mark.parametrize("offline", [False, True])
def test_a_projection_comes_from_the_hub_or_its_cache(tmp_path, monkeypatch, form, offline):
    weight = xtr_layout(tmp_path / "xtr", form)
    hub(monkeypatch, tmp_path / "xtr", offline)
    assert torch.equal(read_projection("acme/xtr"), weight)


def test_a_repository_without_projection_is_told_from_a_hub_out_of_reach(tmp_path, monkeypatch):
    """Without network the miss in the cache was taken for an encoder without projection, and a random one was served."""
    hub(monkeypatch, tmp_path)
    assert read_projection("acme/plain") is None
    hub(monkeypatch, tmp_path, offline=True)
    with pytest.raises(NotFound, match=r"acme/xtr: .*cannot be reached.*hf download acme/xtr.*encoder\.folder"):
        read_projection("acme/xtr")
    hub(monkeypatch, tmp_path, offline=True, absent=("2_Dense/model.safetensors", "2_Dense/pytorch_model.bin"))
    assert read_projection("acme/plain") is None


@pytest.mark.parametrize("offline", [False, True])
def test_a_projection_of_the_pooled_vector_is_none_of_tokens(tmp_path, monkeypatch, offline):
    """sentence-t5 and LaBSE have one in the same place."""
    xtr_layout(tmp_path / "pooled", "safetensors")
    (tmp_path / "pooled" / "1_Pooling").mkdir()
    (tmp_path / "pooled" / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    hub(monkeypatch, tmp_path / "pooled", offline)
    assert read_projection(str(tmp_path / "pooled")) is None and read_projection("acme/pooled") is None


@pytest.mark.parametrize("bias, activation", [(True, "torch.nn.modules.linear.Identity"), (False, "torch.nn.modules.activation.Tanh")])
def test_a_projection_that_is_no_linear_map_is_refused(tmp_path, bias, activation):
    weight = xtr_layout(tmp_path / "xtr", "bin")
    (tmp_path / "xtr" / "2_Dense" / "config.json").write_text(json.dumps({"activation_function": activation}))
    torch.save({"linear.weight": weight, **({"linear.bias": torch.zeros(8)} if bias else {})}, tmp_path / "xtr" / "2_Dense" / "pytorch_model.bin")
    with pytest.raises(UsageError, match="expected the key `linear.weight` alone.*" + ("linear.bias" if bias else "Tanh")):
        read_projection(str(tmp_path / "xtr"))


def other_tokenizer(path, kind: str) -> None:
    """A `tokenizer.json` of the kind that T5 has, or of BERT's."""
    tokenizers = pytest.importorskip("tokenizers")
    texts = [text for line in lines() for text in (plain(line["query"]), plain(line["code"]))]
    if kind == "bert":
        learn_vocabulary(texts, 280)._tokenizer.save(str(path))
        return
    made = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="<unk>"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    made.train_from_iterator(texts, tokenizers.trainers.BpeTrainer(vocab_size=280, special_tokens=["<pad>", "</s>", "<unk>"], show_progress=False))
    made.post_processor = tokenizers.processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    made.save(str(path))


@pytest.mark.parametrize("kind", ["t5", "bert"])
def test_xtr_with_a_tokenizer_of_its_own_is_trained_exported_and_serves(tmp_path, kind):
    """What was exported could not be read again: its tokenizer was taken for a `vocab.txt`, and it had no vector to find candidates by."""
    pytest.importorskip("onnxscript")
    from wayfind.model import bundle
    from wayfind.model.encoder import Encoder
    from wayfind.train.export import export

    xtr_layout(tmp_path / "xtr", "bin")
    other_tokenizer(tmp_path / "xtr" / "tokenizer.json", kind)
    config = configuration(
        write_lines(tmp_path / "pairs.jsonl"), encoder=EncoderConfig(folder=str(tmp_path / "xtr"), layers=0, code_length=40, query_length=16), heads__tokens=8, heads__vector=-1,
        objectives__contrastive__weight=0.0, objectives__maxsim__weight=1.0, loop__steps=4,
    )
    material = read_material(config)
    best = train(config, material, tmp_path / "run").best
    measured = export(best, tmp_path / "bundle", material.valid)
    assert abs(measured["mrr"] - measured["network_mrr"]) < 0.2
    encoder, (model, _), words = Encoder(bundle.load(tmp_path / "bundle"), threads=1), checkpoint.load_model(best), material.vocabulary
    question = "open the first page ( 7 )"
    ids = [*words.before, *words.ids([question])[0], *words.after]
    assert encoder._reader.query(question) == ids and encoder._reader.pad == words.pad
    tokens = model(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.bool)).tokens[0].detach()
    mean = torch.nn.functional.cosine_similarity(tokens.mean(dim=0), torch.from_numpy(encoder.query(question)).float(), dim=0)
    assert mean > 0.97 and 0 < len(encoder.query_tokens(question)) < len(ids)
    codes, own = encoder.chunks_with_tokens([("src/page.py", "open_page", "def open_page(page):\n    return page [ 0 ]" * 9)])
    assert codes.shape == (1, 8) and own[0].shape[1] == 8
    assert encoder._reader.further("src/page.py", "open_page", "return page [ 0 ]\n" * 40, 2)


def test_a_seed_gives_the_same_heads_each_time(tmp_path):
    xtr_layout(tmp_path / "xtr", "bin")
    config = configuration(tmp_path / "none", encoder=EncoderConfig(folder=str(tmp_path / "xtr"), layers=0), heads__tokens=8, heads__vector=4)
    one, other = build_model(config, 300), build_model(config, 300)
    assert torch.equal(one.tokens.weight, other.tokens.weight) and torch.equal(one.vector.weight, other.vector.weight)


def test_a_projection_of_another_size_or_with_code_in_it_is_refused(tmp_path):
    xtr_layout(tmp_path / "xtr", "bin")
    config = configuration(tmp_path / "none", encoder=EncoderConfig(folder=str(tmp_path / "xtr"), layers=0), heads__tokens=16)
    with pytest.raises(UsageError, match="set it to 8"):
        build_model(config, 300)
    xtr_layout(tmp_path / "other", "safetensors", key="weight")
    with pytest.raises(UsageError, match="linear.weight"):
        build_model(configuration(tmp_path / "none", encoder=EncoderConfig(folder=str(tmp_path / "other"), layers=0), heads__tokens=8), 300)


def test_a_folder_without_an_encoder_says_so(tmp_path):
    with pytest.raises(UsageError, match="no encoder"):
        build_encoder(EncoderConfig(folder=str(tmp_path)), 300)


@pytest.mark.parametrize("spoil", [
    lambda one: {f"net.{name}": value for name, value in one.items()}, lambda one: {name: value for name, value in one.items() if not re.search(r"attention|attn", name, re.IGNORECASE)},
], ids=["under other names", "without attention"])
def test_an_encoder_that_lacks_weights_is_refused(folder, spoil):
    """They were drawn at random without a word, trained and served."""
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    save_file(spoil(load_file(path)), path, metadata={"format": "pt"})
    with pytest.raises(UsageError, match="tensors are not in its weights"):
        build_encoder(EncoderConfig(folder=str(folder), layers=0), 300)


def test_an_encoder_saved_with_a_head_and_without_the_unused_pooler_is_read(tmp_path):
    transformers.BertForMaskedLM(transformers.BertConfig(**SIZES, max_position_embeddings=192)).save_pretrained(tmp_path)
    assert build_encoder(EncoderConfig(folder=str(tmp_path), layers=0), 300).hidden == 32


@pytest.mark.parametrize("spoil", [
    lambda path: path.write_bytes(path.read_bytes()[:-100]), lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"),
    lambda path: (path.parent / "config.json").write_text((path.parent / "config.json").read_text().replace('": 32,', '": 64,')),
], ids=["cut", "a pointer", "of another size"])
def test_damaged_weights_of_an_encoder_are_named(folder, spoil):
    spoil(folder / "model.safetensors")
    with pytest.raises(UsageError, match=f"{folder.name}: "):
        build_encoder(EncoderConfig(folder=str(folder), layers=0), 300)


@pytest.mark.parametrize("folder", ["bert"], indirect=True)
def test_a_training_goes_on_from_a_bundle(folder, tmp_path):
    """Its int8 weights come back as far as their steps allow, with the projection of token vectors, in a folder like any encoder's."""
    pytest.importorskip("onnxscript")
    from wayfind.train.dequantise import dequantise
    from wayfind.train.export import export

    learn_vocabulary(["open close file socket the number"] * 3, 250).write(folder)
    encoder = EncoderConfig(folder=str(folder), layers=2, code_length=40, query_length=16)
    config = configuration(write_lines(tmp_path / "pairs.jsonl"), encoder=encoder, heads=HeadsConfig(vector=0, tokens=8), objectives__maxsim=MaxSim(1.0), loop__steps=3)
    best = train(config, read_material(config), tmp_path / "run").best
    export(best, tmp_path / "bundle")
    count = dequantise(tmp_path / "bundle", folder, tmp_path / "again")
    trained, again = checkpoint.load_model(best)[0].eval(), build_model(changed(config, {"encoder.folder": str(tmp_path / "again")}), 250).eval()
    assert count == sum(one.numel() for name, one in again.encoder.named_parameters() if "pooler" not in name)
    texts = random_texts(5, 30, 250, 0)
    before, after = trained(*texts), again(*texts)
    assert torch.cosine_similarity(before.vector, after.vector).min() > 0.99
    assert torch.cosine_similarity(before.tokens, after.tokens, dim=-1)[before.mask].min() > 0.98
    assert read_vocabulary(tmp_path / "again").digest == read_vocabulary(tmp_path / "bundle").digest
    assert train(changed(config, {"encoder.folder": str(tmp_path / "again")}), read_material(config), tmp_path / "on").finished


def test_only_a_bert_comes_back_from_a_bundle(tmp_path):
    pytest.importorskip("onnxscript")
    from wayfind.model import bundle
    from wayfind.train.dequantise import dequantise
    from wayfind.train.export import export

    config = configuration(write_lines(tmp_path / "pairs.jsonl"), loop__steps=1)
    export(train(config, read_material(config), tmp_path / "run").best, tmp_path / "own")
    bundle.write(tmp_path / "bare", "bare", {}, {}, {})
    for name in ("own", "bare"):
        with pytest.raises(UsageError, match=f"{name}: no int8 encoder that began as a BERT"):
            dequantise(tmp_path / name, tmp_path, tmp_path / "again")
