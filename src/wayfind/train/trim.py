"""A general encoder without the pieces of its vocabulary that code and questions never use, and without positions that are never read:
of all-MiniLM-L6-v2 some two of 22.7 million parameters, which a bundle then need not carry.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np

from wayfind.errors import UsageError
from wayfind.model.text import plain
from wayfind.train.encoder import pretrained
from wayfind.train.pairs import Pair
from wayfind.train.vocabulary import FILES, read_vocabulary

FEWEST = 2
"""Times that a piece must occur to stay."""
POSITIONS = 256
_AT_A_TIME = 4096
_ALPHABET = re.compile(r"\[[A-Z]+\]|(?:##)?.")


def trim(folder: Path, pairs: Iterable[Pair], output: Path, fewest: int = FEWEST, positions: int = POSITIONS) -> int:
    """Write a copy of a BERT encoder (`config.json`, `vocab.txt`, weights) that knows the pieces which the texts of pairs use.

    Special tokens and single characters stay whatever the pairs say, so that no word becomes unknown; the states of a text whose pieces all stayed
    and that is no longer than `positions` are the same. Returns the number of pieces. Raises NotFound, UsageError.
    """
    if not (folder / FILES[0]).is_file():
        raise UsageError(f"{folder}: no {FILES[0]}; only the vocabulary of a BERT encoder can be cut down")
    vocabulary, words = read_vocabulary(folder / FILES[0]), (folder / FILES[0]).read_text(encoding="utf-8").rstrip("\n").split("\n")
    used = np.zeros(len(words), np.int64)
    rest = iter(pairs)
    while some := list(islice(rest, _AT_A_TIME)):
        ids = np.concatenate(vocabulary.ids([plain(text) for pair in some for text in (pair.query, pair.code)]))
        used += np.bincount(ids, minlength=len(words))
    kept = np.array([bool(_ALPHABET.fullmatch(word)) or count >= fewest for word, count in zip(words, used)])
    network = pretrained(str(folder)).network
    held = network.embeddings
    for table, rows in ((held.word_embeddings, np.flatnonzero(kept)), (held.position_embeddings, np.arange(min(positions, len(held.position_embeddings.weight))))):
        table.weight.data = table.weight.data[rows].clone()
        table.num_embeddings = len(rows)
    network.config.vocab_size, network.config.max_position_embeddings = held.word_embeddings.num_embeddings, held.position_embeddings.num_embeddings
    network.config.pad_token_id = held.word_embeddings.padding_idx = int(kept[: words.index("[PAD]")].sum())
    output.mkdir(parents=True, exist_ok=True)
    network.save_pretrained(output)
    (output / FILES[0]).write_text("".join(word + "\n" for word, stays in zip(words, kept) if stays), encoding="utf-8")
    return int(kept.sum())
