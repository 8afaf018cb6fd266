"""Whether a later run of learning forgets what an earlier one knew.

    python benchmarks/learning_again.py FOLDER_OR_MIRROR … --back N [--home FOLDER] [--clones FOLDER]

Learns from the repository as it was N commits of its main line ago, then as it is. The questions of the earlier run's report part that
neither run was fitted on (the second may have been judged by them) are asked of the earlier tree three times: with nothing learned, with what the first run learned, and
with what the second did. Prints the paired differences with their 95 % intervals.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import closing
from pathlib import Path

import wayfind
from learning import clone, name_of
from wayfind.evaluate.queries import digest
from wayfind.evaluate.scratch import git
from wayfind.train.adapt.exams import exams, take
from wayfind.train.adapt.gate import ALL, FIGURE, compare, together
from wayfind.train.adapt.lessons import lessons
from wayfind.train.adapt.run import as_of, learn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("repositories", nargs="+", type=Path)
    parser.add_argument("--back", type=int, required=True)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--clones", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="learning-") as scratch:
        for place in given.repositories:
            told = forgotten(place, given.back, given.clones or Path(scratch), given.home or Path(scratch) / "home", Path(scratch) / "exams")
            print(f"{name_of(place)}: {told}", flush=True)


def forgotten(place: Path, back: int, clones: Path, home: Path, scratch: Path) -> str:
    """What the two runs make of the earlier one's report part."""
    root = clone(place, clones / name_of(place).replace("/", "+"))
    earlier = git(root, "log", "--first-parent", f"--skip={back}", "-n1", "--format=%H").strip()
    with closing(wayfind.open(root, home=home, adapted=False)) as repository:
        repository.refresh()
        repository.encode()
        second = learn(repository).adaptation
        with as_of(repository, earlier) as then:
            first = learn(then).adaptation
            if first is None or second is None:
                return "one of the runs learned nothing"
            known = set(second.about["used"]["train"])
            with exams(then, lessons(then).split, scratch, say=lambda *_: None) as made:
                report = [(exam, [q for q in exam.questions if digest(q.text) not in known]) for exam in made if exam.part == "report"]
                none, before, after = (together([take(exam, one, asked) for exam, asked in report]) for one in (None, first, second))
    gain, change = (next(one.gain for one in compare(ALL, *pair) if one.figure == FIGURE) for pair in ((none, before), (before, after)))
    return (
        f"{gain.n} questions of the report part as of {back} commits ago; first run {gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] {FIGURE}, "
        f"second run against the first {change.mean:+.3f} [{change.low:+.3f}, {change.high:+.3f}]"
    )


if __name__ == "__main__":
    main()
