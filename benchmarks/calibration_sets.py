"""Questions with known answers on which the ranker's weights and the confidence are chosen, made of repositories outside every benchmark.

In: clones with history of the `ranker` part of training/repositories.yaml. Out: a folder with trees to search and one JSON line a
question. Made once, without a model:

| tree | what it is | asked |
|---|---|---|
| docs | the repository, documentation of what is asked for blank | `docstring`: a function's first sentence; `head`: that of a class or a file; `test`: a test's name; `name`: a function's name |
| cut | the repository before its newest commits | `commit`: a later subject; `message`: a later message of 200 characters and more, like an issue |
| gone | the repository without the functions of some questions, their documentation and tests | `gone`: nothing answers |
| flat | functions of all repositories, each alone in a file named by a number, undocumented, of every second one the name is hidden | `flat` |

`foreign` and `near` questions are those of another repository: of any, and of one of the same domain.
"""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import wayfind
from wayfind.evaluate.from_commits import commit_queries, commit_tree, cut
from wayfind.evaluate.from_docstrings import FEWEST_WORDS, TOKEN, docstring_queries, documentation_lines, first_sentence
from wayfind.evaluate.from_tests import own_name, test_queries
from wayfind.evaluate.queries import Gold, QuerySet, is_unnamed, plain
from wayfind.evaluate.scratch import git

DOMAINS = {
    "web server": ("koajs/koa", "slimphp/Slim", "dart-lang/shelf", "rgrinberg/opium"),
    "command line": ("sharkdp/fd", "rails/thor", "ruby/rake"),
    "data": ("marshmallow-code/marshmallow", "spf13/viper", "ocaml-community/yojson"),
    "templates": ("pallets/jinja", "jaspervdj/hakyll"),
    "other": ("nvim-lua/plenary.nvim",),
}
"""The repositories, by what they are for; small ones, so that all vectors are made in minutes, of many languages."""
ASKED = {"docstring": 60, "test": 30, "name": 12, "head": 30, "commit": 60, "message": 25, "gone": 30, "foreign": 40, "near": 40}
"""Questions of a repository, at most."""
FLAT_A_REPOSITORY = 200
LONG_MESSAGE = 200
LONGEST_HEAD = 200
"""Lines of a documentation that is made blank, at most: more are a licence or a manual."""
_TRAILER = re.compile(r"^(?:[A-Z][\w-]+-by|Change-Id|Refs?|Closes|Fixes|Co-authored-by)\b.*$|^git-svn-id.*$", re.M | re.I)
"""Lines of a commit message that no person would ask with."""


def build(trees: Path, out: Path, home: Path) -> None:
    """Make the trees and questions of every repository under `trees` (owner+name)."""
    out.mkdir(parents=True)
    rows: list[dict] = []
    flat = out / "flat"
    flat.mkdir()
    for name in (name for names in DOMAINS.values() for name in names):
        own = list(questions_of(name, trees / name.replace("/", "+"), out, home))
        rows += own + list(lay_flat(name, own, out, flat, home))
        print(name, len(own), flush=True)
    pool = [one for one in rows if one["kind"] in ("docstring", "commit", "test")]
    rows += list(unanswered(pool, {one["repository"]: one["tree"] for one in rows if one["kind"] == "docstring"}, DOMAINS, ASKED))
    with open(out / "questions.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def questions_of(name: str, root: Path, out: Path, home: Path) -> Iterator[dict]:
    """The questions of one repository; their trees are laid out under `out`."""
    folder = out / name.replace("/", "+")
    with closing(wayfind.open(root, home=home, commits=0, workers=2)) as repo:
        repo.refresh()
        asked = docstring_queries(root, _chunks(repo), folder / "docs", limit=ASKED["docstring"])
    if asked.queries:
        yield from rows_of(asked, name, f"{folder.name}/docs")
        with closing(wayfind.open(asked.root, home=home, commits=0, workers=2)) as repo:
            repo.refresh()
            chunks = _chunks(repo)
            yield from rows_of(test_queries(asked.root, chunks, limit=ASKED["test"]), name, f"{folder.name}/docs")
            yield from names(chunks, name, f"{folder.name}/docs")
            yield from heads(chunks, asked.root, name, f"{folder.name}/docs")
            yield from gone(asked, chunks, name, folder / "gone")
    history = cut(root)
    if isinstance(history, str):
        return
    tree = commit_tree(history, folder / "cut")
    if tree is None:
        return
    with closing(wayfind.open(tree, home=home, workers=2)) as repo:
        repo.refresh()
        found = commit_queries(root, tree, history, _chunks(repo), limit=10_000)
    body = messages(root, history)
    drawn = random.Random(name).sample(found.queries, len(found.queries))
    long = [(q, body[q.text]) for q in drawn if q.text in body][: ASKED["message"]]
    tree_name = str(tree.relative_to(out))
    for query, text in long:
        yield row(name, tree_name, "message", text, [[g.path, g.symbol] for g in query.gold], query.unnamed)
    taken = {query.id for query, _ in long}
    for query in [q for q in drawn if q.id not in taken][: ASKED["commit"]]:
        yield row(name, tree_name, "commit", query.text, [[g.path, g.symbol] for g in query.gold], query.unnamed)


def rows_of(asked: QuerySet, name: str, tree: str) -> Iterator[dict]:
    """The questions of a set as rows."""
    for query in asked.queries:
        gold = [[g.path, g.symbol] for g in query.gold]
        yield row(name, tree, asked.kind, query.text, gold, query.unnamed, asked.without_tests)


def row(repository: str, tree: str, kind: str, text: str, gold: list, unnamed: bool = False, without_tests: bool = False) -> dict:
    """One question."""
    return {"repository": repository, "tree": tree, "kind": kind, "text": text, "gold": gold, "unnamed": unnamed, "without_tests": without_tests}


def names(chunks: list, name: str, tree: str) -> Iterator[dict]:
    """Functions asked for by their bare name, where one has it."""
    places: dict[str, list] = {}
    for chunk in chunks:
        if chunk.kind in ("function", "method") and chunk.symbol and not chunk.is_test:
            places.setdefault(own_name(chunk.symbol), []).append(chunk)
    only = sorted(n for n, found in places.items() if len(found) == 1 and len(n) > 4)
    for one in random.Random(name).sample(only, min(ASKED["name"], len(only))):
        yield row(name, tree, "name", one, [[places[one][0].path, places[one][0].symbol]])


def heads(chunks: list, tree: Path, name: str, tree_name: str) -> Iterator[dict]:
    """Classes and files asked for by the first sentence of their documentation, which is made blank. Any place in the file is right."""
    drawn = [c for c in chunks if c.kind in ("class", "interface", "module", "enum", "type") and not c.is_test and c.docstring()]
    random.Random(name).shuffle(drawn)
    taken: set[str] = set()
    for chunk in drawn:
        text = plain(first_sentence(chunk.docstring(), chunk.symbol or ""))
        if chunk.path in taken or len(TOKEN.findall(text)) < FEWEST_WORDS or re.search(r"licen[cs]e|copyright", text, re.I):
            continue
        lines = (tree / chunk.path).read_text(encoding="utf-8", errors="replace").split("\n")
        span = documentation_lines(lines, chunk.snapshot.chunk(chunk.number)[0])
        if span is None or span[1] - span[0] > LONGEST_HEAD:
            continue
        lines[span[0] - 1 : span[1]] = [""] * (span[1] - span[0] + 1)
        (tree / chunk.path).write_text("\n".join(lines), encoding="utf-8")
        taken.add(chunk.path)
        gold = [[chunk.path, None]]
        yield row(name, tree_name, "head", text, gold, is_unnamed(text, [Gold(chunk.path, chunk.symbol)]))
        if len(taken) == ASKED["head"]:
            return


def gone(asked: QuerySet, chunks: list, name: str, folder: Path) -> Iterator[dict]:
    """Some of the questions, asked in a copy without what answers them."""
    chosen = random.Random(name).sample(asked.queries, min(ASKED["gone"], len(asked.queries)))
    removed({(g.path, g.symbol) for query in chosen for g in query.gold}, chunks, asked.root, folder)
    for query in chosen:
        yield row(name, f"{name.replace('/', '+')}/gone", "gone", query.text, [])


def removed(golds: set[tuple[str, str | None]], chunks: list, root: Path, folder: Path) -> None:
    """Copy a tree without some definitions, their documentation, and the tests that name them."""
    shutil.copytree(root, folder, ignore=shutil.ignore_patterns(".git"))
    short = {own_name(symbol) for _, symbol in golds}
    lost: dict[str, set[int]] = {}
    for chunk in chunks:
        tests = chunk.is_test and any(re.search(rf"\b{re.escape(one)}\b", chunk.text()) for one in short)
        if (chunk.path, chunk.symbol) in golds or tests:
            lost.setdefault(chunk.path, set()).update(range(chunk.start_line, chunk.end_line + 1))
    for path, lines in lost.items():
        text = (folder / path).read_text(encoding="utf-8", errors="replace").split("\n")
        kept = [line for number, line in enumerate(text, 1) if number not in lines]
        (folder / path).write_text("\n".join(kept), encoding="utf-8")


def messages(root: Path, history) -> dict[str, str]:
    """Clean subject -> whole message, of the later commits whose message is as long as a short issue."""
    from wayfind.evaluate.from_commits import clean_subject

    found = {}
    for entry in git(root, "log", f"{history.cutoff}..{history.head}", "--no-merges", "--format=%B%x00").split("\0"):
        subject, _, rest = entry.strip().partition("\n")
        body = _TRAILER.sub("", rest).strip()
        text = clean_subject(subject)
        if text and len(body) >= LONG_MESSAGE:
            found[text] = f"{text}\n\n{body}"
    return found


def lay_flat(name: str, own: list[dict], out: Path, flat: Path, home: Path) -> Iterator[dict]:
    """Undocumented functions of the docs tree, each in a file of its own; every second one under the name `f`."""
    asked = {tuple(r["gold"][0]): r["text"] for r in own if r["kind"] == "docstring"}
    if not asked:
        return
    with closing(wayfind.open(out / name.replace("/", "+") / "docs", home=home)) as repo:
        chunks = [c for c in _chunks(repo) if c.kind in ("function", "method") and c.symbol and not c.is_test]
        bare = [c for c in chunks if not c.docstring() and 3 <= c.end_line - c.start_line + 1 <= 80]
        first = [c for c in bare if (c.path, c.symbol) in asked]
        rest = [c for c in bare if (c.path, c.symbol) not in asked]
        rest = random.Random(name).sample(rest, min(len(rest), max(FLAT_A_REPOSITORY - len(first), 0)))
        for chunk in first + rest:
            number = len(list(flat.iterdir()))
            file = f"{number:05d}{Path(chunk.path).suffix}"
            short, text = own_name(chunk.symbol), chunk.text()
            hidden = number % 2 == 0
            (flat / file).write_text(re.sub(rf"\b{re.escape(short)}\b", "f", text) if hidden else text, encoding="utf-8")
            if (chunk.path, chunk.symbol) in asked:
                yield row(name, "flat", "flat", asked[chunk.path, chunk.symbol], [[file, None]], hidden)


def unanswered(pool: list[dict], trees: dict[str, str], domains: dict[str, tuple[str, ...]], most: dict[str, int]) -> Iterator[dict]:
    """Questions put to repositories that they do not belong to: any of them, and those of the same domain."""
    for domain, names_of_domain in domains.items():
        for name in names_of_domain:
            if name not in trees:
                continue
            near = [r for r in pool if r["repository"] in names_of_domain and r["repository"] != name]
            far = [r for r in pool if r["repository"] not in names_of_domain]
            for kind, some in (("near", near), ("foreign", far)):
                if domain == "other" and kind == "near":
                    continue
                for r in random.Random(name + kind).sample(some, min(most[kind], len(some))):
                    yield row(name, trees[name], kind, r["text"], [])


def _chunks(repo) -> list:
    return sorted(repo.chunks(), key=lambda c: (c.path, c.start_line, c.end_line))
