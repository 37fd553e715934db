"""Asks one of our own modules in a process of its own, and reads what it prints as JSON."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from streams.errors import OperatorError
from streams.supervise.parts import child_environment

STDERR_CHARACTERS_MAX = 1_000

Answer = TypeVar("Answer")


def answer_of(
    module: str,
    arguments: Sequence[str],
    answer: type[Answer],
    *,
    environment: Mapping[str, str],
    timeout_s: float,
    what: str,
    advice: str,
) -> Answer:
    """What the module prints when it is run with the arguments.

    ``what`` names the work and ``advice`` says what to do, where it ends with another code than 0:
    `OperatorError`. Raises `subprocess.TimeoutExpired` after ``timeout_s``, the process killed.
    """
    done = subprocess.run(
        [sys.executable, "-P", "-m", module, *arguments],
        env=child_environment(environment),
        capture_output=True,
        timeout=timeout_s,
        check=False,
    )
    if done.returncode != 0:
        told = done.stderr.decode(errors="replace").strip()[-STDERR_CHARACTERS_MAX:]
        raise OperatorError(f"{what} ended with code {done.returncode}.", told, advice)
    return msgspec.json.decode(done.stdout, type=answer)
