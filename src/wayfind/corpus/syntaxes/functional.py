"""Syntaxes of Haskell, OCaml and Elixir."""

from __future__ import annotations

from wayfind.corpus.syntax import Syntax

HASKELL = Syntax(
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

OCAML = Syntax(_OCAML_DEFINITIONS, _OCAML_REFERENCES, wrappers=frozenset(("value_definition",)), doc_below=True)

ELIXIR = Syntax(
    definitions="""
(call target: (identifier) @_key (arguments (keywords (pair value: (alias) @name))) (do_block) @body (#eq? @_key "defimpl")) @impl
(call target: (identifier) @_key (arguments . (alias) @name) (do_block) @body (#eq? @_key "defmodule")) @class
(call target: (identifier) @_key (arguments . (alias) @name) (do_block) @body (#eq? @_key "defimpl")) @impl
(call target: (identifier) @_key (arguments . (alias) @name) (do_block) @body (#eq? @_key "defprotocol")) @interface
(call target: (identifier) @_key
  (arguments . [(identifier) @name (call target: (identifier) @name)
                (binary_operator left: [(identifier) @name (call target: (identifier) @name)] operator: "when")] @head)
  (#any-of? @_key "def" "defp" "defmacro" "defmacrop" "defguard" "defguardp" "defdelegate" "defn" "defnp")) @function
(call target: (identifier) @_key
  (arguments . [(binary_operator operator: _ @name) (unary_operator operator: _ @name)
                (binary_operator left: [(binary_operator operator: _ @name) (unary_operator operator: _ @name)] operator: "when")] @head)
  (#any-of? @_key "def" "defp" "defmacro" "defmacrop" "defguard" "defguardp" "defn" "defnp") (#not-eq? @name "when")) @function
(call target: (identifier) @_key (arguments . (string) @name) (do_block) @body (#any-of? @_key "test" "property" "feature")) @test
""",
    references="""
(call target: (identifier) @call)
(call target: (dot left: (alias) right: (identifier) @call))
(call target: (dot right: (identifier) @call) (arguments))
(call target: (dot right: (identifier) @call) (do_block))
(call target: (identifier) @_key (arguments . [(call target: (identifier) @uncalled) (binary_operator left: (call target: (identifier) @uncalled) operator: "when")])
  (#any-of? @_key "def" "defp" "defmacro" "defmacrop" "defguard" "defguardp" "defdelegate" "defn" "defnp"))
(unary_operator operator: "@" operand: (call target: (identifier) @uncalled))
(unary_operator operator: "@" operand: (call target: (identifier) @_type) @uncalled
  (#any-of? @_type "spec" "type" "typep" "opaque" "callback" "macrocallback"))
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
