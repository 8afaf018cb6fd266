"""The command that learns from a repository: learn. What is learned by default, its figures, and going back; the rest is delegated."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wayfind.errors import IndexBusy, ModelError, NotFound, StorageError, UsageError
from wayfind.serve.exits import FOUND, NOTHING, note
from wayfind.serve.learning_latent import OPTION, UNSAID, LatentOptions, check_installed, latent_options, learn_at, learning_alone
from wayfind.serve.place import folder_around, home_of, is_begun, opened, whole
from wayfind.serve.processes import python
from wayfind.serve.progress import meter
from wayfind.serve.screen import counted, shown

if TYPE_CHECKING:
    from wayfind.api import Repository
    from wayfind.model.adaptation import Adaptation
    from wayfind.train.adapt.run import Learnt

LOG = "learn.log"
NICENESS = 10
STARTING = 200
"""Tenths of a second that a learner in the background may take to begin."""


@click.command("learn")
@click.argument("path", required=False)
@click.option("--status", "telling", is_flag=True, help="Show what was learned and is in use, with its figures.")
@click.option("--rollback", is_flag=True, help="Go back to what was learned before, or to nothing.")
@click.option("--until", metavar="COMMIT", help="Learn from the tree and the history up to COMMIT alone.")
@click.option("--export", "target", metavar="FILE", help="Write what is in use into FILE: numbers, and the words of `wayfind vocabulary`; no source text.")
@click.option("--import", "source", metavar="FILE", help="Use what --export wrote, of the same repository and made with the same model.")
@click.option("--force", is_flag=True, help="With --import: use FILE though it was learned of another repository.")
@click.option("--background", is_flag=True, help="Learn in a process of its own, at low priority; --status says how it ended.")
@click.option("--sentences", is_flag=True, help="Try whether the documentation here makes what --explain generated writes better.")
@click.option("--from", "begin", type=click.Choice(["random"]), help="random: a model of its own, learned on this repository alone (extra [train]).")
@latent_options
@click.option("--index", metavar="FOLDER", help="The index that `wayfind index --output FOLDER` wrote.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; with --full and --from random one a line.")
def learn_command(
    path: str | None, telling: bool, rollback: bool, until: str | None, target: str | None, source: str | None, force: bool, background: bool, sentences: bool,
    begin: str | None, index: str | None, as_json: bool, **own: Any,
) -> int:  # fmt: skip
    """Adapt search to the repository at PATH (default: the one around the current folder, or that folder), and keep that only if it is shown to help.

    Questions come from its documentation, comments, tests and history; of these a part is held out to decide, and a part to say what
    the gain is. Searches go on meanwhile. Exit code 1: too little to learn from, or no gain; then nothing is changed. An
    interrupted run leaves what was; start it again, it takes two or three minutes a thousand functions.
    """
    options, home = LatentOptions(**own), home_of(index)
    latent = begin is not None or any(value not in UNSAID for name, value in own.items() if name != "seed")
    asked = {"--status": telling, "--rollback": rollback, "--export": target, "--import": source, "--sentences": sentences, "--background": background, "--until": until, "--force": force}
    _check_together([name for name, value in asked.items() if value], begin, options, latent)
    if as_json and (mute := next((name for name in ("--rollback", "--export", "--import", "--background") if asked[name]), "--drop" if options.drop else "")):
        raise UsageError(f"{mute} prints no JSON; leave out --json")
    asking = telling or rollback or target is not None
    if path is None and home is None:
        path = (folder_around() or ".") if asking or options.drop else whole("learning on", "wayfind learn")
    if latent and not background:
        return learn_at(path, home, options, as_json)
    if asking and not is_begun(path, home):
        raise NotFound(f"nothing was indexed or learned in {os.path.abspath(path or '.')} yet; learn with: wayfind learn")
    if latent:
        check_installed(options)
    with opened(path, home) as place:
        if telling:
            return _tell(place.repository, as_json)
        if rollback:
            return _go_back(place.repository)
        if target:
            return _export(place.repository, Path(target))
        if source:
            return _import(place.repository, Path(source), force)
        if sentences:
            return _sentences(place.repository, options.seed or 0, as_json)
        if background:
            return _begin(place.repository, index, {"until": until, "from": begin, **own})
        return learn_here(place.repository, until=until, seed=options.seed or 0, as_json=as_json)


def _check_together(asked: list[str], begin: str | None, options: LatentOptions, latent: bool) -> None:
    """Raise UsageError where options were given of which one would be left aside."""
    if options.full and begin:
        raise UsageError("give one of --full and --from random")
    if options.drop and (asked or options != LatentOptions(drop=True)):
        raise UsageError("--drop deletes what --full and --from random learned, and takes no other option")
    if "--force" in asked and "--import" not in asked:
        raise UsageError("--force says that --import may take what was learned of another repository; give --import FILE with it")
    other = [name for name in asked if name not in ("--force", "--until")]
    if len(other) > 1:
        raise UsageError(f"give one of {' and '.join(other)}")
    if latent and (unfit := [name for name in asked if name != "--background"]):
        raise UsageError(f"{unfit[0]} says nothing to --full and to models from random weights; give the one or the other")
    if "--until" in asked and other not in ([], ["--background"]):
        raise UsageError(f"--until says what to learn from; it says nothing to {other[0]}")


def learn_here(repository: Repository, *, until: str | None = None, seed: int = 0, as_json: bool = False) -> int:
    """Learn on an open index, keep it if it helps, and say what came of it. Returns the exit code. Raises IndexBusy where another
    process learns here."""
    from wayfind.model import adaptation as adaptations
    from wayfind.train.adapt.run import as_of, learn

    with learning_alone(repository.learned_folder), meter() as progress:
        repository.refresh(progress)
        repository.encode(progress)
        if until is None:
            learnt = learn(repository, seed=seed, say=progress)
        else:
            with as_of(repository, until) as then:
                learnt = learn(then, seed=seed, say=progress)
        if learnt.verdict.kept and learnt.adaptation:
            adaptations.store(repository.learned_folder, learnt.adaptation)
            adaptations.use(repository.learned_folder, learnt.adaptation.id)
    click.echo(json.dumps(_as_data(learnt)) if as_json else "\n".join(_said(learnt)))
    return FOUND if learnt.verdict.kept else NOTHING


def _sentences(repository: Repository, seed: int, as_json: bool) -> int:
    """Try the decoder in the manner of the repository's documentation, and say what came of it."""
    from dataclasses import asdict

    from wayfind.train.adapt.sentences import FEWEST, learn_sentences

    with learning_alone(repository.learned_folder), meter() as progress:
        repository.refresh(progress)
        found = learn_sentences(repository, seed)
    if as_json:
        click.echo(json.dumps(asdict(found)))
    elif not found.gate or not found.report:
        click.echo(f"{found.documented} documented functions and types, and {FEWEST} are needed; nothing was changed")
    else:
        for name, one in (("gate", found.gate), ("report", found.report)):
            click.echo(f"{name:7} ROUGE-L of {one.gain.n} held-out sentences {one.before:.3f} -> {one.after:.3f}, {one.gain.mean:+.3f} [{one.gain.low:+.3f}, {one.gain.high:+.3f}]")
        click.echo("kept: --explain generated writes in the manner of the documentation here" if found.kept else "not kept: no certain gain")
    return FOUND if found.kept else NOTHING


def _tell(repository: Repository, as_json: bool) -> int:
    """What is in use, and how learning stands."""
    from wayfind.model import adaptation as adaptations

    folder = repository.learned_folder
    line = adaptations.line(folder)
    told: dict[str, Any] = {"in_use": line[0] if line else "", "before": line[1:], "learning": _busy(folder), "problem": ""}
    found = None
    if line:
        try:
            found = adaptations.load(folder, line[0])
            told |= {"model": found.model, **{name: found.about.get(name) for name in ("components", "lessons", "cutoff", "figures")}}
        except (ModelError, NotFound) as error:
            told["problem"] = str(error)
    if found and not told["problem"] and found.model != _model(repository):
        told["problem"] = "made for another model than the one in use, so searches leave it aside; learn again: wayfind learn"
    told |= {"tuned": _tuned(repository), "latent": _latent(repository)}
    for row in [json.dumps(told)] if as_json else _told(told, folder):
        click.echo(row)
    return FOUND if line or told["tuned"] or told["latent"] else NOTHING


def _told(told: dict[str, Any], folder: Path) -> Iterator[str]:
    if told["learning"]:
        yield "learning is under way"
    if not told["in_use"]:
        yield "nothing learned is in use; learn with: wayfind learn"
    else:
        yield f"in use: {told['in_use']} ({', '.join(told.get('components') or ())}); {counted(len(told['before']), 'earlier one')} to go back to"
    yield from _told_of_others(told)
    if told["problem"]:
        yield f"  {shown(told['problem'])}"
    for part in ("gate", "report", "general"):
        for name, of in ((told.get("figures") or {}).get(part) or {}).items():
            yield _row(part, name, of["before"], of["after"], of["gain"])
    if (folder / LOG).exists() and not told["learning"]:
        last = (folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        yield from (f"last run in the background: {shown(row)}" for row in last)


def _tuned(repository: Repository) -> str:
    """Id of the encoder that `wayfind learn --full` tuned and that is in use, empty for none."""
    from wayfind.model.bundle import current, tuned_of

    try:
        base = current()
    except ModelError:
        return ""
    found = tuned_of(repository.tree.folder, base) if base else None
    return found.id if found else ""


def _latent(repository: Repository) -> dict[str, Any] | None:
    """The model from random weights that was learned here: the weight with which it takes part in searches. None where there is none."""
    from wayfind.search.latents import read_record

    try:
        found = read_record(repository.tree.folder)
    except ModelError as error:
        return {"weight": 0.0, "problem": str(error)}
    return None if found is None else {"weight": found.weight, "problem": ""}


def _told_of_others(told: dict[str, Any]) -> Iterator[str]:
    """What the other ways of learning left here; `wayfind learn --drop` deletes both."""
    if told["tuned"]:
        yield f"tuned encoder in use: {told['tuned']} (wayfind learn --full); --rollback leaves it, --drop deletes it"
    if told["latent"]:
        part = f"takes part in every search with weight {told['latent']['weight']:g}" if told["latent"]["weight"] else "answers only with --level"
        yield f"model from random weights: {shown(told['latent']['problem']) or part}; --rollback leaves it, --drop deletes it"


def _go_back(repository: Repository) -> int:
    from wayfind.model import adaptation as adaptations

    others = [*_told_of_others({"tuned": _tuned(repository), "latent": _latent(repository)})]
    if others and not adaptations.line(repository.learned_folder):
        raise NotFound("there is nothing to go back from but what --rollback leaves: " + "; ".join(others))
    with learning_alone(repository.learned_folder):
        now = adaptations.roll_back(repository.learned_folder)
    click.echo(f"in use again: {now}" if now else "search is as it was before `wayfind learn`" if others else "search is as it was before anything was learned")
    for row in others:
        click.echo(row)
    return FOUND


def _export(repository: Repository, target: Path) -> int:
    from wayfind.model import adaptation as adaptations

    found = _in_use(repository)
    try:
        target.expanduser().write_bytes(adaptations.stored(repository.learned_folder, found.id))
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror}") from error
    click.echo(f"{shown(str(target))}: {found.id}, made for the model {found.model or 'none'}; use it with: wayfind learn --import {shown(str(target))}")
    return FOUND


SAME = 0.5
"""Share of the definitions an adaptation speaks of that must be here where its commit is not: in a shallow clone, after a rewritten history."""


def _import(repository: Repository, source: Path, force: bool) -> int:
    from wayfind.model import adaptation as adaptations
    from wayfind.search.learned import Learned

    try:
        data = source.expanduser().read_bytes()
        found = adaptations.unpacked(data, str(source))
    except OSError as error:
        raise NotFound(f"{source}: {error.strerror}") from error
    if found.model != _model(repository):
        raise ModelError(f"{source} was made for the model {found.model or 'none'}, in use is {_model(repository) or 'none'}; learn here with: wayfind learn")
    if found.dim not in (None, _dim(repository)):
        raise ModelError(f"{source} does not hold an adaptation of this model: its vectors have {found.dim} components, those of {found.model or 'none'} {_dim(repository)}")
    with learning_alone(repository.learned_folder), meter() as progress:
        repository.ready(True, progress)
        share = Learned(found, repository.snapshot()).known_places
        if not (force or _has_commit(repository, found.about.get("boundary")) or (share is not None and share >= SAME)):
            raise UsageError(f"{source} was learned of another repository: {_origin(found)}; {share or 0:.0%} of the definitions that it speaks of are here. Use it none the less with --force")
        adaptations.store(repository.learned_folder, found, data)
        adaptations.use(repository.learned_folder, found.id)
    note(f"{share:.0%} of the definitions that it speaks of are here") if share is not None and share < 1 else None
    click.echo(f"in use: {found.id}")
    return FOUND


def _origin(found: Adaptation) -> str:
    """Of which repository an adaptation was learned, as far as it says."""
    return f"one that has the commit {found.about['boundary'][:12]}, which is not here" if found.about.get("boundary") else "it does not say which"


def _has_commit(repository: Repository, commit: Any) -> bool:
    """Whether the history around a folder holds a commit."""
    from wayfind.corpus.git import ask

    return bool(commit) and ask(repository.root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}") is not None


def _begin(repository: Repository, index: str | None, said: dict[str, Any]) -> int:
    """Start a process that learns as was said, option by option, and return at once."""
    if _busy(repository.learned_folder):
        raise IndexBusy("another process learns here already; `wayfind learn --status` says how it stands")
    line = python("wayfind.serve.cli", "learn", repository.root)
    for name, value in ({"index": index} | said).items():
        for one in value if isinstance(value, tuple) else [value]:
            if one not in UNSAID:
                line += [f"--{OPTION.get(name, name.replace('_', '-'))}", *([] if one is True else [str(one)])]
    folder = repository.learned_folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(folder / LOG, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as log:
        learner = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, preexec_fn=_lower)  # noqa: S603
    for _ in range(STARTING):  # until it has begun: who asks at once is to be told, and a second one refused
        if learner.poll() is not None or _busy(folder):
            break
        time.sleep(0.1)
    learner.returncode = learner.returncode or 0  # it goes on without this process
    click.echo("learning in the background; see: wayfind learn --status")
    return FOUND


def _lower() -> None:
    os.nice(NICENESS)


def _busy(folder: Path) -> bool:
    """Whether a process learns here."""
    if not folder.is_dir():
        return False
    try:
        with learning_alone(folder, wait=0.0):
            return False
    except (IndexBusy, StorageError):
        return True


def _in_use(repository: Repository) -> Adaptation:
    from wayfind.model import adaptation as adaptations

    identity = adaptations.current(repository.learned_folder)
    if not identity:
        raise NotFound("nothing learned is in use here; learn with: wayfind learn")
    return adaptations.load(repository.learned_folder, identity)


def _model(repository: Repository) -> str:
    """Id of the model in use, empty where there is none."""
    from wayfind.model.encoder import current_encoder

    encoder = current_encoder(repository.tree.folder)
    return encoder.id if encoder else ""


def _dim(repository: Repository) -> int | None:
    """Components of the vectors of the model in use."""
    from wayfind.model.encoder import current_encoder

    encoder = current_encoder(repository.tree.folder)
    return encoder.dim if encoder else None


def _as_data(learnt: Learnt) -> dict[str, Any]:
    from wayfind.train.adapt.gate import summary

    return {
        "kept": learnt.verdict.kept, "why": learnt.verdict.why, "id": learnt.adaptation.id if learnt.adaptation else "", "lessons": learnt.counts,
        "components": learnt.adaptation.about["components"] if learnt.adaptation else [], "tried": learnt.tried, "seconds": round(learnt.seconds, 1),
        "figures": {name: summary(found) for name, found in (("gate", learnt.gate), ("report", learnt.report), ("general", learnt.general))},
    }  # fmt: skip


def _said(learnt: Learnt) -> Iterator[str]:
    """What a person is told at the end."""
    from wayfind.train.adapt.gate import summary

    if learnt.adaptation:
        kinds = ", ".join(f"{number:,} {origin}" for origin, number in learnt.counts.items())
        yield f"learned from {counted(sum(learnt.counts.values()), 'lesson')} ({kinds}) in {learnt.seconds:.1f} s"
    if learnt.tried:
        yield "  tried on questions of the part learned from: " + ", ".join(f"{name} {gain:+.3f}" for name, gain in learnt.tried.items())
    for part, found in (("gate", learnt.gate), ("report", learnt.report), ("general", learnt.general)):
        for name, of in summary(found).items():  # rounded as they are stored, so that --status says the same
            yield _row(part, name, of["before"], of["after"], of["gain"])
    if learnt.verdict.kept and learnt.adaptation:
        yield f"kept as {learnt.adaptation.id} ({', '.join(learnt.adaptation.about['components'])}): {learnt.verdict.why}"
    else:
        yield f"nothing is changed: {learnt.verdict.why}"


def _row(part: str, name: str, before: Any, after: Any, gain: Any) -> str:
    return f"  {part:<8} {name:<20} {before[0]:.3f} -> {after[0]:.3f}   {gain[0]:+.3f} [{gain[1]:+.3f}, {gain[2]:+.3f}]  {counted(int(gain[3]), 'question')}"
