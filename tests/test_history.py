"""Commits of definitions, against repositories whose true history is known; and the names of repositories and folders."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wayfind.corpus.extract import extract
from wayfind.corpus.git import ask
from wayfind.corpus.history import MOST_FILES, History, head, is_telling, touches
from wayfind.corpus.identity import tree_id
from wayfind.corpus.renames import renamed


@pytest.fixture(autouse=True)
def _neutral_git(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)


class Repository:
    """A small repository, whose commits are one second apart."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.time = 1_000_000_000
        root.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        environment = {**os.environ, "GIT_AUTHOR_DATE": f"{self.time} +0000", "GIT_COMMITTER_DATE": f"{self.time} +0000"}
        done = subprocess.run(["git", *arguments], cwd=self.root, env=environment, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def write(self, **files: Sequence[str]) -> None:
        for path, lines in files.items():
            place = self.root / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text("".join(f"{line}\n" for line in lines))

    def commit(self, subject: str, **files: Sequence[str]) -> str:
        self.write(**files)
        self.time += 1
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", subject)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def subjects(history: History, symbol: str = "f") -> list[str]:
    return [touch.subject for touch in history.touches if touch.symbol == symbol]


# The reference: definitions whose first and last line are never edited, so that each version can be looked at by itself

Version = dict[str, list[str]]
"""Definition -> its body; after each definition come lines of a gap under the name in upper case."""


def _lines(version: Version) -> list[str]:
    lines = []
    for name, body in version.items():
        lines += body if name.isupper() else [f"begin {name}", *body, f"end {name}"]
    return lines + [f"constant {number}" for number in range(30)]  # enough in common for a rename to be seen


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, Version]]:
    """(file name, content) of each commit, oldest first. Every line is written once, so that there is one shortest diff."""
    written = iter(range(10**6))
    fresh = lambda low, high: [f"line {next(written)}" for _ in range(draw(st.integers(low, high)))]  # noqa: E731
    version: Version = {}
    for name in "fgh":
        version |= {name: fresh(0, 4), name.upper(): fresh(0, 3)}
    path, commits = "old.py", []
    for _ in range(draw(st.integers(1, 6))):
        commits.append((path, version))
        version = dict(version)
        if "new" not in version and draw(st.integers(0, 4)) == 0:
            # Alone, or a hunk that replaces as many lines would take it for what was there.
            version = {"new": fresh(0, 3), **version} if draw(st.booleans()) else {**version, "new": fresh(0, 3)}
            continue
        for name in draw(st.lists(st.sampled_from(sorted(version)), max_size=4)):
            if name in version and name.islower() and draw(st.integers(0, 9)) == 0:
                del version[name]
            elif name in version:
                at = draw(st.integers(0, len(version[name])))
                upto = draw(st.integers(at, len(version[name])))
                version[name] = version[name][:at] + fresh(0, 3) + version[name][upto:]
        if draw(st.integers(0, 5)) == 0:
            path = "new.py"
    return [*commits, (path, version)]


def _expected(commits: Sequence[Version], name: str) -> list[int]:
    """Numbers of the commits that changed a definition of the last version, newest first."""
    found = []
    for number in range(len(commits) - 1, -1, -1):
        before = commits[number - 1].get(name) if number else None
        if commits[number][name] != before:
            found.append(number)
        if before is None:
            break
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(commits=histories())
def test_touches_are_the_commits_in_which_the_text_of_a_definition_differs(
    tmp_path_factory: pytest.TempPathFactory, commits: list[tuple[str, Version]]
) -> None:
    root = tmp_path_factory.mktemp("repository")
    *committed, (path, present) = commits
    feed = []
    for number, (name, version) in enumerate(committed):
        text = "".join(f"{line}\n" for line in _lines(version))
        feed += [f"commit refs/heads/main\ncommitter a <a@b> {10**9 + number} +0000\ndata <<.\nchange number {number}x\n.\ndeleteall"]
        feed += [f"M 644 inline {name}\ndata <<.\n{text}."]
    for command, given_ in ((["init", "-q", "-b", "main"], ""), (["fast-import", "--quiet"], "\n".join(feed)), (["reset", "-q", "--hard"], "")):
        subprocess.run(["git", *command], cwd=root, input=given_, text=True, check=True)
    last = committed[-1][0]  # the present version is not committed; renames are followed in commits only
    lines = _lines(present)
    (root / last).write_text("".join(f"{line}\n" for line in lines))
    names = [name for name in present if name.islower()]
    spans = {last: [(lines.index(f"begin {name}") + 1, lines.index(f"end {name}") + 1, name) for name in names]}
    history = touches(root, spans)
    versions = [version for _, version in committed]
    for name in names:
        expected = _expected(versions, name) if name in versions[-1] else []
        assert [int(subject.split()[-1][:-1]) for subject in subjects(history, name)] == expected
    assert history.complete and history.commits == len(committed)
    assert {touch.path for touch in history.touches} <= {last}


# Numbers worked by hand


def test_hunks_at_the_edges(repository: Repository) -> None:
    repository.commit("write all of it", a=["x1", "f1", "f2", "f3", "x2"])
    repository.commit("insert before the first line", a=["x1", "i", "f1", "f2", "f3", "x2"])
    repository.commit("insert after the last line", a=["x1", "i", "f1", "f2", "f3", "j", "x2"])
    repository.commit("replace the first line", a=["x1", "i", "F1", "f2", "f3", "j", "x2"])
    repository.commit("replace the last line", a=["x1", "i", "F1", "f2", "F3", "j", "x2"])
    repository.commit("delete in the middle", a=["x1", "i", "F1", "F3", "j", "x2"])
    repository.commit("delete before the first line", a=["x1", "F1", "F3", "j", "x2"])
    repository.commit("delete after the last line", a=["x1", "F1", "F3", "x2"])
    assert subjects(touches(repository.root, {"a": [(2, 3, "f")]})) == [
        "delete in the middle", "replace the last line", "replace the first line", "write all of it",
    ]  # fmt: skip


def test_a_definition_replaced_line_by_line_keeps_its_past(repository: Repository) -> None:
    repository.commit("write two values", a=["x = 1", "y = 1"])
    repository.commit("change x alone", a=["x = 2", "y = 1"])
    repository.commit("change both values", a=["x = 3", "y = 3"])
    history = touches(repository.root, {"a": [(1, 1, "x"), (2, 2, "y")]})
    assert subjects(history, "x") == ["change both values", "change x alone", "write two values"]
    assert subjects(history, "y") == ["change both values", "write two values"]


def test_a_touch_names_the_present_path_the_commit_and_its_time(repository: Repository) -> None:
    repository.commit("write old file", **{"sub/old name.py": [f"l{number}" for number in range(9)]})
    repository.git("mv", "sub/old name.py", "sub/ñew\tname.py")
    repository.commit("move it elsewhere")
    lines = [f"l{number}" for number in range(8)] + ["changed"]
    last = repository.commit("change the end", **{"sub/ñew\tname.py": lines})
    found = touches(repository.root, {"sub/ñew\tname.py": [(5, 9, "f")]}).touches
    assert [(touch.path, touch.subject) for touch in found] == [
        ("sub/ñew\tname.py", "change the end"), ("sub/ñew\tname.py", "write old file"),
    ]  # fmt: skip
    assert found[0].commit == last and found[0].time == repository.time


def test_a_folder_inside_the_work_tree_is_seen_from_itself(repository: Repository) -> None:
    repository.commit("write both files", **{"a.py": ["1"], "sub/a.py": ["1"]})
    repository.commit("change the upper file", **{"a.py": ["2"]})
    repository.commit("change the lower file", **{"sub/a.py": ["2"]})
    history = touches(repository.root / "sub", {"a.py": [(1, 1, "f")]})
    assert subjects(history) == ["change the lower file", "write both files"]


def test_both_sides_of_a_merge_are_followed(repository: Repository) -> None:
    text = [f"l{number}" for number in range(20)]
    repository.commit("write the file", a=text, b=text)
    repository.git("checkout", "-q", "-b", "side")
    repository.commit("side changes the tenth", a=[*text[:9], "side", *text[10:]])
    repository.git("checkout", "-q", "main")
    repository.commit("main inserts above in b", b=["i", "i", *text])
    repository.commit("main changes the end of b", b=["i", "i", *text[:19], "main"])
    repository.time += 1
    repository.git("merge", "-q", "--no-ff", "-m", "bring the side in", "side")
    history = touches(repository.root, {"a": [(10, 10, "f")], "b": [(22, 22, "g"), (5, 6, "h")]})
    assert subjects(history) == ["side changes the tenth", "write the file"]
    assert subjects(history, "g") == ["main changes the end of b", "write the file"]
    assert subjects(history, "h") == ["write the file"]
    assert history.commits == 5


def test_text_that_looks_like_a_header_is_text(repository: Repository) -> None:
    odd = ["-- a/x", "++ b/x", "@@ -1 +1 @@", "diff --git a/x b/x", "+++ b/y"]
    repository.commit("write odd lines", a=[*odd, "end"])
    repository.commit("replace odd lines", a=[line + "!" for line in odd] + ["end"])
    assert subjects(touches(repository.root, {"a": [(6, 6, "f")]})) == ["write odd lines"]
    assert subjects(touches(repository.root, {"a": [(2, 2, "f")]})) == ["replace odd lines", "write odd lines"]


# What is read, and what is left out


def test_only_the_commits_after_since(repository: Repository) -> None:
    repository.commit("write the file", a=["1"])
    since = repository.commit("change it once", a=["2"])
    repository.commit("change it again", a=["3"])
    history = touches(repository.root, {"a": [(1, 1, "f")]}, since=since)
    assert subjects(history) == ["change it again"]
    assert (history.commits, history.complete, history.since) == (1, True, since)


def test_a_since_that_is_no_ancestor_means_the_whole_history(repository: Repository) -> None:
    repository.commit("write the file", a=["1"])
    lost = repository.commit("will be lost", a=["2"])
    repository.git("reset", "-q", "--hard", "HEAD^")
    for since in (lost, "0" * 40, "no such name"):
        history = touches(repository.root, {"a": [(1, 1, "f")]}, since=since)
        assert (subjects(history), history.since) == (["write the file"], None)


def test_the_limit_and_the_time_end_the_reading(repository: Repository) -> None:
    for number in range(5):
        repository.commit(f"change number {number}x", a=[str(number)])
    spans = {"a": [(1, 1, "f")]}
    few = touches(repository.root, spans, limit=2)
    assert (subjects(few), few.commits, few.complete) == (["change number 4x", "change number 3x"], 2, False)
    assert touches(repository.root, spans, limit=5).complete
    late = touches(repository.root, spans, seconds=0.0)
    assert (late.touches, late.complete) == ([], False)


def test_a_commit_of_many_files_moves_lines_but_touches_nothing(repository: Repository) -> None:
    names = [f"f{number}" for number in range(MOST_FILES + 1)]
    repository.commit("write one file", f0=["1", "2"])
    repository.commit("put a header on all", **{name: ["header", "1", "2"] for name in names})
    assert subjects(touches(repository.root, {"f0": [(3, 3, "f")]})) == ["write one file"]
    assert touches(repository.root, {"f1": [(1, 3, "f")]}).touches == []


def test_the_edge_of_a_shallow_clone_did_not_write_everything(repository: Repository, tmp_path: Path) -> None:
    repository.commit("write the file", a=["1"], b=["1"])
    repository.commit("change file a", a=["2"])
    repository.commit("change file b", b=["2"])
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--depth=2", repository.root.as_uri(), str(clone)], check=True)
    history = touches(clone, {"a": [(1, 1, "f")], "b": [(1, 1, "g")]})
    assert (subjects(history, "f"), subjects(history, "g")) == ([], ["change file b"])


@pytest.mark.parametrize(
    "subject",
    ["wip", "WIP: parser", "v1.2.3", "1.2.3", "Release 1.2.3", "release: v2.0.0-rc.1", "Bump version to 4.5.0", "werkzeug 2.0.1", "fix"]
    + ["Bump requests from 2.1 to 2.2", "chore(deps): update x to y", "Merge branch 'main' into x", "fixup! Add parser", "fix lint"]
    + ["Update changelog", "style: fix formatting", "fix typo", "Initial commit", "[pre-commit.ci] autoupdate", "address review comments", ""],
)
def test_a_subject_that_says_nothing(subject: str) -> None:
    assert not is_telling(subject)


@pytest.mark.parametrize(
    "subject",
    ["Fix crash in parser on empty input", "Add retry to the client", "fix: release the lock", "Support Python 3.13 in tox", "Merges sort stable"]
    + ["Fix typo in error message", "Format dates as ISO 8601", "bump allocator for arenas", "Add tests for retry", "解析器 修复 崩溃"],
)
def test_a_subject_that_says_something(subject: str) -> None:
    assert is_telling(subject)


# Hostile and missing surroundings


def test_without_a_repository_or_a_commit_there_is_no_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert head(tmp_path) is None
    assert head(tmp_path / "nowhere") is None
    Repository(tmp_path)
    assert head(tmp_path) is None
    assert touches(tmp_path, {"a": [(1, 1, "f")]}) == History([], 0, True, "", None)


def test_without_git_there_is_no_history(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.commit("write the file", a=["1"])
    assert head(repository.root)
    monkeypatch.setenv("PATH", "/nowhere")
    assert head(repository.root) is None
    assert touches(repository.root, {"a": [(1, 1, "f")]}).touches == []


def test_settings_and_surroundings_of_the_user_change_nothing(repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    repository.commit("write the file", **{"a é.py": [f"l{number}" for number in range(9)]})
    repository.git("mv", "a é.py", "b.py")
    repository.commit("change and move", **{"b.py": ["l0", "changed", *(f"l{number}" for number in range(2, 9))]})
    spans = {"b.py": [(2, 2, "f"), (9, 9, "g")]}
    expected = touches(repository.root, spans)
    assert subjects(expected, "g") == ["write the file"]
    trap = tmp_path / "trap"
    for name, value in {
        "diff.noprefix": "true", "diff.mnemonicPrefix": "true", "diff.external": f"touch {trap};", "diff.context": "5", "color.ui": "always",
        "diff.interHunkContext": "9", "diff.renames": "false", "log.showSignature": "true", "core.pager": f"touch {trap};", "diff.algorithm": "patience",
        "core.fsmonitor": f"touch {trap};", "log.date": "relative", "format.pretty": "raw", "diff.relative": "false", "diff.orderFile": "/dev/null",
        "log.diffMerges": "off", "diff.wsErrorHighlight": "all", "diff.submodule": "log", "core.quotePath": "true", "log.follow": "true",
    }.items():  # fmt: skip
        repository.git("config", name, value)
    (repository.root / ".git/info/attributes").write_text("*.py diff=trap\n")
    repository.git("config", "diff.trap.textconv", f"touch {trap};")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", f"touch {trap};")
    monkeypatch.setenv("GIT_PAGER", f"touch {trap};")
    assert touches(repository.root, spans) == expected
    assert not trap.exists()


@pytest.mark.parametrize("kind", ["clean", "process"])
@pytest.mark.parametrize("name", ["mark", "a.b=c"])
def test_no_filter_program_is_run(repository: Repository, tmp_path: Path, kind: str, name: str) -> None:
    repository.commit("write the file", a=["1", "2", "3"])
    repository.write(a=["1", "changed", "3"])
    trap = tmp_path / "trap"
    repository.git("config", f"filter.{name}.{kind}", f"touch {trap}; cat")
    repository.git("config", f"filter.{name}.required", "true")
    (repository.root / ".git/info/attributes").write_text(f"a filter={name}\n")
    history = touches(repository.root, {"a": [(1, 1, "f")]})
    assert (subjects(history), history.complete) == (["write the file"], True)
    assert not trap.exists()


def test_a_secret_in_a_subject_is_masked(repository: Repository) -> None:
    token = "gh" + "p_" + "7qLw2Zt6Hu9Kc3Vb5Nm8Xs1Rd4Fg0Jp6Ty2A"
    repository.commit(f"use token {token} for retry uploads", a=["1"])
    assert subjects(touches(repository.root, {"a": [(1, 1, "f")]})) == [f"use token {'*' * len(token)} for retry uploads"]


def test_nothing_is_written_to_the_repository(repository: Repository) -> None:
    repository.commit("write the file", a=["1"])
    os.utime(repository.root / "a", (1, 1))  # the index no longer knows the file as unchanged
    state = lambda: {path: path.stat().st_mtime_ns for path in sorted(repository.root.rglob("*"))}  # noqa: E731
    before = state()
    touches(repository.root, {"a": [(1, 1, "f")]})
    assert state() == before


def test_a_question_to_git_is_bounded_in_time(repository: Repository) -> None:
    assert ask(repository.root, "cat-file", "--batch", seconds=5.0) == ""
    assert ask(repository.root, "-c", "alias.slow=!sleep 5", "slow", seconds=0.1) is None


# Names of folders


def test_a_link_to_a_folder_is_the_same_tree(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "link").symlink_to("tree")
    assert tree_id(tmp_path / "link") == tree_id(tmp_path / "tree") != tree_id(tmp_path)


def test_renamed_definitions_are_told_by_their_text() -> None:
    before = extract(b"class A:\n    def f(self):\n        pass\n\n    def g(self):\n        pass\n\ndef one(x):\n    return one(x - 1)\n\ndef two(x):\n    return x\n", "a.py")
    after = extract(b"class B:\n    def f(self):\n        pass\n\n    def g(self):\n        pass\n\ndef uno(x):\n    return uno(x - 1)\n\ndef due(x):\n    return x + 1\n", "a.py")
    assert renamed(before, after) == {"A": "B", "A.f": "B.f", "A.g": "B.g", "one": "uno"}
    assert renamed(after, before) == {"B": "A", "B.f": "A.f", "B.g": "A.g", "uno": "one"}
    assert renamed(before, before) == {}


def test_a_definition_renamed_and_edited_at_once_is_told_by_most_of_its_lines() -> None:
    body = "    rows = read(path)\n    rows.sort()\n    kept = [row for row in rows if row]\n"
    other = "    with open(path) as file:\n        return parse(file)\n"
    before = extract(f"def load(path):\n{body}    return kept\n\ndef scan(path):\n{other}".encode(), "a.py")
    after = extract(f"def fetch(path, most):\n{body}    return kept[:most]\n\ndef walk(where):\n    yield where\n".encode(), "a.py")
    assert renamed(before, after) == {"load": "fetch"}


def test_of_two_like_texts_none_is_taken_for_the_other() -> None:
    body = "    rows = read(path)\n    rows.sort()\n    return rows\n"
    before = extract(f"def load(path):\n{body}".encode(), "a.py")
    after = extract(f"def one(path, x):\n{body}\ndef two(path, y):\n{body}".encode(), "a.py")
    assert renamed(before, after) == {}
