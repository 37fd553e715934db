"""What placement is told about a host, whole, whenever something about it has changed.

The one thing to know: this is a value without history. Who keeps it, and how it is derived from a
cell's state or a trace's row, is the caller's business; the index only compares and counts.
"""

import msgspec

from scheduler.model.ids import HostId, JobId
from scheduler.model.resources import Resources


class GpuDevice(msgspec.Struct, frozen=True, gc=False):
    """One device of a host, in thousandths; a task's share lies on one device."""

    free_milli: int
    total_milli: int = 1_000


class Interface(msgspec.Struct, frozen=True, gc=False):
    """A network interface: the set it is bound to (None: free) and its addresses.

    ``resting`` addresses were given back and are not used again until ``rests_until_ms``, unless
    nothing else is left.
    """

    addresses: int
    used: int = 0
    resting: int = 0
    security_groups: tuple[str, ...] | None = None
    rests_until_ms: int = 0


class HostView(msgspec.Struct, frozen=True, gc=False):
    """One host as placement sees it."""

    host_id: HostId
    free: Resources
    total: Resources
    """Free and used together; ports are not counted here."""
    attributes: tuple[tuple[str, str], ...] = ()
    hostname: str = ""
    tasks_of_job: tuple[tuple[JobId, int], ...] = ()
    """How many tasks of each job hold resources here, sorted by job."""
    services: int = 0
    """How many of those tasks are of services; the others are of batch jobs."""
    exclusive_job: JobId | None = None
    """The job whose task wants the host for itself, where one is here."""
    images: tuple[str, ...] = ()
    """Images that tasks here run or ran lately."""
    security_groups: tuple[tuple[str, ...], ...] = ()
    """Sets of security groups that tasks here have."""
    launching: int = 0
    """Tasks launched and not yet started."""
    launches_last_minute: int = 0
    quality_milli: int = 1_000
    """1,000 less the host's recent failures, weighted by age; 0 to 1,000."""
    expires_at_ms: int | None = None
    """When the host goes away (maintenance, spot), where that is known."""
    since_ms: int = 0
    """When the host was first seen."""
    is_offered: bool = True
    """False where nothing of it is on offer now: its tasks count, and no refusal is counted."""
    is_schedulable: bool = True
    """False where it drains or is disabled: it keeps its tasks and gets none."""
    is_last_choice: bool = False
    """Phased out: used where no other host will do."""
    gpu_model: str = ""
    gpus: tuple[GpuDevice, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    accounts_network: bool = False
    """Whether the host ever offered the scalar ``network``; if not, bandwidth is not counted."""
    noise_milli: int = 0
    """How much its tasks disturb each other, measured; 0 to 1,000 (see `scheduler.cpu_sets`)."""
