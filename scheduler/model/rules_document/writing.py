"""The document of a policy: the same keys and units as people write, in the order of the file.

The one thing to know: reading what this wrote gives the same policy. Everything is written out,
defaults included, so that a change of a default in a later build changes nobody's policy.
"""

from typing import Any

from scheduler.model.constraint import Constraint
from scheduler.model.policy import NUMBERS, Policy
from scheduler.model.rules import (
    Amount,
    CapacityGroup,
    InstanceGroup,
    PlacementRules,
    Profile,
    Selector,
)
from scheduler.model.rules_document.checks import AMOUNTS, amounts_given
from scheduler.model.rules_document.known import document_name, simple_fields, written_simple
from scheduler.model.rules_document.quantities import (
    BANDWIDTH,
    MEMORY,
    quantity_text,
    thousandths_number,
)
from scheduler.model.rules_document.reading import ATTRIBUTES, GUARDS
from scheduler.model.rules_document.windows import window_text

Document = dict[str, Any]
"""What JSON and YAML can write."""


def policy_document(policy: Policy) -> Document:
    """The whole document of a policy."""
    rules = policy.placement
    return {
        **_switches(rules),
        "profiles": {each.name: _profile(each) for each in rules.profiles},
        "tiers": [
            {
                "name": each.name,
                "service_profile": each.service_profile,
                "batch_profile": each.batch_profile,
                "may_preempt": list(each.may_preempt),
                "buffer_percent": each.buffer_percent,
                "buffer": _amount(each.buffer),
            }
            for each in rules.tiers
        ],
        "groups": {each.name: group_document(each) for each in rules.groups},
        "guards": {
            document_name(name): written_simple(name, getattr(rules.guards, name))
            for name in GUARDS
        },
        "evictions": {
            "windows": [window_text(each) for each in rules.evictions.windows],
            "exempt": list(rules.evictions.exempt),
        },
        "selectors": {each.name: selector_document(each) for each in rules.selectors},
        "plugins": [
            {
                "kind": each.kind,
                "name": each.name,
                "distribution": each.distribution,
                "version": each.version,
            }
            for each in rules.plugins
        ],
        "instance_groups": {
            each.name: instance_group_document(each) for each in rules.instance_groups
        },
        "limits": {
            document_name(name): written_simple(name, getattr(policy, name)) for name in NUMBERS
        },
    }


def _switches(rules: PlacementRules) -> Document:
    return {
        "mode": rules.mode,
        "lost_zones": list(rules.lost_zones),
        **{
            document_name(name): written_simple(name, getattr(rules, name))
            for name in simple_fields(PlacementRules)
        },
        "attributes": {document_name(name): getattr(rules, name) for name in ATTRIBUTES},
    }


def _profile(profile: Profile) -> Document:
    written: Document = {
        "weights": dict(profile.weights),
        "soft_weight": profile.soft_weight,
    }
    if profile.good_enough is not None:
        written["good_enough"] = profile.good_enough
    return written


def group_document(group: CapacityGroup) -> Document:
    """The entry of a capacity group, without its name."""
    written: Document = {"tier": group.tier}
    if group.parent:
        written["parent"] = group.parent
    written["weight"] = group.weight
    for name, amount in (("guarantee", group.guarantee), ("limit", group.limit)):
        written[name] = _amount(amount)
    if group.instances or amounts_given(group.instance):
        written |= {"instance": _amount(group.instance), "instances": group.instances}
    if group.red_black:
        written["red_black"] = group.red_black
    if group.service_size_max:
        written["service_size_max"] = group.service_size_max
    return written


def _amount(amount: Amount) -> Document:
    return {
        AMOUNTS[field]: _amount_value(field, value)
        for field, value in amounts_given(amount).items()
    }


def _amount_value(field: str, value: int) -> str | int | float:
    match field:
        case "cpu_milli":
            return thousandths_number(value)
        case "memory_mib" | "disk_mib":
            return quantity_text(value, MEMORY)
        case "network_mbps":
            return quantity_text(value, BANDWIDTH)
        case _:
            return value


def selector_document(selector: Selector) -> Document:
    """The entry of an operator's selector, without its name."""
    whom = {
        "tiers": list(selector.tiers),
        "groups": list(selector.groups),
        "applications": list(selector.applications),
    }
    written: Document = {
        "strength": selector.strength,
        "constraint": _constraint(selector.constraint),
        "for": {name: names for name, names in whom.items() if names},
    }
    if selector.reason:
        written["reason"] = selector.reason
    return written


def instance_group_document(group: InstanceGroup) -> Document:
    """The entry of a group of hosts, without its name."""
    written: Document = {"lifecycle": group.lifecycle}
    if group.tier:
        written["tier"] = group.tier
    if group.attributes:
        written["attributes"] = dict(group.attributes)
    return written


def _constraint(constraint: Constraint) -> Document:
    written: Document = {"kind": constraint.kind}
    if constraint.attribute:
        written["attribute"] = constraint.attribute
    if constraint.values:
        written["values"] = list(constraint.values)
    if constraint.weight != 1:
        written["weight"] = constraint.weight
    return written
