"""Keeping house in a home folder: what no index needs goes (`gc`, `tidy`), and a whole index with what only it needs (`forget`).

Whatever `gc` deletes of a folder that is there can be made again from its files: an index is a cache. What its user said, and
what was learned, stays beside it; only `forget` takes that along.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from wayfind.corpus import identity
from wayfind.errors import IndexBusy, IndexDamaged, IndexError_, IndexVersion, NotFound, StorageError
from wayfind.index.catalogue import Catalogue
from wayfind.index.database import check_header, remove_database
from wayfind.index.explanations import ExplanationStore
from wayfind.index.home import CATALOGUE, CONTENT, EXPLANATIONS, VECTORS, TreeSize, bytes_below, bytes_of, trees
from wayfind.index.lock import WAIT, held
from wayfind.index.store import ContentStore
from wayfind.index.tree import locate, sweep
from wayfind.index.vectors import VectorStore

KEPT_SECONDS = 86_400
"""Content stays so long after a tree let it go: who changes back to a branch within a day finds it extracted."""
TIDY_EVERY = 7 * 86_400
"""Seconds between two rounds of `tidy`."""
GONE_SECONDS = 30 * 86_400
_TIDIED = "tidied"
"""Its time of modification is when `tidy` last looked."""
_SAID = ("vocabulary.json", "feedback.jsonl")
"""Files in a tree's folder that hold what its user said (`search.vocabulary`, `search.feedback`)."""
_LEARNED = "learned"
"""Folder there of what was learned (`model.adaptation`), which may come from another machine."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What `gc` removed."""

    gone: tuple[str, ...] = ()
    """Roots that no longer exist, whose indexes went."""
    evicted: tuple[str, ...] = ()
    """Roots whose indexes went for the size limit, longest unused first."""
    contents: int = 0
    """Number of contents that no tree refers to."""
    freed: int = 0
    """Bytes given back."""
    left: int = 0
    """Bytes that the home folder holds now."""
    unread: tuple[str, ...] = ()
    """Catalogues that cannot be read. While there are any, no content is deleted: they may refer to it."""

    def __str__(self) -> str:
        lines = [f"freed {self.freed:,} bytes, {self.left:,} left; {self.contents:,} contents that no index needs"]
        lines += [f"  {root} is gone; its index is deleted" for root in self.gone]
        lines += [f"  {root}: its index was used longest ago and is deleted for the limit" for root in self.evicted]
        lines += [f"  {name} cannot be read; run `wayfind doctor --repair`" for name in self.unread]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What `forget` removed."""

    root: str
    contents: int
    """Number of contents that no other tree uses."""
    freed: int
    """Bytes given back."""


def tidy(home: Path, now: float | None = None) -> Collected | None:
    """`gc` without being asked: once in `TIDY_EVERY` seconds, without a limit, and not where another process is at work.

    A folder that is gone keeps its index for `GONE_SECONDS` after its last use: a disk may come back. None where nothing was
    done. The first call only begins the count. Raises StorageError, IndexDamaged.
    """
    moment, stamp = time.time() if now is None else now, home / _TIDIED
    try:
        last = stamp.stat().st_mtime
    except OSError:
        last = None
    if last is not None and 0 <= moment - last < TIDY_EVERY or not home.is_dir():
        return None
    try:
        stamp.touch(mode=0o600)
        os.utime(stamp, (moment, moment))
    except OSError as error:
        raise StorageError(f"cannot write {stamp}: {error.strerror}") from error
    try:
        return None if last is None else gc(home, now=moment, wait=0.0, gone_seconds=GONE_SECONDS)
    except IndexBusy:
        return None


def gc(home: Path, limit_bytes: int | None = None, now: float | None = None, wait: float = WAIT, gone_seconds: float = 0.0) -> Collected:
    """Remove what no index needs: indexes of folders that are gone, segments that no generation names, content that no
    tree has referred to for a day. With a limit, then also the other content without a tree, and the trees used longest
    ago, until the home folder is below it.

    now: seconds since 1970; wait: seconds to wait for running refreshes; gone_seconds: an index stays so long after its last
    use though its folder is gone. Raises IndexBusy, StorageError, IndexDamaged (content store).
    """
    if not home.is_dir():
        return Collected()
    moment = time.time() if now is None else now
    before = bytes_below(home)
    with held(home, alone=True, wait=wait), contextlib.closing(ContentStore(home / CONTENT)) as store:
        indexed = list(trees(home))
        gone = [tree for tree in indexed if _is_gone(tree, moment) and moment - tree.used >= gone_seconds]
        for tree in gone:
            _remove(tree.folder)
        keep = sorted((tree for tree in indexed if tree not in gone), key=lambda tree: (tree.used, tree.root))
        keys, unread = _live_keys(keep)
        contents = _drop_unused(store, keys, moment - KEPT_SECONDS) if not unread else 0
        _drop_vectors(home, store)
        evicted = []
        if limit_bytes is not None and _size(home, store) > limit_bytes:
            contents += _drop_unused(store, keys, None) if not unread else 0
            _drop_vectors(home, store)
            while keep and _size(home, store) > limit_bytes:
                evicted.append(keep.pop(0))
                _evict(evicted[-1].folder)
                keys.pop(evicted[-1].folder, None)
                contents += _drop_unused(store, keys, None) if not unread else 0
                _drop_vectors(home, store)
        _thin_explanations(home)
        _vacuum(store, thorough=limit_bytes is not None)
    left = bytes_below(home)
    return Collected(
        tuple(tree.root for tree in gone if tree.root),
        tuple(tree.root for tree in evicted),
        contents,
        max(before - left, 0),
        left,
        tuple(unread),
    )


def forget(root: str | os.PathLike[str], home: Path) -> Forgotten:
    """Remove a tree's index and all content that no other tree uses, also what earlier versions of files left behind.

    The folder itself may be gone. Raises NotFound where it was never indexed, IndexBusy, StorageError.
    """
    tree = _tree_of(root, home)
    before = bytes_below(home)
    with held(home, alone=True, wait=WAIT), contextlib.closing(ContentStore(home / CONTENT)) as store:
        own, _ = _live_keys([tree])
        others, unread = _live_keys([other for other in trees(home) if other.folder != tree.folder])
        _remove(tree.folder)
        if unread:  # they may refer to content that seems unused; what this tree used goes all the same
            mine = set().union(*own.values()) - set().union(*others.values())
            store.delete(sorted(mine))
            contents = len(mine)
        else:
            contents = _drop_unused(store, others, None)
        _drop_vectors(home, store)
        remove_database(home / EXPLANATIONS)  # no sentence says of which tree it is; those of others are written again
        _vacuum(store, thorough=True)
    return Forgotten(tree.root or os.fspath(root), contents, max(before - bytes_below(home), 0))


def drop_unreadable(root: str | os.PathLike[str], home: Path) -> bool:
    """Delete a tree's index where it is damaged or another version's; the next refresh makes it again, and what was said and learned
    stays. Returns whether it was deleted. Raises NotFound where there is no such folder, IndexBusy, StorageError."""
    path = locate(root, home)[2] / CATALOGUE
    if not path.exists() or _is_sound(path):
        return False
    with held(home, alone=True, wait=WAIT):
        if spoilt := not _is_sound(path):
            drop_index(path.parent)
    return spoilt


def drop_index(folder: Path) -> None:
    """Delete the catalogue and the segments in a tree's folder, and nothing else there. Only for the holder of the home's lock."""
    remove_database(folder / CATALOGUE)
    for segment in folder.glob("*.seg"):
        segment.unlink(missing_ok=True)


def _is_sound(catalogue: Path) -> bool:
    try:
        check_header(catalogue)
        with contextlib.closing(Catalogue(catalogue)) as opened:
            return not opened.check()
    except (IndexDamaged, IndexVersion):
        return False


def _is_gone(tree: TreeSize, now: float) -> bool:
    """Whether the tree's folder is no longer there; or the index was begun by a process that is long gone."""
    if not tree.root:
        return now - tree.used > KEPT_SECONDS
    try:
        os.stat(tree.root)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _tree_of(root: str | os.PathLike[str], home: Path) -> TreeSize:
    named = {identity.tree_id(Path(root).expanduser()), identity.tree_id(os.path.abspath(root))}
    for tree in trees(home):
        if tree.folder.name in named or tree.root == os.path.abspath(Path(root).expanduser()):
            return tree
    raise NotFound(f"{os.path.abspath(root)} is not indexed in {home}; `wayfind status` shows the index of a folder")


def _size(home: Path, store: ContentStore) -> int:
    """Bytes of a home folder once the room of deleted content is given back."""
    return bytes_below(home) - sum(map(bytes_of, home.glob(f"{CONTENT}*"))) + store.live_bytes()


# Deleting


def _live_keys(indexed: Iterable[TreeSize]) -> tuple[dict[Path, set[str]], list[str]]:
    """Keys of the content that each tree refers to, and the catalogues that cannot be read. Unnamed segments are swept."""
    keys: dict[Path, set[str]] = {}
    unread: list[str] = []
    for tree in indexed:
        path = tree.folder / CATALOGUE
        if not path.exists():
            continue
        try:
            with contextlib.closing(Catalogue(path)) as catalogue:
                keys[tree.folder] = {row.key for row in catalogue.manifest().rows.values()}
                sweep(tree.folder, catalogue)
        except IndexError_:
            unread.append(str(path))
    return keys, unread


def _drop_unused(store: ContentStore, keys: dict[Path, set[str]], before: float | None) -> int:
    """Delete the content that no tree refers to: all, or what was let go before a moment. Returns how many."""
    live = set().union(*keys.values())
    dead = [key for key, used in store.used().items() if key not in live and (before is None or used < before)]
    store.delete(dead)
    return len(dead)


def _drop_vectors(home: Path, store: ContentStore) -> None:
    """Delete the vectors of contents that are gone; of a damaged store all."""
    if not (home / VECTORS).exists():
        return
    try:
        with contextlib.closing(VectorStore(home)) as vectors:
            vectors.keep(store.used())
    except IndexDamaged:
        remove_database(home / VECTORS)
    except StorageError:  # a full disk has no room for the copy that giving room back takes
        pass


def _thin_explanations(home: Path) -> None:
    """Forget the oldest of the sentences that a decoder wrote, where there are very many."""
    if (home / EXPLANATIONS).exists():
        with contextlib.closing(ExplanationStore(home)) as written:
            written.thin()


def _vacuum(store: ContentStore, thorough: bool) -> None:
    """Give room back. On a full disk there is no place for the copy that it takes; then the room is used again later."""
    with contextlib.suppress(StorageError):
        store.vacuum(thorough)


def _remove(folder: Path) -> None:
    """Delete a tree's folder: first its name, at once, then what is in it. Readers keep what they have open."""
    hidden = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        folder.rename(hidden)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"cannot delete {folder}: {error.strerror}") from error
    for left in [hidden, *folder.parent.glob(".*")]:
        shutil.rmtree(left, ignore_errors=True)


def _evict(folder: Path) -> None:
    """Delete a tree's index, which the next search makes again, but not what its user said of it, which nothing can, nor what was
    learned, which may come from elsewhere."""
    if not any((folder / name).is_file() for name in _SAID) and not any((folder / _LEARNED).glob("*.adaptation")):
        return _remove(folder)
    drop_index(folder)  # first: what is left of a deletion cut short names nothing that is gone
    for path in folder.iterdir():
        if path.is_dir() and path.name != _LEARNED:
            shutil.rmtree(path, ignore_errors=True)
        elif path.is_file() and path.name not in (*_SAID, "root"):
            path.unlink(missing_ok=True)
