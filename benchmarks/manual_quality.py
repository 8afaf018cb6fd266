"""Automatic explanations against 50 that were written by reading the code: `manual_httpie.json`, of httpie/cli at COMMIT.

    python benchmarks/manual_quality.py --tree CLI --part transformer=PART [--judged JUDGED.json] [--print]

CLI is a work tree of that commit. Each explained function is read without its documentation, but for the row `documentation`,
which counts only functions that have some. JUDGED holds, per system and id of an entry, `right`, `partly` or `wrong`: what a person
made of the sentence beside the code. `--print` shows every sentence.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from explanations import Example, Neighbours, bleu, lacks, loaded, recall, rouge, shown, template

from wayfind.corpus import manual
from wayfind.corpus.extract import extract
from wayfind.corpus.targets import documented
from wayfind.evaluate.from_tests import own_name
from wayfind.evaluate.intervals import bootstrap
from wayfind.model.reading import reading, undocumented
from wayfind.model.text import plain
from wayfind.train.explaining_data import cleaned

COMMIT = "5b604c37c6c67e18e7c3e9aee6c88a8c22b98345"
ENTRIES = Path(__file__).parent / "manual_httpie.json"


@dataclass(frozen=True, slots=True)
class Explained:
    """An entry, its function without documentation, and the first sentence of that where there is one."""

    entry: manual.Manual
    example: Example
    documentation: str


def explained(tree: Path) -> list[Explained]:
    """The functions that the entries explain."""
    found = []
    for entry in manual.load(ENTRIES):
        record = extract((tree / entry.file).read_bytes(), entry.file)
        assert not isinstance(record, str), f"{entry.file}: {record}"
        chunk = next(one for one in record.chunks if one.symbol == entry.component and one.start_line == entry.start_line)
        own = record.lines(chunk.start_line, chunk.end_line)
        example = Example("python", "httpie/cli", entry.file, entry.component, entry.explanation, reading(chunk, own, "python"), bare := undocumented(chunk, own), template(chunk, bare, "python"))
        found.append(Explained(entry, example, documented(chunk)))
    return found


def documentation_of(tree: Path) -> list[Example]:
    """Documented functions of the repository, for the nearest one's documentation."""
    found = []
    for file in sorted((tree / "httpie").rglob("*.py")):
        record = extract(file.read_bytes(), file.name)
        for chunk in () if isinstance(record, str) else record.chunks:
            if chunk.docstring and chunk.symbol and (said := cleaned(documented(chunk))):
                own = record.lines(chunk.start_line, chunk.end_line)
                found.append(Example("python", "httpie/cli", str(file.relative_to(tree)), chunk.symbol, said, "", undocumented(chunk, own), ""))
    return found


def main() -> None:
    asking = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    asking.add_argument("--tree", type=Path, required=True)
    asking.add_argument("--part", action="append", default=[], metavar="NAME=FOLDER")
    asking.add_argument("--judged", type=Path)
    asking.add_argument("--print", action="store_true", dest="show")
    given = asking.parse_args()
    ours = explained(given.tree)
    examples = [one.example for one in ours]
    others = documentation_of(given.tree)
    said: dict[str, list[str]] = {}
    for name, _, folder in (one.partition("=") for one in given.part):
        explainer = loaded(Path(folder))
        said[name] = [explainer.write(example.reading) or example.template for example in examples]
    said["template"] = [example.template for example in examples]
    said["documentation"] = [one.documentation for one in ours]
    said["nearest neighbour's documentation"] = [
        Neighbours([(f"{one.symbol} {one.text}", one.reference) for one in others if (one.path, one.symbol) != (example.path, example.symbol)]).said(example) for example in examples
    ]
    said["name only"] = [" ".join(word for word in plain(own_name(example.symbol)).split() if word[0].isalnum()) for example in examples]
    commit = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, cwd=ENTRIES.parent).stdout.strip()
    print(f"commit   {commit}\nmachine  {len(os.sched_getaffinity(0))} cores, no accelerator")
    print(f"command  benchmarks/manual_quality.py --tree CLI {' '.join(f'--part {one.partition(chr(61))[0]}=PART' for one in given.part)}\nset      50 entries of httpie/cli at {COMMIT[:12]}\n")
    print(f"{'':36}{'n':>3}  {'BLEU-4':20}{'ROUGE-L':20}{'identifier recall':22}invents  right  partly  wrong")
    judged = json.loads(given.judged.read_text(encoding="utf-8")) if given.judged else {}
    for name, texts in said.items():
        rows = [(text, one) for text, one in zip(texts, examples) if text]
        recalls = [value for text, one in rows if (value := recall(text, one)) is not None]
        scores = [shown(bootstrap([score(text, one.reference) for text, one in rows])) for score in (bleu, rouge)]
        verdicts = Counter(judged.get(name, {}).values())
        counts = "".join(f"{verdicts[word]:7}" for word in ("right", "partly", "wrong")) if verdicts else ""
        print(f"{name:36}{len(rows):3}  {scores[0]:20}{scores[1]:20}{shown(bootstrap([100 * one for one in recalls])) if recalls else '':22}{sum(bool(lacks(*row)) for row in rows):7}{counts}")
    if given.show:
        for number, one in enumerate(ours):
            print(f"\n{one.entry.id} {one.entry.category} | {one.entry.file} | {one.entry.component}\n  manual    {one.entry.explanation}")
            for name in [*(one.partition("=")[0] for one in given.part), "template"]:
                print(f"  {name:10}{said[name][number]}{' (template)' if name != 'template' and said[name][number] == said['template'][number] else ''}")


if __name__ == "__main__":
    main()
