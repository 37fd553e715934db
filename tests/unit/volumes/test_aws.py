"""EBS and EFS volumes: made once for a work, attached, snapshotted, moved, deleted; throttling.

How: moto on loopback answers as AWS does; botocore's own hooks put throttling before it.
"""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse

from connectors.ports import VolumeAsk, VolumeRefused, VolumeTold
from connectors.volumes import aws_calls
from connectors.volumes.aws_calls import AwsCalls
from connectors.volumes.ebs import EbsVolumes
from connectors.volumes.efs import EfsVolumes
from connectors.volumes.opening import (
    Providers,
    VolumeSettings,
    read_volume_settings,
    written_volume_settings,
)
from scheduler.model.volumes import VolumeId
from tests.support.moto import environment_of, moto_endpoint  # noqa: F401 - a fixture

pytestmark = pytest.mark.integration  # It starts a stand-in for AWS.

VOLUME = VolumeId("db-volume-data-0")
ZONE = "us-east-1a"


@pytest.fixture
def ec2(
    moto_endpoint: str,  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Any]:
    for name, value in environment_of(moto_endpoint).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(aws_calls, "LOOK_S", 0.01)
    client = boto3.session.Session().client("ec2")
    yield client
    for each in client.describe_volumes()["Volumes"]:
        if not each["Attachments"]:
            client.delete_volume(VolumeId=each["VolumeId"])


def instance(ec2: Any, zone: str = ZONE) -> str:
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    made = ec2.run_instances(
        ImageId=image, MinCount=1, MaxCount=1, Placement={"AvailabilityZone": zone}
    )
    return str(made["Instances"][0]["InstanceId"])


def do(provider: EbsVolumes | EfsVolumes, verb: Any, work: int = 1, **given: Any) -> VolumeTold:
    values: dict[str, Any] = {"volume_id": VOLUME, "cell": "main", "zone": ZONE, "size_mib": 2_048}
    return provider.carry_out(VolumeAsk(verb=verb, work=work, **(values | given)))


def test_a_block_volume_lives_its_life(ec2: Any) -> None:
    provider, instance_id = EbsVolumes("/mnt/f"), instance(ec2)
    made = do(provider, "create")
    assert do(provider, "create").reference == made.reference
    (facts,) = ec2.describe_volumes(VolumeIds=[made.reference])["Volumes"]
    assert (facts["Size"], facts["VolumeType"], made.zone) == (2, "gp3", ZONE)
    assert {"Key": "flumina:volume", "Value": VOLUME} in facts["Tags"]
    here: dict[str, Any] = {"reference": made.reference, "instance_id": instance_id}
    assert do(provider, "attach", 2, **here).path == f"/mnt/f/{VOLUME}"
    assert do(provider, "attach", 2, **here).path == f"/mnt/f/{VOLUME}"
    other = instance(ec2)
    with pytest.raises(VolumeRefused, match="is attached to"):
        do(provider, "attach", 3, **here | {"instance_id": other})
    snapshot = do(provider, "snapshot", 4, reference=made.reference, snapshot="s").reference
    assert do(provider, "snapshot", 4, reference=made.reference).reference == snapshot
    do(provider, "detach", 5, reference=made.reference)
    do(provider, "detach", 5, reference=made.reference)
    clone = do(provider, "clone", 6, reference=made.reference, target="copy")
    moved = do(provider, "move", 7, reference=made.reference, target="us-east-1b")
    assert do(provider, "move", 7, reference=made.reference, target="us-east-1b") == moved
    zones = {
        each["VolumeId"]: each["AvailabilityZone"] for each in ec2.describe_volumes()["Volumes"]
    }
    assert (moved.zone, zones[moved.reference]) == ("us-east-1b", "us-east-1b")
    assert made.reference not in zones
    assert zones[clone.reference] == ZONE
    do(provider, "delete", 8, reference=moved.reference)
    do(provider, "delete", 8, reference=moved.reference)


@pytest.mark.usefixtures("ec2")
def test_what_cannot_be_is_refused_and_says_why() -> None:
    provider = EbsVolumes("/mnt/f")
    refused: list[tuple[str, dict[str, Any], str]] = [
        ("create", {"zone": ""}, "needs a zone"),
        ("create", {"reference": "vol-00000000"}, "InvalidVolume.NotFound"),
        ("attach", {"reference": "vol-1"}, "instance-id"),
        ("archive", {}, "cannot archive"),
    ]
    for verb, given, words in refused:
        with pytest.raises(VolumeRefused, match=words):
            do(provider, verb, **given)
    assert provider.used_mib(VolumeAsk("detach", VOLUME, "main", 1)) == -1


def test_a_volume_of_somebody_else_is_found_and_its_zone_told(ec2: Any) -> None:
    there = ec2.create_volume(AvailabilityZone="us-east-1c", Size=1)["VolumeId"]
    told = do(EbsVolumes("/mnt/f"), "create", reference=there, zone="")
    assert (told.reference, told.zone) == (there, "us-east-1c")


def test_pages_are_read_to_their_end_and_throttling_is_survived(
    ec2: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(7):
        ec2.create_volume(AvailabilityZone=ZONE, Size=1)
    calls, throttled = AwsCalls("ec2"), [0]

    def refuse(request: Any, **_: Any) -> AWSResponse | None:
        if throttled[0] >= 3:
            return None
        throttled[0] += 1
        body = (
            b"<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>slower</Message>"
            b"</Error></Errors><RequestID>1</RequestID></Response>"
        )

        class Raw:
            @staticmethod
            def stream(**_: Any) -> Any:
                yield body

        return AWSResponse(request.url, 503, {}, Raw())

    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    calls._client().meta.events.register("before-send.ec2", refuse)
    found = calls.pages("describe_volumes", "Volumes", PaginationConfig={"PageSize": 5})
    assert throttled[0] == 3
    assert len(found) >= 7
    assert len({each["VolumeId"] for each in found}) == len(found)


@pytest.mark.usefixtures("ec2")
def test_a_file_system_lives_its_life() -> None:
    provider = EfsVolumes("/mnt/f")
    made = do(provider, "create")
    assert do(provider, "create", 2).reference == made.reference
    assert do(provider, "create", 3, reference=made.reference).reference == made.reference
    attached = do(provider, "attach", 4, reference=made.reference)
    assert (attached.path, attached.used_mib >= 0) == (f"/mnt/f/{VOLUME}", True)
    with pytest.raises(VolumeRefused, match="cannot snapshot"):
        do(provider, "snapshot", 5, reference=made.reference)
    do(provider, "delete", 6, reference=made.reference)
    do(provider, "delete", 6, reference=made.reference)
    with pytest.raises(VolumeRefused, match=r"FileSystemNotFound|no file system"):
        do(provider, "create", 7, reference=made.reference)


def test_settings_are_read_as_they_are_written_and_a_provider_says_what_it_lacks(
    tmp_path: Any,
) -> None:
    text = "directory=/srv/v,zfs=tank/f,zfs-command=ssh {host} sudo,mounts=/mnt/x"
    read = read_volume_settings(text)
    assert read == VolumeSettings("/srv/v", "tank/f", "ssh {host} sudo", "/mnt/x")
    assert written_volume_settings(read) == text
    for wrong in ("directory", "nfs=/x", "zfs=", "mounts=x"):
        with pytest.raises(ValueError, match=r"wanted|absolute"):
            read_volume_settings(wrong)

    def no_store() -> Any:
        raise AssertionError

    with pytest.raises(VolumeRefused, match="FLUMINA_VOLUMES"):
        Providers(VolumeSettings(), tmp_path, no_store).of("zfs")
