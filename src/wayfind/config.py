"""Settings: what was set where comes in, one value with its origin goes out.

A flag beats the environment (WAYFIND_TOP_K), that the repository's `.wayfind/config.toml`, that the user's `config.toml`, and
that the default. A repository is somebody else's: its file may set how answers look, not what is written where or how much of
the machine is used. Unknown names are errors in every file.
"""

from __future__ import annotations

import functools
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wayfind.errors import StorageError, UsageError

PROJECT_FILE = Path(".wayfind") / "config.toml"
LARGEST = 65_536
"""Bytes of a settings file at most; a dozen settings need far less."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that can be set."""

    name: str
    about: str
    read: Callable[[Any], Any]
    """The value of what is written, a text in the environment, else TOML. Raises ValueError, which says what was expected."""
    default: Any
    in_project: bool = True
    """Whether a repository may set it."""
    variable: str = ""

    @property
    def environment(self) -> str:
        """The name of its environment variable."""
        return self.variable or "WAYFIND_" + self.name.upper().replace("-", "_")


@dataclass(frozen=True, slots=True)
class Value:
    """A setting as it stands."""

    setting: Setting
    value: Any
    origin: str = "default"
    """`default`, the name of an environment variable, or the path of a file."""


def _number(least: int, most: int) -> Callable[[Any], int]:
    def read(written: Any) -> int:
        try:
            number = int(written) if isinstance(written, (str, int)) and not isinstance(written, bool) else least - 1
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise ValueError(f"expected a whole number from {least:,} to {most:,}")
        return number

    return read


def _choice(*choices: str) -> Callable[[Any], str]:
    def read(written: Any) -> str:
        if written not in choices:
            raise ValueError(f"expected {', '.join(choices[:-1])} or {choices[-1]}")
        return written

    return read


def _switch(written: Any) -> str:
    said = str(written).lower()
    if said not in _SAID:
        raise ValueError("expected on or off")
    return _SAID[said]


_SAID = {"on": "on", "yes": "on", "true": "on", "1": "on", "off": "off", "no": "off", "false": "off", "0": "off"}


def _text(written: Any) -> str:
    if not isinstance(written, str) or not written:
        raise ValueError("expected a text")
    return written


def _size(written: Any) -> str:
    if not isinstance(written, str) or not _SIZE.fullmatch(written.strip()):
        raise ValueError("expected a size, for example 500MB or 2GB")
    return written


_SIZE = re.compile(r"\d+(\.\d+)?\s*[kmgt]?b?", re.IGNORECASE)
"""As `gc --limit` takes it (`serve.keeping`)."""


def _folder(written: Any) -> str:
    return os.path.abspath(os.path.expanduser(_text(written)))


def _model(written: Any) -> str:
    return written if written in ("base", "none") else _folder(written)


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("top-k", "number of results", _number(1, 1_000), 10),
        Setting("explain", "where explanations may come from: source, generated, auto, none", _choice("source", "generated", "auto", "none"), "auto"),
        Setting("max-tokens", "tokens that an answer of `search` may have; without it, any number", _number(1, 10_000_000), None),
        Setting("commits", "commits of the history that are read at most; holds when commits are next read", _number(0, 1_000_000), 2_000),
        Setting("jobs", "processes that read files", _number(1, 1_024), os.cpu_count() or 1, in_project=False),
        Setting("color", "auto, always, never", _choice("auto", "always", "never"), "auto", in_project=False),
        Setting("cache-limit", "size that `gc` keeps, such as 2GB; without it, any", _size, None, in_project=False),
        Setting("auto-gc", "whether `index` deletes once a week what no index needs any more: on, off", _switch, "on", in_project=False),
        Setting("resident", "whether commands ask a resident process when there is one: on, off", _switch, "on", in_project=False),
        Setting("record-opened", "whether results that are looked at after a search are noted for `learn`: on, off", _switch, "off", in_project=False),
        Setting("model", "the model that search by meaning uses: base, none, or the folder of a bundle or of another encoder", _model, "base", in_project=False),
        Setting("late-interaction", "whether an index keeps the vectors of tokens, for late interaction: on, off", _switch, "on", in_project=False),
        Setting("background-vectors", "whether a search that lacks vectors has them made by a process in the background: on, off", _switch, "on", in_project=False),
        Setting("home", "folder of all indexes", _folder, None, in_project=False),
    )
}


def value_of(name: str, folder: str | os.PathLike[str] | None = None) -> Any:
    """The value of a setting for the repository around `folder`; without a folder, for no repository.

    Raises UsageError where a file or a variable holds what cannot be.
    """
    return found(name, folder).value


def default_home() -> Path:
    """The folder of all indexes: $WAYFIND_HOME, else the user's setting `home`, else wayfind below the user's cache folder (XDG)."""
    if home := os.environ.get("WAYFIND_HOME"):
        return Path(home).expanduser()
    if home := value_of("home"):
        return Path(home)
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "wayfind"


def environment() -> dict[str, str]:
    """The environment for a process with another current folder: what names a folder names it whole. Raises UsageError."""
    named = {setting.environment: setting for setting in (SETTINGS["home"], SETTINGS["model"])}
    return os.environ | {name: _read(setting, os.environ[name], name) for name, setting in named.items() if os.environ.get(name)}


def found(name: str, folder: str | os.PathLike[str] | None = None) -> Value:
    """The value of a setting with its origin. Raises as `value_of`."""
    setting = setting_of(name)
    if written := os.environ.get(setting.environment):
        return Value(setting, _read(setting, written, f"{setting.environment}={written}"), setting.environment)
    project = project_file(folder) if folder is not None and setting.in_project else None
    for file in filter(None, (project, user_file())):
        values = read_file(file, in_project=file == project)
        if setting.name in values:
            return Value(setting, values[setting.name], str(file))
    return Value(setting, setting.default)


def setting_of(name: str) -> Setting:
    """The setting of this name. Raises UsageError that names the nearest."""
    if name not in SETTINGS:
        raise UsageError(f"no setting is called {name!r}{_nearest(name)}")
    return SETTINGS[name]


def user_file() -> Path:
    """The user's settings (XDG)."""
    folder = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(folder).expanduser() / "wayfind" / "config.toml"


def project_file(folder: str | os.PathLike[str]) -> Path | None:
    """The settings of the repository around a folder: the nearest file, at most as far up as the one that has `.git`."""
    here = Path(os.path.abspath(folder))
    around = (here, *here.parents)
    top = next((number for number, above in enumerate(around) if (above / ".git").exists()), 0)
    return next((file for above in around[: top + 1] if _is_file(file := above / PROJECT_FILE)), None)


def read_file(file: Path, in_project: bool) -> Mapping[str, Any]:
    """Name -> value of a settings file; none where there is no file, or it lies in a folder that is another user's. Raises UsageError,
    StorageError."""
    try:
        known = file.stat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}
    except OSError as error:
        raise StorageError(f"{file}: {error.strerror}") from error
    return _read_file(file, in_project, known.st_mtime_ns, known.st_size)


@functools.lru_cache(maxsize=16)
def _read_file(file: Path, in_project: bool, modified: int, size: int) -> Mapping[str, Any]:
    """Read once for each state of the file: the settings are asked for by every command several times."""
    if size > LARGEST:
        raise UsageError(f"{file} has {size:,} bytes; settings have {LARGEST:,} at most")
    values = {}
    for name, written in _parsed(file).items():
        if name not in SETTINGS:
            raise UsageError(f"{file}: no setting is called {name!r}{_nearest(name)}")
        if in_project and not SETTINGS[name].in_project:
            raise UsageError(f"{file}: a repository may not set {name!r}; set it for yourself with: wayfind config set {name} VALUE")
        values[name] = _read(SETTINGS[name], written, f"{file}: {name} = {written!r}")
    return values


def _parsed(file: Path) -> dict[str, Any]:
    """The tables of a TOML file. tomlkit, where Python has no reader of its own, takes twice as long to import."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        try:
            import tomllib
        except ImportError:
            import tomlkit

            return tomlkit.parse(text).unwrap()
        return tomllib.loads(text)
    except OSError as error:
        raise StorageError(f"{file}: {error.strerror}") from error
    except ValueError as error:  # of TOML and of UTF-8
        raise UsageError(f"{file}: {error}") from error


def _read(setting: Setting, written: Any, where: str) -> Any:
    try:
        return setting.read(written)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from error


def _nearest(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name.replace("_", "-").lower(), SETTINGS, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(SETTINGS)}"


def _is_file(path: Path) -> bool:
    """Whether it is a file itself: a link of a clone may lead to what is not the clone's."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False
