"""What a job says of storage and addresses that outlive its tasks, and what is asked of volumes.

The one thing to know: both belong to an index of a job, not to a task. A claim in the job's spec
makes one volume for each index; the n-th static address is the n-th index's. What a volume is at
the moment is in `scheduler.state`, what moves it is in `scheduler.fold.volumes`.
"""

import re
from typing import Final, Literal, NewType

from scheduler.model.base import Ours
from scheduler.model.ids import JobId, TaskId

VolumeId = NewType("VolumeId", str)

VolumeProvider = Literal["directory", "zfs", "ebs", "efs"]
"""Who keeps the data: directories or ZFS datasets of hosts; AWS' block volumes or file systems."""
Retention = Literal["keep", "delete"]
"""What becomes of the data when the job has ended: it stays, or goes after a time of grace."""
VolumeVerb = Literal[
    "create", "attach", "detach", "snapshot", "clone", "move", "archive", "restore", "delete"
]
"""What a provider can be asked to do."""
VolumeOrder = Literal[
    "snapshot", "clone", "move", "archive", "restore", "delete", "undelete", "retry"
]
"""What an operator or owner can ask for."""
VolumeState = Literal[
    "wanted",
    "creating",
    "ready",
    "attaching",
    "attached",
    "detaching",
    "snapshotting",
    "cloning",
    "moving",
    "archiving",
    "archived",
    "restoring",
    "deleting",
    "failed",
]
"""Where a volume stands; it follows from its data, its attachment and what is done with it."""

STATE_OF_VERB: Final[dict[VolumeVerb, VolumeState]] = {
    "create": "creating",
    "attach": "attaching",
    "detach": "detaching",
    "snapshot": "snapshotting",
    "clone": "cloning",
    "move": "moving",
    "archive": "archiving",
    "restore": "restoring",
    "delete": "deleting",
}
LOCAL_PROVIDERS: Final = frozenset(("directory", "zfs"))
"""Their data is on one host, and its tasks have to run there."""
ZONAL_PROVIDERS: Final = frozenset(("ebs",))
"""Their data is in one zone."""
LIVE_SNAPSHOTS: Final = frozenset(("zfs", "ebs"))
"""They take a snapshot at one instant, also while a task writes."""
VERBS_OF_PROVIDER: Final[dict[VolumeProvider, frozenset[str]]] = {
    "directory": frozenset(("snapshot", "clone", "move", "archive", "restore")),
    "zfs": frozenset(("snapshot", "clone", "move", "archive", "restore")),
    "ebs": frozenset(("snapshot", "clone", "move")),
    "efs": frozenset(()),
}
"""What can be ordered beside ``delete``. What AWS keeps itself is not copied through us to S3."""

VOLUME_NAME_CHARACTERS_MAX: Final = 32
VOLUME_ID_CHARACTERS_MAX: Final = 128
_NAME: Final = re.compile("[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_VOLUME_ID: Final = re.compile("[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")


class VolumeClaim(Ours, frozen=True, tag=False):
    """A volume that each index of a job has for itself, whatever task runs there."""

    name: str
    mount_point: str
    """Where the task sees it: an absolute path."""
    provider: VolumeProvider = "directory"
    size_mib: int = 0
    """The quota; 0: none, where the provider does not need one."""
    volume_class: str = ""
    """The provider's own word for a kind, such as gp3; empty: its usual one."""
    zone: str = ""
    """Where its data is made; empty: where its first task runs."""
    retention: Retention = "keep"
    is_read_only: bool = False
    volume_ids: tuple[str, ...] = ()
    """Volumes that are there already, one for each index: clones, or AWS' own ids."""
    file_system: str = ""
    """Of a block volume; empty: ext4."""


class SharedMount(Ours, frozen=True, tag=False):
    """Titus' ``efsMounts``: a file system that was made by somebody, seen by all tasks."""

    efs_id: str
    mount_point: str
    mode: Literal["RO", "WO", "RW"] = "RW"
    path: str = "/"
    """Inside the file system."""


class AddressAllocation(Ours, frozen=True, tag=False):
    """A static address; the n-th of a job is of its index n, whatever task runs there."""

    allocation_id: str
    address: str
    zone: str = ""
    subnet: str = ""
    region: str = ""
    signature: tuple[tuple[str, str], ...] = ()
    """Titus' signatures by field, as they came: hosts check them, the cell does not."""


class VolumeOrdered(Ours, frozen=True):
    """An operator or owner asks for something to be done with a volume."""

    volume_id: VolumeId
    order: VolumeOrder
    actor: str
    why: str
    argument: str = ""
    """Of a clone: its id. Of a move or a restore: the host's name or the zone. Of a snapshot: its
    name; a restore may name one as well, by ``snapshot:NAME``."""
    if_version: int | None = None


class HoldsReleased(Ours, frozen=True):
    """An operator knows that a task has ended of which the cell heard no end: what it held is free.

    Refused while the cell has the task for alive.
    """

    task_id: TaskId
    actor: str
    why: str


VolumeRequest = VolumeOrdered | HoldsReleased
"""All that is asked of volumes from outside."""


class VolumeWorkStarted(Ours, frozen=True):
    """The leader is about to have this work done; it acts after reading this back."""

    volume_id: VolumeId
    work: int
    """Which of the volume's works, counted from 1."""


class VolumeWorkEnded(Ours, frozen=True):
    """How a work ended, and what the provider told of the volume."""

    volume_id: VolumeId
    work: int
    fate: Literal["done", "refused", "unknown"]
    reference: str = ""
    """The provider's own name of the volume, or of what was made of it."""
    path: str = ""
    """Where the host has it, once it is attached."""
    host: str = ""
    zone: str = ""
    used_mib: int = -1
    """Below 0: not told."""
    detail: str = ""


class VolumeMeasured(Ours, frozen=True):
    """How much a volume was measured to hold."""

    volume_id: VolumeId
    used_mib: int


class VolumeChanged(Ours, frozen=True):
    """A volume entered a state, or something about it became known."""

    volume_id: VolumeId
    job_id: JobId
    state: str
    message: str = ""
    actor: str = ""
    host: str = ""
    zone: str = ""
    task_id: TaskId | None = None
    """Who holds it."""


class AddressChanged(Ours, frozen=True):
    """A static address was given to a task, or is free again."""

    address: str
    job_id: JobId
    task_id: TaskId | None = None
    message: str = ""


def volume_name_fault(text: str) -> str | None:
    """Why ``text`` cannot be a volume's name in a job, or None."""
    if _NAME.fullmatch(text):
        return None
    return f"must be 1 to {VOLUME_NAME_CHARACTERS_MAX} of a-z, 0-9 and -, no - at either end"


def volume_id_fault(text: str) -> str | None:
    """Why ``text`` cannot be a volume's id, or None: it becomes part of paths and datasets."""
    if _VOLUME_ID.fullmatch(text) and ".." not in text:
        return None
    return (
        f"must be 1 to {VOLUME_ID_CHARACTERS_MAX} letters, digits, '.', '_' and '-', without '..', "
        "and begin and end with a letter or digit"
    )


def volume_id_of(job_id: JobId, name: str, index: int) -> VolumeId:
    """The stable id of the volume that an index of a job has by this name."""
    return VolumeId(f"{job_id}-volume-{name}-{index}")


def claimed_volume(claim: VolumeClaim, job_id: JobId, index: int) -> VolumeId:
    """The volume that the claim gives to an index."""
    if index < len(claim.volume_ids):
        return VolumeId(claim.volume_ids[index])
    return volume_id_of(job_id, claim.name, index)
