"""The name of a folder, under which its index lies."""

from __future__ import annotations

import hashlib
import os


def tree_id(root: str | os.PathLike[str]) -> str:
    """32 hex digits of the folder's real path."""
    return hashlib.sha256(b"tree\0" + os.fsencode(os.path.realpath(root))).hexdigest()[:32]
