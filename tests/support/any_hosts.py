"""Any hosts, requests and rules for properties of placement: small, crowded, and of every kind.

There are two worlds: a wild one, in which something closes most hosts, and a calm one, in which
most tasks find a host and constraints decide which.

The one thing to know: amounts are few and small, so that hosts fill up, ties happen and every rule
refuses somebody within a handful of steps. Each value is made from one number, which hypothesis
draws: its own drawing of twenty fields takes a hundred times as long. A small number makes a plain
value, so that what shrinks becomes plain.
"""

import random
from collections.abc import Callable
from typing import TypeVar

from hypothesis import strategies as st
from msgspec.structs import replace

from scheduler.model.constraint import Constraint, ConstraintKind
from scheduler.model.ids import HostId, JobId
from scheduler.model.resources import Need, PortRange, Resources
from scheduler.model.rules import (
    CapacityGroup,
    Guards,
    PlacementRules,
    Profile,
    Selector,
    Tier,
)
from scheduler.placement.host import GpuDevice, HostView, Interface
from scheduler.placement.request import Request

JOBS = tuple(JobId(name) for name in ("j", "k", "l"))
HOSTS = tuple(HostId(f"h{number}") for number in range(6))
MODELS = ("T4", "V100")
GROUP_SETS: tuple[tuple[str, ...], ...] = ((), ("sg1",), ("sg2",), ("sg1", "sg2"))
PARTS = (
    *("age", "agent", "cpu", "disk", "expiry", "groupSpread", "image", "imageSpread", "jobSpread"),
    *("jobType", "memory", "network", "noise", "packing", "securityGroup", "spread", "weighted"),
)
ATTRIBUTES = {
    "zone": ("A", "B", "C"),
    "rack": ("r1", "r2"),
    "itype": ("r4", "m4"),
    "group": ("g1", "g2"),
    "taints": ("-", "-", "-", "", "gpu", "gpu,flaky"),
    "volumes": ("v1", "v1,v2"),
}
VALUES: tuple[tuple[ConstraintKind, str, tuple[str, ...]], ...] = (
    ("availabilityZone", "", ("A", "B", "C")),
    ("machineType", "", ("r4", "m4", "x1")),
    ("machineGroup", "", ("g1", "g2")),
    ("machineId", "", ("h0", "h1", "h2.example")),
    ("hostAttribute", "rack", ("r1", "r2")),
    ("toleration", "", ("gpu", "flaky")),
    ("nearVolume", "", ("v1", "v2")),
    ("hostAttributeIn", "zone", ("A", "B")),
    ("hostAttributeUnlike", "rack", ("r1",)),
    ("nearJob", "", JOBS),
    ("nearJob", "zone", JOBS),
    ("awayFromJob", "", JOBS),
    ("awayFromJob", "rack", JOBS),
)
PLAIN_KINDS: tuple[ConstraintKind, ...] = (
    *("uniqueHost", "exclusiveHost", "zoneBalance", "activeHost"),
)
SEEDS = st.integers(0, 1 << 20)
Made = TypeVar("Made")


class Chance(random.Random):
    """Numbers from a seed; the first few seeds choose the first of everything."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.is_plain = seed < 4

    def one(self, *choices: Made) -> Made:
        """One of these; the first is the plain one."""
        return choices[0] if self.is_plain else self.choice(choices)


def _made(make: Callable[[Chance], Made]) -> st.SearchStrategy[Made]:
    return SEEDS.map(lambda seed: make(Chance(seed)))


def hosts(host_id: HostId | None = None) -> st.SearchStrategy[HostView]:
    """One host, of any kind; it may have tasks of others already."""
    return _made(lambda chance: _host(chance, host_id or chance.one(*HOSTS)))


def some_hosts(least: int = 0) -> st.SearchStrategy[list[HostView]]:
    """Hosts with names of their own."""
    seeds = st.lists(SEEDS, min_size=least, max_size=len(HOSTS))
    return seeds.map(
        lambda found: [_host(Chance(seed), HOSTS[number]) for number, seed in enumerate(found)]
    )


def constraints() -> st.SearchStrategy[Constraint]:
    """Any rule that a job can give."""
    return _made(_constraint)


def requests() -> st.SearchStrategy[Request]:
    """What a class of tasks asks for."""
    return _made(_request)


def rules() -> st.SearchStrategy[PlacementRules]:
    """Rules of a cell."""
    return _made(_rules)


def calm_hosts() -> st.SearchStrategy[list[HostView]]:
    """Three to six hosts with room, in zones and racks, open to everybody."""
    seeds = st.lists(SEEDS, min_size=3, max_size=len(HOSTS))
    return seeds.map(
        lambda found: [_calm(Chance(seed), HOSTS[number]) for number, seed in enumerate(found)]
    )


def calm_requests() -> st.SearchStrategy[Request]:
    """Small tasks with a constraint or two."""
    return _made(_calm_request)


def calm_rules() -> st.SearchStrategy[PlacementRules]:
    """Rules that close no host."""
    return _made(_calm_rules)


def _calm(chance: Chance, name: HostId) -> HostView:
    cpu, used = chance.one(4_000, 2_000), chance.one(0, 100, 500, 1_000)
    of_job = {job: chance.one(0, 0, 0, 1, 2) for job in JOBS}
    tasks = sum(of_job.values())
    return HostView(
        host_id=name,
        free=Resources(cpu - used, 4_096),
        total=Resources(cpu, 4_096),
        attributes=(
            ("itype", chance.one("r4", "m4")),
            ("rack", chance.one("r1", "r2")),
            ("zone", chance.one("A", "B", "C")),
        ),
        tasks_of_job=tuple(sorted((job, count) for job, count in of_job.items() if count)),
        services=chance.one(0, tasks),
        images=chance.one((), ("nginx",)),
        is_last_choice=chance.one(False, False, False, False, True),
    )


def _calm_request(chance: Chance) -> Request:
    def some() -> tuple[Constraint, ...]:
        made = {_constraint(chance) for _ in range(chance.one(1, 0, 2))}
        return tuple(
            sorted(each for each in made if each.kind not in {"machineGroup", "nearVolume"})
        )

    is_hard = chance.one(False, True)
    return Request(
        job_id=chance.one(*JOBS),
        need=Need(chance.one(100, 333, 500), chance.one(1, 100, 512)),
        hard=some() if is_hard else (),
        soft=tuple(replace(each, weight=chance.one(1, 1, 3)) for each in some()),
        is_service=chance.one(False, True),
        image=chance.one("", "nginx"),
    )


def _calm_rules(chance: Chance) -> PlacementRules:
    profiles = tuple(
        replace(_profile(chance, name), soft_weight=chance.one(10, 1, 3))
        for name in ("pack", "spread")
    )
    return replace(_rules(chance), profiles=profiles, guards=Guards(), lost_zones=(), selectors=())


def _host(chance: Chance, name: HostId) -> HostView:
    cpu = chance.one(1_000, 1_000, 2_000, 2_000, 4_000, 0, 333, 500)
    memory = chance.one(1_024, 1_024, 3_000, 3_000, 100, 512, 0)
    used_cpu = chance.one(0, 0, chance.randint(0, cpu))
    used_memory = chance.one(0, 0, chance.randint(0, memory))
    network = chance.one(0, 0, 100, 100)
    devices = chance.one((), (), (1_000,), (1_000, 1_000), (400, 1_000), (0, 700))
    of_job = {job: chance.one(0, 0, 0, 1, 2) for job in JOBS}
    of_job = {job: count for job, count in of_job.items() if count}
    tasks = sum(of_job.values())
    is_exclusive = tasks == 1 and chance.one(False, False, True)
    licences = chance.one((), (), (("licences", 2_000),), (("licences", 500),))
    ports = chance.one((PortRange(31_000, 31_001),), (PortRange(1, 1), PortRange(5, 7)))
    whole = sum(each == 1_000 for each in devices)
    disk = chance.one(0, 100, 1_000)
    return HostView(
        host_id=name,
        hostname=chance.one("", f"{name}.example"),
        free=Resources(cpu - used_cpu, memory - used_memory, disk, ports, network, whole, licences),
        total=Resources(cpu, memory, disk, (), network, len(devices), licences),
        attributes=_attributes(chance),
        tasks_of_job=tuple(sorted(of_job.items())),
        services=chance.one(0, chance.randint(0, tasks)),
        exclusive_job=next(iter(of_job)) if is_exclusive else None,
        images=chance.one((), ("nginx",), ("nginx", "redis")),
        security_groups=chance.one((), (("sg1",),), (("sg1", "sg2"), ("sg2",))),
        launching=chance.one(0, 0, min(2, tasks)),
        launches_last_minute=chance.one(0, 0, 1, 2),
        quality_milli=chance.one(*[1_000] * 8, 500, 500, 0),
        expires_at_ms=chance.one(None, None, 5_000, 10**9),
        since_ms=chance.one(0, 1_000),
        is_offered=chance.one(*[True] * 11, False),
        is_schedulable=chance.one(*[True] * 11, False),
        is_last_choice=chance.one(False, False, False, True),
        gpu_model=chance.one(*MODELS) if devices else "",
        gpus=tuple(GpuDevice(free) for free in devices),
        interfaces=tuple(_interface(chance) for _ in range(chance.one(0, 0, 1, 2))),
        accounts_network=network > 0,
        noise_milli=chance.one(0, 0, 300),
    )


def _attributes(chance: Chance) -> tuple[tuple[str, str], ...]:
    found = {name: chance.one("-", *values) for name, values in ATTRIBUTES.items()}
    return tuple(sorted((name, value) for name, value in found.items() if value != "-"))


def _interface(chance: Chance) -> Interface:
    match chance.one("free", "bound", "resting"):
        case "bound":
            groups = chance.one(*GROUP_SETS[1:])
            return Interface(chance.one(2, 3), used=1, security_groups=groups)
        case "resting":
            until_ms = chance.one(500, 5_000)
            return Interface(2, resting=chance.one(1, 2), rests_until_ms=until_ms)
        case _:
            return Interface(chance.one(1, 2, 3))


def _constraint(chance: Chance) -> Constraint:
    if chance.one(True, False):
        kind = chance.one(*PLAIN_KINDS, "balancedAttribute")
        return Constraint(kind, "rack" if kind == "balancedAttribute" else "")
    kind, attribute, values = chance.one(*VALUES)
    number = 2 if kind == "hostAttributeIn" else 1
    return Constraint(kind, attribute, tuple(sorted(chance.sample(values, number))))


def _request(chance: Chance) -> Request:
    gpu = chance.one(*[""] * 6, "whole", "part")
    groups = chance.one(*GROUP_SETS)
    return Request(
        job_id=chance.one(*JOBS),
        need=Need(
            cpu_milli=chance.one(1, 100, 333, 500, 1_000),
            memory_mib=chance.one(1, 100, 512),
            disk_mib=chance.one(0, 0, 0, 0, 100),
            ports=chance.one(0, 0, 0, 0, 1, 2),
            network_mbps=chance.one(0, 0, 50),
            gpus=chance.one(1, 2) if gpu == "whole" else 0,
            gpu_milli=chance.one(300, 500, 700) if gpu == "part" else 0,
            gpu_models=chance.one((), ("T4",)) if gpu else (),
            addresses=chance.one(0, 0, 1),
            scalars=chance.one(*[()] * 7, (("licences", 500),)),
        ),
        hard=_constraints(chance),
        soft=_constraints(chance),
        tier=chance.one("Flex", "Critical"),
        group=chance.one("DEFAULT", "g"),
        application=chance.one("", "app"),
        is_service=chance.one(False, True),
        image=chance.one("", "nginx", "redis"),
        security_groups=groups,
        runtime_ms=chance.one(None, None, 1_000),
    )


def _constraints(chance: Chance) -> tuple[Constraint, ...]:
    count = chance.one(0, 0, 0, 0, 0, 1, 1, 2)
    return tuple(sorted({_constraint(chance) for _ in range(count)}))


def _profile(chance: Chance, name: str) -> Profile:
    chosen = chance.sample(PARTS, chance.one(1, 2, 3, 4))
    if chance.is_plain:
        chosen = ["packing"]
    return Profile(
        name=name,
        weights=tuple(sorted((part, chance.randint(1, 5)) for part in chosen)),
        soft_weight=chance.one(1, 0, 10),
        good_enough=chance.one(None, None, None, 1, 500, 1_000),
    )


def _rules(chance: Chance) -> PlacementRules:
    selector = Selector(
        name="operators",
        strength=chance.one("must", "should"),
        constraint=chance.one(
            Constraint("hostAttributeUnlike", "rack", ("r2",)), Constraint("activeHost")
        ),
        tiers=chance.one((), ("Flex",)),
    )
    return PlacementRules(
        mode=chance.one("normal", "normal", "normal", "failover"),
        lost_zones=chance.one((), (), (), (), (), ("B",)),
        gpu_hosts_take_all=chance.one(True, True, True, False),
        profiles=(_profile(chance, "pack"), _profile(chance, "spread")),
        tiers=(
            Tier(name="Critical", service_profile="spread", batch_profile="pack"),
            Tier(name="Flex", service_profile="pack", batch_profile="pack"),
        ),
        groups=(CapacityGroup(name="DEFAULT", tier="Flex"), CapacityGroup(name="g", tier="Flex")),
        guards=Guards(
            launching_per_host_max=chance.one(0, 0, 0, 2),
            launches_per_host_per_minute=chance.one(0, 0, 0, 3),
            quality_least_milli=chance.one(0, 0, 0, 400),
        ),
        selectors=chance.one((), (), (), (), (selector,)),
    )
