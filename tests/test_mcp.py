"""`wayfind mcp` as clients meet it: the SDK's own client over real pipes and real loopback sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import jsonschema
import pytest
from conftest import LIBRARY, command, plant

pytest.importorskip("mcp", reason="the extra [serve] is not installed")

from mcp import Client, StdioServerParameters  # noqa: E402
from mcp.client.streamable_http import streamable_http_client  # noqa: E402
from mcp_types import ListRootsResult, Root  # noqa: E402

from wayfind.index.lock import held  # noqa: E402
from wayfind.serve.budget import estimate  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
LONG = 60
"""Seconds after which a test that hangs is given up."""
MODES = ["legacy", "auto"]
"""With a handshake (up to 2025-11-25), and without (2026-07-28)."""


@contextlib.asynccontextmanager
async def connected(*arguments: str | Path, mode: str = "legacy", cwd: Path | None = None, home: Path | None = None, **more) -> AsyncIterator[Client]:
    env = {**os.environ, **({"WAYFIND_HOME": str(home)} if home else {})}
    server = StdioServerParameters(command=sys.executable, args=["-m", "wayfind", "mcp", *map(str, arguments)], env=env, cwd=cwd)
    async with asyncio.timeout(LONG) if sys.version_info >= (3, 11) else contextlib.nullcontext():
        async with Client(server, mode=mode, read_timeout_seconds=LONG, **more) as client:
            yield client


async def full(client: Client, **arguments) -> object:
    """The answer of a search, asked again until it is not partial."""
    while True:
        answer = await client.call_tool("search", arguments)
        if answer.is_error or not answer.structured_content["partial"]:
            return answer
        await asyncio.sleep(0.05)


def text_of(answer) -> str:
    (content,) = answer.content
    return content.text


def run(scenario) -> None:
    asyncio.run(scenario)


def folder_of_roots(*folders: Path):
    async def roots(_context) -> ListRootsResult:
        return ListRootsResult(roots=[Root(uri=folder.as_uri()) for folder in folders])

    return roots


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository beside a file that is none of it, with links that lead there."""
    root = plant(tmp_path / "repo", LIBRARY)
    plant(tmp_path, {"private/secret.py": "def secret_of_fine():\n    return 'fine days late reader'\n"})
    (root / "away").symlink_to(tmp_path / "private")
    (root / "away.py").symlink_to(tmp_path / "private" / "secret.py")
    return root


@pytest.mark.parametrize("mode", MODES)
def test_every_tool_answers_in_both_eras_of_the_protocol(library: Path, mode: str):
    async def scenario():
        async with connected(library, mode=mode) as client:
            found = await full(client, query="what does a late reader pay")
            assert text_of(found).split("\n")[1].startswith("loans.py:25-27 fine: Compute what a late reader pays, in euros.")
            assert found.structured_content["results"][0]["place"] == "loans.py:25-27"
            assert found.structured_content["confidence"] > 0.5 and not found.structured_content["partial"]
            near = await client.call_tool("related", {"place": "loans.py:26"})
            assert "tests/test_loans.py:4-5" in [row["place"] for row in near.structured_content["results"]]
            told = await client.call_tool("explain", {"place": "loans.py:16"})
            assert text_of(told).startswith("Lend a book to a reader for two weeks.\n(from its docstring)\n")
            assert told.structured_content["results"][0]["code"].startswith("    def lend(self, book, reader):")
            state = await client.call_tool("status", {})
            assert state.structured_content["roots"] == [{"root": str(library.resolve()), "state": "ready", "detail": state.structured_content["roots"][0]["detail"]}]
            assert "5 files" in text_of(state)

    run(scenario())


def test_tools_are_listed_as_read_only_with_plain_parameters_and_answers_match_their_schemas(library: Path):
    async def scenario():
        async with connected(library) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert list(tools) == ["search", "related", "explain", "status"]
            for tool in tools.values():
                assert tool.annotations.read_only_hint and not tool.annotations.destructive_hint and not tool.annotations.open_world_hint
                jsonschema.Draft202012Validator.check_schema(tool.input_schema)
                assert {part["type"] for part in tool.input_schema["properties"].values()} <= {"string", "integer"}
            await full(client, query="fine")
            for name, arguments in (("search", {"query": "fine"}), ("search", {"query": "fine", "graph": 1}), ("related", {"place": "loans.py:25"}), ("explain", {"place": "loans.py:25"}), ("status", {})):
                answer = await client.call_tool(name, arguments)
                jsonschema.validate(answer.structured_content, tools[name].output_schema)

    run(scenario())


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("search", {}, "search needs query"),
        ("search", {"query": "  "}, "the query is empty: give some words"),
        ("search", {"query": "fine", "lang": "klingon"}, "unknown language 'klingon'"),
        ("search", {"query": "fine", "kind": "poem"}, "poem"),
        ("search", {"query": "fine", "max_tokens": 5}, "max_tokens must be from 200"),
        ("search", {"query": "fine", "path": "../*"}, "cannot lead out"),
        ("explain", {"place": "nowhere.py:3"}, "nowhere.py is not in the index"),
        ("explain", {"place": "loans.py:999"}, "loans.py has no line 999"),
        ("explain", {"place": "loans.py:0"}, "lines count from 1"),
        ("related", {"place": ""}, "FILE:LINE"),
        ("explore", {}, "there is no tool 'explore'; there are search, related, explain, status"),
    ],
)
def test_what_cannot_be_done_comes_back_as_a_tool_error_that_says_what_to_do(library: Path, tool: str, arguments: dict, said: str):
    async def scenario():
        async with connected(library) as client:
            answer = await client.call_tool(tool, arguments)
            assert answer.is_error and said in text_of(answer) and "Traceback" not in text_of(answer)
            assert not (await full(client, query="fine")).is_error

    run(scenario())


def test_nothing_outside_of_the_roots_is_read_or_named(repository: Path):
    outside = repository.parent / "private"

    async def scenario():
        async with connected(repository) as client:
            await full(client, query="fine")
            refusals = set()
            for path in ("away/secret.py", "away.py", "../private/secret.py", "away/nothing.py", f"{outside}/secret.py", f"{outside}/nothing.py", "/etc/passwd"):
                for tool in ("explain", "related"):
                    answer = await client.call_tool(tool, {"place": f"{path}:1"})
                    assert answer.is_error
                    refusals.add(text_of(answer).replace(path, "PATH"))
                answer = await client.call_tool("search", {"query": "secret", "path": path})
                assert answer.is_error
                refusals.add(text_of(answer).replace(path, "PATH"))
            assert refusals == {f"PATH lies outside of the folders this server may read: {repository.resolve()}"}
            for query in ("secret_of_fine", "fine days late reader", "path:away secret"):
                assert "secret.py" not in text_of(await client.call_tool("search", {"query": query}))
                assert "away" not in str((await client.call_tool("search", {"query": query})).structured_content["results"])

    run(scenario())


@pytest.mark.parametrize("tokens", [200, 500, 2000])
def test_both_twins_of_every_answer_keep_the_budget(tmp_path: Path, tokens: int):
    verbs = ("turn", "fold", "weigh", "paint", "glue")
    bodies = {verb: f'(value):\n    """{verb.title()} the value by a step."""\n' + f"    value = {verb}ed(value)\n" * 60 for verb in verbs}
    root = plant(tmp_path / "repo", {f"part{n}.py": f"def {verb}_{n}{bodies[verb]}" for n in range(40) for verb in [verbs[n % 5]]})

    async def scenario():
        async with connected(root) as client:
            await full(client, query="turn the value")
            for tool, arguments in (
                ("search", {"query": "turn the value", "max_results": 40}),
                ("related", {"place": "part3.py:1", "max_results": 40}),
                ("explain", {"place": "part3.py:1"}),
            ):
                answer = await client.call_tool(tool, {**arguments, "max_tokens": tokens})
                assert 100 < estimate(text_of(answer)) <= tokens
                assert estimate(json.dumps(answer.structured_content, ensure_ascii=False, separators=(",", ":"))) <= tokens

    run(scenario())


def test_while_the_first_index_is_made_search_answers_in_part_and_then_in_full(repository: Path, tmp_path: Path):
    home = tmp_path / "home"
    home.mkdir()

    async def scenario():
        steps = []

        async def progress(done: float, total: float | None, message: str | None) -> None:
            steps.append((done, total, message))

        with contextlib.ExitStack() as stack:
            stack.enter_context(held(home, alone=True, wait=1))  # no index can be written
            async with connected(repository, home=home) as client:
                answer = await client.call_tool("search", {"query": "what does a late reader pay"}, progress_callback=progress)
                assert answer.structured_content["partial"] and "partial." in text_of(answer).split("\n")[0]
                assert "loans.py:25-27" in [row["place"] for row in answer.structured_content["results"]]
                assert "secret" not in text_of(answer)
                state = await client.call_tool("status", {})
                assert state.structured_content["roots"][0]["state"] == "indexing"
                stack.close()
                assert "loans.py:25-27" in text_of(await full(client, query="what does a late reader pay"))

    run(scenario())


def test_progress_is_told_where_it_was_asked_for_and_only_grows(tmp_path: Path):
    root = plant(tmp_path / "repo", {f"m{n}/f{k}.py": f"def work_{n}_{k}(x):\n    return x * {n}\n" * 30 for n in range(20) for k in range(20)})
    steps = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        steps.append((done, total, message))

    async def scenario():
        async with connected(root, home=tmp_path / "home") as client:
            await client.call_tool("explain", {"place": "m1/f1.py:1"}, progress_callback=progress)

    run(scenario())
    assert steps and [done for done, _, _ in steps] == sorted({done for done, _, _ in steps})
    assert all(total == 5 and done <= total and message for done, total, message in steps)


def test_two_clients_at_once_each_get_their_own_answers(library: Path, repository: Path):
    async def ask(root: Path, query: str, expected: str):
        async with connected(root) as client:
            for _ in range(5):
                assert expected in text_of(await full(client, query=query))

    async def scenario():
        await asyncio.gather(ask(library, "late reader pays", "loans.py:25-27"), ask(repository, "books sorted by year", "search.js:9-11"))

    run(scenario())


@pytest.mark.parametrize("mode", MODES)
def test_without_paths_the_roots_are_those_of_the_client(library: Path, repository: Path, mode: str):
    async def scenario():
        async with connected(mode=mode, cwd=repository.parent, list_roots_callback=folder_of_roots(library)) as client:
            assert not (await full(client, query="fine")).is_error
            assert [row["root"] for row in (await client.call_tool("status", {})).structured_content["roots"]] == [str(library.resolve())]

    run(scenario())


@pytest.mark.parametrize(("address", "more"), [("vscode-vfs://github/a/b", False), ("/tmp", False), ("vscode-vfs://github/a/b", True)])
def test_a_root_that_is_no_file_address_is_left_out(library: Path, repository: Path, address: str, more: bool):
    """By hand: the SDK's client refuses to send such a root."""
    opening = {"protocolVersion": "2025-06-18", "capabilities": {"roots": {}}, "clientInfo": {"name": "x", "version": "1"}}
    with subprocess.Popen([sys.executable, "-m", "wayfind", "mcp"], cwd=library, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:

        def say(**message) -> None:
            server.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
            server.stdin.flush()

        say(id=1, method="initialize", params=opening)
        say(method="notifications/initialized")
        say(id=2, method="tools/call", params={"name": "status", "arguments": {}})
        while (told := json.loads(server.stdout.readline())).get("id") != 2 or "method" in told:
            if told.get("method") == "roots/list":
                say(id=told["id"], result={"roots": [{"uri": uri} for uri in [address, *[repository.as_uri()] * more]]})
        server.stdin.close()
    assert not told["result"].get("isError"), told
    assert [row["root"] for row in told["result"]["structuredContent"]["roots"]] == [str((repository if more else library).resolve())]


def test_paths_of_the_command_line_are_not_widened_by_the_client(library: Path, repository: Path):
    async def scenario():
        async with connected(library, list_roots_callback=folder_of_roots(repository)) as client:
            await full(client, query="fine")
            assert [row["root"] for row in (await client.call_tool("status", {})).structured_content["roots"]] == [str(library.resolve())]

    run(scenario())


def test_several_roots_are_searched_together_and_named_in_full(tmp_path: Path):
    one = plant(tmp_path / "one", {"a.py": "def open_door(key):\n    return key.turn()\n"})
    two = plant(tmp_path / "two", {"b.py": "def close_door(key):\n    return key.turn_back()\n"})

    async def scenario():
        async with connected(one, two) as client:
            found = await full(client, query="door key")
            places = [row["place"] for row in found.structured_content["results"]]
            assert sorted(places) == [f"{one.resolve()}/a.py:1-2", f"{two.resolve()}/b.py:1-2"]
            told = await client.call_tool("explain", {"place": places[0]})
            assert told.structured_content["results"][0]["place"] == places[0]
            alone = await full(client, query="door key", path=str(two))
            assert [row["place"] for row in alone.structured_content["results"]] == [f"{two.resolve()}/b.py:1-2"]

    run(scenario())


def test_a_home_folder_is_not_indexed_unasked(tmp_path: Path):
    async def scenario():
        env = {**os.environ, "HOME": str(tmp_path)}
        server = StdioServerParameters(command=sys.executable, args=["-m", "wayfind", "mcp"], env=env, cwd=tmp_path)
        async with Client(server, mode="legacy") as client:
            answer = await client.call_tool("search", {"query": "fine"})
            assert answer.is_error and "wayfind mcp PATH" in text_of(answer)

    run(scenario())


def test_a_file_written_between_two_searches_is_found(repository: Path):
    async def scenario():
        async with connected(repository) as client:
            await full(client, query="fine")
            (repository / "returns.py").write_text('def give_back(book):\n    """Take a damaged book out of circulation."""\n')
            while "returns.py" not in text_of(await client.call_tool("search", {"query": "damaged book circulation"})):
                await asyncio.sleep(0.05)

    run(scenario())


HANDSHAKE = (
    {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}},
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "search", "arguments": {"query": "late reader pays"}}},
)


def test_standard_output_carries_the_protocol_alone_and_the_server_ends_with_its_input(library: Path):
    line = [sys.executable, "-m", "wayfind", "mcp", str(library)]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
        read = []
        server.stdin.write(b"this is no message\n")
        for message in HANDSHAKE:
            server.stdin.write(json.dumps(message).encode() + b"\n")
        server.stdin.flush()
        while not read or read[-1].get("id") != 2:
            read.append(json.loads(server.stdout.readline()))
        server.stdin.close()
        rest = server.stdout.read()
        assert server.wait(LONG) == 0
    assert all(message["jsonrpc"] == "2.0" for message in [*read, *map(json.loads, rest.splitlines())])
    assert read[-1]["result"]["content"][0]["text"]


def test_a_server_whose_client_is_gone_ends_though_an_index_is_being_made(repository: Path, tmp_path: Path):
    home = tmp_path / "home"
    home.mkdir()
    with held(home, alone=True, wait=1):
        line = [sys.executable, "-m", "wayfind", "mcp", str(repository)]
        server = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "WAYFIND_HOME": str(home)})
        for message in HANDSHAKE:
            server.stdin.write(json.dumps(message).encode() + b"\n")
        server.stdin.flush()
        while json.loads(server.stdout.readline()).get("id") != 2:
            pass
        server.communicate(timeout=LONG)
        assert server.returncode == 0


def test_an_interrupt_ends_the_server(library: Path):
    server = subprocess.Popen([sys.executable, "-m", "wayfind", "mcp", str(library)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    server.stdin.write(json.dumps(HANDSHAKE[0]).encode() + b"\n")
    server.stdin.flush()
    server.stdout.readline()
    server.send_signal(signal.SIGINT)
    assert server.wait(LONG) in (-signal.SIGINT, 130)
    server.stdin.close(), server.stdout.close()


@contextlib.contextmanager
def serving(*arguments: str | Path, **env: str) -> Iterator[str]:
    """The address of a server on a free port of loopback."""
    line = [sys.executable, "-m", "wayfind", "mcp", *map(str, arguments), "--http", "0"]
    with subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **env}) as server:
        try:
            said = server.stderr.readline()
            yield re.search(r"http://\S+", said)[0]
        finally:
            server.send_signal(signal.SIGINT)
            out, _ = server.communicate(timeout=LONG)
    assert out == ""


def status_of(address: str, **headers: str) -> int:
    body = json.dumps(HANDSHAKE[0]).encode()
    known = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    request = urllib.request.Request(address, body, {**known, **headers})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=LONG) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


@pytest.mark.parametrize("mode", MODES)
def test_two_clients_search_over_http_on_loopback(library: Path, mode: str):
    async def ask(address: str, query: str, expected: str):
        async with Client(address, mode=mode) as client:
            assert expected in text_of(await full(client, query=query))

    async def scenario(address: str):
        await asyncio.gather(ask(address, "late reader pays", "loans.py:25-27"), ask(address, "books sorted by year", "search.js:9-11"))

    with serving(library) as address:
        run(scenario(address))


def test_over_http_a_client_cannot_name_roots(library: Path, repository: Path):
    async def scenario(address: str):
        async with Client(address, mode="legacy", list_roots_callback=folder_of_roots(repository)) as client:
            await full(client, query="fine")
            assert [row["root"] for row in (await client.call_tool("status", {})).structured_content["roots"]] == [str(library.resolve())]

    with serving(library) as address:
        run(scenario(address))


def test_http_refuses_other_hosts_and_web_pages(library: Path):
    with serving(library) as address:
        assert status_of(address) == 200
        assert status_of(address, host="evil.example:80") == 421
        assert status_of(address, origin="http://evil.example") == 403


def test_with_a_token_http_answers_only_to_those_who_show_it(library: Path):
    async def scenario(address: str):
        import httpx2

        async with httpx2.AsyncClient(headers={"authorization": "Bearer sesame"}, timeout=LONG) as shown:
            async with Client(streamable_http_client(address, http_client=shown), mode="legacy") as client:
                assert "loans.py:25-27" in text_of(await full(client, query="late reader pays"))

    with serving(library, WAYFIND_TOKEN="sesame") as address:
        assert status_of(address) == 401
        assert status_of(address, authorization="Bearer open") == 401
        assert status_of(address, authorization="Bearer sesame") == 200
        run(scenario(address))


def test_an_address_that_others_can_reach_needs_a_token(home: Path):
    refused = command("mcp", "--http", "0", "--host", "0.0.0.0", home=home, env={"WAYFIND_TOKEN": ""})
    assert refused.returncode == 2 and not refused.stdout and b"can be reached from other machines; set WAYFIND_TOKEN" in refused.stderr


def test_a_folder_that_is_not_there_is_refused_at_the_start(home: Path):
    refused = command("mcp", "nowhere", home=home)
    assert refused.returncode == 2 and not refused.stdout and b"no such folder: nowhere" in refused.stderr


def test_explanations_come_from_where_the_setting_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = plant(tmp_path / "shop", {"pay.py": "def wrap_parcel(parcel):\n    return tape(parcel)\n"})

    async def told() -> str:
        async with connected(root, home=tmp_path / "home") as client:
            return text_of(await client.call_tool("explain", {"place": "pay.py:1"}))

    assert "from a template" in asyncio.run(told())
    monkeypatch.setenv("WAYFIND_EXPLAIN", "none")
    assert "from a template" not in asyncio.run(told())
