"""What people see: escaped text, colour, progress, the lines that matched."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import command, plant
from hypothesis import given
from hypothesis import strategies as st

from wayfind.search.why import Met, snippet, why
from wayfind.serve import output, progress
from wayfind.serve.screen import Paint, decoded, paint, shown
from wayfind.types import Answer, IndexState, Result, Target, Touch, Why

STATE = IndexState("/r", 3, 12, 1200, 0.955, 0, {"binary": 2, "ignored": 1}, "lexical")
RESULT = Result(
    "src/app.py", 10, 12, "App.run", "method", "python", 1.25, "def run(self):\n    serve(self.port)\n    return 0",
    Target("Serve until interrupted.", "docstring"), (Why(11, "serve(self.port)", ("port",)),), {"lexical": 0.5, "name": -0.25},
)  # fmt: skip


def answer(*results: Result, state: IndexState = STATE, confidence: float = 0.8, abstained: bool = False, reason: str = "") -> Answer:
    return Answer("port", state, confidence, abstained, reason, results)


def people(found: Answer, **view: object) -> str:
    return "\n".join(output.for_people(found, output.View(**view)))


def changed(**fields: object) -> Result:
    return Result(**{name: fields.get(name, getattr(RESULT, name)) for name in Result.__slots__})


# Escapes


@given(st.text(st.characters() | st.characters(categories=["Cc", "Cf", "Cs"])))
def test_nothing_shown_can_command_a_terminal(text: str) -> None:
    line = shown(text)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", line)
    line.encode()


@pytest.mark.parametrize(
    ("raw", "safe"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb", "a\\nb"),
        ("a\rb", "a\\rb"),
        ("caf\udce9", "caf\\xe9"),
        ("\u202egnp", "\\u202egnp"),
        ("\x9b2J", "\\x9b2J"),
        ("naïve — 日本", "naïve — 日本"),
        ("\tx", "    x"),
    ],
)
def test_how_control_characters_are_written(raw: str, safe: str) -> None:
    assert shown(raw) == safe


@given(st.text(st.characters(exclude_categories=[])))
def test_decoded_text_is_utf8_and_the_same_where_it_was(text: str) -> None:
    decoded(text).encode()
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert decoded(text) == text


def test_control_characters_of_the_repository_never_reach_the_screen() -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\u202e"
    result = changed(
        path=f"{evil}.py", symbol=evil, snippet=f"{evil}\n{evil} port", explanation=Target(evil, "docstring"), why=(Why(11, f"{evil} port", ("port", evil)),), also=(f"{evil}:1",)
    )
    printed = people(answer(result, reason=evil), signals=True)
    printed += "\n".join(output.explanation(answer(result), [Touch("p", "s", "c", 0, evil)], output.View()))
    assert "\x1b" not in printed and "\x07" not in printed and "\u202e" not in printed


# What is in the answer


def test_the_head_says_how_far_to_trust_the_answer() -> None:
    assert people(answer(RESULT)).splitlines()[0] == "confidence 0.80 · 12 files, 1,200 chunks, 96% explained · 3 skipped · fresh"


def test_stale_files_are_told() -> None:
    stale = IndexState("/r", 3, 12, 1200, 0.955, 4, {}, "lexical")
    assert "4 files changed since" in people(answer(RESULT, state=stale))


def test_a_result_is_place_symbol_kind_score_explanation_and_lines() -> None:
    assert people(answer(RESULT)).split("\n\n")[1].splitlines() == [
        "src/app.py:10  App.run  method  1.250",
        "  Serve until interrupted.",
        "    10 def run(self):",
        "    11     serve(self.port)",
        "    12     return 0",
    ]


def test_a_prefix_leads_to_the_file() -> None:
    assert "../there/src/app.py:10" in people(answer(RESULT), prefix="../there/")


@pytest.mark.parametrize(("provenance", "mark"), [("docstring", ""), ("manual", ""), ("header", ""), ("comment", ""), ("synthetic", " (synthetic)"), ("generated", " (generated)")])
def test_an_explanation_that_nobody_wrote_is_marked(provenance: str, mark: str) -> None:
    line = people(answer(changed(explanation=Target("Serves.", provenance)))).splitlines()[3]
    assert line == f"  Serves.{mark}"


def test_raw_code_is_not_shown_as_an_explanation() -> None:
    assert "Serves." not in people(answer(changed(explanation=Target("Serves.", "code"))))


def test_of_nothing_no_share_is_explained() -> None:
    """An empty index said `100% explained`."""
    empty = IndexState("/r", 1, 0, 0, 1.0, 0, {}, "lexical")
    assert people(answer(state=empty)) == "confidence 0.80 · 0 files, 0 chunks · fresh"


def test_nothing_found_shows_the_reason_alone() -> None:
    assert people(answer(confidence=0.0, abstained=True, reason="no file holds “x”")).splitlines()[1:] == ["no file holds “x”"]


def test_an_abstained_answer_calls_its_results_the_nearest() -> None:
    assert "the nearest:" in people(answer(RESULT, abstained=True, reason="probably not in this repository"))


def test_of_an_abstained_answer_the_first_three_are_shown_and_the_others_counted() -> None:
    ten = [changed(path=f"{number}.py") for number in range(10)]
    lines = people(answer(*ten, abstained=True, reason="probably not in this repository")).splitlines()
    assert lines[2] == "the nearest 3 of 10:"
    assert [line.split(":")[0] for line in lines if ".py:" in line] == ["0.py", "1.py", "2.py"]
    assert "9.py:10" in people(answer(*ten))


def test_a_long_result_shows_its_head_and_the_lines_that_matched() -> None:
    long = changed(start_line=1, end_line=90, snippet="\n".join(f"line {n}" for n in range(1, 31)) + "\n…", why=(Why(2, "line 2", ("line",)), Why(50, "line 50", ("line",))))
    assert people(answer(long)).split("\n\n")[1].splitlines()[2:] == [
        "     1 line 1", "     2 line 2", "     3 line 3", "      ⋮", "    50 line 50", "      ⋮",
    ]  # fmt: skip


def test_lines_that_matched_keep_their_indentation() -> None:
    """They were printed flush left below a head that was indented."""
    text = "def run(self):\n" + "    wait()\n" * 20 + "    if ready:\n        serve(self.port)\n" + "    wait()\n" * 20
    lines = why(text, 10, Met({"port": ("port", 2.0), "readi": ("ready", 1.0)}))
    long = changed(start_line=10, end_line=52, snippet=snippet(text, 10, lines), why=lines)
    assert people(answer(long)).splitlines()[-4:] == [
        "      ⋮", "    31     if ready:", "    32         serve(self.port)", "      ⋮",
    ]  # fmt: skip


def test_numbers_stop_where_lines_are_left_out() -> None:
    cut = changed(start_line=1, end_line=99, snippet="a\n…\nb")
    lines = "\n".join(output.explanation(answer(cut), [], output.View())).splitlines()
    assert "     1 a" in lines and "       b" in lines


def test_signals_are_shown_largest_first() -> None:
    assert "lexical +0.500  name -0.250" in people(answer(RESULT), signals=True)


def test_copies_are_named() -> None:
    assert "also in lib/app.py:10" in people(answer(changed(also=("lib/app.py:10",))))


# Colour and progress


def test_matched_words_are_highlighted_whatever_their_form() -> None:
    result = changed(snippet="opens the ports\n\x1bportable", start_line=11, why=(Why(11, "opens the ports", ("port",)),))
    line = people(answer(result), paint=Paint(True)).splitlines()[4]
    assert "\x1b[31m\x1b[1mports\x1b[0m" in line and "opens the" in line


def test_colour_only_adds_colour() -> None:
    plain, coloured = people(answer(RESULT), signals=True), people(answer(RESULT), signals=True, paint=Paint(True))
    assert coloured != plain and re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert not paint("auto").on and paint("always").on
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert paint("auto").on and not paint("never").on
    monkeypatch.setenv("NO_COLOR", "1")
    assert not paint("auto").on and paint("always").on


def test_progress_is_for_terminals_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, silent in ((io.StringIO(), True), (Terminal(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        with progress.meter() as meter:
            meter("extract", 1, 3)
            meter("a file\x1b[2J", 0, 0)
        assert (stream.getvalue() == "") == silent
        assert "\x1b[2J" not in stream.getvalue()
        assert silent or stream.getvalue().endswith("\r\x1b[K")


def test_a_pipe_gets_neither_colour_nor_progress(library: Path, home: Path) -> None:
    ran = command("late reader pays", library, home=home)
    assert ran.returncode == 0 and b"\x1b" not in ran.stdout and ran.stderr == b""


def test_a_terminal_gets_both(tmp_path: Path, home: Path) -> None:
    root = plant(tmp_path, {"a.py": 'def late(reader):\n    """What a late reader pays."""\n'})
    read = _on_terminal(["late reader pays", os.fspath(root)], home)
    assert b"looking at files" in read and b"\x1b[36m" in read


def _on_terminal(arguments: list[str], home: Path) -> bytes:
    """What the command writes to a terminal."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "WAYFIND_HOME": str(home), "TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    line = [sys.executable, "-m", "wayfind.serve.cli", *arguments]
    with subprocess.Popen(line, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as running:
        os.close(theirs)
        read = b""
        try:
            while block := os.read(ours, 65536):
                read += block
        except OSError:  # Linux: the other side closed
            pass
    os.close(ours)
    assert running.returncode == 0
    return read
