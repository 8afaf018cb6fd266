"""Why a result matched, checked by deletion: what is said to bring score is taken out of real files, and the score falls."""

from __future__ import annotations

import re

import pytest
from indexes import write
from test_search import FILES

import wayfind
from wayfind.index.tokens import WORD, terms_of

ASKED = ["convert the price to another currency", "give money of a receipt back", "retry until attempts are used up", "Cart.total_price", "put an item into the cart"]


def tree(folder, files):
    folder.mkdir()
    return wayfind.open(write(folder / "shop", files), home=folder / "home", commits=0)


def without(files, result, met):
    """The files with the words of one result that are terms of `met` replaced by a word that says nothing, its path too."""
    terms = {term for word in met for term in terms_of(word)}

    def blank(match):
        return "zq" if terms.intersection(terms_of(match[0])) else match[0]

    lines = files[result.path].split("\n")
    own = "\n".join(lines[result.start_line - 1 : result.end_line])
    lines[result.start_line - 1 : result.end_line] = WORD.sub(blank, own).split("\n")
    path = re.sub(r"[A-Za-z]+", blank, result.path.rsplit(".", 1)[0]) + "." + result.path.rsplit(".", 1)[1]
    rest = {name: text for name, text in files.items() if name != result.path}
    return path, rest | {path: "\n".join(lines)}


@pytest.mark.parametrize("text", ASKED)
def test_every_reason_that_is_shown_is_one(tmp_path, text):
    with tree(tmp_path / "whole", FILES) as shop:
        answer = shop.search(text, k=3, reasons=True)
    checked = 0
    for place, result in enumerate(answer.results):
        if "test" in result.path:
            continue  # renamed it would be no test any more, which scores more than the words bring
        for number, reason in enumerate(result.reasons):
            assert reason.share > 0
            if not reason.met:
                continue
            path, files = without(FILES, result, reason.met)
            with tree(tmp_path / f"{place}-{number}", files) as less:
                now = [r for r in less.search(text, k=50).results if r.path == path and r.start_line == result.start_line]
            assert not now or now[0].score < result.score, (result.symbol, reason)
            checked += 1
    assert checked >= 2


def test_words_that_met_nothing_are_no_reasons(tmp_path, monkeypatch):
    monkeypatch.setenv("WAYFIND_MODEL", "none")
    with tree(tmp_path / "whole", FILES) as shop:
        best = shop.search("refund the zebra receipt", reasons=True).results[0]
    assert {reason.word for reason in best.reasons} == {"refund", "receipt"}


def test_reasons_say_what_the_words_met_and_come_by_share(tmp_path):
    with tree(tmp_path / "whole", FILES) as shop:
        best = shop.search("charging credit cards", reasons=True).results[0]
        assert shop.search("charging credit cards").results[0].reasons == ()
    met = {reason.word: reason.met for reason in best.reasons}
    assert "charge" in met["charging"] and "credit" in met["credit"]
    assert [reason.share for reason in best.reasons] == sorted((reason.share for reason in best.reasons), reverse=True)
