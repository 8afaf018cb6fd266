#!/usr/bin/env python3
"""The latent model learned on repositories, from random weights: what it finds, what is alive, what each part brings.

    latent.py --repository FOLDER [--repository FOLDER …] --work FOLDER [--seeds 0,1] [--epochs N] [--ablate NAME] [--original NAME] [--table]

Each repository is indexed into --work; each training's figures are kept there, one file each, so that the run goes on where it was
stopped. --ablate and --original name the repository (its folder's name) for the ablation and for the original recipe. --table only
writes what there is to benchmarks/results/latent.txt.

Untrained: the same network before learning, twice: with rows of equal length, and with rows as long as their piece is rare, which is a
random projection of tf-idf. Co-occurrence alone: after the first stage (`train/latent_words.py`), before any gradient.

Questions: documentation, comments, tests and commits of the files that are reported on; pool: every function of the repository,
without documentation. A question's slice is `unnamed` where none of its words occurs in the function's name.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import platform
import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

import wayfind
from explanations import Neighbours, lacks, template
from wayfind.corpus.languages import language_of
from wayfind.errors import Collapsed
from wayfind.evaluate.intervals import bootstrap, paired
from wayfind.evaluate.queries import Gold, is_unnamed
from wayfind.index.tokens import count
from wayfind.model.latent import query_ids, said
from wayfind.model.text import plain
from wayfind.model.wording import repeats
from wayfind.model.wordpiece import WordPiece
from wayfind.train import original
from wayfind.train.collapse import health
from wayfind.train.decoder import PAD, Source, character_ids, characters, generate
from wayfind.train.latent import DecoderConfig, LossWeights
from wayfind.train.latent_figures import AsEncoder, _task, between_levels, by_task
from wayfind.train.latent_loop import LatentTraining, Schedule
from wayfind.train.latent_network import LatentNetwork, NetworkConfig
from wayfind.train.latent_pairs import SEMANTICS, Material, Pair, read_material
from wayfind.train.latent_tokens import MARKED, Tokens, learn_words
from wayfind.train.latent_words import table
from wayfind.train.sources.masking import without_documentation
from wayfind.train.sources.tree import of_record

HERE = Path(__file__).resolve().parent
MOST_EXPLAINED = 150
WEIGHTS = LossWeights()
DECODERS = {"gru": DecoderConfig("gru"), "transformer": DecoderConfig("transformer", hidden=96, layers=1, length=40)}
DECODER_STEPS = 400
ARMS: dict[str, dict] = {
    "as it is": {},
    "without co-occurrence": {"together": False},
    "without the SDE": {"trajectory": "none"},
    "flow matching for the SDE": {"trajectory": "flow_matching"},
    "without the flow": {"couplings": 0},
    "splines in the flow": {"coupling": "spline"},
    "without Epps-Pulley": {"weights": replace(WEIGHTS, epps_pulley=0.0)},
    "with KL 0.001": {"weights": replace(WEIGHTS, kl=0.001)},
    "with density 0.1": {"weights": replace(WEIGHTS, density=0.1)},
    "with reconstruction 0.1": {"weights": replace(WEIGHTS, reconstruction=0.1)},
    "one level": {"times": (0.1,)},
    "without contrast": {"weights": replace(WEIGHTS, contrastive=0.0, reconstruction=0.1)},
    "with the GRU decoder": {"weights": replace(WEIGHTS, explanation=0.1), "decoder": DECODERS["gru"]},
    "with the transformer decoder": {"weights": replace(WEIGHTS, explanation=0.1), "decoder": DECODERS["transformer"]},
    "without any of them": {"trajectory": "none", "couplings": 0, "times": (0.1,), "weights": replace(WEIGHTS, epps_pulley=0.0)},
}


def main() -> int:
    """Train what is asked for and not there yet, then write the table."""
    options = arguments()
    torch.set_num_threads(1)
    if not options.table:
        for folder in options.repository:
            material = material_of(folder, options.work)
            for seed in options.seeds:
                once(options.work, folder.name, "as it is", seed, lambda: trained(material, {}, seed, options))
            if options.original == folder.name:
                once(options.work, folder.name, "the original recipe", 0, lambda: by_the_original(material))
            if options.explain == folder.name:
                templates = templates_of(folder, options.work)
                for kind in DECODERS:
                    once(options.work, folder.name, f"decoder alone, {kind}", 0, lambda: decoder_alone(material, kind, 0, templates), ablation=True)
            if options.ablate == folder.name:
                options.templates = templates_of(folder, options.work)
                shorter = argparse.Namespace(**{**vars(options), "epochs": options.ablation_epochs})
                for arm, changes in ARMS.items():
                    for seed in options.seeds[: options.ablation_seeds]:
                        once(options.work, folder.name, arm, seed, lambda: trained(material, changes, seed, shorter), ablation=True)
    write_table(options)
    return 0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repository", type=Path, action="append", default=[])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=lambda text: [int(one) for one in text.split(",")], default=[0, 1])
    parser.add_argument("--ablation-seeds", type=int, default=2)
    parser.add_argument("--ablation-epochs", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=Schedule().minutes, help="after which a training stops at the end of an epoch; 0: never")
    parser.add_argument("--epochs", type=int, default=Schedule().epochs)
    parser.add_argument("--ablate", default="")
    parser.add_argument("--original", default="")
    parser.add_argument("--explain", default="", help="the repository whose documentation teaches the decoders")
    parser.add_argument("--table", action="store_true")
    return parser.parse_args()


def once(work: Path, name: str, arm: str, seed: int, make, ablation: bool = False) -> None:
    """Make a result unless it is there. Those of the ablation are compared with each other alone."""
    target = work / "results" / f"{name}--{arm.replace(' ', '-')}--{seed}{'--ablation' if ablation else ''}.json"
    if target.exists():
        return
    began, cpu = time.monotonic(), time.process_time()
    found = make() | {"repository": name, "arm": arm, "seed": seed, "ablation": ablation}
    found |= {"seconds": round(time.monotonic() - began, 1), "cpu_seconds": round(time.process_time() - cpu, 1)}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(found))
    print(f"{name}, {arm}, seed {seed}: {found['cpu_seconds']} s of processor time", file=sys.stderr, flush=True)


def material_of(folder: Path, work: Path) -> Material:
    """The material of a repository, indexed by words alone."""
    with wayfind.open(folder, home=work / "home") as repository:
        repository.refresh()
        return read_material(repository)


def templates_of(folder: Path, work: Path) -> dict:
    """What the template says of each definition, its documentation hidden."""
    with wayfind.open(folder, home=work / "home") as repository:
        repository.refresh()
        snapshot = repository.snapshot()
        everything = [one for file, path in enumerate(snapshot.paths) for one in of_record(snapshot.record(file), path) if one.kind != "section"]
        return {one.key: template(one.chunk, "\n".join(without_documentation(one) or one.lines), language_of(one.path) or "") for one in everything}


def trained(material: Material, arms: dict, seed: int, options: argparse.Namespace) -> dict:
    """One training's figures: before, after, BM25, every level on every task, health."""
    words = learn_words(material, 6000)
    size = words.count("\n")
    arms = dict(arms)
    together = arms.pop("together", True)
    decoder = arms.get("decoder")
    if decoder and decoder.kind == "transformer":
        arms = {**arms, "decoder": replace(decoder, vocabulary=size, generated=size)}
    config = NetworkConfig.sized(vocabulary=size, **arms)
    tokens = Tokens(material, WordPiece(words), config)
    folder = options.work / f"run-{os.getpid()}"
    training = LatentTraining(tokens, Schedule(epochs=options.epochs, seed=seed, minutes=options.minutes, together=together), folder, words=words)
    found: dict = {"together": _semantics(AsEncoder(training.network, tokens.words), material)}
    for name, rarity in (("untrained", tokens.rarity), ("plain", None)) if arms == {} and together else ():
        torch.manual_seed(seed)
        found[name] = _semantics(AsEncoder(LatentNetwork(config, rarity), tokens.words), material)
    try:
        training.run()
    except Collapsed as collapsed:
        found["collapsed"] = str(collapsed)
    encoder = AsEncoder(training.network, tokens.words)
    alive = training.health()
    tasks = by_task(encoder, material, "report")
    asked = asked_of(material)
    return found | {
        "learned": _semantics(encoder, material), "bm25": (1 / bm25_ranks(material, asked)).tolist(), "kind": [pair.kind for pair in asked],
        "unnamed": [is_unnamed(pair.query, [Gold("", (pair.key[1] or "").split(".")[-1])]) for pair in asked], "pool": len(material.functions),
        "active": alive.active, "dimensions": alive.dimensions, "effective_rank": alive.effective_rank, "epochs": training.progress.epoch,
        "tasks": {one.task: {"n": one.questions, "mrr": one.mrr} for one in tasks}, "between": between_levels(encoder, material.bodies[:: max(1, len(material.bodies) // 300)]),
        "parameters": sum(p.numel() for p in training.network.parameters()), "questions": len(material.of("train")), "documented": sum(pair.kind == "docstring" for pair in material.of("train")),
        "history": [row["mrr"] for row in training.progress.history], "best_epoch": training.progress.best_epoch,
        "said": explained(training.network, tokens, material, options.templates) if decoder else [],
    }


def decoder_alone(material: Material, kind: str, seed: int, templates: dict) -> dict:
    """A decoder taught by the documentation of the train part alone, DECODER_STEPS steps of 32, on latents that stay as co-occurrence made them."""
    words = learn_words(material, 6000)
    size = words.count("\n")
    decoder = replace(DECODERS[kind], vocabulary=size, generated=size) if kind == "transformer" else DECODERS[kind]
    config = NetworkConfig.sized(vocabulary=size, weights=replace(WEIGHTS, explanation=1.0), decoder=decoder)
    tokens = Tokens(material, WordPiece(words), config)
    torch.manual_seed(seed)
    network = LatentNetwork(config, tokens.rarity, table(tokens.passages, tokens.rarity, config.hidden, config.latent.latent, MARKED, seed))
    pairs = [pair for pair in material.of("train") if pair.kind == "docstring"]
    ids, mask = tokens.padded([tokens._passage(pair.code) for pair in pairs])
    with torch.no_grad():
        states = network.encoded(ids, mask)
        latent = network.latent.explained(states.states, mask)
    told = [query_ids(pair.query, tokens.words, decoder.length)[2:] if kind == "transformer" else character_ids(pair.query, decoder.length) for pair in pairs]
    target = torch.nn.utils.rnn.pad_sequence([torch.tensor(own) for own in told], batch_first=True, padding_value=PAD)
    optimizer, random = torch.optim.AdamW(network.latent.decoder.parameters(), lr=3e-3), torch.Generator().manual_seed(seed)
    losses = []
    for _ in range(DECODER_STEPS):
        rows = torch.randint(len(pairs), (32,), generator=random)
        loss = network.latent.decoder.nll(latent[rows], Source(states.states[rows], mask[rows], ids[rows]), target[rows], None)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.latent.decoder.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return {"said": explained(network.eval(), tokens, material, templates), "documented": len(pairs), "loss": [float(np.mean(losses[:20])), float(np.mean(losses[-20:]))]}


def explained(network: LatentNetwork, tokens: Tokens, material: Material, templates: dict) -> list[dict[str, str]]:
    """What a decoder says of documented functions of the report part that it never read the documentation of, beside what the template says
    and what the nearest function of the train part is documented with."""
    pairs = {pair.key: pair for pair in asked_of(material) if pair.kind == "docstring"}
    known = [pair for pair in material.of("train") if pair.kind == "docstring"]
    near = Neighbours([(pair.code.code, pair.query) for pair in known])
    surface = _surface(material)
    found = []
    for some in _parts(list(pairs.values())[:MOST_EXPLAINED], 32):
        ids, mask = tokens.padded([tokens._passage(pair.code) for pair in some])
        with torch.no_grad():
            encoded = network.encoded(ids, mask)
            latent = network.latent.explained(encoded.states, mask)
            sizes = network.config.latent.decoder
            said = generate(network.latent.decoder, latent, encoded.rows(len(some)), sizes.length, beams=4)
        for pair, symbols in zip(some, said):
            text = characters(symbols) if sizes.kind == "gru" else " ".join(surface.get(word, word) for word in tokens.text(np.array(symbols, np.int64)).split())
            example = SimpleNamespace(symbol=pair.key[1] or "", text=pair.code.code, reference=pair.query)
            others = {"template": templates.get(pair.key, ""), "nearest": near.said(example)}
            found.append({"decoder": text, **others, "author": pair.query} | {f"foreign {name}": lacks(COUNTED.sub("", told), example) for name, told in [("decoder", text), *others.items(), ("author", pair.query)]})
    return found


def _surface(material: Material) -> dict[str, str]:
    """The most frequent word of each stem in the questions to learn from: a decoder of pieces speaks in stems."""
    seen: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for pair in material.of("train", level=SEMANTICS):
        for word in plain(pair.query).split():
            seen[said(word)][word] += 1
    return {stem: words.most_common(1)[0][0] for stem, words in seen.items()}


def asked_of(material: Material) -> list[Pair]:
    """The questions that are reported on, in words, about functions."""
    place = {material.keys[row] for row in material.functions}
    return [pair for pair in material.of("report", level=SEMANTICS) if pair.key in place]


def _semantics(encoder: AsEncoder, material: Material) -> list[float]:
    """Reciprocal ranks of the reported questions on the last level."""
    found = _task(encoder, material, material.bodies, asked_of(material), "semantics")
    return found.reciprocal[encoder.levels[-1]].tolist()


def bm25_ranks(material: Material, asked: list[Pair], k1: float = 1.2, b: float = 0.75) -> np.ndarray:
    """Ranks by BM25 over the same texts (Robertson & Zaragoza, 2009), identifiers split and words stemmed; the right one last of equals."""
    texts = [count("\n".join(one[:5])) for one in material.bodies]
    length = np.array([text.total() for text in texts], float)
    postings: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for row, text in enumerate(texts):
        for term, times in text.items():
            postings[term].append((row, times))
    place = {material.keys[row]: number for number, row in enumerate(material.functions)}
    others: defaultdict[str, set[int]] = defaultdict(set)
    for pair in asked:
        others[pair.query].add(place[pair.key])
    found = []
    for pair in asked:
        scores = np.zeros(len(texts))
        for term in count(pair.query):
            if held := postings.get(term):
                idf = math.log(1 + (len(texts) - len(held) + 0.5) / (len(held) + 0.5))
                rows, times = np.array(held).T
                scores[rows] += idf * times * (k1 + 1) / (times + k1 * (1 - b + b * length[rows] / length.mean()))
        own = place[pair.key]
        right = scores[own]
        scores[sorted(others[pair.query] - {own})] = -1
        found.append((scores >= right).sum())
    return np.array(found)


def by_the_original(material: Material) -> dict:
    """The original recipe on the same documentation: no contrast, noise on, padding counted; 400 steps of 16."""
    pairs = [pair for pair in material.of("train", level=SEMANTICS) if pair.kind == "docstring"]
    encoder, model = original.small_model()
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    everything = list({id(p): p for module in (encoder, model) for p in module.parameters()}.values())
    optimizer = torch.optim.AdamW(everything, lr=1e-3)
    losses = []
    for _ in range(400):
        rows = [pairs[int(row)] for row in torch.randint(len(pairs), (16,), generator=generator)]
        said = torch.nn.utils.rnn.pad_sequence([torch.tensor(character_ids(one.query)) for one in rows], batch_first=True, padding_value=PAD)
        encoded = original.padding_counted(encoder(_characters([one.code.code for one in rows])))
        loss, _ = original.recipe_loss(model, encoded, said, generator)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(everything, 1.0)
        optimizer.step()
        losses.append(loss.item())
    asked = asked_of(material)
    query, code = (_noisy(encoder, model, texts, generator) for texts in ([one.query for one in asked], [one.code for one in material.bodies]))
    place = {material.keys[row]: number for number, row in enumerate(material.functions)}
    scores = query @ code.T
    right = scores[torch.arange(len(asked)), torch.tensor([place[pair.key] for pair in asked])]
    with torch.no_grad():
        means = torch.cat([_encoded(encoder, model, part).mean for part in _parts([one.code for one in material.bodies])])
    alive = health(means)
    first, last = float(np.mean(losses[:20])), float(np.mean(losses[-20:]))
    return {"learned": (1 / (scores >= right[:, None]).sum(dim=1)).tolist(), "active": alive.active, "dimensions": alive.dimensions, "effective_rank": alive.effective_rank, "pool": len(code), "loss": [first, last]}


def _characters(texts: list[str]) -> torch.Tensor:
    rows = torch.zeros(len(texts), original.LENGTH, dtype=torch.long)
    for row, text in enumerate(texts):
        own = list(text.encode()[: original.LENGTH])
        rows[row, : len(own)] = torch.tensor(own)
    return rows


def _parts(texts: list[str], size: int = 64) -> list[list[str]]:
    return [texts[first : first + size] for first in range(0, len(texts), size)]


def _encoded(encoder, model, texts: list[str]):
    encoded = original.padding_counted(encoder(_characters(texts)))
    return model.posterior(encoded.states, encoded.mask)


def _noisy(encoder, model, texts: list[str], generator: torch.Generator) -> torch.Tensor:
    parts = [original.noisy_vectors(model, original.padding_counted(encoder(_characters(part))), generator) for part in _parts(texts)]
    return torch.cat(parts)


def write_table(options: argparse.Namespace) -> None:
    """What there is, as a table with commit, machine and command."""
    found = [json.loads(file.read_text()) for file in sorted((options.work / "results").glob("*.json"))]
    whole, arms = [one for one in found if not one.get("ablation")], [one for one in found if one.get("ablation")]
    lines = [*_head(options), "", *_main_table(whole), "", *_levels(whole), "", *_ablation(arms), "", *_explanations(arms)]
    target = HERE / "results" / "latent.txt"
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def _head(options: argparse.Namespace) -> list[str]:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=HERE).stdout.strip() or "of an archive"
    said = " ".join(f"--repository {folder.name}" for folder in options.repository)
    return [
        "The latent model, learned from random weights on one repository at a time",
        f"wayfind {wayfind.__version__}, commit {commit}, {datetime.date.today()}, {platform.machine()}, 2 cores, no accelerator, one thread of a loaded machine",
        f"command: benchmarks/latent.py {said} --work FOLDER --seeds {','.join(map(str, options.seeds))} --epochs {options.epochs} --ablate {options.ablate or '-'} --ablation-seeds {options.ablation_seeds} --ablation-epochs {options.ablation_epochs} --original {options.original or '-'} --explain {options.explain or '-'}",
        "MRR of the vector alone with 95 % intervals over questions; questions of files that were never learned from; pool: every function, documentation left out",
    ]


def _interval(values) -> str:
    if not len(values):
        return "-"
    made = bootstrap(values)
    return f"{made.mean:.3f} [{made.low:.3f}, {made.high:.3f}]"


def _difference(ours, theirs) -> str:
    if not len(ours):
        return "-"
    made = paired(ours, theirs)
    return f"{made.mean:+.3f} [{made.low:+.3f}, {made.high:+.3f}]"


def _groups(found: list[dict], arm: str) -> dict[str, list[dict]]:
    groups: defaultdict[str, list[dict]] = defaultdict(list)
    for one in found:
        if one["arm"] == arm:
            groups[one["repository"]].append(one)
    return dict(groups)


def _mean_over_seeds(runs: list[dict], key: str) -> np.ndarray:
    return np.mean([one[key] for one in runs], axis=0)


SLICES = ("all", "documentation", "documentation, unnamed", "commits", "all unnamed")
SYSTEMS = {"learned": "learned", "together": "co-occurrence alone", "untrained": "untrained, rows by rarity", "plain": "untrained, rows alike", "bm25": "BM25"}


def _slice(run: dict, label: str) -> np.ndarray:
    """Which questions of a run belong to a slice."""
    kinds, unnamed = np.array(run["kind"]), np.array(run["unnamed"])
    return {"all": kinds != "", "documentation": kinds == "docstring", "documentation, unnamed": (kinds == "docstring") & unnamed, "commits": kinds == "commit", "all unnamed": unnamed}[label]


def _main_table(found: list[dict]) -> list[str]:
    lines = []
    originals, every = _groups(found, "the original recipe"), _groups(found, "as it is")
    for name, runs in every.items():
        one = runs[0]
        lines.append(f"{name}: pool {one['pool']}, {one['questions']} questions learned from, {one['parameters']:,} parameters, {len(runs)} seeds, {', '.join(str(run['cpu_seconds']) for run in runs)} s of processor time, best epoch {', '.join(str(run['best_epoch']) for run in runs)}")
        lines += _figures({name: runs})
        alive = [f"{run['active']}/{run['dimensions']} active, effective rank {run['effective_rank']:.0f}" for run in runs]
        lines.append(f"  dimensions: {'; '.join(alive)}")
        for run in originals.get(name, []):
            lines.append(f"  the original recipe      n {len(run['learned']):>4}  {_interval(run['learned'])}; active {run['active']}/{run['dimensions']}, effective rank {run['effective_rank']:.1f}, loss {run['loss'][0]:.2f} to {run['loss'][1]:.2f}; chance {sum(1 / rank for rank in range(1, run['pool'] + 1)) / run['pool']:.3f}")
    return [*lines, f"all {len(every)} repositories, every question alike", *_figures(every)]


def _figures(groups: dict[str, list[dict]]) -> list[str]:
    """Of each slice, every system's MRR and what learning is above it; of a question, the mean over seeds."""
    lines = []
    for label in SLICES:
        value = {key: np.concatenate([_mean_over_seeds(runs, key)[_slice(runs[0], label)] for runs in groups.values()]) for key in SYSTEMS}
        if not len(value["learned"]):
            continue
        lines.append(f"  {label}, {len(value['learned'])} questions: learned {_interval(value['learned'])}")
        stage = {said: _difference(value["together"], value[key]) for key, said in (("untrained", "untrained, rows by rarity"), ("bm25", "BM25"))}
        lines += [f"    {said:<28}{_interval(value[key]):<24}learned less it {_difference(value['learned'], value[key])}" for key, said in SYSTEMS.items() if key != "learned"]
        lines.append("    co-occurrence alone less " + "; less ".join(f"{said} {found}" for said, found in stage.items()))
    return lines


def _levels(found: list[dict]) -> list[str]:
    lines = ["Levels by task, MRR, mean over seeds; the best of each row in brackets; cosine between levels"]
    for name, runs in _groups(found, "as it is").items():
        for task, own in runs[0]["tasks"].items():
            mean = {level: float(np.mean([run["tasks"][task]["mrr"][level] for run in runs])) for level in own["mrr"]}
            best = max(mean, key=mean.__getitem__, default="")
            lines.append(f"  {name:<14} {task:<10} n {own['n']:>5}  " + "  ".join(f"{level} " + (f"[{value:.4f}]" if level == best else f" {value:.4f} ") for level, value in mean.items()))
        lines.append(f"  {name:<14} " + ", ".join(f"{pair} {np.mean([run['between'][pair] for run in runs]):.3f}" for pair in runs[0]["between"]))
    return lines


def _ablation(found: list[dict]) -> list[str]:
    arms = Counter(one["arm"] for one in found)
    found = [one for one in found if one["arm"] in ARMS]
    names = {one["repository"] for one in found}
    lines = []
    for name in sorted(names):
        base = {run["seed"]: run for run in _groups(found, "as it is").get(name, [])}
        lines.append(f"Ablation on {name}, {max(one['epochs'] for one in found)} epochs: MRR of the last level on all reported questions, mean over seeds, and the paired difference to the model as it is, same seeds")
        for arm in [one for one in ARMS if arms[one]]:
            runs = [run for run in _groups(found, arm).get(name, []) if run["seed"] in base]
            if runs:
                own, other = _mean_over_seeds(runs, "learned"), np.mean([base[run["seed"]]["learned"] for run in runs], axis=0)
                note = "; collapsed" if any("collapsed" in run for run in runs) else ""
                lines.append(f"  {arm:<30} {len(runs)} seeds  {own.mean():.3f}  {_difference(own, other)}  active {runs[0]['active']}/{runs[0]['dimensions']}, rank {runs[0]['effective_rank']:.0f}{note}")
    return lines


def _explanations(found: list[dict]) -> list[str]:
    """Each decoder beside the template and the nearest function's documentation."""
    lines = [
        "Explanations of functions whose documentation was never read. Well formed: three words at least, none and no three in a row said twice,",
        "brackets closed, no last word that cannot end a sentence. Nothing foreign: no name, number or quoted text that the chunk lacks.",
    ]
    for arm in [*(one for one in ARMS if one.endswith("decoder")), *(f"decoder alone, {kind}" for kind in DECODERS)]:
        for run in [one for one in found if one["arm"] == arm and one.get("said")]:
            told = run["said"]
            loss = f", nats a symbol {run['loss'][0]:.2f} to {run['loss'][1]:.2f}" if "loss" in run else ""
            lines.append(f"  {run['repository']}, {arm}, seed {run['seed']}, {len(told)} functions, documentation of {run['documented']} learned from{loss}")
            for name in ("decoder", "template", "nearest", "author"):
                formed, sound = (np.array(values, float) for values in zip(*((_well_formed(one[name]), bool(one[name]) and not one[f"foreign {name}"]) for one in told)))
                lines.append(f"    {name:<10} well formed {_interval(formed)}  nothing foreign {_interval(sound)}  both {_interval(formed * sound)}  in {len({one[name] for one in told})} different sentences")
            lines += [f"    said: {one['decoder']} | author: {one['author']}" for one in told[:: max(1, len(told) // 3)][:3]]
    return lines


COUNTED = re.compile(r" and \d+ more")
"""How a template ends a list: its number is a count, not a name."""
UNFINISHED = frozenset("a an the of to for in on with and or by from is are be as that which if into at its this".split())


def _well_formed(text: str) -> bool:
    words = text.lower().rstrip(".").split()
    twice = any(one == other for one, other in zip(words, words[1:])) or repeats(words)
    return len(words) >= 3 and not twice and words[-1] not in UNFINISHED and all(text.count(a) == text.count(b) for a, b in ("()", "[]", "{}"))


if __name__ == "__main__":
    sys.exit(main())
