"""The history of jobs and tasks: what stands in it, at which address, and what is left out."""

import pytest

from projections.entries import (
    ENTRIES_KEPT_FROM_THE_BEGINNING,
    ENTRIES_OF_TASK_MAX,
    MESSAGE_CHARACTERS_MAX,
    REFUSAL_RUNS_OF_JOB_MAX,
    ROUNDS_OF_REFUSAL_RUN_MAX,
)
from scheduler.model.changes import ProposalRefused
from scheduler.model.events import (
    ClassRefusal,
    Copied,
    EffectEnded,
    EffectStarted,
    LeaderElected,
    RoundRecord,
    RuleRefusal,
    Tick,
)
from scheduler.model.ids import HostId, JobId, StreamId, TaskId, proposal_id_of
from scheduler.model.inbound import JobSubmitted
from scheduler.model.job_requests import JobEnabledAsked
from scheduler.model.mesos import StatusUpdate
from scheduler.model.policy import Policy
from scheduler.model.proposals import KillTask, Launch, LaunchTasks
from scheduler.model.resources import Need
from tests.support.cell import batch, copied, service
from tests.unit.projections.watched import (
    WatchedCell,
    check_addresses,
    watched_cell,
)


def whats(cell: WatchedCell, task_id: TaskId) -> list[str]:
    """What happened to a task, in order."""
    return [line.what for line in cell.history(task_id)]


def test_a_task_from_submission_to_its_end_with_the_cause_of_each_step() -> None:
    cell = watched_cell()
    cell.submit(batch())
    (task_id,) = cell.launched()
    cell.status(task_id, "TASK_STARTING")
    cell.status(task_id, "TASK_RUNNING", observed_at_ms=17)
    cell.status(task_id, "TASK_FINISHED", reason="REASON_X", message="exit 0")

    queued, proposed, started, sent, starting, running, ended = cell.history(task_id)
    assert isinstance(cell.event(queued.address), Copied)
    assert queued.source == "jobs/0a0b0c0d:0:1"
    assert isinstance(cell.event(proposed.address), LaunchTasks)
    assert isinstance(cell.event(proposed.cause), RoundRecord)
    assert proposed.policy_version == 1
    assert (proposed.proposal, proposed.hostname) == (proposed.address, "name-of-host1")
    assert isinstance(cell.event(started.address), EffectStarted)
    assert started.cause == proposed.address
    assert started.proposal == sent.proposal == proposed.proposal
    assert isinstance(cell.event(sent.address), EffectEnded)
    assert (sent.reason, sent.cause) == ("sent", proposed.address)
    assert [line.state for line in (starting, running, ended)] == [
        "StartInitiated",
        "Started",
        "Finished",
    ]
    assert (running.mesos_state, running.has_uuid, running.observed_at_ms) == (
        "TASK_RUNNING",
        True,
        17,
    )
    assert running.stream_id == cell.stream_id
    assert (ended.reason, ended.mesos_reason, ended.message) == ("normal", "REASON_X", "exit 0")
    assert ended.source.startswith("mesos/0a0b0c0d:0:")
    check_addresses(cell)


def test_a_job_tells_who_asked_for_what_and_its_states() -> None:
    cell = watched_cell()
    cell.submit(service(2))
    cell.scale(desired=3)
    cell.kill_job()
    submitted, scaled, killed, ended = cell.job_history()
    assert (submitted.what, submitted.state) == ("submitted", "Accepted")
    assert (submitted.message, submitted.source) == ("wants 2 tasks", "jobs/0a0b0c0d:0:1")
    assert (scaled.what, scaled.reason, scaled.message) == (
        "scale asked",
        "scaled",
        "wants 3 tasks",
    )
    assert (killed.what, killed.state, killed.actor) == ("kill asked", "KillInitiated", "ada")
    assert (ended.what, ended.state, ended.reason) == ("job state", "Finished", "killed")
    check_addresses(cell)


def test_who_switched_a_job_off_stands_with_the_record_that_asked_for_it() -> None:
    cell = watched_cell()
    cell.submit(service(2))
    cell.copy("jobs", JobEnabledAsked(JobId("job"), is_enabled=False, actor="bob", why="a leak"))
    _, switched = cell.job_history()
    assert (switched.actor, switched.message) == ("bob", "a leak")
    assert switched.source == "jobs/0a0b0c0d:0:2"
    check_addresses(cell)


def test_the_same_submission_again_is_counted_and_another_of_that_name_is_a_rejection() -> None:
    cell = watched_cell()
    for _ in range(3):
        cell.submit(batch())
    cell.submit(batch(2))
    submitted, again, rejected = cell.job_history()
    assert submitted.count == 1
    assert (again.what, again.count) == ("submitted again", 2)
    assert again.last_address > again.address
    assert rejected.what == "rejected"
    assert "duplicate id" in rejected.message


def test_a_replacement_and_its_predecessor_name_each_other() -> None:
    cell = watched_cell()
    cell.submit(batch(retries=1))
    (first,) = cell.launched()
    cell.status(first, "TASK_FAILED", message="exit 1")
    second = cell.task().task_id
    assert cell.history(first)[-1].what == "replaced"
    assert second in cell.history(first)[-1].message
    queued = cell.history(second)[0]
    assert queued.address == cell.history(first)[-1].address
    assert queued.message == f"in place of {first}"
    assert queued.source == cell.history(first)[-2].source


def test_rounds_that_refuse_a_task_are_collapsed_and_count_only_its_own_wait() -> None:
    cell = watched_cell(hosts=1)
    cell.submit(batch(9))
    placed = cell.launched()
    assert len(placed) == 8
    waiting = cell.task(8).task_id
    for number in range(3):
        cell.tick(10_000)
        cell.offer("host2", cpus=0, name=f"empty-{number}")
        cell.decide_and_carry_out()
    cell.offer("host2", name="room")
    assert cell.launched() == [waiting]

    lines = cell.history(waiting)
    refused = lines[1]
    assert [line.what for line in lines][:3] == ["queued", "round refused", "launch proposed"]
    assert refused.count == 4  # the round that placed the eight, and one for each empty offer
    assert isinstance(cell.event(refused.address), RoundRecord)
    assert isinstance(cell.event(refused.last_address), RoundRecord)
    (rule,) = refused.refusals
    assert (rule.rule, rule.nearest_hostname) == ("cpu", "name-of-host2")
    assert "0.5 of 0.5 cpus missing" in rule.missing
    assert refused.wake
    assert "round refused" not in whats(cell, placed[0]), "it was placed by the first round"
    assert [line.what for line in cell.job_history()] == ["submitted", "round refused"]
    check_addresses(cell)


def test_a_round_before_a_retry_is_ready_did_not_refuse_it() -> None:
    cell = watched_cell(hosts=1)
    cell.submit(batch(2, retries=1, need=Need(4_000, 256, 10)))
    (first,) = cell.launched()
    waiting = cell.task(1).task_id
    cell.status(first, "TASK_FAILED")
    retry = cell.task(0).task_id
    cell.offer("host1", cpus=3)
    cell.decide_and_carry_out()
    assert whats(cell, waiting).count("round refused") == 1
    assert "round refused" not in whats(cell, retry)
    cell.tick(1_000, times=2)
    cell.decide_and_carry_out()
    assert whats(cell, retry).count("round refused") == 1


def test_rounds_before_a_task_was_there_did_not_refuse_it() -> None:
    cell = watched_cell(hosts=0)
    cell.submit(service(1))
    for number in range(3):
        cell.tick(10_000)
        cell.offer("host1", cpus=0, name=f"empty-{number}")
        cell.decide_and_carry_out()
    cell.scale(desired=2)
    cell.decide_and_carry_out()
    old, new = (cell.history(task.task_id)[-1] for task in cell.tasks())
    assert (old.what, old.count) == ("round refused", 4)
    assert (new.what, new.count) == ("round refused", 1)
    assert new.address == old.last_address


def test_a_launch_without_a_round_in_its_record_names_none() -> None:
    cell = watched_cell()
    cell.submit(batch(2))
    cell.write(_round())
    (offer_id,) = cell.state.host_offers[HostId("host1")]
    task_id = cell.task(0).task_id
    at = cell.write(LaunchTasks(HostId("host1"), (offer_id,), (Launch(task_id),)))
    line = cell.history(task_id)[-1]
    assert (line.what, line.cause) == ("launch proposed", "")
    assert line.proposal == f"test/0a0b0c0d:{at}[0]"
    assert "by no round that is recorded" in cell.says(task_id)


def test_a_refused_launch_says_why_and_the_task_waits_on() -> None:
    cell = watched_cell()
    cell.submit(batch())
    task_id = cell.task().task_id
    offer_ids = tuple(cell.state.host_offers[HostId("host1")])
    too_many = LaunchTasks(HostId("host1"), (*offer_ids, *offer_ids), (Launch(task_id),))
    cell.write(too_many)
    (refused,) = cell.said(ProposalRefused)
    line = cell.history(task_id)[-1]
    assert (line.what, line.message, line.state) == ("launch refused", refused.why, "")
    assert cell.event(line.proposal) == too_many


def test_a_launch_that_never_left_goes_back_and_the_next_one_is_told() -> None:
    cell = watched_cell()
    cell.submit(batch())
    cell.decide()
    cell.subscribe()  # voids the offers, and with them the launch
    cell.offer("host1")
    (task_id,) = cell.launched()
    assert whats(cell, task_id) == [
        "queued",
        "launch proposed",
        "requeued",
        "launch proposed",
        "effect started",
        "effect ended",
    ]
    requeued = cell.history(task_id)[2]
    assert requeued.source.startswith("mesos/")
    assert requeued.state == "Accepted"


def test_a_task_that_is_killed_before_its_launch_left_takes_the_launch_with_it() -> None:
    cell = watched_cell()
    cell.submit(batch(2))
    ((launch_id, _), *_) = [each for each in cell.decide() if isinstance(each[1], LaunchTasks)]
    cell.kill_task(cell.task(0).task_id)
    cell.start(launch_id)  # comes too late; check_view compares what is open
    killed, other = cell.task(0).task_id, cell.task(1).task_id
    assert whats(cell, killed)[-1] == "kill asked"
    assert whats(cell, other)[-1] == "requeued"


def test_a_launch_of_a_killed_task_alone_is_over_as_well() -> None:
    cell = watched_cell()
    cell.submit(batch())
    ((launch_id, _), *_) = [each for each in cell.decide() if isinstance(each[1], LaunchTasks)]
    cell.kill_job()  # check_view compares what is open
    assert launch_id not in cell.view.timeline.open_proposals
    assert whats(cell, cell.task().task_id) == ["queued", "launch proposed", "kill asked"]


def test_kills_are_told_with_who_asked_and_repeats_are_counted() -> None:
    cell = watched_cell()
    (task_id,) = cell.run(service(1))
    cell.kill_task(task_id)
    for _ in range(3):
        cell.decide_and_carry_out()
        cell.pass_ms(10_000)
    cell.status(task_id, "TASK_KILLED")
    lines = {line.what: line for line in cell.history(task_id)}
    asked = lines["kill asked"]
    assert (asked.actor, asked.state, asked.reason) == ("ada", "KillInitiated", "killed")
    assert asked.source.startswith("jobs/")
    proposed = lines["kill proposed"]
    assert (proposed.count, proposed.cause) == (3, asked.address)
    assert isinstance(cell.event(proposed.address), KillTask)
    assert isinstance(cell.event(proposed.last_address), KillTask)
    started, ended = cell.history(task_id)[-4:-2]
    assert (started.what, started.count) == ("effect started", 3)
    assert (ended.what, ended.reason, ended.count) == ("effect ended", "sent", 3)
    assert lines["status"].reason == "killed"
    check_addresses(cell)


def test_a_kill_of_an_ended_task_is_noted_where_it_changed_nothing() -> None:
    cell = watched_cell()
    (task_id,) = cell.run(batch())
    cell.status(task_id, "TASK_FINISHED")
    cell.kill_task(task_id)
    line = cell.history(task_id)[-1]
    assert (line.what, line.actor, line.state) == ("kill asked", "ada", "")
    assert "ended already" in line.message


def test_a_time_out_is_told_with_its_message() -> None:
    cell = watched_cell()
    cell.submit(service(1))
    (task_id,) = cell.launched()
    cell.pass_ms(400_000)
    line = next(line for line in cell.history(task_id) if line.what == "deadline")
    assert isinstance(cell.event(line.address), Tick)
    assert (line.state, line.reason) == ("KillInitiated", "stuckInState")
    assert "no word of its start" in line.message


def test_what_mesos_says_again_is_counted_and_what_it_says_on_a_dead_stream_is_marked() -> None:
    cell = watched_cell()
    (task_id,) = cell.run(service(1))
    cell.status(task_id, "TASK_RUNNING")
    cell.status(task_id, "TASK_RUNNING")
    assert cell.history(task_id)[-1].count == 3
    cell.status(task_id, "TASK_UNREACHABLE", uuid="", stream_id=StreamId("older"))
    cell.status(task_id, "TASK_RUNNING", stream_id=StreamId("older"))
    unheeded, late = cell.history(task_id)[-2:]
    for line in (unheeded, late):
        assert line.what == "status"
        assert line.message.startswith("not heeded")
        assert (line.state, line.stream_id) == ("", "older")
    assert cell.why(task_id).state == "Started"
    cell.status(task_id, "TASK_FAILED", stream_id=StreamId("older"))
    end = next(line for line in cell.history(task_id) if line.state == "Finished")
    assert not end.message, "an end is heeded from an older stream"


def test_a_silent_task_is_asked_for_and_the_questions_are_counted() -> None:
    cell = watched_cell()
    (task_id,) = cell.run(service(1))
    cell.subscribe()
    for _ in range(3):
        cell.decide_and_carry_out()
        cell.pass_ms(60_000)
    line = next(line for line in cell.history(task_id) if line.what == "asked of Mesos")
    assert line.count >= 2
    assert line.state == ""


def test_records_of_a_writer_that_does_not_lead_leave_no_trace() -> None:
    cell = watched_cell()
    cell.submit(batch(9))
    cell.decide_and_carry_out()
    old = cell.epoch
    cell.elect("cell-1")
    before = (cell.history(cell.task(8).task_id), cell.job_history())
    refusal = ClassRefusal(JobId("job"), 1, (RuleRefusal("x", 1),), "y")
    cell.write(_round(refusal), epoch=old)
    cell.write(EffectStarted(proposal_id=proposal_id_of(1, 0)), epoch=old)
    cell.write(Tick(), LeaderElected(candidate="x", incarnation="y"))
    assert (cell.history(cell.task(8).task_id), cell.job_history()) == before


def test_copies_behind_a_gap_leave_no_trace() -> None:
    cell = watched_cell()
    (task_id,) = cell.run(service(1))
    at = cell.inbound["mesos"]
    before = cell.history(task_id)
    update = StatusUpdate(
        stream_id=cell.stream_id, task_id=task_id, state="TASK_FAILED", uuid="dXVpZA=="
    )
    for offset, previous in ((at, at - 1), (at + 2, at + 1)):
        cell.write(copied("mesos", offset, previous, update))
    job = JobSubmitted(job_id=JobId("gap"), spec=batch(), digest="d")
    cell.write(copied("jobs", 7, 6, job))
    assert cell.history(task_id) == before
    assert JobId("gap") not in cell.view.timeline.histories.jobs


def test_a_long_history_keeps_its_beginning_and_counts_what_it_drops() -> None:
    cell = watched_cell()
    (task_id,) = cell.run(service(1))
    begin = cell.history(task_id)
    for number in range(ENTRIES_OF_TASK_MAX):
        cell.status(task_id, "TASK_RUNNING", is_healthy=bool(number % 2), message="x" * 5_000)
    history = cell.view.task_history(task_id)
    assert history is not None
    assert len(history.entries) == ENTRIES_OF_TASK_MAX
    assert history.dropped == len(begin)
    assert cell.history(task_id)[: len(begin)] == begin
    assert len(begin) < ENTRIES_KEPT_FROM_THE_BEGINNING
    assert all(len(line.message) <= MESSAGE_CHARACTERS_MAX for line in cell.history(task_id))


def test_refusals_of_a_job_have_limits_too() -> None:
    cell = watched_cell(hosts=0)
    cell.submit(batch())
    rounds = (REFUSAL_RUNS_OF_JOB_MAX + 2) * ROUNDS_OF_REFUSAL_RUN_MAX
    events = [_round(ClassRefusal(JobId("job"), 1, (RuleRefusal("x", 1),), "y"))] * 1_000
    for _ in range(0, rounds, 1_000):
        cell.write(*events)
    history = cell.view.job_history(JobId("job"))
    assert history is not None
    assert len(history.refusals) == REFUSAL_RUNS_OF_JOB_MAX
    assert history.refusals_dropped == 5
    assert sum(line.count for line in cell.job_history()[1:]) == 6_000
    check_addresses(cell)


def test_ended_histories_outlive_the_fold_for_a_while_and_are_counted_when_they_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("projections.histories.JOBS_BEYOND_FOLD_MAX", 2)
    monkeypatch.setattr("projections.histories.TASKS_BEYOND_FOLD_MAX", 3)
    cell = watched_cell(policy=Policy(finished_jobs_max=1))
    for number in range(8):
        (task_id,) = cell.run(batch(), f"job{number}")
        cell.status(task_id, "TASK_FINISHED")
        cell.offer("host1")
    histories = cell.view.timeline.histories
    assert list(cell.state.jobs) == ["job7"]
    assert list(histories.jobs) == ["job5", "job6", "job7"]
    assert list(histories.tasks) == [f"job{number}-worker-0-{1}" for number in (5, 6, 7)]
    assert (histories.jobs_dropped, histories.tasks_dropped) == (5, 5)
    remembered = cell.why("job5-worker-0-1")
    assert (remembered.state, remembered.reason) == ("Finished", "normal")
    assert remembered.is_forgotten


def test_an_ended_task_that_the_fold_still_knows_keeps_its_history(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("projections.histories.TASKS_BEYOND_FOLD_MAX", 1)
    cell = watched_cell(policy=Policy(finished_jobs_max=1))
    ended, _ = cell.run(batch(2), "long")
    cell.status(ended, "TASK_FINISHED")
    for number in range(5):
        cell.offer("host1")
        (task_id,) = cell.run(batch(), f"job{number}")
        cell.status(task_id, "TASK_FINISHED")
    assert list(cell.view.timeline.histories.jobs) == ["long", *(f"job{n}" for n in range(5))]
    assert cell.history(ended)[-1].state == "Finished"
    assert len(cell.view.timeline.histories.tasks) == len(cell.state.tasks) + 1


def _round(*refusals: ClassRefusal) -> RoundRecord:
    return RoundRecord(
        policy_version=1,
        inputs_seen=0,
        mesos_offset=0,
        waiting=1,
        placed=0,
        hosts=1,
        refusals=refusals,
    )
