"""Evictions: what budgets let through, one task after the other, and what both quotas say.

Each test begins with a service that runs, or says what it begins with. Time moves by ticks only.
"""

from typing import Any

import pytest
from msgspec.structs import replace

from scheduler.disruption.quotas import Quotas, tokens_milli
from scheduler.model.changes import (
    EvictionDecided,
    JobRejected,
    ProposalRefused,
    RequestAccepted,
)
from scheduler.model.disruption import (
    AvailabilityPercentage,
    DisruptionBudget,
    Hours,
    JobBudgetAsked,
    PercentagePerHour,
    PercentagePerInterval,
    PerInterval,
    Relocations,
    SelfManaged,
    TaskEvictionAsked,
    UnhealthyTasks,
    Window,
)
from scheduler.model.ids import JobId, TaskId
from scheduler.model.inbound import RulesAsked
from scheduler.model.job import JobSpec
from scheduler.model.proposals import PreemptTask
from scheduler.model.resources import Need
from scheduler.model.rules import Amount, CapacityGroup, EvictionRules, PlacementRules
from scheduler.model.task import Finished, KillInitiated
from scheduler.model.time_zones import zone_rule
from tests.support.cell import CellInMemory, batch, running_cell, service

HALF = AvailabilityPercentage(50_000)
PACIFIC = zone_rule("America/Los_Angeles") or ""
TITUS_WINDOW = Window((0, 1, 2, 3, 4), (Hours(8, 16),), "America/Los_Angeles", PACIFIC)
"""Titus 4.5: the cell's own windows are weekdays 08-16 Pacific."""


def budgeted(spec: JobSpec, policy: Any = HALF, rate: Any = None, **more: Any) -> JobSpec:
    """The job with a budget of its own."""
    given = {} if rate is None else {"rate": rate}
    return replace(spec, budget=DisruptionBudget(policy, **given, **more))


def filled(cell: CellInMemory) -> CellInMemory:
    """The cell after its bucket has had time to fill."""
    cell.tick(15_000)
    return cell


def evict(cell: CellInMemory, task_id: TaskId, reason: str = "test") -> EvictionDecided:
    """Ask for a task's eviction; the answer."""
    cell.copy("jobs", TaskEvictionAsked(task_id, reason, "ada"))
    (answer,) = [each for each in cell.said_last() if isinstance(each, EvictionDecided)]
    assert answer.source is not None
    return answer


def count_allowed(cell: CellInMemory, task_ids: list[TaskId]) -> int:
    """How many of the tasks may be evicted, one after the other at one instant."""
    return sum(evict(cell, each).is_allowed for each in task_ids)


def end_killed(cell: CellInMemory) -> None:
    """Carry out kills, and start what takes their place."""
    cell.tick()
    cell.decide_and_carry_out()
    for task_id in list(cell.state.killing):
        cell.status(task_id, "TASK_KILLED")
    cell.tick(2_000)
    for host in ("host1", "host2"):
        cell.offer(host)
    for task_id in cell.launched():
        cell.status(task_id, "TASK_RUNNING")


def led_on(cell: CellInMemory) -> None:
    """Open a stream on which Mesos says that every task runs."""
    cell.subscribe()
    cell.decide_and_carry_out()
    for task_id in list(cell.state.unanswered):
        cell.answer(task_id, "TASK_RUNNING")


# The health floor.


@pytest.mark.parametrize(
    ("policy", "size", "expected"),
    [
        (AvailabilityPercentage(90_000), 10, 1),
        (AvailabilityPercentage(85_000), 10, 1),  # ceil(8.5) stay.
        (AvailabilityPercentage(100_000), 10, 1),  # Capped at size - 1.
        (AvailabilityPercentage(0), 4, 4),
        (UnhealthyTasks(3), 10, 3),
        (UnhealthyTasks(0), 10, 1),  # At least one: size - max(1, limit).
        (UnhealthyTasks(20), 6, 6),
        (AvailabilityPercentage(100_000), 1, 1),
        (UnhealthyTasks(0), 1, 1),
    ],
)
def test_titus_health_floor(policy: Any, size: int, expected: int) -> None:
    """Titus 4.5: percentage: ceil(size x p/100), at most size-1; absolute: size - max(1, n)."""
    cell = filled(running_cell(hosts=3))
    task_ids = cell.run(budgeted(service(size), policy))
    assert Quotas(cell.state).job(JobId("job")).count == expected
    assert count_allowed(cell, task_ids) == expected


def test_a_task_that_has_not_started_counts_as_unhealthy() -> None:
    cell = filled(running_cell(hosts=3))
    cell.submit(budgeted(service(4), UnhealthyTasks(1)))
    launched = cell.launched()
    for task_id in launched[:3]:
        cell.status(task_id, "TASK_RUNNING")
    assert not evict(cell, launched[0]).is_allowed
    cell.status(launched[3], "TASK_RUNNING")
    assert evict(cell, launched[0]).is_allowed


def test_an_unhealthy_task_may_go_where_no_healthy_one_may() -> None:
    cell = filled(running_cell(hosts=3))
    first, second, *_ = cell.run(budgeted(service(4), UnhealthyTasks(1)))
    cell.status(first, "TASK_RUNNING", is_healthy=False)
    assert evict(cell, second).limit == "health"
    assert evict(cell, first).is_allowed


def test_always_healthy_does_not_ask_the_tasks_own_check() -> None:
    cell = filled(running_cell(hosts=3))
    budget = budgeted(service(4), UnhealthyTasks(1), health=("alwaysHealthy",))
    first, second, *_ = cell.run(budget)
    cell.status(first, "TASK_RUNNING", is_healthy=False)
    assert evict(cell, second).is_allowed


def test_tasks_of_a_batch_job_that_are_done_do_not_hold_the_others() -> None:
    cell = filled(running_cell(hosts=3))
    task_ids = cell.run(budgeted(batch(4), UnhealthyTasks(1)))
    for task_id in task_ids[:2]:
        cell.status(task_id, "TASK_FINISHED")
    assert count_allowed(cell, task_ids[2:]) == 1


# Rates.


@pytest.mark.parametrize(
    ("rate", "expected", "again_after_ms"),
    [
        (PercentagePerHour(25_000), 2, 3_600_000),  # floor(10 x 0.25)
        (PercentagePerHour(1_000), 1, 3_600_000),  # At least one.
        (PerInterval(600_000, 3), 3, 600_000),
        (PercentagePerInterval(600_000, 39_000), 3, 600_000),
    ],
)
def test_titus_rates_slide(rate: Any, expected: int, again_after_ms: int) -> None:
    """Titus 4.5: floor(size x p/100), at least 1, in a sliding window."""
    cell = filled(running_cell(hosts=3))
    task_ids = cell.run(budgeted(service(10), AvailabilityPercentage(0), rate))
    assert count_allowed(cell, task_ids[:1]) == 1
    cell.pass_ms(100_000)
    assert count_allowed(cell, task_ids[1:]) == expected - 1
    refused = evict(cell, task_ids[-1])
    assert refused.limit == "rate"
    left = [each for each in task_ids if not isinstance(cell.task_state(each), KillInitiated)]
    cell.pass_ms(again_after_ms - 100_000 - 1)
    assert count_allowed(cell, left) == 0
    cell.tick(1)
    assert count_allowed(cell, left) == 1, "the first slid out, the others count still"


def test_titus_relocation_limit_follows_the_original_task() -> None:
    """Titus 4.5: relocationLimit counts evictionResubmitNumber per original task."""
    cell = filled(running_cell(hosts=2))
    cell.run(budgeted(service(1), Relocations(2)))
    original_id = cell.task().original_id
    for moved in range(2):
        assert cell.task().eviction_resubmit_number == moved
        assert evict(cell, cell.task().task_id).is_allowed
        end_killed(cell)
    task = cell.task()
    assert (task.original_id, task.eviction_resubmit_number) == (original_id, 2)
    refused = evict(cell, task.task_id)
    assert (refused.is_allowed, refused.limit) == (False, "relocationLimit")


def test_titus_an_eviction_uses_no_retry_of_the_user() -> None:
    """Titus 4.1: retries used = resubmitNumber - systemResubmitNumber - evictionResubmitNumber."""
    cell = filled(running_cell(hosts=2))
    cell.run(budgeted(batch(1, retries=1), Relocations(9)))
    for _ in range(3):
        assert evict(cell, cell.task().task_id).is_allowed
        end_killed(cell)
    task = cell.task()
    assert (task.resubmit_number, task.eviction_resubmit_number) == (3, 3)
    assert task.system_resubmit_number == 0
    cell.status(task.task_id, "TASK_FAILED")
    assert cell.task().resubmit_number == 4, "the one retry is still there"
    cell.tick(5_000)
    cell.offer("host1")
    (last,) = cell.launched()
    cell.status(last, "TASK_FAILED")
    assert isinstance(cell.task_state(last), Finished)
    assert cell.task().task_id == last


# The cell's quota.


def test_titus_the_cells_bucket_starts_empty_and_fills_to_500() -> None:
    """Titus 4.5: token bucket capacity [500], +[50]/s, starts empty."""
    cell = running_cell(hosts=3)
    (task_id,) = cell.run(budgeted(service(1)))
    assert evict(cell, task_id).limit == "systemTokens"
    cell.tick(1_000)
    assert Quotas(cell.state).system().count == 50
    cell.pass_ms(60_000)
    assert Quotas(cell.state).system().count == 500
    cell.elect("cell-1")
    assert Quotas(cell.state).system().count == 0, "the next leader begins with an empty one"


def test_a_refusal_of_either_leaves_both_quotas_as_they_were() -> None:
    cell = running_cell(hosts=3)
    rate = PerInterval(600_000, 1)
    task_ids = cell.run(budgeted(service(4), AvailabilityPercentage(0), rate))
    cell.set_policy(eviction_tokens_per_s=1)
    cell.tick(1_000)
    before = Quotas(cell.state)
    assert (before.system().count, before.job(JobId("job")).count) == (1, 1)
    assert evict(cell, task_ids[0]).is_allowed
    assert evict(cell, task_ids[1]).limit in {"rate", "systemTokens"}
    milli, known = tokens_milli(cell.state), dict(cell.state.evictions)
    cell.tick(1_000)
    assert evict(cell, task_ids[1]).limit == "rate"
    assert tokens_milli(cell.state) == milli + 1_000, "the cell's token was given back"
    cell.set_policy(eviction_tokens_per_s=0)
    cell.elect("cell-1")
    led_on(cell)
    cell.pass_ms(600_000)
    assert evict(cell, task_ids[2]).limit == "systemTokens"
    assert cell.state.evictions in ({}, known), "the job's rate was not used"


def test_the_queue_of_evictions_takes_no_more_than_the_policy_allows() -> None:
    """Titus 4.5: one serialized executor, queue [200]."""
    assert running_cell().state.policy.evictions_waiting_max == 200
    cell = filled(running_cell(hosts=3))
    task_ids = cell.run(budgeted(service(6), AvailabilityPercentage(0)))
    cell.set_policy(evictions_waiting_max=2)
    assert count_allowed(cell, task_ids) == 2
    assert evict(cell, task_ids[2]).limit == "queue"
    cell.decide_and_carry_out()  # The kills leave.
    assert count_allowed(cell, task_ids[2:]) == 2


def rules_of(**values: Any) -> RulesAsked:
    """An operator's rules for evictions."""
    return RulesAsked(PlacementRules(evictions=EvictionRules(**values)), {}, "op", "test")


def at(cell: CellInMemory, instant_ms: int) -> None:
    """Let it be that instant, with a gap in which nobody looked."""
    assert instant_ms > cell.now_ms
    cell.tick(instant_ms - cell.now_ms)
    cell.tick(15_000)


FRIDAY_16_UTC = 1_700_236_800_000 - 30_000
"""2023-11-17, 08:00 in Los Angeles: half a minute before."""
HOUR = 3_600_000


@pytest.mark.parametrize(
    ("after_h", "is_open"), [(-0.25, False), (0.25, True), (8.9, True), (9.1, False), (24.5, False)]
)
def test_titus_the_last_hour_of_a_window_is_included(after_h: float, is_open: bool) -> None:
    """Titus 4.5: weekdays 08-16 Pacific, end hour inclusive (to 16:59)."""
    cell = running_cell(hosts=3)
    (task_id,) = cell.run(budgeted(service(1)))
    cell.copy("commands", rules_of(windows=(TITUS_WINDOW,)))
    at(cell, FRIDAY_16_UTC + int(after_h * HOUR))
    answer = evict(cell, task_id)
    assert answer.is_allowed is is_open
    assert answer.limit == ("" if is_open else "systemWindow")


def test_titus_exempt_applications_ignore_the_window_and_nothing_else() -> None:
    """Titus 4.5: exempt apps by regex ignore only the window."""
    cell = running_cell(hosts=3)
    task_ids = cell.run(budgeted(service(4), UnhealthyTasks(1)))
    cell.copy("commands", rules_of(windows=(TITUS_WINDOW,), exempt=("a*p",)))
    cell.set_policy(eviction_tokens_per_s=1)
    at(cell, FRIDAY_16_UTC + 30 * HOUR)
    assert evict(cell, task_ids[0]).is_allowed
    assert evict(cell, task_ids[1]).limit == "health"


def test_a_jobs_own_window_says_when_it_opens() -> None:
    cell = running_cell(hosts=3)
    (task_id,) = cell.run(budgeted(service(1), windows=(TITUS_WINDOW,)))
    at(cell, FRIDAY_16_UTC - HOUR)
    refused = evict(cell, task_id)
    assert refused.limit == "window"
    assert "open in 61 min" in refused.message or "open in 60 min" in refused.message


# Requests.


def test_what_cannot_be_evicted_is_refused_and_not_counted() -> None:
    cell = filled(running_cell(hosts=1, cpus=1))
    task_ids = cell.run(budgeted(service(1)))
    cell.submit(budgeted(service(1)), "waits")
    for task_id, code in (
        (TaskId("gone-0-1"), "unknown"),
        (cell.task(0, "waits").task_id, "state"),
    ):
        cell.copy("jobs", TaskEvictionAsked(task_id))
        (refused,) = [each for each in cell.said_last() if isinstance(each, JobRejected)]
        assert [each.code for each in refused.faults] == [code]
    assert evict(cell, task_ids[0]).is_allowed
    cell.copy("jobs", TaskEvictionAsked(task_ids[0]))
    assert isinstance(cell.said_last()[0], JobRejected), "it ends already"


def test_an_eviction_names_its_reason_and_its_task_is_replaced() -> None:
    cell = filled(running_cell(hosts=2))
    (task_id,) = cell.run(budgeted(service(1)))
    evict(cell, task_id, "new kernel")
    killed = cell.is_in(task_id, KillInitiated)
    assert (killed.reason, killed.message) == ("evicted", "ada: new kernel")
    end_killed(cell)
    assert cell.is_in(task_id, Finished).reason == "evicted"
    assert cell.task().resubmit_of == task_id


def test_a_job_is_given_another_budget_by_version() -> None:
    cell = filled(running_cell(hosts=2))
    task_ids = cell.run(service(4))
    version = cell.state.jobs[JobId("job")].version
    budget = DisruptionBudget(UnhealthyTasks(2))
    cell.copy("jobs", JobBudgetAsked(JobId("job"), budget, if_version=version + 5))
    assert isinstance(cell.said_last()[0], JobRejected)
    cell.copy("jobs", JobBudgetAsked(JobId("job"), budget, if_version=version))
    assert isinstance(cell.said_last()[0], RequestAccepted)
    job = cell.state.jobs[JobId("job")]
    assert (job.spec.budget, job.version) == (budget, version + 1)
    cell.copy("jobs", JobBudgetAsked(JobId("job"), budget))
    assert cell.state.jobs[JobId("job")].version == version + 1, "the same again changes nothing"
    assert count_allowed(cell, task_ids) == 2


def test_titus_a_self_managed_job_falls_back_to_90_percent_and_20_an_hour() -> None:
    """Titus 4.5: past the deadline a fallback budget applies [90 % healthy, 20 %/h]."""
    cell = filled(running_cell(hosts=6))
    task_ids = cell.run(budgeted(service(20), SelfManaged(60_000)))
    assert Quotas(cell.state).job(JobId("job")).count == 2
    assert count_allowed(cell, task_ids) == 2


def test_nothing_is_evicted_while_the_cell_is_safe_and_what_was_let_through_waits() -> None:
    cell = filled(running_cell(hosts=3))
    task_ids = cell.run(budgeted(service(6), AvailabilityPercentage(0)))
    assert evict(cell, task_ids[0]).is_allowed
    for number in range(4):
        cell.status(TaskId(f"stranger-{number}"), "TASK_RUNNING", host_id="host1")
    assert cell.state.safe is not None
    assert evict(cell, task_ids[1]).limit == "safe"
    cell.decide_and_carry_out()
    assert cell.is_in(task_ids[0], KillInitiated).kill_sent_at_ms is None


def test_a_restarted_fold_knows_the_same_quotas() -> None:
    cell = filled(running_cell(hosts=3))
    rate = PerInterval(600_000, 3)
    task_ids = cell.run(budgeted(service(6), AvailabilityPercentage(0), rate))
    assert count_allowed(cell, task_ids[:2]) == 2
    again = type(cell.machine).restored(cell.machine.kept())
    assert again.digest.value() == cell.machine.digest.value()
    assert cell.refolded().digest.value() == cell.machine.digest.value()
    assert Quotas(again.state).job(JobId("job")) == Quotas(cell.state).job(JobId("job"))


# Preemption.

WHOLE = Need(4_000, 1_000)


def preempting_cell(budget: DisruptionBudget | None) -> CellInMemory:
    """Two hosts full of Flex work of one job, and a guaranteed service that waits for one."""
    cell = running_cell(hosts=2)
    cell.run(replace(service(2, need=WHOLE), budget=budget), "flex")
    rules = PlacementRules()
    web = CapacityGroup(name="web", tier="Critical", guarantee=Amount(cpu_milli=4_000))
    rules = replace(rules, groups=(*rules.groups, web))
    cell.copy("commands", RulesAsked(rules=rules, values={}, actor="op", why="test"))
    cell.submit(replace(service(1, need=WHOLE), capacity_group="web"), "web")
    return cell


@pytest.mark.parametrize(
    ("budget", "is_ended"),
    [
        (None, True),
        (DisruptionBudget(UnhealthyTasks(1)), True),
        (DisruptionBudget(Relocations(1)), True),
        (DisruptionBudget(UnhealthyTasks(1), windows=(Window((5,), (Hours(0, 0),)),)), False),
        (DisruptionBudget(UnhealthyTasks(1), PerInterval(600_000, 1)), True),
    ],
)
def test_preemption_asks_the_jobs_own_budget(
    budget: DisruptionBudget | None, is_ended: bool
) -> None:
    cell = preempting_cell(budget)
    found = [each for _, each in cell.decide() if isinstance(each, PreemptTask)]
    assert bool(found) is is_ended
    victims = [each.task_id for each in cell.tasks("flex")]
    assert sum(isinstance(cell.task_state(each), KillInitiated) for each in victims) == is_ended
    if budget is not None and is_ended:
        left = next(
            each for each in victims if not isinstance(cell.task_state(each), KillInitiated)
        )
        host_id = cell.host_of(left)
        assert host_id is not None
        cell.write(PreemptTask(left, host_id, JobId("web"), "a wrong decide"))
        refused = [each for each in cell.said_last() if isinstance(each, ProposalRefused)]
        is_refused = not isinstance(budget.policy, Relocations)
        assert bool(refused) is is_refused
        assert not refused or "its job's disruption budget" in refused[0].why
