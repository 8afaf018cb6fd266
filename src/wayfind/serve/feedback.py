"""The command `feedback`: which results were good or bad for which question; and, where the user wants it, which were opened."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wayfind.config import value_of
from wayfind.errors import StorageError, UsageError, WayfindError
from wayfind.serve.exits import FOUND, NOTHING, note
from wayfind.serve.place import folder_around, home_of, is_begun, opened, root_around, split_place, within
from wayfind.serve.progress import meter
from wayfind.serve.screen import counted, shown

if TYPE_CHECKING:
    from wayfind.index.snapshot import Snapshot
    from wayfind.search.feedback import Entry, Kept, Mark
    from wayfind.types import Result

LAST = "last-search.json"
REMEMBERED = 1800
"""Seconds after a search in which a look at one of its results counts as opening it."""
_USAGE = 'write: wayfind feedback "QUERY" FILE:LINE good, or bad; `wayfind feedback --list` shows what was said'


@click.command("feedback")
@click.argument("query", required=False)
@click.argument("place", required=False, metavar="FILE:LINE")
@click.argument("mark", required=False, metavar="good|bad")
@click.argument("path", required=False)
@click.option("--opened", "was_opened", is_flag=True, help="In the place of good or bad: the result was opened, which says less.")
@click.option("--list", "listing", is_flag=True, help="List what was said, of the repository at PATH.")
@click.option("--delete", "gone", metavar="ID|all", help="Delete one entry, or all, of the repository at PATH.")
@click.option("--index", metavar="FOLDER", help="The index that `wayfind index --output FOLDER` wrote.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def feedback_command(
    query: str | None, place: str | None, mark: str | None, path: str | None, was_opened: bool, listing: bool, gone: str | None, index: str | None, as_json: bool
) -> int:
    """Say whether the definition at FILE:LINE is a good or a bad answer to QUERY; the next `wayfind learn` takes it in.

    Nothing changes at once, and nothing leaves this machine: entries lie with the index, readable by you alone, and go with
    `wayfind forget`. With `wayfind config set record-opened on`, results of the last search that `explain` or `related` then
    look at are noted as opened.
    """
    from wayfind.search import feedback

    if listing or gone is not None:
        if place is not None or mark is not None or was_opened or (listing and gone is not None):
            raise UsageError("--list and --delete take no question: wayfind feedback --list [PATH], wayfind feedback --delete ID [PATH]")
        home = home_of(index)
        path = query or (folder_around() if home is None else None)
        if not is_begun(path, home):  # to open it would begin it
            from wayfind.index.tree import locate

            return _deleted(locate(path or ".", home)[2], gone, as_json) if gone is not None else _shown([], [], as_json)
        with opened(path, home) as around:
            if gone is not None:
                return _deleted(around.tree.folder, gone, as_json)
            entries = feedback.read(around.tree.folder)
            found = _found(around.repository.snapshot(), entries) if entries and around.tree.catalogue.generation() else [None] * len(entries)
            return _shown(entries, found, as_json)
    if was_opened and mark not in (None, "good", "bad") and path is None:
        mark, path = None, mark  # QUERY FILE:LINE PATH --opened
    if query is None or place is None or (mark is None) != was_opened or (mark is not None and mark not in ("good", "bad")):
        raise UsageError(_USAGE)
    file, line = split_place(place)
    home = home_of(index)
    with opened(path or (None if home else root_around(file)), home) as around, meter() as progress:
        snapshot = around.ready(True, progress).snapshot
        progress.clear()
        entry, masked = feedback.entry_at(snapshot, query, _mark(mark), within(around.tree.root, file), line, int(time.time()))
        kept = feedback.keep(around.tree.folder, entry, masked)
    if masked:
        note(f"{counted(masked, 'secret')} in the question masked before it was stored")
    click.echo(_dumped({"kept": _object(kept.entry, f"{entry.path}:{entry.line}"), "before": kept.before}) if as_json else _told(kept, was_opened))
    return FOUND


def note_search(folder: Path, root: Path, query: str, results: tuple[Result, ...]) -> None:
    """Remember what was found, so that a look at it counts as opening it; only where `record-opened` is on. A search does not
    fail because this cannot be kept."""
    if value_of("record-opened", root) != "on" or not results:
        return
    from wayfind.files import replace_file
    from wayfind.search.feedback import unsecret

    places = [(result.path, result.start_line, result.end_line) for result in results]
    try:
        replace_file(folder / LAST, json.dumps({"time": int(time.time()), "query": unsecret(query)[0], "results": places}).encode())
    except StorageError:
        return


def note_opened(folder: Path, root: Path, snapshot: Snapshot, path: str, line: int) -> None:
    """Note that a result of the last search was opened, where `record-opened` is on. What asks does not fail because this
    cannot be kept."""
    if value_of("record-opened", root) != "on":
        return
    from wayfind.search import feedback

    try:
        last = json.loads((folder / LAST).read_text(encoding="utf-8"))
        shown_then = any(path == found and first <= line <= end for found, first, end in last["results"])
        if shown_then and 0 <= time.time() - last["time"] <= REMEMBERED:
            feedback.keep(folder, feedback.entry_at(snapshot, last["query"], "opened", path, line, int(time.time()))[0])
    except (OSError, ValueError, KeyError, TypeError, WayfindError):
        return


def _mark(mark: str | None) -> Mark:
    return "good" if mark == "good" else "bad" if mark == "bad" else "opened"


def _deleted(folder: Path, which: str, as_json: bool) -> int:
    from wayfind.search import feedback

    count = feedback.delete(folder, which)
    if which == "all":
        (folder / LAST).unlink(missing_ok=True)
    click.echo(_dumped({"deleted": count}) if as_json else f"{counted(count, 'entry') if count == 1 else f'{count:,} entries'} deleted")
    return FOUND


def _shown(entries: list[Entry], found: list[str | None], as_json: bool) -> int:
    click.echo(_dumped({"feedback": [_object(entry, at) for entry, at in zip(entries, found)]}) if as_json else "\n".join(_listed(entries, found)))
    return FOUND if entries else NOTHING


def _found(snapshot: Snapshot, entries: list[Entry]) -> list[str | None]:
    """Where each entry's definition is now, None where it is gone."""
    from wayfind.search.feedback import Places

    places = Places(snapshot)
    return [None if (chunk := places.find(entry)) is None else snapshot.place_of(chunk) for entry in entries]


def _listed(entries: list[Entry], found: list[str | None]) -> Iterator[str]:
    if not entries:
        yield f"nothing was said yet; {_USAGE}"
    for entry, at in zip(entries, found):
        symbol = f" {shown(entry.symbol)}" if entry.symbol else ""
        where = shown(at) if at else f"{shown(entry.path)}:{entry.line}, gone"
        yield f"{entry.id}  {entry.mark:<6}  {time.strftime('%Y-%m-%d', time.localtime(entry.time))}  “{shown(entry.query)}”  {where}{symbol}"


def _object(entry: Entry, at: str | None) -> dict[str, Any]:
    from dataclasses import asdict

    return {"id": entry.id, **asdict(entry), "now": at}


def _dumped(value: dict[str, Any]) -> str:
    from wayfind.serve.machine import SCHEMA_VERSION, dumps

    return dumps({"schema_version": SCHEMA_VERSION, **value})


def _told(kept: Kept, was_opened: bool) -> str:
    entry, before = kept.entry, kept.before
    where = f"{shown(entry.path)}:{entry.line}{' ' + shown(entry.symbol) if entry.symbol else ''}"
    if was_opened and entry.mark != "opened":
        return f"{entry.id}  stays {entry.mark}, which says more than that it was opened: {where}"
    instead = f" (was {before})" if before and before != entry.mark else ""
    return f"{entry.id}  {entry.mark}{instead}: {where}; taken in by the next `wayfind learn`"
