#!/usr/bin/env python3
"""Fit the confidence of answers and say how far it can be trusted, on repositories outside every benchmark.

With the model there are two fits: `background` where the bundle brings code of other repositories to compare with, `meaning` where not.

    confidence.py --signals FILE.npz … --words FILE.npz … [--write]

The files are those of `calibration.py signals`, made with the model and with WAYFIND_MODEL=none. Every figure is of repositories that
the coefficients were not fitted on (left out in turn). --write keeps the coefficients in search/confidence.json, the table in
results/confidence.txt and the reliability diagram in results/confidence.svg.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench_sets import commit, processor
from calibration import UNANSWERED, read
from wayfind.evaluate.intervals import bootstrap
from wayfind.search import confidence

HERE = Path(__file__).resolve().parent
ASKED = ("docstring", "head", "test", "asked")
"""Kinds of questions that are answerable; `asked` are written ones (asked.py). Names are not fitted: one that is defined is certain."""
ELSEWHERE = ("foreign", "near")
SHOWN = ("commit", "flat", "gone")
"""Others, which are told of and not fitted: subjects of commits say what was done, which need not be a question about what is there;
`flat` is asked in a heap of functions of thirteen repositories; what is `gone` lies among code that still speaks of it, and fitting it
as absent made the others worse (foreign 0.88 to 0.84) and itself no better."""
INPUTS = {
    "background": ("score", "covered", "nearest", "near", "both", "missing", "length", "elsewhere"),
    "meaning": ("score", "covered", "nearest", "near", "both", "missing", "length"),
    "words": ("score", "covered", "words", "file", "missing", "length"),
}
SAID = {"background": "with the model", "meaning": "with a model that brings no code of other repositories", "words": "by words alone"}
GIVEN_UP = 0.05
"""Share of the answerable questions that may be given up on."""
PULL = 1.0
BINS = 10


@dataclass(frozen=True, slots=True)
class Sample:
    """Questions by what the confidence looks at."""

    inputs: np.ndarray  # [questions, inputs]
    kind: np.ndarray
    repository: np.ndarray

    @property
    def answerable(self) -> np.ndarray:
        return np.isin(self.kind, ASKED)

    @property
    def weight(self) -> np.ndarray:
        """Both sides alike, and on each side every kind alike."""
        weight = np.zeros(len(self.kind))
        for side in (ASKED, ELSEWHERE):
            present = [kind for kind in side if (self.kind == kind).any()]
            for kind in present:
                weight[self.kind == kind] = 0.5 / len(present) / (self.kind == kind).sum()
        return weight * len(weight)


def sample(paths: Sequence[Path], names: tuple[str, ...]) -> Sample:
    """The questions that are understood as questions."""
    about, _ = read(paths)
    heads = [h for h in about["questions"] if h["understood"] == "question" and h["sure"] and h["kind"] in (*ASKED, *ELSEWHERE, *SHOWN)]
    given = np.array([[h["sure"][name] for name in names] for h in heads])
    return Sample(given, np.array([h["kind"] for h in heads]), np.array([h["repository"] for h in heads]))


def fitted(inputs: np.ndarray, answerable: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Bias and coefficients of the logistic regression, by Newton's method; inputs are scaled, the penalty is PULL/2 · |coefficients|²."""
    centre, spread = inputs.mean(0), inputs.std(0) + 1e-9
    rows = np.column_stack([np.ones(len(inputs)), (inputs - centre) / spread])
    held, of = np.zeros(rows.shape[1]), np.diag([1e-6, *[PULL] * inputs.shape[1]])
    for _ in range(30):
        likely = 1 / (1 + np.exp(-rows @ held))
        slope = rows.T @ (weight * (answerable - likely)) - of @ held
        held = held + np.linalg.solve((rows * (weight * likely * (1 - likely))[:, None]).T @ rows + of, slope)
    return np.concatenate([[held[0] - (held[1:] * centre / spread).sum()], held[1:] / spread])


def left_out(asked: Sample) -> np.ndarray:
    """Probability of every question by coefficients fitted without its repository."""
    found = np.zeros(len(asked.kind))
    for repository in sorted(set(asked.repository)):
        out = asked.repository == repository
        seen = ~out & ~np.isin(asked.kind, SHOWN)
        own = fitted(asked.inputs[seen], asked.answerable[seen], asked.weight[seen])
        found[out] = 1 / (1 + np.exp(-(own[0] + asked.inputs[out] @ own[1:])))
    return found


def auroc(right: np.ndarray, wrong: np.ndarray) -> float:
    """Probability that a right one lies above a wrong one; ties count half."""
    return float(((right[:, None] > wrong[None]) + 0.5 * (right[:, None] == wrong[None])).mean())


def table(name: str, asked: Sample, sure: np.ndarray) -> str:
    """AUROC, what is given up on at the threshold, and how often what is said is true."""
    answerable = sure[asked.answerable]
    least = float(np.quantile(answerable, GIVEN_UP))
    lines = [f"{name}: given up on below {least:.3f}", f"{'':12s} {'n':>5s} {'AUROC':>7s}   given up on"]
    for kind in (*ASKED, *ELSEWHERE, *SHOWN):
        own = sure[asked.kind == kind]
        if len(own):
            rate = bootstrap((own < least).astype(float).tolist())
            against = f"{auroc(answerable, own):7.3f}" if kind in UNANSWERED else f"{'':7s}"
            lines.append(f"{kind:12s} {len(own):5d} {against}   {rate.mean:.3f} [{rate.low:.3f}, {rate.high:.3f}]")
    lines.append("said            n   true (both sides weighted alike)")
    lines += [f"{low:.1f} to {low + 1 / BINS:.1f} {number:7d}   {true:.3f}" for low, _, true, number in reliability(asked, sure)]
    return "\n".join(lines) + "\n"


def reliability(asked: Sample, sure: np.ndarray) -> list[tuple[float, float, float, int]]:
    """By tenths of what is said: its lower end, the mean of what is said, the share that is answerable, questions."""
    found = []
    for number in range(BINS):
        here = (sure >= number / BINS) & (sure < (number + 1) / BINS) & ~np.isin(asked.kind, SHOWN)
        if here.any():
            weight = asked.weight[here]
            said, true = ((values[here] * weight).sum() / weight.sum() for values in (sure, asked.answerable))
            found.append((number / BINS, float(said), float(true), int(here.sum())))
    return found


def diagram(points: dict[str, list[tuple[float, float, float, int]]]) -> str:
    """What was said against what was true, as SVG."""
    size, edge = 320, 40
    colours = {"background": "#1f6feb", "words": "#8b949e"}
    at = lambda x, y: f"{edge + x * size:.1f},{edge + (1 - y) * size:.1f}"  # noqa: E731
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size + 2 * edge}" height="{size + 2 * edge}" font-family="sans-serif" font-size="12">',
        f'<rect x="{edge}" y="{edge}" width="{size}" height="{size}" fill="none" stroke="#999"/>',
        f'<polyline points="{at(0, 0)} {at(1, 1)}" stroke="#ccc" stroke-dasharray="4" fill="none"/>',
        f'<text x="{edge + size / 2 - 60}" y="{size + edge + 28}">said by the answer</text>',
        f'<text x="12" y="{edge + size / 2 + 40}" transform="rotate(-90 12 {edge + size / 2 + 40})">share answerable</text>',
    ]
    for row, name in enumerate(colours):
        found = points[name]
        parts.append(f'<polyline points="{" ".join(at(said, true) for _, said, true, _ in found)}" stroke="{colours[name]}" fill="none"/>')
        parts += [f'<circle cx="{at(said, true).split(",")[0]}" cy="{at(said, true).split(",")[1]}" r="3" fill="{colours[name]}"/>' for _, said, true, _ in found]
        parts.append(f'<text x="{edge + 10}" y="{edge + 20 + 16 * row}" fill="{colours[name]}">{SAID[name]}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> int:
    """Fit both, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--signals", type=Path, nargs="+", required=True)
    parser.add_argument("--words", type=Path, nargs="+", required=True)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    texts, points, kept = [], {}, {}
    for name, said in SAID.items():
        asked = sample(options.words if name == "words" else options.signals, INPUTS[name])
        sure = left_out(asked)
        texts.append(table(said, asked, sure))
        points[name] = reliability(asked, sure)
        seen = ~np.isin(asked.kind, SHOWN)
        own = fitted(asked.inputs[seen], asked.answerable[seen], asked.weight[seen])
        all_sure = 1 / (1 + np.exp(-(own[0] + asked.inputs @ own[1:])))
        least = float(np.quantile(all_sure[asked.answerable], GIVEN_UP))
        of = {one: round(float(value), 3) for one, value in zip(INPUTS[name], own[1:])}
        kept[name] = {"bias": round(float(own[0]), 3), "of": of, "give_up_below": round(least, 3)}
        texts.append("  " + "  ".join(f"{one} {value:+.3f}" for one, value in {"bias": kept[name]["bias"], **of}.items()) + "\n")
    print("\n".join(texts), end="")
    if options.write:
        rows = ",\n".join(f'  "{name}": {json.dumps(kept[name])}' for name in ("words", "meaning", "background"))
        Path(confidence.__file__).with_name("confidence.json").write_text("{\n" + rows + "\n}\n", encoding="utf-8")
        head = [f"commit   {commit()}", f"machine  {processor()}", f"date     {datetime.date.today().isoformat()}"]
        head.append("command  benchmarks/confidence.py --signals SIGNALS.npz --words WORDS.npz --write")
        (HERE / "results" / "confidence.txt").write_text("\n".join(head) + "\n\n" + "\n".join(texts), encoding="utf-8")
        (HERE / "results" / "confidence.svg").write_text(diagram(points), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
