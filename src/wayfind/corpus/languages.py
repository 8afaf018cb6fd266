"""From a path and the first kilobytes of a file to the name of its language, and from that name to a parser.

Names are lower case without punctuation (`cpp`, `csharp`). A language without a grammar has a name all the same, so that
a filter on it works. What is not known is `text`. Grammars are imported when a parser is first asked for.
"""

from __future__ import annotations

import functools
import importlib
import re
import threading
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Language as Grammar
    from tree_sitter import Parser


@dataclass(frozen=True, slots=True)
class Language:
    """A language: how its files are recognised, what users call it, and where its grammar is.

    `names` are whole file names, `extensions` the part after a dot, `aliases` what a user may type besides those;
    all are words separated by spaces. `grammar` is `module` or `module:function` without the `tree_sitter_` prefix.
    """

    name: str
    extensions: str = ""
    names: str = ""
    interpreters: str = ""
    aliases: str = ""
    grammar: str = ""


LANGUAGES: tuple[Language, ...] = (
    # Code with a grammar.
    Language("python", "py pyi pyw py3 bzl", "SConstruct SConscript wscript BUCK BUILD WORKSPACE", "python pypy", "starlark", "python"),
    Language("javascript", "js jsx mjs cjs es6 jsm", "Jakefile", "node nodejs bun", "ecmascript", "javascript"),
    Language("typescript", "ts mts cts", "", "deno ts-node tsx", "", "typescript:language_typescript"),
    Language("tsx", "tsx", "", "", "", "typescript:language_tsx"),
    Language("java", "java jav", "", "", "", "java"),
    Language("go", "go", "", "", "golang", "go"),
    Language("rust", "rs", "", "rust-script", "", "rust"),
    Language("c", "c", "", "tcc", "", "c"),
    Language("cpp", "cc cpp cxx c++ hh hpp hxx h++ ipp tpp txx ixx cppm cu cuh ino", "", "", "cplusplus cuda", "cpp"),
    Language("csharp", "cs csx", "", "", "c# dotnet", "c_sharp"),
    Language(
        "ruby", "rb rake gemspec ru rbw podspec jbuilder",
        "Rakefile Gemfile Vagrantfile Guardfile Podfile Fastfile Brewfile Capfile Thorfile", "ruby jruby", "", "ruby",
    ),
    Language("php", "php phtml php3 php4 php5 php7 php8 phpt", "", "php", "", "php:language_php"),
    Language("kotlin", "kt kts ktm", "", "kotlin", "", "kotlin"),
    Language("swift", "swift", "", "swift", "", "swift"),
    Language("scala", "scala sc sbt", "", "scala", "", "scala"),
    Language("lua", "lua luau rockspec", ".luacheckrc", "lua luajit luau", "", "lua"),
    Language("elixir", "ex exs", "", "elixir", "", "elixir"),
    Language("haskell", "hs hs-boot", "", "runhaskell stack", "", "haskell"),
    Language("zig", "zig", "", "zig", "", "zig"),
    Language(
        "bash", "sh bash zsh ksh bats ebuild command",
        ".bashrc .bash_profile .bash_aliases .profile .zshrc .zprofile .zshenv PKGBUILD APKBUILD",
        "bash sh zsh ksh dash ash busybox", "shell", "bash",
    ),
    Language("julia", "jl", "", "julia", "", "julia"),
    Language("ocaml", "ml mli", "", "ocaml", "", "ocaml:language_ocaml"),
    Language("perl", "pl pm t psgi", "cpanfile Makefile.PL Build.PL", "perl", "", "perl"),
    Language("objc", "m mm", "", "", "objective-c objectivec objcpp", "objc"),
    Language("dart", "dart", "", "dart", "", "dart"),
    Language("groovy", "groovy gradle gvy nf", "Jenkinsfile", "groovy nextflow", "", "groovy"),
    Language("powershell", "ps1 psm1 psd1", "", "pwsh powershell", "pwsh", "powershell"),
    # Documents and settings, which have readers of their own.
    Language("markdown", "md markdown mdx mkd qmd rmd", "", "", "", ""),
    Language("rst", "rst rest", "", "", "restructuredtext", ""),
    Language("json", "json jsonc json5 geojson ipynb webmanifest jsonl ndjson", ".babelrc .eslintrc .prettierrc composer.lock", "", "", ""),
    Language("yaml", "yaml yml", ".clang-format .clang-tidy .clangd", "", "", ""),
    Language("toml", "toml", "Cargo.lock poetry.lock uv.lock Pipfile", "", "", ""),
    Language("ini", "ini cfg conf properties editorconfig", ".editorconfig .gitconfig .gitmodules .npmrc .flake8 .pylintrc", "", "", ""),
    Language("text", "txt text log", "README LICENSE COPYING AUTHORS NOTICE CHANGELOG INSTALL TODO", "", "txt plain", ""),
    # Code without a grammar here.
    Language("asciidoc", "adoc asciidoc"), Language("assembly", "s asm nasm", aliases="asm"),
    Language("awk", "awk", interpreters="awk gawk mawk nawk"), Language("batch", "bat cmd"),
    Language("clojure", "clj cljs cljc edn bb", interpreters="bb clojure"), Language("cmake", "cmake", "CMakeLists.txt"),
    Language("coffeescript", "coffee"), Language("commonlisp", "lisp lsp cl asd", aliases="lisp"),
    Language("coq", "vo"), Language("crystal", "cr", interpreters="crystal"),
    Language("css", "css"), Language("cuda", ""), Language("cython", "pyx pxd pxi"), Language("d", "d di"),
    Language("diff", "diff patch"), Language("dockerfile", "dockerfile containerfile", "Dockerfile Containerfile", aliases="docker"),
    Language("dotenv", "env", ".env"), Language("elm", "elm"), Language("emacslisp", "el", aliases="elisp"),
    Language("erb", "erb"), Language("erlang", "erl hrl", "rebar.config", "escript"), Language("fish", "fish", "", "fish"),
    Language("fortran", "f f77 f90 f95 f03 f08 for"), Language("fsharp", "fs fsi fsx", aliases="f#"),
    Language("gdscript", "gd"), Language("gleam", "gleam"), Language("glsl", "glsl vert frag comp geom"),
    Language("graphql", "graphql gql"), Language("hcl", "hcl tf tfvars", aliases="terraform"),
    Language("haxe", "hx"), Language("html", "html htm xhtml"), Language("janet", "janet"), Language("jinja", "j2 jinja jinja2"),
    Language("just", "just", "justfile Justfile .justfile"), Language("latex", "tex sty cls bib ltx", aliases="tex"),
    Language("lean", "lean"), Language("less", "less"), Language("make", "mk mak", "Makefile makefile GNUmakefile", "make", "makefile"),
    Language("matlab", ""), Language("meson", "", "meson.build meson_options.txt"), Language("metal", "metal"), Language("mojo", "mojo"),
    Language("nim", "nim nims nimble"), Language("nix", "nix"), Language("nushell", "nu", interpreters="nu"),
    Language("odin", "odin"), Language("pascal", "pas pp dpr", aliases="delphi"), Language("proguard"), Language("prolog", "pro plt"),
    Language("protobuf", "proto", aliases="proto3"), Language("purescript", "purs"), Language("qmake", "pri prf"), Language("r", "r rprofile", interpreters="Rscript"),
    Language("racket", "rkt", interpreters="racket"), Language("sass", "sass scss"), Language("scheme", "scm ss sld", interpreters="guile"),
    Language("smtlib", "smt2 smt", aliases="smt-lib"), Language("solidity", "sol"), Language("sql", "sql psql pgsql mysql ddl"),
    Language("svelte", "svelte"), Language("systemverilog", "sv svh"), Language("tcl", "tcl tk", interpreters="tclsh wish"),
    Language("thrift", "thrift"), Language("tlaplus", "tla", aliases="tla+"), Language("typst", "typ"),
    Language("verilog", "v vh"), Language("vhdl", "vhd vhdl"), Language("vim", "vim", ".vimrc vimrc", aliases="vimscript viml"),
    Language("visualbasic", "vb vbs bas", aliases="vb.net"), Language("vue", "vue"), Language("wat", "wat wast"),
    Language("xml", "xml xsd xsl xslt svg plist csproj fsproj vbproj props targets resx xaml storyboard xib pom"),
)  # fmt: skip

_BY_NAME = {language.name: language for language in LANGUAGES}
_BY_EXTENSION = {extension: language.name for language in LANGUAGES for extension in language.extensions.split()}
_BY_FILE = {name: language.name for language in LANGUAGES for name in language.names.split()}
_BY_INTERPRETER = {word: language.name for language in LANGUAGES for word in language.interpreters.split()}
_ALIASES = (
    _BY_EXTENSION
    | {name.lower(): language for name, language in _BY_FILE.items()}
    | {alias: language.name for language in LANGUAGES for alias in (*language.aliases.split(), language.name)}
    | {"h": "c"}
)
# Grammars that no file name leads to: an OCaml interface is the language `ocaml` read by another grammar.
_SECOND_GRAMMARS = {"ocaml_interface": "ocaml:language_ocaml_interface"}

_SHEBANG = re.compile(r"#!\s*(?:\S*/)?(?:env\s+(?:-\S+\s+|\w+=\S+\s+)*(?:\S*/)?)?([A-Za-z][\w+-]*?)[\d.]*(?:\s|$)")
_MODELINE = re.compile(r"-\*-.*?(?:mode:\s*)?([A-Za-z+#]+).*?-\*-")
_CPP = re.compile(
    r"^\s*(?:class|namespace|template|using|constexpr|public|private|protected)\b|\boperator\s*[=<>!+*(\[-]"
    r"|^\s*#\s*include\s*<[a-z_]+>|\bstd::|\bvirtual\b|\bnoexcept\b|\w::\w",
    re.MULTILINE,
)
_C_GUARD = re.compile(r'^\s*#\s*ifdef\s+__cplusplus.*?^\s*#\s*endif', re.MULTILINE | re.DOTALL)
_COMMENTS = re.compile(r"/\*.*?(?:\*/|\Z)|//[^\n]*", re.DOTALL)
_OBJC = re.compile(r"^\s*(?:@(?:interface|protocol|implementation|class|import|end)\b|#\s*import\b)", re.MULTILINE)
_PROGUARD = re.compile(r"^\s*-(?:keep|dont|assume|allow|repackage|rename|adapt|verbose|optimiz|if |print)|\bpro-?guard\b", re.MULTILINE | re.IGNORECASE)
_QMAKE = re.compile(r"^\s*[A-Z][A-Za-z0-9_.]*\s*[-+*]?=|^\s*include\(|^\s*[\w|:!-]+(?:\([^)\n]*\))?\s*\{", re.MULTILINE)
_PROLOG = re.compile(r"^\s*:-|^\w+\(.*\)\s*:-", re.MULTILINE)


def language_of(path: str, head: str = "") -> str:
    """The language of a file, `text` when unknown.

    `head` is the beginning of its text (4 KB are enough): its first line may be a shebang, and it settles the extensions
    that languages share (`.h`, `.m`, `.pl`, `.pro`, `.ts`, `.inc`, `.v`).

        >>> language_of("src/app.jsx"), language_of("bin/tool", "#!/usr/bin/env python3\\n")
        ('javascript', 'python')
    """
    name = path.rpartition("/")[2]
    if name in _BY_FILE:
        return _BY_FILE[name]
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    if extension in _SHARED:
        return _SHARED[extension](head)
    if extension in _BY_EXTENSION:
        return _BY_EXTENSION[extension]
    stem = name.partition(".")[0]
    if stem in ("Dockerfile", "Containerfile", "Makefile", "Jenkinsfile"):
        return _BY_FILE[stem]
    return _of_head(head)


def canonical(name: str) -> str | None:
    """The language that a user means by a name, an alias or an extension in any case (`TS`, `c++`, `.py`), else None.

        >>> canonical("C++"), canonical("sh"), canonical("klingon")
        ('cpp', 'bash', None)
    """
    return _ALIASES.get(name.strip().lower().lstrip("."))


def has_grammar(language: str) -> bool:
    """Whether `parser_for(language)` has a parser."""
    return bool(_grammar_name(language))


@functools.cache
def grammar_of(language: str) -> Grammar:
    """The tree-sitter grammar of a language, loaded once. Raises KeyError where `has_grammar` is False."""
    from tree_sitter import Language as Grammar

    found = _grammar_name(language)
    if not found:
        raise KeyError(f"no grammar for {language!r}")
    module, _, function = found.partition(":")
    pointer = getattr(importlib.import_module(f"tree_sitter_{module}"), function or "language")()
    with warnings.catch_warnings():  # Perl's package gives an address where the others give a capsule.
        warnings.simplefilter("ignore", DeprecationWarning)
        return Grammar(pointer)


def parser_for(language: str) -> Parser:
    """The parser of a language, one a thread: a second text begun while one is parsed breaks both, and the process with them. Raises
    KeyError where `has_grammar` is False."""
    from tree_sitter import Parser

    own = vars(_PARSERS)
    if language not in own:
        own[language] = Parser(grammar_of(language))
    return own[language]


_PARSERS = threading.local()


def _grammar_name(language: str) -> str:
    return _SECOND_GRAMMARS.get(language) or (_BY_NAME[language].grammar if language in _BY_NAME else "")


def _of_head(head: str) -> str:
    """The language that a shebang, an Emacs mode line or an opening tag tells."""
    first = head[:200].partition("\n")[0]
    if shebang := _SHEBANG.match(first):
        return _BY_INTERPRETER.get(shebang[1], "text")
    if head.lstrip()[:5] == "<?php":
        return "php"
    if mode := _MODELINE.search(first):
        return canonical(mode[1]) or "text"
    return "text"


def _of_header(head: str) -> str:
    """C, C++ or Objective-C, for a `.h`: constructs of the larger languages outside comments and `__cplusplus` guards."""
    code = _COMMENTS.sub(" ", head)
    if _OBJC.search(code):
        return "objc"
    return "cpp" if _CPP.search(_C_GUARD.sub("", code)) or "-*- C++ -*-" in head[:200] else "c"


def _of_include(head: str) -> str:
    if "<?php" in head[:500]:
        return "php"
    return _of_header(head) if re.search(r"^\s*#\s*(?:include|define|if)|^\s*namespace\b", head, re.MULTILINE) else "text"


def _of_project(head: str) -> str:
    """Prolog, rules of ProGuard or a project of Qt, for a `.pro`; text where it may be any of them."""
    if _PROLOG.search(head) or re.search(r"^\s*%|^[a-z]\w*\([^\n]*\)\.\s*$", head, re.MULTILINE):
        return "prolog"
    if _PROGUARD.search(head):
        return "proguard"
    return "qmake" if _QMAKE.search(head) else "text"


# An extension that languages share -> what decides, given the head of the file.
_SHARED = {
    "h": _of_header,
    "inc": _of_include,
    "stub": lambda head: "php" if "<?php" in head[:500] else "text",
    "m": lambda head: "matlab" if re.match(r"\s*(?:%|function\b)", head) else "objc",
    "pl": lambda head: "prolog" if _PROLOG.search(head) and not head.startswith("#!") else "perl",
    "pro": _of_project,
    "t": lambda head: "perl" if re.search(r"^\s*(?:use |#!.*perl)", head, re.MULTILINE) else "text",
    "ts": lambda head: "xml" if head.lstrip().startswith("<?xml") else "typescript",
    "v": lambda head: "coq" if re.search(r"^\s*(?:Require|Theorem|Lemma|Definition|Proof)\b", head, re.MULTILINE) else "verilog",
    "cls": lambda head: "latex" if "\\" in head else "text",
}  # fmt: skip

EXTENSIONS = frozenset({*_BY_EXTENSION, *_SHARED})
"""The last parts of the names of files that are read as some language."""
