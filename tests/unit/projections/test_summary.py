"""The summary: numbers that fit together, lists that are cut, a digest that can be compared."""

import msgspec
import pytest

from projections.summary import summary
from scheduler.model.events import Mark
from scheduler.model.ids import HostId, TaskId
from scheduler.model.proposals import LaunchTasks
from tests.support.cell import batch, service
from tests.unit.projections.watched import watched_cell


def test_who_leads_how_far_it_is_and_what_runs_where() -> None:
    cell = watched_cell()
    cell.run(service(3), "svc")
    cell.offer("host2")
    cell.submit(batch(20), "big")
    found = summary(cell.view)
    assert (found.cell, found.leader, found.epoch) == ("test", "cell-0", cell.epoch)
    assert found.elected_at == f"test/0a0b0c0d:{cell.epoch}[0]"
    assert found.next_offset == len(cell.log)
    assert found.at_ms == cell.now_ms
    assert found.jobs == {"Accepted": 2}
    assert found.tasks == {"Accepted": 20, "Started": 3}
    assert (found.queue_length, found.retries_waiting) == (20, 0)
    busy, idle = found.hosts
    assert (busy.hostname, busy.tasks, busy.used_cpu_milli) == ("name-of-host1", 3, 1_500)
    assert (busy.offers, busy.offered_cpu_milli) == (0, 0), "its offer was used"
    assert (idle.tasks, idle.offers, idle.offered_cpu_milli) == (0, 1, 4_000)
    assert (idle.offered_memory_mib, idle.offered_disk_mib, idle.offered_ports) == (
        8_192,
        10_000,
        1_000,
    )
    lanes = {(lane.topic, lane.offset) for lane in found.watermarks}
    assert lanes == {(topic, offset) for topic, offset in cell.inbound.items()}
    assert found.policy["launches_per_round_max"] == 300
    assert msgspec.json.decode(msgspec.json.encode(found))["nextOffset"] == len(cell.log)


def test_open_decisions_orphans_and_retries_are_counted() -> None:
    cell = watched_cell()
    cell.submit(batch(retries=1))
    (task_id,) = cell.launched()
    cell.status(task_id, "TASK_FAILED")
    cell.status(TaskId("stranger"), "TASK_RUNNING", host_id=HostId("host1"))
    cell.submit(batch(), "other")
    cell.offer("host1")
    cell.decide()
    found = summary(cell.view)
    assert found.retries_waiting == 1
    (orphan,) = found.orphans
    assert (orphan.task_id, orphan.hostname) == ("stranger", "name-of-host1")
    assert cell.has_event(orphan.address)
    (decision,) = found.decisions
    assert (decision.kind, decision.is_started) == ("LaunchTasks", False)
    assert isinstance(cell.event(decision.proposal), LaunchTasks)


def test_the_digest_is_the_folds_own_and_a_large_change_is_left_to_the_next_mark(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cell = watched_cell()
    cell.submit(batch(5))
    found = summary(cell.view)
    assert found.digest == cell.machine.digest.value() == cell.refolded().digest.value()
    assert (found.mark_offset, found.mark_digest) == (-1, "")
    at = cell.write(Mark())
    found = summary(cell.view)
    assert (found.mark_offset, found.mark_digest) == (at, cell.machine.marks[at])
    monkeypatch.setattr("projections.summary.DIGESTED_MAX", 3)
    cell.submit(batch(5), "more")
    assert summary(cell.view).digest == ""
    cell.write(Mark())
    assert summary(cell.view).digest == cell.machine.digest.value()


def test_a_cell_without_a_leader_and_a_stale_view() -> None:
    cell = watched_cell(hosts=0)
    cell.view.mark_stale("no broker answers")
    assert summary(cell.view).stale == "no broker answers"
    cell.view.mark_current()
    cell.elect("cell-1")
    found = summary(cell.view)
    assert (found.stale, found.stream_id, found.leader) == ("", "", "cell-1")
