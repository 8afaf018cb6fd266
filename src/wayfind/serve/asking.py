"""The commands that answer: search, explain, related."""

from __future__ import annotations

import functools
import os
import stat
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from wayfind.errors import UsageError
from wayfind.serve.exits import FOUND, NOTHING, note
from wayfind.serve.place import Opened, home_of, opened, root_around, split_place, within
from wayfind.serve.progress import meter
from wayfind.serve.screen import paint

if TYPE_CHECKING:
    from wayfind.types import Answer

Command = TypeVar("Command", bound=Callable[..., Any])
MODES = ("source", "generated", "auto", "none")
JOBS = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Form:
    """What the commands share: the index to ask, and how the answer is to be explained and printed."""

    index: Path | None
    refresh: bool
    jobs: int
    explain: Any
    json: bool
    jsonl: bool
    color: str
    paths: bool = False
    signals: bool = False

    def opened(self, path: str | None) -> AbstractContextManager[Opened]:
        """The repository at `path`, its index as the options say."""
        from wayfind.index.refresh import Options

        return opened(path, self.index, Options(workers=self.jobs))


def _forms(command: Command) -> Command:
    """Give a command the options of a `Form`, which it gets as `form`."""

    @functools.wraps(command)
    def collecting(
        index: str | None, no_refresh: bool, jobs: int, explain: str, as_json: bool, jsonl: bool, color: str, paths: bool = False, signals: bool = False, **own: Any
    ) -> int:
        if as_json + jsonl + paths > 1:
            raise UsageError("give one of --json, --jsonl and -l")
        if explain == "generated":
            raise UsageError("no decoder is installed, so nothing can be generated; use --explain source or auto")
        return command(form=Form(home_of(index), not no_refresh, jobs, explain, as_json, jsonl, color, paths, signals), **own)

    for option in (
        click.option("--jobs", type=click.IntRange(1), default=JOBS, help="Processes that read files.  [default: one a processor]"),
        click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="Colour; auto: on a terminal, unless NO_COLOR is set."),
        click.option("--jsonl", is_flag=True, help="Print one JSON object a line: the results, then the head of the answer."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
        click.option("--no-refresh", is_flag=True, help="Read the index as it is; do not look for changed files first."),
        click.option("--explain", type=click.Choice(MODES), default="auto", help="Where explanations may come from.  [default: auto]"),
        click.option("--index", metavar="FOLDER", help="Use the index that `wayfind index --output FOLDER` wrote."),
    ):
        collecting = option(collecting)
    return collecting


def _rankings(command: Command) -> Command:
    """Give a command the options of a ranking; -l and --signals come back in its `Form`."""
    for option in (
        click.option("--signals", is_flag=True, help="Show what each score is made of."),
        click.option("-l", "--paths", "paths", is_flag=True, help="Print the paths of the files alone."),
        click.option("-k", "--top-k", type=int, default=10, show_default=True, help="Number of results."),
    ):
        command = option(command)
    return command


@click.command("search")
@click.argument("text", required=False)
@click.argument("path", required=False)
@_rankings
@click.option("--lang", multiple=True, metavar="NAME", help="Only this language; may be given again.")
@click.option("--path", "only_path", multiple=True, metavar="GLOB", help="Only files whose path matches or contains this; may be given again.")
@click.option("--kind", multiple=True, metavar="KIND", help="Only this kind (function, class, section …); may be given again.")
@click.option("--regex", default="", metavar="PATTERN", help="Only what this regular expression matches; TEXT may be left out then.")
@click.option("--max-tokens", type=click.IntRange(1), metavar="N", help="Fit the answer into N tokens of a language model.")
@_forms
def search_command(
    text: str | None, path: str | None, top_k: int, lang: tuple[str, ...], only_path: tuple[str, ...], kind: tuple[str, ...], regex: str, max_tokens: int | None, form: Form
) -> int:
    """Find what TEXT speaks of in the repository at PATH (default: the current folder), which is indexed when it has to be.

    TEXT is a question, a name, a snippet of code, a stack trace or an issue; - reads it from standard input. It may hold
    sym:NAME, path:GLOB, lang:NAME, kind:KIND, "a phrase" and -word.
    """
    asked = _question(text, bool(regex))
    from wayfind.search.engine import Ask, check_number, search
    from wayfind.search.query import LONGEST, Filters, check

    ask = Ask(asked, top_k, Filters(lang, only_path, kind, regex=regex), form.explain, max_tokens)
    check(ask.filters)
    check_number(top_k)
    if not asked.strip() and not ask.filters:
        raise UsageError("the query is empty: give some words, a name or a snippet to search for")
    if len(asked) > LONGEST:
        note(f"the query has {len(asked):,} characters; the first {LONGEST:,} are read")
    with form.opened(path) as here, meter() as progress:
        answer = search(here.ready(form.refresh, progress), ask, here.stale_files)
        progress.clear()
        return _print(answer, here, form)


@click.command("explain")
@click.argument("place")
@click.argument("path", required=False)
@_forms
def explain_command(place: str, path: str | None, form: Form) -> int:
    """Say what the definition or section at PLACE, written FILE:LINE, does and from where that is known.

    FILE is in the repository at PATH. Without it: in the current folder or the nearest around FILE that is indexed, else in
    the repository around FILE.
    """
    file, line = split_place(place)
    from wayfind.search.engine import result_at, state
    from wayfind.types import Answer

    with form.opened(path or (None if form.index else root_around(file))) as here, meter() as progress:
        searcher = here.ready(form.refresh, progress)
        progress.clear()
        result = result_at(searcher, within(here.tree.root, file), line, form.explain)
        answer = Answer(place, state(searcher.snapshot, here.stale_files), 1.0, False, "", (result,))
        if form.json or form.jsonl:
            return _print(answer, here, form)
        from wayfind.serve import output

        touches = [t for t in here.repository.touches() if (t.path, t.symbol) == (result.path, result.symbol)]
        for row in output.explanation(answer, touches, output.View(paint(form.color), here.prefix)):
            click.echo(row)
    return FOUND


@click.command("related")
@click.argument("place")
@click.argument("path", required=False)
@_rankings
@_forms
def related_command(place: str, path: str | None, top_k: int, form: Form) -> int:
    """Find what speaks of the same as the definition or section at PLACE, written FILE:LINE."""
    file, line = split_place(place)
    from wayfind.search.engine import check_number, related

    check_number(top_k)
    with form.opened(path or (None if form.index else root_around(file))) as here, meter() as progress:
        searcher = here.ready(form.refresh, progress)
        progress.clear()
        return _print(related(searcher, within(here.tree.root, file), line, top_k, form.explain, here.stale_files), here, form)


def _question(text: str | None, has_regex: bool) -> str:
    """The query: TEXT, or standard input for `-` and where something is piped in and TEXT is missing."""
    if text is not None and text != "-":
        return text
    if text is None and (has_regex or not _is_piped()):
        if has_regex:
            return ""
        raise UsageError('nothing to search for: give a text, for example: wayfind "where are sessions closed"')
    if sys.stdin is None:
        raise UsageError("standard input is closed; give the query as TEXT")
    return sys.stdin.buffer.read().decode("utf-8", "replace").lstrip("\ufeff").strip()


def _is_piped() -> bool:
    """Whether standard input is a pipe, a socket or a file; a terminal or the null device is not."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def _print(answer: Answer, place: Opened, form: Form) -> int:
    """Print an answer in the form asked for. Returns the exit code."""
    from wayfind.serve import machine, output

    if form.json:
        click.echo(machine.as_json(answer))
    elif form.jsonl:
        for row in machine.as_lines(answer):
            click.echo(row)
    elif form.paths:
        _print_paths(answer, place.prefix)
    else:
        for row in output.for_people(answer, output.View(paint(form.color), place.prefix, form.signals)):
            click.echo(row)
    return NOTHING if answer.abstained or not answer.results else FOUND


def _print_paths(answer: Answer, prefix: str) -> None:
    """Paths of the files, best first, each once: escaped on a terminal, byte for byte into a pipe. None when abstained."""
    from wayfind.serve.screen import shown

    if answer.abstained or not answer.results:
        note(answer.reason)
        return
    for path in dict.fromkeys(prefix + result.path for result in answer.results):
        click.echo(shown(path) if sys.stdout.isatty() else os.fsencode(path))
