"""What constraints say of a host by its attributes: one line a case.

How: a table of constraint, attributes and the words of the refusal; no words means that it passes.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from scheduler.constraints import fixed, moving
from scheduler.model.constraint import Constraint, ConstraintKind
from scheduler.model.ids import HostId
from scheduler.model.rules import FITNESS_MAX, PlacementRules

HOST = HostId("S1")
RULES = PlacementRules(zone_attribute="az", machine_type_attribute="kind")


def refusal(constraint: Constraint, attributes: Mapping[str, str]) -> str:
    """What the constraint says of a host with these attributes."""
    return fixed.refusal(constraint, attributes, HOST, "host1.example.org", RULES)


@pytest.mark.parametrize(
    ("kind", "attribute", "values", "attributes", "words"),
    [
        ("availabilityZone", "", ("a",), {"az": "a"}, ""),
        ("availabilityZone", "", ("a",), {"az": "b"}, "az is 'b', 'a' is wanted"),
        ("availabilityZone", "", ("a",), {"zone": "a"}, "it has no attribute az, 'a' is wanted"),
        ("machineType", "", ("m4",), {"kind": "m4"}, ""),
        ("machineType", "", ("m4",), {"kind": "M4"}, "kind is 'M4', 'm4' is wanted"),
        ("machineGroup", "", ("asg-1",), {"group": "asg-1"}, ""),
        ("machineGroup", "", ("asg-1",), {}, "it has no attribute group, 'asg-1' is wanted"),
        ("machineId", "", ("S1",), {}, ""),
        ("machineId", "", ("host1.example.org",), {}, ""),
        ("machineId", "", ("S2",), {}, "the host is 'host1.example.org', 'S2' is wanted"),
        ("hostAttribute", "rack", ("r1",), {"rack": "r1"}, ""),
        ("hostAttribute", "rack", ("r1",), {"rack": "r2"}, "rack is 'r2', 'r1' is wanted"),
        ("hostAttributeIn", "rack", ("r1", "r2"), {"rack": "r2"}, ""),
        ("hostAttributeIn", "rack", ("r1", "r2"), {"rack": "r3"},
         "rack is 'r3', 'r1' or 'r2' is wanted"),
        ("hostAttributeUnlike", "rack", ("r1",), {"rack": "r2"}, ""),
        ("hostAttributeUnlike", "rack", ("r1",), {}, ""),
        ("hostAttributeUnlike", "rack", ("r1",), {"rack": "r1"}, "rack is 'r1', which is unwanted"),
        ("nearVolume", "", ("data",), {"volumes": "logs, data"}, ""),
        ("nearVolume", "", ("data",), {"volumes": "database"}, "it has no volume 'data'"),
        ("nearVolume", "", ("data",), {}, "it has no volume 'data'"),
        ("toleration", "", ("gpu",), {}, ""),
        ("toleration", "", ("gpu",), {"taints": "noisy"}, ""),
    ],
)  # fmt: skip
def test_what_a_constraint_says(
    kind: ConstraintKind,
    attribute: str,
    values: tuple[str, ...],
    attributes: dict[str, str],
    words: str,
) -> None:
    constraint = Constraint(kind, attribute, values)
    assert refusal(constraint, attributes) == words
    fitness = fixed.soft_fitness(constraint, attributes, HOST, "host1.example.org", RULES)
    assert fitness == (0 if words else FITNESS_MAX)


@pytest.mark.parametrize(
    ("taints", "borne", "words"),
    [
        (None, (), ""),
        ("", (), ""),
        ("gpu", ("gpu",), ""),
        ("gpu , noisy", ("gpu", "noisy"), ""),
        ("gpu", (), "it has the taint 'gpu', which the job does not tolerate"),
        ("gpu,noisy", ("gpu",), "it has the taint 'noisy', which the job does not tolerate"),
    ],
)
def test_a_job_must_bear_every_taint(
    taints: str | None, borne: tuple[str, ...], words: str
) -> None:
    attributes = {} if taints is None else {"taints": taints}
    hard = [Constraint("uniqueHost"), Constraint("toleration", "", borne)]
    assert fixed.taint_refusal(fixed.tolerated(hard), attributes, RULES) == words


def test_no_work_goes_to_a_lost_zone() -> None:
    rules = PlacementRules(zone_attribute="az", lost_zones=("b", "c"))
    assert fixed.zone_refusal({"az": "b"}, rules) == "zone 'b' is given up as lost"
    assert not fixed.zone_refusal({"az": "a"}, rules)
    assert not fixed.zone_refusal({}, rules)


@pytest.mark.parametrize(
    ("asks", "has", "takes_all", "is_refused"),
    [
        (False, True, True, False),
        (False, True, False, True),
        (True, True, False, False),
        (False, False, False, False),
    ],
)
def test_hosts_with_devices_may_be_kept(
    asks: bool, has: bool, takes_all: bool, is_refused: bool
) -> None:
    rules = PlacementRules(gpu_hosts_take_all=takes_all)
    why = fixed.devices_refusal(asks_devices=asks, has_devices=has, rules=rules)
    assert bool(why) == is_refused


@pytest.mark.parametrize(
    ("models", "attributes", "words"),
    [
        ((), {}, ""),
        (("A10", "V100"), {"gpu_model": "V100"}, ""),
        (("A10",), {"gpu_model": "V100"}, "gpu_model is 'V100', 'A10' is wanted"),
        (("A10",), {}, "it has no attribute gpu_model, 'A10' is wanted"),
    ],
)
def test_devices_must_be_of_a_wanted_model(
    models: tuple[str, ...], attributes: dict[str, str], words: str
) -> None:
    assert fixed.model_refusal(models, attributes) == words


def test_every_kind_is_answered_for_once() -> None:
    every: Any = ConstraintKind
    assert set(every.__args__) == fixed.KINDS | moving.KINDS
    assert not fixed.KINDS & moving.KINDS
    with pytest.raises(AssertionError, match="moving"):
        refusal(Constraint("uniqueHost"), {})
