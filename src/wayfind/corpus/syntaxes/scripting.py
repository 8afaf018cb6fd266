"""Syntaxes of Python, Ruby, Perl, Lua, Julia, Bash and PowerShell."""

from __future__ import annotations

from wayfind.corpus.syntax import Syntax

PYTHON = Syntax(
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

RUBY = Syntax(
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

PERL = Syntax(
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

LUA = Syntax(
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

JULIA = Syntax(
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

BASH = Syntax(
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

POWERSHELL = Syntax(
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
