"""A whole training: the stages of a configuration in, a bundle out. Alone or as one of several processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.distributed as distributed

from wayfind.errors import UsageError
from wayfind.model.bundle import digest_of
from wayfind.train import checkpoint, cross
from wayfind.train.batches import Table, pairs_of, read_material, vocabulary_of
from wayfind.train.config import Source, TrainConfig
from wayfind.train.device import device_of
from wayfind.train.gradient import Precision
from wayfind.train.loop import Report, train
from wayfind.train.memory import enough_memory
from wayfind.train.negatives import Miner
from wayfind.train.scores import write_scores
from wayfind.train.shards import Tokens, write_tokens
from wayfind.train.validate import AT_A_TIME
from wayfind.train.vocabulary import FILES


def train_stages(stages: list[TrainConfig], output: Path, *, resume: bool = False, report: Report | None = None) -> Path | None:
    """Train stage after stage, each from the best checkpoint of the one before, and export the last. Returns the bundle's
    folder; None where time ran out before the end, and in processes other than the first."""
    with _processes(stages[0]), enough_memory("loop.micro_batch, encoder.code_length or the encoder's sizes"):
        start = stages[0].start
        if resume and report and _first() and not _begun(output):
            report({"event": "note", "step": 0, "steps": 0, "text": f"nothing to go on with in {output}; the training begins anew"})
        for number, config in enumerate(stages, 1):
            folder = output / f"stage-{number}" if len(stages) > 1 else output
            config = with_vocabulary(replace(config, start=start), output)
            material = read_material(config)
            outcome = train(config, material, folder, resume=resume, report=report)
            if not outcome.finished:
                return None
            start = str(outcome.best)
        served = not config.objectives.listwise.weight
        return _exported(Path(start), output / "bundle", material.valid, report) if served and _first() else None


def prepare(stages: list[TrainConfig], folder: Path) -> dict[str, int]:
    """Write token shards of the sources that the stages name, each into `NAME/train` and `NAME/valid` by its own name, with one
    vocabulary. Put where the pairs lie, the same configuration reads them, with its weights, kinds, limits and stages.

    Returns the number of pairs of each folder. Raises UsageError where two sources have one name, or one has no pair.
    """
    wanted = {(source.path, part): (source, stage.data.train) for stage in stages for part, some in _sources(stage) for source in some}
    paths = {Path(path).name: path for path, _ in wanted}
    if twice := next((path for path, _ in wanted if paths[Path(path).name] != path), None):
        raise UsageError(f"{twice} and {paths[Path(twice).name]} would have their shards in one folder, {Path(twice).name}; give one of them another name")
    vocabulary = vocabulary_of(stages[0])
    lengths = [max(getattr(stage.encoder, name) for stage in stages) for name in ("query_length", "code_length")]
    return {f"{Path(path).name}/{part}": write_tokens(folder / Path(path).name / part, pairs_of(source, part, learned), vocabulary, *lengths) for (path, part), (source, learned) in wanted.items()}


def _sources(stage: TrainConfig) -> list[tuple[str, list[Source]]]:
    """What a stage reads of each part."""
    return [("train", stage.data.train), ("valid", stage.data.valid or stage.data.train)]


def write_teacher(stages: list[TrainConfig], output: Path) -> tuple[Path, int]:
    """Write what the cross-encoder that was trained into `output` says of each pair's own code and of the `negatives.candidates`
    nearest by `negatives.miner`. Returns the folder and the number of scores. Raises UsageError, NotFound."""
    config = stages[-1]
    if not config.objectives.listwise.weight or not config.negatives.miner:
        raise UsageError("--scores needs a configuration of a cross-encoder: objectives.listwise.weight above 0, and negatives.miner, a checkpoint with vectors")
    best, config = checkpoint.best_in(output), with_vocabulary(config, output)
    material, device = read_material(config), device_of(config.loop.device)
    precision = Precision(device.type, config.loop.precision == "bfloat16")
    words, miner = material.vocabulary, Miner(config, material, device, precision)
    table = Table(material.train, (words.before, words.after, words.pad), (config.encoder.query_length, config.encoder.code_length), device)
    score = cross.score_of(checkpoint.load_model(best)[0].to(device), table, precision, config.loop.micro_batch or AT_A_TIME)
    about = {"teacher": config.name, "checkpoint": best.name, "weights": digest_of(best / "model.safetensors"), "candidates": config.negatives.candidates}
    folder = output / "scores"
    return folder, write_scores(folder, score, table, miner.nearest(miner.train, config.negatives.candidates), about)


def with_vocabulary(config: TrainConfig, output: Path) -> TrainConfig:
    """The configuration with its vocabulary in the output folder, written there by the first process if nothing was trained yet.

    What goes on must read what it began with, also where the pairs have changed since; what an attempt that failed left there may
    be of another configuration.
    """
    if _first() and not (_vocabularies(output) and _begun(output)):
        words = vocabulary_of(config)
        for path in _vocabularies(output):
            path.unlink()
        words.write(output)
    if distributed.is_initialized():
        distributed.barrier()
    return replace(config, data=replace(config.data, vocabulary=str(_vocabularies(output)[0])))


def _begun(output: Path) -> bool:
    """Whether a checkpoint lies in an output folder, of any stage."""
    return any(map(checkpoint.latest, (output, *output.glob("stage-*"))))


def _vocabularies(folder: Path) -> list[Path]:
    return [folder / name for name in FILES if (folder / name).is_file()]


def _exported(best: Path, folder: Path, valid: Tokens, report: Report | None) -> Path | None:
    """The bundle of a checkpoint; None, and a line that says so, where what exports is not installed."""
    if missing := [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]:
        if report:
            said = f"not exported: {' and '.join(missing)} is not installed (pip install 'wayfind[train]'); the checkpoint is {best}"
            report({"event": "note", "step": 0, "steps": 0, "text": said})
        return None
    from wayfind.train.export import export

    made = export(best, folder, valid)
    if report:
        report({"event": "exported", "step": 0, "steps": 0, **made})
    return folder


def _first() -> bool:
    return not distributed.is_initialized() or distributed.get_rank() == 0


@contextmanager
def _processes(config: TrainConfig) -> Iterator[None]:
    """Join the other processes where torchrun started several."""
    if int(os.environ.get("WORLD_SIZE", 1)) < 2:
        yield
        return
    device = device_of(config.loop.device)
    if device.type == "mps":
        raise UsageError("loop.device mps trains on one process")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()
