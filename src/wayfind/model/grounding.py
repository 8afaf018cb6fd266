"""What may be said of a function or a type so that it is likely true: the verbs that its name warrants, the object that its name
gives, the parameters that are given, and words that stand in its code or mean what stands there.

A name that is there does not make a sentence true; a verb that its function's name does not mean makes most of them untrue.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

from wayfind.corpus.actions import DUNDERS
from wayfind.corpus.english import PREPOSITIONS, THIRD_PERSONS, article, is_verb, third_person
from wayfind.model.wording import MEANT, NAME, parts, stem

RULES_VERSION = "1"
"""Raised whenever a rule changes: sentences are kept by it, beside the model."""
BREAKS = frozenset(
    "of for from to in into on onto at by with without as if when while whether that which who using via over under after before between "
    "and or but then so until upon through about within inside against is are was be has have can will may must where because than".split()
)
"""Words at which the object of a sentence ends."""
FREE = frozenset(
    "of for from to in into on at by with as using and a an the this its all each every "
    "returns given specified provided supplied passed value values instance result".split()
)
"""Words that may be said of any code. Conditions, purposes and relative clauses are not among them: they say more than a name warrants."""
_ASKED_FREE = frozenset("true false whether if is are has have can should was does not be any".split())
"""Words that may be said besides of what asks something."""
LOOSE_ENDS = (BREAKS | frozenset("a an the this these those its their each every any no not such specified provided supplied another other same own only also new current".split())) - {"given"}
"""Words that no sentence ends with."""
_GIVEN = frozenset("given specified provided supplied passed".split())

SYNONYMS = {
    "get": "returns gets", "fetch": "fetches", "find": "finds", "lookup": "looks", "compute": "computes", "calc": "calculates", "make": "makes creates", "build": "builds creates",
    "create": "creates", "new": "creates", "init": "initializes", "initialise": "initializes", "gen": "generates", "generate": "generates", "clone": "clones", "copy": "copies",
    "add": "adds", "append": "appends", "put": "puts", "remove": "removes", "delete": "deletes", "del": "deletes", "rm": "removes", "drop": "drops", "unset": "unsets", "set": "sets",
    "with": "sets returns", "exec": "executes", "run": "runs", "setup": "sets", "len": "returns", "size": "returns", "length": "returns", "count": "counts returns",
    "iter": "iterates returns", "on": "handles called", "stringify": "converts", "sub": "subtracts", "concat": "concatenates", "must": "", "list": "lists returns",
    "select": "selects", "map": "maps", "filter": "filters", "format": "formats", "end": "ends", "start": "starts", "test": "tests", "diff": "compares", "shutdown": "shuts",
    "cleanup": "cleans", "rollback": "rolls", "backup": "backs", "teardown": "tears", "login": "logs", "logout": "logs",
}
"""First words of names -> verbs that they warrant, instead of their own third person."""
_ASKING = frozenset(
    "is has have can should are was were does did contains contain exists equals equal eq ne supports matches needs requires allows".split()
)
_ASKED = re.compile(r"\b(?:true|whether|false|if)\b")
_HELPERS = frozenset("do try async maybe internal auto lazy inner safe really unsafe raw default".split())
_CONSTRUCTORS = frozenset("__init__ __new__ constructor __construct initialize init new this".split())
_TYPE = re.compile(r"^[^\n(=]*?\b(?:class|struct|interface|trait|enum|object|record|protocol|module|typedef|union|defmodule|impl|type)\s+(?:_\b|[A-Z]\w*)", re.MULTILINE)
_RETURNS = re.compile(r"\b(?:return|yield)\b[ \t]+(?!(?:self|this|\$this|nil|null|None|undefined|void|;|\}|if\b|unless\b))[^\s;}]|=>\s*(?!\{|void)\S|->\s*(?!&?(?:mut\s+)?(?:Self|self)\b|\(\)|void\b|None\b|Unit\b|Void\b)[&\[(*'?]*\w")
_TYPED = re.compile(r"\)\s*:\s*(?!\s*(?:void|static|self|Unit|never|None|\$this|this)\b)\??[A-Za-z]\w*|\)\s*=\s*\S")
_SELF = re.compile(r"\breturn\s+(?:self|this|\$this|\*this)\b(?!\s*(?:\.|->|\[|\())|->\s*&?(?:mut\s+)?(?:Self|self)\b|\)\s*:\s*(?:static|self|this)\b|=\s*apply\b|\n\s*self\s*\}?\s*$")
_IMPLICIT = frozenset({"ruby", "elixir", "haskell", "ocaml", "scala", "clojure", "commonlisp", "scheme", "racket", "erlang", "fsharp", "julia", "r", "nix", "elm"})
"""Languages in which what stands last is returned."""
_VERBAL = re.compile(r"\w{3}(?:i[sz]e|ify)$")
MOST_LEADS = 4
_VAGUE = frozenset("value values instance result results object".split())
"""Words that may follow the object and say nothing more."""


def _plural(word: str) -> bool:
    return word.endswith("s") and not word.endswith(("ss", "us", "is"))


def _stems(words: Sequence[str]) -> frozenset[str]:
    told = {word for word in words if word.isalpha() and len(word) > 1}
    return frozenset(map(stem, told | {long for long, short in MEANT.items() if not told.isdisjoint(short.split())}))


class Grounds:
    """What may be said of a reading (`model.reading`): how a sentence may begin, go on and end."""

    def __init__(self, read: str, leads: tuple[str, ...] = ()) -> None:
        self._habitual = leads
        self.language, self._symbol, self.code = [*read.split("\n", 2), "", ""][:3]
        pieces = [piece for piece in re.split(r"[.:#/\s]+", self._symbol.strip()) if piece]
        self._name = pieces[-1] if pieces else ""
        self._symbol_owner = pieces[-2] if len(pieces) > 1 else ""
        self._owner = parts(self._symbol_owner)
        self.own = parts(self._name)
        while len(self.own) > 1 and self.own[0] in _HELPERS and is_verb(self.own[1], False):
            self.own = self.own[1:]

    @cached_property
    def is_type(self) -> bool:
        """Whether it is a class or another type."""
        return self._name[:1].isupper() and bool(_TYPE.search(self.code[:300]))

    @cached_property
    def parameters(self) -> frozenset[str]:
        """The words of what stands in the brackets behind the name."""
        code = self.code[:1_500]
        if self.language in _IMPLICIT:  # those declare and call without brackets
            code = next((line for line in code.split("\n") if re.match(r"\s*(?:def|defp|let|fun)\b", line)), "")
        found = re.search(rf"(?:\b{re.escape(self._name)}|\b_)[ \t]*(?:<[^<>\n]*>|\[[^\[\]\n]*\])?[ \t]*\(((?:[^()]|\([^()]*\))*)\)", code)
        if not found and self.language not in _IMPLICIT:
            found = re.search(r"\(((?:[^()]|\([^()]*\))*)\)", self.code[:500])
        words = set(parts(found.group(1))) - {"self", "this", "cls", "int", "str", "string", "const", "mut"} if found else set()
        return frozenset(map(stem, words | {long for long, short in MEANT.items() if not words.isdisjoint(short.split())}))

    @cached_property
    def returns(self) -> bool:
        """Whether it seems to return something other than itself."""
        if self.returns_itself or self.language == "go" and re.search(r"^func [^\n]*\)\s*error\b", self.code, re.MULTILINE):
            return False
        return self.language in _IMPLICIT or bool(_RETURNS.search(self.code) or _TYPED.search(self.code[:1_000]))

    @cached_property
    def returns_itself(self) -> bool:
        """Whether it returns what it belongs to, as the methods of builders do."""
        owner = re.escape(self._symbol_owner)
        return bool(_SELF.search(self.code) or owner and re.search(rf"\)\s*(?:->|:)?\s*[*&]?{owner}\b", self.code[:600]))

    @cached_property
    def asks(self) -> bool:
        """Whether its name asks something: `is_open`, `contains`, `empty?`."""
        return bool(self.own) and (self.own[0] in _ASKING or self._symbol.endswith("?"))

    @property
    def _converts(self) -> bool:
        """Whether its name says what something is made into: `to_json`."""
        return len(self.own) > 1 and self.own[0] in ("to", "into")

    @cached_property
    def leads(self) -> tuple[str, ...]:
        """The words that a sentence may begin with, the likeliest first: those that the name warrants, then those of functions like it;
        none where the name tells too little."""
        return tuple(dict.fromkeys([*self.warranted, *self._habitual]))

    @cached_property
    def warranted(self) -> tuple[str, ...]:
        """The first words that the name warrants."""
        own = self.own
        if not own:
            return ()
        if self.is_type:
            return ("represents", "a", "an", "the")
        if self._name in DUNDERS or own[0] in ("as", "from"):
            return ()  # the template knows what they mean
        if self._converts:
            return ("converts",)
        first, alone = own[0], len(own) == 1
        if self.asks:
            return ("returns", "checks", "tells")
        if self._name in _CONSTRUCTORS or own == self._owner or alone and first in ("of", "from", "create"):
            return ("creates", "constructs", "initializes") if self._name != "init" else ("initializes", "creates")
        if first == "with" and (not self._owner or "yield" in self.code):
            return ()
        if first in SYNONYMS and not (alone and not self.parameters and self.returns and first in ("count", "size", "length", "list", "map", "filter", "select", "format", "end", "start", "test")):
            return tuple(verb for verb in SYNONYMS[first].split() if verb != "returns" or self.returns)[:MOST_LEADS]
        if not alone and own[1] == "of" and self.returns:
            return ("returns",)
        if is_verb(first, alone and not self.parameters) or _VERBAL.search(first):
            return (third_person(first),)
        if not alone and first in THIRD_PERSONS:
            return (first,)
        if self.returns and not (self.language in _IMPLICIT and self.parameters):
            return ("returns",)
        if self.returns_itself and self.parameters:
            return ("sets",)
        if len(own) > 1 and "_" in self._name.strip("_") and not self._owner:
            return tuple(third_person(word) for word in (own[-1], own[1]) if is_verb(word, alone=True))[:1]
        return ()

    @cached_property
    def _told(self) -> list[str]:
        """The words of the name without its verb."""
        verbal = self.own[:1] and (self.own[0] in _ASKING if self.asks else self.warranted[:1] != ("returns",) or self.own[0] in SYNONYMS)
        told = self.own[1:] if verbal and not self.is_type else self.own
        return [*told, *self._owner] if self.warranted[:1] == ("creates",) and not told else told

    @cached_property
    def objects(self) -> frozenset[str]:
        """Stems of the words that the name tells besides its verb, and of what they are short for."""
        return _stems(self._told)

    @cached_property
    def heads(self) -> list[str]:
        """The word that the object of a sentence ends with: the last one of the name before a preposition; none where its verb
        stands alone."""
        before = self._told[: self._preposition]
        return [word for word in before if word.isalpha() and len(word) > 1][-1:]

    @cached_property
    def _preposition(self) -> int:
        return next((at for at, word in enumerate(self._told) if word in PREPOSITIONS), len(self._told))

    def object_is_named(self, words: Sequence[str]) -> bool:
        """Whether the words between the first and a break end with what the name ends with, and hold nothing that the name has behind a
        preposition. What a sentence on something asked, or on a function like others, says of the name may stand anywhere."""
        if self._converts:
            return "to" in words and set(self._told) <= set(words[words.index("to") :])
        if self.asks or self.is_type or words[0] not in self.warranted:
            return not self.objects or any(stem(word) in self.objects for word in words[1:])
        ends = next((at for at, word in enumerate(words) if at and word in BREAKS), len(words))
        named = list(words[1:ends])
        while len(named) > 1 and named[-1] in _VAGUE:
            named.pop()
        if not self._told:
            about = self.parameters or _stems(self._owner)
            return bool(named) and (not about or stem(named[-1]) in about)
        if not self.heads:
            return not named
        if not named or not (named[-1] in self.heads or not set(MEANT.get(named[-1], "").split()).isdisjoint(self.heads)) or named[0] in ("a", "an") and _plural(named[-1]):
            return False
        behind = _stems(self._told[self._preposition :]) - _stems(self.heads)
        return not any(stem(word) in behind for word in named)

    def covers(self, words: Sequence[str]) -> float:
        """Share of the words of the name, besides its verb, that a sentence says."""
        wanted = [word for word in self._told if word.isalpha() and len(word) > 1 and word not in PREPOSITIONS]
        told = _stems(words)
        return sum(stem(word) in told or any(stem(word) in _stems([one]) for one in words) for word in wanted) / len(wanted) if wanted else 1.0

    @cached_property
    def drafts(self) -> tuple[tuple[str, ...], ...]:
        """Beginnings of sentences: each verb that the name warrants, then what the name itself tells, as words."""
        begun = [(lead,) for lead in self.leads]
        verb = self.warranted[0] if self.warranted else ""
        if not verb or self.is_type or any(not word.isalpha() or len(word) < 2 for word in self._told):
            return tuple(begun)
        if self.asks:
            subject = self._owner[-1:]
            if not self.parameters and subject and self.own[0] in _ASKED_FREE and self._told:
                begun.append((verb, *(("true", "if") if verb == "returns" else ("whether",)), "the", *subject, self.own[0], *self._told))
            return tuple(begun)
        if self._converts:
            if self._owner and not self.parameters:
                begun.append((verb, "the", *self._owner, "to", *self._told))
            return tuple(begun)
        if self.heads and self._told:
            named, behind = self._told[: self._preposition], self._told[self._preposition :]
            makes = verb in ("creates", "builds", "makes", "constructs", "generates", "initializes") and not _plural(named[-1])
            draft = (verb, article(named[0]) if makes else "the", *named)
            begun.append(draft)
            if 1 < len(behind) < 4:
                begun.append((*draft, behind[0], *(() if _plural(behind[-1]) else ("the",)), *behind[1:]))
        return tuple(begun)

    @cached_property
    def _about(self) -> frozenset[str]:
        """Stems of what may stand behind a preposition: what it belongs to, its parameters, its name."""
        return self.parameters | _stems(self._owner) | _stems(self.own)

    def _is_about(self, words: Sequence[str]) -> bool:
        """Whether the words behind the last break end with something that is at hand there."""
        start = max((at for at, word in enumerate(words) if word in BREAKS), default=0)
        named = list(words[start + 1 :])
        while len(named) > 1 and named[-1] in _VAGUE:
            named.pop()
        return not start or bool(named) and (named[-1] in _VAGUE or stem(named[-1]) in self._about)

    def _is_free_of_rules(self, words: Sequence[str]) -> bool:
        return self.asks or self.is_type or words[0] not in self.warranted

    def goes_on(self, words: Sequence[str]) -> bool:
        """Whether a sentence may begin with these words, the last one whole: nothing of content is said twice, the object is named
        before anything else is said of it, and what else is said is about things at hand."""
        last = words[-1]
        if len(words) == 1:
            return last in self.leads
        if last == words[-2] or last == "returns":
            return False
        if last in FREE or last in _ASKED_FREE:
            closes = last in BREAKS and not self._is_free_of_rules(words) and not (self._converts and last == "to")
            return not closes or self.object_is_named(words) and (words[-2] in BREAKS or self._is_about(words[:-1]))
        return last == NAME or stem(last) not in {stem(word) for word in words[:-1] if word not in FREE}

    def holds(self, words: Sequence[str]) -> bool:
        """Whether a sentence of these words is whole and grounded."""
        told = [stem(word) for word in words if word not in FREE]
        if len(set(told)) < len(told) and len(set(self.own)) == len(self.own):
            return False
        if len(words) < 3 or words[0] not in self.leads or words[-1] in LOOSE_ENDS or not self.object_is_named(words):
            return False
        if self.asks and not (_ASKED.search(" ".join(words[:4])) and self._asks_so(words)):
            return False
        if not self._is_free_of_rules(words) and not self._is_about(words):
            return False
        return all(self._is_given(words[at + 1 :]) for at, word in enumerate(words) if word in _GIVEN)

    def _asks_so(self, words: Sequence[str]) -> bool:
        """Whether a sentence asks what the name asks, of something: `if the path is open`."""
        asked = self.own[0]
        if asked not in _ASKING:
            return True
        return asked in words and words[words.index(asked) - 1] not in ("the", "a", "an", "if", "whether")

    @cached_property
    def free(self) -> frozenset[str]:
        """Words that may be said of it though they do not stand there."""
        return FREE.union(self.leads, _ASKED_FREE if self.asks else ())

    def _is_given(self, words: Sequence[str]) -> bool:
        """Whether what is said to be given is a parameter."""
        named = []
        for word in words:
            if word in BREAKS:
                break
            named.append(word)
        if not named:
            return bool(self.parameters)
        return bool(self.parameters) and any(stem(word) in self.parameters or word in ("value", "values") for word in named)
