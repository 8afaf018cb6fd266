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

from wayfind.config import value_of
from wayfind.errors import ModelError
from wayfind.files import replace_file

BUNDLE_FORMAT = 1
MANIFEST = "bundle.json"
BASE = Path(__file__).parent / "base"
"""The bundle that comes with Wayfind."""
BESIDE = ("decoder", "background")
"""Parts on which no vector depends."""
OUTPUT = "bundle"
"""Folder of the bundle in the output folder of a training."""
_PIECE = 1 << 22
"""Bytes that are read at a time."""
_SHOWN = 6
"""Files of a folder without an encoder that are named."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose manifest was read. `id` tells its weights from all others; what is computed with them is keyed by it."""

    folder: Path
    name: str
    id: str
    parts: Mapping[str, Any]
    """Part (`static`, `encoder` …) -> its settings."""
    digests: Mapping[str, str]
    """File -> SHA-256."""

    @property
    def encoder_id(self) -> str:
        """`id` without what stands beside the encoder: with another decoder, or none, it makes the same vectors, which stay."""
        beside = {value for name in BESIDE for value in self.parts.get(name, {}).values() if isinstance(value, str)}
        digests = {file: digest for file, digest in self.digests.items() if file not in beside}
        return identity(digests, {name: part for name, part in self.parts.items() if name not in BESIDE})

    def checked(self, name: str) -> Path:
        """The path of a file that is the one that was shipped. Raises ModelError where it is not."""
        path = self.folder / name
        if name not in self.digests or digest_of(path) != self.digests[name]:
            raise ModelError(f"{path} is not the file that {MANIFEST} names; install the bundle again")
        return path

    def check(self) -> None:
        """Check every file. Raises ModelError."""
        for name in self.digests:
            self.checked(name)


def load(folder: Path) -> Bundle:
    """The bundle in `folder`; its files are checked when they are used. Raises ModelError."""
    manifest = folder / MANIFEST
    try:
        head = json.loads(manifest.read_text(encoding="utf-8"))
        found, digests, name, parts = head["format"], dict(head["files"]), head["name"], dict(head["parts"])
    except OSError as error:
        raise ModelError(f"no model bundle in {folder}: {MANIFEST} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{manifest} does not describe a bundle ({error!r})") from error
    if found != BUNDLE_FORMAT:
        raise ModelError(f"{folder} holds a bundle of format {found}; this wayfind reads format {BUNDLE_FORMAT}")
    return Bundle(folder, name, identity(digests, parts), parts, digests)


def current(tree: Path | None = None) -> Bundle | None:
    """The bundle that the setting `model` names: the one that comes with Wayfind, a folder of one's own, or none; for the tree whose
    index lies in a folder, what was made of it by `wayfind learn --full`, where that is in use.

    Raises ModelError where the folder holds none.
    """
    bundle = _named(value_of("model"))
    return bundle if bundle is None or tree is None else tuned_of(tree, bundle) or bundle


TUNED, TUNED_RECORD = "tuned", "current.json"
"""Folder beside the index of a tree in which tuned bundles lie, and the file there that names the one in use and its base."""


def tuned_of(tree: Path, base: Bundle) -> Bundle | None:
    """The bundle that was made of `base` for a tree and is in use, if any; one that is gone or damaged stops no search."""
    try:
        record = json.loads((tree / TUNED / TUNED_RECORD).read_text(encoding="utf-8"))
        return _tuned(tree / TUNED / record["bundle"], record["bundle"]) if record["base"] == base.encoder_id else None
    except (OSError, ValueError, KeyError, TypeError, ModelError):
        return None


@cache
def _tuned(folder: Path, identity: str) -> Bundle:
    return load(folder)


def use_tuned(tree: Path, bundle: str, base: str) -> None:
    """Use the tuned bundle of this id for a tree from now on; an empty id: the base again."""
    record = tree / TUNED / TUNED_RECORD
    if not bundle:
        record.unlink(missing_ok=True)
        return
    replace_file(record, (json.dumps({"bundle": bundle, "base": base}) + "\n").encode())


@cache
def _named(name: str) -> Bundle | None:
    if name == "none" or (name == "base" and not (BASE / MANIFEST).is_file()):
        return None
    folder = BASE if name == "base" else Path(name)
    return folder_bundle(folder)


def folder_bundle(folder: Path) -> Bundle:
    """The bundle in a folder, or that of a training's output, or the encoder of another make (`model.foreign`). Raises ModelError."""
    from wayfind.model.foreign import describe, is_foreign

    if not (folder / MANIFEST).is_file() and is_foreign(folder):
        return describe(folder)
    if (found := within(folder)) is None and folder.is_dir():
        raise ModelError(_not_served(folder))
    return load(found or folder)


def within(folder: Path) -> Path | None:
    """Where the bundle of a folder lies: in itself, or, of a training's output, in its `bundle`; None where neither has one."""
    return next((place for place in (folder, folder / OUTPUT) if (place / MANIFEST).is_file()), None)


def _not_served(folder: Path) -> str:
    """Why a folder without an encoder cannot be used, and what to name or to run instead."""
    is_checkpoint = (folder / "state.json").is_file()
    if is_checkpoint or any(True for place in ("", "stage-*/") for _ in folder.glob(f"{place}step-*/state.json")):
        output = folder.parent if is_checkpoint else folder
        output = output.parent if output.name.startswith("stage-") else output
        whole = f"name the bundle of that training: {made}" if (made := within(output)) else f"train to the end, where a bundle is written: wayfind train --config FILE --output {output} --resume"
        return f"{folder} {'is a checkpoint' if is_checkpoint else 'holds checkpoints'} of `wayfind train`, which no search reads; {whole}, or judge it as it is: wayfind eval --model-path {folder}"
    held = ", ".join(sorted(path.name for path in folder.iterdir())[:_SHOWN]) or "nothing"
    return (
        f"no encoder in {folder}: expected {MANIFEST} of a bundle, or config.json with tokenizer.json or vocab.txt and model.onnx or "
        f"model.safetensors, as sentence-transformers and transformers write them; found {held}"
    )


def write(folder: Path, name: str, parts: Mapping[str, Any], files: Mapping[str, bytes], about: Mapping[str, Any]) -> Bundle:
    """Write a bundle: its files, then the manifest that names them. `about` (recipe, data, scores) is kept in it as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, data in files.items():
        (folder / file).write_bytes(data)
    digests = {file: digest_of(folder / file) for file in sorted(files)}
    head = {"format": BUNDLE_FORMAT, "name": name, "parts": parts, "files": digests, "about": about}
    (folder / MANIFEST).write_text(json.dumps(head, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return load(folder)


def identity(digests: Mapping[str, str], parts: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits that stand for the files' contents and how they are used."""
    return hashlib.sha256(json.dumps([digests, parts], sort_keys=True).encode()).hexdigest()[:16]


def digest_of(path: Path) -> str:
    """SHA-256 of a file, "" where it cannot be read."""
    try:
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
        return digest.hexdigest()
    except OSError:
        return ""
