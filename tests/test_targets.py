"""What a chunk does, in words: from where the words come, what they leave out, and that none is invented."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from wayfind.corpus import actions, english, templates
from wayfind.corpus.english import article, listed, third_person, words
from wayfind.corpus.extract import extract
from wayfind.corpus.parameters import parameters
from wayfind.corpus.targets import _is_licence, comment, comment_lines, documented, first_sentences, shortened, target_of, with_target
from wayfind.corpus.templates import sentence
from wayfind.types import Chunk, FileRecord, Target

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    path for folder in ("src", "tests") for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix not in (".pyc", ".gz", ".sqlite")
)


def target(text: str, path: str, symbol: str | None) -> Target:
    made = extract(text.encode(), path)
    assert isinstance(made, FileRecord)
    return next(chunk.target for chunk in made.chunks if chunk.symbol == symbol)


# The ladder ------------------------------------------------------------------------------------------------------------

RUNGS = {
    "docstring": '"""Loads the model.  It is slow.\n\n    :param path: where\n    """',
    "comment": "# Only the first line of the file counts here.",
    "synthetic": "pass",
}


@pytest.mark.parametrize(
    ("body", "text", "provenance"),
    [
        (RUNGS["docstring"] + "\n    " + RUNGS["comment"] + "\n    return 1", "Loads the model. It is slow.", "docstring"),
        (RUNGS["comment"] + "\n    return 1", "Only the first line of the file counts here.", "comment"),
        (RUNGS["synthetic"], "Loads the model, given path.", "synthetic"),
    ],
)
def test_the_best_rung_is_taken(body: str, text: str, provenance: str) -> None:
    assert target(f"def load_model(path):\n    {body}\n", "a.py", "load_model") == Target(text, provenance)  # type: ignore[arg-type]


def test_where_nothing_speaks_the_first_line_is_shown_as_code() -> None:
    assert target_of(Chunk(1, 2, "block"), "}\n0x1F\n'use'", "c") == Target("'use'", "code")
    assert target_of(Chunk(1, 1, "block"), "}", "c") == Target("", "code")


def test_the_beginning_of_a_text_explains_nothing() -> None:
    """It was called a template's sentence, and a folder of HTML pages `100% explained`."""
    page = "<html>\n<head><title>Opening hours of the library</title>\n<p>From nine to five.\n</html>\n"
    assert target(page, "a.html", None) == Target("head><title>Opening hours of the library</title>", "code")
    assert target("Frequently asked questions\n\nNone.\n", "a.txt", None) == Target("Frequently asked questions", "code")


def test_sections_speak_by_heading_and_first_sentence() -> None:
    assert target("# Install\n\n## From source\n\nClone it. Build it.\n", "a.md", "Install > From source") == Target("From source: Clone it. Build it.", "header")
    assert target("# Install\n\n```\npip install .\n```\n", "a.md", "Install") == Target("Install: pip install .", "header")


def test_origin_defect_7_a_target_depends_on_its_chunk_alone() -> None:
    """Whole-file names became the target of every chunk: here a function says the same wherever it stands."""
    function = 'def area(shape):\n    return shape.width * shape.height\n'
    alone = target(function, "a.py", "area")
    among = target(f'"""Geometry of shapes."""\nimport math\n\n# Everything about circles.\n\n{function}\ndef other():\n    """Other."""\n', "a.py", "area")
    assert alone == among
    assert "other" not in among.text and "circles" not in among.text


def test_origin_defect_7_a_comment_sign_in_a_string_is_no_comment() -> None:
    made = target('def f(x):\n    url = "http://a # this is not a comment at all"\n    return url\n', "a.py", "f")
    assert made.provenance == "synthetic"


def test_a_comment_deep_inside_is_not_about_the_function() -> None:
    text = "def connect(host):\n    a = 1\n    b = 2\n    # wait until the other side answers\n    return a\n"
    assert target(text, "a.py", "connect").provenance == "synthetic"


def test_comments_of_members_are_not_about_the_class() -> None:
    text = "struct share {\n  char *file; /* path used to generate the store */\n};\n"
    assert target(text, "a.c", "share") == Target("Struct share; declares file.", "synthetic")


# Docstrings and comments -----------------------------------------------------------------------------------------------


def test_what_a_c_sharp_comment_says_of_parameters_and_results_is_no_part_of_the_sentence():
    code = """class Till
{
    /// <summary>
    /// Opens the <see cref="Drawer"/> with a key
    /// </summary>
    /// <param name="key">The key to try</param>
    /// <returns>Whether it fits</returns>
    public bool Open(int key)
    {
        return drawer.Fits(key);
    }

    /// <returns>The coins that are left.</returns>
    public int Count(int from)
    {
        return coins - from;
    }
}
"""
    said = {chunk.symbol: chunk.target.text for chunk in extract(code.encode(), "Till.cs").chunks}
    assert said["Till.Open"] == "Opens the Drawer with a key" and said["Till.Count"] == "Returns The coins that are left."


@pytest.mark.parametrize(
    ("docstring", "said"),
    [
        ("Load it.\n\nArgs:\n    path: where", "Load it."),
        ("Load it\n:param path: where", "Load it"),
        ("@brief Loads the thing.\n@param x the x", "Loads the thing."),
        ("Solve.\n======\nSolves the system of equations.\n", "Solves the system of equations."),
        ("Copyright 2020 A. B.\nAll rights reserved.\n\nReads packets.", "Reads packets."),
        ("Licensed under the Apache License, Version 2.0", ""),
        ("Gets a {@link Router} for {@code path}.", "Gets a Router for path."),
        ("<summary>Opens the <see cref=\"T:Door\"/> now.</summary>", "Opens the Door now."),
        (">>> f(1)\n2", ""),
        (":returns: the size in bytes", "Returns the size in bytes"),
        ("Sends [Request] to ``host``.", "Sends Request to host."),
        ("foo()\n\nDoes the work of many.", "Does the work of many."),
        ("Opens the door of a house, as by\nturn()\nof its key.", "Opens the door of a house, as by turn() of its key."),
        ("Section one ---------------------\nWorks it out well.", "Works it out well."),
        ("Parameters\n----------\nx : int", ""),
        (":param rooms:\n    The rooms of it.\n\n    All of them.\n\n:param doors: The doors.\n\nA house with ``rooms``.\n", "A house with rooms."),
        (":param rooms: The rooms of it.\n:returns: the size in bytes", "Returns the size in bytes"),
        ("Foo.", ""),
        ("Makes it a truth.\nTrue values are:\n\n* yes\n", "Makes it a truth."),
        ("{@inheritDoc}", ""),
        ("Opens it as {@linkplain Door#open(int) doors open}, see {@link #shut()} and {@link Door#width}.", "Opens it as doors open, see shut() and Door.width."),
        ("Holds {@code Map<K, {V}>} of {@code deep { and { deeper", "Holds Map<K, {V}> of deep { and { deeper"),
        ("{@return the width of a door}", "Returns the width of a door"),
        ("The undetermined language {@value}.", "The undetermined language."),
        ("Opens the door.\n@deprecated Use {@link Door#shut} instead.", "Opens the door."),
        ("@deprecated Use {@link Door#shut} instead.", "Deprecated: Use Door.shut instead."),
        ("@deprecated", ""),
        ("Opens the <q>door</q> of a <p>house.", "Opens the door of a house."),
        ("Opens [Door] with [the key][Key.turn] of `Key`.", "Opens Door with the key of Key."),
        ("Opens a :class:`~a.Door` by :py:meth:`turning <Key.turn>` ``key``.", "Opens a a.Door by turning key."),
        ("Similar to: #[serde(default)] on a field.", "Similar to: #[serde(default)] on a field."),
        ("$OpenBSD: alerts.c,v 1.35 2026/07/10 13:38:45 nicm Exp $", ""),
        ("$Id$\n\nWatches the doors of a house.", "Watches the doors of a house."),
        ("计算两点之间的距离。", "计算两点之间的距离。"),
    ],
)
def test_a_docstring_is_cut_to_what_it_says(docstring: str, said: str) -> None:
    assert documented(Chunk(1, 1, "function", "foo", docstring=docstring)) == said


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("a.go", "// Open opens\n// the door\n//\n// The key:\n//\n//\tOpen()\nfunc Open(key int) int {\n\treturn key\n}\n"),
        ("a.rs", "/// opens\n/// the door\n///\n/// The key is\n/// turned.\nfn Open(key: u8) -> u8 {\n    key\n}\n"),
        ("a.rs", "/**\n * opens\n * the door\n *\n * The key is turned.\n */\nfn Open(key: u8) -> u8 {\n    key\n}\n"),
        ("a.swift", "/// opens\n/// the door\n///\n/// - Parameter key: The key\nfunc Open(key: Int) -> Int {\n    return key\n}\n"),
        ("a.cs", "/// <summary>\n/// opens\n/// the door\n///\n/// The key is turned.\n/// </summary>\nint Open(int key)\n{\n    return key;\n}\n"),
        ("a.c", "/*\n * Open\n *\n * opens\n * the door\n *\n * -------\n * Turns the key.\n */\nint Open(int key)\n{\n    return key;\n}\n"),
        ("a.lua", "--- opens\n-- the door\n--\n-- The key is turned.\nfunction Open(key)\n  return key\nend\n"),
        ("a.sh", "# opens\n# the door\n#\n# The key is turned.\nOpen() {\n  echo key\n}\n"),
    ],
)
def test_a_comment_says_its_first_paragraph(path: str, code: str) -> None:
    assert target(code, path, "Open").text.removeprefix("Open ") == "opens the door"


def test_a_comment_over_an_overload_is_about_that_alone() -> None:
    """It was the explanation of the implementation, two hundred lines long."""
    code = """// overload 1: by key
function unlock(key: Key): boolean

// overload 2: by a word that is said
function unlock(word: string): boolean

// implementation
function unlock(way: any): boolean {
  return turn(way)
}
"""
    assert [chunk.target.text for chunk in extract(code.encode(), "a.ts").chunks] == [
        "overload 1: by key", "overload 2: by a word that is said", "Unlocks way, given way; calls turn.",
    ]  # fmt: skip
    documented = code.replace("// overload 1: by key", "/** Opens the door. */").replace("// overload 2: by a word that is said\n", "").replace("// implementation\n", "")
    assert [chunk.target.text for chunk in extract(documented.encode(), "a.ts").chunks] == ["Opens the door."]


@pytest.mark.parametrize(
    "line",
    ["TODO: make this faster somehow", "eslint-disable-next-line no-console rule", "type: ignore[arg-type] because of this", "noqa: E501 it is long",
     "return self.items[key]", "x = compute(y) + 1", "if (a && b) { call(); }", "----------------------", "Copyright 2021 the authors of this", "Joins",
     "foo.bar(baz, qux)", "pylint: disable=all the things", "SPDX-License-Identifier: MIT and so on", "=== Section ==="],
)
def test_what_is_no_information_is_passed_over(line: str) -> None:
    assert comment([line, "The cache is kept for an hour."]) == "The cache is kept for an hour."


def test_what_version_control_writes_into_a_file_is_no_documentation() -> None:
    text = "/* $OpenBSD: alerts.c,v 1.35 2026/07/10 13:38:45 nicm Exp $ */\n\n#include <stdio.h>\n\nint f(void) { return 1; }\n"
    assert target(text, "a.c", None) == Target("Module head: imports stdio.h.", "synthetic")
    assert comment(["$Id: a.css,v 1.2 2001/02/03 jd Exp $", "Colours of the whole page."]) == "Colours of the whole page."
    assert sentence(Chunk(1, 1, "block"), "/* $FreeBSD$ */", "c") == ""


def test_a_comment_over_several_lines_is_one_sentence() -> None:
    lines = ["The plain operation never suspends, so either the attempt", "to send succeeds or the channel", "is closed.", "Other."]
    assert comment(lines) == "The plain operation never suspends, so either the attempt to send succeeds or the channel is closed."


def test_comments_of_languages_without_grammar() -> None:
    css = "/* Copyright 2020 me */\n/* Colours of the whole page. */\n#id { color: red }\n"
    assert comment(comment_lines(css, "css")) == "Colours of the whole page."
    assert comment(comment_lines("-- The users of this shop.\nSELECT 1;", "sql")) == "The users of this shop."
    assert comment_lines("# a heading not a comment", "text") == []


def test_sentences_end_where_they_end() -> None:
    assert first_sentences("Uses e.g. a file, i.e. Data. Next one is long enough to stand apart from the first.") == (
        "Uses e.g. a file, i.e. Data. Next one is long enough to stand apart from the first."
    )
    long = "word " * 60
    assert len(shortened(long)) <= 200 and shortened(long).endswith("word…")
    assert shortened("A sentence that is rather long, so that it fills more than half of all the space that there is for it. " + long).endswith("for it.")
    assert len(shortened("x" * 500)) == 200


# Templates -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "kind", "symbol", "signature", "text", "said"),
    [
        ("python", "method", "Router.__init__", "def __init__(self, routes, prefix='')", "", "Creates a Router from routes and prefix."),
        ("java", "method", "Index.Index", "public Index(final Path path, int size)", "", "Creates an Index from path and size."),
        ("go", "function", "NewRouter", "func NewRouter(prefix string) *Router", "", "Creates a Router from prefix."),
        ("rust", "method", "Url.new", "pub fn new(text: &str) -> Self", "", "Creates a Url from text."),
        ("ruby", "method", "Headers.initialize", "def initialize", "", "Creates a Headers."),
        ("python", "method", "Shape.area", "def area(self)", "@property\ndef area(self):", "Returns the area of a Shape."),
        ("python", "method", "Shape.area", "def area(self, value)", "@area.setter\ndef area(self, value):", "Sets the area of a Shape."),
        ("typescript", "method", "Shape.area", "get area(): number", "", "Returns the area of a Shape."),
        ("python", "function", "is_absolute", "def is_absolute(path)", "", "Tells whether path is absolute."),
        ("java", "method", "Token.hasChildren", "boolean hasChildren()", "", "Tells whether a Token has children."),
        ("python", "test", "test_parse_rejects_empty_input", "def test_parse_rejects_empty_input()", "", "Tests that parse rejects empty input."),
        ("java", "test", "ParserTest.testEmptyInput", "void testEmptyInput()", "", "Tests empty input (ParserTest)."),
        ("java", "test", "T.testSerializeMap", "void testSerializeMap()", "", "Tests serialize map (T)."),
        ("python", "function", "on_click", "def on_click(event)", "", "Handles click, given event."),
        ("javascript", "function", "handleSubmit", "function handleSubmit(e)", "", "Handles submit, given e."),
        ("python", "method", "Box.__len__", "def __len__(self)", "", "Returns the length of a Box."),
        ("python", "method", "Box.__contains__", "def __contains__(self, key)", "", "Tells whether a Box contains key."),
        ("python", "function", "main", "def main(argv)", 'add_argument("--all")', "Command-line entry point with options --all."),
        ("python", "function", "sync", "def sync()", '@cli.command()\n@click.option("--dry-run")\ndef sync():', "Command-line command sync with options --dry-run."),
        ("python", "method", "Point.to_json", "def to_json(self)", "", "Converts a Point to json."),
        ("python", "method", "Point.from_dict", "def from_dict(cls, data)", "", "Creates a Point from dict, given data."),
        ("go", "function", "parseHTTPResponse", "func parseHTTPResponse(b []byte) error", "", "Parses the HTTP response, given b."),
        ("python", "function", "get_user_by_id", "def get_user_by_id(id)", "", "Returns the user by id, given id."),
        ("c", "function", "list_destroy", "void list_destroy(struct list *l)", "", "Destroys (list), given l."),
        ("c", "function", "clusterNodeIsMaster", "int clusterNodeIsMaster(node *n)", "", "Tells whether cluster node is master, given n."),
        ("swift", "method", "Headers.startIndex", "public var startIndex: Int", "", "Returns the start index of a Headers."),
        ("java", "method", "IntAdapter.read", "Integer read(JsonReader in)", "", "An IntAdapter reads, given in."),
        ("elixir", "class", "Web.Router", "defmodule Web.Router", "", "Module Router."),
        ("c", "function", "MIN", "#define MIN(a, b)", "", "Macro MIN."),
        ("cpp", "method", "Router.operator==", "bool operator==(const Router& other) const", "", "Operator == of Router on other."),
        ("python", "function", "split_words", "def split_words(text, limit)", "", "Splits the words, given text and limit."),
        ("python", "function", "word_table", "def word_table(text, limit)", "", "Function word_table (text, limit): calls findall and lower."),
        ("python", "class", "Color", "class Color(Base, metaclass=M)", "class Color(Base):\n    red = 1\n    green: int", "Class Color based on Base; declares red and green."),
        ("rust", "enum", "Color", "enum Color", "enum Color {\n    Red,\n    Green(u8),\n}", "Enumeration Color: Red and Green."),
        ("python", "constant", "MAX_SIZE", "", "MAX_SIZE = 10", "Constant MAX_SIZE = 10."),
        ("typescript", "type", "UserId", "", "export type UserId<T = any[]> = string", "Type UserId stands for string."),
        ("typescript", "type", "Pages", "", "type Pages<T> = Merge<Options, {page?: T}>;", "Type Pages stands for Merge<Options, …>."),
        ("typescript", "type", "Finder", "", "type Finder = (name: string) => Array<User>;", "Type Finder stands for (name: string) => Array<User>."),
        ("typescript", "type", "Vowel", "", "export type Vowel =\n  | typeof short // as in bit\n  | typeof long\n", "Type Vowel stands for typeof short | typeof long."),
        ("typescript", "type", "Props", "", "type Props = Omit<Base, 'mode'> & {\n  tag?: string\n}", "Type Props stands for Omit<Base, 'mode'> & …."),
        ("typescript", "type", "Word", "", "type Word =\n" + "".join(f"  | 'syllable{n}'\n" for n in range(9)), "Type Word stands for " + " | ".join(f"'syllable{n}'" for n in range(5)) + " | …."),
        ("typescript", "type", "Path", "", "type Path = `${Root}/${Name}`", "Type Path."),
        ("typescript", "type", "Hook", "", "type Hook<T> = (\n  hook: T,\n  n: number,\n) => void", "Type Hook stands for (hook: T, n: number) => void."),
        ("go", "type", "Buffer", "Buffer = ztest.Buffer", "\tBuffer = ztest.Buffer\n)", "Type Buffer stands for ztest.Buffer."),
        ("rust", "type", "Doors", "", "pub type Doors =\n    Vec<Door>;", "Type Doors stands for Vec<Door>."),
        ("python", "module", None, "", "import re", "Module head: imports re and os.path."),
        ("python", "block", None, "", 'if __name__ == "__main__":\n    main()', "Runs when executed as a script; calls findall and lower."),
        ("rust", "block", "Foo", "impl<T> Display for Foo<T>", "impl<T> Display for Foo<T> {", "Implementation of Display for Foo<T>."),
        ("text", "window", None, "", "Frequently asked questions\n", ""),
        # A name that means something in one language only.
        ("python", "method", "DataFrame.drop", "def drop(self, columns)", "", "A DataFrame drops, given columns."),
        ("lua", "method", "M.drop", "function M:drop(x)", "", "Drops in M, given x."),
        ("rust", "method", "Guard.drop", "fn drop(&mut self)", "", "Releases what a Guard holds."),
        ("python", "method", "Cart.call", "def call(self, fn)", "", "A Cart calls, given fn."),
        ("ruby", "method", "Cart.call", "def call(env)", "", "Calls a Cart with env."),
        ("python", "method", "Cart.inspect", "def inspect(self)", "", "Inspects a Cart."),
        ("python", "method", "Cart.equals", "def equals(self, a, b)", "", "Method equals (a, b) of Cart."),
        ("java", "method", "Cart.equals", "public boolean equals(Object o)", "", "Compares a Cart with o for equality."),
        ("java", "method", "Carts.equals", "static boolean equals(Object a, Object b)", "", "Method equals (a, b) of Carts."),
        ("python", "method", "Cart.fmt", "def fmt(self, value)", "", "Method fmt (value) of Cart."),
        # What is converted, and what a predicate is about.
        ("python", "method", "DataFrame.to_csv", "def to_csv(self, path)", "", "Converts a DataFrame to csv, given path."),
        ("php", "method", "User.toArray", "public function toArray($request)", "", "Converts a User to array, given request."),
        ("python", "method", "Row.as_dict", "def as_dict(self, deep)", "", "Gives a Row as dict, given deep."),
        ("java", "method", "Mapper.toRow", "public static Row toRow(User user)", "", "Converts user to row."),
        ("python", "function", "to_row", "def to_row(user)", "", "Converts user to row."),
        ("python", "method", "Router.has_route", "def has_route(self, path)", "", "Tells whether a Router has route, given path."),
        ("python", "method", "Box.contains_point", "def contains_point(self, p)", "", "Tells whether a Box contains point, given p."),
        ("ruby", "method", "Cart.has_item?", "def has_item?(item)", "", "Tells whether a Cart has item, given item."),
        ("rust", "method", "Cart.has_item", "fn has_item(&self, item: &Item) -> bool", "", "Tells whether a Cart has item, given item."),
        ("rust", "method", "Cart.can_hold", "fn can_hold(item: &Item) -> bool", "", "Tells whether item can hold."),
        ("python", "method", "Cart.is_open", "def is_open(self, path)", "", "Tells whether path is open."),
        ("python", "method", "Cart.can_hold", "def can_hold(item)", "@staticmethod\ndef can_hold(item):", "Tells whether item can hold."),
        ("python", "function", "are_equal", "def are_equal(a, b)", "", "Tells whether a and b are equal."),
        ("c", "function", "list_is_empty", "int list_is_empty(struct list *l)", "", "Tells whether list is empty, given l."),
        ("c", "function", "queue_is_full", "bool queue_is_full(struct queue *q)", "", "Tells whether queue is full, given q."),
        ("c", "function", "check_is_valid", "int check_is_valid(int x)", "", "Checks the is valid, given x."),
        # What reads a value is not what makes its own class.
        ("kotlin", "method", "CardAdapter.fromJson", "override fun fromJson(reader: JsonReader): Card", "", "Method fromJson (reader) of CardAdapter."),
        ("kotlin", "method", "Card.fromJson", "fun fromJson(text: String): Card", "", "Creates a Card from json, given text."),
        ("java", "method", "Card.fromJson", "static Optional<Card> fromJson(String text)", "", "Creates a Card from json, given text."),
        ("go", "method", "Card.FromJSON", "func (c *Card) FromJSON(data []byte) error", "", "Method FromJSON (data) of Card."),
        ("cpp", "method", "Card.fromText", "void Card::fromText(int text)", "", "Method fromText (text) of Card."),
        ("javascript", "method", "Query.from", "from(table)", "", "Method from (table) of Query."),
        ("rust", "method", "Card.from", "fn from(text: &str) -> Self", "", "Creates a Card from text."),
        ("python", "method", "Card.from_text", "def from_text(kind, text)", "@classmethod\ndef from_text(kind, text):", "Creates a Card from text, given kind and text."),
        # Decorators of what is defined inside are not the function's own.
        ("python", "function", "build_model", "def build_model(cfg)", "def build_model(cfg):\n    class M:\n        @property\n        def a(self): ...", "Builds the model, given cfg."),
        ("python", "function", "build", "def build(cli)", "def build(cli):\n    @cli.command()\n    def go(): ...", "Builds cli, given cli."),
        # A return of which only the owner is known.
        ("python", "method", "Box.get", "def get(self)", "", "Method get of Box."),
        ("python", "method", "Box.get", "def get(self, key)", "", "A Box returns, given key."),
        # All members of an enumeration, and nothing of what stands in brackets.
        ("java", "enum", "Color", "enum Color", "enum Color {\n    RED,\n    GREEN(1), @Deprecated BLUE;\n\n    int code, rank;\n}", "Enumeration Color: RED, GREEN and BLUE."),
        ("java", "enum", "Color", "enum Color", "enum Color { RED, GREEN, BLUE; }", "Enumeration Color: RED, GREEN and BLUE."),
        ("rust", "enum", "Msg", "enum Msg", "enum Msg<'a> {\n    Quit,\n    Move { x: i32, y: i32 },\n    Change(i32, i32), // or not, so\n    #[a(b)]\n    Say(&'a str),\n}", "Enumeration Msg: Quit, Move, Change and Say."),
        ("php", "enum", "Suit", "enum Suit: string", 'enum Suit: string { case Hearts = "H"; case Spades = "S"; }', "Enumeration Suit: Hearts and Spades."),
        ("swift", "enum", "Way", "enum Way", "enum Way {\n    case north, south\n    case east(Int, String)\n", "Enumeration Way: north, south and east."),
        ("scala", "enum", "Way", "enum Way", "enum Way:\n  case North, South\n  case East extends Way(3)\n", "Enumeration Way: North, South and East."),
        ("c", "enum", "way_t", "typedef enum", "typedef enum {\n  NORTH,\n  SOUTH = 2\n} way_t;", "Enumeration way_t: NORTH and SOUTH."),
        ("c", "enum", "way", "enum way", "enum way {\n  NORTH = 'a', /* up */\n#ifdef X\n  SOUTH = F(1, 2),\n#endif\n  EAST\n};", "Enumeration way: NORTH, SOUTH and EAST."),
        # Bases, however the language writes them.
        ("ruby", "class", "Cart", "class Cart < Base", "class Cart < Base\n  include Comparable\n  attr_reader :items\n  LIMIT = 10\n", "Class Cart based on Base; declares LIMIT."),
        ("kotlin", "class", "Point", "class Point(val x: Int) : Base(f(x)), Shape", "", "Class Point based on Base and Shape."),
        ("cpp", "class", "Vec", "template <typename T> class Vec : public Base<T>, private std::exception", "", "Class Vec based on Base and std::exception."),
        ("csharp", "class", "Foo", "public class Foo<T> : Base<T>, IFoo where T : Bar", "", "Class Foo based on Base and IFoo."),
        ("java", "class", "Foo", "class Foo<T extends Bar<T>> extends Base<T> implements A, B", "", "Class Foo based on Base, A and B."),
        ("typescript", "class", "Foo", "class Foo extends Base<{ a: string }>", "", "Class Foo based on Base."),
        # Operators, indexers and destructors.
        ("cpp", "method", "V.operator[]", "int& operator[](int i)", "", "Operator [] of V on i."),
        ("cpp", "method", "V.operator bool", "explicit operator bool() const", "", "Operator bool of V."),
        ("cpp", "method", "V.operator std::string", "operator std::string() const", "", "Operator std::string of V."),
        ("cpp", "method", 'V.operator"" _km', 'long operator"" _km(long x)', "", 'Operator "" of V on x.'),
        ("cpp", "method", "Vec.~Vec", "virtual ~Vec()", "", "Cleans up when a Vec is destroyed."),
        ("csharp", "method", "Foo.Foo", "~Foo()", "", "Cleans up when a Foo is destroyed."),
        ("csharp", "method", "A.this[]", "public int this[int i] { get { return 1; } }", "", "Returns the item of an A for i."),
        ("swift", "method", "P.subscript", "subscript(i: Int) -> Int { return i }", "", "Returns the item of a P for i."),
    ],
)
def test_sentences_for_common_patterns(language: str, kind: str, symbol: str | None, signature: str, text: str, said: str) -> None:
    chunk = Chunk(1, 3, kind, symbol, signature)  # type: ignore[arg-type]
    if "calls findall" in said:
        chunk = replace(chunk, calls=("re.findall", "word.lower", "len"))
    if kind == "module":
        chunk = replace(chunk, imports=("re", "os.path"))
    assert sentence(chunk, text, language) == said


@pytest.mark.parametrize(
    ("signature", "name", "language", "names"),
    [
        ("def f(self, a: dict[str, int] = {}, *args, key=None, **kwargs) -> int", "f", "python", ["a", "args", "key", "kwargs"]),
        ("function f({a, b}, c?: number, ...rest)", "f", "typescript", ["a", "b", "c", "rest"]),
        ("public <T> Map<K, V> f(final Map<K, V> map, int... sizes)", "f", "java", ["map", "sizes"]),
        ("fn f(&mut self, mut a: &'a str, b: Vec<(u8, u8)>)", "f", "rust", ["a", "b"]),
        ("func (s *Server) f(ctx context.Context, names ...string) error", "f", "go", ["ctx", "names"]),
        ("int f(const char *a, size_t b[], void (*done)(int))", "f", "c", ["a", "b", "done"]),
        ("func f(with name: String, _ count: Int)", "f", "swift", ["name", "count"]),
        ("public function f(?array $a = [], string ...$b)", "f", "php", ["a", "b"]),
        ("def f", "f", "ruby", []),
        ("int f(void)", "f", "c", []),
        ("fun f(noinline a: Def, crossinline b: () -> Unit, vararg c: Any)", "f", "kotlin", ["a", "b", "c"]),
        ("def f(ref, :infinity, nil, \"x\" <> rest)", "f", "elixir", ["ref", "rest"]),
        ("def f(%Tesla.Env{method: :query}, _opts)", "f", "elixir", ["_opts"]),
        ("def f(%__MODULE__{parts: parts}, {a, [b | _]}, opts \\\\ [], %Env{} = env)", "f", "elixir", ["parts", "a", "b", "opts", "env"]),
        ("def f(<<size::8, rest::binary-size(2)>>, x) when byte_f(x) > 1", "f", "elixir", ["size", "rest", "x"]),
        ("fn f(&Config { size, .. }: &Config, (a, b): (u8, u8), Json(User { id: user }): Json<User>)", "f", "rust", ["size", "a", "b", "user"]),
        ("fn f<'a>(&'a mut self, ref x: &'a str)", "f", "rust", ["x"]),
        ("function f({ a: b, c = {}, ...rest }: Options, [d, , e]: Pair, { g } = {})", "f", "typescript", ["a", "c", "rest", "d", "e", "g"]),
        ("constructor(private readonly a: A, override b: B)", "constructor", "typescript", ["a", "b"]),
        ("def f(a, /, b, *, out=lambda x, y: x, params)", "f", "python", ["a", "b", "out", "params"]),
        ("void f(int a, {required String b, covariant C c, this.d, required void Function(int x) g})", "f", "dart", ["a", "b", "c", "d", "g"]),
        ("def f(inline a: Int, b: => Int)(implicit c: C)", "f", "scala", ["a", "b"]),
        ("def f(using Context)", "f", "scala", []),
        ("func f(_ int, names chan<- string, opts ...func(*Opt))", "f", "go", ["names", "opts"]),
        ("func f(int, chan string) error", "f", "go", []),
        ("fn f(comptime T: type, comptime params: []const T, _: u8) void", "f", "zig", ["T", "params"]),
        ("void f(ref int a, out B b, params int[] c, this D d)", "f", "csharp", ["a", "b", "c", "d"]),
        ("function f(array &$a, int &...$b)", "f", "php", ["a", "b"]),
        ("func f(_ a: inout Int, isolated b: B)", "f", "swift", ["a", "b"]),
        ("bool f(const Option *, unsigned int, T const&, int (&rows)[4], T&&... rest)", "f", "cpp", ["rows"]),
        ("def f((a, b), *, **nil, &block)", "f", "ruby", ["a", "b", "block"]),
        ("function f(::Type{T}, a::T; b=1, c...)", "f", "julia", ["a", "b", "c"]),
        ("f :: (a -> b) -> c", "f", "haskell", []),
    ],
)
def test_parameters_are_read_from_signatures(signature: str, name: str, language: str, names: list[str]) -> None:
    assert parameters(signature, name, language) == names


@pytest.mark.parametrize(
    ("verb", "third"),
    [("get", "returns"), ("set", "sets"), ("push", "pushes"), ("apply", "applies"), ("play", "plays"), ("fix", "fixes"), ("process", "processes"),
     ("do", "does"), ("go", "goes"), ("undo", "undoes"), ("fetch", "fetches"), ("setup", "sets up"), ("init", "initializes"), ("log", "logs"),
     ("echo", "echoes"), ("buzz", "buzzes"), ("login", "logs in"), ("try", "tries"), ("query", "queries")],
)
def test_verbs_are_conjugated(verb: str, third: str) -> None:
    assert third_person(verb) == third


def test_every_verb_has_a_third_person_that_ends_in_s() -> None:
    assert all(third_person(verb).split()[0].endswith("s") for verb in english.VERBS)
    assert english.NOUNS_ALONE & english.VERBS


def test_articles_and_lists() -> None:
    assert [article(name) for name in ("_Item", "user", "URL", "HTMLPage", "Hour", "One", "XMLReader", "Union", "Unused")] == [
        "an", "a", "a", "an", "an", "a", "an", "a", "an",
    ]
    assert listed([]) == "" and listed(["a", "a"]) == "a" and listed(["a", "b", "c"]) == "a, b and c"


def test_words_of_names() -> None:
    assert words("__init__") == ["init"]
    assert words("XMLHttpRequest") == ["XML", "http", "request"]
    assert words("MAX_SIZE") == ["max", "size"]
    assert words("createEsModule") == ["create", "es", "module"]
    assert words("createVNode") == ["create", "v", "node"] and words("OAuthToken") == ["o", "auth", "token"]
    assert words("getURLs") == ["get", "URLs"] and words("userIDsByXAxis") == ["user", "IDs", "by", "x", "axis"]


@pytest.mark.parametrize("name", ["documents", "english", "entries", "extract", "manual", "parameters", "targets", "templates", "windows"])
def test_examples_in_docstrings_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"wayfind.corpus.{name}"))
    assert result.attempted and not result.failed


def test_the_type_that_an_alias_maps_is_no_base() -> None:
    chunk = Chunk(1, 1, "type", "M", "export type M<T> = { [K in keyof T]: T[K] }")
    assert sentence(chunk, "export type M<T> = { [K in keyof T]: T[K] };", "typescript") == "Type M."


def test_words_of_a_docstring_are_no_members() -> None:
    text = 'class House:\n    """\n    :param rooms: all of it: many\n    A house:\n    """\n\n    doors: int\n    sign = """\n    old: yes\n"""\n    size = 1\n'
    assert sentence(Chunk(1, 10, "class", "House", "class House"), text, "python") == "Class House; declares doors, sign and size."


# Laws ------------------------------------------------------------------------------------------------------------------


def _template_words() -> set[str]:
    """Words of the string literals in the templates and their English."""
    literals = [
        node.value
        for module in (actions, templates, english)
        for node in ast.walk(ast.parse(Path(module.__file__ or "").read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 100  # no list of verbs
    ]
    return {word.lower() for literal in literals for word in re.findall(r"[^\W\d_]+", literal)} | {"more"}


def _forms(name: str) -> set[str]:
    """A name, its words, their lower case, and what they are as verbs."""
    parts = [name, *words(name), *re.findall(r"[^\W_]+", name)]
    return {form.lower() for part in parts for form in (part, *third_person(part).split(), *third_person(part.lower()).split())}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_word_of_a_sentence_is_invented(path: Path) -> None:
    """Each word stands in the chunk, is a word of a name there, or belongs to the template."""
    made = extract(path.read_bytes(), path.name)
    if isinstance(made, str):
        return
    for chunk in made.chunks:
        if chunk.target.provenance != "synthetic":
            continue
        said = chunk.target.text.rstrip("…")
        known = " ".join([made.lines(chunk.start_line, chunk.end_line), chunk.symbol or "", chunk.signature, *chunk.calls, *chunk.imports])
        allowed = VOCABULARY.union(*(_forms(name) for name in set(re.findall(r"\w+", known))))
        invented = [word for word in re.findall(r"[^\W\d]\w*", said) if word.lower() not in allowed and not known.count(word)]
        assert invented == [], f"{chunk.symbol}: {said}"
        identifiers = [word for word in re.findall(r"\w+", said) if "_" in word.strip("_") or re.search(r"[a-z][A-Z]", word)]
        assert all(identifier in known for identifier in identifiers), f"{chunk.symbol}: {said}"


VOCABULARY = _template_words()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_targets_are_sentences_and_the_same_on_every_run(path: Path) -> None:
    made = extract(path.read_bytes(), path.name)
    if isinstance(made, str):
        return
    for chunk in made.chunks:
        text = made.lines(chunk.start_line, chunk.end_line)
        assert with_target(replace(chunk, target=Target("", "code")), text, made.language) == chunk
        if chunk.target.provenance == "synthetic":
            assert re.match(r"[A-Z](?!.* [.,;:](?: |$))(?!.*  )", chunk.target.text), chunk.target.text


@pytest.mark.parametrize("text", ["ErrorOutput sets the destination for errors generated by the Logger.", "Returns the key generated by the database.", "The auto-generated key of a row.", "Returns the code generated for a template."])
def test_a_sentence_about_what_is_generated_is_no_banner(text):
    assert not _is_licence(text)


@pytest.mark.parametrize("text", ["Code generated by protoc-gen-go.", "This file is automatically generated.", "Generated by Django 3.2", "Auto-generated.", "This is an autogenerated file"])
def test_what_says_of_itself_that_it_was_generated_is_no_documentation(text):
    assert _is_licence(text)
