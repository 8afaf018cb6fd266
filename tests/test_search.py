"""Searching a small real repository: filters, order, determinism, reasons, and the slow reference of the scores."""

from __future__ import annotations

import gc
import json
import math
import re
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest

import wayfind
from wayfind.errors import NotFound, UsageError
from wayfind.index.segment import BODY, FIELDS
from wayfind.search import engine, lexical
from wayfind.search.mentions import _DOTTED, _PATH, FRAMES_FIRST, Places, _ends, changed_lines
from wayfind.search.query import parse
from wayfind.search.rank import DAMPING, damp
from wayfind.search.searcher import Searcher
from wayfind.search.trace import frames

FILES = {
    "shop/cart.py": '''"""Shopping carts."""


class Cart:
    """Items that a customer wants to buy."""

    def add_item(self, item, quantity=1):
        """Put an item into the cart."""
        self.items[item] = self.items.get(item, 0) + quantity

    def total_price(self, currency):
        """Sum of the prices of all items, converted to a currency."""
        return sum(convert(i.price, currency) * n for i, n in self.items.items())


def convert(amount, currency):
    # exchange rates are fetched once a day
    return amount * rates()[currency]
''',
    "shop/payment.py": '''"""Payments."""


def charge_card(number, amount):
    """Charge a credit card and return the receipt."""
    return gateway().charge(number, amount)


def refund(receipt):
    """Give the money of a receipt back."""
    return gateway().refund(receipt)
''',
    "tests/test_cart.py": '''from shop.cart import Cart


def test_total_price_converts_currency():
    cart = Cart()
    cart.add_item("apple", 2)
    assert cart.total_price("EUR") == 4
''',
    "vendor_copy/payment.py": '''def refund(receipt):
    """Give the money of a receipt back."""
    return gateway().refund(receipt)
''',
    "lib/retry.go": '''package lib

// Retry calls f until it succeeds or the attempts are used up.
func Retry(attempts int, f func() error) error {
	for i := 0; i < attempts; i++ {
		if err := f(); err == nil {
			return nil
		}
	}
	return errExhausted
}
''',
    "README.md": "# Shop\n\nA shop.\n\n## Refunds\n\nHow money is given back.\n",
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    root = tmp_path_factory.mktemp("shop")
    for path, text in FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    with wayfind.open(root, home=tmp_path_factory.mktemp("home")) as repository:
        repository.refresh()
        yield repository


def symbols(answer):
    return [result.symbol for result in answer.results]


def test_words_find_the_function_and_say_why(shop):
    best = shop.search("convert the price to another currency").results[0]
    assert best.path == "shop/cart.py" and best.symbol in ("Cart.total_price", "convert")
    assert best.explanation.provenance in ("docstring", "comment")
    assert best.why and all(w.text in FILES["shop/cart.py"].replace("    ", "") or w.text for w in best.why)
    for w in best.why:
        line = FILES["shop/cart.py"].split("\n")[w.line - 1]
        assert w.text == line.rstrip() and w.matched


def test_a_name_finds_its_definition_and_says_that_a_literal_search_settles_it(shop):
    answer = shop.search("charge_card")
    assert answer.results[0].symbol == "charge_card"
    assert "literal search" in answer.reason and "shop/payment.py:4" in answer.reason


def test_words_that_stand_in_one_place_settle_it(shop):
    answer = shop.search("Give  the money of a\nreceipt back".replace("\n", " "))
    assert answer.results[0].symbol == "refund" and answer.results[0].signals["literal"] > 0
    assert shop.search("exchange rates are fetched once").reason == "these very words stand in shop/cart.py:17; a literal search settles it"
    assert not any("literal" in r.signals for r in shop.search("rates exchange fetched once").results)


def test_words_that_stand_in_two_places_do_not_settle_it_however_many_results_are_asked_for(tmp_path):
    twice = "def {}(path):\n    # the file is opened twice here\n    return {}(path)\n"
    for name in ("load", "read"):
        (tmp_path / f"{name}.py").write_text(twice.format(name, name * 2) + f"\n\n# {'more of it ' * 20}{name}\n")
    with wayfind.open(tmp_path, home=tmp_path / "home", commits=0) as repository:
        for k in (1, 2, 10):
            assert not repository.search("the file is opened twice", k).reason, k


def test_the_codes_of_a_level_are_read_once_for_all_searches_of_a_generation(shop, monkeypatch):
    read = []

    class Near:
        def __init__(self, snapshot):
            read.append(snapshot)

        def nearness(self, text, level):
            return np.linspace(1, 0.5, read[0].chunks)

    monkeypatch.setattr("wayfind.search.searcher.levels_of", Near)
    searcher = Searcher(shop.snapshot(), model=False)
    asked = engine.Ask("price of items", 3, level="semantics")
    assert engine.search(searcher, asked).results == engine.search(searcher, asked).results and len(read) == 1


def test_a_repository_that_nobody_holds_any_more_is_closed(tmp_path):
    (tmp_path / "door.py").write_text("def shut():\n    return 1\n")
    repository = wayfind.open(tmp_path, home=tmp_path / "home", commits=0)
    assert repository.search("shut").results
    store = weakref.ref(repository.tree.store)
    del repository
    gc.collect()
    assert store() is None


def test_tests_come_after_what_they_test_unless_asked_for(shop):
    first = [r.path for r in shop.search("total price currency").results]
    assert first.index("shop/cart.py") < first.index("tests/test_cart.py")
    assert shop.search("test for total price currency").results[0].path == "tests/test_cart.py"


def test_copies_are_folded(shop):
    results = shop.search("give the money of a receipt back").results
    found = [r for r in results if r.symbol == "refund"]
    assert len(found) == 1 and len(found[0].also) == 1


def test_a_long_word_is_not_repeated_whole(shop):
    assert len(shop.search("x" * 20_000).reason) < 200


def test_absent_topic_is_said_to_be_absent(shop):
    answer = shop.search("kubernetes pod autoscaling")
    assert answer.abstained and "kubernetes" in answer.reason
    assert answer.confidence < shop.search("charge a credit card").confidence


@pytest.mark.parametrize(
    ("query", "paths"),
    [
        ("lang:go retry", {"lib/retry.go"}),
        ("path:shop money", {"shop/payment.py"}),
        ("path:**/*.md refunds", {"README.md"}),
        ("kind:section money", {"README.md"}),
        ("sym:refund money", {"shop/payment.py", "vendor_copy/payment.py"}),
        ("sym:Cart.* price", {"shop/cart.py"}),
        ('"exchange rates" currency', {"shop/cart.py"}),
    ],
)
def test_filters_let_only_what_they_name_pass(shop, query, paths):
    answer = shop.search(query, k=20)
    assert answer.results and {r.path for r in answer.results} <= paths


@pytest.mark.parametrize(
    ("query", "paths"),
    [
        ("money -lang:python", {"README.md"}),
        ("money -lang:py,go", {"README.md"}),
        ("money -path:shop -path:vendor*", {"README.md"}),
        ("money -kind:function,class,module,method,test", {"README.md"}),
        ("receipt -sym:ref* kind:function", {"shop/payment.py"}),
        ("-lang:python -lang:md", {"lib/retry.go"}),
    ],
)
def test_negated_filters_exclude_before_the_best_are_taken(shop, query, paths):
    for k in (1, 20):
        answer = shop.search(query, k=k)
        assert answer.results and {r.path for r in answer.results} <= paths


def test_excluded_words_do_not_occur(shop):
    assert all("gateway" not in r.snippet for r in shop.search("money receipt -gateway").results)


DIFF = '''diff --git a/shop/cart.py b/shop/cart.py
--- a/shop/cart.py
+++ b/shop/cart.py
@@ -6,5 +6,5 @@ class Cart:
 
     def add_item(self, item, quantity=1):
         """Put an item into the cart."""
-        self.items[item] = self.items.get(item, 0) + quantity
+        self.items[item] += quantity
 
@@ -15,3 +15,2 @@
 
 def convert(amount, currency):
-    # exchange rates are fetched once a day
     return amount * rates()[currency]
'''


def test_a_diff_finds_the_functions_that_it_changes(shop):
    assert {result.symbol for result in shop.search(DIFF, k=2).results} == {"Cart.add_item", "convert"}


def test_changed_lines_of_a_diff_are_those_after_it():
    twice = DIFF + "--- a/gone.py\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-x = 1\n-y = 2\n"
    assert list(changed_lines(twice)) == [("shop/cart.py", 9), ("shop/cart.py", 16)]
    assert not list(changed_lines("no diff\n+ nor this\n@@ what @@\n+x"))


def test_the_end_of_a_mailed_patch_takes_no_line_away():
    patch = "--- a/x.py\n+++ b/x.py\n@@ -1,2 +1,3 @@\n a\n+b\n c\n"
    assert list(changed_lines(patch + "-- \n2.39.2\n")) == list(changed_lines(patch)) == [("x.py", 2)]
    assert list(changed_lines("--- a/x.sql\n+++ b/x.sql\n@@ -1,2 +1 @@\n a\n-- \n")) == [("x.sql", 1)]


@pytest.mark.parametrize("head", ["diff --git a/y b/y\n", ""])
def test_lines_that_only_went_are_told_by_the_line_before_them(head):
    """Also where they end their hunk, and where no line of the hunk is left: there its number is that of the line before."""
    text = f"--- a/x.py\n+++ b/x.py\n@@ -5,2 +4,0 @@\n-a\n-b\n{head}--- a/y\n+++ b/y\n@@ -9 +8,0 @@\n-c\n@@ -20 +18,0 @@\n-d\n"
    assert list(changed_lines(text)) == [("x.py", 4), ("y", 8), ("y", 18)]


TRACES = {
    "python": (
        "py",
        """Traceback (most recent call last):
  File "/usr/lib/python3.10/runpy.py", line 196, in _run_module_as_main
    return _run_code(code, main_globals, None)
  File "/srv/app/src/web/main.py", line 2, in main
    first()
  File "/srv/app/src/web/handle.py", line 2, in handle
    first()
  File "/srv/app/src/db/pick.py", line 2, in pick
    first()
  File "/usr/lib/python3.10/random.py", line 378, in choice
IndexError: out of range""",
    ),
    "go": (
        "go",
        """panic: runtime error: index out of range [5] with length 3

goroutine 1 [running]:
runtime/debug.Stack()
\t/usr/local/go/src/runtime/debug/stack.go:24 +0x65
app/db.pick(0xc000012345, 0x5)
\t/home/u/app/src/db/pick.go:2 +0x1d
app/web.handle(...)
\t/home/u/app/src/web/handle.go:2
main.main()
\t/home/u/app/src/web/main.go:2 +0x20
exit status 2""",
    ),
    "java": (
        "java",
        """Exception in thread "main" java.lang.IllegalStateException: no session
\tat src.web.Handler.handle(handle.java:2)
\tat src.web.Main.main(main.java:2)
Caused by: java.lang.NullPointerException: Cannot invoke "String.length()"
\tat java.base/java.util.Objects.requireNonNull(Objects.java:233)
\tat src.db.Session$Inner.<init>(pick.java:2)
\tat src.web.Handler.handle(handle.java:2)
\t... 1 more""",
    ),
    "javascript": (
        "js",
        """TypeError: Cannot read properties of undefined (reading 'id')
    at Cart.pick (/srv/app/src/db/pick.js:2:15)
    at file:///srv/app/src/web/handle.js:2:1
    at Object.<anonymous> (C:\\work\\app\\src\\web\\main.js:2:9)
    at Module._compile (node:internal/modules/cjs/loader:1105:14)""",
    ),
    "csharp": (
        "cs",
        """Unhandled exception. System.InvalidOperationException: boom
 ---> System.ArgumentNullException: Value cannot be null. (Parameter 'x')
   at Shop.Db.Session.Open(String name) in C:\\work\\app\\src\\db\\pick.cs:line 2
   at Shop.Db.Pool.<Get>d__3.MoveNext() in /home/u/app/src/web/handle.cs:line 2
   --- End of inner exception stack trace ---
   at Shop.Program.Main(String[] args) in C:\\work\\app\\src\\web\\main.cs:line 2
   at System.Threading.Tasks.Task.Execute()""",
    ),
    "rust": (
        "rs",
        """thread 'main' panicked at 'called `Option::unwrap()` on a `None` value', src/db/pick.rs:2:34
stack backtrace:
   0: rust_begin_unwind
             at /rustc/90c541806f23a127002de5b4038be731ba1458ca/library/std/src/panicking.rs:578:5
   3: app::web::handle
             at ./src/web/handle.rs:2:13
   4: app::main
             at ./src/web/main.rs:2:13""",
    ),
}


@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES)
def test_of_a_trace_the_innermost_frame_of_the_repository_counts_most(tmp_path, trace):
    extension, text = trace
    root, names = tmp_path / "app", ("src/db/pick", "src/web/handle", "src/web/main", "lib/runtime/panicking", "lib/util/stack")
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / f"{name}.{extension}").write_text(f"# {name}\nfirst()\n")
    with wayfind.open(root, home=tmp_path / "home") as repository:
        repository.refresh()
        files, chunks = Places(repository.snapshot()).mentioned(text)
        values = dict(zip(repository.snapshot().paths, files.tolist(), strict=True))
    assert [values[f"{name}.{extension}"] for name in names] == pytest.approx([1, 2**-0.5, 3**-0.5, 0, 0])
    assert sorted(chunks.values()) == pytest.approx([FRAMES_FIRST * 3**-0.5, FRAMES_FIRST * 2**-0.5, FRAMES_FIRST])
    assert parse(text).kind == "trace"


def test_a_long_text_of_signs_of_a_trace_takes_no_long_time():
    """Every pattern is linear in a line; a quadratic one would take minutes here."""
    for text in ("\n" * 20_000, "at (a" * 4_000, "at " + "a/" * 9_000 + "x(", "#1 " + " at" * 6_000, "at " + " in x" * 4_000):
        assert frames(text) == ([], text)


def test_a_word_without_an_end_is_no_path_and_hides_none():
    """Encoded data in a query: both patterns try every beginning of it."""
    for pattern in (_PATH, _DOTTED):
        for data in ("a" * 20_000, "a/" * 10_000, "." * 20_000, "a." * 10_000):
            assert [match[0] for match in _ends(pattern, f"{data} in app.views.py")] == ["app.views.py"]


def test_a_line_that_is_named_is_found_though_it_holds_no_word_of_the_query(shop):
    assert shop.search("cart.py:12").results[0].symbol == "Cart.total_price"
    assert shop.search("shop/payment.py:9").results[0].symbol == "refund"


def test_a_function_pasted_whole_is_found_and_its_place_said(shop):
    pasted = "\n".join(Path(shop.root, "shop/cart.py").read_text().split("\n")[11:14])
    answer = shop.search(pasted)
    assert answer.results[0].symbol == "Cart.total_price" and "these very words stand in shop/cart.py:12" in answer.reason


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """One file of names that are spelt in several ways, a folder named like a glob, and two definitions of one name."""
    root = tmp_path_factory.mktemp("names")
    for path, text in NAMES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    with wayfind.open(root, tmp_path_factory.mktemp("names-home")) as repository:
        yield repository


NAMES = {
    "src/client.py": '''class HttpServer:
    def parse(self, user):
        return self.parseHTTPResponse(user) == user.name

    def parseHTTPResponse(self, user):
        return user


def getUser(name):
    return user.of(name)
''',
    "top.py": "def timeout(user):\n    return user.wait\n",
    "app/[id]/page.py": "def page(user):\n    return user.page\n\n\ndef timeout(user):\n    return user.page.timeout\n",
}


@pytest.mark.parametrize(
    ("query", "symbols"),
    [
        ("user kind:function -getUser", {"timeout", "page"}),
        ("user kind:function -getuser", {"timeout", "page"}),
        ("user lang:py -user.page -HttpServer", {"HttpServer.parse", "HttpServer.parseHTTPResponse", "getUser", "timeout"}),
        ('user -"user.page" path:app', set()),
        ("path:src -HttpServer -parseHTTPResponse", {"getUser"}),
        ("sym:par*", {"HttpServer.parse", "HttpServer.parseHTTPResponse"}),
        ("sym:parse sym:page", {"HttpServer.parse", "page"}),
        ("sym:httpserver::parse()", {"HttpServer.parse"}),
        ("sym:get[User", set()),
        ('"PARSEHTTPRESPONSE"', {"HttpServer.parse", "HttpServer.parseHTTPResponse"}),
        ('"httpserver"', {"HttpServer"}),
        ('absent "=="', set()),
        ('"== user"', {"HttpServer.parse"}),
    ],
)
def test_filters_know_every_spelling_of_a_name(names, query, symbols):
    assert {result.symbol for result in names.search(query, k=20).results} == symbols


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("./*.py", {"top.py"}),
        ("./src", {"src/client.py"}),
        ("SRC/*.PY", {"src/client.py"}),
        ("[id]", {"app/[id]/page.py"}),
        ("app/[id]/page.py", {"app/[id]/page.py"}),
        ("**/page.py", {"app/[id]/page.py"}),
        ("[user-id]", set()),
        ("app/[[...slug]]", set()),
        ("./client.py", set()),
    ],
)
def test_a_path_is_a_glob_or_a_text(names, pattern, paths):
    assert {result.path for result in names.search("user", k=20, path=pattern).results} == paths


def test_a_pattern_that_cannot_be_read_is_an_error(names):
    with pytest.raises(UsageError, match="pattern"):
        names.search("user", path=("src/*\\",))


def test_a_name_with_two_definitions_is_not_said_to_be_settled(names):
    """Whatever the number of results asked for."""
    assert "settles" not in names.search("timeout", k=1).reason
    assert "one definition" in names.search("timeout path:app", k=1).reason


def test_a_name_of_several_parts_occurs_only_where_all_of_it_does(names):
    assert "occurs once, app/[id]/page.py:5" in names.search("user.page.timeout").reason
    assert "occurs once" not in names.search("user.wait.page").reason


@pytest.mark.parametrize("option", ["lang", "path", "kind"])
def test_one_value_of_a_filter_may_be_given_alone(shop, option):
    """A text is one value, not a sequence of letters."""
    value = {"lang": "go", "path": "lib/", "kind": "function"}[option]
    assert shop.search("retry", **{option: value}).results == shop.search("retry", **{option: (value,)}).results


def test_what_does_not_fit_into_the_budget_is_said(shop):
    answer = shop.search("refund", max_tokens=1)
    assert not answer.results and "1 token" in answer.reason
    with pytest.raises(UsageError, match="token"):
        shop.search("refund", max_tokens=0)


@pytest.mark.parametrize("k", [0, -1])
def test_a_number_of_results_below_one_is_an_error(shop, k):
    for ask in (lambda: shop.search("refund", k=k), lambda: shop.related("shop/payment.py", 5, k=k)):
        with pytest.raises(UsageError, match="at least 1"):
            ask()


def test_filters_apply_before_the_best_are_taken(shop):
    """Origin defect 20: with k = 1 the only Go function is found although Python chunks score higher."""
    assert shop.search("price money item until it succeeds", k=1, lang=("go",)).results[0].path == "lib/retry.go"


def test_expression_filters_chunks(shop):
    answer = shop.search("", regex=r"errExh\w+")
    assert [r.path for r in answer.results] == ["lib/retry.go"]


@pytest.mark.parametrize("expression", [r"\n\n\nclass", "x*", "nowhere", r"self\.items.*\n", r"\n", "$", r"(?s)Cart.*price"])
def test_an_expression_finds_the_chunks_that_its_match_touches(shop, expression):
    """A match that ends with a line does not touch the next; an empty one touches the line where it stands."""
    whole = shop.search("", k=50, regex=expression, path="shop/cart.py").results
    text = Path(shop.root, "shop/cart.py").read_text()
    touched = set()
    for match in re.finditer(expression, text, re.MULTILINE):
        first, last = (text.count("\n", 0, place) + 1 for place in (match.start(), max(match.start(), match.end() - 1)))
        touched |= {(r.start_line, r.end_line) for r in shop.search("", k=50, regex="", path="shop/cart.py").results if r.start_line <= last and r.end_line >= first}
    assert {(r.start_line, r.end_line) for r in whole} == touched


def test_score_is_the_sum_of_its_signals(shop):
    for result in shop.search("price of items in the cart", k=20).results:
        assert result.score == pytest.approx(sum(result.signals.values()), abs=1e-4)


def test_scores_are_absolute(shop):
    """Origin defect 20: scores were divided by the best, so that 1.00 never meant good."""
    good, poor = shop.search("charge credit card receipt"), shop.search("blockchain apples quantum receipt")
    assert poor.results[0].score < 0.6 * good.results[0].score


def test_empty_query_is_an_error(shop):
    with pytest.raises(UsageError, match="empty"):
        shop.search("  ")


def test_what_holds_no_word_is_found_in_quotes_and_by_an_expression(shop):
    with pytest.raises(UsageError, match="in double quotes"):
        shop.search("++ {")
    for answer in (shop.search('"++ {"'), shop.search("", regex=r"\+\+ \{")):
        assert [result.symbol for result in answer.results] == ["Retry"]


def test_a_phrase_may_begin_and_end_inside_a_word(shop):
    assert symbols(shop.search('"xchange rates are fet"')) == ["convert"] == symbols(shop.search('"mount * rat"'))
    assert not shop.search('"xchange rates were"').results


def test_an_excluded_word_is_that_word_alone_or_in_a_name(tmp_path):
    """Words that share its stem are others."""
    bodies = {"plain": "log(sum(a))", "stem_mate": "logged(sum(a))", "word": "logging(sum(a))", "part": "LoggingSum(a)", "subword": "cataloging(sum(a))", "spelt": "log_ging(sum(a))"}
    (tmp_path / "a.py").write_text("".join(f"def {name}(a):\n    return {body}\n\n\n" for name, body in bodies.items()))
    with wayfind.open(tmp_path, home=tmp_path / "home", commits=0) as repository:
        assert set(symbols(repository.search("sum -logging"))) == {"plain", "stem_mate", "subword"}


def test_budget_is_kept(shop):
    answer = shop.search("item price money receipt", k=20, max_tokens=120)
    shown = sum(len(r.snippet) + len(r.path) + len(r.explanation.text) for r in answer.results)
    assert answer.results and shown <= 120 * 3.6


def test_same_answer_in_every_process(shop, tmp_path):
    code = (
        "import json, sys, wayfind\n"
        "r = wayfind.open(sys.argv[1], home=sys.argv[2])\n"
        "print(json.dumps([[x.path, x.start_line, x.score, x.signals] for q in ('price of items', 'refund', 'money back') for x in r.search(q).results]))\n"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code, shop.root, tmp_path / str(n)], capture_output=True, check=True, text=True, env={"PYTHONHASHSEED": str(n), "PATH": ""}).stdout
        for n in range(2)
    ]
    assert runs[0] == runs[1] and json.loads(runs[0])


def test_related_finds_what_speaks_of_the_same(shop):
    answer = shop.related("shop/payment.py", 9)
    assert "refund" not in symbols(answer)[:0] and answer.results[0].symbol in ("refund", "charge_card")
    assert all((r.path, r.start_line) != ("shop/payment.py", 9) for r in answer.results)


def test_explain_names_the_definition_at_a_line(shop):
    assert shop.explain("shop/cart.py", 9).symbol == "Cart.add_item"
    with pytest.raises(NotFound, match="has no line"):
        shop.explain("shop/cart.py", 900)
    with pytest.raises(NotFound, match="did you mean shop/cart.py"):
        shop.explain("cart.py", 1)


def slow_bm25f(snapshot, query):
    """BM25F by loops over chunks, fields and terms."""
    norms = snapshot.mean_lengths
    counts = [[{} for _ in FIELDS] for _ in range(snapshot.chunks)]
    for term in query.terms:
        for number, field in enumerate(FIELDS):
            for chunk, times in zip(*snapshot.postings(field, term.text)):
                counts[chunk][number][term.text] = int(times)
    scores, total = [0.0] * snapshot.chunks, 0.0
    for term in query.terms:
        holding = sum(any(term.text in field for field in chunk) for chunk in counts)
        weight = term.weight * math.log(1 + (snapshot.chunks - holding + 0.5) / (holding + 0.5))
        total += weight
        for chunk in range(snapshot.chunks):
            frequency = sum(
                lexical.FIELD_WEIGHT[name] * counts[chunk][f].get(term.text, 0)
                / (1 - lexical.FIELD_B[name] + lexical.FIELD_B[name] * snapshot.lengths[chunk, f] / norms[f])
                for f, name in enumerate(FIELDS)
            )
            scores[chunk] += weight * frequency / (lexical.K1 + frequency)
    return np.array(scores) / total


@pytest.mark.parametrize("text", ["price of the items", "refund receipt money zebra", "Cart.total_price"])
def test_fast_scores_equal_the_slow_reference(shop, text):
    searcher, query = shop.searcher(), parse(text)
    fast = lexical.score(searcher.snapshot, searcher.scales, query).chunk
    assert np.allclose(fast, slow_bm25f(searcher.snapshot, query), atol=1e-12)
    assert fast.max() <= 1.0


def test_body_holds_every_term_of_the_text(shop):
    """Origin defect 8: what is searched is the text that is stored."""
    from wayfind.index.tokens import count

    snapshot = shop.snapshot()
    for chunk in range(snapshot.chunks):
        text = snapshot.chunk(chunk)[1]
        assert snapshot.lengths[chunk, BODY] == count(text).total()
        for term in count(text):
            assert chunk in snapshot.holding(term)


def test_damping_lets_another_file_pass_and_keeps_the_order_inside_a_file():
    files, scores = np.array([0, 0, 0, 1]), np.array([1.0, 0.95, 0.9, 0.8])
    order, damped = damp(files, scores, 4)
    assert len(damped) == len(scores)
    assert order[0] == 0 and [i for i in order if i < 3] == [0, 1, 2]
    assert damped[1] == pytest.approx(0.95 * DAMPING[""])


def test_ties_break_by_path_and_line():
    assert damp(np.array([0, 1, 2, 3]), np.ones(4), 4)[0] == [0, 1, 2, 3]


def test_confidence_and_order_do_not_depend_on_how_many_are_asked_for(shop):
    few, many = (shop.search("money of a receipt back", k=k) for k in (1, 20))
    assert few.confidence == many.confidence and few.results[0] == many.results[0]


def test_thousands_of_candidates_level_with_the_last_do_not_push_out_the_best(tmp_path):
    (tmp_path / "many.py").write_text("".join(f"def function_{n}():\n    return {n}\n\n\n" for n in range(1500)))
    with wayfind.open(tmp_path, home=tmp_path.parent / "home-many") as repository:
        assert repository.search("function_1234").results[0].symbol == "function_1234"


def test_related_does_not_speak_of_words_that_everything_holds(shop):
    assert not {"def", "return"} & {word for r in shop.related("shop/payment.py", 9).results for w in r.why for word in w.matched}


def test_a_repository_that_nobody_closed_closes_itself(shop, tmp_path):
    code = (
        "import gc, sys, warnings; warnings.simplefilter('error'); import wayfind\n"
        "sys.unraisablehook = lambda problem: print(problem.exc_value)\n"
        "print(wayfind.open(sys.argv[1], home=sys.argv[2]).search('refund').results[0].symbol); gc.collect()\n"
    )
    done = subprocess.run([sys.executable, "-c", code, shop.root, tmp_path], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("refund\n", "")


def test_nothing_is_written_into_the_repository(shop):
    assert {p.relative_to(shop.root).as_posix() for p in Path(shop.root).rglob("*") if p.is_file()} == set(FILES)


def test_a_name_finds_the_class_before_its_constructors(tmp_path):
    text = "/** Cleans trees. */\npublic class Cleaner {\n  private final List safe;\n\n  public Cleaner(List safe) {\n    this.safe = safe;\n  }\n\n  public Cleaner() {\n    this(List.of());\n  }\n\n  public Tree clean(Tree dirty) {\n    return dirty.keep(safe);\n  }\n}\n"
    (tmp_path / "src").mkdir()
    (tmp_path / "src/Cleaner.java").write_text(text)
    (tmp_path / "src/Other.java").write_text("class Other {\n  Tree run() {\n    return new Cleaner().clean(null);\n  }\n}\n")
    with wayfind.open(tmp_path / "src", home=tmp_path / "home") as repo:
        repo.refresh()
        assert repo.search("Cleaner").results[0].symbol == "Cleaner"
