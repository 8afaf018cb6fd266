"""Settings at the command line: an option that was not given gets the value that was set. And the command `config`."""

from __future__ import annotations

import copy
import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wayfind.errors import StorageError, UsageError, WayfindError
from wayfind.serve.exits import FOUND, NOTHING
from wayfind.serve.screen import shown

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

    from wayfind.config import Setting, Value

OPTIONS = {"top_k": "top-k", "explain": "explain", "max_tokens": "max-tokens", "jobs": "jobs", "color": "color"}
"""Parameter of a command -> the setting that it falls back to."""
OWN = {"gc": {"limit": "cache-limit"}, "eval": {}}
"""Commands whose options mean something else: the number that `eval` judges is part of the measure."""


def settled(command: click.Command) -> click.Command:
    """The command with what was set in the place of the options that were not given, for the repository it speaks of."""
    options = OWN.get(command.name or "", OPTIONS)
    wanted = [(param, options[param.name]) for param in command.params if param.name in options]
    if not wanted or command.callback is None:
        return command
    callback = command.callback

    @functools.wraps(callback)
    def with_settings(**given: Any) -> Any:
        from wayfind.config import SETTINGS, found

        context = click.get_current_context()
        open_ones = [one for one in wanted if context.get_parameter_source(one[0].name or "") is click.core.ParameterSource.DEFAULT]
        folder = _asked(given) if any(SETTINGS[name].in_project for _, name in open_ones) else "."
        for param, name in open_ones:
            value = found(name, folder)
            if value.origin != "default":
                given[param.name or ""] = param.type_cast_value(context, value.value)
        return callback(**given)

    own = copy.copy(command)
    own.callback = with_settings
    return own


def _asked(given: Mapping[str, Any]) -> str:
    """The folder whose repository a command of these arguments speaks of, as it finds that itself (`serve.asking`); where none is to be had,
    which is for the command to say, the current one."""
    from wayfind.index.home import trees
    from wayfind.serve.place import folder_around, home_of, root_around, split_place

    path, text = given.get("path"), given.get("text")
    if text is not None and (given.get("from_file") is not None or (given.get("regex") and path is None and os.path.isdir(os.path.expanduser(text)))):
        path = text
    if path:
        return os.path.expanduser(path)
    try:
        if home := home_of(given.get("index")):
            roots = [tree.root for tree in trees(home) if tree.root]
            return roots[0] if len(roots) == 1 else "."
        return (root_around(split_place(given["place"])[0]) if given.get("place") else folder_around()) or "."
    except WayfindError:
        return "."


@click.command("config")
@click.argument("action", required=False, type=click.Choice(["get", "set", "unset"]), metavar="[get|set|unset]")
@click.argument("name", required=False)
@click.argument("value", required=False)
@click.option("--show-origin", is_flag=True, help="Say where each value comes from.")
@click.option("--project", is_flag=True, help="set and unset: in the repository's file instead of your own.")
def config_command(action: str | None, name: str | None, value: str | None, show_origin: bool, project: bool) -> int:
    """Show the settings, or get, set and unset one.

    A flag beats the environment, that the repository's .wayfind/config.toml, that your own config.toml, that the default.
    """
    from wayfind import config

    if action and name is None:
        raise UsageError(f"name a setting: wayfind config {action} NAME; there are {', '.join(config.SETTINGS)}")
    if action == "unset" and value is None and name not in config.SETTINGS:
        return _take_out(name, project)
    setting = config.setting_of(name) if name else None
    if action in ("get", "unset") and value is not None or action == "set" and value is None:
        raise UsageError(f"write: wayfind config {action} NAME{' VALUE' if action == 'set' else ''}")
    if setting is None or action == "get":
        return _show([setting] if setting else list(config.SETTINGS.values()), bare=setting is not None, show_origin=show_origin)
    if action == "set" and project and not setting.in_project:
        raise UsageError(f"a repository may not set {setting.name!r}: it is your machine's; leave out --project")
    return _change(setting.name, value if value is None else _read(setting, value), _file(project))


def _show(settings: list[Setting], bare: bool, show_origin: bool) -> int:
    """Print settings, one a line; of a single one its value alone. The exit code is 1 where that has none."""
    from wayfind.config import found

    values = [found(setting.name, ".") for setting in settings]
    for value in values:
        written = "" if value.value is None else str(value.value)
        name = "" if bare else f"{value.setting.name} = "
        origin = f"\t({_origin(value)})" if show_origin else ""
        click.echo(shown(f"{name}{written}{origin}"))
    return NOTHING if bare and values[0].value is None else FOUND


def _origin(value: Value) -> str:
    known = value.setting.environment
    return f"environment {known}" if value.origin == known else value.origin


def _read(setting: Setting, value: str) -> Any:
    try:
        return setting.read(value)
    except ValueError as error:
        raise UsageError(f"{setting.name} = {value}: {error}") from error


def _take_out(name: str, project: bool) -> int:
    """Take a name out that is no setting's, with which no file can be read. Raises UsageError where it is not there either."""
    from wayfind import config

    file = _file(project)
    if name not in _document(file):
        config.setting_of(name)
    return _change(name, None, file)


def _file(project: bool) -> Path:
    """The file that is to be changed."""
    from wayfind import config
    from wayfind.serve.installed import within
    from wayfind.serve.installing import project_root

    if not project:
        return config.user_file()
    file = config.project_file(".") or project_root() / config.PROJECT_FILE
    within(file, project_root())
    return file


def _document(file: Path) -> TOMLDocument:
    """A settings file, with its comments and order; empty where there is none. Raises UsageError, StorageError."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        return tomlkit.parse(file.read_bytes().decode("utf-8") if file.exists() else "")
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: {error}; nothing was written") from error
    except OSError as error:
        raise StorageError(f"{file}: {error.strerror}; nothing was written") from error


def _change(name: str, wanted: Any, file: Path) -> int:
    """Write a setting into a file, or, where None is wanted, take it out; comments and order stay. Returns the exit code."""
    document = _document(file)
    if wanted is None:
        if name not in document:
            click.echo(shown(f"{name} is not set in {file}"))
            return NOTHING
        del document[name]
    else:
        document[name] = wanted
    _write(file, document.as_string())
    click.echo(shown(f"{file}: {name} {'is set no more' if wanted is None else f'= {wanted}'}"))
    return FOUND


def _write(file: Path, text: str) -> None:
    from wayfind.files import rewrite_file

    try:
        rewrite_file(file, text.encode("utf-8"))
    except OSError as error:
        raise StorageError(f"{file}: {error.strerror}; nothing was written") from error
