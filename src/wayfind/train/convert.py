"""Convert: an encoder of `transformers` or sentence-transformers in, a bundle out that runs without torch.

The layers after the encoder (pooling, Dense, projection to token vectors) go into the graph. Where a folder projects the states and
pools nothing, as `google/xtr-base-en` does, it makes token vectors; the vector of the text is then the direction of their mean.

    python -m wayfind.train.convert FOLDER BUNDLE
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from wayfind.errors import UsageError, WayfindError
from wayfind.model import bundle
from wayfind.model.foreign import layout, tokenizer_of
from wayfind.model.text import TEXT_VERSION
from wayfind.train.encoder import pretrained
from wayfind.train.export import OPSET, bare, captured
from wayfind.train.heads import read_tensors

ACTIVATIONS = {"Identity": nn.Identity, "Tanh": nn.Tanh, "ReLU": nn.ReLU, "GELU": nn.GELU}
COPIED = ("config.json", "tokenizer.json", "vocab.txt", "tokenizer_config.json")
LARGEST = 2_000_000_000
"""Bytes of an ONNX file at most, by its format."""


class Foreign(nn.Module):
    """An encoder with the layers that its folder puts after it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        said = layout(folder)
        self.encoder = pretrained(str(folder))
        self.dense = nn.ModuleList(_dense(folder / place) for place in said["dense"])
        self.makes_tokens = bool(said["dense"]) and not (folder / "1_Pooling").is_dir()
        self.pooling: str = said["pooling"]
        self.dim: int = said["dim"]

    def forward(self, input_ids: Int[Tensor, "batch token"], attention_mask: Int[Tensor, "batch token"]) -> tuple[Float[Tensor, "..."], ...]:
        mask = attention_mask.bool()
        states = self.encoder(input_ids, mask)
        if not self.makes_tokens:
            return (functional.normalize(self._through(pooled(states, mask, self.pooling)), dim=-1),)
        tokens = functional.normalize(self._through(states), dim=-1)
        return functional.normalize(pooled(tokens, mask, "mean"), dim=-1), tokens

    def _through(self, values: Tensor) -> Tensor:
        for layer in self.dense:
            values = layer(values)
        return values


def pooled(states: Float[Tensor, "batch token dim"], mask: Bool[Tensor, "batch token"], pooling: str) -> Float[Tensor, "batch dim"]:
    """As `wayfind.model.foreign.pooled`."""
    counted = mask[..., None].to(states.dtype)
    if pooling == "first":
        return states[:, 0]
    if pooling == "last":
        last = (mask.long().sum(dim=1) - 1)[:, None, None].expand(-1, 1, states.shape[-1])
        return states.gather(1, last)[:, 0]
    if pooling == "max":
        return states.masked_fill(~mask[..., None], -torch.inf).amax(dim=1)
    total, number = (states * counted).sum(dim=1), counted.sum(dim=1).clamp_min(1)
    return total / (number.sqrt() if pooling == "mean_sqrt_len" else number)


def convert(folder: Path, target: Path) -> bundle.Bundle:
    """Write the bundle of an encoder's folder. Raises UsageError, ModelError."""
    said = layout(folder)
    tokenizer_of(folder)
    model = Foreign(folder).eval()
    graph = _graph(model, said["code_length"]).SerializeToString()
    outputs = ["vector", "tokens"] if model.makes_tokens else ["vector"]
    part = {**{name: value for name, value in said.items() if name != "dense"}, "make": "onnx", "text": TEXT_VERSION, "weights": "model.onnx", "form": "float32"}
    late = {"late": {"dim": model.dim}} if model.makes_tokens else {}
    files = {name: (folder / name).read_bytes() for name in COPIED if (folder / name).is_file()}
    about = {"from": folder.resolve().name, "outputs": outputs}
    return bundle.write(target, folder.resolve().name, {"encoder": part, **late}, {"model.onnx": graph, **files}, about)


def _graph(model: Foreign, longest: int) -> Any:
    ids = torch.ones(3, 16, dtype=torch.long)
    mask = torch.ones_like(ids)
    mask[1, 8:] = 0
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length", min=2, max=max(longest, 17))
    shapes = ({0: batch, 1: length}, {0: batch, 1: length})
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    names = ["vector", "tokens"] if model.makes_tokens else ["vector"]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")
        made = torch.onnx.export(
            captured(model, (ids, mask), shapes), dynamo=True, input_names=["input_ids", "attention_mask"], output_names=names, opset_version=OPSET,
            dynamic_shapes=shapes, external_data=False, verbose=False,
        ).model_proto  # fmt: skip
    if made.ByteSize() > LARGEST:
        raise UsageError(f"the encoder takes {made.ByteSize():,} bytes; an ONNX file holds {LARGEST:,} at most")
    return bare(made)


def _dense(folder: Path) -> nn.Module:
    """A Dense layer as sentence-transformers keeps it. Raises UsageError."""
    config, weights = json.loads((folder / "config.json").read_text(encoding="utf-8")), read_tensors(folder) or {}
    activation = str(config.get("activation_function", "Identity")).rpartition(".")[2]
    if activation not in ACTIVATIONS or "linear.weight" not in weights:
        raise UsageError(f"{folder}: expected `linear.weight` and one of {', '.join(ACTIVATIONS)}, found {', '.join(weights)} and {activation}")
    layer = nn.Linear(*reversed(weights["linear.weight"].shape), bias="linear.bias" in weights)
    layer.load_state_dict({name.removeprefix("linear."): value.float() for name, value in weights.items()})
    return nn.Sequential(layer, ACTIVATIONS[activation]())


def main() -> int:
    try:
        convert(Path(sys.argv[1]), Path(sys.argv[2]))
    except WayfindError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
