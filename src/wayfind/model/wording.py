"""Sentences and the symbols that a decoder writes: small words, signs, and marks before names that are copied whole.

A sentence of the training becomes `returns a [NAME] proto comment`; what was written becomes a sentence again with the name as
it stands in the code, `Returns a ProtoComment.` A name that does not stand in the code cannot be restored.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache, lru_cache

from wayfind.model.text import plain

NAME = "[NAME]"
SIGNS = (",", ".", "'", "-", "/")
"""All that is written beside words."""
MOST_PARTS = 8
"""Parts of a name that is restored at most."""
TOKEN = re.compile(r"[A-Za-z_$][\w$]*(?:(?:\.|::|->|#)[A-Za-z_$][\w$]*)*(?:\(\))?|\d\w*(?:\.\w+)*|[,.'/-]|\S")
_IDENTIFIER = re.compile(r"[^\W\d][\w$]*")
_NAMELIKE = re.compile(r"[_$\d]|[a-z][A-Z]|[A-Z]{2,}[a-z]{2}|\.\w|::|->|#|\(\)")
_WORD = re.compile(r"[a-z]+")


def is_name(token: str) -> bool:
    """Whether a token of a sentence is written as a name or a literal is: `max_size`, `HttpClient`, `Set.add`, `f()`, `0x1F`.

    >>> [is_name(word) for word in ("maxSize", "a.b", "size", "JSON", "URLs", "3")]
    [True, True, False, False, False, True]
    """
    return bool(_NAMELIKE.search(token))


def tokens(sentence: str) -> list[str]:
    """The words, names, numbers and signs of a sentence."""
    return TOKEN.findall(sentence)


def spelled(sentence: str) -> str:
    """A sentence as plain words, with a mark before each name.

    >>> spelled("Returns a ProtoComment, sorted by max_size.")
    'returns a [NAME] proto comment , sorted by [NAME] max size .'
    """
    return " ".join(f"{NAME} {' '.join(parts(token))}" if is_name(token) and not token.isdigit() else plain(token) for token in tokens(sentence))


def parts(name: str) -> list[str]:
    """The words that a name is made of, in small letters."""
    return [part for part in plain(name).split() if part[0].isalnum()]


def names_in(text: str) -> dict[tuple[str, ...], str]:
    """Parts -> the identifier of a text that has them, the first of several; of one part only what is not small throughout."""
    found: dict[tuple[str, ...], str] = {}
    for name in _IDENTIFIER.findall(text):
        own = tuple(parts(name))
        if own and (len(own) > 1 or not name.islower()):
            found.setdefault(own, name)
    return found


def written(words: Sequence[str], names: Mapping[tuple[str, ...], str], cases: Mapping[str, str]) -> str:
    """The sentence of written words: names restored, other words as `cases` (small -> as it is mostly written) have them.

    >>> written("returns a [NAME] proto comment , as json".split(), {("proto", "comment"): "ProtoComment"}, {"json": "JSON"})
    'Returns a ProtoComment, as JSON.'
    """
    said: list[str] = []
    at = 0
    while at < len(words):
        if words[at] != NAME:
            said.append(cases.get(words[at], words[at]))
            at += 1
            continue
        at += 1
        for length in range(min(MOST_PARTS, len(words) - at), 0, -1):
            if name := names.get(tuple(words[at : at + length])):
                said.append(name)
                at += length
                break
    said = [f"{word}n" if word in ("a", "A") and following[:1] in tuple("aeioAEIO") else word for word, following in zip(said, [*said[1:], ""])]
    text = re.sub(r" ([,.])", r"\1", re.sub(r" ?(['/-]) ?", r"\1", " ".join(said))).strip(" ,'/-")
    first = text.split(" ", 1)[0].rstrip(",.")
    text = text if is_name(first) or not text else text[0].upper() + text[1:]
    return text and text.rstrip(".") + "."


class Known:
    """What may be said of a text: its words, whole, in part or inflected, what short forms there mean, and common words. `inflected`: the words that
    may stand there for another form of theirs, beside plurals; None: all."""

    def __init__(self, text: str, common: Collection[str], inflected: Collection[str] | None = None):
        own = set(parts(text))
        self._parts = own | {long for long, short in MEANT.items() if not own.isdisjoint(short.split())}
        self._stems = set(map(stem, self._parts))
        self._common, self._inflected = common, inflected

    def word(self, word: str) -> bool:
        """Whether a small word may be written."""
        return word in self._common or self._holds(word)

    def lacks(self, sentence: str) -> list[str]:
        """The names, literals and words of a sentence that may not be written."""
        return [token for token in tokens(sentence) if (token[0].isalnum() or token[0] in "_$[") and not self._stands(token)]

    def _stands(self, token: str) -> bool:
        if not is_name(token) and token.lower() in self._common:
            return True
        return token[0] != "[" and all(map(self._holds, parts(token)))

    def _holds(self, part: str) -> bool:
        if part in self._parts:
            return True
        if _WORD.fullmatch(part) is None or stem(part) not in self._stems:
            return False
        return self._inflected is None or part in self._inflected or bool(self._parts & {part[:-1], part[:-2], f"{part}s", f"{part[:-3]}y"}) and (part[-1] == "s" or f"{part}s" in self._parts)


MEANT: dict[str, str] = {
    "application": "app", "argument": "arg args argv", "arguments": "args argv kwargs", "array": "arr vec slice", "attribute": "attr", "attributes": "attrs",
    "authentication": "auth", "boolean": "bool", "buffer": "buf", "callback": "cb fn func", "character": "char chr rune", "characters": "chars runes",
    "collection": "list array set map vec", "column": "col", "columns": "cols", "command": "cmd", "configuration": "config conf cfg", "connection": "conn",
    "context": "ctx", "current": "cur curr", "database": "db", "description": "desc", "destination": "dst dest", "dictionary": "dict", "directory": "dir",
    "directories": "dirs", "document": "doc", "element": "elem el", "elements": "elems list array vec", "environment": "env", "error": "err exception throw raise",
    "errors": "errs", "exception": "throw raise throws error", "expression": "expr", "expressions": "exprs", "file": "path fs", "function": "fn func fun def callback lambda",
    "identifier": "id ident", "image": "img", "index": "idx", "information": "info", "integer": "int i32 i64 u32 u64 int64 int32 number", "item": "elem element",
    "items": "list array elements", "key": "k", "length": "len size", "list": "array vec slice arr", "location": "loc", "maximum": "max", "message": "msg",
    "minimum": "min", "module": "mod", "name": "named", "new": "create make build copy clone init constructor construct with", "number": "count len num size total n int", "object": "obj", "operation": "op", "option": "opt",
    "options": "opts", "package": "pkg", "parameter": "param", "parameters": "params args", "pointer": "ptr", "position": "pos", "reference": "ref", "regular": "regex",
    "repository": "repo", "request": "req", "response": "resp res", "sequence": "seq list array", "source": "src", "specification": "spec", "statement": "stmt",
    "string": "str text", "strings": "strs texts", "temporary": "tmp temp", "text": "string str", "value": "val", "variable": "var", "version": "ver",
    "timestamp": "time", "duration": "time timeout interval", "session": "sess", "message's": "msg", "size": "len length count", "count": "len num size",
}
"""Words -> short forms and kinds in code that mean them."""


def invented(sentence: str, text: str, common: Collection[str]) -> list[str]:
    """The names, literals and words of a sentence that are neither in the text, whole, in part or inflected, nor common words.

    >>> invented("Returns max_size of the Frobnicator.", "def f(maxSize): pass", {"returns", "of", "the"})
    ['Frobnicator']
    """
    return Known(text, common).lacks(sentence)


@lru_cache(maxsize=100_000)
def stem(word: str) -> str:
    """The stem of an English word: `serialises` and `serialise` have one."""
    return _stemmer().stemWord(word)


@cache
def _stemmer():
    import Stemmer

    return Stemmer.Stemmer("english")


def repeats(words: Sequence[str], length: int = 3) -> bool:
    """Whether some run of words comes back, or a word follows itself."""
    runs = [tuple(words[at : at + length]) for at in range(len(words) - length + 1)]
    return len(set(runs)) < len(runs) or any(one == two for one, two in zip(words, words[1:]))


def joined(pieces: Iterable[str]) -> list[str]:
    """The words that pieces make, in order: what begins with ## goes on with the word before.

    >>> joined(["serial", "##ises", "x"])
    ['serialises', 'x']
    """
    words: list[str] = []
    for piece in pieces:
        if piece.startswith("##") and words:
            words[-1] += piece[2:]
        else:
            words.append(piece.removeprefix("##"))
    return words
