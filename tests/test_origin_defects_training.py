"""One test for each defect of the original training pipeline (14 to 18 of the list, see test_origin_defects.py): it cannot happen here.

The laws behind them stand with the parts they belong to.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from conftest import plant  # noqa: E402
from training import changed, configuration, lines, table_of, write_lines  # noqa: E402

from wayfind.errors import UsageError  # noqa: E402
from wayfind.model import bundle  # noqa: E402
from wayfind.model.codes import LARGEST, unit_codes  # noqa: E402
from wayfind.model.encoder import OwnReader  # noqa: E402
from wayfind.search.late import maxsim  # noqa: E402
from wayfind.train.batches import Table, epoch_order, read_material  # noqa: E402
from wayfind.train.build import build  # noqa: E402
from wayfind.train.config import DataConfig, MaxSim, Negatives, Source, XTR, config_of, read_configs  # noqa: E402
from wayfind.train.export import _part  # noqa: E402
from wayfind.train.heads import build_model  # noqa: E402
from wayfind.train.loop import _Run  # noqa: E402
from wayfind.train.negatives import mine  # noqa: E402
from wayfind.train.pairs import Pair, from_values, read_pairs  # noqa: E402
from wayfind.train.recipe import read_recipe  # noqa: E402
from wayfind.train.shards import joined, parts_of, tokenise  # noqa: E402
from wayfind.train.sources.codesearchnet import codesearchnet_pairs  # noqa: E402
from wayfind.train.split import project  # noqa: E402
from wayfind.train.validate import encoder_of, scores_of  # noqa: E402
from wayfind.train.vocabulary import learn_vocabulary  # noqa: E402

TRAINING = Path(__file__).parent.parent / "training"
TOKENS_ALONE = {"heads.vector": -1, "objectives.contrastive.weight": 0.0, "objectives.maxsim": MaxSim(1.0)}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return configuration(write_lines(tmp_path_factory.mktemp("pairs") / "pairs.jsonl"))


# 14: the projection was drawn anew at every start; evaluation hid it by doing both in one process --------------------------------

ENCODE = """
import json, sys
import numpy as np, torch
from wayfind.model.codes import unit_codes
from wayfind.train.batches import Table, read_material
from wayfind.train.config import config_of
from wayfind.train.heads import build_model
from wayfind.train.validate import encoded, encoder_of
torch.set_num_threads(1)
config = config_of(json.loads(sys.argv[1]))
material = read_material(config)
words = material.vocabulary
table = Table(material.valid, (words.before, words.after, words.pad), (config.encoder.query_length, config.encoder.code_length))
encode = encoder_of(build_model(config, words.size))
rows = np.arange(len(table))
made = {side: encoded(encode, table, side, rows)[1] for side in ("query", "code")}
np.savez(sys.argv[2], **{f"{side}{row}": unit_codes(one) for side, some in made.items() for row, one in enumerate(some)})
"""


def encoded_by_another_process(config, out: Path, seed: int) -> dict[str, np.ndarray]:
    """What a process that draws by this seed makes of the held-out texts: codes of their tokens, `query` and `code` with the row."""
    values = json.dumps(changed(config, {"seed": seed}).as_mapping())
    done = subprocess.run([sys.executable, "-c", ENCODE, values, str(out)], capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(np.load(out))


def test_defect_14_what_one_process_indexes_another_finds(tmp_path: Path, config) -> None:
    pytest.importorskip("transformers")
    from test_train_encoders import other_tokenizer, xtr_layout

    xtr_layout(tmp_path / "xtr", "bin")
    other_tokenizer(tmp_path / "xtr" / "tokenizer.json", "t5")
    own = changed(config, {"encoder.folder": str(tmp_path / "xtr"), "encoder.layers": 0, "encoder.hidden": 32, **TOKENS_ALONE})
    index, asked = (encoded_by_another_process(own, tmp_path / f"{seed}.npz", seed) for seed in (0, 1))
    count = sum(name.startswith("code") for name in index)
    codes, ends = np.concatenate([index[f"code{row}"] for row in range(count)]), np.cumsum([0, *(len(index[f"code{row}"]) for row in range(count))])
    again = np.concatenate([asked[f"code{row}"] for row in range(count)])
    assert np.array_equal(codes, again)
    for row in range(count):
        assert np.array_equal(maxsim(asked[f"query{row}"], codes, ends), maxsim(index[f"query{row}"], codes, ends))
    drawn = [build_model(replace(config, seed=seed), 300).tokens.weight for seed in (0, 1)]
    assert not torch.equal(*drawn), "the seeds are such that a projection that is drawn would differ"


# 15: training and serving saw different text (case, splitting, length, dimension); validation pooled where serving used MaxSim ------

ODD = [
    Pair("WHERE is parseHTTPHeader called, naïvely?", "src/Net/HTTP_header.py\nNet.parseHTTPHeader\ndef parseHTTPHeader(self, RAW):\n    return RAW.split(b': ')", path="x/y/src/Net/HTTP_header.py", symbol="Net.parseHTTPHeader"),
    Pair("Größe der Straße", "def größe(straße):\n\treturn straße.LÄNGE * 2", path="", symbol=None),
    Pair("open " * 60, "a.py\nf\n" + "def f(x):\n" + "    x.open_first_file()\n" * 50, path="a.py", symbol="f"),
]


def test_defect_15_training_and_serving_read_the_same_ids_of_a_text(tmp_path: Path, config) -> None:
    pairs = [*ODD, *(from_values(line, "test") for line in lines(20))]
    words = learn_vocabulary([text for pair in pairs for text in (pair.query, pair.code)], 300)
    lengths = config.encoder.query_length, config.encoder.code_length
    model, table = build_model(config, words.size), Table(joined(list(tokenise(pairs, words, *lengths))), (words.before, words.after, words.pad), lengths)
    part = _part(model, words, *lengths, "float32")
    served = OwnReader(bundle.write(tmp_path / "bundle", "t", {"encoder": part}, {"model.onnx": b"", words.name: words.content}, {}), lambda path: None)
    for row, pair in enumerate(pairs):
        chunk = served.chunk(pair.path, pair.symbol, parts_of(pair)[2]) if pair.path else served.chunk("", None, pair.code)
        for side, ids in (("query", served.query(pair.query)), ("code", chunk)):
            texts = table.texts(side, np.array([row]))
            assert ids == texts.ids[0][texts.mask[0]].tolist(), (side, pair)
    made = model(*table.texts("code", np.arange(3)))
    assert (part["dim"], part["token_dim"]) == (made.vector.shape[-1], made.tokens.shape[-1])


def test_defect_15_held_out_pairs_are_ranked_by_maxsim_where_maxsim_serves(config) -> None:
    """The numbers are those of the functions that search uses, and not those of pooled vectors."""
    own = changed(config, TOKENS_ALONE)
    material = read_material(own)
    table, encode, rows = table_of(own, material), encoder_of(build_model(own, material.vocabulary.size)), np.arange(30)
    scores, _ = scores_of(encode, table, rows)
    sides = []
    for side in ("query", "code"):
        texts = table.texts(side, rows)
        sides.append([one[seen] for one, seen in zip(encode(texts)[1], texts.mask.numpy())])
    codes, ends = np.concatenate([unit_codes(one) for one in sides[1]]), np.cumsum([0, *map(len, sides[1])])
    served = np.stack([maxsim(unit_codes(term), codes, ends) for term in sides[0]])
    pooled = np.stack([[term.mean(0) @ code.mean(0) for code in sides[1]] for term in sides[0]])
    np.testing.assert_allclose(scores / LARGEST**2, served, atol=1e-5)
    assert np.abs(pooled - served).max() > 0.05


# 16: what was configured never reached the loss; there was no XTR; unknown keys were ignored -----------------------------------------


def stepped(config, folder: Path, mined: bool = False, even: bool = False) -> tuple[dict[str, float], np.ndarray]:
    """The terms of one step's loss and its gradient; with mined negatives, with even weights."""
    run = _Run(config, read_material(config), folder, None, lambda: 0.0)
    if even:
        run.table.tokens = replace(run.table.tokens, weight=np.ones(len(run.table), np.float32))
    if mined:
        run.mined = mine(encoder_of(run.model), run.table, config.negatives, config.seed, 0)
    terms, _, _ = run._step(0)
    return terms, np.concatenate([np.zeros(one.numel()) if one.grad is None else one.grad.ravel().numpy() for one in run.model.parameters()])


@pytest.mark.parametrize("option", [
    {"negatives.given": 1}, {"negatives.mined": 1, "negatives.margin": 0.0}, {"objectives.contrastive.temperature": 0.2}, {"encoder.code_length": 20}, {"objectives.xtr": XTR(0.5, k=20, warmup=0)},
], ids=["negatives that came", "negatives that were mined", "temperature", "length", "XTR"])  # fmt: skip
def test_defect_16_what_is_configured_reaches_the_loss(tmp_path: Path, config, option) -> None:
    usual = changed(config, {"loop.clip": 0.0, "data.path_dropout": 0.0})
    before, after = stepped(usual, tmp_path / "a"), stepped(changed(usual, option), tmp_path / "b", mined="negatives.mined" in option)
    assert before[0]["loss"] != after[0]["loss"] and not np.allclose(before[1], after[1], rtol=1e-4)
    assert ("xtr" in after[0]) == ("objectives.xtr" in option)


def test_defect_16_weights_decide_how_much_a_pair_counts_or_how_often_it_is_drawn(tmp_path: Path, config) -> None:
    by_loss = changed(config, {"data.weights": "loss", "loop.clip": 0.0})
    weighted, even = (stepped(by_loss, tmp_path / str(flat), even=flat)[1] for flat in (False, True))
    assert not np.allclose(weighted, even, rtol=1e-4)
    table = table_of(config)
    drawn = np.concatenate([epoch_order(table.tokens.weight, 0, epoch) for epoch in range(20)])
    heavy = table.tokens.weight[drawn] == 3
    assert heavy.sum() / (~heavy).sum() == pytest.approx(3 * (table.tokens.weight == 3).sum() / (table.tokens.weight == 1).sum(), rel=0.02)


def test_defect_16_the_gradient_cache_encodes_some_texts_at_a_time(tmp_path: Path, config, monkeypatch) -> None:
    whole, sizes, forward = stepped(changed(config, {"loop.clip": 0.0}), tmp_path / "a")[1], [], type(build_model(config, 300)).forward

    def counted(model, ids, mask):
        sizes.append(len(ids))
        return forward(model, ids, mask)

    monkeypatch.setattr("wayfind.train.heads.RetrievalModel.forward", counted)
    some = stepped(changed(config, {"loop.clip": 0.0, "loop.micro_batch": 3}), tmp_path / "b")[1]
    assert max(sizes) == 3 and np.allclose(whole, some, rtol=1e-4, atol=1e-6 * np.abs(whole).max())


def test_defect_16_later_stages_read_other_pairs_and_longer_texts(tmp_path: Path) -> None:
    """What a curriculum and growing lengths are here."""
    write_lines(tmp_path / "pairs.jsonl")
    (tmp_path / "two.yaml").write_text(
        "name: two\ndata: {train: [{path: pairs.jsonl, languages: [go]}], vocabulary_size: 300}\nencoder: {hidden: 16, heads: 2, code_length: 16}\nloop: {batch: 8}\n"
        "stages:\n- {}\n- {data: {train: [pairs.jsonl]}, encoder: {code_length: 40}}\n"
    )
    first, second = (table_of(stage) for stage in read_configs(tmp_path / "two.yaml"))
    assert {first.tokens.languages[row] for row in first.tokens.language} == {"go"} < {second.tokens.languages[row] for row in second.tokens.language}
    longest = [int(table.texts("code", np.arange(len(table))).mask.sum(1).max()) for table in (first, second)]
    assert longest[0] == 16 < longest[1] <= 40


def test_defect_16_an_unknown_key_is_an_error() -> None:
    with pytest.raises(UsageError, match="unknown key `hard_negatives`"):
        config_of({"name": "t", "data": {"train": ["x"]}, "hard_negatives": {"enabled": True}})


# 17: split after augmentation and by pair; duplicates as negatives; CodeSearchNet's test part learned; evaluation on what was trained on --


def function(number: int) -> str:
    """A function like no other, with a mark that says which one it is and stays there whatever is masked."""
    drawn = random.Random(number)
    body = "".join(f"    value_{drawn.randrange(10**6)} = {drawn.choice('count merge split draw'.split())}(basket, {drawn.randrange(10**6)})\n" for _ in range(12))
    return f'def weigh_{drawn.randrange(10**6)}(basket):\n    """Weighs what the basket of shop number {drawn.randrange(10**6)} holds at night."""\n    mark_{number} = basket.first\n{body}    return mark_{number}\n\n\n'


def test_defect_17_copies_and_variants_of_a_code_are_on_one_side_and_excluded_projects_on_none(tmp_path: Path) -> None:
    pytest.importorskip("rensa")
    names = [f"acme+shop{number}" for number in range(12)]
    for number, name in enumerate(names):
        plant(tmp_path / "trees" / name, {"src/shop.py": "".join(function(10 * number + one) for one in range(4))})
    plant(tmp_path / "trees" / "fork+shop3", {"src/shop.py": "".join(function(500 + one) for one in range(4))})
    plant(tmp_path / "trees" / "copycat+copies", {"lib/copied.py": function(20) + function(41)})
    plant(tmp_path / "trees" / "mirror+flask", {"src/app.py": function(600)})
    (tmp_path / "exclude.txt").write_text("pallets/flask\n")
    (tmp_path / "small.yaml").write_text(json.dumps({
        "name": "small", "sources": [{"repositories": [f"trees/{path.name}" for path in sorted((tmp_path / "trees").iterdir())]}], "kinds": ["docstring", "name"],
        "split": {"valid": 0.25, "test": 0.25}, "augment": {"ask": 1.0, "mask_name": 0.5}, "exclude": "exclude.txt",
    }))  # fmt: skip
    build(read_recipe(tmp_path / "small.yaml"), tmp_path / "small.yaml", tmp_path / "out")
    sides: dict[str, set[str]] = {}
    for pair in read_pairs(tmp_path / "out"):
        mark = next(word for word in pair.code.replace("=", " ").split() if word.startswith("mark_"))
        sides.setdefault(mark, set()).add(pair.part)
        sides.setdefault(project(pair.origin), set()).add(pair.part)
        assert pair.part == "train" or not pair.query.startswith("how to"), "variants are made after the split, of what is learned from"
    assert all(len(parts) == 1 for parts in sides.values()) and set.union(*sides.values()) == {"train", "valid", "test"}
    assert "mark_500" in sides and "mark_600" not in sides


def test_defect_17_duplicates_in_a_batch_are_no_negatives() -> None:
    pairs = [Pair("a", "x"), Pair("a", "y"), Pair("b", "x"), Pair("c", "z")]
    words = learn_vocabulary(["a b c x y z"] * 3, 60)
    table = Table(joined(list(tokenise(pairs, words, 8, 8))), (words.before, words.after, words.pad), (8, 8))
    batch = table.batch(np.arange(4), DataConfig([]), Negatives(), None, 0, 0)
    assert table.excluded(batch).tolist() == [[True, True, True, False], [True, True, False, False], [True, False, True, False], [False, False, False, True]]


def test_defect_17_nothing_of_codesearchnet_s_test_part_is_learned(tmp_path: Path) -> None:
    def row(number: int, part: str) -> dict[str, str]:
        code = function(number).replace("    \"\"\"", "    \"\"\"Not this. ", 1)
        return {"repo": f"acme/shop{number}", "path": "a.py", "func_name": code.partition("(")[0][4:], "code": code, "docstring": f"Weigh the basket number {number} of the shop at night.", "partition": part}

    for part, rows in {"train": [row(1, "train"), row(2, "test")], "test": [row(3, "test")]}.items():
        place = tmp_path / "python" / "final" / "jsonl" / part
        place.mkdir(parents=True)
        with gzip.open(place / f"python_{part}_0.jsonl.gz", "wt") as file:
            file.writelines(json.dumps(one) + "\n" for one in rows)
    assert {pair.origin for pair in codesearchnet_pairs(str(tmp_path), "python", 0, 1.0, 0).pairs} == {"acme/shop1"}


# 18: the recommended configuration never read the priority data; weights were made by copying lines -------------------------------------

PROOF = """/-- The balance after a deposit is the old balance and the amount that was paid in. -/
theorem balance_after_deposit (b a : Nat) : deposit b a = b + a := by
  unfold deposit
  simp [Nat.add_comm]
  done
"""


def test_defect_18_the_priority_configuration_reads_the_priority_pairs_and_copies_none(tmp_path: Path, config) -> None:
    pytest.importorskip("rensa")
    (priority,) = read_configs(TRAINING / "priority.yaml")
    named = TRAINING / "data" / f"{Path(priority.data.train[0].path).name}.yaml"
    recipe = read_recipe(named)
    own, others = (replace(source, repositories=[str(plant(tmp_path / name, files))]) for source, name, files in zip(
        recipe.sources, ("own", "formal"), ({"shop.py": "".join(map(function, range(6)))}, {"Bank.lean": PROOF})))  # fmt: skip
    build(replace(recipe, sources=[own, others], split=replace(recipe.split, valid=0.0)), named, tmp_path / "priority")
    pairs = list(read_pairs(tmp_path / "priority"))
    assert len({(pair.query, pair.code) for pair in pairs}) == len(pairs)
    train, valid = [replace(priority.data.train[0], path=str(tmp_path / "priority"))], [Source(config.data.train[0].path)]
    tokens = read_material(replace(priority, data=replace(priority.data, train=train, valid=valid, vocabulary_size=300))).train
    weights = {tokens.languages[row]: weight for row, weight in zip(tokens.language, tokens.weight.tolist())}
    assert weights == {"python": 3.0, "lean": 5.0} and len(tokens) == len(pairs)
    drawn = np.bincount(np.concatenate([epoch_order(tokens.weight, 0, epoch) for epoch in range(300)]), minlength=len(tokens))
    assert drawn[tokens.weight == 5].mean() / drawn[tokens.weight == 3].mean() == pytest.approx(5 / 3, rel=0.05)
