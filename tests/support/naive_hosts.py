"""Hosts of placement the slow way: one task at a time, every rule asked of every host.

The one thing to know: this is written from what the rules say (`scheduler.model.constraint`,
`scheduler.model.rules`, `scheduler.placement.host`) and shares no code with the index that it
checks. It knows no column, no cache and no class of equal tasks.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from scheduler.model.constraint import Constraint
from scheduler.model.ids import HostId, JobId
from scheduler.model.resources import Need, PortRange, Resources
from scheduler.model.rules import PlacementRules
from scheduler.placement.host import GpuDevice, HostView, Interface
from scheduler.placement.outcome import Choice
from scheduler.placement.request import Request

replace = msgspec.structs.replace


class NaiveHosts:
    """All hosts of a test, kept as whole views that change with each task."""

    def __init__(self, views: Iterable[HostView] = (), now_ms: int = 0) -> None:
        self.views: dict[HostId, HostView] = {}
        self.now_ms = now_ms
        self.put(views)

    def put(self, views: Iterable[HostView]) -> None:
        """Insert or replace hosts."""
        for view in views:
            self.views[view.host_id] = view

    def remove(self, host_id: HostId) -> None:
        """Forget a host."""
        del self.views[host_id]

    def launch(self, request: Request, choice: Choice) -> None:
        """A task of the request is on the chosen host from now on."""
        self.views[choice.host_id] = launched(self.views[choice.host_id], request, choice)

    def undo(self, request: Request, choice: Choice, before: HostView) -> None:
        """The task was never there; ``before`` is the view that stood before it."""
        after = self.views[choice.host_id]
        self.views[choice.host_id] = undone(after, request, choice, before)

    def counts(self, job_id: JobId, attribute: str) -> Counter[str]:
        """Tasks of the job by the value of their host's attribute."""
        found: Counter[str] = Counter()
        for view in self.views.values():
            value = dict(view.attributes).get(attribute)
            tasks = dict(view.tasks_of_job).get(job_id, 0)
            if value is not None and tasks:
                found[value] += tasks
        return found

    def values(self, attribute: str, rules: PlacementRules) -> set[str]:
        """Values of the attribute among hosts that may take tasks, lost zones left out."""
        found = set()
        for view in self.views.values():
            attributes = dict(view.attributes)
            is_lost = attributes.get(rules.zone_attribute) in rules.lost_zones
            if view.is_schedulable and not is_lost and attribute in attributes:
                found.add(attributes[attribute])
        return found

    def broken(self, host_id: HostId, request: Request, rules: PlacementRules) -> set[str]:
        """All that speaks against one more task of the request on the host; empty: it may go."""
        view = self.views[host_id]
        found = {f"resource {name}" for name in lacking(view, request)}
        found |= unavailable(view, rules)
        attributes = dict(view.attributes)
        for each in request.hard:
            if self._breaks(each, view, attributes, request, rules):
                found.add(each.kind)
        borne = {v for each in request.hard if each.kind == "toleration" for v in each.values}
        taints = attributes.get(rules.taints_attribute, "")
        if {each.strip() for each in taints.split(",") if each.strip()} - borne:
            found.add("taints")
        if view.exclusive_job is not None:
            found.add("exclusive")
        asks_for_devices = request.need.gpus or request.need.gpu_milli
        if not rules.gpu_hosts_take_all and view.gpus and not asks_for_devices:
            found.add("kept for devices")
        return found

    def _breaks(  # noqa: C901, PLR0911 - one arm a kind of rule
        self,
        rule: Constraint,
        view: HostView,
        attributes: Mapping[str, str],
        request: Request,
        rules: PlacementRules,
    ) -> bool:
        value = attributes.get(rule.attribute)
        of_job = dict(view.tasks_of_job)
        match rule.kind:
            case "uniqueHost":
                return of_job.get(request.job_id, 0) > 0
            case "exclusiveHost":
                return sum(of_job.values()) > 0
            case "activeHost":
                return view.is_last_choice
            case "availabilityZone":
                return attributes.get(rules.zone_attribute) not in rule.values
            case "machineType":
                return attributes.get(rules.machine_type_attribute) not in rule.values
            case "machineGroup":
                return attributes.get(rules.machine_group_attribute) not in rule.values
            case "machineId":
                return not {view.host_id, view.hostname} & set(rule.values)
            case "hostAttribute" | "hostAttributeIn":
                return value not in rule.values
            case "hostAttributeUnlike":
                return value in rule.values
            case "nearVolume":
                there = {each.strip() for each in attributes.get("volumes", "").split(",")}
                return not set(rule.values) <= there
            case "toleration":
                return False
            case "zoneBalance":
                return self._unbalances(rules.zone_attribute, view, request, rules)
            case "balancedAttribute":
                return self._unbalances(rule.attribute, view, request, rules)
            case "nearJob" | "awayFromJob":
                return self._is_near(rule, view, request) == (rule.kind == "awayFromJob")

    def _unbalances(
        self, attribute: str, view: HostView, request: Request, rules: PlacementRules
    ) -> bool:
        """A value that already holds the most may take no more, unless all hold equally many."""
        values = self.values(attribute, rules)
        mine = dict(view.attributes).get(attribute)
        if mine not in values:
            return True
        there = self.counts(request.job_id, attribute)
        held = {value: there[value] for value in values}
        return held[mine] == max(held.values()) and len(set(held.values())) > 1

    def _is_near(self, rule: Constraint, view: HostView, request: Request) -> bool:
        other = JobId(rule.values[0])
        everywhere = [each for each in self.views.values() if dict(each.tasks_of_job).get(other)]
        if rule.kind == "nearJob" and other == request.job_id and not everywhere:
            return True  # Somebody has to be the first.
        if not rule.attribute:
            return view in everywhere
        mine = dict(view.attributes).get(rule.attribute)
        theirs = {dict(each.attributes).get(rule.attribute) for each in everywhere}
        return mine is not None and mine in theirs


def unavailable(view: HostView, rules: PlacementRules) -> set[str]:
    """What keeps the host from taking any task now."""
    guards = rules.guards
    found = set()
    if not view.is_schedulable:
        found.add("not schedulable")
    if not view.is_offered:
        found.add("not offered")
    if dict(view.attributes).get(rules.zone_attribute) in rules.lost_zones:
        found.add("lost zone")
    if 0 < guards.launching_per_host_max <= view.launching:
        found.add("launching")
    if 0 < guards.launches_per_host_per_minute <= view.launches_last_minute:
        found.add("launch rate")
    if view.quality_milli < guards.quality_least_milli:
        found.add("quality")
    return found


def lacking(view: HostView, request: Request) -> set[str]:
    """Names of the resources of which the host has too little free for one task."""
    need, free = request.need, view.free
    there = dict(free.scalars)
    wanted = {
        "cpu": need.cpu_milli > free.cpu_milli,
        "memory": need.memory_mib > free.memory_mib,
        "disk": need.disk_mib > free.disk_mib,
        "network": view.accounts_network and need.network_mbps > free.network_mbps,
        "ports": need.ports > len(port_set(free.ports)),
        "gpus": not has_devices(view, need),
        "addresses": bool(need.addresses) and not has_slot(view.interfaces, group_set(request)),
    }
    found = {name for name, is_lacking in wanted.items() if is_lacking}
    return found | {name for name, amount in need.scalars if amount > there.get(name, 0)}


def has_devices(view: HostView, need: Need) -> bool:
    """Whether there are devices for the task: whole free ones, or one with so much left."""
    if not need.gpus and not need.gpu_milli:
        return True
    if need.gpu_models and view.gpu_model not in need.gpu_models:
        return False
    if need.gpu_milli:
        return any(each.free_milli >= need.gpu_milli for each in view.gpus)
    return sum(each.free_milli == each.total_milli for each in view.gpus) >= need.gpus


def has_slot(interfaces: tuple[Interface, ...], groups: tuple[str, ...]) -> bool:
    """Whether an address is left on an interface of nobody or of the same set of groups."""
    if not interfaces:
        return True  # A host that declares none does not count addresses.
    return any(
        each.used < each.addresses and each.security_groups in (None, groups) for each in interfaces
    )


def group_set(request: Request) -> tuple[str, ...]:
    """The security groups as a set is written."""
    return tuple(sorted(set(request.security_groups)))


def port_set(ranges: Iterable[PortRange]) -> set[int]:
    """The ports of the ranges, one by one."""
    return {port for each in ranges for port in range(each.begin, each.end + 1)}


def ranges_of(ports: Iterable[int]) -> tuple[PortRange, ...]:
    """Ports as ascending ranges that do not touch."""
    ranges: list[PortRange] = []
    for port in sorted(ports):
        if ranges and port == ranges[-1].end + 1:
            ranges[-1] = PortRange(ranges[-1].begin, port)
        else:
            ranges.append(PortRange(port, port))
    return tuple(ranges)


def less(free: Resources, need: Need, choice: Choice, sign: int = 1) -> Resources:
    """What is left of ``free`` with one task more (or fewer, with a sign of -1)."""
    scalars = dict(free.scalars)
    for name, amount in need.scalars:
        scalars[name] = scalars.get(name, 0) - sign * amount
    ports = port_set(free.ports)
    ports = ports - set(choice.ports) if sign > 0 else ports | set(choice.ports)
    return Resources(
        cpu_milli=free.cpu_milli - sign * need.cpu_milli,
        memory_mib=free.memory_mib - sign * need.memory_mib,
        disk_mib=free.disk_mib - sign * need.disk_mib,
        ports=ranges_of(ports),
        network_mbps=free.network_mbps - sign * need.network_mbps,
        gpus=free.gpus - sign * need.gpus,
        scalars=tuple(sorted((name, amount) for name, amount in scalars.items() if amount)),
    )


def launched(view: HostView, request: Request, choice: Choice) -> HostView:
    """The host with one task more."""
    of_job = Counter(dict(view.tasks_of_job))
    of_job[request.job_id] += 1
    is_exclusive = any(each.kind == "exclusiveHost" for each in request.hard)
    sets = {*view.security_groups, group_set(request)} - {()}
    return replace(
        view,
        free=less(view.free, request.need, choice),
        tasks_of_job=tuple(sorted(of_job.items())),
        services=view.services + request.is_service,
        exclusive_job=request.job_id if is_exclusive else view.exclusive_job,
        images=tuple(sorted({*view.images, request.image} - {""})),
        security_groups=tuple(sorted(sets)),
        launching=view.launching + 1,
        launches_last_minute=view.launches_last_minute + 1,
        gpus=_devices(view.gpus, request.need, choice, 1),
        interfaces=_interfaces(view.interfaces, choice.interface, group_set(request)),
    )


def undone(view: HostView, request: Request, choice: Choice, before: HostView) -> HostView:
    """The host without the task again, as if it had never been there.

    What cannot be told from the view alone (whether somebody else has the image) is as it was in
    ``before`` where no other task has come meanwhile; so is an interface's set.
    """
    of_job = Counter(dict(view.tasks_of_job))
    of_job[request.job_id] -= 1
    interfaces = list(view.interfaces)
    if choice.interface >= 0:
        each = interfaces[choice.interface]
        interfaces[choice.interface] = replace(
            each,
            used=each.used - 1,
            security_groups=each.security_groups if each.used > 1 else None,
        )
    return replace(
        view,
        free=less(view.free, request.need, choice, -1),
        tasks_of_job=tuple(sorted((job, count) for job, count in of_job.items() if count)),
        services=view.services - request.is_service,
        exclusive_job=before.exclusive_job,
        images=before.images,
        security_groups=before.security_groups,
        launching=view.launching - 1,
        launches_last_minute=view.launches_last_minute - 1,
        gpus=_devices(view.gpus, request.need, choice, -1),
        interfaces=tuple(interfaces),
    )


def _devices(
    devices: tuple[GpuDevice, ...], need: Need, choice: Choice, sign: int
) -> tuple[GpuDevice, ...]:
    after = list(devices)
    for index in choice.gpus:
        device = after[index]
        amount = need.gpu_milli or device.total_milli
        after[index] = replace(device, free_milli=device.free_milli - sign * amount)
    return tuple(after)


def _interfaces(
    interfaces: tuple[Interface, ...], index: int, groups: tuple[str, ...]
) -> tuple[Interface, ...]:
    if index < 0:
        return interfaces
    each = interfaces[index]
    after = replace(
        each,
        used=each.used + 1,
        resting=max(0, min(each.resting, each.addresses - each.used - 1)),
        security_groups=groups,
    )
    return (*interfaces[:index], after, *interfaces[index + 1 :])
