"""A learned latent network in, a bundle out that runs without torch: the graph with the path unrolled, and its vocabulary."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wayfind.model import bundle
from wayfind.model.latent import LEVELS, PASSAGE_VERSION
from wayfind.train.export import OPSET, bare
from wayfind.train.latent_network import LatentNetwork
from wayfind.train.quantise import quantised


class _Served(nn.Module):
    def __init__(self, network: LatentNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, ids: Tensor, mask: Tensor) -> Float[Tensor, "batch level latent"]:
        return self.network(ids, mask.bool())


def to_onnx(network: LatentNetwork) -> Any:
    """The network as an ONNX graph: int64 `ids` and `mask` [batch, length] in, `vectors` [batch, level, latent] out, deterministic."""
    longest = max(network.config.query_length, network.config.code_length)
    ids = torch.ones(3, 16, dtype=torch.long)
    mask = torch.ones_like(ids)
    mask[1, 8:] = 0
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length", min=2, max=longest)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _Served(network).eval().cpu(), (ids, mask), dynamo=True, input_names=["ids", "mask"], output_names=["vectors"], opset_version=OPSET,
            dynamic_shapes=({0: batch, 1: length}, {0: batch, 1: length}), external_data=False, verbose=False,
        )
    return bare(program.model_proto)


def export(network: LatentNetwork, words: str, folder: Path, about: Mapping[str, Any]) -> bundle.Bundle:
    """Write the bundle of a network into a folder; tables and products are int8, one scale a row and a token."""
    config = network.config
    data = quantised(to_onnx(network)).SerializeToString()
    levels = list(LEVELS) if len(config.latent.times) == len(LEVELS) else list(LEVELS[-len(config.latent.times) :])
    part = {
        "weights": "latent.onnx", "vocabulary": "vocab.txt", "dim": config.latent.latent, "levels": levels, "query_length": config.query_length,
        "code_length": config.code_length, "passage": PASSAGE_VERSION, "form": "int8",
    }
    return bundle.write(folder, "latent", {"latent": part}, {"latent.onnx": data, "vocab.txt": words.encode()}, about)
