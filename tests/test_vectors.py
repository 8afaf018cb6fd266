"""Vectors of an index: encoded once, shared by content, whole generations only, never in the way of lexical search."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import threading

import numpy as np
import pytest

from wayfind.errors import IndexDamaged
from wayfind.index import vectors
from wayfind.index.doctor import doctor
from wayfind.index.home import sizes
from wayfind.index.maintain import forget, gc
from wayfind.index.refresh import refresh
from wayfind.index.segment import read_arrays, write_arrays
from wayfind.index.snapshot import open_snapshot
from wayfind.index.tree import open_tree
from wayfind.index.vectors import Matrix, VectorStore, fill, matrix_name, rows_of, vector_key
from wayfind.model.codes import cosines, lengths_of, quantise
from wayfind.search.meanings import ENCODED_NOW, PART_COST, Meanings

DIM = 16


class HashingEncoder:
    """Stands for a model: a text's code is made of its hash. Counts what it is asked for."""

    id, dim, late_dim, parts = "hashing", DIM, 0, 1

    def __init__(self) -> None:
        self.texts: list[tuple[str, str | None, str]] = []

    def chunks(self, chunks):
        self.texts += chunks
        return np.stack([self._code(f"{path.split('/')[-3:]} {symbol} {text}") for path, symbol, text in chunks]) if chunks else np.zeros((0, DIM), np.int8)

    def chunks_with_tokens(self, chunks):
        return self.chunks(chunks), [np.zeros((0, 0), np.int8)] * len(chunks)

    def query(self, text):
        return self._code(text)

    def _code(self, text):
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
        return quantise(np.random.default_rng(seed).standard_normal(DIM))


class PartingEncoder(HashingEncoder):
    """Reads the first two lines of a chunk as such, and each further line as a part."""

    id, parts = "parting", 3

    def chunks(self, chunks):
        return super().chunks([(path, symbol, "\n".join(text.split("\n")[:2])) for path, symbol, text in chunks])

    def further_parts(self, chunks):
        return [np.array([self._code(line) for line in text.split("\n")[2:][: self.parts - 1]], np.int8).reshape(-1, DIM) for _, _, text in chunks]


LONG = "def long():\n    first()\n    second()\n    third()\n    fourth()\n"


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


def codes_of(tree, encoder) -> dict[str, list[int] | None]:
    """Place of each chunk -> its code, None where it has none."""
    snapshot = open_snapshot(tree)
    found = snapshot.vectors(encoder.id, encoder.dim)
    return {snapshot.place_of(c): found.codes[row].tolist() if row >= 0 else None for c, row in enumerate(found.row.tolist())}


def expected(tree, encoder) -> dict[str, list[int]]:
    """The slow way: every chunk encoded alone."""
    snapshot = open_snapshot(tree)
    found = {}
    for number in range(snapshot.chunks):
        chunk, text = snapshot.chunk(number)
        path = snapshot.paths[snapshot.file[number]]
        code = np.zeros(DIM, np.int8) if chunk.kind in vectors.LEFT_OUT else encoder.chunks([(path, chunk.symbol, text)])[0]
        found[snapshot.place_of(number)] = code.tolist()
    return found


def test_every_chunk_gets_the_code_that_it_has_alone(tree):
    encoder = HashingEncoder()
    before = tree.catalogue.generation()
    assert codes_of(tree, encoder) and not any(codes_of(tree, encoder).values())
    filled = fill(tree, encoder)
    assert filled.left == 0 and filled.encoded == len(encoder.texts) > 3
    assert codes_of(tree, encoder) == expected(tree, HashingEncoder())
    assert tree.catalogue.generation() == before + 1


def test_what_is_whole_is_left_alone(tree):
    fill(tree, HashingEncoder())
    generation, encoder = tree.catalogue.generation(), HashingEncoder()
    assert fill(tree, encoder).encoded == 0 and not encoder.texts
    assert tree.catalogue.generation() == generation


def test_a_changed_file_alone_is_encoded_again_and_the_rest_stays_searchable_meanwhile(tree):
    fill(tree, HashingEncoder())
    (tree.root / "app" / "window.py").write_text("class Window:\n    def shut(self):\n        return 2\n")
    refresh(tree)
    codes = codes_of(tree, HashingEncoder())
    assert codes["app/door.py:1"] is not None and codes["app/window.py:1"] is None
    encoder = HashingEncoder()
    fill(tree, encoder)
    assert {path for path, _, _ in encoder.texts} == {"app/window.py"}
    assert codes_of(tree, encoder) == expected(tree, HashingEncoder())


def explain_by_hand(tree, *entries) -> None:
    (tree.root / ".wayfind").mkdir(exist_ok=True)
    (tree.root / ".wayfind" / "explanations.json").write_text(json.dumps([{"file": "app/window.py"} | entry for entry in entries]))
    refresh(tree)


def test_what_is_explained_by_hand_is_encoded_with_its_keywords_and_again_when_that_changes(tree):
    fill(tree, HashingEncoder())
    for said, keywords in (("Lets in air.", ["vent", "draught"]), ("Lets in light.", [])):
        explain_by_hand(tree, {"component": "Window.open", "explanation": said, "keywords": keywords})
        codes, encoder = codes_of(tree, HashingEncoder()), HashingEncoder()
        assert codes["app/window.py:2"] is None and codes["app/door.py:1"] is not None
        fill(tree, encoder)
        head = "\n".join(filter(None, (said, ", ".join(keywords))))
        assert [text for path, _, text in encoder.texts if path == "app/window.py"] == ["class Window:", f"{head}\n    def open(self):\n        return 1"]
        assert not vectors.lacks_vectors(tree, encoder.id)
    explain_by_hand(tree)
    fill(tree, encoder := HashingEncoder())
    assert codes_of(tree, encoder) == expected(tree, HashingEncoder()) and not encoder.texts  # what it was before is still kept


def test_candidates_that_are_explained_by_hand_are_encoded_as_those_that_are_stored(tree):
    explain_by_hand(tree, {"component": "Window.open", "explanation": "Lets in air."})
    snapshot, encoder = open_snapshot(tree), HashingEncoder()
    named = np.array([number for number, symbol in enumerate(snapshot.symbols) if symbol and snapshot.place_of(number).startswith("app/")])
    near = Meanings(snapshot, encoder)
    made = near.completed(near.nearness("air"), "air", named, np.ones(len(named)))
    fill(tree, encoder)
    assert made[named].tolist() == Meanings(open_snapshot(tree), encoder).nearness("air")[named].tolist()


def slow_nearness(tree, encoder, text) -> dict[str, float]:
    """Every chunk by its beginning, or by a further part that is nearer by `PART_COST`."""
    snapshot, wanted, found = open_snapshot(tree), encoder.query(text), {}

    def cosine(code):
        return float(cosines(code[None], wanted, lengths_of(code[None]))[0])

    for number in range(snapshot.chunks):
        chunk, lines = snapshot.chunk(number)
        if chunk.kind not in vectors.LEFT_OUT:
            place = (snapshot.paths[snapshot.file[number]], chunk.symbol, lines)
            further = encoder.further_parts([place])[0]
            found[snapshot.place_of(number)] = max([0.0, cosine(encoder.chunks([place])[0]), *(cosine(part) - PART_COST for part in further)])
    return found


@pytest.mark.parametrize("text", ["    third()", "    fourth()", "something else"])
def test_of_a_long_chunk_the_nearest_part_counts_stored_or_made_when_asked(tree, text):
    (tree.root / "app" / "long.py").write_text(LONG)
    refresh(tree)
    encoder = PartingEncoder()
    expected = slow_nearness(tree, encoder, text)
    snapshot = open_snapshot(tree)
    asked = Meanings(snapshot, encoder)
    every = np.arange(snapshot.chunks)
    made = asked.completed(asked.nearness(text), text, every, np.ones(len(every)))
    fill(tree, encoder)
    stored = Meanings(snapshot := open_snapshot(tree), encoder).nearness(text)
    for number in every.tolist():
        if (place := snapshot.place_of(number)) in expected:
            assert stored[number] == pytest.approx(expected[place]) == made[number]
    assert expected["app/long.py:1"] > (0.9 if "third" in text else -1)


def test_damaged_parts_are_made_again_with_the_codes_of_their_file(tree):
    (tree.root / "app" / "long.py").write_text(LONG)
    refresh(tree)
    fill(tree, PartingEncoder())
    store = VectorStore(tree.store.path.parent)
    store._db.execute("UPDATE part SET codes = zeroblob(length(codes))")
    keys = [key for (key,) in store._db.execute("SELECT key FROM part")]
    assert keys and not store.read_parts(keys, DIM) and not store.known(keys)
    store.close()


def test_another_home_is_lent_the_codes_of_one_tree_alone(tree, tmp_path):
    (tree.root / "app" / "long.py").write_text(LONG)
    refresh(tree)
    fill(tree, PartingEncoder())
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "other.py").write_text("def other():\n    return 'something else'\n")
    other = open_tree(tmp_path / "elsewhere", tree.store.path.parent)
    refresh(other)
    fill(other, PartingEncoder())
    vectors.lend(tree, tmp_path / "näher %41")
    store, lent = VectorStore(tree.store.path.parent), VectorStore(tmp_path / "näher %41")
    of_tree = {vector_key(row.key, row.path, "parting") for row in tree.catalogue.manifest().rows.values()}
    rows = [dict(one._db.execute("SELECT key, codes FROM vector")) for one in (store, lent)]
    assert rows[1] == {key: codes for key, codes in rows[0].items() if key in of_tree} and len(rows[1]) < len(rows[0])
    assert len(lent.read_parts(of_tree, DIM)) == 1
    store.close()
    lent.close()


def test_codes_are_lent_by_a_home_from_before_there_were_parts_and_tokens(tree, tmp_path):
    fill(tree, HashingEncoder())
    store = VectorStore(tree.store.path.parent)
    store._db.execute("DROP TABLE late")
    store._db.execute("DROP TABLE part")
    store.close()
    vectors.lend(tree, tmp_path / "lent")
    lent = VectorStore(tmp_path / "lent")
    assert lent._db.execute("SELECT count(*) FROM vector").fetchone()[0]
    lent.close()


def test_a_file_of_vectors_from_before_there_were_parts_is_read(tree):
    encoder = HashingEncoder()
    fill(tree, encoder)
    file = tree.folder / matrix_name(tree.catalogue.manifest(), encoder.id)
    arrays = {name: array for name, array in read_arrays(file, vectors.MAGIC).items() if "part" not in name}
    file.unlink()
    write_arrays(file, vectors.MAGIC, arrays)
    assert codes_of(tree, encoder) == expected(tree, HashingEncoder())
    assert not np.isnan(Meanings(open_snapshot(tree), encoder).nearness("door")).any()


def test_a_clone_shares_what_was_encoded(tree, tmp_path):
    fill(tree, HashingEncoder())
    subprocess.run(["cp", "-r", tree.root, tmp_path / "clone"], check=True)
    clone, encoder = open_tree(tmp_path / "clone", tmp_path / "home"), HashingEncoder()
    refresh(clone)
    filled = fill(clone, encoder)
    assert not encoder.texts and filled.shared == 3
    assert codes_of(clone, encoder) == expected(clone, HashingEncoder())
    clone.close()


def test_what_was_encoded_before_the_time_was_up_is_kept(tree, monkeypatch):
    monkeypatch.setattr(vectors, "_AT_ONCE", 1)
    encoder = HashingEncoder()
    assert fill(tree, encoder, seconds=-1).left == 3
    assert not any(codes_of(tree, encoder).values())

    class Failing(HashingEncoder):
        def chunks(self, chunks):
            if self.texts:
                raise KeyboardInterrupt
            return super().chunks(chunks)

    with pytest.raises(KeyboardInterrupt):
        fill(tree, Failing())
    again = HashingEncoder()
    fill(tree, again)
    assert 0 < len(again.texts) < len(expected(tree, HashingEncoder()))
    assert codes_of(tree, again) == expected(tree, HashingEncoder())


def test_a_reader_of_the_generation_before_still_reads_its_codes(tree):
    encoder = HashingEncoder()
    fill(tree, encoder)
    old = open_snapshot(tree)
    (tree.root / "app" / "window.py").write_text("def other():\n    return 3\n")
    refresh(tree)
    fill(tree, encoder)
    assert (old.vectors(encoder.id, DIM).row >= 0).all()


def test_damaged_codes_are_encoded_again_and_a_damaged_file_is_refused(tree):
    encoder = HashingEncoder()
    fill(tree, encoder)
    store = VectorStore(tree.store.path.parent)
    key = next(vector_key(row.key, row.path, "hashing") for row in tree.catalogue.manifest().rows.values() if row.path == "app/door.py")
    store._db.execute("UPDATE vector SET codes = zeroblob(16) WHERE key = ?", (key,))
    assert key not in store.read([key], DIM) and key not in store.known([key])
    store.close()
    file = tree.folder / matrix_name(tree.catalogue.manifest(), encoder.id)
    data = bytearray(file.read_bytes())
    data[40] ^= 1
    file.write_bytes(data)
    with pytest.raises(IndexDamaged, match="doctor --repair"):
        open_snapshot(tree).vectors(encoder.id, DIM)


def test_two_that_fill_at_once_end_with_one_whole_index(tree, tmp_path):
    other = open_tree(tree.root, tmp_path / "home")
    failed: list[BaseException] = []

    def run(which):
        try:
            fill(which, HashingEncoder())
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(which,)) for which in (tree, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert codes_of(tree, HashingEncoder()) == expected(tree, HashingEncoder())
    other.close()


def test_who_commits_right_after_another_keeps_the_file_that_it_named(tree, monkeypatch):
    encoder, real, other = HashingEncoder(), vectors.held, open_tree(tree.root, tree.store.path.parent)
    fill(tree, encoder)
    with contextlib.closing(VectorStore(tree.store.path.parent)) as store, contextlib.closing(other):

        @contextlib.contextmanager
        def held(*given, **how):
            with real(*given, **how):
                yield
            monkeypatch.setattr(vectors, "held", real)
            vectors.commit(other, store, encoder)

        monkeypatch.setattr(vectors, "held", held)
        vectors.commit(tree, store, encoder)
    assert (tree.folder / matrix_name(tree.catalogue.manifest(), encoder.id)).exists()
    assert codes_of(tree, encoder) == expected(tree, encoder)


def test_rows_are_found_as_by_looking_one_by_one():
    rng = np.random.default_rng(0)
    keys = sorted(hashlib.sha256(bytes([n])).hexdigest()[:40] for n in range(20))
    sizes = rng.integers(0, 4, 20)
    codes = rng.integers(-9, 9, (sizes.sum(), DIM), dtype=np.int8)
    starts = np.cumsum([0, *sizes])
    matrix = Matrix(np.array([k.encode() for k in keys], "S40"), starts, codes, lengths_of(codes))
    asked = [*rng.permutation(keys), "f" * 40, keys[0]]
    chunks = np.array([sizes[keys.index(k)] if k in keys else 2 for k in asked[:-1]] + [sizes[0] + 1])
    slow: list[int] = []
    for key, count in zip(asked, chunks.tolist()):
        whole = key in keys and sizes[keys.index(key)] == count
        slow += [int(starts[keys.index(key)]) + i if whole else -1 for i in range(count)]
    assert rows_of(matrix.keys, matrix.starts, asked, chunks).tolist() == slow
    nothing = Matrix(np.array([], "S40"), np.zeros(1, np.int64), np.zeros((0, DIM), np.int8), np.zeros(0))
    assert rows_of(nothing.keys, nothing.starts, ["a" * 40], np.array([2])).tolist() == [-1, -1]


def test_nearness_is_the_same_whether_vectors_were_stored_or_are_made_for_candidates(tree):
    encoder = HashingEncoder()
    snapshot = open_snapshot(tree)
    fresh = Meanings(snapshot, encoder)
    assert fresh.coverage == 0 and np.isnan(fresh.nearness("open")).all()
    chosen = np.arange(snapshot.chunks)
    made = fresh.completed(fresh.nearness("open"), "open", chosen, np.ones(len(chosen)))
    fill(tree, encoder)
    stored = Meanings(open_snapshot(tree), encoder)
    whole = stored.nearness("open")
    kinds = np.array([open_snapshot(tree).kind_of(c) in vectors.LEFT_OUT for c in chosen])
    assert stored.coverage == 1 and not np.isnan(whole).any()
    assert np.array_equal(made[~kinds], whole[~kinds])
    assert ENCODED_NOW >= len(chosen)


def test_gc_and_forget_take_the_vectors_of_contents_that_are_gone(tree):
    fill(tree, HashingEncoder())
    home = tree.store.path.parent
    keys = [vector_key(row.key, row.path, "hashing") for row in tree.catalogue.manifest().rows.values()]
    gc(home)
    store = VectorStore(home)
    assert store.known(keys) == set(keys)
    forget(tree.root, home)
    assert not store.known(keys)
    store.close()
    assert sizes(home).vectors > 0  # the empty database


def test_doctor_mends_a_damaged_file_of_vectors(tree):
    encoder = HashingEncoder()
    fill(tree, encoder)
    file = tree.folder / matrix_name(tree.catalogue.manifest(), encoder.id)
    data = bytearray(file.read_bytes())
    data[40] ^= 1
    file.write_bytes(data)
    home = tree.store.path.parent
    assert [finding.what for finding in doctor(home)] == ["vectors"]
    assert [finding.repaired for finding in doctor(home, repair=True)] == [True]
    assert not doctor(home)
    again = HashingEncoder()
    fill(tree, again)
    assert not again.texts and codes_of(tree, again) == expected(tree, HashingEncoder())
