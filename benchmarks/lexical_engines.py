"""Build time, bytes and query time of lexical engines over the same chunks and the same terms.

    python benchmarks/lexical_engines.py FOLDER [--home HOME]

Engines: Wayfind's segments, SQLite FTS5, tantivy, bm25s (the last two: `pip install tantivy bm25s`; left out when
missing). Every engine gets the terms that `wayfind.index.tokens` makes; Wayfind's scores five fields, the others one.
Queries are 200 signatures drawn from the chunks, seed 0, words in any order match (OR), best 10.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import wayfind
from wayfind.index.segment import SegmentFile, write_segment
from wayfind.index.tokens import terms
from wayfind.search import lexical
from wayfind.search.query import parse
from wayfind.search.searcher import Searcher


def timed(work: Callable[[], object]) -> tuple[object, float]:
    began = time.perf_counter()
    made = work()
    return made, time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--home")
    arguments = parser.parse_args()
    repository = wayfind.open(arguments.folder, home=arguments.home)
    repository.refresh()
    snapshot = repository.snapshot()
    chunks = [snapshot.chunk(number) for number in range(snapshot.chunks)]
    texts = [terms(text) for _, text in chunks]
    signatures = sorted({chunk.signature for chunk, _ in chunks if len(chunk.signature) > 20})
    queries = random.Random(0).sample(signatures, min(200, len(signatures)))
    print(f"{len(texts)} chunks, {sum(map(len, texts))} terms, {len(queries)} queries")
    with tempfile.TemporaryDirectory() as folder:
        for engine in (own, fts5, tantivy_engine, bm25s_engine):
            try:
                name, built, size, ask = engine(snapshot, texts, Path(folder))
            except ImportError as error:
                print(f"{engine.__name__}: left out ({error})")
                continue
            spent = sorted(timed(lambda q=q: ask(q))[1] * 1000 for q in queries)
            print(f"{name:10s} build {built:6.2f} s  {size / 1e6:7.1f} MB  query p50 {spent[len(spent) // 2]:7.2f} ms  p99 {spent[int(len(spent) * 0.99)]:7.2f} ms")


def own(snapshot, texts, folder):
    files = [SegmentFile(p, k, snapshot.store.postings(k), {}, {}) for p, k in zip(snapshot.paths, snapshot.keys)]
    size, built = timed(lambda: write_segment(folder / "own.seg", files))
    scales = Searcher(snapshot).scales

    def ask(text):
        scores = lexical.score(snapshot, scales, parse(text)).chunk
        return np.argpartition(-scores, 10)[:10]

    return "wayfind", built, size, ask


def fts5(snapshot, texts, folder):
    db = sqlite3.connect(folder / "fts.sqlite")

    def build():
        db.execute("CREATE VIRTUAL TABLE f USING fts5(t, content='', tokenize='ascii')")
        db.executemany("INSERT INTO f(rowid, t) VALUES (?, ?)", ((i, " ".join(t)) for i, t in enumerate(texts)))
        db.commit()

    _, built = timed(build)

    def ask(text):
        wanted = " OR ".join(f'"{t}"' for t in dict.fromkeys(terms(text)))
        return db.execute("SELECT rowid FROM f WHERE f MATCH ? ORDER BY rank LIMIT 10", (wanted,)).fetchall()

    return "FTS5", built, (folder / "fts.sqlite").stat().st_size, ask


def tantivy_engine(snapshot, texts, folder):
    import tantivy

    place = folder / "tantivy"
    place.mkdir()
    schema = tantivy.SchemaBuilder().add_text_field("t", tokenizer_name="whitespace").add_unsigned_field("i", stored=True).build()
    index = tantivy.Index(schema, path=str(place))

    def build():
        writer = index.writer(200_000_000, 1)
        for i, t in enumerate(texts):
            writer.add_document(tantivy.Document(t=" ".join(t), i=i))
        writer.commit()
        writer.wait_merging_threads()

    _, built = timed(build)
    index.reload()
    searcher = index.searcher()

    def ask(text):
        some = [(tantivy.Occur.Should, tantivy.Query.term_query(schema, "t", t)) for t in dict.fromkeys(terms(text))]
        return [searcher.doc(address) for _, address in searcher.search(tantivy.Query.boolean_query(some), 10).hits]

    return "tantivy", built, sum(p.stat().st_size for p in place.iterdir()), ask


def bm25s_engine(snapshot, texts, folder):
    import bm25s

    engine = bm25s.BM25()
    _, built = timed(lambda: engine.index(texts, show_progress=False))
    engine.save(str(folder / "bm25s"))

    def ask(text):
        scores = engine.get_scores([t for t in dict.fromkeys(terms(text)) if t in engine.vocab_dict])
        return np.argpartition(-scores, 10)[:10]

    return "bm25s", built, sum(p.stat().st_size for p in (folder / "bm25s").iterdir()), ask


if __name__ == "__main__":
    main()
