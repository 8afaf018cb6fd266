"""Too little memory, as one error of ours: torch has several for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from wayfind.errors import TrainingError


@contextmanager
def enough_memory(lower: str) -> Iterator[None]:
    """Raise TrainingError, which says what to lower, where what is done inside finds too little memory."""
    try:
        yield
    except RuntimeError as problem:
        if not isinstance(problem, torch.OutOfMemoryError) and "allocate memory" not in str(problem):
            raise
        raise TrainingError(f"not enough memory for these sizes: lower {lower}") from problem
