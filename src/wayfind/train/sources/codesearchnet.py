"""CodeSearchNet (H. Husain et al., 2019, https://arxiv.org/abs/1909.09436): its published files, or its name on the hub, to pairs.

The published layout is LANGUAGE/final/jsonl/PART/LANGUAGE_PART_N.jsonl.gz; any folder with files so named will do. Rows of the
test part are left out, whatever file they stand in, and those of its files are what no pair of any source may be like. The set says
no licence for each repository: they are recorded as unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from wayfind.corpus.extract import extract
from wayfind.corpus.languages import LANGUAGES
from wayfind.errors import NotFound
from wayfind.model.text import chunk_text
from wayfind.train.pairs import Pair, json_rows
from wayfind.train.quality import problem
from wayfind.train.recipe import CodeSearchNet
from wayfind.train.sources.hub import streamed
from wayfind.train.sources.kinds import without_subject
from wayfind.train.sources.masking import without_documentation
from wayfind.train.sources.repository import Yield, rank, read_on
from wayfind.train.sources.tree import of_record

FILE = re.compile(r"(?P<language>[a-z]+)_(?P<part>train|valid|test)_\d+\.jsonl(?:\.gz)?$")
READING = "2"
"""Raised whenever the same rows give other pairs, so that no older spill is taken."""
LICENCE = "unknown (CodeSearchNet names none for a function)"
KEYS = {
    "code": ("whole_func_string", "original_string", "func_code_string", "code"),
    "docstring": ("func_documentation_string", "docstring"),
    "name": ("func_name",),
    "repo": ("repository_name", "repo"),
    "path": ("func_path_in_repository", "path"),
    "part": ("split_name", "partition"),
    "language": ("language",),
}
"""What a row says -> its key on the hub, then in the published files."""
PARTS = {"train": "train", "valid": "valid", "validation": "valid"}


def codesearchnet_pairs(place: str, language: str, cap: int, weight: float, seed: int) -> Yield:
    """The docstring pairs of one language, of its parts train and valid; `cap` of them at most where it is not 0."""
    found = Yield()
    for row in read_on(hub_rows(place, language) if _is_of_the_hub(place) else file_rows(Path(place), language), found):
        pair, reason = row_pair(row, language, weight)
        if reason:
            found.dropped[f"docstring: {reason}"] += 1
        else:
            found.pairs.append(pair)
            if cap and len(found.pairs) > 2 * cap + 1000:
                found.pairs = _fewer(found.pairs, cap, seed)
    if cap:
        found.pairs = _fewer(found.pairs, cap, seed)
    return found


def _is_of_the_hub(place: str) -> bool:
    """Whether a place is a name on the hub, or a folder as the hub keeps it: parquet and none of the published files."""
    folder = Path(place)
    return not folder.is_dir() or (not _files(folder) and any(folder.rglob("*.parquet")))


def _fewer(pairs: Iterable[Pair], cap: int, seed: int) -> list[Pair]:
    return sorted(pairs, key=lambda pair: rank(pair.id, seed))[:cap]


def row_pair(row: Mapping[str, Any], language: str, weight: float) -> tuple[Pair | None, str | None]:
    """The pair of a row, or why there is none."""
    part = PARTS.get(_of(row, "part"))
    if part is None:
        return None, "test part" if _of(row, "part") == "test" else "no part"
    path, name = _of(row, "path"), _of(row, "name")
    query, code = _spoken(_of(row, "code"), path, name, _of(row, "docstring"), language)
    if code is None:
        return None, "documentation not removable"
    if reason := problem(query, code, "docstring"):
        return None, reason
    return Pair(query, code, language, "docstring", _of(row, "repo"), LICENCE, path, name or None, weight, part), None


def _spoken(code: str, path: str, name: str, docstring: str, language: str) -> tuple[str, str | None]:
    """The first sentences of a row's documentation, and its code as search encodes it, without the documentation.

    A method is cut out of its class here, so PHP and Java need one around it to be read.
    """
    from wayfind.corpus.targets import first_sentences

    record = extract(_whole(code, language).encode("utf-8", "replace"), f"row.{_extension(language)}")
    if not isinstance(record, str):
        own = name.rpartition(".")[2]
        for one in of_record(record, path):
            if one.symbol and one.symbol.rpartition(".")[2] == own:
                lines = without_documentation(one)
                said = one.chunk.target.text if one.chunk.target.provenance == "docstring" else ""
                if lines is not None:
                    query = without_subject(said or first_sentences(_prose(docstring)), own)
                    return query, chunk_text(path, name or None, "\n".join(lines))
    return "", None


def _prose(docstring: str) -> str:
    """The first paragraph of a documentation before its tags."""
    head = re.split(r"\n\s*\n|\n\s*[@:]\w+", docstring.strip(), maxsplit=1)[0]
    return " ".join(head.split())


def _whole(code: str, language: str) -> str:
    if language == "php":
        return f"<?php\nclass Row {{\n{code}\n}}\n"
    return f"class Row {{\n{code}\n}}\n" if language == "java" else code


def _extension(language: str) -> str:
    return next((one.extensions.split()[0] for one in LANGUAGES if one.name == language and one.extensions), "txt")


def file_rows(folder: Path, language: str, parts: Sequence[str] = ("train", "valid")) -> Iterator[Iterator[Mapping[str, Any]]]:
    """The rows of each of a language's files of some parts below a folder, with the part that the file's name says where a row says none."""
    files = [(path, part) for path, own, part in _files(folder) if own == language]
    if not files:
        raise NotFound(f"{folder}: no files named {language}_train_0.jsonl.gz in it; expected the published files of CodeSearchNet")
    for path, part in files:
        if part in parts:
            yield _of_part(json_rows(path), part)


def _files(folder: Path) -> list[tuple[Path, str, str]]:
    """The published files below a folder, each with its language and its part."""
    return [(path, found["language"], found["part"]) for path in sorted(folder.rglob("*.jsonl*")) if (found := FILE.match(path.name))]


def held_out_languages(folder: Path) -> list[str]:
    """The languages whose published test files lie below a folder, or whose test rows as the hub keeps them; none where it is no folder."""
    of_the_hub = [path.parent.name for path in folder.rglob("test-*.parquet")] if not _files(folder) else []
    return sorted({language for _, language, part in _files(folder) if part == "test"} | {name for name in of_the_hub if name in CodeSearchNet(str(folder)).languages})


def held_out(folder: Path, language: str) -> Yield:
    """The codes of the test rows of one language in a folder, as the codes of pairs."""
    files = [streamed(str(folder), language, "test")] if _is_of_the_hub(str(folder)) else file_rows(folder, language, ("test",))
    codes = (code for rows in files for row in rows if (code := _of(row, "code")).strip())
    return Yield([Pair("-", code, language, origin="codesearchnet") for code in codes])


def hub_rows(name: str, language: str) -> Iterator[Iterator[Mapping[str, Any]]]:
    """The rows of a language on the hub, or in a folder as the hub keeps it, of train and of validation."""
    for part in ("train", "validation"):
        yield _of_part(streamed(name, language, part), part)


def _of_part(rows: Iterable[Mapping[str, Any]], part: str) -> Iterator[Mapping[str, Any]]:
    return ({"partition": part} | dict(row) for row in rows)


def _of(row: Mapping[str, Any], what: str) -> str:
    return next((str(row[key]) for key in KEYS[what] if row.get(key)), "")
