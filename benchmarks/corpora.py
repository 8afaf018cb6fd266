"""Lay out the public packages that the benchmarks index, by name and pinned version.

    python benchmarks/corpora.py DEST [--only NAME ...]

Each corpus becomes the folder DEST/NAME. The packages come through this machine's own clients (pip, npm, apt-get), with
whatever index or mirror those are set up to use; a client is asked for only if one of its corpora is wanted. A corpus
that is already in DEST is left as it is. pip needs the package's build backend to download a source distribution.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote


class CorpusError(Exception):
    """A corpus could not be laid out; the message says why and what would help."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """One package to lay out as a folder of source files."""

    name: str
    language: str
    client: str
    """`pip`, `npm` or `apt`: a key of `CLIENTS`."""
    package: str
    version: str
    folder: str = "*"
    """Where the sources lie in the unpacked package: a pattern that matches exactly one folder."""


CORPORA: tuple[Corpus, ...] = (
    Corpus("django", "Python", "pip", "django", "5.2"),
    Corpus("scrapy", "Python", "pip", "scrapy", "2.13.3"),
    Corpus("networkx", "Python", "pip", "networkx", "3.4.2"),
    Corpus("rxjs", "TypeScript", "npm", "rxjs", "7.8.2", "package/src"),
    Corpus("viper", "Go", "apt", "golang-github-spf13-viper-dev", "1.10.1-1", "usr/share/gocode/src/*/spf13/viper"),
    Corpus("regex", "Rust", "apt", "librust-regex-dev", "1.7.1-1", "usr/share/cargo/registry/*"),
    Corpus("clap", "Rust", "apt", "librust-clap-dev", "4.0.32-1", "usr/share/cargo/registry/*"),
)


def run(command: Sequence[str], cwd: Path) -> None:
    """Run a client in `cwd`; raise CorpusError with the end of its output if it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-5:]
        raise CorpusError("\n  ".join([f"`{' '.join(command)}` failed with exit status {done.returncode}:", *said]))


def require(program: str, purpose: str) -> str:
    """Return the full path of a program; raise CorpusError if it is not installed."""
    path = shutil.which(program)
    if path is None:
        raise CorpusError(f"{program} is not installed or not on PATH; it is needed to {purpose}")
    return path


def the_only(folder: Path, pattern: str) -> Path:
    """Return the one path below `folder` that matches `pattern`."""
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise CorpusError(f"expected one {pattern!r} in the download, found {len(found)}")
    return found[0]


def unpack_tar(archive: Path, into: Path) -> None:
    """Unpack a tar archive, refusing members that would land outside `into`."""
    if not hasattr(tarfile, "data_filter"):  # Python before 3.10.12 or 3.11.4
        raise CorpusError("this Python has no tarfile.data_filter to unpack archives safely; use a newer patch release")
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(into, filter="data")
    except tarfile.TarError as error:
        raise CorpusError(f"{archive.name} cannot be unpacked: {error}") from error


def from_pip(corpus: Corpus, downloads: Path, unpacked: Path) -> str:
    """Bring a Python source distribution; return its version."""
    if importlib.util.find_spec("pip") is None:
        raise CorpusError(f"{sys.executable} has no pip module; it is needed to download {corpus.package}")
    pin = f"{corpus.package}=={corpus.version}"
    run([sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", corpus.package, pin], downloads)
    unpack_tar(the_only(downloads, "*.tar.gz"), unpacked)
    return corpus.version


def from_npm(corpus: Corpus, downloads: Path, unpacked: Path) -> str:
    """Bring an npm package's tarball; return its version."""
    npm = require("npm", f"download {corpus.package}")
    run([npm, "pack", "--ignore-scripts", f"{corpus.package}@{corpus.version}"], downloads)
    unpack_tar(the_only(downloads, "*.tgz"), unpacked)
    return corpus.version


def from_apt(corpus: Corpus, downloads: Path, unpacked: Path) -> str:
    """Bring a Debian source-library package without installing it; return its version.

    A release offers one version of a package: where that is not the pinned one, the one on offer is taken.
    """
    apt = require("apt-get", f"download {corpus.package}")
    dpkg = require("dpkg-deb", f"unpack {corpus.package}")
    try:
        run([apt, "download", f"{corpus.package}={corpus.version}"], downloads)
    except CorpusError:
        run([apt, "download", corpus.package], downloads)
    archive = the_only(downloads, "*.deb")
    run([dpkg, "--extract", str(archive), str(unpacked)], downloads)
    return unquote(archive.stem.split("_")[1])


CLIENTS: dict[str, Callable[[Corpus, Path, Path], str]] = {"pip": from_pip, "npm": from_npm, "apt": from_apt}


def lay_out(corpus: Corpus, dest: Path) -> str:
    """Bring one corpus into `dest` and return a line that says what was written; `dest` holds all of it or nothing."""
    target = dest / corpus.name
    if target.exists():
        return f"{corpus.name}: already at {target}, left as it is"
    with tempfile.TemporaryDirectory(dir=dest, prefix=f".{corpus.name}-") as scratch:
        downloads, unpacked = Path(scratch, "downloads"), Path(scratch, "unpacked")
        downloads.mkdir()
        unpacked.mkdir()
        version = CLIENTS[corpus.client](corpus, downloads, unpacked)
        the_only(unpacked, corpus.folder).rename(target)
    sizes = [path.stat().st_size for path in target.rglob("*") if path.is_file()]
    pinned = "" if version == corpus.version else f" (pinned {corpus.version} is not on offer here)"
    return (
        f"{corpus.name}: {corpus.package} {version}{pinned}, {corpus.language}, {len(sizes)} files, "
        f"{sum(sizes) / 1e6:.1f} MB, at {target}"
    )


def main() -> int:
    """Lay out the wanted corpora, one line each; return 1 if any is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dest", type=Path, help="folder to write the corpora into (made if absent)")
    names = [corpus.name for corpus in CORPORA]
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="NAME", help=f"any of: {', '.join(names)}"
    )
    options = parser.parse_args()
    options.dest.mkdir(parents=True, exist_ok=True)
    dest = options.dest.resolve()
    failed = False
    for corpus in CORPORA:
        if corpus.name not in options.only:
            continue
        try:
            print(lay_out(corpus, dest), flush=True)
        except CorpusError as error:
            failed = True
            print(f"{corpus.name}: not written: {error}", file=sys.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
