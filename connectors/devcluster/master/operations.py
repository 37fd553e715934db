"""Operations on an agent's resources: whether each is valid, and what it turns into what.

The one thing to know: RESERVE, UNRESERVE, CREATE and DESTROY are taken for done at once, so that
what follows in the same ACCEPT may use their result; GROW_VOLUME and SHRINK_VOLUME are not, and
hold what they work on until the agent has answered.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from connectors.devcluster.master.framework_info import id_error
from connectors.devcluster.master.model import Agent, Framework
from connectors.devcluster.resources import (
    ResourceError,
    Resources,
    from_json,
    scalar_text,
    to_milli,
)
from connectors.devcluster.speciality import Special, key_of, post_format, special
from connectors.devcluster.words import Json

# The name of the field with an operation's resources.
_LISTS = {
    "RESERVE": "resources",
    "UNRESERVE": "resources",
    "CREATE": "volumes",
    "DESTROY": "volumes",
}
_RESIZES = ("GROW_VOLUME", "SHRINK_VOLUME")
_DISKS = ("CREATE_DISK", "DESTROY_DISK")
KINDS = frozenset({*_LISTS, *_RESIZES, *_DISKS})


class OperationError(ValueError):
    """An operation that is refused, in Mesos' words."""


@dataclass(frozen=True)
class Conversion:
    """What an operation takes, and what it makes of it."""

    consumed: Resources
    converted: Resources
    # Whether the result may be used before the agent has answered.
    is_speculative: bool


def shape_error(operation: Json) -> str | None:
    """Why the operation's resources cannot even be read, or None."""
    kind = operation["type"]
    body = operation.get(kind.lower())
    if body is None:
        # An article, a noun and a full stop differ from kind to kind in Mesos too.
        article = "An" if kind == "UNRESERVE" else "A"
        is_resize = kind in _RESIZES
        noun, stop = ("operation", "") if is_resize else ("offer operation", ".")
        return (
            f"{article} {kind} {noun} must have the Offer.Operation.{kind.lower()} field set{stop}"
        )
    try:
        from_json(_resources_of(kind, body))
    except ResourceError as error:
        return str(error)
    return None


def _resources_of(kind: str, body: Json) -> list[Json]:
    if kind in _LISTS:
        return list(body.get(_LISTS[kind], []))
    if kind == "GROW_VOLUME":
        # An addition of nothing is refused later, in other words.
        return [body["volume"]]
    return [body["volume"]] if kind == "SHRINK_VOLUME" else [body["source"]]


def conversion(
    operation: Json, framework: Framework, agent: Agent, role: str, left: Resources
) -> Conversion:
    """What the operation does to what is left of the offers; raises ``OperationError``."""
    kind = operation["type"]
    body = operation[kind.lower()]
    asking = _Asking(framework, agent, role, left)
    match kind:
        case "RESERVE":
            return asking.reserve(body)
        case "UNRESERVE":
            return asking.unreserve(body)
        case "CREATE":
            return asking.create(body)
        case "DESTROY":
            return asking.destroy(body)
        case "GROW_VOLUME":
            return asking.grow(body)
        case "SHRINK_VOLUME":
            return asking.shrink(body)
        case _:
            raise asking.refused("'source' is not managed by a resource provider")


@dataclass(frozen=True)
class _Asking:
    """One operation's circumstances."""

    framework: Framework
    agent: Agent
    role: str
    left: Resources

    def refused(self, why: str) -> OperationError:
        """The refusal of an operation that is invalid here."""
        agent = self.agent
        return OperationError(
            f"{why}; on agent {agent.agent_id} at slave(1)@{agent.ip}:{agent.port} "
            f"({agent.hostname})"
        )

    def reserve(self, body: Json) -> Conversion:
        """RESERVE."""
        resources = self._listed(body.get("resources", []))
        for resource in resources:
            found = special(key_of(resource))
            if not found.is_dynamic:
                raise self.refused(f"Resource {self._text(resource)} is not dynamically reserved")
            self._check_reserver(found)
            allocated = resource.get("allocation_info", {}).get("role", self.role)
            if found.role != allocated:
                raise self.refused(
                    "A reserve operation was attempted for a resource with role "
                    f"'{found.role}', but the resource was allocated to role '{allocated}'"
                )
            if allocated not in self.framework.roles:
                roles = ", ".join(sorted(self.framework.roles))
                raise self.refused(
                    "A reserve operation was attempted for a resource allocated to role "
                    f"'{allocated}', but the framework only has roles '{{ {roles} }}'"
                )
            if found.is_volume:
                text = self._text(resource)
                raise self.refused(f"A persistent volume {text} must already be reserved")
        converted = from_json(resources)
        return self._taken(from_json([_less_reserved(r) for r in resources]), converted)

    def _check_reserver(self, found: Special) -> None:
        principal = self.framework.info.get("principal")
        if principal is None:
            return
        named = found.reservations[-1].get("principal")
        if named is None:
            raise self.refused(
                f"A reserve operation was attempted by principal '{principal}', but there is a "
                "reserved resource in the request with no principal set"
            )
        if named != principal:
            raise self.refused(
                f"A reserve operation was attempted by authenticated principal '{principal}', "
                f"which does not match a reserved resource in the request with principal '{named}'"
            )

    def unreserve(self, body: Json) -> Conversion:
        """UNRESERVE."""
        resources = self._listed(body.get("resources", []))
        for resource in resources:
            found = special(key_of(resource))
            if not found.is_dynamic:
                raise self.refused(f"Resource {self._text(resource)} is not dynamically reserved")
            if found.is_volume:
                raise self.refused(
                    f"A dynamically reserved persistent volume {self._text(resource)} cannot be "
                    "unreserved directly. Please destroy the persistent volume first then "
                    "unreserve the resource"
                )
        converted = from_json([_less_reserved(r) for r in resources])
        return self._taken(from_json(resources), converted)

    def create(self, body: Json) -> Conversion:
        """CREATE."""
        volumes = self._listed(body.get("volumes", []))
        self._check_volumes(volumes)
        known = {_persistence_id(special(key)) for key in self.agent.total.scalars}
        for volume in volumes:
            persistence_id = volume["disk"]["persistence"]["id"]
            if persistence_id in known:
                raise self.refused(f"Persistence ID '{persistence_id}' is not unique")
            known.add(persistence_id)
        for volume in volumes:
            self._check_creator(volume)
        return self._taken(from_json([_less_volume(v) for v in volumes]), from_json(volumes))

    def _check_creator(self, volume: Json) -> None:
        framework = self.framework
        if "shared" in volume and "SHARED_RESOURCES" not in framework.capabilities:
            raise self.refused(
                f"Create volume operation for '{self._text(volume)}' has been attempted by "
                f"framework '{framework.framework_id}' with no SHARED_RESOURCES capability"
            )
        principal = framework.info.get("principal")
        named = volume["disk"]["persistence"].get("principal")
        if principal is None or named == principal:
            return
        if named is None:
            raise self.refused(
                f"Create volume operation attempted by principal '{principal}', but there is a "
                "volume in the operation with no principal set in 'disk.persistence'"
            )
        raise self.refused(
            f"Create volume operation attempted by authenticated principal '{principal}', which "
            f"does not match a volume in the operation with principal '{named}' set in "
            "'disk.persistence'"
        )

    def destroy(self, body: Json) -> Conversion:
        """DESTROY."""
        volumes = self._listed(body.get("volumes", []))
        self._check_volumes(volumes, note="")
        wanted = from_json(volumes).aligned_to(self.agent.total)
        if not self.agent.total.contains(wanted):
            raise self.refused("Persistent volumes not found")
        if _is_in_use(self.agent, wanted):
            raise self.refused("Persistent volumes in use")
        return self._taken(wanted, from_json([_less_volume(v) for v in volumes]))

    def grow(self, body: Json) -> Conversion:
        """GROW_VOLUME."""
        volume, addition = self._upgraded(body["volume"]), self._upgraded(body["addition"])
        self._check_one_volume(volume, "GrowVolume")
        added = to_milli(addition.get("scalar", {}).get("value", 0.0))
        if added <= 0:
            raise self.refused("The size of 'GrowVolume.addition' field must be greater than zero")
        if "shared" in volume:
            raise self.refused("Growing a shared persistent volume is not supported")
        if key_of(_less_volume(volume)) != key_of(addition):
            raise self.refused(
                "Incompatible resources in the 'GrowVolume.volume' and 'GrowVolume.addition' fields"
            )
        size = volume["scalar"]["value"] + addition["scalar"]["value"]
        return self._resized("GROW_VOLUME", [volume, addition], [_sized(volume, size)])

    def shrink(self, body: Json) -> Conversion:
        """SHRINK_VOLUME."""
        volume = self._upgraded(body["volume"])
        self._check_one_volume(volume, "ShrinkVolume")
        less, size = body["subtract"]["value"], volume["scalar"]["value"]
        if to_milli(less) <= 0:
            raise self.refused("Value of 'ShrinkVolume.subtract' must be greater than zero")
        if to_milli(less) >= to_milli(size):
            raise self.refused(
                "Value of 'ShrinkVolume.subtract' must be smaller than the size of "
                "'ShrinkVolume.volume'"
            )
        if "shared" in volume:
            raise self.refused("Shrinking a shared persistent volume is not supported")
        freed = _sized(_less_volume(volume), less)
        return self._resized("SHRINK_VOLUME", [volume], [_sized(volume, size - less), freed])

    def _resized(self, kind: str, taken: list[Json], made: list[Json]) -> Conversion:
        consumed = from_json(taken).aligned_to(self.left)
        if not self.left.contains(consumed):
            missing = self._missing_text(consumed)
            raise OperationError(f"Invalid {kind} operation: {missing}")
        converted = from_json(made).aligned_to(consumed)
        return Conversion(consumed, converted, is_speculative=False)

    def _taken(self, consumed: Resources, converted: Resources) -> Conversion:
        if not self.left.contains(consumed):
            raise OperationError(self._missing_text(consumed))
        return Conversion(consumed, converted, is_speculative=True)

    def _missing_text(self, wanted: Resources) -> str:
        return f"{self.left.text(self.role)} does not contain {wanted.text(self.role)}"

    def _listed(self, resources: list[Json]) -> list[Json]:
        """The operation's resources in the newer form, once they are known to make sense."""
        if not resources:
            text = "Invalid resources: The resources have multiple resource providers: "
            raise self.refused(text)
        upgraded = [self._upgraded(r) for r in resources]
        for resource in upgraded:
            if problem := self._speciality_error(resource):
                raise self.refused(f"Invalid resources: {problem}")
        return upgraded

    def _upgraded(self, resource: Json) -> Json:
        return post_format(resource)[0]

    def _speciality_error(self, resource: Json) -> str | None:
        found = special(key_of(resource))
        if found.is_dynamic and "revocable" in resource:
            return (
                f"Invalid ReservationInfo: Dynamically reserved resource {self._text(resource)} "
                "cannot be created from revocable resources"
            )
        if problem := disk_error(resource):
            return f"Invalid DiskInfo: {problem}"
        return None

    def _check_volumes(self, volumes: Iterable[Json], note: str | None = None) -> None:
        for volume in volumes:
            if problem := self._volume_error(volume, note):
                raise self.refused(f"Not a persistent volume: {problem}")

    def _check_one_volume(self, volume: Json, field: str) -> None:
        if problem := self._volume_error(volume):
            text = f"Invalid persistent volume in the '{field}.volume' field: {problem}"
            raise self.refused(text)

    def _volume_error(self, volume: Json, note: str | None = None) -> str | None:
        if "disk" not in volume:
            return f"Resource {self._text(volume, note)} does not have DiskInfo"
        if "persistence" not in volume["disk"]:
            return f"'persistence' is not set in DiskInfo of {self._text(volume)}"
        if volume["disk"].get("volume", {}).get("mode") == "RO":
            return "Read-only persistent volume not supported"
        return None

    def _text(self, resource: Json, note: str | None = None) -> str:
        """The resource as Mesos prints it, as a rule with the role that it is allocated to."""
        found = special(key_of(resource))
        size = scalar_text(to_milli(resource.get("scalar", {}).get("value", 0.0)))
        if resource["type"] != "SCALAR":
            return from_json([resource]).text(self.role)
        note = f"(allocated: {self.role})" if note is None else note
        return f"{found.name}{note}{found.text}:{size}"


def disk_error(resource: Json) -> str | None:
    """Why the DiskInfo of a resource makes no sense, or None."""
    disk = resource.get("disk")
    if disk is None:
        return None
    if not disk:
        return "DiskInfo is set but empty"
    if "persistence" in disk:
        return _persistence_error(resource, disk)
    return "Non-persistent volume not supported" if "volume" in disk else None


def _persistence_error(resource: Json, disk: Json) -> str | None:
    if not resource.get("reservations"):
        return "Persistent volumes cannot be created from unreserved resources"
    if "revocable" in resource:
        return "Persistent volumes cannot be created from revocable resources"
    if "volume" not in disk:
        return "Expecting 'volume' to be set for persistent volume"
    if "host_path" in disk["volume"]:
        return "Expecting 'host_path' to be unset for persistent volume"
    if problem := id_error(disk["persistence"]["id"]):
        return f"Invalid persistence ID for persistent volume: {problem}"
    return None


def _persistence_id(found: Special) -> str | None:
    return found.facts.get("disk", {}).get("persistence", {}).get("id") if found.facts else None


def _is_in_use(agent: Agent, volumes: Resources) -> bool:
    """Whether a task or an executor of the agent holds one of the volumes."""
    holders = [t.resources for t in agent.tasks.values() if t.holds_resources]
    holders += [e.resources for e in agent.executors.values()]
    return any(key in held.scalars for held in holders for key in volumes.scalars)


def _less_reserved(resource: Json) -> Json:
    """The resource without its last reservation."""
    plain = {k: v for k, v in resource.items() if k not in ("role", "reservation")}
    return {**plain, "reservations": resource["reservations"][:-1]}


def _less_volume(resource: Json) -> Json:
    """The disk that a volume is made of."""
    plain = {k: v for k, v in resource.items() if k not in ("disk", "shared")}
    disk = {k: v for k, v in resource["disk"].items() if k not in ("persistence", "volume")}
    return {**plain, "disk": disk} if disk else plain


def _sized(resource: Json, size: float) -> Json:
    return {**resource, "scalar": {"value": size}}
