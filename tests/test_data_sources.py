"""Where pairs come from: a small real repository with its history, and data sets written in the layout in which they are published."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from types import SimpleNamespace

import histories
import pytest

from wayfind.errors import NotFound, UsageError
from wayfind.model.text import chunk_text
from wayfind.train.pairs import Pair
from wayfind.train.recipe import CodeSearchNet, JsonLines, Recipe, Split, TheStack
from wayfind.train.sources.codesearchnet import codesearchnet_pairs, held_out, held_out_languages
from wayfind.train.sources.commits import NOT_FUNCTION
from wayfind.train.sources.hub import streamed
from wayfind.train.sources.jsonl import jsonl_pairs
from wayfind.train.sources.repository import Limits, Repository, repository_pairs
from wayfind.train.sources.the_stack import the_stack_pairs
from wayfind.train.tasks import Task, pairs_of

SHOP = '''\
"""A shop."""

import tax


def total_price(items, country):
    """Add up what the items of a basket cost in a country.

    Raises LookupError.
    """
    # Goods that are given away must not be taxed at all.
    paid = [item for item in items if item.price]
    free = len(items) - len(paid)
    report(free)

    return sum(tax.add(item.price, country) for item in paid)


def apply_voucher_code(basket, code):
    voucher = find(code)
    if voucher.expired:
        raise ValueError(code)
    basket.total -= voucher.amount
    return basket


class Till:
    """Takes the money of customers and gives change."""

    drawer = 0
    currency = "EUR"
    closed = False

    def open(self, key):
        self.drawer = key
        self.log(key)
        self.count()
        return self.drawer
'''
TESTS = '''\
from shop import apply_voucher_code, total_price


def test_total_price_ignores_free_goods():
    assert total_price([], "DE") == 0


def test_expired_voucher_cannot_be_used_again():
    apply_voucher_code(None, "X")
'''
GUIDE = "# Shop\n\n## Vouchers\n\nWhoever holds a coupon gets a reduction through `apply_voucher_code`, once.\n"
CHANGES = "# Changes\n\n## 1.2.0\n\nThe function `apply_voucher_code` now raises when the voucher is too old to be used.\n"
LATER = SHOP.replace("    basket.total -= voucher.amount\n", "    basket.total = max(0, basket.total - voucher.amount)\n")
KINDS = ["docstring", "name", "comment", "section", "test", "commit"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    files = {"shop.py": SHOP, "tests/test_shop.py": TESTS, "docs/guide.md": GUIDE, "CHANGELOG.md": CHANGES, "vendor/flask/app.py": SHOP}
    return histories.make(
        tmp_path_factory.mktemp("trees") / "acme+shop",
        [
            ("Initial commit", files),
            ("fix(basket): A voucher never makes the basket negative (#12)", {"shop.py": LATER}),
            ("Bump version to 1.2.0", {"version.txt": "1.2.0\n"}),
            ("Rename the drawer of the till", {"shop.py": LATER.replace("self.drawer = key", "self.drawer = key  # renamed")}),
            ("Run black on everything", {"shop.py": LATER.replace("self.drawer = key", "self.drawer = (key)")}),
        ],
    )


@pytest.fixture(scope="module")
def pairs(shop) -> list[Pair]:
    return repository_pairs(Repository("acme/shop", shop, "MIT", weight=3.0), KINDS, Limits()).pairs


def of(pairs: list[Pair], kind: str) -> dict[str, Pair]:
    return {pair.query: pair for pair in pairs if pair.kind == kind}


def test_a_docstring_asks_for_the_function_without_it(pairs):
    pair = of(pairs, "docstring")["Add up what the items of a basket cost in a country."]
    lines = LATER.split("\n")
    assert pair.code == chunk_text("shop.py", "total_price", "\n".join(lines[5:6] + lines[10:16]))
    assert (pair.origin, pair.licence, pair.language, pair.symbol) == ("acme/shop", "MIT", "python", "total_price")


def test_weights_of_source_and_language_multiply_whatever_the_source(tmp_path, shop):
    """Weights of languages reached the pairs of repositories alone."""
    publish(tmp_path, "python", {"train": [row("python", "train")]})
    (tmp_path / "data" / "python").mkdir(parents=True)
    (tmp_path / "data" / "python" / "a.jsonl").write_text(json.dumps({"content": SHOP, "ext": "py", "max_stars_repo_path": "shop.py"}) + "\n")
    (tmp_path / "own.jsonl").write_text('{"query": "a b", "code": "c", "language": "lean", "weight": 0.5}\n{"query": "a b", "code": "d"}\n')
    sources = [Repository("acme/shop", shop, weight=3.0), CodeSearchNet(str(tmp_path), weight=3.0), TheStack(str(tmp_path), weight=3.0), JsonLines(str(tmp_path / "own.jsonl"), weight=3.0)]
    recipe = Recipe("all", sources, language_weights={"python": 2.0, "lean": 5.0})
    found = [{pair.weight for pair in pairs_of(Task(source, "one", "python"), recipe).pairs} for source in sources]
    assert found == [{6.0}, {6.0}, {6.0}, {7.5, 3.0}]


def test_a_name_asks_for_the_body_with_the_name_masked(pairs):
    code = of(pairs, "name")["apply voucher code"].code
    assert "apply_voucher_code" not in code and "voucher.expired" in code


def test_a_comment_asks_for_the_block_under_it(pairs):
    (pair,) = of(pairs, "comment").values()
    assert pair.query == "Goods that are given away must not be taxed at all."
    assert pair.code.split("\n")[2:] == ["paid = [item for item in items if item.price]", "free = len(items) - len(paid)", "report(free)"]


def test_a_section_asks_for_the_definition_that_it_names_and_a_changelog_does_not(pairs):
    (pair,) = of(pairs, "section").values()
    assert pair.query == "Whoever holds a coupon gets a reduction through apply_voucher_code, once."
    assert "apply_voucher_code" not in pair.code


def test_a_test_asks_for_what_it_tests(pairs):
    found = {query: pair.symbol for query, pair in of(pairs, "test").items()}
    assert found == {"total price ignores free goods": "total_price", "expired voucher cannot be used again": "apply_voucher_code"}


def test_a_commit_asks_for_the_functions_that_it_changed(pairs):
    found = of(pairs, "commit")
    assert list(found) == ["A voucher never makes the basket negative"]
    assert found["A voucher never makes the basket negative"].symbol == "apply_voucher_code"


def test_tests_and_vendored_files_are_asked_for_by_nothing(pairs):
    assert {pair.path for pair in pairs} == {"shop.py"}


def test_caps_hold_and_draw_the_same_every_time(shop):
    def drawn(seed: int) -> list[str]:
        return [p.id for p in repository_pairs(Repository("acme/shop", shop), KINDS, Limits(total=4, docstring=1), seed).pairs]

    assert drawn(1) == drawn(1) and len(drawn(1)) == 4
    assert {tuple(drawn(seed)) for seed in range(8)} != {tuple(drawn(1))}


def test_a_commit_of_many_functions_gives_no_pair(shop):
    limits = Limits(functions=0)
    assert not of(repository_pairs(Repository("acme/shop", shop), ["commit"], limits).pairs, "commit")


def test_a_folder_without_history_gives_the_other_kinds(tmp_path):
    (tmp_path / "shop.py").write_text(SHOP)
    assert {pair.kind for pair in repository_pairs(Repository("shop", tmp_path), KINDS, Limits()).pairs} == {"docstring", "name", "comment"}


CSHARP = '''\
class Till
{
    /// <summary>
    /// Opens the <see cref="Drawer"/> with a key
    /// </summary>
    /// <param name="key">The key to try</param>
    public int Open(int key)
    {
        drawer = key;
        return Count(drawer);
    }
}
'''


def test_what_a_c_sharp_comment_says_of_parameters_is_no_part_of_the_question(tmp_path):
    (tmp_path / "Till.cs").write_text(CSHARP)
    assert list(of(repository_pairs(Repository("shop", tmp_path), ["docstring"], Limits()).pairs, "docstring")) == ["Opens the Drawer with a key"]


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("TillDrawer in the shop is where money lies.", "TillDrawer in the shop is where money lies."),
        ("TillDrawer takes the money of customers.", "takes the money of customers."),
    ],
)
def test_a_name_in_front_is_taken_off_where_it_is_the_subject(tmp_path, said, asked):
    (tmp_path / "till.go").write_text(f"package shop\n\n// {said}\nfunc TillDrawer(key int) int {{\n\tdrawer := key\n\treturn count(drawer)\n}}\n")
    assert list(of(repository_pairs(Repository("shop", tmp_path), ["docstring"], Limits()).pairs, "docstring")) == [asked]


@pytest.mark.parametrize("subject", ["Add test for multiple vouchers", "Fixing the flaky tests of the till", "More unit tests", "add missing test cases"])
def test_a_subject_about_tests_tells_nothing_of_a_function(subject):
    assert NOT_FUNCTION.search(subject)
    assert not NOT_FUNCTION.search("Test whether a voucher has expired before it is used")


def test_a_file_that_a_tool_wrote_gives_no_pairs(tmp_path):
    (tmp_path / "shop.py").write_text("# This module was generated from shop.xml, do not edit.\n" + SHOP)
    assert not repository_pairs(Repository("shop", tmp_path), KINDS, Limits()).pairs


ROWS = {
    "python": ("Desk.lend", 'def lend(self, book):\n    """Lend a book to a reader for two weeks.\n\n    :param book: it\n    """\n    self.out.add(book)\n    self.write(book)\n    return book'),
    "java": ("Desk.lend", "public Book lend(Book book) {\n    out.add(book);\n    write(book);\n    return book;\n  }"),
    "php": ("Desk.lend", "public function lend($book)\n    {\n        $this->out[] = $book;\n        $this->write($book);\n        return $book;\n    }"),
    "go": ("lend", "func lend(book Book) Book {\n\tout.add(book)\n\twrite(book)\n\treturn book\n}"),
    "javascript": ("lend", "function lend(book) {\n  out.add(book);\n  write(book);\n  return book;\n}"),
    "ruby": ("Desk.lend", "def lend(book)\n  @out << book\n  write(book)\n  book\nend"),
}


def row(language: str, part: str, number: int = 0) -> dict:
    """A row with the keys of the published files."""
    name, code = ROWS[language]
    code = code.replace("lend", f"lend{number}") if number else code
    return {
        "repo": f"acme/desk{number}", "path": "src/desk.x", "func_name": f"{name}{number or ''}", "original_string": code, "language": language, "code": code,
        "code_tokens": [], "docstring": "Lend a book to a reader for two weeks.\n\n@param book it", "docstring_tokens": [], "sha": "0", "url": "", "partition": part,
    }


def publish(folder: Path, language: str, rows: dict[str, list[dict]]) -> None:
    """Write rows of each part as they are published."""
    for part, found in rows.items():
        place = folder / language / "final" / "jsonl" / part
        place.mkdir(parents=True)
        with gzip.open(place / f"{language}_{part}_0.jsonl.gz", "wt") as file:
            file.writelines(json.dumps(one) + "\n" for one in found)


@pytest.mark.parametrize("language", ROWS)
def test_codesearchnet_in_each_language_without_its_test_part(tmp_path, language):
    publish(tmp_path, language, {"train": [row(language, "train"), row(language, "test", 7)], "valid": [row(language, "valid", 2)], "test": [row(language, "test", 3)]})
    found = codesearchnet_pairs(str(tmp_path), language, 0, 1.0, 0)
    assert [(p.origin, p.part, p.query) for p in found.pairs] == [
        ("acme/desk0", "train", "Lend a book to a reader for two weeks."), ("acme/desk2", "valid", "Lend a book to a reader for two weeks."),
    ]
    code = found.pairs[0].code
    assert code.startswith(f"src/desk.x\n{ROWS[language][0]}\n") and "two weeks" not in code and "write(" in code and "class Row" not in code
    assert found.dropped == {"docstring: test part": 1}


def test_codesearchnet_s_documentation_does_not_begin_with_the_name_that_is_asked_for(tmp_path):
    """In Go it always does, so the first word of the question stood in the code."""
    said = row("go", "train") | {"docstring": "lend gives a book to a reader for two weeks."}
    publish(tmp_path, "go", {"train": [said]})
    (pair,) = codesearchnet_pairs(str(tmp_path), "go", 0, 1.0, 0).pairs
    assert pair.query == "gives a book to a reader for two weeks."


def test_codesearchnet_is_capped_by_the_same_draw(tmp_path):
    publish(tmp_path, "go", {"train": [row("go", "train", number) for number in range(1, 30)]})
    found = [p.id for p in codesearchnet_pairs(str(tmp_path), "go", 5, 1.0, 0).pairs]
    assert len(found) == 5 and found == [p.id for p in codesearchnet_pairs(str(tmp_path), "go", 5, 1.0, 0).pairs]


def test_codesearchnet_in_a_folder_as_the_hub_keeps_it_is_read_as_from_the_hub(tmp_path, monkeypatch):
    """Such a folder was refused for want of the published files."""
    for part in ("train", "validation", "test"):
        (tmp_path / "python").mkdir(exist_ok=True)
        (tmp_path / "python" / f"{part}-00000-of-00001.parquet").write_bytes(b"")
    numbers = {"train": 1, "validation": 2, "test": 3}
    monkeypatch.setattr("wayfind.train.sources.codesearchnet.streamed", lambda name, language, part: [row(language, part, numbers[part])] if name == str(tmp_path) else [])
    found = codesearchnet_pairs(str(tmp_path), "python", 0, 1.0, 0).pairs
    assert [(pair.origin, pair.part) for pair in found] == [("acme/desk1", "train"), ("acme/desk2", "valid")]
    assert held_out_languages(tmp_path) == ["python"]
    assert [pair.code for pair in held_out(tmp_path, "python").pairs] == [row("python", "test", 3)["code"]]


def test_codesearchnet_says_what_it_expected(tmp_path):
    with pytest.raises(NotFound, match="ruby_train_0.jsonl.gz"):
        codesearchnet_pairs(str(tmp_path), "ruby", 0, 1.0, 0)


def test_codesearchnet_reads_the_keys_of_the_hub(tmp_path, monkeypatch):
    one = row("python", "train")
    hub = {
        "repository_name": one["repo"], "func_path_in_repository": one["path"], "func_name": one["func_name"], "whole_func_string": one["code"],
        "language": "python", "func_code_string": one["code"], "func_documentation_string": one["docstring"], "split_name": "train",
    }
    monkeypatch.setattr("wayfind.train.sources.codesearchnet.streamed", lambda name, language, part: iter([hub] if part == "train" else []))
    (pair,) = codesearchnet_pairs("code-search-net/code_search_net", "python", 0, 1.0, 0).pairs
    assert pair.origin == "acme/desk0" and "two weeks" not in pair.code


STACK = {"content": SHOP, "ext": "py", "lang": "Python", "max_stars_repo_name": "acme/shop", "max_stars_repo_path": "src/shop.py", "max_stars_repo_licenses": ["MIT"]}


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_the_stack_is_cut_by_our_own_extraction(tmp_path, kind):
    place = tmp_path / "data" / "python"
    place.mkdir(parents=True)
    if kind == "parquet":
        arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        parquet.write_table(arrow.Table.from_pylist([STACK]), place / "data-00000-of-00001.parquet")
    else:
        (place / "data.jsonl").write_text(json.dumps(STACK) + "\n")
    found = the_stack_pairs(str(tmp_path), "python", 50_000, 1.0)
    assert {(p.origin, p.licence, p.path, p.symbol) for p in found.pairs} == {("acme/shop", "MIT", "src/shop.py", name) for name in ("total_price", "Till")}
    assert "what the items of a basket cost" not in found.pairs[0].code


def shop_of(number: int) -> dict:
    return STACK | {"max_stars_repo_name": f"acme/shop{number}"}


def origins(found) -> list[str]:
    return sorted({pair.origin for pair in found.pairs})


def test_a_broken_file_of_the_stack_is_named_and_the_others_are_read(tmp_path):
    """One bad line lost the whole language."""
    place = tmp_path / "data" / "python"
    place.mkdir(parents=True)
    (place / "a.jsonl").write_text(json.dumps(shop_of(1)) + "\n{broken\n" + json.dumps(shop_of(2)) + "\n")
    whole = gzip.compress((json.dumps(shop_of(3)) + "\n").encode() * 5)
    (place / "b.jsonl.gz").write_bytes(whole[:-12])
    (place / "c.jsonl").write_text(json.dumps(shop_of(4)) + "\n")
    (place / "d.parquet").write_bytes(b"no parquet")
    found = the_stack_pairs(str(tmp_path), "python", 50_000, 1.0)
    assert {"acme/shop1", "acme/shop4"} <= set(origins(found)) and "acme/shop2" not in origins(found)
    assert [name for name in ("a.jsonl:2", "b.jsonl.gz", "d.parquet") if not any(name in said for said in found.broken)] == [] and len(found.broken) == 3
    assert found.problem.startswith("3 not read to the end: ")


def test_a_parquet_that_is_damaged_inside_or_without_code_is_named(tmp_path):
    arrow, writer = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    place = tmp_path / "data" / "python"
    place.mkdir(parents=True)
    writer.write_table(arrow.Table.from_pylist([shop_of(number) for number in range(500)]), place / "a.parquet")
    content = bytearray((place / "a.parquet").read_bytes())
    content[40:400] = bytes(360)
    (place / "a.parquet").write_bytes(content)
    writer.write_table(arrow.Table.from_pylist([{"text": "def f(): ...", "ext": "py"}]), place / "b.parquet")
    writer.write_table(arrow.Table.from_pylist([shop_of(7)]), place / "c.parquet")
    found = the_stack_pairs(str(tmp_path), "python", 50_000, 1.0)
    assert origins(found) == ["acme/shop7"] and "a.parquet: damaged" in found.broken[0] and "b.parquet: no column `content`" in found.broken[1]


def test_what_a_stream_gave_until_it_broke_is_kept(monkeypatch):
    """All of it was dropped."""
    def load(name, split, streaming, **given):
        yield from map(shop_of, range(3))
        raise ConnectionError("no route")

    monkeypatch.setitem(__import__("sys").modules, "datasets", SimpleNamespace(load_dataset=load))
    found = the_stack_pairs("bigcode/the-stack-dedup", "python", 50_000, 1.0)
    assert origins(found) == ["acme/shop0", "acme/shop1", "acme/shop2"]
    assert found.problem == "not read to its end: bigcode/the-stack-dedup: the stream of data/python broke after 3 rows: ConnectionError: no route"


def test_a_broken_file_of_codesearchnet_is_named_and_the_others_are_read(tmp_path):
    publish(tmp_path, "python", {"train": [row("python", "train")], "valid": [row("python", "valid", 2)], "test": [row("python", "test", 3)]})
    for part in ("train", "test"):
        path = tmp_path / "python" / "final" / "jsonl" / part / f"python_{part}_0.jsonl.gz"
        path.write_bytes(path.read_bytes()[:-9])
    found = codesearchnet_pairs(str(tmp_path), "python", 0, 1.0, 0)
    assert "acme/desk2" in origins(found) and len(found.broken) == 1 and "python_train_0.jsonl.gz: damaged" in found.problem
    with pytest.raises(UsageError, match="python_test_0.jsonl.gz: damaged"):
        held_out(tmp_path, "python")


@pytest.mark.parametrize(("language", "folder"), [("fsharp", "f-sharp"), ("protobuf", "protocol-buffer"), ("csharp", "c-sharp"), ("python", "python")])
def test_a_language_of_the_stack_lies_where_the_set_has_it(monkeypatch, language, folder):
    asked = []
    monkeypatch.setattr("wayfind.train.sources.the_stack.streamed", lambda name, configuration, part, data_dir: asked.append(data_dir) or [])
    the_stack_pairs("bigcode/the-stack-dedup", language, 10, 1.0)
    assert asked == [f"data/{folder}"]


def test_the_stack_ends_at_its_cap_without_reading_on(tmp_path, monkeypatch):
    read = []

    def rows(name, configuration, part, data_dir):
        for number in range(1000):
            read.append(number)
            yield STACK | {"max_stars_repo_name": f"acme/shop{number}"}

    monkeypatch.setattr("wayfind.train.sources.the_stack.streamed", rows)
    assert len(the_stack_pairs("bigcode/the-stack-dedup", "python", 10, 1.0).pairs) == 10
    assert len(read) == 5


def test_a_name_on_the_hub_without_the_library_names_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(UsageError, match=r"pip install 'wayfind\[hub\]'"):
        next(iter(streamed("code-search-net/code_search_net", "python", "train")))


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """The library that reads the hub, with no way to it and a cache of its own."""
    for name, value in {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub-cache")}.items():
        monkeypatch.setenv(name, value)
    return pytest.importorskip("datasets", reason="`datasets` is of the extra [hub]: with pandas and the hub's client it weighs over 100 MB more, too much for [test]")


def parquet(rows: list[dict], file: Path) -> None:
    arrow, writer = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    file.parent.mkdir(parents=True, exist_ok=True)
    writer.write_table(arrow.Table.from_pylist(rows), file)


def test_the_stack_as_the_hub_keeps_it_is_streamed_by_the_library(offline, tmp_path, monkeypatch):
    """Files of one language below data/LANGUAGE, and no configuration."""
    place = tmp_path / "the-stack-dedup"
    parquet([STACK, STACK | {"max_stars_repo_name": "acme/other"}], place / "data" / "python" / "train-00000-of-00002.parquet")
    parquet([STACK | {"max_stars_repo_name": "acme/third"}], place / "data" / "python" / "train-00001-of-00002.parquet")
    parquet([STACK | {"max_stars_repo_name": "acme/not-asked"}], place / "data" / "go" / "train-00000-of-00001.parquet")
    rows = list(streamed(str(place), None, "train", "data/python"))
    assert [row["max_stars_repo_name"] for row in rows] == ["acme/shop", "acme/other", "acme/third"] and rows[0]["content"] == SHOP


def test_codesearchnet_as_the_hub_keeps_it_is_streamed_by_the_library(offline, tmp_path):
    """A configuration a language, named in the data set's README."""
    place = tmp_path / "code_search_net"
    for language in ("go", "python"):
        for part in ("train", "validation", "test"):
            parquet([{"repository_name": f"acme/{language}", "split_name": part}], place / language / f"{part}-00000-of-00001.parquet")
    listed = "".join(
        f"- config_name: {language}\n  data_files:\n" + "".join(f"  - split: {part}\n    path: {language}/{part}-*\n" for part in ("train", "validation", "test"))
        for language in ("go", "python")
    )
    (place / "README.md").write_text(f"---\nconfigs:\n{listed}---\n")
    assert list(streamed(str(place), "python", "validation")) == [{"repository_name": "acme/python", "split_name": "validation"}]
    with pytest.raises(NotFound, match="as a data set it cannot be had"):
        list(streamed(str(place), "cobol", "train"))


def test_own_pairs_keep_what_they_say_and_are_given_what_they_lack(tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_text('{"query": "q", "code": "c", "weight": 2, "negatives": ["n"]}\n{"query": "q", "code": "d", "origin": "mine/too", "licence": "MIT"}\n')
    one, two = jsonl_pairs(JsonLines(str(path), licence="Apache-2.0", weight=3.0), Split(), 0).pairs
    assert (one.origin, one.licence, one.weight, one.negatives) == ("", "Apache-2.0", 6.0, ("n",))
    assert (two.origin, two.licence, two.weight) == ("mine/too", "MIT", 3.0)


def test_many_marks_on_one_line_do_not_stop_a_reading(tmp_path):
    """A pattern tried every way to divide such a line: a build stood still at a repository of Groovy code."""
    (tmp_path / "Main.groovy").write_text("@a " * 60 + "\n")
    assert not repository_pairs(Repository("marks", tmp_path), KINDS, Limits()).pairs
