"""The ``container`` of a descriptor: resources, command, environment, image, constraints.

The one thing to know: whether hosts run images is a setting of the connector, and without it a
task is a command on a host. So at least one word of entry point or command must say what to run.
"""

import re
from typing import Final

from scheduler.model.attributes import UnreadableAttribute
from scheduler.model.job import Container
from scheduler.model.profile import (
    SHM_ATTRIBUTE,
    SHM_MIB_DEFAULT,
    profile_of,
)
from scheduler.model.reading.checks import name_check, pattern_check, process_check, words_check
from scheduler.model.reading.faults import shown
from scheduler.model.reading.fields import Fields
from scheduler.model.resources import Need
from scheduler.model.v3 import limits, names
from scheduler.model.v3.constraints import read_constraints
from scheduler.model.v3.resources import read_need

Pairs = tuple[tuple[str, str], ...]

_WORD: Final = process_check(limits.COMMAND_BYTES_MAX)
_ENVIRONMENT_NAME: Final = pattern_check(
    "[A-Za-z_][A-Za-z0-9_]*", limits.NAME_BYTES_MAX, "LOG_LEVEL: letters, digits and _"
)
_ENVIRONMENT_VALUE: Final = process_check(limits.ENVIRONMENT_BYTES_MAX)
_ATTRIBUTE_NAME: Final = name_check(limits.ATTRIBUTE_NAME_BYTES_MAX)
_ATTRIBUTE_VALUE: Final = words_check(limits.ATTRIBUTE_VALUE_BYTES_MAX)
_IMAGE_NAME: Final = pattern_check(
    "[A-Za-z0-9][A-Za-z0-9._/:-]*", limits.IMAGE_NAME_BYTES_MAX, "team/worker"
)
_IMAGE_TAG: Final = pattern_check(
    "[A-Za-z0-9_][A-Za-z0-9_.-]*", limits.IMAGE_TAG_BYTES_MAX, "latest or 1.4.2"
)
_IMAGE_DIGEST: Final = pattern_check(
    "[a-z0-9]{2,16}:[0-9a-fA-F]{32,128}", limits.IMAGE_DIGEST_BYTES_MAX, "sha256: and 64 hex digits"
)
_SECURITY_GROUP: Final = pattern_check(
    "sg-[A-Za-z0-9-]+", limits.SECURITY_GROUP_BYTES_MAX, "sg-12345abc"
)
_ROLE: Final = pattern_check(
    "[A-Za-z0-9][A-Za-z0-9+=,.@:/_-]*", limits.ROLE_BYTES_MAX, "arn:aws:iam::1234:role/worker"
)
_SECONDS: Final = re.compile("[0-9]{1,5}")


def read_container(fields: Fields) -> Container:
    """The container that ``fields`` describe."""
    resources = fields.inner("resources")
    shm_mib = resources.whole(
        "shmSizeMB", 1, limits.MEMORY_MIB_MAX, default=SHM_MIB_DEFAULT, unit=" MiB"
    )
    need = read_need(resources)
    entry_point = fields.texts("entryPoint", _WORD, limits.WORDS_MAX, limits.ENTRY_POINT_BYTES_MAX)
    words = fields.texts("command", _WORD, limits.WORDS_MAX, limits.COMMAND_BYTES_MAX)
    command = (*entry_point, *words)
    if not command and not fields.raw("command") and not fields.raw("entryPoint"):
        fields.fault(
            "command",
            "is missing, and so is entryPoint",
            'say what to run, like ["/bin/sh", "-c", "echo hello"]',
        )
    elif command and not command[0]:
        path = "entryPoint" if entry_point else "command"
        fields.fault(path, "begins with an empty word", "begin with the program to run")
    environment = fields.pairs(
        "env",
        _ENVIRONMENT_NAME,
        _ENVIRONMENT_VALUE,
        count_max=limits.ENVIRONMENT_ENTRIES_MAX,
        bytes_max=limits.ENVIRONMENT_BYTES_MAX,
        entry_overhead=limits.ENVIRONMENT_ENTRY_OVERHEAD,
    )
    image, tag, digest = _image(fields.inner_if_given("image"))
    groups, role, security_attributes = _security(fields.inner_if_given("securityProfile"))
    hard, soft = read_constraints(fields)
    attributes, kill_grace_ms = _kill_grace(fields, read_attributes(fields))
    attributes = _profile(fields, attributes, shm_mib, need)
    fields.raw("volumeMounts")  # Read by `scheduler.model.v3.storage`.
    fields.close()
    return Container(
        need=need,
        command=command,
        entry_point_words=len(entry_point),
        environment=environment,
        image=image,
        image_tag=tag,
        image_digest=digest,
        security_groups=groups,
        iam_role=role,
        attributes=attributes,
        hard_constraints=hard,
        soft_constraints=soft,
        kill_grace_ms=kill_grace_ms,
        security_attributes=security_attributes,
    )


def read_attributes(fields: Fields) -> Pairs:
    """The map ``attributes``, without those that only the control plane may write."""
    found = fields.pairs(
        "attributes",
        _ATTRIBUTE_NAME,
        _ATTRIBUTE_VALUE,
        count_max=limits.ATTRIBUTES_MAX,
        bytes_max=limits.ATTRIBUTES_BYTES_MAX,
    )
    return tuple(pair for pair in found if not _is_ours(pair[0]))


def refuse_our_attributes(fields: Fields) -> None:
    """Refuse to set one that the cell stamps on what it shows.

    In a descriptor they are dropped, for jobs are copied with all that is shown of them. Who sets
    one by itself would be told that it is set, and it would not be.
    """
    raw = fields.raw("attributes")
    for name in sorted(raw) if isinstance(raw, dict) else ():
        if name in names.STAMPED_ATTRIBUTES:
            text = "is written by the cell itself, and cannot be set"
            fields.fault_below("attributes", name, text, "leave it out")


def _is_ours(name: str) -> bool:
    return name.startswith(names.STRIPPED_ATTRIBUTES) or name in names.STAMPED_ATTRIBUTES


def _profile(fields: Fields, attributes: Pairs, shm_mib: int, need: Need) -> Pairs:
    """The attributes with the size of ``/dev/shm`` among them where it is not the usual one.

    Each attribute by which a profile is made must be readable; nobody looks again before a launch.
    """
    try:
        profile = profile_of(attributes)
    except UnreadableAttribute as error:
        hint = f"{str(error)[:1].lower()}{str(error)[1:]}"
        fields.fault_below("attributes", error.name, "cannot be read", hint)
        return attributes
    given = dict(attributes)
    if SHM_ATTRIBUTE in given:
        shm_mib = profile.shm_mib
    if need.memory_mib < shm_mib != SHM_MIB_DEFAULT:
        text = f"is {shm_mib} MiB, more than the memory of {need.memory_mib} MiB"
        fields.fault_below("resources", "shmSizeMB", text, "it is part of the memory")
    given.pop(SHM_ATTRIBUTE, None)
    if shm_mib != SHM_MIB_DEFAULT:
        given[SHM_ATTRIBUTE] = str(shm_mib)
    return tuple(sorted(given.items()))


def _image(fields: Fields | None) -> tuple[str, str, str]:
    if fields is None:
        return "", "", ""
    name = fields.text("name", _IMAGE_NAME)
    tag = fields.text("tag", _IMAGE_TAG, default="")
    digest = fields.text("digest", _IMAGE_DIGEST, default="")
    if not fields.raw("tag") and not fields.raw("digest"):
        fields.fault_here("has neither tag nor digest", 'add one, like "tag": "latest"')
    fields.close()
    return name, tag, digest


def _security(fields: Fields | None) -> tuple[tuple[str, ...], str, Pairs]:
    if fields is None:
        return (), "", ()
    groups = fields.texts(
        "securityGroups",
        _SECURITY_GROUP,
        limits.SECURITY_GROUPS_MAX,
        limits.SECURITY_GROUPS_MAX * limits.SECURITY_GROUP_BYTES_MAX,
    )
    if len(set(groups)) < len(groups):
        fields.fault("securityGroups", "names a group twice", "keep each once")
    role = fields.text("iamRole", _ROLE, default="")
    attributes = read_attributes(fields)
    fields.close()
    return groups, role, attributes


def _kill_grace(fields: Fields, attributes: Pairs) -> tuple[Pairs, int]:
    """The attributes without the one that sets the kill grace, and the grace."""
    given = dict(attributes)
    seconds = given.pop(names.KILL_GRACE_ATTRIBUTE, None)
    if seconds is None:
        return attributes, limits.KILL_GRACE_SECONDS_DEFAULT * 1000
    if not _SECONDS.fullmatch(seconds) or int(seconds) > limits.KILL_GRACE_SECONDS_MAX:
        text = f"is {shown(seconds)}; it must be from 0 to {limits.KILL_GRACE_SECONDS_MAX} seconds"
        hint = 'give whole seconds as a text, like "30"'
        fields.fault_below("attributes", names.KILL_GRACE_ATTRIBUTE, text, hint)
        return attributes, limits.KILL_GRACE_SECONDS_DEFAULT * 1000
    return tuple(sorted(given.items())), int(seconds) * 1000
