"""Where the indexes lie. Imports nothing heavy: a command that asks a resident process needs no more than this."""

from __future__ import annotations

import os
from pathlib import Path

from wayfind.config import value_of


def default_home() -> Path:
    """The folder of all indexes: $WAYFIND_HOME, else the user's setting `home`, else wayfind below the user's cache folder (XDG)."""
    if home := os.environ.get("WAYFIND_HOME"):
        return Path(home).expanduser()
    if home := value_of("home"):
        return Path(home)
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "wayfind"
