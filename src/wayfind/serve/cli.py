"""The `wayfind` command: a table of contents. A first word that names a command is one; anything else is searched for.

Nothing heavier than click is imported here, so that `--help` answers at once; each command's module comes in with its call.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from wayfind import __version__
from wayfind.serve.examples import epilog
from wayfind.serve.exits import NOTHING, closing_streams, exit_code_of, note
from wayfind.serve.hints import hinting, misspelt
from wayfind.serve.settling import settled

COMMANDS = {
    "search": ("asking", "Find what a question, a name, a snippet or a stack trace speaks of."),
    "explain": ("asking", "Say what the definition at FILE:LINE does."),
    "related": ("asking", "Find what calls, tests or resembles the definition at FILE:LINE."),
    "index": ("indexing", "Bring the index of a repository up to date."),
    "vocabulary": ("vocabulary", "Show what words mean in a repository, and change it."),
    "feedback": ("feedback", "Say whether a result was good or bad."),
    "status": ("standing", "Show what is indexed, how fresh it is, and what was skipped."),
    "eval": ("measuring", "Measure search on a repository, with questions held out from it."),
    "data": ("data", "Make pairs of questions and code to train on."),
    "train": ("training", "Train a model of code search from pairs."),
    "learn": ("learning", "Adapt search to a repository, and keep that only if it helps."),
    "serve": ("resident", "Keep indexes in memory, so that commands answer at once."),
    "mcp": ("mcp", "Serve coding agents over the Model Context Protocol."),
    "install": ("installing", "Make Wayfind known to a coding agent."),
    "uninstall": ("installing", "Take out what install wrote."),
    "config": ("settling", "Show the settings, or change one."),
    "completion": ("completing", "Print the script that completes commands in a shell."),
    "gc": ("keeping", "Delete what no index needs any more."),
    "forget": ("keeping", "Delete the index of a repository."),
    "doctor": ("keeping", "Check an index for damage, and mend it."),
    "languages": ("standing", "List the languages that are cut into definitions."),
    "version": ("standing", "Print the version."),
}
"""Command -> (module of this package, what it does). The module holds it as `NAME_command`."""
OTHER_NAMES = {"query": "search"}
HELP = "help"
"""The word that shows the help of all, or of the command behind it; before other words it is searched for."""
_NAMED = {*COMMANDS, *OTHER_NAMES, "-h", "--help", "-V", "--version"}


_DASHED_QUERY = re.compile(r"-[^\W\d_]\S*\s|-(?:sym|symbol|path|file|lang|language|kind):")
"""A query that begins with what must not be: no option of one dash holds a blank or a colon. A blank before it tells it from one."""


class _Commands(click.Group):
    """Commands from the table, imported when they are called."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        name = OTHER_NAMES.get(name, name)
        module, _ = COMMANDS.get(name, ("", ""))
        if not module:
            return None
        command = settled(getattr(import_module(f"wayfind.serve.{module}"), f"{name}_command"))
        command.epilog = epilog(name)
        if context and context.resilient_parsing:  # a shell asks for completions
            from wayfind.serve.completing import with_choices

            return with_choices(command)
        return command

    def resolve_command(self, context: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        return super().resolve_command(context, _with_command(args) if context.resilient_parsing else args)

    def format_usage(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(context.command_path, '"QUERY" [PATH]')
        formatter.write_usage(context.command_path, "COMMAND …")

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="wayfind")
def wayfind() -> None:
    """Code search: ask in words, get the right functions, with what they do and why they matched.

    A first word that is a command is one; anything else is searched for, and the repository is indexed when it has to be.
    To search for the name of a command: wayfind -- index. To search for what another program prints: git diff | wayfind -
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit code: 0 found or done, 1 nothing found, 2 failed, 130 interrupted."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if os.environ.get("WAYFIND_DEBUG"):
        logging.basicConfig(level=logging.DEBUG)
    logging.getLogger("wayfind").addHandler(logging.NullHandler())
    with closing_streams():
        return exit_code_of(lambda: _run(_with_command(given), misspelt(given[0], COMMANDS) if given[:1] and given[0] not in _NAMED else ""))


def _run(arguments: list[str], instead: str = "") -> Any:
    if "_WAYFIND_COMPLETE" in os.environ:
        return wayfind.main(prog_name="wayfind")
    with hinting(arguments, instead), wayfind.make_context("wayfind", arguments) as context:
        code = wayfind.invoke(context)
    if instead and code == NOTHING:
        note(instead)
    return code


def _with_command(arguments: list[str]) -> list[str]:
    """The arguments with `search` put first where they name no command."""
    if not arguments:
        return ["--help"]
    if arguments[0] == HELP and (len(arguments) == 1 or len(arguments) == 2 and arguments[1] in _NAMED):
        return [*arguments[1:], "--help"]
    if arguments[0] in _NAMED:
        return arguments
    return ["search", f" {arguments[0]}" if _DASHED_QUERY.match(arguments[0]) else arguments[0], *arguments[1:]]


if __name__ == "__main__":
    sys.exit(main())
