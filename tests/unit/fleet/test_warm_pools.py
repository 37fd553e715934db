"""Warm pools: asked for, ordered, asserted again; and who stands by counts for nothing.

Each test runs a whole cell over a cloud in memory (`tests.support.fleet`) whose pools fill and
empty as AWS' do; what AWS itself is asked is in `test_aws_warm_pools.py`.
"""

from typing import Any

import pytest

from scheduler.fleet.counts import counts_of
from scheduler.model.changes import JobRejected, WarmPoolChanged
from scheduler.model.events import EffectStarted
from scheduler.model.fleet import EndInstance
from scheduler.model.fleet_rules import DeploymentAsked, GroupSizeAsked
from scheduler.model.foreign import decode_commands_record
from scheduler.model.foreign_fleet import encode_fleet_request
from scheduler.model.inbound import InboundRejected
from scheduler.model.job import JobSpec
from scheduler.model.resources import Need
from scheduler.model.warm_pools import (
    RemoveWarmPool,
    SetWarmPool,
    WarmPoolAsked,
    WarmPoolEffect,
    WarmPoolRule,
)
from tests.support.asgi import call
from tests.support.cell import batch
from tests.support.fleet import FleetWorld, SimGroup, fleet_rules, group_rule
from tests.support.web_cell import WebCell

MINUTE_MS = 60_000
PATH = "/api/flumina/fleet/groups/blue"
OPERATOR = {"X-Flumina-Actor": "ada@example.org"}
POOL = WarmPoolRule(minimum=2, prepared_max=4)


def jobs(count: int) -> JobSpec:
    """Tasks that fill a host each."""
    return batch(count, need=Need(cpu_milli=8_000, memory_mib=1_024, disk_mib=10))


def want(world: FleetWorld, rule: WarmPoolRule | None = POOL, name: str = "blue") -> None:
    world.cell.copy("commands", WarmPoolAsked(name, rule, "ada", "the launch at nine"))


def ordered(world: FleetWorld) -> list[WarmPoolEffect]:
    return [each for each in world.effects if isinstance(each, WarmPoolEffect)]


def refusals(world: FleetWorld) -> list[tuple[str, str]]:
    said = world.cell.said(JobRejected)
    return [(fault.field, fault.code) for each in said for fault in each.faults]


def standing(world: FleetWorld) -> list[Any]:
    return [each for each in world.state.cloud_instances.values() if each.state == "warm"]


def test_a_pool_is_ordered_once_and_is_there_when_its_cloud_says_so() -> None:
    world = FleetWorld(SimGroup("blue", maximum=20))
    world.step()
    want(world)
    world.pass_ms(10 * MINUTE_MS)
    assert ordered(world) == [SetWarmPool("blue", POOL)]
    pool = world.state.warm_pools["blue"]
    assert (pool.asked, pool.seen, pool.done_at_ms, pool.fault) == (POOL, POOL, 0, "")
    told = [(each.what, each.text) for each in world.cell.said(WarmPoolChanged)]
    text = "at least 2, 4 together with the group, stopped"
    assert told == [("asked", text), ("ordered", text), ("seen", text)]


def test_who_stands_by_is_no_capacity_and_nobody_waits_for_it_or_ends_it() -> None:
    rules = fleet_rules(group_rule(idle_max=0), join_timeout_ms=5 * MINUTE_MS)
    world = FleetWorld(SimGroup("blue", maximum=20), rules=rules)
    world.step()
    want(world)
    world.pass_ms(30 * MINUTE_MS)  # far beyond the time in which an instance has to join
    group = world.state.cloud_groups["blue"]
    counts = counts_of(world.state, group, world.state.fleet.rules)
    assert (group.size, group.warm_total, len(standing(world))) == (0, 4, 4)
    assert (counts.starting, counts.idle, counts.busy, counts.late) == (0, 0, 0, ())
    assert not [each for each in world.effects if isinstance(each, EndInstance)]
    assert all(each.mark == "warm" for each in standing(world))
    world.cell.copy("commands", GroupSizeAsked("blue", 0, "ada", "less"))
    assert not refusals(world)


def test_a_group_that_grows_takes_from_its_pool_first_and_its_hosts_come_sooner() -> None:
    times_ms = []
    for rule in (None, POOL):
        world = FleetWorld(SimGroup("blue", maximum=20, launch_ms=5 * MINUTE_MS))
        world.step()
        if rule is not None:
            want(world, rule)
        world.pass_ms(30 * MINUTE_MS)
        before = {each.instance_id for each in standing(world)}
        world.cell.submit(jobs(3))
        began_ms = world.cell.now_ms
        while world.running() < 3:
            world.step()
        times_ms.append(world.cell.now_ms - began_ms)
        used = set(world.groups["blue"].instances)
        assert (used <= before) is (rule is not None)
        assert world.size() == 3  # none was ordered twice, though all took their time
        assert world.lost_tasks == 0
        # The group has 3 of 4: the pool keeps its minimum.
        assert len(standing(world)) == (0 if rule is None else rule.minimum)
    cold_ms, warm_ms = times_ms
    assert warm_ms < cold_ms - 3 * MINUTE_MS


def test_an_instance_out_of_the_pool_has_its_whole_time_to_join_and_is_replaced_after_it() -> None:
    rules = fleet_rules(join_timeout_ms=5 * MINUTE_MS)
    world = FleetWorld(SimGroup("blue", maximum=20), rules=rules)
    world.step()
    want(world)
    world.pass_ms(30 * MINUTE_MS)
    world.groups["blue"].never_join = True
    world.cell.submit(jobs(1))
    world.pass_ms(4 * MINUTE_MS)
    assert not world.said("hostReplaced")
    world.pass_ms(3 * MINUTE_MS)
    assert len(world.said("hostReplaced")) == 1


def test_an_instance_goes_back_into_the_pool_and_is_a_host_again_only_when_it_offers() -> None:
    rules = fleet_rules(group_rule(idle_max=0))
    group = SimGroup("blue", maximum=3, zones=("a",), launch_ms=5 * MINUTE_MS)
    group.warm_launch_ms = 3 * MINUTE_MS
    world = FleetWorld(group, rules=rules)
    world.step()
    want(world, WarmPoolRule(prepared_max=2, is_reusing=True))
    world.cell.submit(jobs(2), "one")
    world.pass_ms(12 * MINUTE_MS)
    used = set(group.instances)
    assert (world.running("one"), len(standing(world))) == (2, 0)
    for task in world.cell.tasks("one"):
        world.ended(task.task_id)
    world.pass_ms(20 * MINUTE_MS)
    again = standing(world)
    assert {each.instance_id for each in again} <= used
    assert [(each.mark, each.ended_at_ms) for each in again] == [("warm", 0)] * len(again)
    assert again
    world.cell.submit(jobs(2), "two")
    world.pass_ms(2 * MINUTE_MS)
    # The host of before is remembered, and has offered nothing yet: it is on its way.
    counts = counts_of(world.state, world.state.cloud_groups["blue"], rules)
    assert counts.starting >= 1
    world.pass_ms(10 * MINUTE_MS)
    assert world.running("two") == 2
    assert set(group.instances) == used
    assert not world.lost_tasks
    assert not world.said("hostReplaced")


def test_a_host_whose_agent_runs_in_the_pool_gets_no_task() -> None:
    world = FleetWorld(SimGroup("blue", maximum=2), rules=fleet_rules(group_rule(idle_max=5)))
    world.step()
    want(world, WarmPoolRule(minimum=1, prepared_max=1, state="running"))
    world.pass_ms(2 * MINUTE_MS)
    group = world.groups["blue"]
    (instance,) = group.warm.values()
    world.offer(f"host-{instance.instance_id}", group, instance)
    world.cell.tick(MINUTE_MS)
    world.observe()
    world.is_carried_out = False  # No other host comes.
    world.cell.submit(jobs(1))
    world.pass_ms(5 * MINUTE_MS)
    assert world.running() == 0
    host_id = world.state.cloud_instances[instance.instance_id].host_id
    assert dict(world.state.host_marks[host_id])["flumina.fleet"] == "warm"


def test_a_cloud_that_refuses_is_asked_less_often_and_the_group_is_scaled_as_ever() -> None:
    world = FleetWorld(SimGroup("blue", maximum=20))
    world.step()
    want(world)
    world.refusal = "refused: a group of several types has no warm pool"
    world.pass_ms(3 * MINUTE_MS)
    few = len(ordered(world))
    assert 2 <= few < 6
    pool = world.state.warm_pools["blue"]
    assert (pool.failures, pool.seen) == (few, None)
    assert "several types" in pool.fault
    assert world.state.cloud_groups["blue"].failures == 0
    world.pass_ms(20 * MINUTE_MS)
    assert [page.what for page in world.pages] == [
        "the cloud does not give group blue the warm pool that it is to have"
    ]
    world.refusal = ""
    world.cell.submit(jobs(2))
    world.pass_ms(10 * MINUTE_MS)
    assert world.running() == 2
    assert world.state.warm_pools["blue"].seen == POOL
    assert world.state.warm_pools["blue"].fault == ""


def test_a_pool_changed_by_hand_is_put_right_and_one_that_nobody_asked_for_is_left_alone() -> None:
    world = FleetWorld(SimGroup("blue", maximum=20), SimGroup("green", maximum=20))
    world.step()
    theirs = WarmPoolRule(minimum=7)
    world.groups["green"].pool = theirs
    want(world)
    world.pass_ms(5 * MINUTE_MS)
    world.groups["blue"].pool = theirs
    world.pass_ms(5 * MINUTE_MS)
    assert world.groups["blue"].pool == POOL
    assert world.groups["green"].pool == theirs
    assert ordered(world) == [SetWarmPool("blue", POOL)] * 2


def test_a_pool_goes_when_it_is_asked_to_and_not_while_the_fleet_is_paused() -> None:
    world = FleetWorld(SimGroup("blue", maximum=20))
    world.step()
    want(world)
    world.pass_ms(5 * MINUTE_MS)
    world.set_rules(fleet_rules(is_paused=True))
    want(world, None)
    world.pass_ms(5 * MINUTE_MS)
    assert ordered(world) == [SetWarmPool("blue", POOL)]
    world.set_rules(fleet_rules())
    world.pass_ms(5 * MINUTE_MS)
    assert ordered(world)[1:] == [RemoveWarmPool("blue")]
    assert not standing(world)
    assert world.state.warm_pools["blue"].seen is None


def test_an_order_that_another_one_has_overtaken_is_not_carried_out() -> None:
    world = FleetWorld(SimGroup("blue", maximum=20))
    world.step()
    world.is_carried_out = False
    want(world)
    world.pass_ms(MINUTE_MS, MINUTE_MS // 2)
    (order_id,) = world.state.fleet_orders
    want(world, None)
    world.cell.write(EffectStarted(proposal_id=order_id))
    assert not world.state.fleet_orders
    assert not world.groups["blue"].pool


def test_a_deployment_takes_the_old_groups_pool_away_before_the_group() -> None:
    old, new = SimGroup("blue", desired=2, maximum=9), SimGroup("green", maximum=9)
    world = FleetWorld(old, new)
    world.step()
    want(world)
    world.pass_ms(3 * MINUTE_MS)
    ask = DeploymentAsked(new="green", old="blue", actor="ada", why="kernel", bake_ms=MINUTE_MS)
    world.cell.copy("commands", ask)
    want(world, WarmPoolRule(minimum=1))
    assert refusals(world) == [("group", "state")]
    world.pass_ms(60 * MINUTE_MS)
    assert world.removed == ["blue"]
    assert RemoveWarmPool("blue") in ordered(world)
    assert world.state.deployments["green"].step == "done"


@pytest.mark.parametrize(
    ("name", "rule", "refused"),
    [
        ("red", POOL, ("group", "unknown")),
        ("grey", POOL, ("group", "state")),
        ("blue", None, ("group", "unknown")),
        ("blue", WarmPoolRule(minimum=21), ("minSize", "")),
        ("blue", WarmPoolRule(prepared_max=21), ("maxPrepared", "")),
        ("huge", WarmPoolRule(), ("maxPrepared", "")),
    ],
)
def test_what_makes_no_sense_is_refused(
    name: str, rule: WarmPoolRule | None, refused: tuple[str, str]
) -> None:
    groups = [SimGroup("blue", maximum=20), SimGroup("grey"), SimGroup("huge", maximum=1_001)]
    world = FleetWorld(*groups, rules=fleet_rules(group_rule(), group_rule("huge")))
    world.step()
    want(world, rule, name)
    assert refusals(world) == [refused]
    assert not any(each.is_asked for each in world.state.warm_pools.values())


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "pool"),
        ({"pool": {}, "remove": True}, "pool"),
        ({"pool": {"minSize": 3, "maxPrepared": 2}}, "pool.maxPrepared"),
        ({"pool": {"state": "asleep"}}, "pool.state"),
        ({"pool": {"minSize": -1}}, "pool.minSize"),
    ],
)
def test_a_record_that_makes_no_sense_is_refused_by_field(said: dict[str, Any], field: str) -> None:
    value = encode_fleet_request("SetWarmPool", {"group": "blue", **said}, "ada", "x")
    found = decode_commands_record(b"", value)
    assert isinstance(found, InboundRejected)
    assert [each.field for each in found.faults] == [field]


def test_pools_are_asked_for_and_shown_by_rest() -> None:
    world = FleetWorld(SimGroup("blue", maximum=20))
    world.step()
    web = WebCell(world.cell)
    body: dict[str, Any] = {"pool": {"minSize": 2, "maxPrepared": 4}, "why": "nine"}
    assert call(web.app, "PUT", f"{PATH}/warm-pool", body, OPERATOR).status == 200
    world.pass_ms(5 * MINUTE_MS)
    shown = call(web.app, "GET", PATH, None, OPERATOR).json
    rule = {"minSize": 2, "maxPrepared": 4, "state": "stopped", "reuseOnScaleIn": False}
    assert shown["warm"] == 4
    assert shown["warmPool"] == {
        "isSteered": True,
        "asked": rule,
        "seen": rule,
        "wanted": 4,
        "isGoing": False,
        "fault": "",
    }
    assert {each["state"] for each in shown["items"]} == {"warm"}
    said = call(web.app, "PUT", f"{PATH}/warm-pool", {"why": "nine"}, OPERATOR)
    assert said.status == 400
