"""A policy document becomes rules and numbers, or faults that name every wrong place at once.

The one thing to know: a document is whole. What it leaves out has its default and not the value
that the cell has now; so a file says by itself what will hold. Single switches are commands of
their own (`scheduler.model.rules_document.changing`).
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar, get_args

import msgspec

from scheduler.model.constraint import Constraint, ConstraintKind
from scheduler.model.disruption import Window
from scheduler.model.policy import NUMBERS, Policy, changed_policy
from scheduler.model.reading.checks import Complaint, name_check, words_check
from scheduler.model.reading.faults import Faults, nearest_name, shown, shown_text
from scheduler.model.reading.fields import Fields
from scheduler.model.rules import (
    FITNESS_MAX,
    Amount,
    CapacityGroup,
    EvictionRules,
    Guards,
    InstanceGroup,
    Lifecycle,
    Mode,
    PlacementRules,
    Plugin,
    Profile,
    Selector,
    Tier,
)
from scheduler.model.rules_document import known
from scheduler.model.rules_document.checks import rules_faults, times
from scheduler.model.rules_document.known import document_name, read_simple, simple_fields
from scheduler.model.rules_document.quantities import (
    BANDWIDTH,
    MEMORY,
    QUANTITY_MAX,
    read_quantity,
)
from scheduler.model.rules_document.windows import window_of
from scheduler.model.v3.container import read_attributes

NAME: Final = name_check(known.NAME_BYTES_MAX)
_ATTRIBUTE: Final = name_check(known.NAME_BYTES_MAX)
_REASON: Final = words_check(known.REASON_BYTES_MAX)
_LIST_BYTES_MAX: Final = 256 * 1024
MODES: Final[tuple[Mode, ...]] = get_args(Mode)
LIFECYCLES: Final[tuple[Lifecycle, ...]] = get_args(Lifecycle)
KINDS: Final[tuple[ConstraintKind, ...]] = get_args(ConstraintKind)

T = TypeVar("T")


def read_policy(raw: object, faults: Faults, path: str = "") -> Policy:
    """The policy that a document describes; it counts only if no fault was added."""
    inner = Faults()
    fields = Fields(raw, path, inner)
    limits = _numbers(fields, inner)
    rules = _rules(fields, inner)
    fields.close()
    for each in inner.all():
        faults.add(each.field, each.text, each.hint)
    said = tuple(each.field for each in inner.all())
    for each in rules_faults(rules, path):
        if not any(_is_about(each.field, other) for other in said):
            faults.add(each.field, each.text, each.hint)
    return msgspec.structs.replace(limits, placement=rules)


def _is_about(field: str, said: str) -> bool:
    """Whether two paths are the same or one inside the other: one mistake is told once."""
    shorter, longer = sorted((field, said), key=len)
    return longer.startswith(shorter) and longer[len(shorter) : len(shorter) + 1] in {"", ".", "["}


def _numbers(fields: Fields, faults: Faults) -> Policy:
    inside = fields.inner_if_given("limits")
    if inside is None:
        return Policy()
    values: dict[str, int] = {}
    for name in NUMBERS:
        values[name] = value = read_simple(inside, name, getattr(Policy(), name))
        try:
            changed_policy(Policy(), {name: value})
        except ValueError as error:
            if not any(each.field == inside.path_of(document_name(name)) for each in faults.all()):
                _, _, why = str(error).partition(": ")
                inside.fault(document_name(name), why)
    inside.close()
    return msgspec.structs.replace(Policy(), **values)


def _rules(fields: Fields, faults: Faults) -> PlacementRules:
    rules = PlacementRules()
    values: dict[str, Any] = {
        "mode": choice(fields, "mode", MODES, rules.mode),
        "lost_zones": names_of(fields, "lost_zones", known.ZONES_MAX),
        "profiles": _by_name(fields, "profiles", known.PROFILES_MAX, _profile, rules.profiles),
        "tiers": _tiers(fields, rules.tiers, faults),
        "groups": _by_name(fields, "groups", known.GROUPS_MAX, read_group, rules.groups),
        "selectors": _by_name(fields, "selectors", known.SELECTORS_MAX, read_selector, ()),
        "plugins": _plugins(fields, faults),
        "instance_groups": _by_name(
            fields, "instance_groups", known.INSTANCE_GROUPS_MAX, read_instance_group, ()
        ),
        "guards": rules.guards,
    }
    guards = fields.inner_if_given("guards")
    if guards is not None:
        read = {name: read_simple(guards, name, getattr(Guards(), name)) for name in GUARDS}
        values["guards"] = Guards(**read)
        guards.close()
    evictions = fields.inner_if_given("evictions")
    if evictions is not None:
        values["evictions"] = _evictions(evictions)
    attributes = fields.inner_if_given("attributes")
    if attributes is not None:
        for name in ATTRIBUTES:
            text = attributes.text(document_name(name), _ATTRIBUTE, default=getattr(rules, name))
            values[name] = text
        attributes.close()
    for name in simple_fields(PlacementRules):
        values[name] = read_simple(fields, name, getattr(rules, name))
    return PlacementRules(**values)


def _evictions(fields: Fields) -> EvictionRules:
    texts = fields.texts("windows", _window_check, known.ZONES_MAX, _LIST_BYTES_MAX)
    found = (window_of(each) for each in texts)
    windows = tuple(each for each in found if isinstance(each, Window))
    exempt = names_of(fields, "exempt")
    fields.close()
    return EvictionRules(windows=windows, exempt=exempt)


def _window_check(text: str) -> Complaint | None:
    found = window_of(text)
    return None if isinstance(found, Window) else found


GUARDS: Final = simple_fields(Guards)
BUFFER_PERCENT_MAX: Final = 1_000
INSTANCES_MAX: Final = 1_000_000
SERVICE_SIZE_MAX: Final = 100_000
"""As `scheduler.model.v3.limits` has it: what no job may ask for."""
ATTRIBUTES: Final = tuple(
    name for name in PlacementRules.__struct_fields__ if name.endswith("_attribute")
)
"""Which attributes of hosts say their zone, type, group and taints."""


def choice(fields: Fields, name: str, choices: tuple[T, ...], default: T | None = None) -> T:
    """One of some words; without ``default`` it must be there."""
    value = fields.raw(name)
    if value is None:
        if default is None:
            fields.fault(name, "is missing", f"one of {', '.join(map(str, choices))}")
        return choices[0] if default is None else default
    for each in choices:
        if value == each:
            return each
    near = nearest_name(value if isinstance(value, str) else "", map(str, choices))
    fields.fault(name, f"is {shown(value)}; one of {', '.join(map(str, choices))} is needed", near)
    return choices[0] if default is None else default


def names_of(fields: Fields, name: str, count_max: int = known.VALUES_MAX) -> tuple[str, ...]:
    """A list of names in their order; doubled ones are a fault."""
    found = fields.texts(name, NAME, count_max, _LIST_BYTES_MAX)
    doubled = sorted({each for each in found if found.count(each) > 1})
    for each in doubled:
        fields.fault(name, f"names {shown_text(each)} twice", "keep one of them")
    return found


def named(
    fields: Fields, name: str, count_max: int, read: Callable[[Fields, str], T]
) -> tuple[T, ...]:
    """Each entry of the map in the field, by name, read by ``read``."""
    inside = fields.inner(name)
    found = []
    for each, raw in inside.items(count_max):
        complaint = NAME(each)
        if complaint is not None:
            inside.fault(each, f"has a name that {complaint[0]}", complaint[1])
        if raw is None:  # ``NAME:`` with nothing behind it is an entry of defaults.
            inside.fault(each, "is empty", "write what it is, or remove it")
            continue
        entry = inside.inner(each)
        found.append(read(entry, each))
        entry.close()
    return tuple(found)


def _by_name(
    fields: Fields,
    name: str,
    count_max: int,
    read: Callable[[Fields, str], T],
    default: tuple[T, ...],
) -> tuple[T, ...]:
    return named(fields, name, count_max, read) if fields.has(name) else default


def _profile(fields: Fields, name: str) -> Profile:
    inside = fields.inner("weights")
    weights = tuple(
        (each, inside.whole(each, 0, known.WEIGHT_MAX))
        for each, raw in inside.items(known.VALUES_MAX)
        if raw is not None or inside.whole(each, 0, known.WEIGHT_MAX)
    )
    soft_weight = fields.whole("soft_weight", 0, known.WEIGHT_MAX, default=0)
    is_early = fields.has("good_enough")
    good_enough = fields.whole("good_enough", 1, FITNESS_MAX) if is_early else None
    return Profile(name, weights, soft_weight, good_enough)


def _tiers(fields: Fields, default: tuple[Tier, ...], faults: Faults) -> tuple[Tier, ...]:
    entries = _entries(fields, "tiers", known.TIERS_MAX, faults)
    if entries is None:
        return default
    found = []
    for entry in entries:
        tier = Tier(
            name=entry.text("name", NAME),
            service_profile=entry.text("service_profile", NAME),
            batch_profile=entry.text("batch_profile", NAME),
            may_preempt=names_of(entry, "may_preempt", known.TIERS_MAX),
            buffer_percent=entry.whole("buffer_percent", 0, BUFFER_PERCENT_MAX, default=5),
            buffer=_amount(entry, "buffer"),
        )
        entry.close()
        found.append(tier)
    return tuple(found)


def _entries(fields: Fields, name: str, count_max: int, faults: Faults) -> list[Fields] | None:
    """The objects of a list, or None where it is left out."""
    raw = fields.raw(name)
    if raw is None:
        return None
    if not isinstance(raw, list):
        fields.fault(name, f"is {shown(raw)}; a list is needed", "begin each entry with '- '")
        return None
    if len(raw) > count_max:
        fields.fault(name, f"has {len(raw)} entries; at most {count_max} are allowed")
        return None
    path = fields.path_of(name)
    return [Fields(each, f"{path}[{place}]", faults) for place, each in enumerate(raw)]


def read_group(fields: Fields, name: str) -> CapacityGroup:
    """The capacity group ``name`` that ``fields`` describe.

    Where it names instances and no guarantee, they are its guarantee.
    """
    instance = _amount(fields, "instance")
    instances = fields.whole("instances", 0, INSTANCES_MAX, default=0)
    is_given = fields.has("guarantee") or not instances
    return CapacityGroup(
        name=name,
        tier=fields.text("tier", NAME),
        guarantee=_amount(fields, "guarantee") if is_given else times(instance, instances),
        limit=_amount(fields, "limit"),
        weight=fields.whole("weight", 1, known.WEIGHT_MAX, default=1),
        parent=fields.text("parent", NAME, default=""),
        instance=instance,
        instances=instances,
        red_black=fields.whole("red_black", 0, INSTANCES_MAX, default=0),
        service_size_max=fields.whole("service_size_max", 0, SERVICE_SIZE_MAX, default=0),
    )


def _amount(fields: Fields, name: str) -> Amount:
    inside = fields.inner_if_given(name)
    if inside is None:
        return Amount()
    amount = Amount(
        cpu_milli=_if_given(inside, "cpu", lambda: inside.thousandths("cpu", 0, QUANTITY_MAX)),
        memory_mib=_if_given(inside, "memory", lambda: read_quantity(inside, "memory", MEMORY)),
        disk_mib=_if_given(inside, "disk", lambda: read_quantity(inside, "disk", MEMORY)),
        network_mbps=_if_given(
            inside, "network", lambda: read_quantity(inside, "network", BANDWIDTH)
        ),
        gpus=_if_given(inside, "gpus", lambda: inside.whole("gpus", 0, QUANTITY_MAX)),
    )
    inside.close()
    return amount


def _if_given(fields: Fields, name: str, read: Callable[[], int]) -> int | None:
    return read() if fields.has(name) else None


def read_selector(fields: Fields, name: str) -> Selector:
    """The operator's selector ``name`` that ``fields`` describe."""
    strength = choice(fields, "strength", ("must", "should"))
    constraint = read_constraint(fields.inner("constraint"))
    whom = fields.inner_if_given("for")
    tiers: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    applications: tuple[str, ...] = ()
    if whom is not None:
        tiers, groups = names_of(whom, "tiers"), names_of(whom, "groups")
        applications = names_of(whom, "applications")
        whom.close()
    return Selector(
        name=name,
        strength="must" if strength == "must" else "should",
        constraint=constraint,
        tiers=tiers,
        groups=groups,
        applications=applications,
        reason=fields.text("reason", _REASON, default=""),
    )


def read_instance_group(fields: Fields, name: str) -> InstanceGroup:
    """What ``fields`` say of the group of hosts ``name``."""
    return InstanceGroup(
        name=name,
        tier=fields.text("tier", NAME, default=""),
        lifecycle=choice(fields, "lifecycle", LIFECYCLES, "Active"),
        attributes=read_attributes(fields),
    )


def read_constraint(fields: Fields) -> Constraint:
    """The constraint that ``fields`` describe; what its kind needs is checked with the rules."""
    kind = choice(fields, "kind", KINDS)
    attribute = fields.text("attribute", _ATTRIBUTE, default="")
    values = names_of(fields, "values")
    weight = fields.whole("weight", 1, known.WEIGHT_MAX, default=1)
    fields.close()
    if fields.raw("kind") != kind:  # A fault already; of another kind nothing more can be said.
        return Constraint(kind)
    return Constraint(kind, attribute, values, weight)


def _plugins(fields: Fields, faults: Faults) -> tuple[Plugin, ...]:
    found = []
    for entry in _entries(fields, "plugins", known.PLUGINS_MAX, faults) or ():
        kind = choice(entry, "kind", ("fitness", "constraint"))
        plugin = Plugin(
            kind="fitness" if kind == "fitness" else "constraint",
            name=entry.text("name", NAME),
            distribution=entry.text("distribution", NAME),
            version=entry.text("version", NAME),
        )
        entry.close()
        found.append(plugin)
    return tuple(found)
