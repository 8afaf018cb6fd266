"""From a tree to the definitions in it: found by a query, nested by their ranges, with their symbols and owners."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wayfind.corpus.comments import is_licence
from wayfind.corpus.documentation import documentation_apart
from wayfind.corpus.marks import Source, first_string, text_of
from wayfind.corpus.syntax import ROLES, Syntax
from wayfind.corpus.syntaxes import queries_for

if TYPE_CHECKING:
    from tree_sitter import Node

CONSTANT_LINES = 3
"""A constant of fewer lines stays in the block around it."""
SMALL_TYPE_LINES = 6
"""A nested type of fewer lines and without functions stays in the head of its owner."""
LONG_OWNER_LINES = 40
"""Documented declarations of an interface or class are chunks of their own when it is longer than this."""

CONTAINERS = frozenset(("class", "interface", "enum", "type", "impl", "module", "package", "object"))
LEAVES = frozenset(("function", "declaration", "test"))
_HEADS = frozenset(("class", "interface", "enum", "impl", "module"))
_BODIES = frozenset(
    ("block", "function_body", "class_body", "enum_class_body", "compound_statement", "do_block", "body_statement", "script_block")
)
_TEST_MACRO = (
    r"(?:TEST|TEST_F|TEST_P|TYPED_TEST|TYPED_TEST_P|BENCHMARK_F|BOOST_(?:AUTO|FIXTURE)_TEST_CASE"
    r"|(?:CATCH_)?(?:TEMPLATE_(?:[A-Z]+_)?)?(?:TEST_CASE|SCENARIO)(?:_[A-Z]+)*)"
)
_IS_TEST_MACRO = re.compile(_TEST_MACRO)
_IS_MACRO = re.compile(r"[A-Z][A-Z0-9]*_[A-Z0-9_]+")
_TEST_CALL = re.compile(rb"(?:\[\[[^\]]*\]\]\s*)?" + _TEST_MACRO.encode() + rb"\s*\(")


@dataclass(slots=True)
class Definition:
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


def find_definitions(root: Node, language: str, source: Source) -> list[Definition]:
    """The definitions that become chunks, each with its owner, symbol and documentation, in order of their beginning."""
    return _nested(_candidates(root, language, source), source)


def _candidates(root: Node, language: str, source: Source) -> list[Definition]:
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


def _definition(role: str, node: Node, captures: dict, source: Source) -> Definition | None:
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
    if role == "function" and _TEST_CALL.match(source.code, node.start_byte):
        role = "test"
    until = captures["head"][0].end_byte if "head" in captures else end
    if body is not None and body.start_byte > node.start_byte:
        until = body.start_byte
    elif until == end and role in _HEADS:
        until = _header_end(source, node.start_byte, end)
    scope = _plain(text_of(captures["scope"][0], source), True) if "scope" in captures else ""
    made = Definition(role, name, first, last, outer.start_byte, until, node.start_byte, end, scope)
    if node.type == "instance":
        made.symbol = name  # A head of Haskell: its brackets group, they name no item of a table.
    if syntax.doc_in_body and body is not None and role != "constant":
        made.doc = first_string(body, source)
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


def _header_end(source: Source, start: int, end: int) -> int:
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


def _name(node: Node, captures: dict, source: Source) -> str:
    """The name as written, without what the language wraps around it."""
    syntax = source.syntax
    name = captures["name"][0] if "name" in captures else node.child_by_field_name("name")
    if name is None or node.type == "subscript_declaration":  # Swift's has its result's type as its name.
        if node.type in ("method_definition", "method_declaration"):
            return _selector(node, source)
        if node.type.endswith("operator_declaration"):
            signs = text_of(node, source).partition("operator")[2].partition("(")[0].strip()
            return f"operator {signs}" if signs[:1].isalpha() else f"operator{signs}"
        return syntax.names.get(node.type, "")
    declarators = []
    while inner := _inner_declarator(name):
        declarators.append(name.type)
        name = inner
    if node.type == "function_definition" and node.child_by_field_name("declarator") and "function_declarator" not in declarators:
        if name.type != "operator_cast":
            return ""  # `MACRO namespace x {` is read as a function `x`, whose body would swallow the file.
    written = text_of(name, source)
    if node.type == "instance":  # Haskell's `instance Eq a => Show (Box a) where`.
        head = re.sub(r"\{-#.*?#-\}|--.*|\bwhere\b[\s\S]*", " ", text_of(node, source)[:300])
        return re.sub(r"^instance (?:.*=> )?", "", " ".join(head.split()))[:100]
    if node.type == "function_definition" and _IS_TEST_MACRO.fullmatch(written):
        return _test_name(node, name, source) or written
    if name.type == "qualified_identifier":
        return _declared(node, written)
    if name.type in ("signature", "type_head", "call_expression", "where_expression", "typed_expression"):
        return re.split(r"[(<{\s]", re.sub(r"^\s*\((\w+)::[^)]*\)", r"\1", written))[0]
    if name.type.endswith("constructor_signature"):
        return re.sub(r"^(?:const|factory|external)\s+", "", written.split("(")[0].strip()).split(".")[-1]
    if name.type == "operator_signature":
        return "operator" + written.partition("operator")[2].split("(")[0].strip()
    return written


def _test_name(node: Node, macro: Node, source: Source) -> str:
    """What a test's macro says: its string (`TEST_CASE("adds", "[sum]")`), else its arguments, joined (`TEST_F(Sum, Adds)`)."""
    declarator = node.child_by_field_name("declarator")
    arguments = source.text(macro.end_byte, (declarator or node).end_byte)[:2_000]
    if string := _STRINGS.search(arguments):
        return "".join(_STRING.findall(string[0]))
    found = re.search(r"\(([^)]*)\)", arguments)
    return ".".join(part.strip() for part in found[1].split(",")) if found else ""


def _declared(node: Node, name: str) -> str:
    """A qualified name of C++ alone: a macro before it makes the grammar read `std::string f` as one, and a whole class as a type."""
    kind = node.child_by_field_name("type")
    if kind is not None and node.type == "function_definition" and kind.child_by_field_name("body") is not None:
        return ""
    name = re.sub(r"\s*::\s*", "::", name)
    if not re.search(r"\s", name):
        return name
    if operator := re.search(r"(?:\w+(?:<[^<>]*>)?::)*\boperator\b.*", name, re.DOTALL):
        return operator[0]
    words = _without_arguments(name).split()
    return next((word for word in reversed(words) if not _IS_MACRO.fullmatch(word)), words[-1]).lstrip("*&")


def _inner_declarator(node: Node) -> Node | None:
    """One step into a C declarator: `(*f(int))` -> `*f(int)` -> `f(int)` -> `f`."""
    if not node.type.endswith("declarator"):
        return None
    unnamed = node.type in ("reference_declarator", "parenthesized_declarator") and node.named_children
    return node.child_by_field_name("declarator") or (node.named_children[-1] if unnamed else None)


def _selector(node: Node, source: Source) -> str:
    """An Objective-C selector: `find:orElse:`."""
    words = []
    for child in node.named_children:
        if child.type == "identifier":
            words.append(text_of(child, source))
        elif child.type == "method_parameter" and words:
            words[-1] += ":"
    return "".join(words)


def _plain(name: str, container: bool) -> str:
    """A name as a symbol: `ns::Class<T>::f` -> `Class.f`, `X.prototype.f` -> `X.f`, `M:f` -> `M.f`, `T['a']` -> `T.a`; an
    operator keeps its signs: `ns::Class::operator[]` -> `Class.operator[]`, `(<+>)` -> `<+>`."""
    if name.isidentifier():
        return name
    name = " ".join(name.split())
    if not _WORD.search(name):
        return name.strip("() ") or name
    if operator := _OPERATOR.search(name):
        owner = _plain(name[: operator.start()].rstrip(":"), True)
        own = operator[1] + re.sub(r"\s*\(.*", "", operator[2]) if operator[2] else operator[1] + operator[3]
        return f"{owner}.{own}" if owner else own
    if container and (name := _named_type(name)).startswith("(") and "," in name:
        return name
    if name[:1] in "\"'`[(" and name[-1:] in "\"'`])":
        return re.sub(r"^[\"'`\[(\s]+|[\"'`\])\s]+$", "", name)
    name = _without_arguments(name)
    name = re.sub(r"\[['\"]?([^\]'\"]+)['\"]?\]", r".\1", name)
    name = _REFERENCE.sub("", name)
    if "::" in name:
        name = ".".join(name.split("::")[-1 if container else -2 :])
    if not name.endswith(":"):
        name = re.sub(r"(?<=\w):(?=\w)", ".", name.replace("->", "."))
    name = re.sub(r"\.prototype\b", "", name)
    return re.sub(r"^(?:module\.exports|exports|window|globalThis)\.(?=.)", "", name)


def _named_type(name: str) -> str:
    """What a slice holds: `&'a [u8]` -> `u8`; a tuple without references: `(A, &'a B)` -> `(A, B)`; a function's trait, if it has one."""
    bare = _without_arguments(_REFERENCE.sub("", name))
    if "->" in bare:
        return bare.partition("(")[0]
    if bare.startswith("[") and (found := _TYPE.search(bare)):
        return found[0]
    return _REFERENCES.sub("", bare) if bare.startswith("(") else name


def _without_arguments(name: str) -> str:
    """`Map<String, List<Int>>` -> `Map`; what begins with one is left as it is (`<T as Into>::Error`)."""
    while not name.startswith("<") and (shorter := _ARGUMENTS.sub("", name)) != name:
        name = shorter
    return name


_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"(?:\s*"(?:[^"\\]|\\.)*")*')
_ARGUMENTS = re.compile(r"\s*<(?:->|[^<>])*>")
_REFERENCE = re.compile(r"^(?:&|\*|(?:dyn|mut|const) |'\w+ )+")
_REFERENCES = re.compile(r"&|\*|\b(?:dyn|mut|const) |'\w+ ")
_TYPE = re.compile(r"(?<!')\b(?!(?:dyn|mut|const)\b)[^\W\d][\w:]*")
_WORD = re.compile(r"\w")
_OPERATOR = re.compile(r"(?:^|(?<=::))(operator)(?:(\s\w.*)|\s*([^\w\s].*))$")
"""An operator by its type (`operator bool() const`) or by its signs (`operator->`)."""


def _nested(candidates: list[Definition], source: Source) -> list[Definition]:
    """The definitions that become chunks, each with its owner, symbol and documentation. In order of their beginning."""
    kept: list[Definition] = []
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
        if owner is not None and (owner.role in LEAVES or not _belongs(one, owner)):
            continue
        one.parent = stack[-1] if stack else -1
        if owner is not None:
            if owner.role == "constant":
                owner.role = "object"
            owner.functions += one.role in LEAVES
            owner.types += one.role in CONTAINERS
        if one.role == "package":
            package = len(kept)
        stack.append(len(kept))
        kept.append(one)
    return _settled(kept, source)


def _belongs(one: Definition, owner: Definition) -> bool:
    """Whether a definition inside a container or constant is one of its own."""
    if one.role == "constant":
        return owner.role in ("package", "module")
    if owner.role == "constant":
        return one.role in ("function", "test")
    return owner.role in ("package", "module") or one.first > owner.first


def _settled(kept: list[Definition], source: Source) -> list[Definition]:
    """Without what stays inside its owner; renumbered, with symbols, leads and tests."""
    number = {-1: -1}
    settled: list[Definition] = []
    ends_at, attributes = _leads_by_end(source), {mark.last: mark.first for mark in source.leads if mark.alone}
    apart = documentation_apart(source)
    for old, one in enumerate(kept):
        owner = settled[number[one.parent]] if number[one.parent] >= 0 else None
        lowest = owner.first + 1 if owner is not None and owner.role != "package" else 0
        begin = _climb(one.first, attributes, lowest)
        one.lead = _climb(apart[begin] if apart.get(begin, -1) >= lowest else one.first, ends_at, lowest)
        drop = _stays_inside(one, owner)
        number[old] = number[one.parent] if drop else len(settled)
        if drop:
            continue
        one.parent = number[one.parent]
        one.symbol = one.symbol or _symbol(one, settled)
        if one.role == "function" and _is_test(one, source):
            one.role = "test"
        settled.append(one)
    return _merged(settled, source) if source.syntax.merge else settled


def _stays_inside(one: Definition, owner: Definition | None) -> bool:
    if one.role == "declaration":
        return one.lead == one.first or (owner is not None and owner.last - owner.first < LONG_OWNER_LINES)
    small = one.last - one.first + 1 < SMALL_TYPE_LINES and not one.functions
    return owner is not None and owner.role not in ("module", "package") and one.role in CONTAINERS and small


def _leads_by_end(source: Source) -> dict[int, int]:
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


def _climb(row: int, begins: dict[int, int], lowest: int) -> int:
    """The row where what stands directly above a row begins; `begins` has the first row of what ends in a row."""
    while (above := begins.get(row - 1)) is not None and lowest <= above < row:
        row = above
    return row


def _symbol(one: Definition, settled: list[Definition]) -> str:
    name = one.name if one.role == "test" else _plain(one.name, one.role in CONTAINERS)
    if one.role == "test":
        return re.sub(r"^[\"'`]+|[\"'`]+$", "", " ".join(name.split()))
    if one.scope:
        return f"{one.scope}.{name}"
    owner = settled[one.parent] if one.parent >= 0 else None
    if owner is None or not owner.symbol or "." in name and "::" in one.name:
        return name
    if one.role in CONTAINERS and owner.role == "module" and one.role != "module":
        return name
    return f"{owner.symbol}.{name}" if owner.symbol not in ("module.exports", "exports") else name


def _is_test(one: Definition, source: Source) -> bool:
    syntax = source.syntax
    if syntax.test_name and re.match(syntax.test_name, one.symbol.rpartition(".")[2]):
        return True
    if not syntax.test_lead:
        return False
    above = b"\n".join(source.rows[one.lead : one.first]).decode("utf-8", "replace")
    return bool(re.search(syntax.test_lead, above + source.text(one.begin, one.until)))


def _merged(settled: list[Definition], source: Source) -> list[Definition]:
    """Neighbours of one symbol and owner joined, unless the later one is documented: clauses, overloads, signatures."""
    number = {-1: -1}
    merged: list[Definition] = []
    documented = {row for row, _ in source.docs}
    for old, one in enumerate(settled):
        last = merged[-1] if merged else None
        one.parent = number[one.parent]
        if (
            last is not None
            and last.role == one.role == "function"
            and (last.symbol, last.parent) == (one.symbol, one.parent)
            and not any(row in documented for row in range(one.lead, one.first))
            and not (last.last + 1 < one.lead < one.first and source.code.startswith((b"/*", b"//"), _row_start(source, one.lead)))
        ):
            last.last, last.end = one.last, one.end
            number[old] = len(merged) - 1
            continue
        number[old] = len(merged)
        merged.append(one)
    return merged


def _row_start(source: Source, row: int) -> int:
    start = sum(len(line) + 1 for line in source.rows[:row])
    return start + len(source.rows[row]) - len(source.rows[row].lstrip())
