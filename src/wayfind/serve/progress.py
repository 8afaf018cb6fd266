"""Progress on standard error, and only where that is a terminal: one line, rewritten, gone at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from wayfind.serve.screen import shown

STAGES = {"walk": "looking at files", "read": "reading", "extract": "extracting", "history": "reading commits", "write": "writing", "encode": "making vectors (Ctrl-C leaves what is done)"}
_EVERY = 0.1
"""Seconds between two updates."""
_WIDEST = 76


class Meter:
    """Called as meter(stage, done, total) or meter(message)."""

    def __init__(self, on: bool):
        self._on, self._next, self._stage, self._dirty = on, 0.0, "", False

    def __call__(self, stage: str, done: int = 0, total: int = 0) -> None:
        now = time.monotonic()
        if not self._on or (stage == self._stage and now < self._next and done < total):
            return
        self._next, self._stage, self._dirty = now + _EVERY, stage, True
        text = STAGES.get(stage, stage) + (f" {done:,} of {total:,}" if total else "")
        sys.stderr.write(f"\r\x1b[K{shown(text)[:_WIDEST]}")
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._dirty:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._dirty = False


@contextmanager
def meter() -> Iterator[Meter]:
    """A meter that is gone when its block ends, however it ends."""
    shown_here = Meter(sys.stderr is not None and sys.stderr.isatty())
    try:
        yield shown_here
    finally:
        shown_here.clear()
