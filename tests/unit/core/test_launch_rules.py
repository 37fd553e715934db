"""What the fold refuses of a launch, beside what is offered: one line a rule, with its words.

How: one host with attributes, one proposal written by hand, and what the fold says to it. That the
rules are complete is for `tests.properties.core.test_launches` to show.
"""

from typing import Any

import pytest
from msgspec.structs import replace

from scheduler.model.changes import JobRejected, ProposalRefused
from scheduler.model.constraint import Constraint
from scheduler.model.ids import HostId, JobId
from scheduler.model.job import JobSpec
from scheduler.model.mesos import HostFacts
from scheduler.model.policy import Policy
from scheduler.model.proposals import Launch, LaunchTasks
from scheduler.model.resources import Need, Resources
from scheduler.model.rules import Guards, PlacementRules, Selector
from scheduler.model.volumes import AddressAllocation
from tests.support.cell import CellInMemory, batch, offer_of

HOST = HostId("h")
SMALL = Need(100, 64)
AMPLE = Resources(9_000, 9_000, 900, (), 1_000, 2, (("tpu", 1_000),))


def cell_with(rules: PlacementRules | None = None, **attributes: str) -> CellInMemory:
    """A cell with one host of these attributes."""
    cell = CellInMemory(Policy(placement=rules or PlacementRules()))
    cell.elect()
    cell.subscribe()
    offer(cell, AMPLE, **attributes)
    return cell


def offer(cell: CellInMemory, resources: Resources, **attributes: str) -> None:
    """Offer the host in place of what it offered before."""
    cell.rescind(*cell.state.host_offers.get(HOST, ()))
    facts = HostFacts("name", attributes=tuple(sorted(attributes.items())))
    cell.offers(replace(offer_of(f"o{len(cell.log)}", HOST, resources), facts=facts))


def job(kind: Any = None, *values: str, size: int = 1, **need: Any) -> JobSpec:
    """A job with one hard constraint or none, that needs more than the usual or not."""
    groups = need.pop("groups", ())
    hard = (Constraint(kind, "", values),) if kind else ()
    return batch(size, need=replace(SMALL, **need), hard_constraints=hard, security_groups=groups)


def launched(cell: CellInMemory, *launches: tuple[str, int, tuple[int, ...]]) -> str:
    """What the fold says to a launch of the first waiting tasks of these jobs; empty: yes."""
    waiting = {name: iter(there) for name, there in cell.state.queue.items()}
    chosen = tuple(
        Launch(next(waiting[JobId(name)]), (), interface, gpus)
        for name, interface, gpus in launches
    )
    before = len(cell.said(ProposalRefused))
    cell.write(LaunchTasks(HOST, tuple(cell.state.host_offers[HOST]), chosen))
    refused = cell.said(ProposalRefused)[before:]
    return refused[0].why if refused else ""


def plain(name: str) -> tuple[str, int, tuple[int, ...]]:
    """A task without interface and devices."""
    return (name, -1, ())


MUST = Selector("m", "must", Constraint("machineType", "", ("m5",)))
CASES: dict[str, tuple[PlacementRules, dict[str, str], JobSpec, str]] = {
    "nothing asked": (PlacementRules(), {}, job(), ""),
    "a taint": (
        PlacementRules(), {"taints": "noisy"}, job(),
        "host h: it has the taint 'noisy', which the job does not tolerate (taint)",
    ),
    "a taint that is tolerated": (
        PlacementRules(), {"taints": "noisy"}, job("toleration", "noisy"), "",
    ),
    "a zone that is lost": (
        PlacementRules(lost_zones=("a",)), {"zone": "a"}, job(),
        "host h: zone 'a' is given up as lost (lostZone)",
    ),
    "an operator's rule": (
        PlacementRules(selectors=(MUST,)), {"itype": "m4"}, job(),
        "host h: itype is 'm4', 'm5' is wanted (machineType)",
    ),
    "a rule for others": (
        PlacementRules(selectors=(replace(MUST, tiers=("Critical",)),)), {}, job(), "",
    ),
    "devices that are kept": (
        PlacementRules(gpu_hosts_take_all=False), {}, job(),
        "host h: it has devices, and is kept for those who ask for some (gpuHosts)",
    ),
    "no zone to balance by": (
        PlacementRules(), {}, job("zoneBalance"),
        "host h: it has no attribute zone to balance by (zoneBalance)",
    ),
    "bandwidth": (
        PlacementRules(), {}, job(network_mbps=1_001),
        "task job-worker-0-1 does not fit: 1 Mbps of network missing",
    ),
    "a scalar": (
        PlacementRules(), {}, job(scalars=(("tpu", 1_500),)),
        "task job-worker-0-1 does not fit: 500 thousandths of tpu missing",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_said_of_one_task(name: str) -> None:
    rules, attributes, spec, words = CASES[name]
    cell = cell_with(rules, **attributes)
    cell.submit(spec)
    assert launched(cell, plain("job")) == words


def test_an_exclusive_task_and_another_in_one_proposal() -> None:
    """Fault F1 of Fenzo 1.0.1: there both are placed."""
    for order in (("alone", "other"), ("other", "alone")):
        cell = cell_with()
        cell.submit(job("exclusiveHost"), "alone")
        cell.submit(job(), "other")
        assert "(exclusiveHost)" in launched(cell, *map(plain, order))
        assert launched(cell, plain("alone")) == ""
        offer(cell, AMPLE)
        found = "host h: a task of job alone has it for itself (exclusiveHost)"
        assert launched(cell, plain("other")) == found


def test_a_job_may_be_launched_so_often_in_a_minute() -> None:
    cell = cell_with(PlacementRules(guards=Guards(launches_per_job_per_minute=1)))
    cell.submit(job(size=2))
    found = "job job may have 1 more tasks launched in this minute"
    assert launched(cell, plain("job"), plain("job")) == found


def test_a_host_whose_bandwidth_is_used_up_still_counts_it() -> None:
    cell = cell_with()
    cell.submit(job(network_mbps=10))
    offer(cell, replace(AMPLE, network_mbps=0))
    assert launched(cell, plain("job")).endswith("10 Mbps of network missing")
    never = CellInMemory()
    never.elect()
    never.subscribe()
    never.submit(job(network_mbps=10))
    offer(never, replace(AMPLE, network_mbps=0))
    assert launched(never, plain("job")) == ""


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ((0,), (1,), ""),
        ((0,), (0,), "device 0 is in use"),
        ((0,), (2,), "the host has no device 2"),
        ((0,), (), "1 devices wanted, () given"),
        ((0, 1), (1,), "1 devices wanted, (0, 1) given"),
    ],
)
def test_each_device_is_given_once(
    first: tuple[int, ...], second: tuple[int, ...], words: str
) -> None:
    cell = cell_with()
    cell.submit(job(size=2, gpus=1))
    found = launched(cell, ("job", -1, first), ("job", -1, second))
    assert found.endswith(words) if words else not found


@pytest.mark.parametrize(
    ("interfaces", "words"),
    [
        ((0, 0, 1), ""),
        ((0, 1, 0), "interface 0 is bound to {sg-1}, not to {sg-2}"),
        ((0, 0, 2), "interface 2 is not one of the host's 2"),
        ((0, 0, -1), "interface -1 is not one of the host's 2"),
    ],
)
def test_an_interface_is_of_one_set_of_groups(interfaces: tuple[int, ...], words: str) -> None:
    cell = cell_with(res="ResourceSet-ENIs-2-2")
    cell.submit(job(size=2, addresses=1, groups=("sg-1",)), "one")
    cell.submit(job(addresses=1, groups=("sg-2",)), "two")
    names = ("one", "one", "two")
    found = launched(cell, *((name, at, ()) for name, at in zip(names, interfaces, strict=True)))
    assert found.endswith(words) if words else not found


def test_a_part_of_a_device_is_refused_with_the_job() -> None:
    cell = cell_with()
    cell.submit(job(gpu_milli=500))
    (rejected,) = cell.said(JobRejected)
    assert [each.field for each in rejected.faults] == ["container.resources.gpuMilli"]
    assert "Mesos hands out whole ones" in rejected.faults[0].text


def test_a_host_of_which_nothing_was_told_takes_what_demands_nothing() -> None:
    cell = CellInMemory()
    cell.elect()
    cell.subscribe()
    cell.submit(job())
    cell.offers(replace(offer_of("o", HOST, AMPLE), facts=None))
    assert HOST not in cell.state.hosts
    assert launched(cell, plain("job")) == ""


def test_a_task_is_not_launched_before_the_one_that_wanted_its_address_first() -> None:
    cell = cell_with()
    for name in ("first", "second"):
        cell.submit(replace(job(), addresses=(AddressAllocation("a-0", "10.0.0.9"),)), name)
    why = launched(cell, plain("second"))
    assert why == "address 10.0.0.9 is wanted by task first-worker-0-1 first"
    assert launched(cell, plain("first")) == ""
