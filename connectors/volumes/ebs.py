"""Volumes as AWS' block volumes (EBS), by boto3.

The one thing to know: what is made is tagged with cell, volume and the number of the work, and
looked for by these tags before it is made; so a work that is begun anew finds what it made. The
cell attaches; making a file system and mounting it is the host's, below the mount root.
"""

from collections.abc import Callable
from typing import Final

from connectors.ports import VolumeAsk, VolumeRefused, VolumeTold
from connectors.volumes.aws_calls import AwsCalls, AwsRefused, Json, tags_of
from scheduler.model.volumes import VolumeVerb

READY_S: Final = 300.0
SNAPSHOT_S: Final = 3_600.0
"""A first snapshot copies all blocks to S3."""
CLASS_DEFAULT: Final = "gp3"
DEVICES: Final = tuple(f"/dev/sd{letter}" for letter in "fghijklmnop")
"""What AWS recommends for data."""


class EbsVolumes:
    """Block volumes of the account and region that boto3 finds."""

    def __init__(self, mount_root: str) -> None:
        self._ec2 = AwsCalls("ec2")
        self._mount_root = mount_root

    def carry_out(self, ask: VolumeAsk) -> VolumeTold:
        """Do it; raises `VolumeRefused`, `VolumeUnsure`."""
        works: dict[VolumeVerb, Callable[[VolumeAsk], VolumeTold]] = {
            "create": self._create,
            "attach": self._attach,
            "detach": self._detach,
            "snapshot": self._snapshot,
            "clone": self._clone,
            "move": self._move,
            "delete": self._delete,
        }
        work = works.get(ask.verb)
        if work is None:
            raise VolumeRefused(f"EBS volumes cannot {ask.verb}: use snapshots")
        return work(ask)

    def used_mib(self, ask: VolumeAsk) -> int:  # noqa: ARG002 - as the port has it
        """AWS does not tell what is used of a volume; its size is its quota."""
        return -1

    def _create(self, ask: VolumeAsk) -> VolumeTold:
        if ask.reference:
            found = self._volume(ask.reference)
            return VolumeTold(ask.reference, zone=found["AvailabilityZone"])
        if not ask.zone:
            text = "a volume needs a zone, and its host does not say which it is in"
            raise VolumeRefused(f"{text}: name one in the job, or give hosts the zone's attribute")
        made = self._made(ask, ask.volume_id, ask.zone)
        return VolumeTold(made, zone=ask.zone)

    def _made(self, ask: VolumeAsk, volume_id: str, zone: str, snapshot: str = "") -> str:
        """The id of the volume that this work makes, once it can be used."""
        tags = tags_of(ask.cell, volume_id, ask.work)
        there = self._tagged("describe_volumes", "Volumes", tags)
        found = next((each["VolumeId"] for each in there if each["State"] != "deleting"), None)
        if found is None:
            of_snapshot = {"SnapshotId": snapshot} if snapshot else {}
            made = self._ec2.call(
                "create_volume",
                AvailabilityZone=zone,
                Size=max(1, -(-ask.size_mib // 1024)),
                VolumeType=ask.volume_class or CLASS_DEFAULT,
                TagSpecifications=[{"ResourceType": "volume", "Tags": tags}],
                **of_snapshot,
            )
            found = str(made["VolumeId"])
        self._until_state(found, "available", "in-use")
        return found

    def _attach(self, ask: VolumeAsk) -> VolumeTold:
        if not ask.instance_id:
            text = f"host {ask.host} does not say which instance it is"
            raise VolumeRefused(f"{text}: give its agent the attribute instance-id")
        volume = self._volume(ask.reference)
        there = [each["InstanceId"] for each in volume.get("Attachments", ())]
        if there and there != [ask.instance_id]:
            raise VolumeRefused(f"{ask.reference} is attached to {', '.join(there)}")
        if not there:
            device = self._free_device(ask.instance_id)
            self._ec2.call(
                "attach_volume",
                VolumeId=ask.reference,
                InstanceId=ask.instance_id,
                Device=device,
            )
        self._until_state(ask.reference, "in-use")
        return VolumeTold(path=f"{self._mount_root}/{ask.volume_id}")

    def _free_device(self, instance_id: str) -> str:
        pages = self._ec2.pages("describe_instances", "Reservations", InstanceIds=[instance_id])
        used = {
            mapping.get("DeviceName")
            for reservation in pages
            for instance in reservation["Instances"]
            for mapping in instance.get("BlockDeviceMappings", ())
        }
        free = next((each for each in DEVICES if each not in used), None)
        if free is None:
            raise VolumeRefused(f"{instance_id} has no device name left for another volume")
        return free

    def _detach(self, ask: VolumeAsk) -> VolumeTold:
        for each in self._volume(ask.reference).get("Attachments", ()):
            self._ec2.call(
                "detach_volume",
                VolumeId=ask.reference,
                InstanceId=each["InstanceId"],
                Device=each["Device"],
            )
        self._until_state(ask.reference, "available")
        return VolumeTold()

    def _snapshot(self, ask: VolumeAsk) -> VolumeTold:
        return VolumeTold(reference=self._snapshot_of(ask, ask.reference))

    def _snapshot_of(self, ask: VolumeAsk, reference: str) -> str:
        tags = tags_of(ask.cell, ask.volume_id, ask.work)
        there = self._tagged("describe_snapshots", "Snapshots", tags)
        found = next((each["SnapshotId"] for each in there), None)
        if found is None:
            made = self._ec2.call(
                "create_snapshot",
                VolumeId=reference,
                Description=f"flumina {ask.cell} {ask.volume_id} {ask.snapshot}".strip(),
                TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}],
            )
            found = str(made["SnapshotId"])

        def is_done() -> bool:
            (facts,) = self._ec2.pages("describe_snapshots", "Snapshots", SnapshotIds=[found])
            if facts["State"] == "error":
                raise VolumeRefused(f"snapshot {found} failed")
            return bool(facts["State"] == "completed")

        self._ec2.until(is_done, SNAPSHOT_S, f"snapshot {found}")
        return found

    def _clone(self, ask: VolumeAsk) -> VolumeTold:
        snapshot = self._snapshot_of(ask, ask.reference)
        made = self._made(ask, ask.target, ask.zone, snapshot)
        self._forget_snapshot(snapshot)
        return VolumeTold(made, zone=ask.zone)

    def _move(self, ask: VolumeAsk) -> VolumeTold:
        tags = tags_of(ask.cell, ask.volume_id, ask.work)
        there = self._tagged("describe_volumes", "Volumes", tags)
        made = next((each["VolumeId"] for each in there if each["State"] == "available"), None)
        if made is None:
            snapshot = self._snapshot_of(ask, ask.reference)
            made = self._made(ask, ask.volume_id, ask.target, snapshot)
            self._forget_snapshot(snapshot)
        if made != ask.reference:
            self._remove(ask.reference)
        return VolumeTold(made, zone=ask.target)

    def _delete(self, ask: VolumeAsk) -> VolumeTold:
        if ask.reference:
            self._remove(ask.reference)
        return VolumeTold()

    def _remove(self, reference: str) -> None:
        try:
            self._ec2.call("delete_volume", VolumeId=reference)
        except AwsRefused as error:
            if error.code != "InvalidVolume.NotFound":
                raise

    def _forget_snapshot(self, snapshot: str) -> None:
        """Delete a snapshot that was only a step."""
        try:
            self._ec2.call("delete_snapshot", SnapshotId=snapshot)
        except AwsRefused as error:
            if error.code != "InvalidSnapshot.NotFound":
                raise

    def _volume(self, reference: str) -> Json:
        found = self._ec2.pages("describe_volumes", "Volumes", VolumeIds=[reference])
        if not found:
            raise VolumeRefused(f"there is no EBS volume {reference}")
        return found[0]

    def _until_state(self, reference: str, *states: str) -> None:
        def is_there() -> bool:
            state = self._volume(reference)["State"]
            if state in {"error", "deleting", "deleted"}:
                raise VolumeRefused(f"EBS volume {reference} is {state}")
            return state in states

        self._ec2.until(is_there, READY_S, f"{reference} being {' or '.join(states)}")

    def _tagged(self, name: str, key: str, tags: list[Json]) -> list[Json]:
        filters = [
            {"Name": f"tag:{each['Key']}", "Values": [each["Value"]]}
            for each in tags
            if each["Key"] != "Name"
        ]
        own = {"OwnerIds": ["self"]} if name == "describe_snapshots" else {}
        return self._ec2.pages(name, key, Filters=filters, **own)
