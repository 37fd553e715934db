"""`flumina test`: pytest in the checkout that this code runs from."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

import streams
from streams.errors import OperatorError

# They run for many minutes, so only somebody who names them gets them.
UNLESS_ASKED = "not soak"


def run_tests(
    arguments: Annotated[
        list[str] | None, typer.Argument(help="Handed to pytest as they are.", metavar="PYTEST")
    ] = None,
) -> None:
    """Run the tests of this checkout; all arguments go to pytest.

    What is marked `soak` runs only where `-m` names it.

    Example: flumina test -m "not integration" -x
    """
    words = arguments or []
    root = Path(streams.__file__).parent.parent
    if not (root / "tests").is_dir():
        raise OperatorError(
            f"There are no tests beside {root / 'streams'}.",
            "flumina was installed as a package, without its checkout.",
            "Clone the repository and run ./flumina test there.",
        )
    os.chdir(root)
    command = [sys.executable, "-m", "pytest", *_without_soak(words)]
    sys.stdout.flush()
    os.execv(sys.executable, command)  # noqa: S606 - pytest is what was asked for


def _without_soak(words: list[str]) -> list[str]:
    """The words for pytest, less what is marked `soak` unless they speak of it."""
    for at, word in enumerate(words):
        if word.startswith("-m"):
            is_apart = word == "-m" and at + 1 < len(words)
            asked = words[at + 1] if is_apart else word.removeprefix("-m").removeprefix("=")
            if "soak" in asked or not asked:
                return words
            rest = words[at + 2 :] if is_apart else words[at + 1 :]
            return [*words[:at], "-m", f"({asked}) and {UNLESS_ASKED}", *rest]
    return ["-m", UNLESS_ASKED, *words]
