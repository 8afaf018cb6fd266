"""The doctor: what is damaged is found, and repaired it is the index from nothing; a sound home has no findings."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from indexes import PLAIN, image, opened, refreshed, source, tree, write, wrong

from wayfind.corpus import languages
from wayfind.errors import IndexDamaged
from wayfind.index import doctor as diagnosis
from wayfind.index.doctor import doctor
from wayfind.index.refresh import refresh
from wayfind.index.store import ContentStore


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "own-home"


def test_a_sound_home_has_no_findings(home: Path, tmp_path: Path) -> None:
    root = tree(tmp_path, "a", 1, 2)
    refreshed(root, home)
    assert wrong(home) == wrong(home, root) == []


def test_the_doctor_changes_nothing_unless_asked(home: Path, tmp_path: Path) -> None:
    refreshed(tree(tmp_path, "a", 1), home)
    (segment,) = home.glob("trees/*/*.seg")
    segment.write_bytes(segment.read_bytes()[:-1])
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert wrong(home) == ["segment"]
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file() and path.suffix in (".seg", ".sqlite")} == {
        path: data for path, data in before.items() if path.suffix in (".seg", ".sqlite")
    }


def test_a_damaged_segment_costs_only_its_files(home: Path, tmp_path: Path) -> None:
    root = tree(tmp_path, "a", 1, 2, 3)
    refreshed(root, home)
    (first,) = home.glob("trees/*/*.seg")
    write(root, {"more.py": source(9)})
    refreshed(root, home)
    expected = image(root, home)
    data = bytearray(first.read_bytes())
    data[len(data) // 2] ^= 255
    first.write_bytes(data)
    (finding,) = [finding for finding in doctor(home, repair=True) if finding.what != "disk"]
    assert finding.what == "segment" and finding.repaired and "(repaired)" in str(finding)
    assert [path for path, _ in image(root, home)["languages"]] == ["more.py"]
    done = refreshed(root, home)
    assert (done.changed, done.extracted) == (3, 0)
    assert image(root, home) == expected


def test_damaged_content_is_read_again_by_every_tree_that_uses_it(home: Path, tmp_path: Path) -> None:
    roots = [tree(tmp_path, "a", 1, 2), tree(tmp_path, "b", 2, 3)]
    for root in roots:
        refreshed(root, home)
    expected = [image(root, home) for root in roots]
    with sqlite3.connect(home / "content.sqlite") as hand:
        hand.execute("UPDATE content SET record = substr(record, 2)")
    hand.close()
    for root in roots:
        with pytest.raises(IndexDamaged, match="doctor --repair"):
            image(root, home)
    assert wrong(home, roots[0]) == ["content"] * 4  # three contents, and the tree that uses two of them
    doctor(home, roots[0], repair=True)
    assert wrong(home) == []
    assert [refreshed(root, home).extracted for root in roots] == [2, 1]
    assert [image(root, home) for root in roots] == expected


def test_content_that_is_missing_is_read_again(home: Path, tmp_path: Path) -> None:
    root = tree(tmp_path, "a", 1, 2)
    refreshed(root, home)
    expected = image(root, home)
    store = ContentStore(home / "content.sqlite")
    store.delete(store.used())
    store.close()
    assert wrong(home) == ["content"]
    doctor(home, repair=True)
    assert refreshed(root, home).extracted == 2
    assert image(root, home) == expected


@pytest.mark.parametrize("what", ["content.sqlite", "catalogue.sqlite"])
def test_a_database_of_another_version_needs_no_hand(home: Path, tmp_path: Path, what: str) -> None:
    root = tree(tmp_path, "a", 1, 2)
    refreshed(root, home)
    expected = image(root, home)
    (path,) = home.rglob(what)
    with sqlite3.connect(path) as hand:
        hand.execute("PRAGMA user_version = 99")
    hand.close()
    assert wrong(home) == ["version"]
    assert all(finding.repaired for finding in doctor(home, repair=True) if finding.what == "version")
    refreshed(root, home)
    assert image(root, home) == expected
    assert wrong(home) == []


def test_what_others_can_read_is_found_and_closed(home: Path, tmp_path: Path) -> None:
    refreshed(tree(tmp_path, "a", 1), home)
    assert wrong(home) == []
    (home / "content.sqlite").chmod(0o644)
    (home / "trees").chmod(0o755)
    (home / "explanations.sqlite").touch(0o644)
    assert wrong(home) == ["permissions"] * 3
    doctor(home, repair=True)
    assert wrong(home) == []
    assert (home / "content.sqlite").stat().st_mode & 0o777 == 0o600


def test_a_full_disk_is_told(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refreshed(tree(tmp_path, "a", 1), home)
    monkeypatch.setattr(diagnosis, "LEAST_FREE", 2**63)
    assert [finding.what for finding in doctor(home)] == ["disk"]


def test_a_grammar_that_does_not_load_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parser_for = languages.parser_for
    monkeypatch.setattr(languages, "parser_for", lambda name: (_ for _ in ()).throw(ImportError("no such module")) if name == "go" else parser_for(name))
    (finding,) = doctor(home)
    assert finding.what == "grammar" and "grammar of go" in finding.text


def test_the_doctor_beside_a_writer_finds_nothing(home: Path, tmp_path: Path) -> None:
    root = tree(tmp_path, "a", 1)
    refreshed(root, home)
    with opened(root, home) as a, a.catalogue.writing(0.0):
        a.catalogue.clear()
        assert wrong(home) == []


def test_repair_of_a_self_contained_home(tmp_path: Path) -> None:
    root = tree(tmp_path, "a", 1)
    folder = tmp_path / "shipped"
    with opened(root, folder) as a:
        refresh(a, PLAIN)
    assert doctor(folder, root, repair=True) == [finding for finding in doctor(folder, root) if finding.what == "disk"]
