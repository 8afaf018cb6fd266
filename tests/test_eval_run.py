"""An evaluation from end to end on real trees: systems, sanity of the figures, the report. A perfect and a random system must show."""

from __future__ import annotations

import builtins
import json
import math
import random
import sys
from types import SimpleNamespace

import histories
import pytest
from conftest import command

import wayfind
from wayfind.errors import NotFound, UsageError
from wayfind.evaluate import baselines, report
from wayfind.evaluate.adapters import read_hits
from wayfind.evaluate.baselines import Pool, keywords, system
from wayfind.evaluate.queries import Hit, part_of
from wayfind.evaluate.referee import write_results
from wayfind.evaluate.run import _in_tests, _without, evaluate
from wayfind.files import replace_file
from wayfind.model.bundle import TUNED, TUNED_RECORD
from wayfind.search.latents import RECORD, Record, as_json, folder_of, read_record

ENDS = {
    "open": "before sunrise", "close": "after dinner", "merge": "into their neighbours", "split": "at its weakest joint", "count": "twice a year",
    "rotate": "clockwise", "shrink": "until nothing remains", "label": "by colour",
}
VERBS = tuple(ENDS)
NOUNS = ("window", "ledger", "socket", "forest", "wallet")


def function(verb, noun):
    return (
        f'def {verb}_{noun}(value):\n    """{verb.title()} every {noun} {ENDS[verb]}."""\n'
        f"    found = [{noun} for {noun} in value if {noun}]\n    return {verb}(found)\n"
    )


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("run") / "tree"
    (root / "tests").mkdir(parents=True)
    for noun in NOUNS:
        (root / f"{noun}.py").write_text("\n\n".join(function(verb, noun) for verb in VERBS))
    tests = [f"def test_{verb}_ledger_with_nothing_left():\n    assert {verb}_ledger([]) is None\n" for verb in VERBS]
    (root / "tests/test_ledger.py").write_text("\n\n".join(tests))
    return root


@pytest.fixture(scope="module")
def made(tree, tmp_path_factory):
    return evaluate(tree, home=tmp_path_factory.mktemp("home"))


def means(made, kind="docstring", part="all"):
    return {(f.system, f.metric): f.interval.mean for f in report.figures(made) if (f.kind, f.slice) == (kind, part) and f.minus is None}


def pool_of(tree, home):
    repo = wayfind.open(tree, home=home)
    repo.refresh()
    return Pool(repo, tree, tuple(sorted(repo.chunks(), key=lambda c: (c.path, c.start_line, c.end_line))))


def test_a_repository_without_a_query_file_is_measured(made):
    by_kind = {s.kind: s for s in made.sets}
    assert list(by_kind) == ["docstring", "commit", "test"]
    assert len(by_kind["docstring"].queries) == 15, "at most 3 a file"
    assert by_kind["commit"].note == "no queries: not a git repository"
    assert {q.gold[0].path for q in by_kind["test"].queries} == {"ledger.py"}
    found = means(made)
    assert found["wayfind", "MRR@10"] > 0.5 > found["random", "MRR@10"]
    assert found["ripgrep", "recall@10"] > found["random", "recall@10"]


def test_a_perfect_system_gets_one_and_a_silent_one_zero(tree, tmp_path):
    script = tmp_path / "perfect.py"
    script.write_text(
        "import json, sys\nverb, every, noun, *_ = sys.argv[1].lower().split()\n"
        "print(json.dumps({'path': noun + '.py', 'symbol': verb + '_' + noun}))\n"
    )
    perfect, silent = f"command:{sys.executable} {script} {{query}}", f"command:{sys.executable} -c pass {{query}}"
    found = means(evaluate(tree, kinds=("docstring",), systems=(perfect, silent), home=tmp_path / "home"))
    assert [found[perfect, m] for m in ("MRR@10", "nDCG@10", "recall@10", "P@3")] == [1, 1, 1, pytest.approx(1 / 3)]
    assert {found[silent, m] for m in ("MRR@10", "nDCG@10", "recall@10", "P@3")} == {0}


def test_a_random_system_gets_what_chance_gives(tree, tmp_path):
    pool = pool_of(tree, tmp_path)
    search, chunks = system("random", pool), pool.chunks
    found = [any(h.symbol == c.symbol and h.path == c.path for h in search(f"query {n}", 10)) for n in range(60) for c in chunks[:10]]
    expected = 10 / len(chunks)
    assert abs(sum(found) / len(found) - expected) < 4 * math.sqrt(expected * (1 - expected) / 60)
    assert search("query 1", 10) == search("query 1", 10) != search("query 2", 10)
    assert len(set(search("query 1", 10))) == 10


def test_the_same_seed_gives_the_same_report_and_another_one_other_queries(tree, made, tmp_path):
    again = evaluate(tree, home=tmp_path)
    assert report.as_json(again) == report.as_json(made) and report.table(again) == report.table(made)
    other = evaluate(tree, kinds=("docstring",), systems=("random",), seed=1, home=tmp_path)
    assert {q.id for q in other.sets[0].queries} != {q.id for q in made.sets[0].queries}


def test_parts_share_no_query(tree, tmp_path):
    asked = [
        {q.id for s in evaluate(tree, kinds=("docstring", "test"), systems=("random",), parts=(p,), home=tmp_path).sets for q in s.queries}
        for p in ("train", "gate", "report")
    ]
    assert all(asked) and not (asked[0] & asked[1] | asked[1] & asked[2] | asked[0] & asked[2])


def test_test_code_is_taken_out_of_the_rankings_of_test_queries(tree, made, tmp_path):
    answered = next(s for s in made.sets if s.kind == "test").answered
    assert not any(hit.path.startswith("tests/") for a in answered for hit in a.hits)
    pool = pool_of(tree, tmp_path)
    assert any(h.path.startswith("tests/") for h in system("bm25", pool)("merge ledger with nothing left", 10)), "or this proves nothing"


def test_taking_tests_out_asks_for_more_until_k_are_left():
    chunks = [SimpleNamespace(path=f"t{n}.py", start_line=1, end_line=9, is_test=True, kind="function") for n in range(25)]
    ranked = [Hit(c.path, 1, 9) for c in chunks] + [Hit("a.py", 1, 2), Hit("b.py", 3, 4), Hit("c.py")]
    search = _without(lambda text, k: ranked[:k], _in_tests(SimpleNamespace(chunks=chunks)))
    assert [h.path for h in search("q", 2)] == ["a.py", "b.py"]
    assert [h.path for h in search("q", 3)] == ["a.py", "b.py", "c.py"]


def test_a_system_that_prints_lines_alone_can_be_right(tree, tmp_path, monkeypatch):
    """`command:` systems know no symbols."""
    monkeypatch.setitem(baselines._MADE, "wayfind", lambda pool: lambda text, k: [])
    report = evaluate(tree, kinds=("docstring", "test"), systems=("wayfind",), home=tmp_path / "home")
    for gold in (gold for one in report.sets for asked in one.queries for gold in asked.gold):
        assert Hit(gold.path, gold.start_line, gold.start_line).covers(gold) and Hit(gold.path, gold.end_line, gold.end_line).covers(gold)
        assert not Hit(gold.path, gold.end_line + 1, gold.end_line + 1).covers(gold) and not Hit(gold.path, gold.start_line, gold.end_line, "another").covers(gold)


def test_the_repository_is_not_written_to(tmp_path):
    root = histories.make(tmp_path / "tree", [("Begin", {"a.py": function("open", "window")})])
    before = {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
    evaluate(root, home=tmp_path / "home")
    assert {p: p.read_bytes() for p in root.rglob("*") if p.is_file()} == before


def test_commits_are_asked_as_of_the_cutoff(tmp_path):
    texts = {noun: "\n\n".join(function(verb, noun) for verb in VERBS) for noun in NOUNS}
    history = [("Begin with the nouns", {f"{noun}.py": text for noun, text in texts.items()})]
    for n in range(79):
        verb, noun = VERBS[n % 8], NOUNS[n % 5]
        texts[noun] = texts[noun].replace(f"return {verb}(found", f"return {verb}(found, {n}", 1)
        history.append((f"{verb.title()} the {noun} with round {n}", {f"{noun}.py": texts[noun]}))
    made = evaluate(histories.make(tmp_path / "tree", history), kinds=("commit",), systems=("wayfind", "bm25"), home=tmp_path / "home")
    assert len(made.sets[0].queries) == 16 and "as of commit" in made.sets[0].note
    assert means(made, "commit")["wayfind", "recall@10"] > 0.5


# systems


def test_copies_are_searched_by_the_models_that_were_made_for_the_repository(tree, tmp_path, monkeypatch):
    with wayfind.open(tree, home=tmp_path / "home") as repo:
        repo.refresh()
        replace_file(repo.tree.folder / TUNED / TUNED_RECORD, b'{"bundle": "gone", "base": "another"}')
        replace_file(folder_of(repo.tree.folder) / RECORD, as_json(Record("bundle", "id")).encode())
    seen = []

    def spy(pool):
        seen.append((pool.root, (pool.repo.tree.folder / TUNED / TUNED_RECORD).is_file(), read_record(pool.repo.tree.folder) is not None))
        return lambda text, k: []

    monkeypatch.setitem(baselines._MADE, "wayfind", spy)
    evaluate(tree, kinds=("docstring", "test"), systems=("wayfind",), home=tmp_path / "home")
    assert len(seen) == 2 and seen[0][0] != seen[1][0] and all(one[1:] == (True, True) for one in seen)


def test_of_a_repository_with_a_tuned_encoder_only_files_are_asked_for_that_it_did_not_learn_from(tree, tmp_path, monkeypatch):
    monkeypatch.setattr("wayfind.evaluate.run.tuned_of", lambda folder, base: base)
    monkeypatch.setattr("wayfind.evaluate.run.current", lambda: SimpleNamespace(parts={}, encoder_id=""))
    report = evaluate(tree, kinds=("docstring",), systems=("random",), home=tmp_path / "home")
    assert {part_of(one) for one in report.sets[0].queries} == {"report"} and "has learned" in report.sets[0].note


def test_ripgrep_ranks_by_distinct_keywords_then_by_lines(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/a.py").write_text("def many():\n    alpha = 1\n    alpha += 1\n    alpha += 1\n    return alpha\n")
    (tmp_path / "tree/b.py").write_text("def both():\n    alpha = 1\n    return BETA + alpha\n")
    (tmp_path / "tree/c.py").write_text("def none():\n    return 1\n")
    search = system("ripgrep", pool_of(tmp_path / "tree", tmp_path / "home"))
    assert [(h.symbol, h.score) for h in search("what is the alpha of beta", 10)] == [("both", 2), ("many", 1)]
    assert search("what is the", 10) == []


def test_the_scan_finds_the_lines_that_the_obvious_loop_finds(tmp_path):
    rng = random.Random(0)
    texts = {f"{n}.txt": "\n".join(" ".join(rng.choices(["ab", "Abc", "b", "éa", ""], k=3)) for _ in range(rng.randint(0, 9))) for n in range(20)}
    for path, text in texts.items():
        (tmp_path / path).write_text(text, encoding="utf-8")
    scan = baselines._by_scan(tmp_path, sorted(texts))
    for word in ("ab", "abc", "éa", "zz"):
        slow = [(path, n) for path in sorted(texts) for n, line in enumerate(texts[path].split("\n"), 1) if word in line.lower()]
        assert list(scan(word)) == slow


@pytest.mark.skipif(baselines.shutil.which("rg") is None, reason="rg is not installed")
def test_rg_and_the_scan_find_the_same_lines(tree):
    files = sorted(p.relative_to(tree).as_posix() for p in tree.rglob("*.py"))
    program, scan = baselines._by_ripgrep(tree, files), baselines._by_scan(tree, files)
    for word in ("window", "found", "def", "every", "absent", "value):", "(", "[ledger"):
        assert sorted(program(word)) == sorted(scan(word))


def test_keywords_are_what_a_person_would_grep_for():
    assert keywords("Where is the retry_count of HTTPResponse, and the retry_count?") == ["retry_count", "httpresponse"]


@pytest.mark.parametrize(
    ("printed", "hit"),
    [
        ("src/a.py", Hit("src/a.py")),
        ("./src/a.py:7", Hit("src/a.py", 7, 7)),
        ("src/a.py:7-9", Hit("src/a.py", 7, 9)),
        ("src/a.py:7:    x = 1:2", Hit("src/a.py", 7, 7)),
        ("/root/tree/src/a.py:7", Hit("src/a.py", 7, 7)),
        ('{"path": "src/a.py", "start_line": 7, "symbol": "f"}', Hit("src/a.py", 7, 7, "f")),
        ('{"path": "src/a.py", "start_line": "7", "end_line": "9"}', Hit("src/a.py", 7, 9)),
        ('{"path": "src/a.py", "start_line": 7, "end_line": null, "symbol": null}', Hit("src/a.py", 7, 7)),
    ],
)
def test_a_commands_lines_are_read(tmp_path, printed, hit):
    assert read_hits(printed.replace("/root/tree", str(tmp_path)) + "\n\n", tmp_path) == [hit]


@pytest.mark.parametrize(
    "printed",
    ['{"path": "a.py", "start_line": "seven"}', '{"path": "a.py", "start_line": [7]}', '{"path": "a.py", "end_line": true}', '{"path": 7}', '{"path": "a.py", "symbol": 7}', '{"line": 7}', "{"],
)
def test_a_commands_line_that_is_not_understood_is_said(tmp_path, printed):
    with pytest.raises(UsageError, match="needs at least"):
        read_hits(printed, tmp_path)


def test_a_command_gets_the_question_without_a_shell(tmp_path):
    echo = tmp_path / "echo.py"
    echo.write_text("import json, sys\nprint(json.dumps({'path': sys.argv[1], 'symbol': sys.argv[2]}))\n")
    search = system(f"command:{sys.executable} {echo} {{query}} {{root}}:{{k}}", Pool(None, tmp_path, ()))
    assert search('a "b" $(c) {root}; d', 4) == [Hit('a "b" $(c) {root}; d', None, None, f"{tmp_path}:4")]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("grep", "no such system: 'grep'; known are wayfind, unlearned, words, bm25, ripgrep, random"),
        ("command:", "no such system"),
        ("command:rg x", "put {query} into it"),
        ("command:rg '{query}", "cannot read the command"),
        ("command:no-such-program-here {query}", "no such command: no-such-program-here"),
        (f"command:{sys.executable} -c 'raise SystemExit(3)' {{query}}", "exit code 3 (expected 0 or 1)"),
        (f"command:{sys.executable} -c 'print(chr(123))' {{query}}", 'a JSON line needs at least "path"'),
    ],
)
def test_a_system_that_cannot_be_asked_is_said(tmp_path, name, said):
    with pytest.raises(UsageError) as refused:
        system(name, Pool(None, tmp_path, ()))("q", 3)
    assert said in str(refused.value)


def without_package(monkeypatch, *names):
    real = builtins.__import__

    def blocked(name, *rest, **more):
        if name.partition(".")[0] in names:
            raise ImportError(f"No module named {name!r}")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", blocked)


def test_a_missing_extra_is_named_with_the_command_that_brings_it(made, tmp_path, monkeypatch):
    without_package(monkeypatch, "sentence_transformers", "matplotlib")
    with pytest.raises(UsageError, match=r"pip install 'wayfind\[compare\]'"):
        system("sentence-transformers:some/model", Pool(None, tmp_path, ()))
    with pytest.raises(UsageError, match=r"pip install 'wayfind\[plot\]'"):
        report.plot(made, tmp_path / "figure.png")


def test_a_sentence_transformers_model_ranks_by_cosine(tree, tmp_path, monkeypatch):
    import numpy as np

    class Model:
        def __init__(self, name):
            assert name == "some/model"

        def encode(self, texts, **_):
            return np.array([[text.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts], dtype=np.float32)

    monkeypatch.setitem(sys.modules, "sentence_transformers", SimpleNamespace(SentenceTransformer=Model))
    pool = pool_of(tree, tmp_path)
    asked = pool.chunks[3]
    assert system("sentence-transformers:some/model", pool)(asked.text(), 1)[0].symbol == asked.symbol


# specs and reports


def test_options_that_a_spec_leaves_aside_are_refused(tree, tmp_path):
    (tmp_path / "spec.json").write_text('{"queries": []}')
    for option in (("--kinds", "commit"), ("--limit", "1")):
        ran = command("eval", tree, "--spec", tmp_path / "spec.json", *option, home=tmp_path / "home")
        assert ran.returncode == 2 and f"leave out {option[0]}".encode() in ran.stderr


def test_a_spec_is_measured_alone_and_at_its_own_level(tree, tmp_path):
    spec = tmp_path / "spec.json"
    asked = [{"query": "merge every ledger", "relevant": "ledger.py:merge_ledger", "kind": "function"}, {"query": "open a window", "relevant": "window.py", "kind": "file"}]
    spec.write_text(json.dumps({"corpus": str(tree), "queries": asked}))
    made = evaluate(spec=spec, home=tmp_path / "home")
    assert [s.kind for s in made.sets] == ["spec"] and made.queries() == 2
    assert means(made, "function")["wayfind", "MRR@10"] == 1 and means(made, "file")["wayfind", "MRR@10"] == 1
    assert {f.kind for f in report.figures(made)} == {"function", "file", "all kinds"}


def test_figures_are_the_means_of_the_answers(made):
    answered = [a for s in made.sets for a in s.answered if s.kind == "docstring" and a.system == "bm25"]
    assert means(made)["bm25", "nDCG@10"] == pytest.approx(sum(a.figures["nDCG@10"] for a in answered) / len(answered))
    found = means(made)
    differences = [f for f in report.figures(made) if f.minus and (f.kind, f.slice, f.metric) == ("docstring", "all", "MRR@10")]
    assert [f.minus for f in differences] == ["bm25", "ripgrep", "random"]
    for f in differences:
        assert f.interval.mean == pytest.approx(found["wayfind", "MRR@10"] - found[f.minus, "MRR@10"])


def test_where_wayfind_was_not_asked_there_is_no_difference(tree, tmp_path):
    made = evaluate(tree, kinds=("docstring",), systems=("random", "bm25"), home=tmp_path)
    assert not [f for f in report.figures(made) if f.minus] and "wayfind -" not in report.table(made)


def test_the_report_says_what_was_asked_what_was_left_out_and_what_it_means(made):
    said = report.table(made)
    assert "docstring: 15 queries (0 unnamed) over" in said and "commit: no queries: not a git repository" in said
    assert "wayfind - bm25" in said and "wayfind - ripgrep" in said and "n=15" in said and "cannot exceed 0.33" in said
    assert said.isascii() and not any(line != line.rstrip() for line in said.split("\n"))


def test_json_holds_every_figure_with_its_interval(made):
    data = json.loads(json.dumps(report.as_json(made)))
    assert data["schema_version"] == 1 and [s["kind"] for s in data["sets"]] == ["docstring", "commit", "test"]
    one = next(f for f in data["figures"] if (f["kind"], f["system"], f["metric"]) == ("docstring", "bm25", "P@3"))
    assert one["low"] <= one["mean"] <= one["high"] <= 1 and one["n"] == 15
    assert {d["minus"] for d in data["differences"]} == {"bm25", "ripgrep", "random"}


def test_worst_queries_are_those_with_the_lowest_ndcg(tree, tmp_path):
    made = evaluate(tree, kinds=("docstring",), systems=("random",), home=tmp_path)
    listed = report.worst(made, most=5)
    assert [w.rank for w in listed] == [None] * 5 or listed[0].rank is None
    best = min(a.figures["nDCG@10"] for a in made.sets[0].answered)
    assert next(a for a in made.sets[0].answered if a.query == listed[0].query).figures["nDCG@10"] == best
    assert "Worst queries" in report.table(made) and "not found" in report.table(made)
    perfect = [w for w in report.worst(made, most=99) if w.rank == 1]
    assert not perfect, "what came first is not among the worst"


def test_a_plot_is_written(made, tmp_path):
    report.plot(made, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UsageError, match="cannot write the plot"):
        report.plot(made, tmp_path / "none" / "figure.png")


def test_a_repository_without_any_query_says_why(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/notes.md").write_text("# Notes\n\nNothing to run.\n")
    made = evaluate(tmp_path / "tree", home=tmp_path / "home")
    assert made.queries() == 0 and report.worst(made) == []
    said = report.table(made)
    assert "no function with documentation of 4 words or more" in said and "no test calls a function" in said
    with pytest.raises(UsageError, match="nothing to plot"):
        report.plot(made, tmp_path / "figure.png")


def test_a_clone_without_all_trees_has_no_commit_queries_and_says_why(tmp_path):
    root = histories.make(tmp_path / "tree", [(f"Change the step numbered {n} again", {"a.py": f"def step(x):\n    return x + {n}\n"}) for n in range(70)])
    (root / "a.py").write_text("def step(x):\n    return x\n")
    histories.git(root, "commit", "-qam", "Let the step be nothing")
    tree = histories.git(root, "rev-parse", "HEAD^{tree}").strip()
    (root / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    made = evaluate(root, kinds=("commit",), systems=("bm25",), home=tmp_path / "home")
    assert made.queries() == 0 and f"git: fatal: unable to read tree {tree}" in report.table(made)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"repo_path": "no/such/place"}, NotFound, "no such folder"),
        ({}, UsageError, "nothing to evaluate"),
        ({"repo_path": "no/such/place", "systems": ("wayfind", "nope")}, UsageError, "no such system: 'nope'"),
        ({"repo_path": ".", "kinds": ("docstrings",)}, UsageError, "no such kind of query: 'docstrings'; known are docstring, commit, test"),
        ({"repo_path": ".", "parts": ("all",)}, UsageError, "no such part"),
        ({"repo_path": ".", "k": 0}, UsageError, "k and limit"),
        ({"spec": "no/such.yaml"}, NotFound, "no such spec file"),
    ],
)
def test_a_request_that_cannot_be_met_is_said(options, error, said):
    with pytest.raises(error) as refused:
        evaluate(**options)
    assert said in str(refused.value)


def test_a_spec_file_in_the_folder_that_it_is_about_needs_no_other(tmp_path, monkeypatch):
    tree, elsewhere = tmp_path / "tree", tmp_path / "elsewhere"
    for folder in (tree, elsewhere):
        folder.mkdir()
    (tree / "doors.py").write_text('def shut(door):\n    """Shut a door."""\n    door.close()\n')
    (tree / "spec.yaml").write_text("queries:\n  - {query: shut a door, relevant: 'doors.py:shut'}\n")
    (elsewhere / "spec.yaml").write_text((tree / "spec.yaml").read_text())
    for here, spec in ((elsewhere, tree / "spec.yaml"), (tree, elsewhere / "spec.yaml"), (tree, "spec.yaml")):
        monkeypatch.chdir(here)
        assert evaluate(spec=spec, systems=("bm25",), home=tmp_path / "home").root == tree
    monkeypatch.chdir(elsewhere)
    with pytest.raises(UsageError, match="no place that .* names lies in .*give the folder: wayfind eval FOLDER --spec"):
        evaluate(spec="spec.yaml", systems=("bm25",), home=tmp_path / "home")


def test_results_are_written_as_the_referee_reads_them(tmp_path):
    file = tmp_path / "results.jsonl"
    assert write_results(file, [("a", [Hit("é.py", 1, 2, "f", 3.0)]), ("b", [])]) == 2
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert rows == [{"id": "a", "hits": [{"path": "é.py", "start_line": 1, "end_line": 2, "symbol": "f"}]}, {"id": "b", "hits": []}]
