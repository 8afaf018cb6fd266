"""Models as they are run: exact codes, texts as words, pieces of words, bundles that are refused when they are not whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayfind.errors import ModelError
from wayfind.model import bundle
from wayfind.model.codes import MOST_DIMENSIONS, cosines, lengths_of, quantise
from wayfind.model.text import chunk_text, plain
from wayfind.model.wordpiece import WordPiece


def test_cosines_are_those_of_the_definition_and_of_empty_codes_zero():
    rng = np.random.default_rng(2)
    codes = rng.integers(-127, 128, (9000, 48), dtype=np.int8)
    codes[7] = 0
    query = rng.integers(-127, 128, 48, dtype=np.int8)
    whole, wanted = codes.astype(np.int64), query.astype(np.int64)
    dots, norms = whole @ wanted, np.sqrt((whole**2).sum(1) * (wanted**2).sum())
    slow = np.divide(dots, norms, out=np.zeros(len(dots)), where=norms > 0)
    assert np.allclose(cosines(codes, query, lengths_of(codes)), slow, rtol=0, atol=1e-15)


def test_the_product_of_the_longest_codes_is_exact_in_any_order():
    codes = np.full((2, MOST_DIMENSIONS), 127, np.int8)
    assert lengths_of(codes)[0] ** 2 == pytest.approx(MOST_DIMENSIONS * 127**2, rel=1e-15)
    assert MOST_DIMENSIONS * 127**2 <= 1 << 24


def test_quantising_keeps_directions():
    assert not quantise(np.zeros(4)).any()
    assert quantise(np.array([0.5, -2.0, 1.0])).tolist() == [32, -127, 64]
    assert quantise(np.array([[0.5, -2.0, 1.0], [0, 0, 0], [3, 0, 0]])).tolist() == [[32, -127, 64], [0, 0, 0], [127, 0, 0]]


def test_a_chunks_text_is_its_place_its_name_and_its_lines():
    assert chunk_text("a/b/c/d.py", "C.m", "def m(): ...") == "b/c/d.py\nC.m\ndef m(): ..."
    assert chunk_text("d.md", None, "# Title") == "d.md\n# Title"


def test_a_number_in_a_path_says_nothing_of_what_a_file_is_about():
    assert chunk_text("corpus/02017/05292.py", "f", "def f(): ...") == "corpus\nf\ndef f(): ..."
    assert chunk_text("0001.py", None, "x = 1") == "x = 1"
    assert chunk_text("db/0001_users.sql", None, "x") == "db/0001_users.sql\nx"
    assert chunk_text("pages/404.html", None, "x") == "pages/404.html\nx"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("How do I parse HTTPResponse's body?", "how do i parse http response ' s body ?"),
        ("def parseHTTPResponse(x, max_size=10):", "def parse http response ( x , max size = 10 ) :"),
        ("déjà vu", "deja vu"),
        ("读取文件 read", "读 取 文 件 read"),
        ("x" * 50 + " y", "y"),
        ("", ""),
    ],
)
def test_encoders_read_words_and_signs(text, expected):
    assert plain(text) == expected


@given(st.text(max_size=200))
def test_plain_words_stay_as_they_are(text):
    once = plain(text)
    assert plain(once) == once


PIECES = "[PAD] [UNK] [CLS] [SEP] pars ##e ##er file ##name ##s read 读".split()


def slow_pieces(word: str) -> list[str]:
    """The longest piece that fits, again and again."""
    found: list[str] = []
    while word:
        mark = "##" if found else ""
        fitting = [word[:n] for n in range(1, len(word) + 1) if mark + word[:n] in PIECES]
        if not fitting:
            return ["[UNK]"]
        found.append(mark + max(fitting, key=len))
        word = word[len(max(fitting, key=len)) :]
    return found


@given(st.lists(st.sampled_from(["parse", "parser", "filename", "filenames", "read", "reads", "unknown", "读", "s", "parsex"]), max_size=12), st.integers(1, 20))
def test_words_are_cut_into_the_longest_pieces(words, most):
    slow = [PIECES.index(piece) for word in words for piece in slow_pieces(word)]
    pieces = WordPiece("\n".join(PIECES) + "\n")
    assert pieces.ids(" ".join(words), most) == slow[:most]
    assert pieces.framed(" ".join(words), most + 2) == [2, *slow[:most], 3]


def test_a_changed_file_of_a_bundle_is_refused(tmp_path):
    made = bundle.write(tmp_path / "bundle", "test", {}, {"weights": b"1", "words": b"2"}, {})
    made.check()
    (tmp_path / "bundle" / "words").write_text("other")
    assert bundle.load(tmp_path / "bundle").checked("weights").read_bytes() == b"1"
    with pytest.raises(ModelError, match="not the file"):
        bundle.load(tmp_path / "bundle").check()
    with pytest.raises(ModelError, match="not the file"):
        made.checked("../escaped")


def test_a_folder_without_an_encoder_says_what_belongs_there(tmp_path):
    with pytest.raises(ModelError, match="expected bundle.json .* config.json .* model.onnx .* found nothing"):
        bundle.folder_bundle(tmp_path)
    (tmp_path / "README.md").write_text("")
    with pytest.raises(ModelError, match="found README.md"):
        bundle.folder_bundle(tmp_path)


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
    one = bundle.write(tmp_path / "a", "a", {"encoder": {}}, {"x": b"1"}, {"made": 1})
    same = bundle.write(tmp_path / "b", "b", {"encoder": {}}, {"x": b"1"}, {"made": 2})
    other = bundle.write(tmp_path / "c", "c", {"encoder": {}}, {"x": b"2"}, {})
    assert one.id == same.id != other.id


def test_vectors_are_kept_by_the_encoder_whatever_decoder_lies_beside_it(tmp_path):
    encoder = {"weights": "model.onnx", "dim": 4}
    files = {"model.onnx": b"weights"}
    alone = bundle.write(tmp_path / "a", "one", {"encoder": encoder}, files, {})
    beside = bundle.write(tmp_path / "b", "two", {"encoder": encoder, "decoder": {"step": "step.onnx"}}, {**files, "step.onnx": b"s"}, {})
    other = bundle.write(tmp_path / "c", "one", {"encoder": encoder}, {"model.onnx": b"other"}, {})
    assert alone.encoder_id == beside.encoder_id != other.encoder_id
    assert alone.id != beside.id
