"""Alarms, steps and targets, case by case: which values, which alarm, which size."""

import pytest

from scheduler.autoscaling.alarm import Condition, is_raised
from scheduler.autoscaling.sizes import Vote, adjusted, adjustment_at, chosen
from scheduler.model.autoscaling import AdjustmentType, MissingData, PolicyId, StepAdjustment
from tests.support.scaling import step


@pytest.mark.parametrize(
    ("values", "missing", "raised"),
    [
        ({8: 5, 9: 5, 10: 5}, "missing", True),
        ({8: 5, 9: 4, 10: 5}, "missing", False),
        ({8: 5, 10: 5}, "missing", None),
        ({8: 5, 10: 5}, "notBreaching", False),
        ({8: 5, 10: 5}, "breaching", True),
        ({7: 5, 8: 5, 10: 5}, "ignore", True),
        ({8: 5, 10: 5}, "ignore", None),
        ({8: 4, 9: 5}, "breaching", None),
        ({7: 5, 8: 5, 9: 5}, "ignore", None),
        ({}, "breaching", None),
    ],
)
def test_gaps_in_an_alarm_of_three_periods(
    values: dict[int, int], missing: MissingData, raised: bool | None
) -> None:
    when = Condition(3, "GreaterThanOrEqualToThreshold", 5, missing)
    assert is_raised(values, 10, when) is raised


STEPS = (StepAdjustment(1, None, 0), StepAdjustment(2, 0, 10), StepAdjustment(3, 10, None))


@pytest.mark.parametrize(
    ("beyond", "above", "below"), [(-1, 1, 1), (0, 2, 1), (5, 2, 2), (10, 3, 2), (11, 3, 3)]
)
def test_bounds_belong_to_the_step_nearer_to_the_threshold(
    beyond: int, above: int, below: int
) -> None:
    assert adjustment_at(step(steps=STEPS), beyond) == above
    assert adjustment_at(step(steps=STEPS, comparison="LessThanThreshold"), beyond) == below


def test_a_value_in_no_step_asks_for_nothing() -> None:
    assert adjustment_at(step(steps=STEPS[1:2]), 11) is None


@pytest.mark.parametrize(
    ("kind", "desired", "adjustment", "least", "size"),
    [
        ("ChangeInCapacity", 5, 3, 0, 8),
        ("ChangeInCapacity", 5, -3, 0, 2),
        ("ExactCapacity", 5, 3, 0, 3),
        # AWS: 12.7 becomes 12, 0.67 becomes 1, -0.58 becomes -1, -6.67 becomes -6.
        ("PercentChangeInCapacity", 10, 127, 0, 22),
        ("PercentChangeInCapacity", 1, 67, 0, 2),
        ("PercentChangeInCapacity", 10, -5, 0, 9),
        ("PercentChangeInCapacity", 20, -33, 0, 14),
        ("PercentChangeInCapacity", 4, 25, 2, 6),
        ("PercentChangeInCapacity", 4, -25, 2, 2),
        ("PercentChangeInCapacity", 4, 0, 2, 4),
    ],
)
def test_adjustments(
    kind: AdjustmentType, desired: int, adjustment: int, least: int, size: int
) -> None:
    policy = step(adjustment_type=kind, magnitude_min=least)
    assert adjusted(policy, desired, adjustment) == size


def vote(name: str, direction: str, size: int, held: str = "") -> Vote:
    return Vote(PolicyId(name), direction, size, is_able_to_shrink=True, held=held)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("votes", "size"),
    [
        ([vote("a", "out", 5), vote("b", "out", 7)], 7),
        ([vote("a", "out", 5), vote("b", "out", 7, "cooling")], 5),
        ([vote("a", "out", 5, "cooling"), vote("b", "in", 1)], None),
        ([vote("a", "out", 5), vote("b", "in", 1)], 5),
        ([vote("a", "out", 5), vote("b", "blind", 3)], 5),
        ([vote("a", "in", 2), vote("b", "in", 1)], 2),
        ([vote("a", "in", 2), vote("b", "stay", 3)], None),
        ([vote("a", "in", 2), vote("b", "blind", 3)], None),
        ([vote("a", "in", 2), vote("b", "in", 1, "cooling")], None),
        ([vote("a", "stay", 3)], None),
        ([], None),
    ],
)
def test_what_several_policies_make_together(votes: list[Vote], size: int | None) -> None:
    found = chosen(votes, 3, is_increase_off=False, is_decrease_off=False)
    assert (found.vote.size if found.vote else None) == size
    assert (found.vote is None) or not found.held
