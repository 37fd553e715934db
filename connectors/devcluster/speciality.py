"""What sets a resource apart: its reservations, its volume, whether it is revocable or shared.

The one thing to know: all of it is folded into the key under which an amount is counted, so that
arithmetic need not know of it. A plain resource's key is its name; only other keys hold ``MARK``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from connectors.devcluster.words import Json

MARK = "\x1f"
_FACTS = ("reservations", "disk", "revocable", "shared", "provider_id")
_RESERVATION_FIELDS = ("type", "role", "principal", "labels")


@dataclass(frozen=True)
class Special:
    """What a key says."""

    name: str
    facts: Mapping[str, Any]
    # As Mesos prints it behind the name.
    text: str

    @property
    def reservations(self) -> tuple[Json, ...]:
        """The reservations, each a refinement of the one before."""
        return tuple(self.facts.get("reservations", ()))

    @property
    def role(self) -> str:
        """The role it is reserved to, or ``*``."""
        reservations = self.reservations
        return str(reservations[-1]["role"]) if reservations else "*"

    @property
    def is_dynamic(self) -> bool:
        """Whether its last reservation was made while the agent ran."""
        reservations = self.reservations
        return bool(reservations) and bool(reservations[-1]["type"] == "DYNAMIC")

    @property
    def is_refined(self) -> bool:
        """Whether only frameworks with RESERVATION_REFINEMENT can read it."""
        return len(self.facts.get("reservations", ())) > 1

    @property
    def is_shared(self) -> bool:
        """Whether several tasks may use it at once."""
        return "shared" in self.facts

    @property
    def is_volume(self) -> bool:
        """Whether it is a persistent volume."""
        return "persistence" in self.facts.get("disk", {})

    def is_for(self, role: str) -> bool:
        """Whether it may be offered to this role: reserved to nobody, to it, or to one above it."""
        own = self.role
        return own in ("*", role) or role.startswith(own + "/")


@lru_cache(maxsize=8192)
def special(key: str) -> Special:
    """What a key says of the resource that is counted under it."""
    name, _, rest = key.partition(MARK)
    facts: Json = json.loads(rest) if rest else {}
    return Special(name, facts, _text(facts))


def key_of(resource: Json) -> str:
    """The key under which a resource with ``reservations`` (not ``reservation``) is counted."""
    facts = {f: resource[f] for f in _FACTS if resource.get(f) not in (None, [])}
    if not facts:
        return str(resource["name"])
    if "reservations" in facts:
        facts["reservations"] = [
            {k: r[k] for k in _RESERVATION_FIELDS if k in r} for r in facts["reservations"]
        ]
    return f"{resource['name']}{MARK}{json.dumps(facts, sort_keys=True)}"


def same_but_for_path(key: str) -> str:
    """The key without where a volume is mounted, which a task may choose anew each time."""
    if MARK not in key or not special(key).is_volume:
        return key
    facts = dict(special(key).facts)
    disk = {k: v for k, v in facts["disk"].items() if k != "volume"}
    return key_of({"name": special(key).name, **facts, "disk": disk})


def _disk_error(resource: Json) -> str | None:
    if "disk" in resource and resource["name"] != "disk":
        return f"DiskInfo should not be set for {resource['name']} resource"
    if "shared" in resource and resource["name"] != "disk":
        return f"Resource {resource['name']} cannot be shared"
    return None


def post_format(resource: Json) -> tuple[Json, str | None]:
    """The resource with ``reservations`` in place of ``role`` and ``reservation``, and its fault.

    A framework without RESERVATION_REFINEMENT writes the older form.
    """
    reservations = resource.get("reservations", [])
    if problem := _disk_error(resource):
        return resource, problem
    if reservations:
        return resource, _reservations_error(resource, reservations)
    role, reservation = resource.get("role", "*"), resource.get("reservation")
    if role == "*":
        if reservation is None:
            return resource, None
        return resource, 'Invalid reservation: role "*" cannot be dynamically reserved'
    if problem := role_error(role):
        return resource, problem
    if reservation is None:
        upgraded: Json = {"type": "STATIC", "role": role}
    else:
        upgraded = {"type": "DYNAMIC", "role": role}
        upgraded.update((k, reservation[k]) for k in ("principal", "labels") if k in reservation)
    return {**resource, "reservations": [upgraded]}, None


def _reservations_error(resource: Json, reservations: list[Json]) -> str | None:
    before: str | None = None
    for reservation in reservations:
        role = reservation.get("role")
        if reservation.get("type", "UNKNOWN") == "UNKNOWN":
            return "Invalid reservation: 'Resource.ReservationInfo.type' field must be set."
        if role is None:
            return "Invalid reservation: 'Resource.ReservationInfo.role' field must be set."
        if problem := role_error(role):
            return problem
        if role == "*":
            return 'Invalid reservation: role "*" cannot be reserved'
        if before is not None and not role.startswith(before + "/"):
            return f"Invalid refined reservation: role '{role}' is not a refinement of '{before}'"
        before = role
    return _both_forms_error(resource, reservations)


def _both_forms_error(resource: Json, reservations: list[Json]) -> str | None:
    """Whether the older form stands beside the newer one, and says something else."""
    has_role, has_reservation = "role" in resource, "reservation" in resource
    if len(reservations) == 1 and reservations[0]["type"] == "DYNAMIC":
        if has_role != has_reservation:
            return (
                "Invalid resource format: 'Resource.role' and 'Resource.reservation' must either "
                "be both set or both not set if the single reservation in "
                "'Resource.reservations' is DYNAMIC"
            )
    elif has_reservation:
        return (
            "Invalid resource format: 'Resource.reservation' must not be set if there is more "
            "than one reservation in 'Resource.reservations'"
        )
    return None


def role_error(role: str) -> str | None:
    """Why this is no name of a role, or None."""
    if role == "*":
        return None
    if not role:
        return "Role names cannot be the empty string"
    for is_wrong, why in (
        (role.startswith("/"), "start with a slash"),
        (role.endswith("/"), "end with a slash"),
        ("//" in role, "contain two adjacent slashes"),
    ):
        if is_wrong:
            return f"Role '{role}' cannot {why}"
    problems = (_role_part_error(part, role) for part in role.split("/"))
    return next((problem for problem in problems if problem), None)


def _role_part_error(part: str, role: str) -> str | None:
    if part in (".", "..", "*"):
        return f"Role '{role}' cannot include '{part}' as a component"
    if part.startswith("-"):
        return f"Role component '{part}' is invalid because it starts with a dash"
    if any(c in "\x08\t\n\v\f\r " for c in part):
        return f"Role component '{part}' is invalid because it contains backspace or whitespace"
    return None


def _text(facts: Json) -> str:
    parts = []
    if reservations := facts.get("reservations"):
        parts.append(f"(reservations: [{','.join(_reservation_text(r) for r in reservations)}])")
    if (disk := facts.get("disk")) is not None:
        parts.append(f"[{_disk_text(disk)}]")
    if "revocable" in facts:
        parts.append("{REV}")
    if "shared" in facts:
        parts.append("<SHARED>")
    return "".join(parts)


def _reservation_text(reservation: Json) -> str:
    words = [reservation.get("type", "UNKNOWN"), reservation.get("role", "")]
    if "principal" in reservation:
        words.append(reservation["principal"])
    if "labels" in reservation:
        labels = reservation["labels"].get("labels", [])
        pairs = (x["key"] + (f": {x['value']}" if "value" in x else "") for x in labels)
        words.append(f"{{{', '.join(pairs)}}}")
    return f"({','.join(words)})"


def _disk_text(disk: Json) -> str:
    words = []
    if "source" in disk:
        kind = str(disk["source"].get("type", "UNKNOWN"))
        root = disk["source"].get(kind.lower(), {}).get("root")
        words.append(kind if root is None else f"{kind}:{root}")
    if "persistence" in disk:
        words.append(str(disk["persistence"]["id"]))
    text = ",".join(words)
    if "volume" in disk:
        volume = disk["volume"]
        host = f"{volume['host_path']}:" if "host_path" in volume else ""
        text += f":{host}{volume['container_path']}"
    return text
