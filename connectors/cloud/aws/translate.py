"""Answers of EC2 Auto Scaling and messages of EventBridge, as the reports of topic ``hosts``.

The one thing to know: what cannot be read is no group and no notice, and raises nothing: a message
that nobody understands must not stand in the way of the others.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from scheduler.model.fleet import (
    CloudGroupObserved,
    CloudInstance,
    InstanceNoticed,
    InstanceState,
    NoticeKind,
)
from scheduler.model.reading.bad_bytes import BAD_BYTES
from scheduler.model.warm_pools import POOL_STATES, WarmPoolObserved, WarmPoolRule

PROVIDER: Final = "aws"
CELL_TAG: Final = "flumina.cell"
SPOT_NOTICE_MS: Final = 120_000
"""EC2 takes a spot instance two minutes after it says so."""
_NO_BOUND: Final = -1
"""AWS: takes away a bound that was set before."""
_STATES: Final[Mapping[str, InstanceState]] = {
    "Pending": "pending",
    "InService": "inService",
    "Terminating": "terminating",
    "Terminated": "terminating",
    "EnteringStandby": "standby",
    "Standby": "standby",
}
_HOOKS: Final[Mapping[str, NoticeKind]] = {
    "EC2 Instance-terminate Lifecycle Action": "terminating",
    "EC2 Instance-launch Lifecycle Action": "launching",
}


def is_of_cell(group: Mapping[str, Any], cell: str) -> bool:
    """Whether the group's tag names the cell."""
    return any(
        each.get("Key") == CELL_TAG and each.get("Value") == cell for each in group.get("Tags", ())
    )


def observed(group: Mapping[str, Any], region: str, at_ms: int) -> CloudGroupObserved:
    """A group of ``DescribeAutoScalingGroups``, whole."""
    instances = tuple(
        sorted(
            (_instance(each) for each in group.get("Instances", ())),
            key=lambda each: each.instance_id,
        )
    )
    types = sorted({each.machine_type for each in instances} - {""}) or _declared_types(group)
    return CloudGroupObserved(
        group=str(group["AutoScalingGroupName"]),
        provider=PROVIDER,
        region=region,
        minimum=int(group["MinSize"]),
        desired=int(group["DesiredCapacity"]),
        maximum=int(group["MaxSize"]),
        instances=instances,
        observed_at_ms=at_ms,
        instances_total=len(instances),
        zones=tuple(sorted(group.get("AvailabilityZones", ()))),
        machine_types=tuple(types),
        suspended=tuple(
            sorted(str(each["ProcessName"]) for each in group.get("SuspendedProcesses", ()))
        ),
        warm_total=int(group.get("WarmPoolSize") or 0),
    )


def with_warm(group: CloudGroupObserved, said: Sequence[Mapping[str, Any]]) -> CloudGroupObserved:
    """The group with the instances of its warm pool, which `DescribeWarmPool` tells of.

    One that is told of in both has just come out, or is about to go in: the group's word counts.
    """
    there = {each.instance_id for each in group.instances}
    warm = [found for found in map(_instance, said) if found.instance_id not in there]
    instances = sorted((*group.instances, *warm), key=lambda each: each.instance_id)
    return replace(
        group,
        instances=tuple(instances),
        instances_total=len(instances),
        warm_total=sum(each.state == "warm" for each in instances),
    )


def pool_observed(group: Mapping[str, Any], at_ms: int) -> WarmPoolObserved:
    """The rule of the group's warm pool, by an answer of ``DescribeAutoScalingGroups``."""
    name = str(group["AutoScalingGroupName"])
    said = group.get("WarmPoolConfiguration")
    if not said:
        return WarmPoolObserved(name, None, observed_at_ms=at_ms)
    most = said.get("MaxGroupPreparedCapacity")
    word = str(said.get("PoolState") or "").lower()
    rule = WarmPoolRule(
        minimum=int(said.get("MinSize") or 0),
        prepared_max=None if most is None or int(most) < 0 else int(most),
        state=next((each for each in POOL_STATES if each == word), POOL_STATES[0]),
        is_reusing=bool((said.get("InstanceReusePolicy") or {}).get("ReuseOnScaleIn")),
    )
    return WarmPoolObserved(name, rule, said.get("Status") == "PendingDelete", at_ms)


def pool_asked(rule: WarmPoolRule) -> dict[str, Any]:
    """What ``PutWarmPool`` is given, beside the group's name: all of it, whatever it had."""
    return {
        "MinSize": rule.minimum,
        "MaxGroupPreparedCapacity": _NO_BOUND if rule.prepared_max is None else rule.prepared_max,
        "PoolState": rule.state.capitalize(),
        "InstanceReusePolicy": {"ReuseOnScaleIn": rule.is_reusing},
    }


def _declared_types(group: Mapping[str, Any]) -> list[str]:
    """The types that a group of several may start, where it has no instance that says its own."""
    mixed = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {}).get("Overrides", ())
    return sorted({str(each["InstanceType"]) for each in mixed if each.get("InstanceType")})


def _instance(each: Mapping[str, Any]) -> CloudInstance:
    said = str(each.get("LifecycleState", ""))
    word, _, rest = said.partition(":")
    if word == "Warmed":
        state: InstanceState = "terminating" if rest.startswith("Terminat") else "warm"
    else:
        state = _STATES.get(word, "other")
    return CloudInstance(
        instance_id=str(each["InstanceId"]),
        state=state,
        zone=str(each.get("AvailabilityZone", "")),
        machine_type=str(each.get("InstanceType") or ""),
        is_healthy=each.get("HealthStatus", "Healthy") == "Healthy",
        is_protected=bool(each.get("ProtectedFromScaleIn")),
        is_waiting=rest.endswith("Wait"),
    )


def noticed(text: str, now_ms: int) -> InstanceNoticed | None:
    """What an event of EventBridge announces; None where it is none of ours, or unreadable."""
    try:
        event = msgspec.json.decode(text)
        kind, detail = event["detail-type"], event["detail"]
        at_ms = _instant_ms(str(event.get("time", ""))) or now_ms
        if kind == "EC2 Spot Instance Interruption Warning":
            words = str(detail.get("instance-action", ""))
            return InstanceNoticed(
                group="",
                instance_id=str(detail["instance-id"]),
                kind="interruption",
                due_ms=at_ms + SPOT_NOTICE_MS,
                detail=words[:200],
                observed_at_ms=at_ms,
            )
        if kind == "EC2 Instance Rebalance Recommendation":
            instance_id = str(detail["instance-id"])
            return InstanceNoticed("", instance_id, "rebalance", observed_at_ms=at_ms)
        if kind in _HOOKS:
            return InstanceNoticed(
                group=str(detail["AutoScalingGroupName"]),
                instance_id=str(detail["EC2InstanceId"]),
                kind=_HOOKS[kind],
                detail=str(detail["LifecycleHookName"]),
                observed_at_ms=at_ms,
            )
    except (KeyError, TypeError, AttributeError, *BAD_BYTES):
        return None
    return None


def _instant_ms(text: str) -> int:
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1_000)
    except (ValueError, OverflowError):
        return 0
