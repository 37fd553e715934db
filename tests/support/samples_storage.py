"""Values of every type about volumes and addresses, with every field set.

`tests.support.samples` has them; the golden records hold them.
"""

from typing import Final

from scheduler.model.ids import JobId, TaskId
from scheduler.model.volumes import (
    AddressAllocation,
    AddressChanged,
    HoldsReleased,
    SharedMount,
    VolumeChanged,
    VolumeClaim,
    VolumeId,
    VolumeMeasured,
    VolumeOrdered,
    VolumeRequest,
    VolumeWorkEnded,
    VolumeWorkStarted,
)

JOB: Final = JobId("titus-12345")
TASK: Final = TaskId("titus-12345-worker-1-5")
VOLUME: Final = VolumeId("titus-12345-volume-data-1")
CLAIMS: Final = (
    VolumeClaim(
        name="data",
        mount_point="/data",
        provider="ebs",
        size_mib=10_240,
        volume_class="io2",
        zone="us-east-1a",
        retention="delete",
        is_read_only=True,
        volume_ids=("vol-1", "vol-2"),
        file_system="xfs",
    ),
)
MOUNTS: Final = (SharedMount(efs_id="fs-1", mount_point="/shared", mode="RO", path="/inside"),)
ADDRESSES: Final = (
    AddressAllocation(
        allocation_id="a-1",
        address="10.0.3.17",
        zone="us-east-1a",
        subnet="subnet-1",
        region="us-east-1",
        signature=(("messageSignature", "c2lnbmVk"),),
    ),
)
REQUESTS: Final[tuple[VolumeRequest, ...]] = (
    VolumeOrdered(VOLUME, "snapshot", "op", "an upgrade", "before", 3),
    HoldsReleased(TASK, "op", "its host was scrapped"),
)
EVENTS: Final = (
    VolumeWorkStarted(VOLUME, 4),
    VolumeWorkEnded(
        volume_id=VOLUME,
        work=4,
        fate="unknown",
        reference="vol-1",
        path="/mnt/flumina/data",
        host="agent-1",
        zone="us-east-1a",
        used_mib=17,
        detail="ec2 answered RequestLimitExceeded",
    ),
    VolumeMeasured(VOLUME, 18),
)
CHANGES: Final = (
    VolumeChanged(
        volume_id=VOLUME,
        job_id=JOB,
        state="attached",
        message="attach done",
        actor="op",
        host="agent-1",
        zone="us-east-1a",
        task_id=TASK,
    ),
    AddressChanged(address="10.0.3.17", job_id=JOB, task_id=TASK, message="given"),
)
