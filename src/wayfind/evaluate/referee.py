"""Results in the form that a referee reads: one JSON line per query, {"id", "hits": [{path, start_line, end_line, symbol}]}."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from wayfind.evaluate.queries import Hit


def line(identifier: str, found: Iterable[Hit]) -> str:
    """One query's line, without a line end."""
    rows = [{"path": h.path, "start_line": h.start_line, "end_line": h.end_line, "symbol": h.symbol} for h in found]
    return json.dumps({"id": identifier, "hits": rows}, ensure_ascii=False)


def write_results(file: Path, results: Iterable[tuple[str, Iterable[Hit]]]) -> int:
    """Write (query id, hits best first) as they come; returns how many."""
    written = 0
    with file.open("w", encoding="utf-8") as out:
        for identifier, found in results:
            out.write(line(identifier, found) + "\n")
            out.flush()
            written += 1
    return written
