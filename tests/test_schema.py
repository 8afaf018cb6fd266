"""`--json` prints what the published schema says, for every kind of answer; `--jsonl` the same, line by line."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest
from conftest import command, plant
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from wayfind.serve import cli, machine
from wayfind.types import KINDS, PROVENANCES

ISSUE = {
    "schema_version": 1, "query": "", "index": ["root", "generation", "files", "chunks", "coverage", "stale_files", "skipped", "model"],
    "confidence": 0, "abstained": False, "reason": "",
    "results": ["path", "start_line", "end_line", "symbol", "kind", "language", "score", "snippet", "explanation", "why", "signals", "also"],
}  # fmt: skip
"""The fields that version 1 promised; they may grow in number and never change."""


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    Draft202012Validator.check_schema(machine.schema())
    return Draft202012Validator(machine.schema())


@pytest.fixture
def ask(capsysbinary):
    def run(*arguments: object) -> list[dict]:
        cli.main([os.fspath(argument) for argument in arguments])
        return [json.loads(line) for line in capsysbinary.readouterr().out.decode("ascii").splitlines()]

    return run


@pytest.mark.parametrize(
    "arguments",
    [
        ["search", "late reader pays"], ["search", "zyzzyva"], ["search", "book", "--lang", "rust"], ["search", "desk", "--kind", "section"],
        ["search", "", "--regex", "desk"], ["search", "book", "--explain", "none"], ["explain", "loans.py:14"], ["related", "loans.py:14"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_every_answer_is_valid(ask, validator: Draft202012Validator, library: Path, arguments: list[str]) -> None:
    (found,) = ask(*arguments[:2], library, *arguments[2:], "--json")
    validator.validate(found)


def test_the_fields_are_those_that_were_promised(ask, library: Path) -> None:
    (found,) = ask("late reader pays", library, "--json")
    assert list(found) == list(ISSUE)
    assert list(found["index"]) == [*ISSUE["index"], "encoded", "adaptation"]
    assert list(found["results"][0]) == [*ISSUE["results"], "reasons", "relations"]


def test_the_schema_requires_all_of_them() -> None:
    schema = machine.schema()
    assert schema["required"] == list(ISSUE)
    assert schema["$defs"]["index"]["required"] == ISSUE["index"]
    assert schema["$defs"]["result"]["required"] == ISSUE["results"]


def test_the_schema_knows_every_kind_and_provenance() -> None:
    defined = machine.schema()["$defs"]
    assert defined["kind"]["enum"] == list(KINDS) and defined["provenance"]["enum"] == list(PROVENANCES)


def test_the_schema_refuses_what_is_wrong(ask, validator: Draft202012Validator, library: Path) -> None:
    (found,) = ask("late reader pays", library, "--json")
    for wrong in ({"confidence": 2}, {"schema_version": 2}, {"results": [{}]}):
        with pytest.raises(ValidationError):
            validator.validate(found | wrong)
    validator.validate(found | {"a_new_field": 1})


def test_lines_hold_the_same_as_the_object(ask, library: Path) -> None:
    (whole,) = ask("late reader pays", library, "--json")
    *results, head = ask("late reader pays", library, "--jsonl")
    assert {r.pop("type") for r in results} == {"result"} and head.pop("type") == "answer"
    assert {**head, "results": results} == whole


def test_the_same_index_and_query_give_the_same_bytes(library: Path, home: Path) -> None:
    first, second = (command("book", library, "--json", home=home, env={"PYTHONHASHSEED": seed}).stdout for seed in "12")
    assert first == second


def test_a_name_that_is_no_utf8_is_still_valid_json(ask, validator: Draft202012Validator, tmp_path: Path) -> None:
    name = b"caf\xe9.py"
    try:
        plant(tmp_path, {os.fsdecode(name): 'def brew():\n    """Brew coffee."""\n'})
    except OSError:
        pytest.skip("the file system wants UTF-8")
    (found,) = ask("brew coffee", tmp_path, "--json")
    validator.validate(found)
    assert found["results"][0]["path"] == "caf\\xe9.py"
    assert base64.b64decode(found["results"][0]["path_bytes"]) == name


def test_signals_sum_to_the_score(ask, library: Path) -> None:
    (found,) = ask("lend a book", library, "--json")
    for result in found["results"]:
        assert sum(result["signals"].values()) == pytest.approx(result["score"], abs=1e-4)


def test_of_several_repositories_each_result_names_its_own_and_paths_lead_there(ask, validator: Draft202012Validator, library: Path, tmp_path: Path) -> None:
    other = plant(tmp_path / "other", {"shop.py": 'def sell_book(title):\n    """Sell a book."""\n    return title\n'}).resolve()
    (found,) = ask("search", "sell a book", library, other, "--json")
    validator.validate(found)
    assert list(found) == list(ISSUE) and found["index"]["files"] == 6
    assert {result["repository"] for result in found["results"]} == {str(library.resolve()), str(other)}
    for result in found["results"]:
        whole = Path(found["index"]["root"], result["path"])
        assert whole.is_file() and whole.is_relative_to(result["repository"])
    *lines, _ = ask("search", "sell a book", library, other, "--jsonl")
    assert [line["repository"] for line in lines] == [result["repository"] for result in found["results"]]
