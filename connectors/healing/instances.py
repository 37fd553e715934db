"""What AWS says of instances and of the volumes attached to them, as checks of their hosts.

The one thing to know: boto3 blocks, so the question has a thread. AWS' own status checks take some
minutes to turn bad; ``impaired`` is its word for what it would replace itself.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from scheduler.model.health import Probe

FAULTS: Final = (ClientError, BotoCoreError, ResponseParserError, OSError)
"""What an answer of AWS can go wrong with; the third is no error of botocore's own kind."""
ASKED_AT_ONCE: Final = 100
"""DescribeInstanceStatus takes up to 100 ids."""
ATTACHING_MS_MAX: Final = 300_000
"""It takes seconds; AWS' own guide calls what takes minutes stuck."""


class InstanceChecks:
    """Asks AWS for the status of instances, many at once."""

    def __init__(self) -> None:
        self._made: Any = None

    async def probes(
        self, instance_ids: Sequence[str], now_ms: int
    ) -> dict[str, tuple[Probe, ...]]:
        """The checks of each instance; of one that AWS does not tell of they are unknown."""
        try:
            return await asyncio.to_thread(self._asked, list(instance_ids), now_ms)
        except FAULTS as error:
            unknown = Probe("instance", "unknown", str(error)[:200])
            return dict.fromkeys(instance_ids, (unknown,))

    def _asked(self, instance_ids: list[str], now_ms: int) -> dict[str, tuple[Probe, ...]]:
        if self._made is None:
            config = Config(connect_timeout=3.0, read_timeout=10.0, retries={"max_attempts": 2})
            self._made = boto3.client("ec2", config=config)
        found: dict[str, tuple[Probe, ...]] = {}
        for begin in range(0, len(instance_ids), ASKED_AT_ONCE):
            some = instance_ids[begin : begin + ASKED_AT_ONCE]
            told = self._made.describe_instance_status(InstanceIds=some, IncludeAllInstances=True)
            volumes = self._volumes_or_none(some)
            attached = self._attachments_or_none(some, now_ms)
            for each in told["InstanceStatuses"]:
                name = each["InstanceId"]
                found[name] = (
                    _instance(each),
                    volumes.get(name, Probe("volume", "unknown")),
                    attached.get(name, Probe("attachment", "unknown")),
                )
        return found

    def _attachments_or_none(self, instance_ids: list[str], now_ms: int) -> dict[str, Probe]:
        """Whether interfaces and volumes hang on their instances; none where AWS does not tell."""
        try:
            told = self._made.describe_instances(InstanceIds=instance_ids)
        except FAULTS:
            return {}
        there = (each for one in told["Reservations"] for each in one["Instances"])
        return {each["InstanceId"]: attachments(each, now_ms) for each in there}

    def _volumes_or_none(self, instance_ids: list[str]) -> dict[str, Probe]:
        """The checks of volumes; none where AWS does not tell of them: some roles may not ask."""
        try:
            return dict(self._volumes(instance_ids))
        except FAULTS:
            return {}

    def _volumes(self, instance_ids: list[str]) -> Iterator[tuple[str, Probe]]:
        """The worst status of the volumes of each instance."""
        filters = [{"Name": "attachment.instance-id", "Values": instance_ids}]
        volumes = self._made.describe_volumes(Filters=filters)["Volumes"]
        owners = {
            each["VolumeId"]: attached["InstanceId"]
            for each in volumes
            for attached in each.get("Attachments", [])
        }
        bad: dict[str, str] = {}
        if owners:
            told = self._made.describe_volume_status(VolumeIds=sorted(owners))
            for each in told.get("VolumeStatuses", []):
                status = each.get("VolumeStatus", {}).get("Status", "")
                if status == "impaired":
                    bad[owners[each["VolumeId"]]] = f"volume {each['VolumeId']} is {status}"
        for name in sorted(set(owners.values())):
            yield name, Probe("volume", "bad" if name in bad else "good", bad.get(name, ""))


def _instance(told: dict[str, Any]) -> Probe:
    state = told.get("InstanceState", {}).get("Name", "")
    checks = {
        "instance": told.get("InstanceStatus", {}).get("Status", ""),
        "system": told.get("SystemStatus", {}).get("Status", ""),
    }
    impaired = [name for name, status in sorted(checks.items()) if status == "impaired"]
    if state not in {"running", "pending"}:
        return Probe("instance", "bad", f"it is {state}")
    if impaired:
        return Probe("instance", "bad", f"AWS calls its {' and '.join(impaired)} impaired")
    return Probe("instance", "good" if "ok" in checks.values() else "unknown")


def attachments(told: dict[str, Any], now_ms: int) -> Probe:
    """Whether what hangs on an instance is attached: some minutes are given to what is on its way.

    A volume that is ``busy`` could not be taken off; only its host's end frees it.
    """
    hanging = [
        (str(each.get("NetworkInterfaceId", "")), each.get("Attachment") or {})
        for each in told.get("NetworkInterfaces", ())
    ] + [
        (str(each["Ebs"].get("VolumeId", "")), each["Ebs"])
        for each in told.get("BlockDeviceMappings", ())
        if each.get("Ebs")
    ]
    for name, each in sorted(hanging, key=lambda pair: pair[0]):
        status = str(each.get("Status", ""))
        if status == "busy":
            return Probe("attachment", "bad", f"{name} is busy: it could not be taken off")
        since = each.get("AttachTime")
        if status == "attaching" and since is not None:
            waited_ms = now_ms - round(since.timestamp() * 1_000)
            if waited_ms > ATTACHING_MS_MAX:
                text = f"{name} has been attaching for {waited_ms // 60_000} min"
                return Probe("attachment", "bad", text)
    return Probe("attachment", "good")
