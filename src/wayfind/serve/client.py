"""The resident process as commands see it: a request in, what is to be printed out, or None when it has to be done alone.

Whatever goes wrong is no error here: the command then works alone, and says itself what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wayfind.config import value_of
from wayfind.errors import WayfindError
from wayfind.serve.protocol import LONGEST_REPLY, Address, ProtocolError, address, connected, hello, receive, send, settings
from wayfind.serve.request import Printed, Request

FIRST = 5.0
"""Seconds to the first word, which comes before any work: a process that was stopped or hangs says none."""
PATIENCE = 300.0
"""Seconds without a further word after which the resident process counts as lost; while it works it tells of progress."""


def wanted() -> bool:
    """Whether a resident process may be asked: WAYFIND_RESIDENT=0 or the setting `resident` forbids it."""
    return value_of("resident") == "on"


def asked(request: Callable[[], Request], progress: Callable[[str, int, int], None] = lambda stage, done, total: None) -> Printed | None:
    """What the resident process prints for a request, which is made when there is one to ask."""
    if not wanted():
        return None
    try:
        reply = exchange(address(), lambda: {"do": "print", "settings": settings(), "request": request().as_fields()}, progress)
        return Printed(tuple(reply["rows"]), reply["code"], tuple(reply["notes"]), reply["raw"]) if "rows" in reply else None
    except (OSError, ProtocolError, KeyError, TypeError, ValueError, WayfindError):
        return None


def exchange(
    place: Address, message: Callable[[], dict[str, Any]], progress: Callable[[str, int, int], None] = lambda stage, done, total: None, first: float | None = None
) -> dict[str, Any]:
    """Send a message to the resident process and return its reply. Raises OSError where there is none, TimeoutError, an OSError too, where
    it says nothing within `first` seconds (default: FIRST), ProtocolError."""
    connection, token = connected(place)
    with connection:
        connection.settimeout(FIRST if first is None else first)
        with connection.makefile("rwb") as stream:
            whole = {**hello(place, token), **message()}
            send(stream, whole)
            while (reply := receive(stream, LONGEST_REPLY)) is not None:
                if "progress" not in reply:
                    return reply
                connection.settimeout(PATIENCE)
                progress(*reply["progress"])
    raise ProtocolError("the connection ended before the reply")
