"""Updates of a job's spec: how they are to go, how far they are, and what users ask of them.

The one thing to know: an update moves indexes from one version of the spec to another, and a
rollback is the same way back. Numbers of tasks may be given as counts or as percentages of what
the job wants at that moment.
"""

from typing import Literal

from scheduler.model.base import Ours
from scheduler.model.ids import JobId
from scheduler.model.job import JobSpec

Strategy = Literal["rolling", "redBlack"]
UpdateState = Literal["running", "switched", "rollingBack", "done", "rolledBack", "ended"]
"""``switched`` is of red-black: the new set serves and the old one is kept; the last three are
final, and ``ended`` says that the job was killed meanwhile."""
UpdateOrder = Literal["pause", "resume", "rollback"]
UPDATES_KEPT_MAX = 10
"""Of each job, so many ended updates are remembered."""


class Share(Ours, frozen=True, tag=False):
    """A number of tasks, or a percentage of what the job wants."""

    count: int = 0
    percent: int = 0

    def of(self, desired: int, *, is_rounded_up: bool = False) -> int:
        """How many tasks that is of ``desired``."""
        if not self.percent:
            return self.count
        return (desired * self.percent + (99 if is_rounded_up else 0)) // 100

    def __str__(self) -> str:
        """As people write it."""
        return f"{self.percent}%" if self.percent else str(self.count)


class UpdatePlan(Ours, frozen=True):
    """How an update goes. Times in milliseconds of the log's clock."""

    strategy: Strategy = "rolling"
    batch: Share = Share(percent=25)
    """So many indexes are moved before all that were moved must be healthy."""
    max_unavailable: Share = Share(percent=25)
    """So many of the wanted tasks may be unavailable by the update's doing (Kubernetes: 25 %)."""
    max_surge: Share = Share()
    """So many tasks more than wanted may run. None by default: then every task keeps its index."""
    health_wait_ms: int = 30_000
    """A task counts once it was started and healthy for so long."""
    batch_deadline_ms: int = 600_000
    """A batch that is not healthy by then has failed (Kubernetes: 600 s without progress)."""
    failures_max: int = 3
    """So many ends of new tasks within the window are a crash loop."""
    failure_window_ms: int = 600_000
    is_rolled_back: bool = True
    """Whether a failed update is rolled back by itself; else it pauses."""
    keep_ms: int = 600_000
    """Red-black: how long the old set is kept once the new one serves."""
    is_restart: bool = False
    """Whether tasks are replaced also where the new spec is the present one."""
    campaign: str = ""
    """The campaign that it is part of: see `projections.campaigns`."""


class SpecVersion(Ours, frozen=True, tag=False):
    """One version of a job's spec."""

    version: int
    spec: JobSpec


class JobUpdate(Ours, frozen=True):
    """One update of a job, as far as it has come."""

    number: int
    plan: UpdatePlan
    from_version: int
    to_version: int
    began_at_ms: int
    state: UpdateState = "running"
    is_paused: bool = False
    batch: int = 1
    batch_since_ms: int = 0
    switched_at_ms: int = 0
    taken: tuple[int, ...] = ()
    """Indexes whose available task the update took, and that are not available again yet."""
    taken_max: int = 0
    """How many those may be: all tasks but the floor, when the last of them was taken."""
    failures_at_ms: tuple[int, ...] = ()
    """When tasks of the new version ended by themselves, within the window."""
    ended_at_ms: int = 0
    actor: str = ""
    why: str = ""
    """Why it is paused, rolled back or begun."""
    digest: str = ""
    """Of the spec that was asked for: asking for the same again begins nothing."""


class JobUpdateAsked(Ours, frozen=True):
    """A user gives a job another spec; its size, switches and budget stay the job's own."""

    job_id: JobId
    spec: JobSpec
    digest: str
    plan: UpdatePlan = UpdatePlan()
    actor: str = ""
    why: str = ""
    if_version: int | None = None


class JobUpdateOrdered(Ours, frozen=True):
    """A user pauses, resumes or rolls back an update of a job."""

    job_id: JobId
    order: UpdateOrder
    number: int | None = None
    """Which update; None: the latest."""
    actor: str = ""
    why: str = ""
    if_version: int | None = None


UpdateRequest = JobUpdateAsked | JobUpdateOrdered
"""All of them."""
