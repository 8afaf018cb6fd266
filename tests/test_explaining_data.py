"""What the decoder learns from: true sentences only, common words, stories read one by one. No torch."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from explainers import made_up

from wayfind.errors import NotFound, UsageError
from wayfind.model.reading import reading
from wayfind.train.explaining_data import Lesson, cleaned, common_words, grounded_lessons, lessons, read_lessons, stories, true_lessons, write_lessons
from wayfind.train.pairs import Pair, to_line
from wayfind.types import Chunk


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Return the `name` of a node (if any). Never fails.", "Returns the name of a node"),
        ("This method will parse the header: see RFC.", "Parses the header"),
        ("TODO: explain this", ""),
        ("See https://example.org for all of it", ""),
        ("We open the file for you", ""),
        ("How to open the file", ""),
        ("Opens", ""),
        ("Devuelve la suma de los valores para el total", ""),
        ("a_b c_d e_f g_h are all of them", ""),
        ("HttpClient sends requests to a host", "HttpClient sends requests to a host"),
    ],
)
def test_a_documentation_is_learned_as_one_sentence_in_the_third_person_or_not_at_all(given: str, kept: str) -> None:
    assert cleaned(given) == kept


def test_a_sentence_that_says_what_the_code_does_not_hold_is_no_lesson() -> None:
    common = {"returns": "returns", "the": "the", "of": "of"}
    held = Lesson("Returns the colour of maxSize", "f\n\n\ndef f(colour): maxSize", "python", "a/b")
    invents = Lesson("Returns the colour of minSize", "f\n\n\ndef f(colour): maxSize", "python", "a/b")
    assert true_lessons([held, invents], common) == [held]


@pytest.mark.parametrize(
    ("sentence", "learned"),
    [
        ("Loads the pages of a book", "Loads the pages of a book"),
        ("Fetches the pages of a book", "Loads the pages of a book"),
        ("Loads the pages of a book from the attic", "Loads the pages of a book from the …"),
        ("Loads the pages of a book from attics where nobody was seen before", "Loads the pages of a book from …"),
        ("Brings happiness to mankind", ""),
    ],
)
def test_a_lesson_goes_as_far_as_the_code_bears_it_out(sentence: str, learned: str) -> None:
    read = "python\nload_pages\ndef _(book):\n    return book.pages"
    (found,) = grounded_lessons([Lesson(sentence, read, "python", "a/b")]) or [Lesson("", "", "", "")]
    assert found.sentence == learned


def test_only_words_of_several_projects_are_common_and_no_names() -> None:
    found = common_words(made_up())
    assert {"loads", "the", "of", "file"} <= found.keys() and not {"homepath", "homePath"} & found.keys()
    assert not common_words([Lesson("Frobnicates the zork", "", "python", "one/project")] * 50)


def test_a_word_is_kept_as_it_is_mostly_written() -> None:
    assert common_words([Lesson("Reads some JSON here", "", "python", f"o/{n}") for n in range(4)])["json"] == "JSON"


def test_lessons_are_the_pairs_of_documentation_read_as_search_reads_the_chunk(tmp_path: Path) -> None:
    text = "    def add(self, item):\n        self.items.append(item)"
    pair = Pair("Add an item to the cart", f"src/shop.py\nCart.add\n{text}", "python", "docstring", "acme/shop", path="src/shop.py", symbol="Cart.add", part="valid")
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a.jsonl").write_text(to_line(pair) + "\n" + to_line(Pair("other words", "x = 1")) + "\n")
    (tmp_path / "manifest.json").write_text('{"shards": {"train/a.jsonl": {}}}')
    (found,) = lessons(tmp_path)
    assert (found.sentence, found.part, found.origin) == ("Adds an item to the cart", "valid", "acme/shop")
    documented = '    def add(self, item):\n        """Add an item to the cart."""\n        self.items.append(item)'
    assert found.reading == reading(Chunk(1, 3, "method", "Cart.add", "def add(self, item)", "Add an item to the cart."), documented, "python")
    with pytest.raises(NotFound, match="manifest"):
        list(lessons(tmp_path / "nowhere"))


def test_lessons_are_read_as_they_were_written(tmp_path: Path) -> None:
    given = made_up(20)
    assert write_lessons(tmp_path / "a.jsonl.gz", given) == 20 and read_lessons(tmp_path / "a.jsonl.gz") == given
    with pytest.raises(NotFound):
        read_lessons(tmp_path / "b.jsonl.gz")


@pytest.mark.parametrize("spoil", [gzip.decompress, lambda packed: packed[:-40], lambda packed: gzip.compress(b"[]\n"), lambda packed: gzip.compress(gzip.decompress(packed) + b'{"text": 3}\n')], ids=["unpacked", "cut", "another", "other keys"])
def test_what_is_no_file_of_lessons_is_said_with_its_name(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "a.jsonl.gz"
    write_lessons(path, made_up(20))
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(UsageError, match="a.jsonl.gz: damaged, or no lessons"):
        read_lessons(path)


def test_stories_are_read_one_by_one(tmp_path: Path) -> None:
    file = tmp_path / "stories.txt"
    file.write_text("Once there was\na cat.\n<|endoftext|>\n\nA dog ran. It fell.\n<|endoftext|>\n<|endoftext|>Last one<|endoftext|>", encoding="utf-8")
    assert list(stories(file)) == ["Once there was a cat.", "A dog ran. It fell.", "Last one"]
    with pytest.raises(NotFound):
        list(stories(tmp_path / "none.txt"))
    file.write_text("\n<|endoftext|>\n")
    with pytest.raises(UsageError, match="endoftext"):
        list(stories(file))
