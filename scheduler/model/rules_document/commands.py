"""The operators' commands about placement, as they stand in records of topic ``commands``.

The one thing to know: `scheduler.model.foreign` calls these with actor and reason read already.
Each answers with a usable value even where a field is wrong; it counts only if no fault was added.
"""

from typing import Final, get_args

from scheduler.model.ids import HostId
from scheduler.model.inbound import HostMarked, HostOrdered, RulesAsked, RulesChangeAsked, Standing
from scheduler.model.policy import NUMBERS
from scheduler.model.reading.checks import name_check
from scheduler.model.reading.faults import Faults
from scheduler.model.reading.fields import Fields
from scheduler.model.rules_document import known
from scheduler.model.rules_document.changing import size_complaint
from scheduler.model.rules_document.reading import (
    MODES,
    choice,
    named,
    names_of,
    read_group,
    read_instance_group,
    read_policy,
    read_selector,
)
from scheduler.model.v3.container import read_attributes

STANDINGS: Final[tuple[Standing, ...]] = get_args(Standing)
_HOST: Final = name_check(known.NAME_BYTES_MAX)
_VERSION_MAX: Final = 2**53
SWITCHES: Final = (
    "mode",
    "loseZones",
    "regainZones",
    "setSelectors",
    "removeSelectors",
    "setGroups",
    "removeGroups",
    "setInstanceGroups",
    "removeInstanceGroups",
    "ifVersion",
)
"""Fields of the order to turn switches; the last one turns none."""


def read_set_rules(fields: Fields, actor: str, why: str) -> RulesAsked:
    """The order to set the whole policy; faults are named by their path in the document."""
    if_version = _version(fields)
    faults = Faults()
    if fields.has("document"):
        policy = read_policy(fields.raw("document"), faults)
    else:
        fields.fault("document", "is missing", "it is required, the policy as an object")
        policy = read_policy({}, faults)
    for each in faults.all():
        fields.fault_at(each.field or "document", each.text, each.hint)
    values = {name: getattr(policy, name) for name in NUMBERS}
    asked = RulesAsked(policy.placement, values, actor, why, if_version)
    if not fields.is_faulty:
        complaint = size_complaint(policy.placement)
        if complaint is not None:
            fields.fault("document", *complaint)
    return asked


def read_change_rules(fields: Fields, actor: str, why: str) -> RulesChangeAsked:
    """The order to turn some switches."""
    if not any(fields.has(name) for name in SWITCHES[:-1]):
        fields.fault_here("names nothing to change", f"give one of {', '.join(SWITCHES[:-1])}")
    mode = choice(fields, "mode", MODES) if fields.has("mode") else None
    lost = names_of(fields, "loseZones", known.ZONES_MAX)
    regained = names_of(fields, "regainZones", known.ZONES_MAX)
    for zone in sorted({*lost} & {*regained}):
        fields.fault("regainZones", f"names {zone!a}, as loseZones does", "keep one of them")
    has_selectors, has_groups = fields.has("setSelectors"), fields.has("setGroups")
    selectors = (
        named(fields, "setSelectors", known.SELECTORS_MAX, read_selector) if has_selectors else ()
    )
    groups = named(fields, "setGroups", known.GROUPS_MAX, read_group) if has_groups else ()
    instance_groups = (
        named(fields, "setInstanceGroups", known.INSTANCE_GROUPS_MAX, read_instance_group)
        if fields.has("setInstanceGroups")
        else ()
    )
    return RulesChangeAsked(
        actor=actor,
        why=why,
        mode=mode,
        lost_zones=lost,
        regained_zones=regained,
        selectors=selectors,
        removed_selectors=names_of(fields, "removeSelectors"),
        groups=groups,
        removed_groups=names_of(fields, "removeGroups"),
        instance_groups=instance_groups,
        removed_instance_groups=names_of(fields, "removeInstanceGroups"),
        if_version=_version(fields),
    )


def read_set_host(fields: Fields, actor: str, why: str) -> HostOrdered:
    """The order to use a host, or to use it no longer."""
    host_id = HostId(fields.text("hostId", _HOST))
    return HostOrdered(host_id, choice(fields, "standing", STANDINGS), actor, why)


def read_mark_host(fields: Fields, actor: str, why: str) -> HostMarked:
    """The order to write attributes on a host, and to remove others."""
    host_id = HostId(fields.text("hostId", _HOST))
    attributes = read_attributes(fields)
    removed = names_of(fields, "removed")
    if not fields.raw("attributes") and not fields.raw("removed"):
        text = "is missing or empty, and so is removed"
        fields.fault("attributes", text, "name at least one attribute")
    for name in sorted({name for name, _ in attributes} & set(removed)):
        fields.fault_below("attributes", name, "is removed as well", "decide for one")
    return HostMarked(host_id, attributes, tuple(sorted(removed)), actor, why)


def _version(fields: Fields) -> int | None:
    return fields.whole("ifVersion", 0, _VERSION_MAX) if fields.has("ifVersion") else None
