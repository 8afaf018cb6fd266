#!/usr/bin/env python3
"""What each part of the latent model brings over the base model, at one budget: ablation A24.

    latent_base.py --pairs FOLDER --work FOLDER [--seeds 0,1] [--epochs 3] [--table]

The base encoder is frozen: its last states of TRAINED pairs of the train part are computed once, and a latent model over them learns from
the same batches in every arm. Asked are held-out pairs of other projects among all their codes; explanations are compared with
documentation that no arm saw. Figures of each arm and seed lie in --work; --table writes benchmarks/results/latent_base.txt.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import torch
from rouge_score.rouge_scorer import RougeScorer

import wayfind
from wayfind.evaluate.intervals import bootstrap, paired
from wayfind.model import bundle as bundles
from wayfind.model.text import plain
from wayfind.model.wordpiece import WordPiece
from wayfind.train.collapse import health
from wayfind.train.decoder import END, PAD, character_ids, characters, generate
from wayfind.train.latent import DecoderConfig, Encoded, LatentBatch, LatentConfig, LatentModel, LossWeights
from wayfind.train.pairs import Pair, read_pairs
from wayfind.train.upper_layers import LowerLayers, UpperLayers

HERE = Path(__file__).resolve().parent
TRAINED = {"docstring": 3000, "commit": 1500, "comment": 1000, "name": 500}
ASKED = {"docstring": 300, "commit": 300, "comment": 100, "name": 100}
LEVEL = {"name": 0, "comment": 1, "docstring": 2, "commit": 2}
CODE, QUERY, SAID = 64, 32, 24
GENERATED = 3000
"""Pieces that the transformer may say without copying them: the most frequent in the documentation that it learns from."""
BATCH, RATE = 64, 3e-4
EXPLAINED = 150
WEIGHTS = LossWeights(explanation=0.1)
SILENT = {"decoder": DecoderConfig(), "weights": replace(WEIGHTS, explanation=0.0)}
ARMS: dict[str, dict] = {
    "as it is": {},
    "without the SDE": {"trajectory": "none"},
    "flow matching for the SDE": {"trajectory": "flow_matching"},
    "without the flow": {"couplings": 0},
    "without Epps-Pulley": {"weights": replace(WEIGHTS, epps_pulley=0.0)},
    "with KL 0.01": {"free_nats": 0.0, "weights": replace(WEIGHTS, kl=0.01)},
    "with density 0.1": {"weights": replace(WEIGHTS, density=0.1)},
    "one level": {"times": (0.1,)},
    "without contrast": {"weights": replace(WEIGHTS, contrastive=0.0)},
    "without the decoder": SILENT,
    "GRU decoder": {"decoder": DecoderConfig("gru", length=96)},
    "a linear head alone": {"trajectory": "none", "couplings": 0, "times": (0.1,), **SILENT, "weights": replace(WEIGHTS, explanation=0.0, epps_pulley=0.0)},
}


@dataclass(frozen=True, slots=True)
class Read:
    """Texts as the base encoder left them: half-precision states [text, token, hidden], padded, and their ids."""

    states: np.ndarray
    length: np.ndarray
    ids: np.ndarray

    def of(self, rows: np.ndarray, number: np.ndarray) -> Encoded:
        """Some of the texts, with the ids that a decoder has for them."""
        longest = int(self.length[rows].max())
        mask = torch.from_numpy(np.arange(longest) < self.length[rows][:, None])
        return Encoded(torch.from_numpy(self.states[rows, :longest].astype(np.float32)), mask, torch.from_numpy(number[self.ids[rows, :longest]]))


@dataclass(frozen=True, slots=True)
class Part:
    """Pairs and both their sides."""

    pairs: list[Pair]
    query: Read
    code: Read
    key: np.ndarray
    """Number of each pair's code: equal codes have one."""
    level: np.ndarray


@dataclass(frozen=True, slots=True)
class Words:
    """What a decoder of pieces says: its number of each of the encoder's pieces, and back."""

    number: np.ndarray
    pieces: list[str]
    words: WordPiece

    def ids(self, text: str) -> list[int]:
        return [*self.number[self.words.ids(plain(text), SAID - 1)].tolist(), END]

    def text(self, ids: list[int]) -> str:
        return " ".join(self.pieces[i] for i in ids).replace(" ##", "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=lambda text: [int(one) for one in text.split(",")], default=[0, 1])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if not given.table:
        given.work.mkdir(parents=True, exist_ok=True)
        train, asked, words = material(given.pairs, given.work)
        for seed in given.seeds:
            for arm, changes in ARMS.items():
                target = given.work / f"{arm.replace(' ', '-')}--{seed}.json"
                if not target.exists():
                    found = trained(train, asked, words, changes, seed, given.epochs)
                    target.write_text(json.dumps({"arm": arm, "seed": seed, **found}))
                    print(arm, seed, round(np.mean(found["learned"]), 4), found["active"], found["nats"], found["seconds"], flush=True)
    write_table(given)


def material(folder: Path, work: Path) -> tuple[Part, Part, Words]:
    """What is learned from and what is asked, encoded."""
    base = bundles.load(bundles.BASE)
    pieces = base.checked(base.parts["encoder"]["vocabulary"]).read_text(encoding="utf-8")
    words = WordPiece(pieces)
    train, asked = (read(drawn(folder, part, counts), words, base, work / f"{part}.npz") for part, counts in (("train", TRAINED), ("valid", ASKED)))
    said = Counter(i for pair in train.pairs if pair.kind == "docstring" for i in words.ids(plain(pair.query), SAID))
    order = [piece for piece, _ in sorted(said.items(), key=lambda one: (-one[1], one[0]))]
    order += sorted(set(range(words.size)) - set(order))
    number = np.zeros(words.size, np.int64)
    number[order] = np.arange(words.size) + END + 1
    listed = pieces.removesuffix("\n").split("\n")
    return train, asked, Words(number, [""] * (END + 1) + [listed[i] for i in order], words)


def drawn(folder: Path, part: str, counts: dict[str, int]) -> list[Pair]:
    """So many pairs of each kind, by the hash of their content."""
    kept: dict[str, list[Pair]] = {kind: [] for kind in counts}
    for pair in read_pairs(folder, part):
        if pair.kind in kept:
            kept[pair.kind].append(pair)
    return [pair for kind, some in kept.items() for pair in sorted(some, key=lambda pair: hashlib.sha256(pair.id.encode()).digest())[: counts[kind]]]


def read(pairs: list[Pair], words: WordPiece, base: bundles.Bundle, kept: Path) -> Part:
    """Pairs with the states of both sides, which are computed once."""
    codes = list(dict.fromkeys(pair.code for pair in pairs))
    sides = {"query": [words.framed(plain(pair.query), QUERY) for pair in pairs], "code": [words.framed(plain(code), CODE) for code in codes]}
    if not kept.exists():
        graph = onnx.load(base.checked(base.parts["encoder"]["weights"]))
        lower = LowerLayers(graph, UpperLayers(graph, 0), threads=1)
        np.savez(kept, **{side: encoded(texts, lower) for side, texts in sides.items()})
    with np.load(kept) as states:
        made = {side: Read(states[side], np.array([len(text) for text in texts]), padded(texts)) for side, texts in sides.items()}
    place = {code: row for row, code in enumerate(codes)}
    return Part(pairs, made["query"], made["code"], np.array([place[pair.code] for pair in pairs]), np.array([LEVEL[pair.kind] for pair in pairs]))


def padded(texts: list[list[int]]) -> np.ndarray:
    ids = np.zeros((len(texts), max(map(len, texts))), np.int64)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = text
    return ids


def encoded(texts: list[list[int]], lower: LowerLayers) -> np.ndarray:
    """States after the last layer, float16 [text, token, hidden]."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    out = None
    for first in range(0, len(order), 16):
        some = order[first : first + 16]
        ids = padded([texts[i] for i in some])
        found = lower.states(ids, (np.arange(ids.shape[1]) < np.array([[len(texts[i])] for i in some])).astype(np.int64))
        out = np.zeros((len(texts), max(map(len, texts)), found.shape[2]), np.float16) if out is None else out
        out[some, : ids.shape[1]] = found
    return out


def trained(train: Part, asked: Part, words: Words, changes: dict, seed: int, epochs: int) -> dict:
    """One arm's figures."""
    began = time.process_time()
    torch.manual_seed(seed)
    size = train.code.states.shape[2]
    pieces = DecoderConfig("transformer", vocabulary=len(words.pieces), generated=GENERATED, hidden=96, layers=1, length=SAID)
    model = LatentModel(LatentConfig(hidden=size, latent=size, width=size, coupling_width=128, skip=True, **{"decoder": pieces, "weights": WEIGHTS, **changes}))
    found = {"untrained": reciprocal(model, asked, words)}
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.01)
    batches = [batch for epoch in range(epochs) for batch in epoch_of(train, seed, epoch)]
    random = torch.Generator().manual_seed(seed)
    for step, rows in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min((step + 1) / 20, 1.0, 0.05 + 0.95 * (1 - step / len(batches)))
        losses = model.losses(batch_of(train, rows, words, model), random)
        optimizer.zero_grad(set_to_none=True)
        losses.total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.eval()
    alive = health(means(model, train, words))
    return found | {
        "learned": reciprocal(model, asked, words), "base": cosine_of_means(asked, words), "kind": [pair.kind for pair in asked.pairs], "steps": len(batches),
        "active": alive.active, "dimensions": alive.dimensions, "effective_rank": round(alive.effective_rank, 1),
        "parameters": sum(p.numel() for p in model.parameters()), **(explained(model, asked, words) if model.decoder else {"nats": None, "said": []}),
        "between": between(model, asked, words), "seconds": round(time.process_time() - began, 1),
    }  # fmt: skip


def epoch_of(train: Part, seed: int, epoch: int) -> list[np.ndarray]:
    """Batches of one level each, none with one code twice, in a drawn order."""
    random = np.random.default_rng((seed, epoch))
    batches = []
    for level in np.unique(train.level):
        rows = random.permutation(np.flatnonzero(train.level == level))
        batches += [rows[at : at + BATCH] for at in range(0, len(rows) - BATCH + 1, BATCH)]
    return [batches[i] for i in random.permutation(len(batches))]


def batch_of(part: Part, rows: np.ndarray, words: Words, model: LatentModel) -> LatentBatch:
    key = part.key[rows]
    texts = [part.pairs[row].query for row in rows]
    excluded = (key[:, None] == key[None]) | np.array([[one == other for other in texts] for one in texts])
    level = torch.from_numpy(part.level[rows])
    told = weight = None
    if model.decoder and part.level[rows[0]] == 2:
        told = target_of(texts, words, model)
        weight = torch.tensor([float(part.pairs[row].kind == "docstring") for row in rows])
    return LatentBatch(part.query.of(rows, words.number), part.code.of(key, words.number), level, torch.from_numpy(excluded), torch.ones(len(rows)), told, weight)


def target_of(texts: list[str], words: Words, model: LatentModel) -> torch.Tensor:
    sizes = model.config.decoder
    rows = [words.ids(text) if sizes.kind == "transformer" else character_ids(text, sizes.length) for text in texts]
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(own) for own in rows], batch_first=True, padding_value=PAD)


@torch.no_grad()
def vectors(model: LatentModel, side: Read, words: Words) -> torch.Tensor:
    """[text, level, latent]."""
    return torch.cat([model(one.states, one.mask) for one in parts(side, words)])


def parts(side: Read, words: Words):
    for first in range(0, len(side.length), 100):
        yield side.of(np.arange(first, min(first + 100, len(side.length))), words.number)


@torch.no_grad()
def means(model: LatentModel, train: Part, words: Words) -> torch.Tensor:
    rows = np.arange(0, len(train.code.length), max(1, len(train.code.length) // 1000))
    one = train.code.of(rows, words.number)
    return model.posterior(one.states, one.mask).mean


def reciprocal(model: LatentModel, asked: Part, words: Words) -> list[float]:
    """Reciprocal ranks on the last level among all codes; of equal scores the right one comes last."""
    return ranked(vectors(model, asked.query, words)[:, -1], vectors(model, asked.code, words)[:, -1], asked.key)


def cosine_of_means(asked: Part, words: Words) -> list[float]:
    """The same for the base model's own vectors: the mean of the states."""
    query, code = (
        torch.nn.functional.normalize(torch.cat([(one.states * one.mask[..., None]).sum(1) / one.mask.sum(1, keepdim=True) for one in parts(side, words)]), dim=-1)
        for side in (asked.query, asked.code)
    )
    return ranked(query, code, asked.key)


def ranked(query: torch.Tensor, code: torch.Tensor, key: np.ndarray) -> list[float]:
    scores = query @ code.T
    right = scores[torch.arange(len(query)), torch.from_numpy(key)]
    return (1 / (scores >= right[:, None]).sum(1)).tolist()


def between(model: LatentModel, asked: Part, words: Words) -> list[float]:
    """Mean cosine between the first level and each."""
    levels = vectors(model, asked.code, words)
    return [round(float((levels[:, 0] * levels[:, i]).sum(-1).mean()), 4) for i in range(levels.shape[1])]


@torch.no_grad()
def explained(model: LatentModel, asked: Part, words: Words) -> dict:
    """Nats a symbol of held-out documentation, and what is said of EXPLAINED functions, with ROUGE-L."""
    rows = np.flatnonzero(asked.level == 2)
    rows = np.array([row for row in rows if asked.pairs[row].kind == "docstring"][:EXPLAINED])
    code = asked.code.of(asked.key[rows], words.number)
    latent = model.explained(code.states, code.mask)
    nats = model.decoder.nll(latent, code.rows(len(rows)), target_of([asked.pairs[row].query for row in rows], words, model), None)
    said = generate(model.decoder, latent, code.rows(len(rows)), model.config.decoder.length, beams=1)
    text = [characters(one) if model.config.decoder.kind == "gru" else words.text(one) for one in said]
    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    return {"nats": round(float(nats), 4), "said": text[:10], "rouge": [scorer.score(plain(asked.pairs[row].query), one)["rougeL"].fmeasure for row, one in zip(rows, text)]}


def write_table(given: argparse.Namespace) -> None:
    found: dict[str, list[dict]] = {arm: [one for seed in given.seeds if (path := given.work / f"{arm.replace(' ', '-')}--{seed}.json").exists() and (one := json.loads(path.read_text()))] for arm in ARMS}
    found = {arm: runs for arm, runs in found.items() if runs}
    first = next(iter(found.values()))[0]
    whole = found["as it is"]
    commit = subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    base = bootstrap(first["base"])
    lines = [
        "Ablation A24: a latent model over the frozen base encoder, each part taken away or added, at one budget",
        f"wayfind {wayfind.__version__}, commit {commit}, {time.strftime('%Y-%m-%d')}, {platform.machine()}, 2 cores, no accelerator, one thread",
        f"command: benchmarks/latent_base.py --pairs FOLDER --work FOLDER --seeds {','.join(map(str, given.seeds))} --epochs {given.epochs}",
        f"budget: {sum(TRAINED.values()):,} pairs of the train part ({', '.join(f'{n:,} {kind}' for kind, n in TRAINED.items())}), {given.epochs} epochs in batches of {BATCH} of one level, {first['steps']} steps, {CODE} tokens a code",
        f"asked: {len(first['base'])} held-out pairs of other projects ({', '.join(f'{n} {kind}' for kind, n in ASKED.items())}), MRR on the last level among all their codes, seeds averaged a question; 95 % bootstrap intervals",
        f"explanations: documentation of {EXPLAINED} of them, greedy; nats a symbol (pieces; GRU: bytes), ROUGE-L",
        "",
        f"base vectors as they are: MRR {base.mean:.3f} [{base.low:.3f}, {base.high:.3f}]; {by_kind(first['base'], first['kind'])}",
        "",
        f"{'arm':<28}{'MRR':>7}  {'less base vectors':<26}{'less the whole model':<26}{'nats':>7}{'ROUGE-L':>9}  {'ROUGE-L less whole':<26}{'active':>9}  levels' cosine  seconds",
    ]  # fmt: skip
    for arm, runs in found.items():
        own, other = mean_of(runs, "learned"), mean_of(whole, "learned")
        to_base, to_whole = paired(own, first["base"]), paired(own, other)
        nats = f"{np.mean([run['nats'] for run in runs]):.3f}" if runs[0]["nats"] is not None else "-"
        rouge, change = "-", ""
        if runs[0]["nats"] is not None:
            said = mean_of(runs, "rouge")
            rouge, change = f"{100 * np.mean(said):.1f}", told(paired(said, mean_of(whole, "rouge")), 100)
        alive = "/".join(str(run["active"]) for run in runs)
        lines.append(f"{arm:<28}{np.mean(own):>7.3f}  {told(to_base):<26}{told(to_whole) if arm != 'as it is' else '':<26}{nats:>7}{rouge:>9}  {change if arm != 'as it is' else '':<26}{alive:>9}  {runs[0]['between'][-1]:.3f}           {np.mean([run['seconds'] for run in runs]):.0f}")
    lines += ["", "by kind of question", *(f"{arm:<28}{by_kind(mean_of(runs, 'learned'), first['kind'])}" for arm, runs in found.items())]
    lines += ["", "what the whole model says of the first ten, unselected", *(f"  {text}" for text in whole[0]["said"]), "", "what the GRU says of them", *(f"  {text}" for text in found.get("GRU decoder", [{"said": []}])[0]["said"])]
    (HERE / "results" / "latent_base.txt").write_text("\n".join(line.rstrip() for line in lines) + "\n", encoding="utf-8")


def mean_of(runs: list[dict], name: str) -> np.ndarray:
    return np.mean([run[name] for run in runs], axis=0)


def told(interval, scale: float = 1.0) -> str:
    digits = 3 if scale == 1.0 else 1
    return f"{scale * interval.mean:+.{digits}f} [{scale * interval.low:+.{digits}f}, {scale * interval.high:+.{digits}f}]{'*' if interval.excludes_zero() else ''}"


def by_kind(values, kinds: list[str]) -> str:
    return ", ".join(f"{kind} {np.mean([v for v, own in zip(values, kinds) if own == kind]):.3f}" for kind in ASKED)


if __name__ == "__main__":
    main()
