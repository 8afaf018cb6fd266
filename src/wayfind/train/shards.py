"""Token shards: pairs in, arrays of token ids out, cut once, so that training on an accelerator waits for no Python and no network.

A folder holds `tokens.json`, the vocabulary and shards of safetensors, each below 60 MB. A code's ids are those of its path,
its symbol and its lines, in this order and without special tokens, so that a batch can leave out the first two.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from wayfind.errors import NotFound, UsageError
from wayfind.model.bundle import digest_of
from wayfind.model.text import PATH_PARTS, TEXT_VERSION, TEXTS_READ, path_tail, plain
from wayfind.train.pairs import KINDS, Pair
from wayfind.train.vocabulary import FILES, Vocabulary, read_vocabulary

FORMAT = 2
MANIFEST = "tokens.json"
MOST_BYTES = 56_000_000
"""Of ids in one shard, so that the file stays below 60 MB."""
AT_A_TIME = 2048


@dataclass(frozen=True, slots=True)
class Ragged:
    """Texts of different lengths: text i has the ids flat[starts[i]:starts[i + 1]]."""

    flat: np.ndarray  # uint16 or uint32 [tokens]
    starts: np.ndarray  # int64 [texts + 1]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, text: int) -> np.ndarray:
        return self.flat[self.starts[text] : self.starts[text + 1]]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Pairs as ids. Codes 0 … pairs - 1 belong to the queries; those beyond are negatives that came with pairs."""

    query: Ragged
    code: Ragged
    path_length: np.ndarray  # int16 [codes]: how many of a code's ids are of its path
    symbol_length: np.ndarray  # int16 [codes]: and then of its symbol
    weight: np.ndarray  # float32 [pairs]
    language: np.ndarray  # int16 [pairs]: row of `languages`
    kind: np.ndarray  # int16 [pairs]: row of KINDS
    query_key: np.ndarray  # uint64 [pairs]: hash of the text: equal texts, equal keys
    origin_key: np.ndarray  # uint64 [pairs]: hash of the repository or data set that it comes from
    code_key: np.ndarray  # uint64 [codes]: of the lines alone, without path and symbol; of a negative that is no pair's code, of its text
    negative_of: np.ndarray  # int64 [codes - pairs]: the pair that the negative belongs to
    languages: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.query)


def parts_of(pair: Pair) -> tuple[str, str, str]:
    """Path, symbol and lines of a pair's code, as `model.text.chunk_text` joined them; "" for what is not there.

    >>> parts_of(Pair("q", "src/a.py\\nf\\ndef f(): ...", path="src/a.py", symbol="f"))
    ('src/a.py', 'f', 'def f(): ...')
    """
    found, rest = [], pair.code
    for forms in ((path_tail(pair.path), "/".join(pair.path.split("/")[-PATH_PARTS:])), (pair.symbol or "",)):
        taken = next((part for part in forms if part and rest.startswith(part + "\n")), "")
        found.append(taken)
        rest = rest[len(taken) + 1 :] if taken else rest
    return found[0], found[1], rest


def tokenise(pairs: Sequence[Pair], vocabulary: Vocabulary, query_length: int, code_length: int) -> Iterator[Tokens]:
    """Pairs as ids, one object a shard. Lengths are the longest kept, without special tokens."""
    gathered: list[_Block] = []
    lines = _lines_of_negatives(pairs)
    size, kind = 0, np.uint16 if vocabulary.size <= 1 << 16 else np.uint32
    for some in _in_blocks(pairs, AT_A_TIME):
        block = _block(some, vocabulary, query_length, code_length, lines)
        gathered.append(block)
        size += block.ids * np.dtype(kind).itemsize + 32 * len(some)
        if size > MOST_BYTES - AT_A_TIME * (code_length + query_length) * 4:
            yield _joined(gathered, kind)
            gathered, size = [], 0
    if gathered:
        yield _joined(gathered, kind)


def write_tokens(folder: Path, pairs: Sequence[Pair], vocabulary: Vocabulary, query_length: int, code_length: int) -> int:
    """Write a folder of token shards; the manifest comes last, so that a folder with one is whole. Returns the number of pairs."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary.write(folder)
    shards, count = [], 0
    for number, tokens in enumerate(tokenise(pairs, vocabulary, query_length, code_length)):
        name = f"tokens-{number:05d}.safetensors"
        save_file(_arrays(tokens), folder / name)
        shards.append({"file": name, "pairs": len(tokens), "languages": list(tokens.languages), "sha256": digest_of(folder / name)})
        count += len(tokens)
    head = {
        "format": FORMAT, "text": TEXT_VERSION, "vocabulary": {"file": vocabulary.name, "size": vocabulary.size, "sha256": vocabulary.digest,
        "before": vocabulary.before, "after": vocabulary.after, "pad": vocabulary.pad},
        "query_length": query_length, "code_length": code_length, "kinds": list(KINDS), "pairs": count, "shards": shards,
    }
    (folder / MANIFEST).write_text(json.dumps(head, indent=1) + "\n", encoding="utf-8")
    return count


def manifest_of(folder: Path) -> dict:
    """What the manifest of token shards says. Raises NotFound, UsageError."""
    path = folder / MANIFEST
    if not path.is_file():
        raise NotFound(f"{folder}: no {MANIFEST} in it; make it with: wayfind train --config FILE --prepare")
    head = json.loads(path.read_text(encoding="utf-8"))
    if head.get("format") != FORMAT or head.get("text") not in TEXTS_READ:
        raise UsageError(f"{folder}: token shards of format {head.get('format')}, text {head.get('text')}; expected {FORMAT} and {' or '.join(TEXTS_READ)}: make them again")
    if tuple(head["kinds"]) != KINDS:
        raise UsageError(f"{folder}: token shards with other kinds of pairs: make them again")
    return head


def read_tokens(folder: Path) -> Tokens:
    """All shards of a folder as one. Raises NotFound, UsageError where a shard is not the one that was written."""
    from safetensors.numpy import load_file

    head, found = manifest_of(folder), []
    for shard in head["shards"]:
        path = folder / shard["file"]
        if digest_of(path) != shard["sha256"]:
            raise UsageError(f"{path} is missing or not the file that {MANIFEST} names; make the shards again")
        found.append(_tokens(load_file(path), shard["languages"]))
    if not found:
        raise UsageError(f"{folder}: token shards without a pair")
    return joined(found)


def vocabulary_in(folder: Path) -> Vocabulary:
    """The vocabulary that lies with token shards."""
    return read_vocabulary(next(folder / name for name in FILES if (folder / name).is_file()))


def joined(parts: Sequence[Tokens]) -> Tokens:
    """Several as one: queries and their codes first, all negatives after them."""
    if len(parts) == 1:
        return parts[0]
    languages = tuple(dict.fromkeys(name for part in parts for name in part.languages))
    counts = [len(part) for part in parts]
    first = np.concatenate([[0], np.cumsum(counts)])
    codes = _reordered([part.code for part in parts], counts)
    recoded = [np.array([languages.index(name) for name in part.languages], np.int16)[part.language] for part in parts]
    return Tokens(
        _concatenated([part.query for part in parts]), codes, *(_split_join([getattr(part, name) for part in parts], counts) for name in ("path_length", "symbol_length")),
        np.concatenate([part.weight for part in parts]), np.concatenate(recoded), np.concatenate([part.kind for part in parts]),
        np.concatenate([part.query_key for part in parts]), np.concatenate([part.origin_key for part in parts]), _split_join([part.code_key for part in parts], counts),
        np.concatenate([part.negative_of + start for part, start in zip(parts, first)]), languages,
    )


def chosen(tokens: Tokens, rows: np.ndarray) -> Tokens:
    """Some of the pairs, in the order of `rows`, with their negatives."""
    place = np.full(len(tokens), -1, np.int64)
    place[rows] = np.arange(len(rows))
    kept = np.flatnonzero(place[tokens.negative_of] >= 0)
    codes = np.concatenate([rows, kept + len(tokens)])
    return Tokens(
        _taken(tokens.query, rows), _taken(tokens.code, codes), tokens.path_length[codes], tokens.symbol_length[codes], tokens.weight[rows], tokens.language[rows],
        tokens.kind[rows], tokens.query_key[rows], tokens.origin_key[rows], tokens.code_key[codes], place[tokens.negative_of[kept]], tokens.languages,
    )


@dataclass(frozen=True, slots=True)
class _Block:
    """Some pairs as ids, before they are put together."""

    pairs: list[Pair]
    query: list[np.ndarray]
    code: list[tuple[np.ndarray, np.ndarray, np.ndarray]]
    code_key: list[int]
    negative: list[np.ndarray]
    negative_key: list[int]
    negative_of: list[int]

    @property
    def ids(self) -> int:
        return sum(map(len, self.query)) + sum(len(part) for parts in self.code for part in parts) + sum(map(len, self.negative))


def _lines_of_negatives(pairs: Sequence[Pair]) -> dict[int, int]:
    """Key of a negative's text that is a pair's code -> the key of that code's lines: what answers one question and is no answer to
    another has the same key in both places."""
    negatives = {key_of(text) for pair in pairs for text in pair.negatives}
    return {key: key_of(parts_of(pair)[2]) for pair in (pairs if negatives else ()) if (key := key_of(pair.code)) in negatives}


def _block(pairs: list[Pair], vocabulary: Vocabulary, query_length: int, code_length: int, lines: Mapping[int, int]) -> _Block:
    parts = [parts_of(pair) for pair in pairs]
    query = [ids[:query_length] for ids in vocabulary.ids([plain(pair.query) for pair in pairs])]
    columns = [vocabulary.ids([plain(part[column]) for part in parts]) for column in range(3)]
    code = [tuple(part[:code_length] for part in row) for row in zip(*columns)]
    texts = [(number, text) for number, pair in enumerate(pairs) for text in pair.negatives]
    negative = [ids[:code_length] for ids in vocabulary.ids([plain(text) for _, text in texts])] if texts else []
    negative_key = [lines.get(key, key) for key in (key_of(text) for _, text in texts)]
    return _Block(pairs, query, code, [key_of(part[2]) for part in parts], negative, negative_key, [number for number, _ in texts])


def _joined(blocks: list[_Block], kind: type) -> Tokens:
    pairs = [pair for block in blocks for pair in block.pairs]
    first = np.concatenate([[0], np.cumsum([len(block.pairs) for block in blocks])])
    code = [parts for block in blocks for parts in block.code]
    negative = [ids for block in blocks for ids in block.negative]
    languages = tuple(sorted({pair.language for pair in pairs}))
    none = np.zeros(len(negative), np.int16)
    return Tokens(
        _ragged([ids for block in blocks for ids in block.query], kind), _ragged([np.concatenate(parts) for parts in code] + negative, kind),
        np.concatenate([np.array([len(parts[0]) for parts in code], np.int16), none]), np.concatenate([np.array([len(parts[1]) for parts in code], np.int16), none]),
        np.array([pair.weight for pair in pairs], np.float32), np.array([languages.index(pair.language) for pair in pairs], np.int16),
        np.array([KINDS.index(pair.kind) for pair in pairs], np.int16), np.array([key_of(pair.query) for pair in pairs], np.uint64),
        np.array([key_of(pair.origin) for pair in pairs], np.uint64),
        np.array([key for block in blocks for key in block.code_key] + [key for block in blocks for key in block.negative_key], np.uint64),
        np.array([start + number for block, start in zip(blocks, first) for number in block.negative_of], np.int64), languages,
    )


def key_of(text: str) -> int:
    """A hash of a text's words: texts that differ in blanks alone have the same."""
    return int.from_bytes(hashlib.sha256(" ".join(text.split()).encode("utf-8", "replace")).digest()[:8], "little")


def _arrays(tokens: Tokens) -> dict[str, np.ndarray]:
    single = ("path_length", "symbol_length", "weight", "language", "kind", "query_key", "origin_key", "code_key", "negative_of")
    return {name: getattr(tokens, name) for name in single} | {
        f"{side}_{part}": getattr(getattr(tokens, side), part) for side in ("query", "code") for part in ("flat", "starts")
    }


def _tokens(arrays: dict[str, np.ndarray], languages: list[str]) -> Tokens:
    sides = {side: Ragged(arrays.pop(f"{side}_flat"), arrays.pop(f"{side}_starts")) for side in ("query", "code")}
    return Tokens(**sides, **arrays, languages=tuple(languages))


def _ragged(texts: Sequence[np.ndarray], kind: type = np.uint16) -> Ragged:
    starts = np.concatenate([[0], np.cumsum([len(ids) for ids in texts], dtype=np.int64)]).astype(np.int64)
    return Ragged(np.concatenate(texts).astype(kind) if len(texts) else np.zeros(0, kind), starts)


def _concatenated(parts: Sequence[Ragged]) -> Ragged:
    ends = np.concatenate([[0], np.cumsum([len(part.flat) for part in parts])])
    starts = [part.starts[:-1] + end for part, end in zip(parts, ends)]
    return Ragged(np.concatenate([part.flat for part in parts]), np.concatenate([*starts, ends[-1:]]).astype(np.int64))


def _reordered(parts: Sequence[Ragged], counts: Sequence[int]) -> Ragged:
    """The first `counts[i]` texts of every part, then the rest of every part."""
    heads = [Ragged(part.flat[: part.starts[count]], part.starts[: count + 1]) for part, count in zip(parts, counts)]
    tails = [Ragged(part.flat[part.starts[count] :], part.starts[count:] - part.starts[count]) for part, count in zip(parts, counts)]
    return _concatenated([*heads, *tails])


def _split_join(parts: Sequence[np.ndarray], counts: Sequence[int]) -> np.ndarray:
    return np.concatenate([part[:count] for part, count in zip(parts, counts)] + [part[count:] for part, count in zip(parts, counts)])


def _taken(texts: Ragged, rows: np.ndarray) -> Ragged:
    length = texts.starts[rows + 1] - texts.starts[rows]
    starts = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    entry = np.repeat(texts.starts[rows] - starts[:-1], length) + np.arange(starts[-1])
    return Ragged(texts.flat[entry], starts)


def _in_blocks(pairs: Iterable[Pair], size: int) -> Iterator[list[Pair]]:
    block: list[Pair] = []
    for pair in pairs:
        block.append(pair)
        if len(block) == size:
            yield block
            block = []
    if block:
        yield block
