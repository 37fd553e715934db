"""Steps of healing one by one: moving tasks, ending instances, judging; and their time limits."""

from typing import Any

import pytest

from scheduler.disruption.marks import REQUIRED_IMMEDIATELY
from scheduler.fold import fleet_orders, healing, healing_steps
from scheduler.fold.healing import held_by
from scheduler.model.changes import CellPaged, JobRejected
from scheduler.model.events import EffectEnded, EffectStarted
from scheduler.model.fleet import EndInstance
from scheduler.model.healing import RunbooksAsked
from scheduler.model.health import HostJudged
from scheduler.model.ids import HostId, ProposalId, TaskId
from scheduler.model.inbound import Fault, HostMarked, HostOrdered
from tests.support.cell import CellInMemory, service
from tests.support.fleet import FleetWorld, SimGroup
from tests.unit.core.test_healing import (
    BOOK,
    H1,
    answer,
    healing_cell,
    order,
    outcomes,
    probed,
    read,
    run_of,
    sicken,
)

PAGE: dict[str, Any] = {"page": {}}
MINUTE_MS = 60_000


def _fault(cell: CellInMemory) -> Fault:
    """Why the last request was refused."""
    return cell.said(JobRejected)[-1].faults[0]


def test_tasks_are_moved_at_once_and_the_mark_goes_with_the_run() -> None:
    cell = healing_cell(steps=[{"reschedule": {"timeoutSeconds": 600}}, PAGE])
    (task_id,) = cell.run(service(1))
    cell.status(task_id, "TASK_RUNNING")
    host_id = cell.host_of(task_id)
    assert host_id is not None
    sicken(cell, host_id)
    assert dict(cell.state.host_marks[host_id]) == {REQUIRED_IMMEDIATELY: "true"}
    for _ in range(10):
        cell.tick(10_000)
        for each in cell.launched():
            cell.status(each, "TASK_RUNNING")
        if task_id in cell.state.killing:
            cell.status(task_id, "TASK_KILLED")
    run = run_of(cell, host_id)
    assert outcomes(run) == ["reschedule done", "page done"]
    assert run.records[0].detail == "no task is there any more"
    assert host_id not in cell.state.host_marks


def test_what_does_not_leave_in_time_is_told_with_its_number() -> None:
    cell = healing_cell(steps=[{"drain": {"timeoutSeconds": 60}}, PAGE])
    cell.set_policy(health_away_percent=100)
    cell.run(service(2), "svc")
    host_id = cell.place(cell.task(0, "svc").task_id).host_id
    there = len(cell.state.host_tasks[host_id])
    sicken(cell, host_id)
    cell.pass_ms(70_000)
    first = run_of(cell, host_id).records[0]
    assert (first.outcome, first.detail) == ("timedOut", f"{there} tasks are still there")


def test_a_host_that_an_operator_drains_is_his() -> None:
    cell = healing_cell(steps=[{"drain": {"timeoutSeconds": 60}}])
    cell.copy("commands", HostOrdered(H1, "draining", "ann", "disk"))
    sicken(cell)
    cell.tick()
    assert outcomes(run_of(cell)) == ["drain done"]
    assert cell.state.host_orders[H1].actor == "ann"


def test_checks_that_do_not_come_are_waited_for_so_long() -> None:
    cell = healing_cell(steps=[{"probe": {"looks": 2, "timeoutSeconds": 60}}, PAGE])
    sicken(cell)
    probed(cell, "good")
    cell.pass_ms(MINUTE_MS)
    first = run_of(cell).records[0]
    assert (first.outcome, first.detail) == ("timedOut", "1 of 2 good rounds of checks")


def test_a_judge_without_an_answer_takes_the_host_for_sick() -> None:
    steps = [
        {"diagnose": {"script": "runtime-status", "otherwise": "judge"}},
        {"judge": {"exits": [1]}},
        PAGE,
    ]
    cell = healing_cell(steps=steps)
    sicken(cell)
    order_id = ProposalId(run_of(cell).order_id)
    cell.write(EffectEnded(order_id, "sent", exit_code=0))
    assert run_of(cell).records == (), "it was not started"
    cell.write(EffectStarted(order_id))
    cell.write(EffectEnded(order_id, "refused", "no such host"))
    records = run_of(cell).records
    assert (records[0].outcome, records[0].detail) == ("failed", "no such host")
    assert records[1].detail == "nothing answered, so the host is taken for sick"


def test_a_judge_says_what_was_answered() -> None:
    steps = [
        {"diagnose": {"script": "runtime-status"}},
        {"judge": {"exits": [1], "otherwise": "page"}},
        {"drain": {"timeoutSeconds": 60}},
        PAGE,
    ]
    sick, well = healing_cell(steps=steps), healing_cell(steps=steps)
    for cell, exit_code in ((sick, 1), (well, 0)):
        sicken(cell)
        answer(cell, exit_code)
    assert run_of(sick).records[1].detail == "diagnose answered 1"
    assert run_of(well).records[1].detail == "diagnose answered 0, not [1]"
    assert outcomes(run_of(well)) == ["diagnose done", "judge jumped", "page done"]


def _sick_world(*steps: dict[str, Any]) -> tuple[FleetWorld, HostId]:
    world = FleetWorld(SimGroup("blue", desired=2))
    world.pass_ms(2 * MINUTE_MS)
    world.cell.copy("commands", RunbooksAsked(read({**BOOK, "steps": list(steps)}), "ann", "x"))
    host_id = min(world.state.hosts)
    world.cell.copy("verdicts", HostJudged(host_id, "lines", "sick", 900))
    world.cell.tick()
    return world, host_id


def test_an_instance_is_ended_and_another_takes_its_place() -> None:
    world, host_id = _sick_world({"drain": {"timeoutSeconds": 60}}, {"terminate": {}})
    run = run_of(world.cell, host_id)
    (instance_id,) = (
        each.instance_id for each in world.state.cloud_instances.values() if each.host_id == host_id
    )
    assert run.records[1].detail == (
        f"instance {instance_id} of blue is ended, and another takes its place"
    )
    (effect,) = (
        each.effect
        for each in world.state.fleet_orders.values()
        if isinstance(each.effect, EndInstance)
    )
    assert (effect.instance_id, effect.is_decrement) == (instance_id, False)
    assert effect.why.startswith(f"healing {run.run_id}: ")
    assert run.state == "replaced"
    assert world.state.host_orders[host_id].standing == "draining", "nothing begins there"
    world.pass_ms(60 * MINUTE_MS)
    assert world.size() == 2
    assert host_id not in world.state.host_orders, "it is gone, and so is its order"


def test_an_instance_with_tasks_and_one_of_nobody_are_not_ended() -> None:
    cell = healing_cell(steps=[{"terminate": {}}, PAGE])
    (task_id,) = cell.run(service(1))
    busy = cell.host_of(task_id)
    assert busy is not None
    idle = next(each for each in cell.state.hosts if each != busy)
    for host_id, detail in (
        (busy, "tasks are still there; put a drain or reschedule before it"),
        (idle, "no cloud group is known to have it"),
    ):
        order(cell, "start", runbook="runtime", host_id=host_id)
        first = run_of(cell, host_id).records[0]
        assert (first.outcome, first.detail) == ("failed", detail)
    page = cell.said(CellPaged)[-1]
    assert (
        page.what
        == f"host {cell.state.hostname(idle)} is sick, and runbook runtime could not heal it"
    )
    assert "Last: no cloud group is known to have it. Group (none); " in page.why


def test_what_cannot_be_ordered_of_healing_is_refused_in_words() -> None:
    cell = healing_cell()
    order(cell, "start", runbook="none", host_id=H1)
    assert (_fault(cell).field, _fault(cell).text) == ("runbook", "no runbook none")
    order(cell, "start", runbook="runtime", host_id=H1)
    order(cell, "start", runbook="runtime", host_id=H1)
    assert (_fault(cell).field, _fault(cell).code) == ("hostId", "state")
    assert _fault(cell).text == "a run on host host1 is under way"
    run = run_of(cell)
    assert (run.cause, run.actor) == ("bob: seen", "bob")
    order(cell, "stop", run_id=run.run_id)
    order(cell, "stop", run_id=run.run_id)
    assert (_fault(cell).field, _fault(cell).text) == ("runId", f"run {run.run_id} is stopped")


def test_a_runbook_of_a_group_leaves_other_hosts_alone() -> None:
    cell = healing_cell(when={**BOOK["when"], "groups": ["blue"]})
    sicken(cell)
    assert cell.state.healing_runs == {}


def test_a_safe_cell_begins_no_run_and_says_which_limit_holds_the_next() -> None:
    cell = healing_cell(limits={"atOnce": 1, "perHour": 9, "againSeconds": 600})
    runbook = cell.state.runbooks["runtime"]
    for number in range(3):
        task_id = TaskId(f"stranger-worker-0-{number}")
        cell.status(task_id, "TASK_RUNNING", host_id=HostId("x"))
    sicken(cell)
    assert (cell.state.away_hosts, cell.state.healing_runs) == ({H1: None}, {})
    order(cell, "start", runbook="runtime", host_id=H1)
    other = HostId("host2")
    text = "1 runs of runtime are under way; atOnce is 1"
    assert held_by(cell.state, runbook, other) == text
    order(cell, "stop", run_id=run_of(cell).run_id)
    assert held_by(cell.state, runbook, other) == ""
    text = "runtime ran there already; againSeconds is 600"
    assert held_by(cell.state, runbook, H1) == text


def test_good_checks_count_where_they_are_waited_for_and_a_script_has_its_time() -> None:
    cell = healing_cell(approval=True)
    sicken(cell)
    probed(cell, "good", times=3)
    cell.pass_ms(600_000)
    run = run_of(cell)
    assert (run.state, run.good_looks, run.records) == ("waiting", 0, ())
    order(cell, "approve", run_id=run.run_id)
    probed(cell, "good", times=3)
    assert run_of(cell).good_looks == 0, "a script runs, and no check is waited for"


def test_only_so_many_runs_that_are_over_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healing, "RUNS_KEPT_MAX", 2)
    cell = healing_cell(steps=[PAGE], hosts=4)
    for number in (1, 2, 3, 4):
        order(cell, "start", runbook="runtime", host_id=HostId(f"host{number}"))
    assert [each.host_id for each in cell.state.healing_runs.values()] == ["host3", "host4"]


def test_a_run_leaves_the_marks_and_the_order_of_others() -> None:
    cell = healing_cell(steps=[PAGE])
    cell.copy("commands", HostMarked(H1, ((REQUIRED_IMMEDIATELY, "true"),), (), "ann", "mine"))
    cell.copy("commands", HostOrdered(H1, "disabled", "ann", "disk"))
    order(cell, "start", runbook="runtime", host_id=H1)
    assert run_of(cell).state == "paged"
    assert cell.state.host_marks == {H1: ((REQUIRED_IMMEDIATELY, "true"),)}
    assert cell.state.host_orders[H1].actor == "ann"


def test_a_run_that_is_stopped_gives_its_host_back() -> None:
    cell = healing_cell(steps=[{"drain": {"timeoutSeconds": 60}}, PAGE])
    cell.run(service(6))
    order(cell, "start", runbook="runtime", host_id=H1)
    assert cell.state.host_orders[H1].standing == "draining"
    order(cell, "stop", run_id=run_of(cell).run_id)
    assert (cell.state.host_orders, run_of(cell).state) == ({}, "stopped")
    assert H1 in cell.state.hosts_changed


def test_marks_beyond_what_is_kept_are_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healing_steps, "MARKS_MAX", 1)
    cell = healing_cell(steps=[{"reschedule": {"timeoutSeconds": 60}}, PAGE])
    other = HostId("host2")
    cell.copy("commands", HostMarked(other, (("disk", "old"),), (), "ann", "mine"))
    task_ids = cell.run(service(12))
    assert {cell.host_of(each) for each in task_ids} >= {H1, other}
    for host_id, marks in ((H1, []), (other, ["disk", REQUIRED_IMMEDIATELY])):
        order(cell, "start", runbook="runtime", host_id=host_id)
        assert outcomes(run_of(cell, host_id)) == []
        assert [name for name, _ in cell.state.host_marks.get(host_id, ())] == sorted(marks)


def test_an_instance_that_cannot_be_ordered_away_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_orders, "ORDERS_MAX", 0)
    world, host_id = _sick_world({"drain": {"timeoutSeconds": 60}}, {"terminate": {}}, PAGE)
    (instance_id,) = (
        each.instance_id for each in world.state.cloud_instances.values() if each.host_id == host_id
    )
    record = run_of(world.cell, host_id).records[1]
    text = f"instance {instance_id} cannot be ended now: see `flumina fleet`"
    assert (record.outcome, record.detail) == ("failed", text)
