"""A directory that a demo or a drill makes for itself, and may delete.

The one thing to know: what is deleted at the end was empty or not there at the beginning.
"""

from pathlib import Path
from typing import Final

from streams.errors import OperatorError

NUMBERS_MAX: Final = 10_000


def fresh_directory(parent: Path, what: str) -> Path:
    """A new directory ``WHAT-N`` in ``parent``; raises `OperatorError` if all numbers are taken."""
    parent.mkdir(parents=True, exist_ok=True)
    for number in range(1, NUMBERS_MAX):
        directory = (parent / f"{what}-{number}").absolute()
        try:
            directory.mkdir()
        except FileExistsError:
            continue
        return directory
    raise OperatorError(
        f"{parent} holds {NUMBERS_MAX} directories {what}-N.",
        "Each that failed or was kept leaves its directory.",
        "Delete those that nobody needs.",
    )


def unused_directory(directory: Path, what: str) -> Path:
    """The directory, if nothing is there that a demo or drill would mix with its own and delete."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise OperatorError(
            f"{directory} is not empty.",
            f"A {what} begins with nothing, and deletes what it has made when all went well.",
            "Name a directory that is not there yet, or leave --data-dir out.",
        )
    return directory.absolute()
