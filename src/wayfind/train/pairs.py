"""A pair: a question and the text of the code that answers it, as one line of JSON; and folders of shards of such lines.

What reads pairs refuses an unknown key, a wrong type and a missing question or code, and says in which line.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from wayfind.errors import NotFound, UsageError
from wayfind.model.bundle import digest_of

Kind = Literal["docstring", "name", "comment", "section", "test", "commit", "pair"]
KINDS: tuple[Kind, ...] = ("docstring", "name", "comment", "section", "test", "commit", "pair")
"""What the question is made of: documentation, a name in words, a comment, a section of a document, the name of a test, the
subject of a commit; `pair` is one that was given as such."""
Part = Literal["train", "valid", "test"]
PARTS: tuple[Part, ...] = ("train", "valid", "test")
MANIFEST = "manifest.json"
LARGEST_WEIGHT = 1e9
"""Of a pair: token shards hold weights as float32, whose sum must be finite."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and code that answers it. `code` is what `model.text.chunk_text` makes of the path, the symbol and the lines."""

    query: str
    code: str
    language: str = "text"
    kind: Kind = "pair"
    origin: str = ""
    """Repository (`owner/name`) or data set that it comes from."""
    licence: str = ""
    """SPDX identifier where it is known."""
    path: str = ""
    symbol: str | None = None
    weight: float = 1.0
    """Share in the sampler or the loss, relative to 1."""
    part: Part = "train"
    negatives: tuple[str, ...] = ()
    """Texts like `code` that do not answer the question."""

    @property
    def id(self) -> str:
        """A hash of question and code: the same pair has the same id, wherever it was found."""
        return hashlib.sha256(f"{self.query}\0{self.code}".encode("utf-8", "replace")).hexdigest()[:16]


NAMES = tuple(field.name for field in fields(Pair))


def to_line(pair: Pair) -> str:
    """The pair as one line of JSON without the line end; every field is there, and `id`."""
    values = {name: getattr(pair, name) for name in NAMES} | {"negatives": list(pair.negatives), "id": pair.id}
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def from_line(line: str, where: str = "line") -> Pair:
    """The pair of a line. Raises UsageError, with `where`, when it is none.

    >>> from_line('{"query": "add two numbers", "code": "def add(a, b): ..."}').kind
    'pair'
    """
    return from_values(_object(line, where), where)


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except ValueError as problem:
        raise UsageError(f"{where}: not a line of JSON: {problem}") from None
    except RecursionError:
        raise UsageError(f"{where}: not a pair: lists or objects lie in each other too deeply") from None
    if not isinstance(values, dict):
        raise UsageError(f"{where}: expected an object, found {type(values).__name__}")
    return values


def from_values(values: Mapping[str, Any], where: str) -> Pair:
    """The pair of given values. Raises UsageError on an unknown key, a wrong type or an empty question or code."""
    for key in values:
        if key not in NAMES and key != "id":
            near = get_close_matches(key, NAMES, 1)
            raise UsageError(f"{where}: unknown key `{key}`" + (f"; did you mean `{near[0]}`?" if near else f"; known are {', '.join(NAMES)}"))
    for key in ("query", "code"):
        if not isinstance(values.get(key), str) or not values[key].strip():
            raise UsageError(f"{where}: `{key}` must be a text that is not empty")
    for key, choices in (("kind", KINDS), ("part", PARTS)):
        if values.get(key, choices[0]) not in choices:
            raise UsageError(f"{where}: `{key}` is {values[key]!r}; expected one of {', '.join(choices)}")
    negatives, weight = values.get("negatives", ()), values.get("weight", 1.0)
    if not isinstance(negatives, (list, tuple)) or not all(isinstance(text, str) for text in negatives):
        raise UsageError(f"{where}: `negatives` must be a list of texts")
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight <= LARGEST_WEIGHT:
        raise UsageError(f"{where}: `weight` must be a number from 0 to {LARGEST_WEIGHT:g}, found {str(weight)[:40]}")
    for key in ("language", "origin", "licence", "path", "symbol"):
        if not isinstance(values.get(key, ""), str) and (key, values[key]) != ("symbol", None):
            raise UsageError(f"{where}: `{key}` must be a text, found {values[key]!r}")
    kept = {key: value for key, value in values.items() if key != "id"}
    return Pair(**kept | {"negatives": tuple(negatives), "weight": float(weight)})


def read_lines(path: Path) -> Iterator[Pair]:
    """The pairs of one file of lines, packed by gzip or plain. Raises NotFound, UsageError."""
    if not path.is_file():
        raise NotFound(f"{path}: no such file of pairs")
    yield from (from_values(values, where) for where, values in placed_rows(path))


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file, packed by gzip or plain, that are not empty, each with its number. Raises UsageError where it is damaged."""
    try:
        with gzip.open(path, "rt", encoding="utf-8-sig") if path.suffix == ".gz" else open(path, encoding="utf-8-sig") as lines:
            yield from ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    except UnicodeDecodeError as problem:
        raise UsageError(f"{path}:{_undecodable(path)}: damaged, or no text in UTF-8: {problem.reason}; write or fetch the file again") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as problem:
        raise UsageError(f"{path}: damaged, or no lines of text: {problem}; write or fetch the file again") from None


def _undecodable(path: Path) -> int:
    """The number of the first line that is not UTF-8."""
    with gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                break
    return number


def json_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines, packed by gzip or plain. Raises UsageError."""
    yield from (values for _, values in placed_rows(path))


def placed_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a file of JSON lines, each with its place, FILE:LINE. Raises UsageError."""
    yield from ((f"{path}:{number}", _object(line, f"{path}:{number}")) for number, line in text_lines(path))


def read_pairs(folder: Path, part: Part | None = None) -> Iterator[Pair]:
    """The pairs of a part (None: of all parts) of a folder that `wayfind data build` wrote, in the order of the shards. Raises NotFound,
    UsageError where a shard is missing or not the one that was written."""
    for shard, digest in shards(folder).items():
        if part is None or shard.parent.name == part:
            if digest and digest_of(shard) != digest:
                raise UsageError(f"{shard}: not the file that {MANIFEST} names: it was cut or changed; fetch it again, or build the folder again")
            yield from read_lines(shard)


def shards(folder: Path) -> dict[Path, str]:
    """The shards of a folder, train first, with their SHA-256. Raises NotFound where there is no manifest, UsageError where a shard is missing."""
    listed = {folder / name: said.get("sha256", "") for name, said in manifest_of(folder)["shards"].items()}
    if missing := next((path for path in listed if not path.is_file()), None):
        raise UsageError(f"{missing}: named by the manifest and not there; build the folder again")
    return listed


def manifest_of(folder: Path) -> dict[str, Any]:
    """What the manifest of a folder of shards says. Raises NotFound, UsageError."""
    path = folder / MANIFEST
    if not path.is_file():
        raise NotFound(f"{folder}: no {MANIFEST} in it; make the folder with: wayfind data build CONFIG.yaml --output {folder}")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise UsageError(f"{path}: damaged: {problem}; build the folder again") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("shards"), dict) or not all(isinstance(said, dict) for said in manifest["shards"].values()):
        raise UsageError(f"{path}: names no shards, so it is no manifest of pairs; name a folder that `wayfind data build` wrote")
    return manifest


def write_shard(path: Path, lines: Iterable[str]) -> str:
    """Write lines, packed; equal lines give equal bytes. Returns the SHA-256 of the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
        for line in lines:
            packed.write(line.encode("utf-8", "replace") + b"\n")
    return digest_of(path)
