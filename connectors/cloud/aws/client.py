"""EC2 Auto Scaling groups by boto3: seen whole, resized, emptied one by one, protected.

The one thing to know: boto3 blocks, so each call has a thread. Calls are throttled adaptively by
botocore itself, a few attempts each; whoever asks does it again later. Before a size is set and
before an instance is ended, the group is asked for its bounds: AWS refuses what is outside, and not
every double of it does. Where AWS is, and who we are there, is boto3's to find (``AWS_REGION``,
``AWS_ENDPOINT_URL``, roles).
"""

import asyncio
import threading
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final, assert_never

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from connectors.cloud.aws.failures import CLOUD_ERRORS, Failure, failure_of
from connectors.cloud.aws.network import Network
from connectors.cloud.aws.translate import is_of_cell, noticed, observed
from connectors.cloud.aws.warm_pools import WarmPools
from connectors.cloud.ports import Carried, CloudFailed, EffectRefused, Notice
from scheduler.model.fleet import (
    CloudGroupObserved,
    CompleteHook,
    EndInstance,
    FleetEffect,
    ProtectInstances,
    RemoveGroup,
    SetDesiredCapacity,
)
from scheduler.model.network import (
    AssignAddresses,
    AttachInterface,
    InstanceNetworkObserved,
    ReturnAddresses,
    SetSecurityGroups,
)
from scheduler.model.warm_pools import RemoveWarmPool, SetWarmPool, WarmPoolObserved

CONNECT_S: Final = 3.0
SILENT_S: Final = 10.0
ATTEMPTS: Final = 3
PAGE: Final = 100
"""Groups of a page; AWS gives 100 at most."""
NOTICES_AT_ONCE: Final = 10
"""SQS gives 10 messages at most."""
NOTICE_WAIT_S: Final = 5
PROTECTED_AT_ONCE: Final = 50
"""AWS takes 50 instances in a SetInstanceProtection call."""


class AutoScalingGroups:
    """The groups of one account and region."""

    def __init__(self, notices_url: str = "") -> None:
        """``notices_url`` is the SQS queue in which EventBridge puts its events; empty: none."""
        self._notices_url = notices_url
        self._made: dict[str, Any] = {}
        self._making = threading.Lock()
        self._network = Network(self._client)
        self._warm_pools = WarmPools(self._client)

    async def groups(
        self, cell: str, names: Collection[str], now_ms: int
    ) -> list[CloudGroupObserved]:
        """The groups with the cell's tag or one of these names; raises `CloudFailed`."""
        try:
            ours = await asyncio.to_thread(self._seen, cell, names, now_ms)
        except CLOUD_ERRORS as error:
            raise CloudFailed(str(failure_of(error))) from error
        return sorted(ours, key=lambda each: each.group)

    def _seen(self, cell: str, names: Collection[str], now_ms: int) -> list[CloudGroupObserved]:
        region = self._client("autoscaling").meta.region_name or ""
        return [
            self._warm_pools.joined(observed(each, region, now_ms), each)
            for each in self._all_groups()
            if is_of_cell(each, cell) or each["AutoScalingGroupName"] in names
        ]

    async def warm_pools(self, names: Collection[str], now_ms: int) -> list[WarmPoolObserved]:
        """The rules of these groups' warm pools; raises `CloudFailed`."""
        try:
            return await asyncio.to_thread(self._warm_pools.seen, sorted(names), now_ms)
        except CLOUD_ERRORS as error:
            raise CloudFailed(str(failure_of(error))) from error

    def _all_groups(self) -> Iterator[dict[str, Any]]:
        client = self._client("autoscaling")
        asked: dict[str, Any] = {"MaxRecords": PAGE}
        while True:
            page = client.describe_auto_scaling_groups(**asked)
            yield from page["AutoScalingGroups"]
            token = page.get("NextToken")
            if not token or token == asked.get("NextToken"):
                return  # The second would be for ever.
            asked["NextToken"] = token

    async def networks(
        self, instances: Collection[tuple[str, str]], now_ms: int
    ) -> list[InstanceNetworkObserved]:
        """The interfaces of these instances; raises `CloudFailed`."""
        try:
            return await asyncio.to_thread(self._network.seen, list(instances), now_ms)
        except CLOUD_ERRORS as error:
            raise CloudFailed(str(failure_of(error))) from error

    async def notices(self, now_ms: int) -> list[Notice]:
        """Events of the queue; none where there is no queue. Raises `CloudFailed`."""
        if not self._notices_url:
            return []
        answer = await self._asked(
            "sqs",
            "receive_message",
            QueueUrl=self._notices_url,
            MaxNumberOfMessages=NOTICES_AT_ONCE,
            WaitTimeSeconds=NOTICE_WAIT_S,
        )
        return [
            Notice(each["ReceiptHandle"], noticed(each.get("Body", ""), now_ms))
            for each in answer.get("Messages", ())
        ]

    async def taken(self, handles: Sequence[str]) -> None:
        """Take events off the queue; raises `CloudFailed`."""
        for first in range(0, len(handles), NOTICES_AT_ONCE):
            some = handles[first : first + NOTICES_AT_ONCE]
            entries = [{"Id": str(at), "ReceiptHandle": each} for at, each in enumerate(some)]
            await self._asked(
                "sqs", "delete_message_batch", QueueUrl=self._notices_url, Entries=entries
            )

    async def carry_out(self, effect: FleetEffect) -> Carried:
        """Ask AWS for one effect."""
        try:
            return await asyncio.to_thread(self._carry_out, effect)
        except EffectRefused as refused:
            return Carried("refused", str(refused))
        except CLOUD_ERRORS as error:
            failure = failure_of(error)
        return Carried("unknown" if failure.is_unknown else "refused", str(failure))

    def _carry_out(self, effect: FleetEffect) -> Carried:
        match effect:
            case SetDesiredCapacity():
                return self._set_desired(effect)
            case EndInstance():
                return self._end(effect)
            case ProtectInstances():
                return self._protect(effect)
            case CompleteHook():
                self._client("autoscaling").complete_lifecycle_action(
                    AutoScalingGroupName=effect.group,
                    LifecycleHookName=effect.hook,
                    LifecycleActionResult="CONTINUE",
                    InstanceId=effect.instance_id,
                )
                return Carried("sent")
            case AttachInterface() | SetSecurityGroups() | AssignAddresses() | ReturnAddresses():
                return self._network.carry_out(effect)
            case SetWarmPool() | RemoveWarmPool():
                return self._warm_pools.carry_out(effect)
            case RemoveGroup():
                self._client("autoscaling").delete_auto_scaling_group(
                    AutoScalingGroupName=effect.group, ForceDelete=False
                )
                return Carried("sent")
            case _:
                assert_never(effect)

    def _set_desired(self, effect: SetDesiredCapacity) -> Carried:
        group = self._group(effect.group)
        minimum = group["MinSize"] if effect.minimum is None else effect.minimum
        _check_bounds(effect.desired, minimum, group["MaxSize"])
        client = self._client("autoscaling")
        if effect.minimum is not None and effect.minimum != group["MinSize"]:
            client.update_auto_scaling_group(
                AutoScalingGroupName=effect.group,
                MinSize=effect.minimum,
                DesiredCapacity=effect.desired,
            )
        elif group["DesiredCapacity"] != effect.desired:
            client.set_desired_capacity(
                AutoScalingGroupName=effect.group,
                DesiredCapacity=effect.desired,
                HonorCooldown=False,
            )
        return Carried("sent", f"{group['DesiredCapacity']} to {effect.desired}")

    def _end(self, effect: EndInstance) -> Carried:
        """End an instance of this very group that is not ending yet: never lower a size twice."""
        group = self._group(effect.group)
        there = {each["InstanceId"]: each for each in group["Instances"]}
        instance = there.get(effect.instance_id)
        if instance is None:
            text = f"group {effect.group} has no instance {effect.instance_id}"
            raise EffectRefused(str(Failure("gone", text)))
        if str(instance.get("LifecycleState", "")).startswith("Terminat"):
            return Carried("sent", "it is ending already")
        if effect.is_decrement:
            _check_bounds(group["DesiredCapacity"] - 1, group["MinSize"], group["MaxSize"])
        self._client("autoscaling").terminate_instance_in_auto_scaling_group(
            InstanceId=effect.instance_id, ShouldDecrementDesiredCapacity=effect.is_decrement
        )
        return Carried("sent")

    def _protect(self, effect: ProtectInstances) -> Carried:
        """Protect all; where one of them is gone AWS refuses all, and each is asked for alone."""
        for first in range(0, len(effect.instance_ids), PROTECTED_AT_ONCE):
            some = effect.instance_ids[first : first + PROTECTED_AT_ONCE]
            try:
                self._set_protection(effect, some)
            except ClientError as error:
                kind, is_alone = failure_of(error).kind, len(some) == 1
                if kind not in {"gone", "refused"} or (kind == "refused" and is_alone):
                    raise
                if not is_alone:
                    self._protect_each(effect, some)
        return Carried("sent")

    def _protect_each(self, effect: ProtectInstances, ids: Sequence[str]) -> None:
        for each in ids:
            try:
                self._set_protection(effect, (each,))
            except ClientError as error:
                if failure_of(error).kind not in {"gone", "refused"}:
                    raise

    def _set_protection(self, effect: ProtectInstances, ids: Sequence[str]) -> None:
        self._client("autoscaling").set_instance_protection(
            AutoScalingGroupName=effect.group,
            InstanceIds=list(ids),
            ProtectedFromScaleIn=effect.is_protected,
        )

    def _group(self, name: str) -> dict[str, Any]:
        answer = self._client("autoscaling").describe_auto_scaling_groups(
            AutoScalingGroupNames=[name]
        )
        found: list[dict[str, Any]] = answer["AutoScalingGroups"]
        if not found:
            raise EffectRefused(str(Failure("gone", f"there is no group {name}")))
        return found[0]

    async def close(self) -> None:
        """Give back every connection."""
        for each in self._made.values():
            each.close()

    async def _asked(self, service: str, name: str, **asked: object) -> Any:  # noqa: ANN401 - boto3 has no types
        try:
            return await asyncio.to_thread(lambda: getattr(self._client(service), name)(**asked))
        except CLOUD_ERRORS as error:
            raise CloudFailed(str(failure_of(error))) from error

    def _client(self, service: str) -> Any:  # noqa: ANN401 - as above
        with self._making:
            if service not in self._made:
                config = Config(
                    connect_timeout=CONNECT_S,
                    read_timeout=SILENT_S,
                    retries={"total_max_attempts": ATTEMPTS, "mode": "adaptive"},
                    max_pool_connections=8,
                )
                self._made[service] = boto3.session.Session().client(service, config=config)
            return self._made[service]


def _check_bounds(desired: int, minimum: int, maximum: int) -> None:
    if not minimum <= desired <= maximum:
        text = f"{desired} is not within the group's bounds, {minimum} to {maximum}"
        raise EffectRefused(str(Failure("bounds", text)))
