"""What programs print when they fail, as they print it: which lines are meant, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import plant
from indexes import PLAIN, write

import wayfind
from wayfind.search.trace import frames, is_report

PYTEST = """\
=================================== FAILURES ===================================
__________________________________ test_build __________________________________

    def test_build():
>       assert m.build("a", {"x": "no"}) == "/no"

test_shop.py:7:
_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _
src/routing/map.py:3: in build
    rv = self._build(endpoint)
src/routing/rules.py:2: ValueError
_________________________________ test_headers _________________________________

test_shop.py:11:
src/headers.py:2: in add
    check(value)
src/headers.py:6: ValueError
=========================== short test summary info ============================
FAILED test_shop.py::test_build - ValueError: invalid literal for int()
"""
GO_TEST = """\
--- FAIL: TestOverrides (0.01s)
    --- FAIL: TestOverrides/from_file (0.00s)
        overrides_test.go:47:
        \tError Trace:\t/home/me/viper/overrides_test.go:47
        \t            \t/home/me/viper/check.go:31
        \tError:      \tNot equal:
FAIL
"""
JEST = """\
  ● createSlice › throws

    TypeError: Cannot read properties of undefined (reading 'reducers')

      at createSlice (src/createSlice.ts:20:18)
      at Object.<anonymous> (src/tests/createSlice.test.ts:45:7)

  ● createStore › throws

      at createStore (src/createStore.ts:8:3)
"""
PHP = """\
PHP Fatal error:  Uncaught HttpNotFoundException: Not found. in /var/www/src/Routing.php:60
Stack trace:
#0 /var/www/src/Runner.php(46): Routing->perform(Object(Request))
#1 {main}
"""
FRAMES = {
    "pytest": (PYTEST, ["rules.py:2", "headers.py:6", "map.py:3", "headers.py:2", "test_shop.py:7", "test_shop.py:11"]),
    "go test": (GO_TEST, ["overrides_test.go:47", "overrides_test.go:47", "check.go:31"]),
    "jest": (JEST, ["createSlice.ts:20", "createStore.ts:8", "createSlice.test.ts:45"]),
    "php": (PHP, ["Routing.php:60", "Runner.php:46"]),
}


@pytest.mark.parametrize("form", FRAMES)
def test_frames_are_read_innermost_first_and_failures_in_turn(form: str) -> None:
    text, expected = FRAMES[form]
    assert [f"{frame.path[-1]}:{frame.line}" for frame in frames(text)[0]] == expected


def test_a_run_of_tests_is_known_as_one() -> None:
    assert all(map(is_report, (PYTEST, GO_TEST, JEST)))
    assert not any(map(is_report, (PHP, "why does it FAIL: here", "def f():\n    return ___\n")))


def test_a_pasted_trace_is_answered_by_its_frames_in_their_order(tmp_path: Path) -> None:
    """A frame's words may be worth more to the ranking than where it stands; in a trace that is all there is it comes first."""
    bodies = {name: f"package shop\n\nfunc {name}(order string) string {{\n\treturn order\n}}\n" for name in ("pick", "handle", "order")}
    root = write(tmp_path / "tree", {f"{name}.go": text for name, text in bodies.items()})
    trace = "panic: order order handle\n\ngoroutine 21 [running]:\nshop.pick(0x14, 0x15)\n\t/home/me/shop/pick.go:4 +0x128\nshop.handle(0x16)\n\t/home/me/shop/handle.go:4 +0x1d4\n"
    with wayfind.open(root, home=tmp_path / "home", commits=0) as repository:
        repository.refresh(options=PLAIN)
        assert [result.symbol for result in repository.search(trace, refresh=False).results][:2] == ["pick", "handle"]


def test_an_issue_that_quotes_a_trace_is_more_than_its_frames(tmp_path: Path) -> None:
    from wayfind.search.mentions import FRAMES_FIRST, Places

    root = write(tmp_path / "tree", {"pick.py": "def pick(order):\n    return order\n"})
    trace = 'Traceback (most recent call last):\n  File "pick.py", line 2, in pick\n    return order\n'
    prose = "Picking an order fails when the order was made by an importer that leaves its number out. " * 4
    with wayfind.open(root, home=tmp_path / "home", commits=0) as repository:
        repository.refresh(options=PLAIN)
        places = Places(repository.snapshot())
        assert max(places.mentioned(trace)[1].values()) == FRAMES_FIRST
        assert max(places.mentioned(prose + "\n" + trace)[1].values()) == 1


@pytest.mark.parametrize("line", ['  File ".", line 3, in f', '  File "/", line 3, in f', f'  File "a.py", line {"1" * 5000}, in f'])
def test_a_frame_that_can_be_nowhere_is_passed_over(tmp_path: Path, line: str) -> None:
    plant(tmp_path / "repo", {"a.py": "def f():\n    raise KeyError(1)\n"})
    with wayfind.open(tmp_path / "repo", home=tmp_path / "home") as repository:
        trace = f'Traceback (most recent call last):\n{line}\n  File "a.py", line 2, in f\nKeyError: 1'
        assert repository.search(trace).results[0].path == "a.py"


def test_each_place_that_a_diff_changes_is_found_however_many_there_are(tmp_path: Path) -> None:
    plant(tmp_path / "repo", {"lib/a.py": "".join(f"def part_{n}():\n    return {n}\n\n\n" for n in range(6)), "app/a.py": "x = 1\n"})
    diff = "--- a/lib/a.py\n+++ b/lib/a.py\n" + "".join(f"@@ -{n * 4 + 2},1 +{n * 4 + 2},1 @@\n-    return 0\n+    return {n}\n" for n in (1, 3))
    with wayfind.open(tmp_path / "repo", home=tmp_path / "home") as repository:
        assert {result.symbol for result in repository.search(diff, k=2).results} == {"part_1", "part_3"}


NAMED = {
    "python": ('  File "app/session.py", line 11, in close_session', ["close_session"]),
    "module": ('  File "app/session.py", line 11, in <module>', []),
    "pytest": ("app/session.py:11: in close_session", ["close_session"]),
    "pytest, long": ("app/session.py:11: ValueError", []),
    "javascript": ("    at Cart.pick [as take] (/srv/app/cart.js:2:15)", ["pick"]),
    "javascript, later": ("    at async pickAll (file:///srv/app/cart.js:2:15)", ["pickAll"]),
    "javascript, made": ("    at new Cart (/srv/app/cart.js:2:15)", ["Cart", "constructor"]),
    "javascript, nameless": ("    at Object.<anonymous> (/srv/app/cart.js:2:15)", []),
    "javascript, bare": ("    at /srv/app/cart.js:2:15", []),
    "firefox": ("Cart/this.pick@http://localhost/cart.js:2:15", ["pick"]),
    "firefox, nameless": ("pick/<@http://localhost/cart.js:2:15", []),
    "kotlin": ("\tat org.shop.Scope.close$default(Scope.kt:301)", ["org", "shop", "Scope", "close"]),
    "kotlin, lambda": ("\tat org.shop.Scope$close$1.invoke(Scope.kt:301)", []),
    "java": ("\tat app//org.shop.Scope$Inner.close(Scope.java:301)", ["org", "shop", "Scope", "Inner", "close"]),
    "java, lambda": ("\tat org.shop.Scope.lambda$close$0(Scope.java:301)", []),
    "java, made": ("\tat org.shop.Scope.<init>(Scope.java:301)", []),
    "go": ("app/db.(*Pool[...]).Pick(0xc000012345, {0x1, 0x5})\n\t/home/u/app/db/pick.go:2 +0x1d", ["app", "db", "Pool", "Pick"]),
    "go, indented": ("    app/db.Pick(...)\n    \t/home/u/app/db/pick.go:2", ["app", "db", "Pick"]),
    "go, started": ("created by app/db.Pick in goroutine 7\n\t/home/u/app/db/pick.go:2 +0x1d", ["app", "db", "Pick"]),
    "go, closure": ("app/db.Pick.func1()\n\t/home/u/app/db/pick.go:2 +0x1d", []),
    "rust": ("   3: <app::db::Pool<T> as app::Pick>::pick::h0123456789abcdef\n             at ./src/db.rs:2:13", ["app", "db", "Pool", "pick"]),
    "rust, closure": ("   3: app::db::pick::{{closure}}\n             at ./src/db.rs:2:13", []),
    "ruby": ("\tfrom lib/cart.rb:2:in `pick!'", ["pick!"]),
    "ruby 3.4": ("lib/cart.rb:2:in 'Shop::Cart#pick?': no (KeyError)", ["Shop", "Cart", "pick?"]),
    "ruby, rescue": ("lib/cart.rb:2:in 'rescue in Shop::Cart.pick'", ["Shop", "Cart", "pick"]),
    "ruby, block": ("lib/cart.rb:2:in 'block (2 levels) in Shop::Cart#pick'", []),
    "php": ("#0 /var/www/Runner.php(46): Shop\\Cart->pick(Object(Request))\n#1 /var/www/index.php(3): Shop\\Runner->run()", ["Shop", "Runner", "run"]),
    "php, error": ("PHP Fatal error:  Uncaught Exception in /var/www/Cart.php:60\nStack trace:\n#0 [internal function]: Shop\\Cart->pick(1)", ["Shop", "Cart", "pick"]),
    "php, closure": ("#0 /var/www/Runner.php(46): pick()\n#1 /var/www/index.php(3): Shop\\{closure}(1)", []),
    "csharp": ("   at Shop.Db.Session`1.Open[T](String name, Int32 n) in C:\\Shop\\Session.cs:line 2", ["Shop", "Db", "Session", "Open"]),
    "csharp, later": ("   at Shop.Pool.<Get>d__3.MoveNext() in /app/Pool.cs:line 2", ["Shop", "Pool", "Get"]),
    "csharp, lambda": ("   at Shop.Pool.<>c.<Get>b__3_0(String x) in /app/Pool.cs:line 2", []),
    "csharp, made": ("   at Shop.Pool..ctor() in /app/Pool.cs:line 2", []),
    "gdb": ("#1  0x00005555 in CLI::App::pick<int> (this=0x7ffe, f=0x1 (x)) at App_inl.hpp:1375", ["CLI", "App", "pick"]),
    "gdb, innermost": ("#0  (anonymous namespace)::pick (x=1) at src/pick.cc:12", ["pick"]),
    "gdb, operator": ("#0  App::operator() (this=0x7ffe) at src/pick.cc:12", []),
    "lldb": ("  * frame #0: 0x0000000100003f50 app`CLI::App::pick(this=0x7ffe, f=(1, 2)) at App.cpp:12:5 [opt]", ["CLI", "App", "pick"]),
    "lldb, swift": ("    frame #1: 0x0000000100003f50 app`Scope.close(now=true, self=0x1) at Scope.swift:12:5", ["Scope", "close"]),
    "swift": ("1 [ra] 0x0000000100003f50 Scope.close(now:) + 77 in app at /app/Sources/Scope.swift:12:5", ["Scope", "close"]),
    "swift, closure": ("2 0x0000000100003f50 closure #1 in Scope.close(now:) + 77 in app at /app/Sources/Scope.swift:12:5", []),
    "elixir": ("    (tesla 1.4.0) lib/tesla/client.ex:12: Tesla.Client.run/2", ["Tesla", "Client", "run"]),
    "elixir, script": ("    test/client_test.exs:12: Tesla.ClientTest.get!/1", ["Tesla", "ClientTest", "get!"]),
    "elixir, nameless": ("    (tesla 1.4.0) lib/tesla/client.ex:12: anonymous fn/1 in Tesla.Client.run/2", []),
    "perl": ("no door at lib/Shop/Cart.pm line 12.\n\tShop::Cart::pick(\"Shop::Cart\", 1) called at bin/shop.pl line 3", ["Shop", "Cart", "pick"]),
    "perl, outermost": ("\tShop::Cart::pick(1) called at bin/shop.pl line 3", []),
}


@pytest.mark.parametrize("form", NAMED)
def test_a_frame_names_its_function_where_that_has_a_name(form: str) -> None:
    text, expected = NAMED[form]
    assert [list(frame.name) for frame in frames(text)[0]][:1] == [expected]


def test_frames_of_elixir_itself_are_of_no_project_that_has_such_a_file(tmp_path: Path) -> None:
    modules = {"lib/shop/enum.ex": "Shop.Enum", "lib/shop/cart.ex": "Shop.Cart"}
    root = write(tmp_path / "tree", {path: f"defmodule {name} do\n  def map(door, key) do\n    door + key\n  end\nend\n" for path, name in modules.items()})
    trace = "** (ArithmeticError) bad argument\n    (elixir 1.14.0) lib/enum.ex:2: Enum.map/2\n    (shop 0.1.0) lib/shop/cart.ex:40: Shop.Cart.map/2\n"
    with wayfind.open(root, home=tmp_path / "home", commits=0) as repository:
        repository.refresh(options=PLAIN)
        assert repository.search(trace, refresh=False).results[0].symbol == "Shop.Cart.map"
    assert [frame.standard for frame in frames(trace)[0]] == [True, False]


def test_a_place_that_is_said_twice_has_the_name_that_is_said_once() -> None:
    text = "thread 'main' panicked at src/db.rs:2:34:\nno\nstack backtrace:\n   3: app::pick\n             at ./src/db.rs:2:34\n"
    assert [frame.name for frame in frames(text)[0]] == [("app", "pick")]


SESSION = '''def open_session(user):
    return user


def refresh_token(token):
    token += 1
    token += 2
    token += 3
    token += 4
    token += 5
    return token


def close_session(user):
    return user.gone


class Pool:
    def drain(self, user):
        return user


class Door:
    def drain(self, user):
        return user

    def lock(self, user):
        def turn(key):
            return key + user
        return turn(user)


def turn(key):
    return key
'''


@pytest.mark.parametrize(
    ("line", "name", "symbol"),
    [
        (11, "close_session", "close_session"),
        (6, "refresh_token", "refresh_token"),
        (900, "close_session", "close_session"),
        (11, "<lambda>", "refresh_token"),
        (11, "no_longer_there", "refresh_token"),
        (11, "drain", "Pool.drain"),
        (30, "drain", "Door.drain"),
        (29, "turn", "Door.lock"),
    ],
    ids=["elsewhere", "here", "beyond the end", "nameless", "gone", "nearest above", "nearest below", "inside"],
)
def test_the_function_that_a_frame_names_is_meant_where_the_line_is_that_of_another_version(tmp_path: Path, line: int, name: str, symbol: str) -> None:
    root = write(tmp_path / "tree", {"app/session.py": SESSION})
    with wayfind.open(root, home=tmp_path / "home", commits=0) as repository:
        repository.refresh(options=PLAIN)
        found = repository.search(f'Traceback (most recent call last):\n  File "app/session.py", line {line}, in {name}\nKeyError: 1', refresh=False)
        assert found.results[0].symbol == symbol


def test_of_functions_of_one_name_that_of_the_class_of_the_frame_is_meant(tmp_path: Path) -> None:
    bodies = "".join(f"class {owner} {{\n    fun close(n: Int): Int {{\n        return n\n    }}\n}}\n\n" for owner in ("Scope", "Door", "Gate"))
    root = write(tmp_path / "tree", {"src/shop/Scope.kt": f"package shop\n\n{bodies}"})
    with wayfind.open(root, home=tmp_path / "home", commits=0) as repository:
        repository.refresh(options=PLAIN)
        for owner in ("Scope", "Door", "Gate"):
            found = repository.search(f"java.lang.IllegalStateException: no\n\tat shop.{owner}.close(Scope.kt:12)", refresh=False)
            assert found.results[0].symbol == f"{owner}.close"
