"""Vocabularies: texts in, token ids out; learned from pairs as WordPiece, or read from where an encoder keeps its own.

`vocab.txt` is BERT's uncased WordPiece; `tokenizer.json` any that the library `tokenizers` reads.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from pathlib import Path
from typing import Any

import numpy as np

from wayfind.errors import NotFound, UsageError
from wayfind.model.text import plain

FILES = ("vocab.txt", "tokenizer.json")
"""In the order in which they are looked for: what serves reads the first."""
ALPHABET = 1000
"""Single characters at most; what is rarer becomes [UNK] with the word that it stands in."""
LONGEST_WORD = 100
"""Characters of a word at most; longer ones are [UNK], as BERT has it."""
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


class Vocabulary:
    """A tokenizer, with the special tokens that stand before and after a text kept apart.

    Ids of a text are without them, so that its end can be cut and its parts put together; `before` and `after` are added when
    a batch is made.
    """

    def __init__(self, tokenizer: Any, name: str, content: bytes) -> None:
        self._tokenizer, self.name, self.content = tokenizer, name, content
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self.size = tokenizer.get_vocab_size()
        framed = tokenizer.encode("a")
        inner = [number for number, special in enumerate(framed.special_tokens_mask) if not special]
        self.before, self.after = tuple(framed.ids[: inner[0]]), tuple(framed.ids[inner[-1] + 1 :])
        pad = next((found for mark in ("[PAD]", "<pad>") if (found := tokenizer.token_to_id(mark)) is not None), None)
        if pad is None:
            raise UsageError(f"{name}: the vocabulary has no [PAD] and no <pad>")
        self.pad = pad

    @property
    def digest(self) -> str:
        """SHA-256 of the vocabulary's file."""
        return hashlib.sha256(self.content).hexdigest()

    def agrees(self, other: Vocabulary) -> bool:
        """Whether both give the same pieces the same ids and put the same tokens around a text, as `vocab.txt` and `tokenizer.json` of
        one encoder do."""
        return self.digest == other.digest or (self.is_framed_as(other) and self._tokenizer.get_vocab() == other._tokenizer.get_vocab())

    def is_framed_as(self, other: Vocabulary) -> bool:
        """Whether both put the same tokens around a text."""
        return (self.before, self.after) == (other.before, other.after)

    def ids(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Ids of each text, int32, without special tokens."""
        found = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(one.ids, np.int32) for one in found]

    def write(self, folder: Path) -> Path:
        """Write the vocabulary's file into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / self.name).write_bytes(self.content)
        return folder / self.name


def read_vocabulary(path: Path) -> Vocabulary:
    """The vocabulary of a file, or of a folder's `vocab.txt`, or of its `tokenizer.json` where there is no other or that puts other
    tokens around a text: `<s> … </s>` around BERT's pieces, as MPNet has it. Raises NotFound, UsageError."""
    if path.is_dir():
        found = [read_vocabulary(path / name) for name in FILES if (path / name).is_file()]
        if not found:
            raise NotFound(f"{path}: no vocabulary in it; expected {' or '.join(FILES)}")
        return found[0] if found[0].is_framed_as(found[-1]) else found[-1]
    if not path.is_file():
        raise NotFound(f"{path}: no vocabulary; expected {' or '.join(FILES)}")
    tokenizers, content = _tokenizers(), path.read_bytes()
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path)) if path.suffix == ".json" else _word_pieces(tokenizers, content)
    except Exception as problem:  # the library raises bare Exception
        raise UsageError(f"{path}: not a vocabulary: {problem}") from None
    return Vocabulary(tokenizer, path.name, content)


def learn_vocabulary(texts: Iterable[str], size: int) -> Vocabulary:
    """An uncased WordPiece vocabulary of at most `size` tokens, special ones included, of texts as an encoder reads them
    (`model.text.plain`); the same texts give the same one.

    Pieces are the merges of byte pair encoding over words (R. Sennrich et al., "Neural Machine Translation of Rare Words with
    Subword Units", 2016, https://arxiv.org/abs/1508.07909), ties by the pieces themselves. The trainer of `tokenizers` breaks
    ties at random: two runs on the same texts differed in a quarter of 600 pieces.
    """
    tokenizers = _tokenizers()
    empty = _word_pieces(tokenizers, "\n".join(SPECIAL).encode())
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(word for word, _ in empty.pre_tokenizer.pre_tokenize_str(empty.normalizer.normalize_str(plain(text))) if len(word) <= LONGEST_WORD)
    content = "\n".join([*SPECIAL, *learn_pieces(counts, size - len(SPECIAL))]).encode()
    return Vocabulary(_word_pieces(tokenizers, content), "vocab.txt", content)


def learn_pieces(counts: Mapping[str, int], size: int) -> list[str]:
    """The most frequent characters, then the pieces that merging makes, at most `size`; a piece inside a word begins with `##`.

    >>> learn_pieces({"low": 5, "lower": 2}, 8)
    ['##o', '##w', 'l', '##e', '##r', '##ow', 'low', '##er']
    """
    words = [([word[0], *(f"##{letter}" for letter in word[1:])], count) for word, count in sorted(counts.items()) if count > 1]
    letters: Counter[str] = Counter()
    for pieces, count in words:
        for piece in pieces:
            letters[piece] += count
    found = sorted(letters, key=lambda piece: (-letters[piece], piece))[: min(ALPHABET, size)]
    pairs, places = _pairs(words)
    heap = [(-count, pair) for pair, count in pairs.items()]
    heapify(heap)
    known = set(found)
    while heap and len(found) < size:
        count, pair = heappop(heap)
        if -count != pairs[pair]:
            continue
        if -count < 2:
            break
        joined = pair[0] + pair[1].removeprefix("##")
        if joined not in known:
            known.add(joined)
            found.append(joined)
        for changed in _merge(pair, joined, words, places.pop(pair), pairs, places):
            if pairs[changed] > 0:
                heappush(heap, (-pairs[changed], changed))
    return found


def _pairs(words: list[tuple[list[str], int]]) -> tuple[Counter[tuple[str, str]], dict[tuple[str, str], set[int]]]:
    pairs: Counter[tuple[str, str]] = Counter()
    places: dict[tuple[str, str], set[int]] = defaultdict(set)
    for number, (pieces, count) in enumerate(words):
        for pair in zip(pieces, pieces[1:]):
            pairs[pair] += count
            places[pair].add(number)
    return pairs, places


def _merge(pair: tuple[str, str], joined: str, words: list, where: set[int], pairs: Counter, places: dict[tuple[str, str], set[int]]) -> list[tuple[str, str]]:
    """Merge a pair in the words that have it, and count again what stands there. Returns the pairs whose count changed."""
    changed = set()
    for number in where:
        pieces, count = words[number]
        for old in zip(pieces, pieces[1:]):
            pairs[old] -= count
            changed.add(old)
        pieces[:] = _merged(pieces, pair, joined)
        for new in zip(pieces, pieces[1:]):
            pairs[new] += count
            places[new].add(number)
            changed.add(new)
    pairs[pair] = 0
    return sorted(changed)


def _merged(pieces: list[str], pair: tuple[str, str], joined: str) -> list[str]:
    out, at = [], 0
    while at < len(pieces):
        here = tuple(pieces[at : at + 2]) == pair
        out.append(joined if here else pieces[at])
        at += 2 if here else 1
    return out


def _word_pieces(tokenizers: Any, content: bytes) -> Any:
    """BERT's uncased tokenizer over the pieces of a `vocab.txt`, one a line."""
    pieces = content.decode("utf-8").rstrip("\n").split("\n")
    rows = {piece.rstrip("\r"): row for row, piece in enumerate(pieces)}
    if missing := [mark for mark in SPECIAL[:4] if mark not in rows]:
        raise UsageError(f"a vocabulary without {', '.join(missing)}")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(rows, unk_token="[UNK]", max_input_chars_per_word=LONGEST_WORD))
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = tokenizers.processors.BertProcessing(("[SEP]", rows["[SEP]"]), ("[CLS]", rows["[CLS]"]))
    return tokenizer


def _tokenizers() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise UsageError("making tokens needs the package tokenizers: pip install 'wayfind[train]'") from None
    return tokenizers
