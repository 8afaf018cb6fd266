"""Spec files: read strictly, and their gold checked against the corpus before anything is measured (origin defect 19)."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from wayfind.errors import NotFound, UsageError
from wayfind.evaluate.queries import Gold
from wayfind.evaluate.spec import read_spec, spec_queries

GOOD = """
corpus: project
queries:
  - query: where are retries counted
    relevant: [src/http.py:Session.request, docs/retry.md]
    id: retries
    kind: question
  - query: pool limits
    relevant: ./src/http.py:40-62
"""


def chunk(path, start, end, symbol=None):
    return SimpleNamespace(path=path, start_line=start, end_line=end, symbol=symbol, kind="function", is_test=False)


CHUNKS = [chunk("src/http.py", 1, 30, "Session.request"), chunk("src/http.py", 31, 80, "pool"), chunk("docs/retry.md", 1, 9, "Retries")]


def written(folder, text, name="spec.yaml"):
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_a_spec_is_read_and_its_gold_found(tmp_path):
    spec = read_spec(written(tmp_path, GOOD))
    assert spec.corpus == tmp_path / "project"
    made = spec_queries(spec, tmp_path, CHUNKS)
    first, second = made.queries
    assert (first.id, first.kind) == ("retries", "question")
    assert first.gold == (Gold("docs/retry.md"), Gold("src/http.py", "Session.request"))
    assert second.kind == "spec" and second.gold == (Gold("src/http.py", None, 40, 62),)


def test_json_says_the_same_as_yaml(tmp_path):
    data = {"corpus": "project", "queries": [{"query": "pool limits", "relevant": ["src/http.py:pool", "src/http.py:7"]}]}
    asked = read_spec(written(tmp_path, json.dumps(data), "spec.json"))
    assert spec_queries(asked, tmp_path, CHUNKS).queries[0].gold == (Gold("src/http.py", None, 7, 7), Gold("src/http.py", "pool"))
    assert read_spec(written(tmp_path, json.dumps(data))).queries == asked.queries


def test_every_missing_gold_is_named_in_one_error(tmp_path):
    """Origin defect 19: 3 of 10 gold paths did not exist, and nobody was told."""
    (tmp_path / "big.bin").write_bytes(b"x")
    relevant = ["src/htp.py", "src/http.py:Session.requests", "src/http.py:81", "src/http.py:9-2", "big.bin", "docs/retry.md"]
    spec = read_spec(written(tmp_path, json.dumps({"queries": [{"query": "q", "relevant": relevant}]})))
    with pytest.raises(UsageError) as refused:
        spec_queries(spec, tmp_path, CHUNKS)
    said = str(refused.value)
    assert "5 relevant places" in said and "retry.md" not in said
    assert "no such file; did you mean 'src/http.py'?" in said
    assert "no symbol 'Session.requests'; did you mean 'Session.request'?" in said
    assert "src/http.py:81: src/http.py has lines 1 to 80" in said and "9-2" in said
    assert "big.bin: the file is there but not indexed" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("queries:\n - {query: q, relevants: a.py}", "query 1: unknown key 'relevants'; did you mean 'relevant'?"),
        ("corpsu: x\nqueries: []", "unknown key 'corpsu'; did you mean 'corpus'?"),
        ("corpus: x", "the key 'queries' is missing"),
        ("queries: []", "at least one query"),
        ("queries:\n - {query: q}", "the key 'relevant' is missing"),
        ("queries:\n - {query: '', relevant: a}", "query must be a text"),
        ("queries:\n - {query: q, relevant: []}", "relevant must list"),
        ("queries:\n - {query: q, relevant: [1]}", "relevant must list"),
        ("queries:\n - {query: q, relevant: a, kind: [x]}", "kind must be a word"),
        ("queries:\n - q", "expected the keys query, relevant, id, kind; found str"),
        ("- q", "expected the keys corpus, queries; found list"),
        ("", "expected the keys corpus, queries; found NoneType"),
        ("corpus: [a]\nqueries: [{query: q, relevant: a}]", "corpus must be a folder"),
        ("queries:\n - {query: q, relevant: a, id: 1}\n - {query: r, relevant: a, id: 1}", "used more than once: 1"),
        ("corpus: a\ncorpus: b\nqueries: [{query: q, relevant: a}]", "the key 'corpus' is written twice"),
        ("queries: [", "not readable as YAML"),
        ("a: !!python/object/apply:os.system [x]", "not readable as YAML"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path, text, said):
    with pytest.raises(UsageError) as refused:
        read_spec(written(tmp_path, text))
    assert said in str(refused.value) and "spec.yaml" in str(refused.value)


def test_json_refuses_broken_text_and_a_key_written_twice(tmp_path):
    for text, said in (("{", "not readable as JSON"), ('{"corpus": "a", "corpus": "b"}', "written twice")):
        with pytest.raises(UsageError, match=said):
            read_spec(written(tmp_path, text, "spec.json"))


def test_a_missing_or_binary_file_is_said(tmp_path):
    with pytest.raises(NotFound, match="no such spec file"):
        read_spec(tmp_path / "none.yaml")
    (tmp_path / "spec.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot read"):
        read_spec(tmp_path / "spec.yaml")


def test_a_path_with_a_colon_is_a_path_first(tmp_path):
    spec = read_spec(written(tmp_path, json.dumps({"queries": [{"query": "q", "relevant": ["a:12"]}]})))
    assert spec_queries(spec, tmp_path, [chunk("a:12", 1, 3)]).queries[0].gold == (Gold("a:12"),)
