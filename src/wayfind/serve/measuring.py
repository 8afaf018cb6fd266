"""The command that measures: eval."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import click
from click.core import ParameterSource

from wayfind.errors import NotFound, UsageError
from wayfind.model.bundle import OUTPUT, within
from wayfind.serve.exits import FOUND, NOTHING
from wayfind.serve.place import home_of, whole
from wayfind.serve.progress import meter
from wayfind.serve.screen import shown_text


@click.command("eval")
@click.argument("path", required=False)
@click.option("--spec", metavar="FILE", help="Ask the queries of this YAML or JSON file instead of held-out ones, in the folder that it names or lies in.")
@click.option("--kinds", metavar="NAME,…", help="Held-out questions: docstring, commit, test.  [default: all]")
@click.option("--systems", multiple=True, metavar="NAME,…", help="Systems to compare; also command:CMD and sentence-transformers:MODEL, one an option.  [default: wayfind, words (without its model), bm25, ripgrep, random]")
@click.option("--limit", type=click.IntRange(1), default=200, show_default=True, help="Questions of each kind at most.")
@click.option("--seed", type=int, default=0, show_default=True, help="Draws the questions and the intervals.")
@click.option("-k", "--top-k", type=click.IntRange(1), default=10, show_default=True, help="Number of results judged.")
@click.option("--model-path", metavar="FOLDER", help="Judge this model instead of the one in use: a bundle, or a checkpoint or output folder of `wayfind train`.")
@click.option("--plot", metavar="FILE", help="Draw the figures into this file (png, svg or pdf).")
@click.option("--index", metavar="FOLDER", help="The index that `wayfind index --output FOLDER` wrote.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def eval_command(
    path: str | None, spec: str | None, kinds: str | None, systems: tuple[str, ...], limit: int, seed: int, top_k: int, model_path: str | None, plot: str | None, index: str | None, as_json: bool
) -> int:
    """Measure search on the repository at PATH (default: the one around the current folder, or that folder), beside baselines, with intervals.

    The questions come from the repository: a docstring asks for the function from which it was removed, the subject of a
    commit for the functions that it changed, a test for what it tests. Without a question the exit code is 1.

    What is searched are copies of the tree, indexed for this; with a model their vectors are made too, which takes most of
    the time (with WAYFIND_MODEL=none none are made). With --model-path the tree's own index is not touched either.
    """
    from wayfind.evaluate import report as reports
    from wayfind.evaluate.run import KINDS, evaluate

    given = [f"--{name}" for name in ("kinds", "limit") if spec and click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if given:
        raise UsageError(f"--spec asks its own questions, each of them: leave out {' and '.join(given)}")
    if model_path and index:
        raise UsageError("--model-path judges a model on an index of its own: leave out --index")
    with _model(model_path) as scratch, meter() as progress:
        report = evaluate(
            path or (None if spec else "." if index else whole("measuring", "wayfind eval")), kinds=_named((kinds or "",)) or KINDS, spec=spec, systems=_named(systems), k=top_k, seed=seed,
            limit=limit, home=scratch or home_of(index), progress=progress,
        )
    if plot and report.queries():
        reports.plot(report, Path(plot))
    click.echo(json.dumps(reports.as_json(report)) if as_json else shown_text(reports.table(report).rstrip("\n")))
    return FOUND if report.queries() else NOTHING


@contextmanager
def _model(folder: str | None) -> Iterator[Path | None]:
    """Have a model in use: a bundle; the bundle of a training's output; or that of a checkpoint, which is exported first.

    Gives a folder for indexes that goes away with it: the user's keep the vectors of the model that is in use otherwise.
    """
    if folder is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="wayfind-model-") as scratch:
        path = Path(folder).expanduser()
        found = within(path)
        if found is None:
            if not any(True for place in ("", "step-*/", "stage-*/step-*/") for _ in path.glob(f"{place}state.json")):
                raise NotFound(f"{folder} holds neither a bundle nor a checkpoint of `wayfind train`")
            if missing := [name for name in ("torch", "onnx", "onnxscript") if find_spec(name) is None]:
                raise UsageError(f"judging a checkpoint needs {', '.join(missing)}: pip install 'wayfind[train]'")
            from wayfind.train.checkpoint import best_in
            from wayfind.train.export import export

            found = Path(scratch) / OUTPUT
            export(best_in(path), found)
        before = os.environ.get("WAYFIND_MODEL")
        os.environ["WAYFIND_MODEL"] = os.fspath(found.resolve())
        try:
            yield Path(scratch) / "home"
        finally:
            os.environ.pop("WAYFIND_MODEL") if before is None else os.environ.update(WAYFIND_MODEL=before)


def _named(given: tuple[str, ...]) -> tuple[str, ...]:
    """Names separated by commas; one with an argument (`command:CMD`) stands alone, for commas may be part of it."""
    return tuple(name.strip() for some in given for name in ([some] if ":" in some else some.split(",")) if name.strip())
