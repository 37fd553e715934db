"""What only the cell can know of a job's volumes and addresses: whose they are, how many there are.

The one thing to know: a job that is submitted again under its name finds the data that were kept,
so it has to be of the same owner and provider; another is refused before anything is made.
"""

from collections.abc import Iterator

from scheduler.model.ids import JobId
from scheduler.model.inbound import Fault
from scheduler.model.job import JobSpec, indexes_of
from scheduler.model.volumes import claimed_volume
from scheduler.state import State


def storage_faults(state: State, job_id: JobId, spec: JobSpec) -> Iterator[Fault]:
    """Why the cell does not take a job with these volumes; mostly nothing."""
    if not spec.volumes:
        return
    missing = 0
    for place, claim in enumerate(spec.volumes):
        field = f"volumes[{place}]"
        for index in range(indexes_of(spec.kind)):
            volume_id = claimed_volume(claim, job_id, index)
            known = state.volumes.get(volume_id)
            missing += known is None
            if known is None:
                continue
            if known.owner != spec.owner_email:
                text = f"are kept as volume {volume_id}, which belongs to {known.owner}"
                hint = "submit under another id, or have that owner delete it"
                yield Fault(field, text, hint, code="taken")
                return
            if known.provider != claim.provider:
                text = f"is of {claim.provider}, and volume {volume_id} is of {known.provider}"
                yield Fault(field, text, "name that provider, or submit under another id")
                return
    wanted = len(state.volumes) + missing
    if missing and wanted > state.policy.volumes_max:
        text = f"{wanted} volumes exceed the cell's limit of {state.policy.volumes_max}"
        yield Fault("volumes", text, "delete some, or raise volumes_max", code="limit")


def update_storage_faults(before: JobSpec, after: JobSpec) -> Iterator[Fault]:
    """Why an update may not go from one spec to the other, as far as its volumes are concerned."""
    hint = "submit another job for that"
    if before.volumes != after.volumes:
        text = "are others than the job's: an update does not change them"
        yield Fault("volumes", text, hint)
    if before.addresses != after.addresses:
        text = "are others than the job's: an update does not change them"
        yield Fault("container.resources.staticAddresses", text, hint)


def size_storage_fault(spec: JobSpec, size: int) -> Fault | None:
    """Why the job cannot have so many indexes; None where it can."""
    limit = spec.index_limit
    if limit is None or size <= limit:
        return None
    text = f"is {size}, and the job has volumes or addresses for {limit} tasks"
    return Fault("max", text, "submit it anew with more of them")
