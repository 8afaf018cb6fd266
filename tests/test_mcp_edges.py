"""What `wayfind mcp` makes of input and answers at their edges: broken lines, several roots, long notes within few tokens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import command, plant

from wayfind.errors import NotFound, UsageError
from wayfind.serve.budget import estimate
from wayfind.serve.calls import Calls, Told, _below, _explained, _findings, _told
from wayfind.serve.entry import Part
from wayfind.serve.merging import Placed
from wayfind.serve.roots import Roots, given_roots
from wayfind.serve.tools import SEARCH
from wayfind.serve.workspace import Found
from wayfind.types import Answer, IndexState, Result, Target

pytest.importorskip("mcp", reason="the extra [serve] is not installed")

LONG = 60
"""Seconds after which a test that hangs is given up."""
HANDSHAKE = (
    {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}},
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
)
LAST = {"jsonrpc": "2.0", "id": "last", "method": "ping"}


def said_to(lines: Sequence[str], root: Path) -> list[dict]:
    """What the server answers to these lines between the handshake and a last request, without the answers to those."""
    sent = [*map(json.dumps, HANDSHAKE), *lines, json.dumps(LAST)]
    line = [sys.executable, "-W", "error", "-m", "wayfind", "mcp", str(root)]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        (end := threading.Timer(LONG, server.kill)).start()  # one that never answers
        server.stdin.write("".join(one + "\n" for one in sent))
        server.stdin.flush()
        answers = []
        while len(answers) < len(lines) + 2:
            answers.append(json.loads(server.stdout.readline()))
        server.stdin.close()
        assert server.wait(LONG) == 0
        end.cancel()
    return [one for one in answers if one["id"] not in (1, "last")]


@pytest.mark.parametrize(
    ("line", "code", "known"),
    [
        ("garbage", -32700, None),
        ("[" * 100_000, -32700, None),
        ('{"jsonrpc": "2.0", "id": 7', -32700, None),
        ("[]", -32600, None),
        ("3", -32600, None),
        ('{"id": 7, "method": "ping"}', -32600, 7),
        ('{"jsonrpc": "2.0", "id": "seven", "method": 1}', -32600, "seven"),
        ('{"jsonrpc": "2.0", "id": "\\ud83d", "method": 1}', -32600, "\ufffd"),
        ('{"jsonrpc": "2.0", "id": true, "method": "ping"}', -32600, None),
        ('{"jsonrpc": "2.0", "id": 7, "result": 3}', -32600, None),
    ],
)
def test_a_line_that_is_no_message_is_refused_with_the_id_of_its_request(library: Path, line: str, code: int, known: object):
    (answer,) = said_to([line], library)
    assert (answer["id"], answer["error"]["code"]) == (known, code)


def test_half_a_character_in_a_request_is_replaced(library: Path):
    query = '{"jsonrpc":"2.0","id":900,"method":"tools/call","params":{"name":"search","arguments":{"query":"late \\ud83d reader, \\ud83d\\ude00 \\\\ud83d"}}}'
    (answer,) = said_to([query], library)
    assert answer["id"] == 900 and "loans.py" in answer["result"]["content"][0]["text"]


def test_a_pair_of_halves_is_one_character():
    from wayfind.serve.mcp import _read

    line, refusal = _read('{"jsonrpc": "2.0", "method": "a", "params": {"text": "\\ud83d\\ude00 \\uD83D \\\\ud83d"}}\n')
    assert refusal is None and json.loads(line)["params"]["text"] == "\N{GRINNING FACE} \N{REPLACEMENT CHARACTER} \\ud83d"


def test_a_blank_line_is_left_aside(library: Path):
    ping = json.dumps({"jsonrpc": "2.0", "id": 5, "method": "ping"})
    assert said_to(["\n\n" + ping], library) == [{"jsonrpc": "2.0", "id": 5, "result": {}}]


@pytest.fixture
def calls() -> Iterator[Calls]:
    made = Calls()
    yield made
    made.close()


def full(calls: Calls, tool: str, roots: Roots, **arguments) -> Told:
    """The answer of a tool over whole indexes."""
    for folder in roots.folders:
        assert command("index", folder, home=Path(os.environ["WAYFIND_HOME"])).returncode == 0
    while (told := calls.call(tool, roots, arguments)).fields["partial"]:
        pass
    return told


def test_a_relative_path_is_searched_in_every_root_that_has_it(tmp_path: Path, calls: Calls):
    one = plant(tmp_path / "one", {"src/a.py": "def comb(yak):\n    return yak.brush()\n"})
    two = plant(tmp_path / "two", {"src/b.py": 'def feed(wombat):\n    """Feed the wombat."""\n    return wombat.eat()\n'})
    third = plant(tmp_path / "third", {"lib/c.py": 'def feed(wombat):\n    """Feed the wombat."""\n    return wombat.eat()\n'})
    roots = given_roots([str(one), str(two), str(third)])
    for path in ("src", "src/*"):
        told = full(calls, "search", roots, query="feed the wombat", path=path)
        assert [row["place"] for row in told.fields["results"]][0] == f"{two.resolve()}/src/b.py:1-3"
        assert "third" not in str(told.fields["results"])


def test_the_roots_and_the_filter_of_a_path(tmp_path: Path):
    one = plant(tmp_path / "one", {"src/a.py": "a = 1\n", "lib/here.py": "b = 1\n", "Makefile": "a:\n"}).resolve()
    two = plant(tmp_path / "two", {"src/a.py": "a = 1\n", "Makefile/b.py": "b = 1\n"}).resolve()
    roots = Roots((one, two))
    assert _below(roots, "src") == ([one, two], ("./src/",))
    assert _below(roots, "lib") == ([one], ("./lib/",))
    assert _below(roots, "Makefile") == ([one, two], ("./Makefile", "./Makefile/"))
    assert _below(roots, f"{two}/src") == ([two], ("./src/",))
    assert _below(roots, str(two)) == ([two], ())
    assert _below(roots, ".") == ([one, two], ())
    assert _below(roots, "nowhere") == ([one, two], ("nowhere",))


def test_a_home_in_a_path_of_the_command_line_is_found_without_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    plant(tmp_path, {"repo/a.py": "a = 1\n"})
    monkeypatch.setenv("HOME", str(tmp_path))
    assert given_roots(["~/repo"]).folders == ((tmp_path / "repo").resolve(),)
    with pytest.raises(NotFound, match="no such folder: ~/nowhere"):
        given_roots(["~/nowhere"])
    with pytest.raises(NotFound, match="~nobody-of-this-name"):
        given_roots(["~nobody-of-this-name/repo"])


def test_an_address_without_a_port_is_refused(home: Path):
    refused = command("mcp", "--host", "0.0.0.0", home=home)
    assert refused.returncode == 2 and not refused.stdout and b"give --http PORT with it" in refused.stderr


def within(told: Told, tokens: int) -> bool:
    """Whether both twins of an answer keep to the tokens."""
    return max(estimate(told.text), estimate(json.dumps(told.fields, ensure_ascii=False, separators=(",", ":")))) <= tokens


def part_of(root: Path, reason: str, *results: Result) -> Part:
    index = IndexState(str(root), 1, 1, 1, 1.0, 0, {}, "lexical")
    return Part(root, "ready", Answer("", index, 1.0 if results else 0.0, not results, reason, results))


def some_result(number: int = 0, path: str = "src/part") -> Result:
    return Result(f"{path}{number}.py", 1, 2, "turn", "function", "python", 1.0, "def turn(x):\n    return x\n", Target("Turn the value by a step.", "docstring"), (), {})


@pytest.mark.parametrize("tokens", [200, 300, 2000])
@pytest.mark.parametrize("results", [0, 1, 6, 100])
def test_notes_of_many_roots_keep_the_budget_and_leave_room_for_a_place(tokens: int, results: int):
    folders = tuple(Path(f"/home/somebody/projects/of/the/year/repository{number}") for number in range(9))
    reason = "no result answers the question as a whole, so what follows are the nearest definitions, and a literal search settles whether there is more"
    found = tuple(some_result(number) for number in range(results))
    parts = tuple(part_of(folder, reason, *(found if folder == folders[8] else ())) for folder in folders)
    told = _told(_findings(Roots(folders), Found(parts, tuple(Placed(folders[8], one) for one in found)), tokens), tokens)
    assert within(told, tokens)
    if results:
        assert f"{folders[8]}/src/part0.py:1-2" in told.text and told.fields["results"][0]["place"] == f"{folders[8]}/src/part0.py:1-2"
        shown = sum(line.startswith("/") and line.endswith("step.") for line in told.text.split("\n"))
        assert told.text.startswith(f"{results} result" if shown == results else f"{shown} of {results} results, ")
        assert len(told.fields["results"]) == results or told.fields["note"].startswith(f"{len(told.fields['results'])} of {results} results. ")
    if tokens == 200:
        assert "more roots: nothing found." in told.text and "more roots: nothing found." in told.fields["note"]
    if tokens == 2000:
        assert all(f"{folder}: No result" in told.text for folder in folders)


def test_a_place_that_has_no_room_for_what_it_does_is_shown_without():
    def told(depth: int) -> Told:
        root = Path("/" + "a-long-name-of-a-folder/" * depth)
        answer = _told(_findings(Roots((root, Path("/b"))), Found((part_of(root, "", some_result()),), (Placed(root, some_result()),)), 200), 200)
        assert within(answer, 200)
        return answer

    assert told(8).fields["results"][0]["summary"] and told(8).text.endswith("by a step.")
    assert told(10).fields["results"][0]["summary"] == "" and told(13).text.endswith("/src/part0.py:1-2")
    assert told(30).text == "0 of 1 result, confidence 1.00." and told(30).fields["note"] == "0 of 1 result."


@pytest.mark.parametrize("tokens", [200, 400, 2000])
@pytest.mark.parametrize("said", ["Wrap a parcel.", "Wrap the parcel 'as \"it\" is', " * 20, 'Wrap "it".\n' * 40])
def test_long_commits_and_explanations_leave_room_for_the_place_and_code(tokens: int, said: str):
    commits = [f"{number:010x} parcels: {'why the tape was wound twice around it, ' * 3}"[:120] for number in range(5)]
    shown = replace(some_result(), snippet="def turn(x):\n    return x", explanation=Target("", "docstring"))
    told = _told(_explained(shown, Target(said, "docstring"), commits, "3 files changed since the index was made.", tokens), tokens)
    assert within(told, tokens)
    assert "src/part0.py:1-2" in told.text and "return x" in told.text and told.fields["results"][0]["place"] == "src/part0.py:1-2"
    assert told.fields["commits"][0].startswith("0000000000 parcels") and said[:4] in told.fields["explanation"]
    assert len(told.fields["commits"]) == 5 or tokens < 2000


def test_a_place_whose_name_is_no_utf8_can_be_given_back(tmp_path: Path, calls: Calls):
    root = tmp_path / "repo"
    root.mkdir()
    (root / os.fsdecode(b"caf\xe9.py")).write_bytes(b"def brew(bean):\n    return bean.grind()\n")
    place = r"caf\xe9.py:1-2"
    for tool in ("search", "explain"):
        told = full(calls, tool, given_roots([str(root)]), **({"query": "brew a bean"} if tool == "search" else {"place": place}))
        assert [row["place"] for row in told.fields["results"]] == [place]
    assert full(calls, "search", given_roots([str(root)]), query="brew a bean", path=r"caf\xe9.py").fields["results"]
    with pytest.raises(UsageError):
        Roots((root,)).find(r"..\xe9/../../etc")


@pytest.fixture
def two(tmp_path: Path) -> Roots:
    """Two roots with files of the same names, one of which has a caller of what both define."""
    brew = "def brew_bean(bean):\n    return bean.grind()\n"
    plant(tmp_path, {"one/brew.py": brew, "two/brew.py": brew, "two/bar.py": "from brew import brew_bean\n\n\ndef serve_cup(guest):\n    return brew_bean(guest.bean)\n"})
    return given_roots([str(tmp_path / "one"), str(tmp_path / "two")])


@pytest.mark.parametrize("tool", ["explain", "related"])
def test_a_place_that_several_roots_have_is_to_be_named_whole(calls: Calls, two: Roots, tool: str):
    """The first root's once was taken without a word."""
    with pytest.raises(UsageError, match="brew.py is in 2 of the folders; name one: .*/one/brew.py, .*/two/brew.py"):
        calls.call(tool, two, {"place": "brew.py:1"})
    for place in (f"{two.folders[1]}/brew.py:1", "bar.py:4"):
        assert full(calls, tool, two, place=place).fields["results"]


def test_what_a_result_is_related_to_is_named_as_the_result_is(calls: Calls, two: Roots):
    (told,) = (row for row in full(calls, "related", two, place=f"{two.folders[1]}/brew.py:1").fields["results"] if row["symbol"] == "serve_cup")
    assert told["place"] == f"{two.folders[1]}/bar.py:4-5" and f"({two.folders[1]}/brew.py:1" in told["relation"]


@pytest.mark.parametrize(("given", "taken"), [(True, 1), (False, 0), ("true", 1), ("False", 0), ("1", 1), (1.0, 1)])
def test_a_switch_may_be_a_boolean_and_a_number_may_not(given: object, taken: int):
    assert SEARCH.checked({"query": "x", "graph": given})["graph"] == taken
    with pytest.raises(UsageError, match="max_results must be an integer"):
        SEARCH.checked({"query": "x", "max_results": True})
