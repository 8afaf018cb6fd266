"""Codes of other repositories in a bundle, and what a question's nearness to them says."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from wayfind.errors import ModelError
from wayfind.model import bundle
from wayfind.model.encoder import Encoder
from wayfind.search.confidence import BY_BACKGROUND
from wayfind.train.background import add_background, texts
from wayfind.train.pairs import Pair


def pairs(origin: str, number: int, kind: str = "docstring") -> list[Pair]:
    return [Pair(f"question {n}", f"def {origin}_{n}(): pass", kind=kind, origin=origin) for n in range(number)]


def test_every_repository_gives_one_text_before_any_gives_two() -> None:
    chosen = texts([*pairs("a", 9), *pairs("b", 2), *pairs("c", 5), *pairs("d", 4, kind="name")], size=7)
    assert len(set(chosen)) == 7
    assert [sum(text.startswith(f"def {name}_") for text in chosen) for name in "abcd"] == [3, 2, 2, 0]
    assert chosen == texts([*pairs("c", 5), *pairs("b", 2), *pairs("a", 9)], size=7)


def test_of_many_repositories_those_that_give_a_text_are_drawn() -> None:
    many = [pair for name in (f"r{n:02}" for n in range(40)) for pair in pairs(name, 2)]
    chosen = texts(many, size=10)
    origins = {text.split("_")[0] for text in chosen}
    assert len(chosen) == len(origins) == 10 and origins != {f"def r{n:02}" for n in range(10)}


def test_vectors_stay_with_another_background(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(bundle.BASE, folder)
    head = bundle.load(bundle.BASE)
    files = {name: (folder / name).read_bytes() for name in head.digests if name != "background.npy"}
    bare = bundle.write(folder, head.name, {name: part for name, part in head.parts.items() if name != "background"}, files, {})
    assert bare.encoder_id == head.encoder_id and bare.id != head.id
    assert Encoder(bare).background is None


def test_the_shipped_background_is_of_the_shipped_encoder() -> None:
    encoder = Encoder(bundle.load(bundle.BASE))
    assert encoder.background is not None
    assert encoder.background.dtype == np.int8 and encoder.background.shape[1] == encoder.dim
    assert len(np.unique(encoder.background, axis=0)) > 500


def test_nearer_to_others_is_less_sure() -> None:
    assert BY_BACKGROUND.of["elsewhere"] < 0 < BY_BACKGROUND.of["near"]


def test_a_changed_background_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(bundle.BASE, folder)
    (folder / "background.npy").write_bytes((folder / "background.npy").read_bytes()[:-1] + b"\x01")
    with pytest.raises(ModelError, match="background.npy"):
        Encoder(bundle.load(folder))


def test_a_background_is_made_of_training_pairs(tmp_path: Path) -> None:
    from wayfind.train.pairs import to_line, write_shard

    build = tmp_path / "pairs"
    (build / "train").mkdir(parents=True)
    write_shard(build / "train" / "pairs-00000.jsonl.gz", map(to_line, [*pairs("a", 3), *pairs("b", 3)]))
    (build / "manifest.json").write_text('{"shards": {"train/pairs-00000.jsonl.gz": {}}}')
    made = add_background(bundle.BASE, build, tmp_path / "made", size=4)
    assert Encoder(made).background.shape == (4, 384)
    assert made.encoder_id == bundle.load(bundle.BASE).encoder_id
