"""What the user said of results: a question, a place, and whether it was good, bad or opened. Local, and read by `learn` alone.

The entries of a tree lie beside its index in `feedback.jsonl`, which only its owner may read; secrets in a question are masked
before it is stored. Lines move, so an entry keeps the symbol and a hash of the text with the place, and is found again by them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Literal

from wayfind.corpus.secrets import mask
from wayfind.errors import NotFound, StorageError, UsageError
from wayfind.files import replace_file
from wayfind.index.lock import held
from wayfind.index.snapshot import Snapshot
from wayfind.search.engine import chunk_at

FILE = "feedback.jsonl"
Mark = Literal["good", "bad", "opened"]
MARKS: tuple[Mark, ...] = ("good", "bad", "opened")
LONGEST = 2_000
"""Characters of a question that are kept."""
WAIT = 5.0
"""Seconds that a mark waits for another."""
MOST = 10_000
"""Entries of one tree; of more the oldest go."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One question and one place."""

    query: str
    mark: Mark
    path: str
    line: int
    """First line of the chunk when it was marked, 1-based."""
    symbol: str
    """"" for what has none."""
    content: str
    """Hash of the chunk's text."""
    time: int
    """Seconds since 1970."""

    @property
    def id(self) -> str:
        """Eight hexadecimal digits that stand for the question and the place."""
        return hashlib.sha256("\0".join((self.query, self.path, self.symbol or str(self.line))).encode("utf-8", "surrogateescape")).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Kept:
    """What keeping an entry did."""

    entry: Entry
    masked: int
    """Secrets of the question that were masked."""
    before: Mark | None
    """What had been said of this question and place."""


@dataclass(frozen=True, slots=True)
class Question:
    """What was said of one question's results, as chunks of a snapshot."""

    query: str
    answers: tuple[int, ...]
    bad: tuple[int, ...]
    said: bool
    """Whether the answers were marked good, not only opened."""


def entry_at(snapshot: Snapshot, query: str, mark: Mark, path: str, line: int, time: int) -> tuple[Entry, int]:
    """The entry for the chunk that holds a line, and the number of secrets masked in the question.

    Raises UsageError for an empty question, NotFound where there is no such place."""
    whole, masked = unsecret(query)  # before lines are joined and the end is cut off: what is left of a secret looks like none
    said = " ".join(whole.split())[:LONGEST]
    if not said:
        raise UsageError("the question is empty: give the text that was searched for")
    number = chunk_at(snapshot, path, line)
    file = int(snapshot.file[number])
    return Entry(said, mark, snapshot.paths[file], int(snapshot.start[number]), snapshot.symbols[number], _content(snapshot, number), time), masked


def unsecret(query: str) -> tuple[str, int]:
    """A question with its secrets masked, those of settings without quotes (`password=…`) and those that stand bare behind the word
    password too; and how many there were.

    >>> unsecret("the password is Tr0ub4dor&3, why is it refused")
    ('the password is ***********, why is it refused', 1)
    """
    once, count = mask(query)
    twice, more = mask(once, ".env")
    bare = [match for match in _BARE.finditer(twice) if _is_no_word(match["value"])]
    for match in bare:
        twice = twice[: match.start("value")] + "*" * len(match["value"]) + twice[match.end("value") :]
    return twice, count + more + len(bare)


_BARE = re.compile(r"\b(?:pass(?:word|wd|phrase|code)|pwd)s?\b(?:\s+(?:is|was|of)\b|\s*[:=]+)?\s*[\"'`“‘]?(?P<value>[^\s\"'`”’,;]{6,})", re.IGNORECASE)
_CODE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]|\(|\[|::|->)|(?:sha|md|hmac|bcrypt|scrypt|argon|pbkdf|base|utf|ascii|aes|rsa|oauth|totp)[-_\d]", re.IGNORECASE)
"""A name of code, or of an algorithm."""


def _is_no_word(value: str) -> bool:
    """Whether letters are mixed with digits or signs as in no word of a question."""
    mixed = any(sign.isdigit() or sign in "!@#$%^&*+?~" for sign in value.rstrip("?!")) and any(map(str.isalpha, value))
    return mixed and not set(value) <= {"*"} and not _CODE.match(value)


def read(folder: Path) -> list[Entry]:
    """The entries of the tree whose index lies in `folder`, oldest first. Raises UsageError where a line is none, StorageError."""
    file = folder / FILE
    return [_of_line(line, f"{file}:{number}") for number, line in enumerate(_lines(file), 1)]


def _lines(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8", errors="surrogateescape").removesuffix("\n")
        return text.split("\n") if text else []
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StorageError(f"{file}: {error.strerror}") from error


def keep(folder: Path, entry: Entry, masked: int = 0) -> Kept:
    """Keep an entry; it takes the place of what was said of this question and place before, but `opened` of nothing that
    was judged. Raises StorageError, IndexBusy."""
    with held(folder, alone=True, wait=WAIT):
        entries = read(folder)
        before = next((one for one in entries if one.id == entry.id), None)
        if before is not None and entry.mark == "opened" and before.mark != "opened":
            return Kept(before, masked, before.mark)
        _write(folder, [*(one for one in entries if one.id != entry.id), entry])
        return Kept(entry, masked, before.mark if before else None)


def delete(folder: Path, which: str) -> int:
    """Delete the entry with an id, or `all`. Returns how many went. Raises NotFound where there is none, StorageError, IndexBusy."""
    with held(folder, alone=True, wait=WAIT) if folder.is_dir() else nullcontext():
        if which == "all":  # also what cannot be read
            count = len(_lines(folder / FILE))
            (folder / FILE).unlink(missing_ok=True)
            return count
        entries = read(folder)
        kept = [one for one in entries if one.id != which]
        if len(kept) == len(entries):
            raise NotFound(f"no feedback has the id {which!r}; `wayfind feedback --list` shows them")
        if kept:
            _write(folder, kept)
        else:
            (folder / FILE).unlink(missing_ok=True)
        return len(entries) - len(kept)


class Places:
    """Finds the chunks of entries again."""

    def __init__(self, snapshot: Snapshot):
        self._snapshot = snapshot

    def find(self, entry: Entry) -> int | None:
        """The chunk that an entry means now: of its symbol in its file, the one with its text, else the nearest; else the only
        one of its symbol, or else of its text, in another file. None where it is gone."""
        if entry.symbol:
            named = self._named.get(entry.symbol, [])
            here = [n for n in named if self._snapshot.paths[self._snapshot.file[n]] == entry.path]
            if here:
                return min(here, key=lambda n: (_content(self._snapshot, n) != entry.content, abs(int(self._snapshot.start[n]) - entry.line)))
            if len(named) == 1:
                return named[0]
            same = [n for n in named if _content(self._snapshot, n) == entry.content]
            return same[0] if len(same) == 1 else None
        here = [n for n in self._of_file(entry.path) if not self._snapshot.symbols[n]]
        same = [n for n in here if _content(self._snapshot, n) == entry.content]
        return min(same or here, key=lambda n: abs(int(self._snapshot.start[n]) - entry.line), default=None)

    @cached_property
    def _named(self) -> dict[str, list[int]]:
        found: defaultdict[str, list[int]] = defaultdict(list)
        for number, symbol in enumerate(self._snapshot.symbols):
            if symbol:
                found[symbol].append(number)
        return found

    def _of_file(self, path: str) -> Sequence[int]:
        snapshot = self._snapshot
        file = snapshot.file_of.get(path)
        if file is None:
            return ()
        return range(int(snapshot.chunk_file_first[file]), int(snapshot.chunk_file_first[file + 1]))


def counts(entries: Iterable[Entry]) -> dict[str, int]:
    """Mark -> entries."""
    found = dict.fromkeys(MARKS, 0)
    for entry in entries:
        found[entry.mark] += 1
    return found


def judged(snapshot: Snapshot, entries: Iterable[Entry]) -> Iterator[Question]:
    """The questions that something was said of, in the order in which they were first. Of one with good places those are the
    answers; of one without, the opened ones that are not bad. What is gone is left out."""
    places = Places(snapshot)
    by_query: defaultdict[str, dict[Mark, set[int]]] = defaultdict(lambda: {mark: set() for mark in MARKS})
    for entry in entries:
        if (chunk := places.find(entry)) is not None:
            by_query[entry.query][entry.mark].add(chunk)
    for query, marked in by_query.items():
        answers = marked["good"] or marked["opened"] - marked["bad"]
        yield Question(query, tuple(sorted(answers)), tuple(sorted(marked["bad"] - answers)), bool(marked["good"]))


def _content(snapshot: Snapshot, chunk: int) -> str:
    return hashlib.sha256(snapshot.chunk(chunk)[1].encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _write(folder: Path, entries: Sequence[Entry]) -> None:
    lines = "".join(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in entries[-MOST:])
    replace_file(folder / FILE, lines.encode("utf-8", "surrogateescape"))


def _of_line(line: str, where: str) -> Entry:
    """The entry of a line. Raises UsageError for anything else."""
    try:
        values = json.loads(line)
        entry = Entry(**{field.name: values[field.name] for field in fields(Entry)})
        if entry.mark not in MARKS or not isinstance(entry.query, str) or not isinstance(entry.path, str):
            raise ValueError("a value of another kind")
        return entry
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{where} is no feedback ({error}); mend the line, or delete all with: wayfind feedback --delete all") from error
