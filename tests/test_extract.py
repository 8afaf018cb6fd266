"""From bytes to a record: one way, for every text, without ever failing."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayfind.corpus import definitions, extract as module
from wayfind.corpus.extract import MOST_CHUNKS, extract
from wayfind.types import KINDS, PROVENANCES, FileRecord

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*(ROOT / "src").rglob("*.py"), *ROOT.glob("*.md"), *ROOT.glob("*.toml"), *(ROOT / "docs").rglob("*.md")])

SECRET = "-".join(["hunter2", "9!kdLq"])  # in parts: this repository holds no secret itself


def record(data: bytes | str, path: str) -> FileRecord:
    made = extract(data if isinstance(data, bytes) else data.encode(), path)
    assert isinstance(made, FileRecord)
    return made


def uncovered(made: FileRecord) -> list[int]:
    held = {number for chunk in made.chunks for number in range(chunk.start_line, chunk.end_line + 1)}
    return [number for number, line in enumerate(made.text.split("\n"), 1) if line.strip() and number not in held]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_chunks_of_this_repository_tile_their_files(path: Path) -> None:
    made = record(path.read_bytes(), path.name)
    held = Counter(number for chunk in made.chunks for number in range(chunk.start_line, chunk.end_line + 1))
    assert uncovered(made) == []
    if all(chunk.kind != "window" for chunk in made.chunks):
        assert max(held.values(), default=1) == 1


@pytest.mark.parametrize("name", ["a.py", "a.md", "a.json", "a.yml", "a.toml", "a.ini", "a.sh", "a.txt", "a.css", "a.sql", "Dockerfile", "a.ts", "a.c"])
@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=300) | st.text(max_size=200).map(str.encode) | st.lists(st.sampled_from(
    ["def f():", "    return 1", "# T", "===", "---", "{", "}", '"a": [', "]", "a: b", "- c", "[t]", "x = '''", "```", "", "\t", "class A:", "/*", "*/"]
), max_size=25).map(lambda lines: "\n".join(lines).encode()))
def test_any_bytes_make_a_record_that_leaves_no_line_out(name: str, data: bytes) -> None:
    made = extract(data, name)
    if isinstance(made, str):
        assert made
        return
    assert uncovered(made) == []
    assert "failed" not in made.problems
    for chunk in made.chunks:
        assert 1 <= chunk.start_line <= chunk.end_line <= made.text.count("\n") + 1
        assert chunk.kind in KINDS and chunk.target.provenance in PROVENANCES
        assert len(chunk.target.text) <= 200 and "\n" not in chunk.target.text


@pytest.mark.parametrize(
    ("one", "other"), [("a/setup.py", "b/x.py"), ("README.md", "docs/deep/z.markdown"), ("k.yml", "k.yaml"), (".env", "prod.env"), ("x.bash", ".bashrc")]
)
def test_the_record_depends_on_the_path_only_through_the_language(one: str, other: str) -> None:
    data = f"# Title\n\npassword = '{SECRET}'\napi_key: {SECRET[::-1]}\n".encode()
    assert extract(data, one) == extract(data, other)
    assert extract(data, one) == extract(data, one)


def test_secrets_are_masked_before_anything_is_stored() -> None:
    made = record(f'def connect():\n    """Opens it."""\n    password = "{SECRET}"\n    return password\n', "a.py")
    assert made.secrets == 1
    assert SECRET not in repr(made)


def test_a_file_that_is_not_text_is_refused_with_the_reason() -> None:
    assert extract(b"\x00\x01\x02" * 100, "a.bin") == "binary"


def test_a_chunker_that_raises_is_replaced_by_windows(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def broken(text: str, language: str) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(definitions, "cut", broken)
    made = record("def f():\n    return 1\n", "a.py")
    assert made.problems == ("failed",)
    assert [chunk.kind for chunk in made.chunks] == ["window"]
    assert uncovered(made) == []


def test_references_that_cannot_be_read_cost_only_themselves(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_) -> None:
        raise RuntimeError("no")

    whole = record("def f():\n    return g()\n", "a.py")
    assert whole.references
    monkeypatch.setattr(definitions, "references", broken)
    made = record("def f():\n    return g()\n", "a.py")
    assert (made.chunks, made.problems, made.references) == (whole.chunks, (), ())


def test_a_target_that_fails_costs_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    real = module.with_target

    def broken(chunk, text, language):
        if chunk.symbol == "f":
            raise RuntimeError("no")
        return real(chunk, text, language)

    monkeypatch.setattr(module, "with_target", broken)
    made = record("def f():\n    return 1\n\ndef get_g():\n    return 2\n", "a.py")
    assert made.problems == ("failed",)
    assert [(chunk.symbol, chunk.target.text) for chunk in made.chunks] == [("f", ""), ("get_g", "Returns the g.")]


def test_text_that_its_parser_refuses_is_read_in_windows() -> None:
    for data, name in (("{", "a.json"), ("a: [\n", "a.yaml"), ("nothing but prose\n", "a.ini")):
        made = record(data, name)
        assert (made.problems, [chunk.kind for chunk in made.chunks]) == (("syntax-errors",), ["window"])


def test_origin_defect_10_what_lies_beyond_the_cap_is_kept_and_told() -> None:
    """A hundred chunks a file, silently: here the rest lies in windows and the record says so."""
    made = record("".join(f"# Section {n}\n\nText {n}.\n\n" for n in range(MOST_CHUNKS + 500)), "a.md")
    assert "capped" in made.problems
    assert len(made.chunks) <= MOST_CHUNKS
    assert {made.chunks[0].kind, made.chunks[-1].kind} == {"section", "window"}
    assert uncovered(made) == []
    assert record("".join(f"# Section {n}\n\n" for n in range(400)), "a.md").problems == ()


@pytest.mark.parametrize("name", ["a.json", "a.md", "a.yaml", "a.toml", "a.txt", "a.css", "a.rst"])
def test_ten_megabytes_on_one_line(name: str) -> None:
    """Brackets, quotes and words without an end: a record in seconds, and the long line is told."""
    for unit, size in ((b"word ", 10_000_000), (b'{"a": [', 1_000_000), (b"x=1;", 1_000_000), (b'"', 1_000_000), (b"\\\"", 1_000_000)):
        begin = time.perf_counter()
        made = extract(unit * (size // len(unit)), name)
        assert isinstance(made, str) or "long-lines" in made.problems
        assert time.perf_counter() - begin < 20


@pytest.mark.parametrize("name", ["a.py", "a.go", "a.rb", "a.c"])
def test_code_on_one_long_line(name: str) -> None:
    for unit in (b"word ", b'{"a": [', b"x=1;"):
        made = extract(unit * (50_000 // len(unit)), name)
        assert isinstance(made, str) or "long-lines" in made.problems


@pytest.mark.parametrize("name", ["a.json", "a.yaml", "a.py", "a.js", "a.ipynb", "a.toml"])
def test_deep_nesting(name: str) -> None:
    for data in (b"[" * 10_000, b"[" * 50_000 + b"]" * 50_000, b'{"cells":[], "nbformat":' + b"[" * 10_000):
        made = extract(data, name)
        assert isinstance(made, str) or uncovered(made) == []


def test_empty_and_odd_texts() -> None:
    for data in (b"", b"\n\n", b"\xef\xbb\xbf", b"\r\n"):
        assert record(data, "a.py").chunks == ()
    assert record(b"caf\xe9 au lait\n", "a.txt").problems == ("encoding",)
    nul = extract(b"a" * 10_000 + b"\x00b\n", "a.txt")
    assert isinstance(nul, FileRecord) and "\x00" not in nul.text


def test_configuration_is_explained_with_its_own_description() -> None:
    made = record(json.dumps({"GET": {"summary": "Returns the value of a key.", "arity": 2}}, indent=2), "get.json")
    assert (made.chunks[0].target.text, made.chunks[0].target.provenance) == ("Returns the value of a key.", "docstring")
