"""Where the indexes lie. Imports nothing heavy: a command that asks a resident process needs no more than this."""

from __future__ import annotations

from wayfind.config import default_home

__all__ = ["default_home"]
