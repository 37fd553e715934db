"""A policy's document: what cannot hold together is named, one line a case; units are exact."""

from typing import Any

import pytest

from scheduler.model.policy import Policy
from scheduler.model.reading.faults import Faults
from scheduler.model.rules import CapacityGroup, PlacementRules
from scheduler.model.rules_document.checks import rules_faults
from scheduler.model.rules_document.difference import Difference, differences
from scheduler.model.rules_document.quantities import (
    BANDWIDTH,
    DURATION,
    MEMORY,
    Scale,
    quantity_of,
    quantity_text,
)
from scheduler.model.rules_document.reading import read_policy

FLEX = {"tier": "Flex"}
PROFILES: dict[str, Any] = {
    "pack": {"weights": {"packing": 1}},
    "spread": {"weights": {"jobSpread": 1}},
}
PLUGIN = {"kind": "fitness", "name": "mine", "distribution": "acme", "version": "1.0"}


def group(**fields: Any) -> dict[str, Any]:
    """Groups with one more than DEFAULT."""
    return {"groups": {"DEFAULT": FLEX, "g": {**FLEX, **fields}}}


def family(parent: dict[str, Any], *shares: dict[str, Any]) -> dict[str, Any]:
    """A group and others that share its guarantee."""
    children = {
        f"c{at}": {**FLEX, "parent": "p", "guarantee": each} for at, each in enumerate(shares)
    }
    return {"groups": {"DEFAULT": FLEX, "p": {**FLEX, "guarantee": parent}, **children}}


def tiers(*given: tuple[str, list[str]]) -> dict[str, Any]:
    """Tiers with whom they may preempt."""
    return {
        "tiers": [
            {"name": n, "service_profile": "spread", "batch_profile": "pack", "may_preempt": v}
            for n, v in given
        ],
        "groups": {"DEFAULT": {"tier": given[0][0]}},
    }


def with_profile(weights: dict[str, int]) -> dict[str, Any]:
    """Profiles with one more, of these weights."""
    return {**PROFILES, "x": {"weights": weights}}


def selector(**fields: Any) -> dict[str, Any]:
    """One selector."""
    constraint = {"kind": "availabilityZone", "values": ["a"]}
    return {"selectors": {"s": {"strength": "must", "constraint": constraint, **fields}}}


@pytest.mark.parametrize(
    ("document", "field", "words"),
    [
        ({"mode": 1}, "mode", "is 1; one of normal, failover"),
        ({"profiles": {}}, "profiles", "is empty"),
        ({"profiles": {**PROFILES, "x": {}}}, "profiles.x.weights", "is missing"),
        ({"profiles": {**PROFILES, "x": {"weights": {}}}}, "profiles.x.weights", "no weight above"),
        (
            {"profiles": {**PROFILES, "x": {"weights": {"cpu": 1}, "good_enough": 1_001}}},
            "profiles.x.good_enough",
            "from 1 to 1000",
        ),
        ({"profiles": {"pack": PROFILES["pack"]}}, "tiers[0].service_profile", "no profile"),
        (tiers(("T", ["T"])), "tiers[0].may_preempt", "the tier itself"),
        (tiers(("T", ["U"]), ("U", ["T"])), "tiers[0].may_preempt", "goes in a circle"),
        (tiers(("T", ["U"]), ("U", ["V"]), ("V", ["T"])), "tiers[2].may_preempt", "in a circle"),
        (tiers(("T", ["X"])), "tiers[0].may_preempt", "is no tier"),
        (tiers(("T", []), ("T", [])), "tiers", "names 'T' twice"),
        ({"tiers": []}, "tiers", "is empty"),
        ({"groups": {"g": FLEX}}, "groups.DEFAULT", "is missing"),
        ({"groups": {"DEFAULT": {}}}, "groups.DEFAULT.tier", "is missing"),
        (group(tier="flex"), "groups.g.tier", "is no tier"),
        (group(weight=0), "groups.g.weight", "from 1 to"),
        (group(parent="h"), "groups.g.parent", "is no group"),
        (group(parent="g"), "groups.g.parent", "in a circle"),
        (group(tier="Critical", parent="DEFAULT"), "groups.g.parent", "is of tier 'Flex'"),
        (group(limit={"gpus": 1}, guarantee={"gpus": 2}), "groups.g.limit.gpus", "is 1, below"),
        (group(guarantee={"cpus": 1}), "groups.g.guarantee.cpus", "is an unknown field"),
        (group(guarantee={"cpu": -1}), "groups.g.guarantee.cpu", "it must be from 0"),
        (
            family({"memory": "3 GiB"}, {"memory": "2 GiB"}, {"memory": "1025 MiB"}),
            "groups.p.guarantee.memory",
            "is 3 GiB, and its groups are guaranteed 3073 MiB",
        ),
        (family({}, {"gpus": 1}), "groups.p.guarantee.gpus", "is 0, and its groups"),
        (selector(strength="may"), "selectors.s.strength", "one of must, should"),
        (
            selector(constraint={"kind": "zone", "values": ["a"]}),
            "selectors.s.constraint.kind",
            "one of",
        ),
        (
            selector(constraint={"kind": "uniqueHost", "values": ["a"]}),
            "selectors.s.constraint.values",
            "takes no value",
        ),
        (
            selector(constraint={"kind": "hostAttribute", "values": ["a"]}),
            "selectors.s.constraint.attribute",
            "is missing",
        ),
        (
            selector(constraint={"kind": "activeHost", "attribute": "a"}),
            "selectors.s.constraint.attribute",
            "says nothing",
        ),
        (
            selector(constraint={"kind": "nearJob", "values": ["ok", "a/b"]}),
            "selectors.s.constraint.values[1]",
            "",
        ),
        (selector(**{"for": {"groups": ["x"]}}), "selectors.s.for.groups", "none of the groups"),
        (selector(**{"for": {"jobs": ["x"]}}), "selectors.s.for.jobs", "unknown field"),
        ({"plugins": [PLUGIN, PLUGIN]}, "plugins[1].name", "names 'mine' twice"),
        ({"plugins": [{**PLUGIN, "name": "packing"}]}, "plugins[0].name", "of our own"),
        ({"plugins": [{**PLUGIN, "version": None}]}, "plugins[0].version", "is missing"),
        ({"plugins": [{**PLUGIN, "kind": "x"}]}, "plugins[0].kind", "one of fitness, constraint"),
        ({"lost_zones": ["a", "a"]}, "lost_zones", "names 'a' twice"),
        ({"guards": {"quality_least": 1.5}}, "guards.quality_least", "from 0 to 1"),
        ({"guards": 5}, "guards", "an object is needed"),
        ({"limits": {"orphans_max": 0}}, "limits.orphans_max", "would stop the cell"),
        ({"limits": {"orphan_max": 5}}, "limits.orphan_max", "is an unknown field"),
    ],
)
def test_what_cannot_hold_is_named(document: Any, field: str, words: str) -> None:
    faults = Faults()
    read_policy(document, faults)
    found = {each.field: each for each in faults.all()}
    assert field in found, found
    assert words in found[field].text
    assert len(faults.all()) <= 3, "one mistake is not told many times"


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"plugins": [PLUGIN], "profiles": with_profile({"mine": 1})},
        family({"cpu": 3}, {"cpu": 1.5}, {"cpu": 1.5}, {}),
        group(limit={"gpus": 2}, guarantee={"gpus": 2}),
        tiers(("T", ["U", "V"]), ("U", ["V"]), ("V", [])),
        selector(constraint={"kind": "nearJob", "values": ["a", "b"], "attribute": "rack"}),
        {"guards": {"quality_least": 0, "quality_window": 0}},
        {"mode": None, "groups": None},
    ],
)
def test_what_can_hold_is_taken(document: Any) -> None:
    faults = Faults()
    policy = read_policy(document, faults)
    assert not faults, faults.all()
    assert rules_faults(policy.placement) == ()


def test_a_crowd_of_faults_is_cut_and_counted() -> None:
    faults = Faults()
    read_policy({f"x{at}": 1 for at in range(100)}, faults)
    assert len(faults.all()) == 33
    assert faults.all()[-1].text.startswith("has ")


@pytest.mark.parametrize(
    ("text", "scale", "wanted"),
    [
        ("5 min", DURATION, 300_000),
        ("1.5s", DURATION, 1_500),
        ("0", DURATION, 0),
        ("2 d", DURATION, 172_800_000),
        ("64 GiB", MEMORY, 65_536),
        ("1.5 GiB", MEMORY, 1_536),
        ("1024 KiB", MEMORY, 1),
        ("1 PiB", MEMORY, 1 << 30),
        ("10 Gbit/s", BANDWIDTH, 10_000),
        ("1000 kbit/s", BANDWIDTH, 1),
    ],
)
def test_units_are_exact(text: str, scale: Scale, wanted: int) -> None:
    assert quantity_of(text, scale) == wanted
    assert quantity_of(quantity_text(wanted, scale), scale) == wanted


@pytest.mark.parametrize(
    ("text", "scale", "hint"),
    [
        ("5", DURATION, "units here: ms, s, min, h, d"),
        ("5 Min", DURATION, "did you mean 'min'?"),
        ("0.5 ms", DURATION, "give 0 ms or 1 ms"),
        ("1 KiB", MEMORY, "give 0 MiB or 1 MiB"),
        ("1 GB", MEMORY, "units here: KiB, MiB, GiB, TiB, PiB"),
        ("-1 GiB", MEMORY, "such as 64 GiB"),
        ("1e3 s", DURATION, "such as 5 min"),
        ("999999999999999 d", DURATION, "at most 1000000000000000 ms"),
        ("५ min", DURATION, "such as 5 min"),
    ],
)
def test_what_is_no_quantity_says_what_would_be_one(text: str, scale: Scale, hint: str) -> None:
    found = quantity_of(text, scale)
    assert isinstance(found, tuple)
    assert found[1] == hint


def test_differences_are_told_by_path_in_the_words_of_the_file() -> None:
    rules = PlacementRules()
    critical, flex = rules.tiers
    after = Policy(
        offer_hold_ms=90_000,
        placement=PlacementRules(
            mode="failover",
            tiers=(flex, critical),
            groups=(*rules.groups, CapacityGroup("video", "Flex", weight=2)),
        ),
    )
    found = differences(Policy(), after)
    assert found[0] == Difference("mode", "normal", "failover")
    assert found[1] == Difference("tiers", ["Critical", "Flex"], ["Flex", "Critical"])
    assert found[2].path == "groups.video"
    assert (found[2].before, found[2].after["weight"]) == (None, 2)
    assert found[3:] == (Difference("limits.offer_hold", "2 min", "90 s"),)
    assert differences(after, after) == ()
