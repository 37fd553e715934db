"""Simulated hosts: what runs on them, and what they have to say and have not been heard on.

The one thing to know: a host says one thing of a task at a time, and says it again until it is
acknowledged (after 10 s, then twice as long each time, at most 10 minutes), as Mesos agents do.
It is the witness of what really runs, whatever master and cell believe.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from scheduler.model.ids import HostId, JobId, TaskId
from scheduler.model.mesos import MesosTaskState
from scheduler.model.resources import Need, Resources

RESEND_S_MIN: Final = 10.0
RESEND_S_MAX: Final = 600.0
"""Apache Mesos 1.11, slave/constants.hpp: status updates are retried from 10 s to 10 min."""
HOST_CPU_MILLI: Final = 16_000
HOST_MEMORY_MIB: Final = 65_536
HOST_DISK_MIB: Final = 100_000
TERMINAL: Final = frozenset(
    (
        "TASK_FINISHED",
        "TASK_FAILED",
        "TASK_KILLED",
        "TASK_ERROR",
        "TASK_LOST",
        "TASK_DROPPED",
        "TASK_GONE",
        "TASK_GONE_BY_OPERATOR",
    )
)


class Said(NamedTuple):
    """One thing that a host says of a task."""

    state: MesosTaskState
    uuid: str
    reason: str


@dataclass(slots=True)
class LiveTask:
    """A task that a host has: what it needs, how long it runs, how it ends."""

    task_id: TaskId
    job_id: JobId
    index: int
    need: Need
    state: MesosTaskState = "TASK_STAGING"
    run_s: float = 0.0
    """0: until it is killed."""
    is_failing: bool = False
    is_being_killed: bool = False


@dataclass(slots=True)
class Host:
    """One host, and what the master makes of it."""

    host_id: HostId
    zone: str
    is_alive: bool = True
    is_known: bool = False
    """The master has it registered."""
    cut_until_s: float = 0.0
    cuts: int = 0
    tasks: dict[TaskId, LiveTask] = field(default_factory=dict)
    """What runs there, in truth."""
    unheard: dict[TaskId, deque[Said]] = field(default_factory=dict)
    """What it has said of each task and is not acknowledged, oldest first."""

    def is_reachable(self, now_s: float) -> bool:
        """Whether a message gets there, or back."""
        return self.is_alive and now_s >= self.cut_until_s

    def states(self) -> dict[TaskId, MesosTaskState]:
        """What it would report of its tasks when it registers."""
        found = {task_id: task.state for task_id, task in self.tasks.items()}
        for task_id, said in self.unheard.items():
            found[task_id] = said[-1].state
        return found


def whole_host() -> Resources:
    """What an empty host offers."""
    return Resources(HOST_CPU_MILLI, HOST_MEMORY_MIB, HOST_DISK_MIB)
