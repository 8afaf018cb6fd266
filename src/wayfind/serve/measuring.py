"""The command that measures: eval."""

from __future__ import annotations

import json
from pathlib import Path

import click

from wayfind.serve.exits import FOUND, NOTHING
from wayfind.serve.place import home_of
from wayfind.serve.progress import meter
from wayfind.serve.screen import shown_text


@click.command("eval")
@click.argument("path", required=False)
@click.option("--spec", metavar="FILE", help="Ask the queries of this YAML or JSON file instead of held-out ones.")
@click.option("--kinds", metavar="NAME,…", help="Held-out questions: docstring, commit, test.  [default: all]")
@click.option("--systems", multiple=True, metavar="NAME,…", help="Systems to compare; also command:CMD and sentence-transformers:MODEL, one an option.  [default: wayfind,bm25,ripgrep,random]")
@click.option("--limit", type=click.IntRange(1), default=200, show_default=True, help="Questions of each kind at most.")
@click.option("--seed", type=int, default=0, show_default=True, help="Draws the questions and the intervals.")
@click.option("-k", "--top-k", type=click.IntRange(1), default=10, show_default=True, help="Number of results judged.")
@click.option("--plot", metavar="FILE", help="Draw the figures into this file (png, svg or pdf).")
@click.option("--index", metavar="FOLDER", help="The index that `wayfind index --output FOLDER` wrote.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def eval_command(
    path: str | None, spec: str | None, kinds: str | None, systems: tuple[str, ...], limit: int, seed: int, top_k: int, plot: str | None, index: str | None, as_json: bool
) -> int:
    """Measure search on the repository at PATH (default: the current folder), beside baselines, with intervals.

    The questions come from the repository: a docstring asks for the function from which it was removed, the subject of a
    commit for the functions that it changed, a test for what it tests. Without a question the exit code is 1.
    """
    from wayfind.evaluate import report as reports
    from wayfind.evaluate.baselines import SYSTEMS
    from wayfind.evaluate.run import KINDS, evaluate

    with meter() as progress:
        report = evaluate(
            path or (None if spec else "."), kinds=_named((kinds or "",)) or KINDS, spec=spec, systems=_named(systems) or SYSTEMS, k=top_k, seed=seed,
            limit=limit, home=home_of(index), progress=progress,
        )
    if plot and report.queries():
        reports.plot(report, Path(plot))
    click.echo(json.dumps(reports.as_json(report)) if as_json else shown_text(reports.table(report).rstrip("\n")))
    return FOUND if report.queries() else NOTHING


def _named(given: tuple[str, ...]) -> tuple[str, ...]:
    """Names separated by commas; one with an argument (`command:CMD`) stands alone, for commas may be part of it."""
    return tuple(name.strip() for some in given for name in ([some] if ":" in some else some.split(",")) if name.strip())
