"""What has ended is kept for a while, by number and by age, and then only the log has it.

How: tasks and jobs end in a cell in memory; the clock goes on, and what the state still has is
counted. Another fold of the same log must have forgotten the same.
"""

from scheduler.model.ids import JobId, TaskId
from scheduler.model.policy import Policy
from tests.support.cell import CellInMemory, batch, running_cell, service

NO_LOOP = {"crash_loop_failures_min": 0}


def ended_tasks(cell: CellInMemory, count: int, job_id: str = "job") -> list[TaskId]:
    """Fail a service's task so many times; the ids of those that ended."""
    found = []
    for _ in range(count):
        task_id = cell.task(job_id=job_id).task_id
        if cell.host_of(task_id) is None:
            cell.pass_ms(30_000)
            cell.offer("host9")
            cell.launched()
        cell.status(task_id, "TASK_FAILED")
        found.append(task_id)
    return found


def test_titus_the_numbers_are_the_defaults() -> None:
    policy = Policy()
    assert policy.finished_tasks_per_job_max == 10_000
    assert policy.collected_per_pass_max == 10_000
    assert policy.collect_every_ms == 15 * 60_000
    assert policy.finished_keep_ms == 360 * 3_600_000


def test_of_one_job_the_oldest_go_first_and_another_job_keeps_its_own() -> None:
    cell = running_cell(policy=Policy(finished_tasks_per_job_max=3))
    cell.set_policy(**NO_LOOP)
    cell.run(service(1))
    cell.run(service(1), "other")
    (kept,) = ended_tasks(cell, 1, "other")
    gone = ended_tasks(cell, 5)
    assert [each for each in gone if each in cell.state.tasks] == gone[2:]
    assert kept in cell.state.tasks
    assert cell.refolded().digest.value() == cell.machine.digest.value()


def test_what_ended_long_ago_is_dropped_at_the_next_pass() -> None:
    policy = Policy(finished_keep_ms=3_600_000, collect_every_ms=900_000)
    cell = running_cell(policy=policy)
    cell.run(service(1))
    (replaced,) = ended_tasks(cell, 1)
    (task_id,) = cell.run(batch(1), "done")
    cell.status(task_id, "TASK_FINISHED")
    cell.pass_ms(3_300_000)
    assert replaced in cell.state.tasks
    assert JobId("done") in cell.state.jobs
    cell.pass_ms(1_300_000)
    assert replaced not in cell.state.tasks
    assert JobId("done") not in cell.state.jobs
    assert task_id not in cell.state.tasks
    assert cell.refolded().digest.value() == cell.machine.digest.value()
    cell.submit(batch(1), "done")
    assert cell.task(job_id="done").task_id != task_id, "its ids are not used again"


def test_a_pass_drops_so_many_and_the_next_one_the_rest() -> None:
    policy = Policy(finished_keep_ms=60_000, collect_every_ms=900_000, collected_per_pass_max=2)
    cell = running_cell(policy=policy)
    for number in range(3):
        (task_id,) = cell.run(batch(1), f"job{number}")
        cell.status(task_id, "TASK_FINISHED")
    cell.pass_ms(900_000)
    assert len(cell.state.finished_jobs) == 2, "a job and its task"
    cell.pass_ms(1_800_000)
    assert not cell.state.finished_jobs
