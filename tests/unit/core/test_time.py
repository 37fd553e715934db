"""Time is the log's: what times out, when it begins anew, and what keeps counting."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from scheduler.fold.context import STALE_MIN
from scheduler.model.changes import TimeGapped
from scheduler.model.events import LeaderElected, Mark, Tick
from scheduler.model.ids import TaskId
from scheduler.model.job import Batch
from scheduler.model.policy import Policy
from scheduler.model.proposals import KillTask
from scheduler.model.task import (
    Disconnected,
    Finished,
    KillInitiated,
    Launched,
    Started,
    StartInitiated,
)
from tests.support.cell import BEGAN_AT_MS, CellInMemory, batch, running_cell

Prepare = Callable[[], tuple[CellInMemory, TaskId]]


def launched() -> tuple[CellInMemory, TaskId]:
    """A task that was launched and is not heard of."""
    cell = running_cell()
    cell.submit(batch(1))
    return cell, cell.launched()[0]


def starting() -> tuple[CellInMemory, TaskId]:
    """A task that is starting."""
    cell, task_id = launched()
    cell.status(task_id, "TASK_STARTING")
    return cell, task_id


def disconnected() -> tuple[CellInMemory, TaskId]:
    """A task whose host is out of reach."""
    cell, task_id = launched()
    cell.answer(task_id, "TASK_UNREACHABLE")
    return cell, task_id


def killed_out_of_reach() -> tuple[CellInMemory, TaskId]:
    """A task that must end, on a host out of reach."""
    cell, task_id = disconnected()
    cell.kill_task(task_id)
    return cell, task_id


JUDGED: list[tuple[Prepare, int, type, type]] = [
    (launched, 300_000, Launched, KillInitiated),
    (starting, 720_000, StartInitiated, KillInitiated),
    (disconnected, 60_000, Disconnected, Finished),
    (killed_out_of_reach, 60_000, KillInitiated, Finished),
]


@pytest.mark.parametrize(("prepare", "after_ms", "before", "after"), JUDGED)
def test_a_state_that_lasts_too_long_ends(
    prepare: Prepare, after_ms: int, before: type, after: type
) -> None:
    cell, task_id = prepare()
    cell.pass_ms(after_ms - 1)
    assert type(cell.task_state(task_id)) is before
    cell.tick(1)
    assert type(cell.task_state(task_id)) is after


@pytest.mark.parametrize(("prepare", "after_ms", "before", "after"), JUDGED)
def test_nothing_times_out_without_a_tick(
    prepare: Prepare, after_ms: int, before: type, after: type
) -> None:
    cell, task_id = prepare()
    for _ in range(after_ms // 50_000 + 2):
        cell.now_ms += 50_000
        cell.write(Mark())
    assert type(cell.task_state(task_id)) is before
    cell.write(Tick())
    assert type(cell.task_state(task_id)) is after


@pytest.mark.parametrize(("prepare", "after_ms", "before", "after"), JUDGED)
def test_an_election_starts_the_time_out_anew(
    prepare: Prepare, after_ms: int, before: type, after: type
) -> None:
    cell, task_id = prepare()
    cell.pass_ms(after_ms - 1)
    cell.epoch = cell.write(LeaderElected(candidate="new", incarnation="j"))
    cell.now_ms += 50_000
    cell.write(Mark())
    cell.now_ms += 50_000
    cell.write(Tick())
    assert type(cell.task_state(task_id)) is before
    cell.subscribe()
    if before in {Disconnected, KillInitiated}:
        cell.answer(task_id, "TASK_UNREACHABLE")
    cell.pass_ms(after_ms - 1)
    assert type(cell.task_state(task_id)) is before
    cell.tick(1)
    assert type(cell.task_state(task_id)) is after


def test_a_task_on_an_unreachable_host_is_not_given_up_while_mesos_is_silent() -> None:
    cell, task_id = disconnected()
    cell.epoch = cell.write(LeaderElected(candidate="new", incarnation="j"))
    cell.write(Tick())
    cell.pass_ms(600_000)
    assert type(cell.task_state(task_id)) is Disconnected, "no stream: nobody could be heard"
    cell.subscribe()
    cell.pass_ms(600_000)
    assert type(cell.task_state(task_id)) is Disconnected, "asked for, and not answered"
    cell.answer(task_id, "TASK_UNREACHABLE")
    cell.tick(2_000)
    assert type(cell.task_state(task_id)) is Finished


@pytest.mark.parametrize(("prepare", "after_ms", "before", "after"), JUDGED)
def test_a_gap_in_time_starts_the_time_out_anew(
    prepare: Prepare, after_ms: int, before: type, after: type
) -> None:
    cell, task_id = prepare()
    cell.pass_ms(after_ms - 1)
    cell.tick(600_000)
    assert type(cell.task_state(task_id)) is before
    cell.pass_ms(after_ms - 1)
    assert type(cell.task_state(task_id)) is before
    cell.tick(1)
    assert type(cell.task_state(task_id)) is after


def test_a_gap_is_more_than_a_minute_and_is_said() -> None:
    cell = running_cell()
    cell.tick(60_000)
    assert cell.said_last() == []
    assert cell.state.clock.is_judging
    cell.now_ms += 60_001
    cell.write(Mark())
    assert cell.said_last() == [TimeGapped(from_ms=cell.now_ms - 60_001, to_ms=cell.now_ms)]
    assert not cell.state.clock.is_judging


def test_after_a_gap_nothing_is_decided_before_the_next_tick() -> None:
    cell = running_cell()
    cell.submit(batch(1))
    cell.now_ms += 60_001
    cell.write(Mark())
    assert cell.machine.decide() == ()
    cell.write(Tick())
    assert len(cell.launched()) == 1


def test_the_clock_never_runs_backwards() -> None:
    cell = running_cell()
    now_ms = cell.now_ms
    cell.now_ms -= 10_000
    cell.write(Tick())
    assert cell.state.clock.now_ms == now_ms
    cell.now_ms = now_ms + 1
    cell.write(Tick())
    assert cell.state.clock.now_ms == now_ms + 1


def test_a_gap_before_the_first_time_is_none() -> None:
    cell = CellInMemory()
    assert cell.said(TimeGapped) == []
    assert cell.state.clock.now_ms == BEGAN_AT_MS


def limited() -> tuple[CellInMemory, TaskId]:
    """A running task that may run for 100 s."""
    cell = running_cell()
    kind = Batch(size=1, runtime_limit_ms=100_000)
    (task_id,) = cell.run(replace(batch(1), kind=kind))
    return cell, task_id


def test_a_runtime_limit_keeps_counting_over_elections_and_gaps() -> None:
    cell, task_id = limited()
    cell.pass_ms(50_000)
    cell.elect("new")
    cell.subscribe()
    cell.tick(49_999)
    assert isinstance(cell.task_state(task_id), Started)
    cell.tick(1)
    assert cell.is_in(task_id, KillInitiated).reason == "runtimeLimitExceeded"


def test_a_runtime_limit_that_passed_unseen_waits_for_the_second_tick() -> None:
    cell, task_id = limited()
    cell.tick(600_000)
    assert isinstance(cell.task_state(task_id), Started), "the first tick only starts the clock"
    cell.tick(1)
    assert isinstance(cell.task_state(task_id), KillInitiated)


def test_a_runtime_limit_counts_from_the_start_also_where_the_host_was_out_of_reach() -> None:
    cell, task_id = limited()
    cell.pass_ms(50_000)
    cell.answer(task_id, "TASK_UNREACHABLE")
    cell.pass_ms(30_000)
    cell.status(task_id, "TASK_RUNNING", uuid="")
    cell.pass_ms(19_999)
    assert isinstance(cell.task_state(task_id), Started)
    cell.tick(1)
    assert isinstance(cell.task_state(task_id), KillInitiated)


def test_a_shorter_time_out_holds_for_what_is_under_way() -> None:
    cell, task_id = launched()
    cell.pass_ms(10_000)
    cell.set_policy(launch_timeout_ms=12_000)
    cell.tick(1_999)
    assert isinstance(cell.task_state(task_id), Launched)
    cell.tick(1)
    assert isinstance(cell.task_state(task_id), KillInitiated)


def test_a_longer_time_out_holds_for_what_is_under_way() -> None:
    cell, task_id = launched()
    cell.set_policy(launch_timeout_ms=400_000)
    cell.pass_ms(399_999)
    assert isinstance(cell.task_state(task_id), Launched)
    cell.tick(1)
    assert isinstance(cell.task_state(task_id), KillInitiated)


def test_of_two_that_are_due_the_earlier_goes_first() -> None:
    """The first was noted for an early time, began anew, and is due after the second by now."""
    cell = running_cell(hosts=1, policy=Policy(launch_timeout_ms=30_000))
    cell.submit(batch(2), "job")
    first, second = cell.launched()
    cell.tick(20_000)
    cell.status(second, "TASK_UNREACHABLE", uuid="")
    cell.tick(5_000)
    cell.elect("new")
    cell.subscribe()  # Now both begin anew: the first has 30 s, the second 60 s ...
    cell.answer(second, "TASK_UNREACHABLE")
    cell.set_policy(unreachable_timeout_ms=20_000)  # ... and now 20 s.
    cell.tick(45_000)
    ended = [change for change in cell.said_last() if hasattr(change, "task_id")]
    assert [getattr(change, "task_id", "") for change in ended][:1] == [second]
    assert isinstance(cell.task_state(first), KillInitiated)
    assert isinstance(cell.task_state(second), Finished)


def test_a_kill_is_repeated_at_the_policys_pace() -> None:
    cell = running_cell(policy=Policy(kill_retry_ms=2_500))
    (task_id,) = cell.run(batch(1))
    cell.kill_task(task_id)
    assert len(cell.proposed(KillTask)) == 1
    cell.tick(2_499)
    assert cell.proposed(KillTask) == []
    cell.tick(1)
    assert len(cell.proposed(KillTask)) == 1


def test_health_that_flaps_leaves_nothing_behind() -> None:
    cell, task_id = limited()
    waiting = len(cell.machine._fold.deadlines)
    for count in range(50):
        cell.status(task_id, "TASK_RUNNING", is_healthy=count % 2 == 0)
    assert not cell.is_in(task_id, Started).is_healthy
    assert len(cell.machine._fold.deadlines) == waiting


def test_what_ended_waits_for_no_time_out() -> None:
    # Each had an entry until its runtime limit: 300 bytes a launch, for days.
    cell = running_cell(cpus=400)
    cell.records_a_check = 100
    fold = cell.machine._fold
    for number in range(4):
        for task_id in cell.run(batch(800), f"job-{number}"):
            cell.status(task_id, "TASK_FINISHED")
        assert not fold.looked_at_ms
        assert len(fold.deadlines) == fold.stale <= STALE_MIN
    assert cell.refolded().kept().deadlines == fold.deadlines


def test_how_far_changes_are_published_is_remembered_and_never_goes_back() -> None:
    cell = running_cell()
    cell.write(Tick(published_offset=3))
    cell.write(Tick(published_offset=1))
    assert cell.state.published_offset == 3


def test_a_gap_is_reported_at_the_first_event_of_its_record() -> None:
    # Its address must exist: the record before had three events, this one has one.
    cell = running_cell()
    cell.write(Tick(), Tick(), Tick())
    cell.now_ms += 120_000
    offset = cell.write(Tick())
    places = [(at, index) for at, index, change in cell.changes if isinstance(change, TimeGapped)]
    assert places == [(offset, 0)]
