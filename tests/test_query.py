"""A query's text becomes filters, terms and a kind."""

from __future__ import annotations

import pytest

from wayfind.errors import UsageError
from wayfind.search.query import Filters, parse


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("parse_header", "identifier"),
        ("Session.get()", "identifier"),
        ("std::vector::push_back", "identifier"),
        ("router", "identifier"),
        ("how are sessions closed", "question"),
        ("", "empty"),
        ("?!…", "empty"),
        ('Traceback (most recent call last):\n  File "a.py", line 3, in f\nKeyError: 1', "trace"),
        ("TypeError: no\n    at Cart.total (/srv/app/cart.js:10:15)\n    at /srv/app/main.js:2:1", "trace"),
        ("Boom\n   at Shop.Db.Open(String name) in C:\\Shop\\Db.cs:line 42\n   at Shop.Main()", "trace"),
        ("def f(x):\n    return x + 1\n", "code"),
        ("word " * 100, "text"),
    ],
)
def test_kind_of_query(text, kind):
    assert parse(text).kind == kind


def test_filters_are_taken_out_of_the_text():
    query = parse('close path:src/*.py lang:py sym:Session.close kind:method "not open" -async')
    assert query.filters == Filters(("py",), ("src/*.py",), ("method",), ("Session.close",), ("not open",), ("async",))
    assert {"close", "session", "open"} <= {term.text for term in query.terms}
    assert "async" not in {term.text for term in query.terms}


def test_negated_filters_are_taken_out_of_the_text():
    query = parse("close -path:src/*.py -lang:py,go -sym:Session.close -kind:method -async")
    assert query.filters == Filters(
        excluded=("async",),
        not_languages=("py", "go"),
        not_paths=("src/*.py",),
        not_kinds=("method",),
        not_symbols=("Session.close",),
    )
    assert [term.text for term in query.terms] == ["close"]
    assert parse(f"close {query.filters.spoken()}") == query


def test_filters_are_spoken_as_they_are_written():
    query = parse('close path:"my files/*.py" -sym:"Get started" "not open" -"left ajar" -async')
    assert query.filters.excluded == ("left ajar", "async") and parse(f"close {query.filters.spoken()}").filters == query.filters


def test_long_text_has_no_syntax():
    text = 'it fails with "boom" -x path:foo\n' + "and then some more words\n" * 20
    query = parse(text)
    assert not query.filters
    assert "path" in {term.text for term in query.terms}


def test_an_address_is_no_filter():
    assert not parse("where is file:///etc/fstab read").filters
    assert parse("file:src").filters.paths == parse("path:src").filters.paths


def test_filters_given_apart_are_added():
    query = parse("close lang:go", Filters(languages=("rust",)))
    assert query.filters.languages == ("rust", "go")


@pytest.mark.parametrize("text", ["x lang:klingon", "x kind:poem", "x -lang:klingon", "x -kind:poem"])
def test_impossible_filter_is_an_error_that_names_it(text):
    with pytest.raises(UsageError, match="klingon|poem"):
        parse(text)


@pytest.mark.parametrize("text", ["sym:", "-path:", " lang: "])
def test_a_filter_alone_without_a_value_is_an_error_that_shows_one(text):
    with pytest.raises(UsageError, match=f"for example {text.strip()}"):
        parse(text)


def test_bad_expression_is_an_error():
    with pytest.raises(UsageError, match="not valid"):
        parse("x", Filters(regex="("))


def test_parts_of_a_name_weigh_less_than_the_name():
    weights = {term.text: term.weight for term in parse("parseHTTPResponse").terms}
    assert weights["parsehttpresponse"] > weights["http"]


def test_a_query_of_stop_words_alone_still_has_terms():
    assert parse("how to do this").terms


def test_hundred_kilobytes_are_read_in_part_and_capped():
    query = parse("alpha beta gamma " * 6000 + " ".join(f"w{i}" for i in range(1000)))
    assert 0 < len(query.terms) <= 256


@pytest.mark.parametrize(("text", "names"), [
    ("where is get_user", ("get_user",)),
    ("where is get_user?", ("get_user", "get_user?")),
    ("what calls get_user()?", ("get_user", "get_user?")),
    ("see HttpClient.", ("HttpClient",)),
    ("who uses HttpClient.get(), and why", ("HttpClient.get",)),
    ("what does save_all! do", ("save_all", "save_all!")),
    ("admin?", ("admin?",)),
])
def test_signs_behind_a_name_are_none_of_it_but_may_be_in_ruby(text, names):
    assert parse(text).identifiers == names


@pytest.mark.parametrize(("text", "kind"), [("path::join", "identifier"), ("where is kind::Function matched", "question"), ("lang::Rust", "identifier")])
def test_two_colons_behind_a_word_make_a_name_and_no_filter(text, kind):
    assert not parse(text).filters and parse(text).kind == kind
