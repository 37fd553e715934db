"""Figures of a load: histogram, slope, processes, and a report that says what did not hold."""

import os

import msgspec
import pytest

from scheduler.machine import Machine
from scheduler.model.changes import TaskChanged
from scheduler.model.codec import decode_record
from scheduler.model.events import CellRecord, Tick
from scheduler.model.ids import JobId, TaskId
from streams.cell.follower import LogRecord
from streams.load.driver import Pace
from streams.load.processes import uses
from streams.load.proving import Digest, Proof
from streams.load.report import Report
from streams.load.running import Asked, Ran, slope
from streams.load.watching import Histogram, Watch
from tests.golden.first_day import LOG

RECORD = CellRecord(version=1, epoch=1, at_ms=0, events=(Tick(),))


def test_a_percentile_is_within_a_bucket_of_the_truth() -> None:
    times = Histogram()
    for number in range(1, 1_001):
        times.add(number / 100)
    for share in (0.5, 0.99):
        assert times.percentile(share) == pytest.approx(share * 10, rel=0.06)
    assert Histogram().percentile(0.5) is None


def test_the_slope_is_the_late_rate_over_the_early_one() -> None:
    steady = [(float(second), 100 * second) for second in range(101)]
    assert slope(steady, 10_000) == 1.0
    slower = [(s, n) if n <= 5_000 else (50 + 2 * (s - 50), n) for s, n in steady]
    assert slope(slower, 10_000) == 0.5
    assert slope([(1.0, 10)], 10) is None


def _started(index: int, number: int) -> tuple[int, TaskChanged]:
    task_id = TaskId(f"load-1-worker-{index}-{number}")
    return 0, TaskChanged(JobId("load-1"), task_id, "Started", "TASK_RUNNING")


def test_each_index_counts_once_whatever_takes_its_place() -> None:
    now_s = 10.0
    watch = Watch("nowhere", "cell", clock=lambda: now_s)
    watch.submitted("load-1", 2)
    now_s = 11.0
    watch._folded(0, RECORD, [_started(0, 1), _started(0, 3)])
    assert (watch.ours, watch.again, watch.is_starting("load-1")) == (1, 1, True)
    watch._folded(1, RECORD, [_started(1, 2), _started(1, 4)])
    watch._folded(2, RECORD, [])
    assert (watch.ours, watch.again, watch.is_starting("load-1")) == (2, 2, False)
    assert watch.changed_offset == 1, "so far the leader has to publish"
    assert watch.latency.percentile(1.0) == pytest.approx(1.0, rel=0.06)


def test_what_a_process_uses_is_read_with_those_below_it() -> None:
    own = uses({"own": os.getpid(), "none": None})
    assert own["own"].cpu_s > 0
    assert own["own"].rss_mib > 10
    assert own["own"].files > 2
    assert own["none"] == (0.0, 0.0, 0)


def _report(**changes: object) -> Report:
    ran = {
        "seconds": 10.0,
        "launches": 100,
        "jobs": 4,
        "again": 0,
        "finished": 3,
        "p50_s": 0.5,
        "p99_s": 1.0,
        "cpu_ms_each": {"kafka": 0.2, "cell": 0.8, "api": 0.2},
        "cores": {"kafka": 0.1, "cell": 0.4, "api": 0.1},
        "rows": [],
        "slope": 1.0,
        "answers": {"201": 4},
        "refused": [],
        "faults": [],
        "checkpoints": 1,
        "halt": "",
    }
    proof = {
        "lag": {"jobs": 0, "cell": 0},
        "digests": [Digest("api", 5, "a", "a")],
        "snapshot": "key",
        "launched": 100,
        "launched_twice": 0,
    }
    for name, value in changes.items():
        (ran if name in ran else proof)[name] = value
    asked = Asked(100, 10, 1, 60.0, Pace(10))
    return Report(
        asked,
        Ran(**ran),  # type: ignore[arg-type]
        Proof(**proof),  # type: ignore[arg-type]
        "flumina load",
        "abc",
        "2026-11-22",
    )


def test_a_load_that_held_says_so_and_what_two_idle_cores_would_do() -> None:
    report = _report()
    assert report.broken == []
    assert report.proof.is_good
    assert report.rate_per_s == 10.0
    # The cell alone needs 0.8 ms of one core; all three need 0.6 ms of each of two.
    assert report.on_two_cores_per_s == pytest.approx(1_250)
    page = report.markdown()
    assert "What did not hold: nothing." in page
    assert "bar 760: missed" in page


def test_the_bar_says_nothing_about_a_rate_that_was_asked_for() -> None:
    report = _report()
    asked = msgspec.structs.replace(report.asked, pace=Pace(10, rate_per_s=40.0))
    page = msgspec.structs.replace(report, asked=asked).markdown()
    assert "10 (40 were asked for)" in page
    assert "bar" not in page


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"launches": 99}, "99 of 100"),
        ({"refused": ["load-1: 400 no"]}, "not taken"),
        ({"lag": {"mesos": 3}}, "left behind"),
        ({"digests": [Digest("api", 5, "a", "b")]}, "differ"),
        ({"digests": []}, "no digests"),
        ({"launched_twice": 1}, "twice"),
        ({"halt": "halted at 3"}, "halted"),
    ],
)
def test_whatever_did_not_hold_is_named(change: dict[str, object], word: str) -> None:
    report = _report(**change)
    assert any(word in each for each in report.broken)
    assert word in report.markdown()


def test_the_witness_makes_its_digest_of_the_whole_state_and_comes_to_the_same() -> None:
    watch, kept = Watch("nowhere", "cell"), Machine()
    for offset, data in enumerate(LOG.read_bytes().splitlines()):
        watch.follower.take((LogRecord(offset, data),))
        kept.apply(offset, decode_record(data))
    witness = watch.follower.machine
    assert watch.follower.halt is None
    assert watch.checkpoints > 0, "each was compared on the way"
    assert witness.digest.value() == kept.digest.value()
    witness.state.dirty["task"].add("unknown")
    witness.digest.take_in()
    assert not any(witness.state.dirty.values()), "nothing is kept for the next value"
