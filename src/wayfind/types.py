"""The records that pass between stages, and how a stage tells how far it is. All are frozen; none knows how it was made.

folder ── corpus ──> FileRecord(Chunk(Target)) ── index ──> segments ── search ──> Answer(Result)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Provenance = Literal["manual", "docstring", "comment", "header", "synthetic", "code", "generated"]
"""Where an explanation comes from. Order of the ladder: manual > docstring > comment or header > synthetic > code."""

PROVENANCES: tuple[str, ...] = ("manual", "docstring", "comment", "header", "synthetic", "code", "generated")

Kind = Literal[
    "function", "method", "class", "interface", "enum", "type", "module", "constant", "test", "block", "section", "entry", "window"
]
"""What a chunk is.

function..test are definitions (test: a test function or test case block); `class` is the head of a class (signature,
docstring, attributes; its methods are chunks of their own); `module` the head of a file (module docstring, imports);
`block` top-level statements between definitions; `section` a part of a document under one heading; `entry` a top-level
key of a configuration file; `window` 512 tokens of a text without structure.
"""

KINDS: tuple[str, ...] = (
    "function", "method", "class", "interface", "enum", "type", "module", "constant", "test", "block", "section", "entry", "window",
)


Progress = Callable[[str, int, int], None]
"""Called as progress(stage, done, total), total 0 where it is not known."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a chunk does, in words, and from where the words come."""

    text: str
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Chunk:
    """One definition, document section or window of a file. Lines are 1-based and inclusive.

    It carries no path: chunks are stored by the content of their file and shared by every place where that content lies.
    `calls` and `imports` are names as written, without duplicates, in order of appearance.
    """

    start_line: int
    end_line: int
    kind: Kind
    symbol: str | None = None
    """`function`, `Class.method`, a heading path (`Install > From source`) or a key (`tool.ruff`); None for blocks and windows."""
    signature: str = ""
    docstring: str = ""
    """The definition's own documentation (Python docstring, JSDoc, `///`, `/** */`, comment directly above), markers removed."""
    comments: str = ""
    """Comments inside, markers removed, one a line."""
    calls: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    target: Target = Target("", "code")


REFERENCES: tuple[str, ...] = ("call", "import", "base", "type", "result")


@dataclass(frozen=True, slots=True)
class Reference:
    """A name that a line of a file refers to, as written; what it means is found with the other files (`index.resolution`).

    call: `owner.name(…)`. import: `name` stands for `owner`, which is `module` or `module:name`; `*` for all that the module
    holds. base: a class here derives from `owner.name`. type: the variable `name` is of the type `owner` (`new T` where it
    is made so, `=x` where it is what the variable x is), or of what the call `owner` ending in `()` returns. result: the function here returns an `owner.name`.
    """

    line: int
    kind: Literal["call", "import", "base", "type", "result"]
    name: str
    owner: str


@dataclass(frozen=True, slots=True)
class FileRecord:
    """What extraction made of one file's bytes. Depends on the bytes and the language alone, never on the path."""

    language: str
    text: str
    """Decoded, line ends `\\n`, secrets masked. Chunk lines index into `text.split("\\n")`."""
    chunks: tuple[Chunk, ...]
    problems: tuple[str, ...] = ()
    """What could not be done as wished, one word each: `syntax-errors`, `too-deep`, `long-lines`, `encoding`, `capped` …"""
    secrets: int = 0
    """Number of secrets masked in `text`."""
    references: tuple[Reference, ...] = field(default=(), compare=False)
    """What its definitions refer to. Kept with the postings: a record read back from the store has none."""

    def lines(self, start: int, end: int) -> str:
        """The text of lines start..end, 1-based and inclusive."""
        return "\n".join(self.text.split("\n")[start - 1 : end])


@dataclass(frozen=True, slots=True)
class FileStat:
    """A file that the walk admitted: path relative to the root with `/`, size in bytes, time of the last change in nanoseconds."""

    path: str
    size: int
    mtime_ns: int
    """The later of the times of modification and of change: tools set the first back (`cp -p`, `rsync -t`, `touch -r`), nobody
    the second, which changes of mode and name advance too."""


@dataclass(frozen=True, slots=True)
class Skip:
    """A file or folder that is not indexed, and why: `ignored`, `worktree`, `binary`, `too-large`, `minified`, `generated`, `lock`,
    `vendored`, `link-outside`, `unreadable`, `not-a-file`, `empty` …"""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Touch:
    """One commit that changed one definition of the present tree."""

    path: str
    symbol: str
    commit: str
    time: int
    """Committer time, seconds since 1970."""
    subject: str


@dataclass(frozen=True, slots=True)
class Why:
    """A line of a result and the query's words that it matches."""

    line: int
    text: str
    matched: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """A word of the question, the words of a result that it met, and the share of the score that goes when it meets nothing there."""

    word: str
    met: tuple[str, ...]
    """Words of the result's text, name and path, the most frequent first, at most 5; empty where only meaning speaks for it."""
    share: float
    """Above 0."""


@dataclass(frozen=True, slots=True)
class Relation:
    """How a result is connected with another definition: with the one that was asked for, or with an earlier result."""

    kind: str
    """What the result does: `calls`, `called by`, `imports`, `imported by`, `inherits`, `inherited by`, `tests`, `tested by`,
    `contains`, `in`, `sibling`, `similar`."""
    path: str
    start_line: int
    symbol: str | None
    line: int
    """The line that refers, in the file of the caller; 0 where there is none."""
    strength: float
    """1 where syntax settles it; less where it rests on a declared type, a variable's name or a shared name; of `similar` the
    nearness."""


@dataclass(frozen=True, slots=True)
class Result:
    """One answer. `score` is comparable between results of one query; `signals` are its addends."""

    path: str
    start_line: int
    end_line: int
    symbol: str | None
    kind: str
    language: str
    score: float
    snippet: str
    explanation: Target
    why: tuple[Why, ...]
    signals: dict[str, float]
    also: tuple[str, ...] = ()
    """`path:line` of near-identical copies that were folded into this result."""
    reasons: tuple[Reason, ...] = ()
    """The question's words by what they bring to the score, the most first; only where they were asked for."""
    relations: tuple[Relation, ...] = ()
    """How it is connected, the strongest first; only of `related` and of a search by the graph."""


@dataclass(frozen=True, slots=True)
class IndexState:
    """How fresh and how complete the index is that gave an answer."""

    root: str
    generation: int
    files: int
    chunks: int
    coverage: float
    """Share of chunks with an explanation other than raw code, 0 to 1."""
    stale_files: int
    """Files known to have changed since this generation (0 right after a refresh)."""
    skipped: dict[str, int]
    """Reason -> number of files not indexed."""
    model: str
    """Name of the model that took part, `lexical` when none did."""
    encoded: float = 0.0
    """Share of the chunks whose vectors are stored, 0 to 1; of the others, the best candidates are encoded when asked for."""
    adaptation: str = ""
    """Id of what `wayfind learn` learned of the repository and is in use; empty where nothing is."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search returns: results best first, and how far to trust them."""

    query: str
    index: IndexState
    confidence: float
    """0 to 1: probability that the results answer the query."""
    abstained: bool
    """True when nothing in the index seems to answer the query; results may still hold the nearest."""
    reason: str
    """A sentence for the user: why nothing, why abstained, or that a literal search settles it; empty otherwise."""
    results: tuple[Result, ...] = field(default=())
