"""What a definition looks like in each language: two tree-sitter queries and a few words per language.

The first query finds definitions. A pattern captures the definition under its role, and, where the grammar has no field of
that name, its `@name`, its `@body` (the signature ends before it), its `@head` (the signature ends with it) or the `@scope` that owns it (a Go receiver).
Roles:

    function      a chunk of its own; whatever is nested in it stays part of it
    member        a function where it takes more than one line (an object literal's function, a macro), else nothing
    declaration   a function without a body: a chunk where it has its own documentation and a long or no owner
    test          a test case
    class, interface, enum, type      a head, whose functions are chunks of their own
    impl          like class, but its head is a `block` (`impl` in Rust, an extension)
    module        a class where functions stand in it directly, else only a scope (Ruby, OCaml)
    package       a scope that lasts until the next one (Perl)
    constant      a table of at least three lines at the top level; functions inside it make it an object

The first pattern that matches a node gives its role. The second query finds what chunks mention: `@call`, `@uncalled` (where
nothing is called, whatever looks so: the heads of functions, attributes and types that are written as calls), `@comment`,
`@lead` (attributes and decorators), `@doc` (documentation that is no comment), `@trail` (what belongs to the definition
before it), `@import` (a statement) and `@imported` (the names in it).
"""

from __future__ import annotations

from dataclasses import dataclass, field

ROLES = frozenset(
    ("function", "member", "declaration", "test", "class", "interface", "enum", "type", "impl", "module", "package", "constant")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Syntax:
    """How one language writes definitions. `wrappers` are nodes that begin a definition before its own node (`export`,
    `template<>`); `names` gives definitions without a name one, by node type; `test_name` and `test_lead` are patterns of
    a test's name and of the annotation on it; `merge` joins neighbours of one name (clauses, overloads); `doc_in_body` is Python's docstring, `doc_below` OCaml's comment under
    a value, `xml_docs` C#'s tags."""

    definitions: str
    references: str
    wrappers: frozenset[str] = frozenset()
    names: dict[str, str] = field(default_factory=dict)
    not_calls: frozenset[str] = frozenset()
    test_name: str = ""
    test_lead: str = ""
    merge: bool = False
    doc_in_body: bool = False
    doc_below: bool = False
    xml_docs: bool = False
