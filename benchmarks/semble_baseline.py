"""semble 0.7.0 without its model, as the peer that Wayfind's lexical part is measured beside.

    python semble_baseline.py sets  --bench DIR --corpora DIR --set files|issues|cosqa --out RESULTS.jsonl
    python semble_baseline.py speed FOLDER QUERIES.json

Run it with a Python that has semble installed (`pip install semble==0.7.0`). semble has no mode without a model: here a
stand-in takes the model's place, which returns nothing and costs nothing, and alpha = 0 gives BM25 the whole weight;
its walk, chunker, BM25, boosts and penalties are its own. No network. `sets` indexes code, as semble does by itself;
`speed` indexes everything that semble knows, as Wayfind does, and prints one JSON object: seconds, counts.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import defaultdict
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
from semble.index.create import create_index_from_path
from semble.search import search
from semble.types import ContentType

DEPTH = {"files": 10, "issues": 50, "cosqa": 10}
QUERIES = {"files": "files.queries.jsonl", "issues": "issues.jsonl", "cosqa": "cosqa.queries.jsonl"}


class NoModel:
    dim = 1

    def encode(self, texts, **_):
        return np.zeros((len(texts), 1), dtype=np.float32)


class NoVectors:
    def query(self, vectors, k, selector=None):
        return [((), ())]


class Engine:
    """An index of one folder. `seconds`: what building it took."""

    def __init__(self, root: Path, content: tuple[ContentType, ...]):
        root = root.resolve()
        began = time.perf_counter()
        self.bm25, _, self.chunks, manifest = create_index_from_path(root, NoModel(), content=content, display_root=root)
        self.seconds, self.files = time.perf_counter() - began, len(manifest)

    def ask(self, query: str, k: int):
        return search(query, NoModel(), NoVectors(), self.bm25, self.chunks, k, alpha=0.0)


def sets(options: argparse.Namespace) -> None:
    """Results of every query of a set, for the referee."""
    corpora = defaultdict(list)
    for line in open(options.bench / "data" / QUERIES[options.set], encoding="utf-8"):
        row = json.loads(line)
        corpora[{"files": row.get("corpus"), "issues": row["id"], "cosqa": ""}[options.set]].append(row)
    with open(options.out, "w", encoding="utf-8") as out:
        for name, rows in corpora.items():
            engine = Engine(options.corpora / options.set / name, (ContentType.CODE,))
            for row in rows:
                found = [
                    {"path": r.chunk.file_path.replace(os.sep, "/"), "start_line": r.chunk.start_line, "end_line": r.chunk.end_line, "symbol": None}
                    for r in engine.ask(row["query"], DEPTH[options.set])
                ]
                out.write(json.dumps({"id": row["id"], "hits": found}) + "\n")
            print(name, engine.files, len(engine.chunks), f"{engine.seconds:.1f} s", file=sys.stderr)


def speed(options: argparse.Namespace) -> None:
    """Time to index a folder and to answer, warm."""
    engine, spent = Engine(options.folder, tuple(ContentType)), []
    for counted in (False, True):
        for query in json.loads(options.queries.read_text()):
            began = time.perf_counter()
            engine.ask(query, 10)
            if counted:
                spent.append(time.perf_counter() - began)
    print(json.dumps({"built": engine.seconds, "files": engine.files, "chunks": len(engine.chunks), "spent": spent}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("sets")
    one.add_argument("--bench", type=Path, required=True)
    one.add_argument("--corpora", type=Path, required=True)
    one.add_argument("--set", choices=sorted(DEPTH), required=True)
    one.add_argument("--out", type=Path, required=True)
    one.set_defaults(run=sets)
    two = commands.add_parser("speed")
    two.add_argument("folder", type=Path)
    two.add_argument("queries", type=Path)
    two.set_defaults(run=speed)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
