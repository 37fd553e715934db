"""How a job wants to be scheduled beyond constraints, read from the job's attributes.

The one thing to know: Titus' descriptor has no fields for these. What is wrong is refused at
admission (`scheduler.model.v3`); whoever reads later passes over it.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from scheduler.model.attributes import Readers, read_attributes
from scheduler.model.base import Ours

OPPORTUNISTIC_ATTRIBUTE: Final = "flumina.opportunistic"
GANG_ATTRIBUTE: Final = "flumina.gang"
RUNTIME_ATTRIBUTE: Final = "flumina.runtimePredictionSec"
"""Titus' own names, `titus.runtimePrediction.*`, only a control plane may write."""
UNREACHABLE_ATTRIBUTE: Final = "flumina.unreachable"

_GANG: Final = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SECONDS: Final = re.compile("[0-9]{1,8}")


class Manner(Ours, frozen=True):
    """What these attributes say."""

    is_opportunistic: bool = False
    """May use what is held back for others, and gives it back at once."""
    gang: str = ""
    """Tasks of the job start together or not at all; a name of the gang, for people."""
    runtime_ms: int | None = None
    """How long a task will run, as the submitter predicts."""
    unreachable_ms: int | None = None
    """How long a task on an unreachable host is waited for; None: as the policy says."""
    waits_for_ever: bool = False
    """Such a task is never replaced: it may be there only once, come what may."""


def manner_of(attributes: Iterable[tuple[str, str]], *, is_lenient: bool = False) -> Manner:
    """What these attributes say; raises UnreadableAttribute for the first that cannot be read.

    ``is_lenient`` passes over such a one.
    """
    return Manner(**read_attributes(attributes, _READERS, is_lenient=is_lenient))


def _opportunistic(text: str) -> dict[str, Any]:
    if text.lower() not in {"true", "false"}:
        raise ValueError('write "true" or "false"')
    return {"is_opportunistic": text.lower() == "true"}


def _gang(text: str) -> dict[str, Any]:
    if not _GANG.fullmatch(text):
        raise ValueError("give a name of up to 64 letters, digits and . _ -")
    return {"gang": text}


def _runtime(text: str) -> dict[str, Any]:
    if not _SECONDS.fullmatch(text) or int(text) == 0:
        raise ValueError('give whole seconds, like "600"')
    return {"runtime_ms": int(text) * 1_000}


def _unreachable(text: str) -> dict[str, Any]:
    if text == "wait":
        return {"waits_for_ever": True}
    if text == "replace":
        return {"unreachable_ms": 0}
    if not _SECONDS.fullmatch(text):
        raise ValueError('write "wait", "replace", or after how many seconds, like "600"')
    return {"unreachable_ms": int(text) * 1_000}


MANNER_ATTRIBUTES: Final = (
    OPPORTUNISTIC_ATTRIBUTE,
    GANG_ATTRIBUTE,
    RUNTIME_ATTRIBUTE,
    UNREACHABLE_ATTRIBUTE,
)
_READERS: Final[Readers] = {
    OPPORTUNISTIC_ATTRIBUTE: _opportunistic,
    GANG_ATTRIBUTE: _gang,
    RUNTIME_ATTRIBUTE: _runtime,
    UNREACHABLE_ATTRIBUTE: _unreachable,
}
