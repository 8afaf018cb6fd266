"""A file is replaced whole, for its owner alone, or stays as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wayfind.errors import StorageError
from wayfind.files import replace_file, rewrite_file


def test_a_file_is_replaced_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    for data in (b"first", b"second", b""):
        replace_file(path, data)
        assert path.read_bytes() == data
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert os.listdir(path.parent) == ["file"]


def test_what_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_file(tmp_path / "file", b"old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(StorageError, match="nothing was changed"):
        replace_file(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot write"):
        replace_file(tmp_path / "file" / "below", b"")


def test_a_file_of_the_users_is_written_where_it_links_to_and_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    (tmp_path / "dotfiles" / "settings").write_bytes(b"old")
    (tmp_path / "dotfiles" / "settings").chmod(0o640)
    (tmp_path / "link").symlink_to(tmp_path / "dotfiles" / "settings")
    rewrite_file(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "dotfiles" / "settings").read_bytes() == b"new"
    assert (tmp_path / "dotfiles" / "settings").stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path / "dotfiles") == ["settings"]


def test_a_new_file_of_the_users_has_the_mode_that_the_user_asks_for(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        rewrite_file(tmp_path / "new" / "settings", b"new")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert (tmp_path / "new" / "settings").stat().st_mode & 0o777 == 0o640
