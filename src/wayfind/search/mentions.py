"""Places that a query names: `src/app/views.py`, `views.py:120`, `app.views.Handler`, frames of a stack trace, the lines
that a unified diff changes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from wayfind.corpus.languages import EXTENSIONS
from wayfind.index.snapshot import Snapshot
from wayfind.search.trace import Frame, frames, is_report, line_of

_PATH = re.compile(r"(?P<path>[\w@.+-]*(?:[/\\][\w@.+-]+)*\.\w{1,8})(?:\"?, line |:|\()?(?P<line>\d+)?")
_ALONE = re.compile(r"[`'(]*(?P<path>[^\s`'\"():#]+)(?::(?P<line>\d+)(?::\d+)?|#L(?P<anchor>\d+)\S*)?[`'),]*")
_EXACT = re.compile(r"(?P<path>\S+?)(?::(?P<line>\d+)(?::\d+)?)?")
"""A path as it stands, whatever signs it holds: `app/(auth)/page.tsx:2`."""
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_ENDLESS = re.compile(r"[\w@.+/\\-]{500,}")
"""Encoded data, no path: the patterns above take time that grows with the square of its length."""
_VERSION = re.compile(r"\d+\.\d+[\w.-]*\s*$")
_HUNK = re.compile(r"@@ -\d+(?:,\d+)? \+(?P<line>\d+)(?:,(?P<count>\d+))? @@")
MOST_ELSE = 0.6
"""Share of a text that unindented lines beside those of a trace may have, where the trace is all that is asked about."""
FRAMES_FIRST = 6.0
"""How much more the lines of such a trace count, and the file that is all a query says: enough to come before what only shares words
with it."""
_FUNCTIONS = ("function", "method", "test")
_BETWEEN = re.compile(r"[.#:>\s/]+")
"""What stands between the parts of a symbol."""
_DEFINED = (
    r"\b(?:def|function\*?|func|fn|fun|sub|defp|let|val)[ \t]+(?:[\w.]+\.)?NAME\b"
    r"|\bNAME['\"]?[ \t]*[:=][ \t]*(?:async\b[ \t]*)?(?:function|func|fn|fun|lambda|proc|->|[\[({|]|\w+[ \t]*=>)"
    r"|^[ \t]*(?!return\b|if\b|else\b|while\b|for\b|switch\b|match\b)(?:[\w<>\[\],.?@*&:]+[ \t]+){0,8}NAME[ \t]*\([^;{}]{0,300}\)[^;{}\n]{0,100}\{"
)
"""How the languages begin a function called NAME: by a word before it, by a value of it, by what it takes and a brace."""
_MOST = 400
"""Mentions that are looked at, first and last halves: a stack trace names the culprit at one of its ends."""


class Places:
    """The files of a snapshot by the names under which a query may mention them."""

    def __init__(self, snapshot: Snapshot):
        self.snapshot = snapshot
        self._by_name: dict[str, list[int]] = defaultdict(list)
        self._by_stem: dict[str, list[int]] = defaultdict(list)
        for number, path in enumerate(snapshot.paths):
            name = path.rsplit("/", 1)[-1]
            self._by_name[name].append(number)
            stem = name.rsplit(".", 1)[0]
            folder = path.rsplit("/", 2)[-2] if "/" in path else ""
            self._by_stem[folder if stem in ("__init__", "index", "mod") else stem].append(number)

    def mentioned(self, text: str) -> tuple[np.ndarray, dict[int, float]]:
        """How surely each file is meant, [files], 0 to 1; and the chunks at the lines that are named, likewise."""
        files, chunks = np.zeros(self.snapshot.files), {}
        framed, rest = frames(text)
        pasted = is_report(text) or sum(len(row) for row in rest.split("\n") if row[:1].strip()) <= MOST_ELSE * len(text)
        written = [(_parts(match["path"]), line_of(match["line"] or "0")) for match in _ends(_PATH, rest)]
        changed = [(_parts(path), line) for path, line in changed_lines(rest)]
        places = {tuple(parts): self._ending_in(parts, self._by_name, parts[-1] if parts else "") for parts, _ in [*written, *changed]}
        named = [(*places[tuple(parts)], Frame(tuple(parts), line), 1.0) for parts, line in [*written, *changed]]
        for found, value, frame, nearness in [*self._framed(framed), *named]:
            for file in found:
                files[file] = max(files[file], value * nearness)
                if frame.line and value > 0.5:
                    for chunk in self._at(file, frame.line, frame.name):
                        chunks[chunk] = max(chunks.get(chunk, 0.0), value * nearness)
        if pasted:  # nothing but the trace: its frames are the answer, in their order
            for found, value, frame, nearness in self._framed(framed):
                for chunk in (chunk for file in found if value > 0.5 for chunk in self._at(file, frame.line, frame.name)):
                    chunks[chunk] = max(chunks.get(chunk, 0.0), FRAMES_FIRST * value * nearness)
        for match in _ends(_DOTTED, rest):
            names = match[0].split(".")
            for length in range(len(names), 1, -1):
                found, value = self._ending_in(names[:length], self._by_stem, names[length - 1])
                if found:
                    files[found] = np.maximum(files[found], value)
                    break
        if place := self.alone(text):
            file, line = place
            files[file] = 1.0
            chunks |= dict.fromkeys(self._at(file, line) or range(*self.snapshot.chunk_file_first[file : file + 2].tolist()), FRAMES_FIRST)
        return files, chunks

    def alone(self, text: str) -> tuple[int, int] | None:
        """The file and line (0 where none is given) that are all a query says: a path, or the end or more of one, with `:120` or
        `#L120`. None where it says anything else, where no file is called so, and where several are."""
        if (exact := _EXACT.fullmatch(text.strip())) and (file := self.snapshot.file_of.get(_slashed(exact["path"]))) is not None and {".", "/"} & {*exact["path"]}:
            return file, line_of(exact["line"] or "0")
        match = _ALONE.fullmatch(text.strip())
        if match is None:
            return None
        path, line = _slashed(match["path"]), line_of(match["line"] or match["anchor"] or "0")
        if (file := self.snapshot.file_of.get(path)) is not None:
            return (file, line) if {".", "/"} & {*path} or path[:1].isupper() else None
        named = self._by_name.get(path.rsplit("/", 1)[-1], ()) if {".", "/"} & {*path} else ()
        ending = [file for file in named if self.snapshot.paths[file].endswith("/" + path)]
        longer = [file for file in named if path.endswith("/" + self.snapshot.paths[file])]
        if len(ending) == 1 or (longer and not ending):
            return (ending or [max(longer, key=lambda file: len(self.snapshot.paths[file]))])[0], line
        return None

    def absent(self, text: str) -> str:
        """The path of a source file that is all a query says, where no file is called so; else empty."""
        match = _ALONE.fullmatch(text.strip())
        path = _slashed(match["path"]) if match else ""
        name = path.rsplit("/", 1)[-1]
        return path if "/" in path and name.rpartition(".")[2] in EXTENSIONS and "." in name and name not in self._by_name else ""

    def _framed(self, framed: list[Frame]) -> Iterator[tuple[list[int], float, Frame, float]]:
        """Of the frames those in files of the snapshot: the files, how sure that is, the frame, and how near it is
        to the error, 1 for the innermost of them. Where only the name of a file agrees it may be another's."""
        depth = 0
        for frame in framed[:_MOST]:
            parts = list(frame.path)
            found, value = self._ending_in(parts, self._by_name, parts[-1] if parts else "")
            if not found:
                continue
            path = self.snapshot.paths[found[0]]
            ours = len(parts) == 1 or "/" not in path or _agreement(path, parts) > 0
            if not frame.standard or (ours and "/" in path):
                yield found, value if ours else value / 2, frame, (1 + depth) ** -0.5
                depth += ours

    def _ending_in(self, parts: list[str], table: dict[str, list[int]], name: str) -> tuple[list[int], float]:
        """The files of that name whose path agrees with most of the folders before it, and how sure that is."""
        files = table.get(name, [])
        if not files or (len(parts) == 1 and len(files) > 5):
            return [], 0.0
        agreed = {file: _agreement(self.snapshot.paths[file], parts) for file in files}
        most = max(agreed.values())
        if len(parts) > 1 and most == 0 and table is self._by_stem:
            return [], 0.0
        best = [file for file in files if agreed[file] == most]
        return best, (1.0 if len(best) == 1 else 1.0 / len(best)) if len(best) <= 5 else 0.0

    def _at(self, file: int, line: int, name: tuple[str, ...] = ()) -> list[int]:
        """The chunks at a line; for the line of another version of the file the function of that name, the nearest where several have it."""
        here = np.arange(*self.snapshot.chunk_file_first[file : file + 2])
        start, end = self.snapshot.start[here], self.snapshot.end[here]
        held = here[(start <= line) & (end >= line)].tolist()
        named = self._named(here.tolist(), name) if name else []
        if not named or {*held} & {*named} or any(self._holds(chunk, name[-1]) for chunk in held):
            return held
        away = dict(zip(here.tolist(), np.maximum(start - line, line - end).tolist()))
        return [min(named, key=away.__getitem__)]

    def _named(self, chunks: list[int], name: tuple[str, ...]) -> list[int]:
        """Of some chunks the functions of a name, of them those of the class that is named before it, where it has one."""
        *around, last = name
        agreed = {}
        for chunk in chunks:
            symbol = self.snapshot.symbols[chunk]
            if symbol.endswith(last) and self.snapshot.kind_of(chunk) in _FUNCTIONS:
                *before, end = _BETWEEN.split(symbol)
                if end == last:
                    agreed[chunk] = _common_end(before, around)
        most = max(agreed.values(), default=0)
        return [chunk for chunk, count in agreed.items() if count == most]

    def _holds(self, chunk: int, name: str) -> bool:
        """Whether inside a chunk of another name stands a function of this one, which may be no chunk of its own."""
        own = _BETWEEN.split(self.snapshot.symbols[chunk])[-1] == name
        return not own and re.search(_DEFINED.replace("NAME", re.escape(name)), self.snapshot.chunk(chunk)[1], re.MULTILINE) is not None


def changed_lines(text: str) -> Iterator[tuple[str, int]]:
    """The places that a unified diff changes, (path, line), as they stand after it; where lines only went, the line
    before."""
    path, at, gone = "", 0, False
    rows = text.split("\n")
    for row, following in zip(rows, [*rows[1:], ""]):
        mailed = row.rstrip() == "--" and _VERSION.match(following)  # the end of `git format-patch`
        ends = mailed or (row.startswith("--- ") and following.startswith("+++ ")) or row[:1] not in ("+", "-", " ", "", "\\")
        if ends and gone:
            yield path, max(at - 1, 1)
        if row.startswith("+++ "):
            path, at, gone = row[4:].split("\t")[0].strip().removeprefix("b/"), 0, False
        elif hunk := _HUNK.match(row):
            at = line_of(hunk["line"])
            at, gone = at and at + (hunk["count"] == "0"), False  # of no lines: the number is that of the line before
        elif ends:
            at, gone = 0, False
        elif at and row[:1] in ("+", " ", ""):
            if row[:1] == "+" or gone:
                yield path, at if row[:1] == "+" else max(at - 1, 1)
            at, gone = at + 1, False
        elif at and row[:1] == "-":
            gone = True
    if gone:
        yield path, max(at - 1, 1)


def _slashed(path: str) -> str:
    return path.replace("\\", "/").removeprefix("./")


def _parts(path: str) -> list[str]:
    return [part for part in re.split(r"[/\\]", path) if part not in ("", ".", "..")]


def _agreement(path: str, parts: list[str]) -> int:
    """How many folders before the name are the same, counted from the name."""
    folders = path.split("/")[:-1]
    if folders and folders[-1] == parts[-1]:  # the package's own file: a/b/__init__.py for a.b
        folders = folders[:-1]
    return _common_end(folders, parts[:-1])


def _common_end(mine: Sequence[str], theirs: Sequence[str]) -> int:
    """How many of the last parts are the same."""
    unlike = (n for n, pair in enumerate(zip(reversed(mine), reversed(theirs))) if pair[0] != pair[1])
    return next(unlike, min(len(mine), len(theirs)))


def _ends(pattern: re.Pattern[str], text: str) -> list[re.Match[str]]:
    found = list(pattern.finditer(_ENDLESS.sub(" ", text)))
    return found if len(found) <= _MOST else found[: _MOST // 2] + found[-_MOST // 2 :]
