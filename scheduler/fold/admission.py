"""What only the cell can know of a submission: names that are taken, limits of its policy.

The one thing to know: the fold asks this at the submission's own place in the log, and a dry run
asks the same of the state as a reader knows it. There is no second list of rules.
"""

from collections.abc import Iterator

from scheduler.model.ids import JobId
from scheduler.model.inbound import Fault
from scheduler.model.job import Batch, JobSpec
from scheduler.model.policy import Policy
from scheduler.state import State


def admission_faults(state: State, job_id: JobId, digest: str, spec: JobSpec) -> tuple[Fault, ...]:
    """Everything for which the cell refuses this job; none where it takes it or has taken it."""
    known = state.jobs.get(job_id)
    if known is not None and known.digest == digest:
        return ()  # The same submission again, which is answered and makes nothing.
    return tuple(_faults(state, job_id, spec))


def _faults(state: State, job_id: JobId, spec: JobSpec) -> Iterator[Fault]:
    policy = state.policy
    if job_id in state.jobs:
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
        yield limit_fault("", "active jobs", state.active_jobs + 1, policy.active_jobs_max)
    waiting = state.queued_tasks + spec.desired
    if waiting > policy.queued_tasks_max:
        yield limit_fault("", "waiting tasks", waiting, policy.queued_tasks_max)
    yield from _size_faults(policy, spec)


def _size_faults(policy: Policy, spec: JobSpec) -> Iterator[Fault]:
    if isinstance(spec.kind, Batch):
        field, size, size_max = "batch.size", spec.kind.size, policy.batch_size_max
    else:
        field = "service.capacity.max"
        size, size_max = spec.kind.maximum, policy.service_size_max
    if size > size_max:
        yield limit_fault(field, "tasks", size, size_max)
    need = spec.container.need
    for name, value, most in (
        ("cpu", need.cpu_milli, policy.task_cpu_milli_max),
        ("memoryMB", need.memory_mib, policy.task_memory_mib_max),
        ("diskMB", need.disk_mib, policy.task_disk_mib_max),
        ("ports", need.ports, policy.task_ports_max),
    ):
        if value > most:
            unit = "thousandths of a cpu" if name == "cpu" else name
            yield limit_fault(f"container.resources.{name}", unit, value, most)
    if need.gpu_milli:
        yield Fault(
            field="container.resources.gpuMilli",
            text="asks for a part of a device: Mesos hands out whole ones only",
            hint='ask for whole devices by "gpu"; parts are for `flumina simulate`',
        )


def limit_fault(field: str, what: str, wanted: int, most: int) -> Fault:
    """A number above what the policy allows."""
    return Fault(
        field=field,
        text=f"{wanted} {what} exceed the cell's limit of {most}",
        hint="ask for less, or have an operator raise the policy",
    )
