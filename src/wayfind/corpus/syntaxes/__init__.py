"""The syntax of each language with a grammar, and its queries, compiled once."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from wayfind.corpus.languages import grammar_of
from wayfind.corpus.syntax import Syntax
from wayfind.corpus.syntaxes.functional import ELIXIR, HASKELL, OCAML
from wayfind.corpus.syntaxes.managed import CSHARP, DART, GROOVY, JAVA, KOTLIN, SCALA
from wayfind.corpus.syntaxes.scripting import BASH, JULIA, LUA, PERL, POWERSHELL, PYTHON, RUBY
from wayfind.corpus.syntaxes.systems import C, CPP, GO, OBJC, RUST, SWIFT, ZIG
from wayfind.corpus.syntaxes.web import JAVASCRIPT, PHP, TSX, TYPESCRIPT

if TYPE_CHECKING:
    from tree_sitter import Query

SYNTAXES: dict[str, Syntax] = {
    "python": PYTHON, "javascript": JAVASCRIPT, "typescript": TYPESCRIPT, "tsx": TSX, "java": JAVA, "go": GO, "rust": RUST,
    "c": C, "cpp": CPP, "csharp": CSHARP, "ruby": RUBY, "php": PHP, "kotlin": KOTLIN, "swift": SWIFT, "scala": SCALA,
    "lua": LUA, "elixir": ELIXIR, "haskell": HASKELL, "zig": ZIG, "bash": BASH, "julia": JULIA, "ocaml": OCAML,
    "ocaml_interface": OCAML, "perl": PERL, "objc": OBJC, "dart": DART, "groovy": GROOVY, "powershell": POWERSHELL,
}  # fmt: skip


@functools.cache
def queries_for(language: str) -> tuple[Query, Query]:
    """The compiled queries of a language: definitions and references. Raises KeyError where there are none."""
    from tree_sitter import Query

    syntax = SYNTAXES[language]
    return Query(grammar_of(language), syntax.definitions), Query(grammar_of(language), syntax.references)
