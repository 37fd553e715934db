"""Random days of a fleet: no host with tasks is ended, bounds hold, and a still load changes none.

A cell over a cloud in memory lives through a random day: services come, grow, shrink and go, batch
tasks run and end, the cloud refuses, nobody tells of the groups for a while, another leader is
elected, an operator sets a size, or has instances stand by. The cloud of the tests asserts each
group's minimum and maximum itself; what is asked of it is watched here, order by order.
"""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduler.model.fleet import EndInstance, FleetEffect, SetDesiredCapacity
from scheduler.model.fleet_rules import GroupSizeAsked
from scheduler.model.ids import HostId, JobId
from scheduler.model.resources import Need
from scheduler.model.warm_pools import WarmPoolAsked, WarmPoolRule
from tests.support.cell import batch, service
from tests.support.fleet import FleetWorld, SimGroup, fleet_rules, group_rule

STEP_MS = 30_000
COOLDOWN_MS = 300_000
SIZE_MAX = 8
NEED = Need(cpu_milli=3_000, memory_mib=1_024, disk_mib=10)
"""Two of them fit on a host of 8 cpus."""
JOBS = ("a", "b", "c")

deeds = st.one_of(
    st.tuples(st.just("serve"), st.sampled_from(JOBS), st.integers(0, 12)),
    st.tuples(st.just("batch"), st.sampled_from(JOBS), st.integers(1, 6)),
    st.tuples(st.just("finish"), st.sampled_from(JOBS), st.integers(1, 6)),
    st.tuples(st.just("refuse"), st.just(""), st.integers(1, 6)),
    st.tuples(st.just("blind"), st.just(""), st.integers(1, 12)),
    st.tuples(st.just("size"), st.sampled_from(("blue", "green")), st.integers(0, SIZE_MAX)),
    st.tuples(st.just("pool"), st.sampled_from(("blue", "green")), st.integers(0, SIZE_MAX)),
    st.tuples(st.just("elect"), st.just(""), st.integers(0, 9)),
    st.tuples(st.just("wait"), st.just(""), st.integers(1, 10)),
)
Deed = tuple[str, str, int]


class Watched(FleetWorld):
    """A fleet whose cloud looks at each thing that it is asked."""

    def __init__(self, minimum: int, *, is_protecting: bool) -> None:
        self.grown_ms: dict[str, int] = {}
        self.by_hand_ms: dict[str, int] = {}
        self.changes: list[int] = []
        self.batches = 0
        groups = (
            SimGroup("blue", minimum, minimum, SIZE_MAX),
            SimGroup("green", 0, 0, SIZE_MAX),
        )
        rules = (group_rule(each.name, is_protecting=is_protecting) for each in groups)
        rules_of_all = fleet_rules(*rules, down_cooldown_ms=COOLDOWN_MS)
        super().__init__(*groups, rules=rules_of_all, records_a_check=50)

    def _do(self, effect: FleetEffect) -> None:
        now_ms, group = self.cell.now_ms, self.groups[effect.group]
        if isinstance(effect, EndInstance):
            host = group.instances[effect.instance_id].host
            assert not self.state.host_tasks.get(HostId(host)), f"{host} has tasks"
            self.changes.append(now_ms)
            if effect.is_decrement:
                self._not_too_soon(effect.group, now_ms)
        elif isinstance(effect, SetDesiredCapacity):
            self.changes.append(now_ms)
            if effect.desired > group.desired:
                self.grown_ms[effect.group] = now_ms
            else:
                self._not_too_soon(effect.group, now_ms)
        super()._do(effect)
        for each in self.groups.values():
            assert each.minimum <= each.desired <= each.maximum
            assert each.maximum == SIZE_MAX

    def _not_too_soon(self, name: str, now_ms: int) -> None:
        """What has just grown is not made smaller, unless an operator said so."""
        by_hand_ms = self.by_hand_ms.get(name, -1)
        if by_hand_ms < self.grown_ms.get(name, 0):
            assert now_ms >= self.grown_ms.get(name, 0) + COOLDOWN_MS, f"{name} flaps"

    def live(self, deed: Deed) -> None:
        """One thing happens, and a while passes."""
        what, name, number = deed
        steps = 2
        job_id = JobId(name)
        match what:
            case "serve" if job_id in self.state.jobs:
                self.cell.scale(desired=number, job_id=name)
            case "serve":
                self.cell.submit(service(number, need=NEED), name)
            case "batch":
                self.batches += 1
                self.cell.submit(batch(number, need=NEED), f"{name}-{self.batches}")
            case "finish":
                running = [each for each in self.state.tasks if each.startswith(f"{name}-")]
                for task_id in sorted(running)[:number]:
                    self.ended(task_id)
            case "refuse":
                self.refusal, steps = "throttled: slow down", number
            case "blind":
                self.is_observed, steps = False, number
            case "size":
                self.by_hand_ms[name] = self.cell.now_ms
                minimum = self.groups[name].minimum
                self.cell.copy("commands", GroupSizeAsked(name, max(number, minimum), "op", "x"))
            case "pool":
                # The fewer, the less; of none there shall be no pool.
                reuses = number % 2 == 1
                rule = WarmPoolRule(number // 4, number, is_reusing=reuses) if number else None
                self.cell.copy("commands", WarmPoolAsked(name, rule, "op", "x"))
            case "elect":
                self.elect(f"cell-{number}")
            case _:
                steps = number
        self.pass_ms(steps * STEP_MS, STEP_MS)
        self.refusal, self.is_observed = "", True


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    day=st.lists(deeds, min_size=3, max_size=14),
    minimum=st.integers(0, 2),
    is_protecting=st.booleans(),
)
def test_a_random_day_ends_no_host_with_tasks_and_comes_to_rest(
    day: list[Deed], minimum: int, is_protecting: bool
) -> None:
    world = Watched(minimum, is_protecting=is_protecting)
    for deed in day:
        world.live(deed)
    assert world.lost_tasks == 0
    # The load stands still: so does the fleet, after it has settled.
    world.pass_ms(40 * 60_000, 60_000)
    settled_ms = world.cell.now_ms
    world.pass_ms(20 * 60_000, 60_000)
    late = [each for each in world.changes if each > settled_ms]
    assert late == [], f"{len(late)} changes of a fleet at rest"
    for group in world.groups.values():
        pool = world.state.warm_pools[group.name]
        assert pool.seen == group.pool
        assert pool.seen == (pool.asked if pool.is_asked else None), "the pool is not as asked"
    assert world.lost_tasks == 0
    world.cell.check()
