"""How a command ends: what it returned or raised to an exit code, and errors to one line on standard error.

0 found or done, 1 nothing found or abstained, 2 failed (usage errors too), 130 interrupted.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import click

from wayfind.errors import WayfindError
from wayfind.serve.screen import shown, shown_text

FOUND, NOTHING, FAILED, INTERRUPTED = 0, 1, 2, 130


def exit_code_of(command: Callable[[], Any]) -> int:
    """Run a command and return its exit code. Nothing escapes, except what a debugger raises with WAYFIND_DEBUG=1."""
    try:
        code = command()
        _flush()
        return code if isinstance(code, int) else FOUND
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as wrong:
        return _usage(wrong)
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except WayfindError as error:
        return fail(str(error))
    except BrokenPipeError:
        _discard_output()
        return FOUND  # the reader had enough; what was asked for was found
    except OSError as error:
        return _system(error)
    except MemoryError:
        return fail("not enough memory")
    except Exception as error:
        # A pool of processes that is interrupted while it starts fails to close (RuntimeError of the standard library).
        return INTERRUPTED if isinstance(error.__context__, KeyboardInterrupt) else _unexpected(error)


def fail(message: str) -> int:
    """Say on standard error why a command failed. Returns its exit code."""
    click.echo(f"wayfind: {shown_text(message)}", err=True)
    return FAILED


def note(message: str) -> None:
    """Say something beside the answer, on standard error."""
    click.echo(f"wayfind: {shown_text(message)}", err=True)


@contextlib.contextmanager
def closing_streams() -> Iterator[None]:
    """Standard streams that take any text, and that a reader may close at any time without a traceback.

    Where the caller closed one, its number is taken by the null device, lest a database opened next be written to.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.flush()


def _flush() -> None:
    """Raise here, not at the interpreter's end, when the answer cannot be written."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, "standard output is closed")
    sys.stdout.flush()


def _discard_output() -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _usage(wrong: click.ClickException) -> int:
    context = getattr(wrong, "ctx", None)
    command = context.command_path if context else "wayfind"
    fail(wrong.format_message())
    click.echo(f"Try '{command} --help'.", err=True)
    return FAILED


def _system(error: OSError) -> int:
    _discard_output()
    if os.environ.get("WAYFIND_DEBUG"):
        traceback.print_exception(error)
    where = f"{shown(os.fsdecode(error.filename))}: " if isinstance(error.filename, (str, bytes)) else ""
    return fail(f"{where}{error.strerror or error}")


def _unexpected(error: Exception) -> int:
    if os.environ.get("WAYFIND_DEBUG"):
        traceback.print_exception(error)
    kind = type(error).__name__
    return fail(f"an error that should not happen, {kind}: {error}\nWAYFIND_DEBUG=1 shows where; please report it with that output.")
