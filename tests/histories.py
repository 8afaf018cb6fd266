"""Small real git repositories whose history and contents are known, for tests. Written by one `git fast-import`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

QUIET = {
    "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_TERMINAL_PROMPT": "0",
}


def git(folder: Path, *arguments: str, given: bytes | None = None) -> str:
    """Run git in a folder, apart from the user's settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | QUIET
    ran = subprocess.run(["git", "-C", str(folder), *arguments], input=given, capture_output=True, env=environment, check=True)
    return ran.stdout.decode()


def make(folder: Path, commits: Sequence[tuple[str, Mapping[str, str | None]]]) -> Path:
    """A repository of these commits, oldest first: (subject, path -> new text, None to delete); its tree checked out."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    stream = b"".join(_commit(number, subject, files) for number, (subject, files) in enumerate(commits))
    git(folder, "fast-import", "--quiet", given=stream)
    git(folder, "reset", "--quiet", "--hard", "main")
    return folder


def _commit(number: int, subject: str, files: Mapping[str, str | None]) -> bytes:
    head = b"commit refs/heads/main\ncommitter A <a@example.org> %d +0000\n" % (1_600_000_000 + 3600 * number)
    return head + _data(subject) + b"".join(_file(path, text) for path, text in files.items()) + b"\n"


def _file(path: str, text: str | None) -> bytes:
    return b"D %s\n" % path.encode() if text is None else b"M 100644 inline %s\n" % path.encode() + _data(text)


def _data(text: str) -> bytes:
    return b"data %d\n%s\n" % (len(text.encode()), text.encode())
