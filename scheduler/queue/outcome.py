"""What a round of placement answers: who goes where, who waits and why, whom it costs a place.

The one thing to know: nothing is silent. Every class that still waits after a round stands in
``refused`` (no host would do, and why) or in ``held`` (a rule of the queue, and its numbers), or is
counted in ``unexplained`` because the round has explained as many as it may.
"""

from collections.abc import Callable, Sequence

import msgspec

from scheduler.model.ids import HostId, JobId, TaskId
from scheduler.model.resources import Need
from scheduler.placement.outcome import Outcome
from scheduler.placement.request import Request
from scheduler.placement.windows import Window

from .amounts import Vector


class RoundLimits(msgspec.Struct, frozen=True):
    """How much one round may do."""

    launches_max: int = 1_000_000
    explanations_max: int = 1_000_000
    reservations_max: int = 8
    """Hosts kept for classes that have waited long."""
    preemptions_max: int = 100
    """Tasks ended for others in one round."""
    hosts_scanned_max: int = 20_000
    """Hosts that preemption goes through for one class, looking for tasks that may end."""
    hosts_examined_max: int = 64
    """Hosts with such tasks, of which it chooses the best."""
    promise_ms_max: int = 600_000
    """Room that is not free after so long is no longer waited for: a task does not want to end."""
    chunks: int = 128
    """A turn takes at most this part of the cell, so that no group is ahead by more."""


class Placed(msgspec.Struct, frozen=True):
    """One turn: tasks of a class that have a host now, in the order in which they got them."""

    request: Request
    outcome: Outcome


class Refusal(msgspec.Struct, frozen=True):
    """A class for which no host would do, and how many of its tasks wait on."""

    request: Request
    count: int
    outcome: Outcome


class Held(msgspec.Struct, frozen=True):
    """A class that a rule of the queue holds, with its numbers."""

    request: Request
    count: int
    rule: str
    words: str
    wake: str
    scales_up: bool = False
    """Whether more hosts would help; a group's limit or a rate never asks for any."""


class Reservation(msgspec.Struct, frozen=True):
    """Hosts kept free of others for a class that has waited longer than ``aging_ms``."""

    request: Request
    host_ids: tuple[HostId, ...]
    words: str


class RunningTask(msgspec.Struct, frozen=True):
    """A task on a host, as preemption sees it."""

    task_id: TaskId
    job_id: JobId
    group: str
    tier: str
    need: Need
    since_ms: int
    """When it started: what it has done since would be lost."""
    is_opportunistic: bool = False
    is_service: bool = False


class Disruption(msgspec.Struct, frozen=True):
    """What preemption may ask, and what it has done in the last hour."""

    tasks_on: Callable[[HostId], Sequence[RunningTask]]
    """The tasks of a host; asked only for hosts that preemption considers."""
    may_disrupt: Callable[[JobId], int]
    """How many tasks of the job its disruption budget allows to end now."""
    preempted_last_hour: int = 0
    preempted_last_hour_of_job: tuple[tuple[JobId, int], ...] = ()


class Preemption(msgspec.Struct, frozen=True):
    """Tasks of one host that are ended, for whom, and why."""

    host_id: HostId
    victims: tuple[RunningTask, ...]
    request: Request
    """For whom."""
    count: int
    """How many of its tasks the freed room is for."""
    words: str


class Promise(msgspec.Struct, frozen=True):
    """Room that was freed for a class, until it is used or no longer asked for."""

    host_id: HostId
    request: Request
    count: int
    at_ms: int


class Troughs(msgspec.Struct, frozen=True):
    """Capacity that somebody could use and nobody does, as numbers for series.

    Each in the order cpu_milli, memory_mib, disk_mib, network_mbps, gpu_milli.
    """

    total: Vector
    allocated: Vector
    """Sums of needs."""
    opportunistic: Vector
    """The part of it that is opportunistic."""
    guaranteed: Vector
    not_allocated: Vector
    """Guaranteed to groups and not allocated to them: the first trough."""
    not_used: Vector | None = None
    """Allocated and not used, where what is used is known: the second trough."""


class RoundOutcome(msgspec.Struct, frozen=True):
    """All that a round decided."""

    placed: tuple[Placed, ...] = ()
    held: tuple[Held, ...] = ()
    refused: tuple[Refusal, ...] = ()
    unexplained: int = 0
    """Classes that wait and whose reason was not worked out: see ``explanations_max``."""
    preemptions: tuple[Preemption, ...] = ()
    reservations: tuple[Reservation, ...] = ()
    promises: tuple[Promise, ...] = ()
    """Room that is being freed, this round's included; given to the next round as it is."""
    troughs: Troughs | None = None
    windows: tuple[Window, ...] | None = None
    """What is still lent, where the round was given windows."""
    again_at_ms: int = 0
    """When time alone could change an answer (aging, a rate, a promise); 0: it cannot."""

    @property
    def tasks_placed(self) -> int:
        """How many tasks got a host."""
        return sum(len(each.outcome.choices) for each in self.placed)
