"""Encoders: token ids and a mask in, one state for each token out. An own transformer, or one that `transformers` knows.

A text's states depend on its own tokens alone: padding is masked in attention, and nothing is normalised over the batch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from wayfind.errors import NotFound, UsageError
from wayfind.train.config import EncoderConfig, is_path


class Rotary(nn.Module):
    """Rotary positions (Su et al., "RoFormer", 2021, https://arxiv.org/abs/2104.09864): queries and keys turned by their position."""

    def __init__(self, size: int, length: int, base: float = 10_000.0) -> None:
        super().__init__()
        rate = base ** (-torch.arange(0, size, 2, dtype=torch.float32) / size)
        angle = torch.arange(length, dtype=torch.float32)[:, None] * rate
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def forward(self, x: Float[Tensor, "batch head token size"]) -> Float[Tensor, "batch head token size"]:
        first, second = x.chunk(2, dim=-1)
        cos, sin = self.cos[: x.shape[2]], self.sin[: x.shape[2]]
        return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1).to(x.dtype)


def attention(
    query: Float[Tensor, "batch head token size"], key: Float[Tensor, "batch head token size"], value: Float[Tensor, "batch head token size"],
    seen: Bool[Tensor, "batch 1 1 token"],
) -> Float[Tensor, "batch head token size"]:
    """Softmax of the scaled products, over the tokens seen, of the values. bfloat16 on a processor goes by products of matrices: the
    gradient of torch's fused kernel takes five times as long there (`docs/LOG.md`, "Training on two cores")."""
    if query.device.type != "cpu" or query.dtype != torch.bfloat16:
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
    scores = (query * query.shape[-1] ** -0.5) @ key.mT
    return torch.softmax(scores.masked_fill(~seen, torch.finfo(scores.dtype).min), dim=-1).to(value.dtype) @ value


class Block(nn.Module):
    """Pre-norm self-attention and feed-forward (Xiong et al., "On Layer Normalization in the Transformer Architecture", 2020)."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        hidden = config.hidden
        self.heads, self.dropout = config.heads, config.dropout
        self.attention_norm, self.inner_norm = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.said, self.mixed = nn.Linear(hidden, 3 * hidden, bias=False), nn.Linear(hidden, hidden, bias=False)
        inner = config.inner or 4 * hidden
        self.rise, self.fall = nn.Linear(hidden, inner, bias=False), nn.Linear(inner, hidden, bias=False)

    def forward(self, states: Float[Tensor, "batch token hidden"], seen: Bool[Tensor, "batch 1 1 token"], rotary: Rotary | None) -> Float[Tensor, "batch token hidden"]:
        states = states + self._drop(self._attention(self.attention_norm(states), seen, rotary))
        return states + self._drop(self.fall(functional.gelu(self.rise(self.inner_norm(states)))))

    def _attention(self, states: Tensor, seen: Tensor, rotary: Rotary | None) -> Tensor:
        batch, token, hidden = states.shape
        query, key, value = self.said(states).view(batch, token, 3, self.heads, hidden // self.heads).permute(2, 0, 3, 1, 4)
        if rotary is not None:
            query, key = rotary(query), rotary(key)
        mixed = attention(query, key, value, seen)
        return self.mixed(mixed.transpose(1, 2).reshape(batch, token, hidden))

    def _drop(self, states: Tensor) -> Tensor:
        return functional.dropout(states, self.dropout, self.training) if self.dropout else states


class OwnEncoder(nn.Module):
    """A small pre-norm transformer from random weights.

    Example:
        >>> encoder = OwnEncoder(EncoderConfig(layers=1, hidden=32, heads=2), vocabulary=100)
        >>> encoder(torch.ones(2, 5, dtype=torch.long), torch.ones(2, 5, dtype=torch.bool)).shape
        torch.Size([2, 5, 32])
    """

    def __init__(self, config: EncoderConfig, vocabulary: int) -> None:
        super().__init__()
        self.hidden = config.hidden
        length = max(config.code_length, config.query_length)
        self.embedding = nn.Embedding(vocabulary, config.hidden)
        self.position = nn.Embedding(length, config.hidden) if config.positions == "learned" else None
        self.rotary = Rotary(config.hidden // config.heads, length) if config.positions == "rotary" else None
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.hidden)
        self.apply(_begin)
        for block in self.blocks:
            nn.init.normal_(block.mixed.weight, std=0.02 / (2 * config.layers) ** 0.5)
            nn.init.normal_(block.fall.weight, std=0.02 / (2 * config.layers) ** 0.5)
        if config.table:
            self._start_from(Path(config.table))

    def forward(self, ids: Int[Tensor, "batch token"], mask: Bool[Tensor, "batch token"]) -> Float[Tensor, "batch token hidden"]:
        states = self.embedding(ids)
        if self.position is not None:
            states = states + self.position.weight[: ids.shape[1]]
        for block in self.blocks:
            states = block(states, mask[:, None, None, :], self.rotary)
        return self.norm(states)

    def _start_from(self, path: Path) -> None:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            table = load_file(path).get("embedding")
        except (OSError, SafetensorError) as problem:
            raise UsageError(f"encoder.table {path}: no file of safetensors that can be read: {problem}") from None
        if table is None or table.shape != self.embedding.weight.shape:
            found = "none" if table is None else tuple(table.shape)
            raise UsageError(f"{path}: expected a tensor `embedding` of shape {tuple(self.embedding.weight.shape)}, found {found}")
        with torch.no_grad():
            self.embedding.weight.copy_(table)


class PretrainedEncoder(nn.Module):
    """An encoder of `transformers` (BERT, ModernBERT, the encoder of T5 …), cut to its first layers."""

    def __init__(self, network: nn.Module, layers: int = 0) -> None:
        super().__init__()
        self.network = network
        self.hidden = network.config.hidden_size
        if layers:
            cut(network, layers)

    def unfuse(self) -> None:
        """Have attention computed by products of matrices, where the library lets it be chosen: see `attention`."""
        if hasattr(self.network, "set_attn_implementation"):
            self.network.set_attn_implementation("eager")

    def forward(self, ids: Int[Tensor, "batch token"], mask: Bool[Tensor, "batch token"]) -> Float[Tensor, "batch token hidden"]:
        return self.network(input_ids=ids, attention_mask=mask.long()).last_hidden_state

    @property
    def description(self) -> dict[str, Any]:
        """What builds the same network with other weights: the configuration as `transformers` writes it."""
        return json.loads(self.network.config.to_json_string(use_diff=False))


def build_encoder(config: EncoderConfig, vocabulary: int, description: dict[str, Any] | None = None) -> nn.Module:
    """The encoder that a configuration asks for. With `description`, a pretrained one is built without reading its weights."""
    if not config.folder:
        return OwnEncoder(config, vocabulary)
    if description:
        return PretrainedEncoder(_described(description, config.dropout))
    network, longest = _pretrained(config.folder, config.dropout), max(config.code_length, config.query_length)
    _check_unused(config, network.config)
    if 0 < (places := getattr(network.config, "max_position_embeddings", 0)) < longest:
        raise UsageError(f"{config.folder} has positions for {places} tokens, this configuration asks for {longest}: lower encoder.code_length")
    if (rows := len(network.get_input_embeddings().weight)) < vocabulary:
        raise UsageError(f"{config.folder} has vectors of {rows} tokens, the vocabulary has {vocabulary}: set data.vocabulary to the encoder's own, and make token shards of another one again")
    return PretrainedEncoder(network, config.layers)


OWN: dict[str, tuple[str, ...]] = {"hidden": ("hidden_size",), "heads": ("num_attention_heads",), "inner": ("intermediate_size", "d_ff", "hidden_dim"), "positions": (), "table": ()}
"""Options of an own encoder, and what the configurations of `transformers` call the same."""


def _check_unused(config: EncoderConfig, found: Any) -> None:
    """Refuse options of an own encoder beside a folder, where they say anything else than the encoder is. Raises UsageError."""
    usual = EncoderConfig()
    said = {name: getattr(config, name) for name, theirs in OWN.items() if getattr(config, name) not in (getattr(usual, name), *(getattr(found, one, None) for one in theirs))}
    if said:
        raise UsageError(f"{config.folder} says itself what its encoder is like; leave out {', '.join(f'encoder.{name} ({value})' for name, value in said.items())}, which would act on nothing")


def pretrained(folder: str) -> PretrainedEncoder:
    """The whole encoder in a folder, as it is. Raises UsageError."""
    return PretrainedEncoder(_pretrained(folder, 0.0))


def check_there(folder: str) -> None:
    """Raise NotFound where `encoder.folder` is a path, which no hub knows, and there is no such folder."""
    if is_path(folder) and not Path(folder).is_dir():
        place = Path(folder).expanduser().absolute()
        raise NotFound(f"encoder.folder {place}: no such folder; a path is relative to the configuration's folder, and OWNER/NAME is taken for a name on the hub where no folder OWNER lies beside the configuration")


def _pretrained(folder: str, dropout: float) -> nn.Module:
    """The encoder in a folder or of a hub name, with its weights as float32. Raises NotFound, and UsageError where it lacks some of
    them: the library draws those at random, and says so in a log line alone."""
    check_there(folder)
    transformers = _transformers()
    try:
        found = transformers.AutoConfig.from_pretrained(folder)
        kind = transformers.T5EncoderModel if found.model_type == "t5" else transformers.AutoModel
        network, told = kind.from_pretrained(folder, dtype=torch.float32, output_loading_info=True, **_dropouts(found, dropout))
    except Exception as problem:  # what the library makes of a damaged folder has no common class
        raise UsageError(f"{folder}: no encoder that transformers can read: {str(problem).strip().partition(chr(10))[0]}") from problem
    if missing := sorted(name for name in told["missing_keys"] if "pooler" not in name.split(".")):  # a pooler is not used here
        raise UsageError(f"{folder}: {len(missing)} of its encoder's tensors are not in its weights, {missing[0]} for one; fetch the folder again, or save it by `save_pretrained`")
    return network


def _described(description: dict[str, Any], dropout: float) -> nn.Module:
    transformers = _transformers()
    values = dict(description)
    found = transformers.AutoConfig.for_model(values.pop("model_type"), **values)
    for name, value in _dropouts(found, dropout).items():
        setattr(found, name, value)
    return transformers.T5EncoderModel(found) if found.model_type == "t5" else transformers.AutoModel.from_config(found, dtype=torch.float32)


def _dropouts(config: Any, dropout: float) -> dict[str, float]:
    """Every dropout rate of a configuration, set to the one asked for."""
    return {name: dropout for name, value in config.to_dict().items() if "dropout" in name and isinstance(value, float)}


def _transformers() -> Any:
    try:
        import transformers
    except ImportError:
        raise UsageError("an encoder of another make needs transformers: pip install 'wayfind[train]' transformers") from None
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers


LAYERS = (("encoder.layer", "num_hidden_layers"), ("layers", "num_hidden_layers"), ("encoder.block", "num_layers"), ("transformer.layer", "n_layers"))
"""Where makes of encoders keep their layers, and what their configuration calls the number."""


def cut(network: nn.Module, layers: int) -> None:
    """Keep the first `layers` layers of a `transformers` encoder. Raises UsageError where it has fewer, or keeps them elsewhere."""
    for place, name in LAYERS:
        holder, _, last = place.rpartition(".")
        owner = getattr(network, holder, None) if holder else network
        found = getattr(owner, last, None)
        if isinstance(found, nn.ModuleList):
            if len(found) < layers:
                raise UsageError(f"encoder.layers is {layers}, but the encoder has {len(found)}; 0 keeps them all")
            setattr(owner, last, found[:layers])
            setattr(network.config, name, layers)
            if getattr(network.config, "layer_types", None):
                network.config.layer_types = network.config.layer_types[:layers]
            return
    raise UsageError(f"encoder.layers: where {type(network).__name__} keeps its layers is not known; set it to 0")


def _begin(module: nn.Module) -> None:
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, std=0.02)
