"""What `decide()` wants done: imperative, written to the cell log before anything happens.

The one thing to know: a proposal is a wish. The fold accepts or refuses it at its own place in
the log, by the state as it is there; only an accepted one may become an effect.
"""

import msgspec

from scheduler.model.base import Ours
from scheduler.model.ids import HostId, JobId, OfferId, TaskId


class Launch(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One task to start and the scarce things of the host that it gets."""

    task_id: TaskId
    ports: tuple[int, ...] = ()
    interface: int = -1
    """Index of the network interface on which it has its address; -1: it has none."""
    gpus: tuple[int, ...] = ()
    """Indexes of the host's devices."""


class LaunchTasks(Ours, frozen=True):
    """Start tasks on one host with all the offers named; becomes one ACCEPT."""

    host_id: HostId
    offer_ids: tuple[OfferId, ...]
    launches: tuple[Launch, ...]


class DeclineOffers(Ours, frozen=True):
    """Give unused offers back for a while."""

    offer_ids: tuple[OfferId, ...]
    refuse_ms: int


class KillTask(Ours, frozen=True):
    """End a task that the log wants ended; ``is_inferred`` where no user asked for it."""

    task_id: TaskId
    host_id: HostId
    is_inferred: bool = False


class PreemptTask(Ours, frozen=True):
    """End a task so that guaranteed work of another job can have its room.

    Nothing leaves the cell by this itself: where the fold accepts it, the task is to be killed.
    """

    task_id: TaskId
    host_id: HostId
    for_job: JobId
    why: str


class ReconcileTasks(Ours, frozen=True):
    """Ask Mesos for the state of these tasks."""

    task_ids: tuple[TaskId, ...]


class ReconcileAll(Ours, frozen=True):
    """Ask Mesos for every task it holds for us."""


class SuppressOffers(Ours, frozen=True):
    """Ask for no more offers: nothing waits."""


class ReviveOffers(Ours, frozen=True):
    """Ask for offers: something waits."""


class AcceptInverseOffers(Ours, frozen=True):
    """Tell Mesos that these hosts are free of our tasks, or will be when they go away."""

    offer_ids: tuple[OfferId, ...]
    refuse_ms: int
    """Mesos asks again after so long."""


class DeclineInverseOffers(Ours, frozen=True):
    """Tell Mesos that tasks cannot leave these hosts in time."""

    offer_ids: tuple[OfferId, ...]
    refuse_ms: int


Proposal = (
    LaunchTasks
    | DeclineOffers
    | AcceptInverseOffers
    | DeclineInverseOffers
    | KillTask
    | ReconcileTasks
    | ReconcileAll
    | SuppressOffers
    | ReviveOffers
)
"""All that the machine can propose."""
