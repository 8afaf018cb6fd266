"""Where a training computes, what a device takes at a time, and how one of several processes ends."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import NoReturn

import torch

from wayfind.errors import UsageError
from wayfind.train.config import MPS_BATCH


@dataclass(frozen=True, slots=True)
class Limits:
    """What a device asks for: texts encoded at a time at most (0: any), and whether each batch is waited for."""

    texts: int = 0
    synchronise: bool = False

    def at_most(self, wanted: int) -> int:
        """Texts encoded at a time where so many are asked for; 0 is all at once."""
        return min(wanted or self.texts, self.texts) if self.texts else wanted


def limits_of(device: str) -> Limits:
    """An Apple GPU gets small batches and a synchronisation after each: without them training was unstable there."""
    return Limits(MPS_BATCH, True) if device == "mps" else Limits()


def device_of(wanted: str) -> torch.device:
    """The device that `loop.device` names, of several processes each its own. Raises UsageError where it is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    name = wanted if wanted != "auto" else next(name for name in there if there[name])
    if not there[name]:
        raise UsageError(f"loop.device is {name}, which is not there; there is {', '.join(name for name in there if there[name])}")
    return torch.device(name, int(os.environ.get("LOCAL_RANK", 0))) if name == "cuda" else torch.device(name)


def leave(code: int = 0) -> NoReturn:
    """End this process, one of several, without the interpreter's own end.

    gloo's threads outlive `destroy_process_group`; one that lets go of a tensor while the interpreter ends aborts the process, and
    torchrun then ends the others, the first while it exports (pytorch#179291).
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
