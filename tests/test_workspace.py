"""Repositories kept open by one process: answers as without it, fresh whenever they say so, in part before an index."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import LIBRARY, plant
from indexes import aged

import wayfind
from wayfind.corpus.reach import Reach
from wayfind.corpus.walk import walk
from wayfind.errors import IndexBusy, NotFound, UsageError
from wayfind.index.extraction import PARALLEL_FROM
from wayfind.index.refresh import Options, refresh
from wayfind.index.tree import open_tree
from wayfind.search.engine import Ask
from wayfind.search.query import Filters
from wayfind.serve import entry as entries
from wayfind.serve import watching as watchings
from wayfind.serve.entry import WALK_AGAIN
from wayfind.serve.merging import merged, united
from wayfind.serve.partial import partial_answer
from wayfind.serve.watching import EVERYTHING, Unwatched, Watch
from wayfind.serve.workspace import Workspace

PLAIN = Options(commits=0)
linux = pytest.mark.skipif(not os.path.isdir("/proc"), reason="inotify is Linux's")


class Clock:
    """Monotonic seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A copy of the library that a test may change."""
    return aged_plant(tmp_path / "library", LIBRARY)


def aged_plant(root: Path, files: dict[str, str]) -> Path:
    aged(plant(root, files))
    return root.resolve()


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path / "home", PLAIN) as opened:
        yield opened


def settled(entry) -> None:
    """Wait until the entry's threads have done what they began, the watch included."""
    for thread in threading.enumerate():
        if thread.name == f"wayfind-refresh {entry.root.name}":
            thread.join(60)


def symbols(found) -> list[str | None]:
    return [placed.result.symbol for placed in found.results]


# What a walk looks at, path by path


def test_reach_agrees_with_the_walk(tmp_path: Path) -> None:
    root = plant(
        tmp_path,
        {
            ".gitignore": "build/\n*.log\n/only_here.py\n", "a.py": "x = 1\n", "a.log": "x\n", "only_here.py": "x\n", "deep/only_here.py": "x\n", "build/a.py": "x\n",
            "deep/.gitignore": "!b.log\ngone/\n", "deep/b.log": "x\n", "deep/gone/c.py": "x\n", "vendor/v.py": "x\n", "env/pyvenv.cfg": "\n", "env/e.py": "x\n",
            "kept/.wayfindignore": "!vendor/\n", "kept/vendor/v.py": "x\n", "__pycache__/x.pyc": "x", ".hg/store": "x", "poetry.lock": "x\n",
        },
    )  # fmt: skip
    (root / ".git").mkdir()
    found, reach = walk(root), Reach(root)
    assert found.files and all(reach.sees(stat.path) for stat in found.files)
    for skip in found.skips:
        if skip.reason in ("ignored", "vendored"):
            assert not (reach.enters(skip.path) if skip.path.endswith("/") else reach.sees(skip.path)), skip
    assert not reach.sees("build/new/x.py") and not reach.sees(".hg/x") and not reach.sees("poetry.lock", modified=True)
    assert reach.sees("new/folder/x.py") and reach.sees("poetry.lock") and reach.sees(".wayfind/explanations.json")
    entered = set(reach.folders())
    assert {stat.path.rpartition("/")[0] for stat in found.files} <= {folder.rstrip("/") for folder in entered}
    assert not any(folder.startswith(("build/", "vendor/", "env/", ".")) for folder in entered)


# Watching


@pytest.fixture
def watch(repository: Path) -> Iterator[Watch]:
    pytest.importorskip("inotify_simple")
    (repository / ".gitignore").write_text("build/\n*.log\n")
    (repository / "build").mkdir()
    made = Watch(repository)
    made.take()
    yield made
    made.close()


CHANGES: dict[str, tuple[Callable[[Path], object], set[str]]] = {
    "nothing": (lambda root: None, set()),
    "a change": (lambda root: (root / "loans.py").write_text("x = 1\n"), {"loans.py"}),
    "a new file": (lambda root: (root / "docs/new.md").write_text("# New\n"), {"docs/new.md"}),
    "a deletion": (lambda root: (root / "settings.toml").unlink(), {"settings.toml"}),
    "a new folder with a file": (lambda root: plant(root, {"one/two/three.py": "x = 1\n"}), {"one/"}),
    "a renamed folder": (lambda root: (root / "docs").rename(root / "text"), {"docs/", "text/"}),
    "permissions": (lambda root: (root / "loans.py").chmod(0), {"loans.py"}),
    "an ignored file": (lambda root: (root / "debug.log").write_text("x\n"), set()),
    "a file in an ignored folder": (lambda root: plant(root / "build", {"deep/out.py": "x = 1\n"}), set()),
    "other ignore rules": (lambda root: (root / ".gitignore").write_text("*.toml\n"), {EVERYTHING, ".gitignore"}),
}


@linux
@pytest.mark.parametrize("name", CHANGES)
def test_what_a_refresh_would_look_at_is_reported_at_once(watch: Watch, repository: Path, name: str) -> None:
    change, expected = CHANGES[name]
    change(repository)
    assert watch.changed() == expected
    watch.take()
    assert watch.changed() == set()


@linux
def test_new_and_renamed_folders_are_watched_from_then_on(watch: Watch, repository: Path) -> None:
    plant(repository, {"one/two/three.py": "x = 1\n"})
    watch.take()
    plant(repository, {"one/two/three.py": "x = 2\n"})
    assert watch.changed() == {"one/two/three.py"}
    (repository / "one").rename(repository / "four")
    watch.take()
    plant(repository, {"four/two/three.py": "x = 3\n"})
    assert watch.changed() == {"four/two/three.py"}


@linux
def test_a_folder_that_is_moved_away_and_deleted_ends_no_watch(watch: Watch, repository: Path, tmp_path: Path) -> None:
    (repository / "docs").rename(tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "elsewhere")
    assert watch.changed() == {"docs/"}
    plant(repository, {"loans.py": "x = 1\n"})
    assert "loans.py" in watch.changed()


@linux
def test_what_is_no_longer_ignored_is_watched(watch: Watch, repository: Path) -> None:
    plant(repository, {"build/out.py": "x = 1\n"})
    assert watch.changed() == set()
    (repository / ".gitignore").write_text("")
    watch.take()
    plant(repository, {"build/out.py": "x = 2\n"})
    assert watch.changed() == {"build/out.py"}


@linux
def test_a_commit_is_a_change_though_no_file_is(repository: Path) -> None:
    pytest.importorskip("inotify_simple")

    def git(*arguments: str) -> None:
        subprocess.run(["git", "-C", repository, "-c", "user.name=a", "-c", "user.email=a@b", *arguments], check=True, capture_output=True)

    git("init", "-q")
    watch = Watch(repository)
    watch.take()
    git("add", ".")
    assert watch.changed() == set()
    git("commit", "-q", "-m", "one")
    assert watch.changed() == {EVERYTHING}
    watch.take()
    git("commit", "-q", "--allow-empty", "-m", "two")
    assert watch.changed() == {EVERYTHING}
    watch.close()


@linux
def test_lost_events_count_as_a_change_of_everything(watch: Watch, repository: Path) -> None:
    from inotify_simple import Event, flags

    real = watch._system.read
    watch._system.read = lambda timeout: [Event(-1, flags.Q_OVERFLOW, 0, "")]
    assert EVERYTHING in watch.changed()
    watch._system.read = real
    watch.take()
    assert watch.changed() == set()


@linux
def test_a_watch_ends_with_its_folder(watch: Watch, repository: Path) -> None:
    shutil.rmtree(repository)
    with pytest.raises(Unwatched, match="gone"):
        watch.changed()


# Freshness


def ask_of(word: str) -> Ask:
    return Ask(word, 3)


@linux
@pytest.mark.parametrize("watched", [True, False])
def test_every_change_is_in_the_next_answer(tmp_path: Path, repository: Path, watched: bool) -> None:
    if watched:
        pytest.importorskip("inotify_simple")
    dice = random.Random(0)
    with Workspace(tmp_path / "home", PLAIN, watching=watched) as workspace:
        entry = workspace.open(repository)
        assert entry.wait(60)
        settled(entry)
        workspace.search([repository], ask_of("book"))
        for number in range(40):
            plant(repository, {f"{dice.choice(['', 'docs/', f'new{number}/'])}m{number % 7}.py": f"def quokka{number}():\n    return {number}\n"})
            found = workspace.search([repository], ask_of(f"quokka{number}"))
            assert symbols(found)[:1] == [f"quokka{number}"] and found.parts[0].answer.index.stale_files == 0
        assert entry.watching.startswith("watching" if watched else "looking")


@linux
def test_a_watched_repository_is_not_walked_at_every_search(workspace: Workspace, repository: Path) -> None:
    pytest.importorskip("inotify_simple")
    entry = workspace.open(repository)
    entry.wait(60)
    settled(entry)
    workspace.search([repository], ask_of("book"))
    plant(repository, {".gitignore": "*.log\n"})
    workspace.search([repository], ask_of("book"))
    before = entry.refreshes
    for number in range(5):
        plant(repository, {"debug.log": f"{number}\n"})
        workspace.search([repository], ask_of("book"))
    assert entry.refreshes == before


@linux
def test_all_files_are_looked_at_again_after_a_minute(tmp_path: Path, repository: Path) -> None:
    pytest.importorskip("inotify_simple")
    clock = Clock()
    with Workspace(tmp_path / "home", PLAIN, clock) as workspace:
        entry = workspace.open(repository)
        entry.wait(60)
        settled(entry)
        workspace.search([repository], ask_of("book"))
        before = entry.refreshes
        workspace.search([repository], ask_of("book"))
        assert entry.refreshes == before
        clock.now += WALK_AGAIN + 1
        workspace.search([repository], ask_of("book"))
        assert entry.refreshes == before + 1


@linux
def test_when_the_watch_dies_files_are_looked_at_and_the_state_says_so(workspace: Workspace, repository: Path) -> None:
    pytest.importorskip("inotify_simple")
    entry = workspace.open(repository)
    entry.wait(60)
    settled(entry)
    assert entry.watching.startswith("watching")
    entry._watch._system.close()
    plant(repository, {"new.py": "def quokka():\n    return 1\n"})
    assert symbols(workspace.search([repository], ask_of("quokka"))) == ["quokka"]
    assert entry.watching.startswith("looking at the files at each search: ")
    plant(repository, {"new.py": "def wombat():\n    return 1\n"})
    assert symbols(workspace.search([repository], ask_of("wombat"))) == ["wombat"]


def test_without_a_watcher_the_state_says_why(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchings.sys, "platform", "plan9")
    with Workspace(tmp_path / "home", PLAIN) as workspace:
        entry = workspace.open(repository)
        entry.wait(60)
        settled(entry)
        assert "no watcher for plan9" in entry.watching


def test_what_cannot_be_taken_in_is_counted(workspace: Workspace, repository: Path, tmp_path: Path) -> None:
    entry = workspace.open(repository)
    entry.wait(60)
    settled(entry)
    other = open_tree(repository, tmp_path / "home")
    with other.catalogue.writing(1.0):
        plant(repository, {"new.py": "def quokka():\n    return 1\n", "more.py": "def wombat():\n    return 1\n"})
        found = workspace.search([repository], ask_of("quokka"))
        assert found.parts[0].answer.index.stale_files == 2
    other.close()
    found = workspace.search([repository], ask_of("quokka"))
    assert symbols(found) == ["quokka"] and found.parts[0].answer.index.stale_files == 0


def test_who_does_not_wait_gets_the_present_generation_and_what_it_lacks(workspace: Workspace, repository: Path, tmp_path: Path) -> None:
    entry = workspace.open(repository)
    entry.wait(60)
    settled(entry)
    plant(repository, {"new.py": "def quokka():\n    return 1\n"})
    found = workspace.search([repository], ask_of("book"), refresh=False)
    assert found.results and found.parts[0].answer.index.stale_files in (0, 1)  # 0 where the quiet period was over already
    assert (found.parts[0].answer.index.files == 6) == (found.parts[0].answer.index.stale_files == 0)


def test_answers_while_many_files_are_edited_are_true(workspace: Workspace, repository: Path) -> None:
    """A search that begins after an edit has ended either knows the edit or says that files changed since."""
    entry = workspace.open(repository)
    entry.wait(60)
    done: list[int] = []
    wrong: list[str] = []
    end = threading.Event()

    def edit() -> None:
        for number in range(100):
            text = "".join(f"def quokka{n}():\n    return {n}\n" for n in range(number % 10, number + 1, 10))
            plant(repository.parent, {"whole.py": text})
            (repository.parent / "whole.py").replace(repository / f"m{number % 10}.py")  # never seen empty, between two edits
            done.append(number)
        end.set()

    def search() -> None:
        while not end.is_set() and not wrong:
            known = done[-1] if done else None
            answer = workspace.search([repository], ask_of(f"quokka{known}")).parts[0].answer
            if known is not None and not answer.index.stale_files and answer.results[0].symbol != f"quokka{known}":
                wrong.append(f"{known}: {answer.results[0].symbol}")

    threads = [threading.Thread(target=work) for work in (edit, search, search, search)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not wrong and len(done) == 100


# Before the first index


def test_the_answer_is_that_of_a_repository_opened_alone(workspace: Workspace, repository: Path, tmp_path: Path) -> None:
    found = workspace.search([repository], Ask("late reader pays", 5))
    with wayfind.open(repository, tmp_path / "other", commits=0) as alone:
        answer = alone.search("late reader pays", 5)
    assert found.parts[0].answer == answer and [placed.result for placed in found.results] == list(answer.results)


def test_before_there_is_an_index_the_answer_is_partial_and_says_so(workspace: Workspace, repository: Path) -> None:
    found = workspace.search([repository], Ask("what does a late reader pay", 3), wait=0.0)
    (part,) = found.parts
    assert found.partial and part.state == "indexing" and part.looked_at == part.files == 5
    assert found.results[0].result.symbol == "fine" and "first index" in part.answer.reason
    assert workspace.open(repository).wait(60)
    assert not workspace.search([repository], Ask("what does a late reader pay", 3)).partial


def test_a_partial_answer_looks_at_as_many_files_as_there_is_time(tmp_path: Path) -> None:
    root = plant(tmp_path / "many", {f"f{n}.py": f"def f{n}():\n    return {n}\n" for n in range(500)})
    plant(root, {"sub/quokka.py": "def hop():\n    return 1\n"})
    part = partial_answer(root, Ask("quokka hop", 3), 0.0)
    assert part.looked_at < part.files == 501 and part.answer.index.stale_files >= 500
    assert [result.path for result in partial_answer(root, Ask("quokka hop", 3), 30.0).answer.results] == ["sub/quokka.py"]


def test_a_partial_answer_keeps_to_filters(repository: Path) -> None:
    def paths(**filters) -> set[str]:
        return {result.path for result in partial_answer(repository, Ask("book desk title", 9, Filters(**filters)), 9.0).answer.results}

    assert paths(languages=("js",)) == {"catalogue/search.js"}
    assert paths(paths=("docs/",)) == {"docs/guide.md"}
    assert "docs/guide.md" not in paths(not_paths=("docs/",))
    assert paths(kinds=("section",)) == {"docs/guide.md"}


def test_a_partial_answer_leaves_nothing_behind_and_masks_secrets(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    key = "AKIA" + "Z7QK2MWX9RTL4VBN"
    plant(repository, {"key.py": f'def quokka():\n    return connect("{key}")\n'})
    (result,) = partial_answer(repository, Ask("quokka", 3), 9.0).answer.results
    assert key not in result.snippet and not os.listdir(tmp_path / "temporary")


def test_a_partial_answer_reads_nothing_of_the_current_folder(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was learned or said of a tree lies beside its index; a file of such a name in a repository is the repository's own."""
    plant(repository, {"vocabulary.json": '{"the": 0}', "learned/sentences.json": "[]", "latent/learned.json": "{}", "tuned/current.json": "{}"})
    monkeypatch.chdir(repository)
    assert [result.symbol for result in partial_answer(repository, ask_of("late reader pays"), 9.0).answer.results][0] == "fine"


def test_a_first_index_that_cannot_be_made_is_told(tmp_path: Path, repository: Path) -> None:
    manual = tmp_path / "manual.json"
    with Workspace(tmp_path / "home", Options(manual=manual, commits=0)) as workspace:
        entry = workspace.open(repository)
        assert not entry.wait(60) and entry.state == "failed" and "manual.json" in str(entry.failure)
        manual.write_text("[]")
        assert workspace.search([repository], ask_of("book")).results and entry.state == "ready"


def test_no_process_is_forked_from_one_with_threads(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a watcher nobody knows beforehand how many files changed."""
    workers: list[int] = []
    monkeypatch.setattr(entries, "refresh", lambda tree, options, progress: (workers.append(options.workers), refresh(tree, options, progress)))
    with Workspace(tmp_path / "home", Options(workers=4, commits=0), watching=False) as workspace:
        assert workspace.open(repository).wait(60)
        plant(repository, {f"many/f{n}.py": f"def f{n}():\n    return {n}\n" for n in range(PARALLEL_FROM + 1)})
        assert workspace.search([repository], ask_of("f7")).results[0].result.symbol == "f7"
    assert workers and set(workers) == {1}


def test_a_model_that_is_not_there_is_told_by_the_search_and_ends_no_thread(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken: list[object] = []
    monkeypatch.setattr(threading, "excepthook", broken.append)
    monkeypatch.setenv("WAYFIND_MODEL", str(tmp_path / "nowhere"))
    with Workspace(tmp_path / "home", PLAIN, watching=False) as workspace:
        assert workspace.open(repository).wait(60)
        assert "nowhere" in workspace.search([repository], ask_of("book")).parts[0].error
        for thread in [one for one in threading.enumerate() if one.name.startswith("wayfind-refresh")]:
            thread.join(60)
    assert not broken


# Several


def test_one_search_over_several_repositories(workspace: Workspace, repository: Path, tmp_path: Path) -> None:
    other = aged_plant(tmp_path / "other", {"shop.py": 'def sell_book(title):\n    """Sell a book."""\n    return title\n'})
    found = workspace.search([repository, other], Ask("sell a book", 10))
    assert (found.results[0].root, found.results[0].result.path) == (other, "shop.py")
    assert {placed.root for placed in found.results} == {repository, other}
    scores = [placed.result.score for placed in found.results]
    assert scores == sorted(scores, reverse=True)
    one = united(found.answers, found.results)
    assert Path(one.index.root) == tmp_path.resolve() and one.index.files == 6 and one.results[0].path == "other/shop.py"
    assert all((tmp_path / result.path).is_file() for result in one.results)


def test_equal_scores_keep_the_order_of_the_repositories(workspace: Workspace, tmp_path: Path) -> None:
    twins = [aged_plant(tmp_path / name, LIBRARY) for name in ("b", "a")]
    for order in (twins, twins[::-1]):
        found = workspace.search(order, Ask("late reader pays", 4))
        assert [placed.root for placed in found.results][:2] == order
        assert merged(found.answers, 4) == found.results


def test_several_repositories_share_the_tokens(workspace: Workspace, repository: Path, tmp_path: Path) -> None:
    other = aged_plant(tmp_path / "other", LIBRARY)
    few = workspace.search([repository, other], Ask("book", 10, max_tokens=120))
    many = workspace.search([repository, other], Ask("book", 10))
    assert 0 < len(few.results) < len(many.results)


def test_of_more_repositories_than_fit_the_one_used_longest_ago_is_closed(tmp_path: Path) -> None:
    roots = [aged_plant(tmp_path / name, LIBRARY) for name in "abc"]
    with Workspace(tmp_path / "home", PLAIN, most=2) as workspace:
        for root in roots:
            workspace.search([root], ask_of("book"))
            settled(workspace.open(root))
        assert [entry.root for entry in workspace.entries] == roots[1:]
        assert workspace.search([roots[0]], ask_of("book")).results
        assert [entry.root for entry in workspace.entries] == [roots[2], roots[0]]


def test_what_cannot_be_opened_is_refused(workspace: Workspace, repository: Path) -> None:
    with pytest.raises(NotFound):
        workspace.open(repository / "nothing")
    with pytest.raises(UsageError):
        workspace.open(repository / "loans.py")
    with pytest.raises(UsageError):
        workspace.search([repository], Ask(""))


def test_one_folder_is_one_entry(workspace: Workspace, repository: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(repository)
    assert workspace.open(tmp_path / "link") is workspace.open(repository) is workspace.open(repository / "docs" / "..")
    assert len(workspace.search([repository, tmp_path / "link"], ask_of("book")).parts) == 1


def test_close_ends_every_thread_and_process(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    root = plant(tmp_path / "many", {f"f{n}.py": f"def f{n}():\n    return {n}\n" for n in range(3000)})
    workspace = Workspace(tmp_path / "home", PLAIN)
    entry = workspace.open(root)
    workspace.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(20)
    assert not set(threading.enumerate()) - before
    assert entry._child is None or entry._child.poll() is not None
    with pytest.raises(UsageError):
        workspace.open(root)
    with pytest.raises(IndexBusy), entry.searching():
        pass


def test_more_repositories_than_stay_in_memory_are_searched_all_the_same(tmp_path: Path) -> None:
    roots = [aged_plant(tmp_path / name, {"a.py": f"def apple_{name}():\n    return 1\n"}) for name in ("one", "two", "three", "four")]
    with Workspace(tmp_path / "home", PLAIN, most=2, watching=False) as workspace:
        for _ in range(2):
            found = workspace.search(roots, Ask("apple"))
            assert {(part.root, part.answer is not None) for part in found.parts} == {(root, True) for root in roots}
            assert {item.root for item in found.results} == set(roots)
