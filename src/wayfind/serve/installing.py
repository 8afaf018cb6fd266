"""The commands that make Wayfind known to coding agents: install, uninstall."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wayfind.errors import UsageError, WayfindError
from wayfind.serve.exits import FOUND, NOTHING, note
from wayfind.serve.processes import python
from wayfind.serve.screen import shown

if TYPE_CHECKING:
    from wayfind.index.doctor import Finding
    from wayfind.serve.clients.client import Scope
    from wayfind.serve.clients.part import Part
    from wayfind.serve.installed import Change, Record

NAMES = ("claude", "codex", "cursor", "opencode", "gemini", "vscode")
"""The agents, as `clients.client.CLIENTS` has them; written out so that help needs no more than click."""


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--yes", "-y", is_flag=True, help="Write without asking."),
        click.option("--dry-run", is_flag=True, help="Show the difference and write nothing."),
        click.option("--project", is_flag=True, help="In this repository, for everybody who works in it."),
        click.option("--user", is_flag=True, help="In your own settings, for all repositories."),
    ):
        command = option(command)
    return command


@click.command("install")
@click.argument("agent", type=click.Choice(NAMES), metavar="|".join(NAMES))
@_options
def install_command(agent: str, user: bool, project: bool, dry_run: bool, yes: bool) -> int:
    """Make Wayfind known to a coding agent: its MCP server, and a note that says when to use it and when not.

    The difference is shown before anything is written, a copy of each file is kept, and `wayfind uninstall` restores it.
    Without --project or --user it is for --user.
    """
    return _apply(_changes(agent, _scope(user, project) or "user"), dry_run, yes, f"{agent} knows Wayfind already")


@click.command("uninstall")
@click.argument("agent", type=click.Choice(NAMES), metavar="|".join(NAMES))
@_options
def uninstall_command(agent: str, user: bool, project: bool, dry_run: bool, yes: bool) -> int:
    """Take out what `wayfind install` wrote. Files that nobody changed since are restored byte for byte.

    Without --project or --user in both. The exit code is 1 when there is nothing to take out.
    """
    scope = _scope(user, project)
    scopes: tuple[Scope, ...] = (scope,) if scope else ("user", "project")
    changes = [change for some in scopes for change in _changes(agent, some, out=True)]
    found = any(change.writes or (change.known and not change.left) for change in changes)
    done = _apply(changes, dry_run, yes, f"nothing of Wayfind's is in the files of {agent}")
    return done if found else NOTHING


def _scope(user: bool, project: bool) -> Scope | None:
    """The one that was asked for. Raises UsageError for both."""
    if user and project:
        raise UsageError("--user and --project exclude each other; run the command once for each")
    return "user" if user else "project" if project else None


def _changes(agent: str, scope: Scope, out: bool = False) -> list[Change]:
    """What is to be done to each file of an agent, to put Wayfind in or out. Raises UsageError with the place where a file
    cannot be understood."""
    from wayfind.serve.clients.client import Place, parts_of
    from wayfind.serve.clients.part import JsonMember, TomlTable
    from wayfind.serve.installed import installing, uninstalling, within

    project, command = project_root(), server_command(scope)
    parts = parts_of(agent, Place(scope, project, command))
    changes = []
    for part in (*parts, *_recorded(parts, agent, scope)) if out else parts:
        if scope == "project":
            within(part.file, project)
        starts = command[0] if isinstance(part, (JsonMember, TomlTable)) else ""
        with _placed(part.file):
            changes.append(uninstalling(part, f"{agent} {scope}") if out else installing(part, f"{agent} {scope}", starts))
    return changes


def _recorded(parts: Iterable[Part], agent: str, scope: Scope) -> Iterator[Part]:
    """The parts in files that install wrote for an agent and would not choose now: a variable names another folder, or
    opencode has got another file. In a repository only beside the files that it would choose, for records are of all."""
    from wayfind.serve.installed import records

    chosen = {os.path.realpath(part.file) for part in parts}
    folders = {os.path.realpath(part.file.parent) for part in parts}
    for record in records():
        if f"{agent} {scope}" in record.users and record.file not in chosen:
            part = _part_at(Path(record.file), parts)
            if part and (scope == "user" or os.path.dirname(record.file) in folders):
                yield part


def _part_at(file: Path, parts: Iterable[Part]) -> Part | None:
    """The part that is written into a file, else that of its format, as one of this file."""

    def form(path: Path) -> str:
        return path.suffix.replace(".jsonc", ".json")

    same = [part for part in parts if os.path.realpath(part.file) == os.fspath(file)]
    alike = [part for part in parts if form(part.file) == form(file)]
    return next((replace(part, file=file) for part in same + alike), None)  # type: ignore[type-var]  # each is a dataclass


@contextlib.contextmanager
def _placed(file: Path) -> Iterator[None]:
    """Raises UsageError with the place where the file cannot be understood."""
    from wayfind.serve.clients.jsonc import Malformed

    try:
        yield
    except Malformed as error:
        raise UsageError(f"{file}:{error.line}:{error.column}: {error}; mend the file first, nothing was written") from error


def broken_entries(repair: bool) -> Iterator[Finding]:
    """Entries in the settings of agents that start a program which is not there (any more). `repair` writes those of the
    user anew; what a repository holds is others' too."""
    from wayfind.index.doctor import Finding
    from wayfind.serve.installed import records

    for record in records():
        if not record.command or shutil.which(record.command):
            continue
        try:
            finding = _broken(record, repair)
        except WayfindError as error:
            finding = Finding("agent", str(error))
        if finding:
            yield finding


def _broken(record: Record, repair: bool) -> Finding | None:
    """The finding about a recorded program that is not there; None where the file does not start it (any more)."""
    from wayfind.index.doctor import Finding
    from wayfind.serve.clients.client import CLIENTS, Place, parts_of
    from wayfind.serve.clients.part import JsonMember, TomlTable
    from wayfind.serve.installed import installing, make, text_of

    agent, _, named = next(iter(record.users), "").partition(" ")
    if agent not in CLIENTS:
        return None
    scope: Scope = "user" if named == "user" else "project"
    command = server_command(scope)
    part = _part_at(Path(record.file), parts_of(agent, Place(scope, project_root(), command)))
    if not isinstance(part, (JsonMember, TomlTable)):
        return None
    with _placed(part.file):
        if part.program(text_of(part.file)) != record.command:
            return None
        mended = repair and scope == "user"
        if mended:
            make([installing(part, record.users[0], command[0])])
    advice = "" if mended else f"; run: wayfind install {agent} --user" if scope == "user" else "; put wayfind on the PATH"
    return Finding("agent", f"{record.file} starts {record.command}, which is not there{advice}", mended)


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
