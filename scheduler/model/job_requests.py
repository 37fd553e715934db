"""What users ask of a job or task that lives: attributes, switches, and a move between jobs.

The one thing to know: each says who asks, why, and optionally of which version of the job or task
(``if_version``); the fold refuses what was meant for another version. What makes, scales or ends a
job stands in `scheduler.model.inbound`.
"""

from scheduler.model.base import Ours
from scheduler.model.ids import JobId, TaskId


class JobProcessesAsked(Ours, frozen=True):
    """A user stops or lets go on what changes a service's desired size; None leaves a switch.

    Titus: both block ``desired`` only; bounds may change, and ended tasks are still replaced.
    """

    job_id: JobId
    is_increase_disabled: bool | None = None
    is_decrease_disabled: bool | None = None
    actor: str = ""
    why: str = ""
    if_version: int | None = None


class JobEnabledAsked(Ours, frozen=True):
    """A user takes a service in or out of service; one that is out is not scaled by itself."""

    job_id: JobId
    is_enabled: bool
    actor: str = ""
    why: str = ""
    if_version: int | None = None


class JobAttributesAsked(Ours, frozen=True):
    """A user sets attributes of a job, and removes others; the rest stay as they are."""

    job_id: JobId
    attributes: tuple[tuple[str, str], ...] = ()
    """Sorted by name."""
    removed: tuple[str, ...] = ()
    """A name that the job does not have is no fault: it is gone, which was asked for."""
    actor: str = ""
    why: str = ""
    if_version: int | None = None


class TaskAttributesAsked(Ours, frozen=True):
    """A user sets attributes of a task, and removes others; they end with the task."""

    task_id: TaskId
    attributes: tuple[tuple[str, str], ...] = ()
    removed: tuple[str, ...] = ()
    actor: str = ""
    why: str = ""
    if_version: int | None = None


class TaskMoveAsked(Ours, frozen=True):
    """A user moves a started task from one service to another that runs the same.

    It goes on running under its own id; the source wants one task less, the target one more.
    """

    task_id: TaskId
    source_job_id: JobId
    target_job_id: JobId
    actor: str = ""
    why: str = ""
    if_version: int | None = None
    """Of the source job."""


JobRequest = (
    JobProcessesAsked | JobEnabledAsked | JobAttributesAsked | TaskAttributesAsked | TaskMoveAsked
)
"""All of them."""
