"""The tools that agents see: what each is for, what it takes and returns; and arguments checked against that.

Descriptions are read by a model in every session, so they are short: when to call, when not to, what to call instead.
Arguments are strings and integers; models sometimes send numbers as strings, which are taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wayfind.errors import UsageError
from wayfind.serve.agent import FEWEST_TOKENS, MAX_TOKENS, MOST_TOKENS

INSTRUCTIONS = (
    "Wayfind finds code by what it does. Call search first when you do not know where something is or what it is called; "
    "use ripgrep for exact strings, for every occurrence of a name and for regular expressions."
)


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a tool. `least` and `most` bound integers."""

    about: str
    integer: bool = False
    required: bool = False
    least: int = 0
    most: int = 0

    @property
    def is_switch(self) -> bool:
        """Whether it says yes or no; models then send a boolean as well."""
        return self.integer and (self.least, self.most) == (0, 1)

    def schema(self) -> dict[str, Any]:
        if not self.integer:
            return {"type": "string", "description": self.about}
        return {"type": "integer", "minimum": self.least, "maximum": self.most, "description": self.about}


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as it is listed. It reads and never writes into a repository."""

    name: str
    title: str
    about: str
    arguments: Mapping[str, Argument]
    output: Mapping[str, Any]

    def input_schema(self) -> dict[str, Any]:
        required = [name for name, argument in self.arguments.items() if argument.required]
        properties = {name: argument.schema() for name, argument in self.arguments.items()}
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}

    def checked(self, given: Mapping[str, Any] | None) -> dict[str, Any]:
        """The arguments, of the types declared; those not given or null are absent. Raises UsageError."""
        values = {name: value for name, value in (given or {}).items() if value is not None}
        for name in values:
            if name not in self.arguments:
                raise UsageError(f"{self.name} has no argument {name[:40]!r}; it takes {', '.join(self.arguments) or 'none'}")
        for name, argument in self.arguments.items():
            if argument.required and name not in values:
                raise UsageError(f"{self.name} needs {name}: {argument.about}")
        return {name: _value(name, value, self.arguments[name]) for name, value in values.items()}


_SWITCHED = {"true": 1, "false": 0}


def _value(name: str, value: Any, argument: Argument) -> str | int:
    if not argument.integer:
        if not isinstance(value, str):
            raise UsageError(f"{name} must be a string, not {_kind_of(value)}")
        return value
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 20 or isinstance(value, float) and value.is_integer():
        value = int(value)
    if argument.is_switch and str(value).strip().lower() in _SWITCHED:
        value = _SWITCHED[str(value).strip().lower()]
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"{name} must be an integer, not {_kind_of(value)}")
    if not argument.least <= value <= argument.most:
        raise UsageError(f"{name} must be from {argument.least:,} to {argument.most:,}, not {value:,}")
    return value


def _kind_of(value: Any) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list", dict: "an object"}
    return names.get(type(value), "this")


_PLACE = Argument("FILE:LINE, as search gives it or absolute, e.g. src/app.py:12", required=True)
_RESULTS = Argument("Most results. Default: as many as max_tokens is worth, 6 to 50.", integer=True, least=1, most=100)
_TOKENS = Argument(
    f"Size of the answer in tokens, never exceeded. Default {MAX_TOKENS}; {FEWEST_TOKENS} to {MOST_TOKENS}. More shows more code.",
    integer=True, least=FEWEST_TOKENS, most=MOST_TOKENS,
)  # fmt: skip

_RESULT_SCHEMA = {
    "type": "object",
    "properties": {
        "place": {"type": "string", "description": "path:first-last line, 1-based; relative to the root, absolute when there are several roots"},
        "symbol": {"type": "string", "description": "empty for code outside of definitions"},
        "kind": {"type": "string"},
        "summary": {"type": "string", "description": "what it does, one line"},
        "relation": {"type": "string", "description": "how it is connected with the place asked for, or with an earlier result"},
        "code": {"type": "string", "description": "its first lines and those that matched; a line … stands for lines left out"},
    },
    "required": ["place", "symbol", "kind", "summary"],
}


def _output(**more: Any) -> dict[str, Any]:
    facts = {
        "note": {"type": "string", "description": "what to know about the answer, and what to do next; may be empty"},
        "partial": {"type": "boolean", "description": "the first index is still being made; ask again for the full answer"},
        **more,
    }
    results = {"type": "array", "items": _RESULT_SCHEMA, "description": "best first"}
    return {"type": "object", "properties": {**facts, "results": results}, "required": [*facts, "results"]}


_CONFIDENCE = {"type": "number", "description": "0 to 1: probability that the results answer the query"}

SEARCH = Tool(
    "search",
    "Search code by meaning",
    "Find where something is done in the repository: ask with a question, words, a name you are not sure of, pasted code, an error "
    "or a stack trace. Returns definitions and document sections, best first: path:lines, name, one line on what each does, then "
    "code of the best.\n"
    "Call it first when you do not know the file or the name. Do not call it for an exact string, for every use of a name or for a "
    "regular expression: ripgrep is faster and complete there. One good question does; when the answer says that it is probably "
    "not in the repository, believe it rather than reword.",
    {
        "query": Argument("What to find, in your own words or pasted.", required=True),
        "path": Argument("Only below this folder or file, or matching this glob: src/api, *.py"),
        "lang": Argument("Only this language, or several with commas: python,typescript"),
        "kind": Argument("Only function, method, class, interface, enum, type, module, constant, test, block, section or entry"),
        "graph": Argument("1: for how does X work; the definitions that calls connect, in the order of the flow.", integer=True, least=0, most=1),
        "max_results": _RESULTS,
        "max_tokens": _TOKENS,
    },
    _output(confidence=_CONFIDENCE),
)
RELATED = Tool(
    "related",
    "Find related code",
    "Find what has to do with the definition at FILE:LINE: what calls it, what it calls, its tests, the methods beside it, other "
    "implementations, copies. Call it before you change or add something, to find what has to change with it and what is there "
    "already. Callers are those that imports and types settle; for every mention of a name use ripgrep.",
    {"place": _PLACE, "max_results": _RESULTS, "max_tokens": _TOKENS},
    _output(),
)
EXPLAIN = Tool(
    "explain",
    "Explain a definition",
    "Say what the definition or section around FILE:LINE does and from where that is known, which commits changed it last, and "
    "show its whole code. Call it to read one definition of a long file, or to learn why it is there. Do not call it for lines you "
    "have read already.",
    {"place": _PLACE, "max_tokens": _TOKENS},
    _output(
        explanation={"type": "string"},
        source={"type": "string", "description": "manual, docstring, comment, header, generated, synthetic or code"},
        commits={"type": "array", "items": {"type": "string"}, "description": "newest first"},
    ),
)
STATUS = Tool(
    "status",
    "State of the index",
    "Say which folders are searched, whether their index is ready and fresh, and what was left out and why. Call it when a search "
    "was partial or found nothing where you expected something; otherwise there is no need.",
    {},
    {
        "type": "object",
        "properties": {
            "roots": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "root": {"type": "string"},
                        "state": {"type": "string", "description": "absent, indexing, ready or failed"},
                        "detail": {"type": "string"},
                    },
                    "required": ["root", "state", "detail"],
                },
            }
        },
        "required": ["roots"],
    },
)
TOOLS = {tool.name: tool for tool in (SEARCH, RELATED, EXPLAIN, STATUS)}
