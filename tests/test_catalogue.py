from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from wayfind.errors import IndexBusy, IndexDamaged, IndexVersion, StorageError
from wayfind.index.catalogue import Catalogue, FileRow
from wayfind.types import Touch

ROW = FileRow("src/a.py", 10, 20, 30, "key", None, 2, "one.seg", 0)
SKIPPED = FileRow("b\udcff.bin", 1, 2, 3, "", "binary", 0, None, -1)


@pytest.fixture
def catalogue(tmp_path: Path):
    catalogue = Catalogue(tmp_path / "tree" / "catalogue.sqlite")
    yield catalogue
    catalogue.close()


@pytest.fixture
def other(catalogue: Catalogue):
    other = Catalogue(catalogue.path)
    yield other
    other.close()


def fill(catalogue: Catalogue, generation: int = 1) -> None:
    with catalogue.writing(1.0):
        catalogue.write_files([ROW, SKIPPED], [])
        catalogue.write_segments([("one.seg", 1, 2, 99)], [])
        catalogue.write_meta({"generation": str(generation), "skipped": '{"binary": 1}'})


def test_a_new_catalogue_holds_no_generation(catalogue: Catalogue) -> None:
    assert catalogue.generation() == 0
    assert catalogue.manifest().rows == {}


def test_what_is_written_is_read(catalogue: Catalogue, other: Catalogue) -> None:
    fill(catalogue)
    manifest = other.manifest()
    assert manifest.generation == 1
    assert manifest.rows == {row.path: row for row in (ROW, SKIPPED)}
    assert manifest.segments == ("one.seg",)
    assert manifest.skipped == {"binary": 1}


def test_nothing_is_seen_before_the_end(catalogue: Catalogue, other: Catalogue) -> None:
    with catalogue.writing(1.0):
        catalogue.write_files([ROW], [])
        catalogue.write_segments([("one.seg", 1, 2, 99)], [])
        assert other.manifest().rows == {}
    assert other.manifest().rows == {ROW.path: ROW}


def test_an_exception_leaves_the_old_generation(catalogue: Catalogue, other: Catalogue) -> None:
    fill(catalogue)
    with pytest.raises(ZeroDivisionError), catalogue.writing(1.0):
        catalogue.clear()
        raise ZeroDivisionError
    assert other.manifest() == catalogue.manifest()
    assert other.manifest().rows[ROW.path] == ROW
    with other.writing(0.0):  # and the right to write is free again
        pass


def test_a_second_writer_is_told(catalogue: Catalogue, other: Catalogue) -> None:
    fill(catalogue)
    with catalogue.writing(1.0):
        with pytest.raises(IndexBusy, match="another process"), other.writing(0.0):
            pass
        assert other.manifest().generation == 1
    with other.writing(0.0):
        pass


def test_reading_is_of_one_generation(catalogue: Catalogue, other: Catalogue) -> None:
    fill(catalogue)
    with other.reading():
        assert other.manifest().generation == 1
        with catalogue.writing(1.0):
            catalogue.write_manual({("src/a.py", 0): "New."})
            catalogue.write_meta({"generation": "2"})
        assert (other.manifest().generation, other.manual()) == (1, {})
    assert (other.generation(), other.manual()) == (2, {("src/a.py", 0): "New."})


def test_touches_come_newest_first_and_move_with_their_file(catalogue: Catalogue) -> None:
    touches = [Touch("a.py", "f", "c1", 1, "Add f"), Touch("b.py", "g", "c2", 2, "Add g"), Touch("a.py", "f", "c3", 3, "Fix f")]
    with catalogue.writing(1.0):
        catalogue.write_touches(touches, replace=True)
    assert [touch.commit for touch in catalogue.touches()] == ["c3", "c2", "c1"]
    with catalogue.writing(1.0):
        catalogue.move_touches({"a.py": "new/a.py"}, ["a.py", "b.py"])
    assert [(touch.path, touch.commit) for touch in catalogue.touches()] == [("new/a.py", "c3"), ("new/a.py", "c1")]


def test_dropping_takes_out_files_by_segment_and_content(catalogue: Catalogue) -> None:
    fill(catalogue)
    with catalogue.writing(1.0):
        assert catalogue.drop(keys=["unknown"]) == 0
        assert catalogue.drop(segments=["one.seg"]) == 1
    assert set(catalogue.manifest().rows) == {SKIPPED.path}
    assert catalogue.manifest().segments == ()


def test_a_catalogue_that_took_its_place_is_followed(catalogue: Catalogue, tmp_path: Path) -> None:
    fill(catalogue)
    for path in catalogue.path.parent.iterdir():
        path.unlink()
    catalogue.path.parent.rmdir()
    assert catalogue.generation() == 0
    fill(catalogue, 5)
    again = Catalogue(catalogue.path)
    assert again.generation() == 5
    again.close()


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM file WHERE key = ''",
        "DELETE FROM segment",
        "UPDATE file SET segment = 'two.seg' WHERE key = 'key'",
        "UPDATE file SET number = 'x'",
        "UPDATE file SET path = 'text'||path",
        "UPDATE meta SET value = 'x' WHERE name = 'generation'",
        "DROP TABLE file",
    ],
)
def test_what_does_not_agree_is_damage(catalogue: Catalogue, damage: str) -> None:
    fill(catalogue)
    with sqlite3.connect(catalogue.path) as hand:
        hand.execute(damage)
    hand.close()
    with pytest.raises(IndexDamaged, match="doctor --repair"):
        catalogue.manifest()


def test_another_format_is_refused(catalogue: Catalogue) -> None:
    with sqlite3.connect(catalogue.path) as hand:
        hand.execute("PRAGMA user_version = 7")
    hand.close()
    with pytest.raises(IndexVersion, match="format 7.*--rebuild"):
        Catalogue(catalogue.path)


def test_a_file_in_the_place_of_the_folder_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "tree").write_text("")
    with pytest.raises(StorageError):
        Catalogue(tmp_path / "tree" / "catalogue.sqlite")
