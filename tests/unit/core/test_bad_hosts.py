"""A host that fails every task at once must not attract all work.

How: a cell in memory with its own placement, hour by hour of the log's clock: every task that is
launched on the bad host runs for 10 ms and fails, every other one runs to its end.
"""

from collections import Counter

import pytest

from scheduler.fold import guards
from scheduler.model.ids import HostId, TaskId
from tests.support.cell import CellInMemory, batch, running_cell

BAD = HostId("host1")


def work_off(cell: CellInMemory, seconds: int, run_s: int = 5) -> Counter[HostId]:
    """Let the cell work; how often a task was launched on each host."""
    launched: Counter[HostId] = Counter()
    running: list[tuple[int, TaskId]] = []
    for _ in range(seconds):
        for task_id in cell.launched():
            host_id = cell.host_of(task_id)
            assert host_id is not None
            launched[host_id] += 1
            cell.status(task_id, "TASK_RUNNING")
            if host_id == BAD:
                cell.now_ms += 10
                cell.status(task_id, "TASK_FAILED")
            else:
                running.append((cell.now_ms + run_s * 1_000, task_id))
        due = [task_id for at_ms, task_id in running if at_ms <= cell.now_ms]
        running = [each for each in running if each[0] > cell.now_ms]
        for task_id in due:
            cell.status(task_id, "TASK_FINISHED")
        offered = {cell.state.offers[each].host_id for each in cell.state.offers}
        for number in range(1, 5):
            free = 4 - _used_cpus(cell, HostId(f"host{number}"))
            if HostId(f"host{number}") not in offered and free > 0:
                cell.offer(f"host{number}", cpus=free)
        cell.tick(1_000)
    return launched


def _used_cpus(cell: CellInMemory, host_id: HostId) -> int:
    there = len(cell.state.host_tasks.get(host_id, ()))
    return (there + 1) // 2  # Tasks take half a cpu each.


@pytest.mark.parametrize("jobs", [1, 4])
def test_healthy_hosts_do_the_work(jobs: int) -> None:
    cell = running_cell(hosts=4)
    cell.records_a_check = 20
    for number in range(jobs):
        cell.submit(batch(size=120 // jobs, retries=1_000), f"job{number}")
    launched = work_off(cell, seconds=60)
    cell.check()
    bad, good = launched[BAD], sum(launched.values()) - launched[BAD]
    assert good > 100, "the others are busy all the time"
    assert bad < 25, f"{bad} of {bad + good} launches went to the bad host"
    assert guards.quality(cell.state, BAD) < 500


def test_work_waits_rather_than_burn_its_retries_on_a_host_that_is_known_to_be_bad() -> None:
    cell = running_cell(hosts=4)
    cell.records_a_check = 20
    for number in range(4):
        cell.submit(batch(size=60, retries=1_000), f"job{number}")
    work_off(cell, seconds=5, run_s=10)
    before = guards.quality(cell.state, BAD)
    assert before < cell.state.policy.placement.guards.quality_least_milli
    assert cell.state.queue, "healthy hosts are full, and work waits for them"
    assert work_off(cell, seconds=30, run_s=10)[BAD] == 0


def test_a_host_that_was_mended_is_used_again() -> None:
    cell = running_cell(hosts=4)
    cell.records_a_check = 20
    for number in range(4):
        cell.submit(batch(size=20, retries=1_000), f"job{number}")
    work_off(cell, seconds=5, run_s=1)
    assert guards.host_refusal(cell.state, BAD, 1)
    for job in [*cell.state.jobs]:
        cell.kill_job(job)
    cell.launched()
    for task_id in [*cell.state.killing]:
        cell.status(task_id, "TASK_KILLED")
    cell.pass_ms(400_000)  # Five minutes of failures, and one in which nothing spoke against it.
    assert guards.quality(cell.state, BAD) == 1_000
    cell.subscribe()
    cell.offer("host1")
    cell.submit(batch(size=2), "later")
    assert {cell.host_of(each) for each in cell.launched()} == {BAD}
