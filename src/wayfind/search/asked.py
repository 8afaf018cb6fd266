"""What a model reads of a query: a question as it stands; of a long text its sentences, each alone, since a model's query is short; of
a stack trace what stands beside the frames; code as code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from wayfind.search.query import QueryKind, kind_of
from wayfind.search.trace import frames

MOST = 16
"""Sentences that are read, the first ones: what an issue is about stands in front."""
FEWEST_WORDS = 3
_SPOKEN = re.compile(r"[^\W\d_]{2,}")
_END = re.compile(r"(?<=[.!?])\s+")
_FENCE = "```"


@dataclass(frozen=True, slots=True)
class Asked:
    """The texts whose mean stands for the query, and whether they are code."""

    texts: tuple[str, ...]
    code: bool = False


def asked(text: str) -> Asked:
    """What is read of a query.

    >>> asked("Cache grows\\n\\nIt is never emptied. Why?\\n```\\nx = 1\\n```").texts
    ('Cache grows', 'It is never emptied.')
    """
    kind: QueryKind = kind_of(text)
    if kind == "code":
        return Asked((text,), code=True)
    if kind not in ("text", "trace"):
        return Asked((text,))
    rest = frames(text)[1] if kind == "trace" else text
    title = rest.strip().split("\n", 1)[0]
    found = list(dict.fromkeys([*([title] if _SPOKEN.search(title) else []), *sentences(rest)]))
    return Asked(tuple(found[:MOST]) or (text,))


def sentences(text: str) -> list[str]:
    """The sentences of a text of FEWEST_WORDS words and more, those between fences left out."""
    found, fenced = [], False
    for line in text.split("\n"):
        if line.lstrip().startswith(_FENCE):
            fenced = not fenced
        elif not fenced:
            found += [one.strip() for one in _END.split(line) if len(_SPOKEN.findall(one)) >= FEWEST_WORDS]
    return found
