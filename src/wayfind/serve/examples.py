"""Worked examples of every command, for the end of its help. A test runs them in a small repository."""

from __future__ import annotations

EXAMPLES = {
    "search": ('wayfind "what does a late reader pay" -k 3', "wayfind search \"fine lang:python\" --json", "git diff | wayfind -", 'wayfind "how is a late reader fined" --graph'),
    "explain": ("wayfind explain loans.py:14",),
    "related": ("wayfind related loans.py:14 -k 3", "wayfind related loans.py:14 --callers --siblings"),
    "index": ("wayfind index", "wayfind index . --output ../code.index"),
    "status": ("wayfind status --coverage",),
    "vocabulary": ("wayfind vocabulary --pin penalty=fine", "wayfind vocabulary penalty"),
    "feedback": ('wayfind feedback "what does a late reader pay" loans.py:25 good', "wayfind feedback --list"),
    "learn": ("wayfind learn", "wayfind learn --status"),
    "eval": ("wayfind eval --kinds docstring --limit 20",),
    "serve": ("wayfind serve --background", "wayfind serve --stop"),
    "mcp": ("wayfind mcp < /dev/null",),
    "install": ("wayfind install claude --dry-run", "wayfind install codex --project --yes"),
    "uninstall": ("wayfind uninstall codex --project --yes",),
    "config": ("wayfind config --show-origin", "wayfind config set top-k 5"),
    "completion": ('eval "$(wayfind completion bash)"',),
    "gc": ("wayfind gc --limit 2GB",),
    "forget": ("wayfind forget .",),
    "doctor": ("wayfind doctor --repair",),
    "languages": ("wayfind languages",),
    "version": ("wayfind version",),
}
"""Command -> command lines, to be run in the folder of a repository."""


def epilog(name: str) -> str | None:
    """The examples of a command as click prints them; None where there are none."""
    if name not in EXAMPLES:
        return None
    return "\n".join(["\b", "Examples:" if len(EXAMPLES[name]) > 1 else "Example:", *(f"  {line}" for line in EXAMPLES[name])])
