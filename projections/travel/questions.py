"""Questions about other instants, as values: what the REST API asks the process that answers.

The one thing to know: instants are texts here, as people write them; who answers reads them, for
only there is the log.
"""

from typing import Final

import msgspec

from projections.cost.ledger import By
from projections.incident.shapes import RuleAlert
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


class ReadAt(_Question, frozen=True):
    """Asks what a path of the REST API answered then."""

    path: str
    """As the table of paths has it, such as ``/api/v3/jobs/{id}``."""
    names: dict[str, str]
    query: str
    at: str


class ToldAfter(_Question, frozen=True):
    """Asks what a stream of events was told behind a place in the log, before another record."""

    stream: Stream
    offset: int
    number: int
    end_offset: int


class HostsAt(_Question, frozen=True):
    """Asks for all hosts in columns."""

    at: str


class HostAt(_Question, frozen=True):
    """Asks for one host whole, by its id or name."""

    name: str
    at: str


class WaitingAt(_Question, frozen=True):
    """Asks what waited for a host."""

    at: str


class FailingAt(_Question, frozen=True):
    """Asks which jobs were in a crash loop."""

    at: str


class WaitsOf(_Question, frozen=True):
    """Asks how long tasks waited, and how many were launched, by tier."""

    first: str
    second: str


class MarksOf(_Question, frozen=True):
    """Asks for what an operator would want to jump to."""

    first: str
    second: str


class LinesOf(_Question, frozen=True):
    """Asks for lines of hosts by level and template."""

    first: str
    second: str


class EventAt(_Question, frozen=True):
    """Asks for the event at an address, whole."""

    address: str


Glance = HostsAt | HostAt | WaitingAt | FailingAt | WaitsOf | MarksOf | LinesOf | EventAt
"""What is asked for at a glance."""


class IncidentOf(_Question, frozen=True):
    """Asks for all that matters between two instants, or for a page of one section of it."""

    first: str
    second: str = "now"
    section: str = ""
    """Empty: the first page of every section."""
    limit: int = LIMIT
    skip: int = 0
    alerts: tuple[RuleAlert, ...] = ()
    """What the api knows of alerts, of which those of the stretch are told."""


class ChainOf(_Question, frozen=True):
    """Asks what happened to a task between two instants, and what led to the last of it."""

    name: str
    first: str = ""
    second: str = "now"


class IncidentPageOf(_Question, frozen=True):
    """Asks for an incident as one HTML file that needs nothing else."""

    first: str
    second: str = "now"
    tasks: tuple[str, ...] = ()
    """Whose chains are told as well."""
    alerts: tuple[RuleAlert, ...] = ()


class SliceOf(_Question, frozen=True):
    """Asks for the bundle of a stretch, without the topics beside the cell log."""

    first: str
    second: str = "now"


Forensic = IncidentOf | ChainOf | IncidentPageOf | SliceOf
"""What is asked of an incident."""

Then = StateAt | DiffOf | TimelineOf | WhyAt | EventsAt | TraceOf | CostOf | ReadAt | ToldAfter
Question = Then | Glance | Forensic
"""All questions."""
