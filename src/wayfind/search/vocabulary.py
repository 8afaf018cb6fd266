"""What words have come to mean in one repository: word -> the identifiers that stand for it there.

Most entries are learned (`wayfind learn`); an entry may be pinned or forgotten by the user. What the user said lies beside the
index of the tree, in `vocabulary.json`, and holds whatever is learned before or after.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wayfind.errors import StorageError, UsageError
from wayfind.files import replace_file
from wayfind.index.tokens import STOP_WORDS, WORD, terms_of

EDITS = "vocabulary.json"
FORMAT = 1
MOST_EDITS = 5_000
"""Pinned and forgotten entries of one tree; each is read by every search."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """One identifier that stands for a word."""

    term: str
    """As the index has it: lower case, stemmed."""
    written: str
    """As the repository, or who pinned it, writes it."""
    strength: float
    """0 to 1: the share of the word's uses that the identifier accounts for, as far as it is known. 1 when pinned."""
    seen: Mapping[str, int] = field(default_factory=dict)
    """Origin (`docstring`, `comment` …) -> questions of that kind that held the word and whose code held the identifier."""
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """A word and what it means, strongest first."""

    written: str
    meanings: tuple[Meaning, ...]


Vocabulary = Mapping[str, Word]
"""Index term of a word -> the word."""


@dataclass(frozen=True, slots=True)
class Edits:
    """What the user said about the vocabulary. Pairs of (word, identifier) as written; a word is forgotten as a whole with ""."""

    pinned: tuple[tuple[str, str], ...] = ()
    forgotten: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.pinned or self.forgotten)

    def pin(self, word: str, term: str) -> Edits:
        """With one entry more; what was forgotten of it is forgotten no longer. Raises UsageError for what is not one word."""
        check_word(word)
        check_word(term)
        if key_of(word) == key_of(term):
            raise UsageError(f"{word} and {term} are the same word to search already")
        kept = tuple(pair for pair in self.forgotten if not _same(pair, word, term))
        return _checked(Edits((*(pair for pair in self.pinned if not _same(pair, word, term)), (word, term)), kept))

    def forget(self, word: str, term: str = "") -> Edits:
        """Without an entry, or without a word, pinned or learned, now and later. Raises UsageError for what is not one word."""
        check_word(word)
        if term:
            check_word(term)
        kept = tuple(pair for pair in self.pinned if not _same(pair, word, term or pair[1]))
        known = tuple(pair for pair in self.forgotten if not _same(pair, word, term or pair[1]))
        return _checked(Edits(kept, (*known, (word, term))))

    def undo(self, word: str, term: str = "") -> Edits:
        """As if nothing had been said of an entry, or of a word."""
        gone = [pair for pair in (*self.pinned, *self.forgotten) if _same(pair, word, term or pair[1])]
        return Edits(*(tuple(pair for pair in pairs if pair not in gone) for pairs in (self.pinned, self.forgotten)))


def key_of(word: str) -> str:
    """The index term of a word: `Retries` -> `retri`, `RetryPolicy` -> `retrypolicy`."""
    return terms_of(word)[0]


def check_word(word: str) -> None:
    """Raises UsageError for what search does not take as one word, or does not look for."""
    if not WORD.fullmatch(word):
        raise UsageError(f"{word!r} is not one word: letters, digits and _ only; for several identifiers pin one after another")
    if word.lower() in STOP_WORDS:
        raise UsageError(f"{word!r} is a word that search leaves out of every query")


def edited(learned: Vocabulary, edits: Edits) -> Vocabulary:
    """What holds: the learned vocabulary without what is forgotten, and with what is pinned."""
    if not edits:
        return learned
    gone = {(key_of(word), key_of(term) if term else "") for word, term in edits.forgotten}
    found: dict[str, Word] = {}
    for key, word in learned.items():
        meanings = tuple(one for one in word.meanings if (key, one.term) not in gone)
        if meanings and (key, "") not in gone:
            found[key] = Word(word.written, meanings)
    for word, term in edits.pinned:
        known = found.get(key_of(word), Word(word, ()))
        before = next((one for one in known.meanings if one.term == key_of(term)), None)
        pinned = Meaning(key_of(term), term, 1.0, before.seen if before else {}, pinned=True)
        others = tuple(one for one in known.meanings if one.term != pinned.term)
        first = tuple(one for one in others if one.pinned)
        found[key_of(word)] = Word(known.written, (*first, pinned, *others[len(first) :]))
    return found


# Files


def read_edits(folder: Path) -> Edits:
    """What the user said of the tree whose index lies in `folder`. Raises UsageError where the file is none of ours."""
    file = folder / EDITS
    try:
        known = file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return Edits()
    except OSError as error:
        raise StorageError(f"{file}: {error.strerror}") from error
    return _read_edits(file, known.st_mtime_ns, known.st_size, known.st_ino)


@functools.lru_cache(maxsize=16)
def _read_edits(file: Path, modified: int, size: int, number: int) -> Edits:
    """Read once for each state of the file: every search asks."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise ValueError(f"format {data['format']}")
        return Edits(*(tuple((str(word), str(term)) for word, term in data[name]) for name in ("pinned", "forgotten")))
    except OSError as error:
        raise StorageError(f"{file}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{file} cannot be read ({error}); delete it: what was pinned or forgotten is then as never said") from error


def write_edits(folder: Path, edits: Edits) -> None:
    """Keep what the user said, with mode 0600, whole or not at all. Raises StorageError."""
    data = {"format": FORMAT, "pinned": edits.pinned, "forgotten": edits.forgotten}
    replace_file(folder / EDITS, (json.dumps(data, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "surrogateescape"))


def as_data(vocabulary: Vocabulary) -> dict[str, Any]:
    """A vocabulary as it is written into JSON, the same for the same vocabulary."""
    words = {
        key: {
            "written": word.written,
            "means": [{"term": one.term, "written": one.written, "strength": one.strength, "seen": dict(one.seen)} for one in word.meanings],
        }
        for key, word in sorted(vocabulary.items())
    }
    return {"format": FORMAT, "words": words}


def of_data(data: Mapping[str, Any]) -> Vocabulary:
    """The vocabulary that `as_data` wrote. Raises ValueError, KeyError, TypeError for anything else."""
    if data["format"] != FORMAT:
        raise ValueError(f"expected format {FORMAT}, found {data['format']}")
    found: dict[str, Word] = {}
    for key, word in data["words"].items():
        meanings = (Meaning(str(one["term"]), str(one["written"]), float(one["strength"]), dict(one["seen"])) for one in word["means"])
        found[str(key)] = Word(str(word["written"]), tuple(meanings))
        if not all(0 <= one.strength <= 1 for one in found[key].meanings):
            raise ValueError(f"a strength of {key!r} is not between 0 and 1")
    return found


def _checked(edits: Edits) -> Edits:
    if len(edits.pinned) + len(edits.forgotten) > MOST_EDITS:
        raise UsageError(f"at most {MOST_EDITS:,} entries can be pinned or forgotten; undo some: wayfind vocabulary --edits")
    return edits


def _same(pair: tuple[str, str], word: str, term: str) -> bool:
    """Whether an entry is that of a word and an identifier, however they are written."""
    return key_of(pair[0]) == key_of(word) and (key_of(pair[1]) if pair[1] else "") == (key_of(term) if term else "")
