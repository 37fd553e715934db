"""What is remembered of hosts' health, for how long, and of how many; releases and trials.

How: a cell in memory that is told of verdicts as `test_host_health` tells it.
"""

import pytest

from scheduler.fold import health, health_tasks
from scheduler.fold.instance_groups import group_name_of
from scheduler.model.changes import HostHealthChanged
from scheduler.model.healing import HealingOrdered
from scheduler.model.health import Evidence, HostJudged, TaskSilent
from scheduler.model.ids import HostId, OfferId
from scheduler.model.mesos import HostFacts, Offer
from scheduler.model.resources import Resources
from tests.support.cell import CellInMemory, batch, running_cell, service
from tests.support.derived import check_digest
from tests.unit.core.test_host_health import H1, judged, probed, told, why


def release(cell: CellInMemory, host: str = "host1") -> None:
    """An operator says that a host is well."""
    cell.copy("commands", HealingOrdered("release", "bob", "seen", host_id=HostId(host)))


def test_of_so_many_detectors_the_verdict_that_is_oldest_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "DETECTORS_MAX", 2)
    cell = running_cell(hosts=3)
    for name in ("b", "a", "b", "c"):
        cell.copy("verdicts", HostJudged(H1, name, "sick", 900, (Evidence("line", name),)))
        cell.tick()
    assert [each.detector for each in cell.state.health[H1].verdicts] == ["b", "c"]


def test_a_release_of_a_host_that_is_there_forgets_suspicion_without_a_word() -> None:
    cell = running_cell(hosts=3)
    release(cell)
    assert cell.state.health == {}
    judged(cell, "suspect")
    release(cell)
    assert (cell.state.health, told(cell)) == ({}, [])


def test_falls_are_forgotten_after_a_while_and_the_next_one_is_the_first() -> None:
    cell = running_cell(hosts=3)
    cell.set_policy(health_memory_ms=1_200_000)
    for _ in range(2):
        judged(cell, "sick")
        judged(cell, "well")
        cell.pass_ms(180_000)
    assert cell.state.health[H1].falls == 2
    cell.pass_ms(1_200_000)
    assert H1 not in cell.state.health
    judged(cell, "sick")
    assert cell.state.health[H1].falls == 1
    check_digest(cell.machine)


def test_a_trial_is_over_after_a_while_also_without_a_task() -> None:
    cell = running_cell(hosts=1)
    cell.set_policy(health_trial_ms=300_000)
    judged(cell, "sick")
    judged(cell, "well")
    cell.pass_ms(90_000)
    assert list(cell.state.on_trial) == [H1]
    cell.pass_ms(240_000)
    assert health.launching_max(cell.state, H1) == 1
    cell.pass_ms(60_000)
    assert (cell.state.on_trial, health.launching_max(cell.state, H1)) == ({}, 0)
    check_digest(cell.machine)


def test_one_quick_failure_on_trial_is_enough() -> None:
    cell = running_cell(hosts=1)
    judged(cell, "sick")
    judged(cell, "well")
    cell.pass_ms(90_000)
    (task_id,) = cell.run(batch(1))
    cell.status(task_id, "TASK_FAILED")
    assert why(cell) == (
        "host host1 is away for its health: tasks: a task of job failed, and the host was on trial"
    )
    assert told(cell) == ["away host1", "back host1", "away host1"]
    last = cell.said(HostHealthChanged)[-1].evidence
    assert [(each.kind, each.source, each.count) for each in last] == [
        ("tasks", "", 1),
        ("task", f"task/{task_id}", 1),
    ]


def test_room_in_one_group_is_none_in_another() -> None:
    cell = running_cell(hosts=0)
    for number in range(8):
        facts = HostFacts(f"n{number}", attributes=(("group", "red" if number % 2 else "blue"),))
        resources = Resources(4_000, 8_192, 10_000)
        cell.offers(Offer(OfferId(f"o{number}"), HostId(f"h{number}"), resources, facts))
    for host in ("h0", "h1", "h2", "h3"):
        judged(cell, "sick", host)
    assert told(cell) == ["away h0", "away h1", "spared h2", "spared h3"]
    judged(cell, "well", "h0")
    cell.pass_ms(90_000)
    assert told(cell)[4:] == ["back h0", "away h2"]
    assert cell.state.health[HostId("h3")].is_spared


def test_a_host_of_which_nothing_was_told_is_of_no_group() -> None:
    assert group_name_of(running_cell(hosts=0).state, H1) == ""


def test_so_many_tasks_are_silent_and_each_is_asked_for_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health_tasks, "SILENT_MAX", 1)
    cell = running_cell()
    first, second = cell.run(service(2))
    since_ms = cell.now_ms
    cell.copy("verdicts", TaskSilent(first, silent_ms=5), TaskSilent(second, silent_ms=5))
    assert list(cell.state.silent) == list(cell.state.unanswered) == [first]
    cell.status(first, "TASK_RUNNING")
    cell.now_ms += 1_000
    cell.copy("verdicts", TaskSilent(first, silent_ms=1_005))
    found = cell.state.silent[first]
    assert (found.since_ms, found.silent_ms) == (since_ms, 1_005)
    assert cell.state.unanswered == {}, "it was asked for, and has answered"


def test_without_a_stream_a_silent_task_is_only_noted() -> None:
    cell = running_cell()
    (task_id,) = cell.run(service(1))
    cell.stream_ends()
    before = dict(cell.state.unanswered)
    cell.copy("verdicts", TaskSilent(task_id, silent_ms=5))
    assert (list(cell.state.silent), cell.state.unanswered) == ([task_id], before)
    assert before == {}


def test_a_check_that_is_good_again_leaves_a_host_that_is_not_away_as_it_was() -> None:
    cell = running_cell(hosts=3)
    judged(cell, "suspect")
    probed(cell, "good")
    assert [each.standing for each in cell.state.health[H1].verdicts] == ["suspect"]
    assert cell.state.health[H1].probes == ()
