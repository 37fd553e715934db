"""What a descriptor says of storage and addresses that stay: volumes, mounts, static addresses.

The one thing to know: the shapes are Titus' where it has one (``volumes`` with ``volumeMounts``,
``efsMounts``, ``signedAddressAllocations``, the attributes of EBS); the source of a volume that the
cell makes, ``persistentVolumeSource``, and ``staticAddresses`` are ours. Titus' signatures are kept
and handed to the host, who can check them; the cell has no key to do it with.
"""

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any, Final, cast, get_args

from scheduler.model.job import Cron, JobKind, JobSpec, indexes_of
from scheduler.model.reading.checks import Check, Complaint, name_check, pattern_check
from scheduler.model.reading.faults import nearest_name, shown, shown_text
from scheduler.model.reading.fields import Fields
from scheduler.model.v3 import limits
from scheduler.model.v3.names import RESOURCES_READ_ELSEWHERE
from scheduler.model.volumes import (
    AddressAllocation,
    Retention,
    SharedMount,
    VolumeClaim,
    VolumeProvider,
    volume_id_fault,
    volume_name_fault,
)

VOLUMES_MAX: Final = 8
"""Of one job. AWS attaches 28 devices to an instance, network interfaces included."""
MOUNTS_MAX: Final = 16
VOLUME_SIZE_MIB_MAX: Final = 64 * 1024 * 1024
"""64 TiB: the most of an EBS volume (io2, Block Express)."""
SIGNATURE_CHARACTERS_MAX: Final = 4_096
EBS_CLAIM: Final = "ebs"
"""What the volume of Titus' attributes is called."""
_EBS: Final = "titusParameter.agent.ebs."
EBS_IDS: Final = _EBS + "volumeIds"
EBS_MOUNT_POINT: Final = _EBS + "mountPoint"
EBS_MOUNT_MODE: Final = _EBS + "mountPerm"
EBS_FILE_SYSTEM: Final = _EBS + "fsType"
_SIGNATURES: Final = (
    "authoritativePublicKey",
    "hostPublicKey",
    "hostPublicKeySignature",
    "message",
    "messageSignature",
)
_OTHER_SOURCES: Final = ("sharedContainerVolumeSource", "saaSVolumeSource")
_MODES: Final = ("RO", "WO", "RW")
FILE_SYSTEMS: Final = ("ext4", "xfs")

_NAME: Final = name_check(limits.NAME_BYTES_MAX)
_WORD: Final = pattern_check("[A-Za-z0-9][A-Za-z0-9._-]*", 64, "gp3, us-east-1a or subnet-1")
_SIGNATURE: Final = pattern_check("[A-Za-z0-9+/=_-]*", SIGNATURE_CHARACTERS_MAX, "base64")
_EFS_ID: Final = pattern_check("fs-[A-Za-z0-9-]+", 64, "fs-0123456789abcdef0")

Given = Mapping[str, Any]
"""Fields of a `JobSpec`."""


def read_storage(
    fields: Fields, container: Fields, kind: JobKind, attributes: tuple[tuple[str, str], ...]
) -> dict[str, Any]:
    """The fields ``volumes``, ``mounts`` and ``addresses`` of the job's spec."""
    most = indexes_of(kind.batch if isinstance(kind, Cron) else kind)
    claims = _claims(fields, _volume_mounts(container), most)
    ebs = _ebs_of_titus(fields, dict(attributes), most)
    if ebs is not None and any(each.name == ebs.name for each in claims):
        fields.fault("volumes", f"name one {EBS_CLAIM} beside {EBS_IDS}", "give it another name")
    claims = sorted([*claims, *([ebs] if ebs else [])], key=lambda each: each.name)
    raw = container.raw("resources")
    is_asked = isinstance(raw, dict) and any(raw.get(each) for each in RESOURCES_READ_ELSEWHERE)
    resources = container.inner("resources") if is_asked else None
    mounts = _efs(resources) if resources else ()
    addresses = _addresses(resources, most) if resources else ()
    if isinstance(kind, Cron):
        _check_runs(fields, claims)
    _check_points(container, [*(c.mount_point for c in claims), *(m.mount_point for m in mounts)])
    return {"volumes": tuple(claims), "mounts": mounts, "addresses": addresses}


def _check_runs(fields: Fields, claims: list[VolumeClaim]) -> None:
    """Demand that the runs of a cron job do not each leave volumes behind."""
    for claim in claims:
        if claim.retention == "keep" and not claim.volume_ids:
            text = f"{claim.name} is made by each run, and none of them is ever deleted"
            fields.fault("volumes", text, 'give "retention": "delete", or volumeIds')


def _volume_mounts(container: Fields) -> dict[str, tuple[str, bool]]:
    """Mount point and whether it is read only, by the volume's name."""
    found: dict[str, tuple[str, bool]] = {}
    for each in container.objects("volumeMounts", VOLUMES_MAX):
        name = each.text("volumeName", _volume_name)
        if name in found:
            each.fault("volumeName", f"is {shown_text(name)} for the second time", "mount it once")
        found[name] = each.text("mountPath", _mount_path), each.truth("readOnly", default=False)
        each.refuse_known(("mountPropagation", "subPath"))
        each.close()
    return found


def _claims(fields: Fields, mounts: dict[str, tuple[str, bool]], most: int) -> list[VolumeClaim]:
    claims: list[VolumeClaim] = []
    for each in fields.objects("volumes", VOLUMES_MAX):
        name = each.text("name", _volume_name)
        if any(other.name == name for other in claims):
            each.fault("name", f"is {shown_text(name)} for the second time", "rename one of them")
        each.refuse_known(_OTHER_SOURCES)
        source = each.inner("persistentVolumeSource")
        if name not in mounts and not each.is_faulty:
            hint = "add it to container.volumeMounts"
            each.fault("name", f"is {shown_text(name)}, which is mounted nowhere", hint)
        claims.append(_claim(source, name, *mounts.get(name, ("/", False)), most))
        each.close()
    known = {each.name for each in claims}
    for place, name in enumerate(mounts):
        if name not in known:
            path = f"container.volumeMounts[{place}].volumeName"
            fields.fault_at(path, f"is {shown_text(name)}, no volume", nearest_name(name, known))
    return claims


def _claim(
    source: Fields, name: str, mount_point: str, is_read_only: bool, most: int
) -> VolumeClaim:
    provider = cast("VolumeProvider", _choice(source, "provider", get_args(VolumeProvider)))
    ids = source.texts("volumeIds", _volume_id, limits.SERVICE_SIZE_MAX, 1 << 17)
    size_mib = source.whole("sizeMB", 1, VOLUME_SIZE_MIB_MAX, default=0, unit=" MiB")
    if not size_mib and not ids and provider in {"ebs", "zfs"}:
        source.fault("sizeMB", "is missing", f"a volume of {provider} has a size")
    _check_ids(source, ids, most)
    claim = VolumeClaim(
        name=name,
        mount_point=mount_point,
        provider=provider,
        size_mib=size_mib,
        volume_class=source.text("class", _WORD, default=""),
        zone=source.text("zone", _NAME, default=""),
        retention=cast("Retention", _choice(source, "retention", get_args(Retention), "keep")),
        is_read_only=is_read_only,
        volume_ids=ids,
        file_system=_choice(source, "fsType", FILE_SYSTEMS, ""),
    )
    source.close()
    return claim


def _check_ids(fields: Fields, ids: tuple[str, ...], most: int) -> None:
    if len(set(ids)) < len(ids):
        fields.fault("volumeIds", "name a volume twice", "an index has its own")
    elif ids and len(ids) < most:
        text = f"are {len(ids)}, and the job can have {most} tasks"
        fields.fault("volumeIds", text, "give one for each")


def _ebs_of_titus(fields: Fields, attributes: dict[str, str], most: int) -> VolumeClaim | None:
    """The volume that Titus' attributes of the job ask for."""
    if EBS_IDS not in attributes:
        return None
    ids = tuple(each.strip() for each in attributes[EBS_IDS].split(",") if each.strip())
    point = attributes.get(EBS_MOUNT_POINT, "/ebs")
    mode = attributes.get(EBS_MOUNT_MODE, "RW")
    system = attributes.get(EBS_FILE_SYSTEM, "")
    complaints = {
        EBS_IDS: next(filter(None, map(_volume_id, ids)), None) or _too_few(ids, most),
        EBS_MOUNT_POINT: _mount_path(point),
        EBS_MOUNT_MODE: None if mode in _MODES else (f"is {shown_text(mode)}", "RO or RW"),
        EBS_FILE_SYSTEM: None
        if system in {"", *FILE_SYSTEMS}
        else (f"is {shown_text(system)}", " or ".join(FILE_SYSTEMS)),
    }
    for name, complaint in complaints.items():
        if complaint is not None:
            fields.fault_below("attributes", name, *complaint)
    return VolumeClaim(
        name=EBS_CLAIM,
        mount_point=point,
        provider="ebs",
        is_read_only=mode == "RO",
        volume_ids=ids,
        file_system=system,
    )


def _too_few(ids: tuple[str, ...], most: int) -> Complaint | None:
    if not ids or len(set(ids)) < len(ids):
        return ("names none, or one twice", "give one for each task")
    if len(ids) < most:
        return (f"names {len(ids)}, and the job can have {most} tasks", "give one for each")
    return None


def _efs(resources: Fields) -> tuple[SharedMount, ...]:
    found = []
    for each in resources.objects("efsMounts", MOUNTS_MAX):
        efs_id = each.text("efsId", _EFS_ID)
        point = each.text("mountPoint", _mount_path)
        mode = cast("Any", _choice(each, "mountPerm", _MODES, "RW"))
        path = each.text("efsRelativeMountPoint", _path, "/")
        found.append(SharedMount(efs_id, point, mode, path))
        each.close()
    # Titus sorts them by path.
    return tuple(sorted(found, key=lambda each: each.mount_point))


def _addresses(resources: Fields, most: int) -> tuple[AddressAllocation, ...]:
    signed = tuple(
        _signed(each)
        for each in resources.objects("signedAddressAllocations", limits.SERVICE_SIZE_MAX)
    )
    ours = tuple(
        _static(each) for each in resources.objects("staticAddresses", limits.SERVICE_SIZE_MAX)
    )
    name = "signedAddressAllocations" if signed else "staticAddresses"
    if signed and ours:
        text = "are given beside signedAddressAllocations"
        resources.fault("staticAddresses", text, "give one of the two")
    found = signed or ours
    if found and len(found) < most:
        text = f"are {len(found)}, and the job can have {most} tasks"
        resources.fault(name, text, "give one for each")
    if len({each.address for each in found}) < len(found):
        resources.fault(name, "name an address twice", "an index has its own")
    return found


def _signed(fields: Fields) -> AddressAllocation:
    allocation = fields.inner("addressAllocation")
    where = allocation.inner_if_given("addressLocation")
    region = zone = subnet = ""
    if where is not None:
        region = where.text("region", _WORD, default="")
        zone = where.text("availabilityZone", _WORD, default="")
        subnet = where.text("subnetId", _WORD, default="")
        where.close()
    allocation_id = allocation.text("uuid", _WORD)
    address = _canonical(allocation.text("address", _address))
    allocation.close()
    signature = tuple(
        (name, text) for name in _SIGNATURES if (text := fields.text(name, _SIGNATURE, default=""))
    )
    fields.close()
    return AddressAllocation(allocation_id, address, zone, subnet, region, signature)


def _static(fields: Fields) -> AddressAllocation:
    address = _canonical(fields.text("address", _address))
    found = AddressAllocation(
        # By the address, which need not look like an id: fd00::17.
        allocation_id=fields.text("id", _WORD, default="") or address,
        address=address,
        zone=fields.text("zone", _NAME, default=""),
        subnet=fields.text("subnet", _WORD, default=""),
    )
    fields.close()
    return found


def _check_points(container: Fields, points: list[str]) -> None:
    """Demand that nothing is mounted over something else."""
    for at, point in enumerate(points):
        for other in points[at + 1 :]:
            if (point + "/").startswith(other + "/") or (other + "/").startswith(point + "/"):
                text = f"mount {other} and {point}, one of which would hide the other"
                container.fault("volumeMounts", text, "mount them beside each other")
                return


def _choice(fields: Fields, name: str, choices: tuple[str, ...], default: str | None = None) -> str:
    def check(text: str) -> Complaint | None:
        if text in choices:
            return None
        return f"is {shown_text(text)}, none of {', '.join(choices)}", nearest_name(text, choices)

    found = fields.text(name, check, default=default)
    return found if found in choices else (default if default is not None else choices[0])


def _from_fault(fault: Callable[[str], str | None], hint: str) -> Check:
    def check(text: str) -> Complaint | None:
        why = fault(text)
        return None if why is None else (f"is {shown(text)}; it {why}", hint)

    return check


_volume_name: Final = _from_fault(volume_name_fault, "like data")
_volume_id: Final = _from_fault(volume_id_fault, "like vol-0123456789abcdef0")
_PATH_PATTERN: Final = pattern_check("/|(/[A-Za-z0-9._-]+)+", 255, "/data")


def _path(text: str) -> Complaint | None:
    if {".", ".."} & set(text.split("/")):
        return (f"is {shown_text(text)}; a path here has no . and no ..", "like /data")
    return _PATH_PATTERN(text)


def _mount_path(text: str) -> Complaint | None:
    if text == "/":
        return ("is '/', which would hide all that the image has", "like /data")
    return _path(text)


def _address(text: str) -> Complaint | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return (f"is {shown_text(text)}, no address", "like 10.0.3.17")
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id:
        return (f"is {shown_text(text)}, which is of one interface only", "leave out the zone")
    return None


def _canonical(address: str) -> str:
    """The address in its one spelling, so that a cell sees that two jobs want the same."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address  # A fault was told.


# Written.


def written_storage(spec: JobSpec) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """What stands in the job, in its container and in its resources; what is not there is empty."""
    claims = [each for each in spec.volumes if not _is_of_titus(spec, each)]
    job: dict[str, Any] = {}
    container: dict[str, Any] = {}
    if claims:
        job["volumes"] = [
            {"name": each.name, "persistentVolumeSource": _written_source(each)} for each in claims
        ]
        container["volumeMounts"] = [
            {"volumeName": each.name, "mountPath": each.mount_point, "readOnly": each.is_read_only}
            for each in claims
        ]
    resources: dict[str, Any] = {}
    if spec.mounts:
        resources["efsMounts"] = [
            {
                "efsId": each.efs_id,
                "mountPoint": each.mount_point,
                "mountPerm": each.mode,
                "efsRelativeMountPoint": each.path,
            }
            for each in spec.mounts
        ]
    if any(each.signature or each.region for each in spec.addresses):
        resources["signedAddressAllocations"] = [_written_signed(each) for each in spec.addresses]
    elif spec.addresses:
        resources["staticAddresses"] = [_written_static(each) for each in spec.addresses]
    return job, container, resources


def _is_of_titus(spec: JobSpec, claim: VolumeClaim) -> bool:
    return claim.name == EBS_CLAIM and any(name == EBS_IDS for name, _ in spec.attributes)


def _written_source(claim: VolumeClaim) -> dict[str, Any]:
    given: dict[str, Any] = {
        "provider": claim.provider,
        "sizeMB": claim.size_mib,
        "class": claim.volume_class,
        "zone": claim.zone,
        "retention": claim.retention,
        "volumeIds": list(claim.volume_ids),
        "fsType": claim.file_system,
    }
    return {name: value for name, value in given.items() if value}


def _written_signed(each: AddressAllocation) -> dict[str, Any]:
    where = {"region": each.region, "availabilityZone": each.zone, "subnetId": each.subnet}
    where = {name: value for name, value in where.items() if value}
    allocation: dict[str, Any] = {"uuid": each.allocation_id, "address": each.address}
    if where:
        allocation["addressLocation"] = where
    return {"addressAllocation": allocation, **dict(each.signature)}


def _written_static(each: AddressAllocation) -> dict[str, Any]:
    given = {
        "id": "" if each.allocation_id == each.address else each.allocation_id,
        "address": each.address,
        "zone": each.zone,
        "subnet": each.subnet,
    }
    return {name: value for name, value in given.items() if value}
