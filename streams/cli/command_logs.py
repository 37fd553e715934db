"""`logs`: what a task has written, from the host that runs or ran it.

The one thing to know: the bytes are printed as they are. They are read from the host's sandbox
through the API, so they are there as long as the host keeps them, a week by default.
"""

import sys
import time
from typing import Annotated, Final

import typer

from streams.cli.calls import Api
from streams.cli.client import ApiError
from streams.cli.common import ApiOption, DataDirOption, api_here
from streams.errors import OperatorError

POLL_S: Final = 0.5


def logs(  # noqa: PLR0917 - typer gives every option by its name
    task: Annotated[str, typer.Argument(metavar="TASK", help="The task's id.")],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the task has ended.")
    ] = False,
    file: Annotated[
        str, typer.Option("--file", metavar="NAME", help="stdout or stderr.")
    ] = "stdout",
    tail: Annotated[bool, typer.Option("--tail", help="Begin with the last 64 KiB.")] = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Print what a task has written.

    Example: flumina logs -f hello-worker-3-4 --file stderr
    """
    if file not in {"stdout", "stderr"}:
        raise OperatorError(
            f"{file!r} is no output of a task.",
            "A task writes stdout and stderr.",
            "Use --file stdout or --file stderr.",
        )
    with api_here(api, data_dir) as there:
        offset = None if tail else 0
        while True:
            # Asked before the file is read, so that what it wrote at last is not missed.
            is_finished = there.task(task).is_finished
            try:
                offset = _print_from(there, task, file, offset)
            except ApiError as error:
                # Before the task has started there is no file to read.
                if not follow or is_finished or error.status not in {404, 503}:
                    raise
            if is_finished or not follow:
                return
            time.sleep(POLL_S)


def _print_from(there: Api, task: str, file: str, offset: int | None) -> int:
    """Print all there is from ``offset`` on; where to read on later."""
    while True:
        piece = there.log(task, file, offset)
        if piece.data:
            sys.stdout.buffer.write(piece.data)
            sys.stdout.buffer.flush()
        offset = piece.next_offset
        if not piece.data:
            return offset
