"""Export: a checkpoint in, a bundle out that runs without torch: `model.onnx`, its vocabulary, and a manifest with the model's card.

A text's vector must not depend on its batch mates, or an index would differ from run to run; so int8 activations get one
scale for each token, never one for the batch (ONNX Runtime issue 10111), and weights one for each output channel.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from wayfind import __version__
from wayfind.errors import UsageError
from wayfind.model import bundle
from wayfind.model.text import TEXT_VERSION
from wayfind.train.batches import Table
from wayfind.train.checkpoint import load_model, read_state
from wayfind.train.config import EncoderConfig, TrainConfig
from wayfind.train.encoder import build_encoder
from wayfind.train.heads import CrossEncoder, RetrievalModel, Texts, masked_mean
from wayfind.train.quantise import quantised
from wayfind.train.shards import Tokens
from wayfind.train.validate import Encoder, encoded, encoder_of, figures, judged
from wayfind.train.vocabulary import Vocabulary, read_vocabulary

FORMS = ("int8", "float32")
OPSET = 18


class _Served(nn.Module):
    """A model whose outputs are the tensors that are served."""

    def __init__(self, model: RetrievalModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Float[Tensor, "..."], ...]:
        found = self.model(ids, mask.bool())
        vector = found.vector if self.model.dim else nn.functional.normalize(masked_mean(found.tokens, mask.bool()), dim=-1)
        return (vector, found.tokens) if self.model.token_dim else (vector,)


def outputs_of(model: RetrievalModel) -> list[str]:
    """Names of the graph's outputs: `vector` [batch, dim], `tokens` [batch, length, token_dim].

    A search needs a vector to find candidates for late interaction. Of a model that has token vectors alone (XTR) it is their mean, as
    for a folder of such a model (`train.convert`).
    """
    return ["vector", "tokens"] if model.token_dim else ["vector"]


def to_onnx(model: RetrievalModel, longest: int) -> Any:
    """The model as an ONNX graph: int64 `ids` and `mask` [batch, length] in, any batch and length up to `longest`."""
    ids = torch.ones(3, min(16, longest - 1), dtype=torch.long)
    mask = torch.ones_like(ids)
    mask[1, 4:] = 0
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length", min=2, max=longest)
    shapes = ({0: batch, 1: length}, {0: batch, 1: length})
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            captured(_Served(model).eval(), (ids, mask), shapes), dynamo=True, input_names=["ids", "mask"], output_names=outputs_of(model), opset_version=OPSET,
            dynamic_shapes=shapes, external_data=False, verbose=False,
        )
    return bare(program.model_proto)


def captured(served: nn.Module, given: tuple[Tensor, Tensor], shapes: tuple[dict[int, Any], ...]) -> torch.export.ExportedProgram:
    """The module's operations, at any batch and length. Masks of some encoders of `transformers` hold the batch for a constant,
    which torch.onnx.export on its own accepts in silence; read from their byte code (strict) they do not."""
    try:
        return torch.export.export(served, given, dynamic_shapes=shapes, strict=False)
    except torch._dynamo.exc.UserError:
        return torch.export.export(served, given, dynamic_shapes=shapes, strict=True)


def bare(graph: Any) -> Any:
    """The graph without what the exporter noted for debugging: stack traces with paths of the machine, inner shapes."""
    del graph.metadata_props[:], graph.graph.metadata_props[:], graph.graph.value_info[:]
    for one in [*graph.graph.node, *graph.graph.initializer, *graph.graph.input, *graph.graph.output]:
        del one.metadata_props[:]
        one.doc_string = ""
    return graph


def export(checkpoint: Path, folder: Path, valid: Tokens | None = None, form: str = "int8") -> dict[str, Any]:
    """Write the bundle of a checkpoint, and measure it through ONNX Runtime on held-out pairs beside the network itself.

    Returns megabytes, MRR of both and the worst cosine between both; the same stand in the bundle's card.
    """
    if form not in FORMS:
        raise UsageError(f"a bundle's form is one of {', '.join(FORMS)}, found {form!r}")
    model, config = load_model(checkpoint)
    if isinstance(model, CrossEncoder):
        raise UsageError(f"{checkpoint} is a cross-encoder, which has no vectors to serve; distil from it: wayfind train --config FILE --scores")
    vocabulary = read_vocabulary(checkpoint)
    if config.encoder.kept:
        keep_of_start(model, config.encoder, vocabulary.size)
    graph = to_onnx(model, max(config.encoder.code_length, config.encoder.query_length))
    data = (quantised(graph) if form == "int8" else graph).SerializeToString()
    measured: dict[str, Any] = {"megabytes": round((len(data) + len(vocabulary.content)) / 1e6, 3)}
    if valid is not None:
        table = Table(judged(valid, config), (vocabulary.before, vocabulary.after, vocabulary.pad), (config.encoder.query_length, config.encoder.code_length))
        measured |= compare(onnx_encoder(data, model), encoder_of(model), table)
    part = _part(model, vocabulary, config.encoder.query_length, config.encoder.code_length, form)
    state = read_state(checkpoint)
    about = {"wayfind": __version__, "training": _placeless(config), "pairs": state["pairs"], "progress": state["progress"], "measured": measured, "licences": config.licences}
    late = {"late": {"dim": model.token_dim}} if model.token_dim else {}
    bundle.write(folder, config.name, {"encoder": part, **late}, {"model.onnx": data, vocabulary.name: vocabulary.content}, about)
    return measured


def _placeless(config: TrainConfig) -> dict[str, Any]:
    """The configuration with the last part of each path, for where things lay says nothing elsewhere; a name on the hub stays whole."""
    values = config.as_mapping()
    encoder, objectives, data = values["encoder"], values["objectives"], values["data"]
    places = [(values, "start"), (data, "vocabulary"), (encoder, "table"), (objectives["distillation"], "teacher"), (values["negatives"], "miner")]
    places += [(source, "path") for source in (*data["train"], *data["valid"])]
    if Path(encoder["folder"]).is_absolute():
        places.append((encoder, "folder"))
    for part, key in places:
        part[key] = Path(part[key]).name
    return values


def keep_of_start(model: RetrievalModel, encoder: EncoderConfig, vocabulary: int) -> None:
    """Draw the encoder's weights towards those that it began with, by `encoder.kept`. The heads stay as they are."""
    start = build_encoder(encoder, vocabulary).state_dict()
    with torch.no_grad():
        for name, weight in model.encoder.named_parameters():
            weight.lerp_(start[name], encoder.kept)


def compare(served: Encoder, network: Encoder, table: Table) -> dict[str, Any]:
    """Held-out figures of what is served and of the network, and how far their vectors are apart."""
    found, own = figures(served, table), figures(network, table)
    measured = {"mrr": found.mrr, "network_mrr": own.mrr, "pool": found.pool, "served": asdict(found)}
    rows = np.arange(min(len(table), 256))
    vectors = [encoded(encode, table, "code", rows)[0] for encode in (served, network)]
    if vectors[0].shape[1]:
        measured["worst_cosine"] = float((vectors[0] * vectors[1]).sum(axis=1).min())
    return measured


def onnx_encoder(data: bytes | str, model: RetrievalModel, threads: int = 0) -> Encoder:
    """A graph, run by ONNX Runtime, as an encoder of batches."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = outputs_of(model)

    def encode(texts: Texts) -> tuple[np.ndarray, np.ndarray]:
        found = dict(zip(names, session.run(names, {"ids": texts.ids.cpu().numpy(), "mask": texts.mask.cpu().numpy().astype(np.int64)})))
        batch, length = texts.ids.shape
        vector = found["vector"] if model.dim else np.zeros((batch, 0), np.float32)  # judged as the network is: by MaxSim
        return vector, found.get("tokens", np.zeros((batch, length, 0), np.float32))

    return encode


def _part(model: RetrievalModel, vocabulary: Vocabulary, query_length: int, code_length: int, form: str) -> dict[str, Any]:
    return {
        "weights": "model.onnx", "vocabulary": vocabulary.name, "before": list(vocabulary.before), "after": list(vocabulary.after), "pad": vocabulary.pad,
        "query_length": query_length, "code_length": code_length, "dim": model.dim or model.token_dim, "token_dim": model.token_dim, "pooling": "masked mean",
        "form": form, "text": TEXT_VERSION,
    }
