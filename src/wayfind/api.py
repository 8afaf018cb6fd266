"""Wayfind in Python: `wayfind.open(path).search("…")`. Typed and silent; nothing is printed, errors are WayfindError."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from wayfind.errors import IndexBusy, ModelError, NotFound, StorageError
from wayfind.index.refresh import Options, Refreshed, refresh, stale
from wayfind.index.snapshot import Snapshot, open_snapshot
from wayfind.index.tree import Tree, open_tree
from wayfind.model import adaptation as adaptations
from wayfind.model.bundle import current
from wayfind.model.encoder import late_dim
from wayfind.search import engine, latents
from wayfind.search.engine import Ask
from wayfind.search.explain import Mode
from wayfind.search.query import Filters
from wayfind.search.searcher import Searcher
from wayfind.types import Answer, IndexState, Progress, Result, Touch

if TYPE_CHECKING:
    from wayfind.index.vectors import Filled


@dataclass(frozen=True, slots=True)
class IndexedChunk:
    """A chunk as it lies in an index."""

    snapshot: Snapshot
    number: int
    path: str
    start_line: int
    end_line: int
    kind: str
    symbol: str | None
    language: str
    provenance: str
    is_test: bool

    def text(self) -> str:
        return self.snapshot.chunk(self.number)[1]

    def docstring(self) -> str:
        return self.snapshot.chunk(self.number)[0].docstring


class Repository:
    """A working tree and its index. Every search first brings the index up to date, unless told otherwise."""

    def __init__(self, tree: Tree, options: Options, adapted: bool = True):
        """Without `adapted`, what was learned of the repository is left aside."""
        self._tree, self._options, self._adapted = tree, options, adapted
        self._searcher: Searcher | None = None
        self._adopted: adaptations.Adaptation | None = None
        self._used: tuple[object, ...] = ()
        self.stale_files = 0

    @property
    def root(self) -> Path:
        return self._tree.root

    def close(self) -> None:
        self._tree.close()

    def __enter__(self) -> Repository:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def refresh(self, progress: Progress | None = None, options: Options | None = None) -> Refreshed:
        """Bring the index up to date. Raises IndexBusy, StorageError, UsageError."""
        done = refresh(self._tree, options or self._options, progress)
        self.stale_files = 0
        return done

    def encode(self, progress: Progress | None = None, seconds: float = float("inf")) -> Filled | None:
        """Make the vectors that the index lacks, for so long at most; searches need not wait for it. None without a model.
        Raises IndexBusy, StorageError."""
        from wayfind.index.vectors import fill
        from wayfind.model.encoder import current_encoder

        encoder = current_encoder(self._tree.folder)
        if encoder and not self._tree.catalogue.generation():
            self.refresh(progress)
        return fill(self._tree, encoder, progress, seconds) if encoder else None

    def snapshot(self) -> Snapshot:
        """The present generation, opened once."""
        return self.searcher().snapshot

    def searcher(self) -> Searcher:
        """The searcher of the present generation, of the models in use and of the adaptation; a newer one takes its place when there is one."""
        generation, learned = self._tree.catalogue.stamp(), adaptations.current(self.learned_folder) if self._adapted else ""
        used = (learned, latents.stamp(self._tree.folder), *_model(self._tree.folder))
        if self._searcher is None or self._searcher.snapshot.manifest.stamp != generation:
            self._searcher, self._used = Searcher(open_snapshot(self._tree), adaptation=self._adaptation(learned)), used
        elif used != self._used:
            self._searcher, self._used = Searcher(self._searcher.snapshot, adaptation=self._adaptation(learned)), used
        return self._searcher

    def adopt(self, adaptation: adaptations.Adaptation | None) -> None:
        """Search with this adaptation from now on, whatever lies beside the index; None: as the index says."""
        self._adopted, self._searcher = adaptation, None

    def adaptation(self) -> adaptations.Adaptation | None:
        """What was learned of the repository and is in use, if anything is."""
        return self._adopted or self._adaptation(adaptations.current(self.learned_folder) if self._adapted else "")

    @property
    def tree(self) -> Tree:
        """The working tree and where its index lies."""
        return self._tree

    @property
    def learned_folder(self) -> Path:
        """Where what was learned of this repository lies."""
        return self._tree.folder / adaptations.FOLDER

    def _adaptation(self, identity: str) -> adaptations.Adaptation | None:
        """The adaptation of an id. One that is damaged or gone stops no search; `status` says so."""
        try:
            return self._adopted or (adaptations.load(self.learned_folder, identity) if identity else None)
        except (ModelError, NotFound):
            return None

    def ready(self, refresh: bool = True, progress: Progress | None = None) -> Searcher:
        """The searcher after a refresh. Where another process writes the index, or the disk refuses, an index that is
        there is read as it is, and `stale_files` says how much of it has changed since."""
        if refresh or not self._tree.catalogue.generation():
            present = self._tree.catalogue.generation()
            try:
                self.refresh(progress, replace(self._options, wait=0.0) if present else self._options)
            except (IndexBusy, StorageError):
                if not present:
                    raise
                self.count_stale()
        return self.searcher()

    def count_stale(self) -> int:
        """Look which files differ from the index now, without changing it; the number stands in later answers."""
        self.stale_files = stale(self._tree, self._tree.catalogue.manifest())
        return self.stale_files

    def search(
        self,
        query: str,
        k: int = 10,
        *,
        lang: str | Sequence[str] = (),
        path: str | Sequence[str] = (),
        kind: str | Sequence[str] = (),
        regex: str = "",
        explain: Mode = "auto",
        max_tokens: int | None = None,
        reasons: bool = False,
        graph: bool = False,
        refresh: bool = True,
    ) -> Answer:
        """Answer a query: words, a name, a question, a stack trace or a snippet; the syntax of `search.query` is understood.

        `lang`, `path` and `kind` are one value or several, of which one suffices. Without `refresh` the tree is not looked
        at; call `refresh` or `count_stale` now and then. With `reasons` each result says which words of the query bring how
        much of its score, which takes an encoding a word. With `graph` the results are the definitions that calls connect, in
        the order of the flow, each with its `relations`.

        Raises UsageError for an empty query or an impossible filter; other errors of the tree in `errors`.
        """
        filters = Filters(_several(lang), _several(path), _several(kind), regex=regex)
        return engine.search(self.ready(refresh), Ask(query, k, filters, explain, max_tokens, reasons=reasons, graph=graph), self.stale_files)

    def explain(self, path: str, line: int = 1, mode: Mode = "auto", refresh: bool = True) -> Result:
        """The definition or section that holds a line (1-based), explained. Raises NotFound."""
        return engine.result_at(self.ready(refresh), path, line, mode)

    def related(
        self, path: str, line: int = 1, k: int = 10, mode: Mode = "auto", refresh: bool = True, groups: str | Sequence[str] = ()
    ) -> Answer:
        """What has to do with the definition that holds a line: `groups` of `callers`, `callees`, `tests`, `siblings`, `similar`;
        all without one. Each result says how in its `relations`. Raises NotFound, UsageError."""
        from wayfind.search.relations import related

        return related(self.ready(refresh), path, line, k, mode, self.stale_files, _several(groups))

    def state(self, refresh: bool = False) -> IndexState:
        """Freshness and completeness of the index."""
        searcher = self.ready(refresh)
        return engine.state(searcher.snapshot, self.stale_files, searcher.adaptation)

    def bm25(self, query: str, k: int = 10) -> list[Result]:
        """The baseline: plain BM25 over the chunks' whole text, no fields, no ranker."""
        searcher = self.searcher()
        return [engine.place(searcher.snapshot, chunk, score) for chunk, score in engine.bm25(searcher, query, k)]

    def chunks(self) -> Iterator[IndexedChunk]:
        """Every chunk of the present generation, in the order of path and line."""
        searcher = self.searcher()
        snapshot = searcher.snapshot
        for number in range(snapshot.chunks):
            file = int(snapshot.file[number])
            yield IndexedChunk(
                snapshot,
                number,
                snapshot.paths[file],
                int(snapshot.start[number]),
                int(snapshot.end[number]),
                snapshot.kind_of(number),
                snapshot.symbols[number] or None,
                snapshot.languages[file],
                snapshot.provenance_of(number),
                bool(searcher.is_test[file]),
            )

    def touches(self) -> list[Touch]:
        """Commits that touched each definition, newest first."""
        return self._tree.catalogue.touches()


def open_repository(
    path: str | os.PathLike[str] = ".",
    home: str | os.PathLike[str] | None = None,
    *,
    manual: str | os.PathLike[str] | None = None,
    workers: int = 1,
    commits: int | None = None,
    adapted: bool = True,
) -> Repository:
    """Open a repository for searching; its index is made at the first search, in `home` (default: $WAYFIND_HOME or the
    user's cache folder). Without `adapted`, what `wayfind learn` learned is left aside. `workers` above 1 extracts in processes: then call this below `if __name__ == "__main__":`.

    Raises NotFound where there is no such folder, StorageError where the index cannot be kept.
    """
    options = Options(manual=Path(manual) if manual else None, workers=workers, commits=commits)
    return Repository(open_tree(path, home), options, adapted)


def _model(tree: Path) -> tuple[str, int]:
    """Id of the model in use for a tree and the size of its token vectors; nothing of one that cannot be used, as its search says."""
    try:
        bundle = current(tree)
    except ModelError:
        return "", 0
    return (bundle.id, late_dim(bundle)) if bundle else ("", 0)


def _several(values: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(filter(None, (values,) if isinstance(values, str) else values))
