"""Questions to git: in come a folder and arguments, out comes what git prints.

Only ever reading: no lock is taken, nothing is fetched, no hook, pager or monitor is started, and with `without_filters` no
filter either. A git that is missing or fails is an answer and not an error.
"""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Iterator, Sequence


class Stopped(Exception):
    """The time is over, or git failed."""


def ask(root: str | os.PathLike[str], *arguments: str, seconds: float = 10.0) -> str | None:
    """What git answers, without the line end; None when it fails, is missing or takes too long."""
    try:
        done = subprocess.run(
            _command(root, arguments), env=_environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return os.fsdecode(done.stdout).removesuffix("\n")


def stream(root: str | os.PathLike[str], deadline: float, *arguments: str) -> Iterator[bytes]:
    """What git prints, as it comes. Raises Stopped at the deadline and when git fails."""
    try:
        git = subprocess.Popen(
            _command(root, arguments), env=_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError as error:
        raise Stopped from error
    try:
        pipe = git.stdout.fileno()
        while (left := deadline - time.monotonic()) > 0 and select.select([pipe], [], [], left)[0]:
            chunk = os.read(pipe, 1 << 20)
            if not chunk:
                if git.wait():
                    raise Stopped
                return
            yield chunk
        raise Stopped
    finally:
        git.kill()
        git.wait()
        git.stdout.close()


def without_filters(root: str | os.PathLike[str]) -> list[str]:
    """Settings, to stand before a command that compares files of the work tree: no filter program (`filter.*.clean`, as of LFS) is run
    on them."""
    names = ask(root, "config", "-z", "--name-only", "--get-regexp", r"^filter\..*\.(clean|process)$") or ""
    programs = [name for name in names.split("\0") if name]
    required = {name.rpartition(".")[0] + ".required" for name in programs}
    # Nothing is no program, and false. A name that holds `=` cannot be given by `-c`, and the other way needs a git of 2021 or later.
    return [word for name in [*programs, *sorted(required)] for word in ([f"--config-env={name}={_NOTHING}"] if "=" in name else ["-c", f"{name}="])]


_NOTHING = "WAYFIND_NOTHING"
"""A variable without a value."""


# `git diff` writes the index anew unless told not to, whatever GIT_OPTIONAL_LOCKS says.
_SETTINGS = (
    "core.quotepath=off", "core.fsmonitor=false", "core.hooksPath=/dev/null", "protocol.allow=never", "diff.autoRefreshIndex=false",
)  # fmt: skip

# Set while a hook of git runs us; they would lead to another repository than the one at `root`, or change the diffs.
_FOREIGN = frozenset(
    "GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_COMMON_DIR GIT_NAMESPACE"
    " GIT_PREFIX GIT_EXTERNAL_DIFF GIT_DIFF_OPTS GIT_GRAFT_FILE GIT_SHALLOW_FILE GIT_REPLACE_REF_BASE".split()
)


def _command(root: str | os.PathLike[str], arguments: Sequence[str]) -> list[str]:
    settings = [word for setting in _SETTINGS for word in ("-c", setting)]
    return ["git", "--no-pager", "-C", os.fspath(root), *settings, *arguments]


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    return kept | {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C", _NOTHING: ""}
