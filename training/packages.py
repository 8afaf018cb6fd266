"""Packages of Debian that carry source code to folders of it: what `training/packages.yaml` names.

    python training/packages.py training/packages.yaml PACKAGES [--limit N]

Needs Debian or a derivative whose archive has these versions. Of each package only files of code and documents are written, and
of one whose copyright file names a licence that is not permissive for anything but the packaging, nothing. What is there already
is left as it is. Nothing of Wayfind calls this.
"""

from __future__ import annotations

import argparse
import glob
import io
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from wayfind.train.sources.tree import DOCUMENTS, is_code, language_of

PERMISSIVE = {
    "expat": "MIT", "mit": "MIT", "mit/x11": "MIT", "mit-license": "MIT", "apache-2.0": "Apache-2.0", "apache-2": "Apache-2.0",
    "bsd-2-clause": "BSD-2-Clause", "bsd-2": "BSD-2-Clause", "bsd-3-clause": "BSD-3-Clause", "bsd-3": "BSD-3-Clause", "bsd-0-clause": "0BSD",
    "0bsd": "0BSD", "isc": "ISC", "zlib": "Zlib", "zlib/libpng": "Zlib", "unlicense": "Unlicense", "postgresql": "PostgreSQL",
    "boost-1.0": "BSL-1.0", "bsl-1.0": "BSL-1.0", "boost": "BSL-1.0", "python-2.0": "PSF-2.0", "psf-2": "PSF-2.0", "psf-2.0": "PSF-2.0", "psf": "PSF-2.0",
}  # fmt: skip
"""Debian's short names of licences -> SPDX. What is not here is not taken."""
ASIDE = re.compile(r"(?:debian|docs?|tests?|t|examples?|m4|ci|\.github|build-aux)/|[^/]*\.(?:m4|spec|po|txt|md|rst|html|svg|png)$|(?:.*/)?(?:configure|ltmain|install-sh|Makefile|config\.)[^/]*$")
"""Patterns of a copyright file that say nothing of the code that is installed."""
LARGEST = 1_000_000
"""Bytes of a file that is written."""
AT_ONCE = 40
"""Packages asked for in one call."""
ROOT = re.compile(
    r"""(?x)(?:usr/share/gocode/src/(?:(?:github|gitlab|bitbucket)\.(?:com|org)/[^/]+/[^/]+/|[^/]+/[^/]+/(?=[^/]+/)|)
      |usr/share/cargo/registry/[^/]+/|usr/(?:share|lib|lib/[^/]+)/nodejs/|usr/lib/python3/dist-packages/|usr/share/rubygems-integration/[^/]+/gems/[^/]+/
      |usr/lib/ruby/vendor_ruby/|usr/share/php/|usr/share/perl5/|usr/lib/ocaml/|usr/share/lua/5\.\d/|usr/include/)"""
)
"""Where the packages of a language put its code; what lies elsewhere is not taken."""


@dataclass(frozen=True, slots=True)
class Stanza:
    """A paragraph of a machine-readable copyright file: which files stand under which licence."""

    files: tuple[str, ...]
    licence: str
    text: str

    @property
    def is_packaging(self) -> bool:
        """Whether it is about nothing that is installed as code: the packaging, build files, tests, documents."""
        return all(ASIDE.match(pattern) for pattern in self.files)


def stanzas(copyright_file: str) -> list[Stanza]:
    """The paragraphs with files of a copyright file; a licence whose text stands elsewhere in the file gets that text."""
    fields = [_fields(paragraph) for paragraph in re.split(r"\n\s*\n", copyright_file)]
    texts = {one["license"].partition("\n")[0].strip().lower(): one["license"].partition("\n")[2] for one in fields if "license" in one}
    found = []
    for one in fields:
        if "files" in one and "license" in one:
            name, _, text = one["license"].partition("\n")
            files = tuple(pattern.removeprefix("./") for pattern in re.split(r"[\s,]+", one["files"].strip()))
            found.append(Stanza(files, name.strip(), text or texts.get(name.strip().lower(), "")))
    return found


def _fields(paragraph: str) -> dict[str, str]:
    found: dict[str, str] = {}
    key = ""
    for line in paragraph.split("\n"):
        if line[:1].isspace() and key:
            found[key] += "\n" + line.strip()
        elif match := re.match(r"([A-Za-z-]+):(.*)", line):
            key = match[1].lower()
            found[key] = match[2].strip()
    return found


def permissive(stanza: Stanza) -> str:
    """The SPDX expression of a stanza's licence, of a choice only what is permissive; empty where it is not.

    >>> permissive(Stanza(("*",), "Expat or GPL-2+", "")), permissive(Stanza(("*",), "Expat and GPL-2+", ""))
    ('MIT', '')
    """
    either = [_all_of(one, stanza.text) for one in re.split(r"\s*(?:,?\s+or\s+|\|+)\s*", stanza.licence, flags=re.IGNORECASE)]
    return " OR ".join(sorted({one for one in either if one}))


def _all_of(names: str, text: str) -> str:
    known = [_spdx(name, text) for name in re.split(r"\s*(?:,?\s+and\s+|,)\s*", names.strip(), flags=re.IGNORECASE)]
    return " AND ".join(sorted(set(known))) if all(known) else ""


def _spdx(name: str, text: str) -> str:
    short = name.strip().lower()
    if short in ("bsd", "bsd-style", "bsd-like") and "edistribution and use in source and binary forms" in text and "advertising materials" not in text:
        return "BSD-3-Clause" if re.search(r"(?i)neither\s+the\s+names?|name\s+of\s+.{1,80}\s+may\s+not", text) else "BSD-2-Clause"
    return PERMISSIVE.get(short, "")


def licence(found: Iterable[Stanza]) -> str:
    """The SPDX expression of a package, empty where anything of it but the packaging is not under a permissive licence."""
    own = [one for one in found if not one.is_packaging]
    parts = dict.fromkeys(map(permissive, own))
    if not parts or "" in parts or not any("*" in one.files for one in own):
        return ""
    return joined(parts)


def joined(expressions: Iterable[str]) -> str:
    """One SPDX expression that holds for all.

    >>> joined(["MIT OR Apache-2.0", "MIT AND ISC", "ISC"])
    '(MIT OR Apache-2.0) AND ISC AND MIT'
    """
    parts = sorted({part for one in expressions for part in (one.split(" AND ") if " OR " not in one else [one])})
    return " AND ".join(f"({part})" if " OR " in part and len(parts) > 1 else part for part in parts)


def files_of(package: Path) -> tuple[str, dict[str, bytes]]:
    """The copyright file of a downloaded package, and its files of code and documents by path within the language's own place."""
    copyright_file, found = "", {}
    content = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(package)], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(content)) as opened:
        for member in opened:
            path = member.name.removeprefix("./")
            root = ROOT.match(path)
            is_copyright = re.fullmatch(r"usr/share/doc/[^/]+/copyright", path) is not None
            if not member.isfile() or not (is_copyright or (root and member.size <= LARGEST and is_taken(path[root.end() :]))):
                continue
            file = opened.extractfile(member)
            data = file.read() if file else b""
            if is_copyright:
                copyright_file = data.decode("utf-8", "replace")
            elif root:
                found[path[root.end() :]] = data
    return copyright_file, found


def is_taken(path: str) -> bool:
    """Whether a file is code or a document."""
    language = language_of(path)
    return is_code(language) or language in DOCUMENTS


def downloaded(packages: Iterable[tuple[str, str]], folder: Path) -> None:
    """Download packages (name, version) as apt does, each checked by its hash. What is not to be had is left out."""
    wanted = [f"{name}={version}" for name, version in packages]
    if subprocess.run(["apt-get", "download", "-qq", *wanted], cwd=folder, check=False, capture_output=True).returncode:
        for one in wanted:
            subprocess.run(["apt-get", "download", "-qq", one], cwd=folder, check=False, capture_output=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("list", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=0, help="fetch only so many of those that are not there yet")
    given = parser.parse_args()
    entries = yaml.safe_load(given.list.read_text(encoding="utf-8"))["repositories"]
    missing = [one for one in entries if not (given.folder / one["name"].replace("/", "+")).is_dir()][: given.limit or None]
    for start in range(0, len(missing), AT_ONCE):
        part = missing[start : start + AT_ONCE]
        found = fetched(part, given.folder)
        for one in part:
            if found.get(one["name"], "") != one.get("licence"):
                print(f"{one['name']}: licence {found.get(one['name'], 'of none that was had')!r}, the list says {one.get('licence')!r}", flush=True)
        print(f"{min(start + AT_ONCE, len(missing))} of {len(missing)}", flush=True)


def fetched(entries: list[dict], folder: Path) -> dict[str, str]:
    """Download and unpack entries; a project of several packages has a folder for each in its own. Returns the licence of each."""
    found: dict[str, str] = {}
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.resolve()) as scratch:
        at = Path(scratch)
        downloaded([(one["package"], str(one["version"])) for entry in entries for one in entry["packages"]], at)
        for entry in entries:
            place, licences = at / "tree", []
            for one in entry["packages"]:
                archive = next(at.glob(f"{glob.escape(one['package'])}_*.deb"), None)
                copyright_file, files = files_of(archive) if archive else ("", {})
                if said := licence(stanzas(copyright_file)):
                    licences.append(said)
                    written(files, place / one["package"] if len(entry["packages"]) > 1 else place)
            if place.is_dir():
                place.rename(folder / entry["name"].replace("/", "+"))
                found[entry["name"]] = joined(licences)
    return found


def written(files: dict[str, bytes], folder: Path) -> None:
    for path, data in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


if __name__ == "__main__":
    main()
