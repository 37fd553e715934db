"""The volumes and the address of one task, as the state has them when it is launched."""

from scheduler.model.job import JobSpec
from scheduler.model.mounts import Mounted
from scheduler.model.task import Task
from scheduler.model.volumes import AddressAllocation, claimed_volume
from scheduler.state import State


def mounted_of(state: State, spec: JobSpec, task: Task) -> tuple[Mounted, ...]:
    """The volumes of the task, each where the host has it."""
    found = []
    for claim in spec.volumes:
        volume = state.volumes.get(claimed_volume(claim, task.job_id, task.index))
        if volume is None or volume.attachment is None:
            continue  # A launch waits for them: only a look at what would be sent meets this.
        found.append(
            Mounted(
                name=claim.name,
                volume_id=volume.volume_id,
                path=volume.attachment.path,
                mount_point=claim.mount_point,
                is_read_only=claim.is_read_only,
                reference=volume.reference,
                provider=volume.provider,
                file_system=claim.file_system,
            )
        )
    return tuple(found)


def address_of(spec: JobSpec, task: Task) -> AddressAllocation | None:
    """The static address of the task's index, if it has one."""
    return spec.addresses[task.index] if task.index < len(spec.addresses) else None
