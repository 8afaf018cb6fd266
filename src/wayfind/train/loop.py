"""The training loop: a configuration in, checkpoints and a log out. Interrupted and resumed it computes what it would have.

The log, `log.jsonl`, has one JSON object a line: `step` (terms of the loss, rate, norm of the gradient, pairs and tokens a
second, seconds left), `evaluation` (held-out MRR), `mined`, `done`.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as distributed
from torch import Tensor

from wayfind.errors import Collapsed, TrainingError, UsageError
from wayfind.train import checkpoint, cross
from wayfind.train.batches import Batch, Material, Table, batches_of, batches_of_neighbours, epoch_order, neighbours
from wayfind.train.checkpoint import Progress
from wayfind.train.config import Loop, TrainConfig
from wayfind.train.device import device_of, limits_of
from wayfind.train.distill import teacher_of
from wayfind.train.encoder import PretrainedEncoder
from wayfind.train.gradient import Contrasted, Precision, backward, from_first, processes
from wayfind.train.heads import CrossEncoder, RetrievalModel, Texts, build_model
from wayfind.train.lowrank import add_updates
from wayfind.train.negatives import Miner, mine
from wayfind.train.validate import Figures, encoder_of, figures, judged


Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a training left: the best checkpoint, its figures by the path that serves, and whether it came to its end."""

    best: Path
    progress: Progress
    finished: bool


def rate_at(step: int, steps: int, loop: Loop) -> float:
    """The learning rate of a step, 0-based: a linear rise, then half a cosine down to `final_rate` of it."""
    rise = max(1, round(loop.warmup * steps))
    if step < rise:
        return loop.rate * (step + 1) / rise
    share = (step - rise) / max(1, steps - rise)
    return loop.rate * (loop.final_rate + (1 - loop.final_rate) * 0.5 * (1 + math.cos(math.pi * min(share, 1.0))))


def optimizer_of(model: RetrievalModel | CrossEncoder, loop: Loop) -> torch.optim.AdamW:
    """AdamW over what is trained; matrices decay, norms and biases do not."""
    groups = [[], []]
    for parameter in model.parameters():
        if parameter.requires_grad:
            groups[parameter.ndim < 2].append(parameter)
    decays = zip(groups, (loop.weight_decay, 0.0))
    return torch.optim.AdamW([{"params": some, "weight_decay": decay} for some, decay in decays if some], lr=loop.rate, betas=(0.9, 0.98), eps=1e-6)


def train(config: TrainConfig, material: Material, output: Path, *, resume: bool = False, report: Report | None = None, clock: Callable[[], float] = time.monotonic) -> Outcome:
    """Train one stage into a folder. Raises UsageError where `output` holds a training and `resume` is not set, or an option is never reached."""
    run = _Run(config, material, output, report, clock)
    _check_reached(config, run.table, run.steps)
    if checkpoint.latest(output) and not resume:
        raise UsageError(f"{output} already holds a training: go on with --resume, or name another --output")
    return run.train(resume)


class _Run:
    """One training: what stays the same during it, and the few things that change with each step."""

    def __init__(self, config: TrainConfig, material: Material, output: Path, report: Report | None, clock: Callable[[], float]) -> None:
        self.config, self.material, self.output, self.clock = config, material, output, clock
        self.device = device_of(config.loop.device)
        self.precision = Precision(self.device.type, config.loop.precision == "bfloat16")
        self.limits = limits_of(self.device.type)
        words = material.vocabulary
        frame, lengths = (words.before, words.after, words.pad), (config.encoder.query_length, config.encoder.code_length)
        self.table, self.valid = (Table(tokens, frame, lengths, self.device) for tokens in (material.train, judged(material.valid, config)))
        self.rank, self.world = (distributed.get_rank(), processes()) if processes() > 1 else (0, 1)
        if config.loop.batch % self.world or len(self.table) < config.loop.batch:
            raise UsageError(f"loop.batch is {config.loop.batch}: it must be a multiple of the {self.world} processes and at most the {len(self.table)} pairs")
        self.model = build_model(config, words.size).to(self.device)
        if self.precision == Precision("cpu", True) and isinstance(self.model.encoder, PretrainedEncoder):
            self.model.encoder.unfuse()
        if config.start:
            checkpoint.load_weights(checkpoint.weights_in(Path(config.start)), self.model)
        if config.encoder.lora:
            add_updates(self.model.encoder, config.encoder.lora)
        self.optimizer = optimizer_of(self.model, config.loop)
        self.encode = torch.compile(self.model, dynamic=True) if config.loop.compile else None
        self.teacher = teacher_of(config.objectives.distillation, self.table) if config.objectives.distillation.weight else None
        self.report = report or (lambda line: None)
        self.per_epoch = max(1, len(self.table) // config.loop.batch)
        self.steps = config.loop.steps or self.per_epoch * config.loop.epochs
        self.pairs = material.digest + (self.teacher.digest if self.teacher else "")
        self.mined: np.ndarray | None = None
        self.candidates = cross.candidates_of(self.valid, config.seed) if config.objectives.listwise.weight else None
        self.progress = Progress()
        self._epoch: tuple[int, list[np.ndarray]] | None = None

    def train(self, resume: bool) -> Outcome:
        if resume and (found := checkpoint.latest(self.output)):
            self.progress, self.mined = checkpoint.load_training(found, self.model, self.optimizer, self.config, self.pairs, self.material.held_out)
        if self.config.negatives.miner:
            self._mine_by_another()
        began, spent = self.clock(), self.progress.seconds
        tokens, seen, lap = 0, 0, began
        loop, finished = self.config.loop, True
        while self.progress.step < self.steps and not self._stale():
            step = self.progress.step
            if self.config.negatives.mined and not self.config.negatives.miner and step and step % self.config.negatives.every == 0:
                self._mine(step)
            terms, norm, size = self._step(step)
            tokens, seen = tokens + size, seen + loop.batch
            self.progress = replace(self.progress, step=step + 1, samples=self.progress.samples + loop.batch, seconds=spent + self.clock() - began)
            if (step + 1) % loop.log_every == 0:
                now = max(self.clock() - lap, 1e-9)
                self._say("step", **terms, rate=rate_at(step, self.steps, loop), gradient=norm, pairs_per_second=seen / now, tokens_per_second=tokens / now, seconds_left=(self.steps - step - 1) * now / (seen / loop.batch))
                tokens, seen, lap = 0, 0, self.clock()
            out_of_time = loop.minutes and from_first(np.array([self.clock() - began]), self.device)[0] > 60 * loop.minutes
            if (step + 1) % loop.evaluate_every == 0 or step + 1 == self.steps:
                self._evaluate()
            elif out_of_time:
                self._save()
            if out_of_time:
                finished = step + 1 == self.steps
                break
        self._say("done", finished=finished, best=self.progress.best, best_step=self.progress.best_step)
        return Outcome(self.output / f"step-{self.progress.best_step:08d}", self.progress, finished)

    def _stale(self) -> bool:
        return bool(self.config.loop.patience) and self.progress.stale >= self.config.loop.patience

    def _rows(self, step: int) -> np.ndarray:
        """The pairs of a step over all processes, the shortest code first, so that micro-batches are of like length."""
        epoch, place = divmod(step, self.per_epoch)
        if self._epoch is None or self._epoch[0] != epoch:
            order = epoch_order(self.table.tokens.weight if self.config.data.weights == "sampler" else np.ones(len(self.table), np.float32), self.config.seed, epoch)
            length = np.diff(self.table.tokens.code.starts)[: len(self.table)]
            self._epoch = epoch, self._batches(order, length, epoch)
        batches = self._epoch[1]
        rows = batches[place % len(batches)]
        return rows[np.argsort(self.table.sizes("code", rows), kind="stable")]

    def _batches(self, order: np.ndarray, length: np.ndarray, epoch: int) -> list[np.ndarray]:
        data, loop, seed = self.config.data, self.config.loop, self.config.seed
        if data.together == 1:
            return batches_of(order, loop.batch, length, loop.bucket, seed, epoch)
        order = neighbours(order, self.table.tokens.origin_key, data.together, length, loop.bucket, seed, epoch)
        return batches_of_neighbours(order, loop.batch, data.together, length, loop.bucket, seed, epoch)

    def _step(self, step: int) -> tuple[dict[str, float], float, int]:
        """One batch. Returns the terms of the loss, the gradient's norm and the tokens that this process encoded."""
        config, loop = self.config, self.config.loop
        self.model.train()
        rows = self._rows(step)
        more = self.teacher.drawn(rows, config.seed, step) if self.teacher else None
        whole = self.table.batch(rows, config.data, config.negatives, self.mined, config.seed, step, more)
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(step, self.steps, loop)
        self.optimizer.zero_grad(set_to_none=True)
        terms, tokens = self._listwise(whole, step) if self.candidates is not None else self._contrast(whole, step)
        norm = float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), loop.clip or math.inf))
        if not math.isfinite(norm):
            raise TrainingError(f"step {step}: the gradient is {norm}; lower loop.rate, or use float32")
        self.optimizer.step()
        if self.limits.synchronise:
            torch.mps.synchronize()
        return {**terms, "loss": sum(terms.values())}, norm, tokens

    def _contrast(self, whole: Batch, step: int) -> tuple[dict[str, float], int]:
        """The gradient of a batch of a model with vectors."""
        config, excluded = self.config, self.table.excluded(whole)
        told = self.teacher.logits(whole) if self.teacher else None
        if self.teacher:
            excluded |= self._answers(whole, told)
        query, code = self._own(whole)
        given = Contrasted(excluded, torch.from_numpy(whole.weight).to(self.device), told)
        encode = None if self.encode is None else (lambda texts: self.encode(*texts))
        terms = backward(
            self.model, query, code, given, config.objectives, step=step, seed=config.seed, micro_batch=self.limits.at_most(config.loop.micro_batch), precision=self.precision, encode=encode,
        )
        return terms, int(query.mask.sum()) + int(code.mask.sum())

    @staticmethod
    def _answers(whole: Batch, told: Tensor) -> Tensor:
        """Which codes are there for a query although its teacher takes them for better answers than its own: no negatives (Y. Qu et
        al., "RocketQA", 2021, https://arxiv.org/abs/2010.08191)."""
        place = torch.arange(len(whole.query), device=told.device)
        extra = torch.arange(len(whole.code), device=told.device) >= len(place)
        return (told >= told[place, place][:, None]) & extra

    def _listwise(self, whole: Batch, step: int) -> tuple[dict[str, float], int]:
        """The gradient of a batch of a cross-encoder."""
        config = self.config
        lists = cross.lists_of(whole, self.table.excluded(whole).cpu().numpy(), config.objectives.listwise.others, config.seed, step)
        return cross.backward(
            self.model, self.table, whole, lists, config.objectives.listwise.weight, step=step, seed=config.seed, micro_batch=self.limits.at_most(config.loop.micro_batch), precision=self.precision, encode=self.encode,
        )

    def _own(self, whole: Batch) -> tuple[Texts, Texts]:
        """The texts of this process: its share of the queries, their codes, and its share of the hard negatives."""
        count = len(whole.query)
        each = count // self.world
        own = np.arange(self.rank * each, (self.rank + 1) * each)
        extra = np.array_split(np.arange(count, len(whole.code)), self.world)[self.rank]
        codes = np.concatenate([own, extra]).astype(np.int64)
        return self.table.texts("query", whole.query[own]), self.table.texts("code", whole.code[codes], whole.skip[codes])

    def _mine(self, step: int) -> None:
        self.mined = from_first(mine(encoder_of(self.model, self.precision), self.table, self.config.negatives, self.config.seed, step), self.device)
        self._say("mined", per_pair=float((self.mined >= 0).sum(axis=1).mean()))

    def _mine_by_another(self) -> None:
        """Have another model find the hard negatives, if a checkpoint has none yet, and what held-out questions are judged among."""
        miner = Miner(self.config, self.material, self.device, self.precision)
        if self.config.negatives.mined and self.mined is None:
            self.mined = from_first(miner.mine(), self.device)
            self._say("mined", per_pair=float((self.mined >= 0).sum(axis=1).mean()))
        if self.candidates is not None:
            self.candidates = miner.nearest(miner.pool, cross.RERANKED)

    def _evaluate(self) -> None:
        own = self._figures()
        mrr, recall, directions = from_first(np.array([own.mrr, own.recall_at_10, own.effective_rank]), self.device).tolist()
        found = replace(own, mrr=mrr, recall_at_10=recall, effective_rank=directions)
        better = found.mrr > self.progress.best
        history = [*self.progress.history, [float(self.progress.step), found.mrr]]
        self.progress = replace(self.progress, history=history, stale=0 if better else self.progress.stale + 1, **(dict(best=found.mrr, best_step=self.progress.step) if better else {}))
        self._say("evaluation", **asdict(found), best=self.progress.best)
        self._save()
        _check_alive(found)

    def _figures(self) -> Figures:
        if self.candidates is not None:
            return cross.figures(cross.score_of(self.model, self.valid, self.precision), self.candidates)
        return figures(encoder_of(self.model, self.precision), self.valid)

    def _save(self) -> None:
        if self.rank == 0:
            checkpoint.save(self.output, self.model, self.optimizer, self.progress, self.config, self.material.vocabulary, self.mined, self.pairs, self.material.held_out)
            checkpoint.thin(self.output, self.config.loop.keep, self.progress.best_step)

    def _say(self, event: str, **values: Any) -> None:
        if self.rank:
            return
        line = {"event": event, "step": self.progress.step, "steps": self.steps, "seconds": round(self.progress.seconds, 3), **values}
        self.output.mkdir(parents=True, exist_ok=True)
        with open(self.output / "log.jsonl", "a", encoding="utf-8") as lines:
            lines.write(json.dumps({key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in line.items()}) + "\n")
        self.report(line)


def _check_reached(config: TrainConfig, table: Table, steps: int) -> None:
    """Refuse options that act on nothing in so many steps on such pairs. Raises UsageError."""
    negatives, loop, xtr = config.negatives, config.loop, config.objectives.xtr
    if negatives.given and not len(table.tokens.negative_of):
        raise UsageError(f"negatives.given is {negatives.given}, but no pair came with negatives: leave it out")
    if negatives.mined and not negatives.miner and steps <= negatives.every:
        raise UsageError(f"negatives.mined are found from step {negatives.every} (negatives.every), but there are {steps} steps: lower negatives.every")
    if xtr.weight and steps <= xtr.warmup:
        raise UsageError(f"objectives.xtr begins at step {xtr.warmup} (objectives.xtr.warmup), but there are {steps} steps: lower warmup, or give maxsim the weight")
    if loop.patience and steps <= loop.evaluate_every:
        raise UsageError(f"loop.patience counts evaluations, and of {steps} steps the last one alone is followed by one: lower loop.evaluate_every ({loop.evaluate_every}), or leave patience out")


LEAST_DIRECTIONS = 1.5
"""Effective rank of the codes' vectors below which they are one point or one line, whatever the loss says."""
LEAST_POOL = 10
"""Held-out pairs from which that is said: two codes are on one line, however good they are."""


def _check_alive(found: Figures) -> None:
    if found.pool >= LEAST_POOL and 0 < found.effective_rank < LEAST_DIRECTIONS:
        raise Collapsed(f"the vectors collapsed: effective rank {found.effective_rank:.2f}, held-out MRR {found.mrr:.3f}; lower loop.rate or raise the temperature")
