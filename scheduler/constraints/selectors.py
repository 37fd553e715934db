"""Operators' rules on top of what jobs ask for (Titus S19: system selectors).

The one thing to know: a rule that must hold becomes a hard constraint of the request, one that
should hold a soft one. From there on nobody tells them from the job's own, but in words.
"""

from scheduler.model.constraint import Constraint
from scheduler.model.rules import InstanceGroup, PlacementRules, Selector


def is_for(selector: Selector, tier: str, group: str, application: str) -> bool:
    """Whether the rule is about jobs of this tier, group and application; no list is all."""
    return (
        (not selector.tiers or tier in selector.tiers)
        and (not selector.groups or group in selector.groups)
        and (not selector.applications or application in selector.applications)
    )


def selected(
    rules: PlacementRules, tier: str, group: str, application: str
) -> tuple[tuple[Constraint, ...], tuple[Constraint, ...]]:
    """What operators add for such a job: hard constraints, and soft ones, in the rules' order."""
    found = [each for each in rules.selectors if is_for(each, tier, group, application)]
    return (
        tuple(each.constraint for each in found if each.strength == "must"),
        tuple(each.constraint for each in found if each.strength == "should"),
    )


def tier_constraints(rules: PlacementRules, tier: str) -> tuple[Constraint, ...]:
    """What groups of hosts that are kept for tiers add for a job of this tier: away from others'.

    It depends on the host's attribute alone, so an index asks once for each set of equal ones.
    """
    others = tuple(sorted(each.name for each in rules.instance_groups if _is_others(each, tier)))
    if not others:
        return ()
    return (Constraint("hostAttributeUnlike", rules.machine_group_attribute, others),)


def _is_others(group: InstanceGroup, tier: str) -> bool:
    return group.tier not in {"", tier}
