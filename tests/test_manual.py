"""Explanations by hand are read strictly and attached by file and lines."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from conftest import plant

import wayfind
from wayfind.corpus.manual import FIELDS, Manual, attach, load, normal
from wayfind.errors import NotFound, UsageError
from wayfind.index.refresh import refresh
from wayfind.index.snapshot import open_snapshot
from wayfind.index.tree import open_tree
from wayfind.types import Chunk, Target

ENTRY = {
    "id": 1, "file": "./sde.py", "line_range": "10-60", "component": "Dynamics",
    "explanation": "Implements stochastic differential equations with drift and diffusion networks", "category": "core_algorithm",
    "keywords": ["SDE", "drift"],
}
CHUNKS = (
    Chunk(1, 8, "module"),
    Chunk(10, 14, "class", "Dynamics"),
    Chunk(16, 30, "method", "Dynamics.forward"),
    Chunk(32, 60, "method", "Dynamics.drift"),
    Chunk(62, 80, "function", "solve", calls=("Dynamics",)),
    Chunk(82, 90, "block"),
)


def entry(**fields: object) -> Manual:
    data = ENTRY | fields
    start, end = map(int, str(data["line_range"] or "0-0").split("-"))
    return Manual(str(data["id"]), str(data["file"]), start, end, str(data["component"]), str(data["explanation"]))


def attached_to(one: Manual) -> int | str:
    attached, unmatched = attach([one], {"sde.py": CHUNKS, "other.py": CHUNKS})
    return unmatched[0][1] if unmatched else next(iter(attached))[1]


def written(folder: Path, *entries: object) -> Path:
    path = folder / "explanations.json"
    path.write_text(json.dumps(list(entries)))
    return path


def test_the_example_of_the_original_is_read(tmp_path: Path) -> None:
    (one,) = load(written(tmp_path, ENTRY))
    assert (one.id, one.file, one.start_line, one.end_line) == ("1", "./sde.py", 10, 60)
    assert one.keywords == ("SDE", "drift")
    assert one.target == Target(str(ENTRY["explanation"]), "manual")


def test_the_explanation_and_its_keywords_are_documentation(tmp_path: Path) -> None:
    (one,) = load(written(tmp_path, ENTRY | {"explanation": "Says\nit.", "keywords": ["a  b", "c\nd"]}))
    assert one.documentation == "Says it.\na b, c d"


@pytest.mark.parametrize(("given", "lines"), [("955-1015", (955, 1015)), ([955, 1015], (955, 1015)), ("7", (7, 7)), ("L3-L4", (3, 4))])
def test_lines_are_a_text_or_a_pair(tmp_path: Path, given: object, lines: tuple[int, int]) -> None:
    (one,) = load(written(tmp_path, ENTRY | {"line_range": given}))
    assert (one.start_line, one.end_line) == lines


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"line_range": "60-10"}, "'line_range'"), ({"line_range": [1]}, "'line_range'"), ({"line_range": "x"}, "'line_range'"),
        ({"line_range": [0, 4]}, "'line_range'"), ({"line_range": [True, True]}, "'line_range'"), ({"explanation": ""}, "'explanation'"),
        ({"explanation": None}, "'explanation'"), ({"file": 3}, "'file'"), ({"keywords": "SDE"}, "'keywords'"), ({"id": [1]}, "'id'"),
        ({"line_range": None, "component": None}, "'line_range' or 'component'"), ({"explanaton": "x"}, "nearest is 'explanation'"),
        ({"lines": "1-2"}, "nearest is 'line_range'"),
    ],
)
def test_a_malformed_entry_is_named_with_its_field(tmp_path: Path, fields: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match="entry 2") as problem:
        load(written(tmp_path, ENTRY, ENTRY | {"id": 2} | fields))
    assert told in str(problem.value)


@pytest.mark.parametrize("text", ["{}", "", "[", "[1]", "[" * 100_000, '"x"'])
def test_what_is_no_list_of_objects_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "explanations.json"
    path.write_text(text)
    with pytest.raises(UsageError):
        load(path)


def test_a_missing_file_and_an_id_used_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        load(tmp_path / "none.json")
    with pytest.raises(UsageError, match="entry 2: field 'id'"):
        load(written(tmp_path, ENTRY, ENTRY))
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path)


def test_every_field_of_the_format_is_known() -> None:
    assert set(ENTRY) == set(FIELDS)


def test_origin_defect_9_paths_are_compared_in_one_form() -> None:
    """`./x.py` against `x.py`: the 30 explanations never attached."""
    for path in ("sde.py", "./sde.py", ".\\sde.py", "src/../sde.py"):
        assert normal(path) == "sde.py"
        assert attached_to(entry(file=path)) == 1


def test_origin_defect_9_a_caller_does_not_get_the_explanation() -> None:
    """Matched by name in the text, `solve`, which calls Dynamics, would have got it too."""
    attached, unmatched = attach([entry()], {"sde.py": CHUNKS, "other.py": CHUNKS})
    assert list(attached) == [("sde.py", 1)] and not unmatched
    callers_only = [chunk for chunk in CHUNKS if not (chunk.symbol or "").startswith("Dynamics")]
    attached, unmatched = attach([entry()], {"sde.py": callers_only})
    assert not attached
    assert "no symbol Dynamics" in unmatched[0][1] or "no code" in unmatched[0][1]


@pytest.mark.parametrize(
    ("fields", "index"),
    [
        ({"component": "the dynamics model"}, 1),  # the lines cover the class: its head
        ({"component": "", "line_range": "16-30"}, 2),
        ({"component": "", "line_range": "18-25"}, 2),
        ({"component": "", "line_range": "84-85"}, 5),
        ({"component": "the drift", "line_range": "31-61"}, 3),
        ({"line_range": "110-160"}, 1),  # moved: the component decides
        ({"line_range": "110-160", "component": "Dynamics.drift()"}, 3),
        ({"line_range": None, "component": "solve"}, 4),
        ({"line_range": "62-80", "component": "solver.solve"}, 4),
        ({"line_range": "62-80", "component": "solve_all"}, 4),  # renamed, the very same lines
    ],
)
def test_lines_and_component_lead_to_one_chunk(fields: dict[str, object], index: int) -> None:
    assert attached_to(entry(**fields)) == index


def test_of_several_symbols_of_one_name_the_nearest_to_the_lines_is_taken() -> None:
    chunks = (Chunk(1, 5, "method", "A.run"), Chunk(10, 15, "method", "B.run"), Chunk(20, 25, "method", "C.run"))
    for lines, index in (("1-5", 0), ("11-14", 1), ("17-18", 1), ("40-50", 2)):
        attached, _ = attach([entry(line_range=lines, component="run")], {"sde.py": chunks})
        assert list(attached) == [("sde.py", index)]


@pytest.mark.parametrize(
    ("component", "symbols", "index"),
    [
        ("Foo.run", ["run", "Foo.run"], 1),
        ("run", ["Foo.run", "run"], 1),
        ("run", ["Foo", "Foo.run"], 1),
        ("Foo.run", ["run", "Shop.Foo.run"], 1),
        ("shop.run", ["walk", "run"], 1),  # the file's name before a symbol of the file
    ],
)
def test_without_lines_the_symbol_itself_goes_before_a_longer_one_and_that_before_a_shorter_one(component: str, symbols: list[str], index: int) -> None:
    chunks = [Chunk(row, row, "method", symbol) for row, symbol in enumerate(symbols, 1)]
    attached, _ = attach([entry(line_range=None, component=component)], {"sde.py": chunks})
    assert list(attached) == [("sde.py", index)]


def test_lines_near_a_shorter_symbol_do_not_lead_away_from_the_one_that_is_named() -> None:
    chunks = (Chunk(1, 3, "function", "run"), Chunk(20, 23, "method", "Foo.run"))
    attached, _ = attach([entry(line_range="1-3", component="Foo.run")], {"sde.py": chunks})
    assert list(attached) == [("sde.py", 1)]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"file": "sd.py"}, "no file sd.py is indexed; the nearest is sde.py"),
        ({"file": "z/quite/other.rs"}, "no file z/quite/other.rs is indexed"),
        ({"line_range": "500-510", "component": ""}, "no code in lines 500-510"),
        ({"line_range": None, "component": "gone"}, "no symbol gone"),
        ({"line_range": "20-70", "component": "gone"}, "no symbol gone; lines 20-70 hold Dynamics.drift"),
    ],
)
def test_an_entry_that_matches_nothing_says_why(fields: dict[str, object], reason: str) -> None:
    assert reason in str(attached_to(entry(**fields)))


def test_a_chunk_has_one_explanation() -> None:
    attached, unmatched = attach([entry(), entry(id=2)], {"sde.py": CHUNKS})
    assert attached["sde.py", 1].id == "1"
    assert unmatched == [(entry(id=2), "its chunk has the explanation of entry 1 already")]


def test_half_a_character_in_an_explanation_is_a_question_mark(tmp_path: Path) -> None:
    assert load(written(tmp_path, ENTRY | {"explanation": "Evolves \ud83d the state"}))[0].explanation == "Evolves ? the state"


# What is found by them


def library(folder: Path, comment: str = "") -> Path:
    """A file of functions of which one is of interest, below a comment or without it."""
    others = "\n\n".join(f"def {name}(book):\n    return book.{name}_state" for name in ("lend", "stamp", "shelve", "weed", "bind"))
    return plant(folder, {"desk.py": f"{others}\n\n\n{comment}def fine(days):\n    return round(days * 0.2, 2)\n", "rooms.py": "def heat(room):\n    return room.warm()\n"})


SAID = "Renders the quarterly flux capacitance table for turbines."


def explain_by_hand(root: Path, *keywords: str, said: str = SAID) -> None:
    (root / ".wayfind").mkdir(exist_ok=True)
    (root / ".wayfind" / "explanations.json").write_text(json.dumps([{"file": "desk.py", "component": "fine", "explanation": said, "keywords": keywords}]))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYFIND_HOME", str(tmp_path / "home"))


def test_what_is_explained_by_hand_is_found_and_trusted_as_the_same_words_in_a_comment(tmp_path: Path, home: None) -> None:
    by_hand, commented = library(tmp_path / "hand"), library(tmp_path / "comment", f"# {SAID}\n")
    explain_by_hand(by_hand)
    question = "quarterly flux capacitance for turbines"
    answers = [wayfind.open(root).search(question, k=1) for root in (by_hand, commented)]
    assert [(one.results[0].symbol, one.abstained, one.reason) for one in answers] == [("fine", False, "")] * 2
    assert abs(answers[0].confidence - answers[1].confidence) < 0.1
    assert answers[0].results[0].signals.keys() >= {"file", "covered", "lexical"}


def test_keywords_are_found_and_no_longer_when_they_are_gone(tmp_path: Path, home: None) -> None:
    root = library(tmp_path / "hand")
    explain_by_hand(root, "gigawatt")
    repository = wayfind.open(root)
    found = repository.search("gigawatt", k=1)
    assert (found.results[0].symbol, found.abstained, found.results[0].explanation.text) == ("fine", False, SAID)
    explain_by_hand(root, "megavolt")
    assert repository.search("gigawatt").abstained and repository.search("megavolt", k=1).results[0].symbol == "fine"


def test_what_an_older_version_attached_is_attached_again(tmp_path: Path, home: None) -> None:
    root = library(tmp_path / "hand")
    explain_by_hand(root, "gigawatt")
    with contextlib.closing(open_tree(root)) as tree:
        refresh(tree)
        with tree.catalogue.writing(1):
            tree.catalogue.write_manual({place: said.partition("\n")[0] for place, said in tree.catalogue.manual().items()})
            tree.catalogue.write_meta({"manual": tree.catalogue.manifest().meta["manual"].partition(" ")[2]})
        assert open_snapshot(tree).said(int(open_snapshot(tree).postings("docs", "turbin")[0][0])) == SAID
        assert refresh(tree).generation == 2 and open_snapshot(tree).said(int(open_snapshot(tree).postings("docs", "gigawatt")[0][0])) == f"{SAID}\ngigawatt"
