"""Symbols: names that a language wraps in brackets, arrows, signs or contexts."""

from __future__ import annotations

import pytest

from wayfind.corpus.definitions import definitions


def symbols(text: str, language: str) -> list[str | None]:
    """The symbols of a text's chunks, in line order."""
    return [chunk.symbol for chunk in definitions(text, language)[0]]


def test_a_ruby_operator_of_brackets_alone_has_a_name():
    body = "    @h[key]\n  end\n"
    text = f"class Headers\n  def [](key)\n{body}  def self.[](key)\n{body}  def []=(key, v)\n{body}end\n"
    assert symbols(text, "ruby") == ["Headers", "Headers.[]", "Headers.[]", "Headers.[]="]


@pytest.mark.parametrize(
    ("head", "symbol"),
    [
        ("Eq a => Show (Box a)", "Show (Box a)"),
        ("(Eq a, Ord b) => Show (Pair a b)", "Show (Pair a b)"),
        ("Show [Int]", "Show [Int]"),
        ("Functor ((->) r)", "Functor ((->) r)"),
        ("{-# OVERLAPPING #-} Show a => Show (Maybe a)", "Show (Maybe a)"),
    ],
)
def test_a_haskell_instance_is_named_by_its_head_without_the_context(head: str, symbol: str):
    assert symbols(f'module A where\n\ninstance {head} where\n  show m = "x"\n', "haskell")[-1] == symbol


@pytest.mark.parametrize("language", ["javascript", "typescript", "tsx"])
@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("function (a) {", ["default"]), ("async function (a) {", ["default"]), ("function* () {", ["default"]), ("() => {", ["default"]),
        ("async (a, b) => {", ["default"]), ("class {", ["default", "default.load"]), ("class extends Base {", ["default", "default.load"]),
        ("function load(a) {", ["load"]), ("class Store {", ["Store", "Store.load"]), ("memo(() => {", [None]),
    ],
)  # fmt: skip
def test_what_a_module_exports_without_a_name_is_its_default(language: str, head: str, expected: list[str]):
    body = "  load() {\n    return 1\n  }\n" if "class" in head else "  return 1\n"
    assert symbols(f"export default {head}\n{body}}}{')' if head.startswith('memo') else ''}\n", language) == expected


@pytest.mark.parametrize(
    ("head", "symbol"),
    [
        ("left |> right", "K.|>"),
        ("left in right", "K.in"),
        ("left && right when is_list(left)", "K.&&"),
        ("left * right", "K.*"),
        ("!value", "K.!"),
        ("size when is_map(size)", "K.size"),
        ("size(map) when is_map(map)", "K.size"),
    ],
)
def test_an_elixir_operator_is_named_by_its_sign(head: str, symbol: str):
    assert symbols(f"defmodule K do\n  defmacro {head} do\n    quote(do: 1)\n  end\nend\n", "elixir")[1] == symbol


@pytest.mark.parametrize("sign", ["*", "**", "&", "<=>", "[]"])
def test_a_ruby_operator_keeps_its_signs(sign: str):
    assert symbols(f"class V\n  def {sign}(other)\n    1\n  end\nend\n", "ruby")[1] == f"V.{sign}"


@pytest.mark.parametrize(
    ("head", "symbol"),
    [
        ("void (*signal(int sig, void (*func)(int)))(int)", "signal"),
        ("static int (least)(int a, int b)", "least"),
        ("static const char *name(void)", "name"),
    ],
)
def test_a_c_function_is_named_inside_the_brackets_of_its_declarator(head: str, symbol: str):
    assert symbols(f"{head} {{\n  return 0;\n}}\n", "c") == [symbol]
    assert symbols(f"{head} {{\n  return 0;\n}}\n", "cpp") == [symbol]


@pytest.mark.parametrize(
    ("kind", "symbol"),
    [
        ("Box<dyn Fn(i32) -> u8>", "Box.de"),
        ("&'a [u8]", "u8.de"),
        ("&'a mut crate::a::B<T>", "B.de"),
        ("*const T", "T.de"),
        ("[u8; 4]", "u8.de"),
        ("(Axis, &'a Properties)", "(Axis, Properties).de"),
        ("(&'a mut T, [U; 2])", "(T, [U; 2]).de"),
        ("[(u8, T)]", "u8.de"),
        ("dyn Fn(i32) -> u8", "Fn.de"),
        ("fn(Vec<i32>) -> Vec<u8>", "fn.de"),
        ("()", "().de"),
    ],
)
def test_a_rust_method_belongs_to_the_type_without_references_and_arrows(kind: str, symbol: str):
    assert symbols(f"impl De for {kind} {{\n    fn de(x: u8) -> u8 {{\n        x\n    }}\n}}\n", "rust")[1] == symbol


@pytest.mark.parametrize(
    ("receiver", "symbol"),
    [("(() -> T)", "go"), ("((Int) -> Unit)", "go"), ("(suspend () -> T)?", "go"), ("Map<String, (Int) -> Unit>", "Map.go"), ("List<T>", "List.go")],
)
def test_a_kotlin_function_on_a_function_has_no_owner(receiver: str, symbol: str):
    assert symbols(f"fun <T> {receiver}.go(): Int {{\n    return run()\n}}\n", "kotlin") == [symbol]
