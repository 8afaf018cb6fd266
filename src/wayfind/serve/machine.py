"""An answer for programs: JSON as `answer.schema.json` says. Pure ASCII, whatever the file names and texts hold.

Fields may be added and never change. A byte of a path that is no UTF-8 is written `\\xff`; such a result also carries
`path_bytes`, the path in base64.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.resources import files
from typing import Any

from wayfind.serve.screen import decoded
from wayfind.types import Answer, IndexState, Result

SCHEMA_VERSION = 1


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what `--json` prints."""
    return json.loads(files("wayfind.serve").joinpath("answer.schema.json").read_text("utf-8"))


def as_json(answer: Answer, repositories: Sequence[str] = ()) -> str:
    """One object. `repositories`: of each result its repository's folder, where several were searched."""
    return dumps({**_head(answer), "results": [*_results(answer, repositories)]})


def as_lines(answer: Answer, repositories: Sequence[str] = ()) -> Iterator[str]:
    """One line a result, `"type": "result"`, then the answer without its results, `"type": "answer"`."""
    for result in _results(answer, repositories):
        yield dumps({"type": "result", **result})
    yield dumps({"type": "answer", **_head(answer)})


def as_object(answer: Answer) -> dict[str, Any]:
    """The answer as the schema describes it."""
    return {**_head(answer), "results": [*_results(answer, ())]}


def _results(answer: Answer, repositories: Sequence[str]) -> Iterator[dict[str, Any]]:
    for number, result in enumerate(answer.results):
        yield result_object(result) | ({"repository": repositories[number]} if repositories else {})


def dumps(value: Any) -> str:
    """JSON in ASCII without lone surrogates, on one line."""
    return json.dumps(_clean(value), ensure_ascii=True, allow_nan=False)


def index_object(state: IndexState) -> dict[str, Any]:
    return asdict(state)


def result_object(result: Result) -> dict[str, Any]:
    """One result as the schema describes it."""
    fields = asdict(result)
    if decoded(result.path) != result.path:
        fields["path_bytes"] = base64.b64encode(os.fsencode(result.path)).decode()
    return fields


def _head(answer: Answer) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "query": answer.query,
        "index": index_object(answer.index),
        "confidence": answer.confidence,
        "abstained": answer.abstained,
        "reason": answer.reason,
    }


def _clean(value: Any) -> Any:
    """The value with every string free of lone surrogates, which strict readers of JSON refuse."""
    if isinstance(value, str):
        return decoded(value)
    if isinstance(value, dict):
        return {decoded(key): _clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(item) for item in value]
    return value
