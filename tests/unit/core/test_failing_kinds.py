"""Failures that several jobs share, what owners are told, and starts that take too long.

How: a cell in memory; tasks fail on hosts with the reasons that Mesos gives.
"""

from scheduler.fold import guards
from scheduler.model.changes import CellPaged, HostHealthChanged, OwnerAlerted
from tests.support.cell import CellInMemory, batch, running_cell, service
from tests.support.derived import check_digest


def fail(cell: CellInMemory, job_id: str, message: str, reason: str = "", size: int = 4) -> None:
    """A job's tasks fail at once, on small hosts: two on each."""
    cell.submit(batch(size=size), job_id)
    for task_id in cell.launched():
        cell.status(task_id, "TASK_FAILED", message=message, reason=reason)
        cell.now_ms += 100
    for host_id in sorted(cell.state.hosts.keys() - cell.state.host_offers.keys()):
        cell.offer(str(host_id), cpus=1)


def pages(cell: CellInMemory, kind: str) -> list[str]:
    """What was paged of this kind."""
    return [each.what for each in cell.said(CellPaged) if each.kind == kind]


def test_a_step_of_ours_that_fails_for_many_jobs_on_many_hosts_is_paged_once() -> None:
    cell = running_cell(hosts=4, cpus=1)
    for number in range(4):
        assert pages(cell, "failing kind") == [] or number == 3
        fail(cell, f"job-{number}", "Failed to prepare volume", size=8)
    (page,) = pages(cell, "failing kind")
    assert page.startswith("step localSystemError: ")
    fail(cell, "job-9", "Failed to prepare volume", size=8)
    assert len(pages(cell, "failing kind")) == 1
    (kind,) = cell.state.failing_kinds.values()
    assert len(kind.hosts) >= 3
    assert kind.is_told
    check_digest(cell.machine)


def test_users_commands_that_fail_are_no_trouble_of_all() -> None:
    cell = running_cell(hosts=4, cpus=1)
    for number in range(4):
        fail(cell, f"job-{number}", "Command exited with status 1", size=8)
    assert pages(cell, "failing kind") == []
    assert not cell.state.failing_kinds


def alerts(cell: CellInMemory) -> list[tuple[str, str]]:
    """What owners were told: kind and job."""
    return [(each.kind, each.job_id) for each in cell.said(OwnerAlerted)]


def test_an_owner_is_told_once_an_hour_that_tasks_used_too_much_memory() -> None:
    cell = running_cell(hosts=2)
    for _ in range(2):
        cell.submit(batch(size=2), f"job-{len(cell.log)}")
        for task_id in cell.launched():
            cell.status(task_id, "TASK_RUNNING")
            reason = "REASON_CONTAINER_LIMITATION_MEMORY"
            cell.status(task_id, "TASK_FAILED", reason=reason, message="Memory limit exceeded")
        cell.offer("host1")
    found = cell.said(OwnerAlerted)
    assert [each.kind for each in found] == ["oomKilled", "oomKilled"], "one for each job"
    assert found[0].owner == "owner@example.org"
    assert "used more memory" in found[0].message
    assert "Memory limit exceeded" in found[0].message


def test_an_owner_is_told_of_a_crash_loop() -> None:
    cell = running_cell(hosts=1)
    cell.submit(service(desired=1))
    for _ in range(6):
        for task_id in cell.launched():
            cell.status(task_id, "TASK_RUNNING")
            cell.status(task_id, "TASK_FAILED", message="Command exited with status 1")
        cell.offer("host1")
        cell.tick(60_000)
    assert ("crashLoop", "job") in alerts(cell)


def test_starts_that_take_too_long_speak_against_their_host() -> None:
    cell = running_cell(hosts=1, cpus=16)
    cell.submit(batch(size=2))
    slow, quick = cell.launched()
    cell.status(quick, "TASK_RUNNING")
    cell.pass_ms(cell.state.policy.slow_start_ms + 1_000)
    host_id = cell.host_of(slow)
    assert host_id is not None
    assert guards.quality(cell.state, host_id) == 1_000
    cell.status(slow, "TASK_RUNNING")
    (known,) = cell.state.host_failures[host_id].failures
    assert (known.task_id, known.text) == (slow, "started after 181 s")
    assert guards.quality(cell.state, host_id) == 900
    assert cell.said(HostHealthChanged) == []
    check_digest(cell.machine)


def test_the_kinds_that_are_remembered_are_bounded() -> None:
    cell = running_cell(hosts=1, cpus=64)
    cell.records_a_check = 100
    cell.set_policy(fast_failures_min=0)
    for number in range(300):
        cell.submit(batch(size=1), f"job-{number}")
        for task_id in cell.launched():
            message = f"Failed to prepare {number}"
            cell.status(task_id, "TASK_FAILED", reason=f"REASON_{number}", message=message)
        cell.offer("host1", cpus=64, name=f"of-{number}")
    assert len(cell.state.failing_kinds) <= 256


def test_nothing_is_counted_where_the_policy_says_so() -> None:
    cell = running_cell(hosts=4, cpus=1)
    cell.set_policy(failing_kind_failures_min=0)
    for number in range(4):
        fail(cell, f"job-{number}", "Failed to prepare volume", size=8)
    assert (cell.state.failing_kinds, pages(cell, "failing kind")) == ({}, [])
