"""Batches: token shards and a seed in, batches in a fixed order out, the same on every machine and after every resume.

Everything random is drawn from (seed, epoch) or (seed, step), so that nothing has to be kept to go on where it ended.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from wayfind.errors import NotFound, UsageError
from wayfind.train.checkpoint import weights_in
from wayfind.train.config import DataConfig, Negatives, Source, TrainConfig
from wayfind.train.encoder import check_there
from wayfind.train.heads import Texts
from wayfind.train.pairs import KINDS, Pair, read_lines, read_pairs
from wayfind.train.recipe import check_languages
from wayfind.train.shards import MANIFEST, Tokens, chosen, joined, manifest_of, read_tokens, tokenise, vocabulary_in
from wayfind.train.vocabulary import Vocabulary, learn_vocabulary, read_vocabulary

ROUND = 8
"""Lengths are padded to a multiple of this: fewer shapes, and tensor cores like them."""
LEARNED_FROM = 200_000
"""Pairs that a vocabulary is learned from at most."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Pairs that are contrasted with each other: rows of the tables, and what was drawn for them.

    `code` begins with the queries' own codes; the rest are hard negatives, of all queries.
    """

    query: np.ndarray  # int64 [batch]
    code: np.ndarray  # int64 [codes]
    skip: np.ndarray  # int64 [codes]: leading ids (path, symbol) that are left out
    weight: np.ndarray  # float32 [batch]
    owner: np.ndarray  # int64 [codes]: the query, as its place in the batch, that a code is there for


def generator(seed: int, *parts: int) -> np.random.Generator:
    """Random numbers that depend on the seed and on what they are for, and on nothing else."""
    return np.random.default_rng([seed, *parts])


def epoch_order(weight: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """The pairs of one epoch, shuffled. A pair is drawn weight / mean weight times on average; with equal weights, once each.

    Systematic sampling: how often a pair comes differs from its expectation by less than one.
    """
    random = generator(seed, 1, epoch)
    share = np.cumsum(weight.astype(np.float64) / weight.mean(dtype=np.float64))
    times = np.diff(np.floor(share + random.random()), prepend=0).astype(np.int64) if weight.min() != weight.max() else np.ones(len(weight), np.int64)
    return random.permutation(np.repeat(np.arange(len(weight)), np.maximum(times, 0)))


def batches_of(order: np.ndarray, size: int, length: np.ndarray, bucket: int, seed: int, epoch: int) -> list[np.ndarray]:
    """The order cut into whole batches. With `bucket` above 1, so many batches at a time are sorted by length and then shuffled."""
    whole = len(order) // size * size
    if bucket > 1:
        window, random, cut = size * bucket, generator(seed, 2, epoch), []
        for first in range(0, whole, window):
            rows = order[first : min(first + window, whole)]
            rows = rows[np.argsort(length[rows], kind="stable")]
            cut += [rows[i : i + size] for i in range(0, len(rows), size)]
        return [cut[i] for i in random.permutation(len(cut))]
    return [order[i : i + size] for i in range(0, whole, size)]


def neighbours(order: np.ndarray, origin: np.ndarray, together: int, length: np.ndarray, bucket: int, seed: int, epoch: int) -> np.ndarray:
    """The order with `together` pairs of one origin after each other: what a search in one repository has to tell apart. With
    `bucket` above 1, those of like length, and groups of like length after each other; pairs left over come last."""
    random = generator(seed, 5, epoch)
    rows = order[np.argsort(origin[order], kind="stable")]
    ends = np.flatnonzero(np.diff(origin[rows])) + 1
    groups, rest = [], []
    for own in np.split(rows, ends):
        for first in range(0, len(own), together * max(bucket, 1)):
            some = own[first : first + together * max(bucket, 1)]
            some = some[np.argsort(length[some], kind="stable")] if bucket > 1 else some
            groups += [some[i : i + together] for i in range(0, len(some) - together + 1, together)]
            rest.append(some[len(some) // together * together :])
    groups = [groups[i] for i in random.permutation(len(groups))]
    return np.concatenate([*groups, random.permutation(np.concatenate(rest))]) if groups else order


def batches_of_neighbours(order: np.ndarray, size: int, together: int, length: np.ndarray, bucket: int, seed: int, epoch: int) -> list[np.ndarray]:
    """The order of `neighbours` cut into whole batches of whole groups; with `bucket`, of groups of like length, shuffled."""
    whole = len(order) // size * size
    groups = order[: whole // together * together].reshape(-1, together)
    each, cut = size // together, []
    for first in range(0, len(groups) // each * each, each * max(bucket, 1)):
        some = groups[first : first + each * max(bucket, 1)]
        if bucket > 1:
            some = some[np.argsort(length[some].mean(axis=1), kind="stable")]
        cut += [some[i : i + each].reshape(-1) for i in range(0, len(some) // each * each, each)]
    return [cut[i] for i in generator(seed, 2, epoch).permutation(len(cut))]


class Table:
    """Token shards on a device: rows in, padded batches of ids out, by one gather and without a loop.

    Args:
        tokens: the pairs.
        frame: special tokens before and after a text, and the padding.
        lengths: longest query and longest code, with special tokens.
        device: where ids and batches lie.
    """

    def __init__(self, tokens: Tokens, frame: tuple[Sequence[int], Sequence[int], int], lengths: tuple[int, int], device: torch.device | str = "cpu") -> None:
        self.tokens, self.frame, self.device = tokens, frame, torch.device(device)
        self.limit = dict(zip(("query", "code"), lengths))
        self._flat = {side: torch.from_numpy(getattr(tokens, side).flat.astype(np.int32)).to(self.device) for side in ("query", "code")}
        self.key = {"query": _classes(tokens.query_key), "code": _classes(tokens.code_key)}
        order = np.argsort(tokens.negative_of, kind="stable")
        self._negative_rows = order + len(tokens)
        self._negative_starts = np.searchsorted(tokens.negative_of[order], np.arange(len(tokens) + 1))

    def __len__(self) -> int:
        return len(self.tokens)

    def sizes(self, side: str, rows: np.ndarray, skip: np.ndarray | int = 0) -> np.ndarray:
        """Number of ids of each text as it is encoded, special tokens included."""
        starts = getattr(self.tokens, side).starts
        framed = len(self.frame[0]) + len(self.frame[1])
        return np.minimum(starts[rows + 1] - starts[rows] - skip, self.limit[side] - framed) + framed

    def texts(self, side: str, rows: np.ndarray, skip: np.ndarray | int = 0, fixed: bool = False) -> Texts:
        """The texts of some rows, padded to the longest of them, or (`fixed`) to the longest there may be."""
        before, after, pad = self.frame
        sizes = self.sizes(side, rows, skip)
        longest = self.limit[side] if fixed else min(-(-int(sizes.max()) // ROUND) * ROUND, self.limit[side])
        first = torch.from_numpy(getattr(self.tokens, side).starts[rows] + skip - len(before)).to(self.device)
        size = torch.from_numpy(sizes).to(self.device)[:, None]
        column = torch.arange(longest, device=self.device)[None]
        flat = self._flat[side]
        ids = flat[(first[:, None] + column).clamp_(0, max(len(flat) - 1, 0))].long()
        for place, token in enumerate(before):
            ids[:, place] = token
        for place, token in enumerate(after):
            ids = torch.where(column == size - len(after) + place, token, ids)
        mask = column < size
        return Texts(torch.where(mask, ids, pad), mask)

    def given_negatives(self, rows: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
        """Rows of codes that came with some pairs as negatives, at most `count` of each, drawn."""
        found = []
        for row in rows:
            own = self._negative_rows[self._negative_starts[row] : self._negative_starts[row + 1]]
            found.append(random.permutation(own)[:count])
        return np.concatenate(found) if found else np.zeros(0, np.int64)

    def batch(
        self, rows: np.ndarray, data: DataConfig, negatives: Negatives, mined: np.ndarray | None, seed: int, step: int, more: np.ndarray | None = None
    ) -> Batch:
        """The batch of a step: its pairs, their hard negatives, and which codes are read without path or symbol.

        mined: int [pairs, any], rows of the hard negatives of every pair of the table, -1 for none. more: int [batch, any], rows of
        further codes for these pairs, -1 for none.
        """
        random, place = generator(seed, 3, step), np.arange(len(rows))
        code, owner = [rows], [place]
        if negatives.given:
            code.append(self.given_negatives(rows, negatives.given, random))
            owner.append(np.repeat(place, np.minimum(np.diff(self._negative_starts)[rows], negatives.given)))
        for found in (mined[rows, : negatives.mined] if negatives.mined and mined is not None else None, more):
            if found is not None:
                of, column = np.nonzero(found >= 0)
                code.append(found[of, column].astype(np.int64))
                owner.append(of)
        whole = np.concatenate(code)
        weight = self.tokens.weight[rows] if data.weights == "loss" else np.ones(len(rows), np.float32)
        return Batch(rows, whole, self.skipped(whole, data, random), weight, np.concatenate(owner))

    def skipped(self, code: np.ndarray, data: DataConfig, random: np.random.Generator) -> np.ndarray:
        """How many leading ids are left out of each code: none, those of the path, or those of path and symbol."""
        path, symbol = self.tokens.path_length[code].astype(np.int64), self.tokens.symbol_length[code].astype(np.int64)
        left_path = random.random(len(code)) < data.path_dropout
        left_both = left_path & (random.random(len(code)) < data.symbol_dropout)
        skip = np.where(left_both, path + symbol, np.where(left_path, path, 0))
        size = np.diff(self.tokens.code.starts)[code]
        return np.minimum(skip, np.maximum(size - 1, 0))

    def excluded(self, batch: Batch) -> Bool[Tensor, "batch code"]:
        """Which codes are no negatives of a query: the same code, a code of the same query."""
        query, code = self.key["query"], self.key["code"]
        owner = np.concatenate([np.arange(len(self)), self.tokens.negative_of])
        negative = np.arange(len(batch.code)) >= len(batch.query)
        same_code = code[batch.query][:, None] == code[batch.code][None]
        same_query = (query[batch.query][:, None] == query[owner[batch.code]][None]) & ~(negative & (batch.code >= len(self)))[None]
        return torch.from_numpy(same_code | same_query).to(self.device)


def _classes(keys: np.ndarray) -> np.ndarray:
    """Numbers that are equal where the keys are."""
    return np.unique(keys, return_inverse=True)[1].reshape(-1)


@dataclass(frozen=True, slots=True)
class Material:
    """What a training reads: pairs to learn from, pairs held out, and how texts become ids."""

    train: Tokens
    valid: Tokens
    vocabulary: Vocabulary

    @property
    def digest(self) -> str:
        """A hash of the pairs to learn from, their weights and their ids."""
        found = hashlib.sha256(self.vocabulary.content)
        for array in (self.train.query.flat, self.train.code.flat, self.train.code.starts, self.train.weight):
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()

    @property
    def held_out(self) -> str:
        """A hash of the pairs that are held out."""
        found = hashlib.sha256()
        for array in (self.valid.query_key, self.valid.code_key):
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()


def read_material(config: TrainConfig) -> Material:
    """The token ids of all sources, weighted and cut down as the configuration says. Raises NotFound, UsageError."""
    data = config.data
    vocabulary = vocabulary_of(config)
    if not data.valid and (one_part := next((source.path for source in data.train if _is_one_part(Path(source.path))), None)):
        raise UsageError(f"{one_part}: token shards of one part; name the folder above them, or held-out ones in data.valid")
    for part, sources in (("train", data.train), ("valid", data.valid)):
        placed = [replace(source, path=str(Path(source.path).resolve())) for source in sources]
        if twice := next((one for one in placed if placed.count(one) > 1), None):
            raise UsageError(f"data.{part} names {twice.path} twice and nothing else of it; a weight counts more, a copy does not")
    train = joined([_source(source, "train", config, vocabulary, number) for number, source in enumerate(data.train)])
    sources = data.valid or data.train
    held_out = [_source(source, "valid", config, vocabulary, number) for number, source in enumerate(sources)]
    return Material(train, joined(_once(sources, held_out)), vocabulary)


def _once(sources: Sequence[Source], found: Sequence[Tokens]) -> list[Tokens]:
    """The pairs of sources, without those of a folder or file that an earlier source took of it already: one pair is judged once."""
    kept, taken = [], {}
    for source, tokens in zip(sources, found):
        earlier = taken.setdefault(Path(source.path).resolve(), set())
        keys = list(zip(tokens.query_key.tolist(), tokens.code_key[: len(tokens)].tolist()))
        rows = [row for row, key in enumerate(keys) if key not in earlier]
        earlier.update(keys)
        if rows:
            kept.append(tokens if len(rows) == len(tokens) else chosen(tokens, np.array(rows)))
    return kept


def vocabulary_of(config: TrainConfig) -> Vocabulary:
    """The vocabulary that the configuration names, or that comes with token shards or the encoder; else one is learned. Raises
    UsageError where the encoder's folder has the pieces of token shards under other ids, unless the configuration names the vocabulary."""
    if config.data.vocabulary:
        return read_vocabulary(Path(config.data.vocabulary))
    if config.start and Path(config.start).is_dir():
        return read_vocabulary(weights_in(Path(config.start)))
    for source in config.data.train:
        if (Path(source.path) / MANIFEST).is_file() or (Path(source.path) / "train" / MANIFEST).is_file():
            return _of_shards(_shards_of(Path(source.path), "train"), config.encoder.folder)
    if config.encoder.folder:
        return _of_encoder(config.encoder.folder)
    texts = (text for source in config.data.train for pair in _some(source, LEARNED_FROM) for text in (pair.query, pair.code))
    return learn_vocabulary(texts, config.data.vocabulary_size)


def _of_shards(shards: Path, folder: str) -> Vocabulary:
    """The vocabulary of token shards, if the encoder of the folder reads their ids as they were meant. Raises UsageError."""
    words = vocabulary_in(shards)
    if not folder:
        return words
    named = f"set data.vocabulary to {shards / words.name} if the encoder's table has its rows in that order"
    try:
        own = _of_encoder(folder)
    except NotFound as problem:
        raise NotFound(f"{shards}: nothing says whether encoder.folder reads these ids: {problem}; {named}") from None
    if not words.agrees(own):
        raise UsageError(f"{shards}: token shards of another vocabulary than that of encoder.folder ({folder}); make them again with its own, or {named}")
    return words


def _of_encoder(folder: str) -> Vocabulary:
    """The vocabulary of an encoder. One in the files of an older make (`vocab.json` and `merges.txt`, as RoBERTa was published) is put
    into a `tokenizer.json` by `transformers`. Raises NotFound, UsageError."""
    place = _vocabulary_of_encoder(folder)
    try:
        return read_vocabulary(place)
    except NotFound:
        if not (place / "vocab.json").is_file():
            raise
        return _by_transformers(place)


def _by_transformers(folder: Path) -> Vocabulary:
    named = f"{folder}: no vocab.txt and no tokenizer.json, which `transformers` makes of other files"
    try:
        from transformers import AutoTokenizer
    except ImportError:
        raise UsageError(f"{named}; run: pip install transformers") from None
    with TemporaryDirectory() as scratch:
        try:
            AutoTokenizer.from_pretrained(folder).backend_tokenizer.save(f"{scratch}/tokenizer.json")
        except Exception as problem:  # what the library makes of a damaged folder has no common class
            raise UsageError(f"{named}, but not of these: {problem}") from problem
        return read_vocabulary(Path(scratch))


def _vocabulary_of_encoder(folder: str) -> Path:
    if Path(folder).is_dir():
        return Path(folder)
    check_there(folder)
    try:
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(folder, "tokenizer.json"))
    except (ImportError, OSError, ValueError) as problem:
        raise NotFound(f"encoder.folder {folder}: no such folder, and as a name on the hub it cannot be had: {problem}") from problem


def pairs_of(source: Source, part: str, learned: Sequence[Source] = ()) -> list[Pair]:
    """The pairs of a source that is not token shards. A file that is held out and not `learned` from is held out as a whole where none of
    its lines says `valid`. Raises NotFound, UsageError where it has none of the part."""
    path = Path(source.path)
    if not path.exists():
        raise NotFound(f"{path}: no such folder or file of pairs; a folder is made with: wayfind data build CONFIG.yaml --output {path}")
    found = [pair for pair in read_lines(path) if pair.part == part] if path.is_file() else list(read_pairs(path, part))
    if not found and part == "valid" and path.is_file() and path.resolve() not in [Path(one.path).resolve() for one in learned]:
        found = list(read_lines(path))
    if not found:
        raise UsageError(f"{path}: no pair of the part `{part}`; {_mend(path, part)}, or name other pairs in data.{part}")
    return found


def _mend(path: Path, part: str) -> str:
    """What to do about a file or a folder that has no pair of a part."""
    if path.is_file():
        return f"give some of its lines `part`: `{part}`" if any(True for _ in read_lines(path)) else "it is empty: write pairs into it"
    return f"build it with {'a larger share split.valid' if part == 'valid' else 'smaller shares split.valid and split.test'} or another seed"


def _some(source: Source, most: int) -> list[Pair]:
    found = pairs_of(source, "train")
    return found[:: max(1, len(found) // most)]


def _shards_of(path: Path, part: str) -> Path:
    """Token shards lie in `train` and `valid` of a folder, or in the folder itself."""
    return path / part if (path / part / MANIFEST).is_file() else path


def _is_one_part(path: Path) -> bool:
    """Whether a folder of token shards has no held-out ones: its own pairs would be judged."""
    return any((one / MANIFEST).is_file() for one in (path, path / "train")) and not (path / "valid" / MANIFEST).is_file()


def _source(source: Source, part: str, config: TrainConfig, vocabulary: Vocabulary, number: int) -> Tokens:
    path = Path(source.path)
    shards = _shards_of(path, part)
    if (shards / MANIFEST).is_file():
        head = manifest_of(shards)
        if head["vocabulary"]["sha256"] != vocabulary.digest:
            raise UsageError(f"{shards}: token shards of another vocabulary; make them again, or set data.vocabulary to theirs")
        for name in ("query_length", "code_length"):
            if head[name] < getattr(config.encoder, name) - len(vocabulary.before) - len(vocabulary.after):
                raise UsageError(f"{shards}: cut to {name} {head[name]}, but encoder.{name} is {getattr(config.encoder, name)}: set it to {head[name]}, or make the shards again")
        tokens = read_tokens(shards)
    else:
        tokens = joined(list(tokenise(pairs_of(source, part, config.data.train), vocabulary, config.encoder.query_length, config.encoder.code_length)))
    return _weighted(chosen(tokens, _rows(tokens, source, config.seed, number)), source.weight)


def _rows(tokens: Tokens, source: Source, seed: int, number: int) -> np.ndarray:
    """The pairs of a source that are taken, in their order."""
    kept = np.ones(len(tokens), bool)
    if source.languages:
        check_languages(source.languages, f"{source.path}: languages", tokens.languages)
        kept &= np.isin(tokens.language, [row for row, name in enumerate(tokens.languages) if name in source.languages])
    if source.kinds:
        if unknown := [kind for kind in source.kinds if kind not in KINDS]:
            raise UsageError(f"{source.path}: unknown kind `{unknown[0]}`; known are {', '.join(KINDS)}")
        kept &= np.isin(tokens.kind, [KINDS.index(kind) for kind in source.kinds])
    rows = np.flatnonzero(kept & (tokens.weight > 0))
    if kept.any() and not len(rows):
        raise UsageError(f"{source.path}: all {kept.sum()} pairs have the weight 0, so that nothing is learned from them; build them with another, or leave the source out")
    if not len(rows):
        raise UsageError(f"{source.path}: no pair is left after languages and kinds were chosen; there are {', '.join(tokens.languages)}")
    if source.limit and source.limit < len(rows):
        rows = np.sort(generator(seed, 4, number).permutation(rows)[: source.limit])
    return rows


def _weighted(tokens: Tokens, weight: float) -> Tokens:
    return tokens if weight == 1 else replace(tokens, weight=tokens.weight * np.float32(weight))
