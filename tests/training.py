"""Small real pairs, configurations and tables for the tests of training. Imported only after torch was found."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import torch

from wayfind.train.batches import Material, Table, read_material
from wayfind.train.config import DataConfig, EncoderConfig, HeadsConfig, Loop, MaxSim, Contrastive, Objectives, Source, TrainConfig
from wayfind.train.heads import Texts

torch.set_num_threads(1)
VERBS = "open close read write send parse build list sort hash join split merge load store find".split()
THINGS = "file socket user token tree graph node page order price image cache queue table".split()
KINDS = "first last old new empty active remote local".split()


def lines(count: int = 120, seed: int = 0) -> list[dict]:
    """Pairs as JSON objects: four in five to learn from, weights 1 and 3, some with a negative of their own."""
    drawn, made = random.Random(seed), []
    for number in range(count):
        verb, kind, thing = drawn.choice(VERBS), drawn.choice(KINDS), drawn.choice(THINGS)
        name = f"{verb}_{kind}_{thing}"
        code = f"src/{thing}.py\n{name}\ndef {name}({thing}):\n    {thing}.{verb}({kind}=True)\n    return {number}" + "\n    pass" * (number % 7)
        made.append(dict(
            query=f"{verb} the {kind} {thing} number {number}", code=code, path=f"src/{thing}.py", symbol=name, language=("go", "python")[number % 2], kind=("docstring", "name")[number % 3 == 0],
            weight=1.0 + 2 * (number % 2), part="valid" if number % 5 == 0 else "train", negatives=[f"def {kind}_{number}(): pass"] if number % 4 else [],
        ))
    return made


def write_lines(path: Path, count: int = 120) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines(count)))
    return path


def configuration(path: Path, **changes: object) -> TrainConfig:
    """A tiny configuration over a file of pairs, with every head and dropout on, so that every option has something to act on."""
    base = TrainConfig(
        "test", DataConfig([Source(str(path))], vocabulary_size=300), encoder=EncoderConfig(layers=1, hidden=16, heads=2, code_length=40, query_length=16),
        heads=HeadsConfig(vector=16, tokens=8), objectives=Objectives(contrastive=Contrastive(1.0), maxsim=MaxSim(0.5)),
        loop=Loop(batch=8, epochs=1, steps=8, rate=3e-3, evaluate_every=4, pool=20, log_every=2, device="cpu"),
    )
    return changed(base, changes)


def changed(config, changes: dict[str, object]):
    """A configuration with values set at dotted places."""
    for place, value in changes.items():
        first, _, rest = place.replace("__", ".").partition(".")
        config = replace(config, **{first: changed(getattr(config, first), {rest: value}) if rest else value})
    return config


def table_of(config: TrainConfig, material: Material | None = None) -> Table:
    material = material or read_material(config)
    words = material.vocabulary
    return Table(material.train, (words.before, words.after, words.pad), (config.encoder.query_length, config.encoder.code_length))


def random_texts(count: int, length: int, vocabulary: int, seed: int) -> Texts:
    """Texts of random ids and random lengths of at least 2."""
    drawn = torch.Generator().manual_seed(seed)
    size = torch.randint(2, length + 1, (count, 1), generator=drawn)
    size[0] = length
    mask = torch.arange(length)[None] < size
    return Texts(torch.randint(5, vocabulary, (count, length), generator=drawn) * mask, mask)
