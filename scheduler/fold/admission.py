"""What only the cell can know of a submission: names that are taken, limits of its policy.

The one thing to know: the fold asks this at the submission's own place in the log, and a dry run
asks the same of the state as a reader knows it. There is no second list of rules.
"""

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from scheduler.model.ids import JOB_ID_CHARACTERS_MAX, JobId
from scheduler.model.inbound import Fault
from scheduler.model.job import Batch, Cron, JobKind, JobSpec, Service, Stream
from scheduler.model.job_updates import Share, UpdatePlan
from scheduler.model.policy import Policy
from scheduler.state import Job, State
from scheduler.volumes.faults import storage_faults, update_storage_faults

CRON_ID_CHARACTERS_MAX: Final = JOB_ID_CHARACTERS_MAX - len("-20260101T0000Z")
"""The ids of its runs begin with it."""


def admission_faults(state: State, job_id: JobId, digest: str, spec: JobSpec) -> tuple[Fault, ...]:
    """Everything for which the cell refuses this job; none where it takes it or has taken it."""
    known = state.jobs.get(job_id)
    if known is not None and known.digest == digest:
        return ()  # The same submission again, which is answered and makes nothing.
    return tuple(_faults(state, job_id, spec))


def _faults(state: State, job_id: JobId, spec: JobSpec) -> Iterator[Fault]:
    policy = state.policy
    spec = raised(policy, spec)
    if job_id in state.jobs:
        yield Fault(
            field="jobId",
            text=f"duplicate id: job {job_id} exists with other content",
            hint="submit under a new id; the same id with the same content is one submission",
            code="taken",
        )
    if isinstance(spec.kind, Cron) and len(job_id) > CRON_ID_CHARACTERS_MAX:
        yield Fault(
            field="jobId",
            text=f"is {len(job_id)} characters long; the ids of its runs would not be valid",
            hint=f"a cron job's id has at most {CRON_ID_CHARACTERS_MAX} characters",
        )
    owner = state.group_names.get(spec.group_name) if spec.group_name else None
    if owner is not None and owner != job_id:
        yield Fault(
            field="jobGroupInfo.sequence",
            text=f"active job {owner} already has the name {spec.group_name}",
            hint="use another sequence, or kill that job first",
        )
    yield from storage_faults(state, job_id, spec)
    if state.active_jobs >= policy.active_jobs_max:
        yield limit_fault("", "active jobs", state.active_jobs + 1, policy.active_jobs_max)
    waiting = state.queued_tasks + spec.desired
    if waiting > policy.queued_tasks_max:
        yield limit_fault("", "waiting tasks", waiting, policy.queued_tasks_max)
    yield from _size_faults(policy, spec)


def raised(policy: Policy, spec: JobSpec) -> JobSpec:
    """The spec with no less than the cell gives a task; the same one where that changes nothing."""
    need = spec.container.need
    more = replace(
        need,
        cpu_milli=max(need.cpu_milli, policy.task_cpu_milli_min),
        disk_mib=max(need.disk_mib, policy.task_disk_mib_min),
        network_mbps=max(need.network_mbps, policy.task_network_mbps_min),
    )
    if more == need:
        return spec
    return replace(spec, container=replace(spec.container, need=more))


def _size_faults(policy: Policy, spec: JobSpec) -> Iterator[Fault]:
    field, size, size_max = _size_of(policy, spec.kind, spec.capacity_group)
    if size > size_max:
        yield limit_fault(field, "tasks", size, size_max)
    yield from _need_faults(policy, spec)


def service_size_max(policy: Policy, group: str) -> int:
    """How many tasks one service of the capacity group may have: by the group, else by the cell."""
    own = next((each for each in policy.placement.groups if each.name == group), None)
    return own.service_size_max if own and own.service_size_max else policy.service_size_max


def _size_of(policy: Policy, kind: JobKind, group: str) -> tuple[str, int, int]:
    """The field that says how large a job can become, that size, and the policy's limit."""
    match kind:
        case Batch():
            return "batch.size", kind.size, policy.batch_size_max
        case Service():
            return "service.capacity.max", kind.maximum, service_size_max(policy, group)
        case Stream():
            return "stream.workers", kind.workers, policy.stream_size_max
        case Cron():
            return "cron.batch.size", kind.batch.size, policy.batch_size_max


def _need_faults(policy: Policy, spec: JobSpec) -> Iterator[Fault]:
    container = spec.container
    if not policy.image_tags_tolerated and container.image and not container.image_digest:
        yield Fault(
            field="container.image.digest",
            text="is missing, and the cell runs no image by a tag, which can move",
            hint="name the digest, or submit by the REST API, which looks it up",
        )
    need = spec.container.need
    for name, value, most in (
        ("cpu", need.cpu_milli, policy.task_cpu_milli_max),
        ("memoryMB", need.memory_mib, policy.task_memory_mib_max),
        ("diskMB", need.disk_mib, policy.task_disk_mib_max),
        ("networkMbps", need.network_mbps, policy.task_network_mbps_max),
        ("gpu", need.gpus, policy.task_gpus_max),
        ("ports", need.ports, policy.task_ports_max),
    ):
        if value > most:
            unit = "thousandths of a cpu" if name == "cpu" else name
            yield limit_fault(f"container.resources.{name}", unit, value, most)
    if need.memory_mib < policy.task_memory_mib_min:
        yield Fault(
            field="container.resources.memoryMB",
            text=f"is {need.memory_mib}; the cell gives no task less than "
            f"{policy.task_memory_mib_min}",
            hint="ask for more, or have an operator change task_memory_mib_min",
        )
    if need.gpu_milli:
        yield Fault(
            field="container.resources.gpuMilli",
            text="asks for a part of a device: Mesos hands out whole ones only",
            hint='ask for whole devices by "gpu"; parts are for `flumina simulate`',
        )


def update_faults(state: State, job: Job, spec: JobSpec, plan: UpdatePlan) -> tuple[Fault, ...]:
    """Everything for which this job is not updated to ``spec``; none where it is."""
    return tuple(_update_faults(state, job, spec, plan))


def _update_faults(state: State, job: Job, spec: JobSpec, plan: UpdatePlan) -> Iterator[Fault]:
    kind, update = job.spec.kind, job.update
    name = type(kind).__name__.lower()
    if isinstance(kind, Batch):
        text = f"job {job.job_id} is a batch job: its tasks run once"
        yield Fault(field="jobId", text=text, hint="submit another job")
        return
    if update is not None:
        text = f"update {update.number} of job {job.job_id} is under way"
        yield Fault("update", text, "wait for its end, or roll it back", code="state")
    if type(spec.kind) is not type(kind):
        yield Fault(field=name, text=f"is missing: job {job.job_id} is a {name} job")
    for field, was, now in (
        ("applicationName", job.spec.application_name, spec.application_name),
        ("capacityGroup", job.spec.capacity_group, spec.capacity_group),
        ("jobGroupInfo.stack", job.spec.stack, spec.stack),
        ("jobGroupInfo.detail", job.spec.detail, spec.detail),
        ("jobGroupInfo.sequence", job.spec.sequence, spec.sequence),
    ):
        if was != now:
            text = f"is {now!r} and was {was!r}; an update does not change it"
            yield Fault(field=field, text=text, hint="submit another job for that")
    yield from _need_faults(state.policy, spec)
    yield from update_storage_faults(job.spec, spec)
    yield from _plan_faults(state, job, plan)


def _plan_faults(state: State, job: Job, plan: UpdatePlan) -> Iterator[Fault]:
    kind = job.spec.kind
    is_whole_set, has_surge = plan.strategy == "redBlack", plan.max_surge != Share()
    is_fixed = isinstance(kind, Stream) or job.spec.sets or job.spec.is_persistent
    if is_fixed and (is_whole_set or has_surge):
        field = "strategy" if is_whole_set else "maxSurge"
        why = "volumes or addresses for its" if job.spec.is_persistent else "ordered"
        text = f"job {job.job_id} has {why} indexes: no task more than wanted can run"
        yield Fault(field=field, text=text, hint="let it roll without surplus")
    elif is_whole_set:
        waiting = state.queued_tasks + job.spec.desired
        if waiting > state.policy.queued_tasks_max:
            yield limit_fault("", "waiting tasks", waiting, state.policy.queued_tasks_max)
    elif not has_surge and plan.max_unavailable == Share():
        text = "is 0 and so is maxSurge: not one task could ever move"
        yield Fault(field="maxUnavailable", text=text, hint="allow at least one of either")


def limit_fault(field: str, what: str, wanted: int, most: int) -> Fault:
    """A number above what the policy allows; of no field, it is a limit of the whole cell."""
    return Fault(
        field=field,
        text=f"{wanted} {what} exceed the cell's limit of {most}",
        hint="ask for less, or have an operator raise the policy",
        code="" if field else "limit",
    )
