"""Volumes, mounts and static addresses of a descriptor: read, refused by field, written again."""

import copy
from typing import Any

import pytest

from scheduler.model.descriptor import spec_digest
from scheduler.model.job import JobSpec
from scheduler.model.reading.faults import Faults
from scheduler.model.reading.fields import Fields
from scheduler.model.v3.job import read_job
from scheduler.model.v3.writer import written_job
from scheduler.model.volumes import AddressAllocation, SharedMount, VolumeClaim

JOB: dict[str, Any] = {
    "owner": {"teamEmail": "team@example.com"},
    "applicationName": "store",
    "container": {"resources": {"cpu": 1, "memoryMB": 64}, "command": ["true"]},
    "batch": {"size": 2},
}


def job(
    volumes: Any = None, mounts: Any = None, attributes: Any = None, **resources: Any
) -> dict[str, Any]:
    descriptor = copy.deepcopy(JOB)
    descriptor["container"]["resources"] |= resources
    if volumes is not None:
        descriptor["volumes"] = volumes
    if mounts is not None:
        descriptor["container"]["volumeMounts"] = mounts
    if attributes is not None:
        descriptor["attributes"] = attributes
    return descriptor


def read(descriptor: dict[str, Any]) -> tuple[JobSpec, list[str]]:
    faults = Faults()
    spec = read_job(Fields(descriptor, "", faults))
    return spec, [each.field for each in faults.all()]


def volume(name: str = "data", **source: Any) -> dict[str, Any]:
    return {"name": name, "persistentVolumeSource": {"provider": "directory"} | source}


def mount(name: str = "data", path: str = "/data", **more: Any) -> dict[str, Any]:
    return {"volumeName": name, "mountPath": path} | more


def signed(address: str = "10.0.0.1", **location: str) -> dict[str, Any]:
    allocation = {"uuid": f"id-{address}", "address": address, "addressLocation": location}
    return {"addressAllocation": allocation, "messageSignature": "c2lnbmVk"}


WHOLE = job(
    volumes=[
        volume("logs", sizeMB=5, retention="delete"),
        volume(
            "data", provider="ebs", sizeMB=9, zone="us-east-1a", fsType="xfs", **{"class": "gp3"}
        ),
    ],
    mounts=[mount("logs", "/logs"), mount("data", "/data", readOnly=True)],
    efsMounts=[{"efsId": "fs-12", "mountPoint": "/shared", "mountPerm": "RO"}],
    staticAddresses=[
        {"address": "10.0.0.1", "zone": "a", "subnet": "subnet-1"},
        {"address": "10.0.0.2", "id": "second"},
    ],
)


def test_all_of_it_is_read_and_written_as_it_would_be_read_again() -> None:
    spec, faults = read(WHOLE)
    assert faults == []
    assert spec.volumes == (
        VolumeClaim("data", "/data", "ebs", 9, "gp3", "us-east-1a", "keep", True, (), "xfs"),
        VolumeClaim("logs", "/logs", "directory", 5, retention="delete"),
    )
    assert spec.mounts == (SharedMount("fs-12", "/shared", "RO"),)
    assert spec.addresses == (
        AddressAllocation("10.0.0.1", "10.0.0.1", "a", "subnet-1"),
        AddressAllocation("second", "10.0.0.2"),
    )
    assert read(written_job(spec)) == (spec, [])


def test_titus_shapes_are_read_and_its_signatures_kept_as_they_came() -> None:
    descriptor = job(
        signedAddressAllocations=[
            signed(region="us-east-1", availabilityZone="us-east-1a", subnetId="subnet-1"),
            signed("10.0.0.2"),
        ],
        attributes={
            "titusParameter.agent.ebs.volumeIds": "vol-1,vol-2",
            "titusParameter.agent.ebs.mountPoint": "/ebs_mnt",
            "titusParameter.agent.ebs.mountPerm": "RO",
            "titusParameter.agent.ebs.fsType": "xfs",
        },
    )
    spec, faults = read(descriptor)
    assert faults == []
    first = spec.addresses[0]
    assert (first.zone, first.subnet, first.region) == ("us-east-1a", "subnet-1", "us-east-1")
    assert first.signature == (("messageSignature", "c2lnbmVk"),)
    (ebs,) = spec.volumes
    assert ebs.volume_ids == ("vol-1", "vol-2")
    assert (ebs.mount_point, ebs.is_read_only, ebs.file_system) == ("/ebs_mnt", True, "xfs")
    written = written_job(spec)
    assert "volumes" not in written
    assert read(written) == (spec, [])


def test_a_job_without_any_is_written_as_before() -> None:
    spec, _ = read(JOB)
    written = written_job(spec)
    assert not {"volumes"} & written.keys()
    assert not {"volumeMounts"} & written["container"].keys()
    assert spec_digest(spec) == spec_digest(read(written)[0])


POINT = "container.volumeMounts"
SOURCE = "volumes[0].persistentVolumeSource"
EBS = "titusParameter.agent.ebs"


def test_runs_of_a_cron_job_leave_no_volumes_behind() -> None:
    descriptor = job([volume()], [mount()])
    descriptor["cron"] = {"schedule": "@hourly", "batch": descriptor.pop("batch")}
    assert read(descriptor)[1] == ["volumes"]
    descriptor["volumes"] = [volume(retention="delete")]
    assert read(descriptor)[1] == []


@pytest.mark.parametrize(
    ("descriptor", "field"),
    [
        (job([volume("../x")], [mount("../x")]), "volumes[0].name"),
        (job([volume("Data")], [mount("Data")]), "volumes[0].name"),
        (job([volume()], [mount(path="data")]), f"{POINT}[0].mountPath"),
        (job([volume()], [mount(path="/a/../etc")]), f"{POINT}[0].mountPath"),
        (job([volume()]), "volumes[0].name"),
        (job(mounts=[mount()]), f"{POINT}[0].volumeName"),
        (job([volume(), volume()], [mount()]), "volumes[1].name"),
        (job([volume(provider="nfs")], [mount()]), f"{SOURCE}.provider"),
        (job([volume(provider="zfs")], [mount()]), f"{SOURCE}.sizeMB"),
        (job([volume(sizeMB=0)], [mount()]), f"{SOURCE}.sizeMB"),
        (job([volume(retention="forget")], [mount()]), f"{SOURCE}.retention"),
        (job([volume(volumeIds=["a"])], [mount()]), f"{SOURCE}.volumeIds"),
        (job([volume(volumeIds=["a", "a"])], [mount()]), f"{SOURCE}.volumeIds"),
        (job([volume(volumeIds=["../a", "b"])], [mount()]), f"{SOURCE}.volumeIds[0]"),
        (job([volume(), volume("b")], [mount(), mount("b", "/data/b")]), POINT),
        (job([volume(sise=1)], [mount()]), f"{SOURCE}.sise"),
        (job([{"name": "a", "saaSVolumeSource": {"x": 1}}], [mount("a")]), "volumes[0].saaS"),
        (job([volume()], [mount(subPath="x")]), f"{POINT}[0].subPath"),
        (job(efsMounts=[{"efsId": "x", "mountPoint": "/a"}]), "container.resources.efsMounts[0]"),
        (job(staticAddresses=[{"address": "10.0.0.1"}]), "container.resources.staticAddresses"),
        (
            job(staticAddresses=[{"address": "10.0.0.1"}, {"address": "10.0.0.1"}]),
            "container.resources.staticAddresses",
        ),
        (
            job(staticAddresses=[{"address": "10.0.0.999"}, {"address": "10.0.0.1"}]),
            "container.resources.staticAddresses[0].address",
        ),
        (
            job(
                signedAddressAllocations=[signed(), signed("10.0.0.2")],
                staticAddresses=[{"address": "10.0.0.3"}, {"address": "10.0.0.4"}],
            ),
            "container.resources.staticAddresses",
        ),
        (job(attributes={f"{EBS}.volumeIds": "vol-1"}), "attributes"),
        (job(attributes={f"{EBS}.volumeIds": "a,b", f"{EBS}.mountPerm": "X"}), "attributes"),
        (job(attributes={f"{EBS}.volumeIds": "a,b", f"{EBS}.mountPoint": "x"}), "attributes"),
    ],
)
def test_what_is_wrong_is_refused_at_its_field(descriptor: dict[str, Any], field: str) -> None:
    _, faults = read(descriptor)
    assert faults
    assert any(each.startswith(field) for each in faults)


def test_an_address_has_one_spelling_and_one_of_version_6_needs_no_id() -> None:
    spec, fields = read(job(staticAddresses=[{"address": "FD00:0::17"}, {"address": "10.0.0.1"}]))
    assert fields == []
    assert [(each.address, each.allocation_id) for each in spec.addresses] == [
        ("fd00::17", "fd00::17"),
        ("10.0.0.1", "10.0.0.1"),
    ]
    assert read(written_job(spec)) == (spec, [])
    again = job(staticAddresses=[{"address": "fd00::17"}, {"address": "FD00:0::17"}])
    assert read(again)[1] == ["container.resources.staticAddresses"]
    one = job(staticAddresses=[{"address": "fe80::1%eth0"}, {"address": "10.0.0.1"}])
    assert read(one)[1] == ["container.resources.staticAddresses[0].address"]


def test_nothing_is_mounted_over_the_root() -> None:
    _, fields = read(job([volume()], [mount(path="/")]))
    assert fields == ["container.volumeMounts[0].mountPath"]
