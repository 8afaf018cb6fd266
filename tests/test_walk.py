"""What the walk admits and refuses; git itself is the reference for ignore files."""

from __future__ import annotations

import codecs
import os
import socket
import sqlite3
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import wayfind
from wayfind.corpus.walk import MAX_BYTES, content_problem, decode, reaches, walk
from wayfind.errors import NotFound, UsageError

GIT = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}


def plant(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return root


def admitted(root: Path) -> list[str]:
    return [file.path for file in walk(root).files]


def refused(root: Path) -> dict[str, str]:
    return {skip.path: skip.reason for skip in walk(root).skips}


# Laws


def test_every_entry_is_admitted_or_refused_once(tmp_path: Path) -> None:
    names = ["a.py", "b/c.py", "b/d.png", "vendor/e.py", "g.lock", "h.min.js", "i/.gitignore", "i/j.log", "i/k.py"]
    plant(tmp_path, {name: "x = 1\n" for name in names} | {"i/.gitignore": "*.log\n"})
    seen = admitted(tmp_path) + list(refused(tmp_path))
    assert sorted(seen) == sorted(["vendor/" if name == "vendor/e.py" else name for name in names])


def test_files_come_sorted_with_size_and_time(tmp_path: Path) -> None:
    plant(tmp_path, {"b.py": "12345", "a/z.py": "1", "a.py": "123"})
    files = walk(tmp_path).files
    assert [(file.path, file.size) for file in files] == [("a.py", 3), ("a/z.py", 1), ("b.py", 5)]
    state = (tmp_path / "a.py").stat()
    assert files[0].mtime_ns == max(state.st_mtime_ns, state.st_ctime_ns)


# Ignore files, with git as the reference

_NAMES = st.sampled_from(["a", "b", "ab", "a.log", "b.log", "build", "[x]", "#a", "a b", "éa", "foo\n"])
_FOLDERS = st.sampled_from(["", "a/", "b/", "a/b/", "a/b/a/", "build/", "build/a/", "éa/"])
_PATTERNS = st.sampled_from(
    ["a", "b", "*.log", "!*.log", "!a.log", "build/", "!build/", "/a", "/a/", "!/a", "a/b", "a/b/", "a/**", "!a/b", "**/a", "a/**/b"]
    + ["*", "!*/", "*/", "**", "/*", "!/a/", "a*", "[ab]", "[!a]", "[^a]*", "\\#a", "#a", "a\\ b", "a b ", "\\[x\\]", "éa", "?", "b/*"]
    + ["!b/a", "**/b/", "a/**/", "!**/a/", "ab/", "\\", "[z-a]", "[", "!", "/", "//", "!a/**", "a/*/a", "a\r", "  a"]
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.sets(st.tuples(_FOLDERS, _NAMES).map("".join), min_size=1, max_size=12),
    ignores=st.dictionaries(_FOLDERS, st.lists(_PATTERNS, max_size=5), max_size=3),
)
@example({"a/b", "a/ab"}, {"": ["a/**", "!a/b"]})
@example({"a/b/a.log", "b.log"}, {"": ["*.log"], "a/": ["!b"]})
@example({"a/b/a", "a/b/b", "ab"}, {"": ["*", "!*/", "!b"]})
def test_ignore_files_mean_what_git_says(tmp_path_factory: pytest.TempPathFactory, files: set[str], ignores: dict) -> None:
    root = tmp_path_factory.mktemp("tree")
    for path in sorted(files, reverse=True):  # the longer first: a folder may stand where a file was wanted
        if not (root / path).exists():
            try:
                plant(root, {path: "text"})
            except (FileExistsError, NotADirectoryError):
                continue
    for folder, lines in ignores.items():
        if (root / folder).is_dir():
            (root / folder / ".gitignore").write_bytes("\n".join(["# rules", *lines, ""]).encode())
    subprocess.run(["git", "init", "-q"], cwd=root, env=GIT, check=True)
    listed = subprocess.run(
        ["git", "ls-files", "-o", "-z", "--exclude-standard"], cwd=root, env=GIT, check=True, capture_output=True
    ).stdout
    expected = sorted(os.fsdecode(path) for path in listed.split(b"\0") if path)
    assert admitted(root) == expected


def test_a_line_that_is_no_pattern_is_dropped_alone(tmp_path: Path) -> None:
    plant(tmp_path, {".gitignore": "[z-a]\n[[:digit:]]x\n\\\n*.log\n", "a.log": "1", "b": "1"})
    assert admitted(tmp_path) == [".gitignore", "b"]


def test_rules_above_the_root_hold_unless_they_ignore_the_root(tmp_path: Path) -> None:
    plant(tmp_path, {".gitignore": "*.log\nout/\n/pkg/c.py\n", "pkg/a.py": "1", "pkg/b.log": "1", "pkg/c.py": "1", "out/d.log": "1"})
    (tmp_path / ".git").mkdir()
    assert admitted(tmp_path / "pkg") == ["a.py"]
    assert admitted(tmp_path / "out") == ["d.log"]


def test_info_exclude_is_read_in_a_linked_work_tree_too(tmp_path: Path) -> None:
    plant(tmp_path / "main", {"a.py": "1"})
    for command in ("init -q", "add a.py", "-c user.name=a -c user.email=a@b commit -q -m a", "worktree add -q ../linked"):
        subprocess.run(["git", *command.split()], cwd=tmp_path / "main", env=GIT, check=True)
    (tmp_path / "main/.git/info").mkdir(exist_ok=True)
    (tmp_path / "main/.git/info/exclude").write_text("secret.py\n")
    for tree in ("main", "linked"):
        plant(tmp_path / tree, {"secret.py": "1"})
        assert admitted(tmp_path / tree) == ["a.py"]


def test_wayfindignore_has_the_last_word(tmp_path: Path) -> None:
    files = {"vendor/a.py": "1", "node_modules/b.js": "1", "yarn.lock": "1", "c.min.js": "1", "d.log": "1", "e.py": "1"}
    plant(tmp_path, files | {".gitignore": "*.log\n!e.py\n"})
    assert admitted(tmp_path) == [".gitignore", "e.py"]
    assert refused(tmp_path) == {
        "vendor/": "vendored", "node_modules/": "vendored", "yarn.lock": "lock", "c.min.js": "minified", "d.log": "ignored",
    }
    plant(tmp_path, {".wayfindignore": "!vendor/\n!yarn.lock\n!*.min.js\n!*.log\ne.py\n.*ignore\n"})
    assert admitted(tmp_path) == ["c.min.js", "d.log", "vendor/a.py", "yarn.lock"]


def test_a_wayfindignore_that_is_deeper_wins(tmp_path: Path) -> None:
    plant(tmp_path, {".wayfindignore": "*.txt\n", "a/.wayfindignore": "!b.txt\n", "a/b.txt": "1", "a/c.txt": "1", "b.txt": "1"})
    assert [path for path in admitted(tmp_path) if path.endswith(".txt")] == ["a/b.txt"]


# Reasons


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("a.PNG", "binary"), ("a.tar.gz", "binary"), ("a.so", "binary"), ("a.woff2", "binary"), ("a.pyc", "binary"),
        ("package-lock.json", "lock"), ("go.sum", "lock"), ("sub/uv.lock", "lock"), ("a.min.css", "minified"), ("a.js.map", "minified"),
        ("third_party/a.c", "vendored"), ("x/Godeps/a.go", "vendored"), ("__pycache__/a.py", "ignored"), (".tox/py/a.py", "ignored"),
        ("cache/CACHEDIR.TAG", "ignored"), ("env/pyvenv.cfg", "ignored"),
    ],
)  # fmt: skip
def test_reason_by_name(tmp_path: Path, path: str, reason: str) -> None:
    plant(tmp_path, {path: "text"})
    assert list(refused(tmp_path).values()) == [reason]
    assert admitted(tmp_path) == []


@pytest.mark.parametrize("path", ["dist/a.py", "build/a.py", "target/a.rs", ".github/a.yml", "a", "Makefile", ".env", "so", "vendor.py", "lock"])
def test_a_name_that_proves_nothing_is_admitted(tmp_path: Path, path: str) -> None:
    plant(tmp_path, {path: "text"})
    assert admitted(tmp_path) == [path]


def test_sizes_decide_at_the_edge(tmp_path: Path) -> None:
    plant(tmp_path, {"empty.py": "", "largest.py": "x" * MAX_BYTES, "larger.py": "x" * (MAX_BYTES + 1)})
    assert admitted(tmp_path) == ["largest.py"]
    assert refused(tmp_path) == {"empty.py": "empty", "larger.py": "too-large"}


def test_links_are_never_followed(tmp_path: Path) -> None:
    outside = plant(tmp_path / "outside", {"secret.py": "1"})
    root = plant(tmp_path / "root", {"a/b.py": "1"})
    (root / "a/up").symlink_to(root)
    (root / "a/self").symlink_to("self")
    (root / "file").symlink_to("a/b.py")
    (root / "broken").symlink_to("nowhere")
    (root / "out").symlink_to(outside)
    (root / "out.py").symlink_to(outside / "secret.py")
    (root / "beside").symlink_to(tmp_path / "root2")
    (root / ".gitignore").symlink_to(outside / "secret.py")
    assert admitted(root) == ["a/b.py"]
    assert refused(root) == {
        "a/up": "link", "a/self": "link", "file": "link", "broken": "link",
        "out": "link-outside", "out.py": "link-outside", "beside": "link-outside", ".gitignore": "link-outside",
    }  # fmt: skip


def test_the_walk_reaches_a_folder_exactly_where_it_admits_what_lies_there(tmp_path: Path) -> None:
    folders = ["a", "a/b", "a/out", "a/out/c", "vendor/d", "kept/vendor/e", "env/lib", ".git/hooks", "node_modules/f", "deep/x/y/z", "deep/x/no"]
    plant(tmp_path, {f"{folder}/m.py": "m = 1\n" for folder in folders} | {".gitignore": "out/\n!/kept/vendor/\n", "deep/.gitignore": "x/no\n", "env/pyvenv.cfg": "home\n"})
    found = {path.rpartition("/")[0] for path in admitted(tmp_path)}
    assert {folder for folder in folders if reaches(tmp_path, tmp_path / folder)} == found & set(folders)
    assert reaches(tmp_path, tmp_path) and reaches(tmp_path / "vendor", tmp_path / "vendor/d") and "a/b" in found


def test_a_root_that_is_a_link_is_walked(tmp_path: Path) -> None:
    plant(tmp_path / "root", {"a.py": "1"})
    (tmp_path / "link").symlink_to("root")
    assert admitted(tmp_path / "link") == ["a.py"]


def test_what_is_not_a_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    os.mkfifo(tmp_path / ".gitignore")
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(os.path.relpath(tmp_path / "socket"))
    assert refused(tmp_path) == {"pipe.py": "not-a-file", ".gitignore": "not-a-file", "socket": "not-a-file"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_an_unreadable_folder_is_told(tmp_path: Path) -> None:
    plant(tmp_path, {"closed/a.py": "1", "b.py": "1"})
    (tmp_path / "closed").chmod(0)
    try:
        assert admitted(tmp_path) == ["b.py"]
        assert refused(tmp_path) == {"closed/": "unreadable"}
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_a_folder_beyond_the_longest_path_is_told(tmp_path: Path) -> None:
    """Stands for every folder that cannot be listed, for root too."""
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=here)
        here, above = os.open("d" * 250, os.O_RDONLY, dir_fd=here), here
        os.close(above)
    os.close(here)
    plant(tmp_path, {"a.py": "1"})
    assert admitted(tmp_path) == ["a.py"]
    assert list(refused(tmp_path).values()) == ["unreadable"]


# Regressions: odd names, and the folder's own bookkeeping


@pytest.mark.parametrize("name", ["new\nline.py", "tab\t.py", "\x1b[31m.py", "ü.py", "-rf.py", " .py", "a\\b.py", "\udcff.py", "'\".py"])
def test_an_odd_name_is_only_a_name(tmp_path: Path, name: str) -> None:
    plant(tmp_path, {f"{name}/{name}": "1", ".gitignore": "*.log\n"})
    assert f"{name}/{name}" in admitted(tmp_path)


def test_a_folder_named_like_a_file_is_a_folder(tmp_path: Path) -> None:
    plant(tmp_path, {"foo.py/bar.py": "1", "x.png/y.py": "1", "yarn.lock/z.py": "1"})
    assert admitted(tmp_path) == ["foo.py/bar.py", "x.png/y.py", "yarn.lock/z.py"]


def test_version_control_and_own_settings_are_neither_admitted_nor_counted(tmp_path: Path) -> None:
    """Defect 10 of the original: test queries and the index itself were part of the corpus."""
    plant(tmp_path, {".git/config": "1", ".hg/a": "1", ".svn/a": "1", ".wayfind/explanations.json": "{}", "sub/.git": "gitdir: x", "a.py": "1"})
    assert walk(tmp_path).skips == []
    assert admitted(tmp_path) == ["a.py"]


def test_an_index_inside_the_folder_is_not_indexed(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "index") as store:
        store.execute("create table t (x)")
    store.close()
    assert content_problem((tmp_path / "index").read_bytes(), "index") == "binary"
    plant(tmp_path, {"home/CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55", "home/segment": "1"})
    assert refused(tmp_path) == {"home/": "ignored"}


def test_a_worktree_of_the_same_repository_is_not_indexed_again_but_may_be_by_itself(tmp_path: Path) -> None:
    root = plant(tmp_path / "root", {"a.py": "x = 1\n"})
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one"], ["worktree", "add", "-q", "trees/b"]):
        subprocess.run(["git", *command], cwd=root, env=GIT, check=True, capture_output=True)
    assert (admitted(root), refused(root)) == (["a.py"], {"trees/b/": "worktree"})
    assert admitted(root / "trees" / "b") == ["a.py"]


def test_a_worktree_may_lead_to_its_repository_by_a_relative_path(tmp_path: Path) -> None:
    """`git worktree add --relative-paths`, of git 2.48."""
    root = plant(tmp_path / "root", {"a.py": "x = 1\n", ".git/worktrees/b/HEAD": "ref: b\n", "trees/b/.git": "gitdir: ../../.git/worktrees/b\n", "trees/b/a.py": "x = 1\n"})
    assert (admitted(root), refused(root)) == (["a.py"], {"trees/b/": "worktree"})


def test_worktrees_side_by_side_in_a_linked_one_or_below_a_folder_of_the_repository_are_not_indexed_again(tmp_path: Path) -> None:
    root, linked = plant(tmp_path / "root", {"sub/a.py": "x = 1\n"}), tmp_path / "linked"
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one"], ["worktree", "add", "-q", str(linked)]):
        subprocess.run(["git", *command], cwd=root, env=GIT, check=True, capture_output=True)
    subprocess.run(["git", "worktree", "add", "-q", "trees/two"], cwd=linked, env=GIT, check=True, capture_output=True)
    subprocess.run(["git", "worktree", "add", "-q", "sub/three"], cwd=root, env=GIT, check=True, capture_output=True)
    assert (admitted(linked), refused(linked)) == (["sub/a.py"], {"trees/two/": "worktree"})
    assert (admitted(root / "sub"), refused(root / "sub")) == (["a.py"], {"three/": "worktree"})


@pytest.mark.parametrize("place", [".git", "inner/.git"])
def test_a_git_file_of_zeros_stops_nothing(tmp_path: Path, place: str) -> None:
    """What a power failure leaves."""
    root = plant(tmp_path / "root", {"a.py": "x = 1\n", "inner/b.py": "y = 1\n", place: "\0" * 64})
    assert admitted(root) == ["a.py", "inner/b.py"]


def test_a_root_that_is_no_folder_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such folder"):
        walk(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="not a folder"):
        walk(plant(tmp_path, {"a.py": "1"}) / "a.py")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UsageError, match="not a folder"):
        walk(tmp_path / "loop")
    assert walk(tmp_path / "loop" / "..").files  # normal again


# Content


@pytest.mark.parametrize(
    ("data", "path", "problem"),
    [
        (b"x = 1\n", "a.py", None),
        (b"x\0y", "a.py", "binary"),
        (b"x" * 9000 + b"\0", "a.py", None),
        (codecs.BOM_UTF16_LE + "text".encode("utf-16-le"), "a.txt", None),
        (codecs.BOM_UTF32_BE + "text".encode("utf-32-be"), "a.txt", None),
        (b"var a=1;" * 1000, "a.js", "minified"),
        (b"var a=1;" * 1000, "a.py", None),
        (b"var a=1;" * 1000 + b"\n" * 100, "a.js", None),
        (b"var a=1;" * 600, "a.js", None),
        (b"# @" + b"generated by a tool\n", "a.py", "generated"),
        (b"// Code " + b"generated by protoc-gen-go. DO NOT EDIT.\n", "a.go", "generated"),
        (b"/*\n * This file was " + b"automatically generated by SWIG\n */", "a.c", "generated"),
        (b"#!/bin/sh\n# DO NOT EDIT; this is " + b"generated\n", "a.sh", "generated"),
        (b"marker = '@" + b"generated'\n", "a.py", None),
        (b"# the docs are automatically generated from these strings\n", "a.py", None),
        (b"\n" * 1024 + b"# @" + b"generated\n", "a.py", None),
        (b"import x\n", "api/model_pb2.py", "generated"),
        (b"// @" + b"generated SignedSource<<0123>>\n", "a.ts", "generated"),
        (b"# This file is automatically @" + b"generated by Cargo.\n", "a.toml", "generated"),
        (b"// <auto-" + b"generated/>\nclass A {}\n", "a.cs", "generated"),
        (b"# License\n\n\"\"\"This file is automatically " + b"generated from a.py\n\"\"\"\n", "a.py", "generated"),
        (b"# This is an " + b"autogenerated file\n", "a.py", "generated"),
        (b"# NOTE: auto-" + b"generated code\n", "a.py", "generated"),
        (b"/* Auto" + b"generated file. */\n", "a.c", "generated"),
        (b"/**\n * May be set to have a `@G" + b"enerated` annotation\n */\n", "Options.kt", None),
        (b"# Leaves out what is marked `@" + b"generated`.\n", "a.py", None),
        (b"/** Reads {@" + b"generated} tags. */\n", "A.java", None),
        (b"# Not all values are present in this\n# auto" + b"generated file.\n", "conf.py", None),
        (b"# Reads an auto" + b"generated file.\n", "a.py", None),
        (b"header = '''\\\n\"\"\"This file is automatically " + b"generated from a.py\n\"\"\"\n'''\n", "a.py", None),
        (b"HEADER = \"\"\"\\\n# Code " + b"generated by a.py. DO NOT EDIT.\n\"\"\"\n", "a.py", None),
    ],
)
def test_content_problem(data: bytes, path: str, problem: str | None) -> None:
    assert content_problem(data, path) == problem


def test_wayfinds_own_sources_are_worth_indexing() -> None:
    for source in Path(wayfind.__file__).parent.rglob("*.py"):
        assert content_problem(source.read_bytes(), source.name) is None, source


@pytest.mark.parametrize(
    ("data", "text", "problem"),
    [
        (b"", "", None),
        ("é\r\nb\r\n".encode(), "é\nb\n", None),
        (b"a\rb\r", "a\nb\n", None),
        (b"a\rb\n", "a b\n", None),
        (b"\xef\xbb\xbfa", "a", None),
        ("\ufeffé".encode("utf-16-le"), "é", None),
        ("\ufeff\U0001f600".encode("utf-32-be"), "\U0001f600", None),
        (b"\xe9t\xe9 \x80", "été €", "encoding"),
        (b"\x81", "\x81", "encoding"),
        (b"a\0b", "a\ufffdb", None),
        (b"\xff\xfea", "\ufffd", "encoding"),
        (b"\xff\xfe\x00\xd8", "\ufffd", "encoding"),
    ],
)
def test_decode(data: bytes, text: str, problem: str | None) -> None:
    assert decode(data) == (text, problem)


@given(st.binary())
@example(b"\xed\xa0\x80")
def test_whatever_the_bytes_the_text_can_be_stored(data: bytes) -> None:
    text, _ = decode(data)
    text.encode("utf-8")
    assert "\r" not in text and "\0" not in text


@given(st.text())
def test_text_survives_all_but_its_line_ends(text: str) -> None:
    clean = text.replace("\r", "").replace("\0", "").removeprefix("\ufeff")
    assert decode(clean.encode())[0] == clean.removeprefix("\ufeff")
