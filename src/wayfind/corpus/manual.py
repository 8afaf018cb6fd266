"""Explanations written by people: a JSON file in, each entry attached to one chunk of the file and lines it names, out.

An entry is matched by its file and lines, or by its component as a symbol of that file, never by a name that occurs in a
text: callers do not get the explanation of what they call (origin defect 9). What matches nothing is returned with why.

    [{"id": 1, "file": "./sde.py", "line_range": "955-1015", "component": "Dynamics", "explanation": "Evolves the latent
      trajectory by drift and diffusion.", "category": "core", "keywords": ["SDE"]}]
"""

from __future__ import annotations

import difflib
import json
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wayfind.corpus.secrets import mask
from wayfind.errors import NotFound, UsageError
from wayfind.types import Chunk, Target

FIELDS = ("id", "file", "line_range", "component", "explanation", "category", "keywords")

VERSION = "2"
"""Raised when other parts of an entry count, or count otherwise: what older versions attached is attached again."""
SAME_LINES = 0.8
"""Overlap (intersection over union) from which lines alone decide although the component is no symbol there."""


@dataclass(frozen=True, slots=True)
class Manual:
    """One explanation written by hand; lines are 1-based and inclusive, both 0 where the entry names none."""

    id: str
    file: str
    start_line: int
    end_line: int
    component: str
    explanation: str
    category: str = ""
    keywords: tuple[str, ...] = ()

    @property
    def target(self) -> Target:
        return Target(self.explanation, "manual")

    @property
    def documentation(self) -> str:
        """What counts as documentation of the chunk: the explanation in the first line, the keywords in the second."""
        return f"{self.explanation}\n{', '.join(self.keywords)}"


def load(path: str | Path) -> list[Manual]:
    """The entries of a file of manual explanations.

    Raises NotFound without such a file, UsageError that names entry and field where it is malformed.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError as problem:
        raise NotFound(f"no file of manual explanations at {path}") from problem
    except OSError as problem:
        raise UsageError(f"{path}: cannot be read: {problem.strerror}") from problem
    except (ValueError, RecursionError) as problem:
        raise UsageError(f"{path}: not JSON: {problem}") from problem
    if not isinstance(data, list):
        raise UsageError(f"{path}: expected a list of entries with the fields {', '.join(FIELDS)}; found {_kind(data)}")
    entries = [_entry(fields, number, path) for number, fields in enumerate(data, 1)]
    _refuse_twins(entries, path)
    return entries


def _entry(fields: object, number: int, path: str | Path) -> Manual:
    where = f"{path}: entry {number}"
    if not isinstance(fields, dict):
        raise UsageError(f"{where}: expected an object, found {_kind(fields)}")
    for unknown in fields.keys() - set(FIELDS):
        near = difflib.get_close_matches(unknown, FIELDS, 1, 0)[0]
        raise UsageError(f"{where}: unknown field {unknown!r}; the nearest is {near!r}")
    identity = fields.get("id", number)
    if isinstance(identity, bool) or not isinstance(identity, (int, str)):
        raise UsageError(f"{where}: field 'id': expected a number or a text, found {_kind(identity)}")
    where = f"{where} (id {identity})"
    start, end = _lines(fields.get("line_range"), where)
    component = _text(fields, "component", where)
    if not (start or component):
        raise UsageError(f"{where}: field 'line_range' or 'component' is needed to find the chunk")
    keywords = fields.get("keywords") or []
    if not isinstance(keywords, list) or not all(isinstance(word, str) for word in keywords):
        raise UsageError(f"{where}: field 'keywords': expected a list of texts, found {_kind(keywords)}")
    file, explanation = _text(fields, "file", where, needed=True), _text(fields, "explanation", where, needed=True)
    return Manual(
        str(identity), file, start, end, component, explanation, _text(fields, "category", where), tuple(map(_clean, keywords))
    )


def _text(fields: dict[str, object], name: str, where: str, needed: bool = False) -> str:
    value = fields.get(name)
    if value is None and not needed:
        return ""
    if not isinstance(value, str) or needed and not value.strip():
        raise UsageError(f"{where}: field {name!r}: expected a text, found {_kind(value)}")
    return _clean(value)


def _clean(value: str) -> str:
    """The text in one line, secrets masked."""
    text = value.encode("utf-8", "replace").decode()  # JSON may name half of a character: "\\ud83d"
    return mask(" ".join(text.split()))[0]


def _lines(value: object, where: str) -> tuple[int, int]:
    """Both ends of `"955-1015"`, `"955"` or `[955, 1015]`."""
    if value is None:
        return 0, 0
    numbers: list[int] = []
    if isinstance(value, str) and (found := re.fullmatch(r"\s*L?(\d{1,9})\s*(?:[-–:]\s*L?(\d{1,9})\s*)?", value)):
        numbers = [int(found.group(1)), int(found.group(2) or found.group(1))]
    elif isinstance(value, list) and len(value) == 2 and all(type(one) is int for one in value):
        numbers = value
    if not numbers or not 1 <= numbers[0] <= numbers[1]:
        raise UsageError(
            f"{where}: field 'line_range': expected \"955-1015\" or [955, 1015], found {json.dumps(value)}"
        )
    return numbers[0], numbers[1]


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "nothing"}
    return "an empty text" if value == "" else names.get(type(value), "a number")


def _refuse_twins(entries: Sequence[Manual], path: str | Path) -> None:
    seen: set[str] = set()
    for number, entry in enumerate(entries, 1):
        if entry.id in seen:
            raise UsageError(f"{path}: entry {number}: field 'id': {entry.id} is taken by an entry above")
        seen.add(entry.id)


def attach(
    entries: Sequence[Manual], files: Mapping[str, Sequence[Chunk]]
) -> tuple[dict[tuple[str, int], Manual], list[tuple[Manual, str]]]:
    """For each entry the chunk that it explains, as (path, index of the chunk); and the entries without one, with the reason."""
    attached: dict[tuple[str, int], Manual] = {}
    unmatched: list[tuple[Manual, str]] = []
    by_path = {normal(path): path for path in files}
    for entry in entries:
        path = by_path.get(normal(entry.file))
        found = _no_file(entry, by_path) if path is None else _find(entry, files[path])
        if isinstance(found, int) and path is not None and (path, found) in attached:
            found = f"its chunk has the explanation of entry {attached[path, found].id} already"
        if isinstance(found, str):
            unmatched.append((entry, found))
        elif path is not None:
            attached[path, found] = entry
    return attached, unmatched


def normal(path: str) -> str:
    """A path as an index has it.

    >>> normal("./src/x.py"), normal("src\\\\x.py"), normal("src/../x.py")
    ('src/x.py', 'src/x.py', 'x.py')
    """
    return posixpath.normpath(path.replace("\\", "/"))


def _no_file(entry: Manual, by_path: Mapping[str, str]) -> str:
    near = difflib.get_close_matches(normal(entry.file), by_path, 1)
    return f"no file {entry.file} is indexed" + (f"; the nearest is {near[0]}" if near else "")


def _find(entry: Manual, chunks: Sequence[Chunk]) -> int | str:
    """The index of the chunk that an entry explains, or why there is none."""
    ranks = {index: rank for index, chunk in enumerate(chunks) if (rank := _rank(chunk, entry.component)) is not None}
    named = [index for index, rank in ranks.items() if rank < _SHORTER] or list(ranks)
    if named:
        return min(named, key=lambda index: (_distance(entry, chunks[index]), ranks[index], chunks[index].start_line))
    if not entry.start_line:
        return f"{entry.file} has no symbol {entry.component}"
    best = max(range(len(chunks)), key=lambda index: (_overlap(entry, chunks[index]), -index), default=-1)
    if best < 0 or not _overlap(entry, chunks[best]):
        return f"{entry.file} has no code in lines {entry.start_line}-{entry.end_line}"
    best = _head(entry, chunks, best)
    is_symbol = re.fullmatch(r"[A-Za-z_][\w.:#]*(?:\(\))?", entry.component)
    if is_symbol and chunks[best].symbol and _overlap(entry, chunks[best]) < SAME_LINES:
        return f"{entry.file} has no symbol {entry.component}; lines {entry.start_line}-{entry.end_line} hold {chunks[best].symbol}"
    return best


def _parts(symbol: str) -> list[str]:
    return [part for part in re.split(r"\.|::|#| > ", symbol.strip().removesuffix("()")) if part]


_SHORTER = 2
"""Rank of a chunk whose symbol is only the end of the component."""


def _rank(chunk: Chunk, component: str) -> int | None:
    """0 where the component is the chunk's symbol, 1 where it is the end of it, `_SHORTER` where it ends with it, else none."""
    own, asked = _parts(chunk.symbol or ""), _parts(component)
    shorter = min(len(own), len(asked))
    if not shorter or own[-shorter:] != asked[-shorter:]:
        return None
    return _SHORTER if len(own) < len(asked) else int(len(own) > len(asked))


def _distance(entry: Manual, chunk: Chunk) -> tuple[int, float]:
    """Lines between the entry and the chunk, then how little they overlap."""
    if not entry.start_line:
        return 0, 0.0
    gap = max(0, chunk.start_line - entry.end_line, entry.start_line - chunk.end_line)
    return gap, -_overlap(entry, chunk)


def _overlap(entry: Manual, chunk: Chunk) -> float:
    """Intersection over union of the lines, 0 to 1."""
    shared = min(entry.end_line, chunk.end_line) - max(entry.start_line, chunk.start_line) + 1
    union = max(entry.end_line, chunk.end_line) - min(entry.start_line, chunk.start_line) + 1
    return max(0, shared) / union


def _head(entry: Manual, chunks: Sequence[Chunk], best: int) -> int:
    """The head of the class whose members the entry covers with it, else the best chunk itself."""
    owner = _parts(chunks[best].symbol or "")[:-1]
    for index, chunk in enumerate(chunks):
        covered = entry.start_line <= chunk.start_line and chunk.end_line <= entry.end_line
        if owner and covered and _parts(chunk.symbol or "") == owner:
            return index
    return best
