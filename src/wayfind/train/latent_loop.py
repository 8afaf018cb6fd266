"""Learn a latent network from a repository's material: epochs, a log that can be followed, checkpoints, early stopping.

The log, `log.jsonl`, has one JSON object a line: `begin` (what there is to learn from), `epoch` (terms of the loss, held-out MRR,
active dimensions, effective rank, texts a second, seconds left), `stop`. All that is drawn comes from (seed, epoch, step): a
training that was interrupted and resumed computes what it would have.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wayfind.errors import Collapsed, NotFound, TrainingError, UsageError
from wayfind.files import replace_file
from wayfind.model.wordpiece import WordPiece
from wayfind.train.batches import generator
from wayfind.train.collapse import Health, Pull, check_alive, health, pulls
from wayfind.train.decoder import PAD, character_ids
from wayfind.train.device import device_of
from wayfind.train.latent import LatentBatch, LatentLosses
from wayfind.train.latent_network import LatentNetwork, NetworkConfig
from wayfind.train.latent_tokens import MARKED, Asked, Drill, Tokens, epoch_drills
from wayfind.train.latent_words import table

FORMAT = 2
"""Raised whenever what is read of a text changes: weights learned from other words are not gone on from."""
STATE, WEIGHTS, OPTIMIZER, BEST, WORDS, LOG = "state.json", "weights.safetensors", "optimizer.safetensors", "best.safetensors", "vocab.txt", "log.jsonl"
SAMPLE = 1000
"""Passages that the latent's health is measured on."""
FEWEST_HELD = 16
"""Held-out questions that say when to stop; with fewer the training runs to its end."""

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast. `patience`: epochs without a better held-out MRR before it stops. `minutes`: after which it stops at
    the end of an epoch. `dropout`: share of the words of each text that a step leaves out. `mined`: hard negatives a batch row, from the second epoch on, refreshed every epoch; `margin`: what lies
    nearer to a question than its answer less this is taken for another right answer."""

    epochs: int = 8
    batch: int = 64
    rate: float = 3e-4
    """Chosen on pallets/jinja: with 2e-3 and 1e-3 files that were held out are found worse than before training (docs/latent-model.md)."""
    seed: int = 0
    device: str = "auto"
    patience: int = 3
    minutes: float = 8.0
    mined: float = 0.5
    candidates: int = 10
    margin: float = 0.05
    words: float = 1.0
    decay: float = 0.01
    dropout: float = 0.0
    together: bool = True
    """Begin with a table of what occurs together (`latent_words`); else from random rows."""
    levels: float = 1.0
    """The rate of what makes levels of the latent, trajectory and flow, beside that of the rest."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is. `best` is the best held-out MRR, after `best_epoch` epochs."""

    epoch: int = 0
    best: float = -1.0
    best_epoch: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Learned:
    """What a training leaves: the best weights, and how it went."""

    network: LatentNetwork
    progress: Progress
    health: Health


class LatentTraining:
    """One training in a folder.

    Raises UsageError where the folder holds a training of another kind and `resume` is set, or none at all.
    """

    def __init__(self, tokens: Tokens, schedule: Schedule, folder: Path, *, words: str, start: Path | None = None, report: Report | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.tokens, self.schedule, self.folder, self.words = tokens, schedule, folder, words
        self.report, self.clock = report or (lambda line: None), clock
        self.device = device_of(schedule.device)
        torch.manual_seed(schedule.seed)
        sizes = tokens.config
        rows = table(tokens.passages, tokens.rarity, sizes.hidden, sizes.latent.latent, MARKED, schedule.seed) if start is None and schedule.together else None
        self.network = LatentNetwork(sizes, tokens.rarity, rows).to(self.device)
        if start is not None:
            _load(self.network, start / BEST)
        self.optimizer = torch.optim.AdamW(_groups(self.network, schedule), betas=(0.9, 0.98))
        self.progress, self.pull_log = Progress(), []

    def run(self, resume: bool = False) -> Learned:
        """Train to the end, or until it stops getting better, or time is up. Raises Collapsed, TrainingError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if resume:
            self._restore()
        else:
            for name in (STATE, LOG, BEST):
                (self.folder / name).unlink(missing_ok=True)
            (self.folder / WORDS).write_text(self.words, encoding="utf-8")
            asked = self.tokens.asked["train"]
            held, mrr = int(self._held().sum()), self.held_out_mrr()
            if held >= FEWEST_HELD:  # epochs that make it worse are not kept
                self.progress = Progress(best=mrr)
                _save(self.network.state_dict(), self.folder / BEST)
            self._say("begin", questions=len(asked), passages=len(self.tokens.passages), held_out=held, epochs=self.schedule.epochs, parameters=sum(p.numel() for p in self.network.parameters()), mrr=mrr)
        began = self.clock() - self.progress.seconds
        why = self._epochs(began) if self.progress.epoch < self.schedule.epochs else "all epochs were done"
        if (self.folder / BEST).is_file():
            _load(self.network, self.folder / BEST)
        found = self.health()
        self._say("stop", why=why, best=self.progress.best, best_epoch=self.progress.best_epoch, seconds=round(self.clock() - began, 1))
        return Learned(self.network.eval(), self.progress, found)

    def _epochs(self, began: float) -> str:
        for epoch in range(self.progress.epoch, self.schedule.epochs):
            self._epoch(epoch, began)
            waited = self.progress.epoch - self.progress.best_epoch
            if self._held().sum() >= FEWEST_HELD and waited >= self.schedule.patience:
                return f"no better for {waited} epochs"
            if self.schedule.minutes and self.clock() - began > 60 * self.schedule.minutes:
                return f"{self.schedule.minutes:g} minutes are up"
        return "all epochs are done"

    def _epoch(self, epoch: int, began: float) -> None:
        schedule = self.schedule
        drills = epoch_drills(self.tokens, schedule.batch, schedule.seed, epoch, schedule.words)
        mined = self._mine() if schedule.mined and epoch else None
        totals: dict[str, list[float]] = {}
        texts, lap = 0, self.clock()
        for place, drill in enumerate(drills):
            share = (epoch + place / len(drills)) / schedule.epochs
            for group in self.optimizer.param_groups:
                group["lr"] = group["rate"] * _rise_and_fall(share, 0.5 / schedule.epochs)
            losses, seen = self._step(drill, mined, epoch, place, measure=place == 0)
            texts += seen
            for name, value in losses.items():
                totals.setdefault(name, []).append(value)
            self.report({"event": "step", "epoch": epoch + 1, "epochs": schedule.epochs, "step": place + 1, "steps": len(drills), "texts_per_second": texts / max(self.clock() - lap, 1e-9), "seconds_left": self._left(epoch, (place + 1) / len(drills), began)})
        self._judge(epoch, {name: float(np.mean(values)) for name, values in totals.items()}, texts / max(self.clock() - lap, 1e-9), began)

    def _left(self, epoch: int, share: float, began: float) -> float:
        done = epoch + share
        passed = self.clock() - began
        left = passed / done * (self.schedule.epochs - done)
        return min(left, max(60 * self.schedule.minutes - passed, 0.0)) if self.schedule.minutes else left

    def _judge(self, epoch: int, terms: dict[str, float], rate: float, began: float) -> None:
        """Measure, log and keep what an epoch made. Raises Collapsed."""
        mrr, found = self.held_out_mrr(), self.health()
        counts = self._held().sum() >= FEWEST_HELD
        better = mrr > self.progress.best if counts else True
        line = {"epoch": epoch + 1, **terms, "mrr": mrr, "active": found.active, "dimensions": found.dimensions, "effective_rank": found.effective_rank}
        best = (mrr, epoch + 1) if better else (self.progress.best, self.progress.best_epoch)
        self.progress = Progress(epoch + 1, *best, self.clock() - began, [*self.progress.history, line])
        if better:
            _save(self.network.state_dict(), self.folder / BEST)
        self._keep()
        self._say("epoch", **line, texts_per_second=rate, seconds_left=self._left(epoch, 1.0, began))
        try:
            check_alive(found, tuple(self.pull_log))
        except Collapsed as collapsed:
            self._say("collapsed", why=str(collapsed))
            raise

    def _step(self, drill: Drill, mined: np.ndarray | None, epoch: int, place: int, measure: bool) -> tuple[dict[str, float], int]:
        random = generator(self.schedule.seed, 12, epoch, place)
        batch, texts = self._batch(drill, mined, random)
        noise = torch.Generator().manual_seed(int(random.integers(2**62)))
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        losses: LatentLosses = self.network.latent.losses(batch, noise)
        if measure:
            self.pull_log.append(pulls(losses))
        losses.total.backward()
        norm = float(torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0))
        if not np.isfinite(norm):
            raise TrainingError(f"epoch {epoch + 1}: the gradient is {norm}; learn with a lower --lr")
        self.optimizer.step()
        return {**losses.values, "loss": float(losses.total.detach())}, texts

    def _batch(self, drill: Drill, mined: np.ndarray | None, random: np.random.Generator) -> tuple[LatentBatch, int]:
        tokens, asked = self.tokens, self.tokens.asked["train"]
        if drill.of_words:
            query = [tokens.drawn(row, random) for row in drill.rows]
            code, key, weight = [tokens.passages[row] for row in drill.rows], drill.rows, np.ones(len(drill.rows), np.float32)
        else:
            query, code = [asked.query[row] for row in drill.rows], [asked.code[row] for row in drill.rows]
            key, weight = asked.key[drill.rows], asked.weight[drill.rows]
        extra = self._negatives(drill, mined, random)
        keys = np.concatenate([key, extra])
        excluded = key[:, None] == keys[None]
        if not drill.of_words:
            excluded |= self._same_question(query)(len(keys))
        level = torch.full((len(key),), drill.level)
        codes = [*code, *(tokens.passages[row] for row in extra)]
        sides = [self._encoded([_thinned(own, self.schedule.dropout, random) for own in rows]) for rows in (query, codes)]
        to = {"device": self.device}
        explanation = self._explanations(drill.rows).to(**to) if drill.level == 2 and not drill.of_words and self.tokens.config.latent.weights.explanation else None
        return LatentBatch(*sides, level.to(**to), torch.from_numpy(excluded).to(**to), torch.from_numpy(weight).to(**to), explanation), len(query) + len(keys)

    def _explanations(self, rows: np.ndarray) -> Tensor:
        """What a decoder is to say of the codes of train pairs: the questions, as pieces without the marks in front, or as bytes."""
        sizes, asked = self.tokens.config.latent.decoder, self.tokens.asked["train"]
        said = [asked.query[row][2:].tolist() for row in rows] if sizes.kind == "transformer" else [character_ids(asked.text[row], sizes.length) for row in rows]
        rows = [torch.tensor(own[: sizes.length]) for own in said]
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD)

    def _same_question(self, query: list[np.ndarray]) -> Callable[[int], np.ndarray]:
        """Which codes answer an equal question: they are no negatives."""
        said = [own.tobytes() for own in query]
        same = np.array([[one == other for other in said] for one in said])
        return lambda width: np.pad(same, ((0, 0), (0, width - len(said))))

    def _negatives(self, drill: Drill, mined: np.ndarray | None, random: np.random.Generator) -> np.ndarray:
        """Passages that are near to some of the batch's questions and answer none of them."""
        if mined is None or drill.of_words or drill.level == 1:
            return np.zeros(0, np.int64)
        rows = random.permutation(drill.rows)[: int(self.schedule.mined * len(drill.rows))]
        picked = mined[rows, random.integers(mined.shape[1], size=len(rows))]
        return np.unique(picked[picked >= 0])

    def _encoded(self, rows: list[np.ndarray]):
        ids, mask = self.tokens.padded(rows)
        return self.network.encoded(ids.to(self.device), mask.to(self.device))

    @torch.no_grad()
    def vectors(self, rows: tuple[np.ndarray, ...] | list[np.ndarray], means: bool = False) -> Tensor:
        """Unit vectors [text, level, latent] of texts, or their E[z | x], by the network as it is now."""
        self.network.eval()
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        made, places = [], []
        for first in range(0, len(order), 128):
            some = order[first : first + 128]
            ids, mask = self.tokens.padded([rows[i] for i in some])
            run = self.network.means if means else self.network
            made.append(run(ids.to(self.device), mask.to(self.device)).cpu())
            places += some
        return torch.cat(made)[torch.argsort(torch.tensor(places))]

    def _mine(self) -> np.ndarray:
        """For each train pair the passages nearest to its question that are not its answer, hardest first, -1 where there are no more.

        What is nearer than the answer less a margin is likely right too (Moreira et al., "NV-Retriever", 2024,
        https://arxiv.org/abs/2407.15831).
        """
        asked, schedule = self.tokens.asked["train"], self.schedule
        passages, query, code = (self.vectors(side) for side in (self.tokens.passages, asked.query, asked.code))
        found = np.full((len(asked), schedule.candidates), -1, np.int64)
        for level in np.unique(asked.level):
            rows, at = np.flatnonzero(asked.level == level), min(level, passages.shape[1] - 1)  # one level is taught by all
            scores = query[rows, at] @ passages[:, at].T
            right = (query[rows, at] * code[rows, at]).sum(dim=1, keepdim=True)
            own = torch.from_numpy(asked.key[rows][:, None] == np.arange(len(self.tokens.passages))[None])
            scores = scores.masked_fill(own | (scores > right - schedule.margin), -torch.inf)
            best = scores.topk(min(schedule.candidates, scores.shape[1]), dim=1)
            found[rows, : best.indices.shape[1]] = torch.where(best.values > -torch.inf, best.indices, -1).numpy()
        return found

    def _held(self) -> np.ndarray:
        asked = self.tokens.asked["valid"]
        return (asked.level == 2) & np.isin(asked.key, self.tokens.functions)

    def held_out_mrr(self, part: str = "valid") -> float:
        """MRR of held-out questions of the last level among all functions, documentation left out; 0 where there is none."""
        asked: Asked = self.tokens.asked[part]
        rows = np.flatnonzero((asked.level == 2) & np.isin(asked.key, self.tokens.functions))
        if not len(rows):
            return 0.0
        ranks = ranks_among(self.vectors([asked.query[row] for row in rows])[:, -1], self.vectors(self.tokens.bodies)[:, -1], asked.key[rows], self.tokens.functions)
        return float((1 / ranks).mean())

    def health(self) -> Health:
        """Of E[z | x] over passages."""
        chosen = np.linspace(0, len(self.tokens.passages) - 1, min(SAMPLE, len(self.tokens.passages))).astype(int)
        return health(self.vectors([self.tokens.passages[row] for row in chosen], means=True))

    def _keep(self) -> None:
        """A checkpoint from which a training goes on: all of it is there or the one before."""
        names = {id(parameter): name for name, parameter in self.network.named_parameters()}
        moments = {f"{names[id(parameter)]}/{key}": value for parameter, kept in self.optimizer.state.items() for key, value in kept.items()}
        _save(self.network.state_dict(), self.folder / f"{self.progress.epoch}-{WEIGHTS}")
        _save(moments, self.folder / f"{self.progress.epoch}-{OPTIMIZER}")
        pull_log = [[asdict(pull) for pull in measured] for measured in self.pull_log]
        state = {"format": FORMAT, "progress": asdict(self.progress), "network": self.tokens.config.as_mapping(), "schedule": asdict(self.schedule), "material": self._digest(), "pulls": pull_log}
        replace_file(self.folder / STATE, json.dumps(state).encode())
        for name in (WEIGHTS, OPTIMIZER):
            for old in self.folder.glob(f"*-{name}"):
                if old.name != f"{self.progress.epoch}-{name}":
                    old.unlink()

    def _restore(self) -> None:
        from safetensors.torch import load_file

        if not (self.folder / STATE).is_file():
            raise NotFound(f"no training to resume in {self.folder}; run the same command without --resume")
        state = json.loads((self.folder / STATE).read_text(encoding="utf-8"))
        if state.get("format") != FORMAT or NetworkConfig.of_mapping(state["network"]) != self.tokens.config or state["material"] != self._digest():
            raise UsageError(f"the training in {self.folder} had other sizes, or the repository has changed since; start anew without --resume")
        free = {"epochs", "minutes", "device", "patience"}
        for key, value in state["schedule"].items():
            if key not in free and value != getattr(self.schedule, key):
                raise UsageError(f"the training in {self.folder} had {key} = {value!r}, now it is {getattr(self.schedule, key)!r}; set it back, or start anew without --resume")
        self.progress = Progress(**state["progress"])
        self.pull_log = [tuple(Pull(**pull) for pull in measured) for measured in state["pulls"]]
        _load(self.network, self.folder / f"{self.progress.epoch}-{WEIGHTS}")
        parameters = dict(self.network.named_parameters())
        for name, value in load_file(self.folder / f"{self.progress.epoch}-{OPTIMIZER}").items():
            owner, _, key = name.rpartition("/")
            self.optimizer.state[parameters[owner]][key] = value.to(self.device) if key != "step" else value

    def _digest(self) -> str:
        import hashlib

        made = hashlib.sha256(self.words.encode())
        for rows in (self.tokens.passages, self.tokens.asked["train"].query, self.tokens.asked["train"].code):
            for own in rows:
                made.update(own.tobytes())
        return made.hexdigest()

    def _say(self, event: str, **values: Any) -> None:
        line = {"event": event, **{key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in values.items()}}
        with open(self.folder / LOG, "a", encoding="utf-8") as lines:
            lines.write(json.dumps(line) + "\n")
        self.report(line)


def ranks_among(query: Float[Tensor, "question dim"], code: Float[Tensor, "function dim"], key: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Rank of each question's answer among the functions, 1 is first; of equal scores the right one comes last."""
    scores = query @ code.T
    right = scores[torch.arange(len(query)), torch.from_numpy(np.searchsorted(keys, key))]
    return (scores >= right[:, None]).sum(dim=1).numpy()


def _groups(network: LatentNetwork, schedule: Schedule) -> list[dict[str, Any]]:
    """Matrices decay, the rest does not; what makes levels has a rate of its own."""
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in network.named_parameters():
        rate = schedule.rate * (schedule.levels if name.startswith(("latent.trajectory.", "latent.flow.")) else 1.0)
        groups.setdefault((rate, schedule.decay if parameter.ndim >= 2 else 0.0), []).append(parameter)
    return [{"params": some, "lr": rate, "rate": rate, "weight_decay": decay} for (rate, decay), some in groups.items()]


def _thinned(ids: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """The ids without a share of their words, drawn; marks stay, and so does one word at least."""
    if not share:
        return ids
    kept = (random.random(len(ids)) >= share) | (ids < MARKED)
    return ids[kept] if (ids[kept] >= MARKED).any() else ids


def _rise_and_fall(share: float, rise: float) -> float:
    """A linear rise, then a linear fall to a twentieth."""
    return min((share + 1e-3) / rise, 1.0) if share < rise else 1.0 - 0.95 * (share - rise) / (1 - rise)


def _load(network: LatentNetwork, path: Path) -> None:
    from safetensors.torch import load_file

    try:
        network.load_state_dict(load_file(path))
    except RuntimeError as problem:
        raise UsageError(f"{path}: weights of another size: {str(problem).splitlines()[0]}") from None
    except OSError as problem:
        raise NotFound(f"{path}: no weights: {problem}") from None


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    from safetensors.torch import save

    replace_file(path, save({name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}))


def words_in(folder: Path) -> tuple[str, WordPiece]:
    """The vocabulary of a training."""
    text = (folder / WORDS).read_text(encoding="utf-8")
    return text, WordPiece(text)


