"""Processes of Wayfind's own, started from any folder: a module in, the command that runs it out."""

from __future__ import annotations

import os
import sys


def python(module: str, *arguments: str | os.PathLike[str]) -> list[str]:
    """The command that runs `main` of a module of Wayfind. Not `python -m`: that imports from the current folder first, which is the
    user's repository, or one that nobody trusts, with a `json.py` or a `numpy` of its own.

    >>> python("wayfind.serve.encoding", "root")[3:]
    ['root']
    """
    run = f"import sys; sys.path[:] = [place for place in sys.path if place]; from {module} import main; sys.exit(main())"
    return [sys.executable, "-c", run, *map(os.fspath, arguments)]
