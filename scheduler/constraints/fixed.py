"""Constraints whose answer follows from a host's attributes and names, whatever runs there.

The one thing to know: all but `machineId` depend on attributes and rules alone, so an index asks
once for each set of equal attributes. What depends on the tasks of a host is in
`scheduler.constraints.moving`.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from scheduler.model.constraint import Constraint, ConstraintKind
from scheduler.model.ids import HostId
from scheduler.model.rules import FITNESS_MAX, PlacementRules

ATTRIBUTE_KINDS: Final[frozenset[ConstraintKind]] = frozenset(
    {
        "availabilityZone",
        "hostAttribute",
        "hostAttributeIn",
        "hostAttributeUnlike",
        "machineGroup",
        "machineType",
        "nearVolume",
        "toleration",
    }
)
"""Equal attributes, equal answers."""
KINDS: Final[frozenset[ConstraintKind]] = ATTRIBUTE_KINDS | {"machineId"}
"""All kinds that this module answers for."""
PIN_KINDS: Final[frozenset[ConstraintKind]] = frozenset({"machineId", "availabilityZone"})
"""Of these a job names no attribute; the cell's own name there what stays with the index."""
VOLUMES_ATTRIBUTE: Final = "volumes"
"""The volumes that a host has, separated by commas."""
GPU_MODEL_ATTRIBUTE: Final = "gpu_model"
"""The model of a host's devices; its devices are all of one."""
DEVICES_KEPT: Final = "it has devices, and is kept for those who ask for some"


def refusal(
    constraint: Constraint,
    attributes: Mapping[str, str],
    host_id: HostId,
    hostname: str,
    rules: PlacementRules,
) -> str:
    """Why the host breaks the constraint, in words; empty where it keeps it."""
    match constraint.kind:
        case "hostAttributeUnlike":
            value = attributes.get(constraint.attribute)
            is_kept = value is None or value not in constraint.values
            return "" if is_kept else f"{constraint.attribute} is '{value}', which is unwanted"
        case "machineId":
            is_kept = host_id in constraint.values or hostname in constraint.values
            named = f"the host is '{hostname or host_id}'"
            return "" if is_kept else f"{named}, {_wanted(constraint.values)}{_because(constraint)}"
        case "nearVolume":
            there = words_of(attributes.get(VOLUMES_ATTRIBUTE, ""))
            missing = [each for each in constraint.values if each not in there]
            return f"it has no volume '{missing[0]}'" if missing else ""
        case "toleration":
            return ""  # It allows; what a host demands is asked by `taint_refusal`.
        case _:
            why = _unequal(attribute_of(constraint, rules), constraint.values, attributes)
            return why and why + _because(constraint)


def soft_fitness(
    constraint: Constraint,
    attributes: Mapping[str, str],
    host_id: HostId,
    hostname: str,
    rules: PlacementRules,
) -> int:
    """How well the host keeps a soft constraint: all or nothing, as in Fenzo."""
    return 0 if refusal(constraint, attributes, host_id, hostname, rules) else FITNESS_MAX


def tolerated(hard: Iterable[Constraint]) -> frozenset[str]:
    """The taints that a request with these hard constraints bears."""
    return frozenset(value for each in hard if each.kind == "toleration" for value in each.values)


def taint_refusal(
    tolerated: frozenset[str], attributes: Mapping[str, str], rules: PlacementRules
) -> str:
    """Which taint of the host the job does not tolerate, in words; empty where it bears all."""
    taints = attributes.get(rules.taints_attribute)
    if not taints:
        return ""
    for taint in words_of(taints):
        if taint not in tolerated:
            return f"it has the taint '{taint}', which the job does not tolerate"
    return ""


def zone_refusal(attributes: Mapping[str, str], rules: PlacementRules) -> str:
    """Why no work at all goes to the host's zone, in words; empty where it may."""
    zone = attributes.get(rules.zone_attribute)
    if zone is None or zone not in rules.lost_zones:
        return ""
    return f"zone '{zone}' is given up as lost"


def model_refusal(models: tuple[str, ...], attributes: Mapping[str, str]) -> str:
    """Why the host's devices are not of a model that will do, in words; or empty."""
    return _unequal(GPU_MODEL_ATTRIBUTE, models, attributes) if models else ""


def devices_refusal(*, asks_devices: bool, has_devices: bool, rules: PlacementRules) -> str:
    """Why a task without devices may not go to a host with some, in words; or empty."""
    is_kept = has_devices and not asks_devices and not rules.gpu_hosts_take_all
    return DEVICES_KEPT if is_kept else ""


def words_of(text: str) -> tuple[str, ...]:
    """The parts of a list with commas, without the spaces around them."""
    return tuple(each.strip() for each in text.split(",") if each.strip())


def attribute_of(constraint: Constraint, rules: PlacementRules) -> str:
    """The one host attribute that a constraint of these kinds looks at."""
    match constraint.kind:
        case "availabilityZone":
            return rules.zone_attribute
        case "machineType":
            return rules.machine_type_attribute
        case "machineGroup":
            return rules.machine_group_attribute
        case "nearVolume":
            return VOLUMES_ATTRIBUTE
        case "hostAttribute" | "hostAttributeIn" | "hostAttributeUnlike" | "toleration":
            return constraint.attribute  # A toleration looks at none, and names none.
        case _:
            raise AssertionError(f"{constraint.kind} depends on tasks: see `moving`")


def _unequal(name: str, wanted: tuple[str, ...], attributes: Mapping[str, str]) -> str:
    value = attributes.get(name)
    if value is None:
        return f"it has no attribute {name}, {_wanted(wanted)}"
    return "" if value in wanted else f"{name} is '{value}', {_wanted(wanted)}"


def _because(constraint: Constraint) -> str:
    """What keeps an index in this place, where the cell and not the job asks for it."""
    is_pin = constraint.kind in PIN_KINDS and constraint.attribute
    return f", where {constraint.attribute} is" if is_pin else ""


def _wanted(values: tuple[str, ...]) -> str:
    return f"{' or '.join(repr(each) for each in values)} is wanted"
