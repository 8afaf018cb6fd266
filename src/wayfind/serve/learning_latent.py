"""`learn --from random`: a latent model learned on the repository alone. Its options, what is shown meanwhile, and the plot."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from wayfind.errors import IndexBusy, NotFound, StorageError, UsageError
from wayfind.serve.exits import FOUND, NOTHING
from wayfind.serve.screen import shown

if TYPE_CHECKING:
    from wayfind.api import Repository
    from wayfind.train.latent_run import Outcome

Command = TypeVar("Command", bound=Callable[..., Any])
BAR = 24
_EVERY = 0.1


@dataclass(frozen=True, slots=True)
class LatentOptions:
    """What was said at the command line; None where nothing was."""

    epochs: int | None = None
    batch_size: int | None = None
    latent_dim: int | None = None
    hidden_dim: int | None = None
    layers: int | None = None
    lr: float | None = None
    seed: int | None = None
    device: str | None = None
    minutes: float | None = None
    resume: bool = False
    anew: bool = False
    drop: bool = False
    full: bool = False
    no_fusion: bool = False
    plot: str | None = None
    settings: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether one of them was given: then a latent model is meant."""
        return any(getattr(self, one.name) not in UNSAID for one in fields(self))


UNSAID = (None, False, ())
"""Values of options that were not given."""


UNFIT_FOR_FULL = ("settings", "latent_dim", "hidden_dim", "device", "plot", "anew", "no_fusion")
"""Options that `--full` has no use for: it keeps the sizes of the encoder that it tunes, and computes on the processor."""


BRIEF = 1.0
"""Seconds that a learner waits for who only looks whether one is at work (`wayfind learn --status`)."""


OPTION = {"settings": "set"}
"""Names of `LatentOptions` whose option is called otherwise."""


@contextlib.contextmanager
def learning_alone(folder: Path, wait: float = BRIEF) -> Iterator[None]:
    """The lock of what is learned of one repository. Raises IndexBusy where another process learns there, StorageError."""
    from wayfind.index.lock import held

    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot use {folder}: {error.strerror}") from error
    with contextlib.ExitStack() as lock:
        try:
            lock.enter_context(held(folder, alone=True, wait=wait))
        except IndexBusy:
            raise IndexBusy("another process learns here already; `wayfind learn --status` says how it stands") from None
        yield


def latent_options(command: Command) -> Command:
    """Give a command the options of a latent model, as parameters of the names in `LatentOptions`."""
    for option in (
        click.option("--drop", is_flag=True, help="Delete the model learned from random weights, and the tuned encoder, of this repository."),
        click.option("--full", is_flag=True, help="Tune the last layers of the encoder in use on this repository (extra [train]), keep that if search gains."),
        click.option("--no-fusion", is_flag=True, help="Do not try it in searches without --level, which takes longest.  [default: try]"),
        click.option("--plot", metavar="FILE", help="Draw loss and held-out MRR into FILE (.svg, .png; extra [plot])."),
        click.option("--anew", is_flag=True, help="Begin from random weights, though a model was learned before."),
        click.option("--resume", is_flag=True, help="Go on with a training that was interrupted."),
        click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Another part of the model from random weights: trajectory=flow_matching, couplings=0, weights.kl=0.1 …; several times."),
        click.option("--minutes", type=click.FloatRange(min=0, min_open=True), metavar="N", help="Stop at the end of the epoch after so many.  [default: 8; with --full 4]"),
        click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), help="Where to compute.  [default: auto]"),
        click.option("--seed", type=click.IntRange(0), help="Of everything that is drawn.  [default: 0]"),
        click.option("--lr", "--learning-rate", "lr", type=click.FloatRange(min=0, min_open=True), help="Learning rate.  [default: 0.0003; with --full 0.00003]"),
        click.option("--layers", type=click.IntRange(0, 12), help="Layers of attention of the encoder; with --full the last ones that are tuned.  [default: 0; with --full 2]"),
        click.option("--hidden-dim", type=click.IntRange(8), help="Size of the encoder's states.  [default: 256]"),
        click.option("--latent-dim", type=click.IntRange(2), help="Dimensions of the latent and of the vectors.  [default: 256]"),
        click.option("--batch-size", type=click.IntRange(2), help="Questions a step.  [default: 64; with --full 32]"),
        click.option("--epochs", "--num-epochs", "epochs", type=click.IntRange(1), help="Times that all is read.  [default: 8; with --full 3]"),
    ):
        command = option(command)
    return command


def learn_at(path: str | None, home: Path | None, options: LatentOptions, as_json: bool = False) -> int:
    """Bring the index of a folder, or the one in `home`, up to date and learn a latent model on it. Returns the exit code."""
    from wayfind.serve.place import opened
    from wayfind.serve.progress import meter

    if not options.drop:
        check_installed(options)
    with opened(path, home) as place, meter() as progress, learning_alone(place.repository.learned_folder):
        if not options.drop:
            place.repository.refresh(progress)
        return learn_on(place.repository, options, progress, as_json)


def learn_on(repository: Repository, options: LatentOptions, progress: Any, as_json: bool = False) -> int:
    """Do what the options ask for on an open index that is fresh, while `learning_alone` is held. Returns the exit code."""
    if options.drop:
        return _drop(repository)
    if options.full:
        repository.encode(progress)
        progress.clear()
        return learn_full(repository, options, progress, as_json)
    progress.clear()
    return learn_latent(repository, options, as_json)


def _drop(repository: Repository) -> int:
    """Delete what this module learned. Raises NotFound where there is nothing."""
    import shutil

    from wayfind.model.bundle import TUNED
    from wayfind.search.latents import folder_of

    tree = repository.tree.folder
    there = [folder for folder in (folder_of(tree), tree / TUNED) if folder.is_dir()]
    if not there:
        raise NotFound("neither a model from random weights nor a tuned encoder was learned here")
    for folder in there:
        shutil.rmtree(folder)
    click.echo("deleted; searches are as they were before")
    return FOUND


def learn_full(repository: Repository, options: LatentOptions, progress: Any, as_json: bool = False) -> int:
    """Tune the encoder in use on an open index, and say what came of it. Returns the exit code: 1 where nothing is changed."""
    unfit = [name for name in UNFIT_FOR_FULL if getattr(options, name) not in UNSAID]
    if unfit:
        raise UsageError(f"--{OPTION.get(unfit[0], unfit[0].replace('_', '-'))} is of models from random weights, and acts on nothing with --full")
    from wayfind.train.finetune import Plan, tune

    said = {"layers": options.layers, "epochs": options.epochs, "batch": options.batch_size, "rate": options.lr, "seed": options.seed, "minutes": options.minutes}
    teller = _Lines() if as_json else _Words(Path())
    found = tune(repository, Plan(**{name: value for name, value in said.items() if value is not None}, resume=options.resume), teller, progress)
    teller.clear()
    progress.clear()
    if found.verdict.kept:
        repository.encode(progress)
        progress.clear()
    for line in [json.dumps(_full_data(found))] if as_json else _full_said(found):
        click.echo(line)
    return FOUND if found.verdict.kept else NOTHING


def _full_data(found: Any) -> dict[str, Any]:
    from wayfind.train.finetune import figures_of

    return {"event": "tuned", "kept": found.verdict.kept, "why": found.verdict.why, "bundle": found.bundle, "lessons": found.lessons, "seconds": found.seconds, "mrr": found.mrr, "figures": figures_of(found)}


def _full_said(found: Any) -> list[str]:
    spent = ", ".join(f"{name} {value:.0f} s" for name, value in found.seconds.items())
    lines = [f"tuned on {found.lessons:,} lessons ({spent}); MRR among held-out lessons: {' -> '.join(f'{value:.3f}' for value in found.mrr)}"]
    for part in ("gate", "report", "general"):
        for one in getattr(found, part):
            lines.append(f"  {part:<8} {one.kind} {one.figure:<10} {one.before.mean:.3f} -> {one.after.mean:.3f}   {one.gain.mean:+.3f} [{one.gain.low:+.3f}, {one.gain.high:+.3f}]  {one.gain.n} questions")
    kept = f"in use for this repository as {found.bundle}" if found.verdict.kept else "nothing is changed"
    return [*lines, f"{kept}: {found.verdict.why}"]


def learn_latent(repository: Repository, options: LatentOptions, as_json: bool = False) -> int:
    """Learn a latent model on an open index and say what came of it. Returns the exit code.

    Raises UsageError without the extra [train], or where there is too little to learn from.
    """
    check_installed(options)
    from wayfind.search.latents import folder_of
    from wayfind.train.latent_loop import LOG
    from wayfind.train.latent_run import RUN, checked, learn, warmed
    from wayfind.train.memory import enough_memory

    log = folder_of(repository.snapshot().folder) / RUN / LOG
    teller = _Lines() if as_json else _Words(log)
    try:
        with enough_memory("--latent-dim, --hidden-dim, --layers or --batch-size"):
            outcome = learn(repository, checked(_wish(options)), teller)
    finally:
        teller.clear()
    warmed(repository)
    if options.plot:
        draw(log, Path(options.plot))
    for line in [json.dumps(_as_data(outcome))] if as_json else _said(outcome, log):
        click.echo(line)
    return FOUND


def check_installed(options: LatentOptions) -> None:
    """Raises UsageError where what is asked for needs a package that is not there."""
    if missing := next((name for name in ("torch", "zuko", "safetensors", "onnxscript") if _lacks(name)), None):
        raise UsageError(f"training here needs {missing}: pip install 'wayfind[train]'")
    if options.plot:
        _check_plot(options.plot)


def _lacks(package: str) -> bool:
    try:
        return find_spec(package) is None
    except ImportError:
        return True


def _wish(options: LatentOptions) -> Any:
    from wayfind.train.latent_loop import Schedule
    from wayfind.train.latent_run import Wish

    said = {"epochs": options.epochs, "batch": options.batch_size, "rate": options.lr, "seed": options.seed, "device": options.device, "minutes": options.minutes}
    sizes = {"latent": options.latent_dim, "hidden": options.hidden_dim, "layers": options.layers}
    given = lambda values: {name: value for name, value in values.items() if value is not None}  # noqa: E731
    return Wish(Schedule(**given(said)), **given(sizes), arms=arms_of(options.settings), resume=options.resume, anew=options.anew, fuse=not options.no_fusion)


def arms_of(settings: Sequence[str]) -> dict[str, Any]:
    """Fields of a latent model's configuration, of texts such as `trajectory=flow_matching` and `weights.kl=0.1`. Raises UsageError."""
    import yaml

    from wayfind.train.latent import LatentConfig
    from wayfind.train.recipe import record

    values: dict[str, Any] = {}
    for text in settings:
        key, sign, value = text.partition("=")
        if not sign or key in SIZED:
            raise UsageError(f"--set {text}: " + (f"give it by --{SIZED[key]}" if key in SIZED else "write --set KEY=VALUE"))
        part, _, inner = key.rpartition(".")
        try:
            (values.setdefault(part, {}) if part else values)[inner] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise UsageError(f"--set {text}: {value!r} is no value") from None
    made = record(LatentConfig, {"vocabulary": 1, **values}, "--set")  # which reconstruction asks for, and the sizes give later
    return {name: getattr(made, name) for name in values}


SIZED = {"hidden": "hidden-dim", "latent": "latent-dim", "vocabulary": "hidden-dim", "width": "hidden-dim"}
"""What follows from the sizes -> the option for them."""


class _Lines:
    """Every line of the log as JSON."""

    def __call__(self, line: dict[str, Any]) -> None:
        if line["event"] not in ("step", "stage"):
            click.echo(json.dumps(line))

    def clear(self) -> None:
        """Nothing to take away."""


class _Words:
    """A bar within an epoch on a terminal, and a line an epoch."""

    def __init__(self, log: Path):
        self._on, self._next, self._log = sys.stderr is not None and sys.stderr.isatty(), 0.0, log

    def __call__(self, line: dict[str, Any]) -> None:
        event = line["event"]
        if event == "step":
            self._bar(line)
        elif event == "stage" and self._on:
            sys.stderr.write(f"\r\x1b[Kjudging: {line['stage']}")
        elif event in SAID:
            self.clear()
            click.echo(SAID[event](line))
            if event == "begin":
                click.echo(f"  follow it with: tail -f {shown(str(self._log))}")

    def _bar(self, line: dict[str, Any]) -> None:
        import time

        now = time.monotonic()
        if not self._on or now < self._next:
            return
        self._next = now + _EVERY
        filled = round(BAR * line["step"] / line["steps"])
        left = int(line["seconds_left"])
        text = f"epoch {line['epoch']}/{line['epochs']} [{'#' * filled}{'.' * (BAR - filled)}] {line['texts_per_second']:.0f} texts/s, {left // 60}:{left % 60:02d} left"
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the bar away."""
        if self._on:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _epoch(line: dict[str, Any]) -> str:
    if "before" in line:
        return f"epoch {line['epoch']}/{line['epochs']}: loss {line['loss']:.3f}, MRR of held-out lessons {line['mrr']:.3f} (before {line['before']:.3f}), {line['pairs_per_second']:.1f} pairs/s"
    left = int(line["seconds_left"])
    health = f"{line['active']}/{line['dimensions']} dimensions active, effective rank {line['effective_rank']:.0f}"
    return f"epoch {line['epoch']}: loss {line['loss']:.3f}, held-out MRR {line['mrr']:.3f}, {health}, {line['texts_per_second']:.0f} texts/s, {left // 60}:{left % 60:02d} left"


SAID: dict[str, Callable[[dict[str, Any]], str]] = {
    "begin": lambda line: f"learning from {line['questions']:,} questions and {line['passages']:,} passages, {line['held_out']} questions held out; {line['parameters']:,} parameters",
    "epoch": _epoch,
    "stop": lambda line: f"stopped: {line['why']}; best held-out MRR {line['best']:.3f} after epoch {line['best_epoch']}",
}


def _said(outcome: Outcome, log: Path) -> list[str]:
    """What a person is told at the end."""
    health = outcome.learned.health
    lines = [
        f"{'went on from the model that was there' if outcome.continued else 'learned from random weights'}: {health.active} of {health.dimensions} dimensions active, effective rank {health.effective_rank:.0f}",
        "MRR on questions that were never learned from, by level (untrained in brackets):",
    ]
    for now, was in zip(outcome.tasks, outcome.before):
        if now.questions:
            figures = ", ".join(f"{level} {value:.3f} ({was.mrr[level]:.3f})" for level, value in now.mrr.items())
            lines.append(f"  {now.task}: {figures}; {now.questions} questions among {now.pool} functions")
    lines.append("  cosine between levels: " + ", ".join(f"{pair} {value:.3f}" for pair, value in outcome.cosines.items()))
    lines += _advice(outcome)
    lines.append('search by it: wayfind search "…" --level semantics')
    return lines


def _advice(outcome: Outcome) -> list[str]:
    record = outcome.record
    off = [f"{task} ({best} is better at it)" for task, best in record.best.items() if best and best != task]
    lines = [f"  off by default, not best at their own task: {', '.join(off)}"] if off else []
    if record.weight:
        return [*lines, f"  passed the gate: it takes part in every search with weight {record.weight:g}"]
    return [*lines, "  " + (record.figures.get("fusion", {}).get("why") or "takes no part in searches without --level")]


def _as_data(outcome: Outcome) -> dict[str, Any]:
    from dataclasses import asdict

    return {"event": "learned", **asdict(outcome.record), "cosines": outcome.cosines, "continued": outcome.continued}


def _check_plot(place: str) -> None:
    if _lacks("matplotlib"):
        raise UsageError("drawing needs matplotlib: pip install 'wayfind[plot]'")
    if Path(place).suffix.lower() not in (".svg", ".png", ".pdf"):
        raise UsageError(f"--plot draws .svg, .png or .pdf, not {place}")


def curves(log: Path) -> dict[str, Sequence[float]]:
    """Name -> value of every epoch in a log. Raises NotFound."""
    try:
        rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    except OSError:
        raise NotFound(f"no log at {log}") from None
    epochs = [row for row in rows if row["event"] == "epoch"]
    return {name: [row[name] for row in epochs] for name in ("epoch", "loss", "mrr", "active", "effective_rank")}


def draw(log: Path, target: Path) -> None:
    """Draw the curves of a log. Raises NotFound."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    found = curves(log)
    figure, axes = pyplot.subplots(3, 1, sharex=True, figsize=(7, 7), layout="constrained")
    for axis, names in zip(axes, (("loss",), ("mrr",), ("active", "effective_rank"))):
        for name in names:
            axis.plot(found["epoch"], found[name], marker=".", label={"mrr": "held-out MRR", "active": "active dimensions", "effective_rank": "effective rank"}.get(name, name))
        axis.legend()
        axis.grid(alpha=0.3)
    axes[-1].set_xlabel("epoch")
    figure.savefig(target)
    pyplot.close(figure)
