"""Heads: an encoder's states in, the text's unit vector and the tokens' unit vectors out, or the score of a question and a code that
were read together; and the models that hold them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from wayfind.errors import NotFound, UsageError
from wayfind.train.config import TrainConfig, untrained
from wayfind.train.encoder import PretrainedEncoder, build_encoder


class Texts(NamedTuple):
    """Texts as ids, padded; the mask says which are of the text."""

    ids: Int[Tensor, "batch token"]
    mask: Bool[Tensor, "batch token"]


class Represented(NamedTuple):
    """Texts as the losses and the index see them. What the model does not make is empty: size 0 in the last axis."""

    vector: Float[Tensor, "batch dim"]
    tokens: Float[Tensor, "batch token dim"]
    mask: Bool[Tensor, "batch token"]


def masked_mean(states: Float[Tensor, "batch token hidden"], mask: Bool[Tensor, "batch token"]) -> Float[Tensor, "batch hidden"]:
    """Mean over the tokens of the text; padding takes no part."""
    counted = mask[..., None].to(states.dtype)
    return (states * counted).sum(dim=1) / counted.sum(dim=1).clamp_min(1)


def whole(values: Tensor) -> Tensor:
    """The values in float32 at least: what autocast left in bfloat16 is too coarse for norms and losses."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values


class RetrievalModel(nn.Module):
    """An encoder and its heads.

    Args:
        encoder: (ids, mask) to states; has `hidden`.
        vector: size of the text vector; 0 is the mean of the states, -1 none.
        tokens: size of the token vectors; 0 is none.
    """

    def __init__(self, encoder: nn.Module, vector: int, tokens: int) -> None:
        super().__init__()
        self.encoder, self.has_vector = encoder, vector >= 0
        self.vector = nn.Linear(encoder.hidden, vector, bias=False) if vector > 0 else None
        self.tokens = nn.Linear(encoder.hidden, tokens, bias=False) if tokens > 0 else None
        for head in (self.vector, self.tokens):
            if head is not None:
                nn.init.orthogonal_(head.weight)

    @property
    def dim(self) -> int:
        """Size of the text vector, 0 where there is none."""
        return 0 if not self.has_vector else self.encoder.hidden if self.vector is None else self.vector.out_features

    @property
    def token_dim(self) -> int:
        return 0 if self.tokens is None else self.tokens.out_features

    def forward(self, ids: Int[Tensor, "batch token"], mask: Bool[Tensor, "batch token"]) -> Represented:
        states = self.encoder(ids, mask)
        return Represented(self._vectors(states, mask), self._token_vectors(states), mask)

    def _vectors(self, states: Tensor, mask: Tensor) -> Float[Tensor, "batch dim"]:
        if not self.has_vector:
            return whole(states.new_zeros(len(states), 0))
        mean = masked_mean(whole(states), mask)
        return functional.normalize(whole(mean if self.vector is None else self.vector(mean)), dim=-1)

    def _token_vectors(self, states: Tensor) -> Float[Tensor, "batch token dim"]:
        if self.tokens is None:
            return whole(states.new_zeros(*states.shape[:2], 0))
        return functional.normalize(whole(self.tokens(states)), dim=-1)


class CrossEncoder(nn.Module):
    """An encoder that reads a question and a code together, and one number: the logit that the code answers the question.

    The number is a linear map of the mean state; R. Nogueira & K. Cho ("Passage Re-ranking with BERT", 2019,
    https://arxiv.org/abs/1901.04085) map the first token's, which only some encoders were trained to fill.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.score = nn.Linear(encoder.hidden, 1, bias=False)  # softmaxes see no bias
        nn.init.normal_(self.score.weight, std=0.02)

    def forward(self, ids: Int[Tensor, "batch token"], mask: Bool[Tensor, "batch token"]) -> Float[Tensor, "batch"]:
        return whole(self.score(masked_mean(whole(self.encoder(ids, mask)), mask)))[:, 0]


def build_model(config: TrainConfig, vocabulary: int, description: dict[str, Any] | None = None) -> RetrievalModel | CrossEncoder:
    """The model of a configuration, drawn from its seed: a cross-encoder where the objective is `listwise`. A folder's own
    projection of token vectors (XTR) is taken with it. Raises UsageError, NotFound."""
    torch.manual_seed(config.seed)
    if config.objectives.listwise.weight:
        both = replace(config.encoder, code_length=config.encoder.code_length + config.encoder.query_length)
        return CrossEncoder(build_encoder(both, vocabulary, description))
    encoder = build_encoder(config.encoder, vocabulary, description)
    tokens = config.heads.tokens
    own = read_projection(config.encoder.folder) if tokens and config.encoder.folder and not description else None
    if own is not None and own.shape != (tokens, encoder.hidden):
        raise UsageError(f"{config.encoder.folder} projects {own.shape[1]} to {own.shape[0]} dimensions, heads.tokens is {tokens}: set it to {own.shape[0]}")
    if own is None and not description and not config.start and config.encoder.folder and "tokens" in untrained(config):
        raise UsageError(f"heads.tokens is {tokens}, but no objective trains token vectors and {config.encoder.folder} has no projection of its own: set heads.tokens to 0, or give maxsim or xtr a weight")
    model = RetrievalModel(encoder, config.heads.vector, tokens)
    if not description and model.has_vector and any(size >= model.dim for size in config.objectives.contrastive.dimensions):
        raise UsageError(f"contrastive.dimensions must lie between 0 and the size of the vector ({model.dim}), found {config.objectives.contrastive.dimensions}")
    if own is not None:
        with torch.no_grad():
            model.tokens.weight.copy_(own)
    return model


def describe(model: RetrievalModel | CrossEncoder) -> dict[str, Any] | None:
    """What `build_model` needs beside the configuration to build the same network without the folder it came from."""
    return model.encoder.description if isinstance(model.encoder, PretrainedEncoder) else None


PROJECTION = "2_Dense"
"""Folder of the projection in the layout of sentence-transformers, as `google/xtr-base-en` has it: key `linear.weight`, 768 to 128."""
POOLING = "1_Pooling/config.json"
"""Where this is, the states are pooled before they are projected, as in sentence-t5 and LaBSE: to the text's vector, not to the tokens'."""


def read_projection(folder: str) -> Float[Tensor, "dim hidden"] | None:
    """The projection to token vectors that an encoder's folder or hub repository carries, None where it has none. Raises UsageError
    where it is no linear map, and NotFound.

    Source of the layout: the repository of `google/xtr-base-en`, read as XTR and WARP read it (J. Lee et al., "Rethinking the
    Role of Token Retrieval in Multi-Vector Retrieval", 2023, https://arxiv.org/abs/2304.01982).
    """
    weights = None if _pools(folder) else read_tensors(folder, PROJECTION)
    if weights is None:
        return None
    said = _first(folder, [f"{PROJECTION}/config.json"])
    activation = str(json.loads(said.read_text(encoding="utf-8")).get("activation_function", "Identity") if said else "Identity").rpartition(".")[2]
    if list(weights) != ["linear.weight"] or weights["linear.weight"].ndim != 2 or activation != "Identity":
        found = f"{', '.join(weights) or 'none'} and the activation {activation}"
        raise UsageError(f"{folder}/{PROJECTION}: expected the key `linear.weight` alone, a matrix, found {found}; to begin with a random projection, name a copy of the folder without {PROJECTION}")
    return weights["linear.weight"].float()


def _pools(folder: str) -> bool:
    try:
        return _first(folder, [POOLING]) is not None
    except NotFound:
        return False  # a cache that has the projection was asked for this before it, or has the whole repository


def read_tensors(folder: str | Path, part: str = ".") -> dict[str, Tensor] | None:
    """The tensors of a folder's part, or of a hub repository's, None where it has none. Nothing is unpickled but tensors. Raises NotFound."""
    found = _first(str(folder), [name if part == "." else f"{part}/{name}" for name in ("model.safetensors", "pytorch_model.bin")])
    if found is None:
        return None
    if found.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(found)
    return torch.load(found, map_location="cpu", weights_only=True)


def _first(folder: str, names: Sequence[str]) -> Path | None:
    """The first file there is of a folder, or of a hub repository if `folder` is none. Raises NotFound where the hub could not be
    asked and its cache has none of them: then nobody knows whether there is one."""
    if Path(folder).is_dir():
        return next((path for name in names if (path := Path(folder) / name).is_file()), None)
    from huggingface_hub import _CACHED_NO_EXIST, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    unasked: LocalEntryNotFoundError | None = None
    for name in names:
        try:
            return Path(hf_hub_download(folder, name))
        except LocalEntryNotFoundError as problem:  # a subclass of the other, but it says nothing of what the repository has
            unasked = unasked if try_to_load_from_cache(folder, name) is _CACHED_NO_EXIST else problem
        except EntryNotFoundError:
            continue
    if unasked is not None:
        said = f"{folder}: whether it has {' or '.join(names)} is not known: the hub cannot be reached, and the cache says nothing of it"
        raise NotFound(f"{said}. Fetch the whole repository (hf download {folder}) and name the folder that it prints as encoder.folder") from unasked
    return None
