"""Job specs of Titan (2015), as jobs of today.

The one thing to know: ``location`` decides how many tasks there are and where. Each entry
``[region:]data-centre:count`` becomes a set of the job's indexes, in the order of the text, whose
tasks have to be on hosts with that data centre (and region) among their attributes. Which
attributes those are, and which region is the own one, is a setting.

| Titan 2015 | here |
| --- | --- |
| name | the beginning of the job's id |
| applicationName, version | application; image and tag |
| cpus, memory, disk, ports | resources of a task: cpus, MiB, MiB, how many ports |
| restartOnSuccess true | a service of that size: its tasks are started again for ever |
| restartOnSuccess false | a batch job |
| restartOnFailure, numRetries | how often a failed task of the batch job is started again |
"""

import re
from typing import Any, Final

import msgspec

from scheduler.model.descriptor import spec_of
from scheduler.model.inbound import Fault
from scheduler.model.job import JobSpec
from scheduler.model.reading.checks import name_check, pattern_check, process_check, words_check
from scheduler.model.reading.faults import Faults, shown_text
from scheduler.model.reading.fields import Fields
from scheduler.model.v3 import limits

NAME_CHARACTERS_MAX: Final = 48
"""So that an id made from it has room for what makes it unique."""
LOCATIONS_MAX: Final = 100
_ENTRY: Final = re.compile(
    r"(?:(?P<region>[A-Za-z0-9_.-]{1,64}):)?(?P<centre>[A-Za-z0-9_.-]{1,64}):(?P<count>[0-9]{1,6})",
    re.ASCII,
)
_NAME: Final = pattern_check("[A-Za-z0-9][A-Za-z0-9._-]*", NAME_CHARACTERS_MAX, "rocker")
_IMAGE: Final = name_check(limits.IMAGE_NAME_BYTES_MAX)
_TAG: Final = name_check(limits.IMAGE_TAG_BYTES_MAX)
_LOCATION: Final = words_check(8 * 1024)
_ACTOR: Final = name_check(limits.EMAIL_BYTES_MAX)
_WORD: Final = process_check(limits.COMMAND_BYTES_MAX)
_NAMES_BY_PATH: Final = {
    "container.resources.cpu": "cpus",
    "container.resources.memoryMB": "memory",
    "container.resources.diskMB": "disk",
    "container.resources.ports": "ports",
    "container.image.name": "applicationName",
    "container.image.tag": "version",
    "container.command": "command",
    "container.env": "env",
    "batch.size": "location",
    "service.capacity.max": "location",
    "service.capacity.desired": "location",
    "owner.teamEmail": "user",
}
"""Where a fault of the descriptor is one of the spec."""


class TitanSite(msgspec.Struct, frozen=True):
    """What a place is called here."""

    centre_attribute: str = "datacenter"
    """The host attribute that says in which data centre a host is."""
    region_attribute: str = "region"
    own_region: str = ""
    """A region that an entry names and that is this one needs no rule."""
    entry_point: str = "/entrypoint.sh"
    """What runs where a spec names no command: Titan ran the image's own entry point."""


class TitanJob(msgspec.Struct, frozen=True):
    """What a spec asks for: the name that it gives, and the job."""

    name: str
    spec: JobSpec


def is_titan_spec(raw: dict[str, Any]) -> bool:
    """Whether this is a spec of 2015, and not one of 2017, which has the same paths."""
    return "location" in raw


def titan_job(raw: dict[str, Any], site: TitanSite, actor: str) -> TitanJob | tuple[Fault, ...]:
    """The job that a spec of 2015 asks for, or everything that is wrong with it, by its names."""
    faults = Faults()
    fields = Fields(raw, "", faults)
    name = fields.text("name", _NAME)
    descriptor = _descriptor(fields, site, actor)
    fields.close()
    if faults:
        return faults.all()
    spec = spec_of(descriptor)
    return _renamed(spec) if isinstance(spec, tuple) else TitanJob(name, spec)


def _descriptor(fields: Fields, site: TitanSite, actor: str) -> dict[str, Any]:
    image, tag = fields.text("applicationName", _IMAGE), fields.text("version", _TAG)
    sets = _sets(fields, site)
    total = sum(each["count"] for each in sets)
    command = fields.texts("command", _WORD, limits.WORDS_MAX, limits.COMMAND_BYTES_MAX)
    user = fields.text("user", _ACTOR, default=actor or "titan")
    resources = {
        "cpu": fields.raw("cpus"),
        "memoryMB": fields.raw("memory"),
        "diskMB": fields.raw("disk"),
        "ports": fields.raw("ports"),
    }
    return {
        "owner": {"teamEmail": user if "@" in user else f"{user}@titan"},
        "applicationName": image,
        "attributes": {"flumina.titan.name": str(fields.raw("name"))},
        "container": {
            "resources": {name: each for name, each in resources.items() if each is not None},
            "image": {"name": image, "tag": tag},
            "command": list(command) or [site.entry_point],
            "env": fields.raw("env") or {},
        },
        "sets": sets,
        **_kind(fields, total),
    }


def _kind(fields: Fields, total: int) -> dict[str, Any]:
    is_forever = fields.truth("restartOnSuccess", default=False)
    is_retried = fields.truth("restartOnFailure", default=False)
    retries = fields.whole("numRetries", 0, limits.RETRIES_MAX, default=0)
    policy = {"immediate": {"retries": retries if is_retried else 0}}
    if is_forever and not is_retried and fields.has("restartOnFailure"):
        text = "is false, and restartOnSuccess is true"
        hint = "a task that is started again after success is after failure, too"
        fields.fault("restartOnFailure", text, hint)
    if is_forever:
        capacity = {"min": total, "desired": total, "max": total}
        return {"service": {"capacity": capacity, "retryPolicy": policy}}
    limit = limits.RUNTIME_LIMIT_SECONDS_MAX  # Titan had no limit; this is the longest there is.
    return {"batch": {"size": total, "runtimeLimitSec": limit, "retryPolicy": policy}}


def _sets(fields: Fields, site: TitanSite) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    entries = [each.strip() for each in fields.text("location", _LOCATION).split(",")]
    if len(entries) > LOCATIONS_MAX:
        fields.fault("location", f"has {len(entries)} entries", f"give at most {LOCATIONS_MAX}")
        return found
    hint = "[region:]data-centre:count, such as dc1:20,us-west-2:dc2:40"
    for entry in entries:
        match = _ENTRY.fullmatch(entry)
        if match is None:
            fields.fault("location", f"has {shown_text(entry)}, no place with a count", hint)
            continue
        if int(match["count"]) == 0:
            text = f"wants no task at {shown_text(entry)}"
            fields.fault("location", text, "leave the place out, or give a count of 1 or more")
            continue
        region, centre = match["region"] or site.own_region, match["centre"]
        name = f"{match['region']}:{centre}" if match["region"] else centre
        if any(each["name"] == name for each in found):
            fields.fault("location", f"names {name} twice", "give each place once")
        attributes = {site.centre_attribute: centre}
        if region and region != site.own_region:
            attributes[site.region_attribute] = region
        count = int(match["count"])
        found.append({"name": name, "count": count, "hostAttributes": attributes})
    total = sum(each["count"] for each in found)
    if total > limits.SERVICE_SIZE_MAX:
        # Said of the whole at once: the descriptor would name each set and bound by itself.
        most = limits.SERVICE_SIZE_MAX
        fields.fault("location", f"wants {total} tasks in all", f"a job has {most} at most")
    return found


def _renamed(faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """The faults of the descriptor by the names that the spec has for its fields."""
    return tuple(
        msgspec.structs.replace(each, field=_NAMES_BY_PATH.get(each.field, each.field))
        for each in faults
    )
