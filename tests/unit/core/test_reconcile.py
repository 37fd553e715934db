"""Questions to Mesos: who is asked for, how often, and that silence never concludes anything."""

from typing import Any

import pytest

from scheduler.model.changes import CellPaged
from scheduler.model.events import LeaderElected, Tick
from scheduler.model.ids import StreamId, TaskId
from scheduler.model.inbound import InboundLost
from scheduler.model.mesos import Unrecognised
from scheduler.model.policy import Policy
from scheduler.model.proposals import LaunchTasks, ReconcileAll, ReconcileTasks
from scheduler.model.task import Disconnected, Finished, KillInitiated, Launched, Started
from tests.support.cell import CellInMemory, batch, copied, running_cell


def asked(cell: CellInMemory) -> list[TaskId]:
    """The tasks that are asked for now, over all calls."""
    return [each for proposal in cell.proposed(ReconcileTasks) for each in proposal.task_ids]


def test_every_task_that_may_be_there_is_asked_for_on_each_new_stream() -> None:
    cell = running_cell()
    running, starting, launched, killed, done = cell.run(batch(5))
    cell.submit(batch(1), "unanswered")
    cell.kill_task(killed)
    cell.status(done, "TASK_FINISHED")
    cell.submit(batch(1), "waits")
    for _ in range(2):
        cell.subscribe()
        assert asked(cell) == sorted([running, starting, launched, killed])


def test_a_launched_task_is_asked_for_whatever_its_call_said() -> None:
    cell = running_cell()
    cell.submit(batch(1))
    (task_id,) = cell.launched("unknown")
    cell.subscribe()
    assert asked(cell) == [task_id]


def test_who_has_spoken_on_this_stream_is_not_asked_again() -> None:
    cell = running_cell()
    first, second = cell.run(batch(2))
    cell.subscribe()
    cell.status(first, "TASK_RUNNING")
    assert asked(cell) == [second]
    cell.answer(second, "TASK_RUNNING")
    cell.pass_ms(300_000)
    assert asked(cell) == []


def test_who_has_spoken_on_an_older_stream_only_is_asked() -> None:
    cell = running_cell()
    (task_id,) = cell.run(batch(1))
    old, new = cell.stream_id, cell.subscribe()
    cell.stream_id = old
    cell.status(task_id, "TASK_RUNNING")
    cell.stream_id = new
    assert asked(cell) == [task_id]


def test_waits_double_up_to_a_limit() -> None:
    cell = running_cell()
    cell.run(batch(1))
    cell.subscribe()
    assert len(asked(cell)) == 1
    for wait_s in (10, 20, 40, 80, 160, 300, 300):
        for _ in range(wait_s - 1):
            cell.tick(1_000)
        assert asked(cell) == []
        cell.tick(1_000)
        assert len(asked(cell)) == 1


def test_a_question_of_several_calls_is_one_attempt() -> None:
    cell = running_cell(policy=Policy(reconcile_tasks_max=2))
    task_ids = cell.run(batch(5))
    cell.subscribe()
    calls = cell.proposed(ReconcileTasks)
    assert [each.task_ids for each in calls] == [
        tuple(task_ids[0:2]),
        tuple(task_ids[2:4]),
        tuple(task_ids[4:]),
    ]
    assert cell.state.stream.reconcile_attempts == 1
    cell.tick(10_000)
    assert len(asked(cell)) == 5


def test_silence_concludes_nothing() -> None:
    cell = running_cell()
    (task_id,) = cell.run(batch(1))
    before = cell.task_state(task_id)
    cell.subscribe()
    for _ in range(100):
        cell.pass_ms(300_000)
        cell.decide_and_carry_out()
    assert cell.task_state(task_id) is before


@pytest.mark.parametrize(
    ("state", "after"),
    [
        ("TASK_RUNNING", Started),
        ("TASK_STAGING", Started),
        ("TASK_UNREACHABLE", Disconnected),
        ("TASK_UNKNOWN", Disconnected),
        ("TASK_GONE", Disconnected),
        ("TASK_GONE_BY_OPERATOR", Finished),
        ("TASK_FINISHED", Finished),
    ],
)
def test_answers(state: Any, after: type) -> None:
    cell = running_cell()
    (task_id,) = cell.run(batch(1))
    cell.subscribe()
    cell.answer(task_id, state)
    assert type(cell.task_state(task_id)) is after


@pytest.mark.parametrize("state", ["TASK_GONE", "TASK_UNKNOWN", "TASK_UNREACHABLE", "TASK_RUNNING"])
def test_an_answer_heard_on_an_older_stream_says_nothing(state: Any) -> None:
    cell = running_cell()
    cell.submit(batch(1))
    (task_id,) = cell.launched()
    before = cell.task_state(task_id)
    old, new = cell.stream_id, cell.subscribe()
    cell.stream_id = old
    cell.answer(task_id, state)
    assert cell.task_state(task_id) is before
    cell.stream_id = new
    assert asked(cell) == [task_id]


def test_an_answer_heard_while_no_stream_is_open_says_nothing() -> None:
    cell = running_cell()
    cell.submit(batch(1))
    (task_id,) = cell.launched()
    before = cell.task_state(task_id)
    cell.stream_ends()
    cell.answer(task_id, "TASK_GONE")
    assert cell.task_state(task_id) is before


@pytest.mark.parametrize(
    ("state", "after"),
    [
        ("TASK_FINISHED", Finished),
        ("TASK_FAILED", Finished),
        ("TASK_KILLED", Finished),
        ("TASK_RUNNING", Launched),
        ("TASK_STARTING", Launched),
    ],
)
def test_of_what_a_host_says_on_an_older_stream_only_the_end_counts(
    state: Any, after: type
) -> None:
    cell = running_cell()
    cell.submit(batch(1))
    (task_id,) = cell.launched()
    old, new = cell.stream_id, cell.subscribe()
    cell.stream_id = old
    cell.status(task_id, state)
    cell.stream_id = new
    assert type(cell.task_state(task_id)) is after


def test_a_late_word_of_life_does_not_undo_that_a_host_is_out_of_reach() -> None:
    cell = running_cell()
    (task_id,) = cell.run(batch(1))
    old, new = cell.stream_id, cell.subscribe()
    cell.answer(task_id, "TASK_UNREACHABLE")
    cell.stream_id = old
    cell.status(task_id, "TASK_RUNNING")
    cell.stream_id = new
    assert isinstance(cell.task_state(task_id), Disconnected)


def test_the_backlog_of_the_last_stream_counts_until_another_is_open() -> None:
    cell = running_cell()
    cell.submit(batch(1))
    (task_id,) = cell.launched()
    cell.write(LeaderElected(candidate="new", incarnation="j"))
    cell.epoch = cell.state.epoch
    cell.status(task_id, "TASK_RUNNING")
    assert isinstance(cell.task_state(task_id), Started)


def test_nothing_is_launched_before_the_first_question_has_left() -> None:
    cell = running_cell()
    cell.run(batch(1))
    cell.submit(batch(1), "waits")
    cell.subscribe()
    cell.offer("host1")
    proposals = cell.decide()
    (question,) = [pid for pid, each in proposals if isinstance(each, ReconcileTasks)]
    assert not any(isinstance(each, LaunchTasks) for _, each in proposals)
    cell.start(question)
    assert cell.machine.decide() == ()
    cell.end(question)
    assert len(cell.launched()) == 1


def test_a_question_that_did_not_leave_is_no_question() -> None:
    cell = running_cell()
    cell.run(batch(1))
    cell.submit(batch(1), "waits")
    cell.subscribe()
    cell.offer("host1")
    assert cell.launched("refused") == []
    assert cell.launched() == []
    cell.tick(10_000)
    assert len(cell.launched()) == 1


def test_where_nobody_has_to_be_asked_launches_go_at_once() -> None:
    cell = running_cell(hosts=1)
    cell.submit(batch(1))
    assert any(isinstance(each, LaunchTasks) for _, each in cell.decide())


def test_launches_go_once_all_have_spoken_by_themselves() -> None:
    cell = running_cell()
    (task_id,) = cell.run(batch(1))
    cell.submit(batch(1), "waits")
    cell.subscribe()
    cell.offer("host1")
    ((question, _), *_) = [each for each in cell.decide() if isinstance(each[1], ReconcileTasks)]
    cell.answer(task_id, "TASK_RUNNING")
    assert question in cell.state.decisions
    assert any(isinstance(each, LaunchTasks) for _, each in cell.decide())


def test_nothing_is_asked_before_the_first_tick_of_an_epoch() -> None:
    cell = running_cell()
    cell.run(batch(1))
    cell.epoch = cell.write(LeaderElected(candidate="new", incarnation="j"))
    cell.subscribe()
    assert cell.machine.decide() == ()
    cell.write(Tick())
    assert len(asked(cell)) == 1


def test_all_that_mesos_holds_is_asked_for_now_and_then() -> None:
    cell = running_cell()
    assert len(cell.proposed(ReconcileAll)) == 1
    cell.pass_ms(899_999)
    assert cell.proposed(ReconcileAll) == []
    cell.tick(1)
    assert len(cell.proposed(ReconcileAll)) == 1
    cell.subscribe()
    assert len(cell.proposed(ReconcileAll)) == 1


def test_one_question_is_out_at_a_time() -> None:
    cell = running_cell()
    cell.run(batch(1))
    cell.subscribe()
    cell.decide()
    cell.tick(30_000, times=10)
    assert cell.machine.decide() == ()


def test_a_task_given_up_unheard_is_asked_for() -> None:
    cell = running_cell()
    (task_id,) = cell.run(batch(1))
    cell.answer(task_id, "TASK_UNREACHABLE")
    assert asked(cell) == []
    cell.pass_ms(60_000)
    assert cell.is_in(task_id, Finished).is_abandoned
    assert asked(cell) == [task_id]
    cell.subscribe()
    assert asked(cell) == [task_id]
    cell.answer(task_id, "TASK_GONE")
    cell.subscribe()
    assert asked(cell) == []


def test_a_forgotten_task_is_not_asked_for() -> None:
    cell = running_cell(policy=Policy(finished_tasks_max=1, finished_jobs_max=1))
    cell.run(batch(1))
    first = cell.task().task_id
    cell.answer(first, "TASK_UNREACHABLE")
    cell.pass_ms(60_000)
    cell.submit(batch(1), "other")
    cell.kill_job("other")
    assert first not in cell.state.tasks
    cell.subscribe()
    assert asked(cell) == []


def test_after_a_loss_in_the_topic_everybody_is_asked_again() -> None:
    cell = running_cell()
    task_ids = cell.run(batch(2))
    cell.kill_task(task_ids[1])
    cell.decide_and_carry_out()
    assert asked(cell) == []
    last = cell.inbound["mesos"]
    lost = InboundLost(first_offset=last + 1, last_offset=last + 9)
    cell.write(copied("mesos", last + 9, last, lost))
    cell.inbound["mesos"] = last + 9
    assert [type(change) for change in cell.said_last()] == [CellPaged]
    assert asked(cell) == task_ids
    assert isinstance(cell.task_state(task_ids[1]), KillInitiated)


def test_after_a_loss_in_another_topic_nobody_is() -> None:
    cell = running_cell()
    cell.run(batch(2))
    last = cell.inbound["jobs"]
    cell.write(copied("jobs", last + 3, last, InboundLost(last + 1, last + 3)))
    assert [type(change) for change in cell.said_last()] == [CellPaged]
    assert asked(cell) == []


def test_a_fatal_end_of_a_stream_stops_the_cell_for_good() -> None:
    cell = running_cell()
    cell.submit(batch(1))
    cell.stream_ends(is_fatal=True)
    assert cell.said_last() == [
        CellPaged(what="the framework id is burnt", why="test", kind="framework id")
    ]
    cell.stream_id = StreamId("another")
    cell.subscribe()
    cell.offer("host1")
    assert cell.machine.decide() == ()


def test_a_fatal_refusal_to_subscribe_stops_the_cell_as_well() -> None:
    cell = CellInMemory()
    cell.elect()
    cell.stream_ends(is_fatal=True)
    cell.subscribe()
    assert cell.machine.decide() == ()


def test_an_update_that_cannot_be_read_pages_and_its_task_is_asked_for_again() -> None:
    cell = running_cell()
    (task_id,) = cell.run(batch(1))
    odd = Unrecognised(
        stream_id=cell.stream_id, raw="{}", task_id=task_id, state="TASK_DREAMING", uuid="dXVpZA=="
    )
    cell.copy("mesos", odd)
    (page,) = cell.said_last()
    assert isinstance(page, CellPaged)
    assert (page.kind, page.key, page.tasks) == ("unreadable update", "TASK_DREAMING", (task_id,))
    assert asked(cell) == [task_id]
    assert isinstance(cell.task_state(task_id), Started)


def test_an_update_that_cannot_be_read_of_a_task_that_nobody_knows_asks_nothing() -> None:
    cell = running_cell()
    odd = Unrecognised(cell.stream_id, "{}", TaskId("stranger"), state="TASK_DREAMING")
    cell.copy("mesos", odd)
    cell.copy("mesos", Unrecognised(cell.stream_id, "{}"))
    (page,) = cell.said(CellPaged)
    assert page.why == "task stranger: TASK_DREAMING (see the record in topic mesos)"
    assert cell.state.unanswered == {}
    assert asked(cell) == []
