"""Keeping house in a home folder: what it holds (`sizes`), what may go (`gc`, `forget`), what is wrong with it (`doctor`).

Whatever is deleted here can be made again from the files of the repositories: an index is a cache.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from wayfind.corpus import identity, languages
from wayfind.errors import IndexBusy, IndexDamaged, IndexError_, IndexVersion, NotFound, StorageError
from wayfind.index.catalogue import Catalogue, Manifest
from wayfind.index.explanations import FILE, ExplanationStore
from wayfind.index.late import late_names, read_late
from wayfind.index.lock import held
from wayfind.index.refresh import VERSIONS, sweep
from wayfind.index.segment import Segment
from wayfind.index.snapshot import verify_rows
from wayfind.index.store import ContentStore
from wayfind.index.vectors import VectorStore, matrix_names, read_matrix

KEPT_SECONDS = 86_400
"""Content stays so long after a tree let it go: who changes back to a branch within a day finds it extracted."""
WAIT = 60.0
"""Seconds that `gc`, `forget` and repairs wait for running refreshes."""
TIDY_EVERY = 7 * 86_400
"""Seconds between two rounds of `tidy`."""
GONE_SECONDS = 30 * 86_400
_TIDIED = "tidied"
"""Its time of modification is when `tidy` last looked."""
STUB_SECONDS = 3_600
"""An index that has no generation and was not touched for so long was begun by a process that is gone."""
LEAST_FREE = 200_000_000
"""Bytes of free disk below which `doctor` warns: an index of 5,000 files takes about half of that."""
_CONTENT = "content.sqlite"
_SAID = ("vocabulary.json", "feedback.jsonl")
"""Files in a tree's folder that hold what its user said (`search.vocabulary`, `search.feedback`)."""
_CATALOGUE = "catalogue.sqlite"
_VECTORS = "vectors.sqlite"


@dataclass(frozen=True, slots=True)
class TreeSize:
    """The index of one working tree."""

    folder: Path
    root: str
    """The working tree's folder; empty where that is not known (any more)."""
    bytes: int
    used: float
    """When it was searched or refreshed last, to the hour, seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes on disk, by part."""

    content: int
    """Of what was extracted from files, shared by all trees."""
    segments: int
    catalogues: int
    vectors: int
    """Of all trees together, with the vectors of tokens, and of each."""
    late: int
    """Token vectors as they lie in each tree."""
    trees: tuple[TreeSize, ...]
    explanations: int = 0
    """Sentences that a decoder wrote, of all trees together."""

    @property
    def total(self) -> int:
        return self.content + self.segments + self.catalogues + self.vectors + self.late + self.explanations


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


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong, and what was or can be done."""

    what: str
    """`permissions`, `disk`, `grammar`, `content`, `catalogue`, `segment`, `version`, `remains`, `agent` or `socket`."""
    text: str
    repaired: bool = False

    def __str__(self) -> str:
        return f"{self.text} (repaired)" if self.repaired else self.text


def sizes(home: Path) -> Sizes:
    """What a home folder holds, in bytes. Nothing is opened for writing."""
    trees = tuple(_trees(home))
    return Sizes(
        sum(map(_bytes, home.glob(f"{_CONTENT}*"))),
        sum(map(_bytes, home.glob("trees/*/*.seg"))),
        sum(map(_bytes, home.glob(f"trees/*/{_CATALOGUE}*"))),
        sum(map(_bytes, [*home.glob(f"{_VECTORS}*"), *home.glob("trees/*/*.vec"), *home.glob("trees/*/*.near*")])),
        sum(map(_bytes, home.glob("trees/*/*.late"))),
        trees,
        sum(map(_bytes, home.glob(f"{FILE}*"))),
    )


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
    stamp.touch(mode=0o600)
    os.utime(stamp, (moment, moment))
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
    before = _bytes_below(home)
    with held(home, alone=True, wait=wait), contextlib.closing(ContentStore(home / _CONTENT)) as store:
        trees = list(_trees(home))
        gone = [tree for tree in trees if _is_gone(tree, moment) and moment - tree.used >= gone_seconds]
        for tree in gone:
            _remove(tree.folder)
        keep = sorted((tree for tree in trees if tree not in gone), key=lambda tree: (tree.used, tree.root))
        keys, unread = _live_keys(keep)
        contents = _drop_unused(store, keys, moment - KEPT_SECONDS) if not unread else 0
        evicted = []
        if limit_bytes is not None and _size(home, store) > limit_bytes:
            contents += _drop_unused(store, keys, None) if not unread else 0
            while keep and _size(home, store) > limit_bytes:
                evicted.append(keep.pop(0))
                _evict(evicted[-1].folder)
                keys.pop(evicted[-1].folder, None)
                contents += _drop_unused(store, keys, None) if not unread else 0
        _drop_vectors(home, store)
        _thin_explanations(home)
        _vacuum(store, thorough=limit_bytes is not None)
    left = _bytes_below(home)
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
    before = _bytes_below(home)
    with held(home, alone=True, wait=WAIT), contextlib.closing(ContentStore(home / _CONTENT)) as store:
        own, _ = _live_keys([tree])
        others, unread = _live_keys([other for other in _trees(home) if other.folder != tree.folder])
        _remove(tree.folder)
        if unread:  # they may refer to content that seems unused; what this tree used goes all the same
            mine = set().union(*own.values()) - set().union(*others.values())
            store.delete(sorted(mine))
            contents = len(mine)
        else:
            contents = _drop_unused(store, others, None)
        _drop_vectors(home, store)
        _thin_explanations(home)
        _vacuum(store, thorough=True)
    return Forgotten(tree.root or os.fspath(root), contents, max(before - _bytes_below(home), 0))


def doctor(home: Path, root: str | os.PathLike[str] | None = None, repair: bool = False) -> list[Finding]:
    """What is wrong with a home folder, and with the index of `root` or, without it, of every tree. Reads everything.

    With `repair` damaged parts are deleted, and the next refresh makes them again: nothing but cached work is lost.
    Raises IndexBusy (repair beside a refresh that does not end), StorageError.
    """
    findings = [*_check_grammars()]
    if not home.is_dir():
        return findings
    with held(home, alone=True, wait=WAIT) if repair else contextlib.nullcontext():
        findings += [*_check_disk(home), *_check_permissions(home, repair), *_check_remains(home, repair)]
        damaged: set[str] = set()
        if (home / _CONTENT).exists():
            found, damaged = _check_content(home / _CONTENT, repair)
            findings += found
        findings += _check_vectors(home, repair)
        for tree in _trees(home):
            # Where content was deleted, any tree may have used it.
            if root is None or tree.folder.name == identity.tree_id(root) or (repair and damaged):
                findings += _check_tree(tree, home / _CONTENT, damaged, repair)
    return findings


# What lies in a home folder


def _trees(home: Path) -> Iterator[TreeSize]:
    for folder in sorted(home.glob("trees/*")):
        if folder.is_dir() and not folder.name.startswith("."):
            yield TreeSize(folder, _root(folder), _bytes_below(folder), _used(folder))


def _root(folder: Path) -> str:
    with contextlib.suppress(OSError):
        return os.fsdecode((folder / "root").read_bytes())
    return ""


def _used(folder: Path) -> float:
    for name in ("root", _CATALOGUE, ""):
        with contextlib.suppress(OSError):
            return (folder / name).stat().st_mtime
    return 0.0


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
    for tree in _trees(home):
        if tree.folder.name in named or tree.root == os.path.abspath(Path(root).expanduser()):
            return tree
    raise NotFound(f"{os.path.abspath(root)} is not indexed in {home}; `wayfind status` shows the index of a folder")


def _bytes(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _bytes_below(folder: Path) -> int:
    return sum(_bytes(Path(base, name)) for base, _, names in os.walk(folder) for name in names)


def _size(home: Path, store: ContentStore) -> int:
    """Bytes of a home folder once the room of deleted content is given back."""
    return _bytes_below(home) - sum(map(_bytes, home.glob(f"{_CONTENT}*"))) + store.live_bytes()


# Deleting


def _live_keys(trees: Iterable[TreeSize]) -> tuple[dict[Path, set[str]], list[str]]:
    """Keys of the content that each tree refers to, and the catalogues that cannot be read. Unnamed segments are swept."""
    keys: dict[Path, set[str]] = {}
    unread: list[str] = []
    for tree in trees:
        path = tree.folder / _CATALOGUE
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
    if not (home / _VECTORS).exists():
        return
    try:
        with contextlib.closing(VectorStore(home)) as vectors:
            vectors.keep(store.used())
    except IndexDamaged:
        _remove_database(home / _VECTORS)
    except StorageError:  # a full disk has no room for the copy that giving room back takes
        pass


def _thin_explanations(home: Path) -> None:
    """Forget the oldest of the sentences that a decoder wrote, where there are very many."""
    if (home / FILE).exists():
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
    """Delete a tree's index, which the next search makes again, but not what its user said of it, which nothing can."""
    said = {name: (folder / name).read_bytes() for name in (*_SAID, "root") if (folder / name).is_file()}
    _remove(folder)
    if not said.keys() & set(_SAID):
        return
    folder.mkdir(mode=0o700, parents=True)
    for name, data in said.items():
        with open(folder / name, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(data)


def _remove_database(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


# Checking


def _check_grammars() -> Iterator[Finding]:
    for language in languages.LANGUAGES:
        if language.grammar:
            try:
                languages.parser_for(language.name)
            except Exception as error:  # noqa: BLE001  a grammar may fail in any way: missing file, other ABI, broken library
                yield Finding(
                    "grammar",
                    f"the grammar of {language.name} cannot be loaded ({error}); run `pip install --force-reinstall wayfind`",
                )


def _check_disk(home: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(home).free
    if free < LEAST_FREE:
        yield Finding(
            "disk",
            f"only {free:,} bytes are free where {home} lies; run `wayfind gc`, or set WAYFIND_HOME to another disk",
        )


def _check_permissions(home: Path, repair: bool) -> Iterator[Finding]:
    """Others of this machine must not read the source text that lies here, and its owner must be able to."""
    databases = [*sorted(home.glob(f"{_CONTENT}*")), *sorted(home.glob(f"{_VECTORS}*"))]
    for path in [home, *databases, home / "trees", *sorted(home.glob("trees/**/*"))]:
        with contextlib.suppress(FileNotFoundError):
            status = path.lstat()
            mode = stat.S_IMODE(status.st_mode)
            least = 0o500 if stat.S_ISDIR(status.st_mode) else 0o400
            if stat.S_ISLNK(status.st_mode) or not (mode & 0o077 or least & ~mode):
                continue
            if repair:
                path.chmod(mode & 0o700 | least)
            why = "can be used by others" if mode & 0o077 else "cannot be read by its owner"
            yield Finding("permissions", f"{path} {why} (mode {mode:04o}); give it to its owner alone", repair)


def _check_remains(home: Path, repair: bool) -> Iterator[Finding]:
    """Indexes that were begun and never filled, as `status` once left them, and folders whose deletion was cut short."""
    for folder in sorted(home.glob("trees/*")):
        if folder.name.startswith("."):
            yield Finding("remains", f"{folder} is left of an index that was deleted", repair)
        elif _is_stub(folder):
            yield Finding("remains", f"{folder} is an index that was begun and never filled", repair)
        else:
            continue
        if repair:
            shutil.rmtree(folder, ignore_errors=True)


def _is_stub(folder: Path) -> bool:
    """Whether a tree's folder has no generation, and nobody is likely to be at work on one."""
    if not folder.is_dir() or _root(folder) or any(folder.glob("*.seg")) or time.time() - _used(folder) < STUB_SECONDS:
        return False
    if not (folder / _CATALOGUE).exists():
        return True
    try:
        with contextlib.closing(Catalogue(folder / _CATALOGUE)) as catalogue:
            return catalogue.generation() == 0
    except (IndexError_, StorageError):
        return False


def _check_content(path: Path, repair: bool) -> tuple[list[Finding], set[str]]:
    """The findings in a content store, and the keys of damaged rows."""
    try:
        with contextlib.closing(ContentStore(path)) as store:
            damaged = store.check()
            if repair:
                store.delete(damaged)
    except IndexError_ as error:
        if repair:
            _remove_database(path)
            ContentStore(path).close()
        kind = "version" if isinstance(error, IndexVersion) else "content"
        return [
            Finding(kind, f"{_without_advice(error)}; each index is built again when it is next used", repair)
        ], set()
    found = [
        Finding("content", f"{path}: the content {key[:12]} is damaged; its files are read again", repair)
        for key in damaged
    ]
    return found, set(damaged)


def _check_vectors(home: Path, repair: bool) -> Iterator[Finding]:
    """Stored vectors that are damaged. A damaged row is deleted where it is met, and made again."""
    if (home / _VECTORS).exists():
        try:
            with contextlib.closing(VectorStore(home)) as vectors:
                vectors.check()
        except IndexError_ as error:
            if repair:
                _remove_database(home / _VECTORS)
            yield Finding("vectors", f"{_without_advice(error)}; vectors are made again", repair)


def _check_tree(tree: TreeSize, content: Path, damaged: set[str], repair: bool) -> list[Finding]:
    """The findings in one tree's index. With `repair` what is damaged is taken out of it."""
    path = tree.folder / _CATALOGUE
    if not path.exists():
        return []
    name = tree.root or tree.folder.name
    try:
        with contextlib.closing(Catalogue(path)) as catalogue:
            if problems := catalogue.check():
                raise IndexDamaged(f"{path} is damaged ({problems[0]})")
            manifest, segments = _whole(lambda: _bad_segments(tree.folder, catalogue))
            keys = _bad_keys(manifest, content, damaged)
            vectors = _bad_vectors(tree.folder, manifest)
            if repair and (segments or keys or vectors):
                with catalogue.writing(WAIT):
                    catalogue.drop(segments=segments, keys=keys)
                    catalogue.write_meta({"generation": str(manifest.generation + 1)} | ({"vectors": "{}", "late": "{}"} if vectors else {}))
                for segment in [*segments, *vectors]:
                    (tree.folder / segment).unlink(missing_ok=True)
    except IndexError_ as error:
        if repair:
            _remove_database(path)
            for segment in tree.folder.glob("*.seg"):
                segment.unlink(missing_ok=True)
        kind = "version" if isinstance(error, IndexVersion) else "catalogue"
        return [Finding(kind, f"{name}: {_without_advice(error)}; the next search builds the index again", repair)]
    found = [Finding("segment", f"{name}: {why}; its files are read again", repair) for why in segments.values()]
    found += [Finding("vectors", f"{name}: {why}; `wayfind index` lays them out again", repair) for why in vectors.values()]
    if keys:
        found.append(
            Finding(
                "content", f"{name}: {len(keys):,} contents are damaged or missing; their files are read again", repair
            )
        )
    if manifest.generation and manifest.meta.get("made", "").rpartition(" ")[0] != VERSIONS:
        found.append(
            Finding("version", f"{name}: made by another version of wayfind; the next search builds the index again")
        )
    return found


def _bad_vectors(folder: Path, manifest: Manifest) -> dict[str, str]:
    """For each file of vectors that is damaged, why."""
    bad = {}
    read: dict[str, Callable[[], object]] = {name: partial(read_matrix, folder, name) for name in matrix_names(manifest)}
    read |= {name: partial(_read_tokens, folder, name) for name in late_names(manifest)}
    for name, check in read.items():
        try:
            check()
        except IndexError_ as error:
            bad[name] = _without_advice(error)
    return bad


def _read_tokens(folder: Path, name: str) -> None:
    read_late(folder, name).verify_all()


def _bad_segments(folder: Path, catalogue: Catalogue) -> tuple[Manifest, dict[str, str]]:
    """The manifest, and for each segment that is damaged, why."""
    manifest = catalogue.manifest()
    bad = {}
    for name in manifest.segments:
        try:
            segment = Segment(folder / name)
            verify_rows(
                segment, [(row.number, row.path, row.key) for row in manifest.rows.values() if row.segment == name]
            )
        except FileNotFoundError:
            bad[name] = f"the index file {name} is gone"
        except IndexError_ as error:
            bad[name] = _without_advice(error)
    return manifest, bad


def _whole(look: Callable[[], tuple[Manifest, dict[str, str]]]) -> tuple[Manifest, dict[str, str]]:
    """What a look at the segments finds, looked at again while a writer may have replaced them between two reads."""
    manifest, bad = look()
    for _ in range(5):
        again, bad_now = (manifest, bad) if not bad else look()
        if again.segments == manifest.segments:
            return again, bad_now
        manifest, bad = again, bad_now
    return manifest, bad


def _bad_keys(manifest: Manifest, content: Path, damaged: set[str]) -> list[str]:
    """Keys that the tree refers to and that are not stored whole. None where the store is gone: then all is read again."""
    keys = {row.key for row in manifest.rows.values() if row.reason is None}
    try:
        with contextlib.closing(ContentStore(content)) as store:
            if not manifest.meta.get("made", "").endswith(f" {store.id}"):
                return []
            return sorted((keys & damaged) | (keys - store.known(keys).keys()))
    except IndexError_:
        return []


def _without_advice(error: Exception) -> str:
    return str(error).partition("; run `")[0]
