"""Pairs on disk, and what makes one: lines read and written, questions and codes that are refused, what is taken out of code."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayfind.corpus.definitions import definitions
from wayfind.errors import NotFound, UsageError
from wayfind.train.augment import Augment, as_question, augmented
from wayfind.train.duplicates import Seen, code_only, shingles, signature
from wayfind.train.exclude import Excluded, read_excluded
from wayfind.train.pairs import Pair, from_line, manifest_of, read_lines, read_pairs, to_line, write_shard
from wayfind.train.quality import is_copied, is_english, problem
from wayfind.train.sources.declarations import declarations
from wayfind.train.sources.masking import masked, without_documentation
from wayfind.train.sources.tree import Definition
from wayfind.train.split import part_of, project, settled

TEXT = st.text(min_size=1).filter(str.strip)


@given(TEXT, TEXT, st.lists(st.text(), max_size=3), st.floats(0, 100))
def test_a_pair_comes_back_from_its_line(query, code, negatives, weight):
    pair = Pair(query, code, "python", "docstring", "a/b", "MIT", "x.py", "f", weight, "valid", tuple(negatives))
    line = to_line(pair)
    assert "\n" not in line
    assert from_line(line) == pair
    assert json.loads(line)["id"] == pair.id


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"query": "a b", "code": "c", "wieght": 2}', "did you mean `weight`"),
        ('{"query": "", "code": "c"}', "`query` must be a text"),
        ('{"query": "a"}', "`code` must be a text"),
        ('{"query": "a", "code": "c", "weight": -1}', "`weight` must be a number"),
        ('{"query": "a", "code": "c", "negatives": "x"}', "`negatives` must be a list"),
        ('{"query": "a", "code": "c", "kind": "docs"}', "`kind` is 'docs'"),
        ('{"query": "a", "code": "c", "language": 3}', "`language` must be a text"),
        ('{"query": "a", "code": "c", "symbol": 3}', "`symbol` must be a text"),
        ('{"query": "a", "code": "c", "symbol": ["f"]}', "`symbol` must be a text"),
        ('{"query": "a", "code": "c", "weight": 1' + "0" * 400 + "}", "`weight` must be a number"),
        ('{"query": "a", "code": "c", "weight": NaN}', "`weight` must be a number"),
        ('{"query": ' + "[" * 100_000, "too deeply"),
        ("[1]", "expected an object"),
        ("{", "not a line of JSON"),
    ],
)
def test_a_line_that_is_no_pair_is_refused_with_its_place(tmp_path, line, said):
    path = tmp_path / "own.jsonl"
    path.write_text('{"query": "fine", "code": "also"}\n' + line + "\n")
    with pytest.raises(UsageError, match="own.jsonl:2") as caught:
        list(read_lines(path))
    assert said in str(caught.value)


def test_equal_lines_make_equal_bytes_under_any_name(tmp_path):
    assert write_shard(tmp_path / "a.jsonl.gz", ["x", "é"]) == write_shard(tmp_path / "other.jsonl.gz", ["x", "é"])
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "other.jsonl.gz").read_bytes()
    assert (tmp_path / "a.jsonl.gz").read_bytes()[3:8] == b"\0" * 5  # neither name nor time


def test_damaged_files_of_pairs_are_named(tmp_path):
    whole = tmp_path / "whole.jsonl.gz"
    write_shard(whole, [to_line(Pair("how to pay", "def pay(): ..."))] * 500)
    (tmp_path / "cut.jsonl.gz").write_bytes(whole.read_bytes()[:60])
    (tmp_path / "plain.jsonl.gz").write_text("{}")
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff\xfe")
    (tmp_path / "later.jsonl").write_bytes((to_line(Pair("how to pay", "def pay(): ...")) + "\n").encode() * 700 + b'{"query": "caf\xe9"}\n')
    for name in ("cut.jsonl.gz", "plain.jsonl.gz", "bytes.jsonl:1", "later.jsonl:701"):
        with pytest.raises(UsageError, match=f"{name}: damaged"):
            list(read_lines(tmp_path / name.partition(":")[0]))
    for said in ("{", "[]", '{"shards": 3}', '{"shards": {"train/a": 3}}'):
        (tmp_path / "manifest.json").write_text(said)
        with pytest.raises(UsageError, match="manifest.json: "):
            manifest_of(tmp_path)


def test_a_mark_of_the_byte_order_before_the_lines_is_no_part_of_them(tmp_path):
    pair = Pair("how to pay", "def pay(): ...")
    for name, content in (("a.jsonl", to_line(pair).encode("utf-8-sig")), ("a.jsonl.gz", gzip.compress(to_line(pair).encode("utf-8-sig")))):
        (tmp_path / name).write_bytes(content)
        assert list(read_lines(tmp_path / name)) == [pair]


def test_a_shard_that_is_not_the_one_that_was_written_is_refused(tmp_path):
    """Cut to a tenth it was read, trained and exported."""
    shard, written = tmp_path / "train" / "pairs-00000.jsonl.gz", [to_line(Pair("how to pay", f"def pay(): {number}")) for number in range(50)]
    (tmp_path / "manifest.json").write_text(json.dumps({"shards": {"train/pairs-00000.jsonl.gz": {"pairs": 50, "sha256": write_shard(shard, written)}}}))
    assert len(list(read_pairs(tmp_path, "train"))) == 50
    write_shard(shard, written[:5])
    assert not list(read_pairs(tmp_path, "valid"))
    with pytest.raises(UsageError, match="pairs-00000.jsonl.gz: not the file that manifest.json names"):
        list(read_pairs(tmp_path, "train"))


def test_a_folder_without_a_manifest_says_what_to_run(tmp_path):
    with pytest.raises(NotFound, match="wayfind data build"):
        manifest_of(tmp_path)


CODE = "src/tax.py\nTax.compute\ndef compute(self, total):\n    rate = self.rates[total]\n    return total * rate\n"


@pytest.mark.parametrize(
    ("query", "kind", "reason"),
    [
        ("Work out what has to be paid on a sum", "docstring", None),
        ("the sum", "docstring", "question too short"),
        ("Getter for the rate of the country", "docstring", "question is boilerplate"),
        ("TODO work out what has to be paid", "comment", "question is boilerplate"),
        ("Gets or sets the rate of the tax", "docstring", "question is boilerplate"),
        ("This way to pay is now deprecated.", "docstring", "question is boilerplate"),
        ("Obsolete and replaced by another way to pay", "docstring", "question is boilerplate"),
        ("Copyright 2020 by the authors of this thing", "docstring", "question is a licence"),
        ("Berechnet die Steuer auf der Summe von allem", "docstring", "question is no English"),
        ("计算 一个 金额 所需要 缴纳的 税款 total", "docstring", "question is no English"),
        ("x = self.rates[total]; return total;", "comment", "question is no prose"),
        ("a rate self rates total return total", "docstring", "question stands in the code"),
    ],
)
def test_questions_are_judged(query, kind, reason):
    assert problem(query, CODE.replace("rate =", "a_rate ="), kind) == reason


def test_a_code_without_a_body_is_refused():
    assert problem("Work out what has to be paid", "src/tax.py\nf\ndef f(a): return a\n", "docstring") == "code too short"
    assert problem("Work out what has to be paid", "a.c\nx\n" + "0x12, 0x33, 0x45,\n" * 9, "docstring") == "code is data"


@given(st.lists(st.sampled_from("alpha beta gamma delta epsilon zeta eta theta".split()), min_size=4, max_size=12))
def test_a_question_that_stands_in_the_code_is_seen_however_it_is_spelt(words):
    assert is_copied(" ".join(words), f"x = {'_'.join(words)}(1)")
    assert is_copied(" ".join(words), "".join(word.title() for word in words))
    assert not is_copied(" ".join(words), " and ".join(words[:3]))


def test_small_words_of_other_languages_tell():
    assert is_english("Return the error of a log")
    assert not is_english("Retourne la liste des utilisateurs pour une page")


SAMPLES = {
    "python": 'def load(path):\n    """Read the settings of a file.\n\n    More of it.\n    """\n    with open(path) as file:\n        return parse(file)\n',
    "javascript": "/**\n * Read the settings of a file.\n * @param {string} path where\n */\nfunction load(path) {\n  const text = read(path);\n  return parse(text);\n}\n",
    "rust": "/// Read the settings of a file.\n/// More of it.\n#[inline]\npub fn load(path: &str) -> Text {\n    let text = read(path);\n    parse(text)\n}\n",
    "go": "// load reads the settings of a file.\nfunc load(path string) Text {\n\ttext := read(path)\n\treturn parse(text)\n}\n",
    "ruby": "# Read the settings of a file.\ndef load(path)\n  text = read(path)\n  parse(text)\nend\n",
    "java": "class A {\n  /** Read the settings of a file. */\n  Text load(String path) {\n    var text = read(path);\n    return parse(text);\n  }\n}\n",
    "haskell": "-- | Read the settings of a file.\nload :: Path -> IO Text\nload path = do\n  text <- readIt path\n  parse text\n",
    "elixir": 'defmodule A do\n  @doc """\n  Read the settings of a file.\n  """\n  def load(path) do\n    text = File.read(path)\n    parse(text)\n  end\nend\n',
    "lua": "--- Read the settings of a file.\nlocal function load(path)\n  local text = read(path)\n  return parse(text)\nend\n",
    "c": "/* Read the settings of a file. */\nint load(char *path)\n{\n    char *text = slurp(path);\n    return parse(text);\n}\n",
    "lean": "/-- Read the settings of a file. -/\ndef load (path : String) : Text :=\n  let text := slurp path\n  parse text\n",
    "tlaplus": "(* Read the settings of a file. *)\nload(path) ==\n  LET text == Slurp[path]\n  IN Parse[text]\n",
    "smtlib": "; Read the settings of a file.\n(define-fun load ((path Int)) Int\n  (let ((text (slurp path)))\n    (parse text)))\n",
    "r": "#' Read the settings of a file.\n#' @param path where\nload <- function(path) {\n  text <- slurp(path)\n  parse(text)\n}\n",
}


@pytest.mark.parametrize("language", SAMPLES)
def test_the_documentation_and_nothing_else_is_taken_out_of_the_code(language):
    text = SAMPLES[language]
    chunks = declarations(text, language) if language in ("lean", "tlaplus", "smtlib", "r") else definitions(text, language)[0]
    chunk = next(c for c in chunks if c.symbol and c.symbol.rpartition(".")[2] == "load")
    lines = without_documentation(Definition("x", language, chunk, tuple(text.split("\n")[chunk.start_line - 1 : chunk.end_line]), False))
    left = "\n".join(lines)
    assert "settings of a file" not in left and "More of it" not in left and "@param" not in left
    assert "load" in lines[0] + lines[1] and "parse" in left.lower()
    assert left.count("\n") >= 2


def test_an_assertion_of_smt_lib_counts_where_a_comment_says_what_it_says():
    text = "(declare-const x Int)\n; Nobody is in two rooms at once.\n(assert (forall ((p Int))\n  (= (room p) (room p))))\n(assert (> x 0))\n\n(assert (< x 9))\n(check-sat)\n"
    found = [(chunk.symbol, chunk.docstring, chunk.start_line, chunk.end_line) for chunk in declarations(text, "smtlib")]
    assert found == [("x", "", 1, 1), ("assert", "Nobody is in two rooms at once.", 2, 5)]


@given(st.from_regex(r"[a-z]{3,8}(_[a-z]{3,8}){1,3}", fullmatch=True))
def test_a_masked_name_is_nowhere_whatever_its_spelling(name):
    camel = name.split("_")[0] + "".join(part.title() for part in name.split("_")[1:])
    text = f"src/{name}.py\n{name}\ndef {name}(x):\n    return {camel}(x, self.{name.upper()}, {name}_inner)"
    left = masked(text, f"Class.{name}")
    assert name not in left.lower() and camel.lower() not in left.lower()


def test_a_declaration_ends_where_the_next_begins():
    text = "\\* Sums.\nAdd(a, b) == a + b\n\nTHEOREM Twice ==\n  ASSUME TRUE\n\n  PROVE  TRUE\n====\n"
    found = [(c.symbol, c.start_line, c.end_line, c.docstring) for c in declarations(text, "tlaplus")]
    assert found == [("Add", 1, 2, "Sums."), ("Twice", 4, 8, "")]
    assert not declarations("(* Add == 3 *)\n(* x\nSub == 3\n*)\n", "tlaplus")


def test_projects_are_on_one_side_whoever_owns_them():
    assert project("https://x.org/Fork/Flask.git") == project("pallets/flask") == "flask"
    parts = [part_of(f"owner/{number}", 0.2, 0.2) for number in range(2000)]
    assert all(abs(parts.count(part) / 2000 - share) < 0.04 for part, share in {"valid": 0.2, "test": 0.2, "train": 0.6}.items())
    assert all(part_of(f"other/{number}", 0.2, 0.2) == part for number, part in enumerate(parts))
    assert settled([("a/x", "train"), ("b/x", "test"), ("c/x", "valid")]) == {"x": "test"}


def test_a_list_of_excluded_projects_that_is_no_text_is_named(tmp_path):
    (tmp_path / "exclude.txt").write_bytes("café/flask\n".encode("latin-1"))
    with pytest.raises(UsageError, match="exclude.txt: no list of projects in UTF-8"):
        read_excluded(tmp_path / "exclude.txt")


def test_an_excluded_project_is_known_under_any_owner_and_in_vendored_folders(tmp_path):
    (tmp_path / "exclude.txt").write_text("# no pair from these\npallets/flask\nrequests  # a bare name\n")
    excluded = read_excluded(tmp_path / "exclude.txt")
    assert excluded.holds_origin("fork/Flask") and excluded.holds_origin("psf/requests") and not excluded.holds_origin("a/flasks")
    assert excluded.holds_path("src/pip/requests/api.py") and excluded.holds_path("lib/requests-2.31.0/api.py")
    assert not excluded.holds_path("src/requests.py")


@pytest.mark.parametrize("name", ["requests-2.31.0", "flask-3.0", "flask-master", "requests-main", "requests@2.31", "requests_v2", "python-requests", "python3-requests-2.31.0-rc1", "fmt-10.1.1", "Fork/django-3.2"])
def test_an_excluded_project_is_known_in_any_version(name):
    """Folders of several versions and a row of The Stack gave pairs."""
    excluded = Excluded(frozenset({"requests", "flask", "fmt", "django"}))
    assert excluded.holds_origin(name) and excluded.holds_path(f"vendor/{name}/a.py")
    other = Excluded(frozenset({"main", "master", "python", "quests", "3"}))
    assert not other.holds_origin(name) and not other.holds_path(f"vendor/{name}/a.py")


@pytest.mark.parametrize(("line", "name"), [
    ("https://github.com/acme/bolt", "bolt"), ("https://github.com/acme/bolt.git", "bolt"), ("git@github.com:acme/bolt.git", "bolt"), ("acme/bolt.js", "bolt.js"), ("bolt", "bolt"),
    ("https://github.com/acme/bolt/tree/main", None), ("acme/bolt/tree/main", None), ("acme, bolt", None), ("acme bolt", None), ("*/bolt", None),
])
def test_a_line_that_names_no_project_is_refused(tmp_path, line, name):
    """An address with a branch excluded every project called `main`."""
    (tmp_path / "exclude.txt").write_text(f"# a comment\n{line}\n")
    if name:
        assert read_excluded(tmp_path / "exclude.txt").names == {name}
    else:
        with pytest.raises(UsageError, match=r"exclude.txt:2: expected a name, owner/name or the address"):
            read_excluded(tmp_path / "exclude.txt")


@pytest.mark.parametrize("path", ["static/d3.js", "d3.v7.min.js", "js/d3-7.8.5.js", "js/chart.umd.min.js", "Chart.js"])
def test_a_script_that_is_called_like_an_excluded_project_may_be_a_copy_of_it(path):
    assert Excluded(frozenset({"d3", "chart.js"})).holds_path(path)
    assert not Excluded(frozenset({"d3", "chart.js"})).holds_path("js/d3-like-charts.js")


@given(st.lists(st.sampled_from([f"name{number}" for number in range(400)]), min_size=60, max_size=60, unique=True), st.integers(0, 60))
def test_the_estimated_similarity_is_near_the_true_one(tokens, kept):
    other = tokens[:kept] + [f"other{number}" for number in range(60 - kept)]
    a, b = set(shingles(" ".join(tokens))), set(shingles(" ".join(other)))
    true = len(a & b) / len(a | b)
    assert abs(signature(" ".join(tokens)).jaccard(signature(" ".join(other))) - true) < 0.3  # five standard errors


def test_a_copy_with_other_layout_comments_and_documentation_is_a_copy():
    body = "".join(f"    total_{n} = compute(values[{n}], rates)\n" for n in range(12))
    seen = Seen(0.8)
    seen.add(signature(code_only(f'def f(values, rates):\n    """Sum."""\n{body}')))
    assert seen.holds(signature(code_only(f"# One comment.\ndef f(values,rates):\n\n{body.replace('    ', '  ')}")))
    assert not seen.holds(signature(code_only("def g(a):\n" + "".join(f"    other_{n} = call(a[{n}], b)\n" for n in range(12)))))


def test_variants_take_the_place_of_the_pair():
    pair = Pair("Parses the header of a request.", "a/b.py\nparse_header\ndef parse_header(x):\n    return x\n", "python", "docstring", path="a/b.py", symbol="parse_header")
    assert augmented(pair, Augment(), 0) == pair
    assert augmented(pair, Augment(ask=1.0), 0).query == "how to parse the header of a request"
    assert "parse_header" not in augmented(pair, Augment(mask_name=1.0), 0).code
    assert augmented(pair, Augment(drop_path=1.0), 0).code.startswith("parse_header\n")
    assert as_question("The header of a request") == "The header of a request"
