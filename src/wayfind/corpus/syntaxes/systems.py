"""Syntaxes of C, C++, Objective-C, Go, Rust, Zig and Swift."""

from __future__ import annotations

from wayfind.corpus.syntax import Syntax

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

C = Syntax(_C_DEFINITIONS, _C_REFERENCES, not_calls=frozenset(("sizeof", "defined")))

CPP = Syntax(
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

OBJC = Syntax(
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

GO = Syntax(
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

RUST = Syntax(
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

ZIG = Syntax(
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

SWIFT = Syntax(
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
