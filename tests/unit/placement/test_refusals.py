"""Proves how refusals count and what they say: one rule a host, in order, the nearest in words."""

import msgspec
import pytest

from scheduler.model.constraint import Constraint
from scheduler.model.ids import HostId, JobId
from scheduler.model.resources import Need, PortRange, Resources
from scheduler.model.rules import Guards, PlacementRules, Plugin
from scheduler.placement import explain
from scheduler.placement.engine import Placement
from scheduler.placement.host import GpuDevice, HostView
from scheduler.placement.outcome import Refused
from scheduler.placement.request import Request


def host(name: str, cpu_milli: int = 4_000, memory_mib: int = 8_192, **facts: object) -> HostView:
    amounts = Resources(cpu_milli, memory_mib)
    view = HostView(host_id=HostId(name), free=amounts, total=amounts)
    return msgspec.structs.replace(view, **facts)


def ask(
    cpu_milli: int = 1_000, memory_mib: int = 1_024, job: str = "j", **facts: object
) -> Request:
    request = Request(job_id=JobId(job), need=Need(cpu_milli, memory_mib))
    return msgspec.structs.replace(request, **facts)


def refused(
    request: Request, *hosts: HostView, rules: PlacementRules | None = None
) -> list[tuple[str, int, str | None, str]]:
    index = Placement(rules or PlacementRules())
    index.put_hosts(hosts)
    found = index.place(request, 99).refused
    assert found == index.refusals(request)
    return [(each.rule, each.hosts, each.nearest, each.missing) for each in found]


def test_each_amount_says_what_is_missing() -> None:
    assert refused(ask(4_500), host("a"), host("b", 1_000)) == [
        ("cpu", 2, "a", "0.5 of 4.5 cpus missing")
    ]
    assert refused(ask(1, 9_000), host("a"), host("b", 4_000, 8_900)) == [
        ("memory", 2, "b", "100 of 9000 MiB of memory missing")
    ]
    need = Need(1, 1, 500, 3, 40, scalars=(("fpga", 2_500),))
    there = Resources(10, 10, 100, (PortRange(1, 2),), 30, 0, (("fpga", 1_000),))
    view = host("a", free=there, total=there, accounts_network=True)
    for field, words in (
        ("disk_mib", "400 of 500 MiB of disk missing"),
        ("network_mbps", "10 of 40 Mbps of network missing"),
        ("ports", "1 of 3 ports missing"),
        ("scalars", "1.5 of 2.5 fpga missing"),
    ):
        one = msgspec.structs.replace(Need(1, 1), **{field: getattr(need, field)})
        assert refused(ask(need=one), view)[0][3] == words
    gpu = ask(need=Need(1, 1, gpus=2))
    assert refused(gpu, host("a"), host("b", gpus=(GpuDevice(1_000),))) == [
        ("gpu", 2, "b", "1 of 2 untouched GPUs missing")
    ]


def test_a_host_counts_under_the_first_rule_that_it_breaks() -> None:
    rules = PlacementRules(
        lost_zones=("C",), guards=Guards(launching_per_host_max=1, quality_least_milli=500)
    )
    zone = Constraint("availabilityZone", values=("A",))
    in_a = (("zone", "A"),)
    found = refused(
        ask(8_000, hard=(zone,)),
        host("drains", is_schedulable=False, quality_milli=0),
        host("lost", attributes=(("zone", "C"),), quality_milli=0),
        host("bad", quality_milli=400, launching=1),
        host("starting", launching=1, exclusive_job=JobId("o")),
        host("own", exclusive_job=JobId("o"), attributes=(("taints", "t"),)),
        host("tainted", attributes=(("taints", "t"), ("zone", "B"))),
        host("elsewhere", attributes=(("zone", "B"),)),
        host("small", attributes=in_a),
        host("silent", is_offered=False),
        rules=rules,
    )
    assert [each[:3] for each in found] == [
        ("draining", 1, "drains"),
        ("lostZone", 1, "lost"),
        ("quality", 1, "bad"),
        ("launchingLimit", 1, "starting"),
        ("exclusiveHost", 1, "own"),
        ("toleration", 1, "tainted"),
        ("availabilityZone", 1, "elsewhere"),
        ("cpu", 1, "small"),
    ]
    assert all(each[3] for each in found)


def test_two_rules_of_one_kind_are_counted_together() -> None:
    hard = (
        Constraint("hostAttribute", "disk", ("ssd",)),
        Constraint("hostAttribute", "rack", ("r1",)),
    )
    ssd = host("ssd", attributes=(("disk", "ssd"), ("rack", "r2")))
    found = refused(ask(hard=hard), host("plain", 500), ssd)
    assert found == [("hostAttribute", 2, "ssd", "rack is 'r2', 'r1' is wanted")]


def test_nothing_on_offer_is_said_once() -> None:
    nothing = ("offers", 0, None, "no host has offered resources")
    assert refused(ask()) == [nothing]
    assert refused(ask(), host("a", is_offered=False)) == [nothing]


def test_room_that_is_kept_for_others_comes_last() -> None:
    index = Placement(PlacementRules())
    index.put_hosts([host("a"), host("b", 500)])
    outcome = index.place(ask(), 1, avoid={HostId("a")})
    assert [(each.rule, each.hosts, each.nearest) for each in outcome.refused] == [
        ("cpu", 1, "b"),
        ("reserved", 1, "a"),
    ]
    wakes = ["an offer with more resources, or the end of a task", "the end of a reservation"]
    assert outcome.wake == "; ".join(wakes)
    assert not index.is_hopeless(ask())  # Without the reservation it fits.
    assert len(index.place(ask(), 1).choices) == 1


def test_what_is_placed_says_nothing_and_what_is_left_says_it_as_it_stands_then() -> None:
    index = Placement(PlacementRules())
    index.put_hosts([host("a")])
    assert index.place(ask(), 3).refused == ()
    outcome = index.place(ask(), 3)
    assert (len(outcome.choices), outcome.left) == (1, 2)
    assert outcome.refused == (Refused("cpu", 1, HostId("a"), "1 of 1 cpus missing"),)
    assert index.place(ask(), 2) == index.place(ask(), 2)
    unexplained = index.place(ask(), 2, explain=False)
    assert (unexplained.left, unexplained.refused, unexplained.wake) == (2, (), "")
    assert index.wake(ask(), outcome.refused) == outcome.wake


@pytest.mark.parametrize("asked", [(5_000, 1), (1, 9_000), (5_000, 9_000), (3_000, 6_000)])
def test_the_short_way_and_the_long_way_agree(
    asked: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = [host(f"h{n}", 500 * n, 9_000 - 1_000 * n) for n in range(1, 8)]
    short = refused(ask(*asked), *hosts)
    monkeypatch.setattr(explain, "_is_about_amounts", lambda *_: False)
    assert short == refused(ask(*asked), *hosts)


def test_a_rule_of_nobody_here_names_itself_in_the_wake() -> None:
    hard = (Constraint("hostAttribute", "rack", ("r1",)),)
    index = Placement(PlacementRules(plugins=(Plugin("constraint", "x", "y", "1"),)))
    index.put_hosts([host("a")])
    assert index.place(ask(hard=hard), 1).wake == "a host that hostAttribute allows"
