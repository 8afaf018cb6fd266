"""What to write instead, for the mistakes that a query on a command line invites: no quotes, and a dash in front."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile

import click

from wayfind.errors import NotFound


@contextmanager
def hinting(arguments: Sequence[str]) -> Iterator[None]:
    """Errors of a search from here say what to write. `arguments` are those of the command line, the command first."""
    try:
        yield
    except click.UsageError as wrong:
        if arguments[:1] == ["search"] and (hint := _hint(wrong, arguments[1:])):
            wrong.message = f"{wrong.message}\n{hint}"
        raise
    except NotFound as error:
        words = _words(arguments[1:])
        if arguments[:1] == ["search"] and str(error).startswith("no such folder") and _are_words(words):
            raise NotFound(f"{error}\n{_quoted(words)}") from error
        raise


def _hint(wrong: click.UsageError, given: Sequence[str]) -> str:
    dashed = next((text for text in given if text.startswith("-") and (" " in text or not text.startswith("--"))), "")
    if " " in dashed or (isinstance(wrong, click.NoSuchOption) and dashed):
        return f'a query that starts with a dash comes after two dashes: wayfind -- "{dashed}"'
    words = _words(given)
    if len(words) > 2 and not isinstance(wrong, (click.BadParameter, click.NoSuchOption)):
        return _quoted(words)
    return ""


def _are_words(words: Sequence[str]) -> bool:
    """Whether the quotes of a query were forgotten, rather than a folder mistyped: nothing behind the first word looks like a path."""
    return len(words) > 1 and not any(sign in word for word in words[1:] for sign in "/\\~.")


def _words(given: Sequence[str]) -> list[str]:
    return list(takewhile(lambda text: not text.startswith("-"), given))


def _quoted(words: Sequence[str]) -> str:
    return f'a query of several words goes in quotes: wayfind "{" ".join(words)}"'
