"""Jobs and tasks as API v3 shows them, and the bodies that change them.

The one thing to know: what Titus has no word for stands under names that begin with ``flumina.``.
"""

from typing import Annotated, Literal

import msgspec

from connectors.web.shapes.base import AtMs, Json, Pagination, Shape, Texts, part_of
from connectors.web.shapes.descriptor import JobDescriptor, Size
from projections.v3_query import JOB_STATES, TASK_STATES

JobState = Literal["Accepted", "KillInitiated", "Finished"]
TaskState = Literal[
    "Accepted",
    "Launched",
    "StartInitiated",
    "Started",
    "Disconnected",
    "KillInitiated",
    "Finished",
]
assert JobState.__args__ == JOB_STATES  # type: ignore[attr-defined]
assert TaskState.__args__ == TASK_STATES  # type: ignore[attr-defined]


class JobStatus(Shape, frozen=True):
    """A state of a job, and since when."""

    state: JobState
    reason_code: str
    reason_message: str
    timestamp: AtMs


class ContainerState(Shape, frozen=True):
    """How the task's container is, as far as Mesos says."""

    container_name: str
    container_health: Literal["Healthy", "Unhealthy", "Unset"]


class TaskStatus(Shape, frozen=True):
    """A state of a task, and since when."""

    state: TaskState
    reason_code: str
    reason_message: str
    timestamp: AtMs
    container_state: tuple[ContainerState, ...] = ()


class Version(Shape, frozen=True):
    """``version`` is what ``If-Match`` takes; it is the answer's ``ETag`` as well."""

    timestamp: AtMs
    version: int


class Job(msgspec.Struct, frozen=True, rename="camel"):
    """A job."""

    id: str
    job_descriptor: JobDescriptor
    status: JobStatus
    status_history: tuple[JobStatus, ...]
    version: Version


class Url(Shape, frozen=True):
    """Where to ask."""

    url: str


class Stored(Shape, frozen=True):
    """A folder in a bucket."""

    bucket: str
    key: str


class LogLocation(Shape, frozen=True, rename={"live_stream": "liveStream"}):
    """Where the task's output is."""

    ui: Url
    live_stream: Url
    s3: Stored | msgspec.UnsetType = msgspec.UNSET


class MigrationDetails(Shape, frozen=True):
    """Whether the task has to leave its host, and until when."""

    needs_migration: bool
    started: AtMs
    deadline: AtMs


class Task(msgspec.Struct, frozen=True, rename="camel"):
    """A task; ``taskContext`` has Titus' keys, and ours under ``flumina.``."""

    id: str
    job_id: str
    task_context: Texts
    status: TaskStatus
    status_history: tuple[TaskStatus, ...]
    attributes: Texts
    migration_details: MigrationDetails
    version: Version
    log_location: LogLocation


class Jobs(Shape, frozen=True):
    """A page of jobs; with ``fields`` each item has its id and these parts only."""

    items: tuple[Annotated[Json, part_of("Job")], ...]
    pagination: Pagination


class Tasks(Shape, frozen=True):
    """A page of tasks; with ``fields`` each item has its id and these parts only."""

    items: tuple[Annotated[Json, part_of("Task")], ...]
    pagination: Pagination


class CapacityBody(Shape, frozen=True):
    """All bounds of a service."""

    desired: Size
    max: Size
    min: Size = 0


class CapacityAttributesBody(Shape, frozen=True):
    """The bounds to change; at least one."""

    desired: Size | None = None
    max: Size | None = None
    min: Size | None = None


class JobProcessesBody(Shape, frozen=True):
    """Which changes of the desired size are not made; what is left out stays."""

    disable_increase_desired: bool | None = None
    disable_decrease_desired: bool | None = None


class AttributesBody(Shape, frozen=True):
    """Attributes to set; the others stay."""

    attributes: Texts


class MoveBody(Shape, frozen=True):
    """Which task goes from which service to which."""

    source_job_id: Annotated[str, msgspec.Meta(min_length=1)]
    target_job_id: Annotated[str, msgspec.Meta(min_length=1)]
    task_id: Annotated[str, msgspec.Meta(min_length=1)]
