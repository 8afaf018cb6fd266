"""Documents and configuration become chunks that tile them, named by their headings and keys."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from wayfind.corpus.documents import first_paragraph, object_name, plain, sections
from wayfind.corpus.entries import Malformed, entries, json_keys, yaml_keys
from wayfind.corpus.extract import extract
from wayfind.corpus.windows import WINDOW, at_most, token_count, windows
from wayfind.types import Chunk

MARKDOWN = """---
title: Guide
description: How to use it.
---

Before all headings there is prose.

# Install

Needs *Python*. See [the list](x.md).

```sh
# not a heading
pip install .
```

## From source ##

    # not a heading either

Clone
-----
1. Get it.

<!--
# nor this
-->
"""

RST = """.. _top:

=====
Query
=====

Queries are *lazy*.

.. class:: QuerySet(model=None)

    Represents a :class:`~x.Collection`.

    .. attribute:: ordered

        ``True`` if ordered.

More about queries.

``filter()``
------------

.. method:: filter(*args, **kwargs)

Returns a new set.

Second
------
Text.
"""


def names(chunks: list[Chunk]) -> list[tuple[str | None, int, int]]:
    return [(chunk.symbol, chunk.start_line, chunk.end_line) for chunk in chunks]


def assert_tiles(text: str, chunks: list[Chunk]) -> None:
    """Each non-blank line lies in exactly one chunk, and chunks begin and end on one."""
    lines = text.split("\n")
    held = Counter(number for chunk in chunks for number in range(chunk.start_line, chunk.end_line + 1))
    assert all(held[number] == 1 for number, line in enumerate(lines, 1) if line.strip())
    assert max(held.values(), default=1) == 1
    assert all(lines[chunk.start_line - 1].strip() and lines[chunk.end_line - 1].strip() for chunk in chunks)


def test_markdown_sections_are_named_by_the_path_of_headings() -> None:
    assert names(sections(MARKDOWN, "markdown")) == [
        ("Guide", 1, 4), ("Guide", 6, 6), ("Install", 8, 15), ("Install > From source", 17, 19), ("Install > Clone", 21, 27),
    ]


def test_docstring_of_a_section_is_its_first_prose_without_marks() -> None:
    guide, _, install, _, clone = sections(MARKDOWN, "markdown")
    assert guide.docstring == "How to use it."
    assert install.docstring == "Needs Python. See the list."
    assert install.signature == "# Install"
    assert clone.docstring == "Get it."


def test_restructuredtext_headings_and_objects_are_sections() -> None:
    assert names(sections(RST, "rst")) == [
        ("Query", 1, 7), ("QuerySet", 9, 11), ("QuerySet.ordered", 13, 15), ("Query", 17, 17), ("filter", 19, 24),
        ("Query > Second", 26, 28),
    ]


def test_an_object_is_documented_by_its_body_or_by_what_follows() -> None:
    by_symbol = {chunk.symbol: chunk for chunk in sections(RST, "rst")}
    assert by_symbol["QuerySet"].docstring == "Represents a x.Collection."
    assert by_symbol["filter"].docstring == "Returns a new set."
    assert by_symbol["filter"].signature == ".. method:: filter(*args, **kwargs)"


def test_plain_text_with_underlined_headings_is_restructuredtext() -> None:
    assert names(sections(RST, "text")) == names(sections(RST, "rst"))
    assert sections("Dear all,\n\nno heading here.\n", "text") == []


def test_underlines_that_are_no_headings() -> None:
    assert sections("a = [\n  1,\n]\n----\n", "rst") == []
    assert sections("text\n\n---\n\nmore\n", "markdown") == []
    assert names(sections("# A\n\n- item\n---\n", "markdown")) == [("A", 1, 4)]


def test_a_long_section_is_split_at_blank_lines_and_keeps_its_symbol() -> None:
    text = "# Long\n" + "\n".join("word" if number % 7 else "" for number in range(1, 400))
    parts = sections(text, "markdown")
    assert len(parts) > 3
    assert {part.symbol for part in parts} == {"Long"}
    assert all(part.end_line - part.start_line < 120 for part in parts)
    assert all(not text.split("\n")[part.start_line - 2].strip() for part in parts[1:])
    assert_tiles(text, parts)


@pytest.mark.parametrize("language", ["markdown", "rst", "text"])
@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(
    ["", "", "# One", "## Two", "Title", "=====", "-----", "~~~~~", "text", "    indented", "```", ".. class:: A.b(c)", "    .. method:: d()",
     ".. _label:", "- item", "---", "<!--", "-->", "\t", "====="]
), max_size=40))
def test_sections_tile_their_document(language: str, lines: list[str]) -> None:
    text = "\n".join(lines)
    chunks = sections(text, language)
    if chunks:
        assert_tiles(text, chunks)


def test_a_notebook_is_cut_into_its_cells() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Load\n", "\n", "Reads the *data*."]},
        {"cell_type": "code", "source": ["x = 1"], "outputs": []},
    ]
    text = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}, indent=1)
    chunks = sections(text, "json")
    assert [(chunk.kind, chunk.symbol, chunk.docstring) for chunk in chunks][-2:] == [("section", "Load", "Reads the data."), ("section", "Load", "")]
    assert_tiles(text, chunks)


def test_marks_are_taken_off_prose() -> None:
    assert plain("A ``b`` and :ref:`c <d>` and `e <http://x>`_ and ![i](j) **k**") == "A b and c and e and k"
    assert first_paragraph(["[![badge](x)](y)", "", "> Quoted", "text.", "", "More."]) == "Quoted text."
    assert first_paragraph(["Default: ``5``", "", "How many times it is tried."]) == "Default: 5. How many times it is tried."
    assert object_name(".. ") and object_name("int add(int a)") == "add"


# Configuration ---------------------------------------------------------------------------------------------------------

TOML = """# The build.
[build]
requires = [
  "a",
]

[tool.ruff]
text = '''
[not a table]
'''
line-length = 120
"""


def test_tables_of_toml_are_found_outside_strings_and_arrays() -> None:
    assert [(chunk.symbol, chunk.signature) for chunk in entries(TOML, "toml")] == [(None, "build, tool.ruff")]
    long = TOML.replace('  "a",\n', '  "a",\n' * 20)
    assert [(chunk.symbol, chunk.signature) for chunk in entries(long, "toml")] == [("build", "requires"), ("tool.ruff", "text, line-length")]


def test_a_large_entry_is_cut_one_level_down() -> None:
    data = {"name": "x", "dependencies": {name: {f"k{n}": n for n in range(40)} for name in ("numpy", "scipy")}}
    for text, language in ((json.dumps(data, indent=2), "json"), (yaml.safe_dump(data, sort_keys=False), "yaml")):
        chunks = entries(text, language)
        assert [chunk.symbol for chunk in chunks if "[" not in str(chunk.symbol)] == ["name", "dependencies.numpy", "dependencies.scipy"]
        assert_tiles(text, chunks)


def test_small_neighbours_share_a_chunk_that_lists_them() -> None:
    (chunk,) = entries("[a]\nx = 1\n[b]\ny = 2\n", "ini")
    assert (chunk.symbol, chunk.signature) == (None, "a, b")


def test_a_comment_above_documents_the_entry_below() -> None:
    assert entries(TOML, "toml")[0].docstring == "The build."


def test_all_documents_of_a_yaml_text_are_read_and_no_value_is_made() -> None:
    keys = yaml_keys("a: &x 1\n---\nb: !!python/object/apply:os.system [exit 1]\nc: *x\n")
    assert [(key.name, key.start, key.end) for key in keys] == [("a", 1, 1), ("b", 3, 3), ("c", 4, 4)]


def test_a_block_ends_before_the_comment_of_the_next_key() -> None:
    keys = yaml_keys("a:\n  - |\n    text\n\n# about b\nb: 1\n")
    assert [(key.name, key.start, key.end) for key in keys] == [("a", 1, 4), ("b", 6, 6)]


@pytest.mark.parametrize(("text", "language"), [("{", "json"), ("]", "json"), ('{"a": "', "json"), ("a: [", "yaml"), ("a: b: c", "yaml"), ("???", "ini")])
def test_text_that_is_not_of_its_language_is_refused(text: str, language: str) -> None:
    with pytest.raises(Malformed):
        entries(text, language)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "- " * 50_000, "\n".join(" " * n + "a:" for n in range(3_000))])
def test_deep_nesting_costs_no_stack(text: str) -> None:
    for reader in (json_keys, yaml_keys):
        with pytest.raises(Malformed):
            reader(text)


VALUES = st.recursive(
    st.none() | st.integers() | st.text(alphabet="ab {}[]\":,\\#\n", max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet="abc.-", min_size=1, max_size=4), inner, max_size=4),
    max_leaves=30,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text(alphabet="xyz", min_size=1, max_size=3), VALUES, min_size=1, max_size=5), st.sampled_from([None, 0, 2]))
def test_keys_are_those_of_the_real_parsers(data: dict[str, object], indent: int | None) -> None:
    for text, language, keys in (
        (json.dumps(data, indent=indent), "json", json_keys), (yaml.safe_dump(data, sort_keys=False), "yaml", yaml_keys),
    ):
        assert [key.name for key in keys(text)] == list(data)
        assert_tiles(text, entries(text, language))


# Windows ---------------------------------------------------------------------------------------------------------------


def test_tokens_are_words_numbers_and_signs() -> None:
    assert token_count("def f(x2): return x2 + 10") == 10
    assert token_count(" \t") == 0


def test_windows_hold_512_tokens_and_start_256_apart() -> None:
    text = "a b c d\n" * 1_000
    cut = windows(text)
    assert (cut[0].start_line, cut[0].end_line) == (1, WINDOW // 4)
    assert all(after.start_line - before.start_line == 64 for before, after in zip(cut, cut[1:], strict=False))
    assert cut[-1].end_line == 1_000


def test_origin_defect_8_a_window_is_its_lines() -> None:
    """The token window and the stored text drifted apart: here a window has no text but that of its lines."""
    text = "\n".join(f"x{n} = f(y{n}, {n})" if n % 5 else "" for n in range(2_000))
    lines = text.split("\n")
    for window in windows(text):
        assert sum(map(token_count, lines[window.start_line - 1 : window.end_line])) <= WINDOW


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 700), max_size=30))
def test_windows_leave_no_line_out(counts: list[int]) -> None:
    text = "\n".join("a " * count for count in counts)
    cut = windows(text)
    held = {number for window in cut for number in range(window.start_line, window.end_line + 1)}
    assert all(number in held for number, count in enumerate(counts, 1) if count)
    assert all(before.start_line < after.start_line for before, after in zip(cut, cut[1:], strict=False))


def test_fewer_windows_are_larger_ones() -> None:
    text = "a b c d\n" * 10_000
    cut = at_most(text, 20, first_line=11)
    assert len(cut) <= 20
    assert (cut[0].start_line, cut[-1].end_line) == (11, 10_010)


def test_a_giant_line_is_one_window() -> None:
    assert names(windows("x\n" + "a " * 5_000 + "\ny")) == [(None, 1, 1), (None, 2, 2), (None, 3, 3)]


def test_a_section_of_very_many_lines_keeps_its_heading_and_every_line_in_parts() -> None:
    lines = ["# All of it", "", *(f"line {n}" if n % 7 else "" for n in range(130_000))]
    record = extract("\n".join(lines).encode(), "long.md")
    covered = [number for chunk in record.chunks for number in range(chunk.start_line, chunk.end_line + 1)]
    assert len(covered) == len(set(covered)) and set(covered) >= {number for number, line in enumerate(lines, 1) if line}
    assert {chunk.symbol for chunk in record.chunks} == {"All of it"}


def test_half_a_character_in_a_notebook_is_a_question_mark() -> None:
    cells = [{"cell_type": "markdown", "source": ["# \ud83d Title\n", "Text \ud83d here."]}]
    text = json.dumps({"cells": cells, "nbformat": 4, "nbformat_minor": 5}, indent=1)
    assert [(chunk.symbol, chunk.docstring) for chunk in sections(text, "json") if chunk.symbol] == [("? Title", "Text ? here.")]


_MANY = 200_000


@pytest.mark.parametrize(
    ("name", "text", "problems"),
    [
        ("table.toml", "x = 1\n[" + " " * _MANY + "\n", ()),
        ("dots.toml", "x = 1\n[a" + " " * _MANY + "b]\n", ()),
        ("key.ini", "[x]\na" + " " * _MANY + "b\n", ()),
        ("brackets.md", "# T\n\n" + "[" * _MANY + "\n", ()),
        ("stars.md", "# T\n\n" + "**a " * (_MANY // 4) + "\n", ()),
        ("title.md", "# " + "[" * _MANY + "\n\ntext\n", ()),
        ("heading.md", "# a" + " " * _MANY + "b\n\ntext\n", ()),
        ("front.md", "---\ntitle: a" + " " * _MANY + "b\n---\n\n# T\n", ()),
        ("comment.json", '{"a": 1}\n' + "/*a\n" * (_MANY // 4), ("syntax-errors",)),
    ],
)
def test_an_odd_text_is_read_in_time_that_grows_with_its_length(name: str, text: str, problems: tuple[str, ...]) -> None:
    """With patterns that took the square of the length each of these ran for minutes to hours."""
    record = extract(text.encode(), name)
    assert tuple(problem for problem in record.problems if problem != "long-lines") == problems
    assert record.chunks


@pytest.mark.parametrize(
    ("line", "symbol"),
    [("# One", "One"), ("## Two ##", "Above > Two"), ("#", None), ("# a\\ #", "a\\"), ("# #", "#"), ("# a # #", "a #"), ("# C#", "C#"), ("#\tTab \t#  ", "Tab"), ("   ###   Far   ", "Above > Far")],
)
def test_what_closes_a_heading_is_not_its_title(line: str, symbol: str | None) -> None:
    assert [chunk.symbol for chunk in sections(f"# Above\n\n{line}\ntext", "markdown")][-1] == symbol


@pytest.mark.parametrize(("text", "closed"), [("/*/ {}", False), ("/**/ {}", True), ("/* a */ {}", True), ("{} /* a *", False)])
def test_a_comment_in_json_ends(text: str, closed: bool) -> None:
    if closed:
        assert json_keys(text) == []
    else:
        with pytest.raises(Malformed, match="the comment is not closed"):
            json_keys(text)


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85"])
def test_line_ends_of_old_yaml_within_a_value_move_no_entry(end: str) -> None:
    text = f"a: 'one{end}two'\n" + "b:\n" + "".join(f"  k{n}: 1\n" for n in range(70))
    assert [(key.name, key.start, key.end) for key in yaml_keys(text)] == [("a", 1, 1), ("b", 2, 72)]
