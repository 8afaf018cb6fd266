"""What a chunk's sentence may use: its name and owner, its parameters, the calls that tell something, members and bases.

All comes from the symbol, the signature and the text by patterns that hold for the languages with a grammar here; where
a pattern does not fit, the fact is missing, never guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from wayfind.corpus.english import words
from wayfind.corpus.parameters import parameters
from wayfind.types import Chunk


@dataclass(frozen=True)
class Facts:
    """What a sentence may use. Each fact is found when a template first asks for it."""

    chunk: Chunk
    text: str
    language: str

    @cached_property
    def name(self) -> str:
        """The last part of the symbol; an operator's signs count as a name, of a selector its first word, of an instance all."""
        if self._is_instance:
            return self.chunk.symbol or ""
        found = _LAST_NAME.search(self._symbol)
        return found.group(1) if found else ""

    @cached_property
    def words(self) -> list[str]:
        """The words of the name; not to be changed."""
        return words(self.name)

    @cached_property
    def owner(self) -> str:
        """The class or module named before the last part."""
        before = self._symbol[: -len(self.name) or None] if self.name else ""
        return _STEPS_OF_SYMBOL.split(before.rstrip(".:#"))[-1].strip()

    @property
    def _symbol(self) -> str:
        """The symbol; of an Objective-C selector (`A.find:orElse:`) up to its first colon."""
        symbol = self.chunk.symbol or ""
        return symbol.partition(":")[0] if self.language == "objc" and symbol.endswith(":") else symbol

    @property
    def _is_instance(self) -> bool:
        return self.language == "haskell" and self.chunk.kind == "class"

    @cached_property
    def parameters(self) -> list[str]:
        if self.language == "objc" and (self.chunk.symbol or "").endswith(":"):
            return _SELECTED.findall(self.chunk.signature)
        return parameters(self.chunk.signature, self.name, self.language)

    @cached_property
    def calls(self) -> list[str]:
        """The last parts of the names called, without the function's own and without errors raised."""
        names = (_STEPS_OF_CALL.split(call)[-1] for call in self.chunk.calls)
        return [name for name in dict.fromkeys(names) if name and name != self.name and name not in EVERYWHERE]


_STEPS_OF_SYMBOL = re.compile(r"\.|::|#")
_SELECTED = re.compile(r":\s*\([^:]*\)\s*(\w+)")
_STEPS_OF_CALL = re.compile(r"\.|::|->")
_LAST_NAME = re.compile(r"(\boperator(?:\s*\W+|(?:\s|\"\")\s*\w.*)|this\[\]|~?[^\W\d][\w$-]*[!?=']*|[^\w\s.]+)$")

EVERYWHERE = frozenset(
    """
    len str int print isinstance super String Some Ok Err println printf append push self toString None bool list
    dict Error clone into unwrap
    """.split()
)
"""Calls that say nothing about what a function is for."""


# Heads ----------------------------------------------------------------------------------------------------------------

_MODIFIER = (
    r"public|private|protected|internal|static|final|readonly|export|const|var|let|val|lateinit|override|"
    r"pub(?:\([\w ]+\))?|mut|abstract|declare|@\w+"
)
_NO_MEMBER = r"use|using|typedef|friend|include|mixin|extend|namespace|import|goto"
_TYPE = r"[\w<>\[\],.?*&: ]+\s[*&]?"
_AFTER_MEMBER = r":(?!:)|=(?!=)|;|,\s*$|\s[\w\[\]*.]+(?:\s*`.*)?$"
_MEMBER = re.compile(
    rf"^\s+(?:(?:{_MODIFIER})\s+)*(?!(?:{_NO_MEMBER})\s)(?:{_TYPE})??\$?([A-Za-z_]\w*)\??\s*(?:{_AFTER_MEMBER})"
)
_GO_FIELD = re.compile(r"^\s+([A-Za-z_]\w*)(?:,\s*\w+)*\s+[\w\[\]*.{}()]+")
_RUBY_MEMBER = re.compile(r"^\s+@{0,2}([A-Za-z_]\w*)\s*(?:\|\|)?=(?![=~>])")
_TRIPLE_QUOTED = re.compile(r"(\"\"\"|''')[\s\S]*?(?:\1|\Z)")
NOT_MEMBERS = frozenset(
    """
    public private protected default signals slots return if else for while case default switch try catch super self
    this end def break continue pass import from use package throw raise assert elif match
    """.split()
)


def members(facts: Facts, whole: bool = False) -> list[str]:
    """Names declared in the body of a class, an enum or an interface; `whole` where the text has no head of its own."""
    if facts.language == "haskell":  # What stands before `=` there is defined, not declared.
        return []
    pattern = {"go": _GO_FIELD, "ruby": _RUBY_MEMBER}.get(facts.language, _MEMBER)
    text = facts.text[:8_000]
    text = _TRIPLE_QUOTED.sub('""', text) if facts.language == "python" else text
    lines = text.split("\n")[0 if whole else 1 :]
    stripped = [(line, bare) for line in lines if (bare := line.lstrip()) and not bare.startswith(("#", "//", "*", "/*"))]
    indents = [len(line) - len(bare) for line, bare in stripped if not bare.startswith(("@", '""', "'''"))]
    least = min((indent for indent in indents if indent), default=0)
    found = (pattern.match(line) for line, bare in stripped if len(line) - len(bare) <= least)
    return [
        name
        for name in dict.fromkeys(one.group(1) for one in found if one)
        if name not in NOT_MEMBERS and name != facts.name
    ]


_BASES = re.compile(r"(?:\b(?:extends|implements|with)\b|(?<!:):(?!:)|<(?=\s))((?:(?!\b(?:extends|implements|with|permits|by)\b)[^<])*)")
_BEHIND = re.compile(r"(?:\bwhere\b|[={]).*")
"""Bounds of parameters, a value or a body: what follows the list of bases."""
_INNERMOST = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|<[^<>]*>")
_BETWEEN = re.compile(r"[,+&]")
_ACCESS = re.compile(r"(?:(?:public|private|protected|virtual|open)\s+)+")
_BASE = re.compile(r"[A-Z][\w.:]*|\w+(?:(?:\.|::)\w+)+")
_CLASS = re.compile(r"class\s+")
_PYTHON_BASES = re.compile(r"\s*(?:\[[^\]]*\])?\(([^)]*)\)")
_TYPE_NAME = re.compile(r"[\w.:]+")


def bases(facts: Facts) -> list[str]:
    """Names of the classes and interfaces that a head names as its own, without their parameters and without bounds of its own."""
    signature = facts.chunk.signature
    if facts.language == "python":
        # The name is no part of the pattern, which would be compiled for each class and drive others out of re's cache.
        starts = [at.end() for at in _CLASS.finditer(signature) if signature.startswith(facts.name, at.end())]
        inside = next((found for at in starts if (found := _PYTHON_BASES.match(signature, at + len(facts.name)))), None)
        names = inside.group(1).split(",") if inside else []
    else:
        head = _BEHIND.sub("", _outermost(signature))
        listings = (_BETWEEN.split(found) for found in _BASES.findall(head))
        names = [bare for listing in listings for one in listing if _BASE.fullmatch(bare := _ACCESS.sub("", one.strip()))]
    return [
        name.strip()
        for name in names
        if _TYPE_NAME.fullmatch(name.strip()) and name.strip() not in ("object", facts.name)
    ]


def _outermost(signature: str) -> str:
    """The signature without what stands in brackets."""
    while (shorter := _INNERMOST.sub("", signature)) != signature:
        signature = shorter
    return signature
