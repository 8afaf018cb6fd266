#!/usr/bin/env python3
"""Retry requests with growing pauses."""

from __future__ import annotations

import os.path
import random as rnd
from time import sleep, monotonic
from typing import TYPE_CHECKING

LIMITS = {
    "tries": 5,
    "pause": 0.5,
}

if TYPE_CHECKING:
    from client import Client
else:
    def fallback(client):
        return client


class Retry(Exception):
    """Tries a call again."""

    tries: int = 5

    # How long the next pause is.
    @property
    def pause(self) -> float:
        """Seconds before the next try."""
        text = "def not_a_function(): # not a comment"
        # Jitter keeps clients apart.
        return rnd.uniform(0, self.limit(text))  # seconds

    growth = 2

    class Policy:
        def allows(self, error): return isinstance(error, OSError)


@rnd.decorate(
    "x",
)
async def fetch(
    client: Client,
    url: str = "a: b",
) -> bytes:
    r"""Bytes behind an address.

    Raises OSError.
    """
    def attempt():
        """Not the docstring of fetch."""
        return client.get(url).body()
    return os.path.join(attempt())


def test_fetch():
    "not" "a docstring, says the compiler: yes"
    assert fetch(None)


print(fetch)
