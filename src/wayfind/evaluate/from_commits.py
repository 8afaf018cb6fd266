"""Held-out queries `commit`: the subject of a commit asks for the functions that it changed, in the tree as it was before.

The history is cut off: the tree searched and its history end at one commit, and the queries come from what was committed
later. A function is gold when a later commit changed it and it stood in the tree at the cut-off, under the same name and in the
same file (also where the file has since been moved once; gold names the place at the cut-off).
"""

from __future__ import annotations

import random
import re
import subprocess
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from wayfind.corpus.definitions import definitions
from wayfind.evaluate.queries import Gold, Part, Query, QuerySet, part_of, plain, query
from wayfind.evaluate.scratch import Repository, command, environment, git, git_lines, is_versioned, repository_of, tree_at
from wayfind.types import Chunk

FEWEST_COMMITS = 60
NEWEST_COMMITS = 1000
HELD_OUT = 0.2
FEWEST_WORDS = 3
MOST_FUNCTIONS = 5
MOST_BYTES = 1_000_000
"""Larger files are not indexed either."""

HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
CHORE = re.compile(
    r"^(revert\b|reapply\b|bump\b|merge (branch|pull|remote|tag|commit|[0-9a-f]{7})|(release|version)\W*v?\d|update (changelog|dependenc)"
    r"|v?\d+\.\d+|wip\b|fixup!|squash!)",
    re.IGNORECASE,
)
HOUSEKEEPING = re.compile(
    r"\b(typos?|lint\w*|pre-?commit|change-?log|mypy|pyright|ruff|flake8|isort|pyupgrade|black|clang-format|rustfmt|gofmt|prettier|eslint|ci)\b", re.IGNORECASE
)
"""A commit about these changes functions for a reason that no question about the functions would give."""
TYPES = "fix|feat|feature|chore|docs?|refactor|tests?|perf|build|ci|style|bug|bugfix|hotfix|deps"
NOISE = (
    re.compile(r"\(?(?:\b(?:gh|bpo|pr|issue))?[-\s]?#\d+\)?|\(?\b(?:gh|bpo)-\d+\)?", re.IGNORECASE),  # (#12), gh-12, bpo-12
    re.compile(r"\[?\b[A-Z][A-Z0-9]+(?:-\d+)+\b\]?:?"),  # [PROJ-12], CVE-2020-12
    re.compile(r"^\s*\[[^\]]{1,20}\]\s*:?"),  # [3.12], [net]
    re.compile(rf"^\s*(?:{TYPES})(?:\([^)]*\))?!?:\s*", re.IGNORECASE),
    re.compile(r"^\s*(?:(?:fix(?:es|ed)?|refs?|closes?|closed|resolves?)\b[\s,]*)+(?:--|:|-)\s*", re.IGNORECASE),  # Fixed #1 -- (Django)
    re.compile(r"^[\s,:;.\-–—]+|[\s,:;.\-–—(]+$"),
)


@dataclass(slots=True)
class Change:
    """A commit after the cut-off: its subject and the lines it removed and added, by path, before and after."""

    commit: str
    subject: str
    before: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    after: dict[str, list[tuple[int, int]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class History:
    """Where the history of a folder is cut."""

    repository: Repository
    cutoff: str
    head: str


def cut(root: Path) -> History | str:
    """The cut-off for the folder `root`: the commit before the newest fifth of the last 1,000; or why there is none."""
    repository = repository_of(root)
    if repository is None:
        return "the repository has no commit yet" if is_versioned(root) else "not a git repository"
    line = git(root, "log", "--first-parent", f"-n{NEWEST_COMMITS}", "--format=%H").split()
    subjects = git(root, "log", "--no-merges", f"-n{NEWEST_COMMITS}", "--format=%s", "--", ".").splitlines()
    usable = sum(clean_subject(subject) is not None for subject in subjects)
    if usable < FEWEST_COMMITS or len(line) < 2:
        return f"{usable} usable commits; {FEWEST_COMMITS} are needed"
    return History(repository, line[max(1, int(len(line) * HELD_OUT))], line[0])


def commit_tree(history: History, scratch: Path) -> Path | None:
    """The tree as it was at the cut-off, made at `scratch`: its folder that stands for the root, None if there was none yet."""
    tree_at(history.repository.top, scratch, history.cutoff)
    folder = scratch / history.repository.prefix
    return folder if folder.is_dir() else None


def commit_queries(
    root: Path, folder: Path, history: History, chunks: Iterable, *, limit: int = 150, seed: int = 0, parts: Sequence[Part] | None = None
) -> QuerySet:
    """At most `limit` queries from the commits after the cut-off.

    `folder` is the tree of `commit_tree`, `chunks` those of its index; nothing else decides what can be gold.
    """
    dropped: Counter[str] = Counter()
    chunks = list(chunks)
    functions = {(c.path, c.symbol) for c in chunks if c.kind in ("function", "method") and c.symbol and not c.is_test}
    languages = {c.path: c.language for c in chunks}
    known = {clean_subject(s) for s in git(folder, "log", "-n20000", "--format=%s").splitlines()}
    found: dict[str, Query] = {}
    moved = _moved(root, history)
    paths = {path: path for path, _ in functions}
    paths |= {new: old for new, old in moved.items() if old in paths and new not in paths}
    with closing(_Versions(root)) as versions:
        for change in _changes(root, history, paths.keys()):
            text = clean_subject(change.subject)
            if text is None:
                dropped["subject says nothing"] += 1
            elif text in known:
                dropped["subject also before the cut-off"] += 1
            else:
                changed = ((paths[path], symbol) for path, symbol in _changed(versions, change, paths, languages))
                gold = sorted(_first(MOST_FUNCTIONS + 1, (place for place in changed if place in functions)))
                if 1 <= len(gold) <= MOST_FUNCTIONS:
                    found.setdefault(text, query("commit", text, [Gold(path, symbol) for path, symbol in gold]))
                else:
                    dropped["no function of the cut-off changed" if not gold else f"more than {MOST_FUNCTIONS} functions changed"] += 1
    pool = [q for q in found.values() if parts is None or part_of(q) in parts]
    chosen = random.Random(seed).sample(sorted(pool, key=lambda q: q.id), min(limit, len(pool)))
    then = f"commit {history.cutoff[:12]}"
    note = f"searched as of {then}; asked by later commits" if chosen else f"no commit after {then} changed 1 to {MOST_FUNCTIONS} functions of that time"
    return QuerySet("commit", folder, tuple(sorted(chosen, key=lambda q: q.id)), dropped, note=note)


def clean_subject(subject: str) -> str | None:
    """A commit's subject without ticket and request numbers and `fix:`-like fronts, or None where fewer than 3 words remain.

    >>> clean_subject("fix(parser): keep empty lines in tables (#812)")
    'keep empty lines in tables'
    """
    if CHORE.match(subject.strip()):
        return None
    text = subject
    for pattern in NOISE:
        text = pattern.sub(" ", text).strip()
    text = " ".join(text.split())
    if CHORE.match(text) or HOUSEKEEPING.search(text) or len(re.findall(r"[^\W\d_]\w*", text)) < FEWEST_WORDS:
        return None
    return plain(text)


def _moved(root: Path, history: History) -> dict[str, str]:
    """Path now -> path at the cut-off, of the files moved since."""
    fields = git(root, "diff", "-z", "-M", "--name-status", "--diff-filter=R", "--relative", history.cutoff, history.head).split("\0")
    return {new: old for old, new in zip(fields[1::3], fields[2::3], strict=False)}


def _changes(root: Path, history: History, paths: Container[str]) -> Iterator[Change]:
    """The commits after the cut-off, newest first, with the changed lines of the named paths only."""
    arguments = (
        "log", f"{history.cutoff}..{history.head}", "--no-merges", "--relative", "--no-renames", "--unified=0", "--no-color",
        "--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/", "--submodule=short", "--format=%x00%H%x00%s",
    )
    change, path = None, None
    for line in git_lines(root, *arguments, "-p"):
        if line.startswith("\0"):
            if change is not None:
                yield change
            _, commit, subject = line.split("\0", 2)
            change, path = Change(commit, subject), None
        elif line.startswith("diff --git "):
            path = None
        elif line.startswith(("--- a/", "+++ b/")) and path is None:
            name = line[6:].rstrip("\t")
            path = name if name in paths else None
        elif path is not None and (hunk := HUNK.match(line)):
            old, removed, new, added = (int(n) if n is not None else 1 for n in hunk.groups())
            if removed:
                change.before.setdefault(path, []).append((old, old + removed - 1))
            if added:
                change.after.setdefault(path, []).append((new, new + added - 1))
    if change is not None:
        yield change


def _first(most: int, places: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """The first distinct places, no more than `most`; those behind are not made."""
    found: set[tuple[str, str]] = set()
    for place in places:
        found.add(place)
        if len(found) == most:
            break
    return found


def _changed(versions: _Versions, change: Change, paths: Mapping[str, str], languages: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(path, symbol) of every function in which the commit removed or added a line."""
    for revision, spans in ((f"{change.commit}^", change.before), (change.commit, change.after)):
        for path, ranges in spans.items():
            chunks = versions.definitions(revision, path, languages[paths[path]])
            for start, end in ranges:
                yield from ((path, symbol) for symbol in _touched(chunks, start, end))


def _touched(chunks: Sequence[Chunk], start: int, end: int) -> set[str]:
    """Symbols of the innermost functions that hold one of the lines start..end."""
    held = [c for c in chunks if c.symbol and c.kind in ("function", "method") and c.start_line <= end and c.end_line >= start]
    inner = [c for c in held if not any(_within(other, c) and other.start_line <= start and end <= other.end_line for other in held)]
    return {c.symbol for c in inner}


def _within(inner: Chunk, outer: Chunk) -> bool:
    return inner is not outer and outer.start_line <= inner.start_line and inner.end_line <= outer.end_line


class _Versions:
    """The definitions of files as they were: one process of git for all of them, and each version extracted once."""

    def __init__(self, root: Path) -> None:
        line = command(root, "cat-file", "--batch")
        self._running = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment())
        self._known: dict[tuple[bytes, str], Sequence[Chunk]] = {}

    def close(self) -> None:
        self._running.communicate()

    def definitions(self, revision: str, path: str, language: str) -> Sequence[Chunk]:
        """Those of a file at a commit; none where it was not there, was binary, or was too large to be indexed."""
        if "\n" in path:
            return ()
        self._running.stdin.write(f"{revision}:./{path}\n".encode("utf-8", "surrogateescape"))
        self._running.stdin.flush()
        head = self._running.stdout.readline().split()
        if len(head) != 3 or not head[2].isdigit():  # `NAME missing`; a file has its id, `blob` and its size
            return ()
        content = self._running.stdout.read(int(head[2]) + 1)[:-1]
        key = head[0], language
        if key not in self._known:
            wanted = head[1] == b"blob" and len(content) <= MOST_BYTES and b"\0" not in content
            self._known[key] = definitions(content.decode("utf-8", "replace").replace("\r\n", "\n"), language)[0] if wanted else ()
        return self._known[key]
