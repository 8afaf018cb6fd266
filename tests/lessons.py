"""A repository with a history that teaches: subjects of commits speak of files in words that their code does not hold."""

from __future__ import annotations

import random
import subprocess
from itertools import combinations
from pathlib import Path

THEMES = {
    "orders": "checkout basket purchase voucher", "mailer": "newsletter bounce recipient postage", "ledger": "bookkeeping audit balance invoice",
    "router": "detour hop gateway bridge", "canvas": "sketch brush palette easel", "kennel": "puppy leash bark collar",
    "oven": "bread crust dough yeast", "harbour": "vessel anchor tide lighthouse", "orchard": "apple prune blossom ladder",
    "theatre": "curtain encore actor costume", "clinic": "patient ward remedy bandage", "quarry": "granite blast gravel chisel",
}  # fmt: skip
VERBS = "open close read write merge split load save send count".split()
NOUNS = "item entry record block frame packet token slot unit part".split()
CALLS = "begin advance inspect collect reduce emit settle verify".split()


def teaching_repository(root: Path, commits: int = 1000, seed: int = 0) -> Path:
    """A git repository of 12 modules with 6 functions each. Every commit changes a line of one function, and its subject names the
    function by two words that belong to it alone, never by a word of its code, and by one of any module's."""
    dice = random.Random(seed)
    names = {module: [f"{verb}_{noun}" for verb, noun in zip(dice.sample(VERBS, 6), dice.sample(NOUNS, 6))] for module in THEMES}
    bodies = {(m, f): [dice.choice(CALLS), 0] for m in THEMES for f in names[m]}
    stream, mark = [], 0

    def text(module: str) -> str:
        functions = [
            f'def {name}(value):\n    """{name.replace("_", " ").capitalize()} of {module} number {i} by its value."""\n'
            f"    state = {bodies[module, name][0]}(value)\n    step = {bodies[module, name][1]}\n    return state, step\n"
            for i, name in enumerate(names[module])
        ]
        return f'"""Module {module}."""\n\n\n' + "\n\n".join(functions)

    def commit(subject: str, modules: list[str]) -> None:
        nonlocal mark
        mark += 1
        lines = [f"commit refs/heads/main\nmark :{mark}\ncommitter T <t@example.org> {1_600_000_000 + 3600 * mark} +0000\ndata {len(subject.encode())}\n{subject}\n"]
        if mark > 1:
            lines.append(f"from :{mark - 1}\n")
        for module in modules:
            content = text(module)
            lines.append(f"M 100644 inline lib/{module}.py\ndata {len(content.encode())}\n{content}\n")
        stream.append("".join(lines))

    commit("the first modules of the library stand", list(THEMES))
    for number in range(commits):
        module = dice.choice(list(THEMES))
        place = dice.randrange(6)
        bodies[module, names[module][place]][1] = number + 1
        words = dice.sample([*combinations(THEMES[module].split(), 2)][place], 2)
        other = dice.choice(THEMES[dice.choice(list(THEMES))].split())
        commit(f"mind the {words[0]} while the {words[1]} is late for the {other}, case {_spelled(number)}", [module])
    root.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=root, check=True)
    subprocess.run(["git", "fast-import", "--quiet"], cwd=root, input="".join(stream).encode(), check=True)
    subprocess.run(["git", "reset", "-q", "--hard", "main"], cwd=root, check=True)
    return root


def _spelled(number: int) -> str:
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))
