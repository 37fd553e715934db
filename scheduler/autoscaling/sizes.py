"""From alarms to a size: what one policy asks for, and what a job makes of several.

The one thing to know: growing is done for the one that asks for most, shrinking only where nobody
objects, as AWS documents it. Whoever cannot see (its metric is silent) objects to shrinking. And
nothing leaves ``minimum`` to ``maximum``.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from scheduler.autoscaling.standing import ScalingPolicy
from scheduler.model.autoscaling import PolicyId, StepScaling, TargetTracking
from scheduler.model.job import Service

Direction = Literal["out", "in", "stay", "blind"]


class Vote(msgspec.Struct, frozen=True):
    """What one policy asks for at one look."""

    policy_id: PolicyId
    direction: Direction
    size: int
    """Within the job's bounds."""
    is_able_to_shrink: bool
    """It has a word in scale-in: without it, the others decide alone."""
    held: str = ""
    """Why it does not act on what it asks for: a cool-down, or it is only shown."""
    is_forecast: bool = False
    floor: int = 0
    """Below this it would ask for more again, be it the one who shrinks or not."""


class Choice(msgspec.Struct, frozen=True):
    """The size that a job gets, and by which policy."""

    vote: Vote | None
    held: str = ""
    """Why nothing is done although a policy asks for it."""


def vote_of(policy: ScalingPolicy, kind: Service, now_ms: int, scaled_at_ms: int) -> Vote:
    """What the policy asks for of a job of this size; ``scaled_at_ms``: by any policy, last."""
    spec = policy.spec
    if isinstance(spec, StepScaling):
        size, able = _step_size(policy, spec, kind.desired), _can_shrink(spec)
    else:
        size, able = _target_size(policy, spec, kind.desired), not spec.is_scale_in_disabled
    ahead = _forecast_size(policy, spec)
    is_forecast = ahead is not None and ahead > max(kind.desired, size or 0)
    if ahead is not None and (size is None or ahead > size):
        # A forecast lifts what is asked for; it never lets a job shrink on a silent metric.
        size = ahead if size is not None or ahead > kind.desired else None
    if size is None:
        return Vote(policy.policy_id, "blind", kind.desired, able)
    size = min(max(size, kind.minimum), kind.maximum)
    floor = min(_floor(policy, spec), kind.maximum)
    if size == kind.desired:
        # At the maximum a raised alarm still objects to whoever would shrink.
        direction: Direction = "out" if _is_asking_more(policy, spec) else "stay"
        return Vote(policy.policy_id, direction, size, able, floor=floor)
    direction = "out" if size > kind.desired else "in"
    held = _held(policy, direction, now_ms, scaled_at_ms)
    return Vote(policy.policy_id, direction, size, able, held, is_forecast, floor)


def _floor(policy: ScalingPolicy, spec: StepScaling | TargetTracking) -> int:
    """The size at which a target is met now; without it two targets could pull to and fro."""
    if isinstance(spec, StepScaling) or policy.load_milli is None:
        return 0
    return max(0, -(-policy.load_milli // spec.target_milli))


def _is_asking_more(policy: ScalingPolicy, spec: StepScaling | TargetTracking) -> bool:
    if policy.alarm != "high":
        return False
    return not isinstance(spec, StepScaling) or not _can_shrink(spec)


def _held(policy: ScalingPolicy, direction: Direction, now_ms: int, scaled_at_ms: int) -> str:
    spec = policy.spec
    if isinstance(spec, StepScaling):
        if not spec.is_acting:
            return "its actions are disabled"
        out_ms = in_ms = spec.cooldown_ms
    else:
        out_ms, in_ms = spec.out_cooldown_ms, spec.in_cooldown_ms
    if direction == "out":
        # A scale-in's cool-down does not hold a scale-out back: rather too many than too few.
        left_ms = policy.out_at_ms + out_ms - now_ms if policy.out_at_ms else 0
    else:
        left_ms = scaled_at_ms + in_ms - now_ms if scaled_at_ms else 0
    return f"its cool-down lasts {left_ms} ms more" if left_ms > 0 else ""


def _can_shrink(spec: StepScaling) -> bool:
    if spec.adjustment_type == "ExactCapacity":
        return True
    return any(each.adjustment < 0 for each in spec.steps)


def _step_size(policy: ScalingPolicy, spec: StepScaling, desired: int) -> int | None:
    if policy.alarm not in {"high", "ok"}:
        return None
    if policy.alarm == "ok" or policy.value_milli is None:
        return desired
    adjustment = adjustment_at(spec, policy.value_milli - spec.threshold_milli)
    return desired if adjustment is None else adjusted(spec, desired, adjustment)


def adjustment_at(spec: StepScaling, beyond_milli: int) -> int | None:
    """The adjustment of the step that the value is in; None where there is none.

    Lower bounds belong to a step and upper ones do not; below the threshold it is the other way.
    """
    is_below = spec.comparison.startswith("LessThan")
    for step in spec.steps:
        lower, upper = step.lower_milli, step.upper_milli
        if is_below:
            is_in = (lower is None or beyond_milli > lower) and (
                upper is None or beyond_milli <= upper
            )
        else:
            is_in = (lower is None or beyond_milli >= lower) and (
                upper is None or beyond_milli < upper
            )
        if is_in:
            return step.adjustment
    return None


def adjusted(spec: StepScaling, desired: int, adjustment: int) -> int:
    """The size after this adjustment, before any bounds.

    AWS rounds a change in per cent towards zero, and what is less than one task to one task.
    """
    if spec.adjustment_type == "ExactCapacity":
        return adjustment
    if spec.adjustment_type == "ChangeInCapacity":
        return desired + adjustment
    if adjustment == 0:
        return desired
    change = max(desired * abs(adjustment) // 100, 1, spec.magnitude_min)
    return desired + (change if adjustment > 0 else -change)


def _target_size(policy: ScalingPolicy, spec: TargetTracking, desired: int) -> int | None:
    if policy.alarm not in {"high", "low", "ok"} or policy.load_milli is None:
        return None
    if policy.alarm == "ok":
        return desired
    if policy.load_milli == 0 and desired == 0 and (policy.value_milli or 0) > 0:
        return 1  # A mean over no tasks says nothing of the load, but it is too high.
    size = -(-policy.load_milli // spec.target_milli)
    if policy.alarm == "high":
        return max(size, desired)
    return desired if spec.is_scale_in_disabled else min(size, desired)


def _forecast_size(policy: ScalingPolicy, spec: StepScaling | TargetTracking) -> int | None:
    if not isinstance(spec, TargetTracking) or policy.forecast_milli is None:
        return None
    if spec.prediction is None or spec.prediction.is_only_shown:
        return None
    return -(-policy.forecast_milli // spec.target_milli)


def chosen(
    votes: Sequence[Vote], desired: int, *, is_increase_off: bool, is_decrease_off: bool
) -> Choice:
    """The size that the policies of one job of this size make together."""
    growing = [each for each in votes if each.direction == "out"]
    if growing:
        able = [each for each in growing if not each.held]
        best = max(able, key=lambda each: (each.size, each.policy_id), default=None)
        if best is None:
            return Choice(None, f"{growing[0].policy_id}: {growing[0].held}")
        return Choice(None, "increase is disabled") if is_increase_off else Choice(best)
    shrinking = [each for each in votes if each.direction == "in"]
    if not shrinking:
        return Choice(None)
    objecting = [each for each in votes if each.direction == "blind" or _objects(each) or each.held]
    if objecting:
        first = objecting[0]
        return Choice(None, f"{first.policy_id}: {first.held or _OBJECTIONS[first.direction]}")
    best = max(shrinking, key=lambda each: (each.size, each.policy_id))
    needing = max(votes, key=lambda each: (each.floor, each.policy_id))
    if needing.floor > best.size:
        if needing.floor >= desired:
            return Choice(None, f"{needing.policy_id}: it would ask for more again")
        best = msgspec.structs.replace(best, size=needing.floor)
    return Choice(None, "decrease is disabled") if is_decrease_off else Choice(best)


_OBJECTIONS = {"blind": "its metric says nothing", "stay": "it does not ask for less"}


def _objects(vote: Vote) -> bool:
    return vote.direction == "stay" and vote.is_able_to_shrink
