"""What topic ``verdicts`` holds: what processes outside the cell have found about its hosts.

The one thing to know: a verdict is evidence and no order. The fold decides what follows from it,
by its own numbers and its own clock (`scheduler.fold.health`); ``observed_at_ms`` says when the
finder looked and is never read as the time of day. The key of a record is the host's id.
"""

from typing import Final, Literal

from scheduler.model.base import Ours
from scheduler.model.ids import HostId, TaskId

HostStanding = Literal["well", "suspect", "sick"]
"""What a detector makes of a host. Only ``sick`` keeps work away; ``suspect`` is shown."""

ProbeState = Literal["good", "bad", "unknown"]
"""``unknown``: it could not be looked at, which is no evidence for either."""

SCORE_MAX: Final = 1_000
EVIDENCE_MAX: Final = 16
"""Pieces of evidence in a verdict; the fold keeps no more of one."""
EVIDENCE_TEXT_MAX: Final = 400
"""Characters of a line that are shown; the source says where the whole line stands."""


class Evidence(Ours, frozen=True, tag=False):
    """One thing that speaks for a verdict: a line, a value, peers, tasks."""

    kind: str
    """Such as ``line``, ``template``, ``series``, ``peers``, ``task`` or ``probe``."""
    text: str
    source: str = ""
    """Where it stands: ``topic:partition:offset``, or an address in the cell log."""
    count: int = 1


class HostJudged(Ours, frozen=True):
    """What one detector makes of a host; it holds until the same detector says otherwise."""

    host_id: HostId
    detector: str
    """Such as ``lines``, ``series`` or ``peers``."""
    standing: HostStanding
    score_milli: int = 0
    """How sure it is, 0 to 1,000."""
    evidence: tuple[Evidence, ...] = ()
    observed_at_ms: int = 0


class Probe(Ours, frozen=True, tag=False):
    """One active check of a host and what it found."""

    name: str
    """Such as ``container``, ``agent``, ``disk``, ``clock``, ``system``, ``instance``."""
    state: ProbeState
    detail: str = ""


class HostProbed(Ours, frozen=True):
    """What a round of active checks found on a host."""

    host_id: HostId
    probes: tuple[Probe, ...]
    observed_at_ms: int = 0


class TaskSilent(Ours, frozen=True):
    """A task's heartbeat stayed away, or came back; a reason to ask Mesos, never to end it."""

    task_id: TaskId
    is_silent: bool = True
    silent_ms: int = 0
    detail: str = ""
    observed_at_ms: int = 0


VerdictBody = HostJudged | HostProbed | TaskSilent
"""All that may be written to topic ``verdicts``, besides a partition's first record."""
