"""The health of hosts in the fold: who is kept away, who is back when, and that tasks stay.

How: a cell in memory, with verdicts and checks copied from topic ``verdicts`` as ingest does, and
tasks that fail on hosts that the test chooses.
"""

from time import process_time
from typing import Literal

import pytest

from scheduler.fold import guards, health, health_tasks
from scheduler.fold.context import Fold
from scheduler.fold.health_early import EARLY_MAX
from scheduler.model.changes import CellPaged, HostHealthChanged, TaskChanged
from scheduler.model.events import RoundRecord
from scheduler.model.health import Evidence, HostJudged, HostProbed, Probe, ProbeState, TaskSilent
from scheduler.model.ids import HostId, JobId, TaskId
from scheduler.model.mesos import HostFailed
from scheduler.model.proposals import ReconcileTasks
from scheduler.model.task import Started
from scheduler.state import Failure, HostFailures, State
from tests.support.cell import CellInMemory, batch, running_cell, service
from tests.support.derived import check_digest

H1 = HostId("host1")
LINE = Evidence("line", "EXT4-fs error (device sda1)", "host-logs:3:42", 7)


def judged(
    cell: CellInMemory, standing: Literal["well", "suspect", "sick"], host: str = "host1"
) -> None:
    """A detector of log lines says this of a host."""
    cell.copy("verdicts", HostJudged(HostId(host), "lines", standing, 900, (LINE,)))


def probed(cell: CellInMemory, state: ProbeState, host: str = "host1", name: str = "disk") -> None:
    """One active check found this."""
    cell.copy("verdicts", HostProbed(HostId(host), (Probe(name, state, "2 % free"),)))


def told(cell: CellInMemory) -> list[str]:
    """What was reported of hosts' health: standing and host."""
    changes = (each for _, _, each in cell.changes if isinstance(each, HostHealthChanged))
    return [f"{each.standing} {each.host_id}" for each in changes]


def why(cell: CellInMemory, host: str = "host1") -> str:
    """Why the host may not be given a task now."""
    return guards.host_refusal(cell.state, HostId(host), 1)


def test_a_sick_host_gets_no_tasks_and_keeps_those_it_has() -> None:
    cell = running_cell(hosts=3)
    tasks = cell.run(service(desired=6))
    judged(cell, "sick")
    assert told(cell) == ["away host1"]
    assert "away for its health: lines: EXT4-fs error" in why(cell)
    assert not guards.is_schedulable(cell.state, H1)
    assert all(isinstance(cell.task_state(each), Started) for each in tasks)
    cell.submit(batch(size=6), "later")
    launched = cell.launched()
    assert launched
    assert {cell.host_of(each) for each in launched}.isdisjoint({H1})
    (change,) = (each for _, _, each in cell.changes if isinstance(each, HostHealthChanged))
    assert change.evidence == (LINE,)
    check_digest(cell.machine)


def test_a_round_says_which_evidence_keeps_the_host_away() -> None:
    cell = running_cell(hosts=1)
    judged(cell, "sick")
    cell.submit(batch(size=1))
    (round_record,) = (each for each in cell.machine.decide() if isinstance(each, RoundRecord))
    (refusal,) = round_record.refusals[0].refusals
    assert (refusal.rule, refusal.hosts) == ("draining", 1)
    assert refusal.missing.startswith("host host1 is away for its health: lines: EXT4-fs error")


def test_suspicion_is_remembered_and_keeps_nobody_away() -> None:
    cell = running_cell(hosts=3)
    judged(cell, "suspect")
    assert told(cell) == []
    assert why(cell) == ""
    assert cell.state.health[H1].verdicts[0].standing == "suspect"
    judged(cell, "well")
    assert not cell.state.health


def test_a_host_is_back_when_nothing_has_spoken_against_it_for_a_while_and_longer_each_time() -> (
    None
):
    cell = running_cell(hosts=3)
    hold_ms = cell.state.policy.health_return_ms
    for fall in range(3):
        judged(cell, "sick")
        cell.pass_ms(30_000)
        judged(cell, "well")
        cell.pass_ms((hold_ms << fall) - 30_000)
        assert why(cell), fall
        cell.pass_ms(30_000)
        assert why(cell) == "", fall
    assert told(cell) == ["away host1", "back host1"] * 3


def test_a_bad_check_keeps_tasks_away_at_once_and_several_good_looks_let_them_back() -> None:
    cell = running_cell(hosts=3)
    probed(cell, "good")
    assert not cell.state.health, "a good host costs nothing"
    probed(cell, "bad")
    assert "check disk: 2 % free" in why(cell)
    probed(cell, "good")
    probed(cell, "bad")
    for _ in range(cell.state.policy.probe_good_looks_min):
        assert cell.state.health[H1].probes[0].is_failing
        probed(cell, "unknown")
        probed(cell, "good")
        cell.pass_ms(10_000)
    assert not cell.state.health[H1].probes
    assert why(cell), "it is away until nothing was bad for a while"
    cell.pass_ms(60_000)
    assert why(cell) == ""
    assert told(cell) == ["away host1", "back host1"]


def test_a_verdict_that_nobody_repeats_is_over_after_a_while() -> None:
    cell = running_cell(hosts=3)
    judged(cell, "sick")
    cell.pass_ms(cell.state.policy.verdict_keep_ms + cell.state.policy.health_return_ms + 60_000)
    assert told(cell) == ["away host1", "back host1"]


def test_no_more_than_a_share_of_a_group_is_kept_away_and_somebody_is_paged() -> None:
    cell = running_cell(hosts=25)
    for number in range(1, 6):
        judged(cell, "sick", f"host{number}")
    assert told(cell) == [
        "away host1",
        "away host2",
        "spared host3",
        "spared host4",
        "spared host5",
    ]
    assert why(cell, "host3") == ""
    pages = [each for _, _, each in cell.changes if isinstance(each, CellPaged)]
    assert [each.kind for each in pages] == ["sick hosts"]
    judged(cell, "well", "host1")
    cell.pass_ms(90_000)
    assert told(cell)[5:] == ["back host1", "away host3"]


def test_a_verdict_that_is_heard_before_its_host_waits_for_the_first_offer() -> None:
    cell = running_cell(hosts=2)
    judged(cell, "sick", "host3")
    judged(cell, "sick", "name-of-host4")
    judged(cell, "sick", "host5")
    judged(cell, "well", "host5")
    judged(cell, "sick", "host6")
    assert told(cell) == []
    assert set(cell.state.early_health) == {"host3", "name-of-host4", "host6"}
    check_digest(cell.machine)
    cell.offer("host3")
    assert told(cell) == ["away host3"]
    assert "EXT4-fs error" in why(cell, "host3")
    cell.offer("host4")
    cell.offer("host5")
    assert told(cell)[1:] == ["spared host4"]
    cell.pass_ms(cell.state.policy.verdict_keep_ms + 1)
    cell.offer("host6")
    assert "host6" not in cell.state.health, "nobody has repeated it for so long"
    assert not cell.state.early_health
    check_digest(cell.machine)
    assert cell.refolded().digest.value() == cell.machine.digest.value()


def test_of_hosts_of_other_cells_only_some_are_kept() -> None:
    cell = running_cell(hosts=2)
    for number in range(EARLY_MAX + 5):
        judged(cell, "sick", f"other{number}")
    assert len(cell.state.early_health) == EARLY_MAX
    assert "other4" not in cell.state.early_health
    check_digest(cell.machine)


def test_hosts_that_are_gone_count_neither_as_away_nor_as_part_of_their_group() -> None:
    cell = running_cell(hosts=25)
    judged(cell, "sick", "host1")
    judged(cell, "sick", "host2")
    gone = list(cell.state.host_offers[HostId("host1")])
    cell.rescind(*gone)
    judged(cell, "sick", "host3")
    assert told(cell)[2:] == ["away host3"], "host1 is gone: its place is free"
    for number in range(6, 26):
        cell.rescind(*cell.state.host_offers[HostId(f"host{number}")])
    cell.offer("host1", 4)
    judged(cell, "sick", "host4")
    assert told(cell)[3:] == ["spared host4"], "a tenth of the five that are left is one"
    check_digest(cell.machine)


def test_a_spared_host_is_away_as_soon_as_it_is_said_again_and_there_is_room() -> None:
    cell = running_cell(hosts=2)
    judged(cell, "sick", "host1")
    judged(cell, "sick", "host2")
    assert told(cell) == ["away host1", "spared host2"]
    judged(cell, "sick", "host2")
    assert told(cell) == ["away host1", "spared host2"], "it is told once"
    cell.rescind(*cell.state.host_offers[H1])
    judged(cell, "sick", "host2")
    assert told(cell)[2:] == ["away host2"]
    check_digest(cell.machine)


def test_hosts_are_also_known_by_their_names() -> None:
    cell = running_cell(hosts=2)
    facts = cell.state.hosts[H1]
    judged(cell, "sick", facts.hostname)
    assert told(cell) == ["away host1"]
    judged(cell, "sick", "nobody")
    assert set(cell.state.health) == {"host1"}


def test_a_host_that_flaps_is_told_of_once_and_its_tasks_stay() -> None:
    cell = running_cell(hosts=3)
    tasks = cell.run(service(desired=3))
    there = [each for each in tasks if cell.host_of(each) == H1] or tasks
    host_id = cell.host_of(there[0])
    assert host_id is not None
    for _ in range(120):
        for each in there:
            cell.status(each, "TASK_UNREACHABLE", uuid="", host_id=host_id)
        cell.tick(2_500)
        for each in there:
            cell.status(each, "TASK_RUNNING", host_id=host_id)
        cell.tick(2_500)
    assert told(cell) == [f"away {host_id}"], "one event in ten minutes of it"
    assert all(isinstance(cell.task_state(each), Started) for each in tasks), (
        "nothing was restarted"
    )
    cell.pass_ms(900_000)
    assert told(cell) == [f"away {host_id}", f"back {host_id}"]


def test_a_host_that_mesos_removes_again_and_again_is_sick() -> None:
    cell = running_cell(hosts=2)
    for _ in range(cell.state.policy.host_losses_max + 1):
        assert told(cell) == []
        cell.copy("mesos", HostFailed(stream_id=cell.stream_id, host_id=H1))
        cell.tick(5_000)
    assert told(cell) == ["away host1"]


def fail_at(cell: CellInMemory, task_id: TaskId) -> None:
    """The task runs for 50 ms and fails."""
    cell.status(task_id, "TASK_RUNNING")
    cell.now_ms += 50
    cell.status(task_id, "TASK_FAILED", message="Command exited with status 1")


def play(cell: CellInMemory, holes: set[HostId], minutes: int) -> dict[HostId, int]:
    """Let time pass in which all tasks fail on some hosts and run on the others; who got how many.

    Twenty tasks a minute come, of two jobs, each to run for two minutes; the holes always look
    free, for what they fail is gone at once.
    """
    given: dict[HostId, int] = {}
    ends: dict[TaskId, int] = {}
    for second in range(0, minutes * 60, 3):
        if second % 6 == 0:
            cell.submit(batch(size=2), f"job-{second}")
        for task_id in cell.launched():
            host_id = cell.host_of(task_id)
            assert host_id is not None
            given[host_id] = given.get(host_id, 0) + 1
            if host_id in holes:
                fail_at(cell, task_id)
            else:
                cell.status(task_id, "TASK_RUNNING")
                ends[task_id] = cell.now_ms + 120_000
        for task_id in [each for each, end_ms in ends.items() if end_ms <= cell.now_ms]:
            del ends[task_id]
            cell.status(task_id, "TASK_FINISHED")
        held = {each for each in cell.state.hosts if each not in cell.state.host_offers}
        for host_id in sorted(held):
            busy = len(cell.state.host_tasks.get(host_id, ()))
            if busy < 8:  # Each has room for eight, and they are wanted for ten.
                cell.offer(str(host_id), cpus=4 - busy // 2)
        cell.tick(3_000)
    return given


@pytest.mark.integration  # A whole hour of a cell.
def test_a_black_hole_gets_fewer_than_twenty_tasks_in_an_hour() -> None:
    cell = running_cell(hosts=5)
    cell.records_a_check = 50
    given = play(cell, {H1}, 60)
    assert given[H1] < 20, given
    assert sum(given.values()) > 800, "the others go on"
    assert cell.state.health[H1].falls > 1
    first = next(each for _, _, each in cell.changes if isinstance(each, HostHealthChanged))
    assert (first.host_id, first.standing) == (H1, "away")
    tasks = [each for each in first.evidence if each.kind == "task"]
    assert tasks
    assert "Command exited with status 1" in tasks[0].text
    assert tasks[0].source.startswith("task/job-"), "whose history tells the rest"
    cell.check()
    check_digest(cell.machine)


def test_a_job_that_fails_everywhere_makes_no_host_sick() -> None:
    cell = running_cell(hosts=5, cpus=16)
    cell.submit(service(desired=3))
    for _ in range(60):
        for task_id in cell.launched():
            fail_at(cell, task_id)
        for host_id in sorted(cell.state.hosts.keys() - cell.state.host_offers.keys()):
            cell.offer(str(host_id), cpus=16)
        cell.tick(5_000)
    assert len(cell.said(TaskChanged)) > 50
    assert told(cell) == []


def test_where_all_hosts_fail_no_more_than_their_share_are_kept_away() -> None:
    cell = running_cell(hosts=5)
    cell.records_a_check = 20
    given = play(cell, {HostId(f"host{n}") for n in range(1, 6)}, 5)
    assert len([each for each in told(cell) if each.startswith("away")]) <= 1
    assert len([each for each in given.values() if each > 4]) > 1, "work goes on being tried"


def test_a_silent_task_is_asked_for_and_never_ended() -> None:
    cell = running_cell(hosts=2)
    (task_id,) = cell.run(batch(size=1))
    cell.decide_and_carry_out()
    cell.tick(20_000)
    cell.copy("verdicts", TaskSilent(task_id, silent_ms=30_000, detail="not in its containers"))
    assert cell.state.silent[task_id].silent_ms == 30_000
    asked = cell.proposed(ReconcileTasks)
    assert [each.task_ids for each in asked] == [(task_id,)]
    cell.answer(task_id, "TASK_RUNNING")
    cell.pass_ms(600_000)
    assert isinstance(cell.task_state(task_id), Started)
    assert task_id in cell.state.silent, "it is suspect until it is heard of or has ended"
    cell.copy("verdicts", TaskSilent(task_id, is_silent=False))
    assert not cell.state.silent
    cell.copy("verdicts", TaskSilent(task_id), TaskSilent(TaskId("unknown-worker-0-1")))
    cell.status(task_id, "TASK_FINISHED")
    assert not cell.state.silent
    check_digest(cell.machine)


def test_a_host_on_trial_is_given_few_tasks_at_a_time_until_one_ran_well() -> None:
    cell = running_cell(hosts=1)
    judged(cell, "sick")
    judged(cell, "well")
    cell.pass_ms(90_000)
    assert health.launching_max(cell.state, H1) == 1
    cell.submit(batch(size=4))
    (first,) = cell.launched()
    cell.offer("host1")
    assert cell.launched() == [], "the first has not started yet"
    cell.status(first, "TASK_RUNNING")
    (second,) = cell.launched()
    cell.status(second, "TASK_RUNNING")
    cell.offer("host1")
    cell.tick(1_000, times=12)
    assert health.launching_max(cell.state, H1) == 0, "two have run for ten seconds"
    assert len(cell.launched()) >= 1
    check_digest(cell.machine)


def test_a_trial_says_why_no_more_are_launched_and_one_good_end_is_enough() -> None:
    cell = running_cell(hosts=1)
    judged(cell, "sick")
    judged(cell, "well")
    cell.pass_ms(90_000)
    cell.submit(batch(size=2))
    text = "host host1 is on trial and launches 0 tasks already; 1 may be"
    assert (why(cell), guards.host_refusal(cell.state, H1, 2)) == ("", text)
    (first,) = cell.launched()
    cell.status(first, "TASK_RUNNING")
    assert (why(cell), list(cell.state.on_trial)) == ("", [H1])
    cell.status(first, "TASK_FINISHED")
    assert H1 not in cell.state.on_trial
    check_digest(cell.machine)


def _cost_of_a_look_s(hosts: int) -> float:
    """Processor time to look at a host while so many have failed, as after a power cut."""
    state = State()
    jobs = [JobId(f"job-{number}") for number in range(state.policy.fast_failures_min)]
    names = [HostId(f"host-{number}") for number in range(hosts)]
    failures = tuple(Failure(0, 1_000, job_id, hosts) for job_id in jobs)
    state.host_failures = dict.fromkeys(names, HostFailures(failures, 0, 1))
    state.failing_jobs = {job_id: dict.fromkeys(names, 1) for job_id in jobs}
    fold = Fold(state)
    began = process_time()
    for name in names[:200]:
        health_tasks.look(fold, name)
    return process_time() - began


def test_a_host_is_looked_at_as_quickly_where_thousands_have_failed() -> None:
    """A soak's master died with its 2,000 hosts; each look was at all of them, for minutes."""
    few, many = (min(_cost_of_a_look_s(hosts) for _ in range(3)) for hosts in (200, 10_000))
    assert many < 5 * few
