from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from indexes import source

from wayfind.corpus.extract import extract
from wayfind.errors import IndexDamaged, IndexError_, IndexVersion, StorageError
from wayfind.index.segment import FIELDS, MAGIC, Segment, SegmentFile, file_postings, file_words, write_segment
from wayfind.index.tokens import terms
from wayfind.types import Chunk, FileRecord, Target

TEXTS = st.text(st.sampled_from("abcAB_ 1.\néß変\U0001f600"), max_size=30)


@st.composite
def records(draw: st.DrawFn) -> FileRecord:
    lines = draw(st.lists(TEXTS.map(lambda text: text.replace("\n", " ")), min_size=1, max_size=8))
    starts = sorted(draw(st.lists(st.integers(1, len(lines)), max_size=5)))
    chunks = tuple(
        Chunk(start, draw(st.integers(start, len(lines))), draw(st.sampled_from(["function", "class", "block"])), draw(st.none() | TEXTS), draw(TEXTS), draw(TEXTS),
              target=Target(draw(TEXTS), draw(st.sampled_from(["docstring", "code"]))))
        for start in starts
    )  # fmt: skip
    return FileRecord("python", "\n".join(lines), chunks)


def segment_file(path: str, record: FileRecord, docs: dict | None = None, history: dict | None = None) -> SegmentFile:
    return SegmentFile(path, f"key of {path}", file_postings(record), docs or {}, history or {})


def python(path: str, seed: int) -> SegmentFile:
    record = extract(source(seed).encode(), path)
    assert isinstance(record, FileRecord)
    return segment_file(path, record)


def slow_counts(record: FileRecord, docs: dict[int, str], history: dict[int, str]) -> dict[tuple[int, str], Counter[str]]:
    """Terms of every field of every chunk, counted in the obvious way."""
    return {
        (number, field): Counter(terms(text))
        for number, chunk in enumerate(record.chunks)
        for field, text in {
            "symbol": chunk.symbol or "", "signature": chunk.signature, "docs": f"{chunk.docstring}\n{docs.get(number, '')}",
            "body": f"{record.lines(chunk.start_line, chunk.end_line)}\n{docs.get(number, '')}", "history": history.get(number, ""),
        }.items()
    }  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(records())
def test_file_postings_are_the_slow_counts(record: FileRecord) -> None:
    postings = file_postings(record)
    fast: dict[tuple[int, str], Counter[str]] = {}
    for chunk, term, field, times in zip(postings.chunk, postings.term, postings.field, postings.count):
        fast.setdefault((int(chunk), FIELDS[field]), Counter())[postings.terms[term]] = int(times)
    slow = slow_counts(record, {}, {})
    assert fast == {place: counts for place, counts in slow.items() if counts}
    for (number, field), counts in slow.items():
        assert postings.lengths[number, FIELDS.index(field)] == counts.total()


@settings(max_examples=30, deadline=None)
@given(st.lists(records(), max_size=3), st.data())
def test_a_segment_gives_back_what_was_written(tmp_path_factory: pytest.TempPathFactory, written: list[FileRecord], data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("segment") / "a.seg"
    added = [{n: data.draw(TEXTS) for n in range(len(record.chunks)) if data.draw(st.booleans())} for record in written]
    files = [segment_file(f"folder/file{i}.py", record, docs, docs) for i, (record, docs) in enumerate(zip(written, added))]
    size = write_segment(path, files)
    segment = Segment(path)
    assert size == path.stat().st_size
    assert segment.strings("path").all() == [file.path for file in files]
    assert segment.strings("key").all() == [file.key for file in files]
    assert segment.strings("symbol").all() == [chunk.symbol or "" for record in written for chunk in record.chunks]
    expected: dict[tuple[str, str], list[tuple[int, int]]] = {}
    first = 0
    for record, docs in zip(written, added):
        for (number, field), counts in slow_counts(record, docs, docs).items():
            assert segment.arrays["lengths"][first + number, FIELDS.index(field)] == counts.total()
            for term, times in counts.items():
                expected.setdefault((field, term), []).append((first + number, min(times, 255)))
        first += len(record.chunks)
    assert segment.chunks == first
    found = {}
    for number, term in enumerate(segment.vocabulary.all()):
        for field in FIELDS:
            items, times = segment.postings(field, number)
            if len(items):
                found[field, term] = list(zip(items.tolist(), times.tolist()))
    assert found == {place: sorted(rows) for place, rows in expected.items()}


def test_counts_stop_at_255(tmp_path: Path) -> None:
    text = "word " * 1000
    write_segment(tmp_path / "a.seg", [segment_file("a.py", FileRecord("text", text, (Chunk(1, 1, "window"),)), {0: text})])
    segment = Segment(tmp_path / "a.seg")
    number = segment.term_number("word")
    assert [segment.postings(field, number)[1].tolist() for field in ("body", "docs")] == [[255], [255]]
    assert segment.arrays["lengths"][0, FIELDS.index("body")] == 2000  # what is explained by hand counts as a comment in place


def test_terms_are_found_by_name(tmp_path: Path) -> None:
    write_segment(tmp_path / "a.seg", [python("a.py", 1), python("b.py", 2)])
    segment = Segment(tmp_path / "a.seg")
    vocabulary = segment.vocabulary.all()
    assert vocabulary == sorted(vocabulary)
    assert [segment.term_number(term) for term in vocabulary] == list(range(len(vocabulary)))
    assert segment.term_number("nowhere") is None
    assert segment.term_number("\U0010ffff") is None


def test_an_empty_segment_can_be_read(tmp_path: Path) -> None:
    write_segment(tmp_path / "a.seg", [])
    segment = Segment(tmp_path / "a.seg")
    assert (segment.files, segment.chunks, len(segment.vocabulary)) == (0, 0, 0)
    assert segment.term_number("word") is None


def test_paths_that_are_not_utf8_come_back(tmp_path: Path) -> None:
    odd = "b\udcff/na\nme.py"
    write_segment(tmp_path / "a.seg", [python(odd, 1)])
    assert Segment(tmp_path / "a.seg").strings("path").all() == [odd]
    assert file_words(odd)[0] == terms("na\nme")


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_segment(tmp_path / f"{name}.seg", [python("a.py", 1), python("b.py", 2)])
    assert (tmp_path / "a.seg").read_bytes() == (tmp_path / "b.seg").read_bytes()


def contents(segment: Segment) -> dict[str, list]:
    return {name: array.tolist() for name, array in segment.arrays.items()}


def test_any_flipped_byte_is_found_or_without_effect(tmp_path: Path) -> None:
    path = tmp_path / "a.seg"
    write_segment(path, [python("a.py", 1), python("b.py", 2)])
    whole, expected = path.read_bytes(), contents(Segment(path))
    dice = random.Random(0)
    places = {*range(64), *range(len(whole) - 64, len(whole)), *dice.sample(range(len(whole)), 400)}
    found = 0
    for place in sorted(places):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << dice.randrange(8)
        path.write_bytes(damaged)
        try:
            assert contents(Segment(path)) == expected  # padding between arrays
        except IndexError_:
            found += 1
    assert found > 0.8 * len(places)


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_segment_is_damaged(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "a.seg"
    size = write_segment(path, [python("a.py", 1)])
    with open(path, "r+b") as file:
        file.truncate(int(size * kept))
    with pytest.raises(IndexDamaged, match="doctor --repair"):
        Segment(path)


def test_zeroed_blocks_are_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.seg"
    write_segment(path, [python(f"{i}.py", i) for i in range(20)])
    whole = path.read_bytes()
    for start in range(0, len(whole) - 512, 4096):
        path.write_bytes(whole[:start] + bytes(512) + whole[start + 512 :])
        with pytest.raises(IndexDamaged):
            Segment(path)


def test_another_format_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.seg"
    write_segment(path, [])
    path.write_bytes(MAGIC.replace(b"1", b"2") + path.read_bytes()[len(MAGIC) :])
    with pytest.raises(IndexVersion, match="--rebuild"):
        Segment(path)


def test_a_segment_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.seg").mkdir()
    with pytest.raises(StorageError, match="WAYFIND_HOME"):
        write_segment(tmp_path / "a.seg", [])
    assert [path.name for path in tmp_path.iterdir()] == ["a.seg"]


def test_only_the_owner_may_read_a_segment(tmp_path: Path) -> None:
    write_segment(tmp_path / "a.seg", [])
    assert (tmp_path / "a.seg").stat().st_mode & 0o777 == 0o600


def test_arrays_are_read_only(tmp_path: Path) -> None:
    write_segment(tmp_path / "a.seg", [python("a.py", 1)])
    with pytest.raises(ValueError, match="read-only"):
        np.add(Segment(tmp_path / "a.seg").arrays["chunk_start"], 1, out=Segment(tmp_path / "a.seg").arrays["chunk_start"])


def test_the_documented_arrays_are_those_of_a_segment(tmp_path: Path) -> None:
    write_segment(tmp_path / "a.seg", [python("a.py", 1), python("b.py", 2)])
    segment = Segment(tmp_path / "a.seg")
    documented: dict[str, str] = {}
    text = (Path(__file__).parent.parent / "docs" / "index-format.md").read_text()
    for row in text.partition("| array |")[2].partition("\n\n")[0].splitlines()[2:]:
        names, dtypes, *_ = (cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:])
        named = [name.strip(" `") for name in names.split(",")]
        named = [named[0].partition(".")[0] + name if name.startswith(".") else name for name in named]
        kinds = [dtype.strip().replace("\\", "") for dtype in dtypes.split(",")]
        documented |= dict(zip(named, kinds if len(kinds) == len(named) else ["<u4", "<u4", "|u1"]))
    assert documented == {name: array.dtype.str for name, array in segment.arrays.items()}
    sizes = {"V + 1": len(segment.vocabulary) + 1, "C + 1": segment.chunks + 1, "F + 1": segment.files + 1}
    assert len(segment.arrays["vocabulary.ends"]) == sizes["V + 1"]
    assert len(segment.arrays["symbol.ends"]) == sizes["C + 1"]
    assert len(segment.arrays["path.ends"]) == sizes["F + 1"]
    data = (tmp_path / "a.seg").read_bytes()
    assert data[:18] == MAGIC
    assert data[-12 - int.from_bytes(data[-12:-4], "little") :][:1] == b"{"


def test_half_a_character_in_a_name_stops_no_segment(tmp_path: Path) -> None:
    write_segment(tmp_path / "a.seg", [segment_file("a.py", FileRecord("python", "x", (Chunk(1, 1, "section", "a \ud83d"),)))])
    assert Segment(tmp_path / "a.seg").strings("symbol").all() == ["a ?"]
