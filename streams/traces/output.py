"""Files that a simulation writes: opened before it begins, so that no run is for nothing.

The one thing to know: a file that cannot be written is a complaint before the first round, and no
output may be an input or another output.
"""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

from streams.traces.table import TraceError


def demand_writable(outputs: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Return if each output can be written and is nothing else's."""
    taken = {path.resolve(): path for path in inputs}
    for path in outputs:
        if path.resolve() in taken:
            raise TraceError(
                f"{path} would be overwritten.",
                "It is read by this command, or written twice.",
                "Give each output a name of its own.",
            )
        taken[path.resolve()] = path
        is_new = not path.exists()
        try:
            with path.open("a", encoding="utf-8"):
                pass
            if is_new:  # A run that is interrupted leaves nothing empty behind.
                path.unlink()
        except OSError as error:
            raise TraceError(
                f"{path} cannot be written: {error.strerror or error}.",
                "Its directory is missing, or belongs to somebody else.",
                "Make the directory, or name another file.",
            ) from error


def opened(path: Path) -> IO[bytes]:
    """The file, empty, for records."""
    return path.open("wb")


def write_placement(path: Path, rows: Iterable[tuple[str, str]]) -> None:
    """Write task and host, one line each; an empty host is a task that was not placed."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("task", "host"))
        writer.writerows(rows)


def beside(path: Path, name: str) -> Path:
    """The path with a policy's name before its suffix: ``out.csv`` becomes ``out-spread.csv``."""
    return path.with_name(f"{path.stem}-{name}{path.suffix}")
