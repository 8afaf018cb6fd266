"""What is wrong with a home folder and the indexes in it, and its repair: what is damaged goes, and is made again from the files.

Comes in: a home folder. Goes out: findings, each with what was or can be done.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from wayfind.corpus import identity, languages
from wayfind.errors import IndexDamaged, IndexError_, IndexVersion, NotFound, StorageError
from wayfind.index.catalogue import Catalogue, Manifest
from wayfind.index.database import check_header, remove_database
from wayfind.index.home import CATALOGUE, CONTENT, EXPLANATIONS, VECTORS, TreeSize, root_of, trees, used
from wayfind.index.late import late_names, read_late
from wayfind.index.lock import WAIT, held
from wayfind.index.maintain import drop_index
from wayfind.index.segment import Segment
from wayfind.index.snapshot import verify_rows
from wayfind.index.store import ContentStore
from wayfind.index.tree import VERSIONS, version_of
from wayfind.index.vectors import VectorStore, matrix_names, read_matrix

STUB_SECONDS = 3_600
"""An index that has no generation and was not touched for so long was begun by a process that is gone."""
LEAST_FREE = 200_000_000
"""Bytes of free disk below which `doctor` warns: an index of 5,000 files takes about half of that."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong, and what was or can be done."""

    what: str
    """`permissions`, `disk`, `grammar`, `content`, `catalogue`, `segment`, `version`, `remains`, `agent` or `socket`."""
    text: str
    repaired: bool = False

    def __str__(self) -> str:
        return f"{self.text} (repaired)" if self.repaired else self.text


def doctor(home: Path, root: str | os.PathLike[str] | None = None, repair: bool = False) -> list[Finding]:
    """What is wrong with a home folder, and with the index of `root` or, without it, of every tree. Reads everything.

    With `repair` damaged parts are deleted, and the next refresh makes them again: nothing but cached work is lost.
    Raises IndexBusy (repair beside a refresh that does not end), StorageError, NotFound where `root` has no index.
    """
    if root is not None and identity.tree_id(root) not in {tree.folder.name for tree in trees(home)}:
        raise NotFound(f"{os.path.abspath(root)} is not indexed in {home}; `wayfind doctor` alone checks every index")
    findings = [*_check_grammars()]
    if not home.is_dir():
        return findings
    with held(home, alone=True, wait=WAIT) if repair else contextlib.nullcontext():
        findings += [*_check_disk(home), *_check_permissions(home, repair), *_check_remains(home, repair)]
        damaged: set[str] = set()
        if (home / CONTENT).exists():
            found, damaged = _check_content(home / CONTENT, repair)
            findings += found
        findings += _check_vectors(home, repair)
        for tree in trees(home):
            # Where content was deleted, any tree may have used it.
            if root is None or tree.folder.name == identity.tree_id(root) or (repair and damaged):
                findings += _check_tree(tree, home / CONTENT, damaged, repair)
    return findings


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
    databases = [path for name in (CONTENT, VECTORS, EXPLANATIONS) for path in sorted(home.glob(f"{name}*"))]
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
    if not folder.is_dir() or root_of(folder) or any(folder.glob("*.seg")) or time.time() - used(folder) < STUB_SECONDS:
        return False
    if not (folder / CATALOGUE).exists():
        return True
    try:
        with contextlib.closing(Catalogue(folder / CATALOGUE)) as catalogue:
            return catalogue.generation() == 0
    except (IndexError_, StorageError):
        return False


def _check_content(path: Path, repair: bool) -> tuple[list[Finding], set[str]]:
    """The findings in a content store, and the keys of damaged rows."""
    try:
        check_header(path)
        with contextlib.closing(ContentStore(path)) as store:
            damaged = store.check()
            if repair:
                store.delete(damaged)
    except IndexError_ as error:
        if repair:
            remove_database(path)
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
    if (home / VECTORS).exists():
        try:
            check_header(home / VECTORS)
            with contextlib.closing(VectorStore(home)) as vectors:
                vectors.check()
        except IndexError_ as error:
            if repair:
                remove_database(home / VECTORS)
            yield Finding("vectors", f"{_without_advice(error)}; vectors are made again", repair)


def _check_tree(tree: TreeSize, content: Path, damaged: set[str], repair: bool) -> list[Finding]:
    """The findings in one tree's index. With `repair` what is damaged is taken out of it."""
    path = tree.folder / CATALOGUE
    if not path.exists():
        return []
    name = tree.root or tree.folder.name
    try:
        check_header(path)
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
            drop_index(tree.folder)
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
    if manifest.generation and version_of(manifest) != VERSIONS:
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
