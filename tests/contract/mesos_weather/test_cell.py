"""The whole cell in bad weather: it ends no task without cause and starts none a second time.

Records as the connector gives them go into a cell in memory, whose invariants are checked after
each (of the largest cells after every 16th, and at the end). Small cells show one story; the others
have 12,000 tasks, the number that Titus once lost. There is no safe mode yet: what is shown here is
what the fold does by itself.
"""

import functools
import pickle
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from scheduler.model.changes import CellPaged, OrphanGone, OrphanSeen
from scheduler.model.ids import HostId, TaskId
from scheduler.model.inbound import FindingConfirmed
from scheduler.model.mesos import MesosTaskState, StatusUpdate, StreamEnded, Unrecognised
from scheduler.model.policy import Policy
from scheduler.model.proposals import (
    DeclineOffers,
    KillTask,
    LaunchTasks,
    ReconcileAll,
    ReconcileTasks,
    ReviveOffers,
    SuppressOffers,
)
from scheduler.model.resources import Need
from scheduler.model.task import Disconnected, Finished, KillInitiated, Launched, Queued, Started
from tests.support.cell import CellInMemory, batch, running_cell, service

TASKS, HOSTS = 12_000, 12
RECORDS_A_CHECK = 16
"""Of a cell with 12,000 tasks: one look at everything takes as long as some 20 of its records."""
SMALL = Need(cpu_milli=100, memory_mib=64, disk_mib=1)


def told(
    cell: CellInMemory, task_ids: Iterable[TaskId], state: MesosTaskState, **fields: Any
) -> None:
    """Answers about many tasks on the open stream, a thousand in a record."""
    values: dict[str, Any] = {"reason": "REASON_RECONCILIATION"} | fields
    updates = [
        StatusUpdate(
            stream_id=cell.stream_id,
            task_id=each,
            state=state,
            **({"host_id": cell.host_of(each)} | values),
        )
        for each in task_ids
    ]
    for at in range(0, len(updates), 1_000):
        cell.copy("mesos", *updates[at : at + 1_000])


@functools.cache
def _built() -> tuple[bytes, tuple[TaskId, ...]]:
    # Fewer and larger calls than by default: each carries a part of the whole state.
    policy = Policy(
        launches_per_round_max=TASKS,
        reconcile_tasks_max=TASKS,
        unstarted_tasks_per_job_max=TASKS,
    )
    cell = running_cell(0, policy)
    cell.records_a_check = RECORDS_A_CHECK
    offer_hosts(cell)
    for job in ("one", "two"):
        cell.submit(service(TASKS // 2, 10_000, need=SMALL), job)
    task_ids = cell.launched()
    assert len(task_ids) == TASKS
    told(cell, task_ids, "TASK_RUNNING", uuid="dXVpZA==", reason="")
    return pickle.dumps(cell), tuple(task_ids)


def offer_hosts(cell: CellInMemory) -> None:
    """Offer hosts that have room for everything once more."""
    for number in range(HOSTS):
        cell.offer(f"host{number}", cpus=200, memory_mib=10**6)


@contextmanager
def large_cell() -> Iterator[tuple[CellInMemory, Sequence[TaskId]]]:
    """A cell with 12,000 running tasks, and a new leader with a new stream and free hosts.

    Its invariants are checked at intervals, and once more when the test is done with it.
    """
    built, task_ids = _built()
    cell: CellInMemory = pickle.loads(built)  # noqa: S301 - written above
    cell.elect("cell-1")
    cell.subscribe()
    offer_hosts(cell)
    yield cell, task_ids
    cell.check()


_OFFER_CARE = (DeclineOffers, SuppressOffers, ReviveOffers)


def days_work(cell: CellInMemory, minutes: int, step_ms: int = 60_000) -> list[Any]:
    """All that the cell carries out while time passes; every call is answered 202."""
    done = list(cell.decide_and_carry_out())
    for _ in range(minutes * 60_000 // step_ms):
        cell.tick(step_ms)
        done += cell.decide_and_carry_out()
    return done


def of(done: list[Any], kind: type) -> int:
    """How many proposals of a kind there are."""
    return sum(isinstance(each, kind) for each in done)


def running(cell: CellInMemory, task_ids: Iterable[TaskId]) -> int:
    """How many of these tasks the cell takes to be running."""
    return sum(isinstance(cell.task_state(each), Started) for each in task_ids)


# Zero-state: the master knows nothing of what we know.


def test_a_master_that_answers_nothing_about_12000_tasks_changes_nothing() -> None:
    """Explicit and implicit questions are both met with silence, for five minutes."""
    with large_cell() as (cell, task_ids):
        done = days_work(cell, minutes=5)
        assert {type(each) for each in done} <= {ReconcileTasks, ReconcileAll, *_OFFER_CARE}
        assert running(cell, task_ids) == TASKS
        asked = [each for each in done if isinstance(each, ReconcileTasks)]
        # Waits of 10 s doubling to 5 min, looked at once a minute.
        assert 3 <= len(asked) <= 8
        assert all(len(each.task_ids) == TASKS for each in asked)
        assert cell.refolded().digest.value() == cell.machine.digest.value()


def test_a_master_that_knows_none_of_12000_tasks_has_none_of_them_killed() -> None:
    """UNKNOWN may come back: waited for, in `safe`, then replaced once on an operator's word."""
    with large_cell() as (cell, task_ids):
        cell.decide_and_carry_out()
        told(cell, task_ids, "TASK_UNKNOWN")
        assert all(isinstance(cell.task_state(each), Disconnected) for each in task_ids)
        assert of(cell.decide_and_carry_out(), LaunchTasks) == 0
        told(cell, task_ids, "TASK_RUNNING")
        assert running(cell, task_ids) == TASKS, "back in time: as if nothing had been"
        told(cell, task_ids, "TASK_UNKNOWN")
        done = days_work(cell, minutes=10)
        assert of(done, KillTask) == of(done, LaunchTasks) == 0
        safe = cell.state.safe
        assert safe is not None, "so many at once are an operator's to judge"
        confirmed = FindingConfirmed(safe.finding, TASKS, actor="op", why="the cluster is gone")
        cell.copy("commands", confirmed)
        offer_hosts(cell)
        done = days_work(cell, minutes=1)
        assert of(done, KillTask) == 0
        replaced = [each.task_id for job in ("one", "two") for each in cell.tasks(job)]
        assert len(set(replaced)) == TASKS
        assert not set(replaced) & set(task_ids)
        told(cell, task_ids, "TASK_RUNNING")
        done = days_work(cell, minutes=1)
        killed = {each.task_id for each in done if isinstance(each, KillTask)}
        assert len(killed) == 10, "the budget of an hour, whatever comes back"
        assert killed <= set(task_ids)


# Its inverse: the log knows nothing of what runs.


def test_12000_tasks_that_an_empty_log_does_not_know_are_shown_and_never_killed() -> None:
    cell = running_cell(hosts=2)
    strangers = [TaskId(f"stranger-{number}") for number in range(TASKS)]
    cell.decide_and_carry_out()
    told(cell, strangers, "TASK_RUNNING", host_id=HostId("host1"))
    assert len(cell.state.orphans) == cell.state.policy.orphans_max == 10_000
    cell.submit(batch(2))
    mine = cell.launched()
    assert len(mine) == 2, "new work goes on beside them"
    done = days_work(cell, minutes=4)
    assert of(done, KillTask) == of(done, LaunchTasks) == 0
    assert len(cell.said(OrphanSeen)) == 10_000
    told(cell, strangers, "TASK_FINISHED", host_id=HostId("host1"))
    assert not cell.state.orphans
    assert len(cell.said(OrphanGone)) == 10_000


# Streams that come and go.


def test_a_storm_of_streams_launches_nothing_twice_and_kills_nothing() -> None:
    """Fifty streams that end at once, in the middle of launching and running."""
    cell = running_cell()
    ran = cell.run(batch(3), "old")
    cell.submit(batch(5))
    (first, *_) = cell.decide()
    cell.start(first[0])
    done: list[Any] = []
    for number in range(50):
        cell.stream_ends()
        assert cell.decide() == ()
        cell.subscribe()
        if number % 3 == 0:
            cell.offer("host1")
        cell.tick(200)
        done += cell.decide_and_carry_out("refused" if number % 2 else "sent")
        assert len(cell.state.offers) <= 1, "offers are true on their own stream only"
    launched = [each.task_id for p in done if isinstance(p, LaunchTasks) for each in p.launches]
    assert len(launched) == len(set(launched))
    assert of(done, KillTask) == 0
    assert running(cell, ran) == 3


def test_a_failed_over_stream_is_followed_by_another_and_a_burnt_id_by_none() -> None:
    cell = running_cell()
    cell.run(batch(1))
    cell.stream_ends()
    cell.subscribe()
    assert cell.decide_and_carry_out()
    cell.copy("mesos", StreamEnded(cell.stream_id, "Framework has been removed", is_fatal=True))
    cell.subscribe()
    cell.offer("host1")
    cell.tick(60_000)
    assert cell.decide() == ()
    assert "burnt" in cell.said(CellPaged)[-1].what


def test_a_silent_stream_keeps_everything_as_it_is() -> None:
    """It is open and nothing comes: what runs runs, what starts is asked to end and waited for."""
    cell = running_cell()
    ran = cell.run(batch(2), "old")
    cell.submit(batch(1))
    (starting,) = cell.launched()
    done = days_work(cell, minutes=120)
    assert running(cell, ran) == 2
    assert isinstance(cell.task_state(starting), KillInitiated)
    assert {each.task_id for each in done if isinstance(each, KillTask)} == {starting}
    assert of(done, LaunchTasks) == 0, "only Mesos' word frees its index"


# Calls that were read, and nothing more.


def test_a_launch_with_202_and_then_nothing_is_never_launched_again_by_itself() -> None:
    cell = running_cell()
    cell.submit(service(1))
    (task_id,) = cell.launched()
    assert cell.is_in(task_id, Launched).is_answered
    done = days_work(cell, minutes=60, step_ms=30_000)
    assert of(done, LaunchTasks) == 0
    assert of(done, KillTask) > 50, "it is asked to end until Mesos answers"
    cell.answer(task_id, "TASK_GONE")
    assert cell.is_in(task_id, Finished).reason == "stuckInState"
    cell.tick(1_000)
    cell.offer("host1")
    assert cell.launched() == [], "the host is out of use: a kill there did not end"
    cell.offer("host2")
    (replacement,) = cell.launched()
    assert replacement != task_id
    assert cell.launched() == []


def test_a_kill_with_202_and_then_nothing_is_repeated_at_its_pace() -> None:
    cell = running_cell()
    (task_id,) = cell.run(batch(1))
    cell.kill_job()
    done = days_work(cell, minutes=10, step_ms=1_000)
    assert of(done, KillTask) == 60 + 1, "every ten seconds, as the policy says"
    assert isinstance(cell.task_state(task_id), KillInitiated)
    cell.status(task_id, "TASK_KILLED")
    assert of(days_work(cell, minutes=1), KillTask) == 0


def test_a_question_with_202_and_then_nothing_is_asked_ever_less_often() -> None:
    cell = running_cell()
    cell.run(batch(1))
    cell.subscribe()
    done = days_work(cell, minutes=60, step_ms=1_000)
    # 10 s doubling to 5 min: 0, 10, 30, 70, 150, 310, 610, 910, … 3,310 s.
    assert of(done, ReconcileTasks) == 16
    assert of(done, ReconcileAll) == 5


def test_an_acknowledgement_that_is_lost_costs_a_repetition_and_nothing_else() -> None:
    cell = running_cell()
    (task_id,) = cell.run(batch(1))
    cell.status(task_id, "TASK_FINISHED")
    after = cell.task_state(task_id)
    for _ in range(5):
        cell.status(task_id, "TASK_FINISHED")
        assert cell.task_state(task_id) is after
    assert cell.steps_of(task_id)[-1] == "Finished"
    assert cell.steps_of(task_id).count("Finished") == 1


# Tasks that come back.


@pytest.mark.parametrize("job", [batch(1, retries=3), service(1)], ids=["batch", "service"])
def test_lost_that_comes_back_is_replaced_once_and_then_ended(job: Any) -> None:
    """LOST is not final: what was replaced has history in the log, so its return is no orphan's."""
    cell = running_cell()
    (task_id,) = cell.run(job)
    cell.status(task_id, "TASK_LOST", uuid="", reason="REASON_AGENT_REMOVED")
    assert cell.is_in(task_id, Finished).is_abandoned
    cell.tick(60_000)
    cell.offer("host2")
    (replacement,) = cell.launched()
    cell.status(replacement, "TASK_RUNNING")
    cell.status(task_id, "TASK_RUNNING", uuid="", reason="REASON_AGENT_REREGISTERED")
    assert cell.proposed(KillTask) == [
        KillTask(task_id=task_id, host_id=cell.place(task_id).host_id, is_inferred=True)
    ]
    assert isinstance(cell.task_state(replacement), Started)
    assert not cell.state.orphans
    cell.status(task_id, "TASK_KILLED")
    assert not cell.is_in(task_id, Finished).is_abandoned
    cell.tick(60_000)
    assert cell.proposed(KillTask) == []
    assert isinstance(cell.task_state(replacement), Started)


def test_lost_again_is_waited_for_and_asked_about_on_each_stream() -> None:
    cell = running_cell()
    (task_id,) = cell.run(service(1))
    cell.status(task_id, "TASK_LOST", uuid="")
    cell.status(task_id, "TASK_RUNNING", uuid="")
    assert cell.is_in(task_id, Finished).is_back
    cell.status(task_id, "TASK_LOST", uuid="")
    assert cell.proposed(KillTask) == []
    cell.subscribe()
    asked = cell.proposed(ReconcileTasks)
    assert task_id in {each for question in asked for each in question.task_ids}
    cell.answer(task_id, "TASK_GONE")
    assert not cell.is_in(task_id, Finished).is_abandoned


def test_a_kill_that_was_answered_with_lost_is_said_again_when_the_task_is_back() -> None:
    cell = running_cell()
    (task_id,) = cell.run(batch(1))
    cell.kill_job()
    cell.decide_and_carry_out()
    cell.status(task_id, "TASK_LOST", uuid="")
    assert cell.is_in(task_id, Finished).reason == "killed"
    cell.tick(60_000)
    assert cell.proposed(KillTask) == []
    cell.status(task_id, "TASK_RUNNING", uuid="")
    assert len(cell.proposed(KillTask)) == 1


@pytest.mark.parametrize("away", ["TASK_UNREACHABLE", "TASK_UNKNOWN"])
def test_a_host_that_flaps_costs_its_tasks_nothing(away: MesosTaskState) -> None:
    cell = running_cell()
    (task_id,) = cell.run(service(1))
    before = cell.task_state(task_id)
    for _ in range(20):
        cell.answer(task_id, away)
        cell.tick(50_000)
        assert not {LaunchTasks, KillTask} & {type(e) for e in cell.decide_and_carry_out()}
        cell.status(task_id, "TASK_RUNNING", uuid="", reason="REASON_AGENT_REREGISTERED")
        assert cell.task_state(task_id) == before


# What this build cannot read.


def unread(cell: CellInMemory, task_id: TaskId | None) -> None:
    """A record of an update that nobody could read."""
    raw = '{"type":"UPDATE"}'
    cell.copy(
        "mesos",
        Unrecognised(cell.stream_id, raw, task_id, HostId("host1"), "TASK_OF_TOMORROW", "dXVpZA=="),
    )


def test_an_update_that_cannot_be_read_pages_and_has_its_task_asked_for() -> None:
    """It may have been the task's end; what Mesos answers on asking decides, not we."""
    cell = running_cell()
    (task_id,) = cell.run(service(1))
    cell.tick(60_000)
    assert cell.proposed(ReconcileTasks) == []
    before = cell.task_state(task_id)
    unread(cell, task_id)
    assert cell.task_state(task_id) is before
    paged = cell.said(CellPaged)[-1]
    assert "cannot read" in paged.what
    assert "TASK_OF_TOMORROW" in paged.why
    assert cell.proposed(ReconcileTasks) == [ReconcileTasks(task_ids=(task_id,))]
    cell.answer(task_id, "TASK_GONE")
    assert isinstance(cell.task_state(task_id), Disconnected), "asked for again, for a minute"
    cell.offer("host1")
    for _ in range(7):
        cell.tick(10_000)
        cell.decide_and_carry_out()
        if isinstance(cell.task_state(task_id), Disconnected):
            cell.answer(task_id, "TASK_GONE")
    assert cell.is_in(task_id, Finished).reason == "lost"
    cell.tick(1_000)
    cell.decide_and_carry_out()
    assert [each.task_id for each in cell.tasks()] != [task_id]


def test_an_unreadable_update_of_a_stranger_or_an_ended_task_pages_only() -> None:
    cell = running_cell()
    (task_id,) = cell.run(batch(1))
    cell.status(task_id, "TASK_FINISHED")
    for each in (TaskId("stranger"), task_id):
        paged = len(cell.said(CellPaged))
        unread(cell, each)
        assert len(cell.said(CellPaged)) == paged + 1
    assert not cell.state.unanswered
    assert not cell.state.orphans


def test_an_event_of_tomorrow_is_kept_and_says_nothing() -> None:
    cell = running_cell()
    digest = cell.machine.digest.value()
    watermark = cell.state.stream.mesos_offset
    unread(cell, None)
    assert cell.said(CellPaged) == []
    assert cell.state.stream.mesos_offset == watermark + 1
    assert cell.machine.digest.value() != digest, "the watermark moved, and nothing else"


def test_an_unreadable_update_before_any_stream_waits_for_one() -> None:
    cell = running_cell()
    (task_id,) = cell.run(service(1))
    cell.stream_ends()
    unread(cell, task_id)
    assert not cell.state.unanswered
    cell.subscribe()
    assert task_id in cell.state.unanswered


def test_a_queued_task_is_not_asked_for_because_somebody_speaks_of_it() -> None:
    cell = running_cell(hosts=0)
    cell.submit(batch(1))
    task_id = cell.task().task_id
    unread(cell, task_id)
    assert isinstance(cell.task_state(task_id), Queued)
    assert not cell.state.unanswered
