"""How commands speak to a resident process: one JSON object a line, over a Unix socket that only its user can open.

Where there are no Unix sockets (Windows), over a port of the loopback address; port and token lie in a file that only the
user can read. A client sends one request and reads lines until one that is not progress; the first line comes at once, of a
request to print one of progress in nothing (`["", 0, 0]`). Imports little: every command that may ask comes through here.
"""

from __future__ import annotations

import json
import os
import socket
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from wayfind import __version__
from wayfind.config import default_home, value_of

VERSION = 1
"""Of the protocol. Both sides also compare the version of Wayfind, since both must print the same."""
LONGEST_REQUEST = 1 << 20
LONGEST_REPLY = 1 << 26
CONNECT = 1.0
"""Seconds to wait for a connection; a socket that nobody listens on refuses at once."""
_LONGEST_PATH = 100
"""Bytes of a Unix socket's path that every system takes (108 on Linux, 104 on macOS)."""


class ProtocolError(Exception):
    """The other side does not speak as it should."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the resident process of one home folder listens."""

    home: Path
    folder: Path
    """Private (0700)."""
    name: str

    @property
    def socket(self) -> Path:
        return self.folder / f"{self.name}.socket"

    @property
    def port(self) -> Path:
        """Holds port and token, where there are no Unix sockets."""
        return self.folder / f"{self.name}.port"

    @property
    def lock(self) -> Path:
        """Locked as long as the process lives."""
        return self.folder / f"{self.name}.lock"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"


def address(home: Path | None = None) -> Address:
    """Where to look for the resident process of a home folder (default: the user's). Nothing is made."""
    home = Path(os.path.realpath(home or default_home()))
    name = f"wayfind-{zlib.crc32(os.fsencode(home)):08x}"
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    for folder in ([Path(runtime, "wayfind")] if runtime and os.path.isdir(runtime) else []) + [home / "run"]:
        found = Address(home, folder, name)
        if len(os.fsencode(found.socket)) <= _LONGEST_PATH:
            return found
    import tempfile  # seldom needed, and twice the import of all else here

    return Address(home, Path(tempfile.gettempdir(), f"wayfind-{os.getuid() if hasattr(os, 'getuid') else 0}"), name)


def is_private(folder: Path) -> bool:
    """Whether a folder is the user's own and nobody else's. Elsewhere than on POSIX the user's profile sees to that."""
    if not hasattr(os, "getuid"):
        return folder.is_dir()
    try:
        state = os.lstat(folder)
    except OSError:
        return False
    return state.st_uid == os.getuid() and state.st_mode & 0o170077 == 0o040000


def uses_ports() -> bool:
    """Whether there are no Unix sockets here."""
    return not hasattr(socket, "AF_UNIX")


def connected(place: Address) -> tuple[socket.socket, str]:
    """A connection to the resident process, and the token to show. Raises OSError where nobody listens, and where the
    folder is not private: then anybody might."""
    if not is_private(place.folder):
        raise OSError(f"{place.folder} is not private")
    token = ""
    if uses_ports():
        try:
            port, token = place.port.read_text("ascii").split()
            number = int(port)
        except ValueError as error:
            raise OSError(f"{place.port} is not as it should be") from error
        return socket.create_connection(("127.0.0.1", number), CONNECT), token
    if not place.socket.exists():  # no socket is made where nobody can listen
        raise FileNotFoundError(f"nobody listens at {place.socket}")
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.settimeout(CONNECT)
        made.connect(os.fspath(place.socket))
    except BaseException:
        made.close()
        raise
    return made, token


def hello(place: Address, token: str = "") -> dict[str, Any]:
    """What every request begins with."""
    return {"protocol": VERSION, "version": __version__, "home": os.fspath(place.home), "token": token}


def settings() -> dict[str, Any]:
    """What the answer to a request, and what is noted of it, depends on beside it: one process may see other settings than another.
    Raises UsageError."""
    return {name: value_of(name) for name in ("model", "late-interaction", "record-opened")}


def send(stream: BinaryIO, message: dict[str, Any]) -> None:
    """Write a message and flush it."""
    stream.write(json.dumps(message).encode("ascii") + b"\n")
    stream.flush()


def receive(stream: BinaryIO, longest: int) -> dict[str, Any] | None:
    """Read a message; None at the end of the stream. Raises ProtocolError for what is none, or longer than `longest`."""
    line = stream.readline(longest + 1)
    if not line:
        return None
    if len(line) > longest or not line.endswith(b"\n"):
        raise ProtocolError(f"a message of more than {longest:,} bytes, or cut off")
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not JSON: {error}") from error
    if not isinstance(message, dict):
        raise ProtocolError("not an object")
    return message
