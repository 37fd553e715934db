"""Scaling policies in the log: what a day of metrics makes of a service, tick by tick.

How: a cell in memory, told of metrics as the autoscale process tells them; the invariants of the
whole state are checked after every record, and the log is folded a second time at the end.
"""

from itertools import pairwise

import pytest

from scheduler.model.autoscaling import (
    Metric,
    MetricFailure,
    MetricObserved,
    MetricPoint,
    PolicyId,
    Prediction,
    ScalingPolicyRemoved,
    ScalingPolicySet,
)
from scheduler.model.changes import (
    CellPaged,
    JobRejected,
    JobScaled,
    ScalingPolicyChanged,
    TimeGapped,
)
from scheduler.model.ids import HostId, JobId, TaskId
from scheduler.model.job_requests import JobEnabledAsked, JobProcessesAsked
from tests.support.cell import CellInMemory, batch, running_cell, service
from tests.support.scaling import PERIOD_MS, ScaledCell, step, step_in, target
from tests.support.snapshot_and_tail import check_snapshots


def scaled(desired: int = 2, minimum: int = 1, maximum: int = 20) -> ScaledCell:
    cell = running_cell()
    cell.submit(service(desired, maximum, minimum))
    return ScaledCell(cell)


def states(there: ScaledCell) -> list[str]:
    return [each.state for each in there.cell.said(ScalingPolicyChanged)]


def test_a_step_policy_scales_out_by_its_step_after_its_periods() -> None:
    there = scaled()
    there.put(step())
    assert there.pass_periods(3, p=120) == [2, 2, 4]
    (activity,) = there.activities
    assert (activity.before, activity.after, activity.value_milli) == (2, 4, 120_000)
    assert activity.threshold_milli == 100_000
    said = there.cell.said(JobScaled)[0]
    assert said.policy_id == "p"
    assert "was 120, >= 100 in 2 of 2 periods of 10 s" in said.why


def test_the_step_is_chosen_by_how_far_the_value_is_beyond() -> None:
    there = scaled()
    there.put(step())
    assert there.pass_periods(3, p=170)[-1] == 7


def test_below_the_threshold_nothing_happens() -> None:
    there = scaled()
    there.put(step())
    assert set(there.pass_periods(6, p=99.9)) == {2}
    assert there.policy().alarm == "ok"


def test_a_cooldown_is_held_and_then_over() -> None:
    there = scaled()
    there.put(step(cooldown_ms=60_000))
    sizes = there.pass_periods(16, p=120)
    grew = [at for at in range(1, 16) if sizes[at] > sizes[at - 1]]
    assert all(after - before >= 6 for before, after in pairwise(grew))
    assert len(grew) >= 2
    assert "cool-down" in there.cell.state.job_scalings[JobId("job")].held


def test_maximum_and_minimum_are_respected() -> None:
    there = scaled(desired=18, minimum=17, maximum=20)
    there.put(step(cooldown_ms=0))
    there.put(step_in(cooldown_ms=0), "in")
    assert max(there.pass_periods(6, p=500, **{"in": 500})) == 20
    assert min(there.pass_periods(8, p=0, **{"in": 0})) == 17


def test_the_largest_capacity_wins_on_the_way_out() -> None:
    there = scaled()
    there.put(step(), "a")
    there.put(target(), "b")
    assert there.pass_periods(5, a=120, b=120)[-1] == 12


def test_scale_in_needs_all_to_agree_and_their_metrics_to_speak() -> None:
    there = scaled(desired=5)
    there.put(step_in(), "a")
    there.put(target(metric=Metric("flumina/prometheus", "cpu")), "b")
    there.cell.set_policy(target_in_periods=3)
    assert set(there.pass_periods(6, a=5, b=9.5)) == {5}, "b is content as it is"
    assert there.cell.state.job_scalings[JobId("job")].held == "b: it does not ask for less"
    assert set(there.pass_periods(6, a=5, b=None)) == {5}, "b says nothing"
    assert there.cell.state.job_scalings[JobId("job")].held == "b: its metric says nothing"
    assert there.pass_periods(6, a=5, b=1)[-1] < 5


def test_a_target_is_tracked_out_and_in() -> None:
    there = scaled(desired=1)
    there.cell.set_policy(target_in_periods=5)
    there.put(target())
    assert there.pass_periods(5, p=70)[-1] == 7
    assert there.pass_periods(20, p=70)[-1] == 7, "constant load, constant size"
    assert there.pass_periods(14, p=31)[-1] == 4
    assert there.pass_periods(14, p=0)[-1] == 1, "its minimum"


def test_disable_scale_in() -> None:
    there = scaled(desired=5)
    there.cell.set_policy(target_in_periods=3)
    there.put(target(is_scale_in_disabled=True))
    assert set(there.pass_periods(10, p=0)) == {5}


def test_a_disabled_job_is_not_scaled_and_switches_hold() -> None:
    there = scaled()
    there.put(step())
    there.cell.copy("jobs", JobEnabledAsked(JobId("job"), is_enabled=False))
    assert set(there.pass_periods(5, p=500)) == {2}
    assert there.cell.state.job_scalings[JobId("job")].held == "the job is disabled"
    there.cell.copy("jobs", JobEnabledAsked(JobId("job"), is_enabled=True))
    there.cell.copy("jobs", JobProcessesAsked(JobId("job"), is_increase_disabled=True))
    assert set(there.pass_periods(5, p=500)) == {2}
    assert there.cell.state.job_scalings[JobId("job")].held == "increase is disabled"
    there.cell.copy("jobs", JobProcessesAsked(JobId("job"), is_increase_disabled=False))
    assert there.pass_periods(2, p=500)[-1] > 2
    there.put(step_in(cooldown_ms=0))
    there.cell.copy("jobs", JobProcessesAsked(JobId("job"), is_decrease_disabled=True))
    before = there.desired
    assert set(there.pass_periods(5, p=0)) == {before}
    assert there.cell.state.job_scalings[JobId("job")].held == "decrease is disabled"


def test_a_silent_metric_scales_nothing_and_is_paged_and_comes_back() -> None:
    there = scaled(desired=5)
    there.put(step_in(missing="breaching", cooldown_ms=0))
    there.pass_periods(4, p=50)
    assert there.policy().state == "Applied"
    assert set(there.pass_periods(40)) == {5}
    assert there.policy().state == "Error"
    assert "silent" in there.policy().reason
    pages = [each for each in there.cell.said(CellPaged) if each.kind == "metric"]
    assert len(pages) == 1
    there.pass_periods(3, p=50)
    assert states(there) == ["Pending", "Applied", "Pending", "Error", "Pending", "Applied"]


def test_a_source_that_fails_is_told_and_nothing_old_decides() -> None:
    there = scaled()
    there.put(step())
    there.pass_periods(1, p=500)
    failure = MetricFailure(PolicyId("p"), 1, "Prometheus answered with NaN 5 times")
    there.cell.copy("commands", MetricObserved(failures=(failure,)))
    assert (there.policy().state, there.policy().reason) == ("Error", failure.why)
    there.cell.tick(5_000, times=6)
    assert there.desired == 2
    old = MetricFailure(PolicyId("p"), 7, "of another version")
    there.pass_periods(2, p=1)
    there.cell.copy("commands", MetricObserved(failures=(old,)))
    assert there.policy().state == "Applied"


@pytest.mark.parametrize("value", [10**18, -(10**18)])
def test_an_absurd_value_is_not_taken(value: int) -> None:
    there = scaled()
    there.put(step())
    point = MetricPoint(PolicyId("p"), 1, there.cell.now_ms, value)
    late = MetricPoint(PolicyId("p"), 1, there.cell.now_ms + 3_600_000, 500_000)
    for _ in range(5):
        there.cell.tick(PERIOD_MS)
        there.cell.copy("commands", MetricObserved((point, late)))
    assert (there.policy().periods, there.desired) == ((), 2)


def test_gaps_are_taken_as_the_policy_says() -> None:
    for missing, grows in (
        ("missing", False),
        ("notBreaching", False),
        ("ignore", True),
        ("breaching", True),
    ):
        there = scaled()
        there.put(step(evaluation_periods=3, missing=missing))
        sizes = there.pass_periods(2, p=120) + there.pass_periods(1) + there.pass_periods(1, p=120)
        sizes += there.pass_periods(1)
        assert (sizes[-1] > 2) == grows, missing


def test_a_point_told_twice_counts_once() -> None:
    there = scaled()
    there.put(step(metric=Metric("flumina/prometheus", "x", "Sum"), evaluation_periods=1))
    there.cell.tick(1_000)
    point = MetricPoint(PolicyId("p"), 1, there.cell.now_ms, 60_000)
    there.cell.copy("commands", MetricObserved((point, point)))
    there.cell.copy("commands", MetricObserved((point,)))
    there.cell.tick(5_000, times=4)
    assert there.desired == 2
    assert there.policy().periods[0].total_milli == 60_000


def test_a_cells_own_metric_needs_no_source() -> None:
    cell = CellInMemory()
    cell.elect()
    cell.subscribe()
    cell.submit(service(3, 20, 1))
    there = ScaledCell(cell)
    waiting = Metric("flumina/job", "waitingTasks")
    there.put(step(metric=waiting, threshold_milli=2_000, steps=(step().steps[1],)))
    there.put(step(metric=waiting, threshold_milli=2_000, evaluation_periods=1), "q")
    assert there.pass_periods(3)[-1] == 5
    assert there.policy("q").value_milli == 3_000 or there.policy("q").value_milli == 5_000


def test_a_safe_cell_scales_nothing() -> None:
    there = scaled()
    there.put(step())
    there.cell.set_policy(orphans_tolerated=0)
    orphan = TaskId("unknown-worker-0-1")
    there.cell.answer(orphan, "TASK_RUNNING")
    there.cell.status(orphan, "TASK_RUNNING", host_id=HostId("host1"))
    assert there.cell.state.safe is not None
    assert set(there.pass_periods(5, p=500)) == {2}
    assert there.cell.state.job_scalings[JobId("job")].held.startswith("the cell is safe")


def test_a_gap_of_time_decides_nothing_by_old_values() -> None:
    there = scaled()
    there.put(step())
    there.pass_periods(2, p=120)
    there.cell.tick(3_600_000)
    assert there.cell.said(TimeGapped)
    there.cell.tick(5_000, times=4)
    assert there.desired == 2


def test_refusals() -> None:
    there = scaled()
    there.cell.submit(batch(), "b")
    there.cell.copy("jobs", ScalingPolicySet(JobId("b"), PolicyId("x"), step()))
    there.cell.copy("jobs", ScalingPolicySet(JobId("no"), PolicyId("x"), step()))
    there.put(step())
    there.cell.submit(service(), "other")
    there.cell.copy("jobs", ScalingPolicySet(JobId("other"), PolicyId("p"), step()))
    there.cell.copy("jobs", ScalingPolicySet(JobId("job"), PolicyId("p"), step(), if_version=3))
    there.cell.copy("jobs", ScalingPolicyRemoved(JobId("job"), PolicyId("nope")))
    there.cell.set_policy(scaling_policies_of_job_max=1)
    there.put(step(), "second")
    faults = [each.faults[0] for each in there.cell.said(JobRejected)]
    assert [each.field for each in faults] == [
        "jobId", "jobId", "policyId", "ifVersion", "policyId", "policyId",
    ]  # fmt: skip
    assert [each.code for each in faults][2:] == ["taken", "version", "unknown", "limit"]


def test_a_policy_is_updated_and_deleted() -> None:
    there = scaled()
    there.put(step())
    there.pass_periods(1, p=1)
    there.put(step(threshold_milli=1_000))
    assert (there.policy().version, there.policy().state) == (2, "Pending")
    there.pass_periods(2, p=50)
    there.cell.copy("jobs", ScalingPolicyRemoved(JobId("job"), PolicyId("p"), "ada", "enough"))
    assert there.policy().state == "Deleting"
    there.cell.tick(1_000)
    assert there.policy().state == "Deleted"
    size = there.desired
    assert set(there.pass_periods(5, p=500)) == {size}
    there.cell.pass_ms(3_700_000)
    assert not there.cell.state.scaling_policies
    assert not there.cell.state.job_scalings
    assert states(there) == ["Pending", "Pending", "Applied", "Deleting", "Deleted"]


def test_a_deleted_policy_may_be_put_again() -> None:
    there = scaled()
    there.put(step())
    there.cell.copy("jobs", ScalingPolicyRemoved(JobId("job"), PolicyId("p")))
    there.cell.tick(1_000)
    there.put(step())
    assert (there.policy().state, there.policy().version) == ("Pending", 2)
    there.cell.pass_ms(3_700_000)
    assert there.policy().version == 2, "the entry of the deleted one is of no account"


def test_policies_of_an_ended_job_go_with_it() -> None:
    there = scaled()
    there.put(step())
    there.cell.kill_job()
    there.cell.tick(5_000, times=5)
    assert there.policy().state == "Deleted"


def test_a_forecast_scales_before_the_load_is_there() -> None:
    """A load that doubles each season at the same slot; the second time it is expected."""
    season = 20
    ahead = Prediction(horizon_ms=3 * PERIOD_MS, season_ms=season * PERIOD_MS, quantile_milli=900)
    there = scaled(desired=4, maximum=50)
    there.put(target(prediction=ahead, is_scale_in_disabled=True))
    load = [20.0] * 12 + [40.0] * 2 + [100.0] * 6
    for value in load * 3:
        there.pass_periods(1, p=value)
    assert any(each.is_forecast for each in there.activities)
    assert there.policy().forecast_milli is not None
    assert len(there.policy().loads) <= season + 1


def test_replay_snapshot_and_another_leader_lead_to_the_same_sizes() -> None:
    there = scaled()
    there.put(step())
    there.put(target(prediction=Prediction(30_000, season_ms=100_000)), "t")
    there.pass_periods(3, p=120, t=30)
    half = len(there.cell.log)
    there.cell.elect("cell-1")
    there.cell.subscribe()
    there.pass_periods(4, p=220, t=90)
    there.pass_periods(20, p=1, t=1)
    assert len(there.activities) >= 2
    again = there.cell.refolded()
    assert again.digest.value() == there.cell.machine.digest.value()
    assert again.state.job_scalings == there.cell.state.job_scalings
    check_snapshots(there.cell.log, (half, half + 9, half + 20))


def test_a_metric_that_is_an_hour_old_scales_nothing() -> None:
    there = scaled(desired=5)
    there.put(step())
    there.put(step_in(), "in")
    for _ in range(8):
        there.cell.tick(PERIOD_MS)
        at_ms = there.cell.now_ms - 3_600_000
        points = [MetricPoint(PolicyId(name), 1, at_ms, 500_000) for name in ("p", "in")]
        there.cell.copy("commands", MetricObserved(tuple(points)))
    assert there.desired == 5
    assert there.policy().alarm == "insufficient"


def test_a_zero_shrinks_by_the_step_and_not_at_once() -> None:
    there = scaled(desired=8, minimum=2)
    there.put(step_in(cooldown_ms=30_000))
    sizes = there.pass_periods(30, p=0)
    assert sizes[-1] == 2
    assert all(before - after in {0, 1} for before, after in pairwise([8, *sizes]))


def test_a_human_and_a_policy_want_different_sizes() -> None:
    """The last word in the log counts, and the policy answers once a cool-down at most."""
    there = scaled(desired=2, maximum=50)
    there.cell.set_policy(target_in_periods=2)
    there.put(target())
    assert there.pass_periods(4, p=40)[-1] == 4
    sizes = []
    for _ in range(6):
        there.cell.scale(desired=30)
        assert there.desired == 30
        sizes += there.pass_periods(3, p=40)
    cuts = sum(after < before for before, after in pairwise([30, *sizes]))
    assert 1 <= cuts <= 3, "18 periods of 10 s, a cool-down of 60 s"


def test_a_step_policy_may_take_the_last_task_away() -> None:
    there = scaled(desired=2, minimum=0)
    there.put(step_in(cooldown_ms=PERIOD_MS))
    assert there.pass_periods(12, p=1)[-1] == 0
