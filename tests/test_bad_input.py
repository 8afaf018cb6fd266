"""What people and disks get wrong: each case gives a clear message and the right exit code, through a real process."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import LIBRARY, command, plant

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2


def heeding_permissions() -> None:
    """Before a program starts: take from root the right to ignore permissions, so that tests run by root test the same."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None)
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


@pytest.fixture
def guarded(tmp_path: Path):
    """`command`, in a process that permissions bind."""
    (tmp_path / "probe").touch(mode=0)
    if subprocess.run(["cat", tmp_path / "probe"], preexec_fn=heeding_permissions, capture_output=True, check=False).returncode == 0:
        pytest.skip("nothing here can be made unreadable")
    (tmp_path / "probe").unlink()
    return lambda *arguments, **more: command(*arguments, preexec_fn=heeding_permissions, **more)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return plant(tmp_path / "own", LIBRARY)


@pytest.fixture
def own_home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def failed(ran: subprocess.CompletedProcess) -> str:
    """The message of a run that must have failed as it should: exit code 2, nothing printed, no traceback."""
    message = ran.stderr.decode()
    assert ran.returncode == 2, message
    assert ran.stdout == b"" and message.startswith("wayfind: "), message
    assert "Traceback" not in message and "should not happen" not in message, message
    return message


def found(ran: subprocess.CompletedProcess) -> list[dict]:
    """The results of a run with --json that must have found something."""
    assert ran.returncode == 0, ran.stderr.decode()
    return json.loads(ran.stdout)["results"]


def status(root: Path, home: Path) -> dict:
    ran = command("status", root, "--json", home=home)
    assert ran.returncode == 0, ran.stderr.decode()
    return json.loads(ran.stdout)


# What the user types


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search", "x", "/no/such/place"], "no such folder"),
        (["index", "/no/such/place"], "no such folder"),
        (["index", "/no/such/place", "--output", "kept.index"], "no such folder"),
        (["status", "/no/such/place"], "no such folder"),
        (["eval", "/no/such/place"], "no such folder"),
        (["explain", "loans.py:1", "/no/such/place"], "no such folder"),
        (["explain", "/no/such/place.py:1"], "no such file"),
        (["explain", "loans.py:0"], "lines count from 1"),
        (["explain", "loan.py:1"], "not in the index"),
        (["explain", "loans.py:99999"], "no line 99999"),
        (["search", "x", "loans.py"], "is a file"),
        (["search", "x", "--index", "no.index"], "wayfind index PATH --output no.index"),
        (["search", "x", "--index", "loans.py"], "is a file"),
        (["search", "x", "--index", "docs"], "folder without an index"),
        (["index", "--output", "loans.py"], "is a file"),
        (["index", "--output", "docs"], "holds other files"),
        (["index", "--manual", "no.json"], "no.json"),
        (["search", ""], "query is empty"),
        (["search", " \t\n"], "query is empty"),
        (["search", "?!"], "holds no word"),
        (["search", "🎉"], "in double quotes"),
        (["search", "x", "-k", "0"], "at least 1"),
        (["search", "x", "-k", "-3"], "at least 1"),
        (["search", "x", "-k", "many"], "many"),
        (["search", "x", "--max-tokens", "0"], "max-tokens"),
        (["search", "x", "--regex", "(unclosed"], "(unclosed"),
        (["search", "x", "--lang", "klingon"], "klingon"),
        (["search", "x lang:klingon"], "klingon"),
        (["search", "x", "--kind", "poem"], "function"),
        (["search", "x", "--explain", "badly"], "badly"),
        (["search", "x", "--json", "-l"], "one of"),
        (["search", "x", "--no-such-option"], "no-such-option"),
        (["search", "x", ".", "no-such-folder"], "no-such-folder"),
        (["related", "x:1", ".", "too", "many"], "Got unexpected extra argument"),
        (["gc", "--limit", "some"], "500MB"),
        (["eval", "--kinds", "riddle"], "riddle"),
        (["eval", "--systems", "oracle"], "oracle"),
        (["eval", "--spec", "no.yaml"], "no.yaml"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_what_cannot_be_done_is_said(library: Path, home: Path, arguments: list[str], said: str) -> None:
    assert said in failed(command(*arguments, home=home, cwd=library))
    assert not (library / "kept.index").exists()


def test_a_query_of_100_kb(library: Path, home: Path) -> None:
    text = "what does a late reader pay for books \n" * 2600
    ran = command("-", library, "--json", home=home, given=text.encode())
    assert found(ran)[0]["path"] == "loans.py"
    assert b"the first 20,000 are read" in ran.stderr
    assert found(command(text[:100_000], library, "--json", home=home))[0]["path"] == "loans.py"


def test_a_query_with_nul_and_broken_utf8(library: Path, home: Path) -> None:
    assert found(command("-", library, "--json", home=home, given=b"late\0reader \xff\xfe pays"))[0]["path"] == "loans.py"


def test_control_characters_in_a_message_are_escaped(home: Path) -> None:
    message = command("x", "/no/\x1b[31msuch", home=home).stderr
    assert b"\x1b" not in message and b"\\x1b[31msuch" in message


# What a repository may hold


def test_an_empty_repository(tmp_path: Path, home: Path) -> None:
    (tmp_path / "empty").mkdir()
    ran = command("anything", tmp_path / "empty", home=home)
    assert ran.returncode == 1 and b"no text: the folder has no files" in ran.stdout and b"explained" not in ran.stdout
    plant(tmp_path, {"empty/zero.py": ""})
    assert b"no text: everything was skipped" in command("anything", tmp_path / "empty", home=home).stdout
    assert command("index", tmp_path / "empty", home=home).returncode == 0
    standing = command("status", tmp_path / "empty", "--coverage", home=home)
    assert standing.returncode == 0 and b"explained" not in standing.stdout


def test_files_without_a_grammar_are_searched_by_their_text(tmp_path: Path, home: Path) -> None:
    root = plant(tmp_path / "r", {"prog.zork": "begin\n  open the mailbox\nend\n", "noname": "take the leaflet\n"})
    assert found(command("open the mailbox", root, "--json", home=home))[0]["path"] == "prog.zork"
    assert found(command("leaflet", root, "--json", home=home))[0]["path"] == "noname"


def test_a_folder_named_like_a_file_and_a_pipe(own: Path, home: Path) -> None:
    plant(own, {"foo.py/inside.py": "def hidden_garden():\n    return 1\n"})
    os.mkfifo(own / "pipe.py")
    assert found(command("hidden_garden", own, "--json", home=home))[0]["path"] == "foo.py/inside.py"
    assert status(own, home)["index"]["skipped"]["not-a-file"] == 1


def test_nul_bytes_are_counted_as_binary(own: Path, home: Path) -> None:
    plant(own, {"nul.py": b"def f():\n    return 0\0\n"})
    assert found(command("late reader", own, "--json", home=home))
    found_status = status(own, home)
    assert found_status["index"]["skipped"]["binary"] == 1 and found_status["skipped_examples"]["binary"] == ["nul.py"]


def test_nul_bytes_behind_the_first_block(own: Path, home: Path) -> None:
    plant(own, {"late.py": b"# filler\n" * 1000 + b"def walrus():\n    return '\0'\n"})
    assert found(command("walrus", own, "--json", home=home))[0]["path"] == "late.py"


def test_ten_megabytes_on_one_line(own: Path, home: Path) -> None:
    plant(own, {"data.json": b'{"x": "' + b"word " * 2_000_000 + b'"}', "wide.py": b"table = [" + b"17, " * 200_000 + b"]\n"})
    assert found(command("late reader", own, "--json", home=home))[0]["path"] == "loans.py"
    assert status(own, home)["index"]["skipped"]["too-large"] == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("deep.py", "x = " + "(" * 20_000 + ")" * 20_000 + "\n"),
        ("deep.js", "f(" * 20_000 + ")" * 20_000 + "\n"),
        ("deep.json", "[" * 20_000 + "]" * 20_000 + "\n"),
        ("deep.yaml", "[" * 20_000 + "]" * 20_000 + "\n"),
        ("deep.c", "{" * 20_000 + "}" * 20_000 + "\n"),
        ("deep.md", "> " * 20_000 + "x\n"),
        ("ifs.py", "".join(" " * n + "if x:\n" for n in range(400)) + " " * 400 + "pass\n"),
    ],
    ids=lambda value: value if len(value) < 20 else "",
)
def test_deep_nesting(own: Path, home: Path, name: str, text: str) -> None:
    plant(own, {name: text})
    assert found(command("late reader", own, "--json", home=home))[0]["path"] == "loans.py"
    index = status(own, home)["index"]
    assert index["files"] + sum(index["skipped"].values()) == 6


def test_control_characters_in_file_names(own: Path, home: Path) -> None:
    plant(own, {"evil\x1b[31m\n.py": "def walrus():\n    return 1\n"})
    ran = command("walrus", own, home=home)
    assert ran.returncode == 0 and b"\x1b" not in ran.stdout and b"evil\\x1b[31m\\n.py:1" in ran.stdout
    assert found(command("walrus", own, "--json", home=home))[0]["path"] == "evil\x1b[31m\n.py"
    assert b"\x1b" not in command("status", own, "--coverage", home=home).stdout
    assert command("walrus", own, "-l", home=home).stdout == os.fsencode(own / "evil\x1b[31m\n.py") + b"\n"


def test_links_out_of_the_root_and_to_nowhere(own: Path, home: Path, tmp_path: Path) -> None:
    plant(tmp_path, {"outside.py": "def walrus():\n    return 1\n"})
    (own / "out.py").symlink_to(tmp_path / "outside.py")
    (own / "loop").symlink_to(own)
    (own / "nowhere.py").symlink_to("gone.py")
    assert command("walrus", own, home=home).returncode == 1
    assert sum(status(own, home)["index"]["skipped"].values()) == 3


def test_an_unreadable_file_is_counted(own: Path, home: Path, guarded) -> None:
    (own / "settings.toml").chmod(0)
    (own / "docs").chmod(0)
    assert found(guarded("late reader", own, "--json", home=home))
    assert json.loads(guarded("status", own, "--json", home=home).stdout)["index"]["skipped"]["unreadable"] == 2
    (own / "docs").chmod(0o755)


def test_an_unreadable_root(tmp_path: Path, home: Path, guarded) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    failed(guarded("x", tmp_path / "closed", home=home))


def test_a_file_that_goes_while_it_is_read_is_no_error(own: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands for every read that fails: the walk admits the file, then it is not there."""
    program = f"""
import pathlib, sys
from wayfind.serve.cli import main
read = pathlib.Path.read_bytes
def refuse(path):
    if path.name == "settings.toml":
        raise OSError(5, "Input/output error")
    return read(path)
pathlib.Path.read_bytes = refuse
sys.exit(main(["index", {str(own)!r}]))
"""
    ran = subprocess.run([sys.executable, "-c", program], env={**os.environ, "WAYFIND_HOME": str(home)}, capture_output=True, check=False)
    assert ran.returncode == 0 and b"1 unreadable" in ran.stdout


# What may happen to an index


def _files(home: Path, pattern: str) -> list[Path]:
    files = sorted(home.rglob(pattern))
    assert files
    return files


def _flip(file: Path, share: float = 0.5) -> None:
    """Turn some bytes of a file over."""
    data = bytearray(file.read_bytes())
    middle = int(len(data) * share)
    for place in range(middle, min(middle + 64, len(data))):
        data[place] ^= 0xFF
    file.write_bytes(data)


def _version(file: Path) -> None:
    database = sqlite3.connect(file)
    database.execute("PRAGMA user_version=99")
    database.close()


def _flip_segment(home: Path) -> None:
    _flip(_files(home, "*.seg")[0])


def _cut_segment(home: Path) -> None:
    file = _files(home, "*.seg")[0]
    file.write_bytes(file.read_bytes()[:1000])


def _empty_segment(home: Path) -> None:
    _files(home, "*.seg")[0].write_bytes(b"")


def _lose_segment(home: Path) -> None:
    _files(home, "*.seg")[0].unlink()


def _flip_content(home: Path) -> None:
    """Damage a stored row as a bad disk would, so that only the checksum can tell."""
    database = sqlite3.connect(_files(home, "content.sqlite")[0])
    for key, record in database.execute("SELECT key, record FROM content").fetchall():
        database.execute("UPDATE content SET record = ? WHERE key = ?", (record[:-9] + bytes(b ^ 0xFF for b in record[-9:]), key))
    database.commit()
    database.close()


def _scramble_content(home: Path) -> None:
    _files(home, "content.sqlite")[0].write_bytes(b"This is no database. " * 500)


def _scramble_catalogue(home: Path) -> None:
    _files(home, "catalogue.sqlite")[0].write_bytes(b"This is no database. " * 500)


def _flip_catalogue(home: Path) -> None:
    file = _files(home, "catalogue.sqlite")[0]
    for page in range(1, file.stat().st_size // 4096):
        _flip(file, (page * 4096 + 2) / file.stat().st_size)


def _other_catalogue(home: Path) -> None:
    _version(_files(home, "catalogue.sqlite")[0])


def _other_content(home: Path) -> None:
    _version(_files(home, "content.sqlite")[0])


def _other_segment(home: Path) -> None:
    file = _files(home, "*.seg")[0]
    file.write_bytes(file.read_bytes().replace(b"WAYFIND SEGMENT 1\n", b"WAYFIND SEGMENT 9\n", 1))


HARM = (
    _flip_segment, _cut_segment, _empty_segment, _lose_segment, _flip_content, _scramble_content, _scramble_catalogue, _flip_catalogue,
    _other_catalogue, _other_content, _other_segment,
)  # fmt: skip


@pytest.mark.parametrize("harm", HARM, ids=lambda harm: harm.__name__)
def test_harm_is_found_and_mended_by_the_command_that_is_named(own: Path, own_home: Path, harm: Callable[[Path], None]) -> None:
    before = found(command("book", own, "--json", home=own_home))
    harm(own_home)
    message = failed(command("book", own, "--json", home=own_home))
    mending = next((words for words in (["doctor", own, "--repair"], ["index", own, "--rebuild"]) if f"wayfind {words[0]}" in message and words[-1] in message), None)
    assert mending, message
    ran = command(*mending, home=own_home)
    assert ran.returncode == 0, ran.stderr
    assert found(command("book", own, "--json", home=own_home)) == before


@pytest.mark.parametrize("harm", [_flip_segment, _flip_content, _scramble_catalogue], ids=lambda harm: harm.__name__)
def test_doctor_names_the_harm_and_changes_nothing_unasked(own: Path, own_home: Path, harm: Callable[[Path], None]) -> None:
    command("index", own, home=own_home)
    harm(own_home)
    ran = command("doctor", own, home=own_home)
    assert ran.returncode == 2 and b"--repair" in ran.stdout + ran.stderr
    failed(command("book", own, home=own_home))


def test_a_disk_that_is_full(own: Path, own_home: Path) -> None:
    """A limit on file size stands for a full disk: both make a write fail in its middle."""
    plant(own, {f"many/f{n}.py": f"def function_{n}(a, b):\n    return a + b + {n}\n" for n in range(200)})

    def small() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    message = failed(command("late reader", own, home=own_home, preexec_fn=small))
    assert "WAYFIND_HOME" in message or "space" in message
    assert found(command("late reader", own, "--json", home=own_home))


def test_a_full_disk_leaves_the_old_generation(own: Path, own_home: Path) -> None:
    before = found(command("late reader", own, "--json", home=own_home))
    plant(own, {f"many/f{n}.py": f"def function_{n}(a, b):\n    return a + b + {n}\n" for n in range(200)})

    def small() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    ran = command("late reader", own, "--json", home=own_home, preexec_fn=small)
    assert found(ran) == before
    assert json.loads(ran.stdout)["index"]["stale_files"] == 200


def test_a_home_below_a_file(own: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "WAYFIND_HOME" in failed(command("x", own, home=tmp_path / "file" / "home"))


def test_a_home_that_may_not_be_written(own: Path, own_home: Path, guarded) -> None:
    own_home.mkdir(mode=0o500)
    assert "WAYFIND_HOME" in failed(guarded("x", own, home=own_home))


def test_an_index_that_may_not_be_written_is_read(own: Path, own_home: Path, guarded) -> None:
    before = found(command("late reader", own, "--json", home=own_home))
    for place in (own_home, *own_home.rglob("*")):
        place.chmod(0o500 if place.is_dir() else 0o400)
    assert found(guarded("late reader", own, "--json", home=own_home)) == before


# Streams and signals


def test_a_reader_that_leaves_early_is_no_error(library: Path, home: Path) -> None:
    line = f"'{sys.executable}' -m wayfind.serve.cli status '{library}' --coverage --json | head -c 1"
    ran = subprocess.run(["bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}"], env={**os.environ, "WAYFIND_HOME": str(home)}, capture_output=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, b"")


def test_a_pipe_that_is_closed_already_is_no_error(library: Path, home: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    line = [sys.executable, "-m", "wayfind.serve.cli", "book", str(library)]
    ran = subprocess.run(line, env={**os.environ, "WAYFIND_HOME": str(home)}, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (ran.returncode, ran.stderr) == (0, b"")


@pytest.mark.parametrize("closed", [">&-", ">/dev/full"])
def test_an_answer_that_cannot_be_written_fails(library: Path, home: Path, closed: str) -> None:
    line = f"'{sys.executable}' -m wayfind.serve.cli book '{library}' {closed}"
    ran = subprocess.run(["bash", "-c", line], env={**os.environ, "WAYFIND_HOME": str(home)}, capture_output=True, check=False)
    assert ran.returncode == 2 and ran.stderr.startswith(b"wayfind: ") and b"Traceback" not in ran.stderr


def test_all_streams_closed_harm_nothing(own: Path, home: Path) -> None:
    line = f"'{sys.executable}' -m wayfind.serve.cli index '{own}' <&- >&- 2>&-"
    subprocess.run(["bash", "-c", line], env={**os.environ, "WAYFIND_HOME": str(home)}, check=False)
    assert found(command("late reader", own, "--json", home=home))


@pytest.fixture
def indexing(tmp_path: Path, own_home: Path):
    """Start to index many files; hands out the running process once it has stored the first of them."""
    plant(tmp_path / "many", {f"f{n}.py": f"def function_{n}(a):\n    return a + {n}\n" * 8 for n in range(1000)})
    running = []

    def start(jobs: int) -> subprocess.Popen:
        line = [sys.executable, "-m", "wayfind.serve.cli", "index", str(tmp_path / "many"), "--jobs", str(jobs)]
        environment = {**os.environ, "WAYFIND_HOME": str(own_home)}
        running.append(subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True))
        _until(lambda: sum(file.stat().st_size for file in own_home.glob("content.sqlite*")) > 100_000)
        return running[0]

    yield start
    for process in running:
        process.communicate(timeout=60)


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupted_index_is_taken_up_again(tmp_path: Path, own_home: Path, indexing, jobs: int) -> None:
    running = indexing(jobs)
    os.killpg(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (130, b"", b"")
    assert found(command("function_7", tmp_path / "many", "--json", "-k", "1", home=own_home))[0]["path"] == "f7.py"


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_index_costs_nothing_and_leaves_no_process(tmp_path: Path, own_home: Path, indexing, jobs: int) -> None:
    running = indexing(jobs)
    running.kill()
    _until(lambda: not _alive(running.pid))
    assert not _alive(running.pid)
    assert found(command("function_7", tmp_path / "many", "--json", "-k", "1", home=own_home))[0]["path"] == "f7.py"
    assert command("doctor", tmp_path / "many", "--repair", home=own_home).returncode == 0


def _alive(group: int) -> list[str]:
    """Processes of a group that run."""
    states = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgrp = file.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(pgrp) == group and state != "Z":
            states.append(file.parent.name)
    return states


def test_an_interrupt_while_waiting_for_input(library: Path, home: Path) -> None:
    line = [sys.executable, "-m", "wayfind.serve.cli", "-", str(library)]
    with subprocess.Popen(line, env={**os.environ, "WAYFIND_HOME": str(home)}, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        _until(lambda: "pipe" in Path(f"/proc/{running.pid}/wchan").read_text(), seconds=3)
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 130


def _until(true: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.01)


def test_a_home_removed_between_two_searches(own: Path, own_home: Path) -> None:
    assert found(command("late reader", own, "--json", home=own_home))
    shutil.rmtree(own_home)
    assert found(command("late reader", own, "--json", home=own_home))


def test_a_search_below_an_indexed_folder_takes_its_index_and_says_so(tmp_path, home):
    root = plant(tmp_path / "whole", {"src/lib/fines.py": 'def fine(days):\n    """What a late reader pays."""\n    return days * 0.2\n', "doc/desk.md": "# Desk\n\nWhere books are lent.\n"})
    assert command("index", root, home=home).returncode == 0
    below = command("what does a late reader pay", "-l", home=home, cwd=root / "doc")
    assert below.returncode == 0 and b"src/lib/fines.py" in below.stdout and b"searching" in below.stderr
    alone = command("books are lent", ".", "-l", home=home, cwd=root / "doc")
    assert b"desk.md" in alone.stdout and b"searching" not in alone.stderr


def test_a_search_below_a_repository_that_is_not_indexed_takes_the_repository_unless_that_leaves_the_folder_out(tmp_path, own_home):
    root = plant(
        tmp_path / "whole",
        {"lib/fines.py": 'def fine(days):\n    """What a late reader pays."""\n    return days * 0.2\n', "doc/desk.md": "# Desk\n\nBooks are lent.\n", "out/made.md": "# Late reader\n\nPays.\n", ".gitignore": "out/\n"},
    )
    (root / ".git").mkdir()
    said = command("status", home=own_home, cwd=root / "doc")
    assert said.returncode == 1 and f"{root} is not indexed".encode() in said.stdout
    below = command("what does a late reader pay", "-l", home=own_home, cwd=root / "doc")
    assert b"lib/fines.py" in below.stdout and f"searching {root}, which this folder is a part of".encode() in below.stderr
    assert str(root).encode() in command("status", home=own_home, cwd=root / "lib").stdout
    ignored = command("what does a late reader pay", "-l", home=own_home, cwd=root / "out")
    assert ignored.stdout == b"made.md\n" and b"searching" not in ignored.stderr


def test_a_search_of_a_subfolder_leaves_later_searches_the_repository(tmp_path, own_home):
    """A search of `.` once made every later one in that folder smaller, without a word."""
    root = plant(tmp_path / "whole", {"lib/fines.py": 'def fine(days):\n    """What a late reader pays."""\n    return days * 0.2\n', "doc/desk.md": "# Desk\n\nBooks are lent to a late reader.\n", "doc/deep/a.md": "# A\n"})
    (root / ".git").mkdir()

    def files(*arguments: str, below: str = "doc") -> tuple[bytes, int]:
        ran = command("what does a late reader pay", *arguments, "--json", home=own_home, cwd=root / below)
        return ran.stderr, json.loads(ran.stdout)["index"]["files"]

    for _ in range(2):
        said, count = files()
        assert count == 3 and f"searching {root}, which this folder is a part of; this folder alone: wayfind TEXT .".encode() in said
        assert files(".") == (b"", 2)
    assert json.loads(command("explain", "desk.md:1", "--json", home=own_home, cwd=root / "doc").stdout)["index"]["files"] == 3
    assert command("index", ".", "--no-vectors", home=own_home, cwd=root / "doc").returncode == 0
    for below in ("doc", "doc/deep"):
        said, count = files(below=below)
        assert count == 2 and f"searching {root}/doc alone, which was indexed by itself; the whole repository: wayfind TEXT {root}".encode() in said
    assert files(below="lib")[1] == 3
    assert json.loads(command("explain", "desk.md:1", "--json", home=own_home, cwd=root / "doc").stdout)["index"]["files"] == 2
    assert command("forget", ".", home=own_home, cwd=root / "doc").returncode == 0
    assert files()[1] == 3


@pytest.mark.parametrize("arguments", [("feedback", "--list"), ("feedback", "--delete", "all"), ("status",), ("learn", "--status"), ("learn", "--rollback"), ("learn", "--export", "f")])
def test_what_only_looks_begins_no_index(tmp_path, own_home, arguments):
    folder = plant(tmp_path / "plain", {"a.py": "a = 1\n"})
    ran = command(*arguments, home=own_home, cwd=folder)
    assert ran.returncode in (0, 1) or b"nothing was indexed or learned" in ran.stderr
    assert not list(own_home.glob("trees/*"))


@pytest.mark.parametrize(("arguments", "doing"), [(("index", "--no-vectors"), "indexing"), (("eval", "--kinds", "docstring"), "measuring"), (("learn",), "learning on")])
def test_what_works_on_a_repository_takes_the_whole_of_it_from_below(tmp_path, own_home, arguments, doing):
    root = plant(tmp_path / "whole", {"lib/fines.py": 'def fine(days):\n    """What a late reader pays."""\n    return days * 0.2\n', "doc/desk.md": "# Desk\n\nBooks are lent.\n"})
    (root / ".git").mkdir()
    below = command(*arguments, home=own_home, cwd=root / "doc")
    assert f"{doing} {root}, which this folder is a part of; this folder alone: wayfind {arguments[0]} .".encode() in below.stderr
    looked = command("status", "--json", home=own_home, cwd=root)
    assert doing == "measuring" or json.loads(looked.stdout)["index"]["root"] == str(root)
