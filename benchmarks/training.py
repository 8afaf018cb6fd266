#!/usr/bin/env python3
"""What objectives, options, starts, the number of pairs and their mixture bring to an encoder: arms trained alike, asked the same.

    training.py GROUP --pairs FOLDER --work FOLDER [--seeds 0,1] [--start FOLDER] [--domain LANGUAGE,…] [--arms NAME;…]
                [--beside NAME=FOLDER] [--table]

GROUP       options (objectives, kinds of pairs, options), starts, sizes, curve, mixtures
--pairs     a build of `wayfind data build`
--work      token shards, checkpoints and figures; what is there is not made again
--start     a general sentence encoder with the vocabulary of the package's bundle, as `transformers` saves it: for `starts`, `sizes`
--beside    a bundle or a folder with `model.onnx` and `vocab.txt` (see dense.py), asked the same; may be given several times
--domain    languages that matter most: for `mixtures`
--table     only writes benchmarks/results/training_GROUP.txt of what is in --work

An arm is a small encoder of one configuration but for what its name says. Asked are held-out pairs of other projects, each kind
among the codes of its kind and part: MRR by int8 codes as they serve, or by MaxSim where there are only token vectors. Arms of
`sizes` are exported and asked as bundles, and the time that a code takes is taken with them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from dense import Dense, opened
from measure import heading, write_result

from wayfind.evaluate.intervals import Interval, bootstrap, paired
from wayfind.model.bundle import BASE
from wayfind.model.text import plain
from wayfind.train import checkpoint
from wayfind.train.batches import Table, read_material
from wayfind.train.config import config_of, merged
from wayfind.train.distill import write_vectors
from wayfind.train.export import export
from wayfind.train.loop import train
from wayfind.train.pairs import KINDS, Pair, read_pairs
from wayfind.train.shards import Tokens, parts_of, read_tokens, write_tokens
from wayfind.train.validate import encoder_of, ranks_of, scores_of
from wayfind.train.vocabulary import read_vocabulary

Changes = dict[str, Any]
POOL = 200
"""Held-out pairs of a kind and part that are ranked among each other; of token vectors no more are."""
ASKED = ("docstring", "commit", "comment", "name")
HELD_OUT = ("valid", "test")
SIX = ["python", "java", "javascript", "php", "ruby", "go"]
"""The languages of CodeSearchNet."""
BATCH, STEPS = 256, 390
SMALL: Changes = {
    "name": "arm",
    "encoder": {"layers": 1, "hidden": 128, "heads": 4, "code_length": 64, "query_length": 24},
    "heads": {"vector": 0},
    "loop": {"batch": BATCH, "steps": STEPS, "rate": 1e-3, "bucket": 8, "evaluate_every": 10**9, "pool": POOL, "log_every": 50, "device": "cpu", "keep": 1},
}
"""One layer, 128 wide: 100,000 pairs in some minutes of one core."""
WIDE = merged(SMALL, {"encoder": {"layers": 2, "hidden": 384, "heads": 12}, "loop": {"batch": 128, "steps": 60, "rate": 2e-4}})
"""As wide as the general encoder, whose first layers it can take."""
SIZES = {"options": BATCH * STEPS, "starts": 60 * 128}
"""Pairs that a group learns from, drawn by the hash of their content; of the others all there are."""
ONLY_TOKENS: Changes = {"heads": {"vector": -1, "tokens": 64}, "objectives": {"contrastive": {"weight": 0.0}}}
WEIGHTED = {"docstring": 1.5, "section": 1.5, "commit": 1.0, "comment": 1.0, "test": 0.7, "name": 0.4}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("group", choices=("options", "starts", "sizes", "curve", "mixtures"))
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--start", type=Path)
    parser.add_argument("--domain", type=lambda text: text.split(","), default=["go"])
    parser.add_argument("--seeds", type=lambda text: [int(one) for one in text.split(",")], default=[0, 1])
    parser.add_argument("--arms", type=lambda text: text.split(";"), help="only these")
    parser.add_argument("--beside", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if not given.table:
        asked = questions(given)
        for seed in given.seeds:
            for arm, stages in arms(given).items():
                target = place(given, arm, seed)
                if not target.exists() and (not given.arms or arm in given.arms):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_text(json.dumps(figures(stages, seed, asked, given, given.work / "runs" / f"{given.group}-{target.stem}")))
                    print(time.strftime("%H:%M"), arm, seed, flush=True)
        for name, _, folder in (one.partition("=") for one in given.beside):
            for seed in given.seeds:
                place(given, name, seed).write_text(json.dumps(ready(opened(name, Path(folder), 1), asked, given)))
    report(given)


def place(given: argparse.Namespace, arm: str, seed: int) -> Path:
    """Where an arm's figures lie."""
    return given.work / given.group / f"{arm.replace(' ', '-').replace(',', '')}--{seed}.json"


def arms(given: argparse.Namespace) -> dict[str, list[Changes]]:
    """The stages of each arm of a group, the one that the others are compared with first."""
    made = {"options": options, "starts": starts, "sizes": sizes, "curve": curve, "mixtures": mixtures}[given.group](given)
    return {arm: stages if isinstance(stages, list) else [stages] for arm, stages in made.items()}


def options(given: argparse.Namespace) -> dict[str, Changes]:
    folder = shards(given, "train", SIZES["options"])

    def arm(**changes: Changes) -> Changes:
        return merged(merged(SMALL, {"data": data(folder)}), changes)

    def kinds(shares: dict[str, float], where: str = "sampler") -> Changes:
        return arm(data={"train": [{"path": str(folder), "kinds": [kind], "weight": share} for kind, share in shares.items()], "weights": where})

    return {
        "as it is": arm(),
        "from query to code alone": arm(objectives={"contrastive": {"symmetric": False}}),
        "temperature 0.02": arm(objectives={"contrastive": {"temperature": 0.02}}),
        "dimensions 32 and 64 as well": arm(objectives={"contrastive": {"dimensions": [32, 64]}}),
        "with MaxSim": arm(heads={"tokens": 64}, objectives={"maxsim": {"weight": 1.0}}),
        "MaxSim alone": arm(**merged(ONLY_TOKENS, {"objectives": {"maxsim": {"weight": 1.0}}})),
        "XTR alone": arm(**merged(ONLY_TOKENS, {"objectives": {"xtr": {"weight": 1.0, "k": 2048}}})),
        "one mined negative": arm(negatives={"mined": 1, "every": STEPS // 3}),
        "16 of a repository together": arm(data={"together": 16}),
        "paths always read": arm(data={"path_dropout": 0.0}),
        "paths never read": arm(data={"path_dropout": 1.0}),
        "kinds weighted by sampler": kinds(WEIGHTED),
        "kinds weighted by loss": kinds(WEIGHTED, "loss"),
        **{f"without {kind}": kinds(dict.fromkeys(set(KINDS[:-1]) - {kind}, 1.0)) for kind in ("name", "commit", "comment", "docstring")},
    }


def starts(given: argparse.Namespace) -> dict[str, Changes]:
    folder, teacher = shards(given, "train", SIZES["starts"]), given.work / "teacher"
    table = general(given, teacher)

    def arm(**changes: Changes) -> Changes:
        return merged(merged(WIDE, {"data": data(folder)}), changes)

    layers, taught = {"encoder": {"folder": str(given.start)}}, {"objectives": {"distillation": {"weight": 1.0, "teacher": str(teacher)}}}
    return {
        "random": arm(),
        "table of the general encoder": arm(encoder={"table": str(table)}),
        "first two layers of it": arm(**layers),
        "first two layers of it, untrained": arm(**layers, loop={"steps": 1, "rate": 0.0}),
        "first two layers of it, LoRA of rank 8": arm(encoder={**layers["encoder"], "lora": 8}, loop={"rate": 1e-3}),
        "random, with it as teacher": arm(**taught),
        "first two layers of it, with it as teacher": arm(**layers, **taught),
        "all six layers": arm(encoder={**layers["encoder"], "layers": 6}),
        "all six layers, untrained": arm(encoder={**layers["encoder"], "layers": 6}, loop={"steps": 1, "rate": 0.0}),
    }


def sizes(given: argparse.Namespace) -> dict[str, Changes]:
    """The general encoder's first layers, each trained for about as long: steps by the inverse of the layers."""
    wide = {"data": data(shards(given, "train", 0)), "loop": {"precision": "bfloat16", "rate": 1e-4}}
    return {
        f"first {layers} of its layers" if layers < 6 else "all six layers": merged(merged(WIDE, wide), {"encoder": {"folder": str(given.start), "layers": layers}, "loop": {"steps": 480 // layers}})
        for layers in (6, 4, 3, 2, 1)
    }


def curve(given: argparse.Namespace) -> dict[str, Changes]:
    folder = shards(given, "train", 0)
    every = len(read_tokens(folder))
    sizes = [size for size in (10_000, 30_000, 100_000, 300_000) if size < every] + [every]
    return {
        f"{size:,} pairs": merged(SMALL, {"data": data(folder) | {"train": [{"path": str(folder), "limit": 0 if size == every else size}]}, "loop": {"steps": size // BATCH}})
        for size in reversed(sizes)
    }


def mixtures(given: argparse.Namespace) -> dict[str, Changes | list[Changes]]:
    folder = str(shards(given, "train", 0))
    tokens = read_tokens(Path(folder))
    inside = np.isin(tokens.language, [tokens.languages.index(language) for language in given.domain])
    of_all = round(float(inside.mean()) * BATCH * STEPS)

    def arm(train: list[Changes], **loop: float) -> Changes:
        return merged(SMALL, {"data": data(Path(folder)) | {"train": train}, "loop": loop})

    every, own = {"path": folder, "limit": BATCH * STEPS}, {"path": folder, "languages": given.domain}
    share = STEPS // 4
    return {
        "all languages": arm([every]),
        "all languages, the domain five times": arm([every, {**own, "weight": 4.0, "limit": of_all}]),
        "six languages": arm([{"path": folder, "languages": SIX, "limit": BATCH * STEPS}]),
        "the domain alone": arm([own]),
        "all languages, then the domain": [arm([every], steps=STEPS - share), arm([own], steps=share, rate=3e-4)],
    }


def data(folder: Path) -> Changes:
    return {"train": [{"path": str(folder)}], "valid": [{"path": str(folder.parent / "valid")}], "vocabulary": str(BASE / "vocab.txt")}


def shards(given: argparse.Namespace, part: str, count: int) -> Path:
    """Token shards of a part, or of so many of its pairs, drawn by the hash of their content."""
    folder = given.work / "tokens" / (f"{part}-{count}" if count else part)
    if not (folder / "tokens.json").exists():
        longest = SMALL["encoder"]
        write_tokens(folder, drawn(given.pairs, part, count), read_vocabulary(BASE / "vocab.txt"), longest["query_length"], longest["code_length"])
    return folder


def drawn(folder: Path, part: str, count: int) -> list[Pair]:
    found = sorted(read_pairs(folder, part), key=lambda pair: hashlib.sha256(pair.id.encode()).digest())
    return found[:count] if count else found


def general(given: argparse.Namespace, teacher: Path) -> Path:
    """The general encoder's token table as a file, and its vectors of the pairs that `starts` learns from."""
    from safetensors.numpy import save_file
    from transformers import AutoModel

    table = teacher / "table.safetensors"
    if not table.exists():
        model = AutoModel.from_pretrained(given.start).eval()
        words = read_vocabulary(BASE / "vocab.txt")

        @torch.no_grad()
        def encode(texts: list[str]) -> np.ndarray:
            found = []
            for first in range(0, len(texts), 32):
                ids = [[*words.before, *own[:126], *words.after] for own in words.ids([plain(text) for text in texts[first : first + 32]])]
                padded = torch.nn.utils.rnn.pad_sequence([torch.tensor(own) for own in ids], batch_first=True, padding_value=words.pad)
                mask = torch.tensor([[column < len(own) for column in range(padded.shape[1])] for own in ids])
                states = model(input_ids=padded, attention_mask=mask.long()).last_hidden_state
                found.append(((states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)).numpy())
            return np.concatenate(found)

        write_vectors(teacher, drawn(given.pairs, "train", SIZES["starts"]), encode)
        save_file({"embedding": model.embeddings.word_embeddings.weight.detach().numpy()}, table)
    return table


@dataclass(frozen=True, slots=True)
class Asked:
    """Held-out pairs, and the rows of each pool."""

    tokens: Tokens
    pools: dict[str, np.ndarray]


def questions(given: argparse.Namespace) -> list[Asked]:
    """The pools of both held-out parts: of each kind the first POOL pairs by hash."""
    found = []
    for part in HELD_OUT:
        tokens = read_tokens(shards(given, part, 0))
        pools = {f"{part} {kind}": np.flatnonzero(tokens.kind == KINDS.index(kind))[:POOL] for kind in ASKED}
        found.append(Asked(tokens, {name: rows for name, rows in pools.items() if len(rows) > 50}))
    return found


def figures(stages: list[Changes], seed: int, asked: list[Asked], given: argparse.Namespace, folder: Path) -> Changes:
    """Train the stages of an arm one after another and ask the last."""
    shutil.rmtree(folder, ignore_errors=True)
    began, start = time.process_time(), ""
    for number, changes in enumerate(stages):
        config = config_of(changes | {"seed": seed, "start": start})
        material = read_material(config)
        start = str(train(config, material, folder / str(number)).best)
    seconds, (model, config) = time.process_time() - began, checkpoint.load_model(Path(start))
    counted = {"seconds": seconds, "parameters": sum(p.numel() for p in model.parameters())}
    if given.group == "sizes":
        export(Path(start), folder / "bundle")
        counted = ready(opened("arm", folder / "bundle", 1), asked, given) | counted
        shutil.rmtree(folder)
        return counted
    words, found = material.vocabulary, {"rank": {}, "language": {}}
    for one in asked:
        table = Table(one.tokens, (words.before, words.after, words.pad), (config.encoder.query_length, config.encoder.code_length))
        for name, rows in one.pools.items():
            query, code = (table.key[side][rows] for side in ("query", "code"))
            scores, _ = scores_of(encoder_of(model), table, rows)
            found["rank"][name] = ranks_of(scores, (query[:, None] == query[None]) | (code[:, None] == code[None])).tolist()
            found["language"][name] = [one.tokens.languages[row] for row in one.tokens.language[rows]]
    shutil.rmtree(folder)
    return found | counted


def ready(system: Dense, asked: list[Asked], given: argparse.Namespace) -> Changes:
    """What an encoder that nobody trains here says to the same questions; it reads as much of a code as it can."""
    found: Changes = {"rank": {}, "language": {}, "seconds": 0.0}
    spent, count = 0.0, 0
    for part, one in zip(HELD_OUT, asked):
        pairs = drawn(given.pairs, part, 0)
        for name, rows in one.pools.items():
            some, tokens = [pairs[row] for row in rows], one.tokens
            codes = [(path, symbol or None, lines) for path, symbol, lines in map(parts_of, some)]
            began = time.process_time()
            documents = system.documents(codes)
            spent, count = spent + time.process_time() - began, count + len(codes)
            scores = system.questions([pair.query for pair in some]) @ documents.T
            query, code = tokens.query_key[rows], tokens.code_key[rows]
            found["rank"][name] = ranks_of(scores, (query[:, None] == query[None]) | (code[:, None] == code[None])).tolist()
            found["language"][name] = [tokens.languages[row] for row in tokens.language[rows]]
    return found | {"milliseconds": 1000 * spent / count}


def report(given: argparse.Namespace) -> None:
    """A line an arm: MRR over all questions, difference to the first arm, of each kind, of the domain."""
    found = {arm: [json.loads(path.read_text()) for seed in given.seeds if (path := place(given, arm, seed)).exists()] for arm in [*arms(given), *(one.partition("=")[0] for one in given.beside)]}
    found = {arm: runs for arm, runs in found.items() if runs}
    first = next(iter(found))
    domain = given.domain if given.group == "mixtures" else []
    lines = [f"{'arm':<44}{'MRR':<24}{f'less “{first}”':<28}{'by seed':<18}" + "".join(f"{kind:>11}" for kind in ASKED) + "  seconds" + ("  ms a code" if given.group == "sizes" else "")]
    for arm, runs in found.items():
        both, own = reciprocal(runs), reciprocal(found[first])
        same = [f"{np.mean(reciprocal([run])) - np.mean(reciprocal([other])):+.3f}" for run, other in zip(runs, found[first])]
        kinds = "".join(f"{np.mean(reciprocal(runs, kind)):>11.3f}" for kind in ASKED)
        change = "" if arm == first else signed(paired(both, own))
        lines.append(f"{arm:<44}{ends(bootstrap(both)):<24}{change:<28}{' '.join(same) if arm != first else '':<18}{kinds}{np.mean([run['seconds'] for run in runs]):>9.0f}" + (f"{np.mean([run['milliseconds'] for run in runs]):>11.1f}" if given.group == "sizes" else ""))
        if domain:
            inside, outside = (paired(reciprocal(runs, languages=domain, inside=side), reciprocal(found[first], languages=domain, inside=side)) for side in (True, False))
            level = np.mean(reciprocal(runs, languages=domain))
            lines.append(f"{'':<4}{', '.join(domain)}: {level:.3f}, {signed(inside)} on {inside.n}; others {signed(outside)} on {outside.n}")
    pools = next(iter(found.values()))[0]["rank"]
    about = f"asked: {sum(map(len, pools.values()))} held-out pairs of other projects in pools of {', '.join(f'{len(ranks)} {name}' for name, ranks in pools.items())}; seeds {given.seeds} averaged a question; 95 % bootstrap intervals over questions"
    text = heading(f"What brings what to an encoder: {given.group}") + about + "\n" + shape(given.group) + "\n\n" + "\n".join(lines) + "\n"
    if given.table:
        write_result(f"training_{given.group}.txt", text)
    print(text)


def shape(group: str) -> str:
    if group == "sizes":
        return "encoder: 384 wide, 64 tokens of a code; batches of 128, 480 steps divided by the layers, rate 1e-4; bfloat16, one thread; seconds of processor time; ms a code: of the asked codes as they serve, one thread; the arms read 64 tokens of a code, a bundle beside them 128 where its name says no other number, MiniLM 256 in float32"
    base = WIDE if group == "starts" else SMALL
    encoder, loop = base["encoder"], base["loop"]
    steps = "one epoch" if group == "curve" else f"{loop['steps']} steps"
    beside = "; encoders beside read as long as they do, base 128, MiniLM 256 tokens" if group == "curve" else ""
    return f"encoder: {encoder['layers']} layers, {encoder['hidden']} wide, {encoder['code_length']} tokens of a code; batches of {loop['batch']}, {steps}, rate {loop['rate']}; float32, one thread; seconds of processor time{beside}"


def reciprocal(runs: list[Changes], kind: str = "", languages: list[str] | None = None, inside: bool = True) -> list[float]:
    """Reciprocal rank of each question, the mean over seeds; of one kind, or of some languages, or of all others."""
    names = [name for name in runs[0]["rank"] if name.endswith(kind)]
    each = np.mean([[1 / rank for name in names for rank in run["rank"][name]] for run in runs], axis=0)
    of = [language for name in names for language in runs[0]["language"][name]]
    return [float(one) for one, language in zip(each, of) if languages is None or (language in languages) == inside]


def ends(one: Interval) -> str:
    return f"{one.mean:.3f} [{one.low:.3f}, {one.high:.3f}]"


def signed(one: Interval) -> str:
    return f"{one.mean:+.3f} [{one.low:+.3f}, {one.high:+.3f}]{' *' if one.excludes_zero() else ''}"


if __name__ == "__main__":
    main()
