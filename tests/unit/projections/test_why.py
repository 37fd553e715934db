"""Why: each state of a task has its sentences, and each sentence its address."""

import re

import pytest
from msgspec.structs import replace

from projections.why import LINKS_MAX, PREDECESSORS_MAX, Unknown, why
from projections.words import duration, instant, line_text
from scheduler.model.address import parse_address
from scheduler.model.ids import HostId, TaskId
from scheduler.model.inbound import RulesAsked
from scheduler.model.policy import Policy
from scheduler.model.resources import Need
from scheduler.model.rules import Amount, CapacityGroup, PlacementRules
from tests.support.cell import batch, service
from tests.unit.projections.watched import WatchedCell, check_addresses, lines_of, watched_cell

ADDRESS = re.compile(r"test/0a0b0c0d:\d+\[\d+\]")


def check_said(cell: WatchedCell, name: str) -> str:
    """The sentences about a name, after each address in them was read in the log."""
    answer = cell.why(name)
    text = " ".join(answer.sentences)
    for address in ADDRESS.findall(text):
        assert cell.has_event(address)
    for link in answer.chain:
        assert cell.has_event(link.address)
        assert link.text
        assert not link.cause or cell.has_event(link.cause)
    return text


def test_a_task_without_any_offer_waits_for_an_offer() -> None:
    cell = watched_cell(hosts=0)
    cell.submit(batch())
    task_id = cell.task().task_id
    assert "No round of placement has been written since" in check_said(cell, task_id)
    cell.decide_and_carry_out()
    text = check_said(cell, task_id)
    assert f"{task_id} waits for a host" in text
    assert "no host has offered resources" in text
    assert "What could change that: an offer of any host" in text


def test_a_task_that_is_too_big_names_the_nearest_host_and_what_it_lacked() -> None:
    cell = watched_cell()
    cell.submit(batch(need=Need(9_000, 100)))
    task_id = cell.task().task_id
    for host in ("host2", "host3"):
        cell.decide_and_carry_out()
        cell.offer(host)
        cell.tick(10_000)
    cell.decide_and_carry_out()
    text = check_said(cell, task_id)
    assert "rule cpu refused 3 hosts" in text
    assert "came nearest (5 of 9 cpus missing)" in text
    assert "3 rounds refused it by the same rules" in text
    waits = [link for link in cell.why(task_id).chain if "found no place" in link.text]
    assert len(waits) == 1


def test_a_retry_says_when_it_may_start_and_what_it_replaces() -> None:
    cell = watched_cell()
    cell.submit(batch(retries=1))
    (first,) = cell.launched()
    cell.status(first, "TASK_FAILED", message="exit 1")
    second = cell.task().task_id
    text = check_said(cell, second)
    assert f"It is a retry and may start at {instant(cell.now_ms + 1_000)}, in 1.0 s" in text
    assert f"start number 2 of its job, and stands in place of {first}" in text
    assert cell.why(second).predecessors == (first,)


@pytest.mark.parametrize("kind", ["unsubscribed", "fatal", "unanswered"])
def test_what_stops_the_whole_cell_is_said_of_each_waiting_task(kind: str) -> None:
    cell = watched_cell()
    cell.run(service(1), "running")
    cell.submit(batch())
    if kind == "unsubscribed":
        cell.elect("cell-9")
        said = "No stream to Mesos is open: cell-9, elected at test/"
    elif kind == "fatal":
        cell.stream_ends(is_fatal=True)
        said = "Mesos will not take this framework id again"
    else:
        cell.subscribe()
        said = "1 task of before must be asked for on this stream first"
    assert said in check_said(cell, cell.task().task_id)


def test_before_the_first_tick_of_a_leader_nothing_is_decided() -> None:
    cell = watched_cell()
    cell.submit(batch())
    cell.now_ms += 120_000
    cell.scale(desired=1, job_id="none")  # any record moves the clock over the gap
    assert "has not come to its first tick" in check_said(cell, cell.task().task_id)


def test_why_on_that_host_is_the_record_of_the_round() -> None:
    cell = watched_cell()
    cell.submit(batch(3))
    task_id = cell.launched()[0]
    text = check_said(cell, task_id)
    placement = cell.why(task_id).placement
    assert placement is not None
    assert (placement.waiting, placement.placed, placement.hosts) == (3, 3, 1)
    assert (placement.hostname, placement.tasks_in_launch) == ("name-of-host1", 3)
    assert placement.policy_version == 1
    (offer,) = placement.offers
    assert offer.source == "mesos/0a0b0c0d:0:2"
    assert cell.has_event(placement.round)
    assert f"The round at {placement.round} (policy 1, mode normal) had 3 tasks to place" in text
    assert "4 cpus, 8192 MiB of memory, 10000 MiB of disk (record mesos/0a0b0c0d:0:2)" in text


def test_what_the_round_refused_to_the_rest_of_the_job_is_told_with_the_placement() -> None:
    cell = watched_cell(hosts=1)
    cell.submit(batch(9))
    task_id = cell.launched()[0]
    assert "In the same round 1 other task of the job found no place" in check_said(cell, task_id)
    placement = cell.why(task_id).placement
    assert placement is not None
    assert [each.rule for each in placement.refusals] == ["cpu"]


def test_each_state_on_a_host_has_its_sentence() -> None:
    cell = watched_cell()
    cell.submit(service(1))
    task_id = cell.task().task_id
    proposals = [each for each, _ in cell.decide()]
    assert "the proposal is accepted, and nothing has left the cell yet" in check_said(
        cell, task_id
    )
    cell.start(*proposals)
    assert "whether Mesos has the call is not known yet" in check_said(cell, task_id)
    cell.end(*proposals)
    assert "Mesos has taken the call" in check_said(cell, task_id)
    cell.status(task_id, "TASK_STARTING")
    assert "is starting on name-of-host1" in check_said(cell, task_id)
    cell.status(task_id, "TASK_RUNNING")
    text = check_said(cell, task_id)
    assert "runs on name-of-host1" in text
    assert "Mesos said TASK_RUNNING (record mesos/0a0b0c0d:0:" in text
    cell.status(task_id, "TASK_RUNNING", is_healthy=False)
    assert "and is not healthy" in check_said(cell, task_id)
    cell.status(task_id, "TASK_UNREACHABLE", uuid="")
    assert "which is unreachable" in check_said(cell, task_id)
    assert "it is replaced after 1 min 0 s" in check_said(cell, task_id)
    cell.kill_task(task_id)
    text = check_said(cell, task_id)
    assert "is being ended on name-of-host1" in text
    assert "asked for by ada with record jobs/0a0b0c0d:0:2" in text
    assert "No kill has been proposed yet" in text
    cell.decide_and_carry_out()
    assert "The kill was proposed 1 time" in check_said(cell, task_id)
    assert "Its host is unreachable" in check_said(cell, task_id)


def test_a_launched_task_that_mesos_does_not_answer_for_is_said_to_be_asked_for() -> None:
    cell = watched_cell()
    cell.submit(service(1))
    (task_id,) = cell.launched()
    cell.subscribe()
    cell.decide_and_carry_out()
    assert "asked for it and its like 1 time on this stream" in check_said(cell, task_id)


@pytest.mark.parametrize(
    ("state", "reason", "said"),
    [
        ("TASK_FINISHED", "normal", "its part of the job is done"),
        ("TASK_FAILED", "failed", "the job allows 0 retries, and none is left"),
        ("TASK_KILLED", "killed", "the job allows 0 retries, and none is left"),
        ("TASK_ERROR", "invalidRequest", "the job allows 0 retries, and none is left"),
    ],
)
def test_an_end_is_told_with_the_word_of_mesos(state: str, reason: str, said: str) -> None:
    cell = watched_cell()
    (task_id,) = cell.run(batch())
    cell.status(task_id, state, reason="REASON_SO", message="because")  # type: ignore[arg-type]
    text = check_said(cell, task_id)
    assert f": {reason}." in text
    assert f"Mesos said {state}, SO (record mesos/0a0b0c0d:0:" in text
    assert ": because." in text
    assert f"Nothing takes its place: {said}." in text


def test_a_replaced_task_names_its_successor_and_the_chain_runs_through_both() -> None:
    cell = watched_cell()
    (first,) = cell.run(batch(retries=2))
    cell.status(first, "TASK_FAILED")
    second = cell.task().task_id
    assert f"{second} took its place at test/" in check_said(cell, first)
    assert cell.why(first).replaced_by == second
    chain = cell.why(second).chain
    assert chain[0].text.startswith("submitted with record jobs/0a0b0c0d:0:1")
    assert [link.task_id for link in chain] == ["", *[first] * 5, second]
    places = [parse_address(link.address) for link in chain]
    assert places == sorted(places)


def test_a_task_given_up_unheard_says_that_it_might_still_run() -> None:
    cell = watched_cell()
    (task_id,) = cell.run(service(1))
    cell.status(task_id, "TASK_UNREACHABLE", uuid="")
    cell.pass_ms(90_000)
    assert "given up without a word of its end, so it might still run" in check_said(cell, task_id)
    cell.answer(task_id, "TASK_RUNNING")
    assert "was heard of again, so it is being ended" in check_said(cell, task_id)


def test_a_launch_that_the_master_refused_says_so() -> None:
    cell = watched_cell(policy=Policy(call_retry_ms=0))
    cell.submit(batch())
    task_id = cell.task().task_id
    proposal_id, _ = cell.decide()[-1]
    cell.carry_out(proposal_id, "refused")
    text = check_said(cell, task_id)
    assert "Its launch did not happen at test/" in text
    assert "call refused" in text


def test_a_task_ended_before_it_left_says_so() -> None:
    cell = watched_cell()
    cell.submit(batch(2))
    task_id = cell.task().task_id
    cell.kill_job()
    text = check_said(cell, task_id)
    assert "before anything of it had left the cell" in text
    assert "asked for by ada with record jobs/0a0b0c0d:0:2" in text
    assert "Nothing takes its place: the job was killed and is Finished." in text


def test_scaled_down_and_over_the_limit_and_killed_are_told_apart() -> None:
    cell = watched_cell()
    first, second = cell.run(service(2), "svc")
    cell.scale(desired=1, job_id="svc")
    gone = first if cell.why(first).state == "KillInitiated" else second
    cell.decide_and_carry_out()
    cell.status(gone, "TASK_KILLED")
    assert "Nothing takes its place: the job wants fewer tasks." in check_said(cell, gone)


def test_a_job_counts_its_tasks_and_explains_what_waits() -> None:
    cell = watched_cell(hosts=1)
    cell.submit(batch(9))
    cell.launched()
    text = check_said(cell, "job")
    assert "job is a batch job of 9 tasks, submitted with record jobs/0a0b0c0d:0:1" in text
    assert "of its current tasks: 1 Accepted, 8 Launched" in text
    assert "found no place for 1 of them: rule cpu refused 1 host" in text


def test_a_finished_job_names_the_first_task_that_did_not_end_well() -> None:
    cell = watched_cell()
    well, badly = cell.run(batch(2))
    cell.status(well, "TASK_FINISHED")
    cell.status(badly, "TASK_FAILED")
    text = check_said(cell, "job")
    assert "after 0 ms: failed, at test/" in text
    assert f"Not ended well: {badly};" in text


def test_a_job_being_killed_names_who_asked() -> None:
    cell = watched_cell()
    cell.run(service(1))
    cell.kill_job()
    assert "It is KillInitiated" in check_said(cell, "job")
    assert "asked for by ada with record jobs/0a0b0c0d:0:2" in check_said(cell, "job")


def test_an_orphan_is_explained_and_an_unknown_name_has_neighbours() -> None:
    cell = watched_cell()
    cell.run(batch(2), "report-daily")
    cell.status(TaskId("stranger"), "TASK_RUNNING", host_id=HostId("host1"))
    assert "stranger runs on name-of-host1 without history" in check_said(cell, "stranger")
    for name, near in (
        ("report-dayly", "report-daily"),
        ("report-daily-worker-0-9", "report-daily-worker-0-1"),
        ("report-dayly-worker-0-1", "report-daily"),
    ):
        found = why(cell.view, name)
        assert isinstance(found, Unknown)
        assert found.nearest[0] == near
        assert f"did you mean {near}?" in found.text
    nothing = why(cell.view, "zzz")
    assert isinstance(nothing, Unknown)
    assert nothing.nearest == ()


def test_a_stale_view_says_so_in_every_answer() -> None:
    cell = watched_cell()
    cell.submit(batch())
    cell.view.mark_stale("the fold halted")
    for name in ("job", cell.task().task_id):
        answer = cell.why(name)
        assert answer.stale == "the fold halted"
        assert f"before offset {len(cell.log)}: the fold halted." in answer.sentences[-1]


def test_a_crash_loop_has_a_bounded_chain() -> None:
    cell = watched_cell()
    cell.set_policy(crash_loop_failures_min=0)
    cell.submit(batch(retries=100))
    for _ in range(PREDECESSORS_MAX + 5):
        (task_id,) = cell.launched()
        cell.status(task_id, "TASK_FAILED")
        cell.offer("host1")
        cell.tick(15_000, times=2)
    answer = cell.why(cell.task().task_id)
    assert len(answer.predecessors) == PREDECESSORS_MAX
    assert "5 of those before are not shown here" in " ".join(answer.sentences)
    assert len(answer.chain) <= LINKS_MAX
    check_addresses(cell)
    assert all(line_text(line) for line in lines_of(cell.view))


def test_times_and_spans_are_written_for_people() -> None:
    assert instant(1_700_000_000_001) == "2023-11-14 22:13:20.001 UTC"
    assert [duration(ms) for ms in (-5, 250, 3_200, 65_000, 11_400_000, 200_000_000)] == [
        "0 ms",
        "250 ms",
        "3.2 s",
        "1 min 5 s",
        "3 h 10 min",
        "2 days 7 h",
    ]


def test_a_task_that_is_ended_for_others_names_them() -> None:
    cell = watched_cell(hosts=1)
    cell.run(batch(1, need=Need(4_000, 256)), "flex")
    rules = PlacementRules(
        groups=(
            CapacityGroup("web", "Critical", guarantee=Amount(cpu_milli=4_000)),
            CapacityGroup("DEFAULT", "Flex"),
        )
    )
    cell.copy("commands", RulesAsked(rules=rules, values={}, actor="op", why="test"))
    cell.submit(replace(service(1, need=Need(4_000, 256)), capacity_group="web"), "web")
    cell.decide()
    said = cell.says("flex-worker-0-1")
    assert "is being ended" in said
    assert "asked for by placement" in said
    assert "for job web" in said
    assert "being freed on host1" in cell.says("web-worker-0-1")
