"""A configuration file in, chunks of kind `entry` that tile it out: one per top-level key, by lines.

JSON, YAML, TOML and INI are read by their marks, never by their values: nothing is constructed, no alias is followed and
depth costs no stack. A large entry is cut one level down (`tool.ruff`), small neighbours are put together.
Text that is not of its language raises `Malformed`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import yaml

from wayfind.types import Chunk

LARGE = 60
"""Lines from which an entry is cut into its children."""

SMALL = 8
"""Lines up to which an entry is put together with its small neighbours."""

TOGETHER = 30
"""Lines at most in entries put together, and in the parts of a large entry that has no children."""

DEPTH = 5
"""Levels of keys that are kept; what lies deeper belongs to its ancestor."""

NESTING = 2_000
"""Levels of brackets beyond which a text is refused: no configuration is so deep, and libyaml slows down."""


class Malformed(ValueError):
    """The text is not of the language that it was taken for."""


@dataclass(slots=True)
class Key:
    """A key (or `[2]`, an item of a list) with its 1-based inclusive lines and the keys below it."""

    name: str
    start: int
    end: int
    children: list[Key] = field(default_factory=list)


def entries(text: str, language: str) -> list[Chunk]:
    """Chunks of a `json`, `yaml`, `toml` or `ini` text; each non-blank line lies in exactly one.

    >>> [(e.symbol, e.start_line, e.end_line) for e in entries("[tool]\\nx = 1\\n", "toml")]
    [('tool', 1, 2)]
    """
    lines = text.split("\n")
    last = len(lines)
    chunks = _cut(READERS[language](text), "", 1, last)
    trimmed = (_trim(chunk, lines) for chunk in chunks)
    return [chunk for chunk in trimmed if chunk is not None]


def _cut(keys: Sequence[Key], parent: str, start: int, end: int) -> list[Chunk]:
    """Chunks that tile lines start..end, in which `keys` lie; lines between two keys go to the second (a comment above)."""
    chunks: list[Chunk] = []
    for group, first, last in _groups(keys, start, end):
        only = group[0] if len(group) == 1 else None
        path = _join(parent, group[0].name) if only or group[0].name.startswith("[") else parent
        if only and only.children and last - first + 1 > LARGE:
            chunks += _cut(only.children, path, first, last)
        else:
            named = only.children if only else group
            chunks += [
                Chunk(at, min(at + size - 1, last), "entry", path or None, _names(named))
                for at, size in _parts(first, last)
            ]
    return chunks or [Chunk(at, min(at + size - 1, end), "entry", parent or None) for at, size in _parts(start, end)]


def _join(parent: str, name: str) -> str:
    return f"{parent}{name}" if name.startswith("[") or not parent else f"{parent}.{name}"


def _names(keys: Sequence[Key]) -> str:
    """The names of keys, or of the keys in the items of a list, once each."""
    named = [one for key in keys for one in (key.children if key.name.startswith("[") else [key])]
    return ", ".join(dict.fromkeys(key.name for key in named if not key.name.startswith("[")))


def _parts(first: int, last: int) -> Iterator[tuple[int, int]]:
    """Starts and sizes of the parts of lines first..last: one, or several when they are too many for one chunk."""
    size = last - first + 1 if last - first + 1 <= LARGE else TOGETHER
    return ((at, size) for at in range(first, last + 1, size))


def _groups(keys: Sequence[Key], start: int, end: int) -> Iterator[tuple[list[Key], int, int]]:
    """Groups of keys and the lines they get: together start..end without gap; keys that share a line share a group."""
    group: list[Key] = []
    first, last = start, start - 1
    for key in keys:
        size = key.end - max(last + 1, start) + 1
        joins = (
            key.start <= last
            or (
                key.end - key.start < SMALL
                and group[-1].end - group[-1].start < SMALL
                and last - first + 1 + size <= TOGETHER
            )
            if group
            else True
        )
        if not joins:
            yield group, first, last
            group, first = [], last + 1
        group.append(key)
        last = max(last, key.end)
    if group:
        yield group, first, end


def _trim(chunk: Chunk, lines: Sequence[str]) -> Chunk | None:
    """The chunk without blank lines at its ends; None when nothing is left."""
    start, end = chunk.start_line, chunk.end_line
    while start <= end and not lines[start - 1].strip():
        start += 1
    while end >= start and not lines[end - 1].strip():
        end -= 1
    if start > end:
        return None
    return Chunk(start, end, chunk.kind, chunk.symbol, chunk.signature, _comment_above(lines[start - 1 : end]))


def _comment_above(lines: Sequence[str]) -> str:
    """The comment that the lines begin with, markers removed."""
    kept = []
    for line in lines:
        if not line.lstrip().startswith(("#", "//", ";")):
            break
        kept.append(line.strip().lstrip("#/;").strip())
    return "\n".join(kept).strip()


# JSON and YAML ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Level:
    """An open mapping or sequence; `keys` is None where it lies too deep to be kept."""

    keys: list[Key] | None
    mapping: bool
    at_value: bool = False

    def begin(self, name: str, line: int) -> Key | None:
        """A node begins: a key, a key's value or an item. Returns the key that it belongs to."""
        if self.keys is None:
            return None
        if not self.mapping:
            self.keys.append(Key(f"[{len(self.keys)}]", line, line))
        elif not self.at_value:
            self.keys.append(Key(name[:200], line, line))
        return self.keys[-1]

    def finish(self, line: int) -> None:
        """The node that began last ends on `line`."""
        if self.keys:
            self.keys[-1].end = max(self.keys[-1].end, line)
        self.at_value = self.mapping and not self.at_value


@dataclass(slots=True)
class _Outline:
    """Builds keys from the stream of a parser's events, without recursion."""

    top: list[Key] = field(default_factory=list)
    levels: list[_Level] = field(default_factory=list)
    last: int = 1
    """Line on which the last scalar or closing bracket stood: where a block without an end mark of its own ends."""

    def open(self, mapping: bool, line: int) -> None:
        below: list[Key] | None = self.top
        if self.levels:
            key = self.levels[-1].begin("?", line)
            below = key.children if key is not None and len(self.levels) < DEPTH else None
        self.levels.append(_Level(below, mapping))
        if len(self.levels) > NESTING:
            raise Malformed(f"line {line}: nested deeper than {NESTING} levels")

    def scalar(self, value: str, first: int, last: int) -> None:
        self.last = last
        if self.levels:
            self.levels[-1].begin(value, first)
            self.levels[-1].finish(last)

    def close(self, line: int) -> None:
        self.last = line
        self.levels.pop()
        if self.levels:
            self.levels[-1].finish(line)


_JSON_TOKEN = re.compile(
    r'"[^"\\\n]*(?:\\.[^"\\\n]*)*"|"[^\n]*|//[^\n]*|/\*[^*]*(?:\*(?!/)[^*]*)*(?:\*/|\Z)|[\[\]{}]|[^\s\[\]{},:"/]+|\n'
)


def json_keys(text: str) -> list[Key]:
    """Keys of a JSON text; comments, trailing commas and several values (JSON lines) are allowed.

    >>> [(key.name, key.start, key.end) for key in json_keys('{"a": [1,\\n2], "b": 3}')]
    [('a', 1, 2), ('b', 2, 2)]
    """
    outline, line = _Outline(), 1
    for token in map(re.Match.group, _JSON_TOKEN.finditer(text)):
        if token == "\n":
            line += 1
        elif token in "{[":
            outline.open(token == "{", line)
        elif token in "}]":
            if not outline.levels or outline.levels[-1].mapping != (token == "}"):
                raise Malformed(f"line {line}: {token} closes nothing")
            outline.close(line)
        elif token.startswith("/*") and (len(token) < 4 or not token.endswith("*/")):
            raise Malformed(f"line {line}: the comment is not closed")
        elif token.startswith(("//", "/*")):
            line += token.count("\n")
        elif token[0] == '"' and (len(token) == 1 or token[-1] != '"'):
            raise Malformed(f"line {line}: the string is not closed")
        else:
            outline.scalar(token.strip('"'), line, line)
    if outline.levels:
        raise Malformed(f"{len(outline.levels)} brackets are not closed")
    if not outline.top and text.strip() and not re.search(r"[\[{]", text):
        raise Malformed("neither an object nor an array")
    return outline.top


_NO_LINE_ENDS = dict.fromkeys((0x85, 0x2028, 0x2029), " ")
"""Line ends of YAML 1.1 alone; the lines of a file, and of YAML 1.2, are not ended by them."""
_YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def yaml_keys(text: str) -> list[Key]:
    """Keys of all documents of a YAML text, from the parser's events."""
    outline = _Outline()
    try:
        for event in yaml.parse(text.translate(_NO_LINE_ENDS), Loader=_YAML_LOADER):
            first = event.start_mark.line + 1
            if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                outline.open(isinstance(event, yaml.MappingStartEvent), first)
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                outline.close(_last_line(event) if event.end_mark.index > event.start_mark.index else outline.last)
            elif isinstance(event, (yaml.ScalarEvent, yaml.AliasEvent)):
                outline.scalar(getattr(event, "value", "*"), first, _last_line(event))
    except (yaml.YAMLError, RecursionError, UnicodeError) as problem:
        raise Malformed(str(problem)) from problem
    return outline.top


def _last_line(event: yaml.Event) -> int:
    """The 1-based line on which an event ends; block scalars end at column 0 of the line after them."""
    mark = event.end_mark
    return max(event.start_mark.line + 1, mark.line + (1 if mark.column else 0))


# TOML and INI ----------------------------------------------------------------------------------------------------------

_TOML_TOKEN = re.compile(
    r'"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""|"""|'
    r"'''.*?'''|'''|"
    r'"[^"\\\n]*(?:\\.[^"\\\n]*)*"|"[^\n]*|'
    r"'[^'\n]*'|#[^\n]*|[\[\]{}]|\n",
    re.DOTALL,
)
# What is found is stripped afterwards: a pattern that skips blanks before and behind a lazy part takes the square of their number.
_TOML_TABLE = re.compile(r"\s*\[\[?([^\[\]#]+)\]\]?\s*(?:#.*)?$")
_TOML_KEY = re.compile(r"\s*((?:[\w-]+|\"[^\"\n]*\"|'[^'\n]*')(?:\s*\.\s*(?:[\w-]+|\"[^\"\n]*\"|'[^'\n]*'))*)\s*=")


def toml_keys(text: str) -> list[Key]:
    """Tables of a TOML text with their keys, by lines; a table's name is its full path."""
    lines = text.split("\n")
    return _tables(lines, _toml_statements(text), _TOML_TABLE, _TOML_KEY)


def _toml_statements(text: str) -> list[int]:
    """Lines on which a statement begins: those that start outside every bracket and long string."""
    starts, line, depth = [1], 1, 0
    for match in _TOML_TOKEN.finditer(text):
        token = match.group()
        if token in ('"""', "'''"):
            raise Malformed(f"line {line}: the string is not closed")
        if token in "[{":
            depth += 1
        elif token in "]}":
            depth = max(0, depth - 1)
        else:
            line += token.count("\n")
            if token == "\n" and depth == 0:
                starts.append(line)
    return starts


_INI_TABLE = re.compile(r"\s*\[([^\]]+)\]\s*(?:[#;].*)?$")
_INI_KEY = re.compile(r"([^\s#;=:\[][^#;=:\[]*)[=:]")


def ini_keys(text: str) -> list[Key]:
    """Sections of an INI text (also .cfg, .properties, .editorconfig) with their keys, by lines."""
    lines = text.split("\n")
    return _tables(lines, range(1, len(lines) + 1), _INI_TABLE, _INI_KEY)


def _tables(lines: Sequence[str], starts: Sequence[int], table: re.Pattern[str], key: re.Pattern[str]) -> list[Key]:
    """Headers and the keys below them, each reaching to the line before the next, comments directly above included."""
    top: list[Key] = []
    inside = False
    for number in starts:
        line = lines[number - 1]
        if header := table.match(line):
            _extend(top, number - 1)
            top.append(Key(_plain(header.group(1)), number, number))
            inside = True
        elif found := key.match(line):
            siblings = top[-1].children if inside else top
            _extend(siblings, number - 1)
            siblings.append(Key(_plain(found.group(1)), number, number))
    _extend(top, len(lines))
    if not top and any(line.strip() for line in lines):
        raise Malformed("neither a header nor a key")
    for one in top:
        _extend(one.children, one.end)
    _leave_comments(top, lines)
    return top


def _extend(keys: Sequence[Key], line: int) -> None:
    if keys:
        keys[-1].end = max(keys[-1].end, line)


def _leave_comments(keys: Sequence[Key], lines: Sequence[str]) -> None:
    """Give the comments and blank lines at the end of each key to the key below."""
    for key in keys:
        _leave_comments(key.children, lines)
    for key in keys[:-1]:
        while key.end > key.start and (not lines[key.end - 1].strip() or lines[key.end - 1].lstrip()[0] in "#;"):
            key.end -= 1
        for child in key.children[-1:]:
            child.end = min(child.end, key.end)


def _plain(name: str) -> str:
    return ".".join(part.strip() for part in name.split(".")).replace('"', "").replace("'", "")[:200]


READERS: dict[str, Callable[[str], list[Key]]] = {
    "json": json_keys,
    "yaml": yaml_keys,
    "toml": toml_keys,
    "ini": ini_keys,
    "dotenv": ini_keys,
}
