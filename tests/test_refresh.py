"""Laws of refreshing: an index that grew is the index from nothing; work that was done is not done again."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import histories
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from indexes import PLAIN, WORDS, aged, image, opened, picture, refreshed, source, write, wrong

from wayfind.api import Repository
from wayfind.corpus import extract as extracting
from wayfind.corpus import history
from wayfind.errors import IndexBusy, IndexDamaged, IndexVersion, NotFound, StorageError, UsageError
from wayfind.index import extraction
from wayfind.index import refresh as refreshing
from wayfind.index import tree as trees
from wayfind.index.refresh import Options, refresh
from wayfind.index.snapshot import open_snapshot
from wayfind.index.spans import FileSpans
from wayfind.index.store import REVISIONS
from wayfind.index.tokens import terms_of
from wayfind.index.tree import open_tree

PATHS = ("a.py", "b.py", "pkg/a.py", "pkg/deep/c.py", "notes.md", "data.json", "blob.bin", "a_pb2.py")


def content(path: str, seed: int) -> str | bytes:
    """Some text for a path; few seeds, so that files share contents."""
    if path == "blob.bin":
        return b"\0\1\2" + bytes([seed])
    if path.endswith(".md"):
        return f"# {WORDS[seed]}\n\nHow to {WORDS[seed + 1]}.\n\n## More\n\nText {seed}.\n"
    if path.endswith(".json"):
        return f'{{"{WORDS[seed]}": {{"{WORDS[seed + 2]}": {seed}}}}}\n'
    return source(seed) if seed else ""


edits = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from(PATHS), st.integers(0, 6)),
        st.tuples(st.just("delete"), st.sampled_from(PATHS), st.just(0)),
        st.tuples(st.just("rename"), st.sampled_from(PATHS), st.sampled_from(PATHS)),
        st.tuples(st.just("explain"), st.sampled_from(PATHS), st.integers(0, 3)),
        st.tuples(st.just("refresh"), st.just(""), st.just(0)),
    ),
    max_size=25,
)


def edit(root: Path, what: str, name: str, value: int | str) -> None:
    path = root / name
    if what == "write":
        write(root, {name: content(name, value)})
    elif what == "delete":
        path.unlink(missing_ok=True)
    elif what == "rename" and path.exists():
        (root / value).parent.mkdir(parents=True, exist_ok=True)
        path.replace(root / value)
    elif what == "explain":
        entry = {"id": 1, "file": name, "line_range": "3-5", "explanation": f"Says {WORDS[value]}."}
        write(root, {".wayfind/explanations.json": json.dumps([entry])})


def answers(root: Path, home: Path) -> list:
    with opened(root, home) as tree:
        repository = Repository(tree, PLAIN)
        return [repository.search(query, k=20, refresh=False).results for query in ("open the cache", "token", "parse header a.py", "rename nothing xyz")]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits)
def test_an_index_that_grew_is_the_index_from_nothing(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, done: list) -> None:
    monkeypatch.setattr(refreshing, "MOST_SEGMENTS", 3)  # so that merges of some segments happen
    monkeypatch.setattr(refreshing, "MOST_DEAD", 0.6)
    folder = tmp_path_factory.mktemp("grown")
    root, home = write(folder / "root", {"a.py": source(1)}), folder / "home"
    for what, name, value in done:
        if what == "refresh":
            refreshed(root, home)
        else:
            edit(root, what, name, value)
    refreshed(root, home)
    refreshed(root, folder / "fresh")
    assert image(root, home) == image(root, folder / "fresh")
    assert answers(root, home) == answers(root, folder / "fresh")
    shutil.rmtree(folder)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "root", {f"file{i}.py": source(i) for i in range(6)})
    aged(tmp_path / "root")
    return tmp_path / "root"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "own-home"


@pytest.fixture
def extractions(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Paths that were extracted, in order."""
    seen: list[str] = []
    extract = extracting.extract
    monkeypatch.setattr(extracting, "extract", lambda data, path: seen.append(path) or extract(data, path))
    return seen


# Work is done once


def test_nothing_changed_means_nothing_done(root: Path, home: Path, extractions: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refreshing, "RACY_NS", 0)  # the time of change of a file made here is now
    assert refreshed(root, home).extracted == 6
    extractions.clear()
    monkeypatch.setattr(refreshing, "key_of", lambda *_: pytest.fail("a file was read"))
    with opened(root, home) as tree:
        monkeypatch.setattr(tree.catalogue, "writing", lambda *_: pytest.fail("the right to write was asked for"))
        done = refresh(tree, PLAIN)
    assert (done.generation, done.changed, done.extracted, done.removed) == (1, 0, 0, 0)
    assert extractions == []


def test_only_what_changed_is_extracted(root: Path, home: Path, extractions: list[str]) -> None:
    refreshed(root, home)
    extractions.clear()
    write(root, {"file2.py": source(20)})
    done = refreshed(root, home)
    assert (done.generation, done.changed, done.extracted, extractions) == (2, 1, 1, ["file2.py"])


def test_a_touched_file_is_read_but_makes_no_generation(root: Path, home: Path, extractions: list[str]) -> None:
    refreshed(root, home)
    extractions.clear()
    os.utime(root / "file1.py")
    done = refreshed(root, home)
    assert (done.generation, done.changed, extractions) == (1, 0, [])


def test_a_file_modified_while_it_was_read_is_read_again(root: Path, home: Path) -> None:
    """Within the step of a file system's clock a change leaves size and time as they were."""
    write(root, {"now.py": source(30)})
    before = (root / "now.py").stat()
    refreshed(root, home)
    changed = source(30).replace("Module 30", "Module 13")
    write(root, {"now.py": changed})
    os.utime(root / "now.py", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (root / "now.py").stat().st_size == before.st_size
    assert refreshed(root, home).generation == 2
    assert ("body", "13") in image(root, home)["postings"]


def test_a_change_that_keeps_size_and_modification_time_is_seen(root: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refreshing, "RACY_NS", 0)
    refreshed(root, home)
    before = (root / "file1.py").stat()
    write(root, {"file1.py": source(1).replace("Module 1", "Module 7")})
    os.utime(root / "file1.py", ns=(before.st_atime_ns, before.st_mtime_ns))
    after = (root / "file1.py").stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert refreshed(root, home).changed == 1


def test_another_mode_is_no_change(root: Path, home: Path, extractions: list[str]) -> None:
    refreshed(root, home)
    extractions.clear()
    (root / "file1.py").chmod(0o600)
    with opened(root, home) as tree:
        assert refreshing.stale(tree, tree.catalogue.manifest()) == 0
    assert (refreshed(root, home).generation, extractions) == (1, [])


def test_a_fresh_file_that_stays_as_it_is_makes_no_generation(root: Path, home: Path) -> None:
    write(root, {"now.py": source(30)})
    assert [refreshed(root, home).generation for _ in range(3)] == [1, 1, 1]
    with opened(root, home) as tree:
        assert refreshing.stale(tree, tree.catalogue.manifest()) == 0


def test_a_renamed_file_is_not_extracted(root: Path, home: Path, extractions: list[str]) -> None:
    refreshed(root, home)
    extractions.clear()
    (root / "file1.py").rename(root / "other.py")
    done = refreshed(root, home)
    assert (done.changed, done.removed, extractions) == (1, 1, [])


def test_a_copy_of_the_tree_extracts_nothing(root: Path, home: Path, extractions: list[str], tmp_path: Path) -> None:
    refreshed(root, home)
    extractions.clear()
    shutil.copytree(root, tmp_path / "clone")
    done = refreshed(tmp_path / "clone", home)
    assert (done.generation, done.changed, done.extracted, extractions) == (1, 6, 0, [])
    assert image(tmp_path / "clone", home) == image(root, home)


def test_equal_files_are_extracted_once(home: Path, tmp_path: Path, extractions: list[str]) -> None:
    root = write(tmp_path / "twins", {f"{name}.py": source(1) for name in "abc"})
    assert refreshed(root, home).extracted == 1
    assert extractions == ["a.py"]
    assert len(image(root, home)["languages"]) == 3


def test_going_back_to_an_earlier_content_extracts_nothing(root: Path, home: Path, extractions: list[str]) -> None:
    refreshed(root, home)
    first = image(root, home)
    write(root, {"file1.py": source(50)})
    refreshed(root, home)
    extractions.clear()
    write(root, {"file1.py": source(1)})
    assert (refreshed(root, home).changed, extractions) == (1, [])
    assert image(root, home) == first


def test_processes_make_the_same_index(root: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refreshed(root, home)
    monkeypatch.setattr(extraction, "PARALLEL_FROM", 2)
    refreshed(root, tmp_path / "parallel", Options(commits=0, workers=2))
    assert image(root, tmp_path / "parallel") == image(root, home)


def test_a_worker_that_is_killed_costs_no_file(root: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refreshed(root, home)
    here, real = os.getpid(), extracting.extract

    def killed(data: bytes, path: str) -> object:
        if path == "file3.py" and os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(data, path)

    monkeypatch.setattr(extracting, "extract", killed)
    monkeypatch.setattr(extraction, "PARALLEL_FROM", 2)
    assert refreshed(root, tmp_path / "killed", Options(commits=0, workers=2)).extracted == 6
    assert image(root, tmp_path / "killed") == image(root, home)


def test_a_tree_that_grows_by_single_files_is_written_a_logarithm_of_times(root: Path, home: Path) -> None:
    written = 0
    count = 40
    with opened(root, home) as tree:
        refresh(tree, PLAIN)
        for number in range(count):
            write(root, {f"more{number}.py": source(100 + number)})
            before = set(tree.catalogue.manifest().segments)
            refresh(tree, PLAIN)
            manifest = tree.catalogue.manifest()
            assert len(manifest.segments) <= refreshing.MOST_SEGMENTS + 1
            written += sum(row.segment not in before for row in manifest.rows.values())
    assert written < 5 * count  # all files each time would be 1,000; merging everything at every eighth, 170


# Rules about single files


def test_twins_by_content_under_a_refused_and_an_ordinary_name(home: Path, tmp_path: Path) -> None:
    """The name decides about a file of generated code; its twin must not be refused with it, nor admit it."""
    for first, second in (("a_pb2.py", "z.py"), ("z_pb2.py", "a.py")):
        root = write(tmp_path / first, {first: source(70), second: source(70)})
        refreshed(root, home)
        found = image(root, home)
        assert [path for path, _ in found["languages"]] == [second]
        assert found["skipped"] == {"generated": 1}


def test_an_unreadable_file_is_counted_and_tried_again(root: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_bytes
    denied = lambda path: (_ for _ in ()).throw(PermissionError(13, "denied")) if path.name == "file3.py" else read(path)  # noqa: E731
    monkeypatch.setattr(Path, "read_bytes", denied)
    refreshed(root, home)
    with opened(root, home) as tree:
        assert tree.catalogue.manifest().skipped == {"unreadable": 1}
        assert refresh(tree, PLAIN).generation == 1
        assert refreshing.stale(tree, tree.catalogue.manifest()) == 0
    monkeypatch.setattr(Path, "read_bytes", read)
    assert refreshed(root, home).changed == 1
    assert image(root, home)["skipped"] == {}


def test_a_file_that_vanishes_between_walk_and_read_stops_nothing(root: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walk = refreshing.walk

    def walk_then_delete(*arguments):
        found = walk(*arguments)
        (root / "file3.py").unlink(missing_ok=True)
        return found

    monkeypatch.setattr(refreshing, "walk", walk_then_delete)
    assert refreshed(root, home).generation == 1
    monkeypatch.setattr(refreshing, "walk", walk)
    refreshed(root, home)
    assert image(root, home)["skipped"] == {}


def test_a_twin_of_a_file_that_changes_while_it_is_read_is_not_lost(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path / "twins", {"a.py": source(1), "b.py": source(1)})
    extract_one = extraction.extract_file

    def change_first(top: str, path: str):
        if path == "a.py":
            write(root, {"a.py": source(2)})
        return extract_one(top, path)

    monkeypatch.setattr(extraction, "extract_file", change_first)
    refreshed(root, home)
    monkeypatch.setattr(extraction, "extract_file", extract_one)
    refreshed(root, home)
    refreshed(root, tmp_path / "fresh")
    assert image(root, home) == image(root, tmp_path / "fresh")


def test_names_that_are_not_utf8_are_indexed(home: Path, tmp_path: Path) -> None:
    root = write(tmp_path / "odd", {"b\udcff.py": source(1), "new\nline.py": source(2)})
    refreshed(root, home)
    assert [path for path, _ in image(root, home)["languages"]] == ["b\udcff.py", "new\nline.py"]


def test_an_empty_folder_has_an_index(home: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert refreshed(tmp_path / "empty", home).generation == 1
    assert image(tmp_path / "empty", home)["chunks"] == []


def test_all_files_may_go(root: Path, home: Path) -> None:
    refreshed(root, home)
    for path in root.iterdir():
        path.unlink()
    done = refreshed(root, home)
    assert (done.generation, done.removed) == (2, 6)
    assert image(root, home)["chunks"] == []


def test_manual_explanations_come_and_go(root: Path, home: Path) -> None:
    refreshed(root, home)
    plain = image(root, home)
    edit(root, "explain", "file1.py", 0)
    assert refreshed(root, home).generation == 2
    explained = image(root, home)
    assert [chunk[6][0].target.text for chunk in explained["chunks"] if chunk[5] == "manual"] == ["Says open."]
    (root / ".wayfind" / "explanations.json").unlink()
    assert refreshed(root, home).generation == 3
    assert image(root, home) == plain


# Versions and rebuilding


def test_rebuilding_reads_everything_and_leaves_the_same_index(root: Path, home: Path) -> None:
    refreshed(root, home)
    before = image(root, home)
    done = refreshed(root, home, Options(commits=0, rebuild=True))
    assert (done.generation, done.changed, done.extracted) == (2, 6, 0)
    assert image(root, home) == before


def test_an_index_by_another_version_is_refused_unread_and_read_again(root: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refreshed(root, home)
    monkeypatch.setattr(trees, "VERSIONS", "999 999")
    with opened(root, home) as tree, pytest.raises(IndexVersion, match="wayfind index"):
        open_snapshot(tree)
    assert refreshed(root, home).changed == 6
    assert len(image(root, home)["languages"]) == 6


def test_another_revision_of_a_language_extracts_that_language_alone(root: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root, {"one.go": "package one\n\nfunc One() int {\n\treturn 1\n}\n"})
    refreshed(root, home)
    before = image(root, home)
    monkeypatch.setitem(REVISIONS, "go", "9")
    monkeypatch.setattr(trees, "VERSIONS", trees.versions())
    done = refreshed(root, home)
    assert (done.changed, done.extracted) == (7, 1)
    assert image(root, home) == before


def test_a_content_store_that_was_deleted_is_filled_again(root: Path, home: Path) -> None:
    refreshed(root, home)
    before = image(root, home)
    for path in home.glob("content.sqlite*"):
        path.unlink()
    assert refreshed(root, home).extracted == 6
    assert image(root, home) == before


def test_a_process_that_held_the_deleted_store_fills_the_new_one(root: Path, home: Path) -> None:
    with opened(root, home) as tree:
        refresh(tree, PLAIN)
        for path in home.glob("content.sqlite*"):
            path.unlink()
        assert refresh(tree, PLAIN).extracted == 6
    assert refreshed(root, home).changed == 0


# History


def git(root: Path, *arguments: str) -> str:
    ran = subprocess.run(
        ["git", "-C", root, "-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false", *arguments],
        capture_output=True, check=True, text=True, env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"},
    )  # fmt: skip
    return ran.stdout


def commit(root: Path, subject: str) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", subject)


@pytest.fixture
def repository(root: Path) -> Path:
    git(root, "init", "-q")
    commit(root, "Teach the desk to lend books")
    return root


def history_terms(root: Path, home: Path) -> dict:
    return {term: found for (field, term), found in image(root, home)["postings"].items() if field == "history"}


def test_a_commit_after_its_change_was_indexed_still_gives_its_subject(repository: Path, home: Path, tmp_path: Path) -> None:
    with_history = Options()
    refreshed(repository, home, with_history)
    write(repository, {"file1.py": source(1).replace("return", "return  ")})
    refreshed(repository, home, with_history)
    commit(repository, "Keep overdue readers waiting")
    done = refreshed(repository, home, with_history)
    assert (done.changed, done.extracted) == (0, 0)
    assert {path for path, *_ in (place for place, _ in history_terms(repository, home)["overdu"])} == {"file1.py"}
    refreshed(repository, tmp_path / "fresh", with_history)
    assert image(repository, home) == image(repository, tmp_path / "fresh")


def test_commits_one_by_one_give_the_history_from_nothing(repository: Path, home: Path, tmp_path: Path) -> None:
    for number in range(5):
        write(repository, {f"file{number}.py": source(number) + f"\n\ndef added_{number}(value):\n    return value\n", f"new{number}.py": source(60 + number)})
        commit(repository, f"Add the {WORDS[number]} of section {number}")
        refreshed(repository, home, Options())
    refreshed(repository, tmp_path / "fresh", Options())
    assert history_terms(repository, home) == history_terms(repository, tmp_path / "fresh") != {}
    assert commits_read(repository, home) == commits_read(repository, tmp_path / "fresh") > 5


def commits_read(repository: Path, home: Path) -> int:
    with contextlib.closing(open_tree(repository, home)) as tree:
        return int(tree.catalogue.manifest().meta["commits"])


def test_a_renamed_file_keeps_its_history(repository: Path, home: Path, tmp_path: Path) -> None:
    refreshed(repository, home, Options())
    (repository / "file1.py").rename(repository / "renamed.py")
    commit(repository, "Move the file elsewhere now")
    refreshed(repository, home, Options())
    refreshed(repository, tmp_path / "fresh", Options())
    assert history_terms(repository, home) == history_terms(repository, tmp_path / "fresh")


DESK = """class Desk:
    def lend(self, book):
        return self.out.pop(book)

    def fine(self, days):
        return days * self.rate


def {name}(reader):
    return {name}(reader.parent) if reader.parent else reader
"""


@pytest.mark.parametrize("refreshed_between", [False, True])
def test_a_renamed_definition_keeps_its_commits_and_its_old_name_loses_them(
    repository: Path, home: Path, tmp_path: Path, refreshed_between: bool
) -> None:
    """They stayed under the old name until the index was rebuilt; a new definition of that name would have got them."""
    write(repository, {"desk.py": DESK.format(name="oldest")})
    commit(repository, "Follow readers to their oldest parents")
    refreshed(repository, home, Options())
    write(repository, {"desk.py": DESK.format(name="root_of").replace("Desk", "Counter")})
    if refreshed_between:
        refreshed(repository, home, Options())
    commit(repository, "Call counters what they are")
    refreshed(repository, home, Options())
    write(repository, {"desk.py": DESK.format(name="root_of").replace("Desk", "Counter") + "\n\ndef oldest(books):\n    return min(books)\n"})
    commit(repository, "Tell which book was bought first")
    refreshed(repository, home, Options())
    refreshed(repository, tmp_path / "fresh", Options())
    assert told(repository, home) == told(repository, tmp_path / "fresh")
    assert ("oldest", "Follow readers to their oldest parents") not in told(repository, home)
    assert ("Counter.lend", "Follow readers to their oldest parents") in told(repository, home)


def test_a_definition_that_is_gone_takes_its_commits_with_it_once_that_is_committed(repository: Path, home: Path) -> None:
    write(repository, {"desk.py": DESK.format(name="oldest")})
    commit(repository, "Follow readers to their oldest parents")
    refreshed(repository, home, Options())
    write(repository, {"desk.py": "def broken(:\n"})  # in the middle of an edit
    refreshed(repository, home, Options())
    write(repository, {"desk.py": DESK.format(name="oldest").replace("reader", "person")})
    refreshed(repository, home, Options())
    assert ("oldest", "Follow readers to their oldest parents") in told(repository, home)
    write(repository, {"desk.py": "def open_desk():\n    return 1\n"})
    commit(repository, "Open nothing but the desk")
    refreshed(repository, home, Options())
    assert told(repository, home) == {("open_desk", "Open nothing but the desk")}


def told(root: Path, home: Path) -> set[tuple[str, str]]:
    """(symbol, subject) of the commits that are known of desk.py."""
    with opened(root, home) as tree:
        return {(touch.symbol, touch.subject) for touch in tree.catalogue.touches() if touch.path == "desk.py"}


def test_an_earlier_commit_checked_out_is_read_from_its_beginning(repository: Path, home: Path, tmp_path: Path) -> None:
    write(repository, {"file1.py": source(80)})
    commit(repository, "Rewrite everything about invoices")
    refreshed(repository, home, Options())
    git(repository, "checkout", "-q", "HEAD~1")
    refreshed(repository, home, Options())
    assert "invoic" not in history_terms(repository, home)
    refreshed(repository, tmp_path / "fresh", Options())
    assert image(repository, home) == image(repository, tmp_path / "fresh")


def test_a_worktree_extracts_nothing(repository: Path, home: Path, tmp_path: Path, extractions: list[str]) -> None:
    refreshed(repository, home, Options())
    extractions.clear()
    git(repository, "worktree", "add", "-q", str(tmp_path / "worktree"))
    assert refreshed(tmp_path / "worktree", home, Options()).extracted == 0
    assert extractions == []


def test_a_new_head_decodes_only_the_files_that_commits_name(repository: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refreshed(repository, home, Options())
    write(repository, {"file1.py": source(81)})
    commit(repository, "Rewrite one of the files")
    decoded: list[str] = []
    spans = FileSpans._spans.func
    monkeypatch.setattr(FileSpans, "_spans", property(lambda self: decoded.append(self._key) or spans(self)))
    refreshed(repository, home, Options())
    assert 1 <= len(set(decoded)) <= 2
    assert history.head(repository)


# Others at work


def test_a_second_writer_is_busy_and_a_reader_reads_the_old_generation(root: Path, home: Path) -> None:
    refreshed(root, home)
    write(root, {"file1.py": source(90)})
    with opened(root, home) as first, opened(root, home) as second, first.catalogue.writing(0.0):
        with pytest.raises(IndexBusy):
            refresh(second, Options(commits=0, wait=0.0))
        repository = Repository(second, PLAIN)
        answer = repository.search("module 1")
        assert (answer.index.generation, answer.index.stale_files) == (1, 1)
    assert refreshed(root, home).generation == 2


def test_a_writer_that_waited_does_not_undo_what_the_other_saw(root: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It walked before the other wrote: files made since then must not go again."""
    refreshed(root, home)
    walk = refreshing.walk
    calls = []

    def walk_then_other(*arguments):
        found = walk(*arguments)
        if not calls:
            calls.append(1)
            write(root, {"late.py": source(91)})
            refreshed(root, home)
        return found

    write(root, {"file1.py": source(90)})
    monkeypatch.setattr(refreshing, "walk", walk_then_other)
    done = refreshed(root, home)
    assert (done.changed, done.removed) == (0, 0)
    assert "late.py" in dict(image(root, home)["languages"])


def test_a_snapshot_outlives_merges(root: Path, home: Path) -> None:
    refreshed(root, home)
    with opened(root, home) as tree:
        old = open_snapshot(tree)
        before = picture(old)
        for seed in range(100, 104):
            write(root, {f"file{i}.py": source(seed + i) for i in range(6)})
            refreshed(root, home, Options(commits=0, rebuild=True))
        assert picture(old) == before
        assert tree.catalogue.generation() == 5


def test_replaced_segments_stay_for_one_generation(root: Path, home: Path) -> None:
    """For a reader that has read the manifest and not yet opened the files."""
    rebuild = Options(commits=0, rebuild=True)
    with opened(root, home) as tree:
        names = []
        for _ in range(3):
            refresh(tree, rebuild)
            names.append(tree.catalogue.manifest().segments)
        assert {path.name for path in tree.folder.glob("*.seg")} == {*names[1], *names[2]}


def test_left_files_of_killed_writers_are_swept(root: Path, home: Path) -> None:
    refreshed(root, home)
    with opened(root, home) as tree:
        for name in ("0123.seg", "0123.99.tmp"):
            (tree.folder / name).write_bytes(b"half")
        write(root, {"file1.py": source(90)})
        refresh(tree, PLAIN)
        assert not {path.name for path in tree.folder.iterdir()} & {"0123.seg", "0123.99.tmp"}


# Places


def test_no_such_folder(home: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such folder"):
        open_tree(tmp_path / "nowhere", home)
    with pytest.raises(UsageError, match="is a file"):
        open_tree(write(tmp_path, {"file": ""}) / "file", home)


def test_no_index_yet(root: Path, home: Path) -> None:
    with opened(root, home) as tree, pytest.raises(IndexDamaged, match="wayfind index"):
        open_snapshot(tree)


def test_nothing_is_written_into_the_tree(root: Path, home: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in [root, *root.rglob("*")]}
    refreshed(root, home)
    image(root, home)
    assert {path: path.stat().st_mtime_ns for path in [root, *root.rglob("*")]} == before


def test_a_home_that_cannot_be_made(root: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="WAYFIND_HOME"):
        open_tree(root, write(tmp_path, {"file": ""}) / "file" / "home")


# Odd contents


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.ipynb", json.dumps({"cells": [{"cell_type": "markdown", "source": "# \ud83d Title here\n"}], "nbformat": 4}, indent=1)),
        (".wayfind/explanations.json", json.dumps([{"file": "b.py", "line_range": "3-5", "explanation": "Half \ud83d of it."}])),
    ],
)
def test_half_a_character_in_json_stops_no_index(tmp_path: Path, home: Path, name: str, text: str) -> None:
    root = write(tmp_path / "odd", {name: text, "b.py": '\n\ndef open(cache):\n    """Open the cache."""\n    return cache\n'})
    refreshed(root, home)
    assert answers(root, home)[0][0].path == "b.py"


def test_a_folder_whose_name_is_not_utf8_is_indexed_and_so_is_its_manual_file(tmp_path: Path, home: Path) -> None:
    root = write(tmp_path / os.fsdecode(b"caf\xe9"), {"b.py": '\n\ndef open(cache):\n    return cache\n', "said.json": json.dumps([{"file": "b.py", "component": "open", "explanation": "Unlocks a shelf."}])})
    assert refreshed(root, home, Options(manual=root / "said.json", commits=0)).unmatched == ()
    assert refreshed(root, home).changed == 0
    with opened(root, home) as tree:
        manifest = tree.catalogue.manifest()
        assert (manifest.meta["root"], manifest.meta["manual_file"]) == (str(root), str(root / "said.json"))
        assert Repository(tree, PLAIN).search("unlock a shelf").results[0].path == "b.py"
    assert wrong(home, root) == []


def test_a_secret_in_a_commit_or_an_explanation_is_nowhere_in_the_home(tmp_path: Path, home: Path) -> None:
    token = "gh" + "p_" + "7qLw2Zt6Hu9Kc3Vb5Nm8Xs1Rd4Fg0Jp6Ty2A"
    root = histories.make(tmp_path / "told", [(f"use token {token} for retry uploads", {"b.py": "def send(file):\n    return file\n"})])
    write(root, {".wayfind/explanations.json": json.dumps([{"file": "b.py", "component": "send", "explanation": f"Sends with {token} always.", "category": token}])})
    assert refreshed(root, home, Options()).unmatched == ()
    with opened(root, home) as tree:
        assert "retry uploads" in tree.catalogue.touches()[0].subject
        assert "Sends with ***" in next(iter(tree.catalogue.manual().values()))
    assert [path for path in home.rglob("*") if path.is_file() and token.encode() in path.read_bytes()] == []
    words = [term for term in terms_of(token) if len(term) > 5]
    assert words and [path for path in home.rglob("*.seg") if any(word.encode() in path.read_bytes() for word in words)] == []
