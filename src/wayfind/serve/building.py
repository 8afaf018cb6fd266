"""An index brought up to date by a process of its own: a root in, progress out.

So a process that serves keeps neither the memory of extraction nor the interpreter's lock for it, and forks no workers
while its own threads run. The module's `main` is that process; its output is for `build` alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from wayfind import errors
from wayfind.serve.processes import python

if TYPE_CHECKING:
    from wayfind.index.refresh import Options
    from wayfind.types import Progress

_EVERY = 0.05
"""Seconds between two reports."""


def build(root: Path, home: Path, options: Options, progress: Progress, started: Callable[[subprocess.Popen[str]], None]) -> None:
    """Refresh the index of `root` in a child process, which `started` gets to end it when need be.

    Raises what the refresh raised; StorageError where there is no process to be had, or it ended early.
    """
    order = {
        "root": os.fspath(root), "home": os.fspath(home), "manual": options.manual and os.fspath(options.manual), "commits": options.commits,
        "workers": options.workers, "wait": options.wait,
    }  # fmt: skip
    line = python("wayfind.serve.building", json.dumps(order))
    try:
        child = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError as error:
        raise errors.StorageError(f"cannot start a process to build the index: {error.strerror}") from error
    started(child)
    refused: errors.WayfindError | None = None
    with child:
        for row in child.stdout or ():
            said = json.loads(row)
            if "stage" in said:
                progress(said["stage"], said["done"], said["total"])
            else:
                refused = getattr(errors, said["error"], errors.WayfindError)(said["text"])
    if refused is not None:
        raise refused
    if child.returncode:
        raise errors.StorageError(f"the process that builds the index ended early (exit code {child.returncode}); run `wayfind index {root}` to see why")


def main() -> int:
    import time

    from wayfind.index.refresh import Options, refresh
    from wayfind.index.tree import open_tree

    order = json.loads(sys.argv[1])
    told = {"stage": "", "next": 0.0}

    def tell(stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if stage != told["stage"] or now >= told["next"]:
            told.update(stage=stage, next=now + _EVERY)
            print(json.dumps({"stage": stage, "done": done, "total": total}), flush=True)

    options = Options(Path(order["manual"]) if order["manual"] else None, order["commits"], workers=order["workers"], wait=order["wait"])
    try:
        tree = open_tree(order["root"], order["home"])
        try:
            refresh(tree, options, tell)
        finally:
            tree.close()
    except errors.WayfindError as error:
        print(json.dumps({"error": type(error).__name__, "text": str(error)}), flush=True)
    except BrokenPipeError:  # nobody waits any more
        os._exit(1)
    return 0
