"""Files that Wayfind is written into: in comes a part and what to do with it, out comes a `Change` that can be shown,
made, and undone byte for byte.

A record of each file lies in the user's state folder: its bytes before, the checksum of its bytes after, and what was put in.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from wayfind.errors import StorageError, UsageError
from wayfind.files import rewrite_file
from wayfind.serve.clients.jsonc import Malformed
from wayfind.serve.clients.part import File, Part


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a file that was written into."""

    file: str
    users: tuple[str, ...]
    """For whom it was, as `codex project`; AGENTS.md has several."""
    before: bytes | None
    """The file as it was before the first of them; None where there was none."""
    after: str
    """SHA-256 of the file as it was written."""
    inserted: str = ""
    """The text that was put in, where it was one piece."""
    folders: tuple[str, ...] = ()
    """Folders made for the file, outermost first."""
    command: str = ""
    """The program that was written there as the one to start."""


@dataclass(frozen=True, slots=True)
class Change:
    """A file to be written; `after` is None where it is to be deleted."""

    file: Path
    before: bytes | None
    after: bytes | None
    record: Record | None
    """What is to be recorded; None: nothing any more."""
    note: str = ""
    known: bool = False
    """Whether it was recorded for this user of it."""
    left: bool = False
    """Whether something that may be another's stands in the place of the part and stays."""
    keeps: bool = False
    """Whether the copy of the file as it was stays without its record, for something of it was not put back."""

    @property
    def writes(self) -> bool:
        return self.before != self.after

    def difference(self) -> Iterator[str]:
        """A unified difference, line by line."""
        old, new = (_lines(data) for data in (self.before, self.after))
        names = os.devnull if self.before is None else str(self.file), os.devnull if self.after is None else str(self.file)
        for line in difflib.unified_diff(old, new, *names, lineterm=""):
            yield line.rstrip("\r\n")
            if line[:1] in "+- " and not line.endswith("\n") and line[:3] not in ("---", "+++"):
                yield "\\ No newline at end of file"


def installing(part: Part, user: str, command: str = "") -> Change:
    """The change that puts a part into its file for a user of it. Raises UsageError where the file cannot be read."""
    file, now, record = _looked_at(part.file)
    base = _without(part, now, record).after if record else now
    text = _text(file, base)
    made = _edited(part, file, text, part.added(text) if text is not None else part.added(""))
    users = tuple(sorted({*(record.users if record else ()), user}))
    before = record.before if record and _digest(now) == record.after else base
    folders = record.folders if record else tuple(str(folder) for folder in reversed(file.parents) if not folder.exists())
    inserted = part.content if isinstance(part, File) else _insertion(base, made)
    kept = Record(str(file), users, before, _digest(made), inserted, folders, command)
    return Change(file, now, made, kept)


def uninstalling(part: Part, user: str) -> Change:
    """The change that takes a part out again, for the last user of it; until then it is only noted that one is gone."""
    file, now, record = _looked_at(part.file)
    users = record.users if record else ()
    if record and (others := tuple(other for other in users if other != user)):
        return Change(file, now, now, replace(record, users=others), f"kept for {', '.join(others)}", user in users)
    taken = _without(part, now, record)
    return Change(file, now, taken.after, record if taken.left else None, taken.note, user in users, taken.left, taken.keeps)


def make(changes: list[Change]) -> None:
    """Write all changes or none. Raises UsageError where a file has changed since it was looked at, StorageError."""
    for change in changes:
        _check(change)
    done: list[tuple[Change, Record | None]] = []
    try:
        for change in changes:
            done.append((change, read_record(_record_path(change.file))))
            _keep(change.file, change.record)
            if change.writes:
                _write(change.file, change.after)
    except OSError as error:
        for change, record in reversed(done):
            with contextlib.suppress(OSError):
                if change.writes:
                    _write(change.file, change.before)
                _keep(change.file, record) if record else _forget(change.file)
        raise StorageError(f"{error.filename or 'a file'}: {error.strerror}; nothing was changed") from error
    for change in changes:
        if change.record is None:
            _forget(change.file, change.keeps)


def records() -> list[Record]:
    """What is recorded, in the order of the files."""
    found = (read_record(path) for path in state_folder().glob("*.json"))
    return sorted((record for record in found if record), key=lambda record: record.file)


def state_folder() -> Path:
    """Where the records lie: in the user's state folder (XDG), for a cache may be deleted and these may not."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "wayfind" / "installed"


def read_record(path: Path) -> Record | None:
    """The record in a file; None where it is none or cannot be read."""
    try:
        data = json.loads(path.read_bytes())
        before = path.with_suffix(".before").read_bytes() if data["existed"] else None
        return Record(data["file"], tuple(data["users"]), before, data["after"], data["inserted"], tuple(data["folders"]), data["command"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def text_of(file: Path) -> str:
    """The text of a file, empty where there is none. Raises StorageError, UsageError."""
    return _text(file, _looked_at(file)[1]) or ""


def within(file: Path, root: Path) -> None:
    """Raises UsageError where a file of a repository leads out of it: no clone may choose what is written in the home."""
    if not Path(os.path.realpath(file)).is_relative_to(os.path.realpath(root)):
        raise UsageError(f"{file} leads out of the repository, to {os.path.realpath(file)}; nothing was written")


# Looking


def _looked_at(file: Path) -> tuple[Path, bytes | None, Record | None]:
    """The file that is meant (links followed), its bytes, and its record."""
    real = Path(os.path.realpath(file))
    try:
        now = real.read_bytes()
    except FileNotFoundError:
        now = None
    except OSError as error:
        raise StorageError(f"{file} cannot be read: {error.strerror}; nothing was written") from error
    return real, now, read_record(_record_path(real))


def _text(file: Path, data: bytes | None) -> str | None:
    if data is None:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: byte {error.start + 1} is not UTF-8; nothing was written") from error


def _edited(part: Part, file: Path, text: str | None, made: str) -> bytes:
    if not isinstance(part, File) and part.others(text or "") != part.others(made):
        raise UsageError(f"{file} cannot be changed without touching what others wrote there; nothing was written")
    return made.encode("utf-8")


@dataclass(frozen=True, slots=True)
class _Taken:
    """A file without the part, how it was taken out, and what `Change` says of the two others."""

    after: bytes | None
    note: str
    left: bool = False
    keeps: bool = False


def _without(part: Part, now: bytes | None, record: Record | None) -> _Taken:
    """The file as it was before, where nobody changed it since; else the part is taken out, and what the file held in its
    place is put back. What may be another's is left."""
    before = record.before if record else None
    if now is None:
        return _Taken(None, f"the file is gone{_copy(part.file) if before is not None else ''}", keeps=before is not None)
    if record and _digest(before) == record.after:  # install found all as wanted
        return _Taken(now, "it stood there before; left as it is")
    if record and _digest(now) == record.after:
        return _Taken(before, "restored as it was")
    if isinstance(part, File) and record and _digest(record.inserted.encode()) == record.after:
        part = replace(part, content=record.inserted)
    text, own = _text(part.file, now) or "", _text(part.file, before) or ""
    had = bool(own) and (isinstance(part, File) or part.removed(own) != own)
    if part.removed(text) == text and not (isinstance(part, File) and text):
        return _Taken(now, f"nothing of Wayfind's in it{_copy(part.file) if had else ''}", keeps=had)
    cut = text.replace(record.inserted, "", 1) if record and record.inserted and text.count(record.inserted) == 1 else None
    if cut is not None and not had and not isinstance(part, File) and _is_clean(part, cut, text):
        after = cut
    elif not part.ours(text, record.command if record else None):
        return _Taken(now, "what stands there is not as Wayfind wrote it and was left; take it out by hand", left=True)
    else:
        after = part.put_back(text, own)
    if not isinstance(part, File) and part.others(after) != part.others(text):
        raise UsageError(f"{part.file}: others wrote into Wayfind's part; take it out by hand. Nothing was written")
    if after == text:
        return _Taken(now, "it stood there before; left as it is")
    if record is None:
        note = "only what is Wayfind's is taken out"
    else:
        note = "it has changed since; only Wayfind's part is taken out" + (", and what stood there before put back" if had else "")
    return _Taken(None if not after.strip() and before is None else after.encode("utf-8"), note)


def _copy(file: Path) -> str:
    """The end of a note that says where the copy of a file stays."""
    return f"; as it was it is kept in {_record_path(Path(os.path.realpath(file))).with_suffix('.before')}"


def _is_clean(part: Part, after: str, text: str) -> bool:
    try:
        return part.removed(after) == after and part.others(after) == part.others(text)
    except Malformed:
        return False


def _insertion(before: bytes | None, after: bytes) -> str:
    """The one piece by which two texts differ; empty where it is not one piece."""
    old = before or b""
    start = len(os.path.commonprefix([old, after]))
    end = start + len(after) - len(old)
    piece = after[start:end] if len(after) > len(old) and after[end:] == old[start:] else b""
    return piece.decode("utf-8", "ignore")


# Writing


def _check(change: Change) -> None:
    """Raises where the file has changed since it was looked at, or does not want to be written."""
    _, now, _ = _looked_at(change.file)
    if now != change.before:
        raise UsageError(f"{change.file} was changed by another program meanwhile; nothing was written, run the command again")
    if change.writes and now is not None and not change.file.stat().st_mode & stat.S_IWUSR:
        raise StorageError(f"{change.file} is read-only; nothing was written. Make it writable, or put the part in by hand")


def _write(file: Path, data: bytes | None) -> None:
    if data is None:
        file.unlink(missing_ok=True)
    else:
        rewrite_file(file, data)


def _keep(file: Path, kept: Record | None) -> None:
    """Record a change before it is made, the bytes before it first. They may hold keys, so only the user may read them."""
    if kept is None:
        return
    path = _record_path(file)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if kept.before is not None:
        _write_private(path.with_suffix(".before"), kept.before)
    data = {
        "file": kept.file, "users": kept.users, "existed": kept.before is not None, "after": kept.after,
        "inserted": kept.inserted, "folders": kept.folders, "command": kept.command,
    }
    _write_private(path, json.dumps(data).encode())


def _write_private(path: Path, data: bytes) -> None:
    path.touch(mode=0o600)
    _write(path, data)


def _forget(file: Path, keeps_copy: bool = False) -> None:
    """Delete the record of a file, and the folders that were made for it where nothing else lies in them."""
    path = _record_path(file)
    record = read_record(path)
    for left in (path,) if keeps_copy else (path, path.with_suffix(".before")):
        left.unlink(missing_ok=True)
    for folder in reversed(record.folders if record and not file.exists() else ()):
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def _record_path(file: Path) -> Path:
    return state_folder() / f"{hashlib.sha256(os.fsencode(file)).hexdigest()[:16]}.json"


def _digest(data: bytes | None) -> str:
    return hashlib.sha256(data).hexdigest() if data is not None else ""


def _lines(data: bytes | None) -> list[str]:
    return (data or b"").decode("utf-8", "replace").splitlines(keepends=True)
