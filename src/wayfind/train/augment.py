"""Variants of training pairs, made after the split and in place of the original, never as a copy beside it.

Which pairs change is drawn by a hash of the pair, so that the same configuration gives the same bytes.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace

from wayfind.corpus.english import VERBS, third_person
from wayfind.train.pairs import Pair
from wayfind.train.sources.masking import masked

BASE_FORM = {third_person(verb): verb for verb in sorted(VERBS)} | {"returns": "return", "gets": "get"}


@dataclass(frozen=True, slots=True)
class Augment:
    """Shares of the training pairs, 0 to 1."""

    mask_name: float = 0.0
    """The symbol's own name is masked in the code: it must be found by what it does."""
    drop_path: float = 0.0
    """The path is left out of the code's head."""
    ask: float = 0.0
    """`Parses the header` becomes `how to parse the header`."""


def augmented(pair: Pair, shares: Augment, seed: int) -> Pair:
    """The pair or its variant."""
    if pair.symbol and pair.kind != "pair" and _draw(pair, "mask_name", seed) < shares.mask_name:
        pair = replace(pair, code=masked(pair.code, pair.symbol))
    if pair.path and pair.code.count("\n") > 2 and _draw(pair, "drop_path", seed) < shares.drop_path:
        head, _, rest = pair.code.partition("\n")
        pair = replace(pair, code=rest) if "/" in head or "." in head else pair
    if pair.kind == "docstring" and _draw(pair, "ask", seed) < shares.ask:
        pair = replace(pair, query=as_question(pair.query))
    return pair


def as_question(sentence: str) -> str:
    """A sentence about what code does as the question of someone who looks for it; as it is where it begins with no verb.

    >>> as_question("Parses the header of a request.")
    'how to parse the header of a request'
    """
    first, _, rest = sentence.partition(" ")
    verb = BASE_FORM.get(first.lower(), first.lower() if first.lower() in VERBS else "")
    return f"how to {verb} {re.sub(r'[.]$', '', rest)}" if verb and rest else sentence


def _draw(pair: Pair, name: str, seed: int) -> float:
    """A number from 0 to 1 for a pair, the same on every run. Its place in the text counts, not what other variants did."""
    key = f"{seed}:{name}:{pair.origin}:{pair.path}:{pair.symbol}:{pair.query[:40].lower()}"
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "replace")).digest()[:8], "big") / 2**64
