"""The command that builds: index; with --learn it also learns."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wayfind.errors import UsageError
from wayfind.serve.exits import FOUND
from wayfind.serve.learning_latent import LatentOptions, check_installed, latent_options, learn_on, learning_alone
from wayfind.serve.place import new_index, opened, whole
from wayfind.serve.progress import meter
from wayfind.serve.screen import counted, shown

if TYPE_CHECKING:
    from wayfind.index.refresh import Refreshed
    from wayfind.types import IndexState

_SHOWN = 10


@click.command("index")
@click.argument("path", required=False)
@click.option("-o", "--output", metavar="FOLDER", help="Keep the index, self-contained, in this folder; search it with --index.")
@click.option("--manual", metavar="FILE", help="Explanations written by hand (JSON); later refreshes use the file too.  [default: .wayfind/explanations.json if it is there]")
@click.option("--rebuild", is_flag=True, help="Make the index anew, whatever state it is in.")
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, help="Processes that read files.  [default: one a processor]")
@click.option("--vectors/--no-vectors", "encode", default=True, help="Also make the vectors that searches by meaning use; without them, searches make those of their best candidates.  [default: vectors]")
@click.option("--encoder", metavar="FOLDER", help="Use the encoder in this folder: a bundle, or one of sentence-transformers or transformers. Searches need it too, or the setting `model`.")
@click.option("--learn", is_flag=True, help="Then learn a latent model on the repository, as `wayfind learn --from random` does (extra [train]).")
@latent_options
def index_command(path: str | None, output: str | None, manual: str | None, rebuild: bool, jobs: int, encode: bool, encoder: str | None, learn: bool, **own: Any) -> int:
    """Bring the index of the repository at PATH (default: the one around the current folder, or that folder) up to date.

    Searching does that too; this command shows what was done. Nothing is written into the repository.
    """
    from wayfind.config import default_home
    from wayfind.index.home import mark_chosen
    from wayfind.index.maintain import drop_unreadable
    from wayfind.index.refresh import Options
    from wayfind.search.engine import state

    learning = LatentOptions(**own)
    if (learning.drop and (learn or learning != LatentOptions(drop=True))) or (learning.full and learn):
        raise UsageError("give one of --learn, --full and --drop; --drop deletes what the others learned, and takes no option of theirs")
    if (learn or learning.any) and not learning.drop:
        check_installed(learning)
    if encoder:
        from wayfind.serve.encoders import use_encoder

        use_encoder(encoder)
    folder = path or whole("indexing", "wayfind index")
    home = new_index(output) if output and Path(folder).expanduser().is_dir() else None
    if rebuild:
        drop_unreadable(folder, home or default_home())
    with opened(folder, home, Options(Path(manual) if manual else None, workers=jobs, rebuild=rebuild)) as place, meter() as progress:
        done = place.repository.refresh(progress)
        mark_chosen(place.tree.folder)
        progress.clear()
        for line in _report(done, state(place.repository.snapshot()), output):
            click.echo(line)
        if encode and (filled := place.repository.encode(progress)):
            progress.clear()
            if filled.encoded or filled.left:
                click.echo(f"  {counted(filled.encoded, 'vector')} made in {filled.seconds:.1f} s" + (f"; {counted(filled.left, 'file')} left" if filled.left else ""))
        if home is None and (tidied := _tidied()):
            click.echo(f"  {tidied}")
        if learn or learning.any:
            with learning_alone(place.repository.learned_folder):
                return learn_on(place.repository, learning, progress)
    return FOUND


def _tidied() -> str:
    """What the weekly `gc` gave back; empty where it was not due, gave back nothing or could not be done: no index fails for it."""
    from wayfind.config import default_home, value_of
    from wayfind.errors import WayfindError
    from wayfind.index.maintain import tidy

    try:
        done = tidy(default_home()) if value_of("auto-gc") == "on" else None
    except WayfindError:
        return ""
    return f"weekly gc: {done.freed:,} bytes given back (setting auto-gc)" if done and done.freed else ""


def _report(done: Refreshed, index: IndexState, output: str | None) -> Iterator[str]:
    """What a refresh found and did."""
    explained = f", {index.coverage:.1%} explained" if index.chunks else ""  # of nothing there is no share
    yield f"{shown(index.root)}: {counted(index.files, 'file')} in {counted(index.chunks, 'chunk')}{explained} (generation {index.generation})"
    yield f"  {done.changed:,} changed ({done.extracted:,} never seen before), {done.removed:,} removed, in {done.seconds:.1f} s"
    if index.skipped:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(index.skipped.items(), key=lambda item: -item[1]))
        yield f"  {sum(index.skipped.values()):,} not indexed: {reasons}"
    if done.unmatched:
        yield f"  {counted(len(done.unmatched), 'manual explanation')} matching nothing:"
        yield from (f"    {shown(entry)}" for entry in done.unmatched[:_SHOWN])
        if len(done.unmatched) > _SHOWN:
            yield f"    and {len(done.unmatched) - _SHOWN:,} more"
    if output:
        yield f'  search it: wayfind search "…" --index {shown(output)}'
