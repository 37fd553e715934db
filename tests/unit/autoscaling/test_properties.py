"""Whatever policies and metrics there are: bounds hold, cool-downs hold, constant input settles."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from scheduler.autoscaling.alarm import looked_at, with_point
from scheduler.autoscaling.sizes import Vote, chosen, vote_of
from scheduler.autoscaling.standing import ScalingPolicy
from scheduler.model.autoscaling import (
    Metric,
    MetricPoint,
    PolicyId,
    ScalingSpec,
    StepAdjustment,
    StepScaling,
    TargetTracking,
)
from scheduler.model.ids import JobId
from scheduler.model.job import Service
from scheduler.model.policy import Policy

PERIOD_MS = 10_000
LIMITS = Policy(target_in_periods=4)
METRIC = Metric("flumina/prometheus", "x")
VALUES = st.one_of(st.none(), st.integers(-10, 300))

steps = st.builds(
    StepScaling,
    metric=st.builds(replace, st.just(METRIC), is_per_task=st.booleans()),
    comparison=st.sampled_from(
        [
            "GreaterThanOrEqualToThreshold",
            "GreaterThanThreshold",
            "LessThanOrEqualToThreshold",
            "LessThanThreshold",
        ]
    ),
    threshold_milli=st.integers(0, 200_000),
    evaluation_periods=st.integers(1, 3),
    period_ms=st.just(PERIOD_MS),
    adjustment_type=st.sampled_from(
        ["ChangeInCapacity", "PercentChangeInCapacity", "ExactCapacity"]
    ),
    steps=st.tuples(st.builds(StepAdjustment, adjustment=st.integers(-60, 60))),
    cooldown_ms=st.sampled_from([0, 30_000, 60_000]),
    magnitude_min=st.integers(0, 3),
    missing=st.sampled_from(["missing", "ignore", "notBreaching", "breaching"]),
)
targets = st.builds(
    TargetTracking,
    metric=st.builds(replace, st.just(METRIC), is_per_task=st.booleans()),
    target_milli=st.integers(1, 100_000),
    out_cooldown_ms=st.sampled_from([0, 30_000]),
    in_cooldown_ms=st.sampled_from([0, 60_000]),
    is_scale_in_disabled=st.booleans(),
    period_ms=st.just(PERIOD_MS),
)
per_task = st.builds(replace, targets, metric=st.just(replace(METRIC, is_per_task=True)))
specs = st.lists(st.one_of(steps, targets), min_size=1, max_size=3)


class Scaled:
    """A job and its policies, without a log: one look a period, as the fold does it."""

    def __init__(self, specs: list[ScalingSpec], kind: Service) -> None:
        self.kind = kind
        self.scaled_at_ms = 0
        self.done: list[tuple[int, Vote, int]] = []
        self.policies = [
            ScalingPolicy(PolicyId(f"p{number}"), JobId("job"), spec, 1, "Applied", 0)
            for number, spec in enumerate(specs)
        ]

    def period(self, number: int, values: list[int | None]) -> int:
        """Let one period pass; the size after it."""
        now_ms = number * PERIOD_MS + PERIOD_MS + 5_000
        for at, value in enumerate(values[: len(self.policies)]):
            policy = self.policies[at]
            if value is not None:
                point = MetricPoint(policy.policy_id, 1, number * PERIOD_MS + 1, value * 1_000)
                policy = with_point(policy, point, LIMITS)
            self.policies[at] = looked_at(policy, self.kind.desired, now_ms, LIMITS)
        votes = [vote_of(each, self.kind, now_ms, self.scaled_at_ms) for each in self.policies]
        found = chosen(votes, self.kind.desired, is_increase_off=False, is_decrease_off=False).vote
        if found is not None:
            self.done.append((now_ms, found, found.size - self.kind.desired))
            at = next(n for n, p in enumerate(self.policies) if p.policy_id == found.policy_id)
            field = "out_at_ms" if found.size > self.kind.desired else "in_at_ms"
            self.policies[at] = replace(self.policies[at], **{field: now_ms})
            self.scaled_at_ms = now_ms
            self.kind = replace(self.kind, desired=found.size)
        return self.kind.desired


kinds = st.tuples(st.integers(0, 5), st.integers(0, 10), st.integers(0, 20)).map(
    lambda each: Service(each[0], each[0] + each[1], each[0] + each[1] + each[2])
)


@settings(max_examples=60, deadline=None)
@given(specs, kinds, st.lists(st.lists(VALUES, min_size=3, max_size=3), max_size=25))
def test_bounds_and_cooldowns_hold(
    specs: list[ScalingSpec], kind: Service, days: list[list[int | None]]
) -> None:
    there = Scaled(specs, kind)
    for number, values in enumerate(days, start=1_000):
        size = there.period(number, values)
        assert kind.minimum <= size <= kind.maximum
        for policy in there.policies:
            assert len(policy.periods) <= 2 * max(3, LIMITS.target_in_periods) + 1
    for policy in there.policies:
        spec = policy.spec
        if isinstance(spec, StepScaling):
            out_ms = in_ms = spec.cooldown_ms
        else:
            out_ms, in_ms = spec.out_cooldown_ms, spec.in_cooldown_ms
        mine = [each for each in there.done if each[1].policy_id == policy.policy_id]
        outs = [at for at, _, change in mine if change > 0]
        assert all(later - earlier >= out_ms for earlier, later in pairwise(outs))
        for (before_ms, _, _), (at_ms, vote, change) in pairwise(there.done):
            if change < 0 and vote.policy_id == policy.policy_id:
                assert at_ms - before_ms >= in_ms


@settings(max_examples=40, deadline=None)
@given(specs, kinds, st.integers(0, 50))
def test_a_silent_metric_scales_nothing(specs: list[ScalingSpec], kind: Service, last: int) -> None:
    there = Scaled(specs, kind)
    for number in range(1_000, 1_005):
        there.period(number, [last] * 3)
    done = len(there.done)
    for number in range(1_005, 1_030):
        there.period(number, [None] * 3)
    assert len(there.done) == done


def is_straight(spec: ScalingSpec) -> bool:
    """Whether the steps go where the alarm points, and not to a size or against it."""
    if isinstance(spec, TargetTracking):
        return True
    (only,) = spec.steps
    return (
        spec.adjustment_type != "ExactCapacity"
        and not spec.metric.is_per_task
        and bool(only.adjustment)
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(steps, per_task), min_size=1, max_size=3), kinds, st.integers(0, 200))
def test_a_constant_metric_never_makes_a_job_go_to_and_fro(
    specs: list[ScalingSpec], kind: Service, value: int
) -> None:
    """Steps of a mean, and targets of work a task: the two ways that are documented as stable."""
    there = Scaled([each for each in specs if is_straight(each)], kind)
    sizes = [there.period(number, [value] * 3) for number in range(1_000, 1_040)]
    changes = [after - before for before, after in pairwise(sizes) if after != before]
    turns = sum((a > 0) != (b > 0) for a, b in pairwise(changes))
    assert turns <= 1, (sizes, specs)
    assert len(set(sizes[-10:])) == 1 or all(change != 0 for change in changes[-1:])
