"""The shapes of API v2 as of 2017.

The one thing to know: old clients write whole numbers as 512.0 now and then, so numbers of a spec
are numbers of any kind here, and its reader demands whole ones.
"""

from typing import Annotated, Literal

import msgspec

from connectors.web.shapes.base import AtMs, Name, Shape, Texts
from connectors.web.shapes.cell import Refusal
from connectors.web.v2.spec import BATCH_MAX, CPU_MAX, DISK_MB_MAX, MEMORY_MB_MAX, SERVICE_MAX

State = Literal[
    "QUEUED",
    "DISPATCHED",
    "STARTING",
    "RUNNING",
    "FINISHED",
    "ERROR",
    "STOPPED",
    "CRASHED",
    "FAILED",
]
Count = Annotated[int, msgspec.Meta(ge=0, le=SERVICE_MAX)]


class MigrationPolicy(Shape, frozen=True):
    """Who moves its tasks off a host."""

    type: Literal["systemDefault", "selfManaged"]


class SpecBody(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A job spec of 2017, or of Titan (2015)."""

    application_name: Name
    """The image."""
    user: str = ""
    entry_point: str = ""
    cpu: Annotated[float, msgspec.Meta(gt=0, le=CPU_MAX)] = 1
    memory: Annotated[float, msgspec.Meta(ge=16, le=MEMORY_MB_MAX)] = 512
    name: str = ""
    app_name: str = ""
    type: Literal["batch", "service"] = "batch"
    labels: Texts = {}
    version: str = "latest"
    in_service: bool = True
    instances: Annotated[int, msgspec.Meta(ge=0, le=BATCH_MAX)] = 1
    disk: Annotated[float, msgspec.Meta(ge=0, le=DISK_MB_MAX)] = 0
    env: Texts = {}
    retries: Annotated[int, msgspec.Meta(ge=0)] = 0


class CountsBody(Shape, frozen=True):
    """New bounds of a service."""

    user: Name
    job_id: Name
    instances_desired: Count
    instances_min: Count
    instances_max: Count


class InServiceBody(Shape, frozen=True):
    """In service or not."""

    user: Name
    job_id: Name
    in_service: bool


class KillJobBody(Shape, frozen=True):
    """A job to end."""

    user: Name
    job_id: Name


class KillTasksBody(Shape, frozen=True):
    """Tasks to end: one of ``taskId`` and ``taskIds``."""

    user: Name
    task_id: str | msgspec.UnsetType = msgspec.UNSET
    task_ids: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    shrink: bool = False
    strict: bool = False


class Submitted(Shape, frozen=True):
    """A job that was made."""

    id: str
    job_uri: str


class TaskBrief(Shape, frozen=True):
    """A task within its job."""

    id: str
    instance_id: str
    job_id: str
    state: State
    host: str
    host_instance_id: str
    message: str


class TaskOfV2(TaskBrief, frozen=True, kw_only=True):
    """A task."""

    application_name: str = ""
    cpu: float = 0
    memory: int = 0
    network_mbps: int = 0
    disk: int = 0
    gpu: int = 0
    env: Texts = {}  # noqa: RUF012 - msgspec gives each struct its own
    version: str = ""
    entry_point: str = ""
    ports: tuple[int, ...]
    zone: str
    region: str
    submitted_at: AtMs
    launched_at: AtMs
    started_at: AtMs
    finished_at: AtMs
    migration_deadline: AtMs
    logs: str


class JobOfV2(Shape, frozen=True, kw_only=True):
    """A job."""

    id: str
    name: str
    application_name: str
    app_name: str
    user: str
    type: Literal["batch", "service"]
    labels: Texts
    version: str
    entry_point: str
    in_service: bool
    instances: int
    instances_min: int | msgspec.UnsetType = msgspec.UNSET
    instances_max: int | msgspec.UnsetType = msgspec.UNSET
    instances_desired: int | msgspec.UnsetType = msgspec.UNSET
    cpu: float
    memory: int
    network_mbps: int
    disk: int
    ports: tuple[int, ...]
    gpu: int
    env: Texts
    retries: int
    restart_on_success: bool
    runtime_limit_secs: int
    allocate_ip_address: bool
    iam_profile: str
    security_groups: tuple[str, ...]
    soft_constraints: tuple[str, ...]
    hard_constraints: tuple[str, ...]
    job_group_stack: str
    job_group_detail: str
    job_group_sequence: str
    capacity_group: str
    migration_policy: MigrationPolicy
    state: State
    submitted_at: AtMs
    finished_at: AtMs
    tasks: tuple[TaskBrief, ...]


class TasksSummary(Shape, frozen=True):
    """How many tasks are in each state."""

    total: int
    states: dict[str, int]


class Logs(Shape, frozen=True):
    """Where a task's output is read."""

    task_id: str
    stdout: str
    stderr: str


class Queued(Shape, frozen=True):
    """A task that waits."""

    task_id: str
    job_id: str
    tier: str
    capacity_group: str
    cpu: float
    memory: int
    disk: int
    network_mbps: int
    submitted_at: AtMs


class QueueCount(Shape, frozen=True):
    """How many wait of one group."""

    tier: str
    capacity_group: str
    tasks: int


class Failures(Shape, frozen=True):
    """Why no host takes a task."""

    task_id: str
    failures: tuple[Refusal, ...]
    message: str


class HostOfV2(Shape, frozen=True):
    """A host."""

    hostname: str
    instance_id: str
    attributes: Texts
    tasks: int
    offers: int


class JobsOnHost(Shape, frozen=True):
    """A host and its tasks."""

    hostname: str
    instance_id: str
    tasks: tuple[TaskBrief, ...]
