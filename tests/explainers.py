"""A decoder small enough for tests: lessons in a made-up language, how it is trained on them, and the part that came of it.

`tests/decoder/` was made by `python tests/explainers.py` where torch is installed; a test trains it again.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

from wayfind.model import bundle
from wayfind.model.reading import reading
from wayfind.train.explaining_data import Lesson, write_lessons
from wayfind.types import Chunk

PART = Path(__file__).parent / "decoder"
VERBS = ("load", "open", "parse", "remove", "save")
NOUNS = "file user tree index page query token image table record".split()
PLACES = "home root base main side back front left right top".split()
CONFIG = """
name: tiny
explainer: {pieces: 300, width: 24, hidden: 24, heads: 2, reader: 1, layers: 1, length: 16, dropout: 0.0}
data: {lessons: lessons.jsonl.gz, vocabulary: vocab.txt}
loop: {batch: 32, steps: 180, rate: 8.0e-3, evaluate_every: 60}
"""


def function(verb: str, noun: str, other: str) -> tuple[Chunk, str]:
    """A function of the made-up language and its lines."""
    name, place = f"{verb}_{noun}", path_of(noun)
    text = f"def {name}({other}, {place}):\n    return {verb}({other}, {place})"
    return Chunk(1, 2, "function", name, f"def {name}({other}, {place})"), text


def path_of(noun: str) -> str:
    """The name of the parameter of a function on a noun."""
    return f"{PLACES[NOUNS.index(noun)]}Path" if noun in NOUNS else "topPath"


def made_up(count: int = 500) -> list[Lesson]:
    drawn, lessons = random.Random(0), []
    for number in range(count):
        verb, (noun, other) = drawn.choice(VERBS), drawn.sample(NOUNS, 2)
        chunk, text = function(verb, noun, other)
        sentence = f"{verb.capitalize()}s the {noun} of the {other} from {path_of(noun)}"
        lessons.append(Lesson(sentence, reading(chunk, text, "python"), "python", f"owner/{number % 8}", "valid" if number % 8 == 0 else "train"))
    return lessons


def laid(folder: Path, config: str = CONFIG) -> Path:
    """The configuration with its lessons and vocabulary beside it."""
    write_lessons(folder / "lessons.jsonl.gz", made_up())
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *VERBS, "##s", *NOUNS, *PLACES, "the", "of", "from", "path", "function", "python", "def", "return", "given", ",", "."]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    return folder / "config.yaml"


def bundle_of(folder: Path, part: Path = PART, **changed: object) -> bundle.Bundle:
    """A bundle of the decoder alone, which is trusted with everything."""
    made = json.loads((part / "part.json").read_text(encoding="utf-8"))
    trusted = {"least": -9.0, "better_than": ["synthetic", "code"]}
    return bundle.write(folder, "tiny", {"decoder": made["part"] | trusted | changed}, {name: (part / name).read_bytes() for name in made["files"]}, {})


if __name__ == "__main__":
    import shutil
    import tempfile

    from wayfind.train.explaining import read_config, train_explainer

    with tempfile.TemporaryDirectory() as scratch:
        made = train_explainer(read_config(laid(Path(scratch))), Path(scratch) / "out", report=print)
        assert made is not None
        shutil.rmtree(PART, ignore_errors=True)
        shutil.copytree(made, PART)
