"""What `wayfind mcp` makes of input and answers at their edges: broken lines, several roots, long notes within few tokens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from conftest import command, plant

from wayfind.errors import NotFound
from wayfind.serve.calls import Calls, Told, _below
from wayfind.serve.roots import Roots, given_roots

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
        server.stdin.write("".join(one + "\n" for one in sent))
        server.stdin.flush()
        answers = []
        while len(answers) < len(lines) + 2:
            answers.append(json.loads(server.stdout.readline()))
        server.stdin.close()
        assert server.wait(LONG) == 0
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
