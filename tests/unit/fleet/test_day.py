"""A day of a service that rises from tens of hosts to many and falls: what it costs, and whom.

A whole cell over a cloud in memory; instances take two minutes to become hosts. No task may be lost
to a host that was given back, and the hosts that were paid for are printed beside the fewest that
could have run the same tasks.
"""

from math import pi, sin
from typing import NamedTuple

import pytest

from scheduler.model.fleet_rules import FleetRules
from scheduler.model.resources import Need
from tests.support.cell import service
from tests.support.fleet import FleetWorld, SimGroup, fleet_rules, group_rule

HOUR_MS = 3_600_000
HALF = Need(cpu_milli=4_000, memory_mib=1_024, disk_mib=10)


class Day(NamedTuple):
    """What came of a day."""

    lost: int
    paid_ms: int
    ideal_ms: int
    waited_ms: int
    """Of tasks without a host, added up."""
    most: int
    last: int


def day_of(low: int, high: int, rules: FleetRules, hours: int = 24, step_ms: int = 60_000) -> Day:
    """Hosts needed swing from ``low`` to ``high`` and back, two tasks to a host."""
    world = FleetWorld(
        SimGroup("blue", desired=low, maximum=2 * high, launch_ms=120_000),
        rules=rules,
        records_a_check=1 << 30,
    )
    cell = world.cell
    cell.set_policy(
        service_size_max=10_000,
        unstarted_tasks_per_job_max=10_000,
        launches_per_round_max=1_000,
        actor_kills_per_hour=1_000_000,
    )
    cell.submit(service(desired=2 * low, maximum=4 * high, need=HALF))
    world.pass_ms(300_000, step_ms=step_ms)
    world.host_ms = 0
    ideal_ms = waited_ms = most = 0
    steps = hours * HOUR_MS // step_ms
    for number in range(steps):
        wave = (1 - sin(pi / 2 + 2 * pi * number / steps)) / 2
        hosts = low + round((high - low) * wave)
        cell.scale(desired=2 * hosts)
        world.step(step_ms)
        ideal_ms += hosts * step_ms
        waited_ms += max(0, 2 * hosts - len(world.state.tasks)) * step_ms
        waited_ms += world.state.queued_tasks * step_ms
        most = max(most, world.size())
    world.pass_ms(2 * HOUR_MS, step_ms)
    cell.check()
    paid_ms = world.host_ms
    return Day(
        world.lost_tasks, paid_ms, ideal_ms + 2 * HOUR_MS * low, waited_ms, most, world.size()
    )


def told(day: Day) -> str:
    paid, ideal = day.paid_ms / HOUR_MS, day.ideal_ms / HOUR_MS
    return (
        f"host-hours {paid:.0f} beside {ideal:.0f} ideal ({paid / ideal:.2f}); at most "
        f"{day.most} hosts, {day.last} at last; tasks waited {day.waited_ms / HOUR_MS:.1f} h in all"
    )


RULES = fleet_rules(
    group_rule(idle_min=2, idle_max=4, is_protecting=False),
    grace_ms=300_000,
    end_after_ms=120_000,
    down_cooldown_ms=60_000,
)


@pytest.mark.integration  # A whole day.
def test_a_day_from_ten_hosts_to_a_hundred_and_back_loses_no_task() -> None:
    day = day_of(10, 100, RULES, hours=6, step_ms=60_000)
    print(told(day))
    assert day.lost == 0
    assert day.most >= 100
    assert day.last <= 30
    assert day.paid_ms <= 1.6 * day.ideal_ms


@pytest.mark.soak
def test_a_day_from_tens_to_thousands_and_back_loses_no_task() -> None:
    day = day_of(20, 2_000, RULES)
    print(told(day))
    assert day.lost == 0
    assert day.most >= 2_000
    assert day.last <= 200
    assert day.paid_ms <= 1.6 * day.ideal_ms
