"""Learn a latent model on an open index: material, training, bundle, figures, gate; and the record that search reads.

The folder `latent` beside the tree's index holds the training (`run`), the bundles, and `learned.json`, which is written last: a
process that is killed anywhere leaves what was learned before.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from wayfind.api import Repository
from wayfind.errors import UsageError
from wayfind.evaluate.queries import digest
from wayfind.files import private, replace_file
from wayfind.model.latent import LatentEncoder
from wayfind.model.wordpiece import WordPiece
from wayfind.search.latents import RECORD, Levels, Record, as_json, folder_of
from wayfind.train.latent_export import export
from wayfind.train.latent_gate import judged
from wayfind.train.latent_figures import AsEncoder, TaskFigures, between_levels, by_task
from wayfind.train.latent_loop import BEST, FORMAT, Learned, LatentTraining, Report, Schedule, words_in
from wayfind.train.latent_network import LatentNetwork, NetworkConfig
from wayfind.train.latent_pairs import Material, read_material
from wayfind.train.latent_tokens import Tokens, learn_words

RUN = "run"
SAMPLE = 300
"""Functions on which the cosine between levels is taken."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for."""

    schedule: Schedule = field(default_factory=Schedule)
    latent: int = 256
    hidden: int = 256
    layers: int = 0
    vocabulary: int = 6000
    arms: dict[str, Any] = field(default_factory=dict)
    resume: bool = False
    anew: bool = False
    """Begin from random weights, though there is a model to go on from."""
    fuse: bool = True
    """Try it in default searches too; else only --level uses it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was learned and how well it does; `tasks` on the part that learning never saw and no choice was made by."""

    record: Record
    learned: Learned
    tasks: tuple[TaskFigures, ...]
    before: tuple[TaskFigures, ...]
    """The same network untrained."""
    cosines: dict[str, float]
    continued: bool


@private()
def learn(repository: Repository, wish: Wish, report: Report) -> Outcome:
    """Learn, judge, and put in use. Raises UsageError where there is too little to learn from, Collapsed, TrainingError."""
    tree = repository.snapshot().folder
    folder = folder_of(tree)
    report({"event": "read"})
    material = read_material(repository)
    start = None if wish.anew or wish.resume else _former(folder, wish)
    words = words_in(folder / RUN)[0] if wish.resume and (folder / RUN / "vocab.txt").is_file() else words_in(start)[0] if start else learn_words(material, wish.vocabulary)
    config = NetworkConfig.sized(wish.latent, wish.hidden, wish.layers, words.count("\n"), **wish.arms)
    tokens = Tokens(material, WordPiece(words), config)
    before = _before(tokens, material)
    training = LatentTraining(tokens, _shorter(wish.schedule, start), folder / RUN, words=words, start=start, report=report)
    learned = training.run(wish.resume)
    report({"event": "judge"})
    record, encoder = _bundled(learned.network, words, folder, wish)
    gate, tasks = by_task(encoder, material, "gate"), by_task(encoder, material, "report")
    record = replace(record, best={one.task: one.best for one in gate}, used=_used(material), figures=_figures(learned, tasks, before))
    if wish.fuse:
        found = judged(repository, encoder, record.best.get("semantics") or encoder.levels[-1], _saying(report), wish.schedule.seed)
        record = replace(record, weight=found.weight, beside=found.beside, figures={**record.figures, "fusion": {**found.figures, "why": found.why}})
    _use(folder, record)
    sample = material.bodies[:: max(1, len(material.bodies) // SAMPLE)]
    return Outcome(record, learned, tuple(tasks), tuple(before), between_levels(encoder, sample), start is not None)


def _saying(report: Report) -> Callable[[str, int, int], None]:
    return lambda stage, done, total: report({"event": "stage", "stage": stage, "done": done, "total": total})


def _former(folder: Path, wish: Wish) -> Path | None:
    """The training to go on from: the last one, where it came to an end with these sizes."""
    import json

    state, record = folder / RUN / "state.json", folder / RECORD
    if not (state.is_file() and record.is_file() and (folder / RUN / BEST).is_file()):
        return None
    former = json.loads(state.read_text(encoding="utf-8"))
    if former["format"] != FORMAT:
        return None
    was = NetworkConfig.of_mapping(former["network"])
    if NetworkConfig.sized(wish.latent, wish.hidden, wish.layers, was.vocabulary, **wish.arms) != was:
        return None
    kept = folder / "former"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(folder / RUN, kept)
    return kept


def _shorter(schedule: Schedule, start: Path | None) -> Schedule:
    """Going on from weights takes a third of the epochs, and begins with half of the rate."""
    return schedule if start is None else replace(schedule, epochs=max(1, schedule.epochs // 3), rate=schedule.rate / 2)


def _before(tokens: Tokens, material: Material) -> list[TaskFigures]:
    """The figures of the network as it was drawn, on the part that is reported."""
    import torch

    torch.manual_seed(0)
    return by_task(AsEncoder(LatentNetwork(tokens.config, tokens.rarity), tokens.words), material, "report")


def _bundled(network: LatentNetwork, words: str, folder: Path, wish: Wish) -> tuple[Record, LatentEncoder]:
    unnamed = folder / f".bundle.{os.getpid()}"
    shutil.rmtree(unnamed, ignore_errors=True)
    about = {"network": network.config.as_mapping(), "schedule": asdict(wish.schedule)}
    made = export(network, words, unnamed, about)
    target = folder / made.id
    shutil.rmtree(target, ignore_errors=True)
    os.replace(unnamed, target)
    from wayfind.model.bundle import load

    return Record(made.id, made.id), LatentEncoder(load(target))


def _used(material: Material) -> dict[str, list[str]]:
    """The digests of the questions in words, by what they were for."""
    asked = {"train": material.of("train", "valid"), "gate": material.of("gate")}
    return {part: sorted({digest(pair.query) for pair in pairs if isinstance(pair.query, str)}) for part, pairs in asked.items()}


def _figures(learned: Learned, tasks: list[TaskFigures], before: list[TaskFigures]) -> dict[str, Any]:
    health = learned.health
    return {
        "active": health.active, "dimensions": health.dimensions, "effective_rank": round(health.effective_rank, 2),
        "report": {one.task: {"questions": one.questions, "pool": one.pool, "mrr": one.mrr} for one in tasks},
        "untrained": {one.task: one.mrr for one in before},
    }


def _use(folder: Path, record: Record) -> None:
    """Let search find the record; bundles of others go."""
    replace_file(folder / RECORD, as_json(record).encode())
    for old in folder.iterdir():
        if old.is_dir() and old.name not in (record.bundle, RUN):
            shutil.rmtree(old, ignore_errors=True)


def warmed(repository: Repository) -> Levels:
    """The codes of every chunk of the index, made now, so that the first search by level need not wait."""
    from wayfind.search.latents import levels_of

    return levels_of(repository.snapshot())


def checked(wish: Wish) -> Wish:
    """Raises UsageError for sizes that cannot be."""
    schedule = wish.schedule
    if schedule.epochs < 1 or schedule.batch < 2 or not schedule.rate > 0:
        raise UsageError(f"learning needs at least 1 epoch, a batch of 2 and a rate above 0; found {schedule.epochs}, {schedule.batch} and {schedule.rate:g}")
    return wish
