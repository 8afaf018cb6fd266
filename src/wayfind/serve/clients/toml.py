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
    try:
        whole = _at(value_of(made), path) == value
    except Malformed:
        whole = False
    return made if whole else _set(text, path, value)


def without_table(text: str, path: tuple[str, ...]) -> str:
    """The text without the table `path`, marked or not, or as it is where there is none."""
    if _at(value_of(text), path) is None:
        return text
    unmarked = _BLOCK.sub("", text)
    try:
        if unmarked != text and _at(value_of(unmarked), path) is None:
            return unmarked
    except Malformed:
        pass
    document = _document(text)
    holder: Any = document
    for key in path[:-1]:
        holder = holder[key]
    del holder[path[-1]]
    return _mark(text) + document.as_string()


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
