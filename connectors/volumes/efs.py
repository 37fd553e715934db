"""Volumes as AWS' file systems (EFS), by boto3.

The one thing to know: a file system is made with a token, and AWS makes one for each token; hosts
mount it by network, so it is attached nowhere and pins no task. It grows as it is used: its size
is measured by AWS and told, not limited.
"""

from collections.abc import Callable
from typing import Final

from connectors.ports import VolumeAsk, VolumeRefused, VolumeTold
from connectors.volumes.aws_calls import AwsCalls, AwsRefused, Json, tags_of
from scheduler.model.volumes import VolumeVerb

READY_S: Final = 300.0
_MIB: Final = 1 << 20


class EfsVolumes:
    """File systems of the account and region that boto3 finds."""

    def __init__(self, mount_root: str) -> None:
        self._efs = AwsCalls("efs")
        self._mount_root = mount_root

    def carry_out(self, ask: VolumeAsk) -> VolumeTold:
        """Do it; raises `VolumeRefused`, `VolumeUnsure`."""
        works: dict[VolumeVerb, Callable[[VolumeAsk], VolumeTold]] = {
            "create": self._create,
            "attach": self._attach,
            "detach": lambda each: VolumeTold(used_mib=self.used_mib(each)),
            "delete": self._delete,
        }
        work = works.get(ask.verb)
        if work is None:
            raise VolumeRefused(f"EFS volumes cannot {ask.verb}: AWS Backup does that for them")
        return work(ask)

    def used_mib(self, ask: VolumeAsk) -> int:
        """What AWS measured last."""
        size = self._facts(ask.reference).get("SizeInBytes", {}).get("Value", -1)
        return -(-int(size) // _MIB) if size >= 0 else -1

    def _create(self, ask: VolumeAsk) -> VolumeTold:
        if ask.reference:
            self._facts(ask.reference)
            return VolumeTold(ask.reference)
        token = f"{ask.cell}/{ask.volume_id}"[-64:]
        tags = tags_of(ask.cell, ask.volume_id, ask.work)
        try:
            made = self._efs.call(
                "create_file_system", CreationToken=token, Encrypted=True, Tags=tags
            )
        except AwsRefused as error:
            if error.code != "FileSystemAlreadyExists":
                raise
            there = self._efs.pages("describe_file_systems", "FileSystems", CreationToken=token)
            made = there[0]
        reference = str(made["FileSystemId"])
        self._efs.until(
            lambda: self._facts(reference)["LifeCycleState"] == "available",
            READY_S,
            f"{reference} being available",
        )
        return VolumeTold(reference)

    def _attach(self, ask: VolumeAsk) -> VolumeTold:
        path = f"{self._mount_root}/{ask.volume_id}"
        return VolumeTold(path=path, used_mib=self.used_mib(ask))

    def _delete(self, ask: VolumeAsk) -> VolumeTold:
        if not ask.reference:
            return VolumeTold()
        try:
            targets = self._targets(ask.reference)
            for each in targets:
                self._efs.call("delete_mount_target", MountTargetId=each["MountTargetId"])
            self._efs.until(lambda: not self._targets(ask.reference), READY_S, "no mount target")
            self._efs.call("delete_file_system", FileSystemId=ask.reference)
        except AwsRefused as error:
            if error.code != "FileSystemNotFound":
                raise
        return VolumeTold()

    def _targets(self, reference: str) -> list[Json]:
        return self._efs.pages("describe_mount_targets", "MountTargets", FileSystemId=reference)

    def _facts(self, reference: str) -> Json:
        found = self._efs.pages("describe_file_systems", "FileSystems", FileSystemId=reference)
        if not found:
            raise VolumeRefused(f"there is no file system {reference}")
        return found[0]
