"""TOML, edited as text: a marked block with one table is put at the end or taken out; every other byte stays as it is.

tomlkit reads, and edits where a block cannot do it: a table written inline, or one that somebody wrote without marks.
"""

from __future__ import annotations

import re
from typing import Any

from wayfind.serve.clients.jsonc import Malformed

BEGIN = "# wayfind: begin (written by `wayfind install`; `wayfind uninstall` takes it out)"
END = "# wayfind: end"
_BLOCK = re.compile(r"(?:\r?\n)?(?:^|(?<=\A\ufeff))# wayfind: begin\b[^\n]*\n.*?^# wayfind: end[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_HEADER = re.compile(r"^[ \t]*\[", re.MULTILINE)
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


def value_of(text: str) -> dict[str, Any]:
    """What the text means. Raises Malformed."""
    return _document(text).unwrap()


def with_table(text: str, path: tuple[str, ...], value: dict[str, Any]) -> str:
    """The text with the table `path` in a marked block at its end; what stands under that name already is replaced."""
    if _at(value_of(text), path) == value:
        return text
    text = without_table(text, path)
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = [BEGIN, f"[{'.'.join(path)}]", *(f"{key} = {_written(item)}" for key, item in value.items()), END, ""]
    gap = newline * (0 if text in ("", "\ufeff") else 1 if text.endswith("\n") else 2)
    made = text + gap + newline.join(lines)
    return made if _is(made, path, value) else _set(text, path, value)


def without_table(text: str, path: tuple[str, ...]) -> str:
    """The text without the table `path`, marked or not, or as it is where there is none."""
    if _at(value_of(text), path) is None:
        return text
    unmarked = _BLOCK.sub("", text)
    if unmarked != text and _is(unmarked, path, None):
        return unmarked
    bare, _ = _cut(text.removeprefix("\ufeff"), path)
    if _is(bare, path, None):
        return _mark(text) + bare
    document = _document(text)
    holder: Any = document
    for key in path[:-1]:
        holder = holder[key]
    del holder[path[-1]]
    return _mark(text) + document.as_string()


def table_put_back(text: str, path: tuple[str, ...], before: str) -> str:
    """The text with the table `path` as it is written in `before`; without one where `before` has none."""
    value, rest = _at(value_of(before), path), without_table(text, path)
    if value is None or rest == text:
        return rest
    marked = _BLOCK.search(before)
    own = marked.group() if marked and _at(value_of(_BLOCK.sub("", before)), path) is None else _cut(before, path)[1]
    newline = "\r\n" if "\r\n" in text else "\n"
    made = rest + ("" if not rest or rest.endswith("\n") else newline) + own
    return made if own and _is(made, path, value) else _set(rest, path, value)


def is_marked(text: str, path: tuple[str, ...]) -> bool:
    """Whether all of the table `path` stands between Wayfind's marks."""
    return _at(value_of(text), path) is not None and _is(_BLOCK.sub("", text), path, None)


def _is(text: str, path: tuple[str, ...], value: Any) -> bool:
    """Whether the text is TOML and holds the value at `path`; None is for no value."""
    try:
        return _at(value_of(text), path) == value
    except Malformed:
        return False


def _cut(text: str, path: tuple[str, ...]) -> tuple[str, str]:
    """The text without the tables that headers open at `path` and below it, and what was cut. Blank lines and comments
    after the last key of each stay, for they are of what follows."""
    headers = [match.start() for match in _HEADER.finditer(text)]
    kept, cut, end = "", "", 0
    for number, start in enumerate(headers):
        if start < end or _opened(text, start)[: len(path)] != path or not _is_whole(text[:start]):
            continue
        stop = next((later for later in headers[number + 1 :] if _is_whole(text[:later])), len(text))
        lines = _LINE.findall(text[start:stop])
        while lines[-1].strip() == "" or lines[-1].lstrip().startswith("#"):
            lines.pop()
        own = "".join(lines)
        kept, cut, end = kept + text[end:start], cut + own, start + len(own)
    return kept + text[end:], cut


def _opened(text: str, at: int) -> tuple[str, ...]:
    """The table that the header on the line at `at` opens; empty where that is no header."""
    try:
        data = value_of(text[at:].partition("\n")[0].rstrip("\r"))
    except Malformed:
        return ()
    keys = []
    while isinstance(data, dict) and len(data) == 1:
        ((key, data),) = data.items()
        keys.append(key)
        data = data[0] if isinstance(data, list) and data else data
    return tuple(keys)


def _is_whole(text: str) -> bool:
    """Whether a text that was cut before a line ends outside of any value."""
    try:
        _document(text)
    except Malformed:
        return False
    return True


def _set(text: str, path: tuple[str, ...], value: dict[str, Any]) -> str:
    """The text with an inline table under `path`, where the tables above it are inline and cannot be extended."""
    import tomlkit

    document = _document(text)
    holder: Any = document
    for depth, key in enumerate(path[:-1]):
        holder = holder.setdefault(key, {})
        if not isinstance(holder, dict):
            raise Malformed(f"expected a table for {'.'.join(path[: depth + 1])}", text, 0)
    table = tomlkit.inline_table()
    table.update(value)
    holder[path[-1]] = table
    return _mark(text) + document.as_string()


def _document(text: str) -> Any:
    import tomlkit
    from tomlkit.exceptions import ParseError, TOMLKitError

    try:
        return tomlkit.parse(text.removeprefix("\ufeff"))
    except ParseError as error:
        if str(error).startswith(("Unexpected end of file", r"Unexpected character: '\x00'")) and "\0" not in text:  # tomlkit's sign of the end
            raise Malformed("the file ends in the middle of a value", text, len(text.rstrip())) from error
        lines = text.splitlines(keepends=True)
        at = sum(map(len, lines[: error.line - 1])) + error.col
        raise Malformed(str(error).partition(" at line ")[0], text, min(at, len(text))) from error
    except TOMLKitError as error:
        raise Malformed(str(error), text, 0) from error


def _mark(text: str) -> str:
    return "\ufeff" if text.startswith("\ufeff") else ""


def _at(data: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _written(value: Any) -> str:
    import tomlkit

    return tomlkit.item(value).as_string()
