"""Fine-tune the encoder in use on a repository (`learn --full`): its last layers learn from the lessons' train part, and what comes out
is used for that repository alone, in place of the encoder, if the gate finds that search gains by it.

The layers below are run once for every text, and their states kept; so an epoch costs a few layers and no more. The tuned encoder is a
bundle of its own, keyed by the hash of its weights: its vectors never meet those of the base.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wayfind.api import Repository
from wayfind.errors import NotFound, TrainingError, UsageError
from wayfind.evaluate.scratch import GitError
from wayfind.files import private, replace_file
from wayfind.index.vectors import fill
from wayfind.model import bundle as bundles
from wayfind.model.bundle import TUNED, Bundle, tuned_of, use_tuned
from wayfind.model.encoder import Encoder
from wayfind.model.text import chunk_text, plain
from wayfind.model.wordpiece import WordPiece
from wayfind.search.late import Late
from wayfind.search.meanings import Meanings
from wayfind.search.searcher import Searcher
from wayfind.train.adapt.exams import Exam, Sheet, answered, exams
from wayfind.train.adapt.gate import ALL, Compared, Verdict, compare, general_questions, judge, summary, together
from wayfind.train.adapt.lessons import lessons
from wayfind.train.batches import generator
from wayfind.train.objectives import info_nce
from wayfind.train.upper_layers import LowerLayers, UpperLayers
from wayfind.types import Progress

RUN = "run"
"""Folder of the training, beside the bundles."""
FEWEST = 40
"""Lessons of the train part below which nothing is tried."""
VALID = 8
"""One lesson of so many says which epoch was the best."""
QUERY, CODE = 32, 96
"""Ids that are read of a question and of a code while tuning."""
MOST = 4000
"""Lessons at most: so many take some minutes on two cores."""
TEMPERATURE = 0.05
EXAMS = {"commit": 100, "docstring": 80}
"""Questions of a kind in a part."""

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to tune: the last `layers` layers, for so many epochs or minutes."""

    layers: int = 2
    epochs: int = 3
    batch: int = 32
    rate: float = 3e-5
    seed: int = 0
    minutes: float = 4.0
    resume: bool = False


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a run gave. `bundle` is in use if the verdict says so."""

    bundle: str
    verdict: Verdict
    lessons: int
    seconds: dict[str, float]
    """Stage -> seconds."""
    mrr: list[float]
    """Of the lessons that choose the epoch, among each other's codes: before, then after each epoch."""
    gate: tuple[Compared, ...] = ()
    report: tuple[Compared, ...] = ()
    general: tuple[Compared, ...] = ()


@dataclass(frozen=True, slots=True)
class Taught:
    """Lessons as ids."""

    query: list[np.ndarray] = field(default_factory=list)
    code: list[np.ndarray] = field(default_factory=list)
    weight: list[float] = field(default_factory=list)
    valid: list[bool] = field(default_factory=list)


@private()
def tune(repository: Repository, plan: Plan, report: Report, say: Progress) -> Tuned:
    """Tune, judge, and put in use what gains. Raises UsageError without an encoder or with too little to learn from."""
    base = bundles.current()
    if base is None or "encoder" not in base.parts or base.parts["encoder"].get("make") == "onnx":
        raise UsageError("--full tunes the encoder that comes with Wayfind; set the model to base: wayfind config set model base")
    import onnx

    began = time.monotonic()
    graph = onnx.load(base.checked(base.parts["encoder"]["weights"]))
    upper = UpperLayers(graph, plan.layers)
    taught = _taught(repository, WordPiece(base.checked(base.parts["encoder"]["vocabulary"]).read_text(encoding="utf-8")), plan.seed)
    folder = repository.tree.folder / TUNED
    training = _Training(upper, LowerLayers(graph, upper), taught, plan, folder / RUN, report)
    read = time.monotonic()
    mrr = training.run()
    trained = time.monotonic()
    made = _written(base, upper, folder)
    tuned = _judged(repository, Encoder(made), plan.seed, say)
    seconds = {"read": read - began, "train": trained - read, "judge": time.monotonic() - trained}
    if tuned.verdict.kept:
        use_tuned(repository.tree.folder, made.id, base.encoder_id)
    _prune(repository.tree.folder, base)
    return replace(tuned, bundle=made.id, lessons=len(taught.query), seconds={name: round(value, 1) for name, value in seconds.items()}, mrr=mrr)


def _prune(tree: Path, base: Bundle) -> None:
    """Delete the tuned bundles of a tree but the one in use, if one is; also what an interrupted run left."""
    used = tuned_of(tree, base)
    for old in (tree / TUNED).iterdir():
        if old.is_dir() and old.name not in (RUN, used.id if used else ""):
            shutil.rmtree(old, ignore_errors=True)


def _taught(repository: Repository, words: WordPiece, seed: int) -> Taught:
    """The train lessons that have one answer, as ids. Raises UsageError where they are too few."""
    snapshot = repository.snapshot()
    places = {(snapshot.paths[snapshot.file[chunk]], symbol): chunk for chunk, symbol in enumerate(snapshot.symbols) if symbol}
    found = Taught()
    own = [lesson for lesson in lessons(repository).of("train") if lesson.targets]
    drawn = generator(seed, 21).permutation(len(own))[:MOST]
    for row in sorted(drawn.tolist()):
        lesson, gold = own[row], own[row].targets[0]
        code = lesson.code
        if not code and (chunk := places.get((gold.path, gold.symbol or ""))) is not None:
            code = chunk_text(gold.path, gold.symbol, snapshot.chunk(chunk)[1])
        if code:
            found.query.append(np.array(words.framed(plain(lesson.query), QUERY), np.int64))
            found.code.append(np.array(words.framed(plain(code), CODE), np.int64))
            found.weight.append(lesson.weight)
            found.valid.append(int(lesson.digest[:8], 16) % VALID == 0)
    if len(found.query) < FEWEST:
        raise UsageError(f"{repository.root} is too small to tune an encoder on: {FEWEST} lessons are needed, found {len(found.query)}; `wayfind learn` may still adapt it")
    return found


class _Training:
    def __init__(self, upper: UpperLayers, lower: LowerLayers, taught: Taught, plan: Plan, folder: Path, report: Report) -> None:
        self.upper, self.lower, self.taught, self.plan, self.folder, self.report = upper, lower, taught, plan, folder, report
        self.states: dict[str, list[np.ndarray]] = {}
        self.best: dict[str, Tensor] = {}
        self.optimizer = torch.optim.AdamW(upper.parameters(), lr=plan.rate, betas=(0.9, 0.98), weight_decay=0.01)

    def run(self) -> list[float]:
        """Train; the upper layers are left as they were after the best epoch. Returns the MRR before and after each."""
        began = time.monotonic()
        self.states = {side: self._states(getattr(self.taught, side)) for side in ("query", "code")}
        mrr = self._restored() if self.plan.resume else []
        if not mrr:
            mrr = [self._mrr()]
            self.best = self._weights()
        for epoch in range(len(mrr) - 1, self.plan.epochs):
            loss, rate = self._epoch(epoch, began)
            mrr.append(self._mrr())
            if mrr[-1] >= max(mrr[:-1]):
                self.best = self._weights()
            self._save(mrr)
            self.report({"event": "epoch", "epoch": epoch + 1, "epochs": self.plan.epochs, "loss": loss, "mrr": mrr[-1], "before": mrr[0], "pairs_per_second": rate, "seconds": time.monotonic() - began})
            if self.plan.minutes and time.monotonic() - began > 60 * self.plan.minutes:
                break
        self.upper.load_state_dict(self.best)
        return [round(value, 4) for value in mrr]

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.upper.state_dict().items()}

    def _epoch(self, epoch: int, began: float) -> tuple[float, float]:
        rows = np.flatnonzero(~np.array(self.taught.valid))
        order = generator(self.plan.seed, 22, epoch).permutation(rows)
        batches = np.array_split(order, max(1, len(order) // self.plan.batch))
        losses, lap = [], time.monotonic()
        for place, batch in enumerate(batches):
            share = (epoch + place / len(batches)) / self.plan.epochs
            for group in self.optimizer.param_groups:
                group["lr"] = self.plan.rate * min(10 * share + 0.05, 1.0) * (1 - 0.9 * share)
            losses.append(self._step(batch))
            self.report({"event": "step", "epoch": epoch + 1, "epochs": self.plan.epochs, "step": place + 1, "steps": len(batches), "texts_per_second": 2 * self.plan.batch * (place + 1) / (time.monotonic() - lap), "seconds_left": (time.monotonic() - began) * (1 - share) / max(share, 1e-3)})
        return float(np.mean(losses)), len(order) / (time.monotonic() - lap)

    def _step(self, rows: np.ndarray) -> float:
        query, code = (self._vectors(side, rows) for side in ("query", "code"))
        excluded = self._same(rows)
        weight = torch.tensor([self.taught.weight[row] for row in rows])
        self.optimizer.zero_grad(set_to_none=True)
        loss = info_nce(query, code, excluded, weight, TEMPERATURE)
        loss.backward()
        norm = float(torch.nn.utils.clip_grad_norm_(self.upper.parameters(), 1.0))
        if not np.isfinite(norm):
            raise TrainingError(f"the gradient is {norm}; learn with a lower --lr")
        self.optimizer.step()
        return float(loss.detach())

    def _same(self, rows: np.ndarray) -> Tensor:
        """Codes that are no negatives: equal ones, and those of equal questions."""
        keys = [[getattr(self.taught, side)[row].tobytes() for row in rows] for side in ("query", "code")]
        return torch.tensor([[any(side[i] == side[j] for side in keys) for j in range(len(rows))] for i in range(len(rows))])

    def _states(self, texts: Sequence[np.ndarray]) -> list[np.ndarray]:
        """States at the cut, float16 [token, hidden] each."""
        found: list[np.ndarray] = [np.zeros(0)] * len(texts)
        for some, ids, mask in _batches(texts, 16):
            for row, own in zip(some, self.lower.states(ids, mask)):
                found[row] = own[: len(texts[row])].astype(np.float16)
        return found

    def _vectors(self, side: str, rows: Sequence[int]) -> Tensor:
        own = [self.states[side][row] for row in rows]
        states = np.zeros((len(own), max(map(len, own)), own[0].shape[1]), np.float32)
        mask = np.zeros(states.shape[:2], np.int64)
        for row, one in enumerate(own):
            states[row, : len(one)], mask[row, : len(one)] = one, 1
        return self.upper(torch.from_numpy(states), self.lower.beside(mask))

    @torch.no_grad()
    def _mrr(self) -> float:
        """Of the held-out lessons' questions among their codes; nan-free: 0 where there is none."""
        rows = np.flatnonzero(self.taught.valid)[:200]
        if not len(rows):
            return 0.0
        query, code = (torch.cat([self._vectors(side, part) for part in np.array_split(rows, -(-len(rows) // 32))]) for side in ("query", "code"))
        scores = (query @ code.T).masked_fill(self._same(rows) & ~torch.eye(len(rows), dtype=torch.bool), -2.0)
        return float((1 / (scores >= scores.diagonal()[:, None]).sum(dim=1)).mean())

    def _save(self, mrr: Sequence[float]) -> None:
        from safetensors.torch import save

        self.folder.mkdir(parents=True, exist_ok=True)
        tensors = dict(self.upper.state_dict()) | {f"best/{name}": value for name, value in self.best.items()}
        for number, parameter in enumerate(self.upper.parameters()):
            tensors |= {f"moments/{number}/{key}": value for key, value in self.optimizer.state[parameter].items()}
        replace_file(self.folder / "weights.safetensors", save({name: value.contiguous().clone() for name, value in tensors.items()}))
        replace_file(self.folder / "state.json", json.dumps({"plan": asdict(self.plan), "mrr": list(mrr)}).encode())

    def _restored(self) -> list[float]:
        """Put back what was saved. Returns the MRR so far. Raises NotFound, UsageError."""
        from safetensors.torch import load_file

        try:
            state = json.loads((self.folder / "state.json").read_text(encoding="utf-8"))
            tensors = load_file(self.folder / "weights.safetensors")
        except OSError:
            raise NotFound(f"no training to resume in {self.folder}; run the same command without --resume") from None
        now = asdict(self.plan)
        if changed := [key for key, value in state["plan"].items() if key not in ("epochs", "minutes", "resume") and value != now[key]]:
            raise UsageError(f"the training in {self.folder} had {changed[0]} = {state['plan'][changed[0]]!r}; set it back, or start anew without --resume")
        self.upper.load_state_dict({name: value for name, value in tensors.items() if not name.startswith(("moments/", "best/"))})
        self.best = {name.removeprefix("best/"): value for name, value in tensors.items() if name.startswith("best/")}
        for number, parameter in enumerate(self.upper.parameters()):
            self.optimizer.state[parameter] = {key: tensors[f"moments/{number}/{key}"] for key in ("step", "exp_avg", "exp_avg_sq")}
        return state["mrr"]


def _batches(texts: Sequence[np.ndarray], size: int) -> Iterator[tuple[list[int], np.ndarray, np.ndarray]]:
    """Rows of texts of like length, their ids and mask."""
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    for first in range(0, len(order), size):
        some = order[first : first + size]
        ids = np.zeros((len(some), max(len(texts[row]) for row in some)), np.int64)
        mask = np.zeros_like(ids)
        for place, row in enumerate(some):
            ids[place, : len(texts[row])], mask[place, : len(texts[row])] = texts[row], 1
        yield some, ids, mask


def _written(base: Bundle, upper: UpperLayers, folder: Path) -> Bundle:
    """The bundle of the tuned encoder, in a folder named by its id; every other part is the base's."""
    unnamed = folder / f".bundle.{os.getpid()}"
    shutil.rmtree(unnamed, ignore_errors=True)
    weights = base.parts["encoder"]["weights"]
    files = {name: (base.folder / name).read_bytes() for name in base.digests if name != weights}
    made = bundles.write(unnamed, f"{base.name}+tuned", base.parts, {**files, weights: upper.written().SerializeToString()}, {"base": base.id})
    target = folder / made.id
    shutil.rmtree(target, ignore_errors=True)
    os.replace(unnamed, target)
    return bundles.load(target)


def _judged(repository: Repository, encoder: Encoder, seed: int, say: Progress) -> Tuned:
    """The figures of search with the base and with the tuned encoder, and the verdict."""
    try:
        with tempfile.TemporaryDirectory(prefix="wayfind-full-", ignore_cleanup_errors=True) as scratch:
            with exams(repository, lessons(repository).split, Path(scratch), most=EXAMS, seed=seed, say=say) as made:
                judging = [exam for exam in made if exam.part != "train"]
                before = [answered(Searcher(exam.snapshot), exam.questions) for exam in judging]
                after = [_with_tuned(exam, encoder, say) for exam in judging]
                general = _general(judging[0], encoder, seed) if judging else []
    except GitError as refused:
        return Tuned("", Verdict(False, f"git refused what judging needs: {refused}"), 0, {}, [])
    gate, report = (_compared(judging, before, after, part, seed) for part in ("gate", "report"))
    return Tuned("", judge(gate, general), 0, {}, [], tuple(gate), tuple(report), tuple(general))


def _general(exam: Exam, encoder: Encoder, seed: int) -> list[Compared]:
    """The general questions, asked of an index that has the vectors of both encoders."""
    snapshot = exam.repository.snapshot()
    asked = general_questions(snapshot, ("gate", "report"))
    return compare("name", *(answered(_tuned_searcher(snapshot, one), asked) for one in (None, encoder)), seed)


def _with_tuned(exam: Exam, encoder: Encoder, say: Progress) -> Sheet:
    fill(exam.repository.tree, encoder, say)
    return answered(_tuned_searcher(exam.repository.snapshot(), encoder), exam.questions)


def _tuned_searcher(snapshot, encoder: Encoder | None) -> Searcher:
    """A searcher that reads with this encoder in place of the one in use."""
    searcher = Searcher(snapshot)
    if encoder is not None:
        searcher.meanings = Meanings(snapshot, encoder)
        searcher.late = Late(snapshot, encoder) if encoder.late_dim else None
        searcher.latent = None
    return searcher


def _compared(made: Sequence[Exam], before: Sequence[Sheet], after: Sequence[Sheet], part: str, seed: int) -> list[Compared]:
    chosen = [(exam.kind, old, new) for exam, old, new in zip(made, before, after) if exam.part == part]
    found = compare(ALL, together([old for _, old, _ in chosen]), together([new for _, _, new in chosen]), seed)
    for kind, old, new in chosen:
        found += compare(kind, old, new, seed)
    return found


def figures_of(tuned: Tuned) -> dict[str, Any]:
    """The figures as JSON has them."""
    return {name: dict(summary(found)) for name, found in (("gate", tuned.gate), ("report", tuned.report), ("general", tuned.general))}
