#!/usr/bin/env python3
"""Search at 2,000, 20,000 and 100,000 chunks of real code: time, memory and bytes, beside others on the same chunks.

    scale.py --trees DIR [--sizes 2000,20000,100000] [--encode 2000] [--semble PYTHON] [--bm25s] [--minilm FOLDER] [--out FILE]

--trees   folders of code; so many of them, drawn with seed 0, are laid side by side as make up a size
--encode  chunks that the model really encodes at each size; the others get copies of those vectors and token vectors, drawn with
          seed 0: what a search reads and multiplies is the same, and the whole run takes minutes instead of hours
--semble  a Python with semble 0.7.0 (semble_baseline.py); --bm25s: the library, in this Python; --minilm: an ONNX folder of
          all-MiniLM-L6-v2 (dense.py), whose matrix is made of copies in the same way

Each measurement is a process of its own. Queries are 100 sentences of the corpus's documentation, each new to the process (its
vectors are encoded within the time); a first round of other sentences warms up. `answer` is search with late interaction and
source explanations, ten results; `words` the same without the model. Time to the first answer begins with an unindexed folder.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import measure
import numpy as np
from measure import percentile

QUERIES, WARMING = 100, 20
SKIPPED = frozenset({".git", "node_modules"})
TESTS = ("test", "spec", "example", "vendor", "third_party")


# The corpus ----------------------------------------------------------------------------------------------------------------


def grow(trees: list[Path], corpus: Path, home: Path, wanted: int) -> tuple[int, list[str]]:
    """Copy trees, one after the other, until the corpus has so many chunks; one that brings a tenth too many is left out.

    Returns the chunks, and sentences of the corpus's documentation to ask with.
    """
    import wayfind

    _made(corpus)
    with closing(wayfind.open(corpus, home=home)) as repository:
        repository.refresh()
        for tree in (tree for tree in trees if not (corpus / tree.name).exists()):
            if repository.state().chunks >= 0.95 * wanted:
                break
            shutil.copytree(tree, corpus / tree.name, ignore=lambda folder, names: [n for n in names if n in SKIPPED], symlinks=True, ignore_dangling_symlinks=True)
            repository.refresh()
            if repository.state().chunks > 1.1 * wanted:
                shutil.rmtree(corpus / tree.name)
                repository.refresh()
        chunks = repository.state().chunks
        sentences = sorted({c.docstring().split(".")[0].strip() for c in repository.chunks() if c.provenance == "docstring"})
    asked = [" ".join(text.split()) for text in sentences if 4 <= len(text.split()) <= 14]
    return chunks, random.Random(0).sample(asked, min(QUERIES + WARMING, len(asked)))


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def lay_vectors(corpus: Path, home: Path, real: int) -> tuple[int, float]:
    """Encode so many chunks, copy their codes to the rest, and lay all out for the tree. Returns chunks encoded, and a second."""
    from wayfind.index.late import TokenCodes
    from wayfind.index.tree import open_tree
    from wayfind.index.vectors import VectorStore, _encode, commit, vector_key
    from wayfind.model.encoder import current_encoder

    encoder = current_encoder()
    if encoder is None:
        return 0, 0.0
    drawn = np.random.default_rng(0)
    with closing(open_tree(corpus, home)) as tree, closing(VectorStore(tree.store.path.parent)) as store:
        rows = [row for row in tree.catalogue.manifest().rows.values() if row.segment and row.chunks]
        random.Random(0).shuffle(rows)
        rows.sort(key=lambda row: any(sign in row.path for sign in TESTS))
        key_of = {row.path: vector_key(row.key, row.path, encoder.id) for row in rows}
        done, number, began = 0, 0, time.perf_counter()
        while number < len(rows) and done < real:
            done += _encode(tree, store, encoder, rows[number : number + 16], key_of)
            number += 16
        spent = time.perf_counter() - began
        first = [key_of[row.path] for row in rows[:number]]
        codes = np.concatenate(list(store.read(first, encoder.dim).values()))
        tokens = [own.codes[a:b] for _, own in store.read_late(first, _form(), encoder.late_dim) for a, b in zip(own.ends[:-1], own.ends[1:])] if encoder.late_dim else []
        for start in range(number, len(rows), 2000):
            some = rows[start : start + 2000]
            picks = [drawn.integers(0, len(codes), row.chunks) for row in some]
            store.put([(key_of[row.path], row.key, codes[pick].tobytes()) for row, pick in zip(some, picks)])
            if tokens:
                store.put_late([(key_of[row.path], row.key, _laid([tokens[i] for i in pick], encoder.late_dim, TokenCodes)) for row, pick in zip(some, picks)])
        commit(tree, store, encoder)
    return done, done / spent if spent else 0.0


def _form() -> str:
    from wayfind.index.late import FORM

    return FORM


def _laid(tokens: list[np.ndarray], dim: int, kind: type) -> object:
    ends = np.cumsum([0, *map(len, tokens)]).astype(np.int64)
    return kind(ends, np.concatenate([np.zeros((0, dim), np.int8), *tokens]))


# What is measured, each in a process of its own --------------------------------------------------------------------------------


def warm(corpus: str, home: str, queries: str) -> dict:
    """Times of searches in a running process, and its peak memory."""
    import wayfind
    from wayfind.search.engine import Ask, search

    asked, spent = json.loads(Path(queries).read_text()), []
    with closing(wayfind.open(corpus, home=home)) as repository:
        searcher = repository.searcher()
        for number, text in enumerate(asked):
            began = time.perf_counter()
            search(searcher, Ask(text, explain="source"))
            if number >= WARMING:
                spent.append(time.perf_counter() - began)
        return {"spent": spent, "chunks": searcher.snapshot.chunks}


def bm25s(corpus: str, home: str, queries: str) -> dict:
    """The library over the same chunks and terms: building, times, peak memory (the reading of the chunks included)."""
    import bm25s as library

    import wayfind
    from wayfind.index.tokens import terms

    with closing(wayfind.open(corpus, home=home)) as repository:
        snapshot = repository.snapshot()
        texts = [terms(snapshot.chunk(number)[1]) for number in range(snapshot.chunks)]
    engine, began = library.BM25(), time.perf_counter()
    engine.index(texts, show_progress=False)
    built, spent = time.perf_counter() - began, []
    for number, text in enumerate(json.loads(Path(queries).read_text())):
        began = time.perf_counter()
        scores = engine.get_scores([term for term in dict.fromkeys(terms(text)) if term in engine.vocab_dict])
        np.argpartition(-scores, min(10, len(scores) - 1))[:10]
        if number >= WARMING:
            spent.append(time.perf_counter() - began)
    return {"spent": spent, "built": built, "chunks": len(texts)}


def minilm(corpus: str, home: str, queries: str, folder: str) -> dict:
    """all-MiniLM-L6-v2 as a dense index: a float32 matrix, exact. 64 chunks are encoded to say how long all would take."""
    from dense import opened

    import wayfind

    encoder = opened("MiniLM", Path(folder))
    with closing(wayfind.open(corpus, home=home)) as repository:
        snapshot = repository.snapshot()
        some = [(snapshot.paths[snapshot.file[n]], snapshot.symbols[n] or None, snapshot.chunk(n)[1]) for n in np.linspace(0, snapshot.chunks - 1, 64).astype(int).tolist()]
        chunks = snapshot.chunks
    began = time.perf_counter()
    made = encoder.documents(some)
    rate = len(some) / (time.perf_counter() - began)
    matrix, spent = made[np.random.default_rng(0).integers(0, len(made), chunks)], []
    for number, text in enumerate(json.loads(Path(queries).read_text())):
        began = time.perf_counter()
        scores = matrix @ encoder.questions([text])[0]
        np.argpartition(-scores, 10)[:10]
        if number >= WARMING:
            spent.append(time.perf_counter() - began)
    return {"spent": spent, "built": chunks / rate, "chunks": chunks, "rate": rate}


CHILDREN = {"warm": warm, "bm25s": bm25s, "minilm": minilm}


def child(name: str, *arguments: str | Path, **environment: str) -> dict:
    """Run one of CHILDREN alone, and say its peak memory as the system counts it."""
    done = measure.run([sys.executable, __file__, "--child", name, *map(str, arguments)], **environment)
    return {**json.loads(done.output), "peak": done.peak} if not done.code else {"failed": "failed"}


# The table -----------------------------------------------------------------------------------------------------------------


def measured(size: int, options: argparse.Namespace, scratch: Path) -> list[str]:
    """The lines of one size."""
    import wayfind

    corpus, home, asked = scratch / "corpus", scratch / "home", scratch / "queries.json"
    trees = sorted(path for path in options.trees.iterdir() if path.is_dir())
    random.Random(0).shuffle(trees)
    chunks, queries = grow(trees, corpus, scratch / "grown", size)
    with closing(wayfind.open(corpus, home=home)) as repository:
        repository.refresh()  # the other home holds trees that were left out too
    asked.write_text(json.dumps(queries))
    encoded, rate = lay_vectors(corpus, home, options.encode)
    lines = [f"{chunks:,} chunks" + (f" (the trees hold no more)" if chunks < 0.95 * size else "") + f"; {min(encoded, chunks):,} encoded at {rate:,.0f} a second, the others' vectors are copies"]
    lines.append(row("wayfind, answer", child("warm", corpus, home, asked)))
    lines.append(row("wayfind, words", child("warm", corpus, home, asked, WAYFIND_MODEL="none")))
    if options.bm25s:
        lines.append(row("bm25s", child("bm25s", corpus, home, asked)))
    if options.minilm:
        lines.append(row("MiniLM, dense", child("minilm", corpus, home, asked, options.minilm)))
    if options.semble:
        line = [options.semble, str(measure.HERE / "semble_baseline.py"), "speed", str(corpus), str(asked)]
        done = measure.run(line)
        found = json.loads(done.output.splitlines()[-1]) if not done.code else {"failed": "semble failed"}
        lines.append(row("semble without its model", {**found, "peak": done.peak}))
    cold = [measure.run([sys.executable, "-m", "wayfind", queries[n], str(corpus), "--no-resident"], WAYFIND_HOME=str(home)).seconds for n in range(3)]
    lines.append(f"  cold start of a command, index there: {min(cold):.2f} s (best of 3: {', '.join(f'{one:.2f}' for one in cold)})")
    lines += sizes(corpus, home, chunks)
    if size <= options.first_up_to:
        fresh = scratch / "fresh"
        words = measure.run([sys.executable, "-m", "wayfind", queries[0], str(corpus), "--no-resident"], WAYFIND_HOME=str(fresh), WAYFIND_MODEL="none")
        shutil.rmtree(fresh)
        first = measure.run([sys.executable, "-m", "wayfind", queries[0], str(corpus), "--no-resident"], WAYFIND_HOME=str(fresh))
        lines.append(f"  first answer from an unindexed folder: by words {words.seconds:.1f} s, with the model's nearest candidates {first.seconds:.1f} s")
        if rate:
            lines.append(f"  full answer: after all vectors, {chunks / rate:,.0f} s more at the rate above; searches answer meanwhile")
        shutil.rmtree(fresh, ignore_errors=True)
    return lines


def row(name: str, found: dict) -> str:
    """One system's figures."""
    if "failed" in found:
        return f"  {name:<26} {found['failed']}"
    spent = found["spent"]
    built = f"  built in {found['built']:,.1f} s" if "built" in found else ""
    other = f"  over {found['chunks']:,} chunks of its own" if name.startswith("semble") else ""
    return f"  {name:<26} p50 {1e3 * percentile(spent, 0.5):7.1f} ms  p99 {1e3 * percentile(spent, 0.99):7.1f} ms  peak {found['peak'] / 1e6:7,.0f} MB{built}{other}"


def sizes(corpus: Path, home: Path, chunks: int) -> list[str]:
    """Bytes a chunk, by part."""
    from wayfind.index.home import sizes as of

    found = of(home)
    parts = (("texts", found.content), ("postings", found.segments), ("catalogue", found.catalogues), ("store of vectors and tokens", found.vectors), ("tokens of the tree", found.late))
    return [f"  bytes a chunk: {found.total / chunks:,.0f} ({', '.join(f'{name} {size / chunks:,.0f}' for name, size in parts)})"]


def main() -> int:
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(CHILDREN[sys.argv[2]](*sys.argv[3:])))
        return 0
    options = arguments()
    text = measure.heading("Search at three sizes") + "\n"
    with tempfile.TemporaryDirectory(prefix="wayfind-scale-") as scratch:
        for size in sorted(int(one) for one in options.sizes.split(",")):
            began = time.perf_counter()
            some = "\n".join(measured(size, options, Path(scratch))) + "\n\n"
            print(some, end="", flush=True)
            print(f"{size:,}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
            text += some
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    return 0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trees", type=Path, required=True)
    parser.add_argument("--sizes", default="2000,20000,100000")
    parser.add_argument("--encode", type=int, default=2000)
    parser.add_argument("--semble", metavar="PYTHON")
    parser.add_argument("--bm25s", action="store_true")
    parser.add_argument("--minilm", metavar="FOLDER")
    parser.add_argument("--first-up-to", type=int, default=20_000, help="sizes up to which an unindexed folder is searched")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
