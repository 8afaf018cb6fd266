"""From the text of a code file to its chunks: functions, heads of classes, tests, constants, and what lies between.

Chunks tile the file: every line with a character other than white space lies in exactly one. What is taken for code comes
from syntax nodes alone, so a string that looks like code or a comment is neither. A file with syntax errors is chunked as
far as its tree goes, and said so. Text of a language without a grammar becomes blocks.
"""

from __future__ import annotations

import re
import time
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wayfind.corpus.comments import clean_comment, clean_docstring, is_licence
from wayfind.corpus.languages import has_grammar, parser_for
from wayfind.corpus.syntax import ROLES, SYNTAXES, Syntax, queries_for
from wayfind.types import Chunk

if TYPE_CHECKING:
    from tree_sitter import Node

BLOCK_LINES = 60
"""Statements between definitions are gathered into blocks of at most this many lines."""
CONSTANT_LINES = 3
"""A constant of fewer lines stays in the block around it."""
SMALL_TYPE_LINES = 6
"""A nested type of fewer lines and without functions stays in the head of its owner."""
LONG_OWNER_LINES = 40
"""Documented declarations of an interface or class are chunks of their own when it is longer than this."""
DEEPEST = 5_000
"""Queries on deeper trees take seconds to minutes (100,000 nested calls: 51 s), so such a file is cut by lines."""
WIDEST_ERROR = 20_000
"""Children of an error node: 80,000 open brackets take 9 s."""
PARSE_SECONDS = 5.0
READ_BYTES = 32_768
"""The parser asks for text at an offset, again and again where it looks back; a slice to the end each time is quadratic."""
SIGNATURE_CHARACTERS = 300
MOST_CALLS = 60
MOST_IMPORTS = 100

_CONTAINERS = frozenset(("class", "interface", "enum", "type", "impl", "module", "package", "object"))
_OWNERS = _CONTAINERS - {"package"}
_LEAVES = frozenset(("function", "declaration", "test"))
_HEADS = frozenset(("class", "interface", "enum", "impl", "module"))
# A header named `.h` and an OCaml interface tell only by their grammar what they are.
_SECOND_READINGS = {"ocaml": "ocaml_interface", "c": "cpp"}
_KINDS = {"impl": "block", "module": "class", "object": "block", "declaration": "function"}
_CLOSERS = re.compile(
    r"(?:[\s\[\](){}<>;,.:=*/#|&+-]|@end\b|\b(?:end|endif|fi|done|esac|private|protected|public)\b)*|\s*#\s*(?:if|ifdef|ifndef|else|elif)\b.*"
)
_BODIES = frozenset(
    ("block", "function_body", "class_body", "enum_class_body", "compound_statement", "do_block", "body_statement", "script_block")
)
_NO_IMPORTS = frozenset(("self", "as", "super", "static", "crate", "qualified", "import", "module", "given", ".", ".."))
# Macros of C that stand where its grammar allows none. Each is read as a space: of 853 C++ files (abseil) 288 have syntax
# errors so, 696 otherwise, and their classes and test cases are found.
_MACRO = rb"[A-Z][A-Z0-9]*_[A-Z0-9_]+\b"
_ARGUMENTS = rb"(?:[ \t]*\((?:[^()\n;{}]|\([^()\n;{}]*\))*\))?"
_MACROS = re.compile(
    # Alone on a line, before anything but a body, and not in a macro: FMT_BEGIN_NAMESPACE.
    rb"(?<!\\\n)^[ \t]*" + _MACRO + _ARGUMENTS + rb"(?=[ \t]*$)(?!\s*[{:])"
    # Before the name of a class: class API_EXPORT Queue.
    rb"|(?:(?<=class )|(?<=struct ))(?:" + _MACRO + _ARGUMENTS + rb"\s+)+(?=[A-Za-z_])"
    # After the parameters of a function: void lock() EXCLUSIVE_LOCK();
    rb"|(?:(?<=\))|(?<=\)\sconst)|(?<=override)|(?<=noexcept))(?:\s+" + _MACRO + _ARGUMENTS + rb")+(?=\s*[;{])"
    # Before the type of a definition: REDIS_STATIC node *create(
    rb"|^" + _MACRO + rb"(?=[ \t]+(?:const |static |inline |unsigned |struct )*\w[\w:]*(?:[ \t]+|[ \t]*[*&]+[ \t]*)\w+\()"
    # After a parameter or a star.
    rb"|\b[A-Z_]*(?:ATTRIBUTE|LIFETIME|UNUSED)_?[A-Z_]*\b(?=\s*[,)])|\b\w+_(?:nonnull|nullable|nullability_unknown)\b",
    re.MULTILINE,
)
_TEST_MACROS = frozenset(("TEST", "TEST_F", "TEST_P", "TYPED_TEST", "TYPED_TEST_P", "BENCHMARK_F", "TEST_CASE"))


@dataclass(slots=True)
class _Definition:
    """A definition on its way to a chunk. Rows are 0-based; `begin` and `until` are bytes, the header's ends."""

    role: str
    name: str
    first: int
    last: int
    begin: int
    until: int
    start: int
    end: int
    scope: str = ""
    lead: int = 0
    parent: int = -1
    functions: int = 0
    types: int = 0
    doc: str = ""
    symbol: str = ""


@dataclass(slots=True)
class _Mark:
    """A comment, attribute or import: its rows and bytes, and whether it has its lines to itself."""

    first: int
    last: int
    start: int
    end: int
    alone: bool


@dataclass(slots=True)
class _Source:
    """The text in the forms that the steps need, and what the second query found in it."""

    code: bytes
    rows: list[bytes]
    syntax: Syntax
    comments: list[_Mark] = field(default_factory=list)
    leads: list[_Mark] = field(default_factory=list)
    trails: list[_Mark] = field(default_factory=list)
    imports: list[_Mark] = field(default_factory=list)
    calls: list[tuple[int, int, str]] = field(default_factory=list)
    imported: list[tuple[int, str]] = field(default_factory=list)
    docs: list[tuple[int, str]] = field(default_factory=list)

    def text(self, start: int, end: int) -> str:
        return self.code[start:end].decode("utf-8", "replace")


def definitions(text: str, language: str) -> tuple[list[Chunk], list[str]]:
    """The chunks of a file in line order, and its problems: `syntax-errors`, `too-deep`, `timeout`, `no-grammar`.

        >>> chunks, problems = definitions("import os\\n\\ndef cwd():\\n    return os.getcwd()\\n", "python")
        >>> [(chunk.kind, chunk.symbol, chunk.start_line, chunk.end_line) for chunk in chunks]
        [('module', None, 1, 1), ('function', 'cwd', 3, 4)]
    """
    if not text.strip():
        return [], []
    code = text.encode("utf-8", "replace")
    rows = code.split(b"\n")
    root, language, problems = _parse(code, language)
    if root is None:
        return _chunks(_Source(code, rows, Syntax("", "")), []), problems
    source = _Source(code, rows, SYNTAXES[language])
    _read_references(root, language, source)
    found = _nested(_candidates(root, language, source), source)
    return _chunks(source, found), problems


def _parse(code: bytes, language: str) -> tuple[Node | None, str, list[str]]:
    """The root of the tree (None when the file must be cut by lines), the grammar that read it, and problems."""
    if not has_grammar(language) or language not in SYNTAXES:
        return None, language, ["no-grammar"]
    if language in ("c", "cpp", "objc"):
        code = _MACROS.sub(lambda macro: re.sub(rb"[^\n]", b" ", macro[0]), code)
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


# What the second query finds.


def _read_references(root: Node, language: str, source: _Source) -> None:
    from tree_sitter import QueryCursor

    found = QueryCursor(queries_for(language)[1]).captures(root)
    documenting = {node.id for node in found.get("doc", ())}
    source.comments = _marks([node for node in found.get("comment", ()) if node.id not in documenting], source)
    source.leads = _marks(found.get("lead", ()), source)
    source.trails = _marks(found.get("trail", ()), source)
    source.imports = _marks(found.get("import", ()), source)
    source.calls = [
        (node.start_point[0], node.start_byte, _last_word(_text(node, source))) for node in _sorted(found.get("call", ()))
    ]
    for node in _sorted(found.get("imported", ())):
        source.imported.extend((node.start_point[0], name) for name in _imported_names(_text(node, source)))
    for node in _sorted(found.get("doc", ())):
        text = _text(node, source)
        source.docs.append((node.start_point[0], "\n".join(clean_comment(text)) if node.type == "comment" else clean_docstring(text)))
    if source.syntax.doc_in_body and (doc := _first_string(root, source)):
        source.docs = [(next(row for row, line in enumerate(source.rows) if line.strip()), doc)]


def _sorted(nodes) -> list[Node]:
    return sorted(nodes, key=lambda node: node.start_byte)


def _text(node: Node, source: _Source) -> str:
    return source.text(node.start_byte, node.end_byte)


def _marks(nodes, source: _Source) -> list[_Mark]:
    marks = []
    for node in _sorted(nodes):
        (first, column), (last, until) = node.start_point, node.end_point
        if until == 0 and last > first:
            last, until = last - 1, len(source.rows[last - 1])
        alone = not source.rows[first][:column].strip() and not source.rows[last][until:].strip()
        marks.append(_Mark(first, last, node.start_byte, node.end_byte, alone))
    return marks


def _last_word(name: str) -> str:
    """`a::b<T>` -> `b`: the identifier that a called expression ends with."""
    words = re.findall(r"[^\W\d][\w-]*[?!]?|[\w.-]+", re.sub(r"<[^<>]*>", "", name.split("(")[0]))
    return words[-1] if words else ""


def _imported_names(text: str) -> list[str]:
    words = re.findall(r"[\w@.][\w.:/@$\\*+~-]*", text)
    return [word.rstrip(":.\\") for word in words if word not in _NO_IMPORTS]


# Definitions: found by the first query, nested by their ranges.


def _candidates(root: Node, language: str, source: _Source) -> list[_Definition]:
    """What the first query captured, outermost first; one definition for each node, by the first pattern that matched."""
    from tree_sitter import QueryCursor

    best: dict[int, tuple[int, str, Node, dict]] = {}
    for pattern, captures in QueryCursor(queries_for(language)[0]).matches(root):
        role = next((name for name in captures if name in ROLES), None)
        if role is None:
            continue
        node = captures[role][0]
        if node.id not in best or pattern < best[node.id][0]:
            best[node.id] = (pattern, role, node, captures)
    made = [_definition(role, node, captures, source) for _, role, node, captures in best.values()]
    return sorted((one for one in made if one is not None), key=lambda one: (one.start, -one.end))


def _definition(role: str, node: Node, captures: dict, source: _Source) -> _Definition | None:
    syntax = source.syntax
    body = _body(node, captures)
    outer = _outer(node, syntax)
    (first, _), (last, column) = outer.start_point, node.end_point
    end = node.end_byte
    if body is not None and body.end_byte > end:  # A body that is a sibling of its header (Dart).
        end, (last, column) = body.end_byte, body.end_point
    if column == 0 and last > first:
        last -= 1
    if role == "member":
        if last == node.start_point[0]:
            return None
        role = "function"
    if role == "constant" and last - first + 1 < CONSTANT_LINES:
        if body is None or last == first:
            return None
    name = _name(node, captures, source)
    if not name and role != "test":
        return None
    until = captures["head"][0].end_byte if "head" in captures else end
    if body is not None and body.start_byte > node.start_byte:
        until = body.start_byte
    elif until == end and role in _HEADS:
        until = _header_end(source, node.start_byte, end)
    scope = _plain(_text(captures["scope"][0], source), True) if "scope" in captures else ""
    made = _Definition(role, name, first, last, outer.start_byte, until, node.start_byte, end, scope)
    if syntax.doc_in_body and body is not None:
        made.doc = _first_string(body, source)
    return made


def _body(node: Node, captures: dict) -> Node | None:
    if "body" in captures:
        return captures["body"][0]
    if (body := node.child_by_field_name("body")) is not None or "head" in captures:
        return body
    return next((child for child in node.named_children if child.type in _BODIES), None)


def _outer(node: Node, syntax: Syntax) -> Node:
    """The node with what stands before it: `export`, `template<>`, `const` of the first name that it declares."""
    while syntax.wrappers and (parent := node.parent) is not None and parent.type in syntax.wrappers:
        before = node.prev_named_sibling
        if before is not None and before.type == node.type:
            break
        node = parent
    return node


def _header_end(source: _Source, start: int, end: int) -> int:
    """The end of the first line after which every parenthesis is closed."""
    at, depth = start, 0
    while at < end:
        newline = source.code.find(b"\n", at, end)
        newline = end if newline < 0 else newline
        depth += source.code.count(b"(", at, newline) - source.code.count(b")", at, newline)
        if depth <= 0:
            return newline
        at = newline + 1
    return end


def _first_string(body: Node, source: _Source) -> str:
    """The docstring: a plain string that is, alone, the first statement of a body."""
    for child in body.named_children:
        if child.type == "comment":
            continue
        if child.type == "expression_statement" and child.named_child_count == 1:
            child = child.named_children[0]
        parts = child.named_children if child.type == "concatenated_string" else [child]
        literals = [_text(part, source) for part in parts if part.type == "string"]
        if len(literals) != len(parts) or any(re.match(r"[rR]?[bBfFtT]", literal) for literal in literals):
            return ""
        return "".join(map(clean_docstring, literals))
    return ""


def _name(node: Node, captures: dict, source: _Source) -> str:
    """The name as written, without what the language wraps around it."""
    syntax = source.syntax
    name = captures["name"][0] if "name" in captures else node.child_by_field_name("name")
    if name is None:
        if node.type in ("method_definition", "method_declaration"):
            return _selector(node, source)
        if node.type.endswith("operator_declaration"):
            return "operator" + _text(node, source).partition("operator")[2].partition("(")[0].strip()
        return syntax.names.get(node.type, "")
    declarators = []
    while inner := _inner_declarator(name):
        declarators.append(name.type)
        name = inner
    if node.type == "function_definition" and node.child_by_field_name("declarator") and "function_declarator" not in declarators:
        if name.type != "operator_cast":
            return ""  # `MACRO namespace x {` is read as a function `x`, whose body would swallow the file.
    written = _text(name, source)
    if node.type == "instance":  # Haskell's `instance Eq a => Show (Box a) where`.
        return re.sub(r"^instance\s+|^.*=>\s*|\s+where\b.*", "", " ".join(_text(node, source)[:300].split()))[:100]
    if written in _TEST_MACROS:
        arguments = re.search(r"\(([^)]*)\)", source.text(name.end_byte, node.end_byte))
        return ".".join(part.strip() for part in arguments[1].split(",")) if arguments else written
    if name.type in ("signature", "type_head", "call_expression", "where_expression", "typed_expression"):
        return re.split(r"[(<{\s]", re.sub(r"^\s*\((\w+)::[^)]*\)", r"\1", written))[0]
    if name.type.endswith("constructor_signature"):
        return re.sub(r"^(?:const|factory|external)\s+", "", written.split("(")[0].strip()).split(".")[-1]
    if name.type == "operator_signature":
        return "operator" + written.partition("operator")[2].split("(")[0].strip()
    return written


def _inner_declarator(node: Node) -> Node | None:
    """One step into a C declarator: `*f(int)` -> `f(int)` -> `f`."""
    if not node.type.endswith("declarator"):
        return None
    return node.child_by_field_name("declarator") or (node.named_children[-1] if node.type == "reference_declarator" else None)


def _selector(node: Node, source: _Source) -> str:
    """An Objective-C selector: `find:orElse:`."""
    words = []
    for child in node.named_children:
        if child.type == "identifier":
            words.append(_text(child, source))
        elif child.type == "method_parameter" and words:
            words[-1] += ":"
    return "".join(words)


def _plain(name: str, container: bool) -> str:
    """A name as a symbol: `ns::Class<T>::f` -> `Class.f`, `X.prototype.f` -> `X.f`, `M:f` -> `M.f`, `T['a']` -> `T.a`."""
    name = " ".join(name.split())
    if name[:1] in "\"'`[(" and name[-1:] in "\"'`])":
        name = re.sub(r"^[\"'`\[(\s]+|[\"'`\])\s]+$", "", name)
        return name
    if "operator" not in name and not name.startswith("<"):
        while (shorter := re.sub(r"\s*<[^<>]*>", "", name)) != name:
            name = shorter
    name = re.sub(r"\[['\"]?([^\]'\"]*)['\"]?\]", r".\1", name)
    name = re.sub(r"^(?:&|\*|dyn |mut |'\w+ )+", "", name)
    if "::" in name:
        name = ".".join(name.split("::")[-1 if container else -2 :])
    if not name.endswith(":"):
        name = re.sub(r"(?<=\w):(?=\w)", ".", name.replace("->", "."))
    name = re.sub(r"\.prototype\b", "", name)
    return re.sub(r"^(?:module\.exports|exports|window|globalThis)\.(?=.)", "", name)


def _nested(candidates: list[_Definition], source: _Source) -> list[_Definition]:
    """The definitions that become chunks, each with its owner, symbol and documentation. In order of their beginning."""
    kept: list[_Definition] = []
    stack: list[int] = []
    package = -1
    for one in candidates:
        if one.role == "package":
            if package >= 0:
                kept[package].end, kept[package].last = one.start, one.first
            one.end, one.last = len(source.code) + 1, len(source.rows) - 1
        while stack and kept[stack[-1]].end <= one.start:
            stack.pop()
        owner = kept[stack[-1]] if stack else None
        if owner is not None and (owner.role in _LEAVES or not _belongs(one, owner)):
            continue
        one.parent = stack[-1] if stack else -1
        if owner is not None:
            if owner.role == "constant":
                owner.role = "object"
            owner.functions += one.role in _LEAVES
            owner.types += one.role in _CONTAINERS
        if one.role == "package":
            package = len(kept)
        stack.append(len(kept))
        kept.append(one)
    return _settled(kept, source)


def _belongs(one: _Definition, owner: _Definition) -> bool:
    """Whether a definition inside a container or constant is one of its own."""
    if one.role == "constant":
        return owner.role in ("package", "module")
    if owner.role == "constant":
        return one.role in ("function", "test")
    return owner.role in ("package", "module") or one.first > owner.first


def _settled(kept: list[_Definition], source: _Source) -> list[_Definition]:
    """Without what stays inside its owner; renumbered, with symbols, leads and tests."""
    number = {-1: -1}
    settled: list[_Definition] = []
    ends_at = _leads_by_end(source)
    for old, one in enumerate(kept):
        owner = settled[number[one.parent]] if number[one.parent] >= 0 else None
        one.lead = _lead_of(one, ends_at, owner)
        drop = _stays_inside(one, owner)
        number[old] = number[one.parent] if drop else len(settled)
        if drop:
            continue
        one.parent = number[one.parent]
        one.symbol = _symbol(one, settled)
        if one.role == "function" and _is_test(one, source):
            one.role = "test"
        settled.append(one)
    return _merged(settled, source) if source.syntax.merge else settled


def _stays_inside(one: _Definition, owner: _Definition | None) -> bool:
    if one.role == "declaration":
        return one.lead == one.first or (owner is not None and owner.last - owner.first < LONG_OWNER_LINES)
    small = one.last - one.first + 1 < SMALL_TYPE_LINES and not one.functions
    return owner is not None and owner.role not in ("module", "package") and one.role in _CONTAINERS and small


def _leads_by_end(source: _Source) -> dict[int, int]:
    """Row where a comment or attribute ends that has its lines to itself -> row where it begins."""
    ends_at: dict[int, int] = {}
    for mark in source.leads:
        if mark.alone:
            ends_at[mark.last] = mark.first
    for mark in source.comments:
        licence = mark.first < 30 and is_licence(source.text(mark.start, mark.end))
        if mark.alone and not licence and not source.code.startswith(b"#!", mark.start):
            ends_at[mark.last] = mark.first
            if source.code.startswith(b"=", mark.start) and not b"".join(source.rows[mark.last + 1 : mark.last + 2]).strip():
                ends_at[mark.last + 1] = mark.first  # Perl's documentation keeps a blank line below it.
    return ends_at


def _lead_of(one: _Definition, ends_at: dict[int, int], owner: _Definition | None) -> int:
    """The row where the comments and attributes directly above a definition begin."""
    row, lowest = one.first, owner.first + 1 if owner is not None and owner.role != "package" else 0
    while (above := ends_at.get(row - 1)) is not None and lowest <= above < row:
        row = above
    return row


def _symbol(one: _Definition, settled: list[_Definition]) -> str:
    name = one.name if one.role == "test" else _plain(one.name, one.role in _CONTAINERS)
    if one.role == "test":
        return re.sub(r"^[\"'`]+|[\"'`]+$", "", " ".join(name.split()))
    if one.scope:
        return f"{one.scope}.{name}"
    owner = settled[one.parent] if one.parent >= 0 else None
    if owner is None or not owner.symbol or "." in name and "::" in one.name:
        return name
    if one.role in _CONTAINERS and owner.role == "module" and one.role != "module":
        return name
    return f"{owner.symbol}.{name}" if owner.symbol not in ("module.exports", "exports") else name


def _is_test(one: _Definition, source: _Source) -> bool:
    syntax = source.syntax
    if syntax.test_name and re.match(syntax.test_name, one.symbol.rpartition(".")[2]):
        return True
    if not syntax.test_lead and not one.name.isupper():
        return one.name.split(".")[0] != one.name and source.code.startswith(tuple(f"{m}(".encode() for m in _TEST_MACROS), one.start)
    above = b"\n".join(source.rows[one.lead : one.first])
    return bool(syntax.test_lead and re.search(syntax.test_lead, above.decode("utf-8", "replace") + source.text(one.begin, one.until)))


def _merged(settled: list[_Definition], source: _Source) -> list[_Definition]:
    """Neighbours of one symbol and owner joined, unless the later one is documented: clauses, overloads, signatures."""
    number = {-1: -1}
    merged: list[_Definition] = []
    documented = {row for row, _ in source.docs}
    for old, one in enumerate(settled):
        last = merged[-1] if merged else None
        one.parent = number[one.parent]
        if (
            last is not None
            and last.role == one.role == "function"
            and (last.symbol, last.parent) == (one.symbol, one.parent)
            and not any(row in documented for row in range(one.lead, one.first))
            and not (last.last + 1 < one.lead < one.first and source.code.startswith(b"/**", _row_start(source, one.lead)))
        ):
            last.last, last.end = one.last, one.end
            number[old] = len(merged) - 1
            continue
        number[old] = len(merged)
        merged.append(one)
    return merged


def _row_start(source: _Source, row: int) -> int:
    start = sum(len(line) + 1 for line in source.rows[:row])
    return start + len(source.rows[row]) - len(source.rows[row].lstrip())


# Lines: who owns each, and the chunks that come of it.


def _chunks(source: _Source, found: list[_Definition]) -> list[Chunk]:
    """Chunks that tile the file: each line goes to the innermost definition over it, lines of nobody to blocks."""
    owners = _paint(source, found)
    spans = _absorbed(_spans(owners, source), source)
    last_import = _module_end(spans, source)
    pieces: list[tuple[int, int, int, str]] = []
    seen: set[int] = set()
    for start, end, owner in spans:
        if owner >= 0 and owner not in seen:
            seen.add(owner)
            pieces.append((start, end, owner, ""))
        elif owner < 0 and not pieces:
            cut = last_import if start <= last_import < end and end - start >= BLOCK_LINES else end
            if end - start >= BLOCK_LINES and last_import < start:
                cut = _cut(source, start, end)
            pieces.append((start, cut, -1, "module"))
            pieces.extend((*piece, owner, "block") for piece in _blocks(source, cut + 1, end))
        else:
            pieces.extend((*piece, owner, "block") for piece in _blocks(source, start, end))
    return _Writer(source, found, pieces).chunks()


def _paint(source: _Source, found: list[_Definition]) -> list[int]:
    """For every row the definition that it belongs to, -1 for none. Scopes that are not chunks leave rows as they are."""
    owners = [-1] * len(source.rows)
    standalone = {mark.last: mark.first for mark in source.comments if mark.alone}
    row_of_last: dict[int, int] = {}
    for index, one in enumerate(found):
        if one.role == "package" or (one.role == "module" and not one.functions and one.types) or (one.role == "object" and not one.symbol):
            continue
        while one.last in standalone and standalone[one.last] > one.first:  # A comment after the body is not of it.
            one.last = standalone[one.last] - 1
        before = row_of_last.get(one.parent, -1)
        start = max(one.lead, before + 1) if one.first > before else max(one.first, min(before + 1, one.last))
        owners[start : one.last + 1] = [index] * (one.last + 1 - start)
        row_of_last[one.parent] = max(one.last, before)
    if source.syntax.doc_below:
        _paint_docs_below(source, owners)
    return owners


def _paint_docs_below(source: _Source, owners: list[int]) -> None:
    """OCaml: a documentation comment directly under a definition, with a blank line after it, is the definition's."""
    for mark in source.comments:
        if not (mark.alone and mark.first > 0 and source.code.startswith(b"(**", mark.start) and owners[mark.first] == -1):
            continue
        if (above := owners[mark.first - 1]) >= 0 and (mark.last + 1 == len(source.rows) or not source.rows[mark.last + 1].strip()):
            owners[mark.first : mark.last + 1] = [above] * (mark.last + 1 - mark.first)


def _spans(owners: list[int], source: _Source) -> list[tuple[int, int, int]]:
    """Runs of rows with one owner, without blank rows at their ends; runs of blank rows only are left out."""
    spans: list[tuple[int, int, int]] = []
    for row, owner in enumerate(owners):
        if not source.rows[row].strip():
            continue
        if spans and spans[-1][2] == owner and all(other == owner for other in owners[spans[-1][1] + 1 : row]):
            spans[-1] = (spans[-1][0], row, owner)
        else:
            spans.append((row, row, owner))
    return spans


def _absorbed(spans: list[tuple[int, int, int]], source: _Source) -> list[tuple[int, int, int]]:
    """Spans without those that would say nothing alone. Rows that only close something (`}`, `end`, `#endif`) and section
    rulers go to the span before them, one row of nobody that opens something (`describe("x", () => {`) to the one after."""
    trailing = {row for mark in source.trails for row in range(mark.first, mark.last + 1)}
    rulers = {mark.first: mark for mark in source.comments if mark.first == mark.last}
    closers = {row: mark for row, mark in rulers.items() if not mark.alone}
    joined: list[tuple[int, int, int]] = []
    opened: set[int] = set()
    for start, end, owner in spans:
        head = owner >= 0 and owner not in opened
        opened.add(owner)
        if joined and not head:
            ruler = end - start < 8 and all(_closes(row, source, rulers, trailing) for row in range(start, end + 1))
            rest = end + 1 if ruler else start
            while rest <= end and _closes(rest, source, closers, trailing):
                rest += 1
            if rest > start:
                last = next(row for row in range(rest - 1, start - 1, -1) if source.rows[row].strip())
                joined[-1] = (joined[-1][0], last, joined[-1][2])
            if rest > end:
                continue
            start = rest
            if joined[-1][2] == owner:
                joined[-1] = (joined[-1][0], end, owner)
                continue
        joined.append((start, end, owner))
    return _opened(joined, source)


def _opened(spans: list[tuple[int, int, int]], source: _Source) -> list[tuple[int, int, int]]:
    """Spans, where the last row of nobody that opens a definition's surroundings begins that definition's span."""
    joined: list[tuple[int, int, int]] = []
    for start, end, owner in spans:
        if joined and owner >= 0 > joined[-1][2]:
            first, last, _ = joined[-1]
            if first == last > 0 and source.rows[last].rstrip().endswith((b"{", b"(", b" do")):
                joined.pop()
                start = first
        joined.append((start, end, owner))
    return joined


def _closes(row: int, source: _Source, commented: dict[int, _Mark], trailing: set[int]) -> bool:
    line = source.rows[row]
    if row in trailing:
        return True
    if row in commented:
        line = line.replace(source.code[commented[row].start : commented[row].end].split(b"\n")[0], b"")
    return len(line) < 200 and bool(_CLOSERS.fullmatch(line.decode("utf-8", "replace")))


def _module_end(spans: list[tuple[int, int, int]], source: _Source) -> int:
    """The last row of the imports at the head of the file, -1 without any: gaps of up to 15 rows are bridged."""
    if not spans or spans[0][2] >= 0:
        return -1
    last = -1
    for mark in source.imports:
        if mark.last > spans[0][1] or (last >= 0 and mark.first - last > 15):
            break
        last = max(last, mark.last)
    return last


def _blocks(source: _Source, start: int, end: int) -> list[tuple[int, int]]:
    """Rows cut into pieces of at most `BLOCK_LINES`, without blank rows at their ends."""
    pieces = []
    while start <= end:
        if not source.rows[start].strip():
            start += 1
            continue
        cut = _cut(source, start, end)
        last = cut
        while not source.rows[last].strip():
            last -= 1
        pieces.append((start, last))
        start = cut + 1
    return pieces


def _cut(source: _Source, start: int, end: int) -> int:
    """The best last row of a piece: before the least indented row, after a blank one, as late as possible."""
    if end - start < BLOCK_LINES:
        return end

    def rank(row: int) -> tuple[int, bool, int]:
        line = source.rows[row + 1]
        indent = len(line) - len(line.lstrip()) if line.strip() else 1000
        return (-indent, not source.rows[row].strip(), row)

    return max(range(start + BLOCK_LINES // 3, start + BLOCK_LINES), key=rank)


# Chunks out of pieces.


@dataclass(slots=True)
class _Writer:
    """Pieces (first row, last row, definition or -1, kind or "") with what was found in them."""

    source: _Source
    found: list[_Definition]
    pieces: list[tuple[int, int, int, str]]

    def chunks(self) -> list[Chunk]:
        """One chunk for each piece."""
        starts = [piece[0] for piece in self.pieces]

        def spread(items, row_of):
            lists = [[] for _ in self.pieces]
            for item in items:
                if (place := bisect_right(starts, row_of(item)) - 1) >= 0:
                    lists[place].append(item)
            return lists

        comments = spread(self.source.comments, lambda mark: mark.first)
        calls = spread(self.source.calls, lambda call: call[0])
        names = spread(self.source.imported, lambda name: name[0])
        docs = spread(self.source.docs, lambda doc: doc[0])
        return [
            self._chunk(piece, *rest) for piece, *rest in zip(self.pieces, comments, calls, names, docs, strict=True)
        ]

    def _chunk(self, piece, comments, calls, names, docs) -> Chunk:
        start, end, index, kind = piece
        one = self.found[index] if index >= 0 else None
        head = one is not None and not kind
        docstring, inside = self._words(piece, one if head else None, comments, [doc for _, doc in docs])
        not_calls = self.source.syntax.not_calls
        header = (one.start, one.until) if head and one.role in _LEAVES else (0, 0)
        called = dict.fromkeys(name for _, at, name in calls if name and name not in not_calls and not header[0] <= at < header[1])
        return Chunk(
            start_line=start + 1,
            end_line=end + 1,
            kind=_kind(one) if head else kind,
            symbol=(one.symbol or None) if one is not None else None,
            signature=self._signature(one) if head else "",
            docstring=docstring,
            comments="\n".join(inside),
            calls=tuple(called)[:MOST_CALLS],
            imports=() if head and one.role in _LEAVES else tuple(dict.fromkeys(name for _, name in names))[:MOST_IMPORTS],
        )

    def _words(self, piece, one: _Definition | None, comments: list[_Mark], docs: list[str]) -> tuple[str, list[str]]:
        """Documentation and comments of a piece."""
        source, xml = self.source, self.source.syntax.xml_docs
        if one is not None:
            above = [mark for mark in comments if mark.last < one.first]
            lead = [line for mark in above for line in clean_comment(source.text(mark.start, mark.end), xml)]
            below = [mark for mark in comments if source.syntax.doc_below and mark.first > one.last]
            docstring = one.doc or next(iter(docs), "") or "\n".join(lead)
            if not docstring and below:
                docstring, above = "\n".join(clean_comment(source.text(below[0].start, below[0].end))), [*above, *below]
            rest = [mark for mark in comments if mark not in above]
            extra = lead if lead and docstring != "\n".join(lead) else []
            return docstring, extra + self._lines(rest)
        if piece[3] != "module":
            return next(iter(docs), ""), self._lines(comments)
        return self._module_words(piece, comments, docs)

    def _module_words(self, piece, comments: list[_Mark], docs: list[str]) -> tuple[str, list[str]]:
        """The documentation of a file: its first string, or the first comment before any code that is no licence."""
        source = self.source
        if docs:
            return docs[0], self._lines(comments)
        groups: list[list[_Mark]] = []
        for mark in comments:
            if source.code.startswith(b"#!", mark.start) or not mark.alone:
                continue
            if groups and mark.first == groups[-1][-1].last + 1:
                groups[-1].append(mark)
            else:
                groups.append([mark])
        row = piece[0]
        for group in groups:
            lines = self._lines(group)
            between = b"".join(source.rows[row : group[0].first]).strip()
            if between and not between.startswith((b"#!", b"<?", b"{-#", b"package", b"module")):
                break
            row = group[-1].last + 1
            if lines:
                return "\n".join(lines), self._lines([mark for mark in comments if mark not in group])
        return "", self._lines(comments)

    def _lines(self, marks: list[_Mark]) -> list[str]:
        """The words of comments, one line each; licences and the shebang say nothing about the code."""
        source = self.source
        lines: list[str] = []
        last = -2
        licence = False
        for mark in marks:
            text = source.text(mark.start, mark.end)
            licence = is_licence(text) or (licence and mark.first == last + 1)
            last = mark.last
            if not licence and not text.startswith("#!"):
                lines.extend(clean_comment(text, source.syntax.xml_docs))
        return lines

    def _signature(self, one: _Definition) -> str:
        """The header on one line: from the first keyword to the body, without attributes and comments."""
        source = self.source
        cuts = sorted(
            (mark.start, mark.end)
            for marks in (source.leads, source.comments)
            for mark in marks[bisect_right(marks, one.begin - 1, key=lambda mark: mark.start) :][:20]
            if mark.end <= one.until
        )
        parts, at = [], one.begin
        for start, end in cuts:
            parts.append(source.text(at, max(at, start)))
            at = max(at, end)
        parts.append(source.text(at, min(one.until, at + 2000)))
        header = " ".join(" ".join(parts).split())
        return re.sub(r"(?:\s*(?:[:={;,]|=>|->|\bdo|\bwhere))+$", "", header)[:SIGNATURE_CHARACTERS].rstrip()


def _kind(one: _Definition) -> str:
    if one.role in ("function", "declaration"):
        return "method" if "." in one.symbol else "function"
    return _KINDS.get(one.role, one.role)
