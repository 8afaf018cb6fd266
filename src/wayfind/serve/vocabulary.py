"""The command `vocabulary`: what words have come to mean in a repository, and what the user says of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wayfind.errors import UsageError
from wayfind.index.lock import held
from wayfind.serve.exits import FOUND, NOTHING
from wayfind.serve.place import folder_around, home_of, opened
from wayfind.serve.progress import meter
from wayfind.serve.screen import counted, shown

if TYPE_CHECKING:
    from wayfind.search.searcher import Searcher
    from wayfind.search.vocabulary import Edits, Meaning, Vocabulary, Word

WAIT = 5.0
"""Seconds to wait for another process that edits."""
SHOWN = 40
"""Words that are listed unless all are asked for."""
BRIEF = 4
"""Identifiers of a word in a list of words."""
MANY = {"docstring": ("docstring", "docstrings"), "feedback": ("marked result", "marked results")}
"""Origin -> what it is called, one and several."""


@click.command("vocabulary")
@click.argument("word", required=False)
@click.argument("path", required=False)
@click.option("--pin", "pins", multiple=True, metavar="WORD=NAME", help="Let WORD count as the identifier NAME too, at once and for good; may be given again.")
@click.option("--forget", "forgets", multiple=True, metavar="WORD[=NAME]", help="Let WORD not count as NAME, or as anything, whatever is learned; may be given again.")
@click.option("--undo", "undos", multiple=True, metavar="WORD[=NAME]", help="Take back what --pin and --forget said; may be given again.")
@click.option("--edits", "only_edits", is_flag=True, help="List what was pinned and forgotten alone.")
@click.option("--all", "every", is_flag=True, help=f"List every word, not the {SHOWN} whose meaning is surest.")
@click.option("--index", metavar="FOLDER", help="The index that `wayfind index --output FOLDER` wrote.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def vocabulary_command(
    word: str | None, path: str | None, pins: tuple[str, ...], forgets: tuple[str, ...], undos: tuple[str, ...], only_edits: bool, every: bool, index: str | None, as_json: bool
) -> int:
    """Show what WORD has come to mean in the repository at PATH (default: the one around the current folder, or that folder); without it, what all words have.

    A query's words count, at a low weight, as the identifiers that stand for them: `wayfind learn` finds those in docstrings
    and in what was marked as good. The exit code is 1 where a word means nothing more than itself.
    """
    from wayfind.search.vocabulary import check_word, read_edits, write_edits

    if word is not None and path is None and _is_folder(word):
        word, path = None, word
    if word is not None:
        check_word(word)
    if only_edits and (word or every):
        raise UsageError("--edits lists all that was pinned and forgotten; give it without a word and without --all")
    changes = [*(("pin", *_pair(text, "--pin", whole=True)) for text in pins), *(("forget", *_pair(text, "--forget")) for text in forgets)]
    changes += [("undo", *_pair(text, "--undo")) for text in undos]
    home = home_of(index)
    with opened(path or (folder_around() if home is None else None), home) as place, meter() as progress:
        searcher = place.ready(True, progress)
        progress.clear()
        folder = place.tree.folder
        with held(folder, alone=True, wait=WAIT) if changes else nullcontext():
            before = edits = read_edits(folder)
            for change, said, term in changes:
                after = getattr(edits, change)(said, term)
                if change == "undo" and after == edits:
                    raise UsageError(f"nothing was pinned or forgotten of {said}{'=' + term if term else ''}; `wayfind vocabulary --edits` lists what was")
                edits = after
            if edits != before:
                write_edits(folder, edits)
        if as_json:
            from wayfind.serve.machine import dumps

            click.echo(dumps(as_object(searcher, edits, word, only_edits)))
        elif changes:
            for line in _said(changes, searcher):
                click.echo(line)
        else:
            for line in _edits(edits) if only_edits else _listed(searcher.vocabulary, word, every):
                click.echo(line)
        found = bool(edits) if only_edits else bool(_wanted(searcher.vocabulary, word))
        return FOUND if changes or found else NOTHING


def as_object(searcher: Searcher, edits: Edits, word: str | None, only_edits: bool = False) -> dict[str, Any]:
    """What words mean, as JSON. `weight` is what one occurrence of the identifier counts beside one of the word itself."""
    from wayfind.search.expansion import counted as weight
    from wayfind.serve.machine import SCHEMA_VERSION

    wanted = {} if only_edits else _wanted(searcher.vocabulary, word)
    return {
        "schema_version": SCHEMA_VERSION,
        "root": searcher.snapshot.manifest.meta.get("root", ""),
        "words": [
            {
                "word": one.written,
                "meanings": [
                    {"name": m.written, "strength": m.strength, "weight": round(weight(m), 4), "pinned": m.pinned, "seen": dict(m.seen), "chunks": len(searcher.snapshot.holding(m.term))}
                    for m in one.meanings
                ],
            }
            for one in wanted.values()
        ],
        "pinned": [{"word": said, "name": name} for said, name in edits.pinned],
        "forgotten": [{"word": said, "name": name or None} for said, name in edits.forgotten],
    }


def _wanted(vocabulary: Vocabulary, word: str | None) -> dict[str, Word]:
    """One word, by any of its forms, or all: those of the surest meaning first."""
    if word is not None:
        from wayfind.index.tokens import terms_of

        return {term: vocabulary[term] for term in terms_of(word) if term in vocabulary}
    return dict(sorted(vocabulary.items(), key=lambda item: (-max(one.strength for one in item[1].meanings), item[0])))


def _listed(vocabulary: Vocabulary, word: str | None, every: bool) -> Iterator[str]:
    wanted = _wanted(vocabulary, word)
    if word is not None:
        if not wanted:
            yield f"{shown(word)}: nothing more than itself, as far as is known; pin a meaning with: wayfind vocabulary --pin {shown(word)}=NAME"
        for one in wanted.values():
            yield shown(one.written)
            yield from (f"  {_at_length(meaning)}" for meaning in one.meanings)
        return
    if not wanted:
        yield "no word is known to mean more than itself; `wayfind learn` finds out, and --pin WORD=NAME says so"
    for one in list(wanted.values())[: None if every else SHOWN]:
        more = f", and {len(one.meanings) - BRIEF} more" if len(one.meanings) > BRIEF else ""
        yield f"{shown(one.written)}  {', '.join(_brief(meaning) for meaning in one.meanings[:BRIEF])}{more}"
    if not every and len(wanted) > SHOWN:
        yield f"and {counted(len(wanted) - SHOWN, 'word')} more: --all"


def _brief(meaning: Meaning) -> str:
    return f"{shown(meaning.written)} {'(pinned)' if meaning.pinned else f'{meaning.strength:.2f}'}"


def _at_length(meaning: Meaning) -> str:
    seen = ", ".join(f"{count} {MANY.get(origin, (origin, origin))[count > 1]}" for origin, count in sorted(meaning.seen.items(), key=lambda item: (-item[1], item[0])))
    return f"{_brief(meaning)}{f'  from {seen}' if seen else ''}"


def _edits(edits: Edits) -> Iterator[str]:
    if not edits:
        yield "nothing was pinned or forgotten"
    yield from (f"pinned     {shown(word)}={shown(name)}" for word, name in edits.pinned)
    yield from (f"forgotten  {shown(word)}{'=' + shown(name) if name else ''}" for word, name in edits.forgotten)


def _said(changes: Sequence[tuple[str, str, str]], searcher: Searcher) -> Iterator[str]:
    """One line for each change, and whether the index holds what was pinned."""
    from wayfind.search.vocabulary import key_of

    for change, word, name in changes:
        if change == "pin":
            count = len(searcher.snapshot.holding(key_of(name)))
            yield f"{shown(word)} counts as {shown(name)} from now on, which {counted(count, 'chunk')} {'holds' if count == 1 else 'hold'}"
        elif change == "forget":
            yield f"{shown(word)} does not count as {shown(name) if name else 'anything else'} from now on"
        else:
            yield f"{shown(word)}{'=' + shown(name) if name else ''}: as if nothing had been said"


def _pair(text: str, option: str, whole: bool = False) -> tuple[str, str]:
    """`WORD=NAME`, or `WORD` where that is enough. Raises UsageError."""
    word, sign, name = (part.strip() for part in text.partition("="))
    if not word or (whole or sign) and not name:
        raise UsageError(f"{option} {text}: write {option} WORD={'NAME' if whole else 'NAME, or ' + option + ' WORD for all of them'}")
    return word, name


def _is_folder(text: str) -> bool:
    """Whether a single argument is a PATH: a word of a query holds no dot and no slash."""
    return (os.sep in text or text in (".", "..", "~") or text.startswith("~/") or not text.replace("_", "").isalnum()) and Path(text).expanduser().is_dir()
