"""`wayfind mcp`: the tools of `serve.tools` over the Model Context Protocol, on standard input and output or on a port.

The handshake is answered before the engine is imported; the engine comes in behind it, in a thread, and begins the first
index. Standard output carries the protocol alone.
"""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import json
import logging
import os
import re
import secrets
import signal
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from wayfind import __version__
from wayfind.errors import UsageError, WayfindError
from wayfind.serve.exits import FOUND, note
from wayfind.serve.roots import Roots, client_roots, current_roots, given_roots
from wayfind.serve.tools import INSTRUCTIONS, TOOLS

if TYPE_CHECKING:
    from mcp.server import Server, ServerRequestContext
    from mcp_types import CallToolRequestParams, CallToolResult, InputRequiredResult, JSONRPCError, ListToolsResult

    from wayfind.serve.calls import Calls, Told

logger = logging.getLogger(__name__)
Result = TypeVar("Result")
TOKEN_VARIABLE = "WAYFIND_TOKEN"
_ROOTS_WITHIN = 5.0
"""Seconds that a client has to name its roots; then the current folder is taken."""
_PROGRESS_EVERY = 0.2
_HALF = re.compile("[\ud800-\udfff]")
_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")


@click.command("mcp")
@click.argument("paths", nargs=-1, metavar="[PATH]…")
@click.option("--http", "port", type=click.IntRange(0, 65535), metavar="PORT", help="Serve streamable HTTP on this port (0: any free one), at /mcp.")
@click.option("--host", default="127.0.0.1", show_default=True, help=f"Address for --http; other than loopback only with a token in ${TOKEN_VARIABLE}.")
def mcp_command(paths: tuple[str, ...], port: int | None, host: str) -> int:
    """Serve coding agents over the Model Context Protocol, on standard input and output.

    Agents may search below each PATH; without one, below the roots that the client names, else the current folder.
    """
    if port is None and click.get_current_context().get_parameter_source("host") is not ParameterSource.DEFAULT:
        raise UsageError("--host is the address for --http, and none is served without; give --http PORT with it")
    given = given_roots(paths) if paths else None
    _check_extra()
    if port is None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # the thread that reads standard input cannot be interrupted otherwise
        _run(_on_pipes, Desk(given))
    else:
        _run(_on_port, Desk(given or current_roots()), host, port, _token_for(host))
    return FOUND


class Desk:
    """Takes the calls of clients: which roots they may look into, and the engine, imported with the first need."""

    def __init__(self, roots: Roots | None):
        """`roots`: those of every client; None asks the client."""
        import anyio

        self._fixed = self._roots = roots
        self._begun: Roots | None = None
        self._asking = anyio.Lock()

    @functools.cached_property
    def calls(self) -> Calls:
        from wayfind.serve.calls import Calls

        return Calls()

    def close(self) -> None:
        """End what the engine does in the background, if it was ever needed."""
        if "calls" in self.__dict__:
            self.calls.close()

    def server(self) -> Server[Any]:
        """The protocol's server over this desk."""
        from mcp.server import Server
        from mcp_types import NotificationParams

        server: Server[Any] = Server(
            "wayfind", version=__version__, title="Wayfind", instructions=INSTRUCTIONS, on_list_tools=self.listed, on_call_tool=self.called
        )
        server.add_notification_handler("notifications/initialized", NotificationParams, self.prepared)
        server.add_notification_handler("notifications/roots/list_changed", NotificationParams, self.moved)
        return server

    async def prepared(self, context: ServerRequestContext[Any], _: Any = None) -> None:
        """After the handshake: import the engine and begin the first index, so that the first call need not."""
        with contextlib.suppress(WayfindError):  # the first call says what is wrong
            self._begin(await self._asked(context))

    async def listed(self, context: ServerRequestContext[Any], _: Any = None) -> ListToolsResult:
        """The tools. A client of the versions without a handshake is prepared for here, unless its roots are to be asked."""
        if self._roots is not None:
            self._begin(self._roots)
        return _tools()

    async def moved(self, context: ServerRequestContext[Any], _: Any = None) -> None:
        """The client has other roots now."""
        self._roots = self._fixed
        await self.prepared(context)

    async def called(self, context: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult | InputRequiredResult:
        """Answer a call. What the caller did wrong comes back as a tool error that says what to do."""
        try:
            if params.name not in TOOLS:
                raise UsageError(f"there is no tool {params.name[:40]!r}; there are {', '.join(TOOLS)}")
            arguments = TOOLS[params.name].checked(params.arguments)
            roots = self._answered(params) or self._roots
            if roots is None and (question := _question_of_roots(context)):
                return question
            roots = roots or await self._asked(context)
            return _told(await self._with_progress(context, roots, lambda: self.calls.call(params.name, roots, arguments)))
        except WayfindError as error:
            return _refused(str(error))
        except OSError as error:
            return _refused(f"the system refused: {error.strerror or type(error).__name__}")
        except Exception as error:
            logger.exception("a call of %s failed", params.name[:40])
            return _refused(f"an error that should not happen, {type(error).__name__}; search with ripgrep, and report it")

    def _begin(self, roots: Roots) -> None:
        """Begin what takes long in a thread that does not keep the process alive."""
        if self._begun != roots:
            self._begun = roots
            threading.Thread(target=lambda: self.calls.begin(roots), name="wayfind-begin", daemon=True).start()

    async def _asked(self, context: ServerRequestContext[Any]) -> Roots:
        """The roots: known, or asked of a client that has some, or the current folder. Raises UsageError."""
        async with self._asking:  # the handshake's end and the first call come together
            if self._roots is None:
                self._roots = await _roots_of_client(context) or current_roots()
            return self._roots

    def _answered(self, params: CallToolRequestParams) -> Roots | None:
        """The roots that come with a call repeated after `_question_of_roots`."""
        answer = (params.input_responses or {}).get("roots")
        if self._fixed is None and answer is not None:
            self._roots = client_roots(str(root.uri) for root in getattr(answer, "roots", ())) or current_roots()
        return self._roots

    async def _with_progress(self, context: ServerRequestContext[Any], roots: Roots, work: Callable[[], Told]) -> Told:
        """Do the work in a thread; tell how far a first index is meanwhile, where the client asked for that."""
        import anyio

        async def tell() -> None:
            last = -1.0
            while True:
                await anyio.sleep(_PROGRESS_EVERY)
                done, total, what = await _in_thread(lambda: self.calls.progress(roots))
                if total and done > last:
                    await context.session.report_progress(done, total, what)
                    last = done

        failure: Exception | None = None
        async with anyio.create_task_group() as group:
            if context.meta and "progress_token" in context.meta:
                group.start_soon(tell)
            try:
                told = await _in_thread(work)
            except Exception as error:  # raised below: a group would wrap it
                failure = error
            group.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return told


def _tools() -> ListToolsResult:
    from mcp_types import ListToolsResult, Tool, ToolAnnotations

    harmless = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
    return ListToolsResult(
        tools=[
            Tool(
                name=tool.name, title=tool.title, description=tool.about, annotations=harmless,
                input_schema=tool.input_schema(), output_schema=dict(tool.output),
            )
            for tool in TOOLS.values()
        ]
    )  # fmt: skip


async def _roots_of_client(context: ServerRequestContext[Any]) -> Roots | None:
    """The roots of a client of the protocol's versions with a handshake; None when it has none or does not say."""
    import anyio
    from mcp.shared.exceptions import MCPError
    from mcp_types import ListRootsRequest
    from mcp_types import Result as AnyResult

    class Listed(AnyResult):
        """The protocol's own type refuses the whole list where one address is not of a `file:`."""

        roots: list[dict[str, Any]]

    if not _has_roots(context) or not context.session.can_send_request:
        return None
    with contextlib.suppress(MCPError, TimeoutError, anyio.ClosedResourceError, ValueError):
        listed = await context.session.send_request(ListRootsRequest(), Listed, _ROOTS_WITHIN)
        return client_roots(str(root.get("uri", "")) for root in listed.roots)
    return None


def _question_of_roots(context: ServerRequestContext[Any]) -> InputRequiredResult | None:
    """What to answer a call with, from a client of the versions without a handshake, to learn its roots."""
    from mcp_types import InputRequiredResult, ListRootsRequest
    from mcp_types.version import MODERN_PROTOCOL_VERSIONS

    if context.protocol_version not in MODERN_PROTOCOL_VERSIONS or not _has_roots(context):
        return None
    return InputRequiredResult(input_requests={"roots": ListRootsRequest()})


def _has_roots(context: ServerRequestContext[Any]) -> bool:
    able = context.session.client_capabilities
    return able is not None and able.roots is not None


def _told(told: Told) -> CallToolResult:
    from mcp_types import CallToolResult, TextContent

    return CallToolResult(content=[TextContent(text=told.text)], structured_content=told.fields)


def _refused(why: str) -> CallToolResult:
    from mcp_types import CallToolResult, TextContent

    from wayfind.serve.agent import clean

    return CallToolResult(content=[TextContent(text=clean(why))], is_error=True)


async def _in_thread(work: Callable[[], Result]) -> Result:
    import anyio.to_thread

    return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)


async def _on_pipes(desk: Desk) -> None:
    """Serve standard input and output until the input ends. The SDK drops what is no message; here that is answered first."""
    import anyio
    from mcp.server.stdio import stdio_server
    from mcp.shared.message import SessionMessage

    async def messages() -> AsyncIterator[str]:
        async for line in anyio.wrap_file(lines):
            message, refusal = _read(line)
            if refusal is None:
                yield message
            elif line.strip():
                with contextlib.suppress(anyio.BrokenResourceError):
                    await outgoing.send(SessionMessage(refusal))

    server = desk.server()
    with _own_input() as lines:
        async with stdio_server(messages()) as (incoming, outgoing):  # type: ignore[arg-type]  # it only iterates
            await server.run(incoming, outgoing, server.create_initialization_options())


@contextlib.contextmanager
def _own_input() -> Iterator[Iterable[str]]:
    """The lines of standard input; whatever else reads that meanwhile, children too, finds it empty."""
    own, nothing = os.dup(0), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    try:
        yield open(own, encoding="utf-8", errors="replace", closefd=False)  # a thread may still read it at the end
    finally:
        os.dup2(own, 0)


def _read(line: str) -> tuple[str, JSONRPCError | None]:
    """A line as a message, U+FFFD for each half of a character that was cut in two; or how to refuse it (JSON-RPC 2.0, section 5.1)."""
    from mcp_types import INVALID_REQUEST, PARSE_ERROR, JSONRPCNotification, jsonrpc_message_adapter

    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        return "", _refusal(None, PARSE_ERROR, f"not JSON: {error}")
    if _ESCAPED_HALF.search(line):
        line = _HALF.sub("\N{REPLACEMENT CHARACTER}", json.dumps(message, ensure_ascii=False))
    try:
        known = jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValueError:
        known = None
    if known is None or isinstance(known, JSONRPCNotification) and message.get("id") is not None:  # a request by its id, which is none
        return "", _refusal(message, INVALID_REQUEST, 'not a JSON-RPC 2.0 message: expected "jsonrpc": "2.0", a method, and params that are an object')
    return line, None


def _refusal(message: Any, code: int, why: str) -> JSONRPCError:
    """An error for a message, with its id where it is a request that has one."""
    from mcp_types import ErrorData, JSONRPCError

    known = message.get("id") if isinstance(message, dict) and not {"result", "error"} & message.keys() else None
    known = known if isinstance(known, (str, int)) and not isinstance(known, bool) else None
    known = _HALF.sub("\N{REPLACEMENT CHARACTER}", known) if isinstance(known, str) else known
    return JSONRPCError(jsonrpc="2.0", id=known, error=ErrorData(code=code, message=why))


async def _on_port(desk: Desk, host: str, port: int, token: str | None) -> None:
    """Serve a port until interrupted."""
    import uvicorn
    from mcp.server.transport_security import TransportSecuritySettings

    names = ["127.0.0.1", "localhost", "[::1]", f"[{host}]" if ":" in host else host]
    checks = TransportSecuritySettings(
        enable_dns_rebinding_protection=_is_loopback(host),  # elsewhere the token protects, and hosts have names of their own
        allowed_hosts=[f"{name}:*" for name in names],
        allowed_origins=[f"http://{name}:*" for name in names],
    )
    app = desk.server().streamable_http_app(host=host, transport_security=checks)
    with _bound(host, port) as bound:
        note(f"serving on http://{names[-1]}:{bound.getsockname()[1]}/mcp")
        options = uvicorn.Config(_guarded(app, token) if token else app, log_level="warning", lifespan="on")
        await uvicorn.Server(options).serve(sockets=[bound])


def _bound(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises UsageError where it cannot."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UsageError(f"cannot listen on {host}, port {port}: {error.strerror or error}; name another with --http PORT") from error


def _token_for(host: str) -> str | None:
    """The token that clients must show. Raises UsageError where others than this machine could reach a port without one."""
    token = os.environ.get(TOKEN_VARIABLE) or None
    if token is None and not _is_loopback(host):
        raise UsageError(f"{host} can be reached from other machines; set {TOKEN_VARIABLE} to a secret that clients send as a bearer token")
    return token


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _guarded(app: Callable[..., Awaitable[None]], token: str) -> Callable[..., Awaitable[None]]:
    """The application behind a bearer token (RFC 6750)."""
    wanted = f"Bearer {token}".encode()

    async def guard(scope: Any, receive: Any, send: Any) -> None:
        shown = dict(scope.get("headers") or ()).get(b"authorization", b"")
        if scope["type"] != "http" or secrets.compare_digest(shown, wanted):
            return await app(scope, receive, send)
        body = json.dumps({"error": "a bearer token is needed"}).encode()
        headers = [(b"content-type", b"application/json"), (b"www-authenticate", b"Bearer")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return guard


def _check_extra() -> None:
    """Raises UsageError where the protocol's library is missing."""
    from importlib.util import find_spec

    if find_spec("mcp") is None:
        raise UsageError("the library for the Model Context Protocol is not installed; install it with: pip install 'wayfind[serve]'")


def _run(serve: Callable[..., Awaitable[None]], desk: Desk, *arguments: Any) -> None:
    import anyio

    try:
        anyio.run(serve, desk, *arguments)
    finally:
        desk.close()
