"""Training of the decoder that writes explanations: a configuration in, checkpoints and a part of a bundle out.

    name: explainer
    explainer: {kind: transformer}
    data: {pairs: data/base, vocabulary: vocab.txt}
    loop: {steps: 3000}

An unknown key names the nearest key; paths are relative to the file. All randomness comes from (seed, step).
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wayfind.corpus import manual
from wayfind.corpus.extract import extract
from wayfind.errors import NotFound, TrainingError, UsageError
from wayfind.model.reading import READING_VERSION, Places, places, reading
from wayfind.model.wording import NAME, SIGNS, spelled
from wayfind.model.wordpiece import FIRST, LAST, PAD, UNKNOWN, WordPiece
from wayfind.train.decoder import END
from wayfind.train.explainer import KINDS, Explainer, Readings, character_ids, padded
from wayfind.train.explaining_data import Lesson, common_words, grounded_lessons, lessons, read_lessons, stories, true_lessons, write_lessons
from wayfind.train.recipe import record, yaml_of

log = logging.getLogger(__name__)

Report = Callable[[dict[str, Any]], None]
SPECIAL = (PAD, UNKNOWN, FIRST, LAST, NAME, *SIGNS)
"""The first pieces: padding, unknown, start, end, the mark before a name, signs."""
SENTENCE_COUNTS = 20
"""How often a piece of a sentence counts, beside one of a reading, when pieces are chosen: sentences are short, and what is written matters more."""


LAST = "last.safetensors"
"""Network, optimiser and place of a training, to go on from."""
MOMENTS = "moments/"
COUNTED = 6_000
"""Lessons, in the order of their hashes, on which pieces are counted; of more the choice is the same."""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Sizes of the network."""

    kind: str = "transformer"
    """`transformer` or `gru`, the seeds' decoder of bytes."""
    pieces: int = 6_000
    """In the table."""
    width: int = 128
    """Of the table; widened to `hidden` after look-up."""
    hidden: int = 128
    heads: int = 4
    reader: int = 2
    """Layers that read the code."""
    layers: int = 2
    """Layers that write."""
    length: int = 40
    """Pieces of a sentence at most."""
    dropout: float = 0.1


@dataclass(frozen=True, slots=True)
class DataConfig:
    """What is learned from."""

    pairs: str = ""
    """Folder of `wayfind data build`: its pairs of documentation and code are learned from."""
    lessons: str = ""
    """File of lessons to learn from instead, as a training leaves it in its output folder."""
    vocabulary: str = ""
    """`vocab.txt` out of which the pieces are chosen."""
    table: str = ""
    """Safetensors file with the vectors of that vocabulary, to start from in their first principal components; empty: random."""
    stories: str = ""
    """Plain text in the format of TinyStories, on which the decoder is trained before, as a model of language without code."""
    manual: dict[str, str] = field(default_factory=dict)
    """File of manual explanations -> the folder that it explains."""


@dataclass(frozen=True, slots=True)
class Weights:
    """How much a sentence counts in the loss by where it comes from."""

    docstring: float = 1.0
    manual: float = 3.0


@dataclass(frozen=True, slots=True)
class LoopConfig:
    """Optimiser, schedule, evaluation."""

    batch: int = 64
    steps: int = 3_000
    story_steps: int = 0
    """Steps on stories, before."""
    rate: float = 1.5e-3
    warmup: float = 0.05
    final_rate: float = 0.05
    weight_decay: float = 0.02
    clip: float = 1.0
    """Largest norm of the gradient; 0: any."""
    precision: str = "float32"
    """`float32` or `bfloat16`."""
    evaluate_every: int = 250
    minutes: float = 0.0
    """Stop with a checkpoint to resume from; 0: no limit."""
    log_every: int = 50


@dataclass(frozen=True, slots=True)
class ExplainerConfig:
    """A training of the decoder."""

    name: str
    data: DataConfig
    explainer: NetworkConfig = field(default_factory=NetworkConfig)
    weights: Weights = field(default_factory=Weights)
    loop: LoopConfig = field(default_factory=LoopConfig)
    seed: int = 0
    licences: str = ""
    better_than: list[str] = field(default_factory=list)
    """Provenances (`synthetic`, `code`) whose sentences `--explain auto` replaces by the decoder's: those that people judged worse."""


def is_explainer(path: Path) -> bool:
    """Whether a configuration file trains a decoder."""
    try:
        values = yaml_of(path)
    except UsageError:
        return False
    return isinstance(values, dict) and "explainer" in values


def read_config(path: Path) -> ExplainerConfig:
    """The configuration of a file, its paths resolved. Raises NotFound, UsageError."""
    config = record(ExplainerConfig, yaml_of(path), str(path))
    if config.explainer.kind not in KINDS:
        raise UsageError(f"{path}: explainer.kind must be one of {', '.join(KINDS)}, found {config.explainer.kind!r}")
    if config.loop.precision not in ("float32", "bfloat16"):
        raise UsageError(f"{path}: loop.precision must be float32 or bfloat16, found {config.loop.precision!r}")
    for part, name, least in (
        (config.loop, "batch", 1), (config.loop, "steps", 1), (config.loop, "evaluate_every", 1), (config.loop, "log_every", 1), (config.loop, "story_steps", 0), (config.explainer, "pieces", 64),
        (config.explainer, "width", 1), (config.explainer, "heads", 1), (config.explainer, "hidden", 1), (config.explainer, "reader", 1), (config.explainer, "layers", 1), (config.explainer, "length", 4), (config, "seed", 0),
    ):  # fmt: skip
        if getattr(part, name) < least:
            raise UsageError(f"{path}: {name} must be {least} or more, found {getattr(part, name)}")
    for part, values, names in (("loop", config.loop, ("warmup", "final_rate", "weight_decay", "clip", "minutes")), ("weights", config.weights, ("docstring", "manual"))):
        for name in names:
            if not 0 <= (value := getattr(values, name)) < math.inf or (value > 1 and name in ("warmup", "final_rate")):
                raise UsageError(f"{path}: {part}.{name} must be {'a share from 0 to 1' if name in ('warmup', 'final_rate') else '0 or more'}, found {value}")
    if config.loop.story_steps >= config.loop.steps:
        raise UsageError(f"{path}: loop.story_steps must be less than loop.steps, of which they are the first: found {config.loop.story_steps} and {config.loop.steps}")
    if not 0 < config.loop.rate < math.inf or not 0 <= config.explainer.dropout < 1:
        raise UsageError(f"{path}: loop.rate must be above 0 and explainer.dropout a share below 1, found {config.loop.rate} and {config.explainer.dropout}")
    if config.explainer.hidden % config.explainer.heads:
        raise UsageError(f"{path}: explainer.hidden must be a multiple of explainer.heads, found {config.explainer.hidden} and {config.explainer.heads}")
    data = config.data
    if config.loop.story_steps and not data.stories:
        raise UsageError(f"{path}: loop.story_steps asks for stories, and data.stories names none")
    if not (data.lessons or data.pairs):
        raise UsageError(f"{path}: data needs `pairs` or `lessons`")
    if not data.vocabulary:
        raise UsageError(f"{path}: data.vocabulary must name a vocab.txt to choose pieces from")
    at = lambda given: str((path.parent / Path(given).expanduser()).resolve()) if given else ""  # noqa: E731
    placed = {name: at(getattr(data, name)) for name in ("pairs", "lessons", "vocabulary", "table", "stories")}
    return replace(config, data=replace(data, **placed, manual={at(file): at(folder) for file, folder in data.manual.items()}))


# Data --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Words:
    """What is written with: the pieces, how many of them can be generated, and the common words with their usual forms."""

    pieces: str
    generated: int
    common: dict[str, str]

    @property
    def vocabulary(self) -> WordPiece:
        return WordPiece(self.pieces)


def words_of(learned: Sequence[Lesson], common: dict[str, str], known: Sequence[str], most: int) -> Words:
    """The `most` pieces of a known vocabulary that the lessons use most, those that common words are made of first."""
    whole = WordPiece("\n".join(known) + "\n")
    said: Counter[int] = Counter()
    for one in learned[:COUNTED]:
        said.update(dict.fromkeys(places(one.reading, whole).ids, 1))
        for piece in whole.ids(spelled(one.sentence), 100):
            said[piece] += SENTENCE_COUNTS
    letters = [mark + letter for letter in "abcdefghijklmnopqrstuvwxyz0123456789" for mark in ("", "##")]
    chosen = [known[number] for number, _ in sorted(said.items(), key=lambda one: (-one[1], one[0]))]
    fit = [piece for piece in chosen if piece.removeprefix("##").isascii() and piece.removeprefix("##").isalnum() and not any(map(str.isdigit, piece)) and len(piece.removeprefix("##")) > 1]
    kept = fit[: most - len(letters) - len(SPECIAL)]
    small = WordPiece("\n".join([*SPECIAL, *letters, *kept]) + "\n")
    listed = [*SPECIAL, *letters, *kept]
    used = {listed[number] for word in common for number in small.ids(word, 20)}
    ordered = [*SPECIAL, *(piece for piece in [*kept, *letters] if piece in used), *(piece for piece in [*kept, *letters] if piece not in used)]
    return Words("\n".join(ordered) + "\n", len(SPECIAL) + len(used), common)


def manual_lessons(files: Mapping[str, str], weight: float, left: Callable[[str], None] = lambda text: None) -> list[Lesson]:
    """Lessons of manual explanations, each of the chunk that the index would explain by it. `left` is told what matches nothing."""
    found: list[Lesson] = []
    for file, folder in files.items():
        entries = manual.load(file)
        paths = {path for one in entries if (Path(folder) / (path := manual.normal(one.file))).is_file()}
        records = {path: own for path in sorted(paths) if not isinstance(own := extract((Path(folder) / path).read_bytes(), path), str)}
        attached, unmatched = manual.attach(entries, {path: own.chunks for path, own in records.items()})
        for (path, number), entry in attached.items():
            own, chunk = records[path], records[path].chunks[number]
            found.append(Lesson(entry.explanation, reading(chunk, own.lines(chunk.start_line, chunk.end_line), own.language), own.language, "manual", weight=weight))
        for entry, why in unmatched:
            left(f"{file}: entry {entry.id} matches nothing: {why}")
    return found


class Material:
    """Lessons as rows of ids: readings, their parts, targets, weights. Each is cut into pieces when it is first drawn."""

    def __init__(self, learned: Sequence[Lesson], words: Words, kind: str, length: int) -> None:
        self._learned, self._vocabulary, self._kind, self._length = learned, words.vocabulary, kind, length
        self._rows: dict[int, tuple[Places, list[int]]] = {}
        self.sizes = np.array([len(one.reading) for one in learned], np.int64)

    def __len__(self) -> int:
        return len(self._learned)

    def _row(self, number: int) -> tuple[Places, list[int]]:
        if number not in self._rows:
            one = self._learned[number]
            self._rows[number] = places(one.reading, self._vocabulary), target_ids(one.sentence, self._vocabulary, self._kind, self._length)
        return self._rows[number]

    def batch(self, rows: Sequence[int]) -> tuple[Readings, torch.Tensor, torch.Tensor]:
        found = [self._row(row) for row in rows]
        read = Readings(padded([one.ids for one, _ in found]), padded([one.parts for one, _ in found]))
        weights = torch.tensor([self._learned[row].weight for row in rows])
        return read, padded([target for _, target in found]), weights


def target_ids(sentence: str, vocabulary: WordPiece, kind: str, length: int) -> list[int]:
    """The symbols of a sentence with the end symbol: bytes for the GRU, pieces else."""
    return character_ids(sentence) if kind == "gru" else [*vocabulary.ids(spelled(f"{sentence} ."), length - 1), END]


# Training ------------------------------------------------------------------------------------------------------------------


def train_explainer(config: ExplainerConfig, output: Path, *, resume: bool = False, report: Report = lambda line: None) -> Path | None:
    """Train, and export the best checkpoint as `output/part`. Returns that folder; None where time ran out before the end."""
    from wayfind.train.explaining_export import export_part

    output.mkdir(parents=True, exist_ok=True)
    if not resume and (output / LAST).is_file():
        raise UsageError(f"{output} already holds a training: go on with --resume, or name another --output")
    learned, words = prepared(config, output, resume, report)
    network = network_of(config, words)
    if config.data.table and not (resume and (output / LAST).is_file()):
        start_table(network.table.weight, words.pieces.split("\n")[:-1], config)
    finished = Training(config, network, learned, words, output, report).run(resume)
    if not finished:
        return None
    measured = export_part(output, output / "part")
    report({"event": "exported", "step": config.loop.steps, "steps": config.loop.steps, **measured})
    return output / "part"


def prepared(config: ExplainerConfig, output: Path, resume: bool, report: Report = lambda line: None) -> tuple[list[Lesson], Words]:
    """The lessons and the words; written to the output folder, and what goes on reads what it began with. Raises UsageError where
    that began with another configuration."""
    kept, listed = output / "lessons.jsonl.gz", output / "words.json"
    if resume and kept.is_file() and listed.is_file():
        _check_same(config, output)
        (output / "config.json").write_text(json.dumps(asdict(config), indent=1), encoding="utf-8")
        return read_lessons(kept), Words(**json.loads(listed.read_text(encoding="utf-8")))
    found = read_lessons(Path(config.data.lessons)) if config.data.lessons else list(lessons(Path(config.data.pairs)))
    common = common_words(one for one in found if one.part == "train")
    learned = true_lessons(found, common)
    if config.explainer.kind != "gru":  # bytes cannot be left out
        learned = grounded_lessons(learned)
    if sum(one.part == "train" for one in learned) < config.loop.batch:
        raise UsageError(f"{len(learned)} lessons are left of {len(found)}, fewer than a batch: common words are those of several repositories")
    learned = [replace(one, weight=one.weight * config.weights.docstring) for one in learned] + manual_lessons(config.data.manual, config.weights.manual, lambda text: report({"event": "note", "step": 0, "steps": 0, "text": text}))
    known = Path(config.data.vocabulary)
    if not known.is_file():
        raise NotFound(f"{known}: no such vocabulary")
    words = words_of(learned, common, _pieces_in(known), config.explainer.pieces)
    write_lessons(kept, learned)
    listed.write_text(json.dumps(asdict(words)), encoding="utf-8")
    (output / "config.json").write_text(json.dumps(asdict(config), indent=1), encoding="utf-8")
    return learned, words


def _pieces_in(vocabulary: Path) -> list[str]:
    """The pieces of a `vocab.txt`, whose last line may be without an end."""
    return vocabulary.read_text(encoding="utf-8").removesuffix("\n").split("\n")


FREE = {("loop", "minutes"), ("loop", "log_every"), ("loop", "evaluate_every")}
"""What may differ when a training is resumed, beside the places of data, the licences and `better_than`."""


def _check_same(config: ExplainerConfig, output: Path) -> None:
    """Raise UsageError, naming the key, where a training would be resumed with another configuration."""
    began = json.loads((output / "config.json").read_text(encoding="utf-8"))
    for part, now in asdict(config).items():
        if part in ("data", "licences", "better_than", "name"):
            continue
        for key, value in now.items() if isinstance(now, dict) else [("", now)]:
            was = began[part].get(key) if key else began[part]
            if (part, key) not in FREE and was != value:
                raise UsageError(f"{output} was trained with {part}{'.' * bool(key)}{key} = {was!r}, now it is {value!r}; set it back, or name another --output")


def network_of(config: ExplainerConfig, words: Words) -> Explainer:
    torch.manual_seed(config.seed)
    sizes = {name: value for name, value in asdict(config.explainer).items() if name != "pieces"}
    return Explainer(words.pieces.count("\n"), words.generated, **sizes)


@torch.no_grad()
def start_table(table: torch.Tensor, pieces: Sequence[str], config: ExplainerConfig) -> None:
    """Set the vectors of pieces to the first principal components of those of a larger model, at the scale of random ones."""
    from safetensors.torch import load_file

    tensors = load_file(config.data.table)
    wide = next((tensors[name] for name in ("embedding", "embeddings.word_embeddings.weight") if name in tensors), None)
    known = {piece: number for number, piece in enumerate(_pieces_in(Path(config.data.vocabulary)))}
    if wide is None or len(wide) != len(known):
        raise UsageError(f"{config.data.table}: expected the vectors of {len(known)} pieces under `embedding`")
    rows = [(place, known[piece]) for place, piece in enumerate(pieces) if piece in known]
    found = wide[[number for _, number in rows]].float()
    found = found - found.mean(dim=0)
    basis = torch.linalg.svd(found, full_matrices=False)[2][: table.shape[1]]
    vectors = found @ basis.T
    table[[place for place, _ in rows]] = vectors / vectors.std() * 0.05


class Training:
    """One training: batches, schedule, held-out loss, checkpoints."""

    def __init__(self, config: ExplainerConfig, network: Explainer, learned: Sequence[Lesson], words: Words, output: Path, report: Report) -> None:
        self.config, self.network, self.output, self.report = config, network, output, report
        kind, length = config.explainer.kind, config.explainer.length
        self.words = words
        self.material = Material([one for one in learned if one.part == "train"], words, kind, length)
        self.held_out = Material([one for one in learned if one.part != "train"], words, kind, length)
        self.stories = story_rows(config, words)
        matrices = [one for one in network.parameters() if one.dim() > 1]
        rest = [one for one in network.parameters() if one.dim() <= 1]
        groups = [{"params": matrices, "weight_decay": config.loop.weight_decay}, {"params": rest, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=config.loop.rate, betas=(0.9, 0.98))
        self.step, self.best = 0, math.inf

    def run(self, resume: bool) -> bool:
        loop, began, lap = self.config.loop, time.monotonic(), time.monotonic()
        if resume:
            self._load()
        losses: list[float] = []
        while self.step < loop.steps:
            losses.append(self._step())
            self.step += 1
            if self.step % loop.log_every == 0:
                now = time.monotonic()
                self._say("step", loss=float(np.mean(losses[-loop.log_every :])), lessons_per_second=loop.batch * loop.log_every / (now - lap))
                lap = now
            last = self.step == loop.steps
            out_of_time = bool(loop.minutes) and time.monotonic() - began > 60 * loop.minutes
            if self.step % loop.evaluate_every == 0 or last or out_of_time:
                self._evaluate()
            if out_of_time and not last:
                return False
        return True

    def _rows(self, step: int) -> list[int]:
        """Lessons of a step: of like length, drawn anew each epoch."""
        batch = min(self.config.loop.batch, len(self.material))
        each = max(1, len(self.material) // batch)
        epoch, place = divmod(step, each)
        drawn = np.random.default_rng([self.config.seed, 1, epoch])
        order = drawn.permutation(len(self.material))
        for first in range(0, len(order), 20 * batch):
            some = order[first : first + 20 * batch]
            order[first : first + 20 * batch] = sorted(some, key=lambda row: self.material.sizes[row])
        return order[drawn.permutation(each)[place] * batch :][:batch].tolist()

    def _step(self) -> float:
        loop = self.config.loop
        self.network.train()
        torch.manual_seed(hash((self.config.seed, self.step)) % 2**31)
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(self.step, loop)
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=loop.precision == "bfloat16"):
            loss = self._story_loss() if self.step < loop.story_steps else self.network.nll(*self.material.batch(self._rows(self.step)))
        loss.backward()
        norm = float(torch.nn.utils.clip_grad_norm_(self.network.parameters(), loop.clip or math.inf))
        if not math.isfinite(norm):
            raise TrainingError(f"step {self.step}: the gradient is {norm}; lower loop.rate, or use float32")
        self.optimizer.step()
        return float(loss.detach())

    def _story_loss(self) -> torch.Tensor:
        drawn = np.random.default_rng([self.config.seed, 2, self.step]).integers(0, len(self.stories), self.config.loop.batch)
        target = padded([self.stories[row] for row in drawn])
        nothing = torch.zeros(len(target), 1, dtype=torch.long)
        return self.network.nll(Readings(nothing, nothing), target)

    @torch.no_grad()
    def _evaluate(self) -> None:
        self.network.eval()
        losses = []
        for first in range(0, len(self.held_out), 64):
            rows = range(first, min(first + 64, len(self.held_out)))
            losses.append((float(self.network.nll(*self.held_out.batch(rows))), len(rows)))
        loss = sum(one * count for one, count in losses) / max(sum(count for _, count in losses), 1) if losses else -float(self.step)
        if loss < self.best:
            self.best = loss
            self._save("best")
        self._save("last")
        self._say("evaluation", held_out=loss, best=self.best)

    def _save(self, name: str) -> None:
        """Write the network, and with the last state all that goes on from it, as one file: there whole or not at all."""
        from safetensors.torch import save

        tensors, about = dict(self.network.state_dict()), {}
        if name == "last":
            tensors |= {f"{MOMENTS}{number}.{key}": value for number, one in self.optimizer.state_dict()["state"].items() for key, value in one.items()}
            about = {"state": json.dumps({"step": self.step, "best": self.best})}
        partial = self.output / f"{name}.safetensors.part"
        partial.write_bytes(save(tensors, about))
        partial.replace(self.output / f"{name}.safetensors")

    def _load(self) -> None:
        from safetensors import safe_open

        if not (self.output / LAST).is_file():
            return
        with safe_open(self.output / LAST, framework="pt") as file:
            tensors, state = {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["state"])
        self.network.load_state_dict({name: value for name, value in tensors.items() if not name.startswith(MOMENTS)})
        kept: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith(MOMENTS):
                number, key = name.removeprefix(MOMENTS).split(".")
                kept.setdefault(int(number), {})[key] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": kept})
        self.step, self.best = state["step"], state["best"]

    def _say(self, event: str, **values: Any) -> None:
        line = {"event": event, "step": self.step, "steps": self.config.loop.steps, **values}
        with open(self.output / "log.jsonl", "a", encoding="utf-8") as lines:
            lines.write(json.dumps(line) + "\n")
        self.report(line)


def story_rows(config: ExplainerConfig, words: Words) -> list[list[int]]:
    """Sentences of the stories as targets; none where there are none. Raises UsageError where steps are wanted without stories."""
    if not config.loop.story_steps:
        return []
    if not config.data.stories:
        raise UsageError("loop.story_steps is set and data.stories is not; name a text file with <|endoftext|> between stories")
    vocabulary = words.vocabulary
    return [
        target_ids(sentence, vocabulary, config.explainer.kind, config.explainer.length)
        for story in stories(Path(config.data.stories))
        for sentence in story.split(". ")
    ]


def rate_at(step: int, loop: LoopConfig) -> float:
    """Linear warm-up, then a cosine down to `final_rate` of the rate."""
    warm = max(1, round(loop.warmup * loop.steps))
    if step < warm:
        return loop.rate * (step + 1) / warm
    left = 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, loop.steps - warm)))
    return loop.rate * (loop.final_rate + (1 - loop.final_rate) * left)


__all__ = ["READING_VERSION", "ExplainerConfig", "is_explainer", "read_config", "train_explainer"]
