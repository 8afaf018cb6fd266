"""What all tests share: a home of their own for indexes, one small indexed repository, and the command as its users run it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a shell's background job; its children would ignore interrupts too
    signal.signal(signal.SIGINT, signal.default_int_handler)

LIBRARY = {
    "loans.py": '''"""Lending books."""

import datetime

DAYS = 14


class Desk:
    """Where books are lent and returned."""

    def lend(self, book, reader):
        """Lend a book to a reader for two weeks.

        Raises LookupError when the book is out.
        """
        if book in self.out:
            raise LookupError(book)
        self.out[book] = (reader, datetime.date.today() + datetime.timedelta(DAYS))

    def overdue(self, today):
        """List the books that should be back by now."""
        return [book for book, (_, due) in self.out.items() if due < today]


def fine(days, rate=0.2):
    """Compute what a late reader pays, in euros."""
    return round(max(0, days) * rate, 2)
''',
    "catalogue/search.js": '''// Finding books by their title.

/** Return the books whose title holds every word of the phrase. */
export function findByTitle(books, phrase) {
  const words = phrase.toLowerCase().split(/\\s+/);
  return books.filter((book) => words.every((word) => book.title.toLowerCase().includes(word)));
}

export function sortByYear(books) {
  return [...books].sort((a, b) => a.year - b.year);
}
''',
    "docs/guide.md": """# Guide

How the library works.

## Opening hours

The desk is open from nine to five, except on Sundays.
""",
    "settings.toml": '[desk]\nrate = 0.2\nname = "main"\n',
    "tests/test_loans.py": '''from loans import fine


def test_fine_is_never_negative():
    assert fine(-3) == 0
''',
}

Run = Callable[..., subprocess.CompletedProcess]


def plant(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files below a folder and return it."""
    for path, content in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def command(*arguments: str | Path, home: Path, cwd: Path | None = None, given: bytes | None = None, env: Mapping[str, str] | None = None, **more) -> subprocess.CompletedProcess:
    """Run the command in a process of its own, warnings as errors, and return what it printed and its exit code."""
    line = [sys.executable, "-W", "error", "-m", "wayfind", *map(os.fspath, arguments)]
    surroundings = {**os.environ, "WAYFIND_HOME": str(home), **(env or {})}
    stdin = {"input": given} if given is not None else {"stdin": subprocess.DEVNULL}
    return subprocess.run(line, cwd=cwd, env=surroundings, capture_output=True, timeout=120, check=False, **stdin, **more)


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for indexes in the place of the user's, so that no test reads or writes there."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAYFIND_HOME", str(folder))
        patch.setenv("WAYFIND_MODEL", "none")  # tests of the model ask for it; loading it takes each process 0.3 s
        patch.setenv("WAYFIND_BACKGROUND_VECTORS", "off")  # no process outlives its test
        patch.delenv("WAYFIND_DEBUG", raising=False)
        yield folder


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Path:
    """A small repository in Python, JavaScript, Markdown and TOML, indexed. Tests do not change it."""
    root = plant(tmp_path_factory.mktemp("library"), LIBRARY)
    assert command("index", root, home=home).returncode == 0
    return root
