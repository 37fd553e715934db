"""What the cell would refuse of a submission right now: taken names, and limits of its policy.

The one thing to know: only the fold admits (`scheduler.fold.jobs`); this answers a dry run, in the
fold's own words and for the state as this process knows it. A test submits the same jobs dry and
in earnest and demands the same answers; a rule of admission that is new there belongs here, too.
"""

from collections.abc import Iterator

from projections.cell_view import CellView
from scheduler.model.ids import JobId
from scheduler.model.inbound import Fault
from scheduler.model.job import Batch, JobSpec
from scheduler.model.policy import Policy


def admission_faults(view: CellView, job_id: JobId, digest: str, spec: JobSpec) -> list[Fault]:
    """Everything for which the cell would refuse this job now; none where it would take it."""
    state = view.machine.state
    known = state.jobs.get(job_id)
    if known is not None and known.digest == digest:
        return []  # The same submission again, which is answered and makes nothing.
    return list(_faults(view, job_id, spec, is_known=known is not None))


def _faults(view: CellView, job_id: JobId, spec: JobSpec, *, is_known: bool) -> Iterator[Fault]:
    state, policy = view.machine.state, view.machine.state.policy
    if is_known:
        yield Fault(
            field="jobId",
            text=f"duplicate id: job {job_id} exists with other content",
            hint="submit under a new id; the same id with the same content is one submission",
        )
    owner = state.group_names.get(spec.group_name) if spec.group_name else None
    if owner is not None and owner != job_id:
        yield Fault(
            field="jobGroupInfo.sequence",
            text=f"active job {owner} already has the name {spec.group_name}",
            hint="use another sequence, or kill that job first",
        )
    if state.active_jobs >= policy.active_jobs_max:
        yield _limit("", "active jobs", state.active_jobs + 1, policy.active_jobs_max)
    waiting = state.queued_tasks + spec.desired
    if waiting > policy.queued_tasks_max:
        yield _limit("", "waiting tasks", waiting, policy.queued_tasks_max)
    yield from _size_faults(policy, spec)


def _size_faults(policy: Policy, spec: JobSpec) -> Iterator[Fault]:
    if isinstance(spec.kind, Batch):
        size = ("batch.size", "tasks", spec.kind.size, policy.batch_size_max)
    else:
        size = ("service.capacity.max", "tasks", spec.kind.maximum, policy.service_size_max)
    need, where = spec.container.need, "container.resources"
    for field, what, wanted, most in (
        size,
        (f"{where}.cpu", "thousandths of a cpu", need.cpu_milli, policy.task_cpu_milli_max),
        (f"{where}.memoryMB", "memoryMB", need.memory_mib, policy.task_memory_mib_max),
        (f"{where}.diskMB", "diskMB", need.disk_mib, policy.task_disk_mib_max),
        (f"{where}.ports", "ports", need.ports, policy.task_ports_max),
    ):
        if wanted > most:
            yield _limit(field, what, wanted, most)


def _limit(field: str, what: str, wanted: int, most: int) -> Fault:
    return Fault(
        field=field,
        text=f"{wanted} {what} exceed the cell's limit of {most}",
        hint="ask for less, or have an operator raise the policy",
    )
