"""Each measure follows from the log: waits, hosts, offers, lags, latencies, pages.

How: a cell in memory, whose log is folded a second time beside it; time moves by records.
"""

import pytest

from projections.alerts.measures import MEASURES, NO_LABELS, Labels, OfProcess, shown, shown_value
from scheduler.model.address import Source
from scheduler.model.alerts import AlertAcknowledged, AlertsSilenced, AlertsUnsilenced
from scheduler.model.events import Copied, Tick
from scheduler.model.foreign import decode_commands_record
from scheduler.model.foreign_alerts import (
    encode_acknowledge_alert,
    encode_silence_alerts,
    encode_unsilence_alerts,
)
from scheduler.model.ids import JobId
from scheduler.model.inbound import InboundRejected, JobKillAsked
from tests.support.alerting import Watched
from tests.support.cell import GENERATION, CellInMemory, batch, running_cell


def measured(watched: Watched, name: str, labels: Labels = NO_LABELS) -> int:
    """A measure at the next look."""
    watched.cell.tick(5_000)
    last = watched.catch_up().last
    assert last is not None
    return last.values[name].get(labels, 0)


@pytest.fixture
def cell() -> CellInMemory:
    """A cell whose one host runs two tasks, and is full."""
    cell = running_cell(hosts=1, cpus=1)
    cell.run(batch(2), "first")
    return cell


def test_every_measure_is_taken(cell: CellInMemory) -> None:
    watched = Watched(cell)
    paged: Labels = (("about", "a snapshot cannot be used"), ("process", "cell-0"))
    said = OfProcess({"process_pages": {paged: 1}})
    watched.look(0, said, fold_lag=3, fold_halted=0, cell_full_share=0)
    cell.tick(5_000)
    last = watched.catch_up().last
    assert last is not None
    assert set(last.values) == set(MEASURES)
    assert last.values["fold_lag"] == {NO_LABELS: 3}
    for name, series in last.values.items():
        for labels in series:
            assert tuple(each for each, _ in labels) == MEASURES[name].labels, name


def test_waits_are_counted_by_how_long_they_are(cell: CellInMemory) -> None:
    watched = Watched(cell)
    cell.submit(batch(3), "old")
    cell.pass_ms(6 * 60_000)
    cell.submit(batch(4), "young")
    cell.pass_ms(2 * 60_000)
    assert measured(watched, "tasks_queued") == 7
    group: Labels = (("capacity_group", "DEFAULT"),)
    assert measured(watched, "tasks_queued_of_group", group) == 7
    found = [measured(watched, f"tasks_waiting_{minutes}m") for minutes in (1, 5, 10, 15)]
    assert found == [7, 3, 0, 0]
    assert measured(watched, "oldest_wait") == pytest.approx(8.5 * 60_000, abs=20_000)
    cell.pass_ms(8 * 60_000)
    found = [measured(watched, f"tasks_waiting_{minutes}m") for minutes in (1, 5, 10, 15)]
    assert found == [7, 7, 7, 3]
    cell.kill_job("old")
    cell.kill_job("young")
    assert measured(watched, "tasks_queued") == measured(watched, "oldest_wait") == 0


def test_a_task_that_is_launched_waits_no_more_and_back_in_the_queue_goes_on(
    cell: CellInMemory,
) -> None:
    watched = Watched(cell)
    cell.submit(batch(1), "next")
    cell.pass_ms(2 * 60_000)
    cell.offer("host2", 1)
    (task_id,) = cell.launched()
    assert measured(watched, "tasks_waiting_1m") == 0
    cell.status(task_id, "TASK_RUNNING")
    assert measured(watched, "start_latency_p99") >= 120_000
    assert 0 < measured(watched, "launch_latency_p99") <= 10_000


def test_hosts_that_are_idle(cell: CellInMemory) -> None:
    watched = Watched(cell)
    cell.offer("host2", 4)
    cell.offer("host3", 4)
    assert measured(watched, "hosts") == 3
    assert measured(watched, "hosts_idle") == 2
    assert measured(watched, "hosts_idle_share") == 666_666
    assert measured(watched, "hosts_away_share") == 0


def test_offers_starve_while_tasks_wait_and_nobody_offers() -> None:
    cell = running_cell(hosts=0)
    watched = Watched(cell)
    assert measured(watched, "offers_starved") == 0, "nothing waits"
    cell.submit(batch(1), "waits")
    cell.pass_ms(6 * 60_000)
    assert measured(watched, "offers_starved") >= 6 * 60_000
    cell.offer("host1")
    assert measured(watched, "offers_starved") == 0
    assert measured(watched, "offers_held") == 1


def test_a_record_that_lay_long_is_lag_of_its_topic_for_a_minute(cell: CellInMemory) -> None:
    watched = Watched(cell)
    previous = cell.inbound["jobs"]
    body = JobKillAsked(job_id=JobId("first"), actor="ada", why="enough")
    source = Source("jobs", GENERATION, 0, previous + 1, previous)
    cell.write(Copied(source, body, observed_at_ms=cell.now_ms - 45_000))
    jobs: Labels = (("topic", "jobs"),)
    assert measured(watched, "consumer_lag", jobs) == 45_000
    cell.pass_ms(3 * 60_000)
    assert measured(watched, "consumer_lag", jobs) == 0


def test_what_is_not_published_is_lag(cell: CellInMemory) -> None:
    watched = Watched(cell)
    cell.write(Tick(published_offset=len(cell.log) - 1))
    assert measured(watched, "publish_lag") <= 3
    for _ in range(50):
        cell.tick(1_000)
    assert measured(watched, "publish_lag") >= 50


def test_ends_are_counted_apart_and_pages_are_seen(cell: CellInMemory) -> None:
    watched = Watched(cell)
    one, other = (each.task_id for each in cell.tasks("first"))
    cell.status(one, "TASK_FAILED")
    cell.status(other, "TASK_LOST")
    assert measured(watched, "tasks_failed") == 1
    assert measured(watched, "tasks_crashed") == 1
    cell.pass_ms(12 * 60_000)
    assert measured(watched, "tasks_crashed") == 0
    assert measured(watched, "safe") == 0


def test_values_are_shown_as_thresholds_are_written() -> None:
    assert shown(90_000, "ms") == "90 s"
    assert shown(123_456, "ppm") == "12.3456 %"
    assert shown(14_400, "milli") == "14.4"
    assert shown(7, "count") == "7"
    assert shown_value(-999_000_000, "ppm") == "overdrawn"
    assert shown_value(-1_000_000, "ppm") == "-100 %"
    assert shown(-2_000_000, "ppm") == "-200 %"  # A threshold is what somebody wrote.


def test_what_is_encoded_is_what_is_read() -> None:
    silence = encode_silence_alerts("up", {"rule": "queue"}, 60, "ada", "upgrade")
    read = decode_commands_record(None, silence)
    assert read == AlertsSilenced("up", (("rule", "queue"),), 60, "ada", "upgrade")
    read = decode_commands_record(None, encode_unsilence_alerts("up", "ada", "done"))
    assert read == AlertsUnsilenced("up", "ada", "done")
    read = decode_commands_record(None, encode_acknowledge_alert("lag{topic=a}", "ada", "I look"))
    assert read == AlertAcknowledged("lag{topic=a}", "ada", "I look")
    nobody = decode_commands_record(None, encode_silence_alerts("up", {}, 60, "ada", "x"))
    assert isinstance(nobody, InboundRejected)


def test_a_rate_of_a_few_events_is_none() -> None:
    cell = running_cell(hosts=2, cpus=64)
    watched = Watched(cell)
    task_ids = cell.run(batch(8), "many")
    labels: Labels = (("name", ""), ("scope", "cell"), ("slo", "crashing"), ("window", "fast"))
    for each in task_ids[:4]:
        cell.status(each, "TASK_LOST")
    assert measured(watched, "slo_burn", labels) == 0
    cell.status(task_ids[4], "TASK_LOST")
    assert measured(watched, "slo_burn", labels) == 1_000_000
    left = measured(watched, "slo_budget_left", labels[:3])
    assert left == 1_000_000 - 1_000 * 1_000_000, "it is overdrawn a thousand times"
