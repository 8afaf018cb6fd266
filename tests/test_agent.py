"""What language models get: tokens are counted on the high side, answers keep to them, and paths stay inside the roots."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayfind.errors import NotFound, UsageError
from wayfind.serve.agent import FEWEST_TOKENS, Findings, as_object, as_text, results_for, summary
from wayfind.serve.budget import estimate
from wayfind.serve.roots import Outside, Roots, client_roots, current_roots, given_roots
from wayfind.serve.tools import SEARCH, TOOLS
from wayfind.types import Result, Target, Why

HERE = Path(__file__).parent
COUNTS = json.loads((HERE / "golden" / "token_counts.json").read_text())
"""Sample -> its tokens, the largest count of cl100k, o200k, Claude 2 and DeepSeek V3, taken once with their vocabularies."""


def result(number: int = 0, code: str = "def open_door(key):\n    return key.turn()", text: str = "Open the door.") -> Result:
    return Result(f"src/doors/part{number}.py", 10, 11, "open_door", "function", "python", 1.0, code, Target(text, "docstring"), (), {})


def written(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize("name", COUNTS)
def test_an_estimate_is_at_least_what_real_vocabularies_need_and_at_most_half_more(name):
    text = (HERE / "samples" / "definitions" / name).read_text("utf-8")
    assert COUNTS[name] <= estimate(text) <= 1.5 * COUNTS[name]


@given(st.text(max_size=300), st.text(max_size=300))
def test_parts_joined_by_a_line_end_cost_no_more_than_the_parts(one, two):
    assert estimate(f"{one}\n{two}") <= estimate(one) + estimate(two) + 1


@given(
    st.lists(st.tuples(st.text(max_size=400), st.text(max_size=400)), max_size=12),
    st.integers(FEWEST_TOKENS, 3000),
)
def test_no_answer_passes_its_tokens_whatever_the_code_and_the_explanations_hold(texts, tokens):
    found = Findings("12 results.", tuple(result(n, code, said) for n, (code, said) in enumerate(texts)), {"note": "", "partial": False})
    assert estimate(as_text(found, tokens)) <= tokens
    assert estimate(written(as_object(found, tokens))) <= tokens


def test_places_come_first_and_then_the_code_of_the_best():
    found = Findings("2 results.", (result(1), result(2)), {})
    assert as_text(found, 2000).split("\n") == [
        "2 results.",
        "src/doors/part1.py:10-11 open_door: Open the door.",
        "src/doors/part2.py:10-11 open_door: Open the door.",
        "",
        "src/doors/part1.py:10",
        "def open_door(key):",
        "    return key.turn()",
        "",
        "src/doors/part2.py:10",
        "def open_door(key):",
        "    return key.turn()",
    ]
    assert as_object(found, 2000)["results"][0] == {
        "place": "src/doors/part1.py:10-11",
        "symbol": "open_door",
        "kind": "function",
        "summary": "Open the door.",
        "code": "def open_door(key):\n    return key.turn()",
    }


def test_more_tokens_show_more_and_never_less():
    found = Findings("60 results.", tuple(result(n, "value = compute(1)\n" * 40) for n in range(60)), {})
    sizes = [as_text(found, tokens) for tokens in range(200, 8000, 400)]
    assert [len(text) for text in sizes] == sorted(len(text) for text in sizes)
    assert results_for(500) == 6 and results_for(2000) == 15 and results_for(100_000) == 50


CODE = "\n".join(f"line_{number} = {number}" for number in range(10, 40))


def test_of_long_code_the_beginning_and_the_lines_that_matched_are_shown():
    met = (Why(20, "line_20 = 20", ("20",)), Why(21, "line_21 = 21", ("21",)), Why(12, "line_12 = 12", ("12",)))
    found = Findings("1 result.", (replace(result(code=CODE), end_line=39, why=met),), {})
    assert as_text(found, 2000).split("\n\n")[1].split("\n")[1:] == [*CODE.split("\n")[:8], "…", "line_20 = 20", "line_21 = 21", "…"]


def test_whole_code_is_cut_at_the_end_of_a_line():
    long = "\n".join([CODE] * 20)
    shown = as_text(Findings("1 result.", (result(code=long),), {}, whole=True), 600).split("\n\n", 1)[1].split("\n")[1:]
    assert shown == long.split("\n")[: len(shown)] and 20 < len(shown) < 200


def test_tabs_stay_and_what_commands_a_terminal_does_not():
    found = Findings("1 result.", (result(0, "func f() {\n\treturn \x1b[31m\u202e\n}"),), {})
    text = as_text(found, 500)
    assert "\n\treturn \\x1b[31m\\u202e\n" in text and "\x1b" not in text and "\u202e" not in text
    as_text(found, 500).encode("utf-8")


def test_a_summary_is_the_first_sentence_and_code_has_none():
    assert summary(result(text="Return the `v1.2` of it. Then more.\n\nDetails")) == "Return the `v1.2` of it."
    assert summary(result(text="word " * 60)).endswith("…") and len(summary(result(text="word " * 60))) <= 101
    assert summary(Result("a", 1, 1, None, "block", "c", 0.0, "", Target("x = 1", "code"), (), {})) == ""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "repo" / "src").mkdir(parents=True)
    (tmp_path / "repo" / "src" / "a.py").write_text("a = 1\n")
    (tmp_path / "secret.py").write_text("secret = 1\n")
    (tmp_path / "repo" / "out").symlink_to(tmp_path)
    (tmp_path / "repo" / "link.py").symlink_to("src/a.py")
    return tmp_path


def test_paths_inside_are_found_however_they_are_written(tree):
    roots = given_roots([os.fspath(tree / "repo")])
    real = Path(os.path.realpath(tree / "repo"))
    for path in ("src/a.py", "./src/../src/a.py", os.fspath(tree / "repo/src/a.py"), "link.py", os.fspath(tree / "repo/out/repo/src/a.py")):
        assert roots.find(path) == (real, "src/a.py")
    assert roots.find(".") == (real, ".")
    assert roots.find("not/there.py") == (real, "not/there.py")


@pytest.mark.parametrize("path", ["../secret.py", "out/secret.py", "src/../../secret.py", "/etc/passwd", "out", "/", "out/nothing.py", "../" * 40 + "etc"])
def test_paths_outside_are_refused_in_the_same_words_whether_they_are_there_or_not(tree, path):
    roots = given_roots([os.fspath(tree / "repo")])
    with pytest.raises(Outside, match="lies outside of the folders") as refused:
        roots.find(path)
    assert "passwd" not in str(refused.value).replace(path, "")


def test_a_folder_whose_name_begins_like_a_root_lies_outside(tree):
    (tree / "repository").mkdir()
    with pytest.raises(Outside):
        given_roots([os.fspath(tree / "repo")]).find(os.fspath(tree / "repository" / "x.py"))


def test_roots_are_the_outermost_real_folders_without_repeats(tree):
    repo = os.path.realpath(tree / "repo")
    assert given_roots([repo, os.fspath(tree / "repo" / "src"), os.fspath(tree / "repo" / "out" / "repo")]).folders == (Path(repo),)
    with pytest.raises(NotFound, match="no such folder: .*nowhere"):
        given_roots([os.fspath(tree / "nowhere")])


def test_a_client_names_roots_by_file_addresses(tree):
    (tree / "with space ä").mkdir()
    named = client_roots([(tree / "with space ä").as_uri(), "https://example.org/repo", (tree / "nowhere").as_uri(), "file://elsewhere/x", "file:///"])
    assert named.folders == (Path(os.path.realpath(tree / "with space ä")),)


def test_a_home_folder_and_the_root_of_the_file_system_are_taken_from_the_command_line_alone(tree, monkeypatch):
    monkeypatch.setenv("HOME", os.fspath(tree))
    for folder in (tree, Path("/")):
        monkeypatch.chdir(folder)
        with pytest.raises(UsageError, match="too wide"):
            current_roots()
        assert not client_roots([folder.as_uri()]).folders
        assert given_roots([os.fspath(folder)]).folders
    monkeypatch.chdir(tree / "repo")
    assert current_roots() == Roots((Path(os.path.realpath(tree / "repo")),))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "search needs query: What to find"),
        ({"query": 5}, "query must be a string, not a number"),
        ({"query": ["a"]}, "query must be a string, not a list"),
        ({"query": "a", "limit": 3}, "search has no argument 'limit'; it takes query, path, lang"),
        ({"query": "a", "max_results": 0}, "max_results must be from 1 to 100, not 0"),
        ({"query": "a", "max_results": "many"}, "max_results must be an integer, not a string"),
        ({"query": "a", "max_results": True}, "max_results must be an integer, not a boolean"),
        ({"query": "a", "max_tokens": 10}, "max_tokens must be from 200 to 20,000, not 10"),
    ],
)
def test_bad_arguments_are_refused_with_what_was_expected(arguments, said):
    with pytest.raises(UsageError, match=said):
        SEARCH.checked(arguments)


def test_numbers_in_strings_and_nulls_are_taken():
    assert SEARCH.checked({"query": "a", "max_results": "7", "max_tokens": 500.0, "lang": None}) == {"query": "a", "max_results": 7, "max_tokens": 500}


def test_the_list_of_tools_is_small_plain_and_says_when_not_to_call():
    for tool in TOOLS.values():
        assert all(part["type"] in ("string", "integer") for part in tool.input_schema()["properties"].values())
        assert "Call it" in tool.about
    assert "ripgrep" in SEARCH.about and "Do not call it" in SEARCH.about
    assert estimate(written([[t.name, t.about, t.input_schema()] for t in TOOLS.values()])) < 1500
