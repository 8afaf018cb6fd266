"""The commands that answer: search, explain, related."""

from __future__ import annotations

import functools
import os
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import click

from wayfind.errors import UsageError
from wayfind.serve.exits import note
from wayfind.serve.place import home_of, opened, prefix_of, root_around, split_place, whole, within
from wayfind.serve.progress import meter
from wayfind.serve.request import Printed, Request, Shape
from wayfind.serve.screen import paint, shown

Command = TypeVar("Command", bound=Callable[..., Any])
MODES = ("source", "generated", "auto", "none")
LEVELS = ("syntax", "structure", "semantics")
JOBS = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Form:
    """What the commands share: the index to ask, and how the answer is to be explained and printed."""

    index: Path | None
    refresh: bool
    jobs: int
    explain: str
    form: Any
    color: str
    signals: bool
    resident: bool

    def shape(self, *roots: str | Path) -> Shape:
        """How to print an answer whose repositories lie in these folders."""
        return Shape(self.form, prefix_of(*roots), paint(self.color).on, sys.stdout is not None and sys.stdout.isatty(), self.signals)


def _forms(command: Command) -> Command:
    """Give a command the options of a `Form`, which it gets as `form`."""

    @functools.wraps(command)
    def collecting(
        index: str | None, no_refresh: bool, jobs: int, explain: str, as_json: bool, jsonl: bool, color: str, no_resident: bool, encoder: str | None, paths: bool = False, signals: bool = False,
        **own: Any,
    ) -> int:
        if as_json + jsonl + paths > 1:
            raise UsageError("give one of --json, --jsonl and -l")
        if encoder:
            from wayfind.serve.encoders import use_encoder

            use_encoder(encoder)
        form = "json" if as_json else "jsonl" if jsonl else "paths" if paths else "text"
        return command(form=Form(home_of(index), not no_refresh, jobs, explain, form, color, signals, not (no_resident or encoder)), **own)

    for option in (
        click.option("--no-resident", is_flag=True, help="Do not ask the process that `wayfind serve` started.  [env var: WAYFIND_RESIDENT=0]"),
        click.option("--jobs", type=click.IntRange(1), default=JOBS, help="Processes that read files.  [default: one a processor]"),
        click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="Colour; auto: on a terminal, unless NO_COLOR is set."),
        click.option("--jsonl", is_flag=True, help="Print one JSON object a line: the results, then the head of the answer."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
        click.option("--no-refresh", is_flag=True, help="Read the index as it is; do not look for changed files first."),
        click.option("--explain", type=click.Choice(MODES), default="auto", help="Where explanations may come from.  [default: auto]"),
        click.option("--encoder", metavar="FOLDER", help="Use the encoder in this folder, as `wayfind index --encoder` does.  [env var: WAYFIND_MODEL]"),
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
@click.argument("more", nargs=-1, metavar="[PATH]…")
@_rankings
@click.option("--lang", multiple=True, metavar="NAME", help="Only this language; may be given again.")
@click.option("--path", "only_path", multiple=True, metavar="GLOB", help="Only files whose path matches or contains this; may be given again.")
@click.option("--kind", multiple=True, metavar="KIND", help="Only this kind (function, class, section …); may be given again.")
@click.option("--graph", is_flag=True, help="Show the definitions that calls connect, in the order of the flow.")
@click.option("--file", "from_file", type=click.Path(), metavar="FILE", help="Read TEXT from this file: a trace, a log of tests, a diff.")
@click.option("--regex", default="", metavar="PATTERN", help="Only what this regular expression matches; TEXT may be left out then.")
@click.option("--level", type=click.Choice(LEVELS), help="Search by one level of meaning of the model that `wayfind learn --from random` made here, and by nothing else.")
@click.option("--max-tokens", type=click.IntRange(1), metavar="N", help="Fit the answer into N tokens of a language model.")
@_forms
def search_command(
    text: str | None, path: str | None, more: tuple[str, ...], top_k: int, lang: tuple[str, ...], only_path: tuple[str, ...], kind: tuple[str, ...], regex: str,
    max_tokens: int | None, level: str | None, graph: bool, from_file: str | None, form: Form,
) -> int:
    """Find what TEXT speaks of in the repository at PATH (default: the one around the current folder, or that folder), which is indexed when it has to be.

    TEXT is a question, a name, a snippet of code, a stack trace or an issue; - reads it from standard input. It may hold
    sym:NAME, path:GLOB, lang:NAME, kind:KIND, "a phrase" and -word. With several PATHs all of them are searched at once.
    """
    if level and graph:
        raise UsageError("give one of --level, which searches by a level of meaning alone, and --graph")
    if from_file is not None and text is not None:
        text, path, more = None, text, (*filter(None, [path]), *more)  # what stands in TEXT's place is a PATH then
    elif regex and text is not None and path is None and os.path.isdir(os.path.expanduser(text)):
        text, path = None, text
        if path.replace("_", "").isalnum():
            note(f"{shown(path)} is taken for the folder to search, not for a word; where it is one, write a PATH behind it")
    asked = _read(from_file) if from_file is not None else _question(text, bool(regex))
    request = Request(
        "search", (), asked, k=top_k, languages=_each(lang), paths=only_path, kinds=_each(kind), regex=regex, explain=form.explain, max_tokens=max_tokens, level=level or "", graph=graph, refresh=form.refresh,
    )
    return _answer(request, [path or _around(form), *more], form)


def _around(form: Form) -> str | None:
    """The repository or the indexed folder around the current one, which is said; None stands for the one that the index holds."""
    return None if form.index is not None else whole("searching", "wayfind TEXT")


@click.command("explain")
@click.argument("place")
@click.argument("path", required=False)
@_forms
def explain_command(place: str, path: str | None, form: Form) -> int:
    """Say what the definition or section at PLACE, written FILE:LINE, does and from where that is known.

    FILE is in the repository at PATH. Without it: in what is indexed of the current folder's repository or of FILE's, else in the
    nearest folder around FILE that is indexed, else in the repository around FILE. The file of no repository needs a PATH, whose folder is indexed then.
    """
    file, line = split_place(place)
    request = Request("explain", (), place, file, line, explain=form.explain, refresh=form.refresh)
    return _answer(request, [path or (None if form.index else root_around(file))], form)


@click.command("related")
@click.argument("place")
@click.argument("path", required=False)
@click.option("--callers", "groups", flag_value="callers", multiple=True, help="What calls it, or derives from it.")
@click.option("--callees", "groups", flag_value="callees", multiple=True, help="What it calls.")
@click.option("--tests", "groups", flag_value="tests", multiple=True, help="The tests that call it.")
@click.option("--siblings", "groups", flag_value="siblings", multiple=True, help="The other methods of its class.")
@click.option("--similar", "groups", flag_value="similar", multiple=True, help="What is like it in words and meaning.")
@_rankings
@_forms
def related_command(place: str, path: str | None, groups: tuple[str, ...], top_k: int, form: Form) -> int:
    """Find what has to do with the definition or section at PLACE, written FILE:LINE: what calls it and what it calls, its tests,
    the methods beside it, and what is like it. Options choose among these; without any all are shown.
    """
    file, line = split_place(place)
    request = Request("related", (), place, file, line, top_k, groups=tuple(dict.fromkeys(groups)), explain=form.explain, refresh=form.refresh)
    return _answer(request, [path or (None if form.index else root_around(file))], form)


def _answer(request: Request, paths: Sequence[str | None], form: Form) -> int:
    """Have the request answered, by the resident process where there is one, and print it. Returns the exit code."""
    printed = _by_resident(request, paths, form) or _alone(request, paths, form)
    for line in printed.notes:
        note(line)
    for row in printed.rows:
        click.echo(os.fsencode(row) if printed.raw else row)
    return printed.code


def _by_resident(request: Request, paths: Sequence[str | None], form: Form) -> Printed | None:
    """What the resident process prints; None where there is none, or anything is not as it should be."""
    if form.index is not None or not form.resident or request.regex:  # an expression may backtrack without end, and nobody else be answered
        return None
    from wayfind.serve.client import asked

    with meter() as progress:
        return asked(lambda: _located(request, paths, form), progress)


def _located(request: Request, paths: Sequence[str | None], form: Form) -> Request:
    roots = tuple(dict.fromkeys(os.path.realpath(os.path.expanduser(path or ".")) for path in paths))
    file = within(Path(roots[0]), request.file) if request.file else ""
    return replace(request, roots=roots, file=file, shape=form.shape(*roots))


def _alone(request: Request, paths: Sequence[str | None], form: Form) -> Printed:
    """What this process finds."""
    from wayfind.index.refresh import Options
    from wayfind.serve.answering import Source, check_request, printed
    from wayfind.serve.filling import fill_behind, lacks_vectors

    check_request(request)
    with ExitStack() as stack, meter() as progress:
        sources: dict[Path, Source] = {}
        for path in paths:
            here = stack.enter_context(opened(path, form.index, Options(workers=form.jobs)))
            if here.tree.root not in sources:
                searcher = here.ready(form.refresh, progress)
                sources[here.tree.root] = Source(here.tree.root, searcher, here.stale_files, here.repository.touches)
        progress.clear()
        roots = tuple(map(os.fspath, sources))
        file = within(Path(roots[0]), request.file) if request.file else ""
        answered = printed(replace(request, roots=roots, file=file, shape=form.shape(*roots)), list(sources.values()))
        if request.do == "search" and form.index is None:
            begun = [source for source in sources.values() if lacks_vectors(source.searcher) and fill_behind(source.root, source.searcher.snapshot.folder)]
            if begun:
                answered = replace(answered, notes=(*answered.notes, "making all vectors in the background, with which searches by meaning find more"))
        return answered


def _each(values: tuple[str, ...]) -> tuple[str, ...]:
    """Names between commas too, as `lang:a,b` in a query."""
    return tuple(name for value in values for name in value.split(","))


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


def _read(file: str) -> str:
    """The query that a file holds."""
    try:
        text = Path(file).expanduser().read_bytes().decode("utf-8", "replace").lstrip("\ufeff").strip()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    if not text:
        raise UsageError(f"{file} is empty; there is nothing to search for")
    return text


def _is_piped() -> bool:
    """Whether standard input is a pipe, a socket or a file; a terminal or the null device is not."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)
