"""How a model is trained: a YAML file in, frozen records out, one for each stage. An unknown key names the nearest key.

Every option here reaches the batches, the gradient, the schedule or what is written, which a test holds for each; what does
not is not an option. Paths in the file are relative to it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from wayfind.errors import UsageError
from wayfind.train.recipe import record, yaml_of

MPS_BATCH = 48
"""Texts that an Apple GPU encodes at a time; with more, training was unstable there (feature B12)."""


@dataclass(frozen=True, slots=True)
class Source:
    """Pairs to learn from: a folder of `wayfind data build`, a file of JSON lines, or a folder of token shards."""

    path: str
    weight: float = 1.0
    """Multiplies the weight of each of its pairs."""
    languages: list[str] = field(default_factory=list)
    """Only these; empty: all."""
    kinds: list[str] = field(default_factory=list)
    """Only these; empty: all."""
    limit: int = 0
    """Pairs taken at most, drawn by the seed; 0: all."""


@dataclass(frozen=True, slots=True)
class DataConfig:
    """What is learned from and what is held out."""

    train: list[Source]
    valid: list[Source] = field(default_factory=list)
    """Held-out pairs; empty: the `valid` part of the folders in `train`."""
    weights: str = "sampler"
    """Where the weight of a pair acts: `sampler` (how often it is drawn in an epoch) or `loss` (how much it counts)."""
    path_dropout: float = 0.5
    """Share of the codes that are read without their path: a path of the training set says more than one at home."""
    symbol_dropout: float = 0.2
    """Share of those without path that are read without their symbol as well."""
    together: int = 1
    """Pairs of one origin (a repository) that come into a batch together, a divisor of `loop.batch`; 1: as they fall. A search in
    one repository has to tell such apart."""
    vocabulary: str = ""
    """`vocab.txt` or `tokenizer.json`, or a folder with one; empty: that of the encoder's folder or of the token shards, else one
    is learned from the pairs."""
    vocabulary_size: int = 16_000
    """Of a vocabulary that is learned."""


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """The network that reads tokens: an own transformer from random weights, or the folder (or hub name) of a `transformers` one."""

    folder: str = ""
    layers: int = 3
    """Of an own encoder; of a `transformers` one the first so many are kept, 0: all, which a file that names a folder and no layers means."""
    hidden: int = 256
    heads: int = 4
    inner: int = 0
    """Width of the feed-forward layers; 0: four times `hidden`."""
    positions: str = "rotary"
    """`rotary` or `learned`, of an own encoder."""
    dropout: float = 0.0
    code_length: int = 192
    """Tokens of a code at most, with the special ones."""
    query_length: int = 48
    table: str = ""
    """Safetensors file with `embedding` [vocab, hidden]: where the token table of an own encoder starts."""
    kept: float = 0.0
    """Share of the folder's own weights in the mean with the trained ones that a bundle holds: training on code forgets language (M.
    Wortsman et al., "Robust fine-tuning of zero-shot models", 2022, https://arxiv.org/abs/2109.01903). Checkpoints hold the trained ones."""
    lora: int = 0
    """Rank of the updates that are trained beside the encoder's linear maps, in place of its weights (LoRA); 0: all weights are
    trained. The heads are trained in either case."""


@dataclass(frozen=True, slots=True)
class HeadsConfig:
    """What is made of the encoder's states."""

    vector: int = 256
    """Size of the text's vector; 0: the mean of the states as it is; -1: none."""
    tokens: int = 0
    """Size of the token vectors of late interaction; 0: none."""


@dataclass(frozen=True, slots=True)
class Contrastive:
    """InfoNCE between text vectors."""

    weight: float = 1.0
    temperature: float = 0.05
    symmetric: bool = True
    """Also from code to query."""
    dimensions: list[int] = field(default_factory=list)
    """Prefixes of the vector that are trained as vectors of their own (Matryoshka)."""


@dataclass(frozen=True, slots=True)
class MaxSim:
    """Contrast of mean MaxSim between token vectors."""

    weight: float = 0.0
    temperature: float = 0.05


@dataclass(frozen=True, slots=True)
class XTR:
    """Contrast of XTR's scores; its first steps use MaxSim, since a code without a retrieved token has no gradient."""

    weight: float = 0.0
    temperature: float = 0.05
    k: int = 256
    """Tokens that each query token retrieves out of all in the batch."""
    warmup: int = 100
    """Steps with MaxSim."""


@dataclass(frozen=True, slots=True)
class Distillation:
    """What a teacher says of each query's codes in the batch; see `train.distill`."""

    weight: float = 0.0
    temperature: float = 0.05
    """Of the student; and of a teacher of vectors. The scores of a cross-encoder are logits already."""
    teacher: str = ""
    """Folder of what it says of the training pairs: the scores of a cross-encoder, written by `wayfind train --scores`, or another
    encoder's vectors, written by `train.distill.write_vectors`."""
    candidates: int = 4
    """Of the codes that a cross-encoder scored for a pair, so many come into the batch with it, drawn anew each time."""


@dataclass(frozen=True, slots=True)
class Listwise:
    """Softmax of a cross-encoder's scores of one question over its own code, its hard negatives and others; see `train.cross`.

    A weight above 0 makes the model a cross-encoder: it reads question and code together and has no vectors. It is a teacher;
    nothing that serves reads it."""

    weight: float = 0.0
    others: int = 4
    """Codes of other pairs in the batch that each question is read with, drawn."""


@dataclass(frozen=True, slots=True)
class Objectives:
    """The terms of the loss; a weight of 0 leaves one out."""

    contrastive: Contrastive = field(default_factory=Contrastive)
    maxsim: MaxSim = field(default_factory=MaxSim)
    xtr: XTR = field(default_factory=XTR)
    distillation: Distillation = field(default_factory=Distillation)
    listwise: Listwise = field(default_factory=Listwise)


@dataclass(frozen=True, slots=True)
class Negatives:
    """Hard negatives: those that came with the pairs, and those that the current model finds."""

    given: int = 0
    """Of each pair's own negatives, at most so many."""
    mined: int = 0
    """Of each pair's mined ones, at most so many."""
    miner: str = ""
    """Checkpoint, or output folder, of the model with vectors that finds the mined ones, once, before the first step; empty: the
    model in training finds them. A cross-encoder cannot."""
    every: int = 1000
    """Steps between two minings by the model in training; the first is at the step of this number."""
    candidates: int = 50
    """Nearest codes that are looked at."""
    margin: float = 0.05
    """A code nearer than the right one's cosine less this is taken for another right answer, not for a negative."""


@dataclass(frozen=True, slots=True)
class Loop:
    """Optimiser, schedule, batches, evaluation."""

    batch: int = 256
    """Pairs that are contrasted with each other, over all processes."""
    micro_batch: int = 0
    """Texts encoded at a time; fewer than the batch: gradients are cached (GradCache). 0: the batch."""
    epochs: int = 1
    steps: int = 0
    """Steps in all; 0: as the epochs make."""
    rate: float = 5e-4
    warmup: float = 0.05
    """Share of the steps over which the rate rises."""
    final_rate: float = 0.1
    """Share of the rate that is left at the end of the cosine."""
    weight_decay: float = 0.01
    clip: float = 1.0
    """Largest norm of the gradient; 0: any."""
    precision: str = "float32"
    """`float32` or `bfloat16` (autocast)."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `mps`."""
    compile: bool = False
    """Compile the encoder (torch.compile); worth it on an accelerator."""
    bucket: int = 1
    """Batches whose pairs are sorted by length together; 1: none. Batch mates are then of like length."""
    evaluate_every: int = 500
    """Steps between two evaluations on held-out pairs, each with a checkpoint."""
    pool: int = 1000
    """Held-out pairs that are ranked among each other."""
    patience: int = 0
    """Evaluations without a better MRR before it stops; 0: it does not stop early."""
    keep: int = 2
    """Checkpoints kept beside the best."""
    log_every: int = 10
    minutes: float = 0.0
    """Stop, with a checkpoint to resume from, after so long; 0: no limit."""


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One stage of training."""

    name: str
    data: DataConfig
    seed: int = 0
    start: str = ""
    """Checkpoint, or output folder of a training, whose weights are taken; of a later stage the stage before."""
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    heads: HeadsConfig = field(default_factory=HeadsConfig)
    objectives: Objectives = field(default_factory=Objectives)
    negatives: Negatives = field(default_factory=Negatives)
    loop: Loop = field(default_factory=Loop)
    licences: str = ""
    """For the model's card: licences of data and of the weights it started from."""

    def as_mapping(self) -> dict[str, Any]:
        """The configuration with every default written out."""
        return asdict(self)


def read_configs(path: Path) -> list[TrainConfig]:
    """The stages of a configuration file, in order; one where it has no `stages`. Raises NotFound, UsageError.

    A stage is a mapping of what differs from the rest of the file.
    """
    values = yaml_of(path)
    if not isinstance(values, dict):
        raise UsageError(f"{path}: expected a mapping with `name` and `data`, found {type(values).__name__}")
    stages = values.pop("stages", [{}])
    if not isinstance(stages, list) or not stages or not all(isinstance(stage, dict) for stage in stages):
        raise UsageError(f"{path}: `stages` must be a list of mappings")
    _check_later(values, stages, path)
    return [_config(merged(values, stage), path, f"{path}: stages[{number}]" if len(stages) > 1 else str(path), begun=number > 0) for number, stage in enumerate(stages)]


def merged(values: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with what `other` says instead; mappings are merged key by key, all else is replaced.

    >>> merged({"loop": {"rate": 1, "batch": 2}, "seed": 0}, {"loop": {"rate": 3}})
    {'loop': {'rate': 3, 'batch': 2}, 'seed': 0}
    """
    both = dict(values)
    for key, value in other.items():
        both[key] = merged(values[key], value) if isinstance(value, Mapping) and isinstance(values.get(key), Mapping) else value
    return both


def config_of(values: Mapping[str, Any], where: str = "configuration", *, begun: bool = False) -> TrainConfig:
    """The configuration of given values. Raises UsageError. begun: its weights are those of a checkpoint, so that no head is a random one."""
    values = {**values, "data": dict(values["data"])} if isinstance(values.get("data"), Mapping) else dict(values)
    for part in ("train", "valid"):
        listed = values["data"].get(part) if isinstance(values.get("data"), Mapping) else None
        if isinstance(listed, list):
            values["data"][part] = [one if is_dataclass(one) else record(Source, {"path": one} if isinstance(one, str) else one, f"{where}: data.{part}[{n}]") for n, one in enumerate(listed)]
    if isinstance(values.get("encoder"), Mapping) and values["encoder"].get("folder"):
        values["encoder"] = {"layers": 0, **values["encoder"]}
    config = record(TrainConfig, values, where)
    _check(config, where)
    if not begun and not config.start:
        _check_trained(config, where)
    return config


def untrained(config: TrainConfig) -> list[str]:
    """The heads with weights that no objective reaches: as they were drawn they would be judged, exported and served.

    >>> untrained(TrainConfig("t", DataConfig([]), heads=HeadsConfig(vector=256, tokens=64)))
    ['tokens']
    """
    wanted = config.objectives
    reached = {"vector": wanted.contrastive.weight or wanted.distillation.weight, "tokens": wanted.maxsim.weight or wanted.xtr.weight}
    return [name for name in reached if getattr(config.heads, name) > 0 and not reached[name]]


def _check_later(values: Mapping[str, Any], stages: list[dict[str, Any]], path: Path) -> None:
    """Refuse what a later stage says to no effect: where it starts, and a vocabulary other than the first one's."""
    first = merged(values, stages[0]).get("data")
    for number, stage in enumerate(stages[1:], 1):
        data = stage.get("data") if isinstance(stage.get("data"), Mapping) else {}
        other = [f"data.{name}" for name in ("vocabulary", "vocabulary_size") if name in data and isinstance(first, Mapping) and data[name] != first.get(name)]
        for name in [*(["start"] if "start" in stage else []), *other]:
            raise UsageError(f"{path}: stages[{number}]: {name} would act on nothing: a later stage has weights and vocabulary of the one before; say it in the first")


def _config(values: dict[str, Any], path: Path, where: str, begun: bool) -> TrainConfig:
    config = config_of(values, where, begun=begun)
    _check_reached(config, where)
    data = config.data
    train, valid = ([replace(one, path=_placed(one.path, path)) for one in part] for part in (data.train, data.valid))
    return replace(
        config, start=_placed(config.start, path), data=replace(data, train=train, valid=valid, vocabulary=_placed(data.vocabulary, path)),
        encoder=replace(config.encoder, folder=_placed(config.encoder.folder, path), table=_placed(config.encoder.table, path)),
        objectives=replace(config.objectives, distillation=replace(config.objectives.distillation, teacher=_placed(config.objectives.distillation.teacher, path))),
        negatives=replace(config.negatives, miner=_placed(config.negatives.miner, path)),
    )


def _placed(given: str, config: Path) -> str:
    """A path relative to the configuration's folder; what lies nowhere there and may be a hub name stays as it is."""
    if not given:
        return given
    own = Path(given).expanduser()
    place = (config.parent / own).resolve()
    is_ours = is_path(given) or (len(own.parts) > 1 and place.parent.is_dir())
    return str(place) if place.exists() or (is_ours and not own.exists()) else given


def is_path(given: str) -> bool:
    """Whether a value can be nothing but a path: no hub has a name like it.

    >>> [is_path(one) for one in ("minilm", "owner/minilm", "./minilm", "~/minilm", "data/models/minilm")]
    [False, False, True, True, True]
    """
    return given.startswith((".", "~")) or Path(given).is_absolute() or len(Path(given).parts) > 2


def _check(config: TrainConfig, where: str) -> None:
    if not config.data.train:
        raise UsageError(f"{where}: data.train names nothing to learn from")
    for source in (*config.data.train, *config.data.valid):
        if not 0 < source.weight < math.inf or source.limit < 0:
            raise UsageError(f"{where}: {source.path}: weight must be above 0, and limit 0 or more; found {source.weight} and {source.limit}. Leave a source out that is not to be learned from")
    if not 0 <= config.seed < 2**63:
        raise UsageError(f"{where}: seed must be 0 or more and below 2**63, found {config.seed}")
    _chosen(where, "data.weights", config.data.weights, ("sampler", "loss"))
    _chosen(where, "encoder.positions", config.encoder.positions, ("rotary", "learned"))
    _chosen(where, "loop.precision", config.loop.precision, ("float32", "bfloat16"))
    _chosen(where, "loop.device", config.loop.device, ("auto", "cpu", "cuda", "mps"))
    for record_, name, least in (
        (config.loop, "batch", 2), (config.loop, "epochs", 1), (config.loop, "evaluate_every", 1), (config.loop, "pool", 2), (config.loop, "log_every", 1),
        (config.loop, "bucket", 1), (config.loop, "keep", 1), (config.encoder, "hidden", 1), (config.encoder, "heads", 1), (config.negatives, "every", 1), (config.objectives.xtr, "k", 1),
        (config.data, "vocabulary_size", 64), (config.encoder, "code_length", 8), (config.encoder, "query_length", 4),
    ):
        if getattr(record_, name) < least:
            raise UsageError(f"{where}: {name} must be {least} or more, found {getattr(record_, name)}")
    objectives = {f"objectives.{one.name}": getattr(config.objectives, one.name) for one in fields(config.objectives)}
    for part, values in {"loop": config.loop, "encoder": config.encoder, "negatives": config.negatives, "data": config.data, **objectives}.items():
        for one in fields(values):
            value = getattr(values, one.name)
            if isinstance(value, (int, float)) and not isinstance(value, bool) and not 0 <= value < math.inf:
                raise UsageError(f"{where}: {part}.{one.name} must be 0 or more, found {value}")
    for part, names in ((config.encoder, ("dropout",)), (config.data, ("path_dropout", "symbol_dropout")), (config.loop, ("warmup", "final_rate"))):
        for name in names:
            if getattr(part, name) > 1:
                raise UsageError(f"{where}: {name} is a share from 0 to 1, found {getattr(part, name)}")
    if config.data.together < 1 or config.loop.batch % config.data.together:
        raise UsageError(f"{where}: data.together must divide loop.batch ({config.loop.batch}), found {config.data.together}")
    _check_heads(config, where)


def _check_heads(config: TrainConfig, where: str) -> None:
    wanted, heads = config.objectives, config.heads
    for name, least in (("vector", -1), ("tokens", 0)):
        if getattr(heads, name) < least:
            raise UsageError(f"{where}: heads.{name} must be {least} or more, found {getattr(heads, name)}")
    if not config.encoder.folder and config.encoder.hidden % (2 * config.encoder.heads):
        raise UsageError(f"{where}: encoder.hidden must be a multiple of twice encoder.heads, found {config.encoder.hidden} and {config.encoder.heads}")
    if config.encoder.kept and not (config.encoder.folder and config.encoder.kept < 1):
        raise UsageError(f"{where}: encoder.kept is a share below 1 of the weights of encoder.folder, found {config.encoder.kept} of {config.encoder.folder or 'none'}")
    if not config.encoder.folder and config.encoder.lora >= config.encoder.hidden:
        raise UsageError(f"{where}: encoder.lora is the rank of updates, less than encoder.hidden ({config.encoder.hidden}); found {config.encoder.lora}")
    if wanted.listwise.weight:
        _check_cross(config, where)
    if (wanted.maxsim.weight or wanted.xtr.weight) and heads.tokens < 1:
        raise UsageError(f"{where}: maxsim and xtr need token vectors: set heads.tokens, 64 say")
    if (wanted.contrastive.weight or wanted.distillation.weight) and heads.vector < 0:
        raise UsageError(f"{where}: contrastive and distillation need a text vector: set heads.vector to 0 or more")
    for name in ("contrastive", "maxsim", "xtr", "distillation"):
        if not getattr(wanted, name).temperature > 0:
            raise UsageError(f"{where}: objectives.{name}.temperature must be above 0, found {getattr(wanted, name).temperature}")
    if config.negatives.mined and not config.negatives.miner and heads.vector < 0:
        raise UsageError(f"{where}: negatives.mined needs a text vector: set heads.vector to 0 or more, or negatives.miner to a checkpoint with vectors")
    if wanted.distillation.weight and not wanted.distillation.teacher:
        raise UsageError(f"{where}: objectives.distillation has a weight and no teacher")
    if not any(one.weight for one in (wanted.contrastive, wanted.maxsim, wanted.xtr, wanted.distillation, wanted.listwise)):
        raise UsageError(f"{where}: every objective has the weight 0: nothing would be learned")
    size, named = (heads.vector, f"heads.vector ({heads.vector})") if heads.vector > 0 else (config.encoder.hidden, f"encoder.hidden ({config.encoder.hidden})")
    if config.encoder.folder and not heads.vector:
        size, named = math.inf, "the size of the encoder's states"  # which its folder says: `train.heads`
    if heads.vector >= 0 and any(not 0 < one < size for one in wanted.contrastive.dimensions):
        raise UsageError(f"{where}: contrastive.dimensions must lie between 0 and {named}, found {wanted.contrastive.dimensions}")


def _check_reached(config: TrainConfig, where: str) -> None:
    """Refuse options that act on nothing beside others; of a file alone, for a checkpoint of such a training still holds a model."""
    distillation, negatives = config.objectives.distillation, config.negatives
    if not config.loop.rate:
        raise UsageError(f"{where}: loop.rate is 0, so that nothing would be learned")
    if distillation.teacher and not distillation.weight:
        raise UsageError(f"{where}: objectives.distillation has a teacher and the weight 0, so that it would act on nothing: give it a weight, or leave the teacher out")
    if negatives.candidates < negatives.mined:
        raise UsageError(f"{where}: negatives.mined is {negatives.mined}, but of {negatives.candidates} negatives.candidates no more can be found: raise candidates")


def _check_trained(config: TrainConfig, where: str) -> None:
    """Refuse heads that stay random. Whether a folder brings its own projection of tokens is known where it is read (`train.heads`)."""
    heads, random = config.heads, untrained(config)
    if "vector" in random:
        raise UsageError(f"{where}: heads.vector is {heads.vector}, but no objective trains a text vector: set heads.vector to -1 (none) or 0 (the mean of the states), or give contrastive or distillation a weight")
    if "tokens" in random and not config.encoder.folder:
        raise UsageError(f"{where}: heads.tokens is {heads.tokens}, but no objective trains token vectors: set heads.tokens to 0, or give maxsim or xtr a weight")


def _check_cross(config: TrainConfig, where: str) -> None:
    wanted, negatives = config.objectives, config.negatives
    if given := [name for name in ("contrastive", "maxsim", "xtr", "distillation") if getattr(wanted, name).weight]:
        raise UsageError(f"{where}: objectives.listwise trains a cross-encoder, which {given[0]} cannot teach: set objectives.{given[0]}.weight to 0")
    if config.heads.vector != -1 or config.heads.tokens:
        raise UsageError(f"{where}: objectives.listwise trains a cross-encoder, which has no vectors: set heads.vector to -1 and heads.tokens to 0")
    if negatives.mined and not negatives.miner:
        raise UsageError(f"{where}: a cross-encoder cannot look for hard negatives: set negatives.miner to a checkpoint with vectors")
    if not wanted.listwise.others + negatives.given + negatives.mined or wanted.listwise.others >= config.loop.batch:
        raise UsageError(f"{where}: objectives.listwise.others must be 1 or more and less than loop.batch, or 0 with negatives; found {wanted.listwise.others}")


def _chosen(where: str, name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"{where}: {name} must be one of {', '.join(known)}, found {value!r}")
