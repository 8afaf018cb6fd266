"""The errors of Wayfind. Each says what was expected, what was found and what to run.

WayfindError
 ├── UsageError            the request cannot be understood (bad path, query, option, spec file)
 │    └── NotFound         the named file, line or repository is not there
 ├── IndexError_           the index cannot be used
 │    ├── IndexDamaged     a checksum or a structure is wrong
 │    ├── IndexVersion     written by another version of Wayfind
 │    └── IndexBusy        another process is writing it and did not finish in time
 ├── ModelError            a model bundle is missing, damaged or of another format
 ├── TrainingError         training cannot go on
 │    └── Collapsed        the latents became one point; the text names the term that pulled
 └── StorageError          the disk refused (full, read-only, no permission)
"""

from __future__ import annotations


class WayfindError(Exception):
    """Base of every error that Wayfind raises on purpose; its text is meant for the user."""


class UsageError(WayfindError):
    """The request cannot be understood."""


class NotFound(UsageError):
    """The named file, line or repository is not there."""


class IndexError_(WayfindError):
    """The index cannot be used as it is."""


class IndexDamaged(IndexError_):
    """A checksum or a structure is wrong; the text names the command that repairs it."""


class IndexVersion(IndexError_):
    """The index was written by another version."""


class IndexBusy(IndexError_):
    """Another process is writing the index."""


class ModelError(WayfindError):
    """A model bundle cannot be used; the text says what is wrong with it."""


class TrainingError(WayfindError):
    """Training cannot go on."""


class Collapsed(TrainingError):
    """The latents became one point; the text names the term that pulled them together."""


class StorageError(WayfindError):
    """The disk refused: full, read-only or forbidden."""
