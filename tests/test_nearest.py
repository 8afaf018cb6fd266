"""The graph of nearest neighbours of very large trees: what it finds is what an exact scan finds, and whatever is wrong with it, the scan answers."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import plant

import wayfind
from wayfind.index import nearest
from wayfind.model.codes import cosines, lengths_of, quantise

pytest.importorskip("usearch", reason="the extra [nearest] is not installed")
WORDS = "wrap ship pay count weigh fold send keep read write open close lock free sort find".split()
FILES = {
    f"shop/{one}.py": "".join(f"def {one}_{other}(thing):\n    return thing.{other}({one!r})\n\n\n" for other in WORDS if other != one) for one in WORDS
}
QUESTIONS = ("how are parcels packed", "where is money taken", "put letters into order", "let go of a held resource")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "LARGE", 100)
    monkeypatch.setenv("WAYFIND_MODEL", "base")


def codes(number: int) -> np.ndarray:
    return quantise(np.random.default_rng(0).standard_normal((number, 64)))


def test_the_graph_finds_what_the_scan_finds(tmp_path: Path, few: None) -> None:
    held, wanted = codes(2_000), codes(2_001)[-1]
    assert nearest.build(tmp_path, "a.vec", held)
    graph = nearest.opened(tmp_path, "a.vec", held)
    exact = np.argsort(-cosines(held, wanted, lengths_of(held)))[:50]
    found = nearest.nearest(graph, wanted, 50)
    assert np.array_equal(found, np.sort(found)) and len(set(found) & set(exact.tolist())) >= 45


def test_a_graph_is_its_owners_alone(tmp_path: Path, few: None) -> None:
    nearest.build(tmp_path, "a.vec", codes(200))
    assert [place.stat().st_mode & 0o777 for place in tmp_path.iterdir()] == [0o600, 0o600]


def test_searches_answer_as_without_it(tmp_path: Path, few: None) -> None:
    root, home = plant(tmp_path / "shop", FILES), tmp_path / "home"
    with wayfind.open(root, home=home) as repository:
        repository.refresh()
        repository.encode()
        assert list(home.rglob("*.near"))
        assert repository.searcher().meanings._vectors.graph is not None
        with_graph = [repository.search(text) for text in QUESTIONS]
        filtered = repository.search(QUESTIONS[0], path="shop/fold.py")
    for place in home.rglob("*.near*"):
        place.unlink()
    with wayfind.open(root, home=home) as repository:
        assert repository.searcher().meanings._vectors.graph is None
        assert [repository.search(text) for text in QUESTIONS] == with_graph
        assert repository.search(QUESTIONS[0], path="shop/fold.py") == filtered


def test_a_damaged_graph_is_not_used(tmp_path: Path, few: None) -> None:
    held = codes(300)
    assert nearest.build(tmp_path, "a.vec", held)
    place = tmp_path / "a.vec.near"
    data = bytearray(place.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    place.write_bytes(data)
    assert nearest.opened(tmp_path, "a.vec", held) is None


def test_a_graph_goes_with_its_codes(tmp_path: Path, few: None) -> None:
    for name in ("a.vec", "b.vec"):
        nearest.build(tmp_path, name, codes(200))
    nearest.forget(tmp_path, {"b.vec"})
    assert sorted(place.name for place in tmp_path.iterdir()) == ["b.vec.near", "b.vec.near.json"]


def test_without_the_library_or_below_the_size_there_is_none(tmp_path: Path, few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not nearest.build(tmp_path, "a.vec", codes(99))
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    assert not nearest.build(tmp_path, "a.vec", codes(200)) and nearest.opened(tmp_path, "a.vec", codes(200)) is None
    assert not list(tmp_path.iterdir())
