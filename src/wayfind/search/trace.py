"""A stack trace inside a text to its frames: where the error was raised first, then who called that, and so on.

Python prints the innermost frame last, the others first. A chain of exceptions counts from its root cause. Of several
failures, as a run of tests prints them, each gives its innermost frame before any gives its second.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import groupby, zip_longest

from wayfind.search.called import parts_in_java, parts_in_javascript, parts_of

_CHAINED = (
    (re.compile(r"^Caused by: ", re.MULTILINE), -1),
    (re.compile(r"^(?:During handling of the above|The above) exception", re.MULTILINE), 1),
)
"""What stands between two exceptions of a chain; the root cause is the last one (Java) or the first (Python)."""
_FAILURE = re.compile(r"^_{3,} \S.* _{3,}$|^ +● ", re.MULTILINE)
"""The head of one failing test among several (pytest, jest)."""
_PATH = r"(?:\w+://[^/\s]*)?(?P<path>(?:[A-Za-z]:)?[^\s():\"?]+)(?:\?\w*)?"
_INNERMOST_LAST = (
    re.compile(r'^[^\w\n]*File "(?P<path>[^"\n]+)", line (?P<line>\d+)(?:,? in (?P<name>.*)|.*)', re.MULTILINE),  # Python
    re.compile(r"^(?P<path>[^\s:]+\.py):(?P<line>\d+):(?: (?:in (?P<name>.*)|[\w.]*))?$", re.MULTILINE),  # pytest, short and long
)
_PHP_CALLER = r"#\d+ (?:\S+\(\d+\)|\[internal function\]): (?P<name>[^(\n]+)\("
"""PHP names in a frame what is called there; the function that the line stands in is named in the next frame."""
_INNERMOST_FIRST = (
    re.compile(  # Java, Kotlin, Scala: `at [module/]package.Class.method(File.java:12)`
        r"^[ \t]*at (?:[\w.@$-]*/)*(?P<owner>[\w$<>.-]+)\((?P<path>[\w$-]+\.\w+):(?P<line>\d+)\).*", re.MULTILINE
    ),
    re.compile(r"^[ \t]*at (?P<name>.{1,1000}) in (?P<path>\S.{0,400}?):line (?P<line>\d+).*", re.MULTILINE),  # C#
    re.compile(  # Rust: its function on the line above
        rf"^[ \t]*\d+: +(?:0x[0-9a-f]+ - )?(?P<name>\S.*)\n[ \t]+at {_PATH}:(?P<line>\d+)(?::\d+)?[ \t]*$", re.MULTILINE
    ),
    re.compile(rf"^[ \t]*at (?:(?P<called>.*)\()?{_PATH}:(?P<line>\d+)(?::\d+)?\)?[ \t]*$", re.MULTILINE),  # JavaScript
    re.compile(rf"^[ \t]*(?P<called>[\w$.<>/*]*)@{_PATH}:(?P<line>\d+):\d+[ \t]*$", re.MULTILINE),  # JavaScript of Firefox and Safari
    re.compile(r"^.*panicked at (?:'.*', )?(?P<path>[^\s:]+):(?P<line>\d+):\d+.*", re.MULTILINE),  # Rust
    re.compile(  # Go: `package.Function(…)` on the line above
        r"^(?:(?P<name>\S.*|[ \t]+[\w./%*()-]+\([^()\n]*\))\n)?[ \t]+(?P<path>\S+\.go):(?P<line>\d+)(?: \+0x[0-9a-f]+)?[ \t]*$", re.MULTILINE
    ),
    re.compile(r"^[ \t]+(?:Error Trace:[ \t]*)?(?P<path>\S+\.go):(?P<line>\d+)(?::[ \t]*)?$", re.MULTILINE),  # go test
    re.compile(r"^[ \t]*(?:from )?(?P<path>\S+\.rb):(?P<line>\d+):in (?:[`'](?P<name>[^'\n]*)')?.*", re.MULTILINE),  # Ruby
    re.compile(rf"^#\d+ (?P<path>\S+\.php)\((?P<line>\d+)\).*(?=(?:\n{_PHP_CALLER})?)", re.MULTILINE),  # PHP
    re.compile(rf"^PHP [^\n]{{1,500}} in (?P<path>\S+\.php):(?P<line>\d+)$(?=(?:\nStack trace:\n{_PHP_CALLER})?)", re.MULTILINE),
    re.compile(r"^#\d+ +(?:(?:0x[0-9a-f]+ in )?(?P<name>.{1,300}?) \(.*\)|.*) at (?P<path>[^\s:]+):(?P<line>\d+)[ \t]*$", re.MULTILINE),  # gdb
    re.compile(  # lldb, of C++ with what is given and of Swift
        r"^[ \t*]*frame #\d+: 0x[0-9a-f]+ (?:[^`\s]+`)?(?P<name>[^\n(]{1,300})(?:\(.*\))? at (?P<path>[^\s:]+):(?P<line>\d+)(?::\d+)?(?: \[.*)?$",
        re.MULTILINE,
    ),
    re.compile(  # Swift of its own
        r"^[ \t]*\d+ (?:\[\w+\] )?(?:\[\w+\] )?0x[0-9a-f]+ (?P<name>\S.{0,300}?)(?: \+ \d+)? in \S+ at (?P<path>[^\s:]+):(?P<line>\d+)(?::\d+)?[ \t]*$",
        re.MULTILINE,
    ),
    re.compile(  # Elixir
        r"^[ \t]+(?:\((?P<app>[\w.]+)(?: [^()\n]*)?\) )?(?P<path>[^\s:()]+\.exs?):(?P<line>\d+): (?P<name>\S.*)$", re.MULTILINE
    ),
    re.compile(rf" at (?P<path>\S+\.(?:pm|pl|t|psgi)) line (?P<line>\d+)\b[^\n]*(?=(?:\n[ \t]+(?P<name>[\w:]+)\(.* called at )?)"),  # Perl
)

_REPORT = re.compile(r"^_{3,} \S.* _{3,}$|^ +● |^ *--- FAIL: |^FAILED \S+::", re.MULTILINE)


def is_report(text: str) -> bool:
    """Whether a text is what a run of tests prints: of the code in it only the lines that it names are meant."""
    return _REPORT.search(text) is not None


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: the parts of its file's path, the line, and the function."""

    path: tuple[str, ...]
    line: int
    standard: bool = False
    """It lies in the language's own library, whose files have common names (`server.go`, `list.java`)."""
    name: tuple[str, ...] = ()
    """Of the function that the line stands in the name, and before it those of what the function stands in, as far as the frame says
    them: `Scope`, `close`. Empty where the function has no name of its own, as a lambda has none."""


def frames(text: str) -> tuple[list[Frame], str]:
    """The frames in a text, innermost first, and the text without their lines.

    >>> frames("panic: no\\n\\tmain.run(0x1)\\n\\t\\t/app/run.go:7 +0x1d\\n\\t\\t/app/main.go:3 +0x2")[0][0]
    Frame(path=('app', 'run.go'), line=7, standard=False, name=('main', 'run'))
    """
    found = {match.start("path"): (match, -1) for pattern in _INNERMOST_LAST for match in pattern.finditer(text)}
    for pattern in _INNERMOST_FIRST:
        for match in pattern.finditer(text):
            found.setdefault(match.start("path"), (match, 1))
    marks = [(found.start(), step) for pattern, step in _CHAINED for found in pattern.finditer(text)]

    failures = [match.start() for match in _FAILURE.finditer(text)]

    def depth(place: int) -> tuple[int, int, int]:
        """What sorts the frame at a place of the text: its failure, the distance of its exception from the root cause, then
        its own."""
        return bisect_right(failures, place), sum(step for mark, step in marks if mark < place), found[place][1] * place

    blocks = [list(block) for _, block in groupby(sorted(found, key=depth), key=lambda place: depth(place)[0])]
    order = [place for nth in zip_longest(*blocks) for place in nth if place is not None]
    rest, end = [], 0
    for match, _ in (found[place] for place in sorted(found)):
        rest.append(text[end : match.start()])
        end = max(end, match.end())
    unlike: dict[tuple[tuple[str, ...], int], Frame] = {}
    for frame in (_frame(found[place][0]) for place in order):
        if not unlike.setdefault((frame.path, frame.line), frame).name:  # one place, named only where it is said again
            unlike[frame.path, frame.line] = frame
    return list(unlike.values()), "".join([*rest, text[end:]])


def line_of(digits: str) -> int:
    """The number of a line, of which no file has more than nine digits."""
    return int(digits[:9])


def _frame(match: re.Match[str]) -> Frame:
    groups = {"owner": "", "called": "", "name": "", "app": "", **match.groupdict("")}
    folders = groups["owner"].split(".")[:-2]
    parts = (*folders, *(part for part in re.split(r"[/\\]", match["path"]) if part not in ("", ".", "..")))
    name = parts_in_java(groups["owner"]) or parts_in_javascript(groups["called"]) or parts_of(groups["name"])
    standard = _STANDARD.match("/".join(parts)) is not None or groups["app"] in _ELIXIR
    return Frame(parts, line_of(match["line"]), standard, name)


_STANDARD = re.compile(
    r"(?:java|javax|jdk|sun|kotlin|scala)/|rustc/|(?:.*/)?go/src/(?![^/]+\.)|(?:.*/)?lib/python[\d.]+/(?!(?:site|dist)-packages/)"
    r"|internal/(?:modules|process|timers)/"
)
_ELIXIR = frozenset("elixir eex ex_unit iex logger mix kernel stdlib".split())
"""The applications that come with Elixir: their paths are `lib/enum.ex`, as those of every project."""
