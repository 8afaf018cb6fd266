"""A query as text to a query as a record: filters, phrases, excluded words, and the weighted terms to search for.

Syntax: `sym:NAME` `path:GLOB` `lang:NAME` `kind:KIND` `"a phrase"`, each with `-` in front for what must not be, and `-word`.
It is recognised in a query of one line and at most 300 characters; longer text (an issue, a stack trace, pasted code) is
searched for as it stands.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Literal

from wayfind.corpus.languages import canonical
from wayfind.errors import UsageError
from wayfind.index.tokens import STOP_WORDS, WORD, parts, stem, terms_of
from wayfind.types import KINDS

QueryKind = Literal["identifier", "question", "trace", "code", "text", "empty"]

LONGEST = 20_000
"""Characters of a query that are read; the rest says nothing new (20,000 characters hold some 2,500 words)."""
MOST_TERMS = 256
TITLE = 5
_LONGEST_WITH_SYNTAX = 300

_FILTER = re.compile(r'(?:(?<=\s)|^)(?P<no>-?)(?P<name>sym|symbol|path|file|lang|language|kind):(?P<value>"[^"]*"|(?!//|:)\S+)')
_LONE_FILTER = re.compile(r"-?(sym|symbol|path|file|lang|language|kind):")
_EXAMPLE = {"sym": "Session.get", "symbol": "Session.get", "path": "src", "file": "src", "lang": "python", "language": "python", "kind": "class"}
_PHRASE = re.compile(r'(?:(?<=\s)|^)"([^"]+)"(?=\s|$)')
_EXCLUDED = re.compile(r'(?:(?<=\s)|^)-(?:"([^"]+)"|([^\W\d]\w+(?:[.:#>/-]+\w+)*(?:\(\))?))(?=\s|$)')
_IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*(?:(?:\.|::|#|->|/)[A-Za-z_$][\w$]*)*(?:\(\))?[!?]?")
_TRACE = re.compile(
    r'Traceback \(most recent|^[ \t]*File "[^"]+", line \d+|^[ \t]+at [\w.$<>]+\([^)]*:\d+\)|panicked at|goroutine \d+ \['
    r"|^[ \t]+at .+:(?:\d+:|line )\d+\)?[ \t]*$",
    re.M,
)
_CODE_LINE = re.compile(
    r"[;{}]\s*$|^\s*(?:def|class|import|from|return|func|fn|let|const|var|if|for|while|public|private)\b.*[(:={]"
)
_AROUND = "().,:;?!\"'`"
"""What may stand before and behind a name in a sentence."""
_CODE_LIKE = re.compile(r"_|[a-z0-9][A-Z]|[A-Z]{2,}[a-z]|\.\w|::|\w\(")


@dataclass(frozen=True, slots=True)
class Filters:
    """What a result must be; empty means anything. Applied before the best are taken."""

    languages: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    """Globs (`src/**/*.py`), or text that the path contains; `./` in front stands for the root. One of them suffices."""
    kinds: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    """Names, whole or last part (`Session.get`, `get`), with `*` for any text. One of them suffices."""
    phrases: tuple[str, ...] = ()
    """Text that the chunk contains, letter case aside."""
    excluded: tuple[str, ...] = ()
    """Words, names and phrases that the chunk does not contain, as written."""
    regex: str = ""
    not_languages: tuple[str, ...] = ()
    not_paths: tuple[str, ...] = ()
    not_kinds: tuple[str, ...] = ()
    not_symbols: tuple[str, ...] = ()
    """The same four for what a result must not be; none of them may apply."""

    def spoken(self) -> str:
        """The filters as they are written in a query."""
        named = (
            ("lang", self.languages),
            ("path", self.paths),
            ("kind", self.kinds),
            ("sym", self.symbols),
            ("-lang", self.not_languages),
            ("-path", self.not_paths),
            ("-kind", self.not_kinds),
            ("-sym", self.not_symbols),
        )
        said = [f"{name}:{_quoted(value)}" for name, values in named for value in values]
        said += [f'"{phrase}"' for phrase in self.phrases] + [f"-{_quoted(term)}" for term in self.excluded]
        return " ".join(said + ([f"--regex {self.regex}"] if self.regex else []))

    def __bool__(self) -> bool:
        return self != Filters()


@dataclass(frozen=True, slots=True)
class Term:
    """A term to search for: `weight` is relative to a word used once; `word` is how the user wrote it."""

    text: str
    weight: float
    word: str


@dataclass(frozen=True, slots=True)
class Query:
    """A query, understood."""

    text: str
    kind: QueryKind
    terms: tuple[Term, ...]
    """Distinct, heaviest first."""
    words: tuple[str, ...]
    """Stems of the single words, stop words left out, in order, without repeats."""
    identifiers: tuple[str, ...]
    """Words that look like names of code, as written."""
    filters: Filters = field(default=Filters())
    written: frozenset[str] = frozenset()
    """The single words as they stand, in lower case, not stemmed."""
    alone: frozenset[str] = frozenset()
    """What stands between spaces, without the marks around it, in lower case: `src/python` is one."""


def parse(text: str, filters: Filters = Filters()) -> Query:
    """Understand a query; `filters` are added to those written in it. Raises UsageError for an unknown language or kind, and for
    a filter without a value and nothing else."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")[:LONGEST]
    if lone := _LONE_FILTER.fullmatch(text.strip()):
        raise UsageError(f"{lone[0]} says nothing yet: write behind the colon what is meant, for example {lone[0]}{_EXAMPLE[lone[1]]}")
    free = text
    if "\n" not in text.strip() and len(text) <= _LONGEST_WITH_SYNTAX:
        free, written = _take_syntax(text)
        filters = _both(filters, written)
    check(filters)
    kind = kind_of(free)
    found = WORD.findall(free)
    kept = [word for word in found if word.lower() not in STOP_WORDS] or found
    identifiers = tuple(
        dict.fromkeys(name for word in re.split(r"[\s,;`'\"<>\[\]{}]+", free) if _looks_like_name(word) for name in _named(word))
    )
    if kind == "identifier" and not identifiers and found:
        identifiers = (free.strip().removesuffix("()"),)
    words = tuple(dict.fromkeys(stem(part) for word in kept for part in parts(word)))
    title = WORD.findall(free.strip().split("\n", 1)[0]) if kind in ("text", "trace") else []
    return Query(
        free.strip(),
        kind,
        _terms(kept, [word for word in title if word.lower() not in STOP_WORDS]),
        words,
        identifiers,
        filters,
        frozenset(part for word in kept for part in parts(word)),
        frozenset(word.strip(_AROUND).lower() for word in free.split()),
    )


def _terms(words: list[str], title: list[str]) -> tuple[Term, ...]:
    """Weighted terms. A repeated word counts by the root of its number; a part of a compound name counts half: the
    name itself is the better evidence. Words of the title, the first line of a long text, count TITLE times."""
    weights: Counter[str] = Counter()
    shown: dict[str, str] = {}
    counts = Counter(words)
    for word in title:
        counts[word] += TITLE - 1
    for word, times in counts.items():
        all_terms = terms_of(word)
        for number, term in enumerate(all_terms):
            weights[term] += (0.5 if number and len(all_terms) > 1 else 1.0) * times**0.5
            shown.setdefault(term, word)
    ordered = sorted(weights.items(), key=lambda item: -item[1])[:MOST_TERMS]
    return tuple(Term(term, weight, shown[term]) for term, weight in ordered)


def _take_syntax(text: str) -> tuple[str, Filters]:
    names: dict[str, list[str]] = {f"{no}{name}": [] for no in ("", "-") for name in ("sym", "path", "lang", "kind")}
    short = {"symbol": "sym", "file": "path", "language": "lang"}
    for match in filter(_is_filter, _FILTER.finditer(text)):
        if value := match["value"].strip('"'):
            names[match["no"] + short.get(match["name"], match["name"])].append(value)
    text = _FILTER.sub(lambda match: " " if _is_filter(match) else match[0], text)
    phrases = tuple(_PHRASE.findall(text))
    text = _PHRASE.sub(lambda m: f" {m[1]} ", text)
    excluded: tuple[str, ...] = ()
    if len(text.split()) > 1 or any(names.values()):  # alone it is an option of a command that is searched for
        excluded = tuple(phrase or word for phrase, word in _EXCLUDED.findall(text))
        text = _EXCLUDED.sub(" ", text)
    if names["sym"]:
        text = f"{text} {' '.join(symbol.replace('*', ' ') for symbol in names['sym'])}"
    return text, Filters(
        _listed(names["lang"]),
        tuple(names["path"]),
        _listed(names["kind"]),
        tuple(names["sym"]),
        phrases,
        excluded,
        "",
        _listed(names["-lang"]),
        tuple(names["-path"]),
        _listed(names["-kind"]),
        tuple(names["-sym"]),
    )


def _is_filter(match: re.Match[str]) -> bool:
    """Whether `name:value` is a filter, and no parameter of pasted code: `path:str, kind:int):`, `{lang:'en'}`. A misspelt value is one."""
    value = match["value"]
    if value.startswith('"') or match["name"] in ("sym", "symbol"):
        return True
    closed = all(value.count(a) == value.count(b) for a, b in ("()", "{}"))
    return closed and not value.endswith(",") and (match["name"] not in _NAMED or bool(_LISTED_NAMES.fullmatch(value)))


_NAMED = ("lang", "language", "kind")
_LISTED_NAMES = re.compile(r"[\w+#.,-]+")


def _quoted(value: str) -> str:
    return f'"{value}"' if " " in value else value


def _listed(values: list[str]) -> tuple[str, ...]:
    """The parts between commas."""
    return tuple(part for value in values for part in value.split(","))


def _both(a: Filters, b: Filters) -> Filters:
    lists = [one.name for one in fields(Filters) if one.name != "regex"]
    return Filters(regex=a.regex or b.regex, **{name: getattr(a, name) + getattr(b, name) for name in lists})


def check(filters: Filters) -> None:
    """Raises UsageError where a filter names a language, kind or expression that cannot be."""
    for name in filters.languages + filters.not_languages:
        if canonical(name) is None:
            raise UsageError(f"unknown language {name!r}; `wayfind status` lists those of the repository")
    for name in filters.kinds + filters.not_kinds:
        if name not in KINDS:
            raise UsageError(f"unknown kind {name!r}; kinds are {', '.join(KINDS)}")
    try:
        re.compile(filters.regex)
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(f"the regular expression {_cut(filters.regex)!r} is not valid: {error}") from error


def _cut(text: str) -> str:
    return text if len(text) <= 200 else text[:200] + "…"


def kind_of(text: str) -> QueryKind:
    """What a text without syntax is."""
    text = text.strip()
    if not WORD.search(text):
        return "empty"
    if _IDENTIFIER.fullmatch(text):
        return "identifier"
    if _TRACE.search(text):
        return "trace"
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) > 1 and sum(bool(_CODE_LINE.search(line)) for line in lines) >= 0.5 * len(lines):
        return "code"
    return "text" if len(text) > _LONGEST_WITH_SYNTAX or len(lines) > 2 else "question"


def _named(word: str) -> list[str]:
    """The names that a word may be: `get_user()?` asks for `get_user`, in Ruby perhaps for `get_user?`."""
    name = word.strip(_AROUND)
    return [name, *(name + mark for mark in word.rstrip(".,:;")[-1:] if mark in "?!")]


def _looks_like_name(word: str) -> bool:
    word = word.strip(_AROUND)
    return bool(_IDENTIFIER.fullmatch(word) and _CODE_LIKE.search(word))
