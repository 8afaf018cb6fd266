"""`wayfind data build`: shards that depend on configuration and inputs alone, nothing that is kept out, projects on one side."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import histories
import pytest
from conftest import command

from wayfind.errors import NotFound, UsageError
from wayfind.serve.data import summary
from wayfind.train.build import _kept_out_texts, build
from wayfind.train.duplicates import code_only, shingles
from wayfind.train.pairs import manifest_of, read_pairs
from wayfind.train.recipe import read_recipe, with_places
from wayfind.train.split import project

VERBS = "count merge split check load store sort find draw close".split()
NOUNS = "basket voucher reader ledger ticket parcel letter branch window engine".split()


def function(verb: str, noun: str, lines: int = 14) -> str:
    """A function like no other: its statements are drawn by its name."""
    rng = random.Random(f"{verb}{noun}")
    words = [f"{rng.choice(NOUNS)}_{rng.randrange(10**6)}" for _ in range(lines)]
    body = "".join(f"    {word} = {rng.choice(VERBS)}({noun}, {rng.choice(words)}, {rng.randrange(1000)})\n" for word in words)
    return f'def {verb}_{noun}({noun}):\n    """{verb.title()} what a {noun} has to say to {words[0].split("_")[0]} number {rng.randrange(10**6)}."""\n{body}    return {words[-1]}\n\n\n'


def repository(folder: Path, functions: list[tuple[str, str]]) -> Path:
    files = {f"src/{verb}.py": "".join(function(v, n) for v, n in functions if v == verb) for verb, _ in functions}
    return histories.make(folder, [("Begin to work with things", files)])


@pytest.fixture
def trees(tmp_path) -> Path:
    """Ten repositories of nine functions each; the last is a copy of the first under another name."""
    for number in range(9):
        repository(tmp_path / "trees" / f"acme+project{number}", [(verb, f"{noun}{number}") for verb in VERBS[:3] for noun in NOUNS[:3]])
    repository(tmp_path / "trees" / "copycat+copies", [(verb, f"{noun}0") for verb in VERBS[:3] for noun in NOUNS[:3]])
    listed = [{"name": path.name.replace("+", "/"), "licence": "MIT", "part": "base"} for path in sorted((tmp_path / "trees").iterdir())]
    (tmp_path / "repositories.yaml").write_text(json.dumps([*listed, {"name": "acme/other", "part": "ranker"}, {"name": "acme/gone", "part": "base"}]))
    return tmp_path


def recipe(at: Path, **more) -> Path:
    values = {"name": "small", "sources": [{"repositories": "repositories.yaml", "part": "base", "folders": "trees"}], "split": {"valid": 0.2, "test": 0.2}, "shard_pairs": 50} | more
    path = at / "small.yaml"
    path.write_text(json.dumps(values))
    return path


def built(path: Path, output: Path, **more) -> dict:
    return build(read_recipe(path), path, output, **more).manifest


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_same_recipe_and_inputs_give_the_same_bytes_with_any_number_of_processes(trees, monkeypatch):
    monkeypatch.setattr("wayfind.train.tasks.TASKS_PER_PROCESS", 3)  # in two rounds: a pool that replaced its processes stood still
    path = recipe(trees, augment={"mask_name": 0.3, "ask": 0.3})
    built(path, trees / "one")
    built(path, trees / "two", processes=2, spill=trees / "spill")
    built(path, trees / "three", spill=trees / "spill")
    assert contents(trees / "one") == contents(trees / "two") == contents(trees / "three")
    assert (trees / "spill").is_dir()


def test_the_same_bytes_come_from_other_folders_of_another_machine(trees, tmp_path_factory):
    """The manifest, and so the hash of the configuration, held absolute paths."""
    there, made = tmp_path_factory.mktemp("there"), []
    (trees / "bench.jsonl").write_text(json.dumps({"code": function("count", "basket5")}) + "\n")
    path = recipe(trees, sources=[{"repositories": "repositories.yaml", "part": "base", "folders": "trees"}])
    for at, clones in ((trees, "trees"), (there, "clones")):
        if at != trees:
            shutil.copytree(trees / "trees", at / clones)
            for name in ("bench.jsonl", "repositories.yaml", path.name):
                shutil.copy(trees / name, at / name)
        placed = with_places(read_recipe(at / path.name), str(at / clones), [str(at / "bench.jsonl"), str(at / clones / "copy*")])
        build(placed, at / path.name, at / "out")
        made.append(contents(at / "out"))
    assert made[0] == made[1] and not any(str(at).encode() in made[0]["manifest.json"] for at in (trees, there))


def test_a_changed_file_is_read_again_from_the_spill_of_its_repository(trees):
    path = recipe(trees)
    built(path, trees / "one", spill=trees / "spill")
    (trees / "trees" / "acme+project3" / "src" / "new.py").write_text(function("draw", "engine"))
    built(path, trees / "two", spill=trees / "spill")
    found = {pair.path for pair in read_pairs(trees / "two")} - {pair.path for pair in read_pairs(trees / "one")}
    assert found == {"src/new.py"}


def test_no_project_is_on_two_sides_and_every_part_has_its_share(trees):
    manifest = built(recipe(trees), trees / "out")
    sides: dict[str, set[str]] = {}
    for pair in read_pairs(trees / "out"):
        sides.setdefault(project(pair.origin), set()).add(pair.part)
    assert all(len(parts) == 1 for parts in sides.values())
    assert all(manifest["pairs"][part] for part in ("train", "valid", "test"))


def test_no_code_is_like_another_of_its_set_within_or_across_parts(trees):
    """Against the slow way: the true Jaccard similarity of every two definitions."""
    manifest = built(recipe(trees, kinds=["docstring"]), trees / "out")
    codes = [(pair.origin, set(shingles(code_only(pair.code.split("\n", 2)[2])))) for pair in read_pairs(trees / "out")]
    alike = [(a, b) for n, (a, one) in enumerate(codes) for b, two in codes[:n] if len(one & two) / len(one | two) > 0.8]
    assert not alike
    assert manifest["dropped"]["near-duplicate"] == 9
    assert len(codes) == 81


def test_nothing_like_what_is_kept_out_gets_in_with_or_without_its_documentation(trees, tmp_path):
    (trees / "bench.jsonl").write_text(json.dumps({"id": 1, "code": function("count", "basket5").replace("    ", "  ")}) + "\n")
    repository(trees / "forks" / "kept+out", [("merge", "voucher6"), ("split", "reader6")])
    manifest = built(recipe(trees, duplicates={"keep_out": ["bench.jsonl", "forks/*"]}), trees / "out")
    found = {(pair.origin, pair.symbol) for pair in read_pairs(trees / "out")}
    assert not found & {("acme/project5", "count_basket5"), ("acme/project6", "merge_voucher6"), ("acme/project6", "split_reader6")}
    assert ("acme/project5", "count_voucher5") in found and ("acme/project6", "split_basket6") in found
    assert manifest["kept_out"] == {"kept+out": 2}
    assert manifest["dropped"]["near-duplicate of what is kept out"] >= 3


def test_a_code_that_is_kept_out_may_hold_any_separator_of_lines(tmp_path):
    codes = ["x = 1\n", "a\u2028b\x85c\x0cd", "y\r\n"]
    (tmp_path / "bench.jsonl").write_text("".join(json.dumps({"code": code}, ensure_ascii=False) + "\n" for code in codes), encoding="utf-8")
    read = read_recipe(recipe(tmp_path, duplicates={"keep_out": ["bench.jsonl"]}))
    assert list(_kept_out_texts(read, tmp_path / "small.yaml")) == codes


def test_packed_lines_are_kept_out_and_what_holds_no_code_is_an_error(trees):
    """Packed ones gave a traceback, and a folder of texts was kept out without a word."""
    with gzip.open(trees / "bench.jsonl.gz", "wt") as file:
        file.write(json.dumps({"code": function("count", "basket5")}) + "\n")
    built(recipe(trees, duplicates={"keep_out": ["bench.jsonl.gz"]}), trees / "out")
    assert ("acme/project5", "count_basket5") not in {(pair.origin, pair.symbol) for pair in read_pairs(trees / "out")}
    (trees / "texts").mkdir()
    (trees / "texts" / "readme.md").write_text("No code here.\n")
    (trees / "empty.jsonl").write_text("\n")
    for name, said in (("texts", "texts: to be kept out, and no definition in it"), ("empty.jsonl", "empty.jsonl: to be kept out, and without a line")):
        with pytest.raises(UsageError, match=said):
            built(recipe(trees, duplicates={"keep_out": [name]}), trees / "again")


def test_the_published_test_files_of_codesearchnet_are_kept_out_of_every_source(trees):
    for part, numbers in (("train", (1, 2, 3)), ("test", (5, 1))):
        codes = [function("count", f"basket{number}") for number in numbers]
        rows = [{"repo": f"csn/{part}{number}", "path": "a.py", "func_name": f"count_basket{number}", "code": code, "docstring": "", "partition": part} for number, code in zip(numbers, codes)]
        with gzip.open(trees / f"python_{part}_0.jsonl.gz", "wt") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    sources = [{"codesearchnet": ".", "languages": ["python"]}, {"repositories": "repositories.yaml", "part": "base", "folders": "trees"}]
    manifest = built(recipe(trees, sources=sources), trees / "out")
    assert manifest["kept_out"] == {"codesearchnet test python": 2}
    found = {(pair.origin, pair.symbol) for pair in read_pairs(trees / "out")}
    assert not found & {("csn/train1", "count_basket1"), ("acme/project1", "count_basket1"), ("acme/project5", "count_basket5")}
    assert ("acme/project5", "count_voucher5") in found and {origin for origin, symbol in found if symbol == "count_basket2"}


def test_a_repository_without_a_work_tree_can_be_kept_out(trees):
    bare = trees / "mirror" / "kept+out" / "repo"
    bare.parent.mkdir(parents=True)
    histories.git(trees, "clone", "--quiet", "--bare", str(trees / "trees" / "acme+project4"), str(bare))
    built(recipe(trees, duplicates={"keep_out": ["mirror/kept+out"]}), trees / "out")
    assert "acme/project4" not in {pair.origin for pair in read_pairs(trees / "out")}


def test_what_a_partial_copy_lacks_is_left_out_and_what_cannot_be_read_ends_the_build(trees):
    bare = trees / "mirror" / "kept+out" / "repo"
    bare.parent.mkdir(parents=True)
    histories.git(trees, "clone", "--quiet", "--bare", str(trees / "trees" / "acme+project4"), str(bare))
    lost = histories.git(bare, "rev-parse", "HEAD:src/count.py").strip()
    for pack in (bare / "objects" / "pack").glob("*.pack"):  # unpacked, so that one object can be lost
        moved = pack.rename(trees / pack.name)
        pack.with_suffix(".idx").unlink()
        histories.git(bare, "unpack-objects", "-q", given=moved.read_bytes())
    (bare / "objects" / lost[:2] / lost[2:]).unlink()
    path = recipe(trees, duplicates={"keep_out": ["mirror/kept+out"]})
    built(path, trees / "out")
    assert {pair.path for pair in read_pairs(trees / "out") if pair.origin == "acme/project4"} == {"src/count.py"}
    (bare / "HEAD").write_text("ref: refs/heads/gone\n")
    (bare / "packed-refs").unlink(missing_ok=True)
    with pytest.raises(UsageError, match="cannot be kept out"):
        built(path, trees / "again")


def test_an_excluded_project_gives_nothing_under_any_owner(trees):
    (trees / "exclude.txt").write_text("somebody/Project2\ncheck\n")
    manifest = built(recipe(trees, exclude="exclude.txt"), trees / "out")
    assert manifest["missing"]["acme/project2"] == "excluded"
    assert "acme/project2" not in {pair.origin for pair in read_pairs(trees / "out")}


@pytest.mark.parametrize("origin", ["acme+project2", "bare/acme+Project2.git", "mirror/acme+project2/repo"])
def test_an_excluded_project_gives_nothing_under_the_name_of_a_clone(trees, origin):
    (trees / "exclude.txt").write_text("somebody/project2\n")
    (trees / "own.jsonl").write_text(json.dumps({"query": "how do I pay", "code": "def pay():\n    wallet.open()", "origin": origin}) + "\n")
    address = f"file://{trees / 'trees' / 'acme+project2'}"
    sources = [{"jsonl": "own.jsonl"}, {"repositories": [address], "folders": "clones"}, {"repositories": ["trees/acme+project1"]}]
    manifest = built(recipe(trees, sources=sources, exclude="exclude.txt"), trees / "out")
    assert manifest["missing"] == {"acme/project2": "excluded"} and set(manifest["origins"]) == {"acme/project1"}
    assert manifest["empty"] == {"own.jsonl": "all of its 1 pairs were left out; see dropped"}


def test_a_block_of_what_is_kept_out_gets_in_as_little_as_the_whole(trees):
    block = "".join(f"    row_{number} = table.read({number}, width * {number + 3})\n" for number in range(4))
    rest = "".join(f"    other_{number} = [cell ** {number} for cell in line if cell != {number * 7}]\n" for number in range(40))
    code = f"def load(table, width, line):\n    # Reads the first rows of the table from disk.\n{block}\n{rest}    return row_0\n"
    for name in ("held", "asked"):
        repository(trees / name, [("count", "leaf"), ("sort", name)])
        (trees / name / "load.py").write_text(code if name == "held" else code.replace("load(", "fetch(").replace(rest, rest[: len(rest) // 9]))
    sources = [{"repositories": ["asked"]}]
    free = built(recipe(trees, sources=sources, kinds=["comment"]), trees / "free")
    assert "Reads the first rows" in " ".join(pair.query for pair in read_pairs(trees / "free")) and free["pairs"]["train"]
    with pytest.raises(UsageError, match="near-duplicate of what is kept out"):
        built(recipe(trees, sources=sources, kinds=["comment"], duplicates={"keep_out": ["held"]}), trees / "out")


def test_a_folder_of_something_else_is_not_replaced(trees):
    (trees / "site" / "train").mkdir(parents=True)
    (trees / "site" / "manifest.json").write_text('{"name": "my web app"}')
    with pytest.raises(UsageError, match="site.*not replaced"):
        built(recipe(trees), trees / "site")
    (trees / "site" / "train" / "pairs-00000.jsonl.gz").write_text("precious")
    built(recipe(trees), trees / "own")
    (trees / "own" / "train" / "notes.txt").write_text("precious")
    built(recipe(trees), trees / "own")
    assert (trees / "own" / "train" / "notes.txt").read_text() == (trees / "site" / "train" / "pairs-00000.jsonl.gz").read_text() == "precious"


def test_a_kind_of_which_there_is_no_pair_is_said_to_be_missing(trees):
    built(recipe(trees, kinds=["docstring"], split={"valid": 0, "test": 0}), trees / "out")
    done = command("data", "show", trees / "out", "--kind", "commit", home=trees / "home", text=True)
    assert done.returncode == 1 and "no pair of the kind commit; there is train (docstring)" in done.stderr


def test_licences_are_counted_by_pair(trees):
    lines = [{"query": f"how do I pay {number}", "code": function("pay", f"bill{number}"), "origin": "me/mine", "licence": licence} for number, licence in enumerate(["MIT", "GPL-3.0", ""])]
    (trees / "own.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    manifest = built(recipe(trees, sources=[{"jsonl": "own.jsonl"}]), trees / "out")
    assert manifest["licences"] == {"MIT": 1, "GPL-3.0": 1, "unknown": 1} and manifest["origins"]["me/mine"]["licence"] == "several"


def test_what_was_read_and_gave_no_pair_is_said(trees):
    bare = trees / "mine.git"
    histories.git(trees, "clone", "-q", "--bare", str(trees / "trees" / "acme+project4"), str(bare))
    (trees / "nothing").mkdir()
    manifest = built(recipe(trees, sources=[{"repositories": ["mine.git", "nothing", "trees/acme+project1"]}], split={"valid": 0, "test": 0}), trees / "out")
    assert "clone it" in manifest["empty"]["mine.git"] and "no code in it" in manifest["empty"]["nothing"]
    said = summary(manifest, "out")
    assert "no pair: mine.git: " in said and "nothing to train on" not in said
    every = [{"query": f"how do I pay {number}", "code": function("pay", f"bill{number}"), "part": "test"} for number in range(3)]
    (trees / "own.jsonl").write_text("".join(json.dumps(line) + "\n" for line in every))
    assert "nothing to train on" in summary(built(recipe(trees, sources=[{"jsonl": "own.jsonl", "origin": "me/mine"}]), trees / "held"), "held")


@pytest.mark.parametrize("key, value, told", [("license", "MIT", "did you mean `licence`"), ("leaveout", ["a"], "did you mean `leave_out`"), ("commit", 0, "put it in quotes"), ("leave_out", "a", "a list of paths")])
def test_a_key_of_a_list_that_would_act_on_nothing_is_refused(trees, key, value, told):
    (trees / "repositories.yaml").write_text(json.dumps([{"name": "acme/project1", "part": "base", key: value}]))
    with pytest.raises(UsageError, match=f"acme/project1: .*{told}"):
        built(recipe(trees), trees / "out")


@pytest.mark.parametrize("more, told", [({"kinds": []}, "`kinds` is empty"), ({"name": " "}, "`name` is empty"), ({"limits": {"total": 0}}, "limits.total"), ({"sources": [{"repositories": [""]}]}, "names nothing"), ({"sources": [{"repositories": []}]}, "names nothing")])
def test_what_would_give_nothing_is_refused_before_anything_is_read(trees, more, told):
    with pytest.raises(UsageError, match=told):
        read_recipe(recipe(trees, **more))


@pytest.mark.skipif(os.name != "posix", reason="processes are killed by signals")
def test_processes_of_a_build_that_was_killed_end(trees):
    with subprocess.Popen([sys.executable, "-c", WORKERS], stdout=subprocess.PIPE, text=True) as parent:
        workers = list(map(int, parent.stdout.readline().split()))
        parent.kill()
    assert len(workers) == 2
    for _ in range(600):
        if not any(map(_lives, workers)):
            break
        time.sleep(0.1)
    assert not any(map(_lives, workers))


WORKERS = """
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import active_children, get_context
from wayfind.train.tasks import _end_at_interrupts

if __name__ == "__main__":
    with ProcessPoolExecutor(2, mp_context=get_context("spawn"), initializer=_end_at_interrupts) as pool:
        wait = [pool.submit(time.sleep, 0) for _ in range(2)]
        [one.result() for one in wait]
        print(*(child.pid for child in active_children()), flush=True)
        time.sleep(600)
"""


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


def test_the_manifest_says_sources_licences_what_was_dropped_and_what_was_not_there(trees):
    manifest = built(recipe(trees), trees / "out")
    assert manifest["missing"] == {"acme/gone": "no folder acme+gone"}
    assert set(manifest["licences"]) == {"MIT"}
    assert manifest["origins"]["acme/project1"].keys() == {"pairs", "licence", "source", "part"}
    assert sum(origin["pairs"] for origin in manifest["origins"].values()) == sum(manifest["pairs"].values())
    assert manifest["commits"]["acme/project1"] and manifest["configuration"]["limits"]["total"] == 4000
    assert manifest == json.loads(json.dumps(manifest_of(trees / "out") | {"seconds": manifest["seconds"]}))


def test_a_weight_is_a_number_of_the_pair_and_copies_no_line(trees):
    plain = built(recipe(trees), trees / "plain", spill=trees / "spill")
    sources = [{"repositories": "repositories.yaml", "part": "base", "folders": "trees", "weights": {"acme/project1": 5}}]
    heavy = built(recipe(trees, sources=sources), trees / "heavy", spill=trees / "spill")
    assert plain["pairs"] == heavy["pairs"]
    assert {pair.weight for pair in read_pairs(trees / "heavy") if pair.origin == "acme/project1"} == {5.0}
    ids = [pair.id for pair in read_pairs(trees / "heavy")]
    assert len(ids) == len(set(ids))


def test_variants_are_made_of_training_pairs_alone(trees):
    built(recipe(trees), trees / "plain")
    built(recipe(trees, augment={"ask": 1.0, "mask_name": 1.0}), trees / "varied")
    for part in ("valid", "test"):
        assert list(read_pairs(trees / "plain", part)) == list(read_pairs(trees / "varied", part))
    before, after = ([pair.query for pair in read_pairs(trees / name, "train")] for name in ("plain", "varied"))
    assert len(before) == len(after) and before != after


def test_own_pairs_join_the_others_and_their_part_is_that_of_their_project(trees):
    (trees / "own.jsonl").write_text(json.dumps({"query": "how do I pay", "code": "def pay():\n    wallet.open()", "origin": "me/mine", "part": "test"}) + "\n")
    sources = [{"jsonl": "own.jsonl", "licence": "CC0-1.0", "weight": 3}, {"repositories": ["trees/acme+project1"]}]
    built(recipe(trees, sources=sources), trees / "out")
    (own,) = (pair for pair in read_pairs(trees / "out") if pair.origin == "me/mine")
    assert (own.kind, own.part, own.weight, own.licence) == ("pair", "test", 3.0, "CC0-1.0")


def test_lines_of_no_origin_keep_the_part_they_give_or_are_dealt_out_by_their_code(trees):
    """One line for `valid` held out the whole file, which was taken for one project. And of two questions that one code answers the second
    was dropped as a near-duplicate; it is one where the first is held out."""
    pairs = [{"query": f"how do I {verb} every {noun}", "code": function(verb, noun)} for verb in VERBS for noun in NOUNS]
    pairs.append({"query": "what is counted at night", "code": function("count", "basket")})

    def parts(lines: list[dict], lost: int = 0, **source: str) -> dict[str, str]:
        (trees / "own.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        manifest = built(recipe(trees, sources=[{"jsonl": "own.jsonl", **source}]), trees / "out", spill=trees / "spill")
        assert sum(manifest["pairs"].values()) == len(pairs) - lost and list(manifest["origins"]) == [source.get("origin", "own")]
        return {pair.query: pair.part for pair in read_pairs(trees / "out")}

    given = parts([pairs[0] | {"part": "valid"}, pairs[1] | {"part": "test"}, *pairs[2:]], lost=1)
    assert {query: part for query, part in given.items() if part != "train"} == {pairs[0]["query"]: "valid", pairs[1]["query"]: "test"}
    drawn = parts(pairs)
    assert set(drawn.values()) == {"train", "valid", "test"} and drawn[pairs[0]["query"]] == drawn[pairs[-1]["query"]]
    assert set(parts([pair | {"part": "train"} for pair in pairs]).values()) == {"train"}
    assert set(parts([pairs[0] | {"part": "valid"}, *pairs[1:]], origin="me/mine").values()) == {"valid"}


def test_a_repository_is_cloned_from_its_address_when_it_is_not_there(trees):
    address = f"file://{trees / 'trees' / 'acme+project7'}"
    built(recipe(trees, sources=[{"repositories": [address], "folders": "clones"}]), trees / "out")
    assert {pair.origin for pair in read_pairs(trees / "out")} == {"acme/project7"}
    assert (trees / "clones" / "acme+project7" / ".git").is_dir()


def test_one_repository_that_fails_stops_no_build(trees):
    (trees / "trees" / "acme+project1" / "src").rename(trees / "moved")
    (trees / "own.jsonl").write_text("not a pair\n")
    sources = [{"jsonl": "own.jsonl"}, {"repositories": "repositories.yaml", "part": "base", "folders": "trees"}]
    manifest = built(recipe(trees, sources=sources), trees / "out")
    assert manifest["missing"]["own.jsonl"].startswith("own.jsonl:1: ") and manifest["pairs"]["train"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"shrad_pairs": 3}, "did you mean `shard_pairs`"),
        ({"sources": [{"repositores": "x"}]}, "did you mean `repositories`"),
        ({"sources": [{"repositories": "x", "jsonl": "y"}]}, "exactly one of"),
        ({"sources": [{"codesearchnet": "x", "langauges": []}]}, "did you mean `languages`"),
        ({"limits": {"docstrings": 3}}, "did you mean `docstring`"),
        ({"limits": {"docstring": "many"}}, "must be int"),
        ({"kinds": ["docstrings"]}, "did you mean `docstring`"),
        ({"split": {"valid": 0.9, "test": 0.9}}, "share from 0 to 1"),
        ({"augment": {"mask_names": 0.1}}, "did you mean `mask_name`"),
        ({"duplicates": {"threshold": 0}}, "similarity above 0"),
        ({"language_weights": {"lean": -5}}, "0 or more"),
        ({"language_weights": {"leann": 5}}, "did you mean `lean`"),
        ({"language_weights": {"c++": 5}}, "did you mean `cpp`"),
        ({"limits": {"megabytes": -1}}, "limits.megabytes must be a number that is 0 or more"),
        ({"sources": [{"jsonl": "x", "weight": -1}]}, "sources[0].weight must be"),
        ({"sources": [{"codesearchnet": "x", "cap": -1}]}, "sources[0].cap must be"),
        ({"sources": [{"repositories": [3]}]}, "repositories[0] must be str"),
        ({"sources": []}, "at least one of repositories"),
        ({"sources": [{"repositories": ["trees/acme+project1"], "part": "base"}]}, "sources[0].part would act on nothing"),
        ({"sorces": [1], "sources": 1}, "did you mean `sources`"),
        ({"sources": "x"}, "list of `sources`"),
    ],
)
def test_what_a_configuration_gets_wrong_is_said_with_the_nearest_key(trees, more, said):
    with pytest.raises(UsageError, match="small.yaml") as caught:
        read_recipe(recipe(trees, **more))
    assert said in str(caught.value)


@pytest.mark.parametrize("text", ["name: 2024-13-45", "name: [", "name: " + "[" * 5000], ids=["a date that is none", "half", "deep"])
def test_what_is_no_yaml_is_said_of_the_file(tmp_path, text):
    (tmp_path / "odd.yaml").write_text(text)
    with pytest.raises(UsageError, match="odd.yaml: not YAML"):
        read_recipe(tmp_path / "odd.yaml")


def test_a_repository_named_by_two_sources_is_refused(trees):
    sources = [{"repositories": ["trees/acme+project1"]}, {"repositories": "repositories.yaml", "part": "base", "folders": "trees"}]
    with pytest.raises(UsageError, match="a weight counts more"):
        built(recipe(trees, sources=sources), trees / "out")


def test_folders_and_files_that_are_called_the_same_are_no_copies(trees):
    """`api/src` and `web/src` were refused as one project that two sources name."""
    for number, name in enumerate(("api", "web")):
        (trees / name / "src").mkdir(parents=True)
        (trees / name / "src" / "own.py").write_text("".join(function(verb, f"{NOUNS[number]}9") for verb in VERBS))
        (trees / name / "own.jsonl").write_text(json.dumps({"query": "how do I pay", "code": function("pay", name)}) + "\n")
    sources = [{"repositories": ["api/src", "trees/acme+project1"]}, {"repositories": ["web/src"]}, {"jsonl": "api/own.jsonl"}, {"jsonl": "web/own.jsonl"}]
    manifest = built(recipe(trees, sources=sources, split={"valid": 0, "test": 0}), trees / "out")
    assert set(manifest["origins"]) == {"api/src", "web/src", "acme/project1", "api/own", "web/own"}
    for twice in ({"repositories": ["web/../api/src"]}, {"jsonl": "web/../api/own.jsonl"}):
        with pytest.raises(UsageError, match="a weight counts more"):
            built(recipe(trees, sources=[*sources, twice]), trees / "twice")


def test_what_is_to_be_kept_out_has_to_be_there(trees):
    with pytest.raises(NotFound, match="kept out"):
        built(recipe(trees, duplicates={"keep_out": ["nowhere.jsonl"]}), trees / "out")


def test_a_folder_with_other_things_is_not_written_into(trees):
    with pytest.raises(UsageError, match="is not empty"):
        built(recipe(trees), trees / "trees")


def test_places_of_the_machine_come_from_the_command_line(trees):
    read = with_places(read_recipe(recipe(trees)), "/elsewhere", ["/bench.jsonl"])
    assert read.sources[0].folders == "/elsewhere" and read.duplicates.keep_out == ["/bench.jsonl"]


def test_the_command_builds_and_shows(trees, home):
    path = recipe(trees)
    done = command("data", "build", path, "--output", trees / "out", "--processes", "1", home=home)
    assert done.returncode == 0 and done.stdout.decode().startswith("small: "), done.stderr
    shown = command("data", "show", trees / "out", "--kind", "docstring", "--number", "2", home=home).stdout.decode()
    assert shown.count("\n? ") == 2 and "MIT" in shown
    lines = command("data", "show", trees / "out", "--json", "-n", "4", home=home).stdout.decode().splitlines()
    assert len(lines) == 4 and all(json.loads(line)["query"] for line in lines)
    wrong = command("data", "show", trees / "nowhere", home=home)
    assert wrong.returncode == 2 and "wayfind data build" in wrong.stderr.decode()


@pytest.mark.parametrize("path", sorted((Path(__file__).parent.parent / "training" / "data").glob("*.yaml")), ids=lambda path: path.name)
def test_every_configuration_in_the_repository_can_be_read(path):
    assert read_recipe(path).sources


def test_a_build_that_was_interrupted_goes_on_by_the_same_command(trees):
    path, output = recipe(trees), trees / "out"

    def interrupt(stage: str, done: int, of: int) -> None:
        if stage.startswith("comparing (train"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        built(path, output, spill=trees / "spill", progress=interrupt)
    for told in (trees / "spill").glob("*.told.json"):
        told.write_text('{"pairs": 3')  # as of a process that was killed while it wrote
    built(path, output, spill=trees / "spill")
    built(path, trees / "whole")
    assert contents(output) == contents(trees / "whole")


def test_a_build_that_is_interrupted_while_it_writes_leaves_nothing_that_looks_whole(trees):
    path, output = recipe(trees), trees / "out"
    built(path, output)

    def interrupt(stage: str, done: int, of: int) -> None:
        if stage == "writing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        built(path, output, progress=interrupt)
    with pytest.raises(NotFound, match="wayfind data build"):
        list(read_pairs(output))
    assert built(path, output)["pairs"]["train"]


def test_what_gives_no_pair_is_an_error_that_says_why_and_leaves_the_older_pairs(trees):
    path, output = recipe(trees), trees / "out"
    built(path, output)
    before = contents(output)
    with pytest.raises(UsageError, match="gives no pair; gone: no folder gone"):
        built(recipe(trees, sources=[{"repositories": ["gone"]}]), output)
    assert {place: data for place, data in contents(output).items() if not place.startswith(".")} == before


def test_a_weight_or_a_part_of_no_repository_is_refused(trees):
    source = {"repositories": "repositories.yaml", "part": "base", "folders": "trees"}
    with pytest.raises(UsageError, match="did you mean `acme/project1`"):
        built(recipe(trees, sources=[source | {"weights": {"acme/projct1": 5}}]), trees / "out")
    assert built(recipe(trees, sources=[source | {"weights": {"acme/other": 5}}]), trees / "out")["pairs"]["train"]
    with pytest.raises(UsageError, match="no repository of part bse; there is base, ranker"):
        built(recipe(trees, sources=[source | {"part": "bse"}]), trees / "out")


def test_a_folder_is_called_by_its_own_name_however_it_is_given(trees):
    built(recipe(trees, sources=[{"repositories": ["trees/acme+project1/src/.."]}]), trees / "out")
    assert {pair.origin for pair in read_pairs(trees / "out")} == {"acme/project1"}


def test_each_language_that_was_not_read_stands_in_the_manifest(trees):
    (trees / "stack" / "data" / "go").mkdir(parents=True)
    (trees / "stack" / "data" / "go" / "rows.jsonl").write_text('{"content": 3\n')
    sources = [{"the_stack": "stack", "languages": ["go", "rust"]}, {"repositories": ["trees/acme+project1"]}]
    missing = built(recipe(trees, sources=sources), trees / "out")["missing"]
    assert "rows.jsonl:1: not a line of JSON" in missing["the_stack go"] and "data/rust" in missing["the_stack rust"]


def test_half_a_character_in_an_origin_ends_no_build(trees):
    """A lone surrogate, which JSON can say and no text in UTF-8 can."""
    (trees / "own.jsonl").write_text(json.dumps({"query": "lend a book to a reader for two weeks", "code": "def lend(book):\n    out.add(book)\n    return book\n", "origin": "me/\ud800x"}) + "\n")
    manifest = built(recipe(trees, sources=[{"jsonl": "own.jsonl"}]), trees / "out")
    assert list(manifest["origins"]) == ["me/?x"] and [pair.origin for pair in read_pairs(trees / "out")] == ["me/?x"]


def test_a_manifest_that_lacks_something_is_named(trees, home):
    (trees / "out").mkdir()
    (trees / "out" / "manifest.json").write_text('{"shards": {}, "name": "x"}')
    done = command("data", "show", trees / "out", home=home)
    assert done.returncode == 2 and "its manifest says nothing of pairs, origins" in done.stderr.decode()


def test_a_broken_file_stands_in_the_manifest_beside_the_pairs_of_the_others_and_is_read_again(trees):
    rows = trees / "stack" / "data" / "python"
    rows.mkdir(parents=True)
    row = {"content": function("count", "ticket"), "max_stars_repo_name": "acme/tickets", "max_stars_repo_path": "a.py"}
    (rows / "a.jsonl").write_text("{broken\n")
    (rows / "b.jsonl").write_text(json.dumps(row) + "\n")
    path = recipe(trees, sources=[{"the_stack": "stack", "languages": ["python"]}])
    for _ in range(2):
        manifest = built(path, trees / "out", spill=trees / "spill")
        assert list(manifest["origins"]) == ["acme/tickets"] and "stack/data/python/a.jsonl:1: not a line of JSON" in manifest["missing"]["the_stack python"]


def test_an_interrupt_ends_the_command_without_a_word(trees, home):
    """A worker that was interrupted printed a traceback. Here one waits for what a pipe will say, and the other has nothing to do."""
    pipe = trees / "stack" / "data" / "go" / "rows.jsonl"
    pipe.parent.mkdir(parents=True)
    os.mkfifo(pipe)
    sources = [{"the_stack": "stack", "languages": ["go"]}, {"repositories": ["trees/acme+project1", "trees/acme+project2"]}]
    began = subprocess.Popen(
        [sys.executable, "-m", "wayfind", "data", "build", recipe(trees, sources=sources), "--output", trees / "out", "--spill", trees / "spill", "--processes", "2"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, env={**os.environ, "WAYFIND_HOME": str(home)},
    )
    while began.poll() is None and len(list((trees / "spill").glob("*.told.json"))) < 2:
        time.sleep(0.05)
    with open(pipe, "w"):  # waits for its reader
        os.killpg(began.pid, signal.SIGINT)
        assert (began.communicate()[0], began.returncode) == ("", 130)
