"""Vectors made by a process of its own, behind whoever serves: a root in, a more complete index out.

It runs at low priority and ends with the process that started it; what it made until then is kept.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

from wayfind.errors import WayfindError
from wayfind.serve.processes import python

NICENESS = 10


def encode_behind(root: Path, home: Path) -> subprocess.Popen[bytes] | None:
    """Start the process; None where there is none to be had. Vectors are never needed for an answer."""
    line = python("wayfind.serve.encoding", root, home, str(os.getpid()))
    with suppress(OSError):
        return subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return None


def main() -> int:
    from wayfind.index.lock import end_with
    from wayfind.index.tree import open_tree
    from wayfind.index.vectors import fill
    from wayfind.model.encoder import current_encoder
    from wayfind.serve.filling import alone

    end_with(int(sys.argv[3]))
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    try:
        with closing(open_tree(sys.argv[1], sys.argv[2])) as tree, alone(tree.folder):
            encoder = current_encoder(tree.folder)
            if encoder is not None:
                fill(tree, encoder, graph=False)
    except (WayfindError, OSError):  # or a search makes them already
        return 2
    return 0
