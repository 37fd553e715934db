"""`exec`: a command beside a running task, with this terminal as its own.

The one thing to know: the terminal is raw while a session with a terminal runs, so every key goes
to the command, Ctrl-C too; it is given back as it was, however the session ends.
"""

import base64
import os
import select
import shutil
import signal
import sys
import termios
import threading
import tty as raw_terminal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any, Final, NamedTuple

import msgspec
import typer

from connectors.client.asking import segment
from connectors.client.errors import ClientError, Refused
from scheduler.model.reading.bad_bytes import BAD_BYTES
from streams.cli.client import ApiConnection, ApiError, refusal_of
from streams.cli.common import ApiOption, DataDirOption, WhyOption, api_here
from streams.errors import OperatorError

SHELL: Final = "/bin/sh"
PIECE_BYTES: Final = 16 * 1024
EXIT_INTERRUPTED: Final = 130
_RESIZED: Final = b"w"
_OVER: Final = b"x"


def exec_(  # noqa: PLR0917 - typer gives every option by its name
    task: Annotated[str, typer.Argument(metavar="TASK", help="The task's id.")],
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="-- COMMAND...", help="What to run; a shell if left out."),
    ] = None,
    is_tty: Annotated[
        bool | None,
        typer.Option("--tty/--no-tty", help="Whether it has a terminal; default: if this is one."),
    ] = None,
    why: WhyOption = "",
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Run a command beside a running task: in its container, as its user, within its limits.

    Example: flumina exec web-worker-0-1 --why "it answers slowly" -- ps aux
    """
    if not why:
        raise OperatorError(
            "No reason is given.", "Who goes into a task is in the log.", 'Say it: --why "...".'
        )
    has_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    with_tty = has_terminal if is_tty is None else is_tty
    with api_here(api, data_dir) as there:
        code = _run(there.connection, task, command or [SHELL], why, with_tty=with_tty)
    sys.exit(code)


def _run(
    connection: ApiConnection, task: str, command: list[str], why: str, *, with_tty: bool
) -> int:
    path = f"/api/flumina/tasks/{segment(task)}/exec"
    size = shutil.get_terminal_size()
    body: dict[str, Any] = {"command": command, "why": why, "tty": with_tty}
    if with_tty:
        body |= {"rows": size.lines, "columns": size.columns}
    begun = msgspec.json.decode(connection.ask("POST", path, None, body).body)
    there = f"{path}/{begun['id']}"
    wake, waking = os.pipe()
    sender = threading.Thread(
        target=_send_input, args=(connection, f"{there}/input", wake), daemon=True
    )
    try:
        with _raw(waking, is_raw=with_tty and sys.stdin.isatty()):
            sender.start()
            return _show(connection, f"{there}/output")
    except KeyboardInterrupt:
        with suppress(ApiError):
            connection.ask("DELETE", there)
        return EXIT_INTERRUPTED
    finally:
        os.write(waking, _OVER)
        sender.join(timeout=2.0)
        os.close(waking)


def _show(connection: ApiConnection, path: str) -> int:
    """Print what the session says; its exit code."""
    outs = {"stdout": sys.stdout.buffer, "stderr": sys.stderr.buffer}
    try:
        for line in connection.client.lines(path):
            said = said_of(line)
            if said.is_end:
                return 1 if said.exit is None else said.exit
            if said.why:
                sys.stderr.write(f"\r\nThe session ended: {said.why}.\r\n")
            for name, data in said.data.items():
                outs[name].write(data)
                outs[name].flush()
    except Refused as error:
        raise refusal_of(error.reply) from error
    except (ClientError, Unreadable) as error:
        raise _broken(str(error)) from error
    raise _broken("it ended without an exit code")


class Unreadable(ValueError):
    """A line that no api process of ours says; tells what is wrong with it."""


class Said(NamedTuple):
    """What one line of a session's output tells."""

    data: dict[str, bytes]
    why: str = ""
    is_end: bool = False
    exit: int | None = None


class _Line(msgspec.Struct):
    """The line as it comes, its data in base64; fields are only ever added."""

    stdout: bytes = b""
    stderr: bytes = b""
    why: str = ""
    exit: int | msgspec.UnsetType | None = msgspec.UNSET


_LINE: Final = msgspec.json.Decoder(_Line)


def said_of(line: bytes) -> Said:
    """What the line says; raises `Unreadable`."""
    try:
        found = _LINE.decode(line)
    except BAD_BYTES as error:
        raise Unreadable(f"it said what cannot be read: {error}") from error
    data = {"stdout": found.stdout, "stderr": found.stderr}
    told = {name: each for name, each in data.items() if each}
    if found.exit is msgspec.UNSET:
        return Said(told, found.why)
    return Said(told, found.why, is_end=True, exit=found.exit)


def _broken(why: str) -> ApiError:
    return ApiError(
        f"The session broke off: {why}.",
        "The api process or the host went away.",
        "Look whether the task still runs, and begin another.",
    )


def _send_input(connection: ApiConnection, path: str, wake: int) -> None:
    """Send what is typed, and the terminal's size when it changes, until the session is over."""
    stdin = sys.stdin.fileno()
    reading = [stdin, wake]
    try:
        while True:
            ready, _, _ = select.select(reading, [], [])
            if wake in ready:
                word = os.read(wake, 1)
                if word != _RESIZED:
                    return
                size = os.get_terminal_size(stdin)
                connection.ask("POST", path, None, {"rows": size.lines, "columns": size.columns})
            if stdin in ready:
                data = os.read(stdin, PIECE_BYTES)
                if not data:
                    reading = [wake]
                body = {"data": base64.b64encode(data).decode(), "isEnd": not data}
                connection.ask("POST", path, None, body)
    except (OSError, OperatorError):
        return  # Its output says how it ended.
    finally:
        os.close(wake)


@contextmanager
def _raw(waking: int, *, is_raw: bool) -> Iterator[None]:
    """The terminal as it is with every key passed on, and as it was afterwards."""
    if not is_raw:
        yield
        return
    stdin = sys.stdin.fileno()
    before = termios.tcgetattr(stdin)
    was = signal.signal(signal.SIGWINCH, lambda *_: os.write(waking, _RESIZED))
    try:
        raw_terminal.setraw(stdin, termios.TCSADRAIN)  # What was typed ahead is kept.
        yield
    finally:
        termios.tcsetattr(stdin, termios.TCSADRAIN, before)
        signal.signal(signal.SIGWINCH, was)
