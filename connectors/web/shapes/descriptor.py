"""The job descriptor, as Titus' API v3 has it and as `docs/producers.md` describes it.

The one thing to know: this describes; `scheduler.model.v3` reads, and tells every fault by its
field. A test writes drawn jobs and finds that each keeps to this, and that each field of it is
known to the reader.
"""

from typing import Annotated, Literal

import msgspec

from connectors.web.shapes.base import Json, Name, Texts
from scheduler.model.cron import SCHEDULE_BYTES_MAX
from scheduler.model.job import CatchUp, Overlap
from scheduler.model.v3 import limits
from scheduler.model.v3.kinds import CATCH_UP_MAX, DEADLINE_SECONDS_MAX, RUNS_KEPT_MAX

Size = Annotated[int, msgspec.Meta(ge=0, le=limits.SERVICE_SIZE_MAX)]
Retries = Annotated[int, msgspec.Meta(ge=0, le=limits.RETRIES_MAX)]
Delay = Annotated[int, msgspec.Meta(ge=0, le=limits.RETRY_DELAY_MS_MAX)]
Part = Annotated[str, msgspec.Meta(max_length=limits.GROUP_BYTES_MAX)]


class Open(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A part of a descriptor; parts grow with what is built, so what else is there is allowed."""


class Owner(Open, frozen=True):
    """Who answers for the job."""

    team_email: Annotated[str, msgspec.Meta(pattern="@", max_length=limits.EMAIL_BYTES_MAX)]


class JobGroupInfo(Open, frozen=True):
    """With a sequence, the name that is unique among active jobs."""

    stack: Part = ""
    detail: Part = ""
    sequence: Part = ""


class ContainerResources(Open, frozen=True, rename={"memory_mb": "memoryMB", "disk_mb": "diskMB"}):
    """What one task needs."""

    cpu: Annotated[
        float,
        msgspec.Meta(ge=limits.CPU_MILLI_MIN / 1000, le=limits.CPU_MILLI_MAX / 1000),
    ]
    memory_mb: Annotated[int, msgspec.Meta(ge=limits.MEMORY_MIB_MIN, le=limits.MEMORY_MIB_MAX)]
    disk_mb: Annotated[int, msgspec.Meta(ge=0, le=limits.DISK_MIB_MAX)] = 0
    gpu: Annotated[int, msgspec.Meta(ge=0, le=limits.GPUS_MAX)] = 0


class Image(Open, frozen=True):
    """What is run; a tag or a digest must be there."""

    name: Name
    tag: str = ""
    digest: str = ""


class Constraints(Open, frozen=True):
    """Rules about hosts, by name."""

    constraints: Texts = {}


class Container(Open, frozen=True):
    """What one task runs."""

    resources: ContainerResources
    image: Image | msgspec.UnsetType = msgspec.UNSET
    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: Texts = {}
    attributes: Texts = {}
    soft_constraints: Constraints | list[str] | msgspec.UnsetType = msgspec.UNSET
    hard_constraints: Constraints | list[str] | msgspec.UnsetType = msgspec.UNSET


class Immediate(Open, frozen=True):
    """At once."""

    retries: Retries = 0


class Delayed(Open, frozen=True):
    """After a fixed time."""

    delay_ms: Delay
    retries: Retries = 0


class ExponentialBackOff(Open, frozen=True):
    """After times that double."""

    initial_delay_ms: Delay
    max_delay_interval_ms: Delay
    retries: Retries = 0


class RetryPolicy(Open, frozen=True):
    """Exactly one of them."""

    immediate: Immediate | msgspec.UnsetType = msgspec.UNSET
    delayed: Delayed | msgspec.UnsetType = msgspec.UNSET
    exponential_back_off: ExponentialBackOff | msgspec.UnsetType = msgspec.UNSET


class Batch(Open, frozen=True):
    """Each index runs to success once."""

    size: Annotated[int, msgspec.Meta(ge=1, le=limits.BATCH_SIZE_MAX)]
    runtime_limit_sec: Annotated[
        int,
        msgspec.Meta(ge=limits.RUNTIME_LIMIT_SECONDS_MIN, le=limits.RUNTIME_LIMIT_SECONDS_MAX),
    ] = limits.RUNTIME_LIMIT_SECONDS_DEFAULT
    retry_on_runtime_limit: bool = False
    retry_policy: RetryPolicy | msgspec.UnsetType = msgspec.UNSET


class Capacity(Open, frozen=True):
    """min <= desired <= max."""

    desired: Size
    max: Size
    min: Size = 0


class Service(Open, frozen=True):
    """So many tasks are kept running."""

    capacity: Capacity
    enabled: bool = True
    retry_policy: RetryPolicy | msgspec.UnsetType = msgspec.UNSET


class Stream(Open, frozen=True):
    """So many ordered workers are kept running; not in Titus."""

    workers: Annotated[int, msgspec.Meta(ge=1, le=limits.SERVICE_SIZE_MAX)]
    ordered_start: bool = False
    retry_policy: RetryPolicy | msgspec.UnsetType = msgspec.UNSET


class Cron(Open, frozen=True):
    """A batch job is started at each time that the schedule names; not in Titus."""

    schedule: Annotated[str, msgspec.Meta(max_length=SCHEDULE_BYTES_MAX)]
    batch: Batch
    time_zone: str = "UTC"
    catch_up: CatchUp = "none"
    catch_up_limit: Annotated[int, msgspec.Meta(ge=1, le=CATCH_UP_MAX)] = 10
    overlap: Overlap = "allow"
    starting_deadline_sec: Annotated[int, msgspec.Meta(ge=0, le=DEADLINE_SECONDS_MAX)] = 0
    history_limit: Annotated[int, msgspec.Meta(ge=0, le=RUNS_KEPT_MAX)] = 10


class TaskSet(Open, frozen=True):
    """Indexes that have to be on hosts with these attributes."""

    name: Name
    count: Annotated[int, msgspec.Meta(ge=1, le=limits.SERVICE_SIZE_MAX)]
    host_attributes: Texts


class JobDescriptor(Open, frozen=True):
    """What is submitted: one of the kinds, and what its tasks run."""

    owner: Owner
    application_name: Name
    container: Container
    capacity_group: Name = "DEFAULT"
    job_group_info: JobGroupInfo | msgspec.UnsetType = msgspec.UNSET
    attributes: Texts = {}
    disruption_budget: Json | msgspec.UnsetType = msgspec.UNSET
    """See docs/disruption.md."""
    batch: Batch | msgspec.UnsetType = msgspec.UNSET
    service: Service | msgspec.UnsetType = msgspec.UNSET
    stream: Stream | msgspec.UnsetType = msgspec.UNSET
    cron: Cron | msgspec.UnsetType = msgspec.UNSET
    sets: tuple[TaskSet, ...] | msgspec.UnsetType = msgspec.UNSET


class DryRun(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What a submission would make."""

    dry_run: Literal[True]
    id: str
    actor: str
    job_descriptor: JobDescriptor
