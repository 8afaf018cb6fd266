"""The coding agents that Wayfind can be installed for: which files of theirs it writes, and what into them.

Formats are those that each agent documents; docs/agents.md says which were tried against the agent itself.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

from wayfind.serve.clients.part import Block, File, JsonMember, Part, TomlTable

Scope = Literal["user", "project"]
NAME = "wayfind"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the files of an agent lie."""

    scope: Scope
    project: Path
    """The root of the repository; of use in the scope `project` only."""
    command: tuple[str, ...]
    """How the agent starts Wayfind's MCP server."""

    def file(self, user: str, project: str) -> Path:
        """The file of this scope. `user` may start with `~` and hold `$VARIABLE|default`."""
        return self.project / project if self.scope == "project" else _user_file(user)


def parts_of(client: str, place: Place) -> tuple[Part, ...]:
    """What belongs into which file of an agent. Without a file of instructions in this scope there is none of those."""
    return CLIENTS[client](place)


def text() -> str:
    """What agents are told about Wayfind: when to use it, and when not."""
    return (files("wayfind.serve.clients") / "agents.md").read_text(encoding="utf-8")


def _claude(place: Place) -> tuple[Part, ...]:
    member = _stdio(place, typed=True)
    return (
        JsonMember(place.file("$CLAUDE_CONFIG_DIR|~/.claude.json", ".mcp.json"), ("mcpServers", NAME), member),
        Block(place.file("$CLAUDE_CONFIG_DIR|~/.claude/CLAUDE.md", "CLAUDE.md"), text()),
    )


def _codex(place: Place) -> tuple[Part, ...]:
    return (
        TomlTable(place.file("$CODEX_HOME|~/.codex/config.toml", ".codex/config.toml"), ("mcp_servers", NAME), _stdio(place)),
        Block(place.file("$CODEX_HOME|~/.codex/AGENTS.md", "AGENTS.md"), text()),
    )


def _cursor(place: Place) -> tuple[Part, ...]:
    server = JsonMember(place.file("~/.cursor/mcp.json", ".cursor/mcp.json"), ("mcpServers", NAME), _stdio(place))
    if place.scope == "user":  # rules of the user lie in Cursor's own database
        return (server,)
    head = "---\ndescription: When to search this code with Wayfind, and when not\nalwaysApply: true\n---\n\n"
    return (server, File(place.project / ".cursor/rules/wayfind.mdc", head + text()))


def _opencode(place: Place) -> tuple[Part, ...]:
    file = place.file("$XDG_CONFIG_HOME|~/.config/opencode/opencode.json", "opencode.json")
    with_comments = file.with_suffix(".jsonc")
    file = with_comments if with_comments.exists() and not file.exists() else file
    entry = {"type": "local", "command": list(place.command), "enabled": True}
    return JsonMember(file, ("mcp", NAME), entry), Block(place.file("$XDG_CONFIG_HOME|~/.config/opencode/AGENTS.md", "AGENTS.md"), text())


def _gemini(place: Place) -> tuple[Part, ...]:
    return (
        JsonMember(place.file("~/.gemini/settings.json", ".gemini/settings.json"), ("mcpServers", NAME), _stdio(place)),
        Block(place.file("~/.gemini/GEMINI.md", "GEMINI.md"), text()),
    )


def _vscode(place: Place) -> tuple[Part, ...]:
    server = JsonMember(place.file(f"{_vscode_folder()}/mcp.json", ".vscode/mcp.json"), ("servers", NAME), _stdio(place, typed=True))
    return (server,) if place.scope == "user" else (server, Block(place.project / "AGENTS.md", text()))


CLIENTS = {"claude": _claude, "codex": _codex, "cursor": _cursor, "opencode": _opencode, "gemini": _gemini, "vscode": _vscode}


def _stdio(place: Place, typed: bool = False) -> dict[str, object]:
    entry: dict[str, object] = {"type": "stdio"} if typed else {}
    return {**entry, "command": place.command[0], "args": list(place.command[1:])}


def _user_file(written: str) -> Path:
    """`$VARIABLE|~/.folder/name` is `name` in the folder that the variable names, else in `~/.folder`."""
    variable, bar, default = written.partition("|")
    if not bar:
        return Path(written).expanduser()
    named = os.environ.get(variable[1:])
    if not named:
        return Path(default).expanduser()
    inner = default.removeprefix("~/.config/") if variable == "$XDG_CONFIG_HOME" else default.rpartition("/")[2]
    return Path(named).expanduser() / inner


def _vscode_folder() -> str:
    if sys.platform == "darwin":
        return "~/Library/Application Support/Code/User"
    if sys.platform == "win32":
        return f"{os.environ.get('APPDATA', '~/AppData/Roaming')}/Code/User"
    return f"{os.environ.get('XDG_CONFIG_HOME') or '~/.config'}/Code/User"
