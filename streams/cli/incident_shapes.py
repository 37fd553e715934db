"""What the command `incident` reads of answers: the fields that it shows, and no more.

The one thing to know: as in `connectors.client.shapes`, a missing field has a default, and one
that is new is left out.
"""

from connectors.client.shapes import Line as EventLine
from connectors.client.shapes import Shape
from streams.cli.travel_shapes import Trace


class End(Shape, frozen=True):
    """The cell at one end of the stretch."""

    address: str = ""
    at_ms: int = 0
    leader: str = ""
    policy_version: int = 0
    hosts: int = 0
    tasks_on_hosts: int = 0
    waiting: int = 0
    is_safe: bool = False


class Line(Shape, frozen=True):
    """One thing that happened."""

    address: str = ""
    at_ms: int = 0
    what: str = ""
    text: str = ""
    weight: str = ""
    job_id: str = ""
    task_id: str = ""
    host_id: str = ""
    hostname: str = ""
    actor: str = ""


class Section(Shape, frozen=True):
    """A page of lines of one kind."""

    name: str = ""
    title: str = ""
    lines: tuple[Line, ...] = ()
    total: int = 0
    next_skip: int = 0


class Mover(Shape, frozen=True):
    """What moved, and how much of it."""

    name: str = ""
    moved: int = 0
    numbers: dict[str, int] = {}  # noqa: RUF012 - msgspec makes one for each
    first_address: str = ""
    before: int | None = None
    after: int | None = None


class Movers(Shape, frozen=True):
    """What moved most."""

    jobs: tuple[Mover, ...] = ()
    hosts: tuple[Mover, ...] = ()
    failures: tuple[Mover, ...] = ()
    templates: tuple[Mover, ...] = ()


class Note(Shape, frozen=True):
    """A note of an operator."""

    from_ms: int = 0
    actor: str = ""
    about: str = ""
    text: str = ""


class RuleAlert(Shape, frozen=True):
    """An alert of a rule."""

    rule: str = ""
    severity: str = ""
    fired_ms: int = 0
    resolved_ms: int = 0
    labels: str = ""
    summary: str = ""


class Incident(Shape, frozen=True):
    """All of a stretch."""

    cell: str = ""
    first: End = End()
    last: End = End()
    records: int = 0
    sections: tuple[Section, ...] = ()
    movers: Movers = Movers()
    rule_alerts: tuple[RuleAlert, ...] = ()
    notes: tuple[Note, ...] = ()


class Chain(Shape, frozen=True):
    """What happened to a task, and what led to the last of it."""

    task_id: str = ""
    lines: tuple[EventLine, ...] = ()
    causes: Trace | None = None
