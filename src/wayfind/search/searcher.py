"""What every query on one snapshot needs again: the words of paths, and which files are tests, examples, copies or prose."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection
from functools import cached_property, lru_cache

import numpy as np

from wayfind.index.segment import FILE_FIELDS
from wayfind.index.snapshot import Snapshot
from wayfind.index.tokens import parts, stem
from wayfind.model.adaptation import Adaptation
from wayfind.model.encoder import current_encoder
from wayfind.search import lexical
from wayfind.search.late import Late
from wayfind.search.latents import Fused, Levels, fused, levels_of
from wayfind.search.learned import Learned
from wayfind.search.meanings import Meanings
from wayfind.search.mentions import Places
from wayfind.search.query import Query
from wayfind.search.vocabulary import Edits, Vocabulary, edited, read_edits

TEST_PATH = re.compile(
    r"(?:^|/)(?:tests?|testing|specs?|e2e|regress(?:ion)?(?:[-_]?tests?)?|testdata|fixtures?|mocks?|(?:unit|integration)[-_]?tests?|src/\w+Test"
    r"|__(?:[a-z\d]+[_-])*(?:(?:type)?tests?(?:utils|data|fixtures|helpers)?|mocks?|fixtures?|specs?|snapshots?)(?:[_-][a-z\d]+)*__)/"
    r"|(?:^|/)(?:test_[^/]*|[^/]*[._-](?:tests?|spec)|conftest|[^/]*[a-z](?:Tests?|Spec|TestCase))\.[^/.]+$",
)
_SHIPPED = re.compile(
    r"(?:^|/)(?:src/(?:main|[a-z]\w*Main)/(?P<built>java|kotlin|scala[\w.+-]*|groovy|resources)/|lib/(?=.*\.(?:ex|rb|dart)$))"
)
"""Roots of what is shipped, by the conventions of Gradle, Maven and sbt, of Mix, of gems and of pub: a folder `test` below one is code for
who tests with it."""
_BUILT_TEST = re.compile(r"[a-z](?:Tests?|TestCase)\.\w+$")
"""Names that mean tests below such a root of Java too: netty's, which other modules run. `ConfigSpec.kt` there is a specification."""
EXAMPLE_PATH = re.compile(
    r"(?:^|/)(?:_?examples?|samples?|demos?|tutorials?|benchmarks?|benches|playground|sandbox|__(?:examples?|demos?|benchmarks?)__)(?:/|$)", re.I
)
LEGACY_PATH = re.compile(
    r"(?:^|/|[-_.])(?:compat|_?compatibility|legacy|deprecated|vendor|vendored|_vendor|third[-_]?party|extern|external|polyfills?|shims?)(?:/|[-_.])",
    re.I,
)
PROSE = frozenset({"markdown", "rst", "text"})
DATA = frozenset({"json", "yaml", "toml", "ini", "xml", "html", "css", "csv", "svg", "make", "cmake", "dockerfile"})
SHORTEST_PREFIX = 3
"""`auth` in a file name answers "authentication": a common beginning of at least this many letters counts as a match."""
PREFIX_VALUE = 0.7
"""What such a match counts beside an exact one."""


_BETWEEN = re.compile(r"[.#:>\s/]+")
"""What stands between the parts of a symbol."""
_BEFORE = re.compile(rf".*{_BETWEEN.pattern}", re.S)
_UNLEARNED = frozenset("scales late latent levels names is_test is_example is_legacy is_prose is_data main_language places path_words _graph".split())
"""What does not depend on an adaptation."""


class Searcher:
    """A snapshot with what its queries share, computed when first asked for."""

    def __init__(self, snapshot: Snapshot, model: bool = True, adaptation: Adaptation | None = None):
        """Without `model`, by words alone; with what was learned of the repository, where that is given."""
        self.snapshot, self._model, self._adaptation = snapshot, model, adaptation
        self._words: tuple[Edits, Vocabulary] | None = None

    def with_adaptation(self, adaptation: Adaptation | None) -> Searcher:
        """The same snapshot with what was learned, or without; what both need is computed once."""
        if adaptation is self._adaptation:
            return self
        other = Searcher(self.snapshot, self._model, adaptation)
        other.__dict__ |= {name: self.__dict__[name] for name in _UNLEARNED & self.__dict__.keys()}
        if self.__dict__.get("meanings"):
            other.__dict__["meanings"] = self.meanings.moved_by(other.learned and other.learned.code)
        return other

    @cached_property
    def scales(self) -> lexical.Scales:
        return lexical.scales(self.snapshot)

    @cached_property
    def meanings(self) -> Meanings | None:
        """The chunks' vectors, where there is a model."""
        encoder = current_encoder(self.snapshot.folder) if self._model else None
        return Meanings(self.snapshot, encoder, self.learned and self.learned.code) if encoder else None

    def elsewhere(self, query: Query) -> float | None:
        """How near a query lies to code of other repositories; None where no model takes part, or it brings none."""
        return None if query.kind == "identifier" or self.meanings is None else self.meanings.elsewhere(query.text)

    @cached_property
    def learned(self) -> Learned | None:
        """What was learned of the repository, where it is there and fits the model in use."""
        encoder = current_encoder(self.snapshot.folder) if self._model and self._adaptation else None
        fits = self._adaptation and self._adaptation.model == (encoder.id if encoder else "")
        return Learned(self._adaptation, self.snapshot) if fits else None

    def strength(self, text: str) -> float:
        """How far what was learned holds for a query, 0 to 1."""
        return self.learned.strength(self.meanings.query(text)) if self.learned and self.meanings else 1.0

    def suited(self, text: str) -> Searcher:
        """The search that a query is for: of one that says the name of a definition, as written or in words, without what was learned,
        which answers questions."""
        return self._plain if self.learned and bare(text) in self.names else self

    @cached_property
    def _plain(self) -> Searcher:
        return self.with_adaptation(None)

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of all definitions, bare."""
        return frozenset(bare(_BEFORE.sub("", symbol)) for symbol in self.snapshot.symbols if symbol) - {""}

    @property
    def adaptation(self) -> str:
        """Id of what was learned and is in use, empty where nothing is."""
        return self.learned.id if self.learned else ""

    @cached_property
    def late(self) -> Late | None:
        """The chunks' token vectors, where the model makes them."""
        encoder = current_encoder(self.snapshot.folder) if self._model else None
        return Late(self.snapshot, encoder) if encoder and encoder.late_dim else None

    @cached_property
    def latent(self) -> Fused | None:
        """The latent model that was learned here, where it passed its gate beside the model in use."""
        encoder = current_encoder(self.snapshot.folder) if self._model else None
        return fused(self.snapshot, encoder.id if encoder else "") if self._model else None

    @cached_property
    def levels(self) -> Levels:
        """The levels of the latent model that was learned here. Raises UsageError where none was."""
        return levels_of(self.snapshot)

    @property
    def vocabulary(self) -> Vocabulary:
        """What words mean here: as learned, without what the user forgot, with what was pinned. Read anew when that changes."""
        edits = read_edits(self.snapshot.folder)
        if self._words is None or self._words[0] is not edits:
            self._words = edits, edited(self.learned.vocabulary if self.learned else {}, edits)
        return self._words[1]

    @cached_property
    def is_test(self) -> np.ndarray:
        libraries = libraries_for_tests(self.snapshot.paths)
        return np.fromiter((is_test_path(path, libraries) for path in self.snapshot.paths), bool, self.snapshot.files)

    @cached_property
    def is_example(self) -> np.ndarray:
        return self._paths_matching(EXAMPLE_PATH)

    @cached_property
    def is_legacy(self) -> np.ndarray:
        return self._paths_matching(LEGACY_PATH)

    @cached_property
    def is_prose(self) -> np.ndarray:
        return np.array([language in PROSE for language in self.snapshot.languages], bool)

    @cached_property
    def is_data(self) -> np.ndarray:
        return np.array([language in DATA for language in self.snapshot.languages], bool)

    @cached_property
    def main_language(self) -> str:
        """The language of most files of code, "" where none has half of them."""
        code = Counter(language for language in self.snapshot.languages if language not in PROSE | DATA)
        (name, files), *_ = code.most_common(1) or [("", 0)]
        return name if files and 2 * files >= code.total() else ""

    def _paths_matching(self, pattern: re.Pattern[str]) -> np.ndarray:
        return np.fromiter(
            (pattern.search(path) is not None for path in self.snapshot.paths), bool, self.snapshot.files
        )

    @cached_property
    def places(self) -> Places:
        return Places(self.snapshot)

    @cached_property
    def path_words(self) -> dict[str, PathWords]:
        return {field: PathWords(self.snapshot, field) for field in FILE_FIELDS}


class PathWords:
    """The words of one part of the paths, and the files that have them."""

    def __init__(self, snapshot: Snapshot, field: str):
        self._files = snapshot.file_words(field)
        self.words = sorted(self._files)
        self.count = np.zeros(snapshot.files)
        for files in self._files.values():
            self.count[files] += 1

    def match(self, word: str) -> list[tuple[str, np.ndarray, float]]:
        """The path words that a query's stem meets: (word, files, value), exact matches 1, common beginnings less."""
        found = [(word, self._files[word], 1.0)] if word in self._files else []
        for length in range(SHORTEST_PREFIX, len(word)):
            if word[:length] in self._files:
                found.append((word[:length], self._files[word[:length]], PREFIX_VALUE))
        if len(word) >= SHORTEST_PREFIX:
            at = bisect_left(self.words, word)
            while at < len(self.words) and self.words[at].startswith(word):
                if self.words[at] != word:
                    found.append((self.words[at], self._files[self.words[at]], PREFIX_VALUE))
                at += 1
        return found

    def scores(self, words: list[tuple[str, float]], files: int) -> tuple[np.ndarray, np.ndarray]:
        """For weighted words: the share of their weight that each file's path words meet, and the share of the file's
        path words that are met. Both [files], 0 to 1."""
        recall, total = np.zeros(files), 0.0
        met: dict[str, float] = {}
        for word, weight in words:
            total += weight
            best = np.zeros(files)
            for path_word, holders, value in self.match(word):
                best[holders] = np.maximum(best[holders], value)
                met[path_word] = max(met.get(path_word, 0.0), value)
            recall += weight * best
        precision = np.zeros(files)
        for path_word, value in met.items():
            precision[self._files[path_word]] += value
        return recall / (total or 1.0), np.minimum(precision / np.maximum(self.count, 1), 1.0)


def libraries_for_tests(paths: Collection[str]) -> frozenset[str]:
    """The folders called like those of tests that hold what others test with: of Go packages `mock` with tests of their own, of Python
    those that `_python_libraries` says."""
    tested = {path.rpartition("/")[0] for path in paths if path.endswith("_test.go")}
    return frozenset(_python_libraries(paths) | {one for one in tested if one.rpartition("/")[2] == "mock"})


_PYTHON_TEST = re.compile(r"(?:^|/)(?:test_[^/]*|[^/]*_tests?|tests?)\.py$")


def _python_libraries(paths: Collection[str]) -> set[str]:
    """Packages `testing` inside a package, as `numpy/testing`, that are not tests themselves; and packages `test`, as `django/test`, that
    hold no test at all, where most tests lie outside the package around them."""
    packages = {path.rpartition("/")[0] for path in paths if path.endswith("/__init__.py")}
    inner = {one for one in packages if one.endswith(("/test", "/testing")) and one.rpartition("/")[0] in packages}
    tests = [path for path in paths if _PYTHON_TEST.search(path)] if inner else []

    def below(folder: str) -> int:
        return sum(path.startswith(f"{folder}/") for path in tests)

    beside = {path.rpartition("/")[0] for path in tests}
    aside = {one for one in inner if not below(one) and 2 * below(one.rpartition("/")[0]) < len(tests)}
    return {one for one in inner - beside if one.endswith("/testing")} | aside


def is_test_path(path: str, libraries: Collection[str] = ()) -> bool:
    """Whether a path is that of a test: by its name and the folders around it, except for the `libraries_for_tests`, and for folders below
    the root of what is shipped."""
    for library in libraries:
        if path.startswith(f"{library}/"):
            path = library.rpartition("/")[0] + path[len(library) :]
    root = _SHIPPED.search(path)
    if root is None:
        return TEST_PATH.search(path) is not None
    return TEST_PATH.search(path[: root.end()]) is not None or bool(root["built"] and _BUILT_TEST.search(path))


@lru_cache(maxsize=200_000)
def symbol_words(symbol: str) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """The last part of a symbol as (stem, word) pairs, and the stems of the parts before, once each: `Session.getAll` ->
    ((get, get), (all, all)), (session,)."""
    *before, last = _BETWEEN.split(symbol) if symbol else [""]
    return tuple((stem(p), p) for p in parts(last)), tuple(dict.fromkeys(stem(p) for name in before for p in parts(name)))


def bare(name: str) -> str:
    """A name or words, as letters and digits alone, in lower case.

    >>> bare("readFile") == bare("read_file") == bare("read file")
    True
    """
    return "".join(filter(str.isalnum, name.lower()))
