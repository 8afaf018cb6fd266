"""The commands that make Wayfind known to coding agents: install, uninstall."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wayfind.errors import UsageError
from wayfind.serve.exits import FOUND, NOTHING, note
from wayfind.serve.processes import python
from wayfind.serve.screen import shown

if TYPE_CHECKING:
    from wayfind.index.doctor import Finding
    from wayfind.serve.clients.client import Scope
    from wayfind.serve.installed import Change

NAMES = ("claude", "codex", "cursor", "opencode", "gemini", "vscode")
"""The agents, as `clients.client.CLIENTS` has them; written out so that help needs no more than click."""


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--yes", "-y", is_flag=True, help="Write without asking."),
        click.option("--dry-run", is_flag=True, help="Show the difference and write nothing."),
        click.option("--project", "scope", flag_value="project", help="In this repository, for everybody who works in it."),
        click.option("--user", "scope", flag_value="user", help="In your own settings, for all repositories."),
    ):
        command = option(command)
    return command


@click.command("install")
@click.argument("agent", type=click.Choice(NAMES), metavar="|".join(NAMES))
@_options
def install_command(agent: str, scope: Scope | None, dry_run: bool, yes: bool) -> int:
    """Make Wayfind known to a coding agent: its MCP server, and a note that says when to use it and when not.

    The difference is shown before anything is written, a copy of each file is kept, and `wayfind uninstall` restores it.
    Without --project or --user it is for --user.
    """
    return _apply(_changes(agent, scope or "user"), dry_run, yes, f"{agent} knows Wayfind already")


@click.command("uninstall")
@click.argument("agent", type=click.Choice(NAMES), metavar="|".join(NAMES))
@_options
def uninstall_command(agent: str, scope: Scope | None, dry_run: bool, yes: bool) -> int:
    """Take out what `wayfind install` wrote. Files that nobody changed since are restored byte for byte.

    Without --project or --user in both. The exit code is 1 when there is nothing to take out.
    """
    scopes: tuple[Scope, ...] = (scope,) if scope else ("user", "project")
    changes = [change for some in scopes for change in _changes(agent, some, out=True)]
    found = any(change.writes or (change.known and not change.left) for change in changes)
    done = _apply(changes, dry_run, yes, f"nothing of Wayfind's is in the files of {agent}")
    return done if found else NOTHING


def _changes(agent: str, scope: Scope, out: bool = False) -> list[Change]:
    """What is to be done to each file of an agent, to put Wayfind in or out. Raises UsageError with the place where a file
    cannot be understood."""
    from wayfind.serve.clients.client import Place, parts_of
    from wayfind.serve.clients.jsonc import Malformed
    from wayfind.serve.clients.part import JsonMember, TomlTable
    from wayfind.serve.installed import installing, uninstalling, within

    project, command = project_root(), server_command(scope)
    changes = []
    for part in parts_of(agent, Place(scope, project, command)):
        if scope == "project":
            within(part.file, project)
        starts = command[0] if isinstance(part, (JsonMember, TomlTable)) else ""
        try:
            changes.append(uninstalling(part, f"{agent} {scope}") if out else installing(part, f"{agent} {scope}", starts))
        except Malformed as error:
            raise UsageError(f"{part.file}:{error.line}:{error.column}: {error}; mend the file first, nothing was written") from error
    return changes


def broken_entries(repair: bool) -> Iterator[Finding]:
    """Entries in the settings of agents that start a program which is not there (any more). `repair` writes those of the
    user anew; what a repository holds is others' too."""
    from wayfind.index.doctor import Finding
    from wayfind.serve.installed import make, records

    for record in records():
        if not record.command or shutil.which(record.command) or not os.path.exists(record.file):
            continue
        agent, scope = record.users[0].split(" ")
        mended = repair and scope == "user"
        if mended:
            make(_changes(agent, "user"))
        advice = "" if mended else f"; run: wayfind install {agent} --{scope}" if scope == "user" else "; put wayfind on the PATH"
        yield Finding("agent", f"{record.file} starts {record.command}, which is not there{advice}", mended)


def _apply(changes: list[Change], dry_run: bool, yes: bool, nothing: str) -> int:
    """Show the changes, ask, and make them. Returns the exit code."""
    from wayfind.serve.installed import make, state_folder

    for change in changes:
        for line in change.difference() if change.writes else ():
            click.echo(shown(line))
    written = [change for change in changes if change.writes]
    unwritten = [change for change in changes if not change.writes and (change.known or change.left)]
    if not written and not unwritten:
        click.echo(nothing)
    for change in unwritten:
        click.echo(shown(f"{change.file}: {change.note}"))
    if dry_run:
        return FOUND
    if written and not yes:
        _ask()
    make(changes)
    for change in written:
        click.echo(shown(f"{change.file}: {change.note or 'written'}"))
    if any(change.writes and change.record and change.before is not None for change in changes):
        click.echo(shown(f"the files as they were are kept in {state_folder()}"))
    return FOUND


def _ask() -> None:
    """Go on only with a yes."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError("nothing was written, for nobody can be asked here; add --yes to write, or --dry-run to look only")
    if not click.confirm("Write this?", err=True):
        note("nothing was written")
        raise click.exceptions.Exit(NOTHING)


def project_root() -> Path:
    """The repository around the current folder, else the folder itself."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)


def server_command(scope: Scope) -> tuple[str, ...]:
    """How an agent starts the MCP server: by its name in a project, which others use too, else by its whole path, for an
    agent that was started from a desktop may lack the shell's PATH."""
    if scope == "project":
        return ("wayfind", "mcp")
    beside = Path(sys.executable).with_name("wayfind.exe" if os.name == "nt" else "wayfind")
    found = os.fspath(beside) if beside.is_file() else shutil.which("wayfind")
    return (os.path.abspath(found), "mcp") if found else tuple(python("wayfind.serve.cli", "mcp"))
