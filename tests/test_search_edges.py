"""What a reading of search and evaluation found wrong: each was reproduced before it was mended."""

from __future__ import annotations

from pathlib import Path

import pytest
from indexes import write

import wayfind
from wayfind.errors import UsageError
from wayfind.evaluate.queries import Gold, Hit, judge
from wayfind.evaluate.run import evaluate
from wayfind.evaluate.spec import _Corpus
from wayfind.search.engine import _fit
from wayfind.search.feedback import unsecret
from wayfind.search.query import parse
from wayfind.search.rank import named_language, without_language
from wayfind.search.trace import frames
from wayfind.serve.merging import merged

SHOP = {
    "web/views.py": "from core.store import write_order\n\n\ndef checkout_view(request):\n    return write_order(request.order)\n",
    "core/store.py": "def commit_row(row):\n    return row\n\n\ndef write_order(order):\n    \"\"\"Write an order to the database.\"\"\"\n    return commit_row(order)\n",
    "app/(auth)/page.tsx": "export function SignIn() {\n  return <form>sign in page</form>;\n}\n",
    "app/shared.ts": "export function page(number: number) {\n  return number;\n}\n",
    "core/long.py": "def long_function(x):\n    \"\"\"Do many steps.\"\"\"\n" + "".join(f"    x = x + 1  # step {i}\n" for i in range(80)) + "    secret_marker_zz = 1\n    return x\n",
    "tests/test_x.py": "def test_x():\n    assert True\n",
    "Makefile": "all:\n\techo fetch_rows\n",
}


@pytest.fixture
def shop(tmp_path):
    with wayfind.open(write(tmp_path / "shop", SHOP), home=tmp_path / "home", commits=0) as found:
        found.refresh()
        yield found


def test_a_language_is_named_by_a_word_and_not_by_a_part_of_a_path_or_name(shop, monkeypatch):
    searcher = shop.searcher()
    monkeypatch.setattr(type(searcher), "meanings", object(), raising=False)
    assert searcher.main_language == "python"
    for text in ("where is src/python/loader.py read", "core/store.python:2", "where is PythonFormatter made", "the python_path setting"):
        assert named_language(searcher, parse(text)) == [] and without_language(searcher, parse(text)).text == text
    both = without_language(searcher, parse("where does `Python` write src/python/order rows in python"))
    assert both.text == "where does ` ` write src/python/order rows" and named_language(searcher, both) == ["python"]


def test_what_the_graph_adds_passes_the_filters(shop):
    for text in ("write order to the database path:core", "write order to the database -checkout"):
        assert [one.symbol for one in shop.search(text, graph=True).results if one.symbol] == ["write_order", "commit_row"]
    assert "checkout_view" in {one.symbol for one in shop.search("write order to the database", graph=True).results}


def test_the_order_of_a_flow_outlives_the_merging_of_repositories(shop):
    flow = shop.search("write order to the database", graph=True)
    plain = shop.search("sign in page")
    placed = merged([(Path("/a"), flow), (Path("/b"), plain)], 20)
    assert [item.result for item in placed if item.root == Path("/a")] == list(flow.results)
    assert [item.result for item in placed if item.root == Path("/b")] == list(plain.results)


def test_a_secret_is_masked_before_lines_are_joined_and_cut(tmp_path, shop):
    from wayfind.search.feedback import entry_at

    for asked, hidden in (("why is this ignored\nexport API_" + "KEY=Xy7kPq9LmN2vRq1w2e3\nexport FOO=1", "Xy7kPq9LmN2vRq1w2e3"), ("x " * 985 + "gh" + "p_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8", "a1B2c3D4e5")):
        assert unsecret(asked)[1] == 1
        entry, masked = entry_at(shop.searcher().snapshot, asked, "good", "core/store.py", 5, 0)
        assert masked == 1 and hidden not in entry.query


def test_a_hit_takes_the_narrowest_gold_that_it_covers():
    wide, narrow, lines = Gold("a.py"), Gold("a.py", "save"), Gold("a.py", None, 1, 50)
    assert judge([Hit("a.py", 3, 9, "save"), Hit("a.py", 1, 2)], [wide, narrow]) == [narrow, wide]
    assert judge([Hit("a.py", 10, 12), Hit("a.py", 30, 31)], [lines, Gold("a.py", None, 10, 20)]) == [Gold("a.py", None, 10, 20), lines]


@pytest.mark.parametrize("trace", ["Traceback (most recent call last):\n  File \"core/store.py\", line 7, in write_order\n    return\nKeyError: 1", "TypeError: x\n    at sumUp (/srv/app/shared.ts:2:10)\n    at run (/srv/app/shared.ts:1:3)"])
def test_a_trace_with_the_line_ends_of_windows_has_its_frames(trace):
    asked = parse(trace.replace("\n", "\r\n"))
    assert asked == parse(trace) and frames(asked.text)[0] == frames(trace)[0] != []


def test_typescript_has_its_components_too(shop):
    assert {one.path for one in shop.search("page lang:typescript").results} == {"app/(auth)/page.tsx", "app/shared.ts"}
    assert {one.path for one in shop.search("page lang:tsx").results} == {"app/(auth)/page.tsx"}
    assert not {"app/(auth)/page.tsx", "app/shared.ts"} & {one.path for one in shop.search("page -lang:typescript").results}


def test_the_line_that_an_expression_matches_is_shown(shop):
    (found, *_) = shop.search("", regex=r"secret_marker_\w+").results
    assert (found.symbol, [(one.line, one.text.strip()) for one in found.why]) == ("long_function", [(83, "secret_marker_zz = 1")])
    assert "secret_marker_zz" in found.snippet


@pytest.mark.parametrize("expression", ["a{99999999999}", "(" * 5000 + ")" * 5000])
def test_an_expression_that_python_cannot_hold_is_an_error_of_its_user(shop, expression):
    with pytest.raises(UsageError, match="is not valid"):
        shop.search("", regex=expression)


@pytest.mark.parametrize("line", ["def walk(root, path:str, kind:int):", "const o = { path:'/', lang:'en' }"])
def test_a_pasted_line_of_typed_code_holds_no_filters(line):
    assert not parse(line).filters and parse(line).text == line


def test_a_misspelt_filter_is_still_one():
    for text in ("save kind:klass", "save lang:pyton"):
        with pytest.raises(UsageError, match="unknown"):
            parse(text)
    assert parse("page path:app/(auth) lang:c++,c#").filters.paths == ("app/(auth)",)


def test_signals_are_the_addends_of_a_score_wherever_it_stands(tmp_path):
    """A chunk that meaning lifts and that was below the cut had another chunk's score taken for its own."""
    from wayfind.search.rank import damp, seats
    import numpy as np

    scores, files, near = np.linspace(2, 1, 40), np.zeros(40, np.int64), np.zeros(40)
    near[[35, 38]] = 0.9, 0.8
    order, damped = damp(files, scores, 12)
    placed, values, seated = seats(order, damped[order].tolist(), damped, near)
    assert seated == {35: damped[35], 38: damped[38]} and set(seated) <= set(placed)


def test_text_beyond_ascii_fills_a_budget_by_its_signs(shop):
    (found, *_) = shop.search("write order").results
    from dataclasses import replace

    rows = replace(found, snippet="\n".join("订单写入数据库" for _ in range(100)), why=())
    cut, left = _fit(rows, 1000.0)
    assert cut is not None and 20 < sum(not sign.isascii() for sign in cut.snippet) * 3.6 <= 1000 and left >= 0


def test_a_reason_names_no_place_that_a_filter_takes_out(shop):
    assert "Makefile" in shop.search("fetch_rows").reason
    assert "Makefile" not in shop.search("fetch_rows path:tests").reason


def test_an_empty_filter_is_none_and_a_dot_is_the_root(shop):
    assert parse('save -path:""').filters == parse("save").filters
    assert shop.search("all echo fetch_rows", path="").results == shop.search("all echo fetch_rows").results
    assert "Makefile" in {one.path for one in shop.search("all echo fetch_rows", path=".").results}


def test_a_path_with_parentheses_finds_its_line(shop):
    found = shop.search("app/(auth)/page.tsx:2")
    assert (found.results[0].path, found.confidence > 0.9) == ("app/(auth)/page.tsx", True)


def test_a_heading_with_slashes_is_found_in_a_spec():
    corpus = _Corpus(Path("/x"), {"docs/notes.md": frozenset({"Notes > GET /users/"})}, {"docs/notes.md": 9})
    assert corpus.gold("./docs/notes.md:Notes > GET /users/") == Gold("docs/notes.md", "Notes > GET /users/")
    assert corpus.gold("docs/../docs/notes.md:2-4") == Gold("docs/notes.md", None, 2, 4)


def test_an_evaluation_counts_a_system_and_a_kind_once_and_three_results_for_precision(shop, tmp_path):
    spec = tmp_path / "spec.yaml"
    spec.write_text("queries:\n  - query: write an order to the database\n    relevant: ['core/store.py:write_order', 'core/store.py:commit_row', 'web/views.py:checkout_view']\n")
    report = evaluate(shop.root, spec=spec, systems=("bm25", "bm25"), k=1, home=tmp_path / "home")
    assert report.systems == ("bm25",) and len(report.sets[0].answered) == 1
    (answered,) = report.sets[0].answered
    assert len(answered.hits) == 1 and answered.figures["P@3"] > 0.34
    with pytest.raises(UsageError, match="seed must be at least 0"):
        evaluate(shop.root, spec=spec, seed=-1, home=tmp_path / "home")
