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

The first pattern that matches a node gives its role. The second query finds what chunks mention: `@call`, `@comment`,
`@lead` (attributes and decorators), `@doc` (documentation that is no comment), `@trail` (what belongs to the definition
before it), `@import` (a statement) and `@imported` (the names in it).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wayfind.corpus.languages import grammar_of

if TYPE_CHECKING:
    from tree_sitter import Query

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


@functools.cache
def queries_for(language: str) -> tuple[Query, Query]:
    """The compiled queries of a language: definitions and references. Raises KeyError where there are none."""
    from tree_sitter import Query

    syntax = SYNTAXES[language]
    return Query(grammar_of(language), syntax.definitions), Query(grammar_of(language), syntax.references)


_PYTHON = Syntax(
    definitions="""
(function_definition) @function
(class_definition) @class
(module (expression_statement (assignment left: (identifier) @name right: (_) @body)) @constant (#match? @name "^_*[A-Z][A-Z0-9_]*$"))
""",
    references="""
(call function: [(identifier) @call (attribute attribute: (identifier) @call)])
(comment) @comment
(decorator) @lead
[(import_statement) (import_from_statement) (future_import_statement)] @import
(import_statement name: [(dotted_name) @imported (aliased_import name: (_) @imported)])
(import_from_statement module_name: (_) @imported)
(import_from_statement name: [(dotted_name) @imported (aliased_import name: (_) @imported)])
""",
    wrappers=frozenset(("decorated_definition",)),
    test_name=r"test(_|$)|test[A-Z]",
    doc_in_body=True,
)

_JAVASCRIPT_DEFINITIONS = """
(function_declaration) @function
(generator_function_declaration) @function
(class_declaration) @class
(variable_declarator name: (identifier) @name value: [(arrow_function body: (_) @body) (function_expression body: (_) @body) (generator_function body: (_) @body)]) @function
(variable_declarator name: (identifier) @name value: (class body: (_) @body)) @class
(method_definition) @function
(arguments (function_expression name: (_) @name) @function)
(binary_expression right: (function_expression name: (_) @name) @function)
(export_statement (function_expression name: (_) @name) @function)
(pair key: (_) @name value: [(arrow_function body: (statement_block) @body) (function_expression body: (_) @body)]) @member
(assignment_expression left: (member_expression) @name right: [(arrow_function body: (_) @body) (function_expression body: (_) @body) (generator_function body: (_) @body)]) @function
(assignment_expression left: (member_expression) @name right: (class body: (_) @body)) @class
(program (expression_statement (assignment_expression left: (member_expression) @name right: (object) @body) @constant))
(program [(lexical_declaration (variable_declarator name: (identifier) @name value: (_) @body) @constant)
          (variable_declaration (variable_declarator name: (identifier) @name value: (_) @body) @constant)
          (export_statement (lexical_declaration (variable_declarator name: (identifier) @name value: (_) @body) @constant))])
(call_expression
  function: [(identifier) @_test (member_expression object: (identifier) @_test)
             (call_expression function: [(identifier) @_test (member_expression object: (identifier) @_test)])]
  arguments: (arguments . [(string) (template_string)] @name [(arrow_function body: (_) @body) (function_expression body: (_) @body)])
  (#any-of? @_test "it" "test" "specify" "fit" "xit" "xtest" "bench" "Deno")) @test
"""

_JAVASCRIPT_REFERENCES = """
(call_expression function: [(identifier) @call (member_expression property: (_) @call)])
(new_expression constructor: [(identifier) @call (member_expression property: (_) @call)])
(comment) @comment
(decorator) @lead
(import_statement) @import
(import_statement source: (string (string_fragment) @imported))
(import_clause (identifier) @imported)
(import_specifier name: (_) @imported)
(export_statement source: (string (string_fragment) @imported)) @import
(program [(lexical_declaration (variable_declarator value: (call_expression function: (identifier) @_require arguments: (arguments . (string (string_fragment) @imported)))))
          (variable_declaration (variable_declarator value: (call_expression function: (identifier) @_require arguments: (arguments . (string (string_fragment) @imported)))))] @import
  (#eq? @_require "require"))
"""
_JSX = """
(jsx_opening_element name: (identifier) @call (#match? @call "^[A-Z]"))
(jsx_self_closing_element name: (identifier) @call (#match? @call "^[A-Z]"))
"""
_JAVASCRIPT_WRAPPERS = frozenset(
    ("export_statement", "lexical_declaration", "variable_declaration", "expression_statement", "ambient_declaration")
)  # fmt: skip

_DEFAULT_EXPORTS = {"class_declaration": "default", "function_declaration": "default", "generator_function_declaration": "default"}

_JAVASCRIPT = Syntax(
    definitions=_JAVASCRIPT_DEFINITIONS
    + "(field_definition property: (_) @name value: [(arrow_function body: (_) @body) (function_expression body: (_) @body)]) @function",
    references=_JAVASCRIPT_REFERENCES + _JSX,
    wrappers=_JAVASCRIPT_WRAPPERS,
    names=_DEFAULT_EXPORTS,
)

_TYPESCRIPT_DEFINITIONS = (
    _JAVASCRIPT_DEFINITIONS
    + """
(public_field_definition name: (_) @name value: [(arrow_function body: (_) @body) (function_expression body: (_) @body)]) @function
(abstract_class_declaration) @class
(interface_declaration) @interface
(type_alias_declaration) @type
(enum_declaration) @enum
(internal_module) @module
(function_signature) @function
(method_signature) @declaration
(abstract_method_signature) @declaration
"""
)
_TYPESCRIPT = Syntax(_TYPESCRIPT_DEFINITIONS, _JAVASCRIPT_REFERENCES, _JAVASCRIPT_WRAPPERS, _DEFAULT_EXPORTS, merge=True)
_TSX = Syntax(_TYPESCRIPT_DEFINITIONS, _JAVASCRIPT_REFERENCES + _JSX, _JAVASCRIPT_WRAPPERS, _DEFAULT_EXPORTS, merge=True)

_JAVA = Syntax(
    definitions="""
(method_declaration !body) @declaration
(method_declaration) @function
(constructor_declaration) @function
(compact_constructor_declaration) @function
(field_declaration declarator: (variable_declarator name: (_) @name value: (object_creation_expression (class_body) @body))) @member
(class_declaration) @class
(record_declaration) @class
(interface_declaration) @interface
(annotation_type_declaration) @interface
(enum_declaration) @enum
""",
    references="""
(method_invocation name: (_) @call)
(object_creation_expression type: (_) @call)
[(line_comment) (block_comment)] @comment
[(marker_annotation) (annotation)] @lead
(import_declaration (_) @imported) @import
""",
    test_lead=r"@(\w+\.)*(Test|ParameterizedTest|RepeatedTest|TestFactory|Theory|Property)\b",
)

_GO = Syntax(
    definitions="""
(function_declaration) @function
(method_declaration
  receiver: (parameter_list (parameter_declaration type: [
    (type_identifier) @scope (generic_type type: (_) @scope)
    (pointer_type [(type_identifier) @scope (generic_type type: (_) @scope)])]))
  name: (_) @name) @function
(type_spec name: (_) @name type: (struct_type (_) @body)) @class
(type_spec name: (_) @name type: (interface_type)) @interface
(type_spec) @type
(type_alias) @type
(method_elem) @declaration
(source_file (const_declaration (const_spec name: (_) @name)) @constant)
(source_file (var_declaration (var_spec name: (_) @name)) @constant)
(source_file (var_declaration (var_spec_list (var_spec name: (_) @name))) @constant)
""",
    references="""
(call_expression function: [(identifier) @call (selector_expression field: (_) @call)])
(comment) @comment
(import_declaration) @import
(import_spec path: (_) @imported)
""",
    wrappers=frozenset(("type_declaration",)),
    test_name=r"(Test|Benchmark|Example|Fuzz)([A-Z_]|$)",
)

_RUST = Syntax(
    definitions="""
(function_item) @function
(function_signature_item) @declaration
(macro_definition name: (_) @name . "{"? @body) @function
(struct_item) @class
(union_item) @class
(enum_item) @enum
(trait_item) @interface
(type_item) @type
(impl_item type: (_) @name) @impl
(const_item) @constant
(static_item) @constant
""",
    references="""
(call_expression function: [
  (identifier) @call (field_expression field: (_) @call) (scoped_identifier name: (_) @call)
  (generic_function function: [(identifier) @call (field_expression field: (_) @call) (scoped_identifier name: (_) @call)])])
(macro_invocation macro: [(identifier) @call (scoped_identifier name: (_) @call)])
[(line_comment) (block_comment)] @comment
(attribute_item) @lead
(use_declaration argument: (_) @imported) @import
(extern_crate_declaration name: (_) @imported) @import
""",
    test_lead=r"#\[\s*([\w]+::)*(test|rstest|bench|test_case|proptest)\b",
)

_C_DEFINITIONS = """
(function_definition declarator: (_) @name) @function
(declaration declarator: [(function_declarator) (pointer_declarator declarator: (function_declarator))] @name) @declaration
(type_definition type: [(struct_specifier body: (_) @body) (union_specifier body: (_) @body)] declarator: (_) @name) @class
(type_definition type: (enum_specifier body: (_) @body) declarator: (_) @name) @enum
(struct_specifier name: (_) @name body: (_) @body) @class
(union_specifier name: (_) @name body: (_) @body) @class
(enum_specifier name: (_) @name body: (_) @body) @enum
(preproc_function_def name: (_) @name value: (_) @body) @member
(declaration declarator: (init_declarator declarator: (_) @name value: (initializer_list) @body)) @constant
"""
_C_REFERENCES = """
(call_expression function: [(identifier) @call (field_expression field: (_) @call)])
(comment) @comment
(preproc_include path: (_) @imported) @import
"""

_C = Syntax(_C_DEFINITIONS, _C_REFERENCES, not_calls=frozenset(("sizeof", "defined")))

_CPP = Syntax(
    definitions=_C_DEFINITIONS
    + """
(class_specifier name: (_) @name body: (_) @body) @class
(declaration declarator: (reference_declarator (function_declarator)) @name) @declaration
(field_declaration declarator: [
  (function_declarator) (pointer_declarator declarator: (function_declarator)) (reference_declarator (function_declarator))] @name) @declaration
(concept_definition) @type
""",
    references=_C_REFERENCES
    + """
(call_expression function: [(qualified_identifier) @call (template_function name: (_) @call)])
(new_expression type: (_) @call)
""",
    wrappers=frozenset(("template_declaration",)),
)

_CSHARP = Syntax(
    definitions="""
(method_declaration !body) @declaration
(method_declaration) @function
(constructor_declaration) @function
(destructor_declaration) @function
[(operator_declaration) (conversion_operator_declaration) (indexer_declaration)] @function
(property_declaration) @declaration
(delegate_declaration) @type
(class_declaration) @class
(struct_declaration) @class
(record_declaration) @class
(interface_declaration) @interface
(enum_declaration) @enum
(compilation_unit (global_statement (local_function_statement name: (_) @name) @function))
""",
    references="""
(invocation_expression function: [
  (identifier) @call (generic_name (identifier) @call) (member_access_expression name: (_) @call)
  (conditional_access_expression (member_binding_expression name: (_) @call))])
(object_creation_expression type: (_) @call)
(comment) @comment
(attribute_list) @lead
(using_directive (_) @imported) @import
""",
    names={
        "operator_declaration": "operator", "conversion_operator_declaration": "operator", "indexer_declaration": "this[]",
    },
    test_lead=r"\[\s*(\w+\.)*(Fact|Theory|Test|TestCase|TestMethod|Benchmark)\b",
    xml_docs=True,
)  # fmt: skip

_RUBY = Syntax(
    definitions="""
(method) @function
(singleton_method) @function
(class) @class
(module) @module
(assignment left: (constant) @name right: (_) @body) @constant
(call method: (identifier) @_test arguments: (argument_list . (string) @name) block: (_) @body
  (#any-of? @_test "it" "specify" "test" "scenario" "should")) @test
(call method: (identifier) @_define arguments: (argument_list . (simple_symbol) @name) block: (_) @body
  (#any-of? @_define "define_method" "define_singleton_method")) @function
""",
    references="""
(call method: [(identifier) (constant)] @call)
(comment) @comment
(call method: (identifier) @_require arguments: (argument_list . (_) @imported)
  (#any-of? @_require "require" "require_relative" "load" "autoload" "include" "extend")) @import
""",
    not_calls=frozenset(("require", "require_relative", "attr_reader", "attr_accessor", "attr_writer", "private")),
    test_name=r"test_",
)

_PHP = Syntax(
    definitions="""
(method_declaration !body) @declaration
(method_declaration) @function
(function_definition) @function
(class_declaration) @class
(trait_declaration) @class
(interface_declaration) @interface
(enum_declaration) @enum
(program (const_declaration (const_element (name) @name)) @constant)
(function_call_expression function: (name) @_test arguments: (arguments . (argument [(string) (encapsed_string)] @name) (argument [(anonymous_function body: (_) @body) (arrow_function body: (_) @body)]))
  (#any-of? @_test "it" "test")) @test
""",
    references="""
(function_call_expression function: (_) @call)
(member_call_expression name: (_) @call)
(nullsafe_member_call_expression name: (_) @call)
(scoped_call_expression name: (_) @call)
(object_creation_expression [(name) (qualified_name)] @call)
(comment) @comment
(attribute_list) @lead
(namespace_use_declaration) @import
(namespace_use_clause (_) @imported)
(namespace_use_declaration (namespace_name) @imported)
""",
    test_name=r"test(_|[A-Z])",
    test_lead=r"#\[\s*Test\b|@test\b",
)

_KOTLIN = Syntax(
    definitions="""
(function_declaration (_) @scope . "." . name: (_) @name) @function
(source_file (function_declaration) @function)
(function_declaration name: (_) @name (function_body) @body) @function
(function_declaration) @declaration
(secondary_constructor) @function
(class_declaration "interface" name: (_) @name) @interface
(class_declaration name: (_) @name (enum_class_body) @body) @enum
(class_declaration name: (_) @name (class_body) @body) @class
(class_declaration) @class
(object_declaration name: (_) @name (class_body)? @body) @class
(type_alias type: (_) @name) @type
(source_file (property_declaration (variable_declaration (identifier) @name)) @constant)
(property_declaration (variable_declaration (identifier) @name) [(getter) (object_literal)] @body) @member
""",
    references="""
(call_expression . [(identifier) @call (navigation_expression (identifier) @call .)])
[(line_comment) (block_comment)] @comment
[(annotation) (annotated_expression)] @lead
(import (qualified_identifier) @imported) @import
""",
    names={"secondary_constructor": "constructor"},
    test_lead=r"@(\w+\.)*(Test|ParameterizedTest|RepeatedTest|Benchmark)\b",
)

_SWIFT = Syntax(
    definitions="""
(function_declaration) @function
(protocol_function_declaration) @declaration
[(init_declaration) (deinit_declaration) (subscript_declaration)] @function
(class_declaration declaration_kind: "extension" name: (_) @name) @impl
(class_declaration declaration_kind: "enum" name: (_) @name) @enum
(class_declaration) @class
(protocol_declaration) @interface
(typealias_declaration) @type
(property_declaration name: (_) @name computed_value: (_) @body) @member
(source_file (property_declaration name: (_) @name value: (_) @body) @constant)
""",
    references="""
(call_expression . [(simple_identifier) @call (navigation_expression suffix: (navigation_suffix suffix: (simple_identifier) @call))])
[(comment) (multiline_comment)] @comment
(attribute) @lead
(import_declaration (identifier) @imported) @import
""",
    names={"init_declaration": "init", "deinit_declaration": "deinit", "subscript_declaration": "subscript"},
    test_name=r"test([A-Z_]|$)",
    test_lead=r"@Test\b",
)

_SCALA = Syntax(
    definitions="""
(function_definition) @function
(function_declaration) @declaration
(class_definition) @class
(object_definition) @class
(package_object) @class
(trait_definition) @interface
(enum_definition) @enum
(type_definition) @type
(val_definition pattern: (identifier) @name value: (_) @body) @member
(given_definition) @member
(call_expression function: (call_expression function: (identifier) @_test arguments: (arguments . (_) @name)) arguments: [(block) (case_block)] @body
  (#any-of? @_test "test" "it" "property" "checkAll" "testAsync")) @test
(infix_expression left: (_) @name operator: (identifier) @_test right: (block) @body (#eq? @_test "in")) @test
""",
    references="""
(call_expression function: [(identifier) @call (field_expression field: (_) @call) (generic_function function: [(identifier) @call (field_expression field: (_) @call)])])
(instance_expression (_) @call)
[(comment) (block_comment)] @comment
(annotation) @lead
(import_declaration) @import @imported
""",
    test_lead=r"@(\w+\.)*(Test|Benchmark)\b",
)

_LUA = Syntax(
    definitions="""
(function_declaration) @function
(assignment_statement (variable_list . name: (_) @name) (expression_list . value: (function_definition parameters: (_) @head))) @function
(field name: (_) @name value: (function_definition parameters: (_) @head)) @member
(chunk (variable_declaration (assignment_statement (variable_list . name: (_) @name) (expression_list . value: (table_constructor) @body))) @constant)
(chunk (assignment_statement (variable_list . name: (_) @name) (expression_list . value: (table_constructor) @body)) @constant)
(function_call name: (identifier) @_test arguments: (arguments . (string) @name (function_definition) @body)
  (#any-of? @_test "it" "test" "specify" "pending")) @test
""",
    references="""
(function_call name: [(identifier) @call (dot_index_expression field: (_) @call) (method_index_expression method: (_) @call)])
(comment) @comment
(variable_declaration (assignment_statement (expression_list value: (function_call name: (identifier) @_require arguments: (arguments . (string) @imported)))) (#eq? @_require "require")) @import
""",
    wrappers=frozenset(("variable_declaration",)),
    not_calls=frozenset(("require", "pairs", "ipairs", "type")),
)

_ELIXIR = Syntax(
    definitions="""
(call target: (identifier) @_key (arguments (keywords (pair value: (alias) @name))) (do_block) @body (#eq? @_key "defimpl")) @impl
(call target: (identifier) @_key (arguments . (alias) @name) (do_block) @body (#eq? @_key "defmodule")) @class
(call target: (identifier) @_key (arguments . (alias) @name) (do_block) @body (#eq? @_key "defimpl")) @impl
(call target: (identifier) @_key (arguments . (alias) @name) (do_block) @body (#eq? @_key "defprotocol")) @interface
(call target: (identifier) @_key
  (arguments . [(identifier) @name (call target: (identifier) @name)
                (binary_operator left: [(identifier) @name (call target: (identifier) @name)])] @head)
  (#any-of? @_key "def" "defp" "defmacro" "defmacrop" "defguard" "defguardp" "defdelegate" "defn" "defnp")) @function
(call target: (identifier) @_key (arguments . (string) @name) (do_block) @body (#any-of? @_key "test" "property" "feature")) @test
""",
    references="""
(call target: [(identifier) @call (dot right: (identifier) @call)])
(comment) @comment
(unary_operator operator: "@" operand: (call target: (identifier) @_lead)
  (#any-of? @_lead "doc" "spec" "impl" "deprecated" "typedoc" "tag" "since" "dialyzer")) @lead
(unary_operator operator: "@" operand: (call target: (identifier) @_doc (arguments . (string) @doc))
  (#any-of? @_doc "doc" "moduledoc" "typedoc"))
(unary_operator operator: "@" operand: (call target: (identifier) @_doc (arguments . (sigil (quoted_content)) @doc))
  (#any-of? @_doc "doc" "moduledoc" "typedoc"))
(call target: (identifier) @_import (arguments . (_) @imported) (#any-of? @_import "import" "alias" "use" "require")) @import
""",
    not_calls=frozenset(
        ("def", "defp", "defmacro", "defmacrop", "defmodule", "defimpl", "defprotocol", "defguard", "defguardp", "defdelegate", "doc",
         "spec", "moduledoc", "impl", "if", "case", "cond", "unless", "with", "for", "test", "describe", "when", "typedoc", "type", "use",
         "alias", "import", "require", "defstruct", "fn", "else", "quote", "unquote")
    ),
    merge=True,
)  # fmt: skip

_HASKELL = Syntax(
    definitions="""
(declarations (signature name: (_) @name) @function)
(declarations (function name: (_) @name) @function)
(declarations (function (infix operator: (_) @name)) @function)
(declarations (bind name: (_) @name) @function)
(declarations (foreign_import signature: (signature name: (_) @name)) @function)
(data_type) @type
(newtype) @type
(type_synonym) @type
(type_family) @type
(class) @interface
(instance) @class
""",
    references="""
(apply function: [(variable) @call (qualified id: (variable) @call)])
[(comment) (haddock)] @comment
(pragma) @trail
(fixity) @lead
(import) @import
(import module: (_) @imported)
(import_name (_) @imported)
""",
    merge=True,
)

_ZIG = Syntax(
    definitions="""
(function_declaration name: (_) @name type: (builtin_type) @_type (#eq? @_type "type")) @class
(function_declaration) @function
(variable_declaration (identifier) @name (struct_declaration)) @class
(variable_declaration (identifier) @name (union_declaration)) @class
(variable_declaration (identifier) @name (enum_declaration)) @enum
(variable_declaration (identifier) @name (error_set_declaration)) @enum
(test_declaration [(string) (identifier)] @name (block) @body) @test
(test_declaration (block) @body) @test
(source_file (variable_declaration (identifier) @name) @constant)
""",
    references="""
(call_expression function: [(identifier) @call (field_expression member: (_) @call)])
(comment) @comment
(variable_declaration (builtin_function (builtin_identifier) @_import (arguments (string (string_content) @imported))) (#eq? @_import "@import")) @import
""",
    names={"test_declaration": "test"},
)

_BASH = Syntax(
    definitions="""
(function_definition) @function
(program (variable_assignment name: (_) @name value: (array)) @constant)
""",
    references="""
(command name: (command_name (word) @call))
(comment) @comment
(command name: (command_name (word) @_source) . argument: (_) @imported (#any-of? @_source "source" ".")) @import
""",
    not_calls=frozenset(
        ("echo", "printf", "exit", "return", "cd", "set", "test", "[", "[[", "command", "read", "shift", "eval", "true", "false", "source",
         ".", "trap", ":", "builtin", "break", "continue", "local", "let")
    ),
)  # fmt: skip

_JULIA = Syntax(
    definitions="""
(function_definition (signature) @name @head) @function
(macro_definition (signature) @name @head) @function
(assignment . [(call_expression) (where_expression (call_expression)) (typed_expression . (call_expression))] @name @head) @function
(struct_definition (type_head) @name @head) @class
(abstract_definition (type_head) @name) @type
(primitive_definition (type_head) @name) @type
(const_statement (assignment . (identifier) @name @head)) @constant
(macrocall_expression (macro_identifier (identifier) @_test) (macro_argument_list . (string_literal) @name @head) (#eq? @_test "testset")) @test
""",
    references="""
(call_expression . [(identifier) @call (field_expression (identifier) @call .)])
[(line_comment) (block_comment)] @comment
((string_literal) @lead @doc . [(function_definition) (macro_definition) (assignment) (struct_definition) (abstract_definition) (const_statement) (module_definition) (identifier)])
[(using_statement) (import_statement)] @import
(using_statement (_) @imported)
(import_statement (_) @imported)
""",
)

_OCAML_DEFINITIONS = """
(value_definition (let_binding pattern: (_) @name . (parameter)) @function)
(value_definition (let_binding pattern: (_) @name body: [(function_expression) (fun_expression)]) @function)
(value_definition (let_binding pattern: (value_name) @name) @member)
(external (value_name) @name) @function
(value_specification (value_name) @name) @function
(module_definition (module_binding (module_name) @name body: [(structure) (functor)] @body)) @module
(module_definition (module_binding (module_name) @name module_type: (signature) @body)) @module
(module_type_definition (module_type_name) @name body: (_) @body) @interface
(type_definition (type_binding name: (_) @name)) @type
(class_definition (class_binding (class_name) @name body: (_) @body)) @class
(method_definition (method_name) @name) @function
"""
_OCAML_REFERENCES = """
(application_expression function: (value_path (value_name) @call))
(comment) @comment
(open_module module: (_) @imported) @import
(include_module (module_path) @imported) @import
"""
_OCAML = Syntax(_OCAML_DEFINITIONS, _OCAML_REFERENCES, wrappers=frozenset(("value_definition",)), doc_below=True)

_PERL = Syntax(
    definitions="""
(subroutine_declaration_statement) @function
(method_declaration_statement) @function
(package_statement) @package
(class_statement) @package
(ambiguous_function_call_expression function: (_) @_test arguments: (list_expression . (_) @name (anonymous_subroutine_expression body: (_) @body))
  (#any-of? @_test "subtest" "test")) @test
""",
    references="""
(function_call_expression function: (_) @call)
(ambiguous_function_call_expression function: (_) @call)
(method_call_expression method: (_) @call)
[(comment) (pod)] @comment
(use_statement module: (_) @imported) @import
(require_expression (bareword) @imported) @import
""",
    wrappers=frozenset(("expression_statement",)),
)

_OBJC = Syntax(
    definitions=_C_DEFINITIONS
    + """
(class_interface . (identifier) @name) @class
(class_implementation . (identifier) @name) @impl
(protocol_declaration . (identifier) @name) @interface
(method_definition (compound_statement) @body) @function
(method_declaration) @declaration
""",
    references=_C_REFERENCES + "(message_expression method: (identifier) @call)",
    wrappers=frozenset(("implementation_definition",)),
    test_name=r"test([A-Z_:]|$)",
)

_DART = Syntax(
    definitions="""
((method_signature [(function_signature name: (_) @name) (getter_signature name: (_) @name) (setter_signature name: (_) @name)
                    (constructor_signature) @name (factory_constructor_signature) @name (operator_signature) @name]) @function . (function_body) @body)
(declaration [(constructor_signature) @name (constant_constructor_signature) @name (function_signature name: (_) @name) (getter_signature name: (_) @name)]) @declaration
((function_signature name: (_) @name) @function . (function_body) @body)
((getter_signature name: (_) @name) @function . (function_body) @body)
(class_definition) @class
(mixin_declaration (identifier) @name (class_body) @body) @class
(extension_declaration class: (_) @name) @impl
(enum_declaration) @enum
(type_alias (type_identifier) @name) @type
((identifier) @_test . (selector (argument_part (arguments . (argument (string_literal) @name) (argument (function_expression) @body)))) (#any-of? @_test "test" "testWidgets")) @test
""",
    references="""
((identifier) @call . (selector (argument_part)))
((selector (unconditional_assignable_selector (identifier) @call)) . (selector (argument_part)))
((selector (conditional_assignable_selector (identifier) @call)) . (selector (argument_part)))
[(comment) (documentation_comment)] @comment
(annotation) @lead
(import_or_export (library_import (import_specification (configurable_uri) @imported))) @import
""",
)

_GROOVY = Syntax(
    definitions="""
(method_declaration) @function
(constructor_declaration) @function
(function_definition) @function
(class_declaration) @class
(interface_declaration) @interface
(enum_declaration) @enum
""",
    references="""
(method_invocation name: (_) @call)
(juxt_function_call name: (_) @call)
[(line_comment) (block_comment)] @comment
[(marker_annotation) (annotation)] @lead
(import_declaration (_) @imported) @import
""",
    test_lead=r"@(\w+\.)*Test\b",
)

_POWERSHELL = Syntax(
    definitions="""
(function_statement (function_name) @name @head) @function
(class_method_definition (simple_name) @name (script_block) @body) @function
(class_statement . (simple_name) @name) @class
(enum_statement . (simple_name) @name) @enum
(command command_name: (command_name) @_test command_elements: (command_elements . (command_argument_sep) . (_) @name @head) (#match? @_test "^[Ii][Tt]$")) @test
""",
    references="""
(command command_name: (command_name) @call)
(invokation_expression (member_name) @call)
(comment) @comment
(function_statement (comment) @doc (#match? @doc "\\\\.SYNOPSIS|\\\\.DESCRIPTION"))
(command command_name: (command_name) @_import command_elements: (command_elements (generic_token) @imported) (#any-of? @_import "using" "Import-Module")) @import
""",
)

SYNTAXES: dict[str, Syntax] = {
    "python": _PYTHON, "javascript": _JAVASCRIPT, "typescript": _TYPESCRIPT, "tsx": _TSX, "java": _JAVA, "go": _GO, "rust": _RUST,
    "c": _C, "cpp": _CPP, "csharp": _CSHARP, "ruby": _RUBY, "php": _PHP, "kotlin": _KOTLIN, "swift": _SWIFT, "scala": _SCALA,
    "lua": _LUA, "elixir": _ELIXIR, "haskell": _HASKELL, "zig": _ZIG, "bash": _BASH, "julia": _JULIA, "ocaml": _OCAML,
    "ocaml_interface": _OCAML, "perl": _PERL, "objc": _OBJC, "dart": _DART, "groovy": _GROOVY, "powershell": _POWERSHELL,
}  # fmt: skip
