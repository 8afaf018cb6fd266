"""What has to do with a definition, and the definitions that calls connect: groups, order, reasons, and how they are told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import command
from indexes import PLAIN, write

import wayfind
from wayfind.errors import NotFound, UsageError
from wayfind.search.flow import Flows, connected
from wayfind.serve.output import related as told
from wayfind.types import Relation

SHOP = {
    "shop/web.py": "from shop.cart import Cart\n\n\ndef checkout_page(request):\n    \"\"\"Answer the request of a checkout.\"\"\"\n    cart = Cart(request)\n    return cart.pay_order(request)\n",
    "shop/cart.py": "from shop.tax import sales_tax\n\n\nclass Cart:\n    def __init__(self, request):\n        self.request = request\n\n    def pay_order(self, request):\n        \"\"\"Pay an order with its tax.\"\"\"\n        return self.total_of(request) + sales_tax(request)\n\n    def total_of(self, request):\n        return len(request)\n",
    "shop/tax.py": "def sales_tax(order):\n    \"\"\"The tax of an order.\"\"\"\n    return tax_rate() * order\n\n\ndef tax_rate():\n    return 0.2\n",
    "shop/export_tax.py": "def export_tax(order):\n    \"\"\"The tax of an order that leaves the country.\"\"\"\n    return 0 * order\n",
    "tests/test_tax.py": "from shop.tax import sales_tax\n\n\ndef test_sales_tax():\n    assert sales_tax(10) == 2\n",
    "README.md": "# Weather\n\nIt rains in the hills.\n",
}


@pytest.fixture
def shop(tmp_path: Path):
    with wayfind.open(write(tmp_path / "tree", SHOP), home=tmp_path / "home", commits=0) as repository:
        repository.refresh(options=PLAIN)
        yield repository


def kinds(answer) -> dict[str, list[str]]:
    return {f"{result.path} {result.symbol}": [relation.kind for relation in result.relations] for result in answer.results}


def test_what_is_related_is_told_group_by_group(shop) -> None:
    found = kinds(shop.related("shop/tax.py", 1))
    assert list(found)[:3] == ["shop/cart.py Cart.pay_order", "shop/cart.py None", "shop/tax.py tax_rate"] or list(found)[0] == "shop/cart.py Cart.pay_order"
    assert found["shop/cart.py Cart.pay_order"][0] == "calls"
    assert found["shop/tax.py tax_rate"][0] == "called by"
    assert found["tests/test_tax.py test_sales_tax"][0] == "tests"
    assert found["shop/export_tax.py export_tax"] == ["similar"]
    assert "shop/tax.py sales_tax" not in found


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (["callers"], {"shop/web.py checkout_page": ["calls"]}),
        (["callees"], {"shop/cart.py Cart.total_of": ["called by"], "shop/tax.py sales_tax": ["called by"]}),
        (["siblings"], {"shop/cart.py Cart.total_of": ["sibling"], "shop/cart.py Cart.__init__": ["sibling"]}),
        (["tests"], {}),
        (["callers", "siblings"], {"shop/web.py checkout_page": ["calls"], "shop/cart.py Cart.total_of": ["sibling"], "shop/cart.py Cart.__init__": ["sibling"]}),
    ],
)
def test_groups_can_be_chosen(shop, groups: list[str], expected: dict) -> None:
    answer = shop.related("shop/cart.py", 8, groups=groups)
    assert kinds(answer) == expected
    assert answer.abstained == (not expected)
    assert bool(answer.reason) == (not expected)


def test_a_class_is_called_where_its_members_are(shop) -> None:
    found = kinds(shop.related("shop/cart.py", 4, groups="callers"))
    assert found["shop/web.py checkout_page"] == ["calls"]


def test_every_group_has_its_share_of_few_results(shop) -> None:
    for k in range(1, 6):
        assert len(shop.related("shop/tax.py", 1, k=k).results) <= k
    assert {result.relations[0].kind for result in shop.related("shop/tax.py", 1, k=3).results} >= {"calls", "called by", "tests"}


def test_a_relation_names_the_line_that_refers(shop) -> None:
    (caller,) = shop.related("shop/cart.py", 8, groups="callers").results
    assert caller.relations[0] == Relation("calls", "shop/cart.py", 8, "Cart.pay_order", 7, caller.relations[0].strength)
    assert SHOP["shop/web.py"].split("\n")[6].strip() == "return cart.pay_order(request)"


def test_an_unknown_group_and_an_unknown_place_are_errors(shop) -> None:
    with pytest.raises(UsageError, match="callers, callees, tests, siblings, similar"):
        shop.related("shop/tax.py", 1, groups="friends")
    with pytest.raises(NotFound):
        shop.related("shop/none.py", 1)


def test_by_the_graph_callers_come_before_what_they_call(shop) -> None:
    answer = shop.search("how is the tax of an order paid at checkout", graph=True)
    order = [result.symbol for result in answer.results]
    assert order.index("checkout_page") < order.index("Cart.pay_order") < order.index("sales_tax") < order.index("tax_rate")
    by_symbol = {result.symbol: result for result in answer.results}
    assert [(one.kind, one.symbol, one.line) for one in by_symbol["sales_tax"].relations] == [("called by", "Cart.pay_order", 10)]
    assert not by_symbol[order[0]].relations
    linked = [bool(result.relations) for result in answer.results[1:]]
    assert linked == sorted(linked, reverse=True), "what nothing connects comes last"


def test_what_two_functions_both_call_does_not_connect_them_and_what_calls_both_does(tmp_path: Path) -> None:
    files = {
        "log.py": "def note_down(text):\n    return text\n",
        "paint.py": "from log import note_down\n\n\ndef paint_wall(colour):\n    note_down(colour)\n",
        "wall.py": "from log import note_down\n\n\ndef build_wall(stone):\n    note_down(stone)\n",
    }
    both = {"house.py": "from paint import paint_wall\nfrom wall import build_wall\n\n\ndef build_house():\n    build_wall(1)\n    paint_wall(2)\n"}
    for more, reached in (({}, False), (both, True)):
        with wayfind.open(write(tmp_path / "tree", files | more), home=tmp_path / "home", commits=0) as repository:
            repository.refresh(options=PLAIN)
            searcher = repository.searcher()
            paint, wall = map(searcher.snapshot.symbols.index, ("paint_wall", "build_wall"))
            assert (wall in connected(Flows(searcher), [paint, wall], [], 10)) == reached


def test_by_the_graph_the_first_results_of_the_ranking_stay(shop) -> None:
    question = "how is the tax of an order paid at checkout"
    plain = [(result.path, result.symbol) for result in shop.search(question, k=10).results]
    graph = [(result.path, result.symbol) for result in shop.search(question, k=10, graph=True).results]
    assert set(plain[:5]) <= set(graph)


def test_by_the_graph_there_are_as_many_results_as_are_asked_for(shop) -> None:
    for question in ("how is the tax of an order paid at checkout", "rain in the hills", "tax that leaves the country"):
        plain = [(result.path, result.start_line) for result in shop.search(question, k=60).results]
        for k in range(1, 12):
            graph = shop.search(question, k=k, graph=True).results
            assert min(k, len(plain)) <= len(graph) <= k
            rest = [(result.path, result.start_line) for result in graph if not result.relations]
            assert rest[1:] == sorted(rest[1:], key=plain.index), "best first"


def test_two_results_are_enough_for_a_connection(shop) -> None:
    answer = shop.search("sales tax of an order", k=2, graph=True)
    assert len(answer.results) == 2 and answer.results[1].relations
    assert "no calls connect" not in answer.reason
    assert "no calls connect" not in shop.search("sales tax of an order", k=1, graph=True).reason, "one result needs no connection"


def test_a_second_best_that_nothing_connects_fills_the_room_that_is_left(tmp_path: Path) -> None:
    files = {
        "tax.py": 'def sales_tax(order):\n    """The sales tax of an order."""\n    return rate_of(order)\n\n\ndef rate_of(order):\n    return 2\n',
        "other.py": 'def tax_form(order):\n    """Print the sales tax form."""\n    return order\n',
    }
    with wayfind.open(write(tmp_path / "tree", files), home=tmp_path / "home", commits=0) as repository:
        repository.refresh(options=PLAIN)
        assert [result.symbol for result in repository.search("sales tax", k=3, graph=True).results] == ["sales_tax", "rate_of", "tax_form"]


def test_where_nothing_connects_the_answer_is_the_ordinary_one_and_says_so(shop) -> None:
    plain, graph = (shop.search("rain in the hills", graph=graph) for graph in (False, True))
    assert [result.path for result in graph.results] == [result.path for result in plain.results]
    assert "no calls connect the best results" in graph.reason
    assert shop.search("rain in the hills", graph=False).reason == plain.reason


def test_the_same_question_has_the_same_flow(shop) -> None:
    first, second = (shop.search("how is the tax paid", graph=True).results for _ in range(2))
    assert first == second


def test_guesses_are_told_as_guesses() -> None:
    said = [told(Relation("calls", "a.py", 3, "f", 7, strength)) for strength in (1.0, 0.8, 0.6, 0.25)]
    assert said == ["calls f (a.py:3, line 7)", "calls f (a.py:3, line 7)", "likely calls f (a.py:3, line 7)", "perhaps calls f (a.py:3, line 7)"]
    assert told(Relation("similar", "a.py", 3, None, 0, 0.4)) == "similar to code (a.py:3)"


def run(*arguments: str | Path, home: Path, cwd: Path) -> tuple[int, str, str]:
    done = command(*arguments, home=home, cwd=cwd)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_the_command_line_tells_relations(home: Path, tmp_path: Path) -> None:
    root = write(tmp_path / "repo", SHOP)
    _, callers, _ = run("related", "shop/tax.py:1", "--callers", "--tests", home=home, cwd=root)
    assert "calls sales_tax (shop/tax.py:1, line 10)" in callers
    assert "tests sales_tax (shop/tax.py:1, line 5)" in callers
    assert "export_tax" not in callers
    flow = json.loads(run("how is the tax of an order paid at checkout", "--graph", "--json", home=home, cwd=root)[1])
    assert {relation["kind"] for result in flow["results"] for relation in result["relations"]} >= {"called by"}


def test_a_query_can_come_from_a_file(home: Path, tmp_path: Path) -> None:
    root = write(tmp_path / "repo", SHOP)
    (tmp_path / "trace.txt").write_text('Traceback (most recent call last):\n  File "shop/tax.py", line 3, in sales_tax\n    return tax_rate() * order\nTypeError: no\n')
    first = json.loads(run("search", "--file", tmp_path / "trace.txt", "--json", home=home, cwd=root)[1])["results"][0]
    assert first["symbol"] == "sales_tax"
    assert json.loads(run("search", "--file", tmp_path / "trace.txt", root, "--json", home=home, cwd=tmp_path)[1])["results"][0] == first
    code, _, told_ = run("search", "--file", tmp_path / "none.txt", home=home, cwd=root)
    assert code == 2
    assert "cannot read" in told_
