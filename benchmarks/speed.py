"""Time, memory and bytes of indexing and searching, and how they grow; beside semble without its model.

    python benchmarks/speed.py CORPUS_FOLDER ... [--sizes 50 500 5000] [--semble PYTHON]

Each folder is indexed from nothing (fresh home), refreshed with nothing changed, searched from process start and in a
running process. --sizes also measures that many files drawn from the first folder (seed 0). --semble names a Python
with semble 0.7.0 installed: the same folders and queries go through it as semble_baseline.py says, all kinds of content. Queries are docstring sentences of the corpus.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
from pathlib import Path

import measure

QUERIES = 100
WARM = '''
import json, sys, time
import wayfind
repository = wayfind.open(sys.argv[1], home=sys.argv[2])
queries, spent = json.load(open(sys.argv[3])), []
repository.refresh()
for number in range(2):
    for query in queries:
        began = time.perf_counter(); repository.search(query, refresh=False)
        if number: spent.append(time.perf_counter() - began)
state = repository.state()
print(json.dumps({"files": state.files, "chunks": state.chunks, "spent": spent}))
'''


def queries_of(folder: Path, home: Path) -> list[str]:
    """Sentences of the corpus's own documentation, drawn with seed 0."""
    import wayfind

    with wayfind.open(folder, home=home) as repository:
        found = sorted({c.docstring().split(".")[0].strip() for c in repository.chunks() if c.provenance == "docstring"})
    found = [" ".join(text.split()) for text in found if 4 <= len(text.split()) <= 14]
    return random.Random(0).sample(found, min(QUERIES, len(found)))


def milliseconds(spent: list[float]) -> str:
    return f"p50 {measure.percentile(spent, 0.5) * 1000:6.1f} ms  p99 {measure.percentile(spent, 0.99) * 1000:6.1f} ms"


def one(folder: Path, semble: str | None, scratch: Path) -> list[str]:
    home = scratch / "home"
    shutil.rmtree(home, ignore_errors=True)
    wayfind = [sys.executable, "-m", "wayfind"]
    environment = {"WAYFIND_HOME": str(home)}
    first = measure.run([*wayfind, "index", str(folder)], **environment)
    if first.code:
        raise SystemExit(f"indexing {folder} failed: {first.output}")
    asked = scratch / "queries.json"
    queries = queries_of(folder, home)
    asked.write_text(json.dumps(queries))
    again = min(measure.run([*wayfind, "index", str(folder)], **environment).seconds for _ in range(3))
    cold = min(measure.run([*wayfind, "search", queries[0], str(folder)], **environment).seconds for _ in range(3))
    warm_run = measure.run([sys.executable, "-c", WARM, str(folder), str(home), str(asked)])
    warm = json.loads(warm_run.output)
    size = sum(p.stat().st_size for p in home.rglob("*") if p.is_file())
    lines = [
        f"{folder.name}: {warm['files']} files, {warm['chunks']} chunks",
        f"  wayfind  index {first.seconds:6.2f} s, peak {first.peak / 2**20:5.0f} MiB; refresh, nothing changed {again:5.2f} s; search from process start {cold:5.2f} s",
        f"           running process {milliseconds(warm['spent'])}, peak {warm_run.peak / 2**20:.0f} MiB; on disk {size / 2**20:.1f} MiB, {size / max(warm['chunks'], 1):.0f} bytes a chunk",
    ]
    if semble:
        done = measure.run([semble, str(measure.HERE / "semble_baseline.py"), "speed", str(folder), str(asked)])
        theirs = json.loads(done.output)
        ratio = measure.percentile(warm["spent"], 0.5) / measure.percentile(theirs["spent"], 0.5)
        lines += [
            f"  semble   index {theirs['built']:6.2f} s, peak {done.peak / 2**20:5.0f} MiB; {theirs['files']} files, {theirs['chunks']} chunks; running process {milliseconds(theirs['spent'])}",
            f"  ratio    index {first.seconds / theirs['built']:.2f}, search p50 {ratio:.2f} (wayfind to semble; wayfind's includes explanations and reasons)",
        ]
    return lines


def subset(folder: Path, count: int, into: Path) -> Path | None:
    files = sorted(p for p in folder.rglob("*.py") if p.is_file() and p.stat().st_size)
    files += sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in (".txt", ".js", ".html", ".md", ".json") and p.stat().st_size)
    if len(files) < count:
        return None
    target = into / f"{folder.name}-{count}"
    for path in random.Random(0).sample(files, count):
        (target / path.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target / path.relative_to(folder))
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--sizes", nargs="*", type=int, default=[])
    parser.add_argument("--semble")
    arguments = parser.parse_args()
    lines = [measure.heading("Speed, memory and bytes")]
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        folders = list(arguments.folders)
        for count in arguments.sizes:
            if made := subset(arguments.folders[0], count, scratch):
                folders.append(made)
            else:
                lines.append(f"{arguments.folders[0].name} has fewer than {count} files")
        for folder in folders:
            lines += one(folder, arguments.semble, scratch)
            print("\n".join(lines[-5:]), flush=True)
    measure.write_result("speed.txt", "\n".join(lines))


if __name__ == "__main__":
    main()
