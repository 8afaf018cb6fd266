"""Scratch copies of a tree, so that an evaluation can hide what would give its answers away. Git is run without hooks or network.

A copy is a repository of its own that borrows the objects of the original (read only) and has no reference but its HEAD: what
came after HEAD cannot be reached from it. Nothing is ever written into the original.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

QUIET = {"GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_LFS_SKIP_SMUDGE": "1", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
PLAIN = (
    "-c", "core.hooksPath=/dev/null", "-c", "core.quotePath=false", "-c", "core.fsmonitor=false", "-c", "gc.auto=0",
    "-c", "log.showSignature=false",
)  # fmt: skip


class GitError(Exception):
    """Git is missing, or refused; the text is its own."""


@dataclass(frozen=True, slots=True)
class Repository:
    """The git repository around a folder."""

    top: Path
    prefix: str
    """The folder within it, `` or `folder/`."""


def git(folder: Path, *arguments: str) -> str:
    """What a git command prints."""
    return git_bytes(folder, *arguments).decode("utf-8", "replace")


def git_bytes(folder: Path, *arguments: str, given: bytes = b"") -> bytes:
    """What a git command prints, as bytes, given bytes on its input. Raises GitError."""
    try:
        ran = subprocess.run(command(folder, *arguments), input=given, capture_output=True, env=environment(), check=False)
    except FileNotFoundError as missing:
        raise GitError("git is not installed") from missing
    if ran.returncode:
        raise GitError(ran.stderr.decode("utf-8", "replace").strip() or f"git {arguments[0]} failed")
    return ran.stdout


def git_lines(folder: Path, *arguments: str) -> Iterator[str]:
    """The lines that a git command prints, one at a time: a log with patches may be larger than memory. Raises GitError, after the
    lines that there were, where it ends badly: a clone without all contents, for one."""
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(command(folder, *arguments), stdout=subprocess.PIPE, stderr=said, env=environment()) as running:
            for line in running.stdout:
                yield line.decode("utf-8", "replace").rstrip("\n")
        if running.returncode:
            said.seek(0)
            raise GitError(said.read().decode("utf-8", "replace").strip() or f"git {arguments[0]} failed")


def command(folder: Path, *arguments: str) -> list[str]:
    """A git command in a folder, without hooks, quoting or maintenance."""
    return ["git", *PLAIN, "-C", os.fspath(folder), *arguments]


def environment() -> dict[str, str]:
    """The caller's environment without what points git elsewhere (a hook's GIT_DIR), and without prompts or network."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name.startswith("GIT_CONFIG")}
    return kept | QUIET


def repository_of(folder: Path) -> Repository | None:
    """The repository with at least one commit to which a folder belongs, if any."""
    try:
        top, prefix = git(folder, "rev-parse", "--show-toplevel"), git(folder, "rev-parse", "--show-prefix")
        git(folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    except GitError:
        return None
    return Repository(Path(top.rstrip("\n")), prefix.rstrip("\n"))


def is_versioned(folder: Path) -> bool:
    """Whether a folder belongs to a git repository, which may have no commit yet."""
    try:
        return git(folder, "rev-parse", "--is-inside-work-tree").strip() == "true"
    except GitError:
        return False


def borrow(source: Path, into: Path, commit: str) -> None:
    """Make `into` a repository whose HEAD is one commit of the source, without a work tree yet."""
    into.mkdir(parents=True)
    git(into, "init", "--quiet", "--template=", f"--object-format={git(source, 'rev-parse', '--show-object-format').strip()}")
    common = Path(git(source, "rev-parse", "--path-format=absolute", "--git-common-dir").rstrip("\n"))
    (into / ".git/objects/info").mkdir(parents=True, exist_ok=True)
    (into / ".git/objects/info/alternates").write_bytes(os.fsencode(common / "objects") + b"\n")
    if (common / "shallow").is_file():
        shutil.copyfile(common / "shallow", into / ".git/shallow")
    git(into, "update-ref", "--no-deref", "HEAD", commit)


def tree_at(source: Path, into: Path, commit: str) -> None:
    """A copy of the whole tree at one commit, with the history up to it and nothing later."""
    borrow(source, into, commit)
    git(into, "-c", "core.autocrlf=false", "reset", "--quiet", "--hard", commit)


def tree_of(root: Path, paths: Iterable[str], into: Path) -> Path:
    """A copy of the named files as they lie in the working tree, with the history of HEAD where there is one.

    Returns the folder in the copy that stands for `root`.
    """
    repository = repository_of(root)
    if repository is None:
        into.mkdir(parents=True)
        folder = into
    else:
        borrow(repository.top, into, git(root, "rev-parse", "HEAD").strip())
        folder = into / repository.prefix
    for path in paths:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / path, target)
    if repository is not None:
        git(into, "reset", "--quiet")
    return folder
