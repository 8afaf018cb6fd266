"""What to write instead, for the mistakes that a query on a command line invites: no quotes, a dash in front, a command misspelt."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile

import click

from wayfind.errors import NotFound

_LEFT_OUT = re.compile(r"-(?:[^\W_]+|(?:sym|symbol|path|file|lang|language|kind):.+)")
"""What a query leaves out, given behind it."""
_ALIKE = 0.8
"""Likeness to a command of the same first letter from which a word may be one misspelt (`difflib`): `staus`, `serach`, `indx`."""


def misspelt(word: str, commands: Iterable[str]) -> str:
    """What to say of a first word that is no command but nearly one; empty for any other."""
    if not word.isalpha():
        return ""
    from difflib import get_close_matches

    close = get_close_matches(word, [command for command in commands if command[0] == word[0]], 1, _ALIKE)
    return f"{word!r} is no command, so it was taken for a query; did you mean: wayfind {close[0]}" if close else ""


@contextmanager
def hinting(arguments: Sequence[str], instead: str = "") -> Iterator[None]:
    """Errors of a search from here say what to write. `arguments` are those of the command line, the command first; `instead` is
    what `misspelt` says of the first word."""
    try:
        yield
    except click.UsageError as wrong:
        if arguments[:1] == ["search"] and (hint := instead or _hint(wrong, arguments[1:])):
            if isinstance(wrong, click.NoSuchOption):
                wrong.possibilities = None  # click's own guess, which would follow
            wrong.message = f"{wrong.message}\n{hint}"
        raise
    except NotFound as error:
        words = _words(arguments[1:])
        if arguments[:1] == ["search"] and str(error).startswith("no such folder") and (instead or _are_words(words)):
            raise NotFound(f"{error}\n{instead or _quoted(words)}") from error
        raise


def _hint(wrong: click.UsageError, given: Sequence[str]) -> str:
    if isinstance(wrong, click.NoSuchOption) and (hint := _of_one_dash(wrong, given)):
        return hint
    dashed = next((text for text in given if text.startswith("-") and (" " in text or not text.startswith("--"))), "")
    if " " in dashed or (isinstance(wrong, click.NoSuchOption) and dashed):
        return f'a query that starts with a dash comes after two dashes: wayfind -- "{dashed}"'
    words = _words(given)
    if len(words) > 2 and not isinstance(wrong, (click.BadParameter, click.NoSuchOption)):
        return _quoted(words)
    return ""


def _of_one_dash(wrong: click.NoSuchOption, given: Sequence[str]) -> str:
    """For an option of one dash that is none: the one of two dashes, or, behind a query, what it was to leave out as a part of it."""
    options = {name for option in (wrong.ctx.command.params if wrong.ctx else ()) for name in option.opts}
    text = next((text for text in given if _LEFT_OUT.fullmatch(text) and len(text) > 2 and wrong.option_name[1:] in text), "")
    if f"-{text}" in options:
        return f"did you mean -{text}"
    if text and not given[0].startswith("-"):
        return f'what a query leaves out is a part of it: wayfind "{given[0]} {text}"'
    return ""


def _are_words(words: Sequence[str]) -> bool:
    """Whether the quotes of a query were forgotten, rather than a folder mistyped: nothing behind the first word looks like a path."""
    return len(words) > 1 and not any(sign in word for word in words[1:] for sign in "/\\~.")


def _words(given: Sequence[str]) -> list[str]:
    return list(takewhile(lambda text: not text.startswith("-"), given))


def _quoted(words: Sequence[str]) -> str:
    return f'a query of several words goes in quotes: wayfind "{" ".join(words).strip()}"'
