"""Completion in a shell: the command that prints its script, and what is offered for places."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from wayfind.errors import UsageError

SHELLS = ("bash", "zsh", "fish", "powershell")
VARIABLE = "_WAYFIND_COMPLETE"
"""In the environment when a shell asks for completions."""
FOLDERS = frozenset({"path", "index", "output"})
FILES = frozenset({"place", "manual", "spec", "plot"})
"""Parameters that are places; a shell offers what is there."""


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def completion_command(shell: str) -> None:
    """Print the script that completes wayfind's commands and options in a shell.

    bash: eval "$(wayfind completion bash)" in ~/.bashrc (bash 4.4 or later). zsh: the same with zsh, in ~/.zshrc.
    fish: wayfind completion fish > ~/.config/fish/completions/wayfind.fish.
    PowerShell: wayfind completion powershell | Out-String | Invoke-Expression, in $PROFILE.
    """
    from wayfind.serve.cli import wayfind

    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"this version of click has no completion for {shell}; run: pip install --upgrade click")
    script = kind(wayfind, {}, "wayfind", VARIABLE)
    click.echo(script.source_template % script.source_vars())  # source() would also run bash, to ask for its version


def with_choices(command: click.Command) -> click.Command:
    """The command with folders and files offered where it takes one, and the names of languages, kinds and settings. For completion only:
    nothing is checked."""
    from wayfind.config import SETTINGS
    from wayfind.corpus.languages import LANGUAGES
    from wayfind.types import KINDS

    names = {"lang": sorted(language.name for language in LANGUAGES), "kind": KINDS, **({"name": [*SETTINGS]} if command.name == "config" else {})}
    for param in command.params:
        if param.name in names:
            param.type = click.Choice(names[param.name])
        if param.name in FOLDERS | FILES and not (param.name == "path" and isinstance(param, click.Option)):
            param.type = click.Path(file_okay=param.name in FILES)
    return command
