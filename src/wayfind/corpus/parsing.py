"""From bytes and a language to a syntax tree, or to the word for why there is none.

What is parsed is the text as `rewrites` makes it readable. A header and an interface may be read a second time by another
grammar. A tree so deep that queries on it would take minutes is refused.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from wayfind.corpus.languages import has_grammar, parser_for
from wayfind.corpus.rewrites import rewritten
from wayfind.corpus.syntaxes import SYNTAXES

if TYPE_CHECKING:
    from tree_sitter import Node

DEEPEST = 5_000
"""Queries on deeper trees take seconds to minutes (100,000 nested calls: 51 s), so such a file is cut by lines."""
WIDEST_ERROR = 20_000
"""Children of an error node: 80,000 open brackets take 9 s."""
PARSE_SECONDS = 5.0
READ_BYTES = 32_768
"""The parser asks for text at an offset, again and again where it looks back; a slice to the end each time is quadratic."""

# A header named `.h` and an OCaml interface tell only by their grammar what they are.
_SECOND_READINGS = {"ocaml": "ocaml_interface", "c": "cpp"}


def parse(code: bytes, language: str) -> tuple[Node | None, str, list[str]]:
    """The root of the tree (None when the file must be cut by lines), the grammar that read it, and problems."""
    if not has_grammar(language) or language not in SYNTAXES:
        return None, language, ["no-grammar"]
    code = rewritten(code, language)
    root = _root(code, language)
    if root is not None and root.has_error and language in _SECOND_READINGS:
        other = _root(code, _SECOND_READINGS[language])
        if other is not None and (not other.has_error or 2 * _error_bytes(other) < _error_bytes(root)):
            root, language = other, _SECOND_READINGS[language]
    if root is None:
        return None, language, ["timeout"]
    if _is_deep(root):
        return None, language, ["too-deep"]
    return root, language, ["syntax-errors"] if root.has_error else []


def _root(code: bytes, language: str) -> Node | None:
    deadline = time.monotonic() + PARSE_SECONDS
    parser = parser_for(language)
    try:
        tree = parser.parse(
            lambda offset, _point: code[offset : offset + READ_BYTES],
            encoding="utf8",
            progress_callback=lambda _offset, _error: time.monotonic() > deadline,
        )
    except ValueError:  # The callback asked to stop; without a reset the parser would resume there with the next file.
        parser.reset()
        return None
    return tree.root_node


def _error_bytes(root: Node) -> int:
    """The bytes that the grammar could not place. Walks into nodes with errors only."""
    total, stack = 0, [root]
    while stack:
        node = stack.pop()
        if node.is_error:
            total += node.end_byte - node.start_byte
        elif node.has_error:
            stack.extend(node.children)
    return total


def _is_deep(root: Node) -> bool:
    """Whether one of 64 nodes, evenly spread, lies deeper than `DEEPEST`; a tree of fewer nodes cannot. Brackets that are
    never closed make the same depth as children of one error node."""
    count = root.descendant_count
    if count <= DEEPEST:
        return False
    if root.has_error and any(node.is_error and node.child_count > WIDEST_ERROR for node in (root, *root.children)):
        return True
    cursor = root.walk()
    for sample in range(64):
        cursor.goto_descendant(sample * count // 64)
        if cursor.depth > DEEPEST:
            return True
    return False
