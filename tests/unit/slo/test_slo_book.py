"""What the log says of the three objectives: counted once, good or bad, for whom it was.

How: a cell in memory, whose log is folded a second time beside it; time moves by records.
"""

import msgspec
import pytest

from projections.alerts.whole import KeptWhole
from projections.slo.book import CELL
from projections.slo.buckets import Buckets
from projections.slo.objectives import (
    BURN_WINDOWS,
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    PERIOD_MS,
    Objective,
    SloName,
)
from projections.slo.report import SloStanding, burn_of, report, standing
from scheduler.model.address import Source
from scheduler.model.events import Copied
from scheduler.model.ids import JobId
from scheduler.model.inbound import JobKillAsked
from scheduler.model.mesos import MesosTaskState
from tests.support.alerting import Watched
from tests.support.cell import GENERATION, batch, running_cell, service, submission


def of_cell(watched: Watched, name: SloName) -> SloStanding:
    found = report(watched.catch_up().slo, "test")
    return next(each for each in found.items if each.slo == name)


def test_crashes_are_told_apart_from_failures() -> None:
    cell = running_cell()
    watched = Watched(cell)
    ends: list[MesosTaskState] = ["TASK_FAILED", "TASK_FINISHED", "TASK_LOST", "TASK_FAILED"]
    task_ids = cell.run(batch(4))
    for task_id, state in zip(task_ids, ends, strict=True):
        cell.status(task_id, state)
    found = of_cell(watched, "crashing")
    assert (found.total, found.failed) == (4, 2)
    assert found.bad == 1, "only the lost one is ours"


def test_a_start_is_counted_once_in_time_or_late() -> None:
    cell = running_cell(hosts=1, cpus=1)
    watched = Watched(cell)
    started = cell.run(batch(2), "soon")
    assert of_cell(watched, "start-latency").total == 2
    cell.submit(batch(1), "late")
    cell.pass_ms(5 * MINUTE_MS)
    assert of_cell(watched, "start-latency").bad == 0, "not above five minutes yet"
    cell.pass_ms(2 * MINUTE_MS)
    waits = of_cell(watched, "start-latency")
    assert (waits.total, waits.bad) == (3, 1), "bad before it has started"
    for each in started:
        cell.status(each, "TASK_FINISHED")
    cell.offer("host1", 1)
    (task_id,) = cell.launched()
    cell.status(task_id, "TASK_RUNNING")
    waits = of_cell(watched, "start-latency")
    assert (waits.total, waits.bad) == (3, 1), "and not counted again when it does"


def test_owner_application_and_group_have_their_own() -> None:
    cell = running_cell()
    watched = Watched(cell)
    spec = msgspec.structs.replace(
        batch(1), owner_email="bo@example.org", application_name="films", capacity_group="encode"
    )
    cell.run(spec, "one")
    (task_id,) = cell.run(batch(1), "two")
    cell.status(task_id, "TASK_LOST")
    found = report(watched.catch_up().slo, "test", kinds=("owner", "application", "capacity_group"))
    crashes = {(each.scope, each.name): each.bad for each in found.items if each.slo == "crashing"}
    assert ("owner", "bo@example.org") not in crashes
    starts = [each.name for each in found.items if each.slo == "start-latency"]
    assert {"bo@example.org", "films", "encode"} <= set(starts)
    assert sum(crashes.values()) == 3, "once for each kind of scope"


def test_silence_of_the_leader_is_unavailability() -> None:
    cell = running_cell()
    watched = Watched(cell)
    for _ in range(60):
        cell.tick(1_000)
    good = of_cell(watched, "availability")
    assert good.bad == 0
    assert good.total >= 5
    cell.tick(100_000)
    cell.tick(10_000)
    found = of_cell(watched, "availability")
    assert 9 <= found.bad <= 10, "a hundred seconds are ten times of asking"
    assert not found.is_met


def test_a_request_that_lay_too_long_is_unavailability_of_its_owner() -> None:
    cell = running_cell()
    watched = Watched(cell)
    cell.submit(service(1), "one")
    late = JobKillAsked(job_id=JobId("one"), actor="ada", why="enough")
    previous = cell.inbound["jobs"]
    source = Source("jobs", GENERATION, 0, previous + 1, previous)
    cell.write(Copied(source, late, observed_at_ms=cell.now_ms - 11_000))
    found = report(watched.catch_up().slo, "test", kinds=("owner",))
    (owner,) = [each for each in found.items if each.slo == "availability"]
    assert (owner.total, owner.bad) == (1 + 1, 1)


def test_wall_time_counts_what_no_record_says() -> None:
    cell = running_cell()
    watched = Watched(cell)
    cell.tick(20_000)
    before = of_cell(watched, "availability").bad
    watched.look(120_000)
    found = of_cell(watched, "availability")
    assert found.bad - before >= 9
    cell.tick(121_000)
    cell.tick(10_000)
    again = of_cell(watched, "availability").bad
    assert again - found.bad <= 3, "what was counted by wall time is not counted again"


def test_kept_and_restored_is_as_if_nothing_had_ended() -> None:
    cell = running_cell(hosts=1, cpus=1)
    whole = Watched(cell)
    cell.run(batch(2), "one")
    cell.submit(batch(3), "two")
    cell.pass_ms(3 * MINUTE_MS)
    data = msgspec.msgpack.encode(whole.catch_up().kept())
    cell.pass_ms(4 * MINUTE_MS)
    restarted = Watched(cell, kept=msgspec.msgpack.decode(data, type=KeptWhole))
    assert report(restarted.catch_up().slo, "test") == report(whole.catch_up().slo, "test")
    assert restarted.alerting.slo.gaps == 0
    late = of_cell(restarted, "start-latency")
    assert late.bad == 3


def test_a_gap_is_told_and_what_waits_is_taken_from_the_state() -> None:
    cell = running_cell(hosts=1, cpus=1)
    first = Watched(cell)
    cell.tick(1_000)
    kept = first.catch_up().kept()
    cell.submit(batch(5), "two")
    for _ in range(3):
        cell.tick(1_000)
    later = Watched(cell, kept=kept)
    alerting = later.catch_up(first_offset=len(cell.log) - 1)
    assert alerting.slo.gaps == 1
    assert len(alerting.slo.starts.tasks) == 5


def test_many_owners_are_bounded() -> None:
    cell = running_cell()
    watched = Watched(cell)
    for number in range(130):
        spec = msgspec.structs.replace(batch(1), owner_email=f"o{number}@example.org")
        cell.copy("jobs", submission(spec, f"job-{number}"))
    watched.catch_up().slo.settle()
    owners = [each for each in watched.alerting.slo.scopes if each[0] == "owner"]
    assert len(owners) == 100
    assert ("owner", "o129@example.org") in owners
    assert CELL in watched.alerting.slo.scopes


def test_buckets_forget_and_sum() -> None:
    buckets = Buckets()
    begin_ms = 1_700_000_000_000 // HOUR_MS * HOUR_MS
    for minute in range(0, 40 * 24 * 60, 7):
        buckets.add(begin_ms + minute * MINUTE_MS, 1, minute % 2)
    end_ms = begin_ms + 40 * DAY_MS
    assert len(buckets.hours) <= 30 * 24 + 2
    assert len(buckets.minutes) <= 6 * 60 + 12
    assert buckets.sums(end_ms, PERIOD_MS).total == pytest.approx(30 * 24 * 60 / 7, rel=0.01)
    assert buckets.sums(end_ms, HOUR_MS).total in {8, 9}
    past = buckets.sums(end_ms - 10 * DAY_MS, HOUR_MS)
    assert past.total in {8, 9}, "an hour of ten days ago is still known"


def test_a_burn_is_too_fast_only_in_both_windows() -> None:
    objective, fast = Objective(999_000), BURN_WINDOWS[0]
    at_ms = 1_700_000_000_000
    steady = Buckets()
    for minute in range(60):
        steady.add(at_ms - (59 - minute) * MINUTE_MS, 100, 2)
    assert burn_of(steady, at_ms, fast, objective).long_milli == 20_000
    assert burn_of(steady, at_ms, fast, objective).is_too_fast
    over = Buckets()
    for minute in range(60):
        over.add(at_ms - (59 - minute) * MINUTE_MS, 100, 2 if minute < 50 else 0)
    found = burn_of(over, at_ms, fast, objective)
    assert found.long_milli > fast.factor_milli
    assert not found.is_too_fast, "it does not go on"
    left = standing(CELL, "crashing", objective, steady, at_ms)
    assert left.budget_left_ppm == 1_000_000 - 20 * 1_000_000
