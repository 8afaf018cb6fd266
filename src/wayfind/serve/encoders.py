"""The option --encoder: a folder in, the model in use out. An encoder without an ONNX graph is converted once, by a process of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from wayfind.errors import ModelError, NotFound, UsageError
from wayfind.serve.exits import note
from wayfind.serve.processes import python

VARIABLE = "WAYFIND_MODEL"


def use_encoder(folder: str) -> None:
    """Have this process use the encoder in a folder: a bundle, the output of a training, or one with an ONNX graph or weights for
    `transformers`.

    Raises NotFound, ModelError, UsageError.
    """
    path = Path(folder).expanduser().resolve()
    if not path.is_dir():
        raise NotFound(f"{folder} is no folder; give the folder of a bundle or of an encoder (config.json, tokenizer.json, model.onnx or model.safetensors)")
    os.environ[VARIABLE] = os.fspath(_converted(path))


def _converted(folder: Path) -> Path:
    from wayfind.model.bundle import MANIFEST, folder_bundle
    from wayfind.model.foreign import check_files, converted_place, graph_of, is_foreign

    if (folder / MANIFEST).is_file():
        return folder
    if not is_foreign(folder):
        return folder_bundle(folder).folder  # or says what is expected, before an index is made
    check_files(folder)
    if graph_of(folder):
        return folder
    place = converted_place(folder)
    if not (place / MANIFEST).is_file():
        _convert(folder, place)
    return place


def _convert(folder: Path, place: Path) -> None:
    note(f"converting {folder} to ONNX, once; it takes up to a minute, and what is made is kept in {place}")
    done = subprocess.run(python("wayfind.train.convert", folder, place), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        missing = next((line for line in said if "No module named" in line), "")
        if missing:
            raise UsageError(f"an encoder of transformers is converted with torch: pip install 'wayfind[train,encoders]' transformers ({missing.rpartition(': ')[2]})")
        raise ModelError(f"{folder} cannot be converted: {said[-1] if said else 'the process was ended'}")
