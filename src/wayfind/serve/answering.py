"""A request in, what is printed out: the one way of the commands that answer, in their own process and in a resident one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wayfind.errors import UsageError
from wayfind.search import engine, relations
from wayfind.search.engine import Ask, check_number
from wayfind.search.query import LONGEST, Filters, check
from wayfind.search.searcher import Searcher
from wayfind.serve import machine, output
from wayfind.serve.feedback import note_opened, note_search
from wayfind.serve.exits import FOUND, NOTHING
from wayfind.serve.merging import merged, united
from wayfind.serve.request import Printed, Request
from wayfind.serve.screen import Paint, shown
from wayfind.types import Answer, Touch


_ASKS_HOW = re.compile(r"\s*how (?:do|does|is|are|the|a|an)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Source:
    """A repository that is ready to answer."""

    root: Path
    searcher: Searcher
    stale_files: int
    touches: Callable[[], Sequence[Touch]]


def check_request(request: Request) -> None:
    """Raises UsageError for a request that no repository could answer."""
    check_number(request.k)
    if request.do == "search":
        filters = _ask(request).filters
        check(filters)
        if not request.text.strip() and not filters:
            raise UsageError("the query is empty: give some words, a name or a snippet to search for")


def printed(request: Request, sources: Sequence[Source]) -> Printed:
    """Answer a request. Raises UsageError and NotFound."""
    if request.do == "search":
        return _search(request, sources)
    (source,) = sources
    note_opened(source.searcher.snapshot.folder, source.root, source.searcher.snapshot, request.file, request.line)
    if request.do == "related":
        answer = relations.related(source.searcher, request.file, request.line, request.k, _mode(request), source.stale_files, request.groups)
        return _printed(answer, request, [source.root] * len(answer.results))
    return _explain(request, source)


def _search(request: Request, sources: Sequence[Source]) -> Printed:
    ask = _ask(request)
    several = len(sources) > 1
    each = replace(ask, max_tokens=None) if several else ask
    answers = [(source.root, engine.search(source.searcher, each, source.stale_files)) for source in sources]
    for source, (_, answer) in zip(sources, answers):
        note_search(source.searcher.snapshot.folder, source.root, request.text, answer.results)
    results = merged(answers, min(ask.k, engine.MOST_RESULTS))
    answer = united(answers, results)
    if several and ask.max_tokens is not None:
        answer = replace(answer, results=engine.fitted(answer.results, ask.max_tokens))
    long = len(request.text) > LONGEST
    told = _printed(answer, request, [placed.root for placed in results] if several else ())
    notes = (f"the query has {len(request.text):,} characters; the first {LONGEST:,} are read",) if long else ()
    if request.shape.terminal and request.shape.form == "text" and not request.graph and told.code == FOUND and _ASKS_HOW.match(request.text):
        notes = (*notes, "--graph shows how these are connected")
    return replace(told, notes=(*notes, *told.notes))


def _explain(request: Request, source: Source) -> Printed:
    result = engine.result_at(source.searcher, request.file, request.line, _mode(request))
    answer = Answer(request.text, engine.state(source.searcher.snapshot, source.stale_files, source.searcher.adaptation), 1.0, False, "", (result,))
    if request.shape.form != "text":
        return _printed(answer, request)
    touches = [touch for touch in source.touches() if (touch.path, touch.symbol) == (result.path, result.symbol)]
    return Printed(tuple(output.explanation(answer, touches, _view(request))), FOUND)


def _printed(answer: Answer, request: Request, roots: Sequence[Path] = ()) -> Printed:
    """An answer in the form asked for. `roots`: of each result, where several repositories were searched."""
    code = NOTHING if answer.abstained or not answer.results else FOUND
    form = request.shape.form
    repositories = tuple(map(os.fspath, roots)) if len(request.roots) > 1 else ()
    if form == "json":
        return Printed((machine.as_json(answer, repositories),), code)
    if form == "jsonl":
        return Printed(tuple(machine.as_lines(answer, repositories)), code)
    if form == "paths":
        notes = (answer.reason,) if code == NOTHING else ()
        return Printed(tuple(_paths(answer, request)) if code == FOUND else (), code, notes, raw=not request.shape.terminal)
    return Printed(tuple(output.for_people(answer, _view(request))), code)


def _paths(answer: Answer, request: Request) -> Iterator[str]:
    """Paths of the files, best first, each once: escaped on a terminal, else as they are."""
    for path in dict.fromkeys(request.shape.prefix + result.path for result in answer.results):
        yield shown(path) if request.shape.terminal else path


def _view(request: Request) -> output.View:
    return output.View(Paint(request.shape.color), request.shape.prefix, request.shape.signals)


def _ask(request: Request) -> Ask:
    return Ask(request.text, request.k, Filters(request.languages, request.paths, request.kinds, regex=request.regex), _mode(request), request.max_tokens, request.level, request.shape.signals, request.graph)


def _mode(request: Request) -> Any:
    return request.explain
