"""The commands that keep house: gc, forget, doctor."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from wayfind.errors import UsageError
from wayfind.serve.exits import FAILED, FOUND
from wayfind.serve.place import home_of
from wayfind.serve.screen import counted, shown, shown_text

if TYPE_CHECKING:
    from wayfind.index.doctor import Finding

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)b?", re.IGNORECASE)
_MENDS_ITSELF = ("version",)
"""Findings that the next refresh takes care of."""
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


@click.command("gc")
@click.option("--limit", envvar="WAYFIND_CACHE_LIMIT", metavar="SIZE", help="Delete what was used longest ago until this size is kept, for example 500MB.")
@click.option("--index", metavar="FOLDER", help="The index that `wayfind index --output FOLDER` wrote.")
def gc_command(limit: str | None, index: str | None) -> None:
    """Delete what no index needs any more: indexes of folders that are gone, content that no tree holds."""
    most = _bytes(limit)
    from wayfind.config import default_home
    from wayfind.index.maintain import gc

    click.echo(shown_text(str(gc(home_of(index) or default_home(), most))))


@click.command("forget")
@click.argument("path")
@click.option("--index", metavar="FOLDER", help="The index that `wayfind index --output FOLDER` wrote.")
def forget_command(path: str, index: str | None) -> None:
    """Delete the index of the repository at PATH, which itself stays as it is."""
    from wayfind.config import default_home
    from wayfind.index.maintain import forget

    gone = forget(path, home_of(index) or default_home())
    click.echo(f"{shown(gone.root)}: forgot its index; {counted(gone.contents, 'content')} that nothing else used, {gone.freed:,} bytes given back")


@click.command("doctor")
@click.argument("path", required=False)
@click.option("--repair", is_flag=True, help="Mend what is found.")
@click.option("--index", metavar="FOLDER", help="The index that `wayfind index --output FOLDER` wrote.")
def doctor_command(path: str | None, repair: bool, index: str | None) -> int:
    """Check the index of the repository at PATH for damage; without it all indexes, and what agents were told to start.

    The exit code is 2 when some is left.
    """
    from wayfind.config import default_home
    from wayfind.index.doctor import doctor
    from wayfind.serve.installing import broken_entries

    findings = doctor(home_of(index) or default_home(), path, repair)
    if path is None and index is None:
        findings += [*_dead_socket(repair), *broken_entries(repair)]
    for finding in findings:
        click.echo(shown_text(str(finding)))
    if not findings:
        click.echo("no damage found")
    elif not repair:
        click.echo("mend it with: wayfind doctor --repair")
    left = [finding for finding in findings if not finding.repaired and not (repair and finding.what in _MENDS_ITSELF)]
    return FAILED if left else FOUND


def _dead_socket(repair: bool) -> Iterator[Finding]:
    """The socket or port file of a resident process that ended without taking it away."""
    from wayfind.index.doctor import Finding
    from wayfind.serve.protocol import address, connected, uses_ports

    place = address()
    file = place.port if uses_ports() else place.socket
    if not file.exists():
        return
    try:
        connected(place)[0].close()
    except ConnectionRefusedError:
        if repair:
            file.unlink(missing_ok=True)
        yield Finding("socket", f"{file} is left of a resident process that has ended", repair)
    except OSError as error:
        yield Finding("socket", f"{file} cannot be used ({error}); end the process with: wayfind serve --stop")


def _bytes(size: str | None) -> int | None:
    """A size as `500MB` or `2g` in bytes."""
    if size is None:
        return None
    match = _SIZE.fullmatch(size.strip())
    if match is None:
        raise UsageError(f"{size!r} is not a size; write for example 500MB or 2GB")
    return int(float(match[1]) * _UNITS[match[2].lower()])
