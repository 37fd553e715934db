"""The fold accepts a launch exactly where every rule allows it, whoever proposes it.

How: a proposer that knows nothing launches any tasks on any host, with any interface and devices,
in a cell whose jobs ask for all kinds of things. An oracle, written only from what the rules mean,
says which of these are right. After every record all invariants hold.
"""

from collections import Counter
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from scheduler.model.changes import ProposalRefused
from scheduler.model.constraint import Constraint
from scheduler.model.ids import HostId, JobId, TaskId, proposal_id_of
from scheduler.model.job import JobSpec
from scheduler.model.mesos import HostFacts, Offer
from scheduler.model.policy import Policy
from scheduler.model.proposals import Launch, LaunchTasks
from scheduler.model.resources import Need, Resources
from scheduler.model.rules import Guards, PlacementRules, Selector
from scheduler.model.task import (
    Finished,
    Launched,
    Placed,
    Queued,
    StartInitiated,
    place_of,
)
from scheduler.rounds.planner import Planner
from tests.support.cell import CellInMemory, batch

HOSTS: Final[dict[str, dict[str, str]]] = {
    "h1": {"zone": "a", "itype": "m4", "rack": "1", "res": "ResourceSet-ENIs-2-2"},
    "h2": {"zone": "b", "itype": "m5", "rack": "1", "gpu_model": "V100", "volumes": "data, logs"},
    "h3": {"zone": "a", "itype": "p3", "rack": "2", "gpu_model": "A10", "taints": "gpu, noisy"},
    "h4": {"group": "asg"},
}
OFFERED: Final = {
    "h1": Resources(4_000, 4_096, 1_000, (), 1_000, 0),
    "h2": Resources(4_000, 4_096, 1_000, (), 0, 2, (("tpu", 1_500),)),
    "h3": Resources(2_000, 4_096, 1_000, (), 500, 1),
    "h4": Resources(1_000, 1_024, 100),
}
SMALL: Final = Need(500, 128, 10)


def wanting(kind: Any, attribute: str = "", *values: str, **more: Any) -> JobSpec:
    """A job of three tasks with one hard constraint."""
    return batch(3, need=SMALL, hard_constraints=(Constraint(kind, attribute, values),), **more)


def needing(**need: Any) -> JobSpec:
    """A job of three tasks that need more than the usual."""
    groups = need.pop("groups", ())
    return batch(3, need=replace(SMALL, **need), security_groups=groups)


SPECS: Final[dict[str, JobSpec]] = {
    "plain": batch(4, need=SMALL),
    "solo": replace(batch(2, need=SMALL), application_name="solo"),
    "large": batch(2, need=Need(1_500, 2_048, 400)),
    "unique": wanting("uniqueHost"),
    "alone": wanting("exclusiveHost"),
    "zone-a": wanting("availabilityZone", "", "a"),
    "p3": wanting("machineType", "", "p3"),
    "h4-only": wanting("machineId", "", "name-of-h4"),
    "asg": wanting("machineGroup", "", "asg"),
    "rack-in": wanting("hostAttributeIn", "rack", "2", "3"),
    "rack-not": wanting("hostAttributeUnlike", "rack", "1"),
    "bears": wanting("toleration", "", "gpu", "noisy"),
    "bears-half": wanting("toleration", "", "noisy"),
    "data": wanting("nearVolume", "", "data"),
    "near": wanting("nearJob", "", "unique"),
    "near-zone": wanting("nearJob", "zone", "plain"),
    "near-self": wanting("nearJob", "rack", "near-self"),
    "away": wanting("awayFromJob", "", "plain"),
    "away-rack": wanting("awayFromJob", "rack", "unique"),
    "spread": wanting("zoneBalance"),
    "net": needing(network_mbps=400),
    "gpu": needing(gpus=1),
    "gpu-v100": needing(gpus=2, gpu_models=("V100",)),
    "tpu": needing(scalars=(("tpu", 700),)),
    "sg1": needing(addresses=1, groups=("sg-1", "sg-2")),
    "sg1-turned": needing(addresses=1, groups=("sg-2", "sg-1")),
    "sg3": needing(addresses=1, groups=("sg-3",)),
}
MUST_M4: Final = Selector("m4", "must", Constraint("machineType", "", ("m4",)), applications=("x",))
RULES: Final = (
    PlacementRules(),
    PlacementRules(lost_zones=("b",), gpu_hosts_take_all=False),
    PlacementRules(selectors=(MUST_M4, replace(MUST_M4, name="all", applications=()))),
    PlacementRules(selectors=(Selector("own", "must", Constraint("exclusiveHost")),)),
    PlacementRules(
        selectors=(Selector("s", "must", Constraint("exclusiveHost"), applications=("solo",)),)
    ),
    PlacementRules(guards=Guards(launching_per_host_max=2, launches_per_job_per_minute=3)),
)

PICKS = st.lists(
    st.tuples(
        st.sampled_from(sorted(SPECS)),
        st.integers(0, 3),
        st.sampled_from([*[None] * 16, -1, 0, 1, 2]),
        st.sampled_from([*[None] * 24, (), (0,), (1,), (0, 1), (0, 0), (5,)]),
    ),
    min_size=1,
    max_size=3,
)
"""Job, index of its task, interface and devices; None lets `propose` choose what could be right."""
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("propose"), st.sampled_from(["h1", "h2", *HOSTS]), PICKS, st.booleans()),
        st.tuples(st.just("end"), st.integers(0, 20)),
        st.tuples(st.just("pass"), st.sampled_from([1_000, 30_000])),
    ),
    min_size=6,
    max_size=20,
)


class Oracle:
    """What the rules allow, worked out the long way from tasks, offers and attributes."""

    def __init__(self, cell: CellInMemory, host: str, rules: PlacementRules) -> None:
        self.cell, self.host, self.rules = cell, host, rules
        self.attributes = HOSTS[host]
        state = cell.state
        self.placed: list[tuple[str, str, int, tuple[int, ...]]] = []
        """Job, host, interface and devices of every task that holds resources."""
        for task in state.tasks.values():
            if isinstance(task.state, Queued | Finished):
                continue
            place = place_of(task.state)
            assert place is not None
            self.placed.append((task.job_id, place.host_id, place.interface, place.gpus))
        self.launching = sum(
            isinstance(task.state, Placed | Launched | StartInitiated)
            for task in state.tasks.values()
            if (found := place_of(task.state)) is not None and found.host_id == host
        )
        self.free: Counter[str] = Counter()
        for offer_id in state.host_offers.get(HostId(host), ()):
            self.add(state.offers[offer_id].resources, 1)

    def add(self, amounts: Resources | Need, sign: int) -> None:
        """Count amounts."""
        for name in ("cpu_milli", "memory_mib", "disk_mib", "network_mbps", "gpus"):
            self.free[name] += sign * getattr(amounts, name)
        for name, amount in amounts.scalars:
            self.free[name] += sign * amount

    def here(self) -> list[str]:
        """Jobs of the tasks on the host."""
        return [job for job, host, _, _ in self.placed if host == self.host]

    def hard_of(self, job: str) -> tuple[Constraint, ...]:
        """The job's own hard constraints, and the operator's."""
        added = [
            each.constraint
            for each in self.rules.selectors
            if not each.applications or SPECS[job].application_name in each.applications
        ]
        return (*SPECS[job].container.hard_constraints, *added)

    def allows(self, launches: list[tuple[str, int, tuple[int, ...]]]) -> bool:
        """Whether these tasks (job, interface, devices) may go there, one after the other."""
        most = self.rules.guards.launching_per_host_max
        if most and self.launching + len(launches) > most:
            return False
        per_job = self.rules.guards.launches_per_job_per_minute
        lately = self.cell.state.launches_of_jobs
        for job, count in Counter(job for job, _, _ in launches).items():
            if per_job and count + lately.get(JobId(job), 0) > per_job:
                return False
        return all(self.takes(*each) for each in launches)

    def takes(self, job: str, interface: int, gpus: tuple[int, ...]) -> bool:
        """Whether one more task may go there; it is there from then on."""
        need = SPECS[job].container.need
        self.add(need, -1)
        wanted = {"cpu_milli", "memory_mib", "disk_mib", "gpus", *dict(need.scalars)}
        if self.host in {"h1", "h3"} and need.network_mbps:
            wanted.add("network_mbps")
        is_good = (
            all(self.free[name] >= 0 for name in wanted)
            and self.attributes.get("zone") not in self.rules.lost_zones
            and self.keeps_taints(job)
            and all(self.keeps(each, job) for each in self.hard_of(job))
            and self.is_not_taken()
            and self.has_devices(need, gpus)
            and self.has_address(job, need, interface)
        )
        self.placed.append((job, self.host, interface, gpus))
        return is_good

    def keeps_taints(self, job: str) -> bool:
        """Whether the job bears every taint."""
        borne = {
            value
            for each in self.hard_of(job)
            if each.kind == "toleration"
            for value in each.values
        }
        taints = self.attributes.get("taints", "")
        return {each.strip() for each in taints.split(",") if each} <= borne

    def is_not_taken(self) -> bool:
        """Whether nobody there wants the host alone."""
        return not any(
            each.kind == "exclusiveHost" for other in self.here() for each in self.hard_of(other)
        )

    def has_devices(self, need: Need, gpus: tuple[int, ...]) -> bool:
        """Whether the devices named are there and free, and the right ones."""
        used = [each for _, host, _, given in self.placed if host == self.host for each in given]
        there = {"h2": 2, "h3": 1}.get(self.host, 0)
        has_any = there > 0 and (self.free["gpus"] + need.gpus > 0 or bool(used))
        if not need.gpus:
            return not gpus and (self.rules.gpu_hosts_take_all or not has_any)
        model = self.attributes.get("gpu_model")
        return (
            len(set(gpus)) == len(gpus) == need.gpus
            and all(0 <= each < there and each not in used for each in gpus)
            and (not need.gpu_models or model in need.gpu_models)
        )

    def has_address(self, job: str, need: Need, interface: int) -> bool:
        """Whether the interface named has room for the job's set of groups."""
        if not need.addresses or self.host != "h1":
            return interface == -1
        on_it = [
            frozenset(SPECS[other].container.security_groups)
            for other, host, at, _ in self.placed
            if (host, at) == (self.host, interface)
        ]
        groups = frozenset(SPECS[job].container.security_groups)
        return interface in {0, 1} and len(on_it) < 2 and set(on_it) <= {groups}

    def keeps(self, rule: Constraint, job: str) -> bool:
        """Whether the host keeps one hard constraint, as the documentation says it."""
        has = self.attributes.get
        values = rule.values
        if rule.kind in {"nearJob", "awayFromJob"}:
            is_first = values == (job,) and job not in [each[0] for each in self.placed]
            is_near = self.is_near(values[0], rule.attribute)
            return not is_near if rule.kind == "awayFromJob" else is_near or is_first
        kept: dict[str, bool] = {
            "uniqueHost": job not in self.here(),
            "exclusiveHost": not self.here(),
            "zoneBalance": "zone" in self.attributes,
            "availabilityZone": has("zone") in values,
            "machineType": has("itype") in values,
            "machineGroup": has("group") in values,
            "machineId": f"name-of-{self.host}" in values,
            "hostAttributeIn": has(rule.attribute) in values,
            "hostAttributeUnlike": has(rule.attribute) not in values,
            "nearVolume": set(values) <= set((has("volumes") or "").split(", ")),
            "toleration": True,
        }
        return kept[rule.kind]

    def is_near(self, job: str, attribute: str) -> bool:
        """Whether a task of the job is on this host, or on one with the same attribute."""
        if not attribute:
            return job in self.here()
        hosts = [host for other, host, _, _ in self.placed if other == job]
        value = self.attributes.get(attribute)
        return value is not None and value in [HOSTS[each].get(attribute) for each in hosts]


def cell_of_all(rules: PlacementRules) -> CellInMemory:
    """A cell with every job submitted and every host offered."""
    cell = CellInMemory(Policy(placement=rules, queued_tasks_max=1_000))
    cell.records_a_check = 1_000
    cell.elect()
    cell.subscribe()
    for name, spec in SPECS.items():
        cell.submit(spec, name)
    for host in HOSTS:
        offer(cell, host, OFFERED[host])
    cell.records_a_check = 1
    return cell


def offer(cell: CellInMemory, host: str, resources: Resources) -> None:
    """Offer a host, with its attributes."""
    facts = HostFacts(f"name-of-{host}", attributes=tuple(sorted(HOSTS[host].items())))
    name = f"offer-{len(cell.log)}-{host}"
    cell.offers(replace(Offer(name, HostId(host), resources), facts=facts))  # type: ignore[arg-type]


def rest_of(cell: CellInMemory, host: str) -> Resources:
    """What Mesos would offer of a host: all but what tasks hold."""
    oracle = Oracle(cell, host, PlacementRules())
    oracle.free.clear()
    oracle.add(OFFERED[host], 1)
    for job in oracle.here():
        oracle.add(SPECS[job].container.need, -1)
    left = oracle.free
    scalars = tuple((name, left[name]) for name, _ in OFFERED[host].scalars if left[name])
    return Resources(
        left["cpu_milli"], left["memory_mib"], left["disk_mib"], (),
        max(0, left["network_mbps"]), left["gpus"], scalars,
    )  # fmt: skip


def wanted(
    job: str, host: str, index: int, interface: int | None, gpus: tuple[int, ...] | None
) -> tuple[int, tuple[int, ...]]:
    """The interface and devices to propose; where none is given, such as could be right."""
    need = SPECS[job].container.need
    likely = index % 2 if need.addresses and host == "h1" else -1
    devices = (0, 1) if need.gpus == 2 else (index % 2,) * need.gpus
    return likely if interface is None else interface, devices if gpus is None else gpus


def propose(
    cell: CellInMemory, rules: PlacementRules, host: str, picks: Any, is_sent: bool
) -> None:
    """Propose a launch, and compare what the fold says to it with what the oracle says."""
    state = cell.state
    chosen: dict[TaskId, tuple[str, int, tuple[int, ...]]] = {}
    for job, index, interface, gpus in picks:
        task_id = state.indexes.get(JobId(job), {}).get(index)
        queued = state.tasks[task_id].state if task_id is not None else None
        if task_id and isinstance(queued, Queued) and queued.ready_at_ms <= state.clock.now_ms:
            chosen[task_id] = (job, *wanted(job, host, index, interface, gpus))
    offers = tuple(state.host_offers.get(HostId(host), ()))
    if not chosen or not offers:
        return
    expected = Oracle(cell, host, rules).allows(list(chosen.values()))
    launches = tuple(
        Launch(task_id, (), interface, gpus) for task_id, (_, interface, gpus) in chosen.items()
    )
    offset = cell.write(LaunchTasks(HostId(host), offers, launches))
    proposal_id = proposal_id_of(offset, 0)
    is_accepted = proposal_id in cell.state.decisions
    assert is_accepted == expected, (host, chosen, cell.said_last())
    if is_accepted:
        cell.carry_out(proposal_id, "sent" if is_sent else "refused")
        if is_sent:
            offer(cell, host, rest_of(cell, host))


@settings(deadline=None, max_examples=120)
@given(rules=st.sampled_from(RULES), steps=STEPS)
def test_a_launch_is_accepted_exactly_where_every_rule_allows_it(
    rules: PlacementRules, steps: list[Any]
) -> None:
    cell = cell_of_all(rules)
    for step in steps:
        if step[0] == "propose":
            propose(cell, rules, *step[1:])
        elif step[0] == "pass":
            cell.tick(step[1])
        else:
            end_one(cell, step[1])


def end_one(cell: CellInMemory, choice: int) -> None:
    """A task ends, and its host offers what it held."""
    running = sorted(each for there in cell.state.host_tasks.values() for each in there)
    if not running:
        return
    task_id = running[choice % len(running)]
    host = cell.host_of(task_id)
    assert host is not None
    cell.status(task_id, "TASK_FINISHED")
    cell.rescind(*cell.state.host_offers.get(host, ()))
    offer(cell, host, rest_of(cell, host))


DAYS = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.lists(st.sampled_from(sorted(SPECS)), max_size=6)),
        st.tuples(st.just("round"), st.integers(1, 3)),
        st.tuples(st.just("end"), st.integers(0, 20)),
        st.tuples(st.just("pass"), st.sampled_from([1_000, 30_000])),
    ),
    min_size=4,
    max_size=14,
)


@settings(deadline=None, max_examples=60)
@given(rules=st.sampled_from(RULES), steps=DAYS)
def test_what_a_round_launches_is_accepted(rules: PlacementRules, steps: list[Any]) -> None:
    """The index and the fold mean the same by every rule: else a round would try for ever."""
    cell = CellInMemory(Policy(placement=rules))
    cell.elect()
    cell.subscribe()
    for host in HOSTS:
        offer(cell, host, OFFERED[host])
    for kind, what in steps:
        if kind == "submit":
            for job in what:
                if JobId(job) not in cell.state.jobs:
                    cell.submit(SPECS[job], job)
        elif kind == "round":
            for _ in range(what):
                a_round(cell)
        elif kind == "pass":
            cell.tick(what)
        else:
            end_one(cell, what)


def a_round(cell: CellInMemory) -> None:
    """One round, all of whose launches the fold must accept; then hosts offer what is left."""
    planned = Planner(cell.state).plan()
    if not planned.record.waiting:
        return
    offset = cell.write(planned.record, *planned.launches)
    refused = cell.said(ProposalRefused)
    assert not refused, refused
    for index, launch in enumerate(planned.launches, start=1):
        proposal_id = proposal_id_of(offset, index)
        cell.carry_out(proposal_id)
        offer(cell, launch.host_id, rest_of(cell, launch.host_id))
