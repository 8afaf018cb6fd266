"""Sentences about functions, from the text of a file to what is said of its definitions."""

from __future__ import annotations

import pytest

from wayfind.corpus.extract import extract


def said(path: str, text: str) -> dict[str | None, str]:
    """Symbol -> its sentence, for the chunks of a file."""
    return {chunk.symbol: chunk.target.text for chunk in extract(text.encode(), path).chunks}


def test_a_private_method_of_javascript_is_no_macro():
    text = "class Store {\n  #load(x) {\n    return this.read(x);\n  }\n}\n"
    assert said("a.js", text)["Store.#load"] == "A Store loads, given x; calls read."


def test_a_c_sharp_method_with_an_attribute_of_some_builds_is_no_macro():
    text = "class Store\n{\n#if NET5_0_OR_GREATER\n    [Obsolete]\n#endif\n    public void Load(int x)\n#pragma warning restore\n    {\n        Read(x);\n    }\n}\n"
    found = {chunk.symbol: chunk for chunk in extract(text.encode(), "a.cs").chunks}["Store.Load"]
    assert (found.signature, found.target.text) == ("public void Load(int x)", "A Store loads, given x; calls Read.")


def test_a_macro_of_c_is_one():
    text = "#  define LEAST(a, b) \\\n  ((a) < (b) ? (a) : (b))\n"
    assert said("a.c", text)["LEAST"].startswith("Macro LEAST")


@pytest.mark.parametrize(
    ("path", "text", "symbol", "sentence"),
    [
        ("a.py", "class Path:\n    def is_relative_to(self, other):\n        return other in self.parents\n", "Path.is_relative_to", "Tells whether a Path is relative to other."),
        ("a.java", "class Node {\n  boolean isAncestorOf(Node other) {\n    return other.has(this);\n  }\n}\n", "Node.isAncestorOf", "Tells whether a Node is ancestor of other."),
        ("a.py", "class Span:\n    def is_between(self, first, last):\n        return first < self.at < last\n", "Span.is_between", "Tells whether a Span is between first and last."),
        ("a.py", "class Page:\n    def is_logged_in(self, user):\n        return user in self.users\n", "Page.is_logged_in", "Tells whether user is logged in."),
        ("a.py", "class Path:\n    @staticmethod\n    def is_child_of(one, other):\n        return one in other\n", "Path.is_child_of", "Tells whether one is child of other."),
        ("a.py", "def is_relative_to(path, other):\n    return other in path.parents\n", "is_relative_to", "Tells whether path is relative to other."),
    ],
)
def test_a_predicate_that_ends_in_a_preposition_is_about_its_object(path: str, text: str, symbol: str, sentence: str):
    assert said(path, text)[symbol] == sentence


@pytest.mark.parametrize(
    ("comment", "sentence"),
    [
        ("---@param msg string|string[]\n---@param level number", "Logs in M, given msg and level; calls send."),
        ("--- Tracks it over time.\n---@param msg string\n---@return boolean", "Tracks it over time."),
        ("---@param msg string\n---@return boolean whether it was written", "Returns boolean whether it was written"),
    ],
)
def test_the_tags_of_a_lua_comment_are_no_prose(comment: str, sentence: str):
    text = f"local M = {{}}\n\n{comment}\nfunction M.log(msg, level)\n  send(msg, level)\nend\n"
    assert said("a.lua", text)["M.log"] == sentence


@pytest.mark.parametrize(
    ("head", "symbol", "sentence"),
    [
        ("- (void)setFoo:(int)a", "A.setFoo:", "Sets the foo of an A, given a; calls go."),
        ("- (void)bar:(id)bar didPick:(NSArray<Path *> *)path", "A.bar:didPick:", "Method bar (bar, path) of A: calls go."),
    ],
)
def test_an_objective_c_method_is_called_by_the_first_word_of_its_selector(head: str, symbol: str, sentence: str):
    assert said("a.m", f"@implementation A\n{head} {{\n  [self go];\n  return;\n}}\n@end\n")[symbol] == sentence


def test_a_haskell_instance_is_told_whole_and_declares_nothing():
    text = 'module A where\n\ninstance (Eq a, Ord b) => Show (Pair a b) where\n  show m = "x"\n'
    assert said("a.hs", text)["Show (Pair a b)"] == "Instance Show (Pair a b)."
