"""Shapes of volumes and static addresses.

The one thing to know: Titus has none of these over REST; all are ours.
"""

import msgspec

from connectors.web.shapes.base import Shape
from scheduler.model.volumes import VolumeOrder


class SnapshotItem(Shape, frozen=True, omit_defaults=False):
    """The data as they were at an instant."""

    name: str
    at_ms: int


class VolumeItem(Shape, frozen=True, omit_defaults=False):
    """A volume, and who has it."""

    id: str
    job_id: str
    name: str
    index: int
    """Of the job; -1: a clone that no job has named yet."""
    owner: str
    provider: str
    volume_class: str
    state: str
    size_mb: int = msgspec.field(name="sizeMB")
    used_mb: int | None = msgspec.field(name="usedMB")
    is_over_quota: bool
    retention: str
    zone: str
    host: str
    path: str
    reference: str
    task_id: str | None
    snapshots: tuple[SnapshotItem, ...]
    archive: str
    work: str
    is_work_pending: bool
    """It is begun when no task has the volume any more."""
    failure: str
    delete_at_ms: int | None
    version: int


class Volumes(Shape, frozen=True, omit_defaults=False):
    """Volumes, by id."""

    items: tuple[VolumeItem, ...]


class AddressItem(Shape, frozen=True, omit_defaults=False):
    """A static address, the jobs that want it, and the task that has it."""

    address: str
    job_ids: tuple[str, ...]
    task_id: str | None
    hostname: str


class Addresses(Shape, frozen=True, omit_defaults=False):
    """Static addresses, by address."""

    items: tuple[AddressItem, ...]


class VolumeOrderBody(msgspec.Struct, frozen=True, rename="camel"):
    """What is to be done with a volume."""

    order: VolumeOrder
    why: str
    argument: str = ""
    """Of a snapshot its name, of a clone its id, of a move or restore the host or zone."""


class ReleaseBody(msgspec.Struct, frozen=True, rename="camel"):
    """A task that is known to have ended, and how that is known."""

    task_id: str
    why: str
