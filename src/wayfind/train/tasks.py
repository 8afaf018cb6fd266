"""The work of a build, cut into tasks that share nothing: a repository, a language of a data set, a file of lines.

A task leaves its pairs in one file of the spill folder, named for all that they depend on, so that a build that was ended, or
one with more repositories, reads none twice. A task that fails leaves its reason; it stops no other.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import signal
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from typing import Any

from wayfind import __version__
from wayfind.corpus.git import ask
from wayfind.corpus.walk import walk
from wayfind.errors import StorageError, WayfindError
from wayfind.files import replace_file
from wayfind.evaluate.scratch import git, git_bytes
from wayfind.model.text import TEXT_VERSION
from wayfind.train.pairs import Pair, Part, read_lines, to_line, write_shard
from wayfind.train.recipe import CodeSearchNet, JsonLines, Recipe, TheStack
from wayfind.train.sources.codesearchnet import READING as ROWS_READ
from wayfind.train.sources.codesearchnet import codesearchnet_pairs, held_out
from wayfind.train.sources.jsonl import jsonl_pairs
from wayfind.train.sources.repository import Repository, Yield, repository_pairs
from wayfind.train.sources.the_stack import the_stack_pairs
from wayfind.train.sources.tree import is_code, language_of, read_tree

log = logging.getLogger(__name__)

READING = "4"
"""Raised whenever the same input gives other pairs, so that no older spill is taken."""
TASKS_PER_PROCESS = 24
"""Processes are replaced after so many tasks each: what grammars and large trees left behind goes with it."""


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of work: a source, and the language or the folder of it."""

    source: Repository | CodeSearchNet | TheStack | JsonLines
    name: str
    """Under which its figures stand in the manifest."""
    language: str = ""
    kept_out: bool = False
    """Its code is what no pair may be like; it gives no pairs."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a task left."""

    task: Task
    spill: Path
    pairs: int
    origins: dict[str, Part]
    """Origin -> the part that the source itself gives it, train where it gives none; under "" what is of no origin."""
    dropped: Counter[str] = field(default_factory=Counter)
    commit: str = ""
    problem: str = ""

    def read(self) -> Iterator[Pair]:
        return read_lines(self.spill) if self.pairs else iter(())


def run_tasks(tasks: Sequence[Task], recipe: Recipe, spill: Path, processes: int) -> Iterator[Done]:
    """What each task left, as they end. `processes` of 1 runs them here."""
    spill.mkdir(parents=True, exist_ok=True)
    if processes == 1:
        yield from (run_task(task, recipe, spill) for task in tasks)
        return
    for start in range(0, len(tasks), processes * TASKS_PER_PROCESS):
        yield from _round(tasks[start : start + processes * TASKS_PER_PROCESS], recipe, spill, processes)


def _round(tasks: Sequence[Task], recipe: Recipe, spill: Path, processes: int) -> Iterator[Done]:
    """Do tasks in processes that end with them. (A pool that replaces its own processes stands still: CPython issue 115634.)"""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_end_at_interrupts) as pool:
        running = [pool.submit(run_task, task, recipe, spill) for task in tasks]
        try:
            for ended in as_completed(running):
                yield ended.result()
        except BrokenProcessPool:
            raise StorageError("a process of the build was killed, most likely for want of memory; run it again with fewer --processes: what was read is kept") from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _end_at_interrupts() -> None:
    """A worker ends at once, and without a word: the parent says what there is to say. It ends with a parent that was killed, too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    Thread(target=_end_with, args=(parent_process(),), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def run_task(task: Task, recipe: Recipe, spill: Path) -> Done:
    """Do a task, or take what it left before."""
    key, commit = state(task, recipe)
    place = spill / f"{re.sub(r'[^A-Za-z0-9.-]+', '+', task.name)[:80]}-{key}.jsonl.gz"
    told = place.with_suffix(".told.json")
    if key and place.is_file() and (values := _values(told)):
        return Done(task, place, values["pairs"], values["origins"], Counter(values["dropped"]), commit)
    try:
        found = pairs_of(task, recipe)
    except WayfindError as problem:
        return Done(task, place, 0, {}, commit=commit, problem=str(problem))
    except Exception as problem:  # noqa: BLE001  one odd repository must not stop a build of hundreds; the manifest says which
        log.info("%s failed", task.name, exc_info=True)
        return Done(task, place, 0, {}, commit=commit, problem=f"{type(problem).__name__}: {problem}")
    origins = _origins(found.pairs)
    partial = place.with_name(f"{place.name}.{os.getpid()}")
    write_shard(partial, map(to_line, found.pairs))
    partial.replace(place)
    if not found.broken:  # what broke is read again the next time
        replace_file(told, json.dumps({"pairs": len(found.pairs), "origins": origins, "dropped": found.dropped}).encode())
    return Done(task, place, len(found.pairs), origins, found.dropped, commit, found.problem)


def _values(told: Path) -> dict[str, Any]:
    """What a task noted beside its pairs; nothing where that is not there, or was written half."""
    try:
        return json.loads(told.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def pairs_of(task: Task, recipe: Recipe) -> Yield:
    """The pairs of a task, weighted by their languages; of one that is kept out, each definition as the code of a pair."""
    found, weights = _read(task, recipe), recipe.language_weights
    found.pairs = [replace(pair, weight=pair.weight * weights[pair.language]) if pair.language in weights else pair for pair in found.pairs]
    return found


def _read(task: Task, recipe: Recipe) -> Yield:
    source = task.source
    if task.kept_out and isinstance(source, Repository):
        return _definitions(source.folder)
    if task.kept_out and isinstance(source, CodeSearchNet):
        return held_out(Path(source.codesearchnet), task.language)
    if isinstance(source, Repository):
        return repository_pairs(source, recipe.kinds, recipe.limits, recipe.seed)
    if isinstance(source, CodeSearchNet):
        return codesearchnet_pairs(source.codesearchnet, task.language, source.cap, source.weight, recipe.seed)
    if isinstance(source, TheStack):
        return the_stack_pairs(source.the_stack, task.language, source.cap, source.weight)
    return jsonl_pairs(source, recipe.split, recipe.seed)


def state(task: Task, recipe: Recipe) -> tuple[str, str]:
    """A hash of all that the pairs of a task depend on, and the commit of a repository; no hash where that cannot be told."""
    source = task.source
    commit, files = "", ""
    if isinstance(source, Repository):
        commit = ask(source.folder, "rev-parse", "HEAD") or ""
        files = repr([(file.path, file.size, file.mtime_ns) for file in walk(source.folder).files]) if _is_changed(source.folder, commit) else ""
    elif isinstance(source, JsonLines):
        files = f"{recipe.split} {hashlib.sha256(Path(source.jsonl).read_bytes()).hexdigest()}" if Path(source.jsonl).is_file() else "missing"
    else:
        files = ROWS_READ + _listed(Path(source.codesearchnet)) if isinstance(source, CodeSearchNet) else _listed(Path(source.the_stack))
    said = [READING, __version__, TEXT_VERSION, task, recipe.kinds, recipe.limits, recipe.seed, sorted(recipe.language_weights.items()), commit, files]
    return hashlib.sha256(repr(said).encode("utf-8", "surrogateescape")).hexdigest()[:16], commit


def _is_changed(folder: Path, commit: str) -> bool:
    """Whether the working tree differs from its commit, or is no repository of its own."""
    return not commit or not (folder / ".git").exists() or ask(folder, "status", "--porcelain", "--untracked-files=normal", seconds=60.0) != ""


def _listed(folder: Path) -> str:
    return repr(sorted((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file())) if folder.is_dir() else "hub"


def _origins(pairs: Iterable[Pair]) -> dict[str, Part]:
    """The part of each origin; of one that has several, the most held out."""
    order = ("train", "valid", "test")
    found: dict[str, Part] = {}
    for pair in pairs:
        origin = pair.origin.encode("utf-8", "replace").decode()  # as it is written: half a character is none
        found[origin] = max(found.get(origin, "train"), pair.part, key=order.index)
    return found


MOST_KEPT_OUT = 200_000_000
"""Bytes of code that are read of a project that is kept out."""


def _definitions(folder: Path) -> Yield:
    import tempfile

    found = Yield()
    with tempfile.TemporaryDirectory() as scratch:
        for one in read_tree(_worktree(folder, Path(scratch)), MOST_KEPT_OUT).definitions:
            if len(one.lines) > 2:
                found.pairs.append(Pair("-", one.text(), one.language, origin=folder.name))
    return found


def _worktree(folder: Path, scratch: Path) -> Path:
    """The folder, or the code of the newest tree of a repository that has no work tree; what a partial clone lacks is left out."""
    has_tree = any(one.name != ".git" for one in folder.iterdir()) and (folder / ".git").exists()
    bare = folder if (folder / "objects").is_dir() else None if has_tree else next(iter(sorted(folder.glob("*/objects"))), None)
    if bare is None:
        return folder
    top = bare if bare is folder else bare.parent
    entries = (entry.split("\t", 1) for entry in git(top, "ls-tree", "-r", "-z", _newest(top)).split("\0") if entry)
    blobs = {path: entry.split()[2] for entry, path in entries if entry.startswith("100") and is_code(language_of(path))}
    contents = _blobs(git_bytes(top, "cat-file", "--batch", given="\n".join([*blobs.values(), ""]).encode()))
    for path, content in zip(blobs, contents, strict=True):
        if content is not None:
            place = scratch / "tree" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    return scratch / "tree"


def _blobs(answer: bytes) -> Iterator[bytes | None]:
    """The contents in the answer of `git cat-file --batch`, None for what is not there."""
    at = 0
    while at < len(answer):
        end = answer.index(b"\n", at)
        head, at = answer[at:end].split(), end + 1
        if head[1:] == [b"missing"]:
            yield None
        else:
            size = int(head[2])
            yield answer[at : at + size]
            at += size + 1


def _newest(top: Path) -> str:
    """HEAD, or where it names nothing, the branch or tag with the newest commit."""
    if ask(top, "rev-parse", "--verify", "--quiet", "HEAD^{commit}"):
        return "HEAD"
    return (ask(top, "for-each-ref", "--sort=-committerdate", "--count=1", "--format=%(objectname)") or "HEAD").strip()
