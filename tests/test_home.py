"""A home folder: its sizes are those of the files, and it knows when each tree was used."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from indexes import opened, refreshed, tree

from wayfind.index.home import sizes
from wayfind.index.snapshot import open_snapshot
from wayfind.serve.standing import _size_of_store


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "own-home"


def test_sizes_are_those_of_the_files(home: Path, tmp_path: Path) -> None:
    for name in "ab":
        refreshed(tree(tmp_path, name, 1, 2), home)
    found = sizes(home)
    on_disk = {path: path.stat().st_size for path in home.rglob("*") if path.is_file()}
    assert found.content == sum(size for path, size in on_disk.items() if path.name.startswith("content"))
    assert found.segments == sum(size for path, size in on_disk.items() if path.suffix == ".seg")
    assert found.catalogues == sum(size for path, size in on_disk.items() if path.name.startswith("catalogue"))
    assert {size.root for size in found.trees} == {str(tmp_path / "a"), str(tmp_path / "b")}
    assert all(0 < size.bytes < found.total for size in found.trees)
    assert sizes(tmp_path / "nowhere").total == 0


def test_searching_a_tree_counts_as_use(home: Path, tmp_path: Path) -> None:
    root = tree(tmp_path, "a", 1)
    refreshed(root, home)
    with opened(root, home) as a:
        os.utime(a.folder / "root", (0, 1000))
        open_snapshot(a)
    assert sizes(home).trees[0].used > time.time() - 60


def test_a_file_that_goes_while_sizes_are_asked_for_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal of a database, when another process closes it last: `status` failed with "No such file"."""
    monkeypatch.setattr(Path, "glob", lambda folder, pattern: iter([folder / "content.sqlite-wal"]))
    assert _size_of_store(tmp_path / "content.sqlite") == 0
