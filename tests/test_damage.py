"""A damaged database is searched around or refused with the command that mends it, whichever byte is wrong; and that command mends it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import plant
from test_vectors import HashingEncoder

from wayfind.errors import IndexDamaged, IndexVersion
from wayfind.index import doctor as doctors
from wayfind.index.catalogue import Catalogue
from wayfind.index.home import CATALOGUE, CONTENT, VECTORS
from wayfind.index.refresh import refresh
from wayfind.index.snapshot import open_snapshot
from wayfind.index.store import ContentStore
from wayfind.index.tree import open_tree
from wayfind.index.vectors import VectorStore, fill


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a small tree with vectors, beside the tree."""
    base = tmp_path_factory.mktemp("pristine")
    plant(base / "tree", {f"door{number}.py": f'def open_{number}(key):\n    """Open it."""\n    return key.turn({number})\n' for number in range(12)})
    used(base / "tree", base / "home")
    return base


def used(root: Path, home: Path) -> int:
    """Bring the index of a tree up to date, vectors too, and read it whole."""
    with contextlib.closing(open_tree(root, home)) as tree:
        refresh(tree)
        fill(tree, HashingEncoder())
        snapshot = open_snapshot(tree)
        return len([snapshot.chunk(number) for number in range(snapshot.chunks)])


def catalogue_read(path: Path) -> None:
    with contextlib.closing(Catalogue(path)) as catalogue:
        catalogue.check()
        catalogue.manifest()
        with catalogue.writing(1.0):
            catalogue.write_meta({"generation": "2"})


def content_read(path: Path) -> None:
    with contextlib.closing(ContentStore(path)) as store:
        store.check()
        store.put([("key", None, b"record", b"postings")])


def vectors_read(path: Path) -> None:
    with contextlib.closing(VectorStore(path.parent)) as store:
        store.check()
        store.put([("key", "content", b"codes")])


Read = Callable[[Path], None]


@pytest.mark.parametrize(("pattern", "read"), [(f"trees/*/{CATALOGUE}", catalogue_read), (CONTENT, content_read), (VECTORS, vectors_read)])
def test_whichever_byte_is_wrong_what_is_said_mends_it(pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, read: Read) -> None:
    """`unsupported file format` once was taken for a full disk, and nothing mended the file."""
    monkeypatch.setattr(doctors, "_check_grammars", lambda: iter(()))
    home = shutil.copytree(pristine / "home", tmp_path / "home")
    (file,) = home.glob(pattern)
    whole, kinds = file.read_bytes(), dict[str, bytes]()
    for place in (*range(100), *range(512, len(whole), 512)):
        for wrong in (b"\xff", b"X" * 12, bytes([whole[place] ^ 1])):
            damaged = whole[:place] + wrong + whole[place + len(wrong) :]
            for beside in home.glob(f"{pattern}*"):
                beside.unlink()
            file.write_bytes(damaged)
            try:
                read(file)
            except (IndexDamaged, IndexVersion) as error:
                said = str(error)
                assert "doctor --repair" in said or "index --rebuild" in said or "; run" not in said, (place, wrong)  # `check` names no command
                kinds.setdefault(f"{type(error).__name__} {said.partition('(')[2][:24]}", damaged)
    assert any("unsupported" in kind for kind in kinds)
    for kind, damaged in kinds.items():
        shutil.rmtree(home)
        shutil.copytree(pristine / "home", home)
        file.write_bytes(damaged)
        assert any(finding.repaired for finding in doctors.doctor(home, repair=True)), kind
        assert used(pristine / "tree", home) == 12, kind
        assert doctors.doctor(home) == [], kind
