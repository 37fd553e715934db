"""Any hosts, requests and rules for properties of placement: small, crowded, and of every kind.

The one thing to know: amounts are few and small, so that hosts fill up, ties happen and every rule
refuses somebody within a handful of steps.
"""

from hypothesis import strategies as st

from scheduler.model.constraint import Constraint
from scheduler.model.ids import HostId, JobId
from scheduler.model.resources import Need, PortRange, Resources
from scheduler.model.rules import (
    CapacityGroup,
    Guards,
    Mode,
    PlacementRules,
    Profile,
    Selector,
    Tier,
)
from scheduler.placement.host import GpuDevice, HostView, Interface
from scheduler.placement.request import Request

JOBS = tuple(JobId(name) for name in ("j", "k", "l"))
HOSTS = tuple(HostId(f"h{number}") for number in range(6))
ZONES = ("A", "B", "C")
RACKS = ("r1", "r2")
MODELS = ("T4", "V100")
GROUP_SETS: tuple[tuple[str, ...], ...] = ((), ("sg1",), ("sg2",), ("sg1", "sg2"))
PARTS = (
    *("age", "agent", "cpu", "disk", "expiry", "groupSpread", "image", "imageSpread", "jobSpread"),
    *("jobType", "memory", "network", "noise", "packing", "securityGroup", "spread", "weighted"),
)

_cpus = st.sampled_from((0, 1, 100, 333, 500, 1_000, 2_000, 4_000))
_memories = st.sampled_from((0, 1, 100, 512, 1_024, 3_000))


def _attributes() -> st.SearchStrategy[tuple[tuple[str, str], ...]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "zone": st.sampled_from(ZONES),
            "rack": st.sampled_from(RACKS),
            "itype": st.sampled_from(("r4", "m4")),
            "group": st.sampled_from(("g1", "g2")),
            "taints": st.sampled_from(("", "gpu", "gpu,flaky")),
            "volumes": st.sampled_from(("v1", "v1,v2")),
        },
    ).map(lambda found: tuple(sorted(found.items())))


@st.composite
def hosts(draw: st.DrawFn, host_id: HostId | None = None) -> HostView:
    """One host, of any kind; it may have tasks of others already."""
    name = draw(st.sampled_from(HOSTS)) if host_id is None else host_id
    cpu, memory = draw(_cpus), draw(_memories)
    used_cpu = draw(st.integers(0, cpu)) if draw(st.booleans()) else 0
    used_memory = draw(st.integers(0, memory)) if draw(st.booleans()) else 0
    disk = draw(st.sampled_from((0, 100, 1_000)))
    network = draw(st.sampled_from((0, 0, 100, 1_000)))
    devices = draw(st.sampled_from(((), (1_000,), (1_000, 1_000), (400, 1_000), (0, 700))))
    of_job = draw(st.dictionaries(st.sampled_from(JOBS), st.integers(1, 2), max_size=2))
    tasks = sum(of_job.values())
    is_exclusive = len(of_job) == 1 and tasks == 1 and draw(st.booleans())
    licences = draw(st.sampled_from(((), (("licences", 2_000),), (("licences", 500),))))
    ports = draw(
        st.sampled_from(
            ((), (PortRange(31_000, 31_001),), (PortRange(1, 1), PortRange(5, 7)))
        )
    )
    free_devices = sum(each == 1_000 for each in devices)
    return HostView(
        host_id=name,
        hostname=draw(st.sampled_from(("", f"{name}.example"))),
        free=Resources(
            cpu - used_cpu, memory - used_memory, disk, ports, network, free_devices, licences
        ),
        total=Resources(cpu, memory, disk, (), network, len(devices), licences),
        attributes=draw(_attributes()),
        tasks_of_job=tuple(sorted(of_job.items())),
        services=draw(st.integers(0, tasks)),
        exclusive_job=next(iter(of_job)) if is_exclusive else None,
        images=draw(st.sampled_from(((), ("nginx",), ("nginx", "redis")))),
        security_groups=draw(st.sampled_from(((), (("sg1",),), (("sg1", "sg2"), ("sg2",))))),
        launching=draw(st.integers(0, min(2, tasks))),
        launches_last_minute=draw(st.integers(0, 2)),
        quality_milli=draw(st.sampled_from((1_000, 1_000, 500, 0))),
        expires_at_ms=draw(st.sampled_from((None, None, 5_000, 10**9))),
        since_ms=draw(st.sampled_from((0, 1_000))),
        is_offered=draw(st.sampled_from((True, True, True, False))),
        is_schedulable=draw(st.sampled_from((True, True, True, False))),
        is_last_choice=draw(st.sampled_from((False, False, False, True))),
        gpu_model=draw(st.sampled_from(MODELS)) if devices else "",
        gpus=tuple(GpuDevice(free) for free in devices),
        interfaces=draw(_interfaces()),
        accounts_network=network > 0,
        noise_milli=draw(st.sampled_from((0, 0, 300))),
    )


def _interfaces() -> st.SearchStrategy[tuple[Interface, ...]]:
    bound = st.sampled_from(GROUP_SETS[1:])
    one = st.one_of(
        st.builds(Interface, addresses=st.integers(1, 3)),
        st.builds(
            Interface, addresses=st.integers(2, 3), used=st.just(1), security_groups=bound
        ),
        st.builds(
            Interface,
            addresses=st.just(2),
            resting=st.integers(1, 2),
            rests_until_ms=st.sampled_from((500, 5_000)),
        ),
    )
    return st.one_of(st.just(()), st.lists(one, max_size=2).map(tuple))


def some_hosts(least: int = 0) -> st.SearchStrategy[list[HostView]]:
    """Hosts with names of their own."""
    names = st.lists(st.sampled_from(HOSTS), min_size=least, max_size=len(HOSTS), unique=True)
    return names.flatmap(lambda found: st.tuples(*(hosts(name) for name in found)).map(list))


def constraints() -> st.SearchStrategy[Constraint]:
    """Any rule that a job can give."""
    return st.one_of(
        st.sampled_from(("uniqueHost", "exclusiveHost", "zoneBalance", "activeHost")).map(
            Constraint
        ),
        _of("availabilityZone", ZONES),
        _of("machineType", ("r4", "m4", "x1")),
        _of("machineGroup", ("g1", "g2")),
        _of("machineId", ("h0", "h1", "h2.example")),
        _of("hostAttribute", RACKS, "rack"),
        _of("toleration", ("gpu", "flaky")),
        _of("nearVolume", ("v1", "v2")),
        st.just(Constraint("hostAttributeIn", "zone", ("A", "B"))),
        st.just(Constraint("hostAttributeUnlike", "rack", ("r1",))),
        st.just(Constraint("balancedAttribute", "rack")),
        st.builds(
            Constraint,
            st.sampled_from(("nearJob", "awayFromJob")),
            st.sampled_from(("", "zone", "rack")),
            st.sampled_from(JOBS).map(lambda job: (job,)),
        ),
    )


def _of(
    kind: str, values: tuple[str, ...], attribute: str = ""
) -> st.SearchStrategy[Constraint]:
    return st.sampled_from(values).map(
        lambda value: Constraint(kind, attribute, (value,))  # type: ignore[arg-type]
    )


@st.composite
def needs(draw: st.DrawFn) -> Need:
    """Amounts of one task."""
    gpu = draw(st.sampled_from(("", "", "", "whole", "part")))
    return Need(
        cpu_milli=draw(st.sampled_from((1, 100, 333, 500, 1_000))),
        memory_mib=draw(st.sampled_from((1, 100, 512))),
        disk_mib=draw(st.sampled_from((0, 0, 0, 100))),
        ports=draw(st.sampled_from((0, 0, 0, 1, 2))),
        network_mbps=draw(st.sampled_from((0, 0, 0, 50))),
        gpus=draw(st.integers(1, 2)) if gpu == "whole" else 0,
        gpu_milli=draw(st.sampled_from((300, 500, 700))) if gpu == "part" else 0,
        gpu_models=draw(st.sampled_from(((), ("T4",)))) if gpu else (),
        addresses=draw(st.sampled_from((0, 0, 1))),
        scalars=draw(st.sampled_from(((), (), (), (("licences", 500),)))),
    )


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """What a class of tasks asks for."""
    rules = st.lists(constraints(), max_size=2, unique=True).map(lambda found: tuple(sorted(found)))
    return Request(
        job_id=draw(st.sampled_from(JOBS)),
        need=draw(needs()),
        hard=draw(rules),
        soft=draw(rules),
        tier=draw(st.sampled_from(("Critical", "Flex"))),
        group=draw(st.sampled_from(("DEFAULT", "g"))),
        application=draw(st.sampled_from(("", "app"))),
        is_service=draw(st.booleans()),
        image=draw(st.sampled_from(("", "nginx", "redis"))),
        security_groups=draw(st.sampled_from(GROUP_SETS)),
        runtime_ms=draw(st.sampled_from((None, None, 1_000))),
    )


@st.composite
def profiles(draw: st.DrawFn, name: str) -> Profile:
    """Weights of any parts."""
    chosen = draw(st.lists(st.sampled_from(PARTS), min_size=1, max_size=4, unique=True))
    return Profile(
        name=name,
        weights=tuple(sorted((part, draw(st.integers(1, 5))) for part in chosen)),
        soft_weight=draw(st.sampled_from((0, 1, 10))),
        good_enough=draw(st.sampled_from((None, None, None, 1, 500, 1_000))),
    )


@st.composite
def rules(draw: st.DrawFn) -> PlacementRules:
    """Rules of a cell."""
    modes: tuple[Mode, ...] = ("normal", "normal", "normal", "failover")
    selector = st.builds(
        Selector,
        name=st.just("operators"),
        strength=st.sampled_from(("must", "should")),
        constraint=st.sampled_from(
            (Constraint("hostAttributeUnlike", "rack", ("r2",)), Constraint("activeHost"))
        ),
        tiers=st.sampled_from(((), ("Flex",))),
    )
    return PlacementRules(
        mode=draw(st.sampled_from(modes)),
        lost_zones=draw(st.sampled_from(((), (), (), ("B",)))),
        profiles=(draw(profiles("pack")), draw(profiles("spread"))),
        tiers=(
            Tier(name="Critical", service_profile="spread", batch_profile="pack"),
            Tier(name="Flex", service_profile="pack", batch_profile="pack"),
        ),
        groups=(CapacityGroup(name="DEFAULT", tier="Flex"), CapacityGroup(name="g", tier="Flex")),
        guards=Guards(
            launching_per_host_max=draw(st.sampled_from((0, 0, 2))),
            launches_per_host_per_minute=draw(st.sampled_from((0, 0, 3))),
            quality_least_milli=draw(st.sampled_from((0, 0, 400))),
        ),
        selectors=(draw(selector),) if draw(st.integers(0, 4)) == 0 else (),
    )
