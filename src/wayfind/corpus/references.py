"""What the definitions of a file refer to: calls with the receiver as written, what imports bind, bases of classes, and
the types of variables that calls are made on, as far as the text says them. Names are not resolved here: that takes the
other files (`index.resolution`).

Receivers are normal in all languages: steps are parted by dots, `self` stands for the object or class around (`this`,
`cls`, `@`, `Self`, PHP's `static`), `super` for its bases (C#'s `base`, PHP's `parent`), `?` for an expression that is no
name, `f()` for what a call returns, `:name` for an Erlang module that Elixir calls.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator

from wayfind.corpus.marks import Source
from wayfind.corpus.nesting import LEAVES, Definition
from wayfind.types import Reference

MOST = 20_000
"""References of one file that are kept: a generated table of calls says nothing more with the rest."""
_BEHIND = 240
"""Bytes before a called name that are read for its receiver."""
_OWN = {"this": "self", "cls": "self", "Self": "self"}
_OWN_IN = {"csharp": {"base": "super"}, "php": {"static": "self", "parent": "super"}, "elixir": {"__MODULE__": "self"}}
"""Words of one language alone: in the others they are names like any other, and so is PHP's `$parent`."""
_SEPARATORS = (b".", b"::", b"\\")
_ARROWS = frozenset(("c", "cpp", "objc", "php", "perl"))
"""Languages in which `->` parts names; in others a result, a branch or a body stands behind it."""
_BEFORE_NAMES = (b".", b":", b">", b"\\", b" ", b"\n", b"\t")
_LONGEST_IMPORT = 20_000
_MOST_STEPS = 8
_KEYWORDS = frozenset(b"return await not in if and or yield assert else elif while for match case throw typeof do is unless when".split())
"""Words before a bracket that is no call's."""
_REVERSED_CHAIN = re.compile(rb"[\w$@]+(?:\s*(?:\.[?&!]*|::|\\)\s*[\w$@]+)*")
_REVERSED_ARROWS = re.compile(rb"[\w$@]+(?:\s*(?:\.[?&!]*|::|>-\??|\\)\s*[\w$@]+)*")
_PARTING = re.compile(r"\s*(?:[?&!]*\.|::|\??->|\\)\s*")
_TYPE_ARGUMENTS = re.compile(r"<[^<>]*>")
_SUBSCRIPTS = re.compile(r"(?:\b(?:\w+\.)*(?:Generic|Protocol))?\[[^\[\]]*\]")
"""Type arguments of Python; what only declares those of a class is no base of it."""


def references(source: Source, found: list[Definition], language: str) -> tuple[Reference, ...]:
    """The references of a file in order of lines; the same one from the same definition may come again.

    >>> from wayfind.corpus.definitions import cut
    >>> [(one.kind, one.name, one.owner) for one in cut("import os\\n\\ndef cwd():\\n    return os.getcwd()\\n", "python").references]
    [('import', 'os', 'os'), ('call', 'getcwd', 'os')]
    """
    calls = list(_calls(source, language))
    heads = list(_heads(source, found, language))
    receivers = {step for owner in {one.owner for one in calls} for step in owner.split(".")}
    kept = [*_imports(source, language), *_renamed(source, language), *calls, *heads, *_typed(source, language, receivers)]
    return tuple(sorted(kept, key=lambda one: one.line))[:MOST]


# Calls.


def _calls(source: Source, language: str) -> Iterator[Reference]:
    code, skipped = _without_comments(source), source.syntax.not_calls
    for row, at, name in source.calls:
        if not name or name in skipped:
            continue
        if code.startswith(name.encode(), at):
            owner = _receiver(code, at, language)
        else:  # the node holds its qualifier too: `ns::f<T>`, `\App\f`, `Map.Entry`
            written = _TYPE_ARGUMENTS.sub("", source.text(at, at + _BEHIND).split("(")[0].split("\n")[0])
            *steps, _ = _PARTING.split(written.strip("\\ &"))
            owner = ".".join(steps)
        yield Reference(row + 1, "call", name, _normal(owner, language))


def _without_comments(source: Source) -> bytes:
    """The code with blanks in place of its comments, so that no word of them is read as a receiver."""
    code = bytearray(source.code)
    for mark in source.comments:
        code[mark.start : mark.end] = b" " * (mark.end - mark.start)
    return bytes(code)


def _receiver(code: bytes, at: int, language: str) -> str:
    """What stands before a called name, up to the separator; "" where there is none. Two dots and more are a range, what is spread out
    or Lua's joining of texts, except Dart's cascades."""
    if code[at - 1 : at] not in _BEFORE_NAMES:
        return ""
    before = code[max(0, at - _BEHIND) : at].rstrip()
    if before.endswith(b"..") and language != "dart":
        return ""
    steps: list[str] = []
    arrows = language in _ARROWS
    separators, chains = ((*_SEPARATORS, b"->"), _REVERSED_ARROWS) if arrows else (_SEPARATORS, _REVERSED_CHAIN)
    while before.endswith(separators):
        before = before[: -1 if before[-1:] in b".\\" else -2].rstrip(b" \t\r\n?&!")
        called = before[-1:] == b")"
        if called:
            before = before[: _opening(before)].rstrip()
        match = chains.match(before[::-1])
        if match is None or len(steps) > _MOST_STEPS or (called and match[0][::-1] in _KEYWORDS):
            return ".".join(["?", *steps])
        chain = _PARTING.split(match[0][::-1].decode("utf-8", "replace"))
        steps = [*chain[:-1], chain[-1] + ("()" if called else ""), *steps]
        before = before[: len(before) - match.end()]
        if language == "elixir" and before.endswith(b":") and not before.endswith(b"::"):
            return ".".join([f":{steps[0]}", *steps[1:]])
        before = before.rstrip()
    return ".".join(steps)


def _opening(before: bytes) -> int:
    """Place of the bracket that the last one closes; 0 where it is further away than is read."""
    depth = 0
    for place in range(len(before) - 1, -1, -1):
        depth += (before[place] == 0x29) - (before[place] == 0x28)
        if not depth:
            return place
    return 0


def _normal(owner: str, language: str) -> str:
    """A receiver as the module's head says."""
    if not owner:
        return ""
    written = owner.partition(".")[0]
    first, *rest = owner.replace("$", "").split(".")
    if first.startswith("@"):
        return ".".join(["self", first.lstrip("@"), *rest])
    if first in ("super()", "super") and language != "rust":
        return ".".join(["super", *rest])
    return ".".join([_OWN_IN.get(language, {}).get(written) or _OWN.get(first, first), *rest])


# Headers: bases of classes, results of functions.

_BASES = re.compile(r"\b(?:extends|implements|with)\s([\w.\\,\s]+)|<\s*([A-Z][\w:]*)|(?<!:):(?!:)\s*([A-Za-z_][\w.:, ]*)")
_PYTHON_BASES = re.compile(r"class\s+\w+\s*\(([^)]*)\)")
_IMPL = re.compile(r"\bimpl\b\s*(?:<[^{]*?>\s)?\s*([\w:]+)(?:<.*?>)?\s+for\b")
_RESULTS = {
    "python": re.compile(r"->\s*[\"']?(?:Optional\[)?[\"']?([A-Za-z_][\w.]*)"),
    "rust": re.compile(r"->\s*(?:(?:\w+::)*(?:Result|Option|Box|Arc|Rc)<)?&?(?:'\w+\s+)?(?:mut\s+|dyn\s+|impl\s+)?([A-Za-z_][\w:]*)"),
    "go": re.compile(r"\)\s*\(?\s*(?:\w+\s+)?[*\[\]]*([A-Za-z_][\w.]*)"),
    "typescript": re.compile(r"\)\s*:\s*(?:Promise<)?([A-Z][\w.]*)"),
    "kotlin": re.compile(r"\)\s*:\s*([A-Z][\w.]*)"),
    "php": re.compile(r"\)\s*:\s*\??([\w\\]+)"),
    "java": re.compile(r"([A-Z][\w.]*)(?:<.*>)?(?:\[\])?\s+\w+\s*\("),
    "cpp": re.compile(r"([A-Za-z_][\w:]*)(?:<[^()]*>)?\s*[*&]*\s+[*&]*[\w:~]+\s*\("),
}
for _language, _other in (("tsx", "typescript"), ("scala", "kotlin"), ("swift", "rust"), ("csharp", "java"), ("dart", "java"), ("groovy", "java")):
    _RESULTS[_language] = _RESULTS[_other]
_NO_TYPES = frozenset(
    """
    str int float bool bytes list dict tuple set None Any Self string error void number boolean any never unknown String Object
    Integer Long Boolean Double Vec Result Option Box bool char usize u8 u32 u64 i32 i64 f64 self final return new int64 byte
    Promise Array List Map Set Optional public private protected static const else case throw delete typename class struct var let
    """.split()
)


def _heads(source: Source, found: list[Definition], language: str) -> Iterator[Reference]:
    for one in found:
        if one.role in ("class", "interface", "enum", "impl"):
            header = source.text(one.begin, min(one.until, one.begin + 600))
            for base in _bases(header, one.name, language):
                yield Reference(one.first + 1, "base", base.split(".")[-1], ".".join(base.split(".")[:-1]))
        elif one.role in LEAVES and (pattern := _RESULTS.get(language)):
            header = source.text(one.start, min(one.until, one.start + 600))
            cut = header.rfind(")") if language in ("go", "typescript", "tsx", "kotlin", "php", "scala") else 0
            if language == "go":
                cut = _after_parameters(header, one.name)
            match = pattern.search(header, max(cut, 0))
            name = "self" if match and match[1] in ("Self", "static", "self", "this") else _plain_type(match[1], language) if match else ""
            if name:
                yield Reference(one.first + 1, "result", name.split(".")[-1], ".".join(name.split(".")[:-1]))


def _after_parameters(header: str, name: str) -> int:
    """Place of the bracket that closes a Go function's parameters."""
    at = header.find("(", header.find(name))
    depth = 0
    for place in range(max(at, 0), len(header)):
        depth += (header[place] == "(") - (header[place] == ")")
        if not depth:
            return place
    return 0


def _bases(header: str, name: str, language: str) -> list[str]:
    if language == "python":
        match = _PYTHON_BASES.search(_without(_SUBSCRIPTS, header))
        written = match[1] if match else ""
    elif language == "rust":
        match = _IMPL.search(header)
        written = match[1] if match else ""
    elif language in ("go", "c"):
        return []
    else:
        after = header[header.find(name) + len(name) :].split("{")[0]
        after = _without(_TYPE_ARGUMENTS, re.sub(r"\([^()]*\)", "", after))
        written = ",".join(part for match in _BASES.finditer(after) for part in match.groups() if part)
    names = (re.sub(r"^(?:public|private|protected|virtual)\s+", "", part.strip()).split(" ")[0] for part in re.split(r"[,&]|\bimplements\b|\bwith\b", written))
    plain = (".".join(_PARTING.split(part.strip("\\ "))) for part in names)
    return [part for part in plain if re.fullmatch(r"[A-Za-z_][\w.]*", part) and part not in ("object", name, "ABC", "Object")]


def _without(pattern: re.Pattern[str], text: str) -> str:
    """A text without what a pattern finds, from the inside out."""
    while (shorter := pattern.sub("", text)) != text:
        text = shorter
    return text


def _plain_type(name: str, language: str) -> str:
    name = ".".join(_PARTING.split(name.strip("\\:. ")))
    last = name.split(".")[-1]
    if not last or last in _NO_TYPES or (not last[0].isupper() and language not in ("go", "cpp")):
        return ""
    return name


# Types of variables.

_T = r"[A-Za-z_](?:[\w.\\]|::){0,80}"
_S = r"[ \t]{0,8}"
"""Every repetition has a bound: on a minified line an unbounded one takes time that grows with the square of its length."""
_ASSIGNED = re.compile(rf"={_S}(?:await )?(?:&{_S})?(new )?{_S}({_T}){_S}(?:<[^<>()\n]{{0,60}}>)?{_S}([({{])")
"""What stands to the right in `x = Foo(`, `x := &Foo{`, `this.x = new Foo(`, `let x = Foo::new(`. The pattern begins with its
rarest sign, so that most of a text is passed over at the speed of a search for one character."""
_COLON = re.compile(
    rf":{_S}(?:&{_S})?(?:'\w+ )?(?:(?:mut|dyn|impl|readonly) ){{0,2}}(?:(?:Optional|Option|Box|Arc|Rc)[\[<](?:dyn )?)?[\"']?((?:[a-z_]\w{{0,40}}(?:\.|::)){{0,3}}[A-Z][\w.:]{{0,80}})"
)
_VARIABLE = re.compile(r"(?<![\w$@.>-])(?<!param )([\w$@.>-]{1,60})\??[ \t]*(?::[ \t]*[\w.\[\]\"'<>|, ]{1,60}?)?[ \t]*:?$")
"""What stands before one of the two."""
_BEFORE = re.compile(
    rf"(?<![\w.:>\\])({_T})(?:<[^;(){{}}\n]{{0,80}}>)?(?:\[\])?(?:{_S}[*&]{{1,2}}{_S}|[ \t]{{1,8}}[*&]{{0,2}})(\$?\w{{1,60}}){_S}(?=[=;,){{:(]|$)", re.MULTILINE
)
"""`Foo x`, `Foo<T> *x`."""
_GO = re.compile(r"\b([A-Za-z_]\w{0,60})(?:, ?\w{1,60}){0,4}[ \t]{1,8}[*\[\]]{0,3}([A-Za-z_][\w.]{0,80})[ \t]{0,8}(?=[,)`=\n]|$)", re.MULTILINE)
_OWN_FIELD = {"python": r"self\.", "javascript": r"this\.", "typescript": r"this\.", "tsx": r"this\.", "java": r"this\.", "csharp": r"this\.", "php": r"\$this->", "ruby": "@"}
_PASSED = {
    language: re.compile(own + r"(\w{1,60})[ \t]{0,8}(?::[^=\n]{1,60})?=[ \t]{0,8}\$?([a-z_]\w{0,60})[ \t]{0,8};?[ \t]{0,8}$", re.MULTILINE)
    for language, own in _OWN_FIELD.items()
}
"""`self.x = x`: the field is what the parameter is."""
_WITH = re.compile(rf"\bwith ({_T})\([^\n]{{0,200}}\) as (\w+)")
_COLONED = frozenset(("python", "typescript", "tsx", "rust", "kotlin", "swift", "scala"))
_TYPE_FIRST = frozenset(("java", "csharp", "cpp", "php", "dart", "groovy", "objc"))
_UNTYPED = frozenset(("c", "bash", "haskell", "ocaml", "ocaml_interface", "powershell", "elixir", "perl"))


def _typed(source: Source, language: str, receivers: set[str]) -> Iterator[Reference]:
    """Variables that calls are made on with the type that a declaration or a constructor's call gives them."""
    wanted = receivers - {"", "self", "super", "?"}
    if not wanted or language in _UNTYPED:
        return
    text = source.text(0, len(source.code))
    starts = _Lines(text)
    for variable, kind, place in _declared(text, language):
        variable = variable.replace("$", "").replace("->", ".")
        variable = re.sub(r"^(?:this|cls|@)\.?(?=\w)", "self.", variable)
        new, kind = ("new ", kind[4:]) if kind.startswith("new ") else ("", kind)
        if variable.removeprefix("self.") in wanted and (name := _plain_type(kind.removesuffix("()"), language) or kind.endswith("()") and kind[:-2]):
            name = _normal(".".join(_PARTING.split(name)), language) + ("()" if kind.endswith("()") else "")
            yield Reference(starts.line(place), "type", variable, new + name)
    if passed := _PASSED.get(language):
        for match in passed.finditer(text):
            if match[1] in wanted:
                yield Reference(starts.line(match.start()), "type", f"self.{match[1]}", f"={match[2]}")


def _declared(text: str, language: str) -> Iterator[tuple[str, str, int]]:
    """(variable, type or call with `()`, place) for each declaration that the text seems to hold."""
    for match in _ASSIGNED.finditer(text):
        new, kind, sign = match.groups()
        if (sign == "(" or language in ("go", "rust", "cpp") or new) and (variable := _before(text, match.start())):
            yield variable, f"new {kind}" if new else kind if sign == "{" else f"{kind}()", match.start()
    if language in _COLONED:
        for match in _COLON.finditer(text):
            if variable := _before(text, match.start()):
                yield variable, match[1], match.start()
    if language in _TYPE_FIRST:
        yield from ((match[2], match[1], match.start(2)) for match in _BEFORE.finditer(text))
    if language == "go":
        yield from ((match[1], match[2], match.start(1)) for match in _GO.finditer(text))
    if language == "python":
        yield from ((match[2], f"{match[1]}()", match.start(2)) for match in _WITH.finditer(text))


def _before(text: str, place: int) -> str:
    """The variable whose declaration or assignment goes on at a place of the text; "" where none does."""
    line = text.rfind("\n", max(0, place - _BEHIND), place) + 1
    match = _VARIABLE.search(text[max(line, place - 130) : place])
    return match[1] if match else ""


class _Lines:
    """1-based lines of places in a text."""

    def __init__(self, text: str):
        self._ends = [match.start() for match in re.finditer("\n", text)]

    def line(self, place: int) -> int:
        return bisect_left(self._ends, place) + 1


# Imports: what a name means here. `module:name`, `module` alone for a whole module, `*` for all that it holds.

Bound = Iterator[tuple[str, str]]


def _imports(source: Source, language: str) -> Iterator[Reference]:
    reader = _READERS.get(language)
    if reader is None:
        return
    for mark in source.imports:
        for name, target in reader(source.text(mark.start, min(mark.end, mark.start + _LONGEST_IMPORT))):
            yield Reference(mark.first + 1, "import", name, target)
    if language in ("javascript", "typescript", "tsx") and b"require(" in source.code:
        text = source.text(0, len(source.code))
        lines = _Lines(text)
        for match in _REQUIRE.finditer(text):
            yield from (Reference(lines.line(match.start()), "import", name, target) for name, target in _required(match))


_ALIAS = re.compile(r"alias\s+([\w.]+),\s*as:\s*(\w+)")


def _renamed(source: Source, language: str) -> Iterator[Reference]:
    """Modules of Elixir under other names; under its last name a module is known anyway."""
    for mark in source.imports if language == "elixir" else ():
        if match := _ALIAS.match(source.text(mark.start, min(mark.end, mark.start + _LONGEST_IMPORT))):
            yield Reference(mark.first + 1, "type", match[2], match[1].rpartition(".")[2])


def _python(text: str) -> Bound:
    text = re.sub(r"#[^\n]*", "", text).replace("\\\n", " ")
    if match := re.match(r"\s*from\s+(\S+)\s+import\s+(.*)", text, re.DOTALL):
        for part in match[2].strip("() \n\t").split(","):
            name, _, alias = (word.strip("() \n\t") for word in part.strip().partition(" as "))
            if name:
                yield ("*", match[1]) if name == "*" else (alias or name, f"{match[1]}:{name}")
    elif match := re.match(r"\s*import\s+(.*)", text, re.DOTALL):
        for part in match[1].split(","):
            name, _, alias = (word.strip() for word in part.strip().partition(" as "))
            if name:
                yield alias or name, name


_FROM = re.compile(r"(?:import|export)\s+(?:type\s+)?(?P<what>[^'\"]*?)\s*from\s*['\"](?P<module>[^'\"]+)['\"]", re.DOTALL)
_REQUIRE = re.compile(
    r"(?:\b(?:const|let|var)\s+|,\s*|^)(?P<name>[\w$]+|\{[^{}]*\})\s*=\s*require\(\s*['\"](?P<module>[^'\"]+)['\"]\s*\)(?:\.(?P<part>[\w$]+))?", re.MULTILINE
)


def _javascript(text: str) -> Bound:
    match = _FROM.match(text.strip())
    if match is None:
        return
    what, module = match["what"], match["module"]
    for part in re.search(r"\{(.*)\}", what, re.DOTALL)[1].split(",") if "{" in what else ():
        name, _, alias = (word.strip() for word in part.strip().removeprefix("type ").partition(" as "))
        if name:
            yield alias or name, f"{module}:{name}"
    outside = re.sub(r"\{.*\}", "", what, flags=re.DOTALL)
    for part in outside.split(","):
        if star := re.fullmatch(r"\s*\*(?:\s*as\s+([\w$]+))?\s*", part):
            yield star[1] or "*", module
        elif re.fullmatch(r"\s*[\w$]+\s*", part):
            yield part.strip(), f"{module}:default"


def _required(match: re.Match[str]) -> Bound:
    name, module, part = match["name"], match["module"], match["part"]
    if not name.startswith("{"):
        yield name, f"{module}:{part}" if part else module
        return
    for one in name.strip("{}").split(","):
        original, _, alias = (word.strip() for word in one.partition(":"))
        if original:
            yield alias or original, f"{module}:{original.split('=')[0].strip()}"


def _go(text: str) -> Bound:
    for alias, path in re.findall(r"(?:(?<![\w.])([\w.]{1,80})[ \t]{1,8})?\"([^\"\n]{1,300})\"", text.removeprefix("import")):
        steps = [step for step in path.split("/") if not re.fullmatch(r"v\d+", step)]
        last = re.sub(r"^go-|[.-]go$|\.v\d+$", "", steps[-1]) if steps else path
        yield {"": last, ".": "*"}.get(alias, alias), path


def _java(text: str) -> Bound:
    match = re.match(r"\s*import\s+(static\s+)?([\w.]+?)(?:\.(\*|_|\{[^}]*\}))?(?:\s+as\s+(\w+))?\s*;?\s*$", text.strip(), re.DOTALL)
    if match is None:
        return
    static, path, tail, alias = match.groups()
    head, _, last = path.rpartition(".")
    if tail in ("*", "_"):
        yield "*", path
    elif tail:
        for part in tail.strip("{}").split(","):
            name, *other = re.split(r"\s*(?:=>|\bas\b)\s*", part.strip())
            yield (other or [name])[0], f"{path}.{name}:{name}"
    else:
        yield alias or last, f"{head}:{last}" if static else f"{path}:{last}"


def _rust(text: str) -> Bound:
    body = re.sub(r"//[^\n]*", "", text)
    body = re.sub(r"^\s*(?:pub(?:\([^)]*\))?\s+)?use\s+", "", body).strip().rstrip(";")
    yield from _used(body, "")


def _used(tree: str, before: str) -> Bound:
    """The leaves of a use tree: `a::{b, c::{d as e}, *}`."""
    tree = tree.strip()
    head, brace, tail = tree.partition("{")
    path = ".".join(filter(None, [before, *(step.strip() for step in head.split("::"))]))
    if brace:
        depth, start = 0, 0
        inner = tail.rstrip()[:-1] + ","
        for place, sign in enumerate(inner):
            depth += (sign == "{") - (sign == "}")
            if sign == "," and not depth:
                if inner[start:place].strip():
                    yield from _used(inner[start:place], path)
                start = place + 1
        return
    path, _, alias = path.partition(" as ")
    module, _, name = path.strip().rpartition(".")
    if name == "*":
        yield "*", module
    elif name == "self":
        yield alias.strip() or module.rpartition(".")[2], module
    elif alias.strip() != "_":
        yield alias.strip() or name, f"{module}:{name}"


def _c(text: str) -> Bound:
    if match := re.search(r"[\"<]([^\"<>\n]{1,300})[\">]", text):
        yield "*", match[1]


def _csharp(text: str) -> Bound:
    if match := re.search(r"using\s+(?:static\s+)?(?:(\w+)\s*=\s*)?(?:global::)?([\w.]+)", text):
        head, _, last = match[2].rpartition(".")
        yield (match[1], f"{head}:{last}") if match[1] else ("*", match[2])


def _php(text: str) -> Bound:
    text = re.sub(r"^\s*use\s+", "", text).strip().rstrip(";")
    kind = re.match(r"(function|const)\s+", text)
    text = text[kind.end() :] if kind else text
    head, brace, tail = text.partition("{")
    for part in (tail.rstrip("} \n") if brace else text).split(","):
        written, _, alias = re.sub(r"\s+", " ", part.strip()).partition(" as ")
        path = ".".join(step for step in ((head if brace else "") + written).split("\\") if step)
        module, _, name = path.rpartition(".")
        if name:
            yield alias.strip() or name, f"{module}:{name}" if kind else f"{path}:{name}"


def _ruby(text: str) -> Bound:
    if match := re.search(r"(?:require|require_relative|load|autoload)\b[^'\"]{0,60}['\"]([^'\"]{1,300})['\"]", text):
        yield "*", match[1]


def _lua(text: str) -> Bound:
    for name, module in re.findall(r"(?<!\w)(\w{1,60})\s{0,8}=\s{0,8}require\s*\(?\s*['\"]([^'\"]+)['\"]", text):
        yield name, module


_READERS: dict[str, Callable[[str], Bound]] = {
    "python": _python, "javascript": _javascript, "typescript": _javascript, "tsx": _javascript, "go": _go, "java": _java, "kotlin": _java,
    "scala": _java, "groovy": _java, "rust": _rust, "c": _c, "cpp": _c, "objc": _c, "csharp": _csharp, "php": _php, "ruby": _ruby, "lua": _lua,
}  # fmt: skip
