"""Syntaxes of JavaScript, TypeScript (with JSX too) and PHP."""

from __future__ import annotations

from wayfind.corpus.syntax import Syntax

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
(export_statement value: [(function_expression) (generator_function) (arrow_function)] @function)
(export_statement value: (class) @class)
(pair key: (_) @name value: [(arrow_function body: (statement_block) @body) (function_expression body: (_) @body)]) @member
(assignment_expression left: (member_expression) @name right: [(arrow_function body: (_) @body) (function_expression body: (_) @body) (generator_function body: (_) @body)]) @function
(assignment_expression left: (member_expression) @name right: (class !name body: (_) @body)) @class
(assignment_expression left: (member_expression) right: (class name: (_) @name body: (_) @body)) @class
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

_DEFAULT_EXPORTS = dict.fromkeys(
    ("class_declaration", "function_declaration", "generator_function_declaration", "class", "function_expression", "generator_function", "arrow_function"),
    "default",
)
"""What a module exports without a name, other modules import as `default`."""

JAVASCRIPT = Syntax(
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

TYPESCRIPT = Syntax(_TYPESCRIPT_DEFINITIONS, _JAVASCRIPT_REFERENCES, _JAVASCRIPT_WRAPPERS, _DEFAULT_EXPORTS, merge=True)

TSX = Syntax(_TYPESCRIPT_DEFINITIONS, _JAVASCRIPT_REFERENCES + _JSX, _JAVASCRIPT_WRAPPERS, _DEFAULT_EXPORTS, merge=True)

PHP = Syntax(
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
