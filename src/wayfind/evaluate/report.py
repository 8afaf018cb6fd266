"""A report as text, as JSON and as one plot. Every figure carries its interval and the number of queries behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wayfind.errors import UsageError
from wayfind.evaluate.intervals import Interval, bootstrap, paired
from wayfind.evaluate.queries import Hit, Query
from wayfind.evaluate.run import Answered, Report, SetReport

OURS = "wayfind"
SLICES = ("all", "unnamed")
FEWEST = 10
"""Below this number of queries the text shows no figure of a slice: resampling so few says nothing about others. JSON has it."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One mean: of a system, or of the difference between two when `minus` names the other."""

    kind: str
    slice: str
    system: str
    metric: str
    interval: Interval
    minus: str | None = None


@dataclass(frozen=True, slots=True)
class Worst:
    """A query that went wrong: the right places, the rank of the first of them (None: not within k), what came first."""

    query: Query
    rank: int | None
    first: tuple[Hit, ...]


def figures(report: Report) -> list[Figure]:
    """Every mean of the report: kind by slice by system by metric, then Wayfind minus each other system; `all` sums up several kinds."""
    return [figure for kind, answered in _groups(report) for part in SLICES for figure in _slice(report, kind, part, answered)]


def worst(report: Report, most: int = 10) -> list[Worst]:
    """The queries that Wayfind (or else the first system) answered worst, lowest nDCG first."""
    chosen = OURS if OURS in report.systems else report.systems[0]
    answered = [a for s in report.sets for a in s.answered if a.system == chosen]
    answered.sort(key=lambda a: (a.figures[f"nDCG@{report.k}"], a.query.id))
    bad = [a for a in answered if a.figures[f"nDCG@{report.k}"] < 1][:most]
    return [Worst(a.query, _rank(a), a.hits[:3]) for a in bad]


def table(report: Report) -> str:
    """The report for people."""
    lines = [f"{report.root.name}: {report.queries()} queries, first {report.k} results, seed {report.seed}"]
    if len(report.parts) < 3:
        lines.append(f"queries of these parts only: {', '.join(report.parts)}")
    for one in report.sets:
        lines += ["", *_head(one)]
    cells = figures(report)
    for kind, _ in _groups(report):
        for part in SLICES:
            lines += _block(report, kind, part, [f for f in cells if f.kind == kind and f.slice == part])
    if cells:
        lines += ["", "Brackets: 95 % bootstrap interval over queries. unnamed: no word of the question names the function or its file."]
        lines += [f"P@3 divides by 3: with the right places of these queries it cannot exceed {_ceiling(report):.2f}."]
    return "\n".join(lines + _worst_lines(report)) + "\n"


def as_json(report: Report) -> dict[str, Any]:
    """The report for programs. Fields may be added and never change."""
    cells = figures(report)
    return {
        "schema_version": 1,
        "root": str(report.root),
        "k": report.k,
        "seed": report.seed,
        "parts": list(report.parts),
        "systems": list(report.systems),
        "sets": [
            {
                "kind": s.kind, "queries": len(s.queries), "unnamed": sum(q.unnamed for q in s.queries), "pool": s.pool,
                "left_out": s.dropped, "note": s.note, "best_possible_p3": s.ceiling,
            }
            for s in report.sets
        ],
        "figures": [_cell(f) for f in cells if f.minus is None],
        "differences": [_cell(f) | {"minus": f.minus} for f in cells if f.minus is not None],
        "worst": [
            {
                "id": w.query.id, "kind": w.query.kind, "query": w.query.text, "relevant": [str(g) for g in w.query.gold],
                "rank": w.rank, "first": [{"path": h.path, "line": h.start_line, "symbol": h.symbol} for h in w.first],
            }
            for w in worst(report)
        ],
    }


def plot(report: Report, file: Path) -> None:
    """nDCG of every system by kind, all queries beside the unnamed slice, with intervals; the format follows the file's name."""
    try:
        from matplotlib.figure import Figure as Canvas
    except ImportError as missing:
        raise UsageError("a plot needs matplotlib: pip install 'wayfind[plot]'") from missing
    metric = f"nDCG@{report.k}"
    cells = [f for f in figures(report) if f.metric == metric and f.minus is None]
    if not cells:
        raise UsageError("nothing to plot: the repository gave no query")
    canvas = Canvas(figsize=(9, 4), layout="constrained")
    for axes, part in zip(canvas.subplots(1, 2, sharey=True), SLICES, strict=True):
        shown = [f for f in cells if f.slice == part and (part == "all" or f.interval.n >= FEWEST)]
        _panel(axes, report.systems, shown)
        axes.set_title(f"{part} queries" if shown else f"{part} queries: fewer than {FEWEST}")
    canvas.axes[0].set_ylabel(metric)
    canvas.axes[0].legend(fontsize="small")
    try:
        canvas.savefig(file)
    except (OSError, ValueError) as refused:
        raise UsageError(f"cannot write the plot {file}: {refused}") from refused


def _groups(report: Report) -> Iterator[tuple[str, list[Answered]]]:
    """Answers by kind of query (a spec may hold several), then all together when there are several kinds."""
    answered = [a for s in report.sets for a in s.answered]
    kinds = list(dict.fromkeys(a.query.kind for a in answered))
    for kind in kinds:
        yield kind, [a for a in answered if a.query.kind == kind]
    if len(kinds) > 1:
        yield "all kinds", answered


def _slice(report: Report, kind: str, part: str, answered: Sequence[Answered]) -> Iterator[Figure]:
    """The figures of one kind in one slice."""
    kept = [a for a in answered if part == "all" or a.query.unnamed]
    if not kept:
        return
    for metric in kept[0].figures:
        by = {name: [a.figures[metric] for a in kept if a.system == name] for name in report.systems}
        for name, values in by.items():
            yield Figure(kind, part, name, metric, bootstrap(values, seed=report.seed))
        for name in _others(report):
            yield Figure(kind, part, OURS, metric, paired(by[OURS], by[name], seed=report.seed), name)


def _others(report: Report) -> list[str]:
    """The systems that Wayfind is compared with, query by query; none where it was not asked."""
    return [name for name in report.systems if name != OURS] if OURS in report.systems else []


def _rank(answered: Answered) -> int | None:
    return next((rank for rank, hit in enumerate(answered.hits, 1) if any(hit.covers(g) for g in answered.query.gold)), None)


def _ceiling(report: Report) -> float:
    return sum(s.ceiling * len(s.queries) for s in report.sets) / report.queries()


def _head(one: SetReport) -> list[str]:
    """What was asked, over what, and what was left out."""
    if not one.queries:
        lines = [f"{one.kind}: {one.note}"]
    else:
        unnamed = sum(q.unnamed for q in one.queries)
        lines = [f"{one.kind}: {len(one.queries)} queries ({unnamed} unnamed) over {one.pool:,} chunks; {one.note}"]
    left = ", ".join(f"{times:,} {why}" for why, times in sorted(one.dropped.items()) if times)
    return lines + ([f"  left out: {left}"] if left else [])


def _block(report: Report, kind: str, part: str, cells: Sequence[Figure]) -> list[str]:
    """One table: a line per system, a column per metric, and the differences below."""
    if not cells:
        return []
    metrics = list(dict.fromkeys(f.metric for f in cells))
    width = max(len(name) for name in (*report.systems, *(f"{OURS} - {name}" for name in _others(report))))
    n = cells[0].interval.n
    if part != "all" and n < FEWEST:
        return ["", f"{kind}, {part} (n={n}): too few for a figure"]
    lines = ["", f"{kind}, {part} (n={n})", " " * (width + 3) + "".join(f" {m:<24}" for m in metrics).rstrip()]
    for name in report.systems:
        row = {f.metric: f.interval for f in cells if f.system == name and f.minus is None}
        lines.append(f"  {name:<{width}} " + "".join(f"{_plain(row[m]):<25}" for m in metrics).rstrip())
    for name in _others(report):
        row = {f.metric: f.interval for f in cells if f.minus == name}
        lines.append(f"  {f'{OURS} - {name}':<{width}} " + "".join(f"{_signed(row[m]):<25}" for m in metrics).rstrip())
    return lines


def _plain(i: Interval) -> str:
    return f" {i.mean:.3f} [{i.low:.3f}, {i.high:.3f}]"


def _signed(i: Interval) -> str:
    return f"{i.mean:+.3f} [{i.low:+.3f}, {i.high:+.3f}]"


def _worst_lines(report: Report) -> list[str]:
    """The worst queries with their gold and what came first."""
    lines: list[str] = []
    for w in worst(report):
        place = "not found" if w.rank is None else f"first at rank {w.rank}"
        lines += [f"  [{w.query.kind}] {w.query.text}", f"    relevant ({place}): {', '.join(map(str, w.query.gold))}"]
        lines += [f"    came first: {', '.join(_place(h) for h in w.first) or 'nothing'}"]
    return ["", "Worst queries", *lines] if lines else []


def _place(hit: Hit) -> str:
    line = f":{hit.start_line}" if hit.start_line is not None else ""
    return f"{hit.path}{line}" + (f" {hit.symbol}" if hit.symbol else "")


def _cell(f: Figure) -> dict[str, Any]:
    i = f.interval
    return {
        "kind": f.kind, "slice": f.slice, "system": f.system, "metric": f.metric,
        "mean": i.mean, "low": i.low, "high": i.high, "n": i.n,
    }


def _panel(axes: Any, systems: Sequence[str], cells: Sequence[Figure]) -> None:
    """Bars of one slice: a group per kind, a bar per system."""
    kinds = list(dict.fromkeys(f.kind for f in cells))
    width = 0.8 / len(systems)
    for number, name in enumerate(systems):
        row = {f.kind: f.interval for f in cells if f.system == name}
        places = [at + (number - (len(systems) - 1) / 2) * width for at in range(len(kinds))]
        means = [row[kind].mean for kind in kinds]
        ends = [[max(0.0, row[kind].mean - row[kind].low) for kind in kinds], [max(0.0, row[kind].high - row[kind].mean) for kind in kinds]]
        axes.bar(places, means, width, yerr=ends, label=name, error_kw={"linewidth": 1})
    axes.set_xticks(range(len(kinds)), [f"{kind}\nn={next(f.interval.n for f in cells if f.kind == kind)}" for kind in kinds])
    axes.set_ylim(0, 1)
