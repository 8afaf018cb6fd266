"""What Wayfind writes into one file: how it is put into a text, taken out of it, and told from what others wrote there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from wayfind.serve.clients import jsonc, markdown, toml


class Part(Protocol):
    """Something of Wayfind's in a file that belongs to somebody else. Its methods raise Malformed."""

    @property
    def file(self) -> Path: ...

    def added(self, text: str) -> str:
        """The text with the part, whatever stood in its place."""

    def removed(self, text: str) -> str:
        """The text without the part; as it is where there is none."""

    def put_back(self, text: str, before: str) -> str:
        """The text with what `before` holds in the place of the part; without the part where that is nothing."""

    def ours(self, text: str, program: str | None) -> bool:
        """Whether what stands in the place of the part is Wayfind's. `program` is the one recorded; None: no record."""

    def others(self, text: str) -> Any:
        """What the text means without the part; equal for two texts means that nothing of others was touched."""


@dataclass(frozen=True, slots=True)
class JsonMember:
    """A member of an object in a file of JSON, comments allowed."""

    file: Path
    path: tuple[str, ...]
    value: Mapping[str, Any]

    def added(self, text: str) -> str:
        return jsonc.with_member(text, self.path, dict(self.value))

    def removed(self, text: str) -> str:
        return jsonc.without_member(text, self.path)

    def put_back(self, text: str, before: str) -> str:
        return jsonc.member_put_back(text, self.path, before)

    def ours(self, text: str, program: str | None) -> bool:
        return _is_entry(_at(jsonc.value_of(text), self.path), self.value, program)

    def program(self, text: str) -> str:
        """The program that the text starts at this place; empty for none."""
        return program_of(_at(jsonc.value_of(text), self.path))

    def others(self, text: str) -> Any:
        return _without(jsonc.value_of(text), self.path)


@dataclass(frozen=True, slots=True)
class TomlTable:
    """A table in a file of TOML."""

    file: Path
    path: tuple[str, ...]
    value: Mapping[str, Any]

    def added(self, text: str) -> str:
        return toml.with_table(text, self.path, dict(self.value))

    def removed(self, text: str) -> str:
        return toml.without_table(text, self.path)

    def put_back(self, text: str, before: str) -> str:
        return toml.table_put_back(text, self.path, before)

    def ours(self, text: str, program: str | None) -> bool:
        return toml.is_marked(text, self.path) or _is_entry(_at(toml.value_of(text), self.path), self.value, program)

    def program(self, text: str) -> str:
        """The program that the text starts at this place; empty for none."""
        return program_of(_at(toml.value_of(text), self.path))

    def others(self, text: str) -> Any:
        return _without(toml.value_of(text), self.path)


@dataclass(frozen=True, slots=True)
class Block:
    """A marked block in a file of Markdown."""

    file: Path
    content: str

    def added(self, text: str) -> str:
        return markdown.with_block(text, self.content)

    def removed(self, text: str) -> str:
        return markdown.without_block(text)

    def put_back(self, text: str, before: str) -> str:
        return markdown.block_put_back(text, before)

    def ours(self, text: str, program: str | None) -> bool:
        return True  # it is marked

    def others(self, text: str) -> Any:
        return self.removed(text).split()


@dataclass(frozen=True, slots=True)
class File:
    """A whole file of Wayfind's own."""

    file: Path
    content: str

    def added(self, text: str) -> str:
        return self.content

    def removed(self, text: str) -> str:
        return self.put_back(text, "")

    def put_back(self, text: str, before: str) -> str:
        return text.replace(self.content, before, 1)

    def ours(self, text: str, program: str | None) -> bool:
        return self.content in text

    def others(self, text: str) -> Any:
        return None


def program_of(entry: Any) -> str:
    """The program that an entry for a server starts; empty where it names none."""
    command = entry.get("command") if isinstance(entry, Mapping) else None
    first = command[0] if isinstance(command, list) and command else command
    return first if isinstance(first, str) else ""


def _is_entry(found: Any, value: Mapping[str, Any], program: str | None) -> bool:
    """Whether an entry is the one that Wayfind writes, or starts what was recorded or would be written."""
    return found == value or program is not None and program_of(found) in {program, program_of(value)} - {""}


def _at(data: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _without(data: Any, path: tuple[str, ...]) -> str:
    """The data without what stands at `path`, in one form; objects above it that are empty then do not count."""
    return repr(_sorted(_pruned(data or {}, path)))


def _pruned(data: Any, path: tuple[str, ...]) -> Any:
    if not isinstance(data, dict) or path[0] not in data:
        return data
    kept = {key: value for key, value in data.items() if key != path[0]}
    inner = _pruned(data[path[0]], path[1:]) if path[1:] else None
    return {**kept, path[0]: inner} if inner else kept


def _sorted(data: Any) -> Any:
    """The data with its keys in order; nan is equal to nan as text, so the form is for `repr`."""
    if isinstance(data, dict):
        return {key: _sorted(data[key]) for key in sorted(data)}
    return [_sorted(item) for item in data] if isinstance(data, list) else data
