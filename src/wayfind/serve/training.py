"""The command that trains a base model: train."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from wayfind.errors import UsageError
from wayfind.serve.exits import FOUND, note

LEAST_MINED = 0.05
"""Hard negatives a pair below which mining found next to none."""
TOO_FEW = ": next to none; raise negatives.candidates, lower negatives.margin, or mine later (negatives.every)"


@click.command("train")
@click.option("--config", "config_path", required=True, metavar="FILE", help="YAML file: data, encoder, heads, objectives, loop.")
@click.option("--output", metavar="FOLDER", help="Where checkpoints, log and bundle go.  [default: models/NAME]")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in the output folder.")
@click.option("--prepare", is_flag=True, help="Only write token shards of the pairs into OUTPUT/tokens, to train from on another machine.")
@click.option("--scores", is_flag=True, help="Only write what the trained cross-encoder in OUTPUT says of the pairs into OUTPUT/scores, to distil from.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def train_command(config_path: str, output: str | None, resume: bool, prepare: bool, scores: bool, as_json: bool) -> int:
    """Train a model of code search from pairs, as a configuration file says, and export it as a bundle.

    Held-out MRR decides which checkpoint is exported, and when to stop. On several processes: torchrun --nproc-per-node=N -m
    wayfind train …
    """
    if find_spec("torch") is None:
        raise UsageError("training needs torch: pip install 'wayfind[train]'")
    if "TORCHELASTIC_ERROR_FILE" not in os.environ:
        return _train(config_path, output, resume, prepare, scores, as_json)
    from torch.distributed.elastic.multiprocessing.errors import record

    # torchrun ends with a report, which has the cause where it was recorded
    return record(_train)(config_path, output, resume, prepare, scores, as_json)


def _train(config_path: str, output: str | None, resume: bool, prepare: bool, scores: bool, as_json: bool) -> int:
    from wayfind.train.config import read_configs
    from wayfind.train.device import leave
    from wayfind.train.explaining import is_explainer
    from wayfind.train.run import prepare as write_shards
    from wayfind.train.run import train_stages, write_teacher

    if prepare and scores:
        raise UsageError("give one of --prepare and --scores")
    if is_explainer(Path(config_path)):
        if scores:
            raise UsageError(f"--scores is what a cross-encoder says of pairs; {config_path} trains a decoder")
        return _train_explainer(Path(config_path), output, resume, prepare, _lines if as_json else _words)
    stages = read_configs(Path(config_path))
    folder = Path(output or f"models/{stages[0].name}")
    say = _lines if as_json else _words
    if prepare:
        for name, count in write_shards(stages, folder / "tokens").items():
            place = folder / "tokens" / name
            click.echo(json.dumps({"event": "shards", "folder": str(place), "pairs": count}) if as_json else f"{count} pairs in {place}")
        return FOUND
    if scores:
        place, count = write_teacher(stages, folder)
        click.echo(json.dumps({"event": "scores", "folder": str(place), "scores": count}) if as_json else f"{count} scores in {place}")
        return FOUND
    bundle = train_stages(stages, folder, resume=resume, report=say)
    if bundle is not None:
        click.echo(json.dumps({"event": "bundle", "folder": str(bundle)}) if as_json else f"bundle: {bundle}")
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        leave(FOUND)
    return FOUND


def _train_explainer(config_path: Path, output: str | None, resume: bool, prepare: bool, say: Callable[[dict[str, Any]], None]) -> int:
    """Train a decoder of explanations, and write it as a part of a bundle."""
    from wayfind.train.explaining import prepared, read_config, train_explainer

    config = read_config(config_path)
    folder = Path(output or f"models/{config.name}")
    if prepare:
        folder.mkdir(parents=True, exist_ok=True)
        learned, words = prepared(config, folder, False, say)
        click.echo(f"{len(learned)} lessons, {len(words.common)} common words in {folder}")
        return FOUND
    part = train_explainer(config, folder, resume=resume, report=say)
    if part is not None:
        click.echo(f"part: {part}")
    return FOUND


def _lines(line: dict[str, Any]) -> None:
    click.echo(json.dumps(line))


def _words(line: dict[str, Any]) -> None:
    event, at = line["event"], f"{line['step']}/{line['steps']}"
    if event == "note":
        note(line["text"])
    elif event == "step" and "lessons_per_second" in line:
        click.echo(f"{at}  loss {line['loss']:.4f}  {line['lessons_per_second']:.0f} lessons/s")
    elif event == "evaluation" and "held_out" in line:
        click.echo(f"{at}  held-out {line['held_out']:.4f} nats a symbol, best {line['best']:.4f}")
    elif event == "exported" and "parameters" in line:
        click.echo(f"exported: {line['megabytes']:.2f} MB, {line['parameters']:,} parameters")
    elif event == "step":
        left = int(line["seconds_left"])
        click.echo(f"{at}  loss {line['loss']:.4f}  {line['pairs_per_second']:.0f} pairs/s  {line['tokens_per_second']:.0f} tokens/s  {left // 60}:{left % 60:02d} left")
    elif event == "evaluation":
        click.echo(f"{at}  held-out MRR {line['mrr']:.4f} among {line['among'] or line['pool']}, recall@10 {line['recall_at_10']:.4f}, best {line['best']:.4f}")
    elif event == "mined":
        click.echo(f"{at}  {line['per_pair']:.1f} hard negatives a pair" + (TOO_FEW if line["per_pair"] < LEAST_MINED else ""))
    elif event == "exported":
        click.echo(f"exported: {line['megabytes']:.1f} MB, held-out MRR {line['mrr']:.4f} by ONNX Runtime ({line['network_mrr']:.4f} by the network)")
    elif event == "done":
        best = f"best held-out MRR {line['best']:.4f} at step {line['best_step']}" if line["best"] >= 0 else "nothing was evaluated yet"
        click.echo(best + ("" if line["finished"] else "; stopped before the end, go on with --resume"))
