"""Single switches: the rules after an operator's small change, or why there are none.

The one thing to know: what a change names is put in place of what has that name, and nothing else
moves. Its effect depends on the rules as they are at its own place in the log; so the fold asks
here, and whoever looks before only guesses.
"""

from collections.abc import Iterable
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from scheduler.model.inbound import Fault, RulesChangeAsked
from scheduler.model.reading.checks import Complaint
from scheduler.model.reading.faults import Faults, nearest_name, path_below, shown_text
from scheduler.model.rules import CapacityGroup, InstanceGroup, PlacementRules, Selector
from scheduler.model.rules_document.checks import rules_faults
from scheduler.model.rules_document.known import RULES_BYTES_MAX

Named = TypeVar("Named", bound=CapacityGroup | Selector | InstanceGroup)


def changed_rules(
    rules: PlacementRules, change: RulesChangeAsked
) -> PlacementRules | tuple[Fault, ...]:
    """The rules with the change, or everything that is wrong with it."""
    faults = Faults()
    lost = {*rules.lost_zones, *change.lost_zones}
    for zone in change.regained_zones:
        if zone not in lost:
            hint = nearest_name(zone, lost) if lost else "no zone is lost"
            faults.add("regainZones", f"names {shown_text(zone)}, which is not lost", hint)
    for name, removed, there in (
        ("removeSelectors", change.removed_selectors, rules.selectors),
        ("removeGroups", change.removed_groups, rules.groups),
        ("removeInstanceGroups", change.removed_instance_groups, rules.instance_groups),
    ):
        known = {each.name for each in there}
        for each in removed:
            if each not in known:
                hint = nearest_name(each, known)
                faults.add(name, f"names {shown_text(each)}, which is not there", hint)
    after = replace(
        rules,
        mode=rules.mode if change.mode is None else change.mode,
        lost_zones=tuple(sorted(lost - {*change.regained_zones})),
        selectors=_replaced(rules.selectors, change.selectors, change.removed_selectors),
        groups=_replaced(rules.groups, change.groups, change.removed_groups),
        instance_groups=_replaced(
            rules.instance_groups, change.instance_groups, change.removed_instance_groups
        ),
    )
    for fault in rules_faults(after):
        faults.add(_in_the_change(fault.field, change), fault.text, fault.hint)
    complaint = size_complaint(after)
    if complaint is not None:
        faults.add("", *complaint)
    return faults.all() or after


def size_complaint(rules: PlacementRules) -> Complaint | None:
    """What is wrong with rules that would not fit into one record of the cell log."""
    size = len(msgspec.json.encode(rules))
    if size <= RULES_BYTES_MAX:
        return None
    text = f"is {size} bytes long as an event; at most {RULES_BYTES_MAX} are taken"
    return text, "name fewer groups or selectors"


def _replaced(
    there: Iterable[Named], given: Iterable[Named], removed: Iterable[str]
) -> tuple[Named, ...]:
    """The entries by name, with those given in place of theirs."""
    by_name = {each.name: each for each in (*there, *given)}
    for name in removed:
        by_name.pop(name, None)
    return tuple(by_name[name] for name in sorted(by_name))


def _in_the_change(field: str, change: RulesChangeAsked) -> str:
    """A path of the rules as the path in the change that made it wrong, where it did."""
    for section, name, entries in (
        ("selectors", "setSelectors", change.selectors),
        ("groups", "setGroups", change.groups),
        ("instance_groups", "setInstanceGroups", change.instance_groups),
    ):
        for each in entries:
            path = path_below(section, each.name)
            if field == path or field.startswith((f"{path}.", f"{path}[")):
                return name + field.removeprefix(section)
    return field


def version_fault(version: int, wanted: int | None) -> Fault | None:
    """The fault of a change that was made for another version of the policy."""
    if wanted is None or wanted == version:
        return None
    return Fault(
        field="ifVersion",
        text=f"is {wanted}, and the cell has policy version {version}",
        hint="somebody has changed it since; look at the difference and order it again",
        code="version",
    )
