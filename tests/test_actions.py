"""Sentences about functions, from the text of a file to what is said of its definitions."""

from __future__ import annotations

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
