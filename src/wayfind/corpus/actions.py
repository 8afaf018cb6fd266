"""Facts of a function, method or test in, one sentence about what it does out, from its name and signature.

Each template speaks for one pattern of names and is silent elsewhere; `FUNCTION` and `TEST` are their orders.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from wayfind.corpus.english import (
    NOUNS_ALONE,
    PREPOSITIONS,
    THIRD_PERSONS,
    article,
    is_verb,
    listed,
    noun_phrase,
    third_person,
    words,
)
from wayfind.corpus.facts import Facts

_CONSTRUCTORS = {
    "__init__": ("python",),
    "__new__": ("python",),
    "constructor": ("javascript", "typescript", "tsx", "kotlin"),
    "__construct": ("php",),
    "initialize": ("ruby",),
    "init": ("swift", "kotlin", "objc", "zig"),
    "new": ("rust", "ruby", "perl", "lua"),
    "this": ("scala",),
}
"""Names of constructors and the languages in which they are that."""


def constructor(facts: Facts) -> str:
    """`Creates a Router from routes and prefix.`, and for a destructor `Cleans up when a Router is destroyed.`"""
    name, owner = facts.name, facts.owner
    if owner and facts.chunk.signature.partition("(")[0].endswith(f"~{owner}"):
        return f"Cleans up when {article(owner)} {owner} is destroyed."
    made = owner if owner and (facts.language in _CONSTRUCTORS.get(name, ()) or name == owner or name == "from" and _makes_owner(facts)) else ""
    if not made and facts.language == "go" and (found := re.fullmatch(r"New([A-Z]\w*)", name)):
        made = found.group(1)
    return f"Creates {article(made)} {made}{_from(facts)}." if made else ""


def _from(facts: Facts) -> str:
    return f" from {listed(facts.parameters)}" if facts.parameters else ""


DUNDERS = {
    "__repr__": "Returns the printable representation of {a}",
    "__str__": "Returns the text of {a}",
    "__len__": "Returns the length of {a}",
    "__iter__": "Iterates over {a}",
    "__next__": "Returns the next item of {a}",
    "__eq__": "Compares {a} with {p} for equality",
    "__ne__": "Tells whether {a} differs from {p}",
    "__lt__": "Tells whether {a} comes before {p}",
    "__gt__": "Tells whether {a} comes after {p}",
    "__le__": "Tells whether {a} comes before {p} or is equal",
    "__ge__": "Tells whether {a} comes after {p} or is equal",
    "__hash__": "Returns the hash of {a}",
    "__bool__": "Tells whether {a} counts as true",
    "__contains__": "Tells whether {a} contains {p}",
    "__getitem__": "Returns the item of {a} for {p}",
    "__setitem__": "Sets the item of {a} for {p}",
    "__delitem__": "Deletes the item of {a} for {p}",
    "__getattr__": "Returns attributes that {a} does not have itself, by {p}",
    "__setattr__": "Sets an attribute of {a} by {p}",
    "__call__": "Calls {a}{with}",
    "call": "Calls {a}{with}",
    "__enter__": "Enters the context of {a}",
    "__exit__": "Leaves the context of {a}",
    "__aenter__": "Enters the asynchronous context of {a}",
    "__aexit__": "Leaves the asynchronous context of {a}",
    "__aiter__": "Iterates asynchronously over {a}",
    "__anext__": "Returns the next item of {a} asynchronously",
    "__add__": "Adds {p} to {a}",
    "__sub__": "Subtracts {p} from {a}",
    "__mul__": "Multiplies {a} by {p}",
    "__or__": "Joins {a} with {p} by the operator |",
    "__and__": "Combines {a} with {p} by the operator &",
    "__del__": "Cleans up when {a} is deleted",
    "__get__": "Returns the value of {a} as a descriptor",
    "__set__": "Sets the value of {a} as a descriptor",
    "__reduce__": "Tells how {a} is pickled",
    "__getstate__": "Returns the state of {a} for pickling",
    "__setstate__": "Restores {a} from a pickled state",
    "__copy__": "Copies {a}",
    "__deepcopy__": "Copies {a} deeply",
    "__init_subclass__": "Runs when a class is derived from {owner}",
    "__post_init__": "Finishes the creation of {a}",
    "__float__": "Converts {a} to a float",
    "__int__": "Converts {a} to an integer",
    "__dir__": "Lists the attributes of {a}",
    "__await__": "Makes {a} awaitable",
    "__index__": "Converts {a} to an index",
    "__delattr__": "Deletes an attribute of {a} by {p}",
    "__reversed__": "Iterates over {a} backwards",
    "__set_name__": "Learns the name of the attribute that holds {a}",
    "__getattribute__": "Returns an attribute of {a} by {p}",
    "__class_getitem__": "Returns {owner} for the type given by {p}",
    "__bytes__": "Converts {a} to bytes",
    "__missing__": "Returns the value of {a} for a missing {p}",
    "__radd__": "Adds {a} to {p}",
    "__neg__": "Negates {a}",
    "__truediv__": "Divides {a} by {p}",
    "__invert__": "Inverts {a}",
    "__format__": "Formats {a}",
    "__toString": "Returns the text of {a}",
    "toString": "Returns the text of {a}",
    "to_s": "Returns the text of {a}",
    "inspect": "Returns the printable representation of {a}",
    "hashCode": "Returns the hash code of {a}",
    "equals": "Compares {a} with {p} for equality",
    "fmt": "Formats {a}",
    "drop": "Releases what {a} holds",
    "deref": "Gives access to what {a} wraps",
    "ToString": "Returns the text of {a}",
    "GetHashCode": "Returns the hash code of {a}",
    "Equals": "Compares {a} with {p} for equality",
    "Dispose": "Releases what {a} holds",
    "__get": "Returns a property of {a} by {p}",
    "__set": "Sets a property of {a} by {p}",
    "__call": "Handles calls of methods that {a} does not have, by {p}",
    "__callStatic": "Handles static calls that {owner} does not have, by {p}",
    "__isset": "Tells whether {a} has the property {p}",
    "__invoke": "Calls {a}{with}",
    "dealloc": "Releases what {a} holds",
    "deinit": "Releases what {a} holds",
    "__destruct": "Cleans up when {a} is destroyed",
    "String": "Returns the text of {a}",
    "compareTo": "Compares {a} with {p} for order",
    "this[]": "Returns the item of {a} for {p}",
    "subscript": "Returns the item of {a} for {p}",
}
"""Methods whose name means the same in every class of their language."""

_JVM = ("java", "kotlin", "scala", "groovy")
_LANGUAGES = {
    **dict.fromkeys(("call", "inspect", "to_s"), ("ruby",)),
    **dict.fromkeys(("fmt", "drop", "deref"), ("rust",)),
    **dict.fromkeys(("hashCode", "compareTo"), (*_JVM, "dart")),
    **dict.fromkeys(("ToString", "GetHashCode", "Equals", "Dispose", "this[]"), ("csharp", "fsharp")),
    **dict.fromkeys(("__get", "__set", "__call", "__callStatic", "__isset", "__invoke", "__destruct", "__toString"), ("php",)),
    "equals": _JVM,
    "toString": (*_JVM, "dart", "javascript", "typescript", "tsx"),
    "dealloc": ("objc",),
    "deinit": ("swift", "zig"),
    "String": ("go",),
    "subscript": ("swift",),
}
"""The languages in which such a name means that, where others use it for something else."""


def dunder(facts: Facts) -> str:
    """`Tells whether a Router contains key.`"""
    said = DUNDERS.get(facts.name)
    if said is None or not facts.owner or facts.language not in _LANGUAGES.get(facts.name, (facts.language,)):
        return _operator(facts)
    given = listed(facts.parameters)
    if "{p}" in said and not given or said.startswith("Compares") and len(facts.parameters) > 1:
        return ""
    return (
        said.format(
            a=f"{article(facts.owner)} {facts.owner}",
            p=given,
            owner=facts.owner,
            **{"with": f" with {given}" if given else ""},
        )
        + "."
    )


def _operator(facts: Facts) -> str:
    """`Operator == of Router on other.`"""
    if not facts.name.startswith("operator"):
        return ""
    found = re.search(r"\boperator\s*([^\s\w(]{1,3}|\(\)|\w[\w:]*)", facts.chunk.signature)
    of = f" of {facts.owner}" if facts.owner and facts.owner != "operator" else ""
    return f"Operator {found.group(1)}{of}{_takes(facts, ' on ')}." if found else ""


def accessor(facts: Facts) -> str:
    """`Returns the area of a Shape.` for properties, getters and setters."""
    head = _before_signature(facts)
    if ".setter" in head and _SETTER.search(head) or _SET.match(facts.chunk.signature):
        return _verb_phrase(facts, "sets", facts.words) + "."
    is_property = "property" in head and _PROPERTY.search(head)
    signature = facts.chunk.signature
    is_property = is_property or facts.language in _PROPERTIES and _DECLARED.match(signature)
    is_property = (
        is_property
        or facts.language == "csharp"
        and signature
        and "(" not in signature
        and facts.chunk.kind == "method"
    )
    if is_property or _GET.match(signature):
        return predicate(facts) or _verb_phrase(facts, "returns", facts.words) + "."
    return ""


def _before_signature(facts: Facts) -> str:
    """The text above the signature: decorators and comments of the definition itself, not of those inside it."""
    begin = facts.chunk.signature.partition("(")[0]
    return facts.text[: max(0, facts.text.find(begin))]


_SETTER = re.compile(r"^\s*@\w+\.setter\b", re.MULTILINE)
_SET = re.compile(r"(?:static\s+)?set\s+[\w#]")
_PROPERTY = re.compile(r"^\s*@(?:\w+\.)?(?:cached_|abstract|lazy_|hybrid_|class)?property\b", re.MULTILINE)
_DECLARED = re.compile(r"(?:@?[\w.]+\s+)*(?:var|val|let)\s")
_GET = re.compile(r"(?:static\s+)?get\s+[\w#]")
_PROPERTIES = frozenset({"swift", "kotlin", "scala", "groovy", "dart"})
"""Languages that declare properties with `var` or `val`."""


def predicate(facts: Facts) -> str:
    """`Tells whether path is absolute.`"""
    parts = facts.words
    if (
        not facts.owner
        and not facts.name.isupper()
        and any(part in ("is", "has") for part in parts[1:-1])
        and (parts[0] not in _ASKING and not is_verb(parts[0], alone=parts[1] in ("is", "has")))
    ):
        return f"Tells whether {' '.join(parts)}{_takes(facts)}."
    if len(parts) < 2 or parts[0] not in (
        "is",
        "has",
        "can",
        "should",
        "needs",
        "supports",
        "was",
        "are",
        "will",
        "must",
        "contains",
        "exists",
    ):
        return ""
    given, verb, rest = facts.parameters, parts[0], " ".join(parts[1:])
    on_instance = _on_instance(facts)
    itself = f"{article(facts.owner)} {facts.owner}" if facts.owner[:1].isupper() else "it"
    subject, *related = [itself, *given] if on_instance else given or [""]
    if related and _relates(parts):
        return f"Tells whether {subject} {verb} {rest} {listed(related) if parts[-1] == 'between' else related[0]}."
    if given and (verb in ("is", "are", "was") or not on_instance):
        return f"Tells whether {listed(given) if verb == 'are' else given[0]} {verb} {rest}."
    if verb != "are" or itself != "it":
        return f"Tells whether {itself} {verb} {rest}{_takes(facts)}."
    return f"Tells whether {rest} are so."


def _relates(parts: Sequence[str]) -> bool:
    """Whether a predicate's last word puts its object in relation to a parameter: `is relative to`, not `is logged in`."""
    return parts[0] != "are" and parts[-1] in PREPOSITIONS and (len(parts) == 2 or parts[-1] not in _PARTICLES)


_PARTICLES = frozenset({"in", "on", "off", "out", "up", "down", "over", "through", "about", "not", "once", "since"})
"""Prepositions that belong to the verb before them as often as not."""
_ASKING = frozenset({"check", "test", "require"})
"""Verbs before a predicate, although they are nouns as well."""


def _on_instance(facts: Facts) -> bool:
    """Whether the function is called on an object of its owner, as far as its head tells."""
    signature = facts.chunk.signature
    return bool(
        facts.owner
        and facts.language not in _MODULES
        and not _STATIC.search(signature)
        and not (facts.language == "rust" and not _RECEIVER.search(signature))
        and "@staticmethod" not in _before_signature(facts)
    )


def _makes_owner(facts: Facts) -> bool:
    """Whether a function named `from` may make its owner: it belongs to the class, or its result is of that type."""
    signature = facts.chunk.signature
    if not _on_instance(facts) or _OF_CLASS.search(signature) or "@classmethod" in _before_signature(facts):
        return True
    return not {facts.owner, "Self"}.isdisjoint(_TYPES.findall(_PARENTHESES.sub("", signature)))


_STATIC = re.compile(r"^[^(]*\bstatic\b|^class func\b|^def self\.")
_RECEIVER = re.compile(r"\bself\b")
_OF_CLASS = re.compile(r"\(\s*cls\b")
_PARENTHESES = re.compile(r"\([^()]*\)")
_TYPES = re.compile(r"\w+\b(?!::)")


_TEST = re.compile(r"^_*(?:[Tt]ests?|TEST|should|spec|it|check)(?=[_A-Z\s\d]|$)|_?(?:[Tt]ests?|[Ss]pec)$")


def test(facts: Facts) -> str:
    """`Tests that parse rejects empty input.`"""
    name = facts.name
    if " " in (facts.chunk.symbol or ""):
        quoted = re.split(r" > ", facts.chunk.symbol or "")[-1].strip("'\"` ")
        return f"Tests: {quoted}."
    parts = words(_TEST.sub("", name)) or words(name)
    if not parts or parts == ["test"]:
        return generic(facts)
    tested = " ".join(parts)
    if len(parts) > 2 and parts[0] in THIRD_PERSONS:
        return f"Tests that it {tested}."
    if any(part in THIRD_PERSONS for part in parts[1:-1]):
        return f"Tests that {tested}."
    suite = f" ({facts.owner})" if facts.owner else ""
    return f"Tests {tested}{suite}."


def handler(facts: Facts) -> str:
    """`Handles click.` for names such as `on_click` and `handleClick`."""
    parts = facts.words
    if len(parts) < 2 or parts[0] not in ("on", "handle", "handles") or facts.name.isupper():
        return ""
    return f"Handles {' '.join(parts[1:])}{_of(facts)}{_takes(facts)}."


def entry_point(facts: Facts) -> str:
    """`Command-line entry point: calls parse_args and run.`"""
    head = _before_signature(facts)
    is_command = "@" in head and _COMMAND.search(head) and _COMMAND_LINE.search(head)
    is_main = facts.name in ("main", "Main", "_main", "__main__", "cli")
    if not (is_command or is_main or "add_argument(" in facts.text):
        return ""
    options = re.findall(r"['\"](--?[a-z][\w-]+)['\"]", facts.text)
    with_options = f" with options {listed(options, 6)}" if options else ""
    if is_command:
        return f"Command-line command {facts.name}{with_options}."
    if is_main:
        return f"Command-line entry point{with_options}{calls(facts)}."
    return f"Defines the command-line options {listed(options, 8)}." if options else ""


_COMMAND = re.compile(r"^\s*@(?:\w+\.)?(?:command|group|callback)\b", re.MULTILINE)
_COMMAND_LINE = re.compile(r"click|typer|cli|app\.command|option")


def converter(facts: Facts) -> str:
    """`Converts a Point to JSON.`, or what is given where there is no object to convert."""
    parts = facts.words
    if len(parts) < 2 or parts[0] not in ("to", "from", "as", "into"):
        return ""
    rest = " ".join(parts[1:])
    owner = f"{article(facts.owner)} {facts.owner}" if facts.owner and facts.owner[:1].isupper() else ""
    if parts[0] == "from" and owner and not _makes_owner(facts):
        return ""  # Something is read by an object of the owner, such as an adapter.
    if parts[0] == "from":
        return f"Creates {owner} from {rest}{_takes(facts)}." if owner else f"Converts from {rest}{_takes(facts)}."
    third = "Gives" if parts[0] == "as" else "Converts"
    if owner and _on_instance(facts):
        return f"{third} {owner} {parts[0]} {rest}{_takes(facts)}."
    converted = facts.parameters[0] if len(facts.parameters) == 1 else owner
    return f"{third} {converted} {parts[0]} {rest}." if converted else f"Converts {parts[0]} {rest}."


def macro(facts: Facts) -> str:
    """`Macro MIN (a, b).`"""
    if facts.language not in ("c", "cpp", "objc") or not _DEFINE.match(facts.chunk.signature):
        return ""
    return f"Macro {facts.name}{_in_brackets(facts)}{calling(facts)}."


_DEFINE = re.compile(r"#\s*define\b")


def verb(facts: Facts) -> str:
    """`Loads the config, given path; calls open.` for names that begin with a known verb."""
    parts = facts.words
    if len(parts) > 1 and parts[0] in _HELPERS and is_verb(parts[1], len(parts) == 2):
        parts = parts[1:]
    is_module_first = (
        len(parts) == 2 and parts[0] in NOUNS_ALONE and is_verb(parts[1], alone=True) and "_" in facts.name
    )
    if not parts or facts.name.isupper() or is_module_first and not facts.owner:
        return ""
    if len(parts) == 1 and third_person(parts[0]) == "returns" and not facts.parameters:
        return ""  # It says that something is returned, not what.
    if is_verb(parts[0], len(parts) == 1 and not facts.parameters and not facts.calls):
        return f"{_verb_phrase(facts, third_person(parts[0]), parts[1:])}{_takes(facts)}{calls(facts)}."
    if len(parts) > 1 and parts[0] in THIRD_PERSONS and parts[0] != "does":
        return f"{_verb_phrase(facts, parts[0], parts[1:])}{_takes(facts)}{calls(facts)}."
    return ""


_HELPERS = frozenset("do try async maybe internal auto lazy inner safe really".split())
"""Words before the verb that say how, not what."""


def prefixed_verb(facts: Facts) -> str:
    """`Prints the npm version (nvm).` for names whose verb stands after or before a module's name (`llist_destroy`)."""
    parts = facts.words
    if "_" not in facts.name.strip("_") or facts.owner or facts.name.isupper() or len(parts) < 2:
        return ""
    tail = f"{_takes(facts)}{calls(facts)}."
    if len(parts) > 2 and is_verb(parts[1], alone=True):
        return f"{capital(third_person(parts[1]))} {noun_phrase(parts[2:])} ({parts[0]}){tail}"
    if is_verb(parts[-1], alone=True):
        return f"{capital(third_person(parts[-1]))} ({' '.join(parts[:-1])}){tail}"
    return ""


def generic(facts: Facts) -> str:
    """`Function split_words (text, limit): calls findall and lower.`"""
    if not facts.name:
        return ""
    noun = {"method": "Method", "test": "Test"}.get(facts.chunk.kind, "Function")
    place = f" of {facts.owner}" if facts.owner else ""
    return f"{noun} {facts.name}{_in_brackets(facts)}{place}{calling(facts)}."


_MODULES = frozenset({"elixir", "ocaml", "haskell", "lua", "perl", "zig", "julia", "powershell", "erlang", "fsharp"})
"""Languages in which what owns a function is a module, of which there is only one."""


def _verb_phrase(facts: Facts, third: str, rest: Sequence[str]) -> str:
    """Verb, object and the class they belong to; a verb alone acts on its class, or for it where it takes parameters."""
    owner, single = facts.owner, facts.language in _MODULES or not facts.owner[:1].isupper()
    named = owner if single else f"{article(owner)} {owner}"
    if rest:
        place = f" of {named}" if third in ("returns", "sets") else f" in {owner}"
        return capital(f"{third} {noun_phrase(rest)}{place if owner else ''}")
    if not owner:
        return capital(f"{third} {facts.parameters[0]}" if facts.parameters and third != "returns" else third)
    if single:
        return capital(f"{third} in {owner}")
    return capital(f"{named} {third}" if facts.parameters else f"{third} {named}")


def _of(facts: Facts) -> str:
    return f" in {facts.owner}" if facts.owner else ""


def _takes(facts: Facts, lead: str = ", given ") -> str:
    return f"{lead}{listed(facts.parameters)}" if facts.parameters else ""


def _in_brackets(facts: Facts) -> str:
    return f" ({', '.join(facts.parameters[:6])})" if facts.parameters else ""


def calls(facts: Facts) -> str:
    return f"; calls {listed(facts.calls)}" if facts.calls else ""


def calling(facts: Facts) -> str:
    return f": calls {listed(facts.calls)}" if facts.calls else ""


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


FUNCTION = (
    constructor,
    dunder,
    macro,
    accessor,
    entry_point,
    predicate,
    handler,
    converter,
    verb,
    prefixed_verb,
    generic,
)
TEST = (test, generic)
