"""Encoders to compare: a folder in, vectors out. A Wayfind bundle is run as it serves, int8 codes and all; any other folder
holds `model.onnx` of BERT's inputs and its `vocab.txt`, whose token states are averaged (all-MiniLM-L6-v2 is such a model).

`python benchmarks/dense.py MODEL OUT` writes such a folder from one of `transformers` (needs torch, transformers and onnx).
"""

from __future__ import annotations

import hashlib
import sys
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wayfind.model.bundle import MANIFEST, load
from wayfind.model.encoder import Encoder
from wayfind.model.text import chunk_text
from wayfind.model.wordpiece import WordPiece

LONGEST = 256
"""Tokens that all-MiniLM-L6-v2 reads of a text, as its authors set it."""
BATCH = 8

Document = tuple[str, str | None, str]
"""Path, symbol and lines of a chunk."""


@dataclass(frozen=True, slots=True)
class Dense:
    """An encoder under a name. Both functions give vectors of length 1, float32 [texts, dim]."""

    name: str
    id: str
    documents: Callable[[Sequence[Document]], np.ndarray]
    questions: Callable[[Sequence[str]], np.ndarray]


def opened(name: str, folder: Path, threads: int = 0, longest: int = LONGEST) -> Dense:
    """The encoder in a folder."""
    if (folder / MANIFEST).is_file():
        encoder = Encoder(load(folder), threads)
        return Dense(name, encoder.id, lambda chunks: unit(encoder.chunks(chunks)), lambda texts: unit(np.stack([encoder.query(text) for text in texts])))
    encode = bert(folder, threads, longest)
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()[:16]
    return Dense(name, f"{digest}-{longest}", lambda chunks: encode([chunk_text(*chunk) for chunk in chunks]), encode)


def unit(vectors: np.ndarray) -> np.ndarray:
    whole = vectors.astype(np.float32)
    return whole / np.maximum(np.linalg.norm(whole, axis=1, keepdims=True), 1e-9)


def bert(folder: Path, threads: int, longest: int) -> Callable[[Sequence[str]], np.ndarray]:
    """Texts to the mean of their token states."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    words = WordPiece((folder / "vocab.txt").read_text(encoding="utf-8"))
    takes = {one.name for one in session.get_inputs()}

    def encode(texts: Sequence[str]) -> np.ndarray:
        ids = [words.framed(basic(text), longest) for text in texts]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        made: list[np.ndarray] = [np.zeros(0)] * len(ids)
        for first in range(0, len(order), BATCH):
            some = order[first : first + BATCH]
            table = np.full((len(some), max(len(ids[i]) for i in some)), words.pad, np.int64)
            mask = np.zeros_like(table)
            for row, i in enumerate(some):
                table[row, : len(ids[i])], mask[row, : len(ids[i])] = ids[i], 1
            given = {"input_ids": table, "attention_mask": mask, "token_type_ids": np.zeros_like(table)}
            (states, *_) = session.run(None, {name: value for name, value in given.items() if name in takes})
            if states.ndim == 3:
                states = (states * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
            for row, i in enumerate(some):
                made[i] = states[row]
        return unit(np.stack(made))

    return encode


def basic(text: str) -> str:
    """A text as BERT's uncased vocabulary takes it: lower case, without accents, signs and ideographs apart."""
    text = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
    return " ".join("".join(c if c.isalnum() and not "\u3400" <= c <= "\u9fff" else " " if c.isspace() else f" {c} " for c in text).split())


def export(model: str, out: Path) -> None:
    """Write `model.onnx` and `vocab.txt` of a BERT of `transformers`."""
    import torch
    from transformers import AutoModel

    class States(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = AutoModel.from_pretrained(model, attn_implementation="eager").eval()

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    out.mkdir(parents=True, exist_ok=True)
    ids = torch.ones((2, 9), dtype=torch.long)
    names, free = ["input_ids", "attention_mask"], {0: "batch", 1: "token"}
    torch.onnx.export(States(), (ids, ids), out / "model.onnx", input_names=names, output_names=["states"], dynamic_axes={name: free for name in [*names, "states"]}, dynamo=False)
    (out / "vocab.txt").write_bytes((Path(model) / "vocab.txt").read_bytes())


if __name__ == "__main__":
    export(sys.argv[1], Path(sys.argv[2]))
