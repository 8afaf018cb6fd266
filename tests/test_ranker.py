"""What the ranker is to do with each kind of query and each sign of nearness, on small real trees."""

from __future__ import annotations

import numpy as np
import pytest
from indexes import write

import wayfind
from wayfind.search.asked import Asked, asked
from wayfind.search.confidence import CERTAIN
from wayfind.search.query import parse
from wayfind.search.rank import PROFILES, WEIGHTS, profile, seats
from wayfind.search.searcher import EXAMPLE_PATH, TEST_PATH, is_test_path, libraries_for_tests


@pytest.fixture
def opened(tmp_path):
    """Opens a tree made of the given files; all are closed at the end."""
    held = []

    def open_tree(files):
        root = write(tmp_path / f"tree{len(held)}", files)
        held.append(wayfind.open(root, home=tmp_path / "home", commits=0))
        held[-1].refresh()
        return held[-1]

    yield open_tree
    for repository in held:
        repository.close()


def test_an_exact_word_of_a_name_beats_its_stem(opened):
    """`reserve` and `reservations` share a stem; asked for one of them, that one comes first, whichever it is."""
    body = "    held = [one for one in table if one]\n    return held\n"
    tree = opened({"hotel.py": f"def reserve(table):\n{body}\n\ndef reservations(table):\n{body}"})
    for word in ("reserve the table", "reservations of the table"):
        assert tree.search(word).results[0].symbol == word.split()[0]


ISSUE = """Cache grows without end

When a session is closed its entries stay in memory. The table is never emptied, so the worker is killed after a day.

```python
client = Client()
client.close()
```
"""


def test_of_a_long_text_each_sentence_is_read_and_code_between_fences_is_not():
    assert asked(ISSUE).texts == (
        "Cache grows without end", "When a session is closed its entries stay in memory.", "The table is never emptied, so the worker is killed after a day.",
    )  # fmt: skip


def test_a_question_is_read_as_it_stands_and_pasted_code_as_code():
    assert asked("where is the cache emptied?") == Asked(("where is the cache emptied?",))
    pasted = "def close(self):\n    self.table = {}\n    return None\n"
    assert asked(pasted) == Asked((pasted,), code=True)


def test_of_a_trace_the_frames_are_not_read():
    text = 'Traceback (most recent call last):\n  File "/app/cache.py", line 12, in close\n    self.table.clear()\nKeyError: the session was not in the table'
    assert all("cache.py" not in one for one in asked(text).texts) and any("not in the table" in one for one in asked(text).texts)


def test_in_a_long_text_a_name_of_one_of_its_many_words_is_no_sign(opened):
    """`day` is the whole name of a function, and one of forty words: in a question a sign, in an issue none."""
    tree = opened({"clock.py": "def day(now):\n    seconds = now % 86400\n    return seconds\n"})
    assert "symbol_exact" in tree.search("which day is it").results[0].signals
    best = tree.search(ISSUE).results[0]
    assert best.symbol == "day" and "symbol_exact" not in best.signals


def test_an_error_message_finds_the_line_that_raises_it(opened):
    tree = opened({
        "ports.py": "def listen(port):\n    if busy(port):\n        raise OSError('the port is already in use by another worker')\n",
        "use.py": "def already_in_use(port, worker):\n    another = worker\n    return another.port == port\n",
    })  # fmt: skip
    best = tree.search("OSError: the port is already in use by another worker").results[0]
    assert best.symbol == "listen"


def test_a_bare_name_finds_its_definition_before_its_users(opened):
    users = "\n\n".join(f"def use_{n}():\n    load_table('load_table')\n    return load_table()" for n in range(5))
    tree = opened({"a.py": users + "\n", "z.py": "def load_table(name=''):\n    return open(name)\n"})
    assert [r.path for r in tree.search("load_table").results][0] == "z.py"


def test_a_question_that_names_the_language_is_of_one_who_does_not_know_the_code(opened, monkeypatch):
    """Its words weigh less beside meaning; another language's name, or one of many meanings, says nothing."""
    tree = opened({"a.py": "def total(rows):\n    return sum(rows)\n", "b.py": "def mean(rows):\n    return total(rows) / len(rows)\n", "c.rs": "fn f() {}\n"})
    searcher = tree.searcher()
    monkeypatch.setattr(type(searcher), "meanings", object(), raising=False)
    assert searcher.main_language == "python"
    asked_as = {text: profile(searcher, parse(text)) for text in ("sum a list in python", "where is PythonList summed", "where is src/python/list.py summed", "sum a list in rust", "sum a list", "total", ISSUE)}
    assert asked_as == {"sum a list in python": "outside", "where is PythonList summed": "question", "where is src/python/list.py summed": "question", "sum a list in rust": "question", "sum a list": "question", "total": "", ISSUE: "long"}


def test_places_are_kept_for_what_is_nearest_by_meaning():
    order, scores = [4, 2, 0, 1, 3, 5, 6, 7, 8, 9], [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    near = np.zeros(12)
    near[[11, 4, 10, 3]] = 0.9, 0.8, 0.7, 0.6
    damped = np.full(12, 0.05)
    damped[order] = scores
    placed, values, seated = seats(order, scores, damped, near)
    assert placed == [4, 2, 0, 1, 3, 5, 6, 11, 7, 10] and seated == {11: 0.05, 10: 0.05}, "4 and 3 stand above already"
    assert values == sorted(values, reverse=True) and len(set(placed)) == 10
    assert seats(order[:9], scores[:9], damped, near)[0] == placed[:9], "the first places do not depend on how many follow"
    assert seats(order, scores, damped, np.zeros(12))[0] == order, "without meaning nothing moves"


def test_a_method_of_another_class_is_not_the_one_that_is_asked_for(opened):
    """It may be inherited, so it is found; but it is no certain answer."""
    tree = opened({"disk.py": "class Disk:\n    def mount(self, point):\n        return point\n", "use.py": "def start(disk):\n    return disk.mount('/')\n"})
    for query in ("Disk.mount", "disk.mount", "Disk::mount()", "Disk.Mount"):
        answer = tree.search(query)
        assert answer.results[0].symbol == "Disk.mount" and answer.confidence == CERTAIN
    assert "one definition has this name" in tree.search("Disk.mount").reason
    for query in ("Ghost.mount", "Ghost::Mount"):
        answer = tree.search(query)
        assert answer.results[0].symbol == "Disk.mount" and answer.confidence < CERTAIN
        assert "one definition" not in answer.reason


@pytest.mark.parametrize(("path", "text", "name"), [
    ("user.rb", "def valid_user?(user)\n  user.name\nend\n", "valid_user?"),
    ("scope.js", "function $watchGroup(list) {\n  return list;\n}\n", "$watchGroup"),
])
def test_a_name_with_a_sign_is_defined_as_others_are(opened, path, text, name):
    tree = opened({path: text})
    definition = [tree.search(query).results[0].signals["definition"] for query in (name, f"where is {name}")]
    assert definition == pytest.approx([WEIGHTS["definition"], 0.3 * (WEIGHTS | PROFILES["question"])["definition"]])


def test_signs_around_a_word_hide_nothing_of_what_a_question_asks_for(opened):
    tree = opened({"door.py": "def shut(door):\n    return door\n", "tests/test_door.py": "def test_shut():\n    assert shut(1)\n"})
    plain = tree.search("where are the tests").results[0]
    assert plain.path == "tests/test_door.py"
    for query in ("where are the tests?", "where are the `tests`", "where are the (tests)"):
        assert tree.search(query).results[0].score == plain.score


LOG = "\n".join(f"{n} pump {n % 7} reported a pressure of {n * 3} and a valve that was {'open' if n % 2 else 'shut'}" for n in range(400))


def test_windows_that_share_lines_are_one_result(opened):
    """Of each file the best come, none of which repeats a part of another; fewer than asked for only where there are no more."""
    tree = opened({"a.log": LOG, "b.log": LOG.replace("pump", "tank")})
    found = tree.search("pressure of the valve", k=12).results
    assert {result.kind for result in found} == {"window"} and len(found) == 12
    lines = [(result.path, line) for result in found for line in range(result.start_line, result.end_line + 1)]
    assert len(lines) == len(set(lines))


def test_what_is_related_to_a_window_shares_no_line_with_it(opened):
    log = "\n".join(f"{n} pump{n // 40} reported a pressure of {n * 3}" for n in range(400))
    found = opened({"a.log": log}).related("a.log", 200, k=12).results
    assert found and all(result.end_line < 200 or result.start_line > 200 for result in found)


def test_a_filter_of_text_shows_every_window_that_holds_it(opened):
    tree = opened({"a.log": LOG})
    for found in (tree.search('"200 pump 4"', k=12).results, tree.search("pressure", k=12, regex="^200 pump").results):
        assert len(found) == 2 and all(result.start_line <= 201 <= result.end_line for result in found)


@pytest.mark.parametrize("path", ["src/_pytest/config.py", "src/latest/api.ts", "packages/jest/src/contest/run.js", "src/attest.rs", "lib/protest.py"])
def test_a_word_that_ends_in_test_is_no_test(path: str) -> None:
    assert not TEST_PATH.search(path)


def test_a_go_package_called_mock_with_tests_of_its_own_is_what_they_test():
    """Of testify, mocks are what it is for; what a generator wrote into such a folder nobody tests."""
    paths = ["mock/mock.go", "mock/mock_test.go", "internal/mock/store.go", "testdata/mock/a.go", "testdata/mock/a_test.go", "web/mock/api.js", "web/mock/api.test.js", "mock.go", "mock_test.go"]
    assert [path for path in paths if not is_test_path(path, libraries_for_tests(paths))] == ["mock/mock.go", "mock.go"]


@pytest.mark.parametrize("path", ["app/src/androidTest/java/Door.kt", "core/src/test/java/DoorIT.java", "tests/door.py", "src/door_test.go", "src/door.spec.ts", "src/DoorTest.java"])
def test_source_sets_folders_and_names_of_tests_are_tests(path: str) -> None:
    assert TEST_PATH.search(path)


@pytest.mark.parametrize(
    "path",
    [
        "koin-test/src/jvmMain/kotlin/org/koin/test/verify/VerifyModule.kt",
        "spring-test/src/main/java/org/springframework/test/Cache.java",
        "detekt-test/src/main/kotlin/dev/detekt/test/Lint.kt",
        "tooling/src/main/kotlin/api/spec/ConfigSpec.kt",
        "core/src/main/scala-2/sttp/testing/Stub.scala",
        "lib/phoenix/test/conn_test.ex",
        "apps/shop/lib/shop/test/case.ex",
        "lib/devise/test/helpers.rb",
        "lib/statistics/f_test.rb",
        "lib/testing/pump.dart",
    ],
)
def test_below_the_root_of_what_is_shipped_a_folder_of_tests_is_code_to_test_with(path: str) -> None:
    assert not is_test_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "testsuite/src/main/java/io/netty/SocketEchoTest.java",
        "tests/app/src/main/java/app/Door.java",
        "src/test/resources/project/src/main/java/Door.java",
        "src/main/__tests__/window.ts",
        "src/main/test/window.spec.js",
        "test/phoenix/test/conn_test.exs",
        "test/support/lib/case.ex",
        "spec/dummy/lib/door.rb",
        "lib/test/door.js",
        "lib/foo/test/door.py",
    ],
)
def test_a_test_is_one_also_where_such_a_root_stands_below_it_or_is_none(path: str) -> None:
    assert is_test_path(path)


def test_a_package_of_python_that_others_test_with_is_no_test():
    """Of `test` where the tests lie elsewhere, since in most packages they lie there; `testing` holds them in a folder of its own."""
    django = ["django/__init__.py", "django/test/__init__.py", "django/test/client.py", "tests/test_client/tests/test_get.py", "tests/test_forms.py"]
    numpy = ["numpy/__init__.py", "numpy/testing/__init__.py", "numpy/testing/utils.py", "numpy/testing/tests/test_utils.py"]
    panels = ["panels/__init__.py", "panels/test/__init__.py", "panels/test/helpers.py", "panels/jobs/tests/test_jobs.py", "tests/test_all.py"]
    within = ["mypy/__init__.py", "mypy/testing/__init__.py", "mypy/testing/helpers.py", "mypy/testing/test_parse.py"]
    top = ["__init__.py", "test/__init__.py", "test/client.py", "lib/test_door.py"]
    loose = ["django/test/client.py", "django/__init__.py", "tests/test_client.py"]
    code = {path for paths in (django, numpy, panels, within, top, loose) for path in paths if not is_test_path(path, libraries_for_tests(paths))}
    packages = {"django/__init__.py", "numpy/__init__.py", "panels/__init__.py", "mypy/__init__.py", "__init__.py"}
    assert code - packages == {"django/test/__init__.py", "django/test/client.py", "numpy/testing/__init__.py", "numpy/testing/utils.py"}


@pytest.mark.parametrize("path", ["__performance_tests__/todo.mjs", "src/__mocks__/fs.js", "src/__fixtures__/a/b.js", "types/__typetests__/a.ts", "src/__tests_dts__/a.ts", "src/__snapshots__/a.snap", "src/__test__/a.js", "src/__testfixtures__/a.js"])
def test_folders_between_underscores_are_tests(path: str) -> None:
    assert TEST_PATH.search(path)


def test_folders_between_underscores_are_benchmarks_or_neither():
    assert EXAMPLE_PATH.search("packages/reactivity/__benchmarks__/ref.bench.ts")
    for path in ("pkg/__latest__/a.py", "src/__protest__/a.js", "pkg/__init__.py", "pkg/__main__.py"):
        assert not TEST_PATH.search(path) and not EXAMPLE_PATH.search(path)


PROXY = {
    "Cargo.toml": "[package.metadata.docs]\nrs = true\n",
    "src/proxy.rs": "/// A proxy.\npub struct Proxy;\n\npub fn intercept(url: &str) -> bool {\n    url.is_empty()\n}\n",
    "src/legacy/proxy_old.rs": 'pub fn fail(kind: u8) {\n    panic!("error sending request for it {}", kind);\n}\n',
    "src/request.rs": "/// Sending of a request; an error for what it is not.\npub fn sending_request_error_for_it() {}\n",
    ".github/codeql.yml": "paths:\n  - src\n",
    "README.md": "# Proxies\n\nSee src/proxy.rs for the proxy of a request.\n",
}


@pytest.mark.parametrize("query", ["src/proxy.rs", "proxy.rs", "./src/proxy.rs", "`src/proxy.rs`", "/home/me/it/src/proxy.rs", "src\\proxy.rs", ".github/codeql.yml"])
def test_a_path_that_is_all_of_a_query_finds_its_file(opened, query):
    """`rs` was taken for the name of a key, and a workflow to be nowhere, since data is taken down."""
    answer = opened(PROXY).search(query)
    assert (answer.results[0].path, answer.abstained, answer.confidence) == (".github/codeql.yml" if "codeql" in query else "src/proxy.rs", False, 0.99)
    assert "literal search" not in answer.reason


@pytest.mark.parametrize("query", ["src/proxy.rs:5", "src/proxy.rs:5:3", "src/proxy.rs#L5", "proxy.rs:5"])
def test_a_path_with_a_line_finds_what_stands_there(opened, query):
    answer = opened(PROXY).search(query)
    assert (answer.results[0].symbol, answer.reason) == ("intercept", "")


def test_a_path_that_is_not_there_is_said_not_to_be(opened):
    answer = opened(PROXY).search("src/nonexistent.rs")
    assert answer.reason == "no file here is called src/nonexistent.rs" and answer.confidence < 0.99


def test_a_message_that_stands_in_one_place_comes_first_wherever_that_is(opened):
    answer = opened(PROXY).search("error sending request for it")
    assert (answer.results[0].symbol, "proxy_old.rs:2" in answer.reason) == ("fail", True)


def test_a_message_of_common_words_is_found_among_many_that_hold_them(opened):
    other = "def send_{0}(request):\n    # sending: an error of request {0}, error of sending, request again\n    return request\n"
    files = {f"m{n}.py": other.format(n) for n in range(25)} | {"z.py": 'def describe(kind):\n    if kind == 3:\n        return "nothing at all was there to be described"\n    return "error sending request"\n'}
    assert opened(files).search("error sending request").results[0].symbol == "describe"


def test_words_that_stand_side_by_side_are_not_said_to_be_nowhere_together(opened):
    files = {"a.py": "def skip(reader):\n    # accepted in lenient mode alone\n    return reader.position\n", **{f"b{n}.py": f"def lenient{n}(x):\n    return x\n\n\ndef mode{n}(y):\n    return y\n" for n in range(20)}}
    answer = opened(files).search("lenient mode")
    assert not answer.abstained and "nowhere together" not in answer.reason
