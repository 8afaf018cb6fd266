"""The kinds of pairs that the text of a tree gives: documentation, names, comments, sections and tests, each with its code.

Every function takes the definitions of a tree, in the order in which they are to be asked for, and yields drafts: question,
definition and the text to encode, out of which what would give the answer away has been taken.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from wayfind.corpus.comments import clean_comment
from wayfind.corpus.english import THIRD_PERSONS, is_verb
from wayfind.corpus.english import words as name_parts
from wayfind.corpus.targets import documented as documentation
from wayfind.corpus.targets import first_sentences
from wayfind.evaluate.from_tests import CALL, functions, name_words, own_name, tested
from wayfind.evaluate.queries import plain
from wayfind.search.searcher import EXAMPLE_PATH
from wayfind.train.quality import words as split_words
from wayfind.train.sources.masking import masked, without_documentation
from wayfind.train.sources.tree import Definition

FUNCTIONS = frozenset({"function", "method"})
TYPES = frozenset({"class", "interface", "enum", "type"})


class Draft(NamedTuple):
    """A question and the text of the code that answers it, before any judgement."""

    query: str
    definition: Definition
    code: str
    place: str = ""
    """Tells several codes of one definition apart."""


def documented(definitions: Sequence[Definition]) -> Iterator[Draft]:
    """The first sentence or two of the documentation ask for the definition without it."""
    for one in definitions:
        if one.is_test or one.chunk.target.provenance != "docstring" and not _declared(one):
            continue
        lines = without_documentation(one)
        if lines is not None:
            yield Draft(_said(one), one, one.encoded(lines))


def _declared(one: Definition) -> bool:
    """Whether it is a declaration of a language without a grammar: those carry no target."""
    return bool(one.docstring()) and not one.chunk.target.text


FORMULA = re.compile(r"\\\(.*?\\\)[.:]?\s*|@'|(?<=\w)'@|@(?=[A-Za-z])")
"""Marks of mathematics and of Haddock."""


def _said(one: Definition) -> str:
    """What a documentation says, without the definition's own name in front."""
    name = own_name(one.symbol or "")
    chunk = one.chunk
    if one.language == "julia":  # begins with the signatures, set in
        lines = chunk.docstring.split("\n")
        while lines and (name in lines[0] and "(" in lines[0] or not lines[0].strip()):
            lines = lines[1:]
        text = documentation(replace(chunk, docstring="\n".join(lines)))
    elif summary := _summary(one):  # the text of a C# comment runs on into what it says of each parameter
        text = documentation(replace(chunk, docstring=summary))
    else:
        text = chunk.target.text or documentation(chunk)
    return without_subject(FORMULA.sub("", text).strip(), name)


def without_subject(text: str, name: str) -> str:
    """A text without the name in front where that is its subject, Go's way.

    >>> without_subject("Load reads a file", "Load"), without_subject("replace up to n parts", "replace")
    ('reads a file', 'replace up to n parts')
    """
    after = WORD_AFTER.match(text, len(name)) if name and text.startswith(name) else None
    is_subject = after and after[1] not in PREPOSITIONS and (after[1] in THIRD_PERSONS or not is_verb(name.lower(), alone=False))
    return text[len(name) :].strip() if is_subject else text


WORD_AFTER = re.compile(r"\s+([a-z]+)\b")
PREPOSITIONS = frozenset("in of for with from to and or on by at as that which".split())
SUMMARY = re.compile(r"<summary>(.*?)</summary>", re.DOTALL)


def _summary(one: Definition) -> str:
    """The words between the `summary` tags of a C# comment, none where there are none."""
    lines = (line.strip() for line in one.lines) if one.language == "csharp" else ()
    found = SUMMARY.search("\n".join(line for line in lines if line.startswith("///")))
    return "\n".join(clean_comment("///" + found[1].replace("\n", "\n///").replace("//////", "///"), xml=True)) if found else ""


COMMON_NAMES = frozenset(
    """
    tostring hashcode equals init main constructor getvalue setvalue getname setname setup teardown getid isempty getinstance getdata onclick
    onchange oncreate dispose clone compareto gettype getkey getsize componentdidmount getdefaultprops getvalues unmarshaljson marshaljson
    """.split()
)


def named(definitions: Sequence[Definition], most_alike: int = 2) -> Iterator[Draft]:
    """The words of a function's name ask for its body, in which the name is masked and the documentation removed."""
    times = Counter(own_name(one.symbol).lower() for one in definitions if one.symbol)
    for one in definitions:
        if one.is_test or one.kind not in FUNCTIONS or not one.symbol:
            continue
        name = own_name(one.symbol)
        words = name_parts(name)
        if len(words) < 2 or times[name.lower()] > most_alike or re.sub(r"\W|_", "", name).lower() in COMMON_NAMES:
            continue
        if name.startswith("__") or min(map(len, words)) < 2 or sum(len(word) > 2 for word in words) < 2:
            continue
        lines = without_documentation(one)
        if lines is not None:
            yield Draft(" ".join(words), one, masked(one.encoded(lines), one.symbol))


COMMENT = {
    marker: re.compile(rf"(\s*){pattern}")
    for marker, pattern in {"#": r"#+(?![!\[:])\s*(?=\S)", "//": r"//+[!/]?\s*(?=\S)", "--": r"--+\s*(?=\S)", ";": r";+\s*(?=\S)", "%": r"%+\s*(?=\S)"}.items()
}
MARKERS: dict[str, str] = dict.fromkeys("python ruby bash elixir julia perl powershell r nix".split(), "#")
MARKERS |= dict.fromkeys("lua haskell sql lean".split(), "--") | {"smtlib": ";", "erlang": "%"}
"""Language -> the marker of its line comments; `//` in all others."""
MOST_BLOCK_LINES = 40


def commented(definitions: Sequence[Definition]) -> Iterator[Draft]:
    """A comment on lines of its own inside a function asks for the block of code under it, up to a blank line or a dedent."""
    for one in definitions:
        if one.is_test or one.kind not in FUNCTIONS or not one.chunk.comments or EXAMPLE_PATH.search(one.path):
            continue
        known = set(one.chunk.comments.split("\n"))
        for start, end, words in _comments(one, COMMENT[MARKERS.get(one.language, "//")]):
            if words[0] in known:
                block = _block(one.lines, start, end)
                if not block or not block[0].strip():
                    continue
                yield Draft(" ".join(words), one, one.encoded(block), place=str(start))


def _comments(one: Definition, pattern: re.Pattern[str]) -> Iterator[tuple[int, int, list[str]]]:
    """First line, the line below the last (0-based), and words of each run of comment lines below the signature."""
    at = 1
    while at < len(one.lines):
        start = at
        while at < len(one.lines) and pattern.match(one.lines[at]):
            at += 1
        if at > start:
            words = [line for comment in one.lines[start:at] for line in clean_comment(comment.strip())]
            if len(words) == at - start:
                yield start, at, words
        at = max(at, start + 1)


def _block(lines: Sequence[str], start: int, end: int) -> list[str]:
    """The lines under a comment: to a blank line at its depth, a line less deep, or the next comment at its depth."""
    depth = _depth(lines[start])
    block: list[str] = []
    for line in lines[end : end + MOST_BLOCK_LINES]:
        if line.strip() and _depth(line) < depth or not line.strip() and block and _depth(block[-1]) <= depth:
            break
        if block and _depth(line) == depth and line.lstrip().startswith(("//", "# ", "-- ", "; ", "% ")):
            break
        block.append(line)
    return [line[min(depth, _depth(line)) :] for line in block]


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


MENTION = re.compile(r"``?([A-Za-z_][\w.:#]*)(?:\([^`]*\))?`|:\w+:`~?([\w.]+)(?:\(\))?`|\b([A-Za-z_][\w.]*)\(\)")
NEWS = re.compile(r"(?i)(?:change|release|history|news|migrat|upgrad|whatsnew|authors|contribut|licen[sc]e|roadmap|todo)[^/]*(?:/|$)")
VERSION = re.compile(r"(?i)\bv?\d+\.\d+|unreleased|breaking|deprecat|migrat")
MOST_NAMED = 2
"""A section that names more definitions is about none of them; of two, the one named first is meant."""
MOST_PROSE = 60
"""Words of a section's first paragraph up to which it is asked as a whole, else by its first sentences."""


def sectioned(sections: Sequence[Definition], definitions: Sequence[Definition]) -> Iterator[Draft]:
    """A section whose heading or first paragraph names a definition asks for it; the name is masked in the code.

    What changed from version to version describes no code: such sections are left out.
    """
    places = _by_name(definitions)
    for section in sections:
        prose = section.docstring()
        title = (section.symbol or "").rpartition(" > ")[2]
        if not prose or NEWS.search(section.path) or VERSION.search(section.symbol or ""):
            continue
        named = {one.key: one for mention in _mentions(title, prose, section.text()) if (one := places.get(_own(mention))) and _fits(mention, one)}
        if 1 <= len(named) <= MOST_NAMED:
            one = next(iter(named.values()))
            said = plain(first_sentences(prose) if len(prose.split()) > MOST_PROSE else prose).rstrip(" :")
            yield Draft(said, one, masked(one.encoded(one.lines), one.symbol or ""), place=str(section.key))


def _mentions(title: str, prose: str, text: str) -> list[str]:
    """What stands like the name of code in the heading, then in the first paragraph; a plain word only where it is called."""
    found = [(m[1] or m[2] or m[3], m[0]) for m in MENTION.finditer(text)]
    named = [name for name, written in found if _is_identifier(_own(name)) or "(" in written or ":`" in written]
    heading = [title.rstrip("()")] if re.fullmatch(r"[A-Za-z_][\w.:#]*(?:\(\))?", title) and (_is_identifier(_own(title.rstrip("()"))) or re.search(r"[().:]", title)) else []
    return heading + [name for name in named if _own(name) in title or _own(name) in prose]


def _by_name(definitions: Sequence[Definition]) -> dict[str, Definition]:
    """Own name -> the definition, of the names that only one outside the tests has."""
    found: defaultdict[str, list[Definition]] = defaultdict(list)
    for one in definitions:
        if not one.is_test and one.symbol and one.kind in FUNCTIONS | TYPES and not EXAMPLE_PATH.search(one.path):
            found[own_name(one.symbol)].append(one)
    return {name: ones[0] for name, ones in found.items() if len(ones) == 1 and len(name) > 3}


def _is_identifier(name: str) -> bool:
    return "_" in name.strip("_") or re.search(r"[a-z][A-Z]", name) is not None


def _own(mention: str) -> str:
    return re.split(r"[.:#]+", mention.strip(".:#"))[-1]


def _fits(mention: str, one: Definition) -> bool:
    """Whether what stands before the name in the text is part of the symbol or of the path."""
    before = re.split(r"[.:#]+", mention.strip(".:#"))[:-1]
    return not before or before[-1].lower() in f"{one.symbol} {one.path}".lower()


MOST_TESTS = 4
"""Tests of one function that ask for it."""


def tests(definitions: Sequence[Definition]) -> Iterator[Draft]:
    """What a test is called asks for the function that it tests: one whose name it holds, or the only one that it calls."""
    times: Counter[str] = Counter()
    for draft in _tested(definitions):
        times[str(draft.definition.key)] += 1
        if times[str(draft.definition.key)] <= MOST_TESTS and sum(len(word) < 2 for word in draft.query.split()) < 2:
            yield draft


def _tested(definitions: Sequence[Definition]) -> Iterator[Draft]:
    places = functions(definitions)
    by_place = {(one.path, one.symbol): one for one in definitions}
    for query, gold in tested(definitions, Counter()):
        yield Draft(query, one := by_place[gold.path, gold.symbol], one.encoded(one.lines), place=query)
    yield from _only_called(definitions, {name: by_place[gold.path, gold.symbol] for name, gold in places.items()})


MOST_CALLERS = 3
"""A function that more tests call is a tool of theirs."""


def _only_called(definitions: Sequence[Definition], places: Mapping[str, Definition]) -> Iterator[Draft]:
    """Tests that call one function of the tree alone and share a word with its symbol or path, though not its name."""
    called = {
        test.key: {m[1] for m in CALL.finditer(test.text())} & places.keys()
        for test in definitions
        if test.is_test and test.symbol and test.kind in ("test", *FUNCTIONS)
    }
    callers = Counter(name for names in called.values() for name in names)
    for test in definitions:
        names = called.get(test.key, ())
        words = name_words(test.symbol or "")
        if len(names) == 1 and len(words) >= 4 and callers[name := next(iter(names))] <= MOST_CALLERS:
            one = places[name]
            if {word for word in words if len(word) > 3} & set(split_words(f"{one.path} {one.symbol}")):
                yield Draft(plain(" ".join(words)), one, one.encoded(one.lines), place=test.symbol or "")


TEXT_KINDS: Mapping[str, Callable[..., Iterator[Draft]]] = {"docstring": documented, "name": named, "comment": commented, "test": tests}
