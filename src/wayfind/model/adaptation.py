"""An adaptation: what was learned of one repository, as numbers and names of places, in one immutable, checksummed file.

In comes what `train.adapt` fitted, out goes what search loads; an adaptation with another format, a changed byte or made for
another model is refused. It holds no text of the repository but words: those whose weight or meaning was learned. The folder
`learned` beside an index keeps the adaptations; `current.json` names the one in use and those before it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wayfind.errors import ModelError, NotFound
from wayfind.files import replace_file

MAGIC = b"WAYFIND ADAPTATION 1\n"
SUFFIX = ".adaptation"
CURRENT = "current.json"
FOLDER = "learned"
MOST_KEPT = 5
"""Adaptations that are kept for going back, the one in use among them."""


@dataclass(frozen=True, slots=True)
class Adaptation:
    """What was learned. `id` stands for all of it; `model` is the bundle whose vectors it is about, empty for words alone."""

    id: str
    model: str
    arrays: Mapping[str, np.ndarray]
    about: Mapping[str, Any]
    """Components, split, digests of the questions that were used, figures before and after."""


def made(model: str, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> Adaptation:
    """The adaptation of these numbers."""
    return unpacked(_packed(model, arrays, about), "an adaptation")


def packed(adaptation: Adaptation) -> bytes:
    """The adaptation as one file's bytes; the same for the same content."""
    return _packed(adaptation.model, adaptation.arrays, adaptation.about)


def unpacked(data: bytes, where: str) -> Adaptation:
    """The adaptation in a file's bytes. Raises ModelError, with `where`, for anything else."""
    if not data.startswith(MAGIC):
        raise ModelError(f"{where} is no adaptation of this version; make one with: wayfind learn")
    head, _, payload = data[len(MAGIC) :].partition(b"\n")
    try:
        header = json.loads(head)
        if hashlib.sha256(payload).hexdigest() != header["sha256"] or _digest(header["model"], header["about"]) != header["said"]:
            raise ModelError(f"{where} is damaged: its checksum does not fit; make it again with: wayfind learn")
        with np.load(io.BytesIO(payload), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return Adaptation(hashlib.sha256(data).hexdigest()[:16], header["model"], arrays, header["about"])
    except (ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise ModelError(f"{where} does not hold an adaptation ({error!r}); make it again with: wayfind learn") from error


def store(folder: Path, adaptation: Adaptation) -> None:
    """Keep an adaptation in a folder, not yet in use. Raises StorageError."""
    replace_file(_path(folder, adaptation.id), packed(adaptation))


def load(folder: Path, identity: str) -> Adaptation:
    """The adaptation of this id. Raises NotFound, ModelError."""
    path = _path(folder, identity)
    try:
        found = unpacked(path.read_bytes(), str(path))
    except OSError as error:
        raise NotFound(f"{path} cannot be read ({error.strerror}); make it again with: wayfind learn") from error
    if found.id != identity:
        raise ModelError(f"{path} holds another adaptation than its name says; make it again with: wayfind learn")
    return found


def use(folder: Path, identity: str) -> None:
    """Have searches use a stored adaptation from now on; older ones than MOST_KEPT go. Raises StorageError."""
    before = [one for one in line(folder) if one != identity][: MOST_KEPT - 1]
    _point(folder, [identity, *before])


def roll_back(folder: Path) -> str:
    """Have searches use the adaptation before the present one, or none. Returns its id, empty for none. Raises NotFound where
    none is in use."""
    present = line(folder)
    if not present:
        raise NotFound("nothing learned is in use here; there is nothing to go back from")
    _point(folder, present[1:])
    return present[1] if len(present) > 1 else ""


def current(folder: Path) -> str:
    """Id of the adaptation in use, empty for none. A pointer that cannot be read counts as none."""
    return next(iter(line(folder)), "")


def line(folder: Path) -> list[str]:
    """Ids of the adaptation in use and of those before it, newest first."""
    try:
        found = json.loads((folder / CURRENT).read_text(encoding="utf-8"))
        return [str(one) for one in found["line"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _point(folder: Path, line: list[str]) -> None:
    replace_file(folder / CURRENT, json.dumps({"line": line}).encode())
    for path in folder.glob(f"*{SUFFIX}"):
        if path.name.removesuffix(SUFFIX) not in line:
            with contextlib.suppress(OSError):
                path.unlink()


def _path(folder: Path, identity: str) -> Path:
    return folder / f"{identity}{SUFFIX}"


def _packed(model: str, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> bytes:
    out = io.BytesIO()
    np.savez(out, **{name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)})
    payload = out.getvalue()
    head = {"model": model, "about": about, "said": _digest(model, about), "sha256": hashlib.sha256(payload).hexdigest()}
    return MAGIC + json.dumps(head, sort_keys=True).encode() + b"\n" + payload


def _digest(model: str, about: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps([model, about], sort_keys=True).encode()).hexdigest()
