"""Questions about other instants, as values: what the REST API asks the process that answers.

The one thing to know: instants are texts here, as people write them; who answers reads them, for
only there is the log.
"""

from typing import Final

import msgspec

from projections.cost.ledger import By
from projections.observe.names import Stream
from projections.travel.causes import Direction

LIMIT: Final = 200
"""Entities or lines of an answer, unless another number is wanted."""
LIMIT_MAX: Final = 5_000


class _Question(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """The base of all questions."""


class StateAt(_Question, frozen=True):
    """Asks how the cell stood."""

    at: str


class DiffOf(_Question, frozen=True):
    """Asks what was different at the second instant."""

    first: str
    second: str
    limit: int = LIMIT
    skip: int = 0


class TimelineOf(_Question, frozen=True):
    """Asks what happened to a job, task or host."""

    name: str
    first: str = ""
    second: str = ""
    limit: int = LIMIT
    skip: int = 0


class WhyAt(_Question, frozen=True):
    """Asks why a job, task or orphan was where it was."""

    name: str
    at: str


class EventsAt(_Question, frozen=True):
    """The history of a job or task, as a view that was whole would tell it."""

    name: str
    at: str
    is_with_tasks: bool = False


class TraceOf(_Question, frozen=True):
    """Asks what led to the event at an address, or what followed from it."""

    address: str
    direction: Direction


class CostOf(_Question, frozen=True):
    """Asks what was held of the cell between two instants."""

    first: str
    second: str
    by: By = "owner"
    rows_max: int | None = LIMIT


class ToldAfter(_Question, frozen=True):
    """Asks what a stream of events was told behind a place in the log, before another record."""

    stream: Stream
    offset: int
    number: int
    end_offset: int


Question = StateAt | DiffOf | TimelineOf | WhyAt | EventsAt | TraceOf | CostOf | ToldAfter
"""All questions."""
