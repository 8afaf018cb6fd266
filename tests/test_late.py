"""Late interaction: exact, the same as the slow loop, kept once by content, whole generations only."""

from __future__ import annotations

import hashlib
import subprocess

import numpy as np
import pytest

from wayfind.errors import IndexDamaged
from wayfind.index import late as stored
from wayfind.index import vectors
from wayfind.index.doctor import doctor
from wayfind.index.home import sizes
from wayfind.index.late import TokenCodes, late_names, read_late
from wayfind.index.maintain import forget, gc
from wayfind.index.refresh import refresh
from wayfind.index.snapshot import open_snapshot
from wayfind.index.tree import open_tree
from wayfind.index.vectors import VectorStore, fill, lacks_vectors, vector_key
from wayfind.model.codes import LARGEST, MOST_DIMENSIONS, quantise, unit_codes
from wayfind.model.pooling import pooled
from wayfind.search import late
from wayfind.search.late import Late, best_matches, maxsim, xtr
from wayfind.search.meanings import Meanings

DIM, LATE = 16, 8


class WordEncoder:
    """Stands for a model with token vectors: each word has the code of its hash. Counts what it is asked for."""

    id, dim, late_dim, parts = "words", DIM, LATE, 1

    def __init__(self) -> None:
        self.texts: list[tuple[str, str | None, str]] = []

    def chunks_with_tokens(self, chunks):
        self.texts += chunks
        codes = [quantise(_drawn(text, DIM)) for _, _, text in chunks]
        return np.array(codes, np.int8).reshape(-1, DIM), [self._tokens(text) for _, _, text in chunks]

    def query(self, text):
        return quantise(_drawn(text, DIM))

    def query_tokens(self, text):
        return self._tokens(text)

    def _tokens(self, text):
        units = [vector / np.linalg.norm(vector) for vector in (_drawn(word, LATE) for word in text.split())]
        return unit_codes(np.array(units).reshape(-1, LATE))


class PlainEncoder(WordEncoder):
    """The same without token vectors."""

    late_dim = 0


def _drawn(text: str, size: int) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    return np.random.default_rng(seed).standard_normal(size)


def drawn_codes(seed: int, chunks: int = 40, most: int = 12, dim: int = LATE) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A query's token codes, chunks' token codes and their ends; some chunks have no tokens, and some tokens are equal."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, most, chunks)
    tokens = rng.standard_normal((int(counts.sum()), dim))
    if len(tokens) > 9:
        tokens[5] = tokens[9]
    unit = [unit_codes(one / np.linalg.norm(one, axis=1, keepdims=True)) for one in (rng.standard_normal((rng.integers(1, 7), dim)), tokens)]
    return unit[0], unit[1], np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def slow_maxsim(query, codes, ends) -> list[float]:
    scores = []
    for first, last in zip(ends[:-1], ends[1:]):
        total = sum(max((sum(int(a) * int(b) for a, b in zip(term, token)) for token in codes[first:last]), default=0) for term in query)
        scores.append(total / (LARGEST**2 * len(query)))
    return scores


def slow_xtr(query, codes, ends, k) -> list[float]:
    """The paper's way: retrieve, gather what was retrieved of each chunk, impute what is missing."""
    chunk_of = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    retrieved: dict[int, dict[int, int]] = {}
    imputed = []
    for place, term in enumerate(query):
        products = [int(sum(int(a) * int(b) for a, b in zip(term, token))) for token in codes]
        nearest = sorted(range(len(codes)), key=lambda j: (-products[j], j))[:k]
        imputed.append(products[nearest[-1]])
        for j in nearest:
            own = retrieved.setdefault(int(chunk_of[j]), {})
            own[place] = max(own.get(place, products[j]), products[j])
    return [
        sum(retrieved[c].get(i, imputed[i]) for i in range(len(query))) / (LARGEST**2 * len(query)) if c in retrieved else float("nan")
        for c in range(len(ends) - 1)
    ]


@pytest.mark.parametrize("seed", range(8))
def test_maxsim_is_the_slow_loop_to_the_last_bit_whatever_the_blocks(seed, monkeypatch):
    query, codes, ends = drawn_codes(seed)
    expected = slow_maxsim(query, codes, ends)
    for block in (1, 7, 64, 16_384):
        monkeypatch.setattr(late, "_BLOCK", block)
        assert maxsim(query, codes, ends).tolist() == expected


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("k", [1, 3, 25, 10_000])
def test_xtr_is_what_the_paper_retrieves_and_imputes(seed, k, monkeypatch):
    monkeypatch.setattr(late, "_BLOCK", 32)
    query, codes, ends = drawn_codes(seed)
    found, expected = xtr(query, codes, ends, k), np.array(slow_xtr(query, codes, ends, min(k, len(codes))))
    alike = ~np.isnan(expected)
    assert np.array_equal(found[alike], expected[alike])
    # a chunk whose token is level with the last one retrieved may be retrieved or not, and scores the same
    level = np.isnan(expected) & ~np.isnan(found)
    least = sum(late._kth(codes, term, k) for term in query) / (LARGEST**2 * len(query))
    assert not np.isnan(found[alike]).any() and np.allclose(found[level], least)


def test_xtr_that_retrieves_everything_is_maxsim():
    query, codes, ends = drawn_codes(3)
    whole = xtr(query, codes, ends, len(codes))
    assert np.array_equal(np.nan_to_num(whole), maxsim(query, codes, ends))


def test_sums_are_exact_at_the_largest_codes():
    query = np.full((32, MOST_DIMENSIONS), LARGEST, np.int8)
    assert best_matches(query, query[:3], np.array([0, 2, 3])).tolist() == [[LARGEST**2 * MOST_DIMENSIONS] * 2] * 32


def test_one_step_for_all_keeps_cosines_of_64_dimensions_to_a_hundredth():
    rng = np.random.default_rng(0)
    one, other = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in rng.standard_normal((2, 4000, 64)))
    found = (unit_codes(one).astype(float) * unit_codes(other)).sum(1) / LARGEST**2
    assert np.abs(found - (one * other).sum(1)).max() < 0.015 and np.std(found - (one * other).sum(1)) < 0.0035


def test_pooling_keeps_what_is_alike_as_one_and_all_where_it_may():
    rng = np.random.default_rng(1)
    base = unit_codes(np.eye(LATE)[:3])
    codes = np.concatenate([base, base, base])[rng.permutation(9)]
    assert np.array_equal(pooled(codes, 1), codes)
    kept = pooled(codes, 3)
    assert sorted(kept.tolist()) == sorted(base.tolist())
    drawn = drawn_codes(5, chunks=1, most=60)[1]
    for factor in (2, 3, 4):
        assert len(pooled(drawn, factor)) == -(-len(drawn) // factor)
        assert np.array_equal(pooled(drawn, factor), pooled(drawn.copy(), factor))
    assert len(pooled(np.zeros((0, LATE), np.int8), 2)) == 0


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "repo"
    (root / "app").mkdir(parents=True)
    (root / "app" / "door.py").write_text("def open_door(key):\n    return key.turn()\n\n\ndef close_door():\n    return None\n")
    (root / "app" / "window.py").write_text("class Window:\n    def open(self):\n        return 1\n")
    (root / "settings.json").write_text('{"colour": "red"}\n')
    made = open_tree(root, tmp_path / "home")
    refresh(made)
    yield made
    made.close()


def tokens_of(tree, encoder=WordEncoder) -> dict[str, list[list[int]]]:
    snapshot = open_snapshot(tree)
    found = snapshot.token_vectors(encoder.id, encoder.late_dim)
    return {snapshot.place_of(c): codes.tolist() for c, codes in enumerate(found.of(np.arange(snapshot.chunks)))}


def expected_tokens(tree) -> dict[str, list[list[int]]]:
    """The slow way: every chunk encoded alone."""
    snapshot, encoder, found = open_snapshot(tree), WordEncoder(), {}
    for number in range(snapshot.chunks):
        chunk, text = snapshot.chunk(number)
        made = encoder.chunks_with_tokens([("", None, text)])[1][0]
        found[snapshot.place_of(number)] = [] if chunk.kind in vectors.LEFT_OUT else pooled(made).tolist()
    return found


def late_files(tree) -> list[str]:
    return sorted(path.name for path in tree.folder.glob("*.late"))


def test_every_chunk_gets_the_tokens_that_it_has_alone_in_the_pass_that_makes_its_vector(tree):
    encoder = WordEncoder()
    assert not any(tokens_of(tree).values()) and lacks_vectors(tree, encoder.id, late=True)
    filled = fill(tree, encoder)
    assert filled.encoded == len(encoder.texts) > 3
    assert tokens_of(tree) == expected_tokens(tree) and any(tokens_of(tree).values())
    assert not lacks_vectors(tree, encoder.id, late=True)
    assert fill(tree, encoder).encoded == 0
    assert Late(open_snapshot(tree), encoder).coverage == 1.0


def test_a_clone_and_another_branch_share_tokens(tree, tmp_path):
    fill(tree, WordEncoder())
    subprocess.run(["cp", "-r", tree.root, tmp_path / "clone"], check=True)
    clone, encoder = open_tree(tmp_path / "clone", tmp_path / "home"), WordEncoder()
    refresh(clone)
    fill(clone, encoder)
    assert not encoder.texts and tokens_of(clone) == expected_tokens(clone)
    clone.close()


def test_a_changed_file_comes_into_a_file_of_its_own_until_the_others_are_not_much_larger(tree):
    for number in range(12):
        (tree.root / f"part{number}.py").write_text(f"def part{number}():\n    return {number}\n")
    refresh(tree)
    fill(tree, WordEncoder())
    assert len(late_names(tree.catalogue.manifest())) == 1
    for number in range(9):
        (tree.root / "part3.py").write_text(f"def part3():\n    return 'changed {number}'\n")
        refresh(tree)
        encoder = WordEncoder()
        fill(tree, encoder)
        assert {path for path, _, _ in encoder.texts} == {"part3.py"}
        assert tokens_of(tree) == expected_tokens(tree)
        named = late_names(tree.catalogue.manifest())
        assert 1 <= len(named) <= 4 and set(named) <= set(late_files(tree)) and len(late_files(tree)) <= len(named) + 2
    for number in range(9):
        (tree.root / f"new{number}.py").write_text(f"def new{number}():\n    return {number}\n")
        refresh(tree)
        fill(tree, WordEncoder())
    assert len(late_names(tree.catalogue.manifest())) <= 4 and tokens_of(tree) == expected_tokens(tree)


def test_vectors_that_were_made_without_tokens_get_them_and_lose_them_as_is_wished(tree):
    fill(tree, PlainEncoder())
    assert not late_files(tree) and not lacks_vectors(tree, "words") and lacks_vectors(tree, "words", late=True)
    fill(tree, WordEncoder())
    assert tokens_of(tree) == expected_tokens(tree)
    (tree.root / "new.py").write_text("x = 1\n")
    for _ in range(2):  # what the generation before names stays for its readers
        refresh(tree)
        fill(tree, PlainEncoder())
        (tree.root / "new.py").write_text("x = 2\n")
    assert not late_names(tree.catalogue.manifest()) and not late_files(tree)


def test_codes_of_another_form_are_made_again(tree, monkeypatch):
    fill(tree, WordEncoder())
    for module in (stored, vectors):
        monkeypatch.setattr(module, "FORM", "another")
    encoder = WordEncoder()
    assert lacks_vectors(tree, encoder.id, late=True) and not any(tokens_of(tree).values())
    fill(tree, encoder)
    assert encoder.texts and tokens_of(tree) == expected_tokens(tree)


def test_damaged_tokens_are_refused_where_they_are_read_and_found_and_mended_by_doctor(tree):
    fill(tree, WordEncoder())
    file = read_late(tree.folder, late_names(tree.catalogue.manifest())[0])
    file.verify_all()
    data = bytearray(file.path.read_bytes())
    data[len(stored.MAGIC) + 20] ^= 1
    file.path.write_bytes(data)
    with pytest.raises(IndexDamaged, match="doctor --repair"):
        tokens_of(tree)
    home = tree.store.path.parent
    assert [finding.what for finding in doctor(home)] == ["vectors"]
    assert [finding.repaired for finding in doctor(home, repair=True)] == [True]
    assert not doctor(home)
    encoder = WordEncoder()
    fill(tree, encoder)
    assert not encoder.texts and tokens_of(tree) == expected_tokens(tree)


def test_a_damaged_row_of_the_store_is_encoded_again(tree):
    fill(tree, WordEncoder())
    store = VectorStore(tree.store.path.parent)
    key = next(vector_key(row.key, row.path, "words") for row in tree.catalogue.manifest().rows.values() if row.path == "app/door.py")
    store._db.execute("UPDATE late SET codes = zeroblob(16) WHERE key = ?", (key,))
    assert not list(store.read_late([key], stored.FORM, LATE)) and not store.known_late([key], stored.FORM)
    store.close()


def test_gc_and_forget_take_the_tokens_of_contents_that_are_gone(tree):
    fill(tree, WordEncoder())
    home = tree.store.path.parent
    keys = [vector_key(row.key, row.path, "words") for row in tree.catalogue.manifest().rows.values()]
    gc(home)
    store = VectorStore(home)
    assert store.known_late(keys, stored.FORM) == set(keys)
    assert sizes(home).late > 0
    forget(tree.root, home)
    assert not store.known_late(keys, stored.FORM)
    store.close()


def test_a_search_before_and_after_encoding_scores_tokens_alike(tree):
    encoder = WordEncoder()
    text = "def open_door(key): turn"
    snapshot = open_snapshot(tree)
    meanings, chosen = Meanings(snapshot, encoder), np.arange(snapshot.chunks)
    near = meanings.nearness(text)
    now = meanings.encoded_now(near, chosen, np.ones(len(chosen)))
    meanings.completed(near, text, chosen, np.ones(len(chosen)))
    before = Late(snapshot, encoder).scores(text, chosen, meanings.tokens_made(now))
    fill(tree, WordEncoder())
    filled = open_snapshot(tree)
    after = Late(filled, encoder).scores(text, chosen)
    kinds = np.array([filled.kind_of(chunk) in vectors.LEFT_OUT for chunk in range(filled.chunks)])
    assert np.array_equal(before[~kinds], after[~kinds]) and after.max() > after.min()
    slow = [max(0.0, one) for one in slow_maxsim(encoder.query_tokens(text), *_laid(expected_tokens(tree)))]
    assert after[~kinds].tolist() == np.array(slow)[~kinds].tolist()
    assert (after[kinds] == after[~kinds].min()).all()


def _laid(tokens: dict[str, list[list[int]]]) -> tuple[np.ndarray, np.ndarray]:
    made = TokenCodes(np.cumsum([0, *map(len, tokens.values())]), np.array([code for codes in tokens.values() for code in codes], np.int8))
    return made.codes, made.ends


def test_what_is_not_encoded_gets_the_middle_value(tree):
    fill(tree, WordEncoder())
    (tree.root / "app" / "new.py").write_text("def new_door():\n    return 5\n")
    refresh(tree)
    snapshot, text = open_snapshot(tree), "def open_door(key):"
    scores = Late(snapshot, WordEncoder()).scores(text, np.arange(snapshot.chunks))
    fresh = [c for c in range(snapshot.chunks) if "new.py" in snapshot.place_of(c)]
    told = [c for c, codes in enumerate(snapshot.token_vectors("words", LATE).of(np.arange(snapshot.chunks))) if len(codes)]
    assert (scores[fresh] == np.median(scores[told])).all()


def test_the_setting_leaves_token_vectors_out(monkeypatch):
    from wayfind.model.bundle import Bundle
    from wayfind.model.encoder import late_dim

    made = Bundle(stored.Path(), "b", "id", {"late": {"dim": 64}}, {})
    assert late_dim(made) == 64
    monkeypatch.setenv("WAYFIND_LATE_INTERACTION", "off")
    assert late_dim(made) == 0
    assert late_dim(Bundle(stored.Path(), "b", "id", {}, {})) == 0


def test_status_says_what_token_vectors_take_of_each_chunk(tree):
    from wayfind.serve.standing import _size_of_tokens

    assert not _size_of_tokens(tree.folder, tree.catalogue.manifest())
    fill(tree, WordEncoder())
    size = _size_of_tokens(tree.folder, tree.catalogue.manifest())["token vectors"]
    assert size == sum((tree.folder / name).stat().st_size for name in late_files(tree))


def test_no_float_of_a_score_depends_on_the_number_of_threads():
    """The same products in a process of one thread and in one of four."""
    import os
    import sys

    code = (
        "import numpy as np; from wayfind.search.late import maxsim\n"
        "r = np.random.default_rng(0); c = r.integers(-90, 90, (9000, 64)).astype(np.int8)\n"
        "print(maxsim(c[:30], c, np.arange(0, 9001, 30)).tobytes().hex())"
    )
    said = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count}).stdout
        for count in ("1", "4")
    }
    assert len(said) == 1
