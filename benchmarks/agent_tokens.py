"""What an agent reads until it knows where something is: Wayfind over MCP, ripgrep with reading around the hits, semble.

    python agent_tokens.py ask wayfind --bench DIR --corpora DIR --out W.jsonl                  (WAYFIND_HOME says where indexes lie)
    python agent_tokens.py ask ripgrep --bench DIR --corpora DIR --out R.jsonl                  (needs rg)
    python agent_tokens.py ask semble  --bench DIR --corpora DIR --out S.jsonl --python PYTHON  (one with semble 0.7.0)
    python agent_tokens.py report W.jsonl R.jsonl S.jsonl --bench DIR

On the files set: a question, and the files that answer it. `ask` writes what an agent would read for every question, in
order, in units that name files and may show their code; `report` counts. A file is *named* when its path has been read, and
*shown* when lines of its code have been read; recall within N tokens is the share of a question's files that were. Tokens
are those of cl100k_base where tiktoken is installed, as in semble's published figures, else the estimate of
`wayfind.serve.budget`. Means are over questions, intervals by bootstrap over questions (1,000 resamples).

wayfind  the text of one call of `search`, max_tokens = N, from the SDK's client over pipes; an agent who finds nothing in the
         2,000 tokens of the default asks again for 8,000, and has then read both. `wayfind object`: the structured twin.
ripgrep  an agent who writes the question's words, but stop words, as one alternation: `rg -i --count-matches | sort`;
         reads the 30 files with most hits on that list, then opens the files in its order and reads 10 lines around the
         hits, at most 5 places a file, those with most hits first.
semble   its own command line, `search QUESTION FOLDER --format text -k 50`, with a stand-in for its model (see
         semble_baseline.py): whole chunks; `semble 10 lines` and `semble places` are what its --max-snippet-lines 10 and 0 leave.

Seconds are of whole processes with an index on disk, one question of every repository; `wayfind mcp` of a call of the
running server. No agent runs here, and nothing is said of whether it would solve its task.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

BUDGETS = (500, 2000, 8000)
CAP = 32_000
"""Tokens that a question costs which no file answers."""
TIMED = 1
LISTED, AROUND, PLACES = 30, 10, 5
SEMBLE = '''
import os, sys
os.environ["HF_HUB_OFFLINE"] = "1"
import numpy as np
import semble.index.index as index
from semble.cli import main

class NoModel:
    dim = 1
    def encode(self, texts, **_):
        return np.zeros((len(texts), 1), dtype=np.float32)

class NoVectors:
    def query(self, vectors, k, selector=None):
        return [((), ())]

whole = index.search
index.load_model = lambda path=None: (NoModel(), "none")
index.search = lambda query, model, vectors, *rest, **named: whole(query, NoModel(), NoVectors(), *rest, **{**named, "alpha": 0.0})
if __name__ == "__main__" and sys.argv[1:]:
    main()
elif __name__ == "__main__":
    import contextlib, io, json
    told = []
    for arguments in json.load(sys.stdin):
        sys.argv[1:] = arguments
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            main()
        told.append(printed.getvalue())
    print(json.dumps(told))
'''
"""semble's command line without its model: as in semble_baseline.py, but through its own `main`, with its cache of indexes.
Without arguments: many command lines, in one process."""

Unit = tuple[str, str, str]
"""Text, the file that it names, the file whose code it shows; empty where none."""


# What agents read


def of_wayfind(text: str, paths: Sequence[str]) -> list[Unit]:
    """Units of the text twin: lines of places, and blocks of code under `path:line`."""
    known, units, title, block = set(paths), [], "", ""
    for line in text.split("\n"):
        place = re.match(r"(.+?):(\d+)(?:-\d+ |$)", line)
        path = place[1] if place and place[1] in known else ""
        if path and line == f"{path}:{place[2]}":
            units += [(block, title, title)] if title else []
            title, block = path, ""
        if title:
            block += line + "\n"
        else:
            units.append((line + "\n", path, ""))
    return [*units, (block, title, title)]


def of_object(fields: dict) -> list[Unit]:
    """Units of the structured twin, as compact JSON."""
    head = {name: value for name, value in fields.items() if name != "results"}
    units = [(json.dumps(head, ensure_ascii=False, separators=(",", ":")), "", "")]
    for row in fields["results"]:
        path = row["place"].rpartition(":")[0]
        units.append((json.dumps(row, ensure_ascii=False, separators=(",", ":")), path, path if "code" in row else ""))
    return units


def of_ripgrep(question: str, folder: Path) -> list[Unit]:
    from wayfind.index.tokens import STOP_WORDS

    words = list(dict.fromkeys(word.lower() for word in re.findall(r"[A-Za-z_][A-Za-z0-9_]+", question) if word.lower() not in STOP_WORDS))
    if not words:
        return []
    found = subprocess.run(["rg", "-i", "--no-heading", "--json", "|".join(map(re.escape, words)), "."], cwd=folder, capture_output=True).stdout
    hits: dict[str, dict[int, int]] = defaultdict(dict)
    for row in map(json.loads, found.splitlines()):
        if row["type"] == "match" and "text" in row["data"]["path"]:
            path = row["data"]["path"]["text"].removeprefix("./")
            hits[path][row["data"]["line_number"]] = len(row["data"]["submatches"])
    order = sorted(hits, key=lambda path: (-sum(hits[path].values()), path))
    listing = [(f"{path}:{sum(hits[path].values())}\n", path, "") for path in order[:LISTED]]
    return [*listing, *(unit for path in order for unit in _read(folder, path, hits[path]))]


def _read(folder: Path, path: str, hits: dict[int, int]) -> Iterator[Unit]:
    """The places of a file with most hits, numbered as agents' readers number lines."""
    lines = (folder / path).read_text("utf-8", "replace").split("\n")
    windows: list[tuple[int, int, int]] = []
    for line in sorted(hits):
        first, last = max(line - AROUND, 1), min(line + AROUND, len(lines))
        if windows and first <= windows[-1][1] + 1:
            windows[-1] = (windows[-1][0], last, windows[-1][2] + hits[line])
        else:
            windows.append((first, last, hits[line]))
    yield f"{path}\n", path, ""
    for first, last, _ in sorted(windows, key=lambda window: -window[2])[:PLACES]:
        yield "".join(f"{number}\t{lines[number - 1]}\n" for number in range(first, last + 1)), path, path


def of_semble(printed: str, most: int | None) -> list[Unit]:
    """Units of `--format text`: a place, then its code, of which the first `most` lines are kept, as by --max-snippet-lines."""
    units, path, lines = [], "", []
    for line in [*printed.split("\n"), "end:1-1"]:
        place = re.fullmatch(r"(\S.*):\d+-\d+", line)
        if not place:
            lines.append(line)
            continue
        if path and most != 0:
            code = "\n".join(lines).strip("\n").split("\n")
            units.append(("\n" + "\n".join(code[:most]) + "\n\n", path, path))
        path, lines = place[1], []
        units.append((line + "\n", path, ""))
    return units[:-1]


# Asking


def questions(bench: Path, only: str) -> dict[str, list[dict]]:
    rows = defaultdict(list)
    for line in open(bench / "data" / "files.queries.jsonl", encoding="utf-8"):
        row = json.loads(line)
        if not only or row["corpus"] in only.split(","):
            rows[row["corpus"]].append(row)
    return rows


def timed(command: Sequence[str], **more) -> tuple[float, str]:
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, **more)
    return time.perf_counter() - began, done.stdout


async def ask_wayfind(folder: Path, rows: list[dict], options: argparse.Namespace) -> list[dict]:
    from mcp import Client, StdioServerParameters

    told = []
    server = StdioServerParameters(command=sys.executable, args=["-m", "wayfind", "mcp", str(folder)], env=dict(os.environ))
    subprocess.run([sys.executable, "-m", "wayfind", "index", str(folder)], capture_output=True, check=True)
    async with Client(server) as client:
        for number, row in enumerate(rows):
            units: dict[str, list[Unit]] = {}
            seconds = {}
            for budget in BUDGETS:
                began = time.perf_counter()
                answer = await client.call_tool("search", {"query": row["query"], "max_tokens": budget})
                seconds["wayfind mcp"] = time.perf_counter() - began
                fields = answer.structured_content
                paths = [found["place"].rpartition(":")[0] for found in fields["results"]]
                units[f"wayfind {budget}"] = of_wayfind(answer.content[0].text, paths)
                units[f"wayfind object {budget}"] = of_object(fields)
            if number < TIMED:
                seconds["wayfind"], _ = timed([sys.executable, "-m", "wayfind", "search", row["query"], str(folder), "--max-tokens", "2000"])
            told.append({"id": row["id"], "units": units, "seconds": seconds})
    return told


async def ask_ripgrep(folder: Path, rows: list[dict], options: argparse.Namespace) -> list[dict]:
    told = []
    for number, row in enumerate(rows):
        began = time.perf_counter()
        units = of_ripgrep(row["query"], folder)
        seconds = {"ripgrep": time.perf_counter() - began} if number < TIMED else {}
        told.append({"id": row["id"], "units": {"ripgrep": units}, "seconds": seconds})
    return told


async def ask_semble(folder: Path, rows: list[dict], options: argparse.Namespace) -> list[dict]:
    script = Path(options.scratch) / "semble_without_model.py"
    script.write_text(SEMBLE)
    environment = {**os.environ, "XDG_CACHE_HOME": options.scratch}
    lines = [["search", row["query"], str(folder), "-k", "50", "--format", "text"] for row in rows]
    done = subprocess.run([options.python, str(script)], input=json.dumps(lines), capture_output=True, text=True, env=environment, check=True)
    told = []
    for number, (row, printed) in enumerate(zip(rows, json.loads(done.stdout.splitlines()[-1]))):
        units = {"semble": of_semble(printed, None), "semble 10 lines": of_semble(printed, 10), "semble places": of_semble(printed, 0)}
        seconds = {"semble": timed([options.python, str(script), *lines[number]], env=environment)[0]} if number < TIMED else {}
        told.append({"id": row["id"], "units": units, "seconds": seconds})
    return told


def ask(options: argparse.Namespace) -> None:
    asking: Callable = {"wayfind": ask_wayfind, "ripgrep": ask_ripgrep, "semble": ask_semble}[options.system]
    with tempfile.TemporaryDirectory() as options.scratch, open(options.out, "w", encoding="utf-8") as out:
        for name, rows in questions(options.bench, options.only).items():
            for told in asyncio.run(asking((options.corpora / "files" / name).resolve(), rows, options)):
                out.write(json.dumps(told) + "\n")
            print(name, len(rows), file=sys.stderr, flush=True)


# Counting


def tokenizer() -> tuple[str, Callable[[str], int]]:
    try:
        import tiktoken
    except ImportError:
        from wayfind.serve.budget import estimate

        return "the estimate of wayfind.serve.budget", estimate
    encoding = tiktoken.get_encoding("cl100k_base")
    return "cl100k_base", lambda text: len(encoding.encode(text, disallowed_special=()))


def curve(units: Sequence[Unit], gold: set[str], column: int, cost: Callable[[str], int]) -> list[tuple[int, int]]:
    """(tokens read, files met) after every unit that meets a new one."""
    text, read, met, points = "", 0, set(), []
    for unit in units:
        text += unit[0]
        if unit[column] in gold - met:
            read, text = read + cost(text), ""
            met.add(unit[column])
            points.append((read, len(met)))
    return points


def figures(told: dict, system: str, gold: set[str], column: int, cost: Callable[[str], int]) -> dict[str, float]:
    """Recall within each budget, and tokens to the first file."""
    units = told["units"]
    if f"{system} {BUDGETS[0]}" not in units:
        points = curve(units[system], gold, column, cost)
        recall = {f"recall {budget}": max([met for read, met in points if read <= budget], default=0) / len(gold) for budget in BUDGETS}
        return {**recall, "first": min(points[0][0], CAP) if points else CAP}
    curves = {budget: curve(units[f"{system} {budget}"], gold, column, cost) for budget in BUDGETS}
    recall = {f"recall {budget}": max([met for read, met in points if read <= budget], default=0) / len(gold) for budget, points in curves.items()}
    first = curves[2000][0][0] if curves[2000] else CAP
    if not curves[2000] and curves[8000]:
        first = cost("".join(unit[0] for unit in units[f"{system} 2000"])) + curves[8000][0][0]
    return {**recall, "first": first}


def report(options: argparse.Namespace) -> None:
    from wayfind.evaluate.intervals import bootstrap

    gold = {row["id"]: {target["path"] for target in row["gold"]} for rows in questions(options.bench, "").values() for row in rows}
    name, cost = tokenizer()
    told = [json.loads(line) for file in options.results for line in open(file, encoding="utf-8")]
    systems = list(dict.fromkeys(re.sub(r" \d+$", "", system) for row in told for system in row["units"]))
    asked = Counter(row["id"] for row in told)
    told = [row for row in told if asked[row["id"]] == max(asked.values())]
    print(f"tokens: {name}; {len({row['id'] for row in told})} of {len(gold)} questions, those that all were asked\n")
    for column, word in ((1, "named"), (2, "shown")):
        print(f"| file {word} | tokens to the first: median | mean, none = {CAP:,} | never | recall within 500 | 2,000 | 8,000 |")
        print("|---|---|---|---|---|---|---|")
        for system in systems:
            rows = [figures(row, system, gold[row["id"]], column, cost) for row in told if any(key.startswith(system) for key in row["units"])]
            if column == 2 and not any(row["first"] < CAP for row in rows):
                continue
            first = [row["first"] for row in rows]
            cells = [f"{statistics.median(first):,.0f}", spoken(bootstrap(first), 0), f"{sum(f == CAP for f in first) / len(first):.1%}"]
            cells += [spoken(bootstrap([row[f"recall {budget}"] for row in rows]), 3) for budget in BUDGETS]
            print(f"| {system} | {' | '.join(cells)} |")
        print()
    print("| seconds | median | 95th percentile | n |")
    print("|---|---|---|---|")
    for system in dict.fromkeys(system for row in told for system in row["seconds"]):
        spent = sorted(row["seconds"][system] for row in told if system in row["seconds"])
        print(f"| {system} | {statistics.median(spent):.3f} | {spent[int(0.95 * len(spent))]:.3f} | {len(spent)} |")


def spoken(interval, digits: int) -> str:
    return f"{interval.mean:,.{digits}f} [{interval.low:,.{digits}f}, {interval.high:,.{digits}f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    asking = commands.add_parser("ask")
    asking.add_argument("system", choices=["wayfind", "ripgrep", "semble"])
    asking.add_argument("--corpora", type=Path, required=True)
    asking.add_argument("--out", type=Path, required=True)
    asking.add_argument("--only", default="", help="corpora, with commas between")
    asking.add_argument("--python", help="a Python with semble")
    asking.set_defaults(run=ask)
    reporting = commands.add_parser("report")
    reporting.add_argument("results", type=Path, nargs="+")
    reporting.set_defaults(run=report)
    for command in (asking, reporting):
        command.add_argument("--bench", type=Path, required=True)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
