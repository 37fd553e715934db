"""What becomes of accepted proposals: started or not, sent, refused, unknown, late, twice."""

from typing import Any

import pytest

from scheduler.effects import effect_of
from scheduler.model.changes import Change
from scheduler.model.constraint import Constraint
from scheduler.model.effects import KillOnHost
from scheduler.model.events import EffectEnded, EffectStarted, LeaderElected
from scheduler.model.ids import ProposalId
from scheduler.model.job import JobSpec
from scheduler.model.proposals import (
    KillTask,
    LaunchTasks,
    ReconcileAll,
    ReconcileTasks,
    SuppressOffers,
)
from scheduler.model.task import Finished, KillInitiated, Launched, Placed, Queued, Started
from tests.support.cell import CellInMemory, Fate, batch, running_cell


def decided(kind: type, size: int = 1) -> tuple[CellInMemory, ProposalId]:
    """A cell in which a proposal of this kind was just accepted; its id."""
    cell = running_cell(hosts=1)
    if kind is KillTask:
        cell.run(batch(size))
        cell.decide_and_carry_out()
        cell.kill_job()
    elif kind is LaunchTasks:
        cell.decide_and_carry_out()
        cell.submit(batch(size))
    elif kind is ReconcileTasks:
        cell.run(batch(size))
        cell.subscribe()
    elif kind is SuppressOffers:
        cell.pass_ms(700_000)
    ((proposal_id, _),) = [each for each in cell.decide() if isinstance(each[1], kind)]
    return cell, proposal_id


def test_a_launch_leaves_the_queue_for_good_when_its_effect_starts() -> None:
    cell, proposal_id = decided(LaunchTasks, size=2)
    assert {type(task.state) for task in cell.tasks()} == {Placed}
    cell.start(proposal_id)
    assert {type(task.state) for task in cell.tasks()} == {Launched}
    assert cell.state.decisions[proposal_id].is_started


@pytest.mark.parametrize(
    ("fate", "after", "is_answered"),
    [("sent", Launched, True), ("unknown", Launched, False)],
)
def test_how_a_launch_call_ended(fate: Fate, after: type, is_answered: bool) -> None:
    cell, proposal_id = decided(LaunchTasks)
    cell.carry_out(proposal_id, fate)
    assert proposal_id not in cell.state.decisions
    state = cell.is_in(cell.task().task_id, Launched)
    assert (type(state), state.is_answered) == (after, is_answered)


def test_a_refused_launch_is_planned_anew_under_a_new_name() -> None:
    cell, proposal_id = decided(LaunchTasks)
    first = cell.task().task_id
    cell.start(proposal_id)
    cell.write(EffectEnded(proposal_id=proposal_id, fate="refused", detail="400: no"))
    ended = cell.is_in(first, Finished)
    assert (ended.reason, ended.message) == ("lost", "call refused: 400: no")
    assert not ended.is_abandoned
    assert cell.task().resubmit_of == first
    assert isinstance(cell.task().state, Queued)


def test_a_launch_of_unknown_fate_is_not_planned_anew_by_silence() -> None:
    cell, proposal_id = decided(LaunchTasks)
    cell.carry_out(proposal_id, "unknown")
    cell.pass_ms(3_600_000)
    (task,) = cell.tasks()
    assert task.number == 1
    assert isinstance(task.state, KillInitiated), "it is asked to end, and waited for"


@pytest.mark.parametrize(
    ("state", "is_abandoned"),
    [("TASK_GONE", False), ("TASK_UNKNOWN", True), ("TASK_DROPPED", False)],
)
def test_a_launch_of_unknown_fate_is_planned_anew_when_mesos_does_not_have_it(
    state: Any, is_abandoned: bool
) -> None:
    cell, proposal_id = decided(LaunchTasks)
    cell.carry_out(proposal_id, "unknown")
    first = cell.task().task_id
    cell.stream_ends()
    cell.subscribe()
    assert [each.task_ids for each in cell.proposed(ReconcileTasks)] == [(first,)]
    cell.answer(first, state)
    assert cell.is_in(first, Finished).is_abandoned == is_abandoned
    assert cell.task().resubmit_of == first


def test_news_of_a_task_may_come_before_its_call_has_ended() -> None:
    cell, proposal_id = decided(LaunchTasks)
    cell.start(proposal_id)
    task_id = cell.task().task_id
    cell.status(task_id, "TASK_RUNNING")
    cell.end(proposal_id)
    assert isinstance(cell.task_state(task_id), Started)


def test_a_task_may_be_over_and_forgotten_before_its_call_has_ended() -> None:
    cell, proposal_id = decided(LaunchTasks)
    cell.set_policy(finished_tasks_max=1)
    cell.start(proposal_id)
    task_id = cell.task().task_id
    cell.status(task_id, "TASK_FINISHED")
    cell.submit(batch(1), "other")
    cell.kill_job("other")
    assert task_id not in cell.state.tasks
    cell.end(proposal_id)
    assert proposal_id not in cell.state.decisions


def said_by(cell: CellInMemory, *events: Any) -> tuple[str, list[Change]]:
    """The digest and the changes after a record of these events."""
    cell.write(*events)
    return cell.machine.digest.value(), cell.said_last()


@pytest.mark.parametrize("kind", [LaunchTasks, KillTask, ReconcileAll, SuppressOffers])
def test_started_twice_is_started_once(kind: type) -> None:
    cell, proposal_id = decided(kind)
    cell.start(proposal_id)
    before = cell.machine.digest.value()
    assert said_by(cell, EffectStarted(proposal_id=proposal_id)) == (before, [])


@pytest.mark.parametrize("kind", [LaunchTasks, KillTask, ReconcileAll, SuppressOffers])
@pytest.mark.parametrize("fate", ["sent", "refused", "unknown"])
def test_ended_before_it_was_started_says_nothing(kind: type, fate: Fate) -> None:
    cell, proposal_id = decided(kind)
    before = cell.machine.digest.value()
    ended = EffectEnded(proposal_id=proposal_id, fate=fate)
    assert said_by(cell, ended) == (before, [])
    assert proposal_id in cell.state.decisions


@pytest.mark.parametrize("fate", ["sent", "refused", "unknown"])
def test_ended_twice_is_ended_once(fate: Fate) -> None:
    cell, proposal_id = decided(LaunchTasks)
    cell.carry_out(proposal_id, fate)
    before = cell.machine.digest.value()
    again = (EffectStarted(proposal_id=proposal_id), EffectEnded(proposal_id, "refused"))
    assert said_by(cell, *again) == (before, [])


def test_an_effect_of_no_decision_says_nothing() -> None:
    cell = running_cell()
    before = cell.machine.digest.value()
    nobody = ProposalId("999.0")
    events = (EffectStarted(proposal_id=nobody), EffectEnded(nobody, "sent"))
    assert said_by(cell, *events) == (before, [])


def test_what_an_old_leader_writes_changes_nothing() -> None:
    cell, proposal_id = decided(LaunchTasks)
    old = cell.epoch
    cell.epoch = cell.write(LeaderElected(candidate="new", incarnation="j"))
    before = cell.machine.digest.value()
    for event in (
        EffectStarted(proposal_id=proposal_id),
        EffectEnded(proposal_id=proposal_id, fate="refused"),
        ReconcileAll(),
        SuppressOffers(),
    ):
        cell.write(event, epoch=old)
        assert cell.said_last() == []
        assert cell.machine.digest.value() == before


def test_an_election_sends_unstarted_launches_back_and_leaves_started_ones() -> None:
    cell = running_cell(hosts=2, cpus=1)
    cell.decide_and_carry_out()
    cell.submit(batch(4))
    launches = [pid for pid, each in cell.decide() if isinstance(each, LaunchTasks)]
    assert len(launches) == 2
    cell.start(launches[0])
    cell.write(LeaderElected(candidate="new", incarnation="j"))
    states = sorted(type(task.state).__name__ for task in cell.tasks())
    assert states == ["Launched", "Launched", "Queued", "Queued"]
    assert cell.state.decisions == {}


def test_a_started_launch_whose_end_comes_after_an_election_is_not_heard() -> None:
    cell, proposal_id = decided(LaunchTasks)
    cell.start(proposal_id)
    cell.elect("new")
    cell.end(proposal_id, fate="refused")
    assert isinstance(cell.task().state, Launched)


def test_a_kill_call_that_failed_is_repeated_like_one_that_was_sent() -> None:
    for fate in ("sent", "refused", "unknown"):
        cell, proposal_id = decided(KillTask)
        cell.carry_out(proposal_id, fate)
        cell.tick(9_999)
        assert cell.proposed(KillTask) == []
        cell.tick(1)
        assert len(cell.proposed(KillTask)) == 1


def test_after_a_call_that_did_not_go_through_nothing_is_said_for_a_second() -> None:
    fates: tuple[Fate, ...] = ("refused", "unknown")
    for fate in fates:
        cell, proposal_id = decided(ReconcileAll)
        cell.carry_out(proposal_id, fate)
        cell.submit(batch(1))
        assert cell.machine.decide() == ()
        cell.tick(999)
        assert cell.machine.decide() == ()
        cell.tick(1)
        assert len(cell.launched()) == 1


def test_the_pause_ends_with_the_stream() -> None:
    cell, proposal_id = decided(ReconcileAll)
    cell.carry_out(proposal_id, "unknown")
    cell.subscribe()
    assert len(cell.proposed(ReconcileAll)) == 1


def test_a_kill_of_what_has_ended_and_is_forgotten_can_still_be_sent() -> None:
    cell, proposal_id = decided(KillTask)
    cell.set_policy(finished_jobs_max=1)
    task_id, place = cell.task().task_id, cell.place(cell.task().task_id)
    cell.start(proposal_id)
    cell.status(task_id, "TASK_KILLED")
    cell.submit(batch(1), "other")
    cell.kill_job("other")
    assert task_id not in cell.state.tasks
    effect = effect_of(cell.state, cell.state.decisions[proposal_id])
    assert effect == KillOnHost(proposal_id, task_id, place.host_id, 0)


def spread(size: int) -> JobSpec:
    """A job that puts one task on each host."""
    return batch(size, hard_constraints=(Constraint("uniqueHost"),))


def test_each_launch_has_its_own_fate() -> None:
    cell = running_cell(hosts=3)
    cell.decide_and_carry_out()
    cell.submit(spread(3))
    fates: tuple[Fate, ...] = ("sent", "refused", "unknown")
    launches = [pid for pid, each in cell.decide() if isinstance(each, LaunchTasks)]
    cell.start(*launches)
    for proposal_id, fate in zip(launches, fates, strict=True):
        cell.end(proposal_id, fate=fate)
    by_proposal = {
        task.state.place.proposal_id: task.state
        for task in cell.state.tasks.values()
        if not isinstance(task.state, Queued) and task.state.place
    }
    sent, refused, unknown = (by_proposal[each] for each in launches)
    assert isinstance(sent, Launched)
    assert sent.is_answered
    assert isinstance(refused, Finished)
    assert isinstance(unknown, Launched)
    assert not unknown.is_answered
