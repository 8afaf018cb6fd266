"""What of a folder is indexed: in comes its path, out come the files admitted and the ones refused, each with a reason.

No file is opened here except ignore files; what only the bytes can tell (`content_problem`, `decode`) is asked later, by
whoever reads them. Links are never followed.
"""

from __future__ import annotations

import codecs
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from wayfind.corpus.ignore import Verdict, git_folder, rules_above, work_tree
from wayfind.errors import NotFound, UsageError
from wayfind.types import FileStat, Skip

MAX_BYTES = 1_000_000

# Never listed, not even as skipped: the bookkeeping of version control, and Wayfind's own settings.
_NOT_CONTENT = frozenset({".git", ".hg", ".svn", ".bzr", "_darcs", "CVS", ".jj", ".wayfind"})

_CACHES = frozenset({"__pycache__", ".tox", ".nox", ".eggs", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"})

_VENDORED = frozenset(
    "vendor vendored _vendor _vendored third_party thirdparty third-party 3rdparty node_modules bower_components"
    " jspm_packages Godeps Pods Carthage".split()
)

_LOCKS = frozenset(
    "package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml bun.lock bun.lockb deno.lock Cargo.lock poetry.lock"
    " uv.lock pdm.lock pixi.lock Pipfile.lock conda-lock.yml composer.lock Gemfile.lock go.sum go.work.sum mix.lock"
    " pubspec.lock Podfile.lock Package.resolved Cartfile.resolved packages.lock.json gradle.lockfile flake.lock"
    " stack.yaml.lock cabal.project.freeze Brewfile.lock.json .terraform.lock.hcl MODULE.bazel.lock".split()
)

# Images count with the binaries even where they are text (svg): they hold coordinates, no code.
_BINARY = frozenset(
    "png jpg jpeg gif bmp ico icns tif tiff webp avif heic psd ai eps svg svgz xcf sketch"
    " zip gz tgz bz2 tbz xz txz zst lz4 lzma br 7z rar tar jar war ear whl egg apk aab ipa deb rpm dmg iso img cab msi crate gem nupkg"
    " ttf otf woff woff2 eot pfb fon"
    " mp3 mp4 m4a m4v ogg oga ogv opus wav flac aac avi mov mkv webm wmv mid flv"
    " pyc pyo pyd so dylib dll exe o a lib obj class dex elc beam wasm bc pdb ilk node rlib rmeta ko bin"
    " db db3 sqlite sqlite3 mdb lmdb rdb parquet feather arrow avro orc npy npz pkl pickle joblib h5 hdf5 mat pb onnx pt pth ckpt"
    " safetensors gguf tflite mo gmo pdf doc docx xls xlsx ppt pptx odt ods odp epub mobi djvu"
    " keystore jks p12 pfx swp blend fbx glb stl dwg pcap pak swf lockb".split()
)

_MINIFIED_NAMES = (".min.js", ".min.mjs", ".min.cjs", ".min.css", ".min.html", "-min.js", "-min.css", ".map")


@dataclass(frozen=True, slots=True)
class Walk:
    """The result of `walk`. A pruned folder is one skip, its path ends in `/`."""

    files: list[FileStat]
    """Sorted by path."""
    skips: list[Skip]
    """Sorted by path."""


def walk(root: str | os.PathLike[str]) -> Walk:
    """The files under `root` that are worth indexing, and the others with the reason.

    `.gitignore`, `.git/info/exclude` and `.wayfindignore` are honoured as git does, nested, also those above `root` in
    the same work tree. `.wayfindignore` has the last word over all of git's, and a negation in it (`!vendor/`,
    `!yarn.lock`) lifts a refusal that comes from a name (vendored, lock, minified, caches). Paths are relative to
    `root`, with `/`; bytes that are not UTF-8 stand in them as surrogates (`os.fsencode` gives them back).

    Raises NotFound where there is no such folder, UsageError where it is not a folder or cannot be read.
    """
    top = _folder(root)
    files: list[FileStat] = []
    skips: list[Skip] = []
    pending = [("", rules_above(top))]
    while pending:
        folder, rules = pending.pop()
        entries = _entries(os.path.join(top, folder))
        if entries is None or (folder and _is_cache(entries)):
            skips.append(Skip(folder, "unreadable" if entries is None else "ignored"))
            continue
        if folder and _is_worktree_of(top, entries):
            skips.append(Skip(folder, "worktree"))
            continue
        rules = rules.below(folder, entries)
        for entry in entries:
            path = folder + entry.name
            if entry.name in _NOT_CONTENT:
                continue
            if entry.is_symlink():
                skips.append(Skip(path, _link_reason(top, path)))
            elif entry.is_dir(follow_symlinks=False):
                path += "/"
                if reason := _folder_problem(entry.name, rules.verdict(path, entry.name + "/")):
                    skips.append(Skip(path, reason))
                else:
                    pending.append((path, rules))
            else:
                found = _file(entry, path, rules.verdict(path, entry.name))
                (skips if isinstance(found, Skip) else files).append(found)
    return Walk(sorted(files, key=_by_path), sorted(skips, key=_by_path))


def reaches(root: str | os.PathLike[str], folder: str | os.PathLike[str]) -> bool:
    """Whether the walk of `root` enters `folder`, which lies below it: nothing on the way is ignored, vendored or a cache."""
    top = os.path.realpath(root)
    rules, way = rules_above(top), ""
    for name in [*os.path.relpath(os.path.realpath(folder), top).split(os.sep), ""]:
        entries = _entries(os.path.join(top, way))
        if entries is None or (way and (_is_cache(entries) or _is_worktree_of(top, entries))):
            return False
        rules, way = rules.below(way, entries), f"{way}{name}/"
        if name in _NOT_CONTENT or (name and _folder_problem(name, rules.verdict(way, f"{name}/"))):
            return False
    return True


def content_problem(data: bytes, path: str) -> str | None:
    """Why a file of these bytes is not worth indexing: `binary`, `minified`, `generated`; None when it is.

    Of the path only the file name matters.
    """
    if b"\0" in data[:8192] and not data.startswith(_WIDE_BOMS):
        return "binary"
    name = path.rpartition("/")[2].lower()
    if name.rpartition(".")[2] in _MINIFIABLE and _has_endless_lines(data):
        return "minified"
    if _GENERATED.search(_TEMPLATE.split(data[:1024], maxsplit=1)[0]) or name.endswith(_GENERATED_NAMES):
        return "generated"
    return None


def decode(data: bytes) -> tuple[str, str | None]:
    """The text of a file, and `encoding` as its problem when the bytes were not what they seemed to be.

    A byte order mark decides; else UTF-8; else Windows-1252, with the problem told. Line ends become `\\n`, so that line
    numbers are those of an editor; NUL becomes U+FFFD. Never raises, and the text can always be encoded as UTF-8.
    """
    text, problem = _to_text(data)
    if "\r" in text:
        text = text.replace("\r\n", "\n")
        # A lone \r ends a line only in files of the old Macintosh; git and grep do not count it, so among \n it is a blank.
        text = text.replace("\r", " " if "\n" in text else "\n")
    return text.replace("\0", "\ufffd"), problem


_by_path = attrgetter("path")


def _folder(root: str | os.PathLike[str]) -> str:
    top = os.path.realpath(root)
    if not os.path.lexists(top):
        raise NotFound(f"{os.fspath(root)}: no such folder")
    if not os.path.isdir(top):
        raise UsageError(f"{os.fspath(root)}: is not a folder; name the folder that it lies in")
    if _entries(top) is None:
        raise UsageError(f"{os.fspath(root)}: the folder cannot be read; look at its permissions")
    return top


def _entries(folder: str) -> list[os.DirEntry[str]] | None:
    try:
        with os.scandir(folder) as listing:
            return list(listing)
    except OSError:
        return None


def _is_cache(entries: Sequence[os.DirEntry[str]]) -> bool:
    """Whether a folder says of itself that its content is installed or made anew: a virtual environment, a tagged cache."""
    return any(entry.name in ("pyvenv.cfg", "CACHEDIR.TAG") for entry in entries)


def _is_worktree_of(top: str, entries: Sequence[os.DirEntry[str]]) -> bool:
    """Whether a folder is another checkout of the very repository at `top` (`git worktree add`): the same files again."""
    for entry in entries:
        if entry.name == ".git" and entry.is_file(follow_symlinks=False):
            try:
                with open(entry.path, "rb") as file:
                    leads = file.read(4096).decode("utf-8", "surrogateescape")
                target = os.path.realpath(os.path.join(os.path.dirname(entry.path), leads.removeprefix("gitdir:").strip()))
            except (OSError, ValueError):  # a file of zeros, as a power failure leaves it
                return False
            return target.startswith(os.path.join(os.path.realpath(git_folder(work_tree(top) or top)), "worktrees") + os.sep)
    return False


def _folder_problem(name: str, verdict: Verdict | None) -> str | None:
    if verdict is not None:
        return "ignored" if verdict == "ignored" else None
    if name in _VENDORED:
        return "vendored"
    return "ignored" if name in _CACHES else None


def _link_reason(top: str, path: str) -> str:
    """`link` when it leads to a place inside the root, where its target is indexed as what it is; else `link-outside`."""
    target = os.path.realpath(os.path.join(top, path))
    return "link" if os.path.commonpath([top, target]) == top else "link-outside"


def _file(entry: os.DirEntry[str], path: str, verdict: Verdict | None) -> FileStat | Skip:
    if verdict == "ignored":
        return Skip(path, "ignored")
    if verdict is None and (reason := _name_problem(entry.name)):
        return Skip(path, reason)
    if _is_binary(entry.name):
        return Skip(path, "binary")
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return Skip(path, "unreadable")
    if not stat.S_ISREG(found.st_mode):
        return Skip(path, "not-a-file")
    if found.st_size == 0:
        return Skip(path, "empty")
    if found.st_size > MAX_BYTES:
        return Skip(path, "too-large")
    return FileStat(path, found.st_size, max(found.st_mtime_ns, found.st_ctime_ns))


def _is_binary(name: str) -> bool:
    stem, _, suffix = name.rpartition(".")
    return bool(stem) and suffix.lower() in _BINARY


def _name_problem(name: str) -> str | None:
    if name in _LOCKS or name.endswith(".lock"):
        return "lock"
    return "minified" if name.endswith(_MINIFIED_NAMES) else None


_WIDE_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)

_ENCODINGS = (  # UTF-32 before UTF-16, whose little-endian mark is the beginning of the other
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_MINIFIABLE = frozenset("js mjs cjs jsx ts css scss less html htm xhtml json json5 jsonl geojson xml vue".split())

_GENERATED_NAMES = (
    "_pb2.py", "_pb2.pyi", "_pb2_grpc.py", ".pb.go", ".pb.cc", ".pb.h", "_pb.js", "_pb.d.ts", ".g.dart", ".designer.cs",
)

# In a comment, or on the first line of the file's docstring, and about the file: "auto-generated from" alone is said of
# documentation in hand-written files too, "`@Generated`" of an annotation, "in this autogenerated file" of a template filled in since.
_GENERATED = re.compile(
    rb"""(?:^[ \t]*(?:\#|//|/?\*|--|;|%|<!--|\(\*|\{-|@?rem\b)|\A(?:[ \t]*(?:\#.*)?\n)*[ru]?(?:\"\"\"|''')).*?
    (?:(?<![`{\w])(?-i:@generated)\b(?![`}])
    |<auto-?generated\b
    |\bcode\ generated\b.*\bdo\ not\ edit\b
    |\bgenerated\b.*\bdo\ not\ (?:edit|modify|change)\b
    |\bdo\ not\ (?:edit|modify|change)\b.*\bgenerated\b
    |\bth(?:is|e)\ (?:file|code|module)\ (?:was|is|has\ been)\ (?:auto-?|automatically\ |auto\ |machine-?)?generated\b
    |(?:\bthis\ (?:file\ )?is\ (?:an?\ )?|[.!:]\ |(?<!\w\ )(?=(?-i:[AM])))(?:auto-?|automatically\ |auto\ |machine-?)generated\ (?:file|code)\b
    |\bgenerated\ by\ the\ protocol\ buffer\ compiler\b)""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_TEMPLATE = re.compile(rb"=\s*\w{0,2}(?:\"\"\"|'''|`)")
"""Begins a text for other files, which may say of them that they are generated."""


def _has_endless_lines(data: bytes) -> bool:
    """Lines that nobody wrote: 500 bytes on average and 5,000 in the longest."""
    lines = data.count(b"\n") + 1
    return len(data) > 500 * lines and max(map(len, data.split(b"\n"))) > 5000


def _to_text(data: bytes) -> tuple[str, str | None]:
    for mark, encoding in _ENCODINGS:
        if data.startswith(mark):
            body = data[len(mark) :]
            try:
                return body.decode(encoding), None
            except UnicodeDecodeError:
                return body.decode(encoding, "replace"), "encoding"
    try:
        return data.decode("utf-8"), None
    except UnicodeDecodeError:
        try:
            return data.decode("cp1252"), "encoding"
        except UnicodeDecodeError:  # five bytes mean nothing in cp1252; latin-1 takes every byte
            return data.decode("latin-1"), "encoding"
