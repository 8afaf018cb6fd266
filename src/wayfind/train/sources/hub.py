"""Data sets on the hub, row by row without a download of the whole. Needs the library `datasets`, and the network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wayfind.errors import NotFound, UsageError


def streamed(name: str, configuration: str | None, part: str, data_dir: str | None = None) -> Iterator[Mapping[str, Any]]:
    """The rows of a part of a data set. Raises UsageError where the library is missing, NotFound where the set cannot be had or the stream breaks."""
    try:
        from datasets import load_dataset
    except ImportError:
        raise UsageError(
            f"{name}: no such folder, and to read it as a data set on the hub `datasets` is needed; run: pip install 'wayfind[hub]'"
        ) from None
    given = {"data_dir": data_dir} if data_dir else {"name": configuration} if configuration else {}
    try:
        rows = load_dataset(name, split=part, streaming=True, **given)
    except (OSError, ValueError, RuntimeError) as problem:
        raise NotFound(f"{name}: no such folder, and as a data set it cannot be had: {problem}") from problem
    number = 0
    try:
        for number, row in enumerate(rows, 1):
            yield row
    except Exception as problem:  # the network's errors and those of several libraries
        raise NotFound(f"{name}: the stream of {configuration or data_dir or part} broke after {number} rows: {type(problem).__name__}: {problem}") from problem
