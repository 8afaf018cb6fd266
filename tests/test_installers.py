"""Wayfind in the settings of coding agents: what is put in comes out again, and nothing of others is touched."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import plant
from hypothesis import given, settings
from hypothesis import strategies as st

from wayfind.errors import StorageError, UsageError
from wayfind.serve.clients import jsonc, markdown, toml
from wayfind.serve.clients.client import CLIENTS, Place, parts_of, text
from wayfind.serve.clients.jsonc import Malformed
from wayfind.serve.clients.part import Block, JsonMember, TomlTable
from wayfind.serve.installed import installing, make, read_record, records, uninstalling
from wayfind.serve.installing import NAMES, server_command

PYTHON = sys.executable
PATH, ENTRY = ("mcpServers", "wayfind"), {"command": "wayfind", "args": ["mcp"]}


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for each test, so that none reads or writes the settings of whoever runs them."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "CODEX_HOME", "CLAUDE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "repo")
    return tmp_path / "repo"


def wayfind(*arguments: str, env: dict | None = None, given: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess:
    line = [sys.executable, "-W", "error", "-m", "wayfind", *arguments]
    return subprocess.run(line, capture_output=True, text=True, input=given, env={**os.environ, **(env or {})}, cwd=cwd, check=False)


def bytes_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and ".local" not in path.parts}


# Texts with comments, as hypothesis makes them

blank = st.text(" \t\n", max_size=3)
words = st.text('ab "{}:,[]/', max_size=6)
comment = st.one_of(st.just(""), words.map(lambda t: f"//{t}\n"), words.map(lambda t: f"/*{t.replace('/', '')}*/"))
gap = st.tuples(blank, comment, blank).map("".join)
scalar = st.one_of(st.integers(-5, 5).map(str), st.text(max_size=4).map(json.dumps), st.sampled_from(["true", "null", "1.5e3"]))
key = st.sampled_from(["a", "b", "mcpServers", "wayfind", "mcp"]).map(json.dumps)


@st.composite
def objects(draw, inner):
    members = draw(st.lists(st.tuples(gap, key, gap, st.just(":"), gap, inner, gap).map("".join), max_size=4))
    trailing = "," + draw(gap) if members and draw(st.booleans()) else ""
    return "{" + (",".join(members) + trailing if members else draw(gap)) + "}"


@st.composite
def arrays(draw, inner):
    return "[" + ",".join(draw(st.lists(st.tuples(gap, inner, gap).map("".join), max_size=3))) + "]"


values = st.recursive(scalar, lambda inner: st.one_of(objects(inner), arrays(inner)), max_leaves=8)
documents = st.tuples(st.sampled_from(["", "\ufeff"]), gap, objects(values), gap).map("".join)
documents = st.tuples(documents, st.booleans()).map(lambda made: made[0].replace("\n", "\r\n") if made[1] else made[0])


def without_entry(data: dict) -> dict:
    servers = data.get(PATH[0], {})
    return {**data, PATH[0]: {name: value for name, value in servers.items() if name != PATH[1]}}


@settings(max_examples=400, deadline=None)
@given(documents)
def test_a_member_is_put_in_and_taken_out_of_any_json_with_comments(document: str) -> None:
    data = jsonc.value_of(document)
    if not isinstance(data.get(PATH[0], {}), dict):
        with pytest.raises(Malformed, match="expected an object for mcpServers"):
            jsonc.with_member(document, PATH, ENTRY)
        return
    made = jsonc.with_member(document, PATH, ENTRY)
    others = without_entry(data)
    assert jsonc.value_of(made) == {**others, PATH[0]: {**others[PATH[0]], PATH[1]: ENTRY}}
    assert jsonc.with_member(made, PATH, ENTRY) == made
    back = jsonc.without_member(made, PATH)
    assert jsonc.value_of(back) == others
    if data.get(PATH[0]) and PATH[1] not in data[PATH[0]] and document.count('"mcpServers"') == 1:
        assert back == document  # byte for byte, without any record


@settings(max_examples=80, deadline=None)
@given(documents)
def test_uninstall_gives_back_any_json_byte_for_byte(tmp_path_factory: pytest.TempPathFactory, document: str) -> None:
    file = tmp_path_factory.mktemp("any") / "settings.json"
    file.write_bytes(before := document.encode("utf-8", "surrogatepass"))
    part = JsonMember(file, PATH, ENTRY)
    try:
        make([installing(part, "claude user")])
    except (Malformed, UsageError):  # no object there, or a lone surrogate that is no UTF-8
        assert file.read_bytes() == before
        return
    make([uninstalling(part, "claude user")])
    assert file.read_bytes() == before


TOML = st.lists(
    st.sampled_from(
        ["# a comment\n", "\n", "x = 1 # why\n", "[table]\n", "y = '''\n# no comment\n'''\n", '[mcp_servers.other]\ncommand = "o"\n', "[[many]]\nz = 2\n", "\r\n", "n = nan\n"]
    ),
    max_size=7,
).map("".join)


@settings(max_examples=80, deadline=None)
@given(TOML, st.sampled_from(["", "\ufeff"]), st.booleans())
def test_uninstall_gives_back_any_toml_byte_for_byte(tmp_path_factory: pytest.TempPathFactory, document: str, mark: str, cut: bool) -> None:
    file = tmp_path_factory.mktemp("any") / "config.toml"
    file.write_bytes(before := (mark + (document.rstrip("\n") if cut else document)).encode())
    part = TomlTable(file, ("mcp_servers", "wayfind"), ENTRY)
    try:
        change = installing(part, "codex user")
    except Malformed:  # a key or table twice
        return
    make([change])
    assert toml.value_of(file.read_text(encoding="utf-8"))["mcp_servers"]["wayfind"] == ENTRY
    make([uninstalling(part, "codex user")])
    assert file.read_bytes() == before


@settings(max_examples=60, deadline=None)
@given(st.text("ab#<!- \n\r\ufeff", max_size=30))
def test_uninstall_gives_back_any_markdown_byte_for_byte(tmp_path_factory: pytest.TempPathFactory, document: str) -> None:
    file = tmp_path_factory.mktemp("any") / "AGENTS.md"
    file.write_bytes(before := document.encode())
    part = Block(file, text())
    make([installing(part, "codex user")])
    assert file.read_bytes().startswith(before) and markdown.BEGIN in file.read_text(encoding="utf-8")
    make([uninstalling(part, "codex user")])
    assert file.read_bytes() == before


@pytest.mark.parametrize("ending", [", // of o", " // of o", ", /* of o */", " /* of o */"])
def test_a_comment_stays_on_the_line_of_its_member(ending: str) -> None:
    made = jsonc.with_member(f'{{\n  "mcpServers": {{\n    "o": {{}}{ending}\n  }}\n}}\n', PATH, ENTRY)
    assert f'"o": {{}}{ending}\n' in made and jsonc.value_of(made) == {"mcpServers": {"o": {}, "wayfind": ENTRY}}


# What is written


@pytest.mark.parametrize("scope", ["user", "project"])
@pytest.mark.parametrize("agent", CLIENTS)
def test_two_installs_are_one_and_uninstall_leaves_no_trace(agent: str, scope: str, repo: Path, own_home: Path) -> None:
    before = bytes_below(repo.parent)
    assert wayfind("install", agent, f"--{scope}", "--yes").returncode == 0
    once = bytes_below(repo.parent)
    assert len(once) > len(before)
    again = wayfind("install", agent, f"--{scope}", "--yes")
    assert again.stdout == f"{agent} knows Wayfind already\n" and bytes_below(repo.parent) == once
    assert wayfind("uninstall", agent, "--yes").returncode == 0
    assert bytes_below(repo.parent) == before and not records()
    assert sorted(path.name for path in repo.iterdir()) == [".git"]
    assert wayfind("uninstall", agent, "--yes").returncode == 1


FORMATS = {
    ("claude", "project"): (".mcp.json", {"mcpServers": {"wayfind": {"type": "stdio", "command": "wayfind", "args": ["mcp"]}}}),
    ("cursor", "project"): (".cursor/mcp.json", {"mcpServers": {"wayfind": {"command": "wayfind", "args": ["mcp"]}}}),
    ("opencode", "project"): ("opencode.json", {"mcp": {"wayfind": {"type": "local", "command": ["wayfind", "mcp"], "enabled": True}}}),
    ("gemini", "project"): (".gemini/settings.json", {"mcpServers": {"wayfind": {"command": "wayfind", "args": ["mcp"]}}}),
    ("vscode", "project"): (".vscode/mcp.json", {"servers": {"wayfind": {"type": "stdio", "command": "wayfind", "args": ["mcp"]}}}),
}


@pytest.mark.parametrize(("agent", "scope"), FORMATS)
def test_the_entry_is_in_the_agents_own_format(agent: str, scope: str, repo: Path) -> None:
    file, expected = FORMATS[agent, scope]
    assert wayfind("install", agent, f"--{scope}", "--yes").returncode == 0
    assert json.loads((repo / file).read_text()) == expected


def test_codex_gets_a_table_and_the_users_entry_starts_a_program_that_is_there(own_home: Path, repo: Path) -> None:
    assert wayfind("install", "codex", "--yes").returncode == 0
    entry = toml.value_of((own_home / ".codex" / "config.toml").read_text())["mcp_servers"]["wayfind"]
    assert [entry["command"], *entry["args"]] == list(server_command("user")) and shutil.which(entry["command"])
    assert "ripgrep" in (own_home / ".codex" / "AGENTS.md").read_text()


def test_the_names_of_the_command_are_the_agents() -> None:
    assert set(NAMES) == set(CLIENTS)


def test_what_agents_are_told_says_when_not_to_use_it_and_is_short() -> None:
    assert "Do not use it for" in text() and "ripgrep" in text() and len(text().split()) < 220


def test_folders_that_the_environment_names_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repo: Path) -> None:
    place = Place("user", repo, ("wayfind", "mcp"))
    for variable, agent, file in (
        ("CLAUDE_CONFIG_DIR", "claude", ".claude.json"),
        ("CODEX_HOME", "codex", "config.toml"),
        ("XDG_CONFIG_HOME", "opencode", "opencode/opencode.json"),
        ("XDG_CONFIG_HOME", "vscode", "Code/User/mcp.json"),
    ):
        monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
        if agent != "vscode" or sys.platform == "linux":
            assert parts_of(agent, place)[0].file == tmp_path / "elsewhere" / file


def test_opencodes_file_with_comments_is_used_where_it_is_there(repo: Path) -> None:
    plant(repo, {"opencode.jsonc": '{\n  // mine\n  "model": "x",\n}\n'})
    assert wayfind("install", "opencode", "--project", "--yes").returncode == 0
    made = (repo / "opencode.jsonc").read_text()
    assert made.startswith('{\n  // mine\n  "model": "x",\n  "mcp": {\n    "wayfind": {') and not (repo / "opencode.json").exists()


# The difference, and asking


def test_dry_run_shows_the_difference_and_writes_nothing(repo: Path) -> None:
    plant(repo, {".mcp.json": '{"mcpServers": {"other": {"command": "o"}}}\n'})
    before = bytes_below(repo.parent)
    ran = wayfind("install", "claude", "--project", "--dry-run")
    assert ran.returncode == 0 and "--- " in ran.stdout and '+{"mcpServers": {"other": {"command": "o"}, "wayfind": ' in ran.stdout
    assert bytes_below(repo.parent) == before and not records()


def test_nothing_is_written_where_nobody_can_be_asked(repo: Path) -> None:
    ran = wayfind("install", "claude", "--project")
    assert ran.returncode == 2 and "--yes" in ran.stderr and not (repo / ".mcp.json").exists()


def test_two_agents_share_a_file_until_both_are_gone(repo: Path) -> None:
    for agent in ("codex", "opencode"):
        assert wayfind("install", agent, "--project", "--yes").returncode == 0
    assert "AGENTS.md: kept for opencode project" in wayfind("uninstall", "codex", "--project", "--yes").stdout
    assert (repo / "AGENTS.md").exists() and not (repo / ".codex").exists()
    assert wayfind("uninstall", "codex", "--project", "--yes").returncode == 1
    assert wayfind("uninstall", "opencode", "--project", "--yes").returncode == 0
    assert not (repo / "AGENTS.md").exists()


# Others write too


def test_what_others_wrote_since_stays_and_that_is_said(repo: Path) -> None:
    plant(repo, {"CLAUDE.md": "# Mine\n", ".mcp.json": '{\n\t"mcpServers": {\n\t\t"other": {"command": "o"} // keep\n\t}\n}\n'})
    assert wayfind("install", "claude", "--project", "--yes").returncode == 0
    notes, servers = repo / "CLAUDE.md", repo / ".mcp.json"
    notes.write_text(notes.read_text().replace("# Mine", "# Ours") + "\nMore.\n")
    data = jsonc.with_member(servers.read_text(), ("mcpServers", "third"), {"url": "u"})
    servers.write_text(data)
    ran = wayfind("uninstall", "claude", "--yes")
    assert ran.stdout.count("it has changed since; only Wayfind's part is taken out") == 2
    assert notes.read_text() == "# Ours\n\nMore.\n"
    assert servers.read_text().count("// keep") == 1
    assert jsonc.value_of(servers.read_text()) == {"mcpServers": {"other": {"command": "o"}, "third": {"url": "u"}}}


def test_an_entry_that_somebody_else_wrote_is_given_back(repo: Path) -> None:
    own = '{"mcpServers": {"wayfind": {"command": "/old/wayfind"}}}'
    plant(repo, {".mcp.json": own})
    assert wayfind("install", "claude", "--project", "--yes").returncode == 0
    assert wayfind("uninstall", "claude", "--project", "--yes").returncode == 0
    assert (repo / ".mcp.json").read_text() == own


def test_an_install_over_an_older_one_is_undone_to_before_the_first(repo: Path) -> None:
    file = repo / "settings.json"
    file.write_text('{"a": 1}')
    old, new = (JsonMember(file, PATH, {"command": name}) for name in ("/old/wayfind", "/new/wayfind"))
    make([installing(old, "gemini user")])
    make([installing(new, "gemini user")])
    assert json.loads(file.read_text())["mcpServers"]["wayfind"] == {"command": "/new/wayfind"}
    make([uninstalling(new, "gemini user")])
    assert file.read_text() == '{"a": 1}'


def test_a_committed_entry_is_taken_out_without_a_record(repo: Path) -> None:
    assert wayfind("install", "codex", "--project", "--yes").returncode == 0
    shutil.rmtree(Path.home() / ".local")
    assert wayfind("uninstall", "codex", "--project", "--yes").returncode == 0
    assert not (repo / "AGENTS.md").exists() and not (repo / ".codex" / "config.toml").exists()


def test_a_key_added_inside_wayfinds_table_is_not_moved_to_another(repo: Path) -> None:
    file = repo / "config.toml"
    part = TomlTable(file, ("mcp_servers", "wayfind"), ENTRY)
    file.write_text("[first]\nx = 1\n")
    make([installing(part, "codex user")])
    file.write_text(file.read_text() + "mine = true\n")
    try:
        make([uninstalling(part, "codex user")])
    except UsageError as error:
        assert "by hand" in str(error)
    assert "mine" not in toml.value_of(file.read_text())["first"]


def test_an_inline_table_of_servers_is_extended(repo: Path) -> None:
    made = toml.with_table('mcp_servers = { other = { command = "o" } } # mine\n', ("mcp_servers", "wayfind"), ENTRY)
    assert toml.value_of(made)["mcp_servers"] == {"other": {"command": "o"}, "wayfind": ENTRY} and "# mine" in made
    assert toml.value_of(toml.without_table(made, ("mcp_servers", "wayfind"))) == {"mcp_servers": {"other": {"command": "o"}}}


def test_a_file_that_changes_between_the_difference_and_the_writing_is_left_alone(repo: Path) -> None:
    file = plant(repo, {"CLAUDE.md": "before\n"}) / "CLAUDE.md"
    change = installing(Block(file, "x"), "claude project")
    file.write_text("edited meanwhile\n")
    with pytest.raises(UsageError, match="changed by another program meanwhile"):
        make([change])
    assert file.read_text() == "edited meanwhile\n" and not records()


# Files that cannot be written


@pytest.mark.parametrize(
    ("agent", "file", "content", "place"),
    [
        ("claude", ".mcp.json", '{"a": 1,\n "b" 2}', ":2:6: expected"),
        ("claude", ".mcp.json", "[]", ":1:1: expected an object"),
        ("claude", ".mcp.json", '{"mcpServers": []}', ":1:16: expected an object for mcpServers, found an array"),
        ("vscode", ".vscode/mcp.json", '{"a": 1 /* never ends', ":1:9: a comment without its end"),
        ("codex", ".codex/config.toml", "x = 1\ny = = 2\n", ":2:"),
        ("codex", ".codex/config.toml", "x = 1\na = [1\n", ":2:7: the file ends in the middle of a value"),
        ("codex", ".codex/config.toml", 'a = "b', ":1:7: the file ends in the middle of a value"),
        ("gemini", ".gemini/settings.json", "{" * 500, "nested too deeply"),
    ],
)
def test_a_file_with_an_error_is_refused_with_its_place(agent: str, file: str, content: str, place: str, repo: Path) -> None:
    plant(repo, {file: content})
    if place.startswith("nested"):
        (repo / file).write_text('{"a":' * 500)
    before = bytes_below(repo)
    ran = wayfind("install", agent, "--project", "--yes")
    assert ran.returncode == 2 and place in ran.stderr and "nothing was written" in ran.stderr
    assert bytes_below(repo) == before


def test_a_file_that_is_not_utf8_is_refused(repo: Path) -> None:
    plant(repo, {"CLAUDE.md": b"caf\xe9\n"})
    ran = wayfind("install", "claude", "--project", "--yes")
    assert ran.returncode == 2 and "byte 4 is not UTF-8" in ran.stderr and not (repo / ".mcp.json").exists()


def test_a_read_only_file_is_refused_and_nothing_is_half_done(repo: Path) -> None:
    (plant(repo, {"CLAUDE.md": "mine\n"}) / "CLAUDE.md").chmod(0o444)
    ran = wayfind("install", "claude", "--project", "--yes")
    assert ran.returncode == 2 and "is read-only; nothing was written" in ran.stderr
    assert not (repo / ".mcp.json").exists() and (repo / "CLAUDE.md").read_text() == "mine\n"


def test_where_the_second_file_cannot_be_written_the_first_is_put_back(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(repo, {"one.json": "{}\n"})
    second = repo / "RULES.md"
    changes = [installing(JsonMember(repo / "one.json", PATH, ENTRY), "cursor project"), installing(Block(second, "x"), "cursor project")]
    replace = os.replace

    def refused(source, target):
        if Path(target) == second:
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(StorageError, match="nothing was changed"):
        make(changes)
    assert (repo / "one.json").read_text() == "{}\n" and not second.exists() and not records()


def test_a_linked_file_is_written_where_it_leads_and_stays_a_link(repo: Path, own_home: Path, tmp_path: Path) -> None:
    dotfiles = plant(tmp_path / "dotfiles", {"settings.json": '{"theme": "x"}\n'}) / "settings.json"
    (own_home / ".gemini").mkdir()
    (own_home / ".gemini" / "settings.json").symlink_to(dotfiles)
    assert wayfind("install", "gemini", "--yes").returncode == 0
    assert (own_home / ".gemini" / "settings.json").is_symlink() and "mcpServers" in json.loads(dotfiles.read_text())
    assert wayfind("uninstall", "gemini", "--yes").returncode == 0
    assert (own_home / ".gemini" / "settings.json").is_symlink() and dotfiles.read_text() == '{"theme": "x"}\n'


def test_a_link_of_a_repository_that_leads_out_of_it_is_refused(repo: Path, tmp_path: Path) -> None:
    outside = plant(tmp_path, {"profile": "export A=1\n"}) / "profile"
    (repo / "CLAUDE.md").symlink_to(outside)
    ran = wayfind("install", "claude", "--project", "--yes")
    assert ran.returncode == 2 and "leads out of the repository" in ran.stderr and outside.read_text() == "export A=1\n"


def test_modes_stay_and_copies_are_private(repo: Path, own_home: Path) -> None:
    file = plant(own_home, {".claude.json": '{"token": "s"}'}) / ".claude.json"
    file.chmod(0o600)
    assert wayfind("install", "claude", "--yes").returncode == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    kept = own_home / ".local" / "state" / "wayfind" / "installed"
    assert [path.read_text() for path in kept.glob("*.before")] == ['{"token": "s"}']
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in kept.iterdir()) and stat.S_IMODE(kept.stat().st_mode) == 0o700


def test_a_damaged_record_is_no_record(repo: Path) -> None:
    assert wayfind("install", "claude", "--project", "--yes").returncode == 0
    for path in (Path.home() / ".local" / "state" / "wayfind" / "installed").glob("*.json"):
        path.write_text("{")
        assert read_record(path) is None
    assert wayfind("uninstall", "claude", "--project", "--yes").returncode == 0
    assert "wayfind" not in (repo / ".mcp.json").read_text()


def test_a_server_that_is_started_without_a_script_imports_nothing_from_the_repository(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    executable, flag, run, argument = server_command("user")
    assert (executable, flag, argument) == (str(tmp_path / "python"), "-c", "mcp")
    (tmp_path / "json.py").write_text("raise SystemExit('imported')")
    done = subprocess.run([PYTHON, flag, run, "mcp", "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, "Model Context Protocol" in done.stdout) == (0, True), done.stderr


# doctor


def test_doctor_finds_and_mends_an_entry_that_starts_nothing(repo: Path, own_home: Path) -> None:
    assert wayfind("install", "codex", "--yes").returncode == 0
    command = server_command("user")[0]
    kept = own_home / ".local" / "state" / "wayfind" / "installed"
    for path in (own_home / ".codex" / "config.toml", *kept.glob("*.json")):
        path.write_text(path.read_text().replace(command, "/gone/wayfind"))
    found = wayfind("doctor")
    assert found.returncode == 2 and "starts /gone/wayfind, which is not there; run: wayfind install codex --user" in found.stdout
    assert wayfind("doctor", "--repair").returncode == 0 and wayfind("doctor").stdout == "no damage found\n"
    assert command in (own_home / ".codex" / "config.toml").read_text()
