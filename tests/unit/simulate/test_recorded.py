"""A recorded day as a trace: who waited from when, who ran how long, and on what hosts."""

from msgspec.structs import replace

from projections.simulate.policies import pack
from projections.simulate.recorded import RecordedDay, RecordedWaits
from projections.simulate.trace import Trace, TraceTask
from scheduler.machine import Machine
from scheduler.model.codec import decode_record
from scheduler.model.job import RetryPolicy
from scheduler.model.resources import Need
from tests.support.cell import CellInMemory, batch, running_cell

LARGE = Need(cpu_milli=3_000, memory_mib=64)


def recorded(cell: CellInMemory, first: int = 0) -> RecordedDay:
    """The day from this record on."""
    machine = Machine()
    for offset, data in enumerate(cell.log[:first]):
        machine.apply(offset, decode_record(data))
    day = RecordedDay(machine)
    for offset, data in enumerate(cell.log[first:], first):
        record = decode_record(data)
        day.take(record, machine.apply(offset, record))
    return day


def trace(cell: CellInMemory, first: int = 0) -> Trace:
    """The same as a trace."""
    return recorded(cell, first).trace(pack())


def times(found: Trace) -> dict[str, tuple[int, int | None]]:
    """When each task arrives and ends, by its id."""
    return {each.task_id: (each.arrive_ms, each.end_ms) for each in found.tasks}


def test_a_task_arrives_when_it_waited_and_runs_as_long_as_it_ran() -> None:
    cell = running_cell(1)
    cell.tick(5_000)
    cell.submit(batch(need=LARGE))
    cell.tick(2_000)
    (task_id,) = cell.launched()
    cell.tick(4_000)
    cell.status(task_id, "TASK_RUNNING")
    cell.tick(9_000)
    cell.status(task_id, "TASK_RUNNING")
    cell.status(task_id, "TASK_FINISHED")
    found = trace(cell)
    assert found.has_times
    (task,) = found.tasks
    assert (task.arrive_ms, task.end_ms) == (5_000, 14_000), "it ran for 9 s, and was 2 s on top"
    assert task.request.need == LARGE
    assert task.request.job_id == "job"
    assert recorded(cell).waits() == RecordedWaits(1, 2_000, 2_000, 2_000, 1)


def test_a_task_that_never_said_that_it_ran_has_run_since_its_launch() -> None:
    cell = running_cell(1)
    cell.submit(batch())
    (task_id,) = cell.launched()
    cell.tick(4_000)
    cell.status(task_id, "TASK_FAILED")
    assert times(trace(cell))[task_id] == (0, 4_000)


def test_a_task_that_ended_at_once_has_run_for_a_moment() -> None:
    cell = running_cell(1)
    (task_id,) = cell.run(batch())
    cell.status(task_id, "TASK_FINISHED")
    assert times(trace(cell)) == {task_id: (0, 1)}


def test_a_task_that_ended_while_it_waited_takes_no_room_and_one_that_stays_has_no_end() -> None:
    cell = running_cell(1)
    cell.tick(1_000)
    cell.submit(batch(2, need=LARGE))
    (stays,) = cell.launched()
    (waits,) = {each.task_id for each in cell.tasks()} - {stays}
    cell.tick(7_000)
    cell.kill_task(waits)
    found = times(trace(cell))
    assert found[stays] == (1_000, None)
    assert found[waits] == (1_000, 1_001)
    assert recorded(cell).waits().launched == 1


def test_a_retry_arrives_when_its_delay_is_over() -> None:
    cell = running_cell(1)
    later = RetryPolicy("delayed", 1, 60_000, 60_000)
    (first,) = cell.run(replace(batch(), retry=later))
    cell.tick(3_000)
    cell.status(first, "TASK_FAILED")
    assert times(trace(cell)) == {first: (0, 3_000), cell.task().task_id: (63_000, None)}


def test_a_day_that_begins_later_knows_who_waits_and_not_who_runs() -> None:
    cell = running_cell(1)
    cell.submit(batch(2, need=LARGE))
    (runs,) = cell.launched()
    (waits,) = {each.task_id for each in cell.tasks()} - {runs}
    cell.tick(6_000)
    first = len(cell.log)
    cell.status(runs, "TASK_RUNNING")
    cell.tick(2_000)
    cell.status(runs, "TASK_FINISHED")
    cell.offer("host1")
    assert cell.launched() == [waits]
    found = trace(cell, first)
    assert times(found) == {waits: (0, None)}, "as if it began to wait then"
    assert [each.host_id for each in found.hosts] == ["host1"]
    assert recorded(cell, first).waits() == RecordedWaits(1, 2_000, 2_000, 2_000, 1)


def test_a_day_on_which_nobody_was_launched_has_no_waits() -> None:
    cell = running_cell(1)
    assert recorded(cell).waits() == RecordedWaits(0, 0, 0, 0, 0)
    assert trace(cell).tasks == []


def test_waits_are_ranked() -> None:
    cell = running_cell(3)
    for number in range(3):
        cell.submit(batch(), f"job-{number}")
        cell.tick(3_000)
    cell.launched()
    waits = recorded(cell).waits()
    assert (waits.launched, waits.median_ms, waits.p99_ms, waits.most_ms) == (
        3,
        6_000,
        9_000,
        9_000,
    )
    assert waits.hosts_used == len({cell.host_of(each) for each in cell.state.tasks})


def test_a_host_has_all_that_it_ever_had_and_no_task() -> None:
    cell = running_cell(0)
    cell.offer("host1", cpus=2, memory_mib=1_024)
    cell.offer("host1", cpus=3, memory_mib=1_024)
    cell.rescind(*cell.state.offers)
    cell.offer("host1", cpus=1, memory_mib=64)
    cell.run(batch())
    (host,) = trace(cell).hosts
    assert (host.total.cpu_milli, host.total.memory_mib) == (5_000, 2_048)
    assert (host.free.cpu_milli, host.free.memory_mib) == (5_000, 2_048)
    assert host.free.ports
    assert (host.tasks_of_job, host.hostname) == ((), "name-of-host1")


def test_tasks_of_a_trace_come_by_their_arrival() -> None:
    cell = running_cell(1)
    for number in range(3):
        cell.submit(batch(), f"job-{number}")
        cell.tick(1_000)
    found: list[TraceTask] = list(trace(cell).tasks)
    assert [each.arrive_ms for each in found] == [0, 1_000, 2_000]
