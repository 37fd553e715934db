"""A job whose tasks fail again and again is slowed down, says so, and is let go when it is well.

Time moves by ticks; hosts are plenty, so that only the job is at fault.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import count, pairwise

import pytest
from msgspec.structs import replace

from projections.cell_view import CellView
from projections.why import Unknown, why
from scheduler.machine import Machine
from scheduler.model.changes import JobCrashLooping
from scheduler.model.codec import decode_record
from scheduler.model.ids import JobId
from scheduler.model.job import JobSpec
from scheduler.model.mesos import MesosTaskState
from scheduler.model.policy import Policy
from scheduler.model.rules import Guards
from scheduler.model.task import Queued
from tests.support.cell import CellInMemory, batch, running_cell, service

POLICY = Policy(
    crash_loop_failures_min=5,
    crash_loop_window_ms=600_000,
    crash_loop_delay_ms=20_000,
    crash_loop_delay_ms_max=100_000,
)
POLICY = replace(POLICY, placement=replace(POLICY.placement, guards=Guards(quality_window_ms=0)))


def _cell(policy: Policy = POLICY) -> CellInMemory:
    return running_cell(1, policy, cpus=64)


def _loops(cell: CellInMemory) -> list[JobCrashLooping]:
    return [change for _, _, change in cell.changes if isinstance(change, JobCrashLooping)]


_HOSTS: Iterator[int] = count(10)


def _fail_once(cell: CellInMemory, reason: MesosTaskState = "TASK_FAILED") -> int:
    """Run every task of the job that may run, let it fail; how long the last one's turn is off."""
    (task,) = cell.tasks()
    state = task.state
    if isinstance(state, Queued) and state.ready_at_ms > cell.now_ms:
        cell.pass_ms(state.ready_at_ms - cell.now_ms)
    cell.offer(f"host{next(_HOSTS)}", 64)
    cell.launched()
    (task,) = cell.tasks()
    cell.status(task.task_id, "TASK_RUNNING")
    cell.tick(1_000)
    cell.status(task.task_id, reason)
    (task,) = cell.tasks()
    assert isinstance(task.state, Queued)
    return task.state.ready_at_ms - cell.now_ms


def _submitted(spec: JobSpec, policy: Policy = POLICY) -> CellInMemory:
    cell = _cell(policy)
    cell.submit(spec)
    return cell


def test_the_fifth_failure_within_the_window_is_a_loop_and_waits_longer() -> None:
    cell = _submitted(service(1))
    delays = [_fail_once(cell) for _ in range(4)]
    assert _loops(cell) == []
    assert max(delays) < 20_000
    assert _fail_once(cell) == 20_000
    (told,) = _loops(cell)
    assert (told.is_looping, told.failures, told.reason) == (True, 5, "failed")
    delays = [_fail_once(cell) for _ in range(12)]
    assert delays == sorted(delays), "it waits longer and longer"
    assert delays[-1] == 80_000
    assert len(_loops(cell)) == 1, "a loop is told of once"


def test_a_loop_ends_after_a_whole_window_without_a_failure() -> None:
    cell = _submitted(service(1))
    for _ in range(5):
        _fail_once(cell)
    cell.pass_ms(20_000)
    cell.offer("well", 64)
    cell.launched()
    (task,) = cell.tasks()
    cell.status(task.task_id, "TASK_RUNNING")
    cell.pass_ms(700_000)
    assert [each.is_looping for each in _loops(cell)] == [True, False]
    assert not cell.state.crash_loops


def test_a_service_whose_tasks_end_well_at_once_is_in_a_loop_too() -> None:
    cell = _submitted(service(1))
    for _ in range(5):
        _fail_once(cell, "TASK_FINISHED")
    assert [each.reason for each in _loops(cell)] == ["normal"]


def test_a_lost_host_is_no_failure_of_the_job() -> None:
    cell = _submitted(service(1))
    for _ in range(8):
        _fail_once(cell, "TASK_LOST")
    assert _loops(cell) == []


def test_of_a_large_job_half_of_the_tasks_must_fail() -> None:
    cell = _cell()
    task_ids = cell.run(service(20), "job")
    for task_id in task_ids[:9]:
        cell.status(task_id, "TASK_FAILED")
    assert _loops(cell) == []
    cell.status(task_ids[9], "TASK_FAILED")
    assert [each.failures for each in _loops(cell)] == [10]


def test_between_two_restarts_of_a_job_in_a_loop_there_is_a_pause() -> None:
    policy = replace(POLICY, crash_loop_restart_ms=10_000)
    cell = _cell(policy)
    task_ids = cell.run(service(20), "job")
    for task_id in task_ids:
        cell.status(task_id, "TASK_FAILED")
    ready = sorted(
        each.state.ready_at_ms
        for each in cell.tasks()
        if isinstance(each.state, Queued) and each.state.ready_at_ms >= cell.now_ms + 20_000
    )
    assert len(ready) == 11
    for first, later in pairwise(ready):
        assert later - first >= 10_000


@pytest.mark.parametrize("failures", [0])
def test_nothing_is_a_loop_where_the_policy_says_so(failures: int) -> None:
    cell = _submitted(service(1), replace(POLICY, crash_loop_failures_min=failures))
    for _ in range(7):
        _fail_once(cell)
    assert _loops(cell) == []
    assert not cell.state.crash_loops


def test_a_batch_job_that_is_done_leaves_nothing_behind() -> None:
    cell = _submitted(batch(1, retries=2))
    for _ in range(2):
        _fail_once(cell)
    assert cell.state.crash_loops
    cell.pass_ms(60_000)
    cell.offer("last", 64)
    cell.launched()
    (task,) = cell.tasks()
    cell.status(task.task_id, "TASK_FAILED")
    assert cell.state.jobs[task.job_id].state == "Finished"
    cell.pass_ms(1_300_000)
    assert not cell.state.crash_loops
    assert _loops(cell) == []


def test_a_machine_made_of_a_snapshot_ends_the_loop_at_the_same_record() -> None:
    cell = _submitted(service(1))
    for _ in range(5):
        _fail_once(cell)
    again = Machine.restored(cell.machine.kept())
    assert again.digest.value() == cell.machine.digest.value()
    first = len(cell.log)
    cell.pass_ms(1_300_000)
    for offset in range(first, len(cell.log)):
        again.apply(offset, decode_record(cell.log[offset]))
    assert again.digest.value() == cell.machine.digest.value()
    assert not again.state.crash_loops


def test_why_and_history_say_that_it_is_a_loop() -> None:
    cell = _submitted(service(1))
    for _ in range(5):
        _fail_once(cell)
    view = CellView()
    for offset, data in enumerate(cell.log):
        view.apply(offset, decode_record(data))
    told = why(view, "job")
    assert not isinstance(told, Unknown)
    assert any("crash loop since" in each for each in told.sentences)
    history = view.job_history(JobId("job"))
    assert history is not None
    messages = [each.message for each in history.entries if each.what == "job health"]
    assert len(messages) == 1
    assert messages[0].startswith("crash loop: 5 tasks ended by themselves within 600 s")


def test_without_a_pause_all_replacements_of_a_loop_wait_alike() -> None:
    cell = _cell(replace(POLICY, crash_loop_restart_ms=0))
    task_ids = cell.run(service(20), "job")
    for task_id in task_ids:
        cell.status(task_id, "TASK_FAILED")
    waits = [
        each.state.ready_at_ms - cell.now_ms
        for each in cell.tasks()
        if isinstance(each.state, Queued)
    ]
    assert Counter(waits) == {1_000: 9, 20_000: 9, 40_000: 2}, "doubled with the twentieth"
    assert cell.state.crash_loops[JobId("job")].next_ms == 0


def test_a_loop_of_which_the_job_has_ended_is_forgotten_without_a_word() -> None:
    cell = _submitted(service(1))
    for _ in range(5):
        _fail_once(cell)
    cell.kill_job()
    cell.pass_ms(700_000)
    assert cell.state.crash_loops == {}
    assert [each.is_looping for each in _loops(cell)] == [True]
