"""`logs`: what a task has written, from the host that runs or ran it and from the store, as one.

The one thing to know: into a file or a pipe the bytes go as they are. On a terminal they go without
what would command it: a task's output is a stranger's text, and a terminal obeys text.
"""

import codecs
import os
import sys
import time
from typing import Annotated, Final

import typer

from projections.travel.instants import AtTime, InstantUnclear, parse_instant
from streams.cli.calls import Api
from streams.cli.client import ApiError
from streams.cli.common import ApiOption, DataDirOption, api_here
from streams.clock import now_ms
from streams.errors import OperatorError

POLL_S: Final = 0.5
_KEPT: Final = frozenset("\n\t")


def logs(  # noqa: PLR0917 - typer gives every option by its name
    task: Annotated[str, typer.Argument(metavar="TASK", help="The task's id.")],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the task has ended.")
    ] = False,
    file: Annotated[
        str, typer.Option("--file", metavar="NAME", help="stdout, stderr, or a file below logs/.")
    ] = "stdout",
    stderr: Annotated[bool, typer.Option("--stderr", help="The same as --file stderr.")] = False,
    tail: Annotated[bool, typer.Option("--tail", help="Begin with the last 64 KiB.")] = False,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Begin at a time, such as -10m or 2026-01-31T12:00Z."),
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Also on a terminal, print every byte as it is.")
    ] = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Print what a task has written.

    Example: flumina logs -f hello-worker-3-4 --stderr
    """
    if stderr and file not in {"stdout", "stderr"}:
        raise OperatorError(
            "--stderr and --file name two files.",
            "One is printed at a time.",
            "Leave one of them out.",
        )
    name = "stderr" if stderr else file
    since_ms = _since(since)
    if tail and since_ms is not None:
        raise OperatorError(
            "--tail and --since name two places.", "One is where to begin.", "Leave one out."
        )
    out = Output(is_plain=raw or not sys.stdout.isatty())
    offset = None if tail else 0
    with api_here(api, data_dir) as there:
        while True:
            # Asked before the file is read, so that what it wrote at last is not missed.
            is_finished = _is_finished(there, task)
            try:
                offset = _print_from(there, task, name, offset, since_ms, out)
                since_ms = None
            except ApiError as error:
                # Before the task has started there is no file to read.
                if not follow or is_finished or error.status not in {404, 503}:
                    raise
            if is_finished or not follow:
                out.finish()
                return
            time.sleep(POLL_S)


def _is_finished(there: Api, task: str) -> bool:
    """Whether the task has ended; one that the cell has forgotten did, long ago."""
    try:
        return there.task(task).is_finished
    except ApiError as error:
        if error.status != 404:
            raise
        return True


def _since(text: str | None) -> int | None:
    """The time that ``--since`` means, in milliseconds since 1970."""
    if text is None:
        return None
    try:
        instant = parse_instant(text, now_ms())
    except InstantUnclear as error:
        raise OperatorError(f"--since cannot be read: {error}.", "", "Write -10m.") from error
    if not isinstance(instant, AtTime):
        raise OperatorError(
            f"--since {text!r} names no time.",
            "A log of a task knows times, and no offsets of the cell's log.",
            "Write a time ago such as -10m, or a time such as 2026-01-31T12:00:00Z.",
        )
    return instant.at_ms


class Output:
    """Standard output, and what a task's bytes become on it."""

    def __init__(self, *, is_plain: bool) -> None:
        self._is_plain = is_plain
        # A character's bytes may come in two pieces.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._notes: set[str] = set()

    def write(self, data: bytes) -> None:
        """Print these bytes."""
        if self._is_plain:
            sys.stdout.buffer.write(data)
        else:
            sys.stdout.buffer.write(harmless(self._decoder.decode(data)).encode())
        sys.stdout.buffer.flush()

    def finish(self) -> None:
        """Print what was held back of a character that never became whole."""
        if not self._is_plain:
            sys.stdout.buffer.write(harmless(self._decoder.decode(b"", final=True)).encode())
            sys.stdout.buffer.flush()

    def note(self, text: str) -> None:
        """Say once, beside the output, what a reader should know of it."""
        if text and text not in self._notes:
            self._notes.add(text)
            sys.stderr.write(f"flumina: {harmless(text)}{os.linesep}")


def harmless(text: str) -> str:
    """The text with control characters written out, which a terminal would obey.

    Directions of writing and other invisible marks are among them: they show what is not there.
    """
    return "".join(
        each if each in _KEPT or each.isprintable() else each.encode("unicode_escape").decode()
        for each in text
    )


def _print_from(  # noqa: PLR0917 - a place is an offset or an instant
    there: Api, task: str, name: str, offset: int | None, since_ms: int | None, out: Output
) -> int:
    """Print all there is from there on; where to read on later."""
    while True:
        piece = there.log(task, name, offset, since_ms)
        since_ms = None
        if piece.data:
            out.write(piece.data)
        out.note(piece.note)
        offset = piece.next_offset
        if not piece.data:
            return offset
