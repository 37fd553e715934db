"""Warm pools of EC2 Auto Scaling groups by boto3: seen, set, and taken away.

The one thing to know: `DescribeAutoScalingGroups` tells the rule of a pool and not who is in it, so
a group with a pool takes a call more. A pool that is taken away ends its instances first; until it
is gone AWS says ``PendingDelete``, and takes no other. It blocks; whoever calls has a thread.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, assert_never

from connectors.cloud.aws.failures import Failure
from connectors.cloud.aws.translate import pool_asked, pool_observed, with_warm
from connectors.cloud.ports import Carried, EffectRefused
from scheduler.model.fleet import CloudGroupObserved
from scheduler.model.warm_pools import (
    RemoveWarmPool,
    SetWarmPool,
    WarmPoolEffect,
    WarmPoolObserved,
)

NAMES_AT_ONCE: Final = 50
PAGE: Final = 50
"""AWS gives 50 instances of a pool at most."""

Client = Callable[[str], Any]


class WarmPools:
    """The warm pools of one account and region."""

    def __init__(self, client: Client) -> None:
        """``client`` gives the client of a service by its name."""
        self._client = client

    def seen(self, names: Sequence[str], now_ms: int) -> list[WarmPoolObserved]:
        """The rule of each of these groups; raises what boto3 raises."""
        return [pool_observed(each, now_ms) for each in self._described(names)]

    def joined(self, group: CloudGroupObserved, said: Mapping[str, Any]) -> CloudGroupObserved:
        """The group with the instances of its pool; raises what boto3 raises."""
        if not said.get("WarmPoolConfiguration"):
            return group
        return with_warm(group, list(self._instances(group.group)))

    def carry_out(self, effect: WarmPoolEffect) -> Carried:
        """Ask for one effect; raises what boto3 raises, and `EffectRefused`."""
        found = self._described([effect.group])
        if not found:
            raise EffectRefused(str(Failure("gone", f"there is no group {effect.group}")))
        pool = pool_observed(found[0], 0)
        match effect:
            case SetWarmPool():
                return self._set(effect, pool, found[0])
            case RemoveWarmPool():
                if pool.rule is None:
                    return Carried("sent", "there is none")
                if not pool.is_going:
                    self._client("autoscaling").delete_warm_pool(
                        AutoScalingGroupName=effect.group, ForceDelete=False
                    )
                return Carried("sent")
            case _:
                assert_never(effect)

    def _set(
        self, effect: SetWarmPool, pool: WarmPoolObserved, group: Mapping[str, Any]
    ) -> Carried:
        if pool.is_going:
            text = "the pool before is being taken away, and AWS takes no other meanwhile"
            raise EffectRefused(str(Failure("refused", text)))
        if effect.rule.minimum > group["MaxSize"]:
            text = f"{effect.rule.minimum} is more than the {group['MaxSize']} that it may have"
            raise EffectRefused(str(Failure("bounds", text)))
        if pool.rule != effect.rule:
            self._client("autoscaling").put_warm_pool(
                AutoScalingGroupName=effect.group, **pool_asked(effect.rule)
            )
        return Carried("sent")

    def _described(self, names: Sequence[str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for first in range(0, len(names), NAMES_AT_ONCE):
            some = list(names[first : first + NAMES_AT_ONCE])
            answer = self._client("autoscaling").describe_auto_scaling_groups(
                AutoScalingGroupNames=some, MaxRecords=NAMES_AT_ONCE
            )
            found += answer["AutoScalingGroups"]
        return found

    def _instances(self, name: str) -> Iterator[dict[str, Any]]:
        asked: dict[str, Any] = {"AutoScalingGroupName": name, "MaxRecords": PAGE}
        while True:
            page = self._client("autoscaling").describe_warm_pool(**asked)
            yield from page.get("Instances", ())
            token = page.get("NextToken")
            if not token or token == asked.get("NextToken"):
                return  # The second would be for ever.
            asked["NextToken"] = token
