"""Near-duplicates of code: in come texts one after another, out comes whether one like it was there before.

Signatures are MinHash over runs of five code tokens (A. Broder, "On the resemblance and containment of documents", 1997),
found by locality-sensitive hashing and confirmed by the estimated Jaccard similarity. The library is rensa: it signs 50 to 250
times as many texts as datasketch at the same error (`benchmarks/near_duplicates.py`), without datasketch's 113 MB of scipy.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from wayfind.errors import UsageError
from wayfind.train.pairs import Pair

if TYPE_CHECKING:
    from rensa import RMinHash

TOKEN = re.compile(r"\w+|[^\w\s]")
RUN = 5
"""Tokens in a shingle: fewer make all code of a language alike."""
SLOTS = 64
"""Values in a signature: the estimate of the similarity has a standard error of at most 0.06."""
BANDS = 16
"""Bands of four values: a pair with similarity 0.7 meets in one of them with probability 0.99."""
SEED = 1


class Seen:
    """The texts that were kept so far. `threshold` is the Jaccard similarity from which two texts count as the same."""

    def __init__(self, threshold: float):
        rensa = library()
        self.threshold = threshold
        self._signatures: list[RMinHash] = []
        self._index = rensa.RMinHashLSH(threshold, SLOTS, BANDS)

    def __len__(self) -> int:
        return len(self._signatures)

    def holds(self, signature: RMinHash) -> bool:
        """Whether a text like this one was added."""
        near = self._index.query(signature)
        return any(signature.jaccard(self._signatures[number]) >= self.threshold for number in near)

    def add(self, signature: RMinHash) -> None:
        self._index.insert(len(self._signatures), signature)
        self._signatures.append(signature)


class KeptOut:
    """What no pair may be like: texts, and what lies within them."""

    def __init__(self, threshold: float):
        self._texts = Seen(threshold)
        self._runs: list[np.ndarray] = []

    def add(self, text: str) -> None:
        self._texts.add(signature(text))
        self._runs.append(_runs(text))

    def holds(self, text: str, made: RMinHash, within: bool) -> bool:
        """Whether a text like this one was added, `made` being its signature; with `within`, also whether so much of it as the threshold says
        lies in what was added: a block of a function is far from the function by the Jaccard similarity."""
        if self._texts.holds(made):
            return True
        if not within or not self._runs:
            return False
        if len(self._runs) > 1:
            self._runs = [np.unique(np.concatenate(self._runs))]
        runs, known = _runs(text), self._runs[0]
        return bool((known[np.searchsorted(known[:-1], runs)] == runs).mean() >= self._texts.threshold)


def _runs(text: str) -> np.ndarray:
    """The runs of tokens of a text as 32 bit hashes, each once, uint32 [runs]."""
    return np.unique(np.array([crc32(run.encode("utf-8", "replace")) for run in shingles(text)], np.uint32))


def signature(text: str) -> RMinHash:
    """The MinHash of a text; layout does not count, names do."""
    made = library().RMinHash(num_perm=SLOTS, seed=SEED)
    made.update(shingles(text))
    return made


def shingles(text: str) -> list[str]:
    """The runs of five tokens of a text, or its tokens in one piece where there are fewer.

    >>> shingles("f(a, b)")
    ['f ( a , b', '( a , b )']
    """
    tokens = TOKEN.findall(text)
    return [" ".join(tokens[at : at + RUN]) for at in range(max(1, len(tokens) - RUN + 1))]


def body(pair: Pair) -> str:
    """The code of a pair without the head that says path and symbol: a copy lies elsewhere under the same name."""
    lines = pair.code.split("\n")
    head = (1 if pair.path else 0) + (1 if pair.symbol else 0)
    return "\n".join(lines[head:]) if len(lines) > head and pair.path and lines[0].endswith(_end(pair, lines[0])) else pair.code


def _end(pair: Pair, line: str) -> str:
    """The end of the path by which a head is known; a masked name may stand in its last part."""
    return "" if "_" in line else pair.path.rpartition("/")[2]


def definition_of(pair: Pair) -> tuple[str, ...]:
    """Which definition a pair is about: its pairs of several kinds are no duplicates of each other. Without a path it is the code itself
    that several questions may have."""
    if not pair.path:
        return pair.origin, "", content_of(pair)
    return (pair.origin, pair.path, pair.symbol or "", pair.id) if pair.kind == "comment" else (pair.origin, pair.path, pair.symbol or "")


def content_of(pair: Pair) -> str:
    """A hash of the code's words: questions that one code answers have the same."""
    return hashlib.sha256(" ".join(pair.code.split()).encode("utf-8", "replace")).hexdigest()


NOT_CODE = re.compile(
    r"(?P<quote>\"{3}|'{3})[\s\S]*?(?P=quote)|/\*[\s\S]*?\*/|/-[\s\S]*?-/|\(\*[\s\S]*?\*\)|^[ \t]*(?://|\#(?!include|define|\[)|--|;|%|\\\*).*$", re.MULTILINE
)


def code_only(text: str) -> str:
    """The text without documentation and whole-line comments of most languages: copies differ there, and pairs have lost theirs.

    >>> code_only("# Adds.\\ndef add(a):\\n    return a").strip()
    'def add(a):\\n    return a'
    """
    bare = NOT_CODE.sub("", text)
    return bare if len(TOKEN.findall(bare)) >= RUN else text


def longest(texts: Iterable[str]) -> str:
    return max(texts, key=lambda text: (len(text), text))


def library():
    """The module that makes signatures. Raises UsageError where it is not installed."""
    try:
        import rensa
    except ImportError:
        raise UsageError("near-duplicates are found by `rensa`, which is not installed; run: pip install 'wayfind[data]'") from None
    return rensa
