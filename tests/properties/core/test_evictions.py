"""No eviction of ours crosses a budget, whatever is asked for and whatever happens meanwhile.

A service with any budget on a few hosts; tasks fail, turn unhealthy, are killed by users; hosts are
drained and used again; somebody asks for evictions all the time. After each record everything that
was evicted in it is held against the state before it, by rules written here once more.
"""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as some
from msgspec.structs import replace

from scheduler.disruption.quotas import tokens_milli
from scheduler.model.changes import EvictionDecided
from scheduler.model.disruption import (
    HOUR_MS,
    AvailabilityPercentage,
    BudgetPolicy,
    BudgetRate,
    DisruptionBudget,
    Hours,
    PercentagePerHour,
    PercentagePerInterval,
    PerInterval,
    Relocations,
    SelfManaged,
    TaskEvictionAsked,
    UnhealthyTasks,
    Unlimited,
    Window,
)
from scheduler.model.events import Tick
from scheduler.model.ids import HostId, JobId, TaskId
from scheduler.model.inbound import HostOrdered
from scheduler.model.task import Started, Task
from scheduler.model.time_zones import zone_rule
from tests.support.cell import BEGAN_AT_MS, CellInMemory, running_cell, service
from tests.support.time_zone_table import zone_file

JOB = JobId("job")
PERCENT = some.integers(1, 100).map(lambda each: each * 1_000)
INTERVAL = some.integers(10, 600).map(lambda each: each * 1_000)
POLICIES: some.SearchStrategy[BudgetPolicy] = some.one_of(
    some.builds(SelfManaged, some.integers(0, 100_000)),
    some.builds(AvailabilityPercentage, some.integers(0, 70).map(lambda each: each * 1_000)),
    some.builds(UnhealthyTasks, some.integers(0, 8)),
    some.builds(Relocations, some.integers(1, 3)),
)
RATES: some.SearchStrategy[BudgetRate] = some.one_of(
    some.just(Unlimited()),
    some.builds(PercentagePerHour, PERCENT),
    some.builds(PerInterval, INTERVAL, some.integers(1, 4)),
    some.builds(PercentagePerInterval, INTERVAL, PERCENT),
)
BEGAN = datetime.fromtimestamp(BEGAN_AT_MS / 1_000, UTC)


def _window(zone: str, first: int, hours: int, day: int) -> Window:
    """Hours around those of the test's beginning, so that some are open and some shut."""
    there = BEGAN.astimezone(_zone(zone))
    begin = max(0, min(23, there.hour + first))
    days = () if day > 6 else (day,)
    return Window(days, (Hours(begin, min(23, begin + hours)),), zone, zone_rule(zone) or "")


def _zone(name: str) -> ZoneInfo:
    return ZoneInfo.from_file(BytesIO(zone_file(name)))


ZONES = some.sampled_from(["America/Los_Angeles", "Asia/Kathmandu", "Europe/Berlin"])
WINDOWS = some.lists(
    some.builds(_window, ZONES, some.integers(-2, 1), some.integers(0, 3), some.integers(0, 9)),
    max_size=2,
).map(tuple)
NO_WINDOWS: tuple[Window, ...] = ()
BUDGETS = some.builds(
    DisruptionBudget, POLICIES, RATES, some.one_of(some.just(NO_WINDOWS), WINDOWS)
)
ACTS = (
    *("evict", "evict", "evict all", "drain", "enable", "drain", "sick", "well", "kill", "fail"),
    *("tick", "tick", "tick", "tick", "long"),
)
STEPS = some.lists(
    some.tuples(some.sampled_from(ACTS), some.integers(0, 99)), min_size=20, max_size=50
)


class Auditor:
    """Knows what was evicted when, and holds each eviction against the state before it."""

    def __init__(self, cell: CellInMemory, budget: DisruptionBudget) -> None:
        self.cell = cell
        self.budget = budget
        if isinstance(budget.policy, SelfManaged):  # Titus' fallback: 90 %, and 20 % an hour.
            fallback = AvailabilityPercentage(90_000)
            self.budget = replace(budget, policy=fallback, rate=PercentagePerHour(20_000))
        self.times_ms: list[int] = []

    def watched(self, act: str, number: int) -> None:
        """Do one thing, and look at what was evicted by it."""
        cell = self.cell
        tasks = dict(cell.state.tasks)
        size = cell.state.jobs[JOB].spec.desired
        silent = frozenset(cell.state.unanswered)
        milli_ms = tokens_milli(cell.state), cell.now_ms
        said = len(cell.changes)
        do(cell, act, number)
        decided = [each for _, _, each in cell.changes[said:] if isinstance(each, EvictionDecided)]
        victims = [tasks[each.task_id] for each in decided if each.is_allowed]
        self._check_tokens(*milli_ms, len(victims))
        if not victims:
            return
        self._check_floor(list(tasks.values()), victims, size, silent)
        self._check_rate(len(victims), size)
        assert self._is_open(), "outside of its windows"

    def _check_tokens(self, milli: int, at_ms: int, victims: int) -> None:
        """Each eviction takes one token, and a refusal none."""
        policy = self.cell.state.policy
        filled = milli + (self.cell.now_ms - at_ms) * policy.eviction_tokens_per_s
        most = policy.eviction_tokens_max * 1_000
        assert tokens_milli(self.cell.state) == min(filled, most) - victims * 1_000

    def _check_floor(
        self, tasks: list[Task], victims: list[Task], size: int, silent: frozenset[TaskId]
    ) -> None:
        policy = self.budget.policy
        if isinstance(policy, Relocations):
            most = max(each.eviction_resubmit_number for each in victims)
            assert most < policy.relocations_max
            return
        if size <= 1:
            assert len(victims) == 1 or len(tasks) > 1
            return

        def is_healthy(task: Task) -> bool:
            is_running = isinstance(task.state, Started) and task.state.is_healthy
            return is_running and task.task_id not in silent

        if isinstance(policy, AvailabilityPercentage):
            floor = min(-(-size * policy.healthy_percent_milli // 100_000), size - 1)
        else:
            assert isinstance(policy, UnhealthyTasks)
            floor = size - max(1, policy.unhealthy_max)
        healthy = sum(map(is_healthy, tasks))
        lost = sum(map(is_healthy, victims))
        assert not lost or healthy - lost >= floor, f"{healthy} - {lost} < {floor} of {size}"

    def _check_rate(self, count: int, size: int) -> None:
        now_ms, rate = self.cell.now_ms, self.budget.rate
        self.times_ms += [now_ms] * count
        if isinstance(rate, Unlimited):
            return
        interval_ms = HOUR_MS if isinstance(rate, PercentagePerHour) else rate.interval_ms
        if isinstance(rate, PerInterval):
            most = rate.evictions_max
        else:
            most = max(1, size * rate.percent_milli // 100_000)
        assert sum(each > now_ms - interval_ms for each in self.times_ms) <= most

    def _is_open(self) -> bool:
        if not self.budget.windows:
            return True
        now = datetime.fromtimestamp(self.cell.now_ms / 1_000, UTC)
        for window in self.budget.windows:
            there = now.astimezone(_zone(window.time_zone))
            is_day = not window.days or there.weekday() in window.days
            if is_day and any(each.first <= there.hour <= each.last for each in window.hours):
                return True
        return False


def do(cell: CellInMemory, act: str, number: int) -> None:
    """One thing that happens."""
    tasks = cell.tasks()
    task = tasks[number % len(tasks)]
    runs = isinstance(task.state, Started)
    match act:
        case "evict":
            cell.copy("jobs", TaskEvictionAsked(task.task_id, "any"))
        case "evict all":
            cell.copy("jobs", *(TaskEvictionAsked(each.task_id, "any") for each in tasks))
        case "drain" | "enable":
            standing: Any = "draining" if act == "drain" else "enabled"
            host_id = HostId(f"host{1 + number % 3}")
            cell.copy("commands", HostOrdered(host_id, standing, "op", "any"))
        case "sick" | "well" if runs:
            cell.status(task.task_id, "TASK_RUNNING", is_healthy=act == "well")
        case "kill":
            cell.kill_task(task.task_id)
        case "fail" if runs:
            cell.status(task.task_id, "TASK_FAILED")
        case "long":
            cell.now_ms += 59_000
            cell.write(Tick())
        case _:
            cell.tick(10_000)


def settle(cell: CellInMemory, number: int) -> None:
    """Sometimes kills are carried out, and what waits is placed and starts."""
    if number % 3:
        return
    cell.decide_and_carry_out()
    for task_id in list(cell.state.killing):
        cell.status(task_id, "TASK_KILLED")
    for host in (1, 2, 3):
        if number % 2:
            cell.offer(f"host{host}")
    for task_id in cell.launched():
        cell.status(task_id, "TASK_RUNNING")


@settings(max_examples=40, deadline=None)
@given(BUDGETS, some.integers(1, 12), STEPS)
def test_no_eviction_crosses_a_budget(
    budget: DisruptionBudget, size: int, steps: list[tuple[str, int]]
) -> None:
    cell = running_cell(hosts=3)
    cell.records_a_check = 7
    cell.set_policy(relocation_ms=10_000, descheduling_ms=20_000, relocation_stale_ms=60_000)
    cell.run(replace(service(size), budget=budget))
    cell.tick(15_000)
    auditor = Auditor(cell, budget)
    for act, number in steps:
        auditor.watched(act, number)
        settle(cell, number)
    cell.check()
    assert cell.refolded().digest.value() == cell.machine.digest.value()
    again = type(cell.machine).restored(cell.machine.kept())
    assert again.digest.value() == cell.machine.digest.value()
