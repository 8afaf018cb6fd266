"""Which repository and which index a command speaks of: PATH, --index and FILE:LINE in, an open repository out.

An index lies in the user's cache folder, or, self-contained, in a folder that --output and --index name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wayfind.errors import NotFound, UsageError
from wayfind.index.home import CATALOGUE, CHOSEN, CONTENT
from wayfind.search.trace import line_of
from wayfind.serve.exits import note

if TYPE_CHECKING:
    from wayfind.api import Repository
    from wayfind.index.refresh import Options
    from wayfind.index.tree import Tree
    from wayfind.search.searcher import Searcher
    from wayfind.serve.progress import Meter

_PLACE = re.compile(r"(?P<file>.+?)(?::(?P<line>\d+)(?:-(?P<last>\d+)|:\d+)?)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Opened:
    """A repository opened for a command. `gone`: its folder is no longer there, only what was stored of it."""

    tree: Tree
    repository: Repository
    gone: bool = False

    def ready(self, refresh: bool, meter: Meter) -> Searcher:
        """The searcher, over an index that is up to date where it can be; else how much has changed is counted."""
        if self.gone:
            return self.repository.searcher()
        searcher = self.repository.ready(refresh, meter)
        if not refresh:
            self.repository.count_stale()
        return searcher

    @property
    def stale_files(self) -> int:
        return len(self.repository.snapshot().paths) if self.gone else self.repository.stale_files

    @property
    def prefix(self) -> str:
        """What to put before a result's path to reach it from the current folder; empty in the root itself."""
        return prefix_of(self.tree.root)


@contextmanager
def opened(path: str | None, home: Path | None = None, options: Options | None = None) -> Iterator[Opened]:
    """The repository at `path`, its index in `home` or in the user's cache folder.

    Without a path: the current folder, or the repository that `home` holds. Raises NotFound and UsageError.
    """
    from wayfind.api import Repository
    from wayfind.index.refresh import Options

    tree, gone = _tree(path, home)
    try:
        yield Opened(tree, Repository(tree, options or Options()), gone)
    finally:
        tree.close()


def _tree(path: str | None, home: Path | None) -> tuple[Tree, bool]:
    """The working tree, and whether its folder is gone."""
    from wayfind.index.tree import open_tree

    if path is not None or home is None:
        return open_tree(path or ".", home), False
    folder, root = _only_tree(home)
    if root.is_dir():
        return open_tree(root, home), False
    note(f"{root} is not there any more; this is what is stored of it")
    return _stored_tree(home, folder, root), True


def prefix_of(*roots: str | os.PathLike[str]) -> str:
    """What to put before a path that counts from the folder that holds all roots, to reach it from the current folder."""
    root = os.path.commonpath(roots)
    near = os.path.relpath(root)
    return "" if near == "." else os.path.join(root if near.startswith("..") else near, "")


def home_of(index: str | None) -> Path | None:
    """The folder that --index names, if it does. Raises NotFound and UsageError where no index lies there."""
    if index is None:
        return None
    home = Path(index).expanduser()
    if not home.exists():
        raise NotFound(f"no index at {index}; make it with: wayfind index PATH --output {index}")
    if not (home / CONTENT).is_file():
        kind = "a folder without an index" if home.is_dir() else "a file, and no index of this wayfind"
        raise UsageError(f"{index} is {kind}; make one with: wayfind index PATH --output NEW-FOLDER")
    return home


def new_index(output: str) -> Path:
    """The folder of a self-contained index to be written, made when absent. Raises UsageError where something else lies."""
    home = Path(output).expanduser()
    if home.exists() and not home.is_dir():
        raise UsageError(f"{output} is a file; an index is a folder: name another place")
    if home.is_dir() and any(home.iterdir()) and not (home / CONTENT).is_file():
        raise UsageError(f"{output} holds other files; name a new or an empty folder for the index")
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    return home


def _only_tree(home: Path) -> tuple[Path, Path]:
    """Folder and root of the one tree that an index holds."""
    from wayfind.index.catalogue import Catalogue

    roots: dict[Path, Path] = {}
    for file in sorted((home / "trees").glob(f"*/{CATALOGUE}")):
        with closing(Catalogue(file)) as catalogue:
            if root := catalogue.manifest().meta.get("root"):
                roots[file.parent] = Path(root)
    if len(roots) == 1:
        return roots.popitem()
    if not roots:
        raise NotFound(f"the index {home} is empty; fill it with: wayfind index PATH --output {home}")
    raise UsageError(f"the index {home} holds {len(roots)} repositories; name one as PATH: {', '.join(map(str, sorted(roots.values())))}")


def _stored_tree(home: Path, folder: Path, root: Path) -> Tree:
    from wayfind.index.catalogue import Catalogue
    from wayfind.index.store import ContentStore
    from wayfind.index.tree import Tree

    return Tree(root, folder, ContentStore(home / CONTENT), Catalogue(folder / CATALOGUE))


def split_place(place: str) -> tuple[str, int]:
    """`FILE:LINE`, `FILE:LINE:COLUMN`, `FILE:FIRST-LAST` or `FILE` as (file, line), 1-based. Raises UsageError."""
    match = _PLACE.fullmatch(place)
    if match is None:
        raise UsageError("expected FILE:LINE, for example src/app.py:12")
    line = line_of(match["line"] or "1")
    if line < 1:
        raise UsageError(f"lines count from 1; found {place}")
    if match["last"] and line_of(match["last"]) < line:
        raise UsageError(f"{place} ends before it begins; write FILE:FIRST-LAST, for example {match['file']}:{match['last']}-{line}")
    return match["file"], line


def root_around(file: str) -> str | None:
    """The folder to open for a file when no PATH is given; None stands for the current one.

    What a command without PATH speaks of in the current folder, if the file lies in that; or the same of the file's folder: what is
    indexed, nearest first; where nothing is, the repository around the file, or else the current folder if it holds the file and is not
    the user's home or above it. Raises NotFound where there is no such file, and UsageError where no folder is to be had: what lies
    around a file at large is not indexed unasked.
    """
    whole, here = Path(os.path.abspath(file)), Path.cwd()
    around = sorted(whole.parents, key=lambda folder: folder != here)  # stable: nearest first after the current one
    owners = filter(None, (_owner(folder) for folder in dict.fromkeys((*around[:1], whole.parent))))
    found = next(filter(_is_indexed, (*owners, *around)), None) or next((folder for folder in whole.parents if (folder / ".git").exists()), None)
    if found is None and (here not in around or here in (home := Path.home()).parents or here == home):
        if not whole.exists():
            raise NotFound(f"no such file: {file}")
        raise UsageError(f"{file} lies in no git repository and in no folder that is indexed; name the folder to be indexed behind it, for example {whole.parent}")
    return os.fspath(found) if found else None


def folder_around() -> str | None:
    """The folder that a command without PATH speaks of; None stands for the current one. The user's home and what lies above are not looked at."""
    found = _owner(Path.cwd())
    return None if found in (None, Path.cwd()) else os.fspath(found)


def _owner(here: Path) -> Path | None:
    """The folder whose index speaks of a folder: the nearest that its user had indexed by itself (`wayfind index`), up to the git
    repository around it; else that repository; else the nearest that is indexed. Not one whose walk would leave the folder out."""
    from wayfind.corpus.walk import reaches

    indexed: list[Path] = []
    around: list[Path] = []
    for folder in (here, *here.parents):
        if folder == Path.home() or folder in Path.home().parents:
            break
        repository = (folder / ".git").exists()
        if repository or _is_chosen(folder):
            around.append(folder)
        elif _is_indexed(folder):
            indexed.append(folder)
        if repository:
            break
    return next((folder for folder in (*around, *indexed) if folder == here or reaches(folder, here)), None)


def whole(doing: str, command: str) -> str:
    """The folder that a command without PATH works on, which is said where it is not the current one, and where it is not the whole
    repository. Raises UsageError where that would be all that the user has.

    Args:
        doing: what is done there, and `command`: how to do it elsewhere; both for the user.
    """
    found = folder_around()
    if outer := _repository_around(Path(found or ".").resolve()):
        note(f"{doing} {found or Path.cwd()} alone, which was indexed by itself; the whole repository: {command} {outer}")
    elif found:
        note(f"{doing} {found}, which this folder is a part of; this folder alone: {command} .")
    else:
        check_not_at_large()
    return found or "."


def _repository_around(folder: Path) -> Path | None:
    """The git repository that a folder is only a part of, which was indexed by itself."""
    from wayfind.corpus.walk import reaches

    if not _is_chosen(folder) or (folder / ".git").exists():
        return None
    found = next((outer for outer in folder.parents if (outer / ".git").exists()), None)
    return found if found and found not in (Path.home(), *Path.home().parents) and reaches(found, folder) else None


def check_not_at_large() -> None:
    """Raises UsageError in the user's home and at the top of the file system, where those are neither indexed nor a repository: all
    that lies there is not indexed unasked."""
    here = Path.cwd()
    if here in (Path.home(), Path(here.anchor)) and not _is_indexed(here) and not (here / ".git").exists():
        raise UsageError(f"{here} is no repository but all that you have; name a folder: wayfind TEXT FOLDER (all of {here}: wayfind TEXT .)")


def is_begun(path: str | None, home: Path | None) -> bool:
    """Whether anything was stored for the folder at `path`; to open it would begin it. Raises NotFound, UsageError."""
    from wayfind.index.tree import locate

    return (path is None and home is not None) or (locate(path or ".", home)[2] / CATALOGUE).exists()


def _is_indexed(folder: Path) -> bool:
    """Whether the folder was indexed as a whole; one that was only looked at (`status`) has no note of its use."""
    from wayfind.config import default_home
    from wayfind.corpus.identity import tree_id

    return (default_home() / "trees" / tree_id(folder) / "root").exists()


def _is_chosen(folder: Path) -> bool:
    """Whether the user had the folder indexed by itself; a search with a PATH alone does not say that."""
    from wayfind.config import default_home
    from wayfind.corpus.identity import tree_id

    return _is_indexed(folder) and (default_home() / "trees" / tree_id(folder) / CHOSEN).exists()


def within(root: Path, file: str) -> str:
    """The file as the index names it, relative to the root. It may be written relative to the current folder or to the root; where both
    name one, as it is printed: relative to the current folder."""
    near = (Path(whole) for whole in (os.path.abspath(file), os.path.realpath(file)))
    inside = next((whole.relative_to(root).as_posix() for whole in near if whole.is_relative_to(root)), None)
    if inside is not None and (os.path.lexists(file) or not os.path.lexists(root / file)):
        return inside
    if os.path.isabs(file):
        raise NotFound(f"{file} does not lie in {root}")
    return os.path.normpath(file).replace(os.sep, "/")
