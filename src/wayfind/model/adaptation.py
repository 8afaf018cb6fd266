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
import math
import zipfile
import zlib
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
MOST_WEIGHT = 100.0
"""Factors and weights above are no longer any that learning gives; sums of far larger ones are no numbers."""
_ARRAYS = {
    "map.down": ("float32", "rank dim", -math.inf, math.inf),
    "map.up": ("float32", "dim rank", -math.inf, math.inf),
    "manner.weight": ("float32", "dim+1", -math.inf, math.inf),
    "memory.codes": ("int8", "question dim", -128, 127),
    "memory.weight": ("float32", "question", 0, 1),
    "memory.question": ("int32", "answer", 0, math.inf),
    "memory.place": ("int64", "answer", -math.inf, math.inf),
    "often.place": ("int64", "place", -math.inf, math.inf),
    "often.value": ("float32", "place", 0, math.inf),
    "terms.digest": ("int64", "term", -math.inf, math.inf),
    "terms.factor": ("float32", "term", 0, MOST_WEIGHT),
}
"""Array -> its type, axes, least and most value. An axis has one size in all of them; of what comes before the dot all are there or none."""
_WORDS = 1
"""Format of the words that `search.vocabulary` reads."""
_PARTS = {"before": 1, "after": 1, "gain": 4}
"""Numbers of a figure that are shown: means, and of the gain its interval and the questions."""
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, EOFError, OverflowError, RuntimeError, MemoryError, zlib.error, zipfile.BadZipFile)


@dataclass(frozen=True, slots=True)
class Adaptation:
    """What was learned. `id` stands for all of it; `model` is the bundle whose vectors it is about, empty for words alone."""

    id: str
    model: str
    arrays: Mapping[str, np.ndarray]
    about: Mapping[str, Any]
    """Components, split, digests of the questions that were used, figures before and after."""

    @property
    def dim(self) -> int | None:
        """Components of the vectors that it is about; None where it is about none."""
        sizes = [len(self.arrays[name]) + more for name, more in (("map.up", 0), ("manner.weight", -1)) if name in self.arrays]
        return self.arrays["memory.codes"].shape[1] if "memory.codes" in self.arrays else next(iter(sizes), None)


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
        with np.load(io.BytesIO(payload), allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files}
        found = Adaptation(hashlib.sha256(data).hexdigest()[:16], header["model"], arrays, header["about"])
        _check(found)
        return found
    except _UNREADABLE as error:
        raise ModelError(f"{where} does not hold an adaptation ({error!r}); make it again with: wayfind learn") from error


def store(folder: Path, adaptation: Adaptation, data: bytes | None = None) -> None:
    """Keep an adaptation in a folder, not yet in use. `data`: the bytes that it was read from, of which its id is the checksum; another
    library may write the same numbers otherwise. Raises StorageError."""
    replace_file(_path(folder, adaptation.id), packed(adaptation) if data is None else data)


def stored(folder: Path, identity: str) -> bytes:
    """The bytes that are kept under this id. Raises NotFound."""
    path = _path(folder, identity)
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFound(f"{path} cannot be read ({error.strerror}); make it again with: wayfind learn") from error


def load(folder: Path, identity: str) -> Adaptation:
    """The adaptation of this id. Raises NotFound, ModelError."""
    path = _path(folder, identity)
    found = unpacked(stored(folder, identity), str(path))
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


def _check(adaptation: Adaptation) -> None:
    """Raises ValueError, or whatever comes of reading on, for what a search or `learn --status` could not use."""
    _wanted(isinstance(adaptation.model, str) and isinstance(adaptation.about, dict), "the model is no text, or the rest no object")
    _check_arrays(adaptation.arrays)
    about = adaptation.about
    for name, weight in about.get("weights", {}).items():
        _wanted(0 <= weight <= MOST_WEIGHT, f"the weight of {name!r} is {weight}")
    words = about.get("words") or {"format": _WORDS, "words": {}}
    _wanted(words["format"] == _WORDS, f"words of format {words['format']}, expected {_WORDS}")
    for word in words["words"].values():
        for one in word["means"]:
            _wanted(isinstance(one["term"] + one["written"] + word["written"], str) and 0 <= one["strength"] <= 1 and isinstance(one["seen"], dict), "a word's meaning")
    for part, figures in (about.get("figures") or {}).items():
        for figure in figures.values() if part != "why" else ():
            for name, least in _PARTS.items():
                _wanted(len(figure[name]) >= least and all(isinstance(value, (int, float)) for value in figure[name]), f"{name} of a figure of {part!r}")
    texts = [*(about.get("components") or ()), about.get("boundary") or "", *(digest for part in about.get("used", {}).values() for digest in part)]
    _wanted(all(isinstance(text, str) for text in texts), "components, boundary or questions that are no text")


def _check_arrays(arrays: Mapping[str, np.ndarray]) -> None:
    _wanted(arrays.keys() <= _ARRAYS.keys(), f"arrays that this version does not know: {', '.join(sorted(arrays.keys() - _ARRAYS.keys()))}")
    groups = {name.partition(".")[0] for name in arrays}
    missing = [name for name in _ARRAYS if name.partition(".")[0] in groups and name not in arrays]
    _wanted(not missing, f"no {', '.join(missing)}")
    sizes: dict[str, int] = {}
    for name, values in arrays.items():
        kind, axes, least, most = _ARRAYS[name]
        found = f"{name} is {values.dtype} {list(values.shape)}, expected {kind} [{axes}]"
        _wanted(values.dtype == kind and values.ndim == len(axes.split()), found)
        for axis, size in zip(axes.split(), values.shape):
            word, more = axis.removesuffix("+1"), axis.endswith("+1")
            _wanted(sizes.setdefault(word, size - more) == size - more, f"{found}, {word} being {sizes[word]}")
        _wanted(bool(np.isfinite(values).all() and (values >= least).all() and (values <= most).all()), f"{name} has values out of {least} to {most}")
    _wanted(not len(arrays.get("memory.question", ())) or int(arrays["memory.question"].max()) < sizes["question"], "memory.question names one that is not there")


def _wanted(true: bool, otherwise: str) -> None:
    if not true:
        raise ValueError(otherwise)
