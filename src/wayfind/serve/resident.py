"""The resident process: commands ask it over `serve.protocol`, it keeps their repositories in memory. And the command `serve`.

One a home folder: the holder of its lock. It writes indexes under the same locks as every other process, ends itself when
nobody asks for long, and starts only when somebody says so.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
import signal
import socketserver
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from wayfind import __version__
from wayfind.config import environment
from wayfind.errors import StorageError, UsageError, WayfindError
from wayfind.serve.client import exchange
from wayfind.serve.exits import FOUND, NOTHING, note
from wayfind.serve.processes import python
from wayfind.serve.protocol import LONGEST_REQUEST, VERSION, Address, ProtocolError, address, is_private, receive, send, settings, uses_ports
from wayfind.serve.request import Request
from wayfind.serve.screen import counted, shown

IDLE = 3600.0
"""Seconds without a request after which the process ends."""
MOST_CLIENTS = 64
"""Requests answered at a time; further ones are refused, and their commands work alone."""
_STEP = 0.2
"""Seconds between two looks at the clock."""
_SILENT = 10.0
"""Seconds that a client may take to send its request."""
_STARTS_WITHIN = 20.0
_ANSWERS_WITHIN = 10.0
"""Seconds to answer how it stands, and to end."""


class Busy(WayfindError):
    """Another process serves this home already."""


class Resident:
    """Answers requests over a workspace, until told to stop or idle for long."""

    def __init__(self, place: Address, idle: float = IDLE, jobs: int = 1, most_clients: int = MOST_CLIENTS):
        """idle: seconds, 0 for ever. jobs: processes that read files for a first index."""
        from wayfind.index.refresh import Options
        from wayfind.serve.workspace import Workspace

        self.workspace = Workspace(place.home, Options(workers=jobs))
        self.place, self.idle = place, idle
        self.began = self.asked = time.monotonic()
        self.requests = 0
        self.end = threading.Event()
        self.active = threading.Semaphore(most_clients)
        self._under_way = 0
        self._lock = threading.Lock()

    def run(self, started: Callable[[], None] = lambda: None) -> None:
        """Serve until the end; `started` is called when requests are taken. Raises Busy where another process serves this home, StorageError where none can."""
        with _alone(self.place), _listening(self.place, self) as server:
            thread = threading.Thread(target=server.serve_forever, args=(_STEP,), name="wayfind-serve", daemon=True)
            thread.start()
            started()
            try:
                while not self.end.wait(_STEP) and not self._is_idle():
                    pass
            finally:
                server.shutdown()
                thread.join()
                self.workspace.close()

    def _is_idle(self) -> bool:
        with self._lock:
            return bool(self.idle) and not self._under_way and time.monotonic() - self.asked > self.idle

    def handle(self, stream: Any, token: str) -> None:
        """Read one request and answer it."""
        message = receive(stream, LONGEST_REQUEST)
        if message is None:
            return
        refusal = self._refusal(message, token)
        if refusal:
            return send(stream, {"refused": refusal})
        if not self.active.acquire(blocking=False):
            return send(stream, {"refused": "too many requests at a time"})
        with self._lock:
            self._under_way += 1
            self.requests += message.get("do") == "print"
        try:
            send(stream, self._reply(message, stream))
        finally:
            self.active.release()
            with self._lock:
                self._under_way -= 1
                self.asked = time.monotonic()
        if message.get("do") == "stop":
            self.end.set()

    def _refusal(self, message: dict[str, Any], token: str) -> str:
        if not hmac.compare_digest(str(message.get("token", "")).encode(), token.encode()):
            return "the token is wrong"
        if message.get("do") in ("stop", "status"):  # also asked by other versions
            return ""
        if (message.get("protocol"), message.get("version"), message.get("home")) != (VERSION, __version__, os.fspath(self.place.home)):
            return f"this is wayfind {__version__} for {self.place.home}"
        if message.get("settings") != settings():
            return "it uses another model or other settings"
        return ""

    def _reply(self, message: dict[str, Any], stream: Any) -> dict[str, Any]:
        try:
            if message["do"] == "print":
                send(stream, {"progress": ("", 0, 0)})  # that it is heard; the answer may take long
                return self._print(Request.of_fields(message["request"]), stream)
            if message["do"] == "open":
                for root in message["roots"]:
                    self.workspace.open(root).begin()
            if message["do"] in ("status", "stop", "open"):
                return self.status()
            return {"refused": "unknown request"}
        except WayfindError as error:
            return {"failed": type(error).__name__, "text": str(error)}
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            return {"failed": type(error).__name__, "text": f"not a request: {error}"}

    def _print(self, request: Request, stream: Any) -> dict[str, Any]:
        from wayfind.serve.answering import Source, check_request, printed
        from wayfind.serve.standing import standing_of

        check_request(request)
        if request.do == "status":
            told = standing_of(request.roots[0], self.place.home, request.coverage, request.shape.form == "json")
        else:
            with ExitStack() as stack:
                entries = [self.workspace.open(root) for root in request.roots]
                for entry in entries[1:] if request.refresh else ():
                    entry.begin()
                sources = []
                for entry in entries:
                    searcher, stale = stack.enter_context(entry.searching(None, request.refresh, lambda *done: send(stream, {"progress": done})))
                    sources.append(Source(entry.root, searcher, stale, entry.touches))
                told = printed(request, sources)
        return {"rows": told.rows, "code": told.code, "notes": told.notes, "raw": told.raw}

    def status(self) -> dict[str, Any]:
        """How the process stands."""
        repositories = [
            {"root": os.fspath(entry.root), "state": entry.state, "watching": entry.watching, "encoded": entry.encoded, "encoding": entry.encoding}
            for entry in self.workspace.entries
        ]
        return {
            "pid": os.getpid(), "version": __version__, "home": os.fspath(self.place.home), "seconds": round(time.monotonic() - self.began, 1),
            "idle_seconds": self.idle, "requests": self.requests, "memory": _memory(), "repositories": repositories,
        }  # fmt: skip


@contextlib.contextmanager
def _alone(place: Address) -> Iterator[None]:
    """Hold the lock of the address; it ends with the process, however that ends. Raises Busy, StorageError."""
    from wayfind.index.database import private_folder

    try:
        private_folder(place.folder)
        if not is_private(place.folder):
            raise StorageError(f"{place.folder} can be entered by others; it must be yours alone: chmod 700 {place.folder}")
        handle = os.open(place.lock, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StorageError(f"cannot use {place.folder}: {error.strerror}") from error
    try:
        if not _locked(handle):
            raise Busy(f"another process serves {place.home} already; see it with: wayfind serve --status")
        os.ftruncate(handle, 0)
        os.write(handle, f" {os.getpid()}\n".encode())  # behind the byte that Windows locks
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _listening(place: Address, resident: Resident) -> Iterator[socketserver.BaseServer]:
    """A server at the address, in the place of what a killed process left there."""
    token = secrets.token_hex(16) if uses_ports() else ""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(_SILENT)
            with contextlib.suppress(OSError, ProtocolError, ValueError):  # the client has gone, or is none
                with self.request.makefile("rwb") as stream:
                    resident.handle(stream, token)

    family = socketserver.TCPServer if uses_ports() else socketserver.UnixStreamServer

    class Server(socketserver.ThreadingMixIn, family):  # type: ignore[misc, valid-type]
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

    file = place.port if uses_ports() else place.socket
    with contextlib.suppress(FileNotFoundError):
        file.unlink()
    before = os.umask(0o177)
    try:
        server = Server(("127.0.0.1", 0) if uses_ports() else os.fspath(place.socket), Handler)
        if uses_ports():
            handle = os.open(place.port, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(handle, "w") as written:
                written.write(f"{server.server_address[1]} {token}\n")
    except OSError as error:
        raise StorageError(f"cannot listen at {file}: {error.strerror}") from error
    finally:
        os.umask(before)
    try:
        with server:
            yield server
    finally:
        with contextlib.suppress(FileNotFoundError):
            file.unlink()


def _memory() -> int:
    """Bytes of this process in memory; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        return 0


# The command


@click.command("serve")
@click.argument("paths", nargs=-1, metavar="[PATH]…")
@click.option("--idle-seconds", type=click.FloatRange(0), default=IDLE, show_default=True, help="End after so long without a request; 0: never.")
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, help="Processes that read files for a first index.  [default: one a processor]")
@click.option("--foreground/--background", default=True, help="Stay here, or go on in the background.  [default: foreground]")
@click.option("--status", "what", flag_value="status", help="Show the resident process; the exit code is 1 when there is none.")
@click.option("--stop", "what", flag_value="stop", help="End the resident process.")
def serve_command(paths: tuple[str, ...], idle_seconds: float, jobs: int, foreground: bool, what: str | None) -> int:
    """Keep indexes in memory and watch the files, so that search, explain, related and status answer at once.

    They find this process by themselves and print the same without it. The repositories at each PATH are opened now,
    others when they are asked for; with --background also by the process that serves already.
    """
    place = address()
    if what:
        return _ask(place, what)
    for path in paths:
        if not Path(path).expanduser().is_dir():
            raise UsageError(f"{path} is no folder; give the folder of a repository")
    roots = [os.fspath(Path(path).expanduser().resolve()) for path in paths]
    if not foreground:
        return _begin(place, roots, idle_seconds, jobs)
    resident = Resident(place, idle_seconds, jobs)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: resident.end.set())
    resident.run(lambda: _started(resident, roots))
    return FOUND


def _started(resident: Resident, roots: list[str]) -> None:
    note(f"serving {os.fspath(resident.place.home)} (process {os.getpid()}); stop it with: wayfind serve --stop")
    for root in roots:
        with contextlib.suppress(WayfindError):  # whoever asks for it is told
            resident.workspace.open(root).begin()


def _begin(place: Address, roots: list[str], idle: float, jobs: int) -> int:
    """Start a process that goes on by itself, and wait until it answers; where one serves already, have that open the roots."""
    try:
        told = exchange(place, lambda: {"do": "status"}, first=_ANSWERS_WITHIN)
    except TimeoutError as error:
        raise StorageError(_stuck(_pid(place), "does not answer")) from error
    except (OSError, ProtocolError):
        pass
    else:
        return _say(_opened(place, roots, told) if roots else told, "serving already:", idle)
    line = python("wayfind.serve.cli", "serve", "--foreground", f"--idle-seconds={idle}", f"--jobs={jobs}", "--", *roots)
    from wayfind.index.database import private_folder

    private_folder(place.folder)
    with open(place.log, "wb") as log:
        child = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=os.path.abspath(os.sep), env=environment())
    deadline = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < deadline and child.poll() is None:
        try:
            return _say(exchange(place, lambda: {"do": "status"}, first=_ANSWERS_WITHIN), "serving in the background:")
        except (OSError, ProtocolError):
            time.sleep(0.02)
    child.returncode = child.returncode or 0  # it is not ours to wait for
    raise StorageError(f"the resident process did not start; {place.log} says why")


def _opened(place: Address, roots: list[str], told: dict[str, Any]) -> dict[str, Any]:
    """How the process that serves already stands once it has opened these roots. Raises StorageError where it does not."""
    try:
        reply = exchange(place, lambda: {"do": "open", "settings": settings(), "roots": roots}, first=_ANSWERS_WITHIN)
    except (OSError, ProtocolError) as error:
        reply = {"refused": str(error)}
    if why := reply.get("refused") or reply.get("text"):
        raise StorageError(f"process {told['pid']} serves already and does not open {', '.join(roots)}: {why}; end it first with: wayfind serve --stop")
    return reply


def _ask(place: Address, what: str) -> int:
    try:
        told = exchange(place, lambda: {"do": what}, first=_ANSWERS_WITHIN)
    except TimeoutError as error:
        raise StorageError(_stuck(_pid(place), "does not answer")) from error
    except (OSError, ProtocolError):
        click.echo("no resident process")
        return NOTHING
    if what == "status":
        return _say(told, "serving:")
    deadline = time.monotonic() + _ANSWERS_WITHIN
    while place.socket.exists() or place.port.exists():  # it closes its files first
        if time.monotonic() > deadline:
            raise StorageError(_stuck(told["pid"], "does not end"))
        time.sleep(0.02)
    click.echo(f"stopped process {told['pid']}")
    return FOUND


def _pid(place: Address) -> int | None:
    """The process that holds the lock of the address, as it wrote there; None where it cannot be read."""
    try:
        with open(place.lock, "rb", buffering=0) as lock:
            lock.seek(1)
            return int(lock.read(20))
    except (OSError, ValueError):
        return None


def _stuck(pid: int | None, how: str) -> str:
    ending = f"taskkill /F /PID {pid or 'NUMBER'}" if os.name == "nt" else f"kill -9 {pid or 'NUMBER'}"
    return f"the resident process {'' if pid is None else f'{pid} '}{how} within {_ANSWERS_WITHIN:.0f} s; end it by force: {ending}"


def _say(told: dict[str, Any], head: str, idle: float | None = None) -> int:
    """Print how the process stands. Returns the exit code. `idle`: the seconds that were asked for, of which one that serves already takes
    no notice."""
    click.echo(f"{head} process {told['pid']}, wayfind {told['version']}, {counted(told['requests'], 'request')} in {told['seconds']:,.0f} s, {told['memory'] / 1e6:,.0f} MB")
    for entry in told["repositories"]:
        vectors = "" if entry.get("encoded") is None else f", vectors {entry['encoded']:.0%}{' and growing' if entry.get('encoding') else ''}"
        click.echo(f"  {shown(entry['root'])}: {entry['state']}{vectors}, {shown(entry['watching'])}")
    if idle is not None and told["idle_seconds"] != idle:
        note(f"it keeps --idle-seconds {told['idle_seconds']:g}, with which it was started; to change that: wayfind serve --stop")
    return FOUND
