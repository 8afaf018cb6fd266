"""The commands that tell how things stand: status, languages, version."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wayfind import __version__
from wayfind.index.home import bytes_below, bytes_of
from wayfind.serve.exits import FOUND, NOTHING
from wayfind.serve.place import Opened, folder_around, home_of, is_begun, opened
from wayfind.serve.request import Printed, Request, Shape
from wayfind.serve.screen import counted, shown
from wayfind.types import IndexState

if TYPE_CHECKING:
    from wayfind.index.catalogue import Manifest
    from wayfind.index.snapshot import Snapshot

EXAMPLES = 5
"""Skipped files named for each reason."""
SAMPLES = 3
"""Explanations shown of each provenance."""
_BRIEF = 110


@dataclass(frozen=True, slots=True)
class Standing:
    """What an index holds and what it lacks."""

    state: IndexState
    refreshed: int
    """When the index was last brought up to date, seconds since 1970."""
    languages: dict[str, tuple[int, int]]
    """Language -> (files, chunks)."""
    provenance: dict[str, int]
    """Provenance -> chunks."""
    kinds: dict[str, int]
    skipped: dict[str, list[str]]
    """Reason -> some of the files or folders."""
    problems: dict[str, list[str]]
    """What could not be done as wished -> the files."""
    secrets: int
    """Secrets that were masked."""
    commits: int
    manual_unmatched: list[str]
    sizes: dict[str, int]
    """Part of the index -> bytes."""
    feedback: dict[str, int]
    """Mark (`good`, `bad`, `opened`) -> results that the user marked so."""
    vocabulary: dict[str, int]
    """`pinned` and `forgotten` -> entries of the vocabulary of which the user said so."""


@click.command("status")
@click.argument("path", required=False)
@click.option("--coverage", is_flag=True, help="Show where the explanations come from, with samples.")
@click.option("--index", metavar="FOLDER", help="The index that `wayfind index --output FOLDER` wrote.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status_command(path: str | None, coverage: bool, index: str | None, as_json: bool) -> int:
    """Show what is indexed of the repository at PATH (default: the one around the current folder, or that folder), how fresh it is, what was skipped and why. Nothing is changed."""
    home = home_of(index)
    path = path or (folder_around() if home is None else None)
    told = _by_resident(path or ".", coverage, as_json) if home is None else None
    told = told or standing_of(path, home, coverage, as_json)
    for line in told.rows:
        click.echo(line)
    return told.code


def _by_resident(path: str, coverage: bool, as_json: bool) -> Printed | None:
    from wayfind.serve.client import asked

    root = os.path.realpath(os.path.expanduser(path))
    return asked(lambda: Request("status", (root,), coverage=coverage, shape=Shape("json" if as_json else "text")))


def standing_of(path: str | None, home: Path | None, coverage: bool, as_json: bool) -> Printed:
    """What `status` prints of a repository. Raises as `opened` does."""
    if not is_begun(path, home):
        return _not_indexed(Path(path or ".").expanduser().resolve())
    with opened(path, home) as place:
        if not place.tree.catalogue.generation():
            return _not_indexed(place.tree.root)
        standing = stand(place)
        if as_json:
            from wayfind.serve.machine import dumps

            return Printed((dumps(as_object(standing)),), FOUND)
        samples = _coverage(standing, place.repository.snapshot()) if coverage else ()
        return Printed((*_lines(standing), *samples), FOUND)


def _not_indexed(root: Path) -> Printed:
    return Printed((f"{shown(os.fspath(root))} is not indexed yet; the first search does it, or: wayfind index",), NOTHING)


@click.command("languages")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def languages_command(as_json: bool) -> None:
    """List the languages that are cut into definitions, those cut by their structure, and those cut into windows."""
    from wayfind.corpus.documents import MARKS
    from wayfind.corpus.entries import READERS
    from wayfind.corpus.languages import LANGUAGES, has_grammar

    ways = {"definitions": has_grammar, "structure": {*MARKS, *READERS}.__contains__, "windows": lambda name: True}
    cut: dict[str, list[str]] = {way: [] for way in ways}
    for language in LANGUAGES:
        cut[next(way for way, does in ways.items() if does(language.name))].append(language.name)
    if as_json:
        click.echo(json.dumps(cut))
        return
    for way, names in cut.items():
        click.echo(f"{way} ({len(names)}): {', '.join(names)}")


@click.command("version")
def version_command() -> None:
    """Print the version."""
    click.echo(f"wayfind {__version__}")


def stand(place: Opened) -> Standing:
    """How the index of an opened repository stands. Reads it and the tree; changes nothing."""
    from wayfind.corpus.walk import walk
    from wayfind.index.refresh import stale
    from wayfind.search import feedback
    from wayfind.search.engine import state
    from wayfind.search.vocabulary import read_edits

    snapshot, tree = place.repository.snapshot(), place.tree
    manifest, edits = snapshot.manifest, read_edits(tree.folder)
    stale_files = place.stale_files if place.gone else stale(tree, manifest)
    skipped: dict[str, list[str]] = {}
    for found in [] if place.gone else walk(tree.root).skips:
        skipped.setdefault(found.reason, []).append(found.path)
    for row in manifest.rows.values():
        if row.reason:
            skipped.setdefault(row.reason, []).append(row.path)
    problems, secrets = _problems(snapshot)
    return Standing(
        state(snapshot, stale_files, "" if place.gone else place.repository.searcher().adaptation), int(manifest.meta.get("refreshed", 0)), _by_language(snapshot),
        _counts(snapshot.provenance_of(chunk) for chunk in range(snapshot.chunks)), _counts(snapshot.kind_of(chunk) for chunk in range(snapshot.chunks)),
        {reason: sorted(paths)[:EXAMPLES] for reason, paths in sorted(skipped.items())}, problems, secrets,
        int(manifest.meta.get("commits", 0)), json.loads(manifest.meta.get("unmatched", "[]")),
        {"this index": bytes_below(tree.folder), "content of all repositories": _size_of_store(tree.store.path), **_sizes_beside(tree.store.path), **_size_of_tokens(tree.folder, manifest)},
        feedback.counts(feedback.read(tree.folder)), {"pinned": len(edits.pinned), "forgotten": len(edits.forgotten)},
    )


def as_object(standing: Standing) -> dict[str, Any]:
    """The standing as JSON; `index` is as in an answer."""
    from wayfind.serve.machine import SCHEMA_VERSION, index_object

    return {
        "schema_version": SCHEMA_VERSION,
        "index": index_object(standing.state),
        "refreshed": standing.refreshed,
        "languages": {name: {"files": files, "chunks": chunks} for name, (files, chunks) in standing.languages.items()},
        "kinds": standing.kinds,
        "provenance": standing.provenance,
        "skipped_examples": standing.skipped,
        "problems": standing.problems,
        "secrets_masked": standing.secrets,
        "commits": standing.commits,
        "manual_unmatched": standing.manual_unmatched,
        "bytes": standing.sizes,
        "feedback": standing.feedback,
        "vocabulary": standing.vocabulary,
    }


def _lines(standing: Standing) -> Iterator[str]:
    state = standing.state
    fresh = f"{counted(state.stale_files, 'file')} changed since; the next search takes them in" if state.stale_files else "fresh"
    yield f"{shown(state.root)}"
    yield _row("index", f"generation {state.generation}, {fresh}")
    yield _row("holds", f"{counted(state.files, 'file')}, {counted(state.chunks, 'chunk')}; {counted(standing.commits, 'commit')} read")
    if state.chunks:
        yield _row("explained", f"{state.coverage:.1%} ({_human(standing.provenance):.1%} in words that people wrote)")
    if state.model != "lexical" and state.chunks:
        yield _row("vectors", f"{state.encoded:.1%} of the chunks, by {shown(state.model)}" + ("; the rest when asked for, or: wayfind index" if state.encoded < 1 else ""))
    if state.adaptation:
        yield _row("learned", f"{state.adaptation}; what and how well: wayfind learn --status")
    if state.chunks and (size := standing.sizes.get("token vectors")):
        yield _row("tokens", f"{size / state.chunks:,.0f} bytes a chunk for late interaction (setting late-interaction)")
    for number, (name, (files, chunks)) in enumerate(standing.languages.items()):
        yield _row("" if number else "languages", f"{name}: {counted(files, 'file')}, {counted(chunks, 'chunk')}")
    for number, (reason, count) in enumerate(sorted(state.skipped.items(), key=lambda item: -item[1])):
        yield _row("" if number else "skipped", f"{count:,} {reason}{_examples(standing.skipped.get(reason, []), count)}")
    for number, (problem, paths) in enumerate(standing.problems.items()):
        yield _row("" if number else "problems", f"{len(paths):,} {problem}{_examples(paths[:EXAMPLES], len(paths))}")
    if standing.secrets:
        yield _row("secrets", f"{standing.secrets:,} masked before anything was stored")
    if standing.manual_unmatched:
        yield _row("manual", f"{counted(len(standing.manual_unmatched), 'explanation')} matching nothing: {shown(standing.manual_unmatched[0])}")
    if any(standing.feedback.values()):
        yield _row("feedback", f"{_listed(standing.feedback)}; wayfind feedback --list")
    if any(standing.vocabulary.values()):
        yield _row("words", f"{_listed(standing.vocabulary)}; wayfind vocabulary --edits")
    yield _row("size", ", ".join(f"{name} {_bytes(size)}" for name, size in standing.sizes.items()))


def _coverage(standing: Standing, snapshot: Snapshot) -> Iterator[str]:
    """Chunks by provenance of their explanation, with samples spread evenly over the repository."""
    from wayfind.types import PROVENANCES

    for provenance in PROVENANCES:
        count = standing.provenance.get(provenance, 0)
        if not count:
            continue
        yield ""
        yield f"{provenance}: {counted(count, 'chunk')}, {count / snapshot.chunks:.1%}"
        having = [chunk for chunk in range(snapshot.chunks) if snapshot.provenance_of(chunk) == provenance]
        for chunk in having[:: max(1, -(-len(having) // SAMPLES))][:SAMPLES]:
            yield f"  {_sample(snapshot, chunk)}"


def _sample(snapshot: Snapshot, chunk: int) -> str:
    text = " ".join(snapshot.chunk(chunk)[0].target.text.split())
    name = snapshot.symbols[chunk] or ""
    symbol = f" {name}" if name and not text.startswith(f"{name}:") else ""  # what a heading says begins with it
    return shown(f"{snapshot.place_of(chunk)}{symbol}: {text if len(text) <= _BRIEF else text[:_BRIEF] + '…'}")


def _by_language(snapshot: Snapshot) -> dict[str, tuple[int, int]]:
    """Language -> (files, chunks), most chunks first."""
    files = Counter(snapshot.languages)
    chunks = Counter(snapshot.languages[file] for file in snapshot.file.tolist())
    return {name: (files[name], chunks[name]) for name in sorted(files, key=lambda name: (-chunks[name], name))}


def _problems(snapshot: Snapshot) -> tuple[dict[str, list[str]], int]:
    """Problem -> the paths that have it, and the number of secrets masked."""
    problems: dict[str, list[str]] = {}
    secrets = 0
    for file, path in enumerate(snapshot.paths):
        record = snapshot.record(file)
        secrets += record.secrets
        for problem in record.problems:
            problems.setdefault(problem, []).append(path)
    return dict(sorted(problems.items())), secrets


def _counts(values: Iterator[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())


def _human(provenance: dict[str, int]) -> float:
    from wayfind.serve.output import HUMAN

    return sum(count for name, count in provenance.items() if name in HUMAN) / (sum(provenance.values()) or 1)


def _examples(paths: Sequence[str], count: int) -> str:
    if not paths:
        return ""
    return f" ({', '.join(map(shown, paths))}{', …' if count > len(paths) else ''})"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def _row(name: str, text: str) -> str:
    return f"  {name:<10} {text}"


def _size_of_tokens(folder: Path, manifest: Manifest) -> dict[str, int]:
    """Bytes of the token vectors of late interaction, where there are any."""
    from wayfind.index.late import late_names

    size = sum(bytes_of(folder / name) for name in late_names(manifest))
    return {"token vectors": size} if size else {}


def _size_of_store(store: Path) -> int:
    return sum(map(bytes_of, store.parent.glob(f"{store.name}*")))


def _sizes_beside(store: Path) -> dict[str, int]:
    """Bytes of what else lies beside the content of all repositories, where there is any."""
    from wayfind.index.home import EXPLANATIONS, VECTORS

    sizes = {name: _size_of_store(store.with_name(file)) for name, file in (("vectors of all repositories", VECTORS), ("written sentences", EXPLANATIONS))}
    return {name: size for name, size in sizes.items() if size}


def _bytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"
