"""What jobs demand of time: the order of those that wait, and alarms when it is not kept.

Time moves by ticks. The events are those that producers and operators see.
"""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from projections.cell_view import CellView
from projections.snapshot.format import Expected, capture, decode, encode
from projections.why import Unknown, why
from scheduler.model.changes import JobSlaChanged
from scheduler.model.codec import decode_record
from scheduler.model.descriptor import decode_descriptor
from scheduler.model.job import JobSpec
from scheduler.model.reading.faults import path_below
from tests.support.cell import CellInMemory, batch, running_cell, service

COMPLETE = "flumina.sla.completeWithinSec"
START = "flumina.sla.startWithinSec"
RUNTIME = "flumina.runtimePredictionSec"


def _with(spec: JobSpec, **attributes: int) -> JobSpec:
    names = {"complete": COMPLETE, "start": START, "runtime": RUNTIME}
    pairs = tuple(sorted((names[name], str(value)) for name, value in attributes.items()))
    return replace(spec, attributes=pairs)


def _told(cell: CellInMemory) -> list[tuple[str, str]]:
    return [
        (each.kind, each.stand) for _, _, each in cell.changes if isinstance(each, JobSlaChanged)
    ]


def _order(cell: CellInMemory) -> list[str]:
    """Jobs in the order in which they get the only place there is."""
    found: list[str] = []
    for number in range(len(cell.state.jobs)):
        cell.offer(f"small{number}", cpus=1)
        cell.launched()
        placed = {task.job_id for task in cell.state.tasks.values() if cell.host_of(task.task_id)}
        found += sorted(placed - set(found))
    return found


def test_what_waits_in_a_group_stands_in_the_order_of_its_slack() -> None:
    cell = running_cell(0)
    whole = {"need": batch().container.need}
    need = replace(whole["need"], cpu_milli=1_000)
    cell.submit(batch(1, need=need), "anytime")
    cell.submit(_with(batch(1, need=need), complete=10_000, runtime=10), "late")
    cell.submit(_with(batch(1, need=need), complete=10_000, runtime=9_000), "long")
    cell.submit(_with(batch(1, need=need), complete=600, runtime=10), "soon")
    assert _order(cell) == ["soon", "long", "late", "anytime"]


def test_a_batch_job_that_does_not_start_in_time_is_at_risk_then_missed() -> None:
    cell = running_cell(0)
    cell.submit(_with(batch(2), complete=600, runtime=200))
    cell.pass_ms(390_000)
    assert _told(cell) == []
    cell.pass_ms(20_000)
    assert _told(cell) == [("completion", "atRisk")]
    cell.pass_ms(200_000)
    assert _told(cell) == [("completion", "atRisk"), ("completion", "missed")]


def test_a_batch_job_that_started_in_time_is_not_at_risk() -> None:
    cell = running_cell()
    task_ids = cell.run(_with(batch(2), complete=600, runtime=200))
    cell.pass_ms(410_000)
    for task_id in task_ids:
        cell.status(task_id, "TASK_FINISHED")
    cell.pass_ms(400_000)
    assert _told(cell) == []
    assert not cell.state.slas


def test_a_job_at_risk_that_ends_in_time_is_well_again() -> None:
    cell = running_cell(0)
    cell.submit(_with(batch(1), complete=600, runtime=200))
    cell.pass_ms(420_000)
    cell.offer("host", 4)
    (task_id,) = cell.launched()
    cell.status(task_id, "TASK_RUNNING")
    cell.status(task_id, "TASK_FINISHED")
    assert _told(cell) == [("completion", "atRisk"), ("completion", "met")]


def test_without_a_prediction_a_fifth_of_the_time_is_taken_for_the_run() -> None:
    cell = running_cell(0)
    cell.submit(_with(batch(1), complete=600))
    cell.pass_ms(479_000)
    assert _told(cell) == []
    cell.pass_ms(2_000)
    assert _told(cell) == [("completion", "atRisk")]


def test_a_service_that_starts_too_slowly_is_told_of_once_and_counted() -> None:
    cell = running_cell(0)
    cell.submit(_with(service(3), start=30))
    cell.pass_ms(29_000)
    assert _told(cell) == []
    cell.tick(2_000)
    assert _told(cell) == [("start", "missed")]
    standing = cell.state.slas[next(iter(cell.state.slas))]
    assert standing.late_waiting == 3
    cell.offer("host", 4)
    for task_id in cell.launched():
        cell.status(task_id, "TASK_RUNNING")
    assert _told(cell) == [("start", "missed"), ("start", "met")]
    standing = cell.state.slas[next(iter(cell.state.slas))]
    assert (standing.starts, standing.late_starts, standing.late_waiting) == (3, 3, 0)
    assert standing.slowest_start_ms == 31_000
    assert not cell.state.sla_starts


def test_tasks_that_start_in_time_alarm_nobody() -> None:
    cell = running_cell()
    cell.run(_with(service(3), start=30))
    cell.pass_ms(100_000)
    assert _told(cell) == []
    standing = cell.state.slas[next(iter(cell.state.slas))]
    assert (standing.starts, standing.late_starts) == (3, 0)


def test_a_killed_job_leaves_nothing_behind() -> None:
    cell = running_cell(0)
    cell.submit(_with(service(3), start=30))
    cell.kill_job()
    assert not cell.state.slas
    assert not cell.state.sla_starts
    cell.pass_ms(100_000)
    assert _told(cell) == []


def test_jobs_that_demand_nothing_cost_nothing() -> None:
    cell = running_cell()
    cell.run(service(2))
    assert not cell.state.slas
    assert not cell.state.sla_starts
    assert not any(kind.startswith("sla") for _, kind, _ in cell.machine.kept().deadlines)


@pytest.mark.parametrize("name", [COMPLETE, START])
@pytest.mark.parametrize("value", ["0", "soon", "-1", "1.5", ""])
def test_what_cannot_be_read_is_refused_by_its_attribute(name: str, value: str) -> None:
    descriptor: dict[str, Any] = {
        "owner": {"teamEmail": "ada@example.org"},
        "applicationName": "app",
        "container": {"resources": {"cpu": 1, "memoryMB": 64}, "command": ["true"]},
        "batch": {"size": 1},
        "attributes": {name: value},
    }
    found = decode_descriptor(json.dumps(descriptor).encode())
    assert isinstance(found, tuple)
    assert [each.field for each in found] == [path_below("attributes", name)]


def test_why_says_what_is_demanded_and_how_it_stands() -> None:
    cell = running_cell(0)
    cell.submit(_with(service(1), start=30), "web")
    cell.submit(_with(batch(1), complete=600, runtime=200), "night")
    cell.pass_ms(450_000)
    view = CellView()
    for offset, data in enumerate(cell.log):
        view.apply(offset, decode_record(data))
    for name, sentence in (
        ("web", "Its tasks should start within 30.0 s"),
        ("night", "at risk"),
    ):
        told = why(view, name)
        assert not isinstance(told, Unknown)
        assert any(sentence in each for each in told.sentences), told.sentences


def test_what_is_demanded_and_what_fails_comes_back_from_a_snapshot() -> None:
    cell = running_cell()
    cell.submit(_with(service(3), start=30), "web")
    cell.submit(_with(batch(1), complete=600, runtime=200), "night")
    (task_id,) = cell.run(service(1), "failing")
    cell.status(task_id, "TASK_FAILED")
    cell.pass_ms(31_000)
    state = cell.state
    assert state.slas
    assert state.sla_starts
    assert state.crash_loops
    machine = decode(encode(capture(cell.machine)).data, Expected()).machine
    assert machine.state.slas == state.slas
    assert machine.state.sla_starts == state.sla_starts
    assert machine.state.crash_loops == state.crash_loops
    assert machine.digest.value() == cell.machine.digest.value()
