"""Symbols: names that a language wraps in brackets, arrows, signs or contexts."""

from __future__ import annotations

from wayfind.corpus.definitions import definitions


def symbols(text: str, language: str) -> list[str | None]:
    """The symbols of a text's chunks, in line order."""
    return [chunk.symbol for chunk in definitions(text, language)[0]]


def test_a_ruby_operator_of_brackets_alone_has_a_name():
    body = "    @h[key]\n  end\n"
    text = f"class Headers\n  def [](key)\n{body}  def self.[](key)\n{body}  def []=(key, v)\n{body}end\n"
    assert symbols(text, "ruby") == ["Headers", "Headers.[]", "Headers.[]", "Headers.[]="]
