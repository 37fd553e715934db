"""Proves what the index of hosts answers besides choices: reasons, sums, nearest, what-ifs."""

from typing import Literal

import msgspec

from scheduler.model.constraint import Constraint
from scheduler.model.ids import HostId, JobId
from scheduler.model.resources import Need, PortRange, Resources
from scheduler.model.rules import PlacementRules, Profile, Selector
from scheduler.placement.changes import ChangeLog
from scheduler.placement.engine import Placement
from scheduler.placement.host import GpuDevice, HostView, Interface
from scheduler.placement.interface_book import InterfaceBook
from scheduler.placement.outcome import Choice, Reason
from scheduler.placement.plugins import Plugins
from scheduler.placement.prepared import WEIGHTS_MAX, Prepared
from scheduler.placement.request import Request
from scheduler.placement.survey import Totals

PACK = Profile("pack", (("packing", 1),), soft_weight=1)
ONLY_PACKING = PlacementRules(profiles=(PACK, Profile("spread", (("spread", 1),))))


def host(name: str, cpu_milli: int = 4_000, used_milli: int = 0, **facts: object) -> HostView:
    total = Resources(cpu_milli, 8_192)
    free = Resources(cpu_milli - used_milli, 8_192)
    view = HostView(host_id=HostId(name), free=free, total=total)
    return msgspec.structs.replace(view, **facts)


def ask(cpu_milli: int = 1_000, job: str = "j", **facts: object) -> Request:
    return msgspec.structs.replace(Request(JobId(job), Need(cpu_milli, 1_024)), **facts)


def index_of(*hosts: HostView, rules: PlacementRules = ONLY_PACKING) -> Placement:
    index = Placement(rules)
    index.put_hosts(hosts)
    return index


def places(index: Placement, request: Request, count: int) -> list[str]:
    return [choice.host_id for choice in index.place(request, count).choices]


def test_a_reason_names_parts_and_the_runner_up() -> None:
    index = index_of(host("a", used_milli=2_000), host("b", used_milli=1_000), host("c"))
    assert index.place(ask(), 1).reason == Reason(
        437, (("packing", 437),), HostId("b"), 312, (("packing", 312),)
    )
    alone = index_of(host("a")).place(ask(), 1).reason
    assert alone == Reason(187, (("packing", 187),))


def test_soft_constraints_are_one_part_of_the_reason() -> None:
    zones = (Constraint("zoneBalance"),)
    a, b = (("zone", "A"),), (("zone", "B"),)
    index = index_of(
        host("a", used_milli=2_000, attributes=a, tasks_of_job=((JobId("j"), 1),)),
        host("b", attributes=b),
    )
    reason = index.place(ask(soft=zones), 1).reason
    assert reason is not None
    assert reason.parts == (("packing", 187), ("soft", 1_000))
    assert (reason.fitness, reason.runner_up, reason.runner_up_fitness) == (593, "a", 218)
    assert reason.runner_up_parts == (("packing", 437), ("soft", 0))


def test_good_enough_makes_hosts_equal_and_the_fullest_wins() -> None:
    agent = (("agent", 1),)
    rules = PlacementRules(profiles=(Profile("pack", agent, good_enough=800),))
    better, good = host("a"), host("b", used_milli=1_000, quality_milli=800)
    assert places(index_of(better, good, rules=rules), ask(), 1) == ["b"]
    strict = PlacementRules(profiles=(Profile("pack", agent),))
    assert places(index_of(better, good, rules=strict), ask(), 1) == ["a"]


def test_failover_packs_what_normally_spreads() -> None:
    critical = ask(tier="Critical", is_service=True)
    hosts = (host("a", used_milli=1_000), host("b"))
    assert places(index_of(*hosts), critical, 1) == ["b"]
    failover = msgspec.structs.replace(ONLY_PACKING, mode="failover")
    assert places(index_of(*hosts, rules=failover), critical, 2) == ["a", "a"]


def test_weights_too_large_for_a_key_are_scaled_and_keep_their_order() -> None:
    huge = Profile("pack", (("agent", 1), ("packing", 90_000)), soft_weight=50_000)
    rules = PlacementRules(profiles=(huge,))
    index = index_of(host("a", used_milli=3_000), host("b"), rules=rules)
    assert places(index, ask(), 1) == ["a"]
    zones = (Constraint("zoneBalance"),)
    made = Prepared(ask(soft=zones), rules, index._index.library)
    assert 8_000 < made.weight <= WEIGHTS_MAX
    assert min(weight for _, weight, _ in made.parts) == 1


def test_operators_rules_are_asked_though_the_request_does_not_have_them() -> None:
    rule = Constraint("hostAttribute", "rack", ("r1",))
    hosts = (host("a", used_milli=1_000), host("b", attributes=(("rack", "r1"),)))
    strengths: tuple[Literal["must", "should"], ...] = ("must", "should")
    for strength in strengths:
        selector = Selector("s", strength, rule)
        rules = msgspec.structs.replace(ONLY_PACKING, selectors=(selector,))
        assert places(index_of(*hosts, rules=rules), ask(), 1) == ["b"]


def test_the_first_task_near_its_own_job_settles_where_the_others_go() -> None:
    near = (Constraint("nearJob", "zone", ("j",)),)
    a, b = (("zone", "A"),), (("zone", "B"),)
    hosts = (host("a", used_milli=3_000, attributes=a), host("b", attributes=b))
    assert places(index_of(*hosts), ask(hard=near), 3) == ["a"]
    away = (Constraint("awayFromJob", "zone", ("j",)),)
    assert places(index_of(*hosts), ask(hard=away), 3) == ["a", "b"]


def test_totals_leave_out_what_takes_no_tasks() -> None:
    rules = msgspec.structs.replace(ONLY_PACKING, lost_zones=("C",))
    there = Resources(1_000, 10, network_mbps=5, scalars=(("fpga", 1_000),))
    index = index_of(
        host("a", used_milli=1_000, gpus=(GpuDevice(1_000), GpuDevice(300))),
        host("b", free=there, total=there, accounts_network=True),
        host("drains", is_schedulable=False),
        host("lost", attributes=(("zone", "C"),)),
        host("silent", 500, is_offered=False),
        rules=rules,
    )
    assert index.totals() == Totals(
        hosts=3,
        free=Resources(4_500, 16_394, 0, (), 5, 1, (("fpga", 1_000),)),
        total=Resources(5_500, 16_394, 0, (), 5, 2, (("fpga", 1_000),)),
        free_gpu_milli=1_300,
        total_gpu_milli=2_000,
    )


def test_the_nearest_lack_free_amounts_and_nothing_else() -> None:
    index = index_of(
        host("small", 1_000),
        host("b", used_milli=3_000),
        host("a", used_milli=3_000),
        host("near", used_milli=1_500),
        host("drains", is_schedulable=False),
        host("silent", used_milli=4_000, is_offered=False),
        host("own", exclusive_job=JobId("o")),
    )
    assert index.nearest(ask(3_000), 9) == ("near", "a", "b", "silent")
    assert index.nearest(ask(3_000), 2) == ("near", "a")
    assert index.nearest(ask(9_000), 2) == ()
    assert index.nearest(ask(1, hard=(Constraint("machineId", values=("b",)),)), 9) == ("b",)


def test_rooms_after_tasks_have_ended() -> None:
    unique = ask(hard=(Constraint("uniqueHost"),))
    index = index_of(host("a", used_milli=3_500, tasks_of_job=((JobId("j"), 1),)))
    freed, a = Resources(2_000), HostId("a")
    assert index.rooms_after(ask(), a, Resources()) == 0
    assert index.rooms_after(ask(), a, freed) == 2
    assert index.rooms_after(unique, a, freed) == 0
    assert index.rooms_after(unique, a, freed, [(JobId("j"), 1)]) == 1
    assert index.rooms_after(ask(), HostId("nobody"), freed) == 0
    index.put_hosts([host("a", tasks_of_job=((JobId("o"), 1),), exclusive_job=JobId("o"))])
    assert index.rooms_after(ask(), a, Resources()) == 0
    assert index.rooms_after(ask(), a, Resources(), [(JobId("o"), 1)]) == 4


def test_put_back_leaves_no_trace() -> None:
    view = host(
        "a",
        free=Resources(4_000, 8_192, 0, (PortRange(1, 9),), scalars=(("fpga", 3_000),)),
        gpus=(GpuDevice(1_000), GpuDevice(1_000)),
        interfaces=(Interface(4),),
    )
    need = Need(1_000, 1, ports=2, gpu_milli=600, addresses=1, scalars=(("fpga", 1_000),))
    wanted = Request(
        JobId("j"), need, hard=(Constraint("exclusiveHost"),), image="i", security_groups=("g",)
    )
    index = index_of(view)
    choices = index.place(wanted, 1).choices
    assert choices == (Choice(HostId("a"), (1, 2), 0, (0,)),)
    after = index.host(HostId("a"))
    assert after is not None
    assert (after.exclusive_job, after.images, after.gpus[0].free_milli) == ("j", ("i",), 400)
    assert after.free.cpu_milli == 3_000
    index.put_back(wanted, choices)
    assert index.host(HostId("a")) == msgspec.structs.replace(view, interfaces=(Interface(4),))
    index.put_back(wanted, [Choice(HostId("gone"))])


def test_a_host_that_is_told_again_as_it_is_changes_nothing_and_undoes_what_was_placed() -> None:
    index = index_of(host("a"))
    changes = index._index.columns.changed
    before = changes.end
    index.put_hosts([host("a")])
    assert changes.end == before
    assert places(index, ask(4_000), 1) == ["a"]
    index.put_hosts([host("a")])
    assert places(index, ask(4_000), 1) == ["a"]


def test_a_row_of_a_host_that_went_is_used_again() -> None:
    index = index_of(host("a"), host("b"))
    index.remove_host(HostId("a"))
    index.remove_host(HostId("a"))
    index.put_hosts([host("c", used_milli=1_000)])
    assert places(index, ask(), 7) == ["c"] * 3 + ["b"] * 4
    assert index.host(HostId("a")) is None
    assert index.host(HostId("b")) is not None


def test_a_plugin_that_raises_takes_back_what_its_request_got() -> None:
    calls: list[str] = []

    def once(_: Request, view: HostView) -> int:
        calls.append(view.host_id)
        if view.tasks_of_job:
            raise ValueError("no second one")
        return 1_000

    rules = PlacementRules(profiles=(Profile("pack", (("once", 1),)),))
    index = Placement(rules, Plugins(fitness={"once": once}))
    index.put_hosts([host("a")])
    outcome = index.place(ask(), 2)
    assert (outcome.choices, outcome.left) == ((), 2)
    assert outcome.refused[0].rule == "once"
    assert outcome.refused[0].missing == "raised ValueError: no second one"
    assert index.host(HostId("a")) == host("a")
    assert calls


def test_a_constraint_of_others_is_asked_before_each_task() -> None:
    def few(_: Request, view: HostView) -> str:
        return "has two" if sum(count for _, count in view.tasks_of_job) > 1 else ""

    index = Placement(ONLY_PACKING, Plugins(constraints={"few": few}))
    index.put_hosts([host("a"), host("b", used_milli=1_000)])
    outcome = index.place(ask(), 9)
    assert [each.host_id for each in outcome.choices] == ["b", "b", "a", "a"]
    assert [(each.rule, each.hosts, each.missing) for each in outcome.refused] == [
        ("few", 2, "has two")
    ]


def test_the_log_of_changes_is_cut_and_says_so() -> None:
    log = ChangeLog()
    for row in range(70_000):
        log.append(row % 3)
    assert log.since(69_999, 9) == [0]
    assert log.since(69_990, 9) == [0, 1, 2]
    assert log.since(69_990, 2) is None
    assert log.since(0, 9) is None
    log.all_changed()
    assert log.since(70_000, 9) is None
    assert log.since(log.end, 9) == []


def test_states_of_interfaces_that_nobody_is_in_are_forgotten() -> None:
    view = host("a", 10**9, interfaces=(Interface(10**4),))
    index = index_of(view)
    wanted = Request(JobId("j"), Need(1, 0, addresses=1))
    index.place(wanted, 5_000)
    book = index._index.columns.interfaces
    assert isinstance(book, InterfaceBook)
    assert book.count < 4_200
    assert len(index.place(wanted, 6_000).choices) == 5_000
