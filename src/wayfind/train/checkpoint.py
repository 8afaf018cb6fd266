"""Checkpoints: weights, optimiser and place in the schedule, in a folder that is there whole or not at all. No pickle.

`step-00001500/` holds `model.safetensors`, `optimizer.safetensors`, `negatives.safetensors` where some were mined, `state.json`
and the vocabulary. Random numbers need not be kept: all are drawn from the seed and the step (`train.batches`, `train.gradient`).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wayfind.errors import NotFound, UsageError
from wayfind.model import bundle
from wayfind.train.config import TrainConfig, config_of
from wayfind.train.heads import CrossEncoder, RetrievalModel, build_model, describe
from wayfind.train.lowrank import LowRank, merged
from wayfind.train.vocabulary import Vocabulary

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is. `best` is the best held-out MRR so far, of the checkpoint `best_step`; `stale` counts evaluations since."""

    step: int = 0
    best: float = -1.0
    best_step: int = 0
    stale: int = 0
    samples: int = 0
    seconds: float = 0.0
    history: list[list[float]] = field(default_factory=list)
    """Step and MRR of each evaluation."""


def save(folder: Path, model: RetrievalModel | CrossEncoder, optimizer: torch.optim.Optimizer | None, progress: Progress, config: TrainConfig, vocabulary: Vocabulary, mined: np.ndarray | None = None, pairs: str = "", held_out: str = "") -> Path:
    """Write the checkpoint of a step into `folder`; a reader sees it whole or not at all. Returns its folder."""
    from safetensors.torch import save_file

    target, unfinished = folder / f"step-{progress.step:08d}", folder / f".step-{progress.step:08d}.{os.getpid()}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    save_file(_contiguous(model.state_dict()), unfinished / "model.safetensors")
    numbers: dict[str, Any] = {}
    if optimizer is not None:
        tensors, numbers = _flat(optimizer, model)
        save_file(tensors, unfinished / "optimizer.safetensors")
    if mined is not None:
        save_file({"mined": torch.from_numpy(mined)}, unfinished / "negatives.safetensors")
    vocabulary.write(unfinished)
    state = {"format": FORMAT, "progress": asdict(progress), "config": config.as_mapping(), "vocabulary_size": vocabulary.size, "encoder": describe(model), "optimizer": numbers, "pairs": pairs, "held_out": held_out}
    (unfinished / "state.json").write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
    for path in [*unfinished.iterdir(), unfinished]:
        _sync(path)
    shutil.rmtree(target, ignore_errors=True)
    os.replace(unfinished, target)
    _sync(folder)
    return target


def latest(folder: Path) -> Path | None:
    """The checkpoint that a training in `folder` goes on from, None where there is none."""
    return max(all_in(folder), default=None)


def all_in(folder: Path) -> list[Path]:
    """The whole checkpoints of a training, oldest first."""
    return sorted(path.parent for path in folder.glob("step-*/state.json"))


def best_in(folder: Path) -> Path:
    """The checkpoint that a folder is, or the best of the training, of its last stage, that it holds. Raises NotFound."""
    if (folder / "state.json").is_file():
        return folder
    stages = sorted(folder.glob("stage-*"), key=lambda path: int(path.name.removeprefix("stage-")))
    found = latest(stages[-1] if stages else folder)
    if found is None and (folder / bundle.MANIFEST).is_file():
        raise NotFound(f"{folder}: a bundle, made for searching, and no checkpoint; name {_trained_into(folder)}")
    if found is None:
        raise NotFound(f"{folder}: neither a checkpoint nor a folder with one; train it with: wayfind train --config FILE --output {folder}")
    best = found.parent / f"step-{read_state(found)['progress']['best_step']:08d}"
    return best if (best / "state.json").is_file() else found


def weights_in(folder: Path) -> Path:
    """The folder of the weights that a training starts from: the folder itself, or the best checkpoint in it. Raises NotFound."""
    if (folder / "model.safetensors").is_file():
        return folder
    try:
        return best_in(folder)
    except NotFound as problem:
        if (folder / bundle.MANIFEST).is_file():
            raise NotFound(f"{problem}; or, if it began as a BERT, make an encoder's folder of it with wayfind.train.dequantise (training/README.md), and name that as encoder.folder in place of `start`") from None
        raise


def _trained_into(made: Path) -> str:
    """The folder of the training that a bundle lies in, if its checkpoints are there, else what it should be."""
    above = made.resolve().parent
    return f"the training that it is of: {above}" if any(map(all_in, (above, *above.glob("stage-*")))) else "the training that it is of, if its checkpoints are kept"


def thin(folder: Path, keep: int, best_step: int) -> None:
    """Delete all but the newest `keep` checkpoints and the best."""
    for path in all_in(folder)[:-keep]:
        if path.name != f"step-{best_step:08d}":
            shutil.rmtree(path)


def read_state(folder: Path) -> dict[str, Any]:
    """What `state.json` of a checkpoint says. Raises NotFound, UsageError."""
    path = folder / "state.json"
    if not path.is_file():
        raise NotFound(f"{folder}: not a checkpoint, no state.json in it")
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise UsageError(f"{path}: damaged: {problem}; {_mend(folder)}") from None
    if state.get("format") != FORMAT:
        raise UsageError(f"{folder}: a checkpoint of format {state.get('format')}; this wayfind reads format {FORMAT}")
    return state


def load_model(folder: Path) -> tuple[RetrievalModel | CrossEncoder, TrainConfig]:
    """The model of a checkpoint as it was saved, and how it was trained; neither pairs nor the encoder's folder is needed."""
    state = read_state(folder)
    config = config_of(state["config"], f"{folder}/state.json", begun=True)
    model = build_model(config, state["vocabulary_size"], state["encoder"] or None) if state["encoder"] else build_model(_without_table(config), state["vocabulary_size"])
    load_weights(folder, model)
    return model.eval(), config


def load_weights(folder: Path, model: nn.Module) -> None:
    """Put a checkpoint's weights into a model of the same shape; updates (LoRA) are merged where the model has no place for them.

    Raises UsageError where they do not fit or are damaged, NotFound where they are not there.
    """
    tensors = _tensors(folder / "model.safetensors")
    if not any(isinstance(part, LowRank) for part in model.modules()):
        tensors = merged(tensors)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as problem:
        why = _misfit(tensors, model.state_dict()) or str(problem)
        mend = f"set encoder, heads and vocabulary to those that `config` in {folder / 'state.json'} names" if (folder / "state.json").is_file() else "name it as encoder.folder, if it is an encoder of transformers"
        raise UsageError(f"{folder}: its weights do not fit the encoder and heads of this configuration: {why}; {mend}, or leave `start` out") from None


def _misfit(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    """How weights differ from those of a model, by the first tensor of each kind of difference, "" where they do not."""
    resized = [name for name in wanted if name in found and found[name].shape != wanted[name].shape]
    kinds = (
        (resized, f"of {len(wanted)} tensors are of another size"), ([name for name in wanted if name not in found], f"of {len(wanted)} tensors are not there"),
        ([name for name in found if name not in wanted], f"of its {len(found)} tensors have no place"),
    )  # fmt: skip
    first = f" ({_shape(found[resized[0]])} there, {_shape(wanted[resized[0]])} here)" if resized else ""
    return ", ".join(f"{len(names)} {what}, first {names[0]}" + (first if names is resized else "") for names, what in kinds if names)


def _shape(tensor: Tensor) -> str:
    return " × ".join(map(str, tensor.shape)) or "a number"


def _tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file of a checkpoint. Raises NotFound, UsageError where it is damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except OSError as problem:
        raise NotFound(f"{path.parent}: no {path.name} in it: {problem}") from None
    except SafetensorError as problem:
        raise UsageError(f"{path}: damaged: {problem}; {_mend(path.parent)}") from None


def _mend(folder: Path) -> str:
    """What to do about a checkpoint that is damaged."""
    older = [path for path in all_in(folder.parent) if path.name < folder.name]
    return f"delete {folder}, and --resume goes on from {older[-1].name}" if older else f"delete {folder}, and train anew"


def load_training(folder: Path, model: RetrievalModel | CrossEncoder, optimizer: torch.optim.Optimizer, config: TrainConfig, pairs: str = "", held_out: str = "") -> tuple[Progress, np.ndarray | None]:
    """Put weights and optimiser back as they were. Returns the progress and the mined negatives. Raises UsageError where the
    configuration or the pairs (`pairs` and `held_out`: their hashes) are not those that the checkpoint was trained with and judged by."""
    state = read_state(folder)
    check_same(config_of(state["config"], f"{folder}/state.json", begun=True).as_mapping(), config.as_mapping(), folder)
    if state["pairs"] != pairs:
        raise UsageError(f"{folder} was trained on other pairs, with another vocabulary or teacher than {', '.join(one.path for one in config.data.train)} gives now")
    if state.get("held_out", held_out) != held_out:  # of a checkpoint from before this was kept, nothing is known
        raise UsageError(f"{folder} was judged by other held-out pairs than there are now, so that its best MRR compares with none of theirs; put them back, or train into another folder with `start: {folder}`")
    load_weights(folder, model)
    _restore(optimizer, model, _tensors(folder / "optimizer.safetensors"), state["optimizer"])
    mined = folder / "negatives.safetensors"
    return Progress(**state["progress"]), _tensors(mined)["mined"].numpy() if mined.is_file() else None


FREE = {
    ("loop", "device"), ("loop", "minutes"), ("loop", "compile"), ("loop", "keep"), ("loop", "log_every"), ("loop", "micro_batch"), ("licences",),
    ("start",), ("data", "vocabulary"), ("encoder", "folder"), ("encoder", "table"), ("objectives", "distillation", "teacher"), ("negatives", "miner"),
}
"""What may differ when a training is resumed: it says where things lie or how long it runs, not what is computed."""


def check_same(was: Mapping[str, Any], now: Mapping[str, Any], folder: Path, above: tuple[str, ...] = ()) -> None:
    """Raise UsageError, naming the key, where a training would be resumed with another configuration."""
    for key in now:
        place = (*above, key)
        if isinstance(now[key], Mapping) and isinstance(was.get(key), Mapping):
            check_same(was[key], now[key], folder, place)
        elif place not in FREE and _placeless(was.get(key)) != _placeless(now[key]):
            raise UsageError(f"{folder} was trained with {'.'.join(place)} = {was.get(key)!r}, now it is {now[key]!r}; set it back, or train into another folder with `start: {folder}`")


def _placeless(value: Any) -> Any:
    """A value without the paths of its sources: a folder may have moved; that its pairs are the same is checked by their hash."""
    return [{key: inner for key, inner in one.items() if key != "path"} if isinstance(one, dict) else one for one in value] if isinstance(value, list) else value


def _flat(optimizer: torch.optim.Optimizer, model: nn.Module) -> tuple[dict[str, Tensor], dict[str, Any]]:
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    tensors = {f"{names[id(parameter)]}/{key}": value for parameter, kept in optimizer.state.items() for key, value in kept.items()}
    return _contiguous(tensors), {"rates": [group["lr"] for group in optimizer.param_groups]}


def _restore(optimizer: torch.optim.Optimizer, model: nn.Module, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
    parameters = dict(model.named_parameters())
    for name, value in tensors.items():
        owner, _, key = name.rpartition("/")
        parameter = parameters[owner]
        optimizer.state[parameter][key] = value.to(parameter.device) if key != "step" else value
    for group, rate in zip(optimizer.param_groups, numbers["rates"]):
        group["lr"] = rate


def _contiguous(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the CPU that share no memory: safetensors refuses tied tensors."""
    return {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}


def _without_table(config: TrainConfig) -> TrainConfig:
    return replace(config, encoder=replace(config.encoder, table=""))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
