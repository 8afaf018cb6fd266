"""Keeping house: what is deleted was needed by no index, and all else stays."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import time
from pathlib import Path

import pytest
from indexes import PLAIN, image, opened, refreshed, tree, write, wrong

from wayfind.api import Repository
from wayfind.errors import NotFound, StorageError
from wayfind.index import refresh as refreshing
from wayfind.index.explanations import ExplanationStore
from wayfind.index.home import sizes
from wayfind.index.lock import held
from wayfind.index.maintain import forget, gc, tidy
from wayfind.index.store import ContentStore
from wayfind.index.tree import open_tree
from wayfind.index.vectors import VectorStore

DAY = 86_400


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "own-home"


def held_contents(home: Path) -> set[str]:
    with contextlib.closing(ContentStore(home / "content.sqlite")) as store:
        return set(store.used())


def contents(home: Path) -> int:
    return len(held_contents(home))


# gc


def test_gc_of_nothing(tmp_path: Path) -> None:
    assert gc(tmp_path / "nowhere").freed == 0
    assert not (tmp_path / "nowhere").exists()


def test_gc_takes_nothing_that_is_in_use(home: Path, tmp_path: Path) -> None:
    root = tree(tmp_path, "a", 1, 2)
    refreshed(root, home)
    before = image(root, home)
    done = gc(home, now=time.time() + 400 * DAY)
    assert (done.gone, done.evicted, done.contents) == ((), (), 0)
    assert image(root, home) == before


def test_gc_unasked_runs_once_a_week_and_never_beside_another(home: Path, tmp_path: Path) -> None:
    refreshed(tree(tmp_path, "a", 1), home)
    (home / "trees" / "a-folder-that-is-gone").mkdir()
    now = time.time()
    assert tidy(home, now) is None and tidy(home, now + 6 * DAY) is None
    with held(home, alone=False, wait=1.0):
        assert tidy(home, now + 8 * DAY) is None
    assert tidy(home, now + 9 * DAY) is None
    assert tidy(home, now + 16 * DAY) is not None


def test_gc_unasked_keeps_the_index_of_a_folder_that_may_come_back(home: Path, tmp_path: Path) -> None:
    root = tree(tmp_path, "a", 1)
    refreshed(root, home)
    shutil.rmtree(root)
    now = time.time()
    assert tidy(home, now) is None
    assert tidy(home, now + 8 * DAY).gone == ()
    assert tidy(home, now + 40 * DAY).gone == (str(root),)


def test_the_index_of_a_folder_that_is_gone_goes(home: Path, tmp_path: Path) -> None:
    kept, gone = tree(tmp_path, "kept", 1, 2), tree(tmp_path, "gone", 2, 3)
    refreshed(kept, home)
    refreshed(gone, home)
    before = image(kept, home)
    shutil.rmtree(gone)
    done = gc(home, now=time.time() + 2 * DAY)
    assert (done.gone, done.contents) == ((str(gone),), 1)
    assert str(gone) in str(done)
    assert image(kept, home) == before
    assert [size.root for size in sizes(home).trees] == [str(kept)]


def test_content_that_a_tree_let_go_stays_a_day(home: Path, tmp_path: Path) -> None:
    root = tree(tmp_path, "a", 1, 2)
    refreshed(root, home)
    with sqlite3.connect(home / "content.sqlite") as hand:  # stored long ago
        hand.execute("UPDATE content SET used = 1")
    hand.close()
    (root / "file2.py").unlink()
    refreshed(root, home)
    assert gc(home).contents == 0
    assert gc(home, now=time.time() + 2 * DAY).contents == 1
    assert contents(home) == 1


def test_content_of_a_writer_that_was_killed_before_its_commit_stays_a_day(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree(tmp_path, "a", 1, 2)
    monkeypatch.setattr(refreshing._Work, "_write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        refreshed(root, home)
    monkeypatch.undo()
    assert gc(home).contents == 0
    assert refreshed(root, home).extracted == 0


def test_gc_sweeps_replaced_segments(home: Path, tmp_path: Path) -> None:
    root = tree(tmp_path, "a", 1, 2)
    refreshed(root, home)
    refreshed(root, home, refreshing.Options(commits=0, rebuild=True))
    assert len(list(home.glob("trees/*/*.seg"))) == 2
    assert gc(home).freed > 0
    assert len(list(home.glob("trees/*/*.seg"))) == 1
    assert len(image(root, home)["languages"]) == 2


def test_under_a_limit_the_tree_used_longest_ago_goes_first(home: Path, tmp_path: Path) -> None:
    roots = [tree(tmp_path, f"tree{i}", *range(10 * i, 10 * i + 6)) for i in range(3)]
    for root in roots:
        refreshed(root, home)
    for root, days in zip(roots, (1, 3, 2)):
        with opened(root, home) as opened_tree:
            os.utime(opened_tree.folder / "root", (0, time.time() - days * DAY))
    gc(home, limit_bytes=10**9)
    whole = sizes(home).total
    done = gc(home, limit_bytes=whole - 1)
    assert done.evicted == (str(roots[1]),)
    assert done.left < whole
    assert not (tmp_path / "tree1" / ".wayfind").exists() and roots[1].is_dir()
    assert {size.root for size in sizes(home).trees} == {str(roots[0]), str(roots[2])}
    assert wrong(home) == []
    assert refreshed(roots[1], home).extracted == 6
    assert len(gc(home, limit_bytes=0).evicted) == 3
    assert contents(home) == 0


def test_a_limit_counts_what_the_vectors_of_an_index_take(home: Path, tmp_path: Path) -> None:
    """Every index was deleted where one was enough: the vectors of the first went at the very end."""
    roots = [tree(tmp_path, f"tree{i}", 10 * i) for i in range(2)]
    for days, root in zip((2, 1), roots):
        before = set() if days == 2 else held_contents(home)
        refreshed(root, home)
        with contextlib.closing(VectorStore(home)) as vectors:
            vectors.put([(f"{days}", (held_contents(home) - before).pop(), os.urandom(1_000_000))])
        with opened(root, home) as opened_tree:
            os.utime(opened_tree.folder / "root", (0, time.time() - days * DAY))
    assert gc(home, limit_bytes=1_500_000).evicted == (str(roots[0]),)
    assert wrong(home) == []


def test_room_is_given_back(home: Path, tmp_path: Path) -> None:
    big, small = tree(tmp_path, "big", *range(100, 160)), tree(tmp_path, "small", 1)
    refreshed(big, home)
    refreshed(small, home)
    shutil.rmtree(big)
    before = sum(path.stat().st_size for path in home.rglob("*") if path.is_file())
    done = gc(home, now=time.time() + 2 * DAY)
    after = sum(path.stat().st_size for path in home.rglob("*") if path.is_file())
    assert after == done.left == before - done.freed
    assert after < before / 3


def test_an_unreadable_catalogue_keeps_all_content(home: Path, tmp_path: Path) -> None:
    """It may refer to any of it."""
    roots = [tree(tmp_path, "a", 1), tree(tmp_path, "b", 2)]
    for root in roots:
        refreshed(root, home)
    with opened(roots[0], home) as a:
        path = a.catalogue.path
    path.write_bytes(b"noise" * 5000)
    done = gc(home, now=time.time() + 9 * DAY)
    assert done.unread == (str(path),) and done.contents == 0
    assert "doctor --repair" in str(done)
    assert contents(home) == 2


def test_a_home_opened_and_never_filled_is_sound_and_goes_after_a_day(home: Path, tmp_path: Path) -> None:
    open_tree(tree(tmp_path, "a", 1), home).close()
    assert wrong(home) == []
    gc(home)
    assert len(sizes(home).trees) == 1
    gc(home, now=time.time() + 2 * DAY)
    assert sizes(home).trees == ()


# forget


def test_forget_removes_the_index_and_what_only_it_used(home: Path, tmp_path: Path) -> None:
    a, b = tree(tmp_path, "a", 1, 2), tree(tmp_path, "b", 2, 3)
    refreshed(a, home)
    refreshed(b, home)
    before = image(b, home)
    done = forget(a, home)
    assert (done.root, done.contents) == (str(a), 1)
    assert image(b, home) == before
    assert wrong(home) == []
    assert refreshed(a, home).extracted == 1


def test_forget_leaves_no_text_behind(home: Path, tmp_path: Path) -> None:
    """Neither of the present files nor of earlier versions, in no file, not even in free pages."""
    root = write(tmp_path / "a", {"a.py": "def confidential_alpha():\n    return 1\n" * 3})
    refreshed(root, home)
    write(root, {"a.py": "def confidential_beta():\n    return 2\n"})
    refreshed(root, home)
    with contextlib.closing(ExplanationStore(home)) as written:
        written.put("model", "def confidential_beta", "Returns the confidential.")
    forget(root, home)
    store = ContentStore(home / "content.sqlite")
    assert store.used() == {}
    store.close()
    for path in home.rglob("*"):
        assert not path.is_file() or (b"confidential" not in path.read_bytes() and b"a.py" not in path.read_bytes())
    assert (home / "content.sqlite").stat().st_size <= 5 * 4096  # the empty schema; deleted rows were compressed text


def test_a_folder_that_is_gone_can_be_forgotten(home: Path, tmp_path: Path) -> None:
    root = tree(tmp_path, "a", 1)
    refreshed(root, home)
    shutil.rmtree(root)
    assert forget(root, home).contents == 1
    assert sizes(home).trees == ()


def test_what_was_never_indexed_is_not_found(home: Path, tmp_path: Path) -> None:
    refreshed(tree(tmp_path, "a", 1), home)
    with pytest.raises(NotFound, match="not indexed"):
        forget(tmp_path / "b", home)
    with pytest.raises(NotFound, match="not indexed"):
        forget(tmp_path / "a", tmp_path / "other-home")


def test_a_damaged_index_can_be_forgotten(home: Path, tmp_path: Path) -> None:
    root = tree(tmp_path, "a", 1)
    refreshed(root, home)
    for path in home.glob("trees/*/catalogue.sqlite"):
        path.write_bytes(b"noise" * 5000)
    assert forget(root, home).contents == 1


def test_a_process_that_goes_on_after_forget_builds_its_index_again(home: Path, tmp_path: Path) -> None:
    root = tree(tmp_path, "a", 1, 2)
    with opened(root, home) as a:
        repository = Repository(a, PLAIN)
        expected = repository.search("module").results
        forget(root, home)
        assert repository.search("module").results == expected
        forget(root, home)
        write(root, {"new.py": "def unheard_of():\n    return 1\n"})
        refreshed(root, home)  # the first generation of a catalogue that is new to this process
        assert repository.search("unheard_of").results[0].path == "new.py"
    assert wrong(home) == []


def test_a_home_deleted_under_a_process_is_made_again(home: Path, tmp_path: Path) -> None:
    root = tree(tmp_path, "a", 1, 2)
    with opened(root, home) as a:
        repository = Repository(a, PLAIN)
        expected = repository.search("module").results
        shutil.rmtree(home)
        assert repository.search("module").results == expected
    assert wrong(home) == []


def test_a_disk_that_refuses_the_mark_of_tidying_is_a_storage_error(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`wayfind index` tidies at its end, and does not fail for it."""

    def full(*_, **__) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    refreshed(tree(tmp_path, "a", 1), home)
    monkeypatch.setattr(Path, "touch", full)
    with pytest.raises(StorageError, match="No space left"):
        tidy(home)
