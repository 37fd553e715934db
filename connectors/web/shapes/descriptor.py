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
from scheduler.model.v3.storage import MOUNTS_MAX, VOLUME_SIZE_MIB_MAX, VOLUMES_MAX
from scheduler.model.volumes import Retention, VolumeProvider

Size = Annotated[int, msgspec.Meta(ge=0, le=limits.SERVICE_SIZE_MAX)]
Retries = Annotated[int, msgspec.Meta(ge=0, le=limits.RETRIES_MAX)]
Delay = Annotated[int, msgspec.Meta(ge=0, le=limits.RETRY_DELAY_MS_MAX)]
Part = Annotated[str, msgspec.Meta(max_length=limits.GROUP_BYTES_MAX)]


VolumeSize = Annotated[int, msgspec.Meta(ge=1, le=VOLUME_SIZE_MIB_MAX)]
VolumeName = Annotated[str, msgspec.Meta(pattern="^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")]


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


class StaticAddress(Open, frozen=True):
    """An address that stays with an index of the job: the n-th with index n; not in Titus."""

    address: str
    id: str = ""
    zone: str = ""
    subnet: str = ""


class EfsMount(Open, frozen=True):
    """A file system that is there, for all tasks."""

    efs_id: str
    mount_point: str
    mount_perm: Literal["RO", "WO", "RW"] = "RW"
    efs_relative_mount_point: str = "/"


_NAMES_OF_RESOURCES = {
    "memory_mb": "memoryMB",
    "disk_mb": "diskMB",
    "efs_mounts": "efsMounts",
    "static_addresses": "staticAddresses",
}


class ContainerResources(Open, frozen=True, rename=_NAMES_OF_RESOURCES):
    """What one task needs."""

    cpu: Annotated[
        float,
        msgspec.Meta(ge=limits.CPU_MILLI_MIN / 1000, le=limits.CPU_MILLI_MAX / 1000),
    ]
    memory_mb: Annotated[int, msgspec.Meta(ge=limits.MEMORY_MIB_MIN, le=limits.MEMORY_MIB_MAX)]
    disk_mb: Annotated[int, msgspec.Meta(ge=0, le=limits.DISK_MIB_MAX)] = 0
    gpu: Annotated[int, msgspec.Meta(ge=0, le=limits.GPUS_MAX)] = 0
    efs_mounts: Annotated[tuple[EfsMount, ...], msgspec.Meta(max_length=MOUNTS_MAX)] = ()
    static_addresses: tuple[StaticAddress, ...] = ()


class Image(Open, frozen=True):
    """What is run; a tag or a digest must be there."""

    name: Name
    tag: str = ""
    digest: str = ""


class Constraints(Open, frozen=True):
    """Rules about hosts, by name."""

    constraints: Texts = {}


class VolumeMount(Open, frozen=True):
    """Where a volume of the job is to be found in the container."""

    volume_name: VolumeName
    mount_path: str
    read_only: bool = False


_NAMES_OF_SOURCE = {
    "size_mb": "sizeMB",
    "class_": "class",
    "volume_ids": "volumeIds",
    "fs_type": "fsType",
}


class PersistentVolumeSource(Open, frozen=True, rename=_NAMES_OF_SOURCE):
    """Who keeps the data of each index, and for how long; not in Titus."""

    provider: VolumeProvider
    size_mb: VolumeSize | msgspec.UnsetType = msgspec.UNSET
    class_: str = ""
    zone: str = ""
    retention: Retention = "keep"
    volume_ids: tuple[str, ...] = ()
    fs_type: Literal["ext4", "xfs"] | msgspec.UnsetType = msgspec.UNSET


class Volume(Open, frozen=True):
    """Data that stay with each index, whatever task runs there."""

    name: VolumeName
    persistent_volume_source: PersistentVolumeSource


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
    volume_mounts: Annotated[tuple[VolumeMount, ...], msgspec.Meta(max_length=VOLUMES_MAX)] = ()


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
    volumes: Annotated[tuple[Volume, ...], msgspec.Meta(max_length=VOLUMES_MAX)] = ()
    """See docs/volumes.md."""
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
