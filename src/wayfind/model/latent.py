"""The latent model of one repository as it serves: chunks and queries in, one int8 code for each level of meaning out.

It is learned on a repository (`wayfind learn --from random`) and lies beside its index as a bundle with a part `latent`: an
ONNX graph, in which the path from t = 0 to 0.1 is unrolled, and a vocabulary. No torch is needed. A text's codes depend on
the text and the weights alone, so they are kept by content.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wayfind.errors import ModelError
from wayfind.model.bundle import Bundle, load
from wayfind.model.codes import MOST_DIMENSIONS, quantise
from wayfind.model.text import PATH_PARTS, plain
from wayfind.model.wordpiece import WordPiece

LEVELS = ("syntax", "structure", "semantics")
"""Levels of meaning at t = 0, 0.05 and 0.1. Their positives: names and signatures; callers, callees and siblings; docstrings
and questions."""
PASSAGE_VERSION = "2"
"""Raised whenever what is read of a chunk changes; a bundle says which it was trained on."""
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MARKS = ("[PATH]", "[SYMBOL]", "[HEADER]", "[DOC]", "[COMMENT]", "[CODE]", "[QUERY]")
"""Marks of structure; in the vocabulary they follow the special tokens."""
NUMBER = {mark: len(SPECIAL) + place for place, mark in enumerate(MARKS)}
MOST = {"[PATH]": 12, "[SYMBOL]": 12, "[HEADER]": 16, "[DOC]": 40, "[COMMENT]": 24}
"""Pieces of each part at most, so that some of the code is always read; the rest of the room is the code's."""
BATCH = 32


class Passage(NamedTuple):
    """A chunk in its parts, any of which may be empty."""

    path: str = ""
    symbol: str = ""
    documentation: str = ""
    comments: str = ""
    code: str = ""
    heading: bool = False
    """The symbol is the heading of a section of a document."""


def passage_ids(passage: Passage, words: WordPiece, longest: int) -> list[int]:
    """Ids of a chunk: each part behind its mark, between the special tokens, at most `longest` in all."""
    tail = "/".join(passage.path.split("/")[-PATH_PARTS:])
    parts = [("[PATH]", tail), ("[HEADER]" if passage.heading else "[SYMBOL]", passage.symbol), ("[DOC]", passage.documentation), ("[COMMENT]", passage.comments), ("[CODE]", passage.code)]
    return _framed(parts, words, longest)


def query_ids(text: str, words: WordPiece, longest: int) -> list[int]:
    """Ids of a question, at most `longest`."""
    return _framed([("[QUERY]", text)], words, longest)


def _framed(parts: Sequence[tuple[str, str]], words: WordPiece, longest: int) -> list[int]:
    ids = [words.first]
    for mark, text in parts:
        room = longest - 2 - len(ids)
        if text and room > 0 and (own := words.ids(said(text), min(MOST.get(mark, room), room))):
            ids += [NUMBER[mark], *own]
    return [*ids, words.last]


def said(text: str) -> str:
    """The words and numbers of a text in parts, as their stems (Snowball English): a question's `connections` is the code's `connect`.
    Signs are left out: they are half of the tokens of code, and tell chunks apart by nothing."""
    return " ".join(_stemmer().stemWords([word for word in plain(text).split() if word[0].isalnum()]))


@cache
def _stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english")


class LatentEncoder:
    """The `latent` part of a bundle. Raises ModelError where the bundle is not whole or reads other passages."""

    def __init__(self, bundle: Bundle):
        import onnxruntime

        part = bundle.parts["latent"]
        if part["passage"] != PASSAGE_VERSION or part["dim"] > MOST_DIMENSIONS:
            raise ModelError(f"{bundle.folder} reads passages of version {part['passage']}, this wayfind makes {PASSAGE_VERSION}; learn again")
        self.words = WordPiece(bundle.checked(part["vocabulary"]).read_text(encoding="utf-8"))
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(bundle.checked(part["weights"])), options, providers=["CPUExecutionProvider"])
        self._one = threading.Lock()
        self.id, self.dim, self.levels = bundle.id, int(part["dim"]), tuple(part["levels"])
        self.query_length, self.code_length = int(part["query_length"]), int(part["code_length"])

    def query(self, text: str) -> np.ndarray:
        """The codes of a query, int8 [level, dim]."""
        return self.queries([text])[0]

    def queries(self, texts: Sequence[str]) -> np.ndarray:
        """The codes of several queries, int8 [query, level, dim]."""
        return self._codes([query_ids(text, self.words, self.query_length) for text in texts])

    def passages(self, passages: Sequence[Passage]) -> np.ndarray:
        """The codes of chunks, int8 [chunk, level, dim]."""
        return self._codes([passage_ids(one, self.words, self.code_length) for one in passages])

    def _codes(self, texts: Sequence[Sequence[int]]) -> np.ndarray:
        codes = np.zeros((len(texts), len(self.levels), self.dim), np.int8)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for first in range(0, len(order), BATCH):
            some = order[first : first + BATCH]
            codes[some] = self._batch([texts[i] for i in some])
        return codes

    def _batch(self, texts: Sequence[Sequence[int]]) -> np.ndarray:
        ids = np.full((len(texts), max(map(len, texts))), self.words.pad, np.int64)
        mask = np.zeros_like(ids)
        for row, own in enumerate(texts):
            ids[row, : len(own)], mask[row, : len(own)] = own, 1
        with self._one:
            return quantise(self._session.run(["vectors"], {"ids": ids, "mask": mask})[0])


@cache
def latent_encoder(folder: Path, identity: str) -> LatentEncoder:
    """The encoder of the bundle in a folder, loaded once for each identity. Raises ModelError."""
    bundle = load(folder)
    if "latent" not in bundle.parts:
        raise ModelError(f"{folder} holds no latent model; learn again")
    return LatentEncoder(bundle)
