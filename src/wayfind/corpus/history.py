"""Commits of definitions: in come the present line ranges of a tree, out comes which commit changed which of them.

Ranges are followed backwards through the diffs of `git log`, newest commit first: each hunk says which ranges it touches
and where they lay before it. Nothing is written to the repository, nothing is fetched, and the user's settings of git do
not count, nor do its filter programs run. Needs git 2.31 or later; where it is missing there is no history, which is not an error.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from wayfind.corpus.git import Stopped, ask, stream, without_filters
from wayfind.corpus.secrets import mask
from wayfind.types import Touch

MOST_FILES = 50
"""A commit that changes more files than this tells little of each of them (reformatting, licence headers, imports)."""


@dataclass(frozen=True, slots=True)
class History:
    """What was read of the history."""

    touches: list[Touch]
    """Newest first."""
    commits: int
    """Number of commits read, merges among them."""
    complete: bool
    """False when the limit, the time or a failure of git ended the reading."""
    head: str
    """The commit that was read from, empty if there is none."""
    since: str | None
    """The commit that was read to: as asked, or None for the whole history, also when `since` is no ancestor of `head` (any more)."""
    paths: frozenset[str] = frozenset()
    """Present files that the commits changed, also those whose definitions they did not touch."""


def head(root: str | os.PathLike[str]) -> str | None:
    """Id of the commit that is checked out; None without git, outside a repository and before the first commit."""
    answer = ask(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    return answer or None


def touches(
    root: str | os.PathLike[str],
    spans: Mapping[str, Sequence[tuple[int, int, str]]],
    *,
    since: str | None = None,
    limit: int = 2000,
    seconds: float = 10.0,
) -> History:
    """The commits that changed each of the given definitions.

    spans: path (relative to `root`) -> (first line, last line, symbol), 1-based and inclusive, as the files are now.
    root may be a folder inside the work tree. since: read only commits after this one.

    A commit of more than `MOST_FILES` files, and one whose subject says nothing (`is_telling`), touches nothing; so do
    merges, whose commits are read instead. Both sides of a merge that changed one file are told apart only roughly: the
    lines of the second parent are taken to lie where the merge has them.
    """
    deadline = time.monotonic() + seconds
    newest = head(root)
    if newest is None:
        return History([], 0, True, "", None)
    if since and ask(root, "merge-base", "--is-ancestor", since, newest) is None:
        since = None
    shallow = ask(root, "rev-parse", "--is-shallow-repository") != "false"
    reader = _Reader(shallow)
    try:
        present: _Tree = {path: _Present(path, ranges) for path, ranges in spans.items()}
        changes = b"".join(stream(root, deadline, *without_filters(root), "diff", *_DIFF, newest))
        reader.start(newest, _before(present, _file_diffs(b"\n" + changes)))
        log = ("log", *_DIFF, *_LOG, f"--max-count={limit + 1}", f"{since}..{newest}" if since else newest, "--")
        for number, record in enumerate(_records(stream(root, deadline, *log))):
            if number == limit:
                return History(reader.found, limit, False, newest, since, frozenset(reader.paths))
            reader.read(record)
    except Stopped:
        return History(reader.found, reader.commits, False, newest, since, frozenset(reader.paths))
    return History(reader.found, reader.commits, True, newest, since, frozenset(reader.paths))


def is_telling(subject: str) -> bool:
    """Whether a commit's subject says what the code does, judged by few forms that never do.

    Not: one word; versions and releases; dependency bumps; merges; wip, fixup and squash; changelogs, lint, formatting,
    typos, review; the first commit.
    """
    return not _SAYS_NOTHING.match(subject) and len(re.findall(r"[^\W\d_]{2,}", subject)) > 1


_SAYS_NOTHING = re.compile(
    r"""(?xi)
    wip\b | merge\b | (?:fixup|squash|amend)! | \[pre-commit
    | (?:\w+(?:\([\w\s-]*\))?!?:\s*)?  # the prefix of a conventional commit
      (?: (?:(?:bump|release|prepare|version|tag|set|start|new|back|to|for|the|next|development|dev|post|update|upgrade)\s+)*
          (?:\S+\s+)? v?\d+(?:\.\w+)+\S*\s*$
        | (?:bump|update|upgrade)\s+(?:dependenc\w+|deps|version|changelog|change\s?log|lock\s?file|submodules?|copyright)\b
        | bump\s.*\bfrom\s
        | (?:(?:fix|more|some|run|apply|minor|please|address|update|add|small|even|the|a|code|to)\s+)*
          (?:lint(?:er|ing|s)?|format(?:ting)?|style|whitespace|typos?|black|isort|ruff|flake8|pep8|prettier|eslint|gofmt|rustfmt
             |mypy|clippy|review(?:\scomments)?|changelog|change\s?log|news|tests?|ci|docs?|readme(?:\.\w+)?)\W*$
        | (?:initial|first)\s+(?:commit|import|version|release|checkin)\W*$
      )
    | \w*\(deps[\w-]*\)
    """
)

# Every setting of the user's that would change the form of a diff is overridden.
_DIFF = (
    "-p", "-U0", "--inter-hunk-context=0", "--find-renames", "-l200", "--relative", "--src-prefix=a/", "--dst-prefix=b/",
    "--no-color", "--no-ext-diff", "--no-textconv", "--submodule=short", "--ignore-submodules=all", "--diff-algorithm=default",
    "--indent-heuristic",
)  # fmt: skip
# Without --topo-order, which reads the whole history before it prints the first commit.
_LOG = ("--diff-merges=first-parent", "--no-show-signature", "--encoding=UTF-8", "--format=%x00%H %P%x00%ct%x00%s%x00")


class _Span(NamedTuple):
    start: int
    end: int
    symbol: str


class _File(NamedTuple):
    """The ranges of a present file, where they lie in the version that is looked at."""

    present: str
    spans: tuple[_Span, ...]


class _Present:
    """The same for a file as it is now. Its ranges are asked for when a diff names it: most diffs name few files."""

    def __init__(self, path: str, ranges: Iterable[tuple[int, int, str]]) -> None:
        self.present, self._ranges = path, ranges

    @cached_property
    def spans(self) -> tuple[_Span, ...]:
        return tuple(_Span(*span) for span in self._ranges)


class _Hunk(NamedTuple):
    """Lines that were replaced. Where there are none (`lines` is 0), `first` is the line that follows the place."""

    old: int
    old_lines: int
    first: int
    lines: int

    @classmethod
    def of(cls, old: int, old_lines: int, new: int, new_lines: int) -> _Hunk:
        """From `@@ -old,old_lines +new,new_lines @@`, where an empty side names the line before the place."""
        return cls(old + (not old_lines), old_lines, new + (not new_lines), new_lines)

    @property
    def last(self) -> int:
        return self.first + self.lines - 1


class _FileDiff(NamedTuple):
    old: str | None
    new: str | None
    hunks: list[_Hunk]


_Tree = dict[str, _File | _Present]


class _Reader:
    """Reads commits, children before parents, and keeps for each commit yet to come where the ranges lie in it."""

    def __init__(self, shallow: bool) -> None:
        self.found: list[Touch] = []
        self.commits = 0
        self.paths: set[str] = set()
        self._shallow = shallow
        self._trees: dict[bytes, _Tree] = {}

    def start(self, commit: str, tree: _Tree) -> None:
        self._trees[commit.encode()] = tree

    def read(self, record: bytes) -> None:
        ids, time_, subject, diff = record.split(b"\0", 3)
        commit, *parents = ids.split()
        self.commits += 1
        tree = self._trees.pop(commit, None)
        if not tree:
            return
        diffs = _file_diffs(diff)
        self.paths |= {tree[diff.new].present for diff in diffs if diff.new in tree}
        # The first commit of a shallow clone seems to have written everything.
        if len(parents) < 2 and (parents or not self._shallow) and len(diffs) <= MOST_FILES:
            subject_ = mask(subject.decode("utf-8", "replace"))[0]
            if is_telling(subject_):
                self._note(tree, diffs, commit.decode(), int(time_), subject_)
        merged = {diff.new: tree[diff.new] for diff in diffs if diff.new in tree}
        for parent in parents[1:]:
            self._offer(parent, dict(merged))
        if parents:
            self._offer(parents[0], _before(tree, diffs))

    def _note(self, tree: _Tree, diffs: Iterable[_FileDiff], commit: str, time_: int, subject: str) -> None:
        for diff in diffs:
            if file := tree.get(diff.new or ""):
                symbols = dict.fromkeys(span.symbol for span in file.spans if _touched(span, diff.hunks))
                self.found += [Touch(file.present, symbol, commit, time_, subject) for symbol in symbols]

    def _offer(self, commit: bytes, tree: _Tree) -> None:
        """Of what the children say, the widest holds: along first parents all files are known, along others a few."""
        if len(tree) > len(self._trees.get(commit, ())):
            self._trees[commit] = tree


def _before(tree: _Tree, diffs: Iterable[_FileDiff]) -> _Tree:
    """The same tree, changed into that of the version before these changes."""
    moved = [(diff, tree.pop(diff.new)) for diff in diffs if diff.new in tree]
    for diff, file in moved:
        spans = tuple(span for after in file.spans if (span := _span_before(after, diff.hunks)))
        if diff.old and spans:
            tree[diff.old] = _File(file.present, spans)
    return tree


def _touched(span: _Span, hunks: Iterable[_Hunk]) -> bool:
    """Whether a hunk wrote lines of the span, or removed lines from within it."""
    return any(
        hunk.first <= span.end and span.start <= hunk.last if hunk.lines else span.start < hunk.first <= span.end for hunk in hunks
    )


def _span_before(span: _Span, hunks: Iterable[_Hunk]) -> _Span | None:
    """Where the span lay before the hunks; None when it was not there.

    A span inside one hunk was written by it, unless the hunk replaced line by line. Of a hunk that sticks out of the span,
    the lines inside are taken to replace the same lines, counted from the hunk's first.
    """
    start, end = span.start, span.end
    for hunk in hunks:
        grown = hunk.old_lines - hunk.lines
        if hunk.first <= span.start and span.end <= hunk.last:
            if grown:
                return None
            return span._replace(start=hunk.old + span.start - hunk.first, end=hunk.old + span.end - hunk.first)
        if hunk.last < span.start:
            start += grown
        elif hunk.first < span.start:
            start = hunk.old + min(hunk.old_lines, span.start - hunk.first)
        if hunk.first <= span.end:
            if hunk.last <= span.end:
                end += grown
            else:
                end = hunk.old + min(hunk.old_lines, span.end - hunk.first + 1) - 1
    return span._replace(start=start, end=end) if start <= end else None


_HEADER = re.compile(
    rb"""\n(?:
    @@\ -(\d+)(?:,(\d+))?\ \+(\d+)(?:,(\d+))?\ @@
    |diff\ --git\ [^\n]*
     (?:\n(?:(?:old|new|new\ file|deleted\ file)\ mode|(?:dis)?similarity\ index)[^\n]*)*
     (?:\nrename\ from\ ([^\n]*)\nrename\ to\ ([^\n]*))?
     (?:\nindex[^\n]*)?
     (?:\n---\ ([^\n]*)\n\+\+\+\ ([^\n]*))?
    )""",
    re.VERBOSE,
)


def _file_diffs(diff: bytes) -> list[_FileDiff]:
    """The files and hunks of a diff without context. Its text lines begin with `+`, `-` or a backslash, so no header is mistaken."""
    files: list[_FileDiff] = []
    for match in _HEADER.finditer(diff):
        old, old_lines, new, new_lines, was, now, minus, plus = match.groups()
        if new:
            files[-1].hunks.append(_Hunk.of(int(old), int(old_lines or 1), int(new), int(new_lines or 1)))
        else:
            files.append(_FileDiff(_name(minus, 2) if minus else _name(was), _name(plus, 2) if plus else _name(now), []))
    return files


def _name(raw: bytes | None, prefix: int = 0) -> str | None:
    """A path of a diff, without its prefix (`a/`); None for no file."""
    if not raw or raw == b"/dev/null":
        return None
    if raw.startswith(b'"'):
        raw = re.sub(rb"\\([0-7]{3}|.)", _unescaped, raw[1 : raw.rindex(b'"')])
    # git writes a tab behind a name that has blanks
    return os.fsdecode(raw[prefix:].removesuffix(b"\t"))


_ESCAPES = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}


def _unescaped(match: re.Match[bytes]) -> bytes:
    code = match[1]
    return bytes([int(code, 8)]) if len(code) == 3 else _ESCAPES.get(code, code)


def _records(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The commits in the output of `git log` in our format: each begins with NUL at the begin of a line, as no diff's line does."""
    buffer = bytearray(b"\n")
    for chunk in chunks:
        seen = max(len(buffer) - 1, 1)
        buffer += chunk
        while (end := buffer.find(b"\n\0", seen)) >= 0:
            yield bytes(buffer[2:end])
            del buffer[:end]
            seen = 1
        if len(buffer) > _LARGEST_COMMIT:
            raise Stopped
    if len(buffer) > 1:
        yield bytes(buffer[2:])


_LARGEST_COMMIT = 1 << 28
