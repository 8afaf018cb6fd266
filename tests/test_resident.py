"""The resident process: real ones, over real sockets. Commands print the same bytes with it as without."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import LIBRARY, command, plant

from wayfind import __version__
from wayfind.errors import StorageError
from wayfind.index.tree import open_tree
from wayfind.serve import client, protocol
from wayfind.serve.protocol import LONGEST_REQUEST, ProtocolError, address, hello, receive
from wayfind.serve.request import Request, Shape
from wayfind.serve.resident import Busy, Resident

PROGRAM = [sys.executable, "-W", "error", "-m", "wayfind"]
unix = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no Unix sockets here")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return plant(tmp_path / "library", LIBRARY).resolve()


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own."""
    monkeypatch.setenv("WAYFIND_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.delenv("WAYFIND_RESIDENT", raising=False)
    return tmp_path / "home"


@pytest.fixture
def serve(own: Path) -> Iterator[Callable[..., subprocess.Popen]]:
    """Start a resident process and wait until it answers."""
    begun: list[subprocess.Popen] = []

    def start(*options: str) -> subprocess.Popen:
        process = subprocess.Popen([*PROGRAM, "serve", *options], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        begun.append(process)
        assert process.stderr and b"serving" in process.stderr.readline()
        return process

    yield start
    for process in begun:
        process.kill()
        process.wait()
        process.stderr.close()


def run(*arguments: str | Path, home: Path, cwd: Path | None = None, **env: str) -> tuple[int, bytes, bytes]:
    done = command(*arguments, home=home, cwd=cwd, env=env)
    return done.returncode, done.stdout, done.stderr


def status(home: Path) -> dict:
    return client.exchange(address(home), lambda: {"do": "status"}, first=60)


ASKED = [
    ["search", "late reader pays", "."], ["late reader pays"], ["search", "lend a book", ".", "--json"], ["search", "book", ".", "--jsonl", "-k", "3"],
    ["search", "book", ".", "-l"], ["search", "zyzzyva", ".", "-l"], ["search", "zyzzyva", "."], ["search", "book", ".", "--signals", "--color", "always"],
    ["search", "book", "docs"], ["search", "book", ".", "--lang", "js"], ["search", "", ".", "--regex", "desk"], ["search", "book", ".", "--max-tokens", "90"],
    ["search", "word " * 5000, "."], ["search", "book", ".", "--explain", "none", "--no-refresh"], ["explain", "loans.py:14"], ["explain", "loans.py:14", "--json"],
    ["explain", "docs/guide.md:7", "."], ["related", "loans.py:14", "."], ["related", "loans.py:14", ".", "--json"], ["status", "."], ["status", "--coverage"],
    ["search", "book", ".", "docs"], ["search", "book", ".", "docs", "--json"],
    # what fails
    ["search", "book", "no-such-folder"], ["search", "book", "loans.py"], ["search", "", "."], ["search", "book", ".", "--lang", "klingon"], ["explain", "loans.py:999"],
    ["explain", "nothing.py:1"], ["related", "/etc/hostname:1", "."], ["search", "book", ".", "-k", "0"], ["status", "no-such-folder"],
]  # fmt: skip


def test_commands_print_the_same_bytes_with_it_as_without(serve, own: Path, repository: Path) -> None:
    serve(str(repository))
    for folder in (".", "docs"):
        run("index", folder, home=own, cwd=repository)
    answered = 0
    for arguments in ASKED:
        alone = run(*arguments, home=own, cwd=repository, WAYFIND_RESIDENT="0")
        before = status(own)["requests"]
        assert run(*arguments, home=own, cwd=repository) == alone, arguments
        answered += status(own)["requests"] - before
    assert answered > len(ASKED) - 8  # a request that fails is asked, too, and then done alone


def test_it_may_be_told_not_to_ask(serve, own: Path, repository: Path) -> None:
    serve()
    run("search", "book", repository, "--no-resident", home=own)
    run("search", "book", repository, home=own, WAYFIND_RESIDENT="0")
    run("index", repository, "--output", own / "apart", home=own)
    run("search", "book", repository, "--index", own / "apart", home=own)
    assert status(own)["requests"] == 0
    run("search", "book", repository, home=own)
    assert status(own)["requests"] == 1


def test_an_expression_is_matched_by_the_command_itself(serve, own: Path, repository: Path) -> None:
    """It may backtrack without end, and nobody else would be answered."""
    serve()
    assert run("search", "--regex", "(d+e+)+sk", repository, home=own)[0] == 0
    assert status(own)["requests"] == 0


@unix
def test_one_that_does_not_answer_or_end_is_named(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["wayfind.serve.resident"]
    monkeypatch.setattr(module, "_ANSWERS_WITHIN", 0.2)
    place = address(own)
    with module._alone(place), socket.socket(socket.AF_UNIX) as silent:
        silent.bind(os.fspath(place.socket))
        silent.listen()
        for what in ("status", "stop"):
            with pytest.raises(StorageError, match=f"process {os.getpid()} does not answer.* {os.getpid()}$"):
                module._ask(place, what)
        monkeypatch.setattr(module, "exchange", lambda *_, **__: {"pid": 77})
        with pytest.raises(StorageError, match="process 77 does not end.* 77$"):
            module._ask(place, "stop")


def test_whoever_uses_another_model_works_alone(serve, own: Path, repository: Path) -> None:
    """What is printed depends on the model, and that on the environment of whoever asks."""
    serve()
    run("search", "book", repository, home=own, WAYFIND_MODEL="base")
    run("search", "book", repository, home=own, WAYFIND_LATE_INTERACTION="off")
    assert status(own)["requests"] == 0
    run("search", "book", repository, home=own)
    assert status(own)["requests"] == 1


def test_a_first_search_through_it_indexes(serve, own: Path, repository: Path) -> None:
    serve()
    code, out, _ = run("search", "late reader pays", repository, home=own)
    assert code == 0 and b"loans.py:25" in out
    (entry,) = status(own)["repositories"]
    assert entry["encoded"] is None or 0 <= entry["encoded"] <= 1
    assert entry["state"] == "ready" and entry["root"] == str(repository)


def test_edits_are_in_the_next_answer(serve, own: Path, repository: Path) -> None:
    serve(str(repository))
    for number in range(5):
        plant(repository, {f"new{number}/m.py": f"def quokka{number}():\n    return {number}\n"})
        (found,) = map(json.loads, run("search", f"quokka{number}", repository, "--json", home=own)[1].splitlines())
        assert found["results"][0]["symbol"] == f"quokka{number}" and found["index"]["stale_files"] == 0


def test_a_hundred_files_edited_while_others_search_and_it_is_killed_and_started_again(serve, own: Path, repository: Path) -> None:
    """Every answer that begins after an edit ended knows the edit, or says that files changed since. Nothing is lost."""
    process = serve(str(repository))
    done: list[int] = []
    wrong: list[str] = []
    end = threading.Event()

    def edit() -> None:
        nonlocal process
        for number in range(100):
            plant(repository, {f"m{number}.py": f"def quokka{number}():\n    return {number}\n"})
            done.append(number)
            if number == 50:
                process.send_signal(signal.SIGKILL)
                process.wait()
                process = serve()
        end.set()

    def search() -> None:
        while not end.is_set() and not wrong:
            known = done[-1] if done else None
            code, out, err = run("search", f"quokka{known}", repository, "--json", home=own)
            if known is not None:
                found = json.loads(out) if code == 0 else {}
                if not found or not (found["index"]["stale_files"] or found["results"][0]["symbol"] == f"quokka{known}"):
                    wrong.append(f"{known}: {code} {out[:500]!r} {err!r}")

    threads = [threading.Thread(target=work) for work in (search, search, edit)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert not wrong and len(done) == 100
    (found,) = map(json.loads, run("search", "quokka7", repository, "--json", home=own)[1].splitlines())
    assert found["index"]["files"] == 105


# One a home


@unix
def test_a_second_one_finds_the_first_and_says_so(serve, own: Path) -> None:
    first = serve()
    code, _, err = run("serve", home=own)
    assert code == 2 and b"serves" in err and b"--status" in err
    code, out, _ = run("serve", "--background", home=own)
    assert code == 0 and f"already: process {first.pid}".encode() in out
    assert status(own)["pid"] == first.pid


@unix
def test_what_a_killed_one_left_is_replaced(serve, own: Path, repository: Path) -> None:
    first = serve()
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert address(own).socket.exists()
    assert run("search", "book", repository, home=own)[0] == 0
    second = serve()
    assert status(own)["pid"] == second.pid


def test_stop_ends_it(serve, own: Path) -> None:
    process = serve()
    code, out, _ = run("serve", "--stop", home=own)
    assert code == 0 and str(process.pid).encode() in out and process.wait(60) == 0
    assert run("serve", "--status", home=own)[0] == run("serve", "--stop", home=own)[0] == 1


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_and_leave_nothing(serve, own: Path, how: int) -> None:
    process = serve()
    process.send_signal(how)
    assert process.wait(60) == 0 and not address(own).socket.exists()


def test_it_ends_when_nobody_asks(serve, own: Path) -> None:
    assert serve("--idle-seconds", "0.5").wait(60) == 0


def test_in_the_background_it_goes_on_until_stopped(own: Path, repository: Path) -> None:
    code, out, err = run("serve", "--background", repository, home=own)
    try:
        assert code == 0, err
        assert str(status(own)["pid"]).encode() in out
    finally:
        assert run("serve", "--stop", home=own)[0] == 0


def test_two_processes_never_write_one_index(serve, own: Path, repository: Path) -> None:
    """While another process has the right to write, the resident one answers from what there is and counts what it lacks."""
    serve(str(repository))
    assert run("search", "book", repository, home=own)[0] == 0
    other = open_tree(repository, own)
    with other.catalogue.writing(30.0):
        plant(repository, {"new.py": "def quokka():\n    return 1\n"})
        generation = other.catalogue.manifest().generation
        (found,) = map(json.loads, run("search", "book", repository, "--json", home=own)[1].splitlines())
        assert found["index"]["stale_files"] == 1 and found["index"]["generation"] == generation
        assert status(own)["requests"] == 2
    other.close()
    (found,) = map(json.loads, run("search", "quokka", repository, "--json", home=own)[1].splitlines())
    assert found["index"]["stale_files"] == 0 and found["results"][0]["symbol"] == "quokka"


# Who may ask


@unix
def test_the_socket_is_the_users_alone(serve, own: Path) -> None:
    serve()
    place = address(own)
    assert place.socket.stat().st_mode & 0o777 == 0o600 and place.folder.stat().st_mode & 0o777 == 0o700
    place.folder.chmod(0o755)
    with pytest.raises(OSError, match="private"):
        protocol.connected(place)
    code, _, err = run("serve", home=own)
    assert code == 2 and b"chmod 700" in err
    place.folder.chmod(0o700)


def test_the_address_fits_a_socket_however_long_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    with tempfile.TemporaryDirectory(prefix="w") as folder:
        short, long = Path(folder), Path(folder, "x" * 120)
        assert len(os.fsencode(address(long).socket)) < 104
        assert address(short).folder == Path(os.path.realpath(short), "run")
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        assert address(long).folder == short / "wayfind" and address(long) != address(short)


@pytest.fixture
def resident(own: Path) -> Iterator[Resident]:
    """One in this process, to be spoken to directly."""
    made = Resident(address(), most_clients=2)
    ready = threading.Event()
    thread = threading.Thread(target=made.run, args=(ready.set,))
    thread.start()
    assert ready.wait(60)
    yield made
    made.end.set()
    thread.join(60)


def said(message: bytes) -> dict | None:
    """What the process replies to these bytes."""
    connection, _ = protocol.connected(address())
    with connection, connection.makefile("rwb") as stream:
        stream.write(message)
        stream.flush()
        connection.shutdown(socket.SHUT_WR)
        while (reply := receive(stream, 1 << 20)) is not None and "progress" in reply:
            pass
        return reply


def request_of(**changes) -> dict:
    return {**hello(address()), "do": "print", "settings": protocol.settings(), "request": Request("search", ("/",), "book", shape=Shape()).as_fields(), **changes}


def test_another_versions_process_is_not_used(resident: Resident) -> None:
    for change in ({"version": "0.0.1"}, {"protocol": 99}, {"home": "/elsewhere"}):
        assert said(json.dumps(request_of(**change)).encode() + b"\n")["refused"] == f"this is wayfind {__version__} for {resident.place.home}"
    assert client.asked(lambda: Request("search", ("/no/such",), "x")) is None


NONSENSE = [b"", b"\n", b"{\n", b"[]\n", b'{"do": "print"', b"\xff\xfe\n", b"[" * 100_000 + b"\n", b'{"do": "' + b"x" * LONGEST_REQUEST + b'"}\n', b"GET / HTTP/1.1\r\n\r\n"]


def test_nonsense_ends_a_connection_and_nothing_else(resident: Resident, repository: Path) -> None:
    for message in NONSENSE:
        try:
            reply = said(message)
        except OSError:  # it hung up on a message that never ends
            reply = None
        assert reply is None or "refused" in reply, message[:20]
    for change in ({"do": "dance"}, {"request": None}, {"request": {"do": "search"}}, {"request": {**request_of()["request"], "k": "many"}}):
        assert said(json.dumps(request_of(**change)).encode() + b"\n").keys() & {"refused", "failed"}
    assert client.asked(lambda: Request("search", (str(repository),), "book")).code == 0


def test_more_clients_than_it_takes_work_alone(resident: Resident, repository: Path) -> None:
    assert resident.active.acquire() and resident.active.acquire()
    assert client.asked(lambda: Request("search", (str(repository),), "book")) is None
    resident.active.release(2)
    assert client.asked(lambda: Request("search", (str(repository),), "book")).code == 0


def test_one_home_has_one(resident: Resident) -> None:
    with pytest.raises(Busy):
        Resident(address()).run()


def test_over_a_port_only_who_has_the_token_is_answered(own: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (protocol, sys.modules["wayfind.serve.resident"]):
        monkeypatch.setattr(module, "uses_ports", lambda: True)
    made, ready = Resident(address()), threading.Event()
    thread = threading.Thread(target=made.run, args=(ready.set,))
    thread.start()
    try:
        assert ready.wait(60) and made.place.port.stat().st_mode & 0o777 == 0o600
        assert client.asked(lambda: Request("search", (str(repository),), "book")).code == 0
        assert said(json.dumps(request_of()).encode() + b"\n") == {"refused": "the token is wrong"}
    finally:
        made.end.set()
        thread.join(60)
    assert not made.place.port.exists()


# The protocol


def test_requests_survive_the_way(repository: Path) -> None:
    request = Request("search", ("/a", "/b\udce9"), "caf\udce9", k=3, languages=("py",), max_tokens=5, shape=Shape("jsonl", "../", True))
    assert Request.of_fields(json.loads(json.dumps(request.as_fields()))) == request


def test_a_message_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "messages"
    file.write_bytes(b'{"a": 1}\n{"b": 2}')
    with file.open("rb") as stream:
        assert receive(stream, 100) == {"a": 1}
        with pytest.raises(ProtocolError):
            receive(stream, 100)


def test_asking_loads_nothing_heavy(serve, own: Path, repository: Path) -> None:
    serve(str(repository))
    code = "import sys; from wayfind.serve.cli import main; code = main(['search', 'book', sys.argv[1]]); print(*sys.modules, file=sys.stderr); sys.exit(code)"
    ran = subprocess.run([sys.executable, "-c", code, repository], capture_output=True, text=True)
    assert ran.returncode == 0
    assert {"numpy", "sqlite3", "Stemmer", "pathspec", "tree_sitter", "wayfind.api", "wayfind.index.refresh", "wayfind.search.engine"}.isdisjoint(ran.stderr.split())
