"""What a job demands of time, read from its attributes, and how the cell has kept to it.

The one thing to know: Titus' descriptor has no fields for these. What is wrong is refused at
admission (`scheduler.model.v3`); whoever reads later passes over it.
"""

import re
from collections.abc import Iterable
from typing import Any, Final, Literal

from scheduler.model.attributes import Readers, read_attributes
from scheduler.model.base import Ours

PREFIX: Final = "flumina.sla."
COMPLETE_ATTRIBUTE: Final = "flumina.sla.completeWithinSec"
"""Of a batch job: from its acceptance to its end."""
START_ATTRIBUTE: Final = "flumina.sla.startWithinSec"
"""Of each task of a service: from the queue to Started."""
_SECONDS: Final = re.compile("[0-9]{1,8}")

SlaKind = Literal["completion", "start"]
SlaStand = Literal["met", "atRisk", "missed"]


class Sla(Ours, frozen=True):
    """What these attributes say."""

    complete_ms: int | None = None
    start_ms: int | None = None


class SlaStanding(Ours, frozen=True):
    """How a job that demands something stands."""

    deadline_ms: int = 0
    """When the whole job has to be done; 0: it demands no such thing."""
    latest_start_ms: int = 0
    """A task that starts later is expected to end after the deadline; waiting tasks of a group
    stand in this order, which is that of their slack."""
    run_ms: int = 0
    """How long a task is expected to run."""
    start_ms: int = 0
    """How long a task may take to start; 0: it demands no such thing."""
    completion: SlaStand = "met"
    starts: int = 0
    """Tasks that started, and how many of those took too long."""
    late_starts: int = 0
    slowest_start_ms: int = 0
    late_waiting: int = 0
    """Tasks that have not started, and that should have."""


class SlaStart(Ours, frozen=True):
    """A task that has not started, since when, and whether that is too long already."""

    since_ms: int
    is_late: bool = False


def sla_of(attributes: Iterable[tuple[str, str]], *, is_lenient: bool = False) -> Sla:
    """What these attributes say; raises UnreadableAttribute for the first that cannot be read.

    ``is_lenient`` passes over such a one.
    """
    return Sla(**read_attributes(attributes, _READERS, is_lenient=is_lenient))


def _seconds(field: str, text: str) -> dict[str, Any]:
    if not _SECONDS.fullmatch(text) or int(text) == 0:
        raise ValueError('give whole seconds, like "600"')
    return {field: int(text) * 1_000}


_READERS: Final[Readers] = {
    COMPLETE_ATTRIBUTE: lambda text: _seconds("complete_ms", text),
    START_ATTRIBUTE: lambda text: _seconds("start_ms", text),
}
