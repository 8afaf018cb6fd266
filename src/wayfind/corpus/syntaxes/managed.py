"""Syntaxes of Java, Kotlin, Scala, Groovy, C# and Dart."""

from __future__ import annotations

from wayfind.corpus.syntax import Syntax

JAVA = Syntax(
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

KOTLIN = Syntax(
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

SCALA = Syntax(
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

GROOVY = Syntax(
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

CSHARP = Syntax(
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
[(attribute_list) (preproc_if_in_attribute_list)] @lead
(method_declaration (preproc_pragma) @lead)
(using_directive (_) @imported) @import
""",
    names={
        "operator_declaration": "operator", "conversion_operator_declaration": "operator", "indexer_declaration": "this[]",
    },
    test_lead=r"\[\s*(\w+\.)*(Fact|Theory|Test|TestCase|TestMethod|Benchmark)\b",
    xml_docs=True,
)  # fmt: skip

DART = Syntax(
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
