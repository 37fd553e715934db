"""Relocation: who has to leave his host, when his owner's time is up, and in which order they go.

Each test begins with services that run, or says what it begins with. Time moves by ticks only.
"""

from typing import Any

import pytest
from msgspec.structs import replace

from scheduler.disruption.marks import (
    NOT_ALLOWED,
    REQUIRED,
    REQUIRED_BY,
    REQUIRED_BY_IMMEDIATELY,
    REQUIRED_IMMEDIATELY,
)
from scheduler.model.changes import EvictionDecided, RelocationEnded, RelocationPlanned
from scheduler.model.disruption import (
    AvailabilityPercentage,
    BudgetPolicy,
    DisruptionBudget,
    RelocationPlan,
    SelfManaged,
    UnhealthyTasks,
)
from scheduler.model.ids import HostId, JobId, OfferId, TaskId
from scheduler.model.inbound import HostMarked, HostOrdered, RulesAsked
from scheduler.model.job import JobSpec
from scheduler.model.job_requests import JobAttributesAsked, TaskAttributesAsked
from scheduler.model.mesos import HostFacts, Offer
from scheduler.model.resources import Resources
from scheduler.model.rules import InstanceGroup, PlacementRules
from scheduler.model.task import KillInitiated, Started
from tests.support.cell import CellInMemory, batch, running_cell, service

ANY = AvailabilityPercentage(0)
ONE = UnhealthyTasks(1)
LOOK_MS = 30_000


def with_budget(spec: JobSpec, policy: BudgetPolicy = ANY) -> JobSpec:
    """The job with a budget of its own."""
    return replace(spec, budget=DisruptionBudget(policy))


def drain(cell: CellInMemory, host: str, standing: Any = "draining") -> None:
    """An operator empties a host, or lets it be used again."""
    cell.copy("commands", HostOrdered(HostId(host), standing, "op", "new kernel"))


def mark_task(cell: CellInMemory, task_id: TaskId, name: str, value: str = "true") -> None:
    """Somebody writes a mark on a task."""
    cell.copy("jobs", TaskAttributesAsked(task_id, ((name, value),)))


def mark_job(cell: CellInMemory, name: str, value: str = "true", job_id: str = "job") -> None:
    """Somebody writes a mark on a job."""
    cell.copy("jobs", JobAttributesAsked(JobId(job_id), ((name, value),)))


def settled(hosts: int = 2) -> CellInMemory:
    """A cell whose bucket is full and whose looks have begun."""
    cell = running_cell(hosts)
    cell.tick(15_000)
    return cell


def until_descheduled(cell: CellInMemory) -> None:
    """Let the next look that evicts pass."""
    before = cell.state.clock.descheduled_at_ms
    while cell.state.clock.descheduled_at_ms == before:
        cell.tick(10_000)


def planned(cell: CellInMemory) -> dict[TaskId, RelocationPlan]:
    """The plans after the next look."""
    before = cell.state.clock.planned_at_ms
    while cell.state.clock.planned_at_ms == before:
        cell.tick(10_000)
    return cell.state.plans


def going(cell: CellInMemory, task_ids: list[TaskId]) -> list[TaskId]:
    """Those of the tasks that are being ended."""
    return [each for each in task_ids if isinstance(cell.task_state(each), KillInitiated)]


def end_killed(cell: CellInMemory, *hosts: str) -> None:
    """Carry out kills, and start what takes their place on these hosts."""
    cell.decide_and_carry_out()
    for task_id in list(cell.state.killing):
        cell.status(task_id, "TASK_KILLED")
    cell.tick(2_000)
    for host in hosts:
        cell.offer(host, cpus=8)
    for task_id in cell.launched():
        cell.status(task_id, "TASK_RUNNING")


# Draining.


def test_a_drained_host_is_emptied_within_budgets_and_its_tasks_go_elsewhere() -> None:
    cell = settled(hosts=1)
    task_ids = cell.run(with_budget(service(4), ONE))
    drain(cell, "host1")
    looks = 0
    while any(cell.host_of(each.task_id) == "host1" for each in cell.tasks()) and looks < 20:
        until_descheduled(cell)
        looks += 1
        assert len(going(cell, [each.task_id for each in cell.tasks()])) <= 1, "the floor is three"
        end_killed(cell, "host2")
    assert looks == 4
    assert all(cell.host_of(each.task_id) == "host2" for each in cell.tasks())
    assert all(each.eviction_resubmit_number == 1 for each in cell.tasks())
    done = [each for each in cell.said(RelocationEnded) if each.is_done_by_us]
    assert {each.task_id for each in done} == set(task_ids)
    assert not cell.state.plans


def test_a_host_that_is_used_again_keeps_its_tasks() -> None:
    cell = settled(hosts=1)
    (task_id,) = cell.run(with_budget(service(1), SelfManaged(600_000)))
    drain(cell, "host1")
    assert planned(cell)[task_id].reason == "hostDraining"
    drain(cell, "host1", "enabled")
    assert not planned(cell)
    (ended,) = cell.said(RelocationEnded)
    assert (ended.is_done_by_us, ended.message) == (
        False,
        "it need not leave its host any more",
    )
    assert isinstance(cell.task_state(task_id), Started)


def test_a_plan_that_waits_says_why() -> None:
    cell = settled(hosts=1)
    cell.run(with_budget(service(4), ONE))
    drain(cell, "host1")
    until_descheduled(cell)
    waiting = [each for each in cell.state.plans.values() if each.limit]
    assert {each.limit for each in waiting} == {"health"}
    assert "of 4 tasks of job job are healthy, 3 must stay so" in waiting[0].limit_message
    assert len([each for each in cell.said(EvictionDecided) if not each.is_allowed]) == 3
    until_descheduled(cell)
    assert waiting[0].attempts < cell.state.plans[waiting[0].task_id].attempts
    refused = [each for each in cell.said(EvictionDecided) if not each.is_allowed]
    assert len(refused) == 3, "the same refusal is told once"


# Notice.


@pytest.mark.parametrize(
    ("spec", "notice_ms"),
    [
        (service(1), 60_000),
        (replace(service(1), migration="selfManaged"), 7 * 24 * 3_600_000),
        (batch(1), 518_400_000),
        (with_budget(service(1), SelfManaged(90_000)), 90_000),
        (with_budget(service(1), ONE), 0),
    ],
)
def test_titus_a_plan_is_published_with_the_owners_deadline(spec: JobSpec, notice_ms: int) -> None:
    """Titus 4.5: now + relocationTimeMs; legacy: 60 s, 7 days, batch max(60 s, 1.2 x limit)."""
    cell = settled(hosts=1)
    (task_id,) = cell.run(spec)
    drain(cell, "host1")
    cell.state.clock.descheduled_at_ms = cell.now_ms  # This look only plans.
    plan = planned(cell)[task_id]
    assert plan.deadline_ms == plan.decided_at_ms + notice_ms
    (told,) = cell.said(RelocationPlanned)
    assert told.deadline_ms == plan.deadline_ms


def test_a_short_batch_job_has_a_minute_at_least() -> None:
    cell = settled(hosts=1)
    spec = batch(1)
    cell.run(replace(spec, kind=replace(spec.kind, runtime_limit_ms=10_000_000)))
    short = replace(spec, kind=replace(spec.kind, runtime_limit_ms=7_000))
    assert cell.state.policy.batch_notice_ms_min == 60_000
    from scheduler.disruption.budgets import notice_ms  # noqa: PLC0415 - one test's own question

    assert notice_ms(cell.state.policy, short) == 60_000
    assert notice_ms(cell.state.policy, cell.state.jobs[JobId("job")].spec) == 12_000_000


def test_a_self_managed_task_stays_until_its_owners_time_is_up() -> None:
    cell = settled(hosts=1)
    (task_id,) = cell.run(with_budget(service(1), SelfManaged(200_000)))
    drain(cell, "host1")
    deadline_ms = planned(cell)[task_id].deadline_ms
    while cell.now_ms + 10_000 < deadline_ms:
        cell.tick(10_000)
        assert isinstance(cell.task_state(task_id), Started)
    until_descheduled(cell)
    assert cell.is_in(task_id, KillInitiated).reason == "evicted"


def test_an_owner_who_moves_his_task_in_time_ends_the_plan() -> None:
    cell = settled(hosts=1)
    (task_id,) = cell.run(with_budget(service(1), SelfManaged(600_000)))
    drain(cell, "host1")
    assert planned(cell)
    cell.kill_task(task_id)
    assert not planned(cell)
    assert cell.said(RelocationEnded)[-1].message == "the task ended otherwise: killed"


# Marks.


@pytest.mark.parametrize("name", [REQUIRED, REQUIRED_IMMEDIATELY])
@pytest.mark.parametrize("where", ["task", "job"])
def test_titus_marks_move_a_task(name: str, where: str) -> None:
    cell = settled(hosts=1)
    (task_id,) = cell.run(with_budget(service(1)))
    if where == "task":
        mark_task(cell, task_id, name)
    else:
        mark_job(cell, name)
    until_descheduled(cell)
    assert going(cell, [task_id])


@pytest.mark.parametrize(
    ("name", "is_before", "expected"),
    [
        (REQUIRED_BY, True, True),
        (REQUIRED_BY, False, False),
        (REQUIRED_BY_IMMEDIATELY, True, True),
        (REQUIRED_BY_IMMEDIATELY, False, False),
    ],
)
def test_titus_marks_by_age_move_what_is_older(name: str, is_before: bool, expected: bool) -> None:
    cell = settled(hosts=1)
    (task_id,) = cell.run(with_budget(service(1)))
    since_ms = cell.is_in(task_id, Started).since_ms
    mark_job(cell, name, str(since_ms + 1 if is_before else since_ms))
    until_descheduled(cell)
    assert bool(going(cell, [task_id])) is expected


def test_titus_an_immediate_mark_skips_the_plan_and_not_the_budget() -> None:
    """Titus 4.5: immediate marks skip planning; the eviction service still has the last word."""
    cell = settled(hosts=3)
    task_ids = cell.run(with_budget(service(20), SelfManaged(3_600_000)))
    until_descheduled(cell)
    mark_job(cell, REQUIRED_IMMEDIATELY)
    plans = planned(cell)
    assert len(going(cell, task_ids)) == 2, "by the fallback: 90 of a hundred stay"
    assert len(plans) == 18
    assert {each.limit for each in plans.values()} == {"health"}


def test_what_may_not_be_moved_stays_whatever_else_is_asked() -> None:
    cell = settled(hosts=1)
    task_ids = cell.run(with_budget(service(3)))
    mark_task(cell, task_ids[1], NOT_ALLOWED)
    mark_task(cell, task_ids[1], REQUIRED_IMMEDIATELY)
    drain(cell, "host1")
    until_descheduled(cell)
    assert going(cell, task_ids) == [task_ids[0], task_ids[2]]


@pytest.mark.parametrize("value", ["no", "", "-1", "soon", "9" * 30])
def test_a_mark_that_cannot_be_read_is_none(value: str) -> None:
    cell = settled(hosts=1)
    (task_id,) = cell.run(with_budget(service(1)))
    mark_task(cell, task_id, REQUIRED_BY, value)
    mark_task(cell, task_id, REQUIRED, value)
    until_descheduled(cell)
    assert not going(cell, [task_id])


def test_a_job_that_is_marked_moves_once_and_not_for_ever() -> None:
    cell = settled(hosts=1)
    task_ids = cell.run(with_budget(service(2)))
    mark_job(cell, REQUIRED)
    until_descheduled(cell)
    assert going(cell, task_ids) == task_ids
    end_killed(cell, "host1", "host2")
    for _ in range(3):
        until_descheduled(cell)
    assert all(isinstance(each.state, Started) for each in cell.tasks())
    assert all(each.eviction_resubmit_number == 1 for each in cell.tasks())
    cell.copy("jobs", JobAttributesAsked(JobId("job"), (), (REQUIRED,)))
    planned(cell)
    mark_job(cell, REQUIRED)
    until_descheduled(cell)
    assert len(going(cell, [each.task_id for each in cell.tasks()])) == 2, "marked anew"


@pytest.mark.parametrize("how", ["marked", "removable"])
def test_a_host_or_group_that_operators_mark_is_emptied_and_gets_nothing(how: str) -> None:
    cell = settled(hosts=0)
    facts = HostFacts(hostname="old", attributes=(("group", "old"),))
    cell.offers(Offer(OfferId("o1"), HostId("host1"), Resources(4_000, 8_192, 10_000), facts))
    (task_id,) = cell.run(with_budget(service(1)))
    if how == "marked":
        cell.copy("commands", HostMarked(HostId("host1"), ((REQUIRED, "true"),), (), "op", "old"))
    else:
        group = InstanceGroup(name="old", lifecycle="Removable")
        rules = PlacementRules(instance_groups=(group,))
        cell.copy("commands", RulesAsked(rules, {}, "op", "old"))
    until_descheduled(cell)
    assert going(cell, [task_id])
    cell.decide_and_carry_out()
    cell.status(task_id, "TASK_KILLED")
    cell.tick(2_000)
    cell.offers(Offer(OfferId("o2"), HostId("host1"), Resources(4_000, 8_192, 10_000), facts))
    assert not cell.launched(), "what left it does not come back"
    cell.offer("host2")
    assert len(cell.launched()) == 1


# Order, and when nothing is done.


def test_titus_marks_go_before_hosts_and_the_host_that_can_be_emptied_goes_first() -> None:
    """Titus 4.5: immediate marks, then task and job marks, then the best agent to empty."""
    cell = settled(hosts=0)
    for host, job_id, size in (("host1", "many", 4), ("host2", "few", 2), ("host3", "marked", 1)):
        cell.offer(host)
        cell.run(with_budget(service(size)), job_id)
    cell.run(with_budget(service(1), ONE), "stays")
    until_descheduled(cell)
    cell.set_policy(eviction_tokens_max=3)
    drain(cell, "host1")
    drain(cell, "host2")
    mark_job(cell, REQUIRED, job_id="marked")
    until_descheduled(cell)
    went = [each.task_id for each in cell.said(EvictionDecided) if each.is_allowed]
    assert [each.split("-")[0] for each in went] == ["marked", "few", "few"]
    waiting = {each.limit for each in cell.state.plans.values()}
    assert waiting == {"systemTokens"}


def test_titus_looks_have_their_pace() -> None:
    """Titus 4.5: relocation loop [30 s], descheduling [120 s]."""
    cell = settled(hosts=1)
    until_descheduled(cell)
    began_ms, plans, turns = cell.now_ms, [], []
    for _ in range(48):
        before = cell.state.clock.planned_at_ms, cell.state.clock.descheduled_at_ms
        cell.tick(5_000)
        plans += [cell.now_ms] if cell.state.clock.planned_at_ms != before[0] else []
        turns += [cell.now_ms] if cell.state.clock.descheduled_at_ms != before[1] else []
    assert [each - began_ms for each in plans] == list(range(30_000, 240_001, 30_000))
    assert [each - began_ms for each in turns] == [120_000, 240_000]


def test_titus_stale_inputs_move_nothing() -> None:
    """Titus 4.5: skipped when inputs are staler than [30 s]."""
    cell = settled(hosts=1)
    (task_id,) = cell.run(with_budget(service(1)))
    drain(cell, "host1")
    until_descheduled(cell)
    assert going(cell, [task_id])
    end_killed(cell, "host1", "host2")
    again = cell.task().task_id
    mark_task(cell, again, REQUIRED_IMMEDIATELY)
    cell.tick(59_000)  # No time gap yet, but nobody looked for longer than 30 s.
    assert not going(cell, [again])
    assert not cell.state.plans
    planned(cell)
    assert going(cell, [again])


def test_nothing_is_moved_without_a_stream_or_while_the_cell_is_safe() -> None:
    cell = settled(hosts=1)
    (task_id,) = cell.run(with_budget(service(1)))
    mark_task(cell, task_id, REQUIRED_IMMEDIATELY)
    cell.stream_ends()
    cell.pass_ms(300_000)
    assert not going(cell, [task_id])
    cell.subscribe()
    cell.decide_and_carry_out()
    cell.answer(task_id, "TASK_RUNNING")
    for number in range(4):
        cell.status(TaskId(f"stranger-{number}"), "TASK_RUNNING", host_id="host1")
    cell.pass_ms(300_000)
    assert cell.state.safe is not None
    assert not going(cell, [task_id])


def test_a_restarted_fold_goes_on_with_the_same_plans() -> None:
    cell = settled(hosts=1)
    cell.run(with_budget(service(4), ONE))
    drain(cell, "host1")
    until_descheduled(cell)
    again = type(cell.machine).restored(cell.machine.kept())
    assert again.digest.value() == cell.machine.digest.value()
    assert again.state.plans == cell.state.plans
    assert again.state.relocated == cell.state.relocated
    assert cell.refolded().digest.value() == cell.machine.digest.value()


def test_what_is_over_is_remembered_up_to_a_limit() -> None:
    cell = settled(hosts=1)
    task_ids = cell.run(with_budget(service(4)))
    cell.set_policy(relocations_kept_max=3)
    drain(cell, "host1")
    until_descheduled(cell)
    assert list(cell.state.relocated) == sorted(task_ids)[1:]
    assert all(each.is_done_by_us for each in cell.state.relocated.values())
