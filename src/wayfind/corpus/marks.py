"""From a tree to what the parts of a file mention: calls, comments, attributes, imports, documentation."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wayfind.corpus.comments import clean_comment, clean_docstring
from wayfind.corpus.syntax import Syntax
from wayfind.corpus.syntaxes import queries_for

if TYPE_CHECKING:
    from tree_sitter import Node

_READ_AS_COMMENTS = (b"@", b"context(")
"""What `rewrites` makes a comment of for the grammar: in the text it is an annotation."""
_NO_IMPORTS = frozenset(("self", "as", "super", "static", "crate", "qualified", "import", "module", "given", ".", ".."))


@dataclass(slots=True)
class Mark:
    """A comment, attribute or import: its rows and bytes, and whether it has its lines to itself."""

    first: int
    last: int
    start: int
    end: int
    alone: bool


@dataclass(slots=True)
class Source:
    """The text of a file in the forms that the steps need, and what the second query found in it: marks, and words with the
    row (calls also with the byte) where they stand."""

    code: bytes
    rows: list[bytes]
    syntax: Syntax
    comments: list[Mark] = field(default_factory=list)
    leads: list[Mark] = field(default_factory=list)
    trails: list[Mark] = field(default_factory=list)
    imports: list[Mark] = field(default_factory=list)
    calls: list[tuple[int, int, str]] = field(default_factory=list)
    imported: list[tuple[int, str]] = field(default_factory=list)
    docs: list[tuple[int, str]] = field(default_factory=list)

    def text(self, start: int, end: int) -> str:
        """The bytes start..end, decoded."""
        return self.code[start:end].decode("utf-8", "replace")


def read_marks(root: Node, language: str, source: Source) -> None:
    """Fills the lists of `source` with what the second query of the language finds in the tree."""
    from tree_sitter import QueryCursor

    found = QueryCursor(queries_for(language)[1]).captures(root)
    documenting = {node.id for node in found.get("doc", ())}
    comments = [node for node in found.get("comment", ()) if node.id not in documenting]
    leads = [node for node in comments if source.code.startswith(_READ_AS_COMMENTS, node.start_byte)]
    source.comments = _marks([node for node in comments if node not in leads] if leads else comments, source)
    source.leads = _marks([*found.get("lead", ()), *leads], source)
    source.trails = _marks(found.get("trail", ()), source)
    source.imports = _marks(found.get("import", ()), source)
    source.calls = [
        (node.start_point[0], node.start_byte, _last_word(text_of(node, source)))
        for node in _outside(_sorted(found.get("call", ())), found.get("uncalled", ()))
    ]
    for node in _sorted(found.get("imported", ())):
        source.imported.extend((node.start_point[0], name) for name in _imported_names(text_of(node, source)))
    for node in _sorted(found.get("doc", ())):
        text = text_of(node, source)
        words = "\n".join(clean_comment(text)) if node.type == "comment" else clean_docstring(text)
        source.docs.append((node.start_point[0], words))
    if source.syntax.doc_in_body and (doc := first_string(root, source)):
        source.docs = [(next(row for row, line in enumerate(source.rows) if line.strip()), doc)]


def _sorted(nodes) -> list[Node]:
    return sorted(nodes, key=lambda node: node.start_byte)


def _outside(nodes: list[Node], others) -> list[Node]:
    """Those of the nodes, in order, that lie in none of the others; each once."""
    kept: list[Node] = []
    ranges, place, until = _sorted(others), 0, -1
    for node in nodes:
        while place < len(ranges) and ranges[place].start_byte <= node.start_byte:
            until = max(until, ranges[place].end_byte)
            place += 1
        if node.start_byte >= until and (not kept or kept[-1].start_byte < node.start_byte):
            kept.append(node)
    return kept


def text_of(node: Node, source: Source) -> str:
    """The source text of a node."""
    return source.text(node.start_byte, node.end_byte)


def _marks(nodes, source: Source) -> list[Mark]:
    marks = []
    for node in _sorted(nodes):
        (first, column), (last, until) = node.start_point, node.end_point
        if until == 0 and last > first:
            last, until = last - 1, len(source.rows[last - 1])
        alone = not source.rows[first][:column].strip() and not source.rows[last][until:].strip()
        marks.append(Mark(first, last, node.start_byte, node.end_byte, alone))
    return marks


def _last_word(name: str) -> str:
    """`a::b<T>` -> `b`: the identifier that a called expression ends with."""
    if name.isascii() and name.isidentifier():  # nearly all are, of 27,738 in Django 27,733
        return name
    words = _WORDS.findall(_TYPE_ARGUMENTS.sub("", name.split("(")[0]))
    return words[-1] if words else ""


_WORDS = re.compile(r"[^\W\d][\w-]*[?!]?|[\w.-]+")
_TYPE_ARGUMENTS = re.compile(r"<[^<>]*>")


def _imported_names(text: str) -> list[str]:
    words = re.findall(r"[\w@.][\w.:/@$\\*+~-]*", text)
    return [word.rstrip(":.\\") for word in words if word not in _NO_IMPORTS]


def first_string(body: Node, source: Source) -> str:
    """The docstring: a plain string that is, alone, the first statement of a body."""
    for child in body.named_children:
        if child.type == "comment":
            continue
        if child.type == "expression_statement" and child.named_child_count == 1:
            child = child.named_children[0]
        parts = child.named_children if child.type == "concatenated_string" else [child]
        literals = [text_of(part, source) for part in parts if part.type == "string"]
        if len(literals) != len(parts) or any(re.match(r"[rR]?[bBfFtT]", literal) for literal in literals):
            return ""
        return "".join(map(clean_docstring, literals))
    return ""
