"""What the grammars of C++ and Kotlin cannot read and `rewrites` makes readable: macros, tests named by a string, annotated classes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayfind.corpus.definitions import definitions
from wayfind.corpus.rewrites import rewritten


def found(text: str, language: str) -> list[tuple[str, str | None]]:
    return [(chunk.kind, chunk.symbol) for chunk in definitions(text, language)[0]]


# C++: macros.


@pytest.mark.parametrize(
    ("head", "symbol"),
    [
        ("API_INLINE std::vector<std::string> split_commas(const std::string &text)", "split_commas"),
        ("API_INLINE std::string Session::close_it(int why)", "Session.close_it"),
        ("API_NODISCARD API_INLINE bool Session::is_open(int x) const", "Session.is_open"),
        ("API_INLINE std::tuple<std::vector<int>, std::map<int, std::set<int>>>\nids(int x)", "ids"),
        ("API_INLINE const std::map<int, Size::result_t> &Size::get_mapping(bool base)", "Size.get_mapping"),
        ("API_INLINE App::App(std::string name, App *parent) : name_(name), parent_(parent)", "App.App"),
        ("API_INLINE App::~App()", "App.~App"),
        ("API_INLINE Mask Mask::operator&(const Mask &other) const", "Mask.operator&"),
        ("template <typename T> API_NODISCARD T as(int x)", "as"),
        ("static API_NOINLINE(2) std::size_t total(int x)", "total"),
        ("static void API_NOINLINE run(int x)", "run"),
        ("VkResult VKAPI_CALL run(int x)", "run"),
        ("JNIEXPORT void JNICALL run(int x)", "run"),
    ],
)
def test_a_macro_before_a_type_is_no_part_of_the_name(head, symbol):
    chunks, problems = definitions(f"int before;\n\n{head} {{\n  return f(x);\n}}\n\nint next(int x) {{ return 1; }}\n", "cpp")
    if "JNICALL" not in head:
        assert problems == []
    assert [chunk.symbol for chunk in chunks] == [None, symbol, "next"]
    assert (chunks[1].start_line, chunks[2].start_line) == (3, 7 + head.count("\n"))


def test_a_class_whose_methods_begin_with_macros_is_a_class():
    text = (
        "class App {\n  int a;\n\n public:\n  API_NODISCARD std::vector<App *> all(int x) {\n    return f(x);\n  }\n"
        "  API_NODISCARD std::size_t size() const { return 1; }\n  API_DEPRECATED(\"no\") virtual const App *parent() const { return p; }\n"
        "  API_NODISCARD explicit operator bool() const { return a; }\n};\n"
    )
    assert found(text, "cpp") == [
        ("class", "App"), ("method", "App.all"), ("method", "App.size"), ("method", "App.parent"), ("method", "App.operator bool"),
    ]  # fmt: skip


@pytest.mark.parametrize("head", ["MY_TYPE make(int x)", "MY_TYPE const make(int x)", "static MY_TYPE make(int x)", "MY_TYPE *make(int x)", "DWORD WINAPI make(int x)"])
@pytest.mark.parametrize("language", ["c", "cpp"])
def test_a_type_in_capitals_is_no_macro(head, language):
    assert ("function", "make") in found(f"{head} {{\n  return 1;\n}}\n", language)
    if "WINAPI" not in head:
        assert rewritten(head.encode(), language) == head.encode()


@pytest.mark.parametrize("macro", ["Api_inline", "api", "API"])
def test_a_symbol_of_c_holds_no_white_space(macro):
    text = f"{macro} {macro} std::string Session::close_it(int x) {{\n  return f(x);\n}}\n\nowner::\n    name::of(int x) {{ return 1; }}\n"
    symbols = [symbol or "" for _, symbol in found(text, "cpp")]
    assert not any(" " in symbol for symbol in symbols)
    assert "Session.close_it" in symbols


# C++: tests named by a string.


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ('TEST_CASE("adds (two) numbers")', "adds (two) numbers"),
        ('TEST_CASE("adds", "[sum][fast]")', "adds"),
        ('TEST_CASE_METHOD(Fixture, "adds", "[sum]")', "adds"),
        ('SCENARIO("a \\"quoted\\" name")', 'a \\"quoted\\" name'),
        ('TEST_CASE( "one "\n           "name", "[sum]" )', "one name"),
        ('TEST_CASE\n(\n  "adds"\n)', "adds"),
        ('TEMPLATE_TEST_CASE("adds", "[sum]", int, (std::map<int, int>))', "adds"),
        ('TEST_CASE_TEMPLATE("adds", T, int, long)', "adds"),
        ('[[noreturn]]\nTEST_CASE("adds")', "adds"),
        ("TEST_CASE(adds)", "adds"),
        ("TEST_F(Sum, Adds)", "Sum.Adds"),
        ("BOOST_AUTO_TEST_CASE(adds)", "adds"),
    ],
)
def test_a_test_case_is_named_by_its_string(head, name):
    body = "  f();\n" if "CASE" not in head and "SCENARIO" not in head else '  SECTION("none") {\n    f();\n  }\n  GIVEN("one") {\n    WHEN("two") {\n      f();\n    }\n  }\n'
    text = "// Sums (see sum.h)\n" + head + " {\n" + body + "}\n\nint next(int x) { return 1; }\n"
    chunks, problems = definitions(text, "cpp")
    assert problems == []
    assert [(chunk.kind, chunk.symbol) for chunk in chunks] == [("test", name), ("function", "next")]
    assert chunks[0].start_line == 1


def test_a_suite_of_tests_is_a_scope():
    text = 'TEST_SUITE("sums") {\n\nTEST_CASE("adds") {\n  CHECK(1 == 1);\n}\n\nTEST_CASE("takes") {\n  SUBCASE("x") {\n  }\n}\n\n}\n'
    assert [one for one in found(text, "cpp") if one[0] == "test"] == [("test", "adds"), ("test", "takes")]


def test_a_test_below_a_comment_that_ends_with_a_bracket_is_found():
    assert ("test", "Sum.Adds") in found("int a;\n// of foo (bar)\nTEST_F(Sum, Adds) {\n  f();\n}\n", "cpp")


# Kotlin.


@pytest.mark.parametrize(
    "annotations", ["", "@A\n", "@OptIn(X::class)\n", "@OptIn(X::class)\n@Marker\n", '@A("(", b = [1])\n@B // why\n@c.D\n', "@A(\n  1,\n)\n", "@A @B ", "@A(1) "]
)
@pytest.mark.parametrize(
    ("head", "name"),
    [
        ("open class Koin protected constructor() {\n  fun f() = 1\n}", "Koin"), ("annotation class Mark", "Mark"),
        ("public annotation class Mark", "Mark"), ("expect object Tools {\n  fun f(): Int\n}", "Tools"), ("enum class Size {\n  A\n}", "Size"),
        ("actual class Sum {\n  fun f() = 1\n}", "Sum"), ("object One", "One"), ("sealed interface Shape", "Shape"), ("class `a b`(val a: Int)", "`a b`"),
    ],
)  # fmt: skip
def test_an_annotated_class_of_kotlin_is_found(annotations, head, name):
    text = f"package a\n\nval x = 1\n\n/** Counts. */\n{annotations}{head}\n\nclass Last(a: Int)\n"
    chunks, problems = definitions(text, "kotlin")
    assert problems == []
    (one,) = (chunk for chunk in chunks if chunk.symbol == name.strip("`"))
    assert (one.kind in ("class", "interface", "enum"), one.start_line, one.docstring) == (True, 5, "Counts.")
    assert one.signature == head.split(" {")[0].split("\n")[0]
    assert chunks[-1].symbol == "Last"
    assert chunks[-1].start_line == text.count("\n")


@pytest.mark.parametrize(
    "line",
    [
        "context(session: Session)\n    private fun own(a: Int) = a",
        "fun own() {\n        val a = suspend { 42 }\n    }",
        "fun own() = when (a) {\n        is Call if isKnown(a) -> 1\n        else -> 2\n    }",
    ],
)
def test_newer_words_of_kotlin_hide_no_class(line):
    text = f'class X(c: C) :\n    Rule(\n        c,\n        "text"\n    ),\n    RequiresAnalysisApi {{\n\n    {line}\n\n    fun next() = 1\n}}\n'
    chunks, problems = definitions(text, "kotlin")
    assert problems == []
    assert [chunk.symbol for chunk in chunks] == ["X", "X.own", "X.next"]
    assert chunks[1].start_line == 8


# Laws.

_PIECES = st.lists(
    st.sampled_from(
        ["API_X", " ", "\n", "(", ")", "@A", "class X", "TEST_CASE(", '"a"', '"', "<", ">", "::", "int f(", "{", "}", ";", "context(", "é", "suspend {", ",", "  ", "@Ab(\n)\n"]
    ),
    max_size=40,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(_PIECES, st.sampled_from(["c", "cpp", "objc", "kotlin"]))
def test_a_rewritten_text_has_its_length_and_its_lines(pieces, language):
    code = "".join(pieces).encode()
    made = rewritten(code, language)
    assert (len(made), made.count(b"\n")) == (len(code), code.count(b"\n"))
