#!/usr/bin/env python3
"""What it brings, and costs, to read a chunk on beyond the encoder's context: its beginning alone beside the nearest of its parts.

    parts.py --trees DIR [--model src/wayfind/model/base] [--documents 600] [--questions 300] [--write]

Two kinds of questions about functions of the ranker part (--trees: OWNER+NAME folders), vectors alone, MRR@10: documentation asks for
its function, of any length; a comment that stands beyond the context asks for its function, from which it was taken out. A further
part's cosine is lowered by a cost, since who has more parts has more chances.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from dense import Document, unit
from measure import heading, write_result

from wayfind.evaluate.from_docstrings import first_sentence
from wayfind.evaluate.intervals import bootstrap, paired
from wayfind.evaluate.metrics import reciprocal_rank
from wayfind.evaluate.queries import plain
from wayfind.model.bundle import load
from wayfind.model.encoder import Encoder
from wayfind.train.sources.masking import without_documentation
from wayfind.train.sources.tree import Definition, read_tree

REPOSITORIES = ("celery/celery", "caddyserver/caddy", "BurntSushi/ripgrep", "networkx/networkx", "libevent/libevent", "composer/composer", "square/okio")
MOST_BYTES = 600_000
PARTS = (2, 3, 4)
COSTS = (0.0, 0.02, 0.04, 0.06)
COMMENT = re.compile(r"\s*(?:#|//+)\s+(.*[a-z].*)")
NO_PROSE = re.compile(r"[;={}()]|TODO|FIXME|http")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trees", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=Path(__file__).parent.parent / "src" / "wayfind" / "model" / "base")
    parser.add_argument("--documents", type=int, default=600)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    bundle = load(options.model)
    encoder = Encoder(replace(bundle, parts={**bundle.parts, "encoder": {**bundle.parts["encoder"], "parts": max(PARTS)}}), late=False)
    functions = [one for name in REPOSITORIES for one in read_tree(options.trees / name.replace("/", "+"), MOST_BYTES).definitions if one.kind in ("function", "method") and not one.is_test]
    drawn = random.Random(0).sample(functions, len(functions))
    lines = [heading(f"A chunk read on beyond the context of {encoder.code_length} tokens, by {bundle.name}; vectors alone, MRR@10")]
    for name, ask in (("documentation of functions of any length", documented), (f"comments beyond token {encoder.code_length}", lambda one: commented(one, encoder))):
        lines += trial(name, chosen(drawn, ask, options.documents, options.questions), encoder)
    text = "\n".join(lines)
    print(text) if not options.write else write_result("parts.txt", text)
    return 0


def documented(one: Definition) -> tuple[str, Sequence[str]] | None:
    """The question that its documentation asks, and the function without it."""
    lines = without_documentation(one)
    asked = plain(first_sentence(one.docstring(), one.symbol or ""))
    return None if lines is None else (asked if len(asked.split()) >= 4 else "", lines)


def commented(one: Definition, encoder: Encoder) -> tuple[str, Sequence[str]] | None:
    """The first comment of 5 to 25 words beyond the context, and the function without it; without one, no question."""
    lines = without_documentation(one)
    if lines is None:
        return None
    for place, line in enumerate(lines):
        found = COMMENT.match(line)
        if found and 5 <= len(found[1].split()) <= 25 and not NO_PROSE.search(found[1]) and further(encoder, one, lines[:place]):
            return plain(found[1]), [*lines[:place], *lines[place + 1 :]]
    return "", lines


def further(encoder: Encoder, one: Definition, lines: Sequence[str]) -> bool:
    """Whether these lines already fill the context."""
    return bool(encoder._reader.further(one.path, one.symbol, "\n".join(lines), 1))


def chosen(drawn: Sequence[Definition], ask: Callable[[Definition], tuple[str, Sequence[str]] | None], documents: int, questions: int) -> list[tuple[str, Document]]:
    """So many functions, of which so many are asked for (`questions` at most); the others are asked for by nothing."""
    asked: list[tuple[str, Document]] = []
    others: list[tuple[str, Document]] = []
    for one in drawn:
        if (found := ask(one)) is not None:
            document = (one.path, one.symbol, "\n".join(found[1]))
            asked.append((found[0], document)) if found[0] and len(asked) < questions else others.append(("", document))
    return asked + others[: max(0, documents - len(asked))]


def trial(name: str, pairs: Sequence[tuple[str, Document]], encoder: Encoder) -> list[str]:
    documents = [document for _, document in pairs]
    began = time.process_time()
    begins = unit(encoder.chunks(documents))
    between = time.process_time()
    parts = [unit(codes) for codes in encoder.further_parts(documents)]
    ended = time.process_time()
    questions = [question for question, _ in pairs if question]
    asked = unit(np.stack([encoder.query(question) for question in questions]))
    first = asked @ begins.T
    plain_figures = ranked(first)
    lines = [
        f"{name}: {len(questions)} questions, {len(documents)} functions, {sum(map(len, parts)) / len(documents):.2f} further parts each, which take {(ended - between) / (between - began):.1f} times the beginnings' time",
        f"  beginning alone      {shown(bootstrap(plain_figures), '.3f')}",
    ]
    for most in PARTS:
        for cost in COSTS:
            scores = first.copy()
            for place, codes in enumerate(parts):
                if len(codes):
                    scores[:, place] = np.maximum(scores[:, place], (asked @ codes[: most - 1].T).max(1) - cost)
            figures = ranked(scores)
            lines.append(f"  {most} parts, cost {cost:.2f}   {shown(bootstrap(figures), '.3f')}   {shown(paired(figures, plain_figures), '+.3f')}")
    return [*lines, ""]


def ranked(scores: np.ndarray) -> list[float]:
    """Reciprocal rank of document i for question i."""
    return [reciprocal_rank(np.argsort(-row, kind="stable")[:10].tolist(), {place}) for place, row in enumerate(scores)]


def shown(interval, form: str) -> str:
    return f"{interval.mean:{form}} [{interval.low:{form}}, {interval.high:{form}}]"


if __name__ == "__main__":
    sys.exit(main())
