"""Definitions: expected chunks of one sample per language, and the laws that hold for any text."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wayfind
from wayfind.corpus.comments import _unclosed, clean_comment
from wayfind.corpus.definitions import MOST_CALLS, SIGNATURE_CHARACTERS, definitions
from wayfind.corpus.languages import language_of
from wayfind.corpus.syntaxes import SYNTAXES
from wayfind.corpus.tiling import BLOCK_LINES
from wayfind.types import KINDS, Chunk

SAMPLES = Path(__file__).parent / "samples" / "definitions"

# First and last line, kind and symbol of every chunk of every sample.
EXPECTED = {
    "bash.sh": """
1-4 module -
6-12 function die
14-16 function has_command
18-20 function nvm_echo
22-26 function inner
28-30 function main
32-32 block -
""",
    "c.c": """
1-3 module -
5-7 function MAX
9-12 class list
14-16 class node
18-18 enum color
20-25 constant primes
26-32 function list_print
34-39 function list_add
41-42 function list_free
""",
    "cpp.cpp": """
1-6 module -
8-13 constant kTable
15-18 class Queue
19-22 method Queue.Push
24-27 block Queue
29-31 method Queue.~Queue
32-36 block Queue
38-41 method Queue.size
43-46 method Global.Instance
48-48 function operator==
50-52 enum Color
54-57 test QueueTest.Pushes
""",
    "csharp.cs": """
1-5 module -
6-19 class Cache
21-25 method Cache.Cache
27-27 method Cache.Get
29-34 test Cache.Finds_values
36-40 interface ICache
42-42 enum Level
44-44 class Point
46-47 class Pair
48-50 method Pair.operator+
""",
    "dart.dart": """
1-2 module -
4-10 class Circle
12-14 method Circle.unit
16-21 method Circle.area
23-24 method Circle.name
26-26 class Named
27-28 method Named.say
30-30 enum Size
32-32 block String
33-34 method String.widen
36-36 type Make
38-40 function twice
42-44 function main
""",
    "elixir.ex": """
1-9 class App.Router
11-22 method App.Router.call
24-25 method App.Router.call
27-27 method App.Router.helper
29-31 method App.Router.route
33-33 class App.Router.Inner
34-36 method App.Router.Inner.deep
38-38 block App.Router
39-40 method App.Router.fetch
42-43 class App.RouterTest
45-48 test calls it
""",
    "go.go": """
1-7 module -
9-12 constant Small
14-17 class Cache
19-21 interface Store
23-23 type ID
25-30 method Cache.Get
32-36 function New
38-40 test TestGet
""",
    "groovy.groovy": """
1-3 module -
5-9 class Settings
11-15 method Settings.load
17-20 method Settings.main
22-24 function helper
26-28 block -
""",
    "haskell.hs": """
1-10 module -
12-16 type Codec
18-18 type Name
20-20 type Table
22-25 interface Sized
27-29 class Sized (Codec a)
31-39 function encode
41-43 function <+>
45-47 function main
""",
    "java.java": """
1-7 module -
9-16 class Cache
18-21 method Cache.Cache
23-28 method Cache.get
30-30 class Cache.Entry
31-32 method Cache.Entry.age
34-38 test Cache.keepsValues
40-45 interface Store
47-47 enum Policy
49-49 class Point
50-53 method Point.norm
""",
    "javascript.js": """
1-7 module -
9-17 function join
19-19 function double
21-24 constant table
26-27 class Store
29-32 method Store.add
34-37 method Store.remove
39-41 method Store.clear
43-43 block module.exports
44-46 function open
47-50 function close
52-56 function inner
57-63 block -
65-69 test adds an item
""",
    "julia.jl": """
1-6 module -
8-16 function area
18-21 class Square
23-23 type Shape
25-25 function half
27-27 method Base.show
29-32 function double
34-37 constant TABLE
39-43 test areas
""",
    "kotlin.kt": """
1-6 module -
8-13 class Cart
15-19 method Cart.add
21-25 block Cart
26-28 method Cart.empty
30-32 interface Shop
34-34 enum Size
36-36 class Registry
37-38 method Registry.find
40-41 method String.widen
43-45 method List.second
47-47 type Names
49-49 class CartTest
50-54 test CartTest.adds an item
""",
    "lua.lua": """
1-6 module -
8-13 method M.load
15-17 method M.reload
19-21 function helper
23-25 method M.stop
27-27 function run
29-29 block -
30-33 test loads
35-39 function setup
""",
    "objc.m": """
1-3 module -
5-10 class Store
12-14 interface Closable
16-16 block Store
18-22 method Store.find:orElse:
24-26 method Store.shared
28-32 test Store.testFind
34-36 function helper
""",
    "ocaml.ml": """
1-4 module -
6-9 type t
11-11 block -
13-16 function push
18-20 function length
22-22 function other
24-24 class Inner
25-26 method Inner.peek
28-28 class counter
29-30 method counter.incr
32-34 block -
""",
    "ocaml_interface.mli": """
1-1 module -
3-4 type t
6-7 function push
9-10 function peek
12-12 class Inner
13-14 method Inner.hidden
""",
    "perl.pl": """
1-6 module -
8-18 method Store.get
20-21 method Store.set
23-23 block -
25-27 method Other.run
29-31 test gets
33-33 block -
""",
    "php.php": """
1-6 module -
8-16 class UserController
18-28 method UserController.show
30-31 block UserController
33-37 interface HasName
39-40 class Macroable
41-42 method Macroable.macro
44-47 enum Suit
49-52 function helper
54-55 class UserTest
56-57 test UserTest.testShow
59-61 test shows a user
63-63 block -
""",
    "powershell.ps1": """
1-5 module -
7-12 function Write-Line
14-22 function Get-Item2
24-25 class Store
27-31 method Store.Open
33-36 enum Level
38-42 test opens
44-44 block -
""",
    "python.py": """
1-9 module -
11-14 constant LIMITS
16-18 block -
19-20 function fallback
23-26 class Retry
28-34 method Retry.pause
36-36 block Retry
38-38 class Retry.Policy
39-39 method Retry.Policy.allows
42-56 function fetch
59-61 test test_fetch
64-64 block -
""",
    "ruby.rb": """
1-4 module -
6-6 class Web
7-10 class App
12-17 method App.call
19-19 method App.build
21-21 block App
22-27 method App.reset!
29-32 method App.helper?
34-37 method Web.version
39-43 test answers
45-45 class AppTest
46-48 test AppTest.test_it
50-53 test a title
""",
    "rust.rs": """
1-5 module -
7-11 class Header
13-13 enum Kind
15-17 interface Source
19-22 method Source.skip
24-24 block Header
25-34 method Header.parse
36-36 block Header
37-38 method Header.next
40-42 function twice
44-46 function hidden
48-50 block -
52-56 test parses
""",
    "scala.scala": """
1-4 module -
6-11 class Server
13-17 method Server.start
19-20 method Server.stop
22-22 class Server
23-23 method Server.default
25-28 method Server.show
30-33 interface Codec
35-35 class ServerSuite
36-39 test starts a server
""",
    "swift.swift": """
1-2 module -
4-9 class Request
11-14 method Request.init
16-16 method Request.deinit
18-24 method Request.resume
26-28 class Point
30-31 enum State
32-33 method State.next
35-37 interface Resumable
39-39 block String
40-43 method String.trimmed
45-45 function globalHelper
47-47 class RequestTests
48-51 test RequestTests.testResume
""",
    "tsx.tsx": """
1-1 module -
3-3 type Props
5-9 function Counter
11-13 function App
""",
    "typescript.ts": """
1-2 module -
4-9 interface Reader
11-11 type Pair
13-16 enum Level
18-20 class FileReader
22-24 method FileReader.constructor
26-30 method FileReader.read
32-33 block FileReader
35-35 class Tools
36-39 method Tools.trim
41-45 function over
47-49 test reads a file
""",
    "zig.zig": """
1-3 module -
5-7 class Parser
9-13 method Parser.next
15-17 enum Parser.Inner
19-23 method Parser.Inner.flip
25-25 enum Kind
27-29 class List
31-35 method List.push
37-37 function helper
39-41 test next argument
""",
}

# Sample -> symbol -> documentation.
DOCSTRINGS = {
    "python.py": {"Retry": "Tries a call again.", "fetch": "Bytes behind an address.\n\nRaises OSError.", "Retry.Policy.allows": ""},
    "javascript.js": {"join": "Joins two paths.\n\n@param {string} a first", "Store.add": "Adds an item.", "double": ""},
    "typescript.ts": {"Reader": "What a reader gives.", "FileReader.read": "Reads a file once."},
    "tsx.tsx": {"Counter": "A button that counts."},
    "java.java": {"Cache": "A cache of values.\n\n@param <K> the key", "Cache.Cache": "Makes an empty cache.", "Cache.get": ""},
    "go.go": {"Cache.Get": "Get returns a value.\nIt may be empty.", "Cache": "Cache holds values by key."},
    "rust.rs": {"Header": "A header of a file.", "Header.parse": "Parses a header.\n\nFails on nothing."},
    "c.c": {"list_print": "Prints a list.", "list_add": "Adds a value.", "list_free": "Frees it.", "list": "A linked list."},
    "cpp.cpp": {"Queue": "A queue.", "Queue.Push": "Adds a value.", "Queue.size": ""},
    "csharp.cs": {"Cache": "Keeps Value objects & more.", "Cache.Cache": "Makes one."},
    "ruby.rb": {"App": "An application.", "App.call": "Runs it.\nTwice."},
    "php.php": {"UserController": "Handles users.", "UserController.show": "Shows a user.\n\n@param  int  $id\n@return User"},
    "kotlin.kt": {"Cart": "A list of [Item]s.", "String.widen": "Widens a string."},
    "swift.swift": {"Request": "A request.\n\n- Parameter url: where to.", "Request.init": "Makes one."},
    "scala.scala": {"Server.start": "Starts it."},
    "lua.lua": {"M.load": "Loads a plugin.\n@param name string"},
    "elixir.ex": {"App.Router": "Routes requests.", "App.Router.helper": "", "App.Router.Inner.deep": ""},
    "haskell.hs": {"encode": "Encodes a value.\nNever fails.", "Codec": "A codec of values.", "Sized": "Things with a size."},
    "zig.zig": {"Parser": "A parser of arguments.", "Parser.next": "Next argument."},
    "bash.sh": {"die": "Prints an error.\nAnd leaves."},
    "julia.jl": {"area": "area(s)\n\nThe area of a shape.", "Square": "A square.", "double": "Doubles."},
    "ocaml.ml": {"push": "Pushes a value.", "t": "A stack of values."},
    "ocaml_interface.mli": {"push": "Pushes a value.", "peek": "The top.", "t": "A stack of values."},
    "perl.pl": {"Store.get": "get\nGets a value.", "Store.set": "Sets a value."},
    "objc.m": {"Store.find:orElse:": "Finds it."},
    "dart.dart": {"Circle": "A circle.", "Circle.area": "Its area."},
    "groovy.groovy": {"Settings": "Reads settings.", "Settings.load": "Loads them."},
    "powershell.ps1": {"Write-Line": "Writes a line.", "Get-Item2": "Gets an item.", "Store.Open": "Opens it."},
}

# Sample -> documentation of the file and what it imports.
MODULES = {
    "python.py": ("Retry requests with growing pauses.", ("os.path", "random", "time", "sleep", "monotonic", "typing", "TYPE_CHECKING")),
    "javascript.js": ("", ("axios", "get", "path")),
    "java.java": ("", ("java.util.List", "java.util.Objects.requireNonNull")),
    "go.go": ("Package cache keeps values.", ("fmt", "strings")),
    "rust.rs": ("Reads headers.\nQuickly.", ("std::collections::HashMap", "crate::io", "Read")),
    "c.c": ("", ("stdio.h", "list.h")),
    "php.php": ("", ("App\\Models\\User", "Illuminate\\Support", "Arr", "Str")),
    "scala.scala": ("", ("cats.effect.IO", "scala.collection.mutable", "Map", "Set")),
    "haskell.hs": ("Module: Data.Codec\nEncodes values.", ("Data.Map", "Data.Text", "Text", "pack")),
    "bash.sh": ("Installs the tool.", ("./lib.sh",)),
}


def chunks_of(name: str) -> list[Chunk]:
    text = (SAMPLES / name).read_text()
    return definitions(text, language_of(name, text))[0]


def by_symbol(chunks: list[Chunk]) -> dict[str, Chunk]:
    """The first chunk of each symbol."""
    found: dict[str, Chunk] = {}
    for chunk in chunks:
        found.setdefault(chunk.symbol or "", chunk)
    return found


def assert_tiles(text: str, chunks: list[Chunk]) -> None:
    """Chunks are in line order, do not overlap, and cover every line with a character other than white space."""
    lines = text.split("\n")
    covered: list[int] = []
    for chunk in chunks:
        assert 1 <= chunk.start_line <= chunk.end_line <= len(lines)
        assert chunk.kind in KINDS
        covered.extend(range(chunk.start_line, chunk.end_line + 1))
    assert covered == sorted(set(covered))
    assert {number for number, line in enumerate(lines, 1) if line.strip()} <= set(covered)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_sample_has_the_expected_chunks(name):
    found = "\n".join(f"{c.start_line}-{c.end_line} {c.kind} {c.symbol or '-'}" for c in chunks_of(name))
    assert found == EXPECTED[name].strip()


def test_every_language_with_a_syntax_has_a_sample():
    assert {name.split(".")[0] for name in EXPECTED} == set(SYNTAXES)


@pytest.mark.parametrize("name", sorted(DOCSTRINGS))
def test_docstring_is_the_definitions_own_with_its_markers_removed(name):
    found = by_symbol(chunks_of(name))
    assert {symbol: found[symbol].docstring for symbol in DOCSTRINGS[name]} == DOCSTRINGS[name]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_module_head_carries_documentation_and_imports(name):
    head = chunks_of(name)[0]
    assert (head.kind, head.docstring, head.imports) == ("module", *MODULES[name])


@pytest.mark.parametrize(
    ("name", "symbol", "signature"),
    [
        ("python.py", "fetch", 'async def fetch( client: Client, url: str = "a: b", ) -> bytes'),
        ("python.py", "Retry", "class Retry(Exception)"),
        ("javascript.js", "join", "export default function join(a, b)"),
        ("typescript.ts", "FileReader", "export abstract class FileReader<T> implements Reader<T>"),
        ("java.java", "Cache.get", "public V get(K key) throws IOException"),
        ("go.go", "Cache.Get", "func (c *Cache[K]) Get(key K) string"),
        ("rust.rs", "Header.parse", "pub fn parse(text: &'a str) -> Result<Self, io::Error>"),
        ("c.c", "list_add", "int *list_add(list *l, int value)"),
        ("cpp.cpp", "Queue", "template <typename T> class Queue : public Base<T>"),
        ("kotlin.kt", "Cart.add", "override fun add(item: Item): Cart"),
        ("haskell.hs", "encode", "encode :: Show a => Codec a -> Text"),
        ("elixir.ex", "App.Router.call", "def call(nil)"),
        ("zig.zig", "Parser", "pub const Parser = struct"),
        ("lua.lua", "M.stop", "M.stop = function(self)"),
        ("julia.jl", "area", "function area(s::Square)"),
    ],
)
def test_signature_is_the_header_on_one_line_without_body_or_decorators(name, symbol, signature):
    assert by_symbol(chunks_of(name))[symbol].signature == signature


def test_calls_are_the_last_names_once_in_order():
    assert by_symbol(chunks_of("python.py"))["fetch"].calls == ("decorate", "get", "body", "join", "attempt")
    assert by_symbol(chunks_of("rust.rs"))["Header.parse"].calls == ("split", "next", "unwrap", "Ok")
    assert by_symbol(chunks_of("java.java"))["Cache.keepsValues"].calls == ("assertThat", "Cache", "get", "isNull")


def test_comments_inside_keep_their_words_and_the_docstring_is_not_repeated():
    pause = by_symbol(chunks_of("python.py"))["Retry.pause"]
    assert pause.comments == "How long the next pause is.\nJitter keeps clients apart.\nseconds"
    assert by_symbol(chunks_of("go.go"))["Cache.Get"].comments == "look it up"


# Laws.

SOURCES = {name: (SAMPLES / name).read_text() for name in EXPECTED}


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(sorted(SOURCES)),
    cut=st.tuples(st.integers(0, 1800), st.integers(0, 1800)),
    garbage=st.text(alphabet="(){}[]<>\"'`/*#-=;:,.@ \n\tabédef function class end 0\0\u3000", max_size=40),
)
def test_chunks_tile_any_cut_of_any_language(name, cut, garbage):
    text = SOURCES[name][: cut[0]] + garbage + SOURCES[name][cut[1] :]
    chunks, _ = definitions(text, language_of(name, text))
    assert_tiles(text, chunks)


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=300).map(lambda text: text.replace("\r", "")), language=st.sampled_from(sorted(SYNTAXES)))
def test_chunks_tile_any_text(text, language):
    assert_tiles(text, definitions(text, language)[0])


@pytest.mark.parametrize("path", sorted(Path(wayfind.__file__).parent.rglob("*.py")), ids=lambda path: path.stem)
def test_chunks_tile_this_package(path):
    text = path.read_text()
    chunks, problems = definitions(text, "python")
    assert problems == []
    assert_tiles(text, chunks)
    for chunk in chunks:
        assert len(chunk.signature) <= SIGNATURE_CHARACTERS and len(chunk.calls) <= MOST_CALLS
        assert chunk.kind != "block" or chunk.end_line - chunk.start_line < BLOCK_LINES


def test_every_function_of_this_package_is_found_by_its_name():
    import ast

    for path in Path(wayfind.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text())
        expected = {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
        for scope in tree.body:
            if isinstance(scope, ast.ClassDef):
                expected |= {f"{scope.name}.{node.name}" for node in scope.body if isinstance(node, ast.FunctionDef)}
        found = {c.symbol for c in definitions(path.read_text(), "python")[0] if c.kind in ("function", "method", "test")}
        assert expected <= found, path


def test_same_text_gives_same_chunks():
    assert chunks_of("cpp.cpp") == chunks_of("cpp.cpp")


# Edges.


@pytest.mark.parametrize("text", ["", "\n\n", "  \t\n"])
def test_no_text_gives_no_chunks(text):
    assert definitions(text, "python") == ([], [])


def test_syntax_error_is_reported_and_the_rest_is_still_found():
    chunks, problems = definitions("def a():\n    return 1\n\ndef b():\n    x x\n\ndef c():\n    return 2\n", "python")
    assert problems == ["syntax-errors"]
    assert {"a", "c"} <= {chunk.symbol for chunk in chunks}


@pytest.mark.parametrize(
    "head",
    ["private constructor", "constructor", "", "@Inject internal constructor", "@Named(of(1))\n internal constructor", "private\n  constructor", "@Inject\nconstructor"],
)
@pytest.mark.parametrize("name", ["Options", "Options<T : Comparable<T>>"])
def test_a_constructor_of_kotlin_may_stand_below_the_name_of_its_class(head, name):
    text = f"class Reader {{\n  class {name}\n  {head}(size: Int) : Base() {{\n    fun of() = 1\n  }}\n\n  fun next() = 2\n}}\n"
    chunks, problems = definitions(text, "kotlin")
    assert problems == []
    lines = text.split("\n")
    starts = {chunk.symbol: lines[chunk.start_line - 1].strip() for chunk in chunks}
    assert starts == {
        "Reader": "class Reader {", "Reader.Options": f"class {name}", "Reader.Options.of": "fun of() = 1", "Reader.next": "fun next() = 2",
    }  # fmt: skip
    assert_tiles(text, chunks)


@pytest.mark.parametrize("nested", ["f(" * 30_000 + ")" * 30_000, "[" * 30_000, "x = " + "-" * 30_000 + "1"])
def test_deep_nesting_is_reported_and_still_tiled(nested):
    text = f"def first():\n    pass\n\n{nested}\n"
    chunks, problems = definitions(text, "python")
    assert "too-deep" in problems
    assert_tiles(text, chunks)


def test_language_without_grammar_is_tiled_by_lines():
    text = "SELECT 1;\n" * 200
    chunks, problems = definitions(text, "sql")
    assert problems == ["no-grammar"]
    assert_tiles(text, chunks)
    assert all(chunk.end_line - chunk.start_line < BLOCK_LINES for chunk in chunks)


def test_a_long_definition_is_one_chunk():
    chunks, _ = definitions("def long():\n" + "    x = 1\n" * 900, "python")
    assert [(chunk.symbol, chunk.end_line) for chunk in chunks] == [("long", 901)]


def test_statements_between_definitions_are_cut_into_blocks():
    chunks, _ = definitions("import os\n" + "x = os.name\n" * 500 + "def f(): pass\n", "python")
    assert max(chunk.end_line - chunk.start_line + 1 for chunk in chunks) <= BLOCK_LINES


def test_header_in_another_dialect_is_read_by_its_grammar():
    text = "/* c */\n" * 900 + "namespace a {\nclass B : public C<int> {\n public:\n  int f() const { return 1; }\n};\n}\n"
    assert "B.f" in {chunk.symbol for chunk in definitions(text, language_of("b.h", text[:4096]))[0]}


def test_functions_of_a_wrapper_are_chunks():
    text = "define(['a'], function (a) {\n  function one() {\n    return a;\n  }\n\n  function two() {}\n  return one;\n});\n"
    assert {"one", "two"} <= {chunk.symbol for chunk in definitions(text, "javascript")[0]}


def test_a_class_that_is_exported_where_it_is_defined_keeps_its_name():
    text = "module.exports = class Application extends Emitter {\n  use (fn) {\n    return fn\n  }\n}\nexports.Thing = class {\n  go () {\n    return 1\n  }\n}\n"
    symbols = {chunk.symbol for chunk in definitions(text, "javascript")[0]}
    assert {"Application", "Application.use", "Thing", "Thing.go"} <= symbols


def test_importing_the_module_loads_no_grammar():
    code = "import wayfind.corpus.definitions, sys; sys.exit(any(name.startswith('tree_sitter') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Regressions.


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_defect_7_code_inside_strings_is_no_definition(name):
    assert not any("fake" in (chunk.symbol or "").lower() for chunk in chunks_of(name))


def test_defect_7_a_comment_inside_a_string_is_no_comment():
    chunk = definitions('def f():\n    return "# not a comment"  # one\n', "python")[0][0]
    assert chunk.comments == "one"


def test_defect_7_text_between_two_docstrings_is_no_docstring():
    text = 'def a():\n    """First."""\n    x = 1\n    """Second."""\n\ndef b():\n    y = """Not mine."""\n'
    found = by_symbol(definitions(text, "python")[0])
    assert (found["a"].docstring, found["b"].docstring) == ("First.", "")


@pytest.mark.parametrize("value", ['(\n    "select name "\n    "from users"\n)', '[\n    "red paint",\n    "blue paint",\n]', '{\n    "red paint":\n    1,\n}'])
def test_the_strings_of_a_constant_are_no_docstring(value):
    (chunk,) = definitions(f"CHOICES = {value}\n", "python")[0]
    assert (chunk.kind, chunk.symbol, chunk.docstring) == ("constant", "CHOICES", "")


@pytest.mark.parametrize(
    ("language", "head", "body", "symbols"),
    [
        (
            "cpp",
            "class V {\n public:\n",
            [
                "int& operator[](int i) { return a[i]; }", "V& operator()(int i) { return *this; }", "V* operator->() { return this; }",
                "explicit operator bool() const { return x; }", "bool operator<(const V& o) const { return 1; }", "~V() { c(); }",
            ],
            ["V", "V.operator[]", "V.operator()", "V.operator->", "V.operator bool", "V.operator<", "V.~V"],
        ),
        (
            "csharp",
            "class A {\n",
            ["public int this[int i] {\n get { return 1; }\n }", "public static explicit operator int(A a) {\n return 1;\n }", "public static A operator +(A a, A b) {\n return a;\n }"],
            ["A", "A.this[]", "A.operator int", "A.operator+"],
        ),
        ("swift", "struct P {\n", ["subscript(i: Int) -> Int {\n return i\n }"], ["P", "P.subscript"]),
    ],
)  # fmt: skip
def test_operators_and_indexers_keep_their_signs(language, head, body, symbols):
    chunks = definitions(head + "".join(f"  {one}\n" for one in body) + ("};\n" if language == "cpp" else "}\n"), language)[0]
    assert [chunk.symbol for chunk in chunks if chunk.symbol] == symbols


def test_an_operator_outside_its_class_keeps_class_and_signs():
    text = "int& ns::V<int>::operator[](int i) {\n  return a[i];\n}\n"
    assert [chunk.symbol for chunk in definitions(text, "cpp")[0]] == ["V.operator[]"]


@pytest.mark.parametrize("prefix", ["f", "b", "rb"])
def test_defect_7_a_formatted_or_bytes_string_is_no_docstring(prefix):
    assert definitions(f'def a():\n    {prefix}"text"\n    return 1\n', "python")[0][0].docstring == ""


def test_defect_7_the_files_description_is_not_its_functions():
    chunks = definitions('"""About the file."""\n\ndef a():\n    pass\n', "python")[0]
    assert [chunk.docstring for chunk in chunks] == ["About the file.", ""]


def test_a_licence_above_the_first_definition_is_not_its_documentation():
    chunk = definitions("// Copyright 2024 Someone. Licensed under the MIT licence.\nint f(void) { return 1; }\n", "c")[0][-1]
    assert (chunk.symbol, chunk.docstring) == ("f", "")


def test_a_macro_before_a_namespace_does_not_swallow_the_file():
    text = "namespace app {\nAPP_NAMESPACE_BEGIN\nnamespace in {\n\nint one(int x) { return x; }\n\n}  // namespace in\n}\n"
    assert ("function", "one", 5) in {(c.kind, c.symbol, c.start_line) for c in definitions(text, "cpp")[0]}


def test_macros_that_the_grammar_does_not_know_hide_no_class_and_no_method():
    text = (
        "class APP_LOCKABLE APP_EXPORT Mutex final : public Base {\n public:\n  // Locks.\n  void Lock() APP_ACQUIRES() { lock(); }\n"
        "  int* get(int* absl_nonnull x APP_ATTRIBUTE_BOUND) const APP_PURE { return x; }\n};\n"
    )
    chunks, problems = definitions(text, "cpp")
    assert problems == []
    assert [(c.kind, c.symbol) for c in chunks] == [("class", "Mutex"), ("method", "Mutex.Lock"), ("method", "Mutex.get")]
    assert chunks[1].signature == "void Lock() APP_ACQUIRES()"


APART = {
    "javascript": "const a = 1\n/**\n * Sends the reply.\n */\n\nfunction reply(x) {\n  return x\n}\n",
    "typescript": "const a = 1\n/** Sends the reply. */\n\n\nexport function reply(x: number) {\n  return x\n}\n",
    "java": "package p;\n/** Sends the reply. */\n\n@Deprecated\nclass reply {\n  int x;\n}\n",
    "php": "<?php\n$a = 1;\n/** Sends the reply. */\n\n#[Pure]\nfunction reply($x) {\n  return $x;\n}\n",
    "c": "int a;\n/** Sends the reply. */\n\nint reply(int x) {\n  return x;\n}\n",
    "cpp": "int a;\n/// Sends the reply.\n\ntemplate <typename T>\nT reply(T x) {\n  return x;\n}\n",
    "csharp": "using System;\n/// <summary>Sends the reply.</summary>\n\n[Serializable]\nclass reply {\n  int x;\n}\n",
    "rust": "use std::io;\n/// Sends the reply.\n\n#[inline]\n#[must_use]\nfn reply(x: u8) -> u8 {\n    x\n}\n",
    "swift": "import Foundation\n/// Sends the reply.\n\n@inlinable\nfunc reply(x: Int) -> Int {\n  return x\n}\n",
    "kotlin": "import a.b\n/** Sends the reply. */\n\nfun reply(x: Int): Int {\n  return x\n}\n",
    "dart": "import 'a.dart';\n/// Sends the reply.\n\nint reply(int x) {\n  return x;\n}\n",
    "lua": "local a = 1\n--- Sends the reply.\n\nlocal function reply(x)\n  return x\nend\n",
    "ruby": "require 'a'\n##\n# Sends the reply.\n\ndef reply(x)\n  x\nend\n",
    "haskell": "module A where\nimport B\n-- | Sends the reply.\n\nreply :: Int -> Int\nreply x = x\n",
}  # fmt: skip


@pytest.mark.parametrize("language", sorted(APART))
def test_documentation_belongs_to_its_definition_across_a_blank_line(language):
    found = by_symbol(definitions(APART[language], language)[0])
    assert found["reply"].docstring.rstrip() == "Sends the reply."
    assert not any(chunk.symbol is None and "Sends" in (chunk.comments + chunk.docstring) for chunk in found.values())


@pytest.mark.parametrize(
    "above",
    [
        "/** Helpers */\n\n",
        "/* Sends the reply. */\n\n",
        "// Sends the reply.\n\n",
        "/**\n * Copyright 2024 Someone, all rights reserved.\n */\n\n",
        "/** ------- Sends the reply. ------- */\n\n",
        "/********* Sends the reply. *********/\n\n",
        "/** @typedef {Object} Reply  What is sent. */\n\n",
        "/** @defgroup replies  What is sent. */\n\n",
        "/** Sends the reply. */\n\n\n\n",
        "/** Sends the reply. */\n\nlet b = 2\n",
        "/** Sends the reply. */\n\n// Not so.\n",
    ],
)
def test_what_is_no_documentation_of_one_definition_stays_apart(above):
    found = by_symbol(definitions(f"let a = 1\n{above}function reply(x) {{\n  return x\n}}\n", "javascript")[0])
    assert found["reply"].docstring in ("", "Not so.")


def test_the_first_comment_of_a_file_is_the_files_unless_it_speaks_of_parameters():
    below = "\n\nfunction reply(x) {\n  return x\n}\n"
    assert by_symbol(definitions("'use strict'\n/** Sends replies. */" + below, "javascript")[0])["reply"].docstring == ""
    assert by_symbol(definitions("/** Sends it.\n * @param x what\n */" + below, "javascript")[0])["reply"].docstring != ""


def test_a_go_comment_a_blank_line_above_is_not_the_functions():
    found = by_symbol(definitions("package p\n\n// Sends the reply.\n\nfunc reply() int {\n\treturn 1\n}\n", "go")[0])
    assert found["reply"].docstring == ""


# Comments.


@pytest.mark.parametrize(
    ("comment", "lines"),
    [
        ("// plain", ["plain"]),
        ("/// Doc.", ["Doc."]),
        ("//! Inner.", ["Inner."]),
        ("/** One.\n *\n * Two.\n */", ["One.", "", "Two."]),
        ("/* a */", ["a"]),
        ("# ---- Section ----", ["---- Section ----"]),
        ("# noqa: E501", []),
        ("############", []),
        ("-- | Haddock", ["Haddock"]),
        ("--- LuaDoc", ["LuaDoc"]),
        ("--[[ long\nlines ]]", ["long", "lines"]),
        ("(** OCaml. *)", ["OCaml."]),
        ("{- | Block -}", ["Block"]),
        ("/// <summary>Gets <see cref=\"X\"/>.</summary>", ["Gets X."]),
        ("/// <param name=\"speed\">How <c>fast</c>.</param>", ["@param speed How fast."]),
        ("/// <summary>Shuts it.</summary> <returns>Whether.</returns>", ["Shuts it.", "@returns Whether."]),
        ("/// <exception cref=\"Locked\">It is <paramref name=\"shut\"/>.</exception>", ["@exception Locked It is shut."]),
        ("/// <inheritdoc/>", []),
        ("=head2 name\n\nText.\n\n=cut", ["name", "Text."]),
        ("/** {@code x} <p>and</p> */", ["x and"]),
        ("// 数 を 返す", ["数 を 返す"]),
    ],
)
def test_comment_markers_are_removed(comment, lines):
    assert clean_comment(comment, xml=comment.startswith("/// <")) == lines


_CLOSING = re.compile(r"\s*(?:\*+/|\*+\)|-+\}|\#>|--\]=*\]|\]=*\](?:--)?)\s*$")


@given(st.lists(st.sampled_from(["*/", "*", "*)", "-}", "-", "#>", "]]", "]", "=", "--", " ", "\n", "word"]), max_size=9).map("".join))
def test_the_marker_that_closes_a_comment_goes_as_the_pattern_has_it(comment):
    assert _unclosed(comment).rstrip() == _CLOSING.sub("", comment).rstrip()


def test_a_long_run_of_stars_is_read_once():
    assert clean_comment(f"/* Opens it. {'*' * 300_000} Shuts it. */")[0].startswith("Opens it.")


@pytest.mark.parametrize(
    "comment",
    [
        "# noinspection PyUnusedLocal", "# type: (int) -> str", "# type: List[int]", "# pyright: ignore", "# pyre-ignore[3]", "# yapf: disable",
        "# flake8: noqa", "# typed: true", "# frozen-string-literal: true", "/* eslint no-eval: 0 */", "/* jshint esversion: 6 */",
        "/* global window, document */", "// biome-ignore lint: shadowed", "// c8 ignore next", "// #region doors", "// deno-lint-ignore no-explicit-any",
        "/* IWYU pragma: keep */", "/* cppcheck-suppress unusedFunction */", "//lint:ignore U1000 used by cgo", "//export OpenDoor", "// #nosec G104",
        "---@diagnostic disable: await-in-sync", "// NOSONAR because of it", "// cspell: disable",
    ],
)  # fmt: skip
def test_words_to_tools_are_no_documentation(comment):
    assert clean_comment(comment) == []


@pytest.mark.parametrize(
    "words",
    ["type: the kind of a door", "global state of the house", "eslint plugins that are loaded", "export the table", "lint the files that changed", "typed: how it is set"],
)
def test_words_to_readers_that_begin_as_those_to_tools_stay(words):
    assert clean_comment(f"# {words}") == [words]


def test_what_javadoc_shows_as_code_stays_as_it_is():
    assert clean_comment("/** Escapes: {@code <p>} is <b>returned</b> as {@code &lt;p&gt;} &amp; not {@link Door#shut() &lt;shut&gt;}. */") == [
        "Escapes: <p> is returned as &lt;p&gt; & not <shut>."
    ]


def test_a_constant_that_javadoc_shows_is_named():
    assert clean_comment("/** At most {@value #MOST} doors. */") == ["At most MOST doors."]


THREADS = """
import sys, threading
from wayfind.corpus.definitions import cut

sys.setswitchinterval(1e-5)
texts = ["\\n".join(f"def f{i}_{k}(a, b):\\n    return g{k}(a, [b, {{'x': {i}}}])\\n" for i in range(300)) for k in range(4)]
alone = [cut(text, "python") for text in texts]
wrong = []

def work(k):
    for _ in range(8):
        if cut(texts[k], "python") != alone[k]:
            wrong.append(k)

threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
[one.start() for one in threads]
[one.join() for one in threads]
sys.exit(len(wrong))
"""


def test_texts_may_be_cut_in_several_threads_at_once():
    """A parser reads its text by calling back, where threads change: one for all of them ended the process (signal 11)."""
    assert subprocess.run([sys.executable, "-c", THREADS], check=False).returncode == 0
