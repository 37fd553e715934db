"""A task and the states it can be in, as closed classes.

The one thing to know: what cannot be true cannot be written. A queued task has no host to forget;
a started one cannot be without. The moves between the states are in `scheduler.task_table`.

| class here | Titus calls it | meaning |
| --- | --- | --- |
| `Queued` | Accepted | waits for a host, or for its retry delay |
| `Placed` | Accepted | a launch is accepted in the log, nothing has left the cell |
| `Launched` | Launched | an ACCEPT may have left; only Mesos can say what became of it |
| `StartInitiated` | StartInitiated | TASK_STARTING |
| `Started` | Started | TASK_RUNNING |
| `Disconnected` | Disconnected | its host is unreachable; it may still run |
| `KillInitiated` | KillInitiated | it must end; kills are repeated until it has |
| `Finished` | Finished | terminal |
"""

from typing import Literal, get_args

from scheduler.model.base import Ours
from scheduler.model.ids import HostId, JobId, ProposalId, TaskId

FinishReason = Literal[
    "normal",
    "failed",
    "killed",
    "evicted",
    "scaledDown",
    "stuckInState",
    "runtimeLimitExceeded",
    "lost",
    "invalidRequest",
    "crashed",
    "transientSystemError",
    "localSystemError",
    "unknownSystemError",
]
"""Titus' words for why a task ended. Two of its list are missing on purpose: nothing is forced to
be finished while it may run (stuckInKillingState), and an end has a reason (unknown)."""

SYSTEM_ERRORS: tuple[FinishReason, ...] = (
    "stuckInState",
    "crashed",
    "transientSystemError",
    "localSystemError",
    "unknownSystemError",
    "lost",
)
"""Titus' system errors, and ``lost``: Titus counts a lost task against the user; a host that dies
is not the user's doing, so we do not."""

SYSTEM_REASONS: tuple[FinishReason, ...] = (*SYSTEM_ERRORS, "evicted")
"""Ends that are not the task's fault: they never use up the user's retries."""


class OnHost(Ours, frozen=True):
    """Where a task is: its host, its ports, the decision that put it there."""

    host_id: HostId
    ports: tuple[int, ...]
    proposal_id: ProposalId
    interface: int = -1
    gpus: tuple[int, ...] = ()
    address: str = ""
    """The container's, as Mesos told it with the task; empty before it did."""


class Queued(Ours, frozen=True):
    """Waits; not before ``ready_at_ms`` where it is a retry."""

    since_ms: int
    ready_at_ms: int = 0


class Placed(Ours, frozen=True):
    """Its launch is accepted; it goes back to the queue if nobody starts the effect."""

    place: OnHost
    since_ms: int


class Launched(Ours, frozen=True):
    """Its ACCEPT was started. ``is_answered``: the call returned 2xx, so Mesos knows of it."""

    place: OnHost
    since_ms: int
    is_answered: bool = False


class StartInitiated(Ours, frozen=True):
    """Mesos says it is starting."""

    place: OnHost
    since_ms: int


class Started(Ours, frozen=True):
    """Mesos says it runs."""

    place: OnHost
    since_ms: int
    is_healthy: bool = True
    healthy_since_ms: int = 0
    """When it became healthy again; 0 where it was since its start."""


class Disconnected(Ours, frozen=True):
    """Its host is unreachable; it is replaced after a policy's time, and waited for until then."""

    place: OnHost
    since_ms: int
    started_at_ms: int | None = None


class KillInitiated(Ours, frozen=True):
    """It has to end, for ``reason``; on an unreachable host it is waited for."""

    place: OnHost
    since_ms: int
    reason: FinishReason
    message: str = ""
    kill_sent_at_ms: int | None = None
    is_unreachable: bool = False
    started_at_ms: int | None = None
    is_stuck: bool = False
    """Kills were repeated for too long; its host was taken out of use, and somebody was paged."""


class Finished(Ours, frozen=True):
    """It ended. ``is_abandoned``: we gave it up unheard, so it might still come back."""

    since_ms: int
    reason: FinishReason
    message: str = ""
    place: OnHost | None = None
    is_abandoned: bool = False
    kill_sent_at_ms: int | None = None
    is_back: bool = False
    """An abandoned task that was heard of again; it must be ended."""


TaskState = (
    Queued | Placed | Launched | StartInitiated | Started | Disconnected | KillInitiated | Finished
)
"""The states of a task, complete."""


class Task(Ours, frozen=True):
    """One container run: index ``index`` of its job, start number ``number`` of its job."""

    task_id: TaskId
    job_id: JobId
    index: int
    number: int
    original_id: TaskId
    state: TaskState
    resubmit_of: TaskId | None = None
    resubmit_number: int = 0
    system_resubmit_number: int = 0
    system_failures_in_a_row: int = 0
    user_failures_in_a_row: int = 0
    version: int = 1
    """Counts changes of the state and of attributes."""
    attributes: tuple[tuple[str, str], ...] = ()
    """Set by users while it lives, sorted by name; a replacement begins without any."""
    eviction_resubmit_number: int = 0
    """How many of its predecessors were evicted; ``system_resubmit_number`` counts the others."""
    retry_delay_ms: int = 0
    """How long it had to wait, as a replacement, before it could be placed."""
    moved_from: JobId | None = None
    """The job whose id it bears, where it was moved from one."""
    spec_version: int = 1
    """The version of its job's spec by which it runs, see `scheduler.versions`."""
    next_version: int = 0
    """Where an update ends it: the version of its replacement; else 0."""


def titus_state(state: TaskState) -> str:
    """The name that Titus' API gives to the state."""
    return _TITUS_STATES[type(state)]


def place_of(state: TaskState) -> OnHost | None:
    """Where the task is, if it is anywhere."""
    place: OnHost | None = getattr(state, "place", None)  # Only a queued task has no such field.
    return place


def is_on_host(state: TaskState) -> bool:
    """Whether the task holds resources of a host, as far as the log knows."""
    return type(state) not in _OFF_HOST


_TITUS_STATES: dict[type[TaskState], str] = {
    kind: "Accepted" if kind in (Queued, Placed) else kind.__name__ for kind in get_args(TaskState)
}
_OFF_HOST = frozenset((Queued, Finished))
