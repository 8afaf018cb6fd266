"""Codes of code from many repositories, which a bundle brings along: what a question is compared with to say whether it is asked in
the right place. Some questions lie near to all code; only how much nearer they lie to this repository's than to others' tells.

In speaker verification this is cohort normalisation (Auckenthaler, Carey and Lloyd-Thomas, "Score normalization for text-independent
speaker verification systems", 2000).
"""

from __future__ import annotations

import io
import json
import random
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from wayfind.model import bundle
from wayfind.model.encoder import Encoder
from wayfind.train.pairs import Pair, read_pairs

SIZE = 512
"""Codes kept. 250 and 2,000 do as well: docs/LOG.md, "Confidence, third round"."""
KINDS = ("docstring", "commit")
FILE = "background.npy"
_EACH = 50
"""Texts of a repository that are looked at, at most."""


def texts(pairs: Iterable[Pair], size: int = SIZE, seed: int = 0) -> list[str]:
    """Code of as many repositories as there are, one of each in turn; where there are more than texts, repositories are drawn."""
    of: defaultdict[str, set[str]] = defaultdict(set)
    for pair in pairs:
        if pair.kind in KINDS and len(of[pair.origin]) < _EACH:
            of[pair.origin].add(pair.code)
    drawn = random.Random(seed)
    piles = [drawn.sample(sorted(own), len(own)) for _, own in sorted(of.items()) if own]
    if len(piles) > size:
        piles = drawn.sample(piles, size)
    chosen: list[str] = []
    while piles and len(chosen) < size:
        chosen += [pile.pop() for pile in piles][: size - len(chosen)]
        piles = [pile for pile in piles if pile]
    return chosen


def add_background(base: Path, pairs: Path, folder: Path, size: int = SIZE, seed: int = 0) -> bundle.Bundle:
    """Write a copy of a bundle with the codes of code among training pairs (a build of `wayfind data build`) put in. Raises ModelError."""
    own = bundle.load(base)
    own.check()
    codes = Encoder(own, late=False).chunks([("", None, text) for text in texts(read_pairs(pairs, "train"), size, seed)])
    held = io.BytesIO()
    np.save(held, codes, allow_pickle=False)
    files = {name: (base / name).read_bytes() for name in own.digests} | {FILE: held.getvalue()}
    about = json.loads((base / bundle.MANIFEST).read_text(encoding="utf-8")).get("about", {})
    return bundle.write(folder, own.name, {**own.parts, "background": {"codes": FILE}}, files, about)
