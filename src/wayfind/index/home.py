"""Where the indexes lie. Imports nothing heavy: a command that asks a resident process needs no more than this."""

from __future__ import annotations

import os
from pathlib import Path


def default_home() -> Path:
    """The folder of all indexes: $WAYFIND_HOME, else wayfind below the user's cache folder (XDG)."""
    if home := os.environ.get("WAYFIND_HOME"):
        return Path(home).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "wayfind"
