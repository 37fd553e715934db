"""A volume and a hold, as values of the state.

The one thing to know: what a volume's state is called follows from its fields, so a volume cannot
be attached and have no host. A hold says which task has a volume or an address now; there is one
hold for each, and it ends only when that task is known to have ended.
"""

from typing import Final

from msgspec.structs import replace

from scheduler.model.base import Ours
from scheduler.model.constraint import Constraint
from scheduler.model.ids import HostId, JobId, TaskId
from scheduler.model.volumes import (
    LIVE_SNAPSHOTS,
    LOCAL_PROVIDERS,
    STATE_OF_VERB,
    ZONAL_PROVIDERS,
    Retention,
    VolumeId,
    VolumeProvider,
    VolumeState,
    VolumeVerb,
)

VOLUME_KEY: Final = "volume:"
ADDRESS_KEY: Final = "address:"


class VolumeWork(Ours, frozen=True, tag=False):
    """What is being done with a volume: decided here, carried out by the leader's volume box."""

    number: int
    verb: VolumeVerb
    asked_at_ms: int
    host: str = ""
    """The host's name: where the data is or will be, or what it is attached to."""
    host_id: HostId | None = None
    instance_id: str = ""
    """What the cloud calls that host, where it has told."""
    zone: str = ""
    argument: str = ""
    actor: str = ""
    """Empty where the cell does it by itself."""
    why: str = ""
    started_epoch: int = -1
    """The leader that began it; one that leads after it begins it anew, which is the same once."""


class Attachment(Ours, frozen=True, tag=False):
    """The host to which a volume is attached, and where it is to be found there."""

    host: str
    host_id: HostId
    instance_id: str = ""
    path: str = ""


class Snapshot(Ours, frozen=True, tag=False):
    """The data as they were at an instant."""

    name: str
    reference: str
    at_ms: int


class Volume(Ours, frozen=True):
    """One volume: data that stay with an index of a job, or a clone that waits for a job."""

    volume_id: VolumeId
    job_id: JobId
    name: str
    index: int
    """-1: a clone, which is of no index yet."""
    owner: str
    provider: VolumeProvider
    size_mib: int
    volume_class: str
    retention: Retention
    since_ms: int
    zone: str = ""
    host: str = ""
    """Of local data: the host's name."""
    reference: str = ""
    """The provider's own name."""
    is_made: bool = False
    """There are data."""
    is_foreign: bool = False
    """Made by somebody else: it is never deleted by its job's end."""
    attachment: Attachment | None = None
    work: VolumeWork | None = None
    pending: VolumeWork | None = None
    """Ordered, and begun when no task holds it any more."""
    works: int = 0
    """How many works there were."""
    snapshots: tuple[Snapshot, ...] = ()
    archive: str = ""
    """Where in the store the data are; else empty."""
    used_mib: int = -1
    failure: str = ""
    failures: int = 0
    """In a row."""
    retry_at_ms: int = 0
    is_failed: bool = False
    """Given up: nothing is done with it before an operator's word."""
    delete_at_ms: int = 0
    """When its data go; 0: they stay."""
    version: int = 1

    @property
    def state(self) -> VolumeState:
        """Where it stands, in one word."""
        if self.work is not None:
            return STATE_OF_VERB[self.work.verb]
        if self.is_failed:
            return "failed"
        if self.attachment is not None:
            return "attached"
        if self.archive and not self.is_made:
            return "archived"
        return "ready" if self.is_made else "wanted"

    @property
    def is_over_quota(self) -> bool:
        """Whether it was measured to hold more than it may."""
        return bool(self.size_mib) and self.used_mib > self.size_mib

    @property
    def is_local(self) -> bool:
        """Whether its data are on one host."""
        return self.provider in LOCAL_PROVIDERS

    @property
    def may_snapshot_live(self) -> bool:
        """Whether a snapshot may be taken while a task writes."""
        return self.provider in LIVE_SNAPSHOTS

    @property
    def place(self) -> Constraint | None:
        """The hosts to which a task with this volume can go; None where all are well."""
        what = f"volume {self.volume_id}"
        if self.is_local and self.host and self.is_made:
            return Constraint("machineId", what, (self.host,))
        if self.zone and (self.provider in ZONAL_PROVIDERS or not self.is_made):
            return Constraint("availabilityZone", what, (self.zone,))
        return None


class Hold(Ours, frozen=True):
    """The task that has a volume or an address now."""

    key: str
    task_id: TaskId
    job_id: JobId
    index: int
    host_id: HostId
    since_ms: int


class Pin(Ours, frozen=True, tag=False):
    """Where the tasks of an index have to run, because of what stays with it."""

    index: int
    constraints: tuple[Constraint, ...]


def volume_key(volume_id: str) -> str:
    """The key of the volume's hold."""
    return VOLUME_KEY + volume_id


def address_key(address: str) -> str:
    """The key of the address's hold."""
    return ADDRESS_KEY + address


def with_work(volume: Volume, work: VolumeWork) -> Volume:
    """The volume with its next work."""
    assert volume.work is None, f"{volume.volume_id} has a work already"
    number = volume.works + 1
    return replace(volume, work=replace(work, number=number), works=number)
