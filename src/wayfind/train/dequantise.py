"""A bundle in, the folder of an encoder out that a training goes on from: what ships is int8, and checkpoints may be gone.

A weight is off by at most half of its channel's step, which a training levels out.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from wayfind.errors import UsageError
from wayfind.model import bundle
from wayfind.train.heads import PROJECTION

PREFIX = "model.encoder.network."
LAYER = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense", "intermediate.dense", "output.dense")
"""The matrices of a layer of BERT, in the order in which its graph multiplies by them."""


def dequantise(folder: Path, like: Path, output: Path) -> int:
    """Write the encoder of a bundle as `transformers` reads it: weights, vocabulary, and the projection of token vectors in `2_Dense`.

    like: the folder of the general encoder that the bundle's began with, or any with its `config.json`; says what no graph does (heads,
    activation). Returns the number of weights. Raises ModelError, UsageError where the bundle has no encoder that began as a BERT.
    """
    import onnx
    import torch
    from safetensors.torch import save_file

    made = bundle.load(folder)
    part = made.parts.get("encoder", {})
    graph = onnx.load(made.checked(part["weights"])).graph if part else onnx.GraphProto()
    tensors = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    products = [node.input[1].removesuffix("_codes") for node in graph.node if node.op_type == "MatMulInteger"]
    layers = len({name.split(".")[5] for name in tensors if name.startswith(f"{PREFIX}encoder.layer.")})
    if not layers or len(products) != layers * len(LAYER) + (part["token_dim"] > 0):
        raise UsageError(f"{folder}: no int8 encoder that began as a BERT, of which alone a folder can be made again")

    def whole(name: str, rows: bool) -> np.ndarray:
        """Codes by the scale of each row, or of each column."""
        scale = tensors[f"{name}_scale"]
        return tensors[f"{name}_codes"].astype(np.float32) * (scale[:, None] if rows else scale[None])

    table = f"{PREFIX}embeddings.word_embeddings.weight"
    state = {name.removeprefix(PREFIX): value for name, value in tensors.items() if name.startswith(PREFIX) and value.dtype == np.float32 and not name.endswith("_scale")}
    state[table.removeprefix(PREFIX)] = whole(table, rows=True) if f"{table}_codes" in tensors else tensors[table]
    state |= {f"encoder.layer.{place // len(LAYER)}.{LAYER[place % len(LAYER)]}.weight": whole(name, rows=False).T for place, name in enumerate(products[: layers * len(LAYER)])}
    output.mkdir(parents=True, exist_ok=True)
    words, positions = (len(state[f"embeddings.{name}_embeddings.weight"]) for name in ("word", "position"))
    config = json.loads((like / "config.json").read_text(encoding="utf-8"))
    config |= {"num_hidden_layers": layers, "vocab_size": words, "max_position_embeddings": positions, "pad_token_id": part["pad"]}
    (output / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (output / part["vocabulary"]).write_bytes((folder / part["vocabulary"]).read_bytes())
    # copies: what ONNX reads is read-only, which torch warns of
    save_file({name: torch.from_numpy(np.array(value, order="C")) for name, value in state.items()}, output / "model.safetensors", {"format": "pt"})
    if part["token_dim"]:
        (output / PROJECTION).mkdir(exist_ok=True)
        save_file({"linear.weight": torch.from_numpy(np.ascontiguousarray(whole(products[-1], rows=False).T))}, output / PROJECTION / "model.safetensors")
    return sum(value.size for value in state.values())
