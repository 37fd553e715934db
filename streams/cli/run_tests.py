"""`flumina test`: pytest in the checkout that this code runs from.

The one thing to know: most tests wait for real time to pass, so a run of many is spread over
several processes (pytest-xdist). One test, or a file, runs in one process, as does whatever needs
the terminal for itself.
"""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

import streams
from streams.errors import OperatorError

# They run for many minutes, so only somebody who names them gets them.
UNLESS_ASKED = "not soak"
PROCESSES_MAX = 5
"""Tests that start others wait more than they compute, so there are two processes more than there
are cores; of the quick ones, which only compute, one. But each has a Kafka and two clusters of its
own (a GiB), and where those are late because of each other, a test proves nothing."""
_QUICK = "not integration"
_ONE_PROCESS = frozenset(
    (
        *("--pdb", "--trace", "-s", "--capture=no", "--setup-only", "--setup-plan", "--setup-show"),
        *("--co", "--collect-only", "--fixtures", "--fixtures-per-test", "--markers"),
        *("--cache-show", "-h", "--help", "-V", "--version"),
    )
)
"""They speak with the person at the terminal, or run no test."""
_SPREAD = re.compile(r"-n.*|--numprocesses(=.*)?|--dist(=.*)?|--tx(=.*)?|-d")
"""The person says how tests are spread."""


def run_tests(
    arguments: Annotated[
        list[str] | None, typer.Argument(help="Handed to pytest as they are.", metavar="PYTEST")
    ] = None,
) -> None:
    """Run the tests of this checkout; all arguments go to pytest.

    What is marked `soak` runs only where `-m` names it. Unless files are named, several processes
    share the tests, two more than there are cores (one more for the quick ones, -m "not
    integration"); `-n 4` lets four, and `-n 0` none but this one.

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
    processes = _processes(words, os.cpu_count() or 1)
    if processes > 1:
        print(f"flumina test: {processes} processes share the tests; -n NUMBER for another number")
        words = ["-n", str(processes), *words]
    command = [sys.executable, "-m", "pytest", *_without_soak(words)]
    sys.stdout.flush()
    os.execv(sys.executable, command)  # noqa: S606 - pytest is what was asked for


def _processes(words: Sequence[str], cores: int) -> int:
    """How many processes to ask for; 1 where the words say it themselves or name files."""
    is_one = any(
        word in _ONE_PROCESS or _SPREAD.fullmatch(word) or Path(word.partition("::")[0]).exists()
        for word in words
    )
    if is_one:
        return 1
    more = 1 if any(_QUICK in word for word in words) else 2
    return min(cores + more, PROCESSES_MAX) if cores > 1 else 1


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
