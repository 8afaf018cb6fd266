"""JSON with comments, edited as text: one member is put in or taken out, every other byte stays as it is.

Comments and trailing commas are understood, for VS Code and opencode allow both; anything else that is not JSON raises
`Malformed` with its place. No library is used: the ones for Python write a document anew, and with it its layout.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

DEEPEST = 200
"""Levels of nesting beyond which a text is refused; settings of agents have about five."""
_SPACE = re.compile(r"(?:[ \t\r\n\ufeff]|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_TO_LINE_END = re.compile(r"(?:[ \t]|/\*(?:(?!\*/)[^\n])*\*/)*(?://[^\r\n]*)?(?=\r?\n|\Z)")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_LITERAL = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null")


class Malformed(ValueError):
    """The text is not of its format, or the place where a member belongs is taken by something else."""

    def __init__(self, message: str, text: str, at: int):
        super().__init__(message)
        self.line = text.count("\n", 0, at) + 1
        self.column = at - (text.rfind("\n", 0, at) + 1) + 1


@dataclass(slots=True)
class Node:
    """A value of the text: what it means and where it stands. The members of an object in the order of the text."""

    start: int
    end: int
    value: Any
    members: list[Member] = field(default_factory=list)
    trailing_comma: int = -1
    """Offset of a comma after the last member; -1 for none."""

    @property
    def is_object(self) -> bool:
        return isinstance(self.value, dict)

    def member(self, key: str) -> Member | None:
        """The last member of that name, which is the one that counts."""
        return next((member for member in reversed(self.members) if member.key == key), None)


@dataclass(slots=True)
class Member:
    """`"key": value`, from the offset of the key's quote to the end of the value."""

    key: str
    start: int
    node: Node


def value_of(text: str) -> Any:
    """What the text means; None for one without a value (empty, or comments alone). Raises Malformed."""
    root = _read(text)
    return root.value if root else None


def with_member(text: str, path: tuple[str, ...], value: Any) -> str:
    """The text with `value` at `path`. Missing objects are made; what stands there already is replaced.

    >>> with_member('{"a": 1}', ("b", "c"), [2])
    '{"a": 1, "b": {"c": [2]}}'
    """
    root = _read(text)
    newline = "\r\n" if "\r\n" in text else "\n"
    if root is None:
        start = text if not text or text.endswith(("\n", "\ufeff")) else text + newline
        return start + _rendered(_nested(path, value), "", "  ", newline) + newline
    holder = root
    for depth, key in enumerate(path):
        if not holder.is_object:
            raise Malformed(f"expected an object for {'.'.join(path[:depth]) or 'the whole'}, found {_kind(holder)}", text, holder.start)
        member = holder.member(key)
        if member is None:
            return _inserted(text, holder, key, _nested(path[depth + 1 :], value), newline)
        holder = member.node
    if holder.value == value:
        return text
    indent = _indent(text, holder.start) or ""
    shown = _rendered(value, indent, _unit(text, root), newline) if "\n" in text else json.dumps(value, ensure_ascii=False)
    return text[: holder.start] + shown + text[holder.end :]


def without_member(text: str, path: tuple[str, ...]) -> str:
    """The text without the member at `path`, or as it is where there is none. Comments of others stay."""
    while (found := _found(text, path)) is not None:
        text = _cut(text, *found)
    return text


def member_put_back(text: str, path: tuple[str, ...], before: str) -> str:
    """The text with the member at `path` as it is written in `before`; without one where `before` has none.

    >>> member_put_back('{"a": 1, "b": 2}', ("a",), '{"a": [3,4]}')
    '{"a": [3,4], "b": 2}'
    """
    own, found = _found(before, path), _found(text, path)
    if own is None or found is None:
        return without_member(text, path)
    was, now = own[1].node, found[1].node
    return text[: now.start] + before[was.start : was.end] + text[now.end :]


def _found(text: str, path: tuple[str, ...]) -> tuple[Node, Member] | None:
    """The object that holds the member at `path`, and the member."""
    holder, member = _read(text), None
    for depth, key in enumerate(path):
        member = holder.member(key) if holder else None
        if member is None or holder is None:
            return None
        if depth < len(path) - 1:
            holder = member.node
    return (holder, member) if holder and member else None


# Reading


def _read(text: str) -> Node | None:
    start = _space(text, 0)
    if start == len(text):
        return None
    root = _value(text, start, 0)
    end = _space(text, root.end)
    if end != len(text):
        raise Malformed("expected the end of the file", text, end)
    return root


def _space(text: str, at: int) -> int:
    """The offset after blanks and comments."""
    end = _SPACE.match(text, at).end()  # type: ignore[union-attr]  # it matches the empty string
    if text.startswith("/*", end):
        raise Malformed("a comment without its end", text, end)
    return end


def _value(text: str, at: int, depth: int) -> Node:
    if depth > DEEPEST:
        raise Malformed("nested too deeply", text, at)
    if text.startswith("{", at):
        return _object(text, at, depth)
    if text.startswith("[", at):
        return _array(text, at, depth)
    match = _STRING.match(text, at) or _LITERAL.match(text, at)
    if match is None:
        raise Malformed("expected a value", text, at)
    return Node(at, match.end(), json.loads(match.group()))


def _object(text: str, at: int, depth: int) -> Node:
    node, here = Node(at, at, {}), _space(text, at + 1)
    while not text.startswith("}", here):
        key = _STRING.match(text, here)
        if key is None:
            raise Malformed('expected a key in double quotes or "}"', text, here)
        colon = _space(text, key.end())
        if not text.startswith(":", colon):
            raise Malformed('expected ":"', text, colon)
        value = _value(text, _space(text, colon + 1), depth + 1)
        node.members.append(Member(json.loads(key.group()), here, value))
        node.value[node.members[-1].key] = value.value
        here, node.trailing_comma = _after(text, value.end, "}")
    node.end = here + 1
    return node


def _array(text: str, at: int, depth: int) -> Node:
    node, here = Node(at, at, []), _space(text, at + 1)
    while not text.startswith("]", here):
        value = _value(text, here, depth + 1)
        node.value.append(value.value)
        here, _ = _after(text, value.end, "]")
    node.end = here + 1
    return node


def _after(text: str, at: int, closing: str) -> tuple[int, int]:
    """Where the next item or the closing bracket stands, and the offset of the comma before it, -1 for none."""
    comma = _space(text, at)
    if text.startswith(",", comma):
        return _space(text, comma + 1), comma
    if not text.startswith(closing, comma):
        raise Malformed(f'expected "," or "{closing}"', text, comma)
    return comma, -1


def _kind(node: Node) -> str:
    return {list: "an array", str: "a text", bool: "true or false", type(None): "null"}.get(type(node.value), "a number")


# Writing


def _nested(path: tuple[str, ...], value: Any) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value


def _rendered(value: Any, indent: str, unit: str, newline: str) -> str:
    return json.dumps(value, indent=unit, ensure_ascii=False).replace("\n", newline + indent)


def _indent(text: str, at: int) -> str | None:
    """The blanks before the line on which `at` stands."""
    line = text.rfind("\n", 0, at) + 1
    return re.match(r"\ufeff?([ \t]*)", text[line:at]).group(1)  # type: ignore[union-attr]


def _starts_line(text: str, at: int) -> bool:
    return not text[text.rfind("\n", 0, at) + 1 : at].strip(" \t\ufeff")


def _unit(text: str, node: Node) -> str:
    """By how much the members of an object are indented, taken from the first that starts a line; two blanks if none."""
    for member in node.members:
        if _starts_line(text, member.start):
            return (_indent(text, member.start) or "").removeprefix(_indent(text, node.start) or "") or "  "
    return "  "


def _inserted(text: str, holder: Node, key: str, value: Any, newline: str) -> str:
    """The text with a new last member in the object: one insertion, all else as it was. Where a comment follows the last
    member without a comma between, the new one comes first, so that the comment stays with its own."""
    base = _indent(text, holder.start) or ""
    unit = _unit(text, holder)
    spread = any(_starts_line(text, member.start) for member in holder.members) or not holder.members
    lead = newline + base + unit if spread else " "
    shown = _rendered(value, base + unit, unit, newline) if spread else json.dumps(value, ensure_ascii=False)
    member = f"{json.dumps(key, ensure_ascii=False)}: {shown}"
    if not holder.members:
        return _filled(text, holder, lead + member, newline + base)
    last = holder.members[-1].node.end
    if holder.trailing_comma >= 0:
        at = _after_comment(text, holder.trailing_comma + 1) if spread else holder.trailing_comma + 1
        return text[:at] + lead + member + "," + text[at:]
    if text[last : holder.end - 1].strip():  # a comment after the last member, and no comma
        at = _after_comment(text, holder.start + 1) if spread else holder.start + 1
        return text[:at] + (lead if spread else "") + member + ("," if spread else ", ") + text[at:]
    return text[:last] + "," + lead + member + text[last:]


def _after_comment(text: str, at: int) -> int:
    """The end of a comment that closes the line on which `at` stands; `at` where there is none."""
    match = _TO_LINE_END.match(text, at)
    return at + len(match.group().rstrip()) if match and match.group().strip() else at


def _filled(text: str, holder: Node, member: str, close: str) -> str:
    """The text with a first member in an object that has none, after its comments."""
    inside = text[holder.start + 1 : holder.end - 1]
    at = holder.start + 1 + len(inside.rstrip())
    has_break = "\n" in text[at : holder.end - 1]
    return text[:at] + member + ("" if has_break else close) + text[at:]


def _cut(text: str, holder: Node, member: Member) -> str:
    """The text without one member, its blanks and the comma that it needed."""
    number = next(i for i, other in enumerate(holder.members) if other is member)
    before = holder.start + 1 if number == 0 else _space(text, holder.members[number - 1].node.end) + 1
    start, end = len(text[: member.start].rstrip(" \t\r\n")), member.node.end
    comma = _space(text, end)
    has_comma = text.startswith(",", comma)
    tail = text[end:comma] + text[comma + 1 :] if has_comma else text[end:]
    if text[before:start].strip() and not re.match(r"[ \t]*(?://|\r?\n)", tail):  # a comment there may end with its line only
        start = member.start
    if has_comma and number == 0 and not _starts_line(text, member.start):
        tail = tail.removeprefix(" ")
    head = text[:start]
    if not has_comma and number:  # the comma before was for this member
        head = text[: before - 1] + text[before:start]
    alone = len(holder.members) == 1 and not text[before:start].strip() and tail.lstrip().startswith("}")
    return head.rstrip(" \t\r\n") + tail.lstrip() if alone else head + tail
