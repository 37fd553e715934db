"""Rules that were made without a document cannot hold together either: what is named, and how.

A document is a map, so that nothing in it is twice; a record of the log, or a program, may say so.
"""

from typing import Any

import pytest
from msgspec.structs import replace

from scheduler.model.constraint import Constraint
from scheduler.model.policy import Policy
from scheduler.model.rules import Amount, CapacityGroup, InstanceGroup, Selector
from scheduler.model.rules_document.checks import rules_faults

RULES = Policy().placement
TIER = RULES.tiers[0].name
NEAR = Selector("s", "must", Constraint("nearJob", "", ("a job",)))


def told(**fields: Any) -> list[tuple[str, str]]:
    """Where something is wrong, and what."""
    return [(each.field, each.text) for each in rules_faults(replace(RULES, **fields))]


def groups(*given: CapacityGroup) -> tuple[CapacityGroup, ...]:
    """Groups beside those that there are."""
    return (*RULES.groups, *given)


def test_rules_as_they_are_hold_together() -> None:
    assert told() == []


def test_names_that_are_given_twice() -> None:
    twice = groups(CapacityGroup("g", TIER), CapacityGroup("g", TIER))
    assert told(groups=twice) == [("groups.g", "is given twice")]
    pair = (replace(NEAR, constraint=Constraint("uniqueHost")),) * 2
    assert told(selectors=pair) == [("selectors.s", "is given twice")]
    hosts = (InstanceGroup("blue"), InstanceGroup("blue"))
    assert told(instance_groups=hosts) == [("instance_groups.blue", "is given twice")]


def test_weights_of_a_profile_are_known_and_not_below_0() -> None:
    first = RULES.profiles[0]
    worse = replace(first, weights=(*first.weights, ("packing", -1)))
    profiles = (worse, *RULES.profiles[1:])
    (found,) = told(profiles=profiles)
    assert found[0].endswith(".weights.packing")
    assert found[1] == "is -1; it must be 0 or more"


@pytest.mark.parametrize(
    ("fields", "where", "what"),
    [
        ({"weight": 0}, "weight", "is 0; it must be 1 or more"),
        ({"service_size_max": -1}, "service_size_max", "is below 0"),
        ({"red_black": -1}, "instances", "is below 0"),
        ({"guarantee": Amount(cpu_milli=-1)}, "guarantee.cpu", "is below 0"),
        ({"limit": Amount(cpu_milli=-1)}, "limit.cpu", "is below 0"),
        ({"instances": 2}, "instance", "is missing, and instances of it are counted"),
    ],
)
def test_numbers_of_a_group(fields: dict[str, Any], where: str, what: str) -> None:
    found = told(groups=groups(CapacityGroup("g", TIER, **fields)))
    assert (f"groups.g.{where}", what) in found


def test_a_limit_below_the_guarantee() -> None:
    group = CapacityGroup("g", TIER, Amount(cpu_milli=2_000), Amount(cpu_milli=1_000))
    ((where, what),) = told(groups=groups(group))
    assert where == "groups.g.limit.cpu"
    assert "below the guarantee of " in what


def test_whom_a_selector_is_for_and_what_it_constrains() -> None:
    for_none = replace(NEAR, constraint=Constraint("uniqueHost"), tiers=("no",), groups=("none",))
    assert told(selectors=(for_none,)) == [
        ("selectors.s.for.tiers", "names 'no', which is none of the tiers"),
        ("selectors.s.for.groups", "names 'none', which is none of the groups"),
    ]
    ((where, what),) = told(selectors=(NEAR,))
    assert where == "selectors.s.constraint.values[0]"
    assert what.startswith("may hold only letters, digits")
    counted = replace(NEAR, constraint=Constraint("uniqueHost", "", ("x",)))
    assert told(selectors=(counted,)) == [
        ("selectors.s.constraint.values", "has 1 entries; uniqueHost takes no value")
    ]
    needless = replace(NEAR, constraint=Constraint("uniqueHost", "rack"))
    assert told(selectors=(needless,)) == [
        ("selectors.s.constraint.attribute", "says nothing with uniqueHost")
    ]
    lacking = replace(NEAR, constraint=Constraint("hostAttribute", "", ("x",)))
    assert told(selectors=(lacking,)) == [("selectors.s.constraint.attribute", "is missing")]


def test_a_group_of_hosts_of_no_tier() -> None:
    ((where, what),) = told(instance_groups=(InstanceGroup("blue", tier="no"),))
    assert where == "instance_groups.blue.tier"
    assert "'no'" in what
