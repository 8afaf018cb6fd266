"""The list of repositories for training keeps its rules: parts by hash, permissive, none for evaluation."""

import hashlib
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from wayfind.train.build import repositories as repositories_of
from wayfind.train.exclude import read_excluded
from wayfind.train.recipe import read_recipe
from wayfind.train.split import part_of, project

TRAINING = Path(__file__).parents[1] / "training"

PERMISSIVE = set(
    "MIT Apache-2.0 BSD-2-Clause BSD-3-Clause ISC Unlicense CC0-1.0 PSF-2.0 Zlib BSL-1.0 PostgreSQL curl".split()
)


@pytest.fixture(scope="module")
def listed() -> dict[str, Any]:
    return yaml.safe_load((TRAINING / "repositories.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def repositories(listed: dict[str, Any]) -> list[dict[str, Any]]:
    return listed["repositories"]


def place(name: str) -> int:
    return int(hashlib.sha256(f"wayfind split 1:{name.lower()}".encode()).hexdigest(), 16) % 100


def test_every_entry_says_where_it_is_from_and_at_which_commit(repositories: list[dict[str, Any]]) -> None:
    for one in repositories:
        assert set(one) - {"leave_out"} == {"name", "address", "language", "licence", "commit", "part"}, one
        assert one["address"] == f"https://github.com/{one['name']}"
        assert re.fullmatch(r"[0-9a-f]{40}", one["commit"]), one


def test_names_are_sorted_and_nothing_is_listed_twice(repositories: list[dict[str, Any]]) -> None:
    names = [one["name"].lower() for one in repositories]
    assert names == sorted(set(names))
    assert not [commit for commit, times in Counter(one["commit"] for one in repositories).items() if times > 1]


def test_the_part_is_the_hash_of_the_name_except_for_the_pinned(
    listed: dict[str, Any], repositories: list[dict[str, Any]]
) -> None:
    pinned = set(listed["pinned_to_ranker"])
    assert pinned <= {one["name"] for one in repositories}
    for one in repositories:
        number = place(one["name"])
        by_hash = "base" if number < 70 else "ranker" if number < 85 else "learning"
        assert one["part"] == ("ranker" if one["name"] in pinned else by_hash), one["name"]


def test_no_project_that_is_kept_for_evaluation_is_listed_under_any_owner(repositories: list[dict[str, Any]]) -> None:
    excluded = read_excluded(TRAINING / "exclude.txt")
    assert excluded.holds_origin("anyone/requests")
    assert not [one["name"] for one in repositories if excluded.holds_origin(one["name"])]


def test_every_licence_is_permissive(repositories: list[dict[str, Any]]) -> None:
    assert not {part for one in repositories for part in one["licence"].split(" OR ")} - PERMISSIVE


def test_the_base_model_reads_many_languages_and_no_language_rules_it(repositories: list[dict[str, Any]]) -> None:
    counts = Counter(one["language"] for one in repositories if one["part"] == "base")
    assert len(counts) >= 18
    assert max(counts.values()) < sum(counts.values()) / 8


def test_what_is_left_out_is_named_by_paths_within_the_repository(repositories: list[dict[str, Any]]) -> None:
    paths = [path for one in repositories for path in one.get("leave_out", ())]
    assert paths
    assert not [path for path in paths if path.startswith("/") or path.endswith("/") or ".." in path.split("/")]


def test_what_the_priority_pairs_hold_out_is_in_no_pairs_of_an_earlier_stage(repositories: list[dict[str, Any]]) -> None:
    """tlaplus/CommunityModules was held out, from which the first stage of two-stage.yaml learns as a repository of part base."""
    path = TRAINING / "data" / "priority.yaml"
    recipe = read_recipe(path)
    origins = [one.name for source in recipe.sources for one in repositories_of(source, path)]
    held_out = {project(name) for name in origins if part_of(name, recipe.split.valid, recipe.split.test, recipe.seed) != "train"}
    assert held_out
    assert not held_out & {project(one["name"]) for one in repositories if one["part"] == "base"}
