"""Queries from a file: YAML or JSON in, a `Spec` out; gold that is not in the corpus is refused before anything is measured.

    corpus: ../project          # folder, relative to this file; may be left out: PATH, else the current folder or this file's
    queries:
      - query: where are retries counted
        relevant: [src/http.py:Session.request, docs/retry.md, src/pool.py:40-62]
        id: retries             # optional, as is kind

Unknown keys are errors that name the nearest known one.
"""

from __future__ import annotations

import difflib
import json
import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from wayfind.errors import NotFound, UsageError
from wayfind.evaluate.queries import Gold, Query, QuerySet, is_unnamed, query

LINES = re.compile(r"^(.+):(\d+)(?:-(\d+))?$")
HEAD_KEYS = ("corpus", "queries")
QUERY_KEYS = ("query", "relevant", "id", "kind")


@dataclass(frozen=True, slots=True)
class Asked:
    """One query of a spec file, its relevant places as written."""

    text: str
    relevant: tuple[str, ...]
    id: str | None
    kind: str


@dataclass(frozen=True, slots=True)
class Spec:
    """A spec file as read, not yet checked against a corpus."""

    file: Path
    corpus: Path | None
    queries: tuple[Asked, ...]


def read_spec(file: Path) -> Spec:
    """Read a spec file. Raises NotFound and UsageError, which names the file and the place in it."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as missing:
        raise NotFound(f"no such spec file: {file}") from missing
    except (OSError, UnicodeDecodeError) as broken:
        raise UsageError(f"cannot read the spec file {file}: {broken}") from broken
    data = _parse(text, file)
    _check_keys(data, HEAD_KEYS, ("queries",), str(file))
    corpus, queries = data.get("corpus"), data["queries"]
    if corpus is not None and not isinstance(corpus, str):
        raise UsageError(f"{file}: corpus must be a folder; found {corpus!r}")
    if not isinstance(queries, list) or not queries:
        raise UsageError(f"{file}: queries must be a list of at least one query; found {queries!r}")
    asked = tuple(_asked(entry, f"{file}: query {number}") for number, entry in enumerate(queries, 1))
    twice = [name for name, times in Counter(a.id for a in asked if a.id).items() if times > 1]
    if twice:
        raise UsageError(f"{file}: ids must differ; used more than once: {', '.join(twice)}")
    return Spec(file, (file.parent / Path(corpus).expanduser()).resolve() if corpus is not None else None, asked)


def corpus_of(spec: Spec) -> Path:
    """The folder that a spec is about: the one it names; else the current one, or the spec file's own, where its places lie. Raises
    UsageError where they lie in neither."""
    if spec.corpus is not None:
        return spec.corpus
    paths = {place.strip().partition(":")[0] for asked in spec.queries for place in asked.relevant}
    around = (Path.cwd(), spec.file.resolve().parent)
    found = next((folder for folder in around if any((folder / path).exists() for path in paths)), None)
    if found is None:
        raise UsageError(f"no place that {spec.file} names lies in {' or '.join(map(str, dict.fromkeys(around)))}; give the folder: wayfind eval FOLDER --spec {spec.file}")
    return found


def spec_queries(spec: Spec, root: Path, chunks: Iterable) -> QuerySet:
    """The queries of a spec over the index whose chunks are given; every gold that is not there is named in one UsageError."""
    check = _Corpus.of(root, chunks)
    missing: list[str] = []
    queries: list[Query] = []
    for number, asked in enumerate(spec.queries, 1):
        gold: list[Gold] = []
        for place in asked.relevant:
            found = check.gold(place)
            if isinstance(found, str):
                missing.append(f"  query {asked.id or number}: {found}")
            else:
                gold.append(found)
        if gold:
            made = query(asked.kind, asked.text, gold)
            queries.append(Query(asked.id or made.id, asked.text, asked.kind, made.gold, is_unnamed(asked.text, made.gold)))
    if missing:
        raise UsageError(f"{spec.file}: {len(missing)} relevant places are not in the index of {root}:\n" + "\n".join(missing))
    inside = spec.file.resolve().is_relative_to(root)
    hidden = frozenset({spec.file.resolve().relative_to(root).as_posix()}) if inside else frozenset()
    return QuerySet("spec", root, tuple(queries), note=f"queries of {spec.file.name}", hidden=hidden)


@dataclass(frozen=True, slots=True)
class _Corpus:
    """What a spec's gold is checked against: symbols and last line of every indexed file."""

    root: Path
    symbols: Mapping[str, frozenset[str]]
    lines: Mapping[str, int]

    @classmethod
    def of(cls, root: Path, chunks: Iterable) -> _Corpus:
        symbols: defaultdict[str, set[str]] = defaultdict(set)
        lines: dict[str, int] = {}
        for chunk in chunks:
            lines[chunk.path] = max(lines.get(chunk.path, 0), chunk.end_line)
            if chunk.symbol:
                symbols[chunk.path].add(chunk.symbol)
        return cls(root, {path: frozenset(symbols[path]) for path in lines}, lines)

    def gold(self, place: str) -> Gold | str:
        """The gold that a relevant place stands for, or what is wrong with it."""
        path, colon, symbol = place.strip().partition(":")
        whole = posixpath.normpath(path) + colon + symbol
        if whole in self.lines:
            return Gold(whole)
        if span := LINES.match(whole):
            path, start = span[1], int(span[2])
            return self._lines(place, path, start, int(span[3] or start))
        path, colon, symbol = whole.partition(":")
        if not colon or path not in self.lines:
            return self._no_file(place, path)
        if symbol in self.symbols[path]:
            return Gold(path, symbol)
        return f"{place}: {path} has no symbol {symbol!r}{_nearest(symbol, self.symbols[path])}"

    def _lines(self, place: str, path: str, start: int, end: int) -> Gold | str:
        if path not in self.lines:
            return self._no_file(place, path)
        if not 1 <= start <= end <= self.lines[path]:
            return f"{place}: {path} has lines 1 to {self.lines[path]}"
        return Gold(path, None, start, end)

    def _no_file(self, place: str, path: str) -> str:
        if (self.root / path).is_file():
            return f"{place}: the file is there but not indexed; `wayfind status` says why"
        return f"{place}: no such file{_nearest(path, self.lines)}"


class _Strict(yaml.SafeLoader):
    """Safe YAML that refuses a key written twice instead of taking the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if (name := _written_twice(names)) is not None:
            raise yaml.constructor.ConstructorError(None, None, f"the key {name!r} is written twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _parse(text: str, file: Path) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_pairs) if file.suffix == ".json" else yaml.load(text, _Strict)
    except (ValueError, yaml.YAMLError, RecursionError) as broken:
        raise UsageError(f"{file} is not readable as {'JSON' if file.suffix == '.json' else 'YAML'}: {broken}") from broken


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object that refuses a key written twice."""
    if (name := _written_twice([key for key, _ in pairs])) is not None:
        raise ValueError(f"the key {name!r} is written twice")
    return dict(pairs)


def _written_twice(names: Sequence[str]) -> str | None:
    return next((name for name, times in Counter(names).items() if times > 1), None)


def _asked(entry: Any, where: str) -> Asked:
    _check_keys(entry, QUERY_KEYS, ("query", "relevant"), where)
    text, relevant, kind = entry["query"], entry["relevant"], entry.get("kind", "spec")
    if not isinstance(text, str) or not text.strip():
        raise UsageError(f"{where}: query must be a text; found {text!r}")
    relevant = [relevant] if isinstance(relevant, str) else relevant
    if not isinstance(relevant, list) or not relevant or not all(isinstance(place, str) and place.strip() for place in relevant):
        raise UsageError(f"{where}: relevant must list path, path:Symbol, path:line or path:start-end; found {relevant!r}")
    if not isinstance(kind, str):
        raise UsageError(f"{where}: kind must be a word; found {kind!r}")
    return Asked(text, tuple(relevant), None if entry.get("id") is None else str(entry["id"]), kind)


def _check_keys(data: Any, known: Sequence[str], needed: Sequence[str], where: str) -> None:
    if not isinstance(data, dict):
        raise UsageError(f"{where}: expected the keys {', '.join(known)}; found {type(data).__name__}")
    for key in data:
        if key not in known:
            raise UsageError(f"{where}: unknown key {key!r}{_nearest(str(key), known, least=0.0)}")
    for key in needed:
        if key not in data:
            raise UsageError(f"{where}: the key {key!r} is missing")


def _nearest(name: str, known: Iterable[str], least: float = 0.5) -> str:
    close = difflib.get_close_matches(name, sorted(known), 1, least)
    return f"; did you mean {close[0]!r}?" if close else ""
