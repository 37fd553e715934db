"""A cell whose hosts come from a cloud in memory: groups that start and end instances.

The one thing to know: the cloud does what clouds do. An instance takes a while to start, then its
agent offers it; a group that shrinks by itself takes any instance that is not protected, tasks or
not; ending one with decrement lowers the group's size. What a test wants to go wrong is a field.
"""

from dataclasses import dataclass, field
from typing import Any

from scheduler.model.changes import CellPaged, FleetChanged
from scheduler.model.events import EffectEnded, EffectStarted
from scheduler.model.fleet import (
    CloudGroupObserved,
    CloudInstance,
    CompleteHook,
    EndInstance,
    FleetEffect,
    InstanceNoticed,
    ProtectInstances,
    RemoveGroup,
    SetDesiredCapacity,
)
from scheduler.model.fleet_rules import FleetAsked, FleetRules, GroupRule
from scheduler.model.ids import HostId, OfferId, TaskId
from scheduler.model.mesos import HostFacts, Offer
from scheduler.model.policy import Policy
from scheduler.model.proposals import DeclineOffers, KillTask, LaunchTasks
from scheduler.model.resources import PortRange, Resources, added
from scheduler.model.rules import Amount
from scheduler.model.task import Finished, Started, is_on_host, place_of
from scheduler.model.warm_pools import (
    RemoveWarmPool,
    SetWarmPool,
    WarmPoolObserved,
    WarmPoolRule,
)
from streams.fleet.reports import Reports
from streams.fleet.warm_pools import PoolReports
from tests.support.cell import CellInMemory

CPUS = 8
MEMORY_MIB = 32_768
SHAPE = Amount(cpu_milli=CPUS * 1_000, memory_mib=MEMORY_MIB)
ZONES = ("a", "b", "c")


def group_rule(name: str = "blue", **fields: Any) -> GroupRule:
    """A group of hosts with 8 cpus, of which none has to be idle and one may."""
    values: dict[str, Any] = {"shape": SHAPE, "idle_max": 1} | fields
    return GroupRule(name=name, **values)


def fleet_rules(*groups: GroupRule, **fields: Any) -> FleetRules:
    """Rules without a warm-up, that give hosts back after a minute."""
    values: dict[str, Any] = {
        "warm_up_ms": 0,
        "grace_ms": 60_000,
        "end_after_ms": 60_000,
        "up_cooldown_ms": 30_000,
        "down_cooldown_ms": 60_000,
    } | fields
    return FleetRules(groups=groups or (group_rule(),), **values)


@dataclass
class SimInstance:
    """One instance of the cloud."""

    instance_id: str
    zone: str
    born_ms: int
    state: str = "pending"
    host: str = ""
    is_protected: bool = False


@dataclass
class SimGroup:
    """One group of the cloud."""

    name: str
    desired: int = 0
    minimum: int = 0
    maximum: int = 100
    zones: tuple[str, ...] = ZONES
    launch_ms: int = 60_000
    never_join: bool = False
    cpus: int = CPUS
    attributes: tuple[tuple[str, str], ...] = ()
    instances: dict[str, SimInstance] = field(default_factory=dict)
    born: int = 0
    pool: WarmPoolRule | None = None
    warm: dict[str, SimInstance] = field(default_factory=dict)
    """Instances that stand by."""
    warm_launch_ms: int = 10_000
    """One of those takes so long to be in service."""

    def new_instance(self, now_ms: int) -> SimInstance:
        """One more, in the zone that has fewest."""
        self.born += 1
        there = [*self.instances.values(), *self.warm.values()]
        zone = min(self.zones, key=lambda each: (sum(i.zone == each for i in there), each))
        return SimInstance(f"i-{self.name}-{self.born:04}", zone, now_ms)

    def take_back(self, ended: SimInstance) -> None:
        """One that made the group smaller stands by again, if the pool's rule says so."""
        if self.pool is not None and self.pool.is_reusing:
            ended.state, ended.host = "pending", ""
            self.warm[ended.instance_id] = ended


class FleetWorld:
    """Cell, cloud and Mesos of a test; `pass_ms` lets all three go on."""

    def __init__(
        self,
        *groups: SimGroup,
        rules: FleetRules | None = None,
        policy: Policy | None = None,
        records_a_check: int = 1,
    ) -> None:
        self.cell = CellInMemory(policy)
        self.cell.records_a_check = records_a_check
        self.cell.elect()
        self.cell.subscribe()
        self.groups = {each.name: each for each in groups or (SimGroup("blue"),)}
        self.removed: list[str] = []
        self.effects: list[FleetEffect] = []
        self.refusal = ""
        """Why the cloud does nothing; empty while it does."""
        self.is_observed = True
        self.is_carried_out = True
        self.lost_tasks = 0
        self.host_ms = 0
        self._reports = Reports()
        self._pools = PoolReports()
        self._hosts: set[str] = set()
        self._offers = 0
        for each in self.groups.values():
            self._scale(each)
        self.set_rules(rules or fleet_rules(*(group_rule(name) for name in self.groups)))

    @property
    def state(self) -> Any:
        """The cell's state."""
        return self.cell.state

    def set_rules(self, rules: FleetRules) -> None:
        """An operator sets the rules."""
        self.cell.copy("commands", FleetAsked(rules, "op", "test"))

    def size(self, name: str = "blue") -> int:
        """How many instances the cloud has of a group."""
        return len(self.groups[name].instances)

    def said(self, what: str) -> list[FleetChanged]:
        """What was told of the fleet, of one kind."""
        return [each for each in self.cell.said(FleetChanged) if each.what == what]

    @property
    def pages(self) -> list[CellPaged]:
        """What was paged of the fleet."""
        return [each for each in self.cell.said(CellPaged) if each.kind == "fleet"]

    def pass_ms(self, total_ms: int, step_ms: int = 10_000) -> None:
        """Let time pass for all."""
        while total_ms > 0:
            self.step(min(step_ms, total_ms))
            total_ms -= step_ms

    def step(self, ms: int = 10_000) -> None:
        """One step of time."""
        self.cell.tick(ms)
        self.host_ms += ms * sum(len(each.instances) for each in self.groups.values())
        if self.is_carried_out:
            self.carry_out()
        for each in list(self.groups.values()):
            self._scale(each)
            self._join(each)
        if self.is_observed:
            self.observe()
        self.place()

    # The cloud.

    def carry_out(self) -> None:
        """What the outbox does: start each order, ask the cloud, say how it ended."""
        for order_id, each in list(self.state.fleet_orders.items()):
            if each.is_started:
                continue
            self.cell.write(EffectStarted(proposal_id=order_id))
            if order_id not in self.state.fleet_orders:
                continue
            self.effects.append(each.effect)
            refusal = self.refusal or ("" if each.effect.group in self.groups else "gone: no group")
            if refusal:
                self.cell.write(EffectEnded(order_id, "refused", refusal))
                continue
            self._do(each.effect)
            self.cell.write(EffectEnded(proposal_id=order_id, fate="sent"))

    def _do(self, effect: FleetEffect) -> None:
        group = self.groups[effect.group]
        match effect:
            case SetDesiredCapacity():
                if effect.minimum is not None:
                    group.minimum = effect.minimum
                assert group.minimum <= effect.desired <= group.maximum, "AWS would refuse it"
                group.desired = effect.desired
            case EndInstance():
                ended = group.instances[effect.instance_id]
                self.end(group, effect.instance_id)
                if effect.is_decrement:
                    group.take_back(ended)
                    group.desired -= 1
                    assert group.desired >= group.minimum, "AWS would refuse it"
            case ProtectInstances():
                for each in effect.instance_ids:
                    if each in group.instances:
                        group.instances[each].is_protected = effect.is_protected
            case SetWarmPool():
                group.pool = effect.rule
            case RemoveWarmPool():
                group.pool = None
                group.warm.clear()
            case CompleteHook():
                pass
            case RemoveGroup():
                assert not group.instances, "AWS would refuse it"
                assert group.pool is None, "AWS would refuse it"
                del self.groups[effect.group]
                self.removed.append(effect.group)
            case _:
                raise AssertionError(f"this cloud has no network for {effect}")

    def _scale(self, group: SimGroup) -> None:
        while len(group.instances) < group.desired:
            if group.warm:
                _, each = group.warm.popitem()
                each.born_ms = self.cell.now_ms - group.launch_ms + group.warm_launch_ms
            else:
                each = group.new_instance(self.cell.now_ms)
            group.instances[each.instance_id] = each
        while len(group.instances) > group.desired:
            free = [each for each in group.instances.values() if not each.is_protected]
            if not free:
                return
            self.end(group, free[0].instance_id)
        size = group.pool.size(group.desired, group.maximum) if group.pool is not None else 0
        while len(group.warm) < size:
            each = group.new_instance(self.cell.now_ms)
            group.warm[each.instance_id] = each
        while len(group.warm) > size:
            group.warm.popitem()

    def _join(self, group: SimGroup) -> None:
        for each in group.instances.values():
            if each.state == "pending" and self.cell.now_ms >= each.born_ms + group.launch_ms:
                each.state = "inService"
            if each.state == "inService" and not each.host and not group.never_join:
                each.host = f"host-{each.instance_id}"
                self._hosts.add(each.host)
                self.offer(each.host, group, each)

    def end(self, group: SimGroup, instance_id: str) -> None:
        """Take an instance away: what runs there is lost."""
        gone = group.instances.pop(instance_id)
        if not gone.host:
            return
        self._hosts.discard(gone.host)
        host_id = HostId(gone.host)
        for task_id in list(self.state.host_tasks.get(host_id, ())):
            self.lost_tasks += 1
            self.cell.status(task_id, "TASK_GONE")
        self.cell.rescind(*self.state.host_offers.get(host_id, ()))

    def notice(self, instance_id: str, group: str = "blue", **fields: Any) -> None:
        """The cloud announces something of an instance."""
        self.cell.copy("hosts", InstanceNoticed(group=group, instance_id=instance_id, **fields))

    def observe(self) -> None:
        """What the fleet process writes of what it sees."""
        seen = [self.observation(each) for each in self.groups.values()]
        for report in self._reports.of(seen, self.cell.now_ms):
            self.cell.copy("hosts", report)
        pools = [WarmPoolObserved(each.name, each.pool) for each in self.groups.values()]
        for told in self._pools.of(pools, self.cell.now_ms):
            self.cell.copy("hosts", told)

    def observation(self, group: SimGroup) -> CloudGroupObserved:
        """A group as the cloud tells of it."""
        instances = tuple(
            CloudInstance(
                each.instance_id,
                "pending" if each.state == "pending" else "inService",
                zone=each.zone,
                machine_type="m",
                is_protected=each.is_protected,
            )
            for each in group.instances.values()
        )
        instances += tuple(
            CloudInstance(each.instance_id, "warm", zone=each.zone, machine_type="m")
            for each in group.warm.values()
        )
        return CloudGroupObserved(
            group=group.name,
            provider="sim",
            region="here",
            minimum=group.minimum,
            desired=group.desired,
            maximum=group.maximum,
            instances=instances,
            observed_at_ms=self.cell.now_ms,
            instances_total=len(instances),
            zones=group.zones,
            machine_types=("m",),
            warm_total=len(group.warm),
        )

    # Mesos.

    def offer(self, host: str, group: SimGroup, instance: SimInstance) -> None:
        """A host joins: its agent offers all of it."""
        attributes = (
            ("group", group.name),
            ("instance-id", instance.instance_id),
            ("zone", instance.zone),
            *group.attributes,
        )
        facts = HostFacts(hostname=f"name-of-{host}", attributes=tuple(sorted(attributes)))
        self._offer(host, Resources(group.cpus * 1_000, MEMORY_MIB, 100_000), facts)

    def _offer(self, host: str, resources: Resources, facts: HostFacts | None = None) -> None:
        self._offers += 1
        ports = (PortRange(31_000, 31_999),)
        whole = Resources(resources.cpu_milli, resources.memory_mib, resources.disk_mib, ports)
        offer_id = OfferId(f"o{self._offers}")
        self.cell.offers(Offer(offer_id, HostId(host), whole, facts=facts))

    def place(self) -> None:
        """Rounds until nothing is left; what was launched runs, the rest is offered anew."""
        declined: list[tuple[HostId, Resources]] = []
        for _ in range(100):
            proposals = self.cell.decide()
            if not proposals:
                break
            for proposal_id, proposal in proposals:
                decision = self.state.decisions.get(proposal_id)
                if decision is None:
                    continue
                self.cell.carry_out(proposal_id)
                if isinstance(proposal, LaunchTasks):
                    self._launched(proposal, decision)
                elif isinstance(proposal, DeclineOffers):
                    declined += [(each.host_id, each.resources) for each in decision.offers]
                elif isinstance(proposal, KillTask):
                    self.ended(proposal.task_id, "TASK_KILLED")
        for host_id, resources in declined:
            self._offer(host_id, resources)

    def elect(self, candidate: str) -> None:
        """Another leads: its stream begins with all that is free."""
        free: dict[HostId, Resources] = {}
        for each in self.state.offers.values():
            free[each.host_id] = added(free.get(each.host_id, Resources()), each.resources)
        self.cell.elect(candidate)
        self.cell.subscribe()
        for host_id, resources in free.items():
            self._offer(host_id, resources)

    def _launched(self, proposal: LaunchTasks, decision: Any) -> None:
        cpu = sum(each.resources.cpu_milli for each in decision.offers)
        memory = sum(each.resources.memory_mib for each in decision.offers)
        disk = sum(each.resources.disk_mib for each in decision.offers)
        for launch in proposal.launches:
            need = self._need(launch.task_id)
            cpu, memory, disk = (
                cpu - need.cpu_milli,
                memory - need.memory_mib,
                disk - need.disk_mib,
            )
            self.cell.status(launch.task_id, "TASK_RUNNING")
        if cpu > 0:
            self._offer(proposal.host_id, Resources(cpu, memory, disk))

    def _need(self, task_id: TaskId) -> Any:
        task = self.state.tasks[task_id]
        return self.state.jobs[task.job_id].spec.container.need

    def ended(self, task_id: TaskId, how: str = "TASK_FINISHED") -> None:
        """A task ends on its host, which offers what it had."""
        task = self.state.tasks[task_id]
        place = place_of(task.state)
        if place is None or not is_on_host(task.state):
            return
        need = self._need(task_id)
        self.cell.status(task_id, how)  # type: ignore[arg-type]
        if place.host_id in self._hosts:
            self._offer(place.host_id, Resources(need.cpu_milli, need.memory_mib, need.disk_mib))

    def running(self, job_id: str = "job") -> int:
        """How many tasks of a job run."""
        return sum(isinstance(each.state, Started) for each in self.cell.tasks(job_id))

    def is_over(self, task_id: TaskId) -> bool:
        """Whether the task has ended."""
        return isinstance(self.state.tasks[task_id].state, Finished)
