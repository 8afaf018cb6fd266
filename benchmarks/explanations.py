"""Explanations of undocumented code, measured: functions of repositories that no model has seen, their documentation hidden and
kept as the reference.

    python benchmarks/explanations.py --trees REPOSITORIES --part transformer=PART [--part gru=PART] [--lessons LESSONS] [--adapt transformer] [--samples 10]

`--trees` holds the repositories of LANGUAGES (of part `learning` in training/repositories.yaml) as owner+name; a PART is what
`wayfind train --config training/explainer.yaml` wrote. Printed: BLEU-4 (smoothed), ROUGE-L and the share of the reference's
identifiers that are said, each with its 95 % interval, for every system; how often the decoders invent and fall back. The
documentation of the nearest function is a system twice: among the lessons of the training, as the decoder knows them, and in the
function's own repository, which the decoder never saw. `--samples` prints so many sentences a language, drawn by the seed and by
nothing else.

Both sides are compared in small letters with their first verb in the third person, since half of all authors write `Return` and
half `Returns`. The check for inventions here is not the decoder's own: every name, number and quoted text of a sentence must occur in
the chunk's path-free text, whole or as the same words.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from math import log, sqrt
from pathlib import Path

from wayfind.corpus.definitions import definitions
from wayfind.corpus.languages import language_of
from wayfind.corpus.targets import documented
from wayfind.corpus.templates import sentence
from wayfind.corpus.walk import walk
from wayfind.evaluate.from_tests import own_name
from wayfind.evaluate.intervals import bootstrap, paired
from wayfind.model import bundle
from wayfind.model.explainer import Explainer
from wayfind.model.reading import reading, undocumented
from wayfind.model.text import plain
from wayfind.search.searcher import EXAMPLE_PATH, TEST_PATH
from wayfind.train.explaining_data import Lesson, cleaned, read_lessons
from wayfind.types import Chunk

SETTINGS = "part.json"
LANGUAGES = {
    "python": ("aio-libs/yarl", "encode/uvicorn", "Textualize/textual"),
    "go": ("gofiber/fiber", "rs/zerolog", "stretchr/testify"),
    "rust": ("hyperium/hyper", "sharkdp/bat", "starship/starship"),
    "ruby": ("Shopify/liquid", "ruby-grape/grape"),
    "php": ("twigphp/Twig",),
    "kotlin": ("square/okhttp", "detekt/detekt"),
}
A_LANGUAGE = 100
"""Functions of a language; as many of each repository as it has, in turn."""
KINDS = ("function", "method")
NEIGHBOURS = 2_000
"""Other documented functions of the same repository, at most, among which the nearest one is looked for."""


@dataclass(frozen=True, slots=True)
class Example:
    """A documented function: what is read of it without its documentation, and what its author said."""

    language: str
    repository: str
    path: str
    symbol: str
    reference: str
    reading: str
    text: str
    """Its lines without the documentation."""
    template: str
    """What the template says of it."""


def template(chunk: Chunk, bare: str, language: str) -> str:
    """What the template says of a chunk whose documentation is hidden."""
    return sentence(replace(chunk, docstring=""), bare, language)


def examples_of(trees: Path, language: str, repository: str, most: int, seed: int) -> list[Example]:
    """Documented functions of a repository, from files in a drawn order; only the language's, no tests, no examples."""
    root = trees / repository.replace("/", "+")
    files = [file.path for file in walk(root).files if language_of(file.path) == language and not TEST_PATH.search(file.path) and not EXAMPLE_PATH.search(file.path)]
    random.Random(f"{seed} {repository}").shuffle(files)
    found: list[Example] = []
    for path in files:
        text = (root / path).read_bytes().decode("utf-8", "replace").replace("\r\n", "\n")
        lines = text.split("\n")
        for chunk in definitions(text, language)[0]:
            if chunk.kind not in KINDS or not chunk.symbol or not chunk.docstring:
                continue
            said = documented(chunk)
            name = own_name(chunk.symbol)
            said = said[len(name) :].strip() if re.match(rf"{re.escape(name)}\s+[a-z]", said) else said
            own = "\n".join(lines[chunk.start_line - 1 : chunk.end_line])
            if reference := cleaned(said):
                found.append(Example(language, repository, path, chunk.symbol, reference, reading(chunk, own, language), bare := undocumented(chunk, own), template(chunk, bare, language)))
        if len(found) >= most:
            break
    return found


def drawn(trees: Path, seed: int) -> tuple[list[Example], dict[str, list[Example]]]:
    """The examples that are asked for, and per repository all that were read, among which neighbours are found."""
    asked: list[Example] = []
    read: dict[str, list[Example]] = {}
    for language, repositories in LANGUAGES.items():
        share = -(-A_LANGUAGE // len(repositories))
        for repository in repositories:
            read[repository] = examples_of(trees, language, repository, NEIGHBOURS if len(repositories) == 1 else NEIGHBOURS // 4, seed)
            once = list({example.reference: example for example in read[repository]}.values())
            asked += random.Random(f"{seed} drawn {repository}").sample(once, min(share, len(once)))
    return asked, read


class Neighbours:
    """The documentation of the function whose name and code share most words (cosine of tf-idf, words of a fifth of all left out)."""

    def __init__(self, known: Sequence[tuple[str, str]]) -> None:
        """`known`: of each function its symbol and code, and its documentation."""
        self._said = [said for _, said in known]
        counts = [Counter(plain(text).split()) for text, _ in known]
        holding = Counter(word for count in counts for word in count)
        self._idf = {word: log(len(known) / times) for word, times in holding.items() if times <= max(COMMON * len(known), 3)}
        self._postings: dict[str, list[tuple[int, float]]] = {}
        for number, count in enumerate(counts):
            for word, value in self._vector(count).items():
                self._postings.setdefault(word, []).append((number, value))

    def _vector(self, count: Counter[str]) -> dict[str, float]:
        vector = {word: (1 + log(n)) * self._idf[word] for word, n in count.items() if word in self._idf}
        length = sqrt(sum(value * value for value in vector.values())) or 1.0
        return {word: value / length for word, value in vector.items()}

    def said(self, example: Example) -> str:
        """That of the nearest one which does not say what the example's own author said."""
        near: Counter[int] = Counter()
        for word, value in self._vector(Counter(plain(f"{example.symbol} {example.text}").split())).items():
            for number, other in self._postings.get(word, ()):
                near[number] += value * other
        return next((self._said[number] for number, _ in near.most_common() if self._said[number] != example.reference), "")


COMMON = 0.2
"""Share of the functions; words that more hold tell nothing."""


# Scores ------------------------------------------------------------------------------------------------------------------


def bleu(said: str, reference: str) -> float:
    """BLEU-4 of one sentence, 0 to 100, with exponential smoothing (sacrebleu)."""
    import sacrebleu

    return sacrebleu.sentence_bleu(_small(said), [_small(reference)], smooth_method="exp").score if said else 0.0


def rouge(said: str, reference: str) -> float:
    """ROUGE-L, F1 of the longest common subsequence of stems, 0 to 100."""
    return 100 * _rouge().score(_small(reference), _small(said))["rougeL"].fmeasure


def _rouge(_kept: list = []):  # noqa: B006  made once: loading takes longer than a score
    if not _kept:
        from rouge_score.rouge_scorer import RougeScorer

        _kept.append(RougeScorer(["rougeL"], use_stemmer=True))
    return _kept[0]


def _small(text: str) -> str:
    """Small letters, the first verb in the third person, no full stop."""
    return (cleaned(text) or text).lower().rstrip(".")


NAME = re.compile(r"[A-Za-z_$][\w$]*(?:(?:\.|::|->|#)[A-Za-z_$][\w$]*)*|\d[\w.]*\w|\d|\"[^\"]*\"|`[^`]*`")
NAMELIKE = re.compile(r"[_$\d]|[a-z][A-Z]|[A-Z]{2,}[a-z]{2}|\w\.\w|::|->|#|[\"`]")


def names(text: str) -> list[str]:
    """Names, numbers and quoted texts in a sentence."""
    return [token.strip("\"`") for token in NAME.findall(text) if NAMELIKE.search(token)]


def lacks(said: str, example: Example) -> list[str]:
    """The names and literals of a sentence that the chunk lacks: neither there as written nor as the same words in a row."""
    text = f"{example.symbol}\n{example.text}"
    words = f" {' '.join(word for word in plain(text).split() if word[0].isalnum())} "
    spoken = lambda name: " ".join(word for word in plain(name).split() if word[0].isalnum())  # noqa: E731
    return [name for name in names(said) if name.lower() not in text.lower() and f" {spoken(name)} " not in words]


def recall(said: str, example: Example) -> float | None:
    """Share of the reference's names that stand in the chunk which the sentence says, as written or as words; None without any."""
    wanted = [name for name in dict.fromkeys(names(example.reference)) if not lacks(name, example)]
    if not wanted:
        return None
    told, words = said.lower(), f" {plain(said)} "
    return sum(name.lower() in told or f" {plain(name)} " in words for name in wanted) / len(wanted)


# Report ------------------------------------------------------------------------------------------------------------------


def loaded(part: Path) -> Explainer:
    """A decoder's part as a bundle of its own."""
    made = json.loads((part / SETTINGS).read_text(encoding="utf-8"))
    folder = Path(tempfile.mkdtemp(prefix="explanations-"))
    return Explainer(bundle.write(folder, "part", {"decoder": made["part"]}, {name: (part / name).read_bytes() for name in made["files"]}, {}))


def systems_of(
    asked: Sequence[Example], read: dict[str, list[Example]], parts: dict[str, Explainer], learned: Sequence[Lesson], adapted: Collection[str] = ()
) -> tuple[dict[str, list[str]], list[str]]:
    """What every system says of every example, and lines about the decoders' inventions."""
    near = {repository: Neighbours([(f"{one.symbol} {one.text}", one.reference) for one in examples]) for repository, examples in read.items()}
    said: dict[str, list[str]] = {}
    notes = []
    for name, explainer in parts.items():
        told = [list(explainer.candidates(example.reading)) for example in asked]
        first, written = [found[0] if found else None for found in told], list(map(explainer.best, told))
        said[name] = [text or example.template for text, example in zip(written, asked)]
        unchecked = [bool(lacks(one.text, example)) for one, example in zip(first, asked) if one]
        kept = [bool(lacks(text, example)) for text, example in zip(written, asked) if text]
        notes += [
            f"{name}: invents {_share(kept)} of the sentences shown, {_share(unchecked)} of the first ones before the check; "
            f"falls back to the template for {_share([not text for text in written])}"
        ]
    for name, explainer in parts.items():
        if explainer.kind == "gru":
            said[f"{name}, not checked"] = [explainer.unchecked(example.reading) for example in asked]
        if name in adapted:
            habits = {repository: explainer.habits([(one.reading, one.reference) for one in examples]) for repository, examples in read.items()}
            written = [explainer.write(example.reading, habits[example.repository], example.reference) for example in asked]
            said[f"{name}, learned here"] = [text or example.template for text, example in zip(written, asked)]
            kept = [bool(lacks(text, example)) for text, example in zip(written, asked) if text]
            notes += [f"{name}, learned here: invents {_share(kept)}; falls back to the template for {_share([not text for text in written])}"]
    said["template"] = [example.template for example in asked]
    if learned:
        far = Neighbours([(one.reading, one.sentence) for one in learned])
        said["nearest in training"] = [far.said(example) for example in asked]
    said["nearest in the repository"] = [near[example.repository].said(example) for example in asked]
    said["name only"] = [" ".join(word for word in plain(own_name(example.symbol)).split() if word[0].isalnum()) for example in asked]
    return said, notes


def _share(values: Sequence[bool]) -> str:
    if not values:
        return "none"
    found = bootstrap([float(value) for value in values])
    return f"{100 * found.mean:.1f} % [{100 * found.low:.1f}, {100 * found.high:.1f}] of {found.n}"


def table(asked: Sequence[Example], said: dict[str, list[str]]) -> list[str]:
    """A line a system, over all languages and over each; behind, the paired difference to the template in ROUGE-L."""
    lines = []
    for language in ("all", *LANGUAGES):
        mine = [number for number, example in enumerate(asked) if language in ("all", example.language)]
        lines += ["", f"{language}, {len(mine)} functions", f"{'':36}{'BLEU-4':22}{'ROUGE-L':22}{'identifier recall':24}ROUGE-L less the template's"]
        rouges = {name: [rouge(texts[n], asked[n].reference) for n in mine] for name, texts in said.items()}
        for name, texts in said.items():
            recalls = [value for n in mine if (value := recall(texts[n], asked[n])) is not None]
            difference = "" if name == "template" else shown(paired(rouges[name], rouges["template"]))
            cells = [shown(bootstrap([bleu(texts[n], asked[n].reference) for n in mine])), shown(bootstrap(rouges[name])), shown(bootstrap([100 * one for one in recalls])) if recalls else ""]
            lines.append(f"{name:36}{cells[0]:22}{cells[1]:22}{cells[2]:24}{difference}")
    return lines


def shown(found) -> str:
    return f"{found.mean:.1f} [{found.low:.1f}, {found.high:.1f}]"


def samples(asked: Sequence[Example], said: Sequence[str], count: int, seed: int) -> list[str]:
    """So many drawn sentences a language, each with its function and what its author said."""
    lines = []
    for language in LANGUAGES:
        mine = [number for number, example in enumerate(asked) if example.language == language]
        for number in random.Random(f"{seed} samples {language}").sample(mine, min(count, len(mine))):
            example = asked[number]
            source = "template" if said[number] == example.template else "decoder"
            lines += ["", f"{language} | {example.repository} | {example.path} | {example.symbol} | {source}", f"  says   {said[number]}", f"  author {example.reference}"]
    return lines


def main() -> None:
    asking = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    asking.add_argument("--trees", type=Path, required=True)
    asking.add_argument("--part", action="append", default=[], metavar="NAME=FOLDER")
    asking.add_argument("--lessons", type=Path, help="lessons.jsonl.gz of a training: the nearest one's sentence is a system")
    asking.add_argument("--each", type=int, default=0, help="so many of the drawn functions of a language; 0: all")
    asking.add_argument("--adapt", action="append", default=[], metavar="NAME", help="a part that is tried with the habits of the repository too")
    asking.add_argument("--seed", type=int, default=0)
    asking.add_argument("--samples", type=int, default=0)
    asking.add_argument("--kept", type=Path, help="file of examples: read where it is there, else written")
    given = asking.parse_args()
    if given.kept and given.kept.is_file():
        values = json.loads(given.kept.read_text(encoding="utf-8"))
        asked, read = [Example(**one) for one in values["asked"]], {name: [Example(**one) for one in some] for name, some in values["read"].items()}
    else:
        asked, read = drawn(given.trees, given.seed)
        if given.kept:
            given.kept.write_text(json.dumps({"asked": list(map(asdict, asked)), "read": {name: list(map(asdict, some)) for name, some in read.items()}}), encoding="utf-8")
    if given.each:
        asked = [one for language in LANGUAGES for one in random.Random(f"{given.seed} forty {language}").sample([one for one in asked if one.language == language], given.each)]
    parts = {name: loaded(Path(folder)) for name, _, folder in (one.partition("=") for one in given.part)}
    learned = [one for one in read_lessons(given.lessons) if one.part == "train"] if given.lessons else []
    said, notes = systems_of(asked, read, parts, learned, given.adapt)
    commit = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent).stdout.strip()
    print(f"commit   {commit}\nmachine  {len(os.sched_getaffinity(0))} cores, no accelerator\ncommand  benchmarks/explanations.py --trees TREES {' '.join(f'--part {name}=PART' for name in parts)}{''.join(f' --adapt {name}' for name in given.adapt)}{f' --each {given.each}' if given.each else ''} --seed {given.seed}")
    print("\n".join([*notes, *table(asked, said)]))
    if given.samples and parts:
        print("\n".join(samples(asked, next(iter(said.values())), given.samples, given.seed)))


if __name__ == "__main__":
    main()
