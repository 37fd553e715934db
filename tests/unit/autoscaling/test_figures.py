"""The pure parts of scaling: statistics, conditions, adjustments, forecasts, own metrics."""

from typing import Any

import pytest
from msgspec.structs import replace

from scheduler.autoscaling.alarm import Condition, is_beyond, is_raised, value_of
from scheduler.autoscaling.forecast import Shape, base_of
from scheduler.autoscaling.own import own_value_milli
from scheduler.autoscaling.sizes import Vote, adjusted, adjustment_at, chosen
from scheduler.autoscaling.standing import Period
from scheduler.model.autoscaling import PolicyId, StepAdjustment
from scheduler.model.ids import JobId
from tests.support.cell import running_cell, service
from tests.support.scaling import step

PERIOD = Period(5, 4, 10_000, 1_000, 5_000)


@pytest.mark.parametrize(
    ("statistic", "value"),
    [
        ("Average", 2_500),
        ("Sum", 10_000),
        ("Minimum", 1_000),
        ("Maximum", 5_000),
        ("SampleCount", 4_000),
    ],
)
def test_a_period_is_told_by_each_statistic(statistic: Any, value: int) -> None:
    assert value_of(PERIOD, statistic) == value
    assert value_of(Period(5, 1, 7, 7, 7, True), statistic) == 7, "its teller has applied it"


@pytest.mark.parametrize(
    ("comparison", "below", "at", "above"),
    [
        ("GreaterThanOrEqualToThreshold", False, True, True),
        ("GreaterThanThreshold", False, False, True),
        ("LessThanOrEqualToThreshold", True, True, False),
        ("LessThanThreshold", True, False, False),
    ],
)
def test_each_comparison_at_its_threshold(
    comparison: Any, below: bool, at: bool, above: bool
) -> None:
    found = [is_beyond(value, comparison, 10) for value in (9, 10, 11)]
    assert found == [below, at, above]


@pytest.mark.parametrize(
    ("missing", "gap", "filled"),
    [("missing", None, True), ("notBreaching", False, True), ("breaching", True, True)],
)
def test_gaps_are_what_the_condition_says(missing: Any, gap: bool | None, filled: bool) -> None:
    when = Condition(3, "GreaterThanThreshold", 10, missing)
    assert is_raised({7: 11, 9: 11}, 9, when) is gap
    assert is_raised({7: 11, 8: 11, 9: 11}, 9, when) is filled
    assert is_raised({7: 11, 8: 11}, 9, when) is None, "of the last period nothing is known"
    assert is_raised({7: 11, 8: 10, 9: 11}, 9, when) is False


def test_gaps_that_are_ignored_are_filled_from_before() -> None:
    when = Condition(3, "GreaterThanThreshold", 10, "ignore")
    assert is_raised({4: 11, 7: 11, 9: 11}, 9, when) is True
    assert is_raised({7: 11, 9: 11}, 9, when) is None
    assert is_raised({4: 10, 7: 11, 9: 11}, 9, when) is False


def test_steps_own_their_lower_bounds_above_a_threshold_and_their_upper_ones_below() -> None:
    steps = (StepAdjustment(1, 0, 10), StepAdjustment(2, 10, None))
    above = step(steps=steps)
    assert [adjustment_at(above, value) for value in (-1, 0, 9, 10, 99)] == [None, 1, 1, 2, 2]
    down = (StepAdjustment(-2, None, -10), StepAdjustment(-1, -10, 0))
    below = step(comparison="LessThanThreshold", steps=down)
    assert [adjustment_at(below, value) for value in (1, 0, -9, -10, -99)] == [
        None,
        -1,
        -1,
        -2,
        -2,
    ]


@pytest.mark.parametrize(
    ("kind", "adjustment", "size"),
    [
        ("ExactCapacity", 3, 3),
        ("ChangeInCapacity", -3, 7),
        ("PercentChangeInCapacity", 0, 10),
        ("PercentChangeInCapacity", 25, 12),
        ("PercentChangeInCapacity", -25, 8),
        ("PercentChangeInCapacity", 1, 11),
        ("PercentChangeInCapacity", -1, 9),
    ],
)
def test_a_size_after_each_kind_of_adjustment(kind: Any, adjustment: int, size: int) -> None:
    assert adjusted(step(adjustment_type=kind), 10, adjustment) == size


def test_a_percentage_is_at_least_its_magnitude() -> None:
    spec = step(adjustment_type="PercentChangeInCapacity", magnitude_min=4)
    assert (adjusted(spec, 10, 10), adjusted(spec, 10, -10)) == (14, 6)


def vote(name: str, direction: Any, size: int, **fields: Any) -> Vote:
    """A policy's word, of one that may shrink."""
    return Vote(PolicyId(name), direction, size, True, **fields)


def _chosen(*votes: Vote, **off: bool) -> tuple[str, int | None, str]:
    found = chosen(
        votes,
        4,
        is_increase_off=off.get("is_increase_off", False),
        is_decrease_off=off.get("is_decrease_off", False),
    )
    if found.vote is None:
        return "", None, found.held
    return found.vote.policy_id, found.vote.size, found.held


def test_who_asks_for_most_grows_and_nobody_shrinks_against_a_word() -> None:
    more, most = vote("a", "out", 6), vote("b", "out", 9)
    assert _chosen(more, most, vote("c", "in", 1)) == ("b", 9, "")
    assert _chosen(replace(most, held="waits"), more) == ("a", 6, "")
    assert _chosen(replace(most, held="waits")) == ("", None, "b: waits")
    assert _chosen(most, is_increase_off=True) == ("", None, "increase is disabled")
    assert _chosen(vote("a", "stay", 4)) == ("", None, "")


def test_shrinking_goes_to_the_largest_and_no_lower_than_a_floor() -> None:
    less, least = vote("a", "in", 3), vote("b", "in", 1)
    assert _chosen(less, least) == ("a", 3, "")
    assert _chosen(least, is_decrease_off=True) == ("", None, "decrease is disabled")
    assert _chosen(replace(least, held="waits"))[2] == "b: waits"
    name, size, held = _chosen(least, vote("c", "blind", 4))
    assert (name, size) == ("", None)
    assert held.startswith("c: ")
    needing = replace(vote("c", "in", 1), floor=2)
    assert _chosen(least, needing) == ("c", 2, "")
    wanting = replace(vote("c", "in", 1), floor=4)
    assert _chosen(least, wanting) == ("", None, "c: it would ask for more again")


def test_a_forecast_needs_a_season_to_grow_by_it() -> None:
    shape = Shape(horizon=2, season=8, quantile_milli=900)
    assert base_of([5], shape) is None
    flat = [100] * 4
    assert base_of(flat, shape) == 100, "less than a season: the level of now"
    silent = [0] * 12 + [100] * 4
    assert base_of(silent, shape) == 100, "nothing was there a season before"
    risen = [100, 100, 100, 100, 200, 200, 200, 200, 100, 100, 100, 100]
    assert base_of(risen, shape) is not None
    assert (base_of(risen, shape) or 0) > 100, "as a season before it is about to rise"


def test_what_the_cell_knows_itself_is_a_metric() -> None:
    cell = running_cell(1)
    cell.submit(service(3), "svc")
    job = JobId("svc")
    cell.tick(5_000)
    values = {
        name: own_value_milli(cell.state, job, name)
        for name in ("waitingTasks", "desiredTasks", "oldestWaitingSec", "startedTasks")
    }
    assert values == {
        "waitingTasks": 3_000,
        "desiredTasks": 3_000,
        "oldestWaitingSec": 5_000,
        "startedTasks": 0,
    }
    for task_id in cell.launched():
        cell.status(task_id, "TASK_RUNNING")
    assert own_value_milli(cell.state, job, "startedTasks") == 3_000
    assert own_value_milli(cell.state, job, "oldestWaitingSec") == 0
