"""Installers where somebody else wrote first, or since: what is another's stays, and what was written is found again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import plant
from test_installers import ENTRY, PATH, own_home, repo, wayfind  # noqa: F401  # fixtures

from wayfind.serve.clients import jsonc, markdown, toml
from wayfind.serve.clients.client import Place, parts_of
from wayfind.serve.clients.part import Block, File, TomlTable
from wayfind.serve.installed import installing, make, records, state_folder, uninstalling

RULES = ".cursor/rules/wayfind.mdc"
DOCKER = {"command": "docker", "args": ["run", "-i", "wayfind"], "env": {"KEY": "k"}}
TABLE = ("mcp_servers", "wayfind")


def in_out(part, change) -> str:
    """The file after install, a change of its text by somebody, and uninstall."""
    make([installing(part, "codex user")])
    part.file.write_text(change(part.file.read_text()))
    make([uninstalling(part, "codex user")])
    return part.file.read_text()


# A file of rules


def test_rules_that_nobody_installed_are_left_and_that_is_said(repo: Path) -> None:
    plant(repo, {RULES: "Our own rules, by hand\n"})
    ran = wayfind("uninstall", "cursor", "--project", "--yes")
    assert ran.returncode == 1 and f"{RULES}: what stands there is not as Wayfind wrote it" in ran.stdout and "by hand" in ran.stdout
    assert (repo / RULES).read_text() == "Our own rules, by hand\n"


def test_rules_from_before_come_back_with_what_was_added_since(repo: Path) -> None:
    plant(repo, {RULES: "Own.\n"})
    assert wayfind("install", "cursor", "--project", "--yes").returncode == 0
    (repo / RULES).write_text((repo / RULES).read_text() + "Added.\n")
    assert wayfind("uninstall", "cursor", "--project", "--yes").returncode == 0
    assert (repo / RULES).read_text() == "Own.\nAdded.\n" and not records()


def test_lines_added_to_the_rules_that_were_installed_stay(repo: Path) -> None:
    assert in_out(File(repo / "w.mdc", "ours\n"), lambda text: f"{text}Added.\n") == "Added.\n"


def test_rules_that_were_rewritten_stay_and_so_does_the_copy_of_those_before(repo: Path) -> None:
    plant(repo, {RULES: "Own.\n"})
    assert wayfind("install", "cursor", "--project", "--yes").returncode == 0
    (repo / RULES).write_text("Rewritten.\n")
    assert "take it out by hand" in wayfind("uninstall", "cursor", "--project", "--yes").stdout
    assert (repo / RULES).read_text() == "Rewritten.\n" and [record.before for record in records()] == [b"Own.\n"]


def test_where_the_file_is_gone_the_copy_of_it_stays(repo: Path) -> None:
    plant(repo, {RULES: "Own.\n"})
    assert wayfind("install", "cursor", "--project", "--yes").returncode == 0
    (repo / RULES).unlink()
    ran = wayfind("uninstall", "cursor", "--project", "--yes")
    (copy,) = state_folder().iterdir()
    assert copy.read_text() == "Own.\n" and f"the file is gone; as it was it is kept in {copy}" in ran.stdout


def test_rules_that_were_committed_are_taken_out_without_a_record(repo: Path) -> None:
    (rules,) = (part for part in parts_of("cursor", Place("project", repo, ("wayfind", "mcp"))) if isinstance(part, File))
    plant(repo, {RULES: rules.content})
    assert wayfind("uninstall", "cursor", "--project", "--yes").returncode == 0 and not (repo / RULES).exists()


# An entry that stood there before


def test_the_users_own_entry_comes_back_though_the_file_has_changed_since(repo: Path) -> None:
    own = json.dumps({"mcpServers": {"wayfind": DOCKER}}, indent=4)
    file = plant(repo, {".mcp.json": own}) / ".mcp.json"
    assert wayfind("install", "claude", "--project", "--yes").returncode == 0
    file.write_text(json.dumps({**json.loads(file.read_text()), "more": 1}))  # written anew, as agents do
    assert "what stood there before put back" in wayfind("uninstall", "claude", "--project", "--yes").stdout
    assert json.loads(file.read_text()) == {"mcpServers": {"wayfind": DOCKER}, "more": 1}


def test_a_member_is_put_back_as_it_was_written() -> None:
    before = '{"mcpServers": {"wayfind": {"command": "mine"  /* why */}}}'
    made = jsonc.with_member(before, PATH, ENTRY)
    assert jsonc.member_put_back(made, PATH, before) == before


@pytest.mark.parametrize(
    "before",
    [
        '# first\n[mcp_servers.wayfind]\n# mine\ncommand = "docker"\n\n[mcp_servers.wayfind.env]\nKEY = "k" # secret\n\n# of tui\n[tui]\nx = 1\n',
        '[mcp_servers]\nwayfind = { command = "docker" }\n',
        'mcp_servers = { wayfind = { command = "docker", env = { KEY = "k" } }, other = { command = "o" } }\n',
        'mcp_servers.wayfind.command = "docker"\n[tui]\n',
        "# wayfind: begin\n[mcp_servers.wayfind]\ncommand = 'docker'\n# wayfind: end\n",
    ],
)
def test_the_users_own_table_comes_back_though_the_file_has_changed_since(repo: Path, before: str) -> None:
    file = plant(repo, {"config.toml": before}) / "config.toml"
    after = in_out(TomlTable(file, TABLE, ENTRY), lambda text: text + "\n[more]\nx = 1\n")
    assert toml.value_of(after) == {**toml.value_of(before), "more": {"x": 1}}
    assert [comment for comment in ("# first", "# mine", "# secret", "# of tui", "# wayfind: end") if comment in before and comment not in after] == []


def test_a_block_that_stood_there_before_comes_back(repo: Path) -> None:
    before = markdown.with_block("# Ours\n", "an older text")
    file = plant(repo, {"AGENTS.md": before}) / "AGENTS.md"
    assert in_out(Block(file, "a newer text"), lambda text: f"{text}More.\n") == f"{before}More.\n"


@pytest.mark.parametrize("changed", [False, True])
def test_an_entry_that_equals_wayfinds_before_install_stays(repo: Path, changed: bool) -> None:
    own = {"mcpServers": {"wayfind": {"type": "stdio", "command": "wayfind", "args": ["mcp"]}}}
    file = plant(repo, {".mcp.json": json.dumps(own)}) / ".mcp.json"
    assert wayfind("install", "claude", "--project", "--yes").returncode == 0
    if changed:
        file.write_text(json.dumps(own, indent=1))
    before = file.read_text()
    assert ".mcp.json: it stood there before; left as it is" in wayfind("uninstall", "claude", "--project", "--yes").stdout
    assert file.read_text() == before and not records()


def test_a_table_that_equals_wayfinds_before_install_stays(repo: Path) -> None:
    before = '[mcp_servers.wayfind]\ncommand = "wayfind"\nargs = ["mcp"]\n'
    file = plant(repo, {".codex/config.toml": before}) / ".codex/config.toml"
    assert wayfind("install", "codex", "--project", "--yes").returncode == 0
    assert wayfind("uninstall", "codex", "--project", "--yes").returncode == 0
    assert file.read_text() == before


def test_anothers_entry_is_left_without_a_record_and_that_is_said(repo: Path) -> None:
    plant(repo, {".mcp.json": (own := json.dumps({"mcpServers": {"wayfind": DOCKER}}))})
    ran = wayfind("uninstall", "claude", "--project", "--yes")
    assert ran.returncode == 1 and "take it out by hand" in ran.stdout and (repo / ".mcp.json").read_text() == own


def test_an_entry_that_was_replaced_since_is_left_with_its_record(repo: Path) -> None:
    file = repo / ".mcp.json"
    assert wayfind("install", "claude", "--project", "--yes").returncode == 0
    file.write_text(own := json.dumps({"mcpServers": {"wayfind": DOCKER}}))
    assert "take it out by hand" in wayfind("uninstall", "claude", "--project", "--yes").stdout
    assert file.read_text() == own and [record.file for record in records()] == [str(file)]
    file.write_text("{}")
    wayfind("uninstall", "claude", "--project", "--yes")
    assert file.read_text() == "{}" and not records()


def test_an_entry_with_an_environment_of_its_own_is_still_wayfinds(repo: Path) -> None:
    file = repo / ".mcp.json"
    assert wayfind("install", "claude", "--project", "--yes").returncode == 0
    data = json.loads(file.read_text())
    data["mcpServers"]["wayfind"]["env"] = {"WAYFIND_MODEL": "none"}
    file.write_text(json.dumps(data))
    assert wayfind("uninstall", "claude", "--project", "--yes").returncode == 0
    assert json.loads(file.read_text()) == {"mcpServers": {}}


# Comments in TOML

SETTINGS = '# --- my editor settings, do not delete ---\n[tui]\nnotifications = true\n'


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_comment_after_a_table_by_hand_stays_when_it_is_replaced(repo: Path, newline: str, mark: str) -> None:
    text = f'{mark}[mcp_servers.wayfind]\ncommand = "/old/wayfind"\nargs = [\n  "mcp",\n]\n\n{SETTINGS}'.replace("\n", newline)
    made = toml.with_table(text, TABLE, ENTRY)
    assert made.startswith(mark + newline + SETTINGS.replace("\n", newline)) and "/old" not in made
    assert toml.value_of(made) == {"mcp_servers": {"wayfind": ENTRY}, "tui": {"notifications": True}}


def test_comments_between_and_after_sub_tables_stay() -> None:
    own = '[mcp_servers.wayfind]\ncommand = "x"\n# gap\n[ mcp_servers . "wayfind".env ]\nK = """\n[no.header]\n# no comment\n"""\n'
    other = '# of other\n[mcp_servers.other]\ncommand = "o"\nmore = [\n  ["a"],\n]\n'
    assert toml.without_table(f"a = 1\n{own}{other}[mcp_servers.wayfind.tools]\nt = 1\n# end", TABLE) == f"a = 1\n# gap\n{other}# end"


# Files that install would not choose now


def test_uninstall_takes_the_entry_out_of_the_file_that_install_chose(repo: Path, own_home: Path) -> None:
    plant(repo, {"opencode.jsonc": (before := "{} // mine\n"), "sub/.git/HEAD": "", "sub/opencode.jsonc": "{}"})
    assert wayfind("install", "opencode", "--project", "--yes").returncode == 0
    assert wayfind("install", "opencode", "--project", "--yes", cwd=repo / "sub").returncode == 0
    plant(repo, {"opencode.json": "{}"})
    assert wayfind("uninstall", "opencode", "--project", "--yes").returncode == 0
    assert (repo / "opencode.jsonc").read_text() == before and (repo / "opencode.json").read_text() == "{}"
    assert "wayfind" in (repo / "sub" / "opencode.jsonc").read_text()  # another repository's


def test_uninstall_finds_the_folder_that_the_environment_named_at_install(own_home: Path, repo: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    assert wayfind("install", "claude", "--yes", env={"CLAUDE_CONFIG_DIR": str(there)}).returncode == 0
    assert sorted(path.name for path in there.iterdir()) == [".claude.json", "CLAUDE.md"]
    assert wayfind("uninstall", "claude", "--user", "--yes").returncode == 0
    assert not there.exists() and not records()


@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_two_scopes_at_once_are_refused(command: str, repo: Path, own_home: Path) -> None:
    ran = wayfind(command, "claude", "--user", "--project", "--yes")
    assert ran.returncode == 2 and "--user and --project exclude each other" in ran.stderr
    assert not records() and not (own_home / ".claude.json").exists()


# doctor


@pytest.fixture
def gone(own_home: Path, repo: Path) -> Path:
    """~/.claude.json and its record name a program that is not there."""
    assert wayfind("install", "claude", "--yes").returncode == 0
    file = own_home / ".claude.json"
    program = json.loads(file.read_text())["mcpServers"]["wayfind"]["command"]
    for path in (file, *state_folder().glob("*.json")):
        path.write_text(path.read_text().replace(program, "/gone/bin/wayfind"))
    return file


def test_doctor_says_nothing_of_an_entry_that_is_not_there_and_does_not_write_it_back(gone: Path) -> None:
    gone.write_text('{"numStartups": 4}')
    assert wayfind("doctor").stdout == "no damage found\n"
    assert wayfind("doctor", "--repair").returncode == 0 and gone.read_text() == '{"numStartups": 4}'


def test_doctor_says_nothing_of_an_entry_that_starts_another_program(gone: Path) -> None:
    gone.write_text(own := json.dumps({"mcpServers": {"wayfind": DOCKER}}))
    assert wayfind("doctor", "--repair").stdout == "no damage found\n" and gone.read_text() == own


@pytest.mark.parametrize("repair", [(), ("--repair",)])
def test_a_file_of_an_agent_that_cannot_be_read_is_one_finding_among_others(gone: Path, own_home: Path, repair: tuple[str, ...]) -> None:
    gone.write_text("{oops")
    config = plant(own_home, {"x/config.toml": "[mcp_servers.wayfind]\ncommand = '/gone/too'\n"}) / "x/config.toml"
    (state_folder() / "0.json").write_text(
        json.dumps({"file": str(config), "users": ["codex user"], "existed": False, "after": "", "inserted": "", "folders": [], "command": "/gone/too"})
    )
    ran = wayfind("doctor", *repair)
    assert ran.returncode == 2 and f"{gone}:1:2: expected a key" in ran.stdout and "starts /gone/too, which is not there" in ran.stdout
    assert gone.read_text() == "{oops"


def test_doctor_mends_the_file_that_was_recorded_and_no_other(own_home: Path, gone: Path, tmp_path: Path) -> None:
    ran = wayfind("doctor", "--repair", env={"CLAUDE_CONFIG_DIR": str(tmp_path / "there")})
    assert ran.returncode == 0 and "(repaired)" in ran.stdout and "/gone" not in gone.read_text() and not (tmp_path / "there").exists()
