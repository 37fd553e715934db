"""The account that the double has: what others must know of it without loading moto or boto3.

The one thing to know: there is one account and one region. Who is to take the double for AWS gets
addresses of the few services that groups need, and nothing else of his environment changes.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from connectors.cloud.loopback.shapes import Shape

ACCOUNT: Final = "123456789012"
"""moto's own."""
REGION: Final = "us-east-1"
QUEUE: Final = "flumina-notices"
CELL_TAG: Final = "flumina.cell"
RULES_FILE: Final = "fleet-rules.json"
"""In the dev cluster's directory: rules that fit the groups, for `flumina fleet rules`."""
READY: Final = "ready "
GROUPS_MAX: Final = 20
SIZE_MAX: Final = 60
"""Of all groups together: a dev cluster has 64 agents at most."""
_GROUP: Final = re.compile(r"([A-Za-z0-9_.-]{1,64}):([a-z0-9-]+\.[a-z0-9-]+):(\d{1,3}):(\d{1,3})")
_CREDENTIALS: Final = {"AWS_ACCESS_KEY_ID": "loopback", "AWS_SECRET_ACCESS_KEY": "loopback"}
_SERVICES: Final = ("AUTO_SCALING", "EC2", "SQS", "EVENTBRIDGE")


class GroupAsked(msgspec.Struct, frozen=True):
    """A group that is there from the beginning, with as many hosts as its minimum."""

    name: str
    machine_type: str
    minimum: int
    maximum: int

    @property
    def text(self) -> str:
        """As it was asked for."""
        return f"{self.name}:{self.machine_type}:{self.minimum}:{self.maximum}"


USUAL: Final = GroupAsked("dev", "m5.large", 1, 3)


def group_of(text: str) -> GroupAsked:
    """The group written as ``NAME:TYPE:MIN:MAX``; raises ValueError."""
    match = _GROUP.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no group; write NAME:TYPE:MIN:MAX, as in {USUAL.text}")
    asked = GroupAsked(match[1], match[2], int(match[3]), int(match[4]))
    if not asked.minimum <= asked.maximum <= SIZE_MAX:
        raise ValueError(f"{text!r}: 0 <= MIN <= MAX <= {SIZE_MAX} must hold")
    return asked


def groups_of(texts: Sequence[str]) -> tuple[GroupAsked, ...]:
    """The groups of these texts, or the usual one if there are none; raises ValueError."""
    found = tuple(group_of(each) for each in texts) or (USUAL,)
    names = [each.name for each in found]
    if doubled := sorted({each for each in names if names.count(each) > 1}):
        raise ValueError(f"group {doubled[0]} is asked for twice")
    if len(found) > GROUPS_MAX or sum(each.maximum for each in found) > SIZE_MAX:
        raise ValueError(f"at most {GROUPS_MAX} groups of {SIZE_MAX} hosts together are possible")
    return found


def queue_url(url: str) -> str:
    """The queue in which the double puts what it announces."""
    return f"{url}/{ACCOUNT}/{QUEUE}"


def region_of(environment: Mapping[str, str]) -> str:
    """The region that boto3 would take, or the usual one."""
    named = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    return named or REGION


def variables_of(url: str, environment: Mapping[str, str]) -> dict[str, str]:
    """What a process must have in its environment to take this address for AWS' groups.

    Only the services that groups need are led there: a store in S3 stays where it is. Credentials
    are invented only where the environment names none.
    """
    found = {f"AWS_ENDPOINT_URL_{each}": url for each in _SERVICES}
    if not {"AWS_ACCESS_KEY_ID", "AWS_PROFILE"} & environment.keys():
        found |= _CREDENTIALS
    region = region_of(environment)
    return found | {"AWS_REGION": region, "AWS_DEFAULT_REGION": region}


def rules_for(shapes: Mapping[str, Shape]) -> dict[str, Any]:
    """Rules of the fleet for these groups, as quick as somebody who looks on wants them.

    In the cloud these times are minutes (docs/fleet.md): a machine takes some to come.
    """
    groups = [
        {
            "name": name,
            "shape": {"cpu": shape.cpu, "memoryMB": shape.memory_mib},
            "idleMin": 0,
            "idleMax": 0,
        }
        for name, shape in sorted(shapes.items())
    ]
    return {
        "groups": groups,
        "lookMs": 1_000,
        "warmUpMs": 5_000,
        "upCooldownMs": 5_000,
        "sloMs": 30_000,
        "downCooldownMs": 20_000,
        "graceMs": 20_000,
        "endAfterMs": 10_000,
        "markExpiryMs": 120_000,
        "joinTimeoutMs": 60_000,
        "replacementsPerHour": 20,
        "assertMs": 30_000,
    }
