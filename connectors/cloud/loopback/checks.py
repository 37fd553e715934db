"""What AWS refuses and moto takes: pure checks, each with AWS' own words.

The one thing to know: these are the published rules of EC2 Auto Scaling. They hold in the double,
so that what works on a laptop works in the cloud, and the connector keeps the most important of
them by itself (`connectors/cloud/aws/client.py`).
"""

from typing import NamedTuple


class Refusal(NamedTuple):
    """An error as AWS words it."""

    code: str
    text: str


def invalid(text: str) -> Refusal:
    """A `ValidationError`."""
    return Refusal("ValidationError", text)


def no_group(name: str) -> Refusal:
    """There is no group of this name."""
    return invalid(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")


def no_instance(instance_id: str) -> Refusal:
    """No group has this instance."""
    return invalid(
        f"Instance Id not found - No managed instance found for instance ID: {instance_id}"
    )


def no_action(instance_id: str) -> Refusal:
    """No lifecycle action of this instance waits."""
    return invalid(f"No active Lifecycle Action found with instance ID {instance_id}")


def of_creation(minimum: int, desired: int | None, maximum: int) -> Refusal | None:
    """Bounds in order, and the size between them."""
    if maximum < minimum:
        return invalid(
            f"Max bound, {maximum}, must be greater than or equal to min bound, {minimum}"
        )
    if desired is not None and not minimum <= desired <= maximum:
        return invalid(
            f"Desired capacity:{desired} must be between the specified min size:{minimum} and max "
            f"size:{maximum}"
        )
    return None


def of_desired(desired: int, minimum: int, maximum: int) -> Refusal | None:
    """A size that is set is within the group's bounds."""
    if desired > maximum:
        return invalid(
            f"New SetDesiredCapacity value {desired} is above max value {maximum} for the "
            "AutoScalingGroup."
        )
    if desired < minimum:
        return invalid(
            f"New SetDesiredCapacity value {desired} is below min value {minimum} for the "
            "AutoScalingGroup."
        )
    return None


def of_decrement(desired: int, minimum: int, count: int = 1) -> Refusal | None:
    """A group is not taken below its minimum by ending its instances with decrement."""
    if desired - count >= minimum:
        return None
    return invalid(
        f"Currently, desiredSize equals minSize ({minimum}). Terminating instance without "
        "replacement will violate group's min size constraint. Either set "
        "shouldDecrementDesiredCapacity flag to false or lower group's min size."
    )


def of_protection(instance_id: str, state: str) -> Refusal | None:
    """Only who is in service, or stands by, is protected."""
    if state in {"InService", "EnteringStandby", "Standby"}:
        return None
    return invalid(f"The instance {instance_id} is not in InService or EnteringStandby or Standby.")


def of_deletion(instances: int, *, is_forced: bool) -> Refusal | None:
    """A group with instances is deleted only by force."""
    if not instances or is_forced:
        return None
    return Refusal(
        "ResourceInUse",
        "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance "
        "request(s) still in the group.",
    )


def of_pool(minimum: int, prepared: int | None, state: str) -> Refusal | None:
    """A warm pool that can be: AWS takes -1 for no bound, and nothing below."""
    if minimum < 0 or (prepared is not None and prepared < -1):
        return invalid("Warm pool sizes must be 0 or more; MaxGroupPreparedCapacity may be -1.")
    if prepared is not None and 0 <= prepared < minimum:
        return invalid(
            f"MaxGroupPreparedCapacity {prepared} must be greater than or equal to MinSize "
            f"{minimum}"
        )
    if state not in {"Stopped", "Running", "Hibernated"}:
        return invalid("PoolState must be one of Stopped, Running, Hibernated")
    return None


def mixed_pool() -> Refusal:
    """A group of several types has no warm pool."""
    return invalid(
        "You can't add a warm pool to an Auto Scaling group with a mixed instances policy."
    )


def no_pool(name: str) -> Refusal:
    """There is no warm pool to take away."""
    return invalid(f"No warm pool found for AutoScalingGroup '{name}'")


def has_pool() -> Refusal:
    """A group goes after its warm pool."""
    return Refusal("ResourceInUse", "You cannot delete an AutoScalingGroup that has a warm pool.")
