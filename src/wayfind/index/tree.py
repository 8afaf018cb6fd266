"""A working tree and its index: where it lies, which version made it, what of its folder is not needed any more."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from wayfind.config import default_home
from wayfind.corpus import identity
from wayfind.errors import IndexDamaged, IndexVersion, NotFound, UsageError
from wayfind.index.catalogue import Catalogue, Manifest
from wayfind.index.home import CATALOGUE, CONTENT, mark_cache
from wayfind.index.store import CORPUS_VERSION, REVISIONS, ContentStore
from wayfind.index.tokens import TOKENS_VERSION


def versions() -> str:
    """What makes an index: the versions of extraction and terms, and the revisions of single languages."""
    return " ".join([CORPUS_VERSION, TOKENS_VERSION, *(f"{language}.{revision}" for language, revision in sorted(REVISIONS.items()))])


VERSIONS = versions()
"""What made the index. One made by another is read again from the files."""
SWEEP_WAIT = 5.0
"""Seconds that `sweep` waits for a writer of the tree."""


@dataclass(slots=True)
class Tree:
    """A working tree and the places where its index lies."""

    root: Path
    folder: Path
    store: ContentStore
    catalogue: Catalogue

    def close(self) -> None:
        self.store.close()
        self.catalogue.close()


def open_tree(root: str | os.PathLike[str], home: str | os.PathLike[str] | None = None) -> Tree:
    """The tree below `root`; its index need not exist yet. Raises NotFound where there is no such folder."""
    path, base, folder = locate(root, home)
    store = ContentStore(base / CONTENT)
    mark_cache(base)
    try:
        return Tree(path, folder, store, Catalogue(folder / CATALOGUE))
    except BaseException:
        store.close()
        raise


def locate(root: str | os.PathLike[str], home: str | os.PathLike[str] | None = None) -> tuple[Path, Path, Path]:
    """The real path of a tree, the home folder of its index, and the folder of the index in it. Nothing is made.

    Raises NotFound where there is no such tree.
    """
    path = Path(root).expanduser()
    if not path.exists():
        raise NotFound(f"no such folder: {path}")
    if not path.is_dir():
        raise UsageError(f"{path} is a file; give the folder of a repository")
    path = path.resolve()
    base = Path(home) if home else default_home()
    return path, base, base / "trees" / identity.tree_id(path)


def maker(store: ContentStore) -> str:
    """What a generation that is made now notes of its origin: this version, and the content store beside it."""
    return f"{VERSIONS} {store.id}"


def made_here(tree: Tree, manifest: Manifest) -> bool:
    """Whether the generation was made by this version, beside the content store that is there."""
    return manifest.generation > 0 and manifest.meta.get("made", "") == maker(tree.store)


def version_of(manifest: Manifest) -> str:
    """The version that made the generation, as in VERSIONS; empty where that is not known."""
    return manifest.meta.get("made", "").rpartition(" ")[0]


def require(manifest: Manifest) -> Manifest:
    """The manifest, if it holds a generation of this version. Raises IndexDamaged or IndexVersion otherwise."""
    if not manifest.generation:
        raise IndexDamaged("there is no index yet; run `wayfind index`")
    if (made := version_of(manifest)) != VERSIONS:
        raise IndexVersion(
            f"the index was made by another version of wayfind ({made or 'unknown'}, this one makes {VERSIONS}); run `wayfind index`"
        )
    return manifest


def sweep(folder: Path, catalogue: Catalogue) -> None:
    """Delete segment files that no generation names any more. Raises IndexBusy."""
    with catalogue.writing(SWEEP_WAIT):
        delete_unnamed(folder, catalogue.manifest())


def delete_unnamed(folder: Path, manifest: Manifest) -> None:
    """Delete segment files that the present generation does not name: what the merge that made it replaced, and what
    killed writers left. What is replaced now stays until the next write, for readers between manifest and files. Only
    for the holder of the right to write."""
    for path in folder.iterdir():
        if path.suffix in (".seg", ".tmp") and path.name not in manifest.segments:
            with contextlib.suppress(OSError):
                path.unlink()
