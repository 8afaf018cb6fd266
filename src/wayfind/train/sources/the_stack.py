"""The Stack, deduplicated (D. Kocetkov et al., 2022, https://arxiv.org/abs/2211.15533): whole files in, docstring pairs out.

A folder with parquet or JSON lines below data/LANGUAGE, as it is published, or the name on the hub, which is streamed and
needs the acceptance of its terms. Rows carry `content`, `ext`, `max_stars_repo_name`, `max_stars_repo_path` and
`max_stars_repo_licenses`; the pairs are cut by the extraction of the index.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wayfind.corpus.extract import extract
from wayfind.errors import NotFound, UsageError
from wayfind.train.pairs import Pair, json_rows
from wayfind.train.quality import problem
from wayfind.train.sources.hub import streamed
from wayfind.train.sources.kinds import documented
from wayfind.train.sources.repository import Yield, read_on
from wayfind.train.sources.tree import of_record

FOLDERS = {"csharp": "c-sharp", "cpp": "c++", "objc": "objective-c", "bash": "shell", "fsharp": "f-sharp", "protobuf": "protocol-buffer", "tlaplus": "tla", "smtlib": "smt"}
"""Our name of a language -> the folder of the set, where they differ."""
COLUMNS = ("content", "ext", "lang", "max_stars_repo_name", "max_stars_repo_path", "max_stars_repo_licenses")
MOST_PER_REPOSITORY = 200


def the_stack_pairs(place: str, language: str, cap: int, weight: float) -> Yield:
    """At most `cap` docstring pairs of one language, in the order of the rows, so that a stream ends early."""
    found = Yield()
    by_origin: Counter[str] = Counter()
    files = file_rows(Path(place), language) if Path(place).is_dir() else [streamed(place, None, "train", f"data/{_folder(language)}")]
    for row in read_on(files, found):
        found.files += 1
        for pair, reason in row_pairs(row, weight):
            if reason or by_origin[pair.origin] >= MOST_PER_REPOSITORY:
                found.dropped[f"docstring: {reason or 'repository gave enough'}"] += 1
                continue
            by_origin[pair.origin] += 1
            found.pairs.append(pair)
            if len(found.pairs) == cap:
                return found
    return found


def row_pairs(row: Mapping[str, Any], weight: float) -> Iterator[tuple[Pair, str | None]]:
    """The pairs of one file, each with the reason against it, if any."""
    path = str(row.get("max_stars_repo_path") or row.get("path") or f"file.{row.get('ext', 'txt')}")
    origin = str(row.get("max_stars_repo_name") or row.get("repo_name") or "the-stack")
    licences = row.get("max_stars_repo_licenses") or row.get("licenses") or row.get("license") or []
    licence = " OR ".join(sorted(set(map(str, [licences] if isinstance(licences, str) else licences)))) or "unknown"
    record = extract(str(row.get("content", "")).encode("utf-8", "replace"), path)
    if isinstance(record, str):
        return
    for draft in documented(list(of_record(record, path))):
        one = draft.definition
        yield Pair(draft.query, draft.code, one.language, "docstring", origin, licence, path, one.symbol, weight), problem(draft.query, draft.code, "docstring")


def file_rows(folder: Path, language: str) -> Iterator[Iterator[Mapping[str, Any]]]:
    """The rows of each file in data/LANGUAGE of a folder."""
    under = next((one for name in (_folder(language), language) for one in (folder / "data" / name, folder / name) if one.is_dir()), None)
    if under is None:
        raise NotFound(f"{folder}: no folder data/{_folder(language)} in it; expected the layout of bigcode/the-stack-dedup")
    for path in sorted(under.iterdir()):
        if path.suffix == ".parquet":
            yield _parquet_rows(path)
        elif path.name.endswith((".jsonl", ".jsonl.gz", ".json", ".json.gz")):
            yield json_rows(path)


def _parquet_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        from pyarrow import ArrowInvalid
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise UsageError(f"{path}: parquet is read by `pyarrow`, which is not installed; run: pip install 'wayfind[hub]'") from None
    try:
        file = ParquetFile(path)
    except (ArrowInvalid, OSError) as problem:
        raise UsageError(f"{path}: no parquet, or damaged: {problem}; fetch the file again") from None
    with file:
        names = file.schema_arrow.names
        if "content" not in names:
            raise UsageError(f"{path}: no column `content`, which holds the code; there is {', '.join(names)}")
        try:
            for batch in file.iter_batches(batch_size=200, columns=[name for name in COLUMNS if name in names]):
                yield from batch.to_pylist()
        except (ArrowInvalid, OSError) as problem:
            raise UsageError(f"{path}: damaged: {problem}; fetch the file again") from None


def _folder(language: str) -> str:
    return FOLDERS.get(language, language)
