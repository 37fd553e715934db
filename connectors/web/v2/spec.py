"""The job spec of API v2 (2017), turned into the v3 descriptor that says the same.

The one thing to know: only the form of v2 is read here. What the descriptor is good for is judged
by its own reader, and its faults come back under v2's names (`faults_as_v2`). Two things of v2
cannot be kept: a service that is not started again on success, and a batch job that is.
"""

import shlex
from collections.abc import Iterable, Mapping
from typing import Any, Final

from scheduler.model.inbound import Fault
from scheduler.model.reading.checks import Check, name_check, pattern_check, words_check
from scheduler.model.reading.faults import Faults, shown, shown_text
from scheduler.model.reading.fields import Fields
from scheduler.model.v3 import limits

Json = dict[str, Any]

CPU_MAX: Final = 32
MEMORY_MB_MAX: Final = 244_000
DISK_MB_MAX: Final = 640_000
NETWORK_MBPS_MAX: Final = 6_000
BATCH_MAX: Final = 10_000
SERVICE_MAX: Final = 1_000
"""Titus' ceilings of 2017 (S17)."""
RETRY_DELAY_MS: Final = 5_000
RETRY_DELAY_MS_MAX: Final = 20_000
"""Titus S17 waits 5, 10 and 20 s, and begins anew after 300 s of running (as the fold does)."""
NAME_ATTRIBUTE: Final = "titus.v2.name"
ENTRY_POINT_ATTRIBUTE: Final = "titus.v2.entryPoint"
"""Attributes of the job under which v2's own words are kept, to be shown as they were given."""

_NAME: Final = name_check(limits.NAME_BYTES_MAX)
_ENTRY_POINT: Final = words_check(4 * 1024)
_GROUP: Final = name_check(limits.GROUP_BYTES_MAX)
_ENVIRONMENT_NAME: Final = pattern_check("[A-Za-z_][A-Za-z0-9_]*", limits.NAME_BYTES_MAX, "LEVEL")
_VALUE: Final = words_check(limits.ENVIRONMENT_BYTES_MAX)
_LABEL: Final = name_check(limits.ATTRIBUTE_NAME_BYTES_MAX)
_LABEL_VALUE: Final = words_check(limits.ATTRIBUTE_VALUE_BYTES_MAX)
_TYPES: Final = ("batch", "service")
_LISTS_BYTES_MAX: Final = 16 * 1024


def descriptor_of_v2(raw: object) -> Json | tuple[Fault, ...]:
    """The v3 descriptor that a v2 spec asks for, or everything that is wrong with its form."""
    faults = Faults()
    fields = Fields(raw, "", faults)
    kind = fields.raw("type")
    if kind is not None and kind not in _TYPES:
        fields.fault("type", f"is {shown(kind)}", "give batch or service")
    is_service = kind == "service"
    image = fields.text("applicationName", _NAME)
    entry_point = fields.text("entryPoint", _ENTRY_POINT, default="")
    labels = dict(_pairs(fields, "labels", _LABEL, _LABEL_VALUE))
    name = fields.text("name", _NAME, default="")
    if name:
        labels[NAME_ATTRIBUTE] = name
    if entry_point:
        labels[ENTRY_POINT_ATTRIBUTE] = entry_point
    image_name, _, own_tag = image.partition(":")
    descriptor: Json = {
        "owner": {"teamEmail": fields.text("user", _NAME)},
        "applicationName": fields.text("appName", _NAME, default=image_name.rpartition("/")[2]),
        "capacityGroup": fields.text("capacityGroup", _NAME, default="DEFAULT"),
        "jobGroupInfo": {
            "stack": fields.text("jobGroupStack", _GROUP, default=""),
            "detail": fields.text("jobGroupDetail", _GROUP, default=""),
            "sequence": fields.text("jobGroupSequence", _GROUP, default=""),
        },
        "attributes": labels,
        "container": _container(fields, entry_point),
    }
    tag = fields.text("version", _NAME, default=own_tag or "latest")
    descriptor["container"]["image"] = {"name": image_name, "tag": tag}
    part = _service(fields) if is_service else _batch(fields)
    descriptor["service" if is_service else "batch"] = part
    fields.close()
    return faults.all() if faults else descriptor


def _container(fields: Fields, entry_point: str) -> Json:
    resources: Json = {
        "cpu": fields.thousandths("cpu", limits.CPU_MILLI_MIN, CPU_MAX * 1_000) / 1_000,
        "memoryMB": _whole(fields, "memory", limits.MEMORY_MIB_MIN, MEMORY_MB_MAX),
        "diskMB": _whole(fields, "disk", 0, DISK_MB_MAX, default=0),
        "networkMbps": _whole(fields, "networkMbps", 0, NETWORK_MBPS_MAX, default=0),
        "gpu": _whole(fields, "gpu", 0, limits.GPUS_MAX, default=0),
        "ports": _ports(fields),
        "allocateIP": fields.truth("allocateIpAddress", default=False),
    }
    words = _words(fields, entry_point)
    container: Json = {
        "resources": resources,
        "entryPoint": words,
        "env": dict(_pairs(fields, "env", _ENVIRONMENT_NAME, _VALUE)),
    }
    for name in ("softConstraints", "hardConstraints"):
        found = fields.texts(name, _NAME, limits.CONSTRAINTS_MAX, _LISTS_BYTES_MAX)
        if found:
            container[name] = list(found)
    groups = fields.texts("securityGroups", _NAME, limits.SECURITY_GROUPS_MAX, _LISTS_BYTES_MAX)
    role = fields.text("iamProfile", words_check(limits.ROLE_BYTES_MAX), default="")
    if groups or role:
        container["securityProfile"] = {"securityGroups": list(groups), "iamRole": role}
    for name in ("efs", "efsMounts"):
        if fields.raw(name):
            text = "is known to Titus and not supported by this version"
            fields.fault(name, text, "leave it out")
    return container


def _words(fields: Fields, entry_point: str) -> list[str]:
    if not entry_point:
        text = "is missing, and images are not asked for theirs"
        fields.fault("entryPoint", text, "say what to run")
        return []
    try:
        return shlex.split(entry_point)
    except ValueError as error:
        fields.fault("entryPoint", f"cannot be split into words: {error}", "close each quote")
        return []


def _ports(fields: Fields) -> int:
    """How many ports: v2 lists them, and which ones it gets is the host's business."""
    raw = fields.raw("ports")
    if raw is None:
        return 0
    if isinstance(raw, list) and all(type(each) is int for each in raw):
        if len(raw) <= limits.PORTS_MAX:
            return len(raw)
        fields.fault("ports", f"has {len(raw)} entries", f"give {limits.PORTS_MAX} at most")
        return 0
    fields.fault("ports", f"is {shown(raw)}", "give a list of whole numbers, one for each port")
    return 0


def _batch(fields: Fields) -> Json:
    size = _whole(fields, "instances", 1, BATCH_MAX, default=1)
    for name in ("instancesMin", "instancesMax", "instancesDesired"):
        if fields.has(name):
            fields.fault(name, "is given for a batch job", "give instances")
    fields.raw("inService")  # Whatever it says: only services can be switched off.
    _check_restart(fields, is_service=False)
    part: Json = {"size": size, "retryPolicy": _retry(fields)}
    if fields.has("runtimeLimitSecs"):
        part["runtimeLimitSec"] = _whole(
            fields,
            "runtimeLimitSecs",
            limits.RUNTIME_LIMIT_SECONDS_MIN,
            limits.RUNTIME_LIMIT_SECONDS_MAX,
        )
    _migration(fields)
    return part


def _service(fields: Fields) -> Json:
    instances = _whole(fields, "instances", 0, SERVICE_MAX, default=1)
    desired = _whole(fields, "instancesDesired", 0, SERVICE_MAX, default=instances)
    minimum = _whole(fields, "instancesMin", 0, SERVICE_MAX, default=min(desired, instances))
    maximum = _whole(fields, "instancesMax", 0, SERVICE_MAX, default=max(desired, instances))
    if not minimum <= desired <= maximum:
        text = f"is {desired}, outside of instancesMin {minimum} and instancesMax {maximum}"
        fields.fault("instancesDesired", text, "give min <= desired <= max")
    if fields.has("runtimeLimitSecs") and fields.raw("runtimeLimitSecs") != 0:
        fields.fault("runtimeLimitSecs", "is given for a service", "a service has no end")
    _check_restart(fields, is_service=True)
    migration = _migration(fields)
    return {
        "capacity": {"min": minimum, "desired": desired, "max": maximum},
        "enabled": fields.truth("inService", default=True),
        "retryPolicy": _retry(fields),
        "migrationPolicy": {migration: {}},
    }


def _check_restart(fields: Fields, *, is_service: bool) -> None:
    """A service is started again whatever it ends with, and a batch job's success is its end."""
    if fields.truth("restartOnSuccess", default=is_service) != is_service:
        text = "is false of a service" if is_service else "is true of a batch job"
        hint = "leave it out: services are started again, batch jobs end with success"
        fields.fault("restartOnSuccess", text, hint)


def _migration(fields: Fields) -> str:
    policy = fields.inner_if_given("migrationPolicy")
    if policy is None:
        return "systemDefault"
    kind = policy.raw("type")
    policy.close()
    for name in ("systemDefault", "selfManaged"):
        if isinstance(kind, str) and kind.lower() == name.lower():
            return name
    fields.fault_below(
        "migrationPolicy", "type", f"is {shown(kind)}", "give systemDefault or selfManaged"
    )
    return "systemDefault"


def _retry(fields: Fields) -> Json:
    retries = _whole(fields, "retries", 0, limits.RETRIES_MAX, default=0)
    delays = {"initialDelayMs": RETRY_DELAY_MS, "maxDelayIntervalMs": RETRY_DELAY_MS_MAX}
    return {"exponentialBackOff": {**delays, "retries": retries}}


def _whole(fields: Fields, name: str, least: int, most: int, default: int | None = None) -> int:
    """A whole number; v2's clients write some of them as 512.0."""
    value = fields.raw(name)
    if isinstance(value, float) and value.is_integer() and least <= value <= most:
        return int(value)
    return fields.whole(name, least, most, default=default)


def _pairs(fields: Fields, name: str, key: Check, value: Check) -> Iterable[tuple[str, str]]:
    return fields.pairs(name, key, value, count_max=1_000, bytes_max=32 * 1024)


_NAMES: Final[Mapping[str, str]] = {
    "owner.teamEmail": "user",
    "applicationName": "appName",
    "attributes": "labels",
    "jobGroupInfo.stack": "jobGroupStack",
    "jobGroupInfo.detail": "jobGroupDetail",
    "jobGroupInfo.sequence": "jobGroupSequence",
    "container.image.name": "applicationName",
    "container.image.tag": "version",
    "container.resources.cpu": "cpu",
    "container.resources.memoryMB": "memory",
    "container.resources.diskMB": "disk",
    "container.resources.networkMbps": "networkMbps",
    "container.resources.gpu": "gpu",
    "container.resources.ports": "ports",
    "container.resources.allocateIP": "allocateIpAddress",
    "container.securityProfile.iamRole": "iamProfile",
    "container.securityProfile.securityGroups": "securityGroups",
    "container.entryPoint": "entryPoint",
    "container.command": "entryPoint",
    "container.env": "env",
    "container.softConstraints": "softConstraints",
    "container.hardConstraints": "hardConstraints",
    "batch.size": "instances",
    "batch.runtimeLimitSec": "runtimeLimitSecs",
    "batch.retryPolicy": "retries",
    "service.retryPolicy": "retries",
    "service.capacity.min": "instancesMin",
    "service.capacity.desired": "instancesDesired",
    "service.capacity.max": "instancesMax",
    "service.enabled": "inService",
    "service.migrationPolicy": "migrationPolicy",
}
"""Paths of the descriptor, by what v2 calls them."""


def faults_as_v2(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """The faults of the descriptor under v2's names."""
    return tuple(Fault(_v2_name(each.field), each.text, each.hint, each.code) for each in faults)


def _v2_name(field: str) -> str:
    for path, name in sorted(_NAMES.items(), key=lambda row: -len(row[0])):
        if field == path or field.startswith((f"{path}.", f"{path}[")):
            return name + field.removeprefix(path)
    return field


def no_job(job_id: str) -> Fault:
    """The fault of an id that is nobody's."""
    return Fault("jobId", f"is {shown_text(job_id)}, no job", "GET /api/v2/jobs", code="unknown")
