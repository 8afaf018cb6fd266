"""Whatever ends a writer, whatever the disk does: the old generation or the new one, whole. No verdict depends on time."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from indexes import PLAIN, aged, image, opened, picture, refreshed, source, write, wrong

from wayfind.api import Repository
from wayfind.errors import IndexBusy, IndexError_, StorageError
from wayfind.index import refresh as refreshing
from wayfind.index.doctor import doctor
from wayfind.index.lock import held
from wayfind.index.maintain import gc
from wayfind.index.refresh import Options, refresh
from wayfind.index.snapshot import Snapshot, open_snapshot

FILES = 40

REFRESH = """
import sys
from wayfind.index.refresh import Options, refresh
from wayfind.index.tree import open_tree
tree = open_tree(sys.argv[1], sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
refresh(tree, Options(commits=0, workers=int(sys.argv[3])))
print("done", flush=True)
"""

WRITE_ON = """
import sys
from pathlib import Path
from indexes import PLAIN, source, write
from wayfind.index.refresh import refresh
from wayfind.index.tree import open_tree
root, home, versions, files = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
tree = open_tree(root, home)
for version in range(2, versions):
    write(root, {f"file{i}.py": source(i) + f"# version{version}x\\n" for i in range(files)})
    refresh(tree, PLAIN)
"""


def python(code: str, *arguments: object) -> subprocess.Popen:
    surroundings = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])}
    return subprocess.Popen([sys.executable, "-W", "error", "-c", code, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=surroundings)


def at_version(root: Path, version: int, files: int = FILES) -> None:
    write(root, {f"file{i}.py": source(i) + f"# version{version}x\n" for i in range(files)})


def versions_in(snapshot: Snapshot) -> set[str]:
    """The versions that the files of a snapshot are in; with as many as one file each in its postings."""
    texts = {text.rpartition("# ")[2].strip() for _, text in snapshot.texts()}
    for version in texts:
        found = {snapshot.paths[int(snapshot.file[chunk])] for chunk in snapshot.holding(version)}
        assert len(texts) > 1 or len(found) == snapshot.files
    return texts


@pytest.fixture
def root(tmp_path: Path) -> Path:
    at_version(tmp_path / "root", 1)
    return tmp_path / "root"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "own-home"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_writer_killed_anywhere_leaves_the_old_generation_or_the_new(root: Path, home: Path, workers: int) -> None:
    refreshed(root, home)
    dice = random.Random(workers)
    longest, version, outcomes = 0.3, 1, []
    for _ in range(9):
        with opened(root, home) as tree:
            (old,) = versions_in(open_snapshot(tree))
        version += 1
        at_version(root, version)
        writer = python(REFRESH, root, home, workers)
        assert writer.stdout.readline() == "ready\n"
        began = time.monotonic()
        writer.stdin.write("go\n")
        writer.stdin.flush()
        if outcomes:  # the first is not killed, to learn how long one takes
            time.sleep(dice.uniform(0.0, longest))
            writer.kill()
        finished = writer.communicate()[0] == "done\n"
        longest = longest if outcomes else time.monotonic() - began
        with opened(root, home) as tree:
            (now,) = versions_in(open_snapshot(tree))
        assert now in ({f"version{version}x"} if finished else {old, f"version{version}x"})
        outcomes.append((finished, now == old))
        assert wrong(home, root) == []
    refreshed(root, home)
    refreshed(root, home.with_name("fresh"))
    assert image(root, home) == image(root, home.with_name("fresh"))
    with opened(root, home) as tree:
        assert not list(tree.folder.glob("*.tmp"))


def test_a_writer_killed_in_its_first_run_leaves_a_home_that_works(root: Path, tmp_path: Path) -> None:
    dice = random.Random(3)
    for number in range(4):
        home = tmp_path / f"home{number}"
        writer = python(REFRESH, root, home, 1)
        writer.stdout.readline()
        writer.stdin.write("go\n")
        writer.stdin.flush()
        time.sleep(dice.uniform(0.0, 0.2))
        writer.kill()
        writer.communicate()
        refreshed(root, home)
        with opened(root, home) as tree:
            assert versions_in(open_snapshot(tree)) == {"version1x"}


def test_readers_beside_a_writer_see_whole_generations(root: Path, home: Path) -> None:
    refreshed(root, home)
    writer = python(WRITE_ON, root, home, 25, FILES)
    seen, generations = set(), [0]
    with opened(root, home) as tree:
        while writer.poll() is None:
            snapshot = open_snapshot(tree)
            (version,) = versions_in(snapshot)
            assert snapshot.files == FILES
            seen.add((snapshot.manifest.generation, version))
            assert snapshot.manifest.generation >= generations[-1]
            generations.append(snapshot.manifest.generation)
        writer.communicate()
        assert writer.returncode == 0
        assert versions_in(open_snapshot(tree)) == {"version24x"}
    assert len({generation for generation, _ in seen}) == len(seen)  # a generation is always the same version


def test_writers_at_once_make_one_whole_index(root: Path, home: Path, tmp_path: Path) -> None:
    writers = [python(REFRESH, root, home, 1) for _ in range(3)]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.communicate()[0] for writer in writers] == ["done\n"] * 3
    refreshed(root, tmp_path / "fresh")
    assert image(root, home) == image(root, tmp_path / "fresh")


def test_an_interrupt_leaves_the_old_generation(root: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refreshed(root, home)
    at_version(root, 2)
    steps = ["_read", "_history", "_manual", "_write"]
    for step in steps:
        with monkeypatch.context() as patch, opened(root, home) as tree:
            whole = getattr(refreshing._Work, step)

            def interrupted(self, *arguments, whole=whole):
                whole(self, *arguments)
                raise KeyboardInterrupt

            patch.setattr(refreshing._Work, step, interrupted)
            with pytest.raises(KeyboardInterrupt):
                refresh(tree, PLAIN)
            assert versions_in(open_snapshot(tree)) == {"version1x"}
    refreshed(root, home)
    with opened(root, home) as tree:
        assert versions_in(open_snapshot(tree)) == {"version2x"}
        assert len(list(tree.folder.glob("*.seg"))) <= 2


# The disk


@contextlib.contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file grows beyond `size` bytes: to a process the same as a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


@pytest.mark.parametrize("size", [0, 1_000, 5_000, 20_000, 40_000, 70_000, 100_000, 150_000])
def test_a_full_disk_leaves_the_old_generation(root: Path, home: Path, size: int) -> None:
    refreshed(root, home)
    for path in home.glob("content.sqlite*"):
        size += path.stat().st_size if path.name == "content.sqlite" and size else 0
    at_version(root, 2)
    write(root, {f"more{i}.py": source(1000 + i, 10) for i in range(60)})
    with opened(root, home) as tree:
        before = picture(open_snapshot(tree))
        with file_size_limit(size), pytest.raises(StorageError, match="Free space"):
            refresh(tree, PLAIN)
        assert picture(open_snapshot(tree)) == before
    assert image(root, home) == before
    with opened(root, home) as tree:
        assert not list(tree.folder.glob("*.tmp"))
    assert refreshed(root, home).generation == 2
    assert wrong(home) == []


def test_a_full_disk_is_searched_as_it_was(root: Path, home: Path) -> None:
    refreshed(root, home)
    at_version(root, 2)
    with opened(root, home) as tree, file_size_limit(0):
        answer = Repository(tree, PLAIN).search("version1x")
        assert (answer.index.generation, answer.index.stale_files) == (1, FILES)
        assert answer.results


def test_a_full_disk_from_the_beginning(root: Path, home: Path) -> None:
    with file_size_limit(0), pytest.raises(StorageError, match="WAYFIND_HOME"):
        refreshed(root, home)
    assert refreshed(root, home).generation == 1


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user may enter."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Root may do anything; so the tests of permissions run as nobody where they are started by root."""
    if os.geteuid():
        yield
        return
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def give_away(folder: Path, files: int, folders: int) -> None:
    for path in [folder, *folder.rglob("*")]:
        path.chmod(folders if path.is_dir() else files)
        if not os.geteuid():
            os.chown(path, 65534, 65534)


def test_a_home_that_may_only_be_read_is_searched_as_it_is(public: Path) -> None:
    root, home = public / "root", public / "home"
    at_version(root, 1)
    aged(root)
    refreshed(root, home)
    expected = image(root, home)
    with opened(root, home) as tree:  # imports what it needs, which may lie where nobody else may read
        Repository(tree, PLAIN).search("version1x")
    at_version(root, 2, files=3)
    give_away(root, 0o444, 0o555)
    give_away(home, 0o400, 0o500)
    try:
        with as_nobody():
            assert image(root, home) == expected
            with opened(root, home) as tree:
                with pytest.raises(StorageError, match="WAYFIND_HOME"):
                    refresh(tree, PLAIN)
                answer = Repository(tree, PLAIN).search("version1x")
                assert (answer.index.generation, answer.index.stale_files) == (1, 3)
                assert answer.results
    finally:
        give_away(public, 0o600, 0o700)


def test_a_home_that_is_forbidden_is_a_storage_error(public: Path) -> None:
    root, home = public / "root", public / "home"
    at_version(root, 1)
    refreshed(root, home)
    give_away(root, 0o444, 0o555)
    give_away(home, 0o000, 0o000)
    try:
        with as_nobody(), pytest.raises(StorageError, match="WAYFIND_HOME"):
            refreshed(root, home)
    finally:
        give_away(public, 0o600, 0o700)


# Damage


def test_any_flipped_byte_of_an_index_never_gives_another_answer(root: Path, home: Path, tmp_path: Path) -> None:
    """Segments, catalogue and content: the same picture, or an error that names the repair."""
    refreshed(root, home)
    (home / "lock").unlink()
    expected = image(root, home)
    expected.pop("skipped")
    dice = random.Random(1)
    outcomes = {"same": 0, "found": 0}
    files = sorted(path for path in home.rglob("*") if path.suffix in (".seg", ".sqlite"))
    assert len(files) == 3
    for path in files:
        whole = path.read_bytes()
        for place in dice.sample(range(len(whole)), 40):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << dice.randrange(8)
            for left in home.rglob("*.sqlite-*"):
                left.unlink()
            path.write_bytes(damaged)
            try:
                found = image(root, home)
                found.pop("skipped")
                assert found == expected, (path, place)
                outcomes["same"] += 1
            except (IndexError_, StorageError):
                outcomes["found"] += 1
        for left in home.rglob("*.sqlite-*"):
            left.unlink()
        path.write_bytes(whole)
    assert outcomes["found"] > 20, outcomes


@pytest.mark.parametrize("what", ["*.seg", "catalogue.sqlite", "content.sqlite"])
@pytest.mark.parametrize("how", ["zeros", "truncated", "deleted", "noise"])
def test_what_is_damaged_is_repaired_by_the_doctor(root: Path, home: Path, what: str, how: str) -> None:
    refreshed(root, home)
    expected = image(root, home)
    (path,) = home.rglob(what)
    data = path.read_bytes()
    if how == "deleted":
        path.unlink()
    else:
        path.write_bytes({"zeros": bytes(len(data)), "truncated": data[: len(data) // 2], "noise": random.Random(1).randbytes(len(data))}[how])
    with contextlib.suppress(IndexError_):
        refreshed(root, home)
    doctor(home, repair=True)
    assert wrong(home) == []
    refreshed(root, home)
    assert image(root, home) == expected


# gc beside writers


def test_gc_waits_for_a_writer_and_takes_nothing_from_it(root: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer has found content stored that no tree refers to, and has not yet committed."""
    refreshed(root, home)
    with opened(root, home) as tree:
        shutil.rmtree(tree.folder)
    write_ = refreshing._Work._write

    def collect_first(self, *arguments):
        with pytest.raises(IndexBusy, match="updating"):
            gc(home, limit_bytes=0, now=time.time() + 10**7, wait=0.0)
        write_(self, *arguments)

    monkeypatch.setattr(refreshing._Work, "_write", collect_first)
    assert refreshed(root, home).extracted == 0
    assert len(image(root, home)["languages"]) == FILES


def test_a_writer_waits_for_gc(root: Path, home: Path) -> None:
    refreshed(root, home)
    at_version(root, 2)
    with held(home, alone=True, wait=0.0), pytest.raises(IndexBusy, match="cleaning"):
        refreshed(root, home, Options(commits=0, wait=0.0))
    assert refreshed(root, home).generation == 2


def test_the_lock_of_a_killed_process_is_free(root: Path, home: Path) -> None:
    refreshed(root, home)
    code = "import sys, time; from pathlib import Path; from wayfind.index.lock import held\nwith held(Path(sys.argv[1]), alone=True, wait=0): print('ready', flush=True); time.sleep(600)"
    holder = python(code, home)
    assert holder.stdout.readline() == "ready\n"
    with pytest.raises(IndexBusy), held(home, alone=False, wait=0.0):
        pass
    holder.kill()
    holder.communicate()
    with held(home, alone=False, wait=0.0):
        pass


def test_sqlite_errors_are_errors_of_wayfind(root: Path, home: Path) -> None:
    with opened(root, home) as tree:
        refresh(tree, PLAIN)
        at_version(root, 2)
        with sqlite3.connect(home / "content.sqlite") as hand:
            hand.execute("DROP TABLE content")
        hand.close()
        with pytest.raises(IndexError_, match="doctor --repair"):
            refresh(tree, PLAIN)
        assert tree.catalogue.generation() == 1
