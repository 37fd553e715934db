"""An incident as its readers get it: sections of lines, top movers, notes, and the chain of a task.

The one thing to know: every line names the event that it rests on, by its address, and every list
says how many there are in all: what is not shown is counted.
"""

from typing import Final, Literal

import msgspec

from projections.history import Line
from projections.travel.causes import Trace

SectionName = Literal[
    "alerts",
    "safety",
    "verdicts",
    "healing",
    "hosts",
    "policy",
    "capacity",
    "leaders",
    "decisions",
    "endings",
    "requests",
]
TITLES: Final[dict[SectionName, str]] = {
    "alerts": "Alerts and pages",
    "safety": "Safe mode and guards",
    "verdicts": "Verdicts on hosts",
    "healing": "Healing",
    "hosts": "Hosts lost, ordered and drained",
    "policy": "Changes of policy",
    "capacity": "Changes of capacity",
    "leaders": "Leaders and Mesos streams",
    "decisions": "Decisions that matter",
    "endings": "Tasks that ended badly",
    "requests": "Requests of people and programs",
}
"""In the order in which they are read: what cried first, what was done last."""
LINES_KEPT_MAX: Final = 2_000
"""Lines of one section that are kept, the first; all others are counted."""
TEXT_CHARACTERS_MAX: Final = 500
MOVERS_MAX: Final = 20
NOTES_SHOWN_MAX: Final = 100

Weight = Literal["", "warning", "critical"]


class IncidentLine(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """One thing that happened."""

    address: str
    at_ms: int
    what: str
    """Its kind, in a word or two."""
    text: str
    weight: Weight = ""
    job_id: str = ""
    task_id: str = ""
    host_id: str = ""
    hostname: str = ""
    actor: str = ""


class Section(msgspec.Struct, frozen=True, rename="camel"):
    """Lines of one kind, oldest first: a page of them."""

    name: SectionName
    title: str
    lines: tuple[IncidentLine, ...]
    total: int
    """In the whole stretch."""
    next_skip: int = 0
    """What to skip for the next page; 0: this is the last."""
    dropped: int = 0
    """The newest that are counted and not kept."""


class Mover(msgspec.Struct, frozen=True, rename="camel"):
    """A job, host, way to fail or line of a log, and what moved of it."""

    name: str
    moved: int
    """All of the numbers together, by which movers are sorted."""
    numbers: dict[str, int]
    first_address: str
    example: str = ""
    """An id that shows it: a task that failed so, a host that logged so."""
    before: int | None = None
    after: int | None = None
    """Tasks on hosts at both ends; of jobs and hosts."""


class Movers(msgspec.Struct, frozen=True, rename="camel"):
    """What moved most, most first."""

    jobs: tuple[Mover, ...] = ()
    hosts: tuple[Mover, ...] = ()
    failures: tuple[Mover, ...] = ()
    """Ways in which tasks failed, with what varies in their messages left out."""
    templates: tuple[Mover, ...] = ()
    """Lines of hosts' logs and series that detectors gave as evidence."""
    untracked: int = 0
    """Movements of what is in none of the lists, for too many others moved."""


class End(msgspec.Struct, frozen=True, rename="camel"):
    """The cell at one end of the stretch."""

    address: str
    at_ms: int
    leader: str
    policy_version: int
    hosts: int
    tasks_on_hosts: int
    waiting: int
    is_safe: bool


class RuleAlert(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """An alert of a rule (`docs/alerts.md`): it is told beside the log, and has no address."""

    rule: str
    severity: str
    fired_ms: int
    resolved_ms: int = 0
    """0: it fires still."""
    labels: str = ""
    summary: str = ""
    acknowledged_by: str = ""
    silenced_by: str = ""


class ShownNote(msgspec.Struct, frozen=True, rename="camel"):
    """A note of an operator."""

    address: str
    at_ms: int
    from_ms: int
    to_ms: int
    text: str
    actor: str
    about: str = ""


class Incident(msgspec.Struct, frozen=True, rename="camel"):
    """All of a stretch."""

    cell: str
    first: End
    last: End
    records: int
    replay_from: str
    replay_to: str
    """What `flumina bundle` is given for the slice of the same events."""
    sections: tuple[Section, ...]
    movers: Movers
    steps: dict[str, int]
    """How many tasks entered each state."""
    ends: dict[str, int]
    """How many tasks ended for each reason."""
    rule_alerts: tuple[RuleAlert, ...] = ()
    """Alerts of rules that fired within the stretch; of the last day, as long as they are kept."""
    notes: tuple[ShownNote, ...] = ()
    notes_total: int = 0
    halt: str = ""
    """Why nothing is told of the rest of the stretch: a record that the fold cannot take."""


class Chain(msgspec.Struct, frozen=True, rename="camel"):
    """What happened to a task within the stretch, and what led to the last of it."""

    task_id: str
    lines: tuple[Line, ...]
    total: int
    causes: Trace | None = None
    """None where nothing of it is an event of the log."""
