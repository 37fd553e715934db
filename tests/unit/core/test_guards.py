"""Guard rails: launches of a minute are counted, and a host that fails tasks gets fewer of them.

How: a cell in memory; launches are written as proposals on hosts that the test chooses, so that
nothing here depends on what placement prefers.
"""

import msgspec
import pytest

from scheduler.fold import guards
from scheduler.model.events import PolicySet
from scheduler.model.ids import HostId, JobId, TaskId, proposal_id_of
from scheduler.model.policy import Policy
from scheduler.model.proposals import Launch, LaunchTasks
from scheduler.model.rules import Guards, PlacementRules
from scheduler.model.task import Queued
from scheduler.rounds.host_views import host_view
from scheduler.state import State
from tests.support.cell import CellInMemory, batch, running_cell
from tests.support.derived import check_digest

BAD = HostId("host1")


def cell_with(hosts: int = 4, **values: int) -> CellInMemory:
    """A cell with hosts, each under an offer, and with these guard rails."""
    cell = running_cell(hosts=hosts)
    # Verdicts by tasks are another rail: `test_host_health`.
    rules = PlacementRules(guards=Guards(**values))
    policy = Policy(placement=rules, fast_failures_min=0)
    cell.write(PolicySet(version=2, policy=policy))
    return cell


def launch(cell: CellInMemory, host: str, *task_ids: TaskId) -> None:
    """Launch tasks on a host of the test's choice, under an offer of their own."""
    offer_id = cell.offer(host, cpus=64, memory_mib=65_536)
    launches = tuple(map(Launch, task_ids))
    offset = cell.write(LaunchTasks(HostId(host), (offer_id,), launches))
    cell.carry_out(proposal_id_of(offset, 0))


def waiting(cell: CellInMemory, job_id: str) -> tuple[TaskId, ...]:
    """The tasks of a job that wait for a host and for no retry."""
    tasks = (cell.state.tasks[each] for each in cell.state.queue.get(JobId(job_id), {}))
    return tuple(
        each.task_id
        for each in tasks
        if isinstance(each.state, Queued) and each.state.ready_at_ms <= cell.now_ms
    )


def fail(cell: CellInMemory, host: str, job_id: str, times: int = 1) -> None:
    """Tasks of a job run for 10 ms on a host, and fail there."""
    for _ in range(times):
        if not waiting(cell, job_id):
            cell.submit(batch(size=64), job_id)
        task_id = waiting(cell, job_id)[0]
        launch(cell, host, task_id)
        cell.status(task_id, "TASK_RUNNING")
        cell.now_ms += 10
        cell.status(task_id, "TASK_FAILED")


def quality(cell: CellInMemory, host: str = BAD) -> int:
    """The quality that placement sees."""
    return guards.quality(cell.state, HostId(host))


def launches(cell: CellInMemory, host: str) -> tuple[int, int]:
    """Tasks that placement sees launching on the host, and launches of the last minute there."""
    view = host_view(cell.state, HostId(host))
    assert view is not None
    return view.launching, view.launches_last_minute


def usable_again_ms(state: State, host_id: HostId) -> int | None:
    """When time alone lets the host be used again, from what is remembered of it."""
    rules, found = state.policy.placement.guards, []
    known = state.host_failures.get(host_id)
    if known is not None and guards.quality(state, host_id) < rules.quality_least_milli:
        window_ms = rules.quality_window_ms
        steps = sorted(
            each.at_ms - (-step * window_ms // guards.STEPS)
            for each in known.failures
            for step in range(1, guards.STEPS + 1)
        )
        least = rules.quality_least_milli
        good = (at for at in steps if guards._quality_of(known.failures, at, window_ms) >= least)
        found.append(next(good))
    left, most = state.launches_of_hosts.get(host_id, 0), rules.launches_per_host_per_minute
    for second, counts in state.launch_seconds.items():
        if not most or left < most:
            break
        left -= sum(count for (host, _), count in counts.items() if host == host_id)
        if left < most:
            found.append((second + guards.MINUTE_S) * 1_000)
    return max(found, default=None)


def test_launches_count_until_they_have_started_and_for_a_minute() -> None:
    cell = cell_with()
    cell.submit(batch(size=3))
    first, second, third = waiting(cell, "job")
    launch(cell, "host1", first, second)
    launch(cell, "host2", third)
    assert (launches(cell, "host1"), quality(cell, "host1")) == ((2, 2), 1_000)
    assert (launches(cell, "host2"), quality(cell, "host2")) == ((1, 1), 1_000)
    cell.status(first, "TASK_RUNNING")
    assert launches(cell, "host1") == (1, 2)
    cell.tick(1_000, times=59)
    assert launches(cell, "host1") == (1, 2)
    cell.tick(1_000, times=2)
    assert launches(cell, "host1") == (1, 0)
    assert not cell.state.launch_seconds
    check_digest(cell.machine)


def test_a_host_at_its_limit_is_refused_and_wakes_placement_when_the_minute_is_over() -> None:
    cell = cell_with(launches_per_host_per_minute=2)
    cell.submit(batch(size=3))
    first, second, third = waiting(cell, "job")
    launch(cell, "host1", first)
    assert guards.host_refusal(cell.state, BAD, 1) == ""
    assert "was given 1 tasks in a minute; the limit is 2" in guards.host_refusal(
        cell.state, BAD, 2
    )
    assert usable_again_ms(cell.state, BAD) is None
    cell.tick(10_000)
    launch(cell, "host1", second)
    assert guards.host_refusal(cell.state, BAD, 1)
    again_ms = usable_again_ms(cell.state, BAD)
    assert again_ms is not None
    cell.tick(again_ms - cell.now_ms - 1)
    cell.state.hosts_changed.clear()
    inputs = cell.state.placement_inputs
    assert guards.host_refusal(cell.state, BAD, 1)
    cell.tick(1)
    assert cell.state.placement_inputs > inputs
    assert BAD in cell.state.hosts_changed
    assert guards.host_refusal(cell.state, BAD, 1) == ""
    launch(cell, "host1", third)


def test_a_job_at_its_limit_waits_for_the_minute() -> None:
    cell = cell_with(launches_per_job_per_minute=2)
    cell.submit(batch(size=2))
    assert guards.launches_left_of_job(cell.state, JobId("job")) == 2
    launch(cell, "host1", *waiting(cell, "job"))
    assert guards.launches_left_of_job(cell.state, JobId("job")) == 0
    assert guards.launches_left_of_job(cell.state, JobId("other")) == 2
    inputs = cell.state.placement_inputs
    cell.tick(1_000, times=61)
    assert guards.launches_left_of_job(cell.state, JobId("job")) == 2
    assert cell.state.placement_inputs > inputs
    assert guards.launches_left_of_job(cell_with().state, JobId("job")) is None


def test_a_limit_of_launching_tasks_names_what_is_there() -> None:
    cell = cell_with(launching_per_host_max=1)
    cell.submit(batch(size=1))
    (task_id,) = waiting(cell, "job")
    launch(cell, "host1", task_id)
    assert guards.host_refusal(cell.state, BAD, 1) == (
        "host host1 launches 1 tasks already; the limit is 1"
    )
    inputs = cell.state.placement_inputs
    cell.status(task_id, "TASK_RUNNING")
    assert guards.host_refusal(cell.state, BAD, 1) == ""
    assert cell.state.placement_inputs > inputs, "a start makes room for the next launch"


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        (("TASK_LOST",), 700),
        (("TASK_FAILED",), 700),
        (("TASK_RUNNING", "TASK_LOST"), 900),
        (("TASK_RUNNING", "TASK_FAILED"), 700),
        (("TASK_RUNNING", "later", "TASK_FAILED"), 1_000),
        (("TASK_RUNNING", "TASK_FINISHED"), 1_000),
        (("TASK_KILLED",), 1_000),
        (("TASK_ERROR",), 1_000),
    ],
)
def test_ends_weigh_as_titus_has_it(steps: tuple[str, ...], wanted: int) -> None:
    cell = cell_with()
    cell.submit(batch(size=1))
    (task_id,) = waiting(cell, "job")
    launch(cell, "host1", task_id)
    for step in steps:
        if step == "later":
            cell.tick(guards.QUICK_MS)
        else:
            cell.status(task_id, step)  # type: ignore[arg-type]  # the parameters' own words
    assert quality(cell) == wanted


def test_a_launch_that_never_reached_the_host_is_not_its_fault() -> None:
    cell = cell_with()
    cell.submit(batch(size=2))
    first, second = waiting(cell, "job")
    launch(cell, "host1", first)
    cell.status(first, "TASK_DROPPED", reason="REASON_INVALID_OFFERS")
    offer_id = cell.offer("host1")
    offset = cell.write(LaunchTasks(BAD, (offer_id,), (Launch(second),)))
    cell.carry_out(proposal_id_of(offset, 0), "refused")
    assert quality(cell) == 1_000
    assert not cell.state.host_failures


def test_a_task_that_hangs_while_starting_weighs_most() -> None:
    cell = cell_with()
    cell.submit(batch(size=1))
    (task_id,) = waiting(cell, "job")
    launch(cell, "host1", task_id)
    cell.pass_ms(cell.state.policy.launch_timeout_ms + 1_000)
    cell.status(task_id, "TASK_KILLED")
    assert quality(cell) == 500


def test_a_host_recovers_step_by_step_and_is_forgotten() -> None:
    cell = cell_with()
    fail(cell, "host1", "a")
    seen = []
    for _ in range(5):
        seen.append(quality(cell))
        again_ms = cell.state.host_failures[BAD].next_ms
        inputs = cell.state.placement_inputs
        cell.tick(again_ms - cell.now_ms - 1)
        assert quality(cell) == seen[-1], "nothing changes before it is due"
        cell.tick(1)
        assert cell.state.placement_inputs > inputs
    assert seen == [700, 760, 820, 880, 940]
    assert quality(cell) == 1_000
    assert not cell.state.host_failures
    assert not cell.state.failing_jobs


def test_failures_of_two_jobs_hold_a_host_back_and_time_lets_it_go() -> None:
    cell = cell_with()
    fail(cell, "host1", "a", times=3)
    assert guards.host_refusal(cell.state, BAD, 1) == ""
    fail(cell, "host1", "b", times=3)
    assert quality(cell) == 0
    assert "has quality 0 of 1000 after recent failures; 100 is needed" in guards.host_refusal(
        cell.state, BAD, 1
    )
    assert guards.host_refusal(cell.state, HostId("host2"), 1) == ""
    again_ms = usable_again_ms(cell.state, BAD)
    assert again_ms is not None
    cell.pass_ms(again_ms - cell.now_ms - 1)
    assert guards.host_refusal(cell.state, BAD, 1)
    cell.tick(1)
    assert guards.host_refusal(cell.state, BAD, 1) == ""


def test_a_job_that_fails_everywhere_is_at_fault_itself() -> None:
    cell = cell_with(hosts=9)
    for number in range(1, 10):
        fail(cell, f"host{number}", "broken", times=5)
    qualities = [quality(cell, f"host{number}") for number in range(1, 10)]
    assert qualities[0] < 100, "the first host is blamed in full"
    assert qualities[1:] == sorted(qualities[1:])
    assert qualities[-1] > 850
    assert sum(each < 100 for each in qualities) == 1


def test_never_more_than_a_third_of_the_hosts_is_held_back() -> None:
    cell = cell_with(hosts=4)
    for number in (1, 2):
        for job in ("a", "b", "c", "d"):
            fail(cell, f"host{number}", f"{job}{number}", times=4)
    assert cell.state.is_quality_suspended
    for number in (1, 2):
        assert guards.host_refusal(cell.state, HostId(f"host{number}"), 1) == ""
        assert quality(cell, f"host{number}") == 100, "still the worst there is"
    cell.pass_ms(310_000)
    assert not cell.state.is_quality_suspended


def test_what_is_remembered_of_a_host_is_bounded() -> None:
    cell = cell_with(quality_least_milli=0)
    fail(cell, "host1", "a", times=60)
    assert len(cell.state.host_failures[BAD].failures) == guards.FAILURES_MAX
    assert sum(kind == "host" for _, kind, _ in cell.machine._fold.deadlines) <= 2


def test_another_window_judges_at_once() -> None:
    cell = cell_with()
    fail(cell, "host1", "a", times=4)
    assert quality(cell) < 100
    rules = PlacementRules(guards=Guards(quality_window_ms=0))
    cell.write(PolicySet(version=3, policy=Policy(placement=rules)))
    assert quality(cell) == 1_000
    assert not cell.state.host_failures


def test_the_same_log_leads_to_the_same_bookkeeping() -> None:
    cell = cell_with()
    fail(cell, "host1", "a", times=3)
    cell.tick(1_000, times=70)
    fail(cell, "host2", "b")
    again = cell.refolded()
    assert again.digest.value() == cell.machine.digest.value()
    assert msgspec.to_builtins(again.state.host_failures) == msgspec.to_builtins(
        cell.state.host_failures
    )
    assert again.state.launches_of_hosts == cell.state.launches_of_hosts
    check_digest(again)
