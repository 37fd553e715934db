"""One host while launches are put there in thought: what is asked beyond amounts is asked here.

The one thing to know: tasks of one proposal count for each other. A host is taken by the first
exclusive task, a device by the first who gets it, an interface by the first set of groups.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

import msgspec

from scheduler.constraints import fixed, moving
from scheduler.fold import guards
from scheduler.fold.amounts import amounts_refusal, less
from scheduler.model.constraint import Constraint
from scheduler.model.ids import HostId, JobId
from scheduler.model.job import JobSpec
from scheduler.model.proposals import Launch
from scheduler.model.resources import Need, Resources
from scheduler.model.task import Task, place_of
from scheduler.placement.host import Interface
from scheduler.placement.interfaces import (
    Lodger,
    group_set,
    interface_refusal,
    interfaces_of,
    taken,
)
from scheduler.placement.requests_of_jobs import hard_constraints_of
from scheduler.state import State
from scheduler.versions import Variant, container_of, spec_of, spec_of_variant, variant_of


class Asked(msgspec.Struct, frozen=True, gc=False):
    """What the tasks of one job ask of one host, once its fixed demands are met."""

    need: Need
    moving: tuple[Constraint, ...] = ()
    groups: tuple[str, ...] = ()
    is_exclusive: bool = False


class Site:
    """One host while tasks are put there, one after the other, in thought."""

    def __init__(
        self, state: State, host_id: HostId, free: Resources, jobs: Iterable[JobId]
    ) -> None:
        self._state = state
        self._rules = state.policy.placement
        self._host_id = host_id
        self._free = free
        self._launched = dict(Counter(jobs))
        """Tasks of each job that are put there in thought, those before this site included."""
        facts = state.hosts.get(host_id)
        self._attributes = dict(facts.attributes) if facts else {}
        self._exclusive = exclusive_job_on(state, host_id)
        self._asked: dict[tuple[JobId, Variant], Asked] = {}
        self._interfaces: tuple[Interface, ...] | None = None
        self._devices: set[int] | None = None
        self._tasks_of_job: dict[JobId, int] | None = None

    def take(self, launch: Launch, task: Task) -> str:
        """Put one more task there; why that may not be, or empty."""
        job_id, job = task.job_id, self._state.jobs[task.job_id]
        alike = job_id, variant_of(job, task)
        asked = self._asked.get(alike)
        if asked is None:
            spec = spec_of(job, task)
            hard = hard_constraints_of(spec, self._rules)
            why = self._job_refusal(spec.container.need, hard)
            if why:
                return why
            asked = self._asked[alike] = _asked(spec, hard)
        if self._exclusive is not None:
            return self._worded(moving.taken_refusal(self._exclusive), "exclusiveHost")
        need = asked.need
        why = amounts_refusal(self._state, self._host_id, self._free, need, launch)
        if why:
            return why
        why = self._moving_refusal(job_id, asked) or self._scarce_refusal(launch, asked)
        if why:
            return why
        self._free = less(self._free, need, launch.ports)
        self._launched[job_id] = self._launched.get(job_id, 0) + 1
        if asked.is_exclusive:
            self._exclusive = job_id
        return ""

    def _job_refusal(self, need: Need, hard: tuple[Constraint, ...]) -> str:
        """Why no task of such a job may go to this host, whatever runs there; or empty."""
        rules, attributes = self._rules, self._attributes
        if rules.lost_zones:
            why = fixed.zone_refusal(attributes, rules)
            if why:
                return self._worded(why, "lostZone")
        if rules.taints_attribute in attributes:
            why = fixed.taint_refusal(fixed.tolerated(hard), attributes, rules)
            if why:
                return self._worded(why, "taint")
        for each in hard:
            if each.kind in fixed.KINDS:
                hostname = self._state.hostname(self._host_id)
                why = fixed.refusal(each, attributes, self._host_id, hostname, rules)
                if why:
                    return self._worded(why, each.kind)
        if need.gpu_models:
            why = fixed.model_refusal(need.gpu_models, attributes)
            if why:
                return self._worded(why, "gpuModels")
        if not rules.gpu_hosts_take_all and not need.gpus:
            has_devices = self._device_count() > 0
            why = fixed.devices_refusal(asks_devices=False, has_devices=has_devices, rules=rules)
            if why:
                return self._worded(why, "gpuHosts")
        return ""

    def _moving_refusal(self, job_id: JobId, asked: Asked) -> str:
        """Which demand that depends on other tasks is not met; or empty."""
        if not asked.moving:
            return ""
        place = moving.Place(
            host_id=self._host_id,
            attributes=self._attributes,
            tasks_of_job=self._there(),
            exclusive_job=self._exclusive,
            is_last_choice=guards.is_last_choice(self._state, self._host_id),
        )
        for each in asked.moving:
            if each.kind in moving.BALANCED:
                attribute = moving.balanced_by(each, self._rules)
                has_value = attribute in self._attributes
                why = "" if has_value else f"it has no attribute {attribute} to balance by"
            else:
                why = moving.refusal(each, job_id, place, self, self._rules)
            if why:
                return self._worded(why, each.kind)
        return ""

    def _scarce_refusal(self, launch: Launch, asked: Asked) -> str:
        """Why the interface or the devices named may not be had; or empty. What may is taken."""
        need = asked.need
        if need.addresses or launch.interface >= 0:
            interfaces = self._interfaces
            if interfaces is None:
                interfaces = interfaces_on(self._state, self._host_id)
            why = interface_refusal(interfaces, need.addresses, asked.groups, launch.interface)
            if why:
                return f"task {launch.task_id}: {why}"
            now_ms = self._state.clock.now_ms
            self._interfaces = taken(interfaces, launch.interface, asked.groups, now_ms)
        if need.gpu_milli:
            return f"task {launch.task_id}: a part of a device cannot be given out by Mesos"
        if not need.gpus and not launch.gpus:
            return ""
        devices = self._devices
        if devices is None:
            devices = self._devices = devices_used_on(self._state, self._host_id)
        if len(launch.gpus) != need.gpus or len(set(launch.gpus)) != need.gpus:
            return f"task {launch.task_id}: {need.gpus} devices wanted, {launch.gpus} given"
        for each in launch.gpus:
            if each in devices:
                return f"task {launch.task_id}: device {each} is in use"
            if not 0 <= each < self._device_count():
                return f"task {launch.task_id}: the host has no device {each}"
        devices.update(launch.gpus)
        return ""

    def _device_count(self) -> int:
        """How many devices the host has: those on offer, and those of our tasks."""
        state = self._state
        offered = sum(
            state.offers[each].resources.gpus for each in state.host_offers.get(self._host_id, ())
        )
        return offered + len(devices_used_on(state, self._host_id))

    def _there(self) -> dict[JobId, int]:
        """How many tasks of each job are there, those of this proposal included."""
        counts = self._tasks_of_job
        if counts is None:
            counts = self._tasks_of_job = {}
            for task_id in self._state.host_tasks.get(self._host_id, ()):
                job_id = self._state.tasks[task_id].job_id
                counts[job_id] = counts.get(job_id, 0) + 1
        both = dict(counts)
        for job_id, count in self._launched.items():
            both[job_id] = both.get(job_id, 0) + count
        return both

    def _worded(self, why: str, rule: str) -> str:
        return f"host {self._host_id}: {why} ({rule})"

    # What `moving` asks of the fleet.

    def counts(self, job_id: JobId, attribute: str) -> Mapping[str, int]:
        """Tasks of the job that hold resources, by the value of their host's attribute."""
        state, counts = self._state, dict[str, int]()
        for task_id in state.indexes.get(job_id, {}).values():
            task = state.tasks[task_id]
            place = place_of(task.state)
            if place is None or task_id not in state.host_tasks.get(place.host_id, ()):
                continue
            facts = state.hosts.get(place.host_id)
            value = dict(facts.attributes).get(attribute) if facts else None
            if value is not None:
                counts[value] = counts.get(value, 0) + 1
        own = self._attributes.get(attribute)
        if own is not None and job_id in self._launched:
            counts[own] = counts.get(own, 0) + self._launched[job_id]
        return counts

    def values(self, attribute: str) -> Collection[str]:
        """Values of the attribute among the hosts that the log knows, outside of lost zones."""
        zone = self._rules.zone_attribute
        found = set()
        for facts in self._state.hosts.values():
            attributes = dict(facts.attributes)
            if attribute in attributes and attributes.get(zone) not in self._rules.lost_zones:
                found.add(attributes[attribute])
        return found

    def has_tasks(self, job_id: JobId) -> bool:
        """Whether any task of the job holds resources on any host."""
        return job_id in self._state.on_hosts or job_id in self._launched


def _asked(spec: JobSpec, hard: tuple[Constraint, ...]) -> Asked:
    need = spec.container.need
    among = tuple(each for each in hard if each.kind in moving.KINDS)
    return Asked(
        need=need,
        moving=among,
        groups=group_set(spec.container.security_groups) if need.addresses else (),
        is_exclusive=any(each.kind == "exclusiveHost" for each in among),
    )


def exclusive_job_on(state: State, host_id: HostId) -> JobId | None:
    """The job whose task has this host for itself, where there is one."""
    rules = state.policy.placement
    there = state.host_tasks.get(host_id, ())
    alike = {
        (task.job_id, variant_of(state.jobs[task.job_id], task))
        for task in (state.tasks[task_id] for task_id in there)
    }
    for job_id, variant in sorted(alike):
        hard = hard_constraints_of(spec_of_variant(state.jobs[job_id], variant), rules)
        if any(each.kind == "exclusiveHost" for each in hard):
            return job_id
    return None


def interfaces_on(state: State, host_id: HostId) -> tuple[Interface, ...]:
    """The host's network interfaces as tasks and rests leave them at this place in the log."""
    facts = state.hosts.get(host_id)
    if facts is None:
        return ()
    lodgers = [
        Lodger(rest.interface, rest.security_groups, rest.ended_at_ms)
        for rest in state.address_rests.get(host_id, ())
    ]
    for task_id in state.host_tasks.get(host_id, ()):
        task = state.tasks[task_id]
        place = place_of(task.state)
        if place is not None and place.interface >= 0:
            groups = container_of(state, task).security_groups
            lodgers.append(Lodger(place.interface, groups))
    reuse_ms = state.policy.placement.guards.address_reuse_ms
    return interfaces_of(facts.attributes, lodgers, state.clock.now_ms, reuse_ms)


def devices_used_on(state: State, host_id: HostId) -> set[int]:
    """Indexes of the host's devices that tasks of ours have."""
    places = (place_of(state.tasks[each].state) for each in state.host_tasks.get(host_id, ()))
    return {device for place in places if place is not None for device in place.gpus}
