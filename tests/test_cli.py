"""The command line as its users meet it: commands, options, exit codes, streams."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import LIBRARY, command, plant

from wayfind.serve import cli
from wayfind.serve.cli import COMMANDS, OTHER_NAMES


def asked(capsysbinary: pytest.CaptureFixture, *arguments: str | Path) -> tuple[int, str, str]:
    """Run the command in this process: exit code, standard output, standard error."""
    code = cli.main([os.fspath(argument) for argument in arguments])
    printed = capsysbinary.readouterr()
    return code, printed.out.decode(), printed.err.decode()


@pytest.fixture
def ask(capsysbinary):
    return lambda *arguments: asked(capsysbinary, *arguments)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A copy of the library that a test may change."""
    return plant(tmp_path / "own", LIBRARY)


def paths(printed: str) -> list[str]:
    return [result["path"] for result in json.loads(printed)["results"]]


# Start-up


HEAVY = {"numpy", "torch", "onnxruntime", "tree_sitter", "pathspec", "yaml", "detect_secrets", "Stemmer", "sqlite3", "asyncio", "wayfind.api"}


@pytest.mark.parametrize("program", ["import wayfind", "from wayfind.serve.cli import main; main(['--help'])", "from wayfind.serve.cli import main; main(['search', '--help'])"])
def test_import_and_help_load_nothing_heavy(program: str) -> None:
    ran = subprocess.run([sys.executable, "-c", f"{program}; import sys; print(*sys.modules, file=sys.stderr)"], capture_output=True, text=True, check=True)
    assert HEAVY.isdisjoint(ran.stderr.split())


def test_import_wayfind_does_not_even_load_click() -> None:
    ran = subprocess.run([sys.executable, "-c", "import wayfind, sys; print(*sys.modules)"], capture_output=True, text=True, check=True)
    assert "click" not in ran.stdout.split()


def test_the_installed_script_runs_the_same_main() -> None:
    script = Path(sys.executable).with_name("wayfind")
    if not script.exists():
        pytest.skip("the script is not installed beside this Python")
    assert subprocess.run([script, "version"], capture_output=True, check=True).stdout.startswith(b"wayfind ")


# Commands and queries


@pytest.mark.parametrize("name", [*COMMANDS, *OTHER_NAMES])
def test_every_command_has_help(ask, name: str) -> None:
    code, out, _ = ask(name, "--help")
    assert code == 0 and "Usage:" in out


def test_the_table_names_what_each_command_says_of_itself(ask) -> None:
    _, out, _ = ask("--help")
    assert all(re.search(rf"^  {name} ", out, re.M) for name in COMMANDS)


def test_no_argument_prints_help(ask) -> None:
    code, out, _ = ask()
    assert code == 0 and "Usage:" in out


def test_a_text_that_is_no_command_is_searched_for(ask, library: Path) -> None:
    code, out, _ = ask("what does a late reader pay", library)
    assert code == 0 and "loans.py:" in out.split("\n\n")[1]


def test_options_may_come_before_the_text(ask, library: Path) -> None:
    code, out, _ = ask("-k", "1", "--json", "late reader pays", library)
    assert code == 0 and paths(out) == ["loans.py"]


def test_a_command_name_is_searched_for_behind_two_dashes(ask, library: Path) -> None:
    code, out, _ = ask("--", "index", library)
    assert code == 1 and "index" in out and "generation" not in out


def test_query_is_search(ask, library: Path) -> None:
    assert ask("query", "lend a book", library, "--json") == ask("search", "lend a book", library, "--json")


def test_the_first_search_indexes(ask, own: Path) -> None:
    code, out, _ = ask("late reader pays", own)
    assert code == 0 and "loans.py" in out


def test_a_search_sees_what_changed_since(ask, own: Path) -> None:
    assert ask("renew a membership card", own)[0] == 1
    plant(own, {"members.py": 'def renew(card):\n    """Renew a membership card."""\n'})
    code, out, _ = ask("renew a membership card", own, "--json")
    assert code == 0 and paths(out)[0] == "members.py"


def test_no_refresh_reads_the_index_as_it_is_and_says_so(ask, own: Path) -> None:
    ask("index", own)
    plant(own, {"members.py": "def renew(card):\n    return card\n"})
    code, out, _ = ask("late reader pays", own, "--no-refresh", "--json")
    assert code == 0 and json.loads(out)["index"]["stale_files"] == 1
    assert "1 file changed since" in ask("late reader pays", own, "--no-refresh")[1]


def test_the_current_folder_is_the_default(ask, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(library)
    assert ask("late reader pays", "-l")[1].splitlines()[0] == "loans.py"


def test_paths_are_printed_so_that_they_lead_there(ask, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(library.parent)
    first = ask("late reader pays", library.name, "-l")[1].splitlines()[0]
    assert Path(first).is_file()


def test_nothing_found_is_exit_code_1_with_a_reason(ask, library: Path) -> None:
    code, out, _ = ask("zyzzyva", library)
    assert code == 1 and "no file holds “zyzzyva”" in out


def test_it_works_without_a_network(ask, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    assert ask("late reader pays", own, "--jobs", "1")[0] == 0


def test_nothing_is_written_into_the_repository(ask, own: Path) -> None:
    before = sorted(own.rglob("*"))
    ask("late reader pays", own)
    assert sorted(own.rglob("*")) == before


# Options of search


def test_k_is_the_number_of_results(ask, library: Path) -> None:
    assert len(paths(ask("book", library, "-k", "2", "--json")[1])) == 2
    assert ask("book", library, "--top-k", "2", "--json") == ask("book", library, "-k", "2", "--json")


def test_l_prints_each_path_once_and_nothing_else(ask, library: Path) -> None:
    code, out, err = ask("book", library, "-l")
    assert code == 0 and err == ""
    names = [os.path.relpath(line, library) for line in out.splitlines()]
    assert len(names) == len(set(names)) and set(names) <= set(LIBRARY)


def test_l_prints_no_path_when_it_abstains(ask, library: Path) -> None:
    code, out, err = ask("zyzzyva", library, "-l")
    assert (code, out) == (1, "") and "zyzzyva" in err


@pytest.mark.parametrize(
    ("option", "value", "only"),
    [
        ("--lang", "js", {"catalogue/search.js"}),
        ("--path", "catalogue", {"catalogue/search.js"}),
        ("--path", "*.md", {"docs/guide.md"}),
        ("--kind", "test", {"tests/test_loans.py"}),
        ("--regex", r"LookupError\(", {"loans.py"}),
    ],
)
def test_a_filter_holds_for_every_result(ask, library: Path, option: str, value: str, only: set[str]) -> None:
    code, out, _ = ask("book fine desk", library, option, value, "--json")
    assert code in (0, 1) and set(paths(out)) == only


def test_filters_repeat(ask, library: Path) -> None:
    _, out, _ = ask("book desk", library, "--lang", "javascript", "--lang", "toml", "--json")
    assert set(paths(out)) == {"catalogue/search.js", "settings.toml"}


def test_a_regular_expression_needs_no_text(ask, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(library)
    code, out, _ = ask("--regex", r"timedelta\(\w+\)", "--json")
    assert code == 0 and set(paths(out)) == {"loans.py"}


def test_max_tokens_bounds_the_answer(ask, library: Path) -> None:
    whole, short = (json.loads(ask("book", library, "--json", *more)[1])["results"] for more in ([], ["--max-tokens", "60"]))
    assert len(short) < len(whole)
    assert sum(len(r["snippet"]) + len(r["explanation"]["text"]) for r in short) <= 60 * 4


def test_explain_none_gives_no_text(ask, library: Path) -> None:
    results = json.loads(ask("book", library, "--explain", "none", "--json")[1])["results"]
    assert {r["explanation"]["text"] for r in results} == {""}


def test_explain_generated_is_refused_where_the_model_has_no_decoder(ask, library: Path) -> None:
    code, _, err = ask("book", library, "--explain", "generated")
    assert code == 2 and "decoder" in err


def test_signals_add_up_for_people(ask, library: Path) -> None:
    _, out, _ = ask("lend a book", library, "--signals", "-k", "1")
    assert re.search(r"lexical [+-]\d\.\d{3}", out)


# Standard input


def test_a_snippet_comes_from_standard_input(library: Path, home: Path) -> None:
    snippet = b"self.out[book] = (reader, datetime.date.today())\n"
    ran = command("-", library, "--json", home=home, given=snippet)
    assert ran.returncode == 0 and paths(ran.stdout.decode())[0] == "loans.py"


def test_a_missing_text_is_read_from_a_pipe(library: Path, home: Path) -> None:
    ran = command("search", "--json", home=home, given=b"what does a late reader pay\n", cwd=library)
    assert ran.returncode == 0 and json.loads(ran.stdout)["query"] == "what does a late reader pay"


def test_a_trace_finds_the_function_that_raised(library: Path, home: Path) -> None:
    trace = b'Traceback (most recent call last):\n  File "loans.py", line 18, in lend\n    raise LookupError(book)\nLookupError: Emma\n'
    ran = command("-", library, "--json", home=home, given=trace)
    assert json.loads(ran.stdout)["results"][0]["symbol"] == "Desk.lend"


def test_a_missing_text_and_no_pipe_is_a_usage_error(library: Path, home: Path) -> None:
    ran = command("search", home=home, cwd=library)
    assert ran.returncode == 2 and b"nothing to search for" in ran.stderr


# explain, related


@pytest.mark.parametrize("place", ["loans.py:14", "loans.py:14:5", "loans.py:14-18", "./loans.py:14"])
def test_explain_says_what_a_line_belongs_to(ask, library: Path, place: str) -> None:
    code, out, _ = ask("explain", place, library)
    assert code == 0 and "Desk.lend" in out and "Lend a book to a reader for two weeks." in out and "docstring" in out


def test_a_range_that_ends_before_it_begins_is_refused(ask, library: Path) -> None:
    code, out, err = ask("explain", "loans.py:18-14", library)
    assert code == 2 and not out and "for example loans.py:14-18" in err


def test_related_shows_no_empty_line_for_what_has_no_signals(ask, library: Path) -> None:
    printed = ask("related", "loans.py:14", library, "--siblings", "--signals")[1]
    assert "sibling of" in printed and not [line for line in printed.splitlines() if line and not line.strip()]


def test_an_empty_index_claims_no_share_of_nothing(ask, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = ask("index", tmp_path / "empty")[1] + ask("status", tmp_path / "empty")[1] + ask("anything", tmp_path / "empty")[1]
    assert "0 files in 0 chunks (generation 1)" in said and "%" not in said and "the folder has no files" in said


def test_a_search_in_the_home_or_at_the_top_wants_the_folder_named(ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "late.py").write_text("def late():\n    return 2\n")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.chdir(tmp_path)
    code, out, err = ask("late")
    assert code == 2 and not out and f"all of {tmp_path}: wayfind TEXT ." in err
    assert ask("late", ".")[0] == 0 and ask("late")[0] == 0  # it is indexed now
    monkeypatch.chdir("/")
    assert ask("late")[0] == 2


def test_explain_finds_the_repository_of_an_absolute_path(ask, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = ask("explain", f"{library}/docs/guide.md:6")
    assert code == 0 and "Opening hours" in out


def test_a_folder_whose_status_was_asked_for_is_not_taken_for_indexed(ask, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It once hid the index of the repository around it."""
    ask("index", own)
    assert ask("status", own / "catalogue")[0] == 1
    monkeypatch.chdir(own.parent)
    _, printed, _ = ask("explain", f"{own.name}/catalogue/search.js:4", "--json")
    assert json.loads(printed)["results"][0]["path"] == "catalogue/search.js"


def test_explain_of_a_file_outside_of_any_repository_wants_the_folder_named(ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "user"
    (own / "notes").mkdir(parents=True)
    (own / "other.py").write_text("def other():\n    return 1\n")
    (own / "notes" / "late.py").write_text("def late():\n    return 2\n")
    monkeypatch.setattr(Path, "home", lambda: own)
    for here in (own, tmp_path):
        monkeypatch.chdir(here)
        for what in ("explain", "related"):
            code, printed, said = ask(what, f"{own}/notes/late.py:1", "--json")
            assert code == 2 and not printed and "name the folder to be indexed" in said and f"{own}/notes" in said
    printed = ask("explain", f"{own}/notes/late.py:1", f"{own}/notes", "--json")[1]
    assert json.loads(printed)["index"]["files"] == 1
    assert ask("explain", f"{own}/notes/late.py:1")[0] == 0  # it is indexed now


def test_explain_takes_a_place_as_search_printed_it(ask, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(library.parent)
    place = ask("late reader pays", library.name)[1].split("\n\n")[1].split()[0]
    assert place.startswith(library.name)
    assert ask("explain", place)[0] == 0
    assert ask("explain", place, library.name)[0] == 0


@pytest.mark.parametrize("more", [(), ("..",)])
def test_a_file_of_the_current_folder_comes_before_the_roots_of_that_name(tmp_path: Path, ask, monkeypatch, more):
    """And `../FILE`, as results are printed there, is never one outside of the root."""
    plant(tmp_path, {"same.py": "", "lib/same.py": "def outer():\n    return 1\n", "lib/sub/same.py": "def inner():\n    return 2\n", "lib/.git/HEAD": ""})
    monkeypatch.chdir(tmp_path / "lib" / "sub")
    for written, symbol in (("same.py:1", "inner"), ("../same.py:1", "outer"), ("sub/same.py:1", "inner")):
        code, out, err = ask("explain", written, *more, "--json")
        assert code == 0 and json.loads(out)["results"][0]["symbol"] == symbol, err


def test_explain_as_json_is_an_answer_with_one_result(ask, library: Path) -> None:
    answer = json.loads(ask("explain", "loans.py:14", library, "--json")[1])
    assert [r["symbol"] for r in answer["results"]] == ["Desk.lend"] and answer["confidence"] == 1


@pytest.mark.parametrize("place", ["nosuch.py:1", "loans.py:9999", "loans.py:0"])
def test_explain_of_what_is_not_there_fails(ask, library: Path, place: str) -> None:
    code, out, err = ask("explain", place, library)
    assert code == 2 and out == "" and err.startswith("wayfind: ")


def test_related_leaves_the_place_itself_out(ask, library: Path) -> None:
    code, out, _ = ask("related", "loans.py:14", library, "--json")
    assert code == 0 and "Desk.lend" not in [r["symbol"] for r in json.loads(out)["results"]]


def test_what_a_result_is_related_to_is_named_from_the_current_folder_as_the_result_is(ask, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, way in ((own, ""), (own / "catalogue", f"{own}/"), (own.parent, f"{own.name}/")):
        monkeypatch.chdir(folder)
        said = ask("related", f"{own}/tests/test_loans.py:5", own, "--callees")[1]
        assert f"\n{way}loans.py:" in said and f"({way}tests/test_loans.py:4" in said


# index, --output, --index


def test_index_reports_what_it_did_and_does_nothing_twice(ask, own: Path) -> None:
    first, second = (ask("index", own)[1] for _ in range(2))
    assert "5 changed" in first and "0 changed" in second


def test_output_makes_a_self_contained_index(ask, own: Path, tmp_path: Path) -> None:
    place = tmp_path / "books.index"
    assert ask("index", own, "--output", place)[0] == 0
    assert ask("search", "late reader pays", "--index", place, "-l")[1].splitlines()[0] == str(own / "loans.py")
    assert ask("query", "late reader pays", "--index", place, "--top-k", "1", "--json")[0] == 0


def test_a_stored_index_is_searched_after_its_folder_has_gone(ask, own: Path, tmp_path: Path) -> None:
    ask("index", own, "--output", tmp_path / "books.index")
    shutil.rmtree(own)
    code, out, err = ask("search", "late reader pays", "--index", tmp_path / "books.index", "--json")
    assert code == 0 and paths(out)[0] == "loans.py" and "not there any more" in err
    assert json.loads(out)["index"]["stale_files"] == 5
    assert ask("explain", "loans.py:14", "--index", tmp_path / "books.index")[0] == 0
    assert ask("status", "--index", tmp_path / "books.index")[0] == 0


def test_an_index_inside_the_repository_is_not_part_of_what_it_indexes(ask, own: Path) -> None:
    for _ in range(2):
        ask("index", own, "--output", own / "code.index")
    _, out, _ = ask("search", "late reader pays", own, "--index", own / "code.index", "--json")
    assert json.loads(out)["index"]["files"] == 5 and json.loads(out)["index"]["generation"] == 1


def test_an_index_of_two_repositories_asks_which(ask, own: Path, library: Path, tmp_path: Path) -> None:
    for root in (own, library):
        ask("index", root, "--output", tmp_path / "both")
    code, _, err = ask("search", "book", "--index", tmp_path / "both")
    assert code == 2 and str(own) in err and str(library) in err
    assert ask("search", "book", own, "--index", tmp_path / "both")[0] == 0


def test_rebuild_makes_the_index_anew(ask, own: Path) -> None:
    ask("index", own)
    assert "5 changed" in ask("index", own, "--rebuild")[1]
    assert ask("late reader pays", own)[0] == 0


def test_manual_explanations_come_first_and_stay(ask, own: Path, tmp_path: Path) -> None:
    entry = {"id": "1", "file": "./loans.py", "line_range": "25-27", "component": "fine", "explanation": "The price of being late."}
    lost = {"id": "2", "file": "gone.py", "line_range": "1-2", "component": "gone", "explanation": "Nowhere."}
    (tmp_path / "manual.json").write_text(json.dumps([entry, lost]))
    _, out, _ = ask("index", own, "--manual", tmp_path / "manual.json")
    assert "1 manual explanation matching nothing" in out and "no file gone.py is indexed" in out
    plant(own, {"new.py": "def new():\n    pass\n"})
    assert "The price of being late." in ask("explain", "loans.py:26", own)[1]
    ask("index", own, "--rebuild")
    for word in ("newer", "newest"):
        plant(own, {"new.py": f"def {word}():\n    pass\n"})
        assert "The price of being late." in ask("explain", "loans.py:26", own)[1]
    (tmp_path / "manual.json").unlink()
    assert "manual.json: no such file any more" in ask("index", own)[1]
    assert "manual.json: no such file any more" in ask("status", own)[1]


# status, languages, version, eval, gc, forget, doctor


def test_status_of_what_is_not_indexed_changes_nothing(ask, own: Path) -> None:
    code, out, _ = ask("status", own)
    assert code == 1 and "not indexed yet" in out


def test_status_shows_what_is_there_and_what_is_not(ask, own: Path) -> None:
    plant(own, {"blob.bin": b"\0\1\2", ".gitignore": "secret/\n", "secret/x.py": "x = 1\n"})
    ask("index", own)
    plant(own, {"loans.py": "def other():\n    pass\n"})
    code, out, _ = ask("status", own)
    assert code == 0 and "1 file changed since" in out and "blob.bin" in out and "secret/" in out and "javascript: 1 file" in out


def test_status_coverage_counts_by_provenance_and_shows_samples(ask, library: Path) -> None:
    _, out, _ = ask("status", library, "--coverage")
    assert re.search(r"^docstring: \d+ chunks?, \d+\.\d%\n  \S+:\d+(?: \S+)?: ", out, re.M)


def test_status_as_json_counts_the_same(ask, library: Path) -> None:
    found = json.loads(ask("status", library, "--json")[1])
    assert sum(found["provenance"].values()) == found["index"]["chunks"] == sum(found["kinds"].values())
    assert sum(one["files"] for one in found["languages"].values()) == found["index"]["files"]
    assert found["bytes"]["this index"] > 0


def test_languages_lists_each_once(ask) -> None:
    names = [name for some in json.loads(ask("languages", "--json")[1]).values() for name in some]
    assert len(names) == len(set(names)) and {"python", "rust", "markdown"} <= set(names)


def test_eval_measures_without_a_query_file(ask, library: Path) -> None:
    code, out, _ = ask("eval", library, "--kinds", "docstring", "--systems", "wayfind,bm25", "--limit", "5", "--json")
    assert code in (0, 1) and json.loads(out)["systems"] == ["wayfind", "bm25"]


def test_eval_asks_a_spec_file(ask, library: Path, tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"queries": [{"query": "what does a late reader pay", "relevant": ["loans.py:fine"]}]}))
    code, out, _ = ask("eval", library, "--spec", spec, "--systems", "wayfind", "--json")
    figures = {f["metric"]: f for f in json.loads(out)["figures"] if f["slice"] == "all"}
    assert code == 0 and figures["MRR@10"]["mean"] == 1


def test_forget_deletes_one_index_only(ask, own: Path, library: Path) -> None:
    ask("index", own)
    assert ask("forget", own)[0] == 0
    assert ask("status", own)[0] == 1 and ask("status", library)[0] == 0
    assert (own / "loans.py").exists()


def test_gc_keeps_what_is_in_use(ask, own: Path, library: Path) -> None:
    ask("index", own)
    shutil.rmtree(own)
    assert ask("gc")[0] == 0
    assert ask("late reader pays", library, "--no-refresh")[0] == 0


def test_doctor_finds_nothing_in_a_sound_index(ask, library: Path) -> None:
    code, out, _ = ask("doctor", library)
    assert code == 0 and "no damage" in out


def test_shell_completion_knows_the_commands(home: Path) -> None:
    ran = command(home=home, env={"_WAYFIND_COMPLETE": "bash_complete", "COMP_WORDS": "wayfind sta", "COMP_CWORD": "1"})
    assert b"status" in ran.stdout


def test_with_an_expression_a_folder_in_the_place_of_the_text_is_searched(ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path / "there", {"a.py": "def walrus():\n    return 1\n"})
    code, out, err = ask("search", "--regex", "def walrus", tmp_path / "there")
    assert code == 0 and "a.py:1" in out and not err
    monkeypatch.chdir(tmp_path)
    code, out, err = ask("search", "--regex", "def walrus", "there")
    assert code == 0 and "a.py:1" in out and "there is taken for the folder" in err


def test_names_between_commas_are_several(ask, own: Path) -> None:
    both = ask("search", "book", own, "--lang", "python,markdown", "-l")
    assert both == ask("search", "book", own, "--lang", "python", "--lang", "markdown", "-l") and both[0] == 0
    assert ask("search", "book", own, "--kind", "function,klass")[0] == 2


def test_doctor_of_a_folder_without_an_index_says_so(ask, tmp_path: Path) -> None:
    code, _, err = ask("doctor", tmp_path / "nowhere")
    assert code == 2 and "is not indexed" in err
