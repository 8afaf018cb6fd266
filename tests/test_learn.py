"""`wayfind learn` on a repository whose history teaches: what it keeps, what it refuses, and what it leaves alone."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import command
from lessons import teaching_repository

import wayfind
from wayfind.errors import IndexBusy
from wayfind.evaluate.intervals import Interval
from wayfind.evaluate.queries import part
from wayfind.evaluate.run import evaluate
from wayfind.model import adaptation as adaptations
from wayfind.search.engine import Ask, search
from wayfind.serve import learning
from wayfind.train.adapt.gate import Compared, Verdict, summary
from wayfind.train.adapt.lessons import digest, lessons, part_of_commits
from wayfind.train.adapt.run import Learnt, as_of, learnings

BASE = {"WAYFIND_MODEL": "base"}
"""Learning moves queries among the vectors of a model."""


@pytest.fixture(scope="module", autouse=True)
def base_model() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAYFIND_MODEL", "base")
        yield


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict]:
    """The repository, its home, and what `learn --json` said of it."""
    folder = tmp_path_factory.mktemp("learn")
    root = teaching_repository(folder / "repo")
    done = learner(root, "--json", home=folder / "home")
    assert done.returncode == 0, done.stderr + done.stdout
    return root, folder / "home", json.loads(done.stdout)


def learner(*arguments: str | Path, home: Path) -> subprocess.CompletedProcess:
    """`wayfind learn` in a process of its own, for as long as it takes."""
    line = [sys.executable, "-W", "error", "-m", "wayfind", "learn", *arguments]
    return subprocess.run(line, env={**os.environ, **BASE, "WAYFIND_HOME": str(home)}, capture_output=True, text=True, check=False)


def test_what_a_history_teaches_is_kept_and_helps_on_questions_that_nothing_saw(taught):
    root, home, said = taught
    assert said["kept"] and "memory" in said["components"]
    gate, report = (said["figures"][name]["commit MRR@10"] for name in ("gate", "report"))
    assert gate["gain"][1] > 0 and report["gain"][0] > 0
    assert said["figures"]["general"]["name MRR@10"]["gain"][0] >= -0.005


def test_search_uses_it_says_so_and_gives_the_same_in_every_process(taught):
    root, home, said = taught
    found = [command("search", "mind the dough while the yeast is late", root, "--json", home=home, env=BASE) for _ in range(2)]
    answers = [json.loads(one.stdout) for one in found]
    assert answers[0] == answers[1]
    assert answers[0]["index"]["adaptation"] == said["id"]
    assert answers[0]["results"][0]["path"] == "lib/oven.py"
    assert answers[0]["results"][0]["signals"]["remembered"] > 0


def test_a_name_is_found_as_if_nothing_had_been_learned(taught):
    root, home, _ = taught
    with wayfind.open(root, home=home) as repository:
        kept = adaptations.load(repository.learned_folder, adaptations.current(repository.learned_folder))
        for_all = {name: values for name, values in kept.arrays.items() if name != "manner.weight"}  # else it fades for names in words already
        plain = repository.searcher().with_adaptation(None)
        learned = plain.with_adaptation(adaptations.made(kept.model, for_all, kept.about))
        symbols = [chunk.symbol for chunk in repository.chunks() if chunk.kind == "function"]
        for text in (symbols[0], symbols[1].replace("_", " "), symbols[2].title().replace("_", "")):
            found, before = (search(one, Ask(text)) for one in (learned, plain))
            assert found.results == before.results and found.index.adaptation and not before.index.adaptation
        question = "mind the puppy while the leash is late"
        assert search(learned, Ask(question)).results != search(plain, Ask(question)).results


def test_learning_again_gives_the_same_adaptation_in_another_process_and_home(taught, tmp_path):
    root, home, said = taught
    again = learner(root, "--json", home=tmp_path / "home")
    assert json.loads(again.stdout)["id"] == said["id"]


def test_what_is_in_use_goes_to_another_clone_and_back_again(taught, tmp_path):
    root, home, said = taught
    clone, there = tmp_path / "clone", tmp_path / "home"
    subprocess.run(["git", "clone", "-q", root, clone], check=True)
    assert command("index", clone, home=there, env=BASE).returncode == 0
    file = tmp_path / "learned.bin"
    assert command("learn", root, "--export", file, home=home, env=BASE).returncode == 0
    assert command("learn", clone, "--import", file, home=there, env=BASE).returncode == 0
    told = json.loads(command("learn", clone, "--status", "--json", home=there, env=BASE).stdout)
    assert told["in_use"] == said["id"] and told["components"] == said["components"]
    here, over_there = (
        json.loads(command("search", "mind the puppy while the leash is late", place, "--json", home=of, env=BASE).stdout)["results"] for place, of in ((root, home), (clone, there))
    )
    assert here == over_there
    assert command("learn", clone, "--rollback", home=there, env=BASE).returncode == 0
    assert command("learn", clone, "--status", home=there, env=BASE).returncode == 1
    assert command("learn", clone, "--rollback", home=there, env=BASE).returncode == 2


def test_an_export_holds_no_line_of_code_and_no_question(taught, tmp_path):
    root, home, said = taught
    file = tmp_path / "learned.bin"
    command("learn", root, "--export", file, home=home, env=BASE)
    data = file.read_bytes()
    assert b"state =" not in data and b"mind the" not in data and b"lib/oven.py" not in data


def test_what_was_learned_of_another_repository_is_refused_unless_forced(taught, tmp_path, library):
    root, home, said = taught
    file, there = tmp_path / "learned.bin", tmp_path / "home"
    command("learn", root, "--export", file, home=home, env=BASE)
    refused = command("learn", library, "--import", file, home=there, env=BASE)
    assert refused.returncode == 2 and b"another repository" in refused.stderr and b"--force" in refused.stderr
    assert json.loads(command("learn", library, "--status", "--json", home=there, env=BASE).stdout)["in_use"] == ""
    assert command("learn", library, "--import", file, "--force", home=there, env=BASE).returncode == 0
    assert command("learn", library, "--force", home=there, env=BASE).returncode == 2


def test_status_and_rollback_speak_of_a_model_from_random_weights(taught, tmp_path):
    root, home, said = taught
    copy = tmp_path / "home"
    shutil.copytree(home, copy)
    latent = next(copy.glob("trees/*/learned")).parent / "latent"
    latent.mkdir()
    (latent / "learned.json").write_text(json.dumps({"bundle": "none", "identity": "none", "weight": 0.3}))
    assert b"with weight 0.3" in command("learn", root, "--status", home=copy, env=BASE).stdout
    assert b"--drop" in command("learn", root, "--rollback", home=copy, env=BASE).stdout
    again = command("learn", root, "--rollback", home=copy, env=BASE)
    assert again.returncode == 2 and b"--drop" in again.stderr


def test_an_import_of_another_model_or_of_changed_bytes_is_refused(taught, tmp_path):
    root, home, said = taught
    foreign = tmp_path / "foreign.bin"
    foreign.write_bytes(adaptations.packed(adaptations.made("another model", {}, {})))
    refused = command("learn", root, "--import", foreign, home=home, env=BASE)
    assert refused.returncode == 2 and b"was made for the model another model" in refused.stderr
    file = tmp_path / "learned.bin"
    command("learn", root, "--export", file, home=home, env=BASE)
    file.write_bytes(file.read_bytes()[:-7] + b"changed")
    assert command("learn", root, "--import", file, home=home, env=BASE).returncode == 2
    assert json.loads(command("learn", root, "--status", "--json", home=home, env=BASE).stdout)["in_use"] == said["id"]


def test_a_damaged_adaptation_stops_no_search(taught, tmp_path):
    root, home, said = taught
    copy = tmp_path / "home"
    shutil.copytree(home, copy)
    stored = next(copy.glob("trees/*/learned/*.adaptation"))
    stored.write_bytes(stored.read_bytes()[:-1])
    answer = json.loads(command("search", "open an item", root, "--json", home=copy, env=BASE).stdout)
    assert answer["results"] and answer["index"]["adaptation"] == ""
    assert b"damaged" in command("learn", root, "--status", home=copy, env=BASE).stdout


def test_parts_share_no_file_no_time_and_no_question(taught):
    root, home, said = taught
    with wayfind.open(root, home=home) as repository:
        known = lessons(repository)
        later = part_of_commits(root, known.split)
        touched = {touch.subject: touch for touch in repository.touches()}
    by_part = {name: known.of(name) for name in ("train", "gate", "report")}
    assert all(one.part == part(one.targets[0].path) for one in known.lessons if one.origin != "commit")
    asked = {name: {one.digest for one in found} for name, found in by_part.items()}
    assert not (asked["train"] & asked["gate"] or asked["train"] & asked["report"] or asked["gate"] & asked["report"])
    times = {name: [one.time for one in found if one.origin == "commit"] for name, found in by_part.items()}
    assert max(times["train"]) < min(times["gate"]) <= max(times["gate"]) < min(times["report"])
    assert all(later.get(touched[one.query].commit, "train") == one.part for one in known.lessons if one.query in touched)


def test_until_a_commit_uses_nothing_later(taught):
    root, home, said = taught
    middle = subprocess.run(["git", "rev-list", "--max-count=1", "--skip=150", "HEAD"], cwd=root, capture_output=True, text=True, check=True).stdout.strip()
    later = subprocess.run(["git", "log", "--format=%s", f"{middle}..HEAD"], cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    with wayfind.open(root, home=home) as repository, as_of(repository, middle) as then:
        known = lessons(then)
        assert {touch.subject for touch in then.touches()}.isdisjoint(later)
    assert known.lessons and {one.digest for one in known.lessons}.isdisjoint(map(digest, later))


def test_eval_asks_nothing_that_learning_saw(taught):
    root, home, said = taught
    with wayfind.open(root, home=home) as repository:
        used = repository.adaptation().about["used"]
    report = evaluate(root, kinds=("commit", "docstring"), systems=("wayfind", "unlearned"), home=home)
    asked = {digest(query.text) for one in report.sets for query in one.queries}
    assert asked and asked.isdisjoint({*used["train"], *used["gate"]})
    commits = report.sets[0]
    mean = {name: sum(one.figures["MRR@10"] for one in commits.answered if one.system == name) for name in report.systems}
    assert mean["wayfind"] > mean["unlearned"]


def test_a_gate_of_shuffled_answers_keeps_nothing(taught):
    root, home, said = taught
    with wayfind.open(root, home=home, adapted=False) as repository:
        repository.refresh()
        assert [learnt.verdict.kept for learnt in learnings(repository, (1, 2))] == [False, False]


def test_what_it_knew_is_not_forgotten_when_it_learns_again(taught, tmp_path):
    root, home, said = taught
    clone, there = tmp_path / "clone", tmp_path / "home"
    subprocess.run(["git", "clone", "-q", root, clone], check=True)
    subprocess.run(["git", "reset", "-q", "--hard", "HEAD~60"], cwd=clone, check=True)
    question, answer = "mind the dough while the yeast is late", "lib/oven.py"
    for commit in ("HEAD", "origin/main"):
        subprocess.run(["git", "reset", "-q", "--hard", commit], cwd=clone, check=True)
        learner(clone, home=there)
        found = json.loads(command("search", question, clone, "--json", home=there, env=BASE).stdout)
        assert found["index"]["adaptation"] and found["results"][0]["path"] == answer


def test_too_little_to_learn_from_is_said_and_changes_nothing(library, home):
    done = command("learn", library, home=home, env=BASE)
    assert done.returncode == 1 and b"too little to learn from" in done.stdout
    assert command("learn", library, "--status", home=home, env=BASE).returncode == 1


def test_a_learner_that_is_killed_leaves_what_was(taught, tmp_path):
    root, home, said = taught
    copy = tmp_path / "home"
    shutil.copytree(home, copy)
    line = [sys.executable, "-m", "wayfind", "learn", root]
    with subprocess.Popen(line, env={**os.environ, **BASE, "WAYFIND_HOME": str(copy)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as learner:
        with contextlib.suppress(subprocess.TimeoutExpired):
            learner.wait(1.5)
        learner.kill()
    told = json.loads(command("learn", root, "--status", "--json", home=copy, env=BASE).stdout)
    assert told["in_use"] == said["id"] and not told["learning"]


HOLDER = """
import sys, time
from pathlib import Path
from wayfind.serve.learning_latent import learning_alone
time.sleep(0.5)
with learning_alone(Path(sys.argv[1])):
    time.sleep(60)
"""


def test_a_learner_in_the_background_has_begun_when_the_command_ends(tmp_path, monkeypatch, capsys):
    """Another could be started beside it, whose failure took the place of what the first one said."""
    folder, started, popen = tmp_path / "learned", [], subprocess.Popen

    def start(line: list[str], **_: object) -> subprocess.Popen:
        started.append((line, popen([sys.executable, "-c", HOLDER, str(folder)])))
        return started[-1][1]

    monkeypatch.setattr(subprocess, "Popen", start)
    place = SimpleNamespace(learned_folder=folder, root=tmp_path / "here")
    try:
        learning._begin(place, None, {"until": None, "from": "random", "epochs": 2, "batch_size": 8, "resume": True, "full": False, "settings": ("a=1", "b=2")})
        assert started[0][0][3:] == ["learn", str(tmp_path / "here"), "--from", "random", "--epochs", "2", "--batch-size", "8", "--resume", "--set", "a=1", "--set", "b=2"]
        assert learning._busy(folder)
        with pytest.raises(IndexBusy, match="wayfind learn --status"):
            learning._begin(place, None, {})
    finally:
        for _, process in started:
            os.kill(process.pid, signal.SIGKILL)
    assert len(started) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--status", "--rollback"), "give one of --status and --rollback"),
        (("--sentences", "--background"), "give one of --sentences and --background"),
        (("--status", "--until", "HEAD"), "--until says what to learn from"),
        (("--full", "--from", "random"), "give one of --full and --from random"),
        (("--full", "--until", "HEAD~3"), "--until says nothing to --full"),
        (("--full", "--status"), "--status says nothing to --full"),
        (("--from", "random", "--export", "x"), "--export says nothing to --full and to models from random weights"),
        (("--drop", "--status"), "takes no other option"),
        (("--drop", "--full"), "takes no other option"),
        (("--background", "--json"), "--background prints no JSON"),
        (("--drop", "--json"), "--drop prints no JSON"),
    ],
)
def test_options_of_which_one_would_be_left_aside_are_refused(library, home, arguments, said):
    """`learn --full --until X` learned from everything, `learn --drop --status` deleted, `learn --sentences --background` stayed."""
    done = command("learn", library, *arguments, home=home)
    assert (done.returncode, said in done.stderr.decode()) == (2, True), done.stderr


def test_index_deletes_what_was_learned_when_that_is_asked_for(library, home):
    """`index --drop` and `index --full` learned a model from random weights."""
    done = command("index", library, "--drop", home=home)
    assert done.returncode == 2 and b"neither a model from random weights nor a tuned encoder" in done.stderr
    for arguments in (("--drop", "--learn"), ("--full", "--learn"), ("--drop", "--epochs", "2")):
        assert b"give one of --learn, --full and --drop" in command("index", library, *arguments, home=home).stderr


@pytest.mark.parametrize("arguments", [("--until", "no-such-commit"), ("--import", "nowhere.bin")])
def test_what_cannot_be_is_an_error(taught, arguments):
    root, home, said = taught
    assert command("learn", root, *arguments, home=home, env=BASE).returncode == 2


def test_the_end_of_learning_and_its_status_say_the_same_figures(tmp_path):
    """0.48951 once was 0.490 at the end and, being stored as 0.4895, 0.489 in --status."""
    figure = Compared("commit", "mrr@10", Interval(0.48951, 0.4, 0.5, 70), Interval(0.52549, 0.4, 0.6, 70), Interval(0.03598, -0.01, 0.07, 70))
    ended = list(learning._said(Learnt(None, Verdict(True, "it helps"), {}, gate=(figure,))))
    told = {"in_use": "a", "before": [], "learning": False, "problem": "", "figures": {"gate": summary([figure])}, "tuned": "", "latent": None}
    row = next(row for row in ended if "gate" in row)
    assert row in list(learning._told(told, tmp_path)) and "0.489 -> 0.525" in row
