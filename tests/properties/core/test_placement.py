"""First placement against an oracle that tries everything: fit, unique host, ports, fullest host.

The oracle is written from the rules alone, with plain loops over every host and every port, and
shares no function with what it judges.
"""

from copy import deepcopy
from itertools import pairwise
from typing import Final

from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from scheduler.model.constraint import Constraint
from scheduler.model.events import RoundRecord
from scheduler.model.ids import HostId, TaskId
from scheduler.model.policy import Policy
from scheduler.model.proposals import LaunchTasks
from scheduler.model.resources import (
    Need,
    PortRange,
    Resources,
    first_ports,
    holds_ports,
    merged_ports,
    port_count,
    without_ports,
)
from tests.support.cell import CellInMemory, batch, offer_of, running_cell

QUICK: Final = settings(max_examples=60, deadline=None)

RANGES = st.lists(
    st.builds(lambda low, more: PortRange(low, low + more), st.integers(1, 40), st.integers(0, 6)),
    max_size=5,
).map(tuple)
OFFERS = st.lists(
    st.tuples(
        st.sampled_from(["host1", "host2", "host3", "host4"]),
        st.builds(
            Resources,
            cpu_milli=st.sampled_from([0, 400, 1_000, 2_500]),
            memory_mib=st.sampled_from([0, 100, 300, 1_000]),
            disk_mib=st.sampled_from([0, 50, 500]),
            ports=RANGES,
        ),
    ),
    max_size=6,
)
NEEDS = st.builds(
    Need,
    cpu_milli=st.sampled_from([100, 400, 900]),
    memory_mib=st.sampled_from([50, 100, 250]),
    disk_mib=st.sampled_from([0, 40]),
    ports=st.integers(0, 4),
)
JOBS = st.lists(
    st.tuples(st.integers(1, 5), NEEDS, st.booleans(), st.booleans()), min_size=1, max_size=4
)
Jobs = list[tuple[int, Need, bool, bool]]


class Host:
    """What the oracle knows of a host."""

    def __init__(self) -> None:
        self.cpu = self.memory = self.disk = 0
        self.used_cpu = self.used_memory = 0
        self.ports: set[int] = set()
        self.jobs: list[str] = []

    def takes(self, job: str, need: Need, *, is_unique: bool) -> bool:
        """Whether one more task of the job fits."""
        return (
            need.cpu_milli <= self.cpu
            and need.memory_mib <= self.memory
            and need.disk_mib <= self.disk
            and need.ports <= len(self.ports)
            and not (is_unique and job in self.jobs)
        )

    def fullness(self, job: str, need: Need, *, is_softly_unique: bool) -> int:
        """How full the host would be, in thousandths, of spread jobs with what they like beside it.

        They like a host without them by 1,000, one with n of them by 250 divided by n; that counts
        twice as much as how full it is (weights of the profile `pack`: 1,000 to 500).
        """
        cpu = 1_000 * (self.used_cpu + need.cpu_milli) // (self.used_cpu + self.cpu)
        memory = 1_000 * (self.used_memory + need.memory_mib) // (self.used_memory + self.memory)
        full = (cpu + memory) // 2
        if not is_softly_unique:
            return full
        there = self.jobs.count(job)
        return full + 2 * (250 // there if there else 1_000)

    def take(self, job: str, need: Need) -> tuple[int, ...]:
        """Put a task there; its ports."""
        self.cpu -= need.cpu_milli
        self.memory -= need.memory_mib
        self.disk -= need.disk_mib
        self.used_cpu += need.cpu_milli
        self.used_memory += need.memory_mib
        self.jobs.append(job)
        ports = tuple(sorted(self.ports)[: need.ports])
        self.ports -= set(ports)
        return ports


def built(
    offers: list[tuple[str, Resources]], jobs: Jobs, most: int
) -> tuple[CellInMemory, dict[str, Host]]:
    """The same offers and jobs in a cell, and for the oracle."""
    cell = running_cell(hosts=0, policy=Policy(launches_per_round_max=most))
    hosts: dict[str, Host] = {}
    for number, (name, resources) in enumerate(offers):
        cell.offers(offer_of(f"offer{number}", name, resources))
        host = hosts.setdefault(name, Host())
        host.cpu += resources.cpu_milli
        host.memory += resources.memory_mib
        host.disk += resources.disk_mib
        host.ports |= {port for each in resources.ports for port in range(each.begin, each.end + 1)}
    for number, (size, need, is_unique, is_softly_unique) in enumerate(jobs):
        spec = batch(size)
        container = replace(
            spec.container,
            need=need,
            hard_constraints=(Constraint("uniqueHost"),) if is_unique else (),
            soft_constraints=(Constraint("uniqueHost"),) if is_softly_unique else (),
        )
        cell.submit(replace(spec, container=container), f"job{number}")
    return cell, hosts


def _share(need: Need, hosts: dict[str, Host]) -> int:
    """How large a task is beside the whole cell, in millionths, summed over what it has."""
    wholes = (
        (need.cpu_milli, sum(host.cpu for host in hosts.values())),
        (need.memory_mib, sum(host.memory for host in hosts.values())),
        (need.disk_mib, sum(host.disk for host in hosts.values())),
    )
    return sum(1_000_000 * wanted // whole for wanted, whole in wholes if whole)


Named = dict[str, tuple[int, Need, bool, bool]]
Placed = dict[TaskId, tuple[HostId, tuple[int, ...]]]


def misplaced(
    cell: CellInMemory, hosts: dict[str, Host], jobs: Named, most: int, placed: Placed
) -> str:
    """Where these are taken in this order, task by task: what is wrong; empty where nothing is.

    Somebody fits or nobody does; the host taken is one of the fullest.
    """
    left = most
    for name, (_, need, is_unique, is_softly_unique) in jobs.items():
        for task in cell.tasks(name):
            fitting = {
                host_id: host
                for host_id, host in hosts.items()
                if left and host.takes(name, need, is_unique=is_unique)
            }
            if (task.task_id in placed) != bool(fitting):
                return f"{task.task_id} fits on {list(fitting)}"
            if not fitting:
                continue
            fullness = {
                host_id: (
                    host.fullness(name, need, is_softly_unique=is_softly_unique),
                    host.used_cpu,
                )
                for host_id, host in fitting.items()
            }
            host_id, ports = placed[task.task_id]
            if fullness[host_id] != max(fullness.values()):
                return f"{task.task_id} is on {host_id}: {fullness}"
            if fitting[host_id].take(name, need) != ports:
                return f"{task.task_id} has ports {ports}"
            left -= 1
    return ""


@QUICK
@given(offers=OFFERS, jobs=JOBS, most=st.sampled_from([3, 300]))
@example(
    offers=[("host1", Resources(1_000, 300)), ("host2", Resources(400, 300))],
    jobs=[
        (1, Need(100, 50), False, False),
        (1, Need(400, 50), False, False),
        (2, Need(100, 50), True, False),
    ],
    most=300,
).via("the largest first would leave no second host to the last job")
def test_a_round_places_what_the_oracle_places(
    offers: list[tuple[str, Resources]], jobs: Jobs, most: int
) -> None:
    """The largest go first where all find a place so, for nobody loses by it; else the first."""
    cell, hosts = built(offers, jobs, most)
    events = cell.machine.decide()
    launches = {each.host_id: each for each in events if isinstance(each, LaunchTasks)}
    placed = {
        launch.task_id: (host_id, launch.ports)
        for host_id, each in launches.items()
        for launch in each.launches
    }
    named = {f"job{number}": job for number, job in enumerate(jobs)}
    wrong = misplaced(cell, deepcopy(hosts), named, most, placed)
    if wrong and len(placed) == sum(size for size, *_ in jobs):
        largest = sorted(named.items(), key=lambda job: -_share(job[1][1], hosts))
        wrong = misplaced(cell, hosts, dict(largest), most, placed)
    assert not wrong
    records = [each for each in events if isinstance(each, RoundRecord)]
    assert [record.placed for record in records] == [len(placed)]
    assert records[0].waiting == sum(size for size, *_ in jobs)
    told = sum(each.waiting for each in records[0].refusals)
    assert told == records[0].waiting - len(placed)


@QUICK
@given(offers=OFFERS, jobs=JOBS)
def test_every_launch_that_is_proposed_is_accepted(
    offers: list[tuple[str, Resources]], jobs: Jobs
) -> None:
    """What `decide` thinks and what the fold checks are the same rules."""
    cell, _ = built(offers, jobs, 300)
    proposals = cell.decide()
    assert {proposal_id for proposal_id, _ in proposals} == set(cell.state.decisions)
    used = [HostId(each.host_id) for _, each in proposals if isinstance(each, LaunchTasks)]
    assert len(used) == len(set(used)), "one ACCEPT for each host"


@QUICK
@given(offers=OFFERS, jobs=JOBS)
def test_equal_cells_decide_equally_however_their_offers_came(
    offers: list[tuple[str, Resources]], jobs: Jobs
) -> None:
    """Ties are broken by names, never by the order in which things were heard."""
    one, _ = built(offers, jobs, 300)
    other, _ = built([], jobs, 300)
    for number, (name, resources) in reversed(list(enumerate(offers))):
        other.offers(offer_of(f"offer{number}", name, resources))
    assert launches_of(one) == launches_of(other)


def launches_of(cell: CellInMemory) -> list[LaunchTasks]:
    """The launches that the next round proposes."""
    return [each for each in cell.machine.decide() if isinstance(each, LaunchTasks)]


def ports_in(ranges: tuple[PortRange, ...]) -> set[int]:
    """Port by port."""
    return {port for each in ranges for port in range(each.begin, each.end + 1)}


@QUICK
@given(ranges=RANGES, taken=st.sets(st.integers(0, 50)), count=st.integers(0, 12))
def test_ranges_of_ports_are_sets_of_ports(
    ranges: tuple[PortRange, ...], taken: set[int], count: int
) -> None:
    there = ports_in(ranges)
    merged = merged_ports(ranges)
    assert ports_in(merged) == there
    assert port_count(merged) == len(there)
    assert all(one.end + 1 < other.begin for one, other in pairwise(merged))
    assert ports_in(without_ports(ranges, taken)) == there - taken
    assert first_ports(ranges, count) == tuple(sorted(there)[:count])
    assert holds_ports(ranges, taken) == (taken <= there)
