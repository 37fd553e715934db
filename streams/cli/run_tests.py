"""`flumina test`: pytest in the checkout that this code runs from."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

import streams
from streams.errors import OperatorError

# They run for minutes, so only somebody who asks for them gets them.
UNLESS_ASKED = ["-m", "not soak"]


def run_tests(
    arguments: Annotated[
        list[str] | None, typer.Argument(help="Handed to pytest as they are.", metavar="PYTEST")
    ] = None,
) -> None:
    """Run the tests of this checkout; all arguments go to pytest.

    Without `-m`, everything runs but what is marked `soak`.

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
    has_markers = any(word.startswith("-m") for word in words)
    command = [sys.executable, "-m", "pytest", *([] if has_markers else UNLESS_ASKED), *words]
    sys.stdout.flush()
    os.execv(sys.executable, command)  # noqa: S606 - pytest is what was asked for
