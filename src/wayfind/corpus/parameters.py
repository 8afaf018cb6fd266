"""A function's signature in, the names of its parameters out, as its callers or its body know them.

Where a parameter is a pattern, the names that it binds stand for it; one without a name, a literal and a receiver are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_C = frozenset({"c", "cpp", "objc"})
_NAME_LAST = _C | {"java", "csharp", "dart", "groovy", "php", "powershell", "perl", "bash"}
_NAME_BEFORE_COLON = frozenset({"kotlin", "scala", "rust", "zig", "swift"})
"""Languages in which what has no colon is a type or a receiver."""
_PATTERNS = frozenset({"javascript", "typescript", "tsx", "rust", "julia", "ruby"})
_LOWER_CASE = frozenset({"rust", "ocaml", "haskell"})
"""Languages in which what begins with a capital builds a value, and binds nothing."""
_NO_TYPE_ARGUMENTS = frozenset("python javascript ruby lua perl php elixir julia go c bash powershell ocaml haskell".split())
_MODIFIERS = frozenset(
    """
    const final var val let ref out in params readonly public private protected internal static inout comptime anytype noalias implicit
    using register unsigned struct mut dyn impl vararg noinline crossinline inline override open lateinit covariant required declare box
    """.split()
)
"""Words before a name; alone each may be one."""
_NAMELESS = frozenset("self cls this void mut _ nil".split())
_TYPES_OF_C = frozenset("void char short int long float double signed unsigned bool".split())
_TYPES_OF_GO = frozenset("chan func map struct interface".split())


def parameters(signature: str, name: str, language: str) -> list[str]:
    """Names of the parameters in a signature, in order, without the receiver.

    >>> parameters("func (r *Router) Get(path string, h http.Handler) error", "Get", "go")
    ['path', 'h']
    >>> parameters("static int add(const char *key, int size)", "add", "c")
    ['key', 'size']
    >>> parameters("fn area(&Size { width, .. }: &Size, scale: f32)", "area", "rust")
    ['width', 'scale']
    """
    if language == "haskell" and "::" in signature:
        return []
    if language == "python":
        signature = _LAMBDA.sub("lambda:", signature)
    at = _bracket(signature, name)
    if at < 0:
        return []
    parts = _split(signature, at, ",;" if language == "julia" else ",", angles=language not in _NO_TYPE_ARGUMENTS)
    if language == "dart":
        parts = [one for part in parts for one in (_split(part.strip(), 0) if part.strip()[:1] in ("{", "[") else [part])]
    if language == "go" and not any(_is_named(part) for part in parts):
        return []
    found = (one for part in parts for one in _names(part, language))
    return list(dict.fromkeys(one for one in found if one not in _NAMELESS))


def _bracket(signature: str, name: str) -> int:
    """Place of the bracket that opens the parameters; -1 where there is none."""
    if name == "this[]":  # C#'s indexer.
        return signature.find("this[") + len("this")
    at = signature.rfind(f"{name}(") if name else -1
    while at > 0 and name[0].isidentifier() and (signature[at - 1].isalnum() or signature[at - 1] == "_"):  # the end of a longer name
        at = signature.rfind(f"{name}(", 0, at)
    if at >= 0:
        return at + len(name)
    return signature.find("(", signature.find(name) + len(name) if name and name in signature else 0)


def _split(text: str, at: int, signs: str = ",", angles: bool = True) -> list[str]:
    """The parts between the bracket at `at` and its partner, cut at signs outside other brackets, `angles` among them or not."""
    depth, start, parts = 0, at + 1, []
    opening, closing = ("([{<", ")]}>") if angles else ("([{", ")]}")
    for position in range(at, min(len(text), at + 2_000)):
        sign = text[position]
        if sign in opening and not (sign == "<" and text[position - 1] in " ="):
            depth += 1
        elif sign in closing and not (sign == ">" and text[position - 1] in "-="):
            depth -= 1
            if depth <= 0:
                return [*parts, text[start:position]]
        elif sign in signs and depth == 1:
            parts.append(text[start:position])
            start = position + 1
    return parts


def _names(part: str, language: str) -> Iterator[str]:
    """The names in one parameter's declaration."""
    part = part if language == "perl" else _NOTES.sub(" ", part)
    if language == "elixir":
        yield from _of_elixir(part)
        return
    part = part.strip() if part.lstrip()[:1] in ("{", "[") else part.split("=")[0].strip()
    if language in _C and (pointer := _POINTER.search(part)):
        yield pointer.group(1)
    elif language in _NAME_LAST:
        yield from _last(part, language)
    elif language == "go":
        yield from _NAME.findall(part)[:1]
    elif language in _PATTERNS and (pattern := _pattern(part, language)):
        yield from _of_rust(pattern) if language == "rust" else _of_pattern(pattern)
    else:
        yield from _first(part, language)


def _last(part: str, language: str) -> list[str]:
    """The name behind a type."""
    part = _BRACKETED.sub(" ", part)
    part = _PARENTHESES.sub(" ", part) if language == "dart" else part
    if language not in _C:
        return _NAME.findall(part)[-1:]
    names = _NAME.findall(part)[-1:] if _TYPED.search(part) and not part.rstrip(" .").endswith(("*", "&")) else []
    return [one for one in names if one not in _TYPES_OF_C]


def _first(part: str, language: str) -> list[str]:
    """The name before a type; of Swift's two the one inside."""
    if language in _NAME_BEFORE_COLON and not _COLON.search(part):
        return []
    if language == "julia":
        part = part.partition("::")[0]
    names = _NAME.findall(_COLON.split(part, maxsplit=1)[0] if not part.startswith(":") else part)
    if language in _LOWER_CASE:
        names = [one for one in names if not one[0].isupper()]
    named = [one for one in names if one not in _MODIFIERS] or names[-1:]
    return [one for one in named if one not in _NAMELESS][-1:] if language == "swift" else named[:1]


def _is_named(part: str) -> bool:
    """Whether a parameter of Go has a name before its type."""
    found = _GO_NAMED.match(part)
    return bool(found) and found.group(1) not in _TYPES_OF_GO


def _pattern(part: str, language: str) -> str:
    """What stands before the type, where that is a pattern; else ""."""
    cut = next((found.start() for found in _COLON.finditer(part) if _is_outside(part, found.start())), len(part))
    before = part[:cut].strip()
    return before if (_BRACKET_OF_RUST if language == "rust" else _BRACKET).search(before) else ""


def _is_outside(text: str, place: int) -> bool:
    """Whether every bracket before a place is closed."""
    return all(text.count(opened, 0, place) == text.count(closed, 0, place) for opened, closed in ("()", "[]", "{}"))


def _of_rust(pattern: str) -> Iterator[str]:
    yield from (one for one in _BOUND_IN_RUST.findall(pattern) if one not in _MODIFIERS)


def _of_pattern(pattern: str) -> Iterator[str]:
    """The first name of each entry: in an object the property that is given."""
    for part in _split(pattern, 0):
        yield from _NAME.findall(part)[:1]


def _of_elixir(part: str) -> Iterator[str]:
    """The name that is given to a whole pattern, else the variables in it."""
    part = _SIZES.sub(" ", _LITERALS.sub(" ", part.partition("\\\\")[0]))
    sides = [side.strip() for side in _MATCHED.split(part)]
    whole = [side for side in sides if _VARIABLE.fullmatch(side)]
    yield from (one for one in (whole[-1:] or _VARIABLE.findall(part)) if one not in ("nil", "true", "false", "when", "__MODULE__"))


_NOTES = re.compile(r"@\w[\w.:]*(?:\([^)]*\))?|/\*.*?\*/|\[\[.*?\]\]|#!?\[[^\]]*\]")
_LAMBDA = re.compile(r"\blambda\b[^:]*:")
_POINTER = re.compile(r"\(\s*[*^&]+\s*(\w+)\s*\)")
_BRACKETED = re.compile(r"\[[^\]]*\]|<.*>")
_PARENTHESES = re.compile(r"\([^()]*\)")
_TYPED = re.compile(r"\w[\s*&]+\w")
_COLON = re.compile(r"(?<!:):(?!:)")
_NAME = re.compile(r"[A-Za-z_]\w*")
_GO_NAMED = re.compile(r"\s*(\w+)\s+\S")
_BRACKET = re.compile(r"^[(\[{]")
_BRACKET_OF_RUST = re.compile(r"[(\[{]")
_BOUND_IN_RUST = re.compile(r"(?<![\w:'])(?!_\b)[a-z_]\w*\b(?!\s*(?:[({]|:))")
_LITERALS = re.compile(r"\"[^\"]*\"")
_SIZES = re.compile(r"::[\w-]+(?:\([^()]*\))?")
_MATCHED = re.compile(r"(?<![=!<>])=(?![=>~])")
_VARIABLE = re.compile(r"(?<![\w:@.%^&])[a-z_]\w*[?!]?(?![\w(.]|:(?!:))")
