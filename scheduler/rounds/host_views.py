"""A host of the cell as placement sees it, made from the fold's state.

The one thing to know: what a host has in all is what it offers and what our tasks take; Mesos never
says more. A host whose offers are used up or given back is still here: its tasks count for rules
that look at them, and it gets none until it offers again.
"""

from collections.abc import Iterable, Mapping

from scheduler.constraints.fixed import GPU_MODEL_ATTRIBUTE
from scheduler.fold import guards
from scheduler.fold.context import LAUNCHING
from scheduler.model.ids import HostId, JobId, OfferId
from scheduler.model.job import Batch, JobSpec
from scheduler.model.resources import Need, Resources, added, summed_scalars
from scheduler.model.rules import PlacementRules
from scheduler.model.task import Task, place_of
from scheduler.placement.host import GpuDevice, HostView, Interface
from scheduler.placement.interfaces import RESOURCE_SETS, Lodger, group_set, interfaces_of
from scheduler.placement.requests_of_jobs import hard_constraints_of
from scheduler.state import Job, State
from scheduler.versions import container_of, spec_of, variant_of

UNAVAILABLE_ATTRIBUTE = "mesos.unavailable_from_ms"
"""When a host's maintenance begins, as the Mesos connector writes it."""


def host_view(state: State, host_id: HostId) -> HostView | None:
    """The host as it is now; None where it neither offers anything nor has tasks of ours."""
    offers, there = state.host_offers.get(host_id), state.host_tasks.get(host_id)
    if not offers and not there:
        return None
    free = _offered(state, offers or {})
    # One look at the tasks tells most: a busy cell makes thousands of views a second.
    tasks = [state.tasks[task_id] for task_id in there or ()]
    counts: dict[JobId, int] = {}
    launching = 0
    for task in tasks:
        counts[task.job_id] = counts.get(task.job_id, 0) + 1
        if type(task.state) in LAUNCHING:
            launching += 1
    jobs = {job_id: state.jobs[job_id] for job_id in counts}
    facts = state.hosts.get(host_id)
    attributes = facts.attributes if facts else ()
    named = dict(attributes)
    if any(job.specs or job.spec.sets or job.pins for job in jobs.values()):  # As `is_mixed`.
        kinds, needs = _mixed(jobs, tasks)
    else:
        kinds = [(job_id, job.spec) for job_id, job in jobs.items()]
        needs = [(job.spec.container.need, counts[job_id]) for job_id, job in jobs.items()]
    total = _total(free, needs)
    return HostView(
        host_id=host_id,
        free=free,
        total=total,
        attributes=attributes,
        hostname=state.hostname(host_id),
        tasks_of_job=tuple(sorted(counts.items())),
        services=sum(
            [n for job_id, n in counts.items() if type(jobs[job_id].spec.kind) is not Batch]
        ),
        exclusive_job=_exclusive_job(kinds, state.policy.placement),
        images=tuple(sorted({spec.container.full_image for _, spec in kinds} - {""})),
        security_groups=_group_sets(kinds),
        launching=launching,
        launches_last_minute=state.launches_of_hosts.get(host_id, 0),
        quality_milli=guards.quality(state, host_id),
        is_offered=bool(offers),
        is_schedulable=guards.is_schedulable(state, host_id),
        is_last_choice=guards.is_last_choice(state, host_id),
        accounts_network=host_id in state.network_hosts,
        expires_at_ms=_whole(named.get(UNAVAILABLE_ATTRIBUTE, "")),
        since_ms=state.hosts_seen_at_ms.get(host_id, 0),
        gpu_model=named.get(GPU_MODEL_ATTRIBUTE, ""),
        gpus=_devices(total.gpus, tasks),
        interfaces=_interfaces(state, host_id, attributes, tasks),
        noise_milli=state.host_noise.get(host_id, 0),
    )


def _offered(state: State, offers: Mapping[OfferId, None]) -> Resources:
    """What all offers of the host come to."""
    if len(offers) == 1:
        (offer_id,) = offers
        only = state.offers[offer_id].resources
        if len(only.ports) < 2 and not only.scalars:  # Else `added` puts them in order.
            return only
    free = Resources()
    for offer_id in sorted(offers):
        free = added(free, state.offers[offer_id].resources)
    return free


def _total(free: Resources, needs: Iterable[tuple[Need, int]]) -> Resources:
    cpu_milli, memory_mib, disk_mib = free.cpu_milli, free.memory_mib, free.disk_mib
    network_mbps, gpus, scalars = free.network_mbps, free.gpus, free.scalars
    for need, count in needs:
        cpu_milli += count * need.cpu_milli
        memory_mib += count * need.memory_mib
        disk_mib += count * need.disk_mib
        network_mbps += count * need.network_mbps
        gpus += count * need.gpus
        if need.scalars:
            scalars = summed_scalars(scalars, need.scalars, count)
    return Resources(cpu_milli, memory_mib, disk_mib, (), network_mbps, gpus, scalars)


def _whole(text: str) -> int | None:
    """The number that an attribute is, None where it is none: attributes are anybody's."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _services(jobs: dict[JobId, Job], counts: dict[JobId, int]) -> int:
    return sum([n for job_id, n in counts.items() if type(jobs[job_id].spec.kind) is not Batch])


def _mixed(
    jobs: dict[JobId, Job], tasks: list[Task]
) -> tuple[list[tuple[JobId, JobSpec]], list[tuple[Need, int]]]:
    """The specs of the tasks, each variant of a job once, and the need of each task."""
    specs = [spec_of(jobs[task.job_id], task) for task in tasks]
    kinds = {
        (task.job_id, variant_of(jobs[task.job_id], task)): spec
        for task, spec in zip(tasks, specs, strict=True)
    }
    needs = [(spec.container.need, 1) for spec in specs]
    return [(job_id, spec) for (job_id, _), spec in kinds.items()], needs


def _exclusive_job(kinds: list[tuple[JobId, JobSpec]], rules: PlacementRules) -> JobId | None:
    wanting = [
        job_id
        for job_id, spec in kinds
        for each in hard_constraints_of(spec, rules)
        if each.kind == "exclusiveHost"
    ]
    return min(wanting, default=None)


def _group_sets(kinds: list[tuple[JobId, JobSpec]]) -> tuple[tuple[str, ...], ...]:
    sets = {spec.container.security_groups for _, spec in kinds} - {()}
    return tuple(sorted({group_set(each) for each in sets})) if sets else ()


def _interfaces(
    state: State, host_id: HostId, attributes: tuple[tuple[str, str], ...], tasks: list[Task]
) -> tuple[Interface, ...]:
    if not any(name.startswith(RESOURCE_SETS) for name, _ in attributes):
        return ()  # It declares none, as most do.
    lodgers = [
        Lodger(rest.interface, rest.security_groups, rest.ended_at_ms)
        for rest in state.address_rests.get(host_id, ())
    ]
    for task in tasks:
        place = place_of(task.state)
        if place is not None and place.interface >= 0:
            groups = container_of(state, task).security_groups
            lodgers.append(Lodger(place.interface, groups))
    reuse_ms = state.policy.placement.guards.address_reuse_ms
    return interfaces_of(attributes, lodgers, state.clock.now_ms, reuse_ms)


def _devices(count: int, tasks: list[Task]) -> tuple[GpuDevice, ...]:
    """The host's devices, those that a task has without anything free."""
    if not count:
        return ()
    taken = {device for task in tasks if (place := place_of(task.state)) for device in place.gpus}
    return tuple(GpuDevice(free_milli=0 if n in taken else 1_000) for n in range(count))
