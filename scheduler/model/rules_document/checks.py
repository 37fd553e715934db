"""What must hold between the parts of a policy: names that exist, sums that fit, no circles.

The one thing to know: these are checked on the rules themselves, and not on a text. So the reader
of a file, the command of one switch and the fold at the command's own place ask the same.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from scheduler.model.inbound import Fault
from scheduler.model.reading.checks import job_id_check
from scheduler.model.reading.faults import Faults, nearest_name, path_below, shown_text
from scheduler.model.rules import (
    FITNESS_NAMES,
    Amount,
    CapacityGroup,
    PlacementRules,
    Selector,
)
from scheduler.model.rules_document.known import DEFAULT_GROUP
from scheduler.model.rules_document.quantities import (
    BANDWIDTH,
    MEMORY,
    quantity_text,
    thousandths_number,
)

AMOUNTS: Final[Mapping[str, str]] = {
    "cpu_milli": "cpu",
    "memory_mib": "memory",
    "disk_mib": "disk",
    "network_mbps": "network",
    "gpus": "gpus",
}
"""Fields of `Amount` and their names in the document."""
_VALUES_OF_KIND: Final[Mapping[str, tuple[bool, int, int]]] = {
    "activeHost": (False, 0, 0),
    "availabilityZone": (False, 1, 1),
    "awayFromJob": (False, 1, 1_000),
    "balancedAttribute": (True, 0, 0),
    "exclusiveHost": (False, 0, 0),
    "hostAttribute": (True, 1, 1),
    "hostAttributeIn": (True, 1, 1_000),
    "hostAttributeUnlike": (True, 1, 1_000),
    "machineGroup": (False, 1, 1),
    "machineId": (False, 1, 1),
    "machineType": (False, 1, 1),
    "nearJob": (False, 1, 1_000),
    "nearVolume": (False, 1, 1_000),
    "toleration": (False, 1, 1_000),
    "uniqueHost": (False, 0, 0),
    "zoneBalance": (False, 0, 0),
}
"""Whether a kind needs an attribute; how many values it takes, at least and at most."""
_OF_ANOTHER_JOB: Final = frozenset(("awayFromJob", "nearJob"))
"""An attribute may be named with these, and then means "of the same value"."""


def rules_faults(rules: PlacementRules, path: str = "") -> tuple[Fault, ...]:
    """Everything for which these rules cannot hold together; none where they can."""
    faults = Faults()
    for field, text, hint in (
        *_profiles(rules),
        *_tiers(rules),
        *_groups(rules),
        *_selectors(rules),
        *_instance_groups(rules),
        *_plugins(rules),
        *_zones(rules),
    ):
        faults.add(f"{path}.{field}" if path else field, text, hint)
    return faults.all()


Said = tuple[str, str, str]
"""Field, text, hint."""


def _doubled(names: list[str]) -> list[str]:
    return sorted({each for each in names if names.count(each) > 1})


def _profiles(rules: PlacementRules) -> Iterator[Said]:
    ours = {each.name for each in rules.plugins if each.kind == "fitness"}
    names = {*FITNESS_NAMES, *ours}
    if not rules.profiles:
        yield "profiles", "is empty", "name at least one profile"
    for profile in rules.profiles:
        path = f"{path_below('profiles', profile.name)}.weights"
        for name, weight in profile.weights:
            if name not in names:
                yield path_below(path, name), "is no fitness function", nearest_name(name, names)
            if weight < 0:
                yield path_below(path, name), f"is {weight}; it must be 0 or more", "give 0 or more"
        if not any(weight > 0 for _, weight in profile.weights):
            yield path, "has no weight above 0", "every host would be as good as any other"


def _tiers(rules: PlacementRules) -> Iterator[Said]:
    names = [each.name for each in rules.tiers]
    profiles = {each.name for each in rules.profiles}
    if not names:
        yield "tiers", "is empty", "name at least one tier"
    for name in _doubled(names):
        yield "tiers", f"names {shown_text(name)} twice", "keep one of them"
    for place, tier in enumerate(rules.tiers):
        path = f"tiers[{place}]"
        for field in ("service_profile", "batch_profile"):
            name = getattr(tier, field)
            if profiles and name not in profiles:
                text = f"is {shown_text(name)}, which is no profile"
                yield f"{path}.{field}", text, nearest_name(name, profiles)
        for name in tier.may_preempt:
            if name == tier.name:
                text = "names the tier itself: its tasks would end each other"
                yield f"{path}.may_preempt", text, "remove it"
            elif name not in names:
                text = f"names {shown_text(name)}, which is no tier"
                yield f"{path}.may_preempt", text, nearest_name(name, names)
        if _preempts(rules, tier.name, tier.name) and tier.name not in tier.may_preempt:
            text = "goes in a circle: tiers would end each other's tasks without end"
            yield f"{path}.may_preempt", text, "let a tier preempt only less urgent ones"


def _preempts(rules: PlacementRules, tier: str, other: str) -> bool:
    """Whether ``tier`` may end tasks of ``other``, by itself or through others."""
    victims = {each.name: each.may_preempt for each in rules.tiers}
    seen: set[str] = set()
    waiting = list(victims.get(tier, ()))
    while waiting:
        name = waiting.pop()
        if name == other:
            return True
        if name not in seen:
            seen.add(name)
            waiting += victims.get(name, ())
    return False


def _groups(rules: PlacementRules) -> Iterator[Said]:
    tiers = {each.name for each in rules.tiers}
    names = [each.name for each in rules.groups]
    by_name = {each.name: each for each in rules.groups}
    for name in _doubled(names):
        yield path_below("groups", name), "is given twice", "keep one of them"
    if DEFAULT_GROUP not in by_name:
        hint = "a job of a group that is not listed counts as one of DEFAULT"
        yield path_below("groups", DEFAULT_GROUP), "is missing", hint
    children: dict[str, list[CapacityGroup]] = {}
    for group in rules.groups:
        path = path_below("groups", group.name)
        if group.tier not in tiers:
            text = f"is {shown_text(group.tier)}, which is no tier"
            yield f"{path}.tier", text, nearest_name(group.tier, tiers)
        if group.weight < 1:
            yield f"{path}.weight", f"is {group.weight}; it must be 1 or more", "give 1 or more"
        yield from _limit_faults(path, group)
        yield from _instance_faults(path, group)
        if group.parent:
            yield from _parent_faults(path, group, by_name)
            children.setdefault(group.parent, []).append(group)
    for name, shares in sorted(children.items()):
        if name in by_name:
            yield from _share_faults(by_name[name], shares)


def _limit_faults(path: str, group: CapacityGroup) -> Iterator[Said]:
    for field, name in AMOUNTS.items():
        least, most = getattr(group.guarantee, field), getattr(group.limit, field)
        if least is not None and most is not None and most < least:
            text = f"is {amount_text(field, most)}, below the guarantee of "
            yield f"{path}.limit.{name}", text + amount_text(field, least), "raise one, lower one"
        for what, value in (("guarantee", least), ("limit", most)):
            if value is not None and value < 0:
                yield f"{path}.{what}.{name}", "is below 0", "give 0 or more"


def _instance_faults(path: str, group: CapacityGroup) -> Iterator[Said]:
    if group.service_size_max < 0:
        yield f"{path}.service_size_max", "is below 0", "give 0 or more"
    if group.instances < 0 or group.red_black < 0:
        yield f"{path}.instances", "is below 0", "give 0 or more"
    if not amounts_given(group.instance):
        if group.instances or group.red_black:
            text = "is missing, and instances of it are counted"
            yield f"{path}.instance", text, "say what one of them needs"
        return
    product = times(group.instance, group.instances)
    for field, name in AMOUNTS.items():
        least, made = getattr(group.guarantee, field), getattr(product, field)
        if group.instances and (least or 0) != (made or 0):
            text = f"is {amount_text(field, least or 0)}, and its instances come to "
            hint = "leave the guarantee out where instances are given"
            yield f"{path}.guarantee.{name}", text + amount_text(field, made or 0), hint


def times(amount: Amount, count: int) -> Amount:
    """So many times the amount; what is not counted is not counted then, either."""
    given = {field: value * count for field, value in amounts_given(amount).items()}
    return Amount(**given)


def _parent_faults(
    path: str, group: CapacityGroup, by_name: Mapping[str, CapacityGroup]
) -> Iterator[Said]:
    parent = by_name.get(group.parent)
    if parent is None:
        text = f"is {shown_text(group.parent)}, which is no group"
        yield f"{path}.parent", text, nearest_name(group.parent, by_name)
        return
    if parent.tier != group.tier:
        text = f"is of tier {shown_text(parent.tier)}, and this one of {shown_text(group.tier)}"
        yield f"{path}.parent", text, "a group shares the guarantee of one of its own tier"
    seen = {group.name}
    above: CapacityGroup | None = parent
    while above is not None and above.name not in seen:
        seen.add(above.name)
        above = by_name.get(above.parent)
    if above is not None and above.name == group.name:
        yield f"{path}.parent", "goes in a circle", "one of the groups must stand at the top"


def _share_faults(parent: CapacityGroup, shares: list[CapacityGroup]) -> Iterator[Said]:
    path = path_below("groups", parent.name)
    for field, name in AMOUNTS.items():
        total = sum(getattr(each.guarantee, field) or 0 for each in shares)
        most = getattr(parent.guarantee, field) or 0
        if total > most:
            text = f"is {amount_text(field, most)}, and its groups are guaranteed "
            hint = f"give at least {amount_text(field, total)}, or guarantee them less"
            yield f"{path}.guarantee.{name}", text + amount_text(field, total), hint


def amount_text(field: str, value: int) -> str:
    """An amount as the document writes it."""
    if field == "cpu_milli":
        return str(thousandths_number(value))
    if field.endswith("_mib"):
        return quantity_text(value, MEMORY)
    return quantity_text(value, BANDWIDTH) if field == "network_mbps" else str(value)


def amounts_given(amount: Amount) -> dict[str, int]:
    """The fields of an amount that are counted."""
    found = {field: getattr(amount, field) for field in AMOUNTS}
    return {field: value for field, value in found.items() if value is not None}


def _selectors(rules: PlacementRules) -> Iterator[Said]:
    tiers = {each.name for each in rules.tiers}
    groups = {each.name for each in rules.groups}
    for name in _doubled([each.name for each in rules.selectors]):
        yield path_below("selectors", name), "is given twice", "keep one of them"
    for selector in rules.selectors:
        path = path_below("selectors", selector.name)
        yield from _constraint_faults(f"{path}.constraint", selector)
        for field, names, known in (
            ("tiers", selector.tiers, tiers),
            ("groups", selector.groups, groups),
        ):
            for name in names:
                if name not in known:
                    text = f"names {shown_text(name)}, which is none of the {field}"
                    yield f"{path}.for.{field}", text, nearest_name(name, known)


def _constraint_faults(path: str, selector: Selector) -> Iterator[Said]:
    constraint = selector.constraint
    needs_attribute, least, most = _VALUES_OF_KIND[constraint.kind]
    if needs_attribute and not constraint.attribute:
        yield f"{path}.attribute", "is missing", f"{constraint.kind} needs the name of an attribute"
    if constraint.attribute and not needs_attribute and constraint.kind not in _OF_ANOTHER_JOB:
        yield f"{path}.attribute", f"says nothing with {constraint.kind}", "leave it out"
    count = len(constraint.values)
    if not least <= count <= most:
        wanted = "no value" if not most else f"{least} value" if most == least else "1 or more"
        text = f"has {count} entries; {constraint.kind} takes {wanted}"
        yield f"{path}.values", text, "see docs/placement/policy.md"
    elif constraint.kind in _OF_ANOTHER_JOB:
        for place, value in enumerate(constraint.values):
            complaint = job_id_check(value)
            if complaint is not None:
                yield f"{path}.values[{place}]", *complaint


def _instance_groups(rules: PlacementRules) -> Iterator[Said]:
    tiers = {each.name for each in rules.tiers}
    for name in _doubled([each.name for each in rules.instance_groups]):
        yield path_below("instance_groups", name), "is given twice", "keep one of them"
    for group in rules.instance_groups:
        if group.tier and group.tier not in tiers:
            path = f"{path_below('instance_groups', group.name)}.tier"
            text = f"is {shown_text(group.tier)}, which is no tier"
            yield path, text, nearest_name(group.tier, tiers)


def _plugins(rules: PlacementRules) -> Iterator[Said]:
    seen: set[tuple[str, str]] = set()
    for place, plugin in enumerate(rules.plugins):
        path = f"plugins[{place}]"
        if (plugin.kind, plugin.name) in seen:
            yield f"{path}.name", f"names {shown_text(plugin.name)} twice", "keep one of them"
        seen.add((plugin.kind, plugin.name))
        if plugin.kind == "fitness" and plugin.name in FITNESS_NAMES:
            text = f"is {shown_text(plugin.name)}, the name of a function of our own"
            yield f"{path}.name", text, "the plug-in has to call its entry point something else"
        for field in ("name", "distribution", "version"):
            if not getattr(plugin, field):
                yield f"{path}.{field}", "is missing", "it is required"


def _zones(rules: PlacementRules) -> Iterator[Said]:
    for name in _doubled(list(rules.lost_zones)):
        yield "lost_zones", f"names {shown_text(name)} twice", "keep one of them"
