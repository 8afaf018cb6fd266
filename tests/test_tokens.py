from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayfind.index.tokens import LONGEST, STOP_WORDS, WORD, count, parts, stem, terms, terms_of, words


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("parseHTTPResponse", ("parsehttpresponse", "pars", "http", "respons")),
        ("connections", ("connect",)),
        ("get_user_by_id", ("getuserbyid", "get", "user", "by", "id")),
        ("__init__", ("init",)),
        ("utf8", ("utf8", "utf", "8")),
        ("Größe", ("größe", "gr", "öß", "e")),
        ("変数", ("変数",)),
        ("HTTP", ("http",)),
        ("___", ("___",)),
    ],
)  # fmt: skip
def test_a_word_gives_itself_and_its_parts(word: str, expected: tuple[str, ...]) -> None:
    assert terms_of(word) == expected


@given(st.text())
def test_count_is_the_slow_count_of_terms(text: str) -> None:
    assert count(text) == Counter(terms(text))


@given(st.text())
def test_every_term_is_short_not_empty_and_made_of_word_characters(text: str) -> None:
    for term in terms(text):
        assert term
        assert len(term) <= 3 * LONGEST  # a capital may become up to three letters
        assert not any(character.isspace() for character in term)


@given(st.text(), st.text())
def test_texts_apart_give_the_terms_of_both(a: str, b: str) -> None:
    assert terms(f"{a} {b}") == terms(a) + terms(b)


@given(st.from_regex(r"[a-z]{1,12}(_[a-z]{1,12}){0,3}", fullmatch=True))
def test_camel_and_snake_case_of_a_name_share_their_terms(name: str) -> None:
    camel = "".join(word.capitalize() for word in name.split("_"))
    if all(len(word) > 1 for word in name.split("_")):
        assert set(terms(camel)) == set(terms(name))


def test_a_long_word_is_cut() -> None:
    assert terms("a" * 10_000) == [stem("a" * LONGEST)]


def test_stop_words_are_indexed() -> None:
    assert terms("the") == ["the"] and "the" in STOP_WORDS


def test_parts_are_not_stemmed() -> None:
    assert parts("parseHTTPResponses") == ["parse", "http", "responses"]


@pytest.mark.parametrize("around", ["{}", "a{}b", "_{0}9{0}{0}Z", "é{}b"])
def test_words_of_ascii_text_are_those_of_the_pattern(around: str) -> None:
    for sign in map(chr, range(128)):
        assert words(around.format(sign)) == WORD.findall(around.format(sign))
