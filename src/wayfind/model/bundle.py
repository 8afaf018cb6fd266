"""A bundle: the folder that a trained model is shipped in. Its `bundle.json` names every file with its SHA-256.

Weights are safetensors or ONNX. A bundle of another format or with a changed file is refused, never half used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from wayfind.errors import ModelError

BUNDLE_FORMAT = 1
MANIFEST = "bundle.json"
BASE = Path(__file__).parent / "base"
"""The bundle that comes with Wayfind."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A checked bundle. `id` tells its weights from all others; what is computed with them is keyed by it."""

    folder: Path
    name: str
    id: str
    parts: Mapping[str, Any]
    """Part (`static`, `encoder` …) -> its settings."""

    def path(self, name: str) -> Path:
        return self.folder / name


def load(folder: Path) -> Bundle:
    """The bundle in `folder`, every file's checksum verified. Raises ModelError."""
    manifest = folder / MANIFEST
    try:
        head = json.loads(manifest.read_text(encoding="utf-8"))
        found, files, name, parts = head["format"], head["files"], head["name"], head["parts"]
    except OSError as error:
        raise ModelError(f"no model bundle in {folder}: {MANIFEST} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{manifest} does not describe a bundle ({error!r})") from error
    if found != BUNDLE_FORMAT:
        raise ModelError(f"{folder} holds a bundle of format {found}; this wayfind reads format {BUNDLE_FORMAT}")
    for file, digest in sorted(files.items()):
        if digest_of(folder / file) != digest:
            raise ModelError(f"{folder / file} is not the file that {MANIFEST} names; install the bundle again")
    return Bundle(folder, name, identity(files), parts)


@cache
def base() -> Bundle | None:
    """The bundle that comes with Wayfind, if one does."""
    return load(BASE) if (BASE / MANIFEST).is_file() else None


def write(folder: Path, name: str, parts: Mapping[str, Any], files: Mapping[str, bytes], about: Mapping[str, Any]) -> Bundle:
    """Write a bundle: its files, then the manifest that names them. `about` (recipe, data, scores) is kept in it as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, data in files.items():
        (folder / file).write_bytes(data)
    digests = {file: digest_of(folder / file) for file in sorted(files)}
    head = {"format": BUNDLE_FORMAT, "name": name, "parts": parts, "files": digests, "about": about}
    (folder / MANIFEST).write_text(json.dumps(head, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return load(folder)


def identity(files: Mapping[str, str]) -> str:
    """Sixteen hexadecimal digits that stand for the files' contents."""
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:16]


def digest_of(path: Path) -> str:
    """SHA-256 of a file, "" where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return ""
