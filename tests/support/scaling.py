"""Scaling policies for tests, a cell that has one, and days of metrics for it."""

from typing import Any

from scheduler.autoscaling.standing import Activity, ScalingPolicy
from scheduler.model.autoscaling import (
    Metric,
    MetricObserved,
    MetricPoint,
    PolicyId,
    ScalingPolicySet,
    ScalingSpec,
    StepAdjustment,
    StepScaling,
    TargetTracking,
)
from scheduler.model.ids import JobId
from tests.support.cell import CellInMemory

PERIOD_MS = 10_000
DEPTH = Metric("flumina/prometheus", "queue_depth")
UP = (StepAdjustment(2, 0, 50_000), StepAdjustment(5, 50_000, None))


def step(**fields: Any) -> StepScaling:
    """A policy that adds 2 tasks from 100 on, and 5 from 150 on, after two periods of 10 s."""
    values: dict[str, Any] = {
        "metric": DEPTH,
        "comparison": "GreaterThanOrEqualToThreshold",
        "threshold_milli": 100_000,
        "evaluation_periods": 2,
        "period_ms": PERIOD_MS,
        "adjustment_type": "ChangeInCapacity",
        "steps": UP,
        "cooldown_ms": 60_000,
    } | fields
    return StepScaling(**values)


def step_in(**fields: Any) -> StepScaling:
    """A policy that takes a task away below 20."""
    values: dict[str, Any] = {
        "comparison": "LessThanThreshold",
        "threshold_milli": 20_000,
        "steps": (StepAdjustment(-1),),
    } | fields
    return step(**values)


def target(**fields: Any) -> TargetTracking:
    """A policy that keeps work a task at 10."""
    values: dict[str, Any] = {
        "metric": Metric("flumina/prometheus", "queue_depth", is_per_task=True),
        "target_milli": 10_000,
        "out_cooldown_ms": 30_000,
        "in_cooldown_ms": 60_000,
        "period_ms": PERIOD_MS,
    } | fields
    return TargetTracking(**values)


class ScaledCell:
    """A cell, one service, and its policies: `pass_periods` lets periods of metrics pass."""

    def __init__(self, cell: CellInMemory, job_id: str = "job") -> None:
        self.cell = cell
        self.job_id = JobId(job_id)
        rest = PERIOD_MS - cell.now_ms % PERIOD_MS
        cell.tick(rest)

    def put(self, spec: ScalingSpec, name: str = "p") -> None:
        """Set a policy of the job."""
        self.cell.copy("jobs", ScalingPolicySet(self.job_id, PolicyId(name), spec, actor="ada"))

    def policy(self, name: str = "p") -> ScalingPolicy:
        """How a policy stands."""
        return self.cell.state.scaling_policies[PolicyId(name)]

    @property
    def desired(self) -> int:
        """How many tasks the job wants."""
        return self.cell.state.jobs[self.job_id].spec.desired

    @property
    def activities(self) -> tuple[Activity, ...]:
        """What its policies did."""
        return self.cell.state.job_scalings[self.job_id].activities

    def observe(self, **values: float | None) -> None:
        """Tell what metrics are now, by the name of the policy."""
        points = [
            MetricPoint(
                PolicyId(name), self.policy(name).version, self.cell.now_ms, round(value * 1_000)
            )
            for name, value in values.items()
            if value is not None
        ]
        self.cell.copy("commands", MetricObserved(tuple(points), actor="test"))

    def pass_periods(self, count: int = 1, **values: float | None) -> list[int]:
        """Let periods pass in which the metrics have these values; the sizes after each."""
        sizes = []
        for _ in range(count):
            self.cell.tick(2_000)
            self.observe(**values)
            self.cell.tick(4_000, times=2)
            sizes.append(self.desired)
        return sizes
