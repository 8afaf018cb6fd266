"""Export of a trained decoder: an output folder of training in, the files of a bundle's `decoder` part and its settings out.

Two graphs share one table of pieces, which lies beside them as int8: `begin` reads a chunk once, `step` writes a symbol given
the caches of those before. Weights are int8 with one scale a channel, activations one a row, as the encoder's are.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import math
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wayfind.model import bundle
from wayfind.model.explainer import Explainer as Served
from wayfind.model.reading import READING_VERSION
from wayfind.train.decoder import StepGraph, TransformerState
from wayfind.train.explainer import Explainer, Readings, conditions
from wayfind.train.explaining import MOMENTS, ExplainerConfig, Words, network_of
from wayfind.train.explaining_data import read_lessons
from wayfind.train.export import OPSET, bare
from wayfind.train.quantise import LARGEST, quantised
from wayfind.train.recipe import record

SETTINGS = "part.json"
GRAPHS = {"begin": "decoder-begin.onnx", "step": "decoder-step.onnx"}
TABLE, PIECES, COMMON = "decoder-table.npz", "decoder-pieces.txt", "decoder-words.txt"


class _Begin(nn.Module):
    """A reading as vectors and parts in; the state before the first symbol out."""

    def __init__(self, network: Explainer) -> None:
        super().__init__()
        self.network = network

    def forward(self, vectors: Tensor, parts: Tensor) -> tuple[Tensor, ...]:
        latent, source = conditions(self.network.reader(vectors, parts), Readings(parts, parts))
        if self.network.kind == "gru":
            return self.network.decoder.begin(latent)
        state = self.network.decoder.begin(latent, source)
        return state.memory_keys, state.memory_values, state.memory


class _Step(nn.Module):
    """A symbol's vector, the caches and the memory in; what the head asks the table for, the gate, the pointer and the caches out."""

    def __init__(self, network: Explainer) -> None:
        super().__init__()
        self.decoder = network.decoder

    def forward(self, vector: Tensor, position: Tensor, said_keys: Tensor, said_values: Tensor, keys: Tensor, values: Tensor, memory: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        states, after = self.decoder.advance(vector, TransformerState(position, said_keys, said_values, keys, values, memory, mask, mask))
        gate, pointer = self.decoder.pointing(states, memory, mask)
        return self.decoder.head(states), gate, pointer, after.said_keys, after.said_values


def export_part(trained: Path, folder: Path, checkpoint: str = "best") -> dict[str, Any]:
    """Write the part of a trained decoder: its files and `part.json` with the settings for the manifest. Returns what was measured.

    How likely a sentence must be is set on held-out lessons, so that the least likely fall back to the template.
    """
    from safetensors.torch import load_file

    config = record(ExplainerConfig, json.loads((trained / "config.json").read_text(encoding="utf-8")), str(trained))
    words = Words(**json.loads((trained / "words.json").read_text(encoding="utf-8")))
    network = network_of(config, words).eval()
    tensors = load_file(trained / f"{checkpoint}.safetensors")
    network.load_state_dict({name: value for name, value in tensors.items() if not name.startswith(MOMENTS)})
    folder.mkdir(parents=True, exist_ok=True)
    graphs = graphs_of(network)
    for name, graph in graphs.items():
        (folder / GRAPHS[name]).write_bytes(quantised(graph).SerializeToString())
    write_table(folder / TABLE, network)
    (folder / PIECES).write_text(words.pieces, encoding="utf-8")
    (folder / COMMON).write_text("\n".join(words.common.values()) + "\n", encoding="utf-8")
    settings = {
        "kind": config.explainer.kind, "reading": READING_VERSION, **GRAPHS, "table": TABLE, "pieces": PIECES, "words": COMMON, "generated": words.generated,
        "length": config.explainer.length, "least": NEVER, "better_than": config.better_than,
    }
    training = json.loads((trained / "config.json").read_text(encoding="utf-8"))
    measured = {"megabytes": round(sum((folder / name).stat().st_size for name in FILES) / 1e6, 3), "parameters": sum(one.numel() for one in network.parameters())}
    write_settings(folder, settings, training, measured)
    held_out = [one.reading for one in read_lessons(trained / "lessons.jsonl.gz") if one.part != "train"][:MEASURED]
    settings["least"], measured["fallback"] = least_of(served(folder), held_out)
    write_settings(folder, settings, training, measured)
    return measured


def write_settings(folder: Path, settings: dict[str, Any], training: dict[str, Any], measured: dict[str, Any]) -> None:
    made = {"part": settings, "files": FILES, "training": training, "measured": measured}
    (folder / SETTINGS).write_text(json.dumps(made, indent=1), encoding="utf-8")


def served(part: Path) -> Served:
    """The decoder of a part as it will be run."""
    made = json.loads((part / SETTINGS).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as scratch:
        return Served(bundle.write(Path(scratch), "part", {"decoder": made["part"]}, {name: (part / name).read_bytes() for name in made["files"]}, {}))


def least_of(decoder: Served, readings: Sequence[str]) -> tuple[float, float]:
    """The mean log-probability a symbol from which a sentence is trusted, and the share of readings that fall back then: the least
    likely are dropped until `FALLBACK` of all have no sentence."""
    scores = [next((said.score for said in decoder.candidates(reading) if not said.invented), NEVER) for reading in readings]
    if not scores:
        return NEVER, 0.0
    least = sorted(scores)[int(FALLBACK * len(scores))]
    least = math.floor(max(least, NEVER / 2) * 1e4) / 1e4  # rounded up, it would drop the sentence that it was taken from
    return least, round(sum(score < least for score in scores) / len(scores), 4)


NEVER = -99.0
"""Mean log-probability that no sentence has."""
FALLBACK = 0.12
"""Share of held-out lessons without a sentence; of code at large more names warrant none, and 0.3 is the most that is allowed there."""
MEASURED = 150
FILES = [*GRAPHS.values(), TABLE, PIECES, COMMON]


def write_table(path: Path, network: Explainer) -> None:
    """The table of pieces as int8 with a scale a row, and the head's bias."""
    table = network.table.weight.detach().numpy()
    step = np.maximum(np.abs(table).max(axis=1) / LARGEST, np.finfo(np.float32).tiny).astype(np.float32)
    bias = np.zeros(0, np.float32) if network.kind == "gru" else network.decoder.bias.detach().numpy()
    np.savez(path, codes=np.rint(table / step[:, None]).astype(np.int8), scales=step, bias=bias)


def graphs_of(network: Explainer) -> dict[str, Any]:
    """The graphs `begin` and `step` of a network, any batch and length."""
    batch, token = torch.export.Dim("batch"), torch.export.Dim("token", min=2, max=512)
    width = network.table.weight.shape[1]
    vectors, parts = torch.randn(3, 7, width), torch.ones(3, 7, dtype=torch.long)
    parts[1, 5:] = 0
    begin = _onnx(_Begin(network), (vectors, parts), ["vectors", "parts"], _outputs(network), ({0: batch, 1: token}, {0: batch, 1: token}))
    with torch.no_grad():
        latent, source = conditions(network.reader(vectors, parts), Readings(parts, parts))
        if network.kind == "gru":
            given: tuple[Tensor, ...] = (torch.zeros(3, dtype=torch.long), network.decoder.begin(latent)[0])
            step = _onnx(StepGraph(network.decoder), given, ["symbol", "hidden"], ["said", "hidden_after"], ({0: batch}, ({1: batch},)))
            return {"begin": begin, "step": step}
        state = network.decoder.begin(latent, source)
    given = (torch.randn(3, 1, width), *state[:6], state.mask)
    names = ["vector", "position", "said_keys", "said_values", "keys", "values", "memory", "mask"]
    grown = torch.export.Dim("grown", min=3, max=513)
    shapes = ({0: batch}, None, {1: batch}, {1: batch}, {1: batch, 3: grown}, {1: batch, 3: grown}, {0: batch, 1: grown}, {0: batch, 1: grown - 1})
    return {"begin": begin, "step": _onnx(_Step(network), given, names, ["asked", "gate", "pointer", "said_keys_after", "said_values_after"], shapes)}


def _outputs(network: Explainer) -> list[str]:
    return ["hidden"] if network.kind == "gru" else ["keys", "values", "memory"]


def _onnx(module: nn.Module, given: tuple[Tensor, ...], inputs: list[str], outputs: list[str], shapes: tuple[Any, ...]) -> Any:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module.eval(), given, dynamo=True, input_names=inputs, output_names=outputs, opset_version=OPSET, dynamic_shapes=shapes, external_data=False, verbose=False
        )
    return bare(program.model_proto)


def add_part(base: Path, part: Path, folder: Path) -> bundle.Bundle:
    """Write a copy of a bundle with a decoder's part put in (instead of the one that it has), checked. Raises ModelError."""
    own = bundle.load(base)
    own.check()
    head = json.loads((base / bundle.MANIFEST).read_text(encoding="utf-8"))
    made = json.loads((part / SETTINGS).read_text(encoding="utf-8"))
    before = own.parts.get("decoder", {})
    files = {name: (base / name).read_bytes() for name in own.digests if name not in before.values()}
    files |= {name: (part / name).read_bytes() for name in made["files"]}
    about = {**head.get("about", {}), "decoder": _named(made["training"])}
    return bundle.write(folder, own.name, {**own.parts, "decoder": made["part"]}, files, about)


def _named(training: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a training with the names of its files, not the folders of the machine where they lay."""
    data = {name: Path(value).name if isinstance(value, str) else {} for name, value in training.get("data", {}).items()}
    return {**training, "data": data}
