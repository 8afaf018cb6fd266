"""What the ranker is to do with each kind of query and each sign of nearness, on small real trees."""

from __future__ import annotations

import pytest
from indexes import write

import wayfind


@pytest.fixture
def opened(tmp_path):
    """Opens a tree made of the given files; all are closed at the end."""
    held = []

    def open_tree(files):
        root = write(tmp_path / f"tree{len(held)}", files)
        held.append(wayfind.open(root, home=tmp_path / "home", commits=0))
        held[-1].refresh()
        return held[-1]

    yield open_tree
    for repository in held:
        repository.close()


def test_an_exact_word_of_a_name_beats_its_stem(opened):
    """`reserve` and `reservations` share a stem; asked for one of them, that one comes first, whichever it is."""
    body = "    held = [one for one in table if one]\n    return held\n"
    tree = opened({"hotel.py": f"def reserve(table):\n{body}\n\ndef reservations(table):\n{body}"})
    for word in ("reserve the table", "reservations of the table"):
        assert tree.search(word).results[0].symbol == word.split()[0]
