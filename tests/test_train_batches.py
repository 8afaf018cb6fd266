"""Batches: what the seed fixes, what weights, dropout and lengths do, and that ids are those of the tokenizer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training import changed, configuration, lines, table_of, write_lines  # noqa: E402

from wayfind.errors import NotFound, UsageError  # noqa: E402
from wayfind.model.text import plain  # noqa: E402
from wayfind.train.batches import batches_of, batches_of_neighbours, epoch_order, generator, neighbours, read_material, vocabulary_of  # noqa: E402
from wayfind.train.config import DataConfig, Negatives, Source  # noqa: E402
from wayfind.train.pairs import Pair, from_values  # noqa: E402
from wayfind.train.run import prepare  # noqa: E402
from wayfind.train.shards import chosen, joined, parts_of, read_tokens, tokenise, write_tokens  # noqa: E402
from wayfind.train.validate import judged  # noqa: E402
from wayfind.train.vocabulary import learn_vocabulary, read_vocabulary  # noqa: E402


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return configuration(write_lines(tmp_path_factory.mktemp("pairs") / "pairs.jsonl"))


@pytest.fixture(scope="module")
def table(config):
    return table_of(config)


@pytest.fixture(scope="module")
def pairs():
    return [from_values(line, "test") for line in lines()]


def test_an_epoch_has_every_pair_once_in_an_order_that_the_seed_fixes():
    even = np.ones(50, np.float32)
    assert sorted(epoch_order(even, 0, 0)) == list(range(50))
    assert (epoch_order(even, 0, 0) == epoch_order(even, 0, 0)).all()
    assert not (epoch_order(even, 0, 0) == epoch_order(even, 0, 1)).all()
    assert not (epoch_order(even, 0, 0) == epoch_order(even, 1, 0)).all()


def test_a_weight_of_five_is_drawn_five_times_as_often():
    weight = np.array([1.0] * 100 + [5.0] * 100, np.float32)
    drawn = np.concatenate([epoch_order(weight, 0, epoch) for epoch in range(30)])
    assert len(drawn) == pytest.approx(30 * 200, rel=0.01)
    assert (drawn >= 100).sum() / (drawn < 100).sum() == pytest.approx(5, rel=0.02)


def test_buckets_hold_batches_of_like_length_and_the_same_pairs():
    length, order = np.arange(64) % 8, np.random.default_rng(0).permutation(64)
    cut = batches_of(order, 8, length, 8, 0, 0)
    assert sorted(np.concatenate(cut)) == list(range(64)) and all(len(set(length[rows])) == 1 for rows in cut)
    assert any(len(set(length[rows])) > 1 for rows in batches_of(order, 8, length, 1, 0, 0))


@pytest.mark.parametrize("bucket", [1, 4])
def test_neighbours_come_from_one_origin_and_the_same_pairs_come(bucket):
    order, length = np.random.default_rng(0).permutation(100), np.arange(100) % 8
    origin = np.repeat(np.arange(3, dtype=np.uint64), [48, 34, 18])
    found = neighbours(order, origin, 4, length, bucket, 0, 0)
    assert sorted(found) == list(range(100))
    cut = batches_of_neighbours(found, 16, 4, length, bucket, 0, 0)
    groups = [rows[i : i + 4] for rows in cut for i in range(0, 16, 4)]
    mixed = sum(len(set(origin[rows])) > 1 for rows in groups)
    assert all(len(rows) == 16 for rows in cut) and len(cut) == 6 and mixed <= 1, "only what is left over is mixed"
    assert len(np.unique(np.concatenate(cut))) == 96
    assert not (neighbours(order, origin, 4, length, bucket, 0, 1) == found).all(), "an epoch has its own order"


def test_texts_have_the_ids_of_the_tokenizer_itself(config, table, pairs):
    import tokenizers

    vocabulary = vocabulary_of(config)
    reference = vocabulary._tokenizer
    assert isinstance(reference, tokenizers.Tokenizer)
    train = [pair for pair in pairs if pair.part == "train"]
    rows = np.arange(20)
    for side in ("query", "code"):
        texts = table.texts(side, rows)
        reference.enable_truncation(16 if side == "query" else 40)
        for row in rows:
            expected = reference.encode(plain(getattr(train[row], side))).ids
            assert texts.ids[row][texts.mask[row]].tolist() == expected
        reference.no_truncation()
    assert (texts.ids[~texts.mask] == vocabulary.pad).all()


def test_a_skipped_path_is_a_code_without_its_first_line(config, table, pairs):
    train = [pair for pair in pairs if pair.part == "train"]
    words = vocabulary_of(config)
    for option, kept in ((DataConfig([], path_dropout=0.0), 0), (DataConfig([], path_dropout=1.0, symbol_dropout=0.0), 1), (DataConfig([], path_dropout=1.0, symbol_dropout=1.0), 2)):
        rows = np.arange(10)
        texts = table.texts("code", rows, table.skipped(rows, option, generator(0)))
        for row in rows:
            expected = words.ids([plain("\n".join(train[row].code.split("\n")[kept:]))])[0][:38]
            assert texts.ids[row][texts.mask[row]].tolist() == [*words.before, *expected, *words.after]


def test_the_loss_or_the_sampler_sees_the_weights(table, config):
    rows = np.arange(8)
    by_loss = table.batch(rows, changed(config, {"data.weights": "loss"}).data, Negatives(), None, 0, 0)
    by_sampler = table.batch(rows, config.data, Negatives(), None, 0, 0)
    assert (by_loss.weight == table.tokens.weight[rows]).all() and len(set(by_loss.weight)) == 2
    assert (by_sampler.weight == 1).all()


def test_negatives_that_came_with_a_pair_stand_after_the_codes(table, config, pairs):
    rows = np.arange(12)
    batch = table.batch(rows, config.data, Negatives(given=1), None, 0, 0)
    train = [pair for pair in pairs if pair.part == "train"]
    assert len(batch.code) == 12 + sum(len(train[row].negatives) for row in rows)
    extra = table.texts("code", batch.code[12:])
    words = vocabulary_of(config)
    wanted = [text for row in rows for text in train[row].negatives]
    assert [ids[mask].tolist()[1:-1] for ids, mask in zip(extra.ids, extra.mask)] == [found.tolist() for found in words.ids([plain(text) for text in wanted])]


def test_what_answers_too_is_no_negative():
    same = dict(language="python")
    some = [Pair("a", "x", **same), Pair("a", "y", **same), Pair("b", "x", **same), Pair("c", "z", negatives=("w", "x"), **same)]
    vocabulary = learn_vocabulary(["a b c w x y z"] * 3, 60)
    from wayfind.train.batches import Table

    table = Table(joined(list(tokenise(some, vocabulary, 8, 8))), (vocabulary.before, vocabulary.after, vocabulary.pad), (8, 8))
    batch = table.batch(np.arange(4), DataConfig([]), Negatives(given=2), None, 0, 0)
    found = table.excluded(batch).numpy()
    assert found[:, :4].tolist() == [[True, True, True, False], [True, True, False, False], [True, False, True, False], [False, False, False, True]]
    texts = table.texts("code", batch.code[4:])
    is_x = (texts.ids[:, 1] == vocabulary.ids(["x"])[0][0]).numpy()
    assert found[0, 4:].tolist() == is_x.tolist() and not found[3, 4:].any()


def test_an_own_right_answer_is_no_negative_whatever_it_is_read_with():
    """A negative was known by its whole text and a code by its lines, so that the same code with its path was told from itself."""
    code = "src/a.py\nf\nx"
    some = [Pair("a", code, path="src/a.py", symbol="f", negatives=(code, "src/b.py\ng\nx", "z")), Pair("b", "src/b.py\ng\nx", path="src/b.py", symbol="g"), Pair("c", "y")]
    vocabulary = learn_vocabulary(["a b c f g src py x y z"] * 3, 80)
    from wayfind.train.batches import Table

    table = Table(joined(list(tokenise(some, vocabulary, 8, 8))), (vocabulary.before, vocabulary.after, vocabulary.pad), (8, 8))
    batch = table.batch(np.arange(3), DataConfig([]), Negatives(given=3), None, 0, 0)
    is_z = table.tokens.code_key[batch.code[3:]] == table.tokens.code_key[5]
    found = table.excluded(batch).numpy()[:, 3:]
    assert is_z.sum() == 1 and found[0].tolist() == found[1].tolist() == (~is_z).tolist() and not found[2].any()


def test_shards_give_back_the_tokens_that_were_written(tmp_path, pairs, monkeypatch):
    vocabulary = learn_vocabulary((pair.code for pair in pairs), 300)
    monkeypatch.setattr("wayfind.train.shards.AT_A_TIME", 16)
    whole = joined(list(tokenise(pairs, vocabulary, 16, 40)))
    monkeypatch.setattr("wayfind.train.shards.MOST_BYTES", 16 * 56 * 4 + 3000)
    assert write_tokens(tmp_path, pairs, vocabulary, 16, 40) == len(pairs)
    assert len(list(tmp_path.glob("tokens-*.safetensors"))) > 2
    read = read_tokens(tmp_path)
    for number in range(len(pairs)):
        assert (read.query[number] == whole.query[number]).all() and (read.code[number] == whole.code[number]).all()
        assert read.languages[read.language[number]] == pairs[number].language
    assert (read.query_key == whole.query_key).all() and (read.code_key == whole.code_key).all() and (read.weight == whole.weight).all()
    owners = [number for number, pair in enumerate(pairs) for _ in pair.negatives]
    assert sorted(read.negative_of.tolist()) == owners
    for place, owner in enumerate(read.negative_of):
        assert (read.code[len(pairs) + place] == vocabulary.ids([plain(pairs[owner].negatives[0])])[0]).all()
    assert read_vocabulary(tmp_path).digest == vocabulary.digest


def test_token_shards_of_one_part_are_not_judged_by_themselves(tmp_path, config, pairs):
    """A configuration that named `tokens/NAME/train` without data.valid was judged by the pairs that it learned from."""
    vocabulary = learn_vocabulary([pair.code for pair in pairs], 300)
    for part in ("train", "valid"):
        write_tokens(tmp_path / part, [pair for pair in pairs if pair.part == part], vocabulary, 16, 40)
    alone = changed(config, {"data.train": [Source(str(tmp_path / "train"))]})
    with pytest.raises(UsageError, match="train: token shards of one part; name the folder above them, or held-out ones in data.valid"):
        read_material(alone)
    (tmp_path / "valid").rename(tmp_path / "other")
    with pytest.raises(UsageError, match="held-out ones in data.valid"):
        read_material(changed(config, {"data.train": [Source(str(tmp_path))]}))
    (tmp_path / "other").rename(tmp_path / "valid")
    named, above = changed(alone, {"data.valid": [Source(str(tmp_path / "valid"))]}), changed(config, {"data.train": [Source(str(tmp_path))]})
    assert [len(read_material(one).valid) for one in (named, above)] == [sum(pair.part == "valid" for pair in pairs)] * 2


def test_token_shards_shorter_than_what_is_to_be_read_are_refused(tmp_path, config, pairs):
    """They were taken, and the bundle was served at lengths that its training never saw."""
    vocabulary = learn_vocabulary([pair.code for pair in pairs], 300)
    for part in ("train", "valid"):
        write_tokens(tmp_path / part, [pair for pair in pairs if pair.part == part], vocabulary, 14, 30)
    from_shards = changed(config, {"data.train": [Source(str(tmp_path))], "encoder.query_length": 16, "encoder.code_length": 32})
    assert read_material(from_shards) and read_material(changed(from_shards, {"encoder.query_length": 8, "encoder.code_length": 16}))
    for name, longest in (("query_length", 14), ("code_length", 30)):
        with pytest.raises(UsageError, match=f"cut to {name} {longest}, but encoder.{name} is 33: set it to {longest}, or make the shards again"):
            read_material(changed(from_shards, {f"encoder.{name}": 33}))


def test_a_file_that_is_named_to_be_held_out_is_held_out_as_a_whole_unless_it_says_which_lines(tmp_path, config):
    """Lines that name no part are of `train`, so that such a file held nothing out, and its maker was told to build it otherwise."""
    unsaid = [{key: value for key, value in line.items() if key != "part"} for line in lines(60)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in unsaid[:40]))
    held_out = tmp_path / "valid.jsonl"
    held_out.write_text("".join(json.dumps(line) + "\n" for line in unsaid[40:]))
    own = changed(config, {"data.train": [Source(str(tmp_path / "train.jsonl"))], "data.valid": [Source(str(held_out))]})
    assert (len(read_material(own).train), len(read_material(own).valid)) == (40, 20)
    assert prepare([own], tmp_path / "tokens") == {"train.jsonl/train": 40, "valid.jsonl/valid": 20}
    held_out.write_text("".join(json.dumps(line | {"part": "valid"} if number < 3 else line) + "\n" for number, line in enumerate(unsaid)))
    assert len(read_material(own).valid) == 3
    for both in (changed(own, {"data.valid": []}), changed(own, {"data.valid": own.data.train})):
        with pytest.raises(UsageError, match="train.jsonl: no pair of the part `valid`; give some of its lines `part`: `valid`, or name other pairs"):
            read_material(both)


def test_chosen_pairs_keep_their_negatives(pairs):
    vocabulary = learn_vocabulary((pair.code for pair in pairs), 300)
    whole = joined(list(tokenise(pairs, vocabulary, 16, 40)))
    some = chosen(whole, np.array([7, 3]))
    assert (some.query[0] == whole.query[7]).all() and (some.code[1] == whole.code[3]).all()
    assert sorted(some.negative_of) == [0, 1] and len(some.code) == 4


def test_a_damaged_shard_is_refused(tmp_path, pairs):
    write_tokens(tmp_path, pairs, learn_vocabulary((pair.code for pair in pairs), 300), 16, 40)
    shard = next(tmp_path.glob("tokens-*"))
    data = bytearray(shard.read_bytes())
    data[-5] ^= 1
    shard.write_bytes(data)
    with pytest.raises(UsageError, match="not the file that tokens.json names"):
        read_tokens(tmp_path)


def test_a_code_comes_apart_into_path_symbol_and_lines_only_where_they_stand():
    assert parts_of(Pair("q", "b/c.py\nf\ndef f(): ...", path="z/a/b/c.py", symbol="f")) == ("", "", "b/c.py\nf\ndef f(): ...")
    assert parts_of(Pair("q", "a/b/c.py\nf\ndef f(): ...", path="z/a/b/c.py", symbol="f")) == ("a/b/c.py", "f", "def f(): ...")
    assert parts_of(Pair("q", "def f(): ...")) == ("", "", "def f(): ...")
    assert parts_of(Pair("q", "a/b\nf\ndef f(): ...", path="a/b/0001.py", symbol="f")) == ("a/b", "f", "def f(): ...")
    assert parts_of(Pair("q", "a/b/0001.py\nf\ndef f(): ...", path="a/b/0001.py", symbol="f")) == ("a/b/0001.py", "f", "def f(): ..."), "of an older build"


@pytest.mark.parametrize("change, sign", [({"languages": ["go"]}, "language"), ({"kinds": ["name"]}, "kind"), ({"limit": 10}, "count"), ({"weight": 3.0}, "weight")])
def test_every_option_of_a_source_changes_what_is_learned_from(config, change, sign):
    before = read_material(config).train
    source = Source(config.data.train[0].path, **change)
    after = read_material(changed(config, {"data.train": [source], "data.valid": [Source(source.path)]})).train
    if sign == "weight":
        assert (after.weight == before.weight * 3).all()
    else:
        assert 0 < len(after) < len(before)
        assert sign == "count" or len(set(getattr(after, sign))) == 1


def test_pairs_of_weight_nought_and_pairs_that_are_not_there_are_said(config, tmp_path):
    (tmp_path / "nought.jsonl").write_text("".join(json.dumps(line | {"weight": 0}) + "\n" for line in lines()))
    with pytest.raises(UsageError, match="nought.jsonl: all 96 pairs have the weight 0"):
        read_material(changed(config, {"data.train": [Source(str(tmp_path / "nought.jsonl"))]}))
    with pytest.raises(NotFound, match="no such folder or file of pairs; a folder is made with: wayfind data build CONFIG.yaml --output"):
        read_material(changed(config, {"data.train": [Source(str(tmp_path / "data"))]}))


def test_a_source_named_twice_is_refused_and_one_that_differs_counts_as_both(config):
    """The same folder twice was copied, in training and where it is judged."""
    path = config.data.train[0].path
    alone = read_material(config)
    for part in ("data.train", "data.valid"):
        with pytest.raises(UsageError, match=f"{part} names .*twice.*a copy does not"):
            read_material(changed(config, {part: [Source(path), Source(f"{Path(path).parent}/./{Path(path).name}")]}))
    overlapping = read_material(changed(config, {"data.train": [Source(path, kinds=["name"]), Source(path, languages=["go"], weight=4.0), Source(path)]}))
    assert len(overlapping.train) > len(alone.train) and set(overlapping.train.weight) == {1.0, 3.0, 4.0}
    assert sorted(overlapping.valid.query_key) == sorted(alone.valid.query_key)
    assert (read_material(changed(config, {"data.valid": [Source(path)]})).valid.code_key == alone.valid.code_key).all()


def test_held_out_pairs_are_judged_of_every_source_and_all_where_they_are_few(config, tmp_path):
    """The first `loop.pool` rows were judged: those of the first source."""
    written = [json.loads(line) for line in Path(config.data.train[0].path).read_text().splitlines()]
    (tmp_path / "more.jsonl").write_text("".join(json.dumps(line | {"language": "rust"}) + "\n" for line in written))
    sources = [config.data.train[0], Source(str(tmp_path / "more.jsonl"))]
    both = changed(config, {"data.valid": sources})
    valid = read_material(both).valid
    few = judged(valid, changed(both, {"loop.pool": 12}))
    assert len(few) == 12 and {few.languages[row] for row in few.language} >= {"rust"} and len(set(few.language)) > 1
    assert (few.query_key == judged(valid, changed(both, {"loop.pool": 12})).query_key).all()
    assert not (few.query_key == judged(valid, changed(both, {"loop.pool": 12, "seed": 1})).query_key).all()
    assert judged(valid, changed(both, {"loop.pool": len(valid)})) is valid


@pytest.mark.parametrize("wrong, nearest", [("pyton", "python"), ("golang", "go"), ("klingo", "klingon")])
def test_an_unknown_language_of_a_source_names_the_nearest(tmp_path, wrong, nearest):
    """It was left out without a word where another language had pairs."""
    some = [{**line, "language": "klingon" if number == 1 else line["language"]} for number, line in enumerate(lines())]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in some))
    config = configuration(tmp_path / "pairs.jsonl")
    with pytest.raises(UsageError, match=f"no language is called `{wrong}`; did you mean `{nearest}`"):
        read_material(changed(config, {"data.train": [Source(str(tmp_path / "pairs.jsonl"), languages=["go", wrong])]}))
    known = Source(str(tmp_path / "pairs.jsonl"), languages=["klingon", "rust", "go"])
    assert read_material(changed(config, {"data.train": [known], "data.valid": [Source(known.path)]})).train


def test_a_vocabulary_is_the_same_each_time_it_is_learned(pairs):
    texts = [pair.code for pair in pairs]
    assert learn_vocabulary(texts, 200).content == learn_vocabulary(texts, 200).content
