"""Foreign systems in a comparison: any command that prints places, any sentence-transformers model.

Both are chosen by the user, who also answers for what they load; nothing here is imported or run unless asked for.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wayfind.errors import UsageError
from wayfind.evaluate.baselines import Pool, System
from wayfind.evaluate.queries import Hit

SECONDS = 120
PLACE = re.compile(r"^(?P<path>.+?)(?::(?P<start>\d+)(?:-(?P<end>\d+))?(?::.*)?)?$")


def command(template: str, pool: Pool) -> System:
    """A command line in which {query}, {root} and {k} stand for themselves; no shell reads it.

    It prints one place a line, best first: `path`, `path:line`, `path:start-end` (what follows a further colon is ignored), or a
    JSON object with `path` and, as it likes, `start_line`, `end_line`, `symbol`. Exit code 1 means nothing found, as in grep.
    """
    try:
        arguments = shlex.split(template)
    except ValueError as unbalanced:
        raise UsageError(f"cannot read the command {template!r}: {unbalanced}") from unbalanced
    if not any("{query}" in argument for argument in arguments):
        raise UsageError(f"the command {template!r} does not say where the question goes; put {{query}} into it")

    def search(text: str, k: int) -> list[Hit]:
        # Replaced in one pass: a question that holds "{root}" stays as it is.
        given = {"{query}": text, "{root}": str(pool.root), "{k}": str(k)}
        line = [re.sub(r"\{(?:query|root|k)\}", lambda m: given[m.group()], argument) for argument in arguments]
        return read_hits(_run(line, pool.root), pool.root)[:k]

    return search


def read_hits(printed: str, root: Path) -> list[Hit]:
    """The places in what a command printed, paths made relative to the root."""
    return [_hit(line, root) for line in printed.splitlines() if line.strip()]


def sentence_transformers(name: str, pool: Pool) -> System:
    """Cosine similarity of a sentence-transformers model, chunk texts cut by the model at its own length; kept in memory only."""
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as missing:
        raise UsageError("a sentence-transformers baseline needs the package: pip install 'wayfind[compare]'") from missing
    try:
        model = SentenceTransformer(name)
    except (OSError, ValueError) as failed:
        raise UsageError(f"cannot load the model {name!r}: {failed}") from failed
    vectors = _unit(model.encode([chunk.text() for chunk in pool.chunks], batch_size=32, show_progress_bar=False))

    def search(text: str, k: int) -> list[Hit]:
        scores = vectors @ _unit(model.encode([text], show_progress_bar=False))[0]
        best = np.argsort(-scores, kind="stable")[:k]
        return [Hit(c.path, c.start_line, c.end_line, c.symbol, float(scores[n])) for n, c in ((n, pool.chunks[n]) for n in best)]

    return search


def _run(line: Sequence[str], root: Path) -> str:
    try:
        ran = subprocess.run(line, cwd=root, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False)
    except FileNotFoundError as missing:
        raise UsageError(f"no such command: {line[0]}") from missing
    except (OSError, subprocess.TimeoutExpired) as failed:
        raise UsageError(f"the command {line[0]} failed: {failed}") from failed
    if ran.returncode > 1 or ran.returncode < 0:
        said = ran.stderr.decode("utf-8", "replace").strip()[-500:]
        raise UsageError(f"the command {line[0]} ended with exit code {ran.returncode} (expected 0 or 1): {said}")
    return ran.stdout.decode("utf-8", "surrogateescape")


def _hit(line: str, root: Path) -> Hit:
    if line.lstrip().startswith("{"):
        try:
            found = json.loads(line)
            path, start, symbol = found["path"], _line(found.get("start_line")), found.get("symbol")
            end = _line(found.get("end_line")) or start
            if not isinstance(path, str) or not isinstance(symbol, str | None):
                raise TypeError
        except (ValueError, KeyError, TypeError, RecursionError) as broken:
            raise UsageError(
                f"the command printed {line[:200]!r}; a JSON line needs at least \"path\", a text; lines are numbers and a symbol is a text"
            ) from broken
        return Hit(_relative(path, root), start, end, symbol)
    place = PLACE.match(line.rstrip())
    start = int(place["start"]) if place["start"] else None
    return Hit(_relative(place["path"], root), start, int(place["end"]) if place["end"] else start)


def _line(value: object) -> int | None:
    """The number of a line, also where it is written as a text. Raises ValueError, TypeError."""
    if value is None or isinstance(value, str) and not value.strip():
        return None
    if not isinstance(value, int | str) or isinstance(value, bool):
        raise TypeError
    return int(value)


def _relative(path: str, root: Path) -> str:
    place = Path(path)
    if place.is_absolute() and place.is_relative_to(root):
        place = place.relative_to(root)
    return place.as_posix()


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
