"""Golden rankings: the quality of search on a small shop in six languages, as a diff that a person reviews.

`golden/queries.yaml` holds queries with the places that answer them, `golden/ranking.txt` the first three results of each with
their scores, and the means over all. A change of ranking changes that file: run `UPDATE_GOLDEN=1 pytest tests/test_golden.py`,
read the diff, and commit it with the change that caused it. Below it, laws that hold for any query on this corpus.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from statistics import mean

import pytest

import wayfind
from wayfind.api import Repository
from wayfind.evaluate.metrics import figures
from wayfind.evaluate.queries import Hit, Query, judge
from wayfind.evaluate.spec import read_spec, spec_queries
from wayfind.index.segment import file_words
from wayfind.index.tokens import count, terms, terms_of
from wayfind.search.query import parse
from wayfind.types import Answer, Result

GOLDEN = Path(__file__).parent / "golden"
CORPUS = GOLDEN / "corpus"
RANKING = GOLDEN / "ranking.txt"
SPEC = read_spec(GOLDEN / "queries.yaml")
ABSENT = ("kubernetes pod autoscaling", "translate the storefront into Japanese", "websocket handshake")
"""Topics of which the corpus says nothing."""
ASKED = [*(asked.text for asked in SPEC.queries), *ABSENT]
K = 10


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """The corpus, copied so that the history of this repository plays no part, and indexed."""
    folder = tmp_path_factory.mktemp("golden")
    with indexed(folder / "shop", folder / "home") as repository:
        yield repository


def indexed(root: Path, home: Path) -> Repository:
    if not root.exists():
        shutil.copytree(CORPUS, root)
    repository = wayfind.open(root, home=home, commits=0)
    repository.refresh()
    return repository


# The record --------------------------------------------------------------------------------------------------------------


def test_the_ranking_is_the_recorded_one(shop: Repository) -> None:
    made = record(shop)
    if os.environ.get("UPDATE_GOLDEN"):
        RANKING.write_text(made)
    assert made == RANKING.read_text(), "the ranking changed; see the docstring of this file"


def record(shop: Repository) -> str:
    """The text of `ranking.txt`; a star marks what was judged relevant."""
    queries = spec_queries(SPEC, shop.root, shop.chunks()).queries
    answers = [shop.search(asked.text, K, refresh=False) for asked in queries]
    got = [figures(judge(hits(answer), asked.gold), asked.gold, K) for asked, answer in zip(queries, answers, strict=True)]
    means = "  ".join(f"{name} {mean(one[name] for one in got):.4f}" for name in ("MRR@10", "nDCG@10"))
    parts = [f"{len(queries)} queries  {means}\n"]
    parts += [judged(asked, answer, one["nDCG@10"]) for asked, answer, one in zip(queries, answers, got, strict=True)]
    parts += [absent(shop.search(text, K, refresh=False)) for text in ABSENT]
    return "\n".join(parts)


def judged(asked: Query, answer: Answer, ndcg: float) -> str:
    first = [f"  {'*' if any(hit.covers(gold) for gold in asked.gold) else ' '} {line(result)}\n" for hit, result in zip(hits(answer)[:3], answer.results)]
    return f"{asked.id}  nDCG@10 {ndcg:.2f}{'  abstained' if answer.abstained else ''}\n{asked.text.strip().splitlines()[0]}\n{''.join(first)}"


def absent(answer: Answer) -> str:
    first = [f"    {line(result)}\n" for result in answer.results[:3]]
    return f"absent  {'abstained' if answer.abstained else 'answered'}\n{answer.query}\n{''.join(first)}"


def line(result: Result) -> str:
    return f"{result.path}:{result.start_line} {result.symbol or '-'} {result.score:.2f}"


def hits(answer: Answer) -> list[Hit]:
    return [Hit(r.path, r.start_line, r.end_line, r.symbol, r.score) for r in answer.results]


# Laws --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 100])
def test_a_file_that_shares_no_word_changes_no_first_result(shop: Repository, tmp_path: Path, times: int) -> None:
    path, text = "wallaby/quokka.txt", "Bilby numbat quoll.\n" * times
    with indexed(tmp_path / "shop", tmp_path / "home") as larger:
        (larger.root / path).parent.mkdir()
        (larger.root / path).write_text(text)
        assert larger.refresh().changed == 1
        strange = {*count(text), *(word for field in file_words(path) for word in field)}
        for asked in ASKED:
            assert strange.isdisjoint(term.text for term in parse(asked).terms)
            if ahead(shop, asked) > LEVEL:
                assert first(larger, asked) == first(shop, asked)


LEVEL = 0.02
"""Two results that lie this near each other may change places when a file more makes every word a little rarer."""


def ahead(repository: Repository, asked: str) -> float:
    """How far the first result lies before the second, damping of further results of one file left out."""
    best = repository.search(asked, 2, refresh=False).results
    return best[0].score - best[1].score + best[1].signals.get("repeat", 0.0) if len(best) > 1 else 1.0


def first(repository: Repository, asked: str) -> list[tuple[str, int]]:
    return [(r.path, r.start_line) for r in repository.search(asked, 1, refresh=False).results]


def test_neither_the_name_of_the_root_nor_the_home_changes_an_answer(shop: Repository, tmp_path: Path) -> None:
    with indexed(tmp_path / "backoff_sessions", tmp_path / "home") as renamed, indexed(Path(shop.root), tmp_path / "other") as second:
        for asked in ASKED:
            expected = rootless(shop, asked)
            assert rootless(renamed, asked) == expected
            assert rootless(second, asked) == expected


def rootless(repository: Repository, asked: str) -> Answer:
    answer = repository.search(asked, K, refresh=False)
    return replace(answer, index=replace(answer.index, root=""))


@pytest.mark.parametrize("asked", ASKED)
def test_every_reason_is_a_line_of_the_file_that_holds_a_word_of_the_query(shop: Repository, asked: str) -> None:
    wanted = {term.text for term in parse(asked).terms}
    for result in shop.search(asked, K, refresh=False).results:
        lines = (CORPUS / result.path).read_text().split("\n")
        for why in result.why:
            assert result.start_line <= why.line <= result.end_line
            assert why.text == lines[why.line - 1].rstrip()
            assert wanted & set(terms(why.text))
            for word in why.matched:
                assert word in asked and set(terms_of(word)) & set(terms(why.text))


@pytest.mark.parametrize("asked", ASKED)
def test_every_result_is_a_stretch_of_its_file(shop: Repository, asked: str) -> None:
    for result in shop.search(asked, K, refresh=False).results:
        lines = (CORPUS / result.path).read_text().split("\n")
        assert 1 <= result.start_line <= result.end_line <= len(lines)
        assert result.snippet.split("\n")[0] == lines[result.start_line - 1]


@pytest.mark.parametrize("asked", [asked for asked in SPEC.queries if asked.kind in ("identifier", "qualified")], ids=lambda asked: asked.id)
def test_a_result_by_name_lies_where_the_name_is_written(shop: Repository, asked) -> None:
    best = shop.search(asked.text, 1, refresh=False).results[0]
    text = (CORPUS / best.path).read_text().split("\n")[best.start_line - 1 : best.end_line]
    assert (best.symbol or "").split(".")[-1] in "\n".join(text)


def test_the_same_question_twice_gets_the_same_answer(shop: Repository) -> None:
    for asked in ASKED:
        assert asdict(shop.search(asked, K, refresh=False)) == asdict(shop.search(asked, K, refresh=False))
