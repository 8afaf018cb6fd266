"""The command that makes training data: `wayfind data build` and `wayfind data show`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from wayfind.errors import UsageError
from wayfind.serve.exits import FOUND, NOTHING
from wayfind.serve.progress import meter
from wayfind.serve.screen import shown_text
from wayfind.train.pairs import KINDS, Pair
from wayfind.train.split import project

MOST_MISSING = 8
"""Sources that were not read, named with the reason; the manifest has all."""


@click.group("data")
def data_command() -> None:
    """Make pairs of questions and code to train on, and look at them."""


@data_command.command("build")
@click.argument("config", type=click.Path(dir_okay=False))
@click.option("-o", "--output", metavar="FOLDER", help="Where the shards go.  [default: the configuration's name, in the current folder]")
@click.option("--folders", metavar="FOLDER", help="Where clones named OWNER+NAME lie, in place of what the configuration says.")
@click.option("--keep-out", metavar="PATH", multiple=True, help="A folder, or JSON lines with `code`, that no pair may be like; several times.")
@click.option("--spill", metavar="FOLDER", help="Keep what was read of each source here, and take it from here the next time.")
@click.option("-j", "--processes", type=click.IntRange(1), default=os.cpu_count() or 1, show_default="one a core", help="Sources read at the same time.")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest.")
def build_command(config: str, output: str | None, folders: str | None, keep_out: tuple[str, ...], spill: str | None, processes: int, as_json: bool) -> int:
    """Make the shards that the configuration CONFIG (YAML) describes.

    Sources are repositories, CodeSearchNet, The Stack and JSON lines; docs/training-data.md has every key.
    """
    from wayfind.train.build import build
    from wayfind.train.recipe import read_recipe, with_places

    at = Path(config)
    recipe = with_places(read_recipe(at), os.path.abspath(folders) if folders else None, [os.path.abspath(one) for one in keep_out])
    with meter() as progress:
        built = build(recipe, at, Path(output or recipe.name), spill=Path(spill) if spill else None, processes=processes, progress=progress)
    click.echo(json.dumps(built.manifest) if as_json else shown_text(summary(built.manifest, str(built.folder))))
    return FOUND


@data_command.command("show")
@click.argument("folder", type=click.Path(file_okay=False))
@click.option("--kind", type=click.Choice(KINDS), help="Only pairs of this kind.")
@click.option("--part", type=click.Choice(["train", "valid", "test"]), help="Only pairs of this part.")
@click.option("-n", "--number", type=click.IntRange(0), default=3, show_default=True, help="Pairs shown.")
@click.option("--seed", type=int, default=0, show_default=True, help="Draws the pairs.")
@click.option("--json", "as_json", is_flag=True, help="Print the pairs as lines of JSON, nothing else.")
def show_command(folder: str, kind: str | None, part: str | None, number: int, seed: int, as_json: bool) -> int:
    """Say what the shards in FOLDER hold, and show some pairs drawn at random."""
    from wayfind.train.pairs import manifest_of, read_pairs, to_line
    from wayfind.train.sources.repository import rank

    manifest = manifest_of(Path(folder))
    pairs = (pair for pair in read_pairs(Path(folder), part) if kind in (None, pair.kind))
    drawn = _smallest(pairs, number, lambda pair: rank(pair.id, seed))
    if not as_json:
        click.echo(shown_text(summary(manifest, folder)))
    for pair in drawn:
        click.echo(to_line(pair) if as_json else shown_text(_said(pair)))
    if number and not drawn:
        held = {name: sum(counts.values()) for name, counts in manifest.get("kinds", {}).items()}
        click.echo(shown_text(f"no pair{f' of the kind {kind}' if kind else ''}{f' in the part {part}' if part else ''}; there is " + (", ".join(
            f"{name} ({', '.join(manifest['kinds'][name])})" for name, count in held.items() if count) or "none")), err=True)
    return FOUND if drawn or not number else NOTHING


def _said(pair: Pair) -> str:
    return f"\n{pair.kind}, {pair.language}, {pair.origin} {pair.path}, weight {pair.weight:g}, {pair.part}\n? {pair.query}\n{pair.code}"


def _smallest(items: Any, number: int, key: Any) -> list[Any]:
    import heapq

    return heapq.nsmallest(number, items, key=key)


def summary(manifest: dict[str, Any], folder: str) -> str:
    """What a manifest says, in a few lines. Raises UsageError where it lacks something."""
    if lacking := [key for key in ("name", "pairs", "origins", "kinds", "languages", "licences", "configuration", "missing") if key not in manifest]:
        raise UsageError(f"{folder}: its manifest says nothing of {', '.join(lacking)}; build the folder again")
    parts = ", ".join(f"{count:,} {part}" for part, count in manifest["pairs"].items())
    lines = [f"{manifest['name']}: {parts} in {len(manifest['shards'])} shards, {len(manifest['origins']):,} origins ({folder})"]
    for what in ("kinds", "languages"):
        counts = manifest[what].get("train", {})
        lines.append(f"  {what}: " + ", ".join(f"{name} {count:,}" for name, count in counts.items()))
    lines.append("  licences: " + ", ".join(f"{name} {count:,}" for name, count in manifest["licences"].items()))
    split, projects = manifest["configuration"]["split"], {project(name) for name in manifest["origins"]}
    if not manifest["pairs"]["train"]:
        lines.append("  nothing to train on: every project is held out; lower split.valid and split.test, change the seed, or give lines of one file no common `origin`, which makes them one project")
    for part in ("valid", "test"):
        if split[part] and not manifest["pairs"][part]:
            lines.append(f"  nothing is held out for `{part}`: none of {len(projects):,} projects fell into it; raise split.{part} ({split[part]:g}) or change the seed")
    for key, what in (("missing", "not read"), ("empty", "no pair")):
        named = list(manifest.get(key, {}).items())
        lines += [f"  {what}: {name}: {why}" for name, why in named[:MOST_MISSING]]
        if len(named) > MOST_MISSING:
            lines.append(f"  {what}: {len(named) - MOST_MISSING} more, under `{key}` in the manifest")
    return "\n".join(lines)
