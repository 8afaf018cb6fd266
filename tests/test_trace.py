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
